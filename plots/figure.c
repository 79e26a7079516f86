#include "plots/figure_parts.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_figure_free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

static void axis_deinit(pl_axis *axis)
{
    free(axis->label);
    pl_figure_free_texts(axis->names, axis->n_names);
    pl_figure_free_texts(axis->more, axis->n_names);
}

void pl_figure_drop_heat(pl_figure *figure)
{
    pl_heat *heat = figure->heat;
    if (heat != NULL) {
        free(heat->values);
        free(heat->at);
        free(heat->label);
        free(heat);
    }
    figure->heat = NULL;
}

void pl_figure_drop_table(pl_figure *figure)
{
    pl_table *table = figure->table;
    if (table != NULL) {
        pl_table_deinit(table);
        free(table);
    }
    figure->table = NULL;
}

void pl_figure_deinit(pl_figure *figure)
{
    free(figure->title);
    axis_deinit(&figure->x);
    axis_deinit(&figure->y);
    axis_deinit(&figure->right);
    pl_figure_drop_heat(figure);
    pl_figure_drop_table(figure);
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

bool pl_series_is_named(const pl_series *series)
{
    return series->label != NULL && series->label[0] != '\0';
}

size_t pl_mark_width(pl_mark mark)
{
    return mark == PL_MARK_FAN || mark == PL_MARK_BOX ? PL_SPREAD : 1;
}

const char *pl_axis_name(const pl_axis *axis, size_t position)
{
    return axis->names != NULL && position < axis->n_names ? axis->names[position] : NULL;
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
