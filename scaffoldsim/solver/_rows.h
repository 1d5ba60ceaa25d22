/* Row kernels of the reaction-diffusion solver: everything that runs along z in one go.

   Each is compiled for three instruction sets and the loader picks one. No operation is contracted
   or reordered, so all of them give the same bits. Row pointers point at the first interior voxel
   of a padded row; sx and sy are the strides of a plane and of a row. Colour: voxel i of a row is
   relaxed if i + odd is odd. Rows are cut into chunks because a loop into a temporary vectorises
   and a loop in place cannot. */
#ifndef SCAFFOLDSIM_ROWS_H
#define SCAFFOLDSIM_ROWS_H
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) \
    && defined(__GLIBC__)
#define ROW                                                                                        \
    __attribute__((unused, target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"))) static
#elif defined(__GNUC__)
#define ROW __attribute__((unused)) static
#else
#define ROW static
#endif
#define INLINE static inline __attribute__((always_inline))
#define CHUNK 256 /* even, so that the colour of a chunk is that of its row */

typedef unsigned char row_byte;

/* A loop whose result goes into a temporary runs on to a whole number of vectors: a scalar
   remainder would take a third of the time of a row of 100. What it reads behind a row of at least
   LANES are its ghost and the ghosts of the next row, which always exist. */
#define LANES 16
#define WHOLE(n) ((n) < LANES ? (n) : ((n) + LANES - 1) & ~(LANES - 1))

/* Smoothing takes a plane at a time: it is called so often that the calls would cost as much as
   the work on a short row. `odd` is that of the first row; it alternates. */

/* c = (b + sum of neighbours) / diagonal on one colour; unit conductances, zero in the solid. */
INLINE void row_relax_unit(float *c, const float *b, const float *dinv, ptrdiff_t sx, ptrdiff_t sy,
                           int n, int odd)
{
    float t[CHUNK];
    for (int a = 0; a < n; a += CHUNK, c += CHUNK, b += CHUNK, dinv += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        for (int i = 0; i < WHOLE(m); i++)
            t[i] = (b[i] + ((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy])
                            + (c[i - sx] + c[i + sx]))) * dinv[i];
        for (int i = 0; i < m; i++)
            c[i] = (i + odd) & 1 ? t[i] : c[i];
    }
}

ROW void plane_relax_unit(float *c, const float *b, const float *dinv, ptrdiff_t sx, ptrdiff_t sy,
                          int ny, int n, int odd)
{
    for (int y = 0; y < ny; y++, c += sy, b += sy, dinv += sy)
        row_relax_unit(c, b, dinv, sx, sy, n, odd ^ (y & 1));
}

/* The same with conductances: kx[i] belongs to the face towards lower x. */
INLINE void row_relax(float *c, const float *b, const float *dinv, const float *kx,
                      const float *ky, const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n, int odd)
{
    float t[CHUNK];
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        for (int i = 0; i < WHOLE(m); i++)
            t[i] = (b[i] + ((kz[i] * c[i - 1] + kz[i + 1] * c[i + 1])
                            + (ky[i] * c[i - sy] + ky[i + sy] * c[i + sy])
                            + (kx[i] * c[i - sx] + kx[i + sx] * c[i + sx]))) * dinv[i];
        for (int i = 0; i < m; i++)
            c[i] = (i + odd) & 1 ? t[i] : c[i];
        c += CHUNK, b += CHUNK, dinv += CHUNK, kx += CHUNK, ky += CHUNK, kz += CHUNK;
    }
}

ROW void plane_relax(float *c, const float *b, const float *dinv, const float *kx, const float *ky,
                     const float *kz, ptrdiff_t sx, ptrdiff_t sy, int ny, int n, int odd)
{
    for (int y = 0; y < ny; y++) {
        row_relax(c, b, dinv, kx, ky, kz, sx, sy, n, odd ^ (y & 1));
        c += sy, b += sy, dinv += sy, kx += sy, ky += sy, kz += sy;
    }
}

