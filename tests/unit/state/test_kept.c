/* Kept settings, pins, and what is taken again when a setting comes back. */
#include "core/state/kept.h"
#include "core/state/state_parts.h"
#include "core/state/record.h"
#include "tests/support/demo_lab.h"

static const pl_id first_result = {.high = 1, .low = 10}, second_result = {.high = 2, .low = 20};

static void solve_as(pl_state *state, size_t layer, pl_id result)
{
    pl_error err;
    pl_check_ok(pl_state_set_result(state, layer, pl_state_plan(state, layer), result, &err), err);
    pl_record_solved(state, layer, false, result);
}

static void check_refused(pl_state *state, const char *name, const char *why)
{
    pl_error err = {0};
    assert_int_not_equal(pl_state_keep(state, name, &err), PL_OK);
    pl_check_says(err, why);
}

static void keep_holds_all_and_is_gone_back_to(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state s, back;
    demo_state(&s, true);
    demo_method(&s, "astro beta=0.001");
    demo_method(&s, "rtn bits=3");
    demo_override(&s, PL_SLOT_ROUND, "*.down_proj", "gptq bits=4");
    s.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    solve_as(&s, 3, first_result);
    solve_as(&s, DEMO_Q1, second_result);
    pl_check_ok(pl_state_keep(&s, "strong-1", &err), err);
    s.activations = (pl_act_grid){0};
    demo_method(&s, "astro beta=0.01");
    solve_as(&s, 3, second_result);
    s.layer = 5;
    pl_check_ok(pl_state_keep(&s, "weak", &err), err);
    assert_int_equal(s.n_kept, 2);
    assert_true(pl_id_equal(pl_kept_pin(s.kept[0], 3)->result, first_result));
    assert_string_equal(pl_kept_pin(s.kept[0], 3)->label, "strong-1");
    assert_null(pl_kept_pin(s.kept[0], 4));
    assert_null(pl_kept_pin(s.kept[1], DEMO_Q1)); /* of the other setting */
    assert_false(pl_id_equal(s.kept[0]->id, s.kept[1]->id));
    pl_buf label = {0};
    demo_method(&s, "gptq bits=3 act_order=yes"); /* what is not as usual is told */
    pl_state_label(&s, SIZE_MAX, &label);
    pl_buf_puts(&label, "; ");
    pl_state_label(&s.kept[0]->is, 6, &label);
    pl_buf_puts(&label, "; ");
    pl_state_label(&s.kept[0]->is, SIZE_MAX, &label);
    assert_string_equal(label.data,
                        "astro beta=0.01 > gptq bits=3 act_order=yes, others on=*.down_proj; "
                        "astro beta=0.001 > gptq bits=4, activations 4 bits; "
                        "astro beta=0.001 > rtn bits=3, others on=*.down_proj, activations 4 bits");
    pl_buf_deinit(&label);
    /* Imported layers are no method's. */
    pl_state other;
    pl_check_ok(pl_state_copy(&other, &s, &err), err);
    pl_check_ok(pl_state_set_import(&other, "folder/theirs", first_result, &err), err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        pl_check_ok(pl_state_import_layer(&other, i, first_result, &err), err);
        if (i == 0) {
            pl_state_label(&other, SIZE_MAX, &label);
            pl_buf_puts(&label, "; ");
        }
    }
    pl_state_label(&other, SIZE_MAX, &label);
    assert_string_equal(label.data, "astro beta=0.01 > gptq bits=3 act_order=yes, others "
                                    "on=*.down_proj, 1 layer imported from theirs; "
                                    "import of theirs");
    pl_buf_deinit(&label);
    pl_state_deinit(&other);
    demo_method(&s, "rtn bits=3");

    /* Back: its methods and results, but the layer that is looked at. */
    pl_check_ok(pl_state_as(&s, s.kept[0], &back, &err), err);
    assert_int_equal(back.layer, 5);
    assert_int_equal(back.activations.bits, 4);
    assert_int_equal(back.n_overrides, 1);
    assert_int_equal(back.n_kept, 2);
    assert_int_equal(pl_state_solved_count(&back), 2);
    assert_true(pl_id_equal(*pl_state_result(&back, 3), first_result));
    assert_true(pl_id_equal(pl_state_setting(&back), pl_state_setting(&s.kept[0]->is)));
    assert_false(pl_id_equal(pl_state_setting(&back), pl_state_setting(&s)));
    pl_state_deinit(&back);

    /* The same name again is the setting of now, in the same place. */
    pl_check_ok(pl_state_keep(&s, "strong-1", &err), err);
    assert_int_equal(s.n_kept, 2);
    assert_true(pl_id_equal(pl_kept_pin(s.kept[0], 3)->result, second_result));
    pl_state_deinit(&s);
}

