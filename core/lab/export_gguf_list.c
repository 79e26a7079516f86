/* The tensors and keys of an export as one GGUF: the opened GGUF's, or of a Hugging Face folder
 * those that llama.cpp's converter makes of it. */
#include "core/base/checked.h"
#include "core/base/text.h"
#include "core/lab/export_gguf.h"
#include "core/lab/weights.h"
#include "core/model/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t pl_gguf_elements(const pl_gguf_item *it)
{
    return pl_dims_elements(it->dims, it->n_dims);
}

size_t pl_gguf_cols(const pl_gguf_item *it)
{
    return it->n_dims > 0 ? (size_t)it->dims[it->n_dims - 1] : 1;
}

size_t pl_gguf_row_there(size_t rows, size_t heads, size_t row)
{
    if (heads == 0) {
        return row;
    }
    const size_t head = rows / heads, i = row % head;
    return row - i + i % 2 * (head / 2) + i / 2;
}

static pl_status add_layer(pl_gguf_item *it, size_t layer, pl_error *err)
{
    size_t *grown = realloc(it->layers, (it->n_layers + 1) * sizeof *grown);
    if (grown == NULL) {
        return pl_export_no_memory(err);
    }
    it->layers = grown;
    it->layers[it->n_layers++] = layer;
    return PL_OK;
}

/* --- from a GGUF ------------------------------------------------------------------------------ */

static int compare_rows(const void *a, const void *b, void *model)
{
    const size_t x = pl_model_layer(model, *(const size_t *)a)->first_row;
    const size_t y = pl_model_layer(model, *(const size_t *)b)->first_row;
    return x < y ? -1 : x > y;
}

static pl_status list_same(pl_gguf_file *f, pl_error *err)
{
    pl_checkpoint *checkpoint = f->x->checkpoint;
    pl_model *model = f->x->model;
    f->count = pl_checkpoint_count(checkpoint);
    f->items = calloc(f->count + 1, sizeof *f->items);
    pl_status status = f->items == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t i = 0; status == PL_OK && i < f->count; i++) {
        pl_gguf_item *it = &f->items[i];
        const pl_tensor *tensor = pl_checkpoint_tensor(checkpoint, i);
        it->tensor = tensor;
        it->copied = true;
        it->dtype = tensor->dtype;
        it->bytes = tensor->bytes;
        it->n_dims = tensor->n_dims;
        memcpy(it->dims, tensor->dims, sizeof it->dims);
        snprintf(it->type, sizeof it->type, "%s", tensor->dtype_name);
        if ((size_t)snprintf(it->name, sizeof it->name, "%s", tensor->name) >= sizeof it->name) {
            status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                  "export: tensor %s has a name of more than %zu bytes",
                                  tensor->name, sizeof it->name - 1);
        }
    }
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(model); i++) {
        if (pl_model_layer(model, i)->keys != NULL) {
            if (pl_state_result(f->x->cx.state, i) != NULL) {
                return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                    "export: format=gguf: %s is solved, and this GGUF has it in "
                                    "two tensors (attn_k_b, attn_v_b), whose codes its own are "
                                    "not: expected format=hf",
                                    pl_model_layer(model, i)->name);
            }
            continue; /* as it is in the file */
        }
        status = add_layer(
            &f->items[pl_model_layer(model, i)->tensor - pl_checkpoint_tensor(checkpoint, 0)], i,
            err);
    }
    for (size_t i = 0; status == PL_OK && i < f->count; i++) {
        pl_gguf_item *it = &f->items[i];
        if (it->n_layers > 0) {
            qsort_r(it->layers, it->n_layers, sizeof *it->layers, compare_rows, model);
        }
    }
    return status == PL_OK ? pl_gguf_keys_copy(checkpoint, &f->keys, err) : status;
}

/* --- from a Hugging Face folder --------------------------------------------------------------- */

/* What llama.cpp wants in float32 whatever the rest is in: vectors, routers, learned positions, and
 * the biases of experts. */
static bool stays_single(const pl_gguf_item *it)
{
    return it->n_dims == 1 || strstr(it->name, "ffn_gate_inp") != NULL ||
           strstr(it->name, "position_embd") != NULL || pl_text_ends(it->name, ".bias");
}

/* A type that was asked for; float16 where rows are no whole blocks of it, as llama.cpp's converter
 * has it. */
