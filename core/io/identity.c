#include "core/io/identity.h"

#include "core/base/text.h"
#include "core/io/packing_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PIECE = 1 << 20 };

struct pl_hasher {
    XXH3_state_t *state;
};

static pl_id id_of(XXH128_hash_t hash)
{
    return (pl_id){.high = hash.high64, .low = hash.low64};
}

bool pl_id_equal(pl_id a, pl_id b)
{
    return a.high == b.high && a.low == b.low;
}

void pl_id_format(pl_id id, char out[PL_ID_TEXT])
{
    snprintf(out, PL_ID_TEXT, "%016" PRIx64 "%016" PRIx64, id.high, id.low);
}

bool pl_id_parse(const char *text, pl_id *out)
{
    uint64_t half[2] = {0};
    for (size_t i = 0; i < 32; i++) {
        char c = text[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) {
            return false;
        }
        half[i / 16] = half[i / 16] << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    if (text[32] != '\0') {
        return false;
    }
    *out = (pl_id){.high = half[0], .low = half[1]};
    return true;
}

bool pl_id_of_json(const json_t *object, const char *name, pl_id *out)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL && pl_id_parse(text, out);
}

pl_id pl_id_bytes(const void *bytes, size_t size)
{
    return id_of(XXH3_128bits(bytes, size));
}

pl_status pl_hasher_create(pl_hasher **out, pl_error *err)
{
    *out = NULL;
    pl_hasher *hasher = calloc(1, sizeof *hasher);
    if (hasher == NULL || (hasher->state = XXH3_createState()) == NULL ||
        XXH3_128bits_reset(hasher->state) != XXH_OK) {
        pl_hasher_destroy(hasher);
        return pl_error_memory(err, "a hash");
    }
    *out = hasher;
    return PL_OK;
}

void pl_hasher_bytes(pl_hasher *hasher, const void *bytes, size_t size)
{
    if (size > 0) {
        XXH3_128bits_update(hasher->state, bytes, size);
    }
}

/* A field: its length in 8 bytes, then its bytes. */
static void add_field(pl_hasher *hasher, const void *bytes, size_t size)
{
    uint64_t length = size;
    pl_hasher_bytes(hasher, &length, sizeof length);
    pl_hasher_bytes(hasher, bytes, size);
}

void pl_hasher_text(pl_hasher *hasher, const char *text)
{
    add_field(hasher, text, strlen(text));
}

void pl_hasher_u64(pl_hasher *hasher, uint64_t value)
{
    add_field(hasher, &value, sizeof value);
}

void pl_hasher_f64(pl_hasher *hasher, double value)
{
    value = value == 0 ? 0 : value; /* -0 and 0 are one parameter */
    add_field(hasher, &value, sizeof value);
}

void pl_hasher_id(pl_hasher *hasher, pl_id id)
{
    uint64_t halves[2] = {id.high, id.low};
    add_field(hasher, halves, sizeof halves);
}

pl_id pl_hasher_finish(const pl_hasher *hasher)
{
    return id_of(XXH3_128bits_digest(hasher->state));
}

void pl_hasher_destroy(pl_hasher *hasher)
{
    if (hasher != NULL) {
        XXH3_freeState(hasher->state);
        free(hasher);
    }
}

static pl_status add_data(pl_hasher *hasher, pl_file *file, const pl_tensor *tensor, char *piece,
                          pl_task *task, pl_error *err)
{
    for (uint64_t done = 0; done < tensor->bytes;) {
        uint64_t left = tensor->bytes - done;
        size_t now = left < PIECE ? (size_t)left : PIECE;
        pl_status status = pl_task_tick(task, err);
        PL_THEN(pl_file_read(file, tensor->offset + done, piece, now, err));
        if (status != PL_OK) {
            return status;
        }
        pl_hasher_bytes(hasher, piece, now);
        done += now;
    }
    return PL_OK;
}

/* Of a packed layer: how its codes are read, part of which a configuration says, and its other
 * tensors. */
static pl_status add_packed(pl_hasher *hasher, pl_checkpoint *checkpoint, const pl_packed *packed,
                            char *piece, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    pl_hasher_text(hasher, packed->packing->name);
    pl_hasher_u64(hasher, packed->order);
    pl_hasher_u64(hasher, (uint64_t)packed->zero_offset);
    pl_hasher_u64(hasher, packed->group_size);
    for (size_t i = 1; i < PL_PACK_PARTS && status == PL_OK; i++) {
        const pl_tensor *part = &packed->parts[i];
        if (part->dtype_name != NULL) {
            pl_hasher_text(hasher, part->name);
            pl_hasher_text(hasher, pl_dtype_name(part->dtype));
            status = add_data(hasher, pl_checkpoint_shard(checkpoint, part->shard), part, piece,
                              task, err);
        }
    }
    return status;
}

static pl_status identify(pl_checkpoint *checkpoint, const pl_tensor *tensor, char *piece,
                          pl_id *out, pl_task *task, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_text(hasher, tensor->name);
    pl_hasher_text(hasher, tensor->dtype_name);
    pl_hasher_u64(hasher, tensor->n_dims);
    for (size_t i = 0; i < tensor->n_dims; i++) {
        pl_hasher_u64(hasher, tensor->dims[i]);
    }
    pl_hasher_u64(hasher, tensor->bytes);
    status =
        add_data(hasher, pl_checkpoint_shard(checkpoint, tensor->shard), tensor, piece, task, err);
    if (status == PL_OK && tensor->packed != NULL) {
        status = add_packed(hasher, checkpoint, tensor->packed, piece, task, err);
    }
    if (status == PL_OK) {
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

pl_status pl_tensor_identity(pl_checkpoint *checkpoint, const pl_tensor *tensor, pl_id *out,
                             pl_task *task, pl_error *err)
{
    *out = (pl_id){0};
    char *piece = malloc(PIECE);
    if (piece == NULL) {
        return pl_error_memory(err, "a hash");
    }
    pl_status status = identify(checkpoint, tensor, piece, out, task, err);
    free(piece);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    const pl_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

pl_status pl_checkpoint_identity(pl_checkpoint *checkpoint, pl_id *out, pl_task *task,
                                 pl_error *err)
{
    const size_t count = pl_checkpoint_count(checkpoint);
    *out = (pl_id){0};
    char *piece = malloc(PIECE);
    const pl_tensor **order = calloc(count + 1, sizeof *order);
    pl_hasher *hasher = NULL;
    pl_status status = PL_OK;
    if (piece == NULL || order == NULL) {
        status = pl_error_memory(err, "a hash");
        goto done;
    }
    status = pl_hasher_create(&hasher, err);
    for (size_t i = 0; i < count; i++) {
        order[i] = pl_checkpoint_tensor(checkpoint, i);
    }
    qsort(order, count, sizeof *order, compare_names);
    double bytes = 0;
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        pl_id id;
        status = identify(checkpoint, order[i], piece, &id, task, err);
        if (status == PL_OK) {
            pl_hasher_id(hasher, id);
            bytes += (double)order[i]->bytes;
            pl_task_progress(task, "bytes", bytes, (double)pl_checkpoint_bytes(checkpoint));
        }
    }
    if (status == PL_OK) {
        *out = pl_hasher_finish(hasher);
    }
done:
    pl_hasher_destroy(hasher);
    free(order);
    free(piece);
    return status;
}
