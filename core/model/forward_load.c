/* Work space of the forward pass, and the weights of one block in it. */
#include "core/base/checked.h"
#include "core/model/bare.h"
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

float *pl_forward_floats(size_t rows, size_t cols, bool *failed)
{
    size_t count = 0;
    float *data = pl_mul(rows, cols, &count) ? pl_alloc(count, sizeof *data) : NULL;
    *failed = *failed || data == NULL;
    return data;
}

/* Angles position * frequency and their cosines, all in float32 as transformers computes them. */
void pl_forward_angles(pl_forward *f, size_t kind, size_t length)
{
    const pl_config *config = &f->model->config;
    size_t half = config->rotary_dim / 2;
    bool other = kind == 1;
    /* Both sets of LongRoPE have the amplitude, the plain one of sliding blocks has not. */
    bool scaled = !other || config->rope == PL_ROPE_LONG;
    float amplitude = scaled ? (float)config->rope_amplitude : 1.0f;
    float frequencies[PL_MAX_HEAD_DIM / 2];
    if (!other || !pl_config_other_frequencies(config, frequencies)) {
        pl_config_frequencies(config, length, frequencies);
    }
    for (size_t t = 0; t < f->positions; t++) {
        for (size_t i = 0; i < half; i++) {
            float angle = (float)t * frequencies[i];
            f->cosine[kind][t * half + i] = cosf(angle) * amplitude;
            f->sine[kind][t * half + i] = sinf(angle) * amplitude;
        }
    }
}

size_t pl_forward_mlp_outputs(const pl_config *config, size_t inner)
{
    return config->gated ? 2 * inner : inner;
}

/* Sizes of the MLP's weights and of its widest inner state, over all kinds of blocks. */
typedef struct mlp_sizes {
    size_t inner; /* widest of one expert or MLP */
    size_t all;   /* rows of down's input over all experts of a block */
    bool experts;
} mlp_sizes;

static mlp_sizes measure_mlp(const pl_config *c)
{
    mlp_sizes m = {0};
    for (size_t b = 0; b < c->blocks; b++) {
        bool mixed = (c->block_kind[b] & PL_BLOCK_EXPERTS) != 0;
        size_t inner = !mixed                            ? c->intermediate_size
                       : c->shared_size > c->expert_size ? c->shared_size
                                                         : c->expert_size;
        size_t all = mixed ? c->experts * c->expert_size + c->shared_size : inner;
        m.inner = inner > m.inner ? inner : m.inner;
        m.all = all > m.all ? all : m.all;
        m.experts = m.experts || mixed;
    }
    return m;
}

static bool allocate_experts(pl_forward *f, const pl_config *c)
{
    bool failed = false;
    f->routed = pl_forward_floats(f->max_length, c->hidden_size, &failed);
    f->mixed = pl_forward_floats(f->max_length, c->hidden_size, &failed);
    f->shares = pl_forward_floats(f->max_length, c->experts, &failed);
    f->choice = pl_forward_floats(1, c->experts, &failed);
    f->tokens = pl_alloc(f->max_length, sizeof *f->tokens);
    return !failed && f->tokens != NULL;
}

/* Outputs of all layers of a site, but for experts, which have no biases. */
static size_t outputs_of(const pl_forward *f, const pl_config *c, pl_site_role role)
{
    return role == PL_SITE_QKV       ? f->outputs
           : role == PL_SITE_GATE_UP ? pl_forward_mlp_outputs(c, c->intermediate_size)
                                     : c->hidden_size;
}

bool pl_block_weights_init(pl_block_weights *weights, const pl_forward *f)
{
    const pl_config *c = &f->model->config;
    const mlp_sizes mlp = measure_mlp(c);
    bool failed = false;
    *weights = (pl_block_weights){.block = SIZE_MAX};
    weights->qkv = pl_forward_floats(f->outputs, c->hidden_size, &failed);
    for (int role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        weights->biases[role] = pl_forward_floats(outputs_of(f, c, (pl_site_role)role), 1, &failed);
    }
    weights->o = pl_forward_floats(c->hidden_size, f->o_cols, &failed);
    if (c->kv_latent > 0) {
        weights->q_b = pl_forward_floats(f->q_rows, c->q_latent, &failed);
        weights->kv_b = pl_forward_floats(pl_model_kv_b_rows(c), c->kv_latent, &failed);
    }
    weights->gate_up =
        pl_forward_floats(pl_forward_mlp_outputs(c, mlp.all), c->hidden_size, &failed);
    weights->down = pl_forward_floats(c->hidden_size, mlp.all, &failed);
    for (size_t role = 0; role < PL_NORM_COUNT; role++) {
        const size_t size = pl_model_norm_size(c, (pl_norm_role)role);
        if (c->arch->norms[role].hf != NULL && size > 0) {
            weights->norms[role] = pl_forward_floats(size, 1, &failed);
        }
        if (c->arch->norms[role].hf != NULL && c->arch->norm_biases) {
            weights->norm_biases[role] =
                pl_forward_floats(pl_model_norm_size(c, (pl_norm_role)role), 1, &failed);
        }
    }
    if (mlp.experts) {
        weights->router = pl_forward_floats(c->experts, c->hidden_size, &failed);
        weights->shared_gate = pl_forward_floats(1, c->hidden_size, &failed);
        weights->score_bias = pl_forward_floats(1, c->experts, &failed);
    }
    if (mlp.experts && c->arch->experts->biased) {
        weights->router_bias = pl_forward_floats(1, c->experts, &failed);
        weights->expert_biases[0] = pl_forward_floats(c->experts, 2 * c->expert_size, &failed);
        weights->expert_biases[1] = pl_forward_floats(c->experts, c->hidden_size, &failed);
    }
    if (c->arch->sinks[0] != NULL) {
        weights->sinks = pl_forward_floats(1, c->heads, &failed);
    }
    return !failed;
}

