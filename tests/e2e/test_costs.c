/* What layers cost the model, and bits by it, through the program. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>

static double unit_kl(const json_t *result, const char *unit)
{
    size_t i = 0;
    json_t *line = NULL;
    json_array_foreach(json_object_get(result, "units"), i, line)
    {
        if (strcmp(json_string_value(json_object_get(line, "unit")), unit) == 0) {
            return run_number(line, "kl");
        }
    }
    return NAN;
}

/* A layer's cost is the KL divergence that `perplexity` has with that layer alone solved; the list
 * of layers has it afterwards, and a second run measures nothing. */
static void test_sensitivity(void **ctx)
{
    (void)ctx;
    run r =
        run_demo("method rtn bits=3; solve 3.v_proj; perplexity which=after length=128 windows=2; "
                 "solve all sequential=no; sensitivity length=128 windows=2; "
                 "sensitivity length=128 windows=2; layers sort=kl top=1");
    const json_t *alone = run_result(&r, 2), *first = run_result(&r, 4), *again = run_result(&r, 5);
    const json_t *layers = json_object_get(run_result(&r, 6), "layers");
    pl_check_close(unit_kl(first, "3.v_proj"), run_number(alone, "kl_mean"), 1e-4, 1e-9);
    pl_check_close(run_number(first, "original_perplexity"),
                   run_number(alone, "original_perplexity"), 1e-6, 0);
    assert_int_equal(json_array_size(json_object_get(first, "units")), 28);
    expect_close(run_number(first, "measured"), 28, 0);
    expect_close(run_number(again, "measured"), 0, 0);
    expect_close(run_number(again, "from_store"), 28, 0);
    pl_check_close(unit_kl(again, "3.v_proj"), unit_kl(first, "3.v_proj"), 0, 0);
    double largest = 0.0;
    size_t i = 0;
    json_t *line = NULL;
    json_array_foreach(json_object_get(first, "units"), i, line)
    {
        largest = fmax(largest, run_number(line, "kl"));
    }
    pl_check_close(run_number(json_array_get(layers, 0), "kl"), largest, 1e-12, 0);
    run_free(&r);
}

/* A figure of the costs carries the command that measures them. */
static void test_figure(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "method rtn bits=2; solve all sequential=no; plot error_by_block form=kl file='%s'",
             run_path("none.png"));
    run none = run_demo(script);
    run_check_failed(&none, 1, "`solve all`, then `sensitivity`");
    run_free(&none);
    snprintf(script, sizeof script,
             "method rtn bits=2; solve all sequential=no; sensitivity length=128 windows=1; "
             "plot error_by_block form=kl file='%s'; rebuild '%s' file='%s'",
             run_path("kl.png"), run_path("kl.png"), run_path("again.png"));
    run r = run_demo(script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    size_t size = 0;
    char *png = run_read(run_path("kl.png"), &size);
    const char says[] = "sensitivity protocol=gptq length=128 windows=1";
    assert_non_null(memmem(png, size, says, sizeof says - 1));
    free(png);
}

/* An estimate ranks the demo's layers better than any other score does; the figure over it carries
 * both commands and says the rank correlation. */
