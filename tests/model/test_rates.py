"""Rules become rates: each against its equation written out by hand."""

import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.config import Config, load, read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.celltypes import OxygenGate, StiffnessGate, rise
from scaffoldsim.model.factors import CELL_EVENTS
from scaffoldsim.model.rates import CAUSES, Donor, Rates
from scaffoldsim.model.signals import WHO, Signals

H, D, Y = 3600.0, 86400.0, 31557600.0
TYPES = [
    "bmsc",
    "preosteoblast",
    "osteoblast",
    "osteocyte",
    "adipocyte",
    "chondrocyte",
    "endothelial",
    "senescent",
]
BMSC, PRE, OB, OC, AD, CH, EN, SEN = range(8)


class Fields:
    """Concentrations per voxel, by species."""

    def __init__(self, **value: Any) -> None:
        self.value = {name: np.asarray(v, np.float32) for name, v in value.items()}

    def at(self, voxel: Any, name: str) -> Any:
        return self.value[name][voxel]


CONDUCTION = {1: 1.2, 2: 1.1, 3: 1.3}  # of scaffold, osteoid, bone
TOUCHES_SCAFFOLD = 0b0010


def touching(touch: Any) -> Any:
    """Ground where voxels touch these kinds, a bit each; beside pores scaffold, osteoid, bone."""
    table = [
        max((oc for kind, oc in CONDUCTION.items() if bits >> kind & 1), default=1.0)
        for bits in range(16)
    ]
    return SimpleNamespace(
        touch=np.asarray(touch, np.uint8), conduction=np.array(table), material=TOUCHES_SCAFFOLD
    )


def evaluate(
    oxygen: float = 0.052,
    stiffness: float = 0.0,
    stimulus: float | None = None,
    touch: int | None = None,
    equivalent: float | None = None,
    **change: Any,
) -> Cells:
    """Rates of one cell of each type; where anything is stiff, all of them touch scaffold."""
    config = load("quickstart", set={"cells.donor.age": "20 y", **(change.pop("set", None) or {})})
    cells = Cells(TYPES, CAUSES)
    cells.append(8, voxel=np.arange(8), type=np.arange(8), age=48 * H)
    for name, value in change.items():
        setattr(cells, name, value)
    signals = Signals(
        config.host,
        config.cells.donor,
        config.exposures,
        config.cells.genes,
        autologous=config.cells.source == "autologous",
        species=config.fields,
        touched=None if equivalent is None else read_entry("factors", "bmp2"),  # type: ignore[arg-type]
    )
    if touch is None:
        touch = TOUCHES_SCAFFOLD if stiffness else 0b0001
    rates = Rates(
        {name: read_entry("cells", name) for name in TYPES},  # type: ignore[misc]
        voxel=20e-6,
        donor=Donor(1, 0.0),
        signals=signals,
        ground=touching(np.full(8, touch)),
    )
    rates.equivalent = equivalent or 0.0
    rates.advance(0.0, H)
    felt = np.full(8, stiffness, np.float32)
    model = SimpleNamespace(
        cells=cells,
        fields=Fields(oxygen=np.full(8, oxygen)),
        substrate=felt,
        stimulus=None if stimulus is None else np.full(8, stimulus, np.float32),
    )
    rates.evaluate(model)  # type: ignore[arg-type]
    return cells


def test_hop_rate_is_six_d_over_h_squared() -> None:
    d = 15**2 * 0.9 / 3  # µm²/h
    assert evaluate().hop[BMSC] == pytest.approx(6 * d / 20**2 / H, rel=1e-6)
    assert evaluate().hop[OB] == 0  # osteoblasts stay


def test_cells_crawl_slowly_in_a_gel() -> None:
    rule: Any = read_entry("cells", "bmsc")
    slow = rule.migration.hop_rate(2e-5, gel=True) / rule.migration.hop_rate(2e-5)
    assert slow == pytest.approx(0.2**2)


def test_division_rate() -> None:
    expected = math.log(2) / (33 * H) * 0.6 * 0.052 / 0.055
    assert evaluate().divide[BMSC] == pytest.approx(expected, rel=1e-6)
    assert list(evaluate().divide[1:]) == [0] * 7


def test_a_cell_that_was_given_waits_and_its_daughter_does_not() -> None:
    assert evaluate(age=23.9 * H).divide[BMSC] == 0
    assert evaluate(age=24.0 * H).divide[BMSC] > 0
    assert evaluate(age=0.0, parent=7).divide[BMSC] == evaluate().divide[BMSC]


