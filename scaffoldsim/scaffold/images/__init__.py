"""Scaffolds from images and meshes: one module for each format, sampling, and telling solid apart.

Every format becomes a `stack.Stack`: what its header says, and grey values read a plane at a time.
"""

from scaffoldsim.scaffold.images.reading import Image, image_grid, read_image
from scaffoldsim.scaffold.images.stack import BadImage

__all__ = ["BadImage", "Image", "image_grid", "read_image"]
