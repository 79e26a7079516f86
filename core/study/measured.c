#include "core/study/measured.h"

#include "core/lab/quantized.h"
#include "core/tensor/linalg.h"

pl_status pl_measured_begin(const char *what, pl_model *model, pl_hasher **out, pl_task *task,
                            pl_error *err)
{
    pl_id id = {0}, config = {0};
    *out = NULL;
    pl_status status = pl_model_identity(model, &id, task, err);
    PL_THEN(pl_config_identity(pl_model_config(model), &config, err));
    PL_THEN(pl_hasher_create(out, err));
    if (status == PL_OK) {
        pl_hasher_text(*out, what);
        pl_hasher_id(*out, id);
        pl_hasher_id(*out, config);
    }
    return status;
}

void pl_measured_text(pl_hasher *hasher, const pl_model *model, const int32_t *ids, size_t count,
                      const pl_ppl_spec *spec)
{
    pl_hasher_id(hasher, pl_perplexity_text(model, ids, count));
    pl_hasher_u64(hasher, (uint64_t)spec->protocol);
    pl_hasher_u64(hasher, (uint64_t)spec->length);
    pl_hasher_u64(hasher, (uint64_t)spec->windows);
    pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
}

void pl_measured_results(pl_hasher *hasher, const pl_state *state)
{
    if (pl_state_quantizes(state)) {
        pl_quantized_hash(state, hasher);
    }
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        const pl_id *result = pl_state_result(state, i);
        pl_hasher_id(hasher, result != NULL ? *result : (pl_id){0});
    }
}
