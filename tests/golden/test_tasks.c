/* Eight tasks against lm-evaluation-harness: make_task_items.py wrote the items,
 * make_task_values.py asked it (transformers, float32).  Of the demo all items; with
 * PLANISH_TEST_ALL those of SmolLM2, the first twelve of each task. */
#include "core/base/json.h"
#include "core/study/tasks.h"
#include "tests/support/demo_lab.h"
#include "tests/support/shared.h"

enum { SMOLLM2_ITEMS = 12 };

static json_t *values, *smollm2_values;

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
    pl_task_run run = {.cx = {d->lab, &d->state, NULL},
                       .which = PL_WHICH_BEFORE,
                       .set = &set,
                       .pool = &pool,
                       .shots = shots,
                       .limit = limit};
    pl_check_ok(pl_task_score(&run, &samples, &err), err);
    if (run.known == 0) {
        expect_less(run.distinct, run.tokens);
    }
    if (known != NULL) {
        *known = run.known;
    }
    pl_task_set_deinit(&set);
    pl_task_set_deinit(&pool);
    return samples;
}

/* An item's log-likelihoods to 1e-4, or its text.  Sums of many tokens are as far apart in float32:
 * from float64 on SmolLM2 by 7e-5 there and by 4e-5 here. */
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
        pl_check_close(json_number_value(json_array_get(json_array_get(resps, i), 0)),
                       json_number_value(json_array_get(expected, i)), 5e-6, 1e-4);
    }
}

/* The same numbers to the last digit. */
static void check_rows(const json_t *rows, const json_t *results)
{
    expect_less(0, json_array_size(rows));
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
        expect_close(json_number_value(json_object_get(row, "before")),
                     json_number_value(json_object_get(expected, metric)), 0);
        pl_check_close(json_number_value(json_object_get(row, "before_stderr")),
                       json_number_value(json_object_get(expected, key)), 1e-15, 0);
    }
}

/* expected: what the maker wrote.  limit: items, 0: all; means: of those the expected ones are. */
static void check_task(demo_lab *d, const json_t *expected, const char *name, size_t shots,
                       size_t limit, bool means)
{
    static const char *const names[] = {"before"};
    char text[8];
    snprintf(text, sizeof text, "%zu", shots);
    const json_t *all = json_object_get(expected, text);
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
    if (means) {
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
        check_task(&d, values, (*kind)->name, shots, limit, limit == 0);
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

/* A model whose tokens are words, and whose answers are more than chance. */
static void test_on_smollm2(void **state)
{
    (void)state;
    const char *path = pl_test_smollm2();
    demo_lab d;
    pl_error err = {0};
    pl_model *model = NULL;
    pl_source *source = NULL;
    demo_lab_init(&d);
    pl_check_ok(pl_model_open(path, &model, &err), err);
    pl_check_ok(pl_source_create(model, path, NULL, &source, &err), err);
    pl_check_ok(pl_state_set_source(&d.state, source, &err), err);
    pl_source_release(source);
    const char *shots = NULL;
    json_t *of_shots = NULL;
    json_object_foreach(smollm2_values, shots, of_shots)
    {
        if (!json_is_object(of_shots)) {
            continue; /* the version */
        }
        for (const pl_task_kind *const *kind = pl_task_kinds(); *kind != NULL; kind++) {
            check_task(&d, smollm2_values, (*kind)->name, strtoul(shots, NULL, 10), SMOLLM2_ITEMS,
                       true);
        }
    }
    demo_lab_deinit(&d);
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

typedef struct stopper {
    pl_task task;
    double at, last; /* items: when it is stopped, and what was told last */
} stopper;

static void stop_at(void *ctx, const char *what, double done, double total)
{
    stopper *s = ctx;
    if (strcmp(what, "items") != 0) {
        return; /* the bytes of a model that was not hashed before */
    }
    expect_at_most(done, total);
    s->last = done;
    if (done >= s->at) {
        atomic_store(&s->task.cancel, true);
    }
}

/* What is told last of a run that was stopped is what a second run finds in the store. */
static void check_stopped(demo_lab *d, const char *name, double at, double least)
{
    pl_error err = {0};
    pl_task_set set;
    char path[600];
    json_t *samples = NULL;
    stopper s = {.at = at};
    size_t known = 0;
    s.task.progress = stop_at;
    s.task.ctx = &s;
    pl_check_ok(pl_task_set_read(golden_path(name, "", path), NULL, &set, &err), err);
    pl_task_run run = {.cx = {d->lab, &d->state, &s.task}, .which = PL_WHICH_BEFORE, .set = &set};
    run.total = (double)json_array_size(set.items);
    assert_int_equal(pl_task_score(&run, &samples, &err), PL_ERR_CANCELLED);
    assert_null(samples);
    expect_at_most(least, s.last);
    expect_less(s.last, run.total);
    pl_task_set_deinit(&set);
    json_decref(score(d, name, 0, 0, &known));
    pl_check_close((double)known, s.last, 0, 0);
}

static void test_a_stop_says_what_is_kept(void **state)
{
    (void)state;
    demo_lab d;
    demo_lab_init(&d);
    check_stopped(&d, "triviaqa", 20, 16);
    check_stopped(&d, "winogrande", 10, 0);
    demo_lab_deinit(&d);
}

static json_t *read_json(const char *name)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[600];
    snprintf(path, sizeof path, "%s/tests/golden/%s", root != NULL ? root : ".", name);
    return json_load_file(path, 0, NULL);
}

static int read_values(void **state)
{
    (void)state;
    values = read_json("task_values.json");
    smollm2_values = read_json("task_values_smollm2.json");
    return values != NULL && smollm2_values != NULL ? 0 : -1;
}

static int drop_values(void **state)
{
    (void)state;
    json_decref(values);
    json_decref(smollm2_values);
    return 0;
}

int main(void)
{
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(test_without_examples),
        cmocka_unit_test(test_with_examples),
        cmocka_unit_test(test_kept_scores),
        cmocka_unit_test(test_a_stop_says_what_is_kept),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_without_examples), cmocka_unit_test(test_with_examples),
        cmocka_unit_test(test_kept_scores),      cmocka_unit_test(test_a_stop_says_what_is_kept),
        cmocka_unit_test(test_on_smollm2),
    };
    return getenv("PLANISH_TEST_ALL") != NULL
               ? cmocka_run_group_tests(all, read_values, drop_values)
               : cmocka_run_group_tests(quick, read_values, drop_values);
}
