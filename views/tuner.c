/* The tuner: methods and their parameters on the left, what they do to the layer on the right. */
#include "views/tuner.h"

#include "core/model/bare.h"
#include "views/ruler.h"
#include "views/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The layers of a method: a pattern, or this layer alone by its short name or as its own. */
static void draw_of_layers(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                           int line, int col, const char *glob)
{
    const pl_layer *layer = pl_model_layer(model->state->source->model, model->state->layer);
    const int room = rect.w - col - 1;
    char own[80];
    pl_layer_short(layer, false, own, sizeof own);
    if (strcmp(glob, layer->name) != 0) {
        snprintf(own, sizeof own, "%s", glob);
    } else if ((int)pl_text_width(own) > room) {
        snprintf(own, sizeof own, "own");
    }
    pl_put_cut(surface, rect, line, col + 1, room, PL_STYLE_FAINT, own);
}

static void draw_method(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int line,
                        const pl_tuner_row *row, unsigned style)
{
    const char *glob = pl_tuner_glob(model, row);
    const char *name = row->spec->method != NULL ? row->spec->method->name : "none";
    int col = 1 + pl_put(surface, rect, line, 1, PL_STYLE_FAINT,
                         row->slot == PL_SLOT_ROUND       ? "round "
                         : row->slot == PL_SLOT_TRANSFORM ? "transform "
                                                          : "precond ");
    col += pl_put(surface, rect, line, col, style | PL_BOLD, name);
    if (glob != NULL) {
        draw_of_layers(model, surface, rect, line, col, glob);
    }
}

static void draw_param(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int line,
                       const pl_tuner_row *row, bool selected)
{
    const pl_tuner_view *view = &model->views.tuner;
    const pl_param *param = &row->spec->method->params[row->param];
    const bool sought = pl_spec_seeks(row->spec, row->param);
    const double number = pl_tuner_value(model, row);
    pl_buf value = {0};
    pl_spec spec = *row->spec;
    spec.values[row->param] = isnan(number) ? 0.0 : number;
    if (isnan(number)) {
        pl_buf_puts(&value, surface->ascii ? "..." : "\u2026"); /* being found */
    } else {
        pl_spec_format_value(&spec, row->param, &value);
    }
    const char *text = value.data != NULL ? value.data : "";
    char shorter[PL_NUMBER_TEXT];
    int end = rect.w - 1;
    if (param->type == PL_PARAM_REAL && !isnan(number) &&
        (int)(strlen(text) + strlen(param->name)) + (selected ? 5 : 3) > end) {
        pl_format_number(number, shorter); /* the name is not cut for digits */
        text = shorter;
    }
    int room = end - 3 - (int)strlen(text) - selected;
    char name[64];
    const bool fits = (int)(strlen(param->name) + strlen(" found")) <= room;
    snprintf(name, sizeof name, "%s%s", param->name, sought && fits ? " found" : "");
    pl_put_cut(surface, rect, line, 2, room, selected ? PL_STYLE_STRONG : PL_STYLE_TEXT, name);
    if (selected && view->editing) {
        char field[48];
        snprintf(field, sizeof field, "%s ", view->text);
        pl_put_right(surface, rect, line, end, PL_STYLE_STRONG | PL_REVERSE, field);
        surface->cursor_y = rect.y + line;
        surface->cursor_x = rect.x + end - 1;
    } else if (selected) {
        bool ascii = surface->ascii;
        char knob[64];
        snprintf(knob, sizeof knob, "%s%s%s", ascii ? "<" : "\u2039", text, ascii ? ">" : "\u203a");
        pl_put_right(surface, rect, line, end, PL_STYLE_STRONG, knob);
    } else {
        bool standard = sought || row->spec->values[row->param] == param->initial;
        pl_put_right(surface, rect, line, end, standard ? PL_STYLE_FAINT : PL_STYLE_TEXT, text);
    }
    pl_buf_deinit(&value);
}

