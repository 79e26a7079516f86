/* libplanish, in C by pkg-config and in Python, gives what the program gives. */
#include "core/base/text.h"
#include "core/io/npy.h"
#include "core/lib/planish.h"
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A layer of the demo and what it sees, and what the program makes of them. */
static int setup(void **ctx)
{
    int failed = run_setup(ctx);
    char script[8192];
    snprintf(script, sizeof script,
             "calibrate windows=2; dump weights 1.q_proj file=%s; dump inputs 1.q_proj file=%s",
             run_path("W.npy"), run_path("X.npy"));
    run r = run_demo(script);
    failed |= r.status;
    run_free(&r);
    snprintf(script, sizeof script,
             "open %s inputs=%s; method astro beta=3e-4; method gptq bits=3; solve; "
             "dump weights which=preconditioned file=%s; dump weights which=after file=%s; "
             "method hadamard; solve; dump weights which=after file=%s; "
             "method smoothquant; method none slot=precondition; solve; "
             "dump weights which=after file=%s; "
             "method none slot=transform; method magr beta=3e-4; solve; "
             "dump weights which=preconditioned file=%s",
             run_path("W.npy"), run_path("X.npy"), run_path("preconditioned.npy"),
             run_path("after.npy"), run_path("hadamard.npy"), run_path("smoothquant.npy"),
             run_path("magr.npy"));
    r = RUN("--json", "--store", run_path("store"), "-c", script);
    failed |= r.status;
    if (failed) {
        fprintf(stderr, "%s\n", r.out);
    }
    run_free(&r);
    return failed;
}

enum { N = 144, ROWS = 144, TOKENS = 1024 };

/* NULL and what is not finite are refused where they enter. */
static void check_refusals(planish_site *site, float *w)
{
    planish_error err;
    planish_site *made = NULL;
    planish_transform *t = NULL;
    double error = 0.0;
    assert_int_equal(
        planish_site_from_gram(planish_site_gram(site), N, (double)INFINITY, &made, &err),
        PLANISH_USAGE);
    assert_null(made);
    assert_int_equal(planish_precondition(NULL, "magr", w, ROWS, N, w, NULL, &err), PLANISH_USAGE);
    assert_string_equal(err.message, "planish: the site is NULL, and is needed");
    assert_int_equal(planish_precondition(site, "magr", w, ROWS, N, NULL, NULL, &err),
                     PLANISH_USAGE);
    assert_int_equal(planish_certificate(NULL, "magr", w, N, w, N, ROWS, NULL, &err),
                     PLANISH_USAGE);
    assert_int_equal(planish_relative_error(NULL, w, N, w, N, ROWS, &error, &err), PLANISH_USAGE);
    assert_int_equal(planish_relative_error(site, w, N, w, N, ROWS, NULL, &err), PLANISH_USAGE);
    assert_int_equal(planish_transform_create(site, "smoothquant", NULL, NULL, NULL, 1, &t, &err),
                     PLANISH_USAGE);
    assert_string_equal(err.message, "planish: weights is NULL, and is needed");
    assert_int_equal(planish_transform_create(NULL, "hadamard", NULL, NULL, NULL, 0, &t, &err),
                     PLANISH_USAGE);
    assert_null(t);
    assert_int_equal(planish_transform_create(site, "hadamard", NULL, NULL, NULL, 0, &t, &err), 0);
    assert_int_equal(planish_transform_site(NULL, site, &made, &err), PLANISH_USAGE);
    assert_int_equal(planish_transform_site(t, NULL, &made, &err), PLANISH_USAGE);
    assert_null(made);
    assert_int_equal(planish_transform_inputs(t, NULL, 2, 0, &err), PLANISH_USAGE);
    assert_int_equal(planish_transform_weights(NULL, w, ROWS, 0, &err), PLANISH_USAGE);
    const float kept = w[N + 3];
    w[N + 3] = NAN;
    assert_int_equal(planish_transform_weights(t, w, ROWS, 0, &err), PLANISH_NUMERIC);
    assert_string_equal(err.message, "planish: W [1, 3] is not finite");
    w[N + 3] = kept;
    planish_transform_destroy(t);
}

