#include "core/model/model_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const pl_site_role site_of[PL_ROLE_COUNT] = {
    [PL_ROLE_Q] = PL_SITE_QKV,        [PL_ROLE_K] = PL_SITE_QKV,
    [PL_ROLE_V] = PL_SITE_QKV,        [PL_ROLE_O] = PL_SITE_O,
    [PL_ROLE_GATE] = PL_SITE_GATE_UP, [PL_ROLE_UP] = PL_SITE_GATE_UP,
    [PL_ROLE_DOWN] = PL_SITE_DOWN,    [PL_ROLE_Q_A] = PL_SITE_QKV,
    [PL_ROLE_KV_A] = PL_SITE_QKV,     [PL_ROLE_Q_B] = PL_SITE_LATENT,
    [PL_ROLE_KV_B] = PL_SITE_LATENT,
};

/* A site's name, of one of its layers' roles. */
static const char *site_name(pl_role role)
{
    static const char *const names[PL_SITE_ROLE_END] = {[PL_SITE_QKV] = "qkv",
                                                        [PL_SITE_O] = "o",
                                                        [PL_SITE_GATE_UP] = "gate_up",
                                                        [PL_SITE_DOWN] = "down"};
    return role == PL_ROLE_UP     ? "up"
           : role == PL_ROLE_Q_B  ? "q_b"
           : role == PL_ROLE_KV_B ? "kv_b"
                                  : names[site_of[role]];
}

static bool is_gguf(const pl_model *model)
{
    return pl_checkpoint_container(model->checkpoint) == PL_GGUF;
}

void pl_format_shape(const uint64_t *dims, size_t count, char *out, size_t capacity)
{
    size_t used = (size_t)snprintf(out, capacity, "[");
    for (size_t i = 0; i < count && used < capacity; i++) {
        used += (size_t)snprintf(out + used, capacity - used, "%s%llu", i > 0 ? ", " : "",
                                 (unsigned long long)dims[i]);
    }
    if (used < capacity) {
        snprintf(out + used, capacity - used, "]");
    }
}

/* The tensor of that name and shape. */
static pl_status need(const pl_model *model, const char *name, const uint64_t *wanted, size_t n,
                      const pl_tensor **out, pl_error *err)
{
    char expected[64];
    char found[192];
    pl_format_shape(wanted, n, expected, sizeof expected);
    const pl_tensor *tensor = pl_checkpoint_find(model->checkpoint, name);
    if (tensor == NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the tensor %s, of shape %s, is missing",
                            model->path, name, expected);
    }
    if (tensor->n_dims != n || memcmp(tensor->dims, wanted, n * sizeof wanted[0]) != 0) {
        pl_format_shape(tensor->dims, tensor->n_dims, found, sizeof found);
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the tensor %s has the shape %s, expected %s",
                            model->path, name, found, expected);
    }
    *out = tensor;
    return PL_OK;
}

static pl_status need_vector(const pl_model *model, const char *name, size_t size,
                             const pl_tensor **out, pl_error *err)
{
    return need(model, name, &(uint64_t){size}, 1, out, err);
}

static pl_status need_matrix(const pl_model *model, const char *name, size_t rows, size_t cols,
                             const pl_tensor **out, pl_error *err)
{
    return need(model, name, (const uint64_t[]){rows, cols}, 2, out, err);
}

/* Prefixes in place of "model.", and before lm_head: of a plain model, of one inside a model with a
 * vision tower (as transformers wrote it before 4.52, and since), of one saved without its head.
 * Some architectures have their own. */
static const char *const words[][2] = {{"model.", ""},
                                       {"language_model.model.", "language_model."},
                                       {"model.language_model.", ""},
                                       {"", ""}};

static void put_module_name(const char *body, const char *head, const char *hf, const char *ending,
                            char out[128])
{
    static const char model[] = "model.";
    bool inside = strncmp(hf, model, strlen(model)) == 0;
    snprintf(out, 128, "%s%s%s", inside ? body : head, inside ? hf + strlen(model) : hf, ending);
}

