#include "core/base/json.h"
#include "core/io/safetensors.h"

#include "core/base/checked.h"
#include "core/tensor/mat.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LIMIT = 100000000, PIECE = 64 * 1024 };

/* What is kept of an entry: place is its index in the caller's list. */
typedef struct item {
    char *name;
    pl_dtype dtype;
    const char *raw; /* its word, or NULL */
    size_t width;    /* bytes of an element */
    size_t place, elements;
} item;

/* Types of which only bytes are written. */
static const struct {
    const char *word;
    size_t width;
} raws[] = {{"I64", 8},  {"I32", 4}, {"F32", 4}, {"F16", 2},
            {"BF16", 2}, {"I8", 1},  {"U8", 1},  {"F8_E4M3", 1}};

size_t pl_st_raw_width(const char *word)
{
    for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
        if (strcmp(raws[i].word, word) == 0) {
            return raws[i].width;
        }
    }
    return 0;
}

struct pl_st_writer {
    pl_writer *file;
    item *items; /* in the order of the data */
    size_t count;
    size_t at;              /* item that the next value belongs to */
    size_t done;            /* its elements written so far */
    unsigned char *encoded; /* [PIECE * 4] */
    float *decoded;         /* [PIECE] */
    char *path;
};

static int compare_items(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return x->width != y->width ? (x->width > y->width ? -1 : 1) : strcmp(x->name, y->name);
}

static pl_status make_items(pl_st_writer *writer, const pl_st_entry *entries,
                            const char *const *words, pl_error *err)
{
    for (size_t i = 0; i < writer->count; i++) {
        const pl_st_entry *entry = &entries[i];
        item *it = &writer->items[i];
        size_t elements = 1;
        bool fits = true;
        for (size_t d = 0; d < entry->n_dims; d++) {
            fits = fits && pl_mul(elements, entry->dims[d], &elements);
        }
        const char *raw = words != NULL ? words[i] : NULL;
        const size_t width = raw != NULL               ? pl_st_raw_width(raw)
                             : entry->dtype <= PL_BF16 ? pl_dtype_block_bytes(entry->dtype)
                                                       : 0;
        if (width == 0 || !fits || strcmp(entry->name, "__metadata__") == 0) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "%s: tensor '%s': expected F32, F16 or BF16 of a size that fits, "
                                "and a name other than __metadata__",
                                writer->path, entry->name);
        }
        *it = (item){strdup(entry->name), entry->dtype, raw, width, i, elements};
        if (it->name == NULL) {
            return pl_error_memory(err, "%s", writer->path);
        }
    }
    qsort(writer->items, writer->count, sizeof *writer->items, compare_items);
    for (size_t i = 1; i < writer->count; i++) {
        if (strcmp(writer->items[i].name, writer->items[i - 1].name) == 0) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: tensor '%s' is listed twice", writer->path,
                                writer->items[i].name);
        }
    }
    return PL_OK;
}

