#include "plots/figure.h"

#include "plots/build.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void pl_figure_deinit(pl_figure *figure)
{
    free(figure->title);
    free(figure->x.label);
    free(figure->y.label);
    for (size_t i = 0; i < figure->n_series; i++) {
        free(figure->series[i].label);
        free(figure->series[i].x);
        free(figure->series[i].y);
    }
    for (size_t i = 0; i < figure->n_rules; i++) {
        free(figure->rules[i].label);
    }
    *figure = (pl_figure){0};
}

pl_status pl_figure_text(char **slot, const char *text, pl_error *err)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "figure: out of memory for a text");
    }
    free(*slot);
    *slot = copy;
    return PL_OK;
}

pl_status pl_figure_texts(pl_figure *figure, const char *title, const char *x_label,
                          const char *y_label, pl_error *err)
{
    pl_status status = pl_figure_text(&figure->title, title, err);
    if (status == PL_OK) {
        status = pl_figure_text(&figure->x.label, x_label, err);
    }
    if (status == PL_OK) {
        status = pl_figure_text(&figure->y.label, y_label, err);
    }
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
    pl_series *series = &figure->series[figure->n_series];
    *series = (pl_series){.mark = mark, .tone = tone, .count = count};
    if (mark != PL_MARK_STEPS || pl_add(count, 1, &edges)) {
        series->x = calloc(edges > 0 ? edges : 1, sizeof *series->x);
        series->y = calloc(count > 0 ? count : 1, sizeof *series->y);
    }
    figure->n_series++;
    if (series->x == NULL || series->y == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "figure: out of memory for %zu points", count);
    }
    pl_status status = pl_figure_text(&series->label, label, err);
    if (status == PL_OK) {
        *out = series;
    }
    return status;
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
    return status == PL_OK ? check_values(series, "y", series->y, series->count, err) : status;
}

pl_status pl_figure_check(const pl_figure *figure, pl_error *err)
{
    if (figure->n_series == 0 || figure->n_series > PL_FIGURE_SERIES ||
        figure->n_rules > PL_FIGURE_RULES || figure->n_notes > PL_FIGURE_NOTES) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: expected 1 to %d series, up to %d rules and %d notes",
                            PL_FIGURE_SERIES, PL_FIGURE_RULES, PL_FIGURE_NOTES);
    }
    pl_status status = check_axis(&figure->x, "x", err);
    if (status == PL_OK) {
        status = check_axis(&figure->y, "y", err);
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
