"""Fields in a model: faces, uptake, secretion, supplies, jumps, and what cannot happen."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.model import stepping
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.fields import Fields, Species, Supply
from scaffoldsim.model.rates import CAUSES
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.solver.diffusion import ConvergenceError, Diffusion

TYPES = {"bmsc": read_entry("cells", "bmsc")}
OXYGEN = {"oxygen": read_entry("fields", "oxygen")}


CLOSED = dict.fromkeys("xyz", "closed")
HOUR = 3600.0


def fields(
    shape: tuple[int, int, int],
    faces: dict[str, str],
    solid: np.ndarray | None = None,
    species: Any = OXYGEN,
    threads: int = 1,
) -> Fields:
    fraction = np.zeros(shape, np.float32) if solid is None else solid.astype(np.float32)
    section = Faces.model_validate(faces)
    grid = Grid(shape, 20e-6, section.periodic)
    return Fields(grid, fraction, section, species, TYPES, threads=threads)  # type: ignore[arg-type]


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "a test"}


def plain(**keys: Any) -> dict[str, Species]:
    """A species ``x`` that does nothing but what `keys` say."""
    quiet: dict[str, Any] = {"diffusivity": "1e-10 m^2/s", "medium": "0 mM", "host": "0 mM"}
    data = {key: number(value) for key, value in (quiet | keys).items() if key != "secretion"}
    if "secretion" in keys:
        data["secretion"] = {"rate": number(keys["secretion"])}
    return {"x": Species.model_validate(data)}


def cells(voxels: np.ndarray) -> Cells:
    population = Cells(list(TYPES), CAUSES)
    population.append(voxels.size, voxel=voxels)
    return population


def test_faces_hold_their_concentration() -> None:
    both = fields((4, 4, 40), {"x": "periodic", "y": "periodic", "z-": "host", "z+": "medium"})
    empty = cells(np.empty(0, np.int32))
    for _ in range(30):
        both.advance(empty, 3600.0)
    line = both.value["oxygen"][0, 0]
    z = (np.arange(40) + 0.5) / 40
    assert line == pytest.approx(0.052 + (0.2 - 0.052) * z, rel=1e-3)


def test_a_full_slab_breathes_as_theory_says() -> None:
    """Zero order: c0 − c(mid) = R L²/2D; Km 0.006 of 0.2 mM makes it a per cent less."""
    layer = fields((2, 2, 50), {"x": "periodic", "y": "periodic", "z": "medium"})
    density = 1e4 * 1e9  # one voxel in 12.5
    chosen = np.arange(200)[:: int(1 / (density * 8e-15))].astype(np.int32)
    population = cells(chosen)
    for _ in range(10):
        layer.advance(population, 3600.0)
    rate = 98e-15 / 3600 * chosen.size / (200 * 8e-15)
    drop = rate * 5e-4**2 / (2 * 2e-9)
    assert 0.2 - layer.value["oxygen"].min() == pytest.approx(drop, rel=0.06)


def test_a_closed_box_runs_dry_and_never_below_zero() -> None:
    box = fields((5, 5, 5), dict.fromkeys("xyz", "closed"))
    population = cells(np.arange(0, 125, 2, dtype=np.int32))
    for _ in range(30):
        box.advance(population, 3600.0)
    assert box.value["oxygen"].min() >= 0
    assert box.value["oxygen"].max() < 1e-3


def test_solid_is_a_wall() -> None:
    solid = np.zeros((4, 4, 20), bool)
    solid[:, :, 10] = True
    halves = fields(
        (4, 4, 20), {"x": "closed", "y": "closed", "z-": "medium", "z+": "closed"}, solid
    )
    population = cells(np.flatnonzero(np.arange(320) % 20 > 10).astype(np.int32))
    for _ in range(30):
        halves.advance(population, 3600.0)
    value = halves.value["oxygen"]
    assert value[:, :, :10] == pytest.approx(0.2, rel=1e-3)
    assert value[:, :, 11:].max() < 1e-3
    assert (value[:, :, 10] == 0).all()


def test_a_thin_wall_lets_through_what_it_leaves_open() -> None:
    """Half-filled voxels carry half the diffusivity: steeper there by two, harmonic at the edge."""
    wall = np.zeros((2, 2, 21))
    wall[:, :, 10] = 0.5
    layers = fields(
        (2, 2, 21), {"x": "periodic", "y": "periodic", "z-": "medium", "z+": "host"}, wall
    )
    for _ in range(10):
        layers.advance(cells(np.empty(0, np.int32)), 3600.0)
    line = layers.value["oxygen"][0, 0]
    step, across = line[4] - line[5], line[9] - line[10]
    assert across / step == pytest.approx(1.5, rel=0.01)


def test_the_core_is_the_third_farthest_from_supply() -> None:
    both = fields((2, 2, 30), {"x": "periodic", "y": "periodic", "z": "medium"})
    assert np.flatnonzero(both.core[0, 0]).tolist() == list(range(10, 20))
    below = fields((2, 2, 30), {"x": "closed", "y": "closed", "z-": "host", "z+": "closed"})
    assert np.flatnonzero(below.core[0, 0]).tolist() == list(range(20, 30))
    assert not fields((2, 2, 30), dict.fromkeys("xyz", "closed")).core.any()


# several species ------------------------------------------------------------------------------


def gyroid(n: int) -> np.ndarray:
    x, y, z = np.indices((n, n, n)) * (2 * np.pi / n)
    wave = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return np.asarray(wave > 1.0)


def everything(threads: int = 1, n: int = 20) -> tuple[Fields, Cells]:
    """All species of the catalogue in a gyroid between host and medium, with vessels."""
    names = ("oxygen", "vegf", "bmp2", "bfgf", "sdf1", "lactic_acid", "calcium", "strontium")
    species = {name: read_entry("fields", name) for name in names}
    solid = gyroid(n)
    faces = {"x": "periodic", "y": "closed", "z-": "host", "z+": "medium"}
    box = fields((n, n, n), faces, solid, species, threads)
    vessel = np.zeros(solid.shape, bool)
    vessel[n // 2, n // 2] = ~solid[n // 2, n // 2]
    box.add_supply("oxygen", lambda: Supply.perfused(vessel, 0.052))
    box.add_supply("vegf", lambda: Supply.exchange(vessel, 0.01, 0.0))
    acid = np.where(solid, 0, 1e-6).astype(np.float32)
    box.add_supply("lactic_acid", lambda: Supply(source=acid))
    return box, cells(np.flatnonzero(~solid.ravel())[::7].astype(np.int32))


def test_any_number_of_species_shares_one_domain_and_single_precision() -> None:
    box, population = everything()
    box.advance(population, HOUR)
    assert all(step.solver.domain is box.domain for step in box._stepper.values())
    assert {value.dtype for value in box.value.values()} == {np.dtype(np.float32)}
    assert all((value[~box.open] == 0).all() for value in box.value.values())
    assert next(iter(box.species)) == "oxygen"


def test_threads_and_the_order_of_species_change_no_bit() -> None:
    one, population = everything(1)
    two, _ = everything(2)
    section = Faces.model_validate({"x": "periodic", "z": "medium"})
    chosen = [
        {n: read_entry("fields", n) for n in order}
        for order in (("oxygen", "vegf"), ("vegf", "oxygen"))
    ]
    grid = Grid((6, 6, 6), 20e-6, section.periodic)
    first, last = (
        Fields(grid, np.zeros(grid.shape), section, entries, TYPES, threads=1)  # type: ignore[arg-type]
        for entries in chosen
    )
    few = cells(np.arange(0, 216, 5, dtype=np.int32))
    for _ in range(3):
        one.advance(population, HOUR)
        two.advance(population, HOUR)
        first.advance(few, HOUR)
        last.advance(few, HOUR)
    assert all(np.array_equal(one.value[name], two.value[name]) for name in one.species)
    assert all(np.array_equal(first.value[name], last.value[name]) for name in first.species)


def test_a_field_goes_on_from_its_state_to_the_same_bytes() -> None:
    """Also from the middle of a jump, when the next step is divided."""
    one, population = everything()
    two, _ = everything()
    one.advance(population, HOUR)
    two.load(one.state())
    for _ in range(3):
        one.advance(population, HOUR)
        two.advance(population, HOUR)
    assert all(np.array_equal(one.value[name], two.value[name]) for name in one.species)


@pytest.mark.parametrize(("rate", "expected"), [(1, 0.60), (3, 1.8), (15, 9.0)])
def test_cells_bring_vegf_to_the_level_of_the_model(rate: float, expected: float) -> None:
    """N q / k for 10⁴ cells/mm³ at `rate` ng per million cells and day, half-life one hour."""
    secreted = plain(molar_mass="45 kg/mol", half_life="60 min", secretion=f"{rate} fg/d")
    box = fields((5, 5, 5), CLOSED, species=secreted)
    population = cells(np.arange(0, 125, 12.5).astype(np.int32))  # 10 in 125 voxels of 20 µm
    for _ in range(24):
        box.advance(population, HOUR)
    assert box.in_pores("x").mean() * 1e6 == pytest.approx(expected, rel=0.01)


def test_secretion_is_that_of_the_named_types_and_rises_in_hypoxia() -> None:
    species = {name: read_entry("fields", name) for name in ("oxygen", "vegf")}
    amounts = {}
    for start in (0.2, 0.0):
        box = fields((3, 3, 3), CLOSED, species=species)
        box.value["oxygen"][...] = start
        box.advance(cells(np.arange(2, dtype=np.int32)), 1.0)
        amounts[start] = float(box.value["vegf"].sum(dtype=np.float64)) * 8e-15
    q = 3e-18 / 86400
    assert amounts[0.0] == pytest.approx(2 * 3 * q, rel=1e-3)
    assert amounts[0.2] == pytest.approx(2 * q * (1 + 2 / (1 + (0.2 / 0.013) ** 2)), rel=1e-3)
    rule = species["vegf"].secretion.model_copy(update={"types": ["osteoblast"]})  # type: ignore[attr-defined]
    species["vegf"] = species["vegf"].model_copy(update={"secretion": rule})
    box = fields((3, 3, 3), CLOSED, species=species)
    box.advance(cells(np.arange(2, dtype=np.int32)), HOUR)
    assert (box.value["vegf"] == 0).all()
    with pytest.raises(ValueError, match="'oxygen' is missing"):
        fields((3, 3, 3), CLOSED, species={"vegf": species["vegf"]})


def test_a_basal_source_and_an_initial_value() -> None:
    box = fields((3, 3, 3), CLOSED, species=plain(source="2 mM/h", initial="1 mM"))
    box.advance(cells(np.empty(0, np.int32)), HOUR)
    assert box.value["x"] == pytest.approx(3.0, rel=1e-5)


# supplies -------------------------------------------------------------------------------------


def test_perfused_vessels_hold_their_value() -> None:
    """Between two sheets of vessels: c/c_v = cosh((x − L)/ℓ)/cosh(L/ℓ), ℓ = √(D/k)."""
    n = 41
    box = fields((n, 1, 1), {"x": "periodic"}, species=plain(half_life="30 min"))
    sheet = np.zeros((n, 1, 1), bool)
    sheet[0] = True
    box.add_supply("x", lambda: Supply.perfused(sheet, 0.052))
    for _ in range(40):
        box.advance(cells(np.empty(0, np.int32)), HOUR)
    reach = math.sqrt(1e-10 / (math.log(2) / 1800))
    middle = n / 2 * 20e-6
    x = np.arange(n) * 20e-6
    theory = 0.052 * np.cosh((x - middle) / reach) / np.cosh(middle / reach)
    assert box.value["x"][:, 0, 0] == pytest.approx(theory, rel=2e-3)


def test_vessels_that_exchange_follow_the_implicit_rule() -> None:
    """Everywhere alike: c' = (c + κ dt c_v)/(1 + κ dt), as many times as the hour is divided."""
    box = fields((3, 3, 3), CLOSED, species=plain())
    box.add_supply("x", lambda: Supply.exchange(np.ones((3, 3, 3), bool), 1e-4, 2.0))
    box.advance(cells(np.empty(0, np.int32)), HOUR)
    shrunk = (1 + 1e-4 * HOUR / 16) ** -16  # from nothing to a third of c_v: a jump
    assert box.value["x"] == pytest.approx(2.0 * (1 - shrunk), rel=1e-5)
    with pytest.raises(ValueError, match="'y' is missing"):
        box.add_supply("y", Supply)


