/* views/topics.h -- what the numbers and words of the screen, of text and of JSON mean: one table,
 * from which `?` and `help` tell it.  Columns, parameters, methods, views and commands explain
 * themselves in their own tables. */
#ifndef PL_VIEWS_TOPICS_H
#define PL_VIEWS_TOPICS_H

#include <stdbool.h>

typedef struct pl_topic {
    const char *name;
    const char *also; /* other names of it, "|" between them: those of JSON; NULL: none */
    const char *text; /* sentences without the last full stop */
    bool rare;        /* a key of JSON that the screen does not show: not in the lists of help */
} pl_topic;

/* Ends with name NULL. */
const pl_topic *pl_topics(void);

#endif
