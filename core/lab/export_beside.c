/* The files beside an export's weights: configuration, tokenizer, templates, licence. */
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "core/lab/export_parts.h"
#include "core/model/bare.h"
#include "core/model/chat.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Config, tokenizer and templates by the names that Transformers gives them, and the licence;
 * config.json is the first. */
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
enum { COMPANIONS = sizeof companions / sizeof companions[0] };

/* The index that was read; NULL for a file on its own, beside which another's may lie. */
static const char *index_name(const pl_exporter *x)
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

/* Never through a link that leaves the model's folder: it may point to anything on this machine. */
pl_status pl_export_find_beside(const pl_exporter *x, const char *name, char **path, pl_error *err)
{
    struct stat st;
    pl_buf named = {0};
    *path = NULL;
    char *folder = realpath(pl_checkpoint_folder(x->checkpoint), NULL);
    pl_path_join(&named, pl_checkpoint_folder(x->checkpoint), name);
    pl_status status = folder == NULL || named.failed ? pl_export_no_memory(err) : PL_OK;
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

static pl_status write_json(const pl_exporter *x, const char *name, const json_t *json,
                            pl_error *err)
{
    pl_buf path = {0};
    pl_path_join(&path, x->made.path, name);
    char *text = pl_json_dump(json);
    pl_status status = text == NULL || path.failed ? pl_export_no_memory(err) : PL_OK;
    PL_THEN(pl_file_write_all(path.data, text, strlen(text), err));
    free(text);
    pl_buf_deinit(&path);
    return status;
}

/* The weights' type in a config.json: transformers 4.56 renamed the key, and of both it takes the
 * newer one. */
static const char OLD_DTYPE[] = "torch_dtype", NEW_DTYPE[] = "dtype";

static const char *torch_name(pl_dtype dtype)
{
    return dtype == PL_F32 ? "float32" : dtype == PL_BF16 ? "bfloat16" : "float16";
}

static pl_dtype torch_dtype(const char *name)
{
    static const char torch[] = "torch.";
    const bool whole = name != NULL && strncmp(name, torch, sizeof torch - 1) == 0;
    const char *word = whole ? name + sizeof torch - 1 : name;
    for (pl_dtype d = PL_F32; word != NULL && d <= PL_BF16; d++) {
        if (strcmp(word, torch_name(d)) == 0) {
            return d;
        }
    }
    return PL_F32;
}

static pl_status read_json(const char *path, json_t **out, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t why;
    *out = NULL;
    pl_status status = pl_file_read_all(path, (size_t)1 << 30, &text, &size, err);
    if (status == PL_OK) {
        *out = pl_json_load(text, size, &why);
        status = *out == NULL ? pl_export_no_memory(err) : PL_OK;
    }
    free(text);
    return status;
}

pl_status pl_export_config_dtype(const pl_exporter *x, pl_dtype *out, pl_error *err)
{
    json_t *config = NULL;
    char *path = NULL;
    *out = x->spec->dtype != PL_DTYPE_OTHER ? x->spec->dtype : PL_F16;
    if (x->spec->dtype != PL_DTYPE_OTHER || pl_checkpoint_container(x->checkpoint) == PL_GGUF) {
        return PL_OK;
    }
    pl_status status = pl_export_find_beside(x, companions[0], &path, err);
    if (status == PL_OK && path != NULL) {
        status = read_json(path, &config, err);
    }
    const char *name = json_string_value(json_object_get(config, NEW_DTYPE));
    *out = torch_dtype(name != NULL ? name : json_string_value(json_object_get(config, OLD_DTYPE)));
    json_decref(config);
    free(path);
    return status;
}

/* Whether the tensors have other names than in the checkpoint: of a packed layer its parts', and
 * lm_head of a folded model. */
static bool renames(const pl_exporter *x)
{
    bool other = x->packing != NULL || x->unties;
    for (size_t i = 0; i < x->n_items; i++) {
        other = other || (x->items[i].tensor != NULL && x->items[i].tensor->packed != NULL);
    }
    return other;
}

/* Says in a configuration how the weights lie. */
static pl_status adapt_config(const pl_exporter *x, json_t *config, pl_error *err)
{
    json_t *quantization = NULL;
    const unsigned before = pl_memory_failures();
    pl_status status = pl_export_quantization(x, &quantization, err);
    if (x->spec->dtype != PL_DTYPE_OTHER) {
        const char *name = torch_name(x->spec->dtype);
        const bool newer = json_object_get(config, NEW_DTYPE) != NULL;
        if (newer) {
            pl_json_set(config, NEW_DTYPE, json_string(name));
        }
        if (!newer || json_object_get(config, OLD_DTYPE) != NULL) {
            pl_json_set(config, OLD_DTYPE, json_string(name));
        }
    }
    if (x->unties) {
        pl_json_set(config, "tie_word_embeddings", json_false());
    }
    if (quantization != NULL) {
        pl_json_set(config, "quantization_config", quantization);
    } else {
        json_object_del(config, "quantization_config");
    }
    PL_THEN(pl_memory_check(before, err));
    return status;
}

/* The index of an export in several files. */
static pl_status adapt_index(const pl_exporter *x, json_t *index, pl_error *err)
{
    const unsigned before = pl_memory_failures();
    json_t *files = renames(x) ? json_object() : NULL;
    uint64_t sum = 0;
    for (size_t i = 0; i < x->n_items; i++) {
        const pl_export_item *it = &x->items[i];
        sum += it->packed ? 0 : pl_export_elements(it) * pl_dtype_block_bytes(it->dtype);
        for (size_t p = 0; p < it->n_parts; p++) {
            sum += pl_pack_part_bytes(&it->parts[p]);
            pl_json_set(files, it->part_names[p], json_string(it->file));
        }
        if (files != NULL && !it->packed) {
            pl_json_set(files, it->name, json_string(it->file));
        }
    }
    if (files != NULL) {
        pl_json_set(index, "weight_map", files);
    }
    if (json_is_object(json_object_get(index, "metadata"))) {
        pl_json_set(json_object_get(index, "metadata"), "total_size",
                    json_integer((json_int_t)sum));
    }
    return pl_memory_check(before, err);
}

/* A copy, but for what dtype, packing and folding alter in config.json and in the index. */
static pl_status copy_companion(const pl_exporter *x, const char *name, const char *from,
                                pl_error *err)
{
    pl_buf to = {0};
    char *text = NULL;
    size_t size = 0;
    json_t *json = NULL;
    const bool alters = x->spec->dtype != PL_DTYPE_OTHER || renames(x);
    const bool config = strcmp(name, "config.json") == 0;
    const bool index = pl_text_ends(name, ".safetensors.index.json");
    pl_path_join(&to, x->made.path, name);
    pl_status status = to.failed ? pl_export_no_memory(err) : PL_OK;
    if (status == PL_OK && alters && (config || index)) {
        status = read_json(from, &json, err);
        PL_THEN(config ? adapt_config(x, json, err) : adapt_index(x, json, err));
        PL_THEN(write_json(x, name, json, err));
    } else if (status == PL_OK) {
        status = pl_file_read_all(from, (size_t)1 << 30, &text, &size, err);
        PL_THEN(pl_file_write_all(to.data, text, size, err));
    }
    json_decref(json);
    free(text);
    pl_buf_deinit(&to);
    return status;
}

/* The modules that a config.json with an auto_map runs: they belong to the model.  write: as
 * below. */
static pl_status copy_modules(const pl_exporter *x, bool write, pl_error *err)
{
    pl_buf path = {0};
    json_t *config = NULL;
    const char *folder = pl_checkpoint_folder(x->checkpoint);
    pl_path_join(&path, folder, companions[0]);
    DIR *dir = NULL;
    const struct dirent *entry;
    pl_status status = pl_buf_check(&path, err);
    if (status == PL_OK && access(path.data, F_OK) == 0) {
        status = read_json(path.data, &config, err);
    }
    if (status == PL_OK && json_object_size(json_object_get(config, "auto_map")) > 0) {
        dir = opendir(folder);
    }
    while (status == PL_OK && dir != NULL && (entry = readdir(dir)) != NULL) {
        char *from = NULL;
        if (pl_text_ends(entry->d_name, ".py")) {
            status = pl_export_find_beside(x, entry->d_name, &from, err);
        }
        if (status == PL_OK && from != NULL && write) {
            status = copy_companion(x, entry->d_name, from, err);
        }
        free(from);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    json_decref(config);
    pl_buf_deinit(&path);
    return status;
}

/* Companions from the first-th on.  write: copies them; else only looks whether it may. */
static pl_status copy_companions(const pl_exporter *x, size_t first, size_t last, bool write,
                                 pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = first; status == PL_OK && i < last; i++) {
        const char *name = i < COMPANIONS ? companions[i] : index_name(x);
        char *from = NULL;
        status = name != NULL ? pl_export_find_beside(x, name, &from, err) : PL_OK;
        if (status == PL_OK && from != NULL && write) {
            status = copy_companion(x, name, from, err);
        }
        free(from);
    }
    return status == PL_OK && last > COMPANIONS ? copy_modules(x, write, err) : status;
}

pl_status pl_export_licences(const pl_exporter *x, bool write, pl_error *err)
{
    pl_status status = PL_OK;
    size_t first = 0;
    while (strcmp(companions[first], "LICENSE") != 0) { /* with all that follow it */
        first++;
    }
    if (pl_checkpoint_container(x->checkpoint) != PL_GGUF) {
        status = copy_companions(x, first, COMPANIONS, write, err);
    }
    return status;
}

/* A file of matrices stands alone: what lies beside it is not its own. */
static bool model_stands_alone(const pl_exporter *x)
{
    const char *path = pl_model_path(x->model);
    return pl_model_is_bare(x->model) && pl_checkpoint_kind(path) != PL_NO_CONTAINER;
}

static bool from_gguf(const pl_exporter *x)
{
    return pl_checkpoint_container(x->checkpoint) == PL_GGUF;
}

static pl_status write_gguf_config(const pl_exporter *x, pl_error *err)
{
    pl_dtype dtype = x->spec->dtype != PL_DTYPE_OTHER ? x->spec->dtype : PL_F16;
    json_t *config = NULL;
    pl_status status =
        pl_config_to_json(pl_model_config(x->model), torch_name(dtype), &config, err);
    PL_THEN(adapt_config(x, config, err));
    PL_THEN(write_json(x, "config.json", config, err));
    json_decref(config);
    return status;
}

/* What ends a text, from a GGUF's own keys. */
static pl_status write_generation(const pl_exporter *x, pl_error *err)
{
    int32_t ends[PL_MAX_ENDS];
    size_t count = 0;
    const pl_config *config = pl_model_config(x->model);
    const unsigned before = pl_memory_failures();
    pl_status status = pl_chat_ends(x->model, ends, &count, err);
    if (status != PL_OK || count == 0) {
        return status;
    }
    json_t *generation = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++) {
        pl_json_append(list, json_integer(ends[i]));
    }
    if (config->bos_id >= 0) {
        pl_json_set(generation, "bos_token_id", json_integer(config->bos_id));
    }
    pl_json_set(generation, "eos_token_id", list);
    status = pl_memory_check(before, err);
    PL_THEN(write_json(x, "generation_config.json", generation, err));
    json_decref(generation);
    return status;
}

