"""Compiled kernels of the reaction-diffusion equation, on the levels of `_cycle`.

`scaffoldsim.solver.multigrid.Multigrid` owns the arrays, names and checks them; the class here
holds pointers to them. Corrections are single precision; the iterate and the residual that decides
convergence are double. Sums run plane by plane, so no result depends on the number of threads.
"""

import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memset

from scaffoldsim.solver._cycle cimport (
    BLANK, LEVELS, SERIAL, Grid, defect_row, real, restrict_slope, smooth, visit, wrap_all,
    wrap_ends, wrap_plane,
)

cdef enum:
    TERMS = 7        # rows of double scratch per thread


# ------------------------------------------------------------------------------------ the equation
cdef Term as_term(tuple term):
    """(array or None, factor, constant); the array is (nx, ny, nz), single or double."""
    cdef Term out
    cdef const float[:, :, ::1] single
    cdef const double[:, :, ::1] full
    array, out.factor, out.constant = term
    out.single = NULL
    out.full = NULL
    if array is not None and array.dtype == np.float32:
        single = array
        out.single = &single[0, 0, 0]
    elif array is not None:
        full = array
        out.full = &full[0, 0, 0]
    return out


cdef inline const double* evaluate(const Term* term, Py_ssize_t at, double* row,
                                   int n) noexcept nogil:
    """One row of a term; a row without an array was filled by `constants`."""
    if term.single != NULL:
        row_term_single(row, term.single + at, term.factor, term.constant, n)
    elif term.full != NULL:
        row_term(row, term.full + at, term.factor, term.constant, n)
    return row


cdef inline void constants(const Term* terms, double* scratch, int n, int width) noexcept nogil:
    cdef int i
    for i in range(TERMS):
        row_fill(scratch + i * width, terms[i].constant if i < 4 else 0.0, n)


cdef inline bint face_rows(const Grid* g, const double** k, const double* value, double* film,
                           double* q, int x, int y) noexcept nogil:
    """Exchange k (value - c) with the faces, as supply and sink; whether the row has any."""
    cdef int n = g.nz, face, first, count, i
    cdef const double* row
    cdef bint any_ = False
    for face in range(6):
        if k[face] == NULL:
            continue
        if face < 2:
            if x != (g.nx if face else 1):
                continue
            row = k[face] + (y - 1) * n
            first, count = 0, n
        elif face < 4:
            if y != (g.ny if face == 3 else 1):
                continue
            row = k[face] + (x - 1) * n
            first, count = 0, n
        else:
            row = k[face] + (x - 1) * g.ny + y - 1
            first, count = (n - 1 if face == 5 else 0), 1
        any_ = True
        for i in range(count):
            film[first + i] += row[i]
            q[first + i] += row[i] * value[face]
    return any_


cdef double react_plane(const Grid* g, const double* field, const unsigned char* state,
                        const Term* terms, double km, const double** k, const double* value,
                        double* scratch, int width, int x, bint empty) noexcept nogil:
    """F(c) on one plane, and its linearisation; with `empty` only the sum of F(0) squared.

    terms: uptake, linear sink, source, field before.
    """
    cdef int n = g.nz, y
    cdef Py_ssize_t o, at
    cdef double* q = scratch + 2 * width
    cdef double* film = scratch + 4 * width
    cdef double* t = scratch + 5 * width
    cdef float* bytes_ = <float*>(scratch + 6 * width)
    cdef const double* u
    cdef const double* lin
    cdef const double* before
    cdef double total = 0
    cdef bint touched
    constants(terms, scratch, n, width)
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        at = ((x - 1) * g.ny + y - 1) * <Py_ssize_t>n
        evaluate(&terms[2], at, q, n)
        before = evaluate(&terms[3], at, scratch + 3 * width, n)
        touched = face_rows(g, k, value, film, q, x, y)
        if empty:
            total += row_supply(t, q, before, state + o, n)
        else:
            u = evaluate(&terms[0], at, scratch, n)
            lin = evaluate(&terms[1], at, scratch + width, n)
            if g.unit:
                total += row_react_unit(t, bytes_, bytes_ + width, field + o, u, km, lin, film, q,
                                        before, state + o, g.links + o, g.b + o, g.s + o,
                                        g.dinv + o, g.sx, g.sy, n)
            else:
                total += row_react(t, bytes_, field + o, u, km, lin, film, q, before, state + o,
                                   g.k[0] + o, g.k[1] + o, g.k[2] + o, g.b + o, g.s + o,
                                   g.dinv + o, g.sx, g.sy, n)
        if touched:
            row_fill(film, 0, n)
            row_fill(q, terms[2].constant, n)
    return total


cdef float* floats(float[::1] column):
    return &column[0] if column.shape[0] else NULL


