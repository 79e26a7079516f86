/* Statistics of a site against a plain float64 reference, and their independence of the order in
 * which windows come. */
#include "core/calib/stats.h"

#include "core/base/rng.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N = 150, ROWS = 70, WINDOWS = 5, KEEP = 4 };

typedef struct fixture {
    float x[WINDOWS][ROWS * N];
    int32_t ids[WINDOWS * ROWS];
} fixture;

static const uint32_t keep_rows[KEEP] = {0, 3, 40, 69};

/* Channels with different scales and means, one constant, one zero, an outlier that comes twice. */
static fixture *make_fixture(void)
{
    fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    pl_rng rng;
    pl_rng_init(&rng, 7);
    for (size_t w = 0; w < WINDOWS; w++) {
        for (size_t i = 0; i < ROWS * N; i++) {
            const size_t c = i % N;
            const double mean = c % 3 == 0 ? 50.0 : 0.0;
            f->x[w][i] = (float)(mean + pl_rng_normal(&rng) * (0.01 + (double)c));
        }
        for (size_t r = 0; r < ROWS; r++) {
            f->x[w][r * N + 11] = 3.25f;
            f->x[w][r * N + 12] = 0.0f;
            f->x[w][r * N + 13] *= 1e-9f;
            f->ids[w * ROWS + r] = (int32_t)(1000 + w * ROWS + r);
        }
    }
    f->x[2][5 * N + 20] = -9000.0f;
    f->x[2][6 * N + 20] = 9000.0f;
    f->x[4][1 * N + 20] = 9000.0f;
    return f;
}

static void collect(const fixture *f, const size_t *order, pl_site_stats *out)
{
    pl_stats *stats = NULL;
    pl_error err;
    pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * WINDOWS, &stats, &err), err);
    for (size_t i = 0; i < WINDOWS; i++) {
        const size_t w = order[i];
        pl_check_ok(pl_stats_add(stats, w, f->x[w], ROWS, w * ROWS, f->ids + w * ROWS, keep_rows,
                                 KEEP, NULL, &err),
                    err);
    }
    pl_check_ok(pl_stats_finish(stats, out, &err), err);
    pl_stats_destroy(stats);
}

static const size_t forward_order[WINDOWS] = {0, 1, 2, 3, 4};

static void check_channel(const fixture *f, const pl_site_stats *s, size_t c)
{
    const double t = WINDOWS * ROWS;
    double mean = 0, abs = 0, squares = 0, m2 = 0, m4 = 0, max = -1;
    size_t at = 0;
    for (size_t i = 0; i < WINDOWS * ROWS; i++) {
        const double v = (double)f->x[i / ROWS][i % ROWS * N + c];
        mean += v / t;
        abs += fabs(v) / t;
        squares += v * v / t;
        if (fabs(v) > max) {
            max = fabs(v);
            at = i;
        }
    }
    for (size_t i = 0; i < WINDOWS * ROWS; i++) {
        const double d = (double)f->x[i / ROWS][i % ROWS * N + c] - mean;
        m2 += d * d / t;
        m4 += d * d * d * d / t;
    }
    pl_check_close(s->mean[c], mean, 1e-6, 1e-6 * sqrt(squares));
    pl_check_close(s->mean_abs[c], abs, 1e-6, 0.0);
    pl_check_close(s->rms[c], sqrt(squares), 1e-6, 0.0);
    pl_check_close(s->kurtosis[c], c == 11 || c == 12 ? 0.0 : m4 / m2 / m2, 1e-6, 0.0);
    pl_check_close(s->max[c], max, 0.0, 0.0);
    assert_int_equal(s->max_position[c], at);
    assert_int_equal(s->max_token[c], 1000 + (int)at);
}

static void check_gram(const fixture *f, const pl_site_stats *s)
{
    static double g[N * N];
    memset(g, 0, sizeof g);
    for (size_t i = 0; i < WINDOWS * ROWS; i++) {
        const float *row = f->x[i / ROWS] + i % ROWS * N;
        for (size_t a = 0; a < N; a++) {
            for (size_t b = 0; b < N; b++) {
                g[a * N + b] += (double)row[a] * (double)row[b] / (WINDOWS * ROWS);
            }
        }
    }
    for (size_t a = 0; a < N; a++) {
        for (size_t b = 0; b < N; b++) {
            pl_check_close(s->gram[a * N + b], g[a * N + b], 0.0,
                           1e-6 * sqrt(g[a * N + a] * g[b * N + b]));
            expect_close(s->gram[a * N + b], s->gram[b * N + a], 0);
        }
    }
}

