/* app/workbench/prompt.h -- the `:` line: a library's line editing (line.h) inside ncurses.
 *
 * The library never touches the terminal: it gets keys byte by byte, and the line is drawn on a
 * surface.  A lone Escape closes the prompt and never reaches the library.  There is one prompt; UI
 * thread only. */
#ifndef PL_APP_WORKBENCH_PROMPT_H
#define PL_APP_WORKBENCH_PROMPT_H

#include "app/command.h"
#include "views/keys.h"
#include "views/surface.h"

typedef struct pl_prompt pl_prompt;

/* history: the file that keeps what was typed (made with its folder), or NULL.  A history that
 * cannot be read or written is no error.  Call it before the terminal is opened.  state is
 * borrowed, for completion.  Caller owns *out. */
PL_NODISCARD pl_status pl_prompt_create(const char *history, const pl_state *state, pl_prompt **out,
                                        pl_error *err);
void pl_prompt_destroy(pl_prompt *prompt);

/* Opens the line with a text in it. */
void pl_prompt_open(pl_prompt *prompt, const char *text);
void pl_prompt_close(pl_prompt *prompt);
bool pl_prompt_is_open(const pl_prompt *prompt);

/* The line so far, "" where it is closed; the byte at which the cursor is. */
const char *pl_prompt_line(const pl_prompt *prompt);
size_t pl_prompt_cursor(const pl_prompt *prompt);
/* Replaces bytes [first, end) of an open line by a text, and puts the cursor at a byte. */
void pl_prompt_replace(pl_prompt *prompt, size_t first, size_t end, const char *text,
                       size_t cursor);

/* Handles a key.  *line (caller frees): the entered line, if Enter ended it; else NULL. */
void pl_prompt_key(pl_prompt *prompt, pl_press press, char **line);

/* Draws the line, scrolled so that the cursor is visible; sets the surface's cursor. */
void pl_prompt_draw(pl_prompt *prompt, pl_surface *surface, pl_rect rect);

/* The candidates of the last Tab, "" if there are none to choose from. */
const char *pl_prompt_candidates(const pl_prompt *prompt);

#endif
