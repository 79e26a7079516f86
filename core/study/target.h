/* core/study/target.h -- searches the value of a method's parameter at which a layer reaches a
 * goal; each value tried is an ordinary solve, which the store keeps.  Worker thread only, but for
 * pl_target_check and pl_target_say. */
#ifndef PL_STUDY_TARGET_H
#define PL_STUDY_TARGET_H

#include "core/base/search.h"
#include "core/lab/pipeline.h"

typedef enum pl_goal {
    PL_GOAL_GROUP_MAX,     /* the fall of the mean group maximum, as a share */
    PL_GOAL_ERROR,         /* relative_error */
    PL_GOAL_ROUNDED_ERROR, /* rounded_relative_error */
    PL_GOAL_OUTPUT_ERROR,  /* output_error */
    PL_GOAL_COUNT
} pl_goal;

typedef struct pl_goal_info {
    const char *name; /* "rounded_error": the command's key */
    const char *words;
    bool falls; /* shown to the user as a change, -40 % */
    bool least; /* its minimum may be asked for */
} pl_goal_info;
extern const pl_goal_info pl_goals[PL_GOAL_COUNT];

typedef struct pl_target {
    pl_goal goal;
    bool least;     /* the goal's minimum; else `want` */
    double want;    /* a share, above 0; for a fall below 1 */
    bool any_slot;  /* the slot whose method has the parameter; else `slot` */
    pl_slot slot;   /* set by pl_target_check */
    char param[24]; /* "": the strength of the preconditioner or, without one, of the transform; set
                       by pl_target_check */
} pl_target;

typedef struct pl_target_found {
    pl_search_end end; /* PL_SEARCH_FOUND, _NEAREST or _BEYOND */
    double value;      /* the parameter's, where the goal is met or nearest */
    double reached;    /* the goal's number there */
    size_t solves;
    pl_spec spec; /* the layer's, with that value */
    pl_solve_report report;
    pl_id result; /* of that value */
} pl_target_found;

/* Checks that a layer's methods have the parameter and report the goal.  PL_ERR_USAGE or
 * PL_ERR_STATE with a sentence. */
PL_NODISCARD pl_status pl_target_check(const pl_state *state, size_t layer, pl_target *target,
                                       pl_error *err);

/* Searches the parameter's range, of a strength only the part that has an effect, from the present
 * value on.  PL_ERR_STATE where a solve does not report the goal.  Progress in "solves". */
PL_NODISCARD pl_status pl_target_search(pl_context cx, size_t layer, const pl_target *target,
                                        pl_target_found *out, pl_error *err);

/* Gives the layer's slot the spec; a transform, which a site's layers share, all of them. */
PL_NODISCARD pl_status pl_target_set(pl_state *state, size_t layer, pl_slot slot,
                                     const pl_spec *spec, pl_error *err);

/* "15.q_proj: beta 7.106e-05, group max -40 %, gap <= 1.2e-5 %, 5 solves", or why not: "15.q_proj:
 * error 90 % is not reached: the most is 40 %, at beta 10 (6 solves)". */
void pl_target_say(const pl_target *target, const pl_layer *layer, const pl_target_found *found,
                   pl_buf *out);

#endif