static void test_against_reference(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    pl_site_stats s;
    collect(f, forward_order, &s);
    pl_check_close(s.tokens, WINDOWS * ROWS, 0.0, 0.0);
    for (size_t c = 0; c < N; c++) {
        check_channel(f, &s, c);
    }
    assert_int_equal(s.max_position[20], 2 * ROWS + 5);
    check_gram(f, &s);
    pl_site_stats_deinit(&s);
    free(f);
}

static void test_histogram(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    pl_site_stats s;
    collect(f, forward_order, &s);
    uint64_t expected[PL_HIST_BINS] = {0};
    for (size_t w = 0; w < WINDOWS; w++) {
        for (size_t i = 0; i < ROWS * N; i++) {
            const double v = fabs((double)f->x[w][i]);
            double bin = v > 0 ? floor((log2(v) - PL_HIST_LOW) * PL_HIST_PER_OCTAVE) : 0;
            bin = bin < 0 ? 0 : bin > PL_HIST_BINS - 1 ? PL_HIST_BINS - 1 : bin;
            expected[(size_t)bin]++;
        }
    }
    for (size_t b = 0; b < PL_HIST_BINS; b++) {
        assert_int_equal(s.histogram[b], expected[b]);
    }
    pl_site_stats_deinit(&s);
    free(f);
}

/* Values a unit in the last place below and on an edge between two bins. */
static void test_histogram_edges(void **state)
{
    (void)state;
    for (int b = 1; b < PL_HIST_BINS; b++) {
        float on = (float)exp2(PL_HIST_LOW + b / 8.0);
        if ((double)on < exp2(PL_HIST_LOW + b / 8.0)) {
            on = nextafterf(on, INFINITY);
        }
        const float x[2] = {nextafterf(on, 0.0f), -on};
        const int32_t ids[2] = {0, 0};
        pl_stats *stats = NULL;
        pl_site_stats s;
        pl_error err;
        pl_check_ok(pl_stats_create(1, 1, 0, &stats, &err), err);
        pl_check_ok(pl_stats_add(stats, 0, x, 2, 0, ids, NULL, 0, NULL, &err), err);
        pl_check_ok(pl_stats_finish(stats, &s, &err), err);
        assert_int_equal(s.histogram[b - 1], 1);
        assert_int_equal(s.histogram[b], 1);
        pl_site_stats_deinit(&s);
        pl_stats_destroy(stats);
    }
}

static void test_any_order_same_bytes(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    static const size_t orders[][WINDOWS] = {{4, 3, 2, 1, 0}, {2, 4, 0, 3, 1}, {1, 0, 4, 2, 3}};
    pl_site_stats a;
    collect(f, forward_order, &a);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        pl_site_stats b;
        collect(f, orders[i], &b);
        assert_memory_equal(a.gram, b.gram, N * N * sizeof(float));
        assert_memory_equal(a.kurtosis, b.kurtosis, N * sizeof(float));
        assert_memory_equal(a.mean, b.mean, N * sizeof(float));
        assert_memory_equal(a.mean_abs, b.mean_abs, N * sizeof(float));
        assert_memory_equal(a.rms, b.rms, N * sizeof(float));
        assert_memory_equal(a.max, b.max, N * sizeof(float));
        assert_memory_equal(a.max_position, b.max_position, N * sizeof(uint32_t));
        assert_memory_equal(a.histogram, b.histogram, sizeof a.histogram);
        assert_int_equal(a.sample_rows, b.sample_rows);
        assert_memory_equal(a.sample, b.sample, a.sample_rows * N * sizeof(float));
        pl_site_stats_deinit(&b);
    }
    pl_site_stats_deinit(&a);
    free(f);
}

