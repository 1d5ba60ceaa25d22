/* Row kernels of the reaction-diffusion solver: everything that runs along z in one go.

   Each is compiled for three instruction sets and the loader picks one. No operation is contracted
   or reordered, so all of them give the same bits. Row pointers point at the first interior voxel
   of a padded row; sx and sy are the strides of a plane and of a row. Colour: voxel i of a row is
   relaxed if i + odd is odd. Rows are cut into chunks because a loop into a temporary vectorises
   and a loop in place cannot. */
#ifndef SCAFFOLDSIM_ROWS_H
#define SCAFFOLDSIM_ROWS_H
#include <math.h>
#include <stddef.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) \
    && defined(__GLIBC__)
#define ROW __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"))) static
#else
#define ROW static
#endif
#define CHUNK 256 /* even, so that the colour of a chunk is that of its row */

typedef unsigned char row_byte;

/* c = (b + sum of neighbours) / diagonal on one colour; unit conductances, zero in the solid. */
ROW void row_relax_unit(float *c, const float *b, const float *dinv, ptrdiff_t sx, ptrdiff_t sy,
                        int n, int odd)
{
    float t[CHUNK];
    for (int a = 0; a < n; a += CHUNK, c += CHUNK, b += CHUNK, dinv += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        for (int i = 0; i < m; i++)
            t[i] = (b[i] + ((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy])
                            + (c[i - sx] + c[i + sx]))) * dinv[i];
        for (int i = 0; i < m; i++)
            c[i] = (i + odd) & 1 ? t[i] : c[i];
    }
}

/* The same with conductances: kx[i] belongs to the face towards lower x. */
ROW void row_relax(float *c, const float *b, const float *dinv, const float *kx, const float *ky,
                   const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n, int odd)
{
    float t[CHUNK];
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        for (int i = 0; i < m; i++)
            t[i] = (b[i] + ((kz[i] * c[i - 1] + kz[i + 1] * c[i + 1])
                            + (ky[i] * c[i - sy] + ky[i + sy] * c[i + sy])
                            + (kx[i] * c[i - sx] + kx[i + sx] * c[i + sx]))) * dinv[i];
        for (int i = 0; i < m; i++)
            c[i] = (i + odd) & 1 ? t[i] : c[i];
        c += CHUNK, b += CHUNK, dinv += CHUNK, kx += CHUNK, ky += CHUNK, kz += CHUNK;
    }
}

/* The first half-sweep on an empty field. */
ROW void row_relax_blank(float *restrict c, const float *restrict b, const float *restrict dinv,
                         int n, int odd)
{
    for (int i = 0; i < n; i++)
        c[i] = (i + odd) & 1 ? b[i] * dinv[i] : 0.0f;
}

/* r = b - A c. The sink s and the diagonal act apart: where s is tiny, their rounded sum would be
   a false sink. */
ROW void row_defect_unit(float *restrict r, const float *c, const float *b, const float *s,
                         const float *diag, const float *dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++) {
        float v = (b[i] - s[i] * c[i])
                  + (((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx]))
                     - diag[i] * c[i]);
        r[i] = dinv[i] > 0 ? v : 0.0f;
    }
}

ROW void row_defect(float *restrict r, const float *c, const float *b, const float *s,
                    const float *diag, const float *dinv, const float *kx, const float *ky,
                    const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++) {
        float v = (b[i] - s[i] * c[i])
                  + (((kz[i] * c[i - 1] + kz[i + 1] * c[i + 1])
                      + (ky[i] * c[i - sy] + ky[i + sy] * c[i + sy])
                      + (kx[i] * c[i - sx] + kx[i + sx] * c[i + sx]))
                     - diag[i] * c[i]);
        r[i] = dinv[i] > 0 ? v : 0.0f;
    }
}

/* t = div(k grad c) in flux form, double; links counts the open faces of a voxel. */
ROW void row_flux_unit(double *restrict t, const double *c, const row_byte *links, ptrdiff_t sx,
                       ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++)
        t[i] = ((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx]))
               - links[i] * c[i];
}

