/* FlatQuant on whole blocks of mixtures of experts, through the program: of tiny ones of every
 * kind, and of one that predicts. */
#include "tests/e2e/run_planish.h"

#include "tests/support/demo_mixture.h"

/* The commands before `learn`. */
static void put_learning(int steps, char out[1024])
{
    snprintf(out, 1024,
             "calibrate text='%s/calibration.txt' length=64 windows=4; method rtn bits=4 "
             "group_size=0; method flatquant scope=block steps=%d batch=4",
             run_demo_folder(), steps);
}

/* The loss of a block whose weights are random: in the first dozens of steps tokens go to other
 * experts than in full precision and back, and it rises and falls. */
static void check_falls(const pl_temp *model, const char *store, const char *layer)
{
    char learning[1024], script[1200];
    put_learning(150, learning);
    snprintf(script, sizeof script, "%s; learn %s", learning, layer);
    run r = RUN("--json", "--store", store, model->folder, "-c", script);
    const json_t *learned = run_last(&r);
    expect_less(run_number(learned, "loss"), run_number(learned, "loss_first"));
    run_free(&r);
}

/* layer: of an expert.  Its block's loss falls; what is learned, cut off and gone on with, ends
 * where it would have ended; and without quantized activations the model's perplexity is that of
 * the exported weights, into which the transforms are folded back. */
static void check_mixture(const char *name, const char *layer)
{
    char learning[1024], script[8192], text[2048], dir[64], store[64], other[64];
    pl_temp temp;
    print_message("  %s\n", name);
    pl_temp_init(&temp);
    formula_write_demo(name, &temp);
    const char *folder = run_demo_folder();
    snprintf(text, sizeof text, "perplexity text='%s/evaluation.txt' length=64 windows=4", folder);
    snprintf(dir, sizeof dir, "mixture-%s", name);
    snprintf(store, sizeof store, "store-%s", name);
    snprintf(other, sizeof other, "other-%s", name);
    put_learning(12, learning);
    snprintf(script, sizeof script,
             "%s; solve all sequential=no; learn %s; %s which=after; export dir=%s dtype=f32",
             learning, layer, text, run_path(dir));
    run r = RUN("--json", "--store", run_path(store), temp.folder, "-c", script);
    const json_t *learned = run_result(&r, 5), *measured = run_result(&r, 6);
    assert_true(json_is_true(json_object_get(learned, "done")));
    expect_less(run_number(run_result(&r, 4), "function_error"), 1e-4);
    expect_less(0, run_number(measured, "kl_mean"));
    run folded = RUN("--json", run_path(dir), "-c", text);
    pl_check_close(run_number(run_last(&folded), "perplexity"), run_number(measured, "perplexity"),
                   1e-5, 0);
    for (int until = 3; until <= 12; until += 3) {
        char part[1200];
        snprintf(part, sizeof part, "%s; learn %s until=%d", learning, layer, until);
        run cut = RUN("--json", "--store", run_path(other), temp.folder, "-c", part);
        pl_check_close(run_number(run_last(&cut), "step"), until, 0, 0);
        if (until == 12) {
            pl_check_close(run_number(run_last(&cut), "loss"), run_number(learned, "loss"), 0, 0);
        }
        run_free(&cut);
    }
    check_falls(&temp, run_path(other), layer);
    run_free(&r);
    run_free(&folded);
    pl_temp_deinit(&temp);
}

static void test_mixtures(void **ctx)
{
    (void)ctx;
    static const char *const names[][2] = {
        {"mixtral", "1.3.down"},     {"qwen2_moe", "1.3.down"},  {"qwen3_moe", "1.3.down"},
        {"olmoe", "1.3.down"},       {"gpt_oss", "1.3.down"},    {"llama4", "1.3.down"},
        {"deepseek_v2", "2.3.down"}, {"deepseek_v3", "2.3.down"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_mixture(names[i][0], names[i][1]);
    }
}

/* A mixture that predicts, with outliers: W4A4 behind what is learned is near to full precision,
 * and far from it without. */
static void test_it_helps(void **ctx)
{
    (void)ctx;
    char script[4096], text[1024];
    pl_temp temp;
    pl_temp_init(&temp);
    demo_mixture_write(&temp);
    const char *folder = run_demo_folder();
    snprintf(text, sizeof text, "perplexity text='%s/evaluation.txt' length=128 windows=4", folder);
    snprintf(script, sizeof script,
             "%s; calibrate text='%s/calibration.txt' length=128 windows=8; method rtn bits=4 "
             "group_size=0; activations bits=4; solve all sequential=no; %s which=after; method "
             "flatquant scope=block steps=24 batch=2; solve all sequential=no; %s which=after",
             text, folder, text, text);
    run r = RUN("--json", "--store", run_path("helps"), temp.folder, "-c", script);
    const double full = run_number(run_result(&r, 1), "perplexity");
    const json_t *plain = run_result(&r, 6), *learned = run_last(&r);
    expect_less(full, 2.0);
    expect_less(run_number(learned, "kl_mean"), 0.2 * run_number(plain, "kl_mean"));
    run_free(&r);
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_helps),
        cmocka_unit_test(test_mixtures),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
