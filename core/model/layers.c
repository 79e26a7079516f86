#include "core/model/model_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const pl_site_role site_of[PL_ROLE_COUNT] = {
    [PL_ROLE_Q] = PL_SITE_QKV,     [PL_ROLE_K] = PL_SITE_QKV,        [PL_ROLE_V] = PL_SITE_QKV,
    [PL_ROLE_O] = PL_SITE_O,       [PL_ROLE_GATE] = PL_SITE_GATE_UP, [PL_ROLE_UP] = PL_SITE_GATE_UP,
    [PL_ROLE_DOWN] = PL_SITE_DOWN,
};

static const char *const site_names[PL_SITE_ROLE_COUNT] = {
    [PL_SITE_QKV] = "qkv",
    [PL_SITE_O] = "o",
    [PL_SITE_GATE_UP] = "gate_up",
    [PL_SITE_DOWN] = "down",
};

static void format_shape(const uint64_t *dims, size_t count, char *out, size_t capacity)
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

/* The tensor of that name, of shape [rows, cols], or [cols] if rows is 0. */
static pl_status need(const pl_model *model, const char *name, size_t rows, size_t cols,
                      const pl_tensor **out, pl_error *err)
{
    uint64_t wanted[2] = {rows > 0 ? rows : cols, cols};
    size_t n = rows > 0 ? 2 : 1;
    char expected[64];
    char found[192];
    format_shape(wanted, n, expected, sizeof expected);
    const pl_tensor *tensor = pl_checkpoint_find(model->checkpoint, name);
    if (tensor == NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the tensor %s, of shape %s, is missing",
                            model->path, name, expected);
    }
    if (tensor->n_dims != n || memcmp(tensor->dims, wanted, n * sizeof wanted[0]) != 0) {
        format_shape(tensor->dims, tensor->n_dims, found, sizeof found);
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the tensor %s has the shape %s, expected %s",
                            model->path, name, found, expected);
    }
    *out = tensor;
    return PL_OK;
}

static void tensor_name(const pl_model *model, pl_names names, size_t block, const char *suffix,
                        char out[128])
{
    if (pl_checkpoint_container(model->checkpoint) == PL_GGUF) {
        snprintf(out, 128, "blk.%zu.%s.%s", block, names.gguf, suffix);
    } else {
        snprintf(out, 128, "model.layers.%zu.%s.%s", block, names.hf, suffix);
    }
}

static void shape_of(const pl_config *c, pl_role role, size_t *rows, size_t *cols)
{
    size_t wide = role == PL_ROLE_Q || role == PL_ROLE_O ? c->heads : c->kv_heads;
    switch (role) {
    case PL_ROLE_O:
        *rows = c->hidden_size;
        *cols = wide * c->head_dim;
        break;
    case PL_ROLE_GATE:
    case PL_ROLE_UP:
        *rows = c->intermediate_size;
        *cols = c->hidden_size;
        break;
    case PL_ROLE_DOWN:
        *rows = c->hidden_size;
        *cols = c->intermediate_size;
        break;
    default:
        *rows = wide * c->head_dim;
        *cols = c->hidden_size;
        break;
    }
}

static pl_status build_layer(pl_model *model, size_t block, pl_role role, pl_error *err)
{
    const pl_config *config = &model->config;
    const pl_arch *arch = config->arch;
    size_t index = block * PL_ROLE_COUNT + (size_t)role;
    pl_layer *layer = &model->layers[index];
    char name[128];
    *layer = (pl_layer){.name = model->layer_names[index],
                        .block = block,
                        .role = role,
                        .site = block * PL_SITE_ROLE_COUNT + (size_t)site_of[role]};
    snprintf(model->layer_names[index], PL_LAYER_NAME, "model.layers.%zu.%s", block,
             arch->layers[role].hf);
    shape_of(config, role, &layer->rows, &layer->cols);
    tensor_name(model, arch->layers[role], block, "weight", name);
    pl_status status = need(model, name, layer->rows, layer->cols, &layer->tensor, err);
    bool qkv = role == PL_ROLE_Q || role == PL_ROLE_K || role == PL_ROLE_V;
    if (status == PL_OK && qkv && config->qkv_bias) {
        tensor_name(model, arch->layers[role], block, "bias", name);
        status = need(model, name, 0, layer->rows, &layer->bias, err);
    }
    bool gguf = pl_checkpoint_container(model->checkpoint) == PL_GGUF;
    if (gguf && arch->gguf_permuted && (role == PL_ROLE_Q || role == PL_ROLE_K)) {
        layer->unpermute_heads = role == PL_ROLE_Q ? config->heads : config->kv_heads;
    }
    pl_site *site = &model->sites[layer->site];
    site->block = block;
    site->role = site_of[role];
    site->cols = layer->cols;
    site->layers[site->n_layers++] = index;
    snprintf(site->name, sizeof site->name, "model.layers.%zu.%s", block, site_names[site->role]);
    return status;
}

