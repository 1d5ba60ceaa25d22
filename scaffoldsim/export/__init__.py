"""A Run to files of other programs."""

from scaffoldsim.export.formats import FORMATS, write

__all__ = ["FORMATS", "write"]
