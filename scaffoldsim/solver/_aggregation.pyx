"""Compiled parts of the hierarchy: links, conductances, the pieces of every 2 x 2 x 2 block.

Everything here is local to a voxel or a block, so the hierarchy is a pure function of the geometry
for any number of threads, and where the geometry did not change it may stay: `blocks` lists those
to be done. *Places* are flat numbers in a grid without ghosts, C order; the blocks of a level are
the places of the next. Arrays carry a ghost layer; a ghost of a periodic axis repeats the opposite
layer, any other ghost reads as solid. `scaffoldsim.solver.levels` names them.
"""

import numpy as np

from cython.parallel cimport prange
from libc.string cimport memset

cdef extern from "_rows.h":
    enum: LINK_X, LINK_Y, LINK_Z

cdef enum:
    NOTHING = 0      # no row here
    MAIN = 1         # belongs to the row that its block has on the next grid
    ENDS = 255       # has no link: nothing is left to exchange with

# A relative diffusivity below this cannot be told from a wall in single precision.
cdef double LEAST = 1e-9
LEAST_PORE = LEAST

ctypedef fused real:
    float
    double

ctypedef fused float_or_byte:
    float
    unsigned char


cdef struct Box:
    int nx, ny, nz
    bint px, py, pz


cdef Box box_of(tuple shape, tuple periodic) noexcept:
    cdef Box box = Box(shape[0], shape[1], shape[2], periodic[0], periodic[1], periodic[2])
    return box


cdef inline void locate(int place, int ny, int nz, int* at) noexcept nogil:
    at[2] = place % nz
    at[1] = place // nz % ny
    at[0] = place // nz // ny


cdef inline int halves(const Box* box, int x, int y, int z, bint halve) noexcept nogil:
    """The place x, y, z, or that of its block."""
    if halve:
        return ((x >> 1) * ((box.ny + 1) >> 1) + (y >> 1)) * ((box.nz + 1) >> 1) + (z >> 1)
    return (x * box.ny + y) * box.nz + z


cdef inline int note(int place, unsigned char* seen, int* out, int count) noexcept nogil:
    if not seen[place]:
        seen[place] = 1
        out[count] = place
        count += 1
    return count


def about(const int[::1] places, tuple shape, tuple periodic, bint spread, bint halve):
    """These places, with `spread` those across their faces too; with `halve`, the blocks of them.

    Each once, in no order.
    """
    cdef Box box = box_of(shape, periodic)
    cdef Py_ssize_t size = 1, i
    cdef int at[3]
    cdef int n, count = 0, x, y, z
    for n in shape:
        size *= (n + 1) // 2 if halve else n
    cdef unsigned char[::1] seen = np.zeros(size, np.uint8)
    found = np.empty(min(size, places.shape[0] * (7 if spread else 1)), np.int32)
    cdef int[::1] out = found
    if not out.shape[0]:
        return found
    with nogil:
        for i in range(places.shape[0]):
            locate(places[i], box.ny, box.nz, at)
            x, y, z = at[0], at[1], at[2]
            count = note(halves(&box, x, y, z, halve), &seen[0], &out[0], count)
            if not spread:
                continue
            if x > 0 or box.px:
                count = note(halves(&box, x - 1 if x else box.nx - 1, y, z, halve), &seen[0],
                             &out[0], count)
            if x + 1 < box.nx or box.px:
                count = note(halves(&box, x + 1 if x + 1 < box.nx else 0, y, z, halve), &seen[0],
                             &out[0], count)
            if y > 0 or box.py:
                count = note(halves(&box, x, y - 1 if y else box.ny - 1, z, halve), &seen[0],
                             &out[0], count)
            if y + 1 < box.ny or box.py:
                count = note(halves(&box, x, y + 1 if y + 1 < box.ny else 0, z, halve), &seen[0],
                             &out[0], count)
            if z > 0 or box.pz:
                count = note(halves(&box, x, y, z - 1 if z else box.nz - 1, halve), &seen[0],
                             &out[0], count)
            if z + 1 < box.nz or box.pz:
                count = note(halves(&box, x, y, z + 1 if z + 1 < box.nz else 0, halve), &seen[0],
                             &out[0], count)
    return found[:count]


