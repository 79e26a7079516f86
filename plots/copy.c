/* A figure's copy. */
#include "plots/build.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

/* *slot: a copy of count elements, NULL of NULL. */
static pl_status copy_array(void *slot, const void *from, size_t count, size_t size, pl_error *err)
{
    void *copy = from != NULL ? pl_alloc(count > 0 ? count : 1, size) : NULL;
    if (from != NULL && copy == NULL) {
        return pl_error_memory(err, "a figure");
    }
    if (copy != NULL && count > 0) {
        memcpy(copy, from, count * size);
    }
    memcpy(slot, &copy, sizeof copy);
    return PL_OK;
}

static pl_status copy_texts(char ***slot, char *const *from, size_t count, pl_error *err)
{
    *slot = from != NULL ? calloc(count > 0 ? count : 1, sizeof **slot) : NULL;
    if (from != NULL && *slot == NULL) {
        return pl_error_memory(err, "a figure");
    }
    pl_status status = PL_OK;
    for (size_t i = 0; from != NULL && i < count; i++) {
        if (from[i] != NULL) {
            PL_THEN(pl_figure_text(&(*slot)[i], from[i], err));
        }
    }
    return status;
}

static pl_status copy_axis(pl_axis *axis, const pl_axis *from, pl_error *err)
{
    *axis = *from;
    axis->label = NULL;
    axis->names = axis->more = NULL;
    pl_status status = from->label != NULL ? pl_figure_text(&axis->label, from->label, err) : PL_OK;
    PL_THEN(copy_texts(&axis->names, from->names, from->n_names, err));
    PL_THEN(copy_texts(&axis->more, from->more, from->n_names, err));
    return status;
}

static pl_status copy_series(pl_series *series, const pl_series *from, pl_error *err)
{
    const size_t xs = from->count + (from->mark == PL_MARK_STEPS ? 1 : 0);
    *series = *from;
    series->label = NULL;
    series->x = series->at = series->y = NULL;
    pl_status status = pl_figure_text(&series->label, from->label, err);
    PL_THEN(copy_array(&series->x, from->x, xs, sizeof *from->x, err));
    PL_THEN(copy_array(&series->at, from->at, from->count, sizeof *from->at, err));
    PL_THEN(copy_array(&series->y, from->y, from->count * pl_mark_width(from->mark),
                       sizeof *from->y, err));
    return status;
}

static pl_status copy_heat(pl_figure *figure, const pl_heat *from, pl_error *err)
{
    pl_status status = pl_figure_heat(figure, from->rows, from->cols, from->label, err);
    if (status != PL_OK) {
        return status;
    }
    pl_heat *heat = figure->heat;
    const size_t cells = from->rows * from->cols;
    memcpy(heat->values, from->values, cells * sizeof *heat->values);
    heat->step = from->step;
    heat->lo = from->lo;
    heat->hi = from->hi;
    heat->log = from->log;
    return copy_array(&heat->at, from->at, cells, sizeof *from->at, err);
}

pl_status pl_figure_copy(const pl_figure *figure, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){.stacked = figure->stacked,
                       .relief = figure->relief,
                       .n_notes = figure->n_notes,
                       .n_facts = figure->n_facts,
                       .explanation = figure->explanation};
    memcpy(out->of, figure->of, sizeof out->of);
    memcpy(out->notes, figure->notes, sizeof out->notes);
    memcpy(out->facts, figure->facts, sizeof out->facts);
    if (figure->table != NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "figure: a table is not copied");
    }
    pl_status status = pl_figure_text(&out->title, figure->title, err);
    PL_THEN(copy_axis(&out->x, &figure->x, err));
    PL_THEN(copy_axis(&out->y, &figure->y, err));
    PL_THEN(copy_axis(&out->right, &figure->right, err));
    for (size_t i = 0; status == PL_OK && i < figure->n_series; i++) {
        out->n_series++;
        status = copy_series(&out->series[i], &figure->series[i], err);
    }
    for (size_t i = 0; status == PL_OK && i < figure->n_rules; i++) {
        out->rules[i] = figure->rules[i];
        out->rules[i].label = NULL;
        out->n_rules++;
        status = pl_figure_text(&out->rules[i].label, figure->rules[i].label, err);
    }
    if (status == PL_OK && figure->heat != NULL) {
        status = copy_heat(out, figure->heat, err);
    }
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    return status;
}
