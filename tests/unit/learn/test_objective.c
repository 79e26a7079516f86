/* FlatQuant's hand-written gradients against central differences, in float64, of a plain objective
 * whose rounding offsets are held: every parameter, every kind of grid. */
#include "core/learn/objective.h"

#include "core/base/rng.h"
#include "core/tensor/linalg.h"
#include "tests/support/check.h"
#include "tests/support/ref_learn.h"

#include <math.h>
#include <stdlib.h>

enum { N = 12, ROWS = 7, ROWS2 = 4, SAMPLES = 9 };

typedef struct site {
    float x[SAMPLES * N], w[ROWS * N], w2[ROWS2 * N], max_abs[N];
    pl_view views[2];
    pl_grid grid;
    pl_site_input in;
    double x64[SAMPLES * N], w64[(ROWS + ROWS2) * N];
} site;

static float value(pl_rng *rng)
{
    return (float)pl_rng_normal(rng);
}

/* Two layers on one input, whose channels differ in size. */
static void make_site(site *s, const pl_grid *grid, pl_act_grid activations)
{
    pl_rng rng;
    pl_rng_init(&rng, 5);
    for (size_t c = 0; c < N; c++) {
        s->max_abs[c] = 0.0f;
    }
    for (size_t i = 0; i < SAMPLES * N; i++) {
        s->x[i] = value(&rng) * (1.0f + (float)(i % N % 5));
        s->max_abs[i % N] = fmaxf(s->max_abs[i % N], fabsf(s->x[i]));
    }
    for (size_t i = 0; i < ROWS * N; i++) {
        s->w[i] = value(&rng) * 0.3f;
        s->w64[i] = (double)s->w[i];
    }
    for (size_t i = 0; i < ROWS2 * N; i++) {
        s->w2[i] = value(&rng) * 0.5f;
        s->w64[ROWS * N + i] = (double)s->w2[i];
    }
    s->views[0] = (pl_view){s->w, ROWS, N, N};
    s->views[1] = (pl_view){s->w2, ROWS2, N, N};
    s->in = (pl_site_input){.site = "site",
                            .n = N,
                            .weights = s->views,
                            .n_weights = 2,
                            .max_abs = s->max_abs,
                            .sample = {s->x, SAMPLES, N, N},
                            .activations = activations};
    if (grid != NULL) {
        s->grid = *grid;
        s->in.grid = &s->grid;
    }
}

/* Parameters away from the start, where clipping bites and nothing is symmetric.  On GPTQ's own
 * grid the larger end lies half-way between two codes: where that is the lower one, they are two
 * values, and float32 and float64 may differ in which they take.  There it is the upper one. */
static void make_params(const pl_flat_layout *at, const pl_site_input *in, double *params)
{
    pl_error err;
    pl_rng rng;
    pl_check_ok(pl_flat_start(at, in, 0.3, 1, params, &err), err);
    pl_rng_init(&rng, 77);
    for (size_t i = 0; i < at->count; i++) {
        params[i] += 0.2 * pl_rng_normal(&rng);
        params[i] -= i >= at->clips ? 2.5 : 0.0;
    }
    for (size_t i = at->weight_low; i < at->weight_high; i++) {
        params[i] -= in->grid->format == &pl_format_full ? 3.0 : 0.0;
    }
}

static pl_ref_learn reference(const site *s, const pl_objective *o)
{
    pl_ref_learn r = {.at = o->at,
                      .samples = SAMPLES,
                      .x = s->x64,
                      .w = s->w64,
                      .act_bits = s->in.activations.bits,
                      .act_format = s->in.activations.format,
                      .act_group = s->in.activations.group_size,
                      .layer = ROWS,
                      .act_fixed = s->in.activations.fixed,
                      .act_clip = s->in.activations.clip};
    if (s->in.grid != NULL) {
        r.weight_bits = s->grid.bits;
        r.weight_format = s->grid.format;
    }
    r.offsets = calloc(pl_ref_learn_offsets(&r), sizeof *r.offsets);
    assert_non_null(r.offsets);
    return r;
}

static double difference(pl_ref_learn *r, double *params, size_t i)
{
    static const double STEP = 1e-6;
    const double keep = params[i];
    params[i] = keep + STEP;
    const double up = log(pl_ref_learn_value(r, params));
    params[i] = keep - STEP;
    const double down = log(pl_ref_learn_value(r, params));
    params[i] = keep;
    return (up - down) / (2.0 * STEP);
}

