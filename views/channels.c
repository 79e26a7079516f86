/* The channel plot: maxima per input channel of the weights, before and after, or of the inputs,
 * from the live picture; or their distribution as a fan, from the worker's figure. */
#include "views/figure_view.h"

#include "core/metrics/outliers.h"
#include "core/model/bare.h"
#include "views/plot.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES = 2 + PL_MAX_KEPT };

/* The series shown, the reference first, pinned baselines before the last. */
typedef struct shown {
    const float *values[SERIES];
    const char *labels[SERIES];
    pl_tone tones[SERIES];
    size_t n, channels;
    bool pinned[SERIES];
    char pins[PL_MAX_KEPT][PL_NUMBER_TEXT]; /* their names */
    bool unsolved;                          /* a series was asked for that only a solve makes */
} shown;

static void add_shown(shown *s, const float *values, const char *label, pl_tone tone)
{
    if (values != NULL && s->n < SERIES) {
        s->values[s->n] = values;
        s->labels[s->n] = label;
        s->tones[s->n] = tone;
        s->n++;
    }
}

static void add_pins(const pl_picture *picture, shown *s)
{
    for (size_t i = 0; i < picture->n_pins && i < PL_MAX_KEPT; i++) {
        if (picture->pins[i].named) {
            snprintf(s->pins[i], sizeof s->pins[i], "%.*s", (int)sizeof s->pins[i] - 1,
                     picture->pins[i].label);
        } else {
            snprintf(s->pins[i], sizeof s->pins[i], "pin %zu", picture->pins[i].index + 1);
        }
        s->pinned[s->n] = true;
        add_shown(s, picture->pins[i].max, s->pins[i],
                  (pl_tone)(PL_TONE_EXTRA + picture->pins[i].index % 8));
    }
}

static void choose_shown(const pl_state *state, const pl_picture *picture, shown *s)
{
    if (state->side == PL_SIDE_INPUT) {
        add_shown(s, picture->input, "inputs", PL_TONE_INPUT);
        return;
    }
    pl_which which = state->which;
    bool both = which == PL_WHICH_BOTH;
    const float *moved = which == PL_WHICH_BEFORE          ? NULL
                         : which == PL_WHICH_AFTER         ? picture->after
                         : picture->preconditioned != NULL ? picture->preconditioned
                         : both                            ? picture->after
                                                           : NULL;
    bool rounded = moved != NULL && moved == picture->after;
    s->unsolved = moved == NULL && which != PL_WHICH_BEFORE;
    if (both || moved == NULL) {
        add_shown(s, picture->before, "before", PL_TONE_BEFORE);
    }
    add_pins(picture, s);
    add_shown(s, moved, rounded ? "after" : "preconditioned",
              rounded ? PL_TONE_AFTER : PL_TONE_PRECONDITIONED);
}

/* False if there is nothing to show. */
static bool show_channels(const pl_looked *at, shown *s)
{
    *s = (shown){0};
    if (at->picture == NULL) {
        return false;
    }
    choose_shown(at->state, at->picture, s);
    s->channels = at->picture->cols;
    return s->n > 0;
}

static bool is_sorted(const pl_figure *figure)
{
    return figure->n_series > 0 && figure->series[0].mark == PL_MARK_LINE;
}

/* Channels that come before this one in falling order of the first series. */
static size_t rank_of(const shown *s, size_t channel)
{
    const float *values = s->values[0];
    size_t rank = 0;
    for (size_t i = 0; i < s->channels; i++) {
        rank += values[i] > values[channel] || (values[i] == values[channel] && i < channel);
    }
    return rank;
}

static size_t largest_shown(const shown *s)
{
    size_t best = 0;
    for (size_t i = 1; i < s->channels; i++) {
        best = s->values[0][i] > s->values[0][best] ? i : best;
    }
    return best;
}

static size_t cursor_of(const pl_state *state, const shown *s)
{
    size_t channel = state->channel;
    return channel < s->channels ? channel : largest_shown(s);
}

