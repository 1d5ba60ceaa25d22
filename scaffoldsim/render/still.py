"""Still pictures: `render_still` of a run, `render_scaffold` of a scaffold alone.

The raster comes from `gl.draw`; every letter, the legend, the colour bar and the scale bar are set
by matplotlib over it. Where 3-D drawing is not possible the same figures are shown as slices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scaffoldsim import units
from scaffoldsim.render import gl
from scaffoldsim.render.frame import Frame, percent, run_frame, size_text
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 200
#: Kinds of cells that the legend holds at its full size, above the colour bar.
_ROOMY = 5.5
#: Rows of one line that fill the legend at its full size; a row of two lines counts as 1.6 of them.
_LINES = 9.5
#: Size at which the longest of these lines is within the picture.
_NARROW = 0.86
#: Share of the width that the legend takes.
_LEGEND = 0.215
#: Height of a picture below its heading, a share.
_BELOW_HEADING = 0.895
GREY = "#555555"
FONT: Any = {"font.family": "DejaVu Sans", "font.size": 9, "mathtext.default": "regular"}

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RenderResult:
    """What was drawn.

    Attributes
    ----------
    path : Path
        The PNG.
    kind : str
        ``3d``, or ``slices`` where no 3-D drawing is possible.
    note : str
        Empty, or why there are slices and what to install.
    """

    path: Path
    kind: str
    note: str = ""


def render_still(
    run: Run | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    scene: str | os.PathLike[str] = "cutaway",
    at: float | str | None = None,
    size: tuple[int, int] = (1600, 1200),
) -> RenderResult:
    """Draw one moment of a run as a PNG.

    Parameters
    ----------
    run : Run or path
        The run.
    out : path
        The picture; its folder is made if need be.
    scene : str or path
        A scene of the catalogue.
    at : float or str, optional
        Time in s, or with a unit ("14 d"); the nearest stored frame is drawn, the last by default.
    size : (width, height)
        Pixels of the picture, 400 to 8000 each.

    Returns
    -------
    RenderResult
        Where the picture is, and whether it is 3-D.

    Raises
    ------
    ValueError
        If scene, time or size are not possible, or the run has no frame.

    Examples
    --------
    >>> render_still("runs/a", "a.png", at="14 d")  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run(run)
    _check_size(size)
    look = Scene.load(scene)
    moment = None if at is None else units.parse(at, "s") / 3600
    return _picture(run_frame(run, run.frame_at(moment), look), look, Path(out), size)


def render_scaffold(
    distance: Array,
    voxel: float,
    out: str | os.PathLike[str],
    *,
    title: str = "Scaffold",
    scene: str | os.PathLike[str] = "cutaway",
    size: tuple[int, int] = (1200, 1200),
) -> RenderResult:
    """Draw a scaffold without cells as a PNG.

    Parameters
    ----------
    distance : array (x, y, z)
        Signed distance to the solid, m, > 0 in the pore.
    voxel : float
        Edge of a voxel, m.
    out : path
        The picture.
    title : str
        Said above it.
    scene, size
        As in `render_still`.

    Returns
    -------
    RenderResult
        Where the picture is, and whether it is 3-D.

    Raises
    ------
    ValueError
        If the array is not three-dimensional, or the scene or size is not possible.

    Examples
    --------
    >>> ball = np.linalg.norm(np.indices((9, 9, 9)) - 4, axis=0) * 1e-5 - 3e-5
    >>> render_scaffold(ball, 1e-5, "ball.png").path.name  # doctest: +SKIP
    'ball.png'
    """
    values = np.asarray(distance, dtype=np.float32)
    if values.ndim != 3:
        raise ValueError(f"distance has {values.ndim} axes; three (x, y, z) are needed")
    _check_size(size)
    porosity = float(np.mean(values > 0))
    frame = Frame(
        title=title,
        subtitle=f"porosity {porosity:.0%}  ·  {size_text(values.shape, voxel)}".replace("%", " %"),
        voxel=float(voxel),
        distance=values,
        centres=np.empty((0, 3), np.float32),
        types=np.empty(0, np.int64),
        type_names=(),
        field=None,
    )
    return _picture(frame, Scene.load(scene), Path(out), size)


