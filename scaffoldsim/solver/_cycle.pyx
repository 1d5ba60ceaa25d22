"""The multigrid cycle: smoother, transfers, and the recursion over the levels.

Every level is a padded grid of rows with one ghost layer: zero on a closed or held face, the
opposite layer on a periodic axis. Rows beyond the grid follow it in the same arrays; a *loose* row
has links off the grid, and each sweep overwrites what the grid kernel gave it. All is single
precision. Coloured sweeps only read what the same half-sweep does not write; where two rows of one
colour touch (around a ring of odd length, by a weak link in a block), the grid reads a ghost of the
half-sweep before, and loose rows are all computed before any is written. So no bit depends on the
number of threads.
"""

from cython.parallel cimport prange, threadid
from libc.string cimport memset

cdef enum:
    STAGES = 5       # at most, of `smooth`


# ------------------------------------------------------------------- rows with edges off the grid
cdef inline float inflow(const Grid* g, Py_ssize_t i, Py_ssize_t q) noexcept nogil:
    """Conductance times neighbour, summed over the links of row i, the q-th loose one (or -1)."""
    cdef const float* x = g.x
    cdef float v = 0
    cdef int p
    if i < g.n:
        if g.unit:
            v = ((x[i - 1] + x[i + 1]) + (x[i - g.sy] + x[i + g.sy])
                 + (x[i - g.sx] + x[i + g.sx]))
        else:
            v = ((g.k[2][i] * x[i - 1] + g.k[2][i + 1] * x[i + 1])
                 + (g.k[1][i] * x[i - g.sy] + g.k[1][i + g.sy] * x[i + g.sy])
                 + (g.k[0][i] * x[i - g.sx] + g.k[0][i + g.sx] * x[i + g.sx]))
    if q >= 0:
        for p in range(g.ptr[q], g.ptr[q + 1]):
            v = v + g.val[p] * g.x[g.idx[p]]
    return v


cdef inline float conductance(const Grid* g, Py_ssize_t i, Py_ssize_t q) noexcept nogil:
    """Sum of the conductances of row i, the q-th loose one (or -1)."""
    cdef float v = 0
    cdef int p
    if i < g.n:
        if g.unit:
            v = g.links[i]
        else:
            v = ((g.k[2][i] + g.k[2][i + 1]) + (g.k[1][i] + g.k[1][i + g.sy])
                 + (g.k[0][i] + g.k[0][i + g.sx]))
    if q >= 0:
        for p in range(g.ptr[q], g.ptr[q + 1]):
            v = v + g.val[p]
    return v


cdef inline float defect_at(const Grid* g, Py_ssize_t i, Py_ssize_t q) noexcept nogil:
    """The residual of row i in flux form."""
    cdef const float* x = g.x
    cdef float v = 0, c = x[i]
    cdef int p
    if not g.dinv[i] > 0:
        return 0
    if i < g.n:
        if g.unit:
            v = (((x[i - 1] + x[i + 1]) + (x[i - g.sy] + x[i + g.sy])
                  + (x[i - g.sx] + x[i + g.sx])) - g.links[i] * c)
        else:
            v = ((g.k[2][i] * (x[i - 1] - c) + g.k[2][i + 1] * (x[i + 1] - c))
                 + (g.k[1][i] * (x[i - g.sy] - c) + g.k[1][i + g.sy] * (x[i + g.sy] - c))
                 + (g.k[0][i] * (x[i - g.sx] - c) + g.k[0][i + g.sx] * (x[i + g.sx] - c)))
    if q >= 0:
        for p in range(g.ptr[q], g.ptr[q + 1]):
            v = v + g.val[p] * (g.x[g.idx[p]] - c)
    return (g.b[i] - g.s[i] * c) + v


cdef inline int team(const Grid* g, int rows) noexcept nogil:
    return g.threads if rows > SERIAL else 1


cdef void relax_loose(const Grid* g, int colour) noexcept nogil:
    # In two steps, since rows of one colour may touch: around a ring of odd length, or by a weak
    # link inside a block.
    cdef int first = g.black if colour else 0, last = g.loose if colour else g.black, q
    cdef int threads = team(g, 4 * (last - first))
    for q in prange(first, last, num_threads=threads, schedule="static"):
        g.fresh[q] = (g.b[g.row[q]] + inflow(g, g.row[q], q)) * g.dinv[g.row[q]]
    for q in prange(first, last, num_threads=threads, schedule="static"):
        g.x[g.row[q]] = g.fresh[q]


