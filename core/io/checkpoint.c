#include "core/io/checkpoint.h"

#include "core/base/checked.h"
#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pl_brief pl_brief_of(const char *raw, size_t size)
{
    pl_brief brief;
    size_t whole = pl_text_escape(raw, size, brief.text, sizeof brief.text - 3);
    size_t kept = strlen(brief.text);
    if (whole > kept) {
        memcpy(brief.text + kept, "...", 4);
    }
    return brief;
}

bool pl_dims_product(const uint64_t *dims, size_t n_dims, uint64_t *product)
{
    uint64_t nonzero = 1;
    bool empty = false;
    for (size_t i = 0; i < n_dims; i++) {
        empty = empty || dims[i] == 0;
        if (dims[i] > 0 && __builtin_mul_overflow(nonzero, dims[i], &nonzero)) {
            return false;
        }
    }
    *product = empty ? 0 : nonzero;
    return true;
}

uint64_t pl_dims_elements(const uint64_t *dims, size_t count)
{
    uint64_t product = 1;
    for (size_t i = 0; i < count; i++) {
        product *= dims[i];
    }
    return product;
}

uint64_t pl_tensor_elements(const pl_tensor *tensor)
{
    return pl_dims_elements(tensor->dims, tensor->n_dims);
}

size_t pl_tensor_cols(const pl_tensor *tensor)
{
    return tensor->n_dims > 0 ? (size_t)tensor->dims[tensor->n_dims - 1] : 1;
}

size_t pl_tensor_rows(const pl_tensor *tensor)
{
    const size_t before = tensor->n_dims > 0 ? tensor->n_dims - 1 : 0;
    return (size_t)pl_dims_elements(tensor->dims, before);
}

pl_status pl_checkpoint_add_shard(pl_checkpoint *checkpoint, const char *path, pl_file **file,
                                  pl_error *err)
{
    *file = NULL;
    size_t count = checkpoint->shard_count;
    pl_file **shards = realloc(checkpoint->shards, (count + 1) * sizeof *shards);
    if (shards == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    checkpoint->shards = shards;
    pl_status status = pl_file_open(path, file, err);
    if (status == PL_OK) {
        shards[count] = *file;
        checkpoint->shard_count = count + 1;
    }
    return status;
}

pl_status pl_checkpoint_add_tensor(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                   const char *name, size_t size, pl_error *err)
{
    if (checkpoint->count == checkpoint->capacity) {
        size_t capacity = checkpoint->capacity > 0 ? 2 * checkpoint->capacity : 64;
        pl_tensor *tensors = realloc(checkpoint->tensors, capacity * sizeof *tensors);
        if (tensors == NULL) {
            return pl_error_memory(err, "the list of tensors");
        }
        checkpoint->tensors = tensors;
        checkpoint->capacity = capacity;
    }
    size_t dtype_size = strlen(tensor->dtype_name) + 1;
    char *words = malloc(size + 1 + dtype_size);
    if (words == NULL) {
        return pl_error_memory(err, "the list of tensors");
    }
    memcpy(words, name, size);
    words[size] = '\0';
    memcpy(words + size + 1, tensor->dtype_name, dtype_size);
    pl_tensor *added = &checkpoint->tensors[checkpoint->count++];
    *added = *tensor;
    added->name = words;
    added->dtype_name = words + size + 1;
    return PL_OK;
}

static int compare_names(const void *a, const void *b, void *tensors)
{
    const pl_tensor *list = tensors;
    return strcmp(list[*(const size_t *)a].name, list[*(const size_t *)b].name);
}

pl_status pl_checkpoint_index_names(pl_checkpoint *checkpoint, pl_error *err)
{
    const size_t count = checkpoint->count;
    size_t *order = calloc(count > 0 ? count : 1, sizeof *order);
    if (order == NULL) {
        return pl_error_memory(err, "the list of tensors");
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    qsort_r(order, count, sizeof *order, compare_names, checkpoint->tensors);
    free(checkpoint->by_name);
    checkpoint->by_name = order;
    for (size_t i = 1; i < count; i++) {
        const pl_tensor *a = &checkpoint->tensors[order[i - 1]];
        const pl_tensor *b = &checkpoint->tensors[order[i]];
        if (strcmp(a->name, b->name) == 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "%s: tensor '%s' occurs twice, expected unique names",
                                pl_file_path(checkpoint->shards[b->shard]),
                                pl_brief_of(b->name, strlen(b->name)).text);
        }
    }
    return PL_OK;
}

/* "-00002-of-00003" before the ending: five digits or more, as both writers have them. */
bool pl_checkpoint_part(const char *name, const char *ending, size_t *stem, size_t *part,
                        size_t *parts)
{
    static const char digits[] = "0123456789";
    if (!pl_text_ends(name, ending)) {
        return false;
    }
    const char *end = name + strlen(name) - strlen(ending);
    const char *of = NULL;
    for (const char *at = name; (at = strstr(at, "-of-")) != NULL && at < end; at++) {
        of = at;
    }
    const char *first = of;
    while (first != NULL && first > name && strchr(digits, first[-1]) != NULL) {
        first--;
    }
    size_t before = first != NULL ? (size_t)(of - first) : 0;
    size_t after = first != NULL ? strspn(of + 4, digits) : 0;
    if (before < 5 || before > 9 || after < 5 || after > 9 || of + 4 + after != end ||
        first == name || first[-1] != '-') {
        return false;
    }
    *stem = (size_t)(first - 1 - name);
    *part = (size_t)strtoul(first, NULL, 10);
    *parts = (size_t)strtoul(of + 4, NULL, 10);
    return true;
}

void pl_checkpoint_clear(pl_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->count; i++) {
        free((void *)checkpoint->tensors[i].name);
        free(checkpoint->tensors[i].packed);
    }
    for (size_t i = 0; i < checkpoint->shard_count; i++) {
        pl_file_close(checkpoint->shards[i]);
    }
    for (size_t i = 0; i < checkpoint->array_count; i++) {
        pl_string_array *array = &checkpoint->arrays[i];
        free(array->key);
        free(array->bytes);
        free(array->strings);
        free(array->sizes);
    }
    free(checkpoint->tensors);
    free(checkpoint->shards);
    free(checkpoint->arrays);
    free(checkpoint->by_name);
    free(checkpoint->index);
    pl_buf_deinit(&checkpoint->note);
    json_object_clear(checkpoint->metadata);
    *checkpoint = (pl_checkpoint){.folder = checkpoint->folder, .metadata = checkpoint->metadata};
}