static double place_channel(const pl_looked *at)
{
    shown s;
    if (!show_channels(at, &s)) {
        return NAN;
    }
    size_t channel = cursor_of(at->state, &s);
    return is_sorted(at->figure) ? (double)rank_of(&s, channel) + 1 : (double)channel;
}

static size_t channel_at(const pl_looked *at, double x)
{
    shown s;
    if (!show_channels(at, &s) || x < 0) {
        return SIZE_MAX;
    }
    size_t rank = (size_t)(x + 0.5);
    if (!is_sorted(at->figure)) {
        return rank < s.channels ? rank : SIZE_MAX;
    }
    size_t *order = rank >= 1 && rank <= s.channels ? malloc((rank + 1) * sizeof *order) : NULL;
    if (order == NULL) {
        return SIZE_MAX;
    }
    pl_top_channels(s.values[0], s.channels, rank, order);
    size_t channel = order[rank - 1];
    free(order);
    return channel;
}

static const pl_figure_look look = {.follows = true, .place = place_channel, .channel = channel_at};

/* A fan by index shows channels, too; a sorted one ranks of each number by itself. */
static const pl_figure_look ranks = {.follows = false};

/* A series' name where there is room for it, and where there is less. */
static const char *label_of_shown(const shown *s, size_t i, bool brief)
{
    bool shorten = brief && strcmp(s->labels[i], "preconditioned") == 0;
    return shorten ? "precond" : s->labels[i];
}

/* The crosshair's channel: "12: 0.603 -> 0.530  2.36 x median". */
static void cursor_text(const shown *s, size_t cursor, const char *unit, char out[160])
{
    char number[PL_NUMBER_TEXT];
    size_t used = (size_t)snprintf(out, 160, "%zu:", cursor);
    bool first = true;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->pinned[i]) {
            pl_format_number((double)s->values[i][cursor], number);
            used +=
                (size_t)snprintf(out + used, 160 - used, "%s %s", first ? "" : " \u2192", number);
            first = false;
        }
    }
    pl_format_number((double)s->values[0][cursor] / pl_median(s->values[0], s->channels), number);
    if (unit != NULL) {
        snprintf(out + used, 160 - used, "  %s %s", number, unit);
    }
}

static int legend_width(const shown *s, bool brief)
{
    int width = 0;
    for (size_t i = 0; i < s->n; i++) {
        width += 4 + (int)pl_text_width(label_of_shown(s, i, brief));
    }
    return width;
}

/* The series up to column `end`, pinned ones last; returns the column behind them. */
static int put_names(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                     const shown *s, const pl_figure *figure, size_t cursor, bool brief, int end)
{
    pl_plot_options options = {.marks = model->marks, .colours = model->colours};
    unsigned stale = model->stale ? PL_STALE : 0;
    int col = 1;
    size_t put = 0;
    for (size_t k = 0; k < 2 * s->n; k++) {
        size_t i = k % s->n;
        if (s->pinned[i] != (k >= s->n)) {
            continue;
        }
        unsigned style = (unsigned)pl_plot_style(s->tones[i]) | stale;
        const char *label = label_of_shown(s, i, brief);
        int more = put + 1 < s->n ? 3 : 0; /* room to say how many are left out */
        if (col + 2 + (int)pl_text_width(label) + more > end) {
            char rest[24];
            int digits = snprintf(rest, sizeof rest, "+%zu", s->n - put);
            return col + digits <= end ? col + pl_put(surface, rect, 1, col, PL_STYLE_FAINT, rest)
                                       : col;
        }
        put++;
        pl_put_code(surface, rect, 1, col, style, pl_plot_symbol(figure, i, &options));
        col += 2;
        col += pl_put(surface, rect, 1, col, style, label) + 2;
        char number[PL_NUMBER_TEXT];
        pl_format_number((double)s->values[i][cursor], number);
        if (s->pinned[i] && col + (int)strlen(number) + more < end) {
            col += pl_put(surface, rect, 1, col - 1, PL_STYLE_CURSOR | stale, number) + 1;
        }
    }
    return col;
}

