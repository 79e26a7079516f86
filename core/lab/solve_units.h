/* core/lab/solve_units.h -- layers of a model solved by the lab's pool.  pl_solve_in_units is
 * private to core/lab. */
#ifndef PL_LAB_SOLVE_UNITS_H
#define PL_LAB_SOLVE_UNITS_H

#include "core/lab/pool.h"

/* Has the pool, if there is one, solve those of the layers [n] that the store has no result of, all
 * on the Gram matrices of one calibration.  together: the layers of a site are one unit, since they
 * share its factors; else each is one.  done: of the command's layers those before. */
PL_NODISCARD pl_status pl_solve_in_units(pl_context cx, pl_id calibration, const size_t *layers,
                                         size_t n, bool together, double done, pl_error *err);

/* Adds a layer to the list of units: to the last one's "layers" where that is of its site and they
 * go together, else to a new one, which is returned.  Its "cost" grows by so many solves. */
json_t *pl_solve_unit_add(const pl_model *model, json_t *list, size_t layer, double times,
                          bool together);

extern const pl_unit_kind pl_unit_solve;

#endif
