#include "app/workbench/typed.h"

#include <stdlib.h>
#include <string.h>

pl_status pl_typed_add(pl_typed *typed, const char *text, pl_error *err)
{
    pl_typed_line *line = calloc(1, sizeof *line);
    char *copy = strdup(text);
    if (line == NULL || copy == NULL) {
        free(line);
        free(copy);
        return pl_error_memory(err, "a result");
    }
    line->id = ++typed->last_id;
    line->text = copy;
    line->rest = copy;
    pl_typed_line **end = &typed->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = line;
    return PL_OK;
}

void pl_typed_drop(pl_typed *typed, uint64_t id)
{
    for (pl_typed_line **at = &typed->first; *at != NULL; at = &(*at)->next) {
        pl_typed_line *line = *at;
        if (line->id == id) {
            *at = line->next;
            free(line->text);
            free(line);
            return;
        }
    }
}

void pl_typed_go_on(pl_typed *typed, uint64_t id, bool failed)
{
    if (failed) {
        pl_typed_drop(typed, id);
    }
    for (pl_typed_line *line = typed->first; line != NULL; line = line->next) {
        line->busy = line->busy && line->id != id;
    }
}

void pl_typed_deinit(pl_typed *typed)
{
    while (typed->first != NULL) {
        pl_typed_drop(typed, typed->first->id);
    }
}