static void draw_list(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_tuner_view *view = &model->views.tuner;
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    view->row = view->row < n ? view->row : n - 1;
    view->top = pl_panel_scroll_held(view->top, view->row, &view->held, n, rect.h);
    for (int line = 0; line < rect.h && view->top + (size_t)line < n; line++) {
        size_t i = view->top + (size_t)line;
        bool selected = i == view->row;
        pl_put(surface, rect, line, 0, PL_STYLE_STRONG, selected ? ">" : " ");
        if (rows[i].param == SIZE_MAX) {
            draw_method(model, surface, rect, line, &rows[i],
                        selected ? PL_STYLE_STRONG : PL_STYLE_TITLE);
        } else {
            draw_param(model, surface, rect, line, &rows[i], selected);
        }
        if (selected && model->focus == PL_PANE_TUNER && !view->editing) {
            pl_mark_row(surface, rect, line, PL_REVERSE);
        }
    }
    bool above = view->top > 0;
    bool below = view->top + (size_t)rect.h < n;
    if (above) {
        pl_put(surface, rect, 0, rect.w - 1, PL_STYLE_FAINT, surface->ascii ? "^" : "\u2191");
    }
    if (below) {
        pl_put(surface, rect, rect.h - 1, rect.w - 1, PL_STYLE_FAINT,
               surface->ascii ? "v" : "\u2193");
    }
}

/* Where the numbers stand and how sure they are. */
typedef struct numbers {
    pl_surface *surface;
    pl_rect rect;
    int line;       /* the next one */
    unsigned stale; /* PL_STALE: of an earlier value */
    bool estimated; /* of a preview: marked by a ~, and what it does not know yet by an ellipsis */
} numbers;

/* By more than this a rounded error is worse than that of the rounder alone, and red. */
static const double WORSE = 1.0005;

enum { BEFORE_END = 15, AFTER_END = 23, CHANGE_END = 30, PERPLEXITY_ROWS = 12 };

static bool has_room(const numbers *n)
{
    return n->line < n->rect.h;
}

static const char *pending(const numbers *n)
{
    return n->surface->ascii ? "..." : "\u2026";
}

/* One line of numbers: what, before, after, change; smaller is better. */
static void draw_numbers(numbers *n, const char *what, double before, double after)
{
    char text[PL_NUMBER_TEXT];
    char marked[PL_NUMBER_TEXT + 4];
    if (!has_room(n)) {
        return;
    }
    pl_put(n->surface, n->rect, n->line, 0, PL_STYLE_TEXT, what);
    pl_format_number(before, text);
    pl_put_right(n->surface, n->rect, n->line, BEFORE_END, PL_STYLE_FAINT | n->stale, text);
    pl_format_number(after, text);
    snprintf(marked, sizeof marked, "%s%s", n->estimated && isfinite(after) ? "~" : "",
             n->estimated && isnan(after) ? pending(n) : text);
    pl_put_right(n->surface, n->rect, n->line, AFTER_END, PL_STYLE_STRONG | n->stale, marked);
    pl_format_change(before, after, text);
    char *minus = strchr(text, '-');
    snprintf(marked, sizeof marked, "%s%s", minus != NULL ? "\u2212" : "",
             minus != NULL ? minus + 1 : text);
    unsigned tone = after < before * 0.9995  ? PL_STYLE_GOOD
                    : after > before * WORSE ? PL_STYLE_BAD
                                             : PL_STYLE_FAINT;
    if (n->rect.w >= CHANGE_END) {
        pl_put_right(n->surface, n->rect, n->line, CHANGE_END, tone | n->stale, marked);
    }
    n->line++;
}

/* "of A": of which setting it is where that is not the one shown. */
static void setting_text(const pl_measured *measured, char out[PL_KEPT_NAME + 24])
{
    snprintf(out, PL_KEPT_NAME + 24, "%s%s", !measured->stale ? "" : "of ",
             !measured->stale          ? ""
             : measured->of[0] != '\0' ? measured->of
                                       : "another setting");
}

