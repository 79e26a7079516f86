/* The loss of a transform that is learned, step by step. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"

#include "core/lab/transformed.h"

#include <math.h>

static pl_status add_losses(const pl_learning *l, bool log, pl_figure *out, pl_error *err)
{
    size_t count = 0;
    pl_series *series = NULL;
    for (uint64_t i = 0; i <= l->steps; i++) {
        count += isfinite(l->losses[i]);
    }
    pl_status status =
        pl_figure_add(out, "loss of a batch", PL_MARK_LINE, PL_TONE_INPUT, count, &series, err);
    size_t at = 0;
    for (uint64_t i = 0; status == PL_OK && i <= l->steps; i++) {
        if (isfinite(l->losses[i])) {
            series->x[at] = (double)i;
            series->y[at++] = l->losses[i];
        }
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 0, (size_t)l->steps + 1);
        pl_fit_y(out, log, 0);
    }
    return status;
}

static void add_learning_facts(const pl_learning *l, pl_figure *out)
{
    const pl_series *series = &out->series[0];
    pl_figure_fact(out, "step", "%llu of %llu", (unsigned long long)l->step,
                   (unsigned long long)l->steps);
    pl_figure_fact(out, "loss_first", "%.4g", series->y[0]);
    pl_figure_fact(out, "loss", "%.4g", series->y[series->count - 1]);
    if (l->rollbacks > 0) {
        pl_figure_fact(out, "rollbacks", "%llu%s", (unsigned long long)l->rollbacks,
                       l->stopped ? ", stopped" : "");
    }
}

static pl_status make_learning(pl_lab *lab, const pl_state *state, const pl_request *request,
                               pl_figure *out, pl_task *task, pl_error *err)
{
    pl_id calibration = {0};
    pl_learning reached = {0};
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    PL_THEN(pl_site_learning(lab, state, calibration, request->layer, &reached, task, err));
    if (status == PL_OK) {
        const pl_method *method = pl_state_spec(state, request->layer, PL_SLOT_TRANSFORM)->method;
        const char *loss = method != NULL && method->loss != NULL
                               ? method->loss
                               : "‖XWᵀ − Q(XT) Q(WT⁻ᵀ)ᵀ‖² / ‖XWᵀ‖²";
        pl_buf title = {0};
        pl_kind_layer_title(state, request->layer, &title);
        status = pl_buf_check(&title, err);
        PL_THEN(pl_figure_texts(out, title.data, "step", loss, err));
        pl_buf_deinit(&title);
    }
    PL_THEN(add_losses(&reached, request->log, out, err));
    if (status == PL_OK) {
        add_learning_facts(&reached, out);
    }
    pl_learning_deinit(&reached);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* "step 120". */
static void say_learning(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)at;
    (void)row;
    pl_buf_printf(out, "step %.0f", x);
}

const pl_kind pl_kind_learning = {
    .name = "learning",
    .title = "Learning",
    .summary = "The loss of a learned transform, step by step: what the quantized site gets wrong "
               "of its output",
    .uses = PL_USES_LAYER | PL_USES_SCALE | PL_NEEDS_INPUTS | PL_USES_METHODS | PL_USES_LEARNING,
    .make = make_learning,
    .look = {.help = "The loss of a learned transform (flatquant), step by step, while it learns "
                     "and after: r learns and pauses, R forgets.",
             .say = say_learning},
};
