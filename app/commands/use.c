/* use: back to a kept setting. */
#include "app/commands/parts.h"
#include "app/workbench/services.h"
#include "core/state/kept.h"

static pl_status apply_use(pl_call *call, pl_state *state, pl_error *err)
{
    size_t index = 0;
    pl_state next;
    pl_status status = pl_state_find_kept(state, "use", call->words[0], &index, err);
    PL_THEN(pl_state_as(state, state->kept[index], &next, err));
    if (status == PL_OK) {
        pl_state_deinit(state);
        *state = next;
    }
    return status;
}

static void follow_use(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_inputs(screen);
    }
}

const pl_command pl_command_use = {
    .name = "use",
    .positional = "SETTING",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Go back to a kept setting: its methods, activations, cache and results",
    .apply = apply_use,
    .sets = true,
    .put_text = pl_put_setting_text,
    .rebuild = PL_REBUILD_RUN,
    .follow = follow_use,
};
