#include "tests/support/ref_block.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *doubles(size_t count)
{
    double *all = calloc(count, sizeof *all);
    assert(all != NULL);
    return all;
}

static void linear(const double *x, size_t rows, const double *w, const double *bias,
                   size_t outputs, size_t cols, double *y)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < outputs; o++) {
            double sum = bias[o];
            for (size_t c = 0; c < cols; c++) {
                sum += x[r * cols + c] * w[o * cols + c];
            }
            y[r * outputs + o] = sum;
        }
    }
}

static void see(const pl_ref_block *b, size_t site, double *x, size_t rows)
{
    if (b->input != NULL && rows > 0) {
        b->input(b->ctx, site, x, rows);
    }
}

/* A site's layers, of inputs that its hook changes in place. */
static void run_site(const pl_ref_block *b, size_t site, double *x, size_t rows, size_t outputs,
                     size_t cols, double *y)
{
    see(b, site, x, rows);
    linear(x, rows, b->weights[site], b->biases[site], outputs, cols, y);
}

static void norm(const float *gain, double eps, const double *x, size_t cols, double *out)
{
    double square = 0.0;
    for (size_t c = 0; c < cols; c++) {
        square += x[c] * x[c];
    }
    for (size_t c = 0; c < cols; c++) {
        out[c] = gain == NULL ? x[c] : (double)gain[c] * x[c] / sqrt(square / (double)cols + eps);
    }
}

/* A norm of the stream, of whichever kind. */
static void norm_stream(const pl_ref_block *b, pl_norm_role role, const double *x, double *out)
{
    const pl_config *c = b->config;
    const float *gain = b->forward->w.norms[role], *bias = b->forward->w.norm_biases[role];
    const size_t cols = c->hidden_size;
    double mean = 0.0, square = 0.0;
    if (gain == NULL || !c->arch->layer_norm) {
        norm(gain, c->norm_eps, x, cols, out);
        return;
    }
    for (size_t i = 0; i < cols; i++) {
        mean += x[i] / (double)cols;
    }
    for (size_t i = 0; i < cols; i++) {
        square += (x[i] - mean) * (x[i] - mean);
    }
    for (size_t i = 0; i < cols; i++) {
        out[i] = (double)gain[i] * (x[i] - mean) / sqrt(square / (double)cols + c->norm_eps) +
                 (bias != NULL ? (double)bias[i] : 0.0);
    }
}

static bool is(const pl_ref_block *b, int kind)
{
    return (b->config->block_kind[b->forward->w.block] & kind) != 0;
}

/* x[rotary_dim] of one head. */
static void turn_part(const pl_ref_block *b, double *x, size_t t)
{
    const size_t half = b->config->rotary_dim / 2;
    const bool neighbours = b->config->arch->neighbours;
    for (size_t i = 0; i < half && !is(b, PL_BLOCK_NO_ROPE); i++) {
        const double c = (double)b->cosine[t * half + i], s = (double)b->sine[t * half + i];
        const size_t one = neighbours ? 2 * i : i, other = neighbours ? one + 1 : i + half;
        const double low = x[one], high = x[other];
        x[one] = low * c - high * s;
        x[other] = high * c + low * s;
    }
}

/* One head's query at t on its window's keys and values. */
static void attend(const pl_ref_block *b, size_t head, const double *q, const double *k,
                   size_t k_stride, const double *v, size_t v_stride, size_t t, double *out)
{
    const pl_config *c = b->config;
    const size_t d = c->value_dim;
    size_t first = is(b, PL_BLOCK_SLIDES) && t + 1 > c->window ? t + 1 - c->window : 0;
    if (is(b, PL_BLOCK_CHUNKED) && t / c->chunk * c->chunk > first) {
        first = t / c->chunk * c->chunk;
    }
    double sum = b->forward->w.sinks != NULL ? exp((double)b->forward->w.sinks[head]) : 0.0;
    for (size_t j = 0; j < d; j++) {
        out[j] = 0.0;
    }
    for (size_t at = first; at <= t; at++) {
        double score = 0.0;
        for (size_t j = 0; j < c->head_dim; j++) {
            score += q[j] * k[at * k_stride + j];
        }
        score *= c->attention_scale;
        if (c->attention_cap > 0) {
            score = c->attention_cap * tanh(score / c->attention_cap);
        }
        sum += exp(score);
        for (size_t j = 0; j < d; j++) {
            out[j] += exp(score) * v[at * v_stride + j];
        }
    }
    for (size_t j = 0; j < d; j++) {
        out[j] /= sum;
    }
}

static double activate(const pl_config *c, double x)
{
    return c->activation == PL_RELU   ? (x > 0.0 ? x : 0.0)
           : c->activation == PL_GELU ? 0.5 * x * (1.0 + erf(x / sqrt(2.0)))
           : c->activation == PL_GELU_TANH
               ? 0.5 * x *
                     (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)))
               : x / (1.0 + exp(-x));
}

