/* Every kind of transform against dense float64 products: what it does to inputs, weights and Gram
 * matrices, its inverses, and its way to the store and back. */
#include "core/method/method.h"
#include "core/tensor/linalg.h"
#include "core/tensor/orthogonal.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"
#include "tests/unit/method/dense.h"

#include <math.h>
#include <stdlib.h>

enum { N = 24, N1 = 4, N2 = 6, ROWS = 9 };

/* A well-conditioned factor and its inverse: Q1 diag(d) Q2 by float64 rotations. */
static void make_factor(size_t n, uint64_t seed, float *p, float *inverse)
{
    pl_error err;
    float a[N * N], b[N * N];
    pl_check_ok(pl_orthogonal_random(n, seed, a, NULL, &err), err);
    pl_check_ok(pl_orthogonal_random(n, seed + 1, b, NULL, &err), err);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0, back = 0.0;
            for (size_t k = 0; k < n; k++) {
                const double d = 0.5 + (double)k / (double)n;
                sum += (double)a[i * n + k] * d * (double)b[j * n + k];
                back += (double)b[i * n + k] / d * (double)a[j * n + k];
            }
            p[i * n + j] = (float)sum;
            inverse[i * n + j] = (float)back;
        }
    }
}

static void make_scale(float *scale)
{
    for (size_t c = 0; c < N; c++) {
        scale[c] = 0.25f + 0.125f * (float)c;
    }
}

typedef pl_transform *(*maker)(void);

static pl_transform *scaling(void)
{
    pl_error err;
    pl_transform *t = NULL;
    float scale[N];
    make_scale(scale);
    pl_check_ok(pl_transform_scaling(N, scale, &t, &err), err);
    return t;
}

static pl_transform *hadamard(void)
{
    pl_error err;
    pl_transform *t = NULL;
    pl_check_ok(pl_transform_hadamard(N, &t, &err), err);
    return t;
}

static pl_transform *orthogonal(void)
{
    pl_error err;
    pl_transform *t = NULL;
    float q[N * N];
    pl_check_ok(pl_orthogonal_random(N, 3, q, NULL, &err), err);
    pl_check_ok(pl_transform_orthogonal(N, q, &t, &err), err);
    return t;
}

static pl_transform *kron(void)
{
    pl_error err;
    pl_transform *t = NULL;
    float scale[N], p1[N1 * N1], i1[N1 * N1], p2[N2 * N2], i2[N2 * N2];
    const pl_act_range clip = {0.75f, 0.875f};
    make_scale(scale);
    make_factor(N1, 11, p1, i1);
    make_factor(N2, 21, p2, i2);
    const pl_kron_parts parts = {
        .n1 = N1, .n2 = N2, .scale = scale, .p1 = p1, .p2 = p2, .i1 = i1, .i2 = i2, .clip = &clip};
    pl_check_ok(pl_transform_kron(&parts, &t, &err), err);
    return t;
}

/* Blocks behind a diagonal with signs; outputs and keys that are turned, too. */
static pl_transform *rotation(void)
{
    pl_error err;
    pl_transform *t = NULL, *outputs = NULL, *keys = NULL;
    float scale[N], q[N1 * N1];
    make_scale(scale);
    for (size_t c = 0; c < N; c += 3) {
        scale[c] = -scale[c];
    }
    pl_check_ok(pl_orthogonal_random(N1, 7, q, NULL, &err), err);
    const pl_rotation_parts parts = {.n = N, .scale = scale, .block = 12, .merged = true};
    const pl_rotation_parts of_outputs = {.n = ROWS - 1, .q = q, .order = N1, .merged = true};
    const pl_rotation_parts of_keys = {.n = 8, .block = 8};
    pl_check_ok(pl_transform_rotation(&parts, &t, &err), err);
    pl_check_ok(pl_transform_rotation(&of_outputs, &outputs, &err), err);
    pl_check_ok(pl_transform_rotation(&of_keys, &keys, &err), err);
    pl_transform_set_outputs(t, 2, outputs);
    pl_transform_set_keys(t, keys);
    return t;
}

