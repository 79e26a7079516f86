/* planish-mpi: what the ranks of an mpirun compute is what one process does, to the last bit, and
 * one that is killed in the middle changes nothing. */
#include "tests/e2e/run_planish.h"
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
    "perplexity which=after windows=2 length=64";

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
    assert_true(lines >= 5);
    free(x);
    free(y);
}

/* "kind/key" and the checksums of its sections but of reports, which hold times; the caller's. */
static json_t *sums_of(const char *path)
{
    size_t size = 0;
    uint64_t table = 0;
    char *bytes = run_read(path, &size);
    assert_true(size > 64);
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
    assert_true(json_object_size(x) > 20);
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

static void check_says(const char *text)
{
    char *err = run_read(run_path("ranks.err"), NULL);
    if (strstr(err, text) == NULL) {
        fail_msg("expected \"%s\" in:\n%s", text, err);
    }
    free(err);
}

static void test_same_bytes(void **ctx)
{
    (void)ctx;
    static const int ranks[] = {1, 2, 4};
    static const char *const says[] = {"windows=13`: on rank 0", "windows=13`: 7 units on ",
                                       "windows=13`: 13 units on "};
    run_plain("plain", everything, "plain.out");
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        char store[20], out[20];
        snprintf(store, sizeof store, "store%d", ranks[i]);
        snprintf(out, sizeof out, "out%d", ranks[i]);
        run_ranks("", ranks[i], store, everything, out);
        check_same_answers("plain.out", out);
        check_same_stores("plain", store);
        check_says(says[i]);
    }
}

/* Of rank 1 as soon as it has computed a unit, so that it is in the next one. */
static const char killing[] =
    "while ! grep -q '\"kind\": \"solve\".*\"rank\": 1,' '%s' 2> /dev/null; do sleep 0.01; done; "
    "for p in $(pgrep -f 'planish-mp[i].*%s'); do "
    "if tr '\\0' '\\n' < /proc/$p/environ | grep -qx OMPI_COMM_WORLD_RANK=1; then kill -9 $p; fi; "
    "done";

static const char solving[] = "method astro target=0.3; method gptq bits=3; calibrate length=128 "
                              "windows=16; solve all sequential=no; perplexity which=after "
                              "windows=2";

static void test_killed_rank(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script, killing, run_path("trace"), run_path("killed"));
    run_write(run_path("kill.sh"), script);
    remove(run_path("trace"));
    run_plain("whole", solving, "whole.out");
    char *said = run_shell("timeout 60 sh '%s' > /dev/null 2>&1 & echo", run_path("kill.sh"));
    free(said);
    run_ranks("--enable-recovery", 3, "killed", solving, "killed.out");
    check_says("rank 1 on ");
    check_says("died");
    check_says("once more since a rank died");
    check_same_answers("whole.out", "killed.out");
    check_same_stores("whole", "killed");
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
        cmocka_unit_test(test_killed_rank),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_nothing_stays),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
