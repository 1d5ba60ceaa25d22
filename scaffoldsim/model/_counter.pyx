# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``counter.py``; what draws a number is in ``_counter.pxd``."""


def uniforms(const long long[::1] ids, word a, word b, double[::1] out):
    """One number in [0, 1) per id."""
    cdef Py_ssize_t i
    for i in range(ids.shape[0]):
        out[i] = uniform(ids[i], a, b)
