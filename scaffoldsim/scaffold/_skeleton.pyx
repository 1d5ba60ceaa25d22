"""Kernels of the distance to a periodic skeleton; ``families/skeleton.py`` names and checks them.

A piece is a row of eight: its start (3), the vector to its end (3), 1 / (length squared), or 0 for
a point, and its radius. Bins divide the box; ``members[start[b] : start[b + 1]]`` are the pieces
that can be the nearest one to a position in bin b.
"""
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t


cdef inline double way(const double* piece, double x, double y, double z,
                       double* to) noexcept nogil:
    """Distance to a piece less its radius; `to` gets the vector from its nearest point."""
    cdef double along
    to[0] = x - piece[0]
    to[1] = y - piece[1]
    to[2] = z - piece[2]
    along = (to[0] * piece[3] + to[1] * piece[4] + to[2] * piece[5]) * piece[6]
    along = 0.0 if along < 0.0 else along
    along = 1.0 if along > 1.0 else along
    to[0] -= along * piece[3]
    to[1] -= along * piece[4]
    to[2] -= along * piece[5]
    return sqrt(to[0] * to[0] + to[1] * to[1] + to[2] * to[2]) - piece[7]


cdef inline Py_ssize_t bin_of(double position, double per_length, Py_ssize_t count) noexcept nogil:
    """Number of the bin along one axis; a position on the far face belongs to the last."""
    cdef Py_ssize_t found = <Py_ssize_t> (position * per_length)
    return found if found < count else count - 1


def divide(*, const double[:, ::1] pieces, const double[::1] edge, const int32_t[::1] shape,
           const int32_t[::1] halves, const int64_t[::1] parent_start,
           const int32_t[::1] parent_members, double slack,
           int64_t[::1] start, int32_t[::1] members):
    """Fill the bins of one level from those of the level above.

    ``halves`` tells, per axis, whether a parent bin is cut into two (1) or kept (0). A piece stays
    when its distance from the centre is at most that of the nearest plus twice the half diagonal.
    """
    cdef Py_ssize_t nx = shape[0], ny = shape[1], nz = shape[2], i, j, k, parent, q
    cdef int64_t filled = 0
    cdef double to[3]
    cdef double x, y, z, nearest, value
    cdef double diagonal = sqrt(edge[0] * edge[0] + edge[1] * edge[1] + edge[2] * edge[2])
    with nogil:
        start[0] = 0
        for i in range(nx):
            x = (i + 0.5) * edge[0]
            for j in range(ny):
                y = (j + 0.5) * edge[1]
                for k in range(nz):
                    z = (k + 0.5) * edge[2]
                    parent = (((i >> halves[0]) * (ny >> halves[1]) + (j >> halves[1]))
                              * (nz >> halves[2]) + (k >> halves[2]))
                    nearest = 1e300
                    for q in range(parent_start[parent], parent_start[parent + 1]):
                        value = way(&pieces[parent_members[q], 0], x, y, z, to)
                        nearest = value if value < nearest else nearest
                    nearest += diagonal + slack
                    for q in range(parent_start[parent], parent_start[parent + 1]):
                        if way(&pieces[parent_members[q], 0], x, y, z, to) <= nearest:
                            members[filled] = parent_members[q]
                            filled += 1
                    start[(i * ny + j) * nz + k + 1] = filled


def distance(*, const double[:, :, :] x, const double[:, :, :] y, const double[:, :, :] z,
             const double[:, ::1] pieces, const double[::1] per_length, const int32_t[::1] shape,
             const int64_t[::1] start, const int32_t[::1] members, float[:, :, ::1] out):
    """Distance, less the radius, from each position inside the box to the nearest piece."""
    cdef Py_ssize_t i, j, k, b, q
    cdef double to[3]
    cdef double px, py, pz, nearest, value
    with nogil:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                for k in range(out.shape[2]):
                    px, py, pz = x[i, j, k], y[i, j, k], z[i, j, k]
                    b = ((bin_of(px, per_length[0], shape[0]) * shape[1]
                          + bin_of(py, per_length[1], shape[1])) * shape[2]
                         + bin_of(pz, per_length[2], shape[2]))
                    nearest = 1e300
                    for q in range(start[b], start[b + 1]):
                        value = way(&pieces[members[q], 0], px, py, pz, to)
                        nearest = value if value < nearest else nearest
                    out[i, j, k] = <float> nearest


def direction(*, const double[:, :, :] x, const double[:, :, :] y, const double[:, :, :] z,
              const double[:, ::1] pieces, const double[::1] per_length, const int32_t[::1] shape,
              const int64_t[::1] start, const int32_t[::1] members,
              float[:, :, ::1] out_x, float[:, :, ::1] out_y, float[:, :, ::1] out_z):
    """Unit vector from the nearest point of the nearest piece to each position; 0 on the piece."""
    cdef Py_ssize_t i, j, k, b, q
    cdef double to[3]
    cdef double best[3]
    cdef double px, py, pz, nearest, value, length
    with nogil:
        for i in range(out_x.shape[0]):
            for j in range(out_x.shape[1]):
                for k in range(out_x.shape[2]):
                    px, py, pz = x[i, j, k], y[i, j, k], z[i, j, k]
                    b = ((bin_of(px, per_length[0], shape[0]) * shape[1]
                          + bin_of(py, per_length[1], shape[1])) * shape[2]
                         + bin_of(pz, per_length[2], shape[2]))
                    nearest = 1e300
                    best[0] = best[1] = best[2] = 0.0
                    for q in range(start[b], start[b + 1]):
                        value = way(&pieces[members[q], 0], px, py, pz, to)
                        if value < nearest:
                            nearest = value
                            best[0], best[1], best[2] = to[0], to[1], to[2]
                    length = sqrt(best[0] * best[0] + best[1] * best[1] + best[2] * best[2])
                    length = 1.0 / length if length > 0.0 else 0.0
                    out_x[i, j, k] = <float> (best[0] * length)
                    out_y[i, j, k] = <float> (best[1] * length)
                    out_z[i, j, k] = <float> (best[2] * length)
