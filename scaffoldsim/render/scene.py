"""How a run is looked at: `Scene`, one YAML file of the catalogue."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scaffoldsim import catalogue, units
from scaffoldsim.tree import Path_, Tree, TreeError, merge, read

_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
#: A scene may stand on another one, which may stand on a third, and so on.
_MOST_BASES = 8


@dataclass(frozen=True)
class Light:
    """A light infinitely far away; `direction` points from the middle of the box to it."""

    direction: tuple[float, float, float]
    intensity: float
    color: str


@dataclass(frozen=True)
class Paint:
    """Name and colour of a kind of thing in the picture."""

    label: str
    color: str


@dataclass(frozen=True)
class VesselPaint:
    """How vessels are drawn: those with blood, those without yet, tips; `width` times as wide."""

    perfused: Paint
    growing: Paint
    tip: Paint
    width: float


@dataclass(frozen=True)
class Lamp:
    """A light at the eye that falls to a half at `reach` m."""

    intensity: float
    color: str
    reach: float


@dataclass(frozen=True)
class Movie:
    """What a movie shows, and how fast.

    Attributes
    ----------
    frames : str
        ``all``: every stored frame in order; ``last``: one moment alone, the last one if no other
        is asked for.
    pictures : int
        Pictures of each frame, at equal steps of `turn`.
    seconds : float
        How long each picture stays.
    hold : float
        How much longer the last one does, s.
    turn : float
        Degrees that the eye goes round the upright axis of the box, lights with it, over the whole
        movie; from within a pore, that it looks round.
    width : int
        Pixels from left to right; the height is three quarters of it.
    """

    frames: str = "all"
    pictures: int = 1
    seconds: float = 0.5
    hold: float = 0.0
    turn: float = 0.0
    width: int = 960


@dataclass(frozen=True)
class Scene:
    """Camera, lights, cut and colours of a picture.

    Attributes
    ----------
    name : str
        Name in the catalogue.
    background : str
        Colour behind everything, as all colours ``#RRGGBB``.
    direction, up : (x, y, z)
        From the middle of the box to the eye, and what is up; the projection is parallel, so that
        one scale bar holds everywhere.
    margins : (left, right, bottom, top)
        Share of the picture that stays free on each side.
    corner : (x, y, z)
        Signs of the corner that is cut away.
    cut_share : float
        Share of each edge that the cut takes, 0 for none.
    cut_scaffold, cut_bone : bool
        Whether the cut takes a scaffold that is bare, and one that has bone on it with the bone, or
        the cells alone.
    lights : tuple of Light
        Fixed to the scene.
    occlusion : float
        Radius of the ambient occlusion, share of the longest edge.
    supersampling : int
        The window is so many times larger than the picture.
    scaffold, box : Paint
        Scaffold and outline.
    bone, host_bone : Paint or None
        New bone and bone of the host; what has no paint is not drawn.
    vessels : VesselPaint or None
        Vessels of the host, drawn if the run has some; None draws none.
    angle : float or None
        None for a picture from outside. Else the eye stands in a pore, where most of the vessels is
        seen (without any, of the cells), and sees so many degrees from bottom to top; `direction`
        and `margins` do not matter then.
    lamp : Lamp or None
        A light in the hand of who stands in the pore.
    movie : Movie or None
        What a movie shows; None for a scene of stills, whose movies are as `Movie` says.
    cell_diameter : float
        Diameter that cells are drawn with, m.
    jitter : float
        Largest shift of a cell from the middle of its voxel, share of a voxel.
    types : mapping of str to Paint
        Cell types by name.
    other : Paint
        Any type that has no paint.
    field, field_label : str
        The field on a wall of the cut, and the title of its colour bar.
    limits : (low, high)
        Ends of the colour bar, in the unit of the field; fixed, so that pictures compare.
    colormap : str
        Name of a matplotlib colormap.
    """

    name: str
    background: str
    direction: tuple[float, float, float]
    up: tuple[float, float, float]
    margins: tuple[float, float, float, float]
    corner: tuple[float, float, float]
    cut_share: float
    cut_scaffold: bool
    cut_bone: bool
    lights: tuple[Light, ...]
    occlusion: float
    supersampling: int
    scaffold: Paint
    box: Paint
    cell_diameter: float
    jitter: float
    types: Mapping[str, Paint]
    other: Paint
    field: str
    field_label: str
    limits: tuple[float, float]
    colormap: str
    bone: Paint | None = None
    host_bone: Paint | None = None
    vessels: VesselPaint | None = None
    angle: float | None = None
    lamp: Lamp | None = None
    movie: Movie | None = None

    @property
    def dark(self) -> bool:
        """Whether letters on the background must be light."""
        r, g, b = (int(self.background[i : i + 2], 16) for i in (1, 3, 5))
        return 0.3 * r + 0.59 * g + 0.11 * b < 128

    @classmethod
    def load(cls, name: str | os.PathLike[str] = "cutaway") -> Scene:
        """Read a scene of the catalogue, or a file.

        Raises
        ------
        ValueError
            If there is no such scene, or a key is missing, unknown or out of range.

        Examples
        --------
        >>> Scene.load("cutaway").limits
        (0.0, 0.2)
        """
        path = catalogue.find("scenes", name)
        return _scene(path.stem, _with_bases(read(path)))

    def paint(self, type_name: str) -> Paint:
        """Label and colour of a cell type."""
        return self.types.get(type_name, self.other)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the process that draws."""
        return asdict(self)


