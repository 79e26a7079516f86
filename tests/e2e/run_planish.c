#include "tests/e2e/run_planish.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "tests/support/json_doc.h"
#include "tests/support/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pl_temp home;

int run_setup(void **ctx)
{
    (void)ctx;
    pl_temp_init(&home);
    setenv("HOME", home.folder, 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HF_HOME");
    unsetenv("HF_HUB_CACHE");
    run_write(run_path("stdin"), "quit\n");
    return 0;
}

int run_setup_inside(void **ctx)
{
    return run_setup(ctx) != 0 ? -1 : chdir(run_folder());
}

int run_teardown(void **ctx)
{
    (void)ctx;
    pl_temp_deinit(&home);
    return 0;
}

const char *run_folder(void)
{
    return home.folder;
}

const char *run_demo_folder(void)
{
    static char path[1024];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/sessions/demo", root != NULL ? root : ".");
    return path;
}

const char *run_path(const char *name)
{
    enum { KEPT = 16 };
    static char paths[KEPT][1024];
    static unsigned next;
    char *path = paths[next++ % KEPT];
    snprintf(path, sizeof paths[0], "%s/%s", home.folder, name);
    return path;
}

char *run_read(const char *path, size_t *size)
{
    pl_error err;
    char *text = NULL;
    size_t count = 0;
    pl_check_ok(pl_file_read_all(path, (size_t)1 << 28, &text, &count, &err), err);
    if (size != NULL) {
        *size = count;
    }
    return text;
}

void run_write(const char *path, const char *text)
{
    pl_error err;
    pl_check_ok(pl_file_write_all(path, text, strlen(text), &err), err);
}

static void add_line(run *r, double since)
{
    r->seconds = realloc(r->seconds, (r->n_lines + 1) * sizeof *r->seconds);
    assert_non_null(r->seconds);
    r->seconds[r->n_lines++] = pl_clock_now() - since;
}

/* Reads stdout to its end and notes when each line was there. */
static void collect(run *r, int fd)
{
    pl_buf out = {0};
    char piece[65536];
    double last = pl_clock_now();
    ssize_t count;
    while ((count = read(fd, piece, sizeof piece)) > 0 || (count < 0 && errno == EINTR)) {
        for (ssize_t i = 0; i < count; i++) {
            if (piece[i] == '\n') {
                add_line(r, last);
                last = pl_clock_now();
            }
        }
        pl_buf_append(&out, piece, count > 0 ? (size_t)count : 0);
    }
    pl_buf_append(&out, "", 0);
    assert_false(out.failed);
    assert_int_equal(strlen(out.data), out.size); /* no NUL byte */
    r->out = out.data;
}

static void parse_lines(run *r)
{
    char *rest = r->out;
    r->lines = calloc(r->n_lines + 1, sizeof *r->lines);
    assert_non_null(r->lines);
    for (size_t i = 0; i < r->n_lines; i++) {
        char *end = strchr(rest, '\n');
        json_t *line = json_loadb(rest, (size_t)(end - rest), JSON_REJECT_DUPLICATES, NULL);
        rest = end + 1;
        assert_non_null(line);
        assert_true(json_is_string(json_object_get(line, "command")));
        bool ok = json_is_true(json_object_get(line, "ok"));
        assert_int_equal(json_object_size(line), 5);
        if (ok) {
            assert_true(json_is_object(json_object_get(line, "result")));
        } else {
            assert_true(i == r->n_lines - 1 || r->goes_on); /* nothing runs after a failure */
            const json_t *error = json_object_get(line, "error");
            assert_true(json_is_string(json_object_get(error, "code")));
            assert_true(json_is_string(json_object_get(error, "message")));
        }
        json_doc_check_line(line);
        r->lines[i] = line;
    }
    assert_int_equal(*rest, '\0');
}

run run_planish(const char *const *args)
{
    const char *program = getenv("PLANISH_BIN");
    char *argv[32] = {(char[]){"planish"}};
    run r = {0};
    bool json = false;
    int ends[2];
    size_t argc = 1;
    pid_t pid = 0;
    int status = 0;
    struct rusage usage = {0};
    assert_non_null(program);
    for (; args[argc - 1] != NULL; argc++) {
        expect_less(argc, 31);
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
        json = json || strcmp(args[argc - 1], "--json") == 0;
        r.goes_on = r.goes_on || strcmp(args[argc - 1], "--keep-going") == 0;
    }
    int in = open(run_path("stdin"), O_RDONLY | O_CLOEXEC);
    expect_at_most(0, in);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, run_path("stderr"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    collect(&r, ends[0]);
    close(ends[0]);
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    r.peak_bytes = (size_t)usage.ru_maxrss * 1024;
    assert_int_equal(lseek(in, 0, SEEK_CUR), 0); /* stdin was not read */
    close(in);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r.err = run_read(run_path("stderr"), NULL);
    run_check_clean(r.err);
    run_check_clean(r.out);
    if (json) {
        parse_lines(&r);
    }
    return r;
}

run run_demo(const char *script)
{
    return RUN("--json", "--store", run_path("store"), "-c", script);
}

void run_free(run *r)
{
    for (size_t i = 0; r->lines != NULL && i < r->n_lines; i++) {
        json_decref(r->lines[i]);
    }
    free(r->lines);
    free(r->seconds);
    free(r->out);
    free(r->err);
    *r = (run){0};
}

json_t *run_result(const run *r, size_t i)
{
    if (r->status != 0 || i >= r->n_lines) {
        fprintf(stderr, "exit status %d, %zu lines: %s", r->status, r->n_lines, r->err);
        fail();
    }
    json_t *result = json_object_get(r->lines[i], "result");
    assert_non_null(result);
    return result;
}

json_t *run_last(const run *r)
{
    return run_result(r, r->n_lines - 1);
}

void run_check_keys(const json_t *result, const char *keys)
{
    char copy[512];
    char *rest = NULL;
    snprintf(copy, sizeof copy, "%s", keys);
    for (char *key = strtok_r(copy, " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest)) {
        bool null = key[strlen(key) - 1] == '?';
        if (null) {
            key[strlen(key) - 1] = '\0';
        }
        const json_t *value = json_object_get(result, key);
        if (value == NULL || json_is_null(value) != null) {
            fprintf(stderr, "%s is %s\n", key,
                    value == NULL ? "missing"
                    : null        ? "not null"
                                  : "null");
            fail();
        }
    }
}

double run_number(const json_t *result, const char *key)
{
    const json_t *value = json_object_get(result, key);
    if (!json_is_number(value)) {
        fprintf(stderr, "%s is no number\n", key);
        fail();
    }
    return json_number_value(value);
}

void run_check_refused(const run *r, const char *script, const char *says)
{
    assert_int_not_equal(r->status, 0);
    if (strstr(r->out, says) == NULL) {
        fprintf(stderr, "%s: %s\n", script, r->err);
        fail();
    }
}

void run_check_failed(const run *r, int status, const char *says)
{
    if (r->status != status || strstr(r->err, says) == NULL) {
        fprintf(stderr, "exit status %d, expected %d and \"%s\":\n%s", r->status, status, says,
                r->err);
        fail();
    }
    static const char warning[] = "planish: warning: ";
    const char *said = r->err;
    while (strncmp(said, warning, strlen(warning)) == 0 && strchr(said, '\n') != NULL) {
        said = strchr(said, '\n') + 1;
    }
    size_t size = strlen(said);
    expect_less(1, size);
    assert_ptr_equal(strchr(said, '\n'), said + size - 1); /* one line */
    if (r->lines != NULL && r->n_lines > 0) {
        const json_t *error = json_object_get(r->lines[r->n_lines - 1], "error");
        assert_non_null(error);
        const char *message = json_string_value(json_object_get(error, "message"));
        assert_non_null(strstr(message, says));
        assert_non_null(strstr(r->err, message));
    }
}

void run_check_clean(const char *text)
{
    const char *end = text + strlen(text);
    for (const char *s = text; s < end;) {
        size_t length = pl_text_utf8_length(s, end);
        unsigned char c = (unsigned char)s[0];
        if (length == 0 || (c < 0x20 && c != '\n') || c == 0x7f ||
            (c == 0xc2 && (unsigned char)s[1] < 0xa0)) {
            fprintf(stderr, "byte 0x%02x at %td reaches the output\n", c, s - text);
            fail();
        }
        s += length;
    }
}

/* Two seconds on a machine that has nothing else to do; more in the measure that it has. */
double run_limit(void)
{
    double load = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double busy = getloadavg(&load, 1) == 1 && processors > 0 ? load / (double)processors : 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    double limit = 8;
#else
    double limit = getenv("CI") != NULL ? 8 : 2;
#endif
    return busy > 0.75 ? limit * (1 + 2 * busy) : limit;
}

float *run_read_npy(const char *name, size_t count)
{
    size_t size = 0;
    char *bytes = run_read(run_path(name), &size);
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    expect_less(count * sizeof *values, size);
    memcpy(values, bytes + size - count * sizeof *values, count * sizeof *values);
    free(bytes);
    return values;
}

const char *run_build_folder(void)
{
    static char folder[4096];
    snprintf(folder, sizeof folder, "%s", getenv("PLANISH_BIN"));
    *strrchr(folder, '/') = '\0';
    *strrchr(folder, '/') = '\0';
    return folder;
}

char *run_shell(const char *format, ...)
{
    char script[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(script, sizeof script, format, arguments);
    va_end(arguments);
    assert_in_range(length, 1, sizeof script - 1);
    FILE *pipe = popen(script, "r");
    assert_non_null(pipe);
    pl_buf out = {0};
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, pipe)) > 0;) {
        pl_buf_append(&out, piece, n);
    }
    const int status = pclose(pipe);
    if (status != 0) {
        fprintf(stderr, "%s\n%s", script, out.data != NULL ? out.data : "");
    }
    assert_int_equal(status, 0);
    return out.data != NULL ? out.data : calloc(1, 1);
}

size_t run_count(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at += strlen(piece)) {
        count++;
    }
    return count;
}
