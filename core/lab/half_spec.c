#include "core/lab/half_spec.h"

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

pl_status pl_lab_spec_half(const pl_calib_spec *whole, size_t half, size_t rows,
                           pl_calib_spec *spec, pl_tokens *tokens, pl_error *err)
{
    size_t *starts = pl_alloc(whole->protocol.windows, sizeof *starts);
    *tokens = (pl_tokens){0};
    *spec = *whole;
    spec->tokens = tokens;
    spec->sample_rows = rows;
    pl_status status = starts != NULL ? PL_OK : pl_error_memory(err, "half a calibration");
    PL_THEN(pl_protocol_starts(&whole->protocol, whole->tokens->count, starts, err));
    PL_THEN(cut_half(whole, starts, half, tokens, &spec->protocol, err));
    free(starts);
    return status;
}

pl_status pl_lab_half_spec(pl_context cx, size_t half, size_t rows, pl_calib_spec *spec,
                           pl_tokens *tokens, pl_error *err)
{
    pl_calib_spec whole;
    pl_tokens all = {0};
    *tokens = (pl_tokens){0};
    pl_status status = pl_lab_calib_spec(cx, &whole, &all, err);
    PL_THEN(pl_lab_spec_half(&whole, half, rows, spec, tokens, err));
    pl_tokens_deinit(&all);
    return status;
}

static pl_status text_changed(pl_error *err)
{
    return pl_error_set(err, PL_ERR_CHANGED,
                        "the calibration text changed since `calibrate`: run it again");
}

/* *is: whether the spec is that of the calibration. */
static pl_status compare_key(const pl_calib_spec *spec, pl_id calibration, bool *is, pl_task *task,
                             pl_error *err)
{
    pl_id key = {0};
    pl_status status = pl_calib_key(spec, &key, task, err);
    *is = status == PL_OK && pl_id_equal(key, calibration);
    return status;
}

pl_status pl_lab_spec_whole(pl_context cx, pl_id calibration, pl_calib_spec *spec,
                            pl_tokens *tokens, pl_error *err)
{
    bool is = false;
    pl_status status = pl_lab_calib_spec(cx, spec, tokens, err);
    PL_THEN(compare_key(spec, calibration, &is, cx.task, err));
    return status == PL_OK && !is ? text_changed(err) : status;
}

pl_status pl_lab_spec_of(pl_context cx, pl_id calibration, pl_calib_spec *spec, pl_tokens *tokens,
                         pl_error *err)
{
    bool is = false;
    pl_status status = pl_lab_calib_spec(cx, spec, tokens, err);
    PL_THEN(compare_key(spec, calibration, &is, cx.task, err));
    if (status != PL_OK || is) {
        return status;
    }
    pl_tokens all = *tokens;
    pl_calib_spec whole = *spec;
    whole.tokens = &all;
    *tokens = (pl_tokens){0};
    const size_t halves = whole.protocol.windows > 1 ? 2 : 0;
    for (size_t half = 0; status == PL_OK && !is && half < halves; half++) {
        pl_tokens_deinit(tokens);
        status = pl_lab_spec_half(&whole, half, whole.sample_rows, spec, tokens, err);
        PL_THEN(compare_key(spec, calibration, &is, cx.task, err));
    }
    pl_tokens_deinit(&all);
    return status == PL_OK && !is ? text_changed(err) : status;
}
