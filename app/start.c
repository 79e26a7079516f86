#include "app/start.h"

#include "core/tensor/kernel.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Set for the process that starts again: the kernels that OpenBLAS had chosen by itself.  Whoever
 * finds it has nothing more to choose, only to prove. */
static const char own_kernel[] = "PLANISH_OWN_KERNEL";
static const char core_type[] = "OPENBLAS_CORETYPE";

/* OpenMP threads that wait by spinning make a busy machine ten times slower (a shared server, two
 * jobs at once); ones that sleep at once lose 4 % of a calibration to being woken.  These spin for
 * some 15 us, which costs a busy machine nothing to speak of. */
static bool wait_by_sleeping(void)
{
    return getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
           setenv("OMP_WAIT_POLICY", "passive", 0) == 0 && setenv("GOMP_SPINCOUNT", "1000", 0) == 0;
}

/* Takes better kernels than OpenBLAS's own; true where that needs a new start.  Kernels that are
 * not in the library or compute wrongly give way to the next poorer ones, in the end to its own. */
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

void pl_start(char **argv)
{
    const bool waits = wait_by_sleeping();
    if (choose_kernel() || waits) {
        execv("/proc/self/exe", argv); /* should it fail, only time is lost */
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
