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
_BYTES_PER_VOXEL = 14
_BYTES_PER_BYTE = 30  # of memory, for one of the file: measured 16 (STL) and 29 (binary PLY)
_TRIANGLE = 50  # bytes, in a binary STL file
_WHOLE = 1e-3  # of a voxel: a box that is so much larger than whole voxels is one of them

Faces = npt.NDArray[np.int64]


class Mesh:
    """A closed mesh in its own unit of length.

    Attributes
    ----------
    name : str
    vertices : ndarray of float64, shape (n, 3)
    faces : ndarray of int64, shape (m, 3)
    """

    def __init__(self, file: Path) -> None:
        self.name = file.name
        vertices, faces = _load(file)
        if faces.size == 0 or vertices.size == 0:
            raise BadImage(f"{file.name}: holds no triangles")
        if not np.isfinite(vertices).all():
            raise BadImage(f"{file.name}: has corners that are not finite (NaN)")
        self.vertices, self.faces = _merge(vertices, faces)
        self._check()

    @property
    def low(self) -> Doubles:
        """The lower corner of the box round it."""
        corner: Doubles = self.vertices.min(axis=0)
        return corner

    @property
    def size(self) -> Doubles:
        """Edges of the box round it."""
        edges: Doubles = np.ptp(self.vertices, axis=0)
        return edges

    def _check(self) -> None:
        if self.faces.shape[0] < 4 or not (self.size > 0).all():
            raise BadImage(
                f"{self.name}: is degenerate: {self.faces.shape[0]} triangles with a box of "
                f"{' x '.join(f'{edge:.4g}' for edge in self.size)}; a closed body is needed"
            )
        ahead = np.concatenate([self.faces[:, [i, (i + 1) % 3]] for i in range(3)])
        low, high = ahead.min(axis=1), ahead.max(axis=1)
        turn = np.where(ahead[:, 0] < ahead[:, 1], 1, -1)
        _, edge, uses = np.unique(
            low * self.vertices.shape[0] + high, return_inverse=True, return_counts=True
        )
        balance = np.zeros(uses.size, np.int64)
        np.add.at(balance, edge.ravel(), turn)
        open_edges = int(np.count_nonzero(uses % 2))
        if open_edges:
            raise BadImage(
                f"{self.name}: is not closed: {open_edges} open edges; close it, e.g. in MeshLab "
                "(Filters, Remeshing, Close Holes)"
            )
        if balance.any():
            raise BadImage(
                f"{self.name}: neighbouring triangles face different ways along "
                f"{int(np.count_nonzero(balance))} edges; orient it, e.g. in MeshLab (Filters, "
                "Normals, Re-Orient All Faces Coherently)"
            )

    def grid(self, voxel: float, unit: float) -> Grid:
        """The box round the mesh, rounded up to whole voxels.

        Raises
        ------
        TooLarge
            If the voxels cannot be numbered.
        """
        sizes = [max(1, math.ceil(float(edge) * unit / voxel - _WHOLE)) for edge in self.size]
        return Grid((sizes[0], sizes[1], sizes[2]), voxel)


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
    mesh = Mesh(file)
    grid, cropped, first = _grid(mesh, voxel, unit, crop, notes)
    require_memory(
        cropped.n_voxels * _BYTES_PER_VOXEL, f"{file.name}: {cropped.n_voxels:.3g} voxels"
    )
    scaled = (mesh.vertices - mesh.low) * (unit / voxel) - np.array(first)
    wound = winding(scaled, mesh.faces, cropped.shape)
    low, high = int(wound.min()), int(wound.max())
    if (low, high) == (-1, 0) or (low, high) == (-1, -1):
        np.negative(wound, out=wound)
        notes.append("The mesh was inside out: its triangles were turned round.")
    elif low < 0 or high > 1:
        bad = np.argwhere((wound < 0) | (wound > 1))[0]
        where = (bad + np.array(first) + 0.5) * voxel + mesh.low * unit
        raise BadImage(
            f"{file.name}: crosses itself, or holds bodies that overlap or are inside out: at "
            f"({', '.join(f'{1e3 * float(part):.4g}' for part in where)}) mm the surface winds "
            f"{int(wound[tuple(bad)])} times; unite the bodies, e.g. in MeshLab (Filters, "
            "Remeshing, Mesh Boolean: Union)"
        )
    box = " x ".join(f"{float(edge) * unit * 1e3:.6g}" for edge in mesh.size)
    notes.append(
        f"Mesh of {mesh.faces.shape[0]} triangles, coordinates taken as {unit_name}; its box of "
        f"{box} mm was rounded up to {' x '.join(map(str, grid.shape))} voxels, with no margin."
    )
    return wound > 0, cropped


def mesh_grid(file: Path, *, voxel: float, unit: float, crop: Crop | None) -> Grid:
    """The grid that `read_mesh` gives."""
    return _grid(Mesh(file), voxel, unit, crop, [])[1]


def _grid(
    mesh: Mesh, voxel: float, unit: float, crop: Crop | None, notes: list[str]
) -> tuple[Grid, Grid, tuple[int, int, int]]:
    """The grid of the whole mesh, that of the part asked for, and where the latter begins."""
    grid = mesh.grid(voxel, unit)
    region = crop_region(mesh.name, grid.shape, (voxel, voxel, voxel), crop, notes)
    (x, to_x), (y, to_y), (z, to_z) = region
    return grid, Grid((to_x - x, to_y - y, to_z - z), voxel), (x, y, z)


def _load(file: Path) -> tuple[Doubles, Faces]:
    try:
        import trimesh
    except ImportError as error:
        raise absent(file.name, "trimesh", "mesh") from error

    suffix = file.suffix.lower()
    with readable(file.name, KIND):
        _check_claim(file, suffix)
        require_memory(file_size(file) * _BYTES_PER_BYTE, f"{file.name}: reading it")
        options = {"skip_materials": True} if suffix == ".obj" else {}
        loaded = trimesh.load_mesh(file, file_type=suffix[1:], process=False, **options)
        vertices = np.array(loaded.vertices, np.float64).reshape(-1, 3)
        faces = np.array(loaded.faces, np.int64).reshape(-1, 3)
        if faces.size and not (faces.min() >= 0 and faces.max() < vertices.shape[0]):
            raise BadImage(f"{file.name}: has triangles with corners that are not there")
        return vertices, faces


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
