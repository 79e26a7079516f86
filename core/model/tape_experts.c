/* Back through a mixture of experts (experts.c). */
#include "core/base/checked.h"
#include "core/model/tape_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Routed rows stand one expert after the other: expert e's are [first[e], first[e + 1]). */
struct pl_tape_experts {
    size_t routed;           /* rows * experts_used */
    float *scores, *shares;  /* [rows, experts]: of all; of the chosen ones, else -1 */
    float *share_grad;       /* [rows, experts] */
    uint32_t *tokens;        /* [routed] rows of the block */
    size_t *first;           /* [experts + 1] */
    float *inputs, *outputs; /* [routed, hidden] */
    float *gate_up, *act;    /* [routed, 2 expert_size], [routed, expert_size] */
    float *shared_outputs;   /* [rows, hidden] of the shared expert, where there is one */
    float *shared_gate_up, *shared_act;
    float *shared_shares;      /* [rows] */
    float *in_grad, *out_grad; /* [rows, hidden] */
};

pl_status pl_tape_experts_create(const pl_tape *t, pl_tape_experts **out, pl_error *err)
{
    const pl_config *c = t->c;
    const size_t rows = t->most * t->length, hidden = c->hidden_size,
                 routed = rows * c->experts_used;
    bool failed = false;
    pl_tape_experts *x = calloc(1, sizeof *x);
    *out = x;
    if (x == NULL) {
        return pl_error_memory(err, "a mixture's backward pass");
    }
    x->routed = routed;
    x->scores = pl_forward_floats(rows, c->experts, &failed);
    x->shares = pl_forward_floats(rows, c->experts, &failed);
    x->share_grad = pl_forward_floats(rows, c->experts, &failed);
    x->tokens = pl_alloc(routed, sizeof *x->tokens);
    x->first = pl_alloc(c->experts + 1, sizeof *x->first);
    x->inputs = pl_forward_floats(routed, hidden, &failed);
    x->outputs = pl_forward_floats(routed, hidden, &failed);
    x->gate_up = pl_forward_floats(routed, 2 * c->expert_size, &failed);
    x->act = pl_forward_floats(routed, c->expert_size, &failed);
    x->in_grad = pl_forward_floats(rows, hidden, &failed);
    x->out_grad = pl_forward_floats(rows, hidden, &failed);
    if (c->shared_size > 0) {
        x->shared_outputs = pl_forward_floats(rows, hidden, &failed);
        x->shared_gate_up = pl_forward_floats(rows, 2 * c->shared_size, &failed);
        x->shared_act = pl_forward_floats(rows, c->shared_size, &failed);
        x->shared_shares = pl_forward_floats(rows, 1, &failed);
    }
    return !failed && x->tokens != NULL && x->first != NULL
               ? PL_OK
               : pl_error_memory(err, "a mixture's backward pass over %zu tokens", rows);
}

void pl_tape_experts_destroy(pl_tape_experts *x)
{
    if (x == NULL) {
        return;
    }
    float *const owned[] = {x->scores,         x->shares,     x->share_grad,    x->inputs,
                            x->outputs,        x->gate_up,    x->act,           x->shared_outputs,
                            x->shared_gate_up, x->shared_act, x->shared_shares, x->in_grad,
                            x->out_grad};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        free(owned[i]);
    }
    free(x->tokens);
    free(x->first);
    free(x);
}

/* --- forward ---------------------------------------------------------------------------------- */

static void choose_tape_experts(const pl_tape_pass *p)
{
    const pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t n = c->experts;
    pl_gemm_nt(p->rows, n, c->hidden_size, 1.0f, t->mlp_in, c->hidden_size, t->f->w.router,
               c->hidden_size, 0.0f, x->scores, n);
    if (t->f->w.router_bias != NULL) {
        pl_add_bias(x->scores, n, p->rows, n, t->f->w.router_bias);
    }
    for (size_t r = 0; r < p->rows; r++) {
        pl_expert_scores(c, x->scores + r * n);
    }
    memcpy(x->shares, x->scores, p->rows * n * sizeof *x->shares);
    for (size_t r = 0; r < p->rows; r++) {
        pl_expert_shares(c, t->f->w.score_bias, x->shares + r * n, t->f->choice);
    }
}