static void draw_legend(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                        const shown *s, const pl_figure *figure, size_t cursor)
{
    static const char *const units[] = {"\u00d7 median", "\u00d7 median", "\u00d7 med", NULL};
    unsigned stale = model->stale ? PL_STALE : 0;
    char text[160];
    int width = 0;
    bool brief = false;
    for (int i = 0; i < 4; i++) {
        brief = i > 0;
        cursor_text(s, cursor, units[i], text);
        width = (int)pl_text_width(text);
        if (1 + legend_width(s, brief) + width < rect.w) {
            break;
        }
    }
    pl_put_right(surface, rect, 1, rect.w - 1, PL_STYLE_CURSOR | stale, text);
    int col = put_names(model, surface, rect, s, figure, cursor, brief, rect.w - width - 2);
    char hint[64];
    pl_keymap_say(model->keys, model->focus,
                  pl_can_solve(model->state) ? "{solve} solves" : pl_calibrate_hint(model->state),
                  hint, sizeof hint);
    if (s->unsolved && !model->solving && !model->calibrating &&
        col + (int)pl_text_width(hint) < rect.w - width - 2) {
        pl_put(surface, rect, 1, col, PL_STYLE_FAINT, hint);
    }
}

/* The live figure; false with a sentence. */
static bool make_shown(pl_pane_view settings, const shown *s, pl_figure *out, pl_error *err)
{
    pl_channels_data data = {.title = "",
                             .y_label = "",
                             .n_series = s->n,
                             .n = s->channels,
                             .sorted = settings.sorted,
                             .log = settings.log,
                             .median_rule = true};
    for (size_t i = 0; i < s->n; i++) {
        data.values[i] = s->values[i];
        data.labels[i] = s->labels[i];
        data.tones[i] = s->tones[i];
        data.points[i] = s->pinned[i];
    }
    if (pl_figure_channels(&data, out, err) != PL_OK) {
        return false;
    }
    if (settings.sorted) { /* the paper's words are too long here */
        free(out->x.label);
        out->x.label = strdup("rank");
    }
    /* Cells need no room beside the spines. */
    out->x.lo = settings.sorted ? 0.5 : -0.5;
    out->x.hi = out->x.lo + (double)s->channels;
    out->n_notes = 0; /* the crosshair goes from one to the next */
    return true;
}

static void draw_live(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                      const shown *s)
{
    pl_figure figure;
    pl_error err = {0};
    if (!make_shown(pl_view_settings(model->state, pane), s, &figure, &err)) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_ERROR, err.message);
        return;
    }
    pl_rect plot = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    pl_figure_view_plot(model, surface, plot, pane, &look, &figure, model->stale);
    draw_legend(model, surface, rect, s, &figure, cursor_of(model->state, s));
    pl_figure_deinit(&figure);
}

static void draw_no_channels(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_picture *picture = pl_present_picture(model);
    int middle = rect.h / 2;
    const char *line = "reading the layer";
    if (model->state->source == NULL) {
        line = "no model is open:  :open PATH";
    } else if (model->picture_error != NULL) {
        line = model->picture_error;
    } else if (picture != NULL && model->calibrating) {
        line = "calibrating;  {side} shows the weights";
    } else if (picture != NULL && model->state->calibration.n_texts == 0) {
        line = pl_model_is_bare(model->state->source->model)
                   ? "no inputs were given (:open W inputs=X);  {side} shows the weights"
                   : "not calibrated:  {calibrate} calibrates, {side} shows the weights";
    } else if (picture != NULL) {
        line = "the inputs are being read";
    }
    char text[200];
    if (model->picture_error == NULL) {
        pl_keymap_say(model->keys, model->focus, line, text, sizeof text);
        line = text;
    }
    int width = (int)pl_text_width(line);
    int col = width < rect.w - 2 ? (rect.w - width) / 2 : 1;
    pl_put_cut(surface, rect, middle, col, rect.w - 2,
               model->picture_error != NULL ? PL_STYLE_ERROR : PL_STYLE_TEXT, line);
}

