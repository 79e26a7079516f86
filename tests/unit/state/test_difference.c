/* What undo says it takes back, and what stays as it is looked at. */
#include "tests/support/demo_lab.h"

#include "core/state/difference.h"

static void check_said(const pl_state *from, const pl_state *to, const char *says)
{
    pl_buf text = {0};
    pl_state_put_difference(from, to, &text);
    assert_non_null(text.data);
    assert_string_equal(text.data, says);
    pl_buf_deinit(&text);
}

static void test_each_change_is_said(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    demo_state(&a, true);
    demo_method(&a, "gptq bits=4");
    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    check_said(&a, &b, "nothing that shows");
    b.side = PL_SIDE_INPUT;
    check_said(&a, &b, "nothing that shows");
    b.layer = DEMO_Q1;
    check_said(&a, &b, "layer 0.q_proj → 1.q_proj");
    demo_method(&b, "gptq bits=3");
    check_said(&a, &b, "method gptq bits=4 → bits=3");
    check_said(&b, &a, "method gptq bits=3 → bits=4");
    demo_method(&b, "gptq bits=3 group_size=64");
    check_said(&a, &b, "method gptq bits=4 → bits=3 group_size=128 → group_size=64");
    demo_method(&b, "rtn");
    demo_method(&b, "astro");
    check_said(&a, &b, "method none → astro (precondition); method gptq → rtn");
    pl_state_deinit(&b);

    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    demo_override(&b, PL_SLOT_ROUND, "*.q_proj", "rtn bits=3");
    check_said(&a, &b, "method rtn on=*.q_proj set");
    check_said(&b, &a, "method rtn on=*.q_proj taken away");

    pl_state_deinit(&b);

    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    b.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    pl_buf text = {0};
    pl_state_put_difference(&a, &b, &text);
    assert_non_null(strstr(text.data, "activations off → "));
    pl_buf_deinit(&text);
    static const char *const texts[] = {"/there/some.txt"};
    const pl_protocol protocol = {.length = 64, .windows = 3};
    pl_state_deinit(&b);
    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    pl_check_ok(pl_calibration_set(&b.calibration, texts, 1, &protocol, &err), err);
    check_said(&a, &b, "calibration calibration.txt, 8 × 512 tokens → some.txt, 3 × 64 tokens");
    pl_state_deinit(&b);
    pl_state_deinit(&a);
}

static void test_what_is_looked_at_stays(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    demo_state(&a, true);
    demo_method(&a, "gptq bits=4");
    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    b.layer = DEMO_Q1;
    b.side = PL_SIDE_INPUT;
    pl_state_keep_looks(&a, &b); /* a step that is about nothing else brings its look back */
    assert_int_equal(a.layer, 0);
    demo_method(&b, "gptq bits=3");
    pl_state_keep_looks(&a, &b);
    assert_int_equal(a.layer, DEMO_Q1);
    assert_int_equal(a.side, PL_SIDE_INPUT);
    pl_state_deinit(&a);
    pl_state_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_change_is_said),
        cmocka_unit_test(test_what_is_looked_at_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
