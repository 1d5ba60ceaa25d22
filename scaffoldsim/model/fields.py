"""Concentrations in the pores: what cells breathe and give off, and the faces it comes through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.budget import Budget
from scaffoldsim.model.species import Species
from scaffoldsim.model.stepping import Bath, Stepper
from scaffoldsim.solver.diffusion import ConvergenceError, Domain

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells
    from scaffoldsim.model.celltypes import CellType
    from scaffoldsim.scaffold.grid import Faces, Grid

__all__ = ["Fields", "Species", "Supply"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Supply:
    """What another part of the model does to a species in one step; arrays are (nx, ny, nz).

    Attributes
    ----------
    source : mol/m³/s or kg/m³/s per voxel, optional
    decay : 1/s, optional
        Of a loss in proportion to the concentration.
    held : mol/m³ or kg/m³, optional
        Concentration that is held; NaN where it is free.
    """

    source: Array | None = None
    decay: Array | None = None
    held: Array | None = None

    @classmethod
    def exchange(cls, where: NDArray[np.bool_], rate: float, value: float) -> "Supply":
        """Exchange with vessels in the voxels `where`: κ (c_v − c), κ in 1/s.

        Examples
        --------
        >>> supply = Supply.exchange(np.ones((1, 1, 1), bool), 0.01, 0.052)
        >>> float(supply.source[0, 0, 0]), float(supply.decay[0, 0, 0])
        (0.00052, 0.01)
        """
        decay = np.where(where, float(rate), 0.0)
        return cls(source=decay * value, decay=decay)

    @classmethod
    def perfused(cls, where: NDArray[np.bool_], value: float) -> "Supply":
        """Vessels in the voxels `where` that hold their blood's concentration."""
        return cls(held=np.where(where, float(value), np.nan))


