/* Row kernels of the reaction-diffusion solver: everything that runs along z in one go.

   Each is compiled for three instruction sets and the loader picks one. No operation is contracted
   or reordered, so all of them give the same bits. Row pointers point at the first interior voxel
   of a padded row; sx and sy are the strides of a plane and of a row. */
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
#define CHUNK 256 /* even, so that pairs stay together */

typedef unsigned char row_byte;

/* A loop may run on to a whole number of vectors: a scalar remainder would take a third of the time
   of a row of 100. What it reads and writes behind a row of at least LANES are its ghost, the next
   row's, and the beginning of the next row, which always exist; ghosts are set once a plane is
   done. */
#define LANES 16
#define WHOLE(n) ((n) < LANES ? (n) : ((n) + LANES - 1) & ~(LANES - 1))

/* Smoothing takes a plane at a time: it is called so often that the calls would cost as much as
   the work on a short row. lo, mid and hi are three planes that follow each other along x.

   out = c + w (b - A c) / diagonal; unit conductances, zero in the solid. */
ROW void plane_step_unit(float *restrict out, const float *lo, const float *mid, const float *hi,
                         const float *b, const float *dinv, float w, ptrdiff_t sy, int ny, int n)
{
    float rest = 1.0f - w;
    for (int y = 0; y < ny; y++) {
        for (int i = 0; i < WHOLE(n); i++)
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
    for (int y = 0; y < ny; y++) {
        for (int i = 0; i < WHOLE(n); i++)
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
    for (int y = 0; y < ny; y++, out += sy, b += sy, dinv += sy)
        for (int i = 0; i < WHOLE(n); i++)
            out[i] = w * (b[i] * dinv[i]);
}

/* Bytes as floats, LANES at a time: a loop that also reads bytes would take 64 voxels at a time, and
   leave most of a short row to its scalar remainder. */
#define BYTES(FLOAT)                                                                               \
    int whole = n < LANES ? 0 : WHOLE(n);                                                          \
    for (int a = 0; a < whole; a += LANES)                                                         \
        for (int i = a; i < a + LANES; i++)                                                        \
            out[i] = FLOAT;                                                                        \
    for (int i = whole; i < n; i++)                                                                \
        out[i] = FLOAT;

INLINE void widen(float *restrict out, const row_byte *in, int n)
{
    BYTES((float)in[i])
}

/* 1 where a row's member is its block's and free, else 0. */
INLINE void gate(float *restrict out, const row_byte *part, int n)
{
    BYTES((float)(part[i] == 1))
}

/* Sum of a row of doubles, in eight lanes. */
INLINE double total(const double *t, int n)
{
    double sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += t[i + j];
    for (; i < n; i++)
        sum[i & 7] += t[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* t = -A p where c is free, in double: where a pore is nearly sealed, rounding single precision would
   outweigh its sink. s holds everything of the diagonal that is not a link. t is zero from n on. */
ROW void row_image_unit(double *restrict t, float *restrict full, const float *p, const float *s,
                        const row_byte *links, const float *dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(full, links, n);
    for (int i = 0; i < WHOLE(n); i++) {
        double v = (((double)p[i - 1] + p[i + 1]) + ((double)p[i - sy] + p[i + sy])
                    + ((double)p[i - sx] + p[i + sx]))
                   - ((double)full[i] + s[i]) * p[i];
        t[i] = dinv[i] > 0 ? v : 0.0;
    }
    for (int i = n; i < WHOLE(n); i++)
        t[i] = 0;
}

ROW void row_image(double *restrict t, const float *p, const float *s, const float *kx,
                   const float *ky, const float *kz, const float *dinv, ptrdiff_t sx, ptrdiff_t sy,
                   int n)
{
    for (int i = 0; i < WHOLE(n); i++) {
        double c = p[i];
        double v = ((kz[i] * (p[i - 1] - c) + kz[i + 1] * (p[i + 1] - c))
                    + (ky[i] * (p[i - sy] - c) + ky[i + sy] * (p[i + sy] - c))
                    + (kx[i] * (p[i - sx] - c) + kx[i + sx] * (p[i + sx] - c)))
                   - s[i] * c;
        t[i] = dinv[i] > 0 ? v : 0.0;
    }
    for (int i = n; i < WHOLE(n); i++)
        t[i] = 0;
}

/* Sum of p t, t being zero from n on; t becomes the products. */
ROW double row_product(const float *p, double *restrict t, int n)
{
    for (int i = 0; i < WHOLE(n); i++)
        t[i] *= p[i];
    return total(t, WHOLE(n));
}

/* Transfers. Voxel i of a row belongs to entry i / 2 of a row of the next level if part[i] is 1
   and it is free (dinv > 0). */
ROW void row_gather_unit(float *restrict sum, const float *lo, const float *c, const float *hi,
                         const float *b, const float *s, const row_byte *links,
                         const row_byte *part, const float *dinv, ptrdiff_t sy, int n)
{
    float full[CHUNK], open[CHUNK];
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        widen(full, links, m);
        gate(open, part, m);
        for (int i = 0; i < WHOLE(m); i++) {
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
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        gate(open, part, m);
        for (int i = 0; i < WHOLE(m); i++) {
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
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        gate(open, part, m);
        for (int i = 0; i < m; i++) {
            float d = open[i] * dinv[i];
            sum[i] += d > 0 ? s[i] : 0.0f;
            free[i] += d;
        }
        sum += CHUNK, free += CHUNK, s += CHUNK, part += CHUNK, dinv += CHUNK;
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
    float twice[CHUNK], open[CHUNK];
    for (int a = 0; a < n; a += CHUNK) {
        int m = n - a < CHUNK ? n - a : CHUNK;
        gate(open, part, m);
        for (int i = 0; i < (m + 1) / 2; i++)
            twice[2 * i] = twice[2 * i + 1] = coarse[i];
        for (int i = 0; i < m; i++)
            x[i] += dinv[i] > 0 ? open[i] * twice[i] : 0.0f;
        x += CHUNK, coarse += CHUNK / 2, part += CHUNK, dinv += CHUNK;
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

/* Sum of products; in double, since those of a box that ran dry are below the least float. */
ROW double row_dot(const float *a, const float *b, int n)
{
    double t[CHUNK], sum = 0;
    for (int from = 0; from < n; from += CHUNK, a += CHUNK, b += CHUNK) {
        int m = n - from < CHUNK ? n - from : CHUNK;
        for (int i = 0; i < m; i++)
            t[i] = (double)a[i] * b[i];
        sum += total(t, m);
    }
    return sum;
}

/* p = z + turn p */
ROW void row_turn(float *restrict p, const float *restrict z, float turn, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = z[i] + turn * p[i];
}

/* r += length t */
ROW void row_shorten(float *restrict r, const double *restrict t, double length, int n)
{
    for (int i = 0; i < n; i++)
        r[i] = (float)(r[i] + length * t[i]);
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

/* Sum of squares of the residual of an empty field, its gain, over free voxels. */
ROW double row_supply(double *restrict t, float *restrict free, const double *gain,
                      const row_byte *state, int n)
{
    widen(free, state, n);
    for (int i = 0; i < n; i++)
        t[i] = free[i] == 1 ? gain[i] : 0.0;
    return square(t, n);
}

ROW void row_add(double *restrict sum, const double *more, int n)
{
    for (int i = 0; i < n; i++)
        sum[i] += more[i];
}

/* Residual of the equation on one row, and its linearisation; returns the sum of its squares.
   u, plain, gain: uptake, linear sink with what leads out of the box, supply with the field before.
   For c < 0 the Michaelis-Menten sink goes on as u c / km. */
#define UNIT_FLUX                                                                                  \
    (((c[i - 1] + c[i + 1]) + (c[i - sy] + c[i + sy]) + (c[i - sx] + c[i + sx])) - full[i] * c[i])
#define FLUX                                                                                       \
    (((kz[i] * (c[i - 1] - c[i]) + kz[i + 1] * (c[i + 1] - c[i]))                                  \
      + (ky[i] * (c[i - sy] - c[i]) + ky[i + sy] * (c[i + sy] - c[i])))                            \
     + (kx[i] * (c[i - sx] - c[i]) + kx[i + sx] * (c[i + sx] - c[i])))
#define OPEN ((kz[i] + kz[i + 1]) + (ky[i] + ky[i + sy]) + (kx[i] + kx[i + sx]))

#define BALANCE(FLUX)                                                                              \
    double w = 1.0 / (km + (c[i] > 0 ? c[i] : 0.0));                                               \
    double r = FLUX + (gain[i] - (plain[i] + u[i] * w) * c[i]);                                    \
    t[i] = free[i] == 1 ? r : 0.0;                                                                 \
    b[i] = (float)t[i];

#define REACT(FLUX, OPEN)                                                                          \
    for (int i = 0; i < WHOLE(n); i++) {                                                           \
        BALANCE(FLUX)                                                                              \
        float slope = (float)(plain[i] + u[i] * km * w * w);                                       \
        float open = OPEN + slope;                                                                 \
        float inverse = 1.0f / (open > 0 ? open : 1.0f);                                           \
        s[i] = free[i] == 1 ? slope : 0.0f;                                                        \
        dinv[i] = (free[i] == 1) & (open > 0) ? inverse : 0.0f;                                    \
    }                                                                                              \
    return square(t, n);

ROW double row_react_unit(double *restrict t, float *restrict free, float *restrict full,
                          const double *c, const double *u, double km, const double *plain,
                          const double *gain, const row_byte *state, const row_byte *links,
                          float *restrict b, float *restrict s, float *restrict dinv,
                          ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    widen(full, links, n);
    REACT(UNIT_FLUX, full[i])
}

ROW double row_react(double *restrict t, float *restrict free, const double *c, const double *u,
                     double km, const double *plain, const double *gain, const row_byte *state,
                     const float *kx, const float *ky, const float *kz, float *restrict b,
                     float *restrict s, float *restrict dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    REACT(FLUX, OPEN)
}

/* The residual alone: its linearisation is kept. */
ROW double row_check_unit(double *restrict t, float *restrict free, float *restrict full,
                          const double *c, const double *u, double km, const double *plain,
                          const double *gain, const row_byte *state, const row_byte *links,
                          float *restrict b, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    widen(full, links, n);
    for (int i = 0; i < WHOLE(n); i++) {
        BALANCE(UNIT_FLUX)
    }
    return square(t, n);
}

ROW double row_check(double *restrict t, float *restrict free, const double *c, const double *u,
                     double km, const double *plain, const double *gain, const row_byte *state,
                     const float *kx, const float *ky, const float *kz, float *restrict b,
                     ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    for (int i = 0; i < WHOLE(n); i++) {
        BALANCE(FLUX)
    }
    return square(t, n);
}

/* c += length x; most and top become the largest |x| and c met, low the least bits of a c, below zero
   if any c is. The bits of a float that is not negative order as integers do, with NaN on top, so a
   NaN in x is kept. */
ROW void row_update(double *restrict c, const float *restrict x, double length, int *most,
                    int *top, int *low, int n)
{
    int big = *most, high = *top, least = *low;
    for (int i = 0; i < n; i++)
        c[i] += length * x[i];
    for (int i = 0; i < WHOLE(n); i++) {
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
        least = size < least ? size : least;
    }
    *most = big;
    *top = high;
    *low = least;
}

ROW void row_clip(double *restrict c, int n)
{
    for (int i = 0; i < n; i++)
        c[i] = c[i] < 0 ? 0.0 : c[i];
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
