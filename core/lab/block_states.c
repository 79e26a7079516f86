/* The hidden states of a calibration's windows before a block. */
#include "core/lab/lab.h"

#include "core/base/checked.h"
#include "core/lab/half_spec.h"

#include <stdlib.h>

/* All windows at block 0. */
static pl_status embed_windows(pl_context cx, pl_forward *forward, pl_block_states *out,
                               pl_error *err)
{
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    const size_t hidden = pl_model_config(cx.state->source->model)->hidden_size;
    pl_status status = pl_lab_spec_of(cx, out->calibration, &spec, &tokens, err);
    if (status != PL_OK) {
        pl_tokens_deinit(&tokens);
        return status;
    }
    out->windows = spec.protocol.windows;
    out->length = spec.protocol.length;
    size_t rows = 0, count = 0;
    size_t *starts = pl_alloc(out->windows, sizeof *starts);
    if (starts == NULL || !pl_mul(out->windows, out->length, &rows) ||
        !pl_mul(rows, hidden, &count)) {
        status = pl_error_memory(err, "hidden states");
    } else if (count > pl_lab_memory_limit(cx.lab) / sizeof *out->x / 2) {
        status = pl_error_set(err, PL_ERR_MEMORY,
                              "the hidden states of %zu windows of %zu tokens do not fit half of "
                              "the memory limit: calibrate with fewer windows",
                              out->windows, out->length);
    } else if ((out->x = pl_alloc(count, sizeof *out->x)) == NULL) {
        status = pl_error_memory(err, "hidden states of %zu tokens", rows);
    }
    PL_THEN(pl_protocol_starts(&spec.protocol, tokens.count, starts, err));
    for (size_t w = 0; status == PL_OK && w < out->windows; w++) {
        status = pl_forward_embed(forward, tokens.ids + starts[w], out->length,
                                  out->x + w * out->length * hidden, err);
        PL_THEN(pl_task_tick(cx.task, err));
    }
    free(starts);
    pl_tokens_deinit(&tokens);
    return status;
}

static pl_status walk_to(pl_forward *forward, size_t hidden, size_t block, pl_block_states *states,
                         pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    for (; status == PL_OK && states->block < block; states->block++) {
        status = pl_forward_load(forward, states->block, NULL, task, err);
        for (size_t w = 0; status == PL_OK && w < states->windows; w++) {
            status = pl_forward_run(forward, states->x + w * states->length * hidden,
                                    states->length, w, NULL, task, err);
        }
    }
    return status;
}

pl_status pl_lab_take_states(pl_context cx, pl_id calibration, size_t block, pl_block_states *out,
                             pl_error *err)
{
    pl_block_states *kept = pl_lab_kept_states(cx.lab);
    pl_model *model = cx.state->source->model;
    pl_forward *forward = NULL;
    const bool goes_on =
        kept->x != NULL && pl_id_equal(kept->calibration, calibration) && kept->block <= block;
    *out = (pl_block_states){.calibration = calibration};
    if (goes_on) {
        *out = *kept;
    } else {
        free(kept->x);
    }
    *kept = (pl_block_states){0};
    const size_t length = goes_on ? out->length : cx.state->calibration.protocol.length;
    pl_status status = pl_forward_create(model, length, &forward, err);
    if (status == PL_OK && !goes_on) {
        status = embed_windows(cx, forward, out, err);
    }
    PL_THEN(walk_to(forward, pl_model_config(model)->hidden_size, block, out, cx.task, err));
    pl_forward_destroy(forward);
    if (status != PL_OK) {
        free(out->x);
        *out = (pl_block_states){0};
    }
    return status;
}

void pl_lab_give_states(pl_lab *lab, pl_block_states *states)
{
    pl_block_states *kept = pl_lab_kept_states(lab);
    if (states->x != NULL) {
        free(kept->x);
        *kept = *states;
    }
    *states = (pl_block_states){0};
}