cdef const int* ints(const int[::1] column):
    return &column[0] if column.shape[0] else NULL


cdef class Kernel:
    """Pointers to the arrays of one hierarchy, and what is done with them."""
    cdef Grid levels[LEVELS]
    cdef int depth, width
    cdef list kept
    cdef tuple outlets
    cdef double[::1] part
    cdef float[::1] most, top
    cdef double[:, ::1] rows
    cdef float[:, ::1] scratch

    def __cinit__(self, int threads, int nx, int nz):
        self.depth = 0
        self.kept = []
        self.width = nz + 2
        self.part = np.zeros(nx + 2)
        self.most = np.zeros(nx + 2, np.float32)
        self.top = np.zeros(nx + 2, np.float32)
        # A gap between the rows of two threads keeps them out of each other's cache lines.
        self.rows = np.zeros((threads, TERMS * self.width + 16))
        self.scratch = np.zeros((threads, 2 * self.width + 32), np.float32)

    def clear(self):
        """Forget every level."""
        self.depth = 0
        self.kept = []

    def add_level(self, level, int threads, int visits):
        """Take one `levels.Level`, the finest first; it is kept alive here."""
        if self.depth == LEVELS:
            raise ValueError(f"the hierarchy has more than {LEVELS} levels.")
        cdef Grid* g = &self.levels[self.depth]
        cdef const float[:, :, ::1] k
        cdef const unsigned char[:, :, ::1] bytes_
        cdef int axis
        g.nx, g.ny, g.nz = level.shape
        g.px, g.py, g.pz = level.periodic
        g.sy = g.nz + 2
        g.sx = g.sy * (g.ny + 2)
        g.n = g.sx * (g.nx + 2)
        g.threads = threads if g.nx * g.ny * g.nz > SERIAL else 1
        g.visits = visits
        g.unit = len(level.k) == 0
        for axis in range(len(level.k)):
            k = level.k[axis]
            g.k[axis] = &k[0, 0, 0]
        g.links = NULL
        if g.unit:
            bytes_ = level.links
            g.links = &bytes_[0, 0, 0]
        bytes_ = level.part
        g.part = &bytes_[0, 0, 0]
        g.x, g.b, g.s = floats(level.x), floats(level.b), floats(level.s)
        g.dinv, g.fresh, g.val = floats(level.dinv), floats(level.fresh), floats(level.val)
        g.extra, g.loose, g.black = level.extra, len(level.row), level.black
        g.row, g.ptr, g.idx = ints(level.row), ints(level.ptr), ints(level.idx)
        g.parents = len(level.parent)
        g.parent, g.first = ints(level.parent), ints(level.first)
        g.member, g.edges = ints(level.member), ints(level.edges)
        g.outlets = 0
        self.kept.append(level)
        self.depth += 1

    def set_outlets(self, list rows, list films):
        """Per coarse level, rows that border on held values and their conductance towards them."""
        cdef const int[::1] row
        cdef const float[::1] film
        cdef int level
        self.outlets = (rows, films)
        for level in range(1, self.depth):
            row, film = rows[level - 1], films[level - 1]
            self.levels[level].outlets = <int>row.shape[0]
            self.levels[level].outlet = &row[0] if row.shape[0] else NULL
            self.levels[level].film = &film[0] if row.shape[0] else NULL

    def restrict_slopes(self):
        """Sum the linear sinks over the members of every coarse row and invert its diagonal."""
        cdef int level
        with nogil:
            for level in range(self.depth - 1):
                restrict_slope(&self.levels[level], &self.scratch[0, 0], self.width)

    def cycle(self, int count=1):
        """x becomes the answer of `count` multigrid cycles to A x = b, from zero."""
        cdef int i
        with nogil:
            for i in range(count):
                visit(self.levels, self.depth - 1, 0 if i else BLANK, &self.scratch[0, 0],
                      self.width)

    def smooth(self):
        """x becomes what two sweeps make of zero, even places first."""
        with nogil:
            smooth(self.levels, BLANK, 0)

    def linearise(self, double[:, :, ::1] c, const unsigned char[:, :, ::1] state, tuple terms,
                  double km, list face_k, const double[::1] face_value, bint empty):
        """b = -F(c), s = dF/dc without the links, dinv; returns the sum of b squared.

        With `empty` only that sum, of the field 0. `terms`: uptake, linear sink, source and field
        before, each (array or None, factor, constant).
        """
        cdef Grid* g = &self.levels[0]
        cdef const double* k[6]
        cdef const double[:, ::1] view
        cdef Term term[4]
        cdef int x, face
        cdef double total = 0
        for face in range(6):
            k[face] = NULL
            if face_k[face] is not None:
                view = face_k[face]
                k[face] = &view[0, 0]
        for face in range(4):
            term[face] = as_term(terms[face])
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = react_plane(g, &c[0, 0, 0], &state[0, 0, 0], term, km, k,
                                           &face_value[0], &self.rows[threadid(), 0], self.width,
                                           x, empty)
            for x in range(1, g.nx + 1):
                total += self.part[x]
        return total

    def update(self, double[:, :, ::1] c, bint positive):
        """c += x, clipped at zero if `positive`; returns max |x| and max c (NaN if any is)."""
        cdef Grid* g = &self.levels[0]
        cdef int x, y
        cdef Py_ssize_t o
        cdef double low = 0 if positive else -INFINITY
        cdef double* field = &c[0, 0, 0]
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.most[x] = 0
                self.top[x] = 0
                for y in range(1, g.ny + 1):
                    o = x * g.sx + y * g.sy + 1
                    row_update(field + o, g.x + o, low, &self.most[x], &self.top[x], g.nz)
                wrap_plane(g, field, x)
            wrap_ends(g, field)
        return float(np.max(self.most)), float(np.max(self.top))

    def apply(self, float[:, :, ::1] p, float[:, :, ::1] q):
        """q = -A p for the linear part; fills the ghosts of p."""
        cdef Grid* g = &self.levels[0]
        cdef int x, y
        cdef Py_ssize_t o
        cdef float* zero
        with nogil:
            wrap_all(g, &p[0, 0, 0])
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                zero = &self.scratch[threadid(), 0]
                memset(zero, 0, self.width * sizeof(float))
                for y in range(1, g.ny + 1):
                    o = x * g.sx + y * g.sy + 1
                    defect_row(g, &p[0, 0, 0], zero, o, &q[0, 0, 0] + o)
                    row_mask(&q[0, 0, 0] + o, g.dinv + o, g.nz)

    def dot(self, const float[:, :, ::1] a, const float[:, :, ::1] b):
        """Sum of a b over the voxels, plane by plane in double."""
        cdef Grid* g = &self.levels[0]
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


