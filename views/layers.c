/* The layer list: every quantizable layer with its outlier scores, sortable. */
#include "views/panel.h"

#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_names[PL_SORT_COUNT] = {"model order", "by input", "by weight",
                                                      "by max |w|"};

static double score_of(const pl_screen_model *model, size_t layer, pl_sort sort)
{
    if (model->overview == NULL || layer >= model->overview->n) {
        return NAN;
    }
    const pl_layer_score *score = &model->overview->scores[layer];
    switch (sort) {
    case PL_SORT_INPUT_RATIO:
        return score->input_ratio;
    case PL_SORT_WEIGHT_MAX:
        return score->weight_max;
    default:
        return score->weight_ratio;
    }
}

typedef struct ranking {
    const pl_screen_model *model;
    pl_sort sort;
} ranking;

/* Falling scores, unknown ones last, ties in model order. */
static int compare(const void *a, const void *b, void *ctx)
{
    const ranking *r = ctx;
    size_t i = *(const size_t *)a;
    size_t j = *(const size_t *)b;
    if (r->sort != PL_SORT_MODEL) {
        double x = score_of(r->model, i, r->sort);
        double y = score_of(r->model, j, r->sort);
        if (isnan(x) != isnan(y)) {
            return isnan(x) ? 1 : -1;
        }
        if (x != y && !isnan(x)) {
            return x > y ? -1 : 1;
        }
    }
    return i < j ? -1 : i > j;
}

/* The layers as they are listed; caller frees.  *at: the selected one's line. */
static size_t *listed(const pl_screen_model *model, size_t *count, size_t *at)
{
    *count = *at = 0;
    const pl_source *source = model->state->source;
    size_t n = source != NULL ? pl_model_layer_count(source->model) : 0;
    size_t *order = n > 0 ? malloc(n * sizeof *order) : NULL;
    if (order == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    ranking r = {model, model->views.layers.sort};
    qsort_r(order, n, sizeof *order, compare, &r);
    for (size_t i = 0; i < n; i++) {
        *at = order[i] == model->state->layer ? i : *at;
    }
    *count = n;
    return order;
}

/* Which scores are shown as columns; the sorted one has the bar. */
typedef struct columns {
    pl_sort shown[3];
    size_t n;
    pl_sort bar;
    double largest; /* of the bar's */
    int name_width, bar_width;
} columns;

static columns choose_columns(const pl_screen_model *model, size_t count, int width)
{
    columns c = {.bar = model->views.layers.sort};
    if (c.bar == PL_SORT_MODEL) {
        c.bar = PL_SORT_WEIGHT_RATIO;
        for (size_t i = 0; i < count; i++) {
            if (!isnan(score_of(model, i, PL_SORT_INPUT_RATIO))) {
                c.bar = PL_SORT_INPUT_RATIO;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        double score = score_of(model, i, c.bar);
        c.largest = score > c.largest && isfinite(score) ? score : c.largest;
    }
    c.name_width = width >= 34 ? 19 : 12;
    c.shown[c.n++] = c.bar;
    if (width - c.name_width >= 22) {
        c.shown[c.n++] = c.bar == PL_SORT_INPUT_RATIO    ? PL_SORT_WEIGHT_RATIO
                         : c.bar == PL_SORT_WEIGHT_RATIO ? PL_SORT_INPUT_RATIO
                                                         : PL_SORT_WEIGHT_RATIO;
    }
    c.bar_width = width - 2 - c.name_width - 7 * (int)c.n - 1;
    c.bar_width = c.bar_width > 12 ? 12 : c.bar_width;
    return c;
}

static void draw_bar(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int row,
                     int col, const columns *c, double score)
{
    if (!(score > 0) || !(c->largest > 0) || c->bar_width < 1) {
        return;
    }
    /* Ratios span decades: one extreme layer must not hide the others. */
    bool ratio = c->bar != PL_SORT_WEIGHT_MAX && c->largest > 1;
    double share = isinf(score) ? 1
                   : ratio      ? log(fmax(score, 1)) / log(c->largest)
                                : score / c->largest;
    unsigned style = c->bar == PL_SORT_INPUT_RATIO ? PL_STYLE_INPUT : PL_STYLE_AFTER;
    bool ascii = model->marks == PL_MARKS_ASCII;
    int eighths = (int)lround(share * c->bar_width * 8);
    eighths = eighths < 1 ? 1 : eighths;
    for (int i = 0; i < c->bar_width && eighths > 0; i++, eighths -= 8) {
        int part = eighths > 8 ? 8 : eighths;
        uint32_t code = 0x2590u - (uint32_t)part; /* U+2588 full ... U+258F one eighth */
        if (model->marks == PL_MARKS_HALVES) {
            code = part > 4 ? 0x2588 : 0x258c;
        }
        pl_put_code(surface, rect, row, col + i, style, ascii ? '#' : code);
    }
}

static void draw_line(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int row,
                      const columns *c, size_t layer)
{
    bool selected = layer == model->state->layer;
    const pl_layer *info = pl_model_layer(model->state->source->model, layer);
    char name[80];
    pl_layer_short(info, c->name_width > 12, name, sizeof name);
    unsigned style = selected ? PL_STYLE_STRONG : PL_STYLE_TEXT;
    pl_put(surface, rect, row, 0, style, selected ? ">" : " ");
    if (pl_state_result(model->state, layer) != NULL) {
        pl_put(surface, rect, row, 1, PL_STYLE_AFTER, surface->ascii ? "*" : "\u2022");
    }
    pl_put_cut(surface, rect, row, 2, c->name_width, style, name);
    int col = 2 + c->name_width;
    for (size_t i = 0; i < c->n; i++, col += 7) {
        double score = score_of(model, layer, c->shown[i]);
        char text[PL_NUMBER_TEXT];
        pl_format_number(score, text);
        unsigned tone = isnan(score) || i > 0 ? PL_STYLE_FAINT : style;
        pl_put_right(surface, rect, row, col + 7, tone,
                     isnan(score) && model->overview != NULL && c->shown[i] != PL_SORT_INPUT_RATIO
                         ? (surface->ascii ? "..." : "\u2026")
                         : text);
    }
    draw_bar(model, surface, rect, row, col + 1, c, score_of(model, layer, c->bar));
    if (selected && model->focus == PL_PANE_LAYERS) {
        pl_mark_row(surface, rect, row, PL_REVERSE);
    }
}

static void draw_heads(pl_surface *surface, pl_rect rect, const columns *c)
{
    static const char *const heads[PL_SORT_COUNT] = {"", "input", "weight", "max |w|"};
    pl_put(surface, rect, 1, 2, PL_STYLE_FAINT, "layer");
    int col = 2 + c->name_width;
    for (size_t i = 0; i < c->n; i++, col += 7) {
        pl_put_right(surface, rect, 1, col + 7, PL_STYLE_FAINT, heads[c->shown[i]]);
    }
    if (c->bar != PL_SORT_WEIGHT_MAX && c->bar_width >= 8) {
        pl_put_cut(surface, rect, 1, col + 1, c->bar_width, PL_STYLE_FAINT,
                   surface->ascii ? "x median" : "\u00d7 median");
    }
}

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_layers_view *view = &model->views.layers;
    pl_panel_title(model, surface, rect, PL_PANE_LAYERS, "Layers", sort_names[view->sort]);
    size_t count = 0;
    size_t at = 0;
    size_t *order = listed(model, &count, &at);
    if (order == NULL) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_TEXT, "no model is open:");
        pl_put_cut(surface, rect, 3, 1, rect.w - 2, PL_STYLE_KEY, ":open PATH");
        return;
    }
    columns c = choose_columns(model, count, rect.w);
    draw_heads(surface, rect, &c);
    pl_rect body = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    view->top = pl_panel_scroll(view->top, at, count, body.h);
    for (int row = 0; row < body.h && view->top + (size_t)row < count; row++) {
        draw_line(model, surface, body, row, &c, order[view->top + (size_t)row]);
    }
    free(order);
}

