"""Compiled parts of the hierarchy: links, conductances, the pieces of every 2 x 2 x 2 block.

Everything here is local to a voxel or a block, so the hierarchy is a pure function of the geometry
for any number of threads, and where the geometry did not change it may stay: `dirty` marks the
columns (along z) of blocks to be done. Arrays carry a ghost layer; a ghost of a periodic axis
repeats the opposite layer, any other ghost reads as solid. `scaffoldsim.solver.levels` names them.
"""

from cython.parallel cimport prange
from libc.string cimport memset

cdef extern from "_rows.h":
    enum: LINK_X, LINK_Y, LINK_Z

cdef enum:
    NOTHING = 0      # no row here
    MAIN = 1         # belongs to the row that its block has on the next grid
    ENDS = 255       # has no link: nothing is left to exchange with


def count_links(const unsigned char[:, :, ::1] mask, tuple shape,
                const unsigned char[:, ::1] dirty, unsigned char[:, :, ::1] links, int threads):
    """Links of every pore voxel, as in `_rows.h`, in the columns of blocks that are `dirty`."""
    cdef int nx = shape[0], ny = shape[1], nz = shape[2], x, y, z
    with nogil:
        for x in prange(1, nx + 1, num_threads=threads, schedule="static"):
            for y in range(1, ny + 1):
                if not dirty[(x - 1) >> 1, (y - 1) >> 1]:
                    continue
                for z in range(1, nz + 1):
                    links[x, y, z] = mask[x, y, z] * (
                        (1 + LINK_X) * mask[x - 1, y, z] + mask[x + 1, y, z]
                        + (1 + LINK_Y) * mask[x, y - 1, z] + mask[x, y + 1, z]
                        + (1 + LINK_Z) * mask[x, y, z - 1] + mask[x, y, z + 1])


cdef inline float harmonic(double a, double b) noexcept nogil:
    return <float>(2 * a * (b / (a + b))) if a > 0 and b > 0 else 0


def conductances(const double[:, :, ::1] pore, list k, tuple shape, int threads):
    """Harmonic conductance of the lower face of every voxel, and of the last upper ones."""
    cdef float[:, :, ::1] kx = k[0], ky = k[1], kz = k[2]
    cdef int nx = shape[0], ny = shape[1], nz = shape[2], x, y, z
    with nogil:
        for x in prange(1, nx + 2, num_threads=threads, schedule="static"):
            for y in range(1, ny + 2):
                for z in range(1, nz + 2):
                    kx[x, y, z] = harmonic(pore[x - 1, y, z], pore[x, y, z])
                    ky[x, y, z] = harmonic(pore[x, y - 1, z], pore[x, y, z])
                    kz[x, y, z] = harmonic(pore[x, y, z - 1], pore[x, y, z])


cdef struct Block:
    Py_ssize_t at[8]     # flat indices of the members
    bint there[8]        # whether there is a row
    bint linked[8]
    bint joined[3][8]    # whether member i is linked to member i - bit of the axis


cdef inline void label(const Block* block, unsigned char* part) noexcept nogil:
    """part = 1 for the members of the largest connected piece, 2 and on for the others."""
    cdef int piece[8]
    cdef int size[8]
    cdef int rank[8]
    cdef int i, j, axis, sweep, a, next_, best
    cdef bint changed = True
    for i in range(8):
        piece[i] = i
        size[i] = 0
        rank[i] = 0
    while changed:
        changed = False
        for axis in range(3):
            for i in range(8):
                if block.joined[axis][i]:
                    j = i & ~(1 << axis)
                    a = min(piece[i], piece[j])
                    if piece[i] != a or piece[j] != a:
                        piece[i] = a
                        piece[j] = a
                        changed = True
    for i in range(8):
        if block.linked[i]:
            size[piece[i]] += 1
    for next_ in range(1, 9):
        best = -1
        for i in range(8):
            if size[i] > 0 and rank[i] == 0 and (best < 0 or size[i] > size[best]):
                best = i
        if best < 0:
            break
        rank[best] = next_
    for i in range(8):
        if block.there[i]:
            part[block.at[i]] = rank[piece[i]] if block.linked[i] else ENDS


