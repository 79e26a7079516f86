#include "core/io/checkpoint.h"

#include "core/base/checked.h"
#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

pl_status pl_checkpoint_add_shard(pl_checkpoint *checkpoint, const char *path, pl_file **file,
                                  pl_error *err)
{
    *file = NULL;
    size_t count = checkpoint->shard_count;
    pl_file **shards = realloc(checkpoint->shards, (count + 1) * sizeof *shards);
    if (shards == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory", path);
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
            return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the list of tensors");
        }
        checkpoint->tensors = tensors;
        checkpoint->capacity = capacity;
    }
    size_t dtype_size = strlen(tensor->dtype_name) + 1;
    char *words = malloc(size + 1 + dtype_size);
    if (words == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the list of tensors");
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
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the list of tensors");
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

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), need = strlen(ending);
    return size >= need && strcmp(text + size - need, ending) == 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return strdup(".");
    }
    return strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static pl_status load(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_status refused = is_file(path) ? pl_refuse_pickle(path, path, err) : PL_OK;
    if (refused != PL_OK) {
        return refused;
    }
    if (ends_with(path, ".gguf")) {
        return pl_gguf_load(checkpoint, path, err);
    }
    if (ends_with(path, ".npy")) {
        return pl_npy_load(checkpoint, path, err);
    }
    if (ends_with(path, ".safetensors")) {
        return pl_safetensors_load(checkpoint, path, err);
    }
    if (ends_with(path, ".json")) {
        return pl_safetensors_load_index(checkpoint, path, err);
    }
    return pl_error_set(err, is_file(path) ? PL_ERR_UNSUPPORTED : PL_ERR_NOT_FOUND,
                        "%s: %s, expected a folder, a .safetensors or .gguf file, or a "
                        ".safetensors.index.json",
                        path,
                        is_file(path) ? "not a kind of checkpoint known here"
                                      : "there is no such file or folder");
}

static pl_status load_folder(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    static const char *const names[] = {"model.safetensors.index.json", "model.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pl_buf file = {0};
        pl_path_join(&file, path, names[i]);
        pl_status status = pl_buf_check(&file, err);
        bool found = status == PL_OK && is_file(file.data);
        if (found) {
            status = load(checkpoint, file.data, err);
        }
        pl_buf_deinit(&file);
        if (found || status != PL_OK) {
            return status;
        }
    }
    pl_status refused = pl_checkpoint_refuse_pickles(path, err);
    if (refused != PL_OK) {
        return refused;
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND,
                        "%s: the folder holds no checkpoint, expected model.safetensors.index.json "
                        "or model.safetensors in it",
                        path);
}

pl_status pl_checkpoint_open(const char *path, pl_checkpoint **out, pl_error *err)
{
    *out = NULL;
    struct stat st;
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    pl_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint == NULL ||
        (checkpoint->folder = folder ? strdup(path) : folder_of(path)) == NULL ||
        (checkpoint->metadata = json_object()) == NULL) {
        pl_checkpoint_close(checkpoint);
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory", path);
    }
    pl_status status = folder ? load_folder(checkpoint, path, err) : load(checkpoint, path, err);
    status = status == PL_OK ? pl_refuse_packed(checkpoint, err) : status;
    if (status != PL_OK) {
        pl_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return PL_OK;
}

void pl_checkpoint_close(pl_checkpoint *checkpoint)
{
    if (checkpoint == NULL) {
        return;
    }
    for (size_t i = 0; i < checkpoint->count; i++) {
        free((void *)checkpoint->tensors[i].name);
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
    free(checkpoint->folder);
    json_decref(checkpoint->metadata);
    free(checkpoint);
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