static pl_status find_whole(pl_model *model, pl_names names, size_t rows, const pl_tensor **out,
                            pl_error *err)
{
    char name[128];
    bool gguf = pl_checkpoint_container(model->checkpoint) == PL_GGUF;
    snprintf(name, sizeof name, "%s.weight", gguf ? names.gguf : names.hf);
    return need(model, name, rows, model->config.hidden_size, out, err);
}

static pl_status build_block(pl_model *model, size_t block, pl_error *err)
{
    const pl_arch *arch = model->config.arch;
    size_t hidden = model->config.hidden_size;
    char name[128];
    pl_status status = PL_OK;
    for (int role = 0; role < PL_ROLE_COUNT && status == PL_OK; role++) {
        status = build_layer(model, block, (pl_role)role, err);
    }
    if (status == PL_OK) {
        tensor_name(model, arch->attention_norm, block, "weight", name);
        status = need(model, name, 0, hidden, &model->attention_norms[block], err);
    }
    if (status == PL_OK) {
        tensor_name(model, arch->mlp_norm, block, "weight", name);
        status = need(model, name, 0, hidden, &model->mlp_norms[block], err);
    }
    return status;
}

pl_status pl_model_build_layers(pl_model *model, pl_error *err)
{
    const pl_config *config = &model->config;
    size_t count = config->blocks * PL_ROLE_COUNT;
    model->layers = calloc(count, sizeof *model->layers);
    model->layer_names = calloc(count, sizeof *model->layer_names);
    model->sites = calloc(config->blocks * PL_SITE_ROLE_COUNT, sizeof *model->sites);
    model->attention_norms = calloc(config->blocks, sizeof(pl_tensor *));
    model->mlp_norms = calloc(config->blocks, sizeof(pl_tensor *));
    model->layer_ids = calloc(count, sizeof *model->layer_ids);
    model->has_layer_id = calloc(count, sizeof *model->has_layer_id);
    if (model->layers == NULL || model->layer_names == NULL || model->sites == NULL ||
        model->attention_norms == NULL || model->mlp_norms == NULL || model->layer_ids == NULL ||
        model->has_layer_id == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for the list of layers");
    }
    const pl_arch *arch = config->arch;
    pl_status status =
        find_whole(model, arch->embedding, config->vocab_size, &model->embedding, err);
    for (size_t block = 0; block < config->blocks && status == PL_OK; block++) {
        status = build_block(model, block, err);
    }
    if (status == PL_OK) {
        status = find_whole(model, arch->norm, 0, &model->norm, err);
    }
    model->lm_head = model->embedding;
    if (status == PL_OK && !config->tied_embeddings) {
        status = find_whole(model, arch->lm_head, config->vocab_size, &model->lm_head, err);
    }
    return status;
}

/* ---- Finding a layer by what a person types ---- */

/* Whether the last part of a name means this role: "q_proj", "q", "attn_q". */
static bool means(pl_names names, const char *word, size_t size)
{
    const char *dot = strrchr(names.hf, '.');
    const char *last = dot != NULL ? dot + 1 : names.hf;
    size_t whole = strlen(last);
    const char *under = strrchr(last, '_');
    size_t stem = under != NULL && strcmp(under, "_proj") == 0 ? (size_t)(under - last) : whole;
    return (size == whole && memcmp(word, last, whole) == 0) ||
           (size == stem && memcmp(word, last, stem) == 0) ||
           (size == strlen(names.gguf) && memcmp(word, names.gguf, size) == 0);
}

typedef struct wanted {
    bool has_block;
    size_t block;
    bool has_role;
    pl_role role;
} wanted;