/* Where there is no room for its lines: in place of the time. */
static void draw_short_perplexity(const pl_measured *measured, numbers *n)
{
    char after[PL_NUMBER_TEXT];
    char error[PL_NUMBER_TEXT];
    char before[PL_NUMBER_TEXT];
    char text[160];
    char of[PL_KEPT_NAME + 24];
    pl_format_number(measured->after, after);
    pl_format_number(measured->after_error, error);
    pl_format_number(measured->before, before);
    setting_text(measured, of);
    snprintf(text, sizeof text, "ppl %s%s%s \u00b1 %s, original %s", after,
             of[0] != '\0' ? " " : "", of, error, before);
    pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w,
               measured->stale ? PL_STYLE_FAINT | PL_STALE : PL_STYLE_STRONG, text);
}

/* How many rows a preview has, or how long the solve takes; else how it was made. */
static void draw_time(const pl_screen_model *model, numbers *n, const pl_picture *picture)
{
    const pl_solve_report *report = picture != NULL && picture->solved ? &picture->report : NULL;
    char seconds[PL_NUMBER_TEXT];
    char text[96];
    if (picture != NULL && picture->preview_rows > 0) {
        char some[PL_NUMBER_TEXT];
        char all[PL_NUMBER_TEXT];
        pl_format_count((double)picture->preview_rows, some);
        pl_format_count((double)picture->rows, all);
        snprintf(text, sizeof text, "%s: %s of %s rows",
                 picture->preview_rounding ? "rounding" : "preview", some, all);
        pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w, PL_STYLE_BUSY, text);
        return;
    }
    if (model->solving) {
        pl_format_seconds(model->solving_seconds, seconds);
        pl_putf(n->surface, n->rect, n->line++, 0, PL_STYLE_BUSY, "solving %s", seconds);
        return;
    }
    if (report == NULL) {
        const char *hint = "{solve} or \u2190\u2192 solves";
        char said[64];
        if (!pl_can_solve(model->state)) {
            const pl_source *source = model->state->source;
            bool bare = source != NULL && pl_model_is_bare(source->model);
            hint = bare                  ? "solving needs inputs=X"
                   : !model->calibrating ? "solving needs :calibrate ({calibrate})"
                   : model->solve_later  ? "solves when calibrated"
                                         : "calibrating";
        } else if (model->solve_later) {
            hint = "solves when learned ({learn})";
        }
        pl_keymap_say(model->keys, PL_PANE_TUNER, hint, said, sizeof said);
        pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w, PL_STYLE_KEY, said);
        return;
    }
    if (model->measured != NULL && n->rect.h < PERPLEXITY_ROWS) {
        draw_short_perplexity(model->measured, n);
        return;
    }
    pl_format_seconds(report->seconds, seconds);
    if (isfinite(report->iterations)) {
        snprintf(text, sizeof text, "%.0f iterations, %s", report->iterations, seconds);
    } else {
        snprintf(text, sizeof text, "%s", seconds);
    }
    pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w, PL_STYLE_FAINT | n->stale, text);
}

/* Weights are float32: a gap below its resolution is rounding, which differs between machines. */
static void draw_gap(numbers *n, double gap)
{
    char number[PL_NUMBER_TEXT];
    char text[48];
    if (!has_room(n)) {
        return;
    }
    pl_put(n->surface, n->rect, n->line, 0, PL_STYLE_TEXT, "gap");
    pl_format_number(100 * fmax(gap, (double)FLT_EPSILON), number);
    snprintf(text, sizeof text, "\u2264 %s %%", number);
    pl_put_right(n->surface, n->rect, n->line, AFTER_END,
                 (isnan(gap) ? PL_STYLE_FAINT : PL_STYLE_STRONG) | n->stale,
                 !isnan(gap)    ? text
                 : n->estimated ? pending(n)
                                : "-");
    n->line++;
}