const pl_tensor *pl_model_tensor_by_name(const pl_checkpoint *checkpoint, const char *hf)
{
    char name[128];
    const pl_tensor *found = NULL;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && found == NULL; i++) {
        put_module_name(words[i][0], words[i][1], hf, "", name);
        found = pl_checkpoint_find(checkpoint, name);
    }
    return found;
}

/* A checkpoint's words, by where its embedding is; the plain ones where there is none. */
static void find_words(pl_model *model)
{
    pl_config *c = &model->config;
    char name[128];
    for (size_t i = 0; i < 2 && c->arch->body[i] != NULL && !is_gguf(model); i++) {
        put_module_name(c->arch->body[i], "", c->arch->embedding.hf, ".weight", name);
        if (pl_checkpoint_find(model->checkpoint, name) != NULL) {
            c->body = c->arch->body[i];
            return;
        }
    }
    if (c->arch->body[0] != NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0] && !is_gguf(model); i++) {
        put_module_name(words[i][0], words[i][1], c->arch->embedding.hf, ".weight", name);
        if (pl_checkpoint_find(model->checkpoint, name) != NULL) {
            c->body = words[i][0];
            c->head = words[i][1];
            return;
        }
    }
}

static void tensor_name(const pl_model *model, pl_names names, size_t block, const char *suffix,
                        char out[128])
{
    if (is_gguf(model)) {
        snprintf(out, 128, "blk.%zu.%s.%s", block, names.gguf, suffix);
    } else {
        snprintf(out, 128, "%s%s.%zu.%s.%s", model->config.body,
                 pl_arch_block_list(model->config.arch), block, names.hf, suffix);
    }
}

/* Whether the file holds a layer's weight as [in, out]. */
static bool is_transposed(const pl_model *model)
{
    return model->config.arch->transposed && !is_gguf(model);
}

size_t pl_model_kv_b_rows(const pl_config *c)
{
    return c->heads * (c->head_dim - c->rotary_dim + c->value_dim);
}

static void shape_of(const pl_config *c, pl_role role, size_t inner, size_t *rows, size_t *cols)
{
    size_t wide = role == PL_ROLE_Q || role == PL_ROLE_Q_B ? c->heads : c->kv_heads;
    switch (role) {
    case PL_ROLE_O:
        *rows = c->hidden_size;
        *cols = c->heads * c->value_dim;
        break;
    case PL_ROLE_Q_A:
        *rows = c->q_latent;
        *cols = c->hidden_size;
        break;
    case PL_ROLE_KV_A:
        *rows = c->kv_latent + c->rotary_dim;
        *cols = c->hidden_size;
        break;
    case PL_ROLE_Q_B:
        *rows = wide * c->head_dim;
        *cols = c->q_latent;
        break;
    case PL_ROLE_KV_B:
        *rows = pl_model_kv_b_rows(c);
        *cols = c->kv_latent;
        break;
    case PL_ROLE_GATE:
    case PL_ROLE_UP:
        *rows = inner;
        *cols = c->hidden_size;
        break;
    case PL_ROLE_DOWN:
        *rows = c->hidden_size;
        *cols = inner;
        break;
    default:
        *rows = wide * c->head_dim;
        *cols = c->hidden_size;
        break;
    }
}

/* The names of a role's tensor: a plain layer's, an expert's or the shared expert's. */
static pl_names names_of(const pl_arch *arch, pl_role role, size_t expert)
{
    return expert == PL_NO_EXPERT       ? arch->layers[role]
           : expert == PL_SHARED_EXPERT ? arch->experts->shared[role]
                                        : arch->experts->layers[role];
}

/* Whether another role's layer has the same last part of its name. */
static bool shares_last_part(const pl_arch *arch, pl_role role)
{
    const char *own = strrchr(arch->layers[role].hf, '.');
    bool shares = false;
    for (int other = 0; own != NULL && other < PL_ROLE_COUNT && !shares; other++) {
        const char *hf = arch->layers[other].hf;
        const char *last = hf != NULL ? strrchr(hf, '.') : NULL;
        shares = other != (int)role && last != NULL && strcmp(last, own) == 0;
    }
    return shares;
}

