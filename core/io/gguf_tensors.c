/* The tensor table of a GGUF file: every shape and every place checked before it is believed. */
#include "core/io/gguf_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GGUF_DIMS = 4, NAME_LIMIT = 63 };

typedef struct info {
    char *name;
    size_t name_size;
    uint32_t type;
    uint64_t offset; /* relative to the data section */
    pl_tensor tensor;
} info;

static pl_status info_error(const pl_gguf_reader *r, const info *t, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: tensor '%s': %s", r->path,
                        pl_brief_of(t->name, t->name_size).text, what);
}

/* Fills bytes, or leaves it 0 and sets *known false for a type of unknown size. */
static pl_status measure_tensor(const pl_gguf_reader *r, info *t, const pl_gguf_type *type,
                                bool *known, pl_error *err)
{
    pl_tensor *tensor = &t->tensor;
    uint64_t elements = 0;
    *known = type->block > 0;
    if (!pl_dims_product(tensor->dims, tensor->n_dims, &elements)) {
        return info_error(r, t, "the product of its dimensions overflows 64 bits", err);
    }
    if (!*known) {
        return PL_OK;
    }
    uint64_t row = tensor->n_dims > 0 ? tensor->dims[tensor->n_dims - 1] : 1;
    if (row % type->block != 0) {
        char what[120];
        snprintf(what, sizeof what, "rows of %llu elements, expected a multiple of %s's %u",
                 (unsigned long long)row, type->name, type->block);
        return info_error(r, t, what, err);
    }
    if (__builtin_mul_overflow(elements / type->block, type->block_bytes, &tensor->bytes)) {
        return info_error(r, t, "its size in bytes overflows 64 bits", err);
    }
    return PL_OK;
}

static pl_status read_info(pl_gguf_reader *r, uint64_t index, info *t, pl_error *err)
{
    char what[64];
    uint32_t n_dims = 0;
    uint64_t dims[GGUF_DIMS] = {0};
    snprintf(what, sizeof what, "the entry of tensor %llu", (unsigned long long)index);
    pl_status status = pl_cursor_string(&r->cursor, NAME_LIMIT, &t->name, &t->name_size, what, err);
    if (status != PL_OK) {
        return status;
    }
    if (t->name_size == 0 || memchr(t->name, '\0', t->name_size) != NULL) {
        return info_error(r, t, "expected a name without a NUL byte", err);
    }
    status = pl_cursor_take(&r->cursor, &n_dims, sizeof n_dims, what, err);
    if (status == PL_OK && n_dims > GGUF_DIMS) {
        snprintf(what, sizeof what, "%u dimensions, expected at most 4", n_dims);
        return info_error(r, t, what, err);
    }
    PL_THEN(pl_cursor_take(&r->cursor, dims, n_dims * sizeof dims[0], what, err));
    PL_THEN(pl_cursor_take(&r->cursor, &t->type, sizeof t->type, what, err));
    PL_THEN(pl_cursor_take(&r->cursor, &t->offset, sizeof t->offset, what, err));
    t->tensor.n_dims = n_dims;
    for (size_t i = 0; i < n_dims; i++) {
        t->tensor.dims[i] = dims[n_dims - 1 - i]; /* the file has the fastest first */
    }
    return status;
}

/* The padded end of a tensor, relative to the data; false on overflow. */
static bool padded_end(const pl_gguf_reader *r, const info *t, uint64_t *out)
{
    return !__builtin_add_overflow(t->offset, t->tensor.bytes, out) &&
           !__builtin_add_overflow(*out, r->alignment - 1, out) &&
           ((*out &= ~(r->alignment - 1)), true);
}

/* Checks one tensor's place against those before it and the file; advances r->running.
 * section: bytes from the data section's start to the file's end. */
