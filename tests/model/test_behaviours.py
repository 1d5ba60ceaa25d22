"""A behaviour: one class that says what its options are, what it reads and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaffoldsim as ss
from scaffoldsim.cli import main
from scaffoldsim.config import ConfigError, load
from scaffoldsim.model.behaviours import Rule
from scaffoldsim.model.model import Model
from scaffoldsim.run.simulation import Simulation
from scaffoldsim.schema import Parameter

SMALL: dict[str, Any] = {
    "schema": 1,
    "duration": "6 h",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "320 um",
        "size": ["0.44 mm", "0.44 mm", "0.9 mm"],
        "voxel": "20 um",
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "medium"},
    "cells": {"number": 300},
}

RULES = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import scaffoldsim as ss


class Quiet(ss.Behaviour):
    """No division after many doublings."""

    reads = ("doublings", "oxygen")
    writes = ("divide",)
    limit: float = ss.option(20, range=(5, 60), mark="recalled", source="Hayflick 1965")
    rest: float = ss.option("6 h", unit="s", range=("1 h", "2 d"), source="a test")
    where: Literal["all", "low"] = "all"

    def apply(self, model, dt):
        model.cells.divide[model.cells.doublings > self.limit] = 0


@dataclass
class Plain:
    limit: int = 7

    def apply(self, model, dt):
        pass


@dataclass
class Needy:
    limit: int

    def step(self, cell):
        pass


class Bare:
    def apply(self, model, dt):
        model.cells.death[1, 3] = -1.0


class BareByCell:
    def step(self, cell):
        cell.divide = float("nan") if cell.id == 7 else 0.0


class Certain:
    def apply(self, model, dt):
        model.cells.arrest[3] = 1.5


class Soils(ss.Behaviour):
    writes = ("oxygen",)

    def apply(self, model, dt):
        model.fields.value["oxygen"][2, 1, 0] = float("nan")


class Sees(ss.Behaviour):
    reads = ("vegf", "agee")

    def apply(self, model, dt):
        model.fields.at(model.cells.voxel, "vegf")


class Idle:
    pass
'''


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.py"
    path.write_text(RULES)
    return path


def config(rules: Path, *behaviours: Any) -> dict[str, Any]:
    return {
        **SMALL,
        "behaviours": [
            f"{rules}:{each}"
            if isinstance(each, str)
            else {**each, "use": f"{rules}:{each['use']}"}
            for each in behaviours
        ],
    }


# -- the class ------------------------------------------------------------------------------------


def test_fields_are_options_in_si_and_the_class_is_frozen() -> None:
    class Rest(ss.Behaviour):
        time: float = ss.option("6 h", unit="s", range=("1 h", "2 d"), source="a test")
        share: float = ss.option(0.5, range=(0, 1), source="a test")

    rest = Rest(time="1 d")
    assert (rest.time, rest.share, Rest().time) == (86400, 0.5, 21600)
    assert isinstance(rest.time, Parameter)
    assert "6 h by default: a test" in rest.time.source
    with pytest.raises(AttributeError):
        rest.time = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        rest.memory = 3  # type: ignore[attr-defined]
    for wrong, says in (("3 d", "outside its own range"), (3, "has no unit"), ("3 m", "length")):
        with pytest.raises(ValueError, match=says):
            Rest(time=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"default": "3 d"}, "outside its own range"),
        ({"source": " "}, "source is empty"),
        ({"mark": "guessed"}, "none of read, recalled, assumed"),
        ({"unit": "m"}, "time.*length"),
    ],
)
def test_an_option_says_what_it_is_or_is_refused(changes: dict[str, Any], says: str) -> None:
    good = {"default": "6 h", "unit": "s", "range": ("1 h", "2 d"), "source": "a test"}
    ss.option(**good)
    with pytest.raises(ValueError, match=says):
        ss.option(**{**good, **changes})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"writes": "divide"}, "write a tuple of names"),
        ({"writes": ("voxel",)}, "only events may change"),
        ({"name": 3, "__annotations__": {"name": int}}, "name cannot be an option"),
        ({"reads": ("age",), "__annotations__": {"reads": tuple}}, "without an annotation"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        type("Wrong", (ss.Behaviour,), body)


# -- in a configuration ---------------------------------------------------------------------------


def test_options_come_from_the_configuration(rules: Path) -> None:
    own = {"value": 70, "range": [5, 90], "mark": "read", "source": "a paper"}
    model = Model(
        config(rules, {"use": "Quiet", "limit": own, "rest": "1 d", "where": "low"}, "Quiet",
               {"use": "Plain", "limit": 9}, "Plain")
    )  # fmt: skip
    quiet, default, plain, usual = (rule.behaviour for rule in model.behaviours)
    assert (quiet.limit, quiet.rest, quiet.where) == (70, 86400, "low")
    assert (quiet.limit.source, quiet.limit.mark) == ("a paper", "read")
    assert (default.limit, default.rest, default.where) == (20, 21600, "all")
    assert (plain.limit, usual.limit) == (9, 7)


def test_a_resolved_configuration_holds_every_option_and_means_the_same(rules: Path) -> None:
    first = load(config(rules, {"use": "Quiet", "where": "low"}, {"use": "Plain", "limit": 9}))
    again = load(first.resolved())
    assert again.resolved() == first.resolved()
    assert again.hash == first.hash
    quiet, plain = first.resolved()["behaviours"]
    assert quiet["limit"] == {
        "value": 20, "range": [5, 60], "mark": "recalled", "source": "Hayflick 1965"
    }  # fmt: skip
    assert (quiet["where"], plain["limit"]) == ("low", 9)
    assert first.parameters()["behaviours.0.rest"].text == "6 h"
    for key, value in (("limit", 21), ("where", "all")):
        assert load(config(rules, {"use": "Quiet", key: value})).hash != first.hash


def test_set_reaches_an_option(rules: Path) -> None:
    changed = load(config(rules, {"use": "Quiet"}), set=["behaviours.0.rest=12 h"])
    assert changed.behaviours[0].options["rest"] == 43200


def test_every_wrong_option_is_located(rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: quickstart\n"
        "behaviours:\n"
        "  - {use: rules.py:Quiet, limt: 30,\n"
        "     rest: 7 d, where: some}\n"
        "  - rules.py:Nobody\n"
        "  - {use: rules.py:Bare, limit: 3}\n"
        "  - {use: none.py:Quiet}\n"
        "  - rules.py:Needy\n"
        "  - rules.py:Idle\n"
        "  - rules.py\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    found = [str(each).removeprefix(f"{path}:") for each in caught.value.problems]
    for place, says in (
        ("3:27: behaviours.0.limt: ", "did you mean 'limit'? (options: limit, rest, where)"),
        ("4:6: behaviours.0.rest: ", "outside its own range [1 h, 2 d]"),
        ("4:17: behaviours.0.where: ", "'all' or 'low'"),
        ("5:5: behaviours.1: ", "rules.py:Nobody: there is no such class"),
        ("6:26: behaviours.2.limit: ", "Bare has no such option"),
        ("7:6: behaviours.3.file: ", "no such file: 'none.py'"),
        ("8:5: behaviours.4: ", "Needy needs the option 'limit'"),
        ("9:5: behaviours.5: ", "rules.py:Idle has neither apply(model, dt) nor step(cell)"),
        ("10:5: behaviours.6: ", "write file.py:Class"),
    ):
        assert any(line.startswith(place) and says in line for line in found), (place, found)
    assert len(found) == 9


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import nowhere", "class Quiet(:"])
def test_a_file_that_cannot_be_imported_is_located(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"behaviours\.0: rules\.py: \w+: "):
        load(config(path, "Quiet"))


def test_a_declared_field_that_is_missing_is_located(rules: Path) -> None:
    with pytest.raises(ConfigError, match=r"behaviours: .*'vegf', 'agee'.*fields \(oxygen\)"):
        Model(config(rules, "Sees"))


def test_a_bad_rate_names_rule_column_and_cell(rules: Path) -> None:
    model = Model(config(rules, "Bare"))
    identity = int(model.cells.id[3])
    with pytest.raises(ValueError, match=rf"Bare set death \(ischaemic\) of cell {identity} to -1"):
        model.step()
    assert model.intact


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("BareByCell", r"behaviour rules\.py:BareByCell: cell 7: ValueError: rate 'divide' is nan"),
        ("Soils", r"behaviour rules\.py:Soils set oxygen in voxel \(2, 1, 0\) to nan"),
        ("Certain", r"behaviour rules\.py:Certain set arrest of cell \d+ to 1\.5; a chance"),
    ],
)
def test_what_is_no_rate_names_rule_and_cell_too(rules: Path, rule: str, says: str) -> None:
    model = Model(config(rules, rule))
    with pytest.raises(ValueError, match=says):
        model.step()
    assert model.intact


def test_options_go_with_the_run(rules: Path, tmp_path: Path) -> None:
    simulation = Simulation.from_config(config(rules, {"use": "Quiet", "limit": 30}))
    was = simulation.config.hash
    run = simulation.run(tmp_path / "run")
    sources = run.manifest["sources"]
    assert sources["behaviours.0.limit"]["value"] == 30
    rules.unlink()
    again = Simulation.from_config(tmp_path / "run" / "config.yaml")
    assert again.config.hash == was
    assert again.config.behaviours[0].options["limit"] == 30


def test_describe_tells_what_a_file_offers(rules: Path, capsys: Any) -> None:
    assert main(["describe", str(rules)]) == 0
    printed = capsys.readouterr().out
    for words in (
        "rules.py:Quiet",
        "No division after many doublings.",
        "reads: doublings, oxygen",
        "limit = 20  (5 to 60; recalled: Hayflick 1965)",
        "where = 'all'",
        "rules.py:Sees",
    ):
        assert words in printed
    assert "Plain" not in printed  # only those that are an ss.Behaviour are known without a name
    assert main(["describe", f"{rules}:Needy"]) == 0
    assert "limit  (needed)" in capsys.readouterr().out
    assert main(["describe", f"{rules}:Nobody"]) == 2
    assert "no such class" in capsys.readouterr().err


# -- the contract ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stepped() -> Model:
    model = Model(SMALL, set={"cells.number": 120})
    for _ in range(2):
        model.step()
    return model


class Slow(ss.Behaviour):
    """Reads, draws and writes as it says."""

    reads = ("oxygen", "type", "age")
    writes = ("divide", "death.basal")

    def apply(self, model: Any, dt: float) -> None:
        cells = model.cells
        low = model.fields.at(cells.voxel, "oxygen") < 0.3
        cells.divide[low & (cells.uniform("rest") < 0.5) & (cells.type == 0)] = 0
        cells.death[0] *= 1 + cells.age / np.float32(3600)


class SlowByCell(ss.Behaviour):
    reads = ("age",)
    writes = ("divide",)

    def step(self, cell: Any) -> None:
        if cell.uniform("rest") < 0.5 and cell.age > 3600:
            cell.divide = 0.0


def variant(base: type, **body: Any) -> Any:
    return type("Variant", (base,), body)


@pytest.mark.parametrize("behaviour", [Slow, SlowByCell, Slow()])
def test_who_keeps_to_its_word_passes(stepped: Model, behaviour: Any) -> None:
    before = {key: value.copy() for key, value in stepped.state().items()}
    ss.check_contract(behaviour, stepped)
    after = stepped.state()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    stepped.cells.divide[:] = stepped.cells.divide  # nothing stays frozen


def also(what: str) -> Any:
    def apply(self: Any, model: Any, dt: float) -> None:
        Slow.apply(self, model, dt)
        cells, lattice, fields = model.cells, model.lattice, model.fields
        exec(what, {"cells": cells, "lattice": lattice, "fields": fields, "model": model, "np": np})

    return apply


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("cells.hop[:] *= 1", "cells.hop"),
        ("cells.hop = 0", "cells.hop"),
        ("cells.age[3] = 0", "cells.age"),
        ("cells.death[1, 5] = 1", "cells.death.ischaemic"),
        ("cells.fate[:] = 0", "cells.fate"),
        ("lattice.occupant[0] = 5", "lattice.occupant"),
        ("fields.value['oxygen'][0, 0, 0] = 0", "fields.value.oxygen"),
        ("fields.value['oxygen'] = fields.value['oxygen'] * 2", "fields.value.oxygen"),
        ("model.scaffold.solid[0, 0, 0] = True", "scaffold"),
        ("cells.append(1, voxel=0)", "cells.id"),
        ("cells.keep(cells.age > 1e9)", "cells.id"),
    ],
)
def test_what_is_written_without_a_word_is_named(stepped: Model, what: str, names: str) -> None:
    with pytest.raises(AssertionError, match=rf"Variant writes {names}.*declares writes = \('div"):
        ss.check_contract(variant(Slow, apply=also(what)), stepped)


def test_the_line_that_wrote_is_shown(stepped: Model) -> None:
    class Loud(Slow):
        def apply(self, model: Any, dt: float) -> None:
            model.cells.hop[:] = 0

    with pytest.raises(AssertionError, match=r"test_behaviours\.py:\d+: model\.cells\.hop"):
        ss.check_contract(Loud, stepped)


@pytest.mark.parametrize("name", ["oxygen", "type", "age"])
def test_what_is_read_without_a_word_is_named(stepped: Model, name: str) -> None:
    rest = tuple(each for each in Slow.reads if each != name)
    with pytest.raises(AssertionError, match=rf"Variant reads (cells|fields\.value)\.{name}, but"):
        ss.check_contract(variant(Slow, reads=rest), stepped)


def by_row(self: Any, model: Any, dt: float) -> None:
    model.cells.divide[::2] = 0


def by_chance(self: Any, model: Any, dt: float) -> None:
    model.cells.divide[np.random.default_rng().random(model.cells.n) < 0.5] = 0


@pytest.mark.parametrize(
    ("apply", "when"), [(by_row, "in another order of the rows"), (by_chance, "a second time")]
)
def test_numbers_from_elsewhere_are_found(stepped: Model, apply: Any, when: str) -> None:
    with pytest.raises(AssertionError, match=rf"sets cells\.divide otherwise {when}"):
        ss.check_contract(variant(Slow, apply=apply, writes=("divide",)), stepped)


def test_a_step_that_writes_to_another_cell_is_found(stepped: Model) -> None:
    def step(self: Any, cell: Any) -> None:
        cell.model.cells.divide[cell.model.cells.voxel == cell.model.cells.voxel.min()] = 0

    with pytest.raises(AssertionError, match=r"given cell \d+ and wrote cells\.divide of another"):
        ss.check_contract(variant(SlowByCell, step=step), stepped)


def test_a_name_that_means_nothing_is_refused(stepped: Model) -> None:
    with pytest.raises(AssertionError, match=r"reads names 'vegf'.*cells\.age.*fields\.value"):
        ss.check_contract(variant(Slow, reads=("vegf",)), stepped)


def test_an_error_of_its_own_is_its_own(stepped: Model) -> None:
    def apply(self: Any, model: Any, dt: float) -> None:
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        ss.check_contract(variant(Slow, apply=apply), stepped)
    with pytest.raises(ValueError, match="behaviour mine: ValueError: planted"):
        Rule("mine", variant(Slow, apply=apply)()).apply(stepped, 3600.0)