static pl_dtype wanted_type(const pl_exporter *x, const pl_gguf_item *it)
{
    const pl_dtype dtype = x->spec->dtype;
    return pl_gguf_cols(it) % pl_dtype_block(dtype) == 0 ? dtype : PL_F16;
}

/* Floats of a source. */
static pl_dtype float_type(const pl_exporter *x, const pl_gguf_item *it)
{
    if (stays_single(it)) {
        return PL_F32;
    }
    const bool blocks = it->tensor->packed != NULL && it->tensor->n_dims == 3; /* gpt_oss's */
    return x->spec->dtype != PL_DTYPE_OTHER                            ? wanted_type(x, it)
           : blocks                                                    ? PL_MXFP4
           : it->tensor->packed != NULL || it->tensor->dtype > PL_BF16 ? PL_F32
                                                                       : it->tensor->dtype;
}

/* The item of that name, or a new one: experts of a kind are stacked in one. */
static pl_status take_item(pl_gguf_file *f, const pl_named_tensor *named, pl_gguf_item **out,
                           pl_error *err)
{
    for (size_t i = f->count; i > 0 && named->layer != SIZE_MAX; i--) {
        if (strcmp(f->items[i - 1].name, named->gguf) == 0) {
            *out = &f->items[i - 1];
            return PL_OK;
        }
    }
    pl_gguf_item *grown = realloc(f->items, (f->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return pl_export_no_memory(err);
    }
    f->items = grown;
    pl_gguf_item *it = *out = &grown[f->count++];
    *it = (pl_gguf_item){.tensor = named->tensor, .named = *named, .n_dims = named->n_dims};
    snprintf(it->name, sizeof it->name, "%s", named->gguf);
    it->dims[0] = named->dims[0];
    it->dims[1] = named->dims[1];
    if (it->n_dims == 2 && it->dims[0] == 1) { /* the gate of a shared expert */
        it->n_dims = 1;
        it->dims[0] = it->dims[1];
    }
    return PL_OK;
}

/* A tensor of all experts: gate and up, which Hugging Face has in one, are one each.  A bias is a
 * row of an expert, read from its layer. */
static pl_status add_stacked(pl_gguf_file *f, const pl_named_tensor *named, pl_error *err)
{
    const bool bias = named->bias_of != SIZE_MAX;
    const size_t first = bias ? named->bias_of : named->layer, experts = (size_t)named->dims[0];
    pl_status status = PL_OK;
    for (size_t part = 0; status == PL_OK && part < named->together; part++) {
        const pl_layer *info = pl_model_layer(f->x->model, first + part);
        pl_named_tensor own = *named;
        pl_gguf_item *it = NULL;
        pl_model_gguf_name(f->x->model, first + part, bias ? ".bias" : ".weight", own.gguf);
        own.bias_of = bias ? first + part : SIZE_MAX;
        status = take_item(f, &own, &it, err);
        if (status != PL_OK) {
            break;
        }
        it->n_dims = bias ? 2 : 3;
        it->dims[0] = experts;
        it->dims[1] = info->rows;
        it->dims[2] = bias ? 0 : info->cols;
        for (size_t e = 0; status == PL_OK && !bias && e < experts; e++) {
            status = add_layer(
                it, pl_model_stacked(first, named->together, e * named->together + part), err);
        }
    }
    return status;
}

static pl_status add_named(pl_gguf_file *f, const pl_named_tensor *named, pl_error *err)
{
    pl_gguf_item *it = NULL;
    pl_status status = take_item(f, named, &it, err);
    for (size_t i = 0; status == PL_OK && named->layer != SIZE_MAX && i < named->layers; i++) {
        status = add_layer(it, named->layer + i, err);
    }
    if (status == PL_OK && named->layer != SIZE_MAX && it->n_layers > named->layers) {
        it->n_dims = 3;
        it->dims[0] = it->n_layers;
        it->dims[1] = named->dims[0];
        it->dims[2] = named->dims[1];
    }
    return status;
}

static pl_status add_vectors(pl_gguf_file *f, pl_error *err)
{
    const pl_config *config = pl_model_config(f->x->model);
    const size_t count = pl_config_gguf_tensors(config, f->vectors);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_named_tensor named = {.layer = SIZE_MAX, .n_dims = 1, .dims = {config->rotary_dim / 2}};
        pl_gguf_item *it = NULL;
        snprintf(named.gguf, sizeof named.gguf, "%s", f->vectors[i].name);
        status = take_item(f, &named, &it, err);
        if (status == PL_OK) {
            it->vector = f->vectors[i].values;
        }
    }
    return status;
}