def any_above(const float_or_byte[:, :, ::1] values):
    """Whether any value is above zero, ghosts and slack included; stops at the first."""
    cdef Py_ssize_t i, size = values.shape[0] * values.shape[1] * values.shape[2]
    cdef const float_or_byte* value = &values[0, 0, 0]
    for i in range(size):
        if value[i] > 0:
            return True
    return False


def count_links(const unsigned char[:, :, ::1] mask, tuple shape, const int[::1] blocks,
                unsigned char[:, :, ::1] links, int threads):
    """Links of every pore voxel of these blocks, as in `_rows.h`."""
    cdef int nx = shape[0], ny = shape[1], nz = shape[2], x, y, z
    cdef Py_ssize_t i
    with nogil:
        for i in prange(blocks.shape[0], num_threads=threads, schedule="static"):
            count_block(&mask[0, 0, 0], nx, ny, nz, mask.shape[2], blocks[i], &links[0, 0, 0])


cdef void count_block(const unsigned char* mask, int nx, int ny, int nz, Py_ssize_t sy, int block,
                      unsigned char* links) noexcept nogil:
    cdef Py_ssize_t sx = sy * (ny + 2), at
    cdef int b[3]
    cdef int x, y, z
    locate(block, (ny + 1) >> 1, (nz + 1) >> 1, b)
    for x in range(2 * b[0] + 1, min(2 * b[0] + 2, nx) + 1):
        for y in range(2 * b[1] + 1, min(2 * b[1] + 2, ny) + 1):
            for z in range(2 * b[2] + 1, min(2 * b[2] + 2, nz) + 1):
                at = x * sx + y * sy + z
                links[at] = mask[at] * (
                    (1 + LINK_X) * mask[at - sx] + mask[at + sx]
                    + (1 + LINK_Y) * mask[at - sy] + mask[at + sy]
                    + (1 + LINK_Z) * mask[at - 1] + mask[at + 1])


cdef inline float harmonic(double a, double b) noexcept nogil:
    return <float>(2 * a * (b / (a + b))) if a > 0 and b > 0 else 0


cdef inline double share(real value, double top) noexcept nogil:
    """The relative diffusivity; nothing where it cannot be told from a wall."""
    cdef double part = value / top
    return part if part >= LEAST else 0


cdef inline double below(const real* pore, const Box* box, double top, int axis, int x, int y,
                         int z) noexcept nogil:
    """The relative diffusivity of the place before x, y, z; 0 beyond a closed face."""
    if axis == 0:
        x = x - 1 if x else (box.nx - 1 if box.px else -1)
    elif axis == 1:
        y = y - 1 if y else (box.ny - 1 if box.py else -1)
    else:
        z = z - 1 if z else (box.nz - 1 if box.pz else -1)
    if x < 0 or y < 0 or z < 0:
        return 0
    return share(pore[(<Py_ssize_t>x * box.ny + y) * box.nz + z], top)


def first_partial(const real[:, :, ::1] pore, double top):
    """The flat number of the first voxel that is neither solid nor at `top`; -1 if there is none."""
    cdef Py_ssize_t i
    for i in range(pore.shape[0] * pore.shape[1] * pore.shape[2]):
        if 0 < share((&pore[0, 0, 0])[i], top) < 1:
            return i
    return -1


def conductances(const real[:, :, ::1] pore, double top, tuple periodic, const int[::1] blocks,
                 unsigned char[:, :, ::1] mask, list k, int threads):
    """Whether each voxel of these blocks is open, and the harmonic conductance of its lower faces.

    `pore` may be in single or double precision, and is relative to `top`.
    """
    cdef tuple shape = (pore.shape[0], pore.shape[1], pore.shape[2])
    cdef Box box = box_of(shape, periodic)
    cdef float[:, :, ::1] kx = k[0], ky = k[1], kz = k[2]
    cdef float* ks[3]
    cdef Py_ssize_t i
    ks[0], ks[1], ks[2] = &kx[0, 0, 0], &ky[0, 0, 0], &kz[0, 0, 0]
    with nogil:
        for i in prange(blocks.shape[0], num_threads=threads, schedule="static"):
            conduct(&pore[0, 0, 0], &box, top, mask.shape[2], blocks[i], &mask[0, 0, 0], ks)


