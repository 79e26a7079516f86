#include "core/state/state.h"

#include "core/model/bare.h"
#include "core/state/state_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pl_status pl_source_create(pl_model *model, const char *path, const char *demo, pl_source **out,
                           pl_error *err)
{
    *out = NULL;
    pl_record *record = NULL;
    pl_status status = pl_record_create(pl_model_layer_count(model), &record, err);
    pl_source *source = calloc(1, sizeof *source);
    char *path_copy = path != NULL ? strdup(path) : NULL;
    char *demo_copy = demo != NULL ? strdup(demo) : NULL;
    if (status != PL_OK || source == NULL || (path != NULL && path_copy == NULL) ||
        (demo != NULL && demo_copy == NULL)) {
        free(source);
        free(path_copy);
        free(demo_copy);
        pl_record_destroy(record);
        pl_model_close(model);
        return pl_error_memory(err, "a model");
    }
    *source = (pl_source){.model = model, .path = path_copy, .demo = demo_copy, .record = record};
    pl_count_init(&source->count);
    *out = source;
    return PL_OK;
}

pl_source *pl_source_retain(pl_source *source)
{
    if (source != NULL) {
        pl_count_retain(&source->count);
    }
    return source;
}

void pl_source_release(pl_source *source)
{
    if (source != NULL && pl_count_release(&source->count)) {
        pl_model_close(source->model);
        free(source->path);
        free(source->demo);
        free(source->inputs);
        pl_record_destroy(source->record);
        free(source);
    }
}

pl_status pl_source_set_inputs(pl_source *source, const char *path, pl_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return pl_error_memory(err, "a model");
    }
    free(source->inputs);
    source->inputs = copy;
    return PL_OK;
}

bool pl_source_has_inputs(const pl_source *source)
{
    return source->demo != NULL || pl_model_inputs(source->model) != NULL;
}

static const pl_protocol default_protocol = {.length = 512, .windows = 8};

void pl_state_init(pl_state *state)
{
    *state = (pl_state){.which = PL_WHICH_BOTH, .channel = SIZE_MAX};
    state->calibration.protocol = default_protocol;
}

void pl_state_default_methods(pl_state *state)
{
    state->slots[PL_SLOT_PRECONDITION] = pl_spec_default(pl_method_find("astro"));
    state->slots[PL_SLOT_ROUND] = pl_spec_default(pl_method_find("gptq"));
    state->suggested = true;
}

void pl_state_drop_suggestion(pl_state *state)
{
    if (state->suggested) {
        memset(state->slots, 0, sizeof state->slots);
        state->suggested = false;
    }
}

static void calibration_deinit(pl_calibration *calibration)
{
    for (size_t i = 0; i < calibration->n_texts; i++) {
        free(calibration->texts[i]);
    }
    *calibration = (pl_calibration){.protocol = default_protocol};
}

pl_status pl_calibration_set(pl_calibration *calibration, const char *const *texts, size_t n,
                             const pl_protocol *protocol, pl_error *err)
{
    pl_calibration next = {.protocol = *protocol};
    if (n > PL_MAX_TEXTS) {
        return pl_error_set(err, PL_ERR_USAGE, "text: %zu files given, expected at most %d", n,
                            PL_MAX_TEXTS);
    }
    for (size_t i = 0; i < n; i++) {
        next.texts[i] = strdup(texts[i]);
        next.n_texts = i + 1;
        if (next.texts[i] == NULL) {
            next.n_texts = i;
            calibration_deinit(&next);
            return pl_error_memory(err, "the state");
        }
    }
    calibration_deinit(calibration);
    *calibration = next;
    return PL_OK;
}

void pl_state_deinit(pl_state *state)
{
    calibration_deinit(&state->calibration);
    pl_state_free_overrides(state);
    free(state->solved);
    free(state->imported.path);
    pl_shown_release(state->shown);
    pl_state_free_remarks(state);
    pl_state_drop_kept(state);
    pl_source_release(state->source);
    *state = (pl_state){0};
}

static size_t layer_count(const pl_state *state)
{
    return state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
}

