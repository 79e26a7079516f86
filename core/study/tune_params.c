/* The parameters of a search: which layers have them, and what a candidate gives them. */
#include "core/study/tune_parts.h"

#include "core/base/nearest.h"

#include <stdlib.h>
#include <string.h>

static pl_status refuse_param(const pl_state *state, const pl_tuning *tuning, size_t layer,
                              const char *name, pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    pl_buf known = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = pl_state_spec(state, layer, slot)->method;
        const bool meant = tuning->any_slot || slot == tuning->slot;
        for (size_t i = 0; meant && method != NULL && i < method->n_params; i++) {
            pl_nearest_try(&near, method->params[i].name);
            pl_buf_printf(&known, "%s%s of %s", known.size > 0 ? ", " : "", method->params[i].name,
                          method->name);
        }
    }
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "tune: no method in use has a parameter \"%s\"; there are %s%s", name,
        known.data != NULL ? known.data : "none", pl_nearest_hint(&near, " (", ")", hint));
    pl_buf_deinit(&known);
    return status;
}

pl_status pl_tune_find_param(const pl_state *state, const pl_tuning *tuning, size_t layer,
                             const char *name, pl_slot *slot, pl_error *err)
{
    const char *names[PL_SLOT_COUNT] = {NULL};
    size_t found = 0;
    for (pl_slot s = 0; s < PL_SLOT_COUNT; s++) {
        const pl_method *method = pl_state_spec(state, layer, s)->method;
        if (method != NULL && (tuning->any_slot || s == tuning->slot) &&
            pl_method_param(method, name) != SIZE_MAX) {
            names[found++] = method->name;
            *slot = found == 1 ? s : *slot;
        }
    }
    if (found > 1) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "tune: both %s and %s have a parameter %s: say slot=", names[0],
                            names[1], name);
    }
    return found == 1 ? PL_OK : refuse_param(state, tuning, layer, name, err);
}

/* Which of its values each parameter has in a candidate. */
static void values_of(const pl_tuning *tuning, size_t candidate, size_t index[PL_TUNE_PARAMS])
{
    size_t left = candidate - 1;
    for (size_t p = tuning->n_params; p > 0; p--) {
        index[p - 1] = left % tuning->params[p - 1].count;
        left /= tuning->params[p - 1].count;
    }
}

/* A layer's specs with a candidate: specs[slot] of the slots that are changed. */
static pl_status make_specs(const pl_state *state, const pl_tuning *tuning, size_t layer,
                            size_t candidate, pl_spec specs[PL_SLOT_COUNT],
                            bool changed[PL_SLOT_COUNT], pl_error *err)
{
    size_t index[PL_TUNE_PARAMS] = {0};
    pl_status status = PL_OK;
    memset(changed, 0, PL_SLOT_COUNT * sizeof *changed);
    values_of(tuning, candidate, index);
    for (size_t p = 0; status == PL_OK && p < tuning->n_params; p++) {
        const pl_tune_param *param = &tuning->params[p];
        pl_slot slot = PL_SLOT_ROUND;
        status = pl_tune_find_param(state, tuning, layer, param->name, &slot, err);
        if (status == PL_OK && !changed[slot]) {
            specs[slot] = *pl_state_spec(state, layer, slot);
            changed[slot] = true;
        }
        PL_THEN(pl_spec_set(&specs[slot], param->name, param->values[index[p]], err));
    }
    return status;
}

static pl_status check_layer(const pl_state *state, const pl_tuning *tuning, size_t layer,
                             pl_error *err)
{
    pl_spec specs[PL_SLOT_COUNT];
    bool changed[PL_SLOT_COUNT];
    const char *name = pl_model_layer(state->source->model, layer)->name;
    if (pl_state_is_imported(state, layer)) {
        return pl_error_set(err, PL_ERR_STATE, "tune: %s is imported and has no method", name);
    }
    if (pl_state_spec(state, layer, PL_SLOT_ROUND)->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "tune: %s has no method that rounds, and what is compared are rounded "
                            "weights: expected e.g. `method gptq bits=4`",
                            name);
    }
    pl_status status = PL_OK;
    for (size_t c = 1; status == PL_OK && c <= tuning->candidates; c++) {
        status = make_specs(state, tuning, layer, c, specs, changed, err);
        for (size_t p = 0; status == PL_OK && p < tuning->n_params; p++) {
            pl_slot slot = PL_SLOT_ROUND;
            status = pl_tune_find_param(state, tuning, layer, tuning->params[p].name, &slot, err);
            PL_THEN(pl_spec_check_used("tune", &specs[slot],
                                       pl_method_param(specs[slot].method, tuning->params[p].name),
                                       err));
        }
    }
    return status;
}

