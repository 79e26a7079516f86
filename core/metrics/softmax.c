#include "core/metrics/softmax.h"

#include "core/tensor/clones.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 128 };

/* exp for -87 <= v <= 0 (Cephes' expf: Cody-Waite reduction, degree 7).  Unlike pl_expf it keeps a
 * NaN: that is how logits that are not finite are found. */
static inline float exp_of(float v)
{
    const float shifted = v * 1.44269504089f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer */
    const float n = shifted - 12582912.0f;
    const float r = v - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u; /* 2^n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

PL_CLONES
static void max_lanes(const float *restrict x, size_t count, float *restrict lanes)
{
    for (size_t l = 0; l < count; l++) {
        lanes[l] = x[l] > lanes[l] ? x[l] : lanes[l];
    }
}

/* x - max, at least -87.  A loop of its own: beside the polynomial the compiler would make a branch
 * of the choice and vectorize neither.  A NaN stays. */
PL_CLONES
static void shift_lanes(const float *restrict x, size_t count, float max, float *restrict out)
{
    for (size_t l = 0; l < count; l++) {
        const float v = x[l] - max;
        out[l] = v < -87.0f ? -87.0f : v;
    }
}

PL_CLONES
static void exp_lanes(const float *restrict x, size_t count, double *restrict lanes)
{
    for (size_t l = 0; l < count; l++) {
        lanes[l] += (double)exp_of(x[l]);
    }
}

PL_CLONES
static void kl_lanes(const float *restrict x, const float *restrict a, const float *restrict b,
                     size_t count, double *restrict lanes)
{
    for (size_t l = 0; l < count; l++) {
        lanes[l] += (double)exp_of(x[l]) * ((double)a[l] - (double)b[l]);
    }
}

static double sum_lanes(double lanes[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            lanes[l] += lanes[l + half];
        }
    }
    return lanes[0];
}

float pl_row_max(const float *x, size_t count)
{
    float lanes[LANES];
    for (size_t l = 0; l < LANES; l++) {
        lanes[l] = -INFINITY;
    }
    for (size_t i = 0; i < count; i += LANES) {
        max_lanes(x + i, count - i < LANES ? count - i : LANES, lanes);
    }
    float max = lanes[0];
    for (size_t l = 1; l < LANES; l++) {
        max = lanes[l] > max ? lanes[l] : max;
    }
    return max;
}

size_t pl_row_find(const float *x, size_t count, float value)
{
    size_t i = 0;
    while (i < count && x[i] != value) {
        i++;
    }
    return i;
}

double pl_row_log_sum_exp(const float *x, size_t count, float max)
{
    double lanes[LANES] = {0};
    float shifted[LANES];
    for (size_t i = 0; i < count; i += LANES) {
        const size_t piece = count - i < LANES ? count - i : LANES;
        shift_lanes(x + i, piece, max, shifted);
        exp_lanes(shifted, piece, lanes);
    }
    return (double)max + log(sum_lanes(lanes));
}

double pl_row_kl(const float *a, const float *b, size_t count, float max_a, double log_a,
                 double log_b)
{
    double lanes[LANES] = {0};
    float shifted[LANES];
    for (size_t i = 0; i < count; i += LANES) {
        const size_t piece = count - i < LANES ? count - i : LANES;
        shift_lanes(a + i, piece, max_a, shifted);
        kl_lanes(shifted, a + i, b + i, piece, lanes);
    }
    /* sum p (log p - log q) with p = exp(a - max) / exp(log_a - max). */
    const double kl = sum_lanes(lanes) / exp(log_a - (double)max_a) - (log_a - log_b);
    return kl < 0.0 ? 0.0 : kl; /* rounding may leave -1e-9 where p is q; a NaN stays */
}
