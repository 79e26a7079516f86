/* plots/legend.h -- the texts inside a plot: legend, rule labels, notes; each where it hides
 * least. */
#ifndef PL_PLOTS_LEGEND_H
#define PL_PLOTS_LEGEND_H

#include "plots/ink.h"

/* The box of that size that hides least, `gap` away from the frame; ties go to the upper right
 * corner, then upper left, lower right, lower left, the middles of the edges.  False if the box is
 * too large or would hide another text everywhere. */
bool pl_legend_place(const pl_ink *ink, double width, double height, double gap, pl_area *out);

/* Where the author wants the legend; auto without options.  None if there is one series, of the
 * data itself, which the axes explain, and the author did not ask for a legend. */
pl_legend_at pl_legend_of(const pl_figure *figure, const pl_draw_options *options);

/* Weight of the ink that a legend inside the plot would hide: 0 if there is a free place (or no
 * label), infinite if no place holds its labels whole. */
double pl_legend_hides(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                       const pl_ink *ink);

/* Height of the legend as a strip below the plot, width as a column at its right; 0 without
 * labels.  Long labels go over several lines. */
double pl_legend_strip(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts);
double pl_legend_column(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts);

/* Each draws, adds its own ink, and leaves out what would not fit.  Called in this order. */
void pl_legend_notes(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     pl_ink *ink);
void pl_legend_rules(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     pl_ink *ink);
void pl_legend_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    pl_ink *ink);

#endif
