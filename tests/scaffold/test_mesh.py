"""Meshes: voxels against theory and a sum of solid angles, and what is refused."""

import re
import tracemalloc

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.scaffold import grid
from scaffoldsim.scaffold.export import write_mesh
from scaffoldsim.scaffold.images import image_grid, read_image, voxelise
from scaffoldsim.scaffold.images import mesh as mesh_of_images

VOXEL = 20e-6


def save(mesh, path):
    mesh.export(path)
    return path


def ball(radius=0.4, centre=(0, 0, 0), subdivisions=4):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    mesh.apply_translation(centre)
    return mesh


def turned(mesh, seed):
    rotation = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    mesh.apply_transform(rotation)
    return mesh


def winding(vertices, faces, shape):
    return np.concatenate(list(voxelise.winding(vertices, faces, shape)))


def solid_angles(vertices, faces, shape):
    """Winding number as the sum of solid angles / 4π (van Oosterom and Strackee 1983)."""
    centres = np.moveaxis(np.indices(shape) + 0.5, 0, -1).reshape(-1, 1, 3)
    a, b, c = (vertices[faces[:, i]] - centres for i in range(3))
    na, nb, nc = (np.linalg.norm(v, axis=2) for v in (a, b, c))
    over = (a * np.cross(b, c)).sum(axis=2)
    under = na * nb * nc + (a * b).sum(2) * nc + (b * c).sum(2) * na + (c * a).sum(2) * nb
    return (2 * np.arctan2(over, under)).sum(axis=1).reshape(shape) / (4 * np.pi)


TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    # halves lie on the lines of the scan: corners and edges that it meets exactly
    corners=st.lists(
        st.tuples(*[st.integers(-2, 16).map(lambda n: n / 2) | st.floats(-1, 8)] * 3),
        min_size=4,
        max_size=12,
    )
)
def test_winding_is_that_of_solid_angles(corners):
    whole = len(corners) // 4 * 4
    vertices = np.array(corners[:whole], float)
    faces = np.concatenate([TETRAHEDRON + 4 * n for n in range(whole // 4)])
    shape = (7, 6, 8)
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = solid_angles(vertices, faces, shape)
    clear = np.abs(wanted - np.rint(wanted)) < 1e-3  # not on the surface
    # a voxel within rounding of the lattice of the surface may be either
    found = winding(vertices, faces, shape)
    assert (found[clear] == np.rint(wanted[clear])).mean() > 0.99
    inner = clear & ~near(vertices, faces, shape)
    np.testing.assert_array_equal(found[inner], np.rint(wanted[inner]))


def near(vertices, faces, shape):
    """Whether a voxel's centre lies within 1e-6 of the plane of a triangle."""
    centres = np.moveaxis(np.indices(shape) + 0.5, 0, -1)
    close = np.zeros(shape, bool)
    for a, b, c in vertices[faces]:
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal)
        if length > 1e-9:
            close |= np.abs((centres - a) @ (normal / length)) < 1e-6
    return close


def test_winding_of_chunks_is_that_of_the_whole(monkeypatch):
    mesh = ball(6, (7, 7, 7), 2)
    whole = winding(mesh.vertices, mesh.faces, (14, 14, 14))
    monkeypatch.setattr(voxelise, "_CHUNK", 7)
    monkeypatch.setattr(voxelise, "_SLAB", 3 * 14 * 14)
    slabs = list(voxelise.winding(mesh.vertices, mesh.faces, (14, 14, 14)))
    assert [len(slab) for slab in slabs] == [3, 3, 3, 3, 2]
    np.testing.assert_array_equal(winding(mesh.vertices, mesh.faces, (14, 14, 14)), whole)
    assert set(np.unique(whole)) == {0, 1}


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply"])
@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (ball(), 4 / 3 * np.pi * 0.4**3),
        (trimesh.creation.torus(0.3, 0.15, 96, 48), 2 * np.pi**2 * 0.3 * 0.15**2),
        (turned(trimesh.creation.box((0.5, 0.6, 0.7)), 1), 0.5 * 0.6 * 0.7),
        (turned(trimesh.creation.box((0.6, 0.6, 0.6)), 2), 0.6**3),
    ],
)
def test_volume_is_that_of_the_body(tmp_path, mesh, volume, suffix):
    image = read_image(save(mesh, tmp_path / f"a.{suffix}"), voxel=VOXEL)
    assert image.solid.sum() * (VOXEL * 1e3) ** 3 == pytest.approx(volume, rel=0.01)
    assert image.threshold is None
    size = np.ptp(mesh.vertices, axis=0) / (VOXEL * 1e3)
    assert image.solid.shape == tuple(np.ceil(size - 1e-3).astype(int))
    assert image_grid(tmp_path / f"a.{suffix}", voxel=VOXEL).shape == image.solid.shape
    assert any("no margin" in note and "taken as mm" in note for note in image.notes)


