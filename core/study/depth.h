/* core/study/depth.h -- what preconditioners gain over the quantizer alone, layer by layer: results
 * on the original model's inputs, as the store has them; nothing is solved.  Worker thread only. */
#ifndef PL_STUDY_DEPTH_H
#define PL_STUDY_DEPTH_H

#include "core/lab/pipeline.h"

enum { PL_DEPTH_SETTINGS = 8 };

/* The state's transform and rounder behind one preconditioner. */
typedef struct pl_depth_setting {
    pl_spec precondition; /* method NULL (in the first setting): the rounder alone */
    double *error;        /* [layers] relative error of the rounded weights; NaN: not solved so */
    size_t solved;
} pl_depth_setting;

typedef struct pl_depth {
    size_t layers, count;
    pl_depth_setting settings[PL_DEPTH_SETTINGS];
} pl_depth;

/* The rounder alone, then behind each preconditioner: the one that is set with the state's
 * parameters, the others with their defaults.  PL_ERR_STATE where no rounder is set.  Caller
 * deinits out; empty on failure. */
PL_NODISCARD pl_status pl_depth_load(pl_context cx, pl_depth *out, pl_error *err);
void pl_depth_deinit(pl_depth *depth);

/* The commands that make a setting's results: its method, then `solve` lines for all layers (`all`)
 * or those that it has results of.  Appended, one a line. */
void pl_depth_commands(const pl_state *state, const pl_depth *depth, size_t setting, bool all,
                       pl_buf *out);

#endif
