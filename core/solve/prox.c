#include "core/solve/prox.h"

#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Two accumulators of sixteen lanes each: the order of the sums is the same whatever the machine's
 * width. */
enum { LANES = PL_LANES, STEP = 2 * LANES };
typedef float quarter_lanes __attribute__((vector_size(LANES / 4 * sizeof(float))));

/* The sum of all lanes, by halves. */
static inline __attribute__((always_inline)) float fold(const pl_lanes *v)
{
    pl_half_lanes half[2];
    memcpy(half, v, sizeof *v);
    half[0] += half[1];
    quarter_lanes quarter[2];
    memcpy(quarter, half, sizeof *half);
    quarter[0] += quarter[1];
    return (quarter[0][0] + quarter[0][2]) + (quarter[0][1] + quarter[0][3]);
}

/* Counts as floats are exact: rows have at most 2^24 columns. */
static inline __attribute__((always_inline)) int32_t fold_counts(const pl_lane_bits *v)
{
    const pl_lanes counts = __builtin_convertvector(*v, pl_lanes);
    return (int32_t)fold(&counts);
}

/* More sets than float32 data meet in practice; a bound all the same. */
enum { MAX_PASSES = 200 };

typedef struct above {
    float sum; /* of |v_i| over |v_i| > c */
    int32_t count;
} above;

static inline __attribute__((always_inline)) above sum_above(const float *v, size_t count, float c)
{
    pl_lanes sum0 = {0}, sum1 = {0};
    pl_lane_bits n0 = {0}, n1 = {0};
    const pl_lanes level = c - (pl_lanes){0};
    const pl_lane_bits magnitude = 0x7fffffff - (pl_lane_bits){0};
    size_t i = 0;
    for (; i + STEP <= count; i += STEP) {
        pl_lane_bits a0, a1;
        memcpy(&a0, v + i, sizeof a0);
        memcpy(&a1, v + i + LANES, sizeof a1);
        a0 &= magnitude;
        a1 &= magnitude;
        const pl_lane_bits m0 = (pl_lanes)a0 > level;
        const pl_lane_bits m1 = (pl_lanes)a1 > level;
        sum0 += (pl_lanes)(a0 & m0);
        sum1 += (pl_lanes)(a1 & m1);
        n0 -= m0;
        n1 -= m1;
    }
    sum0 += sum1;
    n0 += n1;
    above all = {fold(&sum0), fold_counts(&n0)};
    for (; i < count; i++) {
        float a = fabsf(v[i]);
        all.sum += a > c ? a : 0.0f;
        all.count += a > c ? 1 : 0;
    }
    return all;
}

static inline __attribute__((always_inline)) float largest_magnitude(const float *v, size_t count)
{
    float max = 0.0f;
    for (size_t i = 0; i < count; i++) {
        float a = fabsf(v[i]);
        max = a > max ? a : max;
    }
    return max;
}

/* Newton on f(c) = sum max(|v_i| - c, 0) - tau, convex and falling: from the left it climbs to the
 * root without passing it, from the right its first step lands left of it.  The same set of
 * |v_i| > c twice in a row means that c solves its linear piece exactly. */
static inline __attribute__((always_inline)) float find_level(const float *v, size_t count,
                                                              float tau, float start)
{
    if (!(tau > 0.0f)) {
        return largest_magnitude(v, count);
    }
    float c = start > 0.0f ? start : 0.0f;
    int32_t last = -1;
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        const above all = sum_above(v, count, c);
        if (all.count == last) {
            break;
        }
        if (all.count == 0 && last > 0) {
            break; /* tau is below the rounding of max|v|, which c has reached */
        }
        const float next = (all.sum - tau) / (float)all.count;
        if (all.count > 0 && next > 0.0f) {
            c = next;
            last = all.count;
        } else if (c > 0.0f && last < 0) {
            c = 0.0f; /* the guess was above the root: begin at the left end */
        } else {
            return 0.0f;
        }
    }
    return c;
}

/* --- in a metric ------------------------------------------------------------------------------ */

typedef struct above_in {
    float sum;    /* of metric_i |v_i| over |v_i| > c */
    float weight; /* of metric_i over the same */
    int32_t count;
} above_in;

