/* The channel plot: maxima per input channel of the weights, before and after, or of the inputs. */
#include "views/panel.h"

#include "core/metrics/outliers.h"
#include "plots/figure.h"
#include "views/plot.h"
#include "views/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The series shown, the reference first, and its channels by falling value. */
typedef struct shown {
    const float *values[2];
    const char *labels[2];
    pl_tone tones[2];
    size_t n, channels;
    size_t *order; /* [channels] */
    bool unsolved; /* a series was asked for that only a solve makes */
} shown;

static void add(shown *s, const float *values, const char *label, pl_tone tone)
{
    if (values != NULL && s->n < 2) {
        s->values[s->n] = values;
        s->labels[s->n] = label;
        s->tones[s->n] = tone;
        s->n++;
    }
}

static void choose(const pl_screen_model *model, const pl_picture *picture, shown *s)
{
    if (model->state->side == PL_SIDE_INPUT) {
        add(s, picture->input, "inputs", PL_TONE_INPUT);
        return;
    }
    pl_which which = model->state->which;
    if (which == PL_WHICH_BEFORE || which == PL_WHICH_BOTH) {
        add(s, picture->before, "before", PL_TONE_BEFORE);
    }
    if (which == PL_WHICH_PRECONDITIONED || which == PL_WHICH_BOTH) {
        add(s, picture->preconditioned, "preconditioned", PL_TONE_PRECONDITIONED);
    }
    if (which == PL_WHICH_AFTER || (which == PL_WHICH_BOTH && picture->preconditioned == NULL)) {
        add(s, picture->after, "after", PL_TONE_AFTER);
    }
    s->unsolved = s->n == 0 || (s->n == 1 && which == PL_WHICH_BOTH);
    if (s->n == 0) {
        add(s, picture->before, "before", PL_TONE_BEFORE);
    }
}

/* False if there is nothing to show.  Caller frees s->order. */
static bool show(const pl_screen_model *model, shown *s)
{
    *s = (shown){0};
    const pl_picture *picture = pl_present_picture(model);
    if (picture == NULL) {
        return false;
    }
    choose(model, picture, s);
    s->channels = picture->cols;
    s->order = s->n > 0 ? malloc((s->channels + 1) * sizeof *s->order) : NULL;
    if (s->order == NULL) {
        return false;
    }
    pl_top_channels(s->values[0], s->channels, s->channels, s->order);
    return true;
}

/* Where a channel is on the horizontal axis, from 0. */
static size_t place_of(const pl_channels_view *view, const shown *s, size_t channel)
{
    for (size_t i = 0; view->sorted && i < s->channels; i++) {
        if (s->order[i] == channel) {
            return i;
        }
    }
    return channel;
}

static size_t cursor_of(const pl_channels_view *view, const shown *s)
{
    bool placed = view->placed && view->cursor < s->channels;
    return placed ? view->cursor : s->order[0];
}

/* A series' name where there is room for it, and where there is less. */
static const char *label_of(const shown *s, size_t i, bool brief)
{
    bool shorten = brief && strcmp(s->labels[i], "preconditioned") == 0;
    return shorten ? "precond" : s->labels[i];
}

/* The crosshair's channel: "12: 0.603 -> 0.530  2.36 x median". */
static void cursor_text(const shown *s, size_t cursor, const char *unit, char out[160])
{
    char number[PL_NUMBER_TEXT];
    size_t used = (size_t)snprintf(out, 160, "%zu:", cursor);
    for (size_t i = 0; i < s->n; i++) {
        pl_format_number((double)s->values[i][cursor], number);
        used +=
            (size_t)snprintf(out + used, 160 - used, "%s %s", i > 0 ? " \u2192" : "", number);
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
        width += 4 + (int)pl_text_width(label_of(s, i, brief));
    }
    return width;
}

