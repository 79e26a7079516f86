/* The key table, and what a file of keys makes of it. */
#include "views/keymap.h"

#include <string.h>

#include "tests/support/check.h"

static pl_keymap *read_map(const char *text, pl_buf *wrong)
{
    pl_keymap *map = NULL;
    pl_error err = {0};
    pl_check_ok(pl_keymap_create(&map, &err), err);
    pl_check_ok(pl_keymap_read(map, "keys", text, wrong, &err), err);
    return map;
}

static void test_every_action_has_a_name(void **state)
{
    (void)state;
    for (pl_action a = PL_ACT_NONE + 1; a < PL_ACT_COUNT; a++) {
        assert_non_null(pl_action_name(a));
        assert_int_equal(pl_action_find(pl_action_name(a)), a);
    }
    assert_int_equal(pl_action_find("nosuch"), PL_ACT_NONE);
}

/* Every key of the table is named by pl_key_name, and found again by that name. */
static void test_names_of_keys(void **state)
{
    (void)state;
    char name[PL_KEY_NAME];
    for (const pl_binding *b = pl_bindings(); b->name != NULL; b++) {
        pl_key_name(b->key, name);
        assert_int_equal(pl_key_find(name), b->key);
        assert_non_null(strstr(b->name, name)); /* alone, or as one of a pair */
    }
    static const struct {
        const char *name;
        uint32_t key;
    } cases[] = {{"Up", PL_K_UP},        {"shift-left", PL_K_SHIFT_LEFT},
                 {"Space", ' '},         {"Ctrl-P", 16},
                 {"ctrl-p", 16},         {"\u00e9", 0xe9},
                 {"\u2192", PL_K_RIGHT}, {"x", 'x'},
                 {"Hash", '#'},          {"Delete", PL_K_DELETE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pl_key_find(cases[i].name), cases[i].key);
    }
    assert_int_equal(pl_key_find("Nosuch"), 0);
    assert_int_equal(pl_key_find(""), 0);
    assert_int_equal(pl_key_find("Ctrl-"), 0);
}

static void test_map_and_unmap(void **state)
{
    (void)state;
    pl_buf wrong = {0};
    pl_keymap *map = read_map("# mine\n"
                              "map main Ctrl-X palette  # a comment\n"
                              "\n"
                              "map all x solve\n"
                              "unmap all X\n"
                              "unmap layers Space",
                              &wrong);
    assert_null(wrong.data);
    assert_int_equal(pl_keymap_action(map, 24, PL_PANE_MAIN), PL_ACT_PALETTE);
    assert_int_equal(pl_keymap_action(map, 24, PL_PANE_LAYERS), PL_ACT_NONE);
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        assert_int_equal(pl_keymap_action(map, 'x', pane), PL_ACT_SOLVE);
        assert_int_equal(pl_keymap_action(map, 'X', pane), PL_ACT_NONE);
        assert_int_equal(pl_keymap_action(map, '?', pane), PL_ACT_HELP);
    }
    assert_int_equal(pl_keymap_action(map, ' ', PL_PANE_LAYERS), PL_ACT_NONE);
    assert_int_equal(pl_keymap_action(map, ' ', PL_PANE_TUNER), PL_ACT_SOLVE);
    /* The table's own key is named where it still is, the new one where it is gone. */
    assert_string_equal(pl_keymap_key_of(map, PL_ACT_SOLVE, PL_PANE_TUNER), "Space");
    assert_string_equal(pl_keymap_key_of(map, PL_ACT_SOLVE, PL_PANE_LAYERS), "x");
    assert_null(pl_keymap_key_of(map, PL_ACT_SOLVE_ALL, PL_PANE_LAYERS));
    /* The new row is explained and hinted as the old one. */
    bool explained = false;
    for (const pl_binding *b = pl_keymap_bindings(map); b->name != NULL; b++) {
        explained = explained || (b->key == 'x' && b->hint != NULL && b->help != NULL);
    }
    assert_true(explained);
    pl_keymap_destroy(map);
}

