#include "plots/figure.h"

#include "plots/build.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

static void axis_deinit(pl_axis *axis)
{
    free(axis->label);
    free_texts(axis->names, axis->n_names);
    free_texts(axis->more, axis->n_names);
}

static void heat_destroy(pl_heat *heat)
{
    if (heat != NULL) {
        free(heat->values);
        free(heat->at);
        free(heat->label);
        free(heat);
    }
}

static void table_destroy(pl_table *table)
{
    if (table != NULL) {
        pl_table_deinit(table);
        free(table);
    }
}

void pl_figure_deinit(pl_figure *figure)
{
    free(figure->title);
    axis_deinit(&figure->x);
    axis_deinit(&figure->y);
    axis_deinit(&figure->right);
    heat_destroy(figure->heat);
    table_destroy(figure->table);
    for (size_t i = 0; i < figure->n_series; i++) {
        free(figure->series[i].label);
        free(figure->series[i].x);
        free(figure->series[i].at);
        free(figure->series[i].y);
    }
    for (size_t i = 0; i < figure->n_rules; i++) {
        free(figure->rules[i].label);
    }
    *figure = (pl_figure){0};
}

bool pl_figure_has_right(const pl_figure *figure)
{
    return figure->right.label != NULL && figure->right.label[0] != '\0';
}

pl_figure pl_figure_for(const pl_figure *figure, const pl_series *series)
{
    pl_figure own = *figure;
    if (series->right) {
        own.y = figure->right;
    }
    return own;
}

size_t pl_mark_width(pl_mark mark)
{
    return mark == PL_MARK_FAN || mark == PL_MARK_BOX ? PL_SPREAD : 1;
}

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
    heat_destroy(figure->heat);
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
    table_destroy(figure->table);
    figure->table = table;
    return PL_OK;
}

const char *pl_axis_name(const pl_axis *axis, size_t position)
{
    return axis->names != NULL && position < axis->n_names ? axis->names[position] : NULL;
}

pl_status pl_figure_names(pl_axis *axis, size_t n, pl_error *err)
{
    char **names = calloc(n > 0 ? n : 1, sizeof *names);
    if (names == NULL) {
        return pl_error_memory(err, "%zu names", n);
    }
    free_texts(axis->names, axis->n_names);
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

static pl_status check_axis(const pl_axis *axis, const char *name, pl_error *err)
{
    if (!isfinite(axis->lo) || !isfinite(axis->hi)) {
        return pl_error_set(err, PL_ERR_NUMERIC, "figure: the %s axis is not finite", name);
    }
    if (!(axis->lo < axis->hi) || (axis->log && axis->lo <= 0)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: the %s axis goes from %g to %g, expected a rising range%s",
                            name, axis->lo, axis->hi, axis->log ? " above 0" : "");
    }
    return PL_OK;
}

static pl_status check_values(const pl_series *series, const char *axis, const double *values,
                              size_t count, pl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "figure: series \"%s\": %s of point %zu is not finite",
                                series->label != NULL ? series->label : "", axis, i);
        }
    }
    return PL_OK;
}

static pl_status check_series(const pl_series *series, pl_error *err)
{
    if (series->count > 0 && (series->x == NULL || series->y == NULL)) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: a series of %zu points has no storage",
                            series->count);
    }
    bool steps = series->mark == PL_MARK_STEPS && series->count > 0;
    pl_status status = check_values(series, "x", series->x, series->count + (steps ? 1 : 0), err);
    if (status != PL_OK) {
        return status;
    }
    size_t width = pl_mark_width(series->mark);
    for (size_t i = 1; width > 1 && i < series->count * width; i++) {
        if (i % width != 0 && series->y[i] < series->y[i - 1]) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "figure: series \"%s\": the spread of point %zu does not rise",
                                series->label != NULL ? series->label : "", i / width);
        }
    }
    return check_values(series, "y", series->y, series->count * width, err);
}

static pl_status check_heat(const pl_heat *heat, pl_error *err)
{
    if (!isfinite(heat->lo) || !isfinite(heat->hi) || !(heat->lo < heat->hi) ||
        (heat->log && heat->lo <= 0) || !(heat->step > 0)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: the colours go from %g to %g, expected a rising range%s",
                            heat->lo, heat->hi, heat->log ? " above 0" : "");
    }
    for (size_t i = 0; i < heat->rows * heat->cols; i++) {
        if (isinf(heat->values[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "figure: row %zu, column %zu of the heat map is not finite",
                                i / heat->cols, i % heat->cols);
        }
    }
    return PL_OK;
}

pl_status pl_figure_check(const pl_figure *figure, pl_error *err)
{
    if (figure->table != NULL) {
        return PL_OK;
    }
    if ((figure->n_series == 0 && figure->heat == NULL) || figure->n_series > PL_FIGURE_SERIES ||
        figure->n_rules > PL_FIGURE_RULES || figure->n_notes > PL_FIGURE_NOTES) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: expected 1 to %d series, up to %d rules and %d notes",
                            PL_FIGURE_SERIES, PL_FIGURE_RULES, PL_FIGURE_NOTES);
    }
    pl_status status = check_axis(&figure->x, "x", err);
    PL_THEN(check_axis(&figure->y, "y", err));
    if (status == PL_OK && pl_figure_has_right(figure)) {
        status = check_axis(&figure->right, "right", err);
    }
    if (status == PL_OK && figure->heat != NULL) {
        status = check_heat(figure->heat, err);
    }
    for (size_t i = 0; status == PL_OK && i < figure->n_series; i++) {
        status = check_series(&figure->series[i], err);
    }
    for (size_t i = 0; status == PL_OK && i < figure->n_rules; i++) {
        if (!isfinite(figure->rules[i].at)) {
            status = pl_error_set(err, PL_ERR_NUMERIC, "figure: rule %zu is not finite", i);
        }
    }
    for (size_t i = 0; status == PL_OK && i < figure->n_notes; i++) {
        if (!isfinite(figure->notes[i].x) || !isfinite(figure->notes[i].y)) {
            status = pl_error_set(err, PL_ERR_NUMERIC, "figure: note %zu is not finite", i);
        }
    }
    return status;
}
