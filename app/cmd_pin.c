/* pin, unpin. */
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

/* All baselines as they are now, numbered as `unpin` counts them. */
static void put_pins(pl_call *call, const pl_state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->n_pins; i++) {
        const pl_pin *pin = &state->pins[i];
        pl_json_append(list, json_pack("{s:I, s:s, s:s}", "n", (json_int_t)i + 1, "layer",
                                       pl_model_layer(state->source->model, pin->layer)->name,
                                       "label", pin->label));
    }
    pl_json_set(call->result, "pins", list);
}

pl_status pl_apply_pin(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = pl_state_pin(state, err);
    if (status == PL_OK) {
        put_pins(call, state);
    }
    return status;
}

pl_status pl_apply_unpin(pl_call *call, pl_state *state, pl_error *err)
{
    size_t index = state->n_pins - 1;
    if (state->n_pins == 0) {
        return pl_error_set(err, PL_ERR_STATE, "unpin: no baseline is pinned");
    }
    if (call->n_words > 0 && strcmp(call->words[0], "all") == 0) {
        index = SIZE_MAX;
    } else if (call->n_words > 0) {
        char *end = NULL;
        const char *word = call->words[0];
        unsigned long number = strtoul(word, &end, 10);
        if (word[0] < '0' || word[0] > '9' || *end != '\0' || number == 0) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "unpin: \"%s\" is no baseline, expected a number from 1 to %zu, "
                                "or all",
                                word, state->n_pins);
        }
        index = number - 1;
    }
    pl_status status = pl_state_unpin(state, index, err);
    if (status == PL_OK) {
        put_pins(call, state);
    }
    return status;
}
