#include "core/io/store_parts.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *default_folder(void)
{
    pl_buf path = {0};
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache != NULL && cache[0] == '/') { /* the XDG specification ignores relative ones */
        pl_path_join(&path, cache, "planish");
    } else if (home != NULL && home[0] != '\0') {
        pl_path_join(&path, home, ".cache/planish");
    }
    return path.data;
}

pl_status pl_store_open(const char *folder, uint64_t limit, pl_store **out, pl_error *err)
{
    *out = NULL;
    struct stat st;
    char *own = folder != NULL ? strdup(folder) : default_folder();
    if (own == NULL || *own == '\0') {
        free(own);
        return pl_error_set(
            err, PL_ERR_IO,
            "the store has no folder, expected --store DIR, XDG_CACHE_HOME or HOME");
    }
    if (stat(own, &st) == 0 && !S_ISDIR(st.st_mode)) {
        pl_status status = pl_error_set(err, PL_ERR_IO, "%s: the store expected a folder", own);
        free(own);
        return status;
    }
    pl_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        free(own);
        return pl_error_memory(err, "the store");
    }
    *store = (pl_store){.folder = own, .limit = limit, .presence = {.fd = -1}};
    pthread_mutex_init(&store->lock, NULL);
    pl_store_sweep(store);
    *out = store;
    return PL_OK;
}

void pl_store_close(pl_store *store)
{
    if (store == NULL) {
        return;
    }
    for (size_t i = 0; i < store->pin_count; i++) {
        free(store->pins[i].kind);
    }
    free(store->pins);
    pl_temporary_discard(&store->presence);
    pl_kept_deinit(&store->kept);
    free(store->notice);
    pthread_mutex_destroy(&store->lock);
    free(store->folder);
    free(store);
}

const char *pl_store_folder(const pl_store *store)
{
    return store->folder;
}

typedef enum kept_state { KEPT_NOWHERE, KEPT_HERE, KEPT_AS_REMOVED } kept_state;

/* Opens it, if out is not NULL and it is kept. */
static kept_state look_among_kept(pl_store *store, const char *kind, pl_id key, pl_entry **out,
                                  pl_status *status)
{
    pthread_mutex_lock(&store->lock);
    const pl_kept_entry *kept = pl_kept_find(&store->kept, kind, key);
    const kept_state state = kept == NULL   ? KEPT_NOWHERE
                             : kept->fd < 0 ? KEPT_AS_REMOVED
                                            : KEPT_HERE;
    if (state == KEPT_HERE && out != NULL) {
        *status = pl_kept_open(kept, out);
    }
    pthread_mutex_unlock(&store->lock);
    return state;
}

/* Makes room first where the disk is too full, and once more where it proves to be. */
static pl_status write_to_disk(pl_store *store, const char *path, const pl_entry_content *content,
                               pl_error *err)
{
    const uint64_t bytes = pl_entry_size(content);
    pl_status status = PL_ERR_IO;
    bool room = true; /* by what the disk says */
    for (int attempt = 0; attempt < 2 && status == PL_ERR_IO; attempt++) {
        errno = 0;
        status = pl_store_make_folder(store, content->kind, err);
        if (status == PL_OK) {
            pl_store_be_present(store);
            room = pl_store_make_room(store, bytes);
            errno = 0;
            status = pl_entry_write(path, content, err);
        }
        const bool refused = errno == EDQUOT || (errno == ENOSPC && room);
        if (status == PL_ERR_IO &&
            !(attempt == 0 && refused && pl_store_give_up(store, 2 * bytes))) {
            break;
        }
    }
    if (status == PL_OK) {
        *err = (pl_error){0}; /* of the first attempt */
    }
    return status;
}

/* What the disk refuses, for reason `why`, this process keeps to itself. */
static pl_status keep_in_memory(pl_store *store, const pl_entry_content *content, pl_error *why)
{
    pthread_mutex_lock(&store->lock);
    const pl_status status = pl_kept_add(&store->kept, content);
    if (status == PL_OK && !store->told) {
        pl_buf text = {0};
        pl_buf_printf(&text,
                      "nothing more is kept on disk (%s): what is computed stays in memory until "
                      "planish ends; make room there or make it writable, or name another "
                      "folder with --store DIR",
                      why->message);
        free(store->notice);
        store->notice = text.data;
        store->told = true;
    }
    pthread_mutex_unlock(&store->lock);
    if (status != PL_OK) {
        pl_error cause = *why;
        return pl_error_set(why, PL_ERR_IO,
                            "%s; make room there or make it writable, or name another folder with "
                            "--store DIR",
                            cause.message);
    }
    return PL_OK;
}

char *pl_store_take_notice(pl_store *store)
{
    pthread_mutex_lock(&store->lock);
    char *notice = store->notice;
    store->notice = NULL;
    pthread_mutex_unlock(&store->lock);
    return notice;
}

void pl_store_keep_at_most(pl_store *store, uint64_t bytes)
{
    store->kept.limit = bytes;
}

void pl_store_begin(pl_store *store)
{
    /* The clock that files are marked by.  What is pinned is marked before this command's time is
     * told, so that at no moment another process sees it as older than every command. */
    struct timespec now[2];
    pl_store_be_present(store);
    const int held = pl_store_hold(store);
    const bool told = clock_gettime(CLOCK_REALTIME_COARSE, &now[0]) == 0;
    for (size_t i = 0; i < store->pin_count; i++) {
        (void)pl_store_has(store, store->pins[i].kind, store->pins[i].key);
    }
    pthread_mutex_lock(&store->lock);
    store->began = told ? now[0] : (struct timespec){0};
    if (store->presence.path != NULL) {
        now[1] = now[0];
        (void)futimens(store->presence.fd, told ? now : NULL);
    }
    pthread_mutex_unlock(&store->lock);
    pl_store_let_go(held);
}

