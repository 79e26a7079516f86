/* select: the layer, and the channel that is marked. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/usage.h"
#include "core/base/json.h"

#include <stdint.h>
#include <string.h>

static pl_status read_channel(const pl_call *call, const pl_layer *layer, size_t *channel,
                              pl_error *err)
{
    const char *value = pl_call_value(call, "channel");
    if (value != NULL && strcmp(value, "none") == 0) {
        *channel = SIZE_MAX;
        return PL_OK;
    }
    size_t wanted = 0;
    pl_status status = pl_usage_size(call, "channel", 0, INT32_MAX, &wanted, err);
    if (status == PL_OK && wanted >= layer->cols) {
        return pl_error_set(err, PL_ERR_USAGE, "select: %s has %zu input channels, no channel %zu",
                            layer->name, layer->cols, wanted);
    }
    if (status == PL_OK) {
        *channel = wanted;
    }
    return status;
}

static pl_status apply_select(pl_call *call, pl_state *state, pl_error *err)
{
    size_t layer = state->layer;
    size_t channel = state->channel;
    bool marks = pl_call_value(call, "channel") != NULL;
    if (call->n_words == 0 && !marks) {
        return pl_error_set(err, PL_ERR_USAGE, "select: expected LAYER or channel=N");
    }
    pl_status status = pl_target_layer(call, state, 0, &layer, err);
    const pl_layer *info = status == PL_OK ? pl_model_layer(state->source->model, layer) : NULL;
    if (status == PL_OK && marks) {
        status = read_channel(call, info, &channel, err);
    }
    if (status != PL_OK) {
        return status;
    }
    state->layer = layer;
    /* A narrower layer has no such channel. */
    state->channel = channel < info->cols ? channel : SIZE_MAX;
    pl_json_set(call->result, "name", json_string(info->name));
    pl_json_set(call->result, "rows", json_integer((json_int_t)info->rows));
    pl_json_set(call->result, "cols", json_integer((json_int_t)info->cols));
    pl_json_set(call->result, "channel",
                state->channel != SIZE_MAX ? json_integer((json_int_t)state->channel)
                                           : json_null());
    return PL_OK;
}

static const pl_key select_keys[] = {
    {"channel", PL_KEY_TEXT, NULL, NULL, "mark this input channel in all views; none: no more"},
    {0},
};

const pl_command pl_command_select = {
    .name = "select",
    .positional = "[LAYER]",
    .max_words = 1,
    .keys = select_keys,
    .summary = "Choose the layer that later commands are about, or mark a channel",
    .put_line = pl_line_select,
    .needs_model = true,
    .apply = apply_select,
    .history = PL_HISTORY_LOOK,
    .rebuild = PL_REBUILD_RUN,
};
