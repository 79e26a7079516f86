#include "app/demo.h"

#include "core/base/file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds_demo(const char *base, const char *folder, pl_buf *out)
{
    pl_buf path = {0};
    pl_path_join(&path, base, folder);
    size_t length = path.size;
    pl_path_join(&path, "", "/config.json");
    bool found = !path.failed && access(path.data, R_OK) == 0;
    if (found) {
        pl_buf_append(out, path.data, length);
    }
    pl_buf_deinit(&path);
    return found;
}

pl_status pl_demo_folder(pl_buf *out, pl_error *err)
{
    const char *named = getenv("PLANISH_DEMO");
    if (named != NULL && named[0] != '\0') {
        pl_buf_puts(out, named);
        return pl_buf_check(out, err);
    }
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return pl_error_set(err, PL_ERR_IO, "the program's own path cannot be read");
    }
    program[length] = '\0';
    for (char *slash = strrchr(program, '/'); slash != NULL; slash = strrchr(program, '/')) {
        *slash = '\0';
        const char *base = program[0] != '\0' ? program : "/";
        if (holds_demo(base, "share/planish/demo", out) || holds_demo(base, "sessions/demo", out) ||
            holds_demo(base, "sources/sessions/demo", out)) {
            return pl_buf_check(out, err);
        }
    }
    if (holds_demo(PL_DATADIR, "planish/demo", out)) {
        return pl_buf_check(out, err);
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND,
                        "the built-in demo model is not there: expected share/planish/demo or "
                        "sessions/demo in a folder above the program");
}