/* The tokens of every expert, and its inputs. */
static void gather_expert_tokens(const pl_tape_pass *p)
{
    const pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size;
    size_t count = 0;
    for (size_t e = 0; e < c->experts; e++) {
        x->first[e] = count;
        for (size_t r = 0; r < p->rows; r++) {
            const float share = x->shares[r * c->experts + e];
            if (!(share >= 0)) {
                continue;
            }
            float *to = x->inputs + count * hidden;
            memcpy(to, t->mlp_in + r * hidden, hidden * sizeof *to);
            pl_forward_scale(to, c->arch->experts->input_scaled ? hidden : 0, (double)share);
            x->tokens[count++] = (uint32_t)r;
        }
    }
    x->first[c->experts] = count;
}

static pl_tape_mlp mlp_of(const pl_tape *t, size_t e)
{
    const pl_tape_experts *x = t->experts;
    const size_t inner = t->c->expert_size, at = x->first[e];
    return (pl_tape_mlp){t->mlp + 2 * e, inner, x->gate_up + at * 2 * inner, x->act + at * inner};
}

static pl_tape_mlp shared_mlp(const pl_tape *t)
{
    const pl_tape_experts *x = t->experts;
    return (pl_tape_mlp){t->mlp + 2 * t->c->experts, t->c->shared_size, x->shared_gate_up,
                         x->shared_act};
}

/* to[count] += by * from. */
static void add_scaled(float *to, const float *from, float by, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += by * from[i];
    }
}

static float product(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)(a[i] * b[i]);
    }
    return (float)sum;
}

static pl_status run_shared_expert(const pl_tape_pass *p, float *out, pl_error *err)
{
    const pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size;
    const bool gated = c->arch->experts->shared_gate.hf != NULL;
    const pl_tape_mlp mlp = shared_mlp(t);
    pl_status status = pl_tape_mlp_run(p, &mlp, t->mlp_in, p->rows, x->shared_outputs, err);
    for (size_t r = 0; status == PL_OK && r < p->rows; r++) {
        const float z = gated ? product(t->mlp_in + r * hidden, t->f->w.shared_gate, hidden) : 0.0f;
        x->shared_shares[r] = gated ? 1.0f / (1.0f + expf(-z)) : 1.0f;
        add_scaled(out + r * hidden, x->shared_outputs + r * hidden, x->shared_shares[r], hidden);
    }
    return status;
}

pl_status pl_tape_experts_run(const pl_tape_pass *p, float *out, pl_error *err)
{
    const pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size;
    const bool scaled = c->arch->experts->input_scaled;
    pl_status status = PL_OK;
    choose_tape_experts(p);
    gather_expert_tokens(p);
    memset(out, 0, p->rows * hidden * sizeof *out);
    for (size_t e = 0; status == PL_OK && e < c->experts; e++) {
        const size_t first = x->first[e], count = x->first[e + 1] - first;
        const pl_tape_mlp mlp = mlp_of(t, e);
        status = pl_tape_mlp_run(p, &mlp, x->inputs + first * hidden, count,
                                 x->outputs + first * hidden, err);
        for (size_t i = first; status == PL_OK && i < first + count; i++) {
            const size_t r = x->tokens[i];
            add_scaled(out + r * hidden, x->outputs + i * hidden,
                       scaled ? 1.0f : x->shares[r * c->experts + e], hidden);
        }
    }
    return status == PL_OK && c->shared_size > 0 ? run_shared_expert(p, out, err) : status;
}

/* --- backward --------------------------------------------------------------------------------- */

