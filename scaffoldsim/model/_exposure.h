/* Exposed area of a partly solid voxel: one law for dissolution and for resorption.

   A / h² is the sum over the six faces of max(0, f_i - f_j) |n_a|. Where f is 0 or 1 this counts the
   faces between solid and pore, each by the share of it that looks along the surface: counting whole
   faces makes the area of a sphere 1.5 times too large, however fine the voxels. The difference
   keeps the total while a voxel empties and the next one opens. The faces of the box expose nothing,
   unless they are periodic: the voxel beyond is like the one before.

   n is the unit normal at the face: the mean of the gradients of f (Youngs: 3 x 3 x 3 voxels, with
   weights 1, 2, 1) on its two sides. The gradient of the solid side alone vanishes in a wall one
   voxel thick. On spheres the area is right within 3 % for f of 0 or 1, .3 % for partly solid. */
#ifndef SCAFFOLDSIM_EXPOSURE_H
#define SCAFFOLDSIM_EXPOSURE_H

/* squared gradient of an even surround: rounding of single precision, no normal */
#define SCAFFOLDSIM_NO_NORMAL 1e-6f
#include <math.h>
#include <stddef.h>

#ifdef __GNUC__
#define SCAFFOLDSIM_INLINE static inline __attribute__((always_inline))
#else
#define SCAFFOLDSIM_INLINE static inline
#endif

/* A fraction per voxel in C order, and which axes are periodic. */
typedef struct {
    const float *f;
    ptrdiff_t n[3];
    int periodic[3];
} exposure_box;

/* The voxel beside voxel i of an axis; i itself beyond a face that is not periodic. */
static inline ptrdiff_t exposure_beside(const exposure_box *box, int axis, ptrdiff_t i, int step)
{
    const ptrdiff_t n = box->n[axis], j = i + step;
    if (j >= 0 && j < n)
        return j;
    return box->periodic[axis] ? (j + n) % n : i;
}

/* Rows along z through the voxels around one, which is [2][2]: how they are weighed across the row,
   and along it. Those that one gradient has in common with the next are summed once. */
typedef struct {
    float sum[5][5];
    float rise[5][5];
} exposure_rows;

/* Fill rows [i0 .. i1][j0 .. j1], around the z of the offsets `z[-1 .. 1]`. */
SCAFFOLDSIM_INLINE void exposure_sum(
    exposure_rows *rows, const float *f, const ptrdiff_t *x, const ptrdiff_t *y,
    const ptrdiff_t *z, int i0, int i1, int j0, int j1)
{
    for (int i = i0; i <= i1; i++)
        for (int j = j0; j <= j1; j++) {
            const float *row = f + x[i] + y[j];
            const float below = row[z[-1]], above = row[z[1]];
            rows->sum[i][j] = below + 2.0f * row[z[0]] + above;
            rows->rise[i][j] = above - below;
        }
}

/* 32 times the gradient of f, per voxel, at [i][j]. */
SCAFFOLDSIM_INLINE void exposure_gradient(const exposure_rows *rows, int i, int j, float *gradient)
{
    const float *a = &rows->sum[i - 1][j], *b = &rows->sum[i][j], *c = &rows->sum[i + 1][j];
    const float *d = &rows->rise[i - 1][j], *e = &rows->rise[i][j], *g = &rows->rise[i + 1][j];
    gradient[0] = c[-1] - a[-1] + 2.0f * (c[0] - a[0]) + (c[1] - a[1]);
    gradient[1] = a[1] - a[-1] + 2.0f * (b[1] - b[-1]) + (c[1] - c[-1]);
    gradient[2] = d[-1] + d[1] + (g[-1] + g[1]) + 2.0f * (d[0] + e[-1] + e[1] + g[0]) + 4.0f * e[0];
}

/* A / h² of voxel (x, y, z). */
static inline double exposed_area(
    const exposure_box *box, ptrdiff_t x, ptrdiff_t y, ptrdiff_t z)
{
    const ptrdiff_t here[3] = {x, y, z};
    const ptrdiff_t stride[3] = {box->n[1] * box->n[2], box->n[2], 1};
    const float *f = box->f;
    const float own = f[x * stride[0] + y * stride[1] + z];
    ptrdiff_t at[3][5]; /* offsets along each axis, of the two voxels before to the two behind */
    float jump[3][2], mine[3], next[3], area = 0.0f;
    exposure_rows rows, beside;
    int any = 0;
    if (own <= 0.0f)
        return 0.0;
    for (int a = 0; a < 3; a++) {
        const ptrdiff_t before = exposure_beside(box, a, here[a], -1);
        const ptrdiff_t behind = exposure_beside(box, a, here[a], 1);
        at[a][0] = exposure_beside(box, a, before, -1) * stride[a];
        at[a][1] = before * stride[a];
        at[a][2] = here[a] * stride[a];
        at[a][3] = behind * stride[a];
        at[a][4] = exposure_beside(box, a, behind, 1) * stride[a];
    }
    const ptrdiff_t middle = at[0][2] + at[1][2] + at[2][2];
    for (int a = 0; a < 3; a++)
        for (int side = 0; side < 2; side++) {
            jump[a][side] = own - f[middle - at[a][2] + at[a][1 + 2 * side]];
            any |= jump[a][side] > 0.0f;
        }
    if (!any)
        return 0.0;
    exposure_sum(&rows, f, at[0], at[1], &at[2][2], 1, 3, 1, 3);
    exposure_gradient(&rows, 2, 2, mine);
    for (int a = 0; a < 3; a++)
        for (int side = 0; side < 2; side++) {
            if (jump[a][side] <= 0.0f)
                continue;
            /* bounds in numbers, so that compilers unroll */
            switch (2 * a + side) {
            case 0:
                exposure_sum(&rows, f, at[0], at[1], &at[2][2], 0, 0, 1, 3);
                exposure_gradient(&rows, 1, 2, next);
                break;
            case 1:
                exposure_sum(&rows, f, at[0], at[1], &at[2][2], 4, 4, 1, 3);
                exposure_gradient(&rows, 3, 2, next);
                break;
            case 2:
                exposure_sum(&rows, f, at[0], at[1], &at[2][2], 1, 3, 0, 0);
                exposure_gradient(&rows, 2, 1, next);
                break;
            case 3:
                exposure_sum(&rows, f, at[0], at[1], &at[2][2], 1, 3, 4, 4);
                exposure_gradient(&rows, 2, 3, next);
                break;
            default:
                exposure_sum(&beside, f, at[0], at[1], &at[2][1 + 2 * side], 1, 3, 1, 3);
                exposure_gradient(&beside, 2, 2, next);
            }
            float square = 0.0f;
            for (int b = 0; b < 3; b++) {
                next[b] += mine[b];
                square += next[b] * next[b];
            }
            /* a slit one voxel wide in a wall one voxel thick: no normal, and the whole face */
            area += square > SCAFFOLDSIM_NO_NORMAL ? jump[a][side] * fabsf(next[a]) / sqrtf(square) : jump[a][side];
        }
    return area;
}
#endif
