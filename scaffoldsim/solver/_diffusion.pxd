"""Declarations of `_diffusion.pyx`: row kernels in C, and the levels its cycle walks."""

cdef extern from "_rows.h" nogil:
    void row_relax_unit(float*, const float*, const float*, Py_ssize_t, Py_ssize_t, int, int)
    void row_relax(float*, const float*, const float*, const float*, const float*, const float*,
                   Py_ssize_t, Py_ssize_t, int, int)
    void row_relax_blank(float*, const float*, const float*, int, int)
    void row_defect_unit(float*, const float*, const float*, const float*, const float*,
                         const float*, Py_ssize_t, Py_ssize_t, int)
    void row_defect(float*, const float*, const float*, const float*, const float*, const float*,
                    const float*, const float*, const float*, Py_ssize_t, Py_ssize_t, int)
    void row_flux_unit(double*, const double*, const unsigned char*, Py_ssize_t, Py_ssize_t, int)
    void row_flux(double*, const double*, const float*, const float*, const float*, Py_ssize_t,
                  Py_ssize_t, int)
    void row_face(double*, const double*, const double*, double, int)
    double row_react(double*, const double*, const float*, double, const double*, const double*,
                     const unsigned char*, const float*, float*, float*, float*, int)
    void row_update(double*, const float*, double, double*, double*, int)
    int row_load(double*, const double*, double, const unsigned char*, int)
    int row_load_single(double*, const float*, double, const unsigned char*, int)
    void row_store(double*, const double*, double, const unsigned char*, int)

cdef enum:
    LEVELS = 34
    SERIAL = 12000   # rows below which waking a second thread costs more than it saves

ctypedef fused real:
    float
    double

cdef struct Level:
    int n, colours, sweeps
    int start[5]
    const int* ptr
    const int* idx
    const float* val
    const float* diag
    const int* child_ptr
    const int* child
    float* s
    float* dinv
    float* x
    float* b

cdef struct Grid:
    int nx, ny, nz, threads
    Py_ssize_t sx, sy
    bint px, py, pz, unit
    const float* k[3]
    const float* diag
    const unsigned char* links
    const unsigned char* active
    const float* anchor
    float* x
    float* b
    float* s
    float* dinv
    float* r
