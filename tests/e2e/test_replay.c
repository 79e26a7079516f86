/* Sessions that replay, go on under another name, and are open in two programs. */
#include "tests/e2e/run_planish.h"

#include "core/base/text.h"
#include "plots/page.h"

#include <sqlite3.h>
#include <unistd.h>

#define OPEN(session, ...)                                                                         \
    RUN("--json", "--threads", "1", "--store", "store", "--session", session, __VA_ARGS__)
#define BARE(...) RUN("--json", "--threads", "1", "--store", "other-store", __VA_ARGS__)

static void change(const char *session, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(session, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db) > 0, 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void check_number(const json_t *result, const char *key, json_int_t expected)
{
    assert_int_equal(json_integer_value(json_object_get(result, key)), expected);
}

/* A session's result under a key of differs. */
static const json_t *difference(const run *r)
{
    const json_t *found =
        json_object_get(json_object_get(r->lines[r->n_lines - 1], "result"), "differs");
    assert_true(json_is_object(found));
    return found;
}

static void make_session(const char *name)
{
    run r = OPEN(name, "--keep-going", "-c",
                 "method astro beta=3e-4; method gptq bits=3; calibrate windows=2; solve 1.q_proj; "
                 "outliers 1.q_proj top=2; select 9.q_proj; plot histogram 1.q_proj file=h.png; "
                 "layers top=2 file=l.csv; perplexity which=after windows=1; info; export dir=made "
                 "partial=yes; import after=made; help");
    assert_int_equal(r.status, 1); /* there is no such layer */
    run_free(&r);
}

static void test_a_session_replays(void **ctx)
{
    (void)ctx;
    make_session("first.planish");
    assert_int_equal(unlink("h.png") + unlink("l.csv"), 0);
    free(run_shell("rm -r made"));
    char *before = run_shell("md5sum first.planish");
    run r = BARE("-c", "method rtn bits=2; replay first.planish; layers top=1");
    const json_t *result = run_result(&r, 1);
    assert_true(json_is_true(json_object_get(result, "same")));
    assert_true(json_is_null(json_object_get(result, "differs")));
    check_number(result, "commands", 13);
    check_number(result, "left_out", 2); /* what failed, and help */
    check_number(result, "replayed", 11);
    check_number(result, "figures", 1);
    check_number(result, "figures_not_compared", 0);
    expect_close(run_number(result, "tolerance"), 0, 0);
    expect_close(run_number(result, "largest_difference"), 0, 0);
    expect_less(90, json_integer_value(json_object_get(result, "numbers")));
    /* Nothing of it stays: no file, no result, no session that is another. */
    assert_int_equal(access("h.png", F_OK) & access("l.csv", F_OK) & access("made", F_OK), -1);
    char *left = run_shell("ls -A other-store");
    assert_string_equal(left, "");
    free(left);
    char *after = run_shell("md5sum first.planish");
    assert_string_equal(before, after);
    free(before);
    free(after);
    run_free(&r);

    /* The store's results are taken where that is wished, and those that are missing are added. */
    r = BARE("-c", "replay first.planish store=kept");
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    left = run_shell("ls -A other-store | grep -c replay || true");
    assert_string_equal(left, "0\n");
    free(left);
}

static void test_the_first_difference_is_named(void **ctx)
{
    (void)ctx;
    make_session("changed.planish");
    change("changed.planish",
           "UPDATE commands SET result = json_set(result, '$.relative_error', "
           "json_extract(result, '$.relative_error') * 1.01) WHERE text = 'solve 1.q_proj'");
    run r = BARE("-c", "replay changed.planish");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.err, "planish: a result differs from the session's\n");
    const json_t *found = difference(&r);
    check_number(found, "step", 4);
    assert_string_equal(json_string_value(json_object_get(found, "command")), "solve 1.q_proj");
    assert_string_equal(json_string_value(json_object_get(found, "key")), "relative_error");
    expect_close(run_number(found, "relative_difference"), 1 - 1 / 1.01, 1e-6);
    expect_close(run_number(found, "recorded") / run_number(found, "found"), 1.01, 1e-6);
    run_free(&r);
    r = RUN("--threads", "1", "--store", "other-store", "-c", "replay changed.planish");
    assert_non_null(strstr(r.out, "step 4, `solve 1.q_proj`: relative_error was "));
    assert_non_null(strstr(r.out, ": a relative difference of 0.0099\n"));
    run_free(&r);
    r = BARE("-c", "replay changed.planish tolerance=0.02");
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    expect_close(run_number(run_last(&r), "largest_difference"), 0.0099, 1e-4);
    run_free(&r);

    /* In a row of a list, and where the command fails now. */
    change("changed.planish",
           "UPDATE commands SET result = json_set(result, '$.layers[1].cols', 145) "
           "WHERE text LIKE 'layers%'");
    r = BARE("-c", "replay changed.planish tolerance=0.001");
    assert_string_equal(json_string_value(json_object_get(difference(&r), "key")),
                        "relative_error");
    run_free(&r);
    change("changed.planish", "UPDATE commands SET result = '{}' WHERE text = 'solve 1.q_proj'");
    r = BARE("-c", "replay changed.planish");
    assert_string_equal(json_string_value(json_object_get(difference(&r), "key")),
                        "layers[model.layers.0.self_attn.k_proj].cols");
    run_free(&r);
    change("changed.planish", "UPDATE commands SET ok = 1 WHERE text = 'select 9.q_proj'");
    r = BARE("-c", "replay changed.planish");
    assert_non_null(
        strstr(json_string_value(json_object_get(difference(&r), "error")), "9.q_proj"));
    run_free(&r);

    r = BARE("-c", "replay nowhere.planish");
    run_check_failed(&r, 1, "there is no file and no session named nowhere.planish");
    run_free(&r);
    r = BARE("-c", "replay h.png");
    run_check_failed(&r, 1, "not a Planish session");
    run_free(&r);
}

