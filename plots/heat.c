#include "plots/heat.h"

#include "core/base/checked.h"
#include "plots/edge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DOTS = 16 << 20, BAR_STEPS = 256 };

#define DOT (72.0 / 600) /* points: no print shows finer cells */

void pl_heat_thin(const float *cells, size_t count, size_t stride, double first, double step,
                  const double *edges, size_t n, float *columns)
{
    for (size_t i = 0; i < n; i++) {
        double from = ceil((edges[i] - first) / step - 1e-9);
        double to = ceil((edges[i + 1] - first) / step - 1e-9);
        if (!(from < to)) { /* no cell starts here */
            from = floor(((edges[i] + edges[i + 1]) / 2 - first) / step);
            to = from + 1;
        }
        from = fmax(from, 0);
        to = fmin(to, (double)count);
        float most = NAN;
        for (double c = from; c < to; c++) {
            most = fmaxf(most, cells[(size_t)c * stride]); /* a NaN loses */
        }
        columns[i] = most;
    }
}

/* The dots of a heat map: whole multiples of device pixels from the frame's inner corner, so that
 * the frame hides no cell.  The outermost dots also stand for cells below the frame. */
typedef struct raster {
    double x, y, dot;      /* page */
    size_t width, height;  /* dots */
    size_t first, rows;    /* those that cr's clip shows */
    double *across, *down; /* [width + 1] x, [rows + 1] y of data at the dots' edges, rising */
    float *row, *lines;    /* [heat.rows, width] */
} raster;

static void raster_deinit(raster *r)
{
    free(r->across);
    free(r->down);
    free(r->row);
    free(r->lines);
}

static void raster_edges(const pl_figure *figure, const pl_layout *layout, raster *r)
{
    for (size_t i = 0; i <= r->width; i++) {
        double x = fmin(r->x + (double)i * r->dot, layout->plot.x1);
        x = i == 0 ? layout->plot.x0 : i == r->width ? layout->plot.x1 : x;
        r->across[i] = pl_layout_x_of(layout, figure, x);
    }
    for (size_t i = 0; i <= r->rows; i++) {
        /* Downwards on the page is falling y: stored from the last dot up. */
        size_t line = r->first + r->rows - i;
        double y = fmin(r->y + (double)line * r->dot, layout->plot.y1);
        y = line == 0 ? layout->plot.y0 : line == r->height ? layout->plot.y1 : y;
        r->down[i] = pl_layout_y_of(layout, figure, y);
    }
}

static pl_status raster_init(raster *r, cairo_t *cr, const pl_figure *figure,
                             const pl_layout *layout, pl_error *err)
{
    const pl_area *plot = &layout->plot;
    double wide = plot->x1 - plot->x0;
    double high = plot->y1 - plot->y0;
    double dot = layout->pixel * ceil(DOT / layout->pixel - 1e-9);
    while (wide / dot * (high / dot) > MAX_DOTS) {
        dot += layout->pixel;
    }
    double left, top, right, bottom;
    cairo_clip_extents(cr, &left, &top, &right, &bottom);
    double frame = pl_layout_width(layout, layout->spine) / 2;
    *r = (raster){.x = plot->x0 + frame, .y = plot->y0 + frame, .dot = dot};
    r->width = (size_t)fmax(ceil((plot->x1 - frame - r->x) / dot - 1e-6), 1);
    r->height = (size_t)fmax(ceil((plot->y1 - frame - r->y) / dot - 1e-6), 1);
    double first = fmin(fmax(floor((top - r->y) / dot), 0), (double)r->height);
    double end = fmin(fmax(ceil((bottom - r->y) / dot), first), (double)r->height);
    r->first = (size_t)first;
    r->rows = (size_t)(end - first);
    size_t cells = 0;
    if (r->width > 0 && pl_mul(figure->heat->rows, r->width, &cells)) {
        r->across = pl_alloc(r->width + 1, sizeof *r->across);
        r->down = pl_alloc(r->rows + 1, sizeof *r->down);
        r->row = pl_alloc(r->rows + 1, sizeof *r->row);
        r->lines = pl_alloc(cells, sizeof *r->lines);
    }
    if (r->across == NULL || r->down == NULL || r->row == NULL || r->lines == NULL) {
        raster_deinit(r);
        *r = (raster){0};
        return pl_error_memory(err, "a heat map");
    }
    raster_edges(figure, layout, r);
    return PL_OK;
}