/* Nodes of the tree, made apart: windows [0, 2), [2, 4) and [4, 5). */
static void collect_in_parts(const fixture *f, const size_t order[3], pl_site_stats *out)
{
    pl_stats *all = NULL, *parts[3] = {NULL};
    pl_stats_part part;
    pl_error err;
    pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * WINDOWS, &all, &err), err);
    for (size_t w = 0; w < WINDOWS; w++) {
        pl_stats **at = &parts[w / 2];
        if (*at == NULL) {
            pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * 2, at, &err), err);
        }
        pl_check_ok(pl_stats_add(*at, w, f->x[w], ROWS, w * ROWS, f->ids + w * ROWS, keep_rows,
                                 KEEP, NULL, &err),
                    err);
    }
    for (size_t i = 0; i < 3; i++) {
        pl_check_ok(pl_stats_part_of(parts[order[i]], &part, &err), err);
        pl_check_ok(pl_stats_add_part(all, &part, &err), err);
        assert_int_equal(pl_stats_add_part(all, &part, &err), PL_ERR_FORMAT); /* it is there */
    }
    pl_check_ok(pl_stats_finish(all, out, &err), err);
    for (size_t i = 0; i < 3; i++) {
        pl_stats_destroy(parts[i]);
    }
    pl_stats_destroy(all);
}

static void test_parts_same_bytes(void **state)
{
    (void)state;
    static const size_t orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    fixture *f = make_fixture();
    pl_site_stats whole, joined;
    collect(f, forward_order, &whole);
    for (size_t i = 0; i < 3; i++) {
        collect_in_parts(f, orders[i], &joined);
        assert_memory_equal(whole.gram, joined.gram, N * N * sizeof(float));
        assert_memory_equal(whole.max, joined.max, N * sizeof(float));
        assert_memory_equal(whole.max_position, joined.max_position, N * sizeof(uint32_t));
        assert_memory_equal(whole.max_token, joined.max_token, N * sizeof(int32_t));
        assert_memory_equal(whole.rms, joined.rms, N * sizeof(float));
        assert_memory_equal(whole.mean, joined.mean, N * sizeof(float));
        assert_memory_equal(whole.mean_abs, joined.mean_abs, N * sizeof(float));
        assert_memory_equal(whole.kurtosis, joined.kurtosis, N * sizeof(float));
        assert_memory_equal(whole.histogram, joined.histogram, sizeof whole.histogram);
        assert_int_equal(whole.sample_rows, joined.sample_rows);
        assert_memory_equal(whole.sample, joined.sample, whole.sample_rows * N * sizeof(float));
        assert_memory_equal(whole.sample_position, joined.sample_position,
                            whole.sample_rows * sizeof(uint32_t));
        pl_site_stats_deinit(&joined);
    }
    pl_site_stats_deinit(&whole);
    free(f);
}

/* Windows that are no node of the tree: 1 and 2. */
static void test_no_part(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    pl_stats *stats = NULL;
    pl_stats_part part;
    pl_error err;
    pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * WINDOWS, &stats, &err), err);
    for (size_t w = 1; w < 3; w++) {
        pl_check_ok(pl_stats_add(stats, w, f->x[w], ROWS, w * ROWS, f->ids + w * ROWS, keep_rows,
                                 KEEP, NULL, &err),
                    err);
    }
    assert_int_equal(pl_stats_part_of(stats, &part, &err), PL_ERR_STATE);
    pl_stats_destroy(stats);
    free(f);
}

static void test_sample_in_token_order(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    static const size_t order[WINDOWS] = {3, 0, 2, 4, 1};
    pl_site_stats s;
    collect(f, order, &s);
    assert_int_equal(s.sample_rows, KEEP * WINDOWS);
    for (size_t i = 0; i < s.sample_rows; i++) {
        const size_t w = i / KEEP;
        const size_t r = keep_rows[i % KEEP];
        assert_int_equal(s.sample_position[i], w * ROWS + r);
        assert_memory_equal(s.sample + i * N, f->x[w] + r * N, N * sizeof(float));
    }
    pl_site_stats_deinit(&s);
    free(f);
}