/* The lines of a text; returns how many. */
static int draw_wrapped(pl_surface *surface, pl_rect rect, unsigned style, const char *text)
{
    int row = 0;
    while (*text != '\0' && row < rect.h) {
        size_t next = 0;
        size_t cut = pl_text_wrap(text, (size_t)rect.w, &next);
        if (cut == 0) {
            break;
        }
        char part[400];
        snprintf(part, sizeof part, "%.*s", (int)cut, text);
        pl_put(surface, rect, row++, 0, style, part);
        text += next;
    }
    return row;
}

static pl_rect rest_of(const numbers *n)
{
    pl_rect rect = {n->rect.y + n->line, n->rect.x, n->rect.h - n->line, n->rect.w};
    return rect;
}

/* The rounder alone, for comparison; the result itself if only a rounder is set. */
static const pl_solve_report *plain_of(const pl_screen_model *model, const pl_solve_report *report,
                                       const pl_solve_report *empty)
{
    const bool alone = pl_tuner_spec(model, PL_SLOT_TRANSFORM)->method == NULL &&
                       pl_tuner_spec(model, PL_SLOT_PRECONDITION)->method == NULL;
    return model->plain != NULL ? model->plain : alone ? report : empty;
}

static void name_rounded(const pl_screen_model *model, char out[32])
{
    const pl_spec *round = pl_tuner_spec(model, PL_SLOT_ROUND);
    snprintf(out, 32, "rounded");
    if (round->method != NULL) {
        const pl_grid grid = pl_spec_grid(round);
        snprintf(out, 32, "rounding"); /* a format's name is too long for the column */
        if (grid.format->bits == 0) {  /* those that bits= says */
            snprintf(out, 32, "W%d error", grid.bits);
        }
    }
}

/* The rounded error over that of the rounder alone where it is red, else 0. */
static double excess(const pl_screen_model *model, const pl_picture *picture)
{
    const pl_solve_report empty = pl_solve_report_empty();
    const pl_solve_report *report = picture != NULL && picture->solved ? &picture->report : &empty;
    const pl_solve_report *plain = plain_of(model, report, &empty);
    const double ratio = report->rounded_relative_error / plain->rounded_relative_error;
    return ratio > WORSE && pl_tuner_spec(model, PL_SLOT_ROUND)->method != NULL ? ratio : 0;
}

/* Why the rounded error is red, and where it was seen least; false where it is not. */
static bool draw_too_strong(const pl_screen_model *model, numbers *n, const pl_picture *picture)
{
    const pl_spec *first = pl_tuner_spec(model, PL_SLOT_PRECONDITION);
    const pl_method *round = pl_tuner_spec(model, PL_SLOT_ROUND)->method;
    const double ratio = excess(model, picture);
    char name[32];
    char number[PL_NUMBER_TEXT];
    char text[200];
    if (!(ratio > 0)) {
        return false;
    }
    name_rounded(model, name);
    snprintf(number, sizeof number, ratio < 99.5 ? "%.2g" : "%.0f", ratio);
    const bool low = n->rect.h < PERPLEXITY_ROWS; /* two lines, so that gap and ruler stay */
    int length = snprintf(text, sizeof text,
                          low ? "%s %s \u00d7 %s's alone" : "%s is %s \u00d7 that of %s alone",
                          name, number, round->name);
    if (pl_method_telling(first->method) != SIZE_MAX &&
        pl_tuner_spec(model, PL_SLOT_TRANSFORM)->method == NULL) {
        length += snprintf(text + length, sizeof text - (size_t)length,
                           low ? ": too strong" : ": the strength is too high");
        if (model->best_strength > 0) {
            pl_format_number(model->best_strength, number);
            snprintf(text + length, sizeof text - (size_t)length, "; %s near %s",
                     low ? "least" : "smallest error", number);
        }
    }
    n->line += draw_wrapped(n->surface, rest_of(n), PL_STYLE_BAD | n->stale, text);
    return true;
}

/* Draws what a solve minimizes, its cost, and the rounder alone beside it; true if a sentence took
 * the room of the rest. */
