"""Triangle meshes, .stl, .obj and .ply: checked, and turned into voxels."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.images.sampling import Crop, crop_region
from scaffoldsim.scaffold.images.stack import BadImage, absent, check_claim, file_size, readable
from scaffoldsim.scaffold.images.voxelise import Doubles, winding
from scaffoldsim.scaffold.thickness import Bools

KIND = "a mesh"
#: Suffixes of meshes.
MESHES = (".stl", ".obj", ".ply")
_BYTES_PER_VOXEL = 2  # at the peak: the solid, and its complement where it is inverted
_BYTES_PER_TRIANGLE = 700  # measured 600 beyond what reading took
_BYTES_OF_A_SCAN = 2e8  # a slab of windings, and a chunk of triangles × columns
_BYTES_PER_BYTE = 30  # of memory, for one of the file: measured 16 (STL) and 29 (binary PLY)
_TRIANGLE = 50  # bytes, in a binary STL file
_WHOLE = 1e-3  # of a voxel: a box that is so much larger than whole voxels is one of them

Faces = npt.NDArray[np.int64]


def read_mesh(
    file: Path, *, voxel: float, unit: float, unit_name: str, crop: Crop | None, notes: list[str]
) -> tuple[Bools, Grid]:
    """The solid (x, y, z) of a closed mesh: voxels whose centre its surface winds round once.

    Parameters
    ----------
    file : Path
    voxel : float
        m.
    unit : float
        Unit of length of the mesh, m.
    unit_name : str
    crop : mapping, optional
        From the low corner of the mesh's box; see `sampling.plan`.
    notes : list of str
        Added to.

    Raises
    ------
    BadImage
        If trimesh is not installed, or the mesh is empty, open, degenerate, or crosses itself.
        Bodies that cross by less than a voxel are not noticed.
    TooLarge
        If the voxels are too many.
    """
    vertices, faces = _load(file)
    low, size = vertices.min(axis=0), np.ptp(vertices, axis=0)
    grid, cropped, first = _grids(file.name, size, voxel, unit, crop, notes)
    require_memory(
        cropped.n_voxels * _BYTES_PER_VOXEL
        + faces.shape[0] * _BYTES_PER_TRIANGLE
        + _BYTES_OF_A_SCAN,
        f"{file.name}: {cropped.n_voxels:.3g} voxels",
    )
    vertices, faces = _merge(vertices, faces)
    _require_closed(file.name, vertices, faces)
    scaled = (vertices - low) * (unit / voxel) - np.array(first)
    solid = np.zeros(cropped.shape, bool)
    usual = done = 0  # windings in a body, 1 or (of a mesh that is inside out) -1
    for wound in winding(scaled, faces, cropped.shape):
        within = solid[done : done + wound.shape[0]]
        np.not_equal(wound, 0, out=within)
        if not usual and within.any():
            usual = 1 if wound[within][0] > 0 else -1
        if usual:
            bad = np.argwhere(within & (wound != usual))
            if bad.size:
                where = (bad[0] + np.array([done, 0, 0]) + np.array(first) + 0.5) * voxel
                raise _crossing(file.name, where + low * unit, int(wound[tuple(bad[0])]), usual)
        done += wound.shape[0]
    if usual < 0:
        notes.append("The mesh was inside out: its triangles were turned round.")
    box = " x ".join(f"{float(edge) * unit * 1e3:.6g}" for edge in size)
    notes.append(
        f"Mesh of {faces.shape[0]} triangles, coordinates taken as {unit_name}; its box of "
        f"{box} mm was rounded up to {' x '.join(map(str, grid.shape))} voxels, with no margin."
    )
    return solid, cropped


def mesh_grid(file: Path, *, voxel: float, unit: float, crop: Crop | None) -> Grid:
    """The grid that `read_mesh` gives."""
    vertices, _ = _load(file)
    return _grids(file.name, np.ptp(vertices, axis=0), voxel, unit, crop, [])[1]


def _grids(
    name: str, size: Doubles, voxel: float, unit: float, crop: Crop | None, notes: list[str]
) -> tuple[Grid, Grid, tuple[int, int, int]]:
    """The grid of the box round a mesh, that of the part asked for, and where the latter begins."""
    nx, ny, nz = (max(1, math.ceil(float(edge) * unit / voxel - _WHOLE)) for edge in size)
    grid = Grid((nx, ny, nz), voxel)
    region = crop_region(name, grid.shape, (voxel, voxel, voxel), crop, notes)
    (x, to_x), (y, to_y), (z, to_z) = region
    return grid, Grid((to_x - x, to_y - y, to_z - z), voxel), (x, y, z)


def _crossing(name: str, where: Doubles, times: int, usual: int) -> BadImage:
    return BadImage(
        f"{name}: crosses itself, or holds bodies that overlap or are inside out: at "
        f"({', '.join(f'{1e3 * float(part):.4g}' for part in where)}) mm the surface winds {times} "
        f"times, elsewhere {usual}; unite the bodies, e.g. in MeshLab (Filters, Remeshing, Mesh "
        "Boolean: Union)"
    )


def _require_closed(name: str, vertices: Doubles, faces: Faces) -> None:
    """Refuse a surface that has an edge, or sides that change from a triangle to the next."""
    size = np.ptp(vertices, axis=0)
    if faces.shape[0] < 4 or not (size > 0).all():
        raise BadImage(
            f"{name}: is degenerate: {faces.shape[0]} triangles with a box of "
            f"{' x '.join(f'{edge:.4g}' for edge in size)}; a closed body is needed"
        )
    ahead = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])
    low, high = ahead.min(axis=1), ahead.max(axis=1)
    turn = np.where(ahead[:, 0] < ahead[:, 1], 1, -1)
    _, edge, uses = np.unique(
        low * vertices.shape[0] + high, return_inverse=True, return_counts=True
    )
    balance = np.zeros(uses.size, np.int64)
    np.add.at(balance, edge.ravel(), turn)
    open_edges = int(np.count_nonzero(uses % 2))
    if open_edges:
        raise BadImage(
            f"{name}: is not closed: {open_edges} open edges; close it, e.g. in MeshLab (Filters, "
            "Remeshing, Close Holes)"
        )
    if balance.any():
        raise BadImage(
            f"{name}: neighbouring triangles face different ways along "
            f"{int(np.count_nonzero(balance))} edges; orient it, e.g. in MeshLab (Filters, "
            "Normals, Re-Orient All Faces Coherently)"
        )


def _load(file: Path) -> tuple[Doubles, Faces]:
    """Corners of triangles, in the mesh's own unit, and the triangles."""
    try:
        import trimesh
    except ImportError as error:
        raise absent(file.name, "trimesh", "mesh") from error

    suffix = file.suffix.lower()
    with readable(file.name, KIND):
        _check_claim(file, suffix)
        require_memory(file_size(file) * _BYTES_PER_BYTE, f"{file.name}: reading it")
        options = {"skip_materials": True} if suffix == ".obj" else {}
        try:
            loaded = trimesh.load_mesh(file, file_type=suffix[1:], process=False, **options)
        except IndexError as error:
            if suffix == ".obj":  # of other formats trimesh keeps such triangles, or has no header
                raise _absent_corners(file.name) from error
            raise
        vertices = np.array(loaded.vertices, np.float64).reshape(-1, 3)
        faces = np.array(loaded.faces, np.int64).reshape(-1, 3)
        if faces.size and not (faces.min() >= 0 and faces.max() < vertices.shape[0]):
            raise _absent_corners(file.name)
    if faces.size == 0:
        raise BadImage(f"{file.name}: holds no triangles")
    used, faces = np.unique(faces, return_inverse=True)
    vertices = vertices[used]
    if not np.isfinite(vertices).all():
        raise BadImage(f"{file.name}: has corners that are not finite (NaN)")
    return vertices, faces.reshape(-1, 3)