def label_blocks(const unsigned char[:, :, ::1] mask, const unsigned char[:, :, ::1] links,
                 list k, const unsigned char[:, :, ::1] loose, tuple shape, tuple periodic,
                 float strength, const unsigned char[:, ::1] dirty,
                 unsigned char[:, :, ::1] part, int threads):
    """Pieces of every 2 x 2 x 2 block in a `dirty` column by the links that are not weak.

    Where `k` is empty a link joins pore neighbours of `mask`, else it is a conductance above
    zero; `loose` (empty if there are none) marks rows with links off the grid, and `mask` where
    rows are.
    """
    cdef int nx = shape[0], ny = shape[1], nz = shape[2], bx = (nx + 1) // 2
    cdef int ring = ((1 if periodic[0] and nx == 2 else 0) | (2 if periodic[1] and ny == 2 else 0)
                     | (4 if periodic[2] and nz == 2 else 0))
    cdef int x, y
    cdef Py_ssize_t pitch = mask.shape[2]
    cdef bint unit = len(k) == 0
    cdef const float* ks[3]
    cdef const float[:, :, ::1] view
    cdef int axis
    cdef const unsigned char* loose_ = &loose[0, 0, 0] if loose.shape[0] else NULL
    cdef const unsigned char* links_ = &links[0, 0, 0] if unit else NULL
    for axis in range(3):
        ks[axis] = NULL
        if not unit:
            view = k[axis]
            ks[axis] = &view[0, 0, 0]
    with nogil:
        for x in prange(bx, num_threads=threads, schedule="static"):
            for y in range((ny + 1) // 2):
                if dirty[x, y]:
                    label_row(&mask[0, 0, 0], links_, ks, loose_, unit, nx, ny, nz, pitch,
                              ring, x, y, strength, &part[0, 0, 0])


cdef void label_row(const unsigned char* mask, const unsigned char* links, const float** k,
                    const unsigned char* loose, bint unit, int nx, int ny, int nz,
                    Py_ssize_t sy, int ring, int bx, int by, float strength,
                    unsigned char* part) noexcept nogil:
    cdef Py_ssize_t sx = sy * (ny + 2), at, low, base
    cdef Py_ssize_t step[3]
    cdef float weight
    cdef int bz, i, axis, x, y, z, cut
    cdef Block block
    step[0], step[1], step[2] = sx, sy, 1
    for bz in range((nz + 1) // 2):
        base = (2 * bx + 1) * sx + (2 * by + 1) * sy + 2 * bz + 1
        cut = 0
        for i in range(8):
            x = 2 * bx + (i & 1)
            y = 2 * by + ((i >> 1) & 1)
            z = 2 * bz + (i >> 2)
            at = base + (i & 1) * sx + ((i >> 1) & 1) * sy + (i >> 2)
            block.at[i] = at
            block.there[i] = x < nx and y < ny and z < nz
            if block.there[i]:
                block.there[i] = mask[at] != 0
            block.linked[i] = False
            if not block.there[i]:
                cut += 1
                if x < nx and y < ny and z < nz:
                    part[at] = NOTHING
                continue
            if unit:
                block.linked[i] = links[at] > 0
            else:
                for axis in range(3):
                    if k[axis][at] > 0 or k[axis][at + step[axis]] > 0:
                        block.linked[i] = True
                if loose != NULL and loose[at]:
                    block.linked[i] = True
        if unit and cut == 0 and links[base] > 0:
            for i in range(8):
                part[block.at[i]] = MAIN
            continue
        if cut == 8:
            continue
        for axis in range(3):
            for i in range(8):
                block.joined[axis][i] = False
                if i & (1 << axis) and block.there[i] and block.there[i & ~(1 << axis)]:
                    at = block.at[i]
                    low = at - step[axis]
                    if unit:
                        block.joined[axis][i] = links[at] > 0 and links[low] > 0
                    else:
                        # Across a weak link the field may jump, so it joins no piece.
                        weight = k[axis][at]
                        if ring & (1 << axis) and k[axis][low] > weight:
                            weight = k[axis][low]
                        block.joined[axis][i] = weight > 0 and weight >= strength * max(
                            strongest(k, step, at), strongest(k, step, low))
        label(&block, part)


cdef inline float strongest(const float** k, const Py_ssize_t* step, Py_ssize_t at) noexcept nogil:
    """Largest conductance of the links of a row on the grid."""
    cdef float most = 0
    cdef int axis
    for axis in range(3):
        most = max(most, max(k[axis][at], k[axis][at + step[axis]]))
    return most


def join_blocks(list k, const unsigned char[:, :, ::1] part, tuple shape, tuple periodic,
                const unsigned char[:, ::1] dirty, unsigned char[:, :, ::1] mask, list out,
                int threads):
    """Which blocks of `dirty` columns have a row, and the conductance of their lower faces: the
    sum over the links they hold, each `lengthened`.

    Only links between MAIN members count; the ghosts of `part` must be filled. An axis along which
    the blocks do not wrap gets zero on its first face.
    """
    cdef int nx = shape[0], ny = shape[1], nz = shape[2], axis
    cdef int bx = (nx + 1) // 2, by = (ny + 1) // 2, bz = (nz + 1) // 2, x, y, z
    cdef const float* ks[3]
    cdef const float[:, :, ::1] view
    cdef float[:, :, ::1] coarse
    cdef int skip
    cdef Py_ssize_t pitch = part.shape[2]
    for axis in range(3):
        ks[axis] = NULL
        if len(k):
            view = k[axis]
            ks[axis] = &view[0, 0, 0]
    for axis in range(3):
        coarse = out[axis]
        skip = not periodic[axis] or (shape[axis] + 1) // 2 == 1
        with nogil:
            for x in prange(bx, num_threads=threads, schedule="static"):
                for y in range(by):
                    if not dirty[x, y]:
                        continue
                    for z in range(bz):
                        if skip and (x if axis == 0 else y if axis == 1 else z) == 0:
                            coarse[x + 1, y + 1, z + 1] = 0
                        else:
                            coarse[x + 1, y + 1, z + 1] = face(
                                ks, &part[0, 0, 0], axis, nx, ny, nz, pitch, x, y, z)
    with nogil:
        for x in prange(bx, num_threads=threads, schedule="static"):
            for y in range(by):
                if dirty[x, y]:
                    find_rows(&part[0, 0, 0], nx, ny, nz, pitch, x, y,
                              &mask[x + 1, y + 1, 1])


cdef void find_rows(const unsigned char* part, int nx, int ny, int nz, Py_ssize_t sy, int bx,
                    int by, unsigned char* mask) noexcept nogil:
    cdef Py_ssize_t sx = sy * (ny + 2)
    cdef int x, y, z
    memset(mask, 0, (nz + 1) // 2)
    for x in range(2 * bx + 1, min(2 * bx + 2, nx) + 1):
        for y in range(2 * by + 1, min(2 * by + 2, ny) + 1):
            for z in range(1, nz + 1):
                if part[x * sx + y * sy + z] == MAIN:
                    mask[(z - 1) >> 1] = 1


cdef inline float face(const float** k, const unsigned char* part, int axis, int nx, int ny,
                       int nz, Py_ssize_t sy, int bx, int by, int bz) noexcept nogil:
    cdef Py_ssize_t sx = sy * (ny + 2), step, at
    cdef Py_ssize_t base = (2 * bx + 1) * sx + (2 * by + 1) * sy + 2 * bz + 1
    cdef float sum_ = 0
    cdef int i, j
    cdef Py_ssize_t along, across
    cdef Py_ssize_t steps[3]
    cdef bint more, wider
    steps[0], steps[1], steps[2] = sx, sy, 1
    if axis == 0:
        step, along, across = sx, sy, 1
        more, wider = 2 * by + 1 < ny, 2 * bz + 1 < nz
    elif axis == 1:
        step, along, across = sy, sx, 1
        more, wider = 2 * bx + 1 < nx, 2 * bz + 1 < nz
    else:
        step, along, across = 1, sx, sy
        more, wider = 2 * bx + 1 < nx, 2 * by + 1 < ny
    for i in range(2 if more else 1):
        for j in range(2 if wider else 1):
            at = base + i * along + j * across
            if part[at] == MAIN and part[at - step] == MAIN:
                if k[0] == NULL:
                    sum_ += 0.5
                else:
                    sum_ += lengthened(k[axis][at], strongest(k, steps, at),
                                       strongest(k, steps, at - step))
    return sum_


cdef inline float lengthened(float k, float first, float second) noexcept nogil:
    """A link of conductance k between rows that lie twice as far apart on the next level.

    first, second: strongest links of its rows, which stand for half the way on either side. In the
    open the conductance is halved; that of a wall or a throat, which is resistance enough, stays.
    """
    return k / (1 + k / (2 * first) + k / (2 * second)) if k > 0 else 0
