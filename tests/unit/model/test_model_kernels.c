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
    pl_silu_mul(gate_up, STRIDE, 3, COLS, out);
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
    pl_causal_softmax(x, COLS, ROWS, FIRST, COLS);
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
    static const size_t lengths[] = {1, 5, PL_QUERY_BLOCK, MOST};
    for (size_t n = 0; n < 4; n++) {
        pl_attend(&(pl_attention){.q = q,
                                  .q_stride = HEADS * D,
                                  .k = k,
                                  .v = v,
                                  .out = out,
                                  .length = lengths[n],
                                  .heads = HEADS,
                                  .kv_heads = KV,
                                  .head_dim = D,
                                  .scratch = scratch,
                                  .threads = 1});
        for (size_t i = 0; i < lengths[n] * HEADS; i++) {
            size_t t = i / HEADS;
            size_t kv = i % HEADS / (HEADS / KV) * D;
            double weights[MOST];
            double sum = 0;
            for (size_t s = 0; s <= t; s++) {
                double dot = 0;
                for (size_t d = 0; d < D; d++) {
                    dot += (double)q[i * D + d] * (double)k[s * KV * D + kv + d];
                }
                weights[s] = exp(dot / sqrt(D));
                sum += weights[s];
            }
            for (size_t d = 0; d < D; d++) {
                double expected = 0;
                for (size_t s = 0; s <= t; s++) {
                    expected += weights[s] / sum * (double)v[s * KV * D + kv + d];
                }
                pl_check_close(out[i * D + d], expected, 1e-5, 1e-6);
            }
        }
    }
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
        cmocka_unit_test(finite_sum_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
