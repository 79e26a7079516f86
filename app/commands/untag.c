/* untag: tags taken away from layers. */
#include "app/commands/remarks.h"
#include "core/base/json.h"

static pl_status apply_untag(pl_call *call, pl_state *state, pl_error *err)
{
    return pl_change_tags(call, state, false, err);
}

static void put_untag_line(const pl_call *call, pl_buf *out)
{
    pl_buf_printf(out, "%lld layers lost it",
                  json_integer_value(json_object_get(call->result, "changed")));
}

const pl_command pl_command_untag = {
    .name = "untag",
    .positional = "LAYER|all|GLOB TAG ...",
    .min_words = 2,
    .max_words = 16,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Take tags away from layers",
    .apply = apply_untag,
    .put_line = put_untag_line,
};
