/* Reading the header of one safetensors file (format: huggingface/safetensors). */
#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/io/checkpoint_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100000000 };

static const struct {
    const char *name;
    pl_dtype dtype;
    unsigned bits;
} dtypes[] = {
    {"F32", PL_F32, 32},
    {"F16", PL_F16, 16},
    {"BF16", PL_BF16, 16},
    {"F64", PL_DTYPE_OTHER, 64},
    {"I64", PL_DTYPE_OTHER, 64},
    {"U64", PL_DTYPE_OTHER, 64},
    {"C64", PL_DTYPE_OTHER, 64},
    {"I32", PL_DTYPE_OTHER, 32},
    {"U32", PL_DTYPE_OTHER, 32},
    {"I16", PL_DTYPE_OTHER, 16},
    {"U16", PL_DTYPE_OTHER, 16},
    {"I8", PL_DTYPE_OTHER, 8},
    {"U8", PL_DTYPE_OTHER, 8},
    {"BOOL", PL_DTYPE_OTHER, 8},
    {"F8_E4M3", PL_DTYPE_OTHER, 8},
    {"F8_E5M2", PL_DTYPE_OTHER, 8},
    {"F8_E8M0", PL_DTYPE_OTHER, 8},
    {"F6_E2M3", PL_DTYPE_OTHER, 6},
    {"F6_E3M2", PL_DTYPE_OTHER, 6},
    {"F4", PL_DTYPE_OTHER, 4},
};

/* One entry of the header, on its way into the checkpoint. */
typedef struct entry {
    const char *name; /* borrowed from the JSON */
    uint64_t start, end;
    pl_tensor tensor;
} entry;

static pl_status entry_error(const char *path, const char *name, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: tensor '%s': %s", path,
                        pl_brief_of(name, strlen(name)).text, what);
}

static bool read_u64(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* The shape's product of elements in bits must be what data_offsets span. */
static pl_status check_bytes(const char *path, const entry *e, unsigned bits, pl_error *err)
{
    uint64_t elements = 0, size = 0;
    if (!pl_dims_product(e->tensor.dims, e->tensor.n_dims, &elements) ||
        __builtin_mul_overflow(elements, bits, &size)) {
        return entry_error(path, e->name, "the product of its shape overflows 64 bits", err);
    }
    if (size % 8 != 0) {
        return entry_error(path, e->name, "its shape and dtype give no whole number of bytes", err);
    }
    if (size / 8 != e->end - e->start) {
        char what[160];
        snprintf(what, sizeof what,
                 "data_offsets span %llu bytes, expected %llu from its shape and dtype",
                 (unsigned long long)(e->end - e->start), (unsigned long long)(size / 8));
        return entry_error(path, e->name, what, err);
    }
    return PL_OK;
}

static pl_status read_entry_shape(const char *path, entry *e, const json_t *shape, pl_error *err)
{
    if (!json_is_array(shape)) {
        return entry_error(path, e->name, "shape: expected an array of sizes", err);
    }
    e->tensor.n_dims = json_array_size(shape);
    if (e->tensor.n_dims > PL_MAX_DIMS) {
        return entry_error(path, e->name, "shape: has too many dimensions, expected at most 8",
                           err);
    }
    for (size_t i = 0; i < e->tensor.n_dims; i++) {
        if (!read_u64(json_array_get(shape, i), &e->tensor.dims[i])) {
            return entry_error(path, e->name, "shape: expected whole numbers of 0 or more", err);
        }
    }
    return PL_OK;
}

static pl_status read_entry(const char *path, const char *name, const json_t *value, entry *e,
                            pl_error *err)
{
    *e = (entry){.name = name};
    if (!json_is_object(value)) {
        return entry_error(path, name, "expected an object with dtype, shape and data_offsets",
                           err);
    }
    const char *word = json_string_value(json_object_get(value, "dtype"));
    if (word == NULL || *word == '\0') {
        return entry_error(path, name, "dtype: expected a name such as F32", err);
    }
    pl_status status = read_entry_shape(path, e, json_object_get(value, "shape"), err);
    if (status != PL_OK) {
        return status;
    }
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_u64(json_array_get(offsets, 0), &e->start) ||
        !read_u64(json_array_get(offsets, 1), &e->end)) {
        return entry_error(path, name, "data_offsets: expected two whole numbers of 0 or more",
                           err);
    }
    if (e->start > e->end) {
        return entry_error(path, name, "data_offsets: the start is greater than the end", err);
    }
    e->tensor.dtype = PL_DTYPE_OTHER;
    e->tensor.dtype_name = word;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtypes[i].name, word) == 0) {
            e->tensor.dtype = dtypes[i].dtype;
            return check_bytes(path, e, dtypes[i].bits, err);
        }
    }
    /* Of an unknown dtype only the product is known to be wrong or right. */
    uint64_t elements = 0;
    return pl_dims_product(e->tensor.dims, e->tensor.n_dims, &elements)
               ? PL_OK
               : entry_error(path, name, "the product of its shape overflows 64 bits", err);
}

