/* The rows a preview takes, and what it makes of them. */
#include "core/live/preview.h"
#include "core/live/estimate.h"

#include "tests/support/check.h"

#include "core/base/rng.h"
#include "core/metrics/recon.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { N = 96, ROWS = 200 };

typedef struct fixture {
    float *w0, *gram;
    pl_factors *factors;
    pl_preview *preview;
} fixture;

static float *random_values(size_t count, uint64_t seed)
{
    pl_rng rng;
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)pl_rng_normal(&rng);
    }
    return x;
}

static void init(fixture *f)
{
    pl_error err;
    float *x = random_values(4 * N * N, 2);
    f->w0 = random_values(ROWS * N, 1);
    f->gram = calloc(N * N, sizeof *f->gram);
    assert_non_null(f->gram);
    pl_syrk_upper(N, 4 * N, x, N, f->gram, N);
    pl_symmetrize(N, f->gram);
    free(x);
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = f->gram}, 4 * N, "block.0.q_proj",
                                  &f->factors, &err),
                err);
    pl_check_ok(pl_preview_create((pl_view){f->w0, ROWS, N, N}, &f->preview, &err), err);
}

static void deinit(fixture *f)
{
    pl_preview_destroy(f->preview);
    pl_factors_destroy(f->factors);
    free(f->gram);
    free(f->w0);
}

/* The rows that the preview takes, [count] in its order; caller frees. */
static size_t *rows_of(pl_preview *preview, size_t rows, size_t *count)
{
    const size_t *place = NULL;
    size_t *taken = calloc(rows, sizeof *taken);
    assert_non_null(taken);
    (void)pl_preview_warm(preview, &place);
    *count = 0;
    for (size_t r = 0; r < rows; r++) {
        if (place[r] != SIZE_MAX) {
            expect_less(place[r], rows);
            taken[place[r]] = r;
            ++*count;
        }
    }
    return taken;
}

static bool holds(const size_t *rows, size_t count, size_t row)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i] == row) {
            return true;
        }
    }
    return false;
}

static size_t holder_of(const float *w, size_t rows, size_t n, size_t column)
{
    size_t best = 0;
    for (size_t r = 1; r < rows; r++) {
        best = fabsf(w[r * n + column]) > fabsf(w[best * n + column]) ? r : best;
    }
    return best;
}

static void test_rows_hold_every_column_maximum(void **ctx)
{
    (void)ctx;
    fixture f;
    init(&f);
    size_t count = 0;
    size_t *rows = rows_of(f.preview, ROWS, &count);
    expect_less(0, count);
    expect_less(count, ROWS);
    for (size_t c = 0; c < N; c++) {
        assert_true(holds(rows, count, holder_of(f.w0, ROWS, N, c)));
    }
    for (size_t i = 0; i < count; i++) {
        expect_less(rows[i], ROWS);
        assert_false(holds(rows, i, rows[i])); /* none twice */
    }
    free(rows);
    deinit(&f);
}

/* A wide layer's first frame has no time for every column: it has the largest of each bin, and the
 * whole preview all of them. */
static void test_wide_rows_begin_with_the_largest(void **ctx)
{
    (void)ctx;
    enum { WIDE = 4096, TALL = 600 };
    pl_error err;
    pl_preview *preview = NULL;
    size_t count = 0;
    float *w = random_values((size_t)TALL * WIDE, 3);
    w[123 * WIDE + 2000] = 50.0f;
    pl_check_ok(pl_preview_create((pl_view){w, TALL, WIDE, WIDE}, &preview, &err), err);
    size_t *rows = rows_of(preview, TALL, &count);
    assert_int_equal(rows[0], 123);
    for (size_t c = 0; c < WIDE; c += 7) {
        assert_true(holds(rows, count, holder_of(w, TALL, WIDE, c)));
    }
    pl_preview_destroy(preview);
    free(rows);
    free(w);
}

static pl_spec astro(double beta)
{
    pl_spec spec = pl_spec_default(pl_method_find("astro"));
    spec.values[pl_method_param(spec.method, "beta")] = beta;
    spec.values[pl_method_param(spec.method, "target")] = 0;
    return spec;
}

static void step_all(fixture *f)
{
    pl_error err;
    for (bool more = true; more;) {
        pl_check_ok(pl_preview_step(f->preview, f->factors, &more, NULL, &err), err);
    }
}

