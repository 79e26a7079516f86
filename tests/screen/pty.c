#include "tests/screen/pty.h"

#include <dirent.h>
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

#include "core/base/clock.h"
#include "core/base/text.h"
#include "tests/support/check.h"

struct pl_pty {
    pid_t pid;
    int fd;
    int rows, cols;
    VTerm *term;
    VTermScreen *screen;
    bool alternate, cursor;
    bool mute; /* the emulator answers nothing */
    bool ended;
    int status;
    size_t bytes;
    int mouse;
    enum { TEXT, TEXT_ESC, APC, APC_ESC } at;
    bool recording;
    pl_buf record[2]; /* the present one and the one handed out */
    char *text;
    size_t capacity;
};

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
    } else if (prop == VTERM_PROP_MOUSE) {
        pty->mouse = value->number;
    }
    return 1;
}

/* What the terminal answers (cursor reports and the like). */
static void answer(const char *bytes, size_t size, void *user)
{
    pl_pty *pty = user;
    ssize_t n = pty->mute ? 0 : write(pty->fd, bytes, size);
    (void)n;
}

void pl_pty_mute(pl_pty *pty)
{
    pty->mute = true;
}

static const VTermScreenCallbacks callbacks = {.settermprop = set_property};

static void set_folder(const char *name, const char *folder, const char *sub)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, sub);
    setenv(name, path, 1);
}

