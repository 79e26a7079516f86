/* A whole model: layer after layer, or block after block on quantized inputs. */
#include "core/model/bare.h"
#include "core/run/pipeline_parts.h"
#include "core/run/results.h"

#include <math.h>
#include <stdlib.h>

/* Numbers that are averaged over the layers, and behind them those that are added up. */
enum { MEANS = 13, AVERAGED = 15 };

typedef struct totals {
    pl_solve_report sum;
    size_t layers;
    size_t counted[AVERAGED]; /* how many had each number */
    double bits, weights;     /* of the rounded layers */
} totals;

static double *averaged(pl_solve_report *report, size_t index)
{
    double *const all[] = {&report->relative_error,   &report->rounded_relative_error,
                           &report->group_max_before, &report->group_max_after,
                           &report->output_error,
                           &report->flatness_weight_before, &report->flatness_weight_after,
                           &report->flatness_input_before, &report->flatness_input_after,
                           &report->kurtosis_weight_before, &report->kurtosis_weight_after,
                           &report->kurtosis_input_before, &report->kurtosis_input_after,
                           &report->objective,        &report->dual};
    return all[index];
}

static void add_up(totals *all, pl_solve_report report, double weights)
{
    if (isfinite(report.bits_per_weight)) {
        all->bits += report.bits_per_weight * weights;
        all->weights += weights;
    }
    for (size_t i = 0; i < AVERAGED; i++) {
        double value = *averaged(&report, i);
        if (isfinite(value)) {
            *averaged(&all->sum, i) += value;
            all->counted[i]++;
        }
    }
    all->sum.iterations = fmax(all->sum.iterations, report.iterations);
    all->sum.ridge = fmax(all->sum.ridge, report.ridge);
    all->sum.function_error = fmax(all->sum.function_error, report.function_error);
    all->sum.condition = fmax(all->sum.condition, report.condition);
    all->sum.damping_used = fmax(all->sum.damping_used, report.damping_used);
    all->layers++;
}

static pl_solve_report conclude(const totals *all, double seconds)
{
    pl_solve_report total = all->sum;
    for (size_t i = 0; i < AVERAGED; i++) {
        double *value = averaged(&total, i);
        if (all->counted[i] == 0) {
            *value = NAN;
        } else if (i < MEANS) {
            *value /= (double)all->counted[i];
        }
    }
    total.gap = total.objective > 0 ? (total.objective - total.dual) / total.objective : NAN;
    total.bound = NAN;
    total.bits_per_weight = all->weights > 0 ? all->bits / all->weights : NAN;
    total.seconds = seconds;
    return total;
}

/* Layers [first, last) under one calibration key, but for those with no method (on=GLOB gives
 * some layers one and others none); results go to keys[] where it is not NULL. */
static pl_status solve_range(pl_lab *lab, const pl_state *state, size_t first, size_t last,
                             pl_id calibration, pl_id *keys, totals *all, pl_solved_fn each,
                             void *ctx, pl_task *task, pl_error *err)
{
    size_t n = pl_model_layer_count(state->source->model);
    for (size_t layer = first; layer < last; layer++) {
        if (!pl_layer_has_method(state, layer) || !pl_solve_sees_enough(state, layer)) {
            continue;
        }
        pl_task_progress(task, "layers", (double)layer, (double)n);
        pl_status status = pl_task_tick(task, err);
        pl_solve_report report = pl_solve_report_empty();
        pl_id result = {0};
        if (status == PL_OK) {
            status = pl_solve_under(lab, state, layer, calibration, NULL, &report, &result, task,
                                    err);
        }
        if (status != PL_OK) {
            return status;
        }
        if (keys != NULL) {
            keys[layer] = result;
        }
        const pl_layer *info = pl_model_layer(state->source->model, layer);
        add_up(all, report, (double)info->rows * (double)info->cols);
        if (each != NULL) {
            each(ctx, layer, result, &report);
        }
    }
    return PL_OK;
}

typedef struct sequence {
    pl_lab *lab;
    const pl_state *state;
    const pl_id *results; /* [layers] */
} sequence;

static pl_status sequence_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    sequence *s = ctx;
    *provided = pl_layer_has_method(s->state, layer);
    if (!*provided) {
        return PL_OK;
    }
    return pl_result_weights(s->lab, s->state, layer, s->results[layer], PL_WHICH_AFTER, out,
                             provided, err);
}

