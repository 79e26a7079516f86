#include "core/state/origin.h"

#include "core/model/bare.h"

static void hash_files(pl_hasher *hasher, const pl_checkpoint *checkpoint)
{
    for (size_t i = 0; checkpoint != NULL && i < pl_checkpoint_shards(checkpoint); i++) {
        const pl_file_stamp stamp = pl_file_get_stamp(pl_checkpoint_shard(checkpoint, i));
        pl_hasher_u64(hasher, stamp.size);
        pl_hasher_u64(hasher, stamp.mtime_ns);
        pl_hasher_u64(hasher, stamp.ctime_ns);
        pl_hasher_u64(hasher, stamp.inode);
        pl_hasher_u64(hasher, stamp.device);
    }
}

/* The files as they were opened, and the config, which is read from one that is not kept open. */
static pl_status files_id(const pl_source *source, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_id config = {0};
    pl_status status = pl_config_identity(pl_model_config(source->model), &config, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_id(hasher, config);
        hash_files(hasher, pl_model_checkpoint(source->model));
        hash_files(hasher, pl_model_inputs(source->model));
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static pl_status join_config(const pl_source *source, pl_id *id, pl_error *err)
{
    pl_id both[2] = {*id, {0}};
    pl_status status = pl_config_identity(pl_model_config(source->model), &both[1], err);
    *id = pl_id_bytes(both, sizeof both);
    return status;
}

json_t *pl_origin_json(const pl_source *source)
{
    char files[PL_ID_TEXT] = "", model[PL_ID_TEXT] = "";
    pl_id id = {0};
    if (files_id(source, &id, NULL) != PL_OK) {
        return NULL;
    }
    pl_id_format(id, files);
    if (pl_model_known_identity(source->model, &id)) {
        if (join_config(source, &id, NULL) != PL_OK) {
            return NULL;
        }
        pl_id_format(id, model);
    } else if (!pl_id_equal(source->told, (pl_id){0})) {
        pl_id_format(source->told, model);
    }
    return json_pack("{s:s, s:s}", "files", files, "model", model);
}

pl_status pl_origin_check(pl_source *source, const json_t *json, bool *same, pl_error *err)
{
    pl_id was = {0}, now = {0};
    *same = false;
    pl_status status = files_id(source, &now, err);
    if (status != PL_OK || !pl_id_of_json(json, "files", &was)) {
        return status;
    }
    *same = pl_id_equal(was, now);
    const bool told = pl_id_of_json(json, "model", &was);
    if (*same || !told) {
        source->told = told ? was : (pl_id){0}; /* for the next session only: not for any key */
        return PL_OK;
    }
    status = pl_model_identity(source->model, &now, NULL, err);
    PL_THEN(join_config(source, &now, err));
    *same = status == PL_OK && pl_id_equal(was, now);
    return status;
}

/* A piece from the middle of a tensor's bytes, where models that were trained on differ. */
static pl_status hash_piece(pl_hasher *hasher, pl_checkpoint *checkpoint, const pl_tensor *tensor,
                            pl_error *err)
{
    char piece[4096];
    const uint64_t most = sizeof piece;
    const size_t size = (size_t)(tensor->bytes < most ? tensor->bytes : most);
    const uint64_t at = tensor->offset + (tensor->bytes - size) / 2;
    pl_status status =
        pl_file_read(pl_checkpoint_shard(checkpoint, tensor->shard), at, piece, size, err);
    if (status == PL_OK) {
        pl_hasher_bytes(hasher, piece, size);
    }
    return status;
}

static pl_status hash_checkpoint(pl_hasher *hasher, pl_checkpoint *checkpoint, pl_error *err)
{
    const size_t most = 64, count = checkpoint != NULL ? pl_checkpoint_count(checkpoint) : 0;
    const size_t step = count > most ? count / most : 1;
    pl_status status = PL_OK;
    pl_hasher_u64(hasher, count);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(checkpoint, i);
        pl_hasher_text(hasher, tensor->name);
        pl_hasher_text(hasher, tensor->dtype_name);
        pl_hasher_u64(hasher, tensor->bytes);
        for (size_t d = 0; d < tensor->n_dims; d++) {
            pl_hasher_u64(hasher, tensor->dims[d]);
        }
        if (i % step == 0) {
            status = hash_piece(hasher, checkpoint, tensor, err);
        }
    }
    return status;
}

pl_status pl_origin_print(const pl_source *source, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_id config = {0};
    *out = (pl_id){0};
    pl_status status = pl_config_identity(pl_model_config(source->model), &config, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_id(hasher, config);
        status = hash_checkpoint(hasher, pl_model_checkpoint(source->model), err);
    }
    PL_THEN(hash_checkpoint(hasher, pl_model_inputs(source->model), err));
    if (status == PL_OK) {
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}
