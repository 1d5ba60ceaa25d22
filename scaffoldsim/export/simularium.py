"""Simularium (https://simularium.allencell.org): cells as spheres, vessels as fibres.

A file is JSON: ``trajectoryInfo``, a bundle of numbers for each frame, and a plot of how many cells
there are of each type. The viewer has the middle of the box at 0 and wants it some tens of units
wide, so that the unit of length is 1, 2 or 5 times a power of ten µm.

Source: Simularium file format, trajectoryInfo 3, spatialData 1, plotData 1
(https://github.com/simularium/simulariumio/blob/main/file_format.md).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.export.frames import cells_of, most_cells, vessels_of, voxel_um
from scaffoldsim.run.record import Run

Floats = npt.NDArray[np.float64]

#: the largest edge of the box, in units of length
_WIDEST = 64
#: kinds of agents, and how many numbers of one come before the points of a fibre
_SPHERE, _FIBRE, _HEAD = 1000, 1001, 11
_VESSELS = ("vessel, perfused", "vessel, not perfused")
#: decimals of a length: of the viewer's units, so that a file is no larger than it must be
_DECIMALS = 6
_FIELD_OF_VIEW = 50.0  # degrees


def bytes_of(run: Run, frames: Sequence[int]) -> int:
    """About the most that an export takes."""
    return len(frames) * most_cells(run) * 70


def write_frames(run: Run, frames: Sequence[int], part: Path, done: Callable[[int], None]) -> None:
    """Write the frames into the file `part`."""
    unit = unit_of(run)
    # Agents of a frame have different numbers, and vessels come after all cells there ever are.
    ids = (run.cells(frame)["id"].astype(np.int64) for frame in frames)
    beyond = 1 + max(int(each.max(initial=-1)) for each in ids)
    counts: dict[str, list[int]] = {name: [] for name in run.type_names}
    with part.open("w", encoding="utf-8") as file:
        file.write(f'{{"trajectoryInfo": {_json(_information(run, frames, unit))},\n')
        file.write('"spatialData": {"version": 1, "msgType": 1, "bundleStart": 0, ')
        file.write(f'"bundleSize": {len(frames)}, "bundleData": [')
        for count, frame in enumerate(frames):
            cells = cells_of(run, frame)
            numbers = np.concatenate(
                [_spheres(run, cells, unit), _fibres(run, frame, unit, beyond)]
            )
            header = f'{{"frameNumber": {count}, "time": {run.frames[frame]!r}, "data": '
            file.write(f"{',' if count else ''}\n{header}{_numbers(numbers)}}}")
            there = Counter(cells["type"].tolist())
            for code, name in enumerate(run.type_names):
                counts[name].append(there[code])
            done(count + 1)
        times = [run.frames[frame] for frame in frames]
        file.write(f'\n]}},\n"plotData": {_json(_plots(times, counts))}}}\n')


def unit_of(run: Run) -> float:
    """Unit of length, µm: the least of 1, 2, 5, 10, … in which the box is not too wide."""
    least = max(run.shape) * voxel_um(run) / _WIDEST
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= least * (1 - 1e-9))


def _json(document: Any) -> str:
    return json.dumps(document, allow_nan=False, ensure_ascii=False)


def _numbers(values: Floats) -> str:
    """JSON of numbers, whole ones without a point."""
    return "[" + ",".join(f"{value:.10g}" for value in values.tolist()) + "]"


def _information(run: Run, frames: Sequence[int], unit: float) -> dict[str, Any]:
    times = [run.frames[frame] for frame in frames]
    size = [n * voxel_um(run) / unit for n in run.shape]
    far = max(size) * 1.6
    names = [(name, "SPHERE") for name in run.type_names]
    if run.vessels(frames[0]) is not None:
        names += [(name, "FIBER") for name in _VESSELS]
    return {
        "version": 3,
        "trajectoryTitle": run.title,
        "timeUnits": {"magnitude": 1.0, "name": "h"},
        "timeStepSize": times[1] - times[0] if len(times) > 1 else 0.0,
        "totalSteps": len(times),
        "spatialUnits": {"magnitude": unit, "name": "µm"},
        "size": dict(zip("xyz", size, strict=True)),
        "cameraDefault": {
            "position": {"x": 0.35 * far, "y": -0.8 * far, "z": 0.45 * far},
            "lookAtPosition": {"x": 0.0, "y": 0.0, "z": 0.0},
            "upVector": {"x": 0.0, "y": 0.0, "z": 1.0},
            "fovDegrees": _FIELD_OF_VIEW,
        },
        "typeMapping": {
            str(code): {"name": name, "geometry": {"displayType": kind}}
            for code, (name, kind) in enumerate(names)
        },
    }


def _placed(run: Run, xyz: Floats, unit: float) -> Floats:
    """Places, µm from the corner of the box, in units from its middle."""
    middle = np.array(run.shape) * voxel_um(run) / 2
    return np.round((xyz - middle) / unit, _DECIMALS)


def _spheres(run: Run, cells: dict[str, Any], unit: float) -> Floats:
    """Numbers of the cells, 11 each; a sphere fills its voxel, as a cell does."""
    count = len(cells["id"])
    agents = np.zeros((count, _HEAD))
    agents[:, 0] = _SPHERE
    agents[:, 1], agents[:, 2] = cells["id"], cells["type"]
    xyz = np.stack([cells[f"{axis}_um"] for axis in "xyz"], axis=1)
    agents[:, 3:6] = _placed(run, xyz, unit)
    agents[:, 9] = round(voxel_um(run) / 2 / unit, _DECIMALS)
    return agents.ravel()


def _fibres(run: Run, frame: int, unit: float, beyond: int) -> Floats:
    """Numbers of the edges of vessels, 11 and two points each."""
    edges, _ = vessels_of(run, frame)
    count = len(edges["radius_um"])
    agents = np.zeros((count, _HEAD + 6))
    agents[:, 0] = _FIBRE
    agents[:, 1] = beyond + np.arange(count)
    agents[:, 2] = len(run.type_names) + ~edges["perfused"]
    agents[:, 9] = np.round(edges["radius_um"] / unit, _DECIMALS)
    agents[:, 10] = 6
    agents[:, _HEAD:] = _placed(run, edges["ends_um"], unit).reshape(count, 6)
    return agents.ravel()


def _plots(times: list[float], counts: dict[str, list[int]]) -> dict[str, Any]:
    lines = [
        {"name": name, "type": "scatter", "mode": "lines", "x": times, "y": numbers}
        for name, numbers in counts.items()
        if any(numbers)
    ]
    layout = {
        "title": "Cells by type",
        "xaxis": {"title": "time (h)"},
        "yaxis": {"title": "cells"},
    }
    return {"version": 1, "data": [{"layout": layout, "data": lines}] if lines else []}
