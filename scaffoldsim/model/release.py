"""What the scaffold and bone matrix give to the pores: products, loaded and bound factors."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.fields import Supply
from scaffoldsim.model.walls import beside
from scaffoldsim.tree import Path_

if TYPE_CHECKING:
    from scaffoldsim.model.degradation import Degradation
    from scaffoldsim.model.fields import Fields, Species
    from scaffoldsim.scaffold.material import Carrier, Material
    from scaffoldsim.scaffold.section import ScaffoldSection

Array = NDArray[Any]

#: product of a material → the species it is in the pores
SPECIES = {"acid": "lactic_acid", "calcium": "calcium", "strontium": "strontium"}


def released(carrier: "Carrier", time: float) -> float:
    r"""Return the share of a loaded factor that a carrier has given off after `time` s.

    .. math:: M(t)/M_\infty = \beta + (1 - \beta) (1 - e^{-k t}), \qquad k = \ln 2/t_{1/2}

    Nothing is given off before t = 0, and the burst β at once.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> collagen = read_entry("materials", "collagen").carrier
    >>> [round(released(collagen, day * 86400), 3) for day in (0, 1, 3, 30)]
    [0.0, 0.444, 0.65, 0.999]
    """
    if time <= 0:
        return 0.0
    held = math.exp2(-time / float(carrier.half_life))
    return 1.0 - (1.0 - float(carrier.burst)) * held


def equivalent(material: "Material | None", time: float) -> float:
    """Return what the material's own factors are worth after `time` s, as BMP-2 in kg/m³.

    Cells that touch it feel this beside the BMP-2 of the pores: e₀ e^{−t/τ}, or e₀ for ever where
    the material gathers those of the host.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> dbm = read_entry("materials", "dbm")
    >>> [round(equivalent(dbm, day * 86400) * 1e6, 1) for day in (0, 7)]  # ng/mL
    [60.0, 22.1]
    """
    if material is None:
        return 0.0
    fades = material.bmp2_release_time
    return float(material.bmp2_equivalent) * (math.exp(-time / float(fades)) if fades else 1.0)


def problems(
    scaffold: "ScaffoldSection", species: Mapping[str, "Species"]
) -> Iterator[tuple[Path_, str]]:
    """Yield (key, message) for loaded factors that no field can carry."""
    for index, factor in enumerate(scaffold.loaded):
        entry = species.get(factor.species)
        if entry is None:
            known = ", ".join(sorted(species))
            yield (
                ("loaded", index, "species"),
                f"{factor.species!r} is not among the fields ({known}); add it to fields",
            )
        elif factor.unit == "kg" and entry.molar_mass is None:
            key = "amount" if factor.amount is not None else "concentration"
            yield (
                ("loaded", index, key),
                f"is a mass, but {factor.species} is kept in mol; give mol",
            )


@dataclass
class _Loaded:
    """A factor on its carrier: how much there was, and how much got into the pores."""

    species: str
    carrier: "Carrier"
    total: float
    spread: float = 0.0


class Release:
    r"""Gives fields what degradation, carriers and matrix set free, so that it all closes.

    *Products*: content × free share × density × volume lost, into the voxel that lost it;
    of one that is still closed, into its open neighbours in equal parts, and where there are none
    it waits. A product that is not among the fields is counted and not spread. *Loaded factors*
    leave evenly from the pores at the surface of the scaffold as built (of a gel, from all), see
    `released`. *Bound factors*: in a voxel with matrix (osteoid o, mineral m)

    .. math:: dc/dt = -k(o+m)c + R/\tau, \qquad dR/dt = k(o+m)c - R/\tau

    solved exactly before the step of the fields, in which c then spreads (Lie splitting, first
    order in the step).

    In each step `advance` comes after degradation and after `Fields.update`, and before
    `Fields.advance`.

    Parameters
    ----------
    fields
        Concentrations, of the scaffold as built; supplies are added to it.
    degradation
        Of the scaffold, as built.
    scaffold
        The section, for its material and what is loaded.

    Attributes
    ----------
    bound : dict of str to ndarray of float64
        R, amount per volume of a voxel, of each species that binds; only once there is matrix.

    Raises
    ------
    ValueError
        If a loaded factor is not among the fields, or nothing says how it leaves.
    """

    def __init__(
        self, fields: "Fields", degradation: "Degradation", scaffold: "ScaffoldSection | None"
    ) -> None:
        self.fields, self.degradation, self.grid = fields, degradation, fields.grid
        self.seconds = 0.0
        self.bound: dict[str, NDArray[np.float64]] = {}
        material = None if scaffold is None else scaffold.material
        #: amount that a voxel gives off if it is lost whole, mol/m³, by product
        self._content: dict[str, float] = {}
        if material is not None:
            for product, entry in material.products.items():
                free = 1.0 if entry.free is None else float(entry.free)
                self._content[product] = float(entry.content) * free * float(material.density)
        self._loaded = [] if scaffold is None else list(self._load_factors(scaffold))
        self._surface = _surface(degradation) if self._loaded else np.zeros(0, bool)
        # voxels whose loss found no pore yet, and the share of each that waits
        self._waiting, self._waits = np.zeros(0, np.int64), np.zeros(0)
        # a scaffold recedes in strides of hours; what a stride set free is given off over as many
        # steps, since it dissolved all the time: the rest of it, per step, and the steps left
        self._flow: NDArray[np.float32] = np.zeros(0, np.float32)
        self._turns = self._since = 0
        self._source: dict[str, Array] = {}
        carried = {SPECIES[p] for p in self._content} | {f.species for f in self._loaded}
        for name in sorted(carried & fields.species.keys()):
            fields.add_supply(name, partial(self._supply, name))

    def __repr__(self) -> str:
        loaded = ", ".join(f.species for f in self._loaded)
        return (
            f"Release(products: {', '.join(self._content) or 'none'}; loaded: {loaded or 'none'})"
        )

    @property
    def given(self) -> dict[str, float]:
        """What was given off so far by product, mol: content × free × density × volume lost."""
        volume = self.degradation.total_lost
        return {product: content * volume for product, content in self._content.items()}

    @property
    def waiting(self) -> dict[str, float]:
        """What of it waits for a pore or for its turn, mol, by product."""
        turn = float(self._flow.sum(dtype=np.float64)) * self._turns
        volume = (float(self._waits.sum()) + turn) * self.grid.voxel_volume
        return {product: content * volume for product, content in self._content.items()}

    @property
    def left(self) -> dict[str, float]:
        """What is still on the carrier of each loaded species, kg or mol."""
        left: dict[str, float] = {}
        for factor in self._loaded:
            left[factor.species] = left.get(factor.species, 0.0) + factor.total - factor.spread
        return left

    def held(self, name: str) -> float:
        """Return how much of species `name` matrix holds, kg or mol."""
        bound = self.bound.get(name)
        return 0.0 if bound is None else float(bound.sum()) * self.grid.voxel_volume

    def advance(self, dt: float, *, matrix: Array | None = None) -> None:
        """Set what fields take up in the step of `dt` seconds that comes; let matrix exchange.

        Parameters
        ----------
        dt
            The step, s.
        matrix
            Osteoid and mineral, share of each voxel; None where there is none.
        """
        self._source = {}
        self._give_products(dt)
        self.seconds += dt
        for factor in self._loaded:
            self._give_factor(factor, dt)
        for name, species in self.fields.species.items():
            if species.binding is not None and (matrix is not None or name in self.bound):
                self._exchange(name, dt, matrix)

    def state(self) -> dict[str, Array]:
        """Return what a restart needs."""
        state: dict[str, Array] = {
            "seconds": np.array(self.seconds),
            "spread": np.array([factor.spread for factor in self._loaded]),
            "waiting/voxel": self._waiting,
            "waiting/share": self._waits,
            "flow": self._flow,
            "turns": np.array([self._turns, self._since]),
        }
        return state | {f"bound/{name}": amount for name, amount in self.bound.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Go to a stored state of the same scaffold and fields."""
        self.seconds = float(state["seconds"])
        for factor, spread in zip(self._loaded, state["spread"], strict=True):
            factor.spread = float(spread)
        self._waiting = np.array(state["waiting/voxel"], np.int64)
        self._waits = np.array(state["waiting/share"], np.float64)
        self._flow = np.array(state["flow"], np.float32)
        self._turns, self._since = (int(n) for n in state["turns"])
        bound = (key for key in state if key.startswith("bound/"))
        self.bound = {k.removeprefix("bound/"): np.array(state[k], np.float64) for k in bound}

    def _load_factors(self, scaffold: "ScaffoldSection") -> Iterator[_Loaded]:
        for path, message in problems(scaffold, self.fields.species):
            raise ValueError(f"{'.'.join(map(str, path))}: {message}")
        volume = self.grid.voxel_volume * self.grid.n_voxels
        for factor in scaffold.loaded:
            carrier = factor.carrier or (scaffold.material.carrier if scaffold.material else None)
            if carrier is None:
                raise ValueError(f"nothing says how {factor.species} leaves the scaffold")
            total, mass = factor.total(volume), self.fields.species[factor.species].molar_mass
            if factor.unit == "mol" and mass is not None:
                total *= float(mass)
            yield _Loaded(factor.species, carrier, total)

    def _supply(self, name: str) -> Supply:
        return Supply(source=self._source.get(name))

    def _add(self, name: str, source: Array) -> None:
        self._source[name] = source if name not in self._source else self._source[name] + source

    def _give_products(self, dt: float) -> None:
        names = {p: SPECIES[p] for p in self._content if SPECIES[p] in self.fields.species}
        if not names:
            return
        lost = self._turn(self.degradation.lost)
        if not (self._waiting.size or lost.any()):
            return
        spread = self._opened(lost)
        for product, name in names.items():
            self._add(name, spread * np.float32(self._content[product] / dt))

    def _turn(self, lost: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what of `lost` and of earlier strides is given off in this step."""
        self._since += 1
        if lost.any():
            rest = self._flow * np.float32(self._turns) if self._turns else np.zeros_like(lost)
            self._flow = np.divide(lost + rest, self._since, dtype=np.float32)
            self._turns, self._since = self._since, 0
        if not self._turns:
            return np.zeros_like(lost)
        self._turns -= 1
        flow = self._flow
        if not self._turns:
            self._flow = np.zeros(0, np.float32)
        return flow

    def _opened(self, lost: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `lost`, moved to where it can dissolve; what finds no pore waits."""
        closed = np.flatnonzero((lost > 0) & (self.fields.pore <= 0))
        if not (closed.size or self._waiting.size):
            return lost
        out = lost.copy()
        flat, pore = out.ravel(), self.fields.pore.ravel()
        voxel, entry = np.unique(np.concatenate([self._waiting, closed]), return_inverse=True)
        share = np.bincount(entry, np.concatenate([self._waits, flat[closed]]), voxel.size)
        flat[closed] = 0
        beside = self._beside(voxel)
        free = (beside >= 0) & (pore[beside] > 0)
        opened = pore[voxel] > 0
        # a voxel that has opened by now keeps its own
        beside[opened], free[opened] = voxel[opened, None], np.arange(6) == 0
        ways = free.sum(1)
        each = np.repeat(share / np.maximum(ways, 1), ways)
        np.add.at(flat, beside[free], each.astype(np.float32))
        self._waiting, self._waits = voxel[ways == 0], share[ways == 0]
        return out

    def _beside(self, voxel: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the six face neighbours of voxels, (n, 6); -1 beyond a face of the box."""
        shape = self.grid.shape
        place, found = np.stack(np.unravel_index(voxel, shape)), []
        for axis in range(3):
            for step in (-1, 1):
                at = place.copy()
                at[axis] += step
                if self.grid.periodic[axis]:
                    at[axis] %= shape[axis]
                inside = (at[axis] >= 0) & (at[axis] < shape[axis])
                at[axis] = np.clip(at[axis], 0, shape[axis] - 1)
                found.append(np.where(inside, np.ravel_multi_index(tuple(at), shape), -1))
        return np.stack(found, axis=1)

    def _give_factor(self, factor: _Loaded, dt: float) -> None:
        amount = factor.total * released(factor.carrier, self.seconds) - factor.spread
        where = self._surface & (self.fields.pore > 0)
        n = np.count_nonzero(where)
        if n == 0 or amount <= 0:
            return
        rate = np.float32(amount / (n * self.grid.voxel_volume * dt))
        self._add(factor.species, where * rate)
        factor.spread += amount

    def _exchange(self, name: str, dt: float, matrix: Array | None) -> None:
        """Let matrix and pores exchange species `name` for `dt` seconds; exact in each voxel."""
        binding, value = self.fields.species[name].binding, self.fields.value[name]
        assert binding is not None
        bound = self.bound.get(name)
        touched = np.zeros(value.shape, bool) if matrix is None else matrix > 0
        if bound is not None:
            touched |= bound > 0
        at = np.flatnonzero(touched & (self.fields.pore > 0))
        if not at.size:
            return
        bound = np.zeros(value.shape) if bound is None else bound.copy()
        fresh, flat = value.copy(), bound.ravel()
        c, held = value.ravel()[at].astype(np.float64), flat[at]
        uptake = np.zeros(at.size) if matrix is None else float(binding.rate) * matrix.ravel()[at]
        back = 1.0 / float(binding.residence)
        even = (c + held) * back / (uptake + back)
        free = (even + (c - even) * np.exp(-(uptake + back) * dt)).astype(np.float32)
        fresh.ravel()[at] = free
        flat[at] = np.maximum(held + (c - free), 0.0)
        self.fields.value[name], self.bound[name] = fresh, bound


def _surface(degradation: "Degradation") -> NDArray[np.bool_]:
    """Return the pore voxels that touch scaffold; where nothing does, as in a gel, all of them."""
    grid, solid = degradation.grid, degradation.fraction >= 0.5
    touching = beside(solid, grid.periodic) & ~solid
    found: NDArray[np.bool_] = touching if touching.any() else ~solid
    return found
