/* An export as one GGUF: solved layers in the smallest type that holds their codes exactly. */
#include "core/base/checked.h"
#include "core/lab/export_gguf.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TYPES = 8 }; /* more than pl_gguf_choices has */

/* --- which type ------------------------------------------------------------------------------- */

/* A block of a row as whole steps of one scale; false where its columns have several. */
static bool block_steps(const pl_codes *codes, size_t row, size_t first, float *scale, int *steps)
{
    const uint32_t group = codes->group_of[first];
    *scale = codes->scales[row * codes->groups + group];
    for (size_t i = 0; i < PL_GGUF_BLOCK; i++) {
        if (codes->group_of[first + i] != group) {
            return false;
        }
        const uint8_t code = codes->codes[row * codes->cols + first + i];
        steps[i] = code - codes->zeros[row * codes->groups + group];
        if (codes->values != NULL) { /* E2M1 has halves; what has finer steps fits no type */
            const float twice = 2.0f * codes->values[code];
            if (!(fabsf(twice) <= INT16_MAX) || fabsf(twice - truncf(twice)) > 0.0f) {
                return false;
            }
            steps[i] = (int)twice;
        }
    }
    *scale = codes->values != NULL ? *scale * 0.5f : *scale;
    return true;
}

/* Clears fits[i] where the i-th type cannot hold the codes. */
static void find_fits(const pl_codes *codes, bool fits[MOST_TYPES])
{
    uint8_t block[64];
    int steps[PL_GGUF_BLOCK];
    for (size_t r = 0; r < codes->rows; r++) {
        for (size_t c = 0; c < codes->cols; c += PL_GGUF_BLOCK) {
            float scale = 0.0f;
            const bool one = block_steps(codes, r, c, &scale, steps);
            for (size_t i = 0; pl_gguf_choices[i].dtype != PL_DTYPE_OTHER; i++) {
                fits[i] = fits[i] && one &&
                          pl_gguf_block_exact(pl_gguf_choices[i].dtype, scale, steps, block);
            }
        }
    }
}

/* The type for what is rounded anew: by the bits and zero points of the rounder. */
static pl_dtype nearest_type(const pl_exporter *x)
{
    const pl_spec *round = &x->cx.state->slots[PL_SLOT_ROUND];
    const pl_grid grid = round->method != NULL ? pl_spec_grid(round) : (pl_grid){.bits = 8};
    const bool offset = grid.bits < 6 && grid.format->zero_point;
    for (size_t i = 0; pl_gguf_choices[i].dtype != PL_DTYPE_OTHER; i++) {
        const char *element = pl_gguf_choices[i].element;
        if (pl_gguf_choices[i].bits >= grid.bits && pl_gguf_choices[i].offset == offset &&
            (element == NULL ||
             (round->method != NULL && strcmp(element, grid.format->key) == 0))) {
            return pl_gguf_choices[i].dtype;
        }
    }
    return PL_Q8_0;
}

static pl_status refuse_item(const pl_gguf_item *it, const char *why, pl_error *err)
{
    return pl_error_set(err, PL_ERR_STATE,
                        "export: %s: format=gguf cannot hold it exactly: %s (lossy=yes rounds it "
                        "anew and says what is lost, dtype=f16 writes floats)",
                        it->name, why);
}

/* Whether a diagonal behind one of its layers multiplies rows, solved or not. */
static bool is_scaled(const pl_exporter *x, const pl_gguf_item *it)
{
    bool scaled = false;
    for (size_t i = 0; x->spec->fold && i < it->n_layers; i++) {
        scaled = scaled || pl_fold_row_factors(&x->fold, it->layers[i]) != NULL;
    }
    return scaled;
}

