/* planish-mpi: what the ranks of an mpirun compute is what one process does, to the last bit, and
 * one that is killed in the middle changes nothing. */
#include "tests/e2e/run_planish.h"
#include "tests/support/big_model.h"
#include "tests/support/json_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each command that is computed in units, and one that is not. */
static const char everything[] =
    "method gptq bits=3; calibrate length=64 windows=13; massive; solve all sequential=no; "
    "solve all; sensitivity windows=2 length=64; sensitivity windows=2 length=64 mode=without "
    "unit=block; compare \\\"gptq bits={3,4}\\\" \\\"rtn bits=4\\\" windows=2 length=64; "
    "sweep all damping=0.01:0.1:log3 perplexity=yes windows=2 length=64; "
    "perplexity which=after windows=2 length=64; method gptaq bits=3; solve all";

/* Searches: held out, of which every solve is forgotten; by KL around a base; in sequence, where a
 * trial is a solve of the model.  The second of each finds numbers of the first. */
static const char searching[] =
    "method astro target=0.3 iterations=3; method gptq bits=3; calibrate length=64 windows=13; "
    "tune target=0.1,0.3 unit=site; tune bits=3,4 unit=layer; "
    "tune target=0.1,0.3 unit=block by=kl text=$PLANISH_SOURCE_ROOT/sessions/demo/evaluation.txt "
    "length=64 windows=2; "
    "tune target=0.1,0.2 unit=block by=kl text=$PLANISH_SOURCE_ROOT/sessions/demo/evaluation.txt "
    "length=64 windows=2; "
    "tune target=0.2,0.4 unit=all by=kl sequential=yes "
    "text=$PLANISH_SOURCE_ROOT/sessions/demo/evaluation.txt length=64 windows=2; solve all";

/* Choices of two files, some of them known already, and written answers. */
#define TASKS "tasks $PLANISH_SOURCE_ROOT/tests/golden/tasks/"
static const char scoring[] =
    "method rtn bits=3; calibrate length=64 windows=13; solve all sequential=no; " TASKS
    "arc_easy.jsonl limit=20; " TASKS
    "arc_easy.jsonl $PLANISH_SOURCE_ROOT/tests/golden/tasks/hellaswag.jsonl which=both; " TASKS
    "arc_easy.jsonl shots=2 which=after; " TASKS "nq_open.jsonl which=after; "
    "compare \\\"rtn bits={3,4}\\\" windows=2 length=64 on=tasks "
    "tasks=$PLANISH_SOURCE_ROOT/tests/golden/tasks/arc_easy.jsonl";

/* Times, speeds and memory go; all else of an answer stays. */
static void drop_times(json_t *value)
{
    static const char *const measured[] = {"seconds", "tokens_per_second", "peak_bytes"};
    const char *key;
    size_t i;
    json_t *each;
    for (i = 0; json_is_object(value) && i < sizeof measured / sizeof measured[0]; i++) {
        json_object_del(value, measured[i]);
    }
    json_object_foreach(value, key, each)
    {
        drop_times(each);
    }
    json_array_foreach(value, i, each)
    {
        drop_times(each);
    }
}

static void check_same_answers(const char *a, const char *b)
{
    char *x = run_read(run_path(a), NULL), *y = run_read(run_path(b), NULL);
    char *rest_x = NULL, *rest_y = NULL;
    size_t lines = 0;
    for (char *u = strtok_r(x, "\n", &rest_x), *v = strtok_r(y, "\n", &rest_y);
         u != NULL || v != NULL;
         u = strtok_r(NULL, "\n", &rest_x), v = strtok_r(NULL, "\n", &rest_y), lines++) {
        assert_non_null(u);
        assert_non_null(v);
        json_t *one = json_loads(u, 0, NULL), *other = json_loads(v, 0, NULL);
        assert_non_null(one);
        assert_non_null(other);
        drop_times(one);
        drop_times(other);
        if (!json_equal(one, other)) {
            fail_msg("%s:\n%s\n%s:\n%s", a, u, b, v);
        }
        json_decref(one);
        json_decref(other);
    }
    expect_at_most(5, lines);
    free(x);
    free(y);
}

/* "kind/key" and the checksums of its sections but of reports, which hold times; the caller's. */
static json_t *sums_of(const char *path)
{
    size_t size = 0;
    uint64_t table = 0;
    char *bytes = run_read(path, &size);
    expect_less(64, size);
    memcpy(&table, bytes + 16, sizeof table);
    json_t *all = json_loadb(bytes + 64, (size_t)table, 0, NULL);
    json_t *sums = json_object();
    size_t i;
    json_t *section;
    assert_non_null(all);
    json_array_foreach(json_object_get(all, "sections"), i, section)
    {
        const char *name = json_string_value(json_object_get(section, "name"));
        if (strcmp(name, "report") != 0) {
            json_object_set(sums, name, json_object_get(section, "sum"));
        }
    }
    json_decref(all);
    free(bytes);
    return sums;
}

