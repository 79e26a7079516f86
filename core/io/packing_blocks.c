/* gpt_oss's own MXFP4: all experts of a block in one tensor of blocks [experts, out, in / 32, 16],
 * two E2M1 a byte with the first in the low nibble, and one of their E8M0 scales [experts, out, in
 * / 32]  (huggingface/transformers integrations/mxfp4.py, convert_moe_packed_tensors).  Shown as
 * [experts, out, in], and read row by row: all of it would be gigabytes. */
#include "core/base/checked.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCKS, SCALES };                 /* places in endings */
enum { BYTES = 16, VALUES = 2 * BYTES }; /* of a block */

static const float e2m1[] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                             -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

static bool open_blocks(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    const pl_tensor *blocks = &packed->parts[BLOCKS], *scales = &packed->parts[SCALES];
    (void)checkpoint;
    (void)config;
    bool fits = pl_part_is(blocks, "U8", 4) && pl_part_is(scales, "U8", 3) &&
                blocks->dims[3] == BYTES && blocks->dims[2] < (1u << 24);
    for (size_t i = 0; i < 3; i++) {
        fits = fits && blocks->dims[i] == scales->dims[i] && blocks->dims[i] > 0;
    }
    if (fits) {
        packed->stack = (size_t)blocks->dims[0];
        packed->rows = (size_t)blocks->dims[1];
        packed->groups = (size_t)blocks->dims[2];
        packed->cols = packed->groups * VALUES;
        packed->group_size = VALUES;
        packed->bits = 4;
    }
    return fits;
}

static pl_status read_bytes(pl_checkpoint *checkpoint, const pl_tensor *part, size_t first,
                            size_t count, uint8_t **out, pl_error *err)
{
    pl_file *file = checkpoint->shards[part->shard];
    *out = pl_alloc(count, 1);
    return *out == NULL ? pl_error_memory(err, "%s", pl_file_path(file))
                        : pl_file_read(file, part->offset + first, *out, count, err);
}

static pl_status read_blocks(pl_checkpoint *checkpoint, const pl_packed *packed, size_t first,
                             size_t count, float *out, pl_error *err)
{
    const size_t groups = packed->groups, n = count * groups;
    uint8_t *blocks = NULL, *scales = NULL;
    pl_status status = read_bytes(checkpoint, &packed->parts[BLOCKS], first * groups * BYTES,
                                  n * BYTES, &blocks, err);
    PL_THEN(read_bytes(checkpoint, &packed->parts[SCALES], first * groups, n, &scales, err));
    for (size_t g = 0; status == PL_OK && g < n; g++) {
        if (scales[g] == UINT8_MAX) {
            status = pl_error_set(err, PL_ERR_NUMERIC,
                                  "%s: an MXFP4 scale of row %zu is NaN (255), expected a finite "
                                  "one",
                                  pl_file_path(checkpoint->shards[packed->parts[SCALES].shard]),
                                  first + g / groups);
            break;
        }
        const float scale = ldexpf(1.0f, scales[g] - 127);
        for (size_t i = 0; i < BYTES; i++) {
            const uint8_t byte = blocks[g * BYTES + i];
            out[g * VALUES + 2 * i] = e2m1[byte & 15] * scale;
            out[g * VALUES + 2 * i + 1] = e2m1[byte >> 4] * scale;
        }
    }
    free(blocks);
    free(scales);
    return status;
}

const pl_packing pl_packing_mxfp4_blocks = {
    .name = "mxfp4_blocks",
    .about = "gpt_oss's experts",
    .bits = 1u << 4,
    .scale_dtype = PL_DTYPE_OTHER,
    .method = "mxfp4",
    .endings = {"_blocks", "_scales"},
    .needed = 2,
    .keeps_stem = true,
    .open = open_blocks,
    .read = read_blocks,
};
