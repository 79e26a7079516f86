#include "core/lab/export.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/io/safetensors.h"
#include "core/lab/export_parts.h"
#include "core/lab/results.h"
#include "core/model/bare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- what there is to write ------------------------------------------------------------------- */

/* given: name, tensor, layers, shape; its name is copied. */
static pl_status add_item(pl_exporter *x, pl_export_item given, pl_error *err)
{
    const pl_tensor *tensor = given.tensor;
    const bool floats = tensor != NULL && pl_checkpoint_container(x->checkpoint) != PL_GGUF;
    const pl_dtype own = floats ? tensor->dtype : PL_F16;
    given.dtype = x->spec->dtype != PL_DTYPE_OTHER ? x->spec->dtype : own;
    if (tensor != NULL && (tensor->dtype == PL_DTYPE_OTHER || given.dtype > PL_BF16)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: tensor %s has the dtype %s, expected F32, F16 or BF16",
                            tensor->name, tensor->dtype_name);
    }
    given.name = strdup(given.name);
    pl_export_item *grown = realloc(x->items, (x->n_items + 1) * sizeof *grown);
    if (grown != NULL) {
        x->items = grown;
    }
    if (grown == NULL || given.name == NULL) {
        free(given.name);
        return pl_export_no_memory(err);
    }
    x->items[x->n_items++] = given;
    x->total += pl_export_elements(&given);
    return PL_OK;
}

/* The first layer with rows in a tensor, and how many there are: a fused one's follow. */
static size_t tensor_layers(const pl_exporter *x, const pl_tensor *tensor, size_t *count)
{
    size_t first = SIZE_MAX;
    *count = 0;
    for (size_t i = 0; i < pl_model_layer_count(x->model); i++) {
        if (pl_model_layer(x->model, i)->tensor == tensor) {
            first = *count == 0 ? i : first;
            ++*count;
        }
    }
    return first;
}

/* Of a folded model: what its tensors are, and of a rotated one an lm_head of its own, since
 * embedding and head are turned differently.  A tied checkpoint may have one, which nobody reads.
 */
static pl_status fold_items(pl_exporter *x, pl_error *err)
{
    const pl_config *config = pl_model_config(x->model);
    const pl_export_item *embedding = NULL;
    char head[64];
    snprintf(head, sizeof head, "%slm_head.weight", config->head != NULL ? config->head : "");
    x->unties = config->tied_embeddings && pl_fold_turns_stream(&x->fold);
    for (size_t i = 0; i < x->n_items; i++) {
        pl_export_item *it = &x->items[i];
        it->part = pl_model_stream_part(x->model, it->tensor, &it->part_of);
        it->part_of = it->bias_of != SIZE_MAX ? it->bias_of : it->part_of;
        embedding = it->part == PL_PART_EMBEDDING ? it : embedding;
    }
    if (!x->unties || embedding == NULL) {
        return PL_OK;
    }
    pl_export_item it = *embedding;
    it.name = head;
    it.part = PL_PART_HEAD;
    for (size_t i = 0; i < x->n_items; i++) {
        if (strcmp(x->items[i].name, head) == 0) {
            it.name = x->items[i].name;
            it.dtype = x->items[i].dtype;
            x->items[i] = it;
            return PL_OK;
        }
    }
    return add_item(x, it, err);
}

/* An item whose tensor is that of all experts is written as [experts, in, out], also from blocks.
 */
static void stack_item(const pl_exporter *x, pl_export_item *it)
{
    const pl_layer *info = it->layer != SIZE_MAX ? pl_model_layer(x->model, it->layer) : NULL;
    if (info == NULL || it->n_dims != 3) {
        return;
    }
    const size_t experts = (size_t)it->dims[0];
    it->together = it->n_layers / experts;
    it->step = info->row_step;
    it->transposed = true;
    it->dims[1] = info->cols;
    it->dims[2] = it->together * info->rows;
}