static void names_are_checked(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    size_t index = 0;
    pl_state s;
    pl_state_init(&s);
    check_refused(&s, "a", "keep: no model is open");
    demo_state(&s, true);
    check_refused(&s, "", "is no name");
    check_refused(&s, "12", "is no name");
    check_refused(&s, "now", "is no name");
    check_refused(&s, "two words", "is no name");
    check_refused(&s, "a-name-that-is-longer-than-31-letters", "up to 31");
    check_refused(&s, "1.q_proj", "1.q_proj is a layer's name");
    assert_int_equal(pl_state_find_kept(&s, "use", "a", &index, &err), PL_ERR_USAGE);
    pl_check_says(err, "use: no setting is kept as \"a\", none is");
    for (int i = 0; i < PL_MAX_KEPT; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        pl_check_ok(pl_state_keep(&s, name, &err), err);
    }
    check_refused(&s, "more", "8 settings are kept already");
    assert_int_equal(pl_state_find_kept(&s, "use", "s9", &index, &err), PL_ERR_USAGE);
    pl_check_says(err, "there are s0, s1");
    pl_check_ok(pl_state_find_kept(&s, "use", "s2", &index, &err), err);
    assert_int_equal(index, 2);
    pl_check_ok(pl_state_find_kept(&s, "use", "1", &index, &err), err);
    assert_int_equal(index, 0);
    pl_check_ok(pl_state_unpin(&s, 0, &err), err);
    assert_int_equal(s.n_kept, PL_MAX_KEPT - 1);
    assert_string_equal(s.kept[0]->name, "s1");
    assert_int_equal(pl_state_unpin(&s, PL_MAX_KEPT - 1, &err), PL_ERR_USAGE);
    pl_state_deinit(&s);
}

/* One setting is one pin, which has all layers that were solved under it. */
static void a_pin_takes_what_is_new(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "astro beta=0.001");
    assert_int_equal(pl_state_pin(&s, &err), PL_ERR_STATE);
    solve_as(&s, 0, first_result);
    pl_check_ok(pl_state_pin(&s, &err), err);
    s.solved[0] = (pl_solved){0};
    s.layer = 4;
    solve_as(&s, 4, second_result);
    pl_check_ok(pl_state_pin(&s, &err), err);
    assert_int_equal(s.n_kept, 1);
    assert_string_equal(pl_kept_pin(s.kept[0], 0)->label, "astro beta=0.001");
    assert_non_null(pl_kept_pin(s.kept[0], 4));
    solve_as(&s, 4, first_result); /* another result of the same layer: another pin */
    pl_check_ok(pl_state_pin(&s, &err), err);
    assert_int_equal(s.n_kept, 2);
    pl_state_deinit(&s);
}

