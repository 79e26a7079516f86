/* app/lines.h -- a script that comes line by line: through standard input or a pipe. */
#ifndef PL_APP_LINES_H
#define PL_APP_LINES_H

#include "app/interrupts.h"
#include "core/base/text.h"

#include <stdbool.h>

typedef struct pl_lines {
    int fd;                    /* the caller's */
    const char *name;          /* for errors */
    pl_interrupts *interrupts; /* dropped here, since no command runs; or NULL */
    pl_buf read;               /* what was read; its first `taken` bytes were handed out */
    size_t taken;
    size_t number; /* of the line that was handed out last, the first of those joined; 1... */
    size_t next;   /* lines handed out so far */
    bool ended;
} pl_lines;

/* Waits for the next line, with the lines that a `\` at its end joins to it, and reads no further:
 * a program at the other end may wait for the answer.  *line (caller frees); NULL at the end.
 * PL_ERR_FORMAT for a NUL byte or more than 64 MB, PL_ERR_IO. */
PL_NODISCARD pl_status pl_lines_next(pl_lines *lines, char **line, pl_error *err);
void pl_lines_deinit(pl_lines *lines);

#endif
