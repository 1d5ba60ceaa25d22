"""What the scaffold and matrix give to the pores, and that none of it comes from nowhere."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.celltypes import CAUSES
from scaffoldsim.model.degradation import Degradation
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.release import Release, equivalent, problems, released
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.scaffold.section import ScaffoldSection

VOXEL = 20e-6
HOUR, DAY = 3600.0, 86400.0
CLOSED = {"x": "periodic", "y": "periodic", "z": "closed"}
TYPES: Any = {"bmsc": read_entry("cells", "bmsc")}
NOBODY = Cells(list(TYPES), CAUSES)


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "a test"}


class Box:
    """A scaffold of a material in a box, with the fields named; steps as the model makes them."""

    def __init__(
        self,
        material: str | None,
        fraction: np.ndarray,
        *species: str,
        loaded: Any = (),
        faces: Any = CLOSED,
        **changes: Any,
    ) -> None:
        named: Any = {name: read_entry("fields", name) for name in ("oxygen", *species)}
        named = {n: entry.model_copy(update=changes.get(n, {})) for n, entry in named.items()}
        section = Faces.model_validate(faces)
        self.grid = Grid(fraction.shape, VOXEL, section.periodic)  # type: ignore[arg-type]
        entry: Any = material and read_entry("materials", material)
        self.fields = Fields(self.grid, fraction, section, named, TYPES, threads=1)
        self.degradation = Degradation(
            self.grid, fraction, entry.degradation if entry else None, threads=1
        )
        # what the rest of a section is does not matter to a release
        self.section = ScaffoldSection.model_construct(
            material=entry, loaded=[_loaded(each) for each in loaded]
        )
        self.release = Release(self.fields, self.degradation, self.section)
        self.sourced: dict[str, float] = {}

    def step(self, dt: float = HOUR, matrix: np.ndarray | None = None) -> None:
        everywhere = np.ones(self.grid.shape, bool)
        acid = self.fields.value.get("lactic_acid")
        if self.degradation.advance(dt, near=everywhere, acid=acid):
            self.fields.update(self.degradation.fraction)
        self.release.advance(dt, matrix=matrix)
        self.fields.advance(NOBODY, dt, book=True)
        for name, budget in self.fields.budget.items():
            assert budget.gap < 1e-6
            self.sourced[name] = self.sourced.get(name, 0.0) + budget.sourced

    def amount(self, name: str) -> float:
        return float(self.fields.value[name].sum(dtype=np.float64)) * self.grid.voxel_volume


def _loaded(data: dict[str, Any]) -> Any:
    from scaffoldsim.scaffold.material import LoadedFactor

    return LoadedFactor.model_validate(data)


def walls(n: int = 12) -> np.ndarray:
    fraction = np.zeros((4, 4, n), np.float32)
    fraction[:, :, n // 3 : 2 * n // 3] = 1
    return fraction


@pytest.mark.parametrize(
    ("material", "species"),
    [("scpp", ("strontium", "calcium")), ("plga_cpc", ("lactic_acid", "calcium"))],
)
def test_what_is_lost_is_given_off_into_the_pores(material: str, species: tuple[str, ...]) -> None:
    box = Box(material, walls(), *species)
    start = {name: box.amount(name) for name in species}
    for _ in range(60):
        box.step(6 * DAY)
    products = box.section.material.products  # type: ignore[union-attr]
    volume = box.degradation.total_lost
    assert volume > 0.4 * walls().sum() * VOXEL**3
    of = {"lactic_acid": "acid"}
    for name in species:
        entry = products[of.get(name, name)]  # type: ignore[index]
        free = 1.0 if entry.free is None else entry.free
        given = entry.content * free * box.section.material.density * volume  # type: ignore[union-attr]
        assert box.release.given[of.get(name, name)] == pytest.approx(given, rel=1e-12, abs=0)
        # every mole is given to the field, and stays in a closed box, where nothing decays
        assert box.sourced[name] == pytest.approx(given, rel=1e-6, abs=0)
        assert box.amount(name) - start[name] == pytest.approx(given, rel=1e-5, abs=0)
    assert box.release.waiting == dict.fromkeys(products, 0.0)


def test_strontium_and_calcium_go_as_they_are_in_the_solid() -> None:
    box = Box("scpp", walls(), "strontium")
    box.step(DAY)
    given = box.release.given
    assert given["calcium"] / given["strontium"] == pytest.approx(92 / 8, rel=0.01, abs=0)
    assert "calcium" not in box.fields.value  # counted, and not spread


def test_a_product_of_a_closed_voxel_goes_to_its_neighbours_or_waits() -> None:
    box = Box("scpp", walls(), "strontium")
    # all of a voxel at the surface and of one inside, while the field still has them as closed
    lost = np.zeros(box.grid.shape, np.float32)
    lost[1, 1, 4] = lost[1, 1, 6] = 0.5
    box.degradation.lost, box.degradation.total_lost = lost, float(lost.sum()) * VOXEL**3
    box.release.advance(HOUR)
    source = box.release._source["strontium"]
    assert np.argwhere(source).tolist() == [[1, 1, 3]]
    half = box.release.given["strontium"] / 2
    assert float(source.sum()) * HOUR * VOXEL**3 == pytest.approx(half, rel=1e-6, abs=0)
    assert box.release.waiting["strontium"] == pytest.approx(half, rel=1e-6, abs=0)
    again = Box("scpp", walls(), "strontium")
    again.release.load(box.release.state())
    for other in (box, again):
        other.degradation.lost = np.zeros_like(lost)
        opened = walls()
        opened[1, 1, 6] = 0.5
        other.fields.update(opened)
        other.release.advance(HOUR)
        assert np.argwhere(other.release._source["strontium"]).tolist() == [[1, 1, 6]]
        assert other.release.waiting["strontium"] == 0


def test_nothing_is_lost_between_voxels_that_are_closed_and_open() -> None:
    draw = np.random.default_rng(3)
    box = Box("scpp", (draw.random((5, 6, 7)) < 0.8).astype(np.float32), "strontium")
    given = 0.0
    for _ in range(4):
        lost = draw.random(box.grid.shape).astype(np.float32) * (draw.random(box.grid.shape) < 0.5)
        given += float(lost.sum(dtype=np.float64))
        spread = box.release._opened(lost)
        assert not spread[box.fields.pore == 0].any()
        given -= float(spread.sum(dtype=np.float64))
        assert box.release._waits.sum() == pytest.approx(given, rel=1e-5)
    box.fields.update(np.zeros(box.grid.shape))
    waited = float(box.release._opened(np.zeros(box.grid.shape, np.float32)).sum())
    assert waited == pytest.approx(given, rel=1e-5)
    # in equal parts to both sides, one of them beyond the seam
    slit = Box("scpp", np.ones((4, 1, 3), np.float32), "strontium")
    opened = np.ones((4, 1, 3))
    opened[1] = opened[3] = 0
    slit.fields.update(opened)
    lost = np.zeros((4, 1, 3), np.float32)
    lost[0, 0, 1] = 1
    assert slit.release._opened(lost)[:, 0, 1].tolist() == [0, 0.5, 0, 0.5]


@pytest.mark.parametrize("material", ["collagen", "alginate"])
def test_a_loaded_factor_leaves_as_its_carrier_says_and_the_total_closes(material: str) -> None:
    gel = material == "alginate"
    fraction = np.zeros((4, 4, 12), np.float32) if gel else walls()
    volume = fraction.size * VOXEL**3
    box = Box(material, fraction, "bmp2", loaded=[{"species": "bmp2", "concentration": "10 ug/mL"}])
    carrier = box.section.material.carrier  # type: ignore[union-attr]
    assert carrier is not None
    total = 1e-2 * volume
    for step in range(24):
        box.step(4 * HOUR)
        share = released(carrier, (step + 1) * 4 * HOUR)
        assert box.sourced["bmp2"] == pytest.approx(total * share, rel=1e-6, abs=0)
        assert box.release.left["bmp2"] == pytest.approx(total * (1 - share), rel=1e-9, abs=0)
        if step == 0:
            held = 0.5 ** (4 * HOUR / carrier.half_life)
            assert share == pytest.approx(carrier.burst + (1 - carrier.burst) * (1 - held))
            source = box.release._source["bmp2"] > 0
            surface = np.zeros_like(source)
            surface[:, :, [3, 8]] = True
            assert np.array_equal(source, np.ones_like(source) if gel else surface)


def test_a_carrier_of_ones_own_and_moles_of_a_protein() -> None:
    slow = {"burst": number(0), "half_life": number("100 d")}
    given = [
        {"species": "bmp2", "amount": "1 pmol", "carrier": slow},
        {"species": "bmp2", "amount": "26 ng"},
    ]
    box = Box("collagen", walls(), "bmp2", loaded=given)
    assert box.release.left["bmp2"] == pytest.approx(26e-12 + 26e-12, rel=1e-9, abs=0)  # 26 kg/mol
    box.step(DAY)
    fast = 1 - 0.7 * 0.5 ** (1 / 3)
    expected = 26e-12 * (1 - 0.5**0.01) + 26e-12 * fast
    assert box.sourced["bmp2"] == pytest.approx(expected, rel=1e-6, abs=0)


def test_a_factor_waits_while_there_is_no_pore() -> None:
    box = Box("collagen", walls(), "bmp2", loaded=[{"species": "bmp2", "amount": "1 ng"}])
    box.fields.update(np.ones(box.grid.shape))
    box.release.advance(DAY)
    assert box.release.left["bmp2"] == 1e-12
    box.fields.update(walls())
    box.release.advance(DAY)
    assert box.release.left["bmp2"] == pytest.approx(0.7 * 0.5 ** (2 / 3) * 1e-12, rel=1e-9, abs=0)


def test_matrix_holds_a_factor_and_gives_it_back() -> None:
    """At rest c = R/(k τ (o + m)); what is bound and what is free stays the same together."""
    forever = {"bmp2": {"half_life": None, "diffusivity": read_entry("fields", "bmp2").diffusivity}}  # type: ignore[attr-defined]
    fraction = np.zeros((4, 4, 8), np.float32)
    box = Box("collagen", fraction, "bmp2", faces={"x": "closed"}, **forever)
    matrix = np.zeros(fraction.shape, np.float32)
    matrix[:, :, :3] = 0.5
    box.fields.value["bmp2"] = np.full(fraction.shape, 1e-3, np.float32)
    total = box.amount("bmp2")
    for step in range(120):
        box.step(HOUR, matrix)
        assert box.amount("bmp2") + box.release.held("bmp2") == pytest.approx(
            total, rel=3e-6, abs=0
        )
        if step == 60:
            kept = {key: np.copy(entry) for key, entry in box.release.state().items()}
            field = box.fields.value["bmp2"]
    binding = box.fields.species["bmp2"].binding
    assert binding is not None
    free = box.fields.value["bmp2"][0, 0, 0]
    held = free * binding.rate * binding.residence * 0.5
    assert box.release.bound["bmp2"][:, :, :3] == pytest.approx(held, rel=0.01, abs=0)
    assert not box.release.bound["bmp2"][:, :, 3:].any()
    again = Box("collagen", fraction, "bmp2", faces={"x": "closed"}, **forever)
    again.release.load(kept)
    again.fields.value["bmp2"] = field
    for _ in range(59):
        again.step(HOUR, matrix)
    assert np.array_equal(again.release.bound["bmp2"], box.release.bound["bmp2"])
    # once the matrix is gone it gives back all it held
    for _ in range(12):
        box.step(7 * DAY)
    assert box.release.held("bmp2") == pytest.approx(0, abs=1e-5 * total)
    assert box.amount("bmp2") == pytest.approx(total, rel=1e-4, abs=0)


def test_no_material_gives_nothing() -> None:
    box = Box(None, walls(), "calcium")
    box.step()
    assert (box.release.given, box.release.left, box.release.held("bmp2")) == ({}, {}, 0.0)
    assert box.sourced["calcium"] == 0
    assert equivalent(None, DAY) == 0


def test_own_factors_fade_or_are_gathered_for_ever() -> None:
    dbm: Any = read_entry("materials", "dbm")
    bcp: Any = read_entry("materials", "bcp")
    assert equivalent(dbm, 7 * DAY) == pytest.approx(60e-6 / math.e)
    assert equivalent(bcp, 0) == equivalent(bcp, 1000 * DAY) == pytest.approx(5e-6)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"scaffold.loaded": [{"species": "bmp2"}]}, "loaded.0", "either an amount"),
        (
            {"scaffold.loaded": [{"species": "bmp2", "amount": "-5 ug"}]},
            "loaded.0.amount",
            "out of range",
        ),
        (
            {
                "scaffold.material": "tantalum",
                "scaffold.loaded": [{"species": "bmp2", "amount": "5 ug"}],
            },
            "loaded.0.carrier",
            "tantalum says nothing of it",
        ),
        (
            {"scaffold.loaded": [{"species": "bmp3", "amount": "5 ug"}]},
            "scaffold.loaded.0.species",
            "'bmp3' is not among the fields",
        ),
    ],
)
def test_a_wrong_load_is_told_where_it_stands(changes: Any, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("quickstart", set=changes)
    (problem,) = caught.value.problems
    assert key in problem.key
    assert words in str(problem)


def test_a_load_must_be_carried_by_a_field() -> None:
    fields: Any = {name: read_entry("fields", name) for name in ("bmp2", "calcium")}
    given = [
        {"species": "bmp2", "amount": "5 ug"},
        {"species": "bpm2", "amount": "5 ug"},
        {"species": "calcium", "amount": "5 ug"},
        {"species": "calcium", "concentration": "5 mM"},
    ]
    section = ScaffoldSection.model_construct(material=None, loaded=[_loaded(g) for g in given])
    (unknown, mass) = problems(section, fields)
    assert unknown[0] == ("loaded", 1, "species")
    assert "bmp2, calcium" in unknown[1]
    assert mass[0] == ("loaded", 2, "amount")
    with pytest.raises(ValueError, match=r"loaded\.0\.species: 'x'"):
        Box("collagen", walls(), "bmp2", loaded=[{"species": "x", "amount": "5 ug"}])
    with pytest.raises(ValueError, match="how bmp2 leaves"):
        Box("tantalum", walls(), "bmp2", loaded=[{"species": "bmp2", "amount": "5 ug"}])


def test_what_a_stride_of_hours_set_free_is_given_off_over_as_many_hours() -> None:
    box = Box("scpp", walls(), "strontium")
    none = np.zeros(box.grid.shape, np.float32)
    lost = none.copy()
    lost[1, 1, 3] = 0.4
    total, given = 0.0, []
    # the first stride takes five hours, the next, which comes while two turns are left, three
    for hour in range(16):
        box.degradation.lost = lost if hour in (4, 7) else none
        total += float(box.degradation.lost.sum())
        box.degradation.total_lost = total * VOXEL**3
        box.release.advance(HOUR)
        source = box.release._source.get("strontium", none)
        given.append(float(source.sum(dtype=np.float64)) * HOUR * VOXEL**3)
        rest = box.release.given["strontium"] - sum(given)
        waiting = box.release.waiting["strontium"]
        assert waiting == pytest.approx(rest, abs=1e-6 * sum(given) + 1e-30)
    stride = box.release.given["strontium"] / 2
    expected = [0] * 4 + [stride / 5] * 3 + [1.4 * stride / 3] * 3 + [0] * 6
    assert given == pytest.approx(expected, rel=1e-5, abs=1e-30)
