"""A run folder made by hand: a gyroid net with cells on its walls, for what reads stored runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from scaffoldsim.run.record import Run
from scaffoldsim.run.writers import (
    MetricsWriter,
    StateWriter,
    new_manifest,
    write_atomic,
    write_manifest,
)

COLUMNS = [
    "time_h", "cells_total", "cells_bmsc", "cells_preosteoblast",
    "cells_osteoblast", "cells_osteocyte", "cells_adipocyte", "cells_chondrocyte",
    "cells_endothelial", "cells_senescent", "cells_dead", "cells_graft",
    "bv_tv", "oxygen_mean_mM", "oxygen_p05_mM", "scaffold_fraction",
    "viability",
]  # fmt: skip
TYPES = [
    "bmsc", "preosteoblast", "osteoblast", "osteocyte",
    "adipocyte", "chondrocyte", "endothelial", "senescent",
]  # fmt: skip
TISSUE_COLUMNS = [
    "bone_in_pore", "mv_tv", "host_bone_fraction", "scaffold_mass", "molecular_weight",
    "stiffness_MPa", "stiffness_reuss_MPa", "stiffness_voigt_MPa", "collapse_index",
    "bone_laid_mm3", "bone_resorbed_mm3", "host_bone_resorbed_mm3", "bmd_g_per_cm3",
    "score_c1", "score_c2", "score_c3", "score_c4", "score_c5",
    "risk_near_pd_max", "risk_mitogenic_gene", "risk_allogeneic", "risk_xenogeneic",
]  # fmt: skip
MATRIX = ("scaffold", "osteoid", "mineral", "host_bone")
CONFIG = """\
schema: 1
title: BMSC in a synthetic gyroid net
seed: {seed}
duration: 28 d
scaffold:
  family: gyroid_net
  porosity: 0.92
  pore_size: 600 um
  material:
    name: {material}
    density: {{value: 3.1 g/cm^3, range: [3.0 g/cm^3, 3.2 g/cm^3], mark: recalled,
              source: "<b>Text</b> & book"}}
cells:
  type: bmsc
  number: {number}
  oxygen_uptake: {{value: 98 fmol/h, range: [20 fmol/h, 200 fmol/h], mark: read, source: Pattappa}}
