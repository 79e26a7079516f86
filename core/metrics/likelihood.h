/* core/metrics/likelihood.h -- log-likelihoods of many continuations, each behind its context.
 *
 * What contexts and continuations have in common from the first token on is computed once
 * (core/model/branches.h).  Of a sequence the model reads all tokens but the last. */
#ifndef PL_METRICS_LIKELIHOOD_H
#define PL_METRICS_LIKELIHOOD_H

#include "core/model/branches.h"

#include <stdbool.h>

typedef struct pl_request {
    const int32_t *ids; /* [count], the context and then the continuation; borrowed */
    size_t count;
    size_t context; /* tokens of the context, 1 ... count - 1 */
} pl_request;

typedef struct pl_likelihood {
    double sum;  /* of ln p(token | those before) over the continuation */
    bool greedy; /* each of its tokens is the likeliest, of equals the first */
} pl_likelihood;

/* Tokens a request adds to the one before it (NULL: none): those that the model must read. */
size_t pl_request_adds(const pl_request *request, const pl_request *before);

/* Tokens that fit into one call beside a block's weights; 0: not one.  limit: bytes, 0: none. */
size_t pl_likelihood_room(const pl_model *model, size_t limit);
/* Bytes that so many tokens need. */
double pl_likelihood_need(const pl_model *model, size_t tokens);

/* hooks: of the weights to measure, NULL for the original; an input hook sees tokens of several
 * sequences at a time.  progress: called with the share that is done; may be NULL.  *distinct:
 * tokens read; may be NULL.  PL_ERR_USAGE for a request without context or continuation,
 * PL_ERR_FORMAT for a token that the model does not have, PL_ERR_NUMERIC where logits are not
 * finite. */
typedef void (*pl_share_fn)(void *ctx, double share);
PL_NODISCARD pl_status pl_likelihoods(pl_model *model, const pl_request *requests, size_t count,
                                      const pl_hooks *hooks, pl_share_fn progress, void *ctx,
                                      pl_likelihood *out, size_t *distinct, pl_task *task,
                                      pl_error *err);

#endif
