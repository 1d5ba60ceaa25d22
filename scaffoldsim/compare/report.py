"""The report of one run: ``report.html``, self-contained."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.compare import curves, metrics, page, tissue
from scaffoldsim.compare.curves import Line
from scaffoldsim.run.record import Run

#: Depth profiles are shown for so many days, and in so many layers at most.
_DAYS = 5
_LAYERS = 60
#: From so many on, cells are counted in thousands.
_MANY = 2000
#: From early (light) to late (dark), one hue: time is an order.
_TIMES = ("#8FC1DE", "#5DA5D1", "#3182BD", "#1461A8", "#08306B")

Array = npt.NDArray[np.float64]


def write_report(run: Run | str | os.PathLike[str]) -> Path:
    """Write ``report.html`` of a run: numbers, verdicts, curves, picture, every parameter.

    The picture is ``picture.png`` of the run folder, where there is one; it is embedded, and the
    page asks nothing of the network.

    Parameters
    ----------
    run : Run or path
        The run, finished or not; the page says how far it came.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder is no run, or is damaged.

    Examples
    --------
    >>> write_report("runs/a")  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run(run)
    table = run.metrics
    if not len(table):
        raise ValueError(f"{run.path} has no metrics yet (status {run.status}): nothing to report")
    days = metrics.column(table, "time_h") / 24
    values = {
        "title": run.title,
        "status": run.status,
        "day": f"{days[-1]:.4g}",
        "manifest": run.manifest,
        "cards": _cards(run, table),
        "shape": _shape(run.morphometry) if _built(run) else [],
        "criteria": list(_criteria(run.morphometry)),
        "scores": tissue.criteria(table),
        "risks": tissue.risks(table),
        "figures": _figures(run, table, days),
        "picture": page.embedded(run.path / "picture.png"),
        "parameters": list(page.parameters(run.config)),
        "settings": list(_settings(run.config)),
        "notes": [_set(note) for note in run.notes],
        "missing": [
            name
            for name in map(str, table.columns)
            if not np.isfinite(metrics.column(table, name)).any()
        ],
        "folder": run.path.name,
    }
    return page.write_page("run", run.path / "report.html", values)


def _cards(run: Run, table: Any) -> list[dict[str, str]]:
    """Return the numbers at the head of the page, each with what it is to be seen against."""
    ends = metrics.endpoints(run)
    outcomes = {o.name: o for o in metrics.OUTCOMES}
    built = _built(run)
    start = metrics.series(table, "cells")[0]
    growth = ends["cells"] / start if start > 0 else np.nan
    oxygen = float(metrics.column(table, "oxygen_mean_mM")[-1])
    bone = outcomes["osteoblasts"].text(ends["osteoblasts"])

    def card(name: str, label: str, beside: str) -> dict[str, str]:
        outcome, unit = outcomes[name], outcomes[name].unit
        value = outcome.text(ends[name])
        return {"label": label, "value": f"{value} {unit}".strip(), "beside": beside}

    cards = []
    density, host = (tissue.last(table, k) for k in ("bmd_g_per_cm3", "host_bone_fraction"))
    if host > 0:
        whole = f"{100 * (host + tissue.last(table, 'bv_tv')):.1f} %"
        cards.append({"label": "Bone volume", "value": whole, "beside": "BV/TV, host and new bone"})
    if np.isfinite(density):
        score = tissue.last(table, "t_score")
        signed = f"{score:.1f}".replace("-", "−")
        beside = f"T-score {signed}" if np.isfinite(score) else ""
        value = f"{density:.3f} g/cm³"
        cards.append({"label": "Bone mineral density", "value": value, "beside": beside})
    filled = tissue.last(table, "bone_in_pore")
    if np.isfinite(filled):
        left = 100 * tissue.last(table, "scaffold_mass")
        place = "of the pores" if built else "of the space"
        beside = f"{place}; {left:.0f} % of the scaffold left" if np.isfinite(left) else place
        cards.append({"label": "New bone", "value": f"{100 * filled:.1f} %", "beside": beside})
    from_start = outcomes["cells"].text(float(start))
    times = f"{growth:.1f} × the {from_start} at the start" if np.isfinite(growth) else ""
    return [
        *cards,
        card("cells", "Live cells", times),
        card("osteogenic_share", "Osteogenic share", f"of live cells; {bone} osteoblasts"),
        card("adipocyte_share", "Adipocyte share", "of live cells"),
        card("viability", "Viability", "live of live and dead"),
        card("oxygen_p05_mM", "Oxygen, 5th percentile", f"of the pore; mean {oxygen:.3f} mM"),
        *([card("porosity", "Porosity", "of the scaffold")] if built else []),
        *([card("pore_size_um", "Pore size", "mean local thickness of the pore")] if built else []),
    ]


def _built(run: Run) -> bool:
    """Whether there was a scaffold: a gel, or marrow, has no walls."""
    return float((run.morphometry or {}).get("porosity") or 0.0) < 1


