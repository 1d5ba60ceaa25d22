"""The sheet of many scaffolds, and the gallery that shows it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaffoldsim.render import Tile, gl, render_sheet
from scaffoldsim.scaffold.families import family_names, get_family
from scaffoldsim.scaffold.families.base import option_types
from scaffoldsim.scaffold.feasibility import WHOLE, highest_porosity, unit_cell

GALLERY = Path(__file__).resolve().parents[2] / "docs" / "gallery.md"


def box(solid_from, n=16):
    """Solid from a plane of x on; distance of voxel centres, m."""
    x = (np.arange(n) + 0.5 - solid_from) * -1e-5
    return np.broadcast_to(x[:, None, None], (n, n, n))


def rows():
    """Family → cells of its line in the gallery."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", GALLERY.read_text(encoding="utf-8"), re.M)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines}


@pytest.fixture
def no_graphics(monkeypatch):
    def draw(arrays, settings):
        raise gl.NoGraphicsError("no EGL here")

    monkeypatch.setattr(gl, "draw", draw)


@pytest.mark.usefixtures("no_graphics")
def test_without_graphics_each_tile_is_its_middle_slice(tmp_path):
    tiles = [
        Tile("a", "quarter solid", box(12), 1e-5, heading="one"),
        Tile("b", "empty", box(99), 1e-5, heading="two"),
    ]
    result = render_sheet(tiles, tmp_path / "new" / "sheet.png", columns=2, pixels=200)
    assert result.kind == "slices"
    assert "no EGL here" in result.note
    picture = np.asarray(Image.open(result.path).convert("RGB")).astype(int)
    assert picture.shape[1] == 400
    near = picture[..., 0] - picture[..., 2] > 10  # ivory is warm (21), letters and lines are not
    assert not near[:, 200:].any()  # one column of two: each heading begins a row
    half = picture.shape[0] // 2
    assert near[:half].sum() == pytest.approx(0.25 * 160**2, rel=0.03)
    assert not near[half:].any()
    columns = np.flatnonzero(near.any(axis=0))
    assert columns.min() == pytest.approx(20 + 0.75 * 160, abs=3)  # x to the right


@pytest.mark.usefixtures("no_graphics")
def test_sheet_is_the_same_bytes_twice(tmp_path):
    tiles = [Tile("a", "b", box(8), 1e-5, "in pieces above 80 %")]
    first, second = (render_sheet(tiles, tmp_path / name).path for name in ("1.png", "2.png"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tiles": []}, "tiles: there is none"),
        ({"columns": 0}, "columns: 0"),
        ({"pixels": 5000}, "100 to 2000"),
    ],
)
def test_impossible_sheets_are_refused(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        render_sheet(
            options.pop("tiles", [Tile("a", "b", box(8), 1e-5)]), tmp_path / "s", **options
        )


def test_gallery_lists_every_family_with_its_options():
    table = rows()
    assert sorted(table) == family_names()
    for name, cells in table.items():
        listed = re.findall(r"`(\w+)`", cells[-1])
        assert listed == list(option_types(type(get_family(name)))), name


@pytest.mark.parametrize("name", ["gyroid_sheet", "primitive_net", "kelvin", "opal_fcc"])
def test_gallery_figures_are_those_of_the_code(name):
    _, pore, wall, to, networks, _ = rows()[name]
    family = get_family(name)
    cell = unit_cell(family, 0.90)
    assert f"{cell.pore:.2f}" == pore
    assert f"{cell.wall / cell.pore:.3f}" == wall
    assert to == ("any" if family.one_piece else f"{100 * highest_porosity(family):.0f}")
    assert (cell.whole >= WHOLE) == (to == "any" or int(to) >= 90)
    assert networks == ("2" if family.sheet else "1")
