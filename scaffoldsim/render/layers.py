"""What a 3-D picture is made of: capped solid, cells, vessels, a field on a wall, the box.

Runs as a process of its own (``python -m scaffoldsim.render.layers FOLDER``), started by `gl.draw`:
a crash inside a graphics driver then ends only the drawing. Lengths inside are µm.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.render import camera, inside, phases
from scaffoldsim.render.vessels import add_vessels

_UM = 1e6
#: Grids up to this many voxels are contoured at half the voxel, for smooth walls.
_REFINE_BELOW = 3_000_000
_FEATURE_ANGLE = 38.0
#: The field lies so many voxels behind the wall of the cut, clear of the bevelled rim of the caps.
_SUNK = 0.25
#: Inside a pore what is nearer to the eye than so many radii of the pore is left out.
_CLEAR = 0.9

Array = npt.NDArray[Any]
#: Where the eye stands in a pore, where it looks (a unit vector), the radius of the pore.
Eye = tuple[Array, Array, float]


class Stage:
    """What is drawn, and the window it is drawn in: one for all pictures of a movie.

    Examples
    --------
    >>> stage = Stage()
    >>> stage.show(arrays, settings)  # doctest: +SKIP
    >>> image, facts = stage.picture(settings)  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._plotter: Any = None
        self._edges: Array = np.zeros(3)
        self._eye: Eye | None = None

    def show(self, arrays: Mapping[str, Array], settings: Mapping[str, Any]) -> None:
        """Put things on the stage, in place of those that were there.

        Parameters
        ----------
        arrays : mapping
            ``distance`` (x, y, z) m, > 0 in the pore; optionally ``centres`` (n, 3) m with
            ``colours`` (n, 3) uint8; optionally ``field`` (x, y, z), NaN where it is not defined;
            optionally ``built`` and one or more of `phases.PARTS` (x, y, z), shares of a voxel;
            optionally the columns of `Run.vessels`, each with ``vessel_`` before its name.
        settings : mapping
            ``scene`` (`Scene.to_dict`), ``voxel`` m, ``size`` (width, height) px. What is chosen
            from the arrays of one picture may be given, so that those of a movie agree:
            ``cut_solid``, whether the cut takes the solid; ``wall``, the axis of the wall with the
            field; ``eye``, see `standing`.
        """
        scene = settings["scene"]
        h = settings["voxel"] * _UM
        solid, parts = _solid(arrays, h)
        leads = phases.leads(parts)
        edges = self._edges = np.array(solid.shape) * h
        cut = cut_of(scene, solid.shape, h)
        plotter = self._window(scene, settings["size"])
        whole = _Cut(edges, cut.corner, 0.0, h)
        taken = settings.get("cut_solid")
        if taken is None:
            taken = scene["cut_bone"] if leads else scene["cut_scaffold"]
        surface = closed_surface(solid, h, cut if taken else whole)
        for name, piece in split(surface, leads, h).items():
            if piece.n_cells:
                plotter.add_mesh(
                    piece,
                    color=scene[name]["color"],
                    smooth_shading=True,
                    ambient=0.34,
                    diffuse=0.75,
                    specular=0.06,
                    specular_power=12,
                )
        network = _network(arrays)
        eye = None
        if scene["angle"]:
            eye = self._eye = _eye(settings.get("eye") or standing([arrays], scene, h / _UM))
        field = arrays.get("field") if cut.active else None
        wall = 2
        if field is not None:
            given = settings.get("wall")
            wall = telling_wall(wall_spreads(field, cut, h)) if given is None else given
        if "centres" in arrays and len(arrays["centres"]):
            radius = scene["cell_diameter"] * _UM / 2
            gap = radius + (_SUNK + 0.05) * h
            centres, kept = cut.visible(arrays["centres"] * _UM, gap, wall)
            clear = ~_in_the_way(centres, eye)
            add_cells(plotter, centres[clear], arrays["colours"][kept][clear], radius)
        if network and scene["vessels"]:
            # behind the wall of the cut by their own radius: none shows through the field
            wide = scene["vessels"]["width"] * float(np.max(network["radius"], initial=0))
            behind = wide + _SUNK * h
            add_vessels(
                plotter,
                network,
                scene["vessels"],
                size=edges,
                width=scene["vessels"]["width"],
                hidden=lambda at: (cut.active & (cut.inside(at) > -behind)) | _in_the_way(at, eye),
            )
        sheet = None if field is None else field_plane(field, -solid, h, cut, wall)
        if sheet is not None and sheet.n_cells:
            plotter.add_mesh(
                sheet,
                scalars="value",
                cmap=scene["colormap"],
                clim=scene["limits"],
                show_scalar_bar=False,
                # Lit by ambient light alone: the colours stay those of the bar. Without lighting
                # the occlusion pass would have no normals here, and stain it.
                ambient=1.0,
                diffuse=0.0,
                specular=0.0,
                n_colors=256,
            )
        if eye is None:
            width = 1.1 * int(scene["supersampling"])
            box = outline(edges, cut)
            plotter.add_mesh(box, color=scene["box"]["color"], line_width=width, lighting=False)

    def _window(self, scene: Mapping[str, Any], size: tuple[int, int]) -> Any:
        """Return the window, empty; its size and effects are those of the first picture."""
        import pyvista as pv

        if self._plotter is not None:
            self._plotter.clear_actors()
            return self._plotter
        fine = int(scene["supersampling"])
        window = [side * fine for side in size]
        plotter: Any = pv.Plotter(off_screen=True, window_size=window, lighting="none")
        plotter.set_background(scene["background"])
        if scene["occlusion"] > 0:
            plotter.enable_ssao(
                radius=float(scene["occlusion"] * self._edges.max()),
                bias=float(0.002 * self._edges.max()),
                kernel_size=32,
                blur=True,
            )
        plotter.suppress_rendering = True  # else each thing put on the stage is rendered at once
        self._plotter = plotter
        return plotter

    def picture(self, settings: Mapping[str, Any]) -> tuple[Array, dict[str, Any]]:
        """Draw what is on the stage.

        Parameters
        ----------
        settings : mapping
            As for `show`; ``turn``, the degrees that the eye has gone round, and ``angles``, all
            those that it goes through in the movie.

        Returns
        -------
        image : (height, width, 3) uint8
            The raster.
        facts : dict
            ``pixels_per_m``; None inside a pore, where nearer things are larger.
        """
        from PIL import Image

        scene, turn, size = settings["scene"], settings.get("turn", 0.0), tuple(settings["size"])
        plotter = self._plotter
        camera.lights(plotter, scene, self._edges, turn)
        facts: dict[str, Any] = {"pixels_per_m": None}
        if self._eye is None:
            angles = settings.get("angles", [turn])
            scale = camera.from_outside(plotter, scene, self._edges, size, angles, turn)
            facts = {"pixels_per_m": scale * _UM}
        else:
            camera.from_within(plotter, scene, *self._eye, turn)
        plotter.suppress_rendering = False
        plotter.render()  # a screenshot alone would show what was drawn before
        raster = Image.fromarray(np.asarray(plotter.screenshot(None, return_img=True)))
        plotter.suppress_rendering = True
        raster = raster.resize(size, Image.Resampling.LANCZOS)
        image: Array = np.asarray(raster.convert("RGB"))
        return image, facts


