/* planish: the terminal workbench, its prompt and its batch front. */
#include "app/front.h"
#include "app/pages.h"
#include "app/start.h"
#include "app/version.h"
#include "app/workbench/workbench.h"
#include "core/base/json.h"
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

/* What one of the options that print asks for; false where none does. */
static bool print_asked(const pl_options *options, int *status)
{
    pl_buf out = {0};
    pl_error err = {0};
    pl_status made = PL_OK;
    if (options->help) {
        pl_options_put_help(&out);
    } else if (options->version) {
        pl_version_put(options->threads, pl_start_own_kernel(), &out);
    } else if (options->page != NULL) {
        made = pl_page_put(options->page, &out, &err);
    } else if (options->actions) {
        print_actions();
    } else {
        return false;
    }
    fputs(out.data != NULL ? out.data : "", stdout);
    pl_buf_deinit(&out);
    if (made != PL_OK) {
        fprintf(stderr, "planish: %s\n", err.message);
    }
    *status = made != PL_OK || fflush(stdout) != 0;
    return true;
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
    int status = 0;
    if (print_asked(&options, &status)) {
        return status;
    }
    bool batch = options.commands != NULL || options.batch != NULL;
    return batch ? pl_batch_run(&options) : pl_workbench_run(&options);
}
