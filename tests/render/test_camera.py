"""Where the eye goes when the box is turned."""

from types import SimpleNamespace

import numpy as np
import pytest

from scaffoldsim.render import camera
from scaffoldsim.render.scene import Scene

EDGES = np.array([300.0, 500.0, 800.0])
SIZE = (640, 480)
ANGLES = list(np.arange(0, 360, 10.0))


class Window:
    def __init__(self) -> None:
        self.camera = SimpleNamespace()
        self.lights: list = []

    def reset_camera_clipping_range(self) -> None:
        self.camera.clipping_range = (1.0, 1e4)

    def remove_all_lights(self) -> None:
        self.lights = []

    def add_light(self, light: object) -> None:
        self.lights.append(light)


def test_all_angles_have_one_scale_and_the_box_never_leaves_the_margins() -> None:
    scene, scales = Scene.load().to_dict(), []
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T * EDGES
    middles = []
    for angle in ANGLES:
        window = Window()
        scales.append(camera.from_outside(window, scene, EDGES, SIZE, ANGLES, angle))
        eye = window.camera
        towards = np.array(eye.position) - eye.focal_point
        towards /= np.linalg.norm(towards)
        right = np.cross(eye.up, towards)
        u = (corners - eye.focal_point) @ right * scales[-1] + SIZE[0] / 2
        v = (corners - eye.focal_point) @ np.array(eye.up) * scales[-1] + SIZE[1] / 2
        left, other, bottom, top = scene["margins"]
        assert u.min() >= left * SIZE[0] - 1e-6
        assert u.max() <= (1 - other) * SIZE[0] + 1e-6
        assert v.min() >= bottom * SIZE[1] - 1e-6
        assert v.max() <= (1 - top) * SIZE[1] + 1e-6
        assert eye.parallel_scale == pytest.approx(SIZE[1] / 2 / scales[-1])
        middles.append((u.min() + u.max(), v.min() + v.max()))
    assert np.ptp(scales) == 0
    np.testing.assert_allclose(middles, [middles[0]] * len(ANGLES))


def test_lights_go_with_the_eye() -> None:
    scene = Scene.load().to_dict()
    up, direction = np.array(scene["up"], float), np.array(scene["direction"])
    window = Window()
    shades = []
    for angle in (0.0, 90.0, 200.0):
        camera.lights(window, scene, EDGES, angle)
        towards = camera.turned(direction, up, angle)
        ways = [np.array(light.position) - EDGES / 2 for light in window.lights]
        shades.append([way @ towards for way in ways])
    np.testing.assert_allclose(shades[1:], [shades[0]] * 2)
    assert len(shades[0]) == len(scene["lights"])


def test_the_eye_turns_about_what_is_up() -> None:
    v = camera.turned([1.0, 2.0, 3.0], [0, 0, 5], 90)
    np.testing.assert_allclose(v, [-2, 1, 3], atol=1e-12)
    window = Window()
    scene = Scene.load("inside_pore").to_dict()
    camera.from_within(window, scene, np.ones(3), np.array([1.0, 0, 0]), 50.0, 90.0)
    np.testing.assert_allclose(window.camera.focal_point, [1, 51, 1])
