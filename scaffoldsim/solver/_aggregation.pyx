"""Compiled construction of the coarse levels: connected blocks, their children and their edges.

Everything here is serial and visits voxels and rows in ascending order, so the hierarchy is a
pure function of the geometry. `scaffoldsim.solver.multigrid` names, checks and documents it.
Voxel arrays carry a ghost layer; a ghost of a periodic axis repeats the opposite layer, any other
ghost reads as solid.
"""


cdef inline int find(int* root, int v) noexcept nogil:
    # Path halving keeps the trees flat without a second array.
    while root[v] != v:
        root[v] = root[root[v]]
        v = root[v]
    return v


cdef inline void join(int* root, int a, int b) noexcept nogil:
    cdef int ra = find(root, a)
    cdef int rb = find(root, b)
    if ra < rb:
        root[rb] = ra
    elif rb < ra:
        root[ra] = rb


def label_voxels(const unsigned char[:, :, ::1] mask, int shift,
                 bint px, bint py, bint pz, int[:, :, ::1] root):
    """Root = smallest flat index of the pore voxels joined to it inside blocks of 2**shift."""
    cdef int nx = mask.shape[0] - 2, ny = mask.shape[1] - 2, nz = mask.shape[2] - 2
    cdef int sy = nz + 2, sx = (nz + 2) * (ny + 2)
    cdef int x, y, z, v
    cdef const unsigned char* m = &mask[0, 0, 0]
    cdef int* r = &root[0, 0, 0]
    with nogil:
        for v in range(sx * (nx + 2)):
            r[v] = -1
        for x in range(1, nx + 1):
            for y in range(1, ny + 1):
                for z in range(1, nz + 1):
                    v = x * sx + y * sy + z
                    if m[v]:
                        r[v] = v
        for x in range(1, nx + 1):
            for y in range(1, ny + 1):
                for z in range(1, nz + 1):
                    v = x * sx + y * sy + z
                    if not m[v]:
                        continue
                    if z < nz:
                        if m[v + 1] and (z >> shift) == ((z - 1) >> shift):
                            join(r, v, v + 1)
                    elif pz and m[v + 1 - nz] and ((nz - 1) >> shift) == 0:
                        join(r, v, v + 1 - nz)
                    if y < ny:
                        if m[v + sy] and (y >> shift) == ((y - 1) >> shift):
                            join(r, v, v + sy)
                    elif py and m[v + (1 - ny) * sy] and ((ny - 1) >> shift) == 0:
                        join(r, v, v + (1 - ny) * sy)
                    if x < nx:
                        if m[v + sx] and (x >> shift) == ((x - 1) >> shift):
                            join(r, v, v + sx)
                    elif px and m[v + (1 - nx) * sx] and ((nx - 1) >> shift) == 0:
                        join(r, v, v + (1 - nx) * sx)
        for v in range(sx * (nx + 2)):
            if r[v] >= 0:
                r[v] = find(r, v)


def number_voxels(const int[:, :, ::1] root, const unsigned char[:, :, ::1] links,
                  const unsigned char[::1] cx, const unsigned char[::1] cy,
                  const unsigned char[::1] cz, int colours, int[:, :, ::1] row,
                  int[::1] start):
    """Rows of the first coarse level, sorted by colour of the block, then by root.

    A voxel without any link is left out (row -1): the finest level solves it exactly.
    """
    cdef int nx = root.shape[0] - 2, ny = root.shape[1] - 2, nz = root.shape[2] - 2
    cdef int x, y, z, r, c
    cdef int n[4]
    cdef int k[4]
    cdef Py_ssize_t sy = nz + 2, sx = (nz + 2) * (ny + 2), v
    cdef const int* root_ = &root[0, 0, 0]
    cdef int* row_ = &row[0, 0, 0]
    with nogil:
        for c in range(4):
            n[c] = 0
        for x in range(nx):
            for y in range(ny):
                for z in range(nz):
                    v = (x + 1) * sx + (y + 1) * sy + z + 1
                    if root_[v] == v and links[x + 1, y + 1, z + 1]:
                        n[(cx[x >> 1] + cy[y >> 1] + cz[z >> 1]) % colours] += 1
        k[0] = 0
        for c in range(1, 4):
            k[c] = k[c - 1] + n[c - 1]
        for c in range(4):
            start[c] = k[c]
        for v in range(sx * (nx + 2)):
            row_[v] = -1
        for x in range(nx):
            for y in range(ny):
                for z in range(nz):
                    v = (x + 1) * sx + (y + 1) * sy + z + 1
                    r = root_[v]
                    if r < 0 or not links[x + 1, y + 1, z + 1]:
                        continue
                    if r == v:
                        c = (cx[x >> 1] + cy[y >> 1] + cz[z >> 1]) % colours
                        row_[v] = k[c]
                        k[c] += 1
                    else:
                        row_[v] = row_[r]


