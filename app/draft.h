/* app/draft.h -- the figure of a line that is still being typed (pl_command.draft). */
#ifndef PL_APP_DRAFT_H
#define PL_APP_DRAFT_H

#include "plots/kinds.h"
#include "plots/options.h"

/* A plain value.  request.kind is NULL where the line names no figure yet. */
struct pl_draft {
    pl_request request;
    pl_figure_options options;
    size_t kept;                /* the kept setting that it shows; SIZE_MAX: the present one */
    double width_in, height_in; /* of its page */
    const char *fields;         /* keys that the dialog offers, separated by blanks; static */
};
typedef struct pl_draft pl_draft;

#endif
