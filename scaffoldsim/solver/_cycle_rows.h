/* Row kernels of the multigrid cycle. */
#ifndef SCAFFOLDSIM_CYCLE_ROWS_H
#define SCAFFOLDSIM_CYCLE_ROWS_H
#include "_rows.h"

/* Smoothing takes a plane at a time: it is called so often that the calls would cost as much as
   the work on a short row. lo, mid and hi are three planes that follow each other along x.

   out = c + w (b - A c) / diagonal; unit conductances, zero in the solid. */
ROW void plane_step_unit(float *restrict out, const float *lo, const float *mid, const float *hi,
                         const float *b, const float *dinv, float w, ptrdiff_t sy, int ny, int n)
{
    float rest = 1.0f - w;
    for (ptrdiff_t y = 0; y < ny; y++) {
        for (ptrdiff_t i = 0; i < WHOLE(n); i++)
            out[i] = rest * mid[i]
                     + w * ((b[i] + ((mid[i - 1] + mid[i + 1]) + (mid[i - sy] + mid[i + sy])
                                     + (lo[i] + hi[i]))) * dinv[i]);
        out += sy, lo += sy, mid += sy, hi += sy, b += sy, dinv += sy;
    }
}

/* The same with conductances: kx[i] belongs to the face towards lower x. */
ROW void plane_step(float *restrict out, const float *lo, const float *mid, const float *hi,
                    const float *b, const float *dinv, const float *kx, const float *ky,
                    const float *kz, float w, ptrdiff_t sx, ptrdiff_t sy, int ny, int n)
{
    float rest = 1.0f - w;
    for (ptrdiff_t y = 0; y < ny; y++) {
        for (ptrdiff_t i = 0; i < WHOLE(n); i++)
            out[i] = rest * mid[i]
                     + w * ((b[i] + ((kz[i] * mid[i - 1] + kz[i + 1] * mid[i + 1])
                                     + (ky[i] * mid[i - sy] + ky[i + sy] * mid[i + sy])
                                     + (kx[i] * lo[i] + kx[i + sx] * hi[i]))) * dinv[i]);
        out += sy, lo += sy, mid += sy, hi += sy, b += sy, dinv += sy;
        kx += sy, ky += sy, kz += sy;
    }
}

/* The first step on an empty field. */
ROW void plane_start(float *restrict out, const float *b, const float *dinv, float w, ptrdiff_t sy,
                     int ny, int n)
{
    for (ptrdiff_t y = 0; y < ny; y++, out += sy, b += sy, dinv += sy)
        for (ptrdiff_t i = 0; i < WHOLE(n); i++)
            out[i] = w * (b[i] * dinv[i]);
}

/* Rows with links off the grid, the slices [from, to) of them (`slices.Slices`). */
#define GATHER(TERM)                                                                               \
    float sum[LANES] = {0};                                                                        \
    for (ptrdiff_t p = ptr[q]; p < ptr[q + 1]; p += LANES)                                         \
        for (ptrdiff_t l = 0; l < LANES; l++)                                                      \
            sum[l] += val[p + l] * (TERM);

ROW void slices_step(float *restrict out, const float *restrict x, const float *restrict b,
                     const float *restrict dinv, const int *row, const int *ptr, const int *idx,
                     const float *val, float w, ptrdiff_t from, ptrdiff_t to)
{
    float rest = 1.0f - w;
    for (ptrdiff_t q = from; q < to; q++) {
        const int *at = row + LANES * q;
        GATHER(x[idx[p + l]])
        for (ptrdiff_t l = 0; l < LANES; l++)
            sum[l] = rest * x[at[l]] + w * ((b[at[l]] + sum[l]) * dinv[at[l]]);
        for (ptrdiff_t l = 0; l < LANES; l++)
            out[at[l]] = sum[l];
    }
}

/* The residual in flux form. */
ROW void slices_defect(float *restrict out, const float *restrict x, const float *restrict b,
                       const float *restrict s, const float *restrict dinv, const int *row,
                       const int *ptr, const int *idx, const float *val, ptrdiff_t from,
                       ptrdiff_t to)
{
    for (ptrdiff_t q = from; q < to; q++) {
        const int *at = row + LANES * q;
        float c[LANES];
        for (ptrdiff_t l = 0; l < LANES; l++)
            c[l] = x[at[l]];
        GATHER(x[idx[p + l]] - c[l])
        for (ptrdiff_t l = 0; l < LANES; l++)
            out[LANES * q + l] = dinv[at[l]] > 0 ? (b[at[l]] - s[at[l]] * c[l]) + sum[l] : 0.0f;
    }
}

/* Transfers. Voxel i of a row belongs to entry i / 2 of a row of the next level if part[i] is 1
   and it is free (dinv > 0). */
