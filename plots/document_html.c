/* A document as one HTML file: well-formed XML, too, so that any parser reads it.  SVG and styles
 * are inside it, and it loads nothing. */
#include "plots/document_parts.h"

#include "core/base/checked.h"
#include "plots/page_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_CELL = 24 }; /* bytes; such a cell stays on one line */

static const char style[] =
    "html{color-scheme:light;-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
    "body{margin:2rem auto 4rem;padding:0 1rem;max-width:52rem;background:#fff;color:#111;"
    "font:1rem/1.5 \"DejaVu Sans\",Verdana,system-ui,sans-serif;overflow-wrap:break-word}\n"
    "h1{font-size:1.7rem;line-height:1.25;margin:0 0 .3rem}\n"
    "h2{font-size:1.3rem;margin:2.4rem 0 .6rem}\n"
    "h3{font-size:1.05rem;margin:1.8rem 0 .5rem}\n"
    ".about{color:#555;margin:0 0 1.5rem}\n"
    "figure{margin:1.6rem 0}\n"
    "figcaption{font-size:.875rem;margin:.4rem 0}\n"
    ".wide{overflow-x:auto}\n"
    "svg{display:block;width:100%;min-width:34rem;height:auto}\n"
    "table{border-collapse:collapse;font-size:.8125rem;border-top:2px solid #111;"
    "border-bottom:2px solid #111}\n"
    "thead{border-bottom:1px solid #111}\n"
    "th,td{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}\n"
    "th:last-child,td:last-child{padding-right:0}\n"
    "thead th{vertical-align:bottom}\n"
    "tbody th{font-weight:normal;min-width:6rem}\n"
    "td.n,.w{white-space:nowrap}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "pre{margin:.6rem 0 1.2rem;padding:.5rem .8rem;border-left:3px solid #bbb;background:#f6f6f6;"
    "font:.75rem/1.5 \"DejaVu Sans Mono\",monospace;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "@media print{body{margin:0;padding:0;max-width:none;font-size:10pt}.wide{overflow:visible}"
    "svg{min-width:0}table{font-size:7.5pt}h1,h2,h3{break-after:avoid}.figure,tr{break-inside:"
    "avoid}"
    ".table figcaption{break-after:avoid}thead{display:table-header-group}"
    "pre{background:none}}\n";

/* Text, escaped for what a reader sees and for XML; also within "...". */
static void put_bytes(pl_buf *out, const char *text, size_t size)
{
    const size_t room = pl_text_escape(text, size, NULL, 0) + 1;
    char *safe = malloc(room);
    if (safe == NULL) {
        out->failed = true;
        return;
    }
    pl_text_escape(text, size, safe, room);
    for (const char *at = safe; *at != '\0';) {
        const size_t plain = strcspn(at, "\"");
        pl_xml_put(out, at, plain);
        at += plain;
        if (*at == '"') {
            pl_buf_puts(out, "&quot;");
            at++;
        }
    }
    free(safe);
}

static void put_escaped(pl_buf *out, const char *text)
{
    put_bytes(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void put_element(pl_buf *out, const char *name, const char *text)
{
    pl_buf_printf(out, "<%s>", name);
    put_escaped(out, text);
    pl_buf_printf(out, "</%s>\n", name);
}

static void put_html_caption(pl_buf *out, const pl_part *part)
{
    char label[32];
    pl_part_label(part, label);
    pl_buf_printf(out, "<figcaption><strong>%s.</strong> ", label);
    put_escaped(out, part->text);
    pl_buf_puts(out, "</figcaption>\n");
}

static void put_html_cell(pl_buf *out, const pl_table *table, size_t row, size_t col)
{
    const bool head = row == SIZE_MAX;
    const char *name = head || col == 0 ? "th" : "td";
    pl_buf_printf(out, "<%s", name);
    pl_buf_puts(out, head ? " scope=\"col\"" : col == 0 ? " scope=\"row\"" : "");
    const char *text = head ? table->heads[col] : table->cells[row * table->cols + col];
    const bool whole = !head && text != NULL && strlen(text) <= SHORT_CELL;
    pl_buf_puts(out, table->numeric[col] ? " class=\"n\">" : whole ? " class=\"w\">" : ">");
    put_escaped(out, text);
    pl_buf_printf(out, "</%s>", name);
}

static void put_html_row(pl_buf *out, const pl_table *table, size_t row)
{
    pl_buf_puts(out, "<tr>");
    for (size_t j = 0; j < table->cols; j++) {
        put_html_cell(out, table, row, j);
    }
    pl_buf_puts(out, "</tr>\n");
}

static void put_html_table(pl_buf *out, const pl_part *part)
{
    pl_buf_printf(out, "<figure class=\"table\" id=\"table-%zu\">\n", part->number);
    put_html_caption(out, part);
    pl_buf_puts(out, "<div class=\"wide\" tabindex=\"0\">\n<table>\n<thead>\n");
    put_html_row(out, &part->table, SIZE_MAX);
    pl_buf_puts(out, "</thead>\n<tbody>\n");
    for (size_t i = 0; i < part->table.rows; i++) {
        put_html_row(out, &part->table, i);
    }
    pl_buf_puts(out, "</tbody>\n</table>\n</div>\n</figure>\n");
}

static pl_status put_figure(pl_buf *out, const pl_part *part, pl_paper paper, pl_fonts *fonts,
                            pl_error *err)
{
    char prefix[32], path[48];
    const pl_page page = {.width_in = pl_document_text_width(paper) / 25.4,
                          .height_in = part->height,
                          .dpi = PL_VECTOR_DPI};
    const pl_sheet sheet = {.rows = 1,
                            .cols = part->n_panels,
                            .panels = (pl_figure *)part->panels,
                            .letters = part->n_panels > 1};
    pl_part_label(part, path);
    const pl_job job = {.sheet = &sheet, .page = &page, .path = path, .fonts = fonts};
    snprintf(prefix, sizeof prefix, "f%zu-", part->number);
    pl_buf_printf(out,
                  "<figure class=\"figure\" id=\"figure-%zu\">\n<div class=\"wide\" "
                  "tabindex=\"0\">\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
                  "xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 %.3f %.3f\" "
                  "role=\"img\" aria-label=\"",
                  part->number, page.width_in * 72, page.height_in * 72);
    put_escaped(out, part->text);
    pl_buf_puts(out, "\">");
    pl_status status = pl_format_svg_inside(&job, prefix, out, err);
    pl_buf_puts(out, "</svg>\n</div>\n");
    put_html_caption(out, part);
    pl_buf_puts(out, "</figure>\n");
    return status;
}

static void put_html_lines(pl_buf *out, const char *text)
{
    pl_buf_puts(out, "<pre>");
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n");
        put_bytes(out, text, size);
        text += size + (text[size] == '\n');
        pl_buf_puts(out, *text != '\0' ? "\n" : "");
    }
    pl_buf_puts(out, "</pre>\n");
}

static void put_html_head(pl_buf *out, const pl_document *document, pl_paper paper)
{
    pl_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n"
                     "<meta name=\"generator\" content=\"Planish " PL_VERSION "\"/>\n");
    put_element(out, "title", document->title);
    pl_buf_printf(out, "<style>\n@page{size:%s;margin:20mm}\n%s</style>\n</head>\n<body>\n<main>\n",
                  paper == PL_PAPER_A4 ? "A4" : "letter", style);
    put_element(out, "h1", document->title);
    pl_buf_puts(out, "<p class=\"about\">");
    put_escaped(out, document->subtitle);
    pl_buf_puts(out, "</p>\n");
}

pl_status pl_document_html(const pl_document *document, pl_paper paper, pl_fonts *fonts,
                           pl_buf *out, pl_task *task, pl_error *err)
{
    static const char *const elements[] = {
        [PL_PART_SECTION] = "h2", [PL_PART_SUBSECTION] = "h3", [PL_PART_TEXT] = "p"};
    pl_status status = PL_OK;
    put_html_head(out, document, paper);
    for (size_t i = 0; i < document->n && status == PL_OK; i++) {
        const pl_part *part = &document->parts[i];
        switch (part->kind) {
        case PL_PART_SECTION:
        case PL_PART_SUBSECTION:
        case PL_PART_TEXT:
            put_element(out, elements[part->kind], part->text);
            break;
        case PL_PART_COMMANDS:
            put_html_lines(out, part->text);
            break;
        case PL_PART_TABLE:
            put_html_table(out, part);
            break;
        case PL_PART_FIGURE:
            status = put_figure(out, part, paper, fonts, err);
            pl_task_progress(task, "figures", (double)part->number, (double)document->figures);
            break;
        }
        PL_THEN(pl_task_tick(task, err));
    }
    pl_buf_puts(out, "</main>\n</body>\n</html>\n");
    return status;
}
