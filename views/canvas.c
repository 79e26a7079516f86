#include "views/canvas.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

/* dots of a cell */
static int dots_wide(pl_marks marks)
{
    return marks == PL_MARKS_BRAILLE ? 2 : 1;
}

int pl_canvas_dots_high(pl_marks marks)
{
    return marks == PL_MARKS_BRAILLE ? 4 : marks == PL_MARKS_ASCII ? 2 : 8;
}

pl_status pl_canvas_init(pl_canvas *canvas, pl_marks marks, int rows, int cols, pl_error *err)
{
    *canvas = (pl_canvas){.marks = marks, .rows = rows, .cols = cols};
    canvas->dots_x = cols * dots_wide(marks);
    canvas->dots_y = rows * pl_canvas_dots_high(marks);
    size_t n = (size_t)rows * (size_t)cols;
    canvas->cells = pl_alloc(n, sizeof *canvas->cells);
    if (canvas->cells == NULL) {
        *canvas = (pl_canvas){.marks = marks};
        return pl_error_memory(err, "a plot of %d x %d", cols, rows);
    }
    memset(canvas->cells, 0, n * sizeof *canvas->cells);
    return PL_OK;
}

void pl_canvas_deinit(pl_canvas *canvas)
{
    free(canvas->cells);
    *canvas = (pl_canvas){.marks = canvas->marks};
}

static pl_canvas_cell *canvas_cell(const pl_canvas *canvas, int x, int y)
{
    if (x < 0 || y < 0 || x >= canvas->dots_x || y >= canvas->dots_y) {
        return NULL;
    }
    int row = canvas->rows - 1 - y / pl_canvas_dots_high(canvas->marks);
    int col = x / dots_wide(canvas->marks);
    return &canvas->cells[(size_t)row * (size_t)canvas->cols + (size_t)col];
}

/* Bit of a dot within its cell: braille's own bits (Unicode 2800), else the height. */
static uint8_t bit_of(const pl_canvas *canvas, int x, int y)
{
    static const uint8_t braille[2][4] = {{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}};
    if (canvas->marks == PL_MARKS_BRAILLE) {
        return braille[x % 2][y % 4];
    }
    return (uint8_t)(1u << (unsigned)(y % pl_canvas_dots_high(canvas->marks)));
}

void pl_canvas_bar(pl_canvas *canvas, int x, int height, unsigned style)
{
    for (int y = 0; y < height; y++) {
        pl_canvas_cell *cell = canvas_cell(canvas, x, y);
        if (cell == NULL) {
            return;
        }
        cell->bar = (uint8_t)(cell->bar | bit_of(canvas, x, y));
        cell->bar_style = (uint16_t)style;
    }
}

void pl_canvas_cap(pl_canvas *canvas, int x, int y, unsigned style)
{
    pl_canvas_cell *cell = canvas_cell(canvas, x, y);
    if (cell != NULL) {
        cell->cap = (uint8_t)(cell->cap | bit_of(canvas, x, y));
        cell->cap_style = (uint16_t)style;
    }
}

void pl_canvas_run(pl_canvas *canvas, int x, int y0, int y1, unsigned style, uint32_t code)
{
    int low = y0 < y1 ? y0 : y1;
    int high = y0 < y1 ? y1 : y0;
    low = low < 0 ? 0 : low;
    high = high >= canvas->dots_y ? canvas->dots_y - 1 : high;
    for (int y = low; y <= high; y++) {
        pl_canvas_cell *cell = canvas_cell(canvas, x, y);
        if (cell != NULL) {
            cell->run = (uint8_t)(cell->run | bit_of(canvas, x, y));
            cell->run_style = (uint16_t)style;
            cell->run_code = code;
        }
    }
}

void pl_canvas_symbol(pl_canvas *canvas, int x, int y, unsigned style, uint32_t code)
{
    pl_canvas_cell *cell = canvas_cell(canvas, x, y);
    if (cell != NULL) {
        cell->symbol = code;
        cell->symbol_style = (uint16_t)style;
    }
}

static int highest(uint8_t bits)
{
    int top = 0;
    for (int i = 0; i < 8; i++) {
        top = (bits >> i) & 1 ? i + 1 : top;
    }
    return top;
}

static uint32_t block_code(pl_marks marks, int height)
{
    if (height == 0) {
        return ' ';
    }
    if (marks == PL_MARKS_HALVES) {
        return height > 4 ? 0x2588 : 0x2584;
    }
    return 0x2580u + (uint32_t)height; /* U+2581 ... U+2588, one to eight eighths */
}

static uint32_t cap_code(pl_marks marks, int height)
{
    switch (marks) {
    case PL_MARKS_ASCII:
        return height > 1 ? '\'' : '.';
    case PL_MARKS_HALVES:
        return 0xb7;
    default:
        return height > 6 ? 0x2594 : height > 2 ? 0x2500 : 0x2581;
    }
}

/* A line that goes through the whole cell, or is at a height of it. */
static uint32_t run_code(pl_marks marks, uint8_t bits)
{
    int count = 0;
    for (int i = 0; i < 8; i++) {
        count += (bits >> i) & 1;
    }
    if (marks == PL_MARKS_ASCII) {
        return count > 1 ? '|' : cap_code(marks, highest(bits));
    }
    if (count > 4) {
        return 0x2502;
    }
    return marks == PL_MARKS_HALVES ? 0x2500 : cap_code(marks, highest(bits));
}

uint32_t pl_canvas_code(const pl_canvas *canvas, int row, int col, unsigned *style)
{
    const pl_canvas_cell *cell = &canvas->cells[(size_t)row * (size_t)canvas->cols + (size_t)col];
    *style = cell->symbol != 0 ? cell->symbol_style
             : cell->run != 0  ? cell->run_style
             : cell->bar != 0  ? cell->bar_style
                               : cell->cap_style;
    if (cell->symbol != 0) {
        return cell->symbol;
    }
    if (canvas->marks == PL_MARKS_BRAILLE) {
        unsigned dots = (unsigned)cell->bar | cell->cap | cell->run;
        return dots != 0 ? 0x2800u + dots : ' ';
    }
    if (cell->run != 0) {
        return cell->run_code != 0 ? cell->run_code : run_code(canvas->marks, cell->run);
    }
    if (cell->bar == 0) {
        return cell->cap != 0 ? cap_code(canvas->marks, highest(cell->cap)) : ' ';
    }
    if (canvas->marks == PL_MARKS_ASCII) {
        return cell->bar > 1 ? ':' : '.';
    }
    return block_code(canvas->marks, highest(cell->bar));
}

void pl_canvas_draw(const pl_canvas *canvas, pl_surface *surface, pl_rect rect)
{
    for (int row = 0; row < canvas->rows; row++) {
        for (int col = 0; col < canvas->cols; col++) {
            unsigned style = 0;
            uint32_t code = pl_canvas_code(canvas, row, col, &style);
            if (code != ' ') {
                pl_put_code(surface, rect, row, col, style, code);
            }
        }
    }
}