static void add_bad_value(float value, const char *word)
{
    fixture *f = make_fixture();
    pl_stats *stats = NULL;
    pl_site_stats clean, after;
    pl_error err;
    collect(f, forward_order, &clean);
    pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * WINDOWS, &stats, &err), err);
    const float good = f->x[1][17 * N + 33];
    f->x[1][17 * N + 33] = value;
    assert_int_equal(
        pl_stats_add(stats, 1, f->x[1], ROWS, ROWS, f->ids + ROWS, keep_rows, KEEP, NULL, &err),
        PL_ERR_NUMERIC);
    pl_check_says(err, "channel 33");
    pl_check_says(err, "token 87");
    pl_check_says(err, word);
    f->x[1][17 * N + 33] = good;
    for (size_t w = 0; w < WINDOWS; w++) {
        pl_check_ok(pl_stats_add(stats, w, f->x[w], ROWS, w * ROWS, f->ids + w * ROWS, keep_rows,
                                 KEEP, NULL, &err),
                    err);
    }
    pl_check_ok(pl_stats_finish(stats, &after, &err), err);
    assert_memory_equal(clean.gram, after.gram, N * N * sizeof(float));
    assert_memory_equal(clean.histogram, after.histogram, sizeof clean.histogram);
    pl_site_stats_deinit(&clean);
    pl_site_stats_deinit(&after);
    pl_stats_destroy(stats);
    free(f);
}

static void test_bad_value_is_named(void **state)
{
    (void)state;
    add_bad_value(NAN, "not a number");
    add_bad_value(-INFINITY, "infinite");
}

static void test_finish_needs_all_windows(void **state)
{
    (void)state;
    const float x[2] = {1, 2};
    const int32_t ids[1] = {5};
    pl_stats *stats = NULL;
    pl_site_stats s;
    pl_error err;
    pl_check_ok(pl_stats_create(2, 3, 0, &stats, &err), err);
    pl_check_ok(pl_stats_add(stats, 1, x, 1, 0, ids, NULL, 0, NULL, &err), err);
    assert_int_equal(pl_stats_finish(stats, &s, &err), PL_ERR_STATE);
    pl_check_says(err, "1 windows, expected 3");
    assert_null(s.gram);
    pl_stats_destroy(stats);
}

static void test_overflow_is_named(void **state)
{
    (void)state;
    const float x[2] = {1.0f, 1e30f};
    const int32_t ids[1] = {5};
    pl_stats *stats = NULL;
    pl_site_stats s;
    pl_error err;
    pl_check_ok(pl_stats_create(2, 1, 0, &stats, &err), err);
    pl_check_ok(pl_stats_add(stats, 0, x, 1, 0, ids, NULL, 0, NULL, &err), err);
    assert_int_equal(pl_stats_finish(stats, &s, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "channel 1 ");
    pl_stats_destroy(stats);
}

enum { WIDE = 2100, WIDE_ROWS = 9, WIDE_WINDOWS = 3 };

static pl_stats *wide_stats(const float *x, const int32_t *ids, size_t windows)
{
    pl_error err;
    pl_stats *stats = NULL;
    pl_check_ok(pl_stats_create(WIDE, WIDE_WINDOWS, 0, &stats, &err), err);
    for (size_t w = 0; w < windows; w++) {
        pl_check_ok(pl_stats_add(stats, w, x + w * WIDE_ROWS * WIDE, WIDE_ROWS, w * WIDE_ROWS, ids,
                                 NULL, 0, NULL, &err),
                    err);
    }
    return stats;
}

/* So many channels that the Gram matrix is made band by band; and its packed form. */
static void test_wide(void **state)
{
    (void)state;
    pl_error err;
    const size_t count = (size_t)WIDE * WIDE_ROWS * WIDE_WINDOWS;
    float *x = malloc(count * sizeof *x);
    const int32_t ids[WIDE_ROWS] = {0};
    pl_site_stats full, packed;
    assert_non_null(x);
    pl_rng rng;
    pl_rng_init(&rng, 9);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)pl_rng_normal(&rng);
    }
    pl_stats *stats = wide_stats(x, ids, WIDE_WINDOWS);
    pl_check_ok(pl_stats_finish(stats, &full, &err), err);
    pl_stats_destroy(stats);
    stats = wide_stats(x, ids, WIDE_WINDOWS);
    pl_check_ok(pl_stats_finish_packed(stats, &packed, &err), err);
    pl_stats_destroy(stats);
    assert_null(packed.gram);
    for (size_t i = 0, at = 0; i < WIDE; at += WIDE - i, i++) {
        assert_memory_equal(packed.triangle + at, full.gram + i * WIDE + i,
                            (WIDE - i) * sizeof(float));
        for (size_t j = i; i % 97 == 0 && j < WIDE; j++) {
            double sum = 0.0;
            for (size_t r = 0; r < (size_t)WIDE_ROWS * WIDE_WINDOWS; r++) {
                sum += (double)x[r * WIDE + i] * (double)x[r * WIDE + j];
            }
            pl_check_close(full.gram[i * WIDE + j], sum / (WIDE_ROWS * WIDE_WINDOWS), 1e-5, 1e-5);
            assert_memory_equal(&full.gram[i * WIDE + j], &full.gram[j * WIDE + i], 4);
        }
    }
    pl_site_stats_deinit(&full);
    pl_site_stats_deinit(&packed);
    /* A cancel in a window that is being added to its neighbour spoils the sum, which says so. */
    pl_task task = {0};
    atomic_store(&task.cancel, true);
    stats = wide_stats(x, ids, 1);
    assert_int_equal(pl_stats_add(stats, 1, x, WIDE_ROWS, 0, ids, NULL, 0, &task, &err),
                     PL_ERR_CANCELLED);
    assert_int_equal(pl_stats_finish(stats, &full, &err), PL_ERR_STATE);
    pl_stats_destroy(stats);
    free(x);
}

