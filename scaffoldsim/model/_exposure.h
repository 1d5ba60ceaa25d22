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
#include <math.h>
#include <stddef.h>

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

/* 32 times the gradient of f, per voxel, at voxel (x, y, z). */
static inline void exposure_gradient(
    const exposure_box *box, ptrdiff_t x, ptrdiff_t y, ptrdiff_t z, float *gradient)
{
    const ptrdiff_t below = exposure_beside(box, 2, z, -1), above = exposure_beside(box, 2, z, 1);
    float along[3] = {0, 0, 0};
    for (int i = -1; i <= 1; i++) {
        const ptrdiff_t plane = exposure_beside(box, 0, x, i) * box->n[1];
        for (int j = -1; j <= 1; j++) {
            const float *row = box->f + (plane + exposure_beside(box, 1, y, j)) * box->n[2];
            const float sum = row[below] + 2.0f * row[z] + row[above];
            along[0] += (float)(i * (2 - j * j)) * sum;
            along[1] += (float)(j * (2 - i * i)) * sum;
            along[2] += (float)((2 - i * i) * (2 - j * j)) * (row[above] - row[below]);
        }
    }
    for (int a = 0; a < 3; a++)
        gradient[a] = along[a];
}

/* A / h² of voxel (x, y, z). */
static inline double exposed_area(
    const exposure_box *box, ptrdiff_t x, ptrdiff_t y, ptrdiff_t z)
{
    const float here = box->f[(x * box->n[1] + y) * box->n[2] + z];
    float own[3], next[3], area = 0.0f;
    int known = 0;
    if (here <= 0.0f)
        return 0.0;
    for (int axis = 0; axis < 3; axis++)
        for (int step = -1; step <= 1; step += 2) {
            ptrdiff_t at[3] = {x, y, z};
            at[axis] = exposure_beside(box, axis, at[axis], step);
            const float jump = here - box->f[(at[0] * box->n[1] + at[1]) * box->n[2] + at[2]];
            if (jump <= 0.0f)
                continue;
            if (!known) {
                exposure_gradient(box, x, y, z, own);
                known = 1;
            }
            exposure_gradient(box, at[0], at[1], at[2], next);
            float square = 0.0f;
            for (int a = 0; a < 3; a++) {
                next[a] += own[a];
                square += next[a] * next[a];
            }
            /* a slit one voxel wide in a wall one voxel thick: no normal, and the whole face */
            area += square > 0.0f ? jump * fabsf(next[axis]) / sqrtf(square) : jump;
        }
    return area;
}
#endif
