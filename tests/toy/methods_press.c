/* A preconditioner: takes a share of every weight away. */
#include "core/method/method_parts.h"

enum { SHARE, PARAMS };
static const pl_param params[PARAMS] = {
    [SHARE] = PL_REAL("share", 0.0, 1.0, 0.25, "of |w|", "How much of every weight goes.",
                      .step = 0.05, .telling = true, .symbol = "σ"),
};

enum { TAKEN, REPORTED };
static const pl_reported reported[REPORTED] = {
    [TAKEN] = {.name = "taken", .unit = "of |w|", .help = "The share that went.", .told = true},
};

static pl_status press(const pl_spec *spec, const pl_layer_input *in, float *w,
                       pl_method_report *report, pl_task *task, pl_error *err)
{
    const float stays = 1.0f - (float)spec->values[SHARE];
    *report = pl_method_report_empty();
    report->own[TAKEN] = spec->values[SHARE];
    pl_status status = pl_check_layer(in, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t r = 0; r < in->w.rows; r++) {
        for (size_t c = 0; c < in->w.cols; c++) {
            w[r * in->w.cols + c] = stays * in->w.data[r * in->w.stride + c];
        }
    }
    if (in->watch != NULL) {
        in->watch->done(in->watch->ctx, 0, in->w.rows);
    }
    return pl_task_tick(task, err);
}

static pl_status strength(const pl_spec *spec, const pl_layer_input *in, pl_strength *out,
                          pl_task *task, pl_error *err)
{
    (void)spec;
    (void)in;
    *out = (pl_strength){.low = 0.001, .zero = 1.0, .tau = 1.0};
    return pl_task_tick(task, err);
}

const pl_method pl_method_press = {
    .name = "press",
    .slot = PL_SLOT_PRECONDITION,
    .summary = "Smaller weights, whatever they do.",
    .params = params,
    .n_params = PARAMS,
    .reported = reported,
    .n_reported = REPORTED,
    .precondition = press,
    .strength = strength,
};
