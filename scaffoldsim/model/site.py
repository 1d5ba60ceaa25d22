"""Where in the host the box lies: a dead core and its rim, a hole that was drilled, who is opened.

A host without a site is a box that is all wound, or all bone, with living tissue behind its host
faces. `Site` is what a configuration says; `Place` is what it becomes on the voxels of a run.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Config, Parameter, Section, Unit
from scaffoldsim.model.hostbone import near_host
from scaffoldsim.model.species import Species
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.scaffold.scaffold import Scaffold
from scaffoldsim.scaffold.thickness import within
from scaffoldsim.tree import Path_
from scaffoldsim.units import format_si

if TYPE_CHECKING:
    from scaffoldsim.model.host import Host

Bools = NDArray[np.bool_]

#: from the size of a cell to that of a bone
_Length = Unit("m", ge=1e-5, le=0.1, show="mm")
#: share by which lengths that are meant to be equal may differ by rounding
_ROUNDING = 1e-9
#: width in which a track opens vessels of the rim, in widths of the track (assumed: drilling tears
#: and bleeds about as far around as it is wide; conclusions on core decompression lean on it)
_OPENED = 2.0


class SiteError(ValueError):
    """A site that does not fit its box; `path` leads to the key, from the site on."""

    def __init__(self, path: Path_, message: str) -> None:
        super().__init__(message)
        self.path = path


class Lesion(Section):
    """A part of the bone that died, with its marrow and its vessels.

    Attributes
    ----------
    depth : m, optional
        From the place that is farthest from the host outwards, as a lesion below the cartilage of a
        joint; by default all but the rim.
    """

    depth: Annotated[float, _Length] | None = None


class Hole(Section):
    """Bone of the host that a surgeon took out: a cylinder along the middle of the box.

    Attributes
    ----------
    face
        Through which it is drilled; that is ``host``.
    diameter : m, optional
        By default the hole is as wide as the box.
    depth : m, optional
        From that face on; by default through the box.
    """

    face: Literal["x-", "x+", "y-", "y+", "z-", "z+"] = "z-"
    diameter: Annotated[float, _Length] | None = None
    depth: Annotated[float, _Length] | None = None

    def away(self, grid: Grid) -> NDArray[np.float64]:
        """Return the distance of each voxel's centre from the axis, m; broadcasts to the grid."""
        axis, squared = "xyz".index(self.face[0]), np.zeros((1, 1, 1))
        for k in range(3):
            if k != axis:
                middle = (grid.shape[k] - 1) / 2
                along = (np.arange(grid.shape[k]) - middle) * grid.voxel
                squared = squared + (along**2).reshape([-1 if i == k else 1 for i in range(3)])
        return np.sqrt(squared)

    def where(self, grid: Grid) -> Bools:
        """Return the voxels whose centres are in the hole."""
        inside = np.ones(grid.shape, bool)
        if self.depth is not None:
            inside &= grid.below(self.face) <= self.depth
        if self.diameter is not None:
            inside &= self.away(grid) <= self.diameter / 2
        return inside

    def misfit(self, size: tuple[float, float, float]) -> Iterator[tuple[Path_, str]]:
        """Yield what of it is larger than a box of that size, m."""
        axis = "xyz".index(self.face[0])
        wide = min(edge for k, edge in enumerate(size) if k != axis)
        for key, most in (("diameter", wide), ("depth", size[axis])):
            given = getattr(self, key)
            if given is not None and given > most * (1 + _ROUNDING):
                yield (
                    (key,),
                    f"{given.text} is larger than the box, {format_si(most, 'm')} there; take a "
                    "larger scaffold.size, or leave the key out for a hole as large as the box",
                )


