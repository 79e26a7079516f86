/* app/topics.h -- `help NAME` for whatever has a name: numbers, columns, parameters, what methods
 * report, views, figures, keys of commands.  The texts are those of their own tables. */
#ifndef PL_APP_TOPICS_H
#define PL_APP_TOPICS_H

#include "app/command.h"

/* One thing of that name. */
typedef struct pl_explained {
    const char *kind; /* "number", "parameter", "column", ... */
    const char *name; /* as its table has it */
    const char *of;   /* the method, command; NULL: it stands for itself */
    const char *text;
    const pl_param *param; /* NULL: it is none */
} pl_explained;

/* Calls told for everything of that name, where blanks, "-" and "_" are the same and case does not
 * matter; name NULL: for everything. */
void pl_topics_each(const char *name, void (*told)(void *ctx, const pl_explained *one), void *ctx);

/* The numbers as help lists them, broken into lines of 80 columns. */
void pl_topics_put_numbers(pl_buf *out);

/* PL_ERR_NOT_FOUND with the nearest name, of commands and methods, too. */
PL_NODISCARD pl_status pl_topics_unknown(const char *name, pl_error *err);

#endif
