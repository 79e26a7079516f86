/* plots/marks.h -- the data of a figure as ink: bars, steps, lines and points.
 *
 * Thinning happens here, by device pixel, and keeps each bin's minimum and maximum. */
#ifndef PL_PLOTS_MARKS_H
#define PL_PLOTS_MARKS_H

#include "plots/layout.h"
#include "plots/series_style.h"

#include <cairo.h>

/* A vertical bar on the page: from y0 (top) to y1 (bottom). */
typedef struct pl_bar {
    double x0, x1, y0, y1;
} pl_bar;

/* The bars of a series of stems or steps, thinned; none for other marks.  Empty bars are left out.
 * Caller frees *out (NULL when there is none). */
PL_NODISCARD pl_status pl_marks_bars(const pl_figure *figure, const pl_layout *layout,
                                     const pl_series *series, pl_bar **out, size_t *count,
                                     pl_error *err);

/* The points of a polyline after thinning, in drawing order, as above; unconnected points are
 * thinned only where neighbours share a pixel. */
typedef struct pl_point {
    double x, y;
} pl_point;
PL_NODISCARD pl_status pl_marks_points(const pl_figure *figure, const pl_layout *layout,
                                       const pl_series *series, pl_point **out, size_t *count,
                                       pl_error *err);

/* Radius of a series' markers, points. */
double pl_marks_radius(const pl_layout *layout, const pl_series *series);

/* Draws all series, later ones in front.  Stems with gaps between them are narrower in later
 * series. */
PL_NODISCARD pl_status pl_marks_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                                     pl_error *err);

/* A sample of the series inside a box, for the legend. */
void pl_marks_swatch(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, size_t index,
                     pl_area box);

#endif
