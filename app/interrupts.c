#include "app/interrupts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct pl_interrupts {
    int pipe[2]; /* a handler may write to it, on whatever thread it runs */
};

static pl_interrupts the_interrupts;

/* One sentence, and the death that the shell expects. */
static void end_on_signal(int signo)
{
    static const char text[] =
        "\nplanish: interrupted; results that were finished are kept, and the same commands go on "
        "from there\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    signal(signo, SIG_DFL);
    raise(signo);
}

static void ask_to_stop(int signo)
{
    (void)signo;
    const int before = errno;
    ssize_t n = write(the_interrupts.pipe[1], "", 1);
    (void)n; /* a full pipe has asked already */
    errno = before;
}

static void handle(int signo, void (*handler)(int))
{
    struct sigaction now;
    if (sigaction(signo, NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
        signal(signo, handler);
    }
}

void pl_interrupts_end_all(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        handle(ends[i], end_on_signal);
    }
}

pl_status pl_interrupts_open(pl_interrupts **out, pl_error *err)
{
    *out = NULL;
    if (pipe2(the_interrupts.pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        return pl_error_set(err, PL_ERR_IO, "a pipe for interrupts: %s", strerror(errno));
    }
    *out = &the_interrupts;
    handle(SIGINT, ask_to_stop);
    return PL_OK;
}

void pl_interrupts_close(pl_interrupts *interrupts)
{
    if (interrupts != NULL) {
        handle(SIGINT, end_on_signal);
        close(interrupts->pipe[0]);
        close(interrupts->pipe[1]);
    }
}

int pl_interrupts_fd(const pl_interrupts *interrupts)
{
    return interrupts != NULL ? interrupts->pipe[0] : -1;
}

bool pl_interrupts_take(pl_interrupts *interrupts)
{
    char drain[64];
    bool asked = false;
    while (interrupts != NULL && read(interrupts->pipe[0], drain, sizeof drain) > 0) {
        asked = true;
    }
    return asked;
}