/* What keys did stands in the session as states; a long command may have begun before others. */
/* The same numbers, and other bytes. */
static void test_figures_are_compared(void **ctx)
{
    (void)ctx;
    run r = OPEN("drawn.planish", "-c",
                 "plot histogram 1.q_proj file=h.png dpi=40; plot channels 1.q_proj file=c.csv; "
                 "plot channels 1.q_proj file=c.svg; figure 1x2 channels histogram file=f.pdf; "
                 "report 1.q_proj file=r.html");
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = BARE("-c", "replay drawn.planish");
    check_number(run_last(&r), "figures", 5);
    run_free(&r);
    r = BARE("-c", "replay drawn.planish tolerance=0.1");
    check_number(run_last(&r), "figures_not_compared", 5);
    run_free(&r);
    r = RUN("--threads", "2", "--store", "other-store", "-c", "replay drawn.planish");
    assert_non_null(
        strstr(r.out, "the bytes of 5 figures are not compared: they say what computed"));
    run_free(&r);

    change("drawn.planish", "UPDATE commands SET result = json_set(result, '$.drawn.identity', "
                            "'0123456789abcdef0123456789abcdef') WHERE text LIKE 'figure%'");
    r = BARE("-c", "replay drawn.planish");
    assert_int_equal(r.status, 1);
    check_number(difference(&r), "step", 4);
    assert_string_equal(json_string_value(json_object_get(difference(&r), "key")),
                        "drawn.identity of f.pdf");
    run_free(&r);

    change("drawn.planish", "UPDATE commands SET result = json_set(result, '$.drawn.by', "
                            "'drawing 2, cairo 1.0') WHERE text LIKE 'figure%'");
    r = BARE("-c", "replay drawn.planish");
    check_number(run_last(&r), "figures", 4);
    check_number(run_last(&r), "figures_not_compared", 1);
    const char *why = json_string_value(json_object_get(run_last(&r), "figures_why"));
    assert_non_null(strstr(why, "drawing 2, cairo 1.0 drew them then, drawing " PL_DRAWING ", "));
    run_free(&r);

    change("drawn.planish", "UPDATE commands SET result = json_remove(result, '$.drawn') "
                            "WHERE text LIKE 'report%'");
    r = BARE("-c", "replay drawn.planish");
    check_number(run_last(&r), "figures", 3);
    check_number(run_last(&r), "figures_not_compared", 2);
    run_free(&r);
}

