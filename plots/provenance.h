/* plots/provenance.h -- reads back what a figure file says of itself. */
#ifndef PL_PLOTS_PROVENANCE_H
#define PL_PLOTS_PROVENANCE_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stddef.h>

enum { PL_PROVENANCE_ENTRIES = 32 };

typedef struct pl_origin {
    size_t n;
    char *keys[PL_PROVENANCE_ENTRIES];
    char *values[PL_PROVENANCE_ENTRIES];
} pl_origin;

/* From a PNG's tEXt chunks, a PDF's or SVG's metadata or a CSV's first lines; the format by the
 * file's first bytes.  PL_ERR_FORMAT names the file where it is none of these, is damaged, was
 * not written by Planish, or is a report.  Caller deinits out. */
PL_NODISCARD pl_status pl_origin_read(const char *path, pl_origin *out, pl_error *err);
void pl_origin_deinit(pl_origin *origin);

/* The value of a key, or NULL. */
const char *pl_origin_value(const pl_origin *origin, const char *key);

/* Compares the pictures of two PNG files: the number of pixels that differ (all, if the sizes
 * differ) and the largest difference of a colour channel (0 ... 255). */
PL_NODISCARD pl_status pl_png_compare(const char *a, const char *b, size_t *pixels, size_t *differ,
                                      int *largest, pl_error *err);

/* A value in one line: newlines between commands become "; ".  Appended to out. */
void pl_provenance_line(const char *value, pl_buf *out);

#endif