cdef void conduct(const real* pore, const Box* box, double top, Py_ssize_t sy, int block,
                  unsigned char* mask, float** k) noexcept nogil:
    cdef Py_ssize_t sx = sy * (box.ny + 2), at
    cdef int b[3]
    cdef int x, y, z, axis
    cdef double here
    locate(block, (box.ny + 1) >> 1, (box.nz + 1) >> 1, b)
    for x in range(2 * b[0], min(2 * b[0] + 2, box.nx)):
        for y in range(2 * b[1], min(2 * b[1] + 2, box.ny)):
            for z in range(2 * b[2], min(2 * b[2] + 2, box.nz)):
                at = (x + 1) * sx + (y + 1) * sy + z + 1
                here = share(pore[(<Py_ssize_t>x * box.ny + y) * box.nz + z], top)
                mask[at] = here > 0
                for axis in range(3):
                    k[axis][at] = harmonic(below(pore, box, top, axis, x, y, z), here)


def differing(const real[:, :, ::1] pore, double top, tuple periodic,
              const unsigned char[:, :, ::1] mask, list k, unsigned char[:, :, ::1] out,
              int threads):
    """Mark voxels that opened or closed, or whose lower faces conduct otherwise than in `k`."""
    cdef tuple shape = (pore.shape[0], pore.shape[1], pore.shape[2])
    cdef Box box = box_of(shape, periodic)
    cdef const float[:, :, ::1] kx = k[0], ky = k[1], kz = k[2]
    cdef const float* ks[3]
    cdef int x
    ks[0], ks[1], ks[2] = &kx[0, 0, 0], &ky[0, 0, 0], &kz[0, 0, 0]
    with nogil:
        for x in prange(box.nx, num_threads=threads, schedule="static"):
            compare(&pore[0, 0, 0], &box, top, &mask[0, 0, 0], ks, mask.shape[2], x,
                    &out[0, 0, 0])


cdef void compare(const real* pore, const Box* box, double top, const unsigned char* mask,
                  const float** k, Py_ssize_t sy, int x, unsigned char* out) noexcept nogil:
    cdef Py_ssize_t sx = sy * (box.ny + 2), at, i
    cdef int y, z, axis
    cdef double here
    for y in range(box.ny):
        for z in range(box.nz):
            at = (x + 1) * sx + (y + 1) * sy + z + 1
            i = (<Py_ssize_t>x * box.ny + y) * box.nz + z
            here = share(pore[i], top)
            out[i] = mask[at] != (here > 0)
            for axis in range(3):
                out[i] |= k[axis][at] != harmonic(below(pore, box, top, axis, x, y, z), here)


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
                 float strength, const int[::1] blocks, unsigned char[:, :, ::1] part,
                 int threads):
    """Pieces of these 2 x 2 x 2 blocks by the links that are not weak.

    Where `k` is empty a link joins pore neighbours of `mask`, else it is a conductance above
    zero; `loose` (empty if there are none) marks rows with links off the grid, and `mask` where
    rows are.
    """
    cdef int nx = shape[0], ny = shape[1], nz = shape[2]
    cdef int ring = ((1 if periodic[0] and nx == 2 else 0) | (2 if periodic[1] and ny == 2 else 0)
                     | (4 if periodic[2] and nz == 2 else 0))
    cdef Py_ssize_t pitch = mask.shape[2], i
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
        for i in prange(blocks.shape[0], num_threads=threads, schedule="static"):
            label_block(&mask[0, 0, 0], links_, ks, loose_, unit, nx, ny, nz, pitch, ring,
                        blocks[i], strength, &part[0, 0, 0])


