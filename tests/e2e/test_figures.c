/* plot and dump: the same bytes twice, provenance that rebuilds the figure, arrays others can read.
 */
#include "tests/e2e/run_planish.h"
#include "tests/support/big_endian.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static void check_same_files(const char *a, const char *b)
{
    size_t n = 0;
    size_t m = 0;
    char *x = run_read(a, &n);
    char *y = run_read(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* The text of a PNG's tEXt chunk of that keyword, or the data of its chunk of that type where
 * keyword is NULL; caller frees.  NULL if there is none. */
static char *png_chunk(const char *path, const char *type, const char *keyword)
{
    size_t size = 0;
    char *png = run_read(path, &size);
    char *found = NULL;
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    for (size_t at = 8; found == NULL && at + 12 <= size;) {
        size_t length = big_endian((unsigned char *)png + at);
        const char *data = png + at + 8;
        expect_at_most(length, size - at - 12);
        size_t skip = keyword != NULL ? strlen(keyword) + 1 : 0;
        if (memcmp(png + at + 4, type, 4) == 0 &&
            (keyword == NULL || (length >= skip && memcmp(data, keyword, skip) == 0))) {
            found = calloc(1, length - skip + 1);
            assert_non_null(found);
            memcpy(found, data + skip, length - skip);
        }
        at += length + 12;
    }
    free(png);
    return found;
}

static const char solved[] =
    "method astro beta=1e-3; method gptq bits=3; select 1.down_proj; solve;";

static void test_two_paths_same_bytes(void **ctx)
{
    (void)ctx;
    static const char *const endings[] = {"png", "pdf", "svg"};
    static const char *const figures[] = {
        "histogram which=both", "channels which=after order=sorted",
        "channels side=input scale=log", "histogram side=input width=89mm height=60mm dpi=150"};
    for (size_t e = 0; e < 3; e++) {
        for (size_t k = 0; k < 4; k++) {
            char script[2048];
            char one[64];
            char two[64];
            snprintf(one, sizeof one, "one%zu.%s", k, endings[e]);
            snprintf(two, sizeof two, "another%zu.%s", k, endings[e]);
            snprintf(script, sizeof script, "%splot %s file=%s", solved, figures[k], run_path(one));
            run r = run_demo(script);
            run_check_keys(run_last(&r), "file width_px height_px");
            run_free(&r);
            snprintf(script, sizeof script, "%splot %s file='%s'", solved, figures[k],
                     run_path(two));
            r = run_demo(script);
            run_check_keys(run_last(&r), "file width_px height_px");
            run_free(&r);
            check_same_files(run_path(one), run_path(two));
        }
    }
}

static void test_sizes(void **ctx)
{
    (void)ctx;
    char script[1200];
    snprintf(script, sizeof script,
             "plot channels file=%s; plot channels file=%s dpi=100 width=50.8mm "
             "height=3in; plot channels file=%s dpi=100 width=3.2in",
             run_path("size1.png"), run_path("size2.png"), run_path("size3.png"));
    run r = run_demo(script);
    expect_close(run_number(run_result(&r, 0), "width_px"), 1920, 0);
    expect_close(run_number(run_result(&r, 0), "height_px"), 1440, 0);
    expect_close(run_number(run_result(&r, 1), "width_px"), 200, 0);
    expect_close(run_number(run_result(&r, 1), "height_px"), 300, 0);
    expect_close(run_number(run_result(&r, 2), "height_px"), 240, 0); /* three quarters */
    for (size_t i = 0; i < r.n_lines; i++) {
        expect_less(r.seconds[i], run_limit());
    }
    run_free(&r);
    unsigned char *header = (unsigned char *)png_chunk(run_path("size2.png"), "IHDR", NULL);
    assert_int_equal(big_endian(header), 200);
    assert_int_equal(big_endian(header + 4), 300);
    free(header);
    unsigned char *density = (unsigned char *)png_chunk(run_path("size1.png"), "pHYs", NULL);
    assert_non_null(density);
    assert_int_equal(big_endian(density), 11811); /* pixels a metre at 300 dpi */
    assert_int_equal(density[8], 1);
    free(density);
}

/* Runs a PNG's own commands with another output path: the same bytes. */
static void check_rebuilds(const char *script)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "%s file=%s", script, run_path("figure.png"));
    run r = RUN("--json", "--store", run_path("store"), "-c", whole);
    run_check_keys(run_last(&r), "file width_px height_px");
    run_free(&r);
    static const char *const keywords[] = {"Software",          "Planish-Model", "Planish-Layer",
                                           "Planish-Methods",   "Planish-Seed",  "Planish-Version",
                                           "Planish-Libraries", "Planish-BLAS"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        char *text = png_chunk(run_path("figure.png"), "tEXt", keywords[i]);
        assert_non_null(text);
        assert_null(strstr(text, run_folder()));
        free(text);
    }
    char *commands = png_chunk(run_path("figure.png"), "tEXt", "Planish-Commands");
    assert_non_null(commands);
    assert_null(strchr(commands, '/')); /* no path of any kind */
    size_t size = strlen(commands);
    expect_less(0, size);
    assert_int_equal(commands[size - 1], '\n');
    commands[size - 1] = '\0';
    snprintf(whole, sizeof whole, "%s file='%s'\n", commands, run_path("rebuilt.png"));
    run_write(run_path("rebuild"), whole);
    r = RUN("--json", "--store", run_path("other-store"), "--batch", run_path("rebuild"));
    run_check_keys(run_last(&r), "file width_px height_px");
    run_free(&r);
    check_same_files(run_path("figure.png"), run_path("rebuilt.png"));
    free(commands);
}

