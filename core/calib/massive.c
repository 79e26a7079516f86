#include "core/calib/massive.h"

#include "core/base/number.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

PL_CLONES
static int32_t largest_bits(const float *x, size_t count)
{
    int32_t max = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        max = bits > max ? bits : max;
    }
    return max;
}

PL_CLONES
static uint32_t count_below(const float *x, size_t count, float level)
{
    uint32_t below = 0;
    for (size_t i = 0; i < count; i++) {
        below += fabsf(x[i]) < level ? 1u : 0u;
    }
    return below;
}

static float largest_by_bits(const float *x, size_t count)
{
    const int32_t bits = largest_bits(x, count);
    float max;
    memcpy(&max, &bits, sizeof max);
    return max;
}

/* Whether the largest may be above that share of both thresholds.  The median is only looked for
 * where it can be small enough: at least half of the values must be.  That leaves few rows to
 * sort. */
static bool may_exceed(const float *x, size_t count, float max, float share)
{
    return max > share * PL_MASSIVE_LEAST &&
           2 * (size_t)count_below(x, count, max / (share * PL_MASSIVE_RATIO)) >= count;
}

static float median_of(const float *x, size_t count, float *scratch)
{
    for (size_t i = 0; i < count; i++) {
        scratch[i] = fabsf(x[i]);
    }
    qsort(scratch, count, sizeof *scratch, pl_floats_rising);
    return count % 2 == 1 ? scratch[count / 2]
                          : 0.5f * (scratch[count / 2 - 1] + scratch[count / 2]);
}

bool pl_massive_nearer(const float *x, size_t count, float *scratch, float *share, size_t *channel,
                       float *median)
{
    const float max = largest_by_bits(x, count);
    if (!may_exceed(x, count, max, *share)) {
        return false;
    }
    *median = median_of(x, count, scratch);
    const float own = fminf(max / PL_MASSIVE_LEAST, max / (PL_MASSIVE_RATIO * *median));
    if (!(own > *share && own <= 1.0f)) {
        return false;
    }
    *share = own;
    *channel = 0;
    while (fabsf(x[*channel]) < max) {
        (*channel)++;
    }
    return true;
}

void pl_massive_scan(const float *x, size_t count, float *scratch,
                     void (*note)(void *ctx, size_t channel, float value, float median), void *ctx)
{
    const float max = largest_by_bits(x, count);
    if (!may_exceed(x, count, max, 1.0f)) {
        return;
    }
    const float median = median_of(x, count, scratch);
    for (size_t i = 0; i < count; i++) {
        if (fabsf(x[i]) > PL_MASSIVE_LEAST && fabsf(x[i]) > PL_MASSIVE_RATIO * median) {
            note(ctx, i, x[i], median);
        }
    }
}
