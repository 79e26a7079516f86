#include "core/lab/export.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/base/temporary.h"
#include "core/base/text.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "core/lab/weights.h"
#include "core/model/bare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One tensor to write. */
typedef struct item {
    char *name;
    const pl_tensor *tensor; /* where the values are, maybe among others' */
    size_t layer;            /* the first of n_layers whose rows it holds; SIZE_MAX: a copy */
    size_t n_layers;
    size_t n_dims;
    uint64_t dims[PL_MAX_DIMS];
    size_t bias_of; /* of a copy: as in pl_named_tensor */
    float add;
    pl_dtype dtype;
    pl_id written; /* of the values as stored, for reading back */
} item;

typedef struct exporter {
    pl_lab *lab;
    const pl_state *state;
    const pl_export_spec *spec;
    pl_model *model;
    pl_checkpoint *checkpoint;
    pl_temporary made; /* the folder, until it is whole */
    item *items;
    size_t n_items;
    pl_export_report report;
    uint64_t done, total; /* elements, for progress */
} exporter;

static pl_status no_memory(pl_error *err)
{
    return pl_error_memory(err, "an export");
}

/* --- what there is to write ------------------------------------------------------------------- */

static uint64_t elements(const item *it)
{
    uint64_t count = 1;
    for (size_t i = 0; i < it->n_dims; i++) {
        count *= it->dims[i];
    }
    return count;
}

/* given: name, tensor, layers, shape; its name is copied. */
static pl_status add_item(exporter *x, item given, pl_error *err)
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
    item *grown = realloc(x->items, (x->n_items + 1) * sizeof *grown);
    if (grown != NULL) {
        x->items = grown;
    }
    if (grown == NULL || given.name == NULL) {
        free(given.name);
        return no_memory(err);
    }
    x->items[x->n_items++] = given;
    x->total += elements(&given);
    return PL_OK;
}

/* The first layer with rows in a tensor, and how many there are: a fused one's follow. */
static size_t layers_of(const exporter *x, const pl_tensor *tensor, size_t *count)
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

