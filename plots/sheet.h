/* plots/sheet.h -- one page with one figure, or a grid of them with panel letters.
 *
 * Panels go row by row.  Shared axes get one common range, and inner panels leave out the labels
 * and numbers that the outer ones show.  Frames align: left and right lines within a column, upper
 * and lower ones within a row. */
#ifndef PL_PLOTS_SHEET_H
#define PL_PLOTS_SHEET_H

#include "plots/figure.h"
#include "plots/layout.h"
#include "plots/options.h"

#include <cairo.h>

enum { PL_SHEET_SIDE = 6, PL_SHEET_PANELS = PL_SHEET_SIDE * PL_SHEET_SIDE };

typedef struct pl_sheet {
    size_t rows, cols; /* 1 ... PL_SHEET_SIDE */
    pl_figure *panels; /* [rows * cols], borrowed; changed by pl_sheet_share only */
    bool letters;      /* a, b, ... at the panels' upper left corners */
    bool share_x;      /* panels of a column have one x axis */
    bool share_y;      /* panels of a row have one y axis */
    bool fit; /* a single table's page gets the table's height, whatever height was asked for */
    const char *title; /* over all panels; NULL: the panels', once if all have the same */
    const pl_figure_options *options; /* [rows * cols], borrowed; NULL: none */
    size_t font;                      /* index among PL_FONT_NAMES */
    bool outlines;                    /* letters of an SVG are outlines, not text */
} pl_sheet;

/* Gives shared axes their common ranges.  PL_ERR_USAGE where panels do not fit together: another
 * label, linear beside log, names beside numbers, a table. */
PL_NODISCARD pl_status pl_sheet_share(pl_sheet *sheet, pl_error *err);

/* Where the panels' frames stand on the page, points; empty for a table.  For tests. */
PL_NODISCARD pl_status pl_sheet_frames(const pl_sheet *sheet, pl_fonts *fonts, double width,
                                       double height, double pixel, pl_area frames[PL_SHEET_PANELS],
                                       pl_error *err);

/* Draws the page; units as in draw.h. */
PL_NODISCARD pl_status pl_sheet_draw(cairo_t *cr, const pl_sheet *sheet, pl_fonts *fonts,
                                     double width, double height, double pixel, pl_error *err);

/* Height in points of a page of that width with one table; 0 for any other sheet, whose height is
 * free. */
double pl_sheet_natural(const pl_sheet *sheet, pl_fonts *fonts, double width);

/* The data as CSV: facts and provenance are comment lines (#) in front; one block a panel, with a
 * blank line between.  Series over the same x share their rows; spreads have one column a
 * percentile; a heat map has a line for each row; a table stays a table.  Numbers have
 * nine digits. */
void pl_sheet_csv(const pl_sheet *sheet, pl_buf *out);

#endif
