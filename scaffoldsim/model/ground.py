"""What each voxel is to cells and to fluxes (compiled twin: ``_ground.pyx``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _ground
from scaffoldsim.model.bone import ENTER
from scaffoldsim.model.substrate import RIGID, is_gel
from scaffoldsim.model.walls import BONE, OSTEOID, PORE, SCAFFOLD

if TYPE_CHECKING:
    from scaffoldsim.model.bone import BoneTissue
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.lattice import Lattice
    from scaffoldsim.scaffold.grid import Grid
    from scaffoldsim.scaffold.scaffold import Scaffold

__all__ = ["BONE", "OSTEOID", "PORE", "SCAFFOLD", "Ground"]

#: steps of the hindrance of fluxes, as in _ground.pyx
LEVELS = 8

# voxels are searched for changes in this many parts, for any number of threads
_PARTS = 512
# below this many voxels a thread costs more to wake than it gains
_VOXELS_PER_THREAD = 100_000

Floats = NDArray[np.float32]
Parts = tuple[Floats, Floats, Floats, Floats]


class Ground:
    r"""What scaffold, osteoid and bone make of each voxel, for cells and for fluxes.

    With the shares s of scaffold, o of osteoid, m of new and b of the host's bone, a voxel is

    .. math::

        \text{scaffold} &: s \ge \tfrac12 \\
        \text{pore} &: s + o + m + b < \tfrac12 \\
        \text{bone} &: m + b \ge o \text{, else osteoid}

    and lets through :math:`1 - h` of a flux, with
    :math:`h = s + (1 - d_o)\,o + (1 - d_m)(m + b)` rounded down to eighths, so that few voxels
    change in an hour. Where h has not changed by an eighth since the fields were made, they keep
    the exact value they were made with.

    Cells are told at every `update`, since it costs little. A changed h costs a new hierarchy
    of the solver, so the caller says when that is due; it is due at once where a voxel that is open
    to cells is shut to fluxes. What the fluxes have is kept in `level`, the only state.

    Parameters
    ----------
    grid
        The voxels.
    lattice
        Whose walls follow.
    fields
        Whose pores follow; made with the scaffold as built.
    moduli
        Young's modulus of pore, scaffold, osteoid and bone, Pa. That of a pore is 0, or the
        modulus of the gel in it.
    conduction
        Osteoconductivity of pore, scaffold, osteoid and bone. That of a pore counts in a gel only.
    diffusivity
        d_o and d_m: of osteoid and of bone, relative to that in a pore.
    gel
        Whether the pores hold a gel, which cells touch everywhere.

    Attributes
    ----------
    kind : ndarray of uint8
        Per voxel, flat: `PORE`, `SCAFFOLD`, `OSTEOID` or `BONE`.
    touch : ndarray of uint8
        Per voxel, flat: which kinds are in it or across its faces; bit k for kind k.
    felt : ndarray of float32
        Per voxel, flat: modulus of the stiffest kind that it touches, Pa. Written in place.
    conduction : ndarray of float64
        By `touch`: the greatest osteoconductivity of what is touched, 1 if nothing is.
    material : int
        The bits of `touch` that mean the scaffold's material: scaffold, and a pore with gel in it.
    level : ndarray of uint8
        Per voxel, flat: h in eighths, as the fields have it.

    Raises
    ------
    ValueError
        If a number is missing, negative or no share.

    Examples
    --------
    >>> import scaffoldsim as ss
    >>> model = ss.Model(config="quickstart", set={"duration": "1 h"})
    >>> ground = model.ground
    >>> bool(np.array_equal(ground.kind == SCAFFOLD, model.scaffold.solid.ravel()))
    True
    >>> bone = np.where(model.scaffold.solid, 0, np.float32(0.9))
    >>> _ = ground.update(model.scaffold.fraction, None, bone, None)
    >>> ground
    Ground(0 pore, 40960 scaffold, 0 osteoid, 471040 bone)
    >>> float(model.fields.pore.max())  # .9 of bone lets through 1 - .9 (1 - .1), in eighths
    0.25
    """

    def __init__(
        self,
        grid: Grid,
        lattice: Lattice,
        fields: Fields,
        *,
        moduli: Sequence[float],
        conduction: Sequence[float],
        diffusivity: Sequence[float] = (1.0, 1.0),
        gel: bool = False,
    ) -> None:
        require("moduli", moduli, 4, np.inf)
        require("conduction", conduction, 4, np.inf)
        require("diffusivity", diffusivity, 2, 1.0)
        self.grid, self.lattice, self.fields, self.gel = grid, lattice, fields, bool(gel)
        self._threads = max(1, min(lattice.threads, grid.n_voxels // _VOXELS_PER_THREAD))
        self._modulus = greatest(moduli, 0.0).astype(np.float32)
        counted = conduction if gel else (-1.0, *conduction[1:])
        self.conduction = greatest(counted, 1.0)
        self.material = 1 << SCAFFOLD | (1 << PORE if gel else 0)
        self._osteoid, self._bone = (1.0 - float(d) for d in diffusivity)
        n = grid.n_voxels
        self.kind, self.touch = np.zeros(n, np.uint8), np.ones(n, np.uint8)
        self.felt = np.zeros(n, np.float32)
        self.level = self._built_level(slice(None))

    def __repr__(self) -> str:
        counts = np.bincount(self.kind, minlength=4)
        names = ("pore", "scaffold", "osteoid", "bone")
        return f"Ground({', '.join(f'{n} {name}' for n, name in zip(counts, names, strict=True))})"

    @classmethod
    def of(cls, scaffold: Scaffold, bone: BoneTissue, lattice: Lattice, fields: Fields) -> Ground:
        """Return the ground of a scaffold as built, without bone, and tell lattice and fields."""
        material, gel = scaffold.material, is_gel(scaffold)
        modulus = RIGID if material is None else float(material.youngs_modulus)
        conduction = 1.0 if material is None else float(material.osteoconductivity)
        of_bone = float(bone.osteoconductivity)
        ground = cls(
            scaffold.grid,
            lattice,
            fields,
            moduli=(
                modulus if gel else 0.0,
                modulus,
                float(bone.osteoid_modulus),
                float(bone.mature_modulus),
            ),
            conduction=(conduction, conduction, of_bone, of_bone),
            diffusivity=(float(bone.osteoid_diffusivity), float(bone.mineral_diffusivity)),
            gel=gel,
        )
        ground.update(scaffold.fraction, None, None, None, first=True)
        return ground

    def update(
        self,
        scaffold: ArrayLike,
        osteoid: ArrayLike | None,
        mineral: ArrayLike | None,
        host: ArrayLike | None,
        *,
        first: bool = False,
        fluxes: bool = True,
    ) -> dict[str, float]:
        """Take what the voxels hold now.

        Parameters
        ----------
        scaffold, mineral, host
            Share of each voxel, float32 (nx, ny, nz); None is nowhere.
        osteoid
            The same, in three stages: (3, nx, ny, nz).
        first
            Whether to do all anew, as at the start and after a restart.
        fluxes
            Whether fluxes are due, see the class.

        Returns
        -------
        dict of str to float
            What fields lost with voxels that closed to fluxes, mol or kg, by species.

        Raises
        ------
        ValueError
            If a shape is wrong, or scaffold would be where a cell stands.
        """
        parts = self._parts(scaffold, osteoid, mineral, host)
        threads = self._threads
        found = np.zeros((_PARTS, 16), np.int32)  # a row fills a cache line
        _ground.changes(*parts, ENTER, self.kind, self.level, threads, found)
        voxels = self._take(parts, found, threads)
        box = (*self.grid.shape, *self.grid.periodic)
        if first:
            kind = self.kind.reshape(self.grid.shape)
            gel = np.ones(self.grid.shape, bool) if self.gel else None
            self.lattice.set_walls(kind == SCAFFOLD, matrix=kind > SCAFFOLD, gel=gel)
            _ground.feel_all(self.kind, self._modulus, self.touch, self.felt, *box, threads)
        elif voxels.size:
            self.lattice.change_walls(voxels, self.kind[voxels])
            _ground.feel_around(voxels, self.kind, self._modulus, self.touch, self.felt, *box)
        lost: dict[str, float] = {}
        if fluxes or found[:, 1].any():
            level = np.empty_like(self.level)
            _ground.levels(*parts, self._osteoid, self._bone, level, threads)
            changed = np.flatnonzero(level != self.level).astype(np.int32)
            self.level = level
            if changed.size:
                lost = self.fields.update(self._hindrance(changed), changed)
                self.fields.reopen(self.kind[changed] == PORE, changed)
        if first:
            self.fields.reopen((self.kind == PORE).reshape(self.grid.shape))
        elif voxels.size:
            self.fields.reopen(self.kind[voxels] == PORE, voxels)
        return lost

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs: what the fluxes have."""
        return {"level": self.level.reshape(self.grid.shape)}

    def load(self, state: Mapping[str, ArrayLike]) -> None:
        """Go to a stored state, before the `update` (first, without fluxes) with its arrays."""
        self.level = np.array(state["level"], np.uint8).ravel()
        self.fields.update(self._hindrance(slice(None)).reshape(self.grid.shape))

    # ------------------------------------------------------------------------------------------

    def _parts(
        self,
        scaffold: ArrayLike,
        osteoid: ArrayLike | None = None,
        mineral: ArrayLike | None = None,
        host: ArrayLike | None = None,
    ) -> Parts:
        """What voxels hold, flat, as the kernels take it."""
        shape = self.grid.shape
        return (
            flat(scaffold, "scaffold", shape),
            flat(osteoid, "osteoid", (3, *shape)),
            flat(mineral, "mineral", shape),
            flat(host, "host", shape),
        )

    def _take(self, parts: Parts, found: NDArray[np.int32], threads: int) -> NDArray[np.int32]:
        """Note the new kinds; returns the voxels of another kind than before, ascending."""
        ends = np.cumsum(found[:, 0], dtype=np.int32)
        voxels = np.empty(int(ends[-1]), np.int32)
        if voxels.size:
            _ground.take(*parts, ENTER, found, ends - found[:, 0], self.kind, voxels, threads)
        return voxels

    def _built(self, voxels: Any) -> Floats:
        """What fluxes were hindered by in these voxels when the fields were made."""
        return np.ascontiguousarray(self._parts(self.fields.built)[0][voxels])

    def _built_level(self, voxels: Any) -> NDArray[np.uint8]:
        """Levels of that."""
        built, none = self._built(voxels), np.zeros(0, np.float32)
        level = np.empty(built.size, np.uint8)
        _ground.levels(built, none, none, none, 0.0, 0.0, level, self._threads)
        return level

    def _hindrance(self, voxels: Any) -> Floats:
        """What fluxes are hindered by there: levels, or what the fields were made with."""
        level = self.level[voxels]
        same = level == self._built_level(voxels)
        return np.where(same, self._built(voxels), level * np.float32(1 / LEVELS))