/* What two panels show of one comparison is measured once. */
static void test_panels_of_one_comparison(void **ctx)
{
    (void)ctx;
    check_rebuilds("compare 'rtn bits=3' 'rtn bits=4' windows=1 length=32; "
                   "figure 1x2 'comparison form=perplexity' 'comparison form=kl' dpi=60");
    char *commands = png_chunk(run_path("figure.png"), "tEXt", "Planish-Commands");
    const char *first = strstr(commands, "\ncompare ");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\ncompare "));
    free(commands);
}

static void test_provenance_rebuilds_the_figure(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script, "%splot histogram", solved);
    check_rebuilds(script);
    check_rebuilds("calibrate windows=3; method magr beta=2e-3 solver=pgd steps=30 on=*.2.*;"
                   "method rtn; solve 2.q_proj; plot channels 2.q_proj which=after dpi=80.5 "
                   "width=120mm order=sorted scale=log");
    check_rebuilds("calibrate windows=2; plot histogram 3.v_proj side=input dpi=100");
    check_rebuilds("calibrate windows=1; method rtn bits=2; solve all sequential=yes;"
                   "plot channels 2.up_proj which=after dpi=90");
}

static void test_provenance_of_another_model(void **ctx)
{
    (void)ctx;
    char target[1024];
    char text[1100];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(target, sizeof target, "%s/sessions/demo", root != NULL ? root : ".");
    snprintf(text, sizeof text, "%s/calibration.txt", target);
    assert_int_equal(symlink(target, run_path("a model")), 0);
    assert_int_equal(symlink(text, run_path("a text.txt")), 0);
    assert_int_equal(chdir(run_folder()), 0);
    char script[2048];
    snprintf(script, sizeof script,
             "open '%s'; calibrate text='%s' windows=2 length=256 sample=random seed=4;"
             "method astro; solve 0.o_proj; plot channels 0.o_proj dpi=100",
             run_path("a model"), run_path("a text.txt"));
    check_rebuilds(script);
    assert_int_equal(chdir("/"), 0);
}

static void check_refused(const char *format, const char *file, const char *says)
{
    char script[1200];
    snprintf(script, sizeof script, format, run_path(file));
    run r = run_demo(script);
    run_check_failed(&r, 1, says);
    assert_int_not_equal(access(run_path(file), F_OK), 0); /* nothing half-made stays */
    run_free(&r);
}

