/* app/workbench/resume.h -- resumes a long command that was stopped or cut off. */
#ifndef PL_APP_WORKBENCH_RESUME_H
#define PL_APP_WORKBENCH_RESUME_H

#include "app/command.h"
#include "views/screen_model.h"

/* Appends what a stopped job keeps, ": 41 of 210 layers are done and kept"; nothing if it is too
 * early to say. */
void pl_resume_put_kept(const pl_call *call, const pl_job_line *shown, pl_buf *out);

/* The user has stopped a long call: remembers it, and reports what is kept and how to go on. */
void pl_screen_note_stopped(pl_screen *screen, const pl_call *call);
/* Remembers a command that an earlier run of the session had begun and not ended; restore: resuming
 * must restore the session's state first. */
void pl_screen_look_for_cut_off(pl_screen *screen, bool restore);

/* Runs the remembered command again.  PL_ERR_STATE where there is none. */
PL_NODISCARD pl_status pl_screen_resume(pl_screen *screen, pl_error *err);
/* Forgets it. */
void pl_screen_resume_nothing(pl_screen *screen);

#endif
