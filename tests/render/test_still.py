from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from PIL import Image

from scaffoldsim.render import gl, render_scaffold, render_still, still
from scaffoldsim.render.frame import _centres, run_frame
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run
from tests.run.synthetic import gyroid


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def near(image: np.ndarray, colour: str, reach: int = 60) -> float:
    """Share of pixels whose hue is close to a colour, shaded or not."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
    scale = image.sum(-1, keepdims=True) / rgb.sum()
    lit = (scale[..., 0] > 0.35) & (scale[..., 0] < 1.2)
    return float(np.mean(lit & (np.abs(image - rgb * scale).sum(-1) < reach * scale[..., 0])))


def test_picture_shows_scaffold_cells_and_field(run: Run, tmp_path: Path) -> None:
    result = render_still(run, tmp_path / "new" / "a.png", size=(640, 480))
    image = pixels(result.path)
    assert image.shape == (480, 640, 3)
    if gl.window_class() is None:
        assert result.kind == "slices"
        assert gl.PACKAGES in result.note
    else:
        assert (result.kind, result.note) == ("3d", "")
    body = image[60:420, 40:480]
    assert near(body, "#EFE7DA", 40) > 0.01
    assert near(body, "#0072B2") > 0.02
    assert (image[470:, 200:480] == 255).all()


def test_colours_of_the_field_are_those_of_the_bar() -> None:
    if gl.window_class() is None:
        pytest.skip(f"no 3-D drawing on this machine: {gl.PACKAGES}")
    # Cells in front of and behind the wall cast no shade on it.
    centres = np.argwhere(np.ones((20, 20, 20))) * 1e-5 + 5e-6
    arrays = {
        "distance": np.full((20, 20, 20), 1e-4, np.float32),
        "field": np.full((20, 20, 20), 0.15, np.float32),
        "centres": centres[::3],
        "colours": np.full((len(centres[::3]), 3), 90, np.uint8),
    }
    scene = Scene.load().to_dict() | {"cell_diameter": 8e-6}
    image, _ = gl.draw(arrays, {"scene": scene, "voxel": 1e-5, "size": (400, 400)})
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    green = (colours[:, 1].astype(int) - colours[:, 0] > 60) & (counts > 5)
    assert counts[green].sum() > 3000
    mean = np.average(colours[green], axis=0, weights=counts[green])
    expected = 255 * np.array(matplotlib.colormaps["viridis"](0.75)[:3])
    np.testing.assert_allclose(mean, expected, atol=4)


def test_without_graphics_the_slices_say_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gl, "window_class", lambda: None)
    result = render_still(run, tmp_path / "a.png", at="14 d", size=(640, 480))
    assert result.kind == "slices"
    assert "libegl1" in result.note
    assert near(pixels(result.path), "#0072B2") > 0.0005
    bare = render_scaffold(run.distance, run.voxel, tmp_path / "b.png", size=(400, 400))
    assert near(pixels(bare.path), "#EFE7DA", 20) > 0.005


def test_a_driver_that_crashes_ends_only_the_drawing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = (sys.executable, "-c", "import os; os.kill(os.getpid(), 11)")
    monkeypatch.setattr(gl, "window_class", lambda: "")
    monkeypatch.setattr(gl, "_COMMAND", crash)
    result = render_still(run, tmp_path / "a.png", size=(400, 400))
    assert result.kind == "slices"
    assert "exit code -11" in result.note


def test_libraries_are_probed_before_vtk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VTK_DEFAULT_OPENGL_WINDOW", raising=False)
    monkeypatch.setattr(gl.sys, "platform", "linux")
    monkeypatch.setattr(gl, "_loads", lambda names: "libOSMesa.so" in names)
    assert gl.window_class() == "vtkOSOpenGLRenderWindow"
    monkeypatch.setattr(gl, "_loads", lambda names: False)
    assert gl.window_class() is None
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkMine")
    assert gl.window_class() == "vtkMine"


def test_cells_stay_in_their_voxels_and_pictures_repeat() -> None:
    voxels = np.arange(0, 1000, 7)
    first = _centres(voxels, (10, 10, 10), 2e-5, 0.18)
    ijk = np.stack(np.unravel_index(voxels, (10, 10, 10)), axis=1)
    offset = first / 2e-5 - (ijk + 0.5)
    assert np.abs(offset).max() <= 0.18 + 1e-4
    assert offset.std() > 0.05
    np.testing.assert_array_equal(first, _centres(voxels, (10, 10, 10), 2e-5, 0.18))


@pytest.mark.parametrize("window", [True, False])
def test_bone_is_seen_and_named(
    healing: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: bool
) -> None:
    if not window:
        monkeypatch.setattr(gl, "window_class", lambda: None)
    look = Scene.load()
    last = pixels(render_still(healing, tmp_path / "a.png", size=(640, 480)).path)
    body = last[60:, 30:480]
    assert near(body, look.bone.color, 12) > 0.02
    assert near(body, look.host_bone.color, 12) > 0.005
    if not window:
        first = pixels(render_still(healing, tmp_path / "b.png", at="0 d", size=(640, 480)).path)
        assert near(first[60:, 30:480], look.bone.color, 12) < 0.001
        shown = near(first[60:, 30:480], look.scaffold.color, 20)
        assert shown > near(body, look.scaffold.color, 20) > 0


def test_a_frame_holds_the_parts_of_its_day(healing: Run) -> None:
    look = Scene.load()
    frame = run_frame(healing, 2, look)
    assert list(frame.parts) == ["scaffold", "bone", "host_bone"]
    mineral, osteoid = healing.matrix("mineral", 2), healing.matrix("osteoid", 2)
    np.testing.assert_array_equal(frame.parts["bone"], osteoid + mineral)
    pore = 1 - healing.matrix("scaffold", 2).mean(dtype=np.float64)
    assert f"porosity {100 * pore:.0f} %" in frame.subtitle
    assert f"new bone {100 * frame.parts['bone'].mean() / pore:.1f} % of the" in frame.subtitle
    bare = run_frame(healing, 2, replace(look, bone=None, host_bone=None))
    assert list(bare.parts) == ["scaffold"]
    assert "bone" not in bare.subtitle


def test_the_legend_names_only_solids_that_are_seen(healing: Run) -> None:
    frame = run_frame(healing, 2, Scene.load())
    assert frame.solids() == ["scaffold", "bone", "host_bone"]
    thin = {"scaffold": frame.parts["scaffold"], "bone": 0.1 * frame.parts["bone"]}
    assert replace(frame, parts=thin).solids() == ["scaffold"]
    marrow = replace(frame, parts=None, distance=np.abs(frame.distance) + 1e-6)
    assert marrow.solids() == []


def test_a_title_is_drawn_as_it_is_written(run: Run) -> None:
    """Dollar signs in it are no formula, right or wrong."""
    frame = replace(run_frame(run, 1, Scene.load()), title="cost $x_{ $5")
    figure = still._figure((600, 450))
    still.heading(figure, frame, scale=1.0)
    still.raster_of(figure)
    assert not any(text.get_parse_math() for text in figure.texts)


def test_frame_says_what_is_seen(run: Run) -> None:
    frame = run_frame(run, 1, Scene.load())
    assert frame.title.endswith(", day 14")
    assert "porosity 92 %" in frame.subtitle
    assert "pores 601 µm" in frame.subtitle
    assert sum(k for _, k in frame.counts()) == len(run.cells(1)["type"])
    assert frame.field_unit == "mM"


@pytest.mark.parametrize("size", [(10, 400), (400, 90000)])
def test_impossible_size_is_refused(run: Run, tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="400 to 8000"):
        render_still(run, tmp_path / "a.png", size=size)


def test_unknown_scene_names_what_there_is(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cutaway"):
        render_still(run, tmp_path / "a.png", scene="cutawy")


def test_scaffold_alone(tmp_path: Path) -> None:
    result = render_scaffold(gyroid(16, 2e-5), 2e-5, tmp_path / "s.png", size=(400, 400))
    assert near(pixels(result.path), "#EFE7DA", 40) > 0.02
    with pytest.raises(ValueError, match="three"):
        render_scaffold(np.zeros((3, 3)), 2e-5, tmp_path / "s.png")


def test_nothing_heavy_is_imported_with_the_package() -> None:
    code = (
        "import sys, scaffoldsim.render;"
        "print([m for m in ('pyvista', 'vtkmodules', 'matplotlib', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kinds", [3, 6, 8])
@pytest.mark.parametrize("parts", [(), ("scaffold", "bone", "host_bone")])
@pytest.mark.parametrize("vessels", [(), ("perfused", "growing", "tip")])
def test_the_legend_ends_above_the_colour_bar(kinds, parts, vessels):
    """With eight kinds of cells it once ran into the bar."""
    names = ("bmsc", "preosteoblast", "osteoblast", "osteocyte", "adipocyte", "chondrocyte",
             "endothelial", "senescent")[:kinds]  # fmt: skip
    frame = SimpleNamespace(
        counts=lambda: [(name, 1) for name in names],
        types=range(kinds),
        solids=lambda: parts or ("scaffold",),
        vessel_kinds=lambda: dict.fromkeys(vessels, "12.5 mm/mm³"),
    )
    with matplotlib.rc_context(still.FONT):
        figure = still._figure((1600, 1200))
        panel = figure.add_axes((0.785, 0.40, 0.215, 0.46))
        still.cell_legend(panel, frame, Scene.load("cutaway"), 1.0)
        figure.canvas.draw()
        legend = panel.get_legend()
        box = legend.get_window_extent()
        rows = [text.get_window_extent().y1 for text in legend.get_texts()[:kinds]]
    # Markers of cells do not touch each other.
    wide = legend.legend_handles[0].get_markersize() * figure.dpi / 72
    assert wide < -np.diff(rows).max()
    assert box.y0 >= 0.37 * 1200  # the bar ends at 0.36
    assert box.x1 <= 1600
