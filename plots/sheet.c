#include "plots/sheet.h"

#include "core/base/memory.h"
#include "plots/draw.h"
#include "plots/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- shared axes ------------------------------------------------------------------------------ */

static bool same_label(const char *a, const char *b)
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
    if (!same_label(p->label, q->label) || p->log != q->log) {
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

/* The author's range of a panel's axis: xlim or ylim. */
static pl_option_RANGE limits_of(const pl_sheet *sheet, size_t panel, bool x)
{
    const pl_figure_options *own = sheet->options != NULL ? &sheet->options[panel] : NULL;
    return own == NULL ? (pl_option_RANGE){0} : x ? own->xlim : own->ylim;
}

/* Panels first, first + step, ... (count of them).  An end that a panel's author gave is the end of
 * all, the widest of several; else it spans all data. */
static pl_status share_line(pl_sheet *sheet, size_t first, size_t step, size_t count, bool x,
                            pl_error *err)
{
    double lo = INFINITY, hi = -INFINITY;
    double given_lo = INFINITY, given_hi = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        const pl_figure *figure = &sheet->panels[first + i * step];
        const pl_axis *axis = x ? &figure->x : &figure->y;
        const pl_option_RANGE limits = limits_of(sheet, first + i * step, x);
        pl_status status = check_fit(&sheet->panels[first], figure, x, err);
        if (status != PL_OK) {
            return status;
        }
        lo = fmin(lo, axis->lo);
        hi = fmax(hi, axis->hi);
        given_lo = limits.given && limits.has_lo ? fmin(given_lo, axis->lo) : given_lo;
        given_hi = limits.given && limits.has_hi ? fmax(given_hi, axis->hi) : given_hi;
    }
    const bool cropped = isfinite(given_lo) || isfinite(given_hi);
    lo = isfinite(given_lo) ? given_lo : lo;
    hi = isfinite(given_hi) ? given_hi : hi;
    if (!(lo < hi)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: the %s axes share %g to %g by the panels' %s=, expected a "
                            "rising range",
                            x ? "x" : "y", lo, hi, x ? "xlim" : "ylim");
    }
    for (size_t i = 0; i < count; i++) {
        pl_figure *figure = &sheet->panels[first + i * step];
        pl_axis *axis = x ? &figure->x : &figure->y;
        axis->lo = lo;
        axis->hi = hi;
        axis->cropped = axis->cropped || cropped;
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
    pl_figure panels[PL_SHEET_PANELS]; /* borrowed; without a title that the page gives */
    const char *title;                 /* of the page, or NULL */
    pl_wrapped heading;
    double top; /* where the panels begin */
} grid;

enum { PASSES = 8 }; /* until no panel wants a wider margin */

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

/* The title that all panels have, NULL where they differ. */
static const char *common_title(const pl_sheet *sheet)
{
    const char *title = sheet->panels[0].title;
    for (size_t i = 1; i < sheet->rows * sheet->cols; i++) {
        if (!same_label(title, sheet->panels[i].title)) {
            return NULL;
        }
    }
    return title;
}

static void choose_options(const pl_sheet *sheet, double width, double height, grid *g)
{
    const char *common = common_title(sheet);
    g->title = sheet->title != NULL ? sheet->title : common;
    g->title = g->title != NULL && g->title[0] != '\0' ? g->title : NULL;
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        int length = 0;
        const pl_figure_options *own = sheet->options != NULL ? &sheet->options[i] : NULL;
        g->panels[i] = sheet->panels[i];
        g->panels[i].title = common != NULL ? NULL : g->panels[i].title;
        if (i >= 26) {
            g->letters[i][length++] = (char)('a' + (int)(i / 26) - 1);
        }
        g->letters[i][length] = (char)('a' + (int)(i % 26));
        g->options[i] = (pl_draw_options){
            .no_x_label = sheet->share_x && row + 1 < sheet->rows,
            .no_y_label = sheet->share_y && col > 0,
            .letter = sheet->letters ? g->letters[i] : NULL,
            .text = own != NULL && own->text.given ? own->text.points : text_size(sheet, width),
            .inches = fmin(width / (double)sheet->cols, 1.5 * height / (double)sheet->rows) / 72,
            .palette =
                own != NULL && own->colors.has_palette ? own->colors.palette : PL_PALETTE_VIRIDIS,
            .author = own,
        };
    }
}

