/* plots/raster.h -- a figure as pixels: the drawing behind a PNG, and the same for terminals that
 * show images. */
#ifndef PL_PLOTS_RASTER_H
#define PL_PLOTS_RASTER_H

#include "plots/fonts.h"
#include "plots/sheet.h"

#include <cairo.h>
#include <stdint.h>

typedef struct pl_raster {
    size_t width, height;
    unsigned char *rgb; /* [height, width, 3] */
} pl_raster;

/* The pixels of the PNG that pl_page_write_sheet makes at width / dpi x height / dpi inches with
 * these options (NULL: none); those that change the data are applied already.  Sides and dpi are
 * within its bounds.  Caller deinits out; empty on failure.  PL_ERR_USAGE or PL_ERR_NUMERIC where
 * the figure cannot be drawn, or has no room for its texts.  Thread-safe. */
PL_NODISCARD pl_status pl_raster_make(const pl_figure *figure, const pl_figure_options *options,
                                      size_t width, size_t height, double dpi, pl_raster *out,
                                      pl_error *err);
void pl_raster_deinit(pl_raster *raster);

/* Draws device rows [first, first + rows of the band) of a page of width x height pixels on the
 * band, an image surface of CAIRO_FORMAT_RGB24; name is for its errors. */
PL_NODISCARD pl_status pl_raster_draw(const pl_sheet *sheet, pl_fonts *fonts, cairo_surface_t *band,
                                      size_t first, size_t width, size_t height, double dpi,
                                      const char *name, pl_error *err);
/* Row `row` of such a surface to rgb [width, 3]. */
void pl_raster_row(cairo_surface_t *band, size_t row, size_t width, unsigned char *rgb);

/* Appends the sequence that shows the raster where the cursor stands: of the kitty graphics
 * protocol ("Terminal graphics protocol", sw.kovidgoyal.net/kitty/graphics-protocol), a PNG with
 * number id, in place of an earlier image of that number, without an answer and without moving the
 * cursor; or of sixel (DEC STD 070, 9), in at most 256 colours. */
PL_NODISCARD pl_status pl_raster_put_kitty(const pl_raster *raster, unsigned id, pl_buf *out,
                                           pl_error *err);
/* PL_ERR_STATE where this build has no libsixel. */
PL_NODISCARD pl_status pl_raster_put_sixel(const pl_raster *raster, pl_buf *out, pl_error *err);
bool pl_raster_has_sixel(void);

#endif
