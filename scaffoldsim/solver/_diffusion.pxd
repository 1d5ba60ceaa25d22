"""Declarations of `_diffusion.pyx`: its row kernels in C, and a term of the equation."""

cdef extern from "_equation_rows.h" nogil:
    void row_fill(double*, double, int)
    void row_term(double*, const double*, double, double, int)
    void row_term_single(double*, const float*, double, double, int)
    void row_squares(const float*, const float*, double*, int)
    double row_supply(double*, float*, const double*, const unsigned char*, int)
    void row_add(double*, const double*, int)
    double row_react_unit(double*, float*, float*, const double*, const double*, double,
                          const double*, const double*, const unsigned char*,
                          const unsigned char*, float*, float*, float*, Py_ssize_t, Py_ssize_t,
                          int)
    double row_react(double*, float*, const double*, const double*, double, const double*,
                     const double*, const unsigned char*, const float*, const float*,
                     const float*, float*, float*, float*, Py_ssize_t, Py_ssize_t, int)
    double row_check_unit(double*, float*, float*, const double*, const double*, double,
                          const double*, const double*, const unsigned char*,
                          const unsigned char*, float*, Py_ssize_t, Py_ssize_t, int)
    double row_check(double*, float*, const double*, const double*, double, const double*,
                     const double*, const unsigned char*, const float*, const float*,
                     const float*, float*, Py_ssize_t, Py_ssize_t, int)
    void row_turn(float*, const float*, float, int)
    void row_image_unit(float*, int*, const float*, const float*, const unsigned char*,
                        const float*, Py_ssize_t, Py_ssize_t, int)
    void row_image(float*, const float*, const float*, const float*, const float*, const float*,
                   const float*, Py_ssize_t, Py_ssize_t, int)
    void row_shorten(float*, const float*, float, int)
    void row_update(double*, const float*, double, int*, int*, int*, int)
    void row_clip(double*, int)
    int row_top(const double*, const unsigned char*, float*, int)
    int row_top_single(const float*, const unsigned char*, float*, int)
    void row_load(double*, const double*, double, const unsigned char*, int)
    void row_load_single(double*, const float*, double, const unsigned char*, int)
    void row_store(double*, const double*, double, const unsigned char*, int)
    void row_store_single(float*, const double*, double, const unsigned char*, int)

# factor * array (single or double, or none) + constant
cdef struct Term:
    const float* single
    const double* full
    double factor, constant
