/* core/study/sensitivity_parts.h -- how losses are kept in the store; private to core/study. */
#ifndef PL_STUDY_SENSITIVITY_PARTS_H
#define PL_STUDY_SENSITIVITY_PARTS_H

#include "core/study/sensitivity.h"

#define PL_LOSS_KIND "sensitivity"
#define PL_LOSS_SECTION "loss"

/* Keeps a measurement of a unit under its key; how: pl_alone_put's, or NULL. */
PL_NODISCARD pl_status pl_loss_put(pl_lab *lab, const pl_sensitivity *asked, pl_id key,
                                   const char *unit, const pl_id *how, const void *data,
                                   size_t bytes, pl_error *err);

/* Keeps the loss of a layer's result alone, measured or estimated, for figures and tables of all
 * layers; nothing where the unit has several layers, or no command asked for it (asked->said), as
 * when `allocate` measures for itself.  how: hash of the text's tokens and of how they are cut. */
PL_NODISCARD pl_status pl_alone_put(pl_lab *lab, const pl_state *state, const pl_sensitivity *asked,
                                    bool estimated, const pl_unit_loss *unit, double kl, pl_id how,
                                    pl_error *err);

#endif
