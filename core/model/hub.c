#include "core/base/file.h"
#include "core/model/model_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool holds(const char *folder, const char *name)
{
    pl_buf path = {0};
    pl_path_join(&path, folder, name);
    bool found = !path.failed && access(path.data, F_OK) == 0;
    pl_buf_deinit(&path);
    return found;
}

/* A folder of safetensors is opened as it is; one with a single GGUF file (split or not) stands for
 * that file. */
static pl_status resolve_folder(const char *folder, pl_buf *out, pl_error *err)
{
    if (holds(folder, "model.safetensors") || holds(folder, "model.safetensors.index.json")) {
        pl_buf_puts(out, folder);
        return pl_buf_check(out, err);
    }
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return pl_error_set(err, PL_ERR_IO, "%s: the folder cannot be read", folder);
    }
    size_t count = 0;
    pl_buf found = {0};
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t size = strlen(entry->d_name), stem = 0, part = 1, parts = 1;
        bool gguf = size > 5 && strcmp(entry->d_name + size - 5, ".gguf") == 0;
        /* The first part of a split file stands for all. */
        if (gguf && pl_checkpoint_part(entry->d_name, ".gguf", &stem, &part, &parts) && part > 1) {
            continue;
        }
        if (gguf && count++ == 0) {
            pl_path_join(&found, folder, entry->d_name);
        }
    }
    closedir(dir);
    pl_status status = pl_buf_check(&found, err);
    if (status == PL_OK && count == 1) {
        pl_buf_puts(out, found.data);
        status = pl_buf_check(out, err);
    } else if (status == PL_OK && count > 1) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "%s: the folder holds %zu models as GGUF (%s, ...): name one", folder,
                              count, pl_path_name(found.data));
    } else if (status == PL_OK && (status = pl_checkpoint_refuse_folder(folder, err)) == PL_OK) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: the folder holds no model: expected model.safetensors, "
                              "model.safetensors.index.json or a .gguf file",
                              folder);
    }
    pl_buf_deinit(&found);
    return status;
}

/* "org/name", each of letters, digits, '-', '_' and '.', neither "." nor "..". */
static bool is_id(const char *path)
{
    const char *slash = strchr(path, '/');
    if (slash == NULL || slash == path || slash[1] == '\0' || path[0] == '.' || slash[1] == '.' ||
        strlen(path) > 200) {
        return false;
    }
    for (const char *p = path; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        bool other = (*p >= '0' && *p <= '9') || *p == '-' || *p == '_' || *p == '.' || p == slash;
        if (!letter && !other) {
            return false;
        }
    }
    return true;
}

/* Hugging Face's own order of environment variables. */
static void cache_folder(pl_buf *out)
{
    static const char *const wholes[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"};
    static const struct {
        const char *variable, *below;
    } parts[] = {{"HF_HOME", "hub"},
                 {"XDG_CACHE_HOME", "huggingface/hub"},
                 {"HOME", ".cache/huggingface/hub"}};
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(wholes[i]);
        if (value != NULL && value[0] != '\0') {
            pl_buf_puts(out, value);
            return;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(parts[i].variable);
        if (value != NULL && value[0] != '\0') {
            pl_path_join(out, value, parts[i].below);
            return;
        }
    }
    pl_buf_puts(out, ".");
}

/* The commit that refs/main names, cut at the first blank; false if it is no plain word. */
static bool read_commit(const char *repository, char commit[128])
{
    pl_buf path = {0};
    char *text = NULL;
    size_t size = 0;
    pl_path_join(&path, repository, "refs/main");
    bool good = !path.failed && pl_file_read_all(path.data, 127, &text, &size, NULL) == PL_OK;
    if (good) {
        size = strcspn(text, " \t\r\n");
        good = size > 0 && strspn(text, "0123456789abcdef") == size;
        memcpy(commit, text, size);
        commit[size] = '\0';
    }
    free(text);
    pl_buf_deinit(&path);
    return good;
}

static pl_status resolve_id(const char *id, pl_buf *out, pl_error *err)
{
    const char *slash = strchr(id, '/');
    char commit[128] = "";
    pl_buf cache = {0};
    pl_buf name = {0};
    pl_buf repository = {0};
    pl_buf snapshot = {0};
    cache_folder(&cache);
    pl_buf_printf(&name, "models--%.*s--%s", (int)(slash - id), id, slash + 1);
    pl_status status = pl_buf_check(cache.failed ? &cache : &name, err);
    if (status != PL_OK) {
        goto done;
    }
    pl_path_join(&repository, cache.data, name.data);
    status = pl_buf_check(&repository, err);
    if (status != PL_OK) {
        goto done;
    }
    if (!is_folder(repository.data)) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: no such file or folder, and the Hugging Face cache %s does not "
                              "hold a model of that name",
                              id, cache.data);
        goto done;
    }
    if (read_commit(repository.data, commit)) {
        pl_buf_printf(&snapshot, "%s/snapshots/%s", repository.data, commit);
    }
    if (snapshot.data == NULL || !is_folder(snapshot.data)) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: %s has no snapshot of the branch main (refs/main)", id,
                              repository.data);
        goto done;
    }
    status = resolve_folder(snapshot.data, out, err);
done:
    pl_buf_deinit(&cache);
    pl_buf_deinit(&name);
    pl_buf_deinit(&repository);
    pl_buf_deinit(&snapshot);
    return status;
}

pl_status pl_hub_resolve(const char *path, pl_buf *out, pl_error *err)
{
    if (is_folder(path)) {
        return resolve_folder(path, out, err);
    }
    if (access(path, F_OK) != 0 && is_id(path)) {
        return resolve_id(path, out, err);
    }
    pl_buf_puts(out, path); /* the checkpoint's reader has the sentence for a missing file */
    return pl_buf_check(out, err);
}
