"""What a run will need, and whether this machine has it."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffoldsim.config import Config
from scaffoldsim.model.donor import Donor
from scaffoldsim.scaffold.grid import free_memory

# Bounds of memory, about 1.3 times what was measured on boxes of 0.5 and 4.1 million voxels: in
# culture (211 bytes a voxel), in bone of a host (305), with five species (8.5 a species, two fields
# of four bytes), with up to 1.6 million cells (156 a cell). Of a voxel's, 40 are those of the state
# of bone and scaffold, twice more while a checkpoint is written (copy, and file in memory).
_BASE_BYTES = 300_000_000
_VOXEL_BYTES = 320
_SPECIES_BYTES = 9
_CELL_BYTES = 220
# Another process draws the picture at the end; this is of both. A grid that is refined costs more
# (`render.layers`).
_PICTURE_BYTES = 1_500_000_000
_PICTURE_VOXEL_BYTES = 260
_PICTURE_VOXEL_BYTES_COARSE = 120
_REFINED_BELOW = 3_000_000
# Bounds of disk: a frame took at most 3 bytes of a voxel for a species, 4.4 for scaffold and bone
# (four shares, of which two are mostly 0 or 1 and pack to nothing), and 15 of a cell.
_FIELD_FRAME_BYTES = 5
_TISSUE_FRAME_BYTES = 8
_CELL_FRAME_BYTES = 30
_TISSUE_STATE_BYTES = 40
_PAGES_BYTES = 5_000_000
# Time on two cores that are free: the start, a step, and picture and report at the end.
_START_VOXEL_SECONDS = 3e-6
_STEP_SECONDS = 4e-3
_FURTHER_SPECIES_SECONDS = 8e-3
_VOXEL_SECONDS = 0.3e-7
_SPECIES_SECONDS = 0.3e-7
_CELL_SECONDS = 1.5e-7
_END_SECONDS = 8.0
#: Cells that living bone of a host holds at most, a share of the voxels; 0.6 % were seen.
_HOST_CELLS = 0.03


class ResourceError(RuntimeError):
    """The run would need more memory or disk than there is."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs: an upper bound of memory and disk, a rough figure of time.

    Attributes
    ----------
    voxels, cells : int
        Voxels of the box; cells at most (exponential growth until the pores are full).
    memory_bytes : int
        Of the run itself.
    picture_bytes : int
        While the picture is drawn at the end; with less, slices take its place.
    disk_bytes : int
    seconds : float
        On two cores that have nothing else to do.
    """

    voxels: int
    cells: int
    memory_bytes: int
    picture_bytes: int
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
    given = sum(dose.stromal(volume) for dose in seeding.plan)
    rule = (
        config.cell_types[seeding.type].proliferation if seeding.type in config.cell_types else None
    )
    doublings = 0.0
    if rule is not None:
        doubling_time = rule.doubling_time * Donor(config.seed, seeding.donor.spread).doubling_time
        faster = config.host.multiplier("proliferation") * math.prod(_raises(config))
        doublings = config.duration * rule.scaffold_factor * faster / doubling_time
    most = voxels * (config.scaffold.porosity or 1.0)
    host = _HOST_CELLS * voxels if config.host.bone is not None else 0.0
    cells = int(min(most, given * 2 ** min(doublings, 60) + host))
    frames = 1 + math.ceil(config.duration / config.output.frames_every)
    species = max(1, len(config.fields))
    per_voxel = _VOXEL_BYTES + _SPECIES_BYTES * (species - 1)
    memory = _BASE_BYTES + per_voxel * voxels + _CELL_BYTES * cells
    drawn = _PICTURE_VOXEL_BYTES if voxels <= _REFINED_BELOW else _PICTURE_VOXEL_BYTES_COARSE
    picture = _PICTURE_BYTES + drawn * voxels
    frame = (_FIELD_FRAME_BYTES * species + _TISSUE_FRAME_BYTES) * voxels
    frame += _CELL_FRAME_BYTES * cells
    checkpoint = (4 * species + _TISSUE_STATE_BYTES) * voxels + 40 * cells
    disk = int(frames * frame + 3 * checkpoint + _PAGES_BYTES)
    # Growth that is faster at first and then hindered: half of the way by its logarithm.
    typical = math.sqrt(max(given, 1) * cells)
    step = _STEP_SECONDS + _FURTHER_SPECIES_SECONDS * (species - 1) + _CELL_SECONDS * typical
    step += (_VOXEL_SECONDS + _SPECIES_SECONDS * species) * voxels
    seconds = _START_VOXEL_SECONDS * voxels + config.steps * step + _END_SECONDS
    return Estimate(voxels, cells, memory, picture, disk, seconds)


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
