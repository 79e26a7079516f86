#include "core/calib/pass.h"

#include "core/tensor/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float LEAST = 100.0f;
static const float RATIO = 1000.0f;

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

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return x < y ? -1 : x > y;
}

void pl_massive_scan(const float *x, size_t count, float *scratch,
                     void (*note)(void *ctx, size_t channel, float value, float median), void *ctx)
{
    const int32_t bits = largest_bits(x, count);
    float max;
    memcpy(&max, &bits, sizeof max);
    /* The median is only looked for where it can be small enough: at least half of the values
     * must be.  That leaves few rows to sort. */
    if (!(max > LEAST) || 2 * (size_t)count_below(x, count, max / RATIO) < count) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        scratch[i] = fabsf(x[i]);
    }
    qsort(scratch, count, sizeof *scratch, compare_floats);
    const float median =
        count % 2 == 1 ? scratch[count / 2] : 0.5f * (scratch[count / 2 - 1] + scratch[count / 2]);
    for (size_t i = 0; i < count; i++) {
        if (fabsf(x[i]) > LEAST && fabsf(x[i]) > RATIO * median) {
            note(ctx, i, x[i], median);
        }
    }
}
