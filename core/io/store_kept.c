/* Entries that the disk refuses (no room, no permission): the same bytes in memory, as long as the
 * process lives. */
#include "core/io/store_parts.h"

#include "core/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void clear(pl_kept_entry *entry)
{
    if (entry->fd >= 0) {
        close(entry->fd);
    }
    free(entry->kind);
}

void pl_kept_deinit(pl_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        clear(&kept->list[i]);
    }
    free(kept->list);
    *kept = (pl_kept){0};
}

pl_kept_entry *pl_kept_find(const pl_kept *kept, const char *kind, pl_id key)
{
    for (size_t i = 0; i < kept->count; i++) {
        pl_kept_entry *entry = &kept->list[i];
        if (pl_id_equal(entry->key, key) && strcmp(entry->kind, kind) == 0) {
            return entry;
        }
    }
    return NULL;
}

pl_status pl_kept_open(const pl_kept_entry *entry, pl_entry **out)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", entry->fd);
    return pl_entry_open(path, entry->kind, entry->key, out, NULL);
}

void pl_kept_forget(pl_kept *kept, const char *kind, pl_id key)
{
    pl_kept_entry *entry = pl_kept_find(kept, kind, key);
    if (entry != NULL) {
        kept->bytes -= entry->bytes;
        clear(entry);
        *entry = kept->list[--kept->count];
    }
}

/* In place of one of that kind and key. */
static pl_status put_kept_entry(pl_kept *kept, const char *kind, pl_id key, int fd, uint64_t bytes)
{
    pl_kept_forget(kept, kind, key);
    pl_kept_entry *list = realloc(kept->list, (kept->count + 1) * sizeof *list);
    if (list == NULL) {
        return PL_ERR_MEMORY;
    }
    kept->list = list;
    char *copy = strdup(kind);
    if (copy == NULL) {
        return PL_ERR_MEMORY;
    }
    list[kept->count++] = (pl_kept_entry){.kind = copy, .key = key, .fd = fd, .bytes = bytes};
    kept->bytes += bytes;
    return PL_OK;
}

pl_status pl_kept_hide(pl_kept *kept, const char *kind, pl_id key)
{
    return put_kept_entry(kept, kind, key, -1, 0);
}

pl_status pl_kept_add(pl_kept *kept, const pl_entry_content *content)
{
    const uint64_t bytes = pl_entry_size(content);
    pl_writer *writer = NULL;
    if (bytes > kept->limit || kept->bytes > kept->limit - bytes) {
        return PL_ERR_MEMORY;
    }
    pl_status status = pl_writer_create_in_memory("entries of the store", &writer, NULL);
    PL_THEN(pl_entry_put(writer, content, NULL));
    if (status == PL_OK) {
        const int fd = pl_writer_take_memory(writer);
        status = put_kept_entry(kept, content->kind, content->key, fd, bytes);
        if (status != PL_OK) {
            close(fd);
        }
    }
    pl_writer_destroy(writer);
    return status;
}