static void test_states_of_the_screen_are_taken_as_recorded(void **ctx)
{
    (void)ctx;
    run r = OPEN("screen.planish", "-c", "method rtn bits=3; method rtn bits=4");
    run_free(&r);
    change("screen.planish", "INSERT INTO commands VALUES (3, 0, '# undo', 1, NULL, NULL, NULL); "
                             "INSERT INTO states SELECT 3, 2, 3, json FROM states WHERE id = 1; "
                             "UPDATE head SET state = 3");
    r = OPEN("screen.planish", "-c", "solve 1.q_proj");
    const double bits = run_number(run_last(&r), "bits_per_weight");
    expect_less(3, bits);
    expect_less(bits, 4);
    run_free(&r);
    r = BARE("-c", "replay screen.planish");
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    /* As if it had begun with four bits, before the undo. */
    change("screen.planish", "UPDATE commands SET began = 2 WHERE id = 4");
    r = BARE("-c", "replay screen.planish");
    assert_int_equal(r.status, 1);
    expect_less(run_number(difference(&r), "found"), 0.1);
    run_free(&r);
}

static void test_a_session_replays_elsewhere(void **ctx)
{
    (void)ctx;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    free(run_shell("mkdir -p here/model there && cp '%s'/sessions/demo/* here/model/ && "
                   "mv here/model/*.txt here/",
                   root));
    run r =
        OPEN("here/s.planish", "-c",
             "open here/model; calibrate text=here/calibration.txt windows=2; method rtn bits=3;"
             "solve 1.q_proj; perplexity text=here/evaluation.txt which=after windows=1");
    assert_int_equal(r.status, 0);
    run_free(&r);
    free(run_shell("mv here/model there/another-name && mv here/*.txt there/"));
    r = BARE("-c", "replay here/s.planish");
    run_check_failed(&r, 1, "the session's model model is not here; model=PATH says where it is");
    run_free(&r);
    r = BARE("-c", "replay here/s.planish model=there/another-name");
    assert_int_equal(r.status, 1);
    assert_non_null(
        strstr(json_string_value(json_object_get(difference(&r), "error")), "calibration.txt"));
    run_free(&r);
    r = BARE("-c", "replay here/s.planish model=there/another-name files=there");
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    /* Another text is another calibration. */
    free(run_shell("cp -r there changed && cp there/evaluation.txt changed/calibration.txt"));
    r = BARE("-c", "replay here/s.planish model=there/another-name files=changed");
    assert_int_equal(r.status, 1);
    check_number(difference(&r), "step", 2);
    run_free(&r);
    /* Another model: a bit of one weight. */
    free(
        run_shell("printf '\\001' | dd of=changed/another-name/model.safetensors bs=1 seek=1000000 "
                  "conv=notrunc 2>&1"));
    r = BARE("-c", "replay here/s.planish model=changed/another-name files=there");
    run_check_failed(&r, 1, "that is another model than the session's model");
    run_free(&r);
}

