"""The tissue in a model: its books close, walls follow it, and restart and threads change no byte.

Rates are set high, so that two days show what else takes weeks.
"""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import Config, ConfigError, load
from scaffoldsim.model.ground import PORE, SCAFFOLD
from scaffoldsim.model.indicators import STRUCTURE
from scaffoldsim.model.ledger import InvariantError
from scaffoldsim.model.model import Model

HOUR = 3600.0


def quick(value: Any) -> dict[str, Any]:
    """A number with its source."""
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "of a test"}


#: a box of 20 × 20 × 24 voxels with all there is: scaffold that dissolves, bone of the host, load
BODY: dict[str, Any] = {
    "schema": 1,
    "seed": 3,
    "duration": "48 h",
    "scaffold": {
        "family": "gyroid_net",
        "material": "scpp",
        "porosity": 0.8,
        "pore_size": "150 um",
        "size": ["0.4 mm", "0.4 mm", "0.48 mm"],
        "voxel": "20 um",
        "criteria": "report",
        "loaded": [{"species": "bmp2", "amount": "1 ng"}],
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "host"},
    "host": {
        "base": "healthy_rat",
        "load": "femoral_head",
        "bone": {"family": "gyroid_net", "pore_size": "200 um", "porosity": 0.7},
    },
    "fields": {"oxygen": "oxygen", "bmp2": "bmp2"},
    "cells": {"number": 300, "donor": {"species": "rat", "age": "6 months"}},
}
FAST: dict[str, Any] = {
    "host.organism.bone.deposition": quick("30000 um^3/d"),
    "host.organism.bone.mineralisation_time": quick("1 d"),
    "bone.resorption_speed": quick("4 um/d"),
    "bone.reversal_time": quick("6 h"),
    "scaffold.material.degradation.half_mass": quick("48 h"),
}
#: between two rounds of everything that is not done at each step
MIDDLE = 31


def body() -> Config:
    return load(BODY, set=FAST)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


class Course:
    """A run of two days, and what was seen on the way."""

    def __init__(self) -> None:
        self.model = model = Model(body(), threads=1)
        tissue = model.tissue
        self.start = float(tissue.matrix.covered.sum(dtype=np.float64))
        self.delivered, self.walls = model.ledger.delivered, self.solid
        self.gaps: list[float] = []
        while model.running:
            model.step()
            model.check()
            self.gaps.append(tissue.matrix.gap)
            stays = [model.cells.types.index(name) for name in ("osteoblast", "osteocyte")]
            moves = ~np.isin(model.cells.type, stays)
            assert (model.ground.kind[model.cells.voxel[moves]] == PORE).all()
            assert np.array_equal(
                (model.ground.kind == SCAFFOLD).reshape(model.grid.shape),
                tissue.degradation.fraction >= 0.5,
            )
            if model.step_index == MIDDLE:
                self.middle = {k: np.array(v) for k, v in model.state().items()}

    @property
    def solid(self) -> int:
        return int(np.count_nonzero(self.model.ground.kind == SCAFFOLD))


@pytest.fixture(scope="module")
def course() -> Course:
    return Course()


def test_bone_is_laid_buries_is_resorbed_and_answered_and_all_is_accounted_for(
    course: Course,
) -> None:
    model, matrix, ledger = course.model, course.model.tissue.matrix, course.model.ledger
    assert max(course.gaps) <= 1e-7
    books = matrix.ledger
    taken = books.resorbed_new + books.resorbed_host
    volume = model.grid.voxel_volume
    there = float(matrix.covered.sum(dtype=np.float64))
    assert (there - course.start) * volume == pytest.approx(books.laid - taken, abs=1e-6 * taken)
    assert books.laid > 1e-13
    assert books.resorbed_new > 1e-14
    assert books.resorbed_host > 1e-13
    assert matrix.mineral.sum() > 0
    # who was buried is dead or an osteocyte, and the host's cells came in the ledger
    assert ledger.died["buried"] > 0
    assert np.count_nonzero(model.cells.type == model.cells.types.index("osteocyte")) > 0
    assert ledger.delivered > course.delivered
    living = ledger.delivered + ledger.born - sum(ledger.died.values()) - ledger.left
    assert living == model.cells.n
    for name, budget in model.fields.budget.items():
        assert budget.gap <= 1e-6, name