/* act of gate and up, inner apart. */
static double mix_gate(const pl_config *c, const double *gate, size_t inner)
{
    if (c->activation == PL_CLAMPED_SWIGLU) {
        const double g = fmin(gate[0], 7.0), u = fmin(fmax(gate[inner], -7.0), 7.0);
        return (u + 1.0) * g / (1.0 + exp(-1.702 * g));
    }
    return activate(c, gate[0]) * (c->gated ? gate[inner] : 1.0);
}

/* Heads of all tokens, each of q, k, v [length, heads, d]. */
typedef struct heads {
    double *q, *k, *v;
    size_t q_cols, k_cols, v_cols;
} heads;

static void norm_heads(const pl_ref_block *b, pl_norm_role role, double *x, size_t cols)
{
    const pl_config *c = b->config;
    const float *gain = b->forward->w.norms[role];
    const size_t size = gain != NULL && c->heads > 1 && c->arch->whole_qk_norm ? cols : c->head_dim;
    for (size_t at = 0; at < cols; at += size) {
        norm(gain, c->norm_eps, x + at, size, x + at);
    }
}

/* What comes behind RoPE in llama4. */
static void end_heads(const pl_ref_block *b, double *q, size_t q_cols, double *k, size_t k_cols,
                      size_t t)
{
    const pl_config *c = b->config;
    float ones[PL_MAX_HEAD_DIM];
    const bool turned = !is(b, PL_BLOCK_NO_ROPE);
    for (size_t i = 0; i < c->head_dim; i++) {
        ones[i] = 1.0f;
    }
    for (size_t at = 0; c->normed_heads && turned && at < q_cols; at += c->head_dim) {
        norm(ones, c->norm_eps, q + at, c->head_dim, q + at);
    }
    for (size_t at = 0; c->normed_heads && turned && at < k_cols; at += c->head_dim) {
        norm(ones, c->norm_eps, k + at, c->head_dim, k + at);
    }
    for (size_t i = 0; c->temper_floor > 0 && !turned && i < q_cols; i++) {
        q[i] *= 1.0 + c->temper_scale * log(1.0 + floor(((double)t + 1.0) / c->temper_floor));
    }
}

static void plain_heads(const pl_ref_block *b, double *normed, size_t length, heads *h)
{
    const pl_config *c = b->config;
    const size_t d = c->head_dim, stride = h->q_cols + h->k_cols + h->v_cols;
    double *qkv = doubles(length * stride);
    run_site(b, 0, normed, length, stride, c->hidden_size, qkv);
    for (size_t t = 0; t < length; t++) {
        double *q = h->q + t * h->q_cols, *k = h->k + t * h->k_cols;
        memcpy(q, qkv + t * stride, h->q_cols * sizeof *q);
        memcpy(k, qkv + t * stride + h->q_cols, h->k_cols * sizeof *k);
        memcpy(h->v + t * h->v_cols, qkv + t * stride + h->q_cols + h->k_cols,
               h->v_cols * sizeof *k);
        norm_heads(b, PL_NORM_Q, q, h->q_cols);
        norm_heads(b, PL_NORM_K, k, h->k_cols);
        for (size_t at = 0; at < h->q_cols; at += d) {
            turn_part(b, q + at, t);
        }
        for (size_t at = 0; at < h->k_cols; at += d) {
            turn_part(b, k + at, t);
        }
        end_heads(b, q, h->q_cols, k, h->k_cols, t);
    }
    free(qkv);
}

/* DeepSeek-V2, section 2.1, equations 9 to 19. */
static void latent_heads(const pl_ref_block *b, double *normed, size_t length, heads *h)
{
    const pl_config *c = b->config;
    const pl_block_weights *w = &b->forward->w;
    const size_t turned = c->rotary_dim, plain = c->head_dim - turned, each = plain + c->value_dim;
    const size_t own = c->q_latent > 0 ? c->q_latent : h->q_cols;
    const size_t stride = own + c->kv_latent + turned, site = c->q_latent > 0 ? 2 : 1;
    double *all = doubles(length * stride), *low = doubles(length * stride);
    double *made = doubles(length * c->heads * each);
    run_site(b, 0, normed, length, stride, c->hidden_size, all);
    for (size_t t = 0; t < length; t++) {
        if (c->q_latent > 0) {
            norm(w->norms[PL_NORM_Q_LATENT], c->latent_eps, all + t * stride, own, low + t * own);
        } else {
            memcpy(h->q + t * own, all + t * stride, own * sizeof *low);
        }
    }
    if (c->q_latent > 0) {
        run_site(b, 1, low, length, h->q_cols, own, h->q);
    }
    for (size_t t = 0; t < length; t++) {
        norm(w->norms[PL_NORM_KV_LATENT], c->latent_eps, all + t * stride + own, c->kv_latent,
             low + t * c->kv_latent);
    }
    run_site(b, site, low, length, c->heads * each, c->kv_latent, made);
    for (size_t t = 0; t < length; t++) {
        double *shared = all + t * stride + own + c->kv_latent;
        turn_part(b, shared, t);
        for (size_t i = 0; i < c->heads; i++) {
            const double *from = made + (t * c->heads + i) * each;
            double *key = h->k + t * h->k_cols + i * c->head_dim;
            turn_part(b, h->q + t * h->q_cols + i * c->head_dim + plain, t);
            memcpy(key, from, plain * sizeof *key);
            memcpy(key + plain, shared, turned * sizeof *key);
            memcpy(h->v + t * h->v_cols + i * c->value_dim, from + plain,
                   c->value_dim * sizeof *key);
        }
    }
    free(all);
    free(low);
    free(made);
}

