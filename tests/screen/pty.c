#include "tests/screen/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#include "tests/support/check.h"

struct pl_pty {
    pid_t pid;
    int fd;
    int rows, cols;
    VTerm *term;
    VTermScreen *screen;
    bool alternate, cursor;
    bool ended;
    int status;
    char *text;
    size_t capacity;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double pl_pty_patience(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 10;
#else
    return getenv("CI") != NULL ? 4 : 2;
#endif
}

static int set_property(VTermProp prop, VTermValue *value, void *user)
{
    pl_pty *pty = user;
    if (prop == VTERM_PROP_ALTSCREEN) {
        pty->alternate = value->boolean != 0;
    } else if (prop == VTERM_PROP_CURSORVISIBLE) {
        pty->cursor = value->boolean != 0;
    }
    return 1;
}

/* What the terminal answers (cursor reports and the like). */
static void answer(const char *bytes, size_t size, void *user)
{
    pl_pty *pty = user;
    ssize_t n = write(pty->fd, bytes, size);
    (void)n;
}

static const VTermScreenCallbacks callbacks = {.settermprop = set_property};

static void run_child(const char *folder, const char *term, const char *locale,
                      const char *const *args)
{
    const char *program = getenv("PLANISH_BIN");
    if (program == NULL) {
        _exit(127);
    }
    char path[1024];
    setenv("HOME", folder, 1);
    snprintf(path, sizeof path, "%s/cache", folder);
    setenv("XDG_CACHE_HOME", path, 1);
    snprintf(path, sizeof path, "%s/state", folder);
    setenv("XDG_STATE_HOME", path, 1);
    setenv("TERM", term, 1);
    setenv("LC_ALL", locale, 1);
    unsetenv("NO_COLOR");
    unsetenv("COLORTERM");
    unsetenv("LINES");
    unsetenv("COLUMNS");
    const char *argv[16] = {program};
    for (int i = 0; args != NULL && args[i] != NULL && i < 14; i++) {
        argv[i + 1] = args[i];
    }
    /* execv takes no const strings, and changes none. */
    union {
        const char **in;
        char **out;
    } pointer = {argv};
    execv(program, pointer.out);
    _exit(127);
}

pl_pty *pl_pty_start(const char *folder, int rows, int cols, const char *term, const char *locale,
                     const char *const *args)
{
    pl_pty *pty = calloc(1, sizeof *pty);
    assert_non_null(pty);
    pty->rows = rows;
    pty->cols = cols;
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    pty->pid = forkpty(&pty->fd, NULL, NULL, &size);
    assert_true(pty->pid >= 0);
    if (pty->pid == 0) {
        run_child(folder, term, locale, args);
    }
    fcntl(pty->fd, F_SETFL, O_NONBLOCK);
    pty->term = vterm_new(rows, cols);
    assert_non_null(pty->term);
    vterm_set_utf8(pty->term, 1);
    vterm_output_set_callback(pty->term, answer, pty);
    pty->screen = vterm_obtain_screen(pty->term);
    vterm_screen_set_callbacks(pty->screen, &callbacks, pty);
    vterm_screen_enable_altscreen(pty->screen, 1);
    vterm_screen_reset(pty->screen, 1);
    pty->cursor = true;
    pty->alternate = false;
    return pty;
}

static void reap(pl_pty *pty, int options)
{
    int status = 0;
    if (!pty->ended && waitpid(pty->pid, &status, options) == pty->pid) {
        pty->ended = true;
        pty->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

void pl_pty_stop(pl_pty *pty)
{
    if (pty == NULL) {
        return;
    }
    if (!pty->ended) {
        kill(pty->pid, SIGKILL);
        reap(pty, 0);
    }
    close(pty->fd);
    vterm_free(pty->term);
    free(pty->text);
    free(pty);
}

void pl_pty_send(pl_pty *pty, const char *keys)
{
    size_t size = strlen(keys);
    assert_int_equal(write(pty->fd, keys, size), (ssize_t)size);
}

void pl_pty_resize(pl_pty *pty, int rows, int cols)
{
    pty->rows = rows;
    pty->cols = cols;
    vterm_set_size(pty->term, rows, cols);
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    assert_int_equal(ioctl(pty->fd, TIOCSWINSZ, &size), 0);
}

void pl_pty_signal(pl_pty *pty, int signo)
{
    kill(pty->pid, signo);
}

/* One look at the output; waits at most so long for it. */
static void look(pl_pty *pty, double limit)
{
    struct pollfd fd = {.fd = pty->fd, .events = POLLIN};
    int ms = (int)(1000 * limit);
    if (poll(&fd, 1, ms > 0 ? ms : 0) <= 0) {
        return;
    }
    char bytes[16384];
    ssize_t n = read(pty->fd, bytes, sizeof bytes);
    if (n > 0) {
        vterm_input_write(pty->term, bytes, (size_t)n);
        vterm_screen_flush_damage(pty->screen);
    } else if (n == 0 || errno == EIO) {
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
}

void pl_pty_run(pl_pty *pty, double seconds)
{
    double end = now() + seconds;
    for (double left = seconds; left > 0; left = end - now()) {
        look(pty, left < 0.05 ? left : 0.05);
        reap(pty, WNOHANG);
    }
}

static void put_utf8(char **to, uint32_t code)
{
    char *s = *to;
    if (code < 0x80) {
        *s++ = (char)code;
    } else if (code < 0x800) {
        *s++ = (char)(0xc0 | (code >> 6));
        *s++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *s++ = (char)(0xe0 | (code >> 12));
        *s++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *s++ = (char)(0x80 | (code & 0x3f));
    } else {
        *s++ = (char)(0xf0 | (code >> 18));
        *s++ = (char)(0x80 | ((code >> 12) & 0x3f));
        *s++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *s++ = (char)(0x80 | (code & 0x3f));
    }
    *to = s;
}

static const char *text_of(pl_pty *pty, int top, int bottom, int from, int to)
{
    size_t need = (size_t)(bottom - top) * ((size_t)(to - from) * 4 + 1) + 1;
    if (need > pty->capacity) {
        free(pty->text);
        pty->text = malloc(need);
        assert_non_null(pty->text);
        pty->capacity = need;
    }
    char *out = pty->text;
    for (int row = top; row < bottom; row++) {
        for (int col = from; col < to; col++) {
            VTermScreenCell cell;
            VTermPos pos = {.row = row, .col = col};
            if (vterm_screen_get_cell(pty->screen, pos, &cell) == 0 || cell.chars[0] == 0) {
                *out++ = ' ';
            } else if (cell.chars[0] != UINT32_MAX) {
                put_utf8(&out, cell.chars[0]);
            }
        }
        if (bottom - top > 1) {
            *out++ = '\n';
        }
    }
    *out = '\0';
    return pty->text;
}

const char *pl_pty_text(pl_pty *pty)
{
    return text_of(pty, 0, pty->rows, 0, pty->cols);
}

const char *pl_pty_row(pl_pty *pty, int row, int from, int to)
{
    return text_of(pty, row, row + 1, from, to);
}

bool pl_pty_shows(pl_pty *pty, const char *text)
{
    return strstr(pl_pty_text(pty), text) != NULL;
}

static double wait_for(pl_pty *pty, const char *text, bool shown, double limit)
{
    double start = now();
    while (pl_pty_shows(pty, text) != shown) {
        double left = start + limit - now();
        if (left <= 0 || pty->ended) {
            fprintf(stderr, "waited %.1f s for \"%s\" to %s:\n%s\n", now() - start, text,
                    shown ? "come" : "go", pl_pty_text(pty));
            pl_pty_stop(pty);
            fail();
        }
        look(pty, left < 0.05 ? left : 0.05);
        reap(pty, WNOHANG);
        if (pty->ended) {
            look(pty, 0);
        }
    }
    return now() - start;
}

double pl_pty_wait_text(pl_pty *pty, const char *text, double limit)
{
    return wait_for(pty, text, true, limit);
}

void pl_pty_wait_gone(pl_pty *pty, const char *text, double limit)
{
    wait_for(pty, text, false, limit);
}

int pl_pty_wait_end(pl_pty *pty, double limit, double *seconds)
{
    double start = now();
    while (!pty->ended && now() - start < limit) {
        look(pty, 0.01);
        reap(pty, WNOHANG);
    }
    *seconds = now() - start;
    if (!pty->ended) {
        fprintf(stderr, "still running after %.1f s:\n%s\n", limit, pl_pty_text(pty));
        pl_pty_stop(pty);
        fail();
    }
    for (int i = 0; i < 4; i++) {
        look(pty, 0.01); /* its last words */
    }
    return pty->status;
}

bool pl_pty_alternate(const pl_pty *pty)
{
    return pty->alternate;
}

bool pl_pty_cursor_visible(const pl_pty *pty)
{
    return pty->cursor;
}

bool pl_pty_cooked(const pl_pty *pty)
{
    struct termios modes;
    return tcgetattr(pty->fd, &modes) == 0 && (modes.c_lflag & ICANON) != 0 &&
           (modes.c_lflag & ECHO) != 0;
}
