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

static pl_status write_peer_file(const char *path, const void *bytes, size_t size, pl_error *err)
{
    pl_writer *writer = NULL;
    pl_status status = pl_writer_create(path, &writer, err);
    PL_THEN(pl_writer_write(writer, bytes, size, err));
    PL_THEN(pl_writer_publish(writer, err));
    pl_writer_destroy(writer);
    return status;
}

pl_status pl_store_take_file(pl_store *store, const char *kind, pl_id key, const void *bytes,
                             size_t size, bool keep, pl_error *err)
{
    pl_buf path = {0};
    pl_status status = pl_store_path(store, kind, key, &path, err);
    if (status != PL_OK ||
        (keep && pl_store_mark(store, path.data) && pl_store_is_sound(path.data, kind, key))) {
        pl_buf_deinit(&path);
        return status;
    }
    status = pl_store_make_folder(store, kind, err);
    pl_store_be_present(store);
    (void)pl_store_make_room(store, size);
    PL_THEN(write_peer_file(path.data, bytes, size, err));
    if (status == PL_OK && !pl_store_is_sound(path.data, kind, key)) {
        (void)unlink(path.data);
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: a damaged entry was sent", path.data);
    }
    pl_buf_deinit(&path);
    return status;
}