def _figures(run: Run, table: Any, days: Array) -> list[dict[str, Any]]:
    """All curves that have something to show: title, caption, SVG."""
    paints = curves.type_paints()
    many = metrics.series(table, "cells").max() >= _MANY
    scale, of_cells = (1000, "cells (thousands)") if many else (1, "cells")
    counts = [
        Line(label, colour, days, metrics.column(table, f"cells_{name}") / scale)
        for name, (label, colour) in paints.items()
    ]
    share = [
        Line("osteogenic", "#D55E00", days, 100 * metrics.series(table, "osteogenic_share")),
        Line("adipocyte", "#CC79A7", days, 100 * metrics.series(table, "adipocyte_share")),
    ]
    oxygen = [
        Line("mean", "#0072B2", days, metrics.column(table, "oxygen_mean_mM")),
        Line("5th percentile", "#56B4E9", days, metrics.column(table, "oxygen_p05_mM")),
    ]
    viable = [Line("live", "#117733", days, 100 * metrics.series(table, "viability"))]
    depth_cells, depth_oxygen = _profiles(run)
    crowded = any(line.y.max() >= _MANY / 1000 for line in depth_cells)
    if not crowded:
        depth_cells = [replace(line, y=1000 * line.y) for line in depth_cells]
    per_volume = "cells per mm³ (thousands)" if crowded else "cells per mm³"
    drawn = [
        ("Cells by type", "", curves.stacked(
            counts, x_label="day", y_label=of_cells, alt="Cells by type over time")),
        ("Fate", "Shares of live cells: counts alone mislead, since fate drains the dividing pool.",
         curves.curves(share, x_label="day", y_label="share of live cells (%)",
                       alt="Osteogenic and adipocyte share over time")),
        ("Oxygen in the pore", "", curves.curves(
            oxygen, x_label="day", y_label="oxygen (mM)", alt="Oxygen over time")),
        ("Viability", "Live cells as a share of live cells and all that died so far.",
         curves.curves(viable, x_label="day", y_label="viability (%)", alt="Viability over time")),
        ("Cells by depth", "Layers along z, from face to face.", curves.curves(
            depth_cells, x_label="z (mm)", y_label=per_volume,
            alt="Cell density along z on several days")),
        ("Oxygen by depth", "Mean of the pore in each layer along z.", curves.curves(
            depth_oxygen, x_label="z (mm)", y_label="oxygen (mM)",
            alt="Oxygen along z on several days")),
        *tissue.figures(table, days),
    ]  # fmt: skip
    return [{"title": t, "caption": c, "svg": page.svg(s)} for t, c, s in drawn if s]


def _profiles(run: Run) -> tuple[list[Line], list[Line]]:
    """Cells per mm³ (thousands) and mean oxygen of the pore along z, at several frames."""
    try:
        times = run.frames
    except FileNotFoundError:
        return [], []
    chosen = sorted({round(k) for k in np.linspace(0, len(times) - 1, _DAYS)}) if times else []
    nx, ny, nz = run.shape
    layers = min(nz, _LAYERS)
    edges = np.linspace(0, nz, layers + 1).round().astype(np.int64)
    z = (edges[:-1] + edges[1:]) / 2 * run.voxel * 1e3
    volume = np.diff(edges) * nx * ny * (run.voxel * 1e3) ** 3
    cells, oxygen = [], []
    for place, index in enumerate(chosen):
        shade = round(place * (len(_TIMES) - 1) / max(len(chosen) - 1, 1)) if len(chosen) > 1 else 4
        label = f"day {times[index] / 24:.3g}"
        per_layer = np.bincount(run.cells(index)["voxel"] % nz, minlength=nz)
        density = np.add.reduceat(per_layer, edges[:-1]) / volume / 1000
        cells.append(Line(label, _TIMES[shade], z, density))
        if "oxygen" in run.field_names:
            field = run.field("oxygen", index)
            open_ = np.isfinite(field)
            sums = np.add.reduceat(
                np.where(open_, field, 0).sum((0, 1), dtype=np.float64), edges[:-1]
            )
            number = np.add.reduceat(open_.sum((0, 1)), edges[:-1])
            mean = np.divide(sums, number, out=np.full(layers, np.nan), where=number > 0)
            oxygen.append(Line(label, _TIMES[shade], z, mean))
    return cells, oxygen


_SHAPE = (
    ("porosity", "Porosity", "%", 100.0),
    ("porosity_accessible", "Accessible porosity", "%", 100.0),
    ("pore_size_mean_um", "Pore size, mean", "µm", 1.0),
    ("pore_size_sd_um", "Pore size, SD", "µm", 1.0),
    ("pore_size_d10_um", "Pore size, 10th percentile", "µm", 1.0),
    ("pore_size_d90_um", "Pore size, 90th percentile", "µm", 1.0),
    ("pore_fraction_in_range", "Pore volume within 300–1200 µm", "%", 100.0),
    ("wall_thickness_mean_um", "Wall thickness, mean", "µm", 1.0),
    ("specific_surface_per_mm", "Specific surface", "mm²/mm³", 1.0),
    ("pore_networks", "Separate pore networks", "", 1.0),
    ("uncertainty_um", "Uncertainty of lengths", "µm", 1.0),
)


def _shape(measured: Mapping[str, Any] | None) -> list[dict[str, str]]:
    rows = []
    for key, label, unit, scale in _SHAPE:
        value = (measured or {}).get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            rows.append({"label": label, "value": f"{value * scale:.4g} {unit}".strip()})
    return rows


def _criteria(measured: Mapping[str, Any] | None) -> Any:
    """Yield the verdicts on the scaffold as built, set for people."""
    for row in (measured or {}).get("criteria") or []:
        yield row | {key: _set(str(row[key])) for key in ("name", "limit") if key in row}


def _set(text: str) -> str:
    """Set plain text of a file for people: "599.9 um", ">= 0.90"."""
    return re.sub(r"\bum\b", "µm", text).replace(">=", "≥").replace("<=", "≤")


def _settings(config: Mapping[str, Any], key: str = "") -> Any:
    """Yield the plain values of a config, those that are choices and not sourced numbers."""
    for name, value in config.items():
        path = f"{key}.{name}" if key else str(name)
        if isinstance(value, Mapping):
            if not {"value", "mark", "source"} <= set(value):
                yield from _settings(value, path)
        elif isinstance(value, list):
            yield {"key": path, "value": ", ".join(str(entry) for entry in value)}
        elif value is not None:
            yield {"key": path, "value": str(value)}