void pl_block_weights_free(pl_block_weights *weights)
{
    free(weights->qkv);
    free(weights->o);
    free(weights->gate_up);
    free(weights->down);
    free(weights->router);
    free(weights->shared_gate);
    free(weights->score_bias);
    free(weights->router_bias);
    free(weights->expert_biases[0]);
    free(weights->expert_biases[1]);
    free(weights->sinks);
    free(weights->q_b);
    free(weights->kv_b);
    for (size_t role = 0; role < PL_NORM_COUNT; role++) {
        free(weights->norms[role]);
        free(weights->norm_biases[role]);
    }
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free(weights->biases[role]);
    }
    *weights = (pl_block_weights){.block = SIZE_MAX};
}

static bool allocate_forward(pl_forward *f, const pl_config *c)
{
    bool failed = !pl_block_weights_init(&f->w, f);
    mlp_sizes mlp = measure_mlp(c);
    size_t hidden = c->hidden_size;
    size_t length = f->max_length;
    f->final_norm = pl_forward_floats(hidden, 1, &failed);
    f->final_bias = c->arch->norm_biases ? pl_forward_floats(hidden, 1, &failed) : NULL;
    f->pending = c->arch->parallel ? pl_forward_floats(length, hidden, &failed) : NULL;
    bool two = c->rope_local_theta > 0 ||
               (c->rope == PL_ROPE_LONG && f->positions > c->rope_original_positions);
    for (size_t kind = 0; kind < (two ? 2 : 1); kind++) {
        f->cosine[kind] = pl_forward_floats(f->positions, c->rotary_dim / 2, &failed);
        f->sine[kind] = pl_forward_floats(f->positions, c->rotary_dim / 2, &failed);
    }
    f->normed = pl_forward_floats(length, hidden, &failed);
    const size_t made = c->kv_latent > 0 ? pl_model_kv_b_rows(c) : f->kv_rows + f->value_rows;
    f->qkv = pl_forward_floats(length, f->q_rows + made, &failed);
    f->k = pl_forward_floats(length, f->kv_rows, &failed);
    f->v = pl_forward_floats(length, f->value_rows, &failed);
    f->attended = pl_forward_floats(length, f->o_cols, &failed);
    if (c->kv_latent > 0) {
        const size_t wider = c->q_latent > c->kv_latent ? c->q_latent : c->kv_latent;
        f->latent = pl_forward_floats(length, f->outputs, &failed);
        f->low = pl_forward_floats(length, wider > c->rotary_dim ? wider : c->rotary_dim, &failed);
    }
    f->gate_up = pl_forward_floats(length, pl_forward_mlp_outputs(c, mlp.inner), &failed);
    f->act = pl_forward_floats(length, mlp.inner, &failed);
    f->scratch_stride =
        pl_attend_scratch(c->heads, c->kv_heads, c->head_dim, c->value_dim, f->positions);
    f->scratch = pl_forward_floats(f->scratch_threads, f->scratch_stride, &failed);
    return !failed && (!mlp.experts || allocate_experts(f, c));
}

pl_status pl_forward_create(pl_model *model, size_t max_length, pl_forward **out, pl_error *err)
{
    return pl_forward_create_at(model, max_length, max_length, out, err);
}

