#include "views/plot.h"

#include "views/plot_parts.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_COLS = 18 }; /* of names along y at most */

/* --- rules and notes -------------------------------------------------------------------------- */

static void draw_rules(pl_plot *p)
{
    bool ascii = p->surface->ascii;
    for (size_t i = 0; i < p->figure->n_rules; i++) {
        const pl_rule *rule = &p->figure->rules[i];
        int row = rule->vertical ? -1 : pl_plot_row(p, rule->at);
        int col = rule->vertical ? pl_plot_col(p, rule->at) : -1;
        for (int c = 0; row >= 0 && c < p->area.w; c += 2) {
            pl_put_code(p->surface, p->area, row, c, PL_STYLE_RULE | p->flags,
                        ascii ? '-' : 0x2500);
        }
        for (int r = 0; col >= 0 && r < p->area.h; r++) {
            pl_put_code(p->surface, p->area, r, col, PL_STYLE_RULE | p->flags,
                        ascii ? ':' : 0x250a);
        }
    }
}

static bool blank(const pl_plot *p, int row, int col, int width)
{
    bool is = row >= 0 && col >= 0 && col + width <= p->area.w;
    for (int i = 0; is && i < width; i++) {
        is = p->surface
                 ->cells[(size_t)(p->area.y + row) * (size_t)p->surface->cols +
                         (size_t)(p->area.x + col + i)]
                 .code == ' ';
    }
    return is;
}

/* Beside its line, on the first row where nothing else is; at the top if there is none. */
static void label_vertical(pl_plot *p, int col, const char *label, unsigned style)
{
    char plain[128];
    if (p->surface->ascii) {
        pl_text_to_ascii(label, plain, sizeof plain);
        label = plain;
    }
    int width = (int)pl_text_width(label);
    int right = col + 1;
    int left = col - width;
    for (int row = 0; row < p->area.h; row++) {
        int start = blank(p, row, right, width) ? right : blank(p, row, left, width) ? left : -1;
        if (start >= 0) {
            pl_put(p->surface, p->area, row, start, style, label);
            return;
        }
    }
    int start = right + width <= p->area.w || left < 0 ? right : left;
    pl_put_cut(p->surface, p->area, 0, start, p->area.w - start, style, label);
}

/* After the data, so that the labels stay readable. */
static void draw_rule_labels(pl_plot *p)
{
    for (size_t i = 0; i < p->figure->n_rules; i++) {
        const pl_rule *rule = &p->figure->rules[i];
        if (rule->label == NULL) {
            continue;
        }
        unsigned style = PL_STYLE_RULE | p->flags;
        if (!rule->vertical) {
            int row = pl_plot_row(p, rule->at);
            if (row >= 0) {
                pl_put_right(p->surface, p->area, row, p->area.w, style, rule->label);
            }
            continue;
        }
        int col = pl_plot_col(p, rule->at);
        if (col >= 0) {
            label_vertical(p, col, rule->label, style);
        }
    }
}

/* Beside its point, where nothing else is. */
static void draw_notes(pl_plot *p)
{
    for (size_t i = 0; i < p->figure->n_notes && p->area.h >= 6; i++) {
        const pl_note *note = &p->figure->notes[i];
        int col = pl_plot_col(p, note->x);
        int row = pl_plot_row(p, note->y);
        int width = (int)pl_text_width(note->text);
        if (col < 0 || row < 0) {
            continue;
        }
        for (int side = 0; side < 2; side++) {
            int start = side == 0 ? col + 1 : col - width;
            if (blank(p, row, start, width)) {
                pl_put(p->surface, p->area, row, start, PL_STYLE_FAINT | p->flags, note->text);
                break;
            }
        }
    }
}

/* --- axes ------------------------------------------------------------------------------------- */

