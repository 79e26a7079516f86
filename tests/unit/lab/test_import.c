/* Imports by the library: partial checkpoints, wrong shapes, other tensors, a model of matrices. */
#include "core/lab/import.h"

#include "core/lab/weights.h"
#include "core/model/bare.h"
#include "tests/support/demo_lab.h"
#include "tests/support/matrices.h"

#include <math.h>

typedef struct seen {
    pl_state *state;
    size_t count;
} seen;

static void take(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    seen *s = ctx;
    pl_error err;
    (void)report;
    pl_check_ok(pl_state_import_layer(s->state, layer, result, &err), err);
    s->count++;
}

static pl_status import_file(demo_lab *d, const char *path, size_t only, pl_import_report *report,
                             pl_error *err)
{
    pl_import *import = NULL;
    seen s = {.state = &d->state};
    pl_status status = pl_import_open(&d->state, path, &import, NULL, err);
    if (status == PL_OK) {
        status = pl_state_set_import(&d->state, path, pl_import_id(import), err);
    }
    if (status == PL_OK) {
        status = pl_import_layers(demo_context(d), import, only, take, &s, report, err);
    }
    if (status == PL_OK) {
        assert_int_equal(s.count, report->layers);
    }
    pl_import_close(import);
    return status;
}

/* A model of three matrices with inputs for the first. */
static void matrices_lab(demo_lab *d)
{
    pl_error err;
    char weights[600], inputs[600];
    pl_model *model = NULL;
    pl_source *source = NULL;
    demo_lab_init(d);
    snprintf(weights, sizeof weights, "%s/W.safetensors", d->temp.folder);
    snprintf(inputs, sizeof inputs, "%s/X.safetensors", d->temp.folder);
    PL_WRITE_MATRICES(weights, {"a.weight", 6, 16, 1, PL_F32}, {"b.weight", 5, 16, 2, PL_F32},
                      {"c", 4, 8, 3, PL_F32});
    PL_WRITE_MATRICES(inputs, {"a.input", 60, 16, 4, PL_F32});
    pl_check_ok(pl_model_open_matrices(weights, inputs, &model, &err), err);
    pl_check_ok(pl_source_create(model, weights, NULL, &source, &err), err);
    pl_check_ok(pl_state_set_source(&d->state, source, &err), err);
    pl_source_release(source);
}

static void part_of_the_layers(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_import_report report;
    float w[6 * 16];
    matrices_lab(&d);
    const char *path = pl_temp_path(&d.temp, "other.safetensors");
    PL_WRITE_MATRICES(path, {"a.weight", 6, 16, 9, PL_F16}, {"c", 4, 8, 3, PL_F32},
                      {"z", 2, 2, 5, PL_F32});
    pl_check_ok(import_file(&d, path, SIZE_MAX, &report, &err), err);
    assert_int_equal(report.layers, 2);
    assert_int_equal(report.missing, 1);
    assert_int_equal(report.same, 1);          /* c */
    assert_true(isnan(report.relative_error)); /* c has no inputs */
    assert_true(pl_state_is_imported(&d.state, 0));
    assert_false(pl_state_is_imported(&d.state, 1));
    assert_int_equal(pl_state_solved_count(&d.state), 2);
    pl_check_ok(
        pl_weights_read(demo_context(&d), 0, (pl_weights_of){.which = PL_WHICH_AFTER}, w, &err),
        err);
    for (size_t e = 0; e < 6 * 16; e++) {
        pl_check_close(w[e], pl_test_value(9, e / 16, e % 16), 0, 0);
    }
    /* tr((W - W0) G (W - W0)^T) / tr(W0 G W0^T), over the rows of X. */
    double top = 0, bottom = 0;
    for (size_t t = 0; t < 60; t++) {
        for (size_t r = 0; r < 6; r++) {
            double y = 0, moved = 0;
            for (size_t c = 0; c < 16; c++) {
                double x = (double)pl_test_value(4, t, c);
                y += x * (double)pl_test_value(1, r, c);
                moved += x * ((double)pl_test_value(9, r, c) - (double)pl_test_value(1, r, c));
            }
            top += moved * moved;
            bottom += y * y;
        }
    }
    pl_solve_report one;
    pl_id result;
    pl_check_ok(pl_solve_layer(demo_context(&d), 0, &one, &result, &err), err);
    pl_check_close(one.relative_error, top / bottom, 1e-5, 0);
    assert_true(isnan(one.bound));
    assert_true(isnan(one.gap));
    demo_lab_deinit(&d);
}

