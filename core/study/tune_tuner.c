/* What every way to tune needs: units, a state with each candidate, and numbers in the store. */
#include "core/study/tune_parts.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = "tune";
static const char SECTION[] = "loss";

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
    status = tuned != NULL ? pl_tune_find_layers(t->cx.state, t->tuning, tuned, err)
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
    bool rounder = false;
    for (size_t p = 0; p < t->tuning->n_params; p++) {
        for (size_t i = 0; i < pl_model_layer_count(model); i++) {
            const pl_site *site = pl_model_site(model, pl_model_layer(model, i)->site);
            const char *name = t->tuning->params[p].name;
            pl_slot slot = PL_SLOT_COUNT;
            const bool known =
                out->unit_of[i] >= 0 &&
                pl_tune_find_param(t->cx.state, t->tuning, i, name, &slot, NULL) == PL_OK;
            const size_t sharing = known && slot == PL_SLOT_TRANSFORM ? site->n_layers : 0;
            rounder = rounder || (known && slot == PL_SLOT_ROUND);
            for (size_t k = 0; k < sharing; k++) {
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
    return rounder ? pl_check_rounder_units("tune", t->cx.state, out->unit_of, err) : PL_OK;
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

size_t pl_tune_least(const double *loss, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = loss[i] < loss[best] || (isnan(loss[best]) && !isnan(loss[i])) ? i : best;
    }
    return best;
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

/* --- the store -------------------------------------------------------------------------------- */

pl_status pl_tune_ask(pl_tuner *t, pl_id key, bool again, pl_error *err)
{
    for (size_t i = 0; !again && i < t->n_asked; i++) {
        if (pl_id_equal(t->asked[i], key)) {
            return PL_OK;
        }
    }
    if (t->n_asked == t->room_asked) {
        const size_t room = 2 * t->room_asked + 64;
        pl_id *more = realloc(t->asked, room * sizeof *more);
        if (more == NULL) {
            return pl_error_memory(err, "a search");
        }
        t->asked = more;
        t->room_asked = room;
    }
    t->asked[t->n_asked++] = key;
    return PL_OK;
}

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
