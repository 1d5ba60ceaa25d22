"""What is reported about a state: one row of metrics.csv.

All columns exist from the first; what is not modelled or does not apply is None (empty in the
file), never 0. Columns are only ever appended. A row follows from the state alone, so a resumed
run writes the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import histomorphometry, scores
from scaffoldsim.model.bone_surface import formation, surface
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
    "bone_in_pore",
    "tb_th_um",
    "tb_sp_um",
    "tb_n_per_mm",
    "bs_bv_per_mm",
    "conn_d_per_mm3",
    "ov_bv",
    "ob_s_bs",
    "mar_um_per_d",
    "bfr_bs_um_per_d",
    "bone_scaffold_contact",
    "empty_lacunae_fraction",
    "largest_bone_piece",
    "adiposity",
    "scaffold_mass",
    "molecular_weight",
    "stiffness_voigt_MPa",
    "stiffness_reuss_MPa",
    "time_to_collapse_h",
    "lesion_fraction",
    "bmd_g_per_cm3",
    "t_score",
    "bone_laid_mm3",
    "bone_resorbed_mm3",
    "host_bone_resorbed_mm3",
    "dead_buried",
    "acid_released_mol",
    "calcium_released_mol",
    "strontium_released_mol",
    "score_c1",
    "score_c2",
    "score_c3",
    "score_c4",
    "score_c5",
    "risk_near_pd_max",
    "risk_mitogenic_gene",
    "risk_allogeneic",
    "risk_xenogeneic",
    "risk_jaw_necrosis",
    "risk_breast_cancer",
    "perfused_density_mm_per_mm3",
    "vessel_depth_um",
    "vessel_tips",
    "roi_bone_fraction",
    "roi_vessel_density_mm_per_mm3",
    "dead_immune",
    "cells_not_stromal",
)

#: columns that only rows at the time of a frame have: they take surfaces, distances or labels
STRUCTURE: tuple[str, ...] = (
    "tb_th_um",
    "tb_sp_um",
    "tb_n_per_mm",
    "bs_bv_per_mm",
    "conn_d_per_mm3",
    "ob_s_bs",
    "mar_um_per_d",
    "bfr_bs_um_per_d",
    "bone_scaffold_contact",
    "largest_bone_piece",
    "lesion_fraction",
    "score_c4",
)
#: bone over the box below which nothing is told of its surface or shape: a few voxels have none
_LEAST_BONE = 1e-3
#: oxygen below which a cell counts as hypoxic: 1 % O2, 7.6 mmHg at 1.3e-3 mM/mmHg
HYPOXIC_MM = 0.0099


#: share of living cells → the type it counts
_SHARES = {
    "chondrogenic_share": "chondrocyte",
    "endothelial_share": "endothelial",
    "senescent_share": "senescent",
}


def row(model: "Model", *, structure: bool = False) -> dict[str, Any]:
    """Return the metrics of `model` now, by column; None where not modelled.

    Parameters
    ----------
    model
        At the end of a step.
    structure
        Whether to measure the columns of `STRUCTURE` too, which takes seconds on large boxes.
    """
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
    values["cells_graft"] = n - int(np.count_nonzero(_of(model, cells.origin, "host")))
    values["cells_born"] = ledger.born
    values["cells_delivered"] = ledger.delivered
    values["cells_left"] = ledger.left
    values["cells_not_stromal"] = ledger.not_stromal
    for cause, count in ledger.died.items():
        if f"dead_{cause}" in values:
            values[f"dead_{cause}"] = count
    if model.immunity is None:
        values["dead_immune"] = None
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
    values |= _risks(model)
    tissue = model.tissue
    solid = Solid.of(tissue)
    values |= _volumes(model, tissue, solid)
    values |= _around(model, tissue, solid)
    values |= _load(tissue)
    values |= _vessels(model)
    if structure:
        values |= _surfaces(model, tissue, solid)
        values |= _structure(model, tissue, solid)
    values |= _scores(model, values, tissue, structure=structure)
    return values


def _of(model: "Model", origin: NDArray[np.uint8], source: str) -> NDArray[np.bool_]:
    """Which cells are from a source; none where cells of it cannot be."""
    names = model.ledger.origins
    place = names.index(source) if source in names else -1
    mask: NDArray[np.bool_] = origin == place
    return mask


def _given(model: "Model", source: str) -> int:
    """Cells of a source that were given so far."""
    origin = model.ledger.origins.index(source)
    return int(model.ledger.entries["delivered"][origin].sum())


@dataclass(frozen=True)
class Solid:
    """Shares of each voxel, put together once a row.

    Attributes
    ----------
    scaffold, osteoid, host, bone : ndarray of float32, shape (nx, ny, nz)
        Bone is osteoid, new mineral and the bone of the host.
    phases : Phases
        To which each voxel belongs.
    """

    scaffold: NDArray[np.float32]
    osteoid: NDArray[np.float32]
    host: NDArray[np.float32]
    bone: NDArray[np.float32]
    phases: histomorphometry.Phases

    @classmethod
    def of(cls, tissue: Any) -> "Solid":
        """Take them from the tissue of a model."""
        matrix, scaffold = tissue.matrix, tissue.degradation.fraction
        first, second, third = matrix.osteoid
        osteoid = first + second + third
        bone = osteoid + matrix.mineral + matrix.host
        return cls(scaffold, osteoid, matrix.host, bone, histomorphometry.Phases.of(scaffold, bone))


def _sum(array: NDArray[np.float32]) -> float:
    return float(array.sum(dtype=np.float64))


def _volumes(model: "Model", tissue: Any, solid: Solid) -> dict[str, Any]:
    """Shares of volume, and what the books of the matrix say."""
    matrix, n = tissue.matrix, model.grid.n_voxels
    osteoid, mineral, host = _sum(solid.osteoid), _sum(matrix.mineral), _sum(solid.host)
    scaffold = _sum(solid.scaffold)
    pores, bone = n - scaffold, osteoid + mineral + host
    books = matrix.ledger
    free = pores - bone
    fat = 0
    if "adipocyte" in model.cells.types:
        fat = int(np.count_nonzero(model.cells.type == model.cells.types.index("adipocyte")))
    return {
        "bv_tv": (osteoid + mineral) / n,
        "mv_tv": mineral / n,
        "host_bone_fraction": host / n,
        "scaffold_fraction": scaffold / n,
        # a millionth of a voxel is rounding, no pore
        "roi_bone_fraction": _bone_in_region(model, solid, matrix.mineral),
        "bone_in_pore": (osteoid + mineral) / pores if pores > 1e-6 * n else None,
        "ov_bv": osteoid / bone if bone > 0 else None,
        "adiposity": min(1.0, fat / free) if free > 1e-6 * n else None,
        "bone_laid_mm3": books.laid * 1e9,
        "bone_resorbed_mm3": books.resorbed_new * 1e9,
        "host_bone_resorbed_mm3": books.resorbed_host * 1e9,
        "scaffold_mass": tissue.degradation.mass,
        "molecular_weight": tissue.degradation.mean_molecular_weight,
        **{f"{product}_released_mol": mol for product, mol in tissue.release.given.items()},
    }


def _bone_in_region(model: "Model", solid: Solid, mineral: NDArray[np.float32]) -> float | None:
    """New bone over what is not scaffold in the region of interest."""
    region = model.place.region
    open_ = float(np.sum(1 - solid.scaffold, where=region, dtype=np.float64))
    if open_ <= 1e-6 * np.count_nonzero(region):
        return None
    found = sum(
        float(np.sum(each, where=region, dtype=np.float64)) for each in (solid.osteoid, mineral)
    )
    return found / open_


def _surfaces(model: "Model", tissue: Any, solid: Solid) -> dict[str, Any]:
    """What is told per surface of bone, and how much of the scaffold bone touches."""
    grid, matrix, phases = model.grid, tissue.matrix, solid.phases
    voxel, wraps = grid.voxel, grid.periodic
    found: dict[str, Any] = {}
    bone = int(np.count_nonzero(phases.bone))
    told = bone >= _LEAST_BONE * grid.n_voxels
    if told:
        of_bone = surface(
            phases.bone, phases.pore, solid.scaffold + solid.bone, voxel=voxel, periodic=wraps
        )
        found["bs_bv_per_mm"] = of_bone.total / (bone * grid.voxel_volume) * 1e-3
        if of_bone.total and "osteoblast" in model.cells.types:
            held = np.zeros(grid.n_voxels, bool)
            index = model.cells.types.index("osteoblast")
            held[model.cells.voxel[model.cells.type == index]] = True
            found["ob_s_bs"] = of_bone.of(held) / of_bone.total
        # the last of the three stages becomes mineral, each lasts a third of the mean time
        rate = 3.0 / matrix.mineralisation_time * tissue.throughout(model.rates, "mineralisation")
        mar, bfr = formation(of_bone, solid.osteoid, rate * _sum(matrix.osteoid[2]), voxel=voxel)
        per_day = 86400e6
        found["mar_um_per_d"] = None if mar is None else mar * per_day
        found["bfr_bs_um_per_d"] = None if bfr is None else bfr * per_day
    if phases.scaffold.any():
        found["bone_scaffold_contact"] = 0.0
        if bone:
            wall = surface(
                phases.scaffold, ~phases.scaffold, solid.scaffold, voxel=voxel, periodic=wraps
            )
            touched = float(wall.area[phases.bone.ravel()[wall.outer]].sum())
            found["bone_scaffold_contact"] = touched / wall.total if wall.total else None
    return found


def _around(model: "Model", tissue: Any, solid: Solid) -> dict[str, Any]:
    """What is told of dead bone, and of the host's mineral."""
    cells, grid, matrix, host = model.cells, model.grid, tissue.matrix, tissue.hostbone
    found: dict[str, Any] = {}
    living = dead = 0
    if "osteocyte" in cells.types:
        index = cells.types.index("osteocyte")
        living = int(np.count_nonzero(cells.type == index))
        dead = int(model.ledger.entries["died"][:, :, index].sum())
    found["empty_lacunae_fraction"] = histomorphometry.empty_lacunae(
        living,
        dead,
        host=_sum(solid.host) * grid.voxel_volume,
        host_dead=host.dead_share(solid.host),
    )
    density = host.bmd(matrix.mineral, matrix.host)
    found["bmd_g_per_cm3"] = None if density is None else density * 1e-3
    found["t_score"] = host.t_score(density)
    return found


