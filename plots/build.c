#include "plots/build.h"

#include "core/base/checked.h"
#include "plots/figure_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pl_status pl_figure_text(char **slot, const char *text, pl_error *err)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL) {
        return pl_error_memory(err, "a text");
    }
    free(*slot);
    *slot = copy;
    return PL_OK;
}

pl_status pl_figure_texts(pl_figure *figure, const char *title, const char *x_label,
                          const char *y_label, pl_error *err)
{
    pl_status status = pl_figure_text(&figure->title, title, err);
    PL_THEN(pl_figure_text(&figure->x.label, x_label, err));
    PL_THEN(pl_figure_text(&figure->y.label, y_label, err));
    return status;
}

pl_status pl_figure_add(pl_figure *figure, const char *label, pl_mark mark, pl_tone tone,
                        size_t count, pl_series **out, pl_error *err)
{
    *out = NULL;
    if (figure->n_series == PL_FIGURE_SERIES) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: at most %d series, got more",
                            PL_FIGURE_SERIES);
    }
    size_t edges = count;
    size_t values = 0;
    pl_series *series = &figure->series[figure->n_series];
    *series = (pl_series){.mark = mark, .tone = tone, .count = count};
    if ((mark != PL_MARK_STEPS || pl_add(count, 1, &edges)) &&
        pl_mul(count, pl_mark_width(mark), &values)) {
        series->x = calloc(edges > 0 ? edges : 1, sizeof *series->x);
        series->y = calloc(values > 0 ? values : 1, sizeof *series->y);
    }
    figure->n_series++;
    if (series->x == NULL || series->y == NULL) {
        return pl_error_memory(err, "%zu points", count);
    }
    pl_status status = pl_figure_text(&series->label, label, err);
    if (status == PL_OK) {
        *out = series;
    }
    return status;
}

pl_status pl_figure_heat(pl_figure *figure, size_t rows, size_t cols, const char *label,
                         pl_error *err)
{
    size_t count = 0;
    pl_heat *heat = calloc(1, sizeof *heat);
    if (heat != NULL && rows > 0 && cols > 0 && pl_mul(rows, cols, &count)) {
        heat->values = pl_alloc(count, sizeof *heat->values);
    }
    if (heat == NULL || heat->values == NULL) {
        free(heat);
        return pl_error_memory(err, "%zu x %zu cells", rows, cols);
    }
    heat->rows = rows;
    heat->cols = cols;
    heat->step = 1;
    for (size_t i = 0; i < count; i++) {
        heat->values[i] = NAN;
    }
    pl_figure_drop_heat(figure);
    figure->heat = heat;
    return pl_figure_text(&heat->label, label, err);
}

pl_status pl_figure_heat_several(pl_figure *figure, pl_error *err)
{
    pl_heat *heat = figure->heat;
    heat->at = calloc(heat->rows * heat->cols, sizeof *heat->at);
    return heat->at != NULL ? PL_OK
                            : pl_error_memory(err, "%zu x %zu cells", heat->rows, heat->cols);
}

double pl_heat_left(const pl_heat *heat)
{
    return -0.5 * fmin(1, heat->step);
}

size_t pl_heat_col(const pl_heat *heat, double x)
{
    const double col = floor((x - pl_heat_left(heat)) / heat->step);
    return col <= 0 ? 0 : col >= (double)heat->cols ? heat->cols - 1 : (size_t)col;
}

double pl_heat_x(const pl_heat *heat, size_t row, size_t col)
{
    return heat->at != NULL ? (double)heat->at[row * heat->cols + col] : (double)col * heat->step;
}

pl_status pl_figure_table(pl_figure *figure, size_t rows, size_t cols, pl_error *err)
{
    pl_table *table = calloc(1, sizeof *table);
    pl_status status = table != NULL && cols > 0 ? pl_table_init(table, rows, cols, err)
                                                 : pl_error_memory(err, "a table");
    if (status != PL_OK) {
        free(table);
        return status;
    }
    pl_figure_drop_table(figure);
    figure->table = table;
    return PL_OK;
}

pl_status pl_figure_names(pl_axis *axis, size_t n, pl_error *err)
{
    char **names = calloc(n > 0 ? n : 1, sizeof *names);
    if (names == NULL) {
        return pl_error_memory(err, "%zu names", n);
    }
    pl_figure_free_texts(axis->names, axis->n_names);
    axis->names = names;
    axis->n_names = n;
    return PL_OK;
}

pl_status pl_figure_rule(pl_figure *figure, double at, bool vertical, const char *label,
                         pl_error *err)
{
    if (figure->n_rules == PL_FIGURE_RULES) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: at most %d rules, got more",
                            PL_FIGURE_RULES);
    }
    pl_rule *rule = &figure->rules[figure->n_rules++];
    *rule = (pl_rule){.at = at, .vertical = vertical};
    return pl_figure_text(&rule->label, label, err);
}

pl_status pl_figure_guide(pl_figure *figure, double at, const char *label, pl_error *err)
{
    pl_status status = pl_figure_rule(figure, at, true, label, err);
    if (status == PL_OK) {
        figure->rules[figure->n_rules - 1].guide = true;
    }
    return status;
}

void pl_figure_fact(pl_figure *figure, const char *name, const char *format, ...)
{
    if (figure->n_facts == PL_FIGURE_FACTS) {
        return;
    }
    pl_fact *fact = &figure->facts[figure->n_facts++];
    va_list args;
    snprintf(fact->name, sizeof fact->name, "%s", name);
    va_start(args, format);
    vsnprintf(fact->text, sizeof fact->text, format, args);
    va_end(args);
    pl_text_trim_utf8(fact->name);
    pl_text_trim_utf8(fact->text);
}
