#include "core/study/tune.h"

#include "core/base/checked.h"
#include "core/base/nearest.h"
#include "core/study/tune_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = "tune";
static const char SECTION[] = "loss";

size_t pl_tune_least(const double *loss, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = loss[i] < loss[best] || (isnan(loss[best]) && !isnan(loss[i])) ? i : best;
    }
    return best;
}

/* --- parameters ------------------------------------------------------------------------------- */

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

/* Where a parameter is in a layer's methods: PL_ERR_USAGE where none has it, or two have. */
static pl_status find_tuned(const pl_state *state, const pl_tuning *tuning, size_t layer,
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
        status = find_tuned(state, tuning, layer, param->name, &slot, err);
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
            status = find_tuned(state, tuning, layer, tuning->params[p].name, &slot, err);
            PL_THEN(pl_spec_check_used("tune", &specs[slot],
                                       pl_method_param(specs[slot].method, tuning->params[p].name),
                                       err));
        }
    }
    return status;
}

/* Flags the layers that the parameters are of: tuned[layers]. */
static pl_status find_layers(const pl_state *state, const pl_tuning *tuning, bool *tuned,
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
            : find_layers(state, tuning, tuned, err);
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
        } else if (find_tuned(state, tuning, layer, param->name, &slot, NULL) == PL_OK) {
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

/* --- the store -------------------------------------------------------------------------------- */

/* Whether a pool was asked for the number; then it has come. */
static bool was_asked(const pl_tuner *t, pl_id key)
{
    for (size_t i = 0; i < t->n_asked; i++) {
        if (pl_id_equal(t->asked[i], key)) {
            t->asked[i] = (pl_id){0};
            return true;
        }
    }
    return false;
}

bool pl_tune_recall(const pl_tuner *t, pl_id key, double *value)
{
    pl_entry *entry = NULL;
    double found = NAN;
    pl_status status = pl_store_get(pl_lab_store(t->cx.lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, &found, sizeof found, NULL));
    pl_entry_close(entry);
    if (status != PL_OK || !isfinite(found)) {
        return false;
    }
    *value = found;
    size_t *count = was_asked(t, key) ? &t->out->measured : &t->out->known;
    ++*count;
    return true;
}

bool pl_tune_has(const pl_tuner *t, pl_id key)
{
    return pl_store_has(pl_lab_store(t->cx.lab), KIND, key);
}

pl_status pl_tune_keep(const pl_tuner *t, pl_id key, const char *what, double value, pl_error *err)
{
    const pl_section section = {SECTION, &value, sizeof value};
    t->out->measured++;
    (void)was_asked(t, key); /* the pool did not come to it */
    if (!isfinite(value)) {  /* a finding, but not one to be trusted from a file */
        return PL_OK;
    }
    json_t *about = json_pack("{s:s, s:s}", "holds", what, "version", PL_VERSION);
    pl_status status = about != NULL ? pl_store_replace(pl_lab_store(t->cx.lab), KIND, key, about,
                                                        &section, 1, err)
                                     : pl_error_memory(err, "a measurement");
    json_decref(about);
    return status;
}

/* --- running ---------------------------------------------------------------------------------- */

static pl_status allocate_tuned(pl_tuner *t, pl_error *err)
{
    const size_t n = pl_model_layer_count(t->cx.state->source->model);
    const size_t k = t->tuning->candidates + 1;
    pl_tuned *out = t->out;
    out->units = calloc(n + 1, sizeof *out->units);
    out->unit_of = calloc(n + 1, sizeof *out->unit_of);
    out->chosen = calloc(n + 1, sizeof *out->chosen);
    out->loss = pl_alloc((n + 1) * k, sizeof *out->loss);
    out->uniform = pl_alloc(k, sizeof *out->uniform);
    if (out->units == NULL || out->unit_of == NULL || out->chosen == NULL || out->loss == NULL ||
        out->uniform == NULL) {
        return pl_error_memory(err, "a search");
    }
    for (size_t i = 0; i < (n + 1) * k; i++) {
        out->loss[i] = NAN;
    }
    return PL_OK;
}

/* The units of the layers that have the parameters, found in a state in which only these count as
 * solved. */
static pl_status find_units(pl_tuner *t, pl_error *err)
{
    const size_t n = pl_model_layer_count(t->cx.state->source->model);
    pl_tuned *out = t->out;
    size_t others = 0;
    pl_state only;
    pl_status status = pl_state_copy(&only, t->cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    bool *tuned = calloc(n + 1, sizeof *tuned);
    status = tuned != NULL ? find_layers(t->cx.state, t->tuning, tuned, err)
                           : pl_error_memory(err, "a search");
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        if (tuned[i]) {
            status = pl_state_take_result(&only, i, false, (pl_id){0}, err);
        } else {
            only.solved[i].set = only.solved[i].set && only.solved[i].imported;
        }
    }
    PL_THEN(pl_find_units("tune", &only, t->tuning->whole ? PL_UNIT_LAYER : t->tuning->unit,
                          t->tuning->glob, out->unit_of, out->units, &out->count, &others, err));
    if (status == PL_OK && t->tuning->whole) {
        out->units[0] = (pl_unit_loss){
            .name = "all", .block = SIZE_MAX, .layer = out->units[0].layer, .layers = out->count};
        out->count = 1;
        for (size_t i = 0; i < n; i++) {
            out->unit_of[i] = out->unit_of[i] >= 0 ? 0 : out->unit_of[i];
        }
    }
    pl_state_deinit(&only);
    free(tuned);
    return status;
}

/* A transform is one for all layers of an input. */
static pl_status check_transforms(const pl_tuner *t, pl_error *err)
{
    const pl_model *model = t->cx.state->source->model;
    const pl_tuned *out = t->out;
    for (size_t p = 0; p < t->tuning->n_params; p++) {
        for (size_t i = 0; i < pl_model_layer_count(model); i++) {
            const pl_site *site = pl_model_site(model, pl_model_layer(model, i)->site);
            const char *name = t->tuning->params[p].name;
            pl_slot slot = PL_SLOT_ROUND;
            if (out->unit_of[i] < 0 ||
                find_tuned(t->cx.state, t->tuning, i, name, &slot, NULL) != PL_OK ||
                slot != PL_SLOT_TRANSFORM) {
                continue;
            }
            for (size_t k = 0; k < site->n_layers; k++) {
                if (out->unit_of[site->layers[k]] != out->unit_of[i]) {
                    return pl_error_set(
                        err, PL_ERR_USAGE,
                        "tune: %s is a transform's, which the layers of an input "
                        "share: expected unit=site, block or all, and all layers of "
                        "an input",
                        name);
                }
            }
        }
    }
    return PL_OK;
}

/* The state with each candidate for all units. */
static pl_status make_states(pl_tuner *t, pl_error *err)
{
    const size_t n = pl_model_layer_count(t->cx.state->source->model);
    int *given = calloc(n + 1, sizeof *given);
    t->states = calloc(t->tuning->candidates + 1, sizeof *t->states);
    pl_status status =
        given != NULL && t->states != NULL ? PL_OK : pl_error_memory(err, "a search's settings");
    for (size_t c = 0; status == PL_OK && c <= t->tuning->candidates; c++) {
        status = pl_state_copy(&t->states[c], t->cx.state, err);
        if (status != PL_OK) {
            break;
        }
        t->n_states++;
        for (size_t i = 0; i < n; i++) {
            given[i] = t->out->unit_of[i] >= 0 ? (int)c : 0;
        }
        status = pl_tune_set(&t->states[c], t->tuning, given, err);
    }
    free(given);
    return status;
}

pl_status pl_tuner_begin(pl_tuner *t, pl_error *err)
{
    pl_status status = allocate_tuned(t, err);
    PL_THEN(find_units(t, err));
    PL_THEN(check_transforms(t, err));
    return status == PL_OK ? make_states(t, err) : status;
}

void pl_tuner_end(pl_tuner *t)
{
    for (size_t c = 0; c < t->n_states; c++) {
        pl_state_deinit(&t->states[c]);
    }
    free(t->states);
    free(t->asked);
    if (!pl_id_equal(t->tokens, (pl_id){0})) {
        pl_pool_drop_bytes(t->cx.lab, t->tokens);
    }
}

pl_status pl_tune_run(pl_context cx, const pl_tuning *tuning, const int32_t *ids, size_t count,
                      pl_tuned *out, pl_error *err)
{
    pl_tuning checked = *tuning;
    *out = (pl_tuned){0};
    pl_tuner t = {.cx = cx, .tuning = &checked, .ids = ids, .n_ids = count, .out = out};
    pl_status status = pl_tune_check(cx.state, &checked, err);
    PL_THEN(pl_tuner_begin(&t, err));
    PL_THEN(checked.by_kl ? pl_tune_kl(&t, err) : pl_tune_heldout(&t, err));
    pl_tuner_end(&t);
    if (status != PL_OK) {
        pl_tuned_deinit(out);
    }
    return status;
}

void pl_tuned_deinit(pl_tuned *tuned)
{
    free(tuned->units);
    free(tuned->unit_of);
    free(tuned->chosen);
    free(tuned->loss);
    free(tuned->uniform);
    *tuned = (pl_tuned){0};
}
