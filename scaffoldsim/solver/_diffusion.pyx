"""Compiled kernels of the reaction-diffusion equation, on the levels of `_cycle`.

`scaffoldsim.solver.multigrid.Multigrid` owns the arrays, names and checks them; the class here
holds pointers to them. Corrections are single precision; the iterate and the residual that decides
convergence are double. Sums run plane by plane, so no result depends on the number of threads.
"""

import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY

from scaffoldsim.solver.padding import aligned, pitch
from scaffoldsim.solver.slices import Slices

from scaffoldsim.solver._cycle cimport (
    BYTE_LANES, DEGREE, LANES, LEVELS, SERIAL, Grid, Scratch, descend, real, restrict_slope, row_dot, seal,
    visit, wrap_ends,
)

cdef enum:
    ROWS = 5         # of double scratch per thread


degree = DEGREE      # of the smoother, for those who make its weights


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
    """One row of a term; without an array it is constant, and was filled once."""
    if term.single != NULL:
        row_term_single(row, term.single + at, term.factor, term.constant, n)
    elif term.full != NULL:
        row_term(row, term.full + at, term.factor, term.constant, n)
    return row


cdef inline bint face_rows(const Grid* g, const double** k, const double* value, double* plain,
                           double* gain, int x, int y) noexcept nogil:
    """Add the exchange k (value - c) with the faces to sink and gain; whether the row has any."""
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
            plain[first + i] += row[i]
            gain[first + i] += row[i] * value[face]
    return any_


cdef double react_plane(const Grid* g, const double* field, const unsigned char* state,
                        const Term* terms, double km, const double** k, const double* value,
                        double* scratch, int width, int x, bint slopes,
                        double* supply) noexcept nogil:
    """F(c) on one plane, and with `slopes` its linearisation; returns the sum of its squares.

    terms: uptake, linear sink, source, field before. `supply`, if any, becomes that of F(0).
    """
    cdef int n = g.nz, y
    cdef Py_ssize_t o, at
    cdef double* t = scratch
    cdef float* free = <float*>(scratch + width)
    cdef float* full = free + width
    cdef double* plain = scratch + 2 * width
    cdef double* gain = scratch + 3 * width
    cdef double* row = scratch + 4 * width
    cdef const double* u
    cdef double total = 0
    cdef bint stale = True, spoiled = True
    cdef bint curved = (terms[0].single != NULL or terms[0].full != NULL
                        or terms[0].constant != 0)
    if supply != NULL:
        supply[0] = 0
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        at = ((x - 1) * g.ny + y - 1) * <Py_ssize_t>n
        if stale or terms[1].single != NULL or terms[1].full != NULL:
            row_fill(plain, terms[1].constant, n)
            evaluate(&terms[1], at, plain, n)
        if stale or terms[2].single != NULL or terms[2].full != NULL or terms[3].full != NULL \
                or terms[3].single != NULL:
            row_fill(gain, terms[2].constant, n)
            evaluate(&terms[2], at, gain, n)
            row_fill(row, terms[3].constant, n)
            row_add(gain, evaluate(&terms[3], at, row, n), n)
            spoiled = True
        stale = face_rows(g, k, value, plain, gain, x, y)
        if supply != NULL:
            supply[0] += row_supply(t, free, gain, state + o, n)
        if not curved:
            u = NULL
        else:
            if spoiled:
                row_fill(row, terms[0].constant, n)
                spoiled = False
            u = evaluate(&terms[0], at, row, n)
        if g.unit and slopes:
            total += row_react_unit(t, free, full, field + o, u, km, plain, gain,
                                    state + o, g.links + o, g.b + o, g.s + o, g.dinv + o, g.sx,
                                    g.sy, n)
        elif g.unit:
            total += row_check_unit(t, free, full, field + o, u, km, plain, gain,
                                    state + o, g.links + o, g.b + o, g.sx, g.sy, n)
        elif slopes:
            total += row_react(t, free, field + o, u, km, plain, gain, state + o, g.k[0] + o,
                               g.k[1] + o, g.k[2] + o, g.b + o, g.s + o, g.dinv + o, g.sx, g.sy,
                               n)
        else:
            total += row_check(t, free, field + o, u, km, plain, gain, state + o, g.k[0] + o,
                               g.k[1] + o, g.k[2] + o, g.b + o, g.sx, g.sy, n)
    return total


