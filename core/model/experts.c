/* A mixture of experts: every token goes to the few experts its router scores highest. */
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <string.h>

/* A softmax over all, or sigmoids. */
void pl_expert_scores(const pl_config *c, float *scores)
{
    const size_t n = c->experts;
    const bool sigmoid = c->arch->experts->sigmoid;
    float max = scores[0];
    float sum = 0.0f;
    for (size_t e = 1; e < n; e++) {
        max = scores[e] > max ? scores[e] : max;
    }
    for (size_t e = 0; e < n; e++) {
        scores[e] = sigmoid ? 1.0f / (1.0f + expf(-scores[e])) : expf(scores[e] - max);
        sum += scores[e];
    }
    for (size_t e = 0; e < n && !sigmoid; e++) {
        scores[e] /= sum;
    }
}

/* What a group is chosen by: the best of its n experts, or the sum of its best two. */
static float group_score(const float *choice, size_t n, bool pairs)
{
    float best = -INFINITY, second = -INFINITY;
    for (size_t e = 0; e < n; e++) {
        if (choice[e] > best) {
            second = best;
            best = choice[e];
        } else if (choice[e] > second) {
            second = choice[e];
        }
    }
    return pairs && n > 1 ? best + second : best;
}

/* Excludes the experts outside the best groups from choice[n]; of equal groups the first are
 * better. */
static void limit_groups(const pl_config *c, float *choice)
{
    const size_t n = c->experts / c->expert_groups;
    const bool pairs = c->arch->experts->group_pairs;
    for (size_t g = 0; g < c->expert_groups; g++) {
        const float own = group_score(choice + g * n, n, pairs);
        size_t better = 0;
        for (size_t other = 0; other < c->expert_groups; other++) {
            const float its = group_score(choice + other * n, n, pairs);
            better += its > own || (other < g && !(its < own) && !(own < its)) ? 1 : 0;
        }
        for (size_t e = 0; e < n && better >= c->expert_groups_used; e++) {
            choice[g * n + e] = NAN; /* no comparison below takes it; groups so far are kept */
        }
    }
}

/* Chooses experts by score plus bias, within the best groups; then (where `normalized`) scales the
 * chosen ones' scores to sum to 1. */
void pl_expert_shares(const pl_config *c, const float *bias, float *scores, float *choice)
{
    const size_t n = c->experts, used = c->experts_used;
    for (size_t e = 0; e < n; e++) {
        choice[e] = scores[e] + bias[e];
    }
    if (c->expert_groups > 0) {
        limit_groups(c, choice);
    }
    /* The least choice that is taken, and how many of those equal to it. */
    float bar = INFINITY;
    size_t chosen = 0;
    size_t equal = 0;
    while (chosen < used) {
        float next = -INFINITY;
        for (size_t e = 0; e < n; e++) {
            next = choice[e] < bar && choice[e] > next ? choice[e] : next;
        }
        size_t ties = 0;
        for (size_t e = 0; e < n; e++) {
            ties += choice[e] == next ? 1 : 0;
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
        bool take = choice[e] > bar || (choice[e] == bar && equal > 0);
        equal -= take && choice[e] == bar ? 1 : 0;
        total += take ? scores[e] : 0.0f;
        scores[e] = take ? scores[e] : -1.0f;
    }
    for (size_t e = 0; e < n; e++) {
        scores[e] = scores[e] < 0           ? scores[e]
                    : c->experts_normalized ? scores[e] / total * (float)c->experts_scale
                                            : scores[e] * (float)c->experts_scale;
    }
}

/* The tokens of expert e, and their rows of the input; how many. */
static size_t gather_tokens(const pl_step *s, size_t e)
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
 * biases: of gate and up [2 inner], and of down [H], or NULL; until: as in pl_forward_experts. */
static pl_status run_one(const pl_step *s, float *x, size_t count, size_t site, size_t before,
                         size_t inner, const float *const biases[2], pl_site_role until, float *out,
                         pl_error *err)
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
    if (status == PL_OK && count > 0 && biases[0] != NULL) {
        pl_add_bias(f->gate_up, 2 * inner, count, 2 * inner, biases[0]);
    }
    if (status == PL_OK && count > 0) {
        pl_gate_mul(s->c->activation, f->gate_up, 2 * inner, count, inner, f->act);
    }
    PL_THEN(pl_forward_see(s, site + 1, f->act, count, inner, err));
    if (status == PL_OK && count > 0 && until != PL_SITE_DOWN) {
        status = pl_forward_multiply(f->act, count, f->w.down + before * hidden, hidden, inner, out,
                                     s->task, err);
    }
    if (status == PL_OK && count > 0 && until != PL_SITE_DOWN && biases[1] != NULL) {
        pl_add_bias(out, hidden, count, hidden, biases[1]);
    }
    return status;
}

static pl_status run_expert(const pl_step *s, size_t e, pl_site_role until, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t hidden = c->hidden_size;
    size_t count = gather_tokens(s, e);
    size_t site = f->model->blocks[f->w.block].sites[PL_SITE_GATE_UP] + 2 * e;
    const bool biased = f->w.expert_biases[0] != NULL;
    const float *const biases[2] = {biased ? f->w.expert_biases[0] + e * 2 * c->expert_size : NULL,
                                    biased ? f->w.expert_biases[1] + e * hidden : NULL};
    const bool scaled = c->arch->experts->input_scaled;
    for (size_t i = 0; scaled && i < count; i++) {
        pl_forward_scale(f->routed + i * hidden, hidden,
                         (double)f->shares[f->tokens[i] * c->experts + e]);
    }
    f->rows = f->tokens;
    pl_status status = run_one(s, f->routed, count, site, e * c->expert_size, c->expert_size,
                               biases, until, f->routed, err);
    f->rows = NULL;
    for (size_t i = 0; until == PL_SITE_ROLE_COUNT && status == PL_OK && i < count; i++) {
        float share = scaled ? 1.0f : f->shares[f->tokens[i] * c->experts + e];
        float *to = f->mixed + f->tokens[i] * hidden;
        for (size_t k = 0; k < hidden; k++) {
            to[k] += share * f->routed[i * hidden + k];
        }
    }
    return status;
}

/* The expert that sees every token, weighted by a sigmoid of its own where it has a gate. */
static pl_status run_shared(const pl_step *s, pl_site_role until, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t hidden = c->hidden_size;
    size_t site = f->model->blocks[f->w.block].sites[PL_SITE_GATE_UP] + 2 * c->experts;
    const bool gated = c->arch->experts->shared_gate.hf != NULL;
    float *gates = f->shares; /* no longer needed: [length] */
    if (gated) {
        pl_gemm_nt(s->length, 1, hidden, 1.0f, f->normed, hidden, f->w.shared_gate, hidden, 0.0f,
                   gates, 1);
    }
    const float *const none[2] = {NULL, NULL};
    pl_status status = run_one(s, f->normed, s->length, site, c->experts * c->expert_size,
                               c->shared_size, none, until, f->routed, err);
    for (size_t t = 0; until == PL_SITE_ROLE_COUNT && status == PL_OK && t < s->length; t++) {
        float share = gated ? 1.0f / (1.0f + expf(-gates[t])) : 1.0f;
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
    if (f->w.router_bias != NULL) {
        pl_add_bias(f->shares, c->experts, s->length, c->experts, f->w.router_bias);
    }
    for (size_t t = 0; t < s->length; t++) {
        pl_expert_scores(c, f->shares + t * c->experts);
        pl_expert_shares(c, f->w.score_bias, f->shares + t * c->experts, f->choice);
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
