#include "core/model/expf.h"
#include "core/model/forward_parts.h"
#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };

/* Sums in fixed lanes: the same order of additions at any vector width. */
PL_CLONES static float sum_of_squares(const float *x, size_t n)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lanes[l] += x[i + l] * x[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lanes[l] += x[i] * x[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

PL_CLONES static void scale_by_gain(const float *x, const float *gain, float scale, size_t n,
                                    float *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = gain[i] * (x[i] * scale);
    }
}

void pl_rms_norm(const float *x, const float *gain, double eps, size_t rows, size_t cols,
                 float *out)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        float mean = sum_of_squares(x + r * cols, cols) / (float)cols;
        scale_by_gain(x + r * cols, gain, 1.0f / sqrtf(mean + (float)eps), cols, out + r * cols);
    }
}

static float lane_sum(const float *x, size_t n)
{
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        lanes[i % LANES] += x[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

void pl_layer_norm(const float *x, const float *gain, const float *bias, double eps, size_t rows,
                   size_t cols, float *out)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        float *row = out + r * cols;
        const float mean = lane_sum(x + r * cols, cols) / (float)cols;
        for (size_t i = 0; i < cols; i++) {
            row[i] = x[r * cols + i] - mean;
        }
        const float variance = sum_of_squares(row, cols) / (float)cols;
        scale_by_gain(row, gain, 1.0f / sqrtf(variance + (float)eps), cols, row);
        for (size_t i = 0; bias != NULL && i < cols; i++) {
            row[i] += bias[i];
        }
    }
}

void pl_head_norm(float *x, size_t stride, size_t rows, size_t heads, size_t cols,
                  const float *gain, double eps)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < heads; h++) {
            float *head = x + r * stride + h * cols;
            float mean = sum_of_squares(head, cols) / (float)cols;
            scale_by_gain(head, gain, 1.0f / sqrtf(mean + (float)eps), cols, head);
        }
    }
}

PL_CLONES static void silu_mul_row(const float *restrict gate, const float *restrict up, size_t n,
                                   float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = gate[i] / (1.0f + pl_expf(-gate[i])) * up[i];
    }
}

/* x/2 (1 + tanh z) with z = sqrt(2/pi) (x + 0.044715 x^3) is x / (1 + e^-2z). */
PL_CLONES static void gelu_mul_row(const float *restrict gate, const float *restrict up, size_t n,
                                   float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        float x = gate[i];
        float twice = 1.5957691216057308f * (x + 0.044715f * x * x * x);
        out[i] = x / (1.0f + pl_expf(-twice)) * up[i];
    }
}

static void activate_row(pl_activation act, const float *x, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float v = x[i];
        if (act == PL_RELU) {
            out[i] = v > 0.0f || v != v ? v : 0.0f; /* a NaN stays one */
        } else if (act == PL_GELU) {
            out[i] = 0.5f * v * (1.0f + erff(v * 0.70710678118654752f));
        } else if (act == PL_GELU_TANH) {
            out[i] = v / (1.0f + pl_expf(-1.5957691216057308f * (v + 0.044715f * v * v * v)));
        } else {
            out[i] = v / (1.0f + pl_expf(-v));
        }
    }
}

void pl_activate(pl_activation act, const float *x, size_t rows, size_t cols, float *out)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        activate_row(act, x + r * cols, cols, out + r * cols);
    }
}

PL_CLONES static void clamped_mul_row(const float *gate, const float *up, size_t n, float *out)
{
    const float alpha = PL_CLAMPED_ALPHA, limit = PL_CLAMPED_LIMIT;
    for (size_t i = 0; i < n; i++) {
        const float g = gate[i] < limit ? gate[i] : limit;
        const float high = up[i] < limit ? up[i] : limit;
        const float u = high > -limit ? high : -limit;
        out[i] = (u + 1.0f) * (g / (1.0f + pl_expf(-alpha * g)));
    }
}

void pl_gate_mul(pl_activation act, const float *gate, size_t stride, size_t rows, size_t cols,
                 float *out)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        const float *row = gate + r * stride;
        if (act == PL_GELU_TANH) {
            gelu_mul_row(row, row + cols, cols, out + r * cols);
        } else if (act == PL_CLAMPED_SWIGLU) {
            clamped_mul_row(row, row + cols, cols, out + r * cols);
        } else if (act == PL_SILU) {
            silu_mul_row(row, row + cols, cols, out + r * cols);
        } else {
            activate_row(act, row, cols, out + r * cols);
            for (size_t i = 0; i < cols; i++) {
                out[r * cols + i] *= row[cols + i];
            }
        }
    }
}

/* cap tanh(x / cap), by its series where the quotient would cancel; a NaN stays one. */
PL_CLONES static void cap_row(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float u = x[i] / cap;
        float s = u * u;
        float series = u * (1.0f + s * (-1.0f / 3 + s * (2.0f / 15 - s * (17.0f / 315))));
        float quotient = 1.0f - 2.0f / (pl_expf(2.0f * u) + 1.0f);
        float tanh_u = s < 0.01f ? series : quotient;
        x[i] = u != u ? u : cap * tanh_u;
    }
}

