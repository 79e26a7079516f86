/* SpinQuant's loss and its gradients by the rotations against PyTorch's autograd through
 * transformers and central differences in float64 (tests/golden/make_spin_values.py). */
#include "core/learn/spin.h"
#include "tests/support/formula_cases.h"

#include <math.h>

static json_t *values, *cases;

static float *floats_of(const json_t *array)
{
    float *out = malloc(json_array_size(array) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < json_array_size(array); i++) {
        out[i] = (float)json_number_value(json_array_get(array, i));
    }
    return out;
}

/* Each number of g within 1e-4 of the largest, and its sum along the formula's direction. */
static void check_gradient(const float *g, const json_t *want, const char *direction, double along)
{
    const size_t count = json_array_size(want);
    double most = 0.0, sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(json_number_value(json_array_get(want, i))));
        sum += (double)g[i] * (double)formula_number(direction, i);
    }
    expect_less(1e-3, most);
    for (size_t i = 0; i < count; i++) {
        pl_check_close(g[i], json_number_value(json_array_get(want, i)), 0, 1e-4 * most);
    }
    pl_check_close(sum, along, 1e-4, 1e-4 * most);
}

static void gradients_are_autograds(void **ctx)
{
    (void)ctx;
    size_t at;
    json_t *one;
    json_array_foreach(json_object_get(values, "cases"), at, one)
    {
        pl_error err;
        pl_temp temp;
        pl_model *model = NULL;
        pl_spin *spin = NULL;
        double loss = 0.0, again = 0.0;
        pl_temp_init(&temp);
        formula_write_hf(formula_case(cases, json_string_value(json_object_get(one, "name"))),
                         &temp);
        pl_check_ok(pl_model_open(temp.folder, &model, &err), err);
        const pl_act_grid grid = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
        const pl_spin_request request = {
            .model = model,
            .length = (size_t)json_integer_value(json_object_get(values, "length")),
            .windows = (size_t)json_integer_value(json_object_get(values, "windows")),
            .activations = grid,
            .kv = grid};
        const json_t *ids = json_object_get(one, "ids"), *along = json_object_get(one, "along");
        const json_t *g1 = json_object_get(one, "g1"), *g2 = json_object_get(one, "g2");
        int32_t *tokens = malloc(json_array_size(ids) * sizeof *tokens);
        float *r1 = floats_of(json_object_get(one, "r1")),
              *r2 = floats_of(json_object_get(one, "r2"));
        float *found1 = floats_of(g1), *found2 = floats_of(g2);
        assert_non_null(tokens);
        for (size_t i = 0; i < json_array_size(ids); i++) {
            tokens[i] = (int32_t)json_integer_value(json_array_get(ids, i));
        }
        pl_check_ok(pl_spin_create(&request, &spin, &err), err);
        pl_check_ok(pl_spin_value(spin, tokens, r1, r2, &loss, found1, found2, NULL, &err), err);
        pl_check_ok(pl_spin_value(spin, tokens, r1, r2, &again, NULL, NULL, NULL, &err), err);
        pl_check_close(loss, json_number_value(json_object_get(one, "loss")), 1e-5, 0);
        assert_memory_equal(&loss, &again, sizeof loss);
        check_gradient(found1, g1, "r1 direction", json_number_value(json_array_get(along, 0)));
        check_gradient(found2, g2, "r2 direction", json_number_value(json_array_get(along, 1)));
        pl_spin_destroy(spin);
        pl_model_close(model);
        pl_temp_deinit(&temp);
        float *const owned[] = {r1, r2, found1, found2};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
            free(owned[i]);
        }
        free(tokens);
    }
}

static void what_cannot_be_learned_is_refused(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *says;
    } bad[] = {{"gemma2", "norms"}, {"deepseek_v3", "deepseek_v3 has latent attention"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_error err;
        pl_temp temp;
        pl_model *model = NULL;
        pl_spin *spin = NULL;
        double loss = 0.0;
        pl_temp_init(&temp);
        formula_write_hf(formula_case(cases, bad[i].name), &temp);
        pl_check_ok(pl_model_open(temp.folder, &model, &err), err);
        const pl_act_grid grid = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
        const pl_spin_request request = {
            .model = model, .length = 8, .windows = 1, .activations = grid};
        const int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        float *r = calloc((size_t)1 << 14, sizeof *r);
        assert_non_null(r);
        pl_status status = pl_spin_create(&request, &spin, &err);
        PL_THEN(pl_spin_value(spin, ids, r, r, &loss, NULL, NULL, NULL, &err));
        assert_int_equal(status, PL_ERR_UNSUPPORTED);
        pl_check_says(err, bad[i].says);
        free(r);
        pl_spin_destroy(spin);
        pl_model_close(model);
        pl_temp_deinit(&temp);
    }
}

int main(void)
{
    values = golden_values("spin_values.json");
    cases = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_autograds),
        cmocka_unit_test(what_cannot_be_learned_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    json_decref(cases);
    return failed;
}
