/* resume: a long command that was stopped or cut off is run again. */
#include "app/commands/list.h"
#include "app/front.h"
#include "app/workbench/services.h"

#include <unistd.h>

static pl_status resume_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    *taken = true;
    return pl_screen_resume(screen, err);
}

/* The call becomes that of the command, so that the session has it as its own. */
static pl_status resume_in_batch(pl_front *front, pl_call *call, pl_error *err)
{
    pl_call *again = NULL;
    const char *text = front->session != NULL ? pl_session_cut_off(front->session) : NULL;
    if (text == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "resume: no command of this session was cut off; start with --session "
                            "FILE");
    }
    pl_status status = pl_call_parse(text, &again, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_call asked = *call;
    *call = *again;
    *again = asked;
    pl_call_destroy(again);
    return pl_front_execute(front, call, isatty(STDERR_FILENO) != 0, err);
}

const pl_command pl_command_resume = {
    .name = "resume",
    .positional = "",
    .keys = pl_no_keys,
    .summary = "Run the long command again that was stopped or cut off; what it had done is kept",
    .history = PL_HISTORY_NONE,
    .on_screen = resume_on_screen,
    .in_batch = resume_in_batch,
};
