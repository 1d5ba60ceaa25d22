"""Every family × porosity × pore size: built within tolerance, or refused for the right reason.

``make evidence`` runs the whole table and prints it; ``make test`` a sample of it.
"""

import re

import pytest

from scaffoldsim.scaffold.design import Infeasible, solve
from scaffoldsim.scaffold.families import family_names, get_family
from scaffoldsim.scaffold.feasibility import unit_cell

#: Porosity up to which the solid is in one piece, as measured before the project began with other
#: code (fibres, salt and log-piles: with this code); sheets are whole at any. Families that are not
#: here fall apart below 90 %.
WHOLE_UP_TO = {
    "gyroid_net": 0.98,
    "iwp_net": 0.986,
    "diamond_net": 0.914,
    "cubic": 0.97,
    "bcc": 0.97,
    "fcc": 0.97,
    "octet": 0.97,
    "diamond_strut": 0.97,
    "kelvin": 0.97,
    "rhombic_dodecahedron": 0.97,
    "opal_fcc": 0.935,
    "opal_bcc": 0.988,
    "voronoi_foam": 0.98,
    "fibres": 0.98,
    "salt_leached": 0.92,
    "logpile": 0.97,
}
POROSITIES = (0.90, 0.92, 0.95)
PORES = (300e-6, 600e-6, 1200e-6)
SAMPLE = {
    ("gyroid_net", 0.95, 300e-6),
    ("diamond_net", 0.92, 600e-6),
    ("primitive_sheet", 0.92, 1200e-6),
    ("split_p_net", 0.90, 600e-6),
    ("kelvin", 0.92, 600e-6),
    ("cubic", 0.90, 300e-6),
    ("logpile", 0.92, 600e-6),
    ("opal_fcc", 0.95, 600e-6),
    ("voronoi_foam", 0.90, 600e-6),
    ("spinodoid", 0.90, 600e-6),
}
FAMILIES = [name for name in family_names() if get_family(name).walls]
BOX = 90  # voxels
FIXED = 20e-6  # m, the voxel of runs with cells


def whole(name, porosity):
    return name.endswith("_sheet") or porosity <= WHOLE_UP_TO.get(name, 0)


def outcome(name, porosity, pore_size, voxel):
    """What became of a periodic box of some 90 voxels or one period, and the figures to print.

    In a single small period every pore meets the voxels alike, and sizes come in steps of a voxel.
    """
    family = get_family(name)
    cell = unit_cell(family, porosity)
    length = pore_size / cell.pore
    cells = [length * edge for edge in family.fitted(porosity).cell]
    edges = [max(1, round(BOX * voxel / edge)) * edge for edge in cells]
    walls = cell.wall * length / voxel
    try:
        built = solve(
            family,
            porosity=porosity,
            pore_size=pore_size,
            size=(edges[0], edges[1], edges[2]),
            voxel=voxel,
            periodic=(True, True, True),
        )
    except Infeasible as error:
        return walls, None, error.reasons
    return walls, built, built.notes


def check(name, porosity, pore_size, voxel):
    """Assert the outcome that FACTS and the walls demand; return the line of the table."""
    walls, built, words = outcome(name, porosity, pore_size, voxel)
    said = " ".join(words)
    line = f"{name:22} {porosity:.2f} {pore_size * 1e6:5.0f} um at {voxel * 1e6:5.1f} um: "
    line += f"walls {walls:4.1f} voxels: "
    if not whole(name, porosity):
        assert built is None
        assert "the solid falls into pieces" in said
        highest = re.search(r"up to about (\d+) %", said)
        assert highest is not None
        assert int(highest[1]) <= 100 * porosity
        return line + "refused: in pieces"
    if walls < 1:
        assert built is None
        assert "at least 1 is needed, 2 advised" in said
        return line + "refused: walls under a voxel"
    if built is None:
        # Walls of 1 to 2 voxels may still break on the real grid. So may those of packings, whose
        # necks are thinner than the mean, where voxels are coarser than pore / 30.
        uneven = get_family(name).wall(1.0) is None and voxel > 1.01 * pore_size / 30
        assert walls < (4 if uneven else 2), said
        assert "the wall breaks into pieces" in said
        return line + "refused: walls break on this grid"
    assert abs(built.porosity - porosity) <= 0.002
    assert abs(built.pore_size / pore_size - 1) <= 0.02
    assert ("2 are advised" in said) == (walls < 2) or abs(walls - 2) < 0.12  # as built
    warned = ", warned" if "2 are advised" in said else ""
    return line + f"built, {built.porosity:.4f}, {built.pore_size * 1e6:.1f} um{warned}"


def case(name, porosity, pore_size):
    marks = () if (name, porosity, pore_size) in SAMPLE else (pytest.mark.evidence,)
    return pytest.param(
        name, porosity, pore_size, marks=marks, id=f"{name}-{porosity:.2f}-{pore_size * 1e6:.0f}"
    )


@pytest.mark.parametrize(
    ("name", "porosity", "pore_size"),
    [case(name, p, d) for name in FAMILIES for p in POROSITIES for d in PORES],
)
def test_family(name, porosity, pore_size):
    for voxel in (pore_size / 30, FIXED):
        print(check(name, porosity, pore_size, voxel))
