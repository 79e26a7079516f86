/* GPTQ and its kin against numpy: rounder_values.json, by tests/golden/make_rounder_values.py. */
#include "core/method/method.h"
#include "core/tensor/linalg.h"

#include "tests/support/check.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40, ROWS = 6, T = 96, DEAD = 5 };

/* The sequence of random numbers of make_rounder_values.py, and what it makes of it. */
static uint64_t sequence;

static double uniform(void)
{
    sequence = sequence * 6364136223846793005u + 1442695040888963407u;
    return (double)(sequence >> 11) / 9007199254740992.0;
}

static void normal(size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = 0.0;
        for (int k = 0; k < 4; k++) {
            out[i] += uniform();
        }
        out[i] -= 2.0;
    }
}

typedef struct inputs {
    float gram[N * N], cross[N * N], w[ROWS * N];
} inputs;

static void make_inputs(inputs *in)
{
    static double mix[N * N], own[T * N], mixed[T * N], noise[T * N], x0[T * N], x[T * N],
        w[ROWS * N];
    sequence = 12345;
    normal(N * N, mix);
    normal(T * N, own);
    normal(T * N, mixed);
    normal(T * N, noise);
    normal(ROWS * N, w);
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < N; i++) {
            double sum = 0.0;
            for (size_t k = 0; k < N; k++) {
                sum += mixed[t * N + k] * mix[k * N + i];
            }
            const double scale = ldexp(1.0, (int)(i * 7 % 5) - 2);
            x0[t * N + i] = (own[t * N + i] + 0.5 * sum / sqrt(N)) * scale;
        }
        for (size_t i = 0; i < N; i++) {
            const double scale = ldexp(1.0, (int)(i * 7 % 5) - 2);
            x[t * N + i] =
                x0[t * N + i] + 0.3 * noise[t * N + i] * scale + 0.1 * x0[t * N + (i + N - 1) % N];
        }
        x0[t * N + DEAD] = x[t * N + DEAD] = 0.0;
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            double gram = 0.0, cross = 0.0;
            for (size_t t = 0; t < T; t++) {
                gram += x[t * N + i] * x[t * N + k];
                cross += (x0[t * N + i] - x[t * N + i]) * x[t * N + k];
            }
            in->gram[i * N + k] = (float)(gram / T);
            in->cross[i * N + k] = (float)(cross / T);
        }
    }
    for (size_t i = 0; i < ROWS * N; i++) {
        in->w[i] = (float)w[i];
    }
}

static pl_spec spec_of(const json_t *line)
{
    pl_error err;
    char words[200];
    pl_spec spec =
        pl_spec_default(pl_method_find(json_string_value(json_object_get(line, "method"))));
    snprintf(words, sizeof words, "%s", json_string_value(json_object_get(line, "words")));
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        pl_check_ok(pl_spec_set(&spec, word, equals + 1, &err), err);
    }
    return spec;
}

static pl_factors *make_factors(const inputs *in, bool follow)
{
    pl_error err;
    pl_factors *factors = NULL;
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = in->gram}, T, "site", &factors, &err),
                err);
    if (follow) {
        float *cross = malloc(sizeof in->cross);
        assert_non_null(cross);
        memcpy(cross, in->cross, sizeof in->cross);
        pl_check_ok(pl_factors_set_cross(factors, cross, &err), err);
    }
    return factors;
}

static void run(const inputs *in, pl_factors *factors, const pl_spec *spec, pl_qweights *q,
                float *decoded)
{
    pl_error err;
    pl_method_report report;
    const pl_layer_input input = {.layer = "layer", .factors = factors, .w = {in->w, ROWS, N, N}};
    pl_check_ok(pl_round(spec, &input, q, &report, NULL, &err), err);
    pl_qweights_decode(q, decoded);
}

/* tr((W - Q) G (W - Q)^T) + 2 share tr(W D (W - Q)^T), in float64. */
static double error_of(const inputs *in, const float *rounded, double share)
{
    double sum = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < N; i++) {
            for (size_t k = 0; k < N; k++) {
                const double w = (double)in->w[r * N + i];
                const double lost = w - (double)rounded[r * N + i];
                const double other = (double)in->w[r * N + k] - (double)rounded[r * N + k];
                sum += lost * (double)in->gram[i * N + k] * other +
                       2.0 * share * w * (double)in->cross[i * N + k] * other;
            }
        }
    }
    return sum;
}