static bool draw_solve(const pl_screen_model *model, numbers *n, const pl_picture *picture)
{
    const pl_solve_report empty = pl_solve_report_empty();
    const bool solved = picture != NULL && picture->solved;
    const pl_solve_report *report = solved ? &picture->report : &empty;
    const pl_solve_report *plain = plain_of(model, report, &empty);
    char name[32];
    name_rounded(model, name);
    draw_numbers(n, "group max", picture != NULL ? picture->group_max_before : (double)NAN,
                 report->group_max_after);
    draw_numbers(n, "error", 0, report->relative_error);
    draw_numbers(n, name, plain->rounded_relative_error, report->rounded_relative_error);
    if (n->rect.h < PERPLEXITY_ROWS && excess(model, picture) > 0) {
        draw_gap(n, report->gap);
        return draw_too_strong(model, n, picture);
    }
    draw_numbers(n, "bound", plain->bound, report->bound);
    if (pl_tuner_spec(model, PL_SLOT_TRANSFORM)->method != NULL ||
        model->state->activations.bits > 0) {
        draw_numbers(n, "output", plain->output_error, report->output_error);
    }
    draw_gap(n, report->gap);
    return false;
}

/* Perplexity, when it was asked for: both values, how sure the second is, how old they are. */
static void draw_perplexity(const pl_screen_model *model, numbers *n)
{
    const pl_measured *measured = model->measured;
    if (!has_room(n) || (measured == NULL && !model->measuring)) {
        return;
    }
    if (measured == NULL) {
        pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w, PL_STYLE_BUSY,
                   "perplexity is being measured");
        return;
    }
    const unsigned stale = n->stale;
    n->stale = measured->stale ? PL_STALE : 0;
    draw_numbers(n, "perplexity", (double)NAN, measured->after);
    if (has_room(n)) {
        char error[PL_NUMBER_TEXT];
        char before[PL_NUMBER_TEXT];
        pl_format_number(measured->after_error, error);
        pl_format_number(measured->before, before);
        pl_putf(n->surface, n->rect, n->line++, 1, PL_STYLE_FAINT | n->stale,
                "\u00b1 %s, the original %s", error, before);
    }
    if (has_room(n)) {
        char text[128];
        char of[PL_KEPT_NAME + 24];
        setting_text(measured, of);
        snprintf(text, sizeof text, "%s%s %zu of %zu solved", model->measuring ? "again:" : of,
                 model->measuring || of[0] == '\0' ? "" : ",", measured->solved,
                 model->state->source != NULL ? pl_model_layer_count(model->state->source->model)
                                              : 0);
        pl_put_cut(n->surface, n->rect, n->line++, 0, n->rect.w,
                   model->measuring  ? PL_STYLE_BUSY
                   : measured->stale ? PL_STYLE_WARNING
                                     : PL_STYLE_FAINT,
                   text);
    }
    n->stale = stale;
}

/* named: the first value keeps its parameter's name. */
static void put_values(const char *label, bool named, char *out, size_t capacity)
{
    size_t size = 0;
    while (*label != '\0') {
        const size_t length = strcspn(label, ">");
        const char *value = memchr(label, '=', length);
        if (named && size == 0 && value != NULL) {
            value = memchr(label, ' ', length);
        }
        const char *from = value != NULL ? value + 1 : label;
        for (; from < label + length && size + 2 < capacity; from++) {
            out[size++] = *from;
        }
        label += length;
        if (*label == '>') {
            out[size++] = *label++;
            if (size + 2 < capacity) {
                out[size++] = ' ';
            }
            label += *label == ' ';
        }
    }
    out[size] = '\0';
}

void pl_short_label(const char *label, int width, char *out, size_t capacity)
{
    put_values(label, true, out, capacity);
    if ((int)pl_text_width(out) > width) {
        put_values(label, false, out, capacity);
    }
}