static void draw_legend(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                        const shown *s, size_t cursor)
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
    bool ascii = surface->ascii;
    int col = 1;
    for (size_t i = 0; i < s->n; i++) {
        bool cap = i == 0 && s->n > 1;
        unsigned style = (unsigned)pl_plot_style(s->tones[i]) | stale;
        const char *mark = cap ? (ascii ? "'" : "\u00b7") : ascii ? ":" : "\u2588";
        const char *label = label_of(s, i, brief);
        if (col + 2 + (int)pl_text_width(label) > rect.w - width - 2) {
            return;
        }
        col += pl_put(surface, rect, 1, col, style, mark) + 1;
        col += pl_put(surface, rect, 1, col, style, label) + 2;
    }
    const char *hint = pl_can_solve(model->state) ? "Space solves" : "c calibrates";
    if (s->unsolved && !model->solving && !model->calibrating &&
        col + (int)pl_text_width(hint) < rect.w - width - 2) {
        pl_put(surface, rect, 1, col, PL_STYLE_FAINT, hint);
    }
}

static void draw_plot(pl_screen_model *model, pl_surface *surface, pl_rect rect, const shown *s)
{
    const pl_channels_view *view = &model->views.channels;
    pl_channels_data data = {.title = "",
                             .y_label = "",
                             .n_series = s->n,
                             .n = s->channels,
                             .sorted = view->sorted,
                             .log = view->log,
                             .median_rule = true};
    for (size_t i = 0; i < s->n; i++) {
        data.values[i] = s->values[i];
        data.labels[i] = s->labels[i];
        data.tones[i] = s->tones[i];
    }
    pl_figure figure;
    pl_error err = {0};
    if (pl_figure_channels(&data, &figure, &err) != PL_OK) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_ERROR, err.message);
        return;
    }
    if (view->sorted) { /* the paper's words are too long here */
        free(figure.x.label);
        figure.x.label = strdup("rank");
    }
    size_t cursor = cursor_of(view, s);
    size_t shown_channels =
        view->shown > 0 && view->shown < s->channels ? view->shown : s->channels;
    size_t first = view->first + shown_channels <= s->channels ? view->first : 0;
    double base = view->sorted ? 1 : 0;
    figure.x.lo = (double)first + base - 0.5;
    figure.x.hi = (double)(first + shown_channels) + base - 0.5;
    pl_plot_options options = {.marks = model->marks,
                               .stale = model->stale,
                               .crosshair = true,
                               .line = model->focus == PL_PANE_CHANNELS,
                               .cursor = (double)place_of(view, s, cursor) + base};
    pl_rect plot = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    if (pl_plot_draw(&figure, &options, surface, plot, &err) != PL_OK) {
        pl_put_cut(surface, plot, 0, 1, rect.w - 2, PL_STYLE_ERROR, err.message);
    }
    pl_figure_deinit(&figure);
}

static void draw_missing(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_picture *picture = pl_present_picture(model);
    int middle = rect.h / 2;
    const char *line = "reading the layer";
    if (model->state->source == NULL) {
        line = "no model is open:  :open PATH";
    } else if (model->picture_error != NULL) {
        line = model->picture_error;
    } else if (picture != NULL && model->calibrating) {
        line = "calibrating;  s shows the weights";
    } else if (picture != NULL && model->state->calibration.n_texts == 0) {
        line = "not calibrated:  c calibrates, s shows the weights";
    } else if (picture != NULL) {
        line = "the inputs are being read";
    }
    int width = (int)pl_text_width(line);
    int col = width < rect.w - 2 ? (rect.w - width) / 2 : 1;
    pl_put_cut(surface, rect, middle, col, rect.w - 2,
               model->picture_error != NULL ? PL_STYLE_ERROR : PL_STYLE_TEXT, line);
}

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_channels_view *view = &model->views.channels;
    char title[120] = "Channels";
    if (model->state->source != NULL) {
        const pl_layer *layer = pl_model_layer(model->state->source->model, model->state->layer);
        char name[80];
        pl_layer_short(layer, true, name, sizeof name);
        snprintf(title, sizeof title, "%s  [%zu, %zu]", name, layer->rows, layer->cols);
    }
    char right[96];
    snprintf(right, sizeof right, "%s%s%s%s",
             model->state->side == PL_SIDE_INPUT ? "max |x|" : "max |w|",
             rect.w >= 64 ? " per channel" : "", view->sorted ? ", sorted" : "",
             view->log ? ", log" : "");
    pl_panel_title(model, surface, rect, PL_PANE_CHANNELS, title, right);
    shown s;
    if (!show(model, &s)) {
        draw_missing(model, surface, rect);
        return;
    }
    draw_plot(model, surface, rect, &s);
    draw_legend(model, surface, rect, &s, cursor_of(view, &s));
    free(s.order);
}