static json_t *sums_of_store(const char *name)
{
    json_t *all = json_object();
    char *list =
        run_shell("cd '%s' && find . -type f -not -name '*.planish-*' | sort", run_path(name));
    char *rest = NULL;
    for (char *at = strtok_r(list, "\n", &rest); at != NULL; at = strtok_r(NULL, "\n", &rest)) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", name, at + 2);
        json_object_set_new(all, at + 2, sums_of(run_path(path)));
    }
    free(list);
    return all;
}

static void check_same_stores(const char *a, const char *b)
{
    json_t *x = sums_of_store(a), *y = sums_of_store(b);
    const char *key;
    json_t *value;
    expect_less(20, json_object_size(x));
    json_object_foreach(x, key, value)
    {
        if (!json_equal(value, json_object_get(y, key))) {
            fail_msg("%s of %s is another than of %s, or is missing there", key, a, b);
        }
    }
    assert_int_equal(json_object_size(x), json_object_size(y));
    json_decref(x);
    json_decref(y);
}

static void run_plain(const char *store, const char *script, const char *out)
{
    char *said =
        run_shell("\"$PLANISH_BIN\" --json --threads 1 --store '%s' -c \"%s\" > '%s' 2> '%s'",
                  run_path(store), script, run_path(out), run_path("plain.err"));
    free(said);
}

/* mpirun's options may hold --enable-recovery. */
static void run_ranks(const char *options, int ranks, const char *store, const char *script,
                      const char *out)
{
    char *said = run_shell(
        "mpirun %s -n %d \"${PLANISH_BIN}-mpi\" --json --threads 1 --store '%s' --trace '%s' -c "
        "\"%s\" > '%s' 2> '%s'",
        options, ranks, run_path(store), run_path("trace"), script, run_path(out),
        run_path("ranks.err"));
    free(said);
}

static void check_says_not(const char *text)
{
    char *err = run_read(run_path("ranks.err"), NULL);
    if (strstr(err, text) != NULL) {
        fail_msg("did not expect \"%s\" in:\n%s", text, err);
    }
    free(err);
}

static void check_says(const char *text)
{
    char *err = run_read(run_path("ranks.err"), NULL);
    if (strstr(err, text) == NULL) {
        fail_msg("expected \"%s\" in:\n%s", text, err);
    }
    free(err);
}

/* Plain, and by those of 1, 2 and 4 ranks that add up to quick, with --all by each; says[i]: a word
 * of rank 0's report of each. */
static void check_ranks(const char *name, const char *script, int quick, const char *const says[3])
{
    static const int ranks[] = {1, 2, 4};
    const int by = getenv("PLANISH_TEST_ALL") != NULL ? 1 + 2 + 4 : quick;
    char plain[40], answers[48];
    snprintf(plain, sizeof plain, "%s-plain", name);
    snprintf(answers, sizeof answers, "%s.out", plain);
    run_plain(plain, script, answers);
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        char store[40], out[48];
        if ((by & ranks[i]) == 0) {
            continue;
        }
        snprintf(store, sizeof store, "%s-%d", name, ranks[i]);
        snprintf(out, sizeof out, "%s.out", store);
        run_ranks("", ranks[i], store, script, out);
        check_same_answers(answers, out);
        check_same_stores(plain, store);
        check_says(says[i]);
        check_says_not("failed");
    }
}

static void test_same_bytes(void **ctx)
{
    (void)ctx;
    static const char *const says[] = {"windows=13`: on rank 0", "windows=13`: 7 units on ",
                                       "windows=13`: 13 units on "};
    check_ranks("everything", everything, 1 + 4, says);
}

static void test_tune(void **ctx)
{
    (void)ctx;
    static const char *const says[] = {"unit=site`: on rank 0", "unit=site`: 29 units on ",
                                       "unit=site`: 29 units on "};
    check_ranks("tune", searching, 2, says);
}

static void test_tasks(void **ctx)
{
    (void)ctx;
    static const char *const says[] = {"`: on rank 0", "`: 4 units on ", "`: 4 units on "};
    check_ranks("tasks", scoring, 2, says);
}

/* Of rank 1 as soon as it has computed a unit of a kind, so that it is in the next one. */
static const char killing[] =
    "while ! grep -q '\"kind\": \"%s\".*\"rank\": 1,' '%s' 2> /dev/null; do sleep 0.01; done; "
    "for p in $(pgrep -f 'planish-mp[i].*%s'); do "
    "if tr '\\0' '\\n' < /proc/$p/environ | grep -qx OMPI_COMM_WORLD_RANK=1; then kill -9 $p; fi; "
    "done";

/* What three ranks make of a script, one of which is killed behind a unit of this kind; within the
 * next one, where they follow each other at once. */
