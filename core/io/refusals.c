/* Checkpoints that are known, but not read: each refused in one sentence that says what it is and
 * what to do. */
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* --- files that are no container -------------------------------------------------------------- */

/* Files that torch.save wrote, and the index of several. */
static bool is_pickle(const char *name)
{
    static const char *const endings[] = {".bin", ".pt", ".pth", ".ckpt", ".bin.index.json"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (pl_text_ends(name, endings[i])) {
            return true;
        }
    }
    return false;
}

/* folder: NULL, or where the file of that name is. */
static pl_status refuse_pickle(const char *folder, const char *name, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s%s%s: a PyTorch pickle (.bin, .pt), which can run code when it is read; "
                        "save the model as safetensors (save_pretrained in transformers, save_file "
                        "in safetensors.torch) and open that",
                        folder != NULL ? folder : "", folder != NULL ? "/" : "", name);
}

static pl_status refuse_adapter(const char *path, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s: a LoRA adapter, which changes another model and is none itself; merge "
                        "it into that (merge_and_unload in PEFT, llama-export-lora) and open the "
                        "result",
                        path);
}

pl_status pl_refuse_file(const char *path, pl_error *err)
{
    static const char pointer[] = "version https://git-lfs";
    char head[sizeof pointer - 1] = {0};
    pl_file *file = NULL;
    if (pl_file_open(path, &file, NULL) != PL_OK) {
        return PL_OK; /* its reader says why */
    }
    uint64_t size = pl_file_size(file);
    size_t count = size < sizeof head ? (size_t)size : sizeof head;
    bool read = pl_file_read(file, 0, head, count, NULL) == PL_OK;
    pl_file_close(file);
    if (read && count == sizeof head && memcmp(head, pointer, sizeof head) == 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: a Git LFS pointer, which only names the file; fetch the file "
                            "itself with `git lfs pull`",
                            path);
    }
    bool zip = read && count > 4 && memcmp(head, "PK\3\4", 4) == 0 && !pl_text_ends(path, ".npz");
    return zip || is_pickle(path) ? refuse_pickle(NULL, path, err) : PL_OK;
}

