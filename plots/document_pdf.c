/* A document on pages.  It is laid out twice: first without a surface, to count the pages, since
 * each page shows their number. */
#include "plots/document_parts.h"

#include "core/base/checked.h"
#include "core/base/memory.h"
#include "plots/page_parts.h"
#include "plots/paragraph.h"

#include <cairo-pdf.h>
#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MM (72 / 25.4)
#define SIDE (20 * MM)   /* margins left and right */
#define TOP (19 * MM)    /* ... above ... */
#define BOTTOM (24 * MM) /* ... and below, with the page's number */
#define FOOT (13 * MM)   /* the number's distance from the lower edge */

#define TITLE_SIZE 17.0
#define SECTION_SIZE 13.0
#define SUBSECTION_SIZE 10.5
#define TEXT_SIZE 9.5
#define CAPTION_SIZE 8.5
#define CELL_SIZE 8.0
#define LEAST_CELL 6.5
#define COMMAND_SIZE 7.5
#define FOOT_SIZE 8.0

#define LEAD 1.28 /* a line's height over its letters' size */
#define GAP 9.0   /* below a part */
/* Rows of a table that its head is not parted from: all of a short one. */
enum { SHORT_TABLE = 16, FIRST_ROWS = 3 };

static const struct {
    double width, height; /* points */
} papers[] = {[PL_PAPER_A4] = {210 * MM, 297 * MM}, [PL_PAPER_LETTER] = {8.5 * 72, 11 * 72}};

double pl_document_text_width(pl_paper paper)
{
    return (papers[paper].width - 2 * SIDE) / MM;
}

typedef struct pen {
    const pl_document *document;
    pl_fonts *fonts, *mono;
    cairo_surface_t *surface; /* NULL on the pass that counts */
    cairo_t *cr;
    double width, height, room; /* room: of a line */
    double y;
    size_t page, pages; /* the present one, from 1; of all, once they are counted */
    int section;        /* of the outline */
    pl_task *task;
    size_t figures;
    pl_error *err;
    pl_status status;
} pen;

static double bottom_of(const pen *p)
{
    return p->height - BOTTOM;
}

static bool is_drawing(const pen *p)
{
    return p->cr != NULL && p->status == PL_OK;
}

static void grey(const pen *p, double value)
{
    if (p->cr != NULL) {
        cairo_set_source_rgb(p->cr, value, value, value);
    }
}

static void foot(pen *p)
{
    if (!is_drawing(p)) {
        return;
    }
    char number[64];
    const double y = p->height - FOOT;
    snprintf(number, sizeof number, "page %zu of %zu", p->page, p->pages);
    grey(p, 0.35);
    const double width = pl_fonts_measure(p->fonts, number, FOOT_SIZE, 0).width;
    pl_fonts_draw(p->fonts, p->cr, p->document->title, FOOT_SIZE, p->room - width - 24, SIDE, y);
    pl_fonts_draw(p->fonts, p->cr, number, FOOT_SIZE, 0, p->width - SIDE - width, y);
    grey(p, 0);
}

static void next_page(pen *p)
{
    foot(p);
    if (p->cr != NULL) {
        cairo_show_page(p->cr);
    }
    p->page++;
    p->y = TOP;
    grey(p, 0);
}

/* Begins a page where less than so many points are left of this one. */
static bool need(pen *p, double height)
{
    const bool full = p->y + height > bottom_of(p) + 1e-6 && p->y > TOP;
    if (full) {
        next_page(p);
    }
    return full;
}

static double line_of(double size)
{
    return LEAD * size;
}

/* --- texts ------------------------------------------------------------------------------------ */

static bool break_text(pen *p, pl_fonts *fonts, const char *text, const pl_setting *setting,
                       pl_paragraph *out)
{
    *out = (pl_paragraph){0};
    if (p->status == PL_OK) {
        p->status = pl_paragraph_break(fonts, text, setting, out, p->err);
    }
    return p->status == PL_OK;
}

/* Lines of a paragraph at x; one never stands alone at a page's end or beginning.  together: all
 * lines stay on one page. */
static void put_pdf_lines(pen *p, pl_fonts *fonts, const char *text, const pl_setting *setting,
                          double x, bool together)
{
    pl_paragraph lines;
    if (!break_text(p, fonts, text, setting, &lines)) {
        return;
    }
    const double line = line_of(setting->size);
    for (size_t i = 0; i < lines.n; i++) {
        const bool first = i == 0 && lines.n > 1, last = i > 0 && i + 2 == lines.n;
        const size_t keep = together && i == 0 ? lines.n : first || last ? 2 : 1;
        need(p, line * (double)keep);
        if (is_drawing(p)) {
            const double indent = i == 0 ? setting->first : setting->others;
            pl_paragraph_draw_line(fonts, p->cr, text, &lines, i, setting, x + indent, p->y);
        }
        p->y += line;
    }
    pl_paragraph_deinit(&lines);
}

