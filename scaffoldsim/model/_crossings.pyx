# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled half of ``crossings.py``: lists of the edges in each voxel, and what tips meet there.

An entry of a list is a place in the table of voxels per edge: edge × slots + slot. `first` holds the
head of each voxel's list, `following` what comes after each entry, -1 at the end. Nothing here
allocates or raises, and all runs on one thread.
"""


def enlist(const int[:, ::1] voxels, Py_ssize_t start, int[::1] first, int[:, ::1] following):
    """Put edges from `start` on before the others in the lists of their voxels."""
    cdef Py_ssize_t edge, slot, slots = voxels.shape[1]
    cdef int voxel
    for edge in range(start, voxels.shape[0]):
        for slot in range(slots):
            voxel = voxels[edge, slot]
            if voxel >= 0:
                following[edge, slot] = first[voxel]
                first[voxel] = <int>(edge * slots + slot)


def unlist(const int[:, ::1] voxels, int[::1] first):
    """Empty the lists of the voxels of edges."""
    cdef Py_ssize_t edge, slot
    for edge in range(voxels.shape[0]):
        for slot in range(voxels.shape[1]):
            if voxels[edge, slot] >= 0:
                first[voxels[edge, slot]] = -1


def hand_over(
    const int[:, ::1] voxels, Py_ssize_t edge, Py_ssize_t slot, int[::1] first,
    int[:, ::1] following,
):
    """Give the entries of `edge` after `slot` to the last edge, whose voxels begin at that slot."""
    cdef Py_ssize_t other = voxels.shape[0] - 1, slots = voxels.shape[1], k, old
    cdef int voxel
    cdef int* entry
    for k in range(1, slots - slot):
        voxel = voxels[other, k]
        if voxel < 0:
            continue
        old = edge * slots + slot + k
        entry = &first[voxel]
        while entry[0] != old:
            entry = &following[0, 0] + entry[0]
        entry[0] = <int>(other * slots + k)
        following[other, k] = following[edge, slot + k]
    voxel = voxels[other, 0]
    following[other, 0] = first[voxel]
    first[voxel] = <int>(other * slots)


cdef int meets(
    int voxel, int node, int after, int own, const int[::1] parent, const long long[::1] tree,
    const int[:, ::1] ends, const int[::1] first, const int[:, ::1] following,
) noexcept nogil:
    """The first edge after `after` in a voxel that is none of the tip's own, -1 if there is none."""
    cdef int slots = <int>following.shape[1], best = -1, entry = first[voxel], edge, k, back
    while entry >= 0:
        edge = entry // slots
        entry = following[edge, entry % slots]
        if edge <= after or (best >= 0 and edge > best):
            continue
        if tree[node] >= 0 and tree[node] == tree[ends[edge, 0]]:
            continue
        back = node
        for k in range(own):
            if back < 0 or back == ends[edge, 0] or back == ends[edge, 1]:
                break
            back = parent[back]
        else:
            back = -1
        if back < 0:
            best = edge
    return best


def met(
    const int[::1] voxel, const int[::1] node, int after, int own, const int[::1] parent,
    const long long[::1] tree, const int[:, ::1] ends, const int[::1] first,
    const int[:, ::1] following, int[::1] out,
):
    """The first edge after `after` that each tip may join where it is, -1 if there is none."""
    cdef Py_ssize_t tip
    for tip in range(voxel.shape[0]):
        out[tip] = meets(
            voxel[tip], node[tip], after, own, parent, tree, ends, first, following
        )
