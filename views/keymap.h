/* views/keymap.h -- the key table as the user's file has changed it.
 *
 * A line of the file is `map WHERE KEY ACTION` or `unmap WHERE KEY`, `#` starts a comment.  WHERE
 * is a pane (layers, main, second, table, tuner) or `all`; KEY is named as help prints it or in
 * ASCII (x, Ctrl-P, Space, Shift-Left, Hash); ACTION is a name of keys.c (solve-all). */
#ifndef PL_VIEWS_KEYMAP_H
#define PL_VIEWS_KEYMAP_H

#include "core/base/text.h"
#include "views/keys.h"

typedef struct pl_keymap pl_keymap;

/* A copy of pl_bindings().  Caller owns *out. */
PL_NODISCARD pl_status pl_keymap_create(pl_keymap **out, pl_error *err);
void pl_keymap_destroy(pl_keymap *map); /* NULL is fine */

/* Reads the lines of `text`.  A wrong line is left out and described in *wrong, one sentence a
 * line, "NAME: line 3: ...".  Fails only for lack of memory. */
PL_NODISCARD pl_status pl_keymap_read(pl_keymap *map, const char *name, const char *text,
                                      pl_buf *wrong, pl_error *err);

/* The rows, ending with name NULL.  map NULL: pl_bindings(). */
const pl_binding *pl_keymap_bindings(const pl_keymap *map);

/* PL_ACT_NONE where the key does nothing in that pane. */
pl_action pl_keymap_action(const pl_keymap *map, uint32_t key, pl_pane pane);

/* Name of the first key of an action in a pane, NULL if it has none there. */
const char *pl_keymap_key_of(const pl_keymap *map, pl_action action, pl_pane pane);

/* A sentence with the keys as they are mapped: "{solve} solves" becomes "Space solves" ("solve" in
 * braces is the action's name); an action without a key there becomes a command, ":solve".  Other
 * braces stay as they are. */
void pl_keymap_say(const pl_keymap *map, pl_pane pane, const char *sentence, char *out,
                   size_t capacity);

#endif
