"""Where the eye is and where the light comes from: `lights`, `from_outside`, `from_within`.

A movie turns both together about the upright axis of the box, so that it is the box that seems to
turn. Its scale is the same under every angle: the one at which the box always fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_UM = 1e6

Array = npt.NDArray[Any]


def turned(vector: Any, up: Any, degrees: float) -> Array:
    """Turn a vector about the axis `up`, to the left as seen from above.

    Examples
    --------
    >>> turned([1, 0, 0], [0, 0, 2], 90).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    v, axis = np.asarray(vector, dtype=float), np.asarray(up, dtype=float)
    if not degrees:
        return v
    axis = axis / np.sqrt(np.sum(axis**2))
    angle = np.radians(degrees)
    along = axis * np.sum(axis * v)
    result: Array = along + np.cos(angle) * (v - along) + np.sin(angle) * np.cross(axis, v)
    return result


def lights(plotter: Any, scene: Mapping[str, Any], edges: Array, degrees: float = 0.0) -> None:
    """Set the lights of the scene, turned as the eye is, in place of those there were."""
    import pyvista as pv

    middle, far = edges / 2, 3 * edges.max()
    plotter.remove_all_lights()
    for entry in scene["lights"]:
        light = pv.Light(
            position=middle + far * turned(entry["direction"], scene["up"], degrees),
            focal_point=middle,
            color=entry["color"],
            intensity=entry["intensity"],
            light_type="scene light",
        )
        light.positional = False
        plotter.add_light(light)


def from_outside(
    plotter: Any,
    scene: Mapping[str, Any],
    edges: Array,
    size: tuple[int, int],
    angles: Sequence[float] = (0.0,),
    degrees: float = 0.0,
) -> float:
    """Look at the box from outside, turned by `degrees`; return pixels per µm.

    Under a parallel projection the box fits between the margins under each of `angles`.
    """
    left_m, right_m, bottom_m, top_m = scene["margins"]
    width, height = size
    free_w, free_h = (1 - left_m - right_m) * width, (1 - bottom_m - top_m) * height
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T * edges
    scale = np.inf
    for angle in {*angles, degrees}:
        _, right, up = _axes(scene, angle)
        scale = min(scale, free_w / np.ptp(corners @ right), free_h / np.ptp(corners @ up))
    towards, right, up = _axes(scene, degrees)
    u, v = corners @ right, corners @ up
    # The middle of the box's outline belongs in the middle of the free part of the picture.
    shift_u = (left_m - right_m) / 2 * width / scale
    shift_v = (bottom_m - top_m) / 2 * height / scale
    focal = right * ((u.min() + u.max()) / 2 - shift_u) + up * ((v.min() + v.max()) / 2 - shift_v)
    camera = plotter.camera
    camera.parallel_projection = True
    camera.focal_point = focal
    camera.position = focal + towards * 4 * edges.max()
    camera.up = tuple(up)
    camera.parallel_scale = height / 2 / scale
    plotter.reset_camera_clipping_range()
    return float(scale)


def _axes(scene: Mapping[str, Any], degrees: float) -> tuple[Array, Array, Array]:
    """Unit vectors from the box to the eye, to the right and to the top of the picture."""
    towards = turned(scene["direction"], scene["up"], degrees)
    towards = towards / np.sqrt(np.sum(towards**2))
    right = np.cross(scene["up"], towards)
    right /= np.sqrt(np.sum(right**2))
    return towards, right, np.cross(towards, right)


def from_within(
    plotter: Any,
    scene: Mapping[str, Any],
    eye: Array,
    look: Array,
    room: float,
    degrees: float = 0.0,
) -> None:
    """Put the eye into a pore of a radius, with a lamp if the scene has one, and turn its look."""
    import pyvista as pv

    look = turned(look, scene["up"], degrees)
    camera = plotter.camera
    camera.parallel_projection = False
    camera.position = tuple(eye)
    camera.focal_point = tuple(eye + room * look)
    camera.up = scene["up"]
    camera.view_angle = scene["angle"]
    plotter.reset_camera_clipping_range()
    near, far = camera.clipping_range
    camera.clipping_range = (min(near, 0.05 * room), far)
    if scene["lamp"]:
        lamp = pv.Light(
            position=tuple(eye), focal_point=tuple(eye + room * look), color=scene["lamp"]["color"],
            intensity=scene["lamp"]["intensity"], light_type="scene light", cone_angle=90,
        )  # fmt: skip
        lamp.positional = True
        lamp.attenuation_values = (1.0, 0.0, (scene["lamp"]["reach"] * _UM) ** -2)
        plotter.add_light(lamp)
