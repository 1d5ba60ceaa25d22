"""Kernels of exact local thickness; ``thickness.py`` names, checks and documents them."""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef extern from *:
    """
    #include <string.h>
    #define lowest_bit(word) __builtin_ctzll(word)
    static inline uint64_t load_bits(const uint8_t* at) {
        uint64_t word; memcpy(&word, at, 8); return word;
    }
    static inline void store_bits(uint8_t* at, uint64_t word) { memcpy(at, &word, 8); }
    """
    int lowest_bit(uint64_t word) nogil
    uint64_t load_bits(const uint8_t* at) nogil
    void store_bits(uint8_t* at, uint64_t word) nogil


def mark_ridge(const int32_t[:, :, ::1] squared, const int32_t[:, ::1] table,
               const uint8_t[::1] periodic, uint8_t[:, :, ::1] ridge, int threads):
    """Mark every voxel whose ball no 26-neighbour's ball contains.

    ``table[n - 1, R]`` is the smallest squared radius of a ball that holds a ball of squared
    radius R whose centre lies at squared distance n in {1, 2, 3}.
    """
    cdef Py_ssize_t nx = squared.shape[0], ny = squared.shape[1], nz = squared.shape[2]
    cdef Py_ssize_t x, y, z, x2, y2, z2
    cdef int a, b, c, n, R, keep
    for x in prange(nx, nogil=True, schedule="dynamic", num_threads=threads):
        for y in range(ny):
            for z in range(nz):
                R = squared[x, y, z]
                keep = 1 if R > 0 else 0
                for a in range(-1, 2):
                    if keep == 0:
                        break
                    x2 = x + a
                    if x2 < 0 or x2 >= nx:
                        if periodic[0] == 0:
                            continue
                        x2 = x2 - nx if x2 >= nx else x2 + nx
                    for b in range(-1, 2):
                        if keep == 0:
                            break
                        y2 = y + b
                        if y2 < 0 or y2 >= ny:
                            if periodic[1] == 0:
                                continue
                            y2 = y2 - ny if y2 >= ny else y2 + ny
                        for c in range(-1, 2):
                            n = a * a + b * b + c * c
                            if n == 0:
                                continue
                            z2 = z + c
                            if z2 < 0 or z2 >= nz:
                                if periodic[2] == 0:
                                    continue
                                z2 = z2 - nz if z2 >= nz else z2 + nz
                            if squared[x2, y2, z2] >= table[n - 1, R]:
                                keep = 0
                                break
                ridge[x, y, z] = keep


cdef inline void paint_segment(int32_t* out, uint8_t* free, int first, int last,
                               int R) noexcept nogil:
    """Write R to the voxels of [first, last] whose bit in `free` is set, and clear the bits."""
    cdef int length, shift
    cdef uint64_t word
    cdef uint8_t* at
    while first <= last:
        length = last - first + 1
        if length > 57:  # what eight bytes hold wherever in the first byte the stretch begins
            length = 57
        at = free + (first >> 3)
        shift = first & 7
        word = load_bits(at) >> shift & (<uint64_t> 0xFFFFFFFFFFFFFFFF) >> (64 - length)
        if word:
            store_bits(at, load_bits(at) ^ word << shift)
            while word:
                out[first + lowest_bit(word)] = R
                word &= word - 1
        first += length


cdef inline void paint_line(int32_t* out, uint8_t* free, int Z, int h, int nz, int wrap,
                            int R) noexcept nogil:
    """Paint the free voxels of [Z - h, Z + h], wrapped round or clipped."""
    cdef int first = Z - h, last = Z + h
    if wrap == 0 or 2 * h + 1 >= nz:
        if first < 0 or wrap:
            first = 0
        if last > nz - 1 or wrap:
            last = nz - 1
        paint_segment(out, free, first, last, R)
    elif first < 0:
        paint_segment(out, free, 0, last, R)
        paint_segment(out, free, first + nz, nz - 1, R)
    elif last > nz - 1:
        paint_segment(out, free, first, nz - 1, R)
        paint_segment(out, free, 0, last - nz, R)
    else:
        paint_segment(out, free, first, last, R)