static void name_layer(const pl_model *model, pl_layer *layer, char out[PL_LAYER_NAME])
{
    pl_names names = names_of(model->config.arch, layer->role, layer->expert);
    if (layer->expert < PL_SHARED_EXPERT) {
        snprintf(out, PL_LAYER_NAME, "model.layers.%zu.%s.%zu.%s", layer->block,
                 model->config.arch->experts->prefix.hf, layer->expert, names.hf);
    } else {
        snprintf(out, PL_LAYER_NAME, "model.layers.%zu.%s", layer->block, names.hf);
    }
    layer->name = out;
}

/* The tensor with so many outputs, the layer's among them. */
static pl_status need_weight(const pl_model *model, const char *name, size_t outputs,
                             pl_layer *layer, pl_error *err)
{
    layer->transposed = is_transposed(model);
    return layer->transposed ? need_matrix(model, name, layer->cols, outputs, &layer->tensor, err)
                             : need_matrix(model, name, outputs, layer->cols, &layer->tensor, err);
}

/* q, k and v, or gate and up, as rows of one tensor. */
static pl_status find_fused(pl_model *model, pl_layer *layer, pl_names fused, pl_error *err)
{
    const pl_config *c = &model->config;
    size_t q = c->heads * c->head_dim;
    size_t kv = c->kv_heads * c->head_dim;
    bool qkv = layer->role <= PL_ROLE_V;
    char name[128];
    layer->first_row = layer->role == PL_ROLE_K    ? q
                       : layer->role == PL_ROLE_V  ? q + kv
                       : layer->role == PL_ROLE_UP ? c->intermediate_size
                                                   : 0;
    tensor_name(model, fused, layer->block, "weight", name);
    return need_weight(model, name, qkv ? q + 2 * kv : 2 * c->intermediate_size, layer, err);
}

/* Hugging Face's name of the tensor of all experts. */
static void stacked_name(const pl_model *model, const pl_layer *layer, const char *ending,
                         char out[128])
{
    const pl_arch *arch = model->config.arch;
    snprintf(out, 128, "%s%s.%zu.%s%s", model->config.body, pl_arch_block_list(arch), layer->block,
             arch->experts->stacked[layer->role == PL_ROLE_DOWN ? 1 : 0], ending);
}

/* Outputs of an expert in that tensor. */
static size_t stacked_outputs(const pl_layer *layer)
{
    return layer->role == PL_ROLE_DOWN ? layer->rows : 2 * layer->rows;
}

/* All experts in one tensor: [experts, in, out], or of packed blocks [experts, out, in]. */
static pl_status find_stacked(pl_model *model, pl_layer *layer, pl_error *err)
{
    const pl_expert_names *experts = model->config.arch->experts;
    const size_t outputs = stacked_outputs(layer);
    char name[128];
    stacked_name(model, layer, "", name);
    const pl_tensor *found = pl_checkpoint_find(model->checkpoint, name);
    layer->transposed = found == NULL || found->packed == NULL;
    const uint64_t dims[] = {model->config.experts, layer->transposed ? layer->cols : outputs,
                             layer->transposed ? outputs : layer->cols};
    const bool second = layer->role == PL_ROLE_UP;
    const bool alternate = experts->alternating && layer->role != PL_ROLE_DOWN;
    layer->slab = layer->expert;
    layer->row_step = alternate ? 2 : 1;
    layer->first_row = !second ? 0 : alternate ? 1 : layer->rows;
    return need(model, name, dims, 3, &layer->tensor, err);
}

/* kv_b in two tensors, the keys' turned, as llama.cpp multiplies queries by it. */
static pl_status find_split(pl_model *model, pl_layer *layer, pl_error *err)
{
    const pl_config *c = &model->config;
    const uint64_t of_keys[] = {c->heads, c->kv_latent, c->head_dim - c->rotary_dim};
    const uint64_t of_values[] = {c->heads, c->value_dim, c->kv_latent};
    char name[128];
    tensor_name(model, (pl_names){"", "attn_k_b"}, layer->block, "weight", name);
    pl_status status = need(model, name, of_keys, 3, &layer->keys, err);
    tensor_name(model, (pl_names){"", "attn_v_b"}, layer->block, "weight", name);
    return status == PL_OK ? need(model, name, of_values, 3, &layer->tensor, err) : status;
}

