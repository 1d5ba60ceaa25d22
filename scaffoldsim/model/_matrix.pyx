# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``matrix.py``: osteoid mineralises, bone is taken away, and cells answer that.

Nothing here allocates, raises or keeps state. Every voxel is written by the one thread that has its
plane, from a snapshot of the fraction, and every sum is kept by plane: the result is the same for
any number of threads.
"""

from cython.parallel cimport prange

from scaffoldsim.model._counter cimport uniform, word
from scaffoldsim.model._tissue cimport (
    ANSWERING, BONE, CALLED, CHANGING, MINERALISED, RESERVED, RESORBED_HOST, RESORBED_NEW, Tissue,
    beside, byte, next_held, note, tissue_of,
)

cdef extern from "math.h":
    float nextafterf(float x, float y) noexcept nogil

cdef extern from "_exposure.h":
    ctypedef struct exposure_box:
        const float* f
        Py_ssize_t n[3]
        int periodic[3]
    double exposed_area(
        const exposure_box* box, Py_ssize_t x, Py_ssize_t y, Py_ssize_t z
    ) noexcept nogil

cdef extern from "_matrix_rows.h":
    float stored(double value) noexcept nogil

# columns of `chain`, as in matrix.py
cdef enum:
    STAY = 0
    NEXT = 1
    OUT_FIRST = 2
    OUT_SECOND = 3
    OUT_THIRD = 4
    AGEING = 5
    AGEING_NEW = 6

# Below these shares of a voxel what is left goes at once: single precision adds no less than 6e-8 to
# mineral, so that a little osteoid in its last stage would stay for ever, and an exposed area that
# is a difference of fractions fades with them.
cdef double LEAST_OSTEOID = 1e-5
cdef double LEAST_BONE = 1e-3
cdef double LEAST_YOUNG = 1e-6
cdef double LEAST_ANSWER = 1e-7


def take_stock(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps, int threads,
):
    """Sum and flags of every voxel."""
    cdef Tissue t = tissue_of(osteoid, bone, holds, shape, wraps)
    cdef Py_ssize_t v, n = holds.shape[0]
    for v in prange(n, nogil=True, schedule="static", num_threads=threads):
        note(&t, v)


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
    mineral, host = stored(t.mineral[v] * left), stored(t.host[v] * left)
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
        first = second = 0
        gained = total
        if total >= LEAST_OSTEOID or 4.0 * (a + b) >= c:
            first = stored(a * chain[STAY])
            second = stored(b * chain[STAY] + a * chain[NEXT])
            gained = a * chain[OUT_FIRST] + b * chain[OUT_SECOND] + c * chain[OUT_THIRD]
        mineral = stored(t.mineral[v] + gained)
        c = total - (<double>mineral - t.mineral[v]) - first - second
        if c < 0.0:
            mineral = nextafterf(mineral, 0)
            c = total - (<double>mineral - t.mineral[v]) - first - second
        t.first[v], t.second[v], t.third[v] = first, second, <float>(c if c > 0.0 else 0.0)
        gained = <double>mineral - t.mineral[v]
        t.mineral[v] = mineral
        books[MINERALISED] += gained
    young = t.young[v] * chain[AGEING] + gained * chain[AGEING_NEW]
    young = young if young < t.mineral[v] else t.mineral[v]
    t.young[v] = <float>(young if young >= LEAST_YOUNG or gained > 0.0 else 0.0)


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