/* Key of the Gram matrices seen by `block`, whose inputs come from the results before it. */
static pl_status sequence_key(pl_id base, const pl_id *results, size_t count, pl_id *out,
                              pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "sequential");
        pl_hasher_id(hasher, base);
        for (size_t i = 0; i < count; i++) {
            pl_hasher_id(hasher, results[i]);
        }
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static pl_status solve_sequential(pl_lab *lab, const pl_state *state, pl_id base, totals *all,
                                  pl_solved_fn each, void *ctx, pl_task *task, pl_error *err)
{
    pl_model *model = state->source->model;
    size_t n = pl_model_layer_count(model);
    const pl_calibration *calibration = &state->calibration;
    pl_id *results = calloc(n, sizeof *results);
    pl_calib_walk *walk = NULL;
    pl_tokens tokens = {0};
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_tokenizer(model, &tokenizer, err);
    if (status == PL_OK && results == NULL) {
        status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    if (status == PL_OK) {
        status = pl_tokens_read(tokenizer, (const char *const *)calibration->texts,
                                calibration->n_texts, pl_lab_memory_limit(lab), &tokens, task,
                                err);
    }
    pl_calib_spec spec = {.model = model,
                          .tokens = &tokens,
                          .protocol = calibration->protocol,
                          .sample_rows = pl_protocol_rows(&calibration->protocol),
                          .memory_limit = pl_lab_memory_limit(lab)};
    pl_id present = {0};
    if (status == PL_OK) {
        status = pl_calib_key(&spec, &present, task, err);
    }
    if (status == PL_OK && !pl_id_equal(present, base)) {
        status = pl_error_set(err, PL_ERR_CHANGED,
                              "the calibration text changed since `calibrate`: run it again");
    }
    if (status == PL_OK) {
        status = pl_calib_walk_create(&spec, &walk, task, err);
    }
    sequence seen = {.lab = lab, .state = state, .results = results};
    pl_hooks hooks = {.ctx = &seen, .weight = sequence_weight};
    size_t first = 0;
    while (status == PL_OK && first < n) {
        size_t last = first;
        while (last < n &&
               pl_model_layer(model, last)->block == pl_model_layer(model, first)->block) {
            last++;
        }
        pl_id key = {0};
        status = sequence_key(base, results, first, &key, err);
        if (status == PL_OK) {
            status = pl_calib_walk_observe(walk, pl_lab_store(lab), key, task, err);
        }
        if (status == PL_OK) {
            status = solve_range(lab, state, first, last, key, results, all, each, ctx, task, err);
        }
        if (status == PL_OK && last < n) {
            status = pl_calib_walk_advance(walk, &hooks, task, err);
        }
        first = last;
    }
    pl_calib_walk_destroy(walk);
    pl_tokens_deinit(&tokens);
    free(results);
    return status;
}

/* Layers without inputs, which the methods need, stay as they are, and the user is told; that is an
 * error where no other layer is left.  *any_seeing: some layer's inputs are known. */
static pl_status check_inputs(pl_lab *lab, const pl_state *state, bool *any_seeing, pl_error *err)
{
    const pl_model *model = state->source->model;
    size_t left = 0, skipped = 0, first = 0;
    *any_seeing = false;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        *any_seeing = *any_seeing || !pl_model_is_blind(model, i);
        if (pl_layer_has_method(state, i)) {
            bool enough = pl_solve_sees_enough(state, i);
            first = !enough && skipped == 0 ? i : first;
            skipped += !enough;
            left += enough;
        }
    }
    if (skipped > 0 && left == 0) {
        return pl_model_need_inputs(model, first, err);
    }
    if (skipped > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%zu %s without inputs (%s%s) stay as they are", skipped,
                      skipped == 1 ? "layer" : "layers", pl_model_layer(model, first)->name,
                      skipped == 1 ? "" : ", ...");
        pl_lab_warn(lab, text.data != NULL ? text.data : "layers without inputs stay");
        pl_buf_deinit(&text);
    }
    return PL_OK;
}

pl_status pl_solve_all(pl_lab *lab, const pl_state *state, bool sequential, pl_solved_fn each,
                       void *ctx, pl_solve_report *total, pl_task *task, pl_error *err)
{
    *total = pl_solve_report_empty();
    totals all = {.sum = {.iterations = NAN,
                          .ridge = NAN,
                          .damping_used = NAN,
                          .function_error = NAN,
                          .condition = NAN}};
    double start = pl_run_now();
    pl_id calibration = {0};
    size_t n = pl_model_layer_count(state->source->model);
    size_t first = 0;
    while (first < n && !pl_layer_has_method(state, first)) {
        first++;
    }
    if (first == n) {
        return pl_solve_no_method("solve all", err);
    }
    bool seeing = true;
    pl_status status = sequential ? pl_model_need_forward(state->source->model,
                                                          "solve all sequential=yes", err)
                                  : check_inputs(lab, state, &seeing, err);
    if (status == PL_OK && seeing) {
        status = pl_lab_calibration(lab, state, &calibration, task, err);
    }
    if (status == PL_OK) {
        status = sequential
                     ? solve_sequential(lab, state, calibration, &all, each, ctx, task, err)
                     : solve_range(lab, state, 0, n, calibration, NULL, &all, each, ctx, task, err);
    }
    if (status == PL_OK) {
        status = pl_store_trim(pl_lab_store(lab), err);
    }
    if (status == PL_OK) {
        *total = conclude(&all, pl_run_now() - start);
    }
    return status;
}
