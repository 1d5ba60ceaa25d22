"""The levels a cycle walks, and what other modules need of it; row kernels are C."""

from libc.string cimport memcpy, memset

cdef extern from "_rows.h" nogil:
    enum: BYTE_LANES, LANES, LINKS

cdef extern from "_cycle_rows.h" nogil:
    void plane_step_unit(float*, const float*, const float*, const float*, const float*,
                         const float*, float, Py_ssize_t, int, int)
    void plane_step(float*, const float*, const float*, const float*, const float*, const float*,
                    const float*, const float*, const float*, float, Py_ssize_t, Py_ssize_t, int,
                    int)
    void plane_start(float*, const float*, const float*, float, Py_ssize_t, int, int)
    void row_gather_unit(float*, const float*, const float*, const float*, const float*,
                         const float*, const unsigned char*, const unsigned char*, const float*,
                         Py_ssize_t, int)
    void row_gather(float*, const float*, const float*, const float*, const float*, const float*,
                    const float*, const float*, const float*, const unsigned char*, const float*,
                    Py_ssize_t, Py_ssize_t, int)
    void row_gather_slope(float*, float*, const float*, const unsigned char*, const float*, int)
    void row_halve(float*, const float*, int)
    void row_scatter(float*, const float*, const unsigned char*, const float*, int)
    void row_invert(float*, const float*, const float*, const float*, const float*, Py_ssize_t,
                    Py_ssize_t, int)
    void slices_step(float*, const float*, const float*, const float*, const int*, const int*,
                     const int*, const float*, float, Py_ssize_t, Py_ssize_t)
    void slices_defect(float*, const float*, const float*, const float*, const float*, const int*,
                       const int*, const int*, const float*, Py_ssize_t, Py_ssize_t)
    double row_dot(const float*, const float*, int)

cdef enum:
    LEVELS = 34
    DEGREE = 3       # of the smoothing polynomial, at least 2
    SERIAL = 30000   # rows below which waking a second thread costs more than it saves

ctypedef fused real:
    float
    double

# One level: a padded grid of rows, and the rows that do not fit on it. `levels.Level` names and checks
# the arrays.
cdef struct Grid:
    int nx, ny, nz, visits
    int threads, crew               # for loops over the grid; for long ones over lists
    Py_ssize_t sx, sy, n
    bint px, py, pz, unit
    const float* k[3]
    const unsigned char* links
    const unsigned char* part
    float* x
    float* y                        # the field before a step, where planes are not enough
    float* b
    float* s
    float* dinv
    int extra, slices               # rows beyond the grid; `slices.Slices` of rows with links off it
    const int* row
    const int* ptr
    const int* idx
    const float* val
    const float* open
    float* fresh                    # a value of each row in a slice
    int parents                     # rows of the next level with members that no block gives them
    const int* parent
    const int* first
    const int* member
    const int* slot                 # of a member in the slices, or -1
    int outlets                     # rows with a conductance towards a held value
    const int* outlet
    const float* film

# Scratch of the cycle: rows and planes for each thread.
cdef struct Scratch:
    float* rows
    int width                       # of a row
    float* planes
    Py_ssize_t size                 # of the planes of one thread
    const float* weight             # DEGREE of them, of the steps of a smoother


cdef inline void seal(const Grid* g, real* plane) noexcept nogil:
    """The y and z ghosts of a plane: the opposite rows, or zero."""
    cdef int y
    cdef real* row
    for y in range(1, g.ny + 1):
        row = plane + y * g.sy
        row[0] = row[g.nz] if g.pz else 0
        row[g.nz + 1] = row[1] if g.pz else 0
    if g.py:
        memcpy(plane, plane + g.ny * g.sy, g.sy * sizeof(real))
        memcpy(plane + (g.ny + 1) * g.sy, plane + g.sy, g.sy * sizeof(real))
    else:
        memset(plane, 0, g.sy * sizeof(real))
        memset(plane + (g.ny + 1) * g.sy, 0, g.sy * sizeof(real))


cdef inline void wrap_ends(const Grid* g, real* c) noexcept nogil:
    """The x ghosts of a field."""
    if g.px:
        memcpy(c, c + g.nx * g.sx, g.sx * sizeof(real))
        memcpy(c + (g.nx + 1) * g.sx, c + g.sx, g.sx * sizeof(real))


cdef inline void wrap_all(const Grid* g, real* c) noexcept nogil:
    cdef int x
    for x in range(1, g.nx + 1):
        seal(g, c + x * g.sx)
    wrap_ends(g, c)


cdef void descend(const Grid* g, const Scratch* scratch) noexcept nogil
cdef void restrict_slope(const Grid* g, const Scratch* scratch) noexcept nogil
cdef void visit(Grid* g, int depth, bint blank, const Scratch* scratch, double* product) noexcept nogil
