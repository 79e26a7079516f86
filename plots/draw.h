/* plots/draw.h -- a figure on a cairo context: the one drawing behind every format. */
#ifndef PL_PLOTS_DRAW_H
#define PL_PLOTS_DRAW_H

#include "plots/figure.h"
#include "plots/fonts.h"
#include "plots/ink.h"
#include "plots/layout.h"

#include <cairo.h>

/* cr's user space is in points with the page's upper left corner at 0, 0; width and height are the
 * page's, pixel is the side of a device pixel in points.  figure has passed pl_figure_check.
 *
 * Paints white, and draws within, only the rectangle from 0, 0 to width, height of cr's user space,
 * so that cairo_translate puts a panel anywhere on a page.  Translate by whole device pixels, or
 * the frame's lines blur.  options may be NULL. */
PL_NODISCARD pl_status pl_draw_panel(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                                     double width, double height, double pixel,
                                     const pl_draw_options *options, pl_error *err);

/* The layout of a panel (not of a table), and the ink of its data, which texts inside the plot
 * avoid.  Caller deinits ink. */
PL_NODISCARD pl_status pl_draw_prepare(const pl_figure *figure, pl_fonts *fonts, double width,
                                       double height, double pixel, const pl_draw_options *options,
                                       pl_layout *layout, pl_ink *ink, pl_error *err);

/* The room that pl_draw_panel would leave around the plot: left, top, right and bottom, points.  A
 * sheet passes the largest of a column or row of panels as options->margins, so that their axes
 * align; panels as wide as their margins plus one common width have equal plots. */
PL_NODISCARD pl_status pl_draw_margins(const pl_figure *figure, pl_fonts *fonts, double width,
                                       double height, double pixel, const pl_draw_options *options,
                                       pl_area *out, pl_error *err);

#endif