def _solid(arrays: Mapping[str, Array], h: float) -> tuple[Array, dict[str, Array]]:
    """Depth in the solid, in the unit of `h` (µm), and the shares of its parts."""
    parts = {name: arrays[name] for name in phases.PARTS if name in arrays}
    return phases.solid_depth(arrays["distance"] * _UM, h, parts, arrays.get("built")), parts


def standing(
    moments: Sequence[Mapping[str, Array]], scene: Mapping[str, Any], voxel: float
) -> list[Any]:
    """Choose where to stand in a pore (`inside.view`): open at all moments, and the last one tells.

    Parameters
    ----------
    moments : sequence of mapping
        Arrays as for `Stage.show`.
    scene : mapping
        `Scene.to_dict`.
    voxel : float
        m.

    Returns
    -------
    list
        Eye, direction (three numbers each) and radius of the pore, µm, for the setting ``eye``.
    """
    h = voxel * _UM
    depth = np.max([_solid(arrays, h)[0] for arrays in moments], axis=0)
    targets, weight = _sights(moments[-1], _network(moments[-1]))
    up = np.array(scene["up"], dtype=float)
    eye, look, room = inside.view(depth, h, targets, weight, up=up, angle=scene["angle"])
    return [eye.tolist(), look.tolist(), float(room)]