static inline __attribute__((always_inline)) above_in sum_above_in(const float *v,
                                                                   const float *metric,
                                                                   size_t count, float c)
{
    pl_lanes sum0 = {0}, sum1 = {0}, weight0 = {0}, weight1 = {0};
    pl_lane_bits n0 = {0}, n1 = {0};
    const pl_lanes level = c - (pl_lanes){0};
    const pl_lane_bits magnitude = 0x7fffffff - (pl_lane_bits){0};
    size_t i = 0;
    for (; i + STEP <= count; i += STEP) {
        pl_lane_bits a0, a1, m0, m1;
        memcpy(&a0, v + i, sizeof a0);
        memcpy(&a1, v + i + LANES, sizeof a1);
        memcpy(&m0, metric + i, sizeof m0);
        memcpy(&m1, metric + i + LANES, sizeof m1);
        a0 &= magnitude;
        a1 &= magnitude;
        const pl_lane_bits over0 = (pl_lanes)a0 > level;
        const pl_lane_bits over1 = (pl_lanes)a1 > level;
        const pl_lanes taken0 = (pl_lanes)(m0 & over0);
        const pl_lanes taken1 = (pl_lanes)(m1 & over1);
        sum0 += (pl_lanes)a0 * taken0;
        sum1 += (pl_lanes)a1 * taken1;
        weight0 += taken0;
        weight1 += taken1;
        n0 -= over0;
        n1 -= over1;
    }
    sum0 += sum1;
    weight0 += weight1;
    n0 += n1;
    above_in all = {fold(&sum0), fold(&weight0), fold_counts(&n0)};
    for (; i < count; i++) {
        const float a = fabsf(v[i]);
        all.sum += a > c ? a * metric[i] : 0.0f;
        all.weight += a > c ? metric[i] : 0.0f;
        all.count += a > c ? 1 : 0;
    }
    return all;
}

/* find_level with the slope sum metric_i in place of the number of |v_i| > c. */
static inline __attribute__((always_inline)) float find_level_in(const float *v,
                                                                 const float *metric, size_t count,
                                                                 float tau, float start)
{
    if (!(tau > 0.0f)) {
        return largest_magnitude(v, count);
    }
    float c = start > 0.0f ? start : 0.0f;
    int32_t last = -1;
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        const above_in all = sum_above_in(v, metric, count, c);
        if (all.count == last || (all.count == 0 && last > 0)) {
            break;
        }
        const float next = (all.sum - tau) / all.weight;
        if (all.count > 0 && next > 0.0f) {
            c = next;
            last = all.count;
        } else if (c > 0.0f && last < 0) {
            c = 0.0f;
        } else {
            return 0.0f;
        }
    }
    return c;
}

PL_CLONES
void pl_prox_linf_levels_in(const float *v, const float *metric, size_t count, size_t width,
                            const float *taus, float *levels)
{
    for (size_t k = 0, first = 0; first < count; k++, first += width) {
        const size_t size = count - first < width ? count - first : width;
        levels[k] = find_level_in(v + first, metric + first, size, taus[k], levels[k]);
    }
}

PL_CLONES
float pl_prox_linf_level(const float *v, size_t count, float tau)
{
    return find_level(v, count, tau, 0.0f);
}

PL_CLONES
void pl_prox_linf_levels(const float *v, size_t count, size_t width, const float *taus,
                         float *levels)
{
    for (size_t k = 0, first = 0; first < count; k++, first += width) {
        const size_t size = count - first < width ? count - first : width;
        levels[k] = find_level(v + first, size, taus[k], levels[k]);
    }
}

PL_CLONES
void pl_prox_linf_clip(const float *v, size_t count, size_t width, const float *levels, float *z)
{
    for (size_t k = 0, first = 0; first < count; k++, first += width) {
        const size_t end = count - first < width ? count : first + width;
        const float c = levels[k];
        for (size_t i = first; i < end; i++) {
            const float capped = v[i] < c ? v[i] : c;
            z[i] = capped > -c ? capped : -c;
        }
    }
}
