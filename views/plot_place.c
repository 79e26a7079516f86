#include "views/plot_parts.h"

#include <math.h>

pl_style pl_plot_style(pl_tone tone)
{
    switch (tone) {
    case PL_TONE_BEFORE:
        return PL_STYLE_BEFORE;
    case PL_TONE_PRECONDITIONED:
        return PL_STYLE_PRECONDITIONED;
    case PL_TONE_AFTER:
        return PL_STYLE_AFTER;
    case PL_TONE_INPUT:
        return PL_STYLE_INPUT;
    default:
        return (pl_style)(PL_STYLE_EXTRA + (tone - PL_TONE_EXTRA) % 8);
    }
}

double pl_plot_share(const pl_axis *axis, double value)
{
    if (axis->log) {
        double low = log10(axis->lo);
        return value > 0 ? (log10(value) - low) / (log10(axis->hi) - low) : -1;
    }
    return (value - axis->lo) / (axis->hi - axis->lo);
}

/* Shares far out of range stay within what an int holds. */
static int scale(double share, int count)
{
    share = share > 100 ? 100 : share < -100 ? -100 : share;
    return (int)floor(share * count);
}

int pl_plot_dot_x(const pl_plot *p, double x)
{
    int dot = scale(pl_plot_share(&p->figure->x, x), p->canvas.dots_x);
    return dot == p->canvas.dots_x ? dot - 1 : dot;
}

int pl_plot_dot_y(const pl_plot *p, double y)
{
    int dot = scale(pl_plot_share(&p->figure->y, y), p->canvas.dots_y);
    return dot < 0 ? 0 : dot >= p->canvas.dots_y ? p->canvas.dots_y - 1 : dot;
}

int pl_plot_row(const pl_plot *p, double y)
{
    double share = pl_plot_share(&p->figure->y, y);
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) {
        return -1;
    }
    int row = p->area.h - 1 - (int)floor(share * p->area.h);
    return row < 0 ? 0 : row >= p->area.h ? p->area.h - 1 : row;
}

int pl_plot_col(const pl_plot *p, double x)
{
    double share = pl_plot_share(&p->figure->x, x);
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) {
        return -1;
    }
    int col = (int)floor(share * p->area.w);
    return col < 0 ? 0 : col >= p->area.w ? p->area.w - 1 : col;
}

bool pl_plot_columns(const pl_plot *p, double x, int *from, int *to)
{
    const pl_axis *axis = &p->figure->x;
    if (x < axis->lo || x > axis->hi) {
        return false;
    }
    int dots = p->canvas.dots_x;
    double left = pl_plot_share(axis, axis->log ? fmax(x - 0.5, axis->lo) : x - 0.5);
    double right = pl_plot_share(axis, x + 0.5);
    /* Of an axis of no extent a share may be infinite. */
    *from = (int)floor(fmin(fmax(left * dots, 0.0), dots) + 1e-9);
    *to = (int)ceil(fmin(fmax(right * dots, 0.0), dots) - 1e-9) - 1;
    *from = *from < 0 ? 0 : *from >= dots ? dots - 1 : *from;
    *to = *to >= dots ? dots - 1 : *to;
    /* Few channels: a dot of air between two of them. */
    if (*to - *from >= 3) {
        (*to)--;
    }
    *to = *to < *from ? *from : *to;
    return true;
}