def test_division_slows_with_doublings() -> None:
    fast, slow = evaluate().divide[BMSC], evaluate(doublings=10.0).divide[BMSC]
    assert fast / slow == pytest.approx(1.08, rel=1e-6)


def test_senescence_is_half_at_the_limit_of_a_donor() -> None:
    q = math.exp(-(60 - 20) / 60)
    for age, limit in (("20 y", 41), ("60 y", 24 + 17 * q)):
        change = {"cells.donor.age": age}
        at_limit = evaluate(doublings=limit - 1, set=change).arrest
        assert at_limit[BMSC] == pytest.approx(0.5, abs=1e-6)
        assert list(at_limit[1:]) == [0] * 7
        beyond = evaluate(doublings=limit + 1, set=change).arrest[BMSC]
        assert beyond == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-5)
    assert evaluate().arrest[BMSC] < 1e-8


def test_ischaemic_death_is_half_at_its_oxygen_and_full_without() -> None:
    row = CAUSES.index("ischaemic")
    assert evaluate(oxygen=0.002).death[row, 0] == pytest.approx(0.25 / D, rel=1e-6)
    assert evaluate(oxygen=0.0).death[row, 0] == pytest.approx(0.5 / D, rel=1e-6)
    assert evaluate(oxygen=0.2).death[row, 0] < 1e-4 * 0.5 / D * 1.01


def test_only_osteoblasts_age_out() -> None:
    row = CAUSES.index("lifespan")
    assert np.flatnonzero(evaluate().death[row]).tolist() == [OB]
    assert evaluate().death[row, OB] == pytest.approx(1 / (60 * D), rel=1e-6)


def test_fates_in_fluid_at_reference_oxygen() -> None:
    fate = evaluate().fate * D
    assert fate[PRE, BMSC] == pytest.approx(0.06, rel=1e-6)
    assert fate[AD, BMSC] == pytest.approx(0.015 * 2, rel=1e-6)  # nothing is stiff there
    assert fate[CH, BMSC] == pytest.approx(0.01 / (1 + (0.052 / 0.02) ** 2), rel=1e-6)
    assert fate[EN, BMSC] == pytest.approx(0.003, rel=1e-6)
    assert fate[OB, PRE] == pytest.approx(0.142857, rel=1e-6)
    assert np.count_nonzero(fate) == 5


def test_a_stiff_substrate_makes_bone_and_a_soft_one_fat() -> None:
    stiff = evaluate(stiffness=80e9).fate * D
    assert stiff[PRE, BMSC] == pytest.approx(0.06 * 1.2 * 2.5, rel=1e-6)  # osteoconductive, too
    assert stiff[AD, BMSC] == pytest.approx(0.015, rel=1e-6)
    soft = evaluate(stiffness=25e3).fate * D
    assert soft[PRE, BMSC] == pytest.approx(0.06 * 1.2 * 1.75, rel=1e-6)
    assert soft[AD, BMSC] == pytest.approx(0.015 * (1 + 1 / 26), rel=1e-6)


@pytest.mark.parametrize(
    ("touch", "conduction"),
    [(0b0001, 1.0), (0b0010, 1.2), (0b0100, 1.1), (0b1000, 1.3), (0b1011, 1.3), (0b0111, 1.2)],
)
def test_a_cell_feels_the_most_osteoconductive_of_what_it_touches(
    touch: int, conduction: float
) -> None:
    fate = evaluate(touch=touch).fate * D
    assert fate[PRE, BMSC] == pytest.approx(0.06 * conduction, rel=1e-6)
    assert fate[EN, BMSC] == pytest.approx(0.003, rel=1e-6)


def test_what_the_scaffold_holds_is_felt_by_touch_alone() -> None:
    k, fold = 5e-5, 4.0  # of BMP-2, kg/m³
    plain = evaluate(touch=TOUCHES_SCAFFOLD).fate[PRE, BMSC]
    for touch, felt in ((TOUCHES_SCAFFOLD, 3e-5), (0b1011, 3e-5), (0b0001, 0.0), (0b1101, 0.0)):
        without = evaluate(touch=touch).fate[PRE, BMSC]
        held = evaluate(touch=touch, equivalent=3e-5).fate[PRE, BMSC]
        assert held / without == pytest.approx(1 + (fold - 1) * felt / (k + felt), rel=1e-6)
    # it adds to what is given, before the law, and to what a field carries
    given = {"exposures": [{"factor": "bmp2", "dose": "20 ng/mL"}]}
    both = evaluate(touch=TOUCHES_SCAFFOLD, equivalent=3e-5, set=given).fate[PRE, BMSC]
    assert both / plain == pytest.approx(1 + (fold - 1) * 5e-5 / (k + 5e-5), rel=1e-6)
    assert evaluate(touch=TOUCHES_SCAFFOLD, equivalent=0.0).fate[PRE, BMSC] == plain


