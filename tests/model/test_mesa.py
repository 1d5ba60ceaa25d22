"""What Mesa's own tools do with the model: batch_run, DataCollector, SolaraViz, on any Mesa 3.x.

The tests run on the Mesa that is installed; the last one (make evidence) takes the newest where
there is a Python that it runs on.
"""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest

import scaffoldsim as ss
from scaffoldsim import catalogue
from scaffoldsim.model.agents import Cell, cell_class
from tests.model.test_behaviours import SMALL

ROOT = Path(__file__).resolve().parent.parent.parent
SHORT = {**SMALL, "duration": "3 h"}


def batch(parameters: dict[str, Any], rng: list[int] | None = None, **more: Any) -> list[Any]:
    """Run Mesa's batch_run; seeds are a parameter before Mesa 3.4, and an argument since."""
    if rng is not None and "rng" in inspect.signature(mesa.batch_run).parameters:
        more["rng"] = rng
    elif rng is not None:
        parameters = {**parameters, "rng": rng}
    return list(mesa.batch_run(ss.Model, parameters, display_progress=False, **more))


def last_oxygen(**more: Any) -> float:
    model = ss.Model(SHORT, **more)
    while model.running:
        model.step()
    return float(model.fields.mean("oxygen"))


def test_batch_run_takes_config_set_and_rng() -> None:
    rows = batch({"config": [SHORT], "set": [{"seed": 1}, {"seed": 2}]}, max_steps=10)
    assert [row["oxygen_mean_mM"] for row in rows] == [last_oxygen(rng=seed) for seed in (1, 2)]
    rows = batch({"config": [SHORT]}, rng=[1, 2], max_steps=10)
    assert [row["oxygen_mean_mM"] for row in rows] == [last_oxygen(rng=seed) for seed in (1, 2)]
    assert {row["time_h"] for row in rows} == {3.0}  # the end of `duration`, before max_steps


def test_batch_run_collects_every_step_and_ends_at_max_steps() -> None:
    changes = {"duration": "9 h", "output": {"metrics_every": "6 h"}}
    rows = batch({"config": [SHORT], "set": [changes]}, max_steps=4, data_collection_period=1)
    hours = [row["time_h"] for row in rows]
    assert hours[:4] == [1.0, 2.0, 3.0, 4.0]
    assert len(hours) in (4, 5)  # before 3.4 Mesa makes one step more


def test_nothing_is_collected_before_a_step() -> None:
    model = ss.Model(SHORT)
    assert not any(model.datacollector.model_vars.values())
    model.step()
    assert model.datacollector.model_vars["time_h"] == [1.0]
    assert model.steps == model.step_index == 1


def test_no_rng_is_the_seed_of_the_configuration() -> None:
    assert ss.Model(SHORT).seed == 1
    assert ss.Model(SHORT, set={"seed": 5}).seed == 5
    assert ss.Model(SHORT, set={"seed": 5}, rng=7).seed == 7
    assert ss.Model(SHORT, rng=np.int64(7)).seed == 7  # as a range of NumPy gives it


def test_every_cell_type_has_a_public_class() -> None:
    for name in catalogue.names("cells"):
        public = cell_class(name)
        assert getattr(ss, public.__name__) is public
    every = [getattr(ss, name) for name in (
        "BMSC", "PreOsteoblast", "Osteoblast", "Osteocyte", "Adipocyte", "Chondrocyte",
        "Endothelial", "Senescent",
    )]  # fmt: skip
    assert len(set(every)) == 8
    assert all(issubclass(each, Cell) and issubclass(each, mesa.Agent) for each in every)


def test_the_protocol_works_on_the_model_itself() -> None:
    model = ss.Model(SHORT)
    model.step()
    bmsc = model.agents_by_type[ss.BMSC]
    counts = model.agents.groupby("type").count()
    assert len(model.agents) == model.cells.n == sum(counts.values()) > 200
    assert len(bmsc) == counts["bmsc"] > 200
    assert type(next(iter(bmsc))) is ss.BMSC
    young = model.agents.select(lambda cell: cell.doublings < 1, at_most=20)
    young.do(lambda cell: setattr(cell, "hop", 0.0)).set("divide", 0.0)
    assert young.agg("hop", max) == young.agg("divide", max) == 0
    assert model.agents.get("pos").shape == (model.cells.n, 3)
    collector = mesa.DataCollector(
        agent_reporters={"age": "age"}, agenttype_reporters={ss.BMSC: {"where": "pos"}}
    )
    collector.collect(model)
    assert collector.get_agent_vars_dataframe()["age"].tolist() == model.agents.get("age").tolist()
    where = collector.get_agenttype_vars_dataframe(ss.BMSC)["where"]
    assert where.tolist() == [cell.pos for cell in bmsc]


def test_run_model_ends_at_the_duration() -> None:
    model = ss.Model(SHORT)
    model.run_model()
    assert (model.step_index, model.running) == (3, False)


def test_solara_shows_the_model() -> None:
    solara = pytest.importorskip("solara", reason="scaffoldsim needs no solara; it is not here")
    from mesa.visualization import SolaraViz, make_plot_component

    def cells(model: Any) -> Any:
        return solara.Text(f"{len(model.agents)} cells")

    model = ss.Model(SHORT)
    model.step()
    component = SolaraViz(
        model,
        components=[make_plot_component("cells_total"), cells],
        model_params={"config": "quickstart", "rng": 1},
    )
    _, rc = solara.render(component, handle_error=False)
    assert rc.find(children=[f"{model.cells.n} cells"]).widgets
    rc.close()


def newest() -> str | None:
    """A Python that the newest Mesa 3.x runs on, 3.12 or later."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [shutil.which(f"python3.{minor}") for minor in (14, 13, 12)]
    found += [str(path) for path in sorted(pyenv.glob("versions/3.1[2-4].*/bin/python3"))]
    for command in filter(None, found):
        asked = subprocess.run(
            [command, "-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 12))"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if asked.stdout.strip() == "True":
            return command
    return None


@pytest.mark.evidence
def test_the_protocol_on_the_newest_mesa(tmp_path: Path) -> None:
    """In a virtual environment of its own; these tests need no compiled kernel."""
    if sys.version_info >= (3, 12):
        pytest.skip(f"all tests run on Mesa {mesa.__version__} here already")
    python = newest()
    if python is None:
        pytest.skip("no Python 3.12 or later here, which the newest Mesa needs")
    subprocess.run([python, "-m", "venv", str(tmp_path)], check=True)
    own = str(tmp_path / "bin" / "python")
    wanted = ["mesa>=3.4,<4", "networkx", "numpy", "pandas", "pydantic", "pytest", "hypothesis"]
    done = subprocess.run(
        [own, "-m", "pip", "install", "--quiet", *wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"Mesa cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    files = [
        f"tests/model/{name}.py" for name in ("test_agent_sets", "test_agents", "test_cell_views")
    ]
    done = subprocess.run(
        [own, "-m", "pytest", "-p", "no:cacheprovider", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    print(subprocess.run([own, "-c", "import mesa; print(mesa.__version__)"],
                         capture_output=True, text=True, check=True).stdout)  # fmt: skip
