"""Simularium: JSON with places, radii, times and counts, read and checked by simulariumio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaffoldsim import export
from scaffoldsim.export.simularium import unit_of
from scaffoldsim.run.record import Run
from tests.export.box import SHAPE, TIMES, TYPES, cells_at, vessels_at


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def agents(data: list[float]) -> list[list[float]]:
    """Divide the numbers of a frame among its agents."""
    found = []
    while data:
        end = 11 + int(data[10])
        found.append(data[:end])
        data = data[end:]
    return found


@pytest.fixture(scope="module")
def path(box: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export.write(box, "simularium", tmp_path_factory.mktemp("simularium") / "a.simularium")


def test_the_header_says_box_units_and_times(box: Run, path: Path) -> None:
    document = load(path)
    said, bundle = document["trajectoryInfo"], document["spatialData"]

    assert said["spatialUnits"] == {"magnitude": 5.0, "name": "µm"}
    assert said["size"] == {"x": 16, "y": 20, "z": 28}  # 80, 100, 140 um
    assert said["timeUnits"] == {"magnitude": 1.0, "name": "h"}
    assert (said["totalSteps"], said["timeStepSize"]) == (3, 6.0)
    assert said["trajectoryTitle"] == box.title
    assert bundle["bundleSize"] == len(bundle["bundleData"]) == 3
    assert [frame["time"] for frame in bundle["bundleData"]] == list(TIMES)
    assert [frame["frameNumber"] for frame in bundle["bundleData"]] == [0, 1, 2]
    (plot,) = document["plotData"]["data"]
    counts = {line["name"]: line["y"] for line in plot["data"]}
    for code, name in enumerate(TYPES):
        assert counts[name] == [int((cells_at(k)["type"] == code).sum()) for k in range(3)]
    assert all(line["x"] == list(TIMES) for line in plot["data"])


def test_agents_are_cells_and_edges(path: Path) -> None:
    document = load(path)
    names = {
        int(code): (kind["name"], kind["geometry"]["displayType"])
        for code, kind in document["trajectoryInfo"]["typeMapping"].items()
    }
    middle = np.array(SHAPE) * 20 / 2
    used: dict[int, set[float]] = {1000: set(), 1001: set()}
    for frame, bundle in enumerate(document["spatialData"]["bundleData"]):
        found = agents(bundle["data"])
        spheres = [each for each in found if each[0] == 1000]
        fibres = [each for each in found if each[0] == 1001]
        cells, edges = cells_at(frame), vessels_at(frame)
        assert [each[1] for each in spheres] == list(cells["id"])
        assert [names[each[2]] for each in spheres] == [(TYPES[t], "SPHERE") for t in cells["type"]]
        ijk = np.stack(np.unravel_index(cells["voxel"], SHAPE), axis=1)
        places = np.array([each[3:6] for each in spheres]).reshape(-1, 3)
        np.testing.assert_array_equal(places, (20.0 * ijk + 10 - middle) / 5)
        assert {each[9] for each in spheres} <= {2.0}  # 10 um, half a voxel
        assert [names[each[2]] for each in fibres] == [
            ("vessel, perfused" if carries else "vessel, not perfused", "FIBER")
            for carries in edges["carries"]
        ]
        ends = (edges["ends"].astype(float) * 1e6 - middle) / 5
        np.testing.assert_allclose(
            np.array([each[11:] for each in fibres]).reshape(-1, 2, 3), ends, atol=1e-6
        )
        np.testing.assert_allclose([each[9] for each in fibres], edges["radius"] * 2e5, atol=1e-6)
        for kind, each in ((1000, spheres), (1001, fibres)):
            used[kind] |= {agent[1] for agent in each}
    assert used[1001] == {216.0 + k for k in range(6)}
    assert not used[1000] & used[1001]  # over all times: the viewer follows an agent by its number


def test_simulariumio_reads_it_and_finds_no_fault(path: Path, monkeypatch) -> None:
    simulariumio = pytest.importorskip("simulariumio")
    from simulariumio.data_objects import AgentData
    from simulariumio.writers import JsonWriter

    make = AgentData.from_dimensions

    def writable(*arguments: Any) -> Any:
        """Give arrays that can be filled: with pandas 3 simulariumio 1.13 makes one that cannot."""
        data = make(*arguments)
        data.n_subpoints = np.array(data.n_subpoints)
        return data

    monkeypatch.setattr(AgentData, "from_dimensions", writable)
    read = simulariumio.FileConverter(simulariumio.InputFileData(str(path)))._data

    data = read.agent_data
    assert list(data.times) == list(TIMES)
    assert list(data.n_agents) == [0, 8 + 3, 16 + 6]
    JsonWriter._validate_ids(read)
    assert JsonWriter._check_types_match_subpoints(read) == ""
    again, document = JsonWriter.format_trajectory_data(read), load(path)
    assert JsonWriter._check_agent_ids_are_unique_per_frame(again)
    # Written again by simulariumio only the codes of types differ, as it drops those not met.
    mine, theirs = (each["trajectoryInfo"]["typeMapping"] for each in (document, again))
    for a, b in zip(
        document["spatialData"]["bundleData"], again["spatialData"]["bundleData"], strict=True
    ):
        for one, other in zip(agents(a["data"]), agents(b["data"]), strict=True):
            assert one[:2] + one[3:] == other[:2] + other[3:]
            assert mine[str(int(one[2]))] == theirs[str(int(other[2]))]
    same = ("version", "timeUnits", "timeStepSize", "totalSteps", "spatialUnits", "size")
    for key in (*same, "trajectoryTitle"):
        assert document["trajectoryInfo"][key] == again["trajectoryInfo"][key]
    assert set(document["trajectoryInfo"]) == set(again["trajectoryInfo"])


def test_without_anything_it_is_an_empty_box(bare: Run, tmp_path: Path) -> None:
    document = load(export.write(bare, "simularium", tmp_path / "a.simularium"))

    assert [frame["data"] for frame in document["spatialData"]["bundleData"]] == [[]]
    assert document["plotData"]["data"] == []
    assert [kind["name"] for kind in document["trajectoryInfo"]["typeMapping"].values()] == TYPES


@pytest.mark.parametrize(
    ("voxels", "unit"), [(64, 20), (65, 50), (160, 50), (161, 100), (32, 10), (3, 1)]
)
def test_the_unit_is_round_and_the_box_small(voxels: int, unit: float) -> None:
    class Box:
        shape, voxel = (1, voxels, 2), 2e-5

    assert unit_of(Box()) == unit
