/* views/plot_table.h -- a figure's table in cells: scrolled, with a selected row. */
#ifndef PL_VIEWS_PLOT_TABLE_H
#define PL_VIEWS_PLOT_TABLE_H

#include "plots/figure.h"
#include "views/surface.h"

/* Heads in the first line.  *row (kept within the table) is selected, *top the first one shown;
 * focused: highlights the selected row. */
void pl_plot_table_draw(const pl_table *table, size_t *row, size_t *top, bool focused, bool stale,
                        pl_surface *surface, pl_rect rect);

#endif
