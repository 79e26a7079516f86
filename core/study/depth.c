#include "core/study/depth.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>

void pl_depth_deinit(pl_depth *depth)
{
    for (size_t i = 0; i < depth->count; i++) {
        free(depth->settings[i].error);
    }
    *depth = (pl_depth){0};
}

/* A copy with that preconditioner for all layers. */
static pl_status state_with(const pl_state *state, const pl_spec *spec, pl_state *out,
                            pl_error *err)
{
    pl_status status = pl_state_copy(out, state, err);
    if (status == PL_OK) {
        pl_state_drop_overrides(out, PL_SLOT_PRECONDITION);
        out->slots[PL_SLOT_PRECONDITION] = *spec;
    }
    return status;
}

static pl_status load_setting(pl_context cx, const pl_spec *spec, pl_depth *out, pl_error *err)
{
    pl_state as = {0};
    pl_depth_setting *setting = &out->settings[out->count];
    *setting = (pl_depth_setting){.precondition = *spec,
                                  .error = pl_alloc(out->layers, sizeof *setting->error)};
    if (setting->error == NULL) {
        return pl_error_memory(err, "errors of %zu layers", out->layers);
    }
    out->count++;
    pl_status status = state_with(cx.state, spec, &as, err);
    for (size_t i = 0; status == PL_OK && i < out->layers; i++) {
        bool found = false;
        pl_solve_report report;
        setting->error[i] = (double)NAN;
        status = pl_solve_look(pl_with_state(cx, &as), i, &found, &report, err);
        if (status == PL_OK && found && isfinite(report.rounded_relative_error)) {
            setting->error[i] = report.rounded_relative_error;
            setting->solved++;
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    pl_state_deinit(&as);
    return status;
}

pl_status pl_depth_load(pl_context cx, pl_depth *out, pl_error *err)
{
    const pl_spec none = {0}, *own = &cx.state->slots[PL_SLOT_PRECONDITION];
    *out = (pl_depth){.layers = pl_model_layer_count(cx.state->source->model)};
    if (cx.state->slots[PL_SLOT_ROUND].method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "depth: no rounder is set to compare with, `method gptq` first");
    }
    pl_id calibration = {0}; /* pl_solve_look finds nothing before somebody has asked for it */
    pl_status status = pl_lab_find_calibration(cx, false, &calibration, err);
    PL_THEN(load_setting(cx, &none, out, err));
    for (const pl_method *const *m = pl_methods(); status == PL_OK && *m != NULL; m++) {
        if ((*m)->slot == PL_SLOT_PRECONDITION && out->count < PL_DEPTH_SETTINGS) {
            const pl_spec spec = own->method == *m ? *own : pl_spec_default(*m);
            status = load_setting(cx, &spec, out, err);
        }
    }
    if (status != PL_OK) {
        pl_depth_deinit(out);
    }
    return status;
}

void pl_depth_commands(const pl_state *state, const pl_depth *depth, size_t setting, bool all,
                       pl_buf *out)
{
    const pl_depth_setting *s = &depth->settings[setting];
    if (s->precondition.method == NULL) {
        pl_buf_puts(out, "method none slot=precondition");
    } else {
        pl_buf_puts(out, "method ");
        pl_spec_format(&s->precondition, out);
    }
    pl_buf_puts(out, "\n");
    if (all || s->solved == depth->layers) {
        pl_buf_puts(out, "solve all sequential=no\n");
        return;
    }
    for (size_t i = 0; i < depth->layers; i++) {
        if (isfinite(s->error[i])) {
            pl_buf_printf(out, "solve %s\n", pl_model_layer(state->source->model, i)->name);
        }
    }
}
