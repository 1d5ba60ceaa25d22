"""A Run to pictures."""

from scaffoldsim.render.still import RenderResult, render_scaffold, render_still, scaffold_raster

__all__ = ["RenderResult", "render_scaffold", "render_still", "scaffold_raster"]