/* One small matrix on each part of the channels. */
static pl_transform *parts(void)
{
    pl_error err;
    pl_transform *t = NULL;
    float q[N2 * N2];
    pl_check_ok(pl_orthogonal_random(N2, 5, q, NULL, &err), err);
    const pl_rotation_parts given = {.n = N, .q = q, .order = N2};
    pl_check_ok(pl_transform_rotation(&given, &t, &err), err);
    return t;
}

static pl_transform *identity(void)
{
    pl_error err;
    pl_transform *t = NULL;
    pl_check_ok(pl_transform_rotation(&(pl_rotation_parts){.n = N}, &t, &err), err);
    return t;
}

/* QuaRot's of o_proj: heads of N2 channels, turned in themselves and into one another. */
static pl_transform *across(void)
{
    pl_error err;
    pl_transform *t = NULL;
    float scale[N], q[N2 * N2];
    make_scale(scale);
    pl_check_ok(pl_orthogonal_random(N2, 5, q, NULL, &err), err);
    const pl_rotation_parts given = {
        .n = N, .scale = scale, .q = q, .order = N2, .merged = true, .across = N1};
    pl_check_ok(pl_transform_rotation(&given, &t, &err), err);
    return t;
}

static const maker makers[] = {scaling,  hadamard, orthogonal, kron,
                               rotation, parts,    identity,   across};
enum { KINDS = sizeof makers / sizeof *makers };

static void kron_is_the_product(void **state)
{
    (void)state;
    float scale[N], p1[N1 * N1], i1[N1 * N1], p2[N2 * N2], i2[N2 * N2], dense[N * N];
    pl_transform *t = kron();
    make_scale(scale);
    make_factor(N1, 11, p1, i1);
    make_factor(N2, 21, p2, i2);
    dense_of(t, N, dense);
    for (size_t a = 0; a < N; a++) {
        for (size_t b = 0; b < N; b++) {
            const double want = (double)scale[a] * (double)p1[a / N2 * N1 + b / N2] *
                                (double)p2[a % N2 * N2 + b % N2];
            pl_check_close(dense[a * N + b], want, 1e-5, 1e-6);
        }
    }
    pl_transform_destroy(t);
}

/* (X T)(W T^-T)^T = X W^T, and both ways back. */
static void function_is_kept(void **state)
{
    (void)state;
    pl_error err;
    float x[ROWS * N], w[ROWS * N], xt[ROWS * N], wt[ROWS * N];
    ref_weights(5, ROWS * N, x);
    ref_weights(6, ROWS * N, w);
    for (size_t kind = 0; kind < KINDS; kind++) {
        pl_transform *t = makers[kind]();
        memcpy(xt, x, sizeof x);
        memcpy(wt, w, sizeof w);
        pl_check_ok(pl_transform_inputs(t, xt, ROWS, NULL, &err), err);
        pl_check_ok(pl_transform_weights(t, wt, ROWS, NULL, &err), err);
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < ROWS; j++) {
                double want = 0.0, got = 0.0;
                for (size_t c = 0; c < N; c++) {
                    want += (double)x[i * N + c] * (double)w[j * N + c];
                    got += (double)xt[i * N + c] * (double)wt[j * N + c];
                }
                pl_check_close(got, want, 1e-5, 1e-5);
            }
        }
        pl_check_ok(pl_transform_inputs_back(t, xt, ROWS, NULL, &err), err);
        pl_check_ok(pl_transform_weights_back(t, wt, ROWS, NULL, &err), err);
        for (size_t i = 0; i < ROWS * N; i++) {
            pl_check_close(xt[i], x[i], 1e-5, 1e-5);
            pl_check_close(wt[i], w[i], 1e-5, 1e-5);
        }
        pl_transform_destroy(t);
    }
}