pl_status pl_tune_find_layers(const pl_state *state, const pl_tuning *tuning, bool *tuned,
                              pl_error *err)
{
    const pl_model *model = state->source->model;
    size_t named = 0, fit = 0;
    pl_error why = {0};
    pl_status first = PL_OK;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        tuned[i] = tuning->glob == NULL || pl_model_layer_matches(model, i, tuning->glob);
        if (tuned[i]) {
            pl_error *said = named++ == 0 ? &why : NULL;
            const pl_status status = check_layer(state, tuning, i, said);
            first = said != NULL ? status : first;
            tuned[i] = status == PL_OK;
            fit += tuned[i];
        }
    }
    if (named == 0) {
        return pl_error_set(err, PL_ERR_NOT_FOUND, "tune: no layer matches %s", tuning->glob);
    }
    if (fit == 0 && err != NULL) {
        *err = why;
    }
    return fit == 0 ? first : PL_OK;
}

pl_status pl_tune_check(const pl_state *state, pl_tuning *tuning, pl_error *err)
{
    const size_t n = pl_model_layer_count(state->source->model);
    bool *tuned = calloc(n + 1, sizeof *tuned);
    tuning->candidates = 1;
    for (size_t p = 0; p < tuning->n_params; p++) {
        tuning->candidates *= tuning->params[p].count;
    }
    pl_status status =
        tuned == NULL ? pl_error_memory(err, "a search")
        : tuning->candidates > PL_TUNE_CANDIDATES || tuning->n_params == 0
            ? pl_error_set(err, PL_ERR_USAGE, "tune: %zu combinations of values, expected 1 to %d",
                           tuning->n_params > 0 ? tuning->candidates : 0, PL_TUNE_CANDIDATES)
            : pl_tune_find_layers(state, tuning, tuned, err);
    free(tuned);
    return status;
}

void pl_tune_say(const pl_state *state, const pl_tuning *tuning, size_t layer, size_t candidate,
                 pl_buf *out)
{
    size_t index[PL_TUNE_PARAMS] = {0};
    if (candidate > 0) {
        values_of(tuning, candidate, index);
    }
    for (size_t p = 0; p < tuning->n_params; p++) {
        const pl_tune_param *param = &tuning->params[p];
        pl_slot slot = PL_SLOT_ROUND;
        if (tuning->n_params > 1) {
            pl_buf_printf(out, "%s%s=", p > 0 ? " " : "", param->name);
        }
        if (candidate > 0) {
            pl_buf_puts(out, param->values[index[p]]);
        } else if (pl_tune_find_param(state, tuning, layer, param->name, &slot, NULL) == PL_OK) {
            const pl_spec *spec = pl_state_spec(state, layer, slot);
            const size_t i = pl_method_param(spec->method, param->name);
            if (pl_spec_applies(spec, i)) {
                pl_spec_format_value(spec, i, out);
            } else {
                pl_buf_puts(out, "found"); /* by a solve */
            }
        }
    }
}

pl_status pl_tune_set(pl_state *state, const pl_tuning *tuning, const int *given, pl_error *err)
{
    const size_t n = pl_model_layer_count(state->source->model);
    pl_spec *specs = calloc(PL_SLOT_COUNT * n + 1, sizeof *specs);
    bool *flags = calloc(PL_SLOT_COUNT * n + 1, sizeof *flags);
    bool any[PL_SLOT_COUNT] = {false};
    pl_status status =
        specs != NULL && flags != NULL ? PL_OK : pl_error_memory(err, "a search's settings");
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        pl_spec own[PL_SLOT_COUNT];
        bool changed[PL_SLOT_COUNT] = {false};
        if (given[i] > 0) {
            status = make_specs(state, tuning, i, (size_t)given[i], own, changed, err);
        }
        for (pl_slot slot = 0; status == PL_OK && slot < PL_SLOT_COUNT; slot++) {
            if (changed[slot]) {
                specs[slot * n + i] = own[slot];
                flags[slot * n + i] = any[slot] = true;
            }
        }
    }
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        if (any[slot]) {
            PL_THEN(pl_state_give(state, slot, flags + slot * n, specs + slot * n, err));
        }
    }
    free(specs);
    free(flags);
    return status;
}