/* A baseline a line, to be compared with the numbers above. */
static void draw_pins(numbers *n, const pl_picture *picture)
{
    if (picture == NULL || picture->n_pins == 0 || n->line + 1 >= n->rect.h) {
        return;
    }
    const int end = n->rect.w < 60 ? n->rect.w : 60;
    pl_put(n->surface, n->rect, n->line, 0, PL_STYLE_FAINT, "pinned");
    pl_put_right(n->surface, n->rect, n->line, end - 8, PL_STYLE_FAINT, "group max");
    pl_put_right(n->surface, n->rect, n->line++, end, PL_STYLE_FAINT, "error");
    for (size_t i = 0; i < picture->n_pins && has_room(n); i++) {
        const pl_solve_report *report = &picture->pins[i].report;
        const bool rounded = isfinite(report->rounded_relative_error);
        char label[64];
        char text[96];
        snprintf(label, sizeof label, "%s", picture->pins[i].label);
        if (end < 55) {
            pl_short_label(picture->pins[i].label, end - 17, label, sizeof label);
        }
        snprintf(text, sizeof text, "%zu %s", picture->pins[i].index + 1, label);
        pl_put_cut(n->surface, n->rect, n->line, 0, end - 15, PL_STYLE_KEY, text);
        pl_format_number(report->group_max_after, text);
        pl_put_right(n->surface, n->rect, n->line, end - 8, PL_STYLE_TEXT, text);
        pl_format_number(rounded ? report->rounded_relative_error : report->relative_error, text);
        pl_put_right(n->surface, n->rect, n->line++, end, PL_STYLE_TEXT, text);
    }
}

/* Draws the selected parameter's place in its range, and the meaning of its value unless that is
 * shown elsewhere. */
static void draw_ruler(const pl_screen_model *model, numbers *n, const pl_tuner_row *row, bool said)
{
    if (!has_room(n) || row->param == SIZE_MAX) {
        return;
    }
    const pl_param *param = &row->spec->method->params[row->param];
    const double known = pl_tuner_value(model, row);
    const double value = isnan(known) ? row->spec->values[row->param] : known;
    const pl_state *state = model->state;
    const size_t columns =
        state->source != NULL ? pl_model_layer(state->source->model, state->layer)->cols : 0;
    const bool strength = row->spec->method->strength != NULL && param->telling;
    if (param->type == PL_PARAM_CHOICE) {
        pl_choices_draw(param, value, n->surface, n->rect, n->line++);
        return;
    }
    const pl_ruler ruler = pl_ruler_make(param, value, strength ? model->strength : NULL, columns);
    pl_ruler_draw(&ruler, n->surface, n->rect, n->line++);
    if (strength && model->strength != NULL && !said && has_room(n)) {
        pl_buf words = {0};
        pl_ruler_words(value, model->strength, &words);
        n->line += draw_wrapped(n->surface, rest_of(n), PL_STYLE_FAINT,
                                words.data != NULL ? words.data : "");
        pl_buf_deinit(&words);
    }
}

/* The selected parameter or method in a sentence. */
static void draw_meaning(numbers *n, const pl_tuner_row *row)
{
    const pl_method *method = row->spec->method;
    if (method == NULL || n->line + 1 >= n->rect.h) {
        return;
    }
    char line[400];
    snprintf(line, sizeof line, "%s", method->summary);
    if (row->param != SIZE_MAX) {
        const pl_param *param = &method->params[row->param];
        snprintf(line, sizeof line, "%s%s%s%s: %s", param->name, param->unit[0] != '\0' ? " (" : "",
                 param->unit, param->unit[0] != '\0' ? ")" : "", param->help);
    }
    n->line += draw_wrapped(n->surface, rest_of(n), PL_STYLE_FAINT, line);
}