ROW void row_flux(double *restrict t, const double *c, const float *kx, const float *ky,
                  const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++)
        t[i] = ((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))
                + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i])))
               + (kx[i] * (c[i - sx] - c[i]) + kx[i + sx] * (c[i + sx] - c[i]));
}

/* t += k (value - c), the exchange with one face of the box. */
ROW void row_face(double *restrict t, const double *c, const double *k, double value, int n)
{
    for (int i = 0; i < n; i++)
        t[i] += k[i] * (value - c[i]);
}

/* Adds the reaction to the flux t, linearises it and returns the sum of squares; u may be NULL.
   For c < 0 the Michaelis-Menten sink goes on as u c / km. */
ROW double row_react(double *restrict t, const double *c, const float *u, double km,
                     const double *lin, const double *q, const row_byte *active,
                     const float *diag, float *restrict b, float *restrict s,
                     float *restrict dinv, int n)
{
    double sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (u) {
        for (int i = 0; i < n; i++) {
            double w = 1.0 / (km + (c[i] > 0 ? c[i] : 0.0));
            double r = t[i] + q[i] - (lin[i] + u[i] * w) * c[i];
            float slope = (float)(lin[i] + u[i] * km * w * w);
            t[i] = active[i] ? r : 0.0;
            s[i] = active[i] ? slope : 0.0f;
        }
    } else {
        for (int i = 0; i < n; i++) {
            double r = t[i] + q[i] - lin[i] * c[i];
            float slope = (float)lin[i];
            t[i] = active[i] ? r : 0.0;
            s[i] = active[i] ? slope : 0.0f;
        }
    }
    for (int i = 0; i < n; i++) {
        float d = diag[i] + s[i];
        float inverse = 1.0f / (d > 0 ? d : 1.0f);
        b[i] = (float)t[i];
        dinv[i] = (active[i] != 0) & (d > 0) ? inverse : 0.0f;
    }
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += t[i + j] * t[i + j];
    for (; i < n; i++)
        sum[i & 7] += t[i] * t[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* c += x, not below `low`; step and top become the largest |x| and c met (a NaN is kept). */
ROW void row_update(double *restrict c, const float *restrict x, double low, double *step,
                    double *top, int n)
{
    float big[8];
    double high[8];
    int i = 0;
    for (int j = 0; j < 8; j++)
        big[j] = (float)*step, high[j] = *top;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) {
            double v = c[i + j] + x[i + j];
            float size = fabsf(x[i + j]);
            v = v < low ? low : v;
            c[i + j] = v;
            big[j] = size <= big[j] ? big[j] : size;
            high[j] = v <= high[j] ? high[j] : v;
        }
    for (; i < n; i++) {
        double v = c[i] + x[i];
        float size = fabsf(x[i]);
        v = v < low ? low : v;
        c[i] = v;
        big[0] = size <= big[0] ? big[0] : size;
        high[0] = v <= high[0] ? high[0] : v;
    }
    for (int j = 0; j < 8; j++) {
        if (!(big[j] <= *step))
            *step = big[j];
        if (!(high[j] <= *top))
            *top = high[j];
    }
}

/* out = scale * in where the mask is set, zero elsewhere; returns how many values are unfit. */
ROW int row_load(double *restrict out, const double *in, double scale, const row_byte *mask, int n)
{
    int bad = 0;
    for (int i = 0; i < n; i++) {
        double v = mask[i] ? scale * in[i] : 0.0;
        bad += !((v >= 0) & (v < 1e300));
        out[i] = v;
    }
    return bad;
}

ROW int row_load_single(double *restrict out, const float *in, double scale, const row_byte *mask,
                        int n)
{
    int bad = 0;
    for (int i = 0; i < n; i++) {
        double v = mask[i] ? scale * in[i] : 0.0;
        bad += !((v >= 0) & (v < 1e300));
        out[i] = v;
    }
    return bad;
}

/* out = scale * c in the pore, not below zero; NaN in the solid. */
ROW void row_store(double *restrict out, const double *c, double scale, const row_byte *mask,
                   int n)
{
    for (int i = 0; i < n; i++) {
        double v = scale * c[i];
        v = v > 0 ? v : 0.0;
        out[i] = mask[i] ? v : NAN;
    }
}
#endif
