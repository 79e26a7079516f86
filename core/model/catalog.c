/* The model's tensors under Hugging Face's names, whatever the container calls them. */
#include "core/model/config_parts.h"
#include "core/model/model_parts.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Tensors of a block beside its layers' weights and biases: norms and their biases, router, shared
 * gate, score bias, router bias, attention's sinks. */
enum { EXTRA = 2 * PL_NORM_COUNT + 5 };

/* A block's tensor, or one of the whole model ("model.norm"), as Hugging Face's files call it. */
static void name_in_block(const pl_model *model, size_t block, const char *inside,
                          const char *ending, pl_named_tensor *out)
{
    const pl_arch *arch = model->config.arch;
    snprintf(out->name, sizeof out->name, "%s%s.%zu.%s%s", pl_arch_body(arch),
             pl_arch_block_list(arch), block, inside, ending);
}

static void name_whole(const pl_model *model, const char *hf, const char *ending,
                       pl_named_tensor *out)
{
    static const char usual[] = "model.";
    const bool inside = strncmp(hf, usual, strlen(usual)) == 0;
    snprintf(out->name, sizeof out->name, "%s%s%s", inside ? pl_arch_body(model->config.arch) : "",
             inside ? hf + strlen(usual) : hf, ending);
}

/* Behind "model.layers.N." of a layer's name here. */
static const char *inside_block(const pl_layer *layer)
{
    const char *at = layer->name;
    for (int dots = 0; dots < 3; dots++) {
        at = strchr(at, '.') + 1;
    }
    return at;
}

static size_t block_items(const pl_model *model, size_t block)
{
    return 2 * model->blocks[block].n_layers + EXTRA;
}

static void set(pl_named_tensor *out, const pl_tensor *tensor, size_t rows, size_t cols)
{
    out->tensor = tensor;
    out->n_dims = rows > 0 ? 2 : 1;
    out->dims[0] = rows > 0 ? rows : cols;
    out->dims[1] = cols;
}

/* Gains stored with the 1 that Hugging Face's files leave out. */
static float missing_part(const pl_model *model)
{
    return model->config.arch->unit_norms && !model->config.unit_norms ? -1.0f : 0.0f;
}

/* A block's tensor in GGUF; ending: ".weight" or ".bias". */
static void name_gguf(pl_named_tensor *out, size_t block, const char *name, const char *ending)
{
    snprintf(out->gguf, sizeof out->gguf, "blk.%zu.%s%s", block, name != NULL ? name : "", ending);
}

/* What llama.cpp calls a layer, and whether it permutes the rows. */
static void layer_gguf(const pl_model *model, const pl_layer *info, const char *ending,
                       pl_named_tensor *out)
{
    const pl_config *c = &model->config;
    const pl_names *names = info->expert == PL_NO_EXPERT       ? c->arch->layers
                            : info->expert == PL_SHARED_EXPERT ? c->arch->experts->shared
                                                               : c->arch->experts->layers;
    name_gguf(out, info->block, names[info->role].gguf, ending);
    if (c->arch->gguf_permuted && info->role <= PL_ROLE_K) {
        out->gguf_heads = info->role == PL_ROLE_Q ? c->heads : c->kv_heads;
    }
}

void pl_model_gguf_name(const pl_model *model, size_t layer, const char *ending, char out[64])
{
    pl_named_tensor named = {.layer = layer};
    layer_gguf(model, &model->layers[layer], ending, &named);
    memcpy(out, named.gguf, sizeof named.gguf);
}

static float gguf_part(const pl_model *model)
{
    return model->config.arch->unit_norms && model->config.unit_norms ? 1.0f : 0.0f;
}

size_t pl_model_stacked(size_t first, size_t together, size_t i)
{
    enum { LAYERS = 3 }; /* of an expert: gate, up, down */
    return together == 0 ? first + i : first + i / together * LAYERS + i % together;
}

/* Whether Hugging Face has the layer in a tensor of all experts. */
static bool is_stacked(const pl_model *model, const pl_layer *info)
{
    return info->expert < PL_SHARED_EXPERT && model->config.arch->experts->stacked[0] != NULL;
}