class Fields:
    """All concentrations, one float32 array per species.

    How one is carried from hour to hour, see `scaffoldsim.model.stepping.Stepper`.

    Parameters
    ----------
    grid
        The voxels.
    fraction
        Solid fraction per voxel, shape (nx, ny, nz): a voxel lets through D (1 − s).
    faces
        What each face of the box is.
    species
        By name; ``oxygen`` is taken up by cells.
    types
        Cell types, in the order of the cells' type column.
    threads
        Of the solver.

    Attributes
    ----------
    species : dict of str to Species
        Oxygen first, since what cells secrete depends on it.
    built : ndarray
        `fraction` as it was at first.
    pore : ndarray of float32
        1 − s, in 0 to 1; after `update` 1 − what hinders fluxes there.
    open, core : ndarray of bool
        Pore voxels, where means are taken; those of them in the third that is farthest from medium
        and host faces (none if no face supplies anything).
    value : dict of str to ndarray
        Concentration, float32 (nx, ny, nz), in the `Species.unit`; 0 in solid. An array is never
        written to once it is here: a step puts a new one in its place.
    bath : dict of str to float
        Concentration of the medium, of each species that is in a bath of stated volume.
    budget : dict of str to Budget
        Of the last step that was booked.

    Raises
    ------
    ValueError
        If a secretion depends on oxygen and there is none.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> from scaffoldsim.model.cells import Cells
    >>> from scaffoldsim.scaffold.grid import Faces, Grid
    >>> types = {"bmsc": read_entry("cells", "bmsc")}
    >>> species = {name: read_entry("fields", name) for name in ("oxygen", "vegf")}
    >>> closed = Faces.model_validate({"x": "closed"})
    >>> fields = Fields(Grid((4, 4, 4), 2e-5), np.zeros((4, 4, 4)), closed, species, types)
    >>> cells = Cells(["bmsc"], ["basal"])
    >>> _ = cells.append(10, voxel=range(10))
    >>> fields.advance(cells, 3600.0)
    >>> bool(fields.value["oxygen"].max() < 0.2), bool(fields.value["vegf"].min() > 0)
    (True, True)
    """

    def __init__(
        self,
        grid: "Grid",
        fraction: Array,
        faces: "Faces",
        species: Mapping[str, Species],
        types: Mapping[str, "CellType"],
        *,
        threads: int | None = None,
    ) -> None:
        self.grid = grid
        self.species = {name: species[name] for name in sorted(species, key=_oxygen_first)}
        self.value: dict[str, NDArray[np.float32]] = {}
        self._deep = _deep(grid, faces)
        self._uptake = np.array([float(t.oxygen_uptake) for t in types.values()])
        #: set by the owner: (species, cells, basal rate per cell or None) → rate per cell or None
        self.secrete: Callable[[str, Cells, Array | None], Array | None] = _basal
        self._secreted = {name: _secreted(entry, types) for name, entry in self.species.items()}
        self._supplies: dict[str, list[Callable[[], Supply]]] = {n: [] for n in self.species}
        self._set_pore(fraction)
        self.built = fraction
        self.domain = Domain(self.pore, voxel=grid.voxel, periodic=faces.periodic, threads=threads)
        self._stepper: dict[str, Stepper] = {}
        for name, entry in self.species.items():
            if entry.secretion is not None and entry.secretion.hypoxic_fold is not None:
                self._require("oxygen", f"the secretion of {name} depends on it")
            self.value[name] = np.where(self.pore > 0, entry.start(faces), 0).astype(np.float32)
            bathed = entry.bathed(faces)
            self._stepper[name] = Stepper(
                self.domain,
                diffusivity=float(entry.diffusivity),
                boundary=entry.boundary(faces),
                bath=Bath(entry.bath, bathed) if entry.bath is not None and bathed else None,
            )

    def __repr__(self) -> str:
        nx, ny, nz = self.grid.shape
        return f"Fields({', '.join(self.species)}; {nx} × {ny} × {nz} voxels)"

    @property
    def bath(self) -> dict[str, float]:
        """Concentration of each species that is in a bath of stated volume, there."""
        return {n: step.level for n, step in self._stepper.items() if step.bath is not None}

    @property
    def budget(self) -> dict[str, Budget]:
        """The budget of each species in the last step of it that was booked, if there is one."""
        return {n: step.budget for n, step in self._stepper.items() if step.budget is not None}

    def add_supply(self, name: str, supply: Callable[[], Supply]) -> None:
        """Let another part of the model act on species `name`.

        `supply` is asked at every step for what it does in that step: a product that is set free,
        vessels that exchange or hold. It must follow from the state of its owner alone, so that
        nothing of it has to be kept in a checkpoint of the fields. Several add up; where two hold
        a voxel, the later one does.

        Raises
        ------
        ValueError
            If there is no such species.
        """
        self._require(name, "something supplies it")
        self._supplies[name].append(supply)

    def advance(self, cells: "Cells", dt: float, *, book: bool = False) -> None:
        """Advance every species by `dt` seconds, implicitly; cells stay where they are.

        Parameters
        ----------
        cells
            Who takes up oxygen and secretes, and where.
        dt
            The step, s.
        book
            Whether to keep the `budget` of this step. It is then solved to 1e-10 instead of 1e-6,
            which costs about as much again, so that the account closes to 1e-6.

        Raises
        ------
        ConvergenceError
            If a solve stalled; its message begins with the name of the species. `value` and `bath`
            are then partly new: keep `state()` from before and `load` it.
        """
        for name in self.species:
            terms = self._terms(name, cells)
            try:
                self.value[name] = self._stepper[name].advance(
                    self.value[name], self.pore, terms, dt, book=book
                )
            except ConvergenceError as error:
                error.args = (f"{name}: {error}",)
                raise

    def update(self, fraction: Array, voxels: NDArray[np.int32] | None = None) -> dict[str, float]:
        """Take a changed fraction by which voxels hinder fluxes: of all, or of a few.

        A voxel that opens holds nothing at first, since solid holds no solute; one that closes
        loses what it held. `voxels` are flat numbers, ascending, with a fraction each; few of them
        cost little, and the result is the same.

        Returns
        -------
        dict of str to float
            What was lost with the voxels that closed, by species, mol or kg.
        """
        flat = self.pore.reshape(-1)
        if voxels is None:
            before = flat > 0
            self._set_pore(fraction)
            closed = np.flatnonzero(before & (self.pore.reshape(-1) == 0))
        else:
            now = _through(fraction)
            closed = voxels[(flat[voxels] > 0) & (now == 0)]
            flat[voxels] = now
            self.reopen(now > 0.5, voxels)
        self.domain.update(self.pore, changed=voxels)
        lost = {}
        for name, value in self.value.items():
            amount = float(np.sum(value.reshape(-1)[closed], dtype=np.float64))
            lost[name] = amount * self.grid.voxel_volume
            if amount > 0:
                self.value[name] = value.copy()
                self.value[name].reshape(-1)[closed] = 0
        return lost

    def reopen(self, where: NDArray[np.bool_], voxels: NDArray[np.int32] | None = None) -> None:
        """Say which voxels are pores to cells, all or a few by flat number: there means are taken.

        Without it those are that let through more than half of a flux.
        """
        if voxels is None:
            self.open = where
            self.core = where & self._deep
        else:
            self.open.reshape(-1)[voxels] = where
            self.core.reshape(-1)[voxels] = where & self._deep.reshape(-1)[voxels]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs; the arrays are those in use, and stay as they are."""
        return {**self.value, **{f"bath/{n}": np.array(level) for n, level in self.bath.items()}}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same species and geometry."""
        self.value = {name: np.array(state[name], np.float32) for name in self.species}
        for name in self.bath:
            self._stepper[name].level = float(state[f"bath/{name}"])

    def at(self, voxel: NDArray[np.int32], name: str) -> NDArray[np.float32]:
        """Return the concentration of species `name` at flat voxel numbers."""
        return self.value[name].ravel()[voxel]

    def in_pores(self, name: str) -> NDArray[np.float32]:
        """Return the concentrations of species `name` in all pore voxels, flat."""
        picked: NDArray[np.float32] = self.value[name][self.open]
        return picked

    def mean(self, name: str) -> float | None:
        """Return the mean of species `name` over the pore voxels; None if there are none."""
        inside = self.in_pores(name)
        return float(inside.mean(dtype=np.float64)) if inside.size else None

    def _require(self, name: str, reason: str) -> None:
        if name not in self.species:
            raise ValueError(
                f"the field {name!r} is missing (there are: {', '.join(self.species)}); {reason}"
            )

    def _set_pore(self, fraction: Array) -> None:
        if np.shape(fraction) != self.grid.shape:
            raise ValueError(f"fraction has shape {np.shape(fraction)}; grid: {self.grid.shape}")
        self.pore = np.ascontiguousarray(_through(fraction))
        self.reopen(self.pore > 0.5)

    def _terms(self, name: str, cells: "Cells") -> dict[str, Any]:
        """Return sources and sinks of species `name`, as the solver takes them."""
        entry, volume = self.species[name], self.grid.voxel_volume
        terms: dict[str, Any] = {"decay": entry.decay, "source": None, "fixed": None}
        terms |= {"consumption": None, "half_saturation": None}
        if name == "oxygen" and entry.half_saturation is not None:
            terms["consumption"] = self._at_cells(cells, self._uptake[cells.type] / volume)
            terms["half_saturation"] = float(entry.half_saturation)
        rate: Array | None = None
        if entry.secretion is not None:
            oxygen = self.at(cells.voxel, "oxygen") if "oxygen" in self.species else 0.0
            rate = self._secreted[name][cells.type] * entry.secretion.factor(oxygen)
        rate = self.secrete(name, cells, rate)
        if rate is not None:
            terms["source"] = self._at_cells(cells, rate / volume)
        if entry.source is not None:
            _add(terms, "source", np.full(self.grid.shape, entry.amount(entry.source), np.float32))
        for supply in self._supplies[name]:
            given = supply()
            _add(terms, "source", given.source)
            _add(terms, "decay", given.decay)
            if given.held is not None:
                kept = terms["fixed"]
                free = None if kept is None else np.isnan(given.held)
                terms["fixed"] = given.held if free is None else np.where(free, kept, given.held)
        return terms

    def _at_cells(self, cells: "Cells", rate: Array) -> NDArray[np.float32]:
        """Return `rate` of each cell as an array of voxels."""
        array = np.zeros(self.grid.n_voxels, np.float32)
        array[cells.voxel] = rate
        return array.reshape(self.grid.shape)