static double height_of_text(pen *p, const char *text, const pl_setting *setting)
{
    pl_paragraph lines;
    double height = 0;
    if (break_text(p, p->fonts, text, setting, &lines)) {
        height = line_of(setting->size) * (double)lines.n;
    }
    pl_paragraph_deinit(&lines);
    return height;
}

static pl_setting heading_setting(const pen *p, pl_part_kind kind)
{
    return (pl_setting){.size = kind == PL_PART_SECTION ? SECTION_SIZE : SUBSECTION_SIZE,
                        .bold = true,
                        .room = p->room};
}

static void put_pdf_text(pen *p, const char *text)
{
    const pl_setting setting = {.size = TEXT_SIZE, .room = p->room};
    put_pdf_lines(p, p->fonts, text, &setting, SIDE, false);
    p->y += GAP;
}

/* A bar at the left; lines that go on are indented. */
static void put_pdf_commands(pen *p, const char *text)
{
    const pl_setting setting = {.size = COMMAND_SIZE, .room = p->room - 10, .others = 18};
    while (*text != '\0' && p->status == PL_OK) {
        const size_t size = strcspn(text, "\n");
        char *line = strndup(text, size);
        if (line == NULL) {
            p->status = pl_error_memory(p->err, "a document");
            return;
        }
        const double from = p->y;
        const size_t page = p->page;
        put_pdf_lines(p, p->mono, line, &setting, SIDE + 10, true);
        if (is_drawing(p)) {
            cairo_set_source_rgb(p->cr, 0.7, 0.7, 0.7);
            cairo_rectangle(p->cr, SIDE + 2, page == p->page ? from : TOP, 1.5,
                            p->y - (page == p->page ? from : TOP));
            cairo_fill(p->cr);
            grey(p, 0);
        }
        free(line);
        text += size + (text[size] == '\n');
    }
    p->y += GAP;
}

/* --- captions --------------------------------------------------------------------------------- */

static pl_setting caption_setting(const pen *p, const pl_part *part, char label[40])
{
    char name[32];
    pl_part_label(part, name);
    snprintf(label, 40, "%s.", name);
    const double width = pl_fonts_measure_bold(p->fonts, label, CAPTION_SIZE).width;
    return (pl_setting){.size = CAPTION_SIZE, .room = p->room, .first = width + 5};
}

static double height_of_caption(pen *p, const pl_part *part)
{
    char label[40];
    const pl_setting setting = caption_setting(p, part, label);
    return height_of_text(p, part->text, &setting);
}

/* "Table 3." in bold, then the caption; on one page. */
static void put_pdf_caption(pen *p, const pl_part *part)
{
    char label[40];
    const pl_setting setting = caption_setting(p, part, label);
    need(p, height_of_caption(p, part));
    if (is_drawing(p)) {
        pl_fonts_draw_bold(p->fonts, p->cr, label, CAPTION_SIZE, SIDE, p->y);
    }
    put_pdf_lines(p, p->fonts, part->text, &setting, SIDE, true);
}

/* --- tables ----------------------------------------------------------------------------------- */

typedef struct grid {
    const pl_table *table;
    double size, line, gap, width;
    double *widths; /* [cols] */
} grid;

/* row: SIZE_MAX for the head. */
static const char *pdf_cell(const pl_table *table, size_t row, size_t col)
{
    return row == SIZE_MAX ? pl_table_head_of(table, col) : pl_table_cell(table, row, col);
}

/* Width of a head on two lines at most. */
static double head_width(const pen *p, const char *head, double size)
{
    double least = pl_fonts_measure_bold(p->fonts, head, size).width;
    for (const char *blank = strchr(head, ' '); blank != NULL; blank = strchr(blank + 1, ' ')) {
        char first[96];
        snprintf(first, sizeof first, "%.*s", (int)(blank - head), head);
        const double above = pl_fonts_measure_bold(p->fonts, first, size).width;
        const double below = pl_fonts_measure_bold(p->fonts, blank + 1, size).width;
        least = fmin(least, fmax(above, below));
    }
    return least;
}

/* Of a head on two lines, of the others all of the text. */
static double natural_width(const pen *p, const pl_table *table, size_t col, double size)
{
    double width = head_width(p, pl_table_head_of(table, col), size);
    for (size_t i = 0; i < table->rows; i++) {
        width = fmax(width, pl_fonts_measure(p->fonts, pdf_cell(table, i, col), size, 0).width);
    }
    return width + 0.5;
}

