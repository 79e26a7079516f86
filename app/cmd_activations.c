/* activations, kv. */
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/model/bare.h"

#include <string.h>

/* "none", or no word at all. */
static pl_status asks_for_none(const pl_call *call, bool *none, pl_error *err)
{
    *none = call->n_words > 0;
    if (*none && strcmp(call->words[0], "none") != 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: found \"%s\", expected none or keys such as "
                            "bits=4",
                            call->command->name, call->words[0]);
    }
    if (*none && call->n_keys > 0) {
        return pl_error_set(err, PL_ERR_USAGE, "%s none: takes no keys", call->command->name);
    }
    return PL_OK;
}

static pl_status read_grid(const pl_call *call, pl_act_grid *out, pl_error *err)
{
    size_t bits = 0, symmetric = 0;
    pl_status status = pl_usage_size(call, "bits", 2, 8, &bits, err);
    if (status == PL_OK) {
        status = pl_usage_choice(call, "symmetric", &symmetric, err);
    }
    *out = (pl_act_grid){.bits = (int)bits, .format = pl_format_at(symmetric), .clip = 1.0};
    return status;
}

json_t *pl_activations_json(const pl_state *state)
{
    const pl_act_grid *a = &state->activations;
    return a->bits == 0 ? json_null()
                        : json_pack("{s:i, s:s, s:f, s:s}", "bits", a->bits, "symmetric",
                                    a->format->key, "clip", a->clip, "range",
                                    a->fixed ? "tensor" : "token");
}

json_t *pl_kv_json(const pl_state *state)
{
    return state->kv.bits == 0 ? json_null()
                               : json_pack("{s:i, s:I, s:s}", "bits", state->kv.bits, "group_size",
                                           (json_int_t)state->kv_group_size, "symmetric",
                                           state->kv.format->key);
}

pl_status pl_apply_activations(pl_call *call, pl_state *state, pl_error *err)
{
    pl_act_grid grid = {0};
    bool none = false;
    size_t range = 0;
    pl_status status = asks_for_none(call, &none, err);
    if (status == PL_OK && !none) {
        status = read_grid(call, &grid, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_real(call, "clip", 0.01, 1.0, &grid.clip, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_choice(call, "range", &range, err);
    }
    if (status == PL_OK) {
        grid.fixed = range == 1;
        state->activations = grid;
        pl_json_set(call->result, "activations", pl_activations_json(state));
    }
    return status;
}

pl_status pl_apply_kv(pl_call *call, pl_state *state, pl_error *err)
{
    pl_act_grid grid = {0};
    bool none = false;
    size_t group_size = 0;
    pl_status status = pl_model_need_forward(state->source->model, "kv", err);
    if (status == PL_OK) {
        status = asks_for_none(call, &none, err);
    }
    if (status == PL_OK && !none) {
        status = read_grid(call, &grid, err);
    }
    if (status == PL_OK && !none) {
        status = pl_usage_size(call, "group_size", 0, 1u << 20, &group_size, err);
    }
    if (status == PL_OK) {
        state->kv = grid;
        state->kv_group_size = group_size;
        pl_json_set(call->result, "kv", pl_kv_json(state));
    }
    return status;
}
