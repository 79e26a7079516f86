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

static void turn_head(const pl_ref_block *b, double *x, size_t t)
{
    const size_t half = b->config->rotary_dim / 2;
    for (size_t i = 0; i < half; i++) {
        const double c = (double)b->cosine[t * half + i], s = (double)b->sine[t * half + i];
        const double low = x[i], high = x[i + half];
        x[i] = low * c - high * s;
        x[i + half] = high * c + low * s;
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
    return c->activation == PL_GELU_TANH
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
        const size_t q_size =
            q_gain != NULL && c->heads > 1 && strcmp(c->architecture, "olmo2") == 0 ? q_rows : d;
        const size_t k_size = q_size == q_rows ? kv_rows : d;
        for (size_t at = 0; at < q_rows; at += q_size) {
            norm(q_gain, c->rms_norm_eps, q + at, q_size, q + at);
        }
        for (size_t at = 0; at < kv_rows; at += k_size) {
            norm(k_gain, c->rms_norm_eps, k + at, k_size, k + at);
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
    double *both = doubles(rows * 2 * inner), *act = doubles(rows * inner);
    see(b, PL_SITE_GATE_UP, normed, rows);
    linear(normed, rows, b->weights[PL_SITE_GATE_UP], b->biases[PL_SITE_GATE_UP], 2 * inner, hidden,
           both);
    for (size_t i = 0; i < rows * inner; i++) {
        const double *gate = both + i / inner * 2 * inner + i % inner;
        act[i] = activate(c, gate[0]) * gate[inner];
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
    float *const *norms = b->forward->w.norms;
    double *normed = doubles(rows * hidden), *half = doubles(rows * hidden);
    for (size_t r = 0; r < rows; r++) {
        norm(norms[PL_NORM_ATTENTION], c->rms_norm_eps, x + r * hidden, hidden,
             normed + r * hidden);
    }
    for (size_t w = 0; w < windows; w++) {
        run_attention(b, normed + w * length * hidden, length, half + w * length * hidden);
    }
    for (size_t r = 0; r < rows; r++) {
        double *row = half + r * hidden;
        norm(norms[PL_NORM_ATTENTION_OUT], c->rms_norm_eps, row, hidden, row);
        for (size_t i = 0; i < hidden; i++) {
            y[r * hidden + i] = x[r * hidden + i] + row[i];
        }
        norm(norms[PL_NORM_MLP], c->rms_norm_eps, y + r * hidden, hidden, normed + r * hidden);
    }
    run_mlp(b, normed, rows, half);
    for (size_t r = 0; r < rows; r++) {
        double *row = half + r * hidden;
        norm(norms[PL_NORM_MLP_OUT], c->rms_norm_eps, row, hidden, row);
        for (size_t i = 0; i < hidden; i++) {
            y[r * hidden + i] += row[i];
        }
    }
    free(normed);
    free(half);
}