/* The first half-sweep on an empty field. */
ROW void plane_relax_blank(float *restrict c, const float *restrict b,
                           const float *restrict dinv, ptrdiff_t sy, int ny, int n, int odd)
{
    for (int y = 0; y < ny; y++, odd ^= 1, c += sy, b += sy, dinv += sy)
        for (int i = 0; i < n; i++)
            c[i] = (i + odd) & 1 ? b[i] * dinv[i] : 0.0f;
}

/* r = b - A c in flux form; s holds everything of the diagonal that is not a link. The two act
   apart: where s is tiny, their rounded sum would be a false sink. */
ROW void row_defect_unit(float *restrict r, const float *c, const float *b, const float *s,
                         const row_byte *links, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++)
        r[i] = (b[i] - s[i] * c[i])
               + (((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx]))
                  - (float)links[i] * c[i]);
}

ROW void row_defect(float *restrict r, const float *c, const float *b, const float *s,
                    const float *kx, const float *ky, const float *kz, ptrdiff_t sx, ptrdiff_t sy,
                    int n)
{
    for (int i = 0; i < n; i++)
        r[i] = (b[i] - s[i] * c[i])
               + ((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))
                  + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i]))
                  + (kx[i] * (c[i - sx] - c[i]) + kx[i + sx] * (c[i + sx] - c[i])));
}

/* Transfers. Voxel i of a row belongs to entry i / 2 of a row of the next level if part[i] is 1
   and it is free (dinv > 0). */
ROW void row_mask(float *restrict r, const float *dinv, int n)
{
    for (int i = 0; i < n; i++)
        r[i] = dinv[i] > 0 ? r[i] : 0.0f;
}

ROW void row_gather_unit(float *restrict sum, const float *c, const float *b, const float *s,
                         const row_byte *links, const row_byte *part, const float *dinv,
                         ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++) {
        float r = (b[i] - s[i] * c[i])
                  + (((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx]))
                     - (float)links[i] * c[i]);
        sum[i] += (part[i] == 1) & (dinv[i] > 0) ? r : 0.0f;
    }
}

ROW void row_gather(float *restrict sum, const float *c, const float *b, const float *s,
                    const float *kx, const float *ky, const float *kz, const row_byte *part,
                    const float *dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++) {
        float r = (b[i] - s[i] * c[i])
                  + ((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))
                     + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i]))
                     + (kx[i] * (c[i - sx] - c[i]) + kx[i + sx] * (c[i + sx] - c[i])));
        sum[i] += (part[i] == 1) & (dinv[i] > 0) ? r : 0.0f;
    }
}

/* The same for the sinks; `free` becomes positive where a member is free. */
ROW void row_gather_slope(float *restrict sum, float *restrict free, const float *s,
                          const row_byte *part, const float *dinv, int n)
{
    for (int i = 0; i < n; i++) {
        float d = part[i] == 1 ? dinv[i] : 0.0f;
        sum[i] += d > 0 ? s[i] : 0.0f;
        free[i] += d;
    }
}

ROW void row_halve(float *restrict out, const float *in, int n)
{
    for (int i = 0; i < n / 2; i++)
        out[i] = in[2 * i] + in[2 * i + 1];
    if (n & 1)
        out[n / 2] = in[n - 1];
}

ROW void row_scatter(float *restrict x, const float *coarse, const row_byte *part,
                     const float *dinv, int n)
{
    float t[CHUNK];
    for (int a = 0; a < n; a += CHUNK, x += CHUNK, part += CHUNK, dinv += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        for (int i = 0; i < m / 2; i++)
            t[2 * i] = t[2 * i + 1] = coarse[a / 2 + i];
        if (m & 1)
            t[m - 1] = coarse[(a + m - 1) / 2];
        for (int i = 0; i < m; i++)
            x[i] += (part[i] == 1) & (dinv[i] > 0) ? t[i] : 0.0f;
    }
}

