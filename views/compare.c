/* The main view in several settings side by side: one range for all axes, differences marked. */
#include "views/figure_parts.h"
#include "views/figure_view.h"
#include "views/text.h"
#include "views/tuner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELLS = PL_MAX_KEPT + 1,
    DIFFERENCES = 3,
    SIDE_COLS = 58,  /* a cell beside another one */
    LEAST_COLS = 24, /* the same where it would be too low above it */
    CELL_ROWS = 9,   /* one above another one, title line included */
};

/* One setting's figure, with the ranges that all have. */
typedef struct cell {
    const pl_shown *shown;
    const pl_state *is; /* the setting */
    char name[PL_KEPT_NAME];
    pl_figure figure; /* borrowed but for what stands below */
    pl_heat heat;
    pl_table table;
    char **cells; /* the table's, a star at those rows that differ; or NULL */
    double x[DIFFERENCES], y[DIFFERENCES];
    char said[96]; /* the largest difference from the present setting */
} cell;

/* --- one range -------------------------------------------------------------------------------- */

static void widen(pl_axis *axis, const pl_axis *by)
{
    if (axis->log == by->log) {
        axis->lo = fmin(axis->lo, by->lo);
        axis->hi = fmax(axis->hi, by->hi);
    }
}

static void share_ranges(cell *cells, size_t n)
{
    for (int turn = 0; turn < 2; turn++) { /* all into the first, then the first into all */
        cell *first = NULL;
        for (size_t i = 0; i < n; i++) {
            cell *c = &cells[i];
            if (c->shown->figure == NULL || c->figure.table != NULL) {
                continue;
            }
            first = first == NULL ? c : first;
            cell *to = turn == 0 ? first : c, *from = turn == 0 ? c : first;
            widen(&to->figure.x, &from->figure.x);
            widen(&to->figure.y, &from->figure.y);
            if (to->figure.heat != NULL && from->figure.heat != NULL &&
                to->heat.log == from->heat.log) {
                to->heat.lo = fmin(to->heat.lo, from->heat.lo);
                to->heat.hi = fmax(to->heat.hi, from->heat.hi);
            }
        }
    }
}

/* --- differences ------------------------------------------------------------------------------ */

static void say_difference(cell *c, double x, double own, double now)
{
    char at[PL_NUMBER_TEXT], a[PL_NUMBER_TEXT], b[PL_NUMBER_TEXT];
    const pl_axis *axis = &c->figure.x;
    pl_format_number(own, a);
    pl_format_number(now, b);
    if (axis->names != NULL && x > -0.5 && x < (double)axis->n_names - 0.5) {
        snprintf(at, sizeof at, "%.*s", (int)sizeof at - 1, axis->names[(size_t)(x + 0.5)]);
    } else if (x == floor(x) && fabs(x) < 1e6) {
        snprintf(at, sizeof at, "%.0f", x);
    } else {
        pl_format_number(x, at);
    }
    snprintf(c->said, sizeof c->said, "differs most at %s: %s, now %s", at, a, b);
}

/* What both draw last: what the methods made. */
static const pl_series *last_of(const pl_figure *figure)
{
    return figure->n_series > 0 ? &figure->series[figure->n_series - 1] : NULL;
}

static bool same_places(const pl_series *a, const pl_series *b)
{
    bool same = a != NULL && b != NULL && a->mark == b->mark && a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const double x = pl_series_x(a, i), y = pl_series_x(b, i);
        same = fabs(x - y) <= 1e-9 * fmax(fabs(x), fabs(y));
    }
    return same;
}