static pl_status plan_item(const pl_gguf_file *f, pl_gguf_item *it, pl_error *err)
{
    pl_exporter *x = f->x;
    bool fits[MOST_TYPES];
    const char *why = NULL;
    size_t solved = 0;
    pl_status status = PL_OK;
    if (x->spec->which == PL_WHICH_BEFORE) {
        return pl_gguf_plan_original(f, it, err);
    }
    memset(fits, true, sizeof fits);
    for (size_t i = 0; i < it->n_layers; i++) {
        solved += pl_state_result(x->cx.state, it->layers[i]) != NULL;
    }
    if (solved == 0) {
        it->left = true;
        it->rounded = f->from_hf && pl_dtype_block(it->dtype) > 1; /* MXFP4 of the same values */
        return it->copied && is_scaled(x, it) ? pl_gguf_make_floats(it, PL_F16, err) : PL_OK;
    }
    it->copied = false;
    if (x->spec->dtype == PL_DTYPE_OTHER) {
        why = x->spec->which != PL_WHICH_AFTER        ? "weights=preconditioned have no codes"
              : solved < it->n_layers                 ? "some of the layers in it are not solved"
              : pl_gguf_cols(it) % PL_GGUF_BLOCK != 0 ? "its inputs are no multiple of 32"
                                                      : NULL;
        if (why != NULL && pl_gguf_cols(it) % PL_GGUF_BLOCK != 0) {
            return refuse_item(it, why, err);
        }
    }
    for (size_t i = 0;
         status == PL_OK && why == NULL && i < it->n_layers && x->spec->dtype == PL_DTYPE_OTHER;
         i++) {
        pl_codes codes = {0};
        status = pl_export_layer_codes(x, it->layers[i], &codes, &why, err);
        if (status == PL_OK && why == NULL) {
            find_fits(&codes, fits);
            status = pl_task_tick(x->cx.task, err);
        }
        pl_codes_deinit(&codes);
    }
    it->dtype = x->spec->dtype;
    for (size_t i = 0;
         it->dtype == PL_DTYPE_OTHER && why == NULL && pl_gguf_choices[i].dtype != PL_DTYPE_OTHER;
         i++) {
        it->dtype = fits[i] ? pl_gguf_choices[i].dtype : PL_DTYPE_OTHER;
    }
    if (status == PL_OK && it->dtype == PL_DTYPE_OTHER) {
        why = why != NULL ? why : "no type has its levels, its scales and its groups";
        status = x->spec->lossy ? PL_OK : refuse_item(it, why, err);
        it->rounded = true;
        it->dtype = nearest_type(x);
    }
    size_t bytes = 0;
    if (status == PL_OK && !pl_dtype_bytes(it->dtype, (size_t)pl_gguf_elements(it), &bytes)) {
        status = pl_export_no_memory(err);
    }
    it->bytes = bytes;
    const bool coded = x->spec->dtype == PL_DTYPE_OTHER;
    x->report.packed += coded ? it->n_layers : 0;
    x->report.requantized += it->rounded ? it->n_layers : 0;
    return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Whether it is written layer by layer. */
static bool has_layers(const pl_gguf_item *it)
{
    return it->n_layers > 0 && !it->copied;
}

/* Over how many heads the rows of a layer are permuted. */
static size_t heads_of(const pl_gguf_item *it, const pl_layer *info)
{
    return it->named.gguf_heads > 0 ? it->named.gguf_heads : info->unpermute_heads;
}

static void encode_row(const pl_gguf_item *it, const pl_codes *codes, const float *w, size_t row,
                       size_t cols, uint8_t *out)
{
    const size_t bytes = pl_dtype_block_bytes(it->dtype);
    int steps[PL_GGUF_BLOCK];
    if (it->rounded || pl_dtype_block(it->dtype) == 1) {
        pl_gguf_encode(it->dtype, w, cols, out);
        return;
    }
    for (size_t c = 0; c < cols; c += PL_GGUF_BLOCK, out += bytes) {
        float scale = 0.0f;
        if (block_steps(codes, row, c, &scale, steps)) {
            (void)pl_gguf_block_exact(it->dtype, scale, steps, out);
        }
    }
}

/* A layer's rows.  What they decode to must be what was measured, unless they are rounded. */
static pl_status write_layer(pl_exporter *x, const pl_gguf_item *it, size_t layer,
                             pl_gguf_writer *writer, pl_error *err)
{
    const pl_layer *info = pl_model_layer(x->model, layer);
    const bool coded = pl_dtype_block(it->dtype) > 1;
    const size_t cols = info->cols;
    const size_t row_bytes = cols / pl_dtype_block(it->dtype) * pl_dtype_block_bytes(it->dtype);
    const char *why = NULL;
    pl_codes codes = {0};
    pl_mat w = {0};
    uint8_t *row = pl_alloc(row_bytes, 1);
    float *back = pl_alloc(cols, sizeof *back);
    pl_status status = row == NULL || back == NULL ? pl_export_no_memory(err) : PL_OK;
    PL_THEN(pl_export_weights(x, layer, &w, err));
    if (status == PL_OK && coded && !it->rounded) {
        status = pl_export_layer_codes(x, layer, &codes, &why, err);
    }
    for (size_t r = 0; r < info->rows && status == PL_OK; r++) {
        const size_t from = pl_gguf_row_there(info->rows, heads_of(it, info), r);
        const float *meant = w.data + from * cols;
        encode_row(it, &codes, meant, from, cols, row);
        pl_dtype_decode(it->dtype, row, cols, back);
        for (size_t c = 0; c < cols; c++) {
            const double lost = fabs((double)back[c] - (double)meant[c]);
            if (it->rounded) {
                x->lost += lost * lost;
                x->whole += (double)meant[c] * (double)meant[c];
            } else if (!(lost <= x->report.max_dtype_error)) {
                x->report.max_dtype_error = lost;
            }
        }
        status = pl_gguf_writer_put(writer, row, row_bytes, err);
    }
    PL_THEN(pl_task_tick(x->cx.task, err));
    free(row);
    free(back);
    pl_codes_deinit(&codes);
    pl_mat_deinit(&w);
    return status;
}

static pl_status copy_bytes(pl_exporter *x, const pl_gguf_item *it, pl_gguf_writer *writer,
                            pl_error *err)
{
    enum { PIECE = 1 << 20 };
    pl_file *file = pl_checkpoint_shard(x->checkpoint, it->tensor->shard);
    char *piece = pl_alloc(PIECE, 1);
    pl_status status = piece == NULL ? pl_export_no_memory(err) : PL_OK;
    for (uint64_t done = 0; done < it->bytes && status == PL_OK;) {
        const size_t now = it->bytes - done < PIECE ? (size_t)(it->bytes - done) : PIECE;
        status = pl_file_read(file, it->tensor->offset + done, piece, now, err);
        PL_THEN(pl_gguf_writer_put(writer, piece, now, err));
        PL_THEN(pl_task_tick(x->cx.task, err));
        done += now;
    }
    free(piece);
    return status;
}

/* The type that most of the layers' bytes have. */
static pl_dtype main_type(const pl_gguf_file *f)
{
    uint64_t bytes[PL_DTYPE_COUNT + 1] = {0};
    pl_dtype most = PL_F32;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].n_layers > 0 && !f->items[i].left) {
            bytes[f->items[i].dtype] += f->items[i].bytes;
        }
    }
    for (int d = 0; d <= PL_DTYPE_COUNT; d++) {
        most = bytes[d] > bytes[most] ? (pl_dtype)d : most;
    }
    return most;
}

