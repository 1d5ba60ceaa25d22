"""Compiled half of ``network.py``: edges in series, conjugate gradients, solute downstream.

One thread each, so that every sum has one order. `tail` and `head` are the nodes of an edge.
"""

from libc.math cimport exp, expm1, fabs, fmax
from libc.string cimport memset

cdef enum:
    REPLACED = 40      # true residuals taken before a solve counts as stalled
cdef double ROUNDING = 8 * 2.0**-52


def chains(const int[::1] tail, const int[::1] head, const int[::1] start, const int[::1] link,
           const int[::1] ends, const int[::1] number, const double[::1] conductance,
           int[::1] first, int[::1] last, double[::1] series,
           int[::1] chain, signed char[::1] sense, int[::1] inside, double[::1] share):
    """Edges in series become one: from each end through nodes of two edges to another end.

    `ends` are nodes, numbered -1 elsewhere. Writes per chain its end nodes (as numbers) and
    conductance, per edge its `chain` and whether it points along it, per inner node the chain it
    is `inside` and the share of the resistance before it. Returns the number of chains.
    """
    cdef Py_ssize_t k, a
    cdef int count = 0, u, v, e, side
    cdef double resistance
    with nogil:
        for k in range(ends.shape[0]):
            for a in range(start[ends[k]], start[ends[k] + 1]):
                e = link[a]
                if chain[e] >= 0:
                    continue
                u = ends[k]
                resistance = 0
                while True:
                    chain[e] = count
                    sense[e] = 1 if tail[e] == u else -1
                    resistance += 1 / conductance[e]
                    v = head[e] if tail[e] == u else tail[e]
                    if number[v] >= 0:
                        break
                    inside[v] = count
                    share[v] = resistance
                    side = link[start[v]]
                    e = link[start[v] + 1] if side == e else side
                    u = v
                first[count] = <int>k
                last[count] = number[v]
                series[count] = 1 / resistance
                count += 1
        for k in range(inside.shape[0]):
            if inside[k] >= 0:
                share[k] *= series[inside[k]]
    return count


