/* views/topics.h -- one table of what the numbers and words on the screen, in text and in JSON
 * mean, for `?` and `help`.  Columns, parameters, methods, views and commands have their
 * explanations in their own tables. */
#ifndef PL_VIEWS_TOPICS_H
#define PL_VIEWS_TOPICS_H

#include <stdbool.h>

typedef struct pl_topic {
    const char *name;
    const char *also; /* other names, separated by "|", as JSON has them; NULL: none */
    const char *text; /* sentences without the last full stop */
    bool rare;        /* a key of JSON alone: left out of the lists of help */
} pl_topic;

/* Ends with name NULL. */
const pl_topic *pl_topics(void);

#endif
