/* core/lab/halves.h -- a calibration split in two, to solve on one half and to measure on the
 * other. Worker thread only. */
#ifndef PL_LAB_HALVES_H
#define PL_LAB_HALVES_H

#include "core/lab/lab.h"

/* Calibrations of the windows 0, 2, 4, ... and of the windows 1, 3, 5, ... of the state's own, made
 * or found in the store: keys[2].  rows: of each site's input that are kept.  PL_ERR_USAGE where it
 * has a single window; for models with a forward pass. */
PL_NODISCARD pl_status pl_lab_halves(pl_context cx, size_t rows, pl_id keys[2], pl_error *err);

#endif