/* Reads "model.layers.15.self_attn.q_proj", "15.down", "blk.3.ffn_up.weight", "q_proj". */
static bool parse(const pl_arch *arch, const char *name, wanted *out)
{
    static const char *const fillers[] = {"model", "layers", "blk", "self_attn", "mlp"};
    *out = (wanted){0};
    size_t size = strlen(name);
    if (size > 7 && strcmp(name + size - 7, ".weight") == 0) {
        size -= 7;
    }
    for (const char *word = name, *end = name + size; word < end;) {
        const char *dot = memchr(word, '.', (size_t)(end - word));
        size_t length = (size_t)((dot != NULL ? dot : end) - word);
        bool known = false;
        if (length > 0 && length < 7 && strspn(word, "0123456789") >= length && !out->has_block) {
            out->has_block = known = true;
            out->block = (size_t)strtoul(word, NULL, 10);
        }
        for (int role = 0; role < PL_ROLE_COUNT && !known; role++) {
            if (dot == NULL && means(arch->layers[role], word, length)) {
                out->has_role = known = true;
                out->role = (pl_role)role;
            }
        }
        for (size_t i = 0; i < sizeof fillers / sizeof fillers[0] && !known; i++) {
            known = strlen(fillers[i]) == length && memcmp(fillers[i], word, length) == 0;
        }
        if (!known) {
            return false;
        }
        word += length + 1;
    }
    return out->has_role;
}

static pl_status not_found(const pl_model *model, const char *name, const wanted *want,
                           pl_error *err)
{
    const pl_arch *arch = model->config.arch;
    if (want->has_role && want->has_block) {
        return pl_error_set(err, PL_ERR_NOT_FOUND, "no layer '%.100s': blocks are 0 to %zu", name,
                            model->config.blocks - 1);
    }
    /* The three nearest, by the full name or without "model.layers.". */
    size_t best[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    const char *names[3] = {"", "", ""};
    size_t count = model->config.blocks * PL_ROLE_COUNT;
    for (size_t i = 0; i < count && strlen(name) < 128; i++) {
        const char *full = model->layers[i].name;
        const char *last = strrchr(arch->layers[model->layers[i].role].hf, '.');
        char brief[PL_LAYER_NAME];
        snprintf(brief, sizeof brief, "%zu%s", model->layers[i].block, last != NULL ? last : "");
        size_t whole = pl_text_distance(name, full);
        size_t part = pl_text_distance(name, brief);
        size_t distance = whole < part ? whole : part;
        for (size_t k = 0; k < 3; k++) {
            if (distance < best[k]) {
                memmove(best + k + 1, best + k, (2 - k) * sizeof best[0]);
                memmove(names + k + 1, names + k, (2 - k) * sizeof names[0]);
                best[k] = distance;
                names[k] = full;
                break;
            }
        }
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND, "no layer '%.100s'; near it are %s%s%s%s%s", name,
                        names[0], names[1][0] != '\0' ? ", " : "", names[1],
                        names[2][0] != '\0' ? ", " : "", names[2]);
}

pl_status pl_model_find_layer(const pl_model *model, const char *name, size_t *index, pl_error *err)
{
    wanted want;
    bool parsed = parse(model->config.arch, name, &want);
    if (parsed && !want.has_block && model->config.blocks == 1) {
        want.has_block = true;
    }
    if (parsed && !want.has_block) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "'%.100s' names a layer of every block; name the block as well, as in "
                            "0.%.100s",
                            name, name);
    }
    if (!parsed || want.block >= model->config.blocks) {
        return not_found(model, name, &want, err);
    }
    *index = want.block * PL_ROLE_COUNT + (size_t)want.role;
    return PL_OK;
}

bool pl_model_layer_matches(const pl_model *model, size_t index, const char *glob)
{
    const pl_layer *layer = &model->layers[index];
    pl_names names = model->config.arch->layers[layer->role];
    char other[128];
    if (strncmp(glob, "blk.", 4) == 0) {
        snprintf(other, sizeof other, "blk.%zu.%s", layer->block, names.gguf);
        return pl_text_glob(glob, other);
    }
    const char *last = strrchr(names.hf, '.');
    snprintf(other, sizeof other, "%zu.%s", layer->block, last != NULL ? last + 1 : names.hf);
    return pl_text_glob(glob, layer->name) || pl_text_glob(glob, other) ||
           pl_text_glob(glob, layer->name + strlen("model.layers."));
}
