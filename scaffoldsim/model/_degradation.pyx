# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``degradation.py``: what one step takes from every voxel.

Nothing here allocates, raises or keeps state. Planes of voxels are on their own, and what each loses
is summed in the order of its voxels, so the result is the same for any number of threads.
"""

from cython.parallel cimport prange
from libc.math cimport exp, log

ctypedef unsigned char byte

cdef extern from "_exposure.h" nogil:
    ctypedef struct exposure_box:
        const float* f
        Py_ssize_t n[3]
        int periodic[3]
    double exposed_area(const exposure_box* box, Py_ssize_t x, Py_ssize_t y, Py_ssize_t z)
    Py_ssize_t exposure_beside(
        const exposure_box* box, int axis, Py_ssize_t i, int step
    )


cdef extern from "_matrix_rows.h":
    float stored(double value) noexcept nogil


cdef inline float left_over(double before, double taken, double residue) noexcept nogil:
    """What stays of a voxel, as it is stored: the books take what is lost from it."""
    cdef double left = before - taken
    return stored(left if left >= residue else 0.0)  # crumbs are taken with the rest


cdef inline exposure_box box_of(
    const float[:, :, ::1] total, int periodic_x, int periodic_y, int periodic_z
) noexcept nogil:
    cdef exposure_box box
    box.f = &total[0, 0, 0]
    box.n[0], box.n[1], box.n[2] = total.shape[0], total.shape[1], total.shape[2]
    box.periodic[0], box.periodic[1], box.periodic[2] = periodic_x, periodic_y, periodic_z
    return box


cdef double dissolve_plane(
    const exposure_box* box, Py_ssize_t x, const float* s, double reach, double residue, float* left
) noexcept nogil:
    cdef Py_ssize_t y, z, i
    cdef double area, taken, sum = 0.0
    cdef float stays
    for y in range(box.n[1]):
        for z in range(box.n[2]):
            i = (x * box.n[1] + y) * box.n[2] + z
            left[i] = s[i]
            if s[i] <= 0.0:
                continue
            area = exposed_area(box, x, y, z)
            if area <= 0.0:
                continue
            taken = reach * area
            if box.f[i] > s[i]:  # what else is in the voxel is exposed as well
                taken = taken * s[i] / box.f[i]
            stays = left_over(s[i], taken, residue)
            left[i] = stays
            sum = sum + (<double>s[i] - stays)
    return sum


def dissolve(
    const float[:, :, ::1] fraction,
    const float[:, :, ::1] total,
    double reach,
    double residue,
    periodic,
    int threads,
    float[:, :, ::1] left,
    double[::1] lost,
):
    """Fill `left` with what a recession by `reach` voxels leaves of `fraction`.

    `total` is all that is solid; `lost` is the sum of what each plane of x loses.
    """
    cdef exposure_box box = box_of(total, periodic[0], periodic[1], periodic[2])
    cdef Py_ssize_t x
    cdef const float* s = &fraction[0, 0, 0]
    for x in prange(total.shape[0], nogil=True, schedule="static", num_threads=threads):
        lost[x] = dissolve_plane(&box, x, s, reach, residue, &left[0, 0, 0])


def thin(
    const float[:, ::1] body,
    double share,
    double residue,
    const byte[:, ::1] where,
    int threads,
    float[:, ::1] left,
    double[::1] lost,
):
    """Fill `left` with what is left of `body` (planes of x in rows), of which `share` stays.

    `where` says in which voxels, and is empty where that is all of them.
    """
    cdef Py_ssize_t x, i, n = body.shape[1]
    cdef bint everywhere = where.shape[0] == 0
    cdef double sum
    cdef float stays
    for x in prange(body.shape[0], nogil=True, schedule="static", num_threads=threads):
        sum = 0.0
        for i in range(n):
            left[x, i] = body[x, i]
            if body[x, i] > 0.0 and (everywhere or where[x, i]):
                stays = left_over(body[x, i], body[x, i] * (1.0 - share), residue)
                left[x, i] = stays
                sum = sum + (<double>body[x, i] - stays)
        lost[x] = sum


cdef inline double acid_at(
    const exposure_box* box, Py_ssize_t x, Py_ssize_t y, Py_ssize_t z
) noexcept nogil:
    """Acid in a voxel; of one that is closed, the most of what is beside it."""
    cdef double most = box.f[(x * box.n[1] + y) * box.n[2] + z]
    cdef Py_ssize_t at[3]
    cdef int axis, side
    cdef double other
    if most > 0.0:
        return most
    for axis in range(3):
        for side in range(-1, 2, 2):
            at[0], at[1], at[2] = x, y, z
            at[axis] = exposure_beside(box, axis, at[axis], side)
            other = box.f[(at[0] * box.n[1] + at[1]) * box.n[2] + at[2]]
            if other > most:
                most = other
    return most


cdef double hydrolyse_plane(
    const exposure_box* box, bint acidic, Py_ssize_t x, const float* s,
    double cut, double per_acid, double critical, double loss, double residue,
    float* weight, float* left,
) noexcept nogil:
    cdef Py_ssize_t y, z, i
    cdef double rate, tail, before, sum = 0.0, plain = exp(-cut), all = exp(-loss), stay, fall
    cdef float stays
    for y in range(box.n[1]):
        for z in range(box.n[2]):
            i = (x * box.n[1] + y) * box.n[2] + z
            left[i] = s[i]
            if s[i] <= 0.0:
                continue
            before = weight[i]
            rate, fall = cut, plain
            if acidic:
                rate = cut * (1.0 + per_acid * acid_at(box, x, y, z))
                if rate != cut:
                    fall = exp(-rate)
            weight[i] = <float>(before * fall)
            if before <= critical:
                stay = all
            elif before * fall < critical:
                # the share of the step that is left once the critical weight is reached
                tail = 1.0 - log(before / critical) / rate
                stay = exp(-loss * tail)
            else:
                continue
            stays = left_over(s[i], s[i] * (1.0 - stay), residue)
            left[i] = stays
            sum = sum + (<double>s[i] - stays)
    return sum


def hydrolyse(
    const float[:, :, ::1] body,
    const float[:, :, ::1] acid,
    periodic,
    double cut,
    double per_acid,
    double critical,
    double loss,
    double residue,
    int threads,
    float[:, :, ::1] weight,
    float[:, :, ::1] left,
    double[::1] lost,
):
    """Cut chains in `weight`, and fill `left` with what is left of `body`.

    `cut` and `loss` are the rates times the step; `acid` is empty where there is none.
    """
    cdef bint acidic = acid.shape[0] > 0
    cdef exposure_box box = box_of(
        acid if acidic else body, periodic[0], periodic[1], periodic[2]
    )
    cdef Py_ssize_t x
    cdef const float* s = &body[0, 0, 0]
    for x in prange(body.shape[0], nogil=True, schedule="static", num_threads=threads):
        lost[x] = hydrolyse_plane(
            &box, acidic, x, s, cut, per_acid, critical, loss, residue,
            &weight[0, 0, 0], &left[0, 0, 0],
        )
