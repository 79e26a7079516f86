/* plots/paragraph.h -- a text of any length as lines of a width; never cut. */
#ifndef PL_PLOTS_PARAGRAPH_H
#define PL_PLOTS_PARAGRAPH_H

#include "plots/fonts.h"

typedef struct pl_line {
    size_t first, length; /* bytes of the text */
} pl_line;

typedef struct pl_paragraph {
    pl_line *lines;
    size_t n, capacity; /* n at least 1 */
} pl_paragraph;

/* How lines are set; points. */
typedef struct pl_setting {
    double size;
    bool bold;
    double room;          /* width of a line */
    double first, others; /* indents of the first line and of the others */
} pl_setting;

/* Lines end at blanks; where a word alone is too wide, behind one of its signs _ . - / = , or else
 * behind a letter.  Caller deinits out. */
PL_NODISCARD pl_status pl_paragraph_break(pl_fonts *fonts, const char *text,
                                          const pl_setting *setting, pl_paragraph *out,
                                          pl_error *err);
void pl_paragraph_deinit(pl_paragraph *paragraph);

/* Draws one line at x, y, without its indent. */
void pl_paragraph_draw_line(pl_fonts *fonts, cairo_t *cr, const char *text,
                            const pl_paragraph *paragraph, size_t line, const pl_setting *setting,
                            double x, double y);

/* Its width, points. */
double pl_paragraph_line_width(pl_fonts *fonts, const char *text, const pl_paragraph *paragraph,
                               size_t line, const pl_setting *setting);

#endif
