#include "plots/page_parts.h"
#include "plots/provenance.h"

#include "core/base/file.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <stdlib.h>
#include <string.h>

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
static bool number_id(ids *known, slice name, size_t *out)
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

void pl_svg_renumber(const char *svg, size_t size, const char *prefix, pl_buf *out)
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
        if (!number_id(&known, (slice){name, (size_t)(stop - name)}, &number)) {
            out->failed = true;
            break;
        }
        pl_buf_append(out, copied, (size_t)(name - copied));
        pl_buf_printf(out, "%s%zu", prefix, number);
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

/* What Cairo drew, cut at the inside of <svg>: [0, head) and [end, size) are around it. */
typedef struct drawing {
    pl_buf body, texts;
    size_t head, end;
} drawing;

static void drawing_deinit(drawing *d)
{
    pl_buf_deinit(&d->body);
    pl_buf_deinit(&d->texts);
}

static pl_status draw_svg(const pl_job *job, drawing *d, pl_error *err)
{
    double width = job->page->width_in * 72;
    double height = job->page->height_in * 72;
    cairo_surface_t *surface =
        cairo_svg_surface_create_for_stream(pl_take_drawn, &d->body, width, height);
    cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PT);
    cairo_t *cr = cairo_create(surface);
    pl_fonts_collect(job->fonts, job->sheet->outlines ? NULL : &d->texts);
    pl_status status =
        pl_sheet_draw(cr, job->sheet, job->fonts, width, height, 72 / PL_VECTOR_DPI, err);
    pl_fonts_collect(job->fonts, NULL);
    PL_THEN(pl_buf_check(&d->texts, err));
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    cairo_status_t drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    PL_THEN(pl_buf_check(&d->body, err));
    const char *root = d->body.data != NULL ? strstr(d->body.data, "<svg") : NULL;
    const char *inside = root != NULL ? strchr(root, '>') : NULL;
    if (status == PL_OK && (drawn != CAIRO_STATUS_SUCCESS || inside == NULL)) {
        status = pl_error_set(err, PL_ERR_MEMORY, "%s: Cairo: %s", job->path,
                              cairo_status_to_string(drawn));
    }
    if (status == PL_OK) {
        d->head = (size_t)(inside + 1 - d->body.data);
        const char *end = memmem(inside, d->body.size - d->head, "</svg>", 6);
        d->end = end != NULL ? (size_t)(end - d->body.data) : d->body.size;
    }
    return status;
}

/* The texts come last: nothing covers them. */
static void put_inside(pl_buf *out, const drawing *d, const char *prefix)
{
    pl_svg_renumber(d->body.data + d->head, d->end - d->head, prefix, out);
    pl_buf_append(out, d->texts.data, d->texts.size);
}

pl_status pl_format_svg_inside(const pl_job *job, const char *prefix, pl_buf *out, pl_error *err)
{
    drawing d = {0};
    pl_status status = draw_svg(job, &d, err);
    if (status == PL_OK) {
        put_inside(out, &d, prefix);
    }
    drawing_deinit(&d);
    return status;
}

pl_status pl_format_svg(const pl_job *job, pl_error *err)
{
    drawing d = {0};
    pl_buf document = {0};
    pl_status status = draw_svg(job, &d, err);
    if (status == PL_OK) {
        pl_buf_append(&document, d.body.data, d.head);
        put_provenance(&document, job); /* title and desc first inside <svg>, as SVG asks */
        put_inside(&document, &d, "i");
        pl_buf_append(&document, d.body.data + d.end, d.body.size - d.end);
        status = pl_buf_check(&document, err);
    }
    PL_THEN(pl_file_write_all(job->path, document.data, document.size, err));
    drawing_deinit(&d);
    pl_buf_deinit(&document);
    return status;
}
