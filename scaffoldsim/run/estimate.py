"""What a run will need, and whether this machine has it."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffoldsim.config import Config
from scaffoldsim.model.donor import Donor
from scaffoldsim.model.vessels import TOO_DENSE
from scaffoldsim.run.atomic import existing
from scaffoldsim.scaffold.grid import Grid, free_memory

# Bounds of memory, about 1.3 times what was measured on boxes of 0.5 and 4.1 million voxels: in
# culture (211 bytes a voxel), in bone of a host (305), with five species (8.5 a species, two fields
# of four bytes), with up to 1.6 million cells (156 a cell). Of a voxel's, 40 are those of the state
# of bone and scaffold, twice more while a checkpoint is written (copy, and file in memory).
_BASE_BYTES = 300_000_000
_VOXEL_BYTES = 320
_SPECIES_BYTES = 9
_CELL_BYTES = 220
# Of vessels 12 bytes a voxel were measured in a run of 1.2 million voxels. An edge holds 142 bytes,
# its node included, in tables with up to twice the room; a growing one is copied, and so is all for
# a checkpoint: 260 to 490 held and 570 at the peak were seen in boxes of up to 49 000 edges.
_VESSELS_VOXEL_BYTES = 16
_EDGE_BYTES = 800
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
_EDGE_FRAME_BYTES = 40
_EDGE_STATE_BYTES = 150
_PAGES_BYTES = 5_000_000
# Time on two cores that are free: the start, a step, and picture and report at the end.
_START_VOXEL_SECONDS = 3e-6
_STEP_SECONDS = 4e-3
_FURTHER_SPECIES_SECONDS = 8e-3
_VOXEL_SECONDS = 0.3e-7
_SPECIES_SECONDS = 0.3e-7
_CELL_SECONDS = 1.5e-7
# Vessels took 2.6 ms of a step of 150 000 voxels and 5.5 of one of 1.2 million, 4e-8 s of it an
# edge; oxygen that they hold made the fields 7 and 15 ms slower, on one core.
_VESSELS_SECONDS = 6e-3
_VESSELS_VOXEL_SECONDS = 1.5e-8
_EDGE_SECONDS = 5e-8
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


def _most_edges(config: Config, grid: Grid) -> float:
    """Return how many edges vessels have at most: each is a voxel long, and no voxel holds two."""
    if config.host.vessels is None:
        return 0.0
    each = TOO_DENSE * float(config.host.vessels.crowded) * grid.voxel**2
    return min(each, 1.0) * grid.n_voxels


def _most_cells(config: Config, given: int, voxels: int) -> int:
    """Return how many cells there are at most: exponential growth until the pores are full."""
    seeding = config.cells
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
    return int(min(most, given * 2 ** min(doublings, 60) + host))


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
    given = sum(dose.stromal(volume) for dose in config.cells.plan)
    cells, edges = _most_cells(config, given, voxels), _most_edges(config, grid)
    vessels = config.host.vessels is not None
    frames = 1 + math.ceil(config.duration / config.output.frames_every)
    species = max(1, len(config.fields))
    per_voxel = _VOXEL_BYTES + _SPECIES_BYTES * (species - 1) + _VESSELS_VOXEL_BYTES * vessels
    memory = int(_BASE_BYTES + per_voxel * voxels + _CELL_BYTES * cells + _EDGE_BYTES * edges)
    drawn = _PICTURE_VOXEL_BYTES if voxels <= _REFINED_BELOW else _PICTURE_VOXEL_BYTES_COARSE
    picture = _PICTURE_BYTES + drawn * voxels
    frame = (_FIELD_FRAME_BYTES * species + _TISSUE_FRAME_BYTES) * voxels
    frame += _CELL_FRAME_BYTES * cells + _EDGE_FRAME_BYTES * edges
    checkpoint = (4 * species + _TISSUE_STATE_BYTES) * voxels + 40 * cells
    checkpoint += _EDGE_STATE_BYTES * edges
    disk = int(frames * frame + 3 * checkpoint + _PAGES_BYTES)
    # Growth that is faster at first and then hindered: half of the way by its logarithm.
    typical = math.sqrt(max(given, 1) * cells)
    step = _STEP_SECONDS + _FURTHER_SPECIES_SECONDS * (species - 1) + _CELL_SECONDS * typical
    step += (_VOXEL_SECONDS + _SPECIES_SECONDS * species) * voxels
    if vessels:  # their edges at half of the most
        step += _VESSELS_SECONDS + _VESSELS_VOXEL_SECONDS * voxels + _EDGE_SECONDS * edges / 2
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
    place = existing(folder)
    disk = shutil.disk_usage(place).free
    if need.disk_bytes > disk:
        raise ResourceError(
            f"the run would write up to {need.disk_bytes / 1e9:.1f} GB to {place}; "
            f"{disk / 1e9:.1f} GB are free. Raise output.frames_every or choose another --out."
        )
    return need