pl_status pl_checkpoint_refuse_folder(const char *folder, pl_error *err)
{
    DIR *dir = opendir(folder);
    char *found = NULL;
    bool adapter = false;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        adapter = adapter || strcmp(name, "adapter_config.json") == 0 ||
                  strcmp(name, "adapter_model.safetensors") == 0;
        /* training_args.bin and the like are no weights, and the first name is always the same. */
        bool model = is_pickle(name) &&
                     (strstr(name, "model") != NULL || strncmp(name, "consolidated", 12) == 0);
        if (model && (found == NULL || strcmp(name, found) < 0)) {
            free(found);
            found = strdup(name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    pl_status status = adapter         ? refuse_adapter(folder, err)
                       : found != NULL ? refuse_pickle(folder, found, err)
                                       : PL_OK;
    free(found);
    return status;
}

/* --- containers of packed weights ------------------------------------------------------------- */

/* A way to pack a layer, known by the name of a tensor (how it ends), its dtype (how that begins)
 * and a tensor beside it (another ending of the same name).  The first that fits is said. */
static const struct {
    const char *ending, *dtype, *beside, *what;
} packings[] = {
    {".weight_packed", "", ".weight_global_scale", "packed NVFP4 weights (compressed-tensors)"},
    {".weight_packed", "U8", ".weight_scale", "packed MXFP4 weights (compressed-tensors)"},
    {".weight_packed", "", NULL, "packed compressed-tensors integers"},
    {".weight_scale_2", "", NULL, "the second scale of NVFP4 weights (ModelOpt)"},
    {"_blocks", "U8", "_scales", "packed MXFP4 weights"},
    {".scales", "", ".biases", "the scales of packed MLX integers"},
    {".weight.absmax", "", NULL, "the scales of packed bitsandbytes weights (4 bits)"},
    {".SCB", "", NULL, "the scales of bitsandbytes integers (LLM.int8)"},
    {".weight_scale_inv", "", NULL, "the block scales of FP8 weights"},
    {".weight", "I8", ".weight_scale", "compressed-tensors integers"},
    {".q_weight", "I32", NULL, "packed EXL2 integers"},
    {".W_q", "", NULL, "packed HQQ integers"},
    {".codebooks", "", NULL, "the codebooks of AQLM weights"},
    {".Qidxs", "", NULL, "the codes of QuIP# weights"},
    {".weight._data", "", NULL, "packed quanto weights"},
};

/* The tensor whose name is another's with other last letters. */
static const pl_tensor *sibling(const pl_checkpoint *checkpoint, const char *name, size_t stem,
                                const char *last)
{
    char *whole = malloc(stem + strlen(last) + 1);
    if (whole == NULL) {
        pl_memory_failed();
        return NULL;
    }
    memcpy(whole, name, stem);
    strcpy(whole + stem, last);
    const pl_tensor *tensor = pl_checkpoint_find(checkpoint, whole);
    free(whole);
    return tensor;
}

/* GPTQ packs eight 4-bit rows in an I32, AWQ eight columns; the scales have a column for each of
 * the layer's outputs.  NULL: neither. */
static const char *rows_or_columns(const pl_checkpoint *checkpoint, const pl_tensor *tensor)
{
    static const char ending[] = ".qweight";
    if (!pl_text_ends(tensor->name, ending)) {
        return NULL;
    }
    size_t stem = strlen(tensor->name) - strlen(ending);
    const pl_tensor *scales = sibling(checkpoint, tensor->name, stem, ".scales");
    bool columns = scales != NULL && pl_tensor_cols(scales) != pl_tensor_cols(tensor);
    return columns && sibling(checkpoint, tensor->name, stem, ".g_idx") == NULL
               ? "packed AWQ integers"
               : "packed GPTQ integers";
}

static const char *packing_of(const pl_checkpoint *checkpoint, const pl_tensor *tensor)
{
    for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
        size_t stem = strlen(tensor->name) - strlen(packings[i].ending);
        if (pl_text_ends(tensor->name, packings[i].ending) &&
            strncmp(tensor->dtype_name, packings[i].dtype, strlen(packings[i].dtype)) == 0 &&
            (packings[i].beside == NULL ||
             sibling(checkpoint, tensor->name, stem, packings[i].beside) != NULL)) {
            return packings[i].what;
        }
    }
    return strstr(tensor->name, ".quant_state.bitsandbytes") != NULL
               ? "packed bitsandbytes integers"
               : rows_or_columns(checkpoint, tensor);
}

/* What a GGUF of another type than a model says of itself. */
static pl_status refuse_type(const pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    const char *type = json_string_value(json_object_get(checkpoint->metadata, "general.type"));
    if (checkpoint->container != PL_GGUF || type == NULL || strcmp(type, "model") == 0) {
        return PL_OK;
    }
    if (strcmp(type, "adapter") == 0) {
        return refuse_adapter(path, err);
    }
    return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: general.type is '%.60s'%s, expected 'model'",
                        path, pl_brief_of(type, strlen(type)).text,
                        strcmp(type, "mmproj") == 0    ? " (the vision or audio part of a model)"
                        : strcmp(type, "imatrix") == 0 ? " (statistics of a calibration)"
                                                       : "");
}

static bool is_adapter(const char *name)
{
    return pl_text_ends(name, ".lora_a") || pl_text_ends(name, ".lora_b") ||
           strstr(name, ".lora_A.") != NULL || strstr(name, ".lora_B.") != NULL;
}

pl_status pl_refuse_packed(const pl_checkpoint *checkpoint, pl_error *err)
{
    const char *first = pl_file_path(checkpoint->shards[0]);
    pl_status status = refuse_type(checkpoint, first, err);
    const pl_tensor *float8 = NULL;
    for (size_t i = 0; i < checkpoint->count && status == PL_OK; i++) {
        const pl_tensor *tensor = &checkpoint->tensors[i];
        const char *path = pl_file_path(checkpoint->shards[tensor->shard]);
        const char *what = packing_of(checkpoint, tensor);
        if (is_adapter(tensor->name)) {
            status = refuse_adapter(path, err);
        } else if (what != NULL) {
            status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                  "%s: tensor '%s' holds %s; open the model it was quantized "
                                  "from, or dequantize it to F16, BF16 or F32 safetensors with "
                                  "the tool that made it",
                                  path, pl_brief_of(tensor->name, strlen(tensor->name)).text, what);
        }
        bool is_float8 = strncmp(tensor->dtype_name, "F8_", 3) == 0;
        float8 = float8 == NULL && is_float8 ? tensor : float8;
    }
    if (status == PL_OK && float8 != NULL) {
        status =
            pl_error_set(err, PL_ERR_UNSUPPORTED,
                         "%s: tensor '%s' has dtype %.16s, an 8-bit float whose scales are "
                         "kept apart; convert the checkpoint to BF16 or F32 (dequantized by "
                         "the tool that made it) and open that",
                         pl_file_path(checkpoint->shards[float8->shard]),
                         pl_brief_of(float8->name, strlen(float8->name)).text, float8->dtype_name);
    }
    return status;
}