static size_t o_site(const pl_config *c)
{
    return c->kv_latent == 0 ? 1 : c->q_latent > 0 ? 3 : 2;
}

static void run_attention(const pl_ref_block *b, double *normed, size_t length, double *out)
{
    const pl_config *c = b->config;
    const size_t d = c->head_dim, vd = c->value_dim, group = c->heads / c->kv_heads;
    heads h = {.q_cols = c->heads * d, .k_cols = c->kv_heads * d, .v_cols = c->kv_heads * vd};
    h.q = doubles(length * h.q_cols);
    h.k = doubles(length * h.k_cols);
    h.v = doubles(length * h.v_cols);
    double *mixed = doubles(length * c->heads * vd);
    (c->kv_latent > 0 ? latent_heads : plain_heads)(b, normed, length, &h);
    for (size_t t = 0; b->cache != NULL && t < length; t++) {
        b->cache(b->ctx, h.q + t * h.q_cols, h.k + t * h.k_cols, h.v + t * h.v_cols);
    }
    for (size_t t = 0; t < length; t++) {
        for (size_t i = 0; i < c->heads; i++) {
            attend(b, i, h.q + t * h.q_cols + i * d, h.k + i / group * d, h.k_cols,
                   h.v + i / group * vd, h.v_cols, t, mixed + (t * c->heads + i) * vd);
        }
    }
    run_site(b, o_site(c), mixed, length, c->hidden_size, c->heads * vd, out);
    free(h.q);
    free(h.k);
    free(h.v);
    free(mixed);
}

static void run_mlp(const pl_ref_block *b, size_t site, size_t inner, double *normed, size_t rows,
                    double *out)
{
    const pl_config *c = b->config;
    const size_t hidden = c->hidden_size, outputs = c->gated ? 2 * inner : inner;
    double *both = doubles(rows * outputs + 1), *act = doubles(rows * inner + 1);
    run_site(b, site, normed, rows, outputs, hidden, both);
    for (size_t i = 0; i < rows * inner; i++) {
        act[i] = mix_gate(c, both + i / inner * outputs + i % inner, inner);
    }
    run_site(b, site + 1, act, rows, hidden, inner, out);
    free(both);
    free(act);
}

/* Of a group: its best choice, or the sum of its best two. */
static double group_score(const double *choice, size_t n, bool pairs)
{
    double best = -INFINITY, second = -INFINITY;
    for (size_t e = 0; e < n; e++) {
        second = choice[e] > best ? best : fmax(second, choice[e]);
        best = fmax(best, choice[e]);
    }
    return pairs && n > 1 ? best + second : best;
}

/* A token's weights of its experts, 0 for the others. */
static void choose_experts(const pl_ref_block *b, const double *x, double *shares)
{
    const pl_config *c = b->config;
    const pl_block_weights *w = &b->forward->w;
    const size_t n = c->experts, groups = c->expert_groups > 0 ? c->expert_groups : 1;
    double score[64], choice[64], sum = 0.0, total = 0.0;
    bool taken[64] = {false}, kept[64] = {false};
    assert(n <= 64);
    for (size_t e = 0; e < n; e++) {
        score[e] = w->router_bias != NULL ? (double)w->router_bias[e] : 0.0;
        for (size_t i = 0; i < c->hidden_size; i++) {
            score[e] += (double)w->router[e * c->hidden_size + i] * x[i];
        }
        score[e] = c->arch->experts->sigmoid ? 1.0 / (1.0 + exp(-score[e])) : exp(score[e]);
        sum += score[e];
    }
    for (size_t e = 0; e < n; e++) {
        score[e] /= c->arch->experts->sigmoid ? 1.0 : sum;
        choice[e] = score[e] + (double)w->score_bias[e];
    }
    for (size_t k = 0; k < (c->expert_groups > 0 ? c->expert_groups_used : 1); k++) {
        size_t best = SIZE_MAX;
        double most = -INFINITY;
        for (size_t g = 0; g < groups; g++) {
            const double own =
                group_score(choice + g * (n / groups), n / groups, c->arch->experts->group_pairs);
            if (!kept[g] && own > most) {
                best = g;
                most = own;
            }
        }
        kept[best] = true;
    }
    for (size_t k = 0; k < c->experts_used; k++) {
        size_t best = SIZE_MAX;
        for (size_t e = 0; e < n; e++) {
            if (!taken[e] && kept[e / (n / groups)] &&
                (best == SIZE_MAX || choice[e] > choice[best])) {
                best = e;
            }
        }
        taken[best] = true;
        total += score[best];
    }
    for (size_t e = 0; e < n; e++) {
        shares[e] =
            taken[e] ? score[e] / (c->experts_normalized ? total : 1.0) * c->experts_scale : 0.0;
    }
}