/* The widest columns give what is too much; their cells then take several lines. */
static void narrow(grid *g, double room)
{
    double level = room, low = 0; /* no column is wider; found by halving */
    for (int i = 0; i < 40; i++) {
        const double middle = (low + level) / 2;
        double sum = 0;
        for (size_t j = 0; j < g->table->cols; j++) {
            sum += fmin(g->widths[j], middle);
        }
        *(sum > room ? &level : &low) = middle;
    }
    g->width = 0;
    for (size_t j = 0; j < g->table->cols; j++) {
        g->widths[j] = fmin(g->widths[j], fmax(low, 8));
        g->width += g->widths[j];
    }
}

/* If one column of texts would take half of the page or more, its texts are wrapped into the width
 * that the other columns leave. */
static bool breaks_texts(const pen *p, grid *g)
{
    size_t widest = 0;
    double others = g->gap * (double)(g->table->cols - 1);
    for (size_t j = 1; j < g->table->cols; j++) {
        widest = g->widths[j] > g->widths[widest] ? j : widest;
    }
    for (size_t j = 0; j < g->table->cols; j++) {
        others += j != widest ? g->widths[j] : 0;
    }
    const bool can = !g->table->numeric[widest] && g->widths[widest] > p->room / 2 &&
                     p->room - others > p->room / 3;
    g->width += can ? p->room - others - g->widths[widest] : 0;
    g->widths[widest] = can ? p->room - others : g->widths[widest];
    return can;
}

/* Letters get smaller before other texts are broken. */
static bool fit_grid(pen *p, const pl_table *table, grid *g)
{
    *g = (grid){.table = table, .widths = pl_alloc(table->cols, sizeof(double))};
    if (g->widths == NULL) {
        p->status = pl_error_memory(p->err, "a table");
        return false;
    }
    for (g->size = CELL_SIZE; g->size >= LEAST_CELL; g->size -= 0.5) {
        g->gap = 1.5 * g->size;
        g->width = 0;
        for (size_t j = 0; j < table->cols; j++) {
            g->widths[j] = natural_width(p, table, j, g->size);
            g->width += g->widths[j];
        }
        if (g->width + g->gap * (double)(table->cols - 1) <= p->room || breaks_texts(p, g)) {
            break;
        }
    }
    const double gaps = g->gap * (double)(table->cols - 1);
    if (g->size < LEAST_CELL) {
        g->size = CELL_SIZE - 0.5;
        for (size_t j = 0; j < table->cols; j++) {
            g->widths[j] = natural_width(p, table, j, g->size);
        }
        narrow(g, p->room - gaps);
    }
    g->width += gaps;
    g->line = line_of(g->size);
    return true;
}

static pl_setting cell_setting(const grid *g, size_t row, size_t col)
{
    return (pl_setting){.size = g->size, .bold = row == SIZE_MAX, .room = g->widths[col] + 0.01};
}

/* Row SIZE_MAX: the heads. */
static size_t lines_of_row(pen *p, const grid *g, size_t row)
{
    size_t most = 1;
    for (size_t j = 0; j < g->table->cols; j++) {
        pl_paragraph lines;
        const pl_setting setting = cell_setting(g, row, j);
        if (break_text(p, p->fonts, pdf_cell(g->table, row, j), &setting, &lines)) {
            most = lines.n > most ? lines.n : most;
        }
        pl_paragraph_deinit(&lines);
    }
    return most;
}

static void draw_pdf_row(pen *p, const grid *g, size_t row, size_t height)
{
    double x = SIDE;
    for (size_t j = 0; j < g->table->cols && is_drawing(p); j++) {
        const char *text = pdf_cell(g->table, row, j);
        const pl_setting setting = cell_setting(g, row, j);
        pl_paragraph lines;
        if (break_text(p, p->fonts, text, &setting, &lines)) {
            /* Heads stand on their rule. */
            double y = p->y + (row == SIZE_MAX ? g->line * (double)(height - lines.n) : 0);
            for (size_t i = 0; i < lines.n; i++, y += g->line) {
                const double own = pl_paragraph_line_width(p->fonts, text, &lines, i, &setting);
                const double shift = g->table->numeric[j] ? g->widths[j] - own : 0;
                pl_paragraph_draw_line(p->fonts, p->cr, text, &lines, i, &setting, x + shift, y);
            }
        }
        pl_paragraph_deinit(&lines);
        x += g->widths[j] + g->gap;
    }
    p->y += g->line * (double)height;
}

