"""One species through time: implicit steps, divided after a jump, with a bath and an account."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.budget import Bookkeeper, Budget
from scaffoldsim.scaffold.grid import layer
from scaffoldsim.solver.diffusion import ConvergenceError, Diffusion, Domain

Array = NDArray[Any]
Terms = Mapping[str, Any]

#: a step is repeated in sub-steps if it changes a field by more than this share of it (both as root
#: mean squares), and in more of them until a finer division changes it by less than `_AGREE`
_JUMP, _AGREE = 0.1, 0.02
_DIVISIONS = (4, 16)
#: of the solver, in general and in a step that is booked, where its residual is what does not close
_TOLERANCE, _BOOKED = 1e-6, 1e-10
#: what a bath and the pores exchange is found to this share of what both hold, by so many secants
_BATH_CLOSES, _SECANTS = 1e-10, 30
#: a step in which they do not agree to this share has failed
_BATH_FAILS = 1e-6
#: mol/m³ or kg/m³, far less than one molecule in a bath: none
_NONE = 1e-25


@dataclass(frozen=True)
class Bath:
    """Well-mixed medium of a stated volume, m³, before `faces` of the box (``("z+",)``)."""

    volume: float
    faces: tuple[str, ...]

    def rate(self, pore: Array, voxel: float, diffusivity: float) -> NDArray[np.float64]:
        """Return κ = 2 D p/h² in 1/s where a face is bathed: half a voxel between c and it."""
        kappa = np.zeros(pore.shape)
        for face in self.faces:
            at = layer(face)
            kappa[at] += 2 * diffusivity / voxel**2 * pore[at]
        return kappa


class Stepper:
    """Carries the field of one species from hour to hour.

    Every step is backward Euler, first order in time and stable: for a mode that decays at the
    rate λ it errs by the share |(1 + λ dt)⁻¹ − e^{−λ dt}| / (1 − e^{−λ dt}) of the change, at most
    0.23 (at λ dt = 1.8). So a step that changes a field by more than a tenth (root mean squares)
    is repeated in 4 equal sub-steps, and if these differ from the one by more than 0.02, in 16, by
    which the share falls to 0.02. Which of them is taken follows from the field before and the
    terms alone, so that a run goes on from a checkpoint to the same bytes.

    A bath of volume V exchanges as a held face does, and its concentration C is implicit too:

        V (C' − C) = −dt h³ Σ κ (C' − c')

    over the voxels at its faces, a scalar equation that is solved by secants; without uptake it is
    linear, and two of them are enough.

    Parameters
    ----------
    domain
        The pores, shared by all species.
    diffusivity
        m²/s.
    boundary
        As the solver takes it, with the faces of the bath held at its first concentration.
    bath
        What is beyond some of the faces, if it is neither kept nor changed.

    Attributes
    ----------
    level : float
        Concentration of the bath.
    budget : Budget
        Of the last step that was booked.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        diffusivity: float,
        boundary: Mapping[str, Any],
        bath: Bath | None = None,
    ) -> None:
        self.domain, self.diffusivity, self.bath = domain, diffusivity, bath
        bathed = bath.faces if bath is not None else ()
        self.boundary = {face: kind for face, kind in boundary.items() if face not in bathed}
        self.level = max((float(boundary[face]) for face in bathed), default=0.0)
        self._beyond = self.level  # at which the bath was held in the solve that counted
        self.budget: Budget | None = None
        self.solver = Diffusion(domain, diffusivity=diffusivity, boundary=self.boundary)

    def advance(
        self, before: Array, pore: Array, terms: Terms, dt: float, *, book: bool = False
    ) -> NDArray[np.float32]:
        """Return the field `dt` seconds after `before`; both float32, 0 in solid.

        Parameters
        ----------
        before
            The field now.
        pore
            Relative diffusivity of a voxel, 0 in solid: what the domain has.
        terms
            Sources and sinks, as keywords of the solver.
        dt
            s.
        book
            Whether to keep the `budget` of the step.

        Raises
        ------
        ConvergenceError
            If a solve stalled; `level` is then anything.
        """
        level = self.level

        def march(count: int) -> NDArray[np.float32]:
            self.level = level
            return self._march(before, pore, terms, dt, count, book or self.bath is not None)

        after = march(1)
        now, then, change = self.domain.root_mean_squares(after, before)
        if change <= _JUMP * max(now, then):
            return after
        for division in _DIVISIONS:
            coarse, after = after, march(division)
            now, _, change = self.domain.root_mean_squares(after, coarse)
            if change <= _AGREE * now:
                break
        return after

    def _march(
        self, now: Array, pore: Array, terms: Terms, dt: float, count: int, book: bool
    ) -> NDArray[np.float32]:
        """Return the field after `count` equal sub-steps of together `dt`."""
        books = None
        if book:
            books = Bookkeeper(
                pore, self.domain.voxel, self.domain.periodic, self.diffusivity, self.boundary
            )
            books.begin(now)
        for _ in range(count):
            out = np.zeros(now.shape, np.float64 if book else np.float32)
            if self.bath is None:
                self._solve(now, dt / count, terms, out, book)
            else:
                self._solve_with_bath(now, dt / count, pore, terms, out)
            if books is not None:
                if self.bath is not None:
                    books.boundary = self.boundary | dict.fromkeys(self.bath.faces, self._beyond)
                books.book(now, out, dt / count, **terms)
            now = out.astype(np.float32, copy=False)
        if books is not None:
            self.budget = books.budget
        return now

    def _solve(self, now: Array, dt: float, terms: Terms, out: Array, book: bool) -> None:
        """Put the field `dt` after `now` into `out`."""
        if book:
            # An account that closes less well is no reason to stop a run.
            with contextlib.suppress(ConvergenceError):
                self.solver.solve(now, previous=now, dt=dt, tolerance=_BOOKED, out=out, **terms)
                return
        self.solver.solve(now, previous=now, dt=dt, tolerance=_TOLERANCE, out=out, **terms)

    def _solve_with_bath(
        self, now: Array, dt: float, pore: Array, terms: Terms, out: Array
    ) -> None:
        """Put the field `dt` after `now` into `out`, and the bath at its new `level`."""
        assert self.bath is not None
        voxel, size, start = self.domain.voxel, self.bath.volume, self.level
        kappa = self.bath.rate(pore, voxel, self.diffusivity)
        given = 0.0 if terms["source"] is None else terms["source"]
        immersed = {**terms, "decay": terms["decay"] + kappa}

        def inflow(level: float) -> float:
            """Solve beside a bath at `level`; return the amount that came in."""
            immersed["source"] = given + kappa * level
            self._solve(now, dt, immersed, out, book=True)
            moved = [np.sum(k * (level - c)) for k, c in zip(kappa, out, strict=True)]
            return dt * voxel**3 * float(sum(moved))

        room = np.count_nonzero(pore) * voxel**3
        total = size * start + float(np.sum(now, dtype=np.float64)) * voxel**3
        level, moved = start, inflow(start)
        last, gap = level, moved
        level = max(0.0, start - moved / (size + room))
        for _ in range(_SECANTS):
            if abs(gap) <= _BATH_CLOSES * max(total, abs(moved)) or level == last:
                break
            moved = inflow(level)
            before, gap = gap, size * (level - start) + moved
            slope = (gap - before) / (level - last)
            last, level = level, level - gap / max(slope, size)
            level = level if level > _NONE else 0.0
        left = abs(gap) / max(total, abs(moved), _NONE)
        if left > _BATH_FAILS:
            raise ConvergenceError([left], _BATH_FAILS)
        self._beyond = last
        self.level = max(0.0, start - moved / size)