@pytest.mark.parametrize("carried", [False, True])
def test_what_is_felt_by_touch_is_part_of_the_concentration_and_draws_nobody(carried: bool) -> None:
    fields = {"oxygen": "oxygen", **({"bmp2": "bmp2"} if carried else {})}
    config = load("quickstart", set={"fields": fields})
    rates = Rates(
        {name: read_entry("cells", name) for name in TYPES},  # type: ignore[misc]
        voxel=20e-6,
        donor=Donor(1, 0.0),
        signals=Signals(
            config.host, config.cells.donor, config.exposures, config.cells.genes,
            species=config.fields,
            touched=read_entry("factors", "bmp2"),  # type: ignore[arg-type]
        ),
        ground=touching([1, 2, 4, 3]),
    )  # fmt: skip
    values = Fields(oxygen=np.full(4, 0.1), bmp2=np.array([0, 1e-5, 2e-5, 0]))
    there = np.arange(4)[::-1]
    base = np.array([0, 2e-5, 1e-5, 0]) if carried else np.zeros(4)
    assert rates.concentration(values, there)["bmp2"] == pytest.approx(base)  # type: ignore[arg-type]
    rates.equivalent = 3e-5
    felt = base + np.array([3e-5, 0, 3e-5, 0])
    assert rates.concentration(values, there)["bmp2"] == pytest.approx(felt)  # type: ignore[arg-type]
    assert (rates.potential(values) is None) is not carried  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stimulus", "bone", "cartilage"),
    [
        (0.0, 1, 1),
        (0.005, 1, 1),
        (0.01, 1.5, 1),
        (0.5, 1.5, 1),
        (1.0, 1.5, 4),
        (2.0, 0.85, 4),
        (3.0, 0.0, 1),
        (50.0, 0.0, 1),
    ],
)
def test_load_steers_between_bone_and_cartilage(
    stimulus: float, bone: float, cartilage: float
) -> None:
    still, loaded = evaluate().fate, evaluate(stimulus=stimulus).fate
    assert loaded[PRE, BMSC] == pytest.approx(still[PRE, BMSC] * bone, rel=1e-6, abs=1e-30)
    assert loaded[CH, BMSC] == pytest.approx(still[CH, BMSC] * cartilage, rel=1e-6)


def test_an_immobilised_host_feels_no_load() -> None:
    host = {"host": "immobilised_rat", "cells.source": "xenogeneic"}
    loaded, still = evaluate(stimulus=0.5, set=host).fate, evaluate(set=host).fate
    assert loaded[PRE, BMSC] == still[PRE, BMSC] > 0


def test_hypoxia_holds_back_bone_not_fat() -> None:
    low, high = evaluate(oxygen=0.002).fate, evaluate(oxygen=0.2).fate
    assert low[PRE, BMSC] < 0.2 * high[PRE, BMSC]
    assert low[AD, BMSC] == high[AD, BMSC]
    assert low[CH, BMSC] > 50 * high[CH, BMSC]


def test_old_donors_are_slower() -> None:
    q = math.exp(-50 / 60)
    young, old = evaluate(), evaluate(set={"cells.donor.age": "70 y"})

    def ratio(name: str, *place: int) -> Any:
        return pytest.approx(getattr(old, name)[place] / getattr(young, name)[place], rel=1e-6)

    assert ratio("divide", BMSC) == 0.7 + 0.3 * q
    assert ratio("death", 0, BMSC) == 1.3 - 0.3 * q
    assert ratio("fate", PRE, BMSC) == 0.5 + 0.5 * q
    assert ratio("fate", AD, BMSC) == 1.5 - 0.5 * q


def exposure(dose: str, **more: str) -> dict[str, Any]:
    return {"exposures": [{"factor": "dexamethasone", "dose": dose, **more}]}


def test_dexamethasone_low_for_bone_high_for_fat() -> None:
    none = evaluate().fate
    low = evaluate(set=exposure("10 nM")).fate
    high = evaluate(set=exposure("1 uM")).fate
    assert low[PRE, BMSC] > 1.5 * none[PRE, BMSC]
    assert high[PRE, BMSC] / high[AD, BMSC] < none[PRE, BMSC] / none[AD, BMSC]
    assert high[AD, BMSC] > low[AD, BMSC] > none[AD, BMSC]


