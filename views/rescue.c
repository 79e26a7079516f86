#include "views/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024, STRINGS_BYTES = 512 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGQUIT};
static const int told[] = {SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGCONT, SIGTSTP};
enum { N_FATAL = sizeof fatal / sizeof *fatal, N_TOLD = sizeof told / sizeof *told };

/* Signal handlers have no argument to carry this in; there is one terminal. */
static struct {
    struct termios modes;
    bool have_modes;
    char strings[STRINGS_BYTES];
    size_t strings_size;
    int fd[2];
    bool installed;
    struct sigaction old_fatal[N_FATAL], old_told[N_TOLD];
    stack_t old_stack;
    void *stack;
} rescue = {.fd = {-1, -1}};

static void on_fatal(int signo)
{
    int saved = errno;
    const char *s = rescue.strings;
    size_t left = rescue.strings_size;
    while (left > 0) {
        ssize_t n = write(STDOUT_FILENO, s, left);
        if (n <= 0) {
            break;
        }
        s += n;
        left -= (size_t)n;
    }
    if (rescue.have_modes) {
        tcsetattr(STDIN_FILENO, TCSANOW, &rescue.modes);
    }
    for (size_t i = 0; i < N_FATAL; i++) {
        if (fatal[i] == signo) {
            sigaction(signo, &rescue.old_fatal[i], NULL);
        }
    }
    errno = saved;
    /* Blocked while this handler runs; the previous action follows when it returns. */
    raise(signo);
}

static void on_told(int signo)
{
    int saved = errno;
    unsigned char byte = (unsigned char)signo;
    ssize_t n = write(rescue.fd[1], &byte, 1);
    (void)n; /* a full pipe already wakes the loop */
    errno = saved;
}

pl_status pl_rescue_prepare(pl_error *err)
{
    rescue.have_modes = tcgetattr(STDIN_FILENO, &rescue.modes) == 0;
    if (rescue.fd[0] < 0 && pipe2(rescue.fd, O_CLOEXEC | O_NONBLOCK) != 0) {
        return pl_error_set(err, PL_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    }
    return PL_OK;
}

pl_status pl_rescue_install(const char *strings, pl_error *err)
{
    rescue.strings_size = strnlen(strings, STRINGS_BYTES);
    memcpy(rescue.strings, strings, rescue.strings_size);
    rescue.stack = malloc(STACK_BYTES);
    if (rescue.stack == NULL) {
        return pl_error_memory(err, "a signal stack");
    }
    stack_t stack = {.ss_sp = rescue.stack, .ss_size = STACK_BYTES};
    sigaltstack(&stack, &rescue.old_stack);
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_FATAL; i++) {
        sigaction(fatal[i], &action, &rescue.old_fatal[i]);
    }
    action = (struct sigaction){.sa_handler = on_told, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_TOLD; i++) {
        sigaction(told[i], &action, &rescue.old_told[i]);
    }
    rescue.installed = true;
    return PL_OK;
}

void pl_rescue_remove(void)
{
    if (rescue.installed) {
        for (size_t i = 0; i < N_FATAL; i++) {
            sigaction(fatal[i], &rescue.old_fatal[i], NULL);
        }
        for (size_t i = 0; i < N_TOLD; i++) {
            sigaction(told[i], &rescue.old_told[i], NULL);
        }
        stack_t off = rescue.old_stack;
        off.ss_flags = off.ss_sp == NULL ? SS_DISABLE : 0;
        sigaltstack(&off, NULL);
        free(rescue.stack);
        rescue.stack = NULL;
        rescue.installed = false;
    }
    for (int i = 0; i < 2; i++) {
        if (rescue.fd[i] >= 0) {
            close(rescue.fd[i]);
            rescue.fd[i] = -1;
        }
    }
}

int pl_rescue_fd(void)
{
    return rescue.fd[0];
}

int pl_rescue_next(void)
{
    unsigned char byte = 0;
    return read(rescue.fd[0], &byte, 1) == 1 ? byte : 0;
}
