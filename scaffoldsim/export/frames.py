"""What the frames of a run hold, under the names that other programs see.

A name ends in the unit of its values (``x_um``, ``age_h``, ``oxygen_mM``); shares, numbers and
codes have none. Lengths are in µm and times in h, as in ``metrics.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scaffoldsim.run.record import Run

Array = npt.NDArray[Any]

#: SI to µm and to h
UM, HOUR = 1e6, 3600.0
#: a picometre: what is left of a length beyond it is rounding of binary numbers
_DECIMALS = 6


class Series(NamedTuple):
    """One value per voxel and frame: `read` gives those of a frame, float32 (x, y, z)."""

    name: str
    read: Callable[[int], npt.NDArray[np.float32]]


def labelled(name: str, unit: str) -> str:
    """Return a name with its unit, of letters, digits and underscores.

    Examples
    --------
    >>> labelled("oxygen", "mM"), labelled("vegf", "ng/mL"), labelled("share", "1")
    ('oxygen_mM', 'vegf_ng_per_mL', 'share')
    """
    plain = unit.replace("/", "_per_").replace("µ", "u").replace("^", "").replace("*", "_")
    return name if unit in ("", "1", "-") else f"{name}_{plain.replace(' ', '_')}"


def field_label(run: Run, name: str) -> str:
    """Name of a field with its unit."""
    return labelled(name, run.field_units[name])


def voxel_series(run: Run) -> list[Series]:
    """Fields, then shares of a voxel; where no share changes, that of the scaffold as built."""

    def field(name: str) -> Series:
        return Series(field_label(run, name), lambda frame: run.field(name, frame))

    def share(name: str) -> Series:
        return Series(name, lambda frame: run.matrix(name, frame))

    shares = [share(name) for name in run.matrix_names]
    return [
        *(field(name) for name in run.field_names),
        *(shares or [Series("scaffold", lambda frame: run.fraction)]),
    ]


def micrometres(lengths: Array) -> npt.NDArray[np.float64]:
    """Lengths, m, in µm, rounded to a picometre."""
    return np.round(np.asarray(lengths, np.float64) * UM, _DECIMALS)


def voxel_um(run: Run) -> float:
    """Edge of a voxel, µm."""
    return float(micrometres(np.array(run.voxel)))


def centres(run: Run, voxels: Array) -> npt.NDArray[np.float64]:
    """Centres of voxels given by their flat index, (n, 3), µm."""
    ijk = np.stack(np.unravel_index(np.asarray(voxels, np.int64), run.shape), axis=1)
    return micrometres((ijk + 0.5) * run.voxel)


def cells_of(run: Run, frame: int) -> dict[str, Array]:
    """Columns of the cells at a frame: who, where (µm), how old, and each field where it is.

    Type and origin are codes; whatever else the run stores of a cell follows under its own name.
    """
    stored = run.cells(frame)
    voxels = stored.pop("voxel").astype(np.int64)
    xyz = centres(run, voxels)
    columns: dict[str, Array] = {"id": stored.pop("id"), "type": stored.pop("type")}
    columns |= {f"{axis}_um": xyz[:, k] for k, axis in enumerate("xyz")}
    if "age" in stored:
        columns["age_h"] = np.asarray(stored.pop("age"), np.float64) / HOUR
    ordered = [name for name in ("doublings", "clone", "parent", "origin") if name in stored]
    columns |= {name: stored.pop(name) for name in ordered} | stored
    for name in run.field_names:
        columns[field_label(run, name)] = run.field(name, frame).ravel()[voxels]
    return columns


def vessels_of(run: Run, frame: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Columns of edges, then of tips, at a frame; empty ones for a run without vessels.

    Returns
    -------
    edges : dict
        ``node_1``, ``node_2``, ``ends_um`` (n, 2, 3), ``radius_um``, ``length_um``, ``perfused``.
    tips : dict
        ``node``, that it left, and ``ends_um`` (k, 2, 3): where that is, and where the tip is.
    """
    stored = run.vessels(frame) or {
        "ends": np.zeros((0, 2, 3)),
        "nodes": np.zeros((0, 2), np.int32),
        "radius": np.zeros(0),
        "carries": np.zeros(0, np.bool_),
        "tips": np.zeros((0, 2, 3)),
        "tip_nodes": np.zeros(0, np.int32),
    }
    ends = micrometres(stored["ends"])
    edges = {
        "node_1": stored["nodes"][:, 0],
        "node_2": stored["nodes"][:, 1],
        "ends_um": ends,
        "radius_um": micrometres(stored["radius"]),
        "length_um": np.round(np.sqrt(((ends[:, 1] - ends[:, 0]) ** 2).sum(axis=1)), _DECIMALS),
        "perfused": stored["carries"],
    }
    return edges, {"node": stored["tip_nodes"], "ends_um": micrometres(stored["tips"])}


def legend(run: Run) -> str:
    """What codes and units mean, in words."""

    def codes(names: list[str], first: int = 0) -> str:
        return ", ".join(f"{code} {name}" for code, name in enumerate(names, first))

    lines = [
        f"{run.title}, seed {run.manifest.get('seed')}, {run.status}, scaffoldsim.",
        "Lengths are in um from the corner of the box, times in h. A name ends in its unit; "
        "scaffold, osteoid, mineral and host_bone are shares of a voxel.",
        f"type: {codes(run.type_names)}",
    ]
    if run.origin_names:
        lines.append(f"origin: {codes(run.origin_names)}")
    return "\n".join(lines) + "\n"


def packed_bytes(run: Run, frames: int, raw: int) -> int:
    """About the most that so many frames take, packed: no more than `raw`, what they are unpacked.

    Deflated they took 0.5 to 1.2 times as much as in the run's own store.
    """
    store = run.path / "state.zarr"
    stored = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    return min(raw, 2 * stored * frames // len(run.frames) + 1_000_000)


def most_cells(run: Run) -> int:
    """Cells of a frame at most, to tell how much an export may take."""
    try:
        return int(run.metrics["cells_total"].max())
    except (OSError, KeyError, ValueError):
        return math.prod(run.shape)  # one to a voxel