static pl_status find_weight(pl_model *model, pl_layer *layer, pl_error *err)
{
    const pl_arch *arch = model->config.arch;
    char name[128];
    bool mlp_in = layer->role == PL_ROLE_GATE || layer->role == PL_ROLE_UP;
    pl_names fused = layer->role <= PL_ROLE_V ? arch->fused_qkv
                     : mlp_in                 ? arch->fused_gate_up
                                              : (pl_names){NULL, NULL};
    if (fused.hf != NULL && layer->expert == PL_NO_EXPERT) {
        return find_fused(model, layer, fused, err);
    }
    if (layer->expert < PL_SHARED_EXPERT && is_gguf(model)) {
        const uint64_t dims[] = {model->config.experts, layer->rows, layer->cols};
        tensor_name(model, arch->experts->layers[layer->role], layer->block, "weight", name);
        layer->first_row = layer->expert * layer->rows;
        return need(model, name, dims, 3, &layer->tensor, err);
    }
    if (layer->expert < PL_SHARED_EXPERT && arch->experts->stacked[0] != NULL) {
        return find_stacked(model, layer, err);
    }
    if (layer->role == PL_ROLE_KV_B && is_gguf(model)) {
        tensor_name(model, (pl_names){"", "attn_v_b"}, layer->block, "weight", name);
        if (pl_checkpoint_find(model->checkpoint, name) != NULL) {
            return find_split(model, layer, err);
        }
    }
    pl_names names = names_of(arch, layer->role, layer->expert);
    char inside[PL_LAYER_NAME];
    if (layer->expert < PL_SHARED_EXPERT) {
        snprintf(inside, sizeof inside, "%s.%zu.%s", arch->experts->prefix.hf, layer->expert,
                 names.hf);
        names.hf = inside;
    }
    tensor_name(model, names, layer->block, "weight", name);
    return need_weight(model, name, layer->rows, layer, err);
}

/* A layer's bias.  A GGUF may have some of them; what an architecture always has must be there. */
static pl_status find_bias(pl_model *model, pl_layer *layer, pl_error *err)
{
    const pl_arch *arch = model->config.arch;
    char name[128];
    bool fused = layer->role <= PL_ROLE_V && arch->fused_qkv.hf != NULL;
    tensor_name(model, fused ? arch->fused_qkv : arch->layers[layer->role], layer->block, "bias",
                name);
    bool optional = is_gguf(model) && !(arch->qkv_bias && layer->role <= PL_ROLE_V);
    if (optional && pl_checkpoint_find(model->checkpoint, name) == NULL) {
        return PL_OK;
    }
    const pl_config *c = &model->config;
    return need_vector(model, name,
                       fused ? (c->heads + 2 * c->kv_heads) * c->head_dim : layer->rows,
                       &layer->bias, err);
}

/* [experts, outputs], of all experts; a GGUF has one for gate and one for up. */
static pl_status find_expert_bias(pl_model *model, pl_layer *layer, pl_error *err)
{
    const pl_config *c = &model->config;
    char name[128];
    if (is_gguf(model)) {
        tensor_name(model, c->arch->experts->layers[layer->role], layer->block, "bias", name);
        return need_matrix(model, name, c->experts, layer->rows, &layer->bias, err);
    }
    stacked_name(model, layer, "_bias", name);
    return need_matrix(model, name, c->experts, stacked_outputs(layer), &layer->bias, err);
}

