/* Row kernels of the equation: its residual, conjugate gradients, fields in and out. */
#ifndef SCAFFOLDSIM_EQUATION_ROWS_H
#define SCAFFOLDSIM_EQUATION_ROWS_H
#include "_rows.h"

/* t = -A p where c is free, in flux form: where a pore is nearly sealed, p is nearly the same
   everywhere, and the rounding of a sum of p itself would outweigh its sink; that of differences is
   as small as they are. s holds everything of the diagonal that is not a link; open is scratch. */
ROW void row_image_unit(float *restrict t, int *restrict open, const float *p, const float *s,
                        const row_byte *links, const float *dinv, ptrdiff_t sx, ptrdiff_t sy, int n)
{
    BYTES(open, (row_byte)((links[i] & (LINK_X | LINK_Y | LINK_Z)) | (links[i + sx] & LINK_X) << 3
                           | (links[i + sy] & LINK_Y) >> 3 | (links[i + 1] & LINK_Z) >> 3))
    for (ptrdiff_t i = 0; i < WHOLE(n); i++) {
        int o = open[i];
        float c = p[i];
        float xl = p[i - sx] - c, xh = p[i + sx] - c;
        float yl = p[i - sy] - c, yh = p[i + sy] - c;
        float zl = p[i - 1] - c, zh = p[i + 1] - c;
        xl = o & LINK_X ? xl : 0.0f, xh = o & LINK_X << 3 ? xh : 0.0f;
        yl = o & LINK_Y ? yl : 0.0f, yh = o & LINK_Y >> 3 ? yh : 0.0f;
        zl = o & LINK_Z ? zl : 0.0f, zh = o & LINK_Z >> 3 ? zh : 0.0f;
        float v = ((zl + zh) + (yl + yh) + (xl + xh)) - s[i] * c;
        t[i] = dinv[i] > 0 ? v : 0.0f;
    }
}

ROW void row_image(float *restrict t, const float *p, const float *s, const float *kx,
                   const float *ky, const float *kz, const float *dinv, ptrdiff_t sx, ptrdiff_t sy,
                   int n)
{
    for (ptrdiff_t i = 0; i < WHOLE(n); i++) {
        float c = p[i];
        float v = ((kz[i] * (p[i - 1] - c) + kz[i + 1] * (p[i + 1] - c))
                   + (ky[i] * (p[i - sy] - c) + ky[i + sy] * (p[i + sy] - c))
                   + (kx[i] * (p[i - sx] - c) + kx[i + sx] * (p[i + sx] - c)))
                  - s[i] * c;
        t[i] = dinv[i] > 0 ? v : 0.0f;
    }
}

/* out = constant + factor * in */
ROW void row_fill(double *restrict out, double constant, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = constant;
}

ROW void row_term(double *restrict out, const double *in, double factor, double constant, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = constant + factor * in[i];
}

ROW void row_term_single(double *restrict out, const float *in, double factor, double constant,
                         int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = constant + factor * in[i];
}

INLINE double square(const double *t, int n)
{
    SUM(t[i] * t[i])
}

/* p = z + turn p */
ROW void row_turn(float *restrict p, const float *restrict z, float turn, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        p[i] = z[i] + turn * p[i];
}

/* r += length t */
ROW void row_shorten(float *restrict r, const float *restrict t, float length, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        r[i] += length * t[i];
}

