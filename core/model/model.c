#include "core/model/model.h"

#include "core/base/checked.h"
#include "core/model/model_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The last part of a path as it is on disk, or a Hugging Face id, escaped. */
char *pl_model_title(const char *path)
{
    char resolved[PATH_MAX];
    const char *name = path;
    if (realpath(path, resolved) != NULL) {
        const char *slash = strrchr(resolved, '/');
        name = slash != NULL && slash[1] != '\0' ? slash + 1 : resolved;
    }
    size_t size = pl_text_escape(name, strlen(name), NULL, 0);
    char *title = malloc(size + 1);
    if (title != NULL) {
        pl_text_escape(name, strlen(name), title, size + 1);
    }
    return title;
}

pl_status pl_model_new(const char *path, pl_model **out, pl_error *err)
{
    *out = NULL;
    pl_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    model->locked_ready = pthread_mutex_init(&model->lock, NULL) == 0;
    model->path = strdup(path);
    model->name = pl_model_title(path);
    pl_status status = PL_OK;
    if (!model->locked_ready || model->path == NULL || model->name == NULL) {
        status = pl_error_memory(err, "%s", path);
    }
    if (status == PL_OK) {
        *out = model;
    } else {
        pl_model_close(model);
    }
    return status;
}

void pl_model_close(pl_model *model)
{
    if (model == NULL) {
        return;
    }
    pl_tokenizer_destroy(model->tokenizer);
    pl_checkpoint_close(model->checkpoint);
    pl_bare_destroy(model->bare);
    if (model->locked_ready) {
        pthread_mutex_destroy(&model->lock);
    }
    for (size_t i = 0; i < model->n_unread; i++) {
        free(model->unread[i].kind);
    }
    free(model->unread);
    free(model->path);
    free(model->name);
    free(model->layers);
    free(model->layer_names);
    free(model->sites);
    free(model->blocks);
    free(model->layer_ids);
    free(model->has_layer_id);
    free(model);
}

const pl_config *pl_model_config(const pl_model *model)
{
    return &model->config;
}

pl_checkpoint *pl_model_checkpoint(const pl_model *model)
{
    return model->checkpoint;
}

const char *pl_model_path(const pl_model *model)
{
    return model->path;
}

const char *pl_model_name(const pl_model *model)
{
    return model->name;
}

uint64_t pl_model_parameters(const pl_model *model)
{
    uint64_t total = 0;
    for (size_t i = 0; i < pl_checkpoint_count(model->checkpoint); i++) {
        total += pl_tensor_elements(pl_checkpoint_tensor(model->checkpoint, i));
    }
    return total;
}

static pl_status make_tokenizer(pl_model *model, pl_error *err)
{
    if (model->bare != NULL) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s holds matrices: it has no tokenizer",
                            model->name);
    }
    if (pl_checkpoint_container(model->checkpoint) == PL_GGUF) {
        return pl_tokenizer_from_gguf(model->checkpoint, &model->tokenizer, err);
    }
    const char *folder = pl_checkpoint_folder(model->checkpoint);
    pl_buf path = {0};
    pl_path_join(&path, folder, "tokenizer.json");
    pl_status status = pl_buf_check(&path, err);
    if (status == PL_OK && access(path.data, F_OK) != 0) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s: the model has no tokenizer: expected a tokenizer.json", folder);
    }
    PL_THEN(
        pl_tokenizer_from_folder(folder, model->config.arch->tokenizer, &model->tokenizer, err));
    pl_buf_deinit(&path);
    return status;
}

pl_status pl_model_need_tokenizer(const pl_model *model, const pl_tokenizer **out, pl_error *err)
{
    pl_model *self = (pl_model *)model; /* the cache below the const surface, under its lock */
    pthread_mutex_lock(&self->lock);
    if (!self->tried) {
        self->tried = true;
        (void)make_tokenizer(self, &self->tokenizer_error);
    }
    *out = self->tokenizer;
    if (self->tokenizer == NULL && err != NULL) {
        *err = self->tokenizer_error;
    }
    pl_status status = self->tokenizer != NULL ? PL_OK : self->tokenizer_error.code;
    pthread_mutex_unlock(&self->lock);
    return status;
}

const pl_tokenizer *pl_model_tokenizer(const pl_model *model)
{
    const pl_tokenizer *tokenizer = NULL;
    return pl_model_need_tokenizer(model, &tokenizer, NULL) == PL_OK ? tokenizer : NULL;
}

size_t pl_model_layer_count(const pl_model *model)
{
    return model->n_layers;
}

const pl_layer *pl_model_layer(const pl_model *model, size_t index)
{
    return &model->layers[index];
}

size_t pl_model_site_count(const pl_model *model)
{
    return model->n_sites;
}

const pl_site *pl_model_site(const pl_model *model, size_t index)
{
    return &model->sites[index];
}