static double piece_of(const line *l, size_t i)
{
    return l->at[i + 1] - l->at[i];
}

/* Widens the margins by what the panels want at their present sizes; *wider says whether any. */
static pl_status find_margins(const pl_sheet *sheet, pl_fonts *fonts, double pixel, grid *g,
                              bool *wider, pl_error *err)
{
    *wider = false;
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        pl_area m;
        pl_status status = pl_draw_margins(&g->panels[i], fonts, piece_of(&g->cols, col),
                                           piece_of(&g->rows, row), pixel, &g->options[i], &m, err);
        if (status != PL_OK) {
            return status;
        }
        double *const lines[] = {&g->cols.before[col], &g->cols.after[col], &g->rows.before[row],
                                 &g->rows.after[row]};
        const double wanted[] = {m.x0, m.x1, m.y0, m.y1};
        for (size_t k = 0; k < 4; k++) {
            *wider = *wider || wanted[k] > *lines[k] + 1e-6;
            *lines[k] = fmax(*lines[k], wanted[k]);
        }
    }
    return PL_OK;
}

/* Cuts from ... from + length into n pieces whose plots are equal, at whole pixels; equal pieces
 * where the margins leave too little. */
static bool cut(line *l, size_t n, double from, double length, double pixel)
{
    double free = length;
    for (size_t i = 0; i < n; i++) {
        l->before[i] = ceil(l->before[i] / pixel - 1e-6) * pixel;
        l->after[i] = ceil(l->after[i] / pixel - 1e-6) * pixel;
        free -= l->before[i] + l->after[i];
    }
    bool fits = free / (double)n > 0.25 * length / (double)n;
    double at = from;
    for (size_t i = 0; i <= n; i++) {
        l->at[i] = round(at / pixel) * pixel;
        if (i < n) {
            at += fits ? free / (double)n + l->before[i] + l->after[i] : length / (double)n;
        }
    }
    return fits;
}

static pl_status lay_out_grid(const pl_sheet *sheet, pl_fonts *fonts, double width, double height,
                              double pixel, grid *g, pl_error *err)
{
    choose_options(sheet, width, height, g);
    if (g->title != NULL) {
        double text = g->options[0].text;
        pl_wrap(fonts, g->title, 1.1 * text, width - 2 * text, 3, &g->heading);
        if (g->heading.needs > 0) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "figure: the title does not fit a page of %.2f in: it needs %.2f "
                                "in",
                                width / 72, (g->heading.needs + 2 * text) / 72);
        }
        g->top = ceil((g->heading.height + 0.7 * text) / pixel) * pixel;
    }
    bool wider = true, across = true, down = true;
    cut(&g->cols, sheet->cols, 0, width, pixel);
    cut(&g->rows, sheet->rows, g->top, height - g->top, pixel);
    pl_status status = PL_OK;
    for (int pass = 0; status == PL_OK && wider && pass < PASSES; pass++) {
        status = find_margins(sheet, fonts, pixel, g, &wider, err);
        across = cut(&g->cols, sheet->cols, 0, width, pixel);
        down = cut(&g->rows, sheet->rows, g->top, height - g->top, pixel);
        for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
            size_t row = i / sheet->cols;
            size_t col = i % sheet->cols;
            pl_area *m = &g->options[i].margins;
            m->x0 = across ? g->cols.before[col] : 0;
            m->x1 = across ? g->cols.after[col] : 0;
            m->y0 = down ? g->rows.before[row] : 0;
            m->y1 = down ? g->rows.after[row] : 0;
        }
        wider = wider && (across || down);
    }
    return status;
}

