#include "plots/page.h"

#include "core/base/text.h"
#include "plots/page_parts.h"
#include "plots/label.h"
#include "plots/provenance.h"

#include "core/base/file.h"

#include <cairo.h>
#include <math.h>
#include <pango/pango.h>
#include <png.h>
#include <string.h>

#define MAX_PIXELS 200e6
#define MAX_SIDE 32000.0 /* Cairo's image surfaces end at 32767 */

bool pl_page_lacking(char *text, size_t capacity)
{
    return pl_fonts_lacking(text, capacity);
}

void pl_page_libraries(pl_buf *out)
{
    pl_buf_printf(out, "Cairo %s, Pango %s, libpng %s", cairo_version_string(),
                  pango_version_string(), png_get_libpng_ver(NULL));
}

static pl_status check_page(const pl_page *page, pl_error *err)
{
    const double sides[] = {page->width_in, page->height_in};
    const char *const names[] = {"width", "height"};
    for (size_t i = 0; i < 2; i++) {
        if (!(sides[i] >= 0.5 && sides[i] <= 40)) {
            return pl_error_set(err, PL_ERR_USAGE, "figure: %s of %g in, expected 0.5 to 40 inches",
                                names[i], sides[i]);
        }
    }
    if (!(page->dpi >= 30 && page->dpi <= 2400)) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: %g dpi, expected 30 to 2400", page->dpi);
    }
    return PL_OK;
}

/* PNG keywords: 1 to 79 printable Latin-1 bytes without blanks at the ends or in pairs. */
static bool is_keyword(const char *key)
{
    size_t size = strlen(key);
    if (size < 1 || size > 79 || key[0] == ' ' || key[size - 1] == ' ' ||
        strstr(key, "  ") != NULL) {
        return false;
    }
    for (const char *c = key; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            return false;
        }
    }
    return true;
}

static pl_status check_provenance(const pl_provenance *provenance, size_t count, pl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_keyword(provenance[i].key)) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "figure: provenance key \"%s\", expected 1 to 79 ASCII letters",
                                provenance[i].key);
        }
    }
    return PL_OK;
}

static pl_status write_png(const pl_job *job, size_t *width, size_t *height, pl_error *err)
{
    double across = round(job->page->width_in * job->page->dpi);
    double down = round(job->page->height_in * job->page->dpi);
    if (across * down > MAX_PIXELS || across > MAX_SIDE || down > MAX_SIDE) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: %.0f x %.0f pixels are too many, expected at most 200 million "
                            "and 32,000 a side: lower the dpi or the size",
                            across, down);
    }
    *width = (size_t)across;
    *height = (size_t)down;
    return pl_format_png(job, *width, *height, err);
}

/* CSV, or the one table of the sheet as LaTeX, behind its provenance as comments. */
static pl_status write_numbers(const pl_job *job, bool tex, pl_error *err)
{
    pl_buf text = {0};
    for (size_t i = 0; i < job->n_provenance; i++) {
        pl_buf_printf(&text, "%s %s: ", tex ? "%" : "#", job->provenance[i].key);
        pl_provenance_line(job->provenance[i].value, &text);
        pl_buf_puts(&text, "\n");
    }
    if (tex) {
        pl_table_put_latex(job->sheet->panels[0].table, &text);
    } else {
        pl_sheet_csv(job->sheet, &text);
    }
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(pl_file_write_all(job->path, text.data, text.size, err));
    pl_buf_deinit(&text);
    return status;
}

/* The page that is drawn: with the height of a lone table, where it is to fit. */
static pl_page fitted(const pl_sheet *sheet, const pl_page *page, pl_fonts *fonts)
{
    pl_page out = *page;
    double natural =
        sheet->fit && fonts != NULL ? pl_sheet_natural(sheet, fonts, page->width_in * 72) / 72 : 0;
    if (natural > 0) {
        out.height_in = fmin(ceil(natural * 100) / 100, 40);
    }
    return out;
}

static pl_status check_sheet(const pl_sheet *sheet, pl_error *err)
{
    if (sheet->rows < 1 || sheet->rows > PL_SHEET_SIDE || sheet->cols < 1 ||
        sheet->cols > PL_SHEET_SIDE) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: a grid of %zux%zu, expected 1x1 to %dx%d",
                            sheet->rows, sheet->cols, PL_SHEET_SIDE, PL_SHEET_SIDE);
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sheet->rows * sheet->cols; i++) {
        status = pl_figure_check(&sheet->panels[i], err);
    }
    return status;
}

pl_status pl_page_write_sheet(const pl_sheet *sheet, const pl_page *page,
                              const pl_provenance *provenance, size_t n_provenance,
                              const char *path, size_t *width_px, size_t *height_px, pl_error *err)
{
    bool png = pl_text_ends_nocase(path, ".png");
    bool pdf = pl_text_ends_nocase(path, ".pdf");
    bool tex = pl_text_ends_nocase(path, ".tex");
    bool numbers = tex || pl_text_ends_nocase(path, ".csv");
    if (!png && !pdf && !numbers && !pl_text_ends_nocase(path, ".svg")) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: unknown figure format, expected a name that ends in .png, .pdf, "
                            ".svg or .csv, or of a table in .tex",
                            path);
    }
    if (tex && (sheet->rows * sheet->cols != 1 || sheet->panels[0].table == NULL)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: only one table becomes .tex, expected a name that ends in .png, "
                            ".pdf, .svg or .csv",
                            path);
    }
    pl_status status = check_page(page, err);
    PL_THEN(check_provenance(provenance, n_provenance, err));
    PL_THEN(check_sheet(sheet, err));
    pl_buf title = {0};
    const char *own = sheet->title != NULL ? sheet->title : sheet->panels[0].title;
    pl_label_plain(own != NULL ? own : "", &title);
    pl_job job = {sheet, title.data, page, provenance, n_provenance, path, NULL};
    if (status == PL_OK && !numbers) {
        status = pl_fonts_create_font(sheet->font, png, &job.fonts, err);
    }
    if (status != PL_OK) {
        pl_buf_deinit(&title);
        return status;
    }
    const pl_page drawn = fitted(sheet, page, job.fonts);
    job.page = &drawn;
    size_t width = numbers ? 0 : (size_t)round(drawn.width_in * 72);
    size_t height = numbers ? 0 : (size_t)round(drawn.height_in * 72);
    status = png       ? write_png(&job, &width, &height, err)
             : pdf     ? pl_format_pdf(&job, err)
             : numbers ? write_numbers(&job, tex, err)
                       : pl_format_svg(&job, err);
    pl_fonts_destroy(job.fonts);
    pl_buf_deinit(&title);
    if (status == PL_OK && width_px != NULL) {
        *width_px = width;
    }
    if (status == PL_OK && height_px != NULL) {
        *height_px = height;
    }
    return status;
}
