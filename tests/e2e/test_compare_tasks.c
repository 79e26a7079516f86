/* compare on=tasks: the numbers of `tasks`, setting by setting, and differences of the same items.
 */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <string.h>

#define GOLDEN "$/tests/golden/tasks/"

/* With the sources' folder for each $. */
static const char *filled(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (; *text != '\0' && at + 1 < room; text++) {
        const int n = *text == '$'
                          ? snprintf(out + at, room - at, "%s", getenv("PLANISH_SOURCE_ROOT"))
                          : snprintf(out + at, room - at, "%c", *text);
        at += (size_t)n;
    }
    expect_less(at + 1, room);
    return out;
}

static run run_filled(const char *script)
{
    char own[4096];
    return run_demo(filled(script, own, sizeof own));
}

static const json_t *task_row(const json_t *rows, const char *task, const char *metric)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(json_string_value(json_object_get(row, "task")), task) == 0 &&
            strcmp(json_string_value(json_object_get(row, "metric")), metric) == 0) {
            return row;
        }
    }
    fail_msg("no row %s %s", task, metric);
    return NULL;
}

static const json_t *tasks_of(const json_t *result, size_t row)
{
    return json_object_get(json_array_get(json_object_get(result, "rows"), row), "tasks");
}

static void test_numbers_are_those_of_tasks(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *task, *metric;
    } rows[] = {
        {"arc_easy", "acc"}, {"arc_easy", "acc_norm"}, {"nq_open", "exact_match"}, {"mmlu", "acc"}};
    static const char files[] =
        GOLDEN "arc_easy.jsonl " GOLDEN "nq_open.jsonl " GOLDEN "mmlu.jsonl limit=6 which=";
    char script[2048];
    run r = run_filled("compare 'rtn bits=2' 'W4: rtn bits=4' windows=1 length=64 on=tasks "
                       "tasks=" GOLDEN "arc_easy.jsonl tasks=" GOLDEN "nq_open.jsonl tasks=" GOLDEN
                       "mmlu.jsonl limit=6");
    pl_check_close(run_number(run_last(&r), "from_store"), 0, 0, 0);
    for (size_t s = 0; s < 3; s++) {
        snprintf(script, sizeof script, "method rtn bits=%d; solve all; tasks %s%s", s == 1 ? 2 : 4,
                 files, s == 0 ? "before" : "after");
        run by_hand = run_filled(script);
        const json_t *expected = json_object_get(run_last(&by_hand), "tasks");
        const json_t *found = s == 0 ? json_object_get(run_last(&r), "original_tasks")
                                     : tasks_of(run_last(&r), s - 1);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const json_t *a = task_row(found, rows[i].task, rows[i].metric);
            const json_t *b = task_row(expected, rows[i].task, rows[i].metric);
            pl_check_close(run_number(a, "score"), run_number(b, s == 0 ? "before" : "after"), 0,
                           0);
            pl_check_close(run_number(a, "score_stderr"),
                           run_number(b, s == 0 ? "before_stderr" : "after_stderr"), 0, 0);
            pl_check_close(run_number(a, "n"), run_number(b, "n"), 0, 0);
        }
        /* Nothing is scored twice. */
        pl_check_close(run_number(run_last(&by_hand), "from_store"), 18, 0, 0);
        run_free(&by_hand);
    }
    /* Three tasks; acc_norm of the one that has it, with the others' own. */
    double sum = 0, variance = 0, normed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *row = task_row(tasks_of(run_last(&r), 1), rows[i].task, rows[i].metric);
        const double score = run_number(row, "score"), error = run_number(row, "score_stderr");
        sum += i != 1 ? score / 3 : 0;
        normed += i != 0 ? score / 3 : 0;
        variance += i != 1 ? error * error / 9 : 0;
    }
    const json_t *mean = task_row(tasks_of(run_last(&r), 1), "mean", "acc");
    pl_check_close(run_number(mean, "score"), sum, 1e-8, 1e-9);
    pl_check_close(run_number(mean, "score_stderr"), sqrt(variance), 1e-8, 1e-9);
    pl_check_close(run_number(mean, "n"), 3, 0, 0);
    pl_check_close(run_number(task_row(tasks_of(run_last(&r), 1), "mean", "acc_norm"), "score"),
                   normed, 1e-8, 1e-9);
    run_free(&r);
}

