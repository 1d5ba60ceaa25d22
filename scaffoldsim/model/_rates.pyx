# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``rates.py``: the rates of every cell from tables.

Nothing here allocates, raises or keeps state. Each cell is on its own, so the result is the same for
any number of threads and any order of the rows.
"""

from cython.parallel cimport prange
from libc.math cimport expf, pow

ctypedef unsigned char byte

# columns of `common`, as in rates.py
cdef enum:
    HOP = 0
    DIVIDE = 1
    BASAL = 2
    ISCHAEMIC = 3
    LIFESPAN = 4
    LIMIT = 5

# columns of `shape`; what divides a square is kept squared, so that a share is one division
cdef enum:
    OXYGEN_OF_DIVISION = 0
    LAG = 1
    SLOWING = 2
    WIDTH = 3
    OXYGEN_OF_DEATH = 4

# columns of `fates` (whole numbers) and of `gates`
cdef enum:
    TARGET = 0
    EVENT = 1
    OXYGEN_FORM = 2
    CONDUCTIVE = 3
    STIFFNESS_FORM = 4
    TABLE_FROM = 5
    TABLE_UNTIL = 6

cdef enum:
    OXYGEN_HALF = 0
    OXYGEN_SCALE = 1
    STIFFNESS_HALF = 2
    STIFFNESS_GAIN = 3

cdef enum:
    NO_FORM = 0
    RISING = 1

# columns of `cues`; HALF is K^n
cdef enum:
    HALF = 0
    HILL = 1
    EXCESS = 2

cdef enum:
    N_EVENTS = 7
    PROLIFERATION = 0
    MIGRATION = 1
    DEATH = 2


cdef inline double power(double x, double n) noexcept nogil:
    if n == 1.0:
        return x
    if n == 2.0:
        return x * x
    if n == 4.0:
        return x * x * x * x
    return pow(x, n)


cdef inline double table_at(
    const double* x, const double* y, int first, int last, double at
) noexcept nogil:
    """The table's value at `at`: linear between rows, the later of two rows at a jump."""
    cdef int k = last - 1
    while k >= first and x[k] > at:
        k -= 1
    if k < first:
        return y[first]
    if k == last - 1:
        return y[k]
    return y[k] + (y[k + 1] - y[k]) * (at - x[k]) / (x[k + 1] - x[k])


cdef inline void one_cell(
    Py_ssize_t i, Py_ssize_t stride, int n_types, int n_causes,
    int kind, int group, int voxel, bint founder, double age, double doublings,
    double c, double felt, double conduction, bint touches, double stimulus, bint loaded,
    Py_ssize_t n_cues, const int* cue_of, const double* cues, const size_t* carriers,
    const double* base, const double* touched,
    const double* common, const double* shape, const double* into,
    const int* spans, const int* fates, const double* gates, const double* table,
    const double* table_y,
    float* hop, float* divide, float* arrest, float* death, float* fate,
) noexcept nogil:
    cdef double m[N_EVENTS]
    cdef double x, k, r
    cdef int j
    cdef Py_ssize_t q
    cdef const int* spec
    cdef const double* gate
    for j in range(N_EVENTS):
        m[j] = 1.0
    for q in range(n_cues):
        j = cue_of[2 * q]
        x = (<const float*>carriers[j])[voxel] if carriers[j] else 0.0
        x = (x if x > 0.0 else 0.0) + base[j]
        if touches:
            x = x + touched[j]
        if x > 0.0:
            r = power(x, cues[3 * q + HILL])
            m[cue_of[2 * q + 1]] *= 1.0 + cues[3 * q + EXCESS] * r / (cues[3 * q + HALF] + r)
    hop[i] = <float>(common[HOP] * m[MIGRATION])
    k = 0.0
    r = 0.0
    if common[DIVIDE] > 0.0:
        if not founder or age >= shape[LAG]:
            x = doublings * 0.1
            r = (c + shape[OXYGEN_OF_DIVISION]) * (1.0 + shape[SLOWING] * x * x)
            k = common[DIVIDE] * m[PROLIFERATION] * c / r
            r = 0.0
        if shape[WIDTH] > 0.0:
            x = (common[LIMIT] - doublings - 1.0) / shape[WIDTH]
            # e^-40 is no chance at all, and most cells are there
            r = 1.0 / (1.0 + expf(<float>x)) if x < 40.0 else 0.0
    divide[i] = <float>k
    arrest[i] = <float>r
    for j in range(n_causes):
        death[j * stride + i] = 0.0
    x = shape[OXYGEN_OF_DEATH]
    death[i] = <float>(common[BASAL] * m[DEATH])
    death[stride + i] = <float>(common[ISCHAEMIC] * m[DEATH] * x / (x + c * c))
    death[2 * stride + i] = <float>common[LIFESPAN]
    for j in range(n_types):
        fate[j * stride + i] = 0.0
    for j in range(spans[kind], spans[kind + 1]):
        spec = fates + 7 * j
        gate = gates + 4 * j
        k = into[spec[TARGET]]
        if spec[EVENT] >= 0:
            k = k * m[spec[EVENT]]
        if spec[OXYGEN_FORM] == RISING:
            k = k * gate[OXYGEN_SCALE] * c / (c + gate[OXYGEN_HALF])
        elif spec[OXYGEN_FORM] != NO_FORM:
            x = gate[OXYGEN_HALF]
            k = k * gate[OXYGEN_SCALE] * x / (x + c * c)
        if spec[CONDUCTIVE]:
            k = k * conduction
        if spec[STIFFNESS_FORM] != NO_FORM:
            x = gate[STIFFNESS_HALF]
            r = x / (x + felt * felt)
            k = k * (1.0 + gate[STIFFNESS_GAIN] * (1.0 - r if spec[STIFFNESS_FORM] == RISING else r))
        if loaded and spec[TABLE_UNTIL] > spec[TABLE_FROM]:
            k = k * table_at(table, table_y, spec[TABLE_FROM], spec[TABLE_UNTIL], stimulus)
        fate[spec[TARGET] * stride + i] = <float>k


