/* core/model/branches.h -- the forward pass over many sequences of tokens that share beginnings:
 * what two have in common is computed once.
 *
 * A branch is the tokens that a sequence adds to an earlier one.  The tokens of all branches lie
 * one behind the other, so that the products of a block have many rows; attention goes branch by
 * branch, over the keys and values of the whole sequence. */
#ifndef PL_MODEL_BRANCHES_H
#define PL_MODEL_BRANCHES_H

#include "core/model/forward.h"

#define PL_NO_BRANCH SIZE_MAX

typedef struct pl_branch {
    size_t row;    /* of its first token, among those of all branches */
    size_t start;  /* that token's position: tokens of its sequence before it */
    size_t length; /* tokens, >= 1 */
    size_t parent; /* an earlier branch, whose sequence has those `start` tokens; PL_NO_BRANCH
                      where start is 0 */
} pl_branch;

/* The row of the token at a position of the branch's sequence. */
size_t pl_branch_row(const pl_branch *branches, size_t branch, size_t position);

typedef struct pl_branches pl_branches;

/* Work space for branches[count], borrowed, whose rows follow one another from 0.  As many branches
 * run together as have about a thousand rows.  PL_ERR_USAGE where a sequence is longer than the
 * model has positions, or its RoPE's frequencies would depend on the sequence (dynamic,
 * LongRoPE). */
PL_NODISCARD pl_status pl_branches_create(pl_model *model, const pl_branch *branches, size_t count,
                                          pl_branches **out, pl_error *err);
void pl_branches_destroy(pl_branches *branches);

/* Its forward pass, for pl_forward_embed, pl_forward_load and pl_forward_logits. */
pl_forward *pl_branches_forward(pl_branches *branches);

/* Runs the loaded block on x[rows of all branches, hidden], in place. */
PL_NODISCARD pl_status pl_branches_run(pl_branches *branches, float *x, const pl_hooks *hooks,
                                       pl_task *task, pl_error *err);

/* Bytes that a row takes, here and in the caller's x. */
double pl_branches_row_bytes(const pl_model *model);

#endif