def _eye(given: Sequence[Any]) -> Eye:
    eye, look, room = given
    return np.array(eye), np.array(look), float(room)


class _Cut:
    """The corner that is taken out, its planes on faces of voxels so that no cell is halved."""

    def __init__(self, edges: Array, corner: Array, share: float, h: float) -> None:
        self.corner, self.edges = corner, edges
        depth = np.round(edges / h * share) * h
        self.planes = np.where(corner > 0, edges - depth, depth)
        self.active = bool(share > 0 and np.all(depth > 0))

    def inside(self, points: Array) -> Array:
        """How deep each point lies in the cut along its shallowest axis; > 0 is cut away."""
        depth: Array = np.min((points - self.planes) * self.corner, axis=-1)
        return depth

    def visible(self, centres: Array, gap: float, wall: int) -> tuple[Array, Array]:
        """Centres of the cells that stay, those behind `wall` pushed back to `gap` from it."""
        if not self.active:
            return centres, np.ones(len(centres), dtype=bool)
        kept = self.inside(centres) <= 0
        centres = centres[kept].copy()
        gaps = (centres - self.planes) * self.corner
        beside = np.all(np.delete(gaps, wall, axis=1) > 0, axis=1)
        centres[beside, wall] += self.corner[wall] * np.minimum(-gap - gaps[beside, wall], 0.0)
        return centres, kept


def cut_of(scene: Mapping[str, Any], shape: Sequence[int], h: float) -> _Cut:
    """Return the cut of a scene (`Scene.to_dict`) through a box of so many voxels of an edge."""
    return _Cut(np.array(shape) * h, np.array(scene["corner"]), scene["cut_share"], h)


def closed_surface(depth: Array, h: float, cut: _Cut, *, fine: bool = True) -> Any:
    """Contour a solid, known by its depth, inside the box and outside the cut.

    The solid, the box and the complement of the cut are all signed distances, so their
    intersection is the smaller value; its zero contour is closed, capped by exact planes. A grid
    that is not too large is contoured at half the voxel if `fine`.
    """
    import pyvista as pv

    solid: Array = np.array(depth, dtype=np.float32)
    shape = solid.shape
    if fine and solid.size <= _REFINE_BELOW:
        solid, step = _refined(solid), h / 2
        origin = h / 4
    else:
        step, origin = h, h / 2
    solid = np.pad(solid, 1, mode="edge")
    origin -= step
    axes = [origin + step * np.arange(n, dtype=np.float32) for n in solid.shape]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    edges = np.array(shape, dtype=np.float32) * np.float32(h)
    for axis, extent in zip((x, y, z), edges, strict=True):
        np.minimum(solid, np.minimum(axis, extent - axis), out=solid)
    if cut.active:
        gaps = [
            (axis - np.float32(plane)) * np.float32(sign)
            for axis, plane, sign in zip((x, y, z), cut.planes, cut.corner, strict=True)
        ]
        removed = np.minimum(np.minimum(gaps[0], gaps[1]), gaps[2])
        np.minimum(solid, -removed, out=solid)
    grid = pv.ImageData(dimensions=solid.shape, spacing=(step,) * 3, origin=(origin,) * 3)
    grid["solid"] = solid.ravel(order="F")
    surface = grid.contour([0.0], scalars="solid", method="flying_edges", compute_normals=False)
    if not surface.n_cells:
        return surface
    return surface.compute_normals(
        feature_angle=_FEATURE_ANGLE,
        split_vertices=True,
        auto_orient_normals=False,
        consistent_normals=False,
    )