/* Ticks of an axis with names: whole positions within its range, every stride-th. */
static size_t name_ticks(const pl_axis *axis, size_t stride, pl_tick out[PL_MAX_TICKS])
{
    size_t n = 0;
    double first = fmax(ceil(axis->lo), 0);
    for (double at = ceil(first / (double)stride) * (double)stride;
         at <= axis->hi && at < (double)axis->n_names && n < PL_MAX_TICKS; at += (double)stride) {
        const char *name = axis->names[(size_t)at];
        out[n] = (pl_tick){.at = at, .major = true};
        snprintf(out[n].text, sizeof out[n].text, "%s", name != NULL ? name : "");
        pl_text_trim_utf8(out[n].text);
        n++;
    }
    return n;
}

static int text_width(const pl_plot *p, const char *text)
{
    char plain[2 * PL_TICK_TEXT];
    if (p->surface->ascii) {
        pl_text_to_ascii(text, plain, sizeof plain);
        text = plain;
    }
    return (int)pl_text_width(text);
}

static size_t y_ticks(const pl_plot *p, int rows, pl_tick out[PL_MAX_TICKS])
{
    const pl_axis *axis = &p->figure->y;
    if (axis->names != NULL) {
        double stride = ceil((axis->hi - axis->lo) / (rows > 0 ? rows : 1));
        return name_ticks(axis, stride > 1 ? (size_t)stride : 1, out);
    }
    size_t wanted = (size_t)(rows > 0 ? rows : 1) / 3;
    return pl_ticks(axis, wanted < 3 ? 3 : wanted > 8 ? 8 : wanted, out);
}

static int widest_tick_text(const pl_plot *p, const pl_tick *ticks, size_t n)
{
    int most = 1;
    for (size_t i = 0; i < n; i++) {
        int width = text_width(p, ticks[i].text);
        most = width > most ? width : most;
    }
    return most;
}

static void draw_y_axis(pl_plot *p, const pl_tick *ticks, size_t n)
{
    bool ascii = p->surface->ascii;
    pl_rect gutter = {p->area.y, p->rect.x, p->area.h + 1, p->area.x - p->rect.x};
    for (int row = 0; row < p->area.h; row++) {
        pl_put_code(p->surface, gutter, row, gutter.w - 1, PL_STYLE_FAINT, ascii ? '|' : 0x2502);
    }
    int last = p->area.h + 1;
    for (size_t i = 0; i < n; i++) { /* from the bottom up */
        int row = ticks[i].at == p->figure->y.lo ? p->area.h : pl_plot_row(p, ticks[i].at);
        bool beside = p->figure->y.names == NULL && last <= p->area.h;
        if (row < 0 || (row < p->area.h && !ticks[i].major) || ticks[i].text[0] == '\0' ||
            row >= last - beside) {
            continue;
        }
        int width = text_width(p, ticks[i].text);
        int room = gutter.w - 1;
        pl_put_cut(p->surface, gutter, row, width < room ? room - width : 0, room, PL_STYLE_FAINT,
                   ticks[i].text);
        if (row < p->area.h) {
            pl_put_code(p->surface, gutter, row, gutter.w - 1, PL_STYLE_FAINT,
                        ascii ? '+' : 0x2524);
        }
        last = row;
    }
}

static size_t x_ticks(const pl_plot *p, pl_tick out[PL_MAX_TICKS])
{
    const pl_axis *axis = &p->figure->x;
    if (axis->names == NULL) {
        size_t wanted = (size_t)p->area.w / (axis->log ? 10 : 14);
        return pl_ticks(axis, wanted < 3 ? 3 : wanted > 10 ? 10 : wanted, out);
    }
    size_t longest = 1;
    for (size_t i = 0; i < axis->n_names; i++) {
        size_t width = axis->names[i] != NULL ? pl_text_width(axis->names[i]) : 0;
        longest = width > longest ? width : longest;
    }
    double per = p->area.w / (axis->hi - axis->lo); /* columns of a name's place */
    double stride = ceil((double)(longest + 1) / per);
    return name_ticks(axis, stride > 1 ? (size_t)stride : 1, out);
}