/* The model of the command line is recorded as a command that the grammar reads. */
static void test_any_path_of_a_model_is_recorded(void **ctx)
{
    (void)ctx;
    static const char *const folders[] = {"Bob's", "a \"b\" 'c'", "bits=3"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        pl_buf quoted = {0};
        pl_text_quote(folders[i], " '\"", &quoted);
        free(run_shell("rm -f any.planish any.txt && cp -r '%s' %s", run_demo_folder(),
                       quoted.data));
        run r = OPEN("any.planish", folders[i], "-c", "info; log file=any.txt");
        assert_int_equal(r.status, 0);
        run_free(&r);
        r = BARE("-c", "replay any.planish");
        assert_true(json_is_true(json_object_get(run_last(&r), "same")));
        run_free(&r);
        r = BARE("--batch", "any.txt");
        assert_int_equal(r.status, 0);
        run_free(&r);
        pl_buf_deinit(&quoted);
    }
}

static void test_a_branch_leaves_the_original(void **ctx)
{
    (void)ctx;
    run r =
        OPEN("trunk.planish", "-c",
             "method rtn bits=3; solve 1.q_proj; method rtn bits=4; branch twig; select 2.q_proj;"
             "branch leaf step=2; log; sessions; layers on=1.q_proj");
    assert_int_equal(r.status, 0);
    const json_t *made = run_result(&r, 3);
    assert_string_equal(json_string_value(json_object_get(made, "branch_of")), "trunk");
    check_number(made, "step", 3);
    made = run_result(&r, 5);
    assert_string_equal(json_string_value(json_object_get(made, "branch_of")), "twig");
    check_number(made, "step", 2);
    /* Of the first two commands there are their states and results. */
    const json_t *log = json_object_get(run_result(&r, 6), "commands");
    assert_int_equal(json_array_size(log), 3);
    const json_t *layer = json_array_get(json_object_get(run_result(&r, 8), "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(layer, "method")), "rtn");
    expect_less(run_number(layer, "bits_per_weight"), 4);
    const json_t *rows = json_object_get(run_result(&r, 7), "sessions");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *first = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "leaf");
    assert_string_equal(json_string_value(json_object_get(first, "branch_of")), "twig");
    assert_string_equal(json_string_value(json_object_get(first, "open")), "here");
    run_free(&r);

    r = OPEN("trunk.planish", "-c", "branch twig");
    run_check_failed(&r, 1, "there is a session named twig already");
    run_free(&r);
    r = OPEN("trunk.planish", "-c", "log");
    assert_int_equal(json_array_size(json_object_get(run_last(&r), "commands")), 4);
    run_free(&r);
    r = OPEN("trunk.planish", "-c", "branch 12");
    run_check_failed(&r, 1, "found the name \"12\", expected one of letters");
    run_free(&r);
    r = BARE("-c", "sessions open twig; log");
    log = json_object_get(run_last(&r), "commands");
    assert_string_equal(json_string_value(json_object_get(json_array_get(log, 4), "command")),
                        "select 2.q_proj");
    run_free(&r);
    r = BARE("-c", "branch x");
    run_check_failed(&r, 1, "there is no session here; start with --session FILE");
    run_free(&r);
    r = BARE("-c", "replay twig");
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
}

/* Tags choose layers, and come back with the session; reports have what is written on layers. */
static void test_notes_and_tags(void **ctx)
{
    (void)ctx;
    run r = OPEN("tags.planish", "-c",
                 "tag *.q_proj fragile; tag 1.down_proj later fragile; untag 0.q_proj fragile; "
                 "note 1.q_proj 'channel 34; spikes'; method rtn bits=4; "
                 "method rtn bits=3 on=tag:later; solve 1.down_proj; solve 2.q_proj");
    assert_int_equal(r.status, 0);
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 5), "on")),
                        "model.layers.1.mlp.down_proj");
    expect_less(run_number(run_result(&r, 6), "bits_per_weight"), 4);
    expect_less(4, run_number(run_result(&r, 7), "bits_per_weight"));
    run_free(&r);
    r = OPEN("tags.planish", "-c",
             "layers on=tag:fragile; tag; report all file=t.html; untag tag:fragile fragile later; "
             "note 1.q_proj none; layers top=1");
    const json_t *rows = json_object_get(run_result(&r, 0), "layers");
    assert_int_equal(json_array_size(rows), 4);
    const json_t *down = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(down, "tags")), "fragile later");
    assert_true(json_is_null(json_object_get(down, "note")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "note")),
                        "channel 34; spikes");
    check_number(run_result(&r, 3), "changed", 4);
    assert_null(
        json_object_get(json_array_get(json_object_get(run_last(&r), "layers"), 0), "tags"));
    run_free(&r);
    char *report = run_read("t.html", NULL);
    assert_non_null(strstr(report, "channel 34; spikes"));
    assert_non_null(strstr(report, "fragile later"));
    free(report);
    r = OPEN("tags.planish", "-c", "layers on=tag:fragile");
    run_check_failed(&r, 1, "layers: no layer has the tag fragile (`tag` lists those there are)");
    run_free(&r);
    r = OPEN("tags.planish", "-c", "tag 1.q_proj 'a b'");
    run_check_failed(&r, 1, "tag: found \"a b\", expected a name of letters");
    run_free(&r);
}