static void gram_is_turned(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N], turned[N * N], dense[N * N];
    ref_gram(8, N, 100, 2.0, g);
    for (size_t kind = 0; kind < KINDS; kind++) {
        pl_transform *t = makers[kind]();
        dense_of(t, N, dense);
        pl_check_ok(pl_transform_gram(t, g, turned, NULL, &err), err);
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < N; j++) {
                double want = 0.0, size = 0.0;
                for (size_t a = 0; a < N; a++) {
                    for (size_t b = 0; b < N; b++) {
                        const double term = (double)dense[a * N + i] * (double)g[a * N + b] *
                                            (double)dense[b * N + j];
                        want += term;
                        size += fabs(term);
                    }
                }
                pl_check_close(turned[i * N + j], want, 0, 1e-5 * size);
                assert_memory_equal(&turned[i * N + j], &turned[j * N + i], sizeof(float));
            }
        }
        pl_transform_destroy(t);
    }
}

static void condition_is_known(void **state)
{
    (void)state;
    pl_error err;
    double condition = 0.0;
    pl_transform *t = scaling();
    pl_check_ok(pl_transform_condition(t, &condition, &err), err);
    pl_check_close(condition, (0.25 + 0.125 * (N - 1)) / 0.25, 1e-6, 0);
    pl_transform_destroy(t);
    t = hadamard();
    pl_check_ok(pl_transform_condition(t, &condition, &err), err);
    pl_check_close(condition, 1.0, 1e-6, 0);
    pl_transform_destroy(t);

    float p1[N1 * N1], i1[N1 * N1], p2[N2 * N2], i2[N2 * N2];
    make_factor(N1, 11, p1, i1);
    make_factor(N2, 21, p2, i2);
    const pl_kron_parts parts = {.n1 = N1, .n2 = N2, .p1 = p1, .p2 = p2, .i1 = i1, .i2 = i2};
    pl_check_ok(pl_transform_kron(&parts, &t, &err), err);
    pl_check_ok(pl_transform_condition(t, &condition, &err), err);
    const double of1 = 0.5 + (N1 - 1.0) / N1, of2 = 0.5 + (N2 - 1.0) / N2;
    pl_check_close(condition, of1 / 0.5 * of2 / 0.5, 1e-4, 0);
    pl_transform_destroy(t);
}

