# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``matrix.py``: osteoid is laid and mineralises, bone is taken away.

Nothing here allocates, raises or keeps state. Every voxel is written by the one thread that has its
plane, from a snapshot of the fraction, and every sum is kept by plane: the result is the same for
any number of threads.
"""

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from scaffoldsim.model._counter cimport uniform, word

ctypedef unsigned char byte

cdef extern from "_exposure.h":
    ctypedef struct exposure_box:
        const float* f
        Py_ssize_t n[3]
        int periodic[3]
    double exposed_area(
        const exposure_box* box, Py_ssize_t x, Py_ssize_t y, Py_ssize_t z
    ) noexcept nogil

cdef extern from "_matrix_rows.h":
    void fraction_row(
        float* f, byte* kind, const float* scaffold, const float* covered, const byte* occupied,
        float enter, Py_ssize_t n
    ) noexcept nogil
    float room(byte kind, float f, float full, float visited) noexcept nogil
    void weight_row(
        float* weight, const byte* kind, const byte* x_below, const byte* x_above,
        const byte* y_below, const byte* y_above, const float* f, float full, float visited,
        int wraps, Py_ssize_t n
    ) noexcept nogil

# what a voxel holds, as in matrix.py: most hold nothing and are passed eight at a time
cdef enum:
    BONE = 1
    CHANGING = 2
    ANSWERING = 4
    CALLED = 8
    RESERVED = 16

# columns of the books of a plane, as in matrix.py
cdef enum:
    LAID = 0
    ASKED = 1
    MINERALISED = 2
    RESORBED_NEW = 3
    RESORBED_HOST = 4

# columns of `chain`, as in matrix.py
cdef enum:
    STAY = 0
    NEXT = 1
    OUT_FIRST = 2
    OUT_SECOND = 3
    OUT_THIRD = 4
    AGEING = 5
    AGEING_NEW = 6

# Below these shares of a voxel what is left goes at once, else voxels would keep a trace for ever:
# single precision adds no less than 6e-8 to mineral, and an exposed area that is a difference of
# fractions fades with them.
cdef double LEAST_OSTEOID = 1e-5
cdef double LEAST_BONE = 1e-3
cdef double LEAST_YOUNG = 1e-6
cdef double LEAST_ANSWER = 1e-7

# The arrays of a matrix, and the box.
cdef struct Tissue:
    float* first
    float* second
    float* third
    float* mineral
    float* young
    float* host
    float* answering
    float* covered
    byte* holds
    Py_ssize_t nx
    Py_ssize_t ny
    Py_ssize_t nz
    int wraps[3]


cdef inline Tissue tissue_of(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps,
) noexcept:
    cdef Tissue t
    cdef int a
    t.first, t.second, t.third = &osteoid[0, 0], &osteoid[1, 0], &osteoid[2, 0]
    t.mineral, t.young, t.host = &bone[0, 0], &bone[1, 0], &bone[2, 0]
    t.answering, t.covered = &bone[3, 0], &bone[4, 0]
    t.holds = &holds[0]
    t.nx, t.ny, t.nz = shape[0], shape[1], shape[2]
    for a in range(3):
        t.wraps[a] = wraps[a]
    return t


cdef inline Py_ssize_t beside(Py_ssize_t i, int step, Py_ssize_t n, int wraps) noexcept nogil:
    """Index of the next voxel along an axis, -1 beyond a wall."""
    cdef Py_ssize_t j = i + step
    if 0 <= j < n:
        return j
    return (j + n) % n if wraps else -1


cdef inline Py_ssize_t next_held(
    const byte* holds, Py_ssize_t v, Py_ssize_t stop, byte wanted
) noexcept nogil:
    """The first voxel from v on whose flags have one of those wanted; `stop` for none."""
    cdef word eight, mask = <word>wanted * <word>0x0101010101010101
    while v + 8 <= stop:
        memcpy(&eight, holds + v, 8)
        if eight & mask:
            break
        v += 8
    while v < stop and not holds[v] & wanted:
        v += 1
    return v


cdef inline void note(Tissue* t, Py_ssize_t v) noexcept nogil:
    """Sum and flags of a voxel, from what it holds."""
    cdef float osteoid = t.first[v] + t.second[v] + t.third[v], bone = t.mineral[v] + t.host[v]
    t.covered[v] = osteoid + bone
    t.holds[v] = (
        (BONE if bone > 0 else 0)
        | (CHANGING if osteoid > 0 or t.young[v] > 0 else 0)
        | (ANSWERING if t.answering[v] > 0 else 0)
    )


def take_stock(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, int threads,
):
    """Sum and flags of every voxel."""
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    cdef Py_ssize_t v, n = holds.shape[0]
    for v in prange(n, nogil=True, schedule="static", num_threads=threads):
        note(&t, v)


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


# ------------------------------------------------------------------ resorption, mineralisation


cdef inline void resorb(Tissue* t, Py_ssize_t v, double take, double* books) noexcept nogil:
    """Take that share of the voxel from its bone, new and old alike; osteoid shields what it covers."""
    cdef double have = <double>t.mineral[v] + t.host[v]
    cdef double osteoid = <double>t.first[v] + t.second[v] + t.third[v]
    cdef double left
    cdef float mineral, host
    take = take * have / (have + osteoid)
    left = (have - take) / have
    if take >= have or (osteoid == 0.0 and have - take < LEAST_BONE):
        left = 0.0
    mineral, host = <float>(t.mineral[v] * left), <float>(t.host[v] * left)
    books[RESORBED_NEW] += <double>t.mineral[v] - mineral
    books[RESORBED_HOST] += <double>t.host[v] - host
    t.answering[v] = <float>(
        t.answering[v] + (<double>t.mineral[v] - mineral) + (<double>t.host[v] - host)
    )
    t.young[v] = <float>(t.young[v] * left)
    t.mineral[v], t.host[v] = mineral, host


cdef inline void mineralise(
    Tissue* t, Py_ssize_t v, const double* chain, double* books
) noexcept nogil:
    """One step of the three stages, and the ageing of the mineral.

    What the mineral gains in single precision is what the osteoid loses, so that none is lost.
    """
    cdef double a = t.first[v], b = t.second[v], c = t.third[v], total = a + b + c, gained = 0.0
    cdef double young
    cdef float mineral, first, second
    if total > 0.0 and chain[STAY] < 1.0:
        if total < LEAST_OSTEOID and 4.0 * (a + b) < c:
            mineral = <float>(t.mineral[v] + total)
            t.first[v] = t.second[v] = t.third[v] = 0
        else:
            mineral = <float>(
                t.mineral[v] + a * chain[OUT_FIRST] + b * chain[OUT_SECOND] + c * chain[OUT_THIRD]
            )
            first = <float>(a * chain[STAY])
            second = <float>(b * chain[STAY] + a * chain[NEXT])
            c = total - (<double>mineral - t.mineral[v]) - first - second
            t.first[v], t.second[v], t.third[v] = first, second, <float>(c if c > 0.0 else 0.0)
        gained = <double>mineral - t.mineral[v]
        t.mineral[v] = mineral
        books[MINERALISED] += gained
    young = t.young[v] * chain[AGEING] + gained * chain[AGEING_NEW]
    young = young if young < t.mineral[v] else t.mineral[v]
    t.young[v] = <float>(young if young >= LEAST_YOUNG or total > 0.0 else 0.0)


cdef void turn_over_row(
    Tissue* t, const exposure_box* box, Py_ssize_t x, Py_ssize_t y, double near, double far,
    const byte* supplied, const double* chain, double* books,
) noexcept nogil:
    cdef Py_ssize_t start = (x * t.ny + y) * t.nz, stop = start + t.nz, v = start
    cdef bint resorbs = supplied != NULL and near > 0.0
    cdef byte wanted = CHANGING | (BONE if resorbs else 0)
    cdef double speed, area
    while True:
        v = next_held(t.holds, v, stop, wanted)
        if v >= stop:
            return
        if resorbs and t.holds[v] & BONE:
            speed = near if supplied[v] else far
            area = exposed_area(box, x, y, v - start) if speed > 0.0 else 0.0
            if area > 0.0:
                resorb(t, v, speed * area, books)
        if t.holds[v] & CHANGING:
            mineralise(t, v, chain, books)
        note(t, v)
        v += 1


def turn_over(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, const float[::1] f, const byte[::1] supplied, double near, double far,
    const double[::1] chain, int threads, double[:, ::1] books,
):
    """Take bone from its exposed surfaces, and let osteoid become mineral.

    `near` and `far` are shares of a voxel per exposed face, where `supplied` and elsewhere; an empty
    `supplied` means that nothing is resorbed, and that f need not be known.
    """
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    cdef exposure_box box
    cdef Py_ssize_t x, y
    cdef int a
    cdef const byte* p_supplied = &supplied[0] if supplied.shape[0] else NULL
    box.f = &f[0]
    for a in range(3):
        box.n[a], box.periodic[a] = shape[a], wraps[a]
    for x in prange(t.nx, nogil=True, schedule="dynamic", num_threads=threads):
        for y in range(t.ny):
            turn_over_row(
                &t, &box, x, y, near, far, p_supplied, &chain[0], &books[x, 0]
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
    cdef float before
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
            t.first[v] = <float>(before + (lay if lay < most else most))
            laid += <double>t.first[v] - before
            note(t, v)
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


# ----------------------------------------------------------------------------------- recruits


cdef inline bint is_place(
    const Tissue* t, Py_ssize_t v, const byte* open_, bint reserved
) noexcept nogil:
    return open_[v] and not (reserved and t.holds[v] & RESERVED)


cdef inline int places(
    const Tissue* t, Py_ssize_t v, const byte* open_, bint reserved, Py_ssize_t* out
) noexcept nogil:
    """Open voxels for a recruit: the voxel itself, else its face neighbours.

    Where voxels are `reserved`, those that somebody else was sent to are none.
    """
    cdef Py_ssize_t z = v % t.nz, y = (v // t.nz) % t.ny, x = v // (t.nz * t.ny), j
    cdef int found = 0, step
    if is_place(t, v, open_, reserved):
        out[0] = v
        return 1
    for step in range(-1, 2, 2):
        j = beside(x, step, t.nx, t.wraps[0])
        if j >= 0:
            out[found] = v + (j - x) * t.ny * t.nz
            found += is_place(t, out[found], open_, reserved)
        j = beside(y, step, t.ny, t.wraps[1])
        if j >= 0:
            out[found] = v + (j - y) * t.nz
            found += is_place(t, out[found], open_, reserved)
        j = beside(z, step, t.nz, t.wraps[2])
        if j >= 0:
            out[found] = v + (j - z)
            found += is_place(t, out[found], open_, reserved)
    return found


cdef int call_plane(
    Tissue* t, Py_ssize_t x, double share, double per_voxel, word a, word b, const byte* open_,
) noexcept nogil:
    """Draw who is called in a plane, and lessen what is to be answered; returns how many."""
    cdef Py_ssize_t stop = (x + 1) * t.ny * t.nz, v = x * t.ny * t.nz
    cdef Py_ssize_t around[7]
    cdef double answered, left
    cdef int called = 0
    while True:
        v = next_held(t.holds, v, stop, ANSWERING)
        if v >= stop:
            return called
        # where there is no place, all of it waits
        if places(t, v, open_, False, around):
            answered = t.answering[v] * share
            if answered * per_voxel > 1.0:
                answered = 1.0 / per_voxel
            left = t.answering[v] - answered
            t.answering[v] = <float>(left if left >= LEAST_ANSWER else 0.0)
            if uniform(<int>v, a, b) < answered * per_voxel:
                t.holds[v] |= CALLED
                called += 1
            elif t.answering[v] == 0:
                t.holds[v] &= 255 - ANSWERING
        v += 1


cdef Py_ssize_t seat(
    Tissue* t, double per_voxel, word a, word b, const byte* open_, int* out
) noexcept nogil:
    """A voxel for each who was called, one each; who finds none is called again later."""
    cdef Py_ssize_t n = t.nx * t.ny * t.nz, v = 0, found = 0
    cdef Py_ssize_t around[7]
    cdef int free
    while True:
        v = next_held(t.holds, v, n, CALLED)
        if v >= n:
            break
        t.holds[v] &= 255 - CALLED
        free = places(t, v, open_, True, around)
        if free:
            free = <int>(free * uniform(<int>v, a, b))
            out[found] = <int>around[free]
            t.holds[around[free]] |= RESERVED
            found += 1
        else:
            t.answering[v] = <float>(t.answering[v] + 1.0 / per_voxel)
        t.holds[v] = (t.holds[v] & (255 - ANSWERING)) | (ANSWERING if t.answering[v] > 0 else 0)
        v += 1
    for v in range(found):
        t.holds[out[v]] &= 255 - RESERVED
    return found


def call(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, double share, double per_voxel, word call_a, word call_b,
    const byte[::1] open_, int threads, int[::1] called,
):
    """Draw where recruits are called to, per plane in `called`."""
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    cdef Py_ssize_t x
    for x in prange(t.nx, nogil=True, schedule="dynamic", num_threads=threads):
        called[x] = call_plane(&t, x, share, per_voxel, call_a, call_b, &open_[0])


def place(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, double per_voxel, word place_a, word place_b, const byte[::1] open_,
    int[::1] out,
):
    """Voxels of the recruits called, in the order of who calls; returns how many found one."""
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    return seat(&t, per_voxel, place_a, place_b, &open_[0], &out[0])
