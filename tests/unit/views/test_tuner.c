/* The knob: its positions, its range, and that left undoes right; the key table. */
#include "views/tuner.h"

#include <string.h>

#include "tests/support/check.h"

static void check_param(const pl_param *param)
{
    double value = param->initial;
    for (int i = 0; i < 40; i++) {
        double right = pl_tuner_step(param, value, 1);
        assert_true(right >= param->minimum && right <= param->maximum);
        if (right == value || param->type == PL_PARAM_CHOICE) {
            break;
        }
        assert_true(right > value);
        if (right < param->maximum && value > param->minimum) {
            pl_check_close(pl_tuner_step(param, right, -1), value, 1e-9, 0);
        }
        value = right;
    }
}

static void test_every_parameter(void **state)
{
    (void)state;
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        for (size_t i = 0; i < (*m)->n_params; i++) {
            check_param(&(*m)->params[i]);
        }
    }
}

static void test_beta(void **state)
{
    (void)state;
    const pl_method *astro = pl_method_find("astro");
    assert_non_null(astro);
    const pl_param *beta = &astro->params[pl_method_param(astro, "beta")];
    double up = pl_tuner_step(beta, beta->initial, 1);
    assert_true(up > beta->initial);
    pl_check_close(pl_tuner_step(beta, up, -1), beta->initial, 1e-12, 0);
    /* A typed value falls in at the next position. */
    double typed = beta->initial * 1.05;
    assert_true(pl_tuner_step(beta, typed, 1) > typed);
    assert_true(pl_tuner_step(beta, typed, -1) < typed);
}

static void test_choices_turn_round(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "b", "c", NULL};
    const pl_param choice = {
        .name = "x", .type = PL_PARAM_CHOICE, .maximum = 2, .choices = words, .step = 1};
    pl_check_close(pl_tuner_step(&choice, 2, 1), 0, 0, 0);
    pl_check_close(pl_tuner_step(&choice, 0, -1), 2, 0, 0);
}

static void test_keys(void **state)
{
    (void)state;
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        assert_int_equal(pl_key_action('?', pane), PL_ACT_HELP);
        assert_int_equal(pl_key_action(':', pane), PL_ACT_PROMPT);
        assert_int_equal(pl_key_action('q', pane), PL_ACT_QUIT);
        assert_int_equal(pl_key_action(0x1f600, pane), PL_ACT_NONE);
    }
    /* No key has two meanings in a pane. */
    for (const pl_binding *a = pl_bindings(); a->name != NULL; a++) {
        for (const pl_binding *b = pl_bindings(); b != a; b++) {
            assert_false(a->key == b->key && (a->where & b->where) != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_parameter),
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_choices_turn_round),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