static void what_does_not_fit(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_import_report report;
    matrices_lab(&d);
    const char *path = pl_temp_path(&d.temp, "other.safetensors");
    PL_WRITE_MATRICES(path, {"a.weight", 7, 16, 9, PL_F32});
    assert_int_equal(import_file(&d, path, SIZE_MAX, &report, &err), PL_ERR_FORMAT);
    pl_check_says(err,
                  "other.safetensors: a has the shape [7, 16] there, [6, 16] in W.safetensors");
    path = pl_temp_path(&d.temp, "strange.safetensors");
    PL_WRITE_MATRICES(path, {"zz", 7, 16, 9, PL_F32});
    assert_int_equal(import_file(&d, path, SIZE_MAX, &report, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "strange.safetensors: holds no layer such as a of W.safetensors");
    path = pl_temp_path(&d.temp, "poisoned.safetensors");
    pl_write_matrices(path, (const pl_test_matrix[]){{"a.weight", 6, 16, 9, PL_F32}}, 1, 18,
                      INFINITY);
    assert_int_equal(import_file(&d, path, SIZE_MAX, &report, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "tensor 'a.weight' holds an infinity at element 18 (row 1, column 2)");
    demo_lab_deinit(&d);
}

/* Its state: methods do not show through, `method` takes the layers back, copies keep it. */
static void an_import_is_the_layers_method(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_import_report report;
    pl_state copy;
    pl_buf commands = {0};
    matrices_lab(&d);
    demo_method(&d.state, "gptq bits=3");
    const char *path = pl_temp_path(&d.temp, "other.safetensors");
    PL_WRITE_MATRICES(path, {"a.weight", 6, 16, 9, PL_F32}, {"b.weight", 5, 16, 8, PL_F32});
    pl_check_ok(import_file(&d, path, SIZE_MAX, &report, &err), err);
    assert_string_equal(pl_state_spec(&d.state, 0, PL_SLOT_PRECONDITION)->method->name, "import");
    assert_null(pl_state_spec(&d.state, 0, PL_SLOT_ROUND)->method);
    assert_string_equal(pl_state_spec(&d.state, 2, PL_SLOT_ROUND)->method->name, "gptq");
    pl_state_commands(&d.state, true, &commands);
    assert_non_null(strstr(commands.data, "import a after=other.safetensors\n"
                                          "import b after=other.safetensors\n"));
    pl_buf_deinit(&commands);
    /* Through JSON, and by copy. */
    json_t *json = pl_state_to_json(&d.state);
    pl_check_ok(pl_state_restore(&copy, json, d.state.source, &err), err);
    json_decref(json);
    assert_int_equal(pl_state_import_count(&copy), 2);
    assert_true(pl_id_equal(copy.imported.id, d.state.imported.id));
    assert_true(pl_id_equal(*pl_state_result(&copy, 1), *pl_state_result(&d.state, 1)));
    pl_state_deinit(&copy);
    pl_check_ok(pl_state_copy(&copy, &d.state, &err), err);
    pl_state_drop_imports(&copy, "b");
    assert_true(pl_state_is_imported(&copy, 0));
    assert_false(pl_state_is_imported(&copy, 1));
    assert_true(pl_state_is_imported(&d.state, 1));
    pl_state_drop_imports(&copy, NULL);
    assert_null(copy.imported.path);
    assert_null(pl_state_result(&copy, 0));
    pl_state_deinit(&copy);
    /* Another checkpoint drops the layers of this one. */
    path = pl_temp_path(&d.temp, "third.safetensors");
    PL_WRITE_MATRICES(path, {"a", 6, 16, 7, PL_F32}, {"b", 5, 16, 6, PL_F32});
    pl_check_ok(import_file(&d, path, 1, &report, &err), err);
    assert_int_equal(report.layers, 1);
    assert_false(pl_state_is_imported(&d.state, 0));
    assert_true(pl_state_is_imported(&d.state, 1));
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_of_the_layers),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(an_import_is_the_layers_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
