"""The interactive page of a run: `write_view`, one file that opens in any browser, offline.

k3d draws it (its code is in the page); what is drawn comes from `shapes`, what stands around it
from ``viz/reports/viewer.html``, and ``viewer.js`` beside that joins the controls to the drawing.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim import catalogue
from scaffoldsim.render import shapes
from scaffoldsim.render.frame import grouped, percent, run_frame
from scaffoldsim.render.scene import Scene
from scaffoldsim.render.shapes import Shape
from scaffoldsim.run.atomic import write_atomic
from scaffoldsim.run.record import Run

#: Bytes of packed drawing that a page holds unless told otherwise; a file is a third larger.
BUDGET = 30_000_000
_LEVEL = 6
#: A grid of more voxels is contoured at twice the voxel, and so on.
_COARSE_ABOVE = 200**3
#: Angle that the camera sees, degrees; a box fills less of it than the ball about the box.
_FOV, _FILLED = 30.0, 0.95
#: Numbers of metrics.csv in the caption: column, word, unit; a share is shown as %.
_FACTS = (
    ("cells_total", "cells", ""),
    ("bv_tv", "BV/TV", "%"),
    ("host_bone_fraction", "host bone", "%"),
    ("vessel_density_mm_per_mm3", "vessels", "mm/mm³"),
    ("oxygen_mean_mM", "mean O₂", "mM"),
)
_MARKS = {"points": "●", "lines": "━", "mesh": "■", "slice": "▤"}
_TIP_MARK = "▲"


def write_view(
    run: Run | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    scene: str | os.PathLike[str] = "cutaway",
    budget: int = BUDGET,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Write an interactive page of a run, every frame of it: turn, cut, switch, play.

    The page holds all it needs and asks no server for anything. It needs WebGL 2 and may not be
    under a content security policy that forbids ``eval``.

    Parameters
    ----------
    run : Run or path
        The run.
    path : path, optional
        The page; ``view.html`` in the run folder by default. Its folder is made if need be.
    scene : str or path
        A scene of the catalogue: its colours, the sizes of cells and vessels, field and limits.
    budget : int
        Bytes of packed drawing that the page may hold. If all frames are more, some are left out,
        evenly, never the first or the last; the page says so.
    tell : callable, optional
        Gets a line of text for everything that is not as the run stores it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If the run has no frame, the scene is not possible or the budget is not positive.
    OSError
        If the page cannot be written; one that was there is then untouched.

    Examples
    --------
    >>> write_view("runs/a")  # doctest: +SKIP
    PosixPath('runs/a/view.html')
    """
    run = run if isinstance(run, Run) else Run(run)
    if budget <= 0:
        raise ValueError(f"budget: {budget} is not possible; a positive number of bytes is needed")
    look = Scene.load(scene)
    out = run.path / "view.html" if path is None else Path(path)
    frames = _Frames(run, look, budget)
    notes = frames.notes()
    for note in notes:
        if tell is not None:
            tell(note)
    page = _page(run, look, frames, notes)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, page)
    return out


@dataclass(frozen=True)
class _Moment:
    """A stored frame: its shapes, and what the legend says of it."""

    shapes: list[Shape]
    counts: dict[str, int]
    vessels: dict[str, str]
    shares: dict[str, float]


class _Frames:
    """The frames of a page: as many as the budget has room for."""

    def __init__(self, run: Run, scene: Scene, budget: int) -> None:
        self.run, self.scene = run, scene
        voxels = int(np.prod(run.shape))
        self.factor = int(np.ceil(round((voxels / _COARSE_ABOVE) ** (1 / 3), 6)))
        self.size = np.array(run.shape) * run.voxel * 1e6
        self._solid: list[Shape] | None = None
        count = len(run.frames)
        ends = {index: self._moment(index) for index in {0, count - 1}}
        room = _room([moment.shapes for moment in ends.values()], budget)
        chosen = np.linspace(0, count - 1, min(count, room)).round().astype(int)
        self.stored = [int(index) for index in chosen]
        self.moments = [
            ends[index] if index in ends else self._moment(index) for index in self.stored
        ]
        self.shapes = lasting(
            [replace(shape, first=k, last=k) for shape in moment.shapes]
            for k, moment in enumerate(self.moments)
        )

    def _moment(self, index: int) -> _Moment:
        """Collect a stored frame; a solid that never changes is contoured once."""
        frame = run_frame(self.run, index, self.scene)
        look = shapes.of_frame(frame, self.scene, self.factor, solid=self._solid)
        if frame.parts is None:
            self._solid = look.solid
        parts = frame.parts or {"scaffold": self.run.fraction}
        return _Moment(
            shapes=[*look.rest, *look.solid],
            counts=dict(frame.counts()),
            vessels=frame.vessel_kinds(),
            shares={name: float(part.mean(dtype=np.float64)) for name, part in parts.items()},
        )

    @property
    def days(self) -> list[float]:
        """Times of the frames of the page."""
        return [self.run.frames[index] / 24 for index in self.stored]

    def notes(self) -> list[str]:
        """What is not as the run stores it."""
        stored, shown = len(self.run.frames), len(self.stored)
        notes = []
        if shown < stored:
            notes.append(
                f"{shown} of the {stored} stored frames are in the page, to keep it small; "
                "`scaffoldsim render RUN --at` draws any other"
            )
        if self.factor > 1:
            notes.append(f"the solid is drawn from blocks of {self.factor} voxels an edge")
        if self.run.status != "finished":
            notes.append(f"the run is {self.run.status}: its last frame is day {self.days[-1]:.4g}")
        return notes


