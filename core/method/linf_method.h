/* core/method/linf_method.h -- what Astro and MagR have in common: all but the weighting of the
 * groups.  Private to core/method. */
#ifndef PL_METHOD_LINF_METHOD_H
#define PL_METHOD_LINF_METHOD_H

#include "core/method/method_parts.h"

enum {
    PL_LINF_BETA,
    PL_LINF_TARGET,
    PL_LINF_GROUP_SIZE,
    PL_LINF_SOLVER,
    PL_LINF_ITERATIONS,
    PL_LINF_STEPS,
    PL_LINF_GAP,
    PL_LINF_RHO,
    PL_LINF_PARAMS
};
enum { PL_LINF_REPORTED = 5 };
extern const pl_param pl_linf_params[PL_LINF_PARAMS];
extern const pl_reported pl_linf_reported[PL_LINF_REPORTED];

size_t pl_linf_group_size(const pl_spec *spec);

PL_NODISCARD pl_status pl_linf_method(const pl_spec *spec, const pl_layer_input *in, float *w,
                                      pl_method_report *report, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_linf_factor(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                                      pl_error *err);
PL_NODISCARD pl_status pl_linf_most_lost(const pl_spec *spec, const pl_layer_input *in,
                                         double *most, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_linf_strength(const pl_spec *spec, const pl_layer_input *in,
                                        pl_strength *out, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_linf_settle(const pl_spec *spec, const pl_layer_input *in, pl_spec *out,
                                      pl_task *task, pl_error *err);

#define PL_LINF_COMMON                                                                             \
    .slot = PL_SLOT_PRECONDITION, .params = pl_linf_params, .n_params = PL_LINF_PARAMS,            \
    .reported = pl_linf_reported, .n_reported = PL_LINF_REPORTED, .precondition = pl_linf_method,  \
    .prepare = pl_linf_factor, .group_size = pl_linf_group_size, .most_lost = pl_linf_most_lost,   \
    .strength = pl_linf_strength, .settle = pl_linf_settle

#endif
