#include "core/state/kept.h"
#include "tests/support/demo_lab.h"

static const pl_id some_result = {.high = 0x0123456789abcdef, .low = 42};

static void solve_as_planned(pl_state *state, size_t layer)
{
    pl_error err;
    pl_check_ok(pl_state_set_result(state, layer, pl_state_plan(state, layer), some_result, &err),
                err);
}

static void test_copy_is_independent(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_state a;
    pl_state b;
    demo_state(&a, true);
    demo_method(&a, "astro");
    demo_override(&a, PL_SLOT_ROUND, "*.down_proj", "gptq bits=4");
    solve_as_planned(&a, 3);
    a.layer = 5;
    pl_check_ok(pl_state_copy(&b, &a, &err), err);
    assert_ptr_equal(a.source, b.source);
    assert_ptr_not_equal(a.overrides[0].glob, b.overrides[0].glob);
    assert_ptr_not_equal(a.solved, b.solved);
    assert_ptr_not_equal(a.calibration.texts[0], b.calibration.texts[0]);
    pl_state_deinit(&a);
    assert_int_equal(b.layer, 5);
    assert_string_equal(b.overrides[0].glob, "*.down_proj");
    assert_non_null(pl_state_result(&b, 3));
    assert_null(pl_state_result(&b, 4));
    assert_string_equal(pl_model_layer(b.source->model, DEMO_Q1)->name,
                        "model.layers.1.self_attn.q_proj");
    pl_state_deinit(&b);
}

static void test_result_is_valid_under_its_plan_only(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "astro beta=0.001");
    assert_null(pl_state_result(&s, 0));
    solve_as_planned(&s, 0);
    solve_as_planned(&s, 1);
    assert_int_equal(pl_state_solved_count(&s), 2);
    assert_true(pl_id_equal(*pl_state_result(&s, 0), some_result));

    demo_method(&s, "astro beta=0.002");
    assert_int_equal(pl_state_solved_count(&s), 0);
    demo_method(&s, "astro beta=0.001");
    assert_int_equal(pl_state_solved_count(&s), 2);
    demo_method(&s, "rtn");
    assert_int_equal(pl_state_solved_count(&s), 0);
    s.slots[PL_SLOT_ROUND] = (pl_spec){0};
    assert_int_equal(pl_state_solved_count(&s), 2);

    demo_override(&s, PL_SLOT_PRECONDITION, "*.0.*q_proj", "magr");
    assert_null(pl_state_result(&s, 0));
    assert_non_null(pl_state_result(&s, 1));

    s.calibration.protocol.windows = 3;
    assert_int_equal(pl_state_solved_count(&s), 0);
    assert_int_equal(pl_state_set_result(&s, DEMO_LAYERS, some_result, some_result, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "layer 28");
    pl_state_deinit(&s);
}

/* A transform that is made for the rounder of a site's first layer: the others' results and
 * commands have that rounder, too. */
static void test_transform_of_another_rounder(void **ctx)
{
    (void)ctx;
    pl_state s;
    pl_buf said = {0};
    demo_state(&s, true);
    demo_method(&s, "rtn bits=4");
    demo_method(&s, "awq");
    for (size_t i = 0; i < 4; i++) {
        solve_as_planned(&s, i); /* q, k, v and o of block 0 */
    }
    demo_override(&s, PL_SLOT_ROUND, "0.v_proj", "rtn bits=2");
    assert_int_equal(pl_state_solved_count(&s), 3);
    demo_override(&s, PL_SLOT_ROUND, "0.q_proj", "rtn bits=2");
    assert_int_equal(pl_state_solved_count(&s), 1);
    assert_non_null(pl_state_result(&s, 3));
    solve_as_planned(&s, 1);
    s.layer = 1;
    pl_state_commands(&s, false, &said);
    assert_non_null(strstr(said.data, "\nmethod rtn bits=4 "));
    assert_non_null(strstr(said.data, " on=model.layers.0.self_attn.q_proj\nselect "));
    pl_buf_deinit(&said);
    demo_method(&s, "hadamard"); /* made for no rounder */
    solve_as_planned(&s, 1);
    pl_state_commands(&s, false, &said);
    assert_null(strstr(said.data, "on="));
    demo_override(&s, PL_SLOT_ROUND, "0.q_proj", "rtn bits=3");
    assert_non_null(pl_state_result(&s, 1));
    pl_buf_deinit(&said);
    pl_state_deinit(&s);
}

