# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``lattice.py``, first part: which event strikes each cell, if any.

Nothing here allocates, raises or keeps state; names, checks and documentation are in the Python
twin. Cells are looked at in blocks, row by row of their rates, since most have no event: the few
that may have one are found without a branch to mispredict.
"""

from cython.parallel cimport prange
from libc.math cimport INFINITY, expm1, isinf
from libc.string cimport memcpy

from scaffoldsim.model._counter cimport uniform, word

ctypedef unsigned char byte

cdef enum:
    BLOCK = 256

# codes of an event, as in lattice.py: 0 none, 1 division, then deaths, then fates; last a stage
cdef enum:
    DIVISION = 1
    FIRST = 2
    STAGE = 255


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
    Py_ssize_t i, int n, const int* id, const byte* type, const int* voxel,
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
    Py_ssize_t start, Py_ssize_t stop, const int* id, const byte* type, const int* voxel,
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
    Py_ssize_t n, const int[::1] id, const byte[::1] type, const int[::1] voxel,
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


def struck(Py_ssize_t n, const byte[::1] code, long long[::1] row):
    """How many of n codes are 2 or more; their rows as far as there is room for them."""
    cdef Py_ssize_t i = 0, j, found = 0, room = row.shape[0]
    cdef word eight
    with nogil:
        while i < n:
            if i + 8 <= n:
                memcpy(&eight, &code[i], 8)
                if eight & <word>0xFEFEFEFEFEFEFEFE == 0:
                    i += 8
                    continue
            for j in range(i, min(i + 8, n)):
                if code[j] >= 2:
                    if found < room:
                        row[found] = j
                    found += 1
            i += 8
    return found