def test_supplies_add_up_and_the_later_one_holds() -> None:
    box = fields((2, 1, 1), {"x": "periodic"}, species=plain(diffusivity="0 m^2/s"))
    left = np.array([True, False]).reshape(2, 1, 1)
    for value in (1.0, 3.0):
        box.add_supply("x", lambda v=value: Supply.perfused(left, v))  # type: ignore[misc]
        box.add_supply("x", lambda: Supply(source=np.full((2, 1, 1), 1 / HOUR)))
    box.advance(cells(np.empty(0, np.int32)), HOUR)
    assert box.value["x"].ravel() == pytest.approx([3.0, 2.0], rel=1e-5)


# jumps ----------------------------------------------------------------------------------------


def switched_on(hours: int) -> tuple[list[np.ndarray], int]:
    """VEGF-like secretion switched on in a gyroid: hourly fields, and solves of the first hour."""
    secreted = plain(molar_mass="45 kg/mol", half_life="60 min", secretion="3 fg/d")
    box = fields((16, 16, 16), {"x": "periodic", "z+": "medium"}, gyroid(16), secreted)
    population = cells(np.flatnonzero(box.open.ravel())[::11].astype(np.int32))
    solves: list[int] = []
    first, solve = 0, Diffusion.solve

    def counted(self: Diffusion, *given: Any, **named: Any) -> Any:
        solves.append(1)
        return solve(self, *given, **named)

    result = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Diffusion, "solve", counted)
        for hour in range(hours):
            box.advance(population, HOUR)
            result.append(box.value["x"])
            first = len(solves) if hour == 0 else first
    return result, first