static void store_and_back(void **state)
{
    (void)state;
    pl_error err;
    float before[N * N], after[N * N];
    for (size_t kind = 0; kind < KINDS; kind++) {
        pl_transform *t = makers[kind](), *again = NULL;
        pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
        const size_t count = pl_transform_arrays(t, arrays);
        pl_check_ok(pl_transform_from_arrays(pl_transform_kind(t), N, arrays, count,
                                             pl_transform_clip_group_size(t), &again, &err),
                    err);
        dense_of(t, N, before);
        dense_of(again, N, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(pl_transform_clip(t) == NULL, pl_transform_clip(again) == NULL);
        pl_transform_destroy(again);
        if (count > 0) {
            arrays[0].count--;
            assert_int_equal(
                pl_transform_from_arrays(pl_transform_kind(t), N, arrays, count, 0, &again, &err),
                PL_ERR_FORMAT);
            pl_check_says(err, arrays[0].name);
            assert_null(again);
        }
        pl_transform_destroy(t);
    }
}

/* W' = S^T W T^-T gives Y' = Y S, for the one member whose outputs are turned, and comes back. */
static void outputs_are_turned(void **state)
{
    (void)state;
    enum { OUT = ROWS - 1, X = 5 };
    pl_error err;
    float x[X * N], w[OUT * N], turned[OUT * N], y[X * OUT];
    pl_transform *t = rotation();
    const pl_transform *outputs = pl_transform_outputs(t, 2);
    assert_non_null(outputs);
    assert_null(pl_transform_outputs(t, 0));
    assert_non_null(pl_transform_keys(t));
    ref_weights(15, X * N, x);
    ref_weights(16, OUT * N, w);
    memcpy(turned, w, sizeof w);
    for (size_t i = 0; i < X * OUT; i++) {
        double sum = 0.0;
        for (size_t c = 0; c < N; c++) {
            sum += (double)x[i / OUT * N + c] * (double)w[i % OUT * N + c];
        }
        y[i] = (float)sum;
    }
    pl_check_ok(pl_transform_inputs(outputs, y, X, NULL, &err), err); /* Y S */
    pl_check_ok(pl_transform_inputs(t, x, X, NULL, &err), err);
    pl_check_ok(pl_transform_weights(t, turned, OUT, NULL, &err), err);
    pl_check_ok(pl_transform_outputs_weights(t, 2, turned, OUT, N, NULL, &err), err);
    for (size_t i = 0; i < X * OUT; i++) {
        double sum = 0.0;
        for (size_t c = 0; c < N; c++) {
            sum += (double)x[i / OUT * N + c] * (double)turned[i % OUT * N + c];
        }
        pl_check_close(sum, y[i], 1e-4, 1e-4);
    }
    pl_check_ok(pl_transform_outputs_weights_back(t, 2, turned, OUT, N, NULL, &err), err);
    pl_check_ok(pl_transform_outputs_weights(t, 1, turned, OUT, N, NULL, &err), err); /* nothing */
    pl_check_ok(pl_transform_weights_back(t, turned, OUT, NULL, &err), err);
    for (size_t i = 0; i < OUT * N; i++) {
        pl_check_close(turned[i], w[i], 1e-5, 1e-5);
    }
    assert_int_equal(pl_transform_outputs_weights(t, 2, turned, OUT - 1, N, NULL, &err),
                     PL_ERR_FORMAT);
    pl_check_says(err, "8 outputs of a layer that has 7");
    pl_transform_destroy(t);
}

/* block= is Hadamard matrices of that order side by side, the default the largest one. */
static void blocks_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *block, *says; /* says NULL: made */
    } cases[] = {{"4", NULL},
                 {"12", NULL},
                 {"24", NULL},
                 {"16",
                  "expected a divisor of 24 of which a Hadamard matrix is known; the nearest: 12 "
                  "and 24"},
                 {"6", "the nearest: 4 and 8"},
                 {"100", "the nearest: 24"}};
    pl_error err;
    float dense[N * N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_transform *t = NULL;
        pl_spec spec = pl_spec_default(pl_method_find("hadamard"));
        pl_check_ok(pl_spec_set(&spec, "block", cases[i].block, &err), err);
        const pl_site_input in = {.site = "model.layers.7.qkv", .n = N};
        const pl_status status = spec.method->transform(&spec, &in, &t, NULL, &err);
        if (cases[i].says != NULL) {
            assert_int_equal(status, PL_ERR_USAGE);
            pl_check_says(err, "model.layers.7.qkv");
            pl_check_says(err, cases[i].says);
            continue;
        }
        pl_check_ok(status, err);
        dense_of(t, N, dense);
        const size_t block = (size_t)atoi(cases[i].block);
        for (size_t a = 0; a < N * N; a++) {
            const bool inside = a / N / block == a % N / block;
            pl_check_close(fabsf(dense[a]), inside ? 1.0 / sqrt((double)block) : 0.0, 1e-5, 1e-9);
        }
        pl_transform_destroy(t);
    }
}

