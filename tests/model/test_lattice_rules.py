"""What a rate means on the lattice, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scaffoldsim.model.cells import Cells
from scaffoldsim.model.cycle import growing_stages
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.scaffold.grid import Grid

TYPES, CAUSES = ["bmsc", "osteoblast", "adipocyte", "senescent"], ["basal", "left"]
SENESCENT = 3
DT = 3600.0

# meaning of rates -------------------------------------------------------------------------------


def in_the_middle(n: int = 1, **options: int) -> tuple[Lattice, Cells]:
    grid = Grid((9, 9, 9), 20e-6, (True,) * 3)
    lattice = Lattice(grid, np.zeros((9, 9, 9), dtype=bool), **options)
    cells = Cells(TYPES, CAUSES)
    cells.append(n, voxel=364 + 3 * np.arange(n))
    return lattice, cells


def test_now_means_this_step_and_once() -> None:
    lattice, cells = in_the_middle(4)
    cells.death[1, 0] = np.inf
    cells.fate[2, 1] = np.inf
    cells.divide[2] = np.inf
    cells.hop[2:] = np.inf
    events = lattice.update(cells, DT, seed=1, step=1)
    assert events.died.tolist() == [0, 1]
    assert events.changed[0].tolist() == [0, 0, 1, 0]
    assert events.births["parent"].tolist() == [2]
    assert events.n_hops == 1, "the cell that divides stays, the other hops once"


def test_becoming_what_it_is_is_no_event() -> None:
    lattice, cells = in_the_middle(1)
    cells.fate[0] = np.inf
    cells.divide = np.inf
    assert lattice.update(cells, DT, seed=1, step=1).born == 1


@pytest.mark.parametrize(
    ("arrest", "senescent", "arrested"), [(1, SENESCENT, 2), (1, None, 0), (0, SENESCENT, 0)]
)
def test_mother_and_daughter_become_senescent(
    arrest: float, senescent: int | None, arrested: int
) -> None:
    lattice, cells = in_the_middle(1, senescent=senescent)
    cells.origin, cells.divide, cells.arrest = 1, np.inf, arrest
    before = cells.census(2)
    events = lattice.update(cells, DT, seed=1, step=1)
    assert (events.born, events.fates.size) == (1, arrested)
    assert events.changed[0, SENESCENT] == arrested
    assert (events.fates["origin"] == 1).all()
    assert cells.type.tolist() == [SENESCENT * (arrested > 0)] * 2
    assert (cells.census(2) - before == events.balance(2)).all()
    assert events.births["type"].tolist() == [0], "she is born with her mother's type"


def test_mother_and_daughter_are_drawn_apart() -> None:
    """Of 729 divisions into free space, about a quarter each: both, mother, daughter, none."""
    shape = (36, 36, 36)
    grid = Grid(shape, 20e-6, (True,) * 3)
    lattice = Lattice(grid, np.zeros(shape, dtype=bool), senescent=SENESCENT)
    cells = Cells(TYPES, CAUSES)
    x, y, z = np.indices(shape)
    apart = np.flatnonzero((x % 4 == 0) & (y % 4 == 0) & (z % 4 == 0))
    cells.append(apart.size, voxel=apart)
    cells.divide, cells.arrest = np.inf, 0.5
    births = lattice.update(cells, DT, seed=1, step=1).births
    struck = [cells.type[cells.rows_of(births[who])] == SENESCENT for who in ("parent", "id")]
    counts = np.bincount(struck[0] + 2 * struck[1], minlength=4) / apart.size
    assert births.size == apart.size == 729
    assert np.abs(counts - 0.25).max() < 4.0 * math.sqrt(3 / 16 / apart.size)


def test_what_is_senescent_already_has_no_event() -> None:
    lattice, cells = in_the_middle(1, senescent=SENESCENT)
    cells.type, cells.divide, cells.arrest = SENESCENT, np.inf, 1.0
    events = lattice.update(cells, DT, seed=1, step=1)
    assert (events.born, events.fates.size) == (1, 0)


def test_a_cell_divides_from_its_last_stage() -> None:
    lattice, cells = in_the_middle(1, stages=3)
    seen = []
    for step in range(400):
        cells.divide = np.where(cells.id == 0, 0.1 / DT, 0.0)
        stage = int(cells.stage[cells.rows_of(0)])
        born = lattice.update(cells, DT, seed=1, step=step).born
        seen.append((stage, int(cells.stage[cells.rows_of(0)]), born))
        cells.keep(cells.id == 0)
    # nothing, one stage on, or from the last to the first with a daughter
    assert set(seen) == {(0, 0, 0), (1, 1, 0), (2, 2, 0), (0, 1, 0), (1, 2, 0), (2, 0, 1)}


def test_a_cell_that_finds_no_room_stays_in_its_last_stage() -> None:
    grid = Grid((1, 1, 1), 20e-6, (False,) * 3)
    lattice = Lattice(grid, np.zeros((1, 1, 1), dtype=bool), stages=8)
    cells = Cells(TYPES, CAUSES)
    cells.append(1, voxel=0)
    for step in range(200):
        cells.divide = 0.08 / DT
        lattice.update(cells, DT, seed=1, step=step)
    assert (cells.n, cells.stage[0]) == (1, 7)


def test_a_change_of_type_leaves_the_stage() -> None:
    lattice, cells = in_the_middle(1, stages=8)
    cells.stage = 5
    cells.fate[1] = np.inf
    lattice.update(cells, DT, seed=1, step=0)
    assert (cells.type[0], cells.stage[0], cells.clock[0]) == (1, 5, 0.0)


def test_now_is_now_in_any_stage() -> None:
    lattice, cells = in_the_middle(1, stages=8)
    cells.divide = np.inf
    assert lattice.update(cells, DT, seed=1, step=0).born == 1


def test_growing_stages_fit_and_fall_off() -> None:
    u = (np.arange(80_000) + 0.5) / 80_000
    share = np.bincount(growing_stages(u, 8), minlength=8) / u.size
    assert share == pytest.approx(2 * (1 - 2**-0.125) * 2 ** (-np.arange(8) / 8), rel=1e-3)
    assert growing_stages([0.0, 1 - 2**-53], 8).tolist() == [0, 7]
    assert (growing_stages(u, 1) == 0).all()


def test_a_cell_in_a_sealed_voxel_stays() -> None:
    for guidance in (True, False):
        solid = np.ones((3, 3, 3), dtype=bool)
        solid[1, 1, 1] = False
        lattice = Lattice(Grid((3, 3, 3), 20e-6, (True,) * 3), solid, guidance=guidance)
        cells = Cells(TYPES, CAUSES)
        cells.append(1, voxel=13)
        cells.hop, cells.divide = np.inf, np.inf
        events = lattice.update(cells, DT, seed=1, step=0)
        assert (events.n_hops, events.born, cells.voxel[0]) == (0, 0, 13)


def test_no_cells_is_a_step_too() -> None:
    lattice, cells = in_the_middle(0)
    events = lattice.update(cells, DT, seed=1, step=0)
    assert (events.born, events.n_hops, events.substeps) == (0, 0, 1)


def test_matrix_may_bury_a_cell_and_nobody_enters() -> None:
    lattice, cells = in_the_middle(2)
    buried = np.zeros((9, 9, 9), dtype=bool)
    buried.ravel()[[364, 365, 366]] = True  # a cell, and the two voxels between it and the next
    lattice.place(cells)
    lattice.set_walls(np.zeros_like(buried), matrix=buried)
    assert lattice.occupant[364:368].tolist() == [0, -2, -2, 1]
    assert lattice.near_surface.ravel()[364 + 9]
    assert not lattice.near_surface.ravel()[364 + 18]
    for step in range(20):
        cells.hop = np.where(cells.id == 1, 1.0 / DT, 0.0)
        lattice.update(cells, DT, seed=1, step=step)
        assert lattice.occupant[[365, 366]].tolist() == [-2, -2]
    buried_row = cells.rows_of(0)
    assert lattice.occupant[364] == buried_row
    cells.death[:, buried_row] = np.inf
    lattice.update(cells, DT, seed=1, step=20)
    assert lattice.occupant[364] == -2
    lattice.set_walls(np.zeros_like(buried))
    assert lattice.occupant[364] == -1


def test_a_cell_that_leaves_the_matrix_does_not_open_it() -> None:
    lattice, cells = in_the_middle(1)
    lattice.place(cells)
    matrix = np.zeros((9, 9, 9), dtype=bool)
    matrix[4, 4, 4] = True
    lattice.set_walls(np.zeros_like(matrix), matrix=matrix)
    cells.hop = np.inf
    assert lattice.update(cells, DT, seed=1, step=1).n_hops == 1
    assert lattice.occupant[364] == -2


def test_gel_gives_hold() -> None:
    lattice, _ = in_the_middle()
    gel = np.zeros((9, 9, 9), dtype=bool)
    gel[2:4] = True
    lattice.set_walls(np.zeros_like(gel), gel=gel)
    assert (lattice.near_surface == gel).all()


def test_cells_moved_or_added_by_hand_are_noticed() -> None:
    lattice, cells = in_the_middle(3)
    lattice.update(cells, DT, seed=1, step=1)
    cells.voxel[0] = 5
    cells.append(1, voxel=9)
    cells.keep(cells.id != 1)
    lattice.update(cells, DT, seed=1, step=2)
    assert np.flatnonzero(lattice.occupant >= 0).tolist() == sorted(cells.voxel.tolist())
    cells.voxel[0] = 700
    lattice.update(cells, DT, seed=1, step=3)
    assert np.flatnonzero(lattice.occupant >= 0).tolist() == sorted(cells.voxel.tolist())


# guards -----------------------------------------------------------------------------------------


def spoil(name: str, row: int, value: float) -> object:
    def change(lattice: Lattice, cells: Cells) -> None:
        getattr(cells, name)[..., row] = value

    return change


def spoil_potential(lattice: Lattice, cells: Cells) -> None:
    lattice.potential = np.full((9, 9, 9), np.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("hop", 1, np.nan), r"hop is nan /s for cell 1, must be 0 or more"),
        (spoil("divide", 2, -0.5), r"divide is -0.5 /s for cell 2"),
        (spoil("death", 0, -1.0), r"death \(basal\) is -1.0 /s for cell 0"),
        (spoil("fate", 0, np.nan), r"fate \(bmsc\) is nan /s for cell 0"),
        (spoil("arrest", 1, 1.5), r"arrest is 1.5 for cell 1, must lie in 0 to 1"),
        (spoil("arrest", 2, -0.5), r"arrest is -0.5 for cell 2"),
        (spoil("arrest", 0, np.nan), r"arrest is nan for cell 0"),
        (spoil("divide", 1, 0.2 / DT), r"for cell 1: times the step of 3600 s .* at most 1800 s"),
        (spoil("hop", 2, 601.0 / DT), r"for cell 2: more than 300 hops .* at most 1797 s"),
        (spoil("voxel", 2, 364), r"cells \d and \d share voxel \(4, 4, 4\)"),
        (spoil("voxel", 2, -1), r"cell 2 has voxel -1, must be 0 to 728"),
        (spoil("voxel", 2, 729), r"cell 2 has voxel 729"),
        (spoil("voxel", 2, 0), r"cell 2 stands in solid at voxel \(0, 0, 0\)"),
        (spoil_potential, r"potential is not finite or beyond .* in 728 open voxels"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(change: object, message: str) -> None:
    lattice, cells = in_the_middle(3)
    solid = np.zeros((9, 9, 9), dtype=bool)
    solid[0, 0, 0] = True
    lattice.set_walls(solid)
    cells.hop, cells.divide, cells.death = 1.0 / DT, 0.1 / DT, np.inf
    lattice.place(cells)
    change(lattice, cells)
    before, occupant = cells.state(), lattice.occupant.copy()
    with pytest.raises(ValueError, match=message):
        lattice.update(cells, DT, seed=1, step=0)
    assert all(v.tobytes() == before[k].tobytes() for k, v in cells.state().items())
    assert (lattice.occupant == occupant).all()


def test_a_step_may_not_pass_a_stage_with_certainty() -> None:
    lattice, cells = in_the_middle(1, stages=8)
    cells.divide = math.log(2) / 8 / DT
    lattice.update(cells, DT, seed=1, step=0)
    cells.divide = 0.09 / DT
    with pytest.raises(ValueError, match=r"exceeds 0\.0866; use a step of at most 3466 s"):
        lattice.update(cells, DT, seed=1, step=1)


def test_a_limit_in_single_precision_is_within_the_limit() -> None:
    lattice, cells = in_the_middle(3)
    for dt in (3600.0, 1000.0, 777.0):
        cells.divide, cells.hop = 0.1 / dt, 0.3 / dt
        assert lattice.update(cells, dt, seed=1, step=0).substeps == 1


def test_wrong_arguments_are_refused() -> None:
    grid = Grid((3, 3, 3), 20e-6, (True,) * 3)
    open_voxels = np.zeros((3, 3, 3), dtype=bool)
    cells = Cells(TYPES, CAUSES)
    cells.append(27, voxel=np.arange(27))
    lattice = Lattice(grid, open_voxels)
    lattice.place(cells)
    solid = open_voxels.copy()
    solid[1, 2, 0] = True
    with pytest.raises(ValueError, match=r"voxel \(1, 2, 0\) holds a cell"):
        lattice.set_walls(solid)
    with pytest.raises(ValueError, match="27 cells are more than the 26 voxels"):
        Lattice(grid, solid).place(cells)
    with pytest.raises(ValueError, match="solid has type float64"):
        Lattice(grid, np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match=r"matrix has type bool and shape \(3, 3\)"):
        lattice.set_walls(open_voxels, matrix=open_voxels[0])
    with pytest.raises(ValueError, match="potential has 9 values"):
        lattice.potential = np.zeros((3, 3))
    with pytest.raises(ValueError, match="open_grip is 2"):
        Lattice(grid, open_voxels, open_grip=2)
    for stages in (0, 251):
        with pytest.raises(ValueError, match=f"stages is {stages}, must lie in 1 to 250"):
            Lattice(grid, open_voxels, stages=stages)
    with pytest.raises(ValueError, match=r"senescent is type 4, must be 0 to 3 \(bmsc"):
        Lattice(grid, open_voxels, senescent=4).update(cells, DT, seed=1, step=0)
    with pytest.raises(ValueError, match="threads is 0"):
        Lattice(grid, open_voxels, threads=0)
    for dt in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be a finite time above 0"):
            lattice.update(cells, dt, seed=1, step=0)
