#include "views/draft_view.h"

#include "views/figure_legend.h"
#include "views/panel.h"
#include "views/plot.h"
#include "views/plot_table.h"
#include "views/text.h"

#include <stdio.h>
#include <string.h>

enum { NAME_COLS = 10, LEAST_LIST = 26, MOST_LIST = 44, LEAST_PANEL = 36 };

static void draw_bar(pl_surface *surface, pl_rect rect, const char *title, const char *right)
{
    pl_rect top = {rect.y, rect.x, 1, rect.w};
    pl_fill(surface, top, PL_STYLE_FOCUS, surface->ascii ? '=' : 0x2501);
    pl_put_cut(surface, top, 0, 1, rect.w - 2, PL_STYLE_FOCUS | PL_REVERSE, title);
    if ((int)(pl_text_width(title) + pl_text_width(right)) + 5 < rect.w) {
        pl_put_right(surface, top, 0, rect.w - 1, PL_STYLE_FAINT, right);
    }
}

static void draw_field(const pl_draft_view *view, size_t index, pl_surface *surface, pl_rect rect,
                       int row)
{
    const pl_draft_field *field = &view->fields[index];
    const bool chosen = index == view->row;
    const int room = rect.w - NAME_COLS - 4;
    pl_put(surface, rect, row, 0, PL_STYLE_STRONG, chosen ? ">" : " ");
    pl_put_cut(surface, rect, row, 2, NAME_COLS, PL_STYLE_TEXT, field->name);
    if (field->value != NULL) {
        pl_put_cut(surface, rect, row, NAME_COLS + 3, room, PL_STYLE_STRONG, field->value);
    } else if (field->initial != NULL) {
        pl_put_cut(surface, rect, row, NAME_COLS + 3, room, PL_STYLE_FAINT, field->initial);
    }
    if (chosen) {
        pl_mark_row(surface, rect, row, PL_REVERSE);
    }
}

static void draw_list(pl_draft_view *view, pl_surface *surface, pl_rect rect)
{
    view->list = rect;
    view->top =
        pl_panel_scroll(view->top, view->row < view->n ? view->row : 0, view->n, view->list.h);
    for (int row = 0; row < view->list.h && view->top + (size_t)row < view->n; row++) {
        draw_field(view, view->top + (size_t)row, surface, view->list, row);
    }
}

/* Title, legend and plot, where the options have them. */
static void draw_figure(const pl_screen_model *model, const pl_draft_view *view,
                        const pl_figure *figure, pl_surface *surface, pl_rect rect)
{
    const pl_plot_options options = {
        .marks = model->marks, .colours = model->colours, .stale = view->stale};
    const int width = (int)pl_text_width(figure->title);
    const int lines = rect.h >= 14 ? 2 : 1;
    int row = 0;
    pl_error err = {0};
    if (figure->title[0] != '\0') {
        pl_put_cut(surface, rect, row++, width < rect.w ? (rect.w - width) / 2 : 0, rect.w,
                   PL_STYLE_TITLE, figure->title);
    }
    if (figure->heat == NULL && figure->y.label != NULL && figure->y.label[0] != '\0') {
        pl_put_phrase(surface, rect, row++, 0, rect.w, PL_STYLE_FAINT, figure->y.label);
    }
    pl_rect plot = {rect.y + row, rect.x, rect.h - row, rect.w};
    if (view->legend && view->below) {
        plot.h -= lines;
        pl_figure_legend(figure, &options, "", false, surface,
                         (pl_rect){plot.y + plot.h, rect.x, lines, rect.w});
    } else if (view->legend) {
        const int used = pl_figure_legend(figure, &options, "", false, surface,
                                          (pl_rect){plot.y, rect.x, lines, rect.w});
        plot = (pl_rect){plot.y + used, rect.x, plot.h - used, rect.w};
    }
    if (pl_plot_draw(figure, &options, surface, plot, &err) != PL_OK) {
        pl_put_cut(surface, plot, 0, 1, plot.w - 2, PL_STYLE_ERROR, err.message);
    }
}

