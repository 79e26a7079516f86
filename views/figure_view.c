#include "views/figure_view.h"

#include "views/figure_legend.h"
#include "views/figure_parts.h"
#include "views/plot_table.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- crosshair -------------------------------------------------------------------------------- */

static void name_of(const pl_axis *axis, double x, pl_buf *out)
{
    if (axis->names != NULL && x > -0.5 && x < (double)axis->n_names - 0.5) {
        const char *name = axis->names[(size_t)(x + 0.5)];
        pl_buf_puts(out, name != NULL ? name : "");
        return;
    }
    char number[PL_NUMBER_TEXT];
    char text[PL_NUMBER_TEXT + 4];
    pl_format_number(x, number);
    if (axis->whole || (x == floor(x) && fabs(x) < 1e6)) {
        snprintf(number, sizeof number, "%.0f", x);
    }
    pl_text_minus(number, text, sizeof text);
    pl_buf_puts(out, text);
}

/* What the crosshair says before the values: a channel, a token, a strength. */
static void say(const pl_screen_model *model, const pl_figure_look *look, const pl_figure *figure,
                double x, size_t row, pl_buf *out)
{
    if (look->say != NULL) {
        const pl_looked at = pl_figure_looked(model, figure);
        look->say(&at, x, row, out);
    } else {
        name_of(&figure->x, x, out);
    }
    if (figure->heat != NULL) {
        char number[PL_NUMBER_TEXT];
        const pl_heat *heat = figure->heat;
        pl_format_number((double)heat->values[row * heat->cols + pl_heat_col(heat, x)], number);
        if (strcmp(number, "-") == 0) {
            snprintf(number, sizeof number, "none");
        }
        if (look->say == NULL) {
            pl_buf_puts(out, ", ");
            name_of(&figure->y, (double)row, out);
        }
        pl_buf_printf(out, ": %s", number);
    }
}

/* --- drawing ---------------------------------------------------------------------------------- */

void pl_figure_view_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                          pl_pane pane, const pl_figure_look *look, const char *right)
{
    const pl_screen_view *view = pl_view_of(model->state, pane);
    char title[200];
    snprintf(title, sizeof title, "%s", view->title);
    const size_t layer = pl_look_layer(look, model->state);
    if (model->state->source != NULL && layer == SIZE_MAX && !look->whole) {
        snprintf(title, sizeof title, "%s  all layers", view->title);
    } else if (model->state->source != NULL && !look->whole) {
        char prefix[80];
        snprintf(prefix, sizeof prefix, "%s  ", view->title);
        pl_panel_layer_title(model, layer, prefix, rect.w, right, title, sizeof title);
    }
    pl_panel_title(model, surface, rect, pane, title, right);
}

/* The value axis: "max |w| per input channel, log"; of the work on it while that goes on. */
static void right_text(const pl_shown *shown, const pl_figure *figure, char *out, size_t capacity)
{
    out[0] = '\0';
    if (shown->working && shown->seconds > 0.3) {
        char seconds[PL_NUMBER_TEXT];
        pl_format_seconds(shown->seconds, seconds);
        if (shown->share > 0) {
            snprintf(out, capacity, "renewing %.0f %%  %s", 100 * shown->share, seconds);
        } else {
            snprintf(out, capacity, "renewing  %s", seconds);
        }
    } else if (figure->heat != NULL && figure->heat->label != NULL) {
        snprintf(out, capacity, "%s", figure->heat->label); /* rows name themselves */
    } else if (figure->table == NULL && figure->y.label != NULL) {
        snprintf(out, capacity, "%s%s", figure->y.label, figure->y.log ? ", log" : "");
    }
}

static pl_plot_options options_of(const pl_screen_model *model, pl_pane pane,
                                  const pl_figure_look *look, const pl_figure *figure, bool stale)
{
    size_t row = 0;
    double x = pl_figure_cursor(model, pane, look, figure, &row);
    const pl_looked at = pl_figure_looked(model, figure);
    double mark = look->place != NULL ? look->place(&at) : NAN;
    return (pl_plot_options){.marks = model->marks,
                             .colours = model->colours,
                             .stale = stale,
                             .crosshair = true,
                             .line = model->focus == pane,
                             .cursor = x,
                             .row = row,
                             .marked = isfinite(mark) && mark != x,
                             .mark = mark};
}

/* Whether an image has the plot's place; the mouse then has no data to point at. */
static bool is_image(pl_screen_model *model, pl_rect rect, pl_pane pane)
{
    if (pane != PL_PANE_MAIN || pl_view_compares(model->state, pane)) {
        return false;
    }
    const pl_rect of = model->image.of;
    model->image.place = rect;
    model->image.shown =
        of.h > 0 && of.y == rect.y && of.x == rect.x && of.h == rect.h && of.w == rect.w;
    if (model->image.shown) {
        model->shown[pl_view_index(pane)].memo.area = (pl_rect){0};
    }
    return model->image.shown;
}