static void draw_rule(pen *p, const grid *g, double thick)
{
    if (is_drawing(p)) {
        cairo_rectangle(p->cr, SIDE, p->y, g->width, thick);
        cairo_fill(p->cr);
    }
    p->y += 0.25 * g->line;
}

static void draw_head(pen *p, const grid *g, size_t lines)
{
    draw_rule(p, g, 0.9);
    draw_pdf_row(p, g, SIZE_MAX, lines);
    p->y += 0.2 * g->line;
    draw_rule(p, g, 0.5);
}

/* What belongs above a table's first page break. */
static double least_of_table(pen *p, const pl_part *part)
{
    const size_t rows = part->table.rows <= SHORT_TABLE ? part->table.rows : FIRST_ROWS;
    grid g;
    double height = height_of_caption(p, part);
    if (fit_grid(p, &part->table, &g)) {
        size_t lines = lines_of_row(p, &g, SIZE_MAX);
        for (size_t i = 0; i < rows; i++) {
            lines += lines_of_row(p, &g, i);
        }
        height += g.line * ((double)lines + 1.3) + 3;
    }
    free(g.widths);
    return height;
}

static void put_continued(pen *p, const pl_part *part)
{
    char label[32], text[64];
    pl_part_label(part, label);
    snprintf(text, sizeof text, "%s, continued", label);
    if (is_drawing(p)) {
        pl_fonts_draw(p->fonts, p->cr, text, CAPTION_SIZE, 0, SIDE, p->y);
    }
    p->y += line_of(CAPTION_SIZE) + 3;
}

static void put_pdf_table(pen *p, const pl_part *part)
{
    const pl_table *table = &part->table;
    grid g;
    need(p, least_of_table(p, part));
    put_pdf_caption(p, part);
    p->y += 3;
    if (p->status != PL_OK || !fit_grid(p, table, &g)) {
        return;
    }
    const size_t heads = lines_of_row(p, &g, SIZE_MAX);
    draw_head(p, &g, heads);
    for (size_t i = 0; i < table->rows && p->status == PL_OK; i++) {
        const size_t lines = lines_of_row(p, &g, i);
        /* The last two rows stay together: none stands alone below its repeated head. */
        const size_t next = i + 2 == table->rows && i > 0 ? lines_of_row(p, &g, i + 1) : 0;
        const double height = g.line * ((double)(lines + next) + 0.3);
        if (p->y + height > bottom_of(p)) {
            p->y += 0.1 * g.line;
            draw_rule(p, &g, 0.9);
            next_page(p);
            put_continued(p, part);
            draw_head(p, &g, heads);
        }
        draw_pdf_row(p, &g, i, lines);
    }
    p->y += 0.15 * g.line;
    draw_rule(p, &g, 0.9);
    p->y += 1.5 * GAP;
    free(g.widths);
}

/* --- figures and headings --------------------------------------------------------------------- */

static double height_of_figure(pen *p, const pl_part *part)
{
    return part->height * 72 + 3 + height_of_caption(p, part);
}

static void put_figure(pen *p, const pl_part *part)
{
    const double pixel = 72 / PL_VECTOR_DPI, height = part->height * 72;
    need(p, height_of_figure(p, part));
    if (is_drawing(p)) {
        const pl_sheet sheet = {.rows = 1,
                                .cols = part->n_panels,
                                .panels = (pl_figure *)part->panels,
                                .letters = part->n_panels > 1};
        cairo_save(p->cr);
        cairo_translate(p->cr, round(SIDE / pixel) * pixel, round(p->y / pixel) * pixel);
        cairo_rectangle(p->cr, 0, 0, p->room, height);
        cairo_clip(p->cr);
        p->status = pl_sheet_draw(p->cr, &sheet, p->fonts, p->room, height, pixel, p->err);
        cairo_restore(p->cr);
        grey(p, 0);
        pl_task_progress(p->task, "figures", (double)part->number, (double)p->document->figures);
    }
    p->y += height + 3;
    put_pdf_caption(p, part);
    p->y += 1.6 * GAP;
}

static double height_of_heading(pen *p, const pl_part *part)
{
    const pl_setting setting = heading_setting(p, part->kind);
    return height_of_text(p, part->text, &setting) + 0.6 * GAP;
}

