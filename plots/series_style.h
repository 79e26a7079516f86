/* plots/series_style.h -- colour, line and hatch of a series on paper. */
#ifndef PL_PLOTS_SERIES_STYLE_H
#define PL_PLOTS_SERIES_STYLE_H

#include "plots/layout.h"
#include "plots/style.h"

#include <cairo.h>

/* A series' style: its tone's, with the author's colour and width. */
pl_style pl_series_style(const pl_layout *layout, const pl_series *series);

/* Lines across an area in the style's hatch; the caller clips. */
void pl_series_hatch(cairo_t *cr, const pl_layout *layout, const pl_style *style, pl_area area);

#endif
