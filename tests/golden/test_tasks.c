/* Eight tasks against lm-evaluation-harness on the demo: make_task_items.py wrote the items,
 * make_task_values.py asked it (version 0.4.13, transformers, float32). */
#include "core/base/json.h"
#include "core/study/tasks.h"
#include "tests/support/demo_lab.h"

static json_t *values;

static const char *golden_path(const char *name, const char *end, char out[600])
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(out, 600, "%s/tests/golden/tasks/%s%s.jsonl", root != NULL ? root : ".", name, end);
    return out;
}

static json_t *score(demo_lab *d, const char *name, size_t shots, size_t limit, size_t *known)
{
    pl_error err = {0};
    pl_task_set set, pool;
    char path[600];
    json_t *samples = NULL;
    pl_check_ok(pl_task_set_read(golden_path(name, "", path), NULL, &set, &err), err);
    assert_string_equal(set.kind->name, name);
    pl_check_ok(pl_task_set_read(golden_path(name, "_pool", path), name, &pool, &err), err);
    pl_task_run run = {.lab = d->lab,
                       .state = &d->state,
                       .which = PL_WHICH_BEFORE,
                       .set = &set,
                       .pool = &pool,
                       .shots = shots,
                       .limit = limit};
    pl_check_ok(pl_task_score(&run, &samples, NULL, &err), err);
    assert_true(run.known > 0 || run.distinct < run.tokens);
    if (known != NULL) {
        *known = run.known;
    }
    pl_task_set_deinit(&set);
    pl_task_set_deinit(&pool);
    return samples;
}

/* An item's log-likelihoods to 1e-4, or its text. */
static void check_item(const json_t *sample, const json_t *expected)
{
    const json_t *resps = json_object_get(sample, "filtered_resps");
    if (json_is_string(expected)) {
        assert_string_equal(json_string_value(json_array_get(resps, 0)),
                            json_string_value(expected));
        return;
    }
    assert_int_equal(json_array_size(resps), json_array_size(expected));
    for (size_t i = 0; i < json_array_size(expected); i++) {
        expect_close(json_number_value(json_array_get(json_array_get(resps, i), 0)),
                     json_number_value(json_array_get(expected, i)), 1e-4);
    }
}

/* The same numbers to the last digit. */
static void check_rows(const json_t *rows, const json_t *results)
{
    assert_true(json_array_size(rows) > 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *task = json_string_value(json_object_get(row, "task"));
        const char *metric = json_string_value(json_object_get(row, "metric"));
        const json_t *expected = json_object_get(results, task);
        char key[64];
        if (expected == NULL) {
            /* mmlu's groups beside the whole are not asked for there */
            assert_true(strncmp(task, "mmlu_", 5) == 0);
            continue;
        }
        snprintf(key, sizeof key, "%s_stderr", metric);
        assert_non_null(json_object_get(expected, metric));
        assert_true(json_number_value(json_object_get(row, "before")) ==
                    json_number_value(json_object_get(expected, metric)));
        pl_check_close(json_number_value(json_object_get(row, "before_stderr")),
                       json_number_value(json_object_get(expected, key)), 1e-15, 0);
    }
}

/* limit: items, whose means are then not compared; 0: all. */
static void check_task(demo_lab *d, const char *name, size_t shots, size_t limit)
{
    static const char *const names[] = {"before"};
    char text[8];
    snprintf(text, sizeof text, "%zu", shots);
    const json_t *all = json_object_get(values, text);
    json_t *samples = score(d, name, shots, limit, NULL);
    size_t at[8] = {0};
    const char *of[8] = {NULL};
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *sample = json_array_get(samples, i);
        const char *task = json_string_value(json_object_get(sample, "task"));
        const json_t *items = json_object_get(json_object_get(all, "items"), task);
        size_t t = 0;
        while (of[t] != NULL && strcmp(of[t], task) != 0) {
            t++;
        }
        of[t] = task; /* mmlu's subjects are apart there, in the same order */
        expect_less(at[t], json_array_size(items));
        check_item(sample, json_array_get(items, at[t]++));
    }
    if (limit == 0) {
        json_t *rows = pl_task_rows(&samples, names, 1, shots);
        check_rows(rows, json_object_get(all, "results"));
        json_decref(rows);
    }
    json_decref(samples);
}

static void check_all(size_t shots, size_t limit)
{
    demo_lab d;
    demo_lab_init(&d);
    for (const pl_task_kind *const *kind = pl_task_kinds(); *kind != NULL; kind++) {
        check_task(&d, (*kind)->name, shots, limit);
    }
    demo_lab_deinit(&d);
}

static void test_without_examples(void **state)
{
    (void)state;
    check_all(0, 0);
}

static void test_with_examples(void **state)
{
    (void)state;
    check_all(3, getenv("PLANISH_TEST_ALL") != NULL ? 0 : 16);
}

/* A shorter run's items are found again, and are the same. */
static void test_kept_scores(void **state)
{
    (void)state;
    demo_lab d;
    size_t known = 0;
    demo_lab_init(&d);
    json_t *first = score(&d, "winogrande", 0, 8, NULL);
    json_t *again = score(&d, "winogrande", 0, 8, &known);
    assert_int_equal(known, 8);
    assert_true(json_equal(first, again));
    json_decref(first);
    json_decref(again);
    first = score(&d, "triviaqa", 3, 4, NULL);
    again = score(&d, "triviaqa", 3, 4, &known);
    assert_int_equal(known, 4);
    assert_true(json_equal(first, again));
    json_decref(first);
    json_decref(again);
    demo_lab_deinit(&d);
}

static int read_values(void **state)
{
    (void)state;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[600];
    snprintf(path, sizeof path, "%s/tests/golden/task_values.json", root != NULL ? root : ".");
    values = json_load_file(path, 0, NULL);
    return values != NULL ? 0 : -1;
}

static int drop_values(void **state)
{
    (void)state;
    json_decref(values);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_examples),
        cmocka_unit_test(test_with_examples),
        cmocka_unit_test(test_kept_scores),
    };
    return cmocka_run_group_tests(tests, read_values, drop_values);
}