static void run_child(const char *folder, const char *term, const char *locale,
                      const char *const *args, const pl_pty_options *options)
{
    const char *program = options->program != NULL ? options->program : getenv("PLANISH_BIN");
    if (program == NULL || chdir(folder) != 0) {
        _exit(127);
    }
    setenv("HOME", folder, 1);
    set_folder("XDG_CACHE_HOME", folder, "cache");
    set_folder("XDG_STATE_HOME", folder, "state");
    set_folder("XDG_CONFIG_HOME", folder, "config");
    if (options->cache != NULL) {
        setenv("XDG_CACHE_HOME", options->cache, 1);
    }
    setenv("TERM", term, 1);
    setenv("LC_ALL", locale, 1);
    unsetenv("NO_COLOR");
    unsetenv("COLORTERM");
    unsetenv("COLORFGBG");
    unsetenv("LINES");
    unsetenv("COLUMNS");
    for (const char *const *env = options->env; env != NULL && env[0] != NULL; env += 2) {
        setenv(env[0], env[1], 1);
    }
    int err = options->err != NULL ? open(options->err, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (err >= 0) {
        dup2(err, STDERR_FILENO);
    }
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
    return pl_pty_start_with(folder, rows, cols, term, locale, args, &(pl_pty_options){0});
}

pl_pty *pl_pty_start_with(const char *folder, int rows, int cols, const char *term,
                          const char *locale, const char *const *args,
                          const pl_pty_options *options)
{
    pl_pty *pty = calloc(1, sizeof *pty);
    assert_non_null(pty);
    pty->rows = rows;
    pty->cols = cols;
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    pty->pid = forkpty(&pty->fd, NULL, NULL, &size);
    expect_at_most(0, pty->pid);
    if (pty->pid == 0) {
        run_child(folder, term, locale, args, options);
    }
    fcntl(pty->fd, F_SETFL, O_NONBLOCK);
    fcntl(pty->fd, F_SETFD, FD_CLOEXEC); /* the next child must not keep this terminal open */
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

/* A test that fails leaves its program behind, dead; the pty is its teardown's. */
static void end_it(pl_pty *pty)
{
    if (!pty->ended) {
        kill(pty->pid, SIGKILL);
        reap(pty, 0);
    }
}

void pl_pty_stop(pl_pty *pty)
{
    if (pty == NULL) {
        return;
    }
    end_it(pty);
    close(pty->fd);
    vterm_free(pty->term);
    free(pty->text);
    pl_buf_deinit(&pty->record[0]);
    pl_buf_deinit(&pty->record[1]);
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

/* The emulator would print what stands between ESC _ and ESC \, which terminals take for a command,
 * known or not. */
static void show_bytes(pl_pty *pty, const char *bytes, size_t n)
{
    char kept[2 * 16384];
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        const bool esc = bytes[i] == '\033';
        switch (pty->at) {
        case TEXT_ESC:
            if (bytes[i] == '_') {
                pty->at = APC;
                break;
            }
            kept[m++] = '\033';
            pty->at = TEXT; /* fall through */
        case TEXT:
            pty->at = esc ? TEXT_ESC : TEXT;
            if (!esc) {
                kept[m++] = bytes[i];
            }
            break;
        case APC:
            pty->at = esc ? APC_ESC : APC;
            break;
        default:
            pty->at = bytes[i] == '\\' ? TEXT : APC;
            break;
        }
    }
    vterm_input_write(pty->term, kept, m);
}

/* One look at the output; waits at most so long for it.  True if there was some. */
static bool look(pl_pty *pty, double limit)
{
    struct pollfd fd = {.fd = pty->fd, .events = POLLIN};
    int ms = (int)(1000 * limit);
    if (poll(&fd, 1, ms > 0 ? ms : 0) <= 0) {
        return false;
    }
    char bytes[16384];
    ssize_t n = read(pty->fd, bytes, sizeof bytes);
    if (n > 0) {
        pty->bytes += (size_t)n;
        if (pty->recording) {
            pl_buf_append(&pty->record[0], bytes, (size_t)n);
        }
        show_bytes(pty, bytes, (size_t)n);
        vterm_screen_flush_damage(pty->screen);
    } else if (n == 0 || errno == EIO) {
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
    return n > 0;
}

/* Does one of its threads run, or would, had it a core?  Where others take the time of the machine
 * a program may be silent for long and yet have more to say. */
static bool is_at_work(const pl_pty *pty)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pty->pid);
    DIR *dir = opendir(path);
    bool works = false;
    for (struct dirent *item; dir != NULL && !works && (item = readdir(dir)) != NULL;) {
        char stat[400] = "";
        snprintf(path, sizeof path, "%.20s/stat", item->d_name);
        const int fd = item->d_name[0] != '.' ? openat(dirfd(dir), path, O_RDONLY) : -1;
        const ssize_t n = fd >= 0 ? read(fd, stat, sizeof stat - 1) : 0;
        const char *name_end = n > 0 ? strrchr(stat, ')') : NULL; /* "pid (name) state ..." */
        works = name_end != NULL && (name_end[2] == 'R' || name_end[2] == 'D');
        if (fd >= 0) {
            close(fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return works;
}

bool pl_pty_rest(pl_pty *pty, double quiet, double limit)
{
    double start = pl_clock_now();
    double last = start;
    while (pl_clock_now() - start < limit && !pty->ended) {
        if (look(pty, quiet / 4) || is_at_work(pty)) {
            last = pl_clock_now();
        } else if (pl_clock_now() - last >= quiet) {
            return true;
        }
        reap(pty, WNOHANG);
    }
    return pty->ended;
}

void pl_pty_feed(pl_pty *pty, const char *bytes, size_t size)
{
    double start = pl_clock_now();
    while (size > 0) {
        struct pollfd fd = {.fd = pty->fd, .events = POLLIN | POLLOUT};
        poll(&fd, 1, 50);
        if ((fd.revents & POLLIN) != 0) {
            look(pty, 0);
        }
        ssize_t n = (fd.revents & POLLOUT) != 0 ? write(pty->fd, bytes, size) : 0;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
        reap(pty, WNOHANG);
        if (pty->ended || pl_clock_now() - start > 60) {
            return; /* what waits for the keys' effect says so */
        }
    }
}

double pl_pty_wait(pl_pty *pty, bool (*there)(pl_pty *pty, const void *ctx), const void *ctx,
                   double limit)
{
    double start = pl_clock_now();
    while (!there(pty, ctx)) {
        double left = start + limit - pl_clock_now();
        if (left <= 0 || pty->ended) {
            return -1;
        }
        look(pty, left < 0.02 ? left : 0.02);
        reap(pty, WNOHANG);
    }
    return pl_clock_now() - start;
}

void pl_pty_run(pl_pty *pty, double seconds)
{
    double end = pl_clock_now() + seconds;
    for (double left = seconds; left > 0; left = end - pl_clock_now()) {
        look(pty, left < 0.05 ? left : 0.05);
        reap(pty, WNOHANG);
    }
}

void pl_pty_utf8(char **to, uint32_t code)
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
                pl_pty_utf8(&out, cell.chars[0]);
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
    double start = pl_clock_now();
    while (pl_pty_shows(pty, text) != shown) {
        double left = start + limit - pl_clock_now();
        if (left <= 0 || pty->ended) {
            fprintf(stderr, "waited %.1f s for \"%s\" to %s:\n%s\n", pl_clock_now() - start, text,
                    shown ? "come" : "go", pl_pty_text(pty));
            end_it(pty);
            fail();
        }
        look(pty, left < 0.05 ? left : 0.05);
        reap(pty, WNOHANG);
        if (pty->ended) {
            look(pty, 0);
        }
    }
    return pl_clock_now() - start;
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
    double start = pl_clock_now();
    while (!pty->ended && pl_clock_now() - start < limit) {
        look(pty, 0.01);
        reap(pty, WNOHANG);
    }
    *seconds = pl_clock_now() - start;
    if (!pty->ended) {
        fprintf(stderr, "still running after %.1f s:\n%s\n", limit, pl_pty_text(pty));
        end_it(pty);
        fail();
    }
    for (int i = 0; i < 4; i++) {
        look(pty, 0.01); /* its last words */
    }
    return pty->status;
}

void pl_pty_send_wait(pl_pty *pty, const char *keys, const char *text, double limit)
{
    pl_pty_send(pty, keys);
    pl_pty_wait_text(pty, text, limit);
}

void pl_pty_leave(pl_pty *pty, double limit)
{
    double seconds = 0;
    pl_pty_send(pty, ":quit\r");
    assert_int_equal(pl_pty_wait_end(pty, limit, &seconds), 0);
    pl_pty_stop(pty);
}

static short colour_of(VTermColor colour)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(&colour) || VTERM_COLOR_IS_DEFAULT_BG(&colour)) {
        return -1;
    }
    return VTERM_COLOR_IS_INDEXED(&colour) ? colour.indexed.idx : 256;
}

pl_pty_cell pl_pty_cell_at(pl_pty *pty, int row, int col)
{
    VTermScreenCell cell;
    VTermPos pos = {.row = row, .col = col};
    if (vterm_screen_get_cell(pty->screen, pos, &cell) == 0) {
        return (pl_pty_cell){.fg = -1, .bg = -1};
    }
    return (pl_pty_cell){.code = cell.chars[0],
                         .fg = colour_of(cell.fg),
                         .bg = colour_of(cell.bg),
                         .bold = cell.attrs.bold != 0,
                         .underline = cell.attrs.underline != 0,
                         .reverse = cell.attrs.reverse != 0};
}

int pl_pty_rows(const pl_pty *pty)
{
    return pty->rows;
}

int pl_pty_cols(const pl_pty *pty)
{
    return pty->cols;
}

size_t pl_pty_bytes(const pl_pty *pty)
{
    return pty->bytes;
}

bool pl_pty_ended(pl_pty *pty)
{
    reap(pty, WNOHANG);
    return pty->ended;
}

bool pl_pty_alternate(const pl_pty *pty)
{
    return pty->alternate;
}

bool pl_pty_cursor_visible(const pl_pty *pty)
{
    return pty->cursor;
}

int pl_pty_mouse(const pl_pty *pty)
{
    return pty->mouse;
}

const char *pl_pty_record(pl_pty *pty)
{
    pl_buf_deinit(&pty->record[1]);
    pty->record[1] = pty->record[0];
    pty->record[0] = (pl_buf){0};
    pty->recording = true;
    return pty->record[1].data != NULL ? pty->record[1].data : "";
}

bool pl_pty_cooked(const pl_pty *pty)
{
    struct termios modes;
    return tcgetattr(pty->fd, &modes) == 0 && (modes.c_lflag & ICANON) != 0 &&
           (modes.c_lflag & ECHO) != 0;
}