static void check(const pl_grid *grid, pl_act_grid activations)
{
    site s;
    pl_error err;
    pl_objective o;
    double got = 0.0, most = 0.0;
    make_site(&s, grid, activations);
    pl_check_ok(pl_objective_init(&o, &s.in, SAMPLES, 3, NULL, &err), err);
    for (size_t i = 0; i < SAMPLES * N; i++) {
        s.x64[i] = (double)o.x[i]; /* in the order that the seed gives */
    }
    double *params = calloc(3 * o.at.count, sizeof *params);
    double *gradient = params + o.at.count, *expected = gradient + o.at.count;
    assert_non_null(params);
    make_params(&o.at, &s.in, params);
    pl_ref_learn r = reference(&s, &o);
    const double value64 = pl_ref_learn_value(&r, params);
    pl_check_ok(pl_objective_value(&o, params, 0, &got, gradient, NULL, &err), err);
    pl_check_close(got, value64, 1e-4, 0);
    r.hold = true;
    for (size_t i = 0; i < o.at.count; i++) {
        expected[i] = difference(&r, params, i);
        most = fmax(most, fabs(expected[i]));
    }
    for (size_t i = 0; i < o.at.count; i++) {
        pl_check_close(gradient[i], expected[i], 2e-4, 2e-5 * most);
    }
    free(r.offsets);
    free(params);
    pl_objective_deinit(&o);
}

static const pl_act_grid no_act = {.clip = 1.0};

static void test_weights(void **ctx)
{
    (void)ctx;
    const pl_format *const all[] = {&pl_format_symmetric, &pl_format_full, &pl_format_asymmetric};
    for (size_t i = 0; i < 3; i++) {
        const pl_grid whole = {.bits = 3, .format = all[i], .scale_dtype = PL_F32};
        const pl_grid groups = {
            .bits = 2, .group_size = 5, .format = all[i], .scale_dtype = PL_F32};
        check(&whole, no_act);
        check(&groups, no_act);
    }
}

static void test_activations(void **ctx)
{
    (void)ctx;
    for (int i = 0; i < 4; i++) {
        const pl_act_grid grid = {.bits = 3,
                                  .format =
                                      i % 2 == 1 ? &pl_format_asymmetric : &pl_format_symmetric,
                                  .fixed = i / 2 == 1,
                                  .clip = 0.9};
        check(NULL, grid);
    }
}

static void test_both(void **ctx)
{
    (void)ctx;
    const pl_grid grid = {.bits = 4, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    check(&grid, (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0});
    check(&grid, (pl_act_grid){.bits = 4, .format = &pl_format_asymmetric, .clip = 1.0});
}

static void test_groups_of_inputs(void **ctx)
{
    (void)ctx;
    const pl_grid grid = {.bits = 4, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    check(&grid,
          (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 0.9, .group_size = 5});
    check(NULL,
          (pl_act_grid){.bits = 3, .format = &pl_format_asymmetric, .clip = 1.0, .group_size = 4});
}

/* Other blocks than the formats': N is small. */
static const struct format_case {
    const pl_format *format;
    int bits;
    size_t width;
} uneven[] = {
    {&pl_format_mxfp4, 4, 4}, {&pl_format_mxfp6_e2m3, 6, 5}, {&pl_format_mxfp6_e3m2, 6, 4},
    {&pl_format_mxfp8, 8, 6}, {&pl_format_nvfp4, 4, 4},      {&pl_format_nvfp4, 4, 5},
    {&pl_format_nf4, 4, 6},   {&pl_format_fp8, 8, 0},
};
enum { UNEVEN = sizeof uneven / sizeof *uneven };

static pl_grid uneven_grid(size_t i)
{
    return (pl_grid){.bits = uneven[i].bits,
                     .group_size = uneven[i].width,
                     .format = uneven[i].format,
                     .scale_dtype = PL_F32,
                     .scale_mode = uneven[i].format->mode};
}

static pl_act_grid uneven_act_grid(size_t i, double clip)
{
    return (pl_act_grid){.bits = uneven[i].bits,
                         .format = uneven[i].format,
                         .clip = clip,
                         .group_size = uneven[i].width,
                         .scale_mode = uneven[i].format->mode};
}

static void test_uneven_formats(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < UNEVEN; i++) {
        const pl_grid grid = uneven_grid(i);
        check(&grid, no_act);
        check(NULL, uneven_act_grid(i, 0.8));
        check(&grid, uneven_act_grid(i, 1.0));
    }
    pl_act_grid all = uneven_act_grid(4, 0.8); /* NVFP4, groups that fill rows */
    all.fixed = true;
    check(NULL, all);
}

/* What it measures is what the pipeline's own quantizers do to the same rows. */
static void check_value(pl_grid grid, pl_act_grid activations)
{
    site s;
    pl_error err;
    pl_objective o;
    pl_transform *t = NULL;
    double got = 0.0, lost = 0.0, energy = 0.0;
    make_site(&s, &grid, activations);
    pl_check_ok(pl_objective_init(&o, &s.in, SAMPLES, 3, NULL, &err), err);
    double *params = calloc(o.at.count, sizeof *params);
    make_params(&o.at, &s.in, params);
    pl_check_ok(pl_objective_value(&o, params, 0, &got, NULL, NULL, &err), err);
    pl_check_ok(pl_flat_transform(&o.at, params, &t, &err), err);
    float x[SAMPLES * N], w[(ROWS + ROWS2) * N];
    memcpy(x, o.x, sizeof x);
    memcpy(w, o.w, sizeof w);
    pl_check_ok(pl_transform_inputs(t, x, SAMPLES, NULL, &err), err);
    if (activations.fixed) {
        const pl_act_range all = pl_act_row_range(x, SAMPLES * N);
        const pl_act_range share = pl_act_share(&activations, pl_transform_clip(t));
        pl_act_quantize_fixed(&activations, pl_act_kept(all, share), x, SAMPLES, N);
    } else {
        pl_act_quantize(&activations, pl_transform_clip(t), x, SAMPLES, N);
    }
    pl_check_ok(pl_transform_weights(t, w, ROWS + ROWS2, NULL, &err), err);
    pl_transform_clip_weights(t, 0, w, ROWS + ROWS2);
    for (size_t r = 0; r < ROWS + ROWS2; r++) {
        const size_t width = grid.group_size > 0 ? grid.group_size : N;
        if (r == 0 || r == ROWS) {
            pl_grid_begin(&grid, (pl_view){w + r * N, r == 0 ? ROWS : ROWS2, N, N});
        }
        for (size_t c = 0; c < N; c += width) {
            const size_t count = N - c < width ? N - c : width;
            float *group = w + r * N + c;
            const pl_grid_param param = pl_grid_fit(&grid, group, count, 1);
            for (size_t i = 0; i < count; i++) {
                group[i] = pl_grid_value(&grid, param, pl_grid_code(&grid, param, group[i]));
            }
        }
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t j = 0; j < ROWS + ROWS2; j++) {
            double y = 0.0, used = 0.0;
            for (size_t k = 0; k < N; k++) {
                y += (double)o.x[i * N + k] * (double)o.w[j * N + k];
                used += (double)x[i * N + k] * (double)w[j * N + k];
            }
            lost += (y - used) * (y - used);
            energy += y * y;
        }
    }
    pl_check_close(got, lost / energy, 1e-4, 0);
    pl_transform_destroy(t);
    free(params);
    pl_objective_deinit(&o);
}