class Site(Section):
    """What the box holds of the host, and what was done to it.

    Attributes
    ----------
    rim : m, optional
        Of a lesion: tissue of the host at least as deep below its faces stays alive in the box.
    lesion
        Dead bone beyond the rim; none if not given. All that lies in no lesion and no hole lives.
    residual
        Share of the vessels of healthy tissue that cross the faces of the host: of the rim of a
        lesion.
    track
        Core decompression: a hole into the lesion, in which bone of the host was taken out and
        whose vessels were opened.
    defect
        A hole in bone that lives: a drill hole, or a piece of the jaw.
    oxygen : mol/m³
        At the faces of the host, if it is not that of healthy tissue.
    """

    rim: Annotated[Parameter, Unit("m", ge=0, le=0.01, show="um")] | None = None
    lesion: Lesion | None = None
    residual: Annotated[Parameter, Unit("", ge=0, le=1)] | None = None
    track: Hole | None = None
    defect: Hole | None = None
    oxygen: Annotated[Parameter, Unit("mol/m^3", ge=0, le=1, show="mM")] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what cannot be together, and what is missing."""
        if self.lesion is not None and self.rim is None:
            yield ("rim",), "is missing; a lesion lies below a rim that lives"
        if self.track is not None and self.lesion is None:
            yield ("track",), "is drilled into a lesion; add lesion: {}, or call it a defect"
        if self.defect is not None and self.lesion is not None:
            yield ("defect",), "is a hole in living bone; with a lesion it is called track"

    @property
    def hole(self) -> tuple[str, Hole] | None:
        """The key of what was cleared, and that."""
        for key in ("track", "defect"):
            hole = getattr(self, key)
            if hole is not None:
                return key, hole
        return None

    def misfit(
        self, faces: Faces, deepest: float, size: tuple[float, float, float]
    ) -> Iterator[tuple[Path_, str]]:
        """Yield what of it does not fit a box of that size, whose deepest place is so deep, m."""
        if self.lesion is not None:
            depth = self.lesion.depth
            assert self.rim is not None
            if not faces.of_kind("host"):
                yield ("lesion",), "lies below living tissue, and no face is host; set faces"
            elif depth is None and self.rim >= deepest * (1 - _ROUNDING):
                yield (
                    ("rim",),
                    f"{self.rim.text} is the whole way to the deepest place, "
                    f"{format_si(deepest, 'm')}, and leaves no room for a lesion; take a larger "
                    "scaffold.size, or a thinner rim",
                )
            elif depth is not None and depth + self.rim > deepest * (1 + _ROUNDING):
                yield (
                    ("lesion", "depth"),
                    f"{_text(depth)} and a living rim of {self.rim.text} are more than the "
                    f"{format_si(deepest, 'm')} from the host faces to the deepest place of the "
                    "box; take a larger scaffold.size, or a smaller lesion",
                )
        if self.hole is not None:
            key, hole = self.hole
            if faces.kind(hole.face) != "host":
                host = ", ".join(faces.of_kind("host")) or "none"
                yield (
                    (key, "face"),
                    f"{hole.face} is {faces.kind(hole.face)}; a hole is drilled through a face "
                    f"that is host ({host})",
                )
            for path, message in hole.misfit(size):
                yield (key, *path), message


class Place:
    """The site of a host on voxels; follows from configuration and grid alone.

    Parameters
    ----------
    host
        Whose site it is.
    faces, grid
        The box.

    Attributes
    ----------
    region : ndarray of bool
        Where bone and vessels are reported: the lesion, or what was cleared, or the box.
    dead : ndarray of bool or None
        Bone and marrow that are dead at the start.
    living : ndarray of bool or None
        Living tissue of the host in the box at the start, all that is in neither lesion nor hole;
        nowhere, if the hole is as large as the box. None without either: then the box is all wound
        or all bone, and living tissue lies behind its faces alone.
    cleared : ndarray of bool or None
        Where bone of the host was taken out.
    opened : ndarray of bool
        Where the wound gives off its factors: what was cleared, and the living rim around; without
        a site the rim below host faces, in vivo.
    roots : ndarray of float32
        Factor on the number of vessels that come from a face of the host.

    Raises
    ------
    SiteError
        If the site does not fit the box.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> faces = Faces.model_validate({"x": "periodic", "y": "periodic", "z-": "host"})
    >>> place = Place(read_entry("hosts", "healthy_rat"), faces, Grid((4, 4, 10), 1e-4))
    >>> bool(place.region.all()), place.dead, float(place.roots[0, 0, 0])
    (True, None, 1.0)
    """

    def __init__(self, host: "Host", faces: Faces, grid: Grid) -> None:
        self.host, self.faces, self.grid = host, faces, grid
        self.site = host.site
        if self.site is not None:
            x, y, z = (edge + grid.voxel for edge in grid.size)  # the box was rounded to voxels
            for path, message in self.site.misfit(faces, deepest(faces, (x, y, z)), (x, y, z)):
                raise SiteError(path, message)
            self._require_voxels()

    @classmethod
    def of(cls, config: Config, grid: Grid) -> "Place":
        """Return it for a configuration.

        Raises
        ------
        ConfigError
            If the site does not fit the box.
        """
        try:
            return cls(config.host, config.faces, grid)
        except SiteError as error:
            raise config.error(("host", "site", *error.path), str(error)) from error

    @cached_property
    def region(self) -> Bools:  # noqa: D102 - an attribute
        if self._core is not None:
            return self._core
        return self.cleared if self.cleared is not None else self._all(True)

    @cached_property
    def cleared(self) -> Bools | None:  # noqa: D102
        hole = None if self.site is None else self.site.hole
        return None if hole is None else hole[1].where(self.grid)

    @cached_property
    def dead(self) -> Bools | None:  # noqa: D102
        if self._core is None or self.cleared is None:
            return self._core
        return self._core & ~self.cleared

    @cached_property
    def living(self) -> Bools | None:  # noqa: D102
        if self._core is None and self.cleared is None:
            return None
        return ~self.lost

    @cached_property
    def opened(self) -> Bools:  # noqa: D102
        wound = self.host.wound
        if wound is None or wound.rim is None or not self.host.operated:
            return self._all(False)
        rim = float(wound.rim)
        if self.cleared is None:
            return near_host(self.grid, self.faces, rim)
        near = within(self.cleared, rim / self.grid.voxel, periodic=self.grid.periodic)
        return near if self.dead is None else near & ~self.dead

    @cached_property
    def roots(self) -> NDArray[np.float32]:  # noqa: D102
        if self.site is None or self.site.residual is None:
            return np.broadcast_to(np.float32(1), self.grid.shape)
        factor = np.full(self.grid.shape, np.float32(self.site.residual))
        if self.site.track is not None:
            track = self.site.track
            # around a track vessels are opened, and no deeper than it goes
            wide = None if track.diameter is None else _OPENED * track.diameter
            factor[track.model_copy(update={"diameter": wide}).where(self.grid)] = 1
        return factor

    @cached_property
    def lost(self) -> Bools:
        """What is no living tissue of the host though it may lie at its face: core and hole."""
        found = np.zeros(self.grid.shape, bool)
        for mask in (self._core, self.cleared):
            if mask is not None:
                found |= mask
        return found

    def near(self, distance: float) -> Bools:
        """Return what is within a distance, m, of living tissue: behind a face or in the box."""
        near = near_host(self.grid, self.faces, distance)
        if self.living is not None:
            reach = distance / self.grid.voxel
            near |= within(self.living, reach, periodic=self.grid.periodic)
        return near

    def answered(self, reached: Bools) -> Bools | None:
        """Return where cells of the host answer resorption; None: everywhere.

        In the lesion nobody does, but where cells that came with blood reach.
        """
        return None if self._core is None else reached | ~self._core

    def confine(self, scaffold: Scaffold) -> Scaffold:
        """Return the scaffold as it is put in: where a hole was made, it fills that alone."""
        if self.cleared is None or self.cleared.all():
            return scaffold
        return scaffold.within(self.cleared)

    def species(self, fields: Mapping[str, Species]) -> dict[str, Species]:
        """Return the fields with the oxygen of the site beyond the faces of the host."""
        oxygen = None if self.site is None else self.site.oxygen
        if oxygen is None or "oxygen" not in fields:
            return dict(fields)
        return {**fields, "oxygen": fields["oxygen"].model_copy(update={"host": oxygen})}

    @cached_property
    def _core(self) -> Bools | None:
        """The lesion as it was before anything was done to it."""
        if self.site is None or self.site.lesion is None:
            return None
        depth, most = self.site.lesion.depth, deepest(self.faces, self.grid.size)
        assert self.site.rim is not None
        rim = float(self.site.rim) if depth is None else most - depth
        return ~near_host(self.grid, self.faces, rim)

    def _require_voxels(self) -> None:
        """Refuse what is too small for the voxels, and a track that ends before the lesion."""
        core, cleared = self._core, self.cleared
        masks = {"lesion": core}
        if self.site is not None and self.site.hole is not None:
            masks[self.site.hole[0]] = cleared
        for key, mask in masks.items():
            if mask is not None and not mask.any():
                raise SiteError(
                    (key,), f"holds no voxel of {format_si(self.grid.voxel, 'm')}; make it larger"
                )
        if core is not None and cleared is not None and not (core & cleared).any():
            raise SiteError(("track",), "does not reach the lesion; make it deeper")

    def _all(self, value: bool) -> Bools:
        """An array that takes no memory."""
        return np.broadcast_to(np.bool_(value), self.grid.shape)


def deepest(faces: Faces, size: tuple[float, float, float]) -> float:
    """Return how far from the faces that are host a place in a box can be, m.

    Examples
    --------
    >>> deepest(Faces.model_validate({"z": "host"}), (1e-3, 1e-3, 1e-3))
    0.0005
    """
    host, most = faces.of_kind("host"), np.inf
    for axis, edge in zip("xyz", size, strict=True):
        both = sum(face[0] == axis for face in host)
        if both:
            most = min(most, edge / both)
    return float(most)


def problems(config: Config) -> Iterator[tuple[Path_, str]]:
    """Yield (path, message) where the site of the host does not fit what is around it."""
    host: Any = config.host
    site: Site | None = host.site
    if site is None:
        return
    place: Path_ = ("host", "site")
    if host.setting != "in_vivo":
        yield place, "a culture is no site in a body; take a host with setting in_vivo"
        return
    if site.lesion is not None and host.bone is not None and host.bone.dead:
        yield ("host", "bone", "dead"), "the lesion of the site says what is dead; leave this out"
    if site.residual is not None and float(site.residual) == 0 and host.vessels is not None:
        opens = site.track is not None and config.faces.kind(site.track.face) == "host"
        if not opens:
            yield (
                (*place, "residual"),
                "0 leaves no vessel at the host faces, so that none can ever grow; take more, add "
                "a track that opens some, or leave out host.vessels",
            )
    size = config.scaffold.size
    if size is not None:
        edges = tuple(float(edge) for edge in (size * 3 if len(size) == 1 else size))
        for path, message in site.misfit(config.faces, deepest(config.faces, edges), edges):  # type: ignore[arg-type]
            yield (*place, *path), message


def _text(value: Any) -> str:
    return str(getattr(value, "text", None) or format_si(float(value), "m"))