static void test_bad_requests(void **ctx)
{
    (void)ctx;
    check_refused("plot channels file=%s", "figure.jpg", ".png");
    check_refused("plot pie file=%s", "figure0.png", "\"pie\"");
    check_refused("plot channels 9.q_proj file=%s", "figure0.png", "9.q_proj");
    check_refused("plot channels file=%s dpi=1", "figure0.png", "dpi=1");
    check_refused("plot channels file=%s", "no/folder/figure.png", "No such file");
    check_refused("dump gram file=%s", "x.txt", ".npy or .csv");
    check_refused("dump soul file=%s", "x.npy", "\"soul\"");
    run r = run_demo("plot channels");
    run_check_failed(&r, 1, "file=PATH");
    run_free(&r);
}

static void test_bad_options(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } bad[] = {
        {"plot channels xlim=3 file=a.png", "plot: xlim=3: expected LO:HI with LO < HI"},
        {"plot channels names=z=b file=a.png",
         "plot channels: names=: no series is \"z\"; the figure has 1 (before)"},
        {"plot channels scale=log ylim=0:1 file=a.png",
         "plot channels: ylim=: the axis is logarithmic"},
        {"figure 1x1 'channels font=stix' file=a.png",
         "figure: panel 'channels font=stix': font= belongs to the whole figure"},
        {"figure 1x1 'channels setting=A' file=a.png",
         "figure: panel 'channels setting=A': setting= goes with `plot` alone"},
        {"figure 1x1 'channels legend=x' file=a.png",
         "figure: panel 'channels legend=x': legend=x: expected one of auto|none|below"},
        {"plot flatness form=table file=a.png width=1.5in",
         "a table of 7 columns does not fit 1.50 in"},
        {"plot box text=14 width=2in height=1.5in file=a.png",
         "its texts leave no room for the plot: it needs about "},
        {"plot channels file=a.png format=svg", "plot: format= is of file=-"},
        {"plot chanels file=a.png", "no figure is named"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run r = run_demo(bad[i].script);
        run_check_failed(&r, 1, bad[i].says);
        run_free(&r);
    }
    /* A font is there, or its package is named. */
    char script[1200];
    snprintf(script, sizeof script, "plot spectrum font=stix file=%s", run_path("stix.png"));
    run r = RUN("-c", script);
    assert_true(r.status == 0 || strstr(r.err, "install the Debian package fonts-stix") != NULL);
    run_free(&r);
}

/* file=-: the figure's bytes on standard output, everything else on standard error. */
static void test_a_figure_on_standard_output(void **ctx)
{
    (void)ctx;
    char script[1200];
    run r = RUN("-c", "method rtn bits=4; plot spectrum file=- format=csv");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "# Planish-Commands: ", 20), 0);
    assert_null(strstr(r.out, "width_px"));
    assert_non_null(strstr(r.err, "group_size"));
    snprintf(script, sizeof script, "plot spectrum file=%s", run_path("named.csv"));
    run named = RUN("-c", script);
    assert_int_equal(named.status, 0);
    char *csv = run_read(run_path("named.csv"), NULL);
    assert_string_equal(strchr(r.out, '\n'), strchr(csv, '\n'));
    free(csv);
    run_free(&named);
    run_free(&r);
    r = RUN("-c", "plot chanels file=-");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out, "");
    run_free(&r);
}