/* That tensor, at the first of its layers; ending: "", or "_bias". */
static void stacked_tensor(const pl_model *model, const pl_layer *info, const char *ending,
                           const pl_tensor *tensor, pl_named_tensor *out)
{
    const pl_expert_names *experts = model->config.arch->experts;
    const bool down = info->role == PL_ROLE_DOWN, bias = ending[0] != '\0';
    const bool first = info->expert == 0 && info->role != PL_ROLE_UP;
    const uint64_t outputs = (down ? 1 : 2) * info->rows, all = model->config.experts;
    out->together = down ? 1 : 2;
    out->step = experts->alternating && !down ? 2 : 1;
    out->layers = out->together * (size_t)all;
    out->tensor = first ? tensor : NULL;
    out->n_dims = bias ? 2 : 3;
    out->dims[0] = all;
    out->dims[1] = bias ? outputs : info->cols;
    out->dims[2] = bias ? 0 : outputs;
    name_in_block(model, info->block, experts->stacked[down ? 1 : 0], ending, out);
    layer_gguf(model, info, bias ? ".bias" : ".weight", out);
}

/* A layer's weight; of a fused tensor under its fused name, all its layers at the first one. */
static void layer_weight(const pl_model *model, size_t layer, pl_named_tensor *out)
{
    const pl_layer *info = &model->layers[layer];
    const pl_arch *arch = model->config.arch;
    pl_names fused = info->role <= PL_ROLE_V     ? arch->fused_qkv
                     : info->role == PL_ROLE_O   ? (pl_names){NULL, NULL}
                     : info->role < PL_ROLE_DOWN ? arch->fused_gate_up
                                                 : (pl_names){NULL, NULL};
    size_t rows = info->rows;
    out->layer = layer;
    out->layers = 1;
    if (is_stacked(model, info)) {
        out->transposed = true;
        stacked_tensor(model, info, "", info->tensor, out);
        return;
    }
    out->transposed = arch->transposed;
    out->tensor = info->tensor;
    if (fused.hf == NULL || info->expert != PL_NO_EXPERT) {
        name_in_block(model, info->block, inside_block(info), ".weight", out);
        layer_gguf(model, info, ".weight", out);
    } else {
        name_in_block(model, info->block, fused.hf, ".weight", out);
        name_gguf(out, info->block, fused.gguf, ".weight");
        rows = (size_t)pl_tensor_elements(info->tensor) / info->cols;
        out->tensor = info->first_row == 0 ? info->tensor : NULL;
        out->layers = info->role <= PL_ROLE_V ? 3 : 2;
    }
    set(out, out->tensor, arch->transposed ? info->cols : rows,
        arch->transposed ? rows : info->cols);
}

static void block_extra(const pl_model *model, size_t block, size_t item, pl_named_tensor *out)
{
    const pl_config *c = &model->config;
    const pl_block_parts *parts = &model->blocks[block];
    pl_names name = {"", ""};
    const char *ending = ".weight";
    if (item < PL_NORM_COUNT) {
        name = c->arch->norms[item];
        set(out, parts->norms[item], 0, pl_model_norm_size(c, (pl_norm_role)item));
        out->add = missing_part(model);
        out->gguf_add = gguf_part(model);
    } else if (item < 2 * PL_NORM_COUNT) {
        item -= PL_NORM_COUNT;
        name = c->arch->norms[item];
        ending = ".bias";
        set(out, parts->norm_biases[item], 0, pl_model_norm_size(c, (pl_norm_role)item));
    } else if (c->arch->experts != NULL && item == 2 * PL_NORM_COUNT) {
        name = c->arch->experts->router;
        set(out, parts->router, c->experts, c->hidden_size);
    } else if (c->arch->experts != NULL && item == 2 * PL_NORM_COUNT + 2) {
        const char *const *whole = c->arch->experts->score_bias;
        name = (pl_names){whole[0], whole[1]};
        ending = "";
        set(out, parts->score_bias, 0, c->experts);
    } else if (item == 2 * PL_NORM_COUNT + 4) {
        name = (pl_names){c->arch->sinks[0], c->arch->sinks[1]};
        ending = "";
        set(out, parts->sinks, 0, c->heads);
    } else if (c->arch->experts != NULL && item == 2 * PL_NORM_COUNT + 3) {
        name = c->arch->experts->router;
        ending = ".bias";
        set(out, parts->router_bias, 0, c->experts);
    } else if (c->arch->experts != NULL) {
        name = c->arch->experts->shared_gate;
        set(out, parts->shared_gate, 1, c->hidden_size);
    }
    if (out->tensor != NULL) {
        name_in_block(model, block, name.hf, ending, out);
        name_gguf(out, block, name.gguf, ending);
    }
}