/* From a GGUF: the model's own tensors by their Hugging Face names.  Else: all of the file's. */
static pl_status list_items(pl_exporter *x, pl_error *err)
{
    pl_status status = PL_OK;
    if (pl_checkpoint_container(x->checkpoint) == PL_GGUF) {
        pl_named_tensor named;
        for (size_t i = 0; status == PL_OK && pl_model_named_tensor(x->model, i, &named); i++) {
            if (named.tensor != NULL || named.zeros) {
                pl_export_item it = {.name = named.name,
                                     .tensor = named.tensor,
                                     .layer = named.layer,
                                     .n_layers = named.layers,
                                     .transposed = named.transposed,
                                     .together = named.together,
                                     .step = named.step,
                                     .n_dims = named.n_dims,
                                     .dims = {named.dims[0], named.dims[1], named.dims[2]},
                                     .bias_of = named.bias_of,
                                     .add = named.add,
                                     .file = "model.safetensors"};
                status = add_item(x, it, err);
            }
        }
        return status;
    }
    for (size_t i = 0; status == PL_OK && i < pl_checkpoint_count(x->checkpoint); i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(x->checkpoint, i);
        pl_export_item it = {.tensor = tensor, .n_dims = tensor->n_dims, .bias_of = SIZE_MAX};
        char *name = strdup(tensor->name);
        memcpy(it.dims, tensor->dims, sizeof it.dims);
        it.layer = tensor_layers(x, tensor, &it.n_layers);
        it.transposed = it.layer != SIZE_MAX && pl_model_layer(x->model, it.layer)->transposed;
        stack_item(x, &it);
        it.name = name;
        it.file = pl_path_name(pl_file_path(pl_checkpoint_shard(x->checkpoint, tensor->shard)));
        status = name != NULL ? add_item(x, it, err) : pl_export_no_memory(err);
        free(name);
    }
    return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Hashes the values as they read back from the file. */
static void hash_stored(pl_hasher *hasher, pl_dtype dtype, const float *values, size_t count,
                        void *scratch, float *back)
{
    pl_dtype_encode(dtype, values, count, scratch);
    pl_dtype_decode(dtype, scratch, count, back);
    pl_hasher_bytes(hasher, back, count * sizeof *back);
}

enum { PIECE = 1 << 18 }; /* elements encoded at once */

static pl_status put_values(pl_st_writer *writer, const pl_export_item *it, const float *values,
                            size_t count, pl_hasher *hasher, double *max_error, pl_error *err)
{
    const size_t most = count < PIECE ? count : PIECE;
    float *back = pl_alloc(most, sizeof *back);
    float *scratch = pl_alloc(most, sizeof *scratch);
    pl_status status = back == NULL || scratch == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t at = 0; status == PL_OK && at < count; at += PIECE) {
        size_t piece = count - at < PIECE ? count - at : PIECE;
        hash_stored(hasher, it->dtype, values + at, piece, scratch, back);
        status = pl_st_writer_put(writer, values + at, piece, max_error, err);
    }
    free(back);
    free(scratch);
    return status;
}

/* Rows read at once from a tensor that is copied: about 4 MB of what it has. */
static size_t rows_at_once(size_t rows, size_t cols)
{
    const size_t most = cols > 0 && cols < (1u << 20) ? (1u << 20) / cols : 1;
    return rows > 0 && rows < most ? rows : most;
}

/* A layer's weight, or those of the layers a fused tensor holds, one after the other. */
static pl_status write_layers(pl_exporter *x, pl_st_writer *writer, pl_export_item *it,
                              pl_hasher *hasher, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < it->n_layers; i++) {
        const pl_layer *info = pl_model_layer(x->model, pl_export_layer(it, i));
        pl_mat w = {0};
        status = pl_export_weights(x, pl_export_layer(it, i), &w, err);
        PL_THEN(put_values(writer, it, w.data, info->rows * info->cols, hasher,
                           &x->report.max_dtype_error, err));
        PL_THEN(pl_task_tick(x->cx.task, err));
        pl_mat_deinit(&w);
    }
    return status;
}

