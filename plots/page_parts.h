/* plots/page_parts.h -- the file formats behind pl_page_write_sheet.  Each writes a checked figure
 * atomically; the same input gives the same bytes. */
#ifndef PL_PLOTS_PAGE_PARTS_H
#define PL_PLOTS_PAGE_PARTS_H

#include "plots/fonts.h"
#include "plots/page.h"
#include "plots/sheet.h"

typedef struct pl_job {
    const pl_sheet *sheet;
    const char *title; /* of the document */
    const pl_page *page;
    const pl_provenance *provenance;
    size_t n_provenance;
    const char *path;
    pl_fonts *fonts;
} pl_job;

/* Vector formats are snapped and thinned to this many dots an inch. */
#define PL_VECTOR_DPI 1200.0

/* width x height device pixels. */
PL_NODISCARD pl_status pl_format_png(const pl_job *job, size_t width, size_t height, pl_error *err);
PL_NODISCARD pl_status pl_format_pdf(const pl_job *job, pl_error *err);
PL_NODISCARD pl_status pl_format_svg(const pl_job *job, pl_error *err);

/* A pl_buf takes what Cairo writes.  It always reports success, since Cairo 1.16 dereferences NULL
 * when it finishes a PDF whose stream has failed: check the pl_buf after finishing the surface. */
cairo_status_t pl_take_drawn(void *buf, const unsigned char *bytes, unsigned size);

/* Title (NULL: none), program and fixed dates of a PDF. */
void pl_pdf_metadata(cairo_surface_t *surface, const char *title);

/* What stands within <svg> ... </svg>, without title and desc, appended to out; its ids begin with
 * the prefix.  The job's path is for errors. */
PL_NODISCARD pl_status pl_format_svg_inside(const pl_job *job, const char *prefix, pl_buf *out,
                                            pl_error *err);

/* Renames the ids of an SVG text, and their references, to i0, i1 ... (for the prefix "i") in order
 * of appearance, since Cairo counts its ids per process.  Result appended to out. */
void pl_svg_renumber(const char *svg, size_t size, const char *prefix, pl_buf *out);

#endif