/* What general.file_type says: of a copy what the source's does. */
static uint32_t file_type(const pl_gguf_file *f)
{
    const pl_dtype dtype = main_type(f);
    const json_t *stated =
        json_object_get(pl_checkpoint_metadata(f->x->checkpoint), "general.file_type");
    if (f->x->spec->which == PL_WHICH_BEFORE && f->x->spec->dtype == PL_DTYPE_OTHER &&
        !f->from_hf && json_is_integer(stated)) {
        return (uint32_t)json_integer_value(stated);
    }
    for (size_t i = 0; pl_gguf_choices[i].dtype != PL_DTYPE_OTHER; i++) {
        if (pl_gguf_choices[i].dtype == dtype) {
            return pl_gguf_choices[i].file_type;
        }
    }
    return pl_gguf_float_file_type(dtype);
}

static pl_status write_gguf(pl_gguf_file *f, const char *path, pl_task *task, pl_error *err)
{
    pl_exporter *x = f->x;
    pl_gguf_writer *writer = NULL;
    pl_gguf_entry *entries = calloc(f->count + 1, sizeof *entries);
    double done = 0.0, all = 0.0;
    for (size_t i = 0; entries != NULL && i < f->count; i++) {
        const pl_gguf_item *it = &f->items[i];
        entries[i] = (pl_gguf_entry){
            .name = it->name,
            .type = has_layers(it) ? pl_dtype_name(it->dtype) : it->type,
            .n_dims = it->n_dims,
            .dims = it->dims,
            .bytes = it->bytes,
        };
        all += (double)pl_gguf_elements(it);
    }
    pl_status status = entries == NULL ? pl_export_no_memory(err) : PL_OK;
    PL_THEN(pl_gguf_writer_create(path, &f->keys, file_type(f), entries, f->count, &writer, err));
    for (size_t i = 0; i < f->count && status == PL_OK; i++) {
        pl_gguf_item *it = &f->items[i];
        pl_task_progress(task, "elements", done, all);
        if (!has_layers(it)) {
            status = it->copied ? copy_bytes(x, it, writer, err)
                                : pl_gguf_write_values(x, it, writer, task, err);
        }
        for (size_t k = 0; has_layers(it) && k < it->n_layers && status == PL_OK; k++) {
            status = write_layer(x, it, it->layers[k], writer, err);
        }
        done += (double)pl_gguf_elements(it);
    }
    PL_THEN(pl_gguf_writer_commit(writer, err));
    pl_gguf_writer_destroy(writer);
    free(entries);
    return status;
}

/* --- reading back ----------------------------------------------------------------------------- */

static pl_status compare_tokenizers(pl_model *source, pl_model *written, pl_error *err)
{
    const pl_tokenizer *a = NULL, *b = NULL;
    pl_status status = pl_model_need_tokenizer(source, &a, err);
    PL_THEN(pl_model_need_tokenizer(written, &b, err));
    PL_THEN(pl_tokenizer_compare(a, b, err));
    return status;
}

/* The written file opens as a model, its layers are what was measured, its other tensors are the
 * source's. */
