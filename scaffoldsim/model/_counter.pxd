"""Compiled twin of ``counter.py``: the same numbers, bit for bit."""

ctypedef unsigned long long word


cdef inline word mix(word z) noexcept nogil:
    z = (z ^ (z >> 30)) * <word>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <word>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline word bits(long long id, word a, word b) noexcept nogil:
    return mix(mix(<word>id + a) ^ b)


cdef inline double uniform(long long id, word a, word b) noexcept nogil:
    return <double>(bits(id, a, b) >> 11) * (1.0 / 9007199254740992.0)
