# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``lattice.py``, second part: where each cell goes, and who gets a voxel.

Nothing here allocates, raises or keeps state; names, checks and documentation are in the Python
twin. No loop writes what another thread reads, so no atomics are needed and the result is the
same for any number of threads.
"""

from cython.parallel cimport prange
from libc.math cimport isinf
from libc.string cimport memcpy

from scaffoldsim.model._counter cimport bits, uniform, word
from scaffoldsim.model._neighbours cimport Box, neighbours

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define FETCH(address) __builtin_prefetch(address)
    #else
    #define FETCH(address) ((void)0)
    #endif
    """
    void FETCH(const void* address) nogil

ctypedef unsigned char byte

# bits of a voxel's flags, as in walls.py
cdef enum:
    CLOSED = 1
    SURFACE = 4
    INNER = 8
    TAKEN = 16

# cells looked at together: what a few of them go on with is found without a branch to mispredict
cdef enum:
    BLOCK = 256

# cells ahead for whom memory is asked for
cdef enum:
    AHEAD = 8

# parts that threads take in turn; each writes its own cells, so their order changes nothing
cdef enum:
    CHUNKS = 64

# code of an event, as in lattice.py
cdef enum:
    DIVISION = 1

# what became of a proposal
cdef enum:
    LOST = 0
    MOVED = 1
    BORN = 2

# What surrounds the cells; no potential is a null pointer. A byte of flags says all that a cell
# that looks around needs, so that the planes it looks at stay in the cache.
cdef struct Tissue:
    const int* occupant
    const byte* flags
    const float* potential
    bint guidance
    double open_grip
    Box box


# -------------------------------------------------------------------------------- movement


