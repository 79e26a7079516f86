#include "core/state/state.h"

#include "core/model/bare.h"
#include "core/state/state_parts.h"

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

pl_kept *pl_kept_retain(pl_kept *kept)
{
    if (kept != NULL) {
        pl_count_retain(&kept->count);
    }
    return kept;
}

void pl_kept_release(pl_kept *kept)
{
    if (kept != NULL && pl_count_release(&kept->count)) {
        pl_state_deinit(&kept->is);
        free(kept->pins);
        free(kept);
    }
}

void pl_state_drop_kept(pl_state *state)
{
    for (size_t i = 0; i < state->n_kept; i++) {
        pl_kept_release(state->kept[i]);
    }
    state->n_kept = 0;
    memset(state->compared, 0, sizeof state->compared);
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

bool pl_calibration_same_texts(const pl_calibration *a, const pl_calibration *b)
{
    bool same = a->n_texts == b->n_texts;
    for (size_t i = 0; same && i < a->n_texts; i++) {
        same = strcmp(a->texts[i], b->texts[i]) == 0;
    }
    return same;
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