cdef inline void paint_plane(int32_t* out, uint8_t* free, int m, int Y, int Z, int ny, int nz,
                             int bytes, int wrap_y, int wrap_z, const int32_t* half,
                             int R) noexcept nogil:
    """Paint the disc of squared radius m that a ball cuts from one plane of constant x."""
    cdef int h = half[m], low = -h, high = h, dy, y, first
    cdef int inside = Z - h >= 0 and Z + h < nz and h <= 28
    cdef uint64_t word
    cdef uint8_t* at
    if wrap_y:
        # a ball wider than the period meets each line once, through its nearest image
        low = max(low, -(ny // 2))
        high = min(high, (ny - 1) // 2)
        inside = inside and Y + low >= 0 and Y + high < ny
    else:
        low = max(low, -Y)
        high = min(high, ny - 1 - Y)
    if inside:
        # the usual case, in the fewest instructions: each line is one stretch of at most 57 bits
        free += <Py_ssize_t> (Y + low) * bytes
        for dy in range(low, high + 1):
            h = half[m - dy * dy]
            first = Z - h
            at = free + (first >> 3)
            word = load_bits(at) >> (first & 7) & (<uint64_t> 0xFFFFFFFFFFFFFFFF) >> (63 - 2 * h)
            if word:  # seldom: most stretches of a later ball are painted already
                paint_segment(out + <Py_ssize_t> (Y + dy) * nz, free, first, first + 2 * h, R)
            free += bytes
        return
    for dy in range(low, high + 1):
        y = Y + dy
        if y < 0:
            y = y + ny
        elif y >= ny:
            y = y - ny
        paint_line(out + <Py_ssize_t> y * nz, free + <Py_ssize_t> y * bytes, Z,
                   half[m - dy * dy], nz, wrap_z, R)


def paint_balls(const int32_t[:, ::1] centre, const int32_t[::1] squared_radius,
                const int32_t[::1] half, const uint8_t[::1] periodic,
                uint8_t[:, :, ::1] free, int32_t[:, :, ::1] out, int slabs, int threads):
    """Give each voxel the squared radius of the largest ball over it; balls come largest first.

    ``half[m]`` is the largest h with h² < m. Bit z % 8 of byte z // 8 of each line of ``free``
    is set where no ball has been yet, so a painted stretch costs one look and each voxel is
    written once; eight spare bytes end a line. Each slab of
    planes is painted by one thread, so that neither the split nor the order can be seen.
    """
    cdef Py_ssize_t balls = centre.shape[1], q, s, x, x0, x1, nx = out.shape[0]
    cdef int ny = <int> out.shape[1], nz = <int> out.shape[2], bytes = <int> free.shape[2]
    cdef int R, X, dx, h
    for s in prange(slabs, nogil=True, schedule="dynamic", chunksize=1, num_threads=threads):
        x0 = s * nx // slabs
        x1 = (s + 1) * nx // slabs
        for q in range(balls):
            R = squared_radius[q]
            X = centre[0, q]
            h = half[R]
            if periodic[0]:
                for x in range(x0, x1):
                    dx = <int> x - X
                    if dx < -(nx // 2):
                        dx = dx + <int> nx
                    elif dx > (nx - 1) // 2:
                        dx = dx - <int> nx
                    if -h <= dx <= h:
                        paint_plane(&out[x, 0, 0], &free[x, 0, 0], R - dx * dx, centre[1, q],
                                    centre[2, q], ny, nz, bytes, periodic[1], periodic[2], &half[0], R)
            else:
                if X + h < x0 or X - h >= x1:
                    continue
                for x in range(max(x0, X - h), min(x1, X + h + 1)):
                    dx = <int> x - X
                    paint_plane(&out[x, 0, 0], &free[x, 0, 0], R - dx * dx, centre[1, q],
                                centre[2, q], ny, nz, bytes, periodic[1], periodic[2], &half[0], R)
