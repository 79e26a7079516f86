/* views/surface.h -- the cells that panels draw on.
 *
 * Panels never call ncurses: they write text with a style into a rectangle of a surface, clipped to
 * it; terminal.c puts changed cells on the screen.  So panels are tested without a terminal. */
#ifndef PL_VIEWS_SURFACE_H
#define PL_VIEWS_SURFACE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_rect {
    int y, x, h, w;
} pl_rect;

/* What a text means; the theme decides how it looks with 256, 8 or no colours. */
typedef enum pl_style {
    PL_STYLE_TEXT,
    PL_STYLE_FAINT,  /* frames, units, minor things */
    PL_STYLE_STRONG, /* numbers to be read first */
    PL_STYLE_TITLE,
    PL_STYLE_FOCUS, /* the title of the focused pane */
    PL_STYLE_BAR,   /* header line */
    PL_STYLE_KEY,   /* names of keys */
    PL_STYLE_BEFORE,
    PL_STYLE_PRECONDITIONED,
    PL_STYLE_AFTER,
    PL_STYLE_INPUT,
    PL_STYLE_RULE,
    PL_STYLE_CURSOR,
    PL_STYLE_GOOD,
    PL_STYLE_BAD,
    PL_STYLE_ERROR,
    PL_STYLE_WARNING,
    PL_STYLE_BUSY,
    PL_STYLE_EXTRA,                     /* + 0 ... 7: pinned baselines, directions, orders */
    PL_STYLE_HEAT = PL_STYLE_EXTRA + 8, /* + 0 ... PL_HEAT_LEVELS - 1: cells of a heat map, low to
                                           high, as backgrounds; only with 256 colours */
    PL_STYLE_COUNT = PL_STYLE_HEAT + 12,
} pl_style;

enum { PL_HEAT_LEVELS = PL_STYLE_COUNT - PL_STYLE_HEAT };

/* May be or-ed to a style. */
enum {
    PL_STYLE_MASK = 0xff,
    PL_REVERSE = 0x100,
    PL_BOLD = 0x200,
    PL_STALE = 0x400,
    PL_UNDERLINE = 0x800
};

typedef struct pl_cell {
    uint32_t code;  /* 0: the right half of a wide character */
    uint32_t style; /* pl_style and flags */
} pl_cell;

typedef struct pl_surface {
    int rows, cols;
    pl_cell *cells;         /* [rows, cols] */
    int cursor_y, cursor_x; /* where the terminal's cursor is shown; -1: hidden */
    bool ascii;             /* texts are converted to plain ASCII */
} pl_surface;

/* {0} is a valid empty surface.  Cleared.  On failure it is empty. */
PL_NODISCARD pl_status pl_surface_resize(pl_surface *surface, int rows, int cols, pl_error *err);
void pl_surface_deinit(pl_surface *surface);
void pl_surface_clear(pl_surface *surface);

/* Puts text at row, col of the rectangle, clipped to it; returns the columns it took.  A wide
 * character that would be cut becomes a blank. */
int pl_put(pl_surface *surface, pl_rect rect, int row, int col, unsigned style, const char *utf8);
int pl_putf(pl_surface *surface, pl_rect rect, int row, int col, unsigned style, const char *format,
            ...) PL_PRINTF(6, 7);

/* The same, ending at column `end` (exclusive) of the rectangle. */
int pl_put_right(pl_surface *surface, pl_rect rect, int row, int end, unsigned style,
                 const char *utf8);

/* At most `columns` wide; a cut text ends with an ellipsis. */
int pl_put_cut(pl_surface *surface, pl_rect rect, int row, int col, int columns, unsigned style,
               const char *utf8);

/* The same, but a longer text is cut at the end of a phrase, if one fits (pl_text_phrase). */
int pl_put_phrase(pl_surface *surface, pl_rect rect, int row, int col, int columns, unsigned style,
                  const char *utf8);

void pl_put_code(pl_surface *surface, pl_rect rect, int row, int col, unsigned style,
                 uint32_t code);
void pl_fill(pl_surface *surface, pl_rect rect, unsigned style, uint32_t code);

/* Adds flags to every cell of a row of the rectangle. */
void pl_mark_row(pl_surface *surface, pl_rect rect, int row, unsigned flags);

#endif
