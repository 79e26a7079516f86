/* A whole model: layer after layer on the original's inputs, or part after part of its blocks on
 * those that the layers solved before give. */
#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/lab/half_spec.h"
#include "core/lab/pipeline_parts.h"
#include "core/lab/quantized.h"
#include "core/lab/results.h"
#include "core/lab/solve_units.h"
#include "core/lab/walk_units.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdlib.h>

/* Numbers that are averaged over the layers, and behind them those that are added up. */
enum { MEANS = 15, AVERAGED = 17 };

typedef struct totals {
    pl_solve_report sum;
    size_t layers;
    size_t counted[AVERAGED]; /* how many had each number */
    double bits, weights;     /* of the rounded layers */
} totals;

static double *averaged(pl_solve_report *report, size_t index)
{
    double *const all[] = {&report->relative_error,
                           &report->rounded_relative_error,
                           &report->group_max_before,
                           &report->group_max_after,
                           &report->output_error,
                           &report->flatness_weight_before,
                           &report->flatness_weight_after,
                           &report->flatness_input_before,
                           &report->flatness_input_after,
                           &report->kurtosis_weight_before,
                           &report->kurtosis_weight_after,
                           &report->kurtosis_input_before,
                           &report->kurtosis_input_after,
                           &report->original_output_error,
                           &report->least_rounded_error,
                           &report->objective,
                           &report->dual};
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
    all->sum.function_error = fmax(all->sum.function_error, report.function_error);
    all->sum.condition = fmax(all->sum.condition, report.condition);
    for (size_t i = 0; i < PL_MAX_TOLD; i++) {
        all->sum.told[i] = fmax(all->sum.told[i], report.told[i]);
    }
    all->layers++;
}

static pl_solve_report mean_report(const totals *all, double seconds)
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

/* What a solve of all layers tells, and whom. */
typedef struct teller {
    totals all;
    const pl_model *model;
    size_t layers; /* of the model */
    pl_solved_fn each;
    void *ctx;
} teller;

static pl_status begin_layer(const teller *to, pl_task *task, pl_error *err)
{
    pl_task_progress(task, "layers", (double)to->all.layers, (double)to->layers);
    return pl_task_tick(task, err);
}

static void end_layer(teller *to, size_t layer, pl_id result, const pl_solve_report *report)
{
    const pl_layer *info = pl_model_layer(to->model, layer);
    add_up(&to->all, *report, (double)info->rows * (double)info->cols);
    if (to->each != NULL) {
        to->each(to->ctx, layer, result, report);
    }
}

/* Whether the layer is solved: on=GLOB gives some layers methods and others none. */
static bool is_due(const pl_state *state, size_t layer)
{
    return pl_layer_has_method(state, layer) && pl_solve_sees_enough(state, layer);
}

static pl_status solve_apart(pl_context cx, pl_id calibration, teller *to, pl_error *err)
{
    size_t due = 0;
    size_t *layers = pl_alloc(to->layers, sizeof *layers);
    if (layers == NULL) {
        return pl_error_memory(err, "the layers of a model");
    }
    for (size_t layer = 0; layer < to->layers; layer++) {
        if (is_due(cx.state, layer)) {
            layers[due++] = layer;
        }
    }
    pl_status status = pl_solve_in_units(cx, calibration, layers, due, true, 0.0, err);
    free(layers);
    for (size_t layer = 0; status == PL_OK && layer < to->layers; layer++) {
        pl_solve_report report = pl_solve_report_empty();
        pl_id result = {0};
        if (!is_due(cx.state, layer)) {
            continue;
        }
        status = begin_layer(to, cx.task, err);
        PL_THEN(pl_solve_under(cx, layer, calibration, NULL, &report, &result, err));
        if (status == PL_OK) {
            end_layer(to, layer, result, &report);
        }
    }
    return status;
}

/* --- in sequence ------------------------------------------------------------------------------ */