def field_top(const real[:, :, ::1] field, const unsigned char[:, :, ::1] state,
              float[::1] top, int threads):
    """Largest value in the pore; -1 if one there is negative, NaN or infinite."""
    cdef Py_ssize_t x, y
    cdef int bad = 0, n = <int>field.shape[2]
    with nogil:
        for x in prange(field.shape[0], num_threads=threads, schedule="static"):
            top[x] = 0
            for y in range(field.shape[1]):
                if real is double:
                    bad += row_top(&field[x, y, 0], &state[x + 1, y + 1, 1], &top[x], n)
                else:
                    bad += row_top_single(&field[x, y, 0], &state[x + 1, y + 1, 1], &top[x], n)
    return -1.0 if bad else float(np.max(top))


def mean_squares(const float[:, :, ::1] a, const float[:, :, ::1] b, int threads):
    """Means of a squared, b squared and (a - b) squared over the box."""
    cdef Py_ssize_t x
    cdef int n = <int>(a.shape[1] * a.shape[2])
    cdef double[:, ::1] planes = np.zeros((a.shape[0], 3))
    with nogil:
        for x in prange(a.shape[0], num_threads=threads, schedule="static"):
            row_squares(&a[x, 0, 0], &b[x, 0, 0], &planes[x, 0], n)
    return tuple(np.mean(planes, axis=0) / n)


def load_field(const real[:, :, ::1] field, double scale, const unsigned char[:, :, ::1] state,
               double[:, :, ::1] c, int threads):
    """c = scale * field in the pore, zero in the solid."""
    cdef Py_ssize_t x, y
    cdef int n = <int>field.shape[2]
    with nogil:
        for x in prange(field.shape[0], num_threads=threads, schedule="static"):
            for y in range(field.shape[1]):
                if real is double:
                    row_load(&c[x + 1, y + 1, 1], &field[x, y, 0], scale,
                             &state[x + 1, y + 1, 1], n)
                else:
                    row_load_single(&c[x + 1, y + 1, 1], &field[x, y, 0], scale,
                                    &state[x + 1, y + 1, 1], n)


def store_field(const double[:, :, ::1] c, double scale, const unsigned char[:, :, ::1] state,
                real[:, :, ::1] out, int threads):
    """out = scale * c in the pore, not below zero; what it holds in the solid stays."""
    cdef Py_ssize_t x, y
    cdef int n = <int>out.shape[2]
    with nogil:
        for x in prange(out.shape[0], num_threads=threads, schedule="static"):
            for y in range(out.shape[1]):
                if real is double:
                    row_store(&out[x, y, 0], &c[x + 1, y + 1, 1], scale,
                              &state[x + 1, y + 1, 1], n)
                else:
                    row_store_single(&out[x, y, 0], &c[x + 1, y + 1, 1], scale,
                                     &state[x + 1, y + 1, 1], n)
