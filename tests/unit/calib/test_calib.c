/* A calibration of a tiny model: its numbers, its store entries, and what happens to them when
 * memory is short, a file is damaged, or the user stops it. */
#include "core/calib/calib.h"

#include "core/base/rng.h"
#include "core/calib/calib_parts.h"
#include "tests/support/rising.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { LENGTH = 32, WINDOWS = 6, TEXT = 250, SAMPLE = 40 };

typedef struct fixture {
    pl_temp temp, stores[2];
    pl_model *model;
    pl_store *store[2];
    int32_t ids[TEXT];
    pl_tokens tokens;
    pl_calib_spec spec;
} fixture;

static fixture *open_fixture(tiny_options options)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    pl_error err;
    pl_temp_init(&f->temp);
    f->model = tiny_model(&f->temp, options);
    for (size_t i = 0; i < 2; i++) {
        pl_temp_init(&f->stores[i]);
        pl_check_ok(pl_store_open(f->stores[i].folder, 0, &f->store[i], &err), err);
    }
    tiny_ids(f->ids, TEXT);
    f->tokens = (pl_tokens){.ids = f->ids, .count = TEXT, .text = {1, 2}};
    f->spec = (pl_calib_spec){.model = f->model,
                              .tokens = &f->tokens,
                              .protocol = {.length = LENGTH, .windows = WINDOWS},
                              .sample_rows = SAMPLE};
    return f;
}

static void close_fixture(fixture *f)
{
    for (size_t i = 0; i < 2; i++) {
        pl_store_close(f->store[i]);
        pl_temp_deinit(&f->stores[i]);
    }
    pl_model_close(f->model);
    pl_temp_deinit(&f->temp);
    free(f);
}

static pl_id run(fixture *f, size_t store, pl_calib_report *report)
{
    pl_id key;
    pl_error err;
    pl_check_ok(pl_calib_run(&f->spec, f->store[store], &key, report, NULL, &err), err);
    assert_true(pl_calib_complete(f->store[store], key, f->model));
    return key;
}

static void check_same_site(fixture *f, pl_store *sa, pl_id ka, pl_store *sb, pl_id kb, size_t site)
{
    pl_site_stats a, b;
    pl_error err;
    pl_check_ok(pl_calib_load_site(sa, ka, f->model, site, PL_GRAM_SQUARE, true, &a, &err), err);
    pl_check_ok(pl_calib_load_site(sb, kb, f->model, site, PL_GRAM_SQUARE, true, &b, &err), err);
    const size_t n = a.n * sizeof(float);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.gram, b.gram, a.n * n);
    assert_memory_equal(a.max, b.max, n);
    assert_memory_equal(a.max_position, b.max_position, n);
    assert_memory_equal(a.max_token, b.max_token, n);
    assert_memory_equal(a.rms, b.rms, n);
    assert_memory_equal(a.kurtosis, b.kurtosis, n);
    assert_memory_equal(a.histogram, b.histogram, sizeof a.histogram);
    assert_int_equal(a.sample_rows, b.sample_rows);
    assert_memory_equal(a.sample, b.sample, a.sample_rows * n);
    assert_memory_equal(a.sample_position, b.sample_position, a.sample_rows * 4);
    pl_site_stats_deinit(&a);
    pl_site_stats_deinit(&b);
}

static void check_same(fixture *f, pl_id ka, pl_id kb)
{
    assert_true(pl_id_equal(ka, kb));
    for (size_t s = 0; s < pl_model_site_count(f->model); s++) {
        check_same_site(f, f->store[0], ka, f->store[1], kb, s);
    }
}

/* Inputs of one site, collected by a plain walk of the forward pass. */
typedef struct collected {
    size_t site, rows;
    float *x;
} collected;

static pl_status collect(void *ctx, size_t site, size_t window, float *x, size_t rows, size_t cols,
                         pl_error *err)
{
    (void)window;
    (void)err;
    collected *c = ctx;
    if (site == c->site) {
        memcpy(c->x + c->rows * cols, x, rows * cols * sizeof *x);
        c->rows += rows;
    }
    return PL_OK;
}

