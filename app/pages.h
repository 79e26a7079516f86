/* app/pages.h -- what is installed beside the program: manual page and shell completion.  All are
 * made from the tables of options, commands, methods and figures. */
#ifndef PL_APP_PAGES_H
#define PL_APP_PAGES_H

#include "core/base/text.h"

/* Appends the page of that name, one of pl_page_names. */
PL_NODISCARD pl_status pl_page_put(const char *name, pl_buf *out, pl_error *err);

/* planish(1), in man macros. */
void pl_manual_put(pl_buf *out);

void pl_shells_put_bash(pl_buf *out);
void pl_shells_put_zsh(pl_buf *out);
void pl_shells_put_fish(pl_buf *out);

#endif