/* From a GGUF: the model's own tensors by their Hugging Face names.  Else: all of the file's. */
static pl_status list_items(exporter *x, pl_error *err)
{
    pl_status status = PL_OK;
    if (pl_checkpoint_container(x->checkpoint) == PL_GGUF) {
        pl_named_tensor named;
        for (size_t i = 0; status == PL_OK && pl_model_named_tensor(x->model, i, &named); i++) {
            if (named.tensor != NULL || named.zeros) {
                item it = {.name = named.name,
                           .tensor = named.tensor,
                           .layer = named.layer,
                           .n_layers = named.layers,
                           .n_dims = named.n_dims,
                           .dims = {named.dims[0], named.dims[1]},
                           .bias_of = named.bias_of,
                           .add = named.add};
                status = add_item(x, it, err);
            }
        }
        return status;
    }
    for (size_t i = 0; status == PL_OK && i < pl_checkpoint_count(x->checkpoint); i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(x->checkpoint, i);
        item it = {.tensor = tensor, .n_dims = tensor->n_dims, .bias_of = SIZE_MAX};
        char *name = strdup(tensor->name);
        memcpy(it.dims, tensor->dims, sizeof it.dims);
        it.layer = layers_of(x, tensor, &it.n_layers);
        it.name = name;
        status = name != NULL ? add_item(x, it, err) : no_memory(err);
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

static pl_status put_values(pl_st_writer *writer, const item *it, const float *values, size_t count,
                            pl_hasher *hasher, double *max_error, pl_error *err)
{
    float *back = pl_alloc(PIECE, sizeof *back);
    float *scratch = pl_alloc(PIECE, sizeof *scratch);
    pl_status status = back == NULL || scratch == NULL ? no_memory(err) : PL_OK;
    for (size_t at = 0; status == PL_OK && at < count; at += PIECE) {
        size_t piece = count - at < PIECE ? count - at : PIECE;
        hash_stored(hasher, it->dtype, values + at, piece, scratch, back);
        status = pl_st_writer_put(writer, values + at, piece, max_error, err);
    }
    free(back);
    free(scratch);
    return status;
}

/* Rows read at once from a tensor that is copied: about 4 MB. */
static size_t rows_at_once(size_t cols)
{
    return cols > 0 && cols < (1u << 20) ? (1u << 20) / cols : 1;
}

/* A layer's weight, or those of the layers a fused tensor holds, one after the other. */
static pl_status write_layers(exporter *x, pl_st_writer *writer, item *it, pl_hasher *hasher,
                              pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < it->n_layers; i++) {
        const pl_layer *info = pl_model_layer(x->model, it->layer + i);
        pl_mat w = {0};
        status = pl_weights_make(x->lab, x->state, it->layer + i,
                                 (pl_weights_of){.which = x->spec->which}, &w, NULL, err);
        PL_THEN(put_values(writer, it, w.data, info->rows * info->cols, hasher,
                           &x->report.max_dtype_error, err));
        PL_THEN(pl_task_tick(task, err));
        pl_mat_deinit(&w);
    }
    return status;
}

static pl_status write_copy(exporter *x, pl_st_writer *writer, item *it, pl_hasher *hasher,
                            pl_task *task, pl_error *err)
{
    size_t cols = it->n_dims > 0 ? (size_t)it->dims[it->n_dims - 1] : 1;
    size_t rows = cols > 0 ? (size_t)elements(it) / cols : 0;
    size_t step = rows_at_once(cols);
    const pl_named_tensor from = {
        .tensor = it->tensor, .bias_of = it->bias_of, .n_dims = 1, .dims = {cols}, .add = it->add};
    float *values = pl_alloc(step * (cols > 0 ? cols : 1), sizeof *values);
    pl_status status = values == NULL ? no_memory(err) : PL_OK;
    for (size_t r = 0; status == PL_OK && r < rows && cols > 0; r += step) {
        size_t count = rows - r < step ? rows - r : step;
        status = pl_model_read_named(x->model, &from, r, count, values, err);
        PL_THEN(put_values(writer, it, values, count * cols, hasher, NULL, err));
        PL_THEN(pl_task_tick(task, err));
    }
    free(values);
    return status;
}

static pl_status write_item(exporter *x, pl_st_writer *writer, item *it, pl_task *task,
                            pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_task_progress(task, "elements", (double)x->done, (double)x->total);
    pl_status status = pl_task_tick(task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    PL_THEN(it->layer != SIZE_MAX ? write_layers(x, writer, it, hasher, task, err)
                                  : write_copy(x, writer, it, hasher, task, err));
    if (status == PL_OK) {
        it->written = pl_hasher_finish(hasher);
        x->done += elements(it);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* Reads a written file back and compares what it holds. */
static pl_status read_back(exporter *x, const char *path, const size_t *members, size_t count,
                           pl_task *task, pl_error *err)
{
    pl_checkpoint *written = NULL;
    pl_status status = pl_checkpoint_open(path, &written, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const item *it = &x->items[members[i]];
        const pl_tensor *tensor = pl_checkpoint_find(written, it->name);
        pl_hasher *hasher = NULL;
        status = pl_hasher_create(&hasher, err);
        size_t rows = tensor != NULL ? pl_tensor_rows(tensor) : 0;
        size_t cols = tensor != NULL ? pl_tensor_cols(tensor) : 0;
        size_t step = rows_at_once(cols);
        float *values = pl_alloc(step * (cols > 0 ? cols : 1), sizeof *values);
        if (status == PL_OK && values == NULL) {
            status = no_memory(err);
        }
        for (size_t r = 0; status == PL_OK && r < rows && cols > 0; r += step) {
            size_t piece = rows - r < step ? rows - r : step;
            status = pl_checkpoint_read(written, tensor, r, piece, values, err);
            if (status == PL_OK) {
                pl_hasher_bytes(hasher, values, piece * cols * sizeof *values);
                status = pl_task_tick(task, err);
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

static pl_status write_shard(exporter *x, const char *name, const size_t *members, size_t count,
                             pl_task *task, pl_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    pl_buf path = {0};
    pl_st_writer *writer = NULL;
    pl_st_entry *entries = calloc(count + 1, sizeof *entries);
    pl_path_join(&path, x->made.path, name);
    pl_status status = entries == NULL || path.failed ? no_memory(err) : PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const item *it = &x->items[members[i]];
        entries[i] = (pl_st_entry){
            .name = it->name, .dtype = it->dtype, .n_dims = it->n_dims, .dims = it->dims};
    }
    PL_THEN(pl_st_writer_create(path.data, entries, count, metadata, &writer, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status =
            write_item(x, writer, &x->items[members[pl_st_writer_order(writer, i)]], task, err);
    }
    PL_THEN(pl_st_writer_commit(writer, err));
    pl_st_writer_destroy(writer);
    PL_THEN(read_back(x, path.data, members, count, task, err));
    free(entries);
    pl_buf_deinit(&path);
    return status;
}

static pl_status write_shards(exporter *x, pl_task *task, pl_error *err)
{
    bool gguf = pl_checkpoint_container(x->checkpoint) == PL_GGUF;
    size_t shards = gguf ? 1 : pl_checkpoint_shards(x->checkpoint);
    size_t *members = calloc(x->n_items + 1, sizeof *members);
    pl_status status = members == NULL ? no_memory(err) : PL_OK;
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
        status = name.failed ? no_memory(err)
                             : write_shard(x, gguf ? "model.safetensors" : name.data, members,
                                           count, task, err);
        pl_buf_deinit(&name);
    }
    free(members);
    return status;
}

/* --- the files beside the weights ------------------------------------------------------------- */

/* Config, tokenizer and templates by the names that Transformers gives them, and the licence. */
static const char *const companions[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "chat_template.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
    "USE_POLICY.md",
};

/* The index that was read; NULL for a file on its own, beside which another's may lie. */
static const char *index_name(const exporter *x)
{
    const char *index = pl_checkpoint_index(x->checkpoint);
    return index != NULL ? pl_path_name(index) : NULL;
}

/* Is path in the folder, whose last slash is not written? */
static bool lies_in(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* The Hugging Face cache keeps "models--org--name/snapshots/<revision>/<links>" into its own
 * "models--org--name/blobs". */
static bool is_hub_blob(const char *path, const char *folder)
{
    pl_buf blobs = {0};
    const char *revision = strrchr(folder, '/');
    static const char snapshots[] = "/snapshots";
    const size_t length = revision != NULL ? (size_t)(revision - folder) : 0;
    bool inside = length > sizeof snapshots - 1 &&
                  strncmp(revision - (sizeof snapshots - 1), snapshots, sizeof snapshots - 1) == 0;
    if (inside) {
        pl_buf_append(&blobs, folder, length - (sizeof snapshots - 1));
        pl_buf_puts(&blobs, "/blobs");
        inside = !blobs.failed && lies_in(path, blobs.data);
    }
    pl_buf_deinit(&blobs);
    return inside;
}

/* *path <- where the companion of that name is, NULL where there is none; the caller's to free.
 * Never through a link that leaves the model's folder: it may point to anything on this machine. */
static pl_status find_companion(const exporter *x, const char *name, char **path, pl_error *err)
{
    struct stat st;
    pl_buf named = {0};
    *path = NULL;
    char *folder = realpath(pl_checkpoint_folder(x->checkpoint), NULL);
    pl_path_join(&named, pl_checkpoint_folder(x->checkpoint), name);
    pl_status status = folder == NULL || named.failed ? no_memory(err) : PL_OK;
    if (status == PL_OK && lstat(named.data, &st) == 0) {
        char *real = realpath(named.data, NULL);
        if (real != NULL && S_ISLNK(st.st_mode) && !lies_in(real, folder) &&
            !is_hub_blob(real, folder)) {
            status =
                pl_error_set(err, PL_ERR_IO,
                             "export: %s is a link to %s, outside the model's folder; expected "
                             "a file there (copy it if it is the model's)",
                             named.data, real);
        } else if (real != NULL && stat(real, &st) == 0 && S_ISREG(st.st_mode)) {
            *path = real;
            real = NULL;
        }
        free(real);
    }
    free(folder);
    pl_buf_deinit(&named);
    return status;
}

static pl_status write_json(const exporter *x, const char *name, const json_t *json, pl_error *err)
{
    pl_buf path = {0};
    pl_path_join(&path, x->made.path, name);
    char *text = pl_json_dump(json);
    pl_status status = text == NULL || path.failed ? no_memory(err) : PL_OK;
    PL_THEN(pl_file_write_all(path.data, text, strlen(text), err));
    free(text);
    pl_buf_deinit(&path);
    return status;
}

static const char *torch_name(pl_dtype dtype)
{
    return dtype == PL_F32 ? "float32" : dtype == PL_BF16 ? "bfloat16" : "float16";
}

/* A copy, but for what a change of dtype alters in config.json and in the index. */
static pl_status copy_companion(const exporter *x, const char *name, const char *from,
                                pl_error *err)
{
    pl_buf to = {0};
    char *text = NULL;
    size_t size = 0;
    pl_path_join(&to, x->made.path, name);
    pl_status status = to.failed ? no_memory(err) : PL_OK;
    PL_THEN(pl_file_read_all(from, (size_t)1 << 30, &text, &size, err));
    bool config = strcmp(name, "config.json") == 0;
    bool index = pl_text_ends(name, ".safetensors.index.json");
    if (status == PL_OK && x->spec->dtype != PL_DTYPE_OTHER && (config || index)) {
        json_error_t why;
        const unsigned before = pl_memory_failures();
        json_t *json = pl_json_load(text, size, &why);
        uint64_t sum = 0;
        for (size_t i = 0; i < x->n_items; i++) {
            size_t bytes = 0;
            if (pl_dtype_bytes(x->items[i].dtype, elements(&x->items[i]), &bytes)) {
                sum += bytes;
            }
        }
        if (config) {
            pl_json_set(json, "torch_dtype", json_string(torch_name(x->spec->dtype)));
        } else if (json_is_object(json_object_get(json, "metadata"))) {
            pl_json_set(json_object_get(json, "metadata"), "total_size",
                        json_integer((json_int_t)sum));
        }
        status = json == NULL ? no_memory(err) : pl_memory_check(before, err);
        PL_THEN(write_json(x, name, json, err));
        json_decref(json);
    } else if (status == PL_OK) {
        status = pl_file_write_all(to.data, text, size, err);
    }
    free(text);
    pl_buf_deinit(&to);
    return status;
}

/* write: copies them; else only looks whether it may. */
static pl_status copy_companions(const exporter *x, bool write, pl_error *err)
{
    const size_t count = sizeof companions / sizeof companions[0];
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i <= count; i++) {
        const char *name = i < count ? companions[i] : index_name(x);
        char *from = NULL;
        status = name != NULL ? find_companion(x, name, &from, err) : PL_OK;
        if (status == PL_OK && from != NULL && write) {
            status = copy_companion(x, name, from, err);
        }
        free(from);
    }
    return status;
}

/* A file of matrices stands alone: what lies beside it is not its own. */
static bool stands_alone(const exporter *x)
{
    const char *path = pl_model_path(x->model);
    return pl_model_is_bare(x->model) && pl_checkpoint_kind(path) != PL_NO_CONTAINER;
}

static pl_status write_gguf_companions(const exporter *x, pl_error *err)
{
    pl_dtype dtype = x->spec->dtype != PL_DTYPE_OTHER ? x->spec->dtype : PL_F16;
    json_t *config = NULL;
    pl_status status =
        pl_config_to_json(pl_model_config(x->model), torch_name(dtype), &config, err);
    PL_THEN(write_json(x, "config.json", config, err));
    json_decref(config);
    const pl_tokenizer *tokenizer = NULL;
    PL_THEN(pl_model_need_tokenizer(x->model, &tokenizer, err));
    pl_buf text = {0};
    pl_buf path = {0};
    PL_THEN(pl_tokenizer_to_json(tokenizer, &text, err));
    pl_path_join(&path, x->made.path, "tokenizer.json");
    PL_THEN(path.failed ? no_memory(err) : pl_file_write_all(path.data, text.data, text.size, err));
    pl_buf_deinit(&text);
    pl_buf_deinit(&path);
    if (status == PL_OK) {
        json_t *about = pl_tokenizer_config_to_json(tokenizer);
        status =
            about == NULL ? no_memory(err) : write_json(x, "tokenizer_config.json", about, err);
        json_decref(about);
    }
    return status;
}

/* --- the folder ------------------------------------------------------------------------------- */

static pl_status make_folder(exporter *x, pl_error *err)
{
    struct stat st;
    if (lstat(x->spec->folder, &st) == 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: is already there, expected a new folder",
                            x->spec->folder);
    }
    return pl_temporary_create(x->spec->folder, true, &x->made, err);
}

static void count_files(exporter *x)
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

/* Over the layers whose rounded weights are written. */
static double bits_per_weight(const exporter *x)
{
    double bits = 0.0, weights = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(x->model); i++) {
        const pl_layer *info = pl_model_layer(x->model, i);
        const double count = (double)info->rows * (double)info->cols;
        const pl_id *result = pl_state_result(x->state, i);
        pl_solve_report report = pl_solve_report_empty();
        if (result != NULL &&
            pl_result_report(x->lab, x->state, i, *result, &report, NULL) == PL_OK &&
            isfinite(report.bits_per_weight)) {
            bits += count * report.bits_per_weight;
            weights += count;
        }
    }
    return x->spec->which == PL_WHICH_AFTER && weights > 0.0 ? bits / weights : (double)NAN;
}

pl_status pl_export(pl_lab *lab, const pl_state *state, const pl_export_spec *spec,
                    pl_export_report *report, pl_task *task, pl_error *err)
{
    *report = (pl_export_report){0};
    exporter x = {
        .lab = lab,
        .state = state,
        .spec = spec,
        .model = state->source->model,
        .checkpoint = pl_model_checkpoint(state->source->model),
    };
    const bool gguf = pl_checkpoint_container(x.checkpoint) == PL_GGUF;
    const bool copies = !gguf && !stands_alone(&x);
    pl_status status = list_items(&x, err);
    if (status == PL_OK && copies) {
        status = copy_companions(&x, false, err); /* before the work */
    }
    PL_THEN(make_folder(&x, err));
    PL_THEN(write_shards(&x, task, err));
    if (status == PL_OK && gguf && !stands_alone(&x)) {
        status = write_gguf_companions(&x, err);
    }
    if (status == PL_OK && copies) {
        status = copy_companions(&x, true, err);
    }
    if (status == PL_OK) {
        count_files(&x);
        status = pl_temporary_publish(&x.made, spec->folder, err);
    }
    pl_temporary_discard(&x.made);
    if (status == PL_OK) {
        *report = x.report;
        report->bits_per_weight = bits_per_weight(&x);
    }
    for (size_t i = 0; i < x.n_items; i++) {
        free(x.items[i].name);
    }
    free(x.items);
    return status;
}