def test_walls_follow_what_dissolves(course: Course) -> None:
    model, tissue = course.model, course.model.tissue
    assert tissue.degradation.mass < 0.7
    assert course.solid < course.walls
    open_ = model.ground.kind != SCAFFOLD
    assert (model.fields.pore.ravel()[open_] > 0).all()  # bone lets a tenth through
    values = model.metrics(structure=True)
    assert values["scaffold_fraction"] == pytest.approx(
        tissue.degradation.fraction.mean(dtype=np.float64)
    )
    assert values["scaffold_mass"] < 0.7
    assert values["stiffness_MPa"] > 0
    assert values["dead_buried"] > 0


def test_a_restart_in_the_middle_changes_no_byte(course: Course) -> None:
    again = Model(body(), threads=1)
    again.load(course.middle)
    assert same(again.state(), course.middle)
    while again.running:
        again.step()
    assert same(again.state(), course.model.state())
    assert again.metrics(structure=True) == course.model.metrics(structure=True)


def test_threads_change_no_byte(course: Course, monkeypatch: Any) -> None:
    from scaffoldsim.model import ground, lattice, matrix, mechanics, rates

    for module, name in (
        (lattice, "_CELLS_PER_THREAD"),
        (rates, "_CELLS_PER_THREAD"),
        (ground, "_VOXELS_PER_THREAD"),
        (mechanics, "_VOXELS_PER_THREAD"),
        (matrix, "_LEAST_SLAB"),
    ):
        monkeypatch.setattr(module, name, 4)
    for threads in (2, 4):
        model = Model(body(), threads=threads)
        while model.step_index < MIDDLE:
            model.step()
        assert same(model.state(), course.middle)


def test_a_step_that_fails_in_a_rule_leaves_what_was_released(course: Course) -> None:
    class Raises:
        def apply(self, model: Model, dt: float) -> None:
            raise ValueError("planted")

    model = Model(body(), threads=1)
    model.load(course.middle)
    model.behaviours.append(Raises())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="planted"):
        model.step()
    assert model.intact
    assert same(model.state(), course.middle)


def test_what_dissolves_is_in_the_pores() -> None:
    """Closed on all sides, the pores hold what they held and all that was given off."""
    config = load(
        {
            **BODY,
            "scaffold": {k: v for k, v in BODY["scaffold"].items() if k != "loaded"},
            "faces": {"x": "periodic", "y": "periodic", "z": "closed"},
            "host": "culture",
            "fields": {"calcium": "calcium"},
            "cells": {"number": 0},
            "duration": "24 h",
        },
        set={"scaffold.material.degradation.half_mass": quick("24 h")},
    )
    model = Model(config, threads=1)
    fields, release = model.fields, model.tissue.release

    def there() -> float:
        return float(fields.value["calcium"].sum(dtype=np.float64)) * model.grid.voxel_volume

    first, given = there(), 0.0
    while model.running:
        given = release.given["calcium"]  # what a step loses reaches the pores in the next
        model.step()
        assert there() - first == pytest.approx(given - release.waiting["calcium"], rel=1e-5)
    assert given > first
    assert fields.budget["calcium"].gap <= 1e-6
    assert 0.4 < model.tissue.degradation.mass < 0.6


