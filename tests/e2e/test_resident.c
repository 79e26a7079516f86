/* --batch -: a process that another one drives through pipes; and FIFOs, --keep-going, the exit
 * statuses of all that. */
#include "tests/e2e/run_planish.h"
#include "tests/support/json_doc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct driven {
    pid_t pid;
    int to, from;
} driven;

static driven start(void)
{
    driven d;
    int in[2], out[2];
    const char *program = getenv("PLANISH_BIN");
    char *store = strdup(run_path("store"));
    char *argv[] = {(char[]){"planish"},
                    (char[]){"--json"},
                    (char[]){"--store"},
                    store,
                    (char[]){"--batch"},
                    (char[]){"-"},
                    NULL};
    assert_non_null(program);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, run_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    assert_int_equal(posix_spawn(&d.pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    free(store);
    close(in[0]);
    close(out[1]);
    d.to = in[1];
    d.from = out[0];
    return d;
}

static void tell(const driven *d, const char *text)
{
    assert_int_equal(write(d->to, text, strlen(text)), strlen(text));
}

/* The next line, which must come though the input has not ended. */
static json_t *answer(const driven *d)
{
    static char line[1 << 16];
    size_t size = 0;
    struct pollfd end = {.fd = d->from, .events = POLLIN};
    do {
        expect_less(size, sizeof line - 1);
        assert_int_equal(poll(&end, 1, 120000), 1);
        assert_int_equal(read(d->from, line + size, 1), 1);
    } while (line[size++] != '\n');
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    json_doc_check_line(object);
    return object;
}

/* What a command succeeds with (NULL: it fails), or how it fails. */
static void check_answer(const driven *d, const char *command, const char *code)
{
    json_t *object = answer(d);
    assert_string_equal(json_string_value(json_object_get(object, "command")), command);
    const json_t *error = json_object_get(object, "error");
    if (code == NULL) {
        assert_true(json_is_true(json_object_get(object, "ok")));
    } else {
        assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    }
    json_decref(object);
}

/* Its exit status, 128 + signal; nothing more was said. */
static int end(driven *d)
{
    char byte;
    int status = 0;
    close(d->to);
    assert_int_equal(read(d->from, &byte, 1), 0);
    close(d->from);
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_one_answer_a_command(void **ctx)
{
    (void)ctx;
    driven d = start();
    tell(&d, "select 1.q_proj\n");
    check_answer(&d, "select 1.q_proj", NULL);
    tell(&d, "\n# nothing to answer \\\nselect 0.q_proj; select 9.q_proj; select 2.q_proj\r\n");
    check_answer(&d, "select 0.q_proj", NULL);
    check_answer(&d, "select 9.q_proj", "not_found");
    check_answer(&d, "select 2.q_proj", NULL);
    tell(&d, "frobnicate; select 1.");
    tell(&d, "k_proj\n"); /* a line in two pieces */
    check_answer(&d, "frobnicate", "usage");
    check_answer(&d, "select 1.k_proj", NULL);
    tell(&d, "method rtn \\\n");
    tell(&d, "bits=3\n");
    check_answer(&d, "method rtn   bits=3", NULL);
    tell(&d, "probe 'never \\\n"); /* answered now, not when somebody closes it */
    check_answer(&d, "probe 'never \\", "usage");
    tell(&d, "quit\nselect 3.q_proj\n");
    check_answer(&d, "quit", NULL);
    assert_int_equal(end(&d), 1); /* as the first failure, which nothing mended */
    char *said = run_read(run_path("stderr"), NULL);
    assert_non_null(strstr(said, "planish: stdin:8: unclosed quote: 'never"));
    free(said);
}

static void test_the_end_of_the_input(void **ctx)
{
    (void)ctx;
    driven d = start();
    tell(&d, "select 1.q_proj\nselect 1.k_proj"); /* a last line without its newline */
    check_answer(&d, "select 1.q_proj", NULL);
    close(d.to);
    d.to = -1;
    check_answer(&d, "select 1.k_proj", NULL);
    assert_int_equal(end(&d), 0);
}

/* SIGINT ends the command that runs, and nothing else. */
static void test_an_interrupt(void **ctx)
{
    (void)ctx;
    driven d = start();
    tell(&d, "select 1.q_proj\n");
    check_answer(&d, "select 1.q_proj", NULL);
    tell(&d, "perplexity windows=0 spread=1000\n");
    kill(d.pid, SIGINT);
    check_answer(&d, "perplexity windows=0 spread=1000", "cancelled");
    tell(&d, "select 1.k_proj\n");
    check_answer(&d, "select 1.k_proj", NULL);
    kill(d.pid, SIGINT); /* nothing runs */
    tell(&d, "select 1.q_proj\n");
    check_answer(&d, "select 1.q_proj", NULL);
    assert_int_equal(end(&d), 1);
    d = start();
    tell(&d, "select 1.q_proj\n");
    check_answer(&d, "select 1.q_proj", NULL);
    kill(d.pid, SIGTERM);
    assert_int_equal(end(&d), 128 + SIGTERM);
}

/* A NUL byte is no text: it ends. */
static void test_no_text(void **ctx)
{
    (void)ctx;
    driven d = start();
    assert_int_equal(write(d.to, "info\0\n", 6), 6);
    assert_int_equal(end(&d), 1);
    char *said = run_read(run_path("stderr"), NULL);
    assert_string_equal(said, "planish: standard input: expected a text, found a NUL byte\n");
    free(said);
}

static pid_t feed(const char *fifo, const char *text)
{
    const pid_t pid = fork();
    if (pid == 0) {
        const int fd = open(fifo, O_WRONLY);
        const bool whole = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
        _exit(whole ? 0 : 1);
    }
    expect_less(0, pid);
    return pid;
}

static void test_fifos_and_going_on(void **ctx)
{
    (void)ctx;
    static const char script[] = "select 1.q_proj\nselect 9.q_proj\nfrobnicate\nselect 1.k_proj";
    char file[1024];
    snprintf(file, sizeof file, "%s", run_path("fifo"));
    assert_int_equal(mkfifo(file, 0600), 0);
    for (int i = 0; i < 2; i++) {
        const pid_t feeder = i == 0 ? feed(file, script) : 0;
        if (i == 1) {
            snprintf(file, sizeof file, "%s", run_path("script"));
            run_write(file, script);
        }
        run r = RUN("--json", "--batch", file);
        run_check_failed(&r, 1, "no layer '9.q_proj'");
        assert_int_equal(r.n_lines, 2);
        run_free(&r);
        assert_true(i == 1 || waitpid(feeder, NULL, 0) == feeder);
    }
    run r = RUN("--json", "--keep-going", "--batch", file);
    assert_int_equal(r.status, 1); /* of the first one; the second's would be 2 */
    assert_int_equal(r.n_lines, 4);
    assert_true(json_is_true(json_object_get(r.lines[3], "ok")));
    run_free(&r);
    r = RUN("--json", "--keep-going", "-c", "frobnicate; info; probe 'never; info");
    assert_int_equal(r.status, 2);
    assert_int_equal(r.n_lines, 3);
    run_free(&r);
}

/* The guide's five lines, as they stand there. */
static void test_python(void **ctx)
{
    (void)ctx;
    char command[4096], path[1024];
    const char *root = getenv("PLANISH_SOURCE_ROOT"), *program = getenv("PLANISH_BIN");
    if (system("python3 -c '' 2>/dev/null") != 0) {
        skip();
    }
    snprintf(path, sizeof path, "%s/app/guide.md", root != NULL ? root : ".");
    char *text = run_read(path, NULL);
    const char *begin = strstr(text, "```python\n");
    assert_non_null(begin);
    begin += strlen("```python\n");
    const char *run_at = strstr(begin, "app/run");
    const char *stop = strstr(begin, "```");
    assert_non_null(stop);
    assert_true(run_at != NULL && run_at < stop);
    pl_buf script = {0};
    pl_buf_append(&script, begin, (size_t)(run_at - begin));
    pl_buf_puts(&script, program);
    run_at += strlen("app/run");
    pl_buf_append(&script, run_at, (size_t)(stop - run_at));
    pl_buf_puts(&script, "assert not ask('select 9.q_proj')['ok']\n"
                         "assert ask('select 1.q_proj')['result']['rows'] == 144\n"
                         "planish.stdin.close()\n"
                         "assert planish.wait() == 1\n");
    run_write(run_path("driver.py"), script.data);
    snprintf(command, sizeof command, "python3 '%s' 2>'%s'", run_path("driver.py"),
             run_path("said"));
    const int status = system(command);
    if (status != 0) {
        char *said = run_read(run_path("said"), NULL);
        fprintf(stderr, "%s", said);
        free(said);
    }
    assert_int_equal(status, 0);
    pl_buf_deinit(&script);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_answer_a_command), cmocka_unit_test(test_the_end_of_the_input),
        cmocka_unit_test(test_an_interrupt),         cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_fifos_and_going_on),   cmocka_unit_test(test_python),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