/* Appends a layer, to its block's last site or a new one. */
static pl_status build_layer(pl_model *model, size_t block, pl_role role, size_t expert,
                             size_t inner, pl_error *err)
{
    const pl_config *config = &model->config;
    size_t index = model->n_layers++;
    pl_layer *layer = &model->layers[index];
    *layer = (pl_layer){.block = block, .role = role, .expert = expert, .row_step = 1};
    name_layer(model, layer, model->layer_names[index]);
    layer->needs_part = expert == PL_NO_EXPERT && shares_last_part(config->arch, role);
    shape_of(config, role, inner, &layer->rows, &layer->cols);
    pl_status status = find_weight(model, layer, err);
    if (status == PL_OK && expert == PL_NO_EXPERT && config->biased[role]) {
        status = find_bias(model, layer, err);
    }
    if (status == PL_OK && expert < PL_SHARED_EXPERT && config->arch->experts->biased) {
        status = find_expert_bias(model, layer, err);
    }
    if (is_gguf(model) && config->arch->gguf_permuted && role <= PL_ROLE_K) {
        layer->unpermute_heads = role == PL_ROLE_Q ? config->heads : config->kv_heads;
    }
    pl_site *site = model->n_sites > 0 ? &model->sites[model->n_sites - 1] : NULL;
    if (site == NULL || site->block != block || site->role != site_of[role] ||
        site->expert != expert || site->role == PL_SITE_LATENT) {
        const char *what = site_name(role);
        size_t *first = &model->blocks[block].sites[site_of[role]];
        *first = site != NULL && *first != SIZE_MAX ? *first : model->n_sites;
        site = &model->sites[model->n_sites++];
        *site =
            (pl_site){.block = block, .role = site_of[role], .expert = expert, .cols = layer->cols};
        if (expert < PL_SHARED_EXPERT) {
            snprintf(site->name, sizeof site->name, "model.layers.%zu.experts.%zu.%s", block,
                     expert, what);
        } else {
            snprintf(site->name, sizeof site->name, "model.layers.%zu.%s%s", block,
                     expert == PL_SHARED_EXPERT ? "shared_expert." : "", what);
        }
    }
    site->layers[site->n_layers++] = index;
    layer->site = model->n_sites - 1;
    return status;
}

static pl_status build_mlp(pl_model *model, size_t block, size_t expert, size_t inner,
                           pl_error *err)
{
    pl_status status = PL_OK;
    int first = model->config.gated ? PL_ROLE_GATE : PL_ROLE_UP;
    for (int role = first; role <= PL_ROLE_DOWN && status == PL_OK; role++) {
        status = build_layer(model, block, (pl_role)role, expert, inner, err);
    }
    return status;
}

/* A block's tensor of a whole name, HF's or GGUF's. */
static void whole_name(const pl_model *model, const char *const names[2], size_t block,
                       char out[128])
{
    const pl_config *c = &model->config;
    if (is_gguf(model)) {
        snprintf(out, 128, "blk.%zu.%s", block, names[1]);
    } else {
        snprintf(out, 128, "%s%s.%zu.%s", c->body, pl_arch_block_list(c->arch), block, names[0]);
    }
}

/* A GGUF may lack it: it is then 0. */
static pl_status find_score_bias(pl_model *model, size_t block, pl_error *err)
{
    const pl_config *c = &model->config;
    char name[128];
    whole_name(model, c->arch->experts->score_bias, block, name);
    return is_gguf(model) && pl_checkpoint_find(model->checkpoint, name) == NULL
               ? PL_OK
               : need_vector(model, name, c->experts, &model->blocks[block].score_bias, err);
}

static pl_status build_experts(pl_model *model, size_t block, pl_error *err)
{
    const pl_config *c = &model->config;
    const pl_expert_names *names = c->arch->experts;
    pl_block_parts *parts = &model->blocks[block];
    char name[128];
    tensor_name(model, names->router, block, "weight", name);
    pl_status status = need_matrix(model, name, c->experts, c->hidden_size, &parts->router, err);
    for (size_t e = 0; e < c->experts && status == PL_OK; e++) {
        status = build_mlp(model, block, e, c->expert_size, err);
    }
    if (status == PL_OK && c->shared_size > 0) {
        status = build_mlp(model, block, PL_SHARED_EXPERT, c->shared_size, err);
    }
    if (status == PL_OK && names->biased) {
        tensor_name(model, names->router, block, "bias", name);
        status = need_vector(model, name, c->experts, &parts->router_bias, err);
    }
    if (status == PL_OK && names->score_bias[0] != NULL) {
        status = find_score_bias(model, block, err);
    }
    if (status == PL_OK && c->shared_size > 0 && names->shared_gate.hf != NULL) {
        tensor_name(model, names->shared_gate, block, "weight", name);
        const pl_tensor *found = pl_checkpoint_find(model->checkpoint, name);
        bool flat = found != NULL && found->n_dims == 1; /* GGUF's converter drops the 1 */
        status = flat ? need_vector(model, name, c->hidden_size, &parts->shared_gate, err)
                      : need_matrix(model, name, 1, c->hidden_size, &parts->shared_gate, err);
    }
    return status;
}

