/* plots/page.h -- a figure on paper: PNG, PDF or SVG of a physical size, with its provenance.
 *
 * Cairo and Pango draw one display list; PNG pixels go through libpng so that pHYs and tEXt can be
 * written.  The same figure gives the same bytes every time: a private fontconfig that sees only
 * the figure's font, hinting and subpixel order off, the PDF's dates fixed, SVG ids renumbered. */
#ifndef PL_PLOTS_PAGE_H
#define PL_PLOTS_PAGE_H

#include "plots/figure.h"
#include "plots/sheet.h"

/* Version of the drawing: raised when the same commands give other bytes.  A figure's file names it
 * (none: 1). */
#define PL_DRAWING "5"

typedef struct pl_page {
    double width_in, height_in; /* 0.5 ... 40 inches */
    double dpi;                 /* 30 ... 2400; PNG only */
} pl_page;

/* tEXt chunks (PNG), or the document's metadata.  Keys are Latin-1 keywords of 1..79 bytes;
 * values ASCII or Latin-1 (others are escaped). */
typedef struct pl_provenance {
    const char *key;
    const char *value;
} pl_provenance;

/* Writes a grid of figures, atomically.  The format follows from the path's ending: .png, .pdf or
 * .svg; .csv holds the data behind the figures (pl_sheet_csv), .tex one table, both with the
 * provenance as comment lines in front; PL_ERR_USAGE lists the endings where it is another one.
 * The size (PNG: pixels, inches x dpi, rounded; CSV and TeX: 0; the others: points) goes to the out
 * parameters that are not NULL.  A PNG holds at most 200 million pixels and 32,000 a side.  Draws
 * in bands of bounded memory.  PL_ERR_NOT_FOUND names the Debian package of a font that is not
 * installed.  Thread-safe. */
PL_NODISCARD pl_status pl_page_write_sheet(const pl_sheet *sheet, const pl_page *page,
                                           const pl_provenance *provenance, size_t n_provenance,
                                           const char *path, size_t *width_px, size_t *height_px,
                                           pl_error *err);

/* A text drawn since the last call for whose letters its fonts have none, so that boxes stand
 * there, cut to the capacity; false: there is none. */
bool pl_page_lacking(char *text, size_t capacity);

/* Versions of Cairo, Pango and libpng, for the provenance. */
void pl_page_libraries(pl_buf *out);

#endif
