/* What `_matrix.pyx` does with all voxels of a row along z in one go, and how it rounds.

   Rows are compiled for two instruction sets, of which the loader picks one; no operation is contracted or
   reordered, so both give the same bits. */
#ifndef SCAFFOLDSIM_MATRIX_ROWS_H
#define SCAFFOLDSIM_MATRIX_ROWS_H
#include <stddef.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) \
    && defined(__GLIBC__)
#define ROW __attribute__((unused, target_clones("default", "arch=x86-64-v3"))) static
#elif defined(__GNUC__)
#define ROW __attribute__((unused)) static
#else
#define ROW static
#endif

/* A number as single precision stores it. The books need it, and GCC 12 drops the rounding where it
   makes pairs of such numbers vectors and they become double again; so they go through memory. */
static inline float stored(double value)
{
    volatile float kept = (float)value;
    return kept;
}

/* Bits of what a voxel is to an osteoblast. */
#define SURFACE 1 /* filled to ENTER: cells and osteoid find hold on it */
#define BARRED 2  /* scaffold: nothing is laid into it */
#define VISITED 4 /* holds a motile cell: never filled to ENTER */

/* The fraction f = scaffold + covered of each voxel, and what it is. */
ROW void fraction_row(
    float *restrict f, unsigned char *restrict kind, const float *restrict scaffold,
    const float *restrict covered, const unsigned char *restrict occupied, float enter, ptrdiff_t n)
{
    for (ptrdiff_t z = 0; z < n; z++) {
        const float sum = scaffold[z] + covered[z];
        f[z] = sum;
        kind[z] = (unsigned char)((sum >= enter ? SURFACE : 0)
                                  | (scaffold[z] >= enter ? BARRED : 0)
                                  | (occupied[z] ? VISITED : 0));
    }
}

/* Room for osteoid in a voxel. */
static inline float room(unsigned char kind, float f, float full, float visited)
{
    const float left = (kind & VISITED ? visited : full) - f;
    return kind & BARRED || left < 0.0f ? 0.0f : left;
}

/* The weight c (1 - f) of each voxel of a row, c = 1 + faces that touch a surface; the rows beside
   it in x and y are given, zeros beyond the box. */
ROW void weight_row(
    float *restrict weight, const unsigned char *restrict kind, const unsigned char *x_below,
    const unsigned char *x_above, const unsigned char *y_below, const unsigned char *y_above,
    const float *restrict f, float full, float visited, int wraps, ptrdiff_t n)
{
    for (ptrdiff_t z = 1; z < n - 1; z++) {
        const unsigned char touching = (unsigned char)(
            1 + (x_below[z] & SURFACE) + (x_above[z] & SURFACE) + (y_below[z] & SURFACE)
            + (y_above[z] & SURFACE) + (kind[z - 1] & SURFACE) + (kind[z + 1] & SURFACE));
        weight[z] = (float)touching * room(kind[z], f[z], full, visited);
    }
    for (ptrdiff_t z = 0; z < n; z += n > 1 ? n - 1 : 1) {
        int touching = 1 + (x_below[z] & SURFACE) + (x_above[z] & SURFACE) + (y_below[z] & SURFACE)
                       + (y_above[z] & SURFACE);
        if (z > 0 || wraps)
            touching += kind[z > 0 ? z - 1 : n - 1] & SURFACE;
        if (z < n - 1 || wraps)
            touching += kind[z < n - 1 ? z + 1 : 0] & SURFACE;
        weight[z] = (float)touching * room(kind[z], f[z], full, visited);
    }
}
#endif
