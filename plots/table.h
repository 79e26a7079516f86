/* plots/table.h -- tables as papers print them: rules above, below the heads and at the end, none
 * between columns; the first column is aligned left, the others right. */
#ifndef PL_PLOTS_TABLE_H
#define PL_PLOTS_TABLE_H

#include "plots/layout.h"

#include <cairo.h>

typedef struct pl_grid {
    double size;          /* of the text, points: the largest that fits, from 5 to the page's */
    double line;          /* height of a row */
    double gap;           /* between columns */
    double x, y;          /* upper left corner of the table, below the title */
    double width;         /* of the rules */
    const double *widths; /* [cols] of the columns */
    size_t heads;         /* lines of the heads */
    double needs;         /* the width that its cells need, where the page is too narrow */
    size_t rows;          /* rows shown; a sentence below counts the others */
} pl_grid;

/* Where a table goes on a page whose sizes layout holds.  widths: [cols], the caller's. */
void pl_table_fit(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts, double *widths,
                  pl_grid *out);

/* Height in points of a page of that width that holds the whole table and nothing else.  text: the
 * size asked for (pl_draw_options), 0: by the page. */
double pl_table_natural(const pl_figure *figure, pl_fonts *fonts, double width, double text);

PL_NODISCARD pl_status pl_table_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                                     pl_fonts *fonts, pl_error *err);

#endif
