/* core/io/store_parts.h -- the file format of a store entry, apart from the folder it lives in.
 *
 * A header of 64 bytes (see entry_header), a JSON table {kind, key, about, sections: [{name,
 * bytes, sum}]}, then the sections in that order, each at a multiple of 64.  The header carries its
 * own checksum and the table's, the table those of the sections; all are XXH3-128. */
#ifndef PL_IO_STORE_PARTS_H
#define PL_IO_STORE_PARTS_H

#include "core/base/file.h"
#include "core/base/temporary.h"
#include "core/io/store.h"

#include <pthread.h>
#include <time.h>

/* What an entry is made of; borrowed. */
typedef struct pl_entry_content {
    const char *kind;
    pl_id key;
    const json_t *about;
    const pl_section *sections;
    size_t count;
    const void *file; /* not NULL: its whole file, in place of about and sections */
    size_t file_bytes;
} pl_entry_content;

/* Bytes of its file, but for the length of its table, which is taken for 64 KiB and all of about.
 */
uint64_t pl_entry_size(const pl_entry_content *content);

/* Opens and checks the entry file at path: everything but the sections' data. */
PL_NODISCARD pl_status pl_entry_open(const char *path, const char *kind, pl_id key, pl_entry **out,
                                     pl_error *err);

/* Writes one atomically. */
PL_NODISCARD pl_status pl_entry_write(const char *path, const pl_entry_content *content,
                                      pl_error *err);

/* Its bytes, to any writer. */
PL_NODISCARD pl_status pl_entry_put(pl_writer *writer, const pl_entry_content *content,
                                    pl_error *err);

/* Its file's bytes, the caller's to free. */
PL_NODISCARD pl_status pl_entry_read_file(pl_entry *entry, char **bytes, size_t *size,
                                          pl_error *err);

/* Reads every section and tests its checksum. */
PL_NODISCARD pl_status pl_entry_verify(pl_entry *entry, pl_error *err);

/* --- store_kept.c: what the disk refused ------------------------------------------------------ */

typedef struct pl_kept_entry {
    char *kind;
    pl_id key;
    int fd; /* of its bytes in memory; -1: it counts as removed, though it is on disk */
    uint64_t bytes;
} pl_kept_entry;

typedef struct pl_kept {
    pl_kept_entry *list;
    size_t count;
    uint64_t bytes, limit;
} pl_kept;

void pl_kept_deinit(pl_kept *kept);
pl_kept_entry *pl_kept_find(const pl_kept *kept, const char *kind, pl_id key);
PL_NODISCARD pl_status pl_kept_open(const pl_kept_entry *entry, pl_entry **out);
/* PL_ERR_MEMORY where the limit or the machine has no room for it. */
PL_NODISCARD pl_status pl_kept_add(pl_kept *kept, const pl_entry_content *content);
/* From now on it counts as removed. */
PL_NODISCARD pl_status pl_kept_hide(pl_kept *kept, const char *kind, pl_id key);
/* From now on it is as on disk. */
void pl_kept_forget(pl_kept *kept, const char *kind, pl_id key);

/* --- the store -------------------------------------------------------------------------------- */

typedef struct pl_pin {
    char *kind;
    pl_id key;
} pl_pin;

struct pl_store {
    char *folder;
    uint64_t limit;
    const pl_store_peer *peer; /* NULL: none */
    pthread_mutex_t lock;      /* of what follows: sites are put by several threads */
    pl_pin *pins;              /* the computing thread's, which alone adds some */
    size_t pin_count;
    pl_temporary presence; /* see pl_store_be_present */
    struct timespec began; /* when the present command began; 0: none has */
    pl_kept kept;
    char *notice; /* a sentence that nobody has taken yet */
    bool told;
};

/* Writes an entry, where the disk refuses it to memory.  keep: what is there and sound stays. */
PL_NODISCARD pl_status pl_store_write(pl_store *store, const pl_entry_content *content, bool keep,
                                      pl_error *err);

/* --- store_place.c --- */

bool pl_store_is_kind(const char *kind);
/* Is there a whole, undamaged entry at path? */
bool pl_store_is_sound(const char *path, const char *kind, pl_id key);
/* Where an entry's file lies.  Caller deinits *path. */
PL_NODISCARD pl_status pl_store_path(const pl_store *store, const char *kind, pl_id key,
                                     pl_buf *path, pl_error *err);
/* Makes the folder of a kind.  The store's own, where it has to be made, is the user's alone; what
 * stands in one that was there is under the umask, so that several users may share it. */
PL_NODISCARD pl_status pl_store_make_folder(const pl_store *store, const char *kind, pl_error *err);
bool pl_store_is_pinned(pl_store *store, const char *kind, pl_id key);

/* store_peer.c: whether the peer has it, or has put it to path. */
bool pl_store_peer_has(const pl_store *store, const char *kind, pl_id key);
bool pl_store_fetch(const pl_store *store, const char *kind, pl_id key, const char *path);

/* --- store_room.c --- */

/* Says to other processes that this one uses the store, if there is a folder. */
void pl_store_be_present(pl_store *store);

/* While a process holds this, no other removes what nobody wants: what is found is still there when
 * it is marked.  Held for moments only.  Returns what pl_store_let_go takes; where the file system
 * knows no locks there is none, and the moments are not guarded. */
int pl_store_hold(const pl_store *store);
void pl_store_let_go(int held);

/* Removes what nobody wants, the least recently used first, until so many bytes are gone, whatever
 * the disk says of its room (it knows no quotas).  False if nothing is. */
bool pl_store_give_up(pl_store *store, uint64_t bytes);

/* Marks what lies at path as used now, under the hold, and says whether it is there. */
bool pl_store_mark(pl_store *store, const char *path);
/* Removes what a process that died has left in the making. */
void pl_store_sweep(const pl_store *store);

#endif
