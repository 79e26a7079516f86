#include "app/start.h"

#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Set for the restarted process: the kernels that OpenBLAS had chosen.  A process that finds it
 * chooses no more, and only checks its kernels. */
static const char own_kernel[] = "PLANISH_OWN_KERNEL";
static const char core_type[] = "OPENBLAS_CORETYPE";

/* OpenMP threads that wait by spinning make a busy machine ten times slower (a shared server, two
 * jobs at once); threads that sleep at once lose 4 % of a calibration to waking.  These spin for
 * some 15 us, which hardly costs a busy machine anything. */
static bool wait_by_sleeping(void)
{
    return getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
           setenv("OMP_WAIT_POLICY", "passive", 0) == 0 && setenv("GOMP_SPINCOUNT", "1000", 0) == 0;
}

/* Takes better kernels than OpenBLAS's own; true where that needs a new start.  If kernels are not
 * in the library or compute wrongly, the next poorer ones are tried, in the end OpenBLAS's own. */
static bool choose_kernel(void)
{
    const char *own = getenv(own_kernel), *asked = getenv(core_type);
    const char *now = pl_kernel_name();
    if (own == NULL) {
        const char *better = asked == NULL ? pl_kernel_better(now, pl_kernel_vectors()) : NULL;
        return better != NULL && setenv(own_kernel, now, 0) == 0 &&
               setenv(core_type, better, 0) == 0;
    }
    if (asked == NULL || (strcmp(now, asked) == 0 && pl_kernel_is_right())) {
        return false;
    }
    for (pl_vectors vectors = pl_kernel_vectors(); vectors > PL_VECTORS_OTHER; vectors--) {
        const char *tried = pl_kernel_better(own, vectors);
        const char *next = pl_kernel_better(own, vectors - 1);
        if (tried != NULL && strcmp(tried, asked) == 0) {
            return next != NULL ? setenv(core_type, next, 1) == 0 : unsetenv(core_type) == 0;
        }
    }
    return false; /* not a choice of ours */
}

static const char *value_in(char **environment, const char *name)
{
    const size_t length = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') {
            return *environment + length + 1;
        }
    }
    return NULL;
}

/* Threads that OpenBLAS will make buffers for while it is loaded, as its manual has it. */
static int threads_at_load(char **environment)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS",
                                        "OMP_NUM_THREADS"};
    int threads = pl_linalg_processors();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = value_in(environment, names[i]);
        const int asked = value != NULL ? atoi(value) : 0;
        if (asked > 0) {
            return asked < threads ? asked : threads;
        }
    }
    return threads;
}

/* Runs before OpenBLAS is loaded, which would never return; by then the C library works, but has no
 * environment yet. */
static void check_room(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    pl_error err = {0};
    if (pl_linalg_check_room(threads_at_load(environment), 0, &err) != PL_OK) {
        char line[sizeof err.message + 16];
        int length = snprintf(line, sizeof line, "planish: %s\n", err.message);
        (void)!write(STDERR_FILENO, line, length > 0 ? (size_t)length : 0);
        _exit(1);
    }
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(int, char **, char **) = check_room;

/* The next file opened would get a closed descriptor's number, and receive what is printed. */
static void open_standard_streams(void)
{
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

void pl_start(char **argv)
{
    open_standard_streams();
    const bool waits = wait_by_sleeping();
    if (choose_kernel() || waits) {
        execv("/proc/self/exe", argv); /* should it fail, only time is lost */
    }
    /* A limit on a file's size is an error like a full disk's, not the end. */
    (void)signal(SIGXFSZ, SIG_IGN);
    /* Results that the disk refuses are files in memory, one each. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    /* The kernel names a process after the file it was started from, which now was "exe". */
    char name[16] = "";
    if (prctl(PR_GET_NAME, name) == 0 && strcmp(name, "exe") == 0) {
        (void)prctl(PR_SET_NAME, program_invocation_short_name);
    }
}

const char *pl_start_own_kernel(void)
{
    const char *own = getenv(own_kernel);
    return own != NULL && strcmp(own, pl_kernel_name()) != 0 ? own : NULL;
}