def _load(tissue: Any) -> dict[str, Any]:
    mechanics = tissue.mechanics
    failed = mechanics.time_to_collapse
    return {
        "stiffness_MPa": mechanics.stiffness * 1e-6,
        "stiffness_voigt_MPa": mechanics.voigt * 1e-6,
        "stiffness_reuss_MPa": mechanics.reuss * 1e-6,
        "collapse_index": mechanics.collapse_index,
        "time_to_collapse_h": None if failed is None else failed / 3600,
    }


def _vessels(model: "Model") -> dict[str, Any]:
    """What is told of the host's vessels; nothing where it has none."""
    if model.circulation is None:
        return {}
    vessels, region = model.circulation.vessels, model.place.region
    edges = vessels.graph.edges
    voxels = edges["voxels"][vessels.carries]
    inside = (voxels >= 0) & region.reshape(-1)[np.maximum(voxels, 0)]
    share = inside.sum(axis=1) / np.maximum((voxels >= 0).sum(axis=1), 1)
    length = float((edges["length"][vessels.carries] * share).sum())
    volume = np.count_nonzero(region) * model.grid.voxel_volume
    return {
        "roi_vessel_density_mm_per_mm3": length / volume * 1e-6,
        "vessel_density_mm_per_mm3": vessels.density * 1e-6,
        "perfused_density_mm_per_mm3": vessels.perfused_density * 1e-6,
        "vessel_depth_um": vessels.depth * 1e6,
        "vessel_tips": vessels.tips.n,
    }