static void as_numpy_has_them(void **state)
{
    (void)state;
    static inputs in;
    static float decoded[ROWS * N];
    char path[600];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/golden/rounder_values.json", root != NULL ? root : ".");
    json_t *values = json_load_file(path, 0, NULL);
    assert_non_null(values);
    make_inputs(&in);
    size_t i = 0;
    json_t *line = NULL;
    json_array_foreach(json_object_get(values, "cases"), i, line)
    {
        const pl_spec spec = spec_of(line);
        pl_factors *factors = make_factors(&in, true);
        pl_qweights q;
        run(&in, factors, &spec, &q, decoded);
        const json_t *codes = json_object_get(line, "codes");
        assert_int_equal(json_array_size(codes), ROWS * N);
        for (size_t c = 0; c < ROWS * N; c++) {
            if (q.codes[c] != json_integer_value(json_array_get(codes, c))) {
                fail_msg("%s: weight %zu has code %d",
                         json_string_value(json_object_get(line, "words")), c, q.codes[c]);
            }
        }
        const double share = json_number_value(json_object_get(line, "share"));
        pl_check_close(error_of(&in, decoded, 0.0),
                       json_number_value(json_object_get(line, "error")), 1e-6, 0);
        pl_check_close(error_of(&in, decoded, share),
                       json_number_value(json_object_get(line, "follow")), 1e-6, 1e-6);
        pl_qweights_deinit(&q);
        pl_factors_destroy(factors);
    }
    json_decref(values);
}

/* Where the original model's inputs are those of the Gram matrix: GPTAQ is GPTQ, and Qronos is GPTQ
 * with static groups and its damping. */
static void without_a_difference(void **state)
{
    (void)state;
    static inputs in;
    static float a[ROWS * N], b[ROWS * N];
    pl_error err;
    pl_qweights q, other;
    make_inputs(&in);
    pl_factors *factors = make_factors(&in, false);
    const char *const methods[] = {"gptaq", "qronos"};
    for (size_t i = 0; i < 2; i++) {
        pl_spec spec = pl_spec_default(pl_method_find(methods[i]));
        pl_spec gptq = pl_spec_default(pl_method_find("gptq"));
        pl_check_ok(pl_spec_set(&spec, "group_size", "16", &err), err);
        pl_check_ok(pl_spec_set(&gptq, "group_size", "16", &err), err);
        pl_method_report report;
        const pl_layer_input input = {.layer = "l", .factors = factors, .w = {in.w, ROWS, N, N}};
        pl_check_ok(pl_round(&spec, &input, &q, &report, NULL, &err), err);
        gptq.values[pl_method_param(gptq.method, "damping")] = report.own[0];
        if (i == 1) {
            pl_check_ok(pl_spec_set(&gptq, "static_groups", "yes", &err), err);
        }
        run(&in, factors, &gptq, &other, b);
        pl_qweights_decode(&q, a);
        assert_memory_equal(a, b, sizeof a);
        pl_qweights_deinit(&q);
        pl_qweights_deinit(&other);
    }
    pl_factors_destroy(factors);
}

/* As GPTQ: the site, the channel and every damping tried. */
static void names_what_fails(void **state)
{
    (void)state;
    static inputs in;
    const char *const methods[] = {"gptaq", "qronos"};
    make_inputs(&in);
    in.gram[1] = in.gram[N] = 1e4f;
    pl_factors *factors = make_factors(&in, true);
    for (size_t i = 0; i < 2; i++) {
        pl_error err;
        pl_qweights q;
        pl_method_report report;
        pl_spec spec = pl_spec_default(pl_method_find(methods[i]));
        pl_check_ok(pl_spec_set(&spec, "damping", "1e-6", &err), err);
        const pl_layer_input input = {.layer = "l", .factors = factors, .w = {in.w, ROWS, N, N}};
        assert_int_equal(pl_round(&spec, &input, &q, &report, NULL, &err), PL_ERR_NUMERIC);
        assert_non_null(strstr(err.message, "site: GPTQ's Cholesky factorization of the Hessian "
                                            "fails at input channel 0 with every damping tried ("));
        assert_non_null(strstr(err.message, ", 1)"));
        assert_null(q.codes);
    }
    pl_factors_destroy(factors);
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    static inputs in;
    pl_error err;
    make_inputs(&in);
    pl_factors *factors = make_factors(&in, false);
    float *cross = calloc(N * N, sizeof *cross);
    assert_non_null(cross);
    cross[3 * N + 7] = NAN;
    assert_int_equal(pl_factors_set_cross(factors, cross, &err), PL_ERR_NUMERIC);
    assert_string_equal(err.message, "site: element [3, 7] of the products of the original inputs "
                                     "and the quantized model's is not finite");
    assert_null(pl_factors_cross(factors));
    pl_factors_destroy(factors);
}

int main(void)
{
    pl_error err;
    if (pl_linalg_set_threads(1, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_numpy_has_them),
        cmocka_unit_test(without_a_difference),
        cmocka_unit_test(names_what_fails),
        cmocka_unit_test(refuses_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