/* A gain of 0 cannot be undone, and without a stream there is nothing to rotate. */
static void streams_that_cannot_turn_are_refused(void **state)
{
    (void)state;
    pl_error err;
    pl_transform *t = NULL;
    float gain[N];
    for (size_t c = 0; c < N; c++) {
        gain[c] = c == 5 ? 0.0f : 1.0f;
    }
    const pl_spec spec = pl_spec_default(pl_method_find("quarot"));
    pl_site_input in = {
        .site = "model.layers.7.qkv",
        .n = N,
        .stream = {
            .role = PL_STREAM_QKV, .hidden = N, .head_dim = N1, .kv_rows = 2 * N1, .gain = gain}};
    assert_int_equal(spec.method->transform(&spec, &in, &t, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "model.layers.7.qkv: the gain of the norm before it is 0 in channel 5");
    assert_null(t);
    gain[5] = -2.0f; /* a sign is undone as any other number */
    pl_check_ok(spec.method->transform(&spec, &in, &t, NULL, &err), err);
    pl_transform_destroy(t);
    in.stream.role = PL_STREAM_UNKNOWN;
    assert_int_equal(spec.method->transform(&spec, &in, &t, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "residual stream is not known");
}

/* Matrices that are not orthogonal, on outputs and keys: through the store, onto rows and back. */
static void heads_are_turned(void **state)
{
    (void)state;
    enum { D = N1, VALUES = 2, OUT = 2 * D };
    pl_error err;
    float value[D * D], value_back[D * D], key[D * D], key_back[D * D];
    make_factor(D, 31, value, value_back);
    make_factor(D, 41, key, key_back);
    const pl_act_range clip = {1.0f, 0.9f};
    const pl_rotation_parts of_values = {.n = OUT, .q = value, .back = value_back, .order = D};
    const pl_rotation_parts of_keys = {
        .n = D, .q = key, .back = key_back, .order = D, .clip = &clip};
    pl_transform *t = kron(), *again = NULL, *values = NULL, *keys = NULL;
    pl_check_ok(pl_transform_rotation(&of_values, &values, &err), err);
    pl_check_ok(pl_transform_rotation(&of_keys, &keys, &err), err);
    pl_transform_set_outputs(t, VALUES, values);
    pl_transform_set_keys(t, keys);
    assert_null(pl_transform_clip(values));
    assert_memory_equal(pl_transform_clip(keys), &clip, sizeof clip);
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    const size_t count = pl_transform_arrays(t, arrays);
    pl_check_ok(pl_transform_from_arrays(pl_transform_kind(t), N, arrays, count,
                                         pl_transform_clip_group_size(t), &again, &err),
                err);
    assert_true(pl_transform_equal(t, again));
    assert_non_null(pl_transform_outputs(again, VALUES));
    pl_transform_destroy(again);
    static const char *const names[] = {"outputs_back", "keys_back", "keys_clip", "shape"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(arrays[i].name, names[k]) == 0) {
                arrays[i].count--;
                assert_int_equal(pl_transform_from_arrays(pl_transform_kind(t), N, arrays, count, 0,
                                                          &again, &err),
                                 PL_ERR_FORMAT);
                pl_check_says(err, names[k]);
                arrays[i].count++;
            }
        }
    }
    float w[OUT * N], turned[OUT * N];
    for (size_t i = 0; i < OUT * N; i++) {
        w[i] = turned[i] = sinf((float)i);
    }
    pl_check_ok(pl_transform_outputs_weights(t, VALUES, turned, OUT, N, NULL, &err), err);
    for (size_t i = 0; i < OUT * N; i++) {
        const size_t row = i / N, in = row % D, head = row - in;
        double expected = 0.0;
        for (size_t k = 0; k < D; k++) {
            expected += (double)value[k * D + in] * (double)w[(head + k) * N + i % N];
        }
        expect_close(turned[i], expected, 1e-5);
    }
    pl_check_ok(pl_transform_outputs_weights_back(t, VALUES, turned, OUT, N, NULL, &err), err);
    for (size_t i = 0; i < OUT * N; i++) {
        expect_close(turned[i], w[i], 1e-5);
    }
    /* X T W'^T is the same with W' = W T^-T: the four forms of a matrix that is not orthogonal. */
    float x[D], y[D];
    for (size_t i = 0; i < D; i++) {
        x[i] = cosf((float)i);
        y[i] = sinf((float)i + 1.0f);
    }
    double before = 0.0, after = 0.0;
    for (size_t i = 0; i < D; i++) {
        before += (double)x[i] * (double)y[i];
    }
    pl_check_ok(pl_transform_inputs(keys, x, 1, NULL, &err), err);
    pl_check_ok(pl_transform_weights(keys, y, 1, NULL, &err), err);
    for (size_t i = 0; i < D; i++) {
        after += (double)x[i] * (double)y[i];
    }
    pl_check_close(after, before, 1e-5, 1e-5);
    pl_check_ok(pl_transform_inputs_back(keys, x, 1, NULL, &err), err);
    pl_check_ok(pl_transform_weights_back(keys, y, 1, NULL, &err), err);
    for (size_t i = 0; i < D; i++) {
        expect_close(x[i], cosf((float)i), 1e-5);
        expect_close(y[i], sinf((float)i + 1.0f), 1e-5);
    }
    pl_transform_destroy(t);
}

