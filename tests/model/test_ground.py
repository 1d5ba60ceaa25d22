"""What a voxel is to cells and fluxes: against plain NumPy, and the same however it came about."""

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaffoldsim.config import read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.ground import BONE, OSTEOID, PORE, SCAFFOLD, Ground
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.scaffold.grid import Faces, Grid

HOUR = 3600.0
SHAPE = (7, 6, 9)
MODULI = (0.0, 80e9, 1e7, 6e9)
CONDUCTION = (0.9, 1.2, 1.05, 1.0)
GEL = (1e4, 80e9, 1e7, 6e9)
ARRAYS = ("scaffold", "osteoid", "mineral", "host")

#: no shrinking: an example makes a solver, and is small as it is
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)

Arrays = dict[str, NDArray[np.float32]]


def tissue(rng: np.random.Generator, shape: tuple[int, ...] = SHAPE) -> Arrays:
    """Random shares of all parts, at most 1 together, often at a threshold."""
    share = rng.dirichlet(np.full(7, 0.3), shape).astype(np.float32)
    share[rng.random(shape) < 0.3] = 0
    s, o, m, b, _ = np.split(np.moveaxis(share, -1, 0), (1, 4, 5, 6))
    s, m, b = s[0], m[0], b[0]
    pure = rng.random(shape)
    s[pure < 0.2], s[pure > 0.9] = 1, 0.5
    for part in (*o, m, b):
        part[(pure < 0.2) | (pure > 0.9)] = 0
    return {"scaffold": s, "osteoid": np.ascontiguousarray(o), "mineral": m, "host": b}


def new(
    built: NDArray[np.float32],
    *,
    periodic: tuple[bool, bool, bool] = (True, False, True),
    gel: bool = False,
    threads: int = 1,
) -> Ground:
    grid = Grid(built.shape, 2e-5, periodic)  # type: ignore[arg-type]
    kinds = {a: "periodic" if p else "host" for a, p in zip("xyz", periodic, strict=True)}
    lattice = Lattice(grid, np.zeros(built.shape, bool), threads=threads)
    fields = Fields(
        grid,
        built,
        Faces.model_validate(kinds),
        {"oxygen": read_entry("fields", "oxygen"), "bmp2": read_entry("fields", "bmp2")},  # type: ignore[dict-item]
        {"bmsc": read_entry("cells", "bmsc")},  # type: ignore[dict-item]
        threads=threads,
    )
    return Ground(
        grid,
        lattice,
        fields,
        moduli=GEL if gel else MODULI,
        conduction=CONDUCTION,
        diffusivity=(0.5, 0.1),
        gel=gel,
    )


def kinds_of(part: Arrays) -> NDArray[np.uint8]:
    s, m, b = (part[name] for name in ("scaffold", "mineral", "host"))
    o = part["osteoid"][0] + part["osteoid"][1] + part["osteoid"][2]
    filled = np.where((m + b) >= o, BONE, OSTEOID)
    kind = np.where(s + o + (m + b) >= np.float32(0.5), filled, PORE)
    return np.where(s >= 0.5, SCAFFOLD, kind).astype(np.uint8)


def around(kind: NDArray[np.uint8], periodic: tuple[bool, bool, bool]) -> NDArray[np.uint8]:
    """Kinds in a voxel and across its faces, a bit each."""
    bits = np.left_shift(1, kind).astype(np.uint8)
    touch = bits.copy()
    for axis, wraps in enumerate(periodic):
        for step in (-1, 1):
            moved = np.roll(bits, step, axis)
            if not wraps:
                np.moveaxis(moved, axis, 0)[0 if step == 1 else -1] = 0
            touch |= moved
    return touch


def greatest(values: Any, touch: NDArray[np.uint8]) -> NDArray[np.float64]:
    has = [np.where(touch >> k & 1, v, -np.inf) for k, v in enumerate(values)]
    return np.max(has, axis=0)


def look(ground: Ground) -> list[bytes]:
    """All that follows from the arrays, in bytes."""
    lattice, fields = ground.lattice, ground.fields
    parts = (ground.kind, ground.touch, ground.felt, ground.level, lattice.occupant, lattice._flags)
    return [
        *(each.tobytes() for each in (*parts, fields.pore, fields.open, fields.core)),
        str(lattice).encode(),
    ]


