/* jobs: the list of jobs over the panes. */
#include "app/commands/list.h"
#include "app/workbench/services.h"

static pl_status jobs_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)call;
    (void)err;
    *taken = true;
    pl_screen_show_jobs(screen);
    return PL_OK;
}

const pl_command pl_command_jobs = {
    .name = "jobs",
    .positional = "",
    .keys = pl_no_keys,
    .on_screen = jobs_on_screen,
    .of_run = "*",
    .summary = "List the jobs, to cancel one (screen)",
};