static void bad_scales_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {0.0f, -1.0f, INFINITY, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_error err;
        pl_transform *t = NULL;
        float scale[N];
        make_scale(scale);
        scale[7] = bad[i];
        assert_int_equal(pl_transform_scaling(N, scale, &t, &err), PL_ERR_NUMERIC);
        pl_check_says(err, "channel 7");
        assert_null(t);
    }
}

/* Two groups a row: 16 columns and a short one of 8. */
static void clip_is_a_share_of_the_range(void **state)
{
    (void)state;
    pl_error err;
    pl_transform *t = scaling();
    pl_act_range ranges[2 * ROWS];
    float w[ROWS * N], clipped[ROWS * N];
    ref_weights(9, ROWS * N, w);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        ranges[i] = (pl_act_range){0.5f, i % 2 == 0 ? 0.75f : 1.0f};
    }
    pl_check_ok(pl_transform_set_clip(t, ranges, ROWS, 16, &err), err);
    memcpy(clipped, w, sizeof w);
    pl_transform_clip_weights(t, 4, clipped + 4 * N, ROWS - 4);
    assert_memory_equal(clipped, w, 4 * N * sizeof *w);
    for (size_t r = 4; r < ROWS; r++) {
        for (size_t c = 0; c < N; c++) {
            const size_t first = c < 16 ? 0 : 16, last = c < 16 ? 16 : N;
            float low = 0.0f, high = 0.0f;
            for (size_t k = first; k < last; k++) {
                low = fminf(low, w[r * N + k]);
                high = fmaxf(high, w[r * N + k]);
            }
            high *= c < 16 ? 0.75f : 1.0f;
            pl_check_close(clipped[r * N + c], fminf(fmaxf(w[r * N + c], 0.5f * low), high), 0, 0);
        }
    }
    pl_transform_destroy(t);
}

/* --- methods ---------------------------------------------------------------------------------- */

typedef struct fixture {
    float g[N * N], w[ROWS * N], max_abs[N], mean_abs[N];
    pl_view view;
    pl_grid grid;
    pl_site_input in;
} fixture;

