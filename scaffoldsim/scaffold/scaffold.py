"""The scaffold: geometry on voxels, and its material."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator

from scaffoldsim import units
from scaffoldsim.scaffold.families import family_names
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.material import Material
from scaffoldsim.scaffold.morphometry import MIN_POROSITY, PORE_RANGE, Morphometry, measure
from scaffoldsim.scaffold.thickness import (
    Bools,
    Floats,
    Periodic,
    as_voxel,
    per_axis,
    squared_distance,
)
from scaffoldsim.schema import Entry, InputFile, Unit

if TYPE_CHECKING:
    from scaffoldsim.scaffold.design import Built

SolidKind = Literal["binary", "fraction"]
Criteria = Literal["enforce", "report"]
Size = str | float | list[str | float] | tuple[str | float, ...]


class Scaffold:
    """A porous solid on a voxel grid.

    Made by `design`, `from_image` or `from_section`. The arrays are the scaffold as built: whoever
    changes them with time works on copies.

    Attributes
    ----------
    grid : Grid
    solid : ndarray of bool, shape (nx, ny, nz)
        ``fraction >= 0.5``.
    fraction : ndarray of float32
        Share of solid in each voxel, 0 to 1.
    distance : ndarray of float32
        Signed distance to the wall, m, > 0 in pores.
    material : Material or None
    notes : list of str
        What was rounded or found out, for the user.
    """

    def __init__(
        self,
        grid: Grid,
        solid: Bools,
        *,
        distance: Floats,
        fraction: Floats,
        material: Material | None = None,
        notes: list[str] | None = None,
        built: "Built | None" = None,
        title: str = "scaffold",
    ) -> None:
        self.grid = grid
        self.solid = solid
        self.distance = distance
        self.fraction = fraction
        self.material = material
        self.notes = list(notes or [])
        self.title = title
        self._built = built

    @classmethod
    def design(
        cls,
        family: str,
        *,
        material: "str | Material | None" = None,
        porosity: float,
        pore_size: str | float,
        size: Size,
        voxel: str | float,
        periodic: Periodic = False,
        solid: SolidKind = "binary",
        criteria: Criteria = "enforce",
        threads: int | None = None,
    ) -> "Scaffold":
        """Design a scaffold to a porosity and a mean pore size.

        Parameters
        ----------
        family : str
            Its geometry, e.g. ``"gyroid_net"``.
        material : str or Material, optional
            A name of the catalogue.
        porosity : float
            Met within 0.2 %.
        pore_size : quantity
            Mean local thickness of the pores (see `morphometry.local_thickness`); met within 2 %.
        size : quantity, or three
            Edge or edges of the box. An axis that is not periodic is rounded to whole voxels, a
            periodic one to whole periods; `notes` says so.
        voxel : quantity
            Edge of a voxel. Quantities are texts with a unit (``"600 um"``) or floats in m.
        periodic : bool or three bools
            Axes that wrap round.
        solid : {"binary", "fraction"}
            Whether `fraction` is 0 or 1, or ramps over the voxel that the wall crosses.
        criteria : {"enforce", "report"}
            Whether criterion C4 (porosity of at least 90 %, pores of 300 to 1200 um) must be kept.
        threads : int, optional
            Default: every core. The result does not depend on it.

        Raises
        ------
        Infeasible
            A ValueError with every reason, the value measured, and what to change.
        ValueError
            If an argument is not what it should be.

        Examples
        --------
        >>> scaffold = Scaffold.design("gyroid_net", porosity=0.92, pore_size="600 um",
        ...                            size="1.6 mm", voxel="40 um", periodic=True)
        >>> scaffold
        Scaffold(gyroid net, 40 × 40 × 40 voxels of 40 um, periodic xyz, porosity 0.920)
        """
        from scaffoldsim.scaffold.design import solve
        from scaffoldsim.scaffold.families import get_family

        edge = as_voxel(units.parse(voxel, "m"))
        wraps = per_axis(periodic)
        _one_of("solid", solid, ("binary", "fraction"))
        _one_of("criteria", criteria, ("enforce", "report"))
        chosen = get_family(family)
        built = solve(
            family,
            porosity=float(porosity),
            pore_size=_positive("pore_size", units.parse(pore_size, "m")),
            size=_edges(size),
            voxel=edge,
            periodic=wraps,
            solid=solid,
            criteria=criteria,
            threads=threads,
        )
        grid = built.implicit.grid
        distance = built.implicit.distance(built.values, built.level, threads)
        fraction = built.solid.astype(np.float32)
        if solid == "fraction":
            fraction = np.clip(np.float32(0.5) - distance / np.float32(edge), 0, 1)
        return cls(
            grid,
            built.solid,
            distance=distance,
            fraction=fraction,
            material=_material(material),
            notes=built.notes,
            built=built,
            title=chosen.title,
        )

    @classmethod
    def from_image(
        cls,
        path: str | os.PathLike[str],
        *,
        voxel: str | float | None = None,
        threshold: float | str = "otsu",
        invert: bool = False,
        material: "str | Material | None" = None,
        criteria: Criteria = "report",
        periodic: Periodic = False,
        threads: int | None = None,
    ) -> "Scaffold":
        """Take a scaffold from a TIFF stack, such as a micro-CT scan.

        Parameters
        ----------
        path : path
            One file; (z, y, x) in the file becomes (x, y, z).
        voxel : quantity, optional
            Edge of the voxels; without it the file must say.
        threshold : float or "otsu"
            Solid is what is brighter.
        invert : bool
            Solid is what is darker.
        material : str or Material, optional
        criteria : {"enforce", "report"}
            Whether an image outside criterion C4 is refused.
        periodic : bool or three bools
        threads : int, optional

        Raises
        ------
        ValueError
            If the image cannot be read or told apart; see `families.image.read_image`.
        Infeasible
            With ``criteria="enforce"``, outside C4.
        """
        from scaffoldsim.scaffold.families.image import read_image

        _one_of("criteria", criteria, ("enforce", "report"))
        image = read_image(
            path,
            voxel=None if voxel is None else as_voxel(units.parse(voxel, "m")),
            threshold=threshold,
            invert=invert,
        )
        solid = image.solid
        grid = Grid(
            (solid.shape[0], solid.shape[1], solid.shape[2]), image.voxel, per_axis(periodic)
        )
        scaffold = cls(
            grid,
            solid,
            distance=_voxel_distance(solid, grid, threads),
            fraction=solid.astype(np.float32),
            material=_material(material),
            notes=image.notes,
            title=Path(path).name,
        )
        if criteria == "enforce":
            from scaffoldsim.scaffold.design import Infeasible

            broken = [c for c in scaffold.measure(threads).check() if c.verdict != "pass"]
            if broken:
                raise Infeasible(
                    [f"{Path(path).name}: {c}. Set criteria: report to go on." for c in broken]
                )
        return scaffold

    @classmethod
    def from_section(
        cls, section: "ScaffoldSection", periodic: Periodic = False, *, threads: int | None = None
    ) -> "Scaffold":
        """The scaffold that a ``scaffold:`` section describes, with the axes of ``faces:``."""
        if section.image is not None:
            return cls.from_image(
                section.image,
                voxel=None if section.voxel is None else float(section.voxel),
                threshold=section.threshold,
                invert=section.invert,
                material=section.material,
                criteria=section.criteria,
                periodic=periodic,
                threads=threads,
            )
        return cls.design(
            str(section.family),
            material=section.material,
            porosity=float(section.porosity or 0),
            pore_size=float(section.pore_size or 0),
            size=[float(edge) for edge in section.size or []],
            voxel=section.voxel_edge(),
            periodic=periodic,
            solid=section.solid,
            criteria=section.criteria,
            threads=threads,
        )

    @property
    def porosity(self) -> float:
        """Pore voxels / voxels."""
        return 1 - np.count_nonzero(self.solid) / self.solid.size

    def measure(self, threads: int | None = None) -> Morphometry:
        """Measure the geometry as built; see `morphometry.measure`.

        A design is continued beyond the faces that are not periodic, so that pores cut by them are
        measured whole; an image ends there.
        """
        if self._built is None:
            return measure(
                self.solid, voxel=self.grid.voxel, periodic=self.grid.periodic, threads=threads
            )
        margin = self._built.margin
        return measure(
            self._built.implicit.values(margin) < self._built.level,
            voxel=self.grid.voxel,
            periodic=self.grid.periodic,
            distance=self.distance,
            margin=margin,
            notes=self.notes,
            threads=threads,
        )

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``scaffold.tif``, ``scaffold.stl`` and ``morphometry.json``; return the folder.

        The image holds 255 in solid and 0 in pores, with its voxel in ImageJ's metadata, so that
        `from_image` reads it back. The mesh is closed at the faces of the box, in mm.
        """
        from scaffoldsim.scaffold.export import write_image, write_mesh

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_image(target / "scaffold.tif", self.solid, self.grid.voxel)
        write_mesh(target / "scaffold.stl", self.distance, self.grid.voxel)
        self.measure().write(target / "morphometry.json")
        return target

    def __repr__(self) -> str:
        inside = repr(self.grid).removeprefix("Grid(").removesuffix(")")
        return f"Scaffold({self.title}, {inside}, porosity {self.porosity:.3f})"


