/* plots/document.h -- headings, texts, tables and figures one below the other: on pages (PDF), or
 * as one self-contained HTML file. */
#ifndef PL_PLOTS_DOCUMENT_H
#define PL_PLOTS_DOCUMENT_H

#include "core/base/table.h"
#include "core/base/task.h"
#include "plots/figure.h"

typedef enum pl_part_kind {
    PL_PART_SECTION,
    PL_PART_SUBSECTION,
    PL_PART_TEXT,
    PL_PART_COMMANDS, /* one a line, as typed */
    PL_PART_TABLE,
    PL_PART_FIGURE,
} pl_part_kind;

enum { PL_PART_PANELS = 2 };

typedef struct pl_part {
    pl_part_kind kind;
    char *text;                       /* a table's or figure's: its caption */
    size_t number;                    /* a table's or figure's; both are counted from 1 */
    pl_table table;                   /* the first column names its rows */
    pl_figure panels[PL_PART_PANELS]; /* side by side */
    size_t n_panels;
    double height; /* a figure's, inches; its width is the text's */
} pl_part;

/* {0} is a valid empty one. */
typedef struct pl_document {
    char *title, *subtitle;
    pl_part *parts;
    size_t n, capacity;
    size_t tables, figures; /* numbers of parts of these kinds */
} pl_document;

void pl_document_deinit(pl_document *document);

/* Copies. */
PL_NODISCARD pl_status pl_document_title(pl_document *document, const char *title,
                                         const char *subtitle, pl_error *err);
/* Adds a part without table or figure; copies. */
PL_NODISCARD pl_status pl_document_add(pl_document *document, pl_part_kind kind, const char *text,
                                       pl_error *err);
/* Take over *table or panels and leave them empty, also on failure. */
PL_NODISCARD pl_status pl_document_add_table(pl_document *document, pl_table *table,
                                             const char *caption, pl_error *err);
PL_NODISCARD pl_status pl_document_add_figure(pl_document *document, pl_figure *panels,
                                              size_t n_panels, double height, const char *caption,
                                              pl_error *err);

/* A command's choices, in that order. */
#define PL_PAPER_CHOICES "a4|letter"
typedef enum pl_paper { PL_PAPER_A4, PL_PAPER_LETTER } pl_paper;

/* Width of text and figures on such paper, mm. */
double pl_document_text_width(pl_paper paper);

/* PL_ERR_USAGE where a path does not end in .pdf or .html. */
PL_NODISCARD pl_status pl_document_check_path(const char *path, pl_error *err);

/* Writes it atomically; .pdf or .html by the path's ending, else PL_ERR_USAGE.  The same document
 * gives the same bytes.  PDF: numbered pages with an outline; a table's head is repeated on every
 * page, no heading stands at a page's end.  HTML: figures are SVG inside it, and it loads nothing.
 * *pages (or NULL): a PDF's; 0 for HTML. */
PL_NODISCARD pl_status pl_document_write(const pl_document *document, pl_paper paper,
                                         const char *path, size_t *pages, pl_task *task,
                                         pl_error *err);

#endif
