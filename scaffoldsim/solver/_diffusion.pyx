"""Compiled kernels of the reaction-diffusion solver: smoother, transfers, cycle, residual.

`scaffoldsim.solver.multigrid.Multigrid` owns the arrays, names and checks them; the class here
holds pointers to them. Every field carries one ghost layer: zero on a closed or held face, the
opposite layer on a periodic axis. Corrections are single precision; the iterate and the residual
that decides convergence are double. Sums run plane by plane, so no result depends on the number
of threads; red-black and coloured sweeps only ever read what the same half-sweep does not write.
"""

import numpy as np

from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

cdef inline void wrap_plane(const Grid* g, real* c, int x) noexcept nogil:
    # The y and z ghosts of plane x; only the thread that owns the plane reads them.
    cdef Py_ssize_t o = x * g.sx
    cdef int y
    if g.pz:
        for y in range(1, g.ny + 1):
            c[o + y * g.sy] = c[o + y * g.sy + g.nz]
            c[o + y * g.sy + g.nz + 1] = c[o + y * g.sy + 1]
    if g.py:
        memcpy(c + o, c + o + g.ny * g.sy, g.sy * sizeof(real))
        memcpy(c + o + (g.ny + 1) * g.sy, c + o + g.sy, g.sy * sizeof(real))


cdef inline void wrap_ends(const Grid* g, real* c) noexcept nogil:
    if g.px:
        memcpy(c, c + g.nx * g.sx, g.sx * sizeof(real))
        memcpy(c + (g.nx + 1) * g.sx, c + g.sx, g.sx * sizeof(real))


cdef inline void relax_plane(const Grid* g, float* c, const float* b, int colour, bint blank,
                             int x) noexcept nogil:
    cdef int y, odd
    cdef Py_ssize_t o
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        odd = (x + y + colour) & 1
        if blank:
            row_relax_blank(c + o, b + o, g.dinv + o, g.nz, odd)
        elif g.unit:
            row_relax_unit(c + o, b + o, g.dinv + o, g.sx, g.sy, g.nz, odd)
        else:
            row_relax(c + o, b + o, g.dinv + o, g.k[0] + o, g.k[1] + o, g.k[2] + o,
                      g.sx, g.sy, g.nz, odd)
    wrap_plane(g, c, x)


cdef void relax(const Grid* g, float* c, const float* b, int colour, bint blank) noexcept nogil:
    """One sweep, `colour` first; `blank` takes the field as zero everywhere.

    Each slab of planes first relaxes its outer planes; then the second colour can follow one
    plane behind the first, while the planes are still in the cache.
    """
    cdef int slab, slabs = min(g.threads, g.nx), first, last, x
    for slab in prange(slabs, num_threads=slabs, schedule="static"):
        first = 1 + g.nx * slab // slabs
        last = g.nx * (slab + 1) // slabs
        relax_plane(g, c, b, colour, blank, first)
        if last > first:
            relax_plane(g, c, b, colour, blank, last)
    wrap_ends(g, c)
    for slab in prange(slabs, num_threads=slabs, schedule="static"):
        first = 1 + g.nx * slab // slabs
        last = g.nx * (slab + 1) // slabs
        for x in range(first + 1, last):
            relax_plane(g, c, b, colour, blank, x)
            relax_plane(g, c, b, 1 - colour, False, x - 1)
        if last > first:
            relax_plane(g, c, b, 1 - colour, False, last - 1)
        relax_plane(g, c, b, 1 - colour, False, last)
    wrap_ends(g, c)


cdef void defect(const Grid* g, const float* c, const float* b, float* r) noexcept nogil:
    cdef int x, y
    cdef Py_ssize_t o
    for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
        for y in range(1, g.ny + 1):
            o = x * g.sx + y * g.sy + 1
            if g.unit:
                row_defect_unit(r + o, c + o, b + o, g.s + o, g.diag + o, g.dinv + o, g.sx, g.sy,
                                g.nz)
            else:
                row_defect(r + o, c + o, b + o, g.s + o, g.diag + o, g.dinv + o, g.k[0] + o,
                           g.k[1] + o, g.k[2] + o, g.sx, g.sy, g.nz)