static pl_status draw_grid(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts, double width,
                           double pixel, grid *g, pl_error *err)
{
    if (g->title != NULL) {
        cairo_set_source_rgb(cr, 0, 0, 0);
        pl_wrap_draw(fonts, cr, g->title, &g->heading, 0, 0.5 * g->options[0].text, width, 0.5);
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        cairo_save(cr);
        cairo_translate(cr, g->cols.at[col], g->rows.at[row]);
        status = pl_draw_panel(cr, &g->panels[i], fonts, piece_of(&g->cols, col),
                               piece_of(&g->rows, row), pixel, &g->options[i], err);
        cairo_restore(cr);
        if (status != PL_OK && sheet->rows * sheet->cols > 1) {
            char shown[24];
            snprintf(shown, sizeof shown, "panel %s: ", g->letters[i]);
            pl_error_prefix(err, "%s", shown);
        }
    }
    return status;
}

double pl_sheet_natural(const pl_sheet *sheet, pl_fonts *fonts, double width)
{
    if (sheet->rows * sheet->cols != 1 || sheet->panels[0].table == NULL) {
        return 0;
    }
    double text = width > SLIDE ? text_size(sheet, width) : 0;
    text =
        sheet->options != NULL && sheet->options->text.given ? sheet->options->text.points : text;
    return pl_table_natural(&sheet->panels[0], fonts, width, text);
}

/* Alone on its page, with sizes by the page's. */
static void choose_alone(const pl_sheet *sheet, pl_draw_options *out)
{
    const pl_figure_options *own = sheet->options;
    *out = (pl_draw_options){.author = own};
    if (own != NULL) {
        out->text = own->text.given ? own->text.points : 0;
        out->palette = own->colors.has_palette ? own->colors.palette : PL_PALETTE_VIRIDIS;
    }
}

pl_status pl_sheet_frames(const pl_sheet *sheet, pl_fonts *fonts, double width, double height,
                          double pixel, pl_area frames[PL_SHEET_PANELS], pl_error *err)
{
    grid *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return pl_error_memory(err, "a figure");
    }
    pl_status status = lay_out_grid(sheet, fonts, width, height, pixel, g, err);
    for (size_t i = 0; status == PL_OK && i < sheet->rows * sheet->cols; i++) {
        size_t row = i / sheet->cols;
        size_t col = i % sheet->cols;
        pl_area m;
        status = pl_draw_margins(&g->panels[i], fonts, piece_of(&g->cols, col),
                                 piece_of(&g->rows, row), pixel, &g->options[i], &m, err);
        frames[i] = (pl_area){0};
        if (status == PL_OK && g->panels[i].table == NULL) {
            frames[i] = (pl_area){g->cols.at[col] + m.x0, g->rows.at[row] + m.y0,
                                  g->cols.at[col + 1] - m.x1, g->rows.at[row + 1] - m.y1};
        }
    }
    free(g);
    return status;
}

static pl_status draw_sheet(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts, double width,
                            double height, double pixel, pl_error *err)
{
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr); /* a page's edge may end within a pixel */
    if (sheet->rows * sheet->cols == 1 && width <= SLIDE) {
        pl_draw_options options;
        choose_alone(sheet, &options);
        return pl_draw_panel(cr, &sheet->panels[0], fonts, width, height, pixel, &options, err);
    }
    grid *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return pl_error_memory(err, "a figure");
    }
    pl_status status = lay_out_grid(sheet, fonts, width, height, pixel, g, err);
    PL_THEN(draw_grid(cr, sheet, fonts, width, pixel, g, err));
    free(g);
    return status;
}

pl_status pl_sheet_draw(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts, double width,
                        double height, double pixel, pl_error *err)
{
    /* A label may be missing, and nothing else. */
    const unsigned before = pl_memory_failures(), troubles = pl_fonts_troubles();
    pl_status status = draw_sheet(cr, sheet, fonts, width, height, pixel, err);
    PL_THEN(pl_memory_check(before, err));
    PL_THEN(pl_fonts_check(troubles, err));
    return status;
}
