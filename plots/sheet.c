#include "plots/sheet.h"

#include "plots/draw.h"
#include "plots/table.h"

#include <math.h>
#include <string.h>

/* --- shared axes ------------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static pl_status check_fit(const pl_figure *a, const pl_figure *b, bool x, pl_error *err)
{
    const pl_axis *p = x ? &a->x : &a->y;
    const pl_axis *q = x ? &b->x : &b->y;
    const char *name = x ? "x" : "y";
    if (a->table != NULL || b->table != NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: a table has no %s axis to share", name);
    }
    if (!same_text(p->label, q->label) || p->log != q->log) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: the %s axes \"%s\"%s and \"%s\"%s cannot be shared", name,
                            p->label != NULL ? p->label : "", p->log ? " (log)" : "",
                            q->label != NULL ? q->label : "", q->log ? " (log)" : "");
    }
    if ((p->names != NULL || q->names != NULL) && p->n_names != q->n_names) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: %s axes with %zu and %zu names cannot be shared", name,
                            p->n_names, q->n_names);
    }
    return PL_OK;
}

/* Panels first, first + step, ... (count of them). */
static pl_status share_line(pl_sheet *sheet, size_t first, size_t step, size_t count, bool x,
                            pl_error *err)
{
    double lo = INFINITY;
    double hi = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        const pl_figure *figure = &sheet->panels[first + i * step];
        const pl_axis *axis = x ? &figure->x : &figure->y;
        pl_status status = check_fit(&sheet->panels[first], figure, x, err);
        if (status != PL_OK) {
            return status;
        }
        lo = fmin(lo, axis->lo);
        hi = fmax(hi, axis->hi);
    }
    for (size_t i = 0; i < count; i++) {
        pl_figure *figure = &sheet->panels[first + i * step];
        pl_axis *axis = x ? &figure->x : &figure->y;
        axis->lo = lo;
        axis->hi = hi;
    }
    return PL_OK;
}

pl_status pl_sheet_share(pl_sheet *sheet, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t col = 0; status == PL_OK && sheet->share_x && col < sheet->cols; col++) {
        status = share_line(sheet, col, sheet->cols, sheet->rows, true, err);
    }
    for (size_t row = 0; status == PL_OK && sheet->share_y && row < sheet->rows; row++) {
        status = share_line(sheet, row * sheet->cols, 1, sheet->cols, false, err);
    }
    return status;
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* Where columns or rows begin and what they keep free at their ends. */
typedef struct line {
    double before[PL_SHEET_SIDE], after[PL_SHEET_SIDE];
    double at[PL_SHEET_SIDE + 1];
} line;

typedef struct grid {
    line cols, rows;
    char letters[PL_SHEET_PANELS][3];
    pl_draw_options options[PL_SHEET_PANELS];
} grid;

/* From this width on, points, a figure is read from a distance. */
#define SLIDE (8.0 * 72)

/* 5 to 10 pt at the final size on paper (ticks are a tenth smaller), one size for all panels. */
static double text_size(const pl_sheet *sheet, double width)
{
    if (width > SLIDE) {
        return sheet->rows * sheet->cols == 1 ? 16 : 14;
    }
    double panel = width / 72 / (double)sheet->cols;
    return fmin(fmax(3.9 + 1.1 * panel, 5.6), 9.0);
}

static void choose_options(const pl_sheet *sheet, double width, grid *g)
{
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        int length = 0;
        if (i >= 26) {
            g->letters[i][length++] = (char)('a' + (int)(i / 26) - 1);
        }
        g->letters[i][length] = (char)('a' + (int)(i % 26));
        g->options[i] = (pl_draw_options){
            .no_x_label = sheet->share_x && row + 1 < sheet->rows,
            .no_y_label = sheet->share_y && col > 0,
            .letter = sheet->letters ? g->letters[i] : NULL,
            .text = text_size(sheet, width),
        };
    }
}

static pl_status find_margins(const pl_sheet *sheet, pl_fonts *fonts, double width, double height,
                              double pixel, grid *g, pl_error *err)
{
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        pl_area m;
        pl_status status =
            pl_draw_margins(&sheet->panels[i], fonts, width / (double)sheet->cols,
                            height / (double)sheet->rows, pixel, &g->options[i], &m, err);
        if (status != PL_OK) {
            return status;
        }
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        g->cols.before[col] = fmax(g->cols.before[col], m.x0);
        g->cols.after[col] = fmax(g->cols.after[col], m.x1);
        g->rows.before[row] = fmax(g->rows.before[row], m.y0);
        g->rows.after[row] = fmax(g->rows.after[row], m.y1);
    }
    return PL_OK;
}

/* Cuts a length into n pieces whose plots are equal, at whole pixels; equal pieces where the
 * margins leave too little. */
static bool cut(line *l, size_t n, double length, double pixel)
{
    double free = length;
    for (size_t i = 0; i < n; i++) {
        free -= l->before[i] + l->after[i];
    }
    bool fits = free / (double)n > 0.3 * length / (double)n;
    double at = 0;
    for (size_t i = 0; i <= n; i++) {
        l->at[i] = round(at / pixel) * pixel;
        if (i < n) {
            at += fits ? free / (double)n + l->before[i] + l->after[i] : length / (double)n;
        }
    }
    return fits;
}

static pl_status draw_grid(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts, double pixel,
                           grid *g, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        cairo_save(cr);
        cairo_translate(cr, g->cols.at[col], g->rows.at[row]);
        status = pl_draw_panel(cr, &sheet->panels[i], fonts, g->cols.at[col + 1] - g->cols.at[col],
                               g->rows.at[row + 1] - g->rows.at[row], pixel, &g->options[i], err);
        cairo_restore(cr);
    }
    return status;
}

double pl_sheet_natural(const pl_sheet *sheet, pl_fonts *fonts, double width)
{
    if (sheet->rows * sheet->cols != 1 || sheet->panels[0].table == NULL) {
        return 0;
    }
    double text = width > SLIDE ? text_size(sheet, width) : 0;
    return pl_table_natural(&sheet->panels[0], fonts, width, text);
}

pl_status pl_sheet_draw(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts, double width,
                        double height, double pixel, pl_error *err)
{
    if (sheet->rows * sheet->cols == 1 && width <= SLIDE) {
        return pl_draw_figure(cr, &sheet->panels[0], fonts, width, height, pixel, err);
    }
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    grid g = {0};
    choose_options(sheet, width, &g);
    pl_status status = find_margins(sheet, fonts, width, height, pixel, &g, err);
    if (status != PL_OK) {
        return status;
    }
    bool across = cut(&g.cols, sheet->cols, width, pixel);
    bool down = cut(&g.rows, sheet->rows, height, pixel);
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        if (across) {
            g.options[i].margins.x0 = g.cols.before[col];
            g.options[i].margins.x1 = g.cols.after[col];
        }
        if (down) {
            g.options[i].margins.y0 = g.rows.before[row];
            g.options[i].margins.y1 = g.rows.after[row];
        }
    }
    return draw_grid(cr, sheet, fonts, pixel, &g, err);
}
