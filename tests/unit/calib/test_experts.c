/* Calibrating a mixture of experts: each expert's sites see the tokens routed to it, and no other,
 * whatever the windows and the memory. */
#include "core/calib/calib.h"
#include "tests/support/formula_cases.h"

#include <math.h>

enum { LENGTH = 32, WINDOWS = 3, TEXT = 100, SAMPLE = 40, COLS = 64 };

typedef struct fixture {
    pl_temp temp, stores[2];
    pl_model *model;
    pl_store *store[2];
    int32_t ids[TEXT];
    pl_tokens tokens;
    pl_calib_spec spec;
} fixture;

static json_t *values;

static int open_fixture(void **state)
{
    static fixture f;
    pl_error err;
    const json_t *about = formula_case(values, "qwen2_moe_mixed");
    memset(&f, 0, sizeof f);
    pl_temp_init(&f.temp);
    formula_write_hf(about, &f.temp);
    pl_check_ok(pl_model_open(f.temp.folder, &f.model, &err), err);
    for (size_t i = 0; i < 2; i++) {
        pl_temp_init(&f.stores[i]);
        pl_check_ok(pl_store_open(f.stores[i].folder, 0, &f.store[i], &err), err);
    }
    formula_ids(FORMULA_VOCAB, f.ids, TEXT);
    f.tokens = (pl_tokens){.ids = f.ids, .count = TEXT, .text = {1, 2}};
    f.spec = (pl_calib_spec){.model = f.model,
                             .tokens = &f.tokens,
                             .protocol = {.length = LENGTH, .windows = WINDOWS},
                             .sample_rows = SAMPLE};
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 2; i++) {
        pl_store_close(f->store[i]);
        pl_temp_deinit(&f->stores[i]);
    }
    pl_model_close(f->model);
    pl_temp_deinit(&f->temp);
    return 0;
}

/* One site's inputs, by a plain walk of the forward pass. */
typedef struct collected {
    const pl_forward *forward;
    size_t site, rows;
    double gram[COLS * COLS];
    float max[COLS];
    uint32_t position[COLS];
} collected;

static pl_status collect(void *ctx, size_t site, size_t window, float *x, size_t rows, size_t cols,
                         pl_error *err)
{
    collected *c = ctx;
    const uint32_t *at = pl_forward_rows(c->forward);
    (void)err;
    for (size_t r = 0; site == c->site && r < rows; r++) {
        const float *row = x + r * cols;
        for (size_t i = 0; i < cols; i++) {
            for (size_t j = 0; j < cols; j++) {
                c->gram[i * cols + j] += (double)row[i] * (double)row[j];
            }
            if (fabsf(row[i]) > c->max[i]) {
                c->max[i] = fabsf(row[i]);
                c->position[i] = (uint32_t)(window * LENGTH + (at != NULL ? at[r] : r));
            }
        }
        c->rows++;
    }
    return PL_OK;
}

static void walk(fixture *f, collected *c)
{
    pl_error err;
    pl_forward *forward = NULL;
    size_t hidden = pl_model_config(f->model)->hidden_size;
    float *x = malloc(WINDOWS * LENGTH * hidden * sizeof *x);
    assert_non_null(x);
    pl_check_ok(pl_forward_create(f->model, LENGTH, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, f->ids, WINDOWS * LENGTH, x, &err), err);
    c->forward = forward;
    pl_hooks hooks = {.ctx = c, .input = collect};
    for (size_t b = 0; b < pl_model_config(f->model)->blocks; b++) {
        pl_check_ok(pl_forward_load(forward, b, NULL, NULL, &err), err);
        for (size_t w = 0; w < WINDOWS; w++) {
            pl_check_ok(
                pl_forward_run(forward, x + w * LENGTH * hidden, LENGTH, w, &hooks, NULL, &err),
                err);
        }
    }
    pl_forward_destroy(forward);
    free(x);
}

static void check_site(fixture *f, pl_id key, size_t site)
{
    static collected c;
    c = (collected){.site = site};
    pl_error err;
    pl_site_stats stats;
    walk(f, &c);
    pl_check_ok(
        pl_calib_load_site(f->store[0], key, f->model, site, PL_GRAM_SQUARE, true, &stats, &err),
        err);
    pl_check_close(stats.tokens, c.rows, 0, 0);
    for (size_t i = 0; i < stats.n; i++) {
        pl_check_close(stats.max[i], c.max[i], 0, 0);
        assert_int_equal(stats.max_position[i], c.position[i]);
        assert_int_equal(stats.max_token[i], f->ids[c.position[i]]);
        for (size_t j = 0; j < stats.n; j++) {
            double scale = sqrt(c.gram[i * stats.n + i] * c.gram[j * stats.n + j]);
            pl_check_close(stats.gram[i * stats.n + j] * (float)c.rows, c.gram[i * stats.n + j], 0,
                           1e-5 * scale);
        }
    }
    expect_at_most(stats.sample_rows, SAMPLE);
    expect_less(stats.sample_rows, c.rows);
    for (size_t r = 1; r < stats.sample_rows; r++) {
        expect_less(stats.sample_position[r - 1], stats.sample_position[r]);
    }
    pl_site_stats_deinit(&stats);
}