cdef void exponentials(int n, double* x) noexcept nogil:
    """exp of n numbers, |x| <= 700, each to 1e-14: side by side, and without a call.

    x = k ln 2 + y with |y| <= ln(2)/2, and the series of exp(y).
    """
    cdef double k, y, scale
    cdef long long power
    cdef int i
    for i in range(n):
        k = x[i] * 1.4426950408889634 + 6755399441055744.0  # 1.5 2^52: no digits behind the point
        memcpy(&power, &k, 8)
        power = (power + 1023) << 52
        memcpy(&scale, &power, 8)
        k = k - 6755399441055744.0
        y = (x[i] - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        x[i] = scale * (
            1.0 + y * (1.0 + y * (1.0 / 2 + y * (1.0 / 6 + y * (1.0 / 24 + y * (1.0 / 120 + y * (
            1.0 / 720 + y * (1.0 / 5040 + y * (1.0 / 40320 + y * (1.0 / 362880 + y * (
            1.0 / 3628800 + y * (1.0 / 39916800)))))))))))
        )


cdef inline void beside(int v, const Tissue* tissue, int* out) noexcept nogil:
    """`neighbours`, without a division inside the box."""
    cdef int line = tissue.box.nz
    cdef int plane = tissue.box.ny * line
    if tissue.flags[v] & INNER:
        out[0], out[1], out[2] = v - plane, v + plane, v - line
        out[3], out[4], out[5] = v + line, v - 1, v + 1
    else:
        neighbours(v, &tissue.box, out)


cdef inline void fetch_around(
    const void* base, int size, int v, const Tissue* tissue
) noexcept nogil:
    """Ask for the memory of a voxel and its neighbours, of an array of that many bytes a voxel."""
    cdef const char* here = <const char*>base + <Py_ssize_t>v * size
    cdef Py_ssize_t line = tissue.box.nz * size
    cdef Py_ssize_t plane = tissue.box.ny * line
    FETCH(here)
    FETCH(here - line)
    FETCH(here + line)
    FETCH(here - plane)
    FETCH(here + plane)


cdef inline double grip(int target, int v, const Tissue* tissue) noexcept nogil:
    """1 next to a surface or to a cell other than the one at v, else the grip of open fluid."""
    cdef int around[6]
    cdef int d
    if tissue.flags[target] & SURFACE:
        return 1.0
    beside(target, tissue, around)
    for d in range(6):
        if around[d] >= 0 and around[d] != v and tissue.flags[around[d]] & TAKEN:
            return 1.0
    return tissue.open_grip


cdef void attractions(
    int n, const int* mover, const int* voxel, const Tissue* tissue, double* bias,
) noexcept nogil:
    """exp((potential of a neighbour - own)/2) for the six neighbours of each mover.

    In a wall and beyond the box it is anything.
    """
    cdef int around[6]
    cdef int m, d, v
    for m in range(n):
        if m + AHEAD < n:
            fetch_around(tissue.potential, 4, voxel[mover[m + AHEAD]], tissue)
        v = voxel[mover[m]]
        beside(v, tissue, around)
        for d in range(6):
            bias[6 * m + d] = 0.5 * (
                <double>tissue.potential[around[d] if around[d] >= 0 else v]
                - <double>tissue.potential[v]
            )
    exponentials(6 * n, bias)


cdef inline int choose_inside(
    int v, double r, const Tissue* tissue, const double* bias
) noexcept nogil:
    """`choose` with guidance, two voxels or more away from every face.

    The same answer without branches to mispredict: twice as fast; -2 where rounding needs care.
    """
    cdef int step[6]
    cdef int near[6]
    cdef double passed[6]
    cdef double weight[6]
    cdef double total = 0.0
    cdef const byte* flags = tissue.flags + v
    cdef int plane = tissue.box.ny * tissue.box.nz, line = tissue.box.nz
    cdef int d, e, f, flag, grips, picked = 0
    step[0], step[1], step[2], step[3], step[4], step[5] = -plane, plane, -line, line, -1, 1
    for d in range(6):
        # straight on
        near[d] = flags[2 * step[d]]
    # the twelve voxels across an edge lie next to two targets each
    for d in range(4):
        for e in range(2):
            f = (d // 2 + 1) * 2 + e
            flag = flags[step[d] + step[f]]
            near[d] |= flag
            near[f] |= flag
    for d in range(2):
        for f in range(4, 6):
            flag = flags[step[d] + step[f]]
            near[d] |= flag
            near[f] |= flag
    for d in range(6):
        flag = flags[step[d]]
        grips = ((near[d] & TAKEN) | (flag & SURFACE)) != 0
        weight[d] = ((flag & CLOSED) == 0) * (grips + (1 - grips) * tissue.open_grip)
    if bias != NULL:
        for d in range(6):
            weight[d] = weight[d] * bias[d] if weight[d] > 0.0 else 0.0
    for d in range(6):
        total += weight[d]
        passed[d] = total
    if not total > 0.0:
        return -1
    r *= total
    for d in range(6):
        picked += r >= passed[d]
    return v + step[picked] if picked < 6 else -2


cdef int choose(int v, double r, const Tissue* tissue, const double* bias) noexcept nogil:
    """The neighbour voxel that r in [0, 1) picks by weight; -1 for none or a wall.

    No bias is a null pointer.
    """
    cdef int around[6]
    cdef double weight[6]
    cdef double total = 0.0, passed = 0.0
    cdef int d, j, picked = -1
    cdef bint guidance = tissue.guidance
    if guidance and tissue.flags[v] & INNER:
        picked = choose_inside(v, r, tissue, bias)
        if picked != -2:
            return picked
        picked = -1
    beside(v, tissue, around)
    if not guidance and bias == NULL:
        return around[<int>(6.0 * r)]
    for d in range(6):
        j = around[d]
        if j < 0 or tissue.flags[j] & CLOSED:
            weight[d] = 0.0 if guidance else 1.0
        else:
            weight[d] = grip(j, v, tissue) if guidance else 1.0
            if bias != NULL:
                weight[d] *= bias[d]
        total += weight[d]
    if not total > 0.0:
        return -1
    r *= total
    for d in range(6):
        if weight[d] > 0.0:
            picked = d
            passed += weight[d]
            if r < passed:
                break
    return around[picked]


cdef inline double chance(double rate, byte code, double delta, bint first) noexcept nogil:
    """Probability that a cell makes an attempt in this sub-step; `inf` is now: the first."""
    if first and code != 0:
        return 1.0 if code == DIVISION else 0.0
    if isinf(rate):
        return 1.0 if first else 0.0
    return rate * delta


cdef void propose(
    Py_ssize_t start, Py_ssize_t stop, const int* id, const int* voxel, const float* hop,
    const byte* event, bint first, double delta, word a, word b, const Tissue* tissue,
    int* want, byte* outcome,
) noexcept nogil:
    """The empty voxel that each cell wants, -1 for none."""
    cdef int mover[BLOCK]
    cdef double part[BLOCK]
    cdef double bias[6 * BLOCK]
    cdef Py_ssize_t i = start
    cdef int j, n, m, found, target
    cdef double p, u
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        found = 0
        for j in range(n):
            p = chance(hop[i + j], event[i + j] if first else 0, delta, first)
            u = uniform(id[i + j], a, b)
            mover[found] = j
            # given that it moves, u / p is uniform again
            part[found] = u / p
            found += u < p
            want[i + j] = -1
            outcome[i + j] = LOST
        if tissue.potential != NULL:
            attractions(found, mover, voxel + i, tissue, bias)
        for m in range(found):
            j = mover[m]
            target = choose(
                voxel[i + j], part[m], tissue, NULL if tissue.potential == NULL else bias + 6 * m
            )
            if target >= 0 and not tissue.flags[target] & (CLOSED | TAKEN):
                want[i + j] = target
        i += n


cdef inline byte contest(
    Py_ssize_t i, const int* id, const int* want, const byte* event, bint first,
    word a, word b, const Tissue* tissue,
) noexcept nogil:
    """What becomes of cell i's proposal: rivals can only stand around the voxel it wants."""
    cdef int around[6]
    cdef int d, rival, target = want[i]
    cdef bint divides = first and event[i] == DIVISION
    cdef bint other
    beside(target, tissue, around)
    for d in range(6):
        if around[d] < 0 or not tissue.flags[around[d]] & TAKEN:
            continue
        rival = tissue.occupant[around[d]]
        if rival == i or want[rival] != target:
            continue
        other = first and event[rival] == DIVISION
        if other != divides:
            if other:
                return LOST
        elif bits(id[rival], a, b) < bits(id[i], a, b):
            return LOST
    return BORN if divides else MOVED


cdef void resolve(
    Py_ssize_t start, Py_ssize_t stop, const int* id, const int* want, const byte* event,
    bint first, word a, word b, const Tissue* tissue, byte* outcome,
) noexcept nogil:
    """What becomes of each proposal."""
    cdef int some[BLOCK]
    cdef Py_ssize_t i = start
    cdef int j, n, m, found
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        found = 0
        for j in range(n):
            some[found] = j
            found += want[i + j] >= 0
        for m in range(found):
            if m + AHEAD < found:
                fetch_around(tissue.occupant, 4, want[i + some[m + AHEAD]], tissue)
            j = some[m]
            outcome[i + j] = contest(i + j, id, want, event, first, a, b, tissue)
        i += n


cdef Py_ssize_t commit(
    Py_ssize_t start, Py_ssize_t stop, const int* want, const byte* outcome, byte* flags,
    int* voxel, int* occupant,
) noexcept nogil:
    """Move who won; returns how many.

    Every voxel wanted was empty and has one winner, so no two threads touch the same voxel.
    """
    cdef int some[BLOCK]
    cdef Py_ssize_t i = start, hops = 0
    cdef int j, n, m, v, found
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        found = 0
        for j in range(n):
            some[found] = j
            found += outcome[i + j] == MOVED
        for m in range(found):
            j = some[m]
            v = voxel[i + j]
            occupant[v] = -2 if flags[v] & CLOSED else -1
            flags[v] &= 255 - TAKEN
            v = want[i + j]
            occupant[v] = <int>(i + j)
            flags[v] |= TAKEN
            voxel[i + j] = v
        hops += found
        i += n
    return hops


def substep(
    Py_ssize_t n, const int[::1] id, int[::1] voxel, const float[::1] hop,
    const byte[::1] event, bint first, double delta, word target_a, word target_b,
    word rank_a, word rank_b, int[::1] occupant, byte[::1] flags, bint guidance,
    double open_grip, bint biased, const float[::1] potential, int nx, int ny, int nz,
    bint wrap_x, bint wrap_y, bint wrap_z, int threads, int[::1] want, byte[::1] outcome,
):
    """One attempt of every cell: propose on a snapshot, resolve, commit; returns the hops made.

    Daughters are left to the caller: ``outcome`` is 2 where ``want`` is a daughter's voxel.
    """
    cdef Tissue tissue
    cdef Py_ssize_t hops = 0
    cdef int c
    tissue.box.nx, tissue.box.ny, tissue.box.nz = nx, ny, nz
    tissue.box.wrap_x, tissue.box.wrap_y, tissue.box.wrap_z = wrap_x, wrap_y, wrap_z
    tissue.occupant, tissue.flags = &occupant[0], &flags[0]
    tissue.potential = &potential[0] if biased else NULL
    tissue.guidance, tissue.open_grip = guidance, open_grip
    for c in prange(CHUNKS, nogil=True, schedule="dynamic", num_threads=threads):
        propose(
            n * c // CHUNKS, n * (c + 1) // CHUNKS, &id[0], &voxel[0], &hop[0], &event[0], first,
            delta, target_a, target_b, &tissue, &want[0], &outcome[0],
        )
    for c in prange(CHUNKS, nogil=True, schedule="dynamic", num_threads=threads):
        resolve(
            n * c // CHUNKS, n * (c + 1) // CHUNKS, &id[0], &want[0], &event[0], first, rank_a,
            rank_b, &tissue, &outcome[0],
        )
    for c in prange(CHUNKS, nogil=True, schedule="dynamic", num_threads=threads):
        hops += commit(
            n * c // CHUNKS, n * (c + 1) // CHUNKS, &want[0], &outcome[0], &flags[0], &voxel[0],
            &occupant[0],
        )
    return hops


def sort(
    const byte[::1] flags, int[::1] occupant, int[::1] row, int[::1] where, int threads
):
    """Number the cells by voxel: row i was ``row[i]`` before. `where` has room for CHUNKS + 1."""
    cdef Py_ssize_t n = flags.shape[0]
    cdef int c
    where[0] = 0
    for c in prange(CHUNKS, nogil=True, schedule="dynamic", num_threads=threads):
        where[c + 1] = count_taken(n * c // CHUNKS, n * (c + 1) // CHUNKS, &flags[0])
    for c in range(CHUNKS):
        where[c + 1] += where[c]
    for c in prange(CHUNKS, nogil=True, schedule="dynamic", num_threads=threads):
        renumber(
            n * c // CHUNKS, n * (c + 1) // CHUNKS, where[c], &flags[0], &occupant[0], &row[0]
        )


cdef int count_taken(Py_ssize_t start, Py_ssize_t stop, const byte* flags) noexcept nogil:
    cdef Py_ssize_t v
    cdef int found = 0
    for v in range(start, stop):
        found += (flags[v] & TAKEN) != 0
    return found


cdef void renumber(
    Py_ssize_t start, Py_ssize_t stop, int at, const byte* flags, int* occupant, int* row,
) noexcept nogil:
    cdef Py_ssize_t v
    for v in range(start, stop):
        if flags[v] & TAKEN:
            row[at] = occupant[v]
            occupant[v] = at
            at += 1


def count_bad_potential(
    const float[::1] potential, const byte[::1] flags, double limit, int threads,
):
    """Number of open voxels whose potential is NaN or beyond +-limit."""
    cdef Py_ssize_t v, bad = 0
    for v in prange(potential.shape[0], nogil=True, schedule="static", num_threads=threads):
        if not flags[v] & CLOSED:
            if not (potential[v] >= -limit and potential[v] <= limit):
                bad += 1
    return bad
