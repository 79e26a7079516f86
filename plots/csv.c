/* A figure's numbers as CSV. */
#include "plots/sheet.h"

#include "plots/label.h"

#include <math.h>
#include <string.h>

/* A column's name: "astro, β = 0.0003" without its comma; numpy's genfromtxt knows no quotes. */
static void put_csv_name(pl_buf *out, const char *text)
{
    pl_buf name = {0}, plain = {0};
    pl_label_plain(text != NULL ? text : "", &plain);
    for (const char *c = plain.data != NULL ? plain.data : ""; *c != '\0'; c++) {
        if (*c != ',') {
            pl_buf_append(&name, c, 1);
        }
    }
    pl_csv_put_text(out, name.data);
    out->failed = out->failed || name.failed || plain.failed;
    pl_buf_deinit(&name);
    pl_buf_deinit(&plain);
}

static void put_x(pl_buf *out, const pl_axis *axis, double x)
{
    double index = round(x); /* boxes of one name stand side by side */
    if (axis->names != NULL && index >= 0 && index < (double)axis->n_names) {
        pl_csv_put_text(out, axis->names[(size_t)index]);
    } else {
        pl_csv_put_number(out, x);
    }
}

static void put_heat(const pl_figure *figure, pl_buf *out)
{
    const pl_heat *heat = figure->heat;
    put_csv_name(out, figure->y.label);
    for (size_t col = 0; col < heat->cols; col++) {
        pl_buf_puts(out, ",");
        put_x(out, &figure->x, (double)col * heat->step);
    }
    for (size_t row = 0; row < heat->rows; row++) {
        pl_buf_puts(out, "\n");
        put_x(out, &figure->y, (double)row);
        for (size_t col = 0; col < heat->cols; col++) {
            pl_buf_puts(out, ",");
            pl_csv_put_number(out, (double)heat->values[row * heat->cols + col]);
        }
    }
    pl_buf_puts(out, "\n");
}

/* Over the same x, or at the same names. */
static bool same_x(const pl_figure *figure, const pl_series *a, const pl_series *b)
{
    if ((a->mark == PL_MARK_STEPS) != (b->mark == PL_MARK_STEPS) || a->count != b->count) {
        return false;
    }
    bool same = true;
    for (size_t i = 0; i < a->count; i++) {
        same = same && (a->x[i] == b->x[i] ||
                        (figure->x.names != NULL && round(a->x[i]) == round(b->x[i])));
    }
    return same;
}

/* A line without a name joins the points of the series behind it: the same numbers. */
static bool is_repeated(const pl_figure *figure, size_t s)
{
    const pl_series *series = &figure->series[s];
    return (series->label == NULL || series->label[0] == '\0') && s + 1 < figure->n_series &&
           series->count == series[1].count &&
           pl_mark_width(series->mark) == pl_mark_width(series[1].mark) &&
           same_x(figure, series, series + 1) &&
           memcmp(series->y, series[1].y,
                  series->count * pl_mark_width(series->mark) * sizeof *series->y) == 0;
}

static void put_series_names(const pl_figure *figure, const pl_series *series, pl_buf *out)
{
    static const char *const parts[PL_SPREAD] = {"min", "1%", "25%", "median", "75%", "99%", "max"};
    bool named = series->label != NULL && series->label[0] != '\0';
    size_t width = pl_mark_width(series->mark);
    for (size_t i = 0; i < width; i++) {
        pl_buf_puts(out, ",");
        put_csv_name(out, named ? series->label : figure->y.label);
        if (width > 1) {
            pl_buf_printf(out, " %s", parts[i]);
        }
    }
}

/* Series first ... last - 1 stand over the same x. */
static void put_csv_head(const pl_figure *figure, size_t first, size_t last, pl_buf *out)
{
    put_csv_name(out, figure->x.label);
    if (figure->series[first].mark == PL_MARK_STEPS) {
        pl_buf_puts(out, " (from),");
        put_csv_name(out, figure->x.label);
        pl_buf_puts(out, " (to)");
    }
    for (size_t s = first; s < last; s++) {
        if (!is_repeated(figure, s)) {
            put_series_names(figure, &figure->series[s], out);
        }
    }
    pl_buf_puts(out, "\n");
}

static void put_series(const pl_figure *figure, size_t first, size_t last, pl_buf *out)
{
    put_csv_head(figure, first, last, out);
    const pl_series *lead = &figure->series[first];
    for (size_t i = 0; i < lead->count; i++) {
        put_x(out, &figure->x, lead->x[i]);
        if (lead->mark == PL_MARK_STEPS) {
            pl_buf_puts(out, ",");
            pl_csv_put_number(out, lead->x[i + 1]);
        }
        for (size_t s = first; s < last; s++) {
            const pl_series *series = &figure->series[s];
            size_t width = is_repeated(figure, s) ? 0 : pl_mark_width(series->mark);
            for (size_t j = 0; j < width; j++) {
                pl_buf_puts(out, ",");
                pl_csv_put_number(out, series->y[i * width + j]);
            }
        }
        pl_buf_puts(out, "\n");
    }
}

static void put_csv_panel(const pl_figure *figure, pl_buf *out)
{
    for (size_t i = 0; i < figure->n_facts; i++) {
        pl_buf_printf(out, "# %s: %s\n", figure->facts[i].name, figure->facts[i].text);
    }
    if (figure->table != NULL) {
        pl_table_put_csv(figure->table, out);
        return;
    }
    if (figure->heat != NULL) {
        put_heat(figure, out);
    }
    for (size_t s = 0; s < figure->n_series;) {
        size_t last = s + 1;
        while (last < figure->n_series &&
               same_x(figure, &figure->series[s], &figure->series[last])) {
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
        put_csv_panel(figure, out);
    }
}