/* The same where the file has [in, out] of them all: gathered whole, since each of its rows has
 * something of every layer; of experts in one tensor, expert by expert. */
static pl_status write_transposed(pl_exporter *x, pl_st_writer *writer, pl_export_item *it,
                                  pl_hasher *hasher, pl_error *err)
{
    const size_t all = (size_t)it->dims[it->n_dims - 1];
    const size_t size = all * (size_t)it->dims[it->n_dims - 2];
    const size_t each = it->together > 0 ? it->together : it->n_layers;
    const size_t step = it->together > 0 ? it->step : 1;
    float *whole = pl_alloc(size, sizeof *whole);
    pl_status status = whole == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t i = 0, first = 0; status == PL_OK && i < it->n_layers; i++) {
        const size_t layer = pl_export_layer(it, i);
        const pl_layer *info = pl_model_layer(x->model, layer);
        pl_mat w = {0};
        first = i % each == 0 ? 0 : first;
        status = pl_export_weights(x, layer, &w, err);
        for (size_t r = 0; status == PL_OK && r < info->rows; r++) {
            for (size_t c = 0; c < info->cols; c++) {
                whole[c * all + first + r * step] = w.data[r * info->cols + c];
            }
        }
        PL_THEN(pl_task_tick(x->cx.task, err));
        first += step > 1 ? 1 : info->rows;
        pl_mat_deinit(&w);
        if (status == PL_OK && i % each == each - 1) {
            status = put_values(writer, it, whole, size, hasher, &x->report.max_dtype_error, err);
        }
    }
    free(whole);
    return status;
}

/* Biases of all experts, from those that a GGUF has for gate, for up and for down. */
static pl_status write_stacked_bias(pl_exporter *x, pl_st_writer *writer, pl_export_item *it,
                                    pl_hasher *hasher, pl_error *err)
{
    const size_t all = (size_t)it->dims[1], count = (size_t)it->dims[0] * it->together;
    const size_t rows = pl_model_layer(x->model, it->bias_of)->rows;
    float *row = pl_alloc(all, sizeof *row), *part = pl_alloc(rows, sizeof *part);
    pl_status status = row == NULL || part == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const size_t own = i % it->together;
        const size_t layer = pl_model_stacked(it->bias_of, it->together, i);
        status = pl_model_read_bias(x->model, layer, part, err);
        if (x->spec->fold) {
            PL_THEN(pl_fold_rows(&x->fold, PL_PART_BIAS, layer, part, 1, rows, err));
        }
        for (size_t r = 0; status == PL_OK && r < rows; r++) {
            row[it->step > 1 ? r * it->step + own : own * rows + r] = part[r];
        }
        if (status == PL_OK && own == it->together - 1) {
            status = put_values(writer, it, row, all, hasher, &x->report.other_dtype_error, err);
        }
    }
    free(row);
    free(part);
    return status;
}

static pl_status write_copy(pl_exporter *x, pl_st_writer *writer, pl_export_item *it,
                            pl_hasher *hasher, pl_error *err)
{
    size_t cols = it->n_dims > 0 ? (size_t)it->dims[it->n_dims - 1] : 1;
    size_t rows = cols > 0 ? (size_t)pl_export_elements(it) / cols : 0;
    size_t step = rows_at_once(rows, cols);
    const pl_named_tensor from = {
        .tensor = it->tensor, .bias_of = it->bias_of, .n_dims = 1, .dims = {cols}, .add = it->add};
    float *values = pl_alloc(step * (cols > 0 ? cols : 1), sizeof *values);
    pl_status status = values == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t r = 0; status == PL_OK && r < rows && cols > 0; r += step) {
        size_t count = rows - r < step ? rows - r : step;
        status = pl_model_read_named(x->model, &from, r, count, values, err);
        if (x->spec->fold) {
            PL_THEN(pl_fold_rows(&x->fold, it->part, it->part_of, values, count, cols, err));
        }
        PL_THEN(put_values(writer, it, values, count * cols, hasher, &x->report.other_dtype_error,
                           err));
        PL_THEN(pl_task_tick(x->cx.task, err));
    }
    free(values);
    return status;
}

