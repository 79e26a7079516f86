/* core/lab/calibrate.h -- a calibration by shards of its windows, as units of the lab's pool. */
#ifndef PL_LAB_CALIBRATE_H
#define PL_LAB_CALIBRATE_H

#include "core/lab/pool.h"

/* A calibration that is half of the state's (halves.h). */
typedef struct pl_calib_half {
    size_t half, rows;
} pl_calib_half;

/* Where there is a pool and the calibration is not in the store: makes it there by shards; *sites
 * counts those made, 0 where nothing was done or a shard failed: then one pass is to be run, which
 * says why.  half: NULL for the state's own. */
PL_NODISCARD pl_status pl_lab_calibrate_in_parts(pl_context cx, const pl_calib_spec *spec,
                                                 const pl_calib_half *half, size_t *sites,
                                                 pl_error *err);

extern const pl_unit_kind pl_unit_calibrate;

#endif
