from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.render import layers

H = 10.0


def cut(n: int = 20, share: float = 0.5) -> layers._Cut:
    return layers._Cut(np.full(3, n * H), np.array([1.0, -1.0, 1.0]), share, H)


def half_space(n: int = 20) -> np.ndarray:
    """Solid below x = 7.3 voxels, distance in µm."""
    x = (np.arange(n) + 0.5) * H - 73.0
    return np.broadcast_to(x[:, None, None], (n, n, n)).astype("f4")


def test_surface_is_capped_by_the_box() -> None:
    surface = layers.closed_surface(-half_space(), H, cut(share=0))
    np.testing.assert_allclose(surface.bounds, (0, 73, 0, 200, 0, 200), atol=1e-3)
    # The zero contour of a minimum bevels edges by less than half a voxel.
    assert surface.volume == pytest.approx(73 * 200 * 200, rel=5e-3)


def test_cut_takes_its_corner_out_of_the_surface() -> None:
    solid = np.full((20, 20, 20), 50.0, np.float32)
    surface = layers.closed_surface(solid, H, cut())
    assert surface.volume == pytest.approx(200**3 * 7 / 8, rel=5e-3)
    inside = cut().inside(np.asarray(surface.points))
    assert inside.max() < 1e-3


def test_cells_of_the_cut_go_and_those_behind_the_wall_keep_clear() -> None:
    here = cut()
    centres = np.array([[150, 50, 150], [150, 50, 95], [50, 50, 150], [150, 50, 40.0]])
    seen, kept = here.visible(centres, 12.0, 2)
    assert kept.tolist() == [False, True, True, True]
    np.testing.assert_allclose(seen[:, 2], [88, 150, 40])
    np.testing.assert_allclose(seen[:, 0], [150, 50, 150])


def test_field_shows_where_it_varies() -> None:
    x, y, z = (np.indices((20, 20, 20)) + 0.5) / 20
    assert layers.telling_wall(layers.wall_spreads(x + y, cut(), H)) == 2
    assert layers.telling_wall(layers.wall_spreads(z, cut(), H)) == 1
    assert layers.telling_wall(layers.wall_spreads(z + 0.1 * y, cut(), H)) == 0


def test_field_plane_covers_the_pore_and_keeps_values() -> None:
    n = 20
    field = np.broadcast_to(((np.arange(n) + 0.5) * H)[None, None, :], (n, n, n)).copy()
    distance = half_space() - 60.0  # solid below x = 13.3 voxels, so half-way into the cut
    field[distance < 0] = np.nan
    sheet = layers.field_plane(field, distance, H, cut(), 1)
    assert sheet is not None
    low, high = np.asarray(sheet.points).min(axis=0), np.asarray(sheet.points).max(axis=0)
    # Half a voxel under the cap, to the far face; the cut's height.
    np.testing.assert_allclose((low[0], high[0], low[2], high[2]), (128, 200, 100, 200), atol=1e-2)
    inner = (np.asarray(sheet.points)[:, 2] > 105) & (np.asarray(sheet.points)[:, 2] < 195)
    np.testing.assert_allclose(
        np.asarray(sheet["value"])[inner], np.asarray(sheet.points)[inner, 2], atol=1e-2
    )


def test_refining_keeps_a_straight_line() -> None:
    line = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    fine = layers._refined(line)
    assert fine.shape == (12, 8, 8)
    np.testing.assert_allclose(fine[1:-1, 0, 0], np.arange(0.25, 5, 0.5), atol=1e-6)


def test_outline_follows_the_cut() -> None:
    whole, notched = (layers.outline(np.full(3, 200.0), cut(share=s)) for s in (0, 0.5))
    assert whole.n_cells == 12
    assert notched.n_cells == 12 + 9
    inside = cut().inside(np.asarray(notched.points))
    assert inside.max() <= 1e-6


def test_a_surface_is_cut_into_its_parts_without_gap() -> None:
    solid = np.full((20, 20, 20), 50.0, np.float32)
    surface = layers.closed_surface(solid, H, cut(share=0))
    x = (np.arange(20, dtype=np.float32) + 0.5 - 7.3)[:, None, None] / 10
    lead = np.broadcast_to(x, solid.shape)
    pieces = layers.split(surface, {"scaffold": -lead, "bone": lead}, H)
    assert pieces["scaffold"].bounds[1] == pytest.approx(73, abs=1e-3)
    assert pieces["bone"].bounds[0] == pytest.approx(73, abs=1e-3)
    areas = [piece.area for piece in pieces.values()]
    assert sum(areas) == pytest.approx(surface.area, rel=1e-6)
    assert layers.split(surface, {}, H) == {"scaffold": surface}
