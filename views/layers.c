/* The layer list: every quantizable layer with its outlier scores, sortable. */
#include "views/layers.h"

#include "core/state/remarks.h"
#include "views/filter.h"
#include "views/mouse.h"
#include "views/text.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double shown_number(const pl_screen_model *model, size_t layer, pl_column column)
{
    if (model->overview == NULL || layer >= model->overview->n) {
        return NAN;
    }
    return pl_layer_number(&model->overview->rows[layer], column,
                           pl_state_result(model->state, layer));
}

static bool is_known(const pl_screen_model *model, pl_column column)
{
    const size_t n = model->overview != NULL ? model->overview->n : 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(shown_number(model, i, column))) {
            return true;
        }
    }
    return false;
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
    pl_filter_layer about = {.names = {layer->name, with_part, without},
                             .solved = pl_state_result(model->state, i) != NULL};
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        about.values[c] = shown_number(model, i, c);
    }
    about.values[PL_COLUMN_BLOCK] = (double)layer->block; /* also before anything was read */
    pl_buf tags = {0};
    pl_state_put_tags(model->state, i, &tags);
    about.tags = tags.data;
    const bool matches = pl_filter_matches(filter, &about);
    pl_buf_deinit(&tags);
    return matches;
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
    double *values = n > 0 ? malloc(n * sizeof *values) : NULL;
    if (order == NULL || values == NULL) {
        free(order);
        free(values);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
        values[i] = shown_number(model, i, model->views.layers.column);
    }
    pl_layers_order(order, n, model->views.layers.sorted ? values : NULL,
                    model->views.layers.rising);
    free(values);
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
    if (view->filter[0] != '\0') {
        snprintf(view->last, sizeof view->last, "%s", view->filter);
    }
    view->typed[0] = view->filter[0] = view->wrong[0] = '\0';
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

/* Enter keeps the part of the filter that can be understood, and selects the first layer if no
 * listed one is selected. */
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
        if (view->filter[0] != '\0') {
            snprintf(view->last, sizeof view->last, "%s", view->filter);
        }
        view->typed[0] = view->filter[0] = '\0';
        view->typing = false;
        return;
    case PL_KEY_ENTER:
    case '\n':
        keep_filter(model, intent);
        return;
    case PL_K_UP:
    case PL_K_DOWN:
        if (press.key == PL_K_UP && n == 0 && view->last[0] != '\0') {
            snprintf(view->typed, sizeof view->typed, "%s", view->last);
            break;
        }
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
        snprintf(right, sizeof right, "%sq_proj   15.*   input_ratio > 20   rounded_error < 0.01",
                 view->last[0] == '\0' ? ""
                 : surface->ascii      ? "Up recalls   "
                                       : "\u2191 recalls   ");
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

/* What is shown of each layer; the sorted column has the bar. */
typedef struct columns {
    pl_column shown[PL_COLUMN_COUNT + 1];
    size_t n;
    pl_column bar;
    double smallest, largest; /* of the bar's, above 0 */
    int name_width, bar_width;
    int tags_width; /* of the tags behind the bar; 0: they are not shown */
} columns;

/* Tags have room of their own in panes so wide. */
enum { COLUMN = 7, BAR_WIDTH = 12, TAGS_PANE = 72, TAGS_WIDTH = 24 };

/* Those behind the second are there in wide panes only, and stand further apart; so does a second
 * one whose head would touch the first one's. */
static int width_of_columns(const columns *c, size_t n)
{
    const bool wide = n > 1 && strlen(pl_columns[c->shown[1]].head) >= COLUMN;
    return COLUMN * (int)n + (n > 2 ? (int)n - 2 : 0) + (wide ? 1 : 0);
}

/* The same with one more column behind those that are shown. */
static int width_with(const columns *c, pl_column more)
{
    columns with = *c;
    with.shown[with.n++] = more;
    return width_of_columns(&with, with.n);
}