cdef double divide_plane(const Grid* g, int x) noexcept nogil:
    cdef double total = 0
    cdef int y, z
    cdef Py_ssize_t o
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        for z in range(g.nz):
            g.x[o + z] = g.b[o + z] * g.dinv[o + z]
        total += row_dot(g.x + o, g.b + o, g.nz)
    seal(g, g.x + x * g.sx)
    return total


cdef inline void image_row(const Grid* g, const float* p, float* out, int* bytes_,
                           Py_ssize_t o) noexcept nogil:
    """-A p on the row at offset o, where c is free; `bytes_` is scratch."""
    if g.unit:
        row_image_unit(out, bytes_, p + o, g.s + o, g.links + o, g.dinv + o, g.sx,
                       g.sy, g.nz)
    else:
        row_image(out, p + o, g.s + o, g.k[0] + o, g.k[1] + o, g.k[2] + o, g.dinv + o, g.sx, g.sy,
                  g.nz)


cdef void turn_plane(const Grid* g, float* p, float share, int x) noexcept nogil:
    cdef int y
    cdef Py_ssize_t o
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        row_turn(p + o, g.x + o, share, g.nz)
    seal(g, p + x * g.sx)


cdef double apply_plane(const Grid* g, const float* p, int* bytes_, int x) noexcept nogil:
    """x = -A p on a plane; returns the sum of p x."""
    cdef double total = 0
    cdef int y
    cdef Py_ssize_t o
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        image_row(g, p, g.x + o, bytes_, o)
        total += row_dot(p + o, g.x + o, g.nz)
    return total


