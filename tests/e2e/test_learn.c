/* learn: paused, gone on with, forgotten; figures of it that can be rebuilt. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"

#include <math.h>
#include <stdlib.h>

static const char method[] = "activations bits=4; method rtn bits=4 group_size=0; "
                             "method flatquant steps=40 rows=256; select 1.q_proj; ";

static run run_in(const char *store, const char *script)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "%s%s", method, script);
    return RUN("--json", "--store", run_path(store), "-c", whole);
}

/* Paused, read, gone on with by another run and by `solve`: as if it had never been left. */
static void test_pauses(void **ctx)
{
    (void)ctx;
    run whole = run_in("whole", "solve; learn");
    run part = run_in("parts", "learn until=11; learn until=5");
    const json_t *paused = run_result(&part, 4);
    run_check_keys(paused,
                   "layer site step steps done loss_first loss peak_bytes rollbacks trouble?");
    pl_check_close(run_number(paused, "step"), 11, 0, 0);
    pl_check_close(run_number(paused, "steps"), 40, 0, 0);
    assert_true(json_is_false(json_object_get(paused, "done")));
    pl_check_close(run_number(run_result(&part, 5), "step"), 11, 0, 0); /* nothing is taken back */
    run rest = run_in("parts", "learn resume until=30; solve; learn");
    const json_t *a = run_result(&whole, 4), *b = run_result(&rest, 5);
    expect_less(0, run_number(a, "output_error"));
    pl_check_close(run_number(a, "output_error"), run_number(b, "output_error"), 0, 0);
    pl_check_close(run_number(a, "condition"), run_number(b, "condition"), 0, 0);
    const json_t *done = run_result(&rest, 6);
    assert_true(json_is_true(json_object_get(done, "done")));
    pl_check_close(run_number(done, "loss"), run_number(run_result(&whole, 5), "loss"), 0, 0);
    expect_less(run_number(done, "loss"), 0.95 * run_number(done, "loss_first"));
    run again = run_in("parts", "learn reset; learn until=3");
    pl_check_close(run_number(run_result(&again, 4), "step"), 0, 0, 0);
    pl_check_close(run_number(run_result(&again, 5), "step"), 3, 0, 0);
    run_free(&whole);
    run_free(&part);
    run_free(&rest);
    run_free(&again);
}

static run run_rotations(const char *store, const char *learner, const char *script)
{
    char whole[4096];
    snprintf(whole, sizeof whole,
             "calibrate windows=2 length=128; activations bits=4; kv bits=4; method rtn bits=4 "
             "group_size=0; "
             "method %s; select 1.o_proj; %s",
             learner, script);
    return RUN("--json", "--store", run_path(store), "-c", whole);
}

/* Rotations of the whole model: every layer's learning is the same one, paused and gone on with as
 * any other; what follows from it lies on no disk a second time, and folds as QuaRot's. */
static void test_rotations(void **ctx)
{
    (void)ctx;
    static const char *const learners[] = {"kurtail steps=6 rows=16 online=no",
                                           "spinquant steps=4 online=no"};
    for (size_t i = 0; i < 2; i++) {
        char stores[2][32];
        snprintf(stores[0], sizeof stores[0], "rotations%zu", i);
        snprintf(stores[1], sizeof stores[1], "paused%zu", i);
        run whole = run_rotations(stores[0], learners[i],
                                  "learn; learn 3.q_proj; solve; solve all sequential=no; "
                                  "perplexity which=after windows=1");
        run part = run_rotations(stores[1], learners[i], "learn until=2");
        run rest = run_rotations(stores[1], learners[i], "learn 0.down_proj; solve");
        assert_int_equal(whole.status, 0);
        const json_t *learned = run_result(&whole, 6), *other = run_result(&whole, 7);
        assert_true(json_is_true(json_object_get(learned, "done")));
        /* Four steps of spinquant are lost in the noise of rounding: test_golden_spin has its
         * gradient. */
        expect_less(run_number(learned, "loss"),
                    (i == 0 ? 1.0 : 1.1) * run_number(learned, "loss_first"));
        pl_check_close(run_number(other, "loss"), run_number(learned, "loss"), 0, 0);
        pl_check_close(run_number(run_result(&part, 6), "step"), 2, 0, 0);
        pl_check_close(run_number(run_result(&rest, 6), "loss"), run_number(learned, "loss"), 0, 0);
        pl_check_close(run_number(run_result(&rest, 7), "output_error"),
                       run_number(run_result(&whole, 8), "output_error"), 0, 0);
        expect_less(run_number(run_result(&whole, 8), "function_error"), 1e-4);
        expect_less(1.0, run_number(run_result(&whole, 10), "perplexity"));
        run_free(&whole);
        run_free(&part);
        run_free(&rest);
    }
}