@settings(deadline=None, max_examples=25, phases=QUICK)
@given(
    seed=st.integers(0, 2**32 - 1),
    periodic=st.tuples(*[st.booleans()] * 3),
    gel=st.booleans(),
    shape=st.sampled_from([SHAPE, (1, 5, 7), (3, 1, 2), (1, 1, 1)]),
)
def test_ground_is_the_reference(
    seed: int, periodic: tuple[bool, bool, bool], gel: bool, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(seed)
    part = tissue(rng, shape)
    ground = new(part["scaffold"], periodic=periodic, gel=gel)
    ground.update(*(part[name] for name in ARRAYS), first=True)
    kind = kinds_of(part)
    assert np.array_equal(ground.kind.reshape(shape), kind)
    touch = around(kind, periodic)
    assert np.array_equal(ground.touch.reshape(shape), touch)
    felt = greatest(GEL if gel else MODULI, touch)
    assert np.array_equal(ground.felt.reshape(shape), felt.astype(np.float32))
    conducts = greatest(CONDUCTION if gel else (-1, *CONDUCTION[1:]), touch)
    conducts[conducts < 0] = 1
    assert np.array_equal(ground.conduction[ground.touch].reshape(shape), conducts)
    touches = (touch & (0b0011 if gel else 0b0010)) > 0
    assert np.array_equal((ground.touch & ground.material).reshape(shape) > 0, touches)
    # fluxes
    o = part["osteoid"][0] + part["osteoid"][1] + part["osteoid"][2]
    h = part["scaffold"] + np.float32(0.5) * o
    h += np.float32(0.9) * (part["mineral"] + part["host"])
    level = np.floor(np.minimum(h, 1) * 8)
    assert np.array_equal(ground.level.reshape(shape), level)
    same = level == np.floor(part["scaffold"] * 8)
    expected = 1 - np.where(same, part["scaffold"], level / 8)
    assert ground.fields.pore == pytest.approx(expected, abs=1e-7)
    assert np.array_equal(ground.fields.open, kind == PORE)
    # what is open to cells is open to fluxes
    assert (ground.fields.pore[kind == PORE] > 0).all()


def dissolve(part: Arrays, rng: np.random.Generator) -> Arrays:
    """Less scaffold in some voxels, and other tissue in some."""
    other = tissue(rng)
    here = rng.random(SHAPE) < rng.choice([0, 0.02, 0.3])
    changed = {name: np.where(here, other[name], part[name]) for name in ARRAYS}
    changed["scaffold"] = np.minimum(part["scaffold"], changed["scaffold"])
    changed["osteoid"] *= np.float32(1) - changed["scaffold"]
    return changed


@settings(deadline=None, max_examples=8, phases=QUICK)
@given(seed=st.integers(0, 2**32 - 1), gel=st.booleans(), threads=st.sampled_from([1, 2, 4]))
def test_bit_by_bit_is_as_at_once_and_as_after_a_restart(
    seed: int, gel: bool, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    part = tissue(rng)
    built = part["scaffold"].copy()
    ground = new(built, gel=gel)
    ground.update(*part.values(), first=True)
    cells = Cells(["bmsc"], ["basal"])
    free = np.flatnonzero(ground.kind != SCAFFOLD)
    some = rng.permutation(free)[: free.size // 3]
    ground.lattice.settle(cells, some, type=0, origin=0, buried=True)
    for _ in range(3):
        part = dissolve(part, rng)
        ground.update(*part.values(), fluxes=bool(rng.integers(2)))
        stored = ground.state()
        again = new(built, gel=gel, threads=threads)
        again._threads = threads  # few voxels: else one would do
        again.load(stored)
        again.update(*part.values(), first=True, fluxes=False)
        again.lattice.place(cells)
        assert look(again) == look(ground)
    again.fields.load(ground.fields.state())
    for each in (ground, again):
        each.fields.advance(cells, HOUR)
    for name, value in ground.fields.value.items():
        assert value.tobytes() == again.fields.value[name].tobytes()
    ground.update(*part.values())
    once = new(built, gel=gel)
    once.update(*part.values(), first=True)
    once.lattice.place(cells)
    assert look(once) == look(ground)


def test_an_untouched_scaffold_keeps_its_exact_share() -> None:
    built = np.full(SHAPE, 0.43, np.float32)
    ground = new(built)
    version = ground.fields.domain.version
    ground.update(built, None, None, None, first=True)
    ground.update(built * np.float32(0.99), None, None, None)
    assert ground.fields.domain.version == version
    assert np.array_equal(ground.fields.pore, 1 - built)
    lost = ground.update(built * np.float32(0.5), None, None, None)
    assert lost == {"oxygen": 0, "bmp2": 0}
    assert (ground.fields.pore == 1 - 1 / 8).all()


def test_fluxes_wait_until_they_are_due_but_not_where_cells_may_go() -> None:
    wall = np.zeros(SHAPE, np.float32)
    wall[3] = 1
    ground = new(wall)
    ground.update(wall, None, None, None, first=True)
    bone = np.where(wall, 0, np.float32(0.9)).astype(np.float32)
    bone[:, :, 0] = 0
    ground.update(wall, None, bone, None, fluxes=False)
    assert (ground.kind.reshape(SHAPE)[0, :, 1:] == BONE).all()
    assert (ground.fields.pore[0] == 1).all()
    assert not ground.fields.open[0, :, 1:].any()
    ground.update(wall, None, bone, None)
    assert ground.fields.pore[0, 0].tolist() == [1] + [0.25] * 8
    assert not ground.fields.open[0, :, 1:].any()
    ground.update(wall * np.float32(0.6), None, bone, None, fluxes=False)
    assert (ground.fields.pore[3] == 0).all()  # still a wall to cells
    ground.update(wall * np.float32(0.4), None, bone, None, fluxes=False)
    assert (ground.fields.pore[3] == 1 - 3 / 8).all()
    assert ground.fields.open[3].all()


def test_bone_that_lets_nothing_through_takes_what_was_dissolved_there() -> None:
    empty = np.zeros(SHAPE, np.float32)
    ground = new(empty)
    ground._bone = 1.0
    full = empty.copy()
    full[2, 2, 2] = 1
    held = float(ground.fields.value["oxygen"][2, 2, 2])
    lost = ground.update(empty, None, full, None)
    assert lost["oxygen"] == pytest.approx(held * 8e-15, rel=1e-6)
    assert held > 0
    assert ground.fields.value["oxygen"][2, 2, 2] == 0


def test_a_cell_in_bone_breathes_and_stays() -> None:
    empty = np.zeros(SHAPE, np.float32)
    ground, cells = new(empty), Cells(["bmsc"], ["basal"])
    ground.lattice.settle(cells, [200], type=0, origin=0)
    bone = np.full(SHAPE, 0.95, np.float32)
    ground.update(empty, None, bone, None)
    assert ground.lattice.occupant[200] == 0
    ground.fields.advance(cells, HOUR)
    assert 0 < ground.fields.value["oxygen"].ravel()[200] < ground.fields.value["oxygen"].max()
    with pytest.raises(ValueError, match=r"voxel \(3, 4, 2\) holds a cell and cannot become solid"):
        ground.update(bone, None, None, None)
    # and leaves once it is a pore again
    ground.update(empty, None, None, None)
    cells.hop = np.inf
    assert ground.lattice.update(cells, HOUR, seed=1, step=1).n_hops == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"moduli": (0, 1, 2)}, r"moduli is \(0, 1, 2\), must be 4 numbers"),
        ({"conduction": (0, 1, 2, -1)}, "conduction is .*, must be 4 numbers in 0"),
        ({"diffusivity": (0.5, 1.5)}, "diffusivity is .*, must be 2 numbers in 0 to 1"),
        ({"moduli": (0, 1, 2, np.nan)}, "moduli is"),
    ],
)
def test_wrong_numbers_are_refused(change: dict[str, Any], message: str) -> None:
    ground = new(np.zeros(SHAPE, np.float32))
    given = {"moduli": MODULI, "conduction": CONDUCTION} | change
    with pytest.raises(ValueError, match=message):
        Ground(ground.grid, ground.lattice, ground.fields, **given)


def test_wrong_shapes_are_refused() -> None:
    ground = new(np.zeros(SHAPE, np.float32))
    whole, flat = np.zeros(SHAPE), np.zeros(9)
    with pytest.raises(ValueError, match=r"mineral has shape \(9,\), must be \(7, 6, 9\)"):
        ground.update(whole, None, flat, None)
    with pytest.raises(ValueError, match=r"osteoid has shape \(7, 6, 9\), must be \(3, 7, 6, 9\)"):
        ground.update(whole, whole, None, None)


def test_threads_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    part, found = tissue(rng, (20, 30, 40)), []
    for threads in (1, 2, 4):
        ground = new(part["scaffold"])
        ground._threads = threads  # so few voxels are one thread's work
        ground.update(*part.values(), first=True)
        ground.update(*(0.7 * each for each in part.values()))
        found.append(look(ground))
    assert found[0] == found[1] == found[2]
