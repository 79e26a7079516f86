/* Which file a path means, and which reader is the one for it. */
#include "core/io/checkpoint.h"

#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
