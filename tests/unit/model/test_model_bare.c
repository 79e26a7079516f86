#include "core/model/bare.h"

#include "core/io/npy.h"
#include "tests/support/matrices.h"
#include "tests/support/temp.h"

#include <string.h>

typedef struct files {
    pl_temp temp;
    char weights[1100], inputs[1100];
} files;

static void files_init(files *f)
{
    pl_temp_init(&f->temp);
    snprintf(f->weights, sizeof f->weights, "%s/W.safetensors", f->temp.folder);
    snprintf(f->inputs, sizeof f->inputs, "%s/X.safetensors", f->temp.folder);
}

static void check_layer(const pl_model *model, size_t index, const char *name, size_t rows,
                        size_t cols, const char *inputs)
{
    const pl_layer *layer = pl_model_layer(model, index);
    const pl_tensor *x = pl_model_site_inputs(model, layer->site);
    assert_string_equal(layer->name, name);
    assert_int_equal(layer->rows, rows);
    assert_int_equal(layer->cols, cols);
    assert_int_equal(pl_model_site(model, layer->site)->cols, cols);
    assert_int_equal(pl_model_is_blind(model, index), inputs == NULL);
    if (inputs != NULL) {
        assert_non_null(x);
        assert_string_equal(x->name, inputs);
    }
}

static void pairs_by_name(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"net.10.q.weight", 6, 8, 1, PL_BF16},
                      {"net.2.q.weight", 5, 8, 2, PL_F32}, {"net.2.v.weight", 4, 8, 3, PL_F16},
                      {"net.2.o", 3, 5, 4, PL_F32}, {"net.2.q.bias", 5, 0, 5, PL_F32},
                      {"net.3.p.weight", 3, 7, 6, PL_F32});
    PL_WRITE_MATRICES(f.inputs, {"net.10.q.weight", 9, 8, 7, PL_F32},
                      {"net.10.q.input", 9, 9, 8, PL_F32}, {"net.2.q.input", 9, 8, 9, PL_F32},
                      {"net.2.v", 9, 8, 10, PL_F16}, {"net.2.o.input", 9, 5, 11, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &model, &err), err);
    assert_true(pl_model_is_bare(model));
    assert_int_equal(pl_model_layer_count(model), 5);
    check_layer(model, 0, "net.2.o", 3, 5, "net.2.o.input");
    check_layer(model, 1, "net.2.q", 5, 8, "net.2.q.input");
    check_layer(model, 2, "net.2.v", 4, 8, "net.2.v");
    check_layer(model, 3, "net.3.p", 3, 7, NULL);
    check_layer(model, 4, "net.10.q", 6, 8, "net.10.q.weight");
    assert_string_equal(pl_model_layer(model, 4)->brief, "10.q");
    float w[48];
    pl_check_ok(pl_model_read_weight(model, 4, w, &err), err);
    for (size_t e = 0; e < 48; e++) {
        pl_check_close(w[e], pl_test_value(1, e / 8, e % 8), 0, 0);
    }
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

static void finds_layers_as_they_are_typed(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    size_t index = 99;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"a.1.q.weight", 2, 2, 1, PL_F32},
                      {"a.2.q.weight", 2, 2, 2, PL_F32}, {"a.2.k.weight", 2, 2, 3, PL_F32},
                      {"a.x y;z", 2, 2, 4, PL_F32}, {"a.x_y_z", 2, 2, 5, PL_F32});
    pl_check_ok(pl_model_open(f.weights, &model, &err), err); /* no config.json: matrices */
    static const struct {
        const char *typed;
        size_t index;
    } cases[] = {{"a.1.q", 0},        {"a.1.q.weight", 0}, {"1.q", 0},   {"2.k", 1},      {"k", 1},
                 {"a.2.q.weight", 2}, {"a.x y;z", 3},      {"x_y_z", 3}, {"a.x_y_z~4", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_check_ok(pl_model_find_layer(model, cases[i].typed, &index, &err), err);
        assert_int_equal(index, cases[i].index);
    }
    assert_int_equal(pl_model_find_layer(model, "q", &index, &err), PL_ERR_USAGE);
    pl_check_says(err, "'q' names 2 layers, as a.1.q and a.2.q");
    assert_int_equal(pl_model_find_layer(model, "2.qq", &index, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "no layer '2.qq': did you mean");
    assert_true(pl_model_layer_matches(model, 1, "2.*"));
    assert_true(pl_model_layer_matches(model, 1, "k"));
    assert_true(pl_model_layer_matches(model, 1, "a.2.k"));
    assert_false(pl_model_layer_matches(model, 0, "2.*"));
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

/* Two weights whose rule leads to one tensor see the same inputs. */
static void weights_of_one_input_share_a_site(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"a", 2, 4, 1, PL_F32}, {"a.weight", 3, 4, 2, PL_F32},
                      {"b", 2, 4, 3, PL_F32});
    PL_WRITE_MATRICES(f.inputs, {"a", 5, 4, 4, PL_F32}, {"b.input", 5, 4, 5, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &model, &err), err);
    assert_int_equal(pl_model_layer_count(model), 3);
    assert_int_equal(pl_model_site_count(model), 2);
    check_layer(model, 0, "a", 2, 4, "a");
    check_layer(model, 1, "a.weight", 3, 4, "a");
    check_layer(model, 2, "b", 2, 4, "b.input");
    assert_int_equal(pl_model_site(model, 0)->n_layers, 2);
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

/* Dumps of q, k and v have one X under three names, with other layers between; another of that
 * shape stays apart. */
static void equal_inputs_of_other_names_are_one_site(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"k.weight", 2, 4, 1, PL_F32}, {"o.weight", 3, 4, 2, PL_F32},
                      {"q.weight", 2, 4, 3, PL_F32}, {"u.weight", 2, 4, 7, PL_F32},
                      {"v.weight", 5, 4, 4, PL_F32}, {"w.weight", 5, 4, 8, PL_F32});
    PL_WRITE_MATRICES(f.inputs, {"k.input", 70, 4, 4, PL_F32}, {"o.input", 70, 4, 5, PL_F32},
                      {"q.input", 70, 4, 4, PL_F32}, {"u.input", 70, 4, 4, PL_F16},
                      {"v.input", 70, 4, 4, PL_F32}, {"w.input", 71, 4, 4, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &model, &err), err);
    assert_int_equal(pl_model_site_count(model), 4);
    check_layer(model, 0, "k", 2, 4, "k.input");
    check_layer(model, 2, "q", 2, 4, "k.input");
    check_layer(model, 3, "u", 2, 4, "u.input");
    check_layer(model, 4, "v", 5, 4, "k.input");
    assert_int_equal(pl_model_site(model, 0)->n_layers, 3);
    assert_int_equal(pl_model_layer(model, 4)->site, 0);
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