/* dinv = 1 / (sum of conductances + s) where it was positive. */
ROW void row_invert(float *restrict dinv, const float *s, const float *kx, const float *ky,
                    const float *kz, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    for (int i = 0; i < n; i++) {
        float d = ((kz[i] + kz[i + 1]) + (ky[i] + ky[i + sy]) + (kx[i] + kx[i + sx])) + s[i];
        float inverse = 1.0f / (d > 0 ? d : 1.0f);
        dinv[i] = (dinv[i] > 0) & (d > 0) ? inverse : 0.0f;
    }
}

/* out = constant + factor * in */
ROW void row_fill(double *restrict out, double constant, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = constant;
}

ROW void row_term(double *restrict out, const double *in, double factor, double constant, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = constant + factor * in[i];
}

ROW void row_term_single(double *restrict out, const float *in, double factor, double constant,
                         int n)
{
    for (int i = 0; i < n; i++)
        out[i] = constant + factor * in[i];
}

INLINE double square(const double *t, int n)
{
    double sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += t[i + j] * t[i + j];
    for (; i < n; i++)
        sum[i & 7] += t[i] * t[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* Sums of squares of a, of b and of a - b. */
ROW void row_squares(const float *a, const float *b, double *sums, int n)
{
    double first[8] = {0}, second[8] = {0}, change[8] = {0};
    for (int i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        first[i & 7] += x * x;
        second[i & 7] += y * y;
        change[i & 7] += (x - y) * (x - y);
    }
    for (int j = 0; j < 8; j++) {
        sums[0] += first[j];
        sums[1] += second[j];
        sums[2] += change[j];
    }
}

/* Sum of squares of the residual of an empty field, supply + before, over free voxels. */
ROW double row_supply(double *restrict t, const double *q, const double *before,
                      const row_byte *state, int n)
{
    for (int i = 0; i < n; i++)
        t[i] = state[i] == 1 ? q[i] + before[i] : 0.0;
    return square(t, n);
}

/* Bytes as floats: a loop that also reads bytes would take 64 voxels at a time, and leave most of a
   short row to its scalar remainder. */
INLINE void widen(float *restrict out, const row_byte *in, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (float)in[i];
}

/* Residual of the equation and its linearisation on one row; returns the sum of its squares.
   u, lin, q, before: uptake, linear sink, supply, field before; film: the part of lin that leads
   out of the box. For c < 0 the Michaelis-Menten sink goes on as u c / km. Its reciprocal is one
   step of Newton on the single-precision one: exact to 1e-14 in a third of a division's time. */
#define REACT(FLUX, OPEN)                                                                          \
    for (int i = 0; i < n; i++) {                                                                  \
        double d = km + (c[i] > 0 ? c[i] : 0.0);                                                   \
        double w = 1.0f / (float)d;                                                                \
        w *= 2.0 - d * w;                                                                          \
        double plain = lin[i] + film[i];                                                           \
        double r = (FLUX) + ((q[i] + before[i]) - (plain + u[i] * w) * c[i]);                      \
        float slope = (float)(plain + u[i] * km * w * w);                                          \
        float open = (OPEN) + slope;                                                               \
        float inverse = 1.0f / (open > 0 ? open : 1.0f);                                           \
        t[i] = free[i] == 1 ? r : 0.0;                                                             \
        b[i] = (float)t[i];                                                                        \
        s[i] = free[i] == 1 ? slope : 0.0f;                                                        \
        dinv[i] = (free[i] == 1) & (open > 0) ? inverse : 0.0f;                                    \
    }                                                                                              \
    return square(t, n);

ROW double row_react_unit(double *restrict t, float *restrict free, float *restrict full,
                          const double *c, const double *u, double km, const double *lin,
                          const double *film, const double *q, const double *before,
                          const row_byte *state, const row_byte *links, float *restrict b,
                          float *restrict s, float *restrict dinv, ptrdiff_t sx, ptrdiff_t sy,
                          int n)
{
    widen(free, state, n);
    widen(full, links, n);
    REACT(((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx]))
              - full[i] * c[i],
          full[i])
}

ROW double row_react(double *restrict t, float *restrict free, const double *c, const double *u,
                     double km, const double *lin, const double *film, const double *q,
                     const double *before, const row_byte *state, const float *kx,
                     const float *ky, const float *kz, float *restrict b, float *restrict s,
                     float *restrict dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    REACT(((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))
           + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i])))
              + (kx[i] * (c[i - sx] - c[i]) + kx[i + sx] * (c[i + sx] - c[i])),
          (kz[i] + kz[i + 1]) + (ky[i] + ky[i + sy]) + (kx[i] + kx[i + sx]))
}