def _structure(model: "Model", tissue: Any, solid: Solid) -> dict[str, Any]:
    """What takes distances and labels."""
    grid = model.grid
    found = histomorphometry.structure(
        solid.phases,
        solid.phases.bone & (solid.bone >= 2 * solid.host),  # more new bone than old
        voxel=grid.voxel,
        periodic=grid.periodic,
        threads=model.lattice.threads,
    )
    lesion = None
    if tissue.supplied is not None:
        lesion = histomorphometry.lesion(
            tissue.supplied,
            model.place.region & ~solid.phases.scaffold,
            model.cells.voxel,
            voxel=grid.voxel,
            distance=float(tissue.matrix.bone.supply_distance),
            periodic=grid.periodic,
            threads=model.lattice.threads,
        )

    def in_unit(value: float | None, scale: float) -> float | None:
        return None if value is None else value * scale

    told = np.count_nonzero(solid.phases.bone) >= _LEAST_BONE * grid.n_voxels
    return {
        "tb_th_um": in_unit(found.thickness, 1e6) if told else None,
        "tb_sp_um": in_unit(found.spacing, 1e6),
        "tb_n_per_mm": in_unit(found.number, 1e-3) if told else None,
        "conn_d_per_mm3": in_unit(found.connectivity, 1e-9),
        "largest_bone_piece": found.largest,
        "lesion_fraction": lesion,
    }