def gather_children(const int[::1] row, int[::1] start, int[::1] child):
    """Counting sort: the members of row i are child[start[i]:start[i + 1]], ascending.

    `start` has one entry more than there are rows; a member with row -1 belongs to none.
    """
    cdef Py_ssize_t i, rows = start.shape[0] - 1
    cdef int total = 0, count
    with nogil:
        for i in range(rows + 1):
            start[i] = 0
        for i in range(row.shape[0]):
            if row[i] >= 0:
                start[row[i]] += 1
        for i in range(rows + 1):
            count = start[i]
            start[i] = total
            total += count
        for i in range(row.shape[0]):
            if row[i] >= 0:
                child[start[row[i]]] = <int>i
                start[row[i]] += 1
        for i in range(rows, 0, -1):
            start[i] = start[i - 1]
        start[0] = 0


def join_voxels(const int[:, :, ::1] row, const float[:, :, ::1] kx, const float[:, :, ::1] ky,
                const float[:, :, ::1] kz, const int[::1] start, const int[::1] child,
                float scale, int[::1] mark, int[::1] ptr, int[::1] idx, float[::1] val):
    """Edges between the first coarse rows; with an empty `idx` only their number goes to `ptr`.

    `kx` and its fellows are empty on a binary mask, where every link has conductance one.
    """
    cdef Py_ssize_t sy = row.shape[2], sx = row.shape[2] * row.shape[1], v, p
    cdef Py_ssize_t rows = start.shape[0] - 1
    cdef int i, j, d, first, end = 0
    cdef bint unit = kx.shape[0] == 0, fill = idx.shape[0] > 0
    cdef const int* r = &row[0, 0, 0]
    cdef const float* k[3]
    cdef Py_ssize_t step[3]
    cdef Py_ssize_t away
    cdef int side
    cdef float weight
    if not unit:
        k[0] = &kx[0, 0, 0]
        k[1] = &ky[0, 0, 0]
        k[2] = &kz[0, 0, 0]
    step[0] = sx
    step[1] = sy
    step[2] = 1
    with nogil:
        for i in range(rows):
            mark[i] = -1
        for i in range(rows):
            first = end
            ptr[i] = end
            for p in range(start[i], start[i + 1]):
                v = child[p]
                for d in range(3):
                    for side in range(2):
                        away = v + step[d] if side else v - step[d]
                        j = r[away]
                        if j < 0 or j == i:
                            continue
                        if mark[j] < first:
                            mark[j] = end
                            if fill:
                                idx[end] = j
                                val[end] = 0.0
                            end += 1
                        if fill:
                            weight = 1.0 if unit else k[d][away if side else v]
                            val[mark[j]] += scale * weight
        ptr[rows] = end


def label_rows(const int[::1] ptr, const int[::1] idx, const long long[::1] block, int[::1] root):
    """Root = smallest row joined to it inside its block; -1 for a row without edges."""
    cdef int i, p, n = <int>block.shape[0]
    with nogil:
        for i in range(n):
            root[i] = i if ptr[i + 1] > ptr[i] else -1
        for i in range(n):
            for p in range(ptr[i], ptr[i + 1]):
                if idx[p] > i and block[idx[p]] == block[i]:
                    join(&root[0], i, idx[p])
        for i in range(n):
            if root[i] >= 0:
                root[i] = find(&root[0], i)


def join_rows(const int[::1] row, const int[::1] fine_ptr, const int[::1] fine_idx,
              const float[::1] fine_val, const int[::1] start, const int[::1] child, float scale,
              int[::1] mark, int[::1] ptr, int[::1] idx, float[::1] val):
    """Edges between coarse rows; with an empty `idx` only their number goes to `ptr`."""
    cdef Py_ssize_t rows = start.shape[0] - 1, p, q
    cdef int i, j, first, end = 0
    cdef bint fill = idx.shape[0] > 0
    with nogil:
        for i in range(rows):
            mark[i] = -1
        for i in range(rows):
            first = end
            ptr[i] = end
            for p in range(start[i], start[i + 1]):
                for q in range(fine_ptr[child[p]], fine_ptr[child[p] + 1]):
                    j = row[fine_idx[q]]
                    if j == i:
                        continue
                    if mark[j] < first:
                        mark[j] = end
                        if fill:
                            idx[end] = j
                            val[end] = 0.0
                        end += 1
                    if fill:
                        val[mark[j]] += scale * fine_val[q]
        ptr[rows] = end