pl_status pl_forward_create_at(pl_model *model, size_t max_length, size_t positions,
                               pl_forward **out, pl_error *err)
{
    *out = NULL;
    const pl_config *config = pl_model_config(model);
    pl_status able = pl_model_need_forward(model, "this", err);
    if (able != PL_OK) {
        return able;
    }
    if (max_length == 0 || max_length > (size_t)1 << 24) {
        return pl_error_set(err, PL_ERR_USAGE, "a window of %zu tokens: expected 1 to 16777216",
                            max_length);
    }
    pl_forward *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return pl_error_memory(err, "the forward pass");
    }
    f->model = model;
    f->max_length = max_length;
    f->positions = positions;
    f->q_rows = config->heads * config->head_dim;
    f->kv_rows = config->kv_heads * config->head_dim;
    f->value_rows = config->kv_heads * config->value_dim;
    f->o_cols = config->heads * config->value_dim;
    f->outputs = f->q_rows + f->kv_rows + f->value_rows;
    f->q_stride = f->outputs;
    if (config->kv_latent > 0) {
        f->outputs = (config->q_latent > 0 ? config->q_latent : f->q_rows) + config->kv_latent +
                     config->rotary_dim;
        f->q_stride = f->q_rows;
    }
    int threads = pl_linalg_threads();
    f->scratch_threads = threads > 0 ? (size_t)threads : 1;
    if (!allocate_forward(f, config)) {
        pl_forward_destroy(f);
        return pl_error_memory(err, "a forward pass over %zu tokens", max_length);
    }
    for (size_t kind = 0; kind < 2 && f->cosine[kind] != NULL; kind++) {
        pl_forward_angles(f, kind, 0);
    }
    *out = f;
    return PL_OK;
}

void pl_forward_destroy(pl_forward *f)
{
    if (f == NULL) {
        return;
    }
    float *const owned[] = {f->final_norm, f->lm_head, f->cosine[0], f->cosine[1], f->sine[0],
                            f->sine[1],    f->normed,  f->qkv,       f->k,         f->v,
                            f->attended,   f->gate_up, f->act,       f->scratch,   f->routed,
                            f->mixed,      f->shares,  f->logits,    f->logits_in, f->final_bias,
                            f->pending,    f->latent,  f->low,       f->choice};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        free(owned[i]);
    }
    pl_block_weights_free(&f->w);
    free(f->tokens);
    free(f);
}

static pl_status load_vector(pl_forward *f, const pl_tensor *tensor, float *out, pl_error *err)
{
    return pl_checkpoint_read(f->model->checkpoint, tensor, 0, pl_tensor_rows(tensor), out, err);
}

pl_status pl_forward_gain(pl_forward *forward, const pl_tensor *tensor, float *out, pl_error *err)
{
    pl_status status = load_vector(forward, tensor, out, err);
    size_t size = (size_t)pl_tensor_elements(tensor);
    for (size_t i = 0; status == PL_OK && forward->model->config.unit_norms && i < size; i++) {
        out[i] += 1.0f;
    }
    return status;
}

float *pl_forward_place(const pl_forward *f, const pl_layer *layer)
{
    const pl_config *c = &f->model->config;
    size_t hidden = c->hidden_size;
    size_t before = layer->expert == PL_NO_EXPERT       ? 0
                    : layer->expert == PL_SHARED_EXPERT ? c->experts * c->expert_size
                                                        : layer->expert * c->expert_size;
    switch (layer->role) {
    case PL_ROLE_K:
        return f->w.qkv + f->q_rows * hidden;
    case PL_ROLE_V:
        return f->w.qkv + (f->q_rows + f->kv_rows) * hidden;
    case PL_ROLE_O:
        return f->w.o;
    case PL_ROLE_KV_A:
        return f->w.qkv + (f->outputs - layer->rows) * hidden;
    case PL_ROLE_Q_B:
        return f->w.q_b;
    case PL_ROLE_KV_B:
        return f->w.kv_b;
    case PL_ROLE_GATE:
        return f->w.gate_up + 2 * before * hidden;
    case PL_ROLE_UP:
        return f->w.gate_up + (c->gated ? 2 * before + layer->rows : before) * hidden;
    case PL_ROLE_DOWN:
        return f->w.down + before * hidden;
    default:
        return f->w.qkv;
    }
}

/* Where a layer's outputs begin among those of its site. */
static size_t first_output(const pl_forward *f, const pl_layer *layer)
{
    return layer->role == PL_ROLE_K      ? f->q_rows
           : layer->role == PL_ROLE_V    ? f->q_rows + f->kv_rows
           : layer->role == PL_ROLE_KV_A ? f->outputs - layer->rows
           : layer->role == PL_ROLE_UP   ? (f->model->config.gated ? layer->rows : 0)
                                         : 0;
}

