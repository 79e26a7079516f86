/* core/study/sensitivity_parts.h -- how measured losses are kept; private to core/study. */
#ifndef PL_STUDY_SENSITIVITY_PARTS_H
#define PL_STUDY_SENSITIVITY_PARTS_H

#include "core/study/sensitivity.h"

#define PL_LOSS_KIND "sensitivity"
#define PL_LOSS_SECTION "loss"

/* A measurement of a unit, by what it comes from. */
PL_NODISCARD pl_status pl_loss_put(pl_lab *lab, const pl_sensitivity *asked, pl_id key,
                                   const char *unit, const void *data, size_t bytes, pl_error *err);

/* What a layer's result costs by itself, measured or estimated; nothing where the unit is no layer
 * alone. */
PL_NODISCARD pl_status pl_alone_put(pl_lab *lab, const pl_state *state, const pl_sensitivity *asked,
                                    bool estimated, const pl_unit_loss *unit, double kl,
                                    pl_error *err);

#endif
