/* A figure's numbers as CSV. */
#include "plots/sheet.h"

#include <math.h>
#include <string.h>

/* Quoted where the format needs it. */
static void put_text(pl_buf *out, const char *text)
{
    if (text == NULL) {
        return;
    }
    if (strpbrk(text, ",\"\n\r") == NULL) {
        pl_buf_puts(out, text);
        return;
    }
    pl_buf_puts(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        pl_buf_append(out, c, 1);
        if (*c == '"') {
            pl_buf_puts(out, "\"");
        }
    }
    pl_buf_puts(out, "\"");
}

static void put_number(pl_buf *out, double value)
{
    if (!isnan(value)) {
        pl_buf_printf(out, "%.9g", value);
    }
}

static void put_x(pl_buf *out, const pl_axis *axis, double x)
{
    double index = round(x);
    if (axis->names != NULL && index == x && x >= 0 && x < (double)axis->n_names) {
        put_text(out, axis->names[(size_t)index]);
    } else {
        put_number(out, x);
    }
}

static void put_table(const pl_table *table, pl_buf *out)
{
    for (size_t row = 0; row <= table->rows; row++) {
        for (size_t col = 0; col < table->cols; col++) {
            pl_buf_puts(out, col > 0 ? "," : "");
            put_text(out,
                     row == 0 ? table->heads[col] : table->cells[(row - 1) * table->cols + col]);
        }
        pl_buf_puts(out, "\n");
    }
}

static void put_heat(const pl_figure *figure, pl_buf *out)
{
    const pl_heat *heat = figure->heat;
    put_text(out, figure->y.label);
    for (size_t col = 0; col < heat->cols; col++) {
        pl_buf_puts(out, ",");
        put_x(out, &figure->x, (double)col * heat->step);
    }
    for (size_t row = 0; row < heat->rows; row++) {
        pl_buf_puts(out, "\n");
        put_x(out, &figure->y, (double)row);
        for (size_t col = 0; col < heat->cols; col++) {
            pl_buf_puts(out, ",");
            put_number(out, (double)heat->values[row * heat->cols + col]);
        }
    }
    pl_buf_puts(out, "\n");
}

static bool same_x(const pl_series *a, const pl_series *b)
{
    return (a->mark == PL_MARK_STEPS) == (b->mark == PL_MARK_STEPS) && a->count == b->count &&
           memcmp(a->x, b->x, a->count * sizeof *a->x) == 0;
}

/* Series first ... last - 1 stand over the same x. */
static void put_head(const pl_figure *figure, size_t first, size_t last, pl_buf *out)
{
    static const char *const parts[PL_SPREAD] = {"min", "1%", "25%", "median", "75%", "99%", "max"};
    put_text(out, figure->x.label);
    if (figure->series[first].mark == PL_MARK_STEPS) {
        pl_buf_puts(out, " (from),");
        put_text(out, figure->x.label);
        pl_buf_puts(out, " (to)");
    }
    for (size_t s = first; s < last; s++) {
        const pl_series *series = &figure->series[s];
        size_t width = pl_mark_width(series->mark);
        for (size_t i = 0; i < width; i++) {
            pl_buf label = {0};
            pl_buf_puts(&label, series->label != NULL ? series->label : "");
            if (width > 1) {
                pl_buf_printf(&label, " %s", parts[i]);
            }
            pl_buf_puts(out, ",");
            put_text(out, label.data);
            out->failed = out->failed || label.failed;
            pl_buf_deinit(&label);
        }
    }
    pl_buf_puts(out, "\n");
}

static void put_series(const pl_figure *figure, size_t first, size_t last, pl_buf *out)
{
    put_head(figure, first, last, out);
    const pl_series *lead = &figure->series[first];
    for (size_t i = 0; i < lead->count; i++) {
        put_x(out, &figure->x, lead->x[i]);
        if (lead->mark == PL_MARK_STEPS) {
            pl_buf_puts(out, ",");
            put_number(out, lead->x[i + 1]);
        }
        for (size_t s = first; s < last; s++) {
            const pl_series *series = &figure->series[s];
            size_t width = pl_mark_width(series->mark);
            for (size_t j = 0; j < width; j++) {
                pl_buf_puts(out, ",");
                put_number(out, series->y[i * width + j]);
            }
        }
        pl_buf_puts(out, "\n");
    }
}

static void put_panel(const pl_figure *figure, pl_buf *out)
{
    for (size_t i = 0; i < figure->n_facts; i++) {
        pl_buf_printf(out, "# %s: %s\n", figure->facts[i].name, figure->facts[i].text);
    }
    if (figure->table != NULL) {
        put_table(figure->table, out);
        return;
    }
    if (figure->heat != NULL) {
        put_heat(figure, out);
    }
    for (size_t s = 0; s < figure->n_series;) {
        size_t last = s + 1;
        while (last < figure->n_series && same_x(&figure->series[s], &figure->series[last])) {
            last++;
        }
        pl_buf_puts(out, s > 0 || figure->heat != NULL ? "\n" : "");
        put_series(figure, s, last, out);
        s = last;
    }
}

void pl_sheet_csv(const pl_sheet *sheet, pl_buf *out)
{
    size_t count = sheet->rows * sheet->cols;
    for (size_t i = 0; i < count; i++) {
        const pl_figure *figure = &sheet->panels[i];
        pl_buf_puts(out, i > 0 ? "\n" : "");
        if (count > 1) {
            pl_buf_printf(out, "# panel %c: %s\n", (int)('a' + (int)(i % 26)),
                          figure->title != NULL ? figure->title : "");
        } else {
            pl_buf_printf(out, "# %s\n", figure->title != NULL ? figure->title : "");
        }
        put_panel(figure, out);
    }
}