static void test_sequential_result_depends_on_every_layer(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "rtn");
    pl_check_ok(pl_state_set_result(&s, 9, pl_state_plan_sequential(&s), some_result, &err), err);
    assert_null(pl_state_result(&s, 9)); /* the plan of another way to solve */
    s.solved[9].sequential = true;
    assert_non_null(pl_state_result(&s, 9));
    demo_override(&s, PL_SLOT_ROUND, "*.0.*q_proj", "rtn bits=8");
    assert_null(pl_state_result(&s, 9));
    pl_state_deinit(&s);
}

static void test_last_matching_override_wins(void **ctx)
{
    (void)ctx;
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "rtn bits=2");
    demo_override(&s, PL_SLOT_ROUND, "*.q_proj", "rtn bits=3");
    demo_override(&s, PL_SLOT_ROUND, "*.1.*", "rtn bits=4");
    demo_override(&s, PL_SLOT_PRECONDITION, "*", "magr");
    demo_override(&s, PL_SLOT_ROUND, "*.3.*", "");
    expect_close(pl_state_spec(&s, 4, PL_SLOT_ROUND)->values[PL_GRID_BITS], 2, 0);
    expect_close(pl_state_spec(&s, 0, PL_SLOT_ROUND)->values[PL_GRID_BITS], 3, 0);
    expect_close(pl_state_spec(&s, DEMO_Q1, PL_SLOT_ROUND)->values[PL_GRID_BITS], 4, 0);
    assert_null(pl_state_spec(&s, 21, PL_SLOT_ROUND)->method);
    assert_string_equal(pl_state_spec(&s, 21, PL_SLOT_PRECONDITION)->method->name, "magr");
    assert_null(pl_state_spec(&s, 0, PL_SLOT_TRANSFORM)->method);
    pl_state_deinit(&s);
}

static void fill(pl_state *s, bool as_demo)
{
    pl_error err;
    static const char *const texts[] = {"/somewhere/else/a b.txt", "/somewhere/it's;.txt"};
    const pl_protocol protocol = {
        .length = 64, .windows = 3, .sample = PL_SAMPLE_RANDOM, .seed = 7};
    demo_state(s, as_demo);
    if (!as_demo) {
        pl_check_ok(pl_calibration_set(&s->calibration, texts, 2, &protocol, &err), err);
        s->calibration.key = some_result;
        s->calibration.known = true;
    }
    demo_method(s, "astro beta=0.00123456789 solver=pgd steps=50");
    demo_method(s, "gptq bits=3 act_order=yes");
    demo_method(s, "smoothquant alpha=0.85");
    s->activations = (pl_act_grid){.bits = 4, .format = &pl_format_asymmetric, .clip = 0.9};
    s->kv = (pl_act_grid){.bits = 3, .format = &pl_format_symmetric, .clip = 1.0};
    s->kv_group_size = 16;
    s->calibration.protocol.rows = 77;
    demo_override(s, PL_SLOT_ROUND, "*.down_proj", "rtn bits=4 symmetric=full");
    demo_override(s, PL_SLOT_PRECONDITION, "*.1.*", "");
    solve_as_planned(s, 2);
    solve_as_planned(s, DEMO_Q1);
    s->layer = DEMO_Q1;
    s->side = PL_SIDE_INPUT;
    s->which = PL_WHICH_AFTER;
}

static void check_round_trip(bool as_demo)
{
    pl_error err;
    pl_state a;
    pl_state b;
    fill(&a, as_demo);
    json_t *first = pl_state_to_json(&a);
    assert_non_null(first);
    pl_check_ok(pl_state_restore(&b, first, a.source, &err), err);
    json_t *second = pl_state_to_json(&b);
    assert_true(json_equal(first, second));
    assert_int_equal(b.layer, DEMO_Q1);
    assert_int_equal(b.side, PL_SIDE_INPUT);
    assert_int_equal(b.which, PL_WHICH_AFTER);
    assert_int_equal(b.n_overrides, 2);
    assert_int_equal(b.activations.bits, 4);
    assert_ptr_equal(b.activations.format, &pl_format_asymmetric);
    assert_false(b.activations.fixed);
    expect_close(b.activations.clip, 0.9, 0);
    assert_int_equal(b.kv.bits, 3);
    assert_int_equal(b.kv_group_size, 16);
    assert_int_equal(b.calibration.protocol.rows, 77);
    assert_true(pl_spec_equal(&a.slots[PL_SLOT_PRECONDITION], &b.slots[PL_SLOT_PRECONDITION]));
    assert_int_equal(pl_state_solved_count(&b), 2);
    assert_int_equal(b.calibration.known, a.calibration.known);
    assert_int_equal(b.calibration.n_texts, a.calibration.n_texts);
    pl_buf say_a = {0};
    pl_buf say_b = {0};
    pl_state_commands(&a, true, &say_a);
    pl_state_commands(&b, true, &say_b);
    assert_string_equal(say_a.data, say_b.data);
    pl_buf_deinit(&say_a);
    pl_buf_deinit(&say_b);
    json_decref(first);
    json_decref(second);
    pl_state_deinit(&a);
    pl_state_deinit(&b);
}