/* Every expert on the tokens that are for it. */
static void run_experts(const pl_ref_block *b, size_t site, double *normed, size_t rows,
                        double *out)
{
    const pl_config *c = b->config;
    const size_t hidden = c->hidden_size, n = c->experts;
    const bool scaled = c->arch->experts->input_scaled;
    double *shares = doubles(rows * n), *in = doubles(rows * hidden),
           *made = doubles(rows * hidden);
    memset(out, 0, rows * hidden * sizeof *out);
    for (size_t r = 0; r < rows; r++) {
        choose_experts(b, normed + r * hidden, shares + r * n);
    }
    for (size_t e = 0; e < n; e++) {
        size_t count = 0;
        for (size_t r = 0; r < rows; r++) {
            const double share = shares[r * n + e];
            for (size_t i = 0; share != 0.0 && i < hidden; i++) {
                in[count * hidden + i] = normed[r * hidden + i] * (scaled ? share : 1.0);
            }
            count += share != 0.0 ? 1 : 0;
        }
        run_mlp(b, site + 2 * e, c->expert_size, in, count, made);
        count = 0;
        for (size_t r = 0; r < rows; r++) {
            const double share = shares[r * n + e];
            for (size_t i = 0; share != 0.0 && i < hidden; i++) {
                out[r * hidden + i] += made[count * hidden + i] * (scaled ? 1.0 : share);
            }
            count += share != 0.0 ? 1 : 0;
        }
    }
    if (c->shared_size > 0) {
        const bool gated = c->arch->experts->shared_gate.hf != NULL;
        memcpy(in, normed, rows * hidden * sizeof *in);
        run_mlp(b, site + 2 * n, c->shared_size, in, rows, made);
        for (size_t r = 0; r < rows; r++) {
            double z = 0.0;
            for (size_t i = 0; gated && i < hidden; i++) {
                z += (double)b->forward->w.shared_gate[i] * normed[r * hidden + i];
            }
            for (size_t i = 0; i < hidden; i++) {
                out[r * hidden + i] += made[r * hidden + i] * (gated ? 1.0 / (1.0 + exp(-z)) : 1.0);
            }
        }
    }
    free(shares);
    free(in);
    free(made);
}

void pl_ref_block_run(const pl_ref_block *b, const double *x, size_t length, size_t windows,
                      double *y)
{
    const pl_config *c = b->config;
    const size_t hidden = c->hidden_size, rows = length * windows;
    const bool parallel = c->arch->parallel;
    double *normed = doubles(rows * hidden), *half = doubles(rows * hidden);
    for (size_t r = 0; r < rows; r++) {
        norm_stream(b, PL_NORM_ATTENTION, x + r * hidden, normed + r * hidden);
    }
    for (size_t w = 0; w < windows; w++) {
        run_attention(b, normed + w * length * hidden, length, half + w * length * hidden);
    }
    for (size_t r = 0; r < rows; r++) {
        double *row = half + r * hidden;
        norm_stream(b, PL_NORM_ATTENTION_OUT, row, row);
        for (size_t i = 0; i < hidden; i++) {
            y[r * hidden + i] = x[r * hidden + i] + c->residual_scale * row[i];
        }
        norm_stream(b, parallel ? PL_NORM_ATTENTION : PL_NORM_MLP, (parallel ? x : y) + r * hidden,
                    normed + r * hidden);
    }
    if (is(b, PL_BLOCK_EXPERTS)) {
        run_experts(b, o_site(c) + 1, normed, rows, half);
    } else {
        run_mlp(b, o_site(c) + 1, c->intermediate_size, normed, rows, half);
    }
    for (size_t r = 0; r < rows; r++) {
        double *row = half + r * hidden;
        norm_stream(b, PL_NORM_MLP_OUT, row, row);
        for (size_t i = 0; i < hidden; i++) {
            y[r * hidden + i] += c->residual_scale * row[i];
        }
    }
    free(normed);
    free(half);
}
