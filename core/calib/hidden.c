#include "core/calib/hidden.h"

#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct pl_hidden {
    size_t values;
    float *data; /* [windows, values], NULL when spilled */
    int fd;      /* -1 when in memory */
};

static pl_status open_spill(pl_hidden *hidden, const char *folder, pl_error *err)
{
    pl_status status = pl_file_make_private_dirs(folder, err);
    if (status != PL_OK) {
        return status;
    }
    pl_buf name = {0};
    pl_temporary made = {0};
    pl_path_join(&name, folder, "hidden");
    status = pl_buf_check(&name, err);
    PL_THEN(pl_temporary_create(name.data, false, &made, err));
    if (status == PL_OK) { /* nameless from now on, and gone with the process */
        hidden->fd = fcntl(made.fd, F_DUPFD_CLOEXEC, 0);
        if (hidden->fd < 0) {
            status = pl_error_set(err, PL_ERR_IO, "%s: cannot be used for hidden states: %s",
                                  name.data, strerror(errno));
        }
    }
    pl_temporary_discard(&made);
    pl_buf_deinit(&name);
    return status;
}

pl_status pl_hidden_create(size_t windows, size_t values, const char *folder, pl_hidden **out,
                           pl_error *err)
{
    *out = NULL;
    pl_hidden *hidden = calloc(1, sizeof *hidden);
    size_t count = 0;
    if (hidden == NULL || !pl_mul(windows, values, &count)) {
        free(hidden);
        return pl_error_memory(err, "the hidden states");
    }
    *hidden = (pl_hidden){.values = values, .fd = -1};
    pl_status status = PL_OK;
    if (folder != NULL) {
        status = open_spill(hidden, folder, err);
    } else {
        hidden->data = pl_alloc(count, sizeof(float));
        if (hidden->data == NULL) {
            status = pl_error_memory(err, "the hidden states of %zu windows", windows);
        }
    }
    if (status != PL_OK) {
        pl_hidden_destroy(hidden);
        return status;
    }
    *out = hidden;
    return PL_OK;
}

void pl_hidden_destroy(pl_hidden *hidden)
{
    if (hidden != NULL) {
        if (hidden->fd >= 0) {
            close(hidden->fd);
        }
        free(hidden->data);
        free(hidden);
    }
}

float *pl_hidden_place(pl_hidden *hidden, size_t window)
{
    return hidden->data != NULL ? hidden->data + window * hidden->values : NULL;
}

pl_status pl_hidden_read(pl_hidden *hidden, size_t window, float *out, pl_error *err)
{
    size_t bytes = hidden->values * sizeof(float);
    if (hidden->data != NULL) {
        memcpy(out, hidden->data + window * hidden->values, bytes);
        return PL_OK;
    }
    int why = 0;
    return pl_read_at(hidden->fd, window * bytes, out, bytes, &why) == bytes
               ? PL_OK
               : pl_error_set(err, PL_ERR_IO, "the spilled hidden states of window %zu: %s", window,
                              why != 0 ? strerror(why) : "the file is too short");
}

pl_status pl_hidden_write(pl_hidden *hidden, size_t window, const float *values, pl_error *err)
{
    size_t bytes = hidden->values * sizeof(float);
    if (hidden->data != NULL) {
        memcpy(hidden->data + window * hidden->values, values, bytes);
        return PL_OK;
    }
    const char *from = (const char *)values;
    off_t offset = (off_t)(window * bytes);
    while (bytes > 0) {
        ssize_t put = pwrite(hidden->fd, from, bytes, offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return pl_error_set(err, PL_ERR_IO,
                                "the hidden states of window %zu cannot be "
                                "spilled to disk: %s",
                                window, put < 0 ? strerror(errno) : "nothing was written");
        }
        from += put;
        offset += put;
        bytes -= (size_t)put;
    }
    return PL_OK;
}
