"""Every file of the catalogue is run: designs are built, experiments stepped, factors given."""

import functools
import os
from pathlib import Path
from typing import Any

import pytest

import scaffoldsim as ss
from scaffoldsim import catalogue
from scaffoldsim.config import load, read_entry
from scaffoldsim.model.host import cue_multipliers
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.morphometry import Morphometry
from scaffoldsim.scaffold.scaffold import Scaffold

OPEN = (False, False, False)
QUICKSTART = (True, True, False)  # faces of the configuration that `compare` starts from
GEOMETRY = ("family", "options", "porosity", "pore_size", "size", "voxel", "criteria")


@functools.cache
def design(name: str) -> Any:
    return read_entry("designs", name)


def same_geometry(name: str) -> str:
    """The first design with the same geometry, so that each geometry is built once."""
    shape = [getattr(design(name), key) for key in GEOMETRY]
    every = catalogue.names("designs")
    return next(n for n in every if [getattr(design(n), key) for key in GEOMETRY] == shape)


@functools.cache
def built(
    name: str, periodic: tuple[bool, bool, bool]
) -> tuple[Grid, float, float | None, Morphometry | None]:
    """Grid, porosity and pores (um) as the design says they were built; and measured, but once."""
    scaffold = Scaffold.from_section(design(name), periodic)
    sizes = [note.split()[3] for note in scaffold.notes if note.startswith("Mean pore size")]
    measured = scaffold.measure() if periodic == QUICKSTART else None
    return scaffold.grid, scaffold.porosity, float(sizes[0]) if sizes else None, measured


@pytest.mark.parametrize("periodic", [OPEN, QUICKSTART], ids=["open", "periodic"])
@pytest.mark.parametrize("name", catalogue.names("designs"))
def test_every_design_is_built_as_it_says(name: str, periodic: tuple[bool, bool, bool]) -> None:
    section = design(name)
    assert section.material is not None
    grid, porosity, pore_size, measured = built(same_geometry(name), periodic)
    assert grid.periodic == periodic
    # Rounding to whole periods leaves the box about as large as it says.
    for asked, got in zip(section.size * (3 // len(section.size)), grid.size, strict=True):
        assert got == pytest.approx(asked, rel=0.08)
    if not get_family(section.family).walls:
        assert (porosity, pore_size) == (1, None)
    else:
        assert porosity == pytest.approx(section.porosity, abs=0.002)
        assert pore_size == pytest.approx(section.pore_size * 1e6, rel=0.02)
    if measured is not None:
        assert measured.porosity == pytest.approx(porosity)
        assert measured.pore_size_mean_um == pytest.approx(pore_size, abs=0.1)
        verdicts = {criterion["verdict"] for criterion in measured.to_dict()["criteria"]}
        kept = {"pass"} if pore_size else set()
        assert (verdicts == kept) == name.endswith("_designed")


def test_arms_of_a_comparison_have_voxels_of_one_size() -> None:
    assert {design(name).voxel for name in catalogue.names("designs")} == {20e-6}
    assert load("quickstart").faces.periodic == QUICKSTART


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
