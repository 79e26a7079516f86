/* Packed layers of a checkpoint: found when it is opened, dequantized when they are read. */
#include "core/base/checked.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/json.h"
#include "core/io/packing_parts.h"
#include "core/tensor/mat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 24 };

/* What config.json, or GPTQ's quantize_config.json, says of the packing; NULL where neither does.
 * A file that is no JSON is for its own reader to refuse. */
static json_t *read_config(const pl_checkpoint *checkpoint)
{
    static const char *const names[] = {"config.json", "quantize_config.json"};
    json_t *found = NULL;
    for (size_t i = 0; found == NULL && i < 2; i++) {
        pl_buf path = {0};
        char *text = NULL;
        size_t size = 0;
        json_error_t why;
        pl_path_join(&path, checkpoint->folder, names[i]);
        if (!path.failed &&
            pl_file_read_all(path.data, CONFIG_LIMIT, &text, &size, NULL) == PL_OK) {
            json_t *json = pl_json_load(text, size, &why);
            found = i == 0 ? json_incref(json_object_get(json, "quantization_config"))
                           : json_incref(json);
            json_decref(json);
        }
        free(text);
        pl_buf_deinit(&path);
    }
    return found;
}

/* The layer's tensors by a packing's endings; false where one that it needs is missing. */
static bool find_parts(const pl_checkpoint *checkpoint, const pl_tensor *codes, size_t stem,
                       const pl_packing *packing, pl_packed *out)
{
    *out = (pl_packed){.packing = packing};
    for (size_t i = 0; i < PL_PACK_PARTS && packing->endings[i] != NULL; i++) {
        pl_buf name = {0};
        pl_buf_append(&name, codes->name, stem);
        pl_buf_puts(&name, packing->endings[i]);
        const pl_tensor *part = name.failed ? NULL : pl_checkpoint_find(checkpoint, name.data);
        pl_buf_deinit(&name);
        if (part != NULL) {
            out->parts[i] = *part;
        } else if (i < packing->needed) {
            return false;
        }
    }
    return true;
}

/* The packed layer that a tensor holds the codes of, NULL where it is none that is read. */
static pl_packed *open_packed(pl_checkpoint *checkpoint, const json_t *config,
                              const pl_tensor *tensor, size_t *stem)
{
    pl_packed found;
    for (size_t i = 0; i < PL_PACKING_ALL; i++) {
        const pl_packing *packing = pl_packing_at(i);
        if (!pl_text_ends(tensor->name, packing->endings[0])) {
            continue;
        }
        *stem = strlen(tensor->name) - strlen(packing->endings[0]);
        if (find_parts(checkpoint, tensor, *stem, packing, &found) &&
            packing->open(checkpoint, config, &found)) {
            pl_packed *kept = malloc(sizeof *kept);
            if (kept == NULL) {
                pl_memory_failed();
                return NULL;
            }
            *kept = found;
            return kept;
        }
    }
    return NULL;
}

/* The tensor that stands for a packed layer, in place of its codes: its place, and so what samples
 * of its bytes see, are theirs. */
static pl_status stand_for(pl_tensor *codes, size_t stem, pl_packed *packed, pl_error *err)
{
    static const char ending[] = ".weight";
    char word[32];
    snprintf(word, sizeof word, "%d-bit codes", packed->bits);
    const bool bare = packed->packing->keeps_stem;
    const size_t name = stem + (bare ? 1 : sizeof ending), size = strlen(word) + 1;
    char *words = malloc(name + size);
    if (words == NULL) {
        free(packed);
        return pl_error_memory(err, "the list of tensors");
    }
    memcpy(words, codes->name, stem);
    memcpy(words + stem, bare ? "" : ending, bare ? 1 : sizeof ending);
    memcpy(words + name, word, size);
    free((void *)codes->name);
    codes->name = words;
    codes->dtype_name = words + name;
    codes->dtype = packed->parts[1].dtype <= PL_BF16 ? packed->parts[1].dtype : PL_BF16;
    codes->n_dims = packed->stack > 0 ? 3 : 2;
    codes->dims[0] = packed->stack;
    codes->dims[codes->n_dims - 2] = packed->rows;
    codes->dims[codes->n_dims - 1] = packed->cols;
    codes->packed = packed;
    return PL_OK;
}

/* A packed layer's tensors but its codes are no longer listed. */
static void mark_hidden(const pl_checkpoint *checkpoint, pl_packed *packed, bool *hidden)
{
    for (size_t p = 0; p < PL_PACK_PARTS; p++) {
        pl_tensor *part = &packed->parts[p];
        const pl_tensor *listed =
            part->name != NULL ? pl_checkpoint_find(checkpoint, part->name) : NULL;
        if (listed != NULL && p > 0) {
            hidden[listed - checkpoint->tensors] = true;
        }
        /* Their names go with the list. */
        part->name = packed->packing->endings[p];
        part->dtype_name = part->dtype_name != NULL ? "" : NULL;
    }
}

static bool holds_codes(const pl_tensor *tensor)
{
    bool codes = false;
    for (size_t k = 0; k < PL_PACKING_ALL; k++) {
        codes = codes || pl_text_ends(tensor->name, pl_packing_at(k)->endings[0]);
    }
    return codes;
}