def test_after_a_jump_the_hour_is_divided(monkeypatch: Any) -> None:
    """First hour of a source in a gyroid: 11 % off by one step, 0.1 % by what is done."""
    done, solves = switched_on(4)
    assert solves == 1 + 4 + 16
    monkeypatch.setattr(stepping, "_JUMP", 1e9)
    single, solves = switched_on(1)
    assert solves == 1
    monkeypatch.setattr(stepping, "_JUMP", 0.0)
    monkeypatch.setattr(stepping, "_AGREE", 0.0)
    monkeypatch.setattr(stepping, "_DIVISIONS", (128,))
    exact, _ = switched_on(4)

    def error(field: np.ndarray, hour: int) -> float:
        return float(np.abs(field - exact[hour]).max() / exact[hour].max())

    assert 0.1 < error(single[0], 0) < 0.23
    assert max(error(field, hour) for hour, field in enumerate(done)) < 0.005


@pytest.mark.parametrize(
    ("half_life", "one", "done"), [("60 min", 0.18, 0.015), ("23 min", 0.23, 0.02)]
)
def test_the_error_after_a_jump_is_that_of_theory(
    half_life: str, one: float, done: float, monkeypatch: Any
) -> None:
    """Without gradients c = S/k (1 − e^{−kt}), and n steps give S/k (1 − (1 + k dt/n)^−n)."""
    for jump, expected in ((stepping._JUMP, done), (1e9, one)):
        monkeypatch.setattr(stepping, "_JUMP", jump)
        box = fields((2, 2, 2), CLOSED, species=plain(half_life=half_life, source="1 mM/h"))
        box.advance(cells(np.empty(0, np.int32)), HOUR)
        k = box.species["x"].decay
        exact = 1 / HOUR / k * -math.expm1(-k * HOUR)
        assert abs(box.mean("x") / exact - 1) == pytest.approx(expected, abs=0.002)  # type: ignore[operator]


