/* A mixture of experts: every token goes to the few experts its router scores highest. */
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <string.h>

/* A token's router scores [n] become the weights of the `used` best experts, -1 for the others:
 * a softmax over all, then (where `normalized`) the chosen ones are made to sum to 1. */
static void choose(float *scores, size_t n, size_t used, bool normalized)
{
    float max = scores[0];
    float sum = 0.0f;
    for (size_t e = 1; e < n; e++) {
        max = scores[e] > max ? scores[e] : max;
    }
    for (size_t e = 0; e < n; e++) {
        scores[e] = expf(scores[e] - max);
        sum += scores[e];
    }
    for (size_t e = 0; e < n; e++) {
        scores[e] /= sum;
    }
    /* The least weight that is chosen, and how many of those equal to it. */
    float bar = INFINITY;
    size_t chosen = 0;
    size_t equal = 0;
    while (chosen < used) {
        float next = -1.0f;
        for (size_t e = 0; e < n; e++) {
            next = scores[e] < bar && scores[e] > next ? scores[e] : next;
        }
        size_t ties = 0;
        for (size_t e = 0; e < n; e++) {
            ties += scores[e] == next ? 1 : 0;
        }
        if (ties == 0) { /* scores that are not numbers */
            break;
        }
        bar = next;
        equal = ties < used - chosen ? ties : used - chosen;
        chosen += equal;
    }
    float total = 0.0f;
    for (size_t e = 0; e < n; e++) {
        bool take = scores[e] > bar || (scores[e] == bar && equal > 0);
        equal -= take && scores[e] == bar ? 1 : 0;
        total += take ? scores[e] : 0.0f;
        scores[e] = take ? scores[e] : -1.0f;
    }
    for (size_t e = 0; normalized && e < n; e++) {
        scores[e] = scores[e] >= 0 ? scores[e] / total : scores[e];
    }
}

/* The tokens of expert e, and their rows of the input; how many. */
static size_t gather(const pl_step *s, size_t e)
{
    pl_forward *f = s->f;
    size_t hidden = s->c->hidden_size;
    size_t count = 0;
    for (size_t t = 0; t < s->length; t++) {
        if (f->shares[t * s->c->experts + e] >= 0) {
            memcpy(f->routed + count * hidden, f->normed + t * hidden, hidden * sizeof(float));
            f->tokens[count++] = (uint32_t)t;
        }
    }
    return count;
}

/* x[count, H] through an MLP of inner width `inner` to out[count, H]; its sites come in order.
 * until: as in pl_forward_experts. */
static pl_status run_one(const pl_step *s, float *x, size_t count, size_t site, size_t before,
                         size_t inner, pl_site_role until, float *out, pl_error *err)
{
    pl_forward *f = s->f;
    size_t hidden = s->c->hidden_size;
    pl_status status = pl_forward_see(s, site, x, count, hidden, err);
    if (until == PL_SITE_GATE_UP) {
        return status;
    }
    if (status == PL_OK && count > 0) {
        status = pl_forward_multiply(x, count, f->w.gate_up + 2 * before * hidden, 2 * inner,
                                     hidden, f->gate_up, s->task, err);
    }
    if (status == PL_OK && count > 0) {
        pl_gate_mul(s->c->activation, f->gate_up, 2 * inner, count, inner, f->act);
    }
    PL_THEN(pl_forward_see(s, site + 1, f->act, count, inner, err));
    if (status == PL_OK && count > 0 && until != PL_SITE_DOWN) {
        status = pl_forward_multiply(f->act, count, f->w.down + before * hidden, hidden, inner, out,
                                     s->task, err);
    }
    return status;
}

static pl_status run_expert(const pl_step *s, size_t e, pl_site_role until, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t hidden = c->hidden_size;
    size_t count = gather(s, e);
    size_t site = f->model->blocks[f->w.block].first_site + PL_SITE_GATE_UP + 2 * e;
    f->rows = f->tokens;
    pl_status status = run_one(s, f->routed, count, site, e * c->expert_size, c->expert_size, until,
                               f->routed, err);
    f->rows = NULL;
    for (size_t i = 0; until == PL_SITE_ROLE_COUNT && status == PL_OK && i < count; i++) {
        float share = f->shares[f->tokens[i] * c->experts + e];
        float *to = f->mixed + f->tokens[i] * hidden;
        for (size_t k = 0; k < hidden; k++) {
            to[k] += share * f->routed[i * hidden + k];
        }
    }
    return status;
}

/* The expert that sees every token, weighted by a sigmoid of its own. */
static pl_status run_shared(const pl_step *s, pl_site_role until, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t hidden = c->hidden_size;
    size_t site = f->model->blocks[f->w.block].first_site + PL_SITE_GATE_UP + 2 * c->experts;
    float *gates = f->shares; /* no longer needed: [length] */
    pl_gemm_nt(s->length, 1, hidden, 1.0f, f->normed, hidden, f->w.shared_gate, hidden, 0.0f, gates,
               1);
    pl_status status = run_one(s, f->normed, s->length, site, c->experts * c->expert_size,
                               c->shared_size, until, f->routed, err);
    for (size_t t = 0; until == PL_SITE_ROLE_COUNT && status == PL_OK && t < s->length; t++) {
        float share = 1.0f / (1.0f + expf(-gates[t]));
        for (size_t k = 0; k < hidden; k++) {
            f->mixed[t * hidden + k] += share * f->routed[t * hidden + k];
        }
    }
    return status;
}

pl_status pl_forward_experts(const pl_step *s, pl_site_role until, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    pl_gemm_nt(s->length, c->experts, c->hidden_size, 1.0f, f->normed, c->hidden_size, f->w.router,
               c->hidden_size, 0.0f, f->shares, c->experts);
    for (size_t t = 0; t < s->length; t++) {
        choose(f->shares + t * c->experts, c->experts, c->experts_used, c->experts_normalized);
    }
    memset(f->mixed, 0, s->length * c->hidden_size * sizeof *f->mixed);
    pl_status status = PL_OK;
    for (size_t e = 0; e < c->experts && status == PL_OK; e++) {
        status = run_expert(s, e, until, err);
    }
    if (status == PL_OK && c->shared_size > 0) {
        status = run_shared(s, until, err);
    }
    float *sum = f->mixed;
    f->mixed = f->normed;
    f->normed = sum;
    return status;
}
