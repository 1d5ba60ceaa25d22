"""Compiled half of ``graph.py``: walks over the nodes and edges of a network.

`tail` and `head` are the nodes of an edge. Nothing here allocates or raises, and all runs on one thread.
"""

from libc.string cimport memset


def adjacency(const int[::1] tail, const int[::1] head, const unsigned char[::1] used,
              int[::1] start, int[::1] link):
    """Edges of node i are ``link[start[i]:start[i + 1]]``, ascending; loops count as unused."""
    cdef Py_ssize_t e, n = start.shape[0] - 1, m = tail.shape[0], i
    with nogil:
        memset(&start[0], 0, (n + 1) * sizeof(int))
        for e in range(m):
            if used[e] and tail[e] != head[e]:
                start[tail[e]] += 1
                start[head[e]] += 1
        for i in range(n):
            start[i + 1] += start[i]
        # `start` holds the ends now; filling backwards leaves the beginnings
        for e in range(m - 1, -1, -1):
            if used[e] and tail[e] != head[e]:
                start[tail[e]] -= 1
                link[start[tail[e]]] = <int>e
                start[head[e]] -= 1
                link[start[head[e]]] = <int>e


def pieces(const int[::1] tail, const int[::1] head, int[::1] piece):
    """Number of the connected piece of each node, in the order of their first nodes; how many."""
    cdef Py_ssize_t e, i, n = piece.shape[0]
    cdef int count = 0
    with nogil:
        for i in range(n):
            piece[i] = <int>i
        for e in range(tail.shape[0]):
            join(&piece[0], tail[e], head[e])
        for i in range(n):  # a piece is led by its first node
            if piece[i] == i:
                piece[i] = count
                count += 1
            else:
                piece[i] = piece[piece[i]]
    return count


cdef inline int ancestor(int* piece, int u) noexcept nogil:
    """The node that leads a piece; what is passed then points past half of the way."""
    while piece[u] != u:
        piece[u] = piece[piece[u]]
        u = piece[u]
    return u


cdef inline void join(int* piece, int u, int v) noexcept nogil:
    """Make one of two pieces, led by the lower node."""
    u, v = ancestor(piece, u), ancestor(piece, v)
    if u < v:
        piece[v] = u
    else:
        piece[u] = v


def segments(const int[::1] tail, const int[::1] head, const unsigned char[::1] held,
             unsigned char[::1] inner, int[::1] piece, int[::1] number, int[::1] segment,
             int[::1] first, int[::1] last):
    """Edges in series become one: those between nodes that join just two edges and are not held.

    Writes per edge the `segment` that it is part of, -1 in a ring with no other node; per segment
    the nodes at its ends, as numbers; and the `number` of each such node, from 0 on, -1 of those
    that no edge joins (of `inner` ones it means nothing). Returns how many segments and nodes
    there are.
    """
    cdef Py_ssize_t e, i, n = piece.shape[0], m = tail.shape[0]
    cdef int u, v, at, lead, count = 0, nodes = 0
    with nogil:
        for i in range(n):
            piece[i] = <int>i
            number[i] = 0
        for e in range(m):
            number[tail[e]] += 1
            number[head[e]] += 1
        for i in range(n):
            inner[i] = number[i] == 2 and not held[i]
            number[i] = -1
        for e in range(m):
            if inner[tail[e]] and inner[head[e]]:
                join(&piece[0], tail[e], head[e])
        for e in range(m):
            u, v = tail[e], head[e]
            if inner[u] and inner[v]:
                continue
            if inner[v]:
                u, v = v, u
            if number[v] < 0:
                number[v] = nodes
                nodes += 1
            if not inner[u]:
                if number[u] < 0:
                    number[u] = nodes
                    nodes += 1
                first[count], last[count] = number[u], number[v]
                segment[e] = count
                count += 1
                continue
            lead = ancestor(&piece[0], u)
            at = number[lead]
            if at < 0:
                at = number[lead] = count
                first[at] = number[v]
                count += 1
            else:
                last[at] = number[v]
            segment[e] = at
        for e in range(m):
            if inner[tail[e]] and inner[head[e]]:
                segment[e] = number[ancestor(&piece[0], tail[e])]
    return count, nodes


def walk(const int[::1] tail, const int[::1] head, const int[::1] start, const int[::1] link,
         const int[::1] roots, int[::1] order, int[::1] rank, int[::1] low, int[::1] parent,
         int[::1] by, int[::1] at, int[::1] block):
    """Depth-first from a virtual node that is joined to every root.

    Writes the nodes in `order` of discovery, their `rank` in it (-1 where no root is reached),
    `parent` and the edge `by` which they were found (-1 below the virtual node), and `block`:
    the number of the biconnected component that holds the virtual node and the edge to the
    parent, -1 if that component does not hold the virtual node. Returns how many were found.
    """
    cdef Py_ssize_t n = rank.shape[0], k, i
    cdef int found = 0, blocks = 0, u, v, e
    with nogil:
        for i in range(n):
            rank[i] = -1
            low[i] = <int>n
            block[i] = -1
        for k in range(roots.shape[0]):
            low[roots[k]] = -1                  # reaches the virtual node, which ranks first
        for k in range(roots.shape[0]):
            u = roots[k]
            if rank[u] >= 0:
                continue
            parent[u] = by[u] = -1
            at[u] = start[u]
            rank[u] = found
            order[found] = u
            found += 1
            while u >= 0:
                if at[u] == start[u + 1]:
                    v = u
                    u = parent[v]
                    if u >= 0 and low[v] < low[u]:
                        low[u] = low[v]
                    continue
                e = link[at[u]]
                at[u] += 1
                if e == by[u]:
                    continue
                v = tail[e] if head[e] == u else head[e]
                if rank[v] < 0:
                    parent[v] = u
                    by[v] = e
                    at[v] = start[v]
                    rank[v] = found
                    order[found] = v
                    found += 1
                    u = v
                elif rank[v] < low[u]:
                    low[u] = rank[v]
        for i in range(found):
            v = order[i]
            u = parent[v]
            if u < 0:
                block[v] = blocks
                blocks += 1
            elif low[v] < rank[u]:
                block[v] = block[u]
    return found
