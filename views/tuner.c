/* The tuner: methods and their parameters on the left, what they do to the layer on the right. */
#include "views/tuner.h"

#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void draw_method(pl_surface *surface, pl_rect rect, int line, const pl_tuner_row *row,
                        unsigned style, const char *glob)
{
    const char *name = row->spec->method != NULL ? row->spec->method->name : "none";
    int col = 1 + pl_put(surface, rect, line, 1, PL_STYLE_FAINT,
                         row->slot == PL_SLOT_ROUND ? "round " : "precond ");
    col += pl_put(surface, rect, line, col, style | PL_BOLD, name);
    if (glob != NULL) {
        pl_put_cut(surface, rect, line, col + 1, rect.w - col - 1, PL_STYLE_FAINT, glob);
    }
}

static void draw_param(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int line,
                       const pl_tuner_row *row, bool selected)
{
    const pl_tuner_view *view = &model->views.tuner;
    const pl_param *param = &row->spec->method->params[row->param];
    pl_buf value = {0};
    pl_spec_format_value(row->spec, row->param, &value);
    const char *text = value.data != NULL ? value.data : "";
    int end = rect.w - 1;
    int room = end - 3 - (int)strlen(text) - (selected ? 2 : 0);
    pl_put_cut(surface, rect, line, 2, room, selected ? PL_STYLE_STRONG : PL_STYLE_TEXT,
               param->name);
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
        bool standard = row->spec->values[row->param] == param->initial;
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
    view->top = pl_panel_scroll(view->top, view->row, n, rect.h);
    for (int line = 0; line < rect.h && view->top + (size_t)line < n; line++) {
        size_t i = view->top + (size_t)line;
        bool selected = i == view->row;
        pl_put(surface, rect, line, 0, PL_STYLE_STRONG, selected ? ">" : " ");
        if (rows[i].param == SIZE_MAX) {
            draw_method(surface, rect, line, &rows[i], selected ? PL_STYLE_STRONG : PL_STYLE_TITLE,
                        pl_tuner_glob(model, &rows[i]));
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

/* One line of numbers: what, before, after, change; smaller is better. */
static void draw_numbers(pl_surface *surface, pl_rect rect, int line, unsigned stale,
                         const char *what, double before, double after)
{
    char text[PL_NUMBER_TEXT];
    pl_put(surface, rect, line, 0, PL_STYLE_TEXT, what);
    pl_format_number(before, text);
    pl_put_right(surface, rect, line, 16, PL_STYLE_FAINT | stale, text);
    pl_format_number(after, text);
    pl_put_right(surface, rect, line, 23, PL_STYLE_STRONG | stale, text);
    pl_format_change(before, after, text);
    char *minus = strchr(text, '-');
    char real[PL_NUMBER_TEXT + 4];
    snprintf(real, sizeof real, "%s%s", minus != NULL ? "\u2212" : "",
             minus != NULL ? minus + 1 : text);
    unsigned tone = after < before * 0.9995   ? PL_STYLE_GOOD
                    : after > before * 1.0005 ? PL_STYLE_BAD
                                              : PL_STYLE_FAINT;
    if (rect.w >= 30) {
        pl_put_right(surface, rect, line, 30, tone | stale, real);
    }
}

static void draw_time(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int line,
                      const pl_solve_report *report, unsigned stale)
{
    char seconds[PL_NUMBER_TEXT];
    if (model->solving) {
        pl_format_seconds(model->solving_seconds, seconds);
        pl_putf(surface, rect, line, 0, PL_STYLE_BUSY, "solving %s", seconds);
        return;
    }
    if (report == NULL) {
        return;
    }
    pl_format_seconds(report->seconds, seconds);
    char text[96];
    if (isfinite(report->iterations)) {
        snprintf(text, sizeof text, "%.0f iterations, %s", report->iterations, seconds);
    } else {
        snprintf(text, sizeof text, "%s", seconds);
    }
    pl_put_cut(surface, rect, line, 0, rect.w, PL_STYLE_FAINT | stale, text);
}

static void draw_gap(pl_surface *surface, pl_rect rect, int line, double gap, unsigned stale)
{
    pl_put(surface, rect, line, 0, PL_STYLE_TEXT, "gap");
    if (isnan(gap)) {
        pl_put_right(surface, rect, line, 23, PL_STYLE_FAINT | stale, "-");
        return;
    }
    char number[PL_NUMBER_TEXT];
    pl_format_number(100 * gap, number);
    char text[48];
    snprintf(text, sizeof text, "\u2264 %s %%", number);
    pl_put_right(surface, rect, line, 23, PL_STYLE_STRONG | stale, text);
}

static void draw_results(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    const pl_picture *picture = pl_present_picture(model);
    const pl_solve_report *report = picture != NULL && picture->solved ? &picture->report : NULL;
    unsigned stale = model->stale ? PL_STALE : 0;
    const pl_spec *round = pl_tuner_spec(model, PL_SLOT_ROUND);
    pl_put_right(surface, rect, 0, 16, PL_STYLE_FAINT, "before");
    pl_put_right(surface, rect, 0, 23, PL_STYLE_FAINT, "after");
    const pl_solve_report *plain = model->plain;
    double none = (double)NAN;
    double group_before = picture != NULL ? picture->group_max_before : none;
    draw_numbers(surface, rect, 1, stale, "group max", group_before,
                 report != NULL ? report->group_max_after : none);
    draw_numbers(surface, rect, 2, stale, "error", 0,
                 report != NULL ? report->relative_error : none);
    char name[32] = "rounded";
    if (round->method != NULL && pl_method_param(round->method, "bits") != SIZE_MAX) {
        snprintf(name, sizeof name, "W%.0f error", pl_spec_value(round, "bits"));
    }
    draw_numbers(surface, rect, 3, stale, name,
                 plain != NULL ? plain->rounded_relative_error : none,
                 report != NULL ? report->rounded_relative_error : none);
    draw_numbers(surface, rect, 4, stale, "bound", plain != NULL ? plain->bound : none,
                 report != NULL ? report->bound : none);
    draw_gap(surface, rect, 5, report != NULL ? report->gap : none, stale);
    draw_time(model, surface, rect, 6, report, stale);
    if (report == NULL && !model->solving) {
        const char *hint = "Space or \u2190\u2192 solves";
        if (!pl_can_solve(model->state)) {
            hint = !model->calibrating  ? "solving needs :calibrate (c)"
                   : model->solve_later ? "solves when calibrated"
                                        : "calibrating";
        }
        pl_put_cut(surface, rect, 6, 0, rect.w, PL_STYLE_KEY, hint);
    }
}

/* What the selected parameter means, where there is room. */
static void draw_meaning(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    size_t at = model->views.tuner.row < n ? model->views.tuner.row : n - 1;
    const pl_method *method = rows[at].spec->method;
    if (method == NULL || rect.h < 2) {
        return;
    }
    const char *text = method->summary;
    char line[400];
    if (rows[at].param != SIZE_MAX) {
        const pl_param *param = &method->params[rows[at].param];
        snprintf(line, sizeof line, "%s%s%s%s: %s", param->name, param->unit[0] != '\0' ? " (" : "",
                 param->unit, param->unit[0] != '\0' ? ")" : "", param->help);
        text = line;
    }
    int row = 0;
    while (*text != '\0' && row < rect.h) {
        size_t next = 0;
        size_t cut = pl_text_wrap(text, (size_t)rect.w, &next);
        if (cut == 0) {
            return;
        }
        char part[400];
        snprintf(part, sizeof part, "%.*s", (int)cut, text);
        pl_put(surface, rect, row++, 0, PL_STYLE_FAINT, part);
        text += next;
    }
}

static void draw(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    char right[64] = "";
    const char *pre = rows[0].spec->method != NULL ? rows[0].spec->method->name : "none";
    for (size_t i = 1; i < n; i++) {
        if (rows[i].slot == PL_SLOT_ROUND && rows[i].param == SIZE_MAX) {
            const pl_method *round = rows[i].spec->method;
            snprintf(right, sizeof right, "%s \u2192 %s", pre,
                     round != NULL ? round->name : "none");
        }
    }
    pl_panel_title(model, surface, rect, PL_PANE_TUNER, "Tuner", right);
    int list = rect.w - 31 > 28 ? 28 : rect.w - 31 < 18 ? 18 : rect.w - 31;
    pl_rect left = {rect.y + 1, rect.x, rect.h - 1, list};
    draw_list(model, surface, left);
    pl_rect numbers = {rect.y + 1, rect.x + list + 1, rect.h - 1, rect.w - list - 1};
    draw_results(model, surface, numbers);
    pl_rect meaning = {numbers.y + 8, numbers.x, numbers.h - 8, numbers.w - 1};
    draw_meaning(model, surface, meaning);
}

const pl_panel pl_panel_tuner = {.draw = draw, .act = pl_tuner_act, .type = pl_tuner_type};