def _picture(frame: Frame, scene: Scene, out: Path, size: tuple[int, int]) -> RenderResult:
    from scaffoldsim.render import slices

    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        drawn = gl.draw(arrays_of(frame, scene), settings_of(frame, scene, size))
    except gl.NoGraphicsError as error:
        save(slices.compose(frame, scene, size), out)
        return RenderResult(out, "slices", f"slices instead of a 3-D picture: {error}")
    save(compose(frame, scene, size, *drawn), out)
    return RenderResult(out, "3d")


def arrays_of(frame: Frame, scene: Scene) -> dict[str, Array]:
    """Arrays of a frame, as `layers.Stage.show` takes them."""
    arrays = {"distance": frame.distance}
    if len(frame.types):
        arrays["centres"], arrays["colours"] = frame.centres, _colours(frame, scene)
    if frame.field is not None:
        arrays["field"] = frame.field
    if frame.built is not None:
        arrays |= {"built": frame.built, **(frame.parts or {})}
    return arrays | {f"vessel_{name}": column for name, column in (frame.vessels or {}).items()}


def settings_of(frame: Frame, scene: Scene, size: tuple[int, int]) -> dict[str, Any]:
    """Settings of a picture of `size` pixels with its letters, as `layers.Stage` takes them."""
    legend, top = _room(frame, scene)
    raster_size = (round(size[0] * (1 - legend)), round(size[1] * top))
    return {"scene": scene.to_dict(), "voxel": frame.voxel, "size": raster_size}


def _room(frame: Frame, scene: Scene) -> tuple[float, float]:
    """Share of the width for the legend, share of the height for the raster."""
    bare = frame.field is None and not frame.counts() and not frame.vessel_kinds()
    # From outside the box leaves room for the heading; from inside the picture ends below it.
    return 0.0 if bare else _LEGEND, 1.0 if scene.angle is None else _BELOW_HEADING


def compose(
    frame: Frame, scene: Scene, size: tuple[int, int], raster: Array, facts: Mapping[str, Any]
) -> Figure:
    """Set the letters around a raster that `gl` drew."""
    legend, top = _room(frame, scene)
    figure = _figure(size, scene.background)
    axes = figure.add_axes((0, 0, 1 - legend, top))
    axes.imshow(raster, interpolation="none", aspect="auto")
    axes.set_axis_off()
    heading(figure, frame, scale=size[1] / 1200)
    if facts["pixels_per_m"] is not None:
        scale_bar(axes, facts["pixels_per_m"], frame, (raster.shape[1], raster.shape[0]))
    if legend:
        barred = frame.field is not None and scene.angle is None
        low = 0.40 if barred else 0.05
        panel = figure.add_axes((1 - legend, low, legend, 0.86 - low))
        cell_legend(panel, frame, scene, size[1] / 1200, roomy=(0.86 - low) / 0.46)
        if barred:
            bar = figure.add_axes((1 - legend + 0.028, 0.10, 0.0175, 0.26))
            colour_bar(figure, bar, frame, scene, size[1] / 1200)
    if scene.dark:
        _lighten(figure)
    return figure


# ----------------------------------------------------------------------------------- typography


def _figure(size: tuple[int, int], background: str = "#FFFFFF") -> Figure:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(FONT):
        figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=background)
        FigureCanvasAgg(figure)
    return figure


def _lighten(figure: Figure) -> None:
    """Turn dark letters light, for a dark background."""
    from matplotlib.text import Text

    light = {"#111111": "#FFFFFF", GREY: "#B9BEC8", "black": "#E6E8EC"}
    for text in figure.findobj(Text):
        text.set_color(light.get(str(text.get_color()), text.get_color()))


def save(figure: Figure, out: Path) -> None:
    """Write the PNG atomically and without a date, so that equal data gives equal bytes."""
    import io

    import matplotlib as mpl

    from scaffoldsim.run.atomic import write_atomic

    buffer = io.BytesIO()
    with mpl.rc_context(FONT):
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": "scaffoldsim"})
    write_atomic(out, buffer.getvalue())


def raster_of(figure: Figure) -> Array:
    """Return the pixels of a figure, (height, width, 3) uint8."""
    import matplotlib as mpl

    canvas: Any = figure.canvas
    with mpl.rc_context(FONT):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def heading(figure: Figure, frame: Frame, *, scale: float) -> None:
    """Title and subtitle at the top left."""
    # A bold letter is about .68 of its size wide: a long title is set smaller rather than cut off.
    title, subtitle = frame.letters()
    room = 0.95 * figure.get_figwidth() * 72 / (0.68 * max(title, 1))
    figure.text(
        0.025, 0.972, frame.title, fontsize=min(15 * scale, room), weight="bold", va="top",
        color="#111111", parse_math=False,
    )  # fmt: skip
    room = 0.95 * figure.get_figwidth() * 72 / (0.53 * max(subtitle, 1))
    size = min(9.5 * scale, room)
    figure.text(0.025, 0.928, frame.subtitle, fontsize=size, va="top", color=GREY, parse_math=False)


