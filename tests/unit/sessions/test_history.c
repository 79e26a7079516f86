/* What a session's file holds over time: files of every earlier schema, states of its commands, who
 * computed, and the same session written as another file. */
#include "tests/unit/sessions/session_files.h"

#include <unistd.h>

/* A session's file of an earlier schema, from what that version's own program wrote
 * (stored/make). */
static void build_stored(int version, const char *path)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char from[PATH_SIZE];
    char *sql = NULL;
    size_t size = 0;
    pl_error err = {0};
    snprintf(from, sizeof from, "%s/tests/unit/sessions/stored/version%d.sql",
             root != NULL ? root : ".", version);
    pl_check_ok(pl_file_read_all(from, 1 << 20, &sql, &size, &err), err);
    remove(path);
    run_sql(path, sql);
    free(sql);
}

static json_t *state_of(pl_session *session)
{
    pl_error err = {0};
    json_t *state = NULL;
    pl_check_ok(pl_session_state(session, &state, &err), err);
    assert_non_null(state);
    return state;
}

static void count_commands(void *ctx, const pl_session_command *one)
{
    static const char *const texts[] = {"method astro beta=3e-4",
                                        "method rtn bits=4",
                                        "select 1.q_proj",
                                        "solve",
                                        "outliers top=2",
                                        "perplexity windows=2",
                                        "method gptq bits=3 on=*.down_proj"};
    int *count = ctx;
    expect_less(*count, 7);
    assert_string_equal(one->text, texts[*count]);
    assert_int_equal(one->number, ++*count);
    assert_true(one->ok);
    assert_int_equal(one->began, 0);
    json_t *result = json_loads(one->result, 0, NULL);
    assert_non_null(result);
    if (*count == 6) {
        const double found = json_number_value(json_object_get(result, "perplexity"));
        expect_less(1.35, found);
        expect_less(found, 1.37);
    }
    json_decref(result);
}

/* Everything that an earlier schema's file holds is there, before and after it is opened again. */
static void migrates_every_earlier_version(void **unused)
{
    (void)unused;
    for (int version = 1; version <= 2; version++) {
        char path[PATH_SIZE + 64], was[16];
        snprintf(path, sizeof path, "%s", in_folder("stored.planish"));
        build_stored(version, path);
        snprintf(was, sizeof was, "%d", version);
        check_sql(path, "PRAGMA user_version", was);

        /* Reading it changes nothing. */
        pl_error err = {0};
        pl_session *session = NULL;
        pl_check_ok(pl_session_read(path, &session, &err), err);
        assert_int_equal(pl_session_count(session), 7);
        pl_session_close(session);
        check_sql(path, "PRAGMA user_version", was);

        for (int round = 0; round < 2; round++) {
            int count = 0;
            session = opened(path);
            pl_check_ok(pl_session_commands(session, 100, count_commands, &count, &err), err);
            assert_int_equal(count, 7);
            json_t *state = state_of(session);
            assert_string_equal(json_string_value(json_object_get(state, "layer")),
                                "model.layers.1.self_attn.q_proj");
            assert_int_equal(json_array_size(json_object_get(state, "solved")), 1);
            assert_int_equal(json_array_size(json_object_get(state, "slots")), 4);
            json_decref(state);
            assert_null(pl_session_cut_off(session));
            pl_session_close(session);
            check_sql(path, "PRAGMA user_version", "3");
        }
        session = opened(path);
        record(session, "goes on", 5);
        pl_session_close(session);
        check_sql(path, "SELECT count(*) || max(text) FROM commands WHERE id >= 8", "1goes on");
    }
}

/* What had begun in the second version's file is still known. */
static void migrates_what_had_begun(void **unused)
{
    (void)unused;
    const char *path = in_folder("begun.planish");
    build_stored(2, path);
    run_sql(path, "INSERT INTO begun VALUES (1, 2, 'solve all', 3)");
    pl_session *session = opened(path);
    assert_string_equal(pl_session_cut_off(session), "solve all");
    pl_session_close(session);
}

static void knows_the_states_of_its_commands(void **unused)
{
    (void)unused;
    pl_error err = {0};
    int64_t id = 0;
    json_t *state = NULL;
    pl_session *session = opened(in_folder("states.planish"));
    record(session, "layers", -1);
    record(session, "one", 1);
    record(session, "looks", -1);
    record(session, "two", 2);
    assert_int_equal(pl_session_count(session), 4);
    static const int states[] = {-1, 1, 1, 2};
    for (int64_t command = 1; command <= 4; command++) {
        pl_check_ok(pl_session_state_after(session, command, &id, &state, &err), err);
        assert_int_equal(number_of(state), states[command - 1]);
    }
    pl_check_ok(pl_session_state_of_id(session, 1, &state, &err), err);
    assert_int_equal(number_of(state), 1);
    assert_int_equal(pl_session_state_of_id(session, 3, &state, &err), PL_ERR_FORMAT);
    pl_session_close(session);
}

static void take_began(void *ctx, const pl_session_command *one)
{
    int64_t *began = ctx;
    began[one->number - 1] = one->began;
}

/* A long command that ends behind others has the state that it began in. */
static void keeps_where_a_long_command_began(void **unused)
{
    (void)unused;
    pl_error err = {0};
    int64_t began[4] = {0};
    pl_session *session = opened(in_folder("began.planish"));
    record(session, "one", 1);
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    record(session, "two", 2);
    record(session, "solve all", 3);
    pl_check_ok(pl_session_begin(session, "sweep", &err), err);
    record(session, "sweep", -1);
    pl_check_ok(pl_session_commands(session, 10, take_began, began, &err), err);
    assert_int_equal(began[1], 0);
    assert_int_equal(began[2], 1);
    assert_int_equal(began[3], 0); /* nothing came between */
    pl_session_close(session);
}

