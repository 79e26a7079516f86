/* What a layer is solved by: its methods or an import, the plan that these make, and its result. */
#include "core/state/state.h"

#include <stdlib.h>
#include <string.h>

static size_t layer_count(const pl_state *state)
{
    return state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
}

/* --- imports ---------------------------------------------------------------------------------- */

static size_t import_groups(const pl_spec *spec)
{
    (void)spec;
    return PL_IMPORT_GROUP;
}

static const pl_method import_method = {
    .name = "import",
    .slot = PL_SLOT_PRECONDITION,
    .summary = "Another checkpoint's weights.",
    .blind = true,
    .group_size = import_groups,
};
static const pl_spec import_spec = {.method = &import_method};
static const pl_spec empty_spec = {.method = NULL};

bool pl_state_is_imported(const pl_state *state, size_t layer)
{
    return state->solved != NULL && layer < layer_count(state) && state->solved[layer].set &&
           state->solved[layer].imported;
}

size_t pl_state_import_count(const pl_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < layer_count(state); i++) {
        count += pl_state_is_imported(state, i);
    }
    return count;
}

void pl_state_drop_imports(pl_state *state, const char *glob)
{
    size_t left = 0;
    for (size_t i = 0; i < layer_count(state); i++) {
        if (pl_state_is_imported(state, i)) {
            bool drop = glob == NULL || pl_model_layer_matches(state->source->model, i, glob);
            state->solved[i] = drop ? (pl_solved){0} : state->solved[i];
            left += !drop;
        }
    }
    if (left == 0) {
        free(state->imported.path);
        state->imported = (pl_imported){0};
    }
}

pl_status pl_state_set_import(pl_state *state, const char *path, pl_id id, pl_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return pl_error_memory(err, "the state");
    }
    if (!pl_id_equal(id, state->imported.id)) {
        pl_state_drop_imports(state, NULL);
    }
    free(state->imported.path);
    state->imported = (pl_imported){.path = copy, .id = id};
    return PL_OK;
}

pl_status pl_state_import_layer(pl_state *state, size_t layer, pl_id result, pl_error *err)
{
    if (state->solved == NULL || layer >= layer_count(state)) {
        return pl_error_set(err, PL_ERR_STATE, "layer %zu is not in the open model", layer);
    }
    state->solved[layer] = (pl_solved){.result = result, .set = true, .imported = true};
    return PL_OK;
}

const pl_spec *pl_state_spec(const pl_state *state, size_t layer, pl_slot slot)
{
    if (pl_state_is_imported(state, layer)) {
        return slot == PL_SLOT_PRECONDITION ? &import_spec : &empty_spec;
    }
    const pl_model *model = state->source->model;
    for (size_t i = state->n_overrides; i > 0; i--) {
        const pl_override *over = &state->overrides[i - 1];
        if (over->slot == slot && pl_model_layer_matches(model, layer, over->glob)) {
            return &over->spec;
        }
    }
    return &state->slots[slot];
}

static void put_slot_spec(pl_buf *text, pl_slot slot, const pl_spec *spec)
{
    pl_buf_puts(text, pl_slot_name(slot));
    pl_buf_puts(text, "=");
    if (spec->method != NULL) {
        pl_spec_format(spec, text);
    }
    pl_buf_puts(text, "\n");
}

size_t pl_state_transform_sites(const pl_state *state, size_t layer, size_t *first)
{
    const pl_layer *own = pl_model_layer(state->source->model, layer);
    const pl_spec *transform = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    if (pl_spec_is_of_block(transform)) {
        return pl_model_block_sites(state->source->model, own->block, first);
    }
    *first = own->site;
    return transform->method != NULL && transform->method->suits_rounder ? 1 : 0;
}

/* What a layer's transform is made for beside its own rounder.  Of a site's transform it is told
 * only where it is another one. */
static void put_transform_rounders(const pl_state *state, size_t layer, pl_buf *text)
{
    const pl_spec *own = pl_state_spec(state, layer, PL_SLOT_ROUND);
    const bool of_block = pl_spec_is_of_block(pl_state_spec(state, layer, PL_SLOT_TRANSFORM));
    size_t first = 0;
    const size_t sites = pl_state_transform_sites(state, layer, &first);
    for (size_t i = first; i < first + sites; i++) {
        const size_t leader = pl_model_site(state->source->model, i)->layers[0];
        const pl_spec *spec = pl_state_spec(state, leader, PL_SLOT_ROUND);
        if (of_block || !pl_spec_equal(spec, own)) {
            pl_buf_puts(text, of_block ? "" : "transform for ");
            put_slot_spec(text, PL_SLOT_ROUND, spec);
        }
    }
}

/* Activations and cache belong to a plan only where a transform is made for their grid. */
static void put_activations(const pl_state *state, size_t layer, pl_buf *text)
{
    const pl_spec *transform = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    if (transform->method != NULL && transform->method->suits_activations) {
        pl_act_format(&state->activations, text);
        pl_buf_puts(text, "\n");
    }
    if (pl_spec_suits_cache(transform)) {
        pl_state_cache_format(state, text);
        pl_buf_puts(text, "\n");
    }
    put_transform_rounders(state, layer, text);
}

