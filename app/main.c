/* planish: the terminal workbench, its prompt and its batch front. */
#include "app/front.h"
#include "app/start.h"
#include "app/workbench/workbench.h"
#include "core/base/json.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"
#include "views/keys.h"

#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* What a measured time or a last digit may depend on. */
static void print_version(int threads)
{
    char processor[160], library[64];
    const char *own = pl_start_own_kernel();
    snprintf(library, sizeof library, "%s", pl_linalg_config());
    char *space = strchr(library, ' '); /* "OpenBLAS 0.3.21 and how it was built" */
    if (space != NULL && (space = strchr(space + 1, ' ')) != NULL) {
        *space = '\0';
    }
    pl_processor_name(processor, sizeof processor);
    printf("planish " PL_VERSION "\n%s, %s kernels", library, pl_kernel_name());
    if (own != NULL) {
        printf(" (%s by its own choice)", own);
    }
    threads = threads > 0 ? threads : pl_linalg_default_threads();
    printf(", %d thread%s\n%s\n", threads, threads == 1 ? "" : "s", processor);
}

int main(int argc, char **argv)
{
    pl_start(argv);
    pl_json_start();
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
        print_version(options.threads);
        return 0;
    }
    if (options.actions) {
        print_actions();
        return 0;
    }
    bool batch = options.commands != NULL || options.batch != NULL;
    return batch ? pl_batch_run(&options) : pl_workbench_run(&options);
}