static void block_tensor(const pl_model *model, size_t block, size_t item, pl_named_tensor *out)
{
    const pl_block_parts *parts = &model->blocks[block];
    if (item >= 2 * parts->n_layers) {
        block_extra(model, block, item - 2 * parts->n_layers, out);
        return;
    }
    size_t layer = parts->first_layer + item / 2;
    if (item % 2 == 0) {
        layer_weight(model, layer, out);
        return;
    }
    const pl_layer *info = &model->layers[layer];
    const char *fused = info->role <= PL_ROLE_V ? model->config.arch->fused_qkv.hf : NULL;
    out->bias_of = layer;
    if (is_stacked(model, info)) {
        stacked_tensor(model, info, "_bias", info->bias, out);
        out->bias_of = out->tensor != NULL ? layer : SIZE_MAX;
        return;
    }
    if (info->bias != NULL && fused != NULL) { /* the tensor of all of them, at the first one */
        name_in_block(model, info->block, fused, ".bias", out);
        set(out, info->first_row == 0 ? info->bias : NULL, 0,
            (size_t)pl_tensor_elements(info->bias));
        out->bias_of = info->first_row == 0 ? layer : SIZE_MAX;
        return;
    }
    name_in_block(model, info->block, inside_block(info), ".bias", out);
    layer_gguf(model, info, ".bias", out);
    set(out, info->bias, 0, info->rows);
    out->zeros = info->bias == NULL && info->expert == PL_NO_EXPERT &&
                 pl_config_role_biased(&model->config, info->role);
}

pl_status pl_model_read_named(pl_model *model, const pl_named_tensor *named, size_t first,
                              size_t count, float *out, pl_error *err)
{
    size_t cols = (size_t)named->dims[named->n_dims - 1];
    if (named->tensor == NULL) {
        memset(out, 0, count * cols * sizeof *out);
        return PL_OK;
    }
    const bool own = named->bias_of != SIZE_MAX && named->together == 0 &&
                     model->layers[named->bias_of].rows == cols;
    pl_status status =
        own ? pl_model_read_bias(model, named->bias_of, out, err)
            : pl_checkpoint_read(model->checkpoint, named->tensor, first, count, out, err);
    for (size_t i = 0; status == PL_OK && named->add != 0.0f && i < count * cols; i++) {
        out[i] += named->add;
    }
    return status;
}

bool pl_model_named_tensor(const pl_model *model, size_t index, pl_named_tensor *out)
{
    const pl_config *config = &model->config;
    const pl_arch *arch = config->arch;
    *out = (pl_named_tensor){.layer = SIZE_MAX, .bias_of = SIZE_MAX};
    if (model->bare != NULL) {
        return false; /* names are the file's own */
    }
    for (size_t block = 0; block < config->blocks; block++) {
        size_t items = block_items(model, block);
        if (index < items) {
            block_tensor(model, block, index, out);
            return true;
        }
        index -= items;
    }
    switch (index) {
    case 0:
        name_whole(model, arch->embedding.hf, ".weight", out);
        snprintf(out->gguf, sizeof out->gguf, "%s.weight", arch->embedding.gguf);
        set(out, model->embedding, config->vocab_size, config->hidden_size);
        return true;
    case 1:
        name_whole(model, arch->norm.hf, ".weight", out);
        snprintf(out->gguf, sizeof out->gguf, "%s.weight", arch->norm.gguf);
        set(out, model->norm, 0, config->hidden_size);
        out->add = missing_part(model);
        out->gguf_add = gguf_part(model);
        return true;
    case 2:
        name_whole(model, arch->lm_head.hf, ".weight", out);
        snprintf(out->gguf, sizeof out->gguf, "%s.weight", arch->lm_head.gguf);
        set(out, config->tied_embeddings ? NULL : model->lm_head, config->vocab_size,
            config->hidden_size);
        return true;
    case 3:
        name_whole(model, arch->norm.hf, ".bias", out);
        set(out, model->norm_bias, 0, config->hidden_size);
        return true;
    case 4:
        if (arch->positions.hf != NULL) {
            name_whole(model, arch->positions.hf, ".weight", out);
            set(out, model->positions, arch->position_offset + config->max_positions,
                config->hidden_size);
        }
        return true;
    default:
        return false;
    }
}
