/* What a key may cost: at most 4 KiB for a move of the cursor at any usual size, and frames within
 * their limits, here with a generous factor for machines that do something else besides.
 * tests/bench/run screen measures exactly. */
#include "tests/screen/measure.h"
#include "tests/screen/own_screen.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 9, CURSOR_BYTES = 4096, LAYER_BYTES = 64000, KNOB_BYTES = 64000 };

/* In milliseconds; 16 and 50 are the limits on a machine that does nothing else. */
static double slack(double limit)
{
    return 6 * limit * pl_pty_patience();
}

static void start(int rows, int cols)
{
    pty = pl_pty_start(own_folder.folder, rows, cols, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "calibrated 4,096 tokens", patience());
    pl_pty_feed(pty, "!:select 1.q_proj\r", 18);
    pl_pty_rest(pty, 0.5, patience());
}

static void stop(void)
{
    pl_pty_stop(pty);
    pty = NULL;
}

static void check(const char *what, pl_measure *m, double bytes, double ms)
{
    double most = 0;
    for (int i = 0; i < m->count; i++) {
        most = m->bytes[i] > most ? m->bytes[i] : most;
    }
    double middle = m->count > 0 ? pl_measure_median(m->ms, m->count) : 0;
    if (m->lost > 0 || most > bytes || middle > ms) {
        fprintf(stderr,
                "%s at %dx%d: %.0f bytes (limit %.0f), median %.1f ms (limit %.1f), %d without a "
                "frame\n",
                what, pl_pty_cols(pty), pl_pty_rows(pty), most, bytes, middle, ms, m->lost);
        fail();
    }
}

static void check_size(int rows, int cols)
{
    static const char *const crosshair[] = {"\033OC", "\033OC", "\033OD"};
    static const char *const layer[] = {"j", "j", "k"};
    static const char *const knob[] = {"\033OC", "\033OD"};
    start(rows, cols);
    pl_measure m = pl_measure_keys(pty, layer, 3, KEYS, 0.12);
    check("a move to the next layer", &m, LAYER_BYTES, slack(16));
    m = pl_measure_keys(pty, knob, 2, KEYS, 0.3);
    check("a turn of the knob", &m, KNOB_BYTES, slack(50));
    pl_pty_feed(pty, "\t", 1);
    pl_pty_rest(pty, 0.2, patience());
    m = pl_measure_keys(pty, crosshair, 3, KEYS, 0.08);
    check("a move of the crosshair", &m, CURSOR_BYTES, slack(16));
    stop();
}

static void test_80x24(void **state)
{
    (void)state;
    check_size(24, 80);
}

static void test_200x50(void **state)
{
    (void)state;
    check_size(50, 200);
}

static void test_300x80(void **state)
{
    (void)state;
    check_size(80, 300);
}

/* Reads until the text has come, or the time is up. */
static bool comes(int fd, const char *text, double seconds)
{
    static char all[1 << 21];
    size_t size = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < (int)(10 * seconds); i++) {
        ssize_t got = 0;
        while (poll(&p, 1, 100) > 0 && size + 1 < sizeof all &&
               (got = read(fd, all + size, sizeof all - 1 - size)) > 0) {
            size += (size_t)got;
            all[size] = '\0';
            if (strstr(all, text) != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* A terminal that claims a billion cells: it draws, and goes on when the terminal is resized. */
static void test_a_terminal_without_measure(void **state)
{
    (void)state;
    const struct winsize huge = {.ws_row = 32767, .ws_col = 32767};
    const struct winsize usual = {.ws_row = 24, .ws_col = 80};
    int fd = -1, status = 0;
    const pid_t pid = forkpty(&fd, NULL, NULL, &huge);
    expect_at_most(0, pid);
    if (pid == 0) {
        setenv("HOME", own_folder.folder, 1);
        setenv("TERM", "xterm-256color", 1);
        execl(getenv("PLANISH_BIN"), "planish", "--store", own_folder.folder, (char *)NULL);
        _exit(127);
    }
    assert_true(comes(fd, "Layers", patience()));
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &usual), 0);
    assert_true(comes(fd, "Tuner", patience()));
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &huge), 0);
    assert_true(comes(fd, "Tuner", patience()));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fd);
}

/* A TERM that this machine does not know is drawn as an xterm, and said; one that cannot move its
 * cursor is refused with the cure. */
static void test_terminals_not_known(void **state)
{
    (void)state;
    static const struct {
        const char *term, *sees;
    } cases[] = {
        {"of-tomorrow", "TERM=of-tomorrow is not known on this machine: drawn as xterm"},
        {"", "TERM= is not known on this machine: drawn as xterm"},
        {"dumb", "TERM=dumb: this terminal cannot move its cursor: start planish in another, set"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct winsize size = {.ws_row = 24, .ws_col = 100};
        int fd = -1, status = 0;
        const pid_t pid = forkpty(&fd, NULL, NULL, &size);
        expect_at_most(0, pid);
        if (pid == 0) {
            setenv("HOME", own_folder.folder, 1);
            setenv("LC_ALL", "C.UTF-8", 1);
            setenv("TERM", cases[i].term, 1);
            execl(getenv("PLANISH_BIN"), "planish", "--store", own_folder.folder, (char *)NULL);
            _exit(127);
        }
        assert_true(comes(fd, cases[i].sees, patience()));
        if (i < 2) {
            assert_int_equal(kill(pid, SIGKILL), 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(i < 2 || (WIFEXITED(status) && WEXITSTATUS(status) != 0));
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCREEN(test_80x24),
        SCREEN(test_200x50),
        SCREEN(test_300x80),
        SCREEN(test_a_terminal_without_measure),
        SCREEN(test_terminals_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
