"""What a picture shows: `Frame`, one moment of a run; `Cast`, what all pictures of a movie show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.render import phases
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Cast:
    """What any picture of a movie shows: said in all, so that legend and heading stay in place.

    `types`, `vessels`, `parts` and `solids` are kinds of cells, of vessels, parts with a share of a
    voxel, and parts that are seen; `letters` are the longest title and the longest line below it.
    """

    types: frozenset[str]
    vessels: frozenset[str]
    parts: frozenset[str]
    solids: frozenset[str]
    letters: tuple[int, int]

    @classmethod
    def of(cls, frames: Iterable[Frame]) -> Cast:
        """Collect it, one frame after another."""
        types: set[str] = set()
        vessels: set[str] = set()
        parts: set[str] = set()
        solids: set[str] = set()
        title = subtitle = 0
        for frame in frames:
            types.update(name for name, _ in frame.counts())
            vessels.update(frame.vessel_kinds())
            parts.update(frame.parts or ())
            solids.update(frame.solids())
            title, subtitle = max(title, len(frame.title)), max(subtitle, len(frame.subtitle))
        return cls(
            types=frozenset(types),
            vessels=frozenset(vessels),
            parts=frozenset(parts),
            solids=frozenset(solids),
            letters=(title, subtitle),
        )


@dataclass(frozen=True)
class Frame:
    """What a picture shows: one moment of a run, or a scaffold alone (no cells, no field).

    `distance` and `built` are those of the scaffold as built; `parts` are the shares of each voxel
    at the moment (`phases.parts_of`), None where nothing but cells changes; `vessels` are those of
    `Run.vessels`. With a `cast` what it names is listed even where there is none of it.
    """

    title: str
    subtitle: str
    voxel: float
    distance: Array
    centres: Array
    types: Array
    type_names: Sequence[str]
    field: Array | None
    field_unit: str = ""
    built: Array | None = None
    parts: Mapping[str, Array] | None = None
    vessels: Mapping[str, Array] | None = None
    cast: Cast | None = None

    def solids(self) -> list[str]:
        """Parts of the solid that are seen: where one is the greatest share of a solid voxel."""
        if self.cast:
            return [name for name in phases.PARTS if name in self.cast.solids]
        if self.parts is None:
            return ["scaffold"] if np.any(self.distance < 0) else []
        found = np.bincount(phases.kinds(self.parts).ravel(), minlength=1 + len(self.parts))
        return [name for name, n in zip(self.parts, found[1:], strict=True) if n]

    def counts(self) -> list[tuple[str, int]]:
        """Cell types that are there, and how many of each."""
        found = np.bincount(self.types, minlength=len(self.type_names))
        kept = self.cast.types if self.cast else ()
        pairs = zip(self.type_names, found, strict=False)
        return [(name, int(n)) for name, n in pairs if n or name in kept]

    def vessel_kinds(self) -> dict[str, str]:
        """Kinds of vessels that are there (`scene.VesselPaint`), and how much of each in words."""
        if self.vessels is None:
            return {}
        way = np.diff(self.vessels["ends"].astype(np.float64), axis=1)[:, 0]
        length, carries = np.sqrt((way * way).sum(axis=1)), self.vessels["carries"]
        volume = self.distance.size * self.voxel**3
        kinds = {"perfused": length[carries].sum(), "growing": length[~carries].sum()}
        kept = self.cast.vessels if self.cast else ()
        said = {
            k: f"{1e-6 * m / volume:.3g} mm/mm³" for k, m in kinds.items() if m > 0 or k in kept
        }
        tips = len(self.vessels["tips"])
        return said | ({"tip": grouped(tips)} if tips or "tip" in kept else {})

    def letters(self) -> tuple[int, int]:
        """For how many letters title and subtitle need room."""
        return self.cast.letters if self.cast else (len(self.title), len(self.subtitle))


def run_frame(run: Run, index: int, scene: Scene, cast: Cast | None = None) -> Frame:
    """Collect what a picture of frame `index` of a run needs; `cast` is that of its movie."""
    cells = run.cells(index)
    kinds = np.asarray(cells["type"], dtype=np.int64)
    day = run.frames[index] / 24
    parts = _parts(run, index, scene)
    scaffold = parts.get("scaffold", run.fraction)
    porosity = 1 - float(scaffold.mean(dtype=np.float64))
    facts = []
    if run.fraction.any():
        facts.append(f"porosity {100 * porosity:.0f} %")
        pores = (run.morphometry or {}).get("pore_size_mean_um")
        if pores is not None:
            facts.append(f"pores {pores:.0f} µm")
    if "host_bone" in parts:
        facts.append(f"host bone {percent(float(parts['host_bone'].mean(dtype=np.float64)))}")
    if porosity > 0 and ("bone" in parts or (cast and "bone" in cast.parts)):
        new = float(parts["bone"].mean(dtype=np.float64)) if "bone" in parts else 0.0
        filled = new / porosity
        of_what = " of the pores" if run.fraction.any() else ""
        facts.append(f"new bone {percent(filled)}{of_what}")
    facts += [size_text(run.shape, run.voxel), f"{grouped(len(kinds))} cells"]
    if scene.angle is not None:  # what tells sizes where nearer things are larger
        facts[-1] += f", {1e6 * scene.cell_diameter:.3g} µm wide"
    voxels = np.asarray(cells["voxel"], dtype=np.int64)
    stored = scene.field in run.field_names
    return Frame(
        title=f"{run.title}, day {day:.4g}",
        subtitle="  ·  ".join(facts),
        voxel=run.voxel,
        distance=run.distance,
        centres=_centres(voxels, run.shape, run.voxel, scene.jitter),
        types=kinds,
        type_names=run.type_names,
        field=run.field(scene.field, index) if stored else None,
        field_unit=run.field_units.get(scene.field, ""),
        built=run.fraction if parts else None,
        parts=parts or None,
        vessels=run.vessels(index) if scene.vessels else None,
        cast=cast,
    )


def _parts(run: Run, index: int, scene: Scene) -> dict[str, Array]:
    """Shares of the parts of the solid that the run stores and the scene paints."""
    shares = {name: run.matrix(name, index) for name in run.matrix_names}
    parts = phases.parts_of(shares)
    return {name: share for name, share in parts.items() if getattr(scene, name) is not None}


def _centres(voxels: Array, shape: tuple[int, int, int], voxel: float, jitter: float) -> Array:
    """Centres of the cells, each shifted by a hash of its voxel, so that no lattice shows."""
    ijk = np.stack(np.unravel_index(voxels, shape), axis=1).astype(np.float64)
    key: npt.NDArray[np.uint64] = np.add.outer(
        voxels.astype(np.uint64) * np.uint64(3), np.arange(3, dtype=np.uint64)
    )
    key = key * np.uint64(0x9E3779B97F4A7C15)
    key = key ^ (key >> np.uint64(29))
    key = key * np.uint64(0xBF58476D1CE4E5B9)
    unit = (key >> np.uint64(40)).astype(np.float64) / 2**24
    centres: Array = (ijk + 0.5 + (2 * unit - 1) * jitter) * voxel
    return centres.astype(np.float32)


def percent(share: float) -> str:
    """Say a share in percent; one that is there is never 0."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def grouped(number: int) -> str:
    """Say a number with its thousands apart."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size_text(shape: Sequence[int], voxel: float) -> str:
    """Say the edges of a box."""
    return " × ".join(f"{n * voxel * 1e3:.3g}" for n in shape) + " mm"