/* The largest differences as points over the plot. */
static void mark_series(cell *c, const pl_figure *now)
{
    const pl_series *a = last_of(&c->figure), *b = last_of(now);
    double sizes[DIFFERENCES] = {0};
    size_t at[DIFFERENCES] = {0}, n = 0;
    for (size_t i = 0; same_places(a, b) && i < a->count; i++) {
        const double size = fabs(pl_series_y(a, i) - pl_series_y(b, i));
        size_t place = n;
        while (place > 0 && size > sizes[place - 1]) {
            place--;
        }
        if (!(size > 0) || place == DIFFERENCES) {
            continue;
        }
        n += n < DIFFERENCES;
        memmove(&sizes[place + 1], &sizes[place], (n - place - 1) * sizeof *sizes);
        memmove(&at[place + 1], &at[place], (n - place - 1) * sizeof *at);
        sizes[place] = size;
        at[place] = i;
    }
    if (n == 0) {
        return;
    }
    say_difference(c, pl_series_x(a, at[0]), pl_series_y(a, at[0]), pl_series_y(b, at[0]));
    if (c->figure.n_series == PL_FIGURE_SERIES) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t least = i; /* a series rises in x */
        for (size_t k = i; k < n; k++) {
            least = at[k] < at[least] ? k : least;
        }
        const size_t next = at[least];
        at[least] = at[i];
        at[i] = next;
        c->x[i] = pl_series_x(a, next);
        c->y[i] = pl_series_y(a, next);
    }
    /* Without a name: the legend has no room for it, and the title says what it is. */
    c->figure.series[c->figure.n_series++] = (pl_series){.mark = PL_MARK_POINTS,
                                                         .tone = (pl_tone)(PL_TONE_EXTRA + 7),
                                                         .count = n,
                                                         .x = c->x,
                                                         .y = c->y};
}

static void mark_heat(cell *c, const pl_heat *now)
{
    const pl_heat *own = &c->heat;
    size_t best = SIZE_MAX;
    double most = 0;
    for (size_t i = 0;
         own->rows == now->rows && own->cols == now->cols && i < own->rows * own->cols; i++) {
        const double size = fabs((double)own->values[i] - (double)now->values[i]);
        if (size > most) {
            most = size;
            best = i;
        }
    }
    if (best != SIZE_MAX) {
        say_difference(c, pl_heat_x(own, best / own->cols, best % own->cols),
                       (double)own->values[best], (double)now->values[best]);
    }
}

static void mark_table(cell *c, const pl_table *now)
{
    size_t differ = 0;
    const size_t rows = c->table.rows, cols = c->table.cols;
    c->cells = calloc(rows * cols + 1, sizeof(char *));
    for (size_t r = 0; c->cells != NULL && r < rows; r++) {
        char **line = &c->cells[r * cols];
        bool same = r < now->rows && cols == now->cols;
        for (size_t k = 0; k < cols; k++) {
            line[k] = c->table.cells[r * cols + k];
            same = same && strcmp(line[k], now->cells[r * cols + k]) == 0;
        }
        if (!same && cols > 1) {
            pl_buf text = {0};
            pl_buf_printf(&text, "%s*", line[0]);
            line[0] = text.data; /* freed by forget_cell */
            differ++;
        }
    }
    if (c->cells != NULL) {
        c->table.cells = c->cells;
        snprintf(c->said, sizeof c->said, "%zu of %zu rows differ", differ, rows);
    }
}

static void forget_cell(cell *c)
{
    const pl_table *whole = c->shown->figure != NULL ? c->shown->figure->table : NULL;
    for (size_t i = 0; c->cells != NULL && i < c->table.rows * c->table.cols; i++) {
        if (c->cells[i] != whole->cells[i]) {
            free(c->cells[i]);
        }
    }
    free(c->cells);
}

static void mark_differences(cell *c, const pl_figure *now)
{
    const pl_figure *own = c->shown->figure;
    if (own == NULL || now == NULL) {
        return;
    }
    if (own->table != NULL && now->table != NULL) {
        mark_table(c, now->table);
    } else if (own->heat != NULL && now->heat != NULL) {
        mark_heat(c, now->heat);
    } else {
        mark_series(c, now);
    }
}

/* --- drawing ---------------------------------------------------------------------------------- */

static cell compared_cell(const pl_screen_model *model, size_t slot)
{
    cell c = {.shown = &model->shown[slot], .is = model->state, .name = "now"};
    if (slot >= PL_DISPLAY_PANES) {
        c.is = &model->state->kept[slot - PL_DISPLAY_PANES]->is;
        pl_kept_name(model->state, slot - PL_DISPLAY_PANES, c.name);
    }
    if (c.shown->figure != NULL) {
        c.figure = *c.shown->figure;
    }
    if (c.figure.heat != NULL) {
        c.heat = *c.figure.heat;
    }
    if (c.figure.table != NULL) {
        c.table = *c.figure.table;
    }
    return c;
}