cdef void restrict_grid(const Level* h, const float* r, int threads) noexcept nogil:
    cdef int i, p
    cdef float v
    for i in prange(h.n, num_threads=threads if h.n > SERIAL else 1, schedule="static"):
        v = 0
        for p in range(h.child_ptr[i], h.child_ptr[i + 1]):
            v = v + r[h.child[p]]
        h.b[i] = v


cdef void prolong(const Level* h, float* x, const float* dinv, int threads) noexcept nogil:
    # Each child has one parent, so writing by parent is free of conflicts.
    cdef int i, p, j
    cdef float v
    for i in prange(h.n, num_threads=threads if h.n > SERIAL else 1, schedule="static"):
        v = h.x[i]
        for p in range(h.child_ptr[i], h.child_ptr[i + 1]):
            j = h.child[p]
            x[j] = x[j] + (v if dinv[j] > 0 else 0)


cdef void restrict_rows(const Level* g, const Level* h, int threads) noexcept nogil:
    cdef int i, p, q, j
    cdef float v, w
    for i in prange(h.n, num_threads=threads if h.n > SERIAL else 1, schedule="static"):
        v = 0
        for p in range(h.child_ptr[i], h.child_ptr[i + 1]):
            j = h.child[p]
            w = 0
            for q in range(g.ptr[j], g.ptr[j + 1]):
                w = w + g.val[q] * g.x[g.idx[q]]
            if g.dinv[j] > 0:
                v = v + ((g.b[j] - g.s[j] * g.x[j]) + (w - g.diag[j] * g.x[j]))
        h.b[i] = v


cdef void relax_rows(const Level* g, bint backward, int threads) noexcept nogil:
    cdef int k, colour, i, p, first, last
    cdef float v
    for k in range(g.colours):
        colour = g.colours - 1 - k if backward else k
        first = g.start[colour]
        last = g.start[colour + 1]
        for i in prange(first, last, num_threads=threads if last - first > SERIAL else 1,
                        schedule="static"):
            v = g.b[i]
            for p in range(g.ptr[i], g.ptr[i + 1]):
                v = v + g.val[p] * g.x[g.idx[p]]
            g.x[i] = v * g.dinv[i]


cdef void visit(Level* levels, int level, int last, bint blank, int threads) noexcept nogil:
    """A W(2, 2) cycle on the coarse levels; a level without edges is solved exactly."""
    cdef Level* g = &levels[level]
    cdef int k
    if blank:
        memset(g.x, 0, g.n * sizeof(float))
    relax_rows(g, False, threads)
    if level == last:
        return
    relax_rows(g, False, threads)
    restrict_rows(g, g + 1, threads)
    for k in range((g + 1).sweeps):
        visit(levels, level + 1, last, k == 0, threads)
    prolong(g + 1, g.x, g.dinv, threads)
    relax_rows(g, True, threads)
    relax_rows(g, True, threads)


