"""The levels a cycle walks, and what other modules need of it; row kernels are C."""

from libc.string cimport memcpy

cdef extern from "_rows.h" nogil:
    void plane_relax_unit(float*, const float*, const float*, Py_ssize_t, Py_ssize_t, int, int,
                          int)
    void plane_relax(float*, const float*, const float*, const float*, const float*, const float*,
                     Py_ssize_t, Py_ssize_t, int, int, int)
    void plane_relax_blank(float*, const float*, const float*, Py_ssize_t, int, int, int)
    void row_defect_unit(float*, const float*, const float*, const float*, const unsigned char*,
                         Py_ssize_t, Py_ssize_t, int)
    void row_defect(float*, const float*, const float*, const float*, const float*, const float*,
                    const float*, Py_ssize_t, Py_ssize_t, int)
    void row_gather_unit(float*, const float*, const float*, const float*, const unsigned char*,
                         const unsigned char*, const float*, Py_ssize_t, Py_ssize_t, int)
    void row_gather(float*, const float*, const float*, const float*, const float*, const float*,
                    const float*, const unsigned char*, const float*, Py_ssize_t, Py_ssize_t, int)
    void row_gather_slope(float*, float*, const float*, const unsigned char*, const float*, int)
    void row_halve(float*, const float*, int)
    void row_scatter(float*, const float*, const unsigned char*, const float*, int)
    void row_invert(float*, const float*, const float*, const float*, const float*, Py_ssize_t,
                    Py_ssize_t, int)

cdef enum:
    PROLONG = -2     # stages of `smooth`: add the correction of the next level,
    BLANK = -1       # relax a field that counts as zero (colour 0), relax colour 0 or 1
    LEVELS = 34
    SERIAL = 30000   # rows below which waking a second thread costs more than it saves

ctypedef fused real:
    float
    double

# One level: a padded grid of rows, and the rows that do not fit on it. `levels.Level` names and checks
# the arrays.
cdef struct Grid:
    int nx, ny, nz, threads, visits
    Py_ssize_t sx, sy, n
    bint px, py, pz, unit
    const float* k[3]
    const unsigned char* links
    const unsigned char* part
    float* x
    float* b
    float* s
    float* dinv
    int extra, loose, black         # rows beyond the grid; rows with edges off it; first black one
    const int* row
    const int* ptr
    const int* idx
    const float* val
    float* fresh                    # of the loose rows, until they are written
    int parents                     # rows of the next level with members that no block gives them
    const int* parent
    const int* first
    const int* member
    const int* edges                # number of a member among the loose rows, or -1
    int outlets                     # rows with a conductance towards a held value
    const int* outlet
    const float* film


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


cdef inline void wrap_all(const Grid* g, real* c) noexcept nogil:
    cdef int x
    if g.py or g.pz:
        for x in range(1, g.nx + 1):
            wrap_plane(g, c, x)
    wrap_ends(g, c)


cdef inline void defect_row(const Grid* g, const float* c, const float* b, Py_ssize_t o,
                            float* r) noexcept nogil:
    """The residual of the row at offset o, in flux form; b points at that row."""
    if g.unit:
        row_defect_unit(r, c + o, b, g.s + o, g.links + o, g.sx, g.sy, g.nz)
    else:
        row_defect(r, c + o, b, g.s + o, g.k[0] + o, g.k[1] + o, g.k[2] + o, g.sx, g.sy, g.nz)


cdef void smooth(const Grid* g, int start, int colour) noexcept nogil
cdef void restrict_slope(const Grid* g, float* scratch, int width) noexcept nogil
cdef void visit(Grid* g, int depth, int start, float* scratch, int width) noexcept nogil
