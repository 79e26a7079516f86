#include "core/io/npy.h"

#include "core/base/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Version 1.0: magic, version, u16 header length, a Python dict padded with spaces and ended by a
 * newline so that the data begins at a multiple of 64 (numpy.lib.format). */
static size_t make_header(char *out, size_t capacity, pl_view view, int flat)
{
    char shape[64];
    if (flat != 0 && view.rows == 1) {
        snprintf(shape, sizeof shape, "(%zu,)", view.cols);
    } else {
        snprintf(shape, sizeof shape, "(%zu, %zu)", view.rows, view.cols);
    }
    enum { FIXED = 10 };
    int used = snprintf(out + FIXED, capacity - FIXED,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    size_t size = FIXED + (size_t)used;
    while ((size + 1) % 64 != 0) {
        out[size++] = ' ';
    }
    out[size++] = '\n';
    size_t length = size - FIXED;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(length & 0xff);
    out[9] = (char)(length >> 8);
    return size;
}

pl_status pl_npy_write(const char *path, pl_view view, int flat, pl_error *err)
{
    char header[256];
    size_t size = make_header(header, sizeof header, view, flat);
    pl_writer *writer = NULL;
    pl_status status = pl_writer_create(path, &writer, err);
    PL_THEN(pl_writer_write(writer, header, size, err));
    const bool whole = view.stride == view.cols;
    const size_t pieces = whole ? 1 : view.rows;
    const size_t length = whole ? view.rows * view.cols : view.cols;
    for (size_t i = 0; i < pieces && status == PL_OK; i++) {
        status = pl_writer_write(writer, view.data + i * view.stride, length * sizeof(float), err);
    }
    PL_THEN(pl_writer_commit(writer, err));
    pl_writer_destroy(writer);
    return status;
}
