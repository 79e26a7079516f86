#include "views/layout.h"

/* With these the tuner shows its last column, the change. */
enum { TUNER_COLS = 49 };

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Outliers and tuner side by side in a rectangle, a divider between them. */
static void split_lower(pl_panes *layout, pl_rect rect)
{
    int outliers = clamp(rect.w * 2 / 5, PL_OUTLIERS_MIN_COLS,
                         clamp(rect.w - TUNER_COLS - 1, PL_OUTLIERS_MIN_COLS, 56));
    layout->panes[PL_PANE_OUTLIERS] = (pl_rect){rect.y, rect.x, rect.h, outliers};
    layout->lower_divider = rect.x + outliers;
    layout->panes[PL_PANE_TUNER] =
        (pl_rect){rect.y, rect.x + outliers + 1, rect.h, rect.w - outliers - 1};
}

static void lay_normal(pl_panes *layout)
{
    pl_rect body = layout->body;
    int lower = clamp(body.h * 3 / 7, PL_TUNER_MIN_ROWS + 1, 18);
    int upper = body.h - lower;
    int layers = clamp(body.w * 3 / 10, PL_LAYERS_MIN_COLS, 36);
    layout->panes[PL_PANE_LAYERS] = (pl_rect){body.y, body.x, upper, layers};
    layout->divider = body.x + layers;
    layout->panes[PL_PANE_CHANNELS] =
        (pl_rect){body.y, body.x + layers + 1, upper, body.w - layers - 1};
    split_lower(layout, (pl_rect){body.y + upper, body.x, lower, body.w});
}

static void lay_wide(pl_panes *layout)
{
    pl_rect body = layout->body;
    int layers = clamp(body.w / 4, 30, 44);
    layout->panes[PL_PANE_LAYERS] = (pl_rect){body.y, body.x, body.h, layers};
    layout->divider = body.x + layers;
    pl_rect right = {body.y, body.x + layers + 1, body.h, body.w - layers - 1};
    int lower = clamp(right.h * 2 / 5, PL_TUNER_MIN_ROWS + 1, 18);
    layout->panes[PL_PANE_CHANNELS] = (pl_rect){right.y, right.x, right.h - lower, right.w};
    split_lower(layout, (pl_rect){right.y + right.h - lower, right.x, lower, right.w});
}

pl_panes pl_panes_make(int rows, int cols, pl_pane focus)
{
    pl_panes layout = {.kind = PL_LAYOUT_NOTICE, .divider = -1, .lower_divider = -1};
    layout.body = (pl_rect){0, 0, rows, cols};
    if (rows < PL_LAYOUT_MIN_ROWS || cols < PL_LAYOUT_MIN_COLS) {
        return layout;
    }
    layout.header = (pl_rect){0, 0, 1, cols};
    layout.body = (pl_rect){1, 0, rows - 3, cols};
    layout.message = (pl_rect){rows - 2, 0, 1, cols};
    layout.prompt = (pl_rect){rows - 1, 0, 1, cols};
    if (rows < 22 || cols < 80) {
        layout.kind = PL_LAYOUT_SINGLE;
        layout.panes[focus] = layout.body;
    } else if (cols < 110) {
        layout.kind = PL_LAYOUT_NORMAL;
        lay_normal(&layout);
    } else {
        layout.kind = PL_LAYOUT_WIDE;
        lay_wide(&layout);
    }
    return layout;
}
