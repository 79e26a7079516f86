/* views/palette.h -- the palette: a few letters find an action, a command, a method, a layer.
 *
 * The event loop fills it (app/workbench/palette.c; with sessions, steps.c) and carries out the
 * choice. */
#ifndef PL_VIEWS_PALETTE_H
#define PL_VIEWS_PALETTE_H

#include "core/base/error.h"
#include "views/keys.h"
#include "views/surface.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_palette_item {
    char *label, *detail; /* "solve-all", "solve all layers" */
    char *name;           /* typing all of it brings the item to the top; or NULL */
    char *key;            /* "X", or NULL */
    pl_action action;     /* the choice; PL_ACT_NONE: a command */
    char *command;        /* which is run or, with `ask`, put into the prompt */
    bool ask;
} pl_palette_item;

typedef struct pl_palette_found {
    size_t item;
    int score;
    uint64_t hits; /* letters of label, or of detail where in_detail is set */
    bool in_detail;
} pl_palette_found;

/* {0} is closed. */
typedef struct pl_palette {
    bool open;
    const char *title, *hint, *enter; /* static texts; NULL: those of the palette */
    char typed[48];
    pl_palette_item *items; /* [n], owned with their texts */
    size_t n, capacity;
    pl_palette_found *found; /* [n_found], best first */
    size_t n_found, row, top;
    pl_rect list; /* where its lines were drawn */
} pl_palette;

/* Copies the texts; drops the item where memory is out. */
void pl_palette_add(pl_palette *palette, const pl_palette_item *item);
/* Opens it on all items. */
PL_NODISCARD pl_status pl_palette_open(pl_palette *palette, pl_error *err);
void pl_palette_close(pl_palette *palette);

/* The item that Enter has chosen, or NULL; valid until the palette is closed.  Esc closes it. */
const pl_palette_item *pl_palette_key(pl_palette *palette, pl_press press);

/* Chooses the line under the mouse; false where there is none. */
bool pl_palette_point(pl_palette *palette, pl_mouse mouse);

/* Columns for an item's detail on a screen of `cols` columns, if the item has no key. */
int pl_palette_detail_cols(int cols);

/* A box in the rectangle; sets the surface's cursor. */
void pl_palette_draw(pl_palette *palette, pl_surface *surface, pl_rect rect);

#endif
