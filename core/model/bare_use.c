/* A bare model once it is open: its layers by name, its identity, what it cannot do, its end. */
#include "core/model/bare.h"

#include "core/model/bare_parts.h"
#include "core/model/model_parts.h"

#include <stdlib.h>
#include <string.h>

bool pl_model_is_bare(const pl_model *model)
{
    return model->bare != NULL;
}

pl_status pl_model_need_forward(const pl_model *model, const char *what, pl_error *err)
{
    return model->bare == NULL
               ? PL_OK
               : pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s needs a forward pass, and %s holds matrices without an "
                              "architecture to run",
                              what, model->name);
}

pl_checkpoint *pl_model_inputs(const pl_model *model)
{
    return model->bare != NULL ? model->bare->inputs : NULL;
}

const char *pl_model_inputs_name(const pl_model *model)
{
    return model->bare != NULL ? model->bare->inputs_name : NULL;
}

const pl_tensor *pl_model_site_inputs(const pl_model *model, size_t site)
{
    return model->bare != NULL ? model->bare->site_inputs[site] : NULL;
}

bool pl_model_is_blind(const pl_model *model, size_t layer)
{
    return model->bare != NULL && model->bare->site_inputs[model->layers[layer].site] == NULL;
}

pl_status pl_model_need_inputs(const pl_model *model, size_t layer, pl_error *err)
{
    if (!pl_model_is_blind(model, layer)) {
        return PL_OK;
    }
    const char *name = model->layers[layer].name;
    if (model->bare->inputs != NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: this needs its inputs, and %s holds no '%s.input' (only RTN works "
                            "without)",
                            name, model->bare->inputs_name, name);
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "%s: this needs its inputs: open %s with inputs=X.safetensors (only RTN "
                        "works without)",
                        name, model->name);
}

pl_status pl_model_inputs_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err)
{
    pl_bare *bare = model->bare;
    if (!bare->has_inputs_id) {
        pl_status status = pl_checkpoint_identity(bare->inputs, &bare->inputs_id, task, err);
        if (status != PL_OK) {
            return status;
        }
        bare->has_inputs_id = true;
    }
    *out = bare->inputs_id;
    return PL_OK;
}

pl_status pl_bare_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err)
{
    pl_id inputs = {0};
    pl_status status = pl_checkpoint_identity(model->checkpoint, out, task, err);
    if (status != PL_OK || model->bare->inputs == NULL) {
        return status;
    }
    status = pl_model_inputs_identity(model, &inputs, task, err);
    pl_hasher *hasher = NULL;
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "weights and inputs");
        pl_hasher_id(hasher, *out);
        pl_hasher_id(hasher, inputs);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* --- by name ---------------------------------------------------------------------------------- */

/* Whether a name ends in a word, after a dot. */
static bool has_tail(const char *name, const char *word)
{
    size_t size = strlen(name), need = strlen(word);
    return size > need && name[size - need - 1] == '.' && strcmp(name + size - need, word) == 0;
}

static bool is_layer_name(const pl_layer *layer, const char *name)
{
    return strcmp(layer->name, name) == 0 || strcmp(layer->tensor->name, name) == 0 ||
           strcmp(layer->brief, name) == 0;
}

static pl_status not_found(const pl_model *model, const char *name, pl_error *err)
{
    enum { NEAR = 3 };
    size_t best[NEAR] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    const char *names[NEAR] = {"", "", ""};
    for (size_t i = 0; i < model->n_layers && strlen(name) < 128; i++) {
        const pl_layer *layer = &model->layers[i];
        size_t whole = pl_text_distance(name, layer->name);
        size_t part = pl_text_distance(name, layer->brief);
        size_t distance = whole < part ? whole : part;
        for (size_t k = 0; k < NEAR; k++) {
            if (distance < best[k]) {
                memmove(best + k + 1, best + k, (NEAR - 1 - k) * sizeof best[0]);
                memmove(names + k + 1, names + k, (NEAR - 1 - k) * sizeof names[0]);
                best[k] = distance;
                names[k] = layer->name;
                break;
            }
        }
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND,
                        "no layer '%.100s': did you mean %.100s%s%.100s%s%.100s?", name, names[0],
                        names[1][0] != '\0' ? ", " : "", names[1], names[2][0] != '\0' ? ", " : "",
                        names[2]);
}

pl_status pl_bare_find_layer(const pl_model *model, const char *name, size_t *index, pl_error *err)
{
    size_t count = 0, other = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        if (strcmp(model->layers[i].name, name) == 0 || is_layer_name(&model->layers[i], name)) {
            *index = i;
            return PL_OK;
        }
    }
    for (size_t i = 0; i < model->n_layers; i++) {
        if (has_tail(model->layers[i].name, name)) {
            other = *index;
            *index = i;
            count++;
        }
    }
    if (count > 1) {
        return pl_error_set(err, PL_ERR_USAGE, "'%.100s' names %zu layers, as %.100s and %.100s",
                            name, count, model->layers[other].name, model->layers[*index].name);
    }
    return count == 1 ? PL_OK : not_found(model, name, err);
}

bool pl_bare_layer_matches(const pl_model *model, size_t index, const char *glob)
{
    const pl_layer *layer = &model->layers[index];
    const char *dot = strrchr(layer->name, '.');
    return pl_text_glob(glob, layer->name) || pl_text_glob(glob, layer->brief) ||
           pl_text_glob(glob, layer->tensor->name) || (dot != NULL && pl_text_glob(glob, dot + 1));
}

void pl_bare_destroy(pl_bare *bare)
{
    if (bare != NULL) {
        for (size_t i = 0; i < bare->n_names; i++) {
            free(bare->names[i]);
        }
        free(bare->names);
        free(bare->site_inputs);
        pl_checkpoint_close(bare->inputs);
        free(bare->inputs_path);
        free(bare->inputs_name);
        free(bare);
    }
}
