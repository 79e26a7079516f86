/* app/workbench/ask.h -- a question that one key answers: y runs a line of commands, any other key
 * does nothing. */
#ifndef PL_APP_WORKBENCH_ASK_H
#define PL_APP_WORKBENCH_ASK_H

#include "app/command.h"
#include "views/keys.h"

/* Shows the question with " y/n" until it is answered. */
void pl_screen_ask(pl_screen *screen, const char *question, const char *line);
/* Whether the key was the answer to a question. */
bool pl_screen_answer(pl_screen *screen, pl_press press);

/* Quits; asks first if that would end a long job. */
void pl_screen_ask_quit(pl_screen *screen);

bool pl_screen_is_asking(const pl_screen *screen);
/* Drops the question. */
void pl_screen_ask_nothing(pl_screen *screen);

#endif
