/* keep: the present setting under a name. */
#include "app/commands/parts.h"
#include "core/state/kept.h"

#include <string.h>

static pl_status apply_keep(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = PL_OK;
    size_t index = 0;
    if (call->n_words > 1 && strcmp(call->words[1], "remove") != 0) {
        status =
            pl_error_set(err, PL_ERR_USAGE, "keep %s: found \"%s\", expected remove or nothing",
                         call->words[0], call->words[1]);
    } else if (call->n_words > 1) {
        status = pl_state_find_kept(state, "keep", call->words[0], &index, err);
        PL_THEN(pl_state_unpin(state, index, err));
    } else if (call->n_words > 0) {
        status = pl_state_keep(state, call->words[0], err);
    }
    call->unchanged = call->n_words == 0;
    if (status == PL_OK) {
        pl_put_kept(call, state, "kept");
    }
    return status;
}

static void put_keep_line(const pl_call *call, pl_buf *out)
{
    const char *name = call->n_words > 0 ? call->words[0] : "";
    if (call->n_words == 0) {
        pl_buf_printf(out, "%zu kept; `keep NAME` keeps the present setting",
                      json_array_size(json_object_get(call->result, "kept")));
    } else if (call->n_words > 1) {
        pl_buf_printf(out, "%s is kept no more", name);
    } else {
        pl_buf_printf(out, "%s is kept: `use %s` goes back to it, `compare %s` sets it beside",
                      name, name, name);
    }
}

const pl_command pl_command_keep = {
    .name = "keep",
    .positional = "[SETTING] [remove]",
    .max_words = 2,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Keep the present setting and all its results under a name; without one, list them",
    .apply = apply_keep,
    .put_line = put_keep_line,
    .rebuild = PL_REBUILD_RUN,
};
