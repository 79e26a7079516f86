/* `cost measure=yes` through the program: its rows, its files, its figure, and what it refuses. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>

/* JSON, CSV and LaTeX hold the rows, each with the machine; nothing is calibrated for it. */
static void test_tables(void **ctx)
{
    (void)ctx;
    char script[4096];
    snprintf(script, sizeof script,
             "cost 1.q_proj measure=yes tokens=4 repeats=1 file='%s'; "
             "cost 1.q_proj measure=yes tokens=4 repeats=1 file='%s'; "
             "cost 1.q_proj measure=yes tokens=4 repeats=2 file='%s'; info",
             run_path("t.csv"), run_path("t.tex"), run_path("t.json"));
    run r = run_demo(script);
    const json_t *found = run_result(&r, 2), *rows = json_object_get(found, "rows");
    run_check_keys(found, "layer tokens repeats processor threads pinned kernel copied_bytes file");
    assert_true(json_array_size(rows) == 84 ||
                json_is_string(json_object_get(found, "int8_missing")));
    const json_t *row = json_array_get(rows, json_array_size(rows) - 1);
    assert_string_equal(json_string_value(json_object_get(row, "part")), "block");
    assert_string_equal(json_string_value(json_object_get(row, "transform")), "orthogonal");
    run_free(&r);
    char *csv = run_read(run_path("t.csv"), NULL), *tex = run_read(run_path("t.tex"), NULL);
    char *json = run_read(run_path("t.json"), NULL);
    assert_non_null(strstr(csv, "part,phase,tokens,product,transform,online,transform_seconds,"));
    assert_non_null(strstr(csv, "slowdown,processor,kernel,threads\n"));
    assert_non_null(strstr(csv, "\nblock,decode,1,float32,kronecker,fused,,,"));
    assert_non_null(strstr(tex, "% Planish-Commands: "));
    assert_non_null(strstr(tex, "kernel"));
    assert_null(strstr(tex, "processor"));
    json_t *read = json_loads(json, 0, NULL);
    assert_true(json_is_array(read));
    expect_at_most(44, json_array_size(read));
    json_decref(read);
    free(csv);
    free(tex);
    free(json);
}

/* The figure carries the command; measured again it is another one, and rebuild says so. */
static void test_figure(void **ctx)
{
    (void)ctx;
    char script[4096];
    snprintf(script, sizeof script,
             "cost 2.up_proj measure=yes tokens=4 repeats=1; plot latency 2.up_proj file='%s'; "
             "plot latency 2.up_proj form=layer_decode file='%s'; plot latency 2.up_proj file='%s'",
             run_path("block.csv"), run_path("layer.png"), run_path("block.svg"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t size = 0;
    char *csv = run_read(run_path("block.csv"), &size),
         *png = run_read(run_path("layer.png"), &size);
    assert_non_null(strstr(csv, "cost model.layers.2.mlp.up_proj measure=yes tokens=4 repeats=1"));
    assert_non_null(strstr(csv, "kronecker_slowdown"));
    assert_non_null(memmem(png, size, "form=layer_decode", 17));
    free(csv);
    free(png);
    /* Parts that touch differ in grey, too: the product is dark, what comes before it light. */
    char *svg = run_read(run_path("block.svg"), &size);
    assert_non_null(strstr(svg, "rgb(0%,29.8"));
    assert_non_null(strstr(svg, "rgb(90.196"));
    assert_non_null(strstr(svg, "rgb(94.117"));
    free(svg);
    snprintf(script, sizeof script, "rebuild '%s' file='%s'", run_path("block.csv"),
             run_path("again.csv"));
    r = run_demo(script);
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err, "a figure differs from what its commands make now"));
    run_free(&r);
}

static void test_refused(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"plot latency 3.o_proj file=x.png",
         "model.layers.3.self_attn.o_proj was not timed on this machine yet: `cost measure=yes`"},
        {"cost measure=yes tokens=1", "tokens=1"},
        {"cost measure=yes repeats=0", "repeats=0"},
        {"cost measure=maybe", "expected one of no|yes"},
        {"cost measure=yes file=x.txt", "expected a name that ends in .csv, .tex or .json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i].script);
        run_check_refused(&r, cases[i].script, cases[i].says);
        run_free(&r);
    }
    run small = RUN("--json", "--memory", "100M", "-c", "cost measure=yes");
    run_check_failed(&small, 1, "timing these layers needs ");
    run_free(&small);
}

/* A dump has layers and no blocks. */
static void test_of_a_dump(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "dump weights 0.q_proj file='%s'; open '%s'; "
             "cost measure=yes tokens=4 repeats=1; plot latency form=layer_prefill file='%s'; "
             "plot latency file='%s'",
             run_path("w.npy"), run_path("w.npy"), run_path("w.png"), run_path("none.png"));
    run r = run_demo(script);
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err, "of dumps and experts a layer is timed, not a block"));
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_figure),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_of_a_dump),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