/* Draws the ticks whose text ends before `end`, where put is true; returns how many those are.
 * *free_from becomes the column behind the last text. */
static size_t put_x_ticks(pl_plot *p, pl_rect foot, const pl_tick *ticks, size_t n, int end,
                          bool put, int *free_from)
{
    size_t count = 0;
    *free_from = 0;
    for (size_t i = 0; i < n; i++) {
        int col = pl_plot_col(p, ticks[i].at) + 1;
        int text = text_width(p, ticks[i].text);
        if (col < 1 || text == 0) {
            continue;
        }
        int start = col - text / 2;
        start = start < 0 ? 0 : start;
        if (!ticks[i].major || start < *free_from || start + text >= end) {
            continue;
        }
        if (put) {
            pl_put_code(p->surface, foot, 0, col, PL_STYLE_FAINT, p->surface->ascii ? '+' : 0x252c);
            pl_put(p->surface, foot, 1, start, PL_STYLE_FAINT, ticks[i].text);
        }
        *free_from = start + text + 1;
        count++;
    }
    return count;
}

/* Cuts the label at the end of a phrase while it hides more than a third of the numbers; returns
 * its width. */
static int fit_x_label(pl_plot *p, pl_rect foot, const pl_tick *ticks, size_t n, char *label,
                       int width)
{
    int behind = 0;
    const size_t all = put_x_ticks(p, foot, ticks, n, foot.w + 1, false, &behind);
    while (width > 0 &&
           3 * put_x_ticks(p, foot, ticks, n, foot.w - width, false, &behind) < 2 * all) {
        const size_t phrase = pl_text_phrase(label, (size_t)width - 1);
        if (phrase == 0) {
            break;
        }
        label[phrase] = '\0';
        width = (int)pl_text_width(label);
    }
    return width;
}

static void draw_x_axis(pl_plot *p)
{
    bool ascii = p->surface->ascii;
    pl_rect foot = {p->area.y + p->area.h, p->area.x - 1, 2, p->area.w + 1};
    pl_put_code(p->surface, foot, 0, 0, PL_STYLE_FAINT, ascii ? '+' : 0x2514);
    for (int col = 1; col < foot.w; col++) {
        pl_put_code(p->surface, foot, 0, col, PL_STYLE_FAINT, ascii ? '-' : 0x2500);
    }
    pl_tick ticks[PL_MAX_TICKS];
    size_t n = x_ticks(p, ticks);
    char label[256];
    const int most = foot.w * 3 / 5;
    const char *whole = p->figure->x.label != NULL ? p->figure->x.label : "";
    if (ascii) {
        pl_text_to_ascii(whole, label, sizeof label);
    } else {
        snprintf(label, sizeof label, "%s", whole);
        pl_text_trim_utf8(label);
    }
    const size_t phrase = pl_text_phrase(label, (size_t)most);
    label[phrase > 0 ? phrase : strlen(label)] = '\0';
    int width = (int)pl_text_width(label);
    width = width > most ? most : width;
    bool named = p->figure->x.names != NULL; /* names tell more than what they are names of */
    if (!named) {
        width = fit_x_label(p, foot, ticks, n, label, width);
    }
    const int label_start = foot.w - width;
    int free_from = 0;
    (void)put_x_ticks(p, foot, ticks, n, named ? foot.w + 1 : label_start, true, &free_from);
    if (free_from <= label_start) {
        pl_put_cut(p->surface, foot, 1, label_start, width, PL_STYLE_FAINT, label);
    }
}

/* --- crosshair -------------------------------------------------------------------------------- */

static void draw_pointer(pl_plot *p, int col, unsigned style)
{
    pl_put_code(p->surface, (pl_rect){p->area.y, p->area.x, p->area.h + 1, p->area.w}, p->area.h,
                col, style, p->surface->ascii ? '^' : 0x25b2);
}