static pl_column column_of_bar(const pl_screen_model *model)
{
    return model->views.layers.sorted               ? model->views.layers.column
           : is_known(model, PL_COLUMN_INPUT_RATIO) ? PL_COLUMN_INPUT_RATIO
                                                    : PL_COLUMN_WEIGHT_RATIO;
}

/* The columns behind the bar's: the chosen ones, as many as fit; else the other ratio, and in a
 * wide pane all known ones. */
static void choose_others(const pl_screen_model *model, int width, columns *c)
{
    width -= c->tags_width;
    const pl_layers_view *view = &model->views.layers;
    const pl_column ratio =
        c->bar == PL_COLUMN_WEIGHT_RATIO ? PL_COLUMN_INPUT_RATIO : PL_COLUMN_WEIGHT_RATIO;
    const int room = width - 2 - c->name_width - 1;
    for (size_t i = 0; i < view->n_chosen; i++) {
        if (view->chosen[i] != c->bar && width_with(c, view->chosen[i]) <= room) {
            c->shown[c->n++] = view->chosen[i];
        }
    }
    if (view->n_chosen > 0) {
        return;
    }
    if (width - c->name_width >= 22) {
        c->shown[c->n++] = ratio;
    }
    for (pl_column k = 0; k < PL_COLUMN_BLOCK; k++) {
        if (k != c->bar && k != ratio && width_with(c, k) + BAR_WIDTH <= room &&
            is_known(model, k)) {
            c->shown[c->n++] = k;
        }
    }
}

/* As wide as the longest tags of a layer, a blank before them included, at most TAGS_WIDTH. */
static int width_of_tags(const pl_state *state)
{
    int widest = 0;
    for (size_t i = 0; i < state->n_remarks; i++) {
        pl_buf tags = {0};
        pl_state_put_tags(state, state->remarks[i].layer, &tags);
        const int width = tags.size > 0 ? (int)tags.size + 1 : 0; /* ASCII */
        widest = width > widest ? width : widest;
        pl_buf_deinit(&tags);
    }
    return widest > TAGS_WIDTH ? TAGS_WIDTH : widest > 0 && widest < 5 ? 5 : widest;
}

static columns choose_shown_columns(const pl_screen_model *model, size_t count, int width)
{
    columns c = {.bar = column_of_bar(model), .smallest = INFINITY};
    for (size_t i = 0; i < count; i++) {
        const double number = shown_number(model, i, c.bar);
        if (number > 0 && isfinite(number)) {
            c.largest = fmax(c.largest, number);
            c.smallest = fmin(c.smallest, number);
        }
    }
    c.name_width = width >= 34 ? 19 : 12;
    c.tags_width = width >= TAGS_PANE ? width_of_tags(model->state) : 0;
    c.shown[c.n++] = c.bar;
    choose_others(model, width, &c);
    c.bar_width = width - 2 - c.name_width - width_of_columns(&c, c.n) - 1 - c.tags_width;
    c.bar_width = c.bar_width > BAR_WIDTH ? BAR_WIDTH : c.bar_width;
    return c;
}

