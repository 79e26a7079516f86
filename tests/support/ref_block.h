/* tests/support/ref_block.h -- a block in float64, plainly: the reference of core/model/tape. */
#ifndef PL_TESTS_REF_BLOCK_H
#define PL_TESTS_REF_BLOCK_H

#include "core/model/forward_parts.h"

enum { PL_REF_SITES = 24 }; /* of a block, at most */

/* Weights and biases by site as in core/model/tape.h, in float64; a bias is there everywhere. */
typedef struct pl_ref_block {
    const pl_forward *forward; /* of the loaded block: norms, routers, sinks */
    const pl_config *config;
    const float *cosine, *sine; /* [length, rotary_dim / 2] */
    double *weights[PL_REF_SITES], *biases[PL_REF_SITES];
    /* In place on a site's inputs [rows, cols], and on one token's heads after RoPE; NULL: none. */
    void *ctx;
    void (*input)(void *ctx, size_t site, double *x, size_t rows);
    void (*cache)(void *ctx, double *q, double *k, double *v);
} pl_ref_block;

/* y[windows * length, hidden] of x. */
void pl_ref_block_run(const pl_ref_block *b, const double *x, size_t length, size_t windows,
                      double *y);

#endif
