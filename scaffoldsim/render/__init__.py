"""A Run to pictures."""

from scaffoldsim.render.movie import movie_suffix, render_movie
from scaffoldsim.render.sheet import Tile, render_sheet
from scaffoldsim.render.still import RenderResult, render_scaffold, render_still
from scaffoldsim.render.viewer import write_view

__all__ = [
    "RenderResult",
    "Tile",
    "movie_suffix",
    "render_movie",
    "render_scaffold",
    "render_sheet",
    "render_still",
    "write_view",
]