static json_t *metadata_object(const char *const *metadata)
{
    json_t *object = json_object();
    for (size_t i = 0; metadata[i] != NULL && metadata[i + 1] != NULL; i += 2) {
        if (json_object_set_new(object, metadata[i], json_string(metadata[i + 1])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* The header's JSON in data order, or NULL (out of memory, a name that is not UTF-8). */
static json_t *header_object(const pl_st_writer *writer, const pl_st_entry *entries,
                             const char *const *metadata)
{
    const unsigned before = pl_memory_failures();
    json_t *header = json_object();
    uint64_t offset = 0;
    if (metadata != NULL &&
        json_object_set_new(header, "__metadata__", metadata_object(metadata)) != 0) {
        goto failed;
    }
    for (size_t i = 0; i < writer->count; i++) {
        const item *it = &writer->items[i];
        const pl_st_entry *entry = &entries[it->place];
        size_t bytes = 0;
        json_t *shape = json_array();
        for (size_t d = 0; d < entry->n_dims; d++) {
            pl_json_append(shape, json_integer((json_int_t)entry->dims[d]));
        }
        if (!pl_mul(it->elements, it->width, &bytes) || bytes > INT64_MAX - offset) {
            json_decref(shape);
            goto failed;
        }
        json_t *value = json_pack(
            "{s:s, s:o, s:[I, I]}", "dtype", it->raw != NULL ? it->raw : pl_dtype_name(it->dtype),
            "shape", shape, "data_offsets", (json_int_t)offset, (json_int_t)(offset + bytes));
        if (json_object_set_new(header, it->name, value) != 0) {
            goto failed;
        }
        offset += bytes;
    }
    if (pl_memory_failures() == before) {
        return header;
    }
failed:
    json_decref(header);
    return NULL;
}

static pl_status write_safetensors_header(pl_st_writer *writer, json_t *header, pl_error *err)
{
    char *text = header != NULL ? pl_json_text(header, JSON_COMPACT) : NULL;
    if (text == NULL) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: the header cannot be made, expected names in UTF-8 and sizes that "
                            "fit",
                            writer->path);
    }
    size_t length = strlen(text);
    uint64_t padded = (length + 7) / 8 * 8;
    pl_status status = PL_OK;
    if (padded > HEADER_LIMIT) {
        status =
            pl_error_set(err, PL_ERR_FORMAT, "%s: the header has %llu bytes, expected at most %d",
                         writer->path, (unsigned long long)padded, HEADER_LIMIT);
    }
    PL_THEN(pl_writer_write(writer->file, &padded, sizeof padded, err));
    PL_THEN(pl_writer_write(writer->file, text, length, err));
    PL_THEN(pl_writer_write(writer->file, "       ", (size_t)padded - length, err));
    free(text);
    return status;
}

/* Moves on to the next item that has elements. */
static void skip_empty(pl_st_writer *writer)
{
    while (writer->at < writer->count && writer->done == writer->items[writer->at].elements) {
        writer->at++;
        writer->done = 0;
    }
}

pl_status pl_st_writer_create(const char *path, const pl_st_entry *entries,
                              const char *const *words, size_t count, const char *const *metadata,
                              pl_st_writer **out, pl_error *err)
{
    *out = NULL;
    json_t *header = NULL;
    pl_status status = PL_OK;
    pl_st_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || (writer->path = strdup(path)) == NULL ||
        (writer->items = calloc(count + 1, sizeof *writer->items)) == NULL ||
        (writer->encoded = malloc(PIECE * sizeof(float))) == NULL ||
        (writer->decoded = malloc(PIECE * sizeof(float))) == NULL) {
        status = pl_error_memory(err, "%s", path);
        goto done;
    }
    writer->count = count;
    status = make_items(writer, entries, words, err);
    if (status != PL_OK) {
        goto done;
    }
    status = pl_writer_create(path, &writer->file, err);
    if (status != PL_OK) {
        goto done;
    }
    header = header_object(writer, entries, metadata);
    status = write_safetensors_header(writer, header, err);
    skip_empty(writer);
done:
    json_decref(header);
    if (status != PL_OK) {
        pl_st_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return PL_OK;
}

size_t pl_st_writer_order(const pl_st_writer *writer, size_t position)
{
    return writer->items[position].place;
}

/* What was encoded must read back finite; tracks the largest |stored - given|. */
static pl_status check_stored(pl_st_writer *writer, const item *it, const float *values,
                              size_t count, double *max_error, pl_error *err)
{
    pl_dtype_decode(it->dtype, writer->encoded, count, writer->decoded);
    size_t bad = pl_view_first_nonfinite((pl_view){writer->decoded, 1, count, count});
    if (bad < count) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "%s: tensor '%s': %g at element %zu is not finite in %s", writer->path,
                            it->name, (double)values[bad], writer->done + bad,
                            pl_dtype_name(it->dtype));
    }
    for (size_t i = 0; max_error != NULL && i < count; i++) {
        double error = fabs((double)writer->decoded[i] - (double)values[i]);
        *max_error = error > *max_error ? error : *max_error;
    }
    return PL_OK;
}

pl_status pl_st_writer_put(pl_st_writer *writer, const float *values, size_t count,
                           double *max_error, pl_error *err)
{
    while (count > 0) {
        if (writer->at == writer->count) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "%s: %zu values more than the header's tensors hold", writer->path,
                                count);
        }
        const item *it = &writer->items[writer->at];
        if (it->raw != NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: tensor '%s' takes bytes, not values",
                                writer->path, it->name);
        }
        size_t now = it->elements - writer->done;
        now = now < count ? now : count;
        now = now < PIECE ? now : PIECE;
        pl_dtype_encode(it->dtype, values, now, writer->encoded);
        pl_status status = check_stored(writer, it, values, now, max_error, err);
        PL_THEN(pl_writer_write(writer->file, writer->encoded,
                                now * pl_dtype_block_bytes(it->dtype), err));
        if (status != PL_OK) {
            return status;
        }
        values += now;
        count -= now;
        writer->done += now;
        skip_empty(writer);
    }
    return PL_OK;
}

pl_status pl_st_writer_put_raw(pl_st_writer *writer, const void *bytes, size_t size, pl_error *err)
{
    const item *it = writer->at < writer->count ? &writer->items[writer->at] : NULL;
    const size_t left = it != NULL ? (it->elements - writer->done) * it->width : 0;
    if (it == NULL || it->raw == NULL || size > left || size % it->width != 0) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: %zu bytes for '%s', which takes %zu more",
                            writer->path, size, it != NULL ? it->name : "", left);
    }
    pl_status status = pl_writer_write(writer->file, bytes, size, err);
    writer->done += size / it->width;
    skip_empty(writer);
    return status;
}

pl_status pl_st_writer_commit(pl_st_writer *writer, pl_error *err)
{
    if (writer->at < writer->count) {
        const item *it = &writer->items[writer->at];
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: tensor '%s' has %zu of its %zu values, expected all of them",
                            writer->path, it->name, writer->done, it->elements);
    }
    return pl_writer_commit(writer->file, err);
}

void pl_st_writer_destroy(pl_st_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->count; i++) {
        free(writer->items[i].name);
    }
    pl_writer_destroy(writer->file);
    free(writer->items);
    free(writer->encoded);
    free(writer->decoded);
    free(writer->path);
    free(writer);
}