static void sessions_hold_them(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    demo_state(&a, true);
    demo_method(&a, "hadamard");
    demo_method(&a, "rtn bits=3");
    a.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    solve_as(&a, 2, first_result);
    pl_check_ok(pl_state_keep(&a, "A", &err), err);
    a.layer = 2;
    pl_check_ok(pl_state_pin(&a, &err), err);
    a.slots[PL_SLOT_TRANSFORM] = (pl_spec){0};
    const pl_measurement measured = {.setting = pl_state_setting(&a.kept[0]->is),
                                     .perplexity = 5.5,
                                     .error = 0.1,
                                     .original = 5.0,
                                     .original_error = 0.1,
                                     .kl_mean = 0.01,
                                     .solved = 1,
                                     .protocol = "protocol=gptq text=a.txt"};
    pl_record_measured(a.source, &measured);
    json_t *json = pl_state_to_json(&a);
    assert_non_null(json);
    pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
    assert_int_equal(b.n_kept, 2);
    assert_string_equal(b.kept[0]->name, "A");
    assert_string_equal(b.kept[1]->name, "");
    assert_int_equal(b.kept[0]->is.kv.bits, 4);
    assert_true(pl_id_equal(b.kept[0]->id, a.kept[0]->id));
    assert_true(pl_id_equal(b.kept[1]->id, a.kept[1]->id));
    json_t *again = pl_state_to_json(&b);
    assert_true(json_equal(json, again));
    pl_measurement found;
    assert_true(pl_record_find(b.source, &measured.setting, NULL, &found));
    expect_close(found.perplexity, 5.5, 0);
    assert_int_equal(found.solved, 1);
    /* The original's own is found by its name alone. */
    const pl_measurement original = {.perplexity = 4.5, .original = 4.5, .protocol = "protocol=x"};
    pl_record_measured(b.source, &original);
    assert_true(pl_record_find(b.source, NULL, NULL, &found));
    expect_close(found.perplexity, 5.5, 0);
    assert_true(pl_record_find(b.source, &original.setting, NULL, &found));
    expect_close(found.perplexity, 4.5, 0);
    pl_state_deinit(&b);

    /* Of another model nothing is used. */
    assert_int_equal(json_object_del(json, "origin"), 0);
    pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
    assert_int_equal(b.n_kept, 0);
    pl_state_deinit(&b);
    json_decref(again);
    json_decref(json);
    pl_state_deinit(&a);
}

static void sessions_hold_every_kind_of_result(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    demo_state(&a, false);
    demo_method(&a, "rtn bits=3");
    pl_check_ok(pl_state_take_result(&a, 0, true, first_result, &err), err); /* before the import */
    pl_check_ok(pl_state_set_import(&a, "elsewhere", (pl_id){1, 2}, &err), err);
    pl_check_ok(pl_state_import_layer(&a, 3, (pl_id){5, 6}, &err), err);
    pl_check_ok(pl_state_take_result(&a, 5, true, second_result, &err), err); /* behind it */
    solve_as(&a, 27, second_result);
    pl_check_ok(pl_state_keep(&a, "A", &err), err);
    json_t *json = pl_state_to_json(&a);
    pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
    const pl_state *is = &b.kept[0]->is;
    assert_int_equal(pl_state_solved_count(is), 4);
    assert_true(pl_state_is_imported(is, 3));
    assert_true(is->solved[0].sequential);
    assert_true(pl_state_solved_around_imports(is, 5));
    assert_false(pl_state_solved_around_imports(is, 0));
    assert_false(is->solved[27].sequential);
    assert_true(pl_id_equal(is->solved[27].result, second_result));
    assert_true(pl_id_equal(b.kept[0]->id, a.kept[0]->id));
    pl_state_deinit(&b);
    /* What is no result is none. */
    json_t *kept = json_array_get(json_object_get(json, "kept"), 0);
    assert_int_equal(json_object_set_new(kept, "results", json_string("s12 - i  x a")), 0);
    pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
    assert_int_equal(pl_state_solved_count(&b.kept[0]->is), 0);
    pl_state_deinit(&b);
    json_decref(json);
    pl_state_deinit(&a);
}

