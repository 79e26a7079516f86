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

static void see(const pl_ref_block *b, pl_site_role role, double *x, size_t rows)
{
    if (b->input != NULL) {
        b->input(b->ctx, role, x, rows);
    }
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

static void turn_head(const pl_ref_block *b, double *x, size_t t)
{
    const size_t half = b->config->rotary_dim / 2;
    const bool none = (b->config->block_kind[b->forward->w.block] & PL_BLOCK_NO_ROPE) != 0;
    const bool neighbours = b->config->arch->neighbours;
    for (size_t i = 0; i < half && !none; i++) {
        const double c = (double)b->cosine[t * half + i], s = (double)b->sine[t * half + i];
        const size_t one = neighbours ? 2 * i : i, other = neighbours ? one + 1 : i + half;
        const double low = x[one], high = x[other];
        x[one] = low * c - high * s;
        x[other] = high * c + low * s;
    }
}

/* One head's query at t on its window's keys and values. */
static void attend(const pl_ref_block *b, const double *q, const double *k, const double *v,
                   size_t stride, size_t t, double *out)
{
    const pl_config *c = b->config;
    const size_t d = c->head_dim;
    const bool slides = (c->block_kind[b->forward->w.block] & PL_BLOCK_SLIDES) != 0;
    const size_t first = slides && t + 1 > c->window ? t + 1 - c->window : 0;
    double sum = 0.0;
    for (size_t j = 0; j < d; j++) {
        out[j] = 0.0;
    }
    for (size_t at = first; at <= t; at++) {
        double score = 0.0;
        for (size_t j = 0; j < d; j++) {
            score += q[j] * k[at * stride + j];
        }
        score *= c->attention_scale;
        if (c->attention_cap > 0) {
            score = c->attention_cap * tanh(score / c->attention_cap);
        }
        sum += exp(score);
        for (size_t j = 0; j < d; j++) {
            out[j] += exp(score) * v[at * stride + j];
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

static void run_attention(const pl_ref_block *b, double *normed, size_t length, double *out)
{
    const pl_config *c = b->config;
    const size_t d = c->head_dim, q_rows = c->heads * d, kv_rows = c->kv_heads * d;
    const size_t stride = q_rows + 2 * kv_rows, hidden = c->hidden_size;
    double *qkv = doubles(length * stride), *mixed = doubles(length * q_rows);
    see(b, PL_SITE_QKV, normed, length);
    linear(normed, length, b->weights[PL_SITE_QKV], b->biases[PL_SITE_QKV], stride, hidden, qkv);
    for (size_t t = 0; t < length; t++) {
        double *q = qkv + t * stride, *k = q + q_rows;
        const float *q_gain = b->forward->w.norms[PL_NORM_Q];
        const float *k_gain = b->forward->w.norms[PL_NORM_K];
        const size_t q_size = q_gain != NULL && c->heads > 1 && c->arch->whole_qk_norm ? q_rows : d;
        const size_t k_size = q_size == q_rows ? kv_rows : d;
        for (size_t at = 0; at < q_rows; at += q_size) {
            norm(q_gain, c->norm_eps, q + at, q_size, q + at);
        }
        for (size_t at = 0; at < kv_rows; at += k_size) {
            norm(k_gain, c->norm_eps, k + at, k_size, k + at);
        }
        for (size_t at = 0; at < q_rows + kv_rows; at += d) {
            turn_head(b, q + at, t);
        }
        if (b->cache != NULL) {
            b->cache(b->ctx, q, k, k + kv_rows);
        }
    }
    for (size_t t = 0; t < length; t++) {
        for (size_t h = 0; h < c->heads; h++) {
            const size_t kv = q_rows + h / (c->heads / c->kv_heads) * d;
            attend(b, qkv + t * stride + h * d, qkv + kv, qkv + kv + kv_rows, stride, t,
                   mixed + t * q_rows + h * d);
        }
    }
    see(b, PL_SITE_O, mixed, length);
    linear(mixed, length, b->weights[PL_SITE_O], b->biases[PL_SITE_O], hidden, q_rows, out);
    free(qkv);
    free(mixed);
}

static void run_mlp(const pl_ref_block *b, double *normed, size_t rows, double *out)
{
    const pl_config *c = b->config;
    const size_t inner = c->intermediate_size, hidden = c->hidden_size;
    const size_t outputs = c->gated ? 2 * inner : inner;
    double *both = doubles(rows * outputs), *act = doubles(rows * inner);
    see(b, PL_SITE_GATE_UP, normed, rows);
    linear(normed, rows, b->weights[PL_SITE_GATE_UP], b->biases[PL_SITE_GATE_UP], outputs, hidden,
           both);
    for (size_t i = 0; i < rows * inner; i++) {
        const double *gate = both + i / inner * outputs + i % inner;
        act[i] = activate(c, gate[0]) * (c->gated ? gate[inner] : 1.0);
    }
    see(b, PL_SITE_DOWN, act, rows);
    linear(act, rows, b->weights[PL_SITE_DOWN], b->biases[PL_SITE_DOWN], hidden, inner, out);
    free(both);
    free(act);
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
    run_mlp(b, normed, rows, half);
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
