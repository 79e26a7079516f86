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
    assert_true(pl_expf(0.0f) == 1.0f);
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
    enum { ROWS = 3, COLS = 20, FIRST = 17 };
    float x[ROWS * COLS];
    float in[ROWS * COLS];
    fill(x, ROWS * COLS, 4);
    x[2] = 90.0f;
    memcpy(in, x, sizeof x);
    pl_causal_softmax(x, COLS, ROWS, FIRST, COLS, SIZE_MAX);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0;
        for (size_t c = 0; c <= FIRST + r; c++) {
            sum += exp((double)in[r * COLS + c]);
        }
        for (size_t c = 0; c < COLS; c++) {
            double expected = c <= FIRST + r ? exp((double)in[r * COLS + c]) / sum : 0;
            pl_check_close(x[r * COLS + c], expected, 1e-5, 1e-37);
        }
    }
}

/* Against the definition, with lengths on both sides of the block of queries and shared keys. */
static void attention_is_its_definition(void **state)
{
    (void)state;
    enum { HEADS = 4, KV = 2, D = 6, MOST = PL_QUERY_BLOCK + 3 };
    static float q[MOST * HEADS * D];
    static float k[MOST * KV * D];
    static float v[MOST * KV * D];
    static float out[MOST * HEADS * D];
    static float scratch[PL_QUERY_BLOCK * MOST];
    fill(q, MOST * HEADS * D, 5);
    fill(k, MOST * KV * D, 6);
    fill(v, MOST * KV * D, 7);
    static const struct {
        size_t length, window;
        double scale, cap;
    } cases[] = {{1, SIZE_MAX, 0.4, 0},   {5, SIZE_MAX, 0.4, 0}, {PL_QUERY_BLOCK, SIZE_MAX, 0.4, 0},
                 {MOST, SIZE_MAX, 0.4, 0}, {MOST, MOST, 0.4, 0},  {MOST, 3, 0.4, 0},
                 {MOST, 1, 0.4, 0},        {MOST, 20, 0.4, 0.7}};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        size_t window = cases[n].window;
        pl_attend(&(pl_attention){.q = q,
                                  .q_stride = HEADS * D,
                                  .k = k,
                                  .v = v,
                                  .out = out,
                                  .length = cases[n].length,
                                  .heads = HEADS,
                                  .kv_heads = KV,
                                  .head_dim = D,
                                  .window = window,
                                  .scale = (float)cases[n].scale,
                                  .cap = cases[n].cap,
                                  .scratch = scratch,
                                  .threads = 1});
        for (size_t i = 0; i < cases[n].length * HEADS; i++) {
            size_t t = i / HEADS;
            size_t kv = i % HEADS / (HEADS / KV) * D;
            size_t first = t + 1 > window ? t + 1 - window : 0;
            double weights[MOST];
            double sum = 0;
            for (size_t s = first; s <= t; s++) {
                double dot = 0;
                for (size_t d = 0; d < D; d++) {
                    dot += (double)q[i * D + d] * (double)k[s * KV * D + kv + d];
                }
                dot *= cases[n].scale;
                dot = cases[n].cap > 0 ? cases[n].cap * tanh(dot / cases[n].cap) : dot;
                weights[s] = exp(dot);
                sum += weights[s];
            }
            for (size_t d = 0; d < D; d++) {
                double expected = 0;
                for (size_t s = first; s <= t; s++) {
                    expected += weights[s] / sum * (double)v[s * KV * D + kv + d];
                }
                pl_check_close(out[i * D + d], expected, 1e-5, 1e-6);
            }
        }
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
            assert_true(x[r * STRIDE + i] == before[r * STRIDE + i]);
        }
    }
    pl_rope(x, STRIDE, 2, HEADS, D, ROTATED, cosine, sine, out, HEADS * D);
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
