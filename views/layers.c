/* The layer list: every quantizable layer with its outlier scores, sortable. */
#include "views/layers.h"

#include "views/filter.h"
#include "views/text.h"

#include <limits.h>
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

/* --- the filter ------------------------------------------------------------------------------ */

static bool passes(const pl_screen_model *model, const pl_filter *filter, size_t i)
{
    if (filter == NULL) {
        return true;
    }
    const pl_layer *layer = pl_model_layer(model->state->source->model, i);
    char with_part[80];
    char without[80];
    pl_layer_short(layer, true, with_part, sizeof with_part);
    pl_layer_short(layer, false, without, sizeof without);
    const pl_id *result = pl_state_result(model->state, i);
    const pl_layer_solution *known = model->solutions != NULL ? &model->solutions[i] : NULL;
    bool same = result != NULL && known != NULL && pl_id_equal(known->result, *result);
    pl_filter_layer about = {
        .names = {layer->name, with_part, without},
        .input_ratio = score_of(model, i, PL_SORT_INPUT_RATIO),
        .weight_ratio = score_of(model, i, PL_SORT_WEIGHT_RATIO),
        .weight_max = score_of(model, i, PL_SORT_WEIGHT_MAX),
        .gap = same ? (double)known->gap : NAN,
        .error = same ? (double)known->error : NAN,
        .block = layer->block,
        .solved = result != NULL,
    };
    return pl_filter_matches(filter, &about);
}

/* The layers as they are listed. */
typedef struct listing {
    size_t *layers; /* [count]; NULL without a model */
    size_t count, total;
    size_t at;   /* the selected one's line; where it would be, if it is not listed */
    bool listed; /* it is */
} listing;

