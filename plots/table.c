#include "plots/table.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAST 5.0 /* points */
#define LEAD 1.22 /* a row's height over its text's */

enum { HEAD_LINES = 3 };

static bool has_title(const pl_figure *figure)
{
    return figure->title != NULL && figure->title[0] != '\0';
}

/* A column's width at a size: of its cells, and of its head or, wrapped, of the head's widest
 * word. */
static double column_width(const pl_table *table, pl_fonts *fonts, size_t col, double size,
                           bool wrapped)
{
    pl_wrapped head;
    double width = pl_fonts_measure(fonts, pl_table_head_of(table, col), size, 0).width;
    for (size_t i = 0; wrapped && i < 12; i++) {
        pl_wrap(fonts, pl_table_head_of(table, col), size, 0.9 * width, HEAD_LINES, &head);
        if (head.needs > 0 || head.size < size) {
            break;
        }
        width = head.width;
    }
    for (size_t i = 0; i < table->rows; i++) {
        width = fmax(width, pl_fonts_measure(fonts, pl_table_cell(table, i, col), size, 0).width);
    }
    return width;
}

/* Widths of the columns, and their sum with the gaps. */
static double natural(const pl_table *table, pl_fonts *fonts, double size, double gap, bool wrapped,
                      double *widths)
{
    double sum = gap * (double)(table->cols - 1);
    for (size_t j = 0; j < table->cols; j++) {
        widths[j] = column_width(table, fonts, j, size, wrapped);
        sum += widths[j];
    }
    return sum;
}

/* Lines that the heads take within their columns. */
static size_t head_lines(const pl_table *table, pl_fonts *fonts, double size, const double *widths)
{
    size_t lines = 1;
    for (size_t j = 0; j < table->cols; j++) {
        pl_wrapped head;
        pl_wrap(fonts, pl_table_head_of(table, j), size, widths[j] + 0.01, HEAD_LINES, &head);
        lines = head.n > lines ? head.n : lines;
    }
    return lines;
}

/* Takes what is too much from the widest columns: a thumbnail's, of which nobody reads more. */
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

static double table_height(size_t rows, size_t heads, bool cut, double line)
{
    /* heads and rows, half a line around the rules, the sentence */
    return ((double)rows + (double)heads + 0.9 + (cut ? 1.1 : 0)) * line;
}

/* Where the table begins: below the title. */
static double top_of(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    const char *letter = layout->options.letter;
    bool titled = has_title(figure) || (letter != NULL && letter[0] != '\0');
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
        /* As many lines of heads as they will have. */
        pl_grid grid;
        size_t heads = 1;
        double *widths = i > 8 ? pl_alloc(figure->table->cols, sizeof *widths) : NULL;
        if (widths != NULL) {
            pl_table_fit(figure, &layout, fonts, widths, &grid);
            heads = grid.heads;
            line = grid.line;
            free(widths);
        }
        double whole = top_of(figure, &layout, fonts) + layout.pad +
                       table_height(figure->table->rows, heads, false, line);
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
    double sum = 0;
    bool fits = false;
    /* Heads go over several lines before letters are cut. */
    for (int wrapped = 0; wrapped < 2 && !(sum > 0 && sum <= room); wrapped++) {
        for (double size = layout->text; !fits; size = fmax(size - 0.5, LEAST)) {
            out->size = size;
            out->line = LEAD * pl_fonts_measure(fonts, "0", size, 0).height;
            out->gap = (wrapped > 0 ? 1.2 : 1.6) * size;
            sum = natural(table, fonts, size, out->gap, wrapped > 0, widths);
            out->heads = head_lines(table, fonts, size, widths);
            fits = sum <= room && table_height(table->rows, out->heads, false, out->line) <= down;
            if (size <= LEAST) {
                break;
            }
        }
    }
    double gaps = out->gap * (double)(table->cols - 1);
    out->needs = sum > room ? layout->width + sum - room : 0;
    if (sum > room && gaps > 0.5 * room) {
        out->gap *= 0.5 * room / gaps;
        gaps = 0.5 * room;
    }
    if (sum > room) {
        cut_widths(widths, table->cols, room - gaps);
        sum = room;
    }
    while (out->rows > 0 &&
           table_height(out->rows, out->heads, out->rows < table->rows, out->line) > down) {
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

static void draw_table_row(cairo_t *cr, pl_fonts *fonts, const pl_table *table, const pl_grid *grid,
                           size_t row, double y)
{
    double x = grid->x;
    for (size_t j = 0; j < table->cols; j++) {
        const char *text = pl_table_cell(table, row, j);
        double most = grid->widths[j] + 0.01; /* a column's widest text is not cut */
        double width = pl_fonts_measure(fonts, text, grid->size, most).width;
        pl_fonts_draw(fonts, cr, text, grid->size, most,
                      j == 0 ? x : x + fmax(grid->widths[j] - width, 0), y);
        x += grid->widths[j] + grid->gap;
    }
}

/* Over one line or more, standing on the last. */
static void draw_table_heads(cairo_t *cr, pl_fonts *fonts, const pl_table *table,
                             const pl_grid *grid, double y)
{
    double x = grid->x;
    for (size_t j = 0; j < table->cols; j++) {
        pl_wrapped head;
        const char *text = pl_table_head_of(table, j);
        double most = grid->widths[j] + 0.01;
        pl_wrap(fonts, text, grid->size, most, HEAD_LINES, &head);
        double down = (double)(grid->heads - (head.n > 0 ? head.n : 1)) * grid->line;
        head.line = grid->line;
        pl_wrap_draw(fonts, cr, text, &head, x, y + down, grid->widths[j], j == 0 ? 0 : 1);
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
    draw_table_heads(cr, fonts, table, grid, y + inset);
    y += ((double)grid->heads + 0.2) * grid->line;
    rule(cr, layout, grid, y, 0.6);
    y += 0.2 * grid->line;
    for (size_t i = 0; i < grid->rows; i++) {
        draw_table_row(cr, fonts, table, grid, i, y + inset);
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
    pl_status status = PL_OK;
    if (grid.needs > 0 && layout->width >= PL_THUMBNAIL) {
        status =
            pl_error_set(err, PL_ERR_USAGE,
                         "figure: a table of %zu columns does not fit %.2f in with letters of 5 "
                         "pt: it needs about %.2f in",
                         figure->table->cols, layout->width / 72, ceil(grid.needs / 72 * 20) / 20);
    } else {
        cairo_set_source_rgb(cr, 0, 0, 0);
        draw_grid(cr, figure, layout, fonts, &grid);
    }
    free(widths);
    return status;
}
