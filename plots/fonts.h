/* plots/fonts.h -- text for figures: a private font map that holds only the figure's font, and
 * DejaVu Sans for characters it lacks.
 *
 * Neither the user's fonts nor fontconfig's files reach a figure, so that the same figure gives
 * the same bytes on every account.  Sizes are in points, positions in the caller's user space.
 * Raised and lowered pieces of a text are marked as in label.h. */
#ifndef PL_PLOTS_FONTS_H
#define PL_PLOTS_FONTS_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <cairo.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct pl_fonts pl_fonts;

/* The fonts that a figure can have, in the order of fonts.c's table: each ships with Debian. */
#define PL_FONT_NAMES "dejavu|stix|termes|liberation"
/* One more index, for commands in documents: DejaVu Sans Mono. */
enum { PL_FONT_MONO = 4 };

/* Caller owns *out (NULL on failure).  font: index among PL_FONT_NAMES.  as_paths: text is filled
 * as outlines, which keeps glyph positions exact in pixels; otherwise it stays text (an embedded
 * font in PDF). PL_ERR_NOT_FOUND names the package that is missing. */
PL_NODISCARD pl_status pl_fonts_create_font(size_t font, bool as_paths, pl_fonts **out,
                                            pl_error *err);
void pl_fonts_destroy(pl_fonts *fonts);

/* DejaVu Sans. */
PL_NODISCARD pl_status pl_fonts_create(bool as_paths, pl_fonts **out, pl_error *err);

/* The number of Pango's warnings so far, which are not shown.  check: PL_ERR_IO where there are
 * more than `before`, since the drawing may then be wrong. */
unsigned pl_fonts_troubles(void);
PL_NODISCARD pl_status pl_fonts_check(unsigned before, pl_error *err);

/* The first text since the last call whose letters neither the figure's font nor DejaVu Sans has,
 * so that boxes stand for them, cut to the capacity; false: there is none.  Thread-safe. */
bool pl_fonts_lacking(char *text, size_t capacity);

/* The same as pl_fonts_create_font, searched below the given folders. */
PL_NODISCARD pl_status pl_fonts_create_in(const char *const *folders, size_t n_folders, size_t font,
                                          bool as_paths, pl_fonts **out, pl_error *err);

/* From now on texts on an SVG surface are not drawn, but appended to `svg` as <text> elements, in
 * points from the page's upper left corner; NULL ends that.  Borrowed. */
void pl_fonts_collect(pl_fonts *fonts, pl_buf *svg);

typedef struct pl_extent {
    double width, height;
} pl_extent;

/* One line; control characters are escaped.  max_width > 0: longer text ends in an ellipsis. */
pl_extent pl_fonts_measure(pl_fonts *fonts, const char *text, double size, double max_width);

/* The height of a line of that size. */
double pl_fonts_line_height(pl_fonts *fonts, double size);

/* Draws one line with its upper left corner at x, y in the present colour. */
void pl_fonts_draw(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double max_width,
                   double x, double y);

/* The same in bold, never shortened, for a panel's letter: DejaVu Sans Bold if it is installed
 * beside the plain font, else that. */
pl_extent pl_fonts_measure_bold(pl_fonts *fonts, const char *text, double size);
void pl_fonts_draw_bold(pl_fonts *fonts, cairo_t *cr, const char *text, double size, double x,
                        double y);

/* Escapes <, > and & for a text between tags.  Appended to out. */
void pl_xml_put(pl_buf *out, const char *text, size_t size);

#endif
