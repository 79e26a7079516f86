#include "plots/page_parts.h"
#include "plots/raster.h"

#include "core/base/checked.h"
#include "core/base/file.h"

#include <cairo.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { BAND_PIXELS = 8 << 20 }; /* drawn at a time: 32 MB */

/* Everything a write holds, so that libpng's longjmp loses nothing. */
typedef struct output {
    const pl_job *job;
    size_t width, height;
    pl_writer *writer;
    png_structp png;
    png_infop info;
    png_text *texts; /* [n_provenance] */
    pl_buf *values;  /* [n_provenance] Latin-1 */
    cairo_surface_t *band;
    unsigned char *row; /* RGB */
    pl_status status;
    pl_error *err;
} output;

static void on_error(png_structp png, png_const_charp message)
{
    output *o = png_get_error_ptr(png);
    if (o->status == PL_OK) {
        o->status = pl_error_set(o->err, PL_ERR_IO, "%s: libpng: %s", o->job->path, message);
    }
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_png_write(png_structp png, png_bytep bytes, size_t size)
{
    output *o = png_get_io_ptr(png);
    o->status = pl_writer_write(o->writer, bytes, size, o->err);
    if (o->status != PL_OK) {
        png_error(png, "write");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* UTF-8 to Latin-1; what it lacks becomes \u{HEX}, control characters and stray bytes \xHH. */
static void put_latin1(pl_buf *out, const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        uint32_t code = 0;
        size_t length = pl_text_utf8_decode(text, end, &code);
        code = length > 0 ? code : (unsigned char)*text;
        bool printable = (code >= 0x20 && code < 0x7f) || code >= 0xa0 || code == '\n';
        if (length == 0 || !printable) {
            pl_buf_printf(out, "\\x%02x", code);
        } else if (code > 0xff) {
            pl_buf_printf(out, "\\u{%x}", code);
        } else {
            char byte = (char)(unsigned char)code;
            pl_buf_append(out, &byte, 1);
        }
        text += length > 0 ? length : 1;
    }
}

static pl_status make_texts(output *o, pl_error *err)
{
    size_t count = o->job->n_provenance;
    o->texts = calloc(count > 0 ? count : 1, sizeof *o->texts);
    o->values = calloc(count > 0 ? count : 1, sizeof *o->values);
    if (o->texts == NULL || o->values == NULL) {
        return pl_error_memory(err, "%s", o->job->path);
    }
    for (size_t i = 0; i < count; i++) {
        put_latin1(&o->values[i], o->job->provenance[i].value);
        pl_buf_puts(&o->values[i], "");
        pl_status status = pl_buf_check(&o->values[i], err);
        if (status != PL_OK) {
            return status;
        }
        /* libpng takes char *, and only reads. */
        memcpy(&o->texts[i].key, &o->job->provenance[i].key, sizeof o->texts[i].key);
        o->texts[i].text = o->values[i].data;
        o->texts[i].text_length = o->values[i].size;
        o->texts[i].compression = PNG_TEXT_COMPRESSION_NONE;
    }
    return PL_OK;
}

static void write_png_header(output *o)
{
    png_set_write_fn(o->png, o, on_png_write, on_flush);
    png_set_compression_level(o->png, 6);
    png_set_filter(o->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
    png_set_IHDR(o->png, o->info, (png_uint_32)o->width, (png_uint_32)o->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_uint_32 per_metre = (png_uint_32)lround(o->job->page->dpi / 0.0254);
    png_set_pHYs(o->png, o->info, per_metre, per_metre, PNG_RESOLUTION_METER);
    if (o->job->n_provenance > 0) {
        png_set_text(o->png, o->info, o->texts, (int)o->job->n_provenance);
    }
    png_write_info(o->png, o->info);
}

static void write_rows(output *o, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pl_raster_row(o->band, i, o->width, o->row);
        png_write_row(o->png, o->row);
    }
}

/* The part that libpng may leave by longjmp: no local survives it. */
static pl_status write_png_file(output *o, size_t band_rows)
{
    if (setjmp(png_jmpbuf(o->png)) != 0) {
        return o->status != PL_OK ? o->status : PL_ERR_IO;
    }
    write_png_header(o);
    for (size_t first = 0; first < o->height; first += band_rows) {
        o->status = pl_raster_draw(o->job->sheet, o->job->fonts, o->band, first, o->width,
                                   o->height, o->job->page->dpi, o->job->path, o->err);
        if (o->status != PL_OK) {
            return o->status;
        }
        write_rows(o, o->height - first < band_rows ? o->height - first : band_rows);
    }
    png_write_end(o->png, NULL);
    return o->status;
}

static pl_status prepare_png(output *o, size_t band_rows, pl_error *err)
{
    pl_status status = make_texts(o, err);
    if (status != PL_OK) {
        return status;
    }
    o->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, o, on_error, on_warning);
    o->info = o->png != NULL ? png_create_info_struct(o->png) : NULL;
    o->row = pl_alloc(o->width, 3);
    o->band = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)o->width, (int)band_rows);
    if (o->info == NULL || o->row == NULL ||
        cairo_surface_status(o->band) != CAIRO_STATUS_SUCCESS) {
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory for %zu x %zu pixels",
                            o->job->path, o->width, o->height);
    }
    return pl_writer_create(o->job->path, &o->writer, err);
}

static void release(output *o)
{
    if (o->png != NULL) {
        png_destroy_write_struct(&o->png, &o->info);
    }
    if (o->band != NULL) {
        cairo_surface_destroy(o->band);
    }
    for (size_t i = 0; o->values != NULL && i < o->job->n_provenance; i++) {
        pl_buf_deinit(&o->values[i]);
    }
    free(o->values);
    free(o->texts);
    free(o->row);
    pl_writer_destroy(o->writer);
}

pl_status pl_format_png(const pl_job *job, size_t width, size_t height, pl_error *err)
{
    output o = {.job = job, .width = width, .height = height, .err = err};
    size_t band_rows = BAND_PIXELS / width;
    band_rows = band_rows < 1 ? 1 : band_rows > height ? height : band_rows;
    pl_status status = prepare_png(&o, band_rows, err);
    PL_THEN(write_png_file(&o, band_rows));
    PL_THEN(pl_writer_commit(o.writer, err));
    release(&o);
    return status;
}
