"""What an interactive page is made of: cells, solid, vessels and a field of a frame as arrays.

A `Shape` is one thing that is drawn in one colour from one frame to another; `drawable` makes an
object of k3d of it. Lengths are µm, rounded to `_GRAIN`, so that they pack well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scaffoldsim.render import layers, phases, vessels
from scaffoldsim.render.frame import Frame
from scaffoldsim.render.scene import Scene

_UM = 1e6
_GRAIN = 0.25
#: What a cut through a solid shows is so much darker than its lit surface.
_CUT_SHADE = 0.86
#: A field is shown in so many steps of its colour bar, from `BASE` on (half floats hold them all),
#: and in at most so many voxels an edge.
BASE, _STEPS = 256, 255
_FIELD_EDGE = 128
#: A voxel without a value. Between it and one with a value all steps are passed at once, so that no
#: rim of other colours is seen.
NONE = -60_000
_SIDES = 8
#: A solid that changes is contoured at half the voxel on grids of up to so many.
_FINE_BELOW = 50**3

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shape:
    """One thing of the page.

    Attributes
    ----------
    row : str
        What row of the legend it belongs to: a cell type, a kind of vessels, a part of the solid,
        or a field.
    kind : str
        ``points``, ``mesh``, ``lines`` or ``slice``.
    color : str
        ``#RRGGBB``; of a slice, the name of a colormap.
    arrays : mapping of str to array
        ``at`` (n, 3) µm, for a mesh and lines with ``index`` (m, 3 or 2); of a slice, ``value``
        (x, y, z), see `levels`.
    first, last : int
        Frames of the page from and to which it is seen.
    size : float
        Diameter of points, radius of tubes, µm; lines without one are hairlines.
    inside : str
        Colour of the back of a mesh, which is what a cut through it shows; "" for none.
    lit : bool
        Whether light falls on a mesh; else it has its colour everywhere.
    """

    row: str
    kind: str
    color: str
    arrays: Mapping[str, Array]
    first: int
    last: int
    size: float = 0.0
    inside: str = ""
    lit: bool = True


class Look(NamedTuple):
    """What is seen in a frame: its solid, and all else."""

    solid: list[Shape]
    rest: list[Shape]


def of_frame(
    frame: Frame, scene: Scene, factor: int = 1, *, solid: list[Shape] | None = None
) -> Look:
    """Return all that is seen in a frame of a run.

    Parameters
    ----------
    frame : Frame
        As a picture shows it.
    scene : Scene
        Its colours and sizes.
    factor : int
        So many voxels of an edge make one of the grid whose solid is contoured.
    solid : list of Shape, optional
        The solid, if it is known.
    """
    parts = {name: coarse(share, factor) for name, share in (frame.parts or {}).items()}
    built = None if frame.built is None else coarse(frame.built, factor)
    h = frame.voxel * _UM * factor
    depth = phases.solid_depth(coarse(frame.distance, factor) * np.float32(_UM), h, parts, built)
    rest = [*cells(frame, scene, depth, h), *tubes(frame, scene)]
    value = None if frame.field is None else levels(frame.field, scene.limits)
    if value is not None:
        rest.append(Shape(scene.field, "slice", scene.colormap, {"value": value}, 0, 0))
    return Look(solid or list(solids(frame, scene, depth, phases.leads(parts), h)), rest)


def cells(frame: Frame, scene: Scene, depth: Array, h: float) -> Iterator[Shape]:
    """Yield the cells, a shape for each type that is there, none of them sunk into a wall."""
    radius = scene.cell_diameter * _UM / 2
    centres = lifted(frame.centres * _UM, radius, depth, h)
    for code, name in enumerate(frame.type_names):
        at = centres[frame.types == code]
        if len(at):
            arrays = {"at": rounded(at)}
            yield Shape(name, "points", scene.paint(name).color, arrays, 0, 0, size=2 * radius)


def lifted(centres: Array, radius: float, depth: Array, h: float) -> Array:
    """Move balls in a pore that a wall would cut off it, by little more than their radius at most.

    A cell is as wide as a voxel, and the wall may be anywhere near the border of the voxel: what is
    within the wall would be seen in a cut through it. One whose voxel is solid stays (an
    osteocyte). The wall is `depth` / abs(grad `depth`) away, `depth` < 0 in the pore, on voxels
    of `h`.
    """
    from scipy import ndimage

    if not len(centres):
        return centres

    def look(at: Array, order: int = 1) -> Array:
        place = at.T / h - 0.5
        found: Array = ndimage.map_coordinates(depth, place, order=order, mode="nearest")
        return found

    moved = centres.astype(np.float64)
    free = look(moved, order=0) < 0
    for _ in range(2):  # where a wall bends, once is not enough
        slope = np.stack(
            [look(moved + step) - look(moved - step) for step in 0.5 * h * np.eye(3)], axis=1
        ) / h  # fmt: skip
        steep = np.sqrt((slope * slope).sum(axis=1))
        gap = -look(moved) / np.maximum(steep, 0.1)
        push = np.where(free, np.clip(radius - gap, 0, radius), 0.0)
        moved -= slope / np.maximum(steep, 1e-12)[:, None] * push[:, None]
    return moved


def solids(
    frame: Frame, scene: Scene, depth: Array, leads: Mapping[str, Array], h: float
) -> Iterator[Shape]:
    """Yield the surface of the solid, one mesh for each of its parts, and where two parts meet.

    The surface is that of still pictures. Its back is painted as the part is, so that a cut
    anywhere looks solid; where parts meet inside, a mesh that only a cut shows has the colour of
    one part on its front and of the other on its back.
    """
    size = np.array(frame.distance.shape) * frame.voxel * _UM
    whole = layers._Cut(np.array(depth.shape) * h, np.ones(3), 0.0, h)
    surface = layers.closed_surface(
        depth, h, whole, fine=frame.parts is None or depth.size <= _FINE_BELOW
    )
    for name, piece in layers.split(surface, leads, h).items():
        arrays = _triangles(piece, size)
        if len(arrays["index"]):
            color = getattr(scene, name).color
            yield Shape(name, "mesh", color, arrays, 0, 0, inside=shaded(color, _CUT_SHADE))
    for one, other, between in _interfaces(depth, leads, h):
        arrays = _triangles(between, size)
        if len(arrays["index"]):
            # its normals point out of `one`: who is within `one` sees its back
            colors = [shaded(getattr(scene, name).color, _CUT_SHADE) for name in (one, other)]
            yield Shape(other, "mesh", colors[1], arrays, 0, 0, inside=colors[0], lit=False)


def tubes(frame: Frame, scene: Scene) -> Iterator[Shape]:
    """Yield the axes of the vessels, with blood and without, and a cone at every tip."""
    if frame.vessels is None or scene.vessels is None:
        return
    network = {**frame.vessels}
    network |= {name: network[name] * _UM for name in ("ends", "tips", "radius")}
    if not len(network["ends"]) + len(network["tips"]):
        return
    traced = vessels.trace(network, np.array(frame.distance.shape) * frame.voxel * _UM)
    width = scene.vessels.width
    for kind in ("growing", "perfused"):
        own = [(path, wide) for path, wide in traced.courses(kind) if len(path) > 1]
        if not own:
            continue
        points = [vessels.smooth(path, 1) for path, _ in own]
        count = np.array([len(path) for path in points])
        begins = np.delete(np.arange(count.sum()), np.cumsum(count) - 1)
        arrays = {
            "at": rounded(np.concatenate(points)),
            "index": np.stack([begins, begins + 1], axis=1).astype(np.uint32),
        }
        color = getattr(scene.vessels, kind).color
        wide = width * float(np.median([wide for _, wide in own]))
        yield Shape(kind, "lines", color, arrays, 0, 0, size=wide)
    heads = traced.heads(width)
    if heads is not None:
        arrays = _triangles(heads, None)
        yield Shape("tip", "mesh", scene.vessels.tip.color, arrays, 0, 0)


def outline(size: Array, color: str, last: int) -> Shape:
    """Return the edges of a box, seen in all frames up to `last`."""
    corners = np.argwhere(np.ones((2, 2, 2)))
    pairs = [
        (a, b) for a, b in combinations(range(8), 2) if np.abs(corners[a] - corners[b]).sum() == 1
    ]
    arrays = {"at": rounded(corners * size), "index": np.array(pairs, np.uint32)}
    return Shape("box", "lines", color, arrays, 0, last)


def levels(field: Array, limits: tuple[float, float]) -> Array | None:
    """Return a field in steps of its colour bar, (x, y, z) int32; None if it has no value.

    The bar begins at `BASE`; a voxel without a value is `NONE`, which is not drawn. A slice has to
    reach into the wall a little, so that no gap shows: voxels that have no value beside one that
    has take it over.

    Examples
    --------
    >>> levels(np.array([[[0.0, np.nan, np.nan, np.nan, 0.1, 0.3]]]), (0.0, 0.2)).tolist()
    [[[256, 256, -60000, 383, 383, 511]]]
    """
    from scipy import ndimage

    known = np.isfinite(field)
    if not known.any():
        return None
    if not known.all():
        place = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        field = field[tuple(place)]
    factor = -(-max(field.shape) // _FIELD_EDGE)
    known = coarse(known.astype(np.float32), factor) > 0
    low, high = limits
    steps: Array = np.clip((coarse(field, factor) - low) / (high - low), 0, 1) * _STEPS
    return np.where(ndimage.binary_dilation(known), BASE + steps, NONE).astype(np.int32)


def coarse(values: Array, factor: int) -> Array:
    """Mean of `factor`³ voxels; the last ones of an axis may stand for less.

    Examples
    --------
    >>> coarse(np.array([[[1.0, 3.0, 5.0]]]), 2).tolist()
    [[[2.0, 5.0]]]
    """
    if factor == 1:
        return values
    for axis in range(3):
        first = np.arange(0, values.shape[axis], factor)
        count = np.diff(np.append(first, values.shape[axis]))
        shape = [1, 1, 1]
        shape[axis] = len(count)
        values = np.add.reduceat(values, first, axis=axis) / count.reshape(shape)
    return values.astype(np.float32)


def rounded(at: Array) -> Array:
    """Round places to a quarter of a µm: far below what is seen, and half the size when packed."""
    places: Array = (np.round(np.asarray(at) / _GRAIN) * _GRAIN).astype(np.float32)
    return places


def shaded(color: str, share: float) -> str:
    """Return a darker colour.

    Examples
    --------
    >>> shaded("#8000FF", 0.5)
    '#400080'
    """
    return "#" + "".join(f"{round(share * int(color[i : i + 2], 16)):02X}" for i in (1, 3, 5))


def _interfaces(
    depth: Array, leads: Mapping[str, Array], h: float
) -> Iterator[tuple[str, str, Any]]:
    """Yield two parts and the surface between them within the solid, its normals out of the first.

    Where parts meet, both have a lead of 0 and all others less.
    """
    import pyvista as pv
    from scipy import ndimage

    def kept(surface: Any, values: Array) -> Any:
        """Return where `values`, looked up at the points, are above 0."""
        if not surface.n_cells:
            return surface
        at = np.asarray(surface.points, dtype=np.float64).T / h - 0.5
        surface["kept"] = ndimage.map_coordinates(values, at, order=1, mode="nearest")
        return surface.clip_scalar(scalars="kept", value=0.0, invert=False)

    for one, other in combinations(leads, 2):
        grid = pv.ImageData(dimensions=depth.shape, spacing=(h,) * 3, origin=(h / 2,) * 3)
        grid["lead"] = leads[one].astype(np.float32).ravel(order="F")
        surface = grid.contour([0.0], scalars="lead", method="flying_edges", compute_normals=False)
        for third in leads.keys() - {one, other}:
            surface = kept(surface, leads[other] - leads[third])
        yield one, other, kept(surface, depth)


def _triangles(surface: Any, size: Array | None) -> dict[str, Array]:
    """Points and triangles of a surface, kept within the box; no triangle without extent."""
    if not surface.n_cells:
        return {"at": np.empty((0, 3), np.float32), "index": np.empty((0, 3), np.uint32)}
    if not surface.is_all_triangles:
        surface = surface.triangulate()
    points = np.asarray(surface.points)
    at = rounded(points if size is None else np.clip(points, 0, size))
    index = np.asarray(surface.faces).reshape(-1, 4)[:, 1:]
    a, b, c = (at[index[:, k]] for k in range(3))
    thick = ~((a == b).all(axis=1) | (b == c).all(axis=1) | (c == a).all(axis=1))
    used, index = np.unique(index[thick], return_inverse=True)
    return {"at": at[used], "index": index.reshape(-1, 3).astype(np.uint32)}


def drawable(shape: Shape, number: int, size: Array) -> Any:
    """Return the object of k3d for a shape; `number` is its id, `size` the box in µm."""
    import k3d

    about = {"row": shape.row, "first": shape.first, "last": shape.last}
    common: dict[str, Any] = {"name": shape.row}
    if shape.kind == "slice":
        import matplotlib

        top = BASE + _STEPS
        ramp = np.linspace(0, 1, 64)
        rgb = matplotlib.colormaps[shape.color](ramp)[:, :3]
        colors = np.column_stack([(BASE + _STEPS * ramp) / top, rgb])
        seen = (BASE - 1) / top
        drawn = k3d.volume_slice(
            np.ascontiguousarray(shape.arrays["value"].T, dtype=np.float16),
            color_map=np.vstack([[0, *rgb[0]], colors]).astype(np.float32),
            opacity_function=np.array([0, 0, seen, 0, seen, 1, 1, 1], np.float32),
            color_range=[0.0, float(top)],
            bounds=[0, size[0], 0, size[1], 0, size[2]],
            **common,
        )
    else:
        color, at = _number(shape.color), shape.arrays["at"]
        if shape.kind == "points":
            drawn = k3d.points(
                at, color=color, point_size=shape.size, shader="3d", roughness=0.6, **common
            )
        elif shape.kind == "lines":
            tube = {"shader": "mesh", "width": shape.size, "radial_segments": _SIDES}
            drawn = k3d.lines(
                at, shape.arrays["index"], indices_type="segment", color=color,
                **(tube if shape.size else {"shader": "simple"}), **common,
            )  # fmt: skip
        else:
            lit = {"color": color} if shape.lit else {"color": 0, "emissive": color}
            drawn = k3d.mesh(
                at, shape.arrays["index"], side="front", flat_shading=False, roughness=0.9,
                **lit, **common,
            )  # fmt: skip
            about |= {"inside": _number(shape.inside)} if shape.inside else {}
    drawn.custom_data = about
    drawn.id = number
    return drawn


def _number(color: str) -> int:
    return int(color[1:], 16)