cdef double correct_plane(const Grid* g, double* c, const float* p, double length,
                          bint imaged, int* bytes_, int* bits, int x) noexcept nogil:
    cdef double total = 0
    cdef int y
    cdef Py_ssize_t o
    for y in range(1, g.ny + 1):
        o = x * g.sx + y * g.sy + 1
        if not imaged:
            image_row(g, p, g.x + o, bytes_, o)
        row_shorten(g.b + o, g.x + o, <float>length, g.nz)
        total += row_dot(g.b + o, g.b + o, g.nz)
        row_update(c + o, p + o, length, bits, bits + 1, bits + 2, g.nz)
    seal(g, c + x * g.sx)
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
    cdef double[::1] part, other
    cdef int[:, ::1] bits
    cdef double[:, ::1] rows
    cdef float[:, ::1] scratch, planes
    cdef float weight[DEGREE]
    cdef float* p
    cdef float[::1] direction
    cdef Scratch room

    def __cinit__(self, int threads, tuple shape, const float[::1] weights):
        cdef int nx, ny, nz, j
        nx, ny, nz = shape
        self.depth = 0
        self.kept = []
        # Bytes are widened a whole vector of them at a time.
        self.width = nz + 2 if nz < LANES else -(-pitch(nz) // BYTE_LANES) * BYTE_LANES
        self.part, self.other = np.zeros(nx + 2), np.zeros(nx + 2)
        self.bits = np.zeros((nx + 2, 3), np.int32)
        # A gap between the rows of two threads keeps them out of each other's cache lines.
        self.rows = aligned((threads, ROWS * self.width + 32), np.float64, first=0)
        self.scratch = aligned((threads, 2 * self.width + 32), np.float32, first=0)
        # Rings of DEGREE - 1 steps, a plane of zeros, DEGREE planes beyond either end of a slab.
        count = 3 * (DEGREE - 1) + 1 + 2 * DEGREE
        self.planes = aligned((threads, count * (ny + 2) * pitch(nz) + 32), np.float32)
        for j in range(DEGREE):
            self.weight[j] = weights[j]
        self.room.rows, self.room.width = &self.scratch[0, 0], self.width
        self.room.planes, self.room.size = &self.planes[0, 0], self.planes.shape[1]
        self.room.weight = self.weight
        self.direction = aligned((nx + 2) * (ny + 2) * pitch(nz), np.float32)
        self.p = floats(self.direction)

    def clear(self):
        """Forget every level; the direction has its own place again, not that of an old x."""
        self.depth = 0
        self.p = floats(self.direction)
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
        g.sy = level.padded[2]
        g.sx = g.sy * (g.ny + 2)
        g.n = g.sx * (g.nx + 2)
        g.threads = threads if g.nx * g.ny * g.nz > SERIAL else 1
        g.crew, g.visits = threads, visits
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
        g.x, g.y, g.b, g.s = floats(level.x), floats(level.y), floats(level.b), floats(level.s)
        g.dinv, g.extra = floats(level.dinv), level.extra
        slices = Slices(level)
        g.slices = len(slices.row) // LANES
        g.row, g.ptr, g.idx = ints(slices.row), ints(slices.first), ints(slices.idx)
        g.val, g.open, g.fresh = floats(slices.val), floats(slices.open), floats(slices.fresh)
        g.parents = len(level.parent)
        g.parent, g.first = ints(level.parent), ints(level.first)
        g.member, g.slot = ints(level.member), ints(slices.slot)
        g.outlets = 0
        self.kept += [level, slices]
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
                restrict_slope(&self.levels[level], &self.room)

    def cycle(self):
        """x becomes what one multigrid cycle from zero makes of A x = b; returns the sum of x b."""
        cdef Grid* g = &self.levels[0]
        if self.depth == 1:
            return self.divide()
        with nogil:
            visit(g, self.depth - 1, True, &self.room, &self.part[0])
        return self._total()

    def divide(self):
        """x becomes b / diagonal; returns the sum of x b."""
        cdef Grid* g = &self.levels[0]
        cdef int x
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = divide_plane(g, x)
            wrap_ends(g, g.x)
        return self._total()

    def descend(self):
        """x becomes what the smoother makes of zero, and b of the next level its residual."""
        with nogil:
            descend(self.levels, &self.room)

    cdef double _total(self):
        cdef double total = 0
        cdef int x
        for x in range(1, self.levels[0].nx + 1):
            total += self.part[x]
        return total

    def linearise(self, double[:, :, ::1] c, const unsigned char[:, :, ::1] state, tuple terms,
                  double km, list face_k, const double[::1] face_value, bint slopes, bint supply):
        """b = -F(c) and, with `slopes`, s = dF/dc without the links, and dinv.

        `terms`: uptake, linear sink, source and field before, each (array or None, factor,
        constant). Returns the sum of b squared and, with `supply`, that of the field 0.
        """
        cdef Grid* g = &self.levels[0]
        cdef const double* k[6]
        cdef const double[:, ::1] view
        cdef Term term[4]
        cdef int x, face
        cdef double empty = 0
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
                                           x, slopes, &self.other[x] if supply else NULL)
            if supply:
                for x in range(1, g.nx + 1):
                    empty += self.other[x]
        return self._total(), empty

    def take(self):
        """p = x; the two change places, so that nothing is copied."""
        cdef Grid* g = &self.levels[0]
        g.x, self.p = self.p, g.x
        wrap_ends(g, self.p)

    def turn(self, double share):
        """p = x + share p."""
        cdef Grid* g = &self.levels[0]
        cdef int x
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                turn_plane(g, self.p, <float>share, x)
            wrap_ends(g, self.p)

    def curvature(self):
        """x = -A p; returns the sum of p A p."""
        cdef Grid* g = &self.levels[0]
        cdef int x
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.part[x] = apply_plane(g, self.p, <int*>&self.rows[threadid(), 0], x)
        return -self._total()

    def correct(self, double[:, :, ::1] c, double length, bint imaged):
        """c += length p and b -= length A p, which x holds if it is `imaged`.

        Returns max |length p|, max c (NaN if any is), whether any c is below zero, and the sum of
        b squared.
        """
        cdef Grid* g = &self.levels[0]
        cdef int x
        cdef double* field = &c[0, 0, 0]
        with nogil:
            for x in prange(1, g.nx + 1, num_threads=g.threads, schedule="static"):
                self.bits[x, 0] = self.bits[x, 1] = self.bits[x, 2] = 0
                self.part[x] = correct_plane(g, field, self.p, length, imaged,
                                             <int*>&self.rows[threadid(), 0], &self.bits[x, 0], x)
            wrap_ends(g, field)
            for x in range(2, g.nx + 1):
                self.bits[1, 0] = max(self.bits[1, 0], self.bits[x, 0])
                self.bits[1, 1] = max(self.bits[1, 1], self.bits[x, 1])
                self.bits[1, 2] = min(self.bits[1, 2], self.bits[x, 2])
        most = (<float*>&self.bits[1, 0])[0]
        top = (<float*>&self.bits[1, 1])[0]
        return abs(length) * most, top, self.bits[1, 2] < 0, self._total()

    def clip(self, double[:, :, ::1] c):
        """c is not below zero."""
        cdef Grid* g = &self.levels[0]
        cdef int x, y
        with nogil:
            for x in prange(g.nx + 2, num_threads=g.threads, schedule="static"):
                for y in range(g.ny + 2):
                    row_clip(&c[x, y, 0], <int>g.sy)


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
