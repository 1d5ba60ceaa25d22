"""Draw every family on one sheet: ``python viz/plot_families.py [OUT.png] [--only NAME ...]``."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from scaffoldsim.render import scaffold_raster
from scaffoldsim.render.scene import Scene
from scaffoldsim.scaffold.families import family_names, get_family
from scaffoldsim.scaffold.feasibility import WHOLE, highest_porosity, unit_cell
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.implicit import Implicit

WIDE, CELL, LEAST = 5, 1e-3, 1.25  # tiles in a row; edge of a unit cell, m; wall, voxels
SCENE = replace(Scene.load("cutaway"), cut_share=0.0, margins=(0.02, 0.02, 0.02, 0.02))
BLOCKS = ("Nets: one side of a surface is solid", "Sheets: a wall along the surface", "Struts, filaments and fibres", "Packings, foam and gel")  # fmt: skip
KINDS = {"tpms": 0, "spinodoid": 0, "struts": 2, "logpile": 2, "fibres": 2}


def tile(family, voxels):
    """Raster, note and text of a box of one or two periods, at 90 % or the most that holds."""
    if not family.walls:
        return *scaffold_raster(np.ones((voxels,) * 3), CELL, scene=SCENE), "no walls"
    porosity, limit = 0.90, ""
    if unit_cell(family, porosity).whole < WHOLE:
        most = highest_porosity(family)
        porosity, limit = int(20 * most) / 20, f"\nin pieces above {100 * most:.0f} %"
    cell, family = unit_cell(family, porosity), family.fitted(porosity)
    periods = (0.5, 1) if family.random else (1, 2)  # half, where two would leave walls unresolved
    edge = CELL * periods[cell.wall * voxels >= LEAST * periods[1]]
    implicit = Implicit(family, Grid((voxels,) * 3, edge / voxels), tuple(CELL * share for share in family.cell))  # fmt: skip
    raster = scaffold_raster(implicit.distance(implicit.values(), cell.level), edge / voxels, scene=SCENE)  # fmt: skip
    return *raster, f"{100 * porosity:.0f} %, pore {cell.pore:.2f} of the cell{limit}"
