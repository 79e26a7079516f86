/* cost: what a transform costs at inference. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/online.h"
#include "core/lab/transformed.h"

#include <string.h>

/* Seconds a token for x <- x T on the stored rows, the median of some rounds. */
static pl_status measure_transform(const pl_transform *t, const pl_site_stats *stats, double *out,
                                   pl_task *task, pl_error *err)
{
    enum { ROUNDS = 7 };
    double times[ROUNDS];
    const pl_view sample = {stats->sample, stats->sample_rows, stats->n, stats->n};
    pl_mat x = {0};
    pl_status status = pl_mat_copy(&x, sample, err);
    for (size_t i = 0; status == PL_OK && i < ROUNDS; i++) {
        memcpy(x.data, stats->sample, x.rows * x.cols * sizeof *x.data);
        const double start = pl_clock_now();
        status = pl_transform_inputs(t, x.data, x.rows, task, err);
        const double took = (pl_clock_now() - start) / (double)x.rows;
        size_t at = i;
        for (; at > 0 && times[at - 1] > took; at--) {
            times[at] = times[at - 1];
        }
        times[at] = took;
    }
    *out = status == PL_OK ? times[ROUNDS / 2] : 0.0;
    pl_mat_deinit(&x);
    return status;
}

static void put_cost(json_t *out, const pl_state *state, const pl_site *site, const pl_transform *t,
                     double seconds)
{
    const pl_online cost = pl_site_online(state, site, t);
    pl_buf text = {0};
    pl_transform_describe(t, &text);
    pl_json_set(out, "transform", json_string(text.data != NULL ? text.data : ""));
    pl_json_set(out, "folds",
                cost.folds && cost.fold != NULL ? json_string(cost.fold) : json_null());
    pl_json_set(out, "online", json_boolean(cost.online));
    pl_json_set(out, "flops_per_token", pl_json_number(cost.flops));
    pl_json_set(out, "bytes", pl_json_number(cost.bytes));
    pl_json_set(out, "share_of_layers", pl_json_number(cost.share));
    pl_json_set(out, "seconds_per_token", pl_json_number(cost.online ? seconds : 0.0));
    pl_buf_deinit(&text);
}

/* What a learned one costs does not depend on what it has learned: where that has not begun, its
 * start is taken, and nothing of it is left behind. */
static pl_status take_transform(pl_lab *lab, const pl_state *state, pl_id calibration, size_t layer,
                                const pl_spec *spec, pl_transform **out, pl_task *task,
                                pl_error *err)
{
    pl_id key = {0};
    pl_learning start = {0};
    pl_status status =
        pl_site_transform_now(lab, state, calibration, layer, spec, out, &key, task, err);
    if (status == PL_OK && *out == NULL) {
        status = pl_site_learn(lab, state, calibration, layer, 0, &start, task, err);
        pl_learning_deinit(&start);
        PL_THEN(pl_site_transform_now(lab, state, calibration, layer, spec, out, &key, task, err));
        PL_THEN(pl_site_forget(lab, state, calibration, layer, task, err));
    }
    return status;
}

static pl_status run_cost(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                          pl_error *err)
{
    size_t layer = 0;
    pl_id calibration = {0};
    pl_transform *t = NULL;
    pl_site_stats stats = {0};
    double seconds = 0.0;
    pl_status status = pl_target_layer(call, state, 0, &layer, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    if (spec->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: no transform is set: choose one, e.g. `method hadamard`",
                            info->name);
    }
    status = pl_lab_calibration(lab, state, &calibration, task, err);
    PL_THEN(take_transform(lab, state, calibration, layer, spec, &t, task, err));
    PL_THEN(pl_lab_load_site(lab, state, calibration, info->site, PL_GRAM_NONE, true, &stats, task,
                             err));
    if (status == PL_OK && stats.sample_rows > 0) {
        status = measure_transform(t, &stats, &seconds, task, err);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "layer", json_string(info->name));
        put_cost(call->result, state, pl_model_site(state->source->model, info->site), t, seconds);
    }
    pl_site_stats_deinit(&stats);
    pl_transform_destroy(t);
    return status;
}

const pl_command pl_command_cost = {
    .name = "cost",
    .positional = "[LAYER]",
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "What the transform of a layer costs at inference, and what of it folds away",
    .put_line = pl_line_cost,
    .run = run_cost,
};
