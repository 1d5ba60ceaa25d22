"""Frames of a run with vessels: the network as it is, whole, the same bytes after a kill."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaffoldsim.model.model import Model
from scaffoldsim.run import simulation as simulation_module
from scaffoldsim.run.record import Run
from scaffoldsim.run.simulation import Simulation
from scaffoldsim.run.state import StateWriter
from tests.model.test_circulation import BODY, FAST
from tests.run.synthetic import network_of, write_run
from tests.run.test_simulation import fingerprint

HOURS = 27


def simulation() -> Simulation:
    every = {"metrics_every": "9 h", "frames_every": "9 h", "checkpoint_every": "0 s"}
    body: dict[str, Any] = BODY | {"duration": f"{HOURS} h", "output": every}
    return Simulation.from_config(body, set=FAST)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulation().run(tmp_path_factory.mktemp("vessels") / "reference")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return write_run(tmp_path / "copy", n=12, cells=100, vessels=True).path


def test_a_frame_holds_the_network_of_the_model(reference: Run) -> None:
    model = Model(simulation().config)
    for _ in range(HOURS):
        model.step()
    vessels, stored = model.circulation.vessels, reference.vessels()
    graph, size = vessels.graph, np.array(model.grid.size)
    assert stored is not None
    assert stored["carries"].any()
    np.testing.assert_array_equal(stored["carries"], vessels.carries)
    np.testing.assert_array_equal(stored["nodes"], graph.edges["ends"])
    way = np.diff(stored["ends"].astype(float), axis=1)[:, 0]
    length = np.sqrt((way * way).sum(axis=1))
    volume = model.grid.n_voxels * model.grid.voxel_volume
    assert length.sum() / volume == pytest.approx(vessels.density, rel=1e-3)
    assert length[stored["carries"]].sum() / volume == pytest.approx(
        vessels.perfused_density, rel=1e-3
    )
    # Also round a periodic face an edge is as long as it is, and passes through its voxels.
    assert length.max() < 2 * model.grid.voxel
    assert (stored["ends"][:, 1] > size).any() or (stored["ends"][:, 1] < 0).any()
    middle = graph.voxel_of(graph.inside(stored["ends"].astype(float).mean(axis=1)))
    among = (graph.edges["voxels"] == middle[:, None]).any(axis=1)
    assert among.mean() > 0.99  # a middle on the face of a voxel may round to the next
    np.testing.assert_allclose(
        graph.inside(stored["tips"][:, 1].astype(float)), vessels.tip_positions(), atol=1e-9
    )
    np.testing.assert_array_equal(stored["tip_nodes"], vessels.tips["node"])


def test_an_interrupted_run_writes_the_same_frames(reference: Run, tmp_path: Path) -> None:
    def stop(step: int, *_: Any) -> None:
        if step == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulation().run(tmp_path / "run", progress=stop)
    Simulation.resume(tmp_path / "run").run()
    assert fingerprint(tmp_path / "run") == fingerprint(reference.path)


def test_without_vessels_there_are_none(run: Run, tmp_path: Path) -> None:
    assert run.vessels() is None
    assert not (run.path / "state.zarr" / "vessels").exists()
    # A run of a version that knew of none is read, and gone on with.
    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    root = copy / "state.zarr" / "zarr.json"
    document = json.loads(root.read_text())
    del document["attributes"]["vessels"]
    root.write_text(json.dumps(document))
    assert Run(copy).vessels() is None
    assert StateWriter.reopen(copy / "state.zarr", frames=2).frames == 2
    assert simulation_module._vessels(type("Model", (), {"circulation": None})()) is None


def test_vessels_come_back_and_later_frames_are_dropped(copy: Path) -> None:
    stored = Run(copy).vessels(1)
    expected = network_of(12, 2e-5, 14.0)
    assert set(stored) == set(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(stored[name], column)
        assert stored[name].dtype == column.dtype
    assert Run(copy).vessels(0)["ends"].shape == (0, 2, 3)
    StateWriter.reopen(copy / "state.zarr", frames=1)
    assert [path.name for path in (copy / "state.zarr" / "vessels").iterdir() if path.is_dir()] == [
        "0"
    ]


@pytest.mark.parametrize("victim", ["1", "1/ends/c", "1/radius/zarr.json"])
def test_truncated_vessels_are_an_error_not_nothing(copy: Path, victim: str) -> None:
    target = copy / "state.zarr" / "vessels" / victim
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(ValueError, match="truncated"):
        Run(copy).vessels(1)
    assert Run(copy).vessels(2)["carries"].any()


def test_a_store_is_made_for_vessels_or_not(copy: Path, run: Run, tmp_path: Path) -> None:
    plain = Path(shutil.copytree(run.path, tmp_path / "plain"))
    network = network_of(12, 2e-5, 14.0)
    for folder, given in ((copy, None), (plain, network)):
        state = StateWriter.reopen(folder / "state.zarr", frames=2)
        with pytest.raises(ValueError, match="vessels if, and only if"):
            state.write_frame(
                900.0, {"oxygen": Run(folder).field("oxygen", 0)}, {"id": np.arange(3)}, {}, given
            )
        assert state.frames == 2
