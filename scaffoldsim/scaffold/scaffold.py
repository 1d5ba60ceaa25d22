"""The scaffold: geometry on voxels, and its material."""

import copy
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaffoldsim import units
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.grading import Grading
from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.inputs import (
    Size,
    edges,
    grading_of,
    material_of,
    number,
    positive_length,
    require_one_of,
    spans,
)
from scaffoldsim.scaffold.material import Material
from scaffoldsim.scaffold.morphometry import Morphometry, measure, without_walls
from scaffoldsim.scaffold.section import Criteria, ScaffoldSection, SolidKind
from scaffoldsim.scaffold.thickness import (
    Bools,
    Floats,
    Periodic,
    as_voxel,
    per_axis,
    squared_distance,
)

if TYPE_CHECKING:
    from scaffoldsim.scaffold.design import Built

__all__ = ["Scaffold", "ScaffoldSection"]

_MESH_TOLERANCE = 0.01
_BYTES_OF_MEASURE, _BYTES_OF_TRANSPORT = 60, 120  # per voxel at the peak, measured


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
        self._measured: dict[bool, Morphometry] = {}

    @classmethod
    def design(
        cls,
        family: str,
        *,
        material: "str | Material | None" = None,
        porosity: float | None = None,
        pore_size: str | float | None = None,
        size: Size,
        voxel: str | float,
        periodic: Periodic = False,
        options: Mapping[str, Any] | None = None,
        grading: "Grading | Mapping[str, Any] | None" = None,
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
        options : mapping, optional
            Of the family, e.g. ``{"seed": 3}`` of a random one; they are its attributes.
        grading : Grading or mapping, optional
            Porosity and pore size as functions of position, in place of the numbers.
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

        Porosity and pores that grow from the bottom to the top:

        >>> profile = {"along": "z", "porosity": [0.90, 0.94], "pore_size": ["500 um", "600 um"]}
        >>> graded = Scaffold.design("gyroid_net", grading=profile, voxel="40 um",
        ...                          size=["1.6 mm", "1.6 mm", "3 mm"])
        >>> lower, upper = np.array_split(graded.solid, 2, axis=2)
        >>> bool(lower.mean() > upper.mean())
        True
        """
        edge = as_voxel(units.parse(voxel, "m"))
        wraps = per_axis(periodic)
        require_one_of("solid", solid, ("binary", "fraction"))
        require_one_of("criteria", criteria, ("enforce", "report"))
        chosen = get_family(family, options)
        profiles = None if grading is None else grading_of(grading)
        given = {"porosity": porosity, "pore_size": pore_size, "grading": grading}
        for key, value in given.items():
            if value is not None and not chosen.walls:
                raise ValueError(f"{key}: a {chosen.title} has no walls and no pores on the grid")
            if value is not None and getattr(profiles, key, None) is not None:
                raise ValueError(f"{key}: is given by the grading as well; keep one of them")
        if not chosen.walls:
            return cls._without_walls(chosen.title, edges(size), edge, wraps, material_of(material))
        from scaffoldsim.scaffold.design import solve

        built = solve(
            chosen,
            porosity=None if porosity is None else number("porosity", porosity),
            pore_size=None
            if pore_size is None
            else positive_length("pore_size", units.parse(pore_size, "m")),
            size=edges(size),
            voxel=edge,
            periodic=wraps,
            solid=solid,
            criteria=criteria,
            grading=profiles,
            threads=threads,
        )
        distance = built.implicit.distance(built.values, built.level, threads)
        fraction = built.solid.astype(np.float32)
        if solid == "fraction":
            fraction = np.clip(np.float32(0.5) - distance / np.float32(edge), 0, 1)
        return cls(
            built.implicit.grid,
            built.solid,
            distance=distance,
            fraction=fraction,
            material=material_of(material),
            notes=built.notes,
            built=built,
            title=chosen.title,
        )

    @classmethod
    def _without_walls(
        cls,
        title: str,
        size: tuple[float, float, float],
        voxel: float,
        wraps: tuple[bool, bool, bool],
        material: Material | None,
    ) -> "Scaffold":
        """A gel: open everywhere, with the nearest wall further off than any place in the box."""
        grid = Grid.of_size(size, voxel, wraps)
        require_memory(9 * grid.n_voxels, f"A gel of {grid.n_voxels:.3g} voxels")
        return cls(
            grid,
            np.zeros(grid.shape, bool),
            distance=np.full(grid.shape, math.hypot(*grid.size), np.float32),
            fraction=np.zeros(grid.shape, np.float32),
            material=material,
            notes=[f"A {title} has no walls on the grid: criterion C4 does not apply."],
            title=title,
        )

    @classmethod
    def from_image(
        cls,
        path: str | os.PathLike[str],
        *,
        voxel: str | float | None = None,
        threshold: float | str = "otsu",
        invert: bool = False,
        unit: str = "mm",
        crop: "Mapping[str, Sequence[str | float]] | None" = None,
        resample: str | float | None = None,
        largest_pore_network: bool = False,
        smallest_island: int = 0,
        material: "str | Material | None" = None,
        criteria: Criteria = "report",
        periodic: Periodic = False,
        threads: int | None = None,
    ) -> "Scaffold":
        """Take a scaffold from an image, such as a micro-CT scan, or from a mesh.

        Parameters
        ----------
        path : path
            A TIFF stack, a folder of slices, NIfTI, NRRD, DICOM or .npy; or a closed mesh: STL, OBJ
            or PLY.
        voxel : quantity, optional
            Edge of the voxels; without it the file must say. A mesh is always cut into voxels of
            this edge.
        threshold : float or "otsu"
            Solid is what is brighter.
        invert : bool
            Solid is what is darker.
        unit : str
            Unit of length of a mesh.
        crop : mapping, optional
            Axis to (from, to): the part to keep.
        resample : quantity, optional
            Edge of the voxels wanted.
        largest_pore_network : bool
            Fill every pore that is not part of it.
        smallest_island : int
            Remove pieces of solid of fewer voxels.
        material : str or Material, optional
        criteria : {"enforce", "report"}
            Whether an image outside criterion C4 is refused.
        periodic : bool or three bools
        threads : int, optional

        Raises
        ------
        ValueError
            If the image cannot be read or told apart; see `images.read_image`.
        Infeasible
            With ``criteria="enforce"``, outside C4.
        """
        from scaffoldsim.scaffold.images import read_image

        require_one_of("criteria", criteria, ("enforce", "report"))
        image = read_image(
            path,
            voxel=None if voxel is None else as_voxel(units.parse(voxel, "m")),
            threshold=threshold,
            invert=invert,
            unit=unit,
            crop=None if crop is None else spans(crop),
            resample=None if resample is None else as_voxel(units.parse(resample, "m")),
            largest_pore_network=largest_pore_network,
            smallest_island=smallest_island,
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
            material=material_of(material),
            notes=image.notes,
            title=Path(path).name,
        )
        if criteria == "enforce":
            from scaffoldsim.scaffold.feasibility import Infeasible

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
                threshold=section.threshold,
                invert=section.invert,
                largest_pore_network=section.largest_pore_network,
                smallest_island=section.smallest_island,
                material=section.material,
                criteria=section.criteria,
                periodic=periodic,
                threads=threads,
                **section.image_options(),
            )
        return cls.design(
            str(section.family),
            material=section.material,
            porosity=None if section.porosity is None else float(section.porosity),
            pore_size=None if section.pore_size is None else float(section.pore_size),
            size=[float(edge) for edge in section.size or []],
            voxel=section.grid().voxel,
            periodic=periodic,
            options=section.options,
            grading=section.grading,
            solid=section.solid,
            criteria=section.criteria,
            threads=threads,
        )

    def within(self, where: Bools) -> "Scaffold":
        """Return the part of it in some voxels, cut off as with a trephine.

        What is measured is the scaffold before it was cut.

        Examples
        --------
        >>> whole = Scaffold.design("gyroid_net", porosity=0.7, pore_size=4e-4,
        ...                         size=1.6e-3, voxel=4e-5, criteria="report")
        >>> half = np.arange(whole.grid.shape[0]).reshape(-1, 1, 1) < 10
        >>> part = whole.within(np.broadcast_to(half, whole.grid.shape))
        >>> bool(part.solid[10:].any()), bool(np.array_equal(part.solid[:10], whole.solid[:10]))
        (False, True)
        """
        away = squared_distance(~np.asarray(where), periodic=self.grid.periodic)
        beyond = np.where(where, -np.inf, (np.sqrt(away) - 0.5) * self.grid.voxel)
        part = copy.copy(self)
        part.solid = self.solid & where
        part.fraction = np.where(where, self.fraction, np.float32(0))
        part.distance = np.maximum(self.distance, beyond.astype(np.float32))
        return part

    @property
    def porosity(self) -> float:
        """Pore voxels / voxels."""
        return 1 - np.count_nonzero(self.solid) / self.solid.size

    def measure(self, threads: int | None = None, *, transport: bool = False) -> Morphometry:
        """Measure the geometry as built; see `morphometry.measure`.

        A design is continued beyond the faces that are not periodic, so that pores cut by them are
        measured whole; an image ends there. With `transport`, tortuosity, permeability and the
        pores that probes can reach are measured too, which takes some seconds. What is measured is
        kept: the arrays do not change.
        """
        if transport not in self._measured:
            self._measured[transport] = self._measure(threads, transport=transport)
        return self._measured[transport]

    def _measure(self, threads: int | None, *, transport: bool) -> Morphometry:
        grid = self.grid
        if not self.solid.any():
            return without_walls(
                grid.shape, voxel=grid.voxel, periodic=grid.periodic, notes=self.notes
            )
        margin = (0, 0, 0) if self._built is None else self._built.margin
        voxels = math.prod(n + 2 * m for n, m in zip(grid.shape, margin, strict=True))
        self.require_memory_of(voxels, transport=transport)
        if self._built is None:
            return measure(
                self.solid,
                voxel=grid.voxel,
                periodic=grid.periodic,
                notes=self.notes,
                threads=threads,
                transport=transport,
            )
        return measure(
            self._built.implicit.values(margin, threads) < self._built.level,
            voxel=grid.voxel,
            periodic=grid.periodic,
            distance=self.distance,
            margin=margin,
            notes=self.notes,
            threads=threads,
            transport=transport,
        )

    @staticmethod
    def require_memory_of(voxels: int, *, transport: bool = False) -> None:
        """Refuse to measure more voxels than memory lets.

        Raises
        ------
        TooLarge
            With what is needed and what is free.
        """
        bytes_per_voxel = _BYTES_OF_TRANSPORT if transport else _BYTES_OF_MEASURE
        require_memory(voxels * bytes_per_voxel, f"Measuring {voxels:.3g} voxels")

    def write(
        self, folder: str | os.PathLike[str], *, formats: Sequence[str] = ("tif", "stl")
    ) -> Path:
        """Write the scaffold and ``morphometry.json``; return the folder.

        Parameters
        ----------
        folder : path
        formats : sequence of str
            ``tif``, ``nii.gz``, ``nii``, ``nrrd`` and ``npy`` hold 255 in solid and 0 in pores; all
            but ``npy`` know their voxel, so that `from_image` reads them back. ``stl`` is a mesh in
            mm, closed at the faces of the box; a scaffold without walls has none.

        Raises
        ------
        ValueError
            If a format is unknown.
        """
        from scaffoldsim.scaffold.export import write_mesh, write_scaffold

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        found = self.measure(transport=True)
        for suffix in formats:
            path = target / f"scaffold.{suffix}"
            if suffix != "stl":
                write_scaffold(path, self.solid, self.distance, self.grid.voxel)
            elif self.solid.any():
                held = write_mesh(path, self.distance, self.grid.voxel)
                held /= np.count_nonzero(self.solid) * self.grid.voxel_volume
                if abs(held - 1) > _MESH_TOLERANCE:
                    found.notes.append(
                        f"The mesh holds {held:.1%} of the volume of the solid voxels: its flat "
                        "triangles cut the corners of walls of few voxels. A finer voxel mends it."
                    )
        found.write(target / "morphometry.json")
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
