#include "core/lab/halves.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

/* Every other window from `first` on, one behind the other: a text of its own. */
static pl_status cut_half(const pl_calib_spec *whole, const size_t *starts, size_t first,
                          pl_tokens *out, pl_protocol *protocol, pl_error *err)
{
    const size_t length = whole->protocol.length;
    const size_t windows = (whole->protocol.windows - first + 1) / 2;
    *out =
        (pl_tokens){.ids = pl_alloc(windows * length, sizeof *out->ids), .count = windows * length};
    if (out->ids == NULL) {
        return pl_error_memory(err, "half a calibration");
    }
    for (size_t w = 0; w < windows; w++) {
        memcpy(out->ids + w * length, whole->tokens->ids + starts[2 * w + first],
               length * sizeof *out->ids);
    }
    out->text = pl_id_bytes(out->ids, out->count * sizeof *out->ids);
    *protocol = (pl_protocol){.length = length, .windows = windows};
    return PL_OK;
}

static pl_status calibrate_half(pl_lab *lab, const pl_calib_spec *whole, const size_t *starts,
                                size_t first, size_t rows, pl_id *key, pl_task *task, pl_error *err)
{
    pl_tokens tokens = {0};
    pl_calib_report report = {0};
    pl_calib_spec spec = *whole;
    spec.tokens = &tokens;
    spec.sample_rows = rows;
    pl_status status = cut_half(whole, starts, first, &tokens, &spec.protocol, err);
    PL_THEN(pl_calib_run(&spec, pl_lab_store(lab), key, &report, task, err));
    pl_tokens_deinit(&tokens);
    return status;
}

pl_status pl_lab_halves(pl_context cx, size_t rows, pl_id keys[2], pl_error *err)
{
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    size_t *starts = NULL;
    pl_id key = {0}, present = {0};
    pl_status status = pl_lab_calibration(cx, &key, err);
    if (status == PL_OK && cx.state->calibration.protocol.windows < 2) {
        status =
            pl_error_set(err, PL_ERR_USAGE,
                         "the calibration has a single window, which cannot be halved: expected "
                         "at least `calibrate windows=2`");
    }
    PL_THEN(pl_lab_calib_spec(cx, &spec, &tokens, err));
    PL_THEN(pl_calib_key(&spec, &present, cx.task, err));
    if (status == PL_OK && !pl_id_equal(present, key)) {
        status = pl_error_set(err, PL_ERR_CHANGED,
                              "the calibration text changed since `calibrate`: run it again");
    }
    if (status == PL_OK) {
        starts = pl_alloc(spec.protocol.windows, sizeof *starts);
        status = starts != NULL ? PL_OK : pl_error_memory(err, "half a calibration");
    }
    PL_THEN(pl_protocol_starts(&spec.protocol, tokens.count, starts, err));
    for (size_t half = 0; status == PL_OK && half < 2; half++) {
        status = calibrate_half(cx.lab, &spec, starts, half, rows, &keys[half], cx.task, err);
    }
    free(starts);
    pl_tokens_deinit(&tokens);
    return status;
}
