"""The arrays of a matrix as its kernels see them, and what follows from them voxel by voxel."""

from libc.string cimport memcpy

from scaffoldsim.model._counter cimport word

ctypedef unsigned char byte

# what a voxel holds, as in matrix.py: most hold nothing and are passed eight at a time
cdef enum:
    BONE = 1
    CHANGING = 2
    ANSWERING = 4
    CALLED = 8
    RESERVED = 16

# columns of the books of a plane, as in matrix.py
cdef enum:
    LAID = 0
    ASKED = 1
    MINERALISED = 2
    RESORBED_NEW = 3
    RESORBED_HOST = 4

# The arrays of a matrix, and the box.
cdef struct Tissue:
    float* first
    float* second
    float* third
    float* mineral
    float* young
    float* host
    float* answering
    float* covered
    byte* holds
    Py_ssize_t nx
    Py_ssize_t ny
    Py_ssize_t nz
    int wraps[3]


cdef inline Tissue tissue_of(
    float[:, ::1] osteoid, float[:, ::1] bone, byte[::1] holds, const Py_ssize_t[::1] shape,
    const int[::1] wraps,
) noexcept:
    cdef Tissue t
    cdef int a
    t.first, t.second, t.third = &osteoid[0, 0], &osteoid[1, 0], &osteoid[2, 0]
    t.mineral, t.young, t.host = &bone[0, 0], &bone[1, 0], &bone[2, 0]
    t.answering, t.covered = &bone[3, 0], &bone[4, 0]
    t.holds = &holds[0]
    t.nx, t.ny, t.nz = shape[0], shape[1], shape[2]
    for a in range(3):
        t.wraps[a] = wraps[a]
    return t


cdef inline Py_ssize_t beside(Py_ssize_t i, int step, Py_ssize_t n, int wraps) noexcept nogil:
    """Index of the next voxel along an axis, -1 beyond a wall."""
    cdef Py_ssize_t j = i + step
    if 0 <= j < n:
        return j
    return (j + n) % n if wraps else -1


cdef inline Py_ssize_t next_held(
    const byte* holds, Py_ssize_t v, Py_ssize_t stop, byte wanted
) noexcept nogil:
    """The first voxel from v on whose flags have one of those wanted; `stop` for none."""
    cdef word eight, mask = <word>wanted * <word>0x0101010101010101
    while v + 8 <= stop:
        memcpy(&eight, holds + v, 8)
        if eight & mask:
            break
        v += 8
    while v < stop and not holds[v] & wanted:
        v += 1
    return v


cdef inline void note(Tissue* t, Py_ssize_t v) noexcept nogil:
    """Sum and flags of a voxel, from what it holds."""
    cdef float osteoid = t.first[v] + t.second[v] + t.third[v], bone = t.mineral[v] + t.host[v]
    t.covered[v] = osteoid + bone
    t.holds[v] = (
        (BONE if bone > 0 else 0)
        | (CHANGING if osteoid > 0 or t.young[v] > 0 else 0)
        | (ANSWERING if t.answering[v] > 0 else 0)
    )