static void setup(fixture *f)
{
    ref_gram(31, N, 200, 2.0, f->g);
    ref_weights(32, ROWS * N, f->w);
    for (size_t c = 0; c < N; c++) {
        f->mean_abs[c] = sqrtf(f->g[c * N + c]) * 0.8f;
        f->max_abs[c] = sqrtf(f->g[c * N + c]) * 4.0f;
    }
    f->view = (pl_view){f->w, ROWS, N, N};
    f->grid = (pl_grid){
        .bits = 3, .group_size = 8, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    f->in = (pl_site_input){.site = "site",
                            .n = N,
                            .weights = &f->view,
                            .n_weights = 1,
                            .gram = f->g,
                            .max_abs = f->max_abs,
                            .mean_abs = f->mean_abs,
                            .grid = &f->grid};
}

static void smoothquant_is_the_formula(void **state)
{
    (void)state;
    pl_error err;
    fixture f;
    float dense[N * N];
    pl_transform *t = NULL;
    setup(&f);
    pl_spec spec = pl_spec_default(pl_method_find("smoothquant"));
    pl_check_ok(pl_spec_set(&spec, "alpha", "0.85", &err), err);
    pl_check_ok(spec.method->transform(&spec, &f.in, &t, NULL, &err), err);
    dense_of(t, N, dense);
    for (size_t c = 0; c < N; c++) {
        double w = 0.0;
        for (size_t r = 0; r < ROWS; r++) {
            w = fmax(w, fabs((double)f.w[r * N + c]));
        }
        const double s = pow((double)f.max_abs[c], 0.85) / pow(w, 1.0 - 0.85);
        pl_check_close(dense[c * N + c], 1.0 / s, 1e-5, 0);
    }
    pl_transform_destroy(t);
}

/* tr(D G D^T) for W scaled by s, rounded, and scaled back: float64. */
static double awq_loss(const fixture *f, const double *s)
{
    double loss = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        double d[N];
        for (size_t at = 0; at < N; at += 8) {
            float scaled[8];
            for (size_t i = 0; i < 8; i++) {
                scaled[i] = (float)((double)f->w[r * N + at + i] * s[at + i]);
            }
            const pl_grid_param param = pl_grid_fit(&f->grid, scaled, 8, 1);
            for (size_t i = 0; i < 8; i++) {
                const float back =
                    pl_grid_value(&f->grid, param, pl_grid_code(&f->grid, param, scaled[i]));
                d[at + i] = (double)back / s[at + i] - (double)f->w[r * N + at + i];
            }
        }
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < N; j++) {
                loss += d[i] * (double)f->g[i * N + j] * d[j];
            }
        }
    }
    return loss;
}

static void awq_finds_the_best_exponent(void **state)
{
    (void)state;
    pl_error err;
    fixture f;
    float dense[N * N];
    pl_transform *t = NULL;
    setup(&f);
    pl_spec spec = pl_spec_default(pl_method_find("awq"));
    pl_check_ok(pl_spec_set(&spec, "clip", "no", &err), err);
    pl_check_ok(spec.method->transform(&spec, &f.in, &t, NULL, &err), err);
    dense_of(t, N, dense);
    double least = INFINITY, found[N];
    for (int a = 0; a < 20; a++) {
        double s[N], low = INFINITY, high = 0.0;
        for (size_t c = 0; c < N; c++) {
            s[c] = fmax(pow((double)f.mean_abs[c], a / 20.0), 1e-4);
            low = fmin(low, s[c]);
            high = fmax(high, s[c]);
        }
        for (size_t c = 0; c < N; c++) {
            s[c] /= sqrt(low * high);
        }
        least = fmin(least, awq_loss(&f, s));
    }
    for (size_t c = 0; c < N; c++) {
        found[c] = 1.0 / (double)dense[c * N + c];
    }
    pl_check_close(awq_loss(&f, found), least, 1e-3, 0);
    pl_transform_destroy(t);
    f.in.grid = NULL;
    assert_int_equal(spec.method->transform(&spec, &f.in, &t, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "rounder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kron_is_the_product),
        cmocka_unit_test(function_is_kept),
        cmocka_unit_test(gram_is_turned),
        cmocka_unit_test(condition_is_known),
        cmocka_unit_test(store_and_back),
        cmocka_unit_test(heads_are_turned),
        cmocka_unit_test(bad_scales_are_refused),
        cmocka_unit_test(outputs_are_turned),
        cmocka_unit_test(streams_that_cannot_turn_are_refused),
        cmocka_unit_test(blocks_are_asked_for),
        cmocka_unit_test(clip_is_a_share_of_the_range),
        cmocka_unit_test(smoothquant_is_the_formula),
        cmocka_unit_test(awq_finds_the_best_exponent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