static pl_status write_gguf_tokenizer(const pl_exporter *x, pl_error *err)
{
    const pl_tokenizer *tokenizer = NULL;
    pl_buf text = {0};
    pl_buf path = {0};
    pl_status status = pl_model_need_tokenizer(x->model, &tokenizer, err);
    PL_THEN(pl_tokenizer_to_json(tokenizer, &text, err));
    pl_path_join(&path, x->made.path, "tokenizer.json");
    PL_THEN(path.failed ? pl_export_no_memory(err)
                        : pl_file_write_all(path.data, text.data, text.size, err));
    pl_buf_deinit(&text);
    pl_buf_deinit(&path);
    if (status == PL_OK) {
        static const char key[] = "tokenizer.chat_template";
        const unsigned before = pl_memory_failures();
        json_t *about = pl_tokenizer_config_to_json(tokenizer);
        json_t *chat = json_object_get(pl_checkpoint_metadata(x->checkpoint), key);
        if (json_is_string(chat)) {
            pl_json_set(about, "chat_template", json_incref(chat));
        }
        status = about == NULL ? pl_export_no_memory(err) : pl_memory_check(before, err);
        PL_THEN(write_json(x, "tokenizer_config.json", about, err));
        json_decref(about);
    }
    PL_THEN(write_generation(x, err));
    return status;
}