size_t pl_model_block_layers(const pl_model *model, size_t block, size_t *first)
{
    if (model->bare != NULL) {
        *first = block;
        return 0;
    }
    *first = model->blocks[block].first_layer;
    return model->blocks[block].n_layers;
}

size_t pl_model_block_sites(const pl_model *model, size_t block, size_t *first)
{
    if (model->bare != NULL) {
        *first = block;
        return 0;
    }
    *first = model->blocks[block].first_site;
    return model->blocks[block].n_sites;
}

size_t pl_model_most_block_sites(const pl_model *model)
{
    size_t most = 0;
    for (size_t b = 0; b < model->config.blocks; b++) {
        size_t first;
        const size_t count = pl_model_block_sites(model, b, &first);
        most = count > most ? count : most;
    }
    return most;
}

size_t pl_model_widest_input(const pl_model *model)
{
    size_t widest = 0;
    for (size_t i = 0; i < model->n_sites; i++) {
        widest = model->sites[i].cols > widest ? model->sites[i].cols : widest;
    }
    return widest;
}

/* GGUF's llama stores row 2i + j of a head where Hugging Face has row j * half + i (the converter
 * of llama.cpp permutes q and k so, for a RoPE that turns neighbours instead of halves). */
static pl_status read_unpermuted(pl_model *model, const pl_layer *layer, float *out, pl_error *err)
{
    size_t head_rows = layer->rows / layer->unpermute_heads;
    size_t half = head_rows / 2;
    size_t cols = layer->cols;
    pl_status status = PL_OK;
    float *head = pl_alloc(head_rows * cols, sizeof *head);
    if (head == NULL) {
        return pl_error_memory(err, "%s", layer->name);
    }
    for (size_t h = 0; h < layer->unpermute_heads && status == PL_OK; h++) {
        status = pl_checkpoint_read(model->checkpoint, layer->tensor,
                                    layer->first_row + h * head_rows, head_rows, head, err);
        for (size_t i = 0; i < head_rows && status == PL_OK; i++) {
            size_t row = h * head_rows + (i % 2) * half + i / 2;
            memcpy(out + row * cols, head + i * cols, cols * sizeof *out);
        }
    }
    free(head);
    return status;
}

pl_status pl_model_read_columns(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                pl_taken columns, float *out, pl_error *err)
{
    enum { TOGETHER = 64 };
    const size_t all = pl_tensor_cols(tensor), n = tensor->n_dims;
    const size_t rows = n > 1 ? (size_t)tensor->dims[n - 2] : 1, from = columns.slab * rows;
    pl_status status = PL_OK;
    float *piece = pl_alloc(TOGETHER * all, sizeof *piece);
    if (piece == NULL) {
        return pl_error_memory(err, "%s", tensor->name);
    }
    for (size_t at = 0; at < rows && status == PL_OK; at += TOGETHER) {
        const size_t now = rows - at < TOGETHER ? rows - at : TOGETHER;
        status = pl_checkpoint_read(checkpoint, tensor, from + at, now, piece, err);
        for (size_t c = 0; c < columns.count && status == PL_OK; c++) {
            for (size_t r = 0; r < now; r++) {
                out[c * rows + at + r] = piece[r * all + columns.first + c * columns.step];
            }
        }
    }
    free(piece);
    return status;
}

/* kv_b from a GGUF's two tensors. */
static pl_status read_split(pl_model *model, const pl_layer *layer, float *out, pl_error *err)
{
    const size_t heads = (size_t)layer->keys->dims[0], cols = layer->cols;
    const size_t keys = (size_t)layer->keys->dims[2], values = (size_t)layer->tensor->dims[1];
    pl_status status = PL_OK;
    for (size_t h = 0; h < heads && status == PL_OK; h++) {
        float *own = out + h * (keys + values) * cols;
        status = pl_model_read_columns(model->checkpoint, layer->keys, (pl_taken){h, 0, 1, keys},
                                       own, err);
        PL_THEN(pl_checkpoint_read(model->checkpoint, layer->tensor, h * values, values,
                                   own + keys * cols, err));
    }
    return status;
}

/* Every so many-th row of matrix `slab`. */
static pl_status read_stepped(pl_model *model, const pl_layer *layer, float *out, pl_error *err)
{
    enum { TOGETHER = 64 };
    const size_t cols = layer->cols, step = layer->row_step;
    const size_t from =
        layer->slab * (size_t)layer->tensor->dims[layer->tensor->n_dims - 2] + layer->first_row;
    pl_status status = PL_OK;
    float *piece = pl_alloc(TOGETHER * step * cols, sizeof *piece);
    if (piece == NULL) {
        return pl_error_memory(err, "%s", layer->name);
    }
    for (size_t row = 0; row < layer->rows && status == PL_OK; row += TOGETHER) {
        const size_t now = layer->rows - row < TOGETHER ? layer->rows - row : TOGETHER;
        status = pl_checkpoint_read(model->checkpoint, layer->tensor, from + row * step,
                                    (now - 1) * step + 1, piece, err);
        for (size_t r = 0; r < now && status == PL_OK; r++) {
            memcpy(out + (row + r) * cols, piece + r * step * cols, cols * sizeof *out);
        }
    }
    free(piece);
    return status;
}

