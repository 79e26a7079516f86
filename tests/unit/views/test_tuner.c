/* The knob: its positions, its range, and that left undoes right; the key table. */
#include "views/ruler.h"
#include "views/tuner.h"

#include <math.h>
#include <string.h>

#include "tests/support/check.h"

static void check_param(const pl_param *param)
{
    double value = param->initial;
    for (int i = 0; i < 40; i++) {
        double right = pl_tuner_step(param, value, 1);
        expect_at_most(param->minimum, right);
        expect_at_most(right, param->maximum);
        if (right == value || param->type == PL_PARAM_CHOICE) {
            break;
        }
        expect_less(value, right);
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
    expect_less(beta->initial, up);
    pl_check_close(pl_tuner_step(beta, up, -1), beta->initial, 1e-12, 0);
    /* A typed value falls in at the next position. */
    double typed = beta->initial * 1.05;
    expect_less(typed, pl_tuner_step(beta, typed, 1));
    expect_less(pl_tuner_step(beta, typed, -1), typed);
}

static const pl_param *param_of(const char *method, const char *name)
{
    const pl_method *found = pl_method_find(method);
    assert_non_null(found);
    return &found->params[pl_method_param(found, name)];
}

/* Down to the end and up again: no position is stuck, and a 0 that means something is reached. */
static void check_down(const pl_param *param, double last)
{
    double value = param->initial;
    for (int i = 0; i < 100 && value > param->minimum; i++) {
        double left = pl_tuner_step(param, value, -1);
        expect_less(left, value);
        expect_at_most(param->minimum, left);
        value = left;
    }
    pl_check_close(value, last, 0, 0);
    expect_less(value, pl_tuner_step(param, value, 1));
}

static void test_knobs_to_the_end(void **state)
{
    (void)state;
    check_down(param_of("astro", "iterations"), 1);
    check_down(param_of("astro", "group_size"), 0);
    check_down(param_of("astro", "gap"), 0);
    check_down(param_of("astro", "rho"), 0);
    check_down(param_of("gptq", "damping"), 0);
    check_down(param_of("gptq", "bits"), 2);
    /* Powers of two; 8 is the least, then whole rows. */
    const pl_param *group = param_of("gptq", "group_size");
    pl_check_close(pl_tuner_step(group, 128, -2), 32, 0, 0);
    pl_check_close(pl_tuner_step(group, 8, -1), 0, 0, 0);
    pl_check_close(pl_tuner_step(group, 0, 1), 8, 0, 0);
    /* Several steps at once are as many single ones. */
    const pl_param *beta = param_of("astro", "beta");
    double value = 3e-4;
    for (int i = 0; i < 4; i++) {
        value = pl_tuner_step(beta, value, 1);
    }
    pl_check_close(pl_tuner_step(beta, 3e-4, 4), value, 0, 0);
}

static void test_ruler(void **state)
{
    (void)state;
    const pl_strength strength = {.low = 2e-5, .zero = 0.3, .tau = 1e3};
    pl_ruler ruler = pl_ruler_make(param_of("astro", "beta"), 3e-4, &strength, 576);
    assert_true(ruler.logarithmic);
    expect_less(ruler.low, strength.low);
    expect_less(strength.zero, ruler.high);
    int from = pl_ruler_column(&ruler, ruler.from, 40);
    int at = pl_ruler_column(&ruler, 3e-4, 40);
    int to = pl_ruler_column(&ruler, ruler.to, 40);
    expect_less(0, from);
    expect_less(from, at);
    expect_less(at, to);
    expect_less(to, 39);
    assert_int_equal(pl_ruler_column(&ruler, 1e-9, 40), 0); /* beyond the ends: at them */
    assert_int_equal(pl_ruler_column(&ruler, 1e9, 40), 39);
    ruler = pl_ruler_make(param_of("gptq", "bits"), 8, NULL, 576);
    assert_int_equal(pl_ruler_column(&ruler, ruler.value, 40), 39);
    ruler = pl_ruler_make(param_of("gptq", "group_size"), 0, NULL, 576); /* the whole row */
    assert_int_equal(pl_ruler_column(&ruler, ruler.value, 40), 39);
    ruler = pl_ruler_make(param_of("astro", "gap"), 0, NULL, 576);
    assert_int_equal(pl_ruler_column(&ruler, ruler.value, 40), 0);
    pl_buf words = {0};
    pl_ruler_words(4e-4, &strength, &words);
    assert_string_equal(words.data,
                        "acts from 2.0e-5; all zero at 0.300; tau 0.400 \u00d7 mean |w|");
    pl_buf_deinit(&words);
}

/* The first and the last number of a line. */
static void ends_of(const pl_surface *surface, int cols, char *low, char *high)
{
    char text[256] = "";
    for (int x = 0; x < cols; x++) {
        const uint32_t code = surface->cells[x].code;
        text[x] = (char)(code >= 0x80 ? '-' : code == 0 ? ' ' : code);
    }
    assert_int_equal(sscanf(text, "%15[^ ] %*[-|O=] %15[^ ]", low, high), 2);
}

/* However wide the pane: the same ends, and the value and the useful part at the same shares. */
static void test_ruler_keeps_its_ends(void **state)
{
    (void)state;
    pl_error err;
    const pl_strength strength = {.low = 2e-5, .zero = 0.3, .tau = 1e3};
    const pl_ruler ruler = pl_ruler_make(param_of("astro", "beta"), 3e-4, &strength, 576);
    for (int width = 20; width <= 180; width++) {
        char low[16] = "", high[16] = "";
        pl_surface surface = {0};
        pl_check_ok(pl_surface_resize(&surface, 1, width, &err), err);
        pl_ruler_draw(&ruler, &surface, (pl_rect){0, 0, 1, width}, 0);
        ends_of(&surface, width, low, high);
        assert_string_equal(low, "1e-6");
        assert_string_equal(high, "1");
        pl_surface_deinit(&surface);
        const double share = (double)pl_ruler_column(&ruler, 3e-4, width) / (width - 1);
        expect_close(share, log(300) / log(1e6), 0.51 / (width - 1));
    }
}

/* Every width, in both kinds of marks: nothing is drawn outside, and the value is on it. */
static void test_ruler_fits(void **state)
{
    (void)state;
    pl_error err;
    pl_surface surface = {0};
    for (int ascii = 0; ascii < 2; ascii++) {
        for (int width = 1; width <= 60; width++) {
            pl_check_ok(pl_surface_resize(&surface, 3, 64, &err), err);
            surface.ascii = ascii != 0;
            const pl_ruler ruler = pl_ruler_make(param_of("astro", "beta"), 3e-4, NULL, 576);
            pl_ruler_draw(&ruler, &surface, (pl_rect){1, 2, 1, width}, 0);
            int values = 0;
            for (int i = 0; i < 3 * 64; i++) {
                const uint32_t code = surface.cells[i].code;
                const bool inside = i / 64 == 1 && i % 64 >= 2 && i % 64 < 2 + width;
                assert_true(inside || code == ' ' || code == 0);
                if (ascii) {
                    expect_less(code, 0x80);
                }
                values += code == (ascii ? 'O' : 0x25cf);
            }
            assert_int_equal(values, width >= 17 ? 1 : values > 0);
        }
    }
    pl_surface_deinit(&surface);
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
        assert_int_equal(pl_keymap_action(NULL, '?', pane), PL_ACT_HELP);
        assert_int_equal(pl_keymap_action(NULL, ':', pane), PL_ACT_PROMPT);
        assert_int_equal(pl_keymap_action(NULL, 'q', pane), PL_ACT_QUIT);
        assert_int_equal(pl_keymap_action(NULL, 0x1f600, pane), PL_ACT_NONE);
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
        cmocka_unit_test(test_every_parameter),    cmocka_unit_test(test_beta),
        cmocka_unit_test(test_knobs_to_the_end),   cmocka_unit_test(test_ruler),
        cmocka_unit_test(test_ruler_fits),         cmocka_unit_test(test_ruler_keeps_its_ends),
        cmocka_unit_test(test_choices_turn_round), cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
