# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of the vessels: voxels that segments cross, edges in them, what is near.

Nothing here allocates, raises or keeps state, and all runs on one thread; names, checks and
documentation are in the Python twins (``vessel_graph.py``, ``anastomosis.py``, ``nearness.py``).
"""

from libc.math cimport floor
from libc.string cimport memcpy, memset

ctypedef unsigned char byte

# voxels that an edge may cross, as in vessel_graph.py
cdef enum:
    MOST = 7


cdef inline Py_ssize_t flat_of(
    Py_ssize_t i, Py_ssize_t j, Py_ssize_t k, const Py_ssize_t* shape, const int* wraps
) noexcept nogil:
    """Flat voxel, round the axes that wrap; -1 outside the box."""
    cdef Py_ssize_t[3] at
    cdef int a
    at[0], at[1], at[2] = i, j, k
    for a in range(3):
        if at[a] < 0 or at[a] >= shape[a]:
            if not wraps[a]:
                return -1
            at[a] = at[a] % shape[a]
            if at[a] < 0:
                at[a] += shape[a]
    return (at[0] * shape[1] + at[1]) * shape[2] + at[2]


def crossed(
    const double[:, ::1] start, const double[:, ::1] step, const Py_ssize_t[::1] shape,
    const int[::1] wraps, int[:, ::1] out,
):
    """Flat voxels along each segment in their order; at the end the last one again."""
    cdef Py_ssize_t row, voxel
    cdef int a, i, j, n, found
    cdef double low, high, plane, time, before, middle
    cdef double[MOST] times
    for row in range(start.shape[0]):
        n = 0
        for a in range(3):
            low = start[row, a]
            high = start[row, a] + step[row, a]
            if low > high:
                low, high = high, low
            plane = floor(low) + 1.0
            while plane < high and n < MOST - 1:
                time = (plane - start[row, a]) / step[row, a]
                time = 0.0 if time < 0.0 else (1.0 if time > 1.0 else time)
                # in order
                j = n
                while j > 0 and times[j - 1] > time:
                    times[j] = times[j - 1]
                    j -= 1
                times[j] = time
                n += 1
                plane += 1.0
        times[n] = 1.0
        n += 1
        before, found = 0.0, 0
        for i in range(n):
            # stretches of no length are the voxel before them
            if times[i] > before:
                middle = (before + times[i]) / 2
                voxel = flat_of(
                    <Py_ssize_t>floor(start[row, 0] + middle * step[row, 0]),
                    <Py_ssize_t>floor(start[row, 1] + middle * step[row, 1]),
                    <Py_ssize_t>floor(start[row, 2] + middle * step[row, 2]),
                    &shape[0], &wraps[0],
                )
                out[row, found] = <int>voxel
                found += 1
                before = times[i]
        for i in range(found, MOST):
            out[row, i] = out[row, found - 1]


def touching(const int[:, ::1] voxels, const byte[::1] mark, long long[::1] out):
    """Rows with a voxel that is marked; how many."""
    cdef Py_ssize_t row, n = 0
    cdef int a
    for row in range(voxels.shape[0]):
        for a in range(MOST):
            if voxels[row, a] >= 0 and mark[voxels[row, a]]:
                out[n] = row
                n += 1
                break
    return n


def stamp(
    byte[::1] mask, const byte[::1] base, const int[::1] voxels, const int[:, ::1] rows,
    const Py_ssize_t[::1] shape, const int[::1] wraps,
):
    """Set the ball around each voxel, or make it as in `base` if that is not empty.

    A ball is rows (x, y, half length along z).
    """
    cdef Py_ssize_t v, i, j, k, x, y, low, high, at
    cdef Py_ssize_t nz = shape[2], nyz = shape[1] * shape[2]
    cdef int r
    cdef bint sets = base.shape[0] == 0
    for v in range(voxels.shape[0]):
        i, j, k = voxels[v] // nyz, voxels[v] // nz % shape[1], voxels[v] % nz
        for r in range(rows.shape[0]):
            x, y = i + rows[r, 0], j + rows[r, 1]
            at = flat_of(x, y, 0, &shape[0], &wraps[0])
            if at < 0:
                continue
            low, high = k - rows[r, 2], k + rows[r, 2] + 1
            if wraps[2]:
                if high - low >= nz:
                    low, high = 0, nz
                elif low < 0:
                    fill(&mask[0], &base[0] if not sets else NULL, at, low + nz, nz)
                    low = 0
                elif high > nz:
                    fill(&mask[0], &base[0] if not sets else NULL, at, 0, high - nz)
                    high = nz
            else:
                low, high = max(low, 0), min(high, nz)
            fill(&mask[0], &base[0] if not sets else NULL, at, low, high)


cdef inline void fill(
    byte* mask, const byte* base, Py_ssize_t at, Py_ssize_t low, Py_ssize_t high
) noexcept nogil:
    if base == NULL:
        memset(&mask[at + low], 1, high - low)
    else:
        memcpy(&mask[at + low], &base[at + low], high - low)