/* The layers of one site role of a block see inputs that only the layers before them make. */
typedef struct sequence {
    pl_context cx;
    pl_state now;  /* cx.state, of whose layers only those behind are solved */
    pl_id base;    /* the state's calibration */
    pl_id key;     /* of the Gram matrices that the present part sees; base before all changes */
    bool observed; /* they are in the store */
    pl_calib_walk *walk; /* NULL until inputs have to be made */
    pl_walk_share share; /* of its windows, where the lab has a pool */
    pl_calib_spec spec;
    pl_tokens tokens;
    pl_quantized quantized;
    bool beside;    /* a method looks at the original model's inputs, too */
    pl_hooks hooks; /* of the model as `now` runs it */
} sequence;

static void sequence_deinit(sequence *s)
{
    pl_walk_share_deinit(&s->share);
    pl_lab_drop_walks(s->cx.lab);
    pl_calib_walk_destroy(s->walk);
    pl_tokens_deinit(&s->tokens);
    pl_quantized_deinit(&s->quantized);
    pl_state_deinit(&s->now);
}

static pl_status sequence_init(sequence *s, pl_context cx, pl_id base, pl_error *err)
{
    const pl_state *state = cx.state;
    *s = (sequence){.cx = cx, .base = base, .key = base};
    pl_status status = pl_state_copy(&s->now, state, err);
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(state->source->model); i++) {
        if (!pl_state_is_imported(state, i)) {
            s->now.solved[i] = (pl_solved){0};
            s->beside = s->beside || (is_due(state, i) && pl_solve_follows(state, i));
        }
    }
    s->share.beside = s->beside;
    pl_quantized_begin(&s->quantized, pl_with_state(cx, &s->now), PL_WHICH_AFTER, &s->hooks);
    return status;
}

static pl_status start_walk(sequence *s, pl_error *err)
{
    pl_status status = pl_lab_spec_whole(s->cx, s->base, &s->spec, &s->tokens, err);
    return status == PL_OK ? pl_calib_walk_create(&s->spec, s->beside, &s->walk, s->cx.task, err)
                           : status;
}

/* Makes the Gram matrices of a part, at its first layer that is not found in the store. */
static pl_status observe(sequence *s, const pl_site *site, pl_error *err)
{
    pl_status status = PL_OK;
    if (s->observed) {
        return PL_OK;
    }
    if (s->walk == NULL) {
        status = start_walk(s, err);
    }
    PL_THEN(pl_walk_in_units(pl_with_state(s->cx, &s->now), &s->share, &s->spec, s->base, s->key,
                             site->block, site->role, err));
    PL_THEN(pl_calib_walk_observe(s->walk, pl_lab_store(s->cx.lab), s->key, site->block, site->role,
                                  &s->hooks, s->cx.task, err));
    s->observed = status == PL_OK;
    return status;
}

static pl_status find_or_solve(sequence *s, size_t layer, pl_id *result, pl_solve_report *report,
                               pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    const bool imported = pl_state_is_imported(s->cx.state, layer);
    bool found = false;
    pl_status status =
        imported ? PL_OK : pl_solve_find(s->cx, layer, s->key, &found, report, result, err);
    if (status != PL_OK || found) {
        return status;
    }
    if (!imported) {
        status = observe(s, pl_model_site(model, pl_model_layer(model, layer)->site), err);
    }
    return status == PL_OK ? pl_solve_under(s->cx, layer, s->key, NULL, report, result, err)
                           : status;
}

/* Another program that solves the same model may have ended a part, and forgotten its Gram
 * matrices, while this one was about to read them: then its results are in the store, or are made
 * anew. */
static pl_status solve_next(sequence *s, size_t layer, pl_id *result, pl_solve_report *report,
                            pl_error *err)
{
    enum { TRIES = 4 };
    pl_status status = find_or_solve(s, layer, result, report, err);
    for (int i = 1; i < TRIES && status == PL_ERR_NOT_FOUND; i++) {
        s->observed = false;
        status = find_or_solve(s, layer, result, report, err);
    }
    return status;
}

