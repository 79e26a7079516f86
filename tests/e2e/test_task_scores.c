/* tasks: what a user sees of it, and each sentence that it refuses a file with. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"

#include <stdlib.h>
#include <unistd.h>

static const char piqa[] =
    "{\"goal\":\"To ring\",\"sol1\":\"pull.\",\"sol2\":\"push it.\",\"label\":0}\n"
    "{\"goal\":\"To eat\",\"sol1\":\"cut bread\",\"sol2\":\"run\",\"label\":\"1\"}\n"
    "\n"
    "{\"goal\":\"To go\",\"sol1\":\"walk\",\"sol2\":\"sit\",\"label\":0}\n";

static void put_file(const char *name, const char *text)
{
    pl_error err = {0};
    pl_check_ok(pl_file_write_all(name, text, strlen(text), &err), err);
}

static const json_t *row_of(const run *r, size_t row)
{
    return json_array_get(json_object_get(run_last(r), "tasks"), row);
}

/* Both sides, the table, the items; then all of it from the store. */
static void test_both_sides(void **ctx)
{
    (void)ctx;
    char *text = NULL;
    size_t size = 0;
    pl_error err = {0};
    assert_int_equal(chdir(run_folder()), 0);
    put_file("piqa.jsonl", piqa);
    const char script[] = "method rtn bits=2; solve all; "
                          "tasks piqa.jsonl which=both shots=1 items=i.jsonl file=t.csv";
    run r = RUN("--json", "--store", run_path("tasks-store"), "-c", script);
    assert_int_equal(r.status, 0);
    assert_int_equal(run_number(row_of(&r, 0), "n"), 3);
    assert_int_equal(run_number(run_last(&r), "from_store"), 0);
    expect_less(run_number(run_last(&r), "tokens_computed"), run_number(run_last(&r), "tokens"));
    for (size_t i = 0; i < 2; i++) {
        const double before = run_number(row_of(&r, i), "before");
        const double after = run_number(row_of(&r, i), "after");
        pl_check_close(before - after,
                       (run_number(row_of(&r, i), "lost") - run_number(row_of(&r, i), "gained")) /
                           3,
                       0, 1e-12);
    }
    run again = RUN("--json", "--store", run_path("tasks-store"), "-c", script);
    assert_int_equal(run_number(run_last(&again), "from_store"), 6);
    assert_true(json_equal(json_object_get(run_last(&r), "tasks"),
                           json_object_get(run_last(&again), "tasks")));
    pl_check_ok(pl_file_read_all("i.jsonl", 1 << 20, &text, &size, &err), err);
    assert_non_null(strstr(text, "\"which\":\"after\""));
    assert_non_null(strstr(text, "Question: To ring\\nAnswer:"));
    assert_non_null(strstr(text, "\" push it.\"]"));
    free(text);
    pl_check_ok(pl_file_read_all("t.csv", 1 << 20, &text, &size, &err), err);
    assert_non_null(strstr(text, "changed"));
    free(text);
    run_free(&r);
    run_free(&again);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *file, *text, *script, *says;
    } cases[] = {
        {"a.jsonl", piqa, "tasks a.jsonl which=after",
         "no layer is solved with the present methods"},
        {"a.jsonl", piqa, "tasks a.jsonl items=x.txt", "items=x.txt: expected a name that ends in"},
        {"a.jsonl", piqa, "tasks a.jsonl task=arc", "there is no task arc: expected arc_easy, "},
        {"a.jsonl", piqa, "tasks a.jsonl task=hellaswag",
         "a.jsonl line 1: activity_label: expected a text, as hellaswag has it"},
        {"a.jsonl", piqa, "tasks a.jsonl shots=3",
         "piqa: shots=3: 4 examples cannot be drawn from the 3 items of the file itself"},
        {"b.jsonl", "{\"goal\":\"a\",\"sol1\":\"b\",\"sol2\":\"c\",\"label\":2}", "tasks b.jsonl",
         "b.jsonl line 1: label: expected 0 (sol1) or 1 (sol2)"},
        {"c.json", "[{\"x\":1}]", "tasks c.json",
         "the fields of its first item are those of no task"},
        {"d.jsonl", "{\"x\":", "tasks d.jsonl", "d.jsonl line 1: expected a JSON object"},
        {"e.jsonl", "\n", "tasks e.jsonl", "e.jsonl: it has no items"},
        {"f.json", "[3]", "tasks f.json", "f.json item 1: expected an object"},
        {"g.jsonl",
         "{\"question\":\"a\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
         "\"answerKey\":\"C\"}",
         "tasks g.jsonl", "expected task=arc_easy or task=arc_challenge"},
        {"g.jsonl", NULL, "tasks g.jsonl task=arc_easy",
         "g.jsonl line 1: answerKey: expected one of choices.label"},
        {"m.json",
         "[{\"question\":\"a\",\"subject\":\"anatomy\",\"choices\":[\"a\",\"b\",\"c\",\"d\"],"
         "\"answer\":1}]",
         "tasks m.json shots=2", "expected examples=FILE"},
        {"m.json", NULL, "tasks m.json shots=2 examples=m.json",
         "mmlu_anatomy: examples= has 1 items, expected shots=2"},
        {"a.jsonl", piqa, "tasks a.jsonl m.json examples=a.jsonl", "goes with files of one task"},
    };
    assert_int_equal(chdir(run_folder()), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].text != NULL) {
            put_file(cases[i].file, cases[i].text);
        }
        run r = RUN("--json", "--store", run_path("tasks-store"), "-c", cases[i].script);
        assert_int_not_equal(r.status, 0);
        if (strstr(r.out, cases[i].says) == NULL) {
            fprintf(stderr, "%s: %s\n", cases[i].script, r.err);
            fail();
        }
        run_free(&r);
    }
}

/* Prompts of written answers are cut to what the model has beside 256 tokens of an answer. */
static void test_no_room_for_an_answer(void **ctx)
{
    (void)ctx;
    assert_int_equal(chdir(run_folder()), 0);
    put_file("nq.jsonl", "{\"question\":\"Who?\",\"answer\":[\"he\"]}");
    run made = RUN("--store", run_path("tasks-store"), "-c",
                   "method rtn bits=2; solve all; export dir=short weights=rounded");
    assert_int_equal(made.status, 0);
    run_free(&made);
    json_t *config = json_load_file("short/config.json", 0, NULL);
    assert_non_null(config);
    json_object_set_new(config, "max_position_embeddings", json_integer(256));
    assert_int_equal(json_dump_file(config, "short/config.json", 0), 0);
    json_decref(config);
    run r = RUN("--json", "short", "--store", run_path("tasks-store"), "-c", "tasks nq.jsonl");
    assert_int_not_equal(r.status, 0);
    assert_non_null(strstr(r.out, "nq_open: the model has 256 positions, expected more than the "
                                  "256 tokens of an answer"));
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_room_for_an_answer),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