/* The tokenizer, what ends a text, the chat template. */
static pl_status put_text_keys(pl_gguf_file *f, pl_error *err)
{
    pl_model *model = f->x->model;
    const pl_config *config = pl_model_config(model);
    const pl_tokenizer *tokenizer = NULL;
    int32_t ends[PL_MAX_ENDS];
    size_t n_ends = 0;
    pl_buf template = {0};
    int32_t pad = -1;
    pl_status status = pl_gguf_put_about(f, err);
    PL_THEN(pl_model_need_tokenizer(model, &tokenizer, err));
    PL_THEN(pl_chat_ends(model, ends, &n_ends, err));
    PL_THEN(pl_tokenizer_to_gguf(tokenizer, config->vocab_size, (int32_t)config->bos_id,
                                 n_ends > 0 ? ends[0] : -1, &f->keys, err));
    PL_THEN(pl_chat_template(model, &template, err));
    PL_THEN(pl_chat_pad(model, &pad, err));
    if (status == PL_OK && pad >= 0) {
        pl_gguf_put_u32(&f->keys, "tokenizer.ggml.padding_token_id", (uint32_t)pad);
    }
    if (status == PL_OK && n_ends > 1) {
        pl_gguf_put_u32(&f->keys, "tokenizer.ggml.eot_token_id", (uint32_t)ends[1]);
    }
    if (status == PL_OK && template.size > 0) {
        pl_gguf_put_text(&f->keys, "tokenizer.chat_template", template.data, template.size);
    }
    pl_buf_deinit(&template);
    return status;
}

static pl_status list_converted(pl_gguf_file *f, pl_error *err)
{
    pl_named_tensor named;
    pl_status status = pl_config_to_gguf(pl_model_config(f->x->model), &f->keys, err);
    PL_THEN(put_text_keys(f, err));
    for (size_t i = 0; status == PL_OK && pl_model_named_tensor(f->x->model, i, &named); i++) {
        if (named.tensor != NULL) {
            status = named.together > 0 ? add_stacked(f, &named, err) : add_named(f, &named, err);
        }
    }
    PL_THEN(add_vectors(f, err));
    for (size_t i = 0; status == PL_OK && i < f->count; i++) {
        pl_gguf_item *it = &f->items[i];
        size_t bytes = 0;
        it->dtype = it->vector != NULL ? PL_F32 : float_type(f->x, it);
        snprintf(it->type, sizeof it->type, "%s", pl_dtype_name(it->dtype));
        if (!pl_dtype_bytes(it->dtype, (size_t)pl_gguf_elements(it), &bytes)) {
            status = pl_export_no_memory(err);
        }
        it->bytes = bytes;
    }
    return status;
}

pl_status pl_gguf_list(pl_gguf_file *f, pl_error *err)
{
    f->from_hf = pl_checkpoint_container(f->x->checkpoint) != PL_GGUF;
    return f->from_hf ? list_converted(f, err) : list_same(f, err);
}

/* --- a folded model --------------------------------------------------------------------------- */

pl_status pl_gguf_make_floats(pl_gguf_item *it, pl_dtype dtype, pl_error *err)
{
    size_t bytes = 0;
    it->copied = false;
    it->dtype = dtype;
    snprintf(it->type, sizeof it->type, "%s", pl_dtype_name(dtype));
    if (!pl_dtype_bytes(dtype, (size_t)pl_gguf_elements(it), &bytes)) {
        return pl_export_no_memory(err);
    }
    it->bytes = bytes;
    return PL_OK;
}

/* lm_head of a rotated model whose head was the embedding: they are turned differently. */
static pl_status add_head(pl_gguf_file *f, const pl_gguf_item *embedding, pl_error *err)
{
    pl_gguf_item head = *embedding;
    snprintf(head.name, sizeof head.name, "output.weight");
    head.part = PL_PART_HEAD;
    pl_gguf_item *grown = realloc(f->items, (f->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return pl_export_no_memory(err);
    }
    f->items = grown;
    f->items[f->count++] = head;
    return PL_OK;
}

/* The item that holds such a tensor's values, or NULL. */
static pl_gguf_item *item_of(pl_gguf_file *f, const pl_named_tensor *named)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].tensor == named->tensor && f->items[i].n_layers == 0) {
            return &f->items[i];
        }
    }
    return NULL;
}

