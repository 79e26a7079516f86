#include "core/solve/prox.h"

#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Two accumulators of sixteen lanes each, or four of their halves: the order of the sums is the
 * same whatever the machine's width. */
enum { STEP = 2 * PL_LANES, WHOLES = 2, HALVES = 4 };

/* The sum of all lanes, by halves. */
static inline __attribute__((always_inline)) float fold_half(const pl_half_lanes *v)
{
    pl_quarter_lanes low, high;
    memcpy(&low, v, sizeof low);
    memcpy(&high, (const char *)v + sizeof low, sizeof high);
    low += high;
    return (low[0] + low[2]) + (low[1] + low[3]);
}

static inline __attribute__((always_inline)) float fold_whole(const pl_lanes *v)
{
    pl_half_lanes low, high;
    memcpy(&low, v, sizeof low);
    memcpy(&high, (const char *)v + sizeof low, sizeof high);
    low += high;
    return fold_half(&low);
}

/* Of `parts` accumulators: the second half is added to the first, and so on. */
#define FOLD_PARTS(sums, parts)                                                                    \
    for (int left = (parts) / 2; left > 0; left /= 2) {                                            \
        for (int k = 0; k < left; k++) {                                                           \
            (sums)[k] += (sums)[k + left];                                                         \
        }                                                                                          \
    }

/* More sets than float32 data meet in practice; a bound all the same. */
enum { MAX_PASSES = 200 };

typedef struct above {
    float sum; /* of |v_i| over |v_i| > c */
    int32_t count;
} above;

/* Of the first count / STEP * STEP values.  Counts as floats are exact: rows have at most 2^24
 * columns. */
#define SUM_ABOVE(name, lanes, bits, parts, fold)                                                  \
    static inline __attribute__((always_inline)) above name(const float *v, size_t count, float c) \
    {                                                                                              \
        lanes sums[parts] = {0};                                                                   \
        bits counts[parts] = {0};                                                                  \
        const lanes level = c - (lanes){0};                                                        \
        const bits magnitude = 0x7fffffff - (bits){0};                                             \
        for (size_t i = 0; i + STEP <= count; i += STEP) {                                         \
            for (size_t k = 0; k < parts; k++) {                                                   \
                bits a;                                                                            \
                memcpy(&a, v + i + k * (STEP / parts), sizeof a);                                  \
                a &= magnitude;                                                                    \
                const bits over = (lanes)a > level;                                                \
                sums[k] += (lanes)(a & over);                                                      \
                counts[k] -= over;                                                                 \
            }                                                                                      \
        }                                                                                          \
        FOLD_PARTS(sums, parts)                                                                    \
        FOLD_PARTS(counts, parts)                                                                  \
        const lanes counted = __builtin_convertvector(counts[0], lanes);                           \
        return (above){fold(&sums[0]), (int32_t)fold(&counted)};                                   \
    }

SUM_ABOVE(sum_above_whole, pl_lanes, pl_lane_bits, WHOLES, fold_whole)
SUM_ABOVE(sum_above_halves, pl_half_lanes, pl_half_lane_bits, HALVES, fold_half)

static inline __attribute__((always_inline)) above sum_above(const float *v, size_t count, float c)
{
    above all = pl_lanes_are_whole() ? sum_above_whole(v, count, c) : sum_above_halves(v, count, c);
    for (size_t i = count / STEP * STEP; i < count; i++) {
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

#define SUM_ABOVE_IN(name, lanes, bits, parts, fold)                                               \
    static inline __attribute__((always_inline)) above_in name(                                    \
        const float *v, const float *metric, size_t count, float c)                                \
    {                                                                                              \
        lanes sums[parts] = {0}, weights[parts] = {0};                                             \
        bits counts[parts] = {0};                                                                  \
        const lanes level = c - (lanes){0};                                                        \
        const bits magnitude = 0x7fffffff - (bits){0};                                             \
        for (size_t i = 0; i + STEP <= count; i += STEP) {                                         \
            for (size_t k = 0; k < parts; k++) {                                                   \
                bits a, m;                                                                         \
                memcpy(&a, v + i + k * (STEP / parts), sizeof a);                                  \
                memcpy(&m, metric + i + k * (STEP / parts), sizeof m);                             \
                a &= magnitude;                                                                    \
                const bits over = (lanes)a > level;                                                \
                const lanes taken = (lanes)(m & over);                                             \
                sums[k] += (lanes)a * taken;                                                       \
                weights[k] += taken;                                                               \
                counts[k] -= over;                                                                 \
            }                                                                                      \
        }                                                                                          \
        FOLD_PARTS(sums, parts)                                                                    \
        FOLD_PARTS(weights, parts)                                                                 \
        FOLD_PARTS(counts, parts)                                                                  \
        const lanes counted = __builtin_convertvector(counts[0], lanes);                           \
        return (above_in){fold(&sums[0]), fold(&weights[0]), (int32_t)fold(&counted)};             \
    }

SUM_ABOVE_IN(sum_above_in_whole, pl_lanes, pl_lane_bits, WHOLES, fold_whole)
SUM_ABOVE_IN(sum_above_in_halves, pl_half_lanes, pl_half_lane_bits, HALVES, fold_half)

static inline __attribute__((always_inline)) above_in sum_above_in(const float *v,
                                                                   const float *metric,
                                                                   size_t count, float c)
{
    above_in all = pl_lanes_are_whole() ? sum_above_in_whole(v, metric, count, c)
                                        : sum_above_in_halves(v, metric, count, c);
    for (size_t i = count / STEP * STEP; i < count; i++) {
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