static void test_a_pair_loses_one(void **state)
{
    (void)state;
    pl_buf wrong = {0};
    pl_keymap *map = read_map("unmap layers Down\n", &wrong);
    assert_null(wrong.data);
    assert_string_equal(pl_keymap_key_of(map, PL_ACT_UP, PL_PANE_LAYERS), "\u2191");
    assert_string_equal(pl_keymap_key_of(map, PL_ACT_UP, PL_PANE_TUNER), "\u2191\u2193");
    assert_int_equal(pl_keymap_action(map, PL_K_UP, PL_PANE_LAYERS), PL_ACT_UP);
    assert_int_equal(pl_keymap_action(map, PL_K_DOWN, PL_PANE_LAYERS), PL_ACT_NONE);
    pl_keymap_destroy(map);
}

/* What is wrong is said with its line; the good lines count. */
static void test_errors(void **state)
{
    (void)state;
    pl_buf wrong = {0};
    pl_keymap *map = read_map("map all x solve\n"
                              "map all y\n"
                              "map all Y sovle\n"
                              "map nowhere Y solve\n"
                              "map all Ctrl-1 solve\n"
                              "bind all Y solve\n"
                              "map all Y solve now\n"
                              "unmap all Y solve\n"
                              "map all Z xyzzyxyzzy\n"
                              "map all H help\n",
                              &wrong);
    static const char *const sentences[] = {
        "keys: line 2: expected map PANE KEY ACTION\n",
        "keys: line 3: no action is named \"sovle\": did you mean solve?\n",
        "keys: line 4: no pane is named \"nowhere\", expected all, layers, main, second, table or "
        "tuner\n",
        "keys: line 5: no key is named \"Ctrl-1\", expected a character or a name such as Ctrl-P, "
        "Space, Up, F1\n",
        "keys: line 6: \"bind\": expected map or unmap\n",
        "keys: line 7: expected map PANE KEY ACTION\n",
        "keys: line 8: expected unmap PANE KEY\n",
        "keys: line 9: no action is named \"xyzzyxyzzy\"\n",
    };
    const char *at = wrong.data;
    assert_non_null(at);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        assert_memory_equal(at, sentences[i], strlen(sentences[i]));
        at += strlen(sentences[i]);
    }
    assert_string_equal(at, "");
    assert_int_equal(pl_keymap_action(map, 'x', PL_PANE_MAIN), PL_ACT_SOLVE);
    assert_int_equal(pl_keymap_action(map, 'H', PL_PANE_MAIN), PL_ACT_HELP);
    pl_buf_deinit(&wrong);
    pl_keymap_destroy(map);
}

/* Sentences name the keys as they are. */
static void test_sentences(void **state)
{
    (void)state;
    pl_buf wrong = {0};
    char text[64];
    pl_keymap *map = read_map("map all x solve\nunmap all Space\nunmap all c\n", &wrong);
    static const char sentence[] = "{solve} solves, {calibrate} calibrates {";
    pl_keymap_say(NULL, PL_PANE_MAIN, sentence, text, sizeof text);
    assert_string_equal(text, "Space solves, c calibrates {");
    pl_keymap_say(map, PL_PANE_MAIN, sentence, text, sizeof text);
    assert_string_equal(text, "x solves, :calibrate calibrates {");
    pl_keymap_say(map, PL_PANE_MAIN, sentence, text, 5);
    assert_string_equal(text, "x so");
    static const char list[] = ":compare \"gptq bits={3,4}\" or {solve}, {} {nothing}";
    pl_keymap_say(map, PL_PANE_MAIN, list, text, sizeof text);
    assert_string_equal(text, ":compare \"gptq bits={3,4}\" or x, {} {nothing}");
    pl_keymap_destroy(map);
}

/* Many lines: the table grows, and stays the table. */
static void test_many_lines(void **state)
{
    (void)state;
    pl_buf text = {0};
    pl_buf wrong = {0};
    for (int i = 0; i < 300; i++) {
        pl_buf_printf(&text, "map tuner %c quit\nmap all %c help\n", 'A' + i % 26, 'A' + i % 26);
    }
    pl_keymap *map = read_map(text.data, &wrong);
    assert_null(wrong.data);
    assert_int_equal(pl_keymap_action(map, 'Q', PL_PANE_TUNER), PL_ACT_HELP);
    assert_int_equal(pl_keymap_action(map, 'q', PL_PANE_TUNER), PL_ACT_QUIT);
    pl_keymap_destroy(map);
    pl_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_action_has_a_name),
        cmocka_unit_test(test_names_of_keys),
        cmocka_unit_test(test_map_and_unmap),
        cmocka_unit_test(test_a_pair_loses_one),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_many_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