static void collect_inputs(fixture *f, const size_t *starts, collected *c)
{
    pl_forward *forward = NULL;
    pl_error err;
    static float x[LENGTH * TINY_HIDDEN];
    const pl_hooks hooks = {.ctx = c, .input = collect};
    pl_check_ok(pl_forward_create(f->model, LENGTH, &forward, &err), err);
    for (size_t w = 0; w < WINDOWS; w++) {
        pl_check_ok(pl_forward_embed(forward, f->ids + starts[w], LENGTH, x, &err), err);
        for (size_t b = 0; b < TINY_BLOCKS; b++) {
            pl_check_ok(pl_forward_load(forward, b, NULL, NULL, &err), err);
            pl_check_ok(pl_forward_run(forward, x, LENGTH, w, &hooks, NULL, &err), err);
        }
    }
    pl_forward_destroy(forward);
}

static void check_site_numbers(fixture *f, pl_id key, const size_t *starts, size_t site)
{
    const size_t n = pl_model_site(f->model, site)->cols;
    collected c = {.site = site, .x = calloc(WINDOWS * LENGTH * n, sizeof(float))};
    assert_non_null(c.x);
    collect_inputs(f, starts, &c);
    assert_int_equal(c.rows, WINDOWS * LENGTH);
    pl_site_stats s;
    pl_error err;
    pl_check_ok(
        pl_calib_load_site(f->store[0], key, f->model, site, PL_GRAM_SQUARE, true, &s, &err), err);
    assert_int_equal(s.n, n);
    for (size_t a = 0; a < n; a++) {
        float max = -1;
        size_t at = 0;
        double gram = 0, aa = 0, bb = 0;
        const size_t b = (a * 7 + 3) % n;
        for (size_t t = 0; t < c.rows; t++) {
            const float v = c.x[t * n + a], u = c.x[t * n + b];
            gram += (double)v * (double)u / (double)c.rows;
            aa += (double)v * (double)v / (double)c.rows;
            bb += (double)u * (double)u / (double)c.rows;
            if (fabsf(v) > max) {
                max = fabsf(v);
                at = t;
            }
        }
        pl_check_close(s.gram[a * n + b], gram, 0, 1e-6 * sqrt(aa * bb));
        pl_check_close(s.rms[a], sqrt(aa), 1e-6, 0);
        expect_close(s.max[a], max, 0);
        assert_int_equal(s.max_position[a], starts[at / LENGTH] + at % LENGTH);
        assert_int_equal(s.max_token[a], f->ids[s.max_position[a]]);
    }
    assert_int_equal(s.sample_rows, SAMPLE);
    for (size_t i = 1; i < s.sample_rows; i++) {
        expect_at_most(s.sample_position[i - 1], s.sample_position[i]);
    }
    pl_site_stats_deinit(&s);
    free(c.x);
}

static void test_numbers(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    pl_calib_report report;
    const pl_id key = run(f, 0, &report);
    assert_int_equal(report.tokens, WINDOWS * LENGTH);
    assert_int_equal(report.sites_computed, TINY_BLOCKS * 4);
    assert_int_equal(report.sites_found, 0);
    expect_at_most(0, report.seconds);
    size_t starts[WINDOWS];
    for (size_t w = 0; w < WINDOWS; w++) {
        starts[w] = w * LENGTH;
    }
    for (size_t s = 4; s < 8; s++) {
        check_site_numbers(f, key, starts, s);
    }
    run(f, 0, &report);
    assert_int_equal(report.sites_found, TINY_BLOCKS * 4);
    assert_int_equal(report.sites_computed, 0);
    close_fixture(f);
}

static void test_random_windows(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    const pl_id first = run(f, 0, NULL);
    f->spec.protocol.sample = PL_SAMPLE_RANDOM;
    f->spec.protocol.seed = 12;
    const pl_id key = run(f, 0, NULL);
    assert_false(pl_id_equal(first, key));
    size_t starts[WINDOWS];
    pl_error err;
    pl_check_ok(pl_protocol_starts(&f->spec.protocol, TEXT, starts, &err), err);
    check_site_numbers(f, key, starts, TINY_BLOCKS * 4 - 1);
    close_fixture(f);
}

/* All rows are the sample where there are fewer than asked. */
static void test_small_sample(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    f->spec.sample_rows = PL_CALIB_SAMPLE_ROWS;
    const pl_id key = run(f, 0, NULL);
    pl_site_stats s;
    pl_error err;
    pl_check_ok(pl_calib_load_site(f->store[0], key, f->model, 0, PL_GRAM_NONE, true, &s, &err),
                err);
    assert_null(s.gram);
    assert_int_equal(s.sample_rows, WINDOWS * LENGTH);
    for (size_t i = 0; i < s.sample_rows; i++) {
        assert_int_equal(s.sample_position[i], i);
    }
    pl_site_stats_deinit(&s);
    pl_check_ok(pl_calib_load_site(f->store[0], key, f->model, 0, PL_GRAM_SQUARE, false, &s, &err),
                err);
    assert_null(s.sample);
    assert_non_null(s.gram);
    pl_site_stats_deinit(&s);
    close_fixture(f);
}

