/* Settings measured on one text: against `perplexity`'s own numbers, and statistics against plain
 * ones. */
#include "core/study/comparison.h"

#include "core/lab/quantized.h"
#include "core/state/record.h"
#include "tests/support/demo_lab.h"

#include <math.h>

enum { LENGTH = 64, WINDOWS = 5, COUNT = LENGTH * WINDOWS + 7, TARGETS = LENGTH - 1 };

static const pl_ppl_spec text = {.length = LENGTH, .windows = WINDOWS};

static pl_compared compare_with(demo_lab *d, const char *const *methods, size_t n, pl_state *row)
{
    pl_error err;
    int32_t ids[COUNT];
    pl_compared found;
    demo_ids(ids, COUNT);
    pl_check_ok(pl_state_copy(row, &d->state, &err), err);
    for (size_t i = 0; i < n; i++) {
        demo_method(row, methods[i]);
    }
    pl_check_ok(pl_compare_setting(d->lab, row, ids, COUNT, &text, true, &found, NULL, &err), err);
    return found;
}
#define COMPARE(d, row, ...)                                                                       \
    compare_with(d, (const char *const[]){__VA_ARGS__},                                            \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), row)

static void test_a_row_is_what_perplexity_says(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_state row;
    pl_quantized q;
    pl_hooks hooks;
    pl_ppl_result alone;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    pl_compared found = COMPARE(&d, &row, "rtn bits=3");
    assert_false(found.found);
    assert_int_equal(found.layers, DEMO_LAYERS);
    assert_int_equal(pl_state_solved_count(&row), DEMO_LAYERS);
    assert_int_equal(pl_state_solved_count(&d.state), 0);
    pl_check_ok(
        pl_quantized_init(&q, (pl_context){d.lab, &row, NULL}, PL_WHICH_AFTER, &hooks, &err), err);
    pl_check_ok(
        pl_perplexity(row.source->model, ids, COUNT, &text, &hooks, true, &alone, NULL, &err), err);
    pl_quantized_deinit(&q);
    pl_check_close(found.scores.perplexity, alone.perplexity, 0, 0);
    pl_check_close(found.scores.perplexity_error, alone.perplexity_error, 0, 0);
    pl_check_close(found.scores.kl_mean, alone.kl_mean, 0, 0);
    pl_check_close(found.scores.top1_agreement, alone.top1_agreement, 0, 0);
    pl_check_close(found.scores.original, alone.original, 0, 0);
    /* The tokens are those that the sums are of. */
    assert_int_equal(found.targets, TARGETS);
    double nll = 0, kl = 0, worst = 0;
    for (size_t i = 0; i < WINDOWS * TARGETS; i++) {
        nll += found.tokens[i].nll;
        kl += found.tokens[i].kl;
    }
    pl_check_close(nll / (WINDOWS * TARGETS), alone.mean_nll, 1e-12, 0);
    pl_check_close(kl / (WINDOWS * TARGETS), alone.kl_mean, 1e-9, 0);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        pl_solve_report report;
        pl_check_ok(pl_result_report(d.lab, &row, i, *pl_state_result(&row, i), &report, &err),
                    err);
        worst = fmax(worst, report.rounded_relative_error);
    }
    pl_check_close(found.worst_error, worst, 0, 0);
    assert_int_equal(found.online, 0);
    /* Again it comes from the store, the same to the last bit. */
    pl_state again_row;
    pl_compared again = COMPARE(&d, &again_row, "rtn bits=3");
    assert_true(again.found);
    pl_check_close(again.scores.perplexity, alone.perplexity, 0, 0);
    assert_memory_equal(again.tokens, found.tokens, WINDOWS * TARGETS * sizeof *found.tokens);
    pl_compared_deinit(&found);
    pl_compared_deinit(&again);
    pl_state_deinit(&row);
    pl_state_deinit(&again_row);
    demo_lab_deinit(&d);
}

/* The same written down otherwise: sums of squares, and the window's sums first. */
static void plain_difference(const pl_token_score *a, const pl_token_score *b, double *mean,
                             double *error)
{
    double sums[WINDOWS], all = 0, squares = 0;
    for (size_t w = 0; w < WINDOWS; w++) {
        double of_a = 0, of_b = 0;
        for (size_t i = 0; i < TARGETS; i++) {
            of_a += a[w * TARGETS + i].nll;
            of_b += b[w * TARGETS + i].nll;
        }
        sums[w] = of_b - of_a;
        all += sums[w];
        squares += sums[w] * sums[w];
    }
    const double n = WINDOWS;
    *mean = all / (n * TARGETS);
    *error = sqrt((squares - all * all / n) / (n - 1) / n) / TARGETS;
}

