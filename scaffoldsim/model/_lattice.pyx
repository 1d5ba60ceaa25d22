# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``lattice.py``: what each cell does, and who gets a voxel.

Nothing here allocates, raises or keeps state; names, checks and documentation are in the Python
twin. No loop writes what another thread reads, so no atomics are needed and the result is the
same for any number of threads.
"""

from cython.parallel cimport prange
from libc.math cimport exp, expm1, isinf

ctypedef unsigned long long word
ctypedef unsigned char byte

# bits of a voxel's flags, as in lattice.py
cdef enum:
    CLOSED = 1
    SURFACE = 4

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


cdef inline bint inside(int v, int margin, const Box* box) noexcept nogil:
    """Whether a voxel is that many voxels or more away from every face."""
    cdef int z = v % box.nz
    cdef int t = v / box.nz
    cdef int y = t % box.ny
    cdef int x = t / box.ny
    return (
        margin <= x < box.nx - margin and margin <= y < box.ny - margin
        and margin <= z < box.nz - margin
    )


# ---------------------------------------------------------------------------------- events


cdef int competing(
    double dt, double u, const float* death, Py_ssize_t n_causes, const float* fate,
    Py_ssize_t n_types, Py_ssize_t stride, int own, double* bad,
) noexcept nogil:
    """Code of the competing hazard that strikes in dt, or 0; a bad rate is counted."""
    cdef Py_ssize_t k
    cdef double total = 0.0, rate, p, r, passed = 0.0
    cdef int chosen = 0
    cdef bint now
    for k in range(n_causes):
        rate = death[k * stride]
        if not rate >= 0.0:
            bad[0] += 1
        total += rate
    for k in range(n_types):
        rate = fate[k * stride]
        if not rate >= 0.0:
            bad[0] += 1
        if k != own:
            total += rate
    # 1 - exp(-x) <= x: most cells need no exponential
    if not total > 0.0 or u >= total * dt:
        return 0
    now = isinf(total)
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


cdef void draw_chunk(
    Py_ssize_t start, Py_ssize_t stop, const long long* id, const byte* type, const int* voxel,
    const byte* stage, const float* hop, const float* divide, const float* arrest,
    const float* death, Py_ssize_t n_causes, const float* fate, Py_ssize_t n_types,
    Py_ssize_t stride, const int* occupant, Py_ssize_t n_voxels, double dt, int stages,
    double haste, word event_a, word event_b, word divide_a, word divide_b, byte* event,
    double* summary,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef double most_hops = 0.0, most_divisions = 0.0, bad = 0.0, astray = 0.0
    cdef double rate, x, u
    cdef int code, v
    for i in range(start, stop):
        v = voxel[i]
        if v < 0 or v >= n_voxels or occupant[v] != i:
            astray += 1
        u = uniform(id[i], event_a, event_b)
        code = competing(
            dt, u, death + i, n_causes, fate + i, n_types, stride, type[i], &bad
        )
        rate = arrest[i]
        if not (rate >= 0.0 and rate <= 1.0):
            bad += 1
        rate = hop[i]
        if not rate >= 0.0:
            bad += 1
        elif rate > most_hops and not isinf(rate):
            most_hops = rate
        rate = divide[i]
        if not rate >= 0.0:
            bad += 1
        elif rate > 0.0:
            if isinf(rate):
                if code == 0:
                    code = DIVISION
            else:
                if rate > most_divisions:
                    most_divisions = rate
                if code == 0:
                    x = rate * dt
                    u = uniform(id[i], divide_a, divide_b)
                    # exp(x) - 1 <= x (1 + x) up to x = 1.79: most cells need no exponential
                    if u < haste * x * (1.0 + x) and u < haste * expm1(x):
                        code = DIVISION if stage[i] >= stages - 1 else STAGE
        event[i] = <byte>code
    summary[0] = most_hops
    summary[1] = most_divisions
    summary[2] = bad
    summary[3] = astray


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
    for c in prange(chunks, nogil=True, schedule="static", num_threads=threads):
        draw_chunk(
            n * c // chunks, n * (c + 1) // chunks, &id[0], &type[0], &voxel[0], &stage[0],
            &hop[0], &divide[0], &arrest[0], &death[0, 0], death.shape[0], &fate[0, 0],
            fate.shape[0], fate.shape[1], &occupant[0], occupant.shape[0], dt, stages, haste,
            event_a, event_b, divide_a, divide_b, &event[0], &summary[c, 0],
        )


# -------------------------------------------------------------------------------- movement


cdef inline double grip(
    int target, int mover, const int* occupant, const byte* flags, double open_grip,
    const Box* box,
) noexcept nogil:
    """1 next to a surface or to a cell other than the mover, else the grip of open fluid."""
    cdef int around[6]
    cdef int d
    if flags[target] & SURFACE:
        return 1.0
    neighbours(target, box, around)
    for d in range(6):
        if around[d] >= 0 and occupant[around[d]] >= 0 and occupant[around[d]] != mover:
            return 1.0
    return open_grip


cdef inline int choose_inside(
    int v, double r, const int* occupant, const byte* flags, double open_grip, int plane, int line,
) noexcept nogil:
    """`choose` with guidance and no bias, two voxels or more away from every face.

    The same answer without branches to mispredict: twice as fast; -2 where rounding needs care.
    """
    cdef int step[6]
    cdef int taken
    cdef int grips[6]
    cdef double passed[6]
    cdef double total = 0.0
    cdef const int* here = occupant + v
    cdef int d, e, f, picked = 0
    cdef byte flag
    step[0], step[1], step[2], step[3], step[4], step[5] = -plane, plane, -line, line, -1, 1
    for d in range(6):
        # straight on
        grips[d] = here[2 * step[d]] >= 0
    # the twelve voxels across an edge lie next to two targets each
    for d in range(4):
        for e in range(2):
            f = (d // 2 + 1) * 2 + e
            taken = here[step[d] + step[f]] >= 0
            grips[d] |= taken
            grips[f] |= taken
    for d in range(2):
        for f in range(4, 6):
            taken = here[step[d] + step[f]] >= 0
            grips[d] |= taken
            grips[f] |= taken
    for d in range(6):
        flag = flags[v + step[d]]
        grips[d] |= (flag & SURFACE) != 0
        total += ((flag & CLOSED) == 0) * (grips[d] + (1 - grips[d]) * open_grip)
        passed[d] = total
    if not total > 0.0:
        return -1
    r *= total
    for d in range(6):
        picked += r >= passed[d]
    return v + step[picked] if picked < 6 else -2


cdef int choose(
    int v, int row, double r, const int* occupant, const byte* flags, bint guidance,
    double open_grip, bint biased, const float* potential, const Box* box,
) noexcept nogil:
    """The neighbour voxel that r in [0, 1) picks by weight; -1 for none or a wall."""
    cdef int around[6]
    cdef double weight[6]
    cdef double total = 0.0, passed = 0.0
    cdef int d, j, picked = -1
    if guidance and not biased and inside(v, 2, box):
        picked = choose_inside(
            v, r, occupant, flags, open_grip, box.ny * box.nz, box.nz
        )
        if picked != -2:
            return picked
        picked = -1
    neighbours(v, box, around)
    if not guidance and not biased:
        return around[<int>(6.0 * r)]
    for d in range(6):
        j = around[d]
        if j < 0 or flags[j] & CLOSED:
            weight[d] = 0.0 if guidance else 1.0
        else:
            weight[d] = grip(j, row, occupant, flags, open_grip, box) if guidance else 1.0
            if biased:
                weight[d] *= exp(0.5 * (<double>potential[j] - <double>potential[v]))
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


cdef inline int wanted(
    Py_ssize_t i, const long long* id, const int* voxel, const float* hop, const byte* event,
    bint first, double delta, word a, word b, const int* occupant, const byte* flags,
    bint guidance, double open_grip, bint biased, const float* potential, const Box* box,
) noexcept nogil:
    """The empty voxel that cell i wants, -1 for none."""
    cdef double p = chance(hop[i], event[i] if first else 0, delta, first)
    cdef double u = uniform(id[i], a, b)
    cdef int target
    if u >= p:
        return -1
    # given that it moves, u / p is uniform again
    target = choose(
        voxel[i], <int>i, u / p, occupant, flags, guidance, open_grip, biased, potential, box
    )
    return target if target >= 0 and occupant[target] == -1 else -1


cdef inline byte contest(
    Py_ssize_t i, const long long* id, const int* want, const byte* event, bint first,
    word a, word b, const int* occupant, const Box* box,
) noexcept nogil:
    """What becomes of cell i's proposal: rivals can only stand around the voxel it wants."""
    cdef int around[6]
    cdef int d, rival, target = want[i]
    cdef bint divides = first and event[i] == DIVISION
    cdef bint other
    cdef word mine = bits(id[i], a, b)
    neighbours(target, box, around)
    for d in range(6):
        if around[d] < 0:
            continue
        rival = occupant[around[d]]
        if rival < 0 or rival == i or want[rival] != target:
            continue
        other = first and event[rival] == DIVISION
        if other != divides:
            if other:
                return LOST
        elif bits(id[rival], a, b) < mine:
            return LOST
    return BORN if divides else MOVED