pl_status pl_packed_find(pl_checkpoint *checkpoint, pl_error *err)
{
    const size_t count = checkpoint->container == PL_SAFETENSORS ? checkpoint->count : 0;
    const unsigned before = pl_memory_failures();
    size_t n_packed = 0, kept = 0;
    json_t *config = NULL;
    bool *hidden = pl_pack_room(count, sizeof *hidden);
    pl_packed **packed = pl_pack_room(count, sizeof *packed);
    size_t *stems = pl_pack_room(count, sizeof *stems);
    pl_status status = pl_memory_check(before, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        if (holds_codes(&checkpoint->tensors[i])) {
            config = config == NULL ? read_config(checkpoint) : config;
            config = config == NULL ? json_object() : config;
            packed[i] = open_packed(checkpoint, config, &checkpoint->tensors[i], &stems[i]);
            n_packed += packed[i] != NULL;
        }
    }
    json_decref(config);
    PL_THEN(pl_memory_check(before, err));
    for (size_t i = 0; i < count && status == PL_OK && n_packed > 0; i++) {
        if (packed[i] != NULL) {
            mark_hidden(checkpoint, packed[i], hidden);
        }
    }
    for (size_t i = 0; i < count && packed != NULL; i++) {
        if (packed[i] != NULL && status == PL_OK) {
            status = stand_for(&checkpoint->tensors[i], stems[i], packed[i], err);
        } else {
            free(packed[i]);
        }
    }
    for (size_t i = 0; i < count && status == PL_OK && n_packed > 0; i++) {
        if (hidden[i]) {
            free((void *)checkpoint->tensors[i].name);
        } else {
            checkpoint->tensors[kept++] = checkpoint->tensors[i];
        }
    }
    if (status == PL_OK && n_packed > 0) {
        checkpoint->count = kept;
        status = pl_checkpoint_index_names(checkpoint, err);
    }
    free(hidden);
    free(packed);
    free(stems);
    return status;
}

/* --- reading ---------------------------------------------------------------------------------- */

static pl_status read_parts(pl_checkpoint *checkpoint, const pl_packed *packed,
                            void *data[PL_PACK_PARTS], pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; i < PL_PACK_PARTS && status == PL_OK; i++) {
        const pl_tensor *part = &packed->parts[i];
        if (part->dtype_name != NULL) {
            pl_file *file = checkpoint->shards[part->shard];
            data[i] = pl_alloc((size_t)part->bytes + sizeof(uint32_t), 1);
            status = data[i] == NULL
                         ? pl_error_memory(err, "%s", pl_file_path(file))
                         : pl_file_read(file, part->offset, data[i], (size_t)part->bytes, err);
        }
    }
    return status;
}

pl_status pl_packed_read(pl_checkpoint *checkpoint, const pl_tensor *tensor, size_t first,
                         size_t count, float *out, pl_error *err)
{
    const pl_packed *packed = tensor->packed;
    const char *path = pl_file_path(checkpoint->shards[tensor->shard]);
    void *data[PL_PACK_PARTS] = {NULL};
    pl_codes codes = {0};
    if (packed->packing->read != NULL) {
        return packed->packing->read(checkpoint, packed, first, count, out, err);
    }
    pl_status status = read_parts(checkpoint, packed, data, err);
    PL_THEN(pl_codes_init(&codes, packed->rows, packed->cols, packed->groups, err));
    PL_THEN(packed->packing->unpack(packed, data, &codes, err));
    if (status == PL_OK) {
        const size_t scales = codes.rows * codes.groups;
        const size_t bad = pl_view_first_nonfinite((pl_view){codes.scales, 1, scales, scales});
        bool placed = true;
        for (size_t c = 0; c < codes.cols; c++) {
            placed = placed && codes.group_of[c] < codes.groups;
        }
        const pl_brief name = pl_brief_of(tensor->name, strlen(tensor->name));
        if (bad < scales) {
            status = pl_error_set(err, PL_ERR_NUMERIC,
                                  "%s: the scales of '%s' hold %s at element %zu, expected finite "
                                  "values",
                                  path, name.text, isnan(codes.scales[bad]) ? "NaN" : "an infinity",
                                  bad);
        } else if (!placed) {
            status = pl_error_set(err, PL_ERR_FORMAT,
                                  "%s: '%s': g_idx names a group that has no scale, expected 0 to "
                                  "%zu",
                                  path, name.text, codes.groups - 1);
        } else {
            pl_codes_decode(&codes, first, count, out);
            const size_t n = count * codes.cols;
            const size_t at = pl_view_first_nonfinite((pl_view){out, 1, n, n});
            if (at < n) {
                status = pl_error_set(err, PL_ERR_NUMERIC,
                                      "%s: '%s' holds %s at row %zu, column %zu, expected finite "
                                      "values",
                                      path, name.text, isnan(out[at]) ? "NaN" : "an infinity",
                                      first + at / codes.cols, at % codes.cols);
            }
        }
    }
    pl_codes_deinit(&codes);
    for (size_t i = 0; i < PL_PACK_PARTS; i++) {
        free(data[i]);
    }
    return status;
}
