"""Configurations: merged, completed, and refused with every problem at its place."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from scaffoldsim import catalogue
from scaffoldsim.config import ENTRIES, Config, ConfigError, dump, load, read_entry
from scaffoldsim.tree import Mark, Tree, assign, merge

GOOD = """\
schema: 1
seed: 3
duration: 2 d
scaffold: {family: gyroid_net, material: bcp, porosity: 0.92, pore_size: 600 um,
           size: 1.6 mm, voxel: 20 um}
faces: {x: periodic, y: periodic, z: medium}
cells: {number: 1000}
"""


#: 4480 strings from five short lines
BOMB = """\
a: &a [z,z,z,z,z,z,z,z,z,z]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c]
e: [*d,*d,*d,*d,*d,*d,*d,*d]
"""


MINE = {"value": 0.9, "range": [0.5, 1], "mark": "assumed", "source": "a test"}


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(config: Any, **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(config, **more)
    return [str(problem) for problem in caught.value.problems]


def test_quickstart_is_si() -> None:
    config = load("quickstart")
    assert (config.duration, config.step, config.steps) == (28 * 86400, 3600, 672)
    assert config.scaffold.pore_size == pytest.approx(600e-6)
    assert config.cell_types["bmsc"].oxygen_uptake == pytest.approx(98e-15 / 3600)


def test_resolved_config_means_the_same_run(tmp_path: Path) -> None:
    config = load("quickstart", set={"scaffold.porosity": 0.95}, seed=7)
    path = write(tmp_path, dump(config.resolved()), "config.yaml")
    again = load(path)
    assert again.resolved() == config.resolved()
    assert again.hash == config.hash
    assert again.name == "quickstart"
    assert again.seed == 7


def test_resolved_config_needs_no_catalogue(tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path, dump(load("quickstart").resolved()), "config.yaml")
    monkeypatch.setattr(catalogue, "roots", lambda: [])
    assert load(path).scaffold.material.name == "bcp"


def test_hash_ignores_seed_and_title_alone() -> None:
    base = load("quickstart").hash
    assert load("quickstart", seed=9, set={"title": "other"}).hash == base
    assert load("quickstart", set={"duration": "27 d"}).hash != base
    assert load("quickstart", set={"cells.donor.age": "60 y"}).hash != base


def test_set_reaches_into_catalogue_entries() -> None:
    change = ["cell_types.bmsc.proliferation.doubling_time.value=40 h"]
    config = load("quickstart", set=change)
    rule = config.cell_types["bmsc"].proliferation
    assert rule.doubling_time == 40 * 3600
    assert rule.lag == 24 * 3600


def test_bases_merge_deeply(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "first.yaml")
    path = write(tmp_path, "base: first.yaml\nscaffold: {porosity: 0.95}\n")
    config = load(path)
    assert config.scaffold.porosity == 0.95
    assert config.seed == 3
    assert config.name == "mine"


def test_every_problem_at_once_in_file_order(tmp_path: Path) -> None:
    text = GOOD.replace("seed: 3", "sede: 3").replace("2 d", "2 kg").replace("600 um", "9 mm")
    text = text.replace("material: bcp", "material: bpc").replace("z: medium", "z: air")
    path = write(tmp_path, text)
    found = problems(path, set=["cells.number=-1"])
    places = [line.split(": ")[0].removeprefix(str(path)) for line in found]
    assert any(
        "porosty" in line
        for line in problems("quickstart", set=["scaffold.porosty=1", "scaffold.material=bpc"])
    )
    assert places[:3] == [":2:1", ":3:1", ":4:32"]
    assert "did you mean 'seed'" in found[0]
    assert "duration" in found[1]
    assert "[mass]" in found[1]
    assert "did you mean 'bcp'" in found[2]
    assert any("air" in line and "medium" in line for line in found)
    assert found[-1].startswith("--set cells.number=-1: cells.number:")


def test_a_broken_key_hides_no_check_across_keys(tmp_path: Path) -> None:
    text = GOOD.replace("gyroid_net", "giroid_net").replace("size: 1.6 mm", "size: 1.6 kg")
    family, size = problems(write(tmp_path, text))
    assert "did you mean 'gyroid_net'" in family
    assert "scaffold.size" in size


def test_out_of_range_says_value_and_range(tmp_path: Path) -> None:
    (found,) = problems(write(tmp_path, GOOD.replace("20 um", "9 mm")))
    assert "9 mm is out of range (allowed " in found
    assert "um)" in found


def test_number_without_unit_is_refused(tmp_path: Path) -> None:
    (found,) = problems(write(tmp_path, GOOD.replace("2 d", "172800")))
    assert ":3:1: duration: 172800 has no unit" in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\na: 2\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", ""),
        ("- 1\n- 2\n", "a configuration is a mapping"),
        ("", "a configuration is a mapping"),
        ("a: &x [*x]\n", ""),
        (BOMB, "too large"),
        ("x: " + "[" * 60 + "]" * 60, "too"),
        ("schema: .inf", "finite"),
    ],
)  # fmt: skip
def test_hostile_files(tmp_path: Path, text: str, says: str) -> None:
    found = problems(write(tmp_path, text))
    assert any(says in line for line in found)


def test_missing_unreadable_and_huge_files(tmp_path: Path) -> None:
    assert "no such file" in problems(tmp_path / "none.yaml")[0]
    assert "did you mean 'quickstart'" in problems("quikstart")[0]
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in problems(tmp_path / "b.yaml")[0]
    (tmp_path / "c.yaml").write_text("#" * 1_100_000)
    assert "too large" in problems(tmp_path / "c.yaml")[0]


def test_bases_that_go_round(tmp_path: Path) -> None:
    write(tmp_path, "base: b.yaml\n", "a.yaml")
    assert "goes round" in problems(write(tmp_path, "base: a.yaml\n", "b.yaml"))[0]


def test_missing_keys_and_double_doses(tmp_path: Path) -> None:
    text = GOOD.replace("cells: {number: 1000}\n", "").replace("duration: 2 d\n", "")
    found = problems(write(tmp_path, text))
    assert any("'cells' is missing" in line for line in found)
    assert any(line.endswith("duration: this key is missing") for line in found)
    both = GOOD.replace("number: 1000", 'number: 1000, density: "1e6 /mL"')
    assert "either number or density" in problems(write(tmp_path, both))[0]


def test_a_parameter_outside_its_range_is_refused() -> None:
    found = problems("quickstart", set=["fields.oxygen.medium.value=5 mM"])
    assert "outside its own range" in found[0]


def test_a_wrong_record_is_located_where_it_was_changed() -> None:
    record = '{value: -1 /d, range: [-2 /d, 1 /d], mark: assumed, source: "a test"}'
    found = problems("quickstart", set=[f"cell_types.bmsc.death.basal={record}"])
    assert found[0].startswith("--set cell_types.bmsc.death.basal=")
    assert "-1 /d is out of range" in found[0]


def test_missing_input_file(tmp_path: Path) -> None:
    text = GOOD.replace("family: gyroid_net", "image: none.tif")
    assert any("no such file: 'none.tif'" in line for line in problems(write(tmp_path, text)))


@pytest.mark.parametrize("kind", sorted(ENTRIES))
def test_every_entry_of_the_catalogue_is_valid(kind: str) -> None:
    assert catalogue.names(kind), kind
    for name in catalogue.names(kind):
        assert read_entry(kind, name).name == name


@pytest.mark.parametrize("name", catalogue.names("experiments"))
def test_every_experiment_is_valid(name: str) -> None:
    assert isinstance(load(name), Config)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


def merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: merged(base.get(k), v) for k, v in over.items()}}
    return over


@settings(derandomize=True, deadline=None, max_examples=80)
@given(mappings, mappings)
def test_merge_is_the_deep_merge(base: Any, over: Any) -> None:
    tree = merge(Tree.of(base, Mark("base")), Tree.of(over, Mark("over")))
    assert tree.data == merged(base, over)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(mappings)
def test_dump_and_load_are_inverse(data: Any) -> None:
    assert YAML(typ="safe").load(dump(data) or "{}") == data


def test_assign_marks_the_change() -> None:
    tree = Tree.of({"a": "name", "b": [{"c": 1}]}, Mark("file", 1, 1))
    assign(tree, ("a", "x"), 2, Mark("--set a.x=2"))
    assign(tree, ("b", "0", "c"), 5, Mark("--set b.0.c=5"))
    assert tree.data == {"a": {"base": "name", "x": 2}, "b": [{"c": 5}]}
    assert str(tree.mark(("b", 0, "c"))) == "--set b.0.c=5"
    with pytest.raises(ValueError, match="does not exist"):
        assign(tree, ("b", "3", "c"), 5, Mark("--set"))


def test_a_change_reaches_into_an_entry_that_a_design_only_names():
    change = {"scaffold.design": "bcp_designed", "scaffold.material.adhesion": MINE}
    config = load("quickstart", set={**change})
    assert config.scaffold.material.adhesion == 0.9
    assert config.scaffold.material.density == load("quickstart").scaffold.material.density


def test_problems_of_sections_inside_sections_are_found():
    with pytest.raises(ConfigError) as caught:
        load("quickstart", set={"scaffold.material.degradation.half_mass": None})
    (problem,) = caught.value.problems
    assert problem.key == "scaffold.material.degradation.half_mass"
    assert "mode dissolution takes half_mass" in problem.message
