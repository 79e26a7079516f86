#include "views/plot_table.h"

#include "views/panel.h"
#include "views/text.h"

enum { MAX_COLS = 24, GAP = 2 };

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "";
}

/* Widths of the columns, and how many of them fit. */
static size_t measure_columns(const pl_table *table, int room, int width[MAX_COLS])
{
    size_t cols = table->cols < MAX_COLS ? table->cols : MAX_COLS;
    int used = 1;
    for (size_t c = 0; c < cols; c++) {
        width[c] = (int)pl_text_width(text_or_none(table->heads[c]));
        for (size_t r = 0; r < table->rows; r++) {
            int cell = (int)pl_text_width(text_or_none(table->cells[r * table->cols + c]));
            width[c] = cell > width[c] ? cell : width[c];
        }
        width[c] = c == 0 && width[c] > room * 2 / 5 ? room * 2 / 5 : width[c];
        if (used + width[c] > room && c > 0) {
            return c;
        }
        used += width[c] + GAP;
    }
    return cols;
}

static void draw_table_line(const char *const *cells, const int *width, size_t cols, unsigned style,
                            pl_surface *surface, pl_rect rect, int line)
{
    int col = 1;
    for (size_t c = 0; c < cols; c++) {
        const char *text = text_or_none(cells[c]);
        int own = (int)pl_text_width(text);
        int start = c == 0 || own > width[c] ? col : col + width[c] - own;
        pl_put_cut(surface, rect, line, start, width[c], style, text);
        col += width[c] + GAP;
    }
}

void pl_plot_table_draw(const pl_table *table, size_t *row, size_t *top, bool focused, bool stale,
                        pl_surface *surface, pl_rect rect)
{
    int width[MAX_COLS];
    size_t cols = measure_columns(table, rect.w - 1, width);
    draw_table_line((const char *const *)table->heads, width, cols, PL_STYLE_FAINT, surface, rect,
                    0);
    if (table->rows == 0) {
        pl_put_cut(surface, rect, 1, 1, rect.w - 2, PL_STYLE_FAINT, "nothing to list");
        return;
    }
    *row = *row < table->rows ? *row : table->rows - 1;
    int lines = rect.h - 1;
    *top = pl_panel_scroll(*top, *row, table->rows, lines);
    for (int line = 0; line < lines && *top + (size_t)line < table->rows; line++) {
        size_t at = *top + (size_t)line;
        bool selected = at == *row;
        unsigned style = PL_STYLE_TEXT | (stale ? PL_STALE : 0);
        draw_table_line((const char *const *)table->cells + at * table->cols, width, cols, style,
                        surface, rect, line + 1);
        if (selected) {
            pl_put(surface, rect, line + 1, 0, PL_STYLE_STRONG, ">");
        }
        if (selected && focused) {
            pl_mark_row(surface, rect, line + 1, PL_REVERSE);
        }
    }
}
