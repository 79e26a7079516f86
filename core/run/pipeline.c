#include "core/run/pipeline.h"

#include "core/metrics/recon.h"
#include "core/run/results.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Workspace of one layer's solve; everything it holds is released in work_deinit. */
typedef struct work {
    pl_lab *lab;
    const pl_state *state;
    size_t layer;
    const pl_layer *info;
    const pl_spec *precondition;
    const pl_spec *round;
    pl_bench bench;
    pl_mat w0;
    pl_mat preconditioned; /* empty without a preconditioner */
    pl_mat rounded;        /* empty without a rounder */
    pl_result result;      /* keys of the stored parts */
    pl_solve_report report;
} work;

static void work_deinit(work *w)
{
    pl_lab_release(w->lab, &w->bench);
    pl_mat_deinit(&w->w0);
    pl_mat_deinit(&w->preconditioned);
    pl_mat_deinit(&w->rounded);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pl_solve_report empty_report(void)
{
    return (pl_solve_report){
        .objective = NAN,
        .gap = NAN,
        .iterations = NAN,
        .dual = NAN,
        .relative_error = NAN,
        .rounded_relative_error = NAN,
        .bound = NAN,
        .group_max_before = NAN,
        .group_max_after = NAN,
        .ridge = NAN,
        .damping_used = NAN,
        .seconds = NAN,
    };
}

/* What a result comes from: the version of the mathematics, weights, Gram matrix, specs. */
static pl_status part_key(const char *kind, const pl_spec *spec, pl_id from, pl_id *out,
                          pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_buf text = {0};
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_spec_format(spec, &text);
    status = pl_buf_check(&text, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish result 1");
        pl_hasher_text(hasher, kind);
        pl_hasher_text(hasher, text.data);
        pl_hasher_id(hasher, from);
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
    }
    pl_buf_deinit(&text);
    pl_hasher_destroy(hasher);
    return status;
}

/* Identity of a layer's problem: its original weight and its site's Gram matrix. */
static pl_status problem_key(work *w, pl_id calibration, pl_id *out, pl_task *task, pl_error *err)
{
    pl_id weight = {0};
    pl_status status =
        pl_model_layer_identity(w->state->source->model, w->layer, &weight, task, err);
    pl_hasher *hasher = NULL;
    if (status == PL_OK) {
        status = pl_hasher_create(&hasher, err);
    }
    if (status == PL_OK) {
        pl_hasher_id(hasher, weight);
        pl_hasher_id(hasher, pl_calib_site_key(calibration, w->info->site));
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static pl_status read_original(work *w, pl_error *err)
{
    if (w->w0.data != NULL) {
        return PL_OK;
    }
    pl_status status = pl_mat_init(&w->w0, w->info->rows, w->info->cols, err);
    if (status == PL_OK) {
        status = pl_model_read_weight(w->state->source->model, w->layer, w->w0.data, err);
    }
    return status;
}

static pl_status precondition(work *w, pl_id problem, pl_task *task, pl_error *err)
{
    pl_status status =
        part_key("precondition", w->precondition, problem, &w->result.preconditioned, err);
    if (status != PL_OK) {
        return status;
    }
    w->result.has_preconditioned = true;
    status = pl_mat_init(&w->preconditioned, w->info->rows, w->info->cols, err);
    if (status != PL_OK) {
        return status;
    }
    pl_linf_report found = {0};
    if (pl_result_read_preconditioned(w->lab, w->result.preconditioned, &w->preconditioned,
                                      &found) != PL_OK) {
        pl_layer_input in = {
            .layer = w->info->name, .factors = w->bench.factors, .w = pl_mat_view(&w->w0)};
        status = w->precondition->method->precondition(w->precondition, &in, NULL,
                                                       w->preconditioned.data, &found, task, err);
        if (status == PL_OK) {
            status = pl_result_write_preconditioned(w->lab, w->result.preconditioned,
                                                    &w->preconditioned, &found, err);
        }
    }
    w->report.objective = found.objective;
    w->report.dual = found.dual;
    w->report.gap = found.gap;
    w->report.iterations = found.iterations;
    w->report.ridge = found.ridge;
    return status;
}

static pl_status round_weights(work *w, pl_id problem, pl_task *task, pl_error *err)
{
    const pl_mat *from = w->result.has_preconditioned ? &w->preconditioned : &w->w0;
    pl_id source = problem;
    pl_qweights q = {0};
    pl_round_report found = {.damping_used = NAN};
    if (w->result.has_preconditioned) {
        source = w->result.preconditioned;
    }
    pl_status status = part_key("round", w->round, source, &w->result.rounded, err);
    if (status != PL_OK) {
        return status;
    }
    w->result.has_rounded = true;
    status = pl_mat_init(&w->rounded, w->info->rows, w->info->cols, err);
    if (status != PL_OK ||
        pl_result_read_rounded(w->lab, w->result.rounded, &w->rounded, &found) == PL_OK) {
        w->report.damping_used = found.damping_used;
        return status;
    }
    pl_layer_input in = {
        .layer = w->info->name, .factors = w->bench.factors, .w = pl_mat_view(from)};
    status = w->round->method->round(w->round, &in, &q, &found, task, err);
    if (status == PL_OK) {
        pl_qweights_decode(&q, w->rounded.data);
        status = pl_result_write_rounded(w->lab, w->result.rounded, &q, &found, err);
    }
    w->report.damping_used = found.damping_used;
    pl_qweights_deinit(&q);
    return status;
}

static size_t report_group_size(const work *w)
{
    if (w->precondition->method != NULL) {
        return w->precondition->method->group_size(w->precondition);
    }
    return pl_spec_grid(w->round).group_size;
}

static pl_status measure(work *w, pl_task *task, pl_error *err)
{
    pl_solve_report *report = &w->report;
    pl_view before = pl_mat_view(&w->w0);
    pl_view after = w->result.has_preconditioned ? pl_mat_view(&w->preconditioned) : before;
    size_t group_size = report_group_size(w);
    report->group_max_before = pl_group_max_mean(before, group_size);
    report->group_max_after = pl_group_max_mean(after, group_size);
    report->relative_error = 0;
    pl_status status = PL_OK;
    if (w->result.has_preconditioned) {
        status =
            pl_relative_error(w->bench.factors, before, after, &report->relative_error, task, err);
    }
    if (status == PL_OK && w->result.has_rounded) {
        pl_grid grid = pl_spec_grid(w->round);
        report->bound = pl_error_bound(w->bench.factors, &grid, after);
        status = pl_relative_error(w->bench.factors, before, pl_mat_view(&w->rounded),
                                   &report->rounded_relative_error, task, err);
    }
    return status;
}

static pl_status no_method(const char *name, pl_error *err)
{
    return pl_error_set(err, PL_ERR_STATE,
                        "%s: both slots, precondition and round, are empty: choose a method, "
                        "e.g. `method astro`",
                        name);
}

static bool has_method(const pl_state *state, size_t layer)
{
    return pl_state_spec(state, layer, PL_SLOT_PRECONDITION)->method != NULL ||
           pl_state_spec(state, layer, PL_SLOT_ROUND)->method != NULL;
}

static pl_status solve_under(pl_lab *lab, const pl_state *state, size_t layer, pl_id calibration,
                             pl_solve_report *report, pl_id *result, pl_task *task, pl_error *err)
{
    work w = {
        .lab = lab,
        .state = state,
        .layer = layer,
        .info = pl_model_layer(state->source->model, layer),
        .precondition = pl_state_spec(state, layer, PL_SLOT_PRECONDITION),
        .round = pl_state_spec(state, layer, PL_SLOT_ROUND),
        .report = empty_report(),
    };
    if (!has_method(state, layer)) {
        return no_method(w.info->name, err);
    }
    double start = now();
    pl_id problem = {0};
    pl_status status = problem_key(&w, calibration, &problem, task, err);
    if (status == PL_OK) {
        status = pl_result_key(problem, w.precondition, w.round, result, err);
    }
    if (status == PL_OK && pl_result_read(lab, *result, NULL, &w.report) == PL_OK) {
        goto done;
    }
    if (status == PL_OK) {
        status = pl_lab_site(lab, state, calibration, w.info->site, &w.bench, task, err);
    }
    if (status == PL_OK) {
        status = read_original(&w, err);
    }
    if (status == PL_OK && w.precondition->method != NULL) {
        status = precondition(&w, problem, task, err);
    }
    if (status == PL_OK && w.round->method != NULL) {
        status = round_weights(&w, problem, task, err);
    }
    if (status == PL_OK) {
        status = measure(&w, task, err);
    }
    if (status == PL_OK) {
        w.report.seconds = now() - start;
        status = pl_result_write(lab, *result, &w.result, &w.report, err);
    }
done:
    if (status == PL_OK) {
        *report = w.report;
    } else if (status != PL_ERR_CANCELLED && err != NULL &&
               strstr(err->message, w.info->name) == NULL) {
        pl_error_prefix(err, "%s: ", w.info->name);
    }
    work_deinit(&w);
    return status;
}

pl_status pl_solve_layer(pl_lab *lab, const pl_state *state, size_t layer, pl_solve_report *report,
                         pl_id *result, pl_task *task, pl_error *err)
{
    *report = empty_report();
    *result = (pl_id){0};
    pl_id calibration = {0};
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    if (status == PL_OK) {
        status = solve_under(lab, state, layer, calibration, report, result, task, err);
    }
    return status;
}

/* --- a whole model ---------------------------------------------------------------------------- */

typedef struct totals {
    pl_solve_report sum;
    size_t layers;
    size_t counted[6]; /* how many had each averaged number */
} totals;

static double *averaged(pl_solve_report *report, size_t index)
{
    double *const all[] = {&report->relative_error,   &report->rounded_relative_error,
                           &report->group_max_before, &report->group_max_after,
                           &report->objective,        &report->dual};
    return all[index];
}

static void add_up(totals *all, pl_solve_report report)
{
    for (size_t i = 0; i < 6; i++) {
        double value = *averaged(&report, i);
        if (isfinite(value)) {
            *averaged(&all->sum, i) += value;
            all->counted[i]++;
        }
    }
    all->sum.iterations = fmax(all->sum.iterations, report.iterations);
    all->sum.ridge = fmax(all->sum.ridge, report.ridge);
    all->sum.damping_used = fmax(all->sum.damping_used, report.damping_used);
    all->layers++;
}

static pl_solve_report conclude(const totals *all, double seconds)
{
    pl_solve_report total = all->sum;
    for (size_t i = 0; i < 6; i++) {
        double *value = averaged(&total, i);
        if (all->counted[i] == 0) {
            *value = NAN;
        } else if (i < 4) {
            *value /= (double)all->counted[i];
        }
    }
    total.gap = total.objective > 0 ? (total.objective - total.dual) / total.objective : NAN;
    total.bound = NAN;
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
        if (!has_method(state, layer)) {
            continue;
        }
        pl_task_progress(task, "layers", (double)layer, (double)n);
        pl_status status = pl_task_tick(task, err);
        pl_solve_report report = empty_report();
        pl_id result = {0};
        if (status == PL_OK) {
            status = solve_under(lab, state, layer, calibration, &report, &result, task, err);
        }
        if (status != PL_OK) {
            return status;
        }
        if (keys != NULL) {
            keys[layer] = result;
        }
        add_up(all, report);
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
    *provided = has_method(s->state, layer);
    if (!*provided) {
        return PL_OK;
    }
    return pl_result_weights(s->lab, s->results[layer], PL_WHICH_AFTER, out, provided, err);
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
                                calibration->n_texts, &tokens, task, err);
    }
    pl_calib_spec spec = {.model = model,
                          .tokens = &tokens,
                          .protocol = calibration->protocol,
                          .sample_rows = PL_CALIB_SAMPLE_ROWS,
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

pl_status pl_solve_all(pl_lab *lab, const pl_state *state, bool sequential, pl_solved_fn each,
                       void *ctx, pl_solve_report *total, pl_task *task, pl_error *err)
{
    *total = empty_report();
    totals all = {.sum = {.iterations = NAN, .ridge = NAN, .damping_used = NAN}};
    double start = now();
    pl_id calibration = {0};
    size_t n = pl_model_layer_count(state->source->model);
    size_t first = 0;
    while (first < n && !has_method(state, first)) {
        first++;
    }
    if (first == n) {
        return no_method("solve all", err);
    }
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    if (status == PL_OK) {
        status = sequential ? solve_sequential(lab, state, calibration, &all, each, ctx, task, err)
                            : solve_range(lab, state, 0, n, calibration, NULL, &all, each, ctx,
                                          task, err);
    }
    if (status == PL_OK) {
        status = pl_store_trim(pl_lab_store(lab), err);
    }
    if (status == PL_OK) {
        *total = conclude(&all, now() - start);
    }
    return status;
}

/* --- weights by kind -------------------------------------------------------------------------- */

pl_status pl_result_report(pl_lab *lab, pl_id result, pl_solve_report *out, pl_error *err)
{
    *out = empty_report();
    pl_status status = pl_result_read(lab, result, NULL, out);
    return status == PL_OK ? PL_OK
                           : pl_error_set(err, PL_ERR_NOT_FOUND,
                                          "a result is no longer in the store %s: solve again",
                                          pl_store_folder(pl_lab_store(lab)));
}

pl_status pl_layer_weights(pl_lab *lab, const pl_state *state, size_t layer, pl_which which,
                           float *out, pl_error *err)
{
    int provided = 0;
    const pl_id *result = which == PL_WHICH_BEFORE ? NULL : pl_state_result(state, layer);
    if (result != NULL) {
        pl_status status = pl_result_weights(lab, *result, which, out, &provided, err);
        if (status != PL_OK) {
            pl_error_prefix(err, "%s: ", pl_model_layer(state->source->model, layer)->name);
            return status;
        }
    }
    return provided ? PL_OK : pl_model_read_weight(state->source->model, layer, out, err);
}

static pl_status state_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const pl_weights_ctx *from = ctx;
    *provided = 0;
    if (from->which == PL_WHICH_BEFORE || pl_state_result(from->state, layer) == NULL) {
        return PL_OK;
    }
    *provided = 1;
    return pl_layer_weights(from->lab, from->state, layer, from->which, out, err);
}

pl_hooks pl_weights_hooks(pl_weights_ctx *ctx, pl_lab *lab, const pl_state *state, pl_which which)
{
    *ctx = (pl_weights_ctx){.lab = lab, .state = state, .which = which};
    return (pl_hooks){.ctx = ctx, .weight = state_weight};
}