void pl_soft_cap(float *x, size_t rows, size_t cols, double cap)
{
#pragma omp parallel for schedule(static) if (rows * cols > 65536)
    for (size_t r = 0; r < rows; r++) {
        cap_row(x + r * cols, (float)cap, cols);
    }
}

PL_CLONES static void add_row(float *restrict x, const float *restrict y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] += y[i];
    }
}

void pl_add_bias(float *x, size_t stride, size_t rows, size_t cols, const float *bias)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        add_row(x + r * stride, bias, cols);
    }
}

PL_CLONES static void rotate(const float *x, const float *cosine, const float *sine, size_t half,
                             float *out)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[i];
        float b = x[i + half];
        out[i] = a * cosine[i] - b * sine[i];
        out[i + half] = b * cosine[i] + a * sine[i];
    }
}

PL_CLONES static void rotate_neighbours(const float *x, const float *cosine, const float *sine,
                                        size_t half, float *out)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[2 * i];
        float b = x[2 * i + 1];
        out[2 * i] = a * cosine[i] - b * sine[i];
        out[2 * i + 1] = b * cosine[i] + a * sine[i];
    }
}

void pl_rope(const float *x, size_t stride, size_t rows, size_t heads, size_t head_dim,
             size_t rotated, bool neighbours, const float *cosine, const float *sine, float *out,
             size_t out_stride)
{
    size_t half = rotated / 2;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < heads; h++) {
            const float *from = x + r * stride + h * head_dim;
            float *to = out + r * out_stride + h * head_dim;
            if (neighbours) {
                rotate_neighbours(from, cosine + r * half, sine + r * half, half, to);
            } else {
                rotate(from, cosine + r * half, sine + r * half, half, to);
            }
            if (rotated < head_dim && to != from) {
                memcpy(to + rotated, from + rotated, (head_dim - rotated) * sizeof *to);
            }
        }
    }
}

/* Adds and looks at the exponents: all ones in a NaN or an infinity. */
PL_CLONES static uint32_t add_and_test(float *restrict x, const float *restrict y, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        x[i] += y[i];
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
    }
    return bad;
}

bool pl_add_finite(float *x, const float *y, size_t count)
{
    const size_t piece = 1 << 14;
    size_t pieces = (count + piece - 1) / piece;
    uint32_t bad = 0;
#pragma omp parallel for schedule(static) reduction(| : bad)
    for (size_t p = 0; p < pieces; p++) {
        size_t n = count - p * piece < piece ? count - p * piece : piece;
        bad |= add_and_test(x + p * piece, y + p * piece, n);
    }
    return bad == 0;
}

PL_CLONES static float row_max(const float *x, size_t n)
{
    enum { HALF = PL_LANES / 2 };
    pl_half_lanes lanes[2] = {x[0] - (pl_half_lanes){0}, x[0] - (pl_half_lanes){0}};
    size_t i = 0;
    for (; i + PL_LANES <= n; i += PL_LANES) {
        pl_lanes_keep_most(&lanes[0], x + i);
        pl_lanes_keep_most(&lanes[1], x + i + HALF);
    }
    float most = x[0];
    for (; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (size_t l = 0; l < PL_LANES; l++) {
        const float lane = lanes[l / HALF][l % HALF];
        most = lane > most ? lane : most;
    }
    return most;
}

PL_CLONES static float exp_and_sum(float *x, float max, size_t n)
{
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = pl_expf(x[i] - max);
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lanes[l] += x[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lanes[l] += x[i];
    }
    float sum = 0.0f;
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

PL_CLONES static void scale_row(float *x, float by, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= by;
    }
}

void pl_causal_softmax(float *scores, size_t ld, size_t count, size_t heads, size_t first,
                       size_t cols, size_t window)
{
    const pl_mask mask = {.first = first, .cols = cols, .window = window};
    pl_masked_softmax(scores, ld, count, heads, &mask);
}

/* The first position of a query's chunk. */
static size_t chunk_start(size_t position, size_t chunk)
{
    return position - position % chunk;
}

void pl_masked_softmax(float *scores, size_t ld, size_t count, size_t heads, const pl_mask *mask)
{
    for (size_t i = 0; i < count; i++) {
        float *row = scores + i * ld;
        size_t end = mask->first + i / heads + 1;
        size_t begin = end > mask->window ? end - mask->window : 0;
        if (mask->chunk > 0) {
            const size_t start = chunk_start(mask->low + end - 1, mask->chunk);
            begin = start > mask->low + begin ? start - mask->low : begin;
        }
        float max = row_max(row + begin, end - begin);
        const float sink = mask->sinks != NULL ? mask->sinks[i % heads] : max;
        max = sink > max ? sink : max;
        float sum = exp_and_sum(row + begin, max, end - begin);
        sum += mask->sinks != NULL ? pl_expf(sink - max) : 0.0f;
        memset(row, 0, begin * sizeof *row);
        scale_row(row + begin, 1.0f / sum, end - begin);
        memset(row + end, 0, (mask->cols - end) * sizeof *row);
    }
}
