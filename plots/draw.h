/* plots/draw.h -- a figure on a cairo context: the one drawing behind every format. */
#ifndef PL_PLOTS_DRAW_H
#define PL_PLOTS_DRAW_H

#include "plots/figure.h"
#include "plots/fonts.h"

#include <cairo.h>

/* cr's user space is in points with the page's upper left corner at 0, 0; width and height are the
 * page's, pixel is the side of a device pixel in points.  figure has passed pl_figure_check. */
PL_NODISCARD pl_status pl_draw_figure(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                                      double width, double height, double pixel, pl_error *err);

#endif
