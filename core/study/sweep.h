/* core/study/sweep.h -- a sweep: one parameter of one method over a range, all else unchanged.
 *
 * Every value is an ordinary solve of a copy of the state: the store has it next time, and the
 * user's solved layers are not touched.  Perplexities are stored, too.  Worker thread only, but for
 * pl_sweep_check. */
#ifndef PL_STUDY_SWEEP_H
#define PL_STUDY_SWEEP_H

#include "core/lab/pipeline.h"
#include "core/lab/pool.h"

#include <stdbool.h>
#include <stddef.h>

enum { PL_SWEEP_MIN = 2, PL_SWEEP_MAX = 64 };

typedef struct pl_sweep_point {
    double value;
    pl_solve_report report;              /* of the layer's, or as `solve all` reports */
    double perplexity, perplexity_error; /* NaN where not measured */
} pl_sweep_point;

typedef struct pl_sweep_result {
    pl_sweep_point points[PL_SWEEP_MAX]; /* by rising value */
    size_t count;
    size_t knee; /* index, SIZE_MAX: none */
} pl_sweep_result;

/* Finds the slot of sweep->param where `any_slot` is set (the one method in use that has it), and
 * checks everything: the parameter is a number that applies, both ends are in its range, the values
 * are distinct, perplexity goes with the whole model.  PL_ERR_USAGE or PL_ERR_STATE with a sentence
 * that says what was expected and names near parameters. */
PL_NODISCARD pl_status pl_sweep_check(const pl_state *state, pl_sweep *sweep, bool any_slot,
                                      pl_error *err);

/* Computes the sweep, or finds it in the store.  Progress in "points". */
PL_NODISCARD pl_status pl_sweep_run(pl_context cx, const pl_sweep *sweep, pl_sweep_result *out,
                                    pl_error *err);

/* One point of a sweep, for a pool. */
extern const pl_unit_kind pl_unit_sweep;

/* The knee of a sweep.  On the curve x = log(value) (the value where the sweep is linear), y =
 * log(rounded_relative_error); where fewer than three points have a rounded error above 0, on the
 * Pareto curve x = log(relative_error), y = log(group_max_after).  Each coordinate is scaled to
 * [0, 1] over its range; the knee is the point farthest below the chord from the first to the last
 * point (Satopaa et al., 2011), if that is more than 0.02 below it.  SIZE_MAX: there is none. */
size_t pl_sweep_knee(const pl_sweep_point *points, size_t count, bool logarithmic);

/* The parameter's present value in the state, NaN where the slot holds another method now. */
double pl_sweep_present(const pl_state *state, const pl_sweep *sweep);

/* Hash of what a sweep's numbers depend on beside its values and its text: the other parameters and
 * methods of its layers, and how activations and cache are quantized. */
pl_id pl_sweep_plan(const pl_state *state, const pl_sweep *sweep);

#endif
