/* tests/support/scored.h -- what a forward pass's logits say of its tokens, in float64: for
 * pl_forward_logits, over the whole window. */
#ifndef PL_TEST_SCORED_H
#define PL_TEST_SCORED_H

#include "core/base/error.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { SCORED_LAST = 1024 };

typedef struct scored {
    const int32_t *ids; /* [length] */
    size_t length;
    double nll;              /* the sum over all tokens but the first */
    float last[SCORED_LAST]; /* the logits behind the last token, as many as there are room for */
} scored;

static inline pl_status score_logits(void *ctx, size_t first, const float *logits, size_t count,
                                     size_t vocab, pl_error *err)
{
    scored *s = ctx;
    (void)err;
    for (size_t r = 0; r < count; r++) {
        const float *row = logits + r * vocab;
        double sum = 0.0;
        if (first + r + 1 == s->length) {
            memcpy(s->last, row, (vocab < SCORED_LAST ? vocab : SCORED_LAST) * sizeof *row);
            continue;
        }
        for (size_t i = 0; i < vocab; i++) {
            sum += exp((double)row[i]);
        }
        s->nll += log(sum) - (double)row[s->ids[first + r + 1]];
    }
    return PL_OK;
}

#endif