/* Two turns, each against a solve of the same rows with a warm state that goes along. */
static void test_preview_is_a_warm_solve_of_its_rows(void **ctx)
{
    (void)ctx;
    static const double betas[] = {3e-3, 5e-3};
    pl_error err;
    fixture f;
    init(&f);
    size_t count = 0;
    size_t *rows = rows_of(f.preview, ROWS, &count);
    float *some = calloc(count * N, sizeof *some);
    float *w = calloc(count * N, sizeof *w);
    size_t *place = calloc(count, sizeof *place);
    pl_warm *warm = NULL;
    assert_true(some != NULL && w != NULL && place != NULL);
    pl_check_ok(pl_warm_create(count, N, &warm, &err), err);
    for (size_t i = 0; i < count; i++) {
        place[i] = i;
        memcpy(some + i * N, f.w0 + rows[i] * N, N * sizeof *some);
    }
    for (int turn = 0; turn < 2; turn++) {
        const pl_spec spec = astro(betas[turn]);
        const pl_spec none = {0};
        const pl_layer_input in = {.layer = "block.0.q_proj",
                                   .factors = f.factors,
                                   .w = {some, count, N, N},
                                   .whole = {f.w0, ROWS, N, N},
                                   .rough = 2e9,
                                   .warm = warm,
                                   .place = place};
        pl_method_report report;
        pl_check_ok(spec.method->precondition(&spec, &in, w, &report, NULL, &err), err);
        assert_true(isnan(report.objective));
        assert_true(isnan(report.gap));
        pl_preview_begin(f.preview, "block.0.q_proj", &spec, &none);
        assert_null(pl_preview_read(f.preview).preconditioned);
        step_all(&f);
        const pl_preview_now now = pl_preview_read(f.preview);
        assert_int_equal(now.preconditioned_rows, count);
        assert_null(now.rounded);
        for (size_t c = 0; c < N; c++) {
            const float max = fabsf(w[holder_of(w, count, N, c) * N + c]);
            expect_close(now.preconditioned[c], max, 0);
        }
    }
    pl_warm_destroy(warm);
    free(place);
    free(some);
    free(w);
    free(rows);
    deinit(&f);
}

/* Turning the rounder alone leaves the preconditioned rows as the cold solve has made them. */
static void test_rounder_alone_keeps_the_final_rows(void **ctx)
{
    (void)ctx;
    pl_error err;
    fixture f;
    init(&f);
    const pl_spec spec = astro(3e-3);
    pl_spec rtn = pl_spec_default(pl_method_find("rtn"));
    float *w = calloc(ROWS * N, sizeof *w);
    assert_non_null(w);
    pl_preview_begin(f.preview, "block.0.q_proj", &spec, &rtn);
    step_all(&f);
    assert_non_null(pl_preview_read(f.preview).rounded);
    pl_layer_input in = {.layer = "block.0.q_proj", .factors = f.factors, .w = {f.w0, ROWS, N, N}};
    in.warm = pl_preview_warm(f.preview, &in.place);
    pl_method_report report;
    pl_check_ok(spec.method->precondition(&spec, &in, w, &report, NULL, &err), err);
    pl_preview_add(f.preview, false, 0, ROWS, w);
    assert_int_equal(pl_preview_read(f.preview).preconditioned_rows, ROWS);
    pl_preview_finish(f.preview);
    rtn.values[pl_method_param(rtn.method, "bits")] = 3;
    pl_preview_begin(f.preview, "block.0.q_proj", &spec, &rtn);
    step_all(&f);
    const pl_preview_now now = pl_preview_read(f.preview);
    size_t count = 0;
    size_t *rows = rows_of(f.preview, ROWS, &count);
    for (size_t c = 0; c < N; c++) {
        float max = 0;
        for (size_t i = 0; i < count; i++) {
            max = fmaxf(max, fabsf(w[rows[i] * N + c]));
        }
        expect_close(now.preconditioned[c], max, 0);
    }
    expect_less(now.numbers.relative_error, now.numbers.rounded_relative_error);
    free(rows);
    free(w);
    deinit(&f);
}

/* One channel has nearly all of the energy and one row most of the weight on it, as on a layer with
 * a massive activation: a few warm iterations leave an error many times the final one.  Every
 * number that is shown is near that of the cold solve, and with so few rows that all are solved it
 * is the same. */
