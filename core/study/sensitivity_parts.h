/* core/study/sensitivity_parts.h -- how losses are kept in the store; private to core/study. */
#ifndef PL_STUDY_SENSITIVITY_PARTS_H
#define PL_STUDY_SENSITIVITY_PARTS_H

#include "core/study/sensitivity.h"

#define PL_LOSS_KIND "sensitivity"
#define PL_LOSS_SECTION "loss"

/* Keeps a measurement of a unit under its key. */
PL_NODISCARD pl_status pl_loss_put(pl_lab *lab, const pl_sensitivity *asked, pl_id key,
                                   const char *unit, const void *data, size_t bytes, pl_error *err);

/* Keeps the loss of a layer's result alone, measured or estimated; nothing where the unit has
 * several layers. */
PL_NODISCARD pl_status pl_alone_put(pl_lab *lab, const pl_state *state, const pl_sensitivity *asked,
                                    bool estimated, const pl_unit_loss *unit, double kl,
                                    pl_error *err);

#endif