pl_status pl_model_read_weight(pl_model *model, size_t layer, float *out, pl_error *err)
{
    const pl_layer *wanted = &model->layers[layer];
    if (wanted->transposed) {
        const pl_taken columns = {wanted->slab, wanted->first_row, wanted->row_step, wanted->rows};
        return pl_model_read_columns(model->checkpoint, wanted->tensor, columns, out, err);
    }
    if (wanted->keys != NULL) {
        return read_split(model, wanted, out, err);
    }
    if (wanted->row_step > 1 || wanted->slab > 0) {
        return read_stepped(model, wanted, out, err);
    }
    if (wanted->unpermute_heads > 0) {
        return read_unpermuted(model, wanted, out, err);
    }
    return pl_checkpoint_read(model->checkpoint, wanted->tensor, wanted->first_row, wanted->rows,
                              out, err);
}

pl_status pl_model_read_bias(pl_model *model, size_t layer, float *out, pl_error *err)
{
    const pl_layer *wanted = &model->layers[layer];
    const size_t all = pl_tensor_cols(wanted->bias); /* of experts: [experts, all] */
    const size_t row = wanted->bias->n_dims > 1 ? wanted->expert : 0;
    if (all != wanted->rows) { /* of a fused tensor */
        float *whole = pl_alloc(all, sizeof *whole);
        pl_status read =
            whole == NULL ? pl_error_memory(err, "%s", wanted->name)
                          : pl_checkpoint_read(model->checkpoint, wanted->bias, row, 1, whole, err);
        for (size_t r = 0; read == PL_OK && r < wanted->rows; r++) {
            out[r] = whole[wanted->first_row + r * wanted->row_step];
        }
        free(whole);
        return read;
    }
    pl_status status = pl_checkpoint_read(model->checkpoint, wanted->bias, row, 1, out, err);
    size_t heads = wanted->unpermute_heads;
    size_t head_rows = heads > 0 ? wanted->rows / heads : 0;
    float head[PL_MAX_HEAD_DIM];
    for (size_t h = 0; h < heads && status == PL_OK; h++) {
        memcpy(head, out + h * head_rows, head_rows * sizeof *head);
        for (size_t i = 0; i < head_rows; i++) {
            out[h * head_rows + (i % 2) * (head_rows / 2) + i / 2] = head[i];
        }
    }
    return status;
}

pl_status pl_model_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err)
{
    if (!model->has_id) {
        pl_status status = model->bare != NULL
                               ? pl_bare_identity(model, &model->id, task, err)
                               : pl_checkpoint_identity(model->checkpoint, &model->id, task, err);
        if (status != PL_OK) {
            return status;
        }
        model->has_id = true;
    }
    *out = model->id;
    return PL_OK;
}

bool pl_model_known_identity(const pl_model *model, pl_id *out)
{
    const bool known = model->has_id;
    *out = known ? model->id : (pl_id){0};
    return known;
}

/* A part of a fused tensor: the tensor's identity and which rows; keys: that of layer->keys. */
static pl_status part_identity(const pl_layer *layer, pl_id keys, pl_id *id, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "rows");
        pl_hasher_id(hasher, *id);
        pl_hasher_u64(hasher, (uint64_t)layer->first_row);
        pl_hasher_u64(hasher, (uint64_t)layer->rows);
        if (layer->keys != NULL) {
            pl_hasher_id(hasher, keys);
        }
        if (layer->row_step > 1 || layer->slab > 0) {
            pl_hasher_u64(hasher, (uint64_t)layer->slab);
            pl_hasher_u64(hasher, (uint64_t)layer->row_step);
        }
        *id = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

pl_status pl_model_layer_identity(pl_model *model, size_t layer, pl_id *out, pl_task *task,
                                  pl_error *err)
{
    const pl_layer *wanted = &model->layers[layer];
    if (!model->has_layer_id[layer]) {
        pl_id id = {0};
        pl_status status = pl_tensor_identity(model->checkpoint, wanted->tensor, &id, task, err);
        if (status == PL_OK &&
            pl_tensor_elements(wanted->tensor) != (uint64_t)wanted->rows * wanted->cols) {
            pl_id keys = {0};
            if (wanted->keys != NULL) {
                status = pl_tensor_identity(model->checkpoint, wanted->keys, &keys, task, err);
            }
            PL_THEN(part_identity(wanted, keys, &id, err));
        }
        if (status != PL_OK) {
            return status;
        }
        model->layer_ids[layer] = id;
        model->has_layer_id[layer] = true;
    }
    *out = model->layer_ids[layer];
    return PL_OK;
}
