"""Draw all families on one sheet: ``python viz/plot_families.py [OUT.png] [--only NAME ...]``."""

import argparse

import numpy as np

from scaffoldsim.render import Tile, render_sheet
from scaffoldsim.scaffold.families import family_names, get_family
from scaffoldsim.scaffold.feasibility import WHOLE, highest_porosity, unit_cell
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.implicit import Implicit

CELL, LEAST = 1e-3, 1.25  # edge of a unit cell, m; walls at least, voxels
NETS, SHEETS = "Nets: one side of a surface is solid", "Sheets: the surface is the wall"
STRUTS, PORES = "Struts, filaments and fibres", "Packings, foam and gel"
BLOCKS = {"tpms": NETS, "spinodoid": NETS, "struts": STRUTS, "logpile": STRUTS, "fibres": STRUTS}


def tile(title, family, voxels):
    """A box of two periods, or of one cell of a random family, at 90 % or the most it can be."""
    heading = SHEETS if family.sheet else BLOCKS.get(type(family).__module__.split(".")[-1], PORES)
    if not family.walls:
        return Tile(title, "no walls", np.ones((voxels,) * 3), CELL, heading=heading)
    porosity, warning = 0.90, ""
    if unit_cell(family, porosity).whole < WHOLE:
        most = highest_porosity(family)
        porosity, warning = int(20 * most) / 20, f"in pieces above {100 * most:.0f} %"
    cell, family = unit_cell(family, porosity), family.fitted(porosity)
    periods = 1.0 if family.random else 2.0
    periods /= 1 + (cell.wall * voxels < LEAST * periods)  # fewer, so that thin walls are whole
    grid = Grid((voxels,) * 3, periods * CELL / voxels)
    implicit = Implicit(family, grid, tuple(CELL * edge for edge in family.cell))
    distance = implicit.distance(implicit.values(), cell.level)
    subtitle = f"{100 * porosity:.0f} %, pore {cell.pore:.2f} of the cell"
    return Tile(title, subtitle, distance, grid.voxel, warning, heading)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out", nargs="?", default="families.png")
parser.add_argument("--only", nargs="+", default=family_names(), metavar="NAME")
parser.add_argument("--voxels", type=int, default=96)  # along each edge of a box
options = parser.parse_args()
shown = {name: get_family(name) for name in options.only}
if "logpile" in shown:
    shown["logpile, 0/60/120"] = get_family("logpile", {"pattern": "0/60/120"})
tiles = [tile(title, shown[title], options.voxels) for title in sorted(shown)]
order = [NETS, SHEETS, STRUTS, PORES]
tiles.sort(key=lambda each: (order.index(each.heading), each.title == "gel"))
result = render_sheet(tiles, options.out)
print(result.path, result.note)
