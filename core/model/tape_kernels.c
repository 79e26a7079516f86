#include "core/model/expf.h"
#include "core/model/tape_parts.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };

/* Sums of x^2 and of x times the gradient that meets x, in fixed lanes. */
PL_CLONES static void norm_sums(const float *x, const float *gain, const float *grad, size_t n,
                                float *square, float *along)
{
    float squares[LANES] = {0}, products[LANES] = {0};
    const size_t whole = n / LANES * LANES;
    /* A loop for each: compilers turn two sums in one loop round. */
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            squares[l] += x[i + l] * x[i + l];
        }
    }
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            products[l] += gain[i + l] * grad[i + l] * x[i + l];
        }
    }
    for (size_t i = whole, l = 0; i < n; i++, l++) {
        squares[l] += x[i] * x[i];
        products[l] += gain[i] * grad[i] * x[i];
    }
    *square = *along = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        *square += squares[l];
        *along += products[l];
    }
}

/* With r = 1 / sqrt(mean(x^2) + eps): dL/dx = r (g dL/dy) - x r^3 mean(x g dL/dy). */
PL_CLONES static void norm_row_back(const float *x, const float *gain, float scale, float share,
                                    size_t n, float *grad)
{
    for (size_t i = 0; i < n; i++) {
        grad[i] = scale * (gain[i] * grad[i]) - share * x[i];
    }
}

void pl_rms_norm_back(const float *x, size_t stride, const float *gain, double eps, size_t rows,
                      size_t heads, size_t cols, float *grad, size_t grad_stride)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < heads; h++) {
            const float *from = x + r * stride + h * cols;
            float *to = grad + r * grad_stride + h * cols;
            float square, along;
            norm_sums(from, gain, to, cols, &square, &along);
            const float scale = 1.0f / sqrtf(square / (float)cols + (float)eps);
            norm_row_back(from, gain, scale, along / (float)cols * scale * scale * scale, cols, to);
        }
    }
}

/* With n = (x - mean) / sqrt(variance + eps) and h = g dL/dy:
 * dL/dx = (h - mean(h) - n mean(n h)) / sqrt(variance + eps). */
static void layer_row_back(const float *x, const float *gain, double eps, size_t cols, float *grad)
{
    double mean = 0.0, variance = 0.0, sum = 0.0, along = 0.0;
    const double count = (double)cols;
    for (size_t i = 0; i < cols; i++) {
        mean += (double)x[i] / count;
    }
    for (size_t i = 0; i < cols; i++) {
        const double d = (double)x[i] - mean, h = (double)gain[i] * (double)grad[i];
        variance += d * d / count;
        sum += h / count;
        along += h * d / count;
    }
    const double scale = 1.0 / sqrt(variance + eps);
    for (size_t i = 0; i < cols; i++) {
        const double h = (double)gain[i] * (double)grad[i], d = (double)x[i] - mean;
        grad[i] = (float)(scale * (h - sum - d * along * scale * scale));
    }
}

void pl_layer_norm_back(const float *x, const float *gain, double eps, size_t rows, size_t cols,
                        float *grad)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        layer_row_back(x + r * cols, gain, eps, cols, grad + r * cols);
    }
}

static float slope_of(pl_activation act, float x)
{
    if (act == PL_RELU) {
        return x > 0.0f ? 1.0f : 0.0f;
    }
    if (act == PL_GELU) {
        return 0.5f * (1.0f + erff(x * 0.70710678118654752f)) +
               x * 0.39894228040143268f * expf(-0.5f * x * x);
    }
    const bool tanh_form = act == PL_GELU_TANH;
    const float in = tanh_form ? 1.5957691216057308f * (x + 0.044715f * x * x * x) : x;
    const float slope = tanh_form ? 1.5957691216057308f * (1.0f + 0.134145f * x * x) : 1.0f;
    const float share = 1.0f / (1.0f + pl_expf(-in));
    return share * (1.0f + x * (1.0f - share) * slope);
}

void pl_activate_back(pl_activation act, const float *x, const float *act_grad, size_t count,
                      float *grad)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        grad[i] = act_grad[i] * slope_of(act, x[i]);
    }
}