static pl_status check_written_gguf(pl_gguf_file *f, const char *path, pl_task *task, pl_error *err)
{
    pl_exporter *x = f->x;
    pl_model *written = NULL;
    pl_status status = pl_model_open(path, &written, err);
    for (size_t i = 0; i < f->count && status == PL_OK; i++) {
        const pl_gguf_item *it = &f->items[i];
        pl_id own = {0}, copy = {0};
        for (size_t k = 0; has_layers(it) && k < it->n_layers && status == PL_OK; k++) {
            const pl_layer *info = pl_model_layer(x->model, it->layers[k]);
            const size_t count = info->rows * info->cols;
            pl_mat w = {0};
            float *found = pl_alloc(count, sizeof *found);
            double most = 0.0;
            status = found == NULL ? pl_export_no_memory(err) : PL_OK;
            PL_THEN(pl_export_weights(x, it->layers[k], &w, err));
            PL_THEN(pl_model_read_weight(written, it->layers[k], found, err));
            for (size_t e = 0; status == PL_OK && e < count && !it->rounded; e++) {
                const double lost = fabs((double)found[e] - (double)w.data[e]);
                most = lost > most ? lost : most;
            }
            if (status == PL_OK && most > x->report.max_dtype_error) {
                status = pl_error_set(
                    err, PL_ERR_IO, "export: %s does not read back as it was written", info->name);
            }
            free(found);
            pl_mat_deinit(&w);
        }
        if (status == PL_OK && !has_layers(it) && !it->copied) {
            status = pl_gguf_check_values(it, written, task, err);
        } else if (status == PL_OK && it->copied) {
            status = pl_tensor_identity(x->checkpoint, it->tensor, &own, task, err);
            PL_THEN(pl_tensor_identity(pl_model_checkpoint(written),
                                       pl_checkpoint_find(pl_model_checkpoint(written), it->name),
                                       &copy, task, err));
            if (status == PL_OK && !pl_id_equal(own, copy)) {
                status = pl_error_set(err, PL_ERR_IO,
                                      "export: %s does not read back as it was written", it->name);
            }
        }
    }
    if (status == PL_OK && f->from_hf) {
        status = compare_tokenizers(x->model, written, err);
    }
    pl_model_close(written);
    return status;
}

/* "Q4_0 180, Q5_0 30": types of the layers that are solved, or that all are as they were. */
static void tell_types(const pl_gguf_file *f, char *out, size_t capacity)
{
    size_t at = 0;
    for (int d = 0; d < PL_DTYPE_COUNT && at < capacity; d++) {
        size_t layers = 0;
        for (size_t i = 0; i < f->count; i++) {
            layers +=
                f->items[i].dtype == (pl_dtype)d && !f->items[i].left ? f->items[i].n_layers : 0;
        }
        if (layers > 0) {
            at += (size_t)snprintf(out + at, capacity - at, "%s%s %zu", at > 0 ? ", " : "",
                                   pl_dtype_name((pl_dtype)d), layers);
        }
    }
}

pl_status pl_export_plan_gguf(pl_exporter *x, void **plan, pl_error *err)
{
    pl_gguf_file *f = calloc(1, sizeof *f);
    *plan = f;
    if (f == NULL) {
        return pl_export_no_memory(err);
    }
    f->x = x;
    if (pl_model_is_bare(x->model)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: format=gguf needs a model with a configuration and a "
                            "tokenizer; %s holds matrices (format=hf)",
                            pl_model_name(x->model));
    }
    pl_status status = pl_gguf_list(f, err);
    if (x->spec->fold) {
        PL_THEN(pl_gguf_fold_items(f, err));
    }
    for (size_t i = 0; i < f->count && status == PL_OK; i++) {
        pl_task_progress(x->cx.task, "tensors", (double)i, (double)f->count);
        status = plan_item(f, &f->items[i], err);
        x->need += f->items[i].bytes;
    }
    return status;
}

pl_status pl_export_write_gguf(pl_exporter *x, void *plan, pl_error *err)
{
    pl_gguf_file *f = plan;
    pl_buf path = {0};
    pl_path_join(&path, x->made.path, "model.gguf");
    pl_status status = pl_buf_check(&path, err);
    PL_THEN(write_gguf(f, path.data, x->cx.task, err));
    PL_THEN(check_written_gguf(f, path.data, x->cx.task, err));
    tell_types(f, x->report.types, sizeof x->report.types);
    PL_THEN(pl_export_licences(x, true, err));
    PL_THEN(pl_export_write_card(x, err));
    pl_buf_deinit(&path);
    return status;
}

void pl_export_free_gguf(void *plan)
{
    pl_gguf_file *f = plan;
    for (size_t i = 0; f != NULL && i < f->count && f->items != NULL; i++) {
        free(f->items[i].layers);
    }
    if (f != NULL) {
        free(f->items);
        pl_gguf_keys_deinit(&f->keys);
    }
    free(f);
}
