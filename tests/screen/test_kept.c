/* Sessions, undo, questions and long jobs that end early, in a real pseudo-terminal. */
#include "tests/screen/pty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

static double patience(void)
{
    return 10 * pl_pty_patience();
}

static pl_pty *start_with(const char *model, const char *option, const char *value)
{
    const char *args[4] = {0};
    size_t n = 0;
    if (option != NULL) {
        args[n++] = option;
        args[n++] = value;
    }
    if (model != NULL) {
        args[n++] = model;
    }
    pl_pty *pty =
        pl_pty_start(own_folder.folder, 30, 150, "xterm-256color", "C.UTF-8", n > 0 ? args : NULL);
    pl_pty_wait_text(pty, "Layers", patience());
    return pty;
}

static void leave(pl_pty *pty)
{
    pl_pty_leave(pty, patience());
}

static void send_wait(pl_pty *pty, const char *keys, const char *text)
{
    pl_pty_send_wait(pty, keys, text, patience());
}

static void shell(const char *command)
{
    char line[4096];
    snprintf(line, sizeof line, "cd '%s' && %s", own_folder.folder, command);
    assert_int_equal(system(line), 0);
}

/* Copies of the demo's model: a, at another path b, and c with other weights. */
static void make_models(void)
{
    char command[3000];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(command, sizeof command,
             "mkdir -p a b c && cp '%s'/sessions/demo/*.* a && cp a/* b && cp a/* c && "
             "dd if=/dev/zero of=c/model.safetensors bs=1000 seek=1000 count=200 conv=notrunc "
             "status=none",
             root != NULL ? root : ".");
    shell(command);
}

static const char *in_own(const char *name)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", own_folder.folder, name);
    return path;
}

/* They do not calibrate themselves. */
#define CALIBRATE ":calibrate text=b/calibration.txt length=64 windows=2; "

static void test_one_session_a_model(void **state)
{
    (void)state;
    make_models();
    char line[900];
    pl_pty *pty = start_with(in_own("a"), NULL, NULL);
    send_wait(pty, CALIBRATE "method rtn bits=3; solve 2.q_proj; select 2.q_proj\r", "1 solved");
    snprintf(line, sizeof line, ":open %s\r", in_own("c"));
    send_wait(pty, line,
              "llama: 4 blocks"); /* another model: another session, with nothing in it */
    pl_pty_wait_gone(pty, "1 solved", patience());
    send_wait(pty, CALIBRATE "method rtn bits=4; solve 1.q_proj; solve 1.k_proj\r", "2 solved");
    /* Back to the first, whose session is as it was. */
    snprintf(line, sizeof line, ":open %s\r", in_own("a"));
    send_wait(pty, line, "L brings the last session back: a, 1 layer solved");
    send_wait(pty, "L", "2.self_attn.q_proj  [");
    pl_pty_wait_text(pty, "1 solved", patience());
    send_wait(pty, ":sessions\r", "2 of 2  Enter opens it");
    pl_pty_wait_text(pty, "2 solved", patience());
    send_wait(pty, "\033", "1 solved");
    leave(pty);
    /* The same model at another path has the same session; it is looked for there. */
    shell("rm -rf a");
    pty = start_with(in_own("b"), NULL, NULL);
    pl_pty_wait_text(pty, "L brings the last session back: a, 1 layer solved", patience());
    send_wait(pty, "L", "2.self_attn.q_proj  [");
    pl_pty_wait_text(pty, "1 solved", patience());
    /* The log is that of the session. */
    send_wait(pty, ":log\r", "Log of this session");
    pl_pty_wait_text(pty, "solve 2.q_proj", patience());
    send_wait(pty, "\033", "1 solved");
    /* The list: newest first; letters filter, Enter opens. */
    send_wait(pty, ":sessions\r", "2 of 2  Enter opens it");
    send_wait(pty, "zzz", "0 of 2");
    send_wait(pty, "\025c", "> c ");
    send_wait(pty, "\r", "is restored; u undoes it");
    pl_pty_wait_text(pty, "2 solved", patience());
    send_wait(pty, ":sessions open 9\r", "no session is named \"9\"");
    leave(pty);
    shell("test $(ls state/planish/*.planish | wc -l) = 2");
    /* Without a model the newest is offered. */
    pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "L brings the last session back: c, 2 layers solved", patience());
    send_wait(pty, "L", "2 solved");
    leave(pty);
}

/* Other weights at the same path are another model: its session is another one, and what the old
 * one has is marked and not touched. */
static void test_a_replaced_model_has_its_own_session(void **state)
{
    (void)state;
    make_models();
    pl_pty *pty = start_with(in_own("a"), NULL, NULL);
    send_wait(pty, CALIBRATE "method rtn bits=3; solve 2.q_proj; select 2.q_proj\r", "1 solved");
    leave(pty);
    shell("cp c/model.safetensors a");
    pty = start_with(in_own("a"), NULL, NULL);
    pl_pty_wait_text(pty, "before  c calibrates", patience());
    assert_false(pl_pty_shows(pty, "L brings"));
    send_wait(pty, ":sessions open 1\r", ">!2.self_attn.q_proj");
    pl_pty_wait_text(pty, "of another model and not used", patience());
    send_wait(pty, ":method rtn bits=8\r", "round: rtn bits=8");
    leave(pty);
    shell("test $(ls state/planish/*.planish | wc -l) = 2");
    pty = start_with(in_own("a"), NULL, NULL);
    send_wait(pty, ":sessions\r", "2 of 2  Enter opens it");
    pl_pty_wait_text(pty, "1 solved", patience()); /* the old one's layer, as it was */
    pl_pty_send(pty, "\033");
    leave(pty);
}

