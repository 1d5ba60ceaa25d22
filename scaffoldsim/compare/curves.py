"""Curves of reports as inline SVG: text stays text, and equal data gives equal bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scaffoldsim import catalogue
from scaffoldsim.compare.statistics import MARGIN, Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Tol's muted set, for arms: told apart by colour-blind eyes and apart from the cell types.
ARM_COLOURS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#AA4499", "#999933")
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scaffoldsim",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8A8F98",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One curve; `low` and `high` bound its band where it has one."""

    label: str
    colour: str
    x: Array
    y: Array
    low: Array | None = None
    high: Array | None = None
    dashed: bool = False


def type_paints() -> dict[str, tuple[str, str]]:
    """Label and colour of each cell type, the same as in pictures."""
    from ruamel.yaml import YAML

    text = catalogue.find("scenes", "cutaway").read_text(encoding="utf-8")
    types = YAML(typ="safe", pure=True).load(text)["cells"]["types"]
    return {name: (str(paint["label"]), str(paint["color"])) for name, paint in types.items()}


def curves(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    from_zero: bool = True,
    log: bool = False,
) -> str:
    """Draw curves, each named at its end.

    Parameters
    ----------
    lines : sequence of Line
        What to draw; NaN leaves a gap, and a curve of nothing but NaN is left out.
    x_label, y_label : str
        Axes, with units.
    alt : str
        What the figure shows, for those who hear the page.
    from_zero : bool
        Whether the y axis starts at zero.
    log : bool
        Whether the y axis is logarithmic; what is not above zero is left out.

    Returns
    -------
    str
        An ``<svg>`` element, "" where there is nothing to draw.
    """
    drawn = [line for line in lines if np.isfinite(line.y).any()]
    if not drawn:
        return ""
    figure, axes = _figure(4.6, 2.9)
    for line in drawn:
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=line.colour, alpha=0.16, lw=0)
        style = (0, (4, 2)) if line.dashed else "-"
        axes.plot(line.x, line.y, color=line.colour, lw=2, ls=style)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    ends = [float(line.x[np.isfinite(line.y)][-1]) for line in drawn]
    starts = [float(line.x[np.isfinite(line.y)][0]) for line in drawn]
    axes.set_xlim(min(starts), max(ends) if max(ends) > min(starts) else min(starts) + 1)
    if log:
        axes.set_yscale("log")
    elif from_zero:
        # A curve that hardly changes would lie on the upper edge.
        top = axes.get_ylim()[1]
        axes.set_ylim(0, 1 if top <= 1e-12 else max(top, 1.08 * _highest(drawn)))
    _name_ends(axes, drawn)
    return _svg(figure, alt)


def stacked(lines: Sequence[Line], *, x_label: str, y_label: str, alt: str) -> str:
    """Draw counts on top of each other, so that the upper edge is their sum."""
    drawn = [line for line in lines if np.nansum(line.y) > 0]
    if not drawn:
        return ""
    figure, axes = _figure(4.6, 2.9)
    base = np.zeros_like(drawn[0].y)
    for line in drawn:
        top = base + np.nan_to_num(line.y)
        axes.fill_between(
            line.x, base, top, color=line.colour, lw=0.4, ec="white", label=line.label
        )
        base = top
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xlim(drawn[0].x[0], max(drawn[0].x[-1], drawn[0].x[0] + 1e-9))
    axes.set_ylim(0, max(float(base.max()) * 1.05, 1e-9))
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=8, loc="upper left",
                bbox_to_anchor=(1.0, 1.03), borderpad=0.2, handletextpad=0.5,
                handlelength=0.9, labelspacing=0.3)  # fmt: skip
    return _svg(figure, alt)


def forest(differences: Sequence[Difference], colours: dict[str, str], *, alt: str) -> str:
    """Draw the ratios of pairs of arms with their intervals, and the margin of ±10 %."""
    drawn = [d for d in differences if not np.isnan(d.ratio)]
    if not drawn:
        return ""
    figure, axes = _figure(7.2, 0.8 + 0.36 * len(drawn), left=2.6, right=0.3)
    axes.axvspan(np.exp(-MARGIN), np.exp(MARGIN), color="#E7EBF0", lw=0)
    axes.axvline(1, color="#9AA0A6", lw=1)
    ends = np.array([v for d in drawn for v in (d.low, d.ratio, d.high)])
    ends = ends[np.isfinite(ends) & (ends > 0)]
    low, high = min([0.8, *ends]) / 1.1, max([1.25, *ends]) * 1.1
    for row, d in enumerate(drawn):
        # a ratio to nothing lies on the edge
        start, middle, end = np.clip([d.low, d.ratio, d.high], low, high)
        if not np.isnan(d.low):
            axes.plot([start, end], [-row, -row], color="#333333", lw=1.8)
        axes.plot(middle, -row, "o", ms=7, color=colours.get(d.first, "#333333"), clip_on=False)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50, 100)
             if low <= t <= high]  # fmt: skip
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(
        [-row for row in range(len(drawn))],
        [f"{_short(d.first)} ÷ {_short(d.second)}" for d in drawn],
    )
    axes.set_ylim(-len(drawn) + 0.4, 0.6)
    axes.set_xlabel("ratio; shaded: within 10 %")
    return _svg(figure, alt)


def _figure(
    width: float, height: float, *, left: float = 0.72, right: float = 1.06
) -> tuple[Figure, Axes]:
    """Make a figure with fixed margins (inches), so that figures side by side line up."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        figure.subplots_adjust(
            left=left / width, right=1 - right / width, bottom=0.5 / height, top=1 - 0.12 / height
        )
        axes = figure.add_subplot()
        axes.locator_params(nbins=6)
        return figure, axes


def _highest(lines: Sequence[Line]) -> float:
    return max(float(np.nanmax(line.y)) for line in lines)


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def _name_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Name each curve at its end, names that would overlap moved apart."""
    # Heights are shares of the axis, which may be logarithmic.
    place = axes.transData + axes.transAxes.inverted()
    wanted = sorted(
        (float(place.transform((0.0, line.y[np.isfinite(line.y)][-1]))[1]), index)
        for index, line in enumerate(lines)
    )
    step = 0.075
    placed: list[float] = []
    for height, _ in wanted:
        placed.append(max(height, placed[-1] + step) if placed else height)
    # The stack may not rise above the axes.
    excess = max(placed[-1] - 1.0, 0.0)
    for (_, index), height in zip(wanted, placed, strict=True):
        line = lines[index]
        axes.text(
            1.02, height - excess, _short(line.label), color=line.colour, va="center",
            fontsize=8.8, clip_on=False, transform=axes.transAxes, parse_math=False,
        )  # fmt: skip


def _svg(figure: Figure, alt: str) -> str:
    import html

    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(
            buffer, format="svg", transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )  # fmt: skip
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Namespaces name addresses that a browser never visits; in HTML they are not needed.
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    label = html.escape(alt, quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