static void knows_what_computed(void **unused)
{
    (void)unused;
    pl_error err = {0};
    char *version = NULL, *kernel = NULL;
    int threads = 0;
    const char *path = in_folder("maker.planish");
    pl_session *session = opened(path);
    record(session, "before", 1);
    pl_check_ok(pl_session_set_maker(session, "1.0", "Zen", 2, &err), err);
    record(session, "first", 2);
    record(session, "second", 3);
    assert_false(pl_session_maker(session, 1, &version, &kernel, &threads));
    assert_null(version);
    pl_session_close(session);
    session = opened(path);
    pl_check_ok(pl_session_set_maker(session, "1.1", "Haswell", 4, &err), err);
    record(session, "third", 4);
    for (int64_t command = 2; command <= 4; command++) {
        assert_true(pl_session_maker(session, command, &version, &kernel, &threads));
        assert_string_equal(version, command < 4 ? "1.0" : "1.1");
        assert_string_equal(kernel, command < 4 ? "Zen" : "Haswell");
        assert_int_equal(threads, command < 4 ? 2 : 4);
        free(version);
        free(kernel);
    }
    pl_session_close(session);
}

static char *shorter(void *ctx, pl_session_text kind, const char *text)
{
    pl_buf out = {0};
    *(int *)ctx |= 1 << kind;
    const char *at = strstr(text, "/home/me/");
    pl_buf_append(&out, text, at != NULL ? (size_t)(at - text) : strlen(text));
    pl_buf_puts(&out, at != NULL ? at + strlen("/home/me/") : "");
    return out.data;
}

/* Up to a command, with other texts; nothing of what was taken out stays in the file's bytes. */
static void writes_itself_as_another_file(void **unused)
{
    (void)unused;
    pl_error err = {0};
    int kinds = 0;
    char path[PATH_SIZE + 64], *bytes = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s", in_folder("written.planish"));
    pl_session *session = opened(in_folder("whole.planish"));
    record(session, "open /home/me/model", 1);
    record(session, "solve", 2);
    pl_check_ok(pl_session_record(session, "x", false, NULL, "/home/me/x: not there", NULL, &err),
                err);
    record(session, "secret of /home/me/later", 3);
    pl_check_ok(pl_session_begin(session, "solve all", &err), err);
    const char *const about[][2] = {{"branch_of", "whole"}, {"file:a'b", "1"}};
    const pl_session_as as = {
        .through = 3, .rewrite = shorter, .ctx = &kinds, .about = about, .n_about = 2};
    pl_check_ok(pl_session_write_as(session, path, &as, &err), err);
    assert_int_equal(kinds, 1 << PL_TEXT_COMMAND | 1 << PL_TEXT_RESULT | 1 << PL_TEXT_STATE |
                                1 << PL_TEXT_SENTENCE);
    assert_int_equal(present(session), 3); /* itself it stays */
    /* It replaces none. */
    assert_int_equal(pl_session_write_as(session, path, &as, &err), PL_ERR_IO);
    pl_check_says(err, "there is a file already");
    pl_session_close(session);
    pl_check_ok(pl_file_read_all(path, 1 << 24, &bytes, &size, &err), err);
    assert_null(memmem(bytes, size, "/home/me", 8));
    assert_null(memmem(bytes, size, "secret", 6));
    free(bytes);
    session = opened(path);
    assert_null(pl_session_cut_off(session));
    assert_int_equal(present(session), 2);
    char *value = pl_session_about(session, "branch_of");
    assert_string_equal(value, "whole");
    free(value);
    value = pl_session_about(session, "file:a'b");
    assert_string_equal(value, "1");
    free(value);
    assert_null(pl_session_about(session, "nothing"));
    record(session, "goes on", 9);
    pl_session_close(session);
    check_sql(path, "SELECT group_concat(text || coalesce(error, '')) FROM commands",
              "open model,solve,xx: not there,goes on");
}

static void refuses_to_read_what_is_none(void **unused)
{
    (void)unused;
    pl_error err = {0};
    pl_session *session = NULL;
    assert_int_equal(pl_session_read(in_folder("missing.planish"), &session, &err),
                     PL_ERR_NOT_FOUND);
    pl_check_says(err, "there is no session of that name");
    assert_int_not_equal(access(in_folder("missing.planish"), F_OK), 0);
    pl_check_ok(pl_file_write_all(in_folder("text.planish"), "not a session", 13, &err), err);
    assert_int_equal(pl_session_read(in_folder("text.planish"), &session, &err), PL_ERR_FORMAT);
    run_sql(in_folder("other.db"), "CREATE TABLE t(x)");
    assert_int_equal(pl_session_read(in_folder("other.db"), &session, &err), PL_ERR_FORMAT);
    pl_check_says(err, "another application's SQLite database");
    pl_session_close(opened(in_folder("newest.planish")));
    run_sql(in_folder("newest.planish"), "PRAGMA user_version = 9");
    assert_int_equal(pl_session_read(in_folder("newest.planish"), &session, &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err, "written by a newer Planish (schema 9; this one knows up to 3)");
    assert_null(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrates_every_earlier_version),
        cmocka_unit_test(migrates_what_had_begun),
        cmocka_unit_test(knows_the_states_of_its_commands),
        cmocka_unit_test(keeps_where_a_long_command_began),
        cmocka_unit_test(knows_what_computed),
        cmocka_unit_test(writes_itself_as_another_file),
        cmocka_unit_test(refuses_to_read_what_is_none),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
