#include "app/version.h"

#include "app/workbench/workbench.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"
#include "plots/libraries.h"
#include "sessions/session.h"

#include <jansson.h>
#include <ncurses.h>
#include <oniguruma.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

static void put_libraries(pl_buf *out)
{
    const unsigned xxhash = XXH_versionNumber();
    pl_buf_printf(out, "%s, %s, SQLite %s", pl_workbench_line_library(), curses_version(),
                  pl_session_library());
    pl_buf_printf(out, ", jansson %s, oniguruma %s, utf8proc %s, xxHash %u.%u.%u,\n",
                  jansson_version_str(), onig_version(), utf8proc_version(), xxhash / 10000,
                  xxhash / 100 % 100, xxhash % 100);
    pl_plots_put_libraries(out);
    pl_buf_puts(out, "\n");
}

void pl_version_put(int threads, const char *own, pl_buf *out)
{
    char processor[160], library[64];
    snprintf(library, sizeof library, "%s", pl_linalg_config());
    char *space = strchr(library, ' '); /* "OpenBLAS 0.3.21 and how it was built" */
    if (space != NULL && (space = strchr(space + 1, ' ')) != NULL) {
        *space = '\0';
    }
    pl_processor_name(processor, sizeof processor);
    pl_buf_printf(out, "planish " PL_VERSION "\n%s, %s kernels", library, pl_kernel_name());
    if (own != NULL) {
        pl_buf_printf(out, " (%s by its own choice)", own);
    }
    threads = threads > 0 ? threads : pl_linalg_default_threads();
    pl_buf_printf(out, ", %d thread%s\n%s\n", threads, threads == 1 ? "" : "s", processor);
    put_libraries(out);
    pl_licence_put(out);
    pl_buf_puts(out, "\n");
}

void pl_licence_put(pl_buf *out)
{
    pl_buf_printf(out, "The sources are under the Apache License 2.0.  %s",
                  pl_workbench_line_licence());
}