static void test_paired(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_state rows[2];
    double mean, error, plain_mean, plain_error;
    demo_lab_init(&d);
    pl_compared a = COMPARE(&d, &rows[0], "rtn bits=3");
    pl_compared b = COMPARE(&d, &rows[1], "hadamard", "rtn bits=3");
    pl_paired_difference(a.tokens, b.tokens, WINDOWS, TARGETS, &mean, &error);
    plain_difference(a.tokens, b.tokens, &plain_mean, &plain_error);
    pl_check_close(mean, plain_mean, 1e-9, 0);
    pl_check_close(error, plain_error, 1e-7, 0);
    pl_check_close(mean, b.scores.mean_nll - a.scores.mean_nll, 1e-9, 0);
    expect_less(0, error);
    /* With itself there is no difference, and no doubt of that. */
    pl_paired_difference(a.tokens, a.tokens, WINDOWS, TARGETS, &mean, &error);
    pl_check_close(mean, 0, 0, 0);
    pl_check_close(error, 0, 0, 0);
    /* A Hadamard transform of an input runs online, a rounder alone does not. */
    assert_int_equal(a.online, 0);
    expect_less(0, (double)b.online);
    expect_less(0, b.online_share);
    expect_less(b.bytes, 2.0 * (double)pl_model_parameters(d.state.source->model));
    pl_compared_deinit(&a);
    pl_compared_deinit(&b);
    pl_state_deinit(&rows[0]);
    pl_state_deinit(&rows[1]);
    demo_lab_deinit(&d);
}

/* By hand: windows of two tokens whose mean differences are 1, 2 and 6. */
static void test_statistics_by_hand(void **ctx)
{
    (void)ctx;
    static const pl_token_score a[6] = {{1, 0}, {1, 0}, {2, 0}, {2, 0}, {3, 0}, {3, 0}};
    static const pl_token_score b[6] = {{1, 1}, {3, 3}, {4, 4}, {4, 4}, {10, 0}, {8, 0}};
    double mean, error;
    pl_paired_difference(a, b, 3, 2, &mean, &error);
    pl_check_close(mean, 3, 1e-15, 0);
    pl_check_close(error, sqrt(7.0 / 3.0), 1e-12, 0); /* variance (4 + 1 + 9) / 2, over 3 */
    pl_clustered_kl(b, 3, 2, &mean, &error);
    pl_check_close(mean, 2, 1e-15, 0);
    pl_check_close(error, sqrt(4.0 / 3.0), 1e-12, 0); /* means 2, 4, 0 */
    pl_paired_difference(a, b, 1, 6, &mean, &error);
    pl_check_close(mean, 3, 1e-15, 0);
    assert_true(isnan(error)); /* one window says nothing of how they vary */
}

static void test_rows_are_kept(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    json_t *read = NULL;
    pl_buf commands = {0};
    const pl_id key = pl_id_bytes("a", 1);
    demo_lab_init(&d);
    assert_int_equal(pl_comparison_load(d.lab, &d.state, "pareto", &read, NULL, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "pareto: nothing was compared yet: e.g. `compare ");
    json_t *rows = json_array();
    pl_check_ok(pl_comparison_keep(d.lab, &d.state, key, rows, "compare a\n", &err), err);
    assert_int_equal(pl_comparison_load(d.lab, &d.state, "pareto", &read, NULL, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "pareto: no setting is measured yet");
    json_array_append_new(rows, json_pack("{s:f}", "perplexity", 1.0 / 3.0));
    pl_check_ok(pl_comparison_keep(d.lab, &d.state, key, rows, "compare a\n", &err), err);
    pl_check_ok(pl_comparison_load(d.lab, &d.state, "pareto", &read, &commands, &err), err);
    assert_true(json_equal(rows, read));
    assert_string_equal(commands.data, "compare a\n");
    json_decref(read);
    json_decref(rows);
    pl_buf_deinit(&commands);
    pl_record_set_comparison(d.state.source, pl_id_bytes("b", 1));
    assert_int_equal(pl_comparison_load(d.lab, &d.state, "pareto", &read, NULL, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "pareto: the rows of the last comparison are no longer in the store: "
                       "`compare` again");
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_is_what_perplexity_says),
        cmocka_unit_test(test_paired),
        cmocka_unit_test(test_statistics_by_hand),
        cmocka_unit_test(test_rows_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
