/* --memory: what a command adds to the program's resident size stays within the limit, or it is
 * refused with the number that it needs, and does with that number. */
#include "tests/e2e/run_planish.h"

#include "core/base/text.h"
#include "tests/support/shared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STATISTICS "calibrate text=@t windows=2 length=128; "
#define SOLVED STATISTICS "method rtn bits=4; solve all sequential=no; "

/* Fonts and what Cairo draws with are no part of what is computed: figures are left out. */
static const char *const scripts[] = {
    "calibrate text=@t windows=4 length=256",
    STATISTICS "method astro iterations=2; method gptq bits=3; solve 1.down_proj; solve all",
    STATISTICS "method qronos bits=4; solve all",
    STATISTICS "method flatquant steps=1; method rtn bits=4; learn 1.q_proj",
    STATISTICS "method flatquant scope=block steps=1; method rtn bits=4; learn 1.q_proj",
    STATISTICS "activations bits=4; method spinquant steps=1 online=no; method rtn group_size=0; "
               "learn 1.q_proj",
    "perplexity text=@t windows=2 length=256",
    SOLVED "perplexity which=after text=@t windows=2 length=256",
    SOLVED "sensitivity 1.q_proj text=@t windows=1 length=128",
    SOLVED "keep start; compare start text=@t windows=1 length=128",
    STATISTICS "method rtn bits=4; allocate 1.* bits=3.3 text=@t windows=1 length=128",
    STATISTICS "method astro target=0.2; method rtn bits=3; tune 1.q_proj target=0.2:0.4:lin2",
    STATISTICS "method rtn bits=3; sweep 1.q_proj bits=3:4:lin2",
    "generate \"a cat\" tokens=4",
    STATISTICS "massive; outliers all top=2; layers columns=all",
    SOLVED "export dir=@o",
    STATISTICS "method rtn; solve 1.q_proj; dump gram 1.q_proj file=@o.npy",
};
enum { SCRIPTS = sizeof scripts / sizeof *scripts, MB = 1000000, TRIES = 8 };

static size_t base;
static char model[PL_TEST_PATH]; /* empty: the demo */

/* The script with a text in the place of @t, and of what it makes in that of @o. */
static run run_within(const char *script, size_t megabytes)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char limit[32];
    pl_buf whole = {0};
    snprintf(limit, sizeof limit, "%zu", megabytes * MB);
    free(run_shell("rm -rf '%s' '%s'*", run_path("store"), run_path("made")));
    if (model[0] != '\0') {
        pl_buf_printf(&whole, "open %s; ", model);
    }
    for (const char *at = script; *at != '\0'; at++) {
        if (at[0] == '@' && at[1] == 't') {
            pl_buf_printf(&whole, "%s/sessions/demo/calibration.txt", root != NULL ? root : ".");
            at++;
        } else if (at[0] == '@' && at[1] == 'o') {
            pl_buf_puts(&whole, run_path("made"));
            at++;
        } else {
            pl_buf_append(&whole, at, 1);
        }
    }
    assert_false(whole.failed);
    run r = RUN("--json", "--threads", "1", "--memory", limit, "--store", run_path("store"), "-c",
                whole.data);
    pl_buf_deinit(&whole);
    return r;
}

/* The megabytes that a refusal names, in "needs at least 166 MB, the memory limit"; 0: none. */
static size_t named(const char *said)
{
    const char *end = strstr(said, " MB");
    if (end == NULL || strstr(end, "the memory limit") == NULL) {
        return 0;
    }
    const char *at = end;
    while (at > said && ((at[-1] >= '0' && at[-1] <= '9') || at[-1] == '.')) {
        at--;
    }
    return (size_t)ceil(strtod(at, NULL));
}

/* From a limit that is too small, up by what each refusal names. */
static void check_script(const char *script, size_t megabytes)
{
    for (int i = 0; i < TRIES; i++) {
        run r = run_within(script, megabytes);
        const size_t added = r.peak_bytes > base ? r.peak_bytes - base : 0;
        /* Whatever happens, it stays within; the allocator's own is some megabytes. */
        if (added > (megabytes + 8) * MB) {
            fail_msg("%s: within %zu MB it takes %zu MB", script, megabytes, added / MB);
        }
        if (r.status == 0) {
            run_free(&r);
            return;
        }
        const json_t *error = json_object_get(r.lines[r.n_lines - 1], "error");
        const size_t needed = named(r.err);
        if (strcmp(json_string_value(json_object_get(error, "code")), "memory") != 0) {
            fail_msg("%s: %s", script, r.err);
        }
        if (needed <= megabytes) {
            fail_msg("%s: within %zu MB: %s", script, megabytes, r.err);
        }
        megabytes = needed + 1; /* what is named is rounded */
        run_free(&r);
    }
    fail_msg("%s: refused %d times, each time with a larger number", script, TRIES);
}

static void check_all(size_t step)
{
    static const size_t limits[] = {3, 64, 400};
    run r = run_within("info; probe \"a cat\"", 400);
    if (r.status != 0) {
        fail_msg("%s", r.err);
    }
    base = r.peak_bytes;
    run_free(&r);
    for (size_t i = 0; i < SCRIPTS; i += step) {
        for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
            if (l != 1 || getenv("PLANISH_TEST_ALL") != NULL || i % 4 == 0) {
                check_script(scripts[i], limits[l]);
            }
        }
    }
}

static void test_the_demo(void **ctx)
{
    (void)ctx;
    model[0] = '\0';
    check_all(1);
}

/* Of another architecture. */
static void test_a_reference_model(void **ctx)
{
    (void)ctx;
    pl_test_shared("refs/llama3/config.json", model);
    *strrchr(model, '/') = '\0';
    check_all(getenv("PLANISH_TEST_ALL") != NULL ? 1 : 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_demo),
                                       cmocka_unit_test(test_a_reference_model)};
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