def _basal(name: str, cells: "Cells", rate: Array | None) -> Array | None:
    """Let cells give off what their type and oxygen say, and no more."""
    return rate


def _through(fraction: Array) -> NDArray[np.float32]:
    """Return the share of a flux that is let through."""
    through: NDArray[np.float32] = np.clip(1.0 - np.asarray(fraction, np.float32), 0, 1)
    return through


def _oxygen_first(name: str) -> bool:
    return name != "oxygen"


def _secreted(entry: Species, types: Mapping[str, "CellType"]) -> NDArray[np.float64]:
    """Return what one cell of each type gives off where there is oxygen, mol/s or kg/s."""
    rule = entry.secretion
    if rule is None:
        return np.zeros(len(types))
    rate, chosen = entry.amount(rule.rate), rule.types or list(types)
    return np.array([rate if name in chosen else 0.0 for name in types])


def _add(terms: dict[str, Any], key: str, more: Array | None) -> None:
    """Add `more`, if there is any, to a term that may be missing."""
    if more is not None:
        terms[key] = more if terms[key] is None else terms[key] + more


def _deep(grid: "Grid", faces: "Faces") -> NDArray[np.bool_]:
    """Return the voxels deeper below all supplying faces than two thirds of the greatest depth."""
    depth = np.full(grid.shape, np.inf)
    for axis, wraps in enumerate(faces.periodic):
        if wraps:
            continue
        n = grid.shape[axis]
        index = np.arange(n).reshape([-1 if i == axis else 1 for i in range(3)])
        for side, below in (("-", index), ("+", n - 1 - index)):
            if faces.kind("xyz"[axis] + side) in ("medium", "host"):
                depth = np.minimum(depth, below)
    deep: NDArray[np.bool_] = np.isfinite(depth) & (depth > 2 / 3 * depth.max())
    return deep