static void test_a_session_moves_in_one_file(void **ctx)
{
    (void)ctx;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char script[2048];
    free(run_shell("mkdir -p sent/model received && cp '%s'/sessions/demo/* sent/model/ && "
                   "mv sent/model/*.txt sent/",
                   root));
    snprintf(script, sizeof script,
             "open %s/sent/model; calibrate text=%s/sent/calibration.txt windows=2; method rtn "
             "bits=3; solve 1.q_proj; perplexity text=sent/evaluation.txt which=after windows=1; "
             "keep start; plot histogram 1.q_proj file=%s/sent/h.png; select 9.q_proj; "
             "tokenize text=%s/secret/place.txt; sessions export received/s.planish",
             run_folder(), run_folder(), run_folder(), run_folder());
    run r = OPEN("sent/s.planish", "--keep-going", "-c", script);
    const json_t *made = json_object_get(r.lines[r.n_lines - 1], "result");
    check_number(made, "commands", 9);
    assert_int_equal(json_array_size(json_object_get(made, "texts")), 2);
    run_free(&r);
    /* Nothing of where it was, and one file. */
    size_t size = 0;
    char *bytes = run_read("received/s.planish", &size);
    assert_null(memmem(bytes, size, run_folder(), strlen(run_folder())));
    assert_non_null(memmem(bytes, size, "text=calibration.txt", 20));
    free(bytes);
    char *files = run_shell("ls received; rm sent/s.planish*; mv sent/model received/renamed; "
                            "mkdir texts; mv sent/*.txt texts/; ls -A sent");
    assert_string_equal(files, "s.planish\nh.png\n");
    free(files);

    r = BARE("-c", "sessions import received/s.planish");
    run_check_failed(&r, 1, "sessions import: the session's model model is not here");
    run_free(&r);
    r = BARE("-c",
             "sessions import received/s.planish model=received/renamed files=texts name=came; "
             "layers on=1.q_proj; replay came store=kept; sessions open came; "
             "perplexity text=texts/evaluation.txt which=after windows=1; keep");
    made = run_result(&r, 0);
    assert_string_equal(json_string_value(json_object_get(made, "session")), "came");
    assert_non_null(strstr(json_string_value(json_object_get(made, "model")), "received/renamed"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *text = json_array_get(json_object_get(made, "texts"), i);
        assert_true(json_is_string(json_object_get(text, "path")));
    }
    const json_t *layer = json_array_get(json_object_get(run_result(&r, 1), "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(layer, "method")), "rtn");
    assert_true(json_is_true(json_object_get(run_result(&r, 2), "same")));
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 2), "figures_why")),
                        "they name the model: it was model, is renamed");
    expect_less(1.2, run_number(run_result(&r, 4), "perplexity"));
    assert_int_equal(json_array_size(json_object_get(run_last(&r), "kept")), 1);
    run_free(&r);
    r = BARE("-c", "sessions import received/s.planish model=received/renamed name=came");
    run_check_failed(&r, 1, "there is a session named came already");
    run_free(&r);
    /* Another text, another model. */
    free(run_shell("cp texts/evaluation.txt received/calibration.txt && "
                   "cp -r received/renamed other && printf '\\001' | dd conv=notrunc bs=1 "
                   "of=other/model.safetensors seek=1000000 2>&1"));
    r = BARE("-c", "replay received/s.planish model=received/renamed");
    run_check_failed(&r, 1, "calibration.txt is another file than the session's calibration.txt");
    run_free(&r);
    r = BARE("-c", "sessions import received/s.planish model=other files=texts name=wrong");
    run_check_failed(&r, 1, "that is another model than the session's model");
    run_free(&r);
    r = BARE("-c", "sessions name=x");
    run_check_failed(&r, 1, "name= goes with `sessions import FILE`");
    run_free(&r);
}

