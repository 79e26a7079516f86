/* core/study/target.h -- the value of a method's parameter by what it does to a layer: a search for
 * a goal, each of its values an ordinary solve, which the store keeps.  Worker thread only, but for
 * pl_target_check and pl_target_say. */
#ifndef PL_STUDY_TARGET_H
#define PL_STUDY_TARGET_H

#include "core/base/search.h"
#include "core/lab/pipeline.h"

typedef enum pl_goal {
    PL_GOAL_GROUP_MAX,     /* by how much the mean group maximum falls, as a share */
    PL_GOAL_ERROR,         /* relative_error */
    PL_GOAL_ROUNDED_ERROR, /* rounded_relative_error */
    PL_GOAL_OUTPUT_ERROR,  /* output_error */
    PL_GOAL_COUNT
} pl_goal;

typedef struct pl_goal_info {
    const char *name; /* "rounded_error": the command's key */
    const char *words;
    bool falls; /* a user gives the fall as a change, -40 % */
    bool least; /* it may be asked for at its least */
} pl_goal_info;
extern const pl_goal_info pl_goals[PL_GOAL_COUNT];

typedef struct pl_target {
    pl_goal goal;
    bool least;     /* the goal's least, else: */
    double want;    /* a share, 0 < want; of a fall below 1 */
    bool any_slot;  /* whichever slot's method has the parameter, else `slot` */
    pl_slot slot;   /* set by pl_target_check */
    char param[24]; /* "" for the telling one of the preconditioner, without one of the transform;
                       set by pl_target_check */
} pl_target;

typedef struct pl_target_found {
    pl_search_end end; /* PL_SEARCH_FOUND, _NEAREST or _BEYOND */
    double value;      /* of the parameter: where the goal is met, or as near as it comes */
    double reached;    /* the goal's number there */
    size_t solves;
    pl_spec spec; /* the layer's, with that value */
    pl_solve_report report;
    pl_id result; /* of that value */
} pl_target_found;

/* Whether a layer's methods have the parameter and the goal's number.  PL_ERR_USAGE or PL_ERR_STATE
 * with a sentence. */
PL_NODISCARD pl_status pl_target_check(const pl_state *state, size_t layer, pl_target *target,
                                       pl_error *err);

/* Searches.  The range is the parameter's own, of a strength that in which it does anything; the
 * first value is the present one.  PL_ERR_STATE where a solve gives no such number.  Progress in
 * "solves". */
PL_NODISCARD pl_status pl_target_search(pl_context cx, size_t layer, const pl_target *target,
                                        pl_target_found *out, pl_error *err);

/* Gives the layer's slot the spec; a transform's, which the layers of a site share, all of them. */
PL_NODISCARD pl_status pl_target_set(pl_state *state, size_t layer, pl_slot slot,
                                     const pl_spec *spec, pl_error *err);

/* "15.q_proj: beta 7.106e-05, group max -40 %, gap <= 1.2e-5 %, 5 solves", or why not: "15.q_proj:
 * error 90 % is not reached: the most is 40 %, at beta 10 (6 solves)". */
void pl_target_say(const pl_target *target, const pl_layer *layer, const pl_target_found *found,
                   pl_buf *out);

#endif