static void draw_cell(pl_screen_model *model, pl_surface *surface, pl_rect rect, cell *c,
                      const pl_figure_look *look)
{
    pl_buf label = {0};
    char title[160];
    const bool solved = pl_state_result(c->is, model->state->layer) != NULL;
    pl_state_label(c->is, pl_look_layer(look, model->state), &label);
    snprintf(title, sizeof title, " %s ", c->name);
    int col = pl_put(surface, rect, 0, 0, PL_STYLE_TITLE | PL_REVERSE, title);
    snprintf(title, sizeof title, "%s%s", label.data != NULL ? label.data : "",
             solved ? "" : ", not solved");
    pl_buf_deinit(&label);
    const int width = (int)pl_text_width(c->said);
    const bool fits = c->said[0] != '\0' && col + 12 + width < rect.w;
    const int room = rect.w - col - 1 - (fits ? width + 2 : 0);
    if ((int)pl_text_width(title) > room) {
        char whole[sizeof title];
        memcpy(whole, title, sizeof whole);
        pl_short_label(whole, room, title, sizeof title);
    }
    if (!solved && (int)pl_text_width(title) > room) {
        snprintf(title, sizeof title, "not solved");
    }
    pl_put_cut(surface, rect, 0, col + 1, room, PL_STYLE_TEXT, title);
    if (fits) {
        pl_put_right(surface, rect, 0, rect.w, PL_STYLE_STRONG, c->said);
    }
    if (c->shown->figure == NULL || c->shown->error != NULL) {
        const pl_rect below = {rect.y + 1, rect.x, rect.h - 1, rect.w};
        pl_figure_view_none(model, surface, below, pl_view_of(model->state, PL_PANE_MAIN),
                            c->shown);
        return;
    }
    c->figure.heat = c->figure.heat != NULL ? &c->heat : NULL;
    c->figure.table = c->figure.table != NULL ? &c->table : NULL;
    pl_figure_view_body(model, surface, rect, PL_PANE_MAIN, look, &c->figure, c->shown->stale);
}

/* Beside each other where each has room, else above each other, or what suits better. */
static pl_rect pane_rect(pl_rect rect, size_t i, size_t n)
{
    const int k = (int)i, all = (int)n;
    const bool low = rect.h / all < CELL_ROWS && rect.w / all >= LEAST_COLS;
    if (rect.w / all >= SIDE_COLS || low) {
        const int from = rect.w * k / all, to = rect.w * (k + 1) / all;
        return (pl_rect){rect.y, rect.x + from, rect.h, to - from - (k + 1 < all)};
    }
    const int from = rect.h * k / all, to = rect.h * (k + 1) / all;
    return (pl_rect){rect.y + from, rect.x, to - from, rect.w};
}

void pl_view_compare_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_figure_look *look = &pl_view_of(model->state, PL_PANE_MAIN)->kind->look;
    cell cells[CELLS];
    size_t n = 0;
    for (size_t i = 0; i < model->state->n_kept; i++) {
        if (model->state->compared[i]) {
            cells[n++] = compared_cell(model, PL_DISPLAY_PANES + i);
        }
    }
    cells[n++] = compared_cell(model, 0);
    const cell *now = &cells[n - 1];
    for (size_t i = 0; i + 1 < n; i++) {
        mark_differences(&cells[i], now->shown->figure);
    }
    share_ranges(cells, n);
    char right[96] = "";
    if (now->shown->figure != NULL && now->figure.table == NULL && now->figure.heat == NULL &&
        now->figure.y.label != NULL) {
        snprintf(right, sizeof right, "%s%s", now->figure.y.label,
                 now->figure.y.log ? ", log" : "");
    }
    pl_figure_view_title(model, surface, rect, PL_PANE_MAIN, look, right);
    /* One crosshair, where the present setting has it. */
    pl_pane_memo *memo = &model->shown[0].memo;
    const pl_pane_memo before = *memo;
    const bool plotted = now->shown->figure != NULL && now->figure.table == NULL;
    if (plotted) {
        memo->cursor = pl_figure_cursor(model, PL_PANE_MAIN, look, now->shown->figure, &memo->row);
        memo->placed = true;
    }
    const pl_rect body = {rect.y + 1, rect.x, rect.h - 1, rect.w};
    for (size_t i = 0; i < n; i++) {
        draw_cell(model, surface, pane_rect(body, i, n), &cells[i], look);
        forget_cell(&cells[i]);
    }
    *memo = plotted ? before : *memo;
}
