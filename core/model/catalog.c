/* The model's tensors under Hugging Face's names, whatever the container calls them. */
#include "core/model/model_parts.h"

#include <stdint.h>
#include <stdio.h>

/* Per block: the layers' weights, their biases (where there are any), two norms. */
enum { PER_BLOCK = 2 * PL_ROLE_COUNT + 2 };

static void block_tensor(const pl_model *model, size_t block, size_t item, pl_named_tensor *out)
{
    const pl_arch *arch = model->config.arch;
    if (item >= 2 * PL_ROLE_COUNT) {
        bool first = item == 2 * PL_ROLE_COUNT;
        snprintf(out->name, sizeof out->name, "model.layers.%zu.%s.weight", block,
                 first ? arch->attention_norm.hf : arch->mlp_norm.hf);
        out->tensor = first ? model->attention_norms[block] : model->mlp_norms[block];
        return;
    }
    bool bias = item % 2 != 0;
    size_t layer = block * PL_ROLE_COUNT + item / 2;
    const pl_layer *info = &model->layers[layer];
    snprintf(out->name, sizeof out->name, "%s.%s", info->name, bias ? "bias" : "weight");
    out->tensor = bias ? info->bias : info->tensor;
    out->layer = bias ? SIZE_MAX : layer;
}

bool pl_model_named_tensor(const pl_model *model, size_t index, pl_named_tensor *out)
{
    const pl_config *config = &model->config;
    const pl_arch *arch = config->arch;
    size_t in_blocks = config->blocks * PER_BLOCK;
    *out = (pl_named_tensor){.layer = SIZE_MAX};
    if (index < in_blocks) {
        block_tensor(model, index / PER_BLOCK, index % PER_BLOCK, out);
        return true;
    }
    switch (index - in_blocks) {
    case 0:
        snprintf(out->name, sizeof out->name, "%s.weight", arch->embedding.hf);
        out->tensor = model->embedding;
        return true;
    case 1:
        snprintf(out->name, sizeof out->name, "%s.weight", arch->norm.hf);
        out->tensor = model->norm;
        return true;
    case 2:
        snprintf(out->name, sizeof out->name, "%s.weight", arch->lm_head.hf);
        out->tensor = config->tied_embeddings ? NULL : model->lm_head;
        return true;
    default:
        return false;
    }
}
