/* Decoding a tensor's rows, block by block, with every value checked. */
#include "core/io/checkpoint.h"

#include "core/base/checked.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A multiple of every block length; its float32 values stay in the L2 cache between decoding and
 * the test for finiteness. */
enum { PIECE = 128 * 1024 };

static pl_status check_range(const pl_checkpoint *checkpoint, const pl_tensor *tensor, size_t first,
                             size_t count, pl_error *err)
{
    const char *path = pl_file_path(checkpoint->shards[tensor->shard]);
    const pl_brief name = pl_brief_of(tensor->name, strlen(tensor->name));
    if (tensor->dtype == PL_DTYPE_OTHER) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: tensor '%s' has dtype %s, expected F32, F16, BF16, Q4_0, Q4_1, "
                            "Q5_0, Q5_1, Q8_0, MXFP4 or Q2_K to Q6_K",
                            path, name.text,
                            pl_brief_of(tensor->dtype_name, strlen(tensor->dtype_name)).text);
    }
    size_t rows = pl_tensor_rows(tensor);
    if (first > rows || count > rows - first) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: tensor '%s' has %zu rows, asked for %zu from row %zu", path,
                            name.text, rows, count, first);
    }
    return PL_OK;
}

pl_status pl_checkpoint_read(pl_checkpoint *checkpoint, const pl_tensor *tensor, size_t first,
                             size_t count, float *out, pl_error *err)
{
    pl_status status = check_range(checkpoint, tensor, first, count, err);
    const size_t cols = pl_tensor_cols(tensor);
    if (status != PL_OK || count == 0 || cols == 0) {
        return status;
    }
    if (tensor->packed != NULL) {
        return pl_packed_read(checkpoint, tensor, first, count, out, err);
    }
    /* The shape was checked against the file's size when it was opened, so no product wraps. */
    const size_t block = pl_dtype_block(tensor->dtype);
    const size_t block_bytes = pl_dtype_block_bytes(tensor->dtype);
    const size_t total = count * cols;
    const size_t piece = total < PIECE ? total : PIECE;
    uint64_t offset = tensor->offset + (uint64_t)first * (cols / block) * block_bytes;
    pl_file *file = checkpoint->shards[tensor->shard];
    void *raw = tensor->dtype == PL_F32 ? NULL : pl_alloc(piece / block, block_bytes);
    if (raw == NULL && tensor->dtype != PL_F32) {
        return pl_error_memory(err, "%s", pl_file_path(file));
    }
    for (size_t done = 0; done < total && status == PL_OK;) {
        size_t now = total - done < piece ? total - done : piece;
        size_t bytes = now / block * block_bytes;
        status = pl_file_read(file, offset, raw != NULL ? raw : out + done, bytes, err);
        if (status != PL_OK) {
            break;
        }
        if (raw != NULL) {
            pl_dtype_decode(tensor->dtype, raw, now, out + done);
        }
        size_t bad = pl_view_first_nonfinite((pl_view){out + done, 1, now, now});
        if (bad < now) {
            size_t at = done + bad;
            status = pl_error_set(err, PL_ERR_NUMERIC,
                                  "%s: tensor '%s' holds %s at element %zu (row %zu, column %zu), "
                                  "expected finite values",
                                  pl_file_path(file),
                                  pl_brief_of(tensor->name, strlen(tensor->name)).text,
                                  isnan(out[at]) ? "NaN" : "an infinity", first * cols + at,
                                  first + at / cols, at % cols);
        }
        done += now;
        offset += bytes;
    }
    free(raw);
    return status;
}
