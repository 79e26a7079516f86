/* Where an entry lies, whether what lies there is one, and which entries are pinned. */
#include "core/io/store_parts.h"

#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

bool pl_store_is_kind(const char *kind)
{
    size_t size = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return size > 0 && kind[size] == '\0';
}

pl_status pl_store_path(const pl_store *store, const char *kind, pl_id key, pl_buf *path,
                        pl_error *err)
{
    char hex[PL_ID_TEXT];
    *path = (pl_buf){0};
    if (!pl_store_is_kind(kind)) {
        return pl_error_set(err, PL_ERR_USAGE, "store: '%s' is no kind of entry", kind);
    }
    pl_id_format(key, hex);
    pl_path_join(path, store->folder, kind);
    pl_buf_puts(path, "/");
    pl_buf_puts(path, hex);
    pl_status status = pl_buf_check(path, err);
    if (status != PL_OK) {
        pl_buf_deinit(path);
    }
    return status;
}

pl_status pl_store_make_folder(const pl_store *store, const char *kind, pl_error *err)
{
    pl_buf folder = {0};
    pl_path_join(&folder, store->folder, kind);
    pl_status status = pl_buf_check(&folder, err);
    PL_THEN(pl_file_make_private_dirs(store->folder, err));
    PL_THEN(pl_file_make_dirs(folder.data, err));
    pl_buf_deinit(&folder);
    return status;
}

bool pl_store_is_sound(const char *path, const char *kind, pl_id key)
{
    pl_entry *entry = NULL;
    bool sound = pl_entry_open(path, kind, key, &entry, NULL) == PL_OK &&
                 pl_entry_verify(entry, NULL) == PL_OK;
    pl_entry_close(entry);
    return sound;
}

static bool is_pinned(const pl_store *store, const char *kind, pl_id key)
{
    for (size_t i = 0; i < store->pin_count; i++) {
        if (pl_id_equal(store->pins[i].key, key) && strcmp(store->pins[i].kind, kind) == 0) {
            return true;
        }
    }
    return false;
}

bool pl_store_is_pinned(pl_store *store, const char *kind, pl_id key)
{
    pthread_mutex_lock(&store->lock);
    const bool pinned = is_pinned(store, kind, key);
    pthread_mutex_unlock(&store->lock);
    return pinned;
}

static bool add_pin(pl_store *store, const char *kind, pl_id key)
{
    pl_pin *pins = realloc(store->pins, (store->pin_count + 1) * sizeof *pins);
    if (pins == NULL) {
        return false;
    }
    store->pins = pins;
    char *copy = strdup(kind);
    if (copy != NULL) {
        pins[store->pin_count++] = (pl_pin){copy, key};
    }
    return copy != NULL;
}

pl_status pl_store_pin(pl_store *store, const char *kind, pl_id key, pl_error *err)
{
    pthread_mutex_lock(&store->lock);
    const bool done = is_pinned(store, kind, key) || add_pin(store, kind, key);
    pthread_mutex_unlock(&store->lock);
    return done ? PL_OK : pl_error_memory(err, "the store");
}