def _scores(
    model: "Model", values: dict[str, Any], tissue: Any, *, structure: bool
) -> dict[str, Any]:
    """The five criteria."""
    material, source = model.scaffold.material, model.config.cells.source
    found: dict[str, Any] = {
        "score_c1": scores.compatibility(
            None if material is None else float(material.immunogenicity),
            source if _given(model, source) else None,
        )
    }
    if material is not None:
        found["score_c3"] = scores.interface(material.adhesion, material.osteoconductivity)
    if structure and model.scaffold.solid.any() and not model.scaffold.solid.all():
        shape = model.scaffold.measure(model.lattice.threads)
        if shape.pore_size_mean_um is not None:
            found["score_c4"] = scores.pores(shape.porosity, shape.pore_size_mean_um * 1e-6)
    if material is not None and values["bone_in_pore"] is not None:
        half = material.degradation.time_to_half_mass
        found["score_c2"] = scores.pace(half, values["bone_in_pore"], model.seconds)
    mechanics = tissue.mechanics
    found["score_c5"] = scores.strength(
        mechanics.lowest, mechanics.stiffness, mechanics.collapse_index
    )
    return found


def _risks(model: "Model") -> dict[str, Any]:
    """Plain flags: 1 or 0, and the share of cells near their last division."""
    cells, config = model.cells, model.config
    mask = sum(1 << bit for bit, each in enumerate(config.cells.genes) if each.gene.mitogenic)
    found: dict[str, Any] = {
        "risk_near_pd_max": scores.near_limit(
            cells.doublings, cells.type, config.cell_types.values(), model.rates.signals.q
        ),
        "risk_mitogenic_gene": int(bool((cells.genes & mask).any())),
    }
    if config.host.setting == "in_vivo":
        for source in ("allogeneic", "xenogeneic"):
            found[f"risk_{source}"] = int(_given(model, source) > 0)
        named = scores.given_risks(config.exposures, model.seconds)
        found["risk_jaw_necrosis"] = int("jaw_necrosis" in named)
        found["risk_breast_cancer"] = int("breast_cancer" in named)
    return found
