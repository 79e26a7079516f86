/* Checkpoints that are known, but not read: each refused in one sentence that says what it is and
 * what to do. */
#include "core/io/checkpoint_parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), need = strlen(ending);
    return size >= need && strcmp(text + size - need, ending) == 0;
}

/* Files that torch.save wrote, and the index of several. */
static bool is_pickle(const char *name)
{
    static const char *const endings[] = {".bin", ".pt", ".pth", ".ckpt", ".bin.index.json"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(name, endings[i])) {
            return true;
        }
    }
    return false;
}

pl_status pl_refuse_pickle(const char *path, const char *name, pl_error *err)
{
    if (!is_pickle(name)) {
        return PL_OK;
    }
    const bool inside = path != name;
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s%s%s: a PyTorch pickle (.bin, .pt), which can run code when it is read; "
                        "save the model as safetensors (save_pretrained in transformers, save_file "
                        "in safetensors.torch) and open that",
                        path, inside ? "/" : "", inside ? name : "");
}

pl_status pl_checkpoint_refuse_pickles(const char *folder, pl_error *err)
{
    DIR *dir = opendir(folder);
    char *found = NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
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
    pl_status status = found != NULL ? pl_refuse_pickle(folder, found, err) : PL_OK;
    free(found);
    return status;
}

static const pl_tensor *sibling(const pl_checkpoint *checkpoint, const char *name, size_t stem,
                                const char *last)
{
    char *whole = malloc(stem + strlen(last) + 1);
    if (whole == NULL) {
        return NULL;
    }
    memcpy(whole, name, stem);
    strcpy(whole + stem, last);
    const pl_tensor *tensor = pl_checkpoint_find(checkpoint, whole);
    free(whole);
    return tensor;
}

/* What packed a layer, by the names of its tensors: GPTQ packs eight 4-bit rows in an I32, AWQ
 * eight columns; the scales have a column for each of the layer's outputs.  NULL: not packed. */
static const char *packer_of(const pl_checkpoint *checkpoint, const pl_tensor *tensor)
{
    const char *name = tensor->name;
    const char *dot = strrchr(name, '.');
    const char *last = dot != NULL ? dot : "";
    const size_t stem = (size_t)(last - name);
    if (strcmp(last, ".weight_packed") == 0) {
        return "compressed-tensors";
    }
    if (strstr(name, ".quant_state.bitsandbytes") != NULL) {
        return "bitsandbytes";
    }
    if (strcmp(last, ".qweight") != 0) {
        return NULL;
    }
    const pl_tensor *scales = sibling(checkpoint, name, stem, ".scales");
    const bool columns = scales != NULL && pl_tensor_cols(scales) != pl_tensor_cols(tensor);
    return columns && sibling(checkpoint, name, stem, ".g_idx") == NULL ? "AWQ" : "GPTQ";
}

pl_status pl_refuse_packed(const pl_checkpoint *checkpoint, pl_error *err)
{
    for (size_t i = 0; i < checkpoint->count; i++) {
        const pl_tensor *tensor = &checkpoint->tensors[i];
        const char *path = pl_file_path(checkpoint->shards[tensor->shard]);
        const pl_brief name = pl_brief_of(tensor->name, strlen(tensor->name));
        if (strncmp(tensor->dtype_name, "F8_", 3) == 0) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "%s: tensor '%s' has dtype %.16s, an 8-bit float whose scales are "
                                "kept apart; convert the checkpoint to BF16 or F32 (dequantized by "
                                "the tool that made it) and open that",
                                path, name.text, tensor->dtype_name);
        }
        const char *packer = packer_of(checkpoint, tensor);
        if (packer != NULL) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "%s: tensor '%s' holds packed %s integers; open the model it was "
                                "quantized from, or dequantize it to F16, BF16 or F32 safetensors "
                                "with the tool that made it",
                                path, name.text, packer);
        }
    }
    return PL_OK;
}
