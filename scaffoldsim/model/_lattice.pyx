# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``lattice.py``: what each cell does, and who gets a voxel.

Nothing here allocates, raises or keeps state; names, checks and documentation are in the Python
twin. No loop writes what another thread reads, so no atomics are needed and the result is the
same for any number of threads.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY, exp, expm1, isinf

ctypedef unsigned long long word
ctypedef unsigned char byte

# bits of a voxel's flags, as in lattice.py
cdef enum:
    CLOSED = 1
    SURFACE = 4
    INNER = 8
    TAKEN = 16

# cells looked at together: what a few of them go on with is found without a branch to mispredict
cdef enum:
    BLOCK = 256

# parts that threads take in turn; each writes its own cells, so their order changes nothing
cdef enum:
    CHUNKS = 64

# codes of an event, as in lattice.py: 0 none, 1 division, then deaths, then fates; last a stage
cdef enum:
    DIVISION = 1
    FIRST = 2
    STAGE = 255

# what became of a proposal
cdef enum:
    LOST = 0
    MOVED = 1
    BORN = 2

cdef struct Box:
    int nx
    int ny
    int nz
    bint wrap_x
    bint wrap_y
    bint wrap_z

# What surrounds the cells; no potential is a null pointer. A byte of flags says all that a cell
# that looks around needs, so that the planes it looks at stay in the cache.
cdef struct Tissue:
    const int* occupant
    const byte* flags
    const float* potential
    bint guidance
    double open_grip
    Box box


cdef inline word mix(word z) noexcept nogil:
    z = (z ^ (z >> 30)) * <word>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <word>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline word bits(long long id, word a, word b) noexcept nogil:
    return mix(mix(<word>id + a) ^ b)


cdef inline double uniform(long long id, word a, word b) noexcept nogil:
    return <double>(bits(id, a, b) >> 11) * (1.0 / 9007199254740992.0)


cdef inline void neighbours(int v, const Box* box, int* out) noexcept nogil:
    """The face neighbours x-, x+, y-, y+, z-, z+ of a voxel; -1 beyond a wall."""
    cdef int z = v % box.nz
    cdef int t = v / box.nz
    cdef int y = t % box.ny
    cdef int x = t / box.ny
    cdef int sx = box.ny * box.nz
    cdef int sy = box.nz
    out[0] = v - sx if x > 0 else (v + sx * (box.nx - 1) if box.wrap_x else -1)
    out[1] = v + sx if x < box.nx - 1 else (v - sx * (box.nx - 1) if box.wrap_x else -1)
    out[2] = v - sy if y > 0 else (v + sy * (box.ny - 1) if box.wrap_y else -1)
    out[3] = v + sy if y < box.ny - 1 else (v - sy * (box.ny - 1) if box.wrap_y else -1)
    out[4] = v - 1 if z > 0 else (v + box.nz - 1 if box.wrap_z else -1)
    out[5] = v + 1 if z < box.nz - 1 else (v - box.nz + 1 if box.wrap_z else -1)


# ---------------------------------------------------------------------------------- events


cdef int competing(
    double dt, double u, const float* death, Py_ssize_t n_causes, const float* fate,
    Py_ssize_t n_types, Py_ssize_t stride, int own, double total,
) noexcept nogil:
    """Code of the competing hazard, of `total` rate, that strikes in dt, or 0."""
    cdef Py_ssize_t k
    cdef double rate, p, r, passed = 0.0
    cdef int chosen = 0
    cdef bint now = isinf(total)
    if now:
        r = 0.0
        for k in range(n_causes):
            r += isinf(death[k * stride])
        for k in range(n_types):
            if k != own:
                r += isinf(fate[k * stride])
        r *= u
    else:
        p = -expm1(-total * dt)
        if u >= p:
            return 0
        # given that an event happens, u / p is uniform again
        r = u / p * total
    for k in range(n_causes):
        rate = isinf(death[k * stride]) if now else death[k * stride]
        if rate > 0.0:
            chosen = FIRST + <int>k
            passed += rate
            if r < passed:
                return chosen
    for k in range(n_types):
        if k == own:
            continue
        rate = isinf(fate[k * stride]) if now else fate[k * stride]
        if rate > 0.0:
            chosen = FIRST + <int>(n_causes + k)
            passed += rate
            if r < passed:
                return chosen
    return chosen


cdef inline void greatest_finite(
    int n, const float* rate, float* most, int* bad
) noexcept nogil:
    """Of n rates, each in a lane of its own; counts those that are negative or NaN."""
    cdef int j
    cdef float top = most[0], r
    cdef int wrong = 0
    for j in range(n):
        r = rate[j]
        wrong += not r >= 0.0
        top = r if r > top and r < INFINITY else top
    most[0] = top
    bad[0] += wrong