void pl_checkpoint_close(pl_checkpoint *checkpoint)
{
    if (checkpoint != NULL) {
        pl_checkpoint_clear(checkpoint);
        free(checkpoint->folder);
        json_decref(checkpoint->metadata);
        free(checkpoint);
    }
}

const char *pl_checkpoint_index(const pl_checkpoint *checkpoint)
{
    return checkpoint->index;
}

const char *pl_checkpoint_note(const pl_checkpoint *checkpoint)
{
    return checkpoint->note.size > 0 && !checkpoint->note.failed ? checkpoint->note.data : NULL;
}

void pl_checkpoint_say(pl_checkpoint *checkpoint, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pl_buf_puts(&checkpoint->note, checkpoint->note.size > 0 ? "; " : "");
    pl_buf_puts(&checkpoint->note, text);
}

pl_container pl_checkpoint_container(const pl_checkpoint *checkpoint)
{
    return checkpoint->container;
}

const char *pl_checkpoint_folder(const pl_checkpoint *checkpoint)
{
    return checkpoint->folder;
}

size_t pl_checkpoint_count(const pl_checkpoint *checkpoint)
{
    return checkpoint->count;
}

const pl_tensor *pl_checkpoint_tensor(const pl_checkpoint *checkpoint, size_t index)
{
    return &checkpoint->tensors[index];
}

const pl_tensor *pl_checkpoint_find(const pl_checkpoint *checkpoint, const char *name)
{
    size_t low = 0, high = checkpoint->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const pl_tensor *tensor = &checkpoint->tensors[checkpoint->by_name[middle]];
        int order = strcmp(name, tensor->name);
        if (order == 0) {
            return tensor;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

size_t pl_checkpoint_shards(const pl_checkpoint *checkpoint)
{
    return checkpoint->shard_count;
}

pl_file *pl_checkpoint_shard(const pl_checkpoint *checkpoint, size_t shard)
{
    return checkpoint->shards[shard];
}

uint64_t pl_checkpoint_bytes(const pl_checkpoint *checkpoint)
{
    uint64_t total = 0;
    for (size_t i = 0; i < checkpoint->shard_count; i++) {
        total += pl_file_size(checkpoint->shards[i]);
    }
    return total;
}

const json_t *pl_checkpoint_metadata(const pl_checkpoint *checkpoint)
{
    return checkpoint->metadata;
}

bool pl_checkpoint_strings(const pl_checkpoint *checkpoint, const char *key,
                           const char *const **strings, const size_t **sizes, size_t *count)
{
    for (size_t i = 0; i < checkpoint->array_count; i++) {
        const pl_string_array *array = &checkpoint->arrays[i];
        if (strcmp(array->key, key) == 0) {
            *strings = array->strings;
            *sizes = array->sizes;
            *count = array->count;
            return true;
        }
    }
    *strings = NULL;
    *sizes = NULL;
    *count = 0;
    return false;
}