/* What the weights of a packed item's layers were measured as: what its codes must give.  Those
 * of a requantized one are what its new codes give, and where a diagonal may be rounded into
 * scales, what those give. */
static pl_status hash_meant(pl_exporter *x, pl_export_item *it, const pl_codes *codes,
                            pl_hasher *hasher, pl_error *err)
{
    pl_status status = PL_OK;
    size_t first = 0;
    for (size_t i = 0; status == PL_OK && i < it->n_layers; i++) {
        const pl_layer *info = pl_model_layer(x->model, pl_export_layer(it, i));
        const size_t count = info->rows * info->cols;
        const bool loses = it->requantized || (x->spec->lossy && x->spec->fold);
        pl_mat w = {0};
        float *coded = loses ? pl_alloc(count, sizeof *coded) : NULL;
        status = loses && coded == NULL ? pl_export_no_memory(err) : PL_OK;
        PL_THEN(pl_export_weights(x, pl_export_layer(it, i), &w, err));
        if (status == PL_OK && coded != NULL) {
            pl_codes_decode(codes, first, info->rows, coded);
            for (size_t e = 0; e < count; e++) {
                const double lost = (double)coded[e] - (double)w.data[e];
                x->lost += lost * lost;
                x->whole += (double)w.data[e] * (double)w.data[e];
            }
        }
        if (status == PL_OK) {
            pl_hasher_bytes(hasher, coded != NULL ? coded : w.data, count * sizeof(float));
        }
        first += info->rows;
        free(coded);
        pl_mat_deinit(&w);
    }
    return status;
}

static pl_status write_part(pl_exporter *x, pl_st_writer *writer, pl_export_item *it, size_t part,
                            pl_hasher *hasher, pl_error *err)
{
    pl_codes codes = {0};
    pl_pack_part parts[PL_PACK_PARTS] = {{0}};
    size_t n = 0;
    pl_status status = pl_export_codes(x, it, &codes, err);
    PL_THEN(x->packing->pack(&codes, x->spec->order, true, parts, &n, err));
    if (status == PL_OK && part == 0) {
        status = hash_meant(x, it, &codes, hasher, err);
        PL_THEN(pl_export_count_loaded(x, &codes, err));
    }
    if (status == PL_OK) {
        status = pl_st_writer_put_raw(writer, parts[part].data,
                                      (size_t)pl_pack_part_bytes(&parts[part]), err);
    }
    for (size_t i = 0; i < PL_PACK_PARTS; i++) {
        free(parts[i].data);
    }
    pl_codes_deinit(&codes);
    return status;
}

