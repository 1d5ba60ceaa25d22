"""What a run comes to: one number per outcome, from a stored run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.run.record import Run

if TYPE_CHECKING:
    import pandas as pd


Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """One outcome of a run.

    Attributes
    ----------
    name : str
        Column in tables.
    label, unit : str
        For people.
    digits : int
        Decimals that are shown.
    scale : float
        Factor between the stored value and the one shown (100 for per cent).
    judged : bool
        Whether arms are compared on it; the shape of a scaffold is shown, not judged.
    framed : bool
        Whether only rows at the time of a frame have it.
    """

    name: str
    label: str
    unit: str
    digits: int = 1
    scale: float = 1.0
    judged: bool = True
    framed: bool = False

    def text(self, value: float) -> str:
        """Write the value as shown, "–" where there is none."""
        if not math.isfinite(value):
            return "–"
        return f"{value * self.scale:,.{self.digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


#: In the order of the tables.
OUTCOMES: tuple[Outcome, ...] = (
    Outcome("bone_in_pore", "New bone over pore volume", "%", 1, 100),
    Outcome("cells", "Cells", "", 0),
    Outcome("osteogenic_share", "Osteogenic share of live cells", "%", 1, 100),
    Outcome("osteoblasts", "Osteoblasts", "", 0),
    Outcome("adipocyte_share", "Adipocyte share of live cells", "%", 1, 100),
    Outcome("viability", "Viability", "%", 1, 100),
    Outcome("oxygen_p05_mM", "Oxygen, 5th percentile of the pore", "mM", 3),
    Outcome("stiffness_MPa", "Stiffness", "MPa", 1),
    Outcome("scaffold_mass", "Scaffold left", "%", 1, 100, judged=False),
    Outcome("porosity", "Porosity", "%", 1, 100, judged=False),
    Outcome("pore_size_um", "Pore size", "µm", 0, judged=False),
)

#: Further outcomes that a study may name; they stand in no table of `compare`.
_MORE: tuple[Outcome, ...] = (
    Outcome("bmsc", "Stromal cells (BMSC)", "", 0),
    Outcome("preosteoblasts", "Pre-osteoblasts", "", 0),
    Outcome("osteogenic_cells", "Pre-osteoblasts and osteoblasts", "", 0),
    Outcome("adipocytes", "Adipocytes", "", 0),
    Outcome("chondrocytes", "Chondrocytes", "", 0),
    Outcome("endothelial", "Endothelial-like cells", "", 0),
    Outcome("senescent", "Senescent cells", "", 0),
    Outcome("senescent_share", "Senescent share of live cells", "%", 2, 100),
    Outcome("born", "Cells born", "", 0),
    Outcome("dead", "Cells that died", "", 0),
    Outcome("population_doublings_mean", "Doublings behind a cell, mean", "", 2),
    Outcome("osteocytes", "Osteocytes", "", 0),
    Outcome("bv_tv", "New bone over the box, BV/TV", "%", 1, 100),
    Outcome("mv_tv", "New mineral over the box", "%", 1, 100),
    # a product, so that it has a ratio between arms where one of them collapsed
    Outcome("standing_bone", "New bone over the box × strength so far (C5)", "%", 2, 100),
    Outcome("host_bone_fraction", "Bone of the host over the box", "%", 1, 100),
    Outcome("tb_th_um", "Trabecular thickness, Tb.Th", "µm", 0, framed=True),
    Outcome("tb_sp_um", "Trabecular separation, Tb.Sp", "µm", 0, framed=True),
    Outcome("tb_n_per_mm", "Trabecular number, Tb.N", "1/mm", 2, framed=True),
    Outcome("bs_bv_per_mm", "Bone surface over volume, BS/BV", "1/mm", 1, framed=True),
    Outcome("conn_d_per_mm3", "Connectivity density, Conn.D", "1/mm³", 1, framed=True),
    Outcome("ov_bv", "Osteoid over bone volume, OV/BV", "%", 1, 100),
    Outcome("ob_s_bs", "Osteoblast surface, Ob.S/BS", "%", 1, 100, framed=True),
    Outcome("mar_um_per_d", "Mineral apposition rate, MAR", "µm/d", 2, framed=True),
    Outcome("bfr_bs_um_per_d", "Bone formation rate, BFR/BS", "µm/d", 2, framed=True),
    Outcome(
        "bone_scaffold_contact", "Scaffold surface that bone touches", "%", 1, 100, framed=True
    ),
    Outcome("empty_lacunae_fraction", "Empty lacunae", "%", 1, 100),
    Outcome(
        "largest_bone_piece", "Largest piece of new bone over the box", "%", 2, 100, framed=True
    ),
    Outcome("adiposity", "Adipocytes over marrow volume", "%", 2, 100),
    Outcome("molecular_weight", "Molecular weight left", "%", 1, 100),
    Outcome("collapse_index", "Collapse index", "", 2),
    Outcome("time_to_collapse_h", "Time to collapse", "h", 0),
    Outcome("lesion_fraction", "Lesion over what is not scaffold", "%", 1, 100, framed=True),
    Outcome("bmd_g_per_cm3", "Bone mineral density", "g/cm³", 3),
    Outcome("t_score", "T-score", "", 1),
    Outcome("bone_laid_mm3", "Osteoid laid", "mm³", 3),
    Outcome("bone_resorbed_mm3", "New bone resorbed", "mm³", 3),
    Outcome("host_bone_resorbed_mm3", "Bone of the host resorbed", "mm³", 3),
    *(
        Outcome(f"score_{name}", f"Criterion {name.upper()}, score", "", 2, framed=name == "c4")
        for name in ("c1", "c2", "c3", "c4", "c5")
    ),
    Outcome("risk_near_pd_max", "Cells near their last division", "%", 1, 100),
    Outcome("vessel_density_mm_per_mm3", "Vessels", "mm/mm³", 1),
    Outcome("perfused_density_mm_per_mm3", "Vessels that carry blood", "mm/mm³", 1),
    Outcome("vessel_depth_um", "Depth of vessels", "µm", 0),
    Outcome("roi_bone_fraction", "New bone in the region of interest", "%", 1, 100),
    Outcome("roi_vessel_density_mm_per_mm3", "Vessels with blood in the region", "mm/mm³", 1),
)


def column(table: pd.DataFrame, name: str) -> Array:
    """Read a column as floats, NaN where the run has none: what is not modelled is not 0."""
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name], dtype=np.float64)


def series(table: pd.DataFrame, name: str) -> Array:
    """Return an outcome over time, from the columns of ``metrics.csv``.

    Shares are of live cells: with fate, the dividing pool drains, so that counts alone mislead.

    Parameters
    ----------
    table : DataFrame
        The metrics of a run.
    name : str
        One of `courses`, or the ratio of two of them: ``osteogenic_share / adipocyte_share``. A
        ratio to zero is infinite, of zero to zero NaN.

    Raises
    ------
    ValueError
        If the outcome is not one over time.
    """
    parts = [part.strip() for part in name.split("/")]
    for part in parts:
        if part not in _SERIES or len(parts) > 2:
            raise ValueError(f"{name!r} has no course over time (those that have: {courses()})")
    found = []
    for part in parts:
        direct = column(table, part)
        found.append(np.where(np.isfinite(direct), direct, _SERIES[part](table)))
    if len(found) == 1:
        return found[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = found[0] / found[1]
    return ratio


def courses() -> list[str]:
    """Names of all outcomes that have a course over time.

    Examples
    --------
    >>> "osteogenic_share" in courses()
    True
    """
    return sorted(_SERIES)


def outcome(name: str) -> Outcome:
    """Return how an outcome, or a ratio of two, is shown.

    Examples
    --------
    >>> outcome("osteogenic_share").unit
    '%'
    >>> outcome("osteogenic_share / adipocyte_share").label
    'Osteogenic share of live cells ÷ adipocyte share of live cells'
    """
    known = {o.name: o for o in (*OUTCOMES, *_MORE)}
    if name in known:
        return known[name]
    labels = [known[p].label if p in known else p for p in map(str.strip, name.split("/"))]
    label = " ÷ ".join([labels[0], *(each[0].lower() + each[1:] for each in labels[1:])])
    parts = [known[p] for p in map(str.strip, name.split("/")) if p in known]
    return Outcome(name, label, "", 2, framed=any(part.framed for part in parts))


def value_at(run: Run, name: str, seconds: float) -> float:
    """Return an outcome of a run at a time, NaN where no row of its metrics is of that time.

    Examples
    --------
    >>> value_at(Run("runs/a"), "viability", 14 * 86400)  # doctest: +SKIP
    0.98
    """
    times = column(run.metrics, "time_h")
    # Rows stand at whole steps; half a minute is below the shortest one.
    row = np.flatnonzero(np.abs(times - seconds / 3600) < 0.5 / 60)
    return float(series(run.metrics, name)[row[0]]) if row.size else math.nan


def endpoints(run: Run) -> dict[str, float]:
    """Every outcome at the end of a run, NaN where the run does not say.

    Raises
    ------
    ValueError
        If the run has no row of metrics.

    Examples
    --------
    >>> endpoints(Run("runs/a"))["viability"]  # doctest: +SKIP
    0.98
    """
    table = run.metrics
    if not len(table):
        raise ValueError(f"{run.path} has no metrics yet (status {run.status})")
    values = {o.name: float(series(table, o.name)[-1]) for o in OUTCOMES if o.name in _SERIES}
    shape = run.morphometry or {}
    porosity = shape.get("porosity")
    if porosity is None:
        solid = column(table, "scaffold_fraction")
        porosity = 1 - solid[0]
    values["porosity"] = float(porosity)
    values["pore_size_um"] = float(shape.get("pore_size_mean_um") or math.nan)
    return values


def _share(*names: str) -> Callable[[pd.DataFrame], Array]:
    def of(table: pd.DataFrame) -> Array:
        part = np.zeros(len(table))
        for name in names:
            part += column(table, name)
        live = column(table, "cells_total")
        return _ratio(part, live)

    return of


def _viability(table: pd.DataFrame) -> Array:
    live, dead = column(table, "cells_total"), column(table, "cells_dead")
    both = live + dead
    return _ratio(live, both)


def _ratio(part: Array, whole: Array) -> Array:
    """Divide, NaN where the whole is not above zero."""
    ratio: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio


_SERIES: dict[str, Callable[[Any], Array]] = {
    "cells": lambda table: column(table, "cells_total"),
    "osteogenic_share": _share("cells_preosteoblast", "cells_osteoblast"),
    "osteoblasts": lambda table: column(table, "cells_osteoblast"),
    "adipocyte_share": _share("cells_adipocyte"),
    "viability": _viability,
    "bmsc": lambda table: column(table, "cells_bmsc"),
    "preosteoblasts": lambda table: column(table, "cells_preosteoblast"),
    "osteogenic_cells": lambda table: (
        column(table, "cells_preosteoblast") + column(table, "cells_osteoblast")
    ),
    "adipocytes": lambda table: column(table, "cells_adipocyte"),
    "chondrocytes": lambda table: column(table, "cells_chondrocyte"),
    "endothelial": lambda table: column(table, "cells_endothelial"),
    "senescent": lambda table: column(table, "cells_senescent"),
    "senescent_share": _share("cells_senescent"),
    "born": lambda table: column(table, "cells_born"),
    "dead": lambda table: column(table, "cells_dead"),
    "osteocytes": lambda table: column(table, "cells_osteocyte"),
    "standing_bone": lambda table: column(table, "bv_tv") * column(table, "score_c5"),
}
#: outcomes that are a column of the same name; porosity and pore size have no course
_SERIES |= {
    o.name: partial(column, name=o.name)
    for o in (*OUTCOMES, *_MORE)
    if o.name not in _SERIES and o.name not in ("porosity", "pore_size_um")
}