# ---------------------------------------------------------------------------------------- smoother
cdef inline void stage(const Grid* g, int kind, int colour, int x) noexcept nogil:
    """One stage of `smooth` on plane x."""
    cdef const Grid* h = g + 1
    cdef float* c = g.x
    cdef int y, odd = (x + 1 + colour) & 1
    cdef Py_ssize_t o = x * g.sx + g.sy + 1
    if kind == PROLONG:
        for y in range(g.ny):
            row_scatter(c + o, h.x + (1 + ((x - 1) >> 1)) * h.sx + (1 + (y >> 1)) * h.sy + 1,
                        g.part + o, g.dinv + o, g.nz)
            o = o + g.sy
    elif kind == BLANK:
        plane_relax_blank(c + o, g.b + o, g.dinv + o, g.sy, g.ny, g.nz, odd)
    elif g.unit:
        plane_relax_unit(c + o, g.b + o, g.dinv + o, g.sx, g.sy, g.ny, g.nz, odd)
    else:
        plane_relax(c + o, g.b + o, g.dinv + o, g.k[0] + o, g.k[1] + o, g.k[2] + o, g.sx, g.sy,
                    g.ny, g.nz, odd)
    wrap_plane(g, c, x)


cdef inline void pipeline(const Grid* g, const int* kind, const int* colour, int count, int first,
                          int last, bint low, bint high) noexcept nogil:
    """The stages on planes first to last, each one plane behind the one before it, while they are
    in the cache. At a shared end each stage stops one plane earlier than the one before."""
    cdef int p, j, x
    for p in range(first, last + count):
        for j in range(count):
            x = p - j
            if x >= first + (j if low else 0) and x <= last - (j if high else 0):
                stage(g, kind[j], colour[j], x)


cdef inline void seam(const Grid* g, const int* kind, const int* colour, int count, int last,
                      int next_) noexcept nogil:
    """What `pipeline` left between the planes `last` and `next_` of two slabs."""
    cdef int j, x
    for j in range(1, count):
        if next_ <= last:            # the ends of a periodic axis
            wrap_ends(g, g.x)
        for x in range(last - j + 1, last + 1):
            stage(g, kind[j], colour[j], x)
        for x in range(next_, next_ + j):
            stage(g, kind[j], colour[j], x)


cdef void smooth(const Grid* g, int start, int colour) noexcept nogil:
    """Two red-black sweeps, `colour` first; `start` is BLANK, PROLONG or the colour itself.

    Every (stage, plane) reads planes to either side after the stage before and ahead of the stage
    after, whatever the number of slabs.
    """
    cdef int kind[STAGES]
    cdef int colours[STAGES]
    cdef int count = 0, j, slab, slabs, x
    if start == PROLONG:
        kind[0] = PROLONG
        colours[0] = colour
        count = 1
    for j in range(4):
        kind[count] = colours[count] = (colour + j) & 1
        count += 1
    if start == BLANK:
        kind[0] = BLANK
    slabs = g.nx // (2 * count)
    if slabs > g.threads:
        slabs = g.threads
    if g.loose or slabs < 1:
        for j in range(count):
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                stage(g, kind[j], colours[j], x)
            wrap_ends(g, g.x)    # a blank field must be blank around the ring too
            if g.loose and kind[j] != PROLONG:
                relax_loose(g, colours[j])
                wrap_all(g, g.x)
        return
    for slab in prange(slabs, num_threads=slabs, schedule="static"):
        pipeline(g, kind, colours, count, 1 + g.nx * slab // slabs, g.nx * (slab + 1) // slabs,
                 slab > 0 or g.px, slab + 1 < slabs or g.px)
    for slab in prange(slabs if g.px else slabs - 1, num_threads=slabs, schedule="static"):
        x = g.nx * (slab + 1) // slabs
        seam(g, kind, colours, count, x, 1 if slab + 1 == slabs else x + 1)
    wrap_ends(g, g.x)