/* An accumulator that was used for other windows, in another order, gives the same bytes. */
static void test_restart(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    const size_t order[WINDOWS] = {4, 1, 0, 3, 2};
    pl_stats *stats = NULL;
    pl_site_stats s[3];
    pl_error err;
    pl_check_ok(pl_stats_create(N, WINDOWS, KEEP * WINDOWS, &stats, &err), err);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < WINDOWS; i++) {
            const size_t w = round == 0 ? order[i] : i;
            const float *x = f->x[round == 0 ? 0 : w];
            pl_check_ok(pl_stats_add(stats, w, x, ROWS, w * ROWS, f->ids + w * ROWS, keep_rows,
                                     KEEP, NULL, &err),
                        err);
        }
        pl_check_ok(pl_stats_finish_packed(stats, &s[round], &err), err);
        if (round < 2) {
            pl_stats_restart(stats, &s[round]);
            assert_null(s[round].triangle);
            assert_true(pl_stats_fits(stats, N, WINDOWS, KEEP * WINDOWS));
            assert_false(pl_stats_fits(stats, N + 1, WINDOWS, KEEP * WINDOWS));
        }
    }
    pl_site_stats fresh;
    collect(f, forward_order, &fresh);
    assert_memory_equal(s[2].histogram, fresh.histogram, sizeof fresh.histogram);
    assert_memory_equal(s[2].rms, fresh.rms, N * sizeof(float));
    assert_memory_equal(s[2].kurtosis, fresh.kurtosis, N * sizeof(float));
    assert_int_equal(s[2].sample_rows, fresh.sample_rows);
    assert_memory_equal(s[2].sample, fresh.sample, fresh.sample_rows * N * sizeof(float));
    for (size_t i = 0, at = 0; i < N; at += N - i, i++) {
        assert_memory_equal(s[2].triangle + at, fresh.gram + i * N + i, (N - i) * sizeof(float));
    }
    for (size_t round = 0; round < 3; round++) {
        pl_site_stats_deinit(&s[round]);
    }
    pl_site_stats_deinit(&fresh);
    pl_stats_destroy(stats);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_histogram_edges),
        cmocka_unit_test(test_any_order_same_bytes),
        cmocka_unit_test(test_parts_same_bytes),
        cmocka_unit_test(test_no_part),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_sample_in_token_order),
        cmocka_unit_test(test_bad_value_is_named),
        cmocka_unit_test(test_finish_needs_all_windows),
        cmocka_unit_test(test_overflow_is_named),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
