#include "plots/wrap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 512 };

static double line_width(pl_fonts *fonts, const char *text, size_t length, double size)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%.*s", (int)length, text);
    return pl_fonts_measure(fonts, line, size, 0).width;
}

/* Bytes up to the next place at which a line may end, behind the piece at text. */
static size_t next_break(const char *text, bool inside_words)
{
    size_t size = strspn(text, " ");
    while (text[size] != '\0' && text[size] != ' ') {
        size++;
        if (inside_words && strchr("_.-/", text[size - 1]) != NULL) {
            break;
        }
    }
    return size;
}

/* Fills lines one after another; false where they do not suffice or a piece alone is too wide. */
static bool break_lines(pl_fonts *fonts, const char *text, double size, double room, size_t lines,
                        bool inside_words, pl_wrapped *out)
{
    out->n = 0;
    out->width = 0;
    out->size = size;
    bool fits = true;
    size_t at = strspn(text, " ");
    while (text[at] != '\0' && out->n < lines) {
        at += strspn(text + at, " ");
        size_t length = 0, next = next_break(text + at, inside_words);
        double width = 0;
        while (next > 0) {
            double wider = line_width(fonts, text + at, length + next, size);
            if (wider > room && length > 0) {
                break;
            }
            length += next;
            width = wider;
            next = next_break(text + at + length, inside_words);
        }
        out->first[out->n] = at;
        out->length[out->n++] = length;
        out->width = fmax(out->width, width);
        fits = fits && width <= room;
        at += length;
    }
    return fits && text[at + strspn(text + at, " ")] == '\0';
}

void pl_wrap(pl_fonts *fonts, const char *text, double size, double room, size_t lines,
             pl_wrapped *out)
{
    *out = (pl_wrapped){.size = size};
    const double least = fmin(size, PL_WRAP_LEAST);
    const double little = fmax(0.8 * size, least);
    lines = lines < 1 ? 1 : lines > PL_WRAP_LINES ? PL_WRAP_LINES : lines;
    const double whole = line_width(fonts, text, strlen(text), size);
    bool fits = false;
    if (whole <= room || whole * little / size <= 0.99 * room) {
        fits = break_lines(fonts, text, whole <= room ? size : size * 0.99 * room / whole, room, 1,
                           false, out);
    }
    for (int inside = 0; !fits && inside < 2; inside++) {
        for (double s = size; !fits && s >= least; s = s > least ? fmax(s - 0.5, least) : -1) {
            fits = break_lines(fonts, text, s, room, lines, inside == 1, out);
        }
    }
    if (!fits) { /* as it would be with enough room */
        for (double wide = room; !fits && wide < 64 * room + 64; wide *= 1.1) {
            fits = break_lines(fonts, text, least, wide, lines, true, out);
            out->needs = wide;
        }
    }
    out->line = pl_fonts_measure(fonts, "0", out->size, 0).height;
    out->height = out->line * (double)(out->n > 0 ? out->n : 1);
}

void pl_wrap_draw(pl_fonts *fonts, cairo_t *cr, const char *text, const pl_wrapped *wrapped,
                  double x, double y, double width, double place)
{
    for (size_t i = 0; i < wrapped->n; i++) {
        char line[LINE_BYTES];
        snprintf(line, sizeof line, "%.*s", (int)wrapped->length[i], text + wrapped->first[i]);
        double own = pl_fonts_measure(fonts, line, wrapped->size, 0).width;
        pl_fonts_draw(fonts, cr, line, wrapped->size, 0, x + place * (width - own),
                      y + wrapped->line * (double)i);
    }
}