pl_status pl_gguf_fold_items(pl_gguf_file *f, pl_error *err)
{
    pl_exporter *x = f->x;
    pl_named_tensor named;
    pl_status status = PL_OK;
    const pl_gguf_item *embedding = NULL;
    for (size_t i = 0; status == PL_OK && pl_model_named_tensor(x->model, i, &named); i++) {
        pl_gguf_item *it =
            named.tensor != NULL && named.layer == SIZE_MAX ? item_of(f, &named) : NULL;
        if (it == NULL) {
            continue;
        }
        it->part = pl_model_stream_part(x->model, it->tensor, &it->part_of);
        it->part_of = named.bias_of != SIZE_MAX ? named.bias_of : it->part_of;
        embedding = it->part == PL_PART_EMBEDDING ? it : embedding;
        if (!f->from_hf && pl_fold_changes(&x->fold, it->part)) {
            const bool floats = pl_dtype_block(it->tensor->dtype) == 1;
            it->named = named;
            status = pl_gguf_make_floats(it,
                                         it->n_dims == 1 ? PL_F32
                                         : floats        ? it->tensor->dtype
                                                         : PL_F16,
                                         err);
        }
    }
    const bool unties =
        pl_model_config(x->model)->tied_embeddings && pl_fold_turns_stream(&x->fold);
    return status == PL_OK && unties && embedding != NULL ? add_head(f, embedding, err) : status;
}

/* --- a model as it is ------------------------------------------------------------------------- */

pl_status pl_gguf_plan_original(const pl_gguf_file *f, pl_gguf_item *it, pl_error *err)
{
    pl_exporter *x = f->x;
    pl_status status = PL_OK;
    if (!f->from_hf && (x->spec->dtype == PL_DTYPE_OTHER || stays_single(it))) {
        return PL_OK;
    }
    if (!f->from_hf) {
        status = pl_gguf_make_floats(it, wanted_type(x, it), err);
    }
    const bool same = it->dtype == PL_MXFP4; /* blocks of the same values */
    it->rounded = pl_dtype_block(it->dtype) > 1;
    x->report.packed += it->rounded ? it->n_layers : 0;
    x->report.requantized += it->rounded && !same ? it->n_layers : 0;
    return status;
}

/* --- copies of values ------------------------------------------------------------------------- */

enum { PIECE = 1 << 20 }; /* elements at once, about */

static size_t rows_at_once(const pl_gguf_item *it)
{
    const size_t cols = pl_gguf_cols(it);
    const bool whole = it->n_dims == 1 || it->named.gguf_heads > 0;
    const size_t rows = (size_t)pl_gguf_elements(it) / cols;
    return whole || cols > PIECE || PIECE / cols > rows ? rows : PIECE / cols;
}

/* Biases of experts from `first` on, a row each. */
static pl_status read_expert_biases(pl_exporter *x, const pl_gguf_item *it, size_t first,
                                    size_t count, float *out, pl_error *err)
{
    const size_t cols = pl_gguf_cols(it);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const size_t layer = pl_model_stacked(it->named.bias_of, 1, first + i);
        status = pl_model_read_bias(x->model, layer, out + i * cols, err);
        if (x->spec->fold) {
            PL_THEN(pl_fold_rows(&x->fold, PL_PART_BIAS, layer, out + i * cols, 1, cols, err));
        }
    }
    return status;
}

/* Rows from `first` on as llama.cpp has them. */
static pl_status read_rows(pl_exporter *x, const pl_gguf_item *it, size_t first, size_t count,
                           float *out, pl_error *err)
{
    const size_t cols = pl_gguf_cols(it);
    if (it->vector != NULL) {
        memcpy(out, it->vector, count * cols * sizeof *out);
        return PL_OK;
    }
    if (it->named.tensor == NULL) { /* of a GGUF, which has them so */
        return pl_checkpoint_read(x->checkpoint, it->tensor, first, count, out, err);
    }
    if (it->named.together > 0 && it->named.bias_of != SIZE_MAX) {
        return read_expert_biases(x, it, first, count, out, err);
    }
    const float add = it->named.gguf_add - it->named.add; /* to what Hugging Face's files hold */
    pl_status status = pl_model_read_named(x->model, &it->named, first, count, out, err);
    if (x->spec->fold) {
        PL_THEN(pl_fold_rows(&x->fold, it->part, it->part_of, out, count, cols, err));
    }
    for (size_t i = 0; status == PL_OK && i < count * cols; i++) {
        out[i] += add;
    }
    if (status != PL_OK || it->named.gguf_heads == 0) {
        return status;
    }
    float *rows = pl_alloc(cols, sizeof *rows); /* a bias: a row is one number */
    if (rows == NULL) {
        return pl_export_no_memory(err);
    }
    memcpy(rows, out, cols * sizeof *rows);
    for (size_t i = 0; i < cols; i++) {
        out[i] = rows[pl_gguf_row_there(cols, it->named.gguf_heads, i)];
    }
    free(rows);
    return PL_OK;
}