static void test_estimate_ranks(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "method rtn bits=3; solve all sequential=no; sensitivity length=128 windows=2; "
             "sensitivity mode=estimate length=128 windows=2; plot sensitivity form=estimate "
             "file='%s' caption=yes; plot sensitivity form=roles file='%s'; plot sensitivity "
             "form=shares file='%s' caption=yes; rebuild '%s'",
             run_path("over.png"), run_path("roles.csv"), run_path("shares.png"),
             run_path("over.png"));
    run r = run_demo(script);
    const json_t *found = run_result(&r, 3), *ranks = json_object_get(found, "rank_correlation");
    size_t i = 0;
    json_t *line = NULL;
    json_array_foreach(json_object_get(found, "units"), i, line)
    {
        expect_less(0, run_number(line, "kl_estimate"));
        assert_true(json_is_null(json_object_get(line, "kl")));
    }
    expect_less(0.8, run_number(ranks, "kl_estimate"));
    expect_less(run_number(ranks, "rounded_error"), run_number(ranks, "kl_estimate"));
    const char *caption = json_string_value(json_object_get(run_result(&r, 4), "caption"));
    assert_non_null(strstr(caption, "rank correlation 0."));
    caption = json_string_value(json_object_get(run_result(&r, 6), "caption"));
    char both[80];
    snprintf(both, sizeof both, "rank correlation error %.2f, rank correlation moved %.2f",
             run_number(ranks, "rounded_error"), run_number(ranks, "kl_estimate"));
    assert_non_null(strstr(caption, both));
    assert_non_null(strstr(caption, "weighed by how far it moves the residual stream"));
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    size_t size = 0;
    char *csv = run_read(run_path("roles.csv"), &size);
    assert_non_null(strstr(csv, "down_proj"));
    free(csv);
    run other = run_demo("method rtn bits=6; solve all sequential=no; sensitivity unit=role "
                         "length=128 windows=2; plot sensitivity form=roles file=x.png");
    run_check_failed(&other, 1, "then `sensitivity` with unit=layer");
    run_free(&other);
    /* The title has a minus sign, U+2212, as the axes have. */
    snprintf(script, sizeof script,
             "method rtn bits=3; solve all sequential=no; sensitivity length=128 windows=2; "
             "plot sensitivity form=input_ratio file='%s'",
             run_path("minus.pdf"));
    run minus = run_demo(script);
    run_check_keys(run_last(&minus), "file");
    run_free(&minus);
    char *pdf = run_read(run_path("minus.pdf"), &size);
    const char *title = memmem(pdf, size, "/Title <FEFF", 12);
    assert_non_null(title);
    const char *end = memchr(title, '>', size - (size_t)(title - pdf));
    assert_non_null(end);
    assert_non_null(memmem(title, (size_t)(end - title), "002022120030002E", 16)); /* " -0." */
    free(pdf);
    run none = run_demo("method rtn bits=5; solve 0.q_proj; plot sensitivity file=x.png");
    run_check_failed(&none, 1, "`solve all`, then `sensitivity`");
    run_free(&none);
    /* Without a preconditioner nothing is lost before rounding. */
    run alike = run_demo("method rtn bits=3; solve all sequential=no; sensitivity length=128 "
                         "windows=2; plot sensitivity form=error file=x.png");
    run_check_failed(&alike, 1, "before they are rounded) is 0 in every layer, which ranks none");
    run_free(&alike);
}

/* Mixed bits take no more than asked, lose no more than bits alike for all at that average, and not
 * less than the bound; what is chosen is set, layer by layer. */
static void test_allocate(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(
        script, sizeof script,
        "method rtn bits=3; allocate bits=3.2065 length=128 windows=2; solve all sequential=no; "
        "allocate bits=2.5 metric=error unit=role choices=2,4 file='%s'",
        run_path("bits.tex"));
    run r = run_demo(script);
    const json_t *found = run_result(&r, 1), *solved = run_result(&r, 2),
                 *roles = run_result(&r, 3);
    const json_t *three = json_array_get(json_object_get(found, "uniform"), 1);
    expect_at_most(run_number(found, "bits_per_weight"), 3.2065 + 1e-9);
    expect_at_most(run_number(found, "bound"), run_number(found, "loss"));
    expect_less(run_number(found, "loss"), run_number(three, "loss"));
    expect_less(0.9 * run_number(found, "loss"), run_number(found, "bound"));
    pl_check_close(run_number(solved, "bits_per_weight"), run_number(found, "bits_per_weight"),
                   1e-9, 0);
    assert_int_equal(json_array_size(json_object_get(roles, "units")), 7);
    expect_at_most(run_number(roles, "bits_per_weight"), 2.5 + 1e-9);
    run_free(&r);
    /* One setting for each choice that is not the general one. */
    size_t size = 0, settings = 0;
    char *tex = run_read(run_path("bits.tex"), &size);
    for (const char *at = tex; (at = strstr(at, " on=")) != NULL; at++) {
        settings++;
    }
    assert_in_range(settings, 1, 2);
    free(tex);
}

/* Group sizes are choices, too; what comes of it is measured beside the same choice for all; set=no
 * changes nothing, and the figure of the curve comes again from its own command. */
