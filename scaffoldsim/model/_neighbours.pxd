"""The box of voxels as kernels see it: flat numbers, and who touches whom."""

cdef struct Box:
    int nx
    int ny
    int nz
    bint wrap_x
    bint wrap_y
    bint wrap_z


cdef inline void neighbours(int v, const Box* box, int* out) noexcept nogil:
    """The face neighbours x-, x+, y-, y+, z-, z+ of a voxel; -1 beyond a wall."""
    cdef int z = v % box.nz
    cdef int t = v / box.nz
    cdef int y = t % box.ny
    cdef int x = t / box.ny
    cdef int sx = box.ny * box.nz
    cdef int sy = box.nz
    out[0] = v - sx if x > 0 else (v + sx * (box.nx - 1) if box.wrap_x else -1)
    out[1] = v + sx if x < box.nx - 1 else (v - sx * (box.nx - 1) if box.wrap_x else -1)
    out[2] = v - sy if y > 0 else (v + sy * (box.ny - 1) if box.wrap_y else -1)
    out[3] = v + sy if y < box.ny - 1 else (v - sy * (box.ny - 1) if box.wrap_y else -1)
    out[4] = v - 1 if z > 0 else (v + box.nz - 1 if box.wrap_z else -1)
    out[5] = v + 1 if z < box.nz - 1 else (v - box.nz + 1 if box.wrap_z else -1)
