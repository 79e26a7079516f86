/* tests/unit/plots/one_figure.h -- a page with one figure alone. */
#ifndef PL_TESTS_ONE_FIGURE_H
#define PL_TESTS_ONE_FIGURE_H

#include "plots/draw.h"
#include "plots/page.h"

static inline pl_status write_figure_page(const pl_figure *figure, const pl_page *page,
                                          const pl_provenance *provenance, size_t n_provenance,
                                          const char *path, size_t *width_px, size_t *height_px,
                                          pl_error *err)
{
    pl_figure panel = *figure; /* borrowed */
    const pl_sheet sheet = {.rows = 1, .cols = 1, .panels = &panel};
    return pl_page_write_sheet(&sheet, page, provenance, n_provenance, path, width_px, height_px,
                               err);
}

static inline pl_status draw_whole_figure(cairo_t *cr, const pl_figure *figure, pl_fonts *fonts,
                                          double width, double height, double pixel, pl_error *err)
{
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr); /* a page's edge may end within a pixel */
    return pl_draw_panel(cr, figure, fonts, width, height, pixel, NULL, err);
}

#endif
