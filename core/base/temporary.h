/* core/base/temporary.h -- files and folders in the making: "<target>.planish-<8 hex digits>"
 * beside their target, to be renamed over it when they are whole.
 *
 * A process holds a lock (flock) on what it is making.  What nobody holds was left by one that
 * died: the first thing that a process makes in a folder removes it there. */
#ifndef PL_BASE_TEMPORARY_H
#define PL_BASE_TEMPORARY_H

#include "core/base/error.h"

#include <stdbool.h>

/* A descriptor that holds the lock (and is open for reading and writing, if a file's), and the
 * path. Zero or {.fd = -1} when there is none. */
typedef struct pl_temporary {
    int fd;
    char *path;
} pl_temporary;

/* Is this name one of those? */
bool pl_temporary_is_named(const char *name);

/* Makes a file, or an empty folder, for `target`, which need not exist; the user's umask holds.
 * *out has no path on failure. */
PL_NODISCARD pl_status pl_temporary_create(const char *target, bool folder, pl_temporary *out,
                                           pl_error *err);

/* Puts it in its target's place, and is then done with it.  A failure leaves it as it was.  A
 * folder replaces none but an empty one. */
PL_NODISCARD pl_status pl_temporary_publish(pl_temporary *temporary, const char *target,
                                            pl_error *err);

/* Removes it: a file, or a folder with what is in it.  Fine on {0}. */
void pl_temporary_discard(pl_temporary *temporary);

/* Removes from a folder what is named so, belongs to this user and is held by no process: plain
 * files, and folders of plain files and of such folders.  What cannot be looked at stays. */
void pl_temporary_sweep(const char *folder);

#endif