def _with_bases(tree: Tree, depth: int = 0) -> Tree:
    """Lay a scene over the one its ``base`` names, if it names one."""
    if not isinstance(tree.data, dict) or "base" not in tree.data:
        return tree
    name = tree.data.pop("base")
    if not isinstance(name, str) or depth > _MOST_BASES:
        message = f"{name!r} is not allowed (a scene; the chain of bases may not go round)"
        raise ValueError(str(tree.problem(("base",), message)))
    try:
        base = read(catalogue.find("scenes", name))
    except TreeError:
        raise
    except ValueError as error:
        raise ValueError(str(tree.problem(("base",), str(error)))) from error
    return merge(_with_bases(base, depth + 1), tree)


class _Node:
    """One mapping of the file, that knows where it stands for the messages."""

    def __init__(self, tree: Tree, path: Path_, allowed: str) -> None:
        self._tree, self._path = tree, path
        value = tree.at(path)
        if not isinstance(value, dict):
            raise self.wrong((), f"{value!r} must be a mapping")
        unknown = sorted(set(value) - set(allowed.split())) if allowed else []
        if unknown:
            near = catalogue.did_you_mean(unknown[0], allowed.split())
            raise self.wrong((), f"unknown key {unknown[0]!r} (allowed: {allowed}){near}")
        self.value: dict[str, Any] = value

    def __contains__(self, key: str) -> bool:
        """Whether there is a value; null takes away that of the base."""
        return self.value.get(key) is not None

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise self.wrong((), f"the key {key!r} is missing")
        return self.value[key]

    def node(self, key: str, allowed: str) -> _Node:
        self[key]
        return _Node(self._tree, (*self._path, key), allowed)

    def nodes(self, key: str, allowed: str) -> list[_Node]:
        if not isinstance(self[key], list):
            raise self.wrong((key,), "a list is needed")
        return [_Node(self._tree, (*self._path, key, k), allowed) for k in range(len(self[key]))]

    def word(self, key: str, allowed: tuple[str, ...]) -> str:
        if self[key] not in allowed:
            raise self.error(key, self[key], ", ".join(allowed))
        return str(self[key])

    def number(self, key: str, low: float, high: float) -> float:
        value = self[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(key, value, "a number")
        if not low <= value <= high:
            raise self.error(key, value, f"{low:g} to {high:g}")
        return float(value)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        value = self[key]
        good = isinstance(value, list) and len(value) == count
        if not good or not all(isinstance(v, (int, float)) for v in value):
            raise self.error(key, value, f"{count} numbers")
        return tuple(float(v) for v in value)

    def text(self, key: str) -> str:
        if not isinstance(self[key], str):
            raise self.error(key, self[key], "text")
        return str(self[key])

    def color(self, key: str) -> str:
        value = self[key]
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise self.error(key, value, '"#RRGGBB"')
        return value

    def colormap(self, key: str) -> str:
        import matplotlib

        name = self.text(key)
        if name not in matplotlib.colormaps:
            near = catalogue.did_you_mean(name, matplotlib.colormaps)
            raise self.error(key, name, f"a colour map of matplotlib{near}")
        return name

    def length(self, key: str) -> float:
        try:
            value = units.parse(self[key], "m")
        except ValueError as error:
            raise self.error(key, self[key], str(error)) from error
        if not 0 < value < 1e-2:
            raise self.error(key, self[key], "more than 0, less than 1 cm")
        return value

    def paint(self) -> Paint:
        return Paint(str(self.value.get("label", "")), self.color("color"))

    def vessels(self) -> VesselPaint:
        perfused, growing, tip = (
            self.node(key, "color label").paint() for key in ("perfused", "growing", "tip")
        )
        return VesselPaint(perfused, growing, tip, self.number("width", 0.1, 10))

    def lamp(self) -> Lamp:
        return Lamp(self.number("intensity", 0, 5), self.color("color"), self.length("reach"))

    def optional_paint(self, key: str) -> Paint | None:
        return self.node(key, "color label").paint() if key in self else None

    def movie(self) -> Movie:
        known = Movie()
        return Movie(
            frames=self.word("frames", ("all", "last")) if "frames" in self else known.frames,
            pictures=self.whole("pictures", 1, 1000) if "pictures" in self else known.pictures,
            seconds=self.number("seconds", 0.02, 60) if "seconds" in self else known.seconds,
            hold=self.number("hold", 0, 60) if "hold" in self else known.hold,
            turn=self.number("turn", -3600, 3600) if "turn" in self else known.turn,
            width=self.whole("width", 400, 4000) if "width" in self else known.width,
        )

    def whole(self, key: str, low: int, high: int) -> int:
        value = self.number(key, low, high)
        if value != int(value):
            raise self.error(key, self[key], "a whole number")
        return int(value)

    def error(self, key: str, value: Any, allowed: str) -> ValueError:
        return self.wrong((key,), f"{value!r} is not allowed ({allowed})")

    def wrong(self, key: Path_, message: str) -> ValueError:
        return ValueError(str(self._tree.problem((*self._path, *key), message)))


def _scene(name: str, tree: Tree) -> Scene:
    keys = (
        "schema title background camera cut lights occlusion supersampling scaffold bone host_bone"
        " box cells slice vessels lamp movie"
    )
    top = _Node(tree, (), keys)
    if top["schema"] != 1:
        raise top.error("schema", top["schema"], "1")
    camera = top.node("camera", "direction up margins angle")
    margins = camera.node("margins", "left right bottom top")
    cut = top.node("cut", "corner share scaffold")
    cells = top.node("cells", "diameter jitter types other")
    floor = top.node("slice", "field label limits colormap")
    corner = cut.numbers("corner", 3)
    if any(abs(sign) != 1 for sign in corner):
        raise cut.error("corner", cut["corner"], "three of 1 and -1")
    solid = cut.word("scaffold", ("cut", "kept", "bare"))
    direction, up = camera.numbers("direction", 3), camera.numbers("up", 3)
    if not any(up):
        raise camera.error("up", camera["up"], "numbers that are not all 0")
    if not np.linalg.norm(np.cross(direction, up)) > 1e-6 * np.linalg.norm(direction) > 0:
        raise camera.error("direction", camera["direction"], "not 0, and not along up")
    limits = floor.numbers("limits", 2)
    if not limits[0] < limits[1]:
        raise floor.error("limits", floor["limits"], "low < high")
    lights = top.nodes("lights", "direction intensity color")
    types = cells.node("types", "")
    vessels = top.node("vessels", "perfused growing tip width") if "vessels" in top else None
    lamp = top.node("lamp", "intensity color reach") if "lamp" in top else None
    movie = top.node("movie", "frames pictures seconds hold turn width") if "movie" in top else None
    return Scene(
        name=name,
        background=top.color("background"),
        direction=_three(direction),
        up=_three(up),
        margins=(
            margins.number("left", 0, 0.4),
            margins.number("right", 0, 0.4),
            margins.number("bottom", 0, 0.4),
            margins.number("top", 0, 0.4),
        ),
        corner=_three(corner),
        cut_share=cut.number("share", 0, 0.9),
        cut_scaffold=solid == "cut",
        cut_bone=solid != "kept",
        lights=tuple(
            Light(
                _three(light.numbers("direction", 3)),
                light.number("intensity", 0, 5),
                light.color("color"),
            )
            for light in lights
        ),
        occlusion=top.number("occlusion", 0, 1),
        supersampling=int(top.number("supersampling", 1, 4)),
        scaffold=top.node("scaffold", "color label").paint(),
        box=top.node("box", "color label").paint(),
        cell_diameter=cells.length("diameter"),
        jitter=cells.number("jitter", 0, 0.5),
        types={name: types.node(name, "color label").paint() for name in types.value},
        other=cells.node("other", "color label").paint(),
        field=floor.text("field"),
        field_label=floor.text("label"),
        limits=(limits[0], limits[1]),
        colormap=floor.colormap("colormap"),
        bone=top.optional_paint("bone"),
        host_bone=top.optional_paint("host_bone"),
        vessels=vessels.vessels() if vessels else None,
        angle=camera.number("angle", 10, 120) if "angle" in camera else None,
        lamp=lamp.lamp() if lamp else None,
        movie=movie.movie() if movie else None,
    )


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z