size_t pl_model_norm_size(const pl_config *c, pl_norm_role role)
{
    if (role == PL_NORM_Q_LATENT || role == PL_NORM_KV_LATENT) {
        return role == PL_NORM_Q_LATENT ? c->q_latent : c->kv_latent;
    }
    if (role != PL_NORM_Q && role != PL_NORM_K) {
        return c->hidden_size;
    }
    size_t heads = role == PL_NORM_Q ? c->heads : c->kv_heads;
    return c->arch->whole_qk_norm ? heads * c->head_dim : c->head_dim;
}

/* The layers of attention in model order; how many. */
static size_t attention_roles(const pl_config *c, const pl_role **out)
{
    static const pl_role plain[] = {PL_ROLE_Q, PL_ROLE_K, PL_ROLE_V, PL_ROLE_O};
    static const pl_role latent[] = {PL_ROLE_Q_A, PL_ROLE_KV_A, PL_ROLE_Q_B, PL_ROLE_KV_B,
                                     PL_ROLE_O};
    static const pl_role whole[] = {PL_ROLE_Q, PL_ROLE_KV_A, PL_ROLE_KV_B, PL_ROLE_O};
    *out = c->kv_latent == 0 ? plain : c->q_latent > 0 ? latent : whole;
    return c->q_latent > 0 ? 5 : 4;
}

size_t pl_model_parts(const pl_model *model, const pl_site_role **roles)
{
    static const pl_site_role plain[] = {PL_SITE_QKV, PL_SITE_O, PL_SITE_GATE_UP, PL_SITE_DOWN};
    static const pl_site_role latent[] = {PL_SITE_QKV, PL_SITE_LATENT, PL_SITE_O, PL_SITE_GATE_UP,
                                          PL_SITE_DOWN};
    *roles = model->config.kv_latent > 0 ? latent : plain;
    return model->config.kv_latent > 0 ? 5 : 4;
}

size_t pl_model_part_number(const pl_model *model, pl_site_role role)
{
    const pl_site_role *roles = NULL;
    const size_t parts = pl_model_parts(model, &roles);
    size_t number = 0;
    while (number < parts && roles[number] != role) {
        number++;
    }
    return number;
}

bool pl_model_is_before(const pl_model *model, pl_site_role first, pl_site_role second)
{
    return pl_model_part_number(model, first) < pl_model_part_number(model, second);
}

static pl_status build_block(pl_model *model, size_t block, pl_error *err)
{
    const pl_config *config = &model->config;
    pl_block_parts *parts = &model->blocks[block];
    char name[128];
    pl_status status = PL_OK;
    const pl_role *roles = NULL;
    const size_t attention = attention_roles(config, &roles);
    parts->first_layer = model->n_layers;
    parts->first_site = model->n_sites;
    for (size_t r = 0; r < PL_SITE_ROLE_END; r++) {
        parts->sites[r] = SIZE_MAX;
    }
    for (size_t i = 0; i < attention && status == PL_OK; i++) {
        status = build_layer(model, block, roles[i], PL_NO_EXPERT, 0, err);
    }
    PL_THEN((config->block_kind[block] & PL_BLOCK_EXPERTS) != 0
                ? build_experts(model, block, err)
                : build_mlp(model, block, PL_NO_EXPERT, config->intermediate_size, err));
    for (size_t role = 0; role < PL_NORM_COUNT && status == PL_OK; role++) {
        size_t size = pl_model_norm_size(config, (pl_norm_role)role);
        if (config->arch->norms[role].hf != NULL && size > 0) {
            tensor_name(model, config->arch->norms[role], block, "weight", name);
            status = need_vector(model, name, size, &parts->norms[role], err);
            if (status == PL_OK && config->arch->norm_biases) {
                tensor_name(model, config->arch->norms[role], block, "bias", name);
                status = need_vector(model, name, size, &parts->norm_biases[role], err);
            }
        }
    }
    if (status == PL_OK && config->arch->sinks[0] != NULL) {
        whole_name(model, config->arch->sinks, block, name);
        status = need_vector(model, name, config->heads, &parts->sinks, err);
    }
    parts->n_layers = model->n_layers - parts->first_layer;
    parts->n_sites = model->n_sites - parts->first_site;
    return status;
}