/* The first program waits for lines while others come. */
static void test_a_second_program_reads(void **ctx)
{
    (void)ctx;
    char *out =
        run_shell("mkfifo lines; p='%s --threads 1 --store store --session two.planish'; "
                  "$p --batch lines >first.out 2>&1 & exec 3>lines; echo 'method rtn bits=3' >&3; "
                  "until grep -q bits first.out; do sleep 0.05; done; "
                  "$p --json -c 'set bits=2; log; save' >second.out 2>second.err; echo $?; "
                  "$p --json -c 'set bits=5; branch kept' >third.out 2>&1; echo $?; "
                  "$p -c 'sessions' >>second.out 2>>third.err; "
                  "echo 'select 1.q_proj' >&3; exec 3>&-; wait; "
                  "$p --json -c 'log; info' 2>&1",
                  getenv("PLANISH_BIN"));
    assert_true(strncmp(out, "1\n0\n", 4) == 0);
    char *said = run_read("second.err", NULL);
    assert_non_null(strstr(said, "warning: two.planish: another program has this session open: it "
                                 "is read here, and what is done from now on is not kept"));
    assert_non_null(strstr(said, "planish: save: two.planish is open in another program and only "
                                 "read here; `branch NAME` keeps what is done here"));
    free(said);
    said = run_read("second.out", NULL);
    assert_non_null(strstr(said, "\"command\":\"set bits=2\"")); /* it sees what it does itself */
    assert_non_null(strstr(said, "elsewhere"));
    free(said);
    /* The writer's file has what the writer did. */
    assert_non_null(strstr(out, "\"command\":\"method rtn bits=3\""));
    assert_non_null(strstr(out, "\"command\":\"select 1.q_proj\""));
    assert_null(strstr(out, "set bits=2"));
    assert_null(strstr(out, "warning"));
    free(out);
    run r = BARE("-c", "sessions open kept; log");
    const json_t *log = json_object_get(run_last(&r), "commands");
    assert_int_equal(json_array_size(log), 4); /* with its branch, and that it was opened */
    assert_string_equal(json_string_value(json_object_get(json_array_get(log, 1), "command")),
                        "set bits=5");
    run_free(&r);
    assert_int_equal(access("two.planish-wal", F_OK) & access("two.planish-shm", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_replays),
        cmocka_unit_test(test_the_first_difference_is_named),
        cmocka_unit_test(test_figures_are_compared),
        cmocka_unit_test(test_states_of_the_screen_are_taken_as_recorded),
        cmocka_unit_test(test_a_session_replays_elsewhere),
        cmocka_unit_test(test_any_path_of_a_model_is_recorded),
        cmocka_unit_test(test_a_branch_leaves_the_original),
        cmocka_unit_test(test_notes_and_tags),
        cmocka_unit_test(test_a_session_moves_in_one_file),
        cmocka_unit_test(test_a_second_program_reads),
    };
    return cmocka_run_group_tests(tests, run_setup_inside, run_teardown);
}
