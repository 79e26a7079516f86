/* app/workbench/typed.h -- typed lines: a line's commands run one after another. */
#ifndef PL_APP_WORKBENCH_TYPED_H
#define PL_APP_WORKBENCH_TYPED_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_typed_line {
    uint64_t id; /* from 1 on */
    char *text;
    const char *rest; /* its part that has not begun */
    bool busy;        /* one of its commands runs */
    struct pl_typed_line *next;
} pl_typed_line;

typedef struct pl_typed {
    pl_typed_line *first;
    uint64_t last_id;
} pl_typed;

/* Adds a line as the last one; copies the text. */
PL_NODISCARD pl_status pl_typed_add(pl_typed *typed, const char *text, pl_error *err);
void pl_typed_drop(pl_typed *typed, uint64_t id);
/* A line's running command has ended; a failure ends the line.  id 0: the command is of no line. */
void pl_typed_go_on(pl_typed *typed, uint64_t id, bool failed);
void pl_typed_deinit(pl_typed *typed);

#endif
