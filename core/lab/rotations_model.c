/* SpinQuant's loss: the quantized model's cross-entropy on the calibration's windows. */
#include "core/base/checked.h"
#include "core/lab/half_spec.h"
#include "core/lab/rotations_parts.h"
#include "core/learn/spin.h"
#include "core/method/rotations.h"

#include <stdlib.h>
#include <string.h>

typedef struct batches {
    pl_spin *spin;
    pl_tokens tokens;
    size_t *starts; /* [windows] in the text */
    size_t windows, length, batch;
    uint64_t steps;
    int32_t *ids; /* [batch, length] */
} batches;

static void free_batches(void *ctx)
{
    batches *b = ctx;
    pl_spin_destroy(b->spin);
    pl_tokens_deinit(&b->tokens);
    free(b->starts);
    free(b->ids);
    free(b);
}

/* The windows in turn; at the end those of the start again, so that both can be compared. */
static pl_status batch_loss(void *ctx, const pl_learned_rotations *rotations, uint64_t step,
                            double *loss, float *g1, float *g2, pl_task *task, pl_error *err)
{
    batches *b = ctx;
    for (size_t i = 0; i < b->batch; i++) {
        const size_t window = (size_t)(step % b->steps * b->batch + i) % b->windows;
        memcpy(b->ids + i * b->length, b->tokens.ids + b->starts[window],
               b->length * sizeof *b->ids);
    }
    return pl_spin_value(b->spin, b->ids, rotations->r1, rotations->r2, loss, g1, g2, task, err);
}

static pl_status check_quantizers(const pl_state *state, pl_error *err)
{
    if (state->activations.bits == 0 && state->kv.bits == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "spinquant learns what quantized activations or a quantized cache "
                            "lose, and neither is set: `activations bits=4` first");
    }
    if (state->activations.bits > 0 && state->activations.fixed) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "spinquant learns with a range for each token: expected `activations "
                            "range=token`");
    }
    return PL_OK;
}

pl_status pl_rotations_model(const pl_rotations_problem *p, pl_rotations_loss *out, pl_error *err)
{
    const pl_state *state = p->cx.state;
    const double *values = p->spec->values;
    pl_calib_spec spec;
    batches *b = calloc(1, sizeof *b);
    *out = (pl_rotations_loss){0};
    if (b == NULL) {
        return pl_error_memory(err, "windows to learn on");
    }
    pl_status status = check_quantizers(state, err);
    PL_THEN(pl_lab_spec_of(p->cx, p->calibration, &spec, &b->tokens, err));
    if (status == PL_OK) {
        b->windows = spec.protocol.windows;
        b->length = spec.protocol.length;
        b->batch = (size_t)values[PL_ROTATIONS_BATCH];
        b->steps = (uint64_t)values[PL_ROTATIONS_STEPS];
        b->starts = pl_alloc(b->windows, sizeof *b->starts);
        b->ids = pl_alloc(b->batch * b->length, sizeof *b->ids);
        status = b->starts != NULL && b->ids != NULL ? PL_OK
                                                     : pl_error_memory(err, "windows to learn on");
    }
    PL_THEN(pl_protocol_starts(&spec.protocol, b->tokens.count, b->starts, err));
    if (status == PL_OK) {
        const pl_spin_request request = {.model = state->source->model,
                                         .length = b->length,
                                         .windows = b->batch,
                                         .activations = state->activations,
                                         .kv = state->kv,
                                         .kv_group_size = state->kv_group_size,
                                         .seed = (uint64_t)values[PL_ROTATIONS_SEED],
                                         .online = values[PL_ROTATIONS_ONLINE] > 0.0};
        status = pl_spin_create(&request, &b->spin, err);
    }
    if (status != PL_OK) {
        free_batches(b);
        return status;
    }
    *out = (pl_rotations_loss){.ctx = b, .value = batch_loss, .end = free_batches};
    return PL_OK;
}
