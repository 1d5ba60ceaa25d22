"""Every file of the catalogue is run: designs are built, experiments stepped, factors given."""

import os
from pathlib import Path
from typing import Any

import pytest

import scaffoldsim as ss
from scaffoldsim import catalogue
from scaffoldsim.config import load, read_entry
from scaffoldsim.model.host import cue_multipliers
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.scaffold import Scaffold


@pytest.mark.parametrize("name", catalogue.names("designs"))
def test_every_design_is_built_as_it_says(name: str) -> None:
    section: Any = read_entry("designs", name)
    scaffold = Scaffold.from_section(section, (False, False, False))
    assert scaffold.material is not None
    measured = scaffold.measure()
    if not get_family(section.family).walls:
        assert (measured.porosity, measured.pore_size_mean_um, measured.check()) == (1, None, [])
        return
    assert measured.porosity == pytest.approx(section.porosity, abs=0.002)
    assert measured.pore_size_mean_um == pytest.approx(section.pore_size * 1e6, rel=0.02)
    verdicts = {criterion["verdict"] for criterion in measured.to_dict()["criteria"]}
    assert (verdicts == {"pass"}) == name.endswith("_designed")


@pytest.mark.parametrize("name", catalogue.names("experiments"))
def test_every_experiment_runs_two_steps(name: str) -> None:
    config = load(name)
    model = ss.Model(config=name)
    for _ in range(2):
        model.step()
    assert model.seconds == 2 * config.step
    assert model.cells.n > 0
    model.check()


@pytest.mark.parametrize("name", catalogue.names("factors"))
def test_every_factor_acts_when_it_is_given(name: str) -> None:
    factor: Any = read_entry("factors", name)
    dose = factor.cues[0].half_maximal.text
    given = load("quickstart", set={"exposures": [{"factor": name, "dose": dose}]}).exposures
    assert any(abs(multiplier - 1) > 0.01 for multiplier in cue_multipliers(given, 0.0).values())


def test_a_file_where_the_user_stands_comes_first(tmp_path: Path, monkeypatch: Any) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, title in ((here, "mine"), (there, "ours")):
        (folder / "configs" / "hosts").mkdir(parents=True)
        text = f"schema: 1\ntitle: {title}\nsetting: culture\n"
        (folder / "configs" / "hosts" / "culture.yaml").write_text(text)
    monkeypatch.setenv("SCAFFOLDSIM_PATH", str(there) + os.pathsep + str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert read_entry("hosts", "culture").title == "ours"
    monkeypatch.chdir(here)
    assert read_entry("hosts", "culture").title == "mine"


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(catalogue.UnknownEntryError, match="did you mean 'bcp'"):
        catalogue.find("materials", "bpc")
    with pytest.raises(catalogue.UnknownEntryError, match="known"):
        catalogue.find("nonsense", "bcp")
