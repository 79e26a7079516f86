#include "views/plot.h"

#include "views/text.h"

#include <math.h>
#include <stdlib.h>

typedef struct plot {
    const pl_figure *figure;
    const pl_plot_options *options;
    pl_surface *surface;
    pl_rect rect; /* the whole */
    pl_rect area; /* where data is drawn */
    pl_canvas canvas;
    unsigned flags; /* or-ed to every style */
} plot;

pl_style pl_plot_style(pl_tone tone)
{
    switch (tone) {
    case PL_TONE_PRECONDITIONED:
        return PL_STYLE_PRECONDITIONED;
    case PL_TONE_AFTER:
        return PL_STYLE_AFTER;
    case PL_TONE_INPUT:
        return PL_STYLE_INPUT;
    default:
        return PL_STYLE_BEFORE;
    }
}

static double scaled(const pl_axis *axis, double value)
{
    if (axis->log) {
        double low = log10(axis->lo);
        return value > 0 ? (log10(value) - low) / (log10(axis->hi) - low) : -1;
    }
    return (value - axis->lo) / (axis->hi - axis->lo);
}

/* Dots from the bottom; at least one for anything above the axis, so that nothing vanishes. */
static int height_of(const plot *p, double value)
{
    double share = scaled(&p->figure->y, value);
    if (!(share > 0)) {
        return 0;
    }
    int dots = share >= 1 ? p->canvas.dots_y : (int)lround(share * p->canvas.dots_y);
    return dots < 1 ? 1 : dots;
}

/* The columns of dots [*from, *to] that the channel at x takes; false if it is out of range. */
static bool columns_of(const plot *p, double x, int *from, int *to)
{
    const pl_axis *axis = &p->figure->x;
    if (x < axis->lo || x > axis->hi) {
        return false;
    }
    double width = axis->hi - axis->lo;
    *from = (int)floor((x - 0.5 - axis->lo) / width * p->canvas.dots_x + 1e-9);
    *to = (int)ceil((x + 0.5 - axis->lo) / width * p->canvas.dots_x - 1e-9) - 1;
    *from = *from < 0 ? 0 : *from;
    *to = *to >= p->canvas.dots_x ? p->canvas.dots_x - 1 : *to;
    /* Few channels: a dot of air between two of them. */
    if (*to - *from >= 3) {
        (*to)--;
    }
    *to = *to < *from ? *from : *to;
    return true;
}

static void draw_series(plot *p, const pl_series *series, bool caps)
{
    int *tallest = calloc((size_t)p->canvas.dots_x, sizeof *tallest);
    if (tallest == NULL) {
        return;
    }
    for (size_t i = 0; i < series->count; i++) {
        int from = 0;
        int to = 0;
        if (!columns_of(p, series->x[i], &from, &to)) {
            continue;
        }
        int height = height_of(p, series->y[i]);
        for (int x = from; x <= to; x++) {
            tallest[x] = height > tallest[x] ? height : tallest[x];
        }
    }
    unsigned style = (unsigned)pl_plot_style(series->tone) | p->flags;
    for (int x = 0; x < p->canvas.dots_x; x++) {
        if (tallest[x] > 0 && caps) {
            pl_canvas_cap(&p->canvas, x, tallest[x] - 1, style);
        } else if (tallest[x] > 0) {
            pl_canvas_bar(&p->canvas, x, tallest[x], style);
        }
    }
    free(tallest);
}

static int row_of(const plot *p, double value)
{
    double share = scaled(&p->figure->y, value);
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) {
        return -1;
    }
    int row = p->area.h - 1 - (int)floor(share * p->area.h);
    return row < 0 ? 0 : row;
}

static void draw_rules(plot *p)
{
    for (size_t i = 0; i < p->figure->n_rules; i++) {
        const pl_rule *rule = &p->figure->rules[i];
        int row = row_of(p, rule->at);
        if (row < 0) {
            continue;
        }
        for (int col = 0; col < p->area.w; col += 2) {
            pl_put_code(p->surface, p->area, row, col, PL_STYLE_RULE | p->flags,
                        p->surface->ascii ? '-' : 0x2500);
        }
    }
}

/* After the data, so that the label stays readable. */
static void draw_rule_labels(plot *p)
{
    for (size_t i = 0; i < p->figure->n_rules; i++) {
        const pl_rule *rule = &p->figure->rules[i];
        int row = row_of(p, rule->at);
        if (row >= 0 && rule->label != NULL) {
            pl_put_right(p->surface, p->area, row, p->area.w, PL_STYLE_RULE | p->flags,
                         rule->label);
        }
    }
}

static int y_label_width(const plot *p, const pl_tick *ticks, size_t n)
{
    size_t widest = 1;
    for (size_t i = 0; i < n; i++) {
        char plain[sizeof ticks[i].text * 2];
        const char *text = ticks[i].text;
        if (p->surface->ascii) {
            pl_text_to_ascii(text, plain, sizeof plain);
            text = plain;
        }
        size_t width = pl_text_width(text);
        widest = width > widest ? width : widest;
    }
    return (int)widest;
}