cdef void label_block(const unsigned char* mask, const unsigned char* links, const float** k,
                      const unsigned char* loose, bint unit, int nx, int ny, int nz,
                      Py_ssize_t sy, int ring, int number, float strength,
                      unsigned char* part) noexcept nogil:
    cdef Py_ssize_t sx = sy * (ny + 2), at, low, base
    cdef Py_ssize_t step[3]
    cdef float weight, top = 0
    cdef float most[8]
    cdef int i, axis, x, y, z, cut
    cdef int b[3]
    cdef Block block
    locate(number, (ny + 1) >> 1, (nz + 1) >> 1, b)
    step[0], step[1], step[2] = sx, sy, 1
    base = (2 * b[0] + 1) * sx + (2 * b[1] + 1) * sy + 2 * b[2] + 1
    cut = 0
    for i in range(8):
        x = 2 * b[0] + (i & 1)
        y = 2 * b[1] + ((i >> 1) & 1)
        z = 2 * b[2] + (i >> 2)
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
            most[i] = strongest(k, step, at)
            block.linked[i] = most[i] > 0 or (loose != NULL and loose[at])
            top = max(top, most[i])
    if cut == 0 and (links[base] > 0 if unit else whole(k, step, base, strength * top)):
        for i in range(8):
            part[block.at[i]] = MAIN
        return
    if cut == 8:
        return
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
                        most[i], most[i & ~(1 << axis)])
    label(&block, part)


cdef inline bint whole(const float** k, const Py_ssize_t* step, Py_ssize_t base,
                       float weak) noexcept nogil:
    """Whether no link inside a full block is weak: then it is one piece, as most are."""
    cdef float least = k[0][base + step[0]]
    cdef int axis
    cdef Py_ssize_t at, one, two
    for axis in range(3):
        one, two = step[(axis + 1) % 3], step[(axis + 2) % 3]
        at = base + step[axis]
        least = min(least, min(min(k[axis][at], k[axis][at + one]),
                               min(k[axis][at + two], k[axis][at + one + two])))
    return least > 0 and least >= weak


cdef inline float strongest(const float** k, const Py_ssize_t* step, Py_ssize_t at) noexcept nogil:
    """Largest conductance of the links of a row on the grid."""
    cdef float most = 0
    cdef int axis
    for axis in range(3):
        most = max(most, max(k[axis][at], k[axis][at + step[axis]]))
    return most


def join_blocks(list k, const unsigned char[:, :, ::1] part, tuple shape, tuple periodic,
                const int[::1] blocks, unsigned char[:, :, ::1] mask, list out, int threads):
    """Which of these blocks have a row, and the conductance of their lower faces: the sum over the
    links they hold, each `lengthened`.

    Only links between MAIN members count; the ghosts of `part` must be filled. An axis along which
    the blocks do not wrap gets zero on its first face.
    """
    cdef int axis
    cdef Box box = box_of(shape, periodic)
    cdef const float* ks[3]
    cdef float* coarse[3]
    cdef bint closed[3]
    cdef const float[:, :, ::1] view
    cdef float[:, :, ::1] wide
    cdef Py_ssize_t i
    for axis in range(3):
        ks[axis] = NULL
        if len(k):
            view = k[axis]
            ks[axis] = &view[0, 0, 0]
        wide = out[axis]
        coarse[axis] = &wide[0, 0, 0]
        closed[axis] = not periodic[axis] or (shape[axis] + 1) // 2 == 1
    with nogil:
        for i in prange(blocks.shape[0], num_threads=threads, schedule="static"):
            join(ks, &part[0, 0, 0], &box, part.shape[2], closed, blocks[i], mask.shape[2],
                 &mask[0, 0, 0], coarse)


cdef void join(const float** k, const unsigned char* part, const Box* box, Py_ssize_t sy,
               const bint* closed, int block, Py_ssize_t wide, unsigned char* mask,
               float** out) noexcept nogil:
    cdef Py_ssize_t sx = sy * (box.ny + 2)
    cdef Py_ssize_t to
    cdef int b[3]
    cdef int x, y, z, axis, found = 0
    locate(block, (box.ny + 1) >> 1, (box.nz + 1) >> 1, b)
    to = ((b[0] + 1) * (((box.ny + 1) >> 1) + 2) + b[1] + 1) * wide + b[2] + 1
    for axis in range(3):
        out[axis][to] = 0
        if b[axis] or not closed[axis]:
            out[axis][to] = face(k, part, axis, box.nx, box.ny, box.nz, sy, b[0], b[1], b[2])
    for x in range(2 * b[0] + 1, min(2 * b[0] + 2, box.nx) + 1):
        for y in range(2 * b[1] + 1, min(2 * b[1] + 2, box.ny) + 1):
            for z in range(2 * b[2] + 1, min(2 * b[2] + 2, box.nz) + 1):
                found |= part[x * sx + y * sy + z] == MAIN
    mask[to] = found


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
