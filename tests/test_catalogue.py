"""Every file of the catalogue is run: entries loaded, designs built, experiments stepped."""

import functools
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

import scaffoldsim as ss
from scaffoldsim import catalogue
from scaffoldsim.config import ENTRIES, load, read_entry
from scaffoldsim.model.signals import systemic
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.morphometry import Morphometry
from scaffoldsim.scaffold.scaffold import Scaffold

OPEN = (False, False, False)
QUICKSTART = (True, True, False)  # faces of the configuration that `compare` starts from
FATES = {"osteogenic", "adipogenic", "chondrogenic"}
#: factor → fates that it raises, fates that it lowers, at low doses (see the sources in the files)
SIGNS: dict[str, tuple[set[str], set[str]]] = {
    "acid": (set(), {"osteogenic"}),
    "bmp2": ({"osteogenic", "chondrogenic"}, {"adipogenic"}),
    "calcitriol": ({"osteogenic"}, {"adipogenic"}),
    "calcium": ({"osteogenic"}, set()),
    "dexamethasone": ({"osteogenic", "adipogenic"}, set()),
    "icariin": ({"osteogenic"}, {"adipogenic"}),
    "igf1": ({"osteogenic", "chondrogenic"}, set()),
    "inflammation": (set(), {"osteogenic"}),
    "leptin": ({"osteogenic"}, {"adipogenic"}),
    "oestrogen": ({"osteogenic"}, {"adipogenic"}),
    "pdgf": (set(), {"osteogenic"}),
    "pge2": ({"osteogenic"}, {"adipogenic"}),
    "pth": (set(), {"adipogenic"}),
    "strontium": ({"osteogenic"}, {"adipogenic"}),
    "tgf_beta": ({"osteogenic", "chondrogenic"}, {"adipogenic"}),
    "vegf": (set(), {"osteogenic"}),
}
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
    assert model.cells.n > 0 or config.cells.number == 0
    model.check()


@pytest.mark.parametrize("name", catalogue.names("experiments"))
def test_every_experiment_says_what_it_shows_and_how_to_run_it(name: str) -> None:
    lines = catalogue.find("experiments", name).read_text().splitlines()
    head = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    assert len(head) >= 2
    assert any(f"scaffoldsim run {name}" in line for line in head)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ENTRIES if kind != "designs" for name in catalogue.names(kind)],
)
def test_every_entry_loads(kind: str, name: str) -> None:
    entry = read_entry(kind, name)
    assert entry.name == name
    assert entry.title


@pytest.mark.parametrize("name", catalogue.names("factors"))
def test_every_factor_has_the_signs_of_its_sources(name: str) -> None:
    factor: Any = read_entry("factors", name)
    assert factor.cues or name == "sdf1"
    # each arm at the dose that gives half of it; the arms of dexamethasone oppose each other
    levels = {cue.event: float(cue.half_maximal) for cue in reversed(factor.cues)}
    setting = factor.setting or "in_vivo"
    found = {event: systemic(factor, event, levels[event], setting) - 1 for event in levels}
    assert all(abs(change) > 0.01 for change in found.values())
    up = {event for event, change in found.items() if change > 0}
    assert (up & FATES, (levels.keys() - up) & FATES) == SIGNS.get(name, (set(), set()))


def test_what_entries_name_is_there() -> None:
    factors = {name: read_entry("factors", name) for name in catalogue.names("factors")}
    fields: Any = {name: read_entry("fields", name) for name in catalogue.names("fields")}
    conditions = set(catalogue.names("conditions"))
    carried = {field.factor.name for field in fields.values() if field.factor}
    for name, factor in factors.items():
        given: Any = factor
        assert given.chemotaxis is None or name in carried  # it acts through a field only
        assert {given.instead, given.relieves and given.relieves.condition} <= conditions | {None}
    for name in conditions:
        condition: Any = read_entry("conditions", name)
        for other in condition.excludes:
            same: Any = factors.get(other) or read_entry("conditions", other)
            assert name in (same.instead if other in factors else same.excludes)
    for name in catalogue.names("genes"):
        gene: Any = read_entry("genes", name)
        assert gene.secretion is None or gene.secretion.species in fields


def test_hosts_of_a_comparison_differ_in_one_thing() -> None:
    hosts: Any = {name: read_entry("hosts", name) for name in catalogue.names("hosts")}
    rats = ("healthy_rat", "ovx_3_months_rat", "ovx_6_months_rat", "immobilised_rat")
    assert len({hosts[name].vitality for name in rats}) == 1
    severity = [sum(float(c.severity) for c in hosts[name].conditions) for name in rats[:3]]
    assert severity[0] < severity[1] < severity[2]
    assert hosts["aged_rat"].vitality < hosts["healthy_rat"].vitality
    assert hosts["aged_human"].vitality < hosts["healthy_human"].vitality


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
