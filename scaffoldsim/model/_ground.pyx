# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``ground.py`` and ``walls.py``: what each voxel is, and what surrounds it.

Nothing here allocates, raises or keeps state; names, checks and documentation are in the Python
twins. No loop writes what another thread reads.
"""

from cython.parallel cimport prange

from scaffoldsim.model._neighbours cimport Box, neighbours

ctypedef unsigned char byte

# bits of a voxel's flags, as in walls.py
cdef enum:
    CLOSED = 1
    SOLID = 2
    SURFACE = 4
    TAKEN = 16
    GEL = 32

# what a voxel is, as in walls.py
cdef enum:
    PORE = 0
    SCAFFOLD = 1
    OSTEOID = 2
    BONE = 3

# voxels looked at together, in registers' widths and without branches
cdef enum:
    BLOCK = 256

# steps of the hindrance, as in ground.py
cdef enum:
    LEVELS = 8

# What voxels hold; a part that is nowhere is a null pointer. Osteoid is in three stages of n.
cdef struct Parts:
    const float* scaffold
    const float* osteoid
    const float* mineral
    const float* host
    Py_ssize_t n

# what stands in for a part that is nowhere; C fills it with 0
cdef float nothing[BLOCK]


cdef Parts parts_of(
    const float[::1] scaffold, const float[::1] osteoid, const float[::1] mineral,
    const float[::1] host,
) noexcept:
    cdef Parts parts
    parts.n = scaffold.shape[0]
    parts.scaffold = &scaffold[0]
    parts.osteoid = &osteoid[0] if osteoid.shape[0] else NULL
    parts.mineral = &mineral[0] if mineral.shape[0] else NULL
    parts.host = &host[0] if host.shape[0] else NULL
    return parts


cdef inline void kinds(const Parts* parts, Py_ssize_t i, int n, float enter, int* kind) noexcept nogil:
    """What n <= BLOCK voxels from i on are."""
    cdef const float* s = parts.scaffold + i
    cdef const float* o = parts.osteoid + i if parts.osteoid != NULL else nothing
    cdef const float* p = parts.osteoid + parts.n + i if parts.osteoid != NULL else nothing
    cdef const float* q = parts.osteoid + 2 * parts.n + i if parts.osteoid != NULL else nothing
    cdef const float* m = parts.mineral + i if parts.mineral != NULL else nothing
    cdef const float* b = parts.host + i if parts.host != NULL else nothing
    cdef float soft, hard
    cdef int j, solid, filled, bony
    for j in range(n):
        soft = o[j] + p[j] + q[j]
        hard = m[j] + b[j]
        solid = s[j] >= enter
        filled = s[j] + soft + hard >= enter
        bony = hard >= soft
        kind[j] = solid * SCAFFOLD + (1 - solid) * filled * (OSTEOID + bony)


cdef void look_at(
    const Parts* parts, Py_ssize_t start, Py_ssize_t stop, float enter, const byte* kind,
    const byte* level, int* found,
) noexcept nogil:
    """Count voxels that are not what they were, and those open to cells but not to fluxes."""
    cdef int now[BLOCK]
    cdef Py_ssize_t i = start
    cdef int j, n, changed = 0, shut = 0
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        kinds(parts, i, n, enter, now)
        for j in range(n):
            changed += now[j] != kind[i + j]
            shut += (now[j] == PORE) & (level[i + j] == LEVELS)
        i += n
    found[0] = changed
    found[1] = shut


def changes(
    const float[::1] scaffold, const float[::1] osteoid, const float[::1] mineral,
    const float[::1] host, float enter, const byte[::1] kind, const byte[::1] level, int threads,
    int[:, ::1] found,
):
    """Fill a row of `found` for each part of the voxels, see `look_at`."""
    cdef Parts parts = parts_of(scaffold, osteoid, mineral, host)
    cdef Py_ssize_t count = found.shape[0], c
    for c in prange(count, nogil=True, schedule="dynamic", num_threads=threads):
        look_at(
            &parts, parts.n * c // count, parts.n * (c + 1) // count, enter, &kind[0], &level[0],
            &found[c, 0],
        )


cdef void take_kinds(
    const Parts* parts, Py_ssize_t start, Py_ssize_t stop, float enter, byte* kind, int* voxel,
) noexcept nogil:
    cdef int now[BLOCK]
    cdef Py_ssize_t i = start
    cdef int j, n, at = 0
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        kinds(parts, i, n, enter, now)
        for j in range(n):
            if now[j] != kind[i + j]:
                voxel[at] = <int>i + j
                kind[i + j] = <byte>now[j]
                at += 1
        i += n


def take(
    const float[::1] scaffold, const float[::1] osteoid, const float[::1] mineral,
    const float[::1] host, float enter, const int[:, ::1] found, const int[::1] first,
    byte[::1] kind, int[::1] voxel, int threads,
):
    """List the voxels that are not what they were, part c from ``first[c]`` on, and note it."""
    cdef Parts parts = parts_of(scaffold, osteoid, mineral, host)
    cdef Py_ssize_t count = found.shape[0], c
    for c in prange(count, nogil=True, schedule="dynamic", num_threads=threads):
        if found[c, 0]:
            take_kinds(
                &parts, parts.n * c // count, parts.n * (c + 1) // count, enter, &kind[0],
                &voxel[first[c]],
            )


cdef void levels_of(
    const Parts* parts, Py_ssize_t start, Py_ssize_t stop, float soft, float hard, byte* level,
) noexcept nogil:
    """Hindrance of each voxel in steps, rounded down: few change in an hour."""
    cdef Py_ssize_t i = start
    cdef const float* s
    cdef const float* o
    cdef const float* p
    cdef const float* q
    cdef const float* m
    cdef const float* b
    cdef float h
    cdef int j, n
    while i < stop:
        n = <int>min(<Py_ssize_t>BLOCK, stop - i)
        s = parts.scaffold + i
        o = parts.osteoid + i if parts.osteoid != NULL else nothing
        p = parts.osteoid + parts.n + i if parts.osteoid != NULL else nothing
        q = parts.osteoid + 2 * parts.n + i if parts.osteoid != NULL else nothing
        m = parts.mineral + i if parts.mineral != NULL else nothing
        b = parts.host + i if parts.host != NULL else nothing
        for j in range(n):
            h = s[j] + soft * (o[j] + p[j] + q[j]) + hard * (m[j] + b[j])
            h = h if h < 1.0 else 1.0
            level[i + j] = <byte><int>(h * LEVELS)
        i += n


def levels(
    const float[::1] scaffold, const float[::1] osteoid, const float[::1] mineral,
    const float[::1] host, float soft, float hard, byte[::1] level, int threads,
):
    """Fill `level`: s + soft o + hard (m + b), at most 1, in steps of 1/LEVELS."""
    cdef Parts parts = parts_of(scaffold, osteoid, mineral, host)
    cdef int c
    for c in prange(64, nogil=True, schedule="static", num_threads=threads):
        levels_of(&parts, parts.n * c // 64, parts.n * (c + 1) // 64, soft, hard, &level[0])


cdef inline void feel(
    int v, const Box* box, const byte* kind, const float* modulus, byte* touch, float* felt,
) noexcept nogil:
    """Which kinds are in a voxel or across its faces, a bit each, and the stiffest of them."""
    cdef int around[6]
    cdef int d, bits = 1 << kind[v]
    neighbours(v, box, around)
    for d in range(6):
        if around[d] >= 0:
            bits |= 1 << kind[around[d]]
    touch[v] = <byte>bits
    felt[v] = modulus[bits]


def feel_all(
    const byte[::1] kind, const float[::1] modulus, byte[::1] touch, float[::1] felt,
    int nx, int ny, int nz, bint wrap_x, bint wrap_y, bint wrap_z, int threads,
):
    """`feel` of every voxel."""
    cdef Box box = Box(nx, ny, nz, wrap_x, wrap_y, wrap_z)
    cdef int v, n = <int>kind.shape[0]
    for v in prange(n, nogil=True, schedule="static", num_threads=threads):
        feel(v, &box, &kind[0], &modulus[0], &touch[0], &felt[0])


def feel_around(
    const int[::1] voxel, const byte[::1] kind, const float[::1] modulus, byte[::1] touch,
    float[::1] felt, int nx, int ny, int nz, bint wrap_x, bint wrap_y, bint wrap_z,
):
    """`feel` of these voxels and of those across their faces."""
    cdef Box box = Box(nx, ny, nz, wrap_x, wrap_y, wrap_z)
    cdef int around[6]
    cdef Py_ssize_t i
    cdef int d
    with nogil:
        for i in range(voxel.shape[0]):
            feel(voxel[i], &box, &kind[0], &modulus[0], &touch[0], &felt[0])
            neighbours(voxel[i], &box, around)
            for d in range(6):
                if around[d] >= 0:
                    feel(around[d], &box, &kind[0], &modulus[0], &touch[0], &felt[0])


cdef inline void hold(int v, const Box* box, byte* flags) noexcept nogil:
    """Whether a cell finds hold in a voxel: beside a wall or matrix, or in gel."""
    cdef int around[6]
    cdef int d, near = flags[v] & GEL
    neighbours(v, box, around)
    for d in range(6):
        if around[d] >= 0:
            near |= flags[around[d]] & CLOSED
    flags[v] = (flags[v] & (255 - SURFACE)) | (SURFACE if near else 0)


def change_walls(
    const int[::1] voxel, const byte[::1] kind, byte[::1] flags, int[::1] occupant,
    int nx, int ny, int nz, bint wrap_x, bint wrap_y, bint wrap_z,
):
    """Say what these voxels are, one kind each; their flags, occupants and neighbours follow."""
    cdef Box box = Box(nx, ny, nz, wrap_x, wrap_y, wrap_z)
    cdef int around[6]
    cdef Py_ssize_t i
    cdef int d, v
    with nogil:
        for i in range(voxel.shape[0]):
            v = voxel[i]
            flags[v] &= 255 - CLOSED - SOLID
            if kind[i] != PORE:
                flags[v] |= CLOSED
            if kind[i] == SCAFFOLD:
                flags[v] |= SOLID
            if not flags[v] & TAKEN:
                occupant[v] = -1 if kind[i] == PORE else -2
        for i in range(voxel.shape[0]):
            v = voxel[i]
            hold(v, &box, &flags[0])
            neighbours(v, &box, around)
            for d in range(6):
                if around[d] >= 0:
                    hold(around[d], &box, &flags[0])
