/* export: the model with its solved weights, as a folder others can load. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/export.h"

static pl_status run_export(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                            pl_error *err)
{
    double start = pl_clock_now();
    static const pl_dtype dtypes[] = {PL_F16, PL_BF16, PL_F32, PL_DTYPE_OTHER};
    size_t weights = 1; /* rounded: where no rounder is set, the preconditioned ones */
    size_t dtype = 3;
    pl_export_report report = {0};
    pl_export_spec spec = {.folder = pl_call_value(call, "dir")};
    if (spec.folder == NULL || spec.folder[0] == '\0') {
        return pl_error_set(err, PL_ERR_USAGE, "export: needs dir=NEW");
    }
    size_t format = 0;
    pl_status status = pl_usage_choice(call, "weights", &weights, err);
    PL_THEN(pl_usage_choice(call, "dtype", &dtype, err));
    PL_THEN(pl_usage_choice(call, "format", &format, err));
    PL_THEN(pl_state_check_origin(state, false, err));
    if (status == PL_OK && pl_state_solved_count(state) == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "export: no layer is solved with the present methods: run `solve "
                              "all` first");
    }
    if (status == PL_OK) {
        spec.which = weights == 0 ? PL_WHICH_PRECONDITIONED : PL_WHICH_AFTER;
        spec.dtype = dtypes[dtype];
        status = pl_export(lab, state, &spec, &report, task, err);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "files", json_integer((json_int_t)report.files));
        pl_json_set(call->result, "bytes", json_integer((json_int_t)report.bytes));
        pl_json_set(call->result, "max_dtype_error", pl_number(report.max_dtype_error));
        pl_json_set(call->result, "bits_per_weight", pl_number(report.bits_per_weight));
        pl_json_set(call->result, "layers_solved",
                    json_integer((json_int_t)pl_state_solved_count(state)));
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    }
    return status;
}

static const pl_key export_keys[] = {
    {"dir", PL_KEY_NEW_FILE, NULL, NULL, "folder to make"},
    {"format", PL_KEY_CHOICE, "hf", "hf", "a Hugging Face folder"},
    {"weights", PL_KEY_CHOICE, NULL, "preconditioned|rounded",
     "which weights (rounded where a rounder is set)"},
    {"dtype", PL_KEY_CHOICE, NULL, "f16|bf16|f32",
     "element type (the checkpoint's own; f16 from a GGUF)"},
    {0},
};

const pl_command pl_command_export = {
    .name = "export",
    .positional = "",
    .keys = export_keys,
    .needs_model = true,
    .summary = "Write the model with its solved weights",
    .put_line = pl_line_export,
    .run = run_export,
    .slow = pl_slow_always,
    .unit = "elements",
    .tour = PL_TOUR_FIGURE,
};
