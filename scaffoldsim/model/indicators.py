"""What is reported about a state: one row of metrics.csv.

All columns exist from the first; what is not modelled or does not apply is None (empty in the
file), never 0. Columns are only ever appended.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from scaffoldsim.model.species import SHOWN

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model

#: columns of metrics.csv, in order
COLUMNS: tuple[str, ...] = (
    "time_h",
    "cells_total",
    "cells_bmsc",
    "cells_preosteoblast",
    "cells_osteoblast",
    "cells_osteocyte",
    "cells_adipocyte",
    "cells_chondrocyte",
    "cells_endothelial",
    "cells_senescent",
    "cells_dead",
    "cells_graft",
    "bv_tv",
    "mv_tv",
    "host_bone_fraction",
    "vessel_density_mm_per_mm3",
    "oxygen_mean_mM",
    "oxygen_p05_mM",
    "scaffold_fraction",
    "stiffness_MPa",
    "collapse_index",
    "viability",
    "osteogenic_share",
    "adipocyte_share",
    "cells_per_mm3",
    "coverage",
    "core_cells_per_mm3",
    "oxygen_at_cells_mM",
    "hypoxic_share",
    "population_doublings_mean",
    "cells_born",
    "dead_basal",
    "dead_ischaemic",
    "dead_lifespan",
    "vegf_mean_ng_per_mL",
    "bmp2_mean_ng_per_mL",
    "bfgf_mean_ng_per_mL",
    "sdf1_mean_ng_per_mL",
    "lactic_acid_mean_mM",
    "calcium_mean_mM",
    "strontium_mean_mM",
    "pdgf_mean_ng_per_mL",
    "chondrogenic_share",
    "endothelial_share",
    "senescent_share",
    "cells_delivered",
    "cells_left",
)

#: oxygen below which a cell counts as hypoxic: 1 % O2, 7.6 mmHg at 1.3e-3 mM/mmHg
HYPOXIC_MM = 0.0099


#: share of living cells → the type it counts
_SHARES = {
    "chondrogenic_share": "chondrocyte",
    "endothelial_share": "endothelial",
    "senescent_share": "senescent",
}


def row(model: "Model") -> dict[str, Any]:
    """Return the metrics of `model` now, by column; None where not modelled."""
    cells, grid = model.cells, model.grid
    n = cells.n
    counts = dict(
        zip(cells.types, np.bincount(cells.type, minlength=len(cells.types)), strict=True)
    )
    values: dict[str, Any] = dict.fromkeys(COLUMNS)
    values["time_h"] = model.seconds / 3600
    values["cells_total"] = n
    for name, count in counts.items():
        if f"cells_{name}" in values:
            values[f"cells_{name}"] = int(count)
    ledger = model.ledger
    values["cells_dead"] = sum(ledger.died.values())
    values["cells_graft"] = n
    values["cells_born"] = ledger.born
    values["cells_delivered"] = ledger.delivered
    values["cells_left"] = ledger.left
    for cause, count in ledger.died.items():
        if f"dead_{cause}" in values:
            values[f"dead_{cause}"] = count
    values["scaffold_fraction"] = float(model.scaffold.fraction.mean(dtype=np.float64))
    if "oxygen" in model.fields.species:
        oxygen = model.fields.in_pores("oxygen")
        if oxygen.size:
            values["oxygen_p05_mM"] = float(np.percentile(oxygen, 5))
    for name, entry in model.fields.species.items():
        unit, scale = SHOWN[entry.unit]
        column, mean = f"{name}_mean_{unit.replace('/', '_per_')}", model.fields.mean(name)
        if column in values and mean is not None:
            values[column] = mean * scale
    box = grid.n_voxels * grid.voxel_volume
    values["cells_per_mm3"] = n / (box * 1e9)
    near = model.lattice.near_surface.ravel()
    if near.any() and model.scaffold.solid.any():
        values["coverage"] = float(np.count_nonzero(near[cells.voxel]) / np.count_nonzero(near))
    core = model.fields.core.ravel()
    if core.any():
        volume = np.count_nonzero(core) * grid.voxel_volume * 1e9
        values["core_cells_per_mm3"] = float(np.count_nonzero(core[cells.voxel]) / volume)
    total = n + values["cells_dead"]
    if total:
        values["viability"] = n / total
    if n:
        osteogenic = counts.get("preosteoblast", 0) + counts.get("osteoblast", 0)
        values["osteogenic_share"] = int(osteogenic) / n
        values["adipocyte_share"] = int(counts.get("adipocyte", 0)) / n
        for share, name in _SHARES.items():
            if name in counts:
                values[share] = int(counts[name]) / n
        values["population_doublings_mean"] = float(cells.doublings.mean(dtype=np.float64))
        if "oxygen" in model.fields.species:
            at_cells = model.fields.at(cells.voxel, "oxygen")
            values["oxygen_at_cells_mM"] = float(at_cells.mean(dtype=np.float64))
            values["hypoxic_share"] = float(np.count_nonzero(at_cells < HYPOXIC_MM) / n)
    return values