static bool list(const pl_screen_model *model, listing *out)
{
    *out = (listing){0};
    const pl_source *source = model->state->source;
    size_t n = source != NULL ? pl_model_layer_count(source->model) : 0;
    size_t *order = n > 0 ? malloc(n * sizeof *order) : NULL;
    if (order == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    ranking r = {model, model->views.layers.sort};
    qsort_r(order, n, sizeof *order, compare, &r);
    pl_filter *filter = NULL;
    if (pl_filter_parse(model->views.layers.filter, &filter, NULL) != PL_OK) {
        filter = NULL;
    }
    for (size_t i = 0; i < n; i++) {
        bool selected = order[i] == model->state->layer;
        bool passed = passes(model, filter, order[i]);
        if (selected) {
            out->at = out->count;
            out->listed = passed;
        }
        if (passed) {
            order[out->count++] = order[i];
        }
    }
    pl_filter_destroy(filter);
    out->layers = order;
    out->total = n;
    return true;
}

static void select_layer(const pl_screen_model *model, size_t layer, pl_intent *intent)
{
    if (layer != model->state->layer) {
        char name[80];
        pl_layer_short(pl_model_layer(model->state->source->model, layer), false, name,
                       sizeof name);
        snprintf(intent->command, sizeof intent->command, "select %s", name);
    }
}

pl_status pl_layers_filter(pl_screen_model *model, const char *text, pl_error *err)
{
    pl_filter *filter = NULL;
    pl_layers_view *view = &model->views.layers;
    if (strlen(text) >= sizeof view->filter) {
        return pl_error_set(err, PL_ERR_USAGE, "filter: longer than %zu bytes",
                            sizeof view->filter - 1);
    }
    pl_status status = pl_filter_parse(text, &filter, err);
    if (status == PL_OK) {
        snprintf(view->filter, sizeof view->filter, "%s", filter != NULL ? text : "");
        view->top = 0;
    }
    pl_filter_destroy(filter);
    return status;
}

void pl_layers_type_start(pl_screen_model *model)
{
    pl_layers_view *view = &model->views.layers;
    snprintf(view->typed, sizeof view->typed, "%s", view->filter);
    view->wrong[0] = '\0';
    view->typing = true;
    model->focus = PL_PANE_LAYERS;
}

static void take_typed(pl_screen_model *model)
{
    pl_error err = {0};
    pl_status status = pl_layers_filter(model, model->views.layers.typed, &err);
    const char *said = strncmp(err.message, "filter: ", 8) == 0 ? err.message + 8 : err.message;
    snprintf(model->views.layers.wrong, sizeof model->views.layers.wrong, "%.150s",
             status == PL_OK ? "" : said);
}

/* Enter keeps what can be understood, and goes to the first layer if none of the listed is
 * selected.
 */
static void keep_filter(pl_screen_model *model, pl_intent *intent)
{
    listing l;
    if (model->views.layers.wrong[0] != '\0') {
        return;
    }
    model->views.layers.typing = false;
    if (list(model, &l) && !l.listed && l.count > 0) {
        select_layer(model, l.layers[0], intent);
    }
    free(l.layers);
}

void pl_layers_type(pl_screen_model *model, pl_press press, pl_intent *intent)
{
    pl_layers_view *view = &model->views.layers;
    size_t n = strlen(view->typed);
    switch (press.key) {
    case PL_KEY_ESC:
    case 3:
        view->typed[0] = view->filter[0] = '\0';
        view->typing = false;
        return;
    case PL_KEY_ENTER:
    case '\n':
        keep_filter(model, intent);
        return;
    case PL_K_UP:
    case PL_K_DOWN:
        model->count = 0;
        (void)pl_panel_layers.act(model, press.key == PL_K_UP ? PL_ACT_UP : PL_ACT_DOWN, intent);
        return;
    case PL_K_BACKSPACE:
    case 127:
    case 8:
        if (n > 0) {
            view->typed[n - 1] = '\0';
            pl_text_trim_utf8(view->typed);
        }
        break;
    case 'U' & 0x1f:
        view->typed[0] = '\0';
        break;
    case 'W' & 0x1f:
        for (; n > 0 && view->typed[n - 1] == ' '; n--) {
        }
        for (; n > 0 && view->typed[n - 1] != ' '; n--) {
        }
        view->typed[n] = '\0';
        break;
    default:
        if (press.key >= ' ' && press.key < 127 && n + 1 < sizeof view->typed) {
            view->typed[n] = (char)press.key;
            view->typed[n + 1] = '\0';
        }
        break;
    }
    take_typed(model);
}

int pl_layers_draw_typing(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_layers_view *view = &model->views.layers;
    listing l;
    char right[200];
    bool some = list(model, &l);
    if (view->wrong[0] != '\0') {
        snprintf(right, sizeof right, "%s", view->wrong);
    } else if (view->typed[0] == '\0') {
        snprintf(right, sizeof right, "q_proj   15.*   input_ratio > 20   solved and error < 0.01");
    } else {
        snprintf(right, sizeof right, "%zu of %zu  Enter keeps  Esc lists all", l.count, l.total);
    }
    if (some) {
        free(l.layers);
    }
    int width = (int)pl_text_width(view->typed);
    int room = rect.w - 2;
    const char *shown = view->typed;
    for (; width > room - 1; width--) {
        shown++; /* ASCII: a byte a column */
    }
    int col = pl_put(surface, rect, 0, 0, PL_STYLE_KEY, "/");
    col += pl_put(surface, rect, 0, col, PL_STYLE_TEXT, shown);
    surface->cursor_y = rect.y;
    surface->cursor_x = rect.x + col;
    pl_put_cut(surface, rect, 0, col + 3, rect.w - col - 4,
               view->wrong[0] != '\0' ? PL_STYLE_ERROR : PL_STYLE_FAINT, right);
    return col;
}

/* --- drawing --------------------------------------------------------------------------------- */

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

static void draw_layer_line(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                            int row, const columns *c, size_t layer)
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
        if (isnan(score) && model->overview != NULL && c->shown[i] != PL_SORT_INPUT_RATIO) {
            pl_status problem = model->overview->scores[layer].problem;
            tone = problem == PL_ERR_NUMERIC ? PL_STYLE_ERROR : tone;
            snprintf(text, sizeof text, "%s",
                     problem == PL_ERR_NUMERIC ? "NaN"
                     : problem != PL_OK        ? "-"
                     : surface->ascii          ? "..."
                                               : "\u2026");
        }
        pl_put_right(surface, rect, row, col + 7, tone, text);
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

static void draw_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                       const listing *l)
{
    const pl_layers_view *view = &model->views.layers;
    char title[200] = "Layers";
    char right[200] = "";
    if (view->filter[0] == '\0') {
        snprintf(right, sizeof right, "%s", sort_names[view->sort]);
    } else if (rect.w < 60) {
        snprintf(title, sizeof title, "%zu of %zu /%s", l->count, l->total, view->filter);
    } else {
        snprintf(title, sizeof title, "Layers  %zu of %zu  /%s", l->count, l->total, view->filter);
    }
    pl_panel_title(model, surface, rect, PL_PANE_LAYERS, title, right);
}

