"""What the report of a run says of bone, scaffold and load: charts, five criteria, risks.

All of it is read from columns of ``metrics.csv``; where a column is missing or empty, as in a run
of an older version, what it would show is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scaffoldsim.compare import curves, metrics
from scaffoldsim.compare.curves import Line

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

_BONE, _MINERAL, _HOST, _SCAFFOLD = "#B0573D", "#5E2A1A", "#8A8173", "#0072B2"
#: Column, criterion and what its score is made of; the formulas are in docs/metrics.md.
_CRITERIA = (
    ("score_c1", "C1 compatible", "1 − immunogenicity of material and cells"),
    ("score_c2", "C2 gives way to bone", "its half-life against the half-time of bone formed"),
    ("score_c3", "C3 taken by cells", "adhesion and osteoconductivity"),
    ("score_c4", "C4 open", "porosity of 90 % and more, pores of 300 to 1200 µm"),
    ("score_c5", "C5 strong enough", "lowest stiffness so far against what the load needs"),
)
_RISKS = (
    ("risk_near_pd_max", "Cells near their last division (senescence)"),
    ("risk_mitogenic_gene", "A gene that drives division"),
    ("risk_allogeneic", "Cells or tissue of another individual (allogeneic)"),
    ("risk_xenogeneic", "Cells or tissue of another species (xenogeneic)"),
    ("risk_jaw_necrosis", "A drug linked to osteonecrosis of the jaw"),
    ("risk_breast_cancer", "A drug linked to breast cancer"),
)


def last(table: pd.DataFrame, name: str) -> float:
    """Return the last value of a column that is there; NaN without any.

    Some columns are measured at the times of frames only.

    Examples
    --------
    >>> import pandas as pd
    >>> last(pd.DataFrame({"score_c4": [1.0, 0.5, None]}), "score_c4")
    0.5
    """
    values = metrics.column(table, name)
    there = values[np.isfinite(values)]
    return float(there[-1]) if there.size else float("nan")


def figures(table: pd.DataFrame, days: Array) -> list[tuple[str, str, str]]:
    """Title, caption and SVG of each chart that has something to show."""

    def line(label: str, colour: str, name: str, scale: float = 1.0, dashed: bool = False) -> Line:
        values = scale * metrics.column(table, name)
        there = np.isfinite(values)  # rows between two frames lack some columns: no gaps for that
        return Line(label, colour, days[there], values[there], dashed=dashed)

    bone = [
        line("new bone", _BONE, "bv_tv", 100),
        line("mineralised", _MINERAL, "mv_tv", 100),
        line("host bone", _HOST, "host_bone_fraction", 100, True),
    ]
    filled = [line("new bone", _BONE, "bone_in_pore", 100)]
    left = [
        line("mass", _SCAFFOLD, "scaffold_mass", 100),
        line("mol. weight", "#56B4E9", "molecular_weight", 100, True),
    ]
    turned = [
        line("laid", _BONE, "bone_laid_mm3"),
        line("new resorbed", "#CC79A7", "bone_resorbed_mm3"),
        line("host resorbed", _HOST, "host_bone_resorbed_mm3", 1, True),
    ]
    stiffness = [_between(table, days)]
    collapse = [line("index", "#117733", "collapse_index")]
    density = [_change(line("BMD", _HOST, "bmd_g_per_cm3"))]
    drawn = [
        ("Bone", "Share of the whole box (BV/TV). New bone is osteoid and mineralised bone.",
         _chart(bone, "share of the box (%)", "Bone over time")),
        ("Bone in the pores", "New bone as a share of the volume that is not scaffold.",
         _chart(filled, "share of the pores (%)", "Bone in the pores over time")),
        ("Bone laid and resorbed", "Volume since the start.",
         _chart(turned, "volume (mm³)", "Bone laid and resorbed since the start")),
        ("Bone mineral density", _density(table),
         _chart(density, "change since the start (%)", "Change of bone mineral density over time",
                from_zero=False)),
        ("Scaffold left", "Share of the start. A polymer loses molecular weight before mass.",
         _chart(left, "share of the start (%)", "Mass and molecular weight of the scaffold")),
        ("Stiffness", "Of scaffold and bone along the load. Band: what such a mixture can have at "
         "least and at most (Reuss and Voigt bounds).",
         _chart(stiffness, "modulus (MPa)", "Stiffness of the construct over time", log=True)),
        ("Collapse index", "Strain of the weakest layer over that of collapse: it fails above 1.",
         _chart(collapse, "index", "Collapse index over time")),
    ]  # fmt: skip
    return [chart for chart in drawn if chart[2]]


def criteria(table: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the table of the five criteria, at the end; none where the run has no score."""
    rows = [
        {"name": name, "value": f"{last(table, column):.2f}", "meaning": meaning}
        for column, name, meaning in _CRITERIA
        if np.isfinite(last(table, column))
    ]
    return rows


def risks(table: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the flags of risk, at the end: a share in %, yes or no."""
    rows = []
    for column, name in _RISKS:
        value = last(table, column)
        if np.isfinite(value):
            share = column == "risk_near_pd_max"
            said = f"{100 * value:.1f} %" if share else ("yes" if value > 0 else "no")
            rows.append({"name": name, "value": said, "raised": "yes" if said == "yes" else ""})
    return rows


def _between(table: pd.DataFrame, days: Array) -> Line:
    """Stiffness with its bounds as a band."""
    low, mean, high = (
        metrics.column(table, name)
        for name in ("stiffness_reuss_MPa", "stiffness_MPa", "stiffness_voigt_MPa")
    )
    bounded = np.isfinite(low) & np.isfinite(high)
    band = (low, high) if bounded.any() else (None, None)
    return Line("construct", "#117733", days, mean, *band)


def _change(line: Line) -> Line:
    """Return a curve as its change since the start, %."""
    start = line.y[0] if line.y.size else 0.0
    change = 100 * (line.y / start - 1) if start > 0 else np.full(line.y.shape, np.nan)
    return replace(line, y=change)


def _density(table: pd.DataFrame) -> str:
    """Say what bone mineral density was and is."""
    values = metrics.column(table, "bmd_g_per_cm3")
    there = values[np.isfinite(values)]
    if not there.size:
        return ""
    return f"New and host bone over the box: {there[0]:.3f} g/cm³ at first, {there[-1]:.3f} now."


def _chart(lines: list[Line], y_label: str, alt: str, **how: bool) -> str:
    """Draw curves over the days; those of nothing but zeros are left out."""
    shown = [line for line in lines if np.any(line.y[np.isfinite(line.y)] != 0)]
    return curves.curves(shown, x_label="day", y_label=y_label, alt=alt, **how)