/* c += x, not below `low`; step and top become the largest |x| and c met. The bits of a float that
   is not negative order as integers do, with NaN on top, so a NaN in x is kept. */
ROW void row_update(double *restrict c, const float *restrict x, double low, float *step,
                    float *top, int n)
{
    int big, high;
    memcpy(&big, step, 4);
    memcpy(&high, top, 4);
    for (int i = 0; i < n; i++) {
        double v = c[i] + x[i];
        c[i] = v < low ? low : v;
    }
    for (int i = 0; i < n; i++) {
        int size;
        memcpy(&size, x + i, 4);
        size &= 0x7fffffff;
        big = size > big ? size : big;
    }
    for (int i = 0; i < n; i++) {
        float v = (float)c[i];
        int size;
        memcpy(&size, &v, 4);
        high = size > high ? size : high;
    }
    memcpy(step, &big, 4);
    memcpy(top, &high, 4);
}

/* top becomes the largest value met in the pore; returns how many there are unfit. The bits of a
   float that is not negative order as integers do. */
ROW int row_top(const double *in, const row_byte *state, float *top, int n)
{
    int bad = 0, high;
    memcpy(&high, top, 4);
    for (int i = 0; i < n; i++) {
        double v = state[i] ? in[i] : 0.0;
        float f = (float)v;
        int size;
        bad += !((v >= 0) & (v < 1e300));
        memcpy(&size, &f, 4);
        high = size > high ? size : high;
    }
    memcpy(top, &high, 4);
    return bad;
}

ROW int row_top_single(const float *in, const row_byte *state, float *top, int n)
{
    int bad = 0, high;
    memcpy(&high, top, 4);
    for (int i = 0; i < n; i++) {
        float f = state[i] ? in[i] : 0.0f;
        int size;
        bad += !((f >= 0) & (f < 3e38f));
        memcpy(&size, &f, 4);
        high = size > high ? size : high;
    }
    memcpy(top, &high, 4);
    return bad;
}

/* out = scale * in in the pore, zero in the solid. */
ROW void row_load(double *restrict out, const double *in, double scale, const row_byte *state,
                  int n)
{
    for (int i = 0; i < n; i++)
        out[i] = state[i] ? scale * in[i] : 0.0;
}

ROW void row_load_single(double *restrict out, const float *in, double scale,
                         const row_byte *state, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = state[i] ? scale * in[i] : 0.0;
}

/* out = scale * c in the pore, not below zero; elsewhere it stays. */
ROW void row_store(double *restrict out, const double *c, double scale, const row_byte *state,
                   int n)
{
    for (int i = 0; i < n; i++) {
        double v = scale * c[i];
        v = v > 0 ? v : 0.0;
        out[i] = state[i] ? v : out[i];
    }
}

ROW void row_store_single(float *restrict out, const double *c, double scale,
                          const row_byte *state, int n)
{
    for (int i = 0; i < n; i++) {
        double v = scale * c[i];
        v = v > 0 ? v : 0.0;
        out[i] = state[i] ? (float)v : out[i];
    }
}
#endif