float *pl_forward_biases(const pl_forward *f, const pl_site *site)
{
    const pl_config *c = &f->model->config;
    const bool down = site->role == PL_SITE_DOWN;
    if (site->expert < PL_SHARED_EXPERT) {
        float *all = f->w.expert_biases[down ? 1 : 0];
        return all == NULL ? NULL
                           : all + site->expert * (down ? c->hidden_size : 2 * c->expert_size);
    }
    const bool some = site->expert == PL_NO_EXPERT && site->role < PL_SITE_ROLE_COUNT;
    return some && f->w.biased[site->role] ? f->w.biases[site->role] : NULL;
}

static pl_status load_layer(pl_forward *f, size_t layer, const pl_hooks *hooks, pl_error *err)
{
    const pl_layer *info = &f->model->layers[layer];
    float *out = pl_forward_place(f, info);
    int provided = 0;
    pl_status status = PL_OK;
    if (hooks != NULL && hooks->weight != NULL) {
        status = hooks->weight(hooks->ctx, layer, out, &provided, err);
    }
    if (status == PL_OK && !provided) {
        status = pl_model_read_weight(f->model, layer, out, err);
    }
    if (status == PL_OK && info->bias != NULL) {
        const pl_site *site = &f->model->sites[info->site];
        f->w.biased[site->role] = site->expert == PL_NO_EXPERT;
        status = pl_model_read_bias(f->model, layer,
                                    pl_forward_biases(f, site) + first_output(f, info), err);
    }
    return status;
}

/* role: of the layers; PL_SITE_ROLE_COUNT: all. */
static pl_status load_layers(pl_forward *f, const pl_block_parts *parts, pl_site_role role,
                             const pl_hooks *hooks, pl_task *task, pl_error *err)
{
    const pl_model *model = f->model;
    pl_status status = PL_OK;
    for (int r = 0; r < PL_SITE_ROLE_COUNT; r++) {
        if (role == PL_SITE_ROLE_COUNT || r == (int)role) {
            size_t outputs = outputs_of(f, &model->config, (pl_site_role)r);
            memset(f->w.biases[r], 0, outputs * sizeof(float));
            f->w.biased[r] = false;
        }
    }
    for (size_t i = 0; i < parts->n_layers && status == PL_OK; i++) {
        const size_t layer = parts->first_layer + i;
        if (role == PL_SITE_ROLE_COUNT || model->sites[model->layers[layer].site].role == role) {
            status = load_layer(f, layer, hooks, err);
            PL_THEN(pl_task_tick(task, err));
        }
    }
    return status;
}

/* Everything of a block but its layers. */
static pl_status load_rest(pl_forward *f, const pl_block_parts *parts, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t role = 0; role < PL_NORM_COUNT && status == PL_OK; role++) {
        if (parts->norms[role] != NULL) {
            status = pl_forward_gain(f, parts->norms[role], f->w.norms[role], err);
        }
        if (status == PL_OK && parts->norm_biases[role] != NULL) {
            status = load_vector(f, parts->norm_biases[role], f->w.norm_biases[role], err);
        }
    }
    if (status == PL_OK && parts->router != NULL) {
        status = load_vector(f, parts->router, f->w.router, err);
    }
    if (status == PL_OK && f->w.score_bias != NULL) {
        memset(f->w.score_bias, 0, f->model->config.experts * sizeof(float));
    }
    if (status == PL_OK && parts->router_bias != NULL) {
        status = load_vector(f, parts->router_bias, f->w.router_bias, err);
    }
    if (status == PL_OK && parts->sinks != NULL) {
        status = load_vector(f, parts->sinks, f->w.sinks, err);
    }
    if (status == PL_OK && parts->score_bias != NULL) {
        status = load_vector(f, parts->score_bias, f->w.score_bias, err);
    }
    if (status == PL_OK && parts->shared_gate != NULL) {
        status = load_vector(f, parts->shared_gate, f->w.shared_gate, err);
    }
    return status;
}

pl_status pl_forward_load(pl_forward *forward, size_t block, const pl_hooks *hooks, pl_task *task,
                          pl_error *err)
{
    const pl_block_parts *parts = &forward->model->blocks[block];
    forward->w.block = SIZE_MAX;
    pl_status status = load_layers(forward, parts, PL_SITE_ROLE_COUNT, hooks, task, err);
    PL_THEN(load_rest(forward, parts, err));
    forward->w.block = status == PL_OK ? block : SIZE_MAX;
    return status;
}

pl_status pl_forward_part_begin(pl_forward *forward, size_t block, pl_error *err)
{
    forward->w.block = SIZE_MAX;
    pl_status status = load_rest(forward, &forward->model->blocks[block], err);
    forward->w.block = status == PL_OK ? block : SIZE_MAX;
    return status;
}

pl_status pl_forward_part_load(pl_forward *forward, pl_site_role role, const pl_hooks *hooks,
                               pl_task *task, pl_error *err)
{
    return load_layers(forward, &forward->model->blocks[forward->w.block], role, hooks, task, err);
}