/* What the sites behind a part see: the sites before, and what became of the part's layers. */
static pl_status advance_key(sequence *s, size_t block, pl_site_role role, pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    pl_hasher *hasher = NULL;
    pl_buf settings = {0};
    size_t first = 0, changed = 0;
    const size_t layers = pl_model_block_layers(model, block, &first);
    pl_state_quantized_commands(s->cx.state, &settings);
    pl_status status = pl_buf_check(&settings, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, s->beside ? "sequential 3" : "sequential 2");
        pl_hasher_id(hasher, s->key);
        pl_hasher_text(hasher, settings.data != NULL ? settings.data : "");
        for (size_t i = first; i < first + layers; i++) {
            const pl_id *result = pl_state_result(&s->now, i);
            if (pl_model_site(model, pl_model_layer(model, i)->site)->role == role &&
                result != NULL) {
                pl_hasher_u64(hasher, i);
                pl_hasher_id(hasher, *result);
                changed++;
            }
        }
        const pl_id next = pl_hasher_finish(hasher);
        s->key = changed > 0 || settings.size > 0 ? next : s->key;
    }
    pl_hasher_destroy(hasher);
    pl_buf_deinit(&settings);
    return status;
}

/* Gram matrices that nothing will ask for again: hundreds of megabytes a model. */
static pl_status forget_part(sequence *s, size_t block, pl_site_role role, pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    size_t first = 0;
    const size_t sites = pl_model_block_sites(model, block, &first);
    pl_status status = PL_OK;
    for (size_t i = first; status == PL_OK && i < first + sites; i++) {
        if (s->observed && pl_model_site(model, i)->role == role && !pl_id_equal(s->key, s->base)) {
            status = pl_lab_forget_site(s->cx.lab, s->key, i, err);
        }
    }
    s->observed = false;
    return status;
}

/* The part's layers side by side, where the lab has a pool: their inputs are made first, if one of
 * them is to be solved. */
static pl_status solve_part_in_units(sequence *s, size_t block, pl_site_role role, const teller *to,
                                     pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    size_t first = 0, due = 0;
    const size_t layers = pl_model_block_layers(model, block, &first);
    size_t *which = pl_pool_workers(s->cx.lab) > 1 ? pl_alloc(layers, sizeof *which) : NULL;
    pl_status status = PL_OK;
    for (size_t i = first; which != NULL && status == PL_OK && i < first + layers; i++) {
        pl_solve_report report;
        pl_id result;
        bool found = false;
        if (pl_model_site(model, pl_model_layer(model, i)->site)->role != role ||
            !is_due(s->cx.state, i) || pl_state_is_imported(s->cx.state, i)) {
            continue;
        }
        status = pl_solve_find(s->cx, i, s->key, &found, &report, &result, err);
        if (status == PL_OK && !found) {
            which[due++] = i;
        }
    }
    if (status == PL_OK && due > 1) {
        status = observe(s, pl_model_site(model, pl_model_layer(model, which[0])->site), err);
        PL_THEN(pl_solve_in_units(s->cx, s->key, which, due, false, (double)to->all.layers, err));
    }
    free(which);
    return status;
}

static pl_status solve_part(sequence *s, size_t block, pl_site_role role, teller *to, pl_error *err)
{
    const pl_model *model = s->cx.state->source->model;
    size_t first = 0;
    const size_t layers = pl_model_block_layers(model, block, &first);
    pl_status status = solve_part_in_units(s, block, role, to, err);
    for (size_t i = first; status == PL_OK && i < first + layers; i++) {
        pl_solve_report report = pl_solve_report_empty();
        pl_id result = {0};
        if (pl_model_site(model, pl_model_layer(model, i)->site)->role != role ||
            !is_due(s->cx.state, i)) {
            continue;
        }
        status = begin_layer(to, s->cx.task, err);
        PL_THEN(solve_next(s, i, &result, &report, err));
        PL_THEN(pl_state_take_result(&s->now, i, true, result, err));
        if (status == PL_OK) {
            end_layer(to, i, result, &report);
        }
    }
    PL_THEN(forget_part(s, block, role, err));
    return status == PL_OK ? advance_key(s, block, role, err) : status;
}

