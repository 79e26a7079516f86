/* unpin: a baseline less. */
#include "app/commands/parts.h"

#include <stdlib.h>
#include <string.h>

static pl_status apply_unpin(pl_call *call, pl_state *state, pl_error *err)
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
        pl_put_pins(call, state);
    }
    return status;
}

const pl_command pl_command_unpin = {
    .name = "unpin",
    .positional = "[N|all]",
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Take a pinned baseline away: the last one, the N-th as `pin` lists them, or all",
    .apply = apply_unpin,
    .rebuild = PL_REBUILD_RUN,
};