static void draw_layers(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_layers_view *view = &model->views.layers;
    listing l;
    bool open = list(model, &l);
    draw_title(model, surface, rect, &l);
    if (!open) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_TEXT, "no model is open:");
        pl_put_cut(surface, rect, 3, 1, rect.w - 2, PL_STYLE_KEY, ":open PATH");
        return;
    }
    columns c = choose_columns(model, l.total, rect.w);
    draw_heads(surface, rect, &c);
    pl_rect body = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    view->top = pl_panel_scroll(view->top, l.at, l.count, body.h);
    for (int row = 0; row < body.h && view->top + (size_t)row < l.count; row++) {
        draw_layer_line(model, surface, body, row, &c, l.layers[view->top + (size_t)row]);
    }
    if (l.count == 0) {
        pl_put_cut(surface, body, 0, 1, rect.w - 2, PL_STYLE_WARNING, "no layer passes the filter");
        pl_put_cut(surface, body, 1, 1, rect.w - 2, PL_STYLE_FAINT,
                   "/ changes it, / Esc lists all");
    }
    free(l.layers);
}

static bool move_to_layer(pl_screen_model *model, long by, bool absolute, pl_intent *intent)
{
    listing l;
    intent->counted = true;
    if (!list(model, &l)) {
        return true;
    }
    /* From a layer that is not listed, one step goes to its neighbour that is. */
    long from = (long)l.at - (!l.listed && by > 0 ? 1 : 0);
    long to = absolute ? by : from + by;
    to = to >= (long)l.count ? (long)l.count - 1 : to;
    to = to < 0 ? 0 : to;
    if (l.count > 0) {
        select_layer(model, l.layers[to], intent);
    }
    free(l.layers);
    return true;
}

static bool act_in_layers(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    long n = model->count > 0 ? (long)model->count : 1;
    switch (action) {
    case PL_ACT_UP:
        return move_to_layer(model, -n, false, intent);
    case PL_ACT_DOWN:
        return move_to_layer(model, n, false, intent);
    case PL_ACT_PAGE_UP:
        return move_to_layer(model, -10 * n, false, intent);
    case PL_ACT_PAGE_DOWN:
        return move_to_layer(model, 10 * n, false, intent);
    case PL_ACT_FIRST:
        return move_to_layer(model, n - 1, true, intent);
    case PL_ACT_LAST:
        return move_to_layer(model, model->count > 0 ? n - 1 : LONG_MAX, true, intent);
    case PL_ACT_ENTER:
        intent->focus = PL_PANE_MAIN;
        return true;
    case PL_ACT_SORT:
        model->views.layers.sort = (model->views.layers.sort + 1) % PL_SORT_COUNT;
        return true;
    case PL_ACT_LEFT: /* the tuner heeds the count */
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

const pl_panel pl_panel_layers = {.draw = draw_layers, .act = act_in_layers};
