#include "views/surface.h"

#include "core/base/checked.h"
#include "views/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pl_status pl_surface_resize(pl_surface *surface, int rows, int cols, pl_error *err)
{
    free(surface->cells);
    surface->cells = NULL;
    surface->rows = surface->cols = 0;
    if (rows < 1 || cols < 1) {
        return PL_OK;
    }
    surface->cells = pl_alloc((size_t)rows * (size_t)cols, sizeof *surface->cells);
    if (surface->cells == NULL) {
        return pl_error_memory(err, "a screen of %d x %d", cols, rows);
    }
    surface->rows = rows;
    surface->cols = cols;
    pl_surface_clear(surface);
    return PL_OK;
}

void pl_surface_deinit(pl_surface *surface)
{
    free(surface->cells);
    *surface = (pl_surface){0};
}

void pl_surface_clear(pl_surface *surface)
{
    size_t n = (size_t)surface->rows * (size_t)surface->cols;
    for (size_t i = 0; i < n; i++) {
        surface->cells[i] = (pl_cell){' ', PL_STYLE_TEXT};
    }
    surface->cursor_y = surface->cursor_x = -1;
}

static pl_cell *surface_cell(pl_surface *surface, pl_rect rect, int row, int col)
{
    int y = rect.y + row;
    int x = rect.x + col;
    bool inside = row >= 0 && col >= 0 && row < rect.h && col < rect.w && y >= 0 && x >= 0 &&
                  y < surface->rows && x < surface->cols;
    return inside ? &surface->cells[(size_t)y * (size_t)surface->cols + (size_t)x] : NULL;
}

/* Where `width` cells are about to be overwritten, half of a wide character may be left over on
 * either side, within the rectangle or not. */
static void free_halves(pl_surface *surface, int y, int x, int width)
{
    pl_cell *row = surface->cells + (size_t)y * (size_t)surface->cols;
    if (row[x].code == 0 && x > 0) {
        row[x - 1].code = ' ';
    }
    if (x + width < surface->cols && row[x + width].code == 0) {
        row[x + width].code = ' ';
    }
}

int pl_put_phrase(pl_surface *surface, pl_rect rect, int row, int col, int columns, unsigned style,
                  const char *utf8)
{
    char part[256];
    const size_t size = columns > 0 ? pl_text_phrase(utf8, (size_t)columns) : 0;
    snprintf(part, sizeof part, "%.*s", (int)size, utf8);
    return pl_put_cut(surface, rect, row, col, columns, style, size > 0 ? part : utf8);
}

void pl_put_code(pl_surface *surface, pl_rect rect, int row, int col, unsigned style, uint32_t code)
{
    pl_cell *cell = surface_cell(surface, rect, row, col);
    if (cell == NULL) {
        return;
    }
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
        code = '?'; /* a control character must never reach the terminal */
    }
    bool wide = pl_char_width(code) == 2;
    pl_cell *right = surface_cell(surface, rect, row, col + 1);
    if (wide && right == NULL) {
        code = ' ';
        wide = false;
    }
    free_halves(surface, rect.y + row, rect.x + col, wide ? 2 : 1);
    *cell = (pl_cell){code, style};
    if (wide) {
        *right = (pl_cell){0, style};
    }
}

static int put_glyph(pl_surface *surface, pl_rect rect, int row, int col, unsigned style,
                     const char *text)
{
    int start = col;
    for (uint32_t code = 0; col < rect.w && (code = pl_text_next(&text)) != 0;) {
        int width = pl_char_width(code);
        if (width > 0) {
            pl_put_code(surface, rect, row, col, style, code);
        }
        col += width;
    }
    return (col < rect.w ? col : rect.w) - start;
}

int pl_put(pl_surface *surface, pl_rect rect, int row, int col, unsigned style, const char *utf8)
{
    if (!surface->ascii) {
        return put_glyph(surface, rect, row, col, style, utf8);
    }
    char plain[1024];
    pl_text_to_ascii(utf8, plain, sizeof plain);
    return put_glyph(surface, rect, row, col, style, plain);
}

int pl_putf(pl_surface *surface, pl_rect rect, int row, int col, unsigned style, const char *format,
            ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return pl_put(surface, rect, row, col, style, text);
}

int pl_put_right(pl_surface *surface, pl_rect rect, int row, int end, unsigned style,
                 const char *utf8)
{
    char plain[1024];
    if (surface->ascii) {
        pl_text_to_ascii(utf8, plain, sizeof plain);
        utf8 = plain;
    }
    int width = (int)pl_text_width(utf8);
    return put_glyph(surface, rect, row, end - width, style, utf8);
}

int pl_put_cut(pl_surface *surface, pl_rect rect, int row, int col, int columns, unsigned style,
               const char *utf8)
{
    if (columns <= 0) {
        return 0;
    }
    char plain[1024];
    if (surface->ascii) {
        pl_text_to_ascii(utf8, plain, sizeof plain);
        utf8 = plain;
    }
    if (pl_text_width(utf8) <= (size_t)columns) {
        return put_glyph(surface, rect, row, col, style, utf8);
    }
    char text[1024];
    size_t size = pl_text_fit(utf8, (size_t)columns - 1);
    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, utf8, size);
    text[size] = '\0';
    int used = put_glyph(surface, rect, row, col, style, text);
    return used + put_glyph(surface, rect, row, col + used, style, surface->ascii ? "~" : "\u2026");
}

void pl_fill(pl_surface *surface, pl_rect rect, unsigned style, uint32_t code)
{
    for (int row = 0; row < rect.h; row++) {
        for (int col = 0; col < rect.w; col++) {
            pl_put_code(surface, rect, row, col, style, code);
        }
    }
}

void pl_mark_row(pl_surface *surface, pl_rect rect, int row, unsigned flags)
{
    for (int col = 0; col < rect.w; col++) {
        pl_cell *cell = surface_cell(surface, rect, row, col);
        if (cell != NULL) {
            cell->style |= flags;
        }
    }
}