static void test_numbers_beside_a_massive_channel(void **ctx)
{
    (void)ctx;
    static const size_t heights[] = {ROWS, 40};
    pl_error err;
    fixture f;
    init(&f);
    for (size_t i = 0; i < N; i++) {
        f.gram[i * N + 17] *= 300.0f;
        f.gram[17 * N + i] *= 300.0f;
    }
    f.w0[5 * N + 17] = 60.0f;
    pl_spec gptq = pl_spec_default(pl_method_find("gptq"));
    gptq.values[pl_method_param(gptq.method, "bits")] = 3;
    const pl_grid grid = pl_spec_grid(&gptq);
    float *w = calloc(ROWS * N, sizeof *w);
    assert_non_null(w);
    for (size_t h = 0; h < 2; h++) {
        for (double beta = 1e-6; beta < 1e-2; beta *= 10) {
            const pl_view w0 = {f.w0, heights[h], N, N}, after = {w, heights[h], N, N};
            const pl_spec spec = astro(beta);
            pl_method_report report, rounding;
            pl_qweights q = {0};
            double error = 0, rounded = 0;
            pl_layer_input in = {.layer = "block.0.q_proj", .factors = f.factors, .w = w0};
            pl_check_ok(spec.method->precondition(&spec, &in, w, &report, NULL, &err), err);
            pl_check_ok(pl_relative_error(f.factors, w0, after, &error, NULL, &err), err);
            const double group_max = pl_group_max_mean(after, spec.method->group_size(&spec));
            const double bound = pl_error_bound(f.factors, &grid, after);
            in.w = after;
            pl_check_ok(gptq.method->round(&gptq, &in, &q, &rounding, NULL, &err), err);
            pl_qweights_decode(&q, w);
            pl_qweights_deinit(&q);
            pl_check_ok(pl_relative_error(f.factors, w0, after, &rounded, NULL, &err), err);
            pl_preview *preview = NULL;
            pl_check_ok(pl_preview_create(w0, &preview, &err), err);
            pl_preview_begin(preview, "block.0.q_proj", &spec, &gptq);
            for (bool more = true; more;) {
                pl_check_ok(pl_preview_step(preview, f.factors, &more, NULL, &err), err);
                const pl_row_sample_numbers now = pl_preview_read(preview).numbers;
                const double pairs[4][2] = {{now.group_max_after, group_max},
                                            {now.relative_error, error},
                                            {now.rounded_relative_error, rounded},
                                            {now.bound, bound}};
                const double allowed = heights[h] < ROWS ? 1e-4 : 0.1;
                for (int i = 0; i < 4; i++) {
                    if (!isnan(pairs[i][0])) {
                        pl_check_close(pairs[i][0], pairs[i][1], allowed, 0);
                    }
                    assert_true(now.rows < heights[h] || isfinite(pairs[i][0]));
                }
            }
            pl_preview_destroy(preview);
        }
    }
    free(w);
    deinit(&f);
}

/* Formats that scale the whole layer by its largest weight, which one row has, so far above all
 * others that they are subnormal under it: the sample takes the layer's scale, not its own.  What
 * is shown is near the final number, and of a layer of two steps, all of whose rows are solved, the
 * same. */
static void test_numbers_of_a_tensors_scale(void **ctx)
{
    (void)ctx;
    static const char *const cases[][2] = {
        {"nvfp4", "amax"}, {"nvfp4", "four_over_six"}, {"fp8", "tensor"}};
    pl_error err;
    fixture f;
    init(&f);
    for (size_t i = 0; i < N * N; i++) { /* so that rows scatter little, and numbers are shown */
        f.gram[i] = i / N == i % N ? 1.0f : 0.0f;
    }
    f.w0[80 * N + 17] = 6e4f;
    float *w = calloc(ROWS * N, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < 12; i++) {
        print_message("  %s %s%s\n", cases[i % 3][0], cases[i % 3][1], i % 6 < 3 ? "" : ", astro");
        const size_t rows = i < 6 ? ROWS : 90;
        const bool plain = i % 6 < 3;
        const pl_view w0 = {f.w0, rows, N, N}, after = {w, rows, N, N};
        const pl_spec spec = plain ? (pl_spec){0} : astro(1e-5);
        pl_spec rtn = pl_spec_default(pl_method_find("rtn"));
        pl_check_ok(pl_spec_set(&rtn, "format", cases[i % 3][0], &err), err);
        pl_check_ok(pl_spec_set(&rtn, "scale_mode", cases[i % 3][1], &err), err);
        pl_method_report report;
        pl_qweights q = {0};
        pl_layer_input in = {.layer = "block.0.q_proj", .factors = f.factors, .w = w0};
        memcpy(w, f.w0, ROWS * N * sizeof *w);
        if (spec.method != NULL) {
            pl_check_ok(spec.method->precondition(&spec, &in, w, &report, NULL, &err), err);
        }
        in.w = after;
        pl_check_ok(rtn.method->round(&rtn, &in, &q, &report, NULL, &err), err);
        pl_qweights_decode(&q, w);
        pl_qweights_deinit(&q);
        double rounded = 0.0;
        pl_check_ok(pl_relative_error(f.factors, w0, after, &rounded, NULL, &err), err);
        pl_preview *preview = NULL;
        pl_check_ok(pl_preview_create(w0, &preview, &err), err);
        pl_preview_begin(preview, "block.0.q_proj", &spec, &rtn);
        for (bool more = true; more;) {
            pl_check_ok(pl_preview_step(preview, f.factors, &more, NULL, &err), err);
        }
        const pl_row_sample_numbers now = pl_preview_read(preview).numbers;
        expect_less(now.rows, ROWS);
        assert_true(isfinite(now.rounded_relative_error) || (rows == ROWS && i % 3 == 2));
        if (isfinite(now.rounded_relative_error)) {
            pl_check_close(now.rounded_relative_error, rounded,
                           now.rows == rows && plain ? 1e-4 : PL_SHOWN_WITHIN, 0);
        }
        pl_preview_destroy(preview);
    }
    free(w);
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_hold_every_column_maximum),
        cmocka_unit_test(test_wide_rows_begin_with_the_largest),
        cmocka_unit_test(test_preview_is_a_warm_solve_of_its_rows),
        cmocka_unit_test(test_rounder_alone_keeps_the_final_rows),
        cmocka_unit_test(test_numbers_beside_a_massive_channel),
        cmocka_unit_test(test_numbers_of_a_tensors_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
