/* tests/support/core_only.c -- planish-core: the core library whole, and nothing else.
 *
 *   planish-core MODEL        the model's architecture and its number of layers
 *   planish-core --libraries  the shared libraries that this process has loaded, one a line
 *
 * It is linked with all of core (not only what it calls) and without curses, SQLite, Cairo, libpng
 * and Readline: that it builds and runs shows that core needs none of them. */
#include "core/model/model.h"

#include <link.h>
#include <stdio.h>
#include <string.h>

static int print_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    if (info->dlpi_name[0] != '\0') {
        puts(info->dlpi_name);
    }
    return 0;
}

int main(int argc, char **argv)
{
    pl_error err = {0};
    pl_model *model = NULL;
    if (argc != 2) {
        fputs("usage: planish-core MODEL | --libraries\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "--libraries") == 0) {
        dl_iterate_phdr(print_library, NULL);
        return 0;
    }
    if (pl_model_open(argv[1], &model, &err) != PL_OK) {
        fprintf(stderr, "planish-core: %s\n", err.message);
        return 1;
    }
    printf("%s: %s, %zu blocks, %zu linear layers\n", pl_model_name(model),
           pl_model_config(model)->architecture, pl_model_config(model)->blocks,
           pl_model_layer_count(model));
    pl_model_close(model);
    return 0;
}