cdef void draw_block(
    Py_ssize_t i, int n, const long long* id, const byte* type, const int* voxel,
    const byte* stage, const float* divide, const float* arrest, const float* death,
    Py_ssize_t n_causes, const float* fate, Py_ssize_t n_types, Py_ssize_t stride,
    const int* occupant, Py_ssize_t n_voxels, double dt, int stages, double haste,
    word event_a, word event_b, word divide_a, word divide_b, byte* event, int* bad, int* astray,
) noexcept nogil:
    """`draw` of the n <= BLOCK cells from i on; whoever has no event is passed over in rows."""
    cdef double total[BLOCK]
    cdef int some[BLOCK]
    cdef const float* rate
    cdef Py_ssize_t k
    cdef int j, m, wrong, v, found = 0
    cdef double u, x
    cdef float r
    for j in range(n):
        total[j] = 0.0
        event[i + j] = 0
    wrong = 0
    for k in range(n_causes):
        rate = death + k * stride + i
        for j in range(n):
            wrong += not rate[j] >= 0.0
            total[j] += rate[j]
    for k in range(n_types):
        rate = fate + k * stride + i
        for j in range(n):
            wrong += not rate[j] >= 0.0
            # to become what it is, is no event
            total[j] += 0.0 if type[i + j] == k else rate[j]
    for j in range(n):
        r = arrest[i + j]
        wrong += not (r >= 0.0 and r <= 1.0)
    bad[0] += wrong
    wrong = 0
    for j in range(n):
        v = voxel[i + j]
        wrong += v < 0 or v >= n_voxels or occupant[v] != i + j
    astray[0] += wrong
    # 1 - exp(-x) <= x: most cells need no exponential
    for j in range(n):
        u = uniform(id[i + j], event_a, event_b)
        some[found] = j
        found += u < total[j] * dt
    for m in range(found):
        j = some[m]
        u = uniform(id[i + j], event_a, event_b)
        event[i + j] = <byte>competing(
            dt, u, death + i + j, n_causes, fate + i + j, n_types, stride, type[i + j], total[j]
        )
    # haste (exp(x) - 1) <= haste x (1 + x) up to x = 1.79
    found = 0
    for j in range(n):
        x = divide[i + j] * dt
        u = uniform(id[i + j], divide_a, divide_b)
        some[found] = j
        found += u < haste * x * (1.0 + x)
    for m in range(found):
        j = some[m]
        if event[i + j] != 0:
            continue
        if isinf(divide[i + j]):
            event[i + j] = DIVISION
        elif uniform(id[i + j], divide_a, divide_b) < haste * expm1(divide[i + j] * dt):
            event[i + j] = DIVISION if stage[i + j] >= stages - 1 else STAGE


cdef void draw_chunk(
    Py_ssize_t start, Py_ssize_t stop, const long long* id, const byte* type, const int* voxel,
    const byte* stage, const float* hop, const float* divide, const float* arrest,
    const float* death, Py_ssize_t n_causes, const float* fate, Py_ssize_t n_types,
    Py_ssize_t stride, const int* occupant, Py_ssize_t n_voxels, double dt, int stages,
    double haste, word event_a, word event_b, word divide_a, word divide_b, byte* event,
    double* summary,
) noexcept nogil:
    cdef Py_ssize_t i = start
    cdef float most_hops = 0.0, most_divisions = 0.0
    cdef double all_bad = 0.0, all_astray = 0.0
    cdef int n, bad, astray
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        bad = astray = 0
        greatest_finite(n, hop + i, &most_hops, &bad)
        greatest_finite(n, divide + i, &most_divisions, &bad)
        draw_block(
            i, n, id, type, voxel, stage, divide, arrest, death, n_causes, fate, n_types, stride,
            occupant, n_voxels, dt, stages, haste, event_a, event_b, divide_a, divide_b, event,
            &bad, &astray,
        )
        all_bad += bad
        all_astray += astray
        i += n
    summary[0] = most_hops
    summary[1] = most_divisions
    summary[2] = all_bad
    summary[3] = all_astray