"""


def gyroid(n: int, voxel: float, porosity: float = 0.92, periods: int = 2) -> np.ndarray:
    """Signed distance (m, > 0 in the pore) of a gyroid net, to first order."""
    x = (np.arange(n, dtype=np.float32) + 0.5) * (2 * np.pi * periods / n)
    X, Y, Z = np.meshgrid(x, x, x, indexing="ij", sparse=True)
    phi = np.sin(X) * np.cos(Y) + np.sin(Y) * np.cos(Z) + np.sin(Z) * np.cos(X)
    slope = np.sqrt(
        (np.cos(X) * np.cos(Y) - np.sin(Z) * np.sin(X)) ** 2
        + (np.cos(Y) * np.cos(Z) - np.sin(X) * np.sin(Y)) ** 2
        + (np.cos(Z) * np.cos(X) - np.sin(Y) * np.sin(Z)) ** 2
    )
    level = np.quantile(phi, porosity)
    return ((level - phi) / np.maximum(slope, 0.4) * n * voxel / (2 * np.pi * periods)).astype("f4")


def tissue_of(distance: np.ndarray, voxel: float, day: float) -> dict[str, np.ndarray]:
    """What voxels hold on a day: a scaffold that dissolves, bone that spreads on it, a host."""
    n = len(distance)
    shares = dict.fromkeys(MATRIX, np.zeros_like(distance))
    scaffold = np.clip(0.5 - (distance + 0.1e-6 * day) / voxel, 0, 1)
    x = np.linspace(0, 2 * np.pi, n)
    patches = np.cos(x)[:, None, None] + np.sin(2 * x)[None, :, None] + np.cos(x + 1)[None, None, :]
    thickness = 1.6e-6 * day * (0.4 + 0.35 * patches)
    new = np.clip(0.5 + (thickness - distance) / voxel, 0, 1 - scaffold) * (thickness > 0)
    # Osteoid is what was laid in the last days, the seam.
    ripe = np.minimum(np.clip(0.5 + (thickness - 1e-5 - distance) / voxel, 0, 1), new)
    height = (np.arange(n) + 0.5) * voxel
    plate = np.clip(0.5 + (0.12 * n * voxel - height) / voxel, 0, 1)
    host = np.minimum(plate[None, None, :], 1 - scaffold - new)
    shares |= {"scaffold": scaffold, "osteoid": new - ripe, "mineral": ripe, "host_bone": host}
    return {name: np.maximum(share, 0).astype("f4") for name, share in shares.items()}


def network_of(n: int, voxel: float, day: float) -> dict[str, np.ndarray]:
    """Wavy vessels that climb from below, 7 on the last day (28), the first three with blood.

    The last one goes round the periodic faces of x.
    """
    size, count = n * voxel, 7
    steps = int(day / 28 * (n - 2))
    z = np.linspace(0, steps * voxel, steps + 1)
    place = np.arange(count) / count
    x = size * (0.15 + 0.7 * place[:, None] + 0.04 * np.sin(z / voxel + 5 * place[:, None]))
    x[-1] = size - voxel / 2 + z / 4
    y = size * (0.2 + 0.6 * (3 * place % 1))[:, None] + 0 * x
    points = np.stack([x, y, z + 0 * x], axis=2)
    ends = np.stack([points[:, :-1], points[:, 1:]], axis=2)
    ends[..., 0] -= size * np.floor(ends[:, :, :1, 0] / size)
    nodes = np.arange(count * (steps + 1)).reshape(count, -1)
    tips = np.stack([points[3:, -1], points[3:, -1] + [0, 0, voxel]], axis=1)
    tips[..., 0] -= size * np.floor(tips[:, :1, 0] / size)
    return {
        "ends": ends.reshape(-1, 2, 3).astype("f4"),
        "nodes": np.stack([nodes[:, :-1], nodes[:, 1:]], axis=2).reshape(-1, 2).astype("i4"),
        "radius": np.full(count * steps, 5e-6, "f4"),
        "carries": np.repeat(np.arange(count) < 3, steps),
        "tips": tips.astype("f4"),
        "tip_nodes": nodes[3:, -1].astype("i4"),
    }


def _tissue_row(shares: dict[str, np.ndarray], day: float, voxel: float) -> dict[str, float]:
    """Columns of metrics.csv that go with `tissue_of`."""
    mean = {name: float(share.mean(dtype=np.float64)) for name, share in shares.items()}
    new, box = mean["osteoid"] + mean["mineral"], shares["scaffold"].size * (voxel * 1e3) ** 3
    stiffness = 100 * np.exp(-day / 20) + 4000 * mean["mineral"]
    return {
        "bv_tv": new, "mv_tv": mean["mineral"], "bone_in_pore": new / (1 - mean["scaffold"]),
        "host_bone_fraction": mean["host_bone"], "scaffold_mass": 1 - 0.01 * day,
        "molecular_weight": np.exp(-day / 30), "scaffold_fraction": mean["scaffold"],
        "stiffness_MPa": stiffness, "stiffness_reuss_MPa": 0.6 * stiffness,
        "stiffness_voigt_MPa": 1.5 * stiffness, "collapse_index": 40 / stiffness,
        "bone_laid_mm3": 1.2 * new * box, "bone_resorbed_mm3": 0.2 * new * box,
        "host_bone_resorbed_mm3": 0.002 * day, "bmd_g_per_cm3": 0.2 + 1.15 * mean["mineral"],
        "score_c1": 0.9, "score_c2": 0.42, "score_c3": 0.8, "score_c4": 1.0, "score_c5": 0.65,
        "risk_near_pd_max": 0.013, "risk_mitogenic_gene": 0, "risk_allogeneic": 1,
        "risk_xenogeneic": 0,
    }  # fmt: skip


def write_run(
    folder: Path,
    *,
    n: int = 24,
    cells: int = 800,
    days: tuple[float, ...] = (0, 14, 28),
    seed: int = 1,
    growth: float = 4.0,
    bone: float = 0.2,
    material: str = "bcp",
    status: str = "finished",
    morphometry: bool = True,
    tissue: bool = False,
    vessels: bool = False,
) -> Run:
    """Write a whole run folder; `growth` and `bone` set what its cells do.

    With `tissue`, its scaffold dissolves, bone grows on it, and metrics.csv has the columns; with
    `vessels`, vessels grow up from below (`network_of`).
    """
    rng = np.random.default_rng(seed)
    voxel, shape = 2e-5, (n, n, n)
    folder.mkdir(parents=True)
    number = int(cells / growth)
    config = CONFIG.format(seed=seed, material=material, number=number)
    write_atomic(folder / "config.yaml", config)
    manifest = new_manifest(
        title="BMSC in a synthetic gyroid net", seed=seed, config_hash="0" * 64, threads=1,
        sources={}, notes=["size rounded to whole periods"],
    )  # fmt: skip
    write_manifest(folder, manifest)
    distance = gyroid(n, voxel)
    solid = distance < 0
    state = StateWriter.create(
        folder / "state.zarr", grid_shape=shape, voxel=voxel, field_names=["oxygen"],
        field_units=["mM"], type_names=TYPES, distance=distance, fraction=solid.astype("f4"),
        matrix_names=MATRIX if tissue else (), vessels=vessels,
    )  # fmt: skip
    depth = np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / (n / 2)
    weight = np.where(solid, 0.0, np.exp(-distance / 2.5e-5) + 0.003) * (0.15 + (1 - depth))
    order = np.argsort(-np.log(rng.random(n**3)) / np.maximum(weight.ravel(), 1e-30))
    order = order[: np.count_nonzero(~solid)]
    header = [*COLUMNS, *TISSUE_COLUMNS] if tissue else COLUMNS
    table = MetricsWriter(folder / "metrics.csv", header)
    for hour in np.arange(0, days[-1] * 24 + 1, 24.0):
        day = hour / 24
        share = 1 / (1 + np.exp(-(day - 12) / 3))
        count = int(number + (cells - number) * share)
        low = 0.19 - 0.14 * share * count / cells
        oxygen = low + (0.2 - low) * (1 - depth) ** 2
        split = _split(count, bone * share)
        shares = tissue_of(distance, voxel, float(day)) if tissue else {}
        table.append(
            {
                "time_h": float(hour), "cells_total": count, "cells_dead": int(count * share / 50),
                "cells_graft": count, "oxygen_mean_mM": float(oxygen.mean()), "cells_osteocyte": 0,
                "oxygen_p05_mM": float(np.quantile(oxygen, 0.05)), "bv_tv": None,
                "scaffold_fraction": float(solid.mean()), "viability": 1 - 0.02 * share,
                **{f"cells_{name}": int(k) for name, k in split.items()},
                **(_tissue_row(shares, day, voxel) if tissue else {}),
            }
        )  # fmt: skip
        if day in days:
            voxels = np.sort(order[:count]).astype(np.int32)
            kinds = np.repeat([TYPES.index(name) for name in split], list(split.values()))
            field = np.where(solid, np.nan, np.broadcast_to(oxygen, shape))
            columns = {
                "id": np.arange(count), "voxel": voxels,
                "type": rng.permutation(kinds).astype("i1"),
            }  # fmt: skip
            network = network_of(n, voxel, float(day)) if vessels else None
            state.write_frame(float(hour), {"oxygen": field}, columns, shares, network)
    table.close()
    if morphometry:
        write_atomic(folder / "morphometry.json", json.dumps(_morphometry(solid)))
    write_manifest(folder, manifest | {"status": status, "end": manifest["start"]})
    return Run(folder)


def _split(count: int, share: float) -> dict[str, int]:
    bone, fat = int(count * share), int(count * share * 0.08)
    early = int(bone * 0.4)
    return {
        "bmsc": count - bone - fat, "preosteoblast": early, "osteoblast": bone - early,
        "adipocyte": fat,
    }  # fmt: skip


def _morphometry(solid: np.ndarray) -> dict[str, object]:
    porosity = float(1 - solid.mean())
    return {
        "schema": 1, "porosity": porosity, "pore_size_mean_um": 601.0, "pore_size_sd_um": 120.0,
        "definition": "volume-weighted mean local thickness of the pore phase",
        "pore_networks": 1, "percolates": {"x": True, "y": True, "z": True},
        "wall_thickness_mean_um": 140.0, "specific_surface_per_mm": 4.1, "uncertainty_um": 20.0,
        "criteria": [
            {"name": "porosity", "value": porosity, "limit": ">= 0.9", "verdict": "pass"},
            {"name": "pore size", "value": 601.0, "limit": "300 to 1200", "verdict": "pass"},
        ],
    }  # fmt: skip
