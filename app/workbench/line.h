/* app/workbench/line.h -- line editing by a library: GNU Readline, or BSD editline if configured
 * with -Dline=editline.
 *
 * The library never touches the terminal: hooks give it bytes, and others draw the line it holds.
 * Both libraries are global, so there is one line; UI thread only.  Editline has no undo (Ctrl-_),
 * does not read ~/.inputrc, searches by the beginning of a line (Ctrl-R), and takes ".", "_" and
 * "-" as parts of words. */
#ifndef PL_APP_WORKBENCH_LINE_H
#define PL_APP_WORKBENCH_LINE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_line_hooks {
    int (*next_byte)(void); /* UTF-8; EOF where none waits */
    bool (*bytes_wait)(void);
    void (*complete)(void);      /* Tab */
    void (*entered)(char *line); /* Enter has closed the line, which the hook frees */
} pl_line_hooks;

/* history: a file of lines, or NULL; the newest are kept.  hooks: copied. */
PL_NODISCARD pl_status pl_line_start(const pl_line_hooks *hooks, const char *history,
                                     pl_error *err);
/* Cuts the file to its newest lines. */
void pl_line_stop(void);

void pl_line_open(const char *text);
void pl_line_close(void); /* also ends an unfinished search or argument */

/* Reads the bytes of one key. */
void pl_line_read(void);

/* Of an open line; valid until it changes. */
const char *pl_line_text(void);
size_t pl_line_length(void), pl_line_cursor(void);
const char *pl_line_lead(void); /* the text before it: ":", or the search */

/* Replaces bytes [first, end) by a text, and puts the cursor at a byte. */
void pl_line_replace(size_t first, size_t end, const char *text, size_t cursor);

/* Adds an entered line to the history and its file, unless it repeats the last one. */
void pl_line_remember(const char *line);

/* "Readline 8.2"; the licence that it gives the program as a whole. */
const char *pl_line_library(void);
const char *pl_line_licence(void);

#endif