/* The least limit that works spills the hidden states and takes one site a round. */
static void test_memory_limit_same_bytes(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    const pl_id key = run(f, 0, NULL);
    size_t low = 0, high = (size_t)1 << 30;
    while (high - low > 1024) {
        f->spec.memory_limit = low + (high - low) / 2;
        pl_id other;
        pl_error err;
        const pl_status status = pl_calib_run(&f->spec, f->store[1], &other, NULL, NULL, &err);
        if (status == PL_OK) {
            high = f->spec.memory_limit;
            for (size_t s = 0; s < pl_model_site_count(f->model); s++) {
                pl_check_ok(pl_store_remove(f->store[1], "site", pl_calib_site_key(other, s), &err),
                            err);
            }
        } else {
            assert_int_equal(status, PL_ERR_MEMORY);
            pl_check_says(err, "the memory limit is");
            low = f->spec.memory_limit;
        }
    }
    f->spec.memory_limit = high;
    check_same(f, key, run(f, 1, NULL));
    close_fixture(f);
}

static void site_path(fixture *f, size_t store, pl_id key, size_t site, char out[1024])
{
    char id[PL_ID_TEXT];
    pl_id_format(pl_calib_site_key(key, site), id);
    snprintf(out, 1024, "%s/site/%s", f->stores[store].folder, id);
}

static void test_damage_is_rebuilt(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    const pl_id key = run(f, 0, NULL);
    assert_true(pl_id_equal(key, run(f, 1, NULL)));
    char path[1024];
    site_path(f, 1, key, 6, path); /* a flipped byte in the data */
    pl_temp_flip(path, 2000);
    site_path(f, 1, key, 1, path); /* cut short */
    assert_int_equal(truncate(path, 900), 0);
    site_path(f, 1, key, 2, path); /* gone */
    assert_int_equal(unlink(path), 0);
    assert_false(pl_calib_complete(f->store[1], key, f->model));
    pl_site_stats s;
    pl_error err;
    assert_int_equal(
        pl_calib_load_site(f->store[1], key, f->model, 6, PL_GRAM_SQUARE, true, &s, &err),
        PL_ERR_FORMAT);
    assert_int_equal(
        pl_calib_load_site(f->store[1], key, f->model, 2, PL_GRAM_SQUARE, true, &s, &err),
        PL_ERR_NOT_FOUND);
    pl_calib_report report;
    check_same(f, key, run(f, 1, &report));
    assert_int_equal(report.sites_rebuilt, 2);
    assert_int_equal(report.sites_computed, 3);
    assert_int_equal(report.sites_found, TINY_BLOCKS * 4 - 3);
    close_fixture(f);
}

static void stop_half_way(void *ctx, const char *what, double done, double total)
{
    if (strcmp(what, "tokens") != 0) { /* the model's identity reports its bytes */
        return;
    }
    expect_less(0, done);
    expect_at_most(done, total);
    expect_close(total, WINDOWS * LENGTH, 0);
    if (done > 0.5 * total) {
        atomic_store(&((pl_task *)ctx)->cancel, true);
    }
}

static void test_cancel_keeps_finished_blocks(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    pl_task task = {.progress = stop_half_way};
    task.ctx = &task;
    pl_id key;
    pl_error err;
    pl_calib_report report;
    assert_int_equal(pl_calib_run(&f->spec, f->store[1], &key, &report, &task, &err),
                     PL_ERR_CANCELLED);
    assert_int_equal(report.sites_computed, 4);
    check_same(f, run(f, 0, NULL), run(f, 1, &report));
    assert_int_equal(report.sites_found, 4);
    assert_int_equal(report.sites_rebuilt, 0);
    close_fixture(f);
}

static void test_overflow_names_the_site(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){.up_scale = 1e38});
    pl_id key;
    pl_error err;
    assert_int_equal(pl_calib_run(&f->spec, f->store[0], &key, NULL, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "model.layers.0.");
    pl_check_says(err, "channel ");
    close_fixture(f);
}

static void test_too_short_text(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){0});
    f->spec.protocol.windows = 8;
    pl_id key;
    pl_error err;
    assert_int_equal(pl_calib_run(&f->spec, f->store[0], &key, NULL, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "the text has 7 windows of 32 tokens, 8 were asked");
    close_fixture(f);
}