static void test_c_gives_what_the_program_gives(void **ctx)
{
    (void)ctx;
    float *w = run_read_npy("W.npy", ROWS * N), *x = run_read_npy("X.npy", TOKENS * N);
    float *want = run_read_npy("preconditioned.npy", ROWS * N);
    float *rounded = run_read_npy("after.npy", ROWS * N);
    float *got = malloc(sizeof(float) * ROWS * N);
    planish_error err;
    planish_site *site = NULL;
    planish_report report;
    planish_quantized *q = NULL;
    assert_int_equal(planish_site_from_inputs(x, TOKENS, N, N, &site, &err), PLANISH_OK);
    assert_int_equal(planish_site_channels(site), N);
    assert_int_equal(planish_precondition(site, "astro beta=3e-4", w, ROWS, N, got, &report, &err),
                     PLANISH_OK);
    assert_memory_equal(got, want, sizeof(float) * ROWS * N);
    expect_at_most(report.dual, report.objective);
    assert_string_equal(report.own_names[2], "lambda_max");
    assert_int_equal(planish_round(site, "gptq bits=3", got, ROWS, N, N, &q, NULL, &err), 0);
    planish_dequantize(q, got);
    assert_memory_equal(got, rounded, sizeof(float) * ROWS * N);
    planish_quantized_destroy(q);
    /* What fails leaves nothing, and says why; an error may be no one's business. */
    assert_int_equal(planish_round(NULL, "gptq bits=3", w, ROWS, N, N, &q, NULL, &err),
                     PLANISH_UNSUPPORTED);
    assert_null(q);
    assert_int_equal(err.status, PLANISH_UNSUPPORTED);
    assert_int_equal(planish_round(site, "rtn bits=99", w, ROWS, N, N, &q, NULL, NULL),
                     PLANISH_USAGE);
    assert_int_equal(planish_site_from_inputs(x, TOKENS, N, N - 1, &(planish_site *){NULL}, &err),
                     PLANISH_USAGE);
    assert_string_equal(err.message,
                        "planish: X has 1024 rows and 144 columns, 143 apart: expected "
                        "a matrix whose rows do not overlap");
    check_refusals(site, w);
    planish_site_destroy(site);
    planish_site_destroy(NULL);
    free(w);
    free(x);
    free(want);
    free(rounded);
    free(got);
}

/* Built against what is installed, by what pkg-config says. */
static void test_the_example_builds_by_pkg_config(void **ctx)
{
    (void)ctx;
    const char *root = run_path("installed");
    free(run_shell("meson install -C '%s' --no-rebuild --destdir '%s' 2>&1", run_build_folder(),
                   root));
    char *library = run_shell("dirname $(find '%s' -name libplanish.so)", root);
    library[strcspn(library, "\n")] = '\0';
    char *said =
        run_shell("export PKG_CONFIG_PATH='%s/pkgconfig' PKG_CONFIG_SYSROOT_DIR='%s'; "
                  "cc -Wall -Wextra -Werror '%s/tests/e2e/example.c' -o '%s' "
                  "$(pkg-config --cflags --libs planish) 2>&1 && LD_LIBRARY_PATH='%s' '%s'",
                  library, root, getenv("PLANISH_SOURCE_ROOT"), run_path("example"), library,
                  run_path("example"));
    double objective = 0.0, gap = 1.0, error = 1.0;
    int bits = 0, code = 99;
    assert_int_equal(sscanf(said,
                            "astro: objective %lf, at most %lf above the least\n"
                            "gptq: %d bits, code of [0, 0] %d, relative error %lf",
                            &objective, &gap, &bits, &code, &error),
                     5);
    expect_less(gap, 1e-3);
    expect_less(error, 0.2);
    free(said);
    /* Nothing but what the header declares is seen from outside. */
    said =
        run_shell("nm -D --defined-only '%s/libplanish.so.0' | awk '$2 == \"T\" { print $3 }' | "
                  "sed 's/@@PLANISH_0$//' | sort >'%s'; "
                  "grep -o 'planish_[a-z_]*(' '%s'/*/*/include/planish.h '%s'/*/include/planish.h "
                  "2>/dev/null | sed 's/.*://; s/($//' | sort | diff - '%s' && echo same",
                  library, run_path("symbols"), root, root, run_path("symbols"));
    assert_string_equal(said, "same\n");
    free(said);
    said = run_shell("readelf -d '%s/libplanish.so' | grep SONAME", library);
    assert_non_null(strstr(said, "[libplanish.so.0]"));
    free(said);
    free(library);
}

static void test_python_gives_what_the_program_gives(void **ctx)
{
    (void)ctx;
    const char *python = getenv("PLANISH_BENCH_PYTHON");
    char *said = run_shell(
        "PYTHONDONTWRITEBYTECODE=1 PLANISH_LIBRARY='%s/core/lib/libplanish.so.0' "
        "PYTHONPATH='%s/core/lib' '%s' '%s/tests/e2e/library.py' '%s' 2>&1",
        run_build_folder(), getenv("PLANISH_SOURCE_ROOT"),
        python != NULL ? python : "/usr/bin/python3", getenv("PLANISH_SOURCE_ROOT"), run_folder());
    assert_string_equal(said, "same\n");
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_gives_what_the_program_gives),
        cmocka_unit_test(test_the_example_builds_by_pkg_config),
        cmocka_unit_test(test_python_gives_what_the_program_gives),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
