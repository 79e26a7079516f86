/* unkeep: a kept setting less. */
#include "app/commands/parts.h"
#include "core/state/kept.h"

#include <string.h>

static pl_status apply_unkeep(pl_call *call, pl_state *state, pl_error *err)
{
    size_t index = SIZE_MAX;
    pl_status status = PL_OK;
    if (strcmp(call->words[0], "all") != 0) {
        status = pl_state_find_kept(state, "unkeep", call->words[0], &index, err);
    }
    PL_THEN(pl_state_unpin(state, index, err));
    if (status == PL_OK) {
        pl_put_kept(call, state, "kept");
    }
    return status;
}

const pl_command pl_command_unkeep = {
    .name = "unkeep",
    .positional = "SETTING|all",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Take a kept setting away, or all of them",
    .apply = apply_unkeep,
    .rebuild = PL_REBUILD_RUN,
};
