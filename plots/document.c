#include "plots/document.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "plots/build.h"
#include "plots/document_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_document_deinit(pl_document *document)
{
    for (size_t i = 0; i < document->n; i++) {
        pl_part *part = &document->parts[i];
        free(part->text);
        pl_table_deinit(&part->table);
        for (size_t k = 0; k < part->n_panels; k++) {
            pl_figure_deinit(&part->panels[k]);
        }
    }
    free(document->parts);
    free(document->title);
    free(document->subtitle);
    *document = (pl_document){0};
}

pl_status pl_document_title(pl_document *document, const char *title, const char *subtitle,
                            pl_error *err)
{
    pl_status status = pl_figure_text(&document->title, title, err);
    PL_THEN(pl_figure_text(&document->subtitle, subtitle, err));
    return status;
}

/* Takes the part over, with a copy of the text. */
static pl_status add_part(pl_document *document, pl_part *part, const char *text, pl_error *err)
{
    pl_status status = pl_figure_text(&part->text, text, err);
    if (status == PL_OK && document->n == document->capacity) {
        const size_t capacity = 2 * document->capacity + 16;
        pl_part *grown = realloc(document->parts, capacity * sizeof *grown);
        if (grown != NULL) {
            document->parts = grown;
            document->capacity = capacity;
        } else {
            status = pl_error_memory(err, "a document");
        }
    }
    if (status == PL_OK) {
        part->number = part->kind == PL_PART_TABLE    ? ++document->tables
                       : part->kind == PL_PART_FIGURE ? ++document->figures
                                                      : 0;
        document->parts[document->n++] = *part;
        return PL_OK;
    }
    free(part->text);
    pl_table_deinit(&part->table);
    for (size_t k = 0; k < part->n_panels; k++) {
        pl_figure_deinit(&part->panels[k]);
    }
    return status;
}

pl_status pl_document_add(pl_document *document, pl_part_kind kind, const char *text, pl_error *err)
{
    pl_part part = {.kind = kind};
    return add_part(document, &part, text, err);
}

pl_status pl_document_add_table(pl_document *document, pl_table *table, const char *caption,
                                pl_error *err)
{
    pl_part part = {.kind = PL_PART_TABLE, .table = *table};
    *table = (pl_table){0};
    return add_part(document, &part, caption, err);
}

pl_status pl_document_add_figure(pl_document *document, pl_figure *panels, size_t n_panels,
                                 double height, const char *caption, pl_error *err)
{
    pl_part part = {.kind = PL_PART_FIGURE, .height = height, .n_panels = n_panels};
    for (size_t i = 0; i < n_panels; i++) {
        part.panels[i] = panels[i];
        panels[i] = (pl_figure){0};
    }
    return add_part(document, &part, caption, err);
}

pl_status pl_document_check_path(const char *path, pl_error *err)
{
    return pl_text_ends_nocase(path, ".pdf") || pl_text_ends_nocase(path, ".html")
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE, "%s: expected a name that ends in .pdf or .html",
                              path);
}

pl_status pl_document_write(const pl_document *document, pl_paper paper, const char *path,
                            size_t *pages, pl_task *task, pl_error *err)
{
    const bool pdf = pl_text_ends_nocase(path, ".pdf");
    pl_fonts *fonts = NULL, *mono = NULL;
    pl_buf bytes = {0};
    size_t count = 0;
    const unsigned before = pl_memory_failures(), troubles = pl_fonts_troubles();
    pl_status status = pl_document_check_path(path, err);
    PL_THEN(pl_fonts_create(false, &fonts, err));
    if (pdf) {
        PL_THEN(pl_fonts_create_font(PL_FONT_MONO, false, &mono, err));
        PL_THEN(pl_document_pdf(document, paper, fonts, mono, &bytes, &count, task, err));
    } else {
        PL_THEN(pl_document_html(document, paper, fonts, &bytes, task, err));
    }
    PL_THEN(pl_buf_check(&bytes, err));
    PL_THEN(pl_memory_check(before, err));
    PL_THEN(pl_fonts_check(troubles, err));
    PL_THEN(pl_file_write_all(path, bytes.data, bytes.size, err));
    pl_fonts_destroy(fonts);
    pl_fonts_destroy(mono);
    pl_buf_deinit(&bytes);
    if (status == PL_OK && pages != NULL) {
        *pages = count;
    }
    return status;
}