def test_a_dose_of_zero_changes_nothing() -> None:
    none, zero = evaluate(), evaluate(set=exposure("0 nM"))
    for name in ("hop", "divide", "death", "fate", "arrest"):
        assert np.array_equal(getattr(none, name), getattr(zero, name))


def test_donors_are_lognormal_and_fixed_by_the_seed() -> None:
    draws = np.array([[(d := Donor(s, 0.3)).osteogenic, d.doubling_time] for s in range(4000)])
    logs = np.log(draws)
    sigma = math.sqrt(math.log1p(0.09))
    assert np.abs(logs.mean(0)).max() < 4 * sigma / math.sqrt(4000)
    assert np.abs(logs.std(0) / sigma - 1).max() < 4 / math.sqrt(2 * 4000)
    assert abs(np.corrcoef(logs.T)[0, 1]) < 4 / math.sqrt(4000)
    assert repr(Donor(5, 0.3)) == repr(Donor(5, 0.3)) != repr(Donor(6, 0.3))
    assert Donor(5, 0.0).osteogenic == 1


def test_rise_is_zero_without_and_half_at_k() -> None:
    assert rise(np.array([-1.0, 0.0, 0.5, 1e9]), 0.5) == pytest.approx([0, 0, 0.5, 1])


# the kernel against plain NumPy ---------------------------------------------------------------


def reference(rates: Rates, cells: Cells, fields: Fields, felt: Any, stimulus: Any) -> Any:
    """What the kernel does, cell by cell, from the entries themselves."""
    signals, n = rates.signals, len(rates.types)
    hop, divide, arrest = (np.zeros(cells.n) for _ in range(3))
    death, fate = np.zeros((len(CAUSES), cells.n)), np.zeros((n, cells.n))
    for i in range(cells.n):
        rule: Any = list(rates.types.values())[cells.type[i]]
        who = WHO[int(cells.origin[i] >= 3)]
        v = cells.voxel[i]
        local = {
            name: sum(float(fields.value[c][v]) for c in carriers)
            for name, carriers in signals.carried.items()
        }
        touch = int(rates.ground.touch[v])  # type: ignore[union-attr]
        if signals.touched is not None and touch & TOUCHES_SCAFFOLD:
            local[signals.touched] += rates.equivalent
        m = {
            event: signals.multiplier(event, who)
            * signals.gene_multiplier(event, int(cells.genes[i]))
            * signals.local_multiplier(event, local)
            for event in CELL_EVENTS
        }
        c = max(0.0, float(fields.value["oxygen"][v]))
        if rule.migration:
            hop[i] = rule.migration.hop_rate(2e-5) * m["migration"]
        p = rule.proliferation
        if p and (cells.parent[i] >= 0 or cells.age[i] >= p.lag):
            divide[i] = math.log(2) / (p.doubling_time * rates.donor.doubling_time)
            divide[i] *= p.scaffold_factor * m["proliferation"] * rise(c, p.half_maximal_oxygen)
            divide[i] /= 1 + p.slowing * (cells.doublings[i] / 10) ** 2
        if rule.senescence:
            q = signals.q if who == "donor" else signals.host.vitality
            excess = cells.doublings[i] + 1 - rule.senescence.limit(q)
            arrest[i] = 1 / (1 + math.exp(-excess / rule.senescence.width))
        death[0, i] = rule.death.basal * m["death"]
        lack = 1 / (1 + (c / rule.death.ischaemic_oxygen) ** 2)
        death[1, i] = rule.death.ischaemic * m["death"] * lack
        death[2, i] = 1 / rule.death.lifespan if rule.death.lifespan else 0
        for name, f in rule.fates.items():
            k = float(f.rate) * (m[f.event] if f.event else 1)
            k *= rates.donor.osteogenic if f.event == "osteogenic" else 1
            k *= f.oxygen(c) if f.oxygen else 1
            if f.osteoconductive:
                k *= max((CONDUCTION[j] for j in (1, 2, 3) if touch >> j & 1), default=1)
            k *= float(f.stiffness(felt[v])) if f.stiffness else 1
            if stimulus is not None and f.mechanics:
                table = [(float(np.float32(r.stimulus)), float(r.factor)) for r in f.mechanics]
                k *= interpolate(table, float(stimulus[v]))
            fate[list(rates.types).index(name), i] = k
    return {"hop": hop, "divide": divide, "arrest": arrest, "death": death, "fate": fate}