def lasting(frames: Iterable[list[Shape]]) -> list[Shape]:
    """Join what is the same in frames that follow each other to one shape.

    Examples
    --------
    >>> def dot(x, frame):
    ...     return Shape("bmsc", "points", "#0072B2", {"at": np.array([[x]])}, frame, frame)
    >>> [(s.first, s.last) for s in lasting([[dot(1, 0)], [dot(1, 1)], [dot(2, 2)]])]
    [(0, 1), (2, 2)]
    """
    done: list[Shape] = []
    before: list[Shape] = []
    for frame in frames:
        now = []
        for shape in frame:
            same = next((old for old in before if _same(old, shape)), None)
            now.append(shape if same is None else replace(same, last=shape.last))
            before = [old for old in before if old is not same]
        done += before
        before = now
    return sorted(done + before, key=lambda shape: shape.first)


def _same(one: Shape, other: Shape) -> bool:
    """Whether two shapes differ in nothing but their frames."""
    if replace(one, first=0, last=0, arrays={}) != replace(other, first=0, last=0, arrays={}):
        return False
    return all(np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items())


def _room(ends: list[list[Shape]], budget: int) -> int:
    """How many frames the budget has room for, by the first and the last one; at least those."""

    def packed(found: Iterable[Shape]) -> int:
        arrays = (array for shape in found for array in shape.arrays.values())
        return sum(len(zlib.compress(array.tobytes(), _LEVEL)) for array in arrays)

    once = [s for s in ends[0] if all(any(_same(s, other) for other in end) for end in ends)]
    stays = packed(once)
    each = max(packed(end) for end in ends) - stays
    return max(2, int((budget - stays) // max(each, 1)))


# -------------------------------------------------------------------------------------- the page


def _page(run: Run, scene: Scene, frames: _Frames, notes: list[str]) -> str:
    """Put k3d's own page, our controls and the numbers together."""
    import k3d
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    plot = k3d.plot(
        background_color=int(scene.background[1:], 16), grid_visible=False, axes=["x", "y", "z"],
        menu_visibility=False, camera_auto_fit=False, grid_auto_fit=False, camera_mode="orbit",
        camera_fov=_FOV, antialias=2, lighting=1.5, colorbar_object_id=0, name=run.title,
        snapshot_type="full", height=100,
        grid=(0.0, 0.0, 0.0, *frames.size.tolist()),  # sets how near and far the camera sees
    )  # fmt: skip
    box = shapes.outline(frames.size, scene.box.color, len(frames.days) - 1)
    for number, shape in enumerate([*frames.shapes, box], start=1):
        drawn = shapes.drawable(shape, number, frames.size)
        drawn.visible = shape.last == box.last  # the page opens on the last day
        plot += drawn
    place = catalogue.find("reports", "viewer")
    script = place.with_suffix(".js").read_text(encoding="utf-8")
    snapshot = plot.get_snapshot(compression_level=_LEVEL, additional_js_code=script)
    rows = _rows(run, scene, frames)
    edges = " × ".join(f"{edge / 1e3:.3g}" for edge in frames.size)
    about = [*_host(run), f"box {edges} mm", f"voxel {run.voxel * 1e6:.3g} µm"]
    about.append(f"seed {run.manifest.get('seed')}")
    environment = Environment(
        loader=FileSystemLoader(place.parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    data = {
        "days": frames.days,
        "facts": _facts(run, frames),
        "values": {row["key"]: row["values"] for row in rows},
        "size": frames.size.tolist(),
        "corner": scene.corner,
        "eye": _eye(scene, frames.size),
        "up": scene.up,
    }
    parts = environment.get_template("viewer.html")
    values = {
        "title": run.title, "about": about, "rows": rows,
        "notes": notes, "frames": len(frames.days), "scene": scene, "bar": _bar(run, scene),
        "data": Markup(_in_script(data)), "dark": scene.dark,
        "slice": any(shape.kind == "slice" for shape in frames.shapes),
        "vessels": any(row["kind"] == "vessels" for row in rows),
    }  # fmt: skip
    head = "".join(parts.blocks["head"](parts.new_context(values)))
    body = "".join(parts.blocks["body"](parts.new_context(values)))
    return _inserted(snapshot, head, body)


def _eye(scene: Scene, size: Any) -> list[float]:
    """From the middle of the box to where its corners just fill a square view."""
    way = np.array(scene.direction) / np.sqrt(np.sum(np.square(scene.direction)))
    radius = np.sqrt(np.sum(np.square(size))) / 2
    far = _FILLED * radius / np.sin(np.radians(_FOV / 2))
    eye: list[float] = (far * way).tolist()
    return eye


def _inserted(snapshot: str, head: str, body: str) -> str:
    """Put our head and body into k3d's page, in place of its title, which holds the time of day."""
    page, titles = re.subn(r"<title>.*?</title>", lambda _: head, snapshot, count=1, flags=re.S)
    page, bodies = re.subn(r"<body>", lambda _: "<body>" + body, page, count=1)
    if not (titles and bodies):
        raise RuntimeError("the page of this k3d has another form; install k3d >= 3.2, < 4")
    return page.replace("<html>", '<html lang="en">', 1)


def _in_script(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")


def _rows(run: Run, scene: Scene, frames: _Frames) -> list[dict[str, Any]]:
    """Rows of the legend: key, kind, label, colour, mark, and what is said of it in each frame."""
    kind_of = {shape.row: shape.kind for shape in reversed(frames.shapes)}
    rows = []
    for name in (name for name in run.type_names if name in kind_of):
        said = [grouped(moment.counts.get(name, 0)) for moment in frames.moments]
        paint = scene.paint(name)
        rows.append(_row(name, "cells", paint.label or name, paint.color, "points", said))
    for name in ("perfused", "growing", "tip"):
        if name in kind_of and scene.vessels is not None:
            paint = getattr(scene.vessels, name)
            said = [moment.vessels.get(name, "0") for moment in frames.moments]
            rows.append(_row(name, "vessels", paint.label, paint.color, kind_of[name], said))
    for name in ("scaffold", "bone", "host_bone"):
        if name in kind_of:
            paint = getattr(scene, name)
            shares = [moment.shares.get(name, 0.0) for moment in frames.moments]
            said = [f"{percent(share)} of the box" for share in shares]
            rows.append(_row(name, "solid", paint.label or name, paint.color, "mesh", said))
    if scene.field in kind_of:
        label = f"{scene.field.capitalize()}, a slice"
        rows.append(_row(scene.field, "field", label, "", "slice", [""] * len(frames.days)))
    return rows


def _row(
    key: str, kind: str, label: str, color: str, mark: str, values: list[str]
) -> dict[str, Any]:
    sign = _TIP_MARK if key == "tip" else _MARKS[mark]
    return {
        "key": key, "kind": kind, "label": label, "color": color, "mark": sign, "values": values,
    }  # fmt: skip


def _metrics_rows(run: Run, frames: _Frames) -> list[dict[str, float]]:
    """The last row of metrics.csv at or before each frame, numbers alone; empty without any."""
    try:
        table = run.metrics
    except FileNotFoundError:
        return [{} for _ in frames.stored]
    rows = []
    for index in frames.stored:
        at = table[table["time_h"] <= run.frames[index] + 1e-6]
        rows.append({str(k): float(v) for k, v in at.iloc[-1].items()} if len(at) else {})
    return rows


def _facts(run: Run, frames: _Frames) -> list[str]:
    """Caption of each frame; what is not modelled is left out."""
    captions = []
    for row, index in zip(_metrics_rows(run, frames), frames.stored, strict=True):
        said = []
        for column, word, unit in _FACTS:
            value = row.get(column, np.nan)
            if np.isnan(value):
                continue
            if unit == "%":
                said.append(f"{word} {percent(value)}")
            elif column == "cells_total":
                said.append(f"{grouped(int(value))} {word}")
            else:
                said.append(f"{word} {value:.3g} {unit}")
        if said and row["time_h"] < run.frames[index] - 1e-6:
            said.append(f"all of day {row['time_h'] / 24:.4g}")
        captions.append(" · ".join(said))
    return captions


def _host(run: Run) -> list[str]:
    """Title of the host; empty where the config has none."""
    try:
        host = run.config.get("host")
    except FileNotFoundError:
        return []
    title = (host.get("title") or host.get("name")) if isinstance(host, dict) else host
    return [str(title)] if title else []


def _bar(run: Run, scene: Scene) -> dict[str, str]:
    """The colour bar of the field: a gradient, its ends and unit."""
    import matplotlib

    rgb = matplotlib.colormaps[scene.colormap](np.linspace(0, 1, 9))
    stops = ", ".join(matplotlib.colors.to_hex(color) for color in rgb)
    low, high = scene.limits
    return {
        "gradient": stops, "low": f"{low:g}", "high": f"≥ {high:g}",
        "unit": run.field_units.get(scene.field, ""),
    }  # fmt: skip
