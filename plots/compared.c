#include "plots/compared.h"

#include "core/base/json.h"
#include "core/study/comparison.h"

#include <math.h>
#include <string.h>

pl_status pl_compared_read(pl_lab *lab, const pl_state *state, const pl_request *request,
                           pl_compared_rows *out, pl_error *err)
{
    *out = (pl_compared_rows){0};
    pl_status status = pl_comparison_load(lab, state, request->kind->name, &out->rows, NULL, err);
    out->count = json_array_size(out->rows);
    return status;
}

void pl_compared_free(pl_compared_rows *rows)
{
    json_decref(rows->rows);
    *rows = (pl_compared_rows){0};
}

double pl_compared_number(const pl_compared_rows *rows, size_t row, const char *key)
{
    return pl_json_number_of(json_array_get(rows->rows, row), key);
}

bool pl_compared_is_named(const char *setting)
{
    return setting != NULL && strpbrk(setting, " ;=") == NULL && pl_method_find(setting) == NULL;
}

void pl_compared_label(const pl_compared_rows *rows, size_t row, pl_buf *out)
{
    const json_t *object = json_array_get(rows->rows, row);
    const char *name = json_string_value(json_object_get(object, "setting"));
    const char *methods = json_string_value(json_object_get(object, "methods"));
    if (pl_compared_is_named(name)) {
        pl_buf_puts(out, name);
    } else {
        pl_kind_in_full(methods != NULL ? methods : "", out);
    }
}

pl_tone pl_compared_tone(size_t row)
{
    static const pl_tone tones[PL_COMPARED_TONES] = {
        PL_TONE_AFTER,     PL_TONE_EXTRA,     PL_TONE_EXTRA + 1,      PL_TONE_EXTRA + 2,
        PL_TONE_EXTRA + 3, PL_TONE_EXTRA + 4, PL_TONE_EXTRA + 5,      PL_TONE_EXTRA + 6,
        PL_TONE_EXTRA + 7, PL_TONE_INPUT,     PL_TONE_PRECONDITIONED,
    };
    return tones[row % PL_COMPARED_TONES];
}

void pl_compared_commands(pl_context cx, const pl_request *request, pl_buf *out)
{
    json_t *rows = NULL;
    if (pl_comparison_load(cx.lab, cx.state, request->kind->name, &rows, out, NULL) != PL_OK) {
        out->failed = true;
    }
    json_decref(rows);
}

void pl_compared_fit(pl_axis *axis, double lo, double hi)
{
    axis->log = lo > 0.0 && hi > 4.0 * lo;
    const double room = axis->log ? pow(hi / lo, 0.06) : fmax(0.06 * (hi - lo), 1e-3 * fabs(hi));
    axis->lo = axis->log ? lo / room : lo - room;
    axis->hi = axis->log ? hi * room : hi + room;
}

void pl_compared_say(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    double nearest = INFINITY;
    const char *label = "";
    (void)row;
    for (size_t s = 0; s < at->figure->n_series; s++) {
        const pl_series *series = &at->figure->series[s];
        for (size_t i = 0; series->tone != PL_TONE_BEFORE && i < series->count; i++) {
            if (fabs(series->x[i] - x) < nearest) {
                nearest = fabs(series->x[i] - x);
                label = series->label != NULL ? series->label : "";
            }
        }
    }
    pl_buf_puts(out, label);
}