static void test_json_round_trip(void **ctx)
{
    (void)ctx;
    check_round_trip(true);
    check_round_trip(false);
}

/* A record that does not say of which model its results are: none of them is used. */
static void test_results_of_an_unknown_model_are_foreign(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    fill(&a, false);
    a.calibration.known = true;
    a.imported = (pl_imported){.path = strdup("elsewhere"), .id = {1, 2}};
    pl_check_ok(pl_state_import_layer(&a, 3, (pl_id){5, 6}, &err), err);
    pl_check_ok(pl_state_check_origin(&a, true, &err), err);
    json_t *json = pl_state_to_json(&a);
    assert_int_equal(json_object_del(json, "origin"), 0);
    for (int turn = 0; turn < 2; turn++) {
        pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
        assert_int_equal(pl_state_solved_count(&b), 0);
        assert_int_equal(pl_state_import_count(&b), 0);
        assert_true(pl_state_is_foreign(&b, 2));
        assert_true(pl_state_is_foreign(&b, 3));
        assert_false(pl_state_is_foreign(&b, 4));
        assert_false(b.calibration.known);
        assert_true(b.calibration.foreign || turn == 1);
        assert_int_equal(pl_state_check_origin(&b, false, &err), PL_ERR_CHANGED);
        pl_check_says(err, "3 results of the session are of another model");
        /* It stays so in the session that goes on from there. */
        json_decref(json);
        json = pl_state_to_json(&b);
        if (turn == 1) {
            pl_check_ok(pl_state_set_result(&b, 2, (pl_id){1, 1}, (pl_id){2, 2}, &err), err);
            assert_false(pl_state_is_foreign(&b, 2));
        }
        pl_state_deinit(&b);
    }
    json_decref(json);
    pl_state_deinit(&a);
}

static void check_refused(pl_source *source, json_t *json, const char *says)
{
    pl_error err;
    pl_state state;
    assert_int_equal(pl_state_restore(&state, json, source, &err), PL_ERR_FORMAT);
    pl_check_says(err, says);
    json_decref(json);
}

static void test_restore_refuses_what_it_cannot_read(void **ctx)
{
    (void)ctx;
    pl_state s;
    fill(&s, true);
    json_t *json = pl_state_to_json(&s);
    json_object_set_new(json, "version", json_integer(2));
    check_refused(s.source, json, "version 1");

    json = pl_state_to_json(&s);
    json_object_set_new(json_array_get(json_object_get(json, "slots"), 1), "spec",
                        json_string("sorcery beta=1"));
    check_refused(s.source, json, "\"sorcery\"");

    json = pl_state_to_json(&s);
    json_object_set_new(json_array_get(json_object_get(json, "slots"), 0), "slot",
                        json_string("nowhere"));
    check_refused(s.source, json, "slot 0");

    json = pl_state_to_json(&s);
    json_object_del(json_object_get(json, "calibration"), "windows");
    check_refused(s.source, json, "windows");
    pl_state_deinit(&s);
}

