/* views/canvas.h -- a raster of dots finer than cells: braille 2x4, blocks 1x8, ASCII 1x2 a cell.
 *
 * A bar fills its dots from the bottom; a cap is one dot at a bar's end, for a series behind
 * another.  A run is a vertical piece of a line.  A symbol takes a whole cell.  Where they meet in
 * a cell, the symbol's style wins, then the run's, then the bar's; braille keeps all dots. */
#ifndef PL_VIEWS_CANVAS_H
#define PL_VIEWS_CANVAS_H

#include "views/surface.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum pl_marks {
    PL_MARKS_BRAILLE,
    PL_MARKS_BLOCKS, /* eighths of a block */
    PL_MARKS_HALVES, /* whole and half blocks only: the Linux console's font */
    PL_MARKS_ASCII,
} pl_marks;

typedef struct pl_canvas_cell {
    uint8_t bar, cap; /* dots from the bottom: bit 0 ... per column of dots, see canvas.c */
    uint8_t run;
    uint16_t bar_style, cap_style, run_style, symbol_style;
    uint32_t run_code; /* character in place of dots without braille; 0: by height */
    uint32_t symbol;   /* 0: none */
} pl_canvas_cell;

typedef struct pl_canvas {
    pl_marks marks;
    int rows, cols;        /* cells */
    int dots_x, dots_y;    /* dots in all */
    pl_canvas_cell *cells; /* [rows, cols] */
} pl_canvas;

PL_NODISCARD pl_status pl_canvas_init(pl_canvas *canvas, pl_marks marks, int rows, int cols,
                                      pl_error *err);
void pl_canvas_deinit(pl_canvas *canvas);

/* The `height` lowest dots of column x (from the left). */
void pl_canvas_bar(pl_canvas *canvas, int x, int height, unsigned style);

/* One dot, `y` counted from the bottom. */
void pl_canvas_cap(pl_canvas *canvas, int x, int y, unsigned style);

/* Dots y0 ... y1 (either order) of column x; code: the character in their place without braille, 0:
 * a line at their height. */
void pl_canvas_run(pl_canvas *canvas, int x, int y0, int y1, unsigned style, uint32_t code);

/* A character in the cell of a dot. */
void pl_canvas_symbol(pl_canvas *canvas, int x, int y, unsigned style, uint32_t code);

int pl_canvas_dots_high(pl_marks marks);

/* What a cell shows; ' ' if it has no dot. */
uint32_t pl_canvas_code(const pl_canvas *canvas, int row, int col, unsigned *style);

void pl_canvas_draw(const pl_canvas *canvas, pl_surface *surface, pl_rect rect);

#endif
