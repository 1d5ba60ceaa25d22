"""The multigrid cycle: smoother, transfers, and the recursion over the levels.

Every level is a padded grid of rows with one ghost layer: zero on a closed or held face, the
opposite layer on a periodic axis. Rows beyond the grid follow it in the same arrays; a *loose* row
has links off the grid, and each step overwrites what the grid kernel gave it. All is single
precision.

The smoother is a Chebyshev polynomial in the operator scaled by its diagonal, as DEGREE steps
x += w_j (b - A x) / diagonal. A step reads nothing that it writes, so no bit depends on the number
of threads, and the cycle is symmetric.

On a grid without loose rows all steps are one pass through memory: plane by plane, each step one
plane behind the one before it, in rings of three planes a step. A thread has a slab of planes and
does the few steps beyond its ends that it needs itself.
"""

from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy, memset

cdef enum:
    THIN = 8         # planes of a slab, at least


# ------------------------------------------------------------------- rows with edges off the grid
cdef inline float grid_defect(const Grid* g, Py_ssize_t i) noexcept nogil:
    """The residual, in flux form, of a row of the grid that is not loose."""
    cdef const float* x = g.x
    cdef float v, c = x[i]
    if not g.dinv[i] > 0:
        return 0
    if g.unit:
        v = (((x[i - 1] + x[i + 1]) + (x[i - g.sy] + x[i + g.sy])
              + (x[i - g.sx] + x[i + g.sx])) - (g.links[i] & LINKS) * c)
    else:
        v = ((g.k[2][i] * (x[i - 1] - c) + g.k[2][i + 1] * (x[i + 1] - c))
             + (g.k[1][i] * (x[i - g.sy] - c) + g.k[1][i + g.sy] * (x[i + g.sy] - c))
             + (g.k[0][i] * (x[i - g.sx] - c) + g.k[0][i + g.sx] * (x[i + g.sx] - c)))
    return (g.b[i] - g.s[i] * c) + v


cdef inline int team(const Grid* g, int rows) noexcept nogil:
    """Threads for a loop over lists that takes as long as one over so many rows of a grid."""
    return g.crew if rows > SERIAL else 1


# ---------------------------------------------------------------------------------------- smoother
cdef inline void step_plane(const Grid* g, const float* lo, const float* mid, const float* hi,
                            float* out, int x, float w) noexcept nogil:
    """One step on plane x: `out` from the planes before, at and behind it."""
    cdef Py_ssize_t o = g.sy + 1, at = x * g.sx + g.sy + 1
    if g.unit:
        plane_step_unit(out + o, lo + o, mid + o, hi + o, g.b + at, g.dinv + at, w, g.sy, g.ny,
                        g.nz)
    else:
        plane_step(out + o, lo + o, mid + o, hi + o, g.b + at, g.dinv + at, g.k[0] + at,
                   g.k[1] + at, g.k[2] + at, w, g.sx, g.sy, g.ny, g.nz)
    seal(g, out)


cdef inline void start_plane(const Grid* g, float* out, int x, float w) noexcept nogil:
    cdef Py_ssize_t at = x * g.sx + g.sy + 1
    plane_start(out + g.sy + 1, g.b + at, g.dinv + at, w, g.sy, g.ny, g.nz)
    seal(g, out)


cdef inline void prolong_plane(const Grid* g, float* plane, int x) noexcept nogil:
    """Add the correction of the next level to what stands for plane x."""
    cdef const Grid* h = g + 1
    cdef const float* coarse = h.x + (1 + ((x - 1) >> 1)) * h.sx + 1
    cdef Py_ssize_t o = x * g.sx + g.sy + 1
    cdef int y
    for y in range(g.ny):
        row_scatter(plane + (y + 1) * g.sy + 1, coarse + (1 + (y >> 1)) * h.sy, g.part + o,
                    g.dinv + o, g.nz)
        o = o + g.sy
    seal(g, plane)


cdef inline int around(const Grid* g, int x) noexcept nogil:
    """The plane that stands for x beyond the ends of a periodic axis; 0 beyond a closed one."""
    if 1 <= x <= g.nx:
        return x
    return (x - 1 + 8 * DEGREE * g.nx) % g.nx + 1 if g.px else 0


