/* views/layout.h -- where the panes are: pure geometry, a function of the terminal's size.
 *
 * Wide screens give the layer list the whole height; 80x24 puts it beside the plot; smaller ones
 * show the focused pane alone; below PL_LAYOUT_MIN_* there is room for a notice only. */
#ifndef PL_VIEWS_LAYOUT_H
#define PL_VIEWS_LAYOUT_H

#include "views/surface.h"

typedef enum pl_pane {
    PL_PANE_LAYERS,
    PL_PANE_CHANNELS,
    PL_PANE_OUTLIERS,
    PL_PANE_TUNER,
    PL_PANE_COUNT,
} pl_pane;

typedef enum pl_panes_kind {
    PL_LAYOUT_NOTICE,
    PL_LAYOUT_SINGLE,
    PL_LAYOUT_NORMAL,
    PL_LAYOUT_WIDE,
} pl_panes_kind;

enum { PL_LAYOUT_MIN_ROWS = 12, PL_LAYOUT_MIN_COLS = 44 };

/* Sizes below which a pane is never drawn: rows, columns, title line included. */
enum {
    PL_LAYERS_MIN_ROWS = 6,
    PL_LAYERS_MIN_COLS = 24,
    PL_CHANNELS_MIN_ROWS = 8,
    PL_CHANNELS_MIN_COLS = 40,
    PL_OUTLIERS_MIN_ROWS = 6,
    PL_OUTLIERS_MIN_COLS = 28,
    PL_TUNER_MIN_ROWS = 8,
    PL_TUNER_MIN_COLS = 44,
};

typedef struct pl_panes {
    pl_panes_kind kind;
    pl_rect header, message, prompt;
    pl_rect body;                 /* between header and message: for help */
    pl_rect panes[PL_PANE_COUNT]; /* h == 0: not shown */
    int divider;                  /* column of the upper (or only) vertical line, -1: none */
    int lower_divider;            /* column of the line between outliers and tuner, -1: none */
} pl_panes;

/* Any size from 1x1; focus decides which pane a small screen shows. */
pl_panes pl_panes_make(int rows, int cols, pl_pane focus);

#endif
