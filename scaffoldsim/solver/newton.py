"""Newton's method on the voxel equations; each linear problem by conjugate gradients on a cycle."""

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
# error may be slow, an estimate of what is left can fall short.
CORRECTION = 15.0
# A correction this far below its limit, after one below it, passes whatever their ratio: there it
# is rounding, not a rate of convergence.
NEGLIGIBLE = 1e-3
# A linear problem is solved by FINEST, which single precision can carry, or as well as the equation
# resembles it; slopes are kept if it resembled it by LIKENESS. Where the two are as unlike as
# UNLIKE one iteration is enough, in the first HASTY problems.
FINEST, LIKENESS, UNLIKE, HASTY = 1e-5, 5e-3, 0.05, 20
# The first cycles of a linear problem are worth a length of one, near enough: no product is formed.
PLAIN = 2
# A residual that single precision followed counts if the solve began this many tolerances away.
FOLLOWED = 1e6
# Iterations on a linear problem with the cycle as preconditioner, then with the diagonal alone if
# those did not reduce it by STALLED; and linear problems.
MAX_CYCLES, MAX_JACOBI, MAX_NEWTON, STALLED = 60, 4000, 100, 0.3


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


@dataclass
class _Solve:
    """Where a linear solve stands.

    start, norm : norm of the residual before the first iteration, and now
    first, last, step : largest correction of the first iteration, of the last but one (of the
        solve before, if it is the first), of the last
    top : largest concentration
    negative : whether any is below zero
    count : iterations
    """

    start: float = 0.0
    norm: float = 0.0
    first: float = math.inf
    last: float = math.inf
    step: float = math.inf
    top: float = 0.0
    negative: bool = False
    count: int = 0

    def begin(self, norm: float) -> None:
        """Take up another linear problem."""
        self.start = self.norm = norm
        self.count = 0

    def settled(self, limit: float, *, curved: bool) -> bool:
        """Whether what is left after the last correction is below `limit`.

        Slow errors hide from one sign or the other, so the slower of two rates counts, that of the
        corrections and that of the residual. What the curvature leaves, in a pocket perhaps whose
        residual is nothing beside the others, shows in the first correction of a new problem.
        """
        if self.count == 0 or (curved and self.first > limit):
            return False
        if self.step <= NEGLIGIBLE * limit and self.last <= limit:
            return True
        fell = self.norm / self.start if self.start > 0 else 0.0
        rate = max(self.step / self.last if self.last > 0 else 0.0, fell ** (1.0 / self.count))
        left = self.step * max(1.0, rate / (1.0 - rate)) if rate < 1.0 else math.inf
        return left <= limit


class Newton:
    """Drives the kernels of one hierarchy towards F(c) = 0 for the padded iterate `c`."""

    def __init__(self, grid: Multigrid, c: NDArray[np.float64]) -> None:
        self.grid, self.c = grid, c
        self._work: list[NDArray[Any]] = []

    def residual(
        self, equation: Equation, *, slopes: bool = False, supply: bool = False
    ) -> tuple[float, float]:
        """Two-norms of F(c) and, if asked for, of F(0); with `slopes` it also linearises."""
        squares: tuple[float, float] = self.grid.kernel.linearise(
            self.c,
            equation.state,
            (equation.uptake, equation.linear, equation.source, equation.before),
            equation.half_saturation,
            equation.face_k,
            equation.face_value,
            slopes,
            supply,
        )
        return math.sqrt(squares[0]), math.sqrt(squares[1])

    def solve(
        self,
        equation: Equation,
        load: Callable[[bool], None],
        reference: float | None,
        tolerance: float,
        *,
        near: bool,
    ) -> tuple[float, int]:
        """Iterate from what `load(False)` puts into c; returns relative residual and cycles spent.

        That is `near` the answer, or far. The residual is relative to `reference`, by default that
        of an empty field. Where that is zero the answer is what `load(True)` puts into c.
        """
        kernel, curved, solve = self.grid.kernel, equation.curved, _Solve()
        load(False)
        norm, supply = self.residual(equation, slopes=True, supply=True)
        reference = supply if reference is None else reference
        if reference == 0:
            load(True)
        if reference == 0 or norm == 0:
            return 0.0, 0
        enough, history, spent, fresh = tolerance * reference, [norm], 0, True
        remainder, turned = math.inf, math.inf
        # What Newton's first step leaves grows with the square of the distance.
        missed = (2.5 * norm / reference if near else UNLIKE) if curved else 0.0

        def settled() -> bool:
            limit = CORRECTION * tolerance * max(solve.top, equation.level)
            return solve.norm <= enough and solve.settled(limit, curved=curved)

        for turn in range(MAX_NEWTON):
            if fresh:
                kernel.restrict_slopes()
            solve.begin(norm)
            hasty = missed >= UNLIKE and turn < HASTY
            # Below a third of what is enough, a curved problem needs other slopes.
            least = enough / (3.0 * norm) if curved else 0.0
            reduction = min(max(missed, FINEST, least), STALLED)
            self._conjugate(solve, reduction, settled, 1 if hasty else MAX_CYCLES)
            spent += solve.count
            if not ((hasty and solve.count) or solve.norm <= STALLED * solve.start or settled()):
                solve.begin(self.residual(equation)[0])
                self._conjugate(solve, STALLED, settled, MAX_JACOBI, jacobi=True)
                spent += solve.count
            if curved and solve.negative:
                kernel.clip(self.c)
            done = settled()
            # What the curvature leaves falls with the corrections at least.
            bent = remainder * min(1.0, solve.first / (turned or math.inf)) if curved else 0.0
            if done and solve.start <= FOLLOWED * enough and solve.norm + bent <= 0.5 * enough:
                return (solve.norm + bent) / reference, spent
            turned = solve.first
            fresh = curved and not done and missed > LIKENESS
            norm, _ = self.residual(equation, slopes=fresh)
            history.append(norm)
            if norm == 0 or (done and norm <= enough):
                return norm / reference, spent
            if not math.isfinite(norm):
                break
            # How far the equation is from its linearisation says how well to solve the next one.
            remainder = abs(norm - solve.norm)
            missed = remainder / solve.start if curved else 0.0
            if missed > LIKENESS and not fresh:
                norm, _ = self.residual(equation, slopes=True)
                fresh = True
        raise ConvergenceError([norm / reference for norm in history], tolerance)

    def _conjugate(
        self,
        solve: _Solve,
        reduction: float,
        settled: Callable[[], bool],
        most: int,
        *,
        jacobi: bool = False,
    ) -> None:
        """Conjugate gradients on A x = b; c takes every correction, b ends as the residual.

        Ends when it is settled, reduced by `reduction`, or after `most` iterations; a negative
        curvature or a NaN ends it at the last good answer.
        """
        kernel, product = self.grid.kernel, 0.0
        precondition = kernel.divide if jacobi else kernel.cycle
        plain = 0 if jacobi else PLAIN
        while solve.count < most and not (
            solve.count and (solve.norm <= reduction * solve.start or settled())
        ):
            before, product = product, precondition()
            if before > 0:
                kernel.turn(product / before)
            else:
                kernel.take()
            length = 1.0 if plain else product / (kernel.curvature() or math.nan)
            if not (product > 0 and length > 0):
                break
            solve.last = solve.step
            solve.step, solve.top, solve.negative, square = kernel.correct(
                self.c, length, not plain
            )
            if plain:
                product, plain = 0.0, plain - 1
            solve.norm = math.sqrt(square)
            solve.count += 1
            if solve.count == 1:
                solve.first = solve.step
