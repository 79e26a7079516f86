/* app/workbench/say.h -- the footer's message and the prompt below it. */
#ifndef PL_APP_WORKBENCH_SAY_H
#define PL_APP_WORKBENCH_SAY_H

#include "app/command.h"
#include "views/screen_model.h"

/* The text is copied. */
void pl_screen_say(pl_screen *screen, pl_message_kind kind, const char *text);

/* Opens the prompt with that text in it. */
void pl_screen_open_prompt(pl_screen *screen, const char *text);

#endif
