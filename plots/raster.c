#include "plots/raster.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

pl_status pl_raster_draw(const pl_sheet *sheet, pl_fonts *fonts, cairo_surface_t *band,
                         size_t first, size_t width, size_t height, double dpi, const char *name,
                         pl_error *err)
{
    cairo_t *cr = cairo_create(band);
    cairo_translate(cr, 0, -(double)first);
    cairo_scale(cr, dpi / 72, dpi / 72);
    pl_status status = pl_sheet_draw(cr, sheet, fonts, (double)width * 72 / dpi,
                                     (double)height * 72 / dpi, 72 / dpi, err);
    cairo_status_t drawn = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_flush(band);
    if (status == PL_OK && drawn != CAIRO_STATUS_SUCCESS) {
        status =
            pl_error_set(err, PL_ERR_MEMORY, "%s: Cairo: %s", name, cairo_status_to_string(drawn));
    }
    return status;
}

void pl_raster_row(cairo_surface_t *band, size_t row, size_t width, unsigned char *rgb)
{
    const unsigned char *from =
        cairo_image_surface_get_data(band) + row * (size_t)cairo_image_surface_get_stride(band);
    for (size_t j = 0; j < width; j++) {
        uint32_t pixel;
        memcpy(&pixel, from + 4 * j, sizeof pixel);
        rgb[3 * j] = (unsigned char)(pixel >> 16);
        rgb[3 * j + 1] = (unsigned char)(pixel >> 8);
        rgb[3 * j + 2] = (unsigned char)pixel;
    }
}

pl_status pl_raster_make(const pl_figure *figure, const pl_figure_options *options, size_t width,
                         size_t height, double dpi, pl_raster *out, pl_error *err)
{
    *out = (pl_raster){0};
    pl_fonts *fonts = NULL;
    pl_figure panel = *figure; /* borrowed */
    const pl_sheet sheet = {.rows = 1,
                            .cols = 1,
                            .panels = &panel,
                            .options = options,
                            .font = options != NULL ? options->font.index : 0};
    pl_status status = pl_figure_check(figure, err);
    PL_THEN(pl_fonts_create_font(sheet.font, true, &fonts, err));
    if (status != PL_OK) {
        return status;
    }
    cairo_surface_t *whole =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    out->rgb = pl_alloc(width * height, 3);
    if (out->rgb == NULL || cairo_surface_status(whole) != CAIRO_STATUS_SUCCESS) {
        status = pl_error_memory(err, "an image");
    }
    PL_THEN(pl_raster_draw(&sheet, fonts, whole, 0, width, height, dpi, "the image", err));
    for (size_t i = 0; status == PL_OK && i < height; i++) {
        pl_raster_row(whole, i, width, out->rgb + i * width * 3);
    }
    cairo_surface_destroy(whole);
    pl_fonts_destroy(fonts);
    if (status == PL_OK) {
        out->width = width;
        out->height = height;
    } else {
        pl_raster_deinit(out);
    }
    return status;
}

void pl_raster_deinit(pl_raster *raster)
{
    free(raster->rgb);
    *raster = (pl_raster){0};
}
