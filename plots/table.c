#include "plots/table.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAST 5.0 /* points */
#define LEAD 1.22 /* a row's height over its text's */

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

static const char *cell_of(const pl_table *table, size_t row, size_t col)
{
    return text_of(table->cells[row * table->cols + col]);
}

static bool has_title(const pl_figure *figure)
{
    return text_of(figure->title)[0] != '\0';
}

/* Natural widths of the columns at a size, and their sum with the gaps. */
static double natural(const pl_table *table, pl_fonts *fonts, double size, double gap,
                      double *widths)
{
    double sum = gap * (double)(table->cols - 1);
    for (size_t j = 0; j < table->cols; j++) {
        widths[j] = pl_fonts_measure(fonts, text_of(table->heads[j]), size, 0).width;
        for (size_t i = 0; i < table->rows; i++) {
            double width = pl_fonts_measure(fonts, cell_of(table, i, j), size, 0).width;
            widths[j] = fmax(widths[j], width);
        }
        sum += widths[j];
    }
    return sum;
}

/* Takes what is too much from the widest columns. */
static void cut_widths(double *widths, size_t cols, double room)
{
    double level = room; /* no column is wider; found by halving */
    double low = 0;
    for (int i = 0; i < 40; i++) {
        double middle = (low + level) / 2;
        double sum = 0;
        for (size_t j = 0; j < cols; j++) {
            sum += fmin(widths[j], middle);
        }
        *(sum > room ? &level : &low) = middle;
    }
    for (size_t j = 0; j < cols; j++) {
        widths[j] = fmin(widths[j], fmax(low, 0.1));
    }
}

static double table_height(size_t rows, bool cut, double line)
{
    /* heads and rows, half a line around the rules, the sentence */
    return ((double)rows + 1.9 + (cut ? 1.1 : 0)) * line;
}

/* Where the table begins: below the title. */
static double top_of(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    bool titled = has_title(figure) || text_of(layout->options.letter)[0] != '\0';
    double title = pl_fonts_measure(fonts, "0", layout->text, 0).height + 0.8 * layout->pad;
    return layout->pad + (titled && layout->height > 60 ? title : 0);
}

double pl_table_natural(const pl_figure *figure, pl_fonts *fonts, double width, double text)
{
    double height = 0.75 * width;
    /* Texts shrink with the page: a few rounds settle it. */
    for (int i = 0; i < 12; i++) {
        pl_layout layout = {.width = width, .height = height};
        layout.options.text = text;
        pl_layout_sizes(&layout);
        double line = LEAD * pl_fonts_measure(fonts, "0", layout.text, 0).height;
        double whole = top_of(figure, &layout, fonts) + layout.pad +
                       table_height(figure->table->rows, false, line);
        height = fmax(whole + 0.5, 61); /* lower ones have no room for a title */
    }
    return height;
}

void pl_table_fit(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts, double *widths,
                  pl_grid *out)
{
    const pl_table *table = figure->table;
    double room = layout->width - 2 * layout->pad;
    double above = top_of(figure, layout, fonts);
    double down = layout->height - above - layout->pad;
    *out = (pl_grid){.y = above, .rows = table->rows, .widths = widths};
    double step = 0.5;
    double sum = 0;
    for (double size = layout->text;; size = fmax(size - step, LEAST)) {
        out->size = size;
        out->line = LEAD * pl_fonts_measure(fonts, "0", size, 0).height;
        out->gap = 1.6 * size;
        sum = natural(table, fonts, size, out->gap, widths);
        bool fits = sum <= room && table_height(table->rows, false, out->line) <= down;
        if (fits || size <= LEAST) {
            break;
        }
    }
    double gaps = out->gap * (double)(table->cols - 1);
    if (sum > room && gaps > 0.5 * room) {
        out->gap *= 0.5 * room / gaps;
        gaps = 0.5 * room;
    }
    if (sum > room) {
        cut_widths(widths, table->cols, room - gaps);
        sum = room;
    }
    while (out->rows > 0 && table_height(out->rows, out->rows < table->rows, out->line) > down) {
        out->rows--;
    }
    out->width = sum;
    out->x = (layout->width - sum) / 2;
}

static void rule(cairo_t *cr, const pl_layout *layout, const pl_grid *grid, double y, double width)
{
    double line = pl_layout_width(layout, width * layout->scale);
    y = pl_layout_snap(layout, y, line);
    cairo_move_to(cr, grid->x, y);
    cairo_line_to(cr, grid->x + grid->width, y);
    cairo_set_line_width(cr, line);
    cairo_stroke(cr);
}

static void draw_row(cairo_t *cr, pl_fonts *fonts, const pl_table *table, const pl_grid *grid,
                     size_t row, double y)
{
    bool heads = row == SIZE_MAX;
    double x = grid->x;
    for (size_t j = 0; j < table->cols; j++) {
        const char *text = heads ? text_of(table->heads[j]) : cell_of(table, row, j);
        double most = grid->widths[j] + 0.01; /* a column's widest text is not cut */
        double width = pl_fonts_measure(fonts, text, grid->size, most).width;
        pl_fonts_draw(fonts, cr, text, grid->size, most,
                      j == 0 ? x : x + fmax(grid->widths[j] - width, 0), y);
        x += grid->widths[j] + grid->gap;
    }
}

static void draw_grid(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      pl_fonts *fonts, const pl_grid *grid)
{
    const pl_table *table = figure->table;
    double inset = (1 - 1 / LEAD) / 2 * grid->line;
    double y = grid->y + 0.25 * grid->line;
    rule(cr, layout, grid, grid->y, 1);
    draw_row(cr, fonts, table, grid, SIZE_MAX, y + inset);
    y += 1.2 * grid->line;
    rule(cr, layout, grid, y, 0.6);
    y += 0.2 * grid->line;
    for (size_t i = 0; i < grid->rows; i++) {
        draw_row(cr, fonts, table, grid, i, y + inset);
        y += grid->line;
    }
    y += 0.2 * grid->line;
    rule(cr, layout, grid, y, 1);
    if (grid->rows < table->rows) {
        char text[48];
        snprintf(text, sizeof text, "\u2026 and %zu more", table->rows - grid->rows);
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        pl_fonts_draw(fonts, cr, text, grid->size, layout->width - 2 * layout->pad, grid->x,
                      y + 0.1 * grid->line + inset);
    }
}

pl_status pl_table_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts, pl_error *err)
{
    double *widths = pl_alloc(figure->table->cols, sizeof *widths);
    if (widths == NULL) {
        return pl_error_memory(err, "a table");
    }
    pl_grid grid;
    pl_table_fit(figure, layout, fonts, widths, &grid);
    cairo_set_source_rgb(cr, 0, 0, 0);
    draw_grid(cr, figure, layout, fonts, &grid);
    free(widths);
    return PL_OK;
}
