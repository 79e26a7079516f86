/* Heat maps: a colour, a shade or a character a cell; of cells that share one, the largest. */
#include "views/plot_parts.h"

#include "views/text.h"

#include <math.h>
#include <string.h>

/* Share of the colours below a value, 0 ... 1. */
static double level_of(const pl_heat *heat, double value)
{
    double share = 0;
    if (heat->log) {
        share = value > 0 ? log(value / heat->lo) / log(heat->hi / heat->lo) : 0;
    } else {
        share = (value - heat->lo) / (heat->hi - heat->lo);
    }
    return share > 1 ? 1 : share > 0 ? share : 0;
}

/* What shows a share: a coloured blank, a shade or a character of rising ink. */
static uint32_t look_of(const pl_plot_options *options, double share, unsigned *style)
{
    /* The least has ink, too: a blank is no value. */
    static const char ramp[] = ".:-=+*#%@";
    static const uint32_t shades[] = {0xb7, 0x2591, 0x2592, 0x2593, 0x2588};
    bool plain = options->marks == PL_MARKS_ASCII || options->colours == 0;
    if (options->colours >= 256) {
        int level = (int)(share * PL_HEAT_LEVELS);
        *style = (unsigned)PL_STYLE_HEAT +
                 (unsigned)(level < PL_HEAT_LEVELS ? level : PL_HEAT_LEVELS - 1);
        return ' ';
    }
    *style = PL_STYLE_TEXT;
    int count = plain ? (int)sizeof ramp - 1 : (int)(sizeof shades / sizeof *shades);
    int step = (int)(share * count);
    step = step < count ? step : count - 1;
    return plain ? (uint32_t)ramp[step] : shades[step];
}

/* Indices [*from, *to) of `count` data cells under screen cell i of n that show [lo, hi]; the cell
 * of an index k begins at first + k step. */
static void range_of(double lo, double hi, int i, int n, double first_at, double step, size_t count,
                     size_t *from, size_t *to)
{
    double width = (hi - lo) / n;
    double left = (lo + i * width - first_at) / step;
    double right = (lo + (i + 1) * width - first_at) / step;
    /* One that is larger than the screen's cell is drawn in all the cells it covers most of. */
    double first = right - left < 1 ? floor((left + right) / 2) : ceil(left - 1e-9);
    double end = right - left < 1 ? first + 1 : ceil(right - 1e-9);
    *from = first > 0 ? (size_t)first : 0;
    *to = end > 0 ? (size_t)end : 0;
    *to = *to < count ? *to : count;
    *from = right < 0 || first >= (double)count ? *to : *from;
}

static double largest_in_heat(const pl_heat *heat, size_t row0, size_t row1, size_t col0,
                              size_t col1)
{
    double most = NAN;
    for (size_t r = row0; r < row1; r++) {
        const float *values = heat->values + r * heat->cols;
        for (size_t c = col0; c < col1; c++) {
            double value = (double)values[c];
            most = value > most || isnan(most) ? value : most;
        }
    }
    return most;
}

void pl_plot_heat(pl_plot *p)
{
    const pl_heat *heat = p->figure->heat;
    const pl_axis *x = &p->figure->x;
    const pl_axis *y = &p->figure->y;
    for (int line = 0; line < p->area.h; line++) {
        size_t row0 = 0;
        size_t row1 = 0;
        range_of(y->lo, y->hi, p->area.h - 1 - line, p->area.h, -0.5, 1, heat->rows, &row0, &row1);
        for (int col = 0; col < p->area.w; col++) {
            size_t col0 = 0;
            size_t col1 = 0;
            range_of(x->lo, x->hi, col, p->area.w, pl_heat_left(heat), heat->step, heat->cols,
                     &col0, &col1);
            double value = largest_in_heat(heat, row0, row1, col0, col1);
            if (!isnan(value)) {
                unsigned style = 0;
                uint32_t code = look_of(p->options, level_of(heat, value), &style);
                pl_put_code(p->surface, p->area, line, col, style | p->flags, code);
            }
        }
    }
}

/* Changes the character of a cell, not its colours. */
static void overlay(pl_plot *p, int row, int col, uint32_t code, unsigned flags)
{
    if (row < 0 || col < 0 || row >= p->area.h || col >= p->area.w) {
        return;
    }
    pl_surface *surface = p->surface;
    pl_cell *cell =
        &surface
             ->cells[(size_t)(p->area.y + row) * (size_t)surface->cols + (size_t)(p->area.x + col)];
    cell->style |= flags;
    if (code != 0) {
        pl_put_code(surface, p->area, row, col, cell->style, code);
    }
}

static void draw_marks(pl_plot *p)
{
    for (size_t i = 0; i < p->figure->n_series; i++) {
        const pl_series *series = &p->figure->series[i];
        for (size_t k = 0; k < series->count && series->mark == PL_MARK_POINTS; k++) {
            overlay(p, pl_plot_row(p, series->y[k]), pl_plot_col(p, series->x[k]),
                    p->options->marks == PL_MARKS_ASCII ? 'X' : 0xd7, PL_BOLD);
        }
    }
}

void pl_plot_heat_cursor(pl_plot *p)
{
    draw_marks(p);
    if (!p->options->crosshair) {
        return;
    }
    int row = pl_plot_row(p, (double)p->options->row);
    int col = pl_plot_col(p, p->options->cursor);
    bool lines = p->options->line && p->options->colours >= 256;
    for (int r = 0; lines && r < p->area.h; r++) {
        overlay(p, r, col, p->surface->ascii ? '|' : 0x2502, 0);
    }
    for (int c = 0; lines && c < p->area.w; c++) {
        overlay(p, row, c, p->surface->ascii ? '-' : 0x2500, 0);
    }
    overlay(p, row, col, '+', p->options->colours >= 256 ? PL_BOLD : PL_REVERSE);
}

int pl_plot_colour_bar(const pl_heat *heat, const pl_plot_options *options, pl_surface *surface,
                       pl_rect rect, int row, int col, int room)
{
    enum { CELLS = 12 };
    char low[PL_NUMBER_TEXT];
    char high[PL_NUMBER_TEXT];
    pl_format_number(heat->lo, low);
    pl_format_number(heat->hi, high);
    const char *label = heat->label != NULL ? heat->label : "";
    int width = (int)(strlen(low) + strlen(high)) + CELLS + 2;
    int named = (int)pl_text_width(label) + 2;
    const char *scale = heat->log ? " (log)" : "";
    int end = (int)strlen(scale);
    if (width > room) {
        return 0;
    }
    int start = col;
    if (named > 2 && width + named <= room) {
        col += pl_put(surface, rect, row, col, PL_STYLE_FAINT, label) + 2;
    }
    col += pl_put(surface, rect, row, col, PL_STYLE_TEXT, low) + 1;
    for (int i = 0; i < CELLS; i++, col++) {
        unsigned style = 0;
        uint32_t code = look_of(options, (i + 0.5) / CELLS, &style);
        pl_put_code(surface, rect, row, col, style, code);
    }
    col += 1 + pl_put(surface, rect, row, col + 1, PL_STYLE_TEXT, high);
    if (end > 0 && col - start + end <= room) {
        col += pl_put(surface, rect, row, col, PL_STYLE_FAINT, scale);
    }
    return col - start;
}