def scale_bar(axes: Axes, pixels_per_m: float, frame: Frame, raster_size: tuple[int, int]) -> None:
    """Draw a bar of a round length, about a fifth of the box, in the plane of the picture."""
    width, height = raster_size
    longest = max(frame.distance.shape) * frame.voxel * 1e6
    steps = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000])
    length = float(steps[max(np.searchsorted(steps, longest / 2.9) - 1, 0)])
    pixels, scale = length * 1e-6 * pixels_per_m, height / 1200
    left, base = 0.032 * width, height * 0.955
    axes.plot([left, left + pixels], [base, base], color="black", lw=3 * scale,
              solid_capstyle="butt", scalex=False, scaley=False)  # fmt: skip
    text = f"{length:.0f} µm" if length < 1000 else f"{length / 1000:.0f} mm"
    axes.text(left + pixels / 2, base - 12 * scale, text, ha="center", va="bottom",
              fontsize=10 * scale)  # fmt: skip


def cell_legend(
    axes: Axes, frame: Frame, scene: Scene, scale: float, *, roomy: float = 1.0
) -> None:
    """One row per kind of cell that is there, with its share; vessels; parts of the solid."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.set_axis_off()
    handles: list[Any] = []
    solids, vessels = frame.solids(), frame.vessel_kinds()
    rows = len(frame.counts()) + len(vessels) + 0.6 * len(solids)
    crowd, between = min(1.0, roomy * _ROOMY / max(1, rows)), "\n"
    if crowd < 1:  # shares beside the names
        rows = len(frame.counts()) + 1.6 * len(vessels) + len(solids)
        crowd, between = min(_NARROW, roomy * _LINES / rows), "  "
    small = scale * min(1.0, 1.1 * crowd)  # markers as small as their rows: else they overlap
    for name, count in frame.counts():
        paint = scene.paint(name)
        label = f"{paint.label or name}{between}{percent(count / max(len(frame.types), 1))}"
        handles.append(
            Line2D([], [], marker="o", ls="", ms=9 * small, mfc=paint.color, mec="#00000044",
                   mew=0.6 * scale, label=label)
        )  # fmt: skip
    for kind, amount in vessels.items():
        paint = getattr(scene.vessels, kind)
        line = {"marker": ">", "ms": 8 * small, "ls": ""} if kind == "tip" else {"lw": 3.5 * small}
        label = f"{paint.label}\n{amount}"
        handles.append(Line2D([], [], color=paint.color, mec="#00000044", label=label, **line))
    for name in solids:
        paint = getattr(scene, name)
        handles.append(Patch(fc=paint.color, ec="#00000044", lw=0.6 * scale, label=paint.label))
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-0.02, 1.02), frameon=False,
        labelspacing=0.95 * crowd, handletextpad=0.9, handlelength=1.4,
        fontsize=9.2 * scale * crowd, title="Cells", alignment="left",
        title_fontproperties={"weight": "bold", "size": 10.5 * scale},
    )  # fmt: skip


def colour_bar(figure: Figure, axes: Axes, frame: Frame, scene: Scene, scale: float) -> None:
    """Draw the colour bar of the field, its ends fixed by the scene."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(*scene.limits), scene.colormap), cax=axes)
    unit = f" ({frame.field_unit})" if frame.field_unit else ""
    bar.set_label(scene.field_label + unit, fontsize=9.5 * scale)
    bar.ax.tick_params(labelsize=9 * scale, width=0.6 * scale, length=3 * scale)
    bar.outline.set_linewidth(0.5 * scale)


def _colours(frame: Frame, scene: Scene) -> Array:
    """Colour of each cell, (n, 3) uint8."""
    table = [scene.paint(name).color for name in frame.type_names] or [scene.other.color]
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in table], dtype=np.uint8)
    chosen: Array = rgb[np.clip(frame.types, 0, len(rgb) - 1)]
    return chosen


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or not all(400 <= side <= 8000 for side in size):
        raise ValueError(f"size {size} is not possible; width and height are 400 to 8000 pixels")
