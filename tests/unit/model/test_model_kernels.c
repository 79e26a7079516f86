#include "core/model/expf.h"
#include "core/model/forward_parts.h"
#include "tests/support/check.h"

#include "core/base/rng.h"

#include <math.h>
#include <stdlib.h>

static void expf_is_good_to_2e_7(void **state)
{
    (void)state;
    for (int i = -86900; i <= 87900; i += 7) {
        float x = (float)i * 1e-3f;
        pl_check_close(pl_expf(x), exp((double)x), 2e-7, 0);
    }
    expect_close(pl_expf(0.0f), 1.0f, 0);
    pl_check_close(pl_expf(-1000.0f), 0, 0, 2e-38);
    assert_true(isfinite(pl_expf(1000.0f)));
}

static void fill(float *x, size_t count, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)pl_rng_normal(&rng);
    }
}

static void rms_norm_divides_by_the_root_mean_square(void **state)
{
    (void)state;
    enum { ROWS = 5, COLS = 37 };
    float x[ROWS * COLS];
    float gain[COLS];
    float out[ROWS * COLS];
    fill(x, ROWS * COLS, 1);
    fill(gain, COLS, 2);
    pl_rms_norm(x, gain, 1e-5, ROWS, COLS, out);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (size_t c = 0; c < COLS; c++) {
            sum += (double)x[r * COLS + c] * (double)x[r * COLS + c];
        }
        double scale = 1 / sqrt(sum / COLS + 1e-5);
        for (size_t c = 0; c < COLS; c++) {
            pl_check_close(out[r * COLS + c], (double)x[r * COLS + c] * scale * (double)gain[c],
                           1e-6, 1e-7);
        }
    }
}

static void silu_multiplies_by_up(void **state)
{
    (void)state;
    enum { COLS = 19, STRIDE = 2 * COLS };
    float gate_up[3 * STRIDE];
    float out[3 * COLS];
    fill(gate_up, 3 * STRIDE, 3);
    gate_up[4] = -200.0f;
    gate_up[5] = 200.0f;
    pl_gate_mul(PL_SILU, gate_up, STRIDE, 3, COLS, out);
    for (size_t i = 0; i < 3 * COLS; i++) {
        double gate = (double)gate_up[i / COLS * STRIDE + i % COLS];
        double up = (double)gate_up[i / COLS * STRIDE + COLS + i % COLS];
        pl_check_close(out[i], gate / (1 + exp(-gate)) * up, 1e-6, 1e-30);
    }
}

static void softmax_sees_no_later_key(void **state)
{
    (void)state;
    enum { HEADS = 2, ROWS = 3 * HEADS, COLS = 20, FIRST = 17 };
    float x[ROWS * COLS];
    float in[ROWS * COLS];
    fill(x, ROWS * COLS, 4);
    x[2] = 90.0f;
    memcpy(in, x, sizeof x);
    pl_causal_softmax(x, COLS, ROWS, HEADS, FIRST, COLS, SIZE_MAX);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (size_t c = 0; c <= FIRST + r / HEADS; c++) {
            sum += exp((double)in[r * COLS + c]);
        }
        for (size_t c = 0; c < COLS; c++) {
            double expected = c <= FIRST + r / HEADS ? exp((double)in[r * COLS + c]) / sum : 0;
            pl_check_close(x[r * COLS + c], expected, 1e-5, 1e-37);
        }
    }
}

/* Query i of head h by the definition, to out[D]. */
static void attend_plainly(const pl_attention *a, size_t i, size_t h, double *out)
{
    const size_t d = a->head_dim, kv = h / (a->heads / a->kv_heads) * d;
    const size_t first = i + 1 > a->window ? i + 1 - a->window : 0;
    double sum = 0;
    memset(out, 0, d * sizeof *out);
    for (size_t s = first; s <= i; s++) {
        double dot = 0;
        for (size_t c = 0; c < d; c++) {
            dot += (double)a->q[i * a->q_stride + h * d + c] *
                   (double)a->k[s * a->kv_heads * d + kv + c];
        }
        dot *= (double)a->scale;
        const double weight = exp(a->cap > 0 ? a->cap * tanh(dot / a->cap) : dot);
        sum += weight;
        for (size_t c = 0; c < d; c++) {
            out[c] += weight * (double)a->v[s * a->kv_heads * d + kv + c];
        }
    }
    for (size_t c = 0; c < d; c++) {
        out[c] /= sum;
    }
}

/* With lengths on both sides of the block of queries; keys of one head, two, three, and more heads
 * than are taken together. */