/* The fan, and inputs behind a transform: the live picture holds neither. */
static bool is_figure(const pl_state *state, pl_pane pane)
{
    pl_request request;
    const pl_pane_view settings = pl_view_settings(state, pane);
    return pl_view_form(pl_kind_find("channels"), settings.form) > 0 ||
           (state->source != NULL && pl_view_request(state, pane, &request) &&
            pl_request_turns_inputs(&request));
}

static bool live(const pl_state *state, pl_pane pane)
{
    return !is_figure(state, pane);
}

static const pl_figure_look *figure_look(const pl_screen_model *model, pl_pane pane)
{
    return pl_view_settings(model->state, pane).sorted ? &ranks : &look;
}

static void draw_channels(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    if (is_figure(model->state, pane)) {
        pl_figure_view_draw(model, surface, rect, pane, figure_look(model, pane));
        return;
    }
    const pl_pane_view settings = pl_view_settings(model->state, pane);
    char right[96];
    const pl_picture *picture = pl_present_picture(model);
    if (picture != NULL && picture->preview_rows > 0) {
        snprintf(right, sizeof right, "preview: %zu of %zu rows", picture->preview_rows,
                 picture->rows);
    } else {
        snprintf(right, sizeof right, "%s%s%s%s",
                 model->state->side == PL_SIDE_INPUT ? "max |x|" : "max |w|",
                 rect.w >= 64 ? " per channel" : "", settings.sorted ? ", sorted" : "",
                 settings.log ? ", log" : "");
    }
    char title[200] = "Channels";
    if (model->state->source != NULL) {
        pl_panel_layer_title(model, model->state->layer, "", rect.w, right, title, sizeof title);
    }
    pl_panel_title(model, surface, rect, pane, title, right);
    shown s;
    const pl_looked at = pl_figure_looked(model, NULL);
    if (!show_channels(&at, &s)) {
        draw_no_channels(model, surface, rect);
        return;
    }
    draw_live(model, surface, rect, pane, &s);
}

static bool act_in_channels(pl_screen_model *model, pl_pane pane, pl_action action,
                            pl_intent *intent)
{
    if (is_figure(model->state, pane)) {
        return pl_figure_view_act(model, pane, action, intent, figure_look(model, pane));
    }
    shown s;
    pl_figure figure;
    const pl_looked at = pl_figure_looked(model, NULL);
    bool moves = action != PL_ACT_SORT && action != PL_ACT_LOG;
    if (!moves || !show_channels(&at, &s) ||
        !make_shown(pl_view_settings(model->state, pane), &s, &figure, NULL)) {
        return false;
    }
    bool taken = pl_figure_keys(model, pane, action, intent, &look, &figure);
    pl_figure_deinit(&figure);
    return taken;
}

static bool mouse_in_channels(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                              pl_intent *intent)
{
    if (is_figure(model->state, pane)) {
        return pl_figure_view_mouse(model, pane, rect, mouse, intent, figure_look(model, pane));
    }
    shown s;
    pl_figure figure;
    const pl_looked at = pl_figure_looked(model, NULL);
    if (!show_channels(&at, &s) ||
        !make_shown(pl_view_settings(model->state, pane), &s, &figure, NULL)) {
        intent->wait = pl_picture_comes(model);
        return false;
    }
    const bool taken = pl_figure_mouse(model, pane, mouse, intent, &look, &figure);
    pl_figure_deinit(&figure);
    return taken;
}

const pl_screen_view pl_view_channels = {
    .name = "channels",
    .figure = true,
    .live = live,
    .draw = draw_channels,
    .act = act_in_channels,
    .mouse = mouse_in_channels,
};