/* Two stand side by side where each has its width, else one above the other. */
static void draw_figures(const pl_screen_model *model, const pl_draft_view *view,
                         pl_surface *surface, pl_rect rect)
{
    if (view->title != NULL && view->title[0] != '\0') {
        const int width = (int)pl_text_width(view->title);
        pl_put_cut(surface, rect, 0, width < rect.w ? (rect.w - width) / 2 : 0, rect.w,
                   PL_STYLE_TITLE, view->title);
        rect = (pl_rect){rect.y + 1, rect.x, rect.h - 1, rect.w};
    }
    const int n = (int)view->n_figures;
    const bool across = rect.w >= n * LEAST_PANEL;
    for (int i = 0; i < n; i++) {
        const pl_rect own =
            across ? (pl_rect){rect.y, rect.x + i * (rect.w / n), rect.h, rect.w / n - (n > 1)}
                   : (pl_rect){rect.y + i * (rect.h / n), rect.x, rect.h / n, rect.w};
        draw_figure(model, view, &view->figures[i], surface, own);
    }
}

/* Broken at blanks from a line of the rectangle on. */
static void draw_lines(pl_surface *surface, pl_rect rect, int row, unsigned style, const char *text)
{
    while (*text != '\0' && row < rect.h) {
        size_t next = 0;
        const size_t cut = pl_text_wrap(text, (size_t)(rect.w - 2), &next);
        char line[400];
        snprintf(line, sizeof line, "%.*s", (int)cut, text);
        pl_put(surface, rect, row++, 1, style, line);
        text += next > 0 ? next : strlen(text);
    }
}

/* Over the last lines, as many as it takes. */
static void draw_wrong(pl_surface *surface, pl_rect rect, const char *wrong)
{
    const int width = (int)pl_text_width(wrong), room = rect.w > 2 ? rect.w - 2 : 1;
    const int lines = width <= room ? 1 : 2;
    pl_rect foot = {rect.y + rect.h - lines, rect.x, lines, rect.w};
    if (wrong[0] != '\0' && rect.h > 2 * lines) {
        pl_fill(surface, foot, PL_STYLE_WARNING, ' ');
        draw_lines(surface, foot, 0, PL_STYLE_WARNING, wrong);
    }
}

static bool same_rect(pl_rect a, pl_rect b)
{
    return a.h > 0 && a.y == b.y && a.x == b.x && a.h == b.h && a.w == b.w;
}

void pl_draft_view_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect,
                        pl_draft_view *view)
{
    const int third = rect.w / 3;
    const int list = third < LEAST_LIST ? LEAST_LIST : third > MOST_LIST ? MOST_LIST : third;
    pl_fill(surface, rect, PL_STYLE_TEXT, ' ');
    draw_bar(surface, rect, " Figure ",
             " \u2191\u2193 field  Tab completes  Enter writes  Esc leaves ");
    draw_list(view, surface, (pl_rect){rect.y + 1, rect.x, rect.h - 1, list});
    const pl_rect place = {rect.y + 1, rect.x + list + 1, rect.h - 1, rect.w - list - 1};
    model->image.place = place;
    model->image.shown = same_rect(model->image.of, place);
    if (place.w < 8 || place.h < 4 || model->image.shown) {
        return; /* an image is there only where nothing is wrong */
    }
    if (view->note != NULL) {
        draw_lines(surface, place, place.h / 3, PL_STYLE_TEXT, view->note);
    } else if (view->table != NULL) {
        size_t row = 0, top = 0;
        pl_plot_table_draw(view->table, &row, &top, false, view->stale, surface, place);
    } else if (view->n_figures > 0) {
        draw_figures(model, view, surface, place);
    }
    draw_wrong(surface, rect, view->wrong);
}
