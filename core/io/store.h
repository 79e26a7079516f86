/* core/io/store.h -- results on disk: immutable entries named by what they came from.
 *
 * One file an entry, "<folder>/<kind>/<32 hex digits>": a checksummed header, a small JSON
 * document, then named float32/float64/int8/... sections.  An entry is written atomically, once.
 * A damaged one (wrong length, wrong checksum) reads as PL_ERR_FORMAT and is for the caller to
 * rebuild.  Total size is limited: pl_store_trim removes the least recently used entries, never
 * one that is pinned or was used by a command that now runs, in this process or another.  One store
 * may be shared by several processes: entries appear whole by rename, and a file removed by another
 * process reads as PL_ERR_NOT_FOUND.  Where several users share one, an entry is marked as used by
 * its owner alone, so that another user's trim may remove it from under a command.
 *
 * What the disk refuses (no room left though all was removed that nobody wants, no permission)
 * stays in the memory of this process, and one sentence says so. */
#ifndef PL_IO_STORE_H
#define PL_IO_STORE_H

#include "core/io/identity.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_store pl_store;

/* folder NULL: $XDG_CACHE_HOME/planish, else ~/.cache/planish.  Made when the first entry is
 * written.  limit 0: 20 GB and at most half of the free space. */
PL_NODISCARD pl_status pl_store_open(const char *folder, uint64_t limit, pl_store **out,
                                     pl_error *err);
void pl_store_close(pl_store *store);
const char *pl_store_folder(const pl_store *store);

typedef struct pl_section {
    const char *name;
    const void *data;
    size_t bytes;
} pl_section;

/* Says that a command begins: what is pinned or used from now on is wanted until the next begins.
 */
void pl_store_begin(pl_store *store);

/* Bytes of memory for what the disk refuses; none until this is called. */
void pl_store_keep_at_most(pl_store *store, uint64_t bytes);

/* The sentence that something is kept in memory, once; the caller frees it; usually NULL. */
char *pl_store_take_notice(pl_store *store);

/* Writes an entry.  A sound one of that key is kept as it is, a damaged one is replaced.  about:
 * borrowed, may be NULL; a section's data may be NULL when it has no bytes.  Thread-safe. */
PL_NODISCARD pl_status pl_store_put(pl_store *store, const char *kind, pl_id key,
                                    const json_t *about, const pl_section *sections, size_t count,
                                    pl_error *err);

/* The same whatever is there: for what a reader has refused though its checksums hold. */
PL_NODISCARD pl_status pl_store_replace(pl_store *store, const char *kind, pl_id key,
                                        const json_t *about, const pl_section *sections,
                                        size_t count, pl_error *err);

/* Is it there?  Marks it used. */
bool pl_store_has(pl_store *store, const char *kind, pl_id key);

typedef struct pl_entry pl_entry;

/* Opens an entry, reads its JSON and marks it used; section data stays on disk until read. */
PL_NODISCARD pl_status pl_store_get(pl_store *store, const char *kind, pl_id key, pl_entry **out,
                                    pl_error *err);
void pl_entry_close(pl_entry *entry);
const json_t *pl_entry_about(const pl_entry *entry);

/* Bytes of a section, SIZE_MAX if there is none. */
size_t pl_entry_section_bytes(const pl_entry *entry, const char *name);

/* Reads a whole section of exactly `bytes` bytes and checks its checksum. */
PL_NODISCARD pl_status pl_entry_read(pl_entry *entry, const char *name, void *out, size_t bytes,
                                     pl_error *err);

/* Another store behind this one, such as that of the process which this one works for: what is not
 * here is asked of it, and what is written or removed here it is told.  writes and wrote may be
 * called by several threads at once, the others by the computing one.  Each may be NULL. */
typedef struct pl_store_peer {
    void *ctx;
    bool (*has)(void *ctx, const char *kind, pl_id key);
    /* Puts the entry's file to path, whole; false where it has none. */
    bool (*fetch)(void *ctx, const char *kind, pl_id key, const char *path);
    /* An entry made here is about to be there; not one that was taken as a file. */
    void (*writes)(void *ctx, const char *kind, pl_id key);
    /* The entry is now there (pl_store_read_file).  keep: a sound one of that key stays as it is.
     */
    pl_status (*wrote)(void *ctx, const char *kind, pl_id key, bool keep, pl_error *err);
    void (*removed)(void *ctx, const char *kind, pl_id key);
} pl_store_peer;

/* Borrowed until the store is closed; NULL: none. */
void pl_store_set_peer(pl_store *store, const pl_store_peer *peer);

/* The whole file of an entry, for another store to take; *bytes is the caller's to free. */
PL_NODISCARD pl_status pl_store_read_file(pl_store *store, const char *kind, pl_id key,
                                          char **bytes, size_t *size, pl_error *err);

/* Keeps the file of an entry as another store has it.  keep: a sound one of that key stays.
 * PL_ERR_FORMAT where it is not whole, or of another key: then none is there. */
PL_NODISCARD pl_status pl_store_take_file(pl_store *store, const char *kind, pl_id key,
                                          const void *bytes, size_t size, bool keep, pl_error *err);

PL_NODISCARD pl_status pl_store_remove(pl_store *store, const char *kind, pl_id key, pl_error *err);

/* Entries that trim must keep while this store is open. */
PL_NODISCARD pl_status pl_store_pin(pl_store *store, const char *kind, pl_id key, pl_error *err);
PL_NODISCARD pl_status pl_store_trim(pl_store *store, pl_error *err);

/* Removes what nobody wants until the disk has room for so many bytes; false if it has not.  Where
 * all of it would not do, nothing is removed. */
bool pl_store_make_room(pl_store *store, uint64_t bytes);

#endif
