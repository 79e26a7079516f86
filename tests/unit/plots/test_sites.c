/* The figures that are made of a site's inputs: spectrum, basin, tokens, sweep. */
#include "core/io/npy.h"
#include "core/model/bare.h"
#include "plots/kinds.h"

#include "core/calib/calib_parts.h"
#include "tests/support/demo_lab.h"

#include <math.h>
#include <string.h>

enum { DEMO_DOWN1 = 13 };

static pl_figure make_figure(demo_lab *d, const char *kind, int form, bool log, size_t channel)
{
    pl_error err;
    pl_figure figure;
    pl_request request = pl_request_of(&d->state, pl_kind_find(kind));
    assert_non_null(request.kind);
    request.form = form;
    request.log = log;
    request.channel = channel;
    pl_check_ok(pl_kind_make(demo_context(d), &request, &figure, &err), err);
    return figure;
}

static const char *fact(const pl_figure *figure, const char *name)
{
    for (size_t i = 0; i < figure->n_facts; i++) {
        if (strcmp(figure->facts[i].name, name) == 0) {
            return figure->facts[i].text;
        }
    }
    fail_msg("there is no fact %s", name);
    return "";
}

static void spectrum(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    pl_figure f = make_figure(&d, "spectrum", 0, false, SIZE_MAX);
    assert_int_equal(f.n_series, 1);
    const pl_series *s = &f.series[0];
    assert_int_equal(s->count, 144);
    pl_check_close(s->x[0], 1, 0, 0);
    pl_check_close(s->y[0], 1, 0, 0);
    size_t rank = 0;
    while (rank < s->count && s->y[rank] > 1e-4) {
        rank++;
    }
    assert_true(f.y.log);
    expect_at_most(2, f.n_rules);
    pl_check_close(f.rules[0].at, 1e-4, 1e-15, 0);
    assert_false(f.rules[0].vertical);
    assert_true(f.rules[1].vertical);
    pl_check_close(f.rules[1].at, (double)rank, 0, 0);
    char text[48];
    snprintf(text, sizeof text, "%zu of 144", rank);
    assert_string_equal(fact(&f, "eps_rank"), text);
    assert_non_null(strstr(fact(&f, "mean_diag"), "of lambda_max"));
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

static void basin(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro beta=0.001");
    d.state.layer = DEMO_Q1;
    demo_solve(&d, DEMO_Q1);
    pl_figure linear = make_figure(&d, "basin", 0, false, SIZE_MAX);
    pl_figure log = make_figure(&d, "basin", 0, true, SIZE_MAX);
    assert_int_equal(linear.n_series, 4);
    assert_int_equal(linear.series[0].tone, PL_TONE_PRECONDITIONED);
    assert_string_equal(linear.series[0].label, "W₀ → W");
    assert_false(linear.y.log);
    assert_true(log.y.log);
    expect_less(0, log.y.lo);
    for (size_t s = 0; s < 4; s++) {
        assert_int_equal(linear.series[s].count, 31);
        pl_check_close(linear.series[s].y[15], 0, 0, 0);
        pl_check_close(log.series[s].y[15], log.y.lo, 0, 0); /* no loss: the axis's foot */
        pl_check_close(log.series[s].y[25], linear.series[s].y[25], 0, 0);
        pl_check_close(linear.series[s].x[25], 1, 1e-12, 0);
    }
    pl_check_close(linear.rules[0].at, 1, 0, 0);
    pl_check_close(strtod(fact(&linear, "at_top"), NULL), linear.series[2].y[25], 5e-3, 0);
    assert_string_equal(fact(&linear, "rows"), "1024 of 1024 sample rows");
    pl_figure_deinit(&linear);
    pl_figure_deinit(&log);
    demo_lab_deinit(&d);
}

/* The sample's own rows, to compare with. */
static void load_sample(demo_lab *d, size_t layer, pl_site_stats *out)
{
    pl_error err;
    pl_id key = {0};
    pl_check_ok(pl_lab_calibration(demo_context(d), &key, &err), err);
    size_t site = pl_model_layer(d->state.source->model, layer)->site;
    pl_check_ok(pl_lab_load_site(demo_context(d), key, site, PL_GRAM_NONE, true, out, &err), err);
}

static float largest(const float *row, size_t n)
{
    float max = 0;
    for (size_t i = 0; i < n; i++) {
        max = fmaxf(max, fabsf(row[i]));
    }
    return max;
}

static size_t position_of(const char *name)
{
    const char *at = strrchr(name, '@');
    assert_non_null(at);
    return (size_t)strtoul(at + 1, NULL, 10);
}

static void tokens_in_order(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_site_stats stats;
    demo_lab_init(&d);
    d.state.layer = DEMO_DOWN1;
    pl_figure f = make_figure(&d, "tokens", 0, false, 7);
    load_sample(&d, DEMO_DOWN1, &stats);
    assert_non_null(f.heat);
    assert_int_equal(f.heat->rows, 96);
    assert_int_equal(f.heat->cols, 400);
    expect_less(f.heat->rows * f.heat->cols * sizeof(float), 1 << 20);
    assert_int_equal(f.y.n_names, 96);
    float top = 0;
    size_t before = SIZE_MAX;
    for (size_t r = 0; r < 96; r++) {
        size_t position = position_of(f.y.names[r]);
        if (r > 0) { /* the first token is on top */
            expect_less(position, before);
        }
        before = position;
        size_t row = 0;
        while (row < stats.sample_rows && stats.sample_position[row] != position) {
            row++;
        }
        expect_less(row, stats.sample_rows);
        for (size_t c = 0; c < 400; c++) {
            pl_check_close(f.heat->values[r * 400 + c], fabsf(stats.sample[row * 400 + c]), 0, 0);
        }
        top = fmaxf(top, largest(stats.sample + row * 400, 400));
        assert_int_not_equal(f.y.names[r][0], '@'); /* with the token's text */
        /* "“er” @9" is "[er]" among the words around it, its blanks in front of the bracket. */
        char inner[64] = "";
        const size_t blanks = strspn(f.y.names[r] + 3, " ");
        const char *token = f.y.names[r] + 3 + blanks, *end = strstr(token, "\u201d");
        assert_non_null(end);
        snprintf(inner, sizeof inner, "[%.*s]", (int)(end - token), token);
        if (end > token) {
            assert_non_null(strstr(f.y.more[r], inner));
        }
    }
    /* The largest of all sample rows is among them. */
    pl_check_close(top, largest(stats.sample, stats.sample_rows * 400), 0, 0);
    assert_true(f.heat->log);
    expect_at_most(f.heat->hi, (double)top);
    expect_less(f.heat->lo, 0.2 * f.heat->hi);
    assert_int_equal(f.n_rules, 1);
    pl_check_close(f.rules[0].at, 7, 0, 0);
    assert_true(f.rules[0].vertical);
    pl_site_stats_deinit(&stats);
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

static void tokens_by_size(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    d.state.layer = DEMO_DOWN1;
    pl_figure f = make_figure(&d, "tokens", 1, false, SIZE_MAX);
    assert_int_equal(f.n_rules, 0);
    float before = 0;
    for (size_t r = 0; r < 96; r++) {
        float max = largest(f.heat->values + r * f.heat->cols, f.heat->cols);
        expect_at_most(before, max); /* the largest on top */
        before = max;
    }
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

/* 1500 channels: a cell is two channels, shows the larger, and says which one that is. */
static void wide_tokens(void **ctx)
{
    (void)ctx;
    enum { N = 1500, ROWS = 2 };
    demo_lab d;
    pl_error err;
    pl_model *model = NULL;
    pl_source *source = NULL;
    char weights[700], inputs[700];
    float w[N] = {1.0f};
    float x[ROWS * N] = {[11] = -3.0f, [10] = 2.0f, [20] = 1.0f, [N + N - 1] = 5.0f};
    demo_lab_init(&d);
    snprintf(weights, sizeof weights, "%s/w.npy", d.temp.folder);
    snprintf(inputs, sizeof inputs, "%s/x.npy", d.temp.folder);
    pl_check_ok(pl_npy_write(weights, (pl_view){w, 1, N, N}, 0, &err), err);
    pl_check_ok(pl_npy_write(inputs, (pl_view){x, ROWS, N, N}, 0, &err), err);
    pl_check_ok(pl_model_open_matrices(weights, inputs, &model, &err), err);
    pl_check_ok(pl_source_create(model, weights, NULL, &source, &err), err);
    pl_check_ok(pl_source_set_inputs(source, inputs, &err), err);
    pl_check_ok(pl_state_set_source(&d.state, source, &err), err);
    pl_source_release(source);
    pl_figure f = make_figure(&d, "tokens", 0, false, SIZE_MAX);
    assert_int_equal(f.heat->cols, 750);
    pl_check_close(f.heat->step, 2, 0, 0);
    pl_check_close(f.heat->values[750 + 5], 3, 0, 0);
    pl_check_close(f.heat->values[749], 5, 0, 0);
    pl_check_close(f.x.hi, 1499.5, 0, 0);
    assert_string_equal(fact(&f, "channels_per_column"), "2");
    static const struct {
        double x;
        size_t row, channel;
        const char *says;
    } cells[] = {{10, 1, 11, "channel 11 of 10\u201311"},
                 {11, 1, 11, "channel 11 of 10\u201311"},
                 {20, 1, 20, "channel 20 of 20\u201321"},
                 {21, 1, 20, "channel 20 of 20\u201321"},
                 {1498, 0, 1499, "channel 1499 of 1498\u20131499"}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const pl_looked at = {.state = &d.state, .figure = &f, .row = cells[i].row};
        pl_buf text = {0};
        assert_int_equal(pl_kind_tokens.look.channel(&at, cells[i].x), cells[i].channel);
        pl_kind_tokens.look.say(&at, cells[i].x, cells[i].row, &text);
        assert_non_null(strstr(text.data, cells[i].says));
        pl_buf_deinit(&text);
    }
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

/* A site of our own in the store, with one massive activation. */
static void massive_tokens(void **ctx)
{
    (void)ctx;
    enum { N = 144, ROWS = 3 };
    demo_lab d;
    pl_error err;
    pl_id key = {0};
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    pl_figure f = make_figure(&d, "tokens", 1, false, SIZE_MAX);
    assert_string_equal(fact(&f, "massive"), "0 shown");
    pl_figure_deinit(&f);
    pl_check_ok(pl_lab_calibration(demo_context(&d), &key, &err), err);
    size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_site_stats own;
    pl_check_ok(pl_lab_load_site(demo_context(&d), key, site, PL_GRAM_SQUARE, true, &own, &err),
                err);
    own.sample_rows = ROWS;
    for (size_t i = 0; i < ROWS * N; i++) {
        own.sample[i] = 0.01f;
    }
    own.sample[N + 99] = -150.0f; /* row 1; not massive: 50 in row 2 */
    own.sample[2 * N + 3] = 50.0f;
    pl_check_ok(pl_store_remove(pl_lab_store(d.lab), "site", pl_calib_site_key(key, site), &err),
                err);
    pl_check_ok(
        pl_calib_put_site(pl_lab_store(d.lab), key, d.state.source->model, site, &own, &err), err);
    f = make_figure(&d, "tokens", 0, false, SIZE_MAX);
    assert_int_equal(f.heat->rows, ROWS);
    assert_string_equal(fact(&f, "massive"), "1 shown");
    assert_int_equal(f.series[0].mark, PL_MARK_POINTS);
    assert_string_equal(f.series[0].label, "massive");
    assert_int_equal(f.series[0].count, 1);
    pl_check_close(f.series[0].x[0], 99, 0, 0);
    pl_check_close(f.series[0].y[0], 1, 0, 0);
    pl_check_close(f.heat->values[1 * N + 99], 150, 0, 0);
    pl_check_close(f.heat->hi, 0.3, 1e-5, 0); /* 150 is not to leave all else dark */
    pl_site_stats_deinit(&own);
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

static void sweep(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_figure f;
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    pl_request request = pl_request_of(&d.state, pl_kind_find("sweep"));
    assert_int_equal(pl_kind_make(demo_context(&d), &request, &f, &err), PL_ERR_STATE);
    pl_check_says(err, "no sweep was asked for yet: e.g. `sweep beta=1e-5:1e-2:log12`");
    demo_method(&d.state, "astro beta=0.001");
    demo_method(&d.state, "rtn bits=3");
    d.state.sweep = (pl_sweep){.set = true,
                               .slot = PL_SLOT_PRECONDITION,
                               .param = "beta",
                               .from = 1e-5,
                               .to = 1e-1,
                               .points = 5,
                               .logarithmic = true,
                               .layer = DEMO_Q1};
    f = make_figure(&d, "sweep", 0, false, SIZE_MAX);
    assert_int_equal(f.n_series, 4);
    assert_string_equal(f.x.label, "beta of astro");
    assert_true(f.x.log);
    assert_true(f.y.log);
    for (size_t s = 0; s < 4; s++) {
        assert_int_equal(f.series[s].count, 5);
        pl_check_close(f.series[s].x[0], 1e-5, 1e-15, 0);
        pl_check_close(f.series[s].x[4], 0.1, 1e-15, 0);
    }
    expect_less(f.series[0].y[0], f.series[0].y[4]);
    expect_less(f.series[2].y[4], f.series[2].y[0]);
    pl_check_close(f.series[3].y[0], 1, 0, 0); /* the bound, by its first */
    assert_int_equal(f.n_rules, 2);
    assert_non_null(strstr(f.rules[0].label, "knee 0.0"));
    assert_string_equal(f.rules[1].label, "now 0.001");
    pl_check_close(f.rules[1].at, 0.001, 1e-15, 0);
    assert_non_null(strstr(fact(&f, "knee"), "beta = "));
    pl_figure_deinit(&f);
    f = make_figure(&d, "sweep", 1, false, SIZE_MAX);
    assert_int_equal(f.n_series, 2);
    expect_less(f.series[0].x[4], f.series[0].x[0]);
    pl_figure_deinit(&f);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spectrum),        cmocka_unit_test(basin),
        cmocka_unit_test(tokens_in_order), cmocka_unit_test(tokens_by_size),
        cmocka_unit_test(wide_tokens),     cmocka_unit_test(massive_tokens),
        cmocka_unit_test(sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