/* Learned rotations fold as QuaRot's do: the files hold a rotated model of the same function. */
static void test_learned_rotations_fold(void **ctx)
{
    (void)ctx;
    char script[4096], text[1024];
    snprintf(text, sizeof text, "%s/sessions/demo/evaluation.txt", getenv("PLANISH_SOURCE_ROOT"));
    snprintf(script, sizeof script,
             "calibrate windows=2 length=128; method kurtail steps=3 rows=16 online=no; "
             "solve all sequential=no; perplexity text='%s' windows=2; "
             "export dir='%s' fold=yes dtype=f32; open '%s'; perplexity text='%s' windows=2",
             text, run_path("folded"), run_path("folded"), text);
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    pl_check_close(run_number(run_result(&r, 6), "perplexity"),
                   run_number(run_result(&r, 3), "perplexity"), 1e-5, 0);
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } bad[] = {
        {"learn", "its transform is none, which is not learned: set method flatquant"},
        {"method hadamard; learn", "its transform is hadamard, which is not learned"},
        {"method flatquant; learn", "nothing is quantized, so a transform has nothing to learn"},
        {"method flatquant; plot learning file=x.png", "has not been learned yet: `learn` does it"},
        {"method flatquant scope=block; plot learning form=blocks file=x.png",
         "no block's transform has been learned yet: `learn` or `solve all` does it"},
        {"method flatquant scope=block; learn",
         "nothing is quantized, so transforms have nothing to learn"},
        {"learn pause", "nothing is being learned"},
        {"method spinquant; learn", "neither is set: `activations bits=4` first"},
        {"activations bits=4 range=tensor; method spinquant; learn", "range=token"},
        {"method flatquant; learn 1.q_proj 1.k_proj", "one word too many"},
        {"plot landscape file=x.png", "is not solved"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char script[512];
        snprintf(script, sizeof script, "method none slot=round; select 1.q_proj; %s",
                 bad[i].script);
        run r = RUN("--json", "--store", run_path("refusals"), "-c", script);
        run_check_failed(&r, r.status == 2 ? 2 : 1, bad[i].says);
        run_free(&r);
    }
}

/* cost takes the start of what has not been learned, and leaves none behind: a figure after it
 * still has no curve of it. */
static void test_cost_leaves_nothing(void **ctx)
{
    (void)ctx;
    static const char *const scripts[] = {"cost; plot flatness file=%s",
                                          "learn until=2; cost; plot flatness file=%s"};
    for (size_t i = 0; i < 2; i++) {
        const char *file = run_path("flatness.csv");
        char script[512], *text = NULL;
        size_t size = 0;
        pl_error err;
        snprintf(script, sizeof script, scripts[i], file);
        run r = run_in("cost", script);
        assert_int_equal(r.status, 0);
        expect_less(0, run_number(run_result(&r, i == 0 ? 4 : 5), "flops_per_token"));
        pl_check_ok(pl_file_read_all(file, 1 << 20, &text, &size, &err), err);
        assert_non_null(strstr(text, "hadamard"));
        assert_int_equal(strstr(text, "flatness flatquant") != NULL, i == 1);
        free(text);
        run_free(&r);
    }
}

/* A rate that makes the factors singular: taken back, named, and the solve stands. */
static void test_takes_back(void **ctx)
{
    (void)ctx;
    run r = run_in("wild", "method flatquant steps=60 rows=256 rate=3; solve; learn");
    const json_t *learned = run_result(&r, 6);
    expect_at_most(1, run_number(learned, "rollbacks"));
    assert_non_null(
        strstr(json_string_value(json_object_get(learned, "trouble")), "rolled back to step"));
    assert_non_null(strstr(r.err, "flatquant on model.layers.1"));
    expect_less(run_number(run_result(&r, 5), "function_error"), 1e-4);
    run_free(&r);
}