cdef class Kernel:
    """Pointers to the arrays of one hierarchy, and what is done with them."""
    cdef Grid g
    cdef Level levels[LEVELS]
    cdef int depth
    cdef list kept
    cdef double[::1] part, part2
    cdef double[:, ::1] scratch

    def __cinit__(self, tuple shape, tuple periodic, int threads):
        self.g.nx, self.g.ny, self.g.nz = shape
        self.g.px, self.g.py, self.g.pz = periodic
        self.g.sy = self.g.nz + 2
        self.g.sx = self.g.sy * (self.g.ny + 2)
        self.g.threads = threads if self.g.nx * self.g.ny * self.g.nz > SERIAL else 1
        self.depth = 0
        self.kept = []
        self.part = np.zeros(self.g.nx + 2)
        self.part2 = np.zeros(self.g.nx + 2)
        self.scratch = np.zeros((self.g.nx + 2, self.g.nz))
        self.g.anchor = NULL

    def bind(self, list k, const float[:, :, ::1] diag, const unsigned char[:, :, ::1] links,
             const unsigned char[:, :, ::1] active, float[:, :, ::1] x, float[:, :, ::1] b,
             float[:, :, ::1] s, float[:, :, ::1] dinv, float[:, :, ::1] r):
        """Take the padded arrays of the finest level; an empty `k` means a binary mask."""
        cdef const float[:, :, ::1] view
        cdef int axis
        self.g.unit = len(k) == 0
        for axis in range(len(k)):
            view = k[axis]
            self.g.k[axis] = &view[0, 0, 0]
        self.g.diag, self.g.links, self.g.active = (
            &diag[0, 0, 0], &links[0, 0, 0], &active[0, 0, 0])
        self.g.x, self.g.b, self.g.s = &x[0, 0, 0], &b[0, 0, 0], &s[0, 0, 0]
        self.g.dinv, self.g.r = &dinv[0, 0, 0], &r[0, 0, 0]
        self.kept.append((k, diag, links, active, x, b, s, dinv, r))

    def add_level(self, const int[::1] start, const int[::1] ptr, const int[::1] idx,
                  const float[::1] val, const float[::1] diag, const int[::1] child_ptr,
                  const int[::1] child, float[::1] s, float[::1] dinv, float[::1] x,
                  float[::1] b, int colours, int sweeps):
        """Take one coarse level, the finest first."""
        cdef Level* h = &self.levels[self.depth]
        cdef int i
        h.n, h.colours, h.sweeps = <int>diag.shape[0], colours, sweeps
        for i in range(colours + 1):
            h.start[i] = start[i]
        h.ptr, h.child_ptr, h.child = &ptr[0], &child_ptr[0], &child[0]
        h.idx = &idx[0] if idx.shape[0] else NULL
        h.val = &val[0] if val.shape[0] else NULL
        h.diag, h.s, h.dinv, h.x, h.b = &diag[0], &s[0], &dinv[0], &x[0], &b[0]
        self.kept.append((start, ptr, idx, val, diag, child_ptr, child, s, dinv, x, b))
        self.depth += 1

    def anchor(self, anchor):
        """Conductance from each free voxel to held neighbours, for the coarse sinks (or None)."""
        cdef const float[:, :, ::1] view
        if anchor is None:
            self.g.anchor = NULL
        else:
            view = anchor
            self.g.anchor = &view[0, 0, 0]
            self.kept[0] = (*self.kept[0][:9], anchor)

    def restrict_sinks(self):
        """Sum the linear sinks over the children of every coarse row and invert its diagonal."""
        cdef Level* h
        cdef Level* f
        cdef int level, i, p, j
        cdef float v, d
        cdef bint alive
        cdef const float* anchor = self.g.anchor
        cdef const float* s = self.g.s
        cdef const float* dinv = self.g.dinv
        with nogil:
            for level in range(self.depth):
                h = &self.levels[level]
                if level:
                    f = &self.levels[level - 1]
                    s = f.s
                    dinv = f.dinv
                    anchor = NULL
                for i in prange(h.n, num_threads=self.g.threads if h.n > SERIAL else 1,
                                schedule="static"):
                    v = 0
                    alive = False
                    for p in range(h.child_ptr[i], h.child_ptr[i + 1]):
                        j = h.child[p]
                        if dinv[j] > 0:
                            alive = True
                            v = v + s[j]
                            if anchor != NULL:
                                v = v + <float>0.5 * anchor[j]
                    d = h.diag[i] + v
                    h.s[i] = v
                    h.dinv[i] = 1 / d if alive and d > 0 else 0

    cdef void run_cycle(self) noexcept nogil:
        cdef Grid* g = &self.g
        relax(g, g.x, g.b, 0, True)
        relax(g, g.x, g.b, 0, False)
        if self.depth:
            defect(g, g.x, g.b, g.r)
            restrict_grid(&self.levels[0], g.r, g.threads)
            visit(self.levels, 0, self.depth - 1, True, g.threads)
            prolong(&self.levels[0], g.x, g.dinv, g.threads)
            self.wrap_all(g.x)
        relax(g, g.x, g.b, 1, False)
        relax(g, g.x, g.b, 1, False)

    cdef void wrap_all(self, float* c) noexcept nogil:
        cdef int x
        for x in range(1, self.g.nx + 1):
            wrap_plane(&self.g, c, x)
        wrap_ends(&self.g, c)

    def cycle(self):
        """x becomes one multigrid cycle's answer to A x = b, from zero."""
        with nogil:
            self.run_cycle()

    def sweep(self):
        """One red-black Gauss-Seidel sweep on x."""
        with nogil:
            relax(&self.g, self.g.x, self.g.b, 0, False)

    def defect(self):
        """r = b - A x."""
        with nogil:
            defect(&self.g, self.g.x, self.g.b, self.g.r)

    def linearise(self, double[:, :, ::1] c, const float[:, :, ::1] uptake, double km,
                  const double[:, :, ::1] linear, const double[:, :, ::1] constant, list face_k,
                  const double[::1] face_value):
        """b = -F(c), s = dF/dc without diffusion, dinv; returns the sum of b squared.

        A coefficient that is the same everywhere comes as one row, of shape (1, 1, nz).
        """
        cdef const double* k[6]
        cdef const double[:, ::1] view
        cdef int x, y, face
        cdef Grid* g = &self.g
        cdef Py_ssize_t uy, ux, ly, lx, qy, qx, o
        cdef double total = 0
        cdef const float* u0 = &uptake[0, 0, 0] if uptake.shape[0] else NULL
        cdef const double* l0 = &linear[0, 0, 0]
        cdef const double* q0 = &constant[0, 0, 0]
        for face in range(6):
            k[face] = NULL
            if face_k[face] is not None:
                view = face_k[face]
                k[face] = &view[0, 0]
        uy = 0 if uptake.shape[1] == 1 else g.nz
        ux = 0 if uptake.shape[0] <= 1 else g.nz * g.ny
        ly = 0 if linear.shape[1] == 1 else g.nz
        lx = 0 if linear.shape[0] == 1 else g.nz * g.ny
        qy = 0 if constant.shape[1] == 1 else g.nz
        qx = 0 if constant.shape[0] == 1 else g.nz * g.ny
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = 0
                for y in range(1, g.ny + 1):
                    self.part[x] += linearise_row(
                        g, &self.scratch[x, 0], &c[x, y, 1], u0 + (x - 1) * ux + (y - 1) * uy if u0 != NULL else NULL,
                        km, l0 + (x - 1) * lx + (y - 1) * ly, q0 + (x - 1) * qx + (y - 1) * qy,
                        k, &face_value[0], x, y)
            for x in range(1, g.nx + 1):
                total += self.part[x]
        return total

    def update(self, double[:, :, ::1] c, bint positive):
        """c += x, clipped at zero if `positive`; returns max |x| and max c."""
        cdef Grid* g = &self.g
        cdef int x, y
        cdef Py_ssize_t o
        cdef double step = 0, top = 0, low = 0 if positive else -INFINITY
        cdef double* field = &c[0, 0, 0]
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = 0
                self.part2[x] = 0
                for y in range(1, g.ny + 1):
                    o = x * g.sx + y * g.sy + 1
                    row_update(field + o, g.x + o, low, &self.part[x], &self.part2[x], g.nz)
                wrap_plane(g, field, x)
            wrap_ends(g, field)
            for x in range(1, g.nx + 1):
                # Written so that a NaN is kept, not lost in a comparison.
                if not self.part[x] <= step:
                    step = self.part[x]
                if not self.part2[x] <= top:
                    top = self.part2[x]
        return step, top

    def apply(self, float[:, :, ::1] p, const float[:, :, ::1] zero, float[:, :, ::1] q):
        """q = -A p for the linear part; fills the ghosts of p. `zero` is an empty right side."""
        with nogil:
            self.wrap_all(&p[0, 0, 0])
            defect(&self.g, &p[0, 0, 0], &zero[0, 0, 0], &q[0, 0, 0])

    def dot(self, const float[:, :, ::1] a, const float[:, :, ::1] b):
        """Sum of a b over the voxels, plane by plane in double."""
        cdef Grid* g = &self.g
        cdef int x, y, z
        cdef double total = 0
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = 0
                for y in range(1, g.ny + 1):
                    for z in range(1, g.nz + 1):
                        self.part[x] += <double>a[x, y, z] * b[x, y, z]
            for x in range(1, g.nx + 1):
                total += self.part[x]
        return total