static void test_a_named_session_is_there_at_once(void **state)
{
    (void)state;
    make_models();
    char session[700];
    snprintf(session, sizeof session, "%s", in_own("mine.planish"));
    pl_pty *pty = start_with(in_own("a"), "--session", session);
    send_wait(pty, CALIBRATE "method rtn bits=3; solve 2.q_proj; select 2.q_proj\r", "1 solved");
    leave(pty);
    pty = start_with(NULL, "--session", session);
    pl_pty_wait_text(pty, "2.self_attn.q_proj  [", patience());
    pl_pty_wait_text(pty, "1 solved", patience());
    leave(pty);
    pty = start_with(in_own("a"), "--session", session);
    pl_pty_wait_text(pty, "2.self_attn.q_proj  [", patience());
    leave(pty);
}

static const char long_solve[] = ":method flatquant steps=20000; method rtn; solve all\r";

static void test_a_long_job_that_ends_early(void **state)
{
    (void)state;
    pl_pty *pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    send_wait(pty, ":resume\r", "no command was stopped or cut off");
    send_wait(pty, long_solve, "layers/s");
    send_wait(pty, "q", "Quit?  y/n");
    pl_pty_wait_text(pty, "of 28 layers are done and kept.  Quit?  y/n", patience());
    send_wait(pty, "n", "no: nothing has changed");
    send_wait(pty, "\033", "of 28 layers are done and kept; :resume goes on");
    send_wait(pty, ":resume\r", "layers/s");
    pl_pty_run(pty, 2); /* a busy disk has it by then */
    pl_pty_signal(pty, SIGKILL);
    double seconds = 0;
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 128 + SIGKILL);
    pl_pty_stop(pty);
    /* Cut off: the next start says so, and resume has the methods back, too. */
    pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "`solve all` was cut off:  :resume goes on with it", patience());
    send_wait(pty, ":resume\r", "Esc cancels");
    pl_pty_wait_text(pty, "flatquant", patience());
    send_wait(pty, "q", "Quit?  y/n");
    pl_pty_send(pty, "y");
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    pl_pty_stop(pty);
    pty = start_with(NULL, NULL, NULL); /* left so, it is offered again */
    pl_pty_wait_text(pty, "`solve all` was cut off", patience());
    /* A long question has its end in a second line. */
    send_wait(pty, ":method flatquant steps=20000; method rtn; solve all sequential=yes\r",
              "layers/s");
    send_wait(pty, "q", "y/n");
    send_wait(pty, "n", "no: nothing has changed");
    send_wait(pty, "\033", ":resume goes on");
    pl_pty_send(pty, "q"); /* nothing runs: at once */
    assert_int_equal(pl_pty_wait_end(pty, patience(), &seconds), 0);
    pl_pty_stop(pty);
}

/* What was stopped is offered again in the next run, when its session is back. */
static void test_a_stopped_job_is_offered_again(void **state)
{
    (void)state;
    pl_pty *pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    send_wait(pty, long_solve, "layers/s");
    send_wait(pty, "\033", "of 28 layers are done and kept; :resume goes on");
    leave(pty);
    pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "L brings the last session back", patience());
    send_wait(pty, "L", "`solve all` was stopped:  :resume runs it again");
    send_wait(pty, ":resume\r", "layers/s");
    send_wait(pty, "\033", "of 28 layers are done and kept; :resume goes on");
    leave(pty);
}

static void test_a_figure_is_not_replaced_unasked(void **state)
{
    (void)state;
    pl_pty *pty = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    send_wait(pty, ":method astro; method gptq bits=3; solve\r", "1 solved");
    send_wait(pty, "\te", "file=0.q_proj-astro-gptq-w3-channels.png");
    send_wait(pty, "\r", " px  in ");
    send_wait(pty, "e\r", "channels.png is there already.  Replace it?  y/n");
    shell("touch -d '2001-01-01' 0.q_proj-astro-gptq-w3-channels.png");
    send_wait(pty, "\033", "no: nothing has changed");
    shell("test 0.q_proj-astro-gptq-w3-channels.png -ot state");
    send_wait(pty, "e\r", "Replace it?  y/n");
    send_wait(pty, "y", " px  in ");
    shell("test -z \"$(find . -maxdepth 1 -name '*.png' -not -newermt 2002-01-01)\"");
    leave(pty);
}

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* The second of two on one model records nothing: its header says so until it has its own. */
static void test_a_session_that_is_not_kept_says_so(void **state)
{
    (void)state;
    pl_pty *first = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(first, "calibrated 4,096 tokens", patience());
    pl_pty *second = start_with(NULL, NULL, NULL);
    pl_pty_wait_text(second, "session not kept  calibrated 4,096 tokens", patience());
    send_wait(second, "j", "> 0.self_attn.k_proj");
    assert_non_null(strstr(pl_pty_row(second, 0, 0, 150), "session not kept"));
    assert_null(strstr(pl_pty_row(first, 0, 0, 150), "not kept"));
    send_wait(second, ":branch other\r", "goes on as other");
    pl_pty_wait_gone(second, "session not kept", patience());
    leave(second);
    leave(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_one_session_a_model),
        SCREEN(test_a_replaced_model_has_its_own_session),
        SCREEN(test_a_named_session_is_there_at_once),
        SCREEN(test_a_long_job_that_ends_early),
        SCREEN(test_a_stopped_job_is_offered_again),
        SCREEN(test_a_figure_is_not_replaced_unasked),
        SCREEN(test_a_session_that_is_not_kept_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