static pl_status place_tensor(pl_gguf_reader *r, info *t, bool known, uint64_t section,
                              pl_error *err)
{
    char what[160];
    bool in_order = r->open_ended ? t->offset >= r->running && t->offset % r->alignment == 0
                                  : t->offset == r->running;
    if (!in_order) {
        snprintf(what, sizeof what, "offset %llu, expected %s%llu", (unsigned long long)t->offset,
                 r->open_ended ? "an aligned one of at least " : "",
                 (unsigned long long)r->running);
        return info_error(r, t, what, err);
    }
    if (t->offset > section || t->tensor.bytes > section - t->offset) {
        snprintf(what, sizeof what,
                 "needs %llu bytes at offset %llu of the data, expected at most %llu (the file is "
                 "too short)",
                 (unsigned long long)t->tensor.bytes, (unsigned long long)t->offset,
                 (unsigned long long)(t->offset > section ? 0 : section - t->offset));
        return info_error(r, t, what, err);
    }
    if (!padded_end(r, t, &r->running)) {
        return info_error(r, t, "the sum of the tensors' sizes overflows 64 bits", err);
    }
    r->open_ended = !known;
    return PL_OK;
}

/* The data begins at the next multiple of the alignment after the header. */
static pl_status find_data(pl_gguf_reader *r, bool has_tensors, pl_error *err)
{
    r->data = (r->cursor.offset + r->alignment - 1) & ~(r->alignment - 1);
    if (has_tensors && r->data > pl_file_size(r->cursor.file)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: the data begins at byte %llu (general.alignment %llu), expected "
                            "it within the file's %llu",
                            r->path, (unsigned long long)r->data, (unsigned long long)r->alignment,
                            (unsigned long long)pl_file_size(r->cursor.file));
    }
    return PL_OK;
}

static pl_status add_infos(pl_gguf_reader *r, info *infos, size_t count, pl_error *err)
{
    pl_status status = find_data(r, count > 0, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        info *t = &infos[i];
        pl_gguf_type type = pl_gguf_type_of(t->type);
        char number[32];
        bool known = false;
        snprintf(number, sizeof number, "type %u", t->type);
        t->tensor.dtype = type.dtype;
        t->tensor.dtype_name = type.name != NULL ? type.name : number;
        status = measure_tensor(r, t, &type, &known, err);
        if (status == PL_OK) {
            uint64_t section = pl_file_size(r->cursor.file) - r->data;
            status = place_tensor(r, t, known, section, err);
        }
        if (status == PL_OK) {
            t->tensor.shard = r->checkpoint->shard_count - 1;
            t->tensor.offset = r->data + t->offset;
            t->tensor.bytes = known ? t->tensor.bytes : UINT64_MAX;
            status =
                pl_checkpoint_add_tensor(r->checkpoint, &t->tensor, t->name, t->name_size, err);
        }
    }
    return status;
}

/* Gives a tensor of unknown size (UINT64_MAX until here) all the bytes up to the next tensor, or to
 * the file's end. */
static void close_gaps(pl_gguf_reader *r)
{
    pl_checkpoint *checkpoint = r->checkpoint;
    for (size_t i = 0; i < checkpoint->count; i++) {
        pl_tensor *tensor = &checkpoint->tensors[i];
        if (tensor->bytes == UINT64_MAX) {
            uint64_t end = i + 1 < checkpoint->count ? checkpoint->tensors[i + 1].offset
                                                     : pl_file_size(r->cursor.file);
            tensor->bytes = end - tensor->offset;
        }
    }
}

pl_status pl_gguf_read_tensors(pl_gguf_reader *r, uint64_t count, pl_error *err)
{
    /* count was bounded by the file's size, so the table is at most about as large as the file. */
    info *infos = calloc((size_t)count + 1, sizeof *infos);
    if (infos == NULL) {
        return pl_error_memory(err, "%s", r->path);
    }
    pl_status status = PL_OK;
    for (uint64_t i = 0; i < count && status == PL_OK; i++) {
        status = read_info(r, i, &infos[i], err);
    }
    PL_THEN(add_infos(r, infos, (size_t)count, err));
    if (status == PL_OK) {
        close_gaps(r);
    }
    for (uint64_t i = 0; i < count; i++) {
        free(infos[i].name);
    }
    free(infos);
    return status;
}
