/* A checkpoint of several safetensors files under an index: {"weight_map": {tensor: file}}. */
#include "core/base/file.h"
#include "core/io/checkpoint_parts.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_LIMIT = 100000000 };

static bool is_plain_name(const char *name)
{
    return *name != '\0' && strcmp(name, ".") != 0 && strchr(name, '/') == NULL &&
           strstr(name, "..") == NULL;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct files of weight_map, in strcmp order; borrowed from it.  names: room for all. */
static pl_status list_files(const char *path, json_t *map, const char **names, size_t *count,
                            pl_error *err)
{
    const char *key;
    json_t *value;
    size_t all = 0;
    json_object_foreach(map, key, value)
    {
        const char *name = json_string_value(value);
        if (name == NULL || !is_plain_name(name)) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "%s: weight_map: '%s' is in '%s', expected the name of a file in "
                                "the same folder",
                                path, pl_brief_of(key, strlen(key)).text,
                                name != NULL ? pl_brief_of(name, strlen(name)).text : "");
        }
        names[all++] = name;
    }
    qsort(names, all, sizeof *names, compare_words);
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) {
            names[(*count)++] = names[i];
        }
    }
    return PL_OK;
}

/* Every tensor of the shards must be in the map under its own shard.  What the map lists and no
 * shard holds is told: whoever needs such a tensor says that it is missing. */
static pl_status check_map(pl_checkpoint *checkpoint, const char *path, json_t *map,
                           const char *const *names, pl_error *err)
{
    for (size_t i = 0; i < checkpoint->count; i++) {
        const pl_tensor *tensor = &checkpoint->tensors[i];
        const char *shard = json_string_value(json_object_get(map, tensor->name));
        if (shard == NULL || strcmp(shard, names[tensor->shard]) != 0) {
            return pl_error_set(
                err, PL_ERR_FORMAT, "%s: weight_map: %s holds tensor '%s', expected it %s", path,
                names[tensor->shard], pl_brief_of(tensor->name, strlen(tensor->name)).text,
                shard == NULL ? "to be listed" : "to be in the shard listed for it");
        }
    }
    const char *key;
    const char *absent = NULL;
    size_t count = 0;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        if (pl_checkpoint_find(checkpoint, key) == NULL) {
            absent = absent == NULL ? key : absent;
            count++;
        }
    }
    if (count > 0) {
        pl_checkpoint_say(checkpoint, "the index lists %zu tensor%s that no shard holds (%s%s)",
                          count, count > 1 ? "s" : "", pl_brief_of(absent, strlen(absent)).text,
                          count > 1 ? ", ..." : "");
    }
    return PL_OK;
}

static pl_status load_shards(pl_checkpoint *checkpoint, const char *path, json_t *map,
                             pl_error *err)
{
    size_t count = 0;
    const char **names = calloc(json_object_size(map) + 1, sizeof *names);
    if (names == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = list_files(path, map, names, &count, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        pl_buf file = {0};
        pl_path_join(&file, checkpoint->folder, names[i]);
        status = pl_buf_check(&file, err);
        PL_THEN(pl_safetensors_add_file(checkpoint, file.data, err));
        pl_buf_deinit(&file);
        if (status == PL_ERR_NOT_FOUND) {
            status = pl_error_set(err, status, "%s: weight_map: the shard %s is not in the folder",
                                  path, pl_brief_of(names[i], strlen(names[i])).text);
        }
    }
    PL_THEN(pl_checkpoint_index_names(checkpoint, err));
    PL_THEN(check_map(checkpoint, path, map, names, err));
    free(names);
    return status;
}

pl_status pl_safetensors_load_index(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    checkpoint->container = PL_SAFETENSORS;
    checkpoint->index = strdup(path);
    if (checkpoint->index == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = pl_file_read_all(path, INDEX_LIMIT, &text, &size, err);
    if (status != PL_OK) {
        return status;
    }
    json_error_t why;
    json_t *index = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    free(text);
    json_t *map = json_object_get(index, "weight_map");
    if (index == NULL) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: not valid UTF-8 JSON with unique keys at line %d: %s", path,
                              why.line, why.text);
    } else if (json_object_size(map) == 0) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: weight_map: expected an object of tensor names and their files",
                              path);
    } else {
        status = load_shards(checkpoint, path, map, err);
    }
    json_decref(index);
    return status;
}