/* What each item scored, of the file that `tasks items=` wrote. */
static size_t read_items(const char *name, const char *metric, double *out, size_t room)
{
    size_t size = 0, count = 0;
    char *text = run_read(run_path(name), &size), *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *item = json_loads(line, 0, NULL);
        expect_less(count, room);
        out[count++] = run_number(item, metric);
        json_decref(item);
    }
    free(text);
    return count;
}

/* By the items that `tasks` writes, in this test's own arithmetic. */
static void test_differences_are_paired(void **ctx)
{
    (void)ctx;
    enum { ITEMS = 24 };
    double a[ITEMS], b[ITEMS], mean = 0, squares = 0;
    char script[4096];
    snprintf(script, sizeof script,
             "compare 'rtn bits=2' 'rtn bits=4' windows=1 length=64 on=tasks tasks=" GOLDEN
             "piqa.jsonl limit=24 shots=1 file=%s; "
             "method rtn bits=2; solve all; tasks " GOLDEN
             "piqa.jsonl limit=24 shots=1 which=after items=%s; "
             "method rtn bits=4; solve all; tasks " GOLDEN
             "piqa.jsonl limit=24 shots=1 which=after items=%s",
             run_path("t.csv"), run_path("two.jsonl"), run_path("four.jsonl"));
    run r = run_filled(script);
    assert_int_equal(read_items("two.jsonl", "acc_norm", a, ITEMS), ITEMS);
    assert_int_equal(read_items("four.jsonl", "acc_norm", b, ITEMS), ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        mean += (b[i] - a[i]) / ITEMS;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        squares += (b[i] - a[i] - mean) * (b[i] - a[i] - mean);
    }
    const double error = sqrt(squares / (ITEMS - 1) / ITEMS);
    const json_t *first = task_row(tasks_of(run_result(&r, 0), 0), "piqa", "acc_norm");
    const json_t *row = task_row(tasks_of(run_result(&r, 0), 1), "piqa", "acc_norm");
    expect_less(0, error);
    pl_check_close(run_number(row, "difference"), mean, 1e-8, 1e-9);
    pl_check_close(run_number(row, "difference_stderr"), error, 1e-8, 0);
    assert_int_equal(json_is_true(json_object_get(row, "differs")), fabs(mean) > 2 * error);
    assert_true(json_is_null(json_object_get(first, "difference")));
    assert_true(json_is_null(json_object_get(first, "differs")));
    /* One task has no mean beside it; CSV has a column a number. */
    assert_int_equal(json_array_size(tasks_of(run_result(&r, 0), 1)), 2);
    size_t size = 0;
    char *csv = run_read(run_path("t.csv"), &size);
    assert_non_null(strstr(csv, ",piqa_acc_norm,piqa_acc_norm_stderr,piqa_acc_norm_difference,"
                                "piqa_acc_norm_difference_stderr,piqa_acc_norm_differs\n"));
    free(csv);
    run_free(&r);
}

