/* app/topics.h -- `help NAME` for everything with a name: numbers, columns, parameters, what
 * methods report, views, figures, keys of commands.  The texts come from their own tables. */
#ifndef PL_APP_TOPICS_H
#define PL_APP_TOPICS_H

#include "app/command.h"

/* One thing of that name. */
typedef struct pl_explained {
    const char *kind; /* "number", "parameter", "column", ... */
    const char *name; /* as its table has it */
    const char *of;   /* the method or command it belongs to; or NULL */
    const char *text;
    const pl_param *param; /* NULL unless it is a parameter */
} pl_explained;

/* Calls `told` for everything of that name, ignoring case and the difference between blanks, "-"
 * and "_"; name NULL: for everything. */
void pl_topics_each(const char *name, void (*told)(void *ctx, const pl_explained *one), void *ctx);

/* The numbers as help lists them, broken into lines of 80 columns. */
void pl_topics_put_numbers(pl_buf *out);

/* PL_ERR_NOT_FOUND with the nearest name, also among commands and methods. */
PL_NODISCARD pl_status pl_topics_unknown(const char *name, pl_error *err);

#endif
