/* app/workbench/line.h -- a line that is edited by a library: GNU Readline, or BSD editline where
 * the build was configured with -Dline=editline.
 *
 * The library never touches the terminal: it asks for bytes through hooks, and what it holds is
 * read here and drawn elsewhere.  Both are global, so there is one line; UI thread only.  Editline
 * has no undo (Ctrl-_) and reads no ~/.inputrc, Ctrl-R looks for a former line that begins as this
 * one, and ".", "_" and "-" belong to words. */
#ifndef PL_APP_WORKBENCH_LINE_H
#define PL_APP_WORKBENCH_LINE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_line_hooks {
    int (*next_byte)(void); /* UTF-8; EOF where none waits */
    bool (*bytes_wait)(void);
    void (*complete)(void);      /* Tab */
    void (*entered)(char *line); /* Enter has closed the line, which the hook gets to free */
} pl_line_hooks;

/* history: a file of lines, or NULL; the newest are kept.  hooks: copied. */
PL_NODISCARD pl_status pl_line_start(const pl_line_hooks *hooks, const char *history,
                                     pl_error *err);
/* Cuts the file to its newest lines. */
void pl_line_stop(void);

void pl_line_open(const char *text);
void pl_line_close(void); /* ends a half-done search or argument, too */

/* Takes what waits of one key. */
void pl_line_read(void);

/* Of an open line, good until it changes. */
const char *pl_line_text(void);
size_t pl_line_length(void), pl_line_cursor(void);
const char *pl_line_lead(void); /* what stands before it: ":", or what is searched for */

/* Puts a text in the place of bytes [first, end), and the cursor at a byte. */
void pl_line_replace(size_t first, size_t end, const char *text, size_t cursor);

/* A line that was entered, for the history and its file; not twice in a row. */
void pl_line_remember(const char *line);

/* "Readline 8.2", and the licence of the program as a whole with it. */
const char *pl_line_library(void);
const char *pl_line_licence(void);

#endif
