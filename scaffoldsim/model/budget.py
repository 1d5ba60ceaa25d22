"""Where the amount of a species in the pores came from and went to in one step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.scaffold.grid import layer

Array = NDArray[Any]

#: amounts up to this are nothing, mol or kg: a millionth of a molecule. What is left of a species
#: that was washed out ends among numbers too small for single precision, where no account closes
_NOTHING = 1e-30


@dataclass
class Budget:
    """Amounts of one species in one step, mol (or kg, if the species is kept in kg/m³).

    Attributes
    ----------
    before, after : float
        In the pores.
    sourced : float
        Given off by cells and by the sources of the rest of the model.
    consumed : float
        Taken up by cells.
    decayed : float
        Lost in proportion to the concentration: decay, and what vessels carry away.
    faces : float
        In through the faces of the box, less what left.
    held : float
        Given by voxels whose concentration is held, less what they took.
    """

    before: float = 0.0
    after: float = 0.0
    sourced: float = 0.0
    consumed: float = 0.0
    decayed: float = 0.0
    faces: float = 0.0
    held: float = 0.0

    @property
    def gap(self) -> float:
        """What is not explained, as a share of the total that was there or passed through."""
        gain = self.sourced + self.faces + self.held - self.consumed - self.decayed
        parts = [abs(getattr(self, item.name)) for item in fields(self)]
        total = max(parts)
        return abs(self.after - self.before - gain) / total if total > _NOTHING else 0.0


@dataclass
class Bookkeeper:
    """Adds up what the implicit steps of one species moved.

    Parameters
    ----------
    pore
        Relative diffusivity of a voxel, (nx, ny, nz); 0 is solid.
    voxel
        Edge of a voxel, m.
    periodic
        Axes whose two faces are one.
    diffusivity
        m²/s.
    boundary
        As the solver takes it.
    """

    pore: Array
    voxel: float
    periodic: tuple[bool, bool, bool]
    diffusivity: float
    boundary: Mapping[str, Any]
    budget: Budget = field(default_factory=Budget)

    def begin(self, value: Array) -> None:
        """Begin a new account with what the field `value` holds."""
        self.budget = Budget(before=self.stored(value), after=self.stored(value))

    def stored(self, value: Array) -> float:
        """Return the amount in the pores, summed in double precision."""
        return _sum(value, self.pore > 0) * self.voxel**3

    def book(
        self,
        before: Array,
        after: Array,
        dt: float,
        *,
        source: Array | None,
        decay: Array | float,
        consumption: Array | None,
        half_saturation: float | None,
        fixed: Array | None,
    ) -> None:
        """Enter one backward-Euler step from `before` to `after`; terms as the solver takes them.

        Every flow is that of the equation the solver solves, at the concentrations after the step;
        `after` should be double, since a face exchanges far more than it lets through in the end.
        Sums run over slabs, so that they need little memory.
        """
        volume, entry = self.voxel**3, self.budget
        entry.after = self.stored(after)
        pore = self.pore > 0
        held = None if fixed is None else pore & ~np.isnan(fixed)
        for i in range(len(pore)):
            c, free = after[i], pore[i] if held is None else pore[i] & ~held[i]
            if source is not None:
                entry.sourced += dt * volume * _sum(source[i], free)
            k = decay if np.ndim(decay) == 0 else decay[i]  # type: ignore[index]
            entry.decayed += dt * volume * _sum(k * c, free)
            if consumption is not None and half_saturation is not None:
                uptake = consumption[i] * (c / (half_saturation + c))
                entry.consumed += dt * volume * _sum(uptake, free)
        free = pore if held is None else pore & ~held
        entry.faces += dt * sum(self._through_faces(after, free))
        if held is not None and held.any():
            entry.held += volume * (_sum(after, held) - _sum(before, held))
            entry.held += dt * sum(self._out_of(after, held, free))

    def _through_faces(self, c: Array, free: Array) -> Iterator[float]:
        """Yield what comes in through each face, mol/s: half a voxel, in series with a film."""
        for face, entry in self.boundary.items():
            if entry == "periodic":
                continue
            value, exchange = entry if isinstance(entry, tuple) else (entry, np.inf)
            at = layer(face)
            inside = free[at]
            relative = self.pore[at][inside].astype(np.float64)
            half = 2 * self.diffusivity / self.voxel * relative
            if exchange == 0 or self.diffusivity == 0:
                continue
            conductance = half / (1.0 + half / exchange)
            drop = value - c[at][inside].astype(np.float64)
            yield float(np.sum(conductance * drop)) * self.voxel**2

    def _out_of(self, c: Array, held: Array, free: Array) -> Iterator[float]:
        """Yield what flows from held voxels to free ones along each axis, mol/s."""
        for axis, wraps in enumerate(self.periodic):
            for shift in (1, -1):
                at = np.argwhere(held)
                to = at.copy()
                to[:, axis] += shift
                n = held.shape[axis]
                if wraps:
                    to[:, axis] %= n
                inside = (to[:, axis] >= 0) & (to[:, axis] < n)
                a, b = tuple(at[inside].T), tuple(to[inside].T)
                joined = free[b]
                a, b = tuple(i[joined] for i in a), tuple(i[joined] for i in b)
                p, q = self.pore[a].astype(np.float64), self.pore[b].astype(np.float64)
                drop = c[a].astype(np.float64) - c[b]
                flow = np.sum(2 * p * q / (p + q) * drop)
                yield float(flow) * self.diffusivity * self.voxel


def _sum(values: Array, where: Array) -> float:
    total: float = np.sum(values, where=where, dtype=np.float64)
    return float(total)