/* Hash of the specs in *text and of the calibration asked for; frees *text. */
static pl_id finish_plan(const pl_state *state, pl_buf *text)
{
    const pl_calibration *calibration = &state->calibration;
    if (calibration->known) {
        char key[PL_ID_TEXT];
        pl_id_format(calibration->key, key);
        pl_buf_printf(text, "calibration=%s\n", key);
    }
    const pl_protocol *protocol = &calibration->protocol;
    pl_buf_printf(text, "%zu %zu %d %llu", protocol->length, protocol->windows,
                  (int)protocol->sample, (unsigned long long)protocol->seed);
    if (protocol->rows > 0) {
        pl_buf_printf(text, " rows %zu", protocol->rows);
    }
    /* Out of memory gives the plan of an empty text, which matches no solved layer. */
    pl_id id = text->failed ? (pl_id){0} : pl_id_bytes(text->data, text->size);
    pl_buf_deinit(text);
    return id;
}

pl_id pl_state_plan(const pl_state *state, size_t layer)
{
    if (pl_state_is_imported(state, layer)) {
        return state->solved[layer].result; /* no calibration or method changes it */
    }
    pl_buf text = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        put_slot_spec(&text, slot, pl_state_spec(state, layer, slot));
    }
    put_activations(state, layer, &text);
    return finish_plan(state, &text);
}

/* Layers of another checkpoint give the ones behind them other inputs. */
static void put_imports(const pl_state *state, pl_buf *text)
{
    for (size_t i = 0; i < layer_count(state); i++) {
        if (pl_state_is_imported(state, i)) {
            char id[PL_ID_TEXT];
            pl_id_format(state->solved[i].result, id);
            pl_buf_printf(text, "import %zu %s\n", i, id);
        }
    }
}

static pl_id plan_sequential(const pl_state *state, bool imports)
{
    pl_buf text = {0};
    pl_buf_puts(&text, "sequential\n");
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        put_slot_spec(&text, slot, &state->slots[slot]);
    }
    pl_state_quantized_commands(state, &text);
    if (imports) {
        put_imports(state, &text);
    }
    for (size_t i = 0; i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        const char *const parts[] = {over->glob, " ",        pl_slot_name(over->slot),
                                     "=",        over->text, "\n"};
        for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
            pl_buf_puts(&text, parts[part]);
        }
    }
    return finish_plan(state, &text);
}

pl_id pl_state_plan_sequential(const pl_state *state)
{
    return plan_sequential(state, true);
}

bool pl_state_solved_around_imports(const pl_state *state, size_t layer)
{
    return pl_state_import_count(state) > 0 && state->solved[layer].sequential &&
           pl_id_equal(state->solved[layer].plan, plan_sequential(state, true));
}

const pl_id *pl_state_result(const pl_state *state, size_t layer)
{
    if (state->solved == NULL || layer >= layer_count(state) || !state->solved[layer].set) {
        return NULL;
    }
    const pl_solved *solved = &state->solved[layer];
    if (solved->imported) {
        return &solved->result;
    }
    if (!solved->sequential) {
        return pl_id_equal(pl_state_plan(state, layer), solved->plan) ? &solved->result : NULL;
    }
    /* What is imported later takes the place of single layers; the others stand. */
    return pl_id_equal(plan_sequential(state, true), solved->plan) ||
                   pl_id_equal(plan_sequential(state, false), solved->plan)
               ? &solved->result
               : NULL;
}

pl_status pl_state_set_result(pl_state *state, size_t layer, pl_id plan, pl_id result,
                              pl_error *err)
{
    if (state->solved == NULL || layer >= layer_count(state)) {
        return pl_error_set(err, PL_ERR_STATE, "layer %zu is not in the open model", layer);
    }
    if (!pl_state_is_imported(state, layer)) { /* solving such a layer only finds it again */
        state->solved[layer] = (pl_solved){.plan = plan, .result = result, .set = true};
    }
    return PL_OK;
}

pl_status pl_state_take_result(pl_state *state, size_t layer, bool sequential, pl_id result,
                               pl_error *err)
{
    const pl_id plan = sequential ? pl_state_plan_sequential(state) : pl_state_plan(state, layer);
    pl_status status = pl_state_set_result(state, layer, plan, result, err);
    if (status == PL_OK && sequential) {
        state->solved[layer].sequential = !state->solved[layer].imported;
    }
    return status;
}

bool pl_state_is_foreign(const pl_state *state, size_t layer)
{
    return state->solved != NULL && layer < layer_count(state) && state->solved[layer].foreign;
}

pl_status pl_state_check_origin(const pl_state *state, bool calibration, pl_error *err)
{
    size_t count = 0, first = 0;
    for (size_t i = 0; i < layer_count(state); i++) {
        if (pl_state_is_foreign(state, i)) {
            first = count == 0 ? i : first;
            count++;
        }
    }
    if (count > 0) {
        return pl_error_set(err, PL_ERR_CHANGED,
                            "%zu %s of the session %s of another model and not used (%s%s): %s has "
                            "changed since; solve again",
                            count, count == 1 ? "result" : "results", count == 1 ? "is" : "are",
                            pl_model_layer(state->source->model, first)->name,
                            count == 1 ? "" : ", ...", pl_model_name(state->source->model));
    }
    return calibration && state->calibration.foreign
               ? pl_error_set(err, PL_ERR_CHANGED,
                              "the calibration of the session is of another model and not used: %s "
                              "has changed since; calibrate again",
                              pl_model_name(state->source->model))
               : PL_OK;
}

size_t pl_state_solved_count(const pl_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < layer_count(state); i++) {
        count += pl_state_result(state, i) != NULL;
    }
    return count;
}