static void test_value_is_the_quantizers(void **ctx)
{
    (void)ctx;
    check_value(
        (pl_grid){
            .bits = 3, .group_size = 5, .format = &pl_format_symmetric, .scale_dtype = PL_F32},
        (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0});
    for (size_t i = 0; i < UNEVEN; i++) {
        for (unsigned mode = 0; mode < PL_SCALE_MODES; mode++) {
            pl_grid grid = uneven_grid(i);
            pl_act_grid act = uneven_act_grid(i, 0.8);
            const unsigned modes = uneven[i].format->modes;
            if (mode == PL_SCALE_TENSOR || mode == PL_SCALE_BLOCK ||
                ((modes != 0 ? modes : 1u << PL_SCALE_AMAX) & 1u << mode) == 0) {
                continue;
            }
            grid.scale_mode = act.scale_mode = (pl_scale_mode)mode;
            check_value(grid, act);
            act.fixed = uneven[i].format == &pl_format_nvfp4; /* the only one with a use for it */
            check_value(grid, act);
        }
    }
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    site s;
    pl_error err;
    pl_objective o;
    make_site(&s, NULL, no_act);
    assert_int_equal(pl_objective_init(&o, &s.in, SAMPLES, 0, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "site: nothing is quantized");
    pl_objective_deinit(&o);
    make_site(&s, NULL, (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0});
    s.in.sample.rows = 0;
    assert_int_equal(pl_objective_init(&o, &s.in, SAMPLES, 0, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "no rows of its input are stored");
    pl_objective_deinit(&o);
    make_site(&s,
              &(pl_grid){.bits = 8,
                         .format = &pl_format_fp8,
                         .scale_dtype = PL_F32,
                         .scale_mode = PL_SCALE_TENSOR},
              no_act);
    assert_int_equal(pl_objective_init(&o, &s.in, SAMPLES, 0, NULL, &err), PL_ERR_USAGE);
    pl_check_says(err, "site: nothing is learned for scale_mode=tensor");
    pl_objective_deinit(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_both),           cmocka_unit_test(test_groups_of_inputs),
        cmocka_unit_test(test_uneven_formats), cmocka_unit_test(test_value_is_the_quantizers),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
