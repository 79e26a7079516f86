/* core/lab/half_spec.h -- what a half of the state's calibration is made of (halves.h), without
 * making it. */
#ifndef PL_LAB_HALF_SPEC_H
#define PL_LAB_HALF_SPEC_H

#include "core/lab/lab.h"

/* Every other window of the whole, from `half` (0 or 1) on, with so many rows of each site's input:
 * *spec points to *tokens, which the caller deinits, also after a failure. */
PL_NODISCARD pl_status pl_lab_spec_half(const pl_calib_spec *whole, size_t half, size_t rows,
                                        pl_calib_spec *spec, pl_tokens *tokens, pl_error *err);

/* The same of the state's own calibration. */
PL_NODISCARD pl_status pl_lab_half_spec(pl_context cx, size_t half, size_t rows,
                                        pl_calib_spec *spec, pl_tokens *tokens, pl_error *err);

#endif