/* Points that the part's beginning takes, which a heading above it stays with. */
static double least_below(pen *p, size_t at)
{
    if (at >= p->document->n || p->status != PL_OK) {
        return 0;
    }
    const pl_part *part = &p->document->parts[at];
    switch (part->kind) {
    case PL_PART_SECTION:
    case PL_PART_SUBSECTION:
        return GAP + height_of_heading(p, part) + least_below(p, at + 1);
    case PL_PART_TABLE:
        return least_of_table(p, part);
    case PL_PART_FIGURE:
        return height_of_figure(p, part);
    case PL_PART_TEXT:
    case PL_PART_COMMANDS:
        break;
    }
    const double two = 2 * line_of(TEXT_SIZE);
    /* A text that leads to what follows it stays with that, too. */
    const bool leads = part->kind == PL_PART_TEXT && at + 1 < p->document->n &&
                       p->document->parts[at + 1].kind > PL_PART_TEXT;
    const pl_setting setting = {.size = TEXT_SIZE, .room = p->room};
    return leads ? height_of_text(p, part->text, &setting) + GAP + least_below(p, at + 1) : two;
}

static void put_heading(pen *p, size_t at)
{
    const pl_part *part = &p->document->parts[at];
    const pl_setting setting = heading_setting(p, part->kind);
    need(p, least_below(p, at));
    p->y += p->y > TOP ? GAP : 0;
    if (is_drawing(p)) {
        char link[96];
        snprintf(link, sizeof link, "page=%zu pos=[%.1f %.1f]", p->page, SIDE, p->y);
        const int parent = part->kind == PL_PART_SECTION ? CAIRO_PDF_OUTLINE_ROOT : p->section;
        const int id = cairo_pdf_surface_add_outline(p->surface, parent, part->text, link,
                                                     (cairo_pdf_outline_flags_t)0);
        p->section = part->kind == PL_PART_SECTION ? id : p->section;
    }
    put_pdf_lines(p, p->fonts, part->text, &setting, SIDE, true);
    p->y += 0.6 * GAP;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void put_pdf_title(pen *p)
{
    const pl_setting title = {.size = TITLE_SIZE, .bold = true, .room = p->room};
    const pl_setting below = {.size = TEXT_SIZE, .room = p->room};
    put_pdf_lines(p, p->fonts, p->document->title, &title, SIDE, true);
    p->y += 3;
    grey(p, 0.35);
    put_pdf_lines(p, p->fonts, p->document->subtitle, &below, SIDE, true);
    grey(p, 0);
    p->y += 1.5 * GAP;
}

/* Lays everything out; returns how many pages. */
static size_t put_document(pen *p)
{
    p->page = 1;
    p->y = TOP;
    p->section = CAIRO_PDF_OUTLINE_ROOT;
    put_pdf_title(p);
    for (size_t i = 0; i < p->document->n && p->status == PL_OK; i++) {
        const pl_part *part = &p->document->parts[i];
        switch (part->kind) {
        case PL_PART_SECTION:
        case PL_PART_SUBSECTION:
            put_heading(p, i);
            break;
        case PL_PART_TEXT:
            need(p, least_below(p, i));
            put_pdf_text(p, part->text);
            break;
        case PL_PART_COMMANDS:
            put_pdf_commands(p, part->text);
            break;
        case PL_PART_TABLE:
            put_pdf_table(p, part);
            break;
        case PL_PART_FIGURE:
            put_figure(p, part);
            break;
        }
        if (p->status == PL_OK) {
            p->status = pl_task_tick(p->task, p->err);
        }
    }
    foot(p);
    return p->page;
}

pl_status pl_document_pdf(const pl_document *document, pl_paper paper, pl_fonts *fonts,
                          pl_fonts *mono, pl_buf *out, size_t *pages, pl_task *task, pl_error *err)
{
    pen p = {.document = document,
             .fonts = fonts,
             .mono = mono,
             .width = papers[paper].width,
             .height = papers[paper].height,
             .room = papers[paper].width - 2 * SIDE,
             .task = task,
             .err = err};
    p.pages = put_document(&p);
    *pages = p.pages;
    if (p.status != PL_OK) {
        return p.status;
    }
    p.surface = cairo_pdf_surface_create_for_stream(pl_take_drawn, out, p.width, p.height);
    pl_pdf_metadata(p.surface, document->title);
    p.cr = cairo_create(p.surface);
    grey(&p, 0);
    (void)put_document(&p);
    cairo_show_page(p.cr);
    cairo_destroy(p.cr);
    cairo_surface_finish(p.surface);
    const cairo_status_t drawn = cairo_surface_status(p.surface);
    cairo_surface_destroy(p.surface);
    return p.status == PL_OK && drawn != CAIRO_STATUS_SUCCESS
               ? pl_error_set(err, PL_ERR_MEMORY, "a document: Cairo: %s",
                              cairo_status_to_string(drawn))
               : p.status;
}
