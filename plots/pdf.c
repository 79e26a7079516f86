#include "core/base/memory.h"
#include "plots/page_parts.h"
#include "plots/provenance.h"

#include "core/base/file.h"

#include <cairo-pdf.h>
#include <cairo.h>
#include <stdlib.h>
#include <string.h>

/* A figure says what made it, never when: the same commands give the same bytes. */
#define FIXED_DATE "2000-01-01T00:00:00Z"

cairo_status_t pl_take_drawn(void *buf, const unsigned char *bytes, unsigned size)
{
    pl_buf_append(buf, bytes, size);
    return CAIRO_STATUS_SUCCESS;
}

/* Cairo refuses invalid UTF-8. */
static void set_metadata(cairo_surface_t *surface, cairo_pdf_metadata_t key, const char *text)
{
    size_t size = pl_text_escape(text, strlen(text), NULL, 0) + 1;
    char *safe = malloc(size);
    if (safe != NULL) {
        pl_text_escape(text, strlen(text), safe, size);
        cairo_pdf_surface_set_metadata(surface, key, safe);
    } else {
        pl_memory_failed();
    }
    free(safe);
}

static void set_provenance(cairo_surface_t *surface, const pl_job *job)
{
    pl_buf all = {0};
    for (size_t i = 0; i < job->n_provenance; i++) {
        const pl_provenance *p = &job->provenance[i];
        pl_buf_printf(&all, "%s%s: ", i > 0 ? " | " : "", p->key);
        pl_provenance_line(p->value, &all);
        if (strcmp(p->key, "Planish-Commands") == 0) {
            set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT, p->value);
        }
    }
    if (!all.failed && all.size > 0) {
        set_metadata(surface, CAIRO_PDF_METADATA_KEYWORDS, all.data);
    }
    pl_buf_deinit(&all);
    pl_pdf_metadata(surface, job->title);
}

void pl_pdf_metadata(cairo_surface_t *surface, const char *title)
{
    if (title != NULL) {
        set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title);
    }
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "Planish " PL_VERSION);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, FIXED_DATE);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_MOD_DATE, FIXED_DATE);
}

pl_status pl_format_pdf(const pl_job *job, pl_error *err)
{
    double width = job->page->width_in * 72;
    double height = job->page->height_in * 72;
    pl_buf bytes = {0};
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(pl_take_drawn, &bytes, width, height);
    set_provenance(surface, job);
    cairo_t *cr = cairo_create(surface);
    pl_status status =
        pl_sheet_draw(cr, job->sheet, job->fonts, width, height, 72 / PL_VECTOR_DPI, err);
    cairo_show_page(cr);
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    cairo_status_t drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == PL_OK && drawn != CAIRO_STATUS_SUCCESS) {
        status = pl_error_set(err, PL_ERR_MEMORY, "%s: Cairo: %s", job->path,
                              cairo_status_to_string(drawn));
    }
    PL_THEN(pl_buf_check(&bytes, err));
    PL_THEN(pl_file_write_all(job->path, bytes.data, bytes.size, err));
    pl_buf_deinit(&bytes);
    return status;
}
