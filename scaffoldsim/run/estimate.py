"""What a run will need, and whether this machine has it."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffoldsim.config import Config
from scaffoldsim.model.donor import Donor
from scaffoldsim.scaffold.grid import free_memory

# Measured on the quickstart (2 cores): resident memory and run time against voxels and cells, with
# one species. Each further one keeps its field of this and of the last step, four bytes each.
_BASE_BYTES = 350_000_000
_VOXEL_BYTES = 130
_SPECIES_BYTES = 8
_CELL_BYTES = 220
# Bone and degradation, counted from the arrays: kept per voxel (matrix 38, scaffold 16, ground 12,
# stimulus 4), and those of the state twice more while a checkpoint is written (copy, and file in
# memory). A frame holds four shares of a voxel: two are mostly 0 or 1 and pack to nothing.
_TISSUE_KEPT_BYTES = 70
_TISSUE_STATE_BYTES = 40
_TISSUE_FRAME_BYTES = 8
_VOXEL_SECONDS = 1.2e-7
_TISSUE_SECONDS = 0.4e-7
_CELL_SECONDS = 4.0e-7


class ResourceError(RuntimeError):
    """The run would need more memory or disk than there is."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs: an upper bound of memory and disk, a rough figure of time.

    Attributes
    ----------
    voxels, cells : int
        Voxels of the box; cells at most (exponential growth until the pores are full).
    memory_bytes, disk_bytes : int
    seconds : float
        On two cores.
    """

    voxels: int
    cells: int
    memory_bytes: int
    disk_bytes: int
    seconds: float


def _raises(config: Config) -> Iterator[float]:
    """Yield the most by which each factor, gene and condition can hasten division."""
    factors = {each.factor.name: each.factor for each in config.exposures}
    factors |= {f.factor.name: f.factor for f in config.fields.values() if f.factor is not None}
    for acting in (*factors.values(), *(change.gene for change in config.cells.genes)):
        for cue in acting.cues:
            if cue.event == "proliferation":
                yield max(1.0, float(cue.fold))
    conditions = {
        each.condition.name: each.condition
        for each in (*config.host.conditions, *(config.cells.donor.conditions or ()))
    }
    for condition in conditions.values():
        yield max(1.0, condition.multiplier("proliferation", 1.0))


def estimate(config: Config) -> Estimate:
    """Return what `config` will need, without building anything.

    Raises
    ------
    ConfigError
        If an image cannot be read.
    """
    try:
        grid = config.scaffold.grid()
    except (ValueError, OSError) as error:
        raise config.error(("scaffold",), str(error)) from error
    voxels, volume = grid.n_voxels, grid.n_voxels * grid.voxel_volume
    seeding = config.cells
    given = seeding.number if seeding.number is not None else int(seeding.density * volume)
    rule = (
        config.cell_types[seeding.type].proliferation if seeding.type in config.cell_types else None
    )
    doublings = 0.0
    if rule is not None:
        doubling_time = rule.doubling_time * Donor(config.seed, seeding.donor.spread).doubling_time
        faster = config.host.multiplier("proliferation") * math.prod(_raises(config))
        doublings = config.duration * rule.scaffold_factor * faster / doubling_time
    most = voxels * (config.scaffold.porosity or 1.0)
    cells = int(min(most, given * 2 ** min(doublings, 60)))
    frames = 1 + math.ceil(config.duration / config.output.frames_every)
    species = max(1, len(config.fields))
    per_voxel = _VOXEL_BYTES + _SPECIES_BYTES * (species - 1)
    per_voxel += _TISSUE_KEPT_BYTES + 2 * _TISSUE_STATE_BYTES
    memory = _BASE_BYTES + per_voxel * voxels + _CELL_BYTES * cells
    frame = (5 * species + _TISSUE_FRAME_BYTES) * voxels + 30 * cells
    checkpoint = (4 * species + _TISSUE_STATE_BYTES) * voxels + 40 * cells
    disk = int(frames * frame + 3 * checkpoint)
    step = (_VOXEL_SECONDS * species + _TISSUE_SECONDS) * voxels + _CELL_SECONDS * cells
    seconds = config.steps * step
    return Estimate(voxels, cells, memory, disk, seconds)


def check_resources(config: Config, folder: Path) -> Estimate:
    """Return the estimate if memory and the disk of `folder` suffice.

    Raises
    ------
    ResourceError
        With the numbers.
    """
    need = estimate(config)
    free = free_memory()
    if need.memory_bytes > free:
        raise ResourceError(
            f"{need.voxels:,} voxels and up to {need.cells:,} cells need about "
            f"{need.memory_bytes / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free. "
            "Take a smaller size or a coarser voxel."
        )
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    disk = shutil.disk_usage(place).free
    if need.disk_bytes > disk:
        raise ResourceError(
            f"the run would write up to {need.disk_bytes / 1e9:.1f} GB to {place}; "
            f"{disk / 1e9:.1f} GB are free. Raise output.frames_every or choose another --out."
        )
    return need
