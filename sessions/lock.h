/* sessions/lock.h -- which program writes a session.
 *
 * One program writes a file; others read it meanwhile.  The writer holds a lock of its own (an open
 * file description's, fcntl(2)) on a byte that SQLite locks never reach.  SQLite's own locks belong
 * to the process, which loses them when it closes any descriptor of the file: so the process
 * remembers which files it writes, and opens none of them twice. */
#ifndef PL_SESSIONS_LOCK_H
#define PL_SESSIONS_LOCK_H

#include "core/base/error.h"

#include <stdbool.h>

typedef enum pl_lock_state {
    PL_LOCK_MINE,      /* *fd holds it */
    PL_LOCK_ELSEWHERE, /* another session has it, in this program or another one */
    PL_LOCK_NONE,      /* the file system has no such locks; *fd is open all the same */
} pl_lock_state;

/* Opens an existing file for reading and writing, and takes its lock.  *fd is for pl_lock_release;
 * -1 where another session has the lock. */
PL_NODISCARD pl_status pl_lock_take(const char *path, int *fd, pl_lock_state *state, pl_error *err);
/* To be called after SQLite has closed the file; fd -1 is fine. */
void pl_lock_release(int fd);

/* Whether a session, of this or another program, writes the file now. */
bool pl_lock_is_held(const char *path);

#endif
