"""Newton's method on the voxel equations: one multigrid cycle each, Krylov when that stalls."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver.multigrid import Multigrid

# What is left after the last correction may be this many times `tolerance` of the largest
# concentration. A residual alone hides errors in nearly sealed pores (measured: 0.15 c0 at 1e-4).
# At the default, 1e-4 is promised and 1.5e-5 asked: from the field of an hour before, all of whose
# error may be slow, the estimate of what is left fell short by up to 6 (solves that missed 1e-4, of
# 200 hard ones: 21 at 50, 1 at 25, none at 15; in open pores it costs no cycle).
CORRECTION = 15.0
# A correction this far below its limit, after one below it, passes whatever their ratio: there it
# is rounding, not a rate of convergence.
NEGLIGIBLE = 1e-3
# Cycles count as stalled when PATIENCE of them do not halve the residual; chosen so that the
# first Newton steps of a nearly zero-order sink, which reduce it slowly, are not cut off.
PATIENCE = 5
MAX_CYCLES, MAX_NEWTON = 80, 100
# A linearisation serves for several cycles while the end is far: the first reduces a residual some
# thirtyfold, each further one tenfold. A sink whose slope depends on c is worth two at most.
MOST_AT_ONCE, MOST_CURVED = 3, 2
# Iterations one Newton step may spend on conjugate gradients preconditioned by the cycle, then by
# the diagonal alone, and the linear reduction it asks for.
MAX_KRYLOV, MAX_JACOBI, KRYLOV_REDUCTION = 60, 4000, 0.03


class ConvergenceError(RuntimeError):
    """A solve stalled above its tolerance; `history` holds the relative residuals."""

    def __init__(self, history: list[float], tolerance: float) -> None:
        last = ", ".join(f"{value:.2e}" for value in history[-5:])
        super().__init__(
            f"diffusion: {len(history)} iterations did not bring residual and correction below "
            f"tolerance {tolerance:g}; the last relative residuals are {last}. Loosen the "
            "tolerance, or lower the contrast of pore or the span of the coefficients."
        )
        self.history = history


# factor * array + constant, as the kernels take it; the array is (nx, ny, nz), single or double.
Term = tuple[NDArray[Any] | None, float, float]


@dataclass(frozen=True)
class Equation:
    """Scaled coefficients of one solve.

    uptake : greatest Michaelis-Menten consumption
    half_saturation : of that consumption
    linear : linear sink (decay, and 1/dt in a step)
    source : supply
    before : previous/dt in a step
    state : padded uint8, 1 where c is solved for
    face_k : conductance of the six faces per voxel, or None
    face_value : six boundary values
    level : largest held value
    """

    uptake: Term
    half_saturation: float
    linear: Term
    source: Term
    before: Term
    state: NDArray[np.uint8]
    face_k: list[NDArray[np.float64] | None]
    face_value: NDArray[np.float64]
    level: float

    @property
    def curved(self) -> bool:
        """Whether the slope of the sink depends on c."""
        return self.uptake[0] is not None or self.uptake[2] > 0


def _rate(ratio: float, cycles: int) -> float:
    """The rate r per cycle, if a correction of one is `ratio` times that of `cycles` before it.

    ratio = r^n (1 - r) / (1 - r^n) = r^n / (1 + r + ... + r^(n - 1)), by fixed points.
    """
    rate = float(ratio ** (1.0 / cycles))
    for _ in range(8 if cycles > 1 and rate < 1.0 else 0):
        rate = float((ratio * sum(rate**i for i in range(cycles))) ** (1.0 / cycles))
    return rate


class Newton:
    """Drives the kernels of one hierarchy towards F(c) = 0 for the padded iterate `c`."""

    def __init__(self, grid: Multigrid, c: NDArray[np.float64]) -> None:
        self.grid, self.c = grid, c
        self._work: list[NDArray[Any]] = []

    def residual(self, equation: Equation, *, empty: bool = False) -> float:
        """Two-norm of F(c), or of F(0) if `empty`; else also linearises, so a cycle may follow."""
        square: float = self.grid.kernel.linearise(
            self.c,
            equation.state,
            (equation.uptake, equation.linear, equation.source, equation.before),
            equation.half_saturation,
            equation.face_k,
            equation.face_value,
            empty,
        )
        return math.sqrt(square)

    def solve(
        self, equation: Equation, restart: Callable[[], None], reference: float, tolerance: float
    ) -> tuple[float, int]:
        """Iterate from what `restart` puts into c; returns relative residual and cycles spent."""
        history: list[float] = []
        restart()
        spent, done = self._cycles(equation, reference, tolerance, history)
        if not done:
            if not math.isfinite(history[-1]) or history[-1] > history[0]:
                restart()
            spent, done = self._krylov(equation, reference, tolerance, history, spent)
        if not done:
            raise ConvergenceError(history, tolerance)
        return history[-1], spent

    @staticmethod
    def _converged(
        history: list[float],
        step: float,
        last: float,
        limit: float,
        *,
        cycles: tuple[int, int] = (1, 1),
        reduced: float = 0.0,
    ) -> bool:
        """Whether what is left after the correction `step` is below `limit`.

        `cycles` made the correction `last` and this one. Slow errors hide from one sign or the
        other, so the slower of two rates counts, that of the corrections and that of the
        residual. `reduced` is the share of a residual at which a linear solve was broken off: as
        much of the correction before may be left of what that solve did not touch.
        """
        if step <= NEGLIGIBLE * limit and last <= limit:
            return True
        rate = _rate(step / last, cycles[0]) if last > 0 else 0.0
        fell = history[-1] / history[-2] if history[-2] > 0 else 0.0
        rate = max(rate, fell ** (1.0 / cycles[1]))
        left = step * max(1.0, rate / (1.0 - rate)) if rate < 1.0 else math.inf
        return max(left, reduced * last) <= limit

    @staticmethod
    def _planned(distance: float, curved: bool) -> int:
        """Cycles on the first linearisation, for a residual `distance` times the tolerance."""
        if not 1.0 < distance < math.inf:
            return 1
        most = MOST_CURVED if curved else MOST_AT_ONCE
        return min(most, max(1, int(math.log10(distance) - 0.5)))

    def _cycles(
        self, equation: Equation, reference: float, tolerance: float, history: list[float]
    ) -> tuple[int, bool]:
        """Cycles spent, and whether they were enough."""
        kernel, curved = self.grid.kernel, equation.curved
        history.append(self.residual(equation) / reference)
        last, spent, before = math.inf, 0, 1
        for turn in range(MAX_CYCLES):
            if curved or turn == 0:
                kernel.restrict_slopes()
            cycles = self._planned(history[-1] / tolerance, curved) if turn == 0 else 1
            kernel.cycle(cycles)
            spent += cycles
            step, top = kernel.update(self.c, curved)
            history.append(self.residual(equation) / reference)
            limit = CORRECTION * tolerance * max(top, equation.level)
            pair = (before, cycles)
            if history[-1] <= tolerance and self._converged(
                history, step, last, limit, cycles=pair
            ):
                return spent, True
            last, before = step, cycles
            if not math.isfinite(history[-1]):
                break
            if turn + 1 >= PATIENCE and history[-1] > 0.5 * history[-1 - PATIENCE]:
                break
        return spent, False

    def _krylov(
        self,
        equation: Equation,
        reference: float,
        tolerance: float,
        history: list[float],
        spent: int,
    ) -> tuple[int, bool]:
        """Iterations spent so far, and whether they were enough."""
        kernel, curved = self.grid.kernel, equation.curved
        last = math.inf
        history.append(self.residual(equation) / reference)
        for _ in range(MAX_NEWTON):
            kernel.restrict_slopes()
            count, reached = self._conjugate(MAX_KRYLOV, jacobi=False)
            spent += count
            if not reached <= KRYLOV_REDUCTION:
                self.residual(equation)
                count, reached = self._conjugate(MAX_JACOBI, jacobi=True)
                spent += count
            step, top = kernel.update(self.c, curved)
            history.append(self.residual(equation) / reference)
            limit = CORRECTION * tolerance * max(top, equation.level)
            if history[-1] <= tolerance and self._converged(
                history, step, last, limit, reduced=KRYLOV_REDUCTION
            ):
                return spent, True
            last = step
            if not math.isfinite(history[-1]):
                break
        return spent, False

    def _conjugate(self, limit: int, *, jacobi: bool) -> tuple[int, float]:
        """Conjugate gradients on A x = b; returns iterations and the reduction reached.

        b ends as the residual of x. A negative curvature or a NaN ends the loop at the last good
        answer. Polak and Ribiere's form of the direction is exact even for a preconditioner that
        is only nearly symmetric, as the cycle on an odd ring is.
        """
        grid, kernel = self.grid, self.grid.kernel
        if not self._work:
            self._work = [np.zeros_like(grid.x) for _ in range(3)]
        answer, direction, image = self._work
        answer[...] = 0.0
        direction[...] = 0.0
        first = now = kernel.dot(grid.b, grid.b)
        length, before, count = 0.0, 1.0, 0
        while count < limit and now > KRYLOV_REDUCTION**2 * first:
            if jacobi:
                np.multiply(grid.b, grid.dinv, out=grid.x)
            else:
                kernel.cycle()
            slope = kernel.dot(grid.b, grid.x)
            # `image` holds -A direction, hence the sign.
            turn = length * kernel.dot(grid.x, image) / before if count else 0.0
            direction *= np.float32(turn)
            direction += grid.x
            kernel.apply(direction, image)
            curvature = -kernel.dot(direction, image)
            if not (slope > 0 and curvature > 0):
                break
            length, before = kernel.dot(direction, grid.b) / curvature, slope
            answer += np.float32(length) * direction
            grid.b += np.float32(length) * image
            now = kernel.dot(grid.b, grid.b)
            count += 1
        grid.x[...] = answer
        return count, math.sqrt(now / first) if first > 0 else 0.0
