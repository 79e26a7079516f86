#include "core/study/flatness.h"

#include "core/base/checked.h"
#include "core/lab/turned.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_flatness_deinit(pl_flatness *flatness)
{
    for (size_t i = 0; i < flatness->count; i++) {
        free(flatness->curves[i].norms);
        free(flatness->curves[i].max);
    }
    *flatness = (pl_flatness){0};
}

/* The specs to compare; the layer's own takes the place of a default of the same method. */
static size_t find_specs(const pl_state *state, size_t layer, pl_spec out[PL_FLATNESS_CURVES])
{
    const pl_spec *own = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    static const char *const names[] = {"smoothquant", "hadamard"};
    size_t count = 0;
    bool drawn = own->method == NULL;
    out[count++] = (pl_spec){0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        out[count] = pl_spec_default(pl_method_find(names[i]));
        if (own->method == out[count].method) {
            out[count] = *own;
            drawn = true;
        }
        count++;
    }
    if (!drawn) {
        out[count++] = *own;
    }
    return count;
}

/* Norms over their mean from the columns' RMS, the ratio and the energy of the largest. */
static pl_status describe_norms(const pl_mat *values, pl_flatness_curve *curve, pl_error *err)
{
    const size_t n = values->cols;
    size_t top[PL_FLATNESS_TOP];
    double mean = 0.0, energy = 0.0, largest = 0.0;
    curve->norms = pl_alloc(n, sizeof *curve->norms);
    curve->max = pl_alloc(n, sizeof *curve->max);
    if (curve->max == NULL || curve->norms == NULL) {
        return pl_error_memory(err, "%zu channels", n);
    }
    pl_column_stats(pl_mat_view(values), curve->max, curve->norms, NULL);
    curve->numbers = pl_describe(pl_mat_view(values));
    curve->ratio = pl_outlier_ratio(curve->max, n);
    for (size_t c = 0; c < n; c++) {
        mean += (double)curve->norms[c] / (double)n;
        energy += (double)curve->norms[c] * (double)curve->norms[c];
    }
    const size_t found = pl_top_channels(curve->norms, n, PL_FLATNESS_TOP, top);
    for (size_t i = 0; i < found; i++) {
        largest += (double)curve->norms[top[i]] * (double)curve->norms[top[i]];
    }
    curve->top_energy = energy > 0.0 ? largest / energy : 0.0;
    for (size_t c = 0; c < n && mean > 0.0; c++) {
        curve->norms[c] = (float)((double)curve->norms[c] / mean);
    }
    curve->mean = mean * sqrt((double)values->rows); /* of a column's RMS */
    return PL_OK;
}

/* Every parameter, where there is room for them: a learned method has many. */
static void put_label(const pl_spec *spec, pl_flatness_curve *curve)
{
    pl_buf label = {0};
    if (spec->method != NULL) {
        pl_spec_format(spec, &label);
    }
    const char *text = label.data != NULL ? label.data : "none";
    if (strlen(text) >= sizeof curve->label) {
        text = spec->method->name;
    }
    snprintf(curve->label, sizeof curve->label, "%s", text);
    pl_buf_deinit(&label);
}

/* One that is to be learned and has not begun has no curve. */
static pl_status add_flatness_of(pl_context cx, pl_id calibration, size_t layer, pl_side side,
                                 const pl_spec *spec, const pl_mat *values, pl_flatness *out,
                                 pl_error *err)
{
    pl_flatness_curve curve = {0};
    bool turned = false;
    pl_mat moved = {0};
    pl_status status = pl_mat_copy(&moved, pl_mat_view(values), err);
    PL_THEN(pl_turned_turn(cx, calibration, layer, side, spec, &moved, &turned,
                           &curve.keeps_channels, err));
    if (status == PL_OK && (turned || spec->method == NULL)) {
        status = describe_norms(&moved, &curve, err);
        put_label(spec, &curve);
        out->curves[out->count++] = curve;
    }
    pl_mat_deinit(&moved);
    return status;
}

static pl_status add_handed(pl_lab *lab, const pl_state *state, size_t layer, pl_flatness *out,
                            pl_error *err)
{
    pl_mat handed = {0};
    pl_status status = pl_turned_handed(lab, state, layer, &handed, err);
    if (status == PL_OK && handed.data != NULL) {
        pl_flatness_curve *curve = &out->curves[out->count++];
        *curve = (pl_flatness_curve){
            .keeps_channels = pl_state_spec(state, layer, PL_SLOT_TRANSFORM)->method == NULL};
        pl_turned_handed_label(state, layer, curve->label, sizeof curve->label);
        status = describe_norms(&handed, curve, err);
    }
    pl_mat_deinit(&handed);
    return status;
}

pl_status pl_flatness_load(pl_context cx, pl_id calibration, size_t layer, pl_side side,
                           pl_flatness *out, pl_error *err)
{
    pl_spec specs[PL_FLATNESS_CURVES];
    pl_mat values = {0};
    *out = (pl_flatness){0};
    const size_t count = find_specs(cx.state, layer, specs);
    pl_status status = pl_turned_values(cx, calibration, layer, side, &values, err);
    out->n = values.cols;
    out->rows = values.rows;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = add_flatness_of(cx, calibration, layer, side, &specs[i], &values, out, err);
    }
    pl_mat_deinit(&values);
    if (status == PL_OK && side == PL_SIDE_WEIGHT) {
        status = add_handed(cx.lab, cx.state, layer, out, err);
    }
    if (status != PL_OK) {
        pl_flatness_deinit(out);
    }
    return status;
}