PL_CLONES static void silu_row_back(const float *restrict gate, const float *restrict up,
                                    const float *restrict act, size_t n, float *restrict gate_grad,
                                    float *restrict up_grad)
{
    for (size_t i = 0; i < n; i++) {
        const float x = gate[i], share = 1.0f / (1.0f + pl_expf(-x));
        up_grad[i] = act[i] * x * share;
        gate_grad[i] = act[i] * up[i] * share * (1.0f + x * (1.0f - share));
    }
}

/* x s(2z) with 2z = sqrt(8/pi) (x + 0.044715 x^3), as in pl_gate_mul. */
PL_CLONES static void gelu_row_back(const float *restrict gate, const float *restrict up,
                                    const float *restrict act, size_t n, float *restrict gate_grad,
                                    float *restrict up_grad)
{
    for (size_t i = 0; i < n; i++) {
        const float x = gate[i];
        const float twice = 1.5957691216057308f * (x + 0.044715f * x * x * x);
        const float slope = 1.5957691216057308f * (1.0f + 0.134145f * x * x);
        const float share = 1.0f / (1.0f + pl_expf(-twice));
        up_grad[i] = act[i] * x * share;
        gate_grad[i] = act[i] * up[i] * share * (1.0f + x * (1.0f - share) * slope);
    }
}

/* (u + 1) x s(1.702 x), x = gate and u = up held below 7 (up above -7, too): as in pl_gate_mul. */
PL_CLONES static void clamped_row_back(const float *restrict gate, const float *restrict up,
                                       const float *restrict act, size_t n,
                                       float *restrict gate_grad, float *restrict up_grad)
{
    const float alpha = PL_CLAMPED_ALPHA, limit = PL_CLAMPED_LIMIT;
    for (size_t i = 0; i < n; i++) {
        const float x = gate[i] < limit ? gate[i] : limit;
        const float high = up[i] < limit ? up[i] : limit;
        const float u = high > -limit ? high : -limit;
        const float share = 1.0f / (1.0f + pl_expf(-alpha * x));
        const float slope = share * (1.0f + alpha * x * (1.0f - share));
        up_grad[i] = up[i] < limit && up[i] > -limit ? act[i] * x * share : 0.0f;
        gate_grad[i] = gate[i] < limit ? act[i] * (u + 1.0f) * slope : 0.0f;
    }
}

void pl_gate_mul_back(pl_activation act, const float *gate, const float *act_grad, size_t rows,
                      size_t cols, float *grad)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        const float *from = gate + 2 * r * cols;
        float *to = grad + 2 * r * cols;
        if (act == PL_GELU_TANH) {
            gelu_row_back(from, from + cols, act_grad + r * cols, cols, to, to + cols);
        } else if (act == PL_CLAMPED_SWIGLU) {
            clamped_row_back(from, from + cols, act_grad + r * cols, cols, to, to + cols);
        } else {
            silu_row_back(from, from + cols, act_grad + r * cols, cols, to, to + cols);
        }
    }
}

PL_CLONES static float product_sum(const float *x, const float *y, size_t n)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lanes[l] += x[i + l] * y[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lanes[l] += x[i] * y[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

PL_CLONES static void scores_back(float *restrict p, const float *restrict grad, float mean,
                                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] *= grad[i] - mean;
    }
}

/* The slope of cap tanh(s / cap) is 1 - tanh^2. */
PL_CLONES static void caps_back(float *restrict grad, const float *restrict capped, float cap,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float share = capped[i] / cap;
        grad[i] *= 1.0f - share * share;
    }
}

/* scores[n] holds probabilities P and becomes dL/dS of softmax(S), grad[n] being dL/dP; capped[n],
 * where it is not NULL, are the scores that pl_soft_cap left of S. */
static void softmax_back(float *scores, const float *grad, const float *capped, double cap,
                         size_t n)
{
    scores_back(scores, grad, product_sum(scores, grad, n), n);
    if (capped != NULL) {
        caps_back(scores, capped, (float)cap, n);
    }
}

PL_CLONES static void add_row(float *restrict sum, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum[i] += x[i];
    }
}

void pl_add_bias_back(const float *grad, size_t rows, size_t cols, float *bias_grad)
{
    for (size_t r = 0; r < rows; r++) {
        add_row(bias_grad, grad + r * cols, cols);
    }
}