cdef inline int slabs_of(const Grid* g) noexcept nogil:
    return max(1, min(g.threads, g.nx // THIN))


cdef inline float* ring(float* planes, int j, int x, Py_ssize_t sx) noexcept nogil:
    """Plane x after step j, 1 to DEGREE - 1."""
    return planes + (3 * (j - 1) + (x + 3 * DEGREE) % 3) * sx


cdef void descend_slab(const Grid* g, const Scratch* scratch, int first, int last,
                       int slab) noexcept nogil:
    """Smooth an empty field on the planes first to last, and restrict its residual.

    Of the last step, one plane beyond either end is needed; b and the diagonal give it.
    """
    cdef float* planes = scratch.planes + slab * scratch.size
    cdef float* zero = planes + 3 * (DEGREE - 1) * g.sx
    cdef float* edge = zero + g.sx
    cdef float* out
    cdef const float* beside[3]
    cdef int t, j, p, q, i, reach
    memset(zero, 0, g.sx * sizeof(float))
    for t in range(first - DEGREE, last + DEGREE + 1):
        for j in range(1, DEGREE + 1):
            p = t - j + 1
            reach = DEGREE - j + 1
            q = around(g, p)
            if p < first - reach or p > last + reach or q == 0:
                continue
            if j < DEGREE:
                out = ring(planes, j, p, g.sx)
            else:
                out = finished(g, edge, p, first, last)
            if j == 1:
                start_plane(g, out, q, scratch.weight[0])
                continue
            for i in range(3):
                beside[i] = ring(planes, j - 1, p - 1 + i, g.sx) if around(g, p - 1 + i) else zero
            step_plane(g, beside[0], beside[1], beside[2], out, q, scratch.weight[j - 1])
        p = t - DEGREE       # all steps are done up to plane p + 1
        if first <= p <= last and (p % 2 == 0 or p == g.nx):
            restrict_planes(g, scratch, zero, edge, (p - 1) // 2 * 2 + 1, p, first, last, slab)


cdef inline float* finished(const Grid* g, float* edge, int x, int first, int last) noexcept nogil:
    """Where `descend_slab` keeps plane x after the last step."""
    if x < first:
        return edge
    return g.x + x * g.sx if x <= last else edge + g.sx


cdef inline void restrict_planes(const Grid* g, const Scratch* scratch, const float* zero,
                                 float* edge, int low, int high, int first, int last,
                                 int slab) noexcept nogil:
    """b of a plane of the next level from the planes low to high of this one."""
    cdef const Grid* h = g + 1
    cdef float* sum_ = scratch.rows + (2 * scratch.width + 32) * slab
    cdef const float* beside[3]
    cdef int y, fx, fy, i
    cdef Py_ssize_t o, at
    for y in range(h.ny):
        memset(sum_, 0, g.nz * sizeof(float))
        for fx in range(low, high + 1):
            for i in range(3):
                if around(g, fx - 1 + i):
                    beside[i] = finished(g, edge, fx - 1 + i, first, last)
                else:
                    beside[i] = zero
            for fy in range(2 * y + 1, min(2 * y + 2, g.ny) + 1):
                at = fy * g.sy + 1
                o = fx * g.sx + at
                if g.unit:
                    row_gather_unit(sum_, beside[0] + at, beside[1] + at, beside[2] + at, g.b + o,
                                    g.s + o, g.links + o, g.part + o, g.dinv + o, g.sy, g.nz)
                else:
                    row_gather(sum_, beside[0] + at, beside[1] + at, beside[2] + at, g.b + o,
                               g.s + o, g.k[0] + o, g.k[1] + o, g.k[2] + o, g.part + o,
                               g.dinv + o, g.sx, g.sy, g.nz)
        row_halve(h.b + (1 + ((low - 1) >> 1)) * h.sx + (y + 1) * h.sy + 1, sum_, g.nz)


cdef void descend(const Grid* g, const Scratch* scratch) noexcept nogil:
    """Smooth an empty field and restrict its residual, on a grid without loose rows."""
    cdef int pairs = (g.nx + 1) // 2, slabs = slabs_of(g), slab
    for slab in prange(slabs, num_threads=slabs, schedule="static"):
        descend_slab(g, scratch, 2 * (pairs * slab // slabs) + 1,
                     min(2 * (pairs * (slab + 1) // slabs), g.nx), slab)
    wrap_ends(g, g.x)
    restrict_listed(g)


cdef void ascend_slab(const Grid* g, const Scratch* scratch, int first, int last, int slab,
                      double* product) noexcept nogil:
    """Add the correction and smooth, in place on the planes first to last."""
    cdef float* planes = scratch.planes + slab * scratch.size
    cdef float* zero = planes + 3 * (DEGREE - 1) * g.sx
    cdef float* halo = zero + g.sx
    cdef float* out
    cdef const float* beside[3]
    cdef int t, j, p, q, i, y, reach
    cdef Py_ssize_t o
    memset(zero, 0, g.sx * sizeof(float))
    for t in range(first - DEGREE + 1, last + DEGREE):
        if first <= t + 1 <= last:
            prolong_plane(g, g.x + (t + 1) * g.sx, t + 1)
        for j in range(1, DEGREE + 1):
            p = t - j + 1
            reach = DEGREE - j
            q = around(g, p)
            if p < first - reach or p > last + reach or q == 0:
                continue
            for i in range(3):
                if not around(g, p - 1 + i):
                    beside[i] = zero
                elif j > 1:
                    beside[i] = ring(planes, j - 1, p - 1 + i, g.sx)
                elif first <= p - 1 + i <= last:
                    beside[i] = g.x + (p - 1 + i) * g.sx
                else:
                    beside[i] = halo_plane(halo, p - 1 + i, first, last, g.sx)
            out = g.x + p * g.sx if j == DEGREE else ring(planes, j, p, g.sx)
            step_plane(g, beside[0], beside[1], beside[2], out, q, scratch.weight[j - 1])
            if j == DEGREE and product != NULL:
                product[p] = 0
                for y in range(1, g.ny + 1):
                    o = y * g.sy + 1
                    product[p] += row_dot(out + o, g.b + p * g.sx + o, g.nz)


cdef inline float* halo_plane(float* halo, int x, int first, int last,
                              Py_ssize_t sx) noexcept nogil:
    """Where the DEGREE planes on either side of a slab are kept as they were."""
    return halo + (first - 1 - x if x < first else DEGREE + x - last - 1) * sx


cdef void keep_halo(const Grid* g, const Scratch* scratch, int first, int last,
                    int slab) noexcept nogil:
    cdef float* halo = scratch.planes + slab * scratch.size + (3 * (DEGREE - 1) + 1) * g.sx
    cdef float* plane
    cdef int i, side, x, q
    for side in range(2):
        for i in range(1, DEGREE + 1):
            x = last + i if side else first - i
            q = around(g, x)
            if q:
                plane = halo_plane(halo, x, first, last, g.sx)
                memcpy(plane, g.x + q * g.sx, g.sx * sizeof(float))
                prolong_plane(g, plane, q)


cdef void ascend(const Grid* g, const Scratch* scratch, double* product) noexcept nogil:
    """Add the correction of the next level and smooth, on a grid without loose rows.

    `product` becomes the sum of x b on each plane, if it is asked for.
    """
    cdef int slabs = slabs_of(g), slab
    prolong_loose(g)
    # One region, so that threads are woken once; they meet where the first loop ends.
    with parallel(num_threads=slabs):
        for slab in prange(slabs, schedule="static"):
            keep_halo(g, scratch, 1 + g.nx * slab // slabs, g.nx * (slab + 1) // slabs, slab)
        for slab in prange(slabs, schedule="static"):
            ascend_slab(g, scratch, 1 + g.nx * slab // slabs, g.nx * (slab + 1) // slabs, slab,
                        product)
    wrap_ends(g, g.x)


# --------------------------------------------------------------- the same where some rows are loose
cdef void start(Grid* g, float w) noexcept nogil:
    """x = w b / diagonal."""
    cdef int x, q
    for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
        start_plane(g, g.x + x * g.sx, x, w)
    for q in range(g.extra):
        g.x[g.n + q] = w * (g.b[g.n + q] * g.dinv[g.n + q])
    wrap_ends(g, g.x)


cdef void step(Grid* g, float w) noexcept nogil:
    """x += w (b - A x) / diagonal."""
    cdef int x, q, crew
    cdef float* before = g.x
    cdef float* out = g.y
    for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
        step_plane(g, before + (x - 1) * g.sx, before + x * g.sx, before + (x + 1) * g.sx,
                   out + x * g.sx, x, w)
    if g.slices:
        crew = team(g, g.ptr[g.slices] if g.slices else 0)
        for q in prange(crew, num_threads=crew, schedule="static"):
            slices_step(out, before, g.b, g.dinv, g.row, g.ptr, g.idx, g.val, w,
                        g.slices * q // crew, g.slices * (q + 1) // crew)
        wrap_all(g, out)
    else:
        wrap_ends(g, out)
    g.x, g.y = out, before


cdef void smooth(Grid* g, bint blank, const float* weight) noexcept nogil:
    cdef int j
    for j in range(DEGREE):
        if blank and j == 0:
            start(g, weight[0])
        else:
            step(g, weight[j])


cdef void prolong(const Grid* g) noexcept nogil:
    cdef int x
    for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
        prolong_plane(g, g.x + x * g.sx, x)
    prolong_loose(g)
    wrap_all(g, g.x)


cdef void restrict_defect(const Grid* g, const Scratch* scratch) noexcept nogil:
    cdef const Grid* h = g + 1
    cdef int x
    for x in prange(h.nx, num_threads=g.threads, schedule="static"):
        # The whole grid is one slab here: every plane is finished.
        restrict_planes(g, scratch, g.x, g.x, 2 * x + 1, min(2 * x + 2, g.nx), 0, g.nx + 1,
                        threadid())
    restrict_listed(g)


# --------------------------------------------------------------------------------------- transfers
cdef void restrict_listed(const Grid* g) noexcept nogil:
    """The residual of the listed members, added to b of their rows of the next level."""
    cdef const Grid* h = g + 1
    cdef int p, q, crew = team(g, g.ptr[g.slices] if g.slices else 0)
    cdef float v
    if g.parents == 0:
        return
    for q in prange(crew, num_threads=crew, schedule="static"):
        slices_defect(g.fresh, g.x, g.b, g.s, g.dinv, g.row, g.ptr, g.idx, g.val,
                      g.slices * q // crew, g.slices * (q + 1) // crew)
    for p in prange(g.parents, num_threads=team(g, 4 * g.first[g.parents]), schedule="static"):
        v = h.b[g.parent[p]] if g.parent[p] < h.n else 0
        for q in range(g.first[p], g.first[p + 1]):
            v = v + (g.fresh[g.slot[q]] if g.slot[q] >= 0 else grid_defect(g, g.member[q]))
        h.b[g.parent[p]] = v


cdef void prolong_loose(const Grid* g) noexcept nogil:
    # Each member has one parent, so writing by parent is free of conflicts.
    cdef const Grid* h = g + 1
    cdef int p, q
    for p in prange(g.parents, num_threads=team(g, 4 * g.first[g.parents]), schedule="static"):
        for q in range(g.first[p], g.first[p + 1]):
            if g.dinv[g.member[q]] > 0:
                g.x[g.member[q]] += h.x[g.parent[p]]


cdef void restrict_slope(const Grid* g, const Scratch* scratch) noexcept nogil:
    """s of the next level, and a positive dinv where a member is free."""
    cdef const Grid* h = g + 1
    cdef int x, y, fx, fy, p, q
    cdef Py_ssize_t o
    cdef float* sum_
    cdef float v, free
    cdef int width = scratch.width
    for x in prange(h.nx, num_threads=g.threads, schedule="static"):
        sum_ = scratch.rows + (2 * width + 32) * threadid()
        for y in range(h.ny):
            memset(sum_, 0, 2 * width * sizeof(float))
            for fx in range(2 * x + 1, min(2 * x + 2, g.nx) + 1):
                for fy in range(2 * y + 1, min(2 * y + 2, g.ny) + 1):
                    o = fx * g.sx + fy * g.sy + 1
                    row_gather_slope(sum_, sum_ + width, g.s + o, g.part + o, g.dinv + o, g.nz)
            o = (x + 1) * h.sx + (y + 1) * h.sy + 1
            row_halve(h.s + o, sum_, g.nz)
            row_halve(h.dinv + o, sum_ + width, g.nz)
    for p in prange(g.parents, num_threads=team(g, 4 * g.first[g.parents]), schedule="static"):
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
    for p in prange(LANES * h.slices, num_threads=team(h, LANES * h.slices), schedule="static"):
        v = h.open[p] + h.s[h.row[p]]
        h.fresh[p] = 1 / v if h.dinv[h.row[p]] > 0 and v > 0 else 0
    for x in prange(1, h.nx + 1, num_threads=h.threads, schedule="static"):
        for y in range(1, h.ny + 1):
            o = x * h.sx + y * h.sy + 1
            row_invert(h.dinv + o, h.s + o, h.k[0] + o, h.k[1] + o, h.k[2] + o, h.sx, h.sy, h.nz)
    for p in prange(LANES * h.slices, num_threads=team(h, LANES * h.slices), schedule="static"):
        h.dinv[h.row[p]] = h.fresh[p]


cdef void visit(Grid* g, int depth, bint blank, const Scratch* scratch,
                double* product) noexcept nogil:
    """A W cycle from level `g`; the last level has no links, so its diagonal solves it."""
    cdef bint one_pass = blank and not g.slices and (product != NULL or g.nx * g.ny * g.nz > SERIAL)
    cdef int k
    if depth == 0:
        start(g, 1)
        return
    if one_pass:
        descend(g, scratch)
    else:
        smooth(g, blank, scratch.weight)
        restrict_defect(g, scratch)
    for k in range((g + 1).visits):
        visit(g + 1, depth - 1, k == 0, scratch, NULL)
    if one_pass:
        ascend(g, scratch, product)
    else:
        prolong(g)
        smooth(g, False, scratch.weight)