def split(surface: Any, leads: Mapping[str, Array], h: float) -> dict[str, Any]:
    """Cut the surface of the solid into those of its parts, along the lines where two are equal."""
    from scipy import ndimage

    if not leads or not surface.n_cells:
        return {"scaffold": surface}
    at = np.asarray(surface.points, dtype=np.float64).T / h - 0.5
    pieces = {}
    for name, lead in leads.items():
        surface["lead"] = ndimage.map_coordinates(lead, at, order=1, mode="nearest")
        pieces[name] = surface.clip_scalar(scalars="lead", value=0.0, invert=False)
    return pieces


def _refined(values: Array) -> Array:
    """Values at the eight quarter points of each voxel, by linear interpolation along each axis."""
    for axis in range(3):
        padded = np.concatenate(
            [values.take([0], axis), values, values.take([-1], axis)], axis=axis
        )
        n = values.shape[axis]
        below, above = padded.take(range(n), axis), padded.take(range(2, n + 2), axis)
        pair = np.stack([0.75 * values + 0.25 * below, 0.75 * values + 0.25 * above], axis + 1)
        shape = list(values.shape)
        shape[axis] = 2 * n
        values = pair.reshape(shape).astype(np.float32)
    return values


def add_cells(plotter: Any, centres: Array, colours: Array, radius: float) -> None:
    """Add cells as true-radius spheres, ray-cast on the card: 100,000 take about a second."""
    import pyvista as pv
    from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLSphereMapper

    points = pv.PolyData(np.ascontiguousarray(centres, dtype=np.float32))
    points["radius"] = np.full(len(centres), radius, dtype=np.float32)
    points["rgb"] = np.ascontiguousarray(colours, dtype=np.uint8)
    mapper = vtkOpenGLSphereMapper()
    mapper.SetInputData(points)
    mapper.SetScaleArray("radius")
    mapper.SetScalarModeToUsePointFieldData()
    mapper.SelectColorArray("rgb")
    mapper.SetColorModeToDirectScalars()
    actor = pv.Actor()
    actor.SetMapper(mapper)
    actor.prop.ambient, actor.prop.diffuse = 0.25, 0.8
    actor.prop.specular, actor.prop.specular_power = 0.12, 20
    plotter.add_actor(actor, reset_camera=False)


def field_plane(field: Array, distance: Array, h: float, cut: _Cut, axis: int) -> Any | None:
    """Show the field on one wall of the cut, where there is pore; None if it has no value there.

    Sampled four times finer than the voxels and clipped by the distance, so that its rim follows
    the wall. It reaches half a voxel under the cap of the scaffold, so that no gap shows.
    """
    import pyvista as pv
    from scipy import ndimage

    plane = cut.planes[axis]
    level = int(np.clip(round(plane / h) - 1, 0, max(field.shape[axis] - 2, 0)))
    slab = np.array(field.take(range(level, min(level + 2, field.shape[axis])), axis), np.float32)
    hollow = ~np.isfinite(slab)
    if hollow.all():
        return None
    nearest = ndimage.distance_transform_edt(hollow, return_distances=False, return_indices=True)
    slab = slab[tuple(nearest)]
    lines, spacing, origin = [], [1.0] * 3, [0.0] * 3
    for k in range(3):
        low, high = (cut.planes[k], cut.edges[k]) if cut.corner[k] > 0 else (0.0, cut.planes[k])
        count = 1 if k == axis else max(2, round((high - low) / h * 4) + 1)
        lines.append(np.linspace(plane if k == axis else low, high, count) / h - 0.5)
        spacing[k] = 1.0 if k == axis else (high - low) / (count - 1)
        origin[k] = plane - _SUNK * h * cut.corner[axis] if k == axis else low
    at = np.stack(np.meshgrid(*lines, indexing="ij"))
    beside = at.copy()
    beside[axis] -= level
    grid = pv.ImageData(dimensions=at.shape[1:], spacing=spacing, origin=origin)
    value = ndimage.map_coordinates(slab, beside, order=1, mode="nearest")
    gap = ndimage.map_coordinates(distance, at, order=1, mode="nearest")
    grid["value"], grid["gap"] = value.ravel(order="F"), gap.ravel(order="F")
    sheet = grid.extract_surface(algorithm=None)
    return sheet.clip_scalar(scalars="gap", value=-0.5 * h, invert=False)