ROW void row_gather_unit(float *restrict sum, const float *lo, const float *c, const float *hi,
                         const float *b, const float *s, const row_byte *links,
                         const row_byte *part, const float *dinv, ptrdiff_t sy, int n)
{
    float full[CHUNK], open[CHUNK];
    for (ptrdiff_t a = 0; a < n; a += CHUNK) {
        int m = (int)(n - a < CHUNK ? n - a : CHUNK);
        count(full, links, m);
        gate(open, part, m);
        for (ptrdiff_t i = 0; i < WHOLE(m); i++) {
            float r = (b[i] - s[i] * c[i])
                      + (((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (lo[i] + hi[i]))
                         - full[i] * c[i]);
            sum[i] += dinv[i] > 0 ? open[i] * r : 0.0f;
        }
        sum += CHUNK, lo += CHUNK, c += CHUNK, hi += CHUNK, b += CHUNK, s += CHUNK;
        links += CHUNK, part += CHUNK, dinv += CHUNK;
    }
}

ROW void row_gather(float *restrict sum, const float *lo, const float *c, const float *hi,
                    const float *b, const float *s, const float *kx, const float *ky,
                    const float *kz, const row_byte *part, const float *dinv, ptrdiff_t sx,
                    ptrdiff_t sy, int n)
{
    float open[CHUNK];
    for (ptrdiff_t a = 0; a < n; a += CHUNK) {
        int m = (int)(n - a < CHUNK ? n - a : CHUNK);
        gate(open, part, m);
        for (ptrdiff_t i = 0; i < WHOLE(m); i++) {
            float r = (b[i] - s[i] * c[i])
                      + ((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))
                         + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i]))
                         + (kx[i] * (lo[i] - c[i]) + kx[i + sx] * (hi[i] - c[i])));
            sum[i] += dinv[i] > 0 ? open[i] * r : 0.0f;
        }
        sum += CHUNK, lo += CHUNK, c += CHUNK, hi += CHUNK, b += CHUNK, s += CHUNK;
        kx += CHUNK, ky += CHUNK, kz += CHUNK, part += CHUNK, dinv += CHUNK;
    }
}

/* The same for the sinks; `free` becomes positive where a member is free. */
ROW void row_gather_slope(float *restrict sum, float *restrict free, const float *s,
                          const row_byte *part, const float *dinv, int n)
{
    float open[CHUNK];
    for (ptrdiff_t a = 0; a < n; a += CHUNK) {
        int m = (int)(n - a < CHUNK ? n - a : CHUNK);
        gate(open, part, m);
        for (ptrdiff_t i = 0; i < m; i++) {
            float d = open[i] * dinv[i];
            sum[i] += d > 0 ? s[i] : 0.0f;
            free[i] += d;
        }
        sum += CHUNK, free += CHUNK, s += CHUNK, part += CHUNK, dinv += CHUNK;
    }
}

ROW void row_halve(float *restrict out, const float *in, int n)
{
    for (ptrdiff_t i = 0; i < n / 2; i++)
        out[i] = in[2 * i] + in[2 * i + 1];
    if (n & 1)
        out[n / 2] = in[n - 1];
}

ROW void row_scatter(float *restrict x, const float *coarse, const row_byte *part,
                     const float *dinv, int n)
{
    float twice[CHUNK], open[CHUNK];
    for (ptrdiff_t a = 0; a < n; a += CHUNK) {
        int m = (int)(n - a < CHUNK ? n - a : CHUNK);
        gate(open, part, m);
        for (ptrdiff_t i = 0; i < (m + 1) / 2; i++)
            twice[2 * i] = twice[2 * i + 1] = coarse[i];
        for (ptrdiff_t i = 0; i < m; i++)
            x[i] += dinv[i] > 0 ? open[i] * twice[i] : 0.0f;
        x += CHUNK, coarse += CHUNK / 2, part += CHUNK, dinv += CHUNK;
    }
}

/* dinv = 1 / (sum of conductances + s) where it was positive. */
ROW void row_invert(float *restrict dinv, const float *s, const float *kx, const float *ky,
                    const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        float d = ((kz[i] + kz[i + 1]) + (ky[i] + ky[i + sy]) + (kx[i] + kx[i + sx])) + s[i];
        float inverse = 1.0f / (d > 0 ? d : 1.0f);
        dinv[i] = (dinv[i] > 0) & (d > 0) ? inverse : 0.0f;
    }
}

/* Sum of products; in double, since those of a box that ran dry are below the least float. */
ROW double row_dot(const float *a, const float *b, int n)
{
    SUM((double)a[i] * b[i])
}
#endif