def test_a_steady_field_costs_one_solve(monkeypatch: Any) -> None:
    box, population = everything(n=12)
    for _ in range(40):
        box.advance(population, HOUR)
    solves, solve = [], Diffusion.solve

    def counted(self: Diffusion, *given: Any, **named: Any) -> Any:
        solves.append(named["dt"])
        return solve(self, *given, **named)

    monkeypatch.setattr(Diffusion, "solve", counted)
    box.advance(population, HOUR)
    assert solves == [HOUR] * len(box.species)


# geometry that changes --------------------------------------------------------------------------


def test_a_wall_that_dissolves_lets_through_and_loses_nothing() -> None:
    wall = np.zeros((3, 3, 11), np.float32)
    wall[:, :, 5] = 1
    box = fields((3, 3, 11), CLOSED, wall, plain(initial="1 mM"))
    nobody = cells(np.empty(0, np.int32))
    box.value["x"] = box.value["x"] * (np.arange(11) < 5).astype(np.float32)
    amount = box.value["x"].sum(dtype=np.float64)
    for fraction in (1.0, 0.6, 0.2, 0.0):
        wall[:, :, 5] = fraction
        assert box.update(wall) == {"x": 0.0}
        assert box.open[0, 0, 5] == (fraction < 0.5)
        if fraction == 0.6:
            assert (box.value["x"][:, :, 5] == 0).all()  # solid held no solute
        box.advance(nobody, HOUR)
        assert box.value["x"].sum(dtype=np.float64) == pytest.approx(amount, rel=1e-6)
    assert box.value["x"][:, :, 6:].min() > 0.1