def wall_spreads(field: Array, cut: _Cut, h: float) -> list[float]:
    """By how much the field varies on the walls of the cut at z, y and x, outliers apart."""
    spread = []
    for axis in (2, 1, 0):
        level = int(np.clip(round(cut.planes[axis] / h), 0, field.shape[axis] - 1))
        window = []
        for k in range(3):
            split = round(cut.planes[k] / h)
            window.append(slice(split, None) if cut.corner[k] > 0 else slice(0, split))
        window[axis] = slice(level, level + 1)
        values = field[tuple(window)]
        values = values[np.isfinite(values)]
        spread.append(float(np.ptp(np.quantile(values, [0.02, 0.98]))) if values.size else 0.0)
    return spread


def telling_wall(spreads: Sequence[float]) -> int:
    """Axis of the wall of the cut on which the field varies most; the floor (z) unless much less.

    A field that falls from top to bottom is one flat colour on the floor, and a gradient on a wall.
    """
    favoured = [spreads[0] * 1.5, spreads[1] * 1.05, spreads[2]]
    return 2 - int(np.argmax(favoured))


def outline(edges: Array, cut: _Cut) -> Any:
    """Edges of the box, or of the box without its cut corner."""
    import pyvista as pv

    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    lines = []
    for start in corners:
        for axis in range(3):
            if start[axis]:
                continue
            stop = start.copy()
            stop[axis] = 1
            a, b = start * edges, stop * edges
            if cut.active:
                # An edge of the box that ends in the corner taken out stops at the cut.
                eye = cut.corner > 0
                if (stop == eye).all():
                    b[axis] = cut.planes[axis]
                elif (start == eye).all():
                    a[axis] = cut.planes[axis]
                low, high = np.where(eye, cut.planes, 0.0), np.where(eye, edges, cut.planes)
                if not ((start == eye).all() or (stop == eye).all()):
                    lines.append((np.where(start, high, low), np.where(stop, high, low)))
            lines.append((a, b))
    mesh = pv.MultiBlock([pv.Line(a, b) for a, b in lines])
    return mesh.combine().extract_surface(algorithm=None)


def _in_the_way(points: Array, eye: Eye | None) -> Array:
    """Whether points are so near to the eye that nothing else would be seen."""
    if eye is None:
        return np.zeros(len(points), bool)
    way = points - eye[0]
    near: Array = (way * way).sum(axis=1) < (_CLEAR * eye[2]) ** 2
    return near


def _network(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Columns of the vessels, lengths in µm; empty without any."""
    found = {k.removeprefix("vessel_"): v for k, v in arrays.items() if k.startswith("vessel_")}
    if not found or not len(found["ends"]) + len(found["tips"]):
        return {}
    return found | {name: found[name] * _UM for name in ("ends", "tips", "radius")}


def _sights(arrays: Mapping[str, Array], network: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return what is worth seeing in a pore: vessels, the more with blood, or else cells."""
    if network and len(network["ends"]):
        way = network["ends"][:, 1] - network["ends"][:, 0]
        length = np.sqrt((way * way).sum(axis=1))
        return network["ends"].mean(axis=1), length * np.where(network["carries"], 3.0, 1.0)
    centres = arrays.get("centres", np.empty((0, 3))) * _UM
    return centres, np.ones(len(centres))


def main(folder: str) -> None:
    """Draw the pictures whose numbers come in, a line each, until there are no more.

    Of picture k, ``k/settings.json`` and, unless it shows what the one before showed, ``k/*.npy``
    are read; ``k/image.npy`` and ``k/facts.json`` are left there, then its number goes out.
    """
    import pyvista  # noqa: F401 - while the first picture is still being collected

    stage = Stage()
    for line in sys.stdin:
        place = Path(folder, line.strip())
        settings = json.loads((place / "settings.json").read_text(encoding="utf-8"))
        arrays = {file.stem: np.load(file, allow_pickle=False) for file in place.glob("*.npy")}
        if arrays:
            stage.show(arrays, settings)
        image, facts = stage.picture(settings)
        np.save(place / "image.npy", image, allow_pickle=False)
        (place / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
