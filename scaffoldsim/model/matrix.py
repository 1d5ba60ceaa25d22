"""Bone matrix per voxel: osteoid is laid, mineralises, and bone is resorbed and answered.

The compiled half is ``_matrix.pyx`` and ``_osteoid.pyx``. What a voxel holds is told by shares of
its volume; who lays, where bone is supplied with blood and what drugs do are the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from scaffoldsim.model import _matrix, _osteoid, counter
from scaffoldsim.model.bone import BURY, ENTER
from scaffoldsim.model.matrix_ledger import MatrixLedger
from scaffoldsim.solver.inputs import positive, thread_count

if TYPE_CHECKING:
    from scaffoldsim.model.bone import BoneTissue
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Matrix", "MatrixLedger"]

Array = NDArray[Any]
Shares = NDArray[np.float32]

#: stages of mineralisation: the lag has a standard deviation of its mean over the root of this
STAGES = 3

# Room is left for what rounding adds in the thousands of steps of a run, so that the shares of a
# voxel never exceed 1, nor those of a voxel with a motile cell ENTER.
_MARGIN = 1e-5

# rows of the array that holds all but osteoid, and the entries of the books of a plane, as in
# _matrix.pyx
_MINERAL, _YOUNG, _HOST, _ANSWERING, _COVERED = range(5)
_LAID, _ASKED, _MINERALISED, _RESORBED_NEW, _RESORBED_HOST = range(5)

# bit of a voxel that waits for an answer, as in _tissue.pxd
_ANSWER = 4

# planes of a slab that one thread lays into, at the least: its ends are weighed twice
_LEAST_SLAB = 12


class Matrix:
    r"""Osteoid, mineral and host bone of every voxel, as shares of its volume.

    **Osteoid.** An osteoblast lays :math:`v_o m` per time, split over its own voxel and the six
    beside it with weights

    .. math:: w_u \propto c_u (1 - f_u), \qquad f = s + o + m + b,

    c = 1 + faces that touch a voxel with f ≥ `ENTER`. A voxel of scaffold gets nothing; one that
    holds a motile cell has room up to `ENTER` only, and is never filled to it. What finds no room
    is not laid.

    **Mineralisation.** Osteoid passes three stages of the rate :math:`3/\tau` each, solved exactly.
    `young` is the mineral weighed by :math:`e^{-a/\tau_m}` of its age a; its modulus follows.

    **Resorption.** Where bone may be resorbed, an exposed area A takes

    .. math:: \frac{d(m + b)}{dt} = -v_r \frac{A}{h^3} \frac{m + b}{o + m + b},

    from new and host bone in proportion: osteoclasts take no osteoid, and osteoid shields what it
    covers. A is :math:`h^2 \sum \max(0, f_i - f_j) |n|` over the faces, n the normal of the surface
    (``_exposure.h``). What was taken is kept in `answering` and is answered, with the mean delay
    `reversal_time`, by cells called to that place (`recruits`).

    Parameters
    ----------
    grid
        Grid of the voxels.
    bone
        Bone as a tissue.
    deposition
        v_o, m³/s per osteoblast.
    mineralisation_time
        τ, s.
    host
        Share of host bone per voxel at the start; None is none.
    threads
        Threads of the kernel; None takes all cores. Results do not depend on it.

    Attributes
    ----------
    osteoid : ndarray of float32, (3, nx, ny, nz)
        Share of the voxel, by stage of mineralisation.
    mineral, young, host : ndarray of float32, (nx, ny, nz)
        New bone, new bone weighed by its age, bone of the host.
    answering : ndarray of float32, (nx, ny, nz)
        Resorbed bone that no recruit has answered yet, as a share of the voxel.
    covered : ndarray of float32, (nx, ny, nz)
        Osteoid, mineral and host bone together; follows from the others.
    ledger : MatrixLedger
        Volumes since the start.

    Arrays are views of what the kernel works on: write into them, and call `begin` then.

    Raises
    ------
    ValueError
        If a shape is wrong, a share is not within 0 to 1 or a rate is negative or not finite.

    References
    ----------
    docs/theory.md, Matrix. Lag of mineralisation and its spread: Erlang stages. Split by contact:
    osteoblasts lay towards surfaces; the law is a choice.

    Examples
    --------
    >>> import numpy as np
    >>> from scaffoldsim.config import read_entry
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> grid = Grid((5, 5, 5), 20e-6)
    >>> day, um = 86400.0, 1e-6
    >>> matrix = Matrix(
    ...     grid, read_entry("tissues", "bone"),
    ...     deposition=1000 * um**3 / day, mineralisation_time=10 * day,
    ... )
    >>> nobody = np.zeros(125, np.uint8)
    >>> matrix.advance(
    ...     day, scaffold=np.zeros(grid.shape, np.float32), occupied=nobody,
    ...     osteoblasts=np.array([62], np.int32), output=1.0,
    ... )
    >>> round(matrix.ledger.laid / um**3, 3)
    1000.0
    >>> matrix
    Matrix(osteoid 1e-06, new bone 0, host bone 0 mm³)
    """

    def __init__(
        self,
        grid: Grid,
        bone: BoneTissue,
        *,
        deposition: float,
        mineralisation_time: float,
        host: ArrayLike | None = None,
        threads: int | None = None,
    ) -> None:
        self.grid = grid
        self.bone = bone
        self.deposition = positive(deposition, "deposition", "m^3/s", zero=True)
        self.mineralisation_time = positive(mineralisation_time, "mineralisation_time", "s")
        self.threads = thread_count(threads)
        n = math.prod(grid.shape)
        self._osteoid = np.zeros((STAGES, n), np.float32)
        self._bone = np.zeros((5, n), np.float32)
        self._holds = np.zeros(n, np.uint8)
        self._shape = np.array(grid.shape, np.intp)
        self._wraps = np.array(grid.periodic, np.intc)
        self._f = np.empty(0, np.float32)
        self._kind = np.empty(0, np.uint8)
        self._scratch = np.empty((0, 0), np.float32)
        shape = grid.shape
        self.osteoid: Shares = self._osteoid.reshape(STAGES, *shape)
        self.mineral: Shares = self._bone[_MINERAL].reshape(shape)
        self.young: Shares = self._bone[_YOUNG].reshape(shape)
        self.host: Shares = self._bone[_HOST].reshape(shape)
        self.answering: Shares = self._bone[_ANSWERING].reshape(shape)
        self.covered: Shares = self._bone[_COVERED].reshape(shape)
        if host is not None:
            self.host[:] = _shares(host, "host", grid.shape)
        self.ledger = MatrixLedger()
        self.begin()

    def __repr__(self) -> str:
        osteoid, mineral, host = (1e9 * volume for volume in self.volumes())
        return f"Matrix(osteoid {osteoid:.3g}, new bone {mineral:.3g}, host bone {host:.3g} mm³)"

    # arrays -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the arrays as they are for the start; call it after writing to one of them."""
        self.take_stock()
        osteoid, mineral, host = self.volumes()
        self.ledger = MatrixLedger(osteoid, mineral, host)

    def take_stock(self) -> None:
        """Note which voxels hold what; call it after writing to `answering` in a run."""
        _matrix.take_stock(*self._arrays, self.threads)

    def volumes(self) -> tuple[float, float, float]:
        """Osteoid, new and host bone present, m³, summed in double precision."""
        voxel = self.grid.voxel**3
        osteoid = self._osteoid.sum(dtype=np.float64)
        mineral = self._bone[_MINERAL].sum(dtype=np.float64)
        host = self._bone[_HOST].sum(dtype=np.float64)
        return float(osteoid) * voxel, float(mineral) * voxel, float(host) * voxel

    @property
    def gap(self) -> float:
        """What the ledger does not explain of the matrix present, as a share; rounding only."""
        osteoid, mineral, host = self.volumes()
        return self.ledger.gap(osteoid=osteoid, mineral=mineral, host=host)

    # steps ------------------------------------------------------------------------------------

    def advance(
        self,
        dt: float,
        *,
        scaffold: NDArray[np.float32],
        osteoblasts: NDArray[np.int32],
        output: float | NDArray[np.float32],
        occupied: NDArray[Any],
        mineralisation: float = 1.0,
        elapsed: float | None = None,
        resorption: float = 1.0,
        supplied: NDArray[np.bool_] | None = None,
    ) -> None:
        """One step: bone is resorbed, osteoid mineralises, osteoblasts lay.

        All three start from the fraction at the beginning of the step. Osteoid begins to mineralise
        in the step after that in which it was laid.

        Parameters
        ----------
        dt
            Step, s.
        scaffold
            Share of scaffold, float32 (nx, ny, nz).
        osteoblasts
            Their voxels, flat int32, ascending, one each.
        output
            Multiplier of `deposition`, one for all or float32 for each.
        occupied
            Bool or uint8 per voxel, flat: holds a cell that is no osteoblast or osteocyte.
        mineralisation, resorption
            Multipliers of the rates.
        elapsed
            Time for which osteoid mineralises and mineral ages now, s: `dt`, or 0 in some steps and
            that of all in the next, which is right on average for what is laid in between.
        supplied
            Bool (nx, ny, nz): where resorption has its full speed; elsewhere `far_resorption` of it
            is left. None: nothing is resorbed, as in culture.

        Raises
        ------
        ValueError
            If an argument has another shape or type, or is out of range. Nothing has changed then.
        """
        dt = positive(dt, "the step", "s")
        ripens = dt if elapsed is None else positive(elapsed, "elapsed", "s", zero=True)
        scaffold = _typed(scaffold, "scaffold", np.float32, self.grid.shape)
        visited = np.ascontiguousarray(np.asarray(occupied).reshape(-1)).view(np.uint8)
        visited = _typed(visited, "occupied", np.uint8, self._holds.shape)
        voxels = self._ascending(osteoblasts)
        outputs = _outputs(output, voxels.size)
        factor = positive(mineralisation, "mineralisation", "units of 1", zero=True)
        speed = positive(resorption, "resorption", "units of 1", zero=True)
        speed *= float(self.bone.resorption_speed) * dt / self.grid.voxel
        where = np.empty(0, np.uint8)
        if supplied is not None and speed > 0.0:
            where = _typed(supplied, "supplied", np.bool_, self.grid.shape).view(np.uint8).ravel()

        nx, ny, nz = self.grid.shape
        books = np.zeros((nx, 5))
        ends = np.arange(nx + 1, dtype=np.int64) * (ny * nz)
        planes = np.searchsorted(voxels, ends.astype(np.int32)).astype(np.intp)
        rows, near = np.zeros((2, nx * ny), np.uint8)
        if voxels.size or where.size:
            self._reserve()
            _osteoid.snapshot(
                self._bone,
                scaffold.reshape(-1),
                visited,
                voxels,
                planes,
                self._shape,
                self._wraps,
                where.size > 0,
                ENTER,
                self.threads,
                rows,
                near,
                self._f,
                self._kind,
            )
        if where.size or ripens > 0.0:
            _matrix.turn_over(
                *self._arrays,
                self._f if where.size else np.empty(1, np.float32),
                where,
                speed,
                speed * float(self.bone.far_resorption),
                self._chain(ripens, factor),
                self.threads,
                books,
            )
        amount = self.deposition * dt / self.grid.voxel**3
        if voxels.size and amount > 0.0:
            _osteoid.lay(
                *self._arrays,
                self._f,
                self._kind,
                near,
                voxels,
                planes,
                outputs,
                outputs.size > 1 or voxels.size == 1,
                amount,
                1.0 - _MARGIN,
                ENTER - _MARGIN,
                np.zeros(nz, np.uint8),
                max(1, min(4 * self.threads, nx // _LEAST_SLAB)),
                self.threads,
                self._scratch,
                books,
            )
        self._book(books, amount)

    def buried(
        self, voxels: NDArray[np.integer[Any]], scaffold: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Whether each of these flat voxels is filled beyond `BURY`: an osteoblast is buried."""
        found: NDArray[np.bool_] = (
            scaffold.reshape(-1)[voxels] + self._bone[_COVERED, voxels] > BURY
        )
        return found

    def owe(self, voxels: NDArray[np.integer[Any]], share: float) -> None:
        """Add to what is to be answered at these flat voxels, each once, that share of a voxel."""
        self._bone[_ANSWERING, voxels] += np.float32(positive(share, "share", "voxels", zero=True))
        self._holds[voxels] |= np.where(self._bone[_ANSWERING, voxels] > 0, _ANSWER, 0).astype(
            np.uint8
        )

    def recruits(
        self, dt: float, per_volume: float, *, seed: int, step: int, open_: NDArray[Any]
    ) -> NDArray[np.int32]:
        r"""Voxels where cells come to answer what was resorbed, ascending, one each.

        Of the bone R waiting for an answer a step has the turn of :math:`R (1 - e^{-dt/\tau})`,
        :math:`\tau` the reversal time; one recruit comes with the chance of this volume times
        `per_volume`, at most one per voxel and step, and the rest waits. It stands in the voxel
        itself if that is open, else in an open face neighbour; where there is none, R waits.

        Parameters
        ----------
        dt
            Step, s.
        per_volume
            Recruits per resorbed volume, 1/m³.
        seed, step
            Keys of the random numbers.
        open_
            Bool or uint8 per voxel: a cell may enter and none stands there.

        Raises
        ------
        ValueError
            If an argument has another shape, or is out of range.
        """
        dt = positive(dt, "the step", "s")
        per_voxel = positive(per_volume, "per_volume", "1/m^3", zero=True) * self.grid.voxel**3
        places = np.ascontiguousarray(np.asarray(open_).reshape(-1)).view(np.uint8)
        places = _typed(places, "open_", np.uint8, self._holds.shape)
        called = np.empty(self.grid.shape[0], np.int32)
        _matrix.call(
            *self._arrays,
            -math.expm1(-dt / float(self.bone.reversal_time)),
            per_voxel,
            *counter.keys(seed=seed, step=step, purpose="matrix.recruit"),
            places,
            self.threads,
            called,
        )
        found = np.empty(int(called.sum()), np.int32)
        if found.size:
            key = counter.keys(seed=seed, step=step, purpose="matrix.place")
            found = found[: _matrix.place(*self._arrays, per_voxel, *key, places, found)]
        found.sort()
        return found

    # checkpoints ------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs; copies."""
        books = [getattr(self.ledger, item.name) for item in fields(self.ledger)]
        return {
            "osteoid": self.osteoid.copy(),
            "mineral": self.mineral.copy(),
            "young": self.young.copy(),
            "host": self.host.copy(),
            "answering": self.answering.copy(),
            "ledger": np.array(books),
        }

    def load(self, state: Mapping[str, ArrayLike]) -> None:
        """Go to a stored `state`.

        Raises
        ------
        ValueError
            If an array is missing or of another grid. Nothing has changed then.
        """
        names = [item.name for item in fields(MatrixLedger)]
        shapes = {name: array.shape for name, array in self.state().items()}
        for name, shape in shapes.items():
            if name not in state:
                raise ValueError(f"the state of the matrix lacks {name}.")
            if np.shape(state[name]) != shape:
                raise ValueError(
                    f"the matrix's {name} has shape {np.shape(state[name])}, must be {shape}: it "
                    "is of another grid."
                )
        for name in shapes.keys() - {"ledger"}:
            getattr(self, name)[:] = np.asarray(state[name], np.float32)
        self.begin()
        self.ledger = MatrixLedger(
            **dict(zip(names, np.asarray(state["ledger"]).tolist(), strict=True))
        )

    # ------------------------------------------------------------------------------------------

    @property
    def _arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        return self._osteoid, self._bone, self._holds, self._shape, self._wraps

    def _reserve(self) -> None:
        """Room for the fraction and the weights, made at the first step that needs it."""
        if self._f.size == 0:
            nx, ny, nz = self.grid.shape
            self._f = np.empty(nx * ny * nz, np.float32)
            self._kind = np.empty(nx * ny * nz, np.uint8)
        if len(self._scratch) < self.threads:
            self._scratch = np.empty((self.threads, 6 * math.prod(self.grid.shape[1:])), np.float32)

    def _ascending(self, osteoblasts: NDArray[np.int32]) -> NDArray[np.int32]:
        voxels = np.ascontiguousarray(osteoblasts)
        if voxels.dtype != np.int32 or voxels.ndim != 1:
            raise ValueError(
                f"osteoblasts has type {voxels.dtype} and {voxels.ndim} axes, must be int32, flat."
            )
        if voxels.size and not (
            voxels[0] >= 0 and voxels[-1] < self._holds.size and (voxels[1:] > voxels[:-1]).all()
        ):
            raise ValueError(
                f"osteoblasts must be ascending voxels of 0 to {self._holds.size - 1}, each once."
            )
        return voxels

    def _chain(self, dt: float, factor: float) -> NDArray[np.float64]:
        """Shares of the stages that stay, go on and leave in a step, and how mineral ages."""
        x = STAGES * factor * dt / self.mineralisation_time
        age = dt / float(self.bone.maturation_time)
        stay = math.exp(-x)
        # what leaves from n stages before the end is an incomplete gamma function: no cancellation
        leave = [float(gammainc(n, x)) for n in (3, 2, 1)]
        fresh = -math.expm1(-age) / age if age > 0.0 else 1.0
        return np.array([stay, stay * x, *leave, math.exp(-age), fresh])

    def _book(self, books: NDArray[np.float64], amount: float) -> None:
        total, voxel = books.sum(axis=0), self.grid.voxel**3
        self.ledger.laid += float(total[_LAID]) * voxel
        self.ledger.unlaid += max(0.0, float(total[_ASKED] * amount - total[_LAID])) * voxel
        self.ledger.mineralised += float(total[_MINERALISED]) * voxel
        self.ledger.resorbed_new += float(total[_RESORBED_NEW]) * voxel
        self.ledger.resorbed_host += float(total[_RESORBED_HOST]) * voxel


def _typed(
    value: NDArray[Any], name: str, dtype: type[np.generic], shape: tuple[int, ...]
) -> NDArray[Any]:
    array = np.ascontiguousarray(value)
    if array.dtype != dtype or array.shape != tuple(shape):
        raise ValueError(
            f"{name} has type {array.dtype} and shape {array.shape}, must be "
            f"{np.dtype(dtype)} of shape {tuple(shape)}."
        )
    return array


def _shares(value: ArrayLike, name: str, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    array = _typed(np.asarray(value, np.float32), name, np.float32, shape)
    if not (array.min() >= 0.0 and array.max() <= 1.0):
        raise ValueError(f"{name} has values from {array.min()} to {array.max()}, must be 0 to 1.")
    return array


def _outputs(output: float | NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The multiplier of all osteoblasts, or that of each."""
    array = np.ascontiguousarray(output, dtype=np.float32).reshape(-1)
    if np.ndim(output) and array.size != n:
        raise ValueError(
            f"output has {array.size} values, must have one for each of {n} osteoblasts."
        )
    if array.size and not (array.min() >= 0.0 and math.isfinite(array.max())):
        raise ValueError(
            f"output has values from {array.min()} to {array.max()}, must be finite and 0 or more."
        )
    return array
