#include "app/mpi/kinds.h"

#include "core/lab/calibrate.h"
#include "core/lab/solve_units.h"
#include "core/lab/walk_units.h"
#include "core/study/comparison.h"
#include "core/study/sensitivity.h"
#include "core/study/sweep.h"
#include "core/study/tasks.h"
#include "core/study/tune.h"

#include <string.h>

static const pl_unit_kind *const kinds[] = {
    &pl_unit_calibrate,   &pl_unit_walk,  &pl_unit_solve,        &pl_unit_sensitivity,
    &pl_unit_compare,     &pl_unit_sweep, &pl_unit_tune_heldout, &pl_unit_tune_trials,
    &pl_unit_tune_solves, &pl_unit_tasks,
};

const pl_unit_kind *pl_unit_kind_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}
