/* planish: the terminal workbench, its prompt and its batch front. */
#include "app/front.h"
#include "views/keys.h"

#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenMP threads that wait by spinning make a busy machine ten times slower (a shared server, two
 * jobs at once); ones that sleep at once lose 4 % of a calibration to being woken.  These spin for
 * some 15 us, which costs a busy machine nothing to speak of.  libgomp reads its environment before
 * main, so the program starts itself once more, unless the user has said how to wait.  Should that
 * fail, only time is lost. */
static void wait_by_sleeping(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
        setenv("OMP_WAIT_POLICY", "passive", 0) == 0 && setenv("GOMP_SPINCOUNT", "1000", 0) == 0) {
        execv("/proc/self/exe", argv);
    }
}

/* glibc raises its threshold for mappings of their own, up to 32 MB, as large blocks are freed;
 * what is freed later then stays with the program in pieces.  A fixed one gives every matrix back.
 */
static void give_back_large_blocks(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
#endif
}

/* Every action once, with all its keys by the table. */
static void print_actions(void)
{
    for (pl_action action = PL_ACT_NONE + 1; action < PL_ACT_COUNT; action++) {
        const char *help = NULL;
        char keys[200] = "";
        for (const pl_binding *b = pl_bindings(); b->name != NULL; b++) {
            if (b->action == action && strstr(keys, b->name) == NULL) {
                size_t used = strlen(keys);
                snprintf(keys + used, sizeof keys - used, "%s%s", used > 0 ? " " : "", b->name);
            }
            help = b->action == action && help == NULL ? b->help : help;
        }
        printf("%-14s %-14s %s\n", pl_action_name(action), keys, help != NULL ? help : "");
    }
}

int main(int argc, char **argv)
{
    wait_by_sleeping(argv);
    give_back_large_blocks();
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
    if (options.actions) {
        print_actions();
        return 0;
    }
    bool batch = options.commands != NULL || options.batch != NULL;
    return batch ? pl_batch_run(&options) : pl_workbench_run(&options);
}
