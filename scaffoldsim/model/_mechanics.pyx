# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``mechanics.py``: what the voxels of each layer amount to, in one pass.

A thread takes whole planes, and the sums of a plane have a place of their own, so the result is the
same for any number of threads.
"""

import numpy as np

from cython.parallel cimport prange

# rows of the sums, as in mechanics.py
cdef enum:
    PORE = 0
    TISSUE = 1
    FILLED = 2
    COMPLIANCE = 3
    ROWS = 4
    BLOCK = 64       # voxels at a time


cdef inline void one_row(
    Py_ssize_t n, const float* s, const float* o, Py_ssize_t stage, const float* m, const float* y,
    const float* b, const float* d, Py_ssize_t at, double whole, double solid, double least, double osteoid,
    double mature, double gap, double host, double soft, double gel, double* sums,
) noexcept nogil:
    cdef double laid, mineral, young, pore, stiff, kept
    # most moduli are the same everywhere, and a division costs as much as all else
    cdef double by_osteoid = 1.0 / osteoid, by_host = 1.0 / host
    # beside arrays that overlap with none, the compiler takes several voxels at once
    cdef double[BLOCK] of_solid, of_pore, by_solid, by_pore, pores, tissues, fillings, compliances
    cdef Py_ssize_t first = 0, count = BLOCK, i, z
    while first < n:
        count = n - first if n - first < BLOCK else BLOCK
        if first == 0 or d != NULL:
            for i in range(count):
                kept = whole
                if d != NULL:
                    kept = d[at + first + i]
                of_solid[i] = solid * (kept if kept > least else least)
                of_pore[i] = soft + gel * kept
                by_solid[i] = 1.0 / of_solid[i]
                by_pore[i] = 1.0 / of_pore[i]
        for i in range(count):
            z = first + i
            laid = <double>o[z] + <double>o[z + stage] + <double>o[z + 2 * stage]
            mineral = m[z]
            # rounding may leave a little more young mineral than there is mineral
            young = y[z]
            young = young if young < mineral else mineral
            pore = 1.0 - (<double>s[z] + laid + mineral + <double>b[z])
            pore = pore if pore > 0.0 else 0.0
            stiff = mineral * mature - young * gap
            pores[i] = pore
            tissues[i] = s[z] * of_solid[i] + laid * osteoid + stiff + b[z] * host
            fillings[i] = pore * of_pore[i]
            compliances[i] = (
                s[z] * by_solid[i] + laid * by_osteoid + b[z] * by_host + pore * by_pore[i]
                + mineral * mineral / (stiff if stiff > 0.0 else 1.0)
            )
        for i in range(count):
            sums[PORE * n + first + i] += pores[i]
            sums[TISSUE * n + first + i] += tissues[i]
            sums[FILLED * n + first + i] += fillings[i]
            sums[COMPLIANCE * n + first + i] += compliances[i]
        first += count


def sums(
    const float[:, :, ::1] scaffold, const float[:, :, :, ::1] osteoid,
    const float[:, :, ::1] mineral, const float[:, :, ::1] young, const float[:, :, ::1] host,
    integrity, *, double solid, double least, double osteoid_modulus, double mature_modulus,
    double fresh_modulus, double host_modulus, double soft_modulus, double gel_modulus, bint by_y,
    int threads,
):
    """Return sums over planes of x (of y if `by_y`): (planes, ROWS, nz), doubles.

    Rows: share of pore; share × modulus of scaffold and bone; of what fills the pores; share/modulus
    of all. `integrity`
    is a float, or an array of float32 per voxel.
    """
    cdef Py_ssize_t nx = scaffold.shape[0], ny = scaffold.shape[1], nz = scaffold.shape[2]
    cdef Py_ssize_t planes = ny if by_y else nx, rows = nx if by_y else ny
    cdef Py_ssize_t by_plane = nz if by_y else ny * nz, by_row = ny * nz if by_y else nz
    cdef Py_ssize_t p, r, at
    cdef const float[:, :, ::1] array
    cdef const float* kept = NULL
    cdef double whole = 1.0
    if isinstance(integrity, np.ndarray):
        array = integrity
        kept = &array[0, 0, 0]
    else:
        whole = integrity
    cdef const float* s = &scaffold[0, 0, 0]
    cdef const float* o = &osteoid[0, 0, 0, 0]
    cdef const float* m = &mineral[0, 0, 0]
    cdef const float* y = &young[0, 0, 0]
    cdef const float* b = &host[0, 0, 0]
    out = np.zeros((planes, ROWS, nz))
    cdef double[:, :, ::1] total = out
    for p in prange(planes, nogil=True, schedule="static", num_threads=threads):
        for r in range(rows):
            at = p * by_plane + r * by_row
            one_row(
                nz, s + at, o + at, nx * ny * nz, m + at, y + at, b + at,
                kept, at, whole, solid, least, osteoid_modulus,
                mature_modulus, mature_modulus - fresh_modulus, host_modulus, soft_modulus,
                gel_modulus, &total[p, 0, 0],
            )
    return out
