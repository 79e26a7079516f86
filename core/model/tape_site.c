/* The linear layers of one site of a block, with the learner's hooks; and back. */
#include "core/model/tape_parts.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>

/* What a hook makes of x for the site's layers. */
static pl_status hook_input(const pl_tape_pass *p, size_t site, const float *x, size_t tokens,
                            pl_error *err)
{
    pl_tape_site *s = &p->t->sites[site];
    if (s->room < tokens * s->cols) {
        bool failed = false;
        free(s->hooked);
        s->hooked = pl_forward_floats(tokens, s->cols, &failed);
        s->room = failed ? 0 : tokens * s->cols;
        if (failed) {
            return pl_error_memory(err, "a block's inputs");
        }
    }
    s->in = s->hooked;
    return p->hooks->input(p->hooks->ctx, site, x, tokens, s->hooked, err);
}

static const float *pass_weights(const pl_tape_pass *p, size_t site)
{
    const float *const *own = p->hooks->weights;
    return own != NULL && own[site] != NULL ? own[site] : p->t->sites[site].weights;
}

static const float *biases_of(const pl_tape_pass *p, size_t site)
{
    const float *const *own = p->hooks->biases;
    return own != NULL && own[site] != NULL ? own[site] : p->t->sites[site].biases;
}

static pl_status ask_for_weights(const pl_tape_pass *p, size_t site, bool back, pl_error *err)
{
    return p->hooks->weights_used != NULL ? p->hooks->weights_used(p->hooks->ctx, site, back, err)
                                          : PL_OK;
}

pl_status pl_tape_site_run(const pl_tape_pass *p, size_t site, const float *x, size_t tokens,
                           float *y, pl_error *err)
{
    pl_tape_site *s = &p->t->sites[site];
    const float *bias = biases_of(p, site);
    s->raw = s->in = x;
    s->tokens = tokens;
    if (tokens == 0) {
        return PL_OK;
    }
    pl_status status = ask_for_weights(p, site, false, err);
    if (status == PL_OK && p->hooks->input != NULL) {
        status = hook_input(p, site, x, tokens, err);
    }
    PL_THEN(pl_forward_multiply(s->in, tokens, pass_weights(p, site), s->outputs, s->cols, y,
                                p->task, err));
    if (status == PL_OK && bias != NULL) {
        pl_add_bias(y, s->outputs, tokens, s->outputs, bias);
    }
    return status;
}

/* FLOP between two ticks. */
static const double PIECE = 2e9;

/* Rows of a product of so many FLOP a row, a multiple of 64, that take so long. */
static size_t piece_of(double flops_a_row, size_t rows)
{
    const double most = PIECE / flops_a_row;
    return most >= (double)rows ? rows : most < 64.0 ? 64 : (size_t)most / 64 * 64;
}

/* sum[outputs, cols] += grad[tokens, outputs]^T of what the site's layers got. */
static pl_status add_weight_gradient(const pl_tape_pass *p, const pl_tape_site *s,
                                     const float *grad, float *sum, pl_error *err)
{
    const size_t piece = piece_of(2.0 * (double)s->tokens * (double)s->cols, s->outputs);
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < s->outputs; first += piece) {
        const size_t count = s->outputs - first < piece ? s->outputs - first : piece;
        status = pl_task_tick(p->task, err);
        if (status == PL_OK) {
            pl_gemm_tn(count, s->cols, s->tokens, grad + first, s->outputs, s->in, s->cols, 1.0f,
                       sum + first * s->cols, s->cols);
        }
    }
    return status;
}

pl_status pl_tape_site_back(const pl_tape_pass *p, size_t site, const float *grad, float *in_grad,
                            pl_error *err)
{
    const pl_tape_site *s = &p->t->sites[site];
    const float *w = pass_weights(p, site);
    const size_t piece = piece_of(2.0 * (double)s->outputs * (double)s->cols, s->tokens);
    if (s->tokens == 0) {
        return PL_OK;
    }
    pl_status status = ask_for_weights(p, site, true, err);
    if (status == PL_OK && p->sums->weights != NULL && p->sums->weights[site] != NULL) {
        status = add_weight_gradient(p, s, grad, p->sums->weights[site], err);
    }
    if (status == PL_OK && p->sums->biases != NULL && p->sums->biases[site] != NULL) {
        pl_add_bias_back(grad, s->tokens, s->outputs, p->sums->biases[site]);
    }
    for (size_t first = 0; status == PL_OK && first < s->tokens; first += piece) {
        const size_t count = s->tokens - first < piece ? s->tokens - first : piece;
        status = pl_task_tick(p->task, err);
        if (status == PL_OK) {
            pl_gemm_nn(count, s->cols, s->outputs, 1.0f, grad + first * s->outputs, s->outputs, w,
                       s->cols, 0.0f, in_grad + first * s->cols, s->cols);
        }
    }
    if (status == PL_OK && p->hooks->input != NULL) {
        status = p->hooks->input_back(p->hooks->ctx, site, s->raw, s->tokens, in_grad, err);
    }
    return status;
}
