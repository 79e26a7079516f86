/* app/workbench/resume.h -- a long command that was stopped or cut off, and how it goes on. */
#ifndef PL_APP_WORKBENCH_RESUME_H
#define PL_APP_WORKBENCH_RESUME_H

#include "app/command.h"
#include "views/screen_model.h"

/* What is kept of a job that stops: ": 41 of 210 layers are done and kept"; appended, nothing where
 * it is too early to say. */
void pl_resume_put_kept(const pl_call *call, const pl_job_line *shown, pl_buf *out);

/* A long call has been stopped by the user: remembers it, and says what is kept and how to go on.
 */
void pl_screen_note_stopped(pl_screen *screen, const pl_call *call);
/* Remembers what an earlier run of the session had begun and not ended; restore: the session's
 * state is to be brought back first. */
void pl_screen_look_for_cut_off(pl_screen *screen, bool restore);

/* Runs it again.  PL_ERR_STATE where there is none. */
PL_NODISCARD pl_status pl_screen_resume(pl_screen *screen, pl_error *err);
/* There is none any more. */
void pl_screen_resume_nothing(pl_screen *screen);

#endif
