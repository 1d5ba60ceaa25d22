"""Export: closed meshes of the right volume, whole files or none, the same bytes each time."""

import time

import numpy as np
import pytest
import tifffile
import trimesh
from scipy.ndimage import gaussian_filter

from scaffoldsim.scaffold import export
from scaffoldsim.scaffold.export import FORMATS, write_mesh, write_scaffold
from scaffoldsim.scaffold.thickness import squared_distance

VOXEL = 20e-6
CELL = 48  # voxels


def gyroid(shape=(48, 48, 48), cell=CELL):
    x, y, z = (np.indices(shape) + 0.5) * 2 * np.pi / cell
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)


def distance_of(solid):
    """That of a voxel image, as `Scaffold` makes it."""
    signed = np.empty(solid.shape, np.float32)
    for phase, sign in ((~solid, 1), (solid, -1)):
        signed[phase] = sign * VOXEL * (np.sqrt(squared_distance(phase)[phase]) - 0.5)
    return signed


def scaled(level):
    return (level * CELL / (2 * np.pi) * VOXEL).astype(np.float32)


def noise(smooth, share, size=32):
    values = np.random.default_rng(0).random((size,) * 3)
    values = gaussian_filter(values, smooth) if smooth else values
    return distance_of(values < np.quantile(values, share))


def share_of(level):
    """Share of a period of the gyroid that a level set fills, from 100³ samples."""
    return (level(gyroid((100, 100, 100), 100)) < 0).mean()


def net(wave):
    return wave + 1.1


def sheet(wave):
    return np.abs(wave) - 0.5


@pytest.mark.parametrize(
    ("distance", "share", "rel"),
    [
        (scaled(net(gyroid())), share_of(net), 0.01),
        (scaled(sheet(gyroid())), share_of(sheet), 0.01),
        (noise(3, 0.4, 48), None, 0.01),
        (noise(1, 0.3), None, 0.08),  # walls of 2 voxels: the surface rounds their corners off
        (noise(0, 0.4), None, 0.1),  # voxels that meet along edges only
    ],
)
def test_a_mesh_is_closed_and_as_large_as_the_solid(tmp_path, distance, share, rel):
    write_mesh(tmp_path / "a.stl", distance, VOXEL)
    mesh = trimesh.load_mesh(tmp_path / "a.stl")
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    box = distance.size * (VOXEL * 1e3) ** 3
    assert mesh.volume / box == pytest.approx(share or (distance < 0).mean(), rel=rel)
    edges = np.array(distance.shape) * VOXEL * 1e3
    assert (mesh.vertices.min(axis=0) > -1e-6).all()
    assert (mesh.vertices.max(axis=0) < edges * (1 + 1e-6)).all()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_written_whole_or_not_at_all(tmp_path, suffix, monkeypatch):
    distance = scaled(gyroid((12, 13, 14), 12) + 0.5)
    path = tmp_path / f"a.{suffix}"
    write_scaffold(path, distance < 0, distance, VOXEL)
    first = path.read_bytes()
    monkeypatch.setattr(time, "time", lambda: 1e9)  # no file says when it was written
    write_scaffold(path, distance < 0, distance, VOXEL)
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == [path.name]

    def broken(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(export.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_scaffold(path, distance > 0, -distance, VOXEL)
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_solid_is_255_in_every_image(tmp_path):
    solid = gyroid((5, 6, 7), 6) < 0
    for suffix in ("tif", "npy"):
        write_scaffold(tmp_path / f"a.{suffix}", solid, np.zeros((5, 6, 7), np.float32), VOXEL)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), solid * np.uint8(255))
    stack = tifffile.imread(tmp_path / "a.tif")
    np.testing.assert_array_equal(stack.transpose(2, 1, 0), solid * np.uint8(255))


def test_a_mesh_needs_solid_and_may_be_a_full_box(tmp_path):
    box = np.full((8, 9, 10), -VOXEL, np.float32)
    write_mesh(tmp_path / "a.stl", box, VOXEL)
    volume = trimesh.load_mesh(tmp_path / "a.stl").volume
    assert volume == pytest.approx(720 * (VOXEL * 1e3) ** 3, rel=0.03)  # its edges are rounded
    with pytest.raises(ValueError, match="holds no solid"):
        write_mesh(tmp_path / "b.stl", -box, VOXEL)


def test_an_unknown_suffix_is_refused(tmp_path):
    solid = np.ones((2, 2, 2), bool)
    with pytest.raises(ValueError, match=r"a\.vtk: is none of the formats tif, stl, nii\.gz"):
        write_scaffold(tmp_path / "a.vtk", solid, np.zeros((2, 2, 2), np.float32), VOXEL)
