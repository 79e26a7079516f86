#include "views/panes.h"

enum {
    TUNER_COLS = 49, /* with these the tuner shows its last column, the change */
    STACK_ROWS = 22, /* two plots of fewer rows each are not worth looking at */
    NORMAL_ROWS = 22,
    NORMAL_COLS = 80,
    WIDE_COLS = 110,
};

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static void add_divider(pl_panes *panes, pl_rect beside, int col)
{
    panes->dividers[panes->n_dividers++] = (pl_rect){beside.y, col, beside.h, 1};
}

/* Two panes side by side, the left one `left` columns wide, a divider between them. */
static void put_beside(pl_panes *panes, pl_rect rect, int left, pl_pane a, pl_pane b)
{
    panes->panes[a] = (pl_rect){rect.y, rect.x, rect.h, left};
    add_divider(panes, rect, rect.x + left);
    panes->panes[b] = (pl_rect){rect.y, rect.x + left + 1, rect.h, rect.w - left - 1};
}

static void put_above(pl_panes *panes, pl_rect rect, int upper, pl_pane a, pl_pane b)
{
    panes->panes[a] = (pl_rect){rect.y, rect.x, upper, rect.w};
    panes->panes[b] = (pl_rect){rect.y + upper, rect.x, rect.h - upper, rect.w};
}

/* Table and tuner side by side. */
static void put_lower(pl_panes *panes, pl_rect rect)
{
    int most = rect.w - TUNER_COLS - 1;
    int table = clamp(rect.w * 2 / 5, PL_TABLE_MIN_COLS, clamp(most, PL_TABLE_MIN_COLS, 56));
    put_beside(panes, rect, table, PL_PANE_TABLE, PL_PANE_TUNER);
}

/* Main pane and, where the screen is split, the second one; false if there is no room for two. */
static bool put_views(pl_panes *panes, pl_rect rect, bool split)
{
    if (!split) {
        panes->panes[PL_PANE_MAIN] = rect;
    } else if (rect.w >= PL_MAIN_MIN_COLS + 1 + PL_SECOND_MIN_COLS) {
        put_beside(panes, rect, rect.w / 2, PL_PANE_MAIN, PL_PANE_SECOND);
    } else if (rect.h >= STACK_ROWS) {
        put_above(panes, rect, (rect.h + 1) / 2, PL_PANE_MAIN, PL_PANE_SECOND);
    } else {
        return false;
    }
    return true;
}

static pl_rect right_of(pl_rect rect, int left)
{
    return (pl_rect){rect.y, rect.x + left + 1, rect.h, rect.w - left - 1};
}

static void put_layers(pl_panes *panes, pl_rect rect, int cols)
{
    panes->panes[PL_PANE_LAYERS] = (pl_rect){rect.y, rect.x, rect.h, cols};
    add_divider(panes, rect, rect.x + cols);
}

static void lay_normal(pl_panes *panes, pl_pane focus, bool split)
{
    pl_rect body = panes->body;
    int lower = clamp(body.h * 3 / 7, PL_TUNER_MIN_ROWS + 1, clamp(body.h / 4, 18, 60));
    pl_rect upper = {body.y, body.x, body.h - lower, body.w};
    int layers = clamp(body.w * 3 / 10, PL_LAYERS_MIN_COLS, 36);
    bool fits = put_views(panes, right_of(upper, layers), split);
    if (!fits && focus != PL_PANE_LAYERS) {
        put_views(panes, upper, split); /* instead of the list */
    } else {
        if (!fits) {
            put_views(panes, right_of(upper, layers), false);
        }
        put_layers(panes, upper, layers);
    }
    put_lower(panes, (pl_rect){body.y + upper.h, body.x, lower, body.w});
}

static void lay_wide(pl_panes *panes, pl_pane focus, bool split)
{
    pl_rect body = panes->body;
    int layers = clamp(body.w / 4, 30, 44);
    int lower = clamp(body.h * 2 / 5, PL_TUNER_MIN_ROWS + 1, clamp(body.h / 4, 18, 60));
    pl_rect right = right_of(body, layers);
    right.h -= lower;
    bool fits = put_views(panes, right, split);
    if (!fits && focus != PL_PANE_LAYERS) {
        pl_rect upper = {body.y, body.x, body.h - lower, body.w};
        put_views(panes, upper, split);
        put_lower(panes, (pl_rect){body.y + upper.h, body.x, lower, body.w});
        return;
    }
    if (!fits) {
        put_views(panes, right, false);
    }
    put_layers(panes, body, layers);
    put_lower(panes, (pl_rect){right.y + right.h, right.x, lower, right.w});
}

/* The list stays, the focused pane beside it: one glance at where one is. */
static void lay_low(pl_panes *panes, pl_pane focus)
{
    pl_rect body = panes->body;
    int layers = clamp(body.w * 3 / 10, PL_LAYERS_MIN_COLS, 36);
    pl_pane other = focus == PL_PANE_LAYERS ? PL_PANE_MAIN : focus;
    put_layers(panes, body, layers);
    panes->panes[other] = right_of(body, layers);
}

/* The plot stays, the focused pane below it. */
static void lay_narrow(pl_panes *panes, pl_pane focus)
{
    pl_pane other = focus == PL_PANE_MAIN ? PL_PANE_TUNER : focus;
    put_above(panes, panes->body, panes->body.h * 11 / 20, PL_PANE_MAIN, other);
}

static pl_panes_kind kind_of(int rows, int cols)
{
    if (rows < PL_PANES_MIN_ROWS || cols < PL_PANES_MIN_COLS) {
        return PL_PANES_NOTICE;
    }
    if (rows < NORMAL_ROWS) {
        return cols < NORMAL_COLS ? PL_PANES_SINGLE : PL_PANES_LOW;
    }
    return cols < NORMAL_COLS ? PL_PANES_NARROW
           : cols < WIDE_COLS ? PL_PANES_NORMAL
                              : PL_PANES_WIDE;
}

pl_panes pl_panes_make(int rows, int cols, pl_pane focus, bool split, pl_pane zoom)
{
    pl_panes panes = {.kind = kind_of(rows, cols)};
    panes.body = (pl_rect){0, 0, rows, cols};
    if (panes.kind == PL_PANES_NOTICE) {
        panes.reachable[focus] = true;
        return panes;
    }
    panes.header = (pl_rect){0, 0, 1, cols};
    panes.body = (pl_rect){1, 0, rows - 3, cols};
    panes.message = (pl_rect){rows - 2, 0, 1, cols};
    panes.prompt = (pl_rect){rows - 1, 0, 1, cols};
    panes.kind = zoom < PL_PANE_COUNT ? PL_PANES_SINGLE : panes.kind;
    switch (panes.kind) {
    case PL_PANES_LOW:
        lay_low(&panes, focus);
        break;
    case PL_PANES_NARROW:
        lay_narrow(&panes, focus);
        break;
    case PL_PANES_NORMAL:
        lay_normal(&panes, focus, split);
        break;
    case PL_PANES_WIDE:
        lay_wide(&panes, focus, split);
        break;
    default:
        panes.panes[zoom < PL_PANE_COUNT ? zoom : focus] = panes.body;
        break;
    }
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        panes.reachable[pane] = pane != PL_PANE_SECOND || split || panes.panes[pane].h > 0;
    }
    return panes;
}

pl_pane pl_panes_next(const pl_panes *panes, pl_pane focus, int by)
{
    pl_pane pane = focus;
    do {
        pane = (pl_pane)(((int)pane + by + PL_PANE_COUNT) % PL_PANE_COUNT);
    } while (pane != focus && !panes->reachable[pane]);
    return pane;
}