/* The part of a packed item, or all of any other. */
static pl_status write_item(pl_exporter *x, pl_st_writer *writer, pl_export_item *it, size_t part,
                            pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_task_progress(x->cx.task, "elements", (double)x->done, (double)x->total);
    pl_status status = pl_task_tick(x->cx.task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    PL_THEN(it->packed              ? write_part(x, writer, it, part, hasher, err)
            : it->transposed        ? write_transposed(x, writer, it, hasher, err)
            : it->together > 0      ? write_stacked_bias(x, writer, it, hasher, err)
            : it->layer != SIZE_MAX ? write_layers(x, writer, it, hasher, err)
                                    : write_copy(x, writer, it, hasher, err));
    if (status == PL_OK && part == 0) {
        it->written = pl_hasher_finish(hasher);
        x->done += pl_export_elements(it);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* Reads a written file back and compares what it holds. */
static pl_status check_written_file(pl_exporter *x, const char *path, const size_t *members,
                                    size_t count, pl_error *err)
{
    pl_checkpoint *written = NULL;
    pl_status status = pl_checkpoint_open(path, &written, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_export_item *it = &x->items[members[i]];
        const pl_tensor *tensor = pl_checkpoint_find(written, it->name);
        pl_hasher *hasher = NULL;
        status = pl_hasher_create(&hasher, err);
        size_t rows = tensor != NULL ? pl_tensor_rows(tensor) : 0;
        size_t cols = tensor != NULL ? pl_tensor_cols(tensor) : 0;
        size_t step = rows_at_once(rows, cols);
        float *values = pl_alloc(step * (cols > 0 ? cols : 1), sizeof *values);
        if (status == PL_OK && values == NULL) {
            status = pl_export_no_memory(err);
        }
        for (size_t r = 0; status == PL_OK && r < rows && cols > 0; r += step) {
            size_t piece = rows - r < step ? rows - r : step;
            status = pl_checkpoint_read(written, tensor, r, piece, values, err);
            if (status == PL_OK) {
                pl_hasher_bytes(hasher, values, piece * cols * sizeof *values);
                status = pl_task_tick(x->cx.task, err);
            }
        }
        if (status == PL_OK && !pl_id_equal(pl_hasher_finish(hasher), it->written)) {
            status = pl_error_set(err, PL_ERR_IO, "export: %s does not read back as it was written",
                                  it->name);
        }
        free(values);
        pl_hasher_destroy(hasher);
    }
    pl_checkpoint_close(written);
    return status;
}

/* The header's entries of the members, and which item and part each is of; the caller's. */
typedef struct st_list {
    pl_st_entry *entries;
    const char **raws;
    size_t *items, *parts;
    size_t count;
} st_list;

static pl_status list_entries(const pl_exporter *x, const size_t *members, size_t count,
                              st_list *out, pl_error *err)
{
    const size_t most = count * PL_PACK_PARTS + 1;
    *out = (st_list){.entries = calloc(most, sizeof *out->entries),
                     .raws = calloc(most, sizeof *out->raws),
                     .items = calloc(most, sizeof *out->items),
                     .parts = calloc(most, sizeof *out->parts)};
    if (out->entries == NULL || out->raws == NULL || out->items == NULL || out->parts == NULL) {
        return pl_export_no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const pl_export_item *it = &x->items[members[i]];
        for (size_t p = 0; p < (it->packed ? it->n_parts : 1); p++) {
            const size_t at = out->count++;
            out->items[at] = members[i];
            out->parts[at] = p;
            out->raws[at] = it->packed ? it->parts[p].dtype : NULL;
            out->entries[at] = it->packed ? (pl_st_entry){.name = it->part_names[p],
                                                          .n_dims = it->parts[p].n_dims,
                                                          .dims = it->parts[p].dims}
                                          : (pl_st_entry){.name = it->name,
                                                          .dtype = it->dtype,
                                                          .n_dims = it->n_dims,
                                                          .dims = it->dims};
        }
    }
    return PL_OK;
}

static pl_status write_shard(pl_exporter *x, const char *name, const size_t *members, size_t count,
                             pl_error *err)
{
    pl_buf path = {0};
    pl_st_writer *writer = NULL;
    st_list list = {0};
    pl_buf commands = {0};
    pl_status status = pl_export_commands(x, &commands, err);
    const char *const metadata[] = {"format",
                                    "pt",
                                    "planish",
                                    PL_VERSION,
                                    "planish_commands",
                                    commands.data != NULL ? commands.data : "",
                                    NULL};
    pl_path_join(&path, x->made.path, name);
    PL_THEN(pl_buf_check(&path, err));
    PL_THEN(list_entries(x, members, count, &list, err));
    PL_THEN(pl_st_writer_create(path.data, list.entries, list.raws, list.count, metadata, &writer,
                                err));
    for (size_t i = 0; status == PL_OK && i < list.count; i++) {
        const size_t at = pl_st_writer_order(writer, i);
        status = write_item(x, writer, &x->items[list.items[at]], list.parts[at], err);
    }
    PL_THEN(pl_st_writer_commit(writer, err));
    pl_st_writer_destroy(writer);
    PL_THEN(check_written_file(x, path.data, members, count, err));
    free(list.entries);
    free(list.raws);
    free(list.items);
    free(list.parts);
    pl_buf_deinit(&path);
    pl_buf_deinit(&commands);
    return status;
}

static pl_status write_shards(pl_exporter *x, pl_error *err)
{
    bool gguf = pl_checkpoint_container(x->checkpoint) == PL_GGUF;
    size_t shards = gguf ? 1 : pl_checkpoint_shards(x->checkpoint);
    size_t *members = calloc(x->n_items + 1, sizeof *members);
    pl_status status = members == NULL ? pl_export_no_memory(err) : PL_OK;
    for (size_t s = 0; status == PL_OK && s < shards; s++) {
        size_t count = 0;
        for (size_t i = 0; i < x->n_items; i++) {
            if (gguf || x->items[i].tensor->shard == s) {
                members[count++] = i;
            }
        }
        const char *from = pl_path_name(pl_file_path(pl_checkpoint_shard(x->checkpoint, s)));
        pl_buf name = {0};
        pl_buf_append(&name, from, pl_text_ends(from, ".npy") ? strlen(from) - 4 : strlen(from));
        pl_buf_puts(&name, pl_text_ends(from, ".safetensors") ? "" : ".safetensors");
        status = name.failed
                     ? pl_export_no_memory(err)
                     : write_shard(x, gguf ? "model.safetensors" : name.data, members, count, err);
        pl_buf_deinit(&name);
    }
    free(members);
    return status;
}

/* --- the folder ------------------------------------------------------------------------------- */

static pl_status make_folder(pl_exporter *x, pl_error *err)
{
    struct stat st;
    if (lstat(x->spec->folder, &st) == 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: is already there, expected a new folder",
                            x->spec->folder);
    }
    return pl_temporary_create(x->spec->folder, true, &x->made, err);
}

/* Whether the file system has room for what will be written, before hours of it. */
static pl_status check_room(const pl_exporter *x, pl_error *err)
{
    const uint64_t beside = 32000000; /* tokenizer, header and the like */
    struct statvfs fs;
    uint64_t need = x->need;
    for (size_t i = 0; i < x->n_items; i++) {
        const pl_export_item *it = &x->items[i];
        need += it->packed ? 0 : pl_export_elements(it) * pl_dtype_block_bytes(it->dtype);
        for (size_t p = 0; p < it->n_parts; p++) {
            need += pl_pack_part_bytes(&it->parts[p]);
        }
    }
    if (statvfs(x->made.path, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= need + beside) {
        return PL_OK; /* what cannot be asked is found out by writing */
    }
    return pl_error_set(
        err, PL_ERR_IO,
        "%s: the export takes about %.3g MB and wants %llu MB to spare; its file system "
        "has %llu MB left",
        x->spec->folder, (double)need / 1e6, (unsigned long long)beside / 1000000,
        (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize / 1000000));
}

static void count_files(pl_exporter *x)
{
    DIR *dir = opendir(x->made.path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            x->report.files++;
            x->report.bytes += (uint64_t)st.st_size;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

size_t pl_export_left(const pl_state *state, pl_which which)
{
    size_t left = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        const bool rounded = pl_state_is_imported(state, i) ||
                             pl_state_spec(state, i, PL_SLOT_ROUND)->method != NULL;
        left += pl_state_result(state, i) == NULL || (which == PL_WHICH_AFTER && !rounded);
    }
    return left;
}

/* bits[layer] of the packed items that hold other codes than were solved, or more scales: what the
 * file takes. */
static void put_held_bits(const pl_exporter *x, double *bits)
{
    for (size_t t = 0; t < x->n_items; t++) {
        const pl_export_item *it = &x->items[t];
        const bool other = it->requantized || it->cut || it->grid.bits != it->own_bits;
        for (size_t i = 0; it->packed && other && i < it->n_layers; i++) {
            const size_t layer = pl_export_layer(it, i);
            const pl_layer *info = pl_model_layer(x->model, layer);
            pl_grid grid = it->grid;
            grid.group_size = it->module.group_size;
            bits[layer] = pl_grid_bits_per_weight(&grid, info->rows, info->cols);
        }
    }
}

/* Over the layers whose rounded weights are written; NaN: there are none. */
static pl_status bits_per_weight(const pl_exporter *x, double *out, pl_error *err)
{
    double bits = 0.0, weights = 0.0;
    const size_t layers = pl_model_layer_count(x->model);
    double *held = calloc(layers + 1, sizeof *held); /* 0: as solved */
    pl_status status = held == NULL ? pl_export_no_memory(err) : PL_OK;
    if (status == PL_OK) {
        put_held_bits(x, held);
    }
    for (size_t i = 0; status == PL_OK && i < layers; i++) {
        const pl_layer *info = pl_model_layer(x->model, i);
        const double count = (double)info->rows * (double)info->cols;
        const pl_id *result = pl_state_result(x->cx.state, i);
        pl_solve_report report = pl_solve_report_empty();
        if (result == NULL) {
            continue;
        }
        status = pl_result_report(x->cx.lab, x->cx.state, i, *result, &report, err);
        if (status == PL_OK && isfinite(report.bits_per_weight)) {
            bits += count * (held[i] > 0.0 ? held[i] : report.bits_per_weight);
            weights += count;
        }
        status = pl_result_is_gone(status) ? PL_OK : status;
    }
    *out = x->spec->which == PL_WHICH_AFTER && weights > 0.0 ? bits / weights : (double)NAN;
    free(held);
    return status;
}

static double loaded_error(const pl_exporter *x)
{
    return x->loaded_whole > 0.0 ? sqrt(x->loaded_lost / x->loaded_whole) : (double)NAN;
}

static pl_status write_folder(pl_exporter *x, pl_error *err)
{
    pl_status status = pl_export_write_config(x, err);
    PL_THEN(write_shards(x, err));
    x->report.loaded_error = loaded_error(x);
    PL_THEN(pl_export_write_beside(x, err));
    return status;
}

pl_status pl_export(pl_context cx, const pl_export_spec *spec, pl_export_report *report,
                    pl_error *err)
{
    *report = (pl_export_report){0};
    pl_exporter x = {
        .cx = cx,
        .spec = spec,
        .packing = spec->packing,
        .model = cx.state->source->model,
        .checkpoint = pl_model_checkpoint(cx.state->source->model),
        .report = {.loaded_error = (double)NAN},
    };
    void *plan = NULL;
    pl_status status = spec->fold ? pl_fold_begin(&x.fold, cx, err) : PL_OK;
    PL_THEN(spec->gguf ? pl_export_plan_gguf(&x, &plan, err) : list_items(&x, err));
    if (status == PL_OK && spec->fold) {
        status = fold_items(&x, err);
    }
    if (status == PL_OK && x.packing != NULL) {
        status = pl_export_plan_codes(&x, err);
        PL_THEN(pl_export_config_dtype(&x, &x.config_dtype, err));
    }
    PL_THEN(spec->gguf ? pl_export_licences(&x, false, err) : pl_export_check_beside(&x, err));
    PL_THEN(make_folder(&x, err));
    PL_THEN(check_room(&x, err));
    PL_THEN(spec->gguf ? pl_export_write_gguf(&x, plan, err) : write_folder(&x, err));
    PL_THEN(bits_per_weight(&x, &x.report.bits_per_weight, err));
    if (status == PL_OK) {
        count_files(&x);
        status = pl_temporary_publish(&x.made, spec->folder, err);
    }
    pl_temporary_discard(&x.made);
    pl_export_free_gguf(plan);
    if (status == PL_OK) {
        *report = x.report;
        report->requantization_error = x.whole > 0 ? sqrt(x.lost / x.whole) : 0;
    }
    for (size_t i = 0; i < x.n_items; i++) {
        free(x.items[i].name);
        free((char *)x.items[i].module.name);
        for (size_t p = 0; p < PL_PACK_PARTS; p++) {
            free(x.items[i].part_names[p]);
        }
    }
    free(x.items);
    pl_fold_end(&x.fold);
    return status;
}