/* As they were written when a pin was of one layer. */
static void old_sessions_have_pins(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state a, b;
    char id[PL_ID_TEXT];
    demo_state(&a, true);
    demo_method(&a, "rtn bits=3");
    demo_override(&a, PL_SLOT_ROUND, "*.down_proj", "gptq bits=4");
    json_t *json = pl_state_to_json(&a);
    pl_id_format(first_result, id);
    json_t *pins = json_pack(
        "[{s:s, s:s, s:[s, s, s], s:b}, {s:s, s:s, s:[s, s, s], s:b}, {s:s}]", "layer",
        "model.layers.1.self_attn.q_proj", "result", id, "slots", "", "astro beta=0.001",
        "rtn bits=2", "sequential", 0, "layer", "model.layers.0.self_attn.q_proj", "result", id,
        "slots", "", "", "rtn bits=4", "sequential", 1, "layer", "model.layers.0.self_attn.q_proj");
    assert_non_null(pins);
    assert_int_equal(json_object_del(json, "kept"), 0);
    assert_int_equal(json_object_set_new(json_object_get(json, "display"), "pins", pins), 0);
    pl_check_ok(pl_state_restore(&b, json, a.source, &err), err);
    assert_int_equal(b.n_kept, 2); /* the third is not readable */
    assert_int_equal(b.n_overrides, 1);
    const pl_pin *pin = pl_kept_pin(b.kept[0], DEMO_Q1);
    assert_non_null(pin);
    assert_true(pl_id_equal(pin->result, first_result));
    assert_string_equal(pin->label, "astro beta=0.001 > rtn bits=2");
    pin = pl_kept_pin(b.kept[1], 0);
    assert_non_null(pin);
    assert_true(pin->sequential);
    assert_string_equal(pin->label, "rtn bits=4");
    pl_buf said = {0};
    pl_pin_commands(&b, 0, &said);
    assert_non_null(strstr(said.data, "method rtn bits=4"));
    assert_non_null(strstr(said.data, "\nsolve all\npin\n"));
    pl_buf_deinit(&said);
    json_decref(json);
    pl_state_deinit(&b);
    pl_state_deinit(&a);
}

static void commands_keep_again(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "rtn bits=3");
    s.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    pl_check_ok(pl_state_take_result(&s, 0, true, first_result, &err), err);
    pl_check_ok(pl_state_keep(&s, "A", &err), err);
    s.activations = (pl_act_grid){0};
    pl_buf said = {0};
    pl_pin_commands(&s, 0, &said);
    const char *at = strstr(said.data, "\nactivations bits=4");
    assert_non_null(at);
    at = strstr(at, "\nmethod rtn bits=3");
    assert_non_null(at);
    assert_non_null(strstr(at, "\nsolve all\nkeep A\nactivations none\n"));
    pl_buf_deinit(&said);
    pl_state_deinit(&s);
}

static void results_come_back_with_their_setting(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state s;
    demo_state(&s, true);
    demo_method(&s, "rtn bits=3");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        pl_check_ok(pl_state_take_result(&s, i, true, first_result, &err), err);
        pl_record_solved(&s, i, true, first_result);
    }
    demo_method(&s, "rtn bits=4");
    assert_int_equal(pl_state_recall(&s), 0);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        solve_as(&s, i, second_result);
    }
    demo_method(&s, "rtn bits=3");
    assert_int_equal(pl_state_solved_count(&s), 0);
    assert_int_equal(pl_state_recall(&s), DEMO_LAYERS);
    assert_int_equal(pl_state_solved_count(&s), DEMO_LAYERS);
    assert_true(s.solved[3].sequential);
    assert_true(pl_id_equal(s.solved[3].result, first_result));
    assert_int_equal(pl_state_recall(&s), 0);
    /* In sequence every method counts; a single layer's result stands for itself. */
    demo_override(&s, PL_SLOT_ROUND, "*.down_proj", "rtn bits=4");
    assert_int_equal(pl_state_recall(&s), 4);
    assert_true(pl_id_equal(*pl_state_result(&s, 6), second_result));
    /* Another activation grid is another report. */
    pl_state_free_overrides(&s);
    demo_method(&s, "rtn bits=4");
    assert_int_equal(pl_state_recall(&s), DEMO_LAYERS - 4); /* 4 have been taken above */
    s.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    assert_int_equal(pl_state_recall(&s), 0);
    solve_as(&s, 2, first_result);
    s.activations = (pl_act_grid){0};
    assert_int_equal(pl_state_recall(&s), 1);
    assert_true(pl_id_equal(*pl_state_result(&s, 2), second_result));
    /* And another calibration another plan. */
    s.calibration.protocol.windows++;
    assert_int_equal(pl_state_recall(&s), 0);
    assert_int_equal(pl_state_solved_count(&s), 0);
    pl_state_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_holds_all_and_is_gone_back_to),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_pin_takes_what_is_new),
        cmocka_unit_test(sessions_hold_them),
        cmocka_unit_test(sessions_hold_every_kind_of_result),
        cmocka_unit_test(old_sessions_have_pins),
        cmocka_unit_test(commands_keep_again),
        cmocka_unit_test(results_come_back_with_their_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
