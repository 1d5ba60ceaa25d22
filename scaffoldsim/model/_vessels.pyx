# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of the vessels: voxels that segments cross, what is near, around and beside.

Nothing here allocates, raises or keeps state, and all runs on one thread; names, checks and
documentation are in the Python twins (``vessel_graph.py``, ``anastomosis.py``, ``nearness.py``,
``steering.py``).
"""

from libc.math cimport fabs, floor, rint, sqrt
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


cdef int cross(
    const double* start, const double* step, const Py_ssize_t* shape, const int* wraps, int* out
) noexcept nogil:
    """Flat voxels along a segment in their order; how many."""
    cdef int a, i, j, n = 0, found = 0
    cdef double low, high, plane, time, middle, before = 0.0
    cdef double[MOST] times
    for a in range(3):
        low = start[a]
        high = start[a] + step[a]
        if low > high:
            low, high = high, low
        plane = floor(low) + 1.0
        while plane < high and n < MOST - 1:
            time = (plane - start[a]) / step[a]
            time = 0.0 if time < 0.0 else (1.0 if time > 1.0 else time)
            j = n
            while j > 0 and times[j - 1] > time:  # in order
                times[j] = times[j - 1]
                j -= 1
            times[j] = time
            n += 1
            plane += 1.0
    times[n] = 1.0
    for i in range(n + 1):
        if times[i] > before:  # stretches of no length are the voxel before them
            middle = (before + times[i]) / 2
            out[found] = <int>flat_of(
                <Py_ssize_t>floor(start[0] + middle * step[0]),
                <Py_ssize_t>floor(start[1] + middle * step[1]),
                <Py_ssize_t>floor(start[2] + middle * step[2]),
                shape, wraps,
            )
            found += 1
            before = times[i]
    return found


def crossed(
    const double[:, ::1] start, const double[:, ::1] step, const Py_ssize_t[::1] shape,
    const int[::1] wraps, bint once, int[:, ::1] out,
):
    """Flat voxels along each segment in their order; at the end the last one again.

    With `once` a voxel that comes again is -1, there and at the end.
    """
    cdef Py_ssize_t row
    cdef int i, j, found
    for row in range(start.shape[0]):
        found = cross(&start[row, 0], &step[row, 0], &shape[0], &wraps[0], &out[row, 0])
        for i in range(found, MOST):
            out[row, i] = -1 if once else out[row, found - 1]
        if once:
            for i in range(found - 1, 0, -1):
                for j in range(i):
                    if out[row, j] == out[row, i]:
                        out[row, i] = -1
                        break


def barred(
    const double[:, ::1] start, const double[:, ::1] step, const byte[::1] blocked,
    const Py_ssize_t[::1] shape, const int[::1] wraps, bint ends, byte[::1] out,
):
    """Which segments leave the box or cross a blocked voxel that they do not start in.

    With `ends` they may end in one as well.
    """
    cdef Py_ssize_t row
    cdef int i, found
    cdef int[MOST] voxels
    for row in range(start.shape[0]):
        found = cross(&start[row, 0], &step[row, 0], &shape[0], &wraps[0], voxels)
        out[row] = 0
        for i in range(found):
            if voxels[i] < 0:
                out[row] = 1
            elif blocked[voxels[i]] and voxels[i] != voxels[0]:
                if not (ends and voxels[i] == voxels[found - 1]):
                    out[row] = 1


def apart(
    const double[:, ::1] position, const double[:, ::1] others, const double[::1] size,
    const int[::1] wraps, double spacing, byte[::1] out,
):
    """Which positions are so far from all others and from those before them that are."""
    cdef Py_ssize_t row, k
    for row in range(position.shape[0]):
        out[row] = 1
        for k in range(others.shape[0]):
            if near(&others[k, 0], &position[row, 0], &size[0], &wraps[0], spacing):
                out[row] = 0
                break
        for k in range(row):
            if not out[row]:
                break
            if out[k] and near(&position[k, 0], &position[row, 0], &size[0], &wraps[0], spacing):
                out[row] = 0


cdef inline bint near(
    const double* a, const double* b, const double* size, const int* wraps, double spacing
) noexcept nogil:
    """Whether two positions are closer than that, round the axes that wrap."""
    cdef double way, squared = 0.0
    cdef int axis
    for axis in range(3):
        way = b[axis] - a[axis]
        if wraps[axis]:
            way -= rint(way / size[axis]) * size[axis]
        squared += way * way
        if squared >= spacing * spacing:
            return False
    return True


def blocks(
    const int[::1] voxel, const Py_ssize_t[::1] shape, Py_ssize_t across,
    const Py_ssize_t[::1] number, int[::1] out,
):
    """The block, so many voxels across, that holds each voxel; all flat."""
    cdef Py_ssize_t row, i, j, k
    for row in range(voxel.shape[0]):
        k = voxel[row] % shape[2]
        j = voxel[row] // shape[2] % shape[1]
        i = voxel[row] // (shape[2] * shape[1])
        out[row] = <int>((i // across * number[1] + j // across) * number[2] + k // across)


def around(
    const int[::1] block, const long long[::1] amount, const Py_ssize_t[::1] number,
    const int[::1] wraps, long long[::1] out,
):
    """What blocks and those that touch them hold; the one before the first may be the last."""
    cdef Py_ssize_t row, flat, i, j, k
    cdef Py_ssize_t x, y, z
    for row in range(block.shape[0]):
        k = block[row] % number[2]
        j = block[row] // number[2] % number[1]
        i = block[row] // (number[2] * number[1])
        out[row] = 0
        for x in range(i - 1, i + 2):
            for y in range(j - 1, j + 2):
                for z in range(k - 1, k + 2):
                    flat = flat_of(x, y, z, &number[0], &wraps[0])
                    if flat >= 0:
                        out[row] += amount[flat]


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


def locate(
    const double[:, ::1] position, const double[::1] size, double h,
    const Py_ssize_t[::1] shape, const int[::1] wraps, double[:, ::1] inside, int[::1] voxel,
):
    """Positions in the box, round the axes that wrap, and their flat voxels."""
    cdef Py_ssize_t row, at, flat
    cdef int a
    cdef double p
    for row in range(position.shape[0]):
        flat = 0
        for a in range(3):
            p = position[row, a]
            if wraps[a]:
                p = p - floor(p / size[a]) * size[a]
                if p >= size[a]:  # just below zero may round to the other end itself
                    p = 0.0
            inside[row, a] = p
            at = <Py_ssize_t>floor(p / h)
            flat = flat * shape[a] + (at if at < shape[a] else shape[a] - 1)
        voxel[row] = <int>flat


def beside(
    const int[::1] voxel, const float[::1] vegf, const byte[::1] blocked, double h,
    const Py_ssize_t[::1] shape, const int[::1] wraps,
    double[:, ::1] gradient, byte[:, :, ::1] solid, double[:, ::1] normal,
):
    """Gradient, solid faces and normal off solid; `vegf` is empty where there is none."""
    cdef Py_ssize_t row, other
    cdef Py_ssize_t[3] at
    cdef int a, side, sign, parts
    cdef double here, difference, length
    cdef bint some = vegf.shape[0] > 0
    for row in range(voxel.shape[0]):
        at[2] = voxel[row] % shape[2]
        at[1] = voxel[row] // shape[2] % shape[1]
        at[0] = voxel[row] // (shape[2] * shape[1])
        here = vegf[voxel[row]] if some else 0.0
        for a in range(3):
            difference, parts = 0.0, 0
            for side in range(2):
                sign = 2 * side - 1
                at[a] += sign
                other = flat_of(at[0], at[1], at[2], &shape[0], &wraps[0])
                at[a] -= sign
                solid[row, side, a] = other >= 0 and blocked[other]
                if other >= 0 and not blocked[other]:
                    parts += 1
                    if some:
                        difference += sign * (<double>vegf[other] - here)
            gradient[row, a] = difference / ((parts if parts > 1 else 1) * h)
            normal[row, a] = <double>solid[row, 0, a] - <double>solid[row, 1, a]
        length = sqrt(
            normal[row, 0] * normal[row, 0] + normal[row, 1] * normal[row, 1]
            + normal[row, 2] * normal[row, 2]
        )
        if length > 0:
            for a in range(3):
                normal[row, a] /= length


cdef void turned(const double* d, int attempt, double* heading) noexcept nogil:
    """The direction to try: see `advance` in steering.py."""
    cdef int[3] order
    cdef int a, b, t, largest
    cdef double length
    for a in range(3):
        heading[a] = d[a]
    if attempt == 0:
        return
    order[0], order[1], order[2] = 0, 1, 2
    for a in range(1, 3):  # the smallest first
        b = a
        while b > 0 and fabs(d[order[b - 1]]) > fabs(d[order[b]]):
            t = order[b]
            order[b] = order[b - 1]
            order[b - 1] = t
            b -= 1
    if attempt <= 3:
        heading[order[attempt - 1]] = 0.0
    else:
        largest = 6 - attempt
        for a in range(3):
            if a != largest:
                heading[order[a]] = 0.0
    length = sqrt(heading[0] * heading[0] + heading[1] * heading[1] + heading[2] * heading[2])
    if length > 0:
        for a in range(3):
            heading[a] /= length


def advance(
    const double[:, ::1] position, const double[:, ::1] direction, const double[::1] distance,
    const byte[::1] blocked, const Py_ssize_t[::1] shape, const int[::1] wraps,
    double[:, ::1] way, double[:, ::1] taken, byte[::1] left,
):
    """Move straight on or along walls, all in voxels; who cannot is left."""
    cdef Py_ssize_t row
    cdef int a, i, n, attempt
    cdef double[3] heading
    cdef double[3] step
    cdef int[MOST] voxels
    cdef bint free
    for row in range(position.shape[0]):
        left[row] = 1
        for attempt in range(7):
            turned(&direction[row, 0], attempt, heading)
            if heading[0] == 0 and heading[1] == 0 and heading[2] == 0:
                continue
            for a in range(3):
                step[a] = heading[a] * distance[row]
            n = cross(&position[row, 0], step, &shape[0], &wraps[0], voxels)
            free = True
            for i in range(n):
                if voxels[i] < 0 or (blocked[voxels[i]] and voxels[i] != voxels[0]):
                    free = False
                    break
            if free:
                left[row] = 0
                for a in range(3):
                    way[row, a] = step[a]
                    taken[row, a] = heading[a]
                break