void pl_gguf_encode(pl_dtype dtype, const float *values, size_t count, uint8_t *out)
{
    const size_t block = pl_dtype_block(dtype);
    if (block == 1) {
        pl_dtype_encode(dtype, values, count, out);
        return;
    }
    for (size_t i = 0; i < count; i += block, out += pl_dtype_block_bytes(dtype)) {
        pl_gguf_block_round(dtype, values + i, out);
    }
}

pl_status pl_gguf_write_values(pl_exporter *x, pl_gguf_item *it, pl_gguf_writer *writer,
                               pl_task *task, pl_error *err)
{
    const size_t cols = pl_gguf_cols(it), rows = (size_t)pl_gguf_elements(it) / cols;
    const size_t step = rows_at_once(it), block = pl_dtype_block(it->dtype);
    const size_t width = cols / block * pl_dtype_block_bytes(it->dtype); /* of a row */
    float *values = pl_alloc(step * cols, sizeof *values);
    float *back = pl_alloc(step * cols, sizeof *back);
    uint8_t *bytes = pl_alloc(step, width);
    pl_hasher *hasher = NULL;
    pl_status status =
        values == NULL || back == NULL || bytes == NULL ? pl_export_no_memory(err) : PL_OK;
    PL_THEN(pl_hasher_create(&hasher, err));
    for (size_t r = 0; r < rows && status == PL_OK; r += step) {
        const size_t count = (rows - r < step ? rows - r : step) * cols;
        status = read_rows(x, it, r, count / cols, values, err);
        if (status != PL_OK) {
            break;
        }
        pl_gguf_encode(it->dtype, values, count, bytes);
        pl_dtype_decode(it->dtype, bytes, count, back);
        for (size_t i = 0; i < count; i++) {
            const double lost = (double)back[i] - (double)values[i];
            const double size = lost < 0 ? -lost : lost;
            if (!(size <= x->report.other_dtype_error)) {
                x->report.other_dtype_error = size;
            }
        }
        pl_hasher_bytes(hasher, back, count * sizeof *back);
        status = pl_gguf_writer_put(writer, bytes, count / cols * width, err);
        PL_THEN(pl_task_tick(task, err));
    }
    if (status == PL_OK) {
        it->written = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    free(values);
    free(back);
    free(bytes);
    return status;
}

pl_status pl_gguf_check_values(const pl_gguf_item *it, pl_model *written, pl_task *task,
                               pl_error *err)
{
    pl_checkpoint *checkpoint = pl_model_checkpoint(written);
    const pl_tensor *tensor = pl_checkpoint_find(checkpoint, it->name);
    const size_t cols = pl_gguf_cols(it), rows = (size_t)pl_gguf_elements(it) / cols;
    const size_t step = rows_at_once(it);
    float *values = pl_alloc(step * cols, sizeof *values);
    pl_hasher *hasher = NULL;
    pl_status status = values == NULL ? pl_export_no_memory(err) : PL_OK;
    const bool there = tensor != NULL && pl_tensor_elements(tensor) == pl_gguf_elements(it);
    PL_THEN(pl_hasher_create(&hasher, err));
    for (size_t r = 0; there && r < rows && status == PL_OK; r += step) {
        const size_t count = rows - r < step ? rows - r : step;
        status = pl_checkpoint_read(checkpoint, tensor, r, count, values, err);
        if (status == PL_OK) {
            pl_hasher_bytes(hasher, values, count * cols * sizeof *values);
            status = pl_task_tick(task, err);
        }
    }
    if (status == PL_OK && (!there || !pl_id_equal(pl_hasher_finish(hasher), it->written))) {
        status = pl_error_set(err, PL_ERR_IO, "export: %s does not read back as it was written",
                              it->name);
    }
    pl_hasher_destroy(hasher);
    free(values);
    return status;
}
