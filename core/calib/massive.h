/* core/calib/massive.h -- which activations of a row of the residual stream are massive (Sun et
 * al., 2024): some 100 in absolute value and 1000 times the row's median. */
#ifndef PL_CALIB_MASSIVE_H
#define PL_CALIB_MASSIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A massive activation of the residual stream (methods.md 4): |x| > 100 and > 1000 times the
 * median |x| of its token's hidden state. */
typedef struct pl_massive {
    uint32_t block, position, channel;
    int32_t token;
    float value, median;
} pl_massive;

#define PL_MASSIVE_LEAST 100.0f
#define PL_MASSIVE_RATIO 1000.0f

/* Finds massive activations in one row of the residual stream: for each channel with
 * |x| > 100 and |x| > 1000 * median calls note(ctx, channel, value, median).  scratch: [count]. */
void pl_massive_scan(const float *x, size_t count, float *scratch,
                     void (*note)(void *ctx, size_t channel, float value, float median), void *ctx);

/* Whether the row's largest |x| is none, but nearer to one than *share: the smaller of |x| / 100
 * and |x| / (1000 * median), at most 1.  Then that becomes *share. */
bool pl_massive_nearer(const float *x, size_t count, float *scratch, float *share, size_t *channel,
                       float *median);

#endif
