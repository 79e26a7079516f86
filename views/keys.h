/* views/keys.h -- the table of keys: what a key does in which pane, and what help says about it.
 *
 * Footer hints, the help view and the palette are made from it; views/keymap.h changes it by a
 * file. A new key is one line in keys.c; a new action one in the enum and one in keys.c's names. */
#ifndef PL_VIEWS_KEYS_H
#define PL_VIEWS_KEYS_H

#include "views/panes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys that are not characters: numbers above Unicode. */
enum {
    PL_K_NONE = 0x110000,
    PL_K_UP,
    PL_K_DOWN,
    PL_K_LEFT,
    PL_K_RIGHT,
    PL_K_PAGE_UP,
    PL_K_PAGE_DOWN,
    PL_K_HOME,
    PL_K_END,
    PL_K_SHIFT_TAB,
    PL_K_SHIFT_LEFT,
    PL_K_SHIFT_RIGHT,
    PL_K_BACKSPACE,
    PL_K_DELETE,
    PL_K_F1,
    PL_K_RESIZE,
    PL_K_MOUSE, /* the press's `mouse` says what */
};

enum { PL_KEY_ESC = 27, PL_KEY_ENTER = '\r' };

typedef enum pl_mouse_kind {
    PL_MOUSE_NONE,
    PL_MOUSE_PRESS, /* left button; held until the release */
    PL_MOUSE_DRAG,
    PL_MOUSE_RELEASE,
    PL_MOUSE_WHEEL_UP,
    PL_MOUSE_WHEEL_DOWN,
    PL_MOUSE_WHEEL_LEFT, /* or Shift and the wheel */
    PL_MOUSE_WHEEL_RIGHT,
} pl_mouse_kind;

typedef struct pl_mouse {
    pl_mouse_kind kind;
    int y, x;   /* cell of the screen, from 0 */
    bool twice; /* a second press at the same place */
} pl_mouse;

/* One key press: a character or a PL_K_ value; alt: Escape came right before it. */
typedef struct pl_press {
    uint32_t key;
    bool alt;
    pl_mouse mouse; /* of PL_K_MOUSE */
} pl_press;

typedef enum pl_action {
    PL_ACT_NONE,
    PL_ACT_UP,
    PL_ACT_DOWN,
    PL_ACT_LEFT,
    PL_ACT_RIGHT,
    PL_ACT_FAR_LEFT,
    PL_ACT_FAR_RIGHT,
    PL_ACT_PAGE_UP,
    PL_ACT_PAGE_DOWN,
    PL_ACT_FIRST,
    PL_ACT_LAST,
    PL_ACT_ENTER,
    PL_ACT_SORT,
    PL_ACT_COLUMN_BEFORE,
    PL_ACT_COLUMN_AFTER,
    PL_ACT_LOG,
    PL_ACT_ZOOM_IN,
    PL_ACT_ZOOM_OUT,
    PL_ACT_ZOOM_ALL,
    PL_ACT_NEXT_PEAK,
    PL_ACT_PREV_PEAK,
    PL_ACT_RESET,
    PL_ACT_SIDE,
    PL_ACT_WHICH,
    PL_ACT_SOLVE,
    PL_ACT_SOLVE_ALL,
    PL_ACT_CALIBRATE,
    PL_ACT_FIGURE,
    PL_ACT_PROMPT,
    PL_ACT_HELP,
    PL_ACT_NEXT_PANE,
    PL_ACT_PREV_PANE,
    PL_ACT_CANCEL,
    PL_ACT_UNDO,
    PL_ACT_REDO,
    PL_ACT_LAST_SESSION,
    PL_ACT_REDRAW,
    PL_ACT_SUSPEND,
    PL_ACT_QUIT,
    PL_ACT_FILTER,
    PL_ACT_PALETTE,
    PL_ACT_JOBS,
    PL_ACT_THEME,
    PL_ACT_TOUR_OFF,
    PL_ACT_NEXT_VIEW,
    PL_ACT_PREV_VIEW,
    PL_ACT_SPLIT,
    PL_ACT_ZOOM_PANE,
    PL_ACT_FORM,
    PL_ACT_PIN,
    PL_ACT_UNPIN,
    PL_ACT_PERPLEXITY,
    PL_ACT_TRANSFORM,
    PL_ACT_LEARN,
    PL_ACT_FORGET,
    PL_ACT_BEST,
    PL_ACT_COUNT,
} pl_action;

typedef struct pl_binding {
    uint32_t key;
    pl_action action;
    unsigned where;   /* bits 1 << pl_pane */
    const char *name; /* how the key is called: "Ctrl-R" */
    const char *hint; /* two words for the footer, NULL: not hinted */
    const char *help; /* NULL: help explains another key of the same action */
} pl_binding;

enum { PL_EVERYWHERE = (1 << PL_PANE_COUNT) - 1 };

/* The built-in table.  Ends with help and name NULL. */
const pl_binding *pl_bindings(void);

/* An action's name in a file of keys, "solve-all"; "none" for PL_ACT_NONE. */
const char *pl_action_name(pl_action action);
/* PL_ACT_NONE for a name that no action has. */
pl_action pl_action_find(const char *name);

/* A key's name in help: "Ctrl-R", "Shift-\u2190", "Space", "x". */
enum { PL_KEY_NAME = 16 };
void pl_key_name(uint32_t key, char out[PL_KEY_NAME]);
/* The key with a name as in help, or in ASCII ("Up", "Shift-Left"); 0 if there is none. */
uint32_t pl_key_find(const char *name);

/* "Layers", "Main view", ... */
const char *pl_pane_name(pl_pane pane);

/* "layers", "main", "second", "table", "tuner": the name in files and commands. */
const char *pl_pane_word(pl_pane pane);

#endif