/* A layer's loss along a line is one parabola, and drawn as one: at every row of the CSV. */
static void test_a_basin_is_a_parabola(void **ctx)
{
    (void)ctx;
    char script[1200];
    snprintf(script, sizeof script, "%s plot basin file=%s", solved, run_path("basin.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    char *csv = run_read(run_path("basin.csv"), NULL);
    double at_one[4] = {0};
    size_t rows = 0;
    for (int pass = 0; pass < 2; pass++) {
        rows = 0;
        for (const char *line = csv; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
            double v[5];
            line += *line == '\n' ? 1 : 0;
            if (sscanf(line, "%lf,%lf,%lf,%lf,%lf", &v[0], &v[1], &v[2], &v[3], &v[4]) != 5) {
                continue;
            }
            rows++;
            for (size_t k = 0; k < 4; k++) {
                at_one[k] = pass == 0 && fabs(v[0] - 1) < 1e-9 ? v[1 + k] : at_one[k];
                if (pass == 1) {
                    pl_check_close(v[1 + k], at_one[k] * v[0] * v[0], 2e-3, 1e-5 * at_one[k]);
                }
            }
        }
        expect_less(0, at_one[0]);
    }
    assert_int_equal(rows, 301);
    free(csv);
}

/* The screen's lines of work are drawn where they are asked for. */
static void test_guides_are_asked_for(void **ctx)
{
    (void)ctx;
    static const char *const figures[] = {"layers", "sweep"};
    char script[1200];
    for (size_t i = 0; i < 2; i++) {
        char *bytes[2];
        size_t sizes[2];
        for (int asked = 0; asked < 2; asked++) {
            const char *path = run_path(asked == 0 ? "plain.pdf" : "guides.pdf");
            snprintf(script, sizeof script,
                     "%s sweep beta=1e-4:1e-2:log3; plot %s guides=%s file=%s caption=yes", solved,
                     figures[i], asked == 0 ? "no" : "yes", path);
            run r = run_demo(script);
            const char *caption = json_string_value(json_object_get(run_last(&r), "caption"));
            assert_true(i == 0 || strstr(caption, "on the right axis group max") != NULL);
            run_free(&r);
            bytes[asked] = run_read(path, &sizes[asked]);
        }
        expect_less(sizes[0], sizes[1]);
        free(bytes[0]);
        free(bytes[1]);
    }
}

static void check_npy(const char *what, const char *name, size_t rows, size_t cols)
{
    char script[1200];
    char shape[64];
    size_t size = 0;
    snprintf(script, sizeof script, "%s file=%s", what, run_path(name));
    run r = run_demo(script);
    const json_t *result = run_last(&r);
    run_check_keys(result, "file shape");
    const json_t *list = json_object_get(result, "shape");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_array_get(list, 0)), rows);
    assert_int_equal(json_integer_value(json_array_get(list, 1)), cols);
    expect_less(r.seconds[0], run_limit());
    run_free(&r);
    char *npy = run_read(run_path(name), &size);
    assert_memory_equal(npy, "\x93NUMPY\x01\x00", 8);
    size_t header = (unsigned char)npy[8] + 256u * (unsigned char)npy[9];
    assert_int_equal((header + 10) % 64, 0);
    assert_int_equal(size, 10 + header + rows * cols * 4);
    char *text = strndup(npy + 10, header);
    assert_non_null(text);
    snprintf(shape, sizeof shape, "'shape': (%zu, %zu)", rows, cols);
    assert_non_null(strstr(text, shape));
    assert_non_null(strstr(text, "'descr': '<f4'"));
    assert_non_null(strstr(text, "'fortran_order': False"));
    free(text);
    free(npy);
}

static void test_dumps(void **ctx)
{
    (void)ctx;
    check_npy("dump gram 1.down_proj", "gram.npy", 400, 400);
    check_npy("dump weights 1.down_proj", "weights.npy", 144, 400);
    check_npy("dump inputs 0.q_proj", "inputs.npy", 1024, 144);
    check_npy("dump stats 0.q_proj", "stats.npy", 144, 6);
    char script[1200];
    snprintf(script, sizeof script, "dump stats 1.down_proj file=%s", run_path("stats.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    char *csv = run_read(run_path("stats.csv"), NULL);
    static const char first[] = "max,mean_abs,rms,kurtosis,token_position,token_id\n";
    assert_int_equal(strncmp(csv, first, strlen(first)), 0);
    const char *line = csv;
    for (int i = 0; i < 158; i++) {
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
    }
    assert_int_equal(strncmp(line, "422.330", 7), 0); /* the planted channel 157 */
    free(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_paths_same_bytes),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_panels_of_one_comparison),
        cmocka_unit_test(test_provenance_rebuilds_the_figure),
        cmocka_unit_test(test_provenance_of_another_model),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_a_figure_on_standard_output),
        cmocka_unit_test(test_a_basin_is_a_parabola),
        cmocka_unit_test(test_guides_are_asked_for),
        cmocka_unit_test(test_dumps),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