def greatest(of_kind: Sequence[float], of_none: float) -> NDArray[np.float64]:
    """Return the greatest number of the kinds touched, for each set of them (a bit each).

    A negative number does not count; `of_none` is for sets without any that does.

    Examples
    --------
    >>> greatest((-1, 0.8, 1.2, 1.0), 1.0)[[0b0001, 0b0011, 0b0111, 0b1010]]
    array([1. , 0.8, 1.2, 1. ])
    """
    table = np.full(16, float(of_none))
    for bits in range(16):
        found = [float(x) for k, x in enumerate(of_kind) if bits >> k & 1 and x >= 0]
        table[bits] = max(found, default=float(of_none))
    return table


def flat(value: ArrayLike | None, name: str, shape: tuple[int, ...]) -> Floats:
    """Return an array of that shape flat and in single precision; nothing for None.

    Raises
    ------
    ValueError
        If the shape is another.
    """
    if value is None:
        return np.zeros(0, np.float32)
    array: Floats = np.ascontiguousarray(value, np.float32)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, must be {shape}.")
    return array.reshape(-1)


def require(name: str, values: Sequence[float], count: int, most: float) -> None:
    """See that there are `count` numbers in 0 to `most`.

    Raises
    ------
    ValueError
        If not.
    """
    if len(values) != count or not all(0 <= float(x) <= most for x in values):
        raise ValueError(f"{name} is {tuple(values)!r}, must be {count} numbers in 0 to {most}.")