static void test_allocation_is_tested(void **ctx)
{
    (void)ctx;
    char script[2048];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(script, sizeof script,
             "method rtn bits=3; allocate bits=3.5 metric=estimate length=128 windows=2 "
             "choices=2,3 groups=32,128 test='%s/sessions/demo/evaluation.txt' test_windows=2 "
             "set=no; perplexity which=after length=128 windows=2; solve all sequential=no; "
             "perplexity which=after length=128 windows=2; allocate unit=role bits=3.5 "
             "metric=error groups=32,128; plot allocation file='%s'; rebuild '%s'",
             root != NULL ? root : ".", run_path("allocation.pdf"), run_path("allocation.pdf"));
    run r = run_demo(script);
    const json_t *found = run_result(&r, 1), *test = json_object_get(found, "test");
    assert_int_equal(json_array_size(json_object_get(found, "uniform")), 4);
    assert_int_equal(json_array_size(test), 3);
    const json_t *mixed = json_array_get(test, 0), *below = json_array_get(test, 1);
    assert_string_equal(json_string_value(json_object_get(mixed, "setting")), "allocated");
    pl_check_close(run_number(mixed, "bits_per_weight"), run_number(found, "bits_per_weight"),
                   1e-12, 0);
    /* The nearest below: 3 bits in groups of 128, which `perplexity` measures as well. */
    expect_close(run_number(below, "bits"), 3, 0);
    expect_close(run_number(below, "group_size"), 128, 0);
    pl_check_close(run_number(below, "kl_mean"), run_number(run_result(&r, 4), "kl_mean"), 1e-4, 0);
    expect_less(run_number(mixed, "kl_mean"), run_number(below, "kl_mean"));
    const json_t *units = json_object_get(run_result(&r, 5), "units");
    assert_int_equal(json_array_size(units), 7);
    expect_at_most(32, run_number(json_array_get(units, 0), "group_size"));
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    run none = run_demo("method gptq bits=3 damping=0.3; plot allocation file=none.png");
    run_check_failed(&none, 1, "nothing is allocated under the present methods");
    run_free(&none);
}

/* All that may be spent is the least: all get the fewest bits.  More than the most is spent by
 * none, which a warning says. */
static void test_least_and_most(void **ctx)
{
    (void)ctx;
    run r = run_demo("method rtn group_size=16; allocate *.q_proj bits=4 choices=3,4,8 "
                     "metric=error set=no; allocate *.q_proj bits=9.01 choices=3,4,8 metric=error "
                     "set=no");
    const json_t *least = run_result(&r, 1), *most = run_last(&r);
    expect_close(run_number(least, "bits_per_weight"), 4, 1e-12);
    const json_t *fewest = json_array_get(json_object_get(least, "uniform"), 0);
    pl_check_close(run_number(least, "loss"), run_number(fewest, "loss"), 1e-12, 0);
    expect_close(run_number(most, "bits_per_weight"), 9, 1e-12);
    assert_non_null(strstr(r.err, "warning: allocate: bits=9.01: the most that these choices take "
                                  "are 9 a weight, scales counted"));
    assert_null(strstr(r.err, "bits=4"));
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"sensitivity", "sensitivity: none of the 28 layers is rounded"},
        {"method rtn; solve 0.q_proj; sensitivity nothing",
         "sensitivity: no layer matches nothing"},
        {"activations bits=4; method rtn; solve all; sensitivity",
         "expected unit=site or unit=block"},
        {"sensitivity file=x.txt", "sensitivity: file=x.txt"},
        {"allocate", "allocate: needs bits=N"},
        {"method rtn; allocate bits=3 choices=2,x", "allocate: choices=2,x: expected at most 8"},
        {"method rtn; allocate bits=3 choices=1,99",
         "allocate: choices=1,99: expected at most 8 numbers of bits from 1 to 16 such as 2,3,4"},
        {"method rtn; allocate bits=3 groups=32,x", "allocate: groups=32,x: expected at most 8"},
        {"method rtn; allocate bits=3 choices=2,3,4,5,6 groups=16,32,64,128,256",
         "allocate: 25 choices of bits and group size, expected at most 24"},
        {"method rtn; allocate bits=1.5 metric=error",
         "the fewest that these choices take are 2.2"},
        {"method astro; allocate bits=3 metric=error", "allocate: no rounder is set"},
        {"method rtn format=nvfp4; allocate bits=4.5",
         "allocate: choices=2: format=nvfp4 has one width, 4 bits: expected a format of several, "
         "`method rtn format=int`"},
        {"method gptq format=nf4; allocate bits=4.5 choices=4,8 groups=32,64",
         "allocate: choices=8: format=nf4 has one width, 4 bits: expected choices=4 with several "
         "groups=, or a format of several, `method gptq format=int`"},
        {"generate x seed=3", "seed= and top_p= go with temperature="},
        {"generate x which=after", "no layer is solved with the present methods"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i].script);
        run_check_refused(&r, cases[i].script, cases[i].says);
        run_free(&r);
    }
}

/* What layers lost as `sensitivity` measured it, in model order, as JSON that the caller frees. */
static char *costs_of(const json_t *layers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(layers, "layers")); i++) {
        const json_t *line = json_array_get(json_object_get(layers, "layers"), i);
        assert_true(json_is_number(json_object_get(line, "kl")));
        json_array_append(list, json_object_get(line, "kl"));
    }
    char *text = json_dumps(list, 0);
    json_decref(list);
    return text;
}

