#include "core/lab/weights.h"
#include "tests/support/demo_lab.h"

#include "core/io/packing.h"
#include "core/lab/export.h"
#include "core/metrics/perplexity.h"

enum { EVALUATED = 129 }; /* tokens of the text that are measured */

/* Two layers solved: one preconditioned and rounded, one rounded only. */
static void solve_two(demo_lab *d)
{
    demo_lab_init(d);
    demo_method(&d->state, "astro beta=0.003");
    demo_method(&d->state, "gptq bits=3");
    demo_override(&d->state, PL_SLOT_PRECONDITION, "*.k_proj", "");
    demo_solve(d, DEMO_Q1);
    demo_solve(d, DEMO_Q1 + 1);
}

static double measure(demo_lab *d, pl_model *model, const pl_hooks *hooks)
{
    pl_error err;
    pl_buf path = {0};
    const pl_tokens *tokens = NULL;
    pl_path_join(&path, d->state.source->demo, "evaluation.txt");
    const char *paths[] = {path.data};
    pl_check_ok(pl_lab_tokens(demo_context(d), paths, 1, &tokens, &err), err);
    pl_ppl_spec spec = {.length = EVALUATED, .windows = 1};
    pl_ppl_result found = {0};
    pl_check_ok(
        pl_perplexity(model, tokens->ids, tokens->count, &spec, hooks, false, &found, NULL, &err),
        err);
    pl_buf_deinit(&path);
    return found.perplexity;
}

/* Weights of the written folder are the state's, to the tolerance; perplexity to 1e-4. */
static void check_reopened(demo_lab *d, const char *folder, pl_which which, double tolerance,
                           pl_dtype dtype)
{
    pl_error err;
    pl_model *written = NULL;
    pl_check_ok(pl_model_open(folder, &written, &err), err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        const pl_layer *layer = pl_model_layer(written, i);
        assert_int_equal(layer->tensor->dtype, dtype);
        float *meant = demo_weights(d, i, which);
        float *found = calloc(layer->rows * layer->cols, sizeof *found);
        assert_non_null(found);
        pl_check_ok(pl_model_read_weight(written, i, found, &err), err);
        for (size_t k = 0; k < layer->rows * layer->cols; k++) {
            pl_check_close(found[k], meant[k], 0, tolerance);
        }
        free(meant);
        free(found);
    }
    pl_weights_ctx ctx;
    pl_hooks hooks = pl_weights_hooks(&ctx, (pl_context){d->lab, &d->state, NULL}, which);
    pl_check_close(measure(d, written, NULL), measure(d, d->state.source->model, &hooks), 1e-4, 0);
    pl_model_close(written);
}

static void test_f32_is_exact(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_export_report report;
    solve_two(&d);
    char folder[600];
    snprintf(folder, sizeof folder, "%s/out", d.temp.folder);
    pl_export_spec spec = {.folder = folder, .which = PL_WHICH_AFTER, .dtype = PL_F32};
    pl_check_ok(pl_export(demo_context(&d), &spec, &report, &err), err);
    pl_check_close(report.max_dtype_error, 0, 0, 0);
    assert_int_equal(report.files, pl_temp_count_names(folder));
    expect_less(4 * 1098000, report.bytes);
    check_reopened(&d, folder, PL_WHICH_AFTER, 0, PL_F32);

    json_t *config = json_load_file(pl_temp_path(&d.temp, "out/config.json"), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(config, "torch_dtype")), "float32");
    json_decref(config);
    demo_lab_deinit(&d);
}

/* transformers 4.56 and later write "dtype", and read it before "torch_dtype". */
static void test_newer_name_of_the_dtype(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_export_report report;
    static const char *const folders[] = {"first", "second"};
    static const char *const types[] = {"float32", "float16"};
    solve_two(&d);
    for (size_t i = 0; i < 2; i++) {
        char folder[600], path[700];
        snprintf(folder, sizeof folder, "%s/%s", d.temp.folder, folders[i]);
        pl_export_spec spec = {
            .folder = folder, .which = PL_WHICH_BEFORE, .dtype = i == 0 ? PL_F32 : PL_F16};
        pl_check_ok(pl_export(demo_context(&d), &spec, &report, &err), err);
        snprintf(path, sizeof path, "%s/config.json", folder);
        json_t *config = json_load_file(path, 0, NULL);
        assert_non_null(config);
        const char *name = i == 0 ? "torch_dtype" : "dtype";
        assert_string_equal(json_string_value(json_object_get(config, name)), types[i]);
        assert_null(json_object_get(config, i == 0 ? "dtype" : "torch_dtype"));
        if (i == 0) {
            json_object_set_new(config, "dtype", json_string("bfloat16"));
            json_object_del(config, "torch_dtype");
            assert_int_equal(json_dump_file(config, path, 0), 0);
            pl_model *model = NULL;
            pl_source *source = NULL;
            pl_check_ok(pl_model_open(folder, &model, &err), err);
            pl_check_ok(pl_source_create(model, folder, NULL, &source, &err), err);
            pl_check_ok(pl_state_set_source(&d.state, source, &err), err);
            pl_source_release(source);
        }
        json_decref(config);
    }
    demo_lab_deinit(&d);
}

