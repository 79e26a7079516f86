/* core/lab/half_spec.h -- what the state's calibration, or a half of it (halves.h), is made of,
 * without making it. */
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

/* What the state's own calibration is made of, which must be of that key.  PL_ERR_CHANGED where it
 * is not, because the text is another one by now. */
PL_NODISCARD pl_status pl_lab_spec_whole(pl_context cx, pl_id calibration, pl_calib_spec *spec,
                                         pl_tokens *tokens, pl_error *err);

/* What the calibration of that key is made of: the state's own, or a half of it with all its rows.
 * For whoever learns on its windows and keeps what was learned under the key.  PL_ERR_CHANGED where
 * it is neither, because the text is another one by now. */
PL_NODISCARD pl_status pl_lab_spec_of(pl_context cx, pl_id calibration, pl_calib_spec *spec,
                                      pl_tokens *tokens, pl_error *err);

#endif