def substep(
    Py_ssize_t n, const long long[::1] id, int[::1] voxel, const float[::1] hop,
    const byte[::1] event, bint first, double delta, word target_a, word target_b,
    word rank_a, word rank_b, int[::1] occupant, const byte[::1] flags, bint guidance,
    double open_grip, bint biased, const float[::1] potential, int nx, int ny, int nz,
    bint wrap_x, bint wrap_y, bint wrap_z, int threads, int[::1] want, byte[::1] outcome,
):
    """One attempt of every cell: propose on a snapshot, resolve, commit; returns the hops made.

    Daughters are left to the caller: ``outcome`` is 2 where ``want`` is a daughter's voxel.
    """
    cdef Box box
    cdef Py_ssize_t i, hops = 0
    box.nx, box.ny, box.nz = nx, ny, nz
    box.wrap_x, box.wrap_y, box.wrap_z = wrap_x, wrap_y, wrap_z
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        want[i] = wanted(
            i, &id[0], &voxel[0], &hop[0], &event[0], first, delta, target_a, target_b,
            &occupant[0], &flags[0], guidance, open_grip, biased, &potential[0], &box,
        )
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        outcome[i] = LOST
        if want[i] >= 0:
            outcome[i] = contest(
                i, &id[0], &want[0], &event[0], first, rank_a, rank_b, &occupant[0], &box
            )
    # every voxel wanted was empty and has one winner, so no two threads touch the same voxel
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        if outcome[i] == MOVED:
            occupant[voxel[i]] = -2 if flags[voxel[i]] & CLOSED else -1
            occupant[want[i]] = <int>i
            voxel[i] = want[i]
            hops += 1
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