void pl_figure_view_plot(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look, const pl_figure *figure, bool stale)
{
    if (is_image(model, rect, pane)) {
        return;
    }
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    pl_plot_options options = options_of(model, pane, look, figure, stale);
    options.area = &memo->area;
    pl_figure view = *figure; /* borrowed: only the ranges differ */
    double lo = 0;
    double hi = 0;
    pl_axis_shown(&figure->x, memo->first, memo->shown, &lo, &hi);
    view.x.lo = pl_axis_from(&figure->x, lo);
    view.x.hi = pl_axis_from(&figure->x, hi);
    if (figure->heat != NULL) {
        pl_axis_shown(&figure->y, memo->row_first, memo->row_shown, &view.y.lo, &view.y.hi);
    }
    pl_error err = {0};
    if (pl_plot_draw(&view, &options, surface, rect, &err) != PL_OK) {
        pl_put_cut(surface, rect, 0, 1, rect.w - 2, PL_STYLE_ERROR, err.message);
    }
    if (model->pressed == pane) {
        pl_figure_mark_drag(memo, figure, surface);
    }
}

enum { BAR = 30 }; /* columns that the colour bar keeps beside what the crosshair says */

static void say_more(const pl_figure *figure, size_t row, int room, pl_buf *out)
{
    const char *more = figure->heat != NULL && figure->y.more != NULL && row < figure->y.n_names
                           ? figure->y.more[row]
                           : NULL;
    if (more != NULL && out->data != NULL &&
        (int)(pl_text_width(out->data) + pl_text_width(more)) + 2 <= room) {
        pl_buf_printf(out, "  %s", more);
    }
}

void pl_figure_view_body(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look, const pl_figure *figure, bool stale)
{
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    if (figure->table != NULL) {
        pl_plot_table_draw(figure->table, &memo->row, &memo->top, model->focus == pane, stale,
                           surface, (pl_rect){rect.y + 1, rect.x, rect.h - 1, rect.w});
        return;
    }
    pl_plot_options options = options_of(model, pane, look, figure, stale);
    pl_buf said = {0};
    say(model, look, figure, options.cursor, options.row, &said);
    say_more(figure, options.row, rect.w - BAR, &said);
    int most = rect.h >= 24 ? 3 : rect.h >= 11 ? 2 : 1;
    int lines = pl_figure_legend(figure, &options, said.data != NULL ? said.data : "", rect.h >= 14,
                                 surface, (pl_rect){rect.y + 1, rect.x, most, rect.w});
    pl_buf_deinit(&said);
    pl_rect plot = {rect.y + 1 + lines, rect.x, rect.h - 1 - lines, rect.w};
    pl_figure_view_plot(model, surface, plot, pane, look, figure, stale);
}

/* Broken at blanks, in the middle of the pane. */
static void draw_sentence(pl_surface *surface, pl_rect rect, unsigned style, const char *text)
{
    int row = rect.h / 2 - (int)pl_text_width(text) / (rect.w > 2 ? 2 * (rect.w - 2) : 2);
    for (row = row < 1 ? 1 : row; text[0] != '\0' && row < rect.h; row++) {
        size_t next = 0;
        size_t cut = pl_text_wrap(text, (size_t)(rect.w - 2), &next);
        char line[400];
        snprintf(line, sizeof line, "%.*s", (int)cut, text);
        int width = (int)pl_text_width(line);
        pl_put(surface, rect, row, (rect.w - width) / 2, style, line);
        text += next > 0 ? next : strlen(text);
    }
}

void pl_figure_view_none(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                         const pl_screen_view *view, const pl_shown *shown)
{
    char text[400];
    unsigned style = PL_STYLE_TEXT;
    if (model->state->source == NULL) {
        snprintf(text, sizeof text, "no model is open:  :open PATH");
    } else if (shown->error != NULL) {
        snprintf(text, sizeof text, "%s", shown->error);
        style = PL_STYLE_ERROR;
    } else if (shown->needs != NULL) {
        pl_keymap_say(model->keys, model->focus, shown->needs, text, sizeof text);
    } else if (shown->working && shown->seconds > 0.3) {
        char seconds[PL_NUMBER_TEXT];
        char share[16] = "";
        pl_format_seconds(shown->seconds, seconds);
        if (shown->share > 0) {
            snprintf(share, sizeof share, "  %.0f %%", 100 * shown->share);
        }
        snprintf(text, sizeof text, "computing%s  %s", share, seconds);
        style = PL_STYLE_FAINT;
    } else {
        snprintf(text, sizeof text, "computing");
        style = PL_STYLE_FAINT;
    }
    draw_sentence(surface, rect, style, text);
    if (style == PL_STYLE_TEXT && rect.h >= 12 && model->state->source != NULL) {
        pl_rect below = {rect.y + rect.h / 2, rect.x, rect.h - rect.h / 2, rect.w};
        draw_sentence(surface, below, PL_STYLE_FAINT, view->help);
    }
}

void pl_figure_view_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                         const pl_figure_look *look)
{
    const pl_shown *shown = &model->shown[pl_view_index(pane)];
    const pl_screen_view *view = pl_view_of(model->state, pane);
    char right[200] = "";
    if (shown->figure != NULL) {
        right_text(shown, shown->figure, right, sizeof right);
    }
    pl_figure_view_title(model, surface, rect, pane, look, right);
    if (shown->figure == NULL || shown->error != NULL) {
        pl_figure_view_none(model, surface, rect, view, shown);
        return;
    }
    pl_figure_view_body(model, surface, rect, pane, look, shown->figure, shown->stale);
}
