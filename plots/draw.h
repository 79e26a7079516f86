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
 * Draws within (and paints white) the rectangle from 0, 0 to width, height of cr's user space only,
 * so that cairo_translate puts a panel anywhere on a page.  Translate by whole device pixels, else
 * the frame's lines blur.  options may be NULL. */
PL_NODISCARD pl_status pl_draw_panel(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                                     double width, double height, double pixel,
                                     const pl_draw_options *options, pl_error *err);

/* Where everything of a panel stands, with the ink of its data for the texts inside the plot; not
 * of a table.  Caller deinits ink. */
PL_NODISCARD pl_status pl_draw_prepare(const pl_figure *figure, pl_fonts *fonts, double width,
                                       double height, double pixel, const pl_draw_options *options,
                                       pl_layout *layout, pl_ink *ink, pl_error *err);

/* What pl_draw_panel would leave around the plot: left, top, right and bottom, points.  A sheet
 * takes the most of a column or row of panels and gives it back as options->margins, so that their
 * axes align; giving panels widths of margins plus a common plot makes the plots equal. */
PL_NODISCARD pl_status pl_draw_margins(const pl_figure *figure, pl_fonts *fonts, double width,
                                       double height, double pixel, const pl_draw_options *options,
                                       pl_area *out, pl_error *err);

#endif
