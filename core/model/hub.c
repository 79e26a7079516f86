#include "core/base/file.h"
#include "core/model/model_parts.h"

#include <dirent.h>
#include <stdio.h>
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

/* A folder of safetensors is opened as a folder; a folder with a single GGUF file (split or not)
 * means that file. */
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

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Counts words of letters, digits, '-', '_' and '.', separated by slashes, none beginning with a
 * dot; 0 where text[0, length) is anything else. */
static size_t count_words(const char *text, size_t length)
{
    size_t words = 0;
    for (size_t i = 0; i < length; i++) {
        const bool starts = i == 0 || text[i - 1] == '/';
        if (starts ? !is_word_byte(text[i]) || text[i] == '.'
                   : text[i] != '/' && !is_word_byte(text[i])) {
            return 0;
        }
        words += starts;
    }
    return length > 0 && length <= 200 && text[length - 1] != '/' ? words : 0;
}

/* "org/name", or "name" alone for the oldest models, then perhaps @ and a revision: a branch or tag
 * ("v1.0", "refs/pr/1") or a commit.  name: the bytes before the @. */
static bool is_id(const char *path, size_t *name)
{
    *name = strcspn(path, "@");
    const size_t words = count_words(path, *name);
    const char *revision = path + *name;
    return words >= 1 && words <= 2 &&
           (*revision == '\0' || count_words(revision + 1, strlen(revision + 1)) > 0);
}

/* A folder as the environment names it, where ~ is the home. */
static void put_folder(const char *value, pl_buf *out)
{
    const char *home = getenv("HOME");
    if (value[0] == '~' && (value[1] == '/' || value[1] == '\0') && home != NULL) {
        pl_buf_puts(out, home);
        value++;
    }
    pl_buf_puts(out, value);
}

/* Hugging Face's own order of environment variables. */
static void cache_folder(pl_buf *out)
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HUGGINGFACE_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HOME", "/.cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = getenv(places[i].variable);
        if (value != NULL && value[0] != '\0') {
            put_folder(value, out);
            pl_buf_puts(out, places[i].below);
            return;
        }
    }
    pl_buf_puts(out, ".");
}

/* The commit that refs/REVISION names, cut at the first blank; false if there is no such file, or
 * it holds no plain word. */
static bool read_commit(const char *repository, const char *revision, char commit[128])
{
    pl_buf path = {0};
    char *text = NULL;
    size_t size = 0;
    pl_buf_printf(&path, "%s/refs/%s", repository, revision);
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

/* ": it has main, v1.0": the names in the repository's folder `below`, at most eight. */
static void list_names(const char *repository, const char *below, pl_buf *out)
{
    enum { MOST = 8 };
    pl_buf folder = {0};
    pl_path_join(&folder, repository, below);
    struct dirent **entries = NULL;
    const int count = !folder.failed ? scandir(folder.data, &entries, NULL, alphasort) : 0;
    int listed = 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && listed < MOST) {
            pl_buf_printf(out, "%s%s", listed++ > 0 ? ", " : "; it has ", name);
        }
        free(entries[i]);
    }
    free(entries);
    pl_buf_deinit(&folder);
}

static pl_status refuse_revision(const char *id, const char *repository, const char *revision,
                                 pl_error *err)
{
    pl_buf known = {0};
    list_names(repository, revision[0] != '\0' ? "refs" : "snapshots", &known);
    const char *more = known.data != NULL ? known.data : "";
    pl_status status =
        revision[0] != '\0'
            ? pl_error_set(err, PL_ERR_NOT_FOUND,
                           "%s: %s has no snapshot of the revision %s, a name in refs or the whole "
                           "name of a commit%s",
                           id, repository, revision, more)
            : pl_error_set(err, PL_ERR_NOT_FOUND,
                           "%s: %s has no snapshot of the branch main (refs/main)%s", id,
                           repository, more);
    pl_buf_deinit(&known);
    return status;
}

/* As huggingface_hub finds a revision without a network: the snapshot that refs/REVISION names,
 * else the one with that name. */
static pl_status resolve_id(const char *id, size_t name, pl_buf *out, pl_error *err)
{
    const char *revision = id[name] == '@' ? id + name + 1 : "";
    const char *wanted = revision[0] != '\0' ? revision : "main";
    char commit[128] = "";
    pl_buf cache = {0};
    pl_buf repository = {0};
    pl_buf snapshot = {0};
    cache_folder(&cache);
    pl_buf_printf(&repository, "%s/models--", cache.data != NULL ? cache.data : "");
    for (size_t i = 0; i < name; i++) {
        pl_buf_append(&repository, id[i] == '/' ? "--" : id + i, id[i] == '/' ? 2 : 1);
    }
    pl_status status = pl_buf_check(cache.failed ? &cache : &repository, err);
    if (status != PL_OK) {
        goto done;
    }
    if (!is_folder(repository.data) && memchr(id, '/', name) == NULL) {
        pl_buf_puts(out, id); /* a single word rather names a file, whose reader has the sentence */
        status = pl_buf_check(out, err);
        goto done;
    }
    if (!is_folder(repository.data)) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: no such file or folder, and the Hugging Face cache %s does not "
                              "hold a model of that name",
                              id, cache.data);
        goto done;
    }
    if (!read_commit(repository.data, wanted, commit) && strchr(wanted, '/') == NULL) {
        snprintf(commit, sizeof commit, "%.127s", wanted);
    }
    pl_buf_printf(&snapshot, "%s/snapshots/%s", repository.data, commit);
    status = pl_buf_check(&snapshot, err);
    if (status == PL_OK && (commit[0] == '\0' || !is_folder(snapshot.data))) {
        status = refuse_revision(id, repository.data, revision, err);
    }
    PL_THEN(resolve_folder(snapshot.data, out, err));
done:
    pl_buf_deinit(&cache);
    pl_buf_deinit(&repository);
    pl_buf_deinit(&snapshot);
    return status;
}

pl_status pl_hub_resolve(const char *path, pl_buf *out, pl_error *err)
{
    if (is_folder(path)) {
        return resolve_folder(path, out, err);
    }
    size_t name = 0;
    if (access(path, F_OK) != 0 && is_id(path, &name)) {
        return resolve_id(path, name, out, err);
    }
    pl_buf_puts(out, path); /* the checkpoint's reader has the sentence for a missing file */
    return pl_buf_check(out, err);
}
