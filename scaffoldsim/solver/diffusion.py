"""Reaction and diffusion on voxels: steady states and implicit steps in time.

Solves, on the pore voxels of a box of cubic voxels,

    dc/dt = div(D p grad c) + S - k c - V c / (Km + c)

with c in mol/m3, D in m2/s, p the relative diffusivity of a voxel (0 is solid), S a source and V
a greatest consumption in mol/m3/s, k a decay in 1/s and Km a half-saturation in mol/m3. Left of
the equals sign stands zero at steady state, (c - previous) / dt in a backward-Euler step. Below
c = 0 the sink is continued as V c / Km.

Scheme: cell-centred finite volumes; the conductance between two voxels is the harmonic mean of
their diffusivities, a held face lies half a voxel from the centre. Newton's method, each linear
problem reduced by one multigrid cycle (`scaffoldsim.solver.multigrid`); the sink is concave, so
from the first step on Newton's iterates rise to the solution, and clipping them at zero keeps
that. When cycles stall, conjugate gradients preconditioned by the cycle, then by the diagonal,
take over. Corrections are single precision; the iterate and its residual are double.

Curved walls made of voxels are first order in the voxel, flat ones second.
Source: Patankar, "Numerical Heat Transfer and Fluid Flow" (1980), chapter 4; recalled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.solver import _diffusion
from scaffoldsim.solver import boundary as faces
from scaffoldsim.solver.inputs import Inputs, positive, relative_pore, thread_count
from scaffoldsim.solver.multigrid import Multigrid, wrap
from scaffoldsim.solver.newton import ConvergenceError, Equation, Newton
from scaffoldsim.solver.pockets import Pockets

__all__ = ["ConvergenceError", "Diffusion", "Domain", "Solution", "advance", "steady_state"]

Array = NDArray[Any]


#: below this share of Km, Michaelis-Menten uptake is linear to every digit of float32
_LINEAR_BELOW = 2.0**-40


@dataclass(frozen=True)
class Solution:
    """A solved field.

    Attributes
    ----------
    value : (nx, ny, nz) float64, mol/m3; NaN in the solid
    residual : final residual, relative to that of an empty field
    cycles : multigrid cycles (or conjugate-gradient iterations) spent
    """

    value: NDArray[np.float64]
    residual: float
    cycles: int


class Domain:
    """The pore of a voxel image, shared by all species that diffuse in it.

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float >= 0 that scales the diffusivity (0 is solid)
    voxel : edge of a voxel, m
    periodic : three bools, axes whose two faces are one
    threads : OpenMP threads, None for all
    """

    def __init__(
        self,
        pore: ArrayLike,
        *,
        voxel: float,
        periodic: tuple[bool, bool, bool] = (False, False, False),
        threads: int | None = None,
    ) -> None:
        self.voxel = positive(voxel, "voxel", "m")
        self.periodic = periodic
        self.threads = thread_count(threads)
        self.version = 0
        self.update(pore)

    def update(self, pore: ArrayLike) -> None:
        """Take a changed pore of the same shape."""
        self.relative, self.factor = relative_pore(pore)
        self.version += 1


class Diffusion:
    """One species in a `Domain`, solved many times.

    The hierarchy and all working arrays are made once; `solve` keeps nothing else from one call
    to the next, so a solution depends on the arguments alone, bit for bit, for any number of
    threads.

    Parameters
    ----------
    domain : where it diffuses
    diffusivity : m2/s, >= 0
    boundary : mapping of faces; see `steady_state`; its periodic axes are those of the domain

    Examples
    --------
    >>> import numpy as np
    >>> domain = Domain(np.ones((20, 20, 20)), voxel=2e-5, periodic=(True, True, False))
    >>> oxygen = Diffusion(domain, diffusivity=2e-9,
    ...                    boundary={"x": "periodic", "y": "periodic", "z-": 0.2, "z+": 0.2})
    >>> first = oxygen.solve(0.2, consumption=2.7e-4, half_saturation=0.006)
    >>> later = oxygen.solve(first.value, consumption=2.8e-4, half_saturation=0.006)
    >>> bool(later.value.min() < first.value.min())
    True
    """

    def __init__(self, domain: Domain, *, diffusivity: float, boundary: Mapping[str, Any]) -> None:
        self.domain = domain
        self.boundary = faces.parse(boundary)
        if self.boundary.periodic != domain.periodic:
            mine, others = (
                "".join(a for a, wraps in zip(faces.AXES, wrapped, strict=True) if wraps) or "none"
                for wrapped in (self.boundary.periodic, domain.periodic)
            )
            raise ValueError(
                f"boundary is periodic along {mine}, the domain along {others}; they must agree."
            )
        self._diffusivity = positive(diffusivity, "diffusivity", "m2/s", zero=True)
        self._version = 0
        self._refresh()

    def _refresh(self) -> None:
        domain = self.domain
        if self._version == domain.version:
            return
        self._version = domain.version
        relative, voxel = domain.relative, domain.voxel
        diffusivity = self._diffusivity * domain.factor
        self.shape: tuple[int, int, int] = relative.shape
        self._face_k = self.boundary.conductances(relative.astype(np.float64), voxel, diffusivity)
        self._grid = Multigrid(
            relative,
            self.boundary.periodic,
            self._face_k,
            domain.threads,
            linked=diffusivity > 0,
        )
        self._pockets = Pockets(self._grid)
        # All rates are multiplied by this time, so that an open face has conductance one.
        self._time = voxel**2 / diffusivity if diffusivity > 0 else 1.0
        self._inputs = Inputs(self._grid.mask[1:-1, 1:-1, 1:-1] == 0)
        self._c = np.zeros(self._grid.mask.shape)
        self._buffers: dict[str, Array] = {}
        self._newton = Newton(self._grid, self._face_k, self._c)
        self._face_reference: float | None = None

    def __repr__(self) -> str:
        levels = [level.n for level in self._grid.levels]
        return f"Diffusion({self.shape}, levels={levels}, sealed pockets={len(self._pockets)})"

    def _field(self, values: Any, name: str) -> Any:
        """A concentration: its value in the solid does not count."""
        checked = self._inputs.array(values, name)
        if np.ndim(checked) == 0:
            checked = np.full(self.shape, checked)
        self._load(checked, 1.0, name)
        return checked

    def _load(self, values: Array, scale: float, name: str) -> None:
        if _diffusion.load_field(values, scale, self._grid.mask, self._c):
            raise ValueError(
                f"{name} is negative or not finite in some pore voxel; it must be "
                ">= 0 in mol/m3 (fill voxels that were opened since)."
            )

    def _buffer(self, name: str, dtype: type) -> Array:
        if name not in self._buffers:
            self._buffers[name] = np.zeros(self.shape, dtype)
        return self._buffers[name]

    # ------------------------------------------------------------------- solve
    def solve(
        self,
        initial: ArrayLike | None = None,
        *,
        consumption: ArrayLike | None = None,
        half_saturation: float | None = None,
        decay: ArrayLike = 0.0,
        source: ArrayLike | None = None,
        fixed: ArrayLike | None = None,
        previous: ArrayLike | None = None,
        dt: float | None = None,
        tolerance: float = 1e-6,
        out: Array | None = None,
    ) -> Solution:
        """Steady state, or with `dt` one backward-Euler step from `previous`.

        Parameters, errors and source as in `steady_state`; in addition

        out : (nx, ny, nz) float32 or float64 that takes the field and becomes `.value`; what it
            holds in the solid stays

        previous : scalar or (nx, ny, nz), mol/m3, the field one `dt` ago
        dt : s; with it a sealed pocket simply keeps its balance
        """
        self._refresh()
        tolerance = positive(tolerance, "tolerance", "parts of one")
        if not 1e-12 <= tolerance < 1:
            raise ValueError(f"tolerance is {tolerance:g}; it must lie in [1e-12, 1).")
        if (dt is None) != (previous is None):
            raise ValueError("dt and previous go together: give both for a step in time, or none.")
        if consumption is not None and half_saturation is None:
            raise ValueError(
                "half_saturation is missing; consumption needs one, > 0 in mol/m3 "
                "(1e-6 serves as the zero-order limit)."
            )
        km = (
            1.0
            if half_saturation is None
            else positive(half_saturation, "half_saturation", "mol/m3")
        )
        uptake = self._inputs.rate(
            0.0 if consumption is None else consumption, "consumption", "mol/m3/s"
        )
        decay = self._inputs.rate(decay, "decay", "1/s")
        source = self._inputs.rate(0.0 if source is None else source, "source", "mol/m3/s")
        held, values = self._inputs.held(fixed)
        before = None if previous is None else self._field(previous, "previous")
        step = math.inf if dt is None else positive(dt, "dt", "s")

        level = max(
            (v for v, k in zip(self.boundary.value, self._face_k, strict=True) if k is not None),
            default=0.0,
        )
        if held is not None:
            level = max(level, float(values[held].max()))
        start = before
        if initial is not None:
            start = self._inputs.array(initial, "initial")
            if np.ndim(start) == 0:
                start = self._field(start, "initial")
        settled = None
        if before is None:
            settled = self._pockets.settle(source, decay, uptake, held)

        # A power of two brings every concentration near one without touching its digits.
        size = max(
            level,
            float(np.max(source)) * self._time,
            0.0 if before is None else float(np.fmax.reduce(before, axis=None)),
        )
        if consumption is not None and size > 0:
            # A box that runs dry: so far below Km the sink is linear, and dividing by what is
            # left would carry it out of the range of float32.
            size = max(size, _LINEAR_BELOW * km)
        scale = 2.0 ** -math.frexp(size)[1] if size > 0 else 1.0
        per_step = self._time / step
        equation = Equation(
            uptake=self._uptake(uptake, scale * self._time),
            half_saturation=km * scale,
            linear=self._linear(decay, per_step),
            constant=self._constant(source, before, per_step, scale),
            face_value=np.array(self.boundary.value) * scale,
            level=level * scale,
        )
        hold = self._hold(held, values, settled, start, scale)

        def load(field: Any) -> None:
            """The starting iterate: `field`, or one number everywhere, where c is free."""
            if np.ndim(field) == 0:
                np.multiply(self._grid.mask, field * scale, out=self._c)
            else:
                self._load(field, scale, "initial")
            hold()
            wrap(self._c, self._grid.periodic)

        self._grid.set_held(held)
        plain = held is None and before is None and np.max(source) == 0
        if plain and self._face_reference is not None:
            reference = self._face_reference
        else:
            load(0.0)
            reference = self._newton.residual(equation)
        if plain:
            self._face_reference = reference
        if reference == 0:
            if start is not None:
                load(start)
            load(0.0)
            residual, cycles = 0.0, 0
        else:
            residual, cycles = self._newton.solve(
                equation, lambda: load(level if start is None else start), reference, tolerance
            )
        value = np.empty(self.shape)
        _diffusion.store_field(self._c, 1.0 / scale, self._grid.mask, value)
        if out is not None:
            np.copyto(out, value, where=~self._inputs.solid, casting="same_kind")
            value = out
        return Solution(value, residual, cycles)

    def _hold(self, held: Any, values: Any, settled: Any, start: Any, scale: float) -> Any:
        """Mark the voxels that are not solved for; returns what puts their values into c."""
        inner = (slice(1, -1),) * 3
        active, c = self._grid.active[inner], self._c[inner]
        active[...] = self._grid.mask[inner]
        pinned = []
        if settled is not None and len(settled.voxel):
            at = np.unravel_index(settled.voxel, self.shape)
            kept = np.zeros(len(settled.voxel))
            if start is not None:
                kept = np.where(settled.keep, start[at] * scale, 0.0)
            active[at] = 0
            pinned.append((at, kept))
        if held is not None:
            active[held] = 0
            pinned.append((held, values[held] * scale))

        def hold() -> None:
            for at, value in pinned:
                c[at] = value

        return hold

    def _uptake(self, values: Any, factor: float) -> Array:
        if np.max(values) == 0:
            return np.empty((0, 0, 0), np.float32)
        if np.ndim(values) == 0:
            return np.full((1, 1, self.shape[2]), factor * values, np.float32)
        out = self._buffer("uptake", np.float32)
        np.multiply(values, factor, out=out, casting="same_kind")
        return out

    def _linear(self, decay: Any, per_step: float) -> Array:
        if np.ndim(decay) == 0:
            return np.full((1, 1, self.shape[2]), decay * self._time + per_step)
        out = self._buffer("linear", np.float64)
        np.multiply(decay, self._time, out=out)
        out += per_step
        return out

    def _constant(self, source: Any, before: Any, per_step: float, scale: float) -> Array:
        if before is None and np.ndim(source) == 0:
            return np.full((1, 1, self.shape[2]), source * self._time * scale)
        out = self._buffer("constant", np.float64)
        if before is None:
            np.multiply(source, self._time * scale, out=out)
        else:
            np.multiply(before, per_step * scale, out=out)
            out += source * (self._time * scale)
        return out


def steady_state(
    pore: ArrayLike,
    *,
    voxel: float,
    diffusivity: float,
    boundary: Mapping[str, Any],
    consumption: ArrayLike | None = None,
    half_saturation: float | None = None,
    decay: ArrayLike = 0.0,
    source: ArrayLike | None = None,
    fixed: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    tolerance: float = 1e-6,
    threads: int | None = None,
) -> Solution:
    """Steady field with sources and sinks in the pore of a voxel image.

    Solves 0 = div(D p grad c) + S - k c - V c / (Km + c); every symbol is a parameter below.

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float >= 0 (p) that scales the diffusivity; 0 is solid
    voxel : edge of a voxel, m
    diffusivity : D, m2/s, >= 0
    boundary : mapping
        {"x-": 0.2} holds the face plane at a value in mol/m3; {"x-": (0.0, 2e-7)} puts a value
        behind an exchange coefficient in m/s; {"x": "periodic"} joins both faces of an axis;
        a face that is not named is closed
    consumption : V, greatest Michaelis-Menten consumption, mol/m3/s, scalar or per voxel
    half_saturation : Km, mol/m3, > 0; needed with `consumption`
    decay : k, 1/s, scalar or per voxel
    source : S, mol/m3/s, scalar or per voxel
    fixed : (nx, ny, nz), mol/m3, held values inside the pore; NaN where c is free
    initial : scalar or (nx, ny, nz), mol/m3, where the iteration starts (by default at the
        largest held value); what it says in the solid does not count
    tolerance : on the residual relative to that of an empty field; the last correction must
        also fall below 100 `tolerance` times the largest concentration
    threads : OpenMP threads, None for all; the bits of the result do not depend on it

    Returns
    -------
    Solution
        `.value` (NaN in the solid), `.residual`, `.cycles`. A sealed pocket without source or
        sink keeps `initial` (0 by default), one with a sink alone is 0.

    Raises
    ------
    ValueError
        Inputs of wrong shape, sign or kind; a sealed pocket with a source that no sink balances.
    ConvergenceError
        The solve stalled.

    Examples
    --------
    A slab of 1 mm between two baths, with a first-order sink:

    >>> import numpy as np
    >>> slab = steady_state(np.ones((40, 1, 1), bool), voxel=2.5e-5, diffusivity=1e-9,
    ...                     boundary={"x-": 1.0, "x+": 1.0}, decay=4e-3)
    >>> round(float(slab.value[20, 0, 0]), 2)
    0.65
    """
    domain = Domain(pore, voxel=voxel, periodic=faces.parse(boundary).periodic, threads=threads)
    model = Diffusion(domain, diffusivity=diffusivity, boundary=boundary)
    return model.solve(
        initial,
        consumption=consumption,
        half_saturation=half_saturation,
        decay=decay,
        source=source,
        fixed=fixed,
        tolerance=tolerance,
    )


def advance(
    pore: ArrayLike,
    *,
    voxel: float,
    diffusivity: float,
    boundary: Mapping[str, Any],
    previous: ArrayLike,
    dt: float,
    consumption: ArrayLike | None = None,
    half_saturation: float | None = None,
    decay: ArrayLike = 0.0,
    source: ArrayLike | None = None,
    fixed: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    tolerance: float = 1e-6,
    threads: int | None = None,
) -> Solution:
    """One backward-Euler step: (c - previous) / dt = div(D p grad c) + S - k c - V c / (Km + c).

    Parameters, returns and errors are those of `steady_state`; in addition

    previous : scalar or (nx, ny, nz), mol/m3, the field one step ago
    dt : length of the step, s, > 0; the scheme is first order in it and stable at any length

    Examples
    --------
    A closed voxel with decay, c = previous / (1 + k dt):

    >>> import numpy as np
    >>> step = advance(np.ones((1, 1, 1), bool), voxel=1e-5, diffusivity=1e-9, boundary={},
    ...                previous=1.0, dt=100.0, decay=0.01)
    >>> round(float(step.value[0, 0, 0]), 6)
    0.5
    """
    domain = Domain(pore, voxel=voxel, periodic=faces.parse(boundary).periodic, threads=threads)
    model = Diffusion(domain, diffusivity=diffusivity, boundary=boundary)
    return model.solve(
        initial,
        consumption=consumption,
        half_saturation=half_saturation,
        decay=decay,
        source=source,
        fixed=fixed,
        previous=previous,
        dt=dt,
        tolerance=tolerance,
    )
