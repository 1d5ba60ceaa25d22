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

from scaffoldsim.solver import boundary as faces
from scaffoldsim.solver.domain import Domain
from scaffoldsim.solver.inputs import positive
from scaffoldsim.solver.newton import ConvergenceError, Equation, Term
from scaffoldsim.solver.padding import aligned
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


class Diffusion:
    """One species in a `Domain`, solved many times.

    `solve` keeps nothing from one call to the next, so a solution depends on the arguments alone,
    bit for bit, for any number of threads, and species may share a domain.

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
        if self.boundary.periodic != tuple(domain.periodic):
            mine, others = (
                "".join(a for a, wraps in zip(faces.AXES, wrapped, strict=True) if wraps) or "none"
                for wrapped in (self.boundary.periodic, domain.periodic)
            )
            raise ValueError(
                f"boundary is periodic along {mine}, the domain along {others}; they must agree."
            )
        self.diffusivity = positive(diffusivity, "diffusivity", "m2/s", zero=True)
        self._version = 0
        self._refresh()

    def __repr__(self) -> str:
        return f"Diffusion({self.domain.shape}, diffusivity={self.diffusivity:g} m2/s)"

    def _refresh(self) -> None:
        """Follow the domain to its present geometry."""
        domain = self.domain
        if self._version == domain.version:
            return
        self._version = domain.version
        diffusivity = self.diffusivity * domain.factor
        self._newton = domain.solver(linked=diffusivity > 0)
        self._face_k = self.boundary.conductances(domain.layers, domain.voxel, diffusivity)
        # All rates are multiplied by this time, so that an open face has conductance one.
        self._time = domain.voxel**2 / diffusivity if diffusivity > 0 else 1.0
        self._outlets = domain.outlets(self._newton.grid, self._face_k)
        self._pockets: Pockets | None = None

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

        previous : scalar or (nx, ny, nz), mol/m3, the field one `dt` ago
        dt : s; with it a sealed pocket simply keeps its balance
        out : (nx, ny, nz) float32 or float64 that takes the field and becomes `.value`; what it
            holds in the solid stays
        """
        self._refresh()
        domain, inputs = self.domain, self.domain.inputs
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
        km = 1.0
        if half_saturation is not None:
            km = positive(half_saturation, "half_saturation", "mol/m3")
        uptake, uptake_top = self._rate(consumption, "consumption", "mol/m3/s")
        decay, _ = self._rate(decay, "decay", "1/s")
        source, source_top = self._rate(source, "source", "mol/m3/s")
        held, values = inputs.held(fixed)
        before, before_top = (None, 0.0) if previous is None else self._field(previous, "previous")
        step = math.inf if dt is None else positive(dt, "dt", "s")
        out = inputs.out(out)

        level = max(
            (v for v, k in zip(self.boundary.value, self._face_k, strict=True) if k is not None),
            default=0.0,
        )
        if held is not None:
            level = max(level, float(values[held].max()))
        start = before
        if initial is not None and initial is not previous:
            start, _ = self._field(initial, "initial")
        settled = None
        if before is None:
            if self._pockets is None:
                self._pockets = Pockets(self._newton.grid, self._outlets.rows)
            settled = self._pockets.settle(source, decay, uptake, held)

        # A power of two brings every concentration near one without touching its digits.
        size = max(level, source_top * self._time, before_top)
        if uptake_top > 0 and size > 0:
            # A box that runs dry: so far below Km the sink is linear, and dividing by what is
            # left would carry it out of the range of float32.
            size = max(size, _LINEAR_BELOW * km)
        scale = 2.0 ** -math.frexp(size)[1] if size > 0 else 1.0
        per_step = self._time / step
        pinned = self._pinned(held, values, settled, start, scale)
        state = self._state([at for at, _ in pinned])
        linear = _term(decay, self._time)
        past: Term = (None, 0.0, 0.0) if before is None else _term(before, per_step * scale)
        equation = Equation(
            uptake=_term(uptake, scale * self._time),
            half_saturation=km * scale,
            linear=(*linear[:2], linear[2] + per_step),
            source=_term(source, scale * self._time),
            before=past,
            state=state,
            face_k=self._face_k,
            face_value=np.array(self.boundary.value) * scale,
            level=level * scale,
        )

        def load(empty: bool) -> None:
            """The starting iterate, or nothing, where c is free."""
            domain.load(0.0 if empty else level if start is None else start, scale)
            for at, value in pinned:
                domain.newton.c[self._newton.grid.core][at] = value
            domain.wrap()

        reference = None
        if pinned:
            load(True)
            reference, _ = self._newton.residual(equation)
        self._outlets.use(state, held)
        residual, cycles = self._newton.solve(
            equation, load, reference, tolerance, near=start is not None
        )
        self._newton.grid.store(domain.newton.c, 1.0 / scale, out)
        return Solution(out, residual, cycles)

    def _top(self, values: Any) -> float:
        """Largest value in the pore; below zero or infinite if any there is unfit."""
        return float(values) if np.ndim(values) == 0 else self._newton.grid.top(values)

    def _field(self, values: Any, name: str) -> tuple[Any, float]:
        """A concentration and its largest value; what it is in the solid does not count."""
        checked = self.domain.inputs.array(values, name)
        top = self._top(checked)
        if not 0 <= top < math.inf:
            raise ValueError(
                f"{name} is negative or not finite in some pore voxel; it must be "
                ">= 0 in mol/m3 (fill voxels that were opened since)."
            )
        return checked, top

    def _rate(self, values: Any, name: str, unit: str) -> tuple[Any, float]:
        """A rate and its largest value, as `_field`; None is zero."""
        checked = self.domain.inputs.array(0.0 if values is None else values, name)
        top = self._top(checked)
        if not 0 <= top < math.inf:
            raise ValueError(
                f"{name} is negative or not finite somewhere; it must be >= 0 in {unit}."
            )
        return checked, top

    def _pinned(
        self, held: Any, values: Any, settled: Any, start: Any, scale: float
    ) -> list[tuple[Any, Array]]:
        """Where c is not solved for, and its values there."""
        pinned: list[tuple[Any, Array]] = []
        if settled is not None and len(settled.voxel):
            at = np.unravel_index(settled.voxel, self.domain.shape)
            kept = np.zeros(len(settled.voxel))
            if start is not None:
                known = start if np.ndim(start) == 0 else start[at]
                kept = np.where(settled.keep, known * scale, 0.0)
            pinned.append((at, kept))
        if held is not None:
            pinned.append((held, values[held] * scale))
        return pinned

    def _state(self, pinned: list[Any]) -> NDArray[np.uint8]:
        """1 where c is solved for, 2 where it is pinned, 0 in the solid; padded."""
        mask = self._newton.grid.mask
        if not pinned:
            return mask
        state = aligned(mask.shape, np.uint8)
        state[...] = mask
        for at in pinned:
            state[self._newton.grid.core][at] = 2
        return state


def _term(values: Any, factor: float) -> Term:
    """`factor` times a number or an array, as the kernels take it."""
    if np.ndim(values) == 0:
        return None, 0.0, float(values) * factor
    return values, factor, 0.0


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
    tolerance : on the residual relative to that of an empty field; what is left
        after the last correction must also be below 15 `tolerance` of the largest concentration
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
