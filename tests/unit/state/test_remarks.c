/* Notes and tags on layers: kept, copied, in a session's record, and as globs. */
#include "tests/support/demo_lab.h"

#include "core/state/remarks.h"

static bool has_tag(const pl_state *state, size_t layer, const char *tag)
{
    bool found = false;
    for (size_t i = 0; i < state->n_remarks; i++) {
        const pl_remark *one = &state->remarks[i];
        found = found || (one->layer == layer && one->tag && strcmp(one->text, tag) == 0);
    }
    return found;
}

static void tag(pl_state *state, size_t layer, const char *name, bool expected)
{
    pl_error err = {0};
    bool changed = false;
    pl_check_ok(pl_state_tag(state, layer, name, &changed, &err), err);
    assert_int_equal(changed, expected);
}

static void check_tags(const pl_state *state, size_t layer, const char *expected)
{
    pl_buf text = {0};
    pl_state_put_tags(state, layer, &text);
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    pl_buf_deinit(&text);
}

static void note(pl_state *state, size_t layer, const char *text)
{
    pl_error err = {0};
    pl_check_ok(pl_state_set_note(state, layer, text, &err), err);
}

static void test_they_come_and_go(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state state;
    bool changed = false;
    demo_state(&state, true);
    assert_null(pl_state_note(&state, 3));
    tag(&state, 3, "later", true);
    tag(&state, 3, "fragile", true);
    tag(&state, 3, "later", false);
    tag(&state, 1, "later", true);
    note(&state, 3, "first");
    note(&state, 3, "look at channel 34");
    assert_string_equal(pl_state_note(&state, 3), "look at channel 34");
    assert_null(pl_state_note(&state, 1));
    check_tags(&state, 3, "fragile later");
    check_tags(&state, 1, "later");
    check_tags(&state, 2, "");
    assert_true(has_tag(&state, 1, "later"));
    assert_false(has_tag(&state, 1, "late"));

    pl_state copy;
    pl_check_ok(pl_state_copy(&copy, &state, &err), err);
    pl_state_untag(&state, 3, "fragile", &changed);
    assert_true(changed);
    pl_state_untag(&state, 3, "fragile", &changed);
    assert_false(changed);
    note(&state, 3, NULL);
    check_tags(&state, 3, "later");
    assert_null(pl_state_note(&state, 3));
    check_tags(&copy, 3, "fragile later"); /* the copy's are its own */
    assert_string_equal(pl_state_note(&copy, 3), "look at channel 34");

    /* A model's notes are not another one's. */
    pl_check_ok(pl_state_set_source(&copy, copy.source, &err), err);
    assert_int_equal(copy.n_remarks, 0);
    pl_state_deinit(&copy);
    pl_state_deinit(&state);
}

static void test_what_is_none_is_refused(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state state;
    bool changed = false;
    demo_state(&state, true);
    static const char *const bad[] = {"",    "a b",      "tag:x",
                                      "a,b", "\x1b[31m", "12345678901234567890123456789012"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(pl_state_tag(&state, 0, bad[i], &changed, &err), PL_ERR_USAGE);
        pl_check_says(err, "expected a name of letters, digits, . _ + -");
    }
    char text[PL_NOTE_BYTES + 2];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(pl_state_set_note(&state, 0, text, &err), PL_ERR_USAGE);
    pl_check_says(err, "has 1001 bytes, expected at most 1000");
    assert_int_equal(state.n_remarks, 0);
    pl_state_deinit(&state);
}

static void check_expanded(const pl_state *state, const char *glob, const char *expected)
{
    pl_error err = {0};
    pl_buf text = {0};
    assert_true(pl_glob_has_tags(glob));
    pl_check_ok(pl_state_expand_tags(state, glob, &text, &err), err);
    assert_string_equal(text.data, expected);
    pl_buf_deinit(&text);
}

static void test_a_tag_stands_for_its_layers(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state state;
    demo_state(&state, true);
    tag(&state, 8, "later", true);
    tag(&state, 0, "later", true);
    check_expanded(&state, "tag:later",
                   "model.layers.0.self_attn.q_proj,model.layers.1.self_attn.k_proj");
    check_expanded(&state, "*.o_proj,tag:later",
                   "*.o_proj,model.layers.0.self_attn.q_proj,model.layers.1.self_attn.k_proj");
    assert_false(pl_glob_has_tags("*.o_proj,q_tag:x"));
    pl_buf text = {0};
    assert_int_equal(pl_state_expand_tags(&state, "tag:none", &text, &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "no layer has the tag none");
    pl_buf_deinit(&text);
    pl_state_deinit(&state);
}

static void test_a_record_has_them(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_state state, again;
    demo_state(&state, true);
    tag(&state, 2, "later", true);
    note(&state, 5, "a \"quoted\" word, \xc3\xa9");
    json_t *record = pl_state_to_json(&state);
    assert_non_null(record);
    pl_check_ok(pl_state_restore(&again, record, state.source, &err), err);
    check_tags(&again, 2, "later");
    assert_string_equal(pl_state_note(&again, 5), "a \"quoted\" word, \xc3\xa9");
    pl_state_deinit(&again);
    /* What cannot be read is left out; a record of before there were any has none. */
    json_object_set_new(record, "remarks",
                        json_pack("[[s, s, s], [s, s, s], [s, s], s, [s, s, s]]",
                                  "model.layers.9.self_attn.q_proj", "tag", "x",
                                  "model.layers.0.self_attn.q_proj", "tag", "a b",
                                  "model.layers.0.self_attn.q_proj", "tag", "no list",
                                  "model.layers.0.self_attn.q_proj", "tag", "good"));
    pl_check_ok(pl_state_restore(&again, record, state.source, &err), err);
    assert_int_equal(again.n_remarks, 1);
    check_tags(&again, 0, "good");
    pl_state_deinit(&again);
    json_object_del(record, "remarks");
    pl_check_ok(pl_state_restore(&again, record, state.source, &err), err);
    assert_int_equal(again.n_remarks, 0);
    pl_state_deinit(&again);
    json_decref(record);
    pl_state_deinit(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_come_and_go),
        cmocka_unit_test(test_what_is_none_is_refused),
        cmocka_unit_test(test_a_tag_stands_for_its_layers),
        cmocka_unit_test(test_a_record_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