/* A figure of all blocks is the model's: of sites, it names which. */
static void test_titles(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "activations bits=4; method none slot=precondition; method rtn bits=4; "
             "calibrate windows=2 length=64; method flatquant steps=2; learn 1.k_proj; "
             "plot learning 1.k_proj form=blocks file='%s'; "
             "method flatquant scope=block steps=1; learn 1.k_proj; "
             "plot learning 1.k_proj file='%s' caption=yes; "
             "plot learning 1.k_proj form=blocks file='%s' caption=yes",
             run_path("sites.csv"), run_path("steps.csv"), run_path("blocks.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    const char *caption = json_string_value(json_object_get(run_last(&r), "caption"));
    assert_non_null(strstr(caption, " of all blocks over the block"));
    assert_non_null(strstr(caption, "F is the block in full precision"));
    assert_null(strstr(caption, "k_proj"));
    const char *steps = json_string_value(json_object_get(run_result(&r, 9), "caption"));
    assert_non_null(strstr(steps, "‖² of block 1 over the step"));
    run_free(&r);
    size_t size = 0;
    char *one = run_read(run_path("steps.csv"), &size);
    assert_non_null(strstr(one, "\n# block 1\n"));
    free(one);
    char *sites = run_read(run_path("sites.csv"), &size),
         *blocks = run_read(run_path("blocks.csv"), &size);
    assert_non_null(strstr(sites, "\n# demo, self_attn.k_proj\n"));
    assert_non_null(strstr(blocks, "\n# demo\n"));
    free(sites);
    free(blocks);
}

/* Every figure of it, of a paused learning too, is made again by another store. */
static void test_figures(void **ctx)
{
    (void)ctx;
    static const char *const figures[] = {
        "learn until=9; plot learning scale=log",
        "learn until=9; plot flatness side=input scale=log channel=7",
        "learn until=9; plot transform side=input form=channels",
        "learn; plot transform",
        "kv bits=4; method flatquant scope=block steps=2 batch=2; learn until=1; learn "
        "2.down_proj; "
        "plot learning form=blocks",
        "solve all; plot landscape",
        "method hadamard; solve all; plot landscape form=all",
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char script[1024], store[32];
        snprintf(script, sizeof script, "%s file=%s", figures[i], run_path("figure.png"));
        run r = run_in("figures", script);
        assert_int_equal(r.status, 0);
        run_free(&r);
        snprintf(script, sizeof script, "rebuild %s", run_path("figure.png"));
        snprintf(store, sizeof store, "again-%zu", i);
        r = RUN("--json", "--store", run_path(store), "-c", script);
        if (r.status != 0 || !json_is_true(json_object_get(run_last(&r), "same"))) {
            fprintf(stderr, "%s: not the same\n%s\n%s\n", figures[i], r.out, r.err);
            fail();
        }
        run_free(&r);
        run again = run_in("figures", "learn reset");
        run_free(&again);
    }
}

/* W4A4 of the whole demo, as the figures above have learned it: what is learned beats what is not,
 * with Astro and GPTQ behind it, too. */
static void test_perplexity(void **ctx)
{
    (void)ctx;
    run r = run_in("figures", "solve all; perplexity which=after windows=4; method none "
                              "slot=transform; solve all; perplexity which=after windows=4");
    const double learned = run_number(run_result(&r, 5), "perplexity");
    expect_less(learned, run_number(run_result(&r, 8), "perplexity"));
    expect_less(run_number(run_result(&r, 4), "function_error"), 1e-4);
    run_free(&r);
    r = run_in("figures", "method astro beta=1e-4; method gptq bits=4 group_size=0; solve all; "
                          "perplexity which=after windows=4");
    expect_less(run_number(run_last(&r), "perplexity"), 1.1 * learned);
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_rotations),
        cmocka_unit_test(test_learned_rotations_fold),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cost_leaves_nothing),
        cmocka_unit_test(test_takes_back),
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_perplexity),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