static void test_commands_of_a_demo_state(void **ctx)
{
    (void)ctx;
    pl_state s;
    pl_buf said = {0};
    demo_state(&s, true);
    pl_state_commands(&s, true, &said);
    assert_string_equal(said.data, "select model.layers.0.self_attn.q_proj\n");
    pl_buf_deinit(&said);

    demo_method(&s, "astro");
    demo_method(&s, "rtn bits=3");
    demo_override(&s, PL_SLOT_ROUND, "*.1.*", "");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        solve_as_planned(&s, i);
    }
    s.layer = DEMO_Q1;
    pl_state_commands(&s, true, &said);
    assert_non_null(strstr(said.data, "\nmethod rtn bits=3 "));
    assert_non_null(strstr(said.data, "\nmethod none slot=round on=*.1.*\nsolve all sequential=no\n"
                                      "select "));
    assert_null(strstr(said.data, "calibrate"));
    pl_buf_deinit(&said);

    pl_state_commands(&s, false, &said); /* this layer has no rounder */
    assert_null(strstr(said.data, "rtn"));
    assert_non_null(strstr(said.data, "method astro "));
    assert_non_null(strstr(said.data, "\nselect model.layers.1.self_attn.q_proj\nsolve\n"));
    pl_buf_deinit(&said);

    s.calibration.protocol.windows = 4;
    pl_state_commands(&s, false, &said);
    assert_string_equal(said.data, "calibrate length=512 windows=4\n"
                                   "select model.layers.1.self_attn.q_proj\n");
    pl_buf_deinit(&said);
    pl_state_deinit(&s);
}

static void test_commands_name_no_folder(void **ctx)
{
    (void)ctx;
    pl_state s;
    pl_buf said = {0};
    fill(&s, false);
    pl_state_commands(&s, true, &said);
    assert_null(strchr(said.data, '/'));
    assert_int_equal(strncmp(said.data, "open demo\n", 10), 0);
    assert_non_null(strstr(said.data, "\ncalibrate text='a b.txt' text='it'\"'\"'s;.txt' length=64 "
                                      "windows=3 rows=77 sample=random seed=7\n"));
    assert_non_null(strstr(said.data, "\nsolve model.layers.0.self_attn.v_proj\nsolve "
                                      "model.layers.1.self_attn.q_proj\n"));
    pl_buf_deinit(&said);

    pl_source *source = NULL;
    pl_model *model = NULL;
    pl_error err;
    char folder[512];
    demo_folder(folder);
    pl_check_ok(pl_model_open(folder, &model, &err), err);
    pl_check_ok(pl_source_create(model, "/some/folder//", NULL, &source, &err), err);
    pl_check_ok(pl_state_set_source(&s, source, &err), err);
    pl_source_release(source);
    pl_state_commands(&s, true, &said);
    assert_int_equal(strncmp(said.data, "open folder\n", 12), 0);
    pl_buf_deinit(&said);
    pl_state_deinit(&s);
}

static void test_commands_of_a_sequential_solve(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_state s;
    pl_buf said = {0};
    demo_state(&s, true);
    demo_method(&s, "rtn bits=3");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        pl_check_ok(pl_state_set_result(&s, i, pl_state_plan_sequential(&s), some_result, &err),
                    err);
        s.solved[i].sequential = true;
    }
    pl_state_commands(&s, false, &said);
    assert_non_null(strstr(said.data, "\nsolve all\nselect "
                                      "model.layers.0.self_attn.q_proj\n"));
    assert_null(strstr(said.data, "\nsolve\n"));
    pl_buf_deinit(&said);
    /* A baseline of it is one solve of all layers away, and one of a single layer is not. */
    pl_check_ok(pl_state_pin(&s, &err), err);
    pl_pin_commands(&s, 0, &said);
    assert_non_null(strstr(said.data, "\nsolve all\npin\n"));
    pl_buf_deinit(&said);
    s.layer = 3;
    solve_as_planned(&s, 3);
    pl_check_ok(pl_state_pin(&s, &err), err);
    pl_pin_commands(&s, 3, &said);
    assert_non_null(strstr(said.data, "\nsolve\npin\n"));
    pl_buf_deinit(&said);
    pl_check_ok(pl_state_take_result(&s, 3, true, some_result, &err), err);
    s.layer = 0;
    solve_as_planned(&s, 4);
    pl_state_commands(&s, true, &said);
    assert_non_null(strstr(said.data, "\nsolve all\nsolve "
                                      "model.layers.0.mlp.gate_proj\nselect "));
    pl_buf_deinit(&said);
    pl_state_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_is_independent),
        cmocka_unit_test(test_result_is_valid_under_its_plan_only),
        cmocka_unit_test(test_transform_of_another_rounder),
        cmocka_unit_test(test_sequential_result_depends_on_every_layer),
        cmocka_unit_test(test_last_matching_override_wins),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_results_of_an_unknown_model_are_foreign),
        cmocka_unit_test(test_restore_refuses_what_it_cannot_read),
        cmocka_unit_test(test_commands_of_a_demo_state),
        cmocka_unit_test(test_commands_name_no_folder),
        cmocka_unit_test(test_commands_of_a_sequential_solve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