def _absent_corners(name: str) -> BadImage:
    return BadImage(f"{name}: has triangles with corners that are not there; export it again")


def _check_claim(file: Path, suffix: str) -> None:
    """Hold the counts of the header against the size of the file."""
    with file.open("rb") as stream:
        head = stream.read(1 << 16)
    there = file_size(file)
    if suffix == ".stl" and not head.lstrip().lower().startswith(b"solid"):
        if there < 84:
            raise BadImage(f"{file.name}: is no STL file, or is cut off within its header")
        claimed = 84 + _TRIANGLE * int.from_bytes(head[80:84], "little")
        check_claim(file.name, claimed, there, compressed=False)
    if suffix == ".ply":
        counts = re.findall(rb"^element\s+\w+\s+(\d+)", head.split(b"end_header")[0], re.M)
        check_claim(file.name, sum(int(count) for count in counts), there, compressed=False)


def _merge(vertices: Doubles, faces: Faces) -> tuple[Doubles, Faces]:
    """Corners at the same place made one, and triangles without three corners left out."""
    vertices = vertices + 0.0  # -0 becomes 0
    order = np.lexsort(vertices.T)
    ordered = vertices[order]
    new = np.ones(order.size, bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.empty(order.size, np.int64)
    number[order] = np.cumsum(new) - 1
    merged = number[faces]
    distinct = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
    return ordered[new], merged[distinct]
