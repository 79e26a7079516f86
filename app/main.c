/* planish: the terminal workbench, its prompt and its batch front. */
#include "app/front.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* OpenMP threads that wait by spinning make a busy machine ten times slower (a shared server, two
 * jobs at once).  libgomp reads its environment before main, so the program starts itself once
 * more with waiting by sleeping, unless the user has said how to wait.  Should that fail, only
 * time is lost. */
static void wait_without_spinning(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
        setenv("OMP_WAIT_POLICY", "passive", 0) == 0) {
        execv("/proc/self/exe", argv);
    }
}

int main(int argc, char **argv)
{
    wait_without_spinning(argv);
    /* Only the character type: numbers are written with a point everywhere. */
    setlocale(LC_CTYPE, "");
    pl_options options;
    pl_error err = {0};
    if (pl_options_parse(argc, argv, &options, &err) != PL_OK) {
        fprintf(stderr, "planish: %s\n", err.message);
        return 2;
    }
    if (options.help) {
        fputs(pl_options_help, stdout);
        return 0;
    }
    if (options.version) {
        puts("planish " PL_VERSION);
        return 0;
    }
    bool batch = options.commands != NULL || options.batch != NULL;
    return batch ? pl_batch_run(&options) : pl_workbench_run(&options);
}