/* The cells of a column of data; where it is empty, a dotted line if one is wanted. */
static void draw_column(pl_plot *p, int col, bool line, unsigned style)
{
    bool dotted =
        line && (p->options->marks == PL_MARKS_BRAILLE || p->options->marks == PL_MARKS_BLOCKS);
    for (int row = 0; row < p->area.h; row++) {
        unsigned own = 0;
        uint32_t code = pl_canvas_code(&p->canvas, row, col, &own);
        if (code == ' ' && dotted && blank(p, row, col, 1)) {
            code = 0x250a;
        }
        if (code != ' ') {
            pl_put_code(p->surface, p->area, row, col, style, code);
        }
    }
}

static int cursor_col(const pl_plot *p, double x)
{
    int from = 0;
    int to = 0;
    if (p->figure->heat != NULL || p->figure->x.log ||
        (p->figure->n_series > 0 && p->figure->series[0].mark != PL_MARK_STEMS)) {
        return pl_plot_col(p, x);
    }
    return pl_plot_columns(p, x, &from, &to) ? from / (p->canvas.dots_x / p->canvas.cols) : -1;
}

static void draw_crosshair(pl_plot *p)
{
    if (p->options->marked) {
        int col = cursor_col(p, p->options->mark);
        if (col >= 0) {
            draw_pointer(p, col, PL_STYLE_RULE);
        }
    }
    int col = p->options->crosshair ? cursor_col(p, p->options->cursor) : -1;
    if (col < 0) {
        return;
    }
    if (p->figure->heat == NULL) {
        draw_column(p, col, p->options->line, PL_STYLE_CURSOR);
    }
    draw_pointer(p, col, PL_STYLE_CURSOR);
}

static void draw_data(pl_plot *p)
{
    const pl_figure *figure = p->figure;
    for (size_t i = 0; i < figure->n_series && figure->heat == NULL; i++) {
        switch (figure->series[i].mark) {
        case PL_MARK_FAN:
            pl_plot_fan(p, i);
            break;
        case PL_MARK_BOX:
            pl_plot_boxes(p, i);
            break;
        default:
            pl_plot_series(p, i);
            break;
        }
    }
    if (figure->heat != NULL) {
        pl_plot_heat(p);
    }
    draw_rules(p);
    pl_canvas_draw(&p->canvas, p->surface, p->area);
}

pl_status pl_plot_draw(const pl_figure *figure, const pl_plot_options *options, pl_surface *surface,
                       pl_rect rect, pl_error *err)
{
    pl_plot p = {.figure = figure,
                 .options = options,
                 .surface = surface,
                 .rect = rect,
                 .flags = options->stale ? PL_STALE : 0};
    pl_tick ticks[PL_MAX_TICKS];
    size_t n = y_ticks(&p, rect.h - 2, ticks);
    int gutter = widest_tick_text(&p, ticks, n);
    int most = rect.w / 3 < NAME_COLS ? rect.w / 3 : NAME_COLS;
    gutter = 1 + (figure->y.names != NULL && gutter > most ? most : gutter);
    p.area = (pl_rect){rect.y, rect.x + gutter, rect.h - 2, rect.w - gutter};
    if (p.area.h < 1 || p.area.w < 4) {
        return PL_OK;
    }
    pl_status status = pl_canvas_init(&p.canvas, options->marks, p.area.h, p.area.w, err);
    if (status != PL_OK) {
        return status;
    }
    if (options->area != NULL) {
        *options->area = p.area;
    }
    draw_data(&p);
    draw_rule_labels(&p);
    draw_notes(&p);
    draw_y_axis(&p, ticks, n);
    draw_x_axis(&p);
    draw_crosshair(&p);
    if (figure->heat != NULL) {
        pl_plot_heat_cursor(&p);
    }
    pl_canvas_deinit(&p.canvas);
    return PL_OK;
}
