#include "core/io/checkpoint.h"

#include "core/base/checked.h"
#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"

#include <dirent.h>
#include <stdarg.h>
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

pl_container pl_checkpoint_kind(const char *path)
{
    unsigned char head[9] = {0};
    pl_file *file = NULL;
    pl_container kind = PL_NO_CONTAINER;
    if (!is_file(path) || pl_file_open(path, &file, NULL) != PL_OK) {
        return kind;
    }
    uint64_t size = pl_file_size(file), length = 0;
    if (size >= sizeof head && pl_file_read(file, 0, head, sizeof head, NULL) == PL_OK) {
        memcpy(&length, head, sizeof length);
        kind = memcmp(head, "GGUF", 4) == 0 || memcmp(head, "FUGG", 4) == 0 ? PL_GGUF
               : memcmp(head, "\x93NUMPY", 6) == 0                          ? PL_NPY
               : head[8] == '{' && length >= 2 && length <= size - 8        ? PL_SAFETENSORS
                                                                            : PL_NO_CONTAINER;
    }
    pl_file_close(file);
    return kind;
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

/* The index beside a file that is named as one of its shards; empty if there is none. */
static pl_status find_index(const char *path, pl_buf *index, pl_error *err)
{
    size_t stem = 0, part = 0, parts = 0;
    if (pl_checkpoint_part(path, ".safetensors", &stem, &part, &parts)) {
        pl_buf_append(index, path, stem);
        pl_buf_puts(index, ".safetensors.index.json");
    }
    pl_status status = pl_buf_check(index, err);
    if (status == PL_OK && index->size > 0 && !is_file(index->data)) {
        index->size = 0;
    }
    return status;
}

/* One safetensors file; as a shard under an index it stands for the whole checkpoint. */
static pl_status load_safetensors(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_buf index = {0};
    pl_status status = find_index(path, &index, err);
    if (status == PL_OK && index.size == 0) {
        status = pl_safetensors_load(checkpoint, path, err);
    } else if (status == PL_OK) {
        status = pl_safetensors_load_index(checkpoint, index.data, err);
        bool listed = false;
        for (size_t i = 0; i < checkpoint->shard_count; i++) {
            const char *shard = pl_path_name(pl_file_path(checkpoint->shards[i]));
            listed = listed || strcmp(shard, pl_path_name(path)) == 0;
        }
        const pl_brief name = pl_brief_of(pl_path_name(path), strlen(pl_path_name(path)));
        const pl_brief list =
            pl_brief_of(pl_path_name(index.data), strlen(pl_path_name(index.data)));
        if (status == PL_OK && !listed) {
            status = pl_error_set(err, PL_ERR_FORMAT,
                                  "%s: weight_map: lists no tensor in %s, expected that shard",
                                  index.data, name.text);
        } else if (status == PL_OK) {
            pl_checkpoint_say(checkpoint, "%s is one of %zu shards: all that %s lists were read",
                              name.text, checkpoint->shard_count, list.text);
        }
    }
    pl_buf_deinit(&index);
    return status;
}

static pl_status load(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_container kind = pl_checkpoint_kind(path);
    pl_status refused = kind == PL_NO_CONTAINER ? pl_refuse_file(path, err) : PL_OK;
    if (refused != PL_OK) {
        return refused;
    }
    /* The ending counts where the first bytes say nothing: then the reader says what is wrong. */
    bool unknown = kind == PL_NO_CONTAINER;
    if (kind == PL_GGUF || (unknown && pl_text_ends(path, ".gguf"))) {
        return pl_gguf_load(checkpoint, path, err);
    }
    if (kind == PL_NPY || (unknown && pl_text_ends(path, ".npy"))) {
        return pl_npy_load(checkpoint, path, err);
    }
    if (kind == PL_SAFETENSORS || pl_text_ends(path, ".safetensors")) {
        return load_safetensors(checkpoint, path, err);
    }
    if (pl_text_ends(path, ".json")) {
        return pl_safetensors_load_index(checkpoint, path, err);
    }
    return pl_error_set(err, is_file(path) ? PL_ERR_UNSUPPORTED : PL_ERR_NOT_FOUND,
                        "%s: %s, expected a folder, a .safetensors or .gguf file, or a "
                        ".safetensors.index.json",
                        path,
                        is_file(path) ? "not a kind of checkpoint known here"
                                      : "there is no such file or folder");
}

/* What else in the folder could have been meant. */
static void say_others(pl_checkpoint *checkpoint, const char *folder, bool index)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t ggufs = 0;
    bool adapter = false;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        ggufs += pl_text_ends(entry->d_name, ".gguf");
        adapter = adapter || strcmp(entry->d_name, "adapter_config.json") == 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (index) {
        pl_checkpoint_say(checkpoint,
                          "the folder holds model.safetensors and model.safetensors.index.json: "
                          "model.safetensors was read, as transformers does, the shards were not");
    }
    if (ggufs > 0) {
        pl_checkpoint_say(checkpoint, "the folder also holds %zu .gguf file%s, not read", ggufs,
                          ggufs > 1 ? "s" : "");
    }
    if (adapter) {
        pl_checkpoint_say(checkpoint,
                          "the adapter in the folder (adapter_config.json) is not applied");
    }
}

static pl_status load_folder(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json"};
    pl_buf files[2] = {{0}, {0}};
    bool there[2] = {false, false};
    pl_status status = PL_OK;
    for (size_t i = 0; i < 2 && status == PL_OK; i++) {
        pl_path_join(&files[i], path, names[i]);
        status = pl_buf_check(&files[i], err);
        there[i] = status == PL_OK && is_file(files[i].data);
    }
    if (status == PL_OK && (there[0] || there[1])) {
        status = load(checkpoint, files[there[0] ? 0 : 1].data, err);
        if (status == PL_OK) {
            say_others(checkpoint, path, there[0] && there[1]);
        }
    } else if (status == PL_OK) {
        status = pl_checkpoint_refuse_folder(path, err);
        PL_THEN(pl_error_set(err, PL_ERR_NOT_FOUND,
                             "%s: the folder holds no checkpoint, expected model.safetensors "
                             "or model.safetensors.index.json in it",
                             path));
    }
    pl_buf_deinit(&files[0]);
    pl_buf_deinit(&files[1]);
    return status;
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
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = folder ? load_folder(checkpoint, path, err) : load(checkpoint, path, err);
    PL_THEN(pl_packed_find(checkpoint, err));
    PL_THEN(pl_refuse_packed(checkpoint, err));
    if (status != PL_OK) {
        pl_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return PL_OK;
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