/* Colours of all dots; those without a value stay transparent.  Whether there is any of those. */
static bool paint_dots(const pl_heat *heat, pl_colormap palette, const raster *r,
                       unsigned char *pixels, size_t stride)
{
    bool holes = false;
    for (size_t i = 0; i < heat->rows; i++) {
        pl_heat_thin(heat->values + i * heat->cols, heat->cols, 1, pl_heat_left(heat), heat->step,
                     r->across, r->width, r->lines + i * r->width);
    }
    for (size_t j = 0; j < r->width; j++) {
        pl_heat_thin(r->lines + j, heat->rows, r->width, -0.5, 1, r->down, r->rows, r->row);
        for (size_t i = 0; i < r->rows; i++) {
            float value = r->row[r->rows - 1 - i];
            uint32_t colour = 0;
            if (isnan(value)) {
                holes = true;
            } else {
                colour = 0xff000000u | pl_palette_at(palette, pl_heat_part(heat, (double)value));
            }
            memcpy(pixels + i * stride + 4 * j, &colour, sizeof colour);
        }
    }
    return holes;
}

static void hatch_holes(cairo_t *cr, const pl_layout *layout)
{
    const pl_area *plot = &layout->plot;
    double distance = 4 * layout->scale;
    double high = plot->y1 - plot->y0;
    for (double x = plot->x0 - high; x < plot->x1; x += distance) {
        cairo_move_to(cr, x, plot->y1);
        cairo_line_to(cr, x + high, plot->y0);
    }
    cairo_set_source_rgb(cr, 0.8, 0.8, 0.8);
    cairo_set_line_width(cr, 0.5 * layout->scale);
    cairo_stroke(cr);
}

static void paint_image(cairo_t *cr, cairo_surface_t *image, double x, double y, double across,
                        double down)
{
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, across, down);
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_paint(cr);
    cairo_restore(cr);
}

pl_status pl_heat_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_error *err)
{
    raster r = {0};
    pl_status status = raster_init(&r, cr, figure, layout, err);
    if (status != PL_OK || r.rows == 0) {
        raster_deinit(&r);
        return status;
    }
    cairo_surface_t *image =
        cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)r.width, (int)r.rows);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
        unsigned char *pixels = cairo_image_surface_get_data(image);
        size_t stride = (size_t)cairo_image_surface_get_stride(image);
        bool holes = paint_dots(figure->heat, layout->options.palette, &r, pixels, stride);
        cairo_surface_mark_dirty(image);
        if (holes) {
            hatch_holes(cr, layout);
        }
        paint_image(cr, image, r.x, r.y + (double)r.first * r.dot, r.dot, r.dot);
    } else {
        status = pl_error_memory(err, "a heat map");
    }
    cairo_surface_destroy(image);
    raster_deinit(&r);
    return status;
}

/* --- the colour bar ----------------------------------------------------------------------------
 */

static void fill_bar(cairo_t *cr, const pl_layout *layout)
{
    const pl_area *bar = &layout->bar;
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, BAR_STEPS);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
        unsigned char *pixels = cairo_image_surface_get_data(image);
        size_t stride = (size_t)cairo_image_surface_get_stride(image);
        for (size_t i = 0; i < BAR_STEPS; i++) {
            uint32_t colour =
                pl_palette_at(layout->options.palette, 1 - (double)i / (BAR_STEPS - 1));
            memcpy(pixels + i * stride, &colour, sizeof colour);
        }
        cairo_surface_mark_dirty(image);
        cairo_save(cr);
        cairo_rectangle(cr, bar->x0, bar->y0, bar->x1 - bar->x0, bar->y1 - bar->y0);
        cairo_clip(cr);
        paint_image(cr, image, bar->x0, bar->y0, bar->x1 - bar->x0,
                    (bar->y1 - bar->y0) / BAR_STEPS);
        cairo_restore(cr);
    }
    cairo_surface_destroy(image);
}

void pl_heat_bar(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    const pl_area *bar = &layout->bar;
    if (!(bar->x1 > bar->x0)) {
        return;
    }
    fill_bar(cr, layout);
    cairo_rectangle(cr, bar->x0, bar->y0, bar->x1 - bar->x0, bar->y1 - bar->y0);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    cairo_set_line_width(cr, pl_layout_width(layout, layout->spine));
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_stroke(cr);
    pl_edge edge = {.area = bar, .label = figure->heat->label, .room = 0.6};
    for (size_t i = 0; i < layout->n_colour; i++) {
        edge.y[i] = pl_layout_at_colour(layout, figure->heat, layout->colour[i].at);
    }
    pl_edge_draw(cr, &edge, layout, fonts);
}
