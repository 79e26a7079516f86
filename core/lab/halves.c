#include "core/lab/halves.h"

#include "core/base/checked.h"
#include "core/lab/calibrate.h"
#include "core/lab/half_spec.h"

#include <stdlib.h>

static pl_status calibrate_half(pl_context cx, const pl_calib_spec *whole, size_t half, size_t rows,
                                pl_id *key, pl_error *err)
{
    pl_tokens tokens;
    pl_calib_spec spec;
    pl_calib_report report = {0};
    const pl_calib_half which = {.half = half, .rows = rows};
    size_t sites = 0;
    pl_status status = pl_lab_spec_half(whole, half, rows, &spec, &tokens, err);
    PL_THEN(pl_lab_calibrate_in_parts(cx, &spec, &which, &sites, err));
    PL_THEN(pl_calib_run(&spec, pl_lab_store(cx.lab), key, &report, cx.task, err));
    pl_tokens_deinit(&tokens);
    return status;
}

pl_status pl_lab_halves(pl_context cx, size_t rows, pl_id keys[2], pl_error *err)
{
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    pl_id key = {0};
    pl_status status = pl_lab_calibration(cx, &key, err);
    if (status == PL_OK && cx.state->calibration.protocol.windows < 2) {
        status =
            pl_error_set(err, PL_ERR_USAGE,
                         "the calibration has a single window, which cannot be halved: expected "
                         "at least `calibrate windows=2`");
    }
    PL_THEN(pl_lab_spec_whole(cx, key, &spec, &tokens, err));
    for (size_t half = 0; status == PL_OK && half < 2; half++) {
        status = calibrate_half(cx, &spec, half, rows, &keys[half], err);
    }
    pl_tokens_deinit(&tokens);
    return status;
}