static void draw_bar(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int row,
                     int col, const columns *c, double score)
{
    if (!(score > 0) || !(c->largest > 0) || c->bar_width < 1) {
        return;
    }
    /* What spans decades: one extreme layer must not hide the others.  Ratios begin at 1. */
    const pl_column_info *info = &pl_columns[c->bar];
    const double from = c->smallest >= 1 ? 1 : c->smallest / 2;
    const bool decades = info->scale == PL_DECADES && c->largest > from;
    double share = isinf(score) ? 1
                   : decades    ? log(score / from) / log(c->largest / from)
                                : score / c->largest;
    unsigned style = info->source == PL_OF_INPUTS ? PL_STYLE_INPUT : PL_STYLE_AFTER;
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

/* '#' for tags, '"' for a note alone. */
static char mark_of(const pl_state *state, size_t layer)
{
    char mark = ' ';
    for (size_t i = 0; i < state->n_remarks; i++) {
        if (state->remarks[i].layer == layer) {
            mark = state->remarks[i].tag ? '#' : mark == ' ' ? '"' : mark;
        }
    }
    return mark;
}

static int col_of_tags(const columns *c)
{
    return 2 + c->name_width + width_of_columns(c, c->n) + 1 + c->bar_width + 1;
}

static void draw_layer_line(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                            int row, const columns *c, size_t layer)
{
    bool selected = layer == model->state->layer;
    const pl_layer *info = pl_model_layer(model->state->source->model, layer);
    char name[80];
    pl_layer_short(info, c->name_width > 12, name, sizeof name);
    unsigned style = selected ? PL_STYLE_STRONG : PL_STYLE_TEXT;
    const char mark[2] = {mark_of(model->state, layer), '\0'};
    pl_put(surface, rect, row, 0, selected ? style : PL_STYLE_FAINT, selected ? ">" : " ");
    if (pl_state_result(model->state, layer) != NULL) {
        pl_put(surface, rect, row, 1, PL_STYLE_AFTER, surface->ascii ? "*" : "\u2022");
    } else if (pl_state_is_foreign(model->state, layer)) {
        pl_put(surface, rect, row, 1, PL_STYLE_ERROR, "!");
    }
    pl_put_cut(surface, rect, row, 2, c->name_width, style, name);
    const int col = 2 + c->name_width;
    /* Numbers of at most six columns leave the first one blank. */
    if (mark[0] != ' ') {
        pl_put(surface, rect, row, col, PL_STYLE_FAINT, mark);
    }
    for (size_t i = 0; i < c->n; i++) {
        double score = shown_number(model, layer, c->shown[i]);
        char text[PL_NUMBER_TEXT];
        if (pl_columns[c->shown[i]].scale == PL_COUNTED && isfinite(score)) {
            snprintf(text, sizeof text, "%.0f", score);
        } else {
            pl_format_number(score, text);
        }
        unsigned tone = isnan(score) || i > 0 ? PL_STYLE_FAINT : style;
        if (isnan(score) && model->overview != NULL && layer < model->overview->n &&
            pl_columns[c->shown[i]].source == PL_OF_WEIGHTS) {
            pl_status problem = model->overview->rows[layer].problem;
            tone = problem == PL_ERR_NUMERIC ? PL_STYLE_ERROR : tone;
            snprintf(text, sizeof text, "%s",
                     problem == PL_ERR_NUMERIC ? "NaN"
                     : problem != PL_OK        ? "-"
                     : surface->ascii          ? "..."
                                               : "\u2026");
        }
        pl_put_right(surface, rect, row, col + width_of_columns(c, i + 1), tone, text);
    }
    draw_bar(model, surface, rect, row, col + width_of_columns(c, c->n) + 1, c,
             shown_number(model, layer, c->bar));
    if (c->tags_width > 0) {
        pl_buf tags = {0};
        pl_state_put_tags(model->state, layer, &tags);
        pl_put_cut(surface, rect, row, col_of_tags(c), c->tags_width - 1, style,
                   tags.data != NULL ? tags.data : "");
        pl_buf_deinit(&tags);
    }
    if (selected && model->focus == PL_PANE_LAYERS) {
        pl_mark_row(surface, rect, row, PL_REVERSE);
    }
}

static void draw_layer_heads(pl_surface *surface, pl_rect rect, const columns *c)
{
    pl_put(surface, rect, 1, 2, PL_STYLE_FAINT, "layer");
    const int col = 2 + c->name_width;
    for (size_t i = 0; i < c->n; i++) {
        pl_put_right(surface, rect, 1, col + width_of_columns(c, i + 1), PL_STYLE_FAINT,
                     pl_columns[c->shown[i]].head);
    }
    if (c->tags_width > 0) {
        pl_put_cut(surface, rect, 1, col_of_tags(c), c->tags_width - 1, PL_STYLE_FAINT, "tags");
    }
    const bool ratio = c->bar == PL_COLUMN_INPUT_RATIO || c->bar == PL_COLUMN_WEIGHT_RATIO;
    if (ratio && c->bar_width >= 8) {
        pl_put_cut(surface, rect, 1, col + width_of_columns(c, c->n) + 1, c->bar_width,
                   PL_STYLE_FAINT, surface->ascii ? "x median" : "\u00d7 median");
    }
}

static void draw_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                       const listing *l)
{
    const pl_layers_view *view = &model->views.layers;
    char title[200] = "Layers";
    char right[200] = "";
    if (view->filter[0] == '\0') {
        const char *rising = surface->ascii ? " ^" : " \u2191";
        snprintf(right, sizeof right, view->sorted ? "by %s%s" : "model order",
                 pl_columns[view->column].head, view->rising ? rising : "");
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
    columns c = choose_shown_columns(model, l.total, rect.w);
    draw_layer_heads(surface, rect, &c);
    pl_rect body = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    view->top = pl_panel_scroll_held(view->top, l.at, &view->held, l.count, body.h);
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

/* Falling and rising; in model order by what has the bar. */
static void turn_order(pl_screen_model *model)
{
    pl_layers_view *view = &model->views.layers;
    if (!view->sorted) {
        view->column = column_of_bar(model);
        view->sorted = true;
        view->rising = false;
    } else {
        view->rising = !view->rising;
    }
}

/* The next column with numbers, model order standing before the first. */
static void choose_sorted(pl_screen_model *model, int by)
{
    pl_layers_view *view = &model->views.layers;
    int at = view->sorted ? (int)view->column : -1;
    do {
        at += by;
        at = at < -1 ? PL_COLUMN_BLOCK - 1 : at >= PL_COLUMN_BLOCK ? -1 : at;
    } while (at >= 0 && !is_known(model, (pl_column)at));
    view->sorted = at >= 0;
    view->column = at >= 0 ? (pl_column)at : view->column;
    view->rising = false;
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
        turn_order(model);
        return true;
    case PL_ACT_COLUMN_BEFORE:
        choose_sorted(model, -1);
        return true;
    case PL_ACT_COLUMN_AFTER:
        choose_sorted(model, 1);
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

/* On the head of the column that orders it: the other way round. */
static void sort_by_head(pl_screen_model *model, pl_rect rect, size_t count, int x)
{
    pl_layers_view *view = &model->views.layers;
    const columns c = choose_shown_columns(model, count, rect.w);
    const int col = x - rect.x - 2 - c.name_width;
    if (c.tags_width > 0 && x - rect.x >= col_of_tags(&c) - 1) {
        return; /* no order goes by tags */
    }
    size_t i = 0;
    while (i + 1 < c.n && col >= width_of_columns(&c, i + 1)) {
        i++;
    }
    const bool bar = i + 1 == c.n && col > width_of_columns(&c, c.n); /* it is the first column's */
    const pl_column column = c.shown[bar ? 0 : i];
    view->rising = col >= 0 && view->sorted && view->column == column && !view->rising;
    view->sorted = col >= 0; /* else by the names: in model order */
    view->column = column;
}

static bool mouse_in_layers(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent)
{
    pl_layers_view *view = &model->views.layers;
    listing l;
    if (!list(model, &l)) {
        return false;
    }
    const int line = pl_mouse_line(mouse, rect, 2);
    bool row = false;
    if (!pl_mouse_scroll(mouse, l.at, &view->top, &view->held) && mouse.kind == PL_MOUSE_PRESS) {
        row = line >= 0 && view->top + (size_t)line < l.count;
        if (row) {
            select_layer(model, l.layers[view->top + (size_t)line], intent);
        } else if (mouse.y == rect.y + 1) {
            sort_by_head(model, rect, l.total, mouse.x);
        }
    }
    free(l.layers);
    return row;
}

const pl_panel pl_panel_layers = {
    .draw = draw_layers, .act = act_in_layers, .mouse = mouse_in_layers};