cdef inline double linearise_row(const Grid* g, double* t, const double* c, const float* u,
                                 double km, const double* lin, const double* q, const double** k,
                                 const double* value, int x, int y) noexcept nogil:
    cdef int n = g.nz
    cdef Py_ssize_t o = x * g.sx + y * g.sy + 1
    if g.unit:
        row_flux_unit(t, c, g.links + o, g.sx, g.sy, n)
    else:
        row_flux(t, c, g.k[0] + o, g.k[1] + o, g.k[2] + o, g.sx, g.sy, n)
    if x == 1 and k[0] != NULL:
        row_face(t, c, k[0] + (y - 1) * n, value[0], n)
    if x == g.nx and k[1] != NULL:
        row_face(t, c, k[1] + (y - 1) * n, value[1], n)
    if y == 1 and k[2] != NULL:
        row_face(t, c, k[2] + (x - 1) * n, value[2], n)
    if y == g.ny and k[3] != NULL:
        row_face(t, c, k[3] + (x - 1) * n, value[3], n)
    if k[4] != NULL:
        t[0] += k[4][(x - 1) * g.ny + y - 1] * (value[4] - c[0])
    if k[5] != NULL:
        t[n - 1] += k[5][(x - 1) * g.ny + y - 1] * (value[5] - c[n - 1])
    return row_react(t, c, u, km, lin, q, g.active + o, g.diag + o, g.b + o, g.s + o, g.dinv + o,
                     n)


def load_field(const real[:, :, ::1] field, double scale, const unsigned char[:, :, ::1] mask,
               double[:, :, ::1] c):
    """c = scale * field in the pore, zero in the solid; returns how many values are unfit."""
    cdef Py_ssize_t x, y
    cdef int bad = 0, n = <int>field.shape[2]
    with nogil:
        for x in range(field.shape[0]):
            for y in range(field.shape[1]):
                if real is double:
                    bad += row_load(&c[x + 1, y + 1, 1], &field[x, y, 0], scale,
                                    &mask[x + 1, y + 1, 1], n)
                else:
                    bad += row_load_single(&c[x + 1, y + 1, 1], &field[x, y, 0], scale,
                                           &mask[x + 1, y + 1, 1], n)
    return bad


def store_field(const double[:, :, ::1] c, double scale, const unsigned char[:, :, ::1] mask,
                double[:, :, ::1] out):
    """out = scale * c in the pore, not below zero; NaN in the solid."""
    cdef Py_ssize_t x, y
    with nogil:
        for x in range(out.shape[0]):
            for y in range(out.shape[1]):
                row_store(&out[x, y, 0], &c[x + 1, y + 1, 1], scale, &mask[x + 1, y + 1, 1],
                          <int>out.shape[2])
