/* plots/document_parts.h -- the two formats behind pl_document_write. */
#ifndef PL_PLOTS_DOCUMENT_PARTS_H
#define PL_PLOTS_DOCUMENT_PARTS_H

#include "plots/document.h"
#include "plots/fonts.h"

PL_NODISCARD pl_status pl_document_pdf(const pl_document *document, pl_paper paper, pl_fonts *fonts,
                                       pl_fonts *mono, pl_buf *out, size_t *pages, pl_task *task,
                                       pl_error *err);
PL_NODISCARD pl_status pl_document_html(const pl_document *document, pl_paper paper,
                                        pl_fonts *fonts, pl_buf *out, pl_task *task, pl_error *err);

/* "Table 3" */
void pl_part_label(const pl_part *part, char out[32]);

#endif