pl_status pl_store_write(pl_store *store, const pl_entry_content *content, bool keep, pl_error *err)
{
    pl_buf path;
    pl_error why = {0};
    pl_status status = pl_store_path(store, content->kind, content->key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    const kept_state kept = look_among_kept(store, content->kind, content->key, NULL, NULL);
    /* Marked first, so that it stays while it is read. */
    if (keep &&
        (kept == KEPT_HERE || (kept == KEPT_NOWHERE && pl_store_mark(store, path.data) &&
                               pl_store_is_sound(path.data, content->kind, content->key)))) {
        goto done;
    }
    if (store->peer != NULL && store->peer->writes != NULL && content->file == NULL) {
        store->peer->writes(store->peer->ctx, content->kind, content->key);
    }
    status = write_to_disk(store, path.data, content, &why);
    if (status == PL_ERR_IO) {
        status = keep_in_memory(store, content, &why);
    } else if (status == PL_OK && kept != KEPT_NOWHERE) {
        pthread_mutex_lock(&store->lock);
        pl_kept_forget(&store->kept, content->kind, content->key);
        pthread_mutex_unlock(&store->lock);
    }
    if (status == PL_OK && store->peer != NULL && store->peer->wrote != NULL) {
        status = store->peer->wrote(store->peer->ctx, content->kind, content->key, keep, &why);
    }
    if (status != PL_OK) {
        (void)pl_error_set(err, status, "the store keeps no result: %s", why.message);
    }
done:
    pl_buf_deinit(&path);
    return status;
}

pl_status pl_store_put(pl_store *store, const char *kind, pl_id key, const json_t *about,
                       const pl_section *sections, size_t count, pl_error *err)
{
    const pl_entry_content content = {
        .kind = kind, .key = key, .about = about, .sections = sections, .count = count};
    return pl_store_write(store, &content, true, err);
}

pl_status pl_store_replace(pl_store *store, const char *kind, pl_id key, const json_t *about,
                           const pl_section *sections, size_t count, pl_error *err)
{
    const pl_entry_content content = {
        .kind = kind, .key = key, .about = about, .sections = sections, .count = count};
    return pl_store_write(store, &content, false, err);
}

bool pl_store_has(pl_store *store, const char *kind, pl_id key)
{
    pl_buf path;
    if (pl_store_path(store, kind, key, &path, NULL) != PL_OK) {
        return false;
    }
    const kept_state kept = look_among_kept(store, kind, key, NULL, NULL);
    bool found = kept == KEPT_HERE;
    if (kept == KEPT_NOWHERE) {
        found = pl_store_mark(store, path.data) /* whoever asks will want it */
                || pl_store_peer_has(store, kind, key);
    }
    pl_buf_deinit(&path);
    return found;
}

/* A folder that this user may not enter holds nothing for it: what is computed stays in memory. */
static bool is_closed_to_us(const char *path)
{
    return access(path, R_OK) != 0 && (errno == EACCES || errno == ENOTDIR);
}

pl_status pl_store_get(pl_store *store, const char *kind, pl_id key, pl_entry **out, pl_error *err)
{
    pl_buf path;
    *out = NULL;
    pl_status status = pl_store_path(store, kind, key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    switch (look_among_kept(store, kind, key, out, &status)) {
    case KEPT_HERE:
        if (status != PL_OK) {
            (void)pl_error_set(err, status, "%s: cannot be read from memory", path.data);
        }
        break;
    case KEPT_AS_REMOVED:
        status = pl_error_set(err, PL_ERR_NOT_FOUND, "%s: was removed", path.data);
        break;
    case KEPT_NOWHERE:
        (void)pl_store_mark(store, path.data);
        status = pl_entry_open(path.data, kind, key, out, err);
        if (status == PL_ERR_NOT_FOUND && pl_store_fetch(store, kind, key, path.data)) {
            status = pl_entry_open(path.data, kind, key, out, err);
        }
        if (status == PL_ERR_IO && is_closed_to_us(path.data)) {
            status = pl_error_set(err, PL_ERR_NOT_FOUND, "%s: is not ours to read", path.data);
        }
        break;
    }
    pl_buf_deinit(&path);
    return status;
}

pl_status pl_store_read_file(pl_store *store, const char *kind, pl_id key, char **bytes,
                             size_t *size, pl_error *err)
{
    pl_entry *entry = NULL;
    *bytes = NULL;
    pl_status status = pl_store_get(store, kind, key, &entry, err);
    PL_THEN(pl_entry_read_file(entry, bytes, size, err));
    pl_entry_close(entry);
    return status;
}

pl_status pl_store_remove(pl_store *store, const char *kind, pl_id key, pl_error *err)
{
    pl_buf path;
    pl_status status = pl_store_path(store, kind, key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    /* What a disk does not give back is as good as gone, for this process. */
    const bool stays = unlink(path.data) != 0 && errno != ENOENT;
    pthread_mutex_lock(&store->lock);
    if (stays) {
        status = pl_kept_hide(&store->kept, kind, key);
    } else {
        pl_kept_forget(&store->kept, kind, key);
    }
    pthread_mutex_unlock(&store->lock);
    if (status != PL_OK) {
        (void)pl_error_set(err, status, "out of memory for the store");
    } else if (store->peer != NULL && store->peer->removed != NULL) {
        store->peer->removed(store->peer->ctx, kind, key);
    }
    pl_buf_deinit(&path);
    return status;
}
