/* branch: the session goes on under another name, from here or from an earlier step. */
#include "app/commands/list.h"
#include "app/sessions.h"
#include "app/workbench/services.h"

/* It ends as other commands do: with a line in the log, which is the branch's by then. */
static pl_status branch_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    *taken = false;
    return pl_screen_act(screen, call, pl_front_branch, "the step", err);
}

static pl_status branch_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    return pl_front_act(front, call, pl_front_branch, err);
}

static void put_branch_line(const pl_call *call, pl_buf *out)
{
    const char *from = json_string_value(json_object_get(call->result, "branch_of"));
    pl_buf_printf(out, "goes on as %s from step %lld; %s stays as it is", call->words[0],
                  json_integer_value(json_object_get(call->result, "step")),
                  from != NULL ? from : "the session");
}

static const pl_key branch_keys[] = {
    {"step", PL_KEY_INT, NULL, NULL,
     "from behind this command (`log` numbers them), not from here"},
    {0},
};

const pl_command pl_command_branch = {
    .name = "branch",
    .positional = "NAME",
    .min_words = 1,
    .max_words = 1,
    .keys = branch_keys,
    .of_run = "*",
    .summary = "Go on with the session under another name; the one it was stays as it is",
    .put_line = put_branch_line,
    .history = PL_HISTORY_NONE,
    .on_screen = branch_on_screen,
    .in_batch = branch_in_batch,
};
