/* A store behind this one. */
#include "core/io/store_parts.h"

#include <unistd.h>

void pl_store_set_peer(pl_store *store, const pl_store_peer *peer)
{
    store->peer = peer;
}

bool pl_store_peer_has(const pl_store *store, const char *kind, pl_id key)
{
    return store->peer != NULL && store->peer->has != NULL &&
           store->peer->has(store->peer->ctx, kind, key);
}

bool pl_store_fetch(const pl_store *store, const char *kind, pl_id key, const char *path)
{
    return store->peer != NULL && store->peer->fetch != NULL &&
           pl_store_make_folder(store, kind, NULL) == PL_OK &&
           store->peer->fetch(store->peer->ctx, kind, key, path);
}

/* Removes what was written and is no entry. */
static void drop(pl_store *store, const char *kind, pl_id key)
{
    pl_buf path = {0};
    pthread_mutex_lock(&store->lock);
    pl_kept_forget(&store->kept, kind, key);
    pthread_mutex_unlock(&store->lock);
    if (pl_store_path(store, kind, key, &path, NULL) == PL_OK) {
        (void)unlink(path.data);
    }
    pl_buf_deinit(&path);
}

pl_status pl_store_take_file(pl_store *store, const char *kind, pl_id key, const void *bytes,
                             size_t size, bool keep, pl_error *err)
{
    const pl_entry_content content = {.kind = kind, .key = key, .file = bytes, .file_bytes = size};
    pl_entry *entry = NULL;
    pl_status status = pl_store_write(store, &content, keep, err);
    if (status == PL_OK && (pl_store_get(store, kind, key, &entry, NULL) != PL_OK ||
                            pl_entry_verify(entry, NULL) != PL_OK)) {
        drop(store, kind, key);
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: a damaged entry was sent", kind);
    }
    pl_entry_close(entry);
    return status;
}