static pl_status find_whole(pl_model *model, pl_names names, const char *ending, size_t rows,
                            const pl_tensor **out, pl_error *err)
{
    char name[128];
    if (is_gguf(model)) {
        snprintf(name, sizeof name, "%s%s", names.gguf, ending);
    } else {
        put_module_name(model->config.body, model->config.head, names.hf, ending, name);
    }
    size_t hidden = model->config.hidden_size;
    return rows > 0 ? need_matrix(model, name, rows, hidden, out, err)
                    : need_vector(model, name, hidden, out, err);
}

/* Layers of all blocks, and (in *sites) sites. */
static size_t count_layers(const pl_config *c, size_t *sites)
{
    size_t layers = 0;
    const pl_role *roles = NULL;
    const size_t attention = attention_roles(c, &roles);
    *sites = 0;
    for (size_t b = 0; b < c->blocks; b++) {
        size_t mlps = (c->block_kind[b] & PL_BLOCK_EXPERTS) != 0
                          ? c->experts + (c->shared_size > 0 ? 1 : 0)
                          : 1;
        layers += attention + (c->gated ? 3 : 2) * mlps;
        *sites += 2 + 2 * mlps + (c->kv_latent == 0 ? 0 : c->q_latent > 0 ? 2 : 1);
    }
    return layers;
}

pl_status pl_model_build_layers(pl_model *model, pl_error *err)
{
    const pl_config *config = &model->config;
    size_t sites = 0;
    size_t count = count_layers(config, &sites);
    model->layers = calloc(count, sizeof *model->layers);
    model->layer_names = calloc(count, sizeof *model->layer_names);
    model->sites = calloc(sites, sizeof *model->sites);
    model->blocks = calloc(config->blocks, sizeof *model->blocks);
    model->layer_ids = calloc(count, sizeof *model->layer_ids);
    model->has_layer_id = calloc(count, sizeof *model->has_layer_id);
    if (model->layers == NULL || model->layer_names == NULL || model->sites == NULL ||
        model->blocks == NULL || model->layer_ids == NULL || model->has_layer_id == NULL) {
        return pl_error_memory(err, "the list of layers");
    }
    const pl_arch *arch = config->arch;
    find_words(model);
    pl_status status =
        find_whole(model, arch->embedding, ".weight", config->vocab_size, &model->embedding, err);
    if (status == PL_OK && arch->positions.hf != NULL) {
        status = find_whole(model, arch->positions, ".weight",
                            arch->position_offset + config->max_positions, &model->positions, err);
    }
    for (size_t block = 0; block < config->blocks && status == PL_OK; block++) {
        status = build_block(model, block, err);
    }
    PL_THEN(find_whole(model, arch->norm, ".weight", 0, &model->norm, err));
    if (status == PL_OK && arch->norm_biases) {
        status = find_whole(model, arch->norm, ".bias", 0, &model->norm_bias, err);
    }
    model->lm_head = model->embedding;
    if (status == PL_OK && !config->tied_embeddings) {
        status =
            find_whole(model, arch->lm_head, ".weight", config->vocab_size, &model->lm_head, err);
    }
    return status;
}

void pl_layer_short(const pl_layer *layer, bool with_part, char *out, size_t capacity)
{
    if (layer->brief != NULL) {
        snprintf(out, capacity, "%s", layer->brief);
        return;
    }
    const char *last = strrchr(layer->name, '.');
    const char *part = last != NULL ? last + 1 : layer->name;
    if ((with_part || layer->needs_part) && last != NULL) {
        const char *s = last;
        while (s > layer->name && s[-1] != '.') {
            s--;
        }
        part = s;
    }
    snprintf(out, capacity, "%zu.%s", layer->block, part);
}
