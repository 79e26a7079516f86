/* views/panes.h -- where the panes are: pure geometry, a function of the terminal's size.
 *
 * Wide screens give the layer list the whole height; 80x24 puts it beside the plot; low ones show
 * the list and the focused pane, narrow ones the plot and the focused pane below it, small ones the
 * focused pane alone; below PL_PANES_MIN_* there is room for a notice only.
 *
 * A split screen shows the second pane beside the main one or, if the screen is high rather than
 * wide, below it; without room for either, in place of the layer list until the user focuses that.
 * A zoomed pane has the whole body. */
#ifndef PL_VIEWS_PANES_H
#define PL_VIEWS_PANES_H

#include "views/surface.h"

typedef enum pl_pane {
    PL_PANE_LAYERS,
    PL_PANE_MAIN,   /* shows any view (views/view.h) */
    PL_PANE_SECOND, /* another one beside it, when the screen is split */
    PL_PANE_TABLE,  /* one below: at first the table of outliers */
    PL_PANE_TUNER,
    PL_PANE_COUNT,
} pl_pane;

typedef enum pl_panes_kind {
    PL_PANES_NOTICE,
    PL_PANES_SINGLE, /* one pane: a small screen, or a zoomed pane */
    PL_PANES_LOW,    /* the list beside one pane */
    PL_PANES_NARROW, /* the main pane above another one */
    PL_PANES_NORMAL,
    PL_PANES_WIDE,
} pl_panes_kind;

enum { PL_PANES_MIN_ROWS = 12, PL_PANES_MIN_COLS = 44 };

/* Sizes below which a pane is never drawn: rows, columns, title line included. */
enum {
    PL_LAYERS_MIN_ROWS = 6,
    PL_LAYERS_MIN_COLS = 24,
    PL_MAIN_MIN_ROWS = 8,
    PL_MAIN_MIN_COLS = 40,
    PL_SECOND_MIN_ROWS = 8,
    PL_SECOND_MIN_COLS = 39, /* 40 + 1 + 39 are the 80 of the commonest terminal */
    PL_TABLE_MIN_ROWS = 6,
    PL_TABLE_MIN_COLS = 28,
    PL_TUNER_MIN_ROWS = 8,
    PL_TUNER_MIN_COLS = 44,
};

enum { PL_MAX_DIVIDERS = 3 };

typedef struct pl_panes {
    pl_panes_kind kind;
    pl_rect header, message, prompt;
    pl_rect body;                      /* between header and message: for help */
    pl_rect panes[PL_PANE_COUNT];      /* h == 0: not shown */
    bool reachable[PL_PANE_COUNT];     /* shown, or would be with the focus */
    pl_rect dividers[PL_MAX_DIVIDERS]; /* vertical lines, w == 1 */
    int n_dividers;
} pl_panes;

/* Any size from 1x1.  focus: the pane shown where there is no room for all.  zoom: the pane that
 * has the body, PL_PANE_COUNT for none. */
pl_panes pl_panes_make(int rows, int cols, pl_pane focus, bool split, pl_pane zoom);

/* The next reachable pane after `focus` in the order of Tab (by 1) or Shift-Tab (by -1); focus
 * itself where there is no other. */
pl_pane pl_panes_next(const pl_panes *panes, pl_pane focus, int by);

#endif