def _voxel_distance(solid: Bools, grid: Grid, threads: int | None) -> Floats:
    """Signed distance of a voxel image: half a voxel less than to the nearest other centre."""
    signed = np.empty(solid.shape, np.float32)
    for phase, sign in ((~solid, 1), (solid, -1)):
        squared = squared_distance(phase, periodic=grid.periodic, threads=threads)[phase]
        signed[phase] = sign * grid.voxel * (np.sqrt(squared) - 0.5)
    return signed


def _material(material: "str | Material | None") -> Material | None:
    if material is None or isinstance(material, Material):
        return material
    from scaffoldsim.config import read_entry

    entry = read_entry("materials", material)
    if not isinstance(entry, Material):
        raise TypeError(f"material: {material!r} is a {type(entry).__name__}")
    return entry


def _edges(size: Size) -> tuple[float, float, float]:
    given = list(size) if isinstance(size, list | tuple) else [size] * 3
    if len(given) == 1:
        given *= 3
    if len(given) != 3:
        raise ValueError(f"size: {size!r} is neither one edge nor three")
    x, y, z = (_positive("size", units.parse(edge, "m")) for edge in given)
    return x, y, z


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: {value!r} is not a positive length in m")
    return value


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class ScaffoldSection(Entry):
    """The ``scaffold:`` section of a configuration, and a design of the catalogue.

    Either `family` with `porosity`, `pore_size`, `size` and `voxel`, or `image` with `threshold`,
    `invert` and, where the file does not say, `voxel`. See `Scaffold.design` and
    `Scaffold.from_image`.
    """

    kind: ClassVar[str] = "designs"
    base_key: ClassVar[str] = "design"

    family: str | None = None
    image: Annotated[str, InputFile] | None = None
    threshold: Literal["otsu"] | float = "otsu"
    invert: bool = False
    material: Material | None = None
    porosity: Annotated[float, Unit("", ge=0.02, le=0.995)] | None = None
    pore_size: Annotated[float, Unit("m", ge=1e-6, le=1e-2, show="um")] | None = None
    size: (
        Annotated[
            list[Annotated[float, Unit("m", ge=1e-5, le=0.1, show="mm")]],
            BeforeValidator(_as_list),
        ]
        | None
    ) = None
    voxel: Annotated[float, Unit("m", ge=1e-7, le=1e-3, show="um")] | None = None
    solid: SolidKind = "binary"
    criteria: Criteria

    @model_validator(mode="before")
    @classmethod
    def _choose_criteria(cls, data: Any) -> Any:
        """A design has to keep criterion C4, an image is judged by it, unless said otherwise."""
        if isinstance(data, dict) and data.get("criteria") is None:
            return {**data, "criteria": "enforce" if data.get("image") is None else "report"}
        return data

    def voxel_edge(self) -> float:
        """Edge of a voxel, m; of an image without one, what the file says."""
        if self.voxel is not None:
            return float(self.voxel)
        if self.image is None:
            raise ValueError("voxel: is missing")
        from scaffoldsim.scaffold.families.image import image_grid

        return image_grid(self.image).voxel

    def n_voxels(self) -> int:
        """Voxels asked for, before any rounding to whole periods."""
        if self.image is not None:
            from scaffoldsim.scaffold.families.image import image_grid

            return image_grid(self.image, voxel=self.voxel).n_voxels
        edge = self.voxel_edge()
        sizes = _edges([float(size) for size in self.size or []])
        return math.prod(max(1, round(size / edge)) for size in sizes)

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Keys that need each other, and criterion C4."""
        needed = ("porosity", "pore_size", "size", "voxel")
        if (self.family is None) == (self.image is None):
            yield (), "a scaffold is either a family, to be designed, or an image; give one of them"
            return
        if self.image is not None:
            for key in ("porosity", "pore_size", "size"):
                if getattr(self, key) is not None:
                    yield (key,), "an image has its own; remove this key, or give family for image"
            return
        if self.family not in family_names():
            import difflib

            near = difflib.get_close_matches(str(self.family), family_names(), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield ("family",), f"{self.family!r} is not known{hint} ({', '.join(family_names())})"
        for key in needed:
            if getattr(self, key) is None:
                yield (key,), "is missing: a designed scaffold needs it"
        if self.size is not None and len(self.size) not in (1, 3):
            yield ("size",), f"{len(self.size)} edges; one is needed, or three"
        if self.criteria == "enforce":
            low, high = PORE_RANGE
            if self.porosity is not None and self.porosity < MIN_POROSITY:
                yield (
                    ("porosity",),
                    f"{float(self.porosity):g} is below {MIN_POROSITY:.2f}, the least that "
                    "criterion C4 allows; set criteria: report to build it all the same",
                )
            if self.pore_size is not None and not low <= self.pore_size <= high:
                yield (
                    ("pore_size",),
                    f"{units.format_si(float(self.pore_size), 'm')} is outside {low * 1e6:.0f} to "
                    f"{high * 1e6:.0f} um, what criterion C4 allows; set criteria: report to build "
                    "it all the same",
                )