static void draw_results(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_picture *picture = pl_present_picture(model);
    const bool solved = picture != NULL && picture->solved;
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t count = pl_tuner_rows(model, rows);
    const pl_tuner_row *row =
        &rows[model->views.tuner.row < count ? model->views.tuner.row : count - 1];
    numbers n = {.surface = surface,
                 .rect = rect,
                 .line = 1,
                 .stale = model->stale ? PL_STALE : 0,
                 .estimated = solved && picture->preview_rows > 0};
    const pl_method *round = pl_tuner_spec(model, PL_SLOT_ROUND)->method;
    char before[32] = "original";
    if (round != NULL) {
        snprintf(before, sizeof before, "%s alone", round->name);
    }
    pl_put_right(surface, rect, 0, BEFORE_END, PL_STYLE_FAINT, before);
    pl_put_right(surface, rect, 0, AFTER_END, PL_STYLE_FAINT, "after");
    if (model->views.tuner.wrong[0] != '\0') { /* first: a low pane has room for it, too */
        n.line += draw_wrapped(surface, rest_of(&n), PL_STYLE_ERROR, model->views.tuner.wrong);
    }
    const bool said = draw_solve(model, &n, picture);
    if (has_room(&n) && (!said || model->solving)) {
        draw_time(model, &n, picture);
    }
    const bool red = !said && excess(model, picture) > 0;
    draw_ruler(model, &n, row, red);
    if (red) {
        draw_too_strong(model, &n, picture);
    }
    n.estimated = false;
    if (rect.h >= PERPLEXITY_ROWS) {
        draw_perplexity(model, &n);
    }
    draw_pins(&n, picture);
    n.estimated = solved && picture->preview_rows > 0;
    if (picture != NULL) {
        draw_numbers(&n, "flatness", picture->flatness_before,
                     solved ? picture->report.flatness_weight_after : (double)NAN);
        draw_numbers(&n, "kurtosis", picture->kurtosis_before,
                     solved ? picture->report.kurtosis_weight_after : (double)NAN);
    }
    if (solved && has_room(&n) && isfinite(picture->report.bits_per_weight)) {
        char text[48] = "no inputs, no errors";
        const double sqnr = pl_report_sqnr(&picture->report);
        if (isfinite(sqnr)) {
            snprintf(text, sizeof text, "SQNR %.1f dB", sqnr);
        }
        pl_putf(surface, rect, n.line++, 0, PL_STYLE_TEXT | n.stale, "%s, %.4g bits/w", text,
                picture->report.bits_per_weight);
    }
    draw_meaning(&n, row);
}

/* "  A4 KV4": what is quantized beside the weights. */
static void add_bits(const pl_state *state, char *out, size_t capacity)
{
    size_t length = strlen(out);
    if (state->activations.bits > 0) {
        length +=
            (size_t)snprintf(out + length, capacity - length, "  A%d", state->activations.bits);
    }
    if (state->kv.bits > 0 && length < capacity) {
        snprintf(out + length, capacity - length, "%sKV%d",
                 state->activations.bits > 0 ? " " : "  ", state->kv.bits);
    }
}

static void draw_tuner(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    char right[80] = "";
    const pl_method *methods[PL_SLOT_COUNT] = {NULL};
    for (size_t i = 0; i < n; i++) {
        methods[rows[i].slot] = rows[i].spec->method;
    }
    const pl_method *first = methods[PL_SLOT_TRANSFORM];
    const pl_method *pre = methods[PL_SLOT_PRECONDITION], *round = methods[PL_SLOT_ROUND];
    snprintf(right, sizeof right, "%s%s%s \u2192 %s", first != NULL ? first->name : "",
             first != NULL ? " \u2192 " : "", pre != NULL ? pre->name : "none",
             round != NULL ? round->name : "none");
    add_bits(model->state, right, sizeof right);
    pl_panel_title(model, surface, rect, PL_PANE_TUNER, "Tuner", right);
    const pl_rect left = pl_tuner_list_rect(rect);
    draw_list(model, surface, left);
    draw_results(model, surface,
                 (pl_rect){left.y, left.x + left.w + 1, left.h, rect.w - left.w - 1});
}

const pl_panel pl_panel_tuner = {
    .draw = draw_tuner, .act = pl_tuner_act, .type = pl_tuner_type, .mouse = pl_tuner_mouse};
