/* core/lab/calibrate_parts.h -- a calibration by shards of its windows, run by the lab's pool.
 * Private to core/lab, but for the kind of unit. */
#ifndef PL_LAB_CALIBRATE_PARTS_H
#define PL_LAB_CALIBRATE_PARTS_H

#include "core/lab/pool.h"

/* Where there is a pool and the calibration is not in the store: makes it there by shards; *sites
 * counts those made, 0 where nothing was done or a shard failed: then one pass is to be run, which
 * says why. */
PL_NODISCARD pl_status pl_lab_calibrate_in_parts(pl_context cx, const pl_calib_spec *spec,
                                                 size_t *sites, pl_error *err);

extern const pl_unit_kind pl_unit_calibrate;

#endif