static void arrays_without_names_are_a_pair(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    static const float w[12] = {1}, x[20] = {2};
    char weights[1100], inputs[1100];
    files_init(&f);
    snprintf(weights, sizeof weights, "%s/left.npy", f.temp.folder);
    snprintf(inputs, sizeof inputs, "%s/right.npy", f.temp.folder);
    pl_check_ok(pl_npy_write(weights, (pl_view){w, 3, 4, 4}, 0, &err), err);
    pl_check_ok(pl_npy_write(inputs, (pl_view){x, 5, 4, 4}, 0, &err), err);
    PL_WRITE_MATRICES(f.inputs, {"any", 6, 4, 1, PL_F32});
    pl_check_ok(pl_model_open_matrices(weights, inputs, &model, &err), err);
    check_layer(model, 0, "left", 3, 4, "right");
    pl_id one = {0}, other = {0};
    pl_check_ok(pl_model_identity(model, &one, NULL, &err), err);
    pl_model_close(model);
    pl_check_ok(pl_model_open_matrices(weights, f.inputs, &model, &err), err);
    check_layer(model, 0, "left", 3, 4, "any");
    pl_check_ok(pl_model_identity(model, &other, NULL, &err), err);
    assert_false(pl_id_equal(one, other)); /* covers the inputs */
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

static void check_refused(const files *f, const char *inputs, pl_status code, const char *says)
{
    pl_error err = {0};
    pl_model *model = NULL;
    assert_int_equal(pl_model_open_matrices(f->weights, inputs, &model, &err), code);
    assert_null(model);
    pl_check_says(err, says);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    files f;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"q.weight", 4, 8, 1, PL_F32});
    PL_WRITE_MATRICES(f.inputs, {"q.input", 5, 6, 2, PL_F32});
    check_refused(
        &f, f.inputs, PL_ERR_FORMAT,
        "X.safetensors: the inputs 'q.input' have the shape [5, 6]; the weight 'q.weight' "
        "of ");
    check_refused(&f, f.inputs, PL_ERR_FORMAT, "is [4, 8], so [tokens, 8] was expected");
    PL_WRITE_MATRICES(f.inputs, {"q.input", 8, 0, 2, PL_F32});
    check_refused(&f, f.inputs, PL_ERR_FORMAT, "have the shape [8];");
    PL_WRITE_MATRICES(f.inputs, {"z", 5, 8, 2, PL_F32}, {"zz", 5, 8, 3, PL_F32});
    check_refused(&f, f.inputs, PL_ERR_FORMAT,
                  "none of its 2 tensors ('z', ...) is named like a weight of");
    check_refused(&f, f.inputs, PL_ERR_FORMAT, "it is 'q.weight', 'q.input' or 'q'");
    PL_WRITE_MATRICES(f.weights, {"q.bias", 4, 0, 1, PL_F32});
    check_refused(&f, NULL, PL_ERR_FORMAT, "holds no matrix [out, in] of F32, F16 or BF16");
    check_refused(&f, "no/such.npy", PL_ERR_NOT_FOUND, "no/such.npy");
    pl_temp_deinit(&f.temp);
}

static void says_what_it_cannot_do(void **state)
{
    (void)state;
    files f;
    pl_error err;
    pl_model *model = NULL;
    const pl_tokenizer *tokenizer = NULL;
    files_init(&f);
    PL_WRITE_MATRICES(f.weights, {"q.weight", 4, 8, 1, PL_F32}, {"k.weight", 4, 8, 2, PL_F32});
    PL_WRITE_MATRICES(f.inputs, {"q.input", 5, 8, 2, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &model, &err), err);
    assert_int_equal(pl_model_need_forward(model, "perplexity", &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "perplexity needs a forward pass, and W.safetensors holds matrices");
    assert_int_equal(pl_model_need_tokenizer(model, &tokenizer, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "W.safetensors holds matrices: it has no tokenizer");
    pl_check_ok(pl_model_need_inputs(model, 1, &err), err);
    assert_int_equal(pl_model_need_inputs(model, 0, &err), PL_ERR_STATE);
    pl_check_says(err, "k: this needs its inputs, and X.safetensors holds no 'k.input'");
    pl_model_close(model);
    pl_temp_deinit(&f.temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_by_name),
        cmocka_unit_test(finds_layers_as_they_are_typed),
        cmocka_unit_test(weights_of_one_input_share_a_site),
        cmocka_unit_test(equal_inputs_of_other_names_are_one_site),
        cmocka_unit_test(arrays_without_names_are_a_pair),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(says_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
