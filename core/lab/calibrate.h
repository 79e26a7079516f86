/* core/lab/calibrate.h -- a calibration by shards of its windows, as units of the lab's pool. */
#ifndef PL_LAB_CALIBRATE_H
#define PL_LAB_CALIBRATE_H

#include "core/lab/pool.h"

extern const pl_unit_kind pl_unit_calibrate;

#endif