/* `allocate` measures for itself: the figure and the column stay what `sensitivity` measured. */
static void test_allocate_leaves_costs_alone(void **ctx)
{
    (void)ctx;
    char script[1024];
    run r = run_demo("method rtn bits=3; solve all sequential=no; "
                     "sensitivity length=128 windows=2; layers columns=kl; "
                     "allocate bits=3.2 length=128 windows=1 set=no; layers columns=kl");
    char *before = costs_of(run_result(&r, 3)), *after = costs_of(run_last(&r));
    assert_string_equal(after, before);
    free(before);
    free(after);
    run_free(&r);
    snprintf(script, sizeof script,
             "method rtn bits=3; solve all sequential=no; sensitivity length=128 windows=2; "
             "allocate bits=3.2 length=128 windows=1 set=no; plot sensitivity dpi=80 file='%s'",
             run_path("costs.png"));
    r = run_demo(script);
    run_check_keys(run_last(&r), "file");
    run_free(&r);
    snprintf(script, sizeof script, "rebuild '%s'", run_path("costs.png"));
    r = RUN("--json", "--store", run_path("other-costs"), "-c", script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
}

/* Losses on other windows do not compare: figures refuse them, tables warn. */
static void test_costs_of_several_texts(void **ctx)
{
    (void)ctx;
    static const char *const plots[] = {"plot sensitivity", "plot error_by_block form=kl"};
    static const char measured[] = "method rtn bits=2; solve all sequential=no; "
                                   "sensitivity length=128 windows=2; "
                                   "sensitivity 0.gate_proj length=128 windows=1; ";
    char script[512];
    for (size_t i = 0; i < 2; i++) {
        snprintf(script, sizeof script, "%s%s file=x.png", measured, plots[i]);
        run r = run_demo(script);
        run_check_failed(&r, 1, "the layers were measured in several ways, `sensitivity");
        run_free(&r);
    }
    /* Nor are those of two kept settings in one figure. */
    run r =
        run_demo("method rtn bits=2; solve all sequential=no; sensitivity length=128 windows=2; "
                 "keep a; method rtn bits=4; solve all sequential=no; "
                 "sensitivity length=128 windows=1; "
                 "plot error_by_block form=kl settings=a,now file=x.png");
    run_check_failed(&r, 1, "the layers were measured in several ways, `sensitivity");
    run_free(&r);
    snprintf(script, sizeof script, "%slayers sort=kl top=2", measured);
    r = run_demo(script);
    assert_non_null(strstr(r.err, "which do not compare"));
    assert_int_equal(json_array_size(json_object_get(run_last(&r), "layers")), 2);
    run_free(&r);
    snprintf(script, sizeof script,
             "%ssensitivity length=128 windows=2; plot sensitivity file='%s'", measured,
             run_path("alike.csv"));
    r = run_demo(script);
    run_check_keys(run_last(&r), "file");
    run_free(&r);
}

/* A process that has computed nothing yet shows what the one before has measured. */
static void test_costs_outlast_their_process(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *makes, *shows[3];
    } rows[] = {
        {"costs.session",
         "method gptq bits=3; solve all; sensitivity length=128 windows=2",
         {"plot sensitivity dpi=80 file=", "plot error_by_block form=kl dpi=80 file=",
          "layers columns=kl sort=kl file="}},
        {"depth.session",
         "method gptq bits=3; solve all sequential=no; method astro; solve all sequential=no",
         {"plot depth dpi=80 file="}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run r = RUN("--json", "--store", run_path("lasting"), "--session", run_path(rows[i].name),
                    "-c", rows[i].makes);
        run_check_keys(run_last(&r), "");
        run_free(&r);
        for (size_t k = 0; k < 3 && rows[i].shows[k] != NULL; k++) {
            char script[512];
            snprintf(script, sizeof script, "%s'%s'", rows[i].shows[k], run_path("lasting.csv"));
            r = RUN("--json", "--store", run_path("lasting"), "--session", run_path(rows[i].name),
                    "-c", script);
            run_check_keys(run_last(&r), "file");
            if (k == 2) {
                free(costs_of(run_last(&r)));
            }
            run_free(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sensitivity),
        cmocka_unit_test(test_figure),
        cmocka_unit_test(test_estimate_ranks),
        cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_allocation_is_tested),
        cmocka_unit_test(test_least_and_most),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocate_leaves_costs_alone),
        cmocka_unit_test(test_costs_of_several_texts),
        cmocka_unit_test(test_costs_outlast_their_process),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