static void experts_see_their_tokens(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_id key;
    pl_calib_report report;
    pl_check_ok(pl_calib_run(&f->spec, f->store[0], &key, &report, NULL, &err), err);
    assert_true(pl_calib_complete(f->store[0], key, f->model));
    assert_int_equal(report.sites_computed, 4 + 2 * (2 + 2 * 6 + 2));
    size_t first = 0;
    size_t count = pl_model_block_sites(f->model, 1, &first);
    double routed = 0;
    for (size_t s = first; s < first + count; s++) {
        const pl_site *site = pl_model_site(f->model, s);
        pl_site_stats stats;
        pl_check_ok(
            pl_calib_load_site(f->store[0], key, f->model, s, PL_GRAM_NONE, false, &stats, &err),
            err);
        routed += site->expert < PL_SHARED_EXPERT && site->role == PL_SITE_DOWN ? stats.tokens : 0;
        if (site->expert >= PL_SHARED_EXPERT) {
            pl_check_close(stats.tokens, WINDOWS * LENGTH, 0, 0);
        }
        pl_site_stats_deinit(&stats);
    }
    pl_check_close(routed, 3 * WINDOWS * LENGTH, 0, 0); /* three experts a token */
    check_site(f, key, first + 2);
    check_site(f, key, first + 2 + 2 * 4 + 1);
    /* A second run finds everything. */
    pl_check_ok(pl_calib_run(&f->spec, f->store[0], &key, &report, NULL, &err), err);
    assert_int_equal(report.sites_computed, 0);
}

static void little_memory_gives_the_same_bytes(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_id a;
    pl_id b;
    pl_check_ok(pl_calib_run(&f->spec, f->store[0], &a, NULL, NULL, &err), err);
    f->spec.memory_limit = (96u << 20) + 450000; /* a few sites a round */
    pl_check_ok(pl_calib_run(&f->spec, f->store[1], &b, NULL, NULL, &err), err);
    assert_true(pl_id_equal(a, b));
    for (size_t s = 0; s < pl_model_site_count(f->model); s++) {
        pl_site_stats x;
        pl_site_stats y;
        pl_check_ok(pl_calib_load_site(f->store[0], a, f->model, s, PL_GRAM_SQUARE, true, &x, &err),
                    err);
        pl_check_ok(pl_calib_load_site(f->store[1], b, f->model, s, PL_GRAM_SQUARE, true, &y, &err),
                    err);
        assert_int_equal(x.n, y.n);
        expect_close(x.tokens, y.tokens, 0);
        assert_int_equal(x.sample_rows, y.sample_rows);
        assert_memory_equal(x.gram, y.gram, x.n * x.n * sizeof(float));
        assert_memory_equal(x.kurtosis, y.kurtosis, x.n * sizeof(float));
        assert_memory_equal(x.sample, y.sample, x.sample_rows * x.n * sizeof(float));
        pl_site_stats_deinit(&x);
        pl_site_stats_deinit(&y);
    }
}

static void an_expert_without_tokens_is_all_zero(void **state)
{
    fixture *f = *state;
    pl_error err;
    pl_id key;
    pl_calib_report report;
    f->spec.protocol = (pl_protocol){.length = 1, .windows = 1};
    pl_check_ok(pl_calib_run(&f->spec, f->store[0], &key, &report, NULL, &err), err);
    size_t empty = 0;
    for (size_t s = 0; s < pl_model_site_count(f->model); s++) {
        pl_site_stats stats;
        pl_check_ok(
            pl_calib_load_site(f->store[0], key, f->model, s, PL_GRAM_SQUARE, true, &stats, &err),
            err);
        if (!(stats.tokens > 0)) {
            empty++;
            expect_less(pl_model_site(f->model, s)->expert, PL_SHARED_EXPERT);
            assert_int_equal(stats.sample_rows, 0);
            for (size_t i = 0; i < stats.n * stats.n; i++) {
                pl_check_close(stats.gram[i], 0, 0, 0);
            }
            pl_check_close(stats.max[0] + stats.rms[0] + stats.kurtosis[0], 0, 0, 0);
        }
        pl_site_stats_deinit(&stats);
    }
    assert_int_equal(empty, 2 * 3 * 2); /* two blocks, three of six experts, two sites */
    pl_check_ok(pl_calib_run(&f->spec, f->store[0], &key, &report, NULL, &err), err);
    assert_int_equal(report.sites_computed, 0);
}

int main(void)
{
    values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(experts_see_their_tokens, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(little_memory_gives_the_same_bytes, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(an_expert_without_tokens_is_all_zero, open_fixture,
                                        close_fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
