/* plots/edge.h -- the scale on the right edge of a plot or of its colour bar. */
#ifndef PL_PLOTS_EDGE_H
#define PL_PLOTS_EDGE_H

#include "plots/fonts.h"
#include "plots/layout.h"

typedef struct pl_edge {
    const pl_area *area;    /* the scale stands at its right edge */
    double y[PL_MAX_TICKS]; /* heights of the ticks layout->colour */
    const char *label;      /* reads upwards, wrapped as layout->bar_label */
    double room;            /* between numbers and label, in layout->pad */
} pl_edge;

void pl_edge_draw(cairo_t *cr, const pl_edge *edge, const pl_layout *layout, pl_fonts *fonts);

#endif