static pl_status solve_sequential(pl_context cx, pl_id base, teller *to, pl_error *err)
{
    sequence s;
    pl_status status = sequence_init(&s, cx, base, err);
    const size_t blocks = pl_model_config(cx.state->source->model)->blocks;
    const pl_site_role *roles = NULL;
    const size_t parts = pl_model_parts(cx.state->source->model, &roles);
    for (size_t part = 0; status == PL_OK && part < blocks * parts; part++) {
        status = solve_part(&s, part / parts, roles[part % parts], to, err);
    }
    sequence_deinit(&s);
    return status;
}

/* Layers without inputs, which the methods need, stay as they are, and the user is told; that is an
 * error where no other layer is left.  *any_seeing: some layer's inputs are known. */
static pl_status check_seen_layers(pl_lab *lab, const pl_state *state, bool *any_seeing,
                                   pl_error *err)
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

/* Blind methods do without. */
static bool needs_calibration(const pl_state *state)
{
    bool needs = false;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        needs = needs || (is_due(state, i) && !pl_solve_is_blind(state, i));
    }
    return needs;
}

bool pl_solve_runs_in_sequence(const pl_state *state)
{
    return !pl_model_is_bare(state->source->model) && pl_lab_can_calibrate(state);
}

static teller teller_of(const pl_state *state, pl_solved_fn each, void *ctx)
{
    teller to = {.all = {.sum = pl_solve_report_empty()},
                 .model = state->source->model,
                 .layers = pl_model_layer_count(state->source->model),
                 .each = each,
                 .ctx = ctx};
    for (size_t i = 0; i < AVERAGED; i++) {
        *averaged(&to.all.sum, i) = 0;
    }
    return to;
}

pl_status pl_solved_all(pl_context cx, pl_solved_fn each, void *ctx, pl_solve_report *total,
                        size_t *layers, pl_error *err)
{
    teller to = teller_of(cx.state, each, ctx);
    double seconds = 0;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < to.layers; i++) {
        const pl_id *result = pl_state_result(cx.state, i);
        pl_solve_report report;
        if (result != NULL) {
            status = pl_result_report(cx.lab, cx.state, i, *result, &report, err);
            if (status == PL_OK) {
                seconds += isfinite(report.seconds) ? report.seconds : 0;
                end_layer(&to, i, *result, &report);
            }
            status = pl_result_is_gone(status) ? PL_OK : status;
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    *layers = to.all.layers;
    *total = *layers > 0 ? mean_report(&to.all, seconds) : pl_solve_report_empty();
    return status;
}

pl_status pl_solve_all(pl_context cx, bool sequential, pl_solved_fn each, void *ctx,
                       pl_solve_report *total, pl_error *err)
{
    *total = pl_solve_report_empty();
    teller to = teller_of(cx.state, each, ctx);
    double start = pl_clock_now();
    pl_id calibration = {0};
    size_t first = 0;
    while (first < to.layers && !pl_layer_has_method(cx.state, first)) {
        first++;
    }
    if (first == to.layers) {
        return pl_solve_no_method("solve all", err);
    }
    bool seeing = true;
    pl_status status =
        sequential ? pl_model_need_forward(cx.state->source->model, "solve all sequential=yes", err)
                   : check_seen_layers(cx.lab, cx.state, &seeing, err);
    if (status == PL_OK && seeing) {
        status = pl_lab_find_calibration(cx, sequential || needs_calibration(cx.state),
                                         &calibration, err);
    }
    PL_THEN(sequential ? solve_sequential(cx, calibration, &to, err)
                       : solve_apart(cx, calibration, &to, err));
    PL_THEN(pl_store_trim(pl_lab_store(cx.lab), err));
    if (status == PL_OK) {
        *total = mean_report(&to.all, pl_clock_now() - start);
    }
    return status;
}
