# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``cells.py``: rows put into another order."""

from cython.parallel cimport prange

ctypedef fused item:
    unsigned char
    unsigned short


def take(const int[::1] rows, item[:] column, unsigned short[::1] scratch, int threads):
    """Put ``column[rows]`` at the beginning of `column`; `scratch` has room for it.

    Wide columns come in parts of two bytes, so that the scratch is small.
    """
    cdef Py_ssize_t i, n = rows.shape[0]
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        scratch[i] = column[rows[i]]
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        column[i] = <item>scratch[i]
