"""The picture without 3-D: three orthogonal slices through the middle, drawn by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scaffoldsim.render.scene import Scene
from scaffoldsim.render.vessels import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scaffoldsim.render.frame import Frame

_PLANES = (("x", "y", 2), ("x", "z", 1), ("y", "z", 0))
#: Left and bottom of each panel; the fourth quarter holds the legend.
_PLACES = ((0.08, 0.53), (0.08, 0.075), (0.56, 0.075))
_TITLES = {2: "top view, middle of z", 1: "front view, middle of y", 0: "side view, middle of x"}


def compose(frame: Frame, scene: Scene, size: tuple[int, int]) -> Figure:
    """Draw scaffold, bone, cells, vessels and the field in the three middle planes.

    Parameters
    ----------
    frame : Frame
        What to show.
    scene : Scene
        Its colours and limits; camera, lights and cut do not matter here.
    size : (width, height)
        Pixels.

    Returns
    -------
    Figure
        For `still.save` or `still.raster_of`.
    """
    from matplotlib.colors import ListedColormap

    from scaffoldsim.render import phases, still

    scale = size[1] / 1200
    figure = still._figure(size)
    still.heading(figure, frame, scale=scale)
    edges = np.array(frame.distance.shape) * frame.voxel * 1e6
    width, height = 0.40, 0.335
    for (first, second, axis), (left, bottom) in zip(_PLANES, _PLACES, strict=True):
        axes = figure.add_axes((left, bottom, width, height))
        a, b = "xyz".index(first), "xyz".index(second)
        middle = frame.distance.shape[axis] // 2
        extent = (0.0, edges[a], 0.0, edges[b])
        if frame.field is not None:
            axes.imshow(
                frame.field.take(middle, axis).T, origin="lower", extent=extent,
                cmap=scene.colormap, vmin=scene.limits[0], vmax=scene.limits[1],
            )  # fmt: skip
        if frame.parts:
            cut = {name: share.take(middle, axis) for name, share in frame.parts.items()}
            shown = phases.kinds(cut)
        else:
            shown = (frame.distance.take(middle, axis) < 0).astype(int)
        paints = [getattr(scene, name).color for name in frame.parts or ("scaffold",)]
        axes.imshow(
            np.where(shown > 0, shown, np.nan).T, origin="lower", extent=extent,
            cmap=ListedColormap(paints), vmin=0.5, vmax=len(paints) + 0.5,
        )  # fmt: skip
        near = np.abs(frame.centres[:, axis] - (middle + 0.5) * frame.voxel) < frame.voxel / 2
        # Points per µm of the axes: a cell is drawn as large as it is.
        points = min(width * size[0] / edges[a], height * size[1] / edges[b]) * 72 / still._DPI
        for code, name in enumerate(frame.type_names):
            chosen = near & (frame.types == code)
            axes.scatter(
                frame.centres[chosen, a] * 1e6, frame.centres[chosen, b] * 1e6,
                s=(scene.cell_diameter * 1e6 * points) ** 2, color=scene.paint(name).color,
                edgecolors="white", linewidths=0.25 * scale,
            )  # fmt: skip
        _vessels(axes, frame, scene, (a, b, axis), points)
        axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
        axes.set_title(_TITLES[axis], fontsize=9.5 * scale, loc="left", pad=6 * scale)
        axes.set_xlabel(f"{first} (µm)", fontsize=9 * scale, labelpad=4 * scale)
        axes.set_ylabel(f"{second} (µm)", fontsize=9 * scale, labelpad=4 * scale)
        axes.tick_params(
            labelsize=8 * scale, pad=3.5 * scale, length=3.5 * scale, width=0.8 * scale
        )
        for spine in axes.spines.values():
            spine.set_linewidth(0.8 * scale)
    if frame.counts():
        still.cell_legend(figure.add_axes((0.56, 0.53, 0.2, height)), frame, scene, scale)
    if frame.field is not None:
        bar = figure.add_axes((0.82, 0.53, 0.0175, height))
        still.colour_bar(figure, bar, frame, scene, scale)
    return figure


def _vessels(
    axes: Axes, frame: Frame, scene: Scene, planes: tuple[int, int, int], points: float
) -> None:
    """Add the vessels within a voxel of a middle plane, as wide as the scene draws them."""
    from matplotlib.collections import LineCollection

    if frame.vessels is None or scene.vessels is None or not len(frame.vessels["ends"]):
        return
    a, b, axis = planes
    size = np.array(frame.distance.shape) * frame.voxel
    ends, _, edge = wrapped(frame.vessels["ends"], frame.vessels["nodes"], size)
    at = (frame.distance.shape[axis] // 2 + 0.5) * frame.voxel
    near = np.abs(ends[:, :, axis].mean(axis=1) - at) < frame.voxel
    carries = frame.vessels["carries"][edge]
    wide = 2e6 * scene.vessels.width * float(np.median(frame.vessels["radius"])) * points
    for paint, chosen in ((scene.vessels.growing, ~carries), (scene.vessels.perfused, carries)):
        some = ends[near & chosen][:, :, [a, b]] * 1e6
        axes.add_collection(
            LineCollection(list(some), colors=paint.color, linewidths=wide, capstyle="round")
        )


def middle(
    distance: npt.NDArray[np.float32], scene: Scene, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Raster of the middle slice along z, x to the right and y up, centred on the background.

    Parameters
    ----------
    distance : (x, y, z) array
        m, < 0 in the solid.
    scene : Scene
        Its colours.
    size : (width, height)
        Pixels of the raster.
    """
    from PIL import Image, ImageOps

    solid = distance[:, ::-1, distance.shape[2] // 2].T < 0
    grey = Image.fromarray(np.where(solid, 255, 0).astype(np.uint8))
    inner = (round(0.8 * size[0]), round(0.8 * size[1]))
    grey = ImageOps.contain(grey, inner, Image.Resampling.BICUBIC)
    drawn = ImageOps.colorize(grey, scene.background, scene.scaffold.color)
    drawn = ImageOps.expand(drawn, 1, scene.box.color)
    sheet = Image.new("RGB", size, scene.background)
    sheet.paste(drawn, ((size[0] - drawn.width) // 2, (size[1] - drawn.height) // 2))
    return np.asarray(sheet)