def test_what_a_closing_voxel_held_is_told() -> None:
    box = fields((3, 3, 3), CLOSED, species=plain(initial="2 mM"))
    before = box.state()
    bone = np.zeros((3, 3, 3), np.float32)
    bone[1] = 1
    lost = box.update(bone)
    assert lost == {"x": pytest.approx(9 * 2.0 * 8e-15)}
    assert box.value["x"].sum() == pytest.approx(18 * 2.0)
    assert (before["x"] == 2).all()  # an array that was handed out is never written to
    with pytest.raises(ValueError, match=r"fraction has shape \(2, 2, 2\)"):
        box.update(np.zeros((2, 2, 2)))


def test_few_changed_voxels_do_what_all_do() -> None:
    rng, start = np.random.default_rng(1), gyroid(12).astype(np.float32)
    (few, _), (all_, _) = everything(n=12), everything(n=12)
    for value in (0.5, 1.0, 0.0, 0.25):
        at = np.sort(rng.choice(start.size, 30, replace=False)).astype(np.int32)
        start.reshape(-1)[at] = value
        lost = few.update(np.full(30, value, np.float32), at)
        assert lost == pytest.approx(all_.update(start), rel=1e-12)
        for name, array in few.state().items():
            np.testing.assert_array_equal(array, all_.state()[name])
        for name in ("pore", "open", "core"):
            np.testing.assert_array_equal(getattr(few, name), getattr(all_, name))
        one, two = few.domain.newton.grid.levels, all_.domain.newton.grid.levels
        assert [level.part.tobytes() for level in one] == [level.part.tobytes() for level in two]


def test_an_updated_geometry_is_as_good_as_a_new_one() -> None:
    box, population = everything(n=12)
    other = gyroid(12) & (np.indices((12, 12, 12))[0] > 2)
    box.update(other.astype(np.float32))
    new, _ = everything(n=12)
    faces = {"x": "periodic", "y": "closed", "z-": "host", "z+": "medium"}
    new = fields((12, 12, 12), faces, other, {"oxygen": box.species["oxygen"]})
    new.load(box.state())
    box._supplies["oxygen"].clear()
    for _ in range(2):
        box.advance(population, HOUR)
        new.advance(population, HOUR)
    assert np.array_equal(box.value["oxygen"], new.value["oxygen"])


# bad input --------------------------------------------------------------------------------------


def pockets() -> np.ndarray:
    """A box of walls of one voxel around pores of one voxel, with some doors."""
    solid = np.ones((7, 7, 7), bool)
    solid[1::2, 1::2, 1::2] = False
    solid[3, 3, :] = False
    return solid


@pytest.mark.parametrize("population", ["none", "all"])
@pytest.mark.parametrize("face", ["closed", "medium", "host", "periodic"])
@pytest.mark.parametrize("solid", [pockets(), np.ones((4, 4, 4), bool), np.zeros((1, 1, 1), bool)])
def test_odd_geometries_are_solved_or_settled(
    solid: np.ndarray, face: str, population: str
) -> None:
    species: Any = {name: read_entry("fields", name) for name in ("oxygen", "vegf", "calcium")}
    species |= plain(diffusivity="0 m^2/s", source="1 mM/h", secretion="1 fmol/h")
    box = fields(solid.shape, dict.fromkeys("xyz", face), solid, species)
    pore = np.flatnonzero(~solid.ravel()).astype(np.int32)
    for _ in range(3):
        box.advance(cells(pore if population == "all" else pore[:0]), HOUR, book=True)
    for name, value in box.value.items():
        assert np.isfinite(value).all()
        assert (value >= 0).all()
        assert (value[solid] == 0).all()
        assert box.budget[name].gap < 1e-6
    means = [box.mean(name) for name in box.species]
    assert (means == [None] * len(means)) == bool(solid.all())


def test_a_stalled_solve_names_its_species(monkeypatch: Any) -> None:
    box = fields((3, 3, 3), CLOSED, species=plain(initial="1 mM"))

    def stall(*_: Any, **__: Any) -> None:
        raise ConvergenceError([1.0, 0.5, 0.25], 1e-6)

    monkeypatch.setattr(Diffusion, "solve", stall)
    with pytest.raises(ConvergenceError, match=r"^x: diffusion: .* 2\.50e-01") as caught:
        box.advance(cells(np.empty(0, np.int32)), HOUR)
    assert caught.value.history == [1.0, 0.5, 0.25]