size_t pl_attend_back_scratch(size_t length)
{
    return 3 * (size_t)PL_QUERY_BLOCK * length;
}

/* One head, one block of queries: with P = softmax(S), S = cap(scale Q K^T), O = P V:
 * dV = P^T dO, dP = dO V^T, dS = P (dP - sum P dP), dQ = scale dS K, dK = scale dS^T Q.  A sink is
 * one more score, whose value is 0: P sums to less than 1, and the rest is the same. */
static void attend_block_back(const pl_attention *a, size_t head, size_t first,
                              const float *out_grad, float *q_grad, float *k_grad, float *v_grad,
                              float *scratch)
{
    const size_t d = a->head_dim, wide = a->heads * d, kv_wide = a->kv_heads * d;
    const size_t vd = a->value_dim, o_wide = a->heads * vd, v_wide = a->kv_heads * vd;
    const size_t count =
        a->length - first < PL_QUERY_BLOCK ? a->length - first : (size_t)PL_QUERY_BLOCK;
    const size_t low = pl_attend_low(a, first), keys = first + count - low;
    const float *q = a->q + first * a->q_stride + head * d;
    const float *k = a->k + low * kv_wide + head / (a->heads / a->kv_heads) * d;
    const float *v = a->v + low * v_wide + head / (a->heads / a->kv_heads) * vd;
    const float *o = out_grad + first * o_wide + head * vd;
    float *scores = scratch, *grad = scratch + (size_t)PL_QUERY_BLOCK * a->length;
    float *capped = grad + (size_t)PL_QUERY_BLOCK * a->length;
    const pl_mask mask = {.first = first - low,
                          .cols = keys,
                          .window = a->window,
                          .chunk = a->chunk,
                          .low = low,
                          .sinks = a->sinks != NULL ? a->sinks + head : NULL};
    pl_gemm_nt(count, keys, d, a->scale, q, a->q_stride, k, kv_wide, 0.0f, scores, keys);
    if (a->cap > 0) {
        pl_soft_cap(scores, 1, count * keys, a->cap);
        memcpy(capped, scores, count * keys * sizeof *capped);
    }
    pl_masked_softmax(scores, keys, count, 1, &mask);
    pl_gemm_tn(keys, vd, count, scores, keys, o, o_wide, 1.0f, v_grad + low * vd, vd);
    pl_gemm_nt(count, keys, vd, a->scale, o, o_wide, v, v_wide, 0.0f, grad, keys);
    for (size_t i = 0; i < count; i++) {
        softmax_back(scores + i * keys, grad + i * keys, a->cap > 0 ? capped + i * keys : NULL,
                     a->cap, keys);
    }
    pl_gemm_nn(count, d, keys, 1.0f, scores, keys, k, kv_wide, 0.0f,
               q_grad + first * wide + head * d, wide);
    pl_gemm_tn(keys, d, count, scores, keys, q, a->q_stride, 1.0f, k_grad + low * d, d);
}

void pl_attend_back(const pl_attention *a, const float *out_grad, float *q_grad, float *head_k,
                    float *head_v, float *scratch)
{
    const size_t keys = a->length * a->head_dim, values = a->length * a->value_dim;
    memset(head_k, 0, a->heads * keys * sizeof *head_k);
    memset(head_v, 0, a->heads * values * sizeof *head_v);
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)a->threads)
    for (size_t head = 0; head < a->heads; head++) {
        float *mine = scratch + pl_linalg_thread() * pl_attend_back_scratch(a->length);
        for (size_t first = 0; first < a->length; first += PL_QUERY_BLOCK) {
            attend_block_back(a, head, first, out_grad, q_grad, head_k + head * keys,
                              head_v + head * values, mine);
        }
    }
}

void pl_gather_heads(const float *from, size_t length, size_t heads, size_t kv_heads,
                     size_t head_dim, float *to)
{
    const size_t group = heads / kv_heads;
#pragma omp parallel for schedule(static)
    for (size_t t = 0; t < length; t++) {
        for (size_t head = 0; head < heads; head++) {
            const float *one = from + (head * length + t) * head_dim;
            float *sum = to + (t * kv_heads + head / group) * head_dim;
            if (head % group == 0) {
                memcpy(sum, one, head_dim * sizeof *sum);
            } else {
                add_row(sum, one, head_dim);
            }
        }
    }
}