/* One expert: adds to in_grad, and sets the gradients of its shares. */
static pl_status expert_back(const pl_tape_pass *p, size_t e, const float *out_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size, n = c->experts;
    const size_t first = x->first[e], count = x->first[e + 1] - first;
    const bool scaled = c->arch->experts->input_scaled;
    const pl_tape_mlp mlp = mlp_of(t, e);
    for (size_t i = 0; i < count; i++) {
        const size_t r = x->tokens[first + i];
        const float share = x->shares[r * n + e];
        const float *from = out_grad + r * hidden;
        float *to = x->out_grad + i * hidden;
        memcpy(to, from, hidden * sizeof *to);
        if (!scaled) {
            pl_forward_scale(to, hidden, (double)share);
            x->share_grad[r * n + e] = product(from, x->outputs + (first + i) * hidden, hidden);
        }
    }
    pl_status status = pl_tape_mlp_back(p, &mlp, count, x->out_grad, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const size_t r = x->tokens[first + i];
        const float *grad = t->narrow + i * hidden;
        if (scaled) {
            x->share_grad[r * n + e] = product(grad, t->mlp_in + r * hidden, hidden);
        }
        add_scaled(x->in_grad + r * hidden, grad, scaled ? x->shares[r * n + e] : 1.0f, hidden);
    }
    return status;
}

static pl_status shared_back(const pl_tape_pass *p, const float *out_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size;
    const bool gated = c->arch->experts->shared_gate.hf != NULL;
    const pl_tape_mlp mlp = shared_mlp(t);
    for (size_t r = 0; r < p->rows; r++) {
        const float share = x->shared_shares[r], *from = out_grad + r * hidden;
        float *to = x->out_grad + r * hidden;
        memcpy(to, from, hidden * sizeof *to);
        pl_forward_scale(to, hidden, (double)share);
        if (gated) {
            const float by = product(from, x->shared_outputs + r * hidden, hidden);
            add_scaled(x->in_grad + r * hidden, t->f->w.shared_gate, by * share * (1.0f - share),
                       hidden);
        }
    }
    pl_status status = pl_tape_mlp_back(p, &mlp, p->rows, x->out_grad, err);
    if (status == PL_OK) {
        add_scaled(x->in_grad, t->narrow, 1.0f, p->rows * hidden);
    }
    return status;
}

/* A token's gradients of its shares [experts] become those of the router's outputs: shares are k s
 * of the chosen scores s, or k s / (the sum of the chosen ones). */
static void shares_back(const pl_config *c, const float *scores, const float *shares, float *grad)
{
    const size_t n = c->experts;
    const double scale = c->experts_scale;
    double total = 0.0, along = 0.0, mean = 0.0;
    for (size_t e = 0; e < n; e++) {
        const bool chosen = shares[e] >= 0;
        grad[e] = chosen ? (float)(scale * (double)grad[e]) : 0.0f;
        total += chosen ? (double)scores[e] : 0.0;
        along += (double)grad[e] * (double)scores[e];
    }
    for (size_t e = 0; c->experts_normalized && e < n; e++) {
        grad[e] = shares[e] >= 0 ? (float)(((double)grad[e] - along / total) / total) : 0.0f;
    }
    for (size_t e = 0; e < n; e++) {
        mean += (double)grad[e] * (double)scores[e];
    }
    for (size_t e = 0; e < n; e++) {
        const double s = (double)scores[e];
        grad[e] = (float)(c->arch->experts->sigmoid ? (double)grad[e] * s * (1.0 - s)
                                                    : s * ((double)grad[e] - mean));
    }
}

pl_status pl_tape_experts_back(const pl_tape_pass *p, const float *out_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_tape_experts *x = t->experts;
    const size_t hidden = c->hidden_size, n = c->experts;
    pl_status status = PL_OK;
    memset(x->in_grad, 0, p->rows * hidden * sizeof *x->in_grad);
    for (size_t e = 0; status == PL_OK && e < n; e++) {
        status = expert_back(p, e, out_grad, err);
    }
    if (status == PL_OK && c->shared_size > 0) {
        status = shared_back(p, out_grad, err);
    }
    if (status != PL_OK) {
        return status;
    }
    for (size_t r = 0; r < p->rows; r++) {
        shares_back(c, x->scores + r * n, x->shares + r * n, x->share_grad + r * n);
    }
    pl_gemm_nn(p->rows, hidden, n, 1.0f, x->share_grad, n, t->f->w.router, hidden, 1.0f, x->in_grad,
               hidden);
    memcpy(t->narrow, x->in_grad, p->rows * hidden * sizeof *t->narrow);
    return PL_OK;
}
