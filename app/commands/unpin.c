/* unpin: a baseline less. */
#include "app/commands/parts.h"
#include "core/state/kept.h"

#include <stdlib.h>
#include <string.h>

/* The last pin, SIZE_MAX for none. */
static size_t last_pin(const pl_state *state)
{
    size_t at = state->n_kept;
    while (at > 0 && state->kept[at - 1]->name[0] != '\0') {
        at--;
    }
    return at > 0 ? at - 1 : SIZE_MAX;
}

static pl_status apply_unpin(pl_call *call, pl_state *state, pl_error *err)
{
    const char *word = call->n_words > 0 ? call->words[0] : "";
    const bool all = strcmp(word, "all") == 0;
    size_t index = last_pin(state);
    pl_status status = PL_OK;
    if (state->n_kept == 0 || (index == SIZE_MAX && (all || word[0] == '\0'))) {
        return pl_error_set(err, PL_ERR_STATE, "unpin: no baseline is pinned");
    }
    if (!all && word[0] != '\0') {
        char *end = NULL;
        unsigned long number = strtoul(word, &end, 10);
        if (word[0] < '0' || word[0] > '9' || *end != '\0' || number == 0) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "unpin: \"%s\" is no baseline, expected a number from 1 to %zu, "
                                "or all",
                                word, state->n_kept);
        }
        index = number - 1;
    }
    do {
        status = pl_state_unpin(state, index, err);
        index = last_pin(state);
    } while (status == PL_OK && all && index != SIZE_MAX);
    if (status == PL_OK) {
        pl_put_kept(call, state, "pins");
    }
    return status;
}

const pl_command pl_command_unpin = {
    .name = "unpin",
    .positional = "[N|all]",
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary =
        "Take a pinned baseline away: the last one, the N-th as `keep` lists them, or all pins",
    .apply = apply_unpin,
    .rebuild = PL_REBUILD_RUN,
};