static void check_killed(const char *kind, const char *script, bool within)
{
    char kill[2048], whole[64], whole_out[80], store[64], out[80];
    snprintf(whole, sizeof whole, "%s-whole", kind);
    snprintf(whole_out, sizeof whole_out, "%s.out", whole);
    snprintf(store, sizeof store, "%s-killed", kind);
    snprintf(out, sizeof out, "%s.out", store);
    snprintf(kill, sizeof kill, killing, kind, run_path("trace"), run_path(store));
    run_write(run_path("kill.sh"), kill);
    remove(run_path("trace"));
    run_plain(whole, script, whole_out);
    char *said = run_shell("timeout 60 sh '%s' > /dev/null 2>&1 & echo", run_path("kill.sh"));
    free(said);
    run_ranks("--enable-recovery", 3, store, script, out);
    check_says("rank 1 on ");
    check_says("died");
    if (within) {
        check_says("once more since a rank died");
    }
    check_says_not("failed");
    check_same_answers(whole_out, out);
    check_same_stores(whole, store);
}

static void test_killed_rank(void **ctx)
{
    (void)ctx;
    check_killed("solve",
                 "method astro target=0.3; method gptq bits=3; calibrate length=128 "
                 "windows=16; solve all sequential=no; perplexity which=after "
                 "windows=2; layers; info",
                 true);
}

/* Its windows begin anew elsewhere, with what is solved. */
static void test_killed_walk(void **ctx)
{
    (void)ctx;
    check_killed("walk",
                 "method gptq bits=3; calibrate length=64 windows=16; solve all; perplexity "
                 "which=after windows=2; layers; info",
                 false);
}

/* The same where the original model walks along. */
static void test_killed_walk_of_two(void **ctx)
{
    (void)ctx;
    check_killed("walk",
                 "method qronos bits=3; calibrate length=64 windows=16; solve all; perplexity "
                 "which=after windows=2; layers",
                 false);
}

/* What the killed one has made, and would have removed again, is nowhere. */
static void test_killed_tune(void **ctx)
{
    (void)ctx;
    check_killed("tune_heldout",
                 "method astro target=0.3; method gptq bits=3; calibrate length=64 "
                 "windows=8; tune target=0.1,0.3,0.5 unit=site; layers; info",
                 true);
}

/* An error is that of one process, and so is its status. */
static void test_errors(void **ctx)
{
    (void)ctx;
    char *said = run_shell(
        "for r in '' --enable-recovery; do mpirun $r -n 2 \"${PLANISH_BIN}-mpi\" --status '%s' "
        "--store '%s' -c 'solve all sequential=maybe' > /dev/null 2> '%s'; echo $?; cat '%s'; "
        "done; mpirun -n 2 \"${PLANISH_BIN}-mpi\" > /dev/null 2>> '%s'; echo $?",
        run_path("status"), run_path("errors"), run_path("ranks.err"), run_path("status"),
        run_path("ranks.err"));
    assert_string_equal(said, "1\n1\n0\n1\n2\n");
    check_says("expected -c COMMANDS or --batch FILE");
    free(said);
}

/* A rank holds a block of the model, not the model: its peak is that of --memory. */
static void test_memory(void **ctx)
{
    (void)ctx;
    enum { LIMIT = 150 };
    const big_shape shape = {"deep", 512, 1408, 32, 8, 8, 512, false};
    const double allowed = 1.25 * LIMIT * (1 << 20);
    bool seen[3] = {false};
    expect_less(2 * allowed, (double)shape.blocks * big_block_bytes(&shape));
    char *said = run_shell("mkdir '%s'", run_path("deep"));
    free(said);
    assert_true(big_model_write(run_path("deep"), &shape, &(big_options){.filled = shape.blocks}));
    assert_true(big_text_write(run_path("text.txt"), 256));
    said =
        run_shell("cd '%s' && mpirun -n 3 \"${PLANISH_BIN}-mpi\" --threads 1 --memory %dM --store "
                  "deep-store --trace deep-trace deep -c 'calibrate text=text.txt windows=3 "
                  "length=32; method gptq bits=4 on=*.o_proj; solve all sequential=no' 2>&1",
                  run_folder(), LIMIT);
    free(said);
    char *trace = run_read(run_path("deep-trace"), NULL), *rest = NULL;
    for (char *line = strtok_r(trace, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *unit = json_loads(line, 0, NULL);
        const size_t rank = (size_t)run_number(unit, "rank");
        assert_in_range(rank, 0, 2);
        seen[rank] = true;
        expect_less(0, run_number(unit, "peak_bytes"));
        expect_less(run_number(unit, "peak_bytes"), allowed);
        json_decref(unit);
    }
    assert_true(seen[0]);
    assert_true(seen[1]);
    assert_true(seen[2]);
    free(trace);
    said = run_shell("rm -r '%s'", run_path("deep"));
    free(said);
}

/* No folder of a rank stays, not even a killed one's: the next run has removed it. */
static void test_nothing_stays(void **ctx)
{
    (void)ctx;
    char *said = run_shell("ls -d \"$TMPDIR\"/planish-rank.* 2> /dev/null | wc -l");
    assert_string_equal(said, "0\n");
    free(said);
}

static int setup(void **ctx)
{
    const int made = run_setup(ctx);
    setenv("TMPDIR", run_folder(), 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
    return made;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_tune),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_killed_rank),
        cmocka_unit_test(test_killed_tune),
        cmocka_unit_test(test_killed_walk),
        cmocka_unit_test(test_killed_walk_of_two),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_nothing_stays),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