pl_status pl_calibration_copy(pl_calibration *to, const pl_calibration *from, pl_error *err)
{
    pl_status status = pl_calibration_set(to, (const char *const *)from->texts, from->n_texts,
                                          &from->protocol, err);
    if (status == PL_OK) {
        to->key = from->key;
        to->known = from->known;
        to->foreign = from->foreign;
    }
    return status;
}

pl_status pl_state_copy(pl_state *to, const pl_state *from, pl_error *err)
{
    *to = *from;
    to->source = pl_source_retain(from->source);
    pl_shown_retain(to->shown);
    for (size_t i = 0; i < from->n_kept; i++) {
        to->kept[i] = pl_kept_retain(from->kept[i]);
    }
    to->calibration = (pl_calibration){.protocol = from->calibration.protocol};
    to->overrides = NULL;
    to->n_overrides = 0;
    to->solved = NULL;
    to->imported.path = NULL;
    to->remarks = NULL;
    to->n_remarks = 0;
    pl_status status = pl_calibration_copy(&to->calibration, &from->calibration, err);
    PL_THEN(pl_state_copy_overrides(to, from, err));
    PL_THEN(pl_state_copy_remarks(to, from, err));
    if (status == PL_OK && from->imported.path != NULL) {
        to->imported.path = strdup(from->imported.path);
        status = to->imported.path != NULL ? PL_OK : pl_error_memory(err, "the state");
    }
    if (status == PL_OK && from->solved != NULL) {
        size_t n = layer_count(from);
        to->solved = calloc(n, sizeof *to->solved);
        if (to->solved == NULL) {
            status = pl_error_memory(err, "the state");
        } else {
            memcpy(to->solved, from->solved, n * sizeof *to->solved);
        }
    }
    if (status != PL_OK) {
        pl_state_deinit(to);
    }
    return status;
}

pl_status pl_state_set_source(pl_state *state, pl_source *source, pl_error *err)
{
    pl_solved *solved = calloc(pl_model_layer_count(source->model) + 1, sizeof *solved);
    if (solved == NULL) {
        return pl_error_memory(err, "the state");
    }
    pl_calibration calibration = {.protocol = default_protocol};
    if (source->demo != NULL) {
        pl_buf text = {0};
        pl_path_join(&text, source->demo, "calibration.txt");
        const char *texts[] = {text.data};
        pl_status status = pl_buf_check(&text, err);
        PL_THEN(pl_calibration_set(&calibration, texts, 1, &default_protocol, err));
        pl_buf_deinit(&text);
        if (status != PL_OK) {
            free(solved);
            return status;
        }
    }
    calibration_deinit(&state->calibration);
    state->calibration = calibration;
    free(state->solved);
    state->solved = solved;
    free(state->imported.path);
    state->imported = (pl_imported){0};
    state->layer = 0;
    state->channel = SIZE_MAX;
    pl_state_drop_kept(state);
    pl_state_free_remarks(state);
    state->sweep = (pl_sweep){0};
    pl_source *old = state->source;
    state->source = pl_source_retain(source);
    pl_source_release(old);
    return PL_OK;
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

void pl_state_cache_format(const pl_state *state, pl_buf *out)
{
    pl_buf_puts(out, "KV ");
    pl_act_format(&state->kv, out);
    pl_buf_printf(out, " %zu", state->kv.bits > 0 ? state->kv_group_size : 0);
}

/* What a block's transforms are learned for beside the layer's own rounder: those of its sites. */
static void put_block_rounders(const pl_state *state, size_t layer, pl_buf *text)
{
    const pl_model *model = state->source->model;
    size_t first = 0;
    const size_t sites = pl_model_block_sites(model, pl_model_layer(model, layer)->block, &first);
    for (size_t i = first; i < first + sites; i++) {
        put_slot_spec(text, PL_SLOT_ROUND,
                      pl_state_spec(state, pl_model_site(model, i)->layers[0], PL_SLOT_ROUND));
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
    if (pl_spec_is_of_block(transform)) {
        put_block_rounders(state, layer, text);
    }
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

bool pl_state_quantizes(const pl_state *state)
{
    return state->activations.bits > 0 || state->kv.bits > 0;
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
