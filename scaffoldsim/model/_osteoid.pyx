# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``matrix.py``, second part: the fraction of every voxel, and osteoid laid by it.

Nothing here allocates, raises or keeps state. Weights and what is given are in a ring of three planes
per thread; a slab of planes is laid by one thread, which weighs two planes more at each end, and all
of it follows from the snapshot: the result is the same for any number of threads and slabs.
"""

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from scaffoldsim.model._counter cimport word
from scaffoldsim.model._tissue cimport ASKED, BONE, CHANGING, LAID, Tissue, beside, byte, tissue_of

cdef extern from "_matrix_rows.h":
    void fraction_row(
        float* f, byte* kind, const float* scaffold, const float* covered, const byte* occupied,
        float enter, Py_ssize_t n
    ) noexcept nogil
    float stored(double value) noexcept nogil
    float room(byte kind, float f, float full, float visited) noexcept nogil
    void weight_row(
        float* weight, const byte* kind, const byte* x_below, const byte* x_above,
        const byte* y_below, const byte* y_above, const float* f, float full, float visited,
        int wraps, Py_ssize_t n
    ) noexcept nogil


# -------------------------------------------------------------------------- fraction, snapshot


cdef void mark_rows(
    const int* osteoblasts, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t nz, byte* rows
) noexcept nogil:
    cdef Py_ssize_t i, row, end = -1
    for i in range(start, stop):
        if osteoblasts[i] >= end:
            row = osteoblasts[i] // nz
            rows[row] = 1
            end = (row + 1) * nz


cdef bint rows_near(
    const byte* rows, Py_ssize_t x, Py_ssize_t y, int reach, const Tissue* t
) noexcept nogil:
    """Whether a row with osteoblasts is within so many rows, counted along x and y."""
    cdef int i, j
    cdef Py_ssize_t a, b
    for i in range(-reach, reach + 1):
        a = x + i
        if a < 0 or a >= t.nx:
            if not t.wraps[0]:
                continue
            a = (a + 2 * t.nx) % t.nx
        for j in range(-reach, reach + 1):
            if (i if i > 0 else -i) + (j if j > 0 else -j) > reach:
                continue
            b = y + j
            if b < 0 or b >= t.ny:
                if not t.wraps[1]:
                    continue
                b = (b + 2 * t.ny) % t.ny
            if rows[a * t.ny + b]:
                return True
    return False


def snapshot(
    float[:, ::1] bone, const float[::1] scaffold, const byte[::1] occupied,
    const int[::1] osteoblasts, const Py_ssize_t[::1] planes, const Py_ssize_t[::1] shape,
    const int[::1] wraps, bint whole, float enter, int threads,
    byte[::1] rows, byte[::1] near, float[::1] f, byte[::1] kind,
):
    """Fraction and kind of all voxels, or of those that osteoblasts have to do with.

    `planes` says where the osteoblasts of each plane begin; `rows` (zero before) gets where they
    are, `near` the rows they lay into.
    """
    cdef Tissue t
    cdef Py_ssize_t x, y, v
    cdef int a
    cdef const int* who = &osteoblasts[0] if osteoblasts.shape[0] else NULL
    t.nx, t.ny, t.nz = shape[0], shape[1], shape[2]
    for a in range(3):
        t.wraps[a] = wraps[a]
    for x in prange(t.nx, nogil=True, schedule="static", num_threads=threads):
        mark_rows(who, planes[x], planes[x + 1], t.nz, &rows[0])
    for x in prange(t.nx, nogil=True, schedule="static", num_threads=threads):
        for y in range(t.ny):
            v = x * t.ny + y
            near[v] = rows_near(&rows[0], x, y, 1, &t)
            if whole or rows_near(&rows[0], x, y, 2, &t):
                v = v * t.nz
                fraction_row(
                    &f[v], &kind[v], &scaffold[v], &bone[4, v], &occupied[v], enter, t.nz
                )


# ------------------------------------------------------------------------------------ osteoid


# Three planes of weights and of what osteoblasts give, in turn. `nothing` is a row of zeros that
# stands beyond the box; what is given to `waste` has no weight.
cdef struct Ring:
    float* weight[3]
    float* given[3]
    float* waste
    const byte* nothing


# What osteoblasts find.
cdef struct Snapshot:
    const float* f
    const byte* kind
    const byte* near
    const int* osteoblasts
    const Py_ssize_t* planes
    const float* output
    bint varies
    double amount
    float full
    float visited


cdef void weigh_plane(
    Py_ssize_t virtual, const Tissue* t, const Snapshot* s, Ring* ring
) noexcept nogil:
    """Weights of a plane, which may lie beyond a face of the box."""
    cdef Py_ssize_t x = virtual, y, v, plane = t.ny * t.nz, below, above, left, right
    cdef float* weight = ring.weight[(virtual + 3) % 3]
    if x < 0 or x >= t.nx:
        if not t.wraps[0]:
            memset(weight, 0, plane * sizeof(float))
            return
        x = (x + 2 * t.nx) % t.nx
    below, above = beside(x, -1, t.nx, t.wraps[0]), beside(x, 1, t.nx, t.wraps[0])
    for y in range(t.ny):
        if not s.near[x * t.ny + y]:
            continue
        v = (x * t.ny + y) * t.nz
        left, right = beside(y, -1, t.ny, t.wraps[1]), beside(y, 1, t.ny, t.wraps[1])
        weight_row(
            weight + y * t.nz,
            s.kind + v,
            s.kind + (below * t.ny + y) * t.nz if below >= 0 else ring.nothing,
            s.kind + (above * t.ny + y) * t.nz if above >= 0 else ring.nothing,
            s.kind + (x * t.ny + left) * t.nz if left >= 0 else ring.nothing,
            s.kind + (x * t.ny + right) * t.nz if right >= 0 else ring.nothing,
            s.f + v, s.full, s.visited, t.wraps[2], t.nz,
        )


cdef double give_plane(
    Py_ssize_t virtual, const Tissue* t, const Snapshot* s, Ring* ring
) noexcept nogil:
    """Split what each osteoblast of a plane makes; returns the sum of their outputs."""
    cdef Py_ssize_t x = (virtual + 2 * t.nx) % t.nx, i, v, y, z, end = -1, below, above, left = -1
    cdef Py_ssize_t right = -1, row = 0, origin = x * t.ny * t.nz, d
    cdef Py_ssize_t place[7]
    cdef float weight[7]
    cdef float* w = ring.weight[(virtual + 3) % 3]
    cdef float* w_below = ring.weight[(virtual + 2) % 3]
    cdef float* w_above = ring.weight[(virtual + 4) % 3]
    cdef float* g = ring.given[(virtual + 3) % 3]
    cdef float* g_below = ring.given[(virtual + 2) % 3]
    cdef float* g_above = ring.given[(virtual + 4) % 3]
    cdef double output = s.output[0], total, asked = 0.0
    cdef float part
    for i in range(s.planes[x], s.planes[x + 1]):
        v = s.osteoblasts[i] - origin
        if v >= end:
            y = v // t.nz
            row, end = y * t.nz, (y + 1) * t.nz
            left, right = beside(y, -1, t.ny, t.wraps[1]), beside(y, 1, t.ny, t.wraps[1])
        z = v - row
        below, above = beside(z, -1, t.nz, t.wraps[2]), beside(z, 1, t.nz, t.wraps[2])
        if s.varies:
            output = s.output[i]
        asked += output
        place[0] = v
        place[1] = left * t.nz + z if left >= 0 else -1
        place[2] = right * t.nz + z if right >= 0 else -1
        place[3] = row + below if below >= 0 else -1
        place[4] = row + above if above >= 0 else -1
        total = <double>w_below[v] + w_above[v]
        for d in range(5):
            total += w[place[d]] if place[d] >= 0 else 0.0
        if not total > 0.0:
            continue
        part = <float>(s.amount * output / total)
        g_below[v] += part
        g_above[v] += part
        for d in range(5):
            if place[d] >= 0:
                g[place[d]] += part
    return asked


cdef void lay_plane(
    Py_ssize_t x, Tissue* t, const Snapshot* s, Ring* ring, double* books
) noexcept nogil:
    """Lay into a plane what was given to it, and empty its place in the ring."""
    cdef Py_ssize_t y, z, v
    cdef float* given
    cdef float* weight
    cdef float before, bone
    cdef double lay, most, laid = 0.0
    for y in range(t.ny):
        if not s.near[x * t.ny + y]:
            continue
        given = ring.given[(x + 3) % 3] + y * t.nz
        weight = ring.weight[(x + 3) % 3] + y * t.nz
        for z in range(t.nz):
            if given[z] == 0:
                continue
            lay = <double>weight[z] * given[z]
            given[z] = 0
            if not lay > 0.0:
                continue
            v = (x * t.ny + y) * t.nz + z
            most = room(s.kind[v], s.f[v], s.full, s.visited)
            before = t.first[v]
            t.first[v] = stored(before + (lay if lay < most else most))
            laid += <double>t.first[v] - before
            if t.holds[v]:
                # as `note` does, which would look at all arrays: only osteoid has come
                bone = t.mineral[v] + t.host[v] if t.holds[v] & BONE else <float>0.0
                t.covered[v] = (t.first[v] + t.second[v] + t.third[v]) + bone
                if t.first[v] > 0:
                    t.holds[v] |= CHANGING
            elif t.first[v] > 0:
                # where nothing was, the other arrays need not be looked at
                t.covered[v], t.holds[v] = t.first[v], CHANGING
    books[LAID] += laid


cdef void lay_slab(
    Py_ssize_t start, Py_ssize_t stop, Tissue* t, const Snapshot* s, float* scratch,
    const byte* nothing, double[:, ::1] books,
) noexcept nogil:
    """Planes from `start` to `stop`: each is finished when the osteoblasts of the next have given."""
    cdef Ring ring
    cdef Py_ssize_t p, plane = t.ny * t.nz
    cdef double asked
    cdef int k
    for k in range(3):
        ring.weight[k] = scratch + k * plane
        ring.given[k] = scratch + (3 + k) * plane
    ring.nothing = nothing
    memset(ring.given[0], 0, 3 * plane * sizeof(float))
    weigh_plane(start - 2, t, s, &ring)
    weigh_plane(start - 1, t, s, &ring)
    for p in range(start - 1, stop + 1):
        weigh_plane(p + 1, t, s, &ring)
        if p == start or p == start + 1:
            # what the plane before the slab got is its own slab's to lay
            memset(ring.given[(p + 4) % 3], 0, plane * sizeof(float))
        if t.wraps[0] or 0 <= p < t.nx:
            asked = give_plane(p, t, s, &ring)
            if start <= p < stop:
                books[p, ASKED] += asked
        if p > start:
            lay_plane(p - 1, t, s, &ring, &books[p - 1, 0])


def lay(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, const float[::1] f, const byte[::1] kind, const byte[::1] near,
    const int[::1] osteoblasts, const Py_ssize_t[::1] planes, const float[::1] output,
    bint varies, double amount, float full, float visited, const byte[::1] nothing, int slabs,
    int threads, float[:, ::1] scratch, double[:, ::1] books,
):
    """Osteoid of all osteoblasts; `amount` is what one of output 1 makes, as a share of a voxel.

    `scratch` has a row per thread, six planes long.
    """
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    cdef Snapshot s
    cdef int k
    s.f, s.kind, s.near = &f[0], &kind[0], &near[0]
    s.osteoblasts, s.planes, s.output = &osteoblasts[0], &planes[0], &output[0]
    s.varies, s.amount, s.full, s.visited = varies, amount, full, visited
    for k in prange(slabs, nogil=True, schedule="dynamic", num_threads=threads):
        lay_slab(
            t.nx * k // slabs, t.nx * (k + 1) // slabs, &t, &s, &scratch[threadid(), 0],
            &nothing[0], books,
        )


def marked(const byte[::1] marks, int[::1] out):
    """Fill `out` with the voxels that are marked (1), ascending; it has one place to spare."""
    cdef Py_ssize_t v, stop, k = 0, n = marks.shape[0]
    cdef word eight
    with nogil:
        v = 0
        while v < n:
            if v + 8 <= n:
                memcpy(&eight, &marks[v], 8)
                if eight == 0:
                    v += 8
                    continue
            # without a branch: whether a voxel is marked cannot be foretold
            stop = v + 8 if v + 8 <= n else n
            while v < stop:
                out[k] = <int>v
                k += marks[v]
                v += 1
