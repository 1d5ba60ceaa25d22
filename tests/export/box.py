"""A run folder made by hand whose box is longer along z than along y, and along y than along x."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim.run.record import Run
from scaffoldsim.run.writers import (
    MetricsWriter,
    StateWriter,
    new_manifest,
    write_atomic,
    write_manifest,
)

SHAPE, VOXEL = (4, 5, 7), 2e-5
TIMES = (0.0, 6.0, 24.5)
TYPES, ORIGINS = ["bmsc", "osteoblast", "adipocyte"], ["autologous", "allogeneic", "host"]
MATRIX = ("scaffold", "osteoid", "mineral")
FIELDS = {"oxygen": "mM", "vegf": "ng/mL"}


def cells_at(frame: int) -> dict[str, np.ndarray]:
    """None at first, then 8 and 16 cells."""
    rng, count = np.random.default_rng(frame), 8 * frame
    return {
        "id": np.arange(count, dtype="i4")[::-1] + 100 * frame,
        "voxel": np.sort(rng.choice(np.prod(SHAPE), count, replace=False)).astype("i4"),
        "type": rng.integers(0, len(TYPES), count).astype("u1"),
        "origin": rng.integers(0, len(ORIGINS), count).astype("u1"),
        "parent": np.arange(-1, count - 1, dtype="i4"),
        "clone": np.arange(count, dtype="i4"),
        "age": (3600 * rng.integers(0, 20, count) + 1).astype("f4"),
        "doublings": rng.random(count).astype("f4"),
    }


def vessels_at(frame: int) -> dict[str, np.ndarray]:
    """None at first; then a path of edges along z, the last one out of the box, and a tip."""
    count = 3 * frame
    z = np.linspace(0, 1.1 * SHAPE[2] * VOXEL, count + 1)
    points = np.stack([0 * z + 1.1e-5, 0 * z + 3.3e-5, z], axis=1)
    nodes = np.arange(count + 1)
    tips = np.array([[[1e-5, 2e-5, 3e-5], [1.5e-5, 2e-5, 3e-5]]] * bool(frame))
    return {
        "ends": np.stack([points[:-1], points[1:]], axis=1).astype("f4"),
        "nodes": np.stack([nodes[:-1], nodes[1:]], axis=1).astype("i4"),
        "radius": np.linspace(4e-6, 7e-6, count).astype("f4"),
        "carries": np.arange(count) % 2 == 0,
        "tips": tips.reshape(-1, 2, 3).astype("f4"),
        "tip_nodes": np.full(len(tips), 1, "i4"),
    }


def write_box(
    folder: Path,
    *,
    times: tuple[float, ...] = TIMES,
    fields: bool = True,
    matrix: bool = True,
    vessels: bool = True,
    origins: bool = True,
    status: str = "finished",
) -> Run:
    """Write the run, with all that a frame may hold or without some of it."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    write_atomic(folder / "config.yaml", "schema: 1\n")
    manifest = new_manifest(
        title="a <box> & all in it", seed=3, config_hash="0" * 64, threads=1, sources={}, notes=[]
    )
    write_manifest(folder, manifest | {"status": status})
    distance = (rng.random(SHAPE) * 1e-4 - 2e-5).astype("f4")
    names = MATRIX if matrix else ()
    state = StateWriter.create(
        folder / "state.zarr", grid_shape=SHAPE, voxel=VOXEL, distance=distance,
        fraction=rng.random(SHAPE).astype("f4"), type_names=TYPES,
        field_names=list(FIELDS) if fields else [],
        field_units=list(FIELDS.values()) if fields else [],
        matrix_names=names, vessels=vessels, origin_names=ORIGINS if origins else (),
    )  # fmt: skip
    with MetricsWriter(folder / "metrics.csv", ["time_h", "cells_total", "bv_tv"]) as table:
        for frame, time in enumerate(times):
            table.append({"time_h": time, "cells_total": 8 * frame, "bv_tv": None})
            values: dict[str, Any] = {
                name: np.where(distance < 0, np.nan, rng.random(SHAPE)) for name in FIELDS
            }
            shares = {name: rng.random(SHAPE) / 3 for name in names}
            state.write_frame(
                time,
                values if fields else {},
                cells_at(frame),
                shares,
                vessels_at(frame) if vessels else None,
            )
    return Run(folder)