def draw(
    Py_ssize_t n, const long long[::1] id, const byte[::1] type, const int[::1] voxel,
    const byte[::1] stage, const float[::1] hop, const float[::1] divide,
    const float[::1] arrest, const float[:, ::1] death, const float[:, ::1] fate,
    const int[::1] occupant, double dt, int stages, double haste, word event_a, word event_b,
    word divide_a, word divide_b, int threads, byte[::1] event, double[:, ::1] summary,
):
    """Event of every cell; per chunk: greatest finite hop, divide, bad rates, cells astray.

    A cell passes one of its `stages` with haste (exp(divide dt) - 1), and divides from the last.
    """
    cdef Py_ssize_t chunks = summary.shape[0], c
    for c in prange(chunks, nogil=True, schedule="dynamic", num_threads=threads):
        draw_chunk(
            n * c // chunks, n * (c + 1) // chunks, &id[0], &type[0], &voxel[0], &stage[0],
            &hop[0], &divide[0], &arrest[0], &death[0, 0], death.shape[0], &fate[0, 0],
            fate.shape[0], fate.shape[1], &occupant[0], occupant.shape[0], dt, stages, haste,
            event_a, event_b, divide_a, divide_b, &event[0], &summary[c, 0],
        )


# -------------------------------------------------------------------------------- movement


cdef inline double grip(int target, int v, const Tissue* tissue) noexcept nogil:
    """1 next to a surface or to a cell other than the one at v, else the grip of open fluid."""
    cdef int around[6]
    cdef int d
    if tissue.flags[target] & SURFACE:
        return 1.0
    neighbours(target, &tissue.box, around)
    for d in range(6):
        if around[d] >= 0 and around[d] != v and tissue.flags[around[d]] & TAKEN:
            return 1.0
    return tissue.open_grip


cdef inline int choose_inside(int v, double r, const Tissue* tissue) noexcept nogil:
    """`choose` with guidance, two voxels or more away from every face.

    The same answer without branches to mispredict: twice as fast; -2 where rounding needs care.
    """
    cdef int step[6]
    cdef int near[6]
    cdef double passed[6]
    cdef double weight[6]
    cdef double total = 0.0
    cdef const byte* flags = tissue.flags + v
    cdef const float* potential
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
    if tissue.potential != NULL:
        potential = tissue.potential + v
        for d in range(6):
            # what the potential is in walls is nobody's business
            if weight[d] > 0.0:
                weight[d] *= exp(0.5 * (<double>potential[step[d]] - <double>potential[0]))
    for d in range(6):
        total += weight[d]
        passed[d] = total
    if not total > 0.0:
        return -1
    r *= total
    for d in range(6):
        picked += r >= passed[d]
    return v + step[picked] if picked < 6 else -2


cdef int choose(int v, double r, const Tissue* tissue) noexcept nogil:
    """The neighbour voxel that r in [0, 1) picks by weight; -1 for none or a wall."""
    cdef int around[6]
    cdef double weight[6]
    cdef double total = 0.0, passed = 0.0
    cdef int d, j, picked = -1
    cdef bint guidance = tissue.guidance, biased = tissue.potential != NULL
    if guidance and tissue.flags[v] & INNER:
        picked = choose_inside(v, r, tissue)
        if picked != -2:
            return picked
        picked = -1
    neighbours(v, &tissue.box, around)
    if not guidance and not biased:
        return around[<int>(6.0 * r)]
    for d in range(6):
        j = around[d]
        if j < 0 or tissue.flags[j] & CLOSED:
            weight[d] = 0.0 if guidance else 1.0
        else:
            weight[d] = grip(j, v, tissue) if guidance else 1.0
            if biased:
                weight[d] *= exp(
                    0.5 * (<double>tissue.potential[j] - <double>tissue.potential[v])
                )
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
    Py_ssize_t start, Py_ssize_t stop, const long long* id, const int* voxel, const float* hop,
    const byte* event, bint first, double delta, word a, word b, const Tissue* tissue,
    int* want, byte* outcome,
) noexcept nogil:
    """The empty voxel that each cell wants, -1 for none."""
    cdef int mover[BLOCK]
    cdef double part[BLOCK]
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
        for m in range(found):
            j = mover[m]
            target = choose(voxel[i + j], part[m], tissue)
            if target >= 0 and not tissue.flags[target] & (CLOSED | TAKEN):
                want[i + j] = target
        i += n


cdef inline byte contest(
    Py_ssize_t i, const long long* id, const int* want, const byte* event, bint first,
    word a, word b, const Tissue* tissue,
) noexcept nogil:
    """What becomes of cell i's proposal: rivals can only stand around the voxel it wants."""
    cdef int around[6]
    cdef int d, rival, target = want[i]
    cdef bint divides = first and event[i] == DIVISION
    cdef bint other
    neighbours(target, &tissue.box, around)
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
    Py_ssize_t start, Py_ssize_t stop, const long long* id, const int* want, const byte* event,
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
    Py_ssize_t n, const long long[::1] id, int[::1] voxel, const float[::1] hop,
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
