/* core/method/kin.h -- what GPTQ and its kin have in common: one factor of the Hessian, an order of
 * the columns, a pass over them (columns.h).  Private to core/method. */
#ifndef PL_METHOD_KIN_H
#define PL_METHOD_KIN_H

#include "core/method/columns.h"
#include "core/method/method_parts.h"

/* The choices of act_order=, and a row of a parameter table for it. */
extern const char *const pl_kin_orders[4];
#define PL_KIN_ORDER                                                                               \
    {                                                                                              \
        .name = "act_order", .type = PL_PARAM_CHOICE, .maximum = 2, .choices = pl_kin_orders,      \
        .step = 1, .unit = "", .no_yes = true,                                                     \
        .help = "Take columns by falling energy of their input: yes forms groups along that "      \
                "order, group keeps the original groups and orders them, and the columns inside."  \
    }

enum { PL_KIN_DAMPING_USED, PL_KIN_DEAD_COLUMNS, PL_KIN_REPORTED };
extern const pl_reported pl_kin_reported[PL_KIN_REPORTED];

/* What a solve of one method asks for. */
typedef struct pl_kin {
    double damping; /* times mean diag H */
    size_t order;   /* the index of a choice of act_order= */
    bool static_groups;
    /* Sets p, or moved and first, of the job, whose memory is in owned[2] then, which the caller
     * frees; NULL: plain GPTQ.  kin: these values. */
    pl_status (*begin)(const struct pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                       size_t order, pl_columns *job, float *owned[2], pl_task *task,
                       pl_error *err);
} pl_kin;

/* A method's `round` and `prepare`. */
PL_NODISCARD pl_status pl_kin_round(const pl_kin *kin, const pl_spec *spec,
                                    const pl_layer_input *in, pl_qweights *out,
                                    pl_method_report *report, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_kin_prepare(const pl_kin *kin, const pl_spec *spec,
                                      const pl_layer_input *in, pl_task *task, pl_error *err);

#endif
