"""A Run to pictures."""

from scaffoldsim.render.sheet import Tile, render_sheet
from scaffoldsim.render.still import RenderResult, render_scaffold, render_still
from scaffoldsim.render.viewer import write_view

__all__ = [
    "RenderResult",
    "Tile",
    "render_scaffold",
    "render_sheet",
    "render_still",
    "write_view",
]