# --------------------------------------------------------------------------------------- transfers
cdef void restrict_defect(const Grid* g, float* scratch, int width) noexcept nogil:
    """b of the next level: the residual, summed over the members of each row."""
    cdef const Grid* h = g + 1
    cdef int x, y, fx, fy, p, q
    cdef Py_ssize_t o
    cdef float* sum_
    cdef float v
    for x in prange(h.nx, num_threads=g.threads, schedule="static"):
        sum_ = scratch + (2 * width + 32) * threadid()
        for y in range(h.ny):
            memset(sum_, 0, g.nz * sizeof(float))
            for fx in range(2 * x + 1, min(2 * x + 2, g.nx) + 1):
                for fy in range(2 * y + 1, min(2 * y + 2, g.ny) + 1):
                    o = fx * g.sx + fy * g.sy + 1
                    if g.unit:
                        row_gather_unit(sum_, g.x + o, g.b + o, g.s + o, g.links + o, g.part + o,
                                        g.dinv + o, g.sx, g.sy, g.nz)
                    else:
                        row_gather(sum_, g.x + o, g.b + o, g.s + o, g.k[0] + o, g.k[1] + o,
                                   g.k[2] + o, g.part + o, g.dinv + o, g.sx, g.sy, g.nz)
            row_halve(h.b + (x + 1) * h.sx + (y + 1) * h.sy + 1, sum_, g.nz)
    for p in prange(g.parents, num_threads=team(g, g.parents), schedule="static"):
        v = h.b[g.parent[p]] if g.parent[p] < h.n else 0
        for q in range(g.first[p], g.first[p + 1]):
            v = v + defect_at(g, g.member[q], g.edges[q])
        h.b[g.parent[p]] = v


cdef void prolong_loose(const Grid* g) noexcept nogil:
    # Each member has one parent, so writing by parent is free of conflicts.
    cdef const Grid* h = g + 1
    cdef int p, q
    for p in prange(g.parents, num_threads=team(g, g.parents), schedule="static"):
        for q in range(g.first[p], g.first[p + 1]):
            if g.dinv[g.member[q]] > 0:
                g.x[g.member[q]] += h.x[g.parent[p]]


cdef void restrict_slope(const Grid* g, float* scratch, int width) noexcept nogil:
    """s of the next level, and a positive dinv where a member is free."""
    cdef const Grid* h = g + 1
    cdef int x, y, fx, fy, p, q
    cdef Py_ssize_t o
    cdef float* sum_
    cdef float v, free
    for x in prange(h.nx, num_threads=g.threads, schedule="static"):
        sum_ = scratch + (2 * width + 32) * threadid()
        for y in range(h.ny):
            memset(sum_, 0, 2 * width * sizeof(float))
            for fx in range(2 * x + 1, min(2 * x + 2, g.nx) + 1):
                for fy in range(2 * y + 1, min(2 * y + 2, g.ny) + 1):
                    o = fx * g.sx + fy * g.sy + 1
                    row_gather_slope(sum_, sum_ + width, g.s + o, g.part + o, g.dinv + o, g.nz)
            o = (x + 1) * h.sx + (y + 1) * h.sy + 1
            row_halve(h.s + o, sum_, g.nz)
            row_halve(h.dinv + o, sum_ + width, g.nz)
    for p in prange(g.parents, num_threads=team(g, g.parents), schedule="static"):
        v = h.s[g.parent[p]] if g.parent[p] < h.n else 0
        free = h.dinv[g.parent[p]] if g.parent[p] < h.n else 0
        for q in range(g.first[p], g.first[p + 1]):
            if g.dinv[g.member[q]] > 0:
                v = v + g.s[g.member[q]]
                free = 1
        h.s[g.parent[p]] = v
        h.dinv[g.parent[p]] = free
    for p in range(h.outlets):
        h.s[h.outlet[p]] += h.film[p]
    # Loose rows apart: the grid kernel does not know all their links.
    for p in prange(h.loose, num_threads=team(h, h.loose), schedule="static"):
        v = conductance(h, h.row[p], p) + h.s[h.row[p]]
        h.fresh[p] = 1 / v if h.dinv[h.row[p]] > 0 and v > 0 else 0
    for x in prange(1, h.nx + 1, num_threads=team(h, h.nx * h.ny * h.nz), schedule="static"):
        for y in range(1, h.ny + 1):
            o = x * h.sx + y * h.sy + 1
            row_invert(h.dinv + o, h.s + o, h.k[0] + o, h.k[1] + o, h.k[2] + o, h.sx, h.sy, h.nz)
    for p in prange(h.loose, num_threads=team(h, h.loose), schedule="static"):
        h.dinv[h.row[p]] = h.fresh[p]


cdef void visit(Grid* g, int depth, int start, float* scratch, int width) noexcept nogil:
    """A W(2, 2) cycle from level `g`; the last level has no links, so a sweep solves it."""
    cdef int k
    if start == BLANK:
        memset(g.x + g.n, 0, g.extra * sizeof(float))
    smooth(g, start, 0)
    if depth == 0:
        return
    restrict_defect(g, scratch, width)
    for k in range((g + 1).visits):
        visit(g + 1, depth - 1, BLANK if k == 0 else 0, scratch, width)
    prolong_loose(g)
    smooth(g, PROLONG, 1)