def test_unit_invert_and_crop(tmp_path):
    path = save(ball(radius=400), tmp_path / "a.stl")
    whole = read_image(path, voxel=VOXEL, unit="um")
    assert whole.solid.shape == (40, 40, 40)
    crop = {"x": (100e-6, 500e-6), "z": (300e-6, 700e-6)}
    part = read_image(path, voxel=VOXEL, unit="um", crop=crop, invert=True)
    np.testing.assert_array_equal(part.solid, ~whole.solid[5:25, :, 15:35])
    assert image_grid(path, voxel=VOXEL, unit="um", crop=crop).shape == (20, 40, 20)


def test_a_cavity_stays_and_a_body_inside_out_is_turned(tmp_path):
    inner = ball(0.2)
    inner.invert()
    hollow = trimesh.util.concatenate([ball(), inner])
    solid = read_image(save(hollow, tmp_path / "a.stl"), voxel=VOXEL).solid
    assert not solid[20, 20, 20]
    assert solid[20, 20, 35]
    hollow.invert()
    image = read_image(save(hollow, tmp_path / "b.stl"), voxel=VOXEL)
    np.testing.assert_array_equal(image.solid, solid)
    assert any("inside out" in note for note in image.notes)


def test_memory_is_asked_for_before_voxels_are_made(tmp_path, monkeypatch):
    path = save(ball(subdivisions=2), tmp_path / "a.stl")
    monkeypatch.setattr(grid, "free_memory", lambda: 500e6)
    monkeypatch.setattr(mesh_of_images, "winding", lambda *_: pytest.fail("was begun"))
    with pytest.raises(grid.TooLarge, match=r"a\.stl: 5.12e\+08 voxels needs about 1.22 GB"):
        read_image(path, voxel=1e-6)


def test_voxels_are_made_a_slab_at_a_time(tmp_path, monkeypatch):
    """The peak is the solid, a byte a voxel, and what does not grow with the box."""
    path = save(ball(subdivisions=2), tmp_path / "a.stl")
    monkeypatch.setattr(voxelise, "_SLAB", 1 << 16)
    read_image(path, voxel=VOXEL)  # what is loaded once
    tracemalloc.start()
    image = read_image(path, voxel=4e-6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert image.solid.shape == (200, 200, 200)
    assert image.solid.mean() == pytest.approx(np.pi / 6, rel=0.05)
    assert peak < 2 * image.solid.size + 12e6


def test_the_place_of_a_crossing_is_in_both_bodies(tmp_path, monkeypatch):
    path = overlap(tmp_path / "a.stl")
    monkeypatch.setattr(voxelise, "_SLAB", 1)  # one layer of voxels at a time
    with pytest.raises(ValueError, match="the surface winds 2 times") as caught:
        read_image(path, voxel=VOXEL)
    where = np.array(re.search(r"at \((.*)\) mm", str(caught.value))[1].split(", "), float)
    assert np.linalg.norm(where) < 0.41
    assert np.linalg.norm(where - [0.3, 0, 0]) < 0.41


def test_corners_of_no_triangle_do_not_count(tmp_path):
    path = save(ball(), tmp_path / "a.obj")
    path.write_text(path.read_text() + "\nv 9 9 9\n")
    assert read_image(path, voxel=VOXEL).solid.shape == (40, 40, 40)


def test_triangles_without_corners_are_refused(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    with pytest.raises(ValueError, match=r"a\.obj: has triangles with corners that are not there"):
        read_image(tmp_path / "a.obj", voxel=VOXEL)


def test_bodies_that_touch_are_one(tmp_path):
    parts = [trimesh.creation.box((0.2, 0.2, 0.2)) for _ in range(2)]
    parts[1].apply_translation([0, 0, 0.2])
    parts.append(trimesh.creation.box((0.1, 0.1, 0.1)))
    parts[2].apply_translation([0.4, 0, 0])
    image = read_image(save(trimesh.util.concatenate(parts), tmp_path / "a.stl"), voxel=VOXEL)
    assert image.solid.sum() == 2 * 10**3 + 5**3


def hole(path):
    mesh = ball()
    mesh.update_faces(np.arange(len(mesh.faces)) > 1)
    return save(mesh, path)


def overlap(path):
    return save(trimesh.util.concatenate([ball(), ball(centre=(0.3, 0, 0))]), path)


def mixed(path):
    other = ball(0.2, (1, 0, 0))
    other.invert()
    return save(trimesh.util.concatenate([ball(), other]), path)


def one_turned(path):
    mesh = ball()
    mesh.faces[7] = mesh.faces[7][::-1]
    return save(mesh, path)


def flat(path):
    return save(trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]), path)