/* Sums of squares of a, of b and of a - b. */
ROW void row_squares(const float *a, const float *b, double *sums, int n)
{
    double first[8] = {0}, second[8] = {0}, change[8] = {0};
    for (ptrdiff_t i = 0; i < n; i++) {
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
    for (ptrdiff_t i = 0; i < n; i++)
        t[i] = free[i] == 1 ? gain[i] : 0.0;
    return square(t, n);
}

ROW void row_add(double *restrict sum, const double *more, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
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

/* Without an uptake (u NULL) there is nothing to divide by. */
#define CURVED_SINK                                                                                \
    double w = 1.0 / (km + (c[i] > 0 ? c[i] : 0.0));                                               \
    double sink = plain[i] + u[i] * w;
#define LINEAR_SINK double sink = plain[i];

#define BALANCE(FLUX, SINK)                                                                        \
    SINK                                                                                           \
    double r = FLUX + (gain[i] - sink * c[i]);                                                     \
    t[i] = free[i] == 1 ? r : 0.0;                                                                 \
    b[i] = (float)t[i];

#define CHECK(FLUX)                                                                                \
    if (u)                                                                                         \
        for (ptrdiff_t i = 0; i < WHOLE(n); i++) {                                                 \
            BALANCE(FLUX, CURVED_SINK)                                                             \
        }                                                                                          \
    else                                                                                           \
        for (ptrdiff_t i = 0; i < WHOLE(n); i++) {                                                 \
            BALANCE(FLUX, LINEAR_SINK)                                                             \
        }                                                                                          \
    return square(t, n);

#define LINEARISE(SLOPE, OPEN)                                                                     \
    float slope = (float)(SLOPE);                                                                  \
    float open = OPEN + slope;                                                                     \
    float inverse = 1.0f / (open > 0 ? open : 1.0f);                                               \
    s[i] = free[i] == 1 ? slope : 0.0f;                                                            \
    dinv[i] = (free[i] == 1) & (open > 0) ? inverse : 0.0f;

#define REACT(FLUX, OPEN)                                                                          \
    if (u)                                                                                         \
        for (ptrdiff_t i = 0; i < WHOLE(n); i++) {                                                 \
            BALANCE(FLUX, CURVED_SINK)                                                             \
            LINEARISE(plain[i] + u[i] * km * w * w, OPEN)                                          \
        }                                                                                          \
    else                                                                                           \
        for (ptrdiff_t i = 0; i < WHOLE(n); i++) {                                                 \
            BALANCE(FLUX, LINEAR_SINK)                                                             \
            LINEARISE(plain[i], OPEN)                                                              \
        }                                                                                          \
    return square(t, n);

ROW double row_react_unit(double *restrict t, float *restrict free, float *restrict full,
                          const double *c, const double *u, double km, const double *plain,
                          const double *gain, const row_byte *state, const row_byte *links,
                          float *restrict b, float *restrict s, float *restrict dinv,
                          ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    count(full, links, n);
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
    count(full, links, n);
    CHECK(UNIT_FLUX)
}

ROW double row_check(double *restrict t, float *restrict free, const double *c, const double *u,
                     double km, const double *plain, const double *gain, const row_byte *state,
                     const float *kx, const float *ky, const float *kz, float *restrict b,
                     ptrdiff_t sx, ptrdiff_t sy, int n)
{
    widen(free, state, n);
    CHECK(FLUX)
}

/* c += length x; most and top become the largest |x| and c met, low the least bits of a c, below zero
   if any c is. The bits of a float that is not negative order as integers do, with NaN on top, so a
   NaN in x is kept. */
ROW void row_update(double *restrict c, const float *restrict x, double length, int *most,
                    int *top, int *low, int n)
{
    int big = *most, high = *top, least = *low;
    for (ptrdiff_t i = 0; i < n; i++)
        c[i] += length * x[i];
    for (ptrdiff_t i = 0; i < WHOLE(n); i++) {
        int size;
        memcpy(&size, x + i, 4);
        size &= 0x7fffffff;
        big = size > big ? size : big;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
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
    for (ptrdiff_t i = 0; i < n; i++)
        c[i] = c[i] < 0 ? 0.0 : c[i];
}

/* top becomes the largest value met in the pore; returns how many there are unfit. The bits of a
   float that is not negative order as integers do. */
ROW int row_top(const double *in, const row_byte *state, float *top, int n)
{
    int bad = 0, high;
    memcpy(&high, top, 4);
    for (ptrdiff_t i = 0; i < n; i++) {
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
    for (ptrdiff_t i = 0; i < n; i++) {
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
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = state[i] ? scale * in[i] : 0.0;
}

ROW void row_load_single(double *restrict out, const float *in, double scale,
                         const row_byte *state, int n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = state[i] ? scale * in[i] : 0.0;
}

/* out = scale * c in the pore, not below zero; elsewhere it stays. */
ROW void row_store(double *restrict out, const double *c, double scale, const row_byte *state,
                   int n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double v = scale * c[i];
        v = v > 0 ? v : 0.0;
        out[i] = state[i] ? v : out[i];
    }
}

ROW void row_store_single(float *restrict out, const double *c, double scale,
                          const row_byte *state, int n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double v = scale * c[i];
        v = v > 0 ? v : 0.0;
        out[i] = state[i] ? (float)v : out[i];
    }
}
#endif
