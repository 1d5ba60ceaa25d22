/* What the row kernels of the reaction-diffusion solver share: all that runs along z in one go.

   Each is compiled for three instruction sets and the loader picks one. No operation is contracted
   or reordered, so all of them give the same bits. Row pointers point at the first interior voxel
   of a padded row; sx and sy are the strides of a plane and of a row. */
#ifndef SCAFFOLDSIM_ROWS_H
#define SCAFFOLDSIM_ROWS_H
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__)              \
    && defined(__GLIBC__)
#define ROW                                                                                        \
    __attribute__((unused, target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"))) static
#elif defined(__GNUC__)
#define ROW __attribute__((unused)) static
#else
#define ROW static
#endif
#define INLINE static inline __attribute__((always_inline))
#define CHUNK 256 /* of BYTE_LANES; even, so that pairs stay together */

typedef unsigned char row_byte;

/* Counters are as wide as addresses: Python's flags let narrower ones wrap (-fwrapv), and a loop
   over what may wrap is not vectorised. */

/* A loop may run on to a whole number of vectors: a scalar remainder would take a third of the time
   of a row of 100. What it reads and writes behind a row of at least LANES are its ghost, the next
   row's, and the beginning of the next row, which always exist; ghosts are set once a plane is
   done. */
#define LANES 16
#define WHOLE(n) ((n) < LANES ? (n) : ((n) + LANES - 1) & ~(LANES - 1))

/* Bytes as numbers of four bytes, a whole vector of bytes at a time: its remainder would be done one
   by one. So a row of at least LANES runs on by up to BYTE_LANES - 1, which exist as above; OUT has
   room for them. */
#define BYTE_LANES 64
#define BYTES(OUT, VALUE)                                                                          \
    if (n < LANES)                                                                                 \
        for (ptrdiff_t i = 0; i < n; i++)                                                          \
            OUT[i] = VALUE;                                                                        \
    else                                                                                           \
        for (ptrdiff_t a = 0; a < n; a += BYTE_LANES)                                              \
            for (ptrdiff_t i = a; i < a + BYTE_LANES; i++)                                         \
                OUT[i] = VALUE;

INLINE void widen(float *restrict out, const row_byte *in, int n)
{
    BYTES(out, (float)in[i])
}

/* A byte of links: how many there are, and which of them lead to lower x, y and z. */
#define LINKS 7
#define LINK_X 8
#define LINK_Y 16
#define LINK_Z 32

INLINE void count(float *restrict out, const row_byte *links, int n)
{
    BYTES(out, (float)(links[i] & LINKS))
}

/* 1 where a row's member is its block's and free, else 0. */
INLINE void gate(float *restrict out, const row_byte *part, int n)
{
    BYTES(out, (float)(part[i] == 1))
}

/* Returns the sum over a row of what VALUE is at i, in eight lanes. */
#define SUM(VALUE)                                                                                 \
    double sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                                      \
    ptrdiff_t whole = n & ~7;                                                                      \
    for (ptrdiff_t from = 0; from < whole; from += 8)                                              \
        for (ptrdiff_t j = 0; j < 8; j++) {                                                        \
            ptrdiff_t i = from + j;                                                                \
            sum[j] += VALUE;                                                                       \
        }                                                                                          \
    for (ptrdiff_t i = whole; i < n; i++)                                                          \
        sum[i & 7] += VALUE;                                                                       \
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
#endif