static void draw_y_axis(plot *p, const pl_tick *ticks, size_t n)
{
    bool ascii = p->surface->ascii;
    pl_rect gutter = {p->area.y, p->rect.x, p->area.h + 1, p->area.x - p->rect.x};
    for (int row = 0; row < p->area.h; row++) {
        pl_put_code(p->surface, gutter, row, gutter.w - 1, PL_STYLE_FAINT, ascii ? '|' : 0x2502);
    }
    int last = p->area.h + 1;
    for (size_t i = 0; i < n; i++) { /* from the bottom up */
        int row = ticks[i].at == p->figure->y.lo ? p->area.h : row_of(p, ticks[i].at);
        if (row < 0 || (row < p->area.h && !ticks[i].major) || ticks[i].text[0] == '\0' ||
            row >= last - (last <= p->area.h)) {
            continue;
        }
        pl_put_right(p->surface, gutter, row, gutter.w - 1, PL_STYLE_FAINT, ticks[i].text);
        if (row < p->area.h) {
            pl_put_code(p->surface, gutter, row, gutter.w - 1, PL_STYLE_FAINT,
                        ascii ? '+' : 0x2524);
        }
        last = row;
    }
}

static void draw_x_axis(plot *p)
{
    bool ascii = p->surface->ascii;
    pl_rect foot = {p->area.y + p->area.h, p->area.x - 1, 2, p->area.w + 1};
    pl_put_code(p->surface, foot, 0, 0, PL_STYLE_FAINT, ascii ? '+' : 0x2514);
    for (int col = 1; col < foot.w; col++) {
        pl_put_code(p->surface, foot, 0, col, PL_STYLE_FAINT, ascii ? '-' : 0x2500);
    }
    pl_tick ticks[PL_MAX_TICKS];
    size_t wanted = (size_t)p->area.w / 14;
    size_t n = pl_ticks(&p->figure->x, wanted < 3 ? 3 : wanted, ticks);
    const char *label = p->figure->x.label != NULL ? p->figure->x.label : "";
    int label_start = foot.w - (int)pl_text_width(label);
    pl_put_right(p->surface, foot, 1, foot.w, PL_STYLE_FAINT, label);
    int free_from = 0;
    for (size_t i = 0; i < n; i++) {
        double share = (ticks[i].at - p->figure->x.lo) / (p->figure->x.hi - p->figure->x.lo);
        int col = 1 + (int)floor(share * p->area.w);
        if (share < 0 || col >= foot.w) {
            continue;
        }
        int width = (int)pl_text_width(ticks[i].text);
        int start = col - (i == 0 ? 0 : width / 2);
        if (!ticks[i].major || start < free_from || start + width >= label_start) {
            continue;
        }
        pl_put_code(p->surface, foot, 0, col, PL_STYLE_FAINT, ascii ? '+' : 0x252c);
        pl_put(p->surface, foot, 1, start, PL_STYLE_FAINT, ticks[i].text);
        free_from = start + width + 1;
    }
}

static void draw_crosshair(plot *p)
{
    int from = 0;
    int to = 0;
    if (!p->options->crosshair || !columns_of(p, p->options->cursor, &from, &to)) {
        return;
    }
    int col = from / (p->canvas.dots_x / p->canvas.cols);
    for (int row = 0; row < p->area.h; row++) {
        unsigned style = 0;
        uint32_t code = pl_canvas_code(&p->canvas, row, col, &style);
        bool dotted = p->options->line && (p->options->marks == PL_MARKS_BRAILLE ||
                                           p->options->marks == PL_MARKS_BLOCKS);
        if (code == ' ' && dotted) {
            code = 0x250a;
        }
        if (code != ' ') {
            pl_put_code(p->surface, p->area, row, col, PL_STYLE_CURSOR, code);
        }
    }
    pl_put_code(p->surface, (pl_rect){p->area.y, p->area.x, p->area.h + 1, p->area.w}, p->area.h,
                col, PL_STYLE_CURSOR, p->surface->ascii ? '^' : 0x25b2);
}

pl_status pl_plot_draw(const pl_figure *figure, const pl_plot_options *options, pl_surface *surface,
                       pl_rect rect, pl_error *err)
{
    plot p = {.figure = figure,
              .options = options,
              .surface = surface,
              .rect = rect,
              .flags = options->stale ? PL_STALE : 0};
    pl_tick ticks[PL_MAX_TICKS];
    size_t wanted = (size_t)(rect.h > 2 ? rect.h - 2 : 1) / 3;
    size_t n = pl_ticks(&figure->y, wanted < 3 ? 3 : wanted > 8 ? 8 : wanted, ticks);
    int gutter = y_label_width(&p, ticks, n) + 1;
    p.area = (pl_rect){rect.y, rect.x + gutter, rect.h - 2, rect.w - gutter};
    if (p.area.h < 1 || p.area.w < 4) {
        return PL_OK;
    }
    pl_status status = pl_canvas_init(&p.canvas, options->marks, p.area.h, p.area.w, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < figure->n_series; i++) {
        draw_series(&p, &figure->series[i], i == 0 && figure->n_series > 1);
    }
    draw_rules(&p);
    pl_canvas_draw(&p.canvas, surface, p.area);
    draw_rule_labels(&p);
    draw_y_axis(&p, ticks, n);
    draw_x_axis(&p);
    draw_crosshair(&p);
    pl_canvas_deinit(&p.canvas);
    return PL_OK;
}