def not_finite(path):
    mesh = ball(subdivisions=1)
    mesh.vertices[3] = np.nan
    path.write_bytes(trimesh.exchange.stl.export_stl(mesh))
    return path


def truncated(path):
    save(ball(), path)
    path.write_bytes(path.read_bytes()[:5000])
    return path


def empty(path):
    path.write_bytes(b"")
    return path


def no_triangles(path):
    path.write_bytes(bytes(84))
    return path


def text(path):
    path.write_text("solid once upon a time\nthere was a facet\n")
    return path


def too_large(path):
    return save(ball(radius=1e6), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (hole, r"is not closed: [46] open edges; close it"),
        (
            overlap,
            r"are inside out: at \(.*\) mm the surface winds 2 times, elsewhere 1",
        ),
        (mixed, "the surface winds -1 times"),
        (one_turned, "face different ways along 3 edges"),
        (flat, "is degenerate: 1 triangles"),
        (not_finite, "not finite"),
        (truncated, "is truncated: its header claims"),
        (empty, "is no STL file"),
        (no_triangles, "holds no triangles|cannot be read as a mesh"),
        (text, "holds no triangles|cannot be read as a mesh"),
        (too_large, "at most 2147483647 are possible"),
    ],
)
def test_meshes_that_are_no_body_are_refused(tmp_path, make, message):
    path = make(tmp_path / "a.stl")
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path, voxel=VOXEL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a mesh has no voxels; give their edge"),
        ({"voxel": VOXEL, "resample": 1e-5}, "no voxels to resample"),
        ({"voxel": 0.0}, "voxel: 0.0 is not a positive length"),
        ({"voxel": VOXEL, "unit": "kg"}, "kg"),
        ({"voxel": 2e-3}, "every voxel of 2000 um is pore; check the unit .mm. and the voxel"),
        ({"voxel": VOXEL, "unit": "nm"}, "check the unit .nm."),
    ],
)
def test_what_a_mesh_needs_is_said(tmp_path, options, message):
    path = save(ball(), tmp_path / "a.stl")
    with pytest.raises(ValueError, match=message):
        read_image(path, **options)


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply"])
def test_meshes_damaged_anywhere_never_crash(tmp_path, suffix):
    path = save(ball(subdivisions=1), tmp_path / f"a.{suffix}")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for n in range(30):
        data = bytearray(whole[: len(whole) * (n % 10 + 1) // 10])
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            image = read_image(path, voxel=2 * VOXEL)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert image.solid.ndim == 3


def test_a_design_comes_back_from_its_mesh(tmp_path):
    x, y, z = (np.indices((48, 48, 48)) + 0.5) * 2 * np.pi / 24
    wave = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    distance = ((wave + 1.1) * 24 / (2 * np.pi) * VOXEL).astype(np.float32)
    write_mesh(tmp_path / "a.stl", distance, VOXEL)
    image = read_image(tmp_path / "a.stl", voxel=VOXEL)
    solid = distance < 0
    assert (image.solid == solid).mean() > 0.99
    assert image.solid.mean() == pytest.approx(solid.mean(), abs=0.005)
    finer = read_image(tmp_path / "a.stl", voxel=VOXEL / 2)
    assert finer.solid.mean() == pytest.approx(solid.mean(), abs=0.005)