def fill(
    Py_ssize_t n,
    const byte[::1] type,
    const byte[::1] origin,
    const byte[::1] genes,
    const int[::1] voxel,
    const int[::1] parent,
    const float[::1] age,
    const float[::1] doublings,
    *,
    const float[::1] oxygen,
    const float[::1] substrate,
    const byte[::1] touch,
    const double[::1] conduction,
    int material,
    const float[::1] stimulus,
    const size_t[::1] carriers,
    const double[::1] base,
    const double[::1] touched,
    const int[:, ::1] cue_of,
    const double[:, ::1] cues,
    const int[::1] who,
    int n_masks,
    const double[:, ::1] common,
    const double[:, ::1] shape,
    const double[:, ::1] into,
    const int[::1] spans,
    const int[:, ::1] fates,
    const double[:, ::1] gates,
    const double[::1] table,
    const double[::1] table_y,
    int threads,
    float[::1] hop,
    float[::1] divide,
    float[::1] arrest,
    float[:, ::1] death,
    float[:, ::1] fate,
):
    """Fill the rate columns of `n` cells; the arguments are explained in ``rates.py``."""
    cdef Py_ssize_t i, stride = hop.shape[0], n_cues = cue_of.shape[0]
    cdef int n_types = fate.shape[0], n_causes = death.shape[0], kind, group, v
    cdef bint loaded = stimulus.shape[0] > 0
    cdef double c, s
    # a table without rows has no first element to take the address of
    cdef const int* p_cue_of = &cue_of[0, 0] if n_cues else NULL
    cdef const double* p_cues = &cues[0, 0] if n_cues else NULL
    cdef const size_t* p_carriers = &carriers[0] if n_cues else NULL
    cdef const double* p_base = &base[0] if n_cues else NULL
    cdef const double* p_touched = &touched[0] if n_cues else NULL
    cdef const int* p_fates = &fates[0, 0] if fates.shape[0] else NULL
    cdef const double* p_gates = &gates[0, 0] if fates.shape[0] else NULL
    cdef const double* p_table = &table[0] if table.shape[0] else NULL
    cdef const double* p_table_y = &table_y[0] if table.shape[0] else NULL
    for i in prange(n, nogil=True, schedule="static", num_threads=threads):
        v = voxel[i]
        kind = type[i]
        group = (who[origin[i]] * n_masks + genes[i]) * n_types + kind
        c = oxygen[v]
        c = c if c > 0.0 else 0.0
        s = stimulus[v] if loaded else 0.0
        one_cell(
            i, stride, n_types, n_causes, kind, group, v, parent[i] < 0, age[i], doublings[i],
            c, substrate[v], conduction[touch[v]], (touch[v] & material) != 0, s, loaded,
            n_cues, p_cue_of, p_cues, p_carriers, p_base, p_touched,
            &common[group, 0], &shape[kind, 0], &into[group, 0],
            &spans[0], p_fates, p_gates, p_table, p_table_y,
            &hop[0], &divide[0], &arrest[0], &death[0, 0], &fate[0, 0],
        )
