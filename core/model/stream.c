#include "core/model/stream.h"

#include "core/model/bare.h"
#include "core/model/model_parts.h"

pl_status pl_model_need_stream(const pl_model *model, const char *who, pl_error *err)
{
    pl_status status = pl_model_need_forward(model, who, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_arch *arch = model->config.arch;
    const bool before =
        arch->norms[PL_NORM_ATTENTION].hf != NULL && arch->norms[PL_NORM_MLP].hf != NULL;
    if (model->config.kv_latent > 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s rotates the heads of v_proj, too, and %s has latent attention, "
                            "where kv_b_proj makes keys and values together: transforms of sites "
                            "by themselves go (hadamard, smoothquant, flatquant scope=layer)",
                            who, model->config.architecture);
    }
    const bool plain = !arch->layer_norm && !arch->parallel;
    const bool behind =
        arch->norms[PL_NORM_ATTENTION_OUT].hf != NULL || arch->norms[PL_NORM_MLP_OUT].hf != NULL;
    return before && !behind && plain
               ? PL_OK
               : pl_error_set(
                     err, PL_ERR_UNSUPPORTED,
                     "%s rotates the residual stream, and the norms of %s %s: expected RMSNorms "
                     "before attention and MLP alone (llama, mistral, qwen2, qwen3, phi3, granite, "
                     "smollm3, mixtral, qwen2_moe, qwen3_moe, olmoe, gpt_oss, llama4)",
                     who, model->config.architecture,
                     plain ? "behind attention and MLP scale its channels one by one"
                           : "take away its mean");
}

bool pl_model_reads_stream(const pl_model *model, size_t site)
{
    const pl_site_role role = model->sites[site].role;
    return model->bare == NULL && (role == PL_SITE_QKV || role == PL_SITE_GATE_UP);
}

/* The norms that stand before a site, by the role of its layers; PL_NORM_COUNT: none. */
static const pl_norm_role norms_before[PL_ROLE_COUNT] = {
    [PL_ROLE_Q] = PL_NORM_ATTENTION,    [PL_ROLE_K] = PL_NORM_ATTENTION,
    [PL_ROLE_V] = PL_NORM_ATTENTION,    [PL_ROLE_O] = PL_NORM_COUNT,
    [PL_ROLE_GATE] = PL_NORM_MLP,       [PL_ROLE_UP] = PL_NORM_MLP,
    [PL_ROLE_DOWN] = PL_NORM_COUNT,     [PL_ROLE_Q_A] = PL_NORM_ATTENTION,
    [PL_ROLE_KV_A] = PL_NORM_ATTENTION, [PL_ROLE_Q_B] = PL_NORM_Q_LATENT,
    [PL_ROLE_KV_B] = PL_NORM_KV_LATENT,
};

static pl_norm_role norm_before(const pl_model *model, const pl_site *site)
{
    return norms_before[model->layers[site->layers[0]].role];
}

const char *pl_model_input_fold(const pl_model *model, const pl_site *site)
{
    const pl_config *c = &model->config;
    if (model->bare != NULL) {
        return NULL; /* who makes the input is not known */
    }
    if (site->role == PL_SITE_O) { /* heads of one value head would need different scales */
        return c->kv_latent > 0          ? "kv_b_proj's rows of values"
               : c->heads == c->kv_heads ? "v_proj's rows"
                                         : NULL;
    }
    if (site->role == PL_SITE_DOWN) {                    /* ReLU lets a positive scale through */
        return c->activation == PL_CLAMPED_SWIGLU ? NULL /* up is held below a limit */
               : c->gated                         ? "up_proj's rows"
               : c->activation == PL_RELU         ? "the rows of the layer before"
                                                  : NULL;
    }
    const bool alone = site->expert == PL_NO_EXPERT && !c->arch->parallel;
    if (!alone || c->arch->norms[norm_before(model, site)].hf == NULL) {
        return NULL;
    }
    return site->role == PL_SITE_LATENT ? "the gain of the latent vector's norm"
                                        : "the norm's gain";
}

size_t pl_model_input_layer(const pl_model *model, const pl_site *site)
{
    const pl_role role = site->role == PL_SITE_DOWN    ? PL_ROLE_UP
                         : site->role != PL_SITE_O     ? PL_ROLE_COUNT
                         : model->config.kv_latent > 0 ? PL_ROLE_KV_B
                                                       : PL_ROLE_V;
    size_t first = 0;
    const size_t count =
        model->bare == NULL ? pl_model_block_layers(model, site->block, &first) : 0;
    for (size_t i = first; i < first + count; i++) {
        if (model->layers[i].role == role && model->layers[i].expert == site->expert) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t pl_model_input_row(const pl_model *model, size_t layer, size_t col)
{
    const pl_config *c = &model->config;
    if (model->layers[layer].role != PL_ROLE_KV_B) {
        return col;
    }
    const size_t keys = c->head_dim - c->rotary_dim; /* of each head, before its values */
    return col + (col / c->value_dim + 1) * keys;
}

pl_status pl_model_stream_gain(pl_model *model, size_t site, float *out, pl_error *err)
{
    const pl_tensor *norm = model->norm;
    if (site != PL_FINAL_NORM) {
        const pl_site *at = &model->sites[site];
        norm = model->blocks[at->block].norms[norm_before(model, at)];
    }
    pl_status status =
        pl_checkpoint_read(model->checkpoint, norm, 0, pl_tensor_rows(norm), out, err);
    for (size_t c = 0; status == PL_OK && model->config.unit_norms && c < model->config.hidden_size;
         c++) {
        out[c] += 1.0f;
    }
    return status;
}

float pl_model_gain_offset(const pl_model *model)
{
    return model->bare == NULL && model->config.arch->unit_norms ? 1.0f : 0.0f;
}

pl_status pl_model_read_head(pl_model *model, float *out, pl_error *err)
{
    return pl_checkpoint_read(model->checkpoint, model->lm_head, 0, model->config.vocab_size, out,
                              err);
}

static pl_stream_part part_of_block(const pl_model *model, size_t block, const pl_tensor *tensor,
                                    size_t *of)
{
    const pl_block_parts *parts = &model->blocks[block];
    for (size_t i = 0; i < parts->n_layers; i++) {
        if (model->layers[parts->first_layer + i].bias == tensor) {
            *of = parts->first_layer + i;
            return PL_PART_BIAS;
        }
    }
    for (size_t i = parts->first_site; i < parts->first_site + parts->n_sites; i++) {
        const pl_norm_role role = norm_before(model, &model->sites[i]);
        if (role < PL_NORM_COUNT &&
            (tensor == parts->norms[role] || tensor == parts->norm_biases[role])) {
            *of = i;
            return tensor == parts->norms[role] ? PL_PART_GAIN : PL_PART_SHIFT;
        }
    }
    if (tensor == parts->router || tensor == parts->shared_gate) {
        *of = parts->sites[PL_SITE_GATE_UP];
        return PL_PART_ROUTER;
    }
    return PL_PART_NONE;
}

pl_stream_part pl_model_stream_part(const pl_model *model, const pl_tensor *tensor, size_t *of)
{
    pl_stream_part part = tensor == model->embedding ? PL_PART_EMBEDDING
                          : tensor == model->lm_head ? PL_PART_HEAD
                          : tensor == model->norm    ? PL_PART_GAIN
                                                     : PL_PART_NONE;
    *of = SIZE_MAX; /* PL_FINAL_NORM */
    for (size_t b = 0; part == PL_PART_NONE && tensor != NULL && b < model->config.blocks; b++) {
        part = part_of_block(model, b, tensor, of);
    }
    return part;
}