/* A loader that looks for the packing in a file of its own. */
static pl_status write_packing_file(const pl_exporter *x, pl_error *err)
{
    json_t *quantization = NULL;
    pl_status status = PL_OK;
    if (x->packing != NULL && x->packing->file != NULL) {
        status = pl_export_quantization(x, &quantization, err);
        PL_THEN(write_json(x, x->packing->file, quantization, err));
    }
    json_decref(quantization);
    return status;
}

pl_status pl_export_check_beside(const pl_exporter *x, pl_error *err)
{
    return from_gguf(x) || model_stands_alone(x)
               ? PL_OK
               : copy_companions(x, 0, COMPANIONS + 1, false, err);
}

pl_status pl_export_write_config(const pl_exporter *x, pl_error *err)
{
    return model_stands_alone(x) ? PL_OK
           : from_gguf(x)        ? write_gguf_config(x, err)
                                 : copy_companions(x, 0, 1, true, err);
}

pl_status pl_export_write_beside(const pl_exporter *x, pl_error *err)
{
    pl_status status = model_stands_alone(x) ? PL_OK
                       : from_gguf(x)        ? write_gguf_tokenizer(x, err)
                                             : copy_companions(x, 1, COMPANIONS + 1, true, err);
    PL_THEN(write_packing_file(x, err));
    return status == PL_OK && !model_stands_alone(x) ? pl_export_write_card(x, err) : status;
}