cdef inline void apply(const int[::1] first, const int[::1] last, const double[::1] g,
                       Py_ssize_t c0, Py_ssize_t c1, const double[::1] p, double[::1] out,
                       Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """out = what flows into each node, sum of g (p_j - p_i)."""
    cdef Py_ssize_t c
    cdef double q
    memset(&out[n0], 0, (n1 - n0) * sizeof(double))
    for c in range(c0, c1):
        q = g[c] * (p[first[c]] - p[last[c]])
        out[first[c]] -= q
        out[last[c]] += q


cdef inline double supply(const unsigned char[::1] held, const double[::1] into,
                          Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """What the held nodes feed."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n0, n1):
        if held[i] and into[i] < 0:
            total -= into[i]
    return total


cdef inline double weighted(const double[::1] r, const double[::1] inverse,
                            Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n0, n1):
        total += r[i] * r[i] * inverse[i]
    return total


def pressures(const int[::1] node_start, const int[::1] chain_start, const int[::1] first,
              const int[::1] last, const double[::1] g, const unsigned char[::1] held,
              double[::1] p, double[::1] q, double tolerance, double[:, ::1] work):
    """Conjugate gradients, preconditioned by the diagonal, one block after the other.

    `p` holds the held pressures and takes the others; `q` takes the flow of each chain. A block
    is solved between 0 (its lowest held pressure) and 1, until no free node keeps more than
    `tolerance` of what the block is fed, or than rounding leaves. Returns the iterations, and
    the largest share that a node keeps.
    """
    cdef double[::1] r = work[0], d = work[1], y = work[2], inverse = work[3]
    cdef Py_ssize_t b, i, c, n0, n1, c0, c1
    cdef long long spent = 0, most
    cdef int replaced, free
    cdef double low, high, span, total, worst, floor_, target, rz, before, dy, a, left = 0
    with nogil:
        for b in range(node_start.shape[0] - 1):
            n0, n1 = node_start[b], node_start[b + 1]
            c0, c1 = chain_start[b], chain_start[b + 1]
            low = high = 0
            free = 0
            for i in range(n0, n1):
                inverse[i] = 0
                if not held[i]:
                    free += 1
            for i in range(n0, n1):
                if held[i]:
                    low = high = p[i]
                    break
            for i in range(n0, n1):
                if held[i]:
                    low = p[i] if p[i] < low else low
                    high = p[i] if p[i] > high else high
            span = high - low
            if span == 0:
                for i in range(n0, n1):
                    p[i] = low
                for c in range(c0, c1):
                    q[c] = 0
                continue
            for c in range(c0, c1):
                inverse[first[c]] += g[c]
                inverse[last[c]] += g[c]
            floor_ = 0
            for i in range(n0, n1):
                floor_ = fmax(floor_, ROUNDING * inverse[i])
                if held[i]:
                    p[i] = (p[i] - low) / span
                    inverse[i] = d[i] = 0
                else:
                    p[i] = 0.5
                    inverse[i] = 1 / inverse[i]
            most = spent + 1000 + 20 * <long long>free
            replaced = 0
            while True:
                # The true residual; the one that is carried along drifts from it.
                apply(first, last, g, c0, c1, p, r, n0, n1)
                total = supply(held, r, n0, n1)
                worst = 0
                for i in range(n0, n1):
                    if held[i]:
                        r[i] = 0
                    d[i] = r[i] * inverse[i]
                    worst = fmax(worst, fabs(r[i]))
                target = fmax(tolerance * total, floor_)
                if worst <= target or replaced == REPLACED or spent >= most:
                    break
                replaced += 1
                rz = weighted(r, inverse, n0, n1)
                while spent < most:
                    apply(first, last, g, c0, c1, d, y, n0, n1)
                    dy = 0
                    for i in range(n0, n1):
                        if not held[i]:
                            dy -= d[i] * y[i]
                    if not dy > 0:
                        break
                    a = rz / dy
                    spent += 1
                    worst = 0
                    for i in range(n0, n1):
                        if not held[i]:
                            p[i] += a * d[i]
                            r[i] += a * y[i]
                            worst = fmax(worst, fabs(r[i]))
                    if worst <= target:
                        # The supply was that of an earlier iterate.
                        apply(first, last, g, c0, c1, p, y, n0, n1)
                        target = fmax(tolerance * supply(held, y, n0, n1), floor_)
                        if worst <= target:
                            break
                    before = rz
                    rz = weighted(r, inverse, n0, n1)
                    for i in range(n0, n1):
                        d[i] = r[i] * inverse[i] + (rz / before) * d[i]
            left = fmax(left, worst / total)
            for c in range(c0, c1):
                q[c] = g[c] * (p[first[c]] - p[last[c]]) * span
            for i in range(n0, n1):
                p[i] = low + span * p[i]
    return spent, left


def hang(const int[::1] order, const int[::1] parent, double[::1] pressure):
    """A node that no flow reaches takes the pressure of where it hangs."""
    cdef Py_ssize_t k
    with nogil:
        for k in range(order.shape[0]):
            if pressure[order[k]] != pressure[order[k]]:
                pressure[order[k]] = pressure[parent[order[k]]]


def carry(const int[::1] tail, const int[::1] head, const int[::1] start, const int[::1] link,
          const double[::1] flow, const double[::1] fed, const double[::1] loss,
          const double[::1] outside, double[::1] node, double[::1] mean, double[::1] lost,
          int[::1] waiting, int[::1] queue):
    """Concentrations downstream: a node mixes all that flows into it, an edge loses to outside.

    `node` holds what enters a node from beyond the network, `fed` how much of it flows in; both
    are overwritten where something flows. Returns how many nodes were not reached because what
    feeds them runs in a circle.
    """
    cdef Py_ssize_t e, i, a, n = node.shape[0], m = tail.shape[0]
    cdef int done = 0, last = 0, left = 0, u, v
    cdef double q, into, solute, turn
    with nogil:
        for i in range(n):
            waiting[i] = 0
        for e in range(m):
            if flow[e] != 0 and tail[e] != head[e]:
                waiting[head[e] if flow[e] > 0 else tail[e]] += 1
        for i in range(n):
            if waiting[i] == 0 and start[i + 1] > start[i]:
                queue[last] = <int>i
                last += 1
            elif waiting[i] > 0:
                left += 1
        while done < last:
            u = queue[done]
            done += 1
            into = fed[u]
            solute = fed[u] * node[u] if fed[u] > 0 else 0
            for a in range(start[u], start[u + 1]):
                e = link[a]
                q = flow[e] if head[e] == u else -flow[e]
                if q > 0:
                    v = tail[e] if head[e] == u else head[e]
                    into += q
                    solute += q * (outside[e] + (node[v] - outside[e]) * exp(-loss[e] / q))
            node[u] = solute / into if into > 0 else 0
            for a in range(start[u], start[u + 1]):
                e = link[a]
                q = flow[e] if tail[e] == u else -flow[e]
                if q <= 0:
                    continue
                turn = loss[e] / q
                lost[e] = -q * (node[u] - outside[e]) * expm1(-turn)
                mean[e] = outside[e] + (node[u] - outside[e]) * (
                    -expm1(-turn) / turn if turn > 0 else 1)
                v = head[e] if tail[e] == u else tail[e]
                waiting[v] -= 1
                if waiting[v] == 0:
                    queue[last] = v
                    last += 1
                    left -= 1
    return left