static bool move_to(pl_screen_model *model, long by, bool absolute, pl_intent *intent)
{
    size_t count = 0;
    size_t at = 0;
    size_t *order = listed(model, &count, &at);
    if (order == NULL) {
        return true;
    }
    long to = absolute ? by : (long)at + by;
    to = to < 0 ? 0 : to >= (long)count ? (long)count - 1 : to;
    size_t layer = order[to];
    free(order);
    if (layer != model->state->layer) {
        snprintf(intent->command, sizeof intent->command, "select %s",
                 pl_model_layer(model->state->source->model, layer)->name);
    }
    return true;
}

static bool act(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    switch (action) {
    case PL_ACT_UP:
        return move_to(model, -1, false, intent);
    case PL_ACT_DOWN:
        return move_to(model, 1, false, intent);
    case PL_ACT_PAGE_UP:
        return move_to(model, -10, false, intent);
    case PL_ACT_PAGE_DOWN:
        return move_to(model, 10, false, intent);
    case PL_ACT_FIRST:
        return move_to(model, 0, true, intent);
    case PL_ACT_LAST:
        return move_to(model, 1000000000L, true, intent);
    case PL_ACT_ENTER:
        intent->focus = PL_PANE_CHANNELS;
        return true;
    case PL_ACT_SORT:
        model->views.layers.sort = (model->views.layers.sort + 1) % PL_SORT_COUNT;
        return true;
    case PL_ACT_LEFT:
        return pl_tuner_turn(model, -1, intent);
    case PL_ACT_RIGHT:
        return pl_tuner_turn(model, 1, intent);
    case PL_ACT_FAR_LEFT:
        return pl_tuner_turn(model, -4, intent);
    case PL_ACT_FAR_RIGHT:
        return pl_tuner_turn(model, 4, intent);
    default:
        return false;
    }
}

const pl_panel pl_panel_layers = {.draw = draw, .act = act};
