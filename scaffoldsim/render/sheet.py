"""Many scaffolds on one sheet: `render_sheet`, a raster a tile, the letters by matplotlib."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.render import gl, slices
from scaffoldsim.render.scene import Scene
from scaffoldsim.render.still import FONT, GREY, RenderResult
from scaffoldsim.run.atomic import write_atomic
from scaffoldsim.solver.inputs import thread_count

_DPI = 200
_MARGIN = 0.03  # free share of a tile on each side
_TEXT = 0.47  # height of the letters below a tile, in (three lines)
_HEADING = 0.34  # height of a heading, in
#: A sheet has one hue: in so many colours it shows no bands, and the file is a third as large.
_COLOURS = 64


@dataclass(frozen=True)
class Tile:
    """One scaffold of a sheet.

    Attributes
    ----------
    title, subtitle : str
        Two lines below the picture.
    distance : array (x, y, z)
        Signed distance to the solid, m, > 0 in the pore.
    voxel : float
        Edge of a voxel, m.
    warning : str
        A third line, in italics.
    heading : str
        Tiles with the same heading that follow each other stand together under it.
    """

    title: str
    subtitle: str
    distance: npt.NDArray[Any]
    voxel: float
    warning: str = ""
    heading: str = ""


def render_sheet(
    tiles: Iterable[Tile],
    out: str | os.PathLike[str],
    *,
    columns: int = 5,
    pixels: int = 300,
    scene: str | os.PathLike[str] = "cutaway",
) -> RenderResult:
    """Draw scaffolds side by side as a PNG, each box as large as its tile, without a cut.

    Parameters
    ----------
    tiles : iterable of Tile
        Taken one by one, so that a generator computes the next while others are drawn.
    out : path
        The picture; its folder is made if need be.
    columns : int
        Tiles in a row.
    pixels : int
        Edge of a tile, 100 to 2000.
    scene : str or path
        A scene of the catalogue: its camera, lights and colours.

    Returns
    -------
    RenderResult
        Where the picture is, and whether it is 3-D; a tile that is not shows its middle slice.

    Raises
    ------
    ValueError
        If there is no tile, or columns, pixels or the scene are not possible.

    Examples
    --------
    >>> ball = np.linalg.norm(np.indices((9, 9, 9)) - 4, axis=0) * 1e-5 - 3e-5
    >>> render_sheet([Tile("ball", "60 um", ball, 1e-5)], "balls.png").kind  # doctest: +SKIP
    '3d'
    """
    if columns < 1:
        raise ValueError(f"columns: {columns} is not possible; at least 1 is needed")
    if not 100 <= pixels <= 2000:
        raise ValueError(f"pixels: {pixels} to a tile is not possible; 100 to 2000 are")
    look = replace(Scene.load(scene), cut_share=0.0, margins=(_MARGIN,) * 4)
    with ThreadPoolExecutor(thread_count(None)) as pool:
        started = [(tile, pool.submit(_raster, tile, look, pixels)) for tile in tiles]
        drawn = [(tile, *work.result()) for tile, work in started]
    if not drawn:
        raise ValueError("tiles: there is none; a sheet needs at least one")
    _compose([(tile, raster) for tile, raster, _ in drawn], Path(out), columns, pixels)
    notes = [note for _, _, note in drawn if note]
    if notes:
        return RenderResult(Path(out), "slices", f"slices instead of 3-D pictures: {notes[0]}")
    return RenderResult(Path(out), "3d")


def _raster(tile: Tile, scene: Scene, pixels: int) -> tuple[npt.NDArray[np.uint8], str]:
    """Draw a tile; also why it is a slice, or nothing."""
    distance = np.asarray(tile.distance, dtype=np.float32)
    size = (pixels, pixels)
    try:
        settings = {"scene": scene.to_dict(), "voxel": float(tile.voxel), "size": size}
        return gl.draw({"distance": distance}, settings)[0], ""
    except gl.NoGraphicsError as error:
        return slices.middle(distance, scene, size), str(error)


def _compose(
    drawn: list[tuple[Tile, npt.NDArray[np.uint8]]], out: Path, columns: int, pixels: int
) -> None:
    """Place the tiles and their letters, row by row from the top."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    edge = pixels / _DPI
    points = 7.8 * edge / 1.7  # the longest subtitle just fits below its tile
    blocks = [(h, list(block)) for h, block in groupby(drawn, lambda each: each[0].heading)]
    rows = sum(-(-len(block) // columns) for _, block in blocks)
    headings = sum(bool(heading) for heading, _ in blocks)
    width, height = columns * edge, rows * (edge + _TEXT) + headings * _HEADING + 0.05
    with mpl.rc_context(FONT):
        figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        top = height
        for heading, block in blocks:
            if heading:
                figure.text(
                    0.1 / width, (top - 0.12) / height, heading, va="top", weight="bold",
                    fontsize=points * 1.35, color="#111111", parse_math=False,
                )  # fmt: skip
                top -= _HEADING
            for start in range(0, len(block), columns):
                for column, (tile, raster) in enumerate(block[start : start + columns]):
                    left = column * edge
                    place = (left / width, (top - edge) / height, edge / width, edge / height)
                    axes = figure.add_axes(place)
                    axes.imshow(raster, interpolation="none", aspect="auto")
                    axes.set_axis_off()
                    lines = (
                        (tile.title, points * 1.1, "#111111", "normal"),
                        (tile.subtitle, points, GREY, "normal"),
                        (tile.warning, points, "#111111", "italic"),
                    )
                    for line, (text, size, colour, style) in enumerate(lines):
                        below = top - edge - 0.01 - 0.135 * line
                        figure.text(
                            (left + edge / 2) / width, below / height, text, ha="center", va="top",
                            fontsize=size, color=colour, style=style, parse_math=False,
                        )  # fmt: skip
                top -= edge + _TEXT
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI)
    picture = Image.open(buffer).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    picture.save(packed, format="PNG", optimize=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, packed.getvalue())