static void attention_is_its_definition(void **state)
{
    (void)state;
    enum { D = 6, MOST = PL_QUERY_BLOCK + 3, MOST_HEADS = 22 };
    static float q[MOST * (MOST_HEADS * D + 1)], k[MOST * MOST_HEADS * D], v[MOST * MOST_HEADS * D];
    static float out[MOST * MOST_HEADS * D];
    fill(q, sizeof q / sizeof *q, 5);
    fill(k, sizeof k / sizeof *k, 6);
    fill(v, sizeof v / sizeof *v, 7);
    static const size_t shapes[][2] = {{4, 2}, {3, 3}, {9, 3}, {22, 2}, {20, 1}};
    static const struct {
        size_t length, window;
        double cap;
    } cases[] = {{1, SIZE_MAX, 0},    {5, SIZE_MAX, 0}, {PL_QUERY_BLOCK, SIZE_MAX, 0},
                 {MOST, SIZE_MAX, 0}, {MOST, MOST, 0},  {MOST, 3, 0},
                 {MOST, 1, 0},        {MOST, 20, 0.7}};
    for (size_t n = 0; n < sizeof cases / sizeof *cases * (sizeof shapes / sizeof *shapes); n++) {
        const size_t which = n % (sizeof cases / sizeof *cases);
        const size_t *shape = shapes[n / (sizeof cases / sizeof *cases)];
        pl_attention a = {.q = q,
                          .q_stride = shape[0] * D + 1,
                          .k = k,
                          .v = v,
                          .out = out,
                          .length = cases[which].length,
                          .heads = shape[0],
                          .kv_heads = shape[1],
                          .head_dim = D,
                          .value_dim = D,
                          .window = cases[which].window,
                          .scale = 0.4f,
                          .cap = cases[which].cap,
                          .scratch_stride = pl_attend_scratch(shape[0], shape[1], D, D, MOST),
                          .threads = 2};
        a.scratch = calloc(a.threads * a.scratch_stride, sizeof(float));
        assert_non_null(a.scratch);
        pl_attend(&a);
        for (size_t i = 0; i < a.length * a.heads; i++) {
            double expected[D];
            attend_plainly(&a, i / a.heads, i % a.heads, expected);
            for (size_t c = 0; c < D; c++) {
                pl_check_close(out[i * D + c], expected[c], 1e-5, 1e-6);
            }
        }
        free(a.scratch);
    }
}

static void gelu_and_caps_follow_tanh(void **state)
{
    (void)state;
    enum { COUNT = 2001 };
    static float x[2 * COUNT];
    static float out[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = ((float)i - 1000) / 100;
        x[COUNT + i] = 2;
    }
    pl_gate_mul(PL_GELU_TANH, x, 2 * COUNT, 1, COUNT, out);
    for (size_t i = 0; i < COUNT; i++) {
        double v = (double)x[i];
        double z = sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v);
        pl_check_close(out[i], v * (1 + tanh(z)), 1e-5, 1e-6);
    }
    static float capped[COUNT];
    memcpy(capped, x, sizeof capped);
    pl_soft_cap(capped, 1, COUNT, 2.5);
    for (size_t i = 0; i < COUNT; i++) {
        pl_check_close(capped[i], 2.5 * tanh((double)x[i] / 2.5), 1e-6, 1e-9);
    }
    float odd[] = {1e30f, -1e30f, NAN};
    pl_soft_cap(odd, 1, 3, 2.5);
    pl_check_close(odd[0], 2.5, 1e-6, 0);
    pl_check_close(odd[1], -2.5, 1e-6, 0);
    assert_true(isnan(odd[2]));
}

static void heads_are_normed_apart_and_rotated_in_part(void **state)
{
    (void)state;
    enum { D = 6, HEADS = 2, ROTATED = 4, STRIDE = 15 };
    static float x[2 * STRIDE];
    static float out[2 * D * HEADS];
    const float gain[D] = {1, 2, 1, 0.5f, 1, 1};
    const float cosine[] = {1, 1, 0, 0.6f};
    const float sine[] = {0, 0, 1, 0.8f};
    fill(x, 2 * STRIDE, 11);
    float before[2 * STRIDE];
    memcpy(before, x, sizeof before);
    pl_head_norm(x, STRIDE, 2, HEADS, D, gain, 1e-5);
    for (size_t r = 0; r < 2; r++) {
        for (size_t h = 0; h < HEADS; h++) {
            double square = 0;
            for (size_t i = 0; i < D; i++) {
                square += pow((double)before[r * STRIDE + h * D + i], 2) / D;
            }
            for (size_t i = 0; i < D; i++) {
                size_t at = r * STRIDE + h * D + i;
                pl_check_close(x[at], (double)gain[i] * (double)before[at] / sqrt(square + 1e-5),
                               1e-5, 1e-7);
            }
        }
        for (size_t i = HEADS * D; i < STRIDE; i++) {
            expect_close(x[r * STRIDE + i], before[r * STRIDE + i], 0);
        }
    }
    pl_rope(x, STRIDE, 2, HEADS, D, ROTATED, false, cosine, sine, out, HEADS * D);
    const float *row = x + STRIDE;
    pl_check_close(out[0], x[0], 0, 0); /* position 0 turns nothing */
    pl_check_close(out[HEADS * D], -row[2], 1e-6, 0);
    pl_check_close(out[HEADS * D + 2], row[0], 1e-6, 0);
    pl_check_close(out[HEADS * D + 1], 0.6 * (double)row[1] - 0.8 * (double)row[3], 1e-5, 1e-7);
    pl_check_close(out[HEADS * D + 4], row[4], 0, 0);
    pl_check_close(out[HEADS * D + 5], row[5], 0, 0);
}

static void finite_sum_is_noticed(void **state)
{
    (void)state;
    static float x[40000];
    static float y[40000];
    fill(x, 40000, 8);
    fill(y, 40000, 9);
    assert_true(pl_add_finite(x, y, 40000));
    y[39999] = INFINITY;
    assert_false(pl_add_finite(x, y, 40000));
    x[39999] = 0.0f;
    y[39999] = 0.0f;
    x[17] = NAN;
    assert_false(pl_add_finite(x, y, 40000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expf_is_good_to_2e_7),
        cmocka_unit_test(rms_norm_divides_by_the_root_mean_square),
        cmocka_unit_test(silu_multiplies_by_up),
        cmocka_unit_test(softmax_sees_no_later_key),
        cmocka_unit_test(attention_is_its_definition),
        cmocka_unit_test(gelu_and_caps_follow_tanh),
        cmocka_unit_test(heads_are_normed_apart_and_rotated_in_part),
        cmocka_unit_test(finite_sum_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