static void test_massive_are_found(void **state)
{
    (void)state;
    fixture *f = open_fixture((tiny_options){.massive_row = 1e5});
    const pl_id key = run(f, 0, NULL);
    pl_massive *list = NULL;
    size_t count = 0;
    pl_error err;
    pl_check_ok(pl_calib_load_massive(f->store[0], key, &list, &count, &err), err);
    expect_less(0, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].channel, 5);
        expect_at_most(1, list[i].block);
        assert_int_equal(list[i].token, f->ids[list[i].position]);
        expect_less(100.0f, fabsf(list[i].value));
        expect_less(1000.0f * list[i].median, fabsf(list[i].value));
        expect_less(0.0f, list[i].median);
    }
    free(list);
    pl_massive nearest = {0};
    bool found = false;
    pl_check_ok(pl_calib_load_nearest(f->store[0], key, &nearest, &found, &err), err);
    assert_true(found);
    assert_int_equal(nearest.token, f->ids[nearest.position]);
    const float size = fabsf(nearest.value);
    if (size > 100.0f) {
        expect_at_most(size, 1000.0f * nearest.median);
    }
    close_fixture(f);
}

static void note(void *ctx, size_t channel, float value, float median)
{
    float *seen = ctx;
    seen[0] += 1;
    seen[1] = (float)channel;
    seen[2] = value;
    seen[3] = median;
}

static void test_massive_scan(void **state)
{
    (void)state;
    float x[6] = {0.1f, -0.2f, -300.0f, 0.1f, 0.3f, 0.1f}, scratch[6], seen[4] = {0};
    pl_massive_scan(x, 6, scratch, note, seen);
    expect_close(seen[0], 1, 0);
    expect_close(seen[1], 2, 0);
    expect_close(seen[2], -300.0f, 0);
    pl_check_close(seen[3], 0.15, 1e-6, 0);
    seen[0] = 0;
    x[2] = -149.0f; /* 993 medians */
    pl_massive_scan(x, 6, scratch, note, seen);
    x[2] = -99.0f;
    x[0] = x[1] = x[3] = 0.0f;
    pl_massive_scan(x, 6, scratch, note, seen);
    expect_close(seen[0], 0, 0);
}

/* The share of the thresholds that a row reaches, the plain way. */
static float share_of(const float *x, size_t count)
{
    float sorted[9];
    for (size_t i = 0; i < count; i++) {
        sorted[i] = fabsf(x[i]);
    }
    qsort(sorted, count, sizeof *sorted, rising_floats);
    const float max = sorted[count - 1];
    const float median =
        count % 2 == 1 ? sorted[count / 2] : 0.5f * (sorted[count / 2 - 1] + sorted[count / 2]);
    return fminf(max / 100.0f, max / (1000.0f * median));
}

/* Of many rows the one that comes nearest, and none that holds a massive activation. */
static void test_nearest_to_massive(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 7);
    float best = 0, share = 0, x[9], scratch[9], median = 0;
    size_t channel = 0, nearer = 0;
    for (size_t row = 0; row < 2000; row++) {
        const size_t count = 2 + (size_t)(pl_rng_next(&rng) % 8);
        for (size_t i = 0; i < count; i++) {
            x[i] = (float)pl_rng_normal(&rng) * (i == row % count ? 90.0f : 0.1f);
        }
        const float own = share_of(x, count);
        const bool expected = own > best && own <= 1.0f;
        best = expected ? own : best;
        assert_int_equal(pl_massive_nearer(x, count, scratch, &share, &channel, &median), expected);
        pl_check_close(share, best, 0, 0);
        nearer += expected;
        if (expected) {
            for (size_t i = 0; i < count; i++) {
                expect_at_most(fabsf(x[i]), fabsf(x[channel]));
            }
        }
    }
    expect_less(3, nearer);
    float zeros[4] = {0};
    assert_false(pl_massive_nearer(zeros, 4, scratch, &best, &channel, &median));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_random_windows),
        cmocka_unit_test(test_small_sample),
        cmocka_unit_test(test_memory_limit_same_bytes),
        cmocka_unit_test(test_damage_is_rebuilt),
        cmocka_unit_test(test_cancel_keeps_finished_blocks),
        cmocka_unit_test(test_overflow_names_the_site),
        cmocka_unit_test(test_too_short_text),
        cmocka_unit_test(test_massive_are_found),
        cmocka_unit_test(test_massive_scan),
        cmocka_unit_test(test_nearest_to_massive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