def interpolate(rows: list[tuple[float, float]], at: float) -> float:
    below = [row for row in rows if row[0] <= at]
    above = [row for row in rows if row[0] > at]
    if not below or not above:
        return below[-1][1] if below else rows[0][1]
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 + (y1 - y0) * (at - x0) / (x1 - x0)


SETTINGS: list[dict[str, Any]] = [
    {"exposures": [{"factor": "bmp2", "dose": "20 ng/mL"}, {"factor": "igf1", "dose": "9 ng/mL"}]},
    {"host": "ovx_6_months_rat", "cells.source": "xenogeneic"},
    {"host": "gc_human", "exposures": [{"factor": "icariin", "dose": "1 uM"}]},
    {"exposures": [{"factor": "pth", "dose": 1, "every": "1 d", "lasts": "1 h"}]},
]


@functools.cache
def configured(index: int) -> Config:
    return load(
        "quickstart",
        set={
            "fields": {"oxygen": "oxygen", "bmp2": "bmp2", "vegf": "vegf", "calcium": "calcium"},
            "cells.genes": ["bmp2", {"gene": "mir217", "vector": "plasmid"}],
            **SETTINGS[index],
        },
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    setting=st.integers(0, len(SETTINGS) - 1),
    loaded=st.booleans(),
    threads=st.sampled_from([1, 3]),
)
def test_kernel_is_the_reference(seed: int, setting: int, loaded: bool, threads: int) -> None:
    rng = np.random.default_rng(seed)
    config = configured(setting)
    signals = Signals(
        config.host, config.cells.donor, config.exposures, config.cells.genes,
        species=config.fields,
        touched=read_entry("factors", ["bmp2", "igf1"][seed % 2]),  # type: ignore[arg-type]
    )  # fmt: skip
    rates = Rates(
        config.cell_types, voxel=2e-5, donor=Donor(seed, 0.3), signals=signals,
        ground=touching(rng.integers(0, 16, 64)), threads=threads,
    )  # fmt: skip
    rates.equivalent = rng.choice([0, 1e-12, 3e-5])
    rates.advance(5 * D, 5 * D + H)
    n = 40
    cells = Cells(TYPES, CAUSES)
    cells.append(
        n,
        voxel=rng.permutation(64)[:n],
        type=rng.integers(0, 8, n),
        origin=rng.integers(0, 4, n),
        genes=rng.integers(0, 4, n),
        parent=rng.integers(-1, 2, n),
        age=rng.uniform(0, 48 * H, n),
        doublings=rng.integers(0, 60, n),
    )
    fields = Fields(
        oxygen=rng.choice([-1e-9, 0, 0.001, 0.05, 0.2], 64),
        bmp2=rng.choice([0, 1e-12, 1e-5, 1e-3], 64),
        vegf=rng.choice([-1e-12, 0, 1e-6], 64),
        calcium=rng.uniform(0, 20, 64),
    )
    felt = rng.choice([0, 1e3, 25e3, 1e10], 64).astype(np.float32)
    stimulus = rng.choice([0, 0.01, 0.3, 2.2, 9], 64).astype(np.float32) if loaded else None
    model = SimpleNamespace(cells=cells, fields=fields, substrate=felt, stimulus=stimulus)
    rates.evaluate(model)  # type: ignore[arg-type]
    for name, expected in reference(rates, cells, fields, felt, stimulus).items():
        # in single precision; below 1e-30 a chance is none
        assert getattr(cells, name) == pytest.approx(expected, rel=2e-6, abs=1e-16), name


def test_gates_are_one_at_their_reference() -> None:
    number = {"range": [0, 1], "mark": "assumed", "source": "a test"}
    quantity = {"range": ["0 mM", "1 mM"], "mark": "assumed", "source": "a test"}
    gate = OxygenGate.model_validate(
        {
            "form": "falling",
            "half_maximal": {"value": "0.02 mM", **quantity},
            "reference": {"value": "0.02 mM", **quantity},
        }
    )
    assert gate(np.array([0.0, 0.02])) == pytest.approx([2, 1])
    soft = StiffnessGate.model_validate(
        {
            "form": "falling",
            "half_maximal": {**number, "value": "5 kPa", "range": ["1 kPa", "9 kPa"]},
            "gain": {"value": 1, **number},
        }
    )
    assert soft(np.array([0.0, 5e3])) == pytest.approx([2, 1.5])
