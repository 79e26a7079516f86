#include "app/figure_pipe.h"

#include "core/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIGURE_LIMIT = 1 << 30 };

/* The process's standard output, once results go to standard error. */
static int figure_pipe = -1;

bool pl_figure_pipe_wanted(const char *script)
{
    bool wanted = false;
    char *text = NULL;
    while (!wanted && script != NULL && pl_script_next(&script, &text, NULL) == PL_OK &&
           text != NULL) {
        pl_call *call = NULL;
        if (pl_call_parse(text, &call, NULL) == PL_OK) {
            const char *file = pl_call_value(call, "file");
            wanted = call->command->rebuild == PL_REBUILD_FIGURE && file != NULL &&
                     strcmp(file, "-") == 0;
        }
        pl_call_destroy(call);
        free(text);
        text = NULL;
    }
    return wanted;
}

pl_status pl_figure_pipe_open(pl_error *err)
{
    if (figure_pipe < 0 && (fflush(stdout) != 0 || (figure_pipe = dup(STDOUT_FILENO)) < 0 ||
                            dup2(STDERR_FILENO, STDOUT_FILENO) < 0)) {
        return pl_error_set(err, PL_ERR_IO, "standard output: %s", strerror(errno));
    }
    return PL_OK;
}

pl_status pl_figure_pipe_copy(const char *command, const char *path, pl_error *err)
{
    if (figure_pipe < 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: file=- is standard output, which a figure has with `planish -c` "
                            "or a batch file only: name a file",
                            command);
    }
    char *bytes = NULL;
    size_t size = 0, done = 0;
    pl_status status = pl_file_read_all(path, FIGURE_LIMIT, &bytes, &size, err);
    while (status == PL_OK && done < size) {
        ssize_t n = write(figure_pipe, bytes + done, size - done);
        if (n < 0 && errno != EINTR) {
            status = pl_error_set(err, PL_ERR_IO, "standard output: %s", strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    free(bytes);
    return status;
}