static int compare_offsets(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->end != y->end ? (x->end < y->end ? -1 : 1) : strcmp(x->name, y->name);
}

/* data: offset of the first data byte in the file. */
static pl_status check_layout(const char *path, const entry *entries, size_t count, uint64_t data,
                              uint64_t file_size, pl_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].start != at) {
            char what[200];
            snprintf(what, sizeof what,
                     "data_offsets start at %llu, expected %llu where the tensor before it ends "
                     "(%s)",
                     (unsigned long long)entries[i].start, (unsigned long long)at,
                     entries[i].start < at ? "they overlap" : "there is a hole");
            return entry_error(path, entries[i].name, what, err);
        }
        at = entries[i].end;
    }
    if (at != file_size - data) {
        return pl_error_set(
            err, PL_ERR_FORMAT, "%s: the file has %llu bytes, expected %llu from its header (%s)",
            path, (unsigned long long)file_size, (unsigned long long)(data + at),
            at > file_size - data ? "it is cut short" : "there are bytes left over");
    }
    return PL_OK;
}

static pl_status add_metadata(pl_checkpoint *checkpoint, const char *path, json_t *metadata,
                              pl_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: __metadata__: expected an object of strings",
                            path);
    }
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value)) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: __metadata__: '%s': expected a string",
                                path, pl_brief_of(key, strlen(key)).text);
        }
    }
    return json_object_update_missing(checkpoint->metadata, metadata) == 0
               ? PL_OK
               : pl_error_memory(err, "%s", path);
}

/* Reads the 8-byte length and the JSON; *data becomes the offset of the first data byte. */
static pl_status read_safetensors_header(pl_file *file, json_t **out, uint64_t *data, pl_error *err)
{
    const char *path = pl_file_path(file);
    const uint64_t size = pl_file_size(file);
    uint64_t length = 0;
    *out = NULL;
    if (size < 8) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: the file has %llu bytes, expected at least 8 (a safetensors "
                            "header length)",
                            path, (unsigned long long)size);
    }
    pl_status status = pl_file_read(file, 0, &length, sizeof length, err);
    if (status != PL_OK) {
        return status;
    }
    if (length > HEADER_LIMIT || length > size - 8) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: header length is %llu bytes, expected at most %llu (%s)", path,
                            (unsigned long long)length,
                            (unsigned long long)(length > HEADER_LIMIT ? HEADER_LIMIT : size - 8),
                            length > HEADER_LIMIT ? "the format's limit" : "what the file holds");
    }
    char *text = malloc((size_t)length + 1);
    if (text == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    status = pl_file_read(file, 8, text, (size_t)length, err);
    if (status == PL_OK) {
        json_error_t why;
        *out = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &why);
        if (*out == NULL) {
            status =
                pl_error_set(err, PL_ERR_FORMAT,
                             "%s: header: not valid UTF-8 JSON with unique keys at byte %d: %s",
                             path, why.position, why.text);
        } else if (!json_is_object(*out)) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: header: expected a JSON object", path);
            json_decref(*out);
            *out = NULL;
        }
    }
    free(text);
    *data = 8 + length;
    return status;
}

static pl_status read_entries(pl_checkpoint *checkpoint, const char *path, json_t *header,
                              entry *entries, size_t *count, pl_error *err)
{
    const char *key;
    json_t *value;
    *count = 0;
    json_object_foreach(header, key, value)
    {
        pl_status status = strcmp(key, "__metadata__") == 0
                               ? add_metadata(checkpoint, path, value, err)
                               : read_entry(path, key, value, &entries[(*count)++], err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

pl_status pl_safetensors_add_file(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_file *file = NULL;
    json_t *header = NULL;
    entry *entries = NULL;
    uint64_t data = 0;
    size_t count = 0;
    pl_status status = pl_checkpoint_add_shard(checkpoint, path, &file, err);
    PL_THEN(read_safetensors_header(file, &header, &data, err));
    if (status != PL_OK) {
        return status;
    }
    entries = calloc(json_object_size(header) + 1, sizeof *entries);
    if (entries == NULL) {
        status = pl_error_memory(err, "%s", path);
        goto done;
    }
    status = read_entries(checkpoint, path, header, entries, &count, err);
    if (status != PL_OK) {
        goto done;
    }
    qsort(entries, count, sizeof *entries, compare_offsets);
    status = check_layout(path, entries, count, data, pl_file_size(file), err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        pl_tensor *tensor = &entries[i].tensor;
        tensor->shard = checkpoint->shard_count - 1;
        tensor->offset = data + entries[i].start;
        tensor->bytes = entries[i].end - entries[i].start;
        status = pl_checkpoint_add_tensor(checkpoint, tensor, entries[i].name,
                                          strlen(entries[i].name), err);
    }
done:
    free(entries);
    json_decref(header);
    return status;
}

pl_status pl_safetensors_load(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    checkpoint->container = PL_SAFETENSORS;
    pl_status status = pl_safetensors_add_file(checkpoint, path, err);
    return status == PL_OK ? pl_checkpoint_index_names(checkpoint, err) : status;
}