/* LaTeX, JSON, the text that a person reads, and the figure, made again elsewhere. */
static void test_tables_of_tasks(void **ctx)
{
    (void)ctx;
    static const char asked[] =
        "compare 'rtn bits={3,4}' windows=1 length=64 on=tasks tasks=" GOLDEN
        "piqa.jsonl tasks=" GOLDEN "nq_open.jsonl limit=4 examples=" GOLDEN "piqa_pool.jsonl";
    char script[4096], own[4096];
    /* Examples of one task beside two. */
    run r = run_filled(asked);
    run_check_failed(&r, r.status, "compare: examples=");
    run_free(&r);
    snprintf(script, sizeof script,
             "compare 'rtn bits={3,4}' windows=1 length=64 tasks=" GOLDEN "piqa.jsonl tasks=" GOLDEN
             "nq_open.jsonl limit=4 file=%s; compare 'rtn bits={3,4}' windows=1 length=64 "
             "on=tasks tasks=" GOLDEN "piqa.jsonl tasks=" GOLDEN "nq_open.jsonl limit=4 file=%s; "
             "plot comparison form=tasks file=%s",
             run_path("t.tex"), run_path("t.json"), run_path("tasks.csv"));
    r = run_filled(script);
    pl_check_close(run_number(run_result(&r, 1), "from_store"), 2, 0, 0);
    size_t size = 0;
    char *tex = run_read(run_path("t.tex"), &size), *text = run_read(run_path("t.json"), &size);
    char *csv = run_read(run_path("tasks.csv"), &size);
    assert_non_null(strstr(tex, " & piqa acc & "));
    assert_null(strstr(tex, "$\\Delta$ piqa"));
    assert_non_null(strstr(tex, "$\\Delta$ mean acc"));
    json_t *rows = json_loads(text, 0, NULL);
    const json_t *written =
        task_row(json_object_get(json_array_get(rows, 1), "tasks"), "mean", "acc");
    const json_t *said = task_row(tasks_of(run_result(&r, 1), 1), "mean", "acc");
    pl_check_close(run_number(written, "difference_stderr"), run_number(said, "difference_stderr"),
                   1e-8, 0);
    assert_non_null(strstr(csv, "setting,mean,\u00b1,diff.,"));
    json_decref(rows);
    free(tex);
    free(text);
    free(csv);
    run_free(&r);
    /* The files of the tasks lie where the figure is. */
    snprintf(script, sizeof script,
             "cp %s/tests/golden/tasks/piqa.jsonl "
             "%s/tests/golden/tasks/nq_open.jsonl %s",
             getenv("PLANISH_SOURCE_ROOT"), getenv("PLANISH_SOURCE_ROOT"), run_folder());
    assert_int_equal(system(script), 0);
    snprintf(script, sizeof script, "rebuild %s", run_path("tasks.csv"));
    r = RUN("--json", "--store", run_path("other"), "-c", script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    r = RUN("--store", run_path("store"), "-c",
            filled("compare 'rtn bits={3,4}' windows=1 length=64 tasks=" GOLDEN
                   "piqa.jsonl limit=4",
                   own, sizeof own));
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "\npiqa  acc_norm  original  "));
    assert_non_null(strstr(r.out, "over items\n"));
    run_free(&r);
}

static void test_refusals_of_tasks(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"compare 'rtn' on=tasks",
         "compare: on=tasks needs tasks=FILE, a file as `tasks` reads it"},
        {"compare 'rtn' windows=1 shots=2", "compare: shots= goes with on=tasks"},
        {"compare 'rtn' on=text tasks=" GOLDEN "piqa.jsonl", "compare: tasks= goes with on=tasks"},
        {"compare 'rtn' tasks=missing.jsonl", "missing.jsonl"},
        {"compare 'rtn' windows=1 length=64; plot comparison form=tasks file=p.png",
         "comparison: form=tasks: the last `compare` scored no tasks: compare with on=tasks "
         "tasks=FILE"},
        {"compare 'rtn' shots=1 shots=2 windows=1", "compare: key \"shots\" is given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_filled(cases[i].script);
        run_check_failed(&r, r.status, cases[i].says);
        assert_int_not_equal(r.status, 0);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_those_of_tasks),
        cmocka_unit_test(test_differences_are_paired),
        cmocka_unit_test(test_tables_of_tasks),
        cmocka_unit_test(test_refusals_of_tasks),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