DEFINED = {
    "a load of zero": {"host.load.stress": quick("0 MPa")},
    "dissolves at once": {
        "host.bone.depth": "0 mm",  # what bone covers does not dissolve
        "scaffold.material.degradation.half_mass": quick("1 h"),
    },
    "bone everywhere": {
        "host.bone": {"family": "cubic", "porosity": 0.05, "pore_size": "60 um"},
    },
    "no bone at all": {"host": "healthy_rat", "cells.number": 0},
    "dead bone": {"host.bone.dead": True},
    "nothing is laid": {"host.organism.bone.deposition": quick("0 um^3/d")},
    "nothing is resorbed": {"bone.resorption_speed": quick("0 um/d")},
    "far from any host": {
        "faces": {"x": "periodic", "y": "periodic", "z": "closed"},
        "fields": {"bmp2": "bmp2"},
    },
}


@pytest.mark.parametrize("change", DEFINED.values(), ids=DEFINED)
def test_extremes_give_defined_results(change: dict[str, Any]) -> None:
    model = Model(load(BODY, set={**FAST, **change}), threads=1)
    for _ in range(13):
        model.step()
    model.check()
    values = model.metrics(structure=True)
    assert all(np.isfinite(value) for value in values.values() if value is not None)
    tissue = model.tissue
    if "host.load.stress" in change:
        assert values["collapse_index"] == 0
        assert values["time_to_collapse_h"] is None
    if "scaffold.material.degradation.half_mass" in change:
        assert values["scaffold_mass"] == values["scaffold_fraction"] == 0
        assert not (model.ground.kind == SCAFFOLD).any()
        assert values["bone_scaffold_contact"] is None
    if "host.bone" in change:
        assert values["host_bone_fraction"] > 0.75 * (1 - values["scaffold_fraction"])
        assert values["bmd_g_per_cm3"] > 0.8
    if change.get("host") == "healthy_rat":
        assert values["bv_tv"] == values["host_bone_fraction"] == values["bone_laid_mm3"] == 0
        assert all(values[name] is None for name in STRUCTURE if name.startswith("tb_"))
        assert values["bmd_g_per_cm3"] is values["t_score"] is None
    if "host.bone.dead" in change:
        assert tissue.coupling == 0
        assert not (model.cells.origin == model.ledger.origins.index("host")).any()
        assert values["host_bone_resorbed_mm3"] > 0
        assert values["empty_lacunae_fraction"] == 1
    if "host.organism.bone.deposition" in change:
        assert values["bone_laid_mm3"] == 0
    if "bone.resorption_speed" in change:
        assert values["host_bone_resorbed_mm3"] == values["bone_resorbed_mm3"] == 0
    if "faces" in change:
        assert not tissue.supplied.any()
        assert values["lesion_fraction"] is not None


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"bone.resorption_speed": quick("-1 um/d")}, "bone.resorption_speed", "-1 um/d"),
        ({"bone.reversal_time": None}, "bone.reversal_time", ""),
        ({"host.organism.bone.deposition": quick("-5 um^3/d")}, "host.organism.bone", "-5"),
        ({"host.organism.bone.deposition": None}, "host.organism.bone.deposition", ""),
        (
            {"scaffold.material.degradation.half_mass": quick("-1 d")},
            "scaffold.material.degradation.half_mass",
            "-1 d",
        ),
        ({"host.load.strain": quick("1 %")}, "host.load", "either a stress or a strain"),
        ({"host.bone.porosity": 0}, "host.bone.porosity", "0"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    change: dict[str, Any], key: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(BODY, set={**FAST, **change})
    assert any(problem.key.startswith(key) for problem in caught.value.problems), caught.value
    assert words in str(caught.value)


@pytest.mark.parametrize("harm", ["books", "overfull"])
def test_what_may_not_be_is_never_let_pass(course: Course, harm: str) -> None:
    model = Model(body(), threads=1)
    model.load(course.middle)
    matrix = model.tissue.matrix
    if harm == "books":
        matrix.ledger.laid *= 1.001
    else:
        matrix.mineral[matrix.mineral > 0] += 1
        matrix.begin()
    with pytest.raises(InvariantError):
        model.check()