static void test_own_dtype_is_kept(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_export_report report;
    char folder[600];
    char *text = NULL;
    char *copy = NULL;
    size_t size = 0;
    size_t copied = 0;
    solve_two(&d);
    snprintf(folder, sizeof folder, "%s/out", d.temp.folder);
    pl_export_spec spec = {
        .folder = folder, .which = PL_WHICH_PRECONDITIONED, .dtype = PL_DTYPE_OTHER};
    pl_check_ok(pl_export(demo_context(&d), &spec, &report, &err), err);
    expect_less(0, report.max_dtype_error);
    expect_less(report.max_dtype_error, 1e-3);
    check_reopened(&d, folder, PL_WHICH_PRECONDITIONED, report.max_dtype_error, PL_F16);
    static const char *const same[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < 3; i++) {
        pl_buf from = {0};
        pl_buf to = {0};
        pl_path_join(&from, d.state.source->demo, same[i]);
        pl_path_join(&to, folder, same[i]);
        pl_check_ok(pl_file_read_all(from.data, 1 << 20, &text, &size, &err), err);
        pl_check_ok(pl_file_read_all(to.data, 1 << 20, &copy, &copied, &err), err);
        assert_int_equal(size, copied);
        assert_memory_equal(text, copy, size);
        free(text);
        free(copy);
        pl_buf_deinit(&from);
        pl_buf_deinit(&to);
    }
    demo_lab_deinit(&d);
}

/* Of layers that are as wide as a group, and wider ones: the group's size; -1 only where no row of
 * any has two groups. */
static void test_one_group_size(void **ctx)
{
    (void)ctx;
    static const pl_pack_module modules[] = {
        {.name = "q",
         .packed = true,
         .bits = 4,
         .in_order = true,
         .one_group = true,
         .group_size = 64},
        {.name = "o", .in_order = true, .one_group = false, .group_size = 7},
        {.name = "down", .packed = true, .bits = 4, .in_order = true, .group_size = 64}};
    static const struct {
        const char *name;
        size_t count;
        json_int_t size;
    } cases[] = {
        {"gptq", 2, -1}, {"gptq", 3, 64}, {"gptq_v2", 3, 64}, {"awq", 2, -1}, {"awq", 3, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pl_packing *packing = NULL;
        for (size_t k = 0; k < PL_PACKING_COUNT; k++) {
            packing =
                strcmp(pl_packing_at(k)->name, cases[i].name) == 0 ? pl_packing_at(k) : packing;
        }
        assert_non_null(packing);
        json_t *config = packing->config(modules, cases[i].count, PL_PACK_DENSE);
        assert_int_equal(json_integer_value(json_object_get(config, "group_size")), cases[i].size);
        json_decref(config);
    }
}

static void check_refused(demo_lab *d, const char *folder, pl_status code, const char *says)
{
    pl_error err;
    pl_export_report report;
    size_t before = pl_temp_count_names(d->temp.folder);
    pl_export_spec spec = {.folder = folder, .which = PL_WHICH_AFTER, .dtype = PL_F32};
    assert_int_equal(pl_export(demo_context(d), &spec, &report, &err), code);
    pl_check_says(err, says);
    assert_int_equal(pl_temp_count_names(d->temp.folder), before); /* nothing half-written stays */
}

static void test_refuses_and_leaves_nothing(void **ctx)
{
    (void)ctx;
    demo_lab d;
    char folder[1100];
    solve_two(&d);
    snprintf(folder, sizeof folder, "%s", pl_temp_write(&d.temp, "there", "mine", 4));
    check_refused(&d, folder, PL_ERR_IO, "already there");
    snprintf(folder, sizeof folder, "%s/no/such", d.temp.folder);
    check_refused(&d, folder, PL_ERR_IO, "No such file");
    /* A result that the store has lost. */
    d.state.solved[DEMO_Q1].result = (pl_id){.high = 1, .low = 2};
    snprintf(folder, sizeof folder, "%s/lost", d.temp.folder);
    check_refused(&d, folder, PL_ERR_NOT_FOUND, "model.layers.1.self_attn.q_proj");
    demo_lab_deinit(&d);
}

static void test_cancelled_leaves_nothing(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    char folder[700];
    pl_export_report report;
    pl_task task = {0};
    solve_two(&d);
    snprintf(folder, sizeof folder, "%s/out", d.temp.folder);
    size_t before = pl_temp_count_names(d.temp.folder);
    pl_export_spec spec = {.folder = folder, .which = PL_WHICH_AFTER, .dtype = PL_F32};
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_export((pl_context){d.lab, &d.state, &task}, &spec, &report, &err),
                     PL_ERR_CANCELLED);
    assert_int_equal(pl_temp_count_names(d.temp.folder), before);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_is_exact),
        cmocka_unit_test(test_own_dtype_is_kept),
        cmocka_unit_test(test_newer_name_of_the_dtype),
        cmocka_unit_test(test_one_group_size),
        cmocka_unit_test(test_refuses_and_leaves_nothing),
        cmocka_unit_test(test_cancelled_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
