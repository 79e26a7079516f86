/* tasks: what a user sees of it, and each sentence that it refuses a file with. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
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
    expect_close(run_number(row_of(&r, 0), "n"), 3, 0);
    expect_close(run_number(run_last(&r), "from_store"), 0, 0);
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
    expect_close(run_number(run_last(&again), "from_store"), 6, 0);
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

/* A golden file of arc in AI2's layout. */
static void put_nested(const char *from, const char *to)
{
    char path[1024];
    pl_buf out = {0};
    snprintf(path, sizeof path, "%s/tests/golden/tasks/%s", getenv("PLANISH_SOURCE_ROOT"), from);
    char *text = run_read(path, NULL), *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *doc = json_loads(line, 0, NULL), *choices = json_object_get(doc, "choices");
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(json_object_get(choices, "text")); i++) {
            json_array_append_new(
                list,
                json_pack("{s:O, s:O}", "text", json_array_get(json_object_get(choices, "text"), i),
                          "label", json_array_get(json_object_get(choices, "label"), i)));
        }
        json_t *nested = json_pack("{s:O, s:{s:O, s:o}, s:O}", "id", json_object_get(doc, "id"),
                                   "question", "stem", json_object_get(doc, "question"), "choices",
                                   list, "answerKey", json_object_get(doc, "answerKey"));
        char *own = json_dumps(nested, JSON_COMPACT);
        assert_non_null(own);
        pl_buf_printf(&out, "%s\n", own);
        free(own);
        json_decref(nested);
        json_decref(doc);
    }
    put_file(to, out.data);
    pl_buf_deinit(&out);
    free(text);
}

/* The same questions in both layouts are the same prompts: the store has all of the second. */
static void test_arc_as_ai2_distributes_it(void **ctx)
{
    (void)ctx;
    static const char *const files[] = {"arc_easy", "arc_challenge"};
    assert_int_equal(chdir(run_folder()), 0);
    for (size_t i = 0; i < 2; i++) {
        char name[64], nested[80], script[4096];
        snprintf(name, sizeof name, "%s.jsonl", files[i]);
        snprintf(nested, sizeof nested, "ai2-%s", name);
        put_nested(name, nested);
        snprintf(name, sizeof name, "%s_pool.jsonl", files[i]);
        put_nested(name, "pool.jsonl");
        snprintf(script, sizeof script,
                 "tasks %s/tests/golden/tasks/%s.jsonl limit=10 shots=1 "
                 "examples=%s/tests/golden/tasks/%s_pool.jsonl; "
                 "tasks %s limit=10 shots=1 examples=pool.jsonl",
                 getenv("PLANISH_SOURCE_ROOT"), files[i], getenv("PLANISH_SOURCE_ROOT"), files[i],
                 nested);
        run r = RUN("--json", "--store", run_path("tasks-store"), "-c", script);
        assert_true(json_equal(json_object_get(run_result(&r, 0), "tasks"),
                               json_object_get(run_result(&r, 1), "tasks")));
        pl_check_close(run_number(run_result(&r, 0), "from_store"), 0, 0, 0);
        pl_check_close(run_number(run_result(&r, 1), "from_store"), 10, 0, 0);
        run_free(&r);
    }
}

extern char **environ;

static bool has_entry(const char *folder)
{
    DIR *open = opendir(folder);
    bool found = false;
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        found = found || strlen(entry->d_name) == 32; /* a whole one: a key alone */
    }
    if (open != NULL) {
        closedir(open);
    }
    return found;
}

/* Ctrl-C in a batch, once the first items are in the store: the same line goes on behind them and
 * ends with the numbers of a run that nothing stopped. */
static void test_an_interrupted_batch_goes_on(void **ctx)
{
    (void)ctx;
    enum { ITEMS = 160, TOGETHER = 16 };
    static const char script[] = "tasks many.jsonl";
    pl_buf items = {0};
    assert_int_equal(chdir(run_folder()), 0);
    for (int i = 0; i < ITEMS; i++) {
        pl_buf_printf(
            &items, "{\"question\":\"Who rang bell %d\",\"answer\":{\"aliases\":[\"one\"]}}\n", i);
    }
    assert_false(items.failed);
    put_file("many.jsonl", items.data);
    pl_buf_deinit(&items);
    const char *const args[] = {"planish", "--threads", "1", "--store", "cut", "-c", script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "said", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, getenv("PLANISH_BIN"), &actions, NULL,
                                 (char *const *)(uintptr_t)args, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 60000 && !has_entry("cut/tasks"); i++) {
        usleep(1000);
    }
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    char *said = run_read("said", NULL);
    assert_non_null(strstr(said, "interrupted; results that were finished are kept"));
    free(said);
    run r = RUN("--json", "--threads", "1", "--store", "cut", "-c", script);
    run whole = RUN("--json", "--threads", "1", "--store", "whole", "-c", script);
    const double known = run_number(run_last(&r), "from_store");
    expect_at_most(TOGETHER, known);
    expect_less(known, ITEMS);
    assert_true(json_equal(json_object_get(run_last(&r), "tasks"),
                           json_object_get(run_last(&whole), "tasks")));
    pl_check_close(run_number(run_last(&r), "tokens_computed") / (ITEMS - known),
                   run_number(run_last(&whole), "tokens_computed") / ITEMS, 0.2, 0);
    run_free(&r);
    run_free(&whole);
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
        {"n.jsonl",
         "{\"question\":{\"stem\":\"a\",\"choices\":[{\"text\":\"a\",\"label\":\"A\"}]},"
         "\"answerKey\":\"A\"}",
         "tasks n.jsonl task=arc_easy",
         "n.jsonl line 1: question.choices: expected a list of at least two, each with the texts "
         "text and label"},
        {"n.jsonl",
         "{\"question\":{\"choices\":[{\"text\":\"a\",\"label\":\"A\"},"
         "{\"text\":\"b\",\"label\":\"B\"}]},\"answerKey\":\"A\"}",
         "tasks n.jsonl task=arc_easy", "n.jsonl line 1: question.stem: expected a text"},
        {"n.jsonl",
         "{\"question\":{\"stem\":\"a\",\"choices\":[{\"text\":\"a\",\"label\":\"1\"},"
         "{\"text\":\"b\",\"label\":\"2\"}]},\"answerKey\":\"3\"}",
         "tasks n.jsonl task=arc_easy",
         "n.jsonl line 1: answerKey: expected one of the labels in question.choices"},
        {"n.jsonl", "{\"question\":{\"stem\":\"a\"}}", "tasks n.jsonl task=arc_easy",
         "n.jsonl line 1: answerKey: expected a text, as arc_easy has it"},
        {"n.jsonl", "{\"goal\":\"a\"}", "tasks n.jsonl task=arc_easy",
         "n.jsonl line 1: question: expected a text, as arc_easy has it"},
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
        run_check_refused(&r, cases[i].script, cases[i].says);
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
        cmocka_unit_test(test_an_interrupted_batch_goes_on),
        cmocka_unit_test(test_arc_as_ai2_distributes_it),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_room_for_an_answer),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