/* Keeps the crosshair within the channels shown. */
static void follow(pl_channels_view *view, size_t place, size_t channels)
{
    if (view->shown == 0 || view->shown >= channels) {
        view->shown = view->first = 0;
        return;
    }
    if (place < view->first) {
        view->first = place;
    } else if (place >= view->first + view->shown) {
        view->first = place - view->shown + 1;
    }
    if (view->first + view->shown > channels) {
        view->first = channels - view->shown;
    }
}

static void move_to(pl_channels_view *view, const shown *s, long place)
{
    long last = (long)s->channels - 1;
    size_t to = (size_t)(place < 0 ? 0 : place > last ? last : place);
    view->cursor = view->sorted ? s->order[to] : to;
    view->placed = true;
    follow(view, to, s->channels);
}

static void zoom(pl_channels_view *view, const shown *s, size_t place, bool in)
{
    size_t now = view->shown > 0 ? view->shown : s->channels;
    size_t next = in ? now / 2 : now * 2;
    next = next < 16 ? 16 : next;
    if (next >= s->channels) {
        view->shown = view->first = 0;
        return;
    }
    view->shown = next;
    view->first = place > next / 2 ? place - next / 2 : 0;
    follow(view, place, s->channels);
}

/* From outlier to outlier: `by` ranks further down. */
static void move_peak(pl_channels_view *view, const shown *s, long by)
{
    size_t cursor = cursor_of(view, s);
    long rank = 0;
    while (s->order[rank] != cursor) {
        rank++;
    }
    rank += by;
    rank = rank < 0 ? 0 : rank >= (long)s->channels ? (long)s->channels - 1 : rank;
    size_t channel = s->order[rank];
    move_to(view, s, (long)place_of(view, s, channel));
}

static bool act_on(pl_channels_view *view, const shown *s, pl_action action)
{
    long place = (long)place_of(view, s, cursor_of(view, s));
    size_t shown_channels = view->shown > 0 ? view->shown : s->channels;
    long far = shown_channels >= 32 ? (long)shown_channels / 16 : 2;
    switch (action) {
    case PL_ACT_LEFT:
        move_to(view, s, place - 1);
        return true;
    case PL_ACT_RIGHT:
        move_to(view, s, place + 1);
        return true;
    case PL_ACT_FAR_LEFT:
        move_to(view, s, place - far);
        return true;
    case PL_ACT_FAR_RIGHT:
        move_to(view, s, place + far);
        return true;
    case PL_ACT_PAGE_UP:
        move_to(view, s, place - 4 * far);
        return true;
    case PL_ACT_PAGE_DOWN:
        move_to(view, s, place + 4 * far);
        return true;
    case PL_ACT_FIRST:
        move_to(view, s, 0);
        return true;
    case PL_ACT_LAST:
        move_to(view, s, (long)s->channels - 1);
        return true;
    case PL_ACT_NEXT_PEAK:
        move_peak(view, s, 1);
        return true;
    case PL_ACT_PREV_PEAK:
        move_peak(view, s, -1);
        return true;
    case PL_ACT_ZOOM_IN:
        zoom(view, s, (size_t)place, true);
        return true;
    case PL_ACT_ZOOM_OUT:
        zoom(view, s, (size_t)place, false);
        return true;
    default:
        return false;
    }
}

static bool act(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    (void)intent;
    pl_channels_view *view = &model->views.channels;
    switch (action) {
    case PL_ACT_SORT:
        view->sorted = !view->sorted;
        view->first = view->shown = 0;
        return true;
    case PL_ACT_LOG:
        view->log = !view->log;
        return true;
    case PL_ACT_ZOOM_ALL:
        view->first = view->shown = 0;
        return true;
    default:
        break;
    }
    shown s;
    if (!show(model, &s)) {
        return false;
    }
    bool taken = act_on(view, &s, action);
    free(s.order);
    return taken;
}

const pl_panel pl_panel_channels = {.draw = draw, .act = act};
