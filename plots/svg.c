#include "plots/format.h"

#include "core/base/file.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <stdlib.h>
#include <string.h>

static cairo_status_t on_svg_write(void *closure, const unsigned char *bytes, unsigned int size)
{
    pl_buf *out = closure;
    pl_buf_append(out, bytes, size);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* A piece of the text. */
typedef struct slice {
    const char *at;
    size_t size;
} slice;

typedef struct ids {
    slice *names;
    size_t count, capacity;
} ids;

/* The number of a name, given on its first appearance. */
static bool number_of(ids *known, slice name, size_t *out)
{
    for (size_t i = known->count; i-- > 0;) {
        const slice *old = &known->names[i];
        if (old->size == name.size && memcmp(old->at, name.at, name.size) == 0) {
            *out = i;
            return true;
        }
    }
    if (known->count == known->capacity) {
        size_t capacity = known->capacity > 0 ? 2 * known->capacity : 64;
        slice *names = realloc(known->names, capacity * sizeof *names);
        if (names == NULL) {
            return false;
        }
        known->names = names;
        known->capacity = capacity;
    }
    known->names[known->count] = name;
    *out = known->count++;
    return true;
}

/* Length of the text before an id at p (` id="`, `href="#`, `url(#`), 0 if there is none. */
static size_t reference_at(const char *p, const char *end, char *close)
{
    static const struct {
        const char *text;
        char close;
    } kinds[] = {{" id=\"", '"'}, {"href=\"#", '"'}, {"url(#", ')'}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].text);
        if ((size_t)(end - p) > length && memcmp(p, kinds[i].text, length) == 0) {
            *close = kinds[i].close;
            return length;
        }
    }
    return 0;
}

void pl_svg_renumber(const char *svg, size_t size, pl_buf *out)
{
    ids known = {0};
    const char *end = svg + size;
    const char *copied = svg;
    for (const char *p = svg; p < end; p++) {
        char close = 0;
        size_t length = reference_at(p, end, &close);
        const char *name = p + length;
        const char *stop = length > 0 ? memchr(name, close, (size_t)(end - name)) : NULL;
        if (stop == NULL) {
            continue;
        }
        size_t number = 0;
        if (!number_of(&known, (slice){name, (size_t)(stop - name)}, &number)) {
            out->failed = true;
            break;
        }
        pl_buf_append(out, copied, (size_t)(name - copied));
        pl_buf_printf(out, "i%zu", number);
        copied = stop;
        p = stop;
    }
    pl_buf_append(out, copied, (size_t)(end - copied));
    free(known.names);
}

static void put_xml(pl_buf *out, const char *text)
{
    size_t size = strlen(text);
    size_t need = pl_text_escape(text, size, NULL, 0) + 1;
    char *safe = malloc(need);
    if (safe == NULL) {
        out->failed = true;
        return;
    }
    pl_text_escape(text, size, safe, need);
    pl_xml_put(out, safe, strlen(safe));
    free(safe);
}

static void put_provenance(pl_buf *out, const pl_job *job)
{
    pl_buf_puts(out, "\n<title>");
    put_xml(out, job->title != NULL ? job->title : "");
    pl_buf_puts(out, "</title>\n<desc>Planish " PL_VERSION);
    for (size_t i = 0; i < job->n_provenance; i++) {
        pl_buf_puts(out, "\n");
        put_xml(out, job->provenance[i].key);
        pl_buf_puts(out, ": ");
        pl_buf line = {0};
        pl_provenance_line(job->provenance[i].value, &line);
        put_xml(out, line.data != NULL ? line.data : "");
        out->failed = out->failed || line.failed;
        pl_buf_deinit(&line);
    }
    pl_buf_puts(out, "</desc>");
}

/* Puts title and desc first inside <svg>, as SVG asks, and the texts last: nothing covers them. */
static void put_document(pl_buf *out, const pl_job *job, const pl_buf *body, const pl_buf *texts)
{
    const char *root = body->data != NULL ? strstr(body->data, "<svg") : NULL;
    const char *inside = root != NULL ? strchr(root, '>') : NULL;
    if (inside == NULL) {
        out->failed = true;
        return;
    }
    size_t head = (size_t)(inside + 1 - body->data);
    pl_buf_append(out, body->data, head);
    put_provenance(out, job);
    const char *end = memmem(body->data + head, body->size - head, "</svg>", 6);
    size_t drawn = end != NULL ? (size_t)(end - body->data) : body->size;
    pl_svg_renumber(body->data + head, drawn - head, out);
    pl_buf_append(out, texts->data, texts->size);
    pl_buf_append(out, body->data + drawn, body->size - drawn);
}

pl_status pl_format_svg(const pl_job *job, pl_error *err)
{
    double width = job->page->width_in * 72;
    double height = job->page->height_in * 72;
    pl_buf body = {0};
    pl_buf texts = {0};
    pl_buf document = {0};
    cairo_surface_t *surface =
        cairo_svg_surface_create_for_stream(on_svg_write, &body, width, height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PT);
    cairo_t *cr = cairo_create(surface);
    pl_fonts_collect(job->fonts, job->sheet->outlines ? NULL : &texts);
    pl_status status =
        pl_sheet_draw(cr, job->sheet, job->fonts, width, height, 72 / PL_VECTOR_DPI, err);
    pl_fonts_collect(job->fonts, NULL);
    PL_THEN(pl_buf_check(&texts, err));
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    cairo_status_t drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == PL_OK && (drawn != CAIRO_STATUS_SUCCESS || body.data == NULL)) {
        status = pl_error_set(err, PL_ERR_MEMORY, "%s: Cairo: %s", job->path,
                              cairo_status_to_string(drawn));
    }
    if (status == PL_OK) {
        put_document(&document, job, &body, &texts);
        status = pl_buf_check(&document, err);
    }
    PL_THEN(pl_file_write_all(job->path, document.data, document.size, err));
    pl_buf_deinit(&body);
    pl_buf_deinit(&texts);
    pl_buf_deinit(&document);
    return status;
}
