"""What does nothing is said: by the model, by check, and when it is run."""

from pathlib import Path
from typing import Any

import pytest

from scaffoldsim.cli import main
from scaffoldsim.config import dump, load
from scaffoldsim.model.idle import idle
from scaffoldsim.model.model import Model
from scaffoldsim.run.simulation import Simulation
from tests.model.body import BODY, VESSELS, number

WITH = {**VESSELS, "cells.delivery": "gel_seeding"}
NO_VEGF = {key: value for key, value in WITH.items() if not key.startswith("fields")}
CLOSED = {"x": "periodic", "y": "periodic", "z": "closed"}

#: what is changed → why nothing grows
IDLE: dict[str, tuple[dict[str, Any], str]] = {
    "no field": (NO_VEGF, "no vessel sprouts, since fields have no vegf; set fields.vegf=vegf,"),
    "no face": ({**WITH, "faces": CLOSED}, "grow, since no face is host; set faces, or"),
    "no density": (
        {**WITH, "host.vessels.root_density": number("0 1/mm^2")},
        "grow, since root_density is 0 1/mm^2; take more, or leave out",
    ),
    "no room": (
        {**WITH, "host.vessels.narrowest": number("5 mm")},
        "grow, since all of the host faces is scaffold, bone or narrower than narrowest",
    ),
    # two faces of 0.26 mm x 0.26 mm, of which hardly any is scaffold
    "no luck": (
        {**WITH, "host.vessels.root_density": number("0.1 1/mm^2")},
        "grow, since seed 3 drew none on the host faces, where 0.013 are expected; take a larger",
    ),
}


@pytest.mark.parametrize("case", IDLE)
def test_vessels_that_cannot_grow_are_told_of_in_one_line(case: str) -> None:
    change, reason = IDLE[case]
    (said,) = idle(Model(load(BODY, set=change), threads=1))
    assert said.startswith("host.vessels: ")
    assert said.endswith("or leave out host.vessels")
    assert reason in said
    assert "\n" not in said


def test_every_reason_is_told_and_none_of_what_acts() -> None:
    both = idle(Model(load(BODY, set=NO_VEGF | {"faces": CLOSED}), threads=1))
    assert ["no face is host" in both[0], "no vegf" in both[1]] == [True, True]
    for change in (WITH, {}):
        assert idle(Model(load(BODY, set=change), threads=1)) == []


def test_check_notes_it_and_a_run_warns_of_it(tmp_path: Path, capsys: Any) -> None:
    config = load(BODY, set={**NO_VEGF, "duration": "1 h"})
    (tmp_path / "still.yaml").write_text(dump(config.resolved()))
    assert main(["check", str(tmp_path / "still.yaml")]) == 0
    (said,) = idle(Model(config, threads=1))
    assert f"note        {said}" in capsys.readouterr().out.splitlines()
    with pytest.warns(RuntimeWarning, match="since fields have no vegf"):
        run = Simulation(config).run(tmp_path / "a")
    assert said in run.manifest["notes"]
