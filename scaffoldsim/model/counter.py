"""Random numbers that depend on who draws, when and what for, and on nothing else.

A number is a function of (seed, step, sub-step, purpose) and of the cell's id, so it is the same
for any number of threads, any order of the rows and after any restart. The four words that are
equal for all cells are hashed once per call into two 64-bit keys ``a`` and ``b``; each cell then
costs two rounds of the SplitMix64 finaliser ``mix``::

    bits(id) = mix(mix(id + a) ^ b)            uniform(id) = (bits >> 11) / 2**53

Two keys, since with one alone two steps would share a stretch of the same sequence whenever
their keys differ by less than the number of cells. ``bits`` is a bijection of the id: two cells
never get the same value, which makes it a tie-free priority.

`bits` is the reference; its compiled twin in ``_counter.pxd``, for `uniform` and the kernels of the
cells, gives the same numbers bit for bit.

References
----------
Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA (constants
of ``mix``, read in the public reference code of SplitMix64); Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3", SC11 (the idea of counters; recalled).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _counter

__all__ = ["bits", "keys", "uniform"]


def keys(*, seed: int, step: int, purpose: str, substep: int = 0) -> tuple[int, int]:
    """Two 64-bit keys for all draws of one purpose in one (sub-)step.

    Parameters
    ----------
    seed, step, substep
        Whole numbers of any size.
    purpose
        What the number is for; draws for different purposes are independent.

    Returns
    -------
    tuple of int
        The keys ``a`` and ``b``.

    Examples
    --------
    >>> keys(seed=1, step=0, purpose="hop") == keys(seed=1, step=1, purpose="hop")
    False
    """
    # repr quotes the purpose, so no choice of words can imitate another set of numbers
    words = repr((int(seed), int(step), int(substep), str(purpose)))
    digest = hashlib.blake2b(words.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bits(ids: ArrayLike, key: tuple[int, int]) -> NDArray[np.uint64]:
    """64 random bits per id, different for every id.

    Parameters
    ----------
    ids
        Cell ids, int64, any shape.
    key
        The pair from `keys`.

    Returns
    -------
    ndarray of uint64
        Same shape as `ids` (at least one axis).
    """
    counter = np.atleast_1d(np.asarray(ids, dtype=np.int64)).view(np.uint64)
    return _mix(_mix(counter + np.uint64(key[0])) ^ np.uint64(key[1]))


def uniform(ids: ArrayLike, key: tuple[int, int]) -> NDArray[np.float64]:
    """One number per id, uniform in [0, 1) with 53 random bits.

    Parameters
    ----------
    ids
        Cell ids, int64, any shape.
    key
        The pair from `keys`.

    Returns
    -------
    ndarray of float64
        Same shape as `ids` (at least one axis).

    Examples
    --------
    >>> key = keys(seed=1, step=0, purpose="hop")
    >>> bool((uniform([3, 1, 2], key)[1:] == uniform([1, 2], key)).all())
    True
    """
    numbers = np.ascontiguousarray(np.atleast_1d(ids), np.int64)
    drawn = np.empty(numbers.shape)
    _counter.uniforms(numbers.reshape(-1), *key, drawn.reshape(-1))
    return drawn
