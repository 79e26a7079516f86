/* Trials of a search by what the model loses. */
#include "core/study/tune_trials.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/metrics/variants.h"
#include "core/model/bare.h"
#include "core/study/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- a trial's model -------------------------------------------------------------------------- */

static size_t candidate_of(const pl_search *s, const size_t *choice, size_t layer)
{
    const long unit = s->t->out->unit_of[layer];
    return unit >= 0 ? choice[unit] : 0;
}

static pl_status mixed_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const pl_mixed *m = ctx;
    const pl_hooks *hooks = &m->s->hooks[candidate_of(m->s, m->choice, layer)];
    return hooks->weight(hooks->ctx, layer, out, provided, err);
}

static pl_status mixed_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                             size_t cols, pl_error *err)
{
    const pl_mixed *m = ctx;
    const size_t layer = pl_model_site(m->s->model, site)->layers[0];
    const pl_hooks *hooks = &m->s->hooks[candidate_of(m->s, m->choice, layer)];
    return hooks->input(hooks->ctx, site, window, x, rows, cols, err);
}

static pl_status mixed_key(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                           pl_error *err)
{
    const pl_hooks *hooks = &((pl_mixed *)ctx)->s->hooks[0];
    return hooks->key(hooks->ctx, block, x, rows, cols, err);
}

static pl_status mixed_value(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                             pl_error *err)
{
    const pl_hooks *hooks = &((pl_mixed *)ctx)->s->hooks[0];
    return hooks->value(hooks->ctx, block, x, rows, cols, err);
}

static pl_hooks mixed_hooks(const pl_search *s, pl_mixed *m)
{
    const pl_hooks *all = &s->hooks[0];
    return (pl_hooks){.ctx = m,
                      .weight = mixed_weight,
                      .input = all->input != NULL ? mixed_input : NULL,
                      .key = all->key != NULL ? mixed_key : NULL,
                      .value = all->value != NULL ? mixed_value : NULL};
}

static const pl_id *result_of(const pl_search *s, const size_t *choice, size_t layer)
{
    const pl_solved *solved = &s->t->states[candidate_of(s, choice, layer)].solved[layer];
    return solved->set ? &solved->result : NULL;
}

static bool trial_touches(void *ctx, size_t variant, size_t block)
{
    const pl_search *s = ctx;
    const size_t *choice = s->trials + s->wanted[variant] * s->units;
    size_t first = 0;
    bool touches = false;
    const size_t count = pl_model_block_layers(s->model, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const pl_id *a = result_of(s, choice, i), *b = result_of(s, s->base, i);
        touches = touches || (a != NULL && b != NULL && !pl_id_equal(*a, *b));
    }
    return touches;
}

static const pl_hooks *hooks_of_trial(void *ctx, size_t variant)
{
    pl_search *s = ctx;
    s->of_trial = (pl_mixed){s, s->trials + s->wanted[variant] * s->units};
    return &s->trial_hooks;
}

/* --- keys ------------------------------------------------------------------------------------- */

static pl_status hash_search(pl_search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_model *model = t->cx.state->source->model;
    pl_hasher *hasher = NULL;
    pl_status status = pl_measured_begin("planish tune kl 1", model, &hasher, t->cx.task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_measured_text(hasher, model, t->ids, t->n_ids, &t->tuning->text);
    s->common = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

/* Keys by the model's results, however they were made; for trials in sequence by the plan, since
 * their results are not known before. */
static pl_status trial_key(const pl_search *s, const pl_state *state, const size_t *choice,
                           pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_id(hasher, s->common);
    if (s->t->tuning->sequential) {
        pl_hasher_text(hasher, "sequential " PL_VERSION);
        pl_hasher_id(hasher, pl_state_plan_sequential(state));
    } else if (pl_state_quantizes(state)) {
        pl_quantized_hash(state, hasher);
    }
    for (size_t i = 0; !s->t->tuning->sequential && i < pl_model_layer_count(s->model); i++) {
        const pl_id *result = result_of(s, choice, i);
        pl_hasher_id(hasher, result != NULL ? *result : (pl_id){0});
    }
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

static pl_status keep_trial(const pl_search *s, size_t trial, const pl_ppl_result *result,
                            pl_error *err)
{
    s->loss[trial] = isnan(result->kl_mean) ? INFINITY : result->kl_mean;
    return pl_tune_keep(s->t, s->keys[trial], "what a setting of units costs the model",
                        s->loss[trial], err);
}

/* --- trials on the original model's inputs ---------------------------------------------------- */

static pl_status trial_done(void *ctx, size_t variant, const pl_ppl_result *result, pl_error *err)
{
    const pl_search *s = ctx;
    return keep_trial(s, s->wanted[variant], result, err);
}

/* Those that the store has, and those that are the base itself, need not be run. */
static pl_status sort_trials(pl_search *s, pl_error *err)
{
    pl_id base = {0};
    pl_status status = trial_key(s, s->t->cx.state, s->base, &base, err);
    s->n_wanted = 0;
    for (size_t i = 0; status == PL_OK && i < s->n_trials; i++) {
        status = trial_key(s, s->t->cx.state, s->trials + i * s->units, &s->keys[i], err);
        if (status != PL_OK || pl_tune_recall(s->t, s->keys[i], &s->loss[i])) {
            continue;
        }
        if (pl_id_equal(s->keys[i], base) && s->has_base) {
            s->loss[i] = s->base_loss;
        } else {
            s->wanted[s->n_wanted++] = i;
        }
    }
    return status;
}

static pl_status run_variants(pl_search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_ppl_spec spec = t->tuning->text;
    pl_ppl_result of_base;
    spec.memory_limit = pl_lab_memory_limit(t->cx.lab);
    const pl_variants variants = {.count = s->n_wanted,
                                  .ctx = s,
                                  .touches = trial_touches,
                                  .hooks = hooks_of_trial,
                                  .done = trial_done};
    s->of_base = (pl_mixed){s, s->base};
    return pl_variants_run(t->cx.state->source->model, t->ids, t->n_ids, &spec, &s->base_hooks,
                           &variants, &of_base, &s->piece.task, err);
}

/* The first trial of all is the base, of which nothing is known. */
static pl_status run_first(pl_search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_ppl_spec spec = t->tuning->text;
    pl_ppl_result result = {0};
    spec.memory_limit = pl_lab_memory_limit(t->cx.lab);
    s->of_base = (pl_mixed){s, s->base};
    pl_status status = pl_perplexity(t->cx.state->source->model, t->ids, t->n_ids, &spec,
                                     &s->base_hooks, true, &result, &s->piece.task, err);
    return status == PL_OK ? keep_trial(s, 0, &result, err) : status;
}

/* --- trials in sequence ----------------------------------------------------------------------- */

typedef struct noting {
    pl_state *state;
    unsigned *made; /* [layers] what of each result the trial has made */
    pl_status status;
} noting;

static void note_layer(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    noting *n = ctx;
    pl_status status = pl_state_take_result(n->state, layer, true, result, NULL);
    n->made[layer] = report->made;
    n->status = n->status == PL_OK ? status : n->status;
}

/* What a trial has made, and nobody had before it: gigabytes a search. */
static pl_status forget_results(const pl_search *s, const noting *noted, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(s->model); i++) {
        const pl_id *result = pl_state_result(noted->state, i);
        if (result != NULL) {
            status = pl_result_forget(s->t->cx.lab, noted->state, i, *result, noted->made[i], err);
        }
    }
    return status;
}

static pl_status measure_sequence(pl_search *s, const noting *noted, size_t trial, pl_error *err)
{
    pl_tuner *t = s->t;
    const pl_state *state = noted->state;
    pl_ppl_spec spec = t->tuning->text;
    pl_ppl_result result = {0};
    pl_quantized quantized;
    pl_hooks hooks;
    spec.memory_limit = pl_lab_memory_limit(t->cx.lab);
    pl_status status = pl_quantized_init(&quantized, (pl_context){t->cx.lab, state, &s->piece.task},
                                         PL_WHICH_AFTER, &hooks, err);
    PL_THEN(pl_perplexity(state->source->model, t->ids, t->n_ids, &spec, &hooks, true, &result,
                          &s->piece.task, err));
    pl_quantized_deinit(&quantized);
    PL_THEN(keep_trial(s, trial, &result, err));
    return status;
}

static pl_status solve_sequence(pl_search *s, pl_state *state, size_t trial, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_solve_report total;
    noting noted = {.state = state};
    noted.made = calloc(pl_model_layer_count(s->model) + 1, sizeof *noted.made);
    if (noted.made == NULL) {
        return pl_error_memory(err, "a search");
    }
    pl_status status = pl_solve_all((pl_context){t->cx.lab, state, &s->piece.task}, true,
                                    note_layer, &noted, &total, err);
    PL_THEN(noted.status);
    PL_THEN(measure_sequence(s, &noted, trial, err));
    PL_THEN(forget_results(s, &noted, err));
    free(noted.made);
    return status;
}

/* The state that a trial solves, which the caller deinits where it is made, and its key. */
static pl_status begin_sequence(pl_search *s, size_t trial, pl_state *state, pl_error *err)
{
    pl_tuner *t = s->t;
    const size_t n = pl_model_layer_count(s->model);
    pl_status status = pl_state_copy(state, t->cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    int *given = calloc(n + 1, sizeof *given);
    for (size_t i = 0; given != NULL && i < n; i++) {
        given[i] = (int)candidate_of(s, s->trials + trial * s->units, i);
    }
    status = given != NULL ? pl_tune_set(state, t->tuning, given, err)
                           : pl_error_memory(err, "a search's settings");
    PL_THEN(trial_key(s, state, NULL, &s->keys[trial], err));
    if (status != PL_OK) {
        pl_state_deinit(state);
    }
    free(given);
    return status;
}

static pl_status run_sequence(pl_search *s, size_t trial, pl_error *err)
{
    pl_state state;
    pl_status status = begin_sequence(s, trial, &state, err);
    if (status != PL_OK) {
        return status;
    }
    if (!pl_tune_recall(s->t, s->keys[trial], &s->loss[trial])) {
        status = solve_sequence(s, &state, trial, err);
    }
    pl_state_deinit(&state);
    return status;
}

/* --- by a pool -------------------------------------------------------------------------------- */

pl_status pl_search_tell_results(pl_search *s, pl_error *err)
{
    const size_t n = pl_model_layer_count(s->model);
    if (pl_pool_workers(s->t->cx.lab) < 2) {
        return PL_OK;
    }
    pl_id *all = calloc(s->k * n + 1, sizeof *all);
    if (all == NULL) {
        return pl_error_memory(err, "a search");
    }
    for (size_t i = 0; i < s->k * n; i++) {
        const pl_solved *solved = &s->t->states[i / n].solved[i % n];
        all[i] = solved->set && !solved->imported ? solved->result : (pl_id){0};
    }
    pl_status status =
        pl_pool_put_bytes(s->t->cx.lab, all, s->k * n * sizeof *all, &s->results, err);
    free(all);
    return status;
}

static pl_status take_results(pl_search *s, pl_id key, pl_error *err)
{
    const size_t n = pl_model_layer_count(s->model);
    void *bytes = NULL;
    size_t size = 0;
    pl_status status = pl_pool_get_bytes(s->t->cx.lab, key, &bytes, &size, err);
    const pl_id *all = bytes;
    if (status == PL_OK && size != s->k * n * sizeof *all) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "tune: the results of %zu bytes are not of %zu candidates for %zu "
                              "layers",
                              size, s->k, n);
    }
    for (size_t i = 0; status == PL_OK && i < s->k * n; i++) {
        if (!pl_id_equal(all[i], (pl_id){0})) {
            status = pl_state_take_result(&s->t->states[i / n], i % n, false, all[i], err);
        }
    }
    free(bytes);
    return status;
}

static json_t *choice_json(const pl_search *s, const size_t *choice)
{
    json_t *list = json_array();
    for (size_t u = 0; u < s->units; u++) {
        pl_json_append(list, json_integer((json_int_t)choice[u]));
    }
    return list;
}

static pl_status read_choice(const pl_search *s, const json_t *list, size_t *out, pl_error *err)
{
    bool fits = json_array_size(list) == s->units;
    for (size_t u = 0; fits && u < s->units; u++) {
        const json_int_t c = json_integer_value(json_array_get(list, u));
        fits = c >= 0 && (size_t)c < s->k;
        out[u] = fits ? (size_t)c : 0;
    }
    return fits ? PL_OK
                : pl_error_set(err, PL_ERR_FORMAT,
                               "tune: a trial is not of %zu units and %zu candidates", s->units,
                               s->k);
}

/* Trials of one block walk through the model together, so each worker gets some in a row. */
static json_t *describe_wanted(const pl_search *s)
{
    const size_t workers = pl_pool_workers(s->t->cx.lab), n = s->n_wanted;
    const size_t parts = workers < n ? workers : n;
    json_t *list = json_array();
    for (size_t p = 0; p < parts; p++) {
        json_t *some = json_array();
        for (size_t i = p * n / parts; i < (p + 1) * n / parts; i++) {
            pl_json_append(some, choice_json(s, s->trials + s->wanted[i] * s->units));
        }
        pl_json_append(list, json_pack("{s:o, s:o, s:f, s:o}", "base", choice_json(s, s->base),
                                       "results", pl_pool_id(s->results), "cost",
                                       (double)json_array_size(some), "trials", some));
    }
    return list;
}

/* Has the pool run the wanted ones; what it has made is wanted no more. */
static pl_status share_variants(pl_search *s, pl_error *err)
{
    size_t left = 0;
    pl_status status = PL_OK;
    if (pl_pool_workers(s->t->cx.lab) < 2 || s->n_wanted < 2 || !s->has_base) {
        return PL_OK;
    }
    for (size_t i = 0; status == PL_OK && i < s->n_wanted; i++) {
        status = pl_tune_ask(s->t, s->keys[s->wanted[i]], true, err);
    }
    PL_THEN(pl_tune_run_units(s->t, &pl_unit_tune_trials, describe_wanted(s), &s->piece.task, err));
    for (size_t i = 0; status == PL_OK && i < s->n_wanted; i++) {
        const size_t trial = s->wanted[i];
        if (!pl_tune_recall(s->t, s->keys[trial], &s->loss[trial])) {
            s->wanted[left++] = trial;
        }
    }
    s->n_wanted = left;
    return status;
}

/* Each trial in sequence is a unit. */
static pl_status share_sequences(pl_search *s, pl_error *err)
{
    json_t *list = pl_pool_workers(s->t->cx.lab) > 1 && s->n_trials > 1 ? json_array() : NULL;
    pl_status status = PL_OK;
    for (size_t i = 0; list != NULL && status == PL_OK && i < s->n_trials; i++) {
        pl_state state;
        status = begin_sequence(s, i, &state, err);
        if (status != PL_OK) {
            break;
        }
        pl_state_deinit(&state);
        if (!pl_tune_has(s->t, s->keys[i])) {
            status = pl_tune_ask(s->t, s->keys[i], false, err);
            pl_json_append(list, json_pack("{s:o, s:[o]}", "base", choice_json(s, s->base),
                                           "trials", choice_json(s, s->trials + i * s->units)));
        }
    }
    if (status != PL_OK || list == NULL) {
        json_decref(list);
        return status;
    }
    s->piece.weight = s->n_trials;
    status = pl_tune_run_units(s->t, &pl_unit_tune_trials, list, &s->piece.task, err);
    s->piece.weight = 1;
    return status;
}

static pl_status try_some_trials(pl_tuner *t, const json_t *what, pl_error *err)
{
    const json_t *trials = json_object_get(what, "trials");
    pl_search s;
    pl_status status = pl_search_init(&s, t, err);
    s.n_trials = json_array_size(trials);
    if (status == PL_OK && s.n_trials > s.most) {
        status = pl_error_set(err, PL_ERR_FORMAT, "tune: %zu trials, expected at most %zu",
                              s.n_trials, s.most);
    }
    PL_THEN(read_choice(&s, json_object_get(what, "base"), s.base, err));
    for (size_t i = 0; status == PL_OK && i < s.n_trials; i++) {
        status = read_choice(&s, json_array_get(trials, i), s.trials + i * s.units, err);
    }
    if (!t->tuning->sequential) {
        PL_THEN(take_results(&s, pl_pool_read_id(what, "results"), err));
        PL_THEN(pl_search_hooks(&s, err));
    }
    pl_piece_init(&s.piece, t->cx.task, "trials", s.n_trials);
    s.has_base = true;
    s.base_loss = s.best_loss = INFINITY;
    PL_THEN(pl_trials_measure(&s, err));
    pl_search_deinit(&s);
    return status;
}

static pl_status run_trials_unit(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    return pl_tune_unit(cx, what, try_some_trials, err);
}

const pl_unit_kind pl_unit_tune_trials = {
    .name = "tune_trials", .counting = "trials", .whole = true, .run = run_trials_unit};

/* --- the search they are of ------------------------------------------------------------------- */

bool pl_search_together(const pl_search *s, size_t a, size_t b)
{
    const pl_unit_loss *x = &s->t->out->units[a], *y = &s->t->out->units[b];
    return a == b || (x->block != SIZE_MAX && x->block == y->block);
}

static pl_status allocate_search(pl_search *s, pl_error *err)
{
    size_t largest = 1;
    for (size_t u = 0; u < s->units; u++) {
        size_t n = 0;
        for (size_t v = 0; v < s->units; v++) {
            n += pl_search_together(s, u, v);
        }
        largest = n > largest ? n : largest;
    }
    s->most = largest * s->k + 2;
    s->quantized = calloc(s->k, sizeof *s->quantized);
    s->hooks = calloc(s->k, sizeof *s->hooks);
    s->base = calloc(s->units, sizeof *s->base);
    s->best = calloc(s->units, sizeof *s->best);
    s->trials = calloc(s->most, s->units * sizeof *s->trials);
    s->loss = calloc(s->most, sizeof *s->loss);
    s->keys = calloc(s->most, sizeof *s->keys);
    s->wanted = calloc(s->most, sizeof *s->wanted);
    return s->quantized == NULL || s->hooks == NULL || s->base == NULL || s->best == NULL ||
                   s->trials == NULL || s->loss == NULL || s->keys == NULL || s->wanted == NULL
               ? pl_error_memory(err, "a search")
               : PL_OK;
}

pl_status pl_search_init(pl_search *s, pl_tuner *t, pl_error *err)
{
    *s = (pl_search){
        .t = t, .model = t->cx.state->source->model, .units = t->out->count, .k = t->n_states};
    pl_status status = pl_model_need_forward(s->model, "by=kl", err);
    PL_THEN(allocate_search(s, err));
    return status == PL_OK ? hash_search(s, err) : status;
}

pl_status pl_search_hooks(pl_search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_status status = PL_OK;
    for (size_t c = 0; status == PL_OK && c < s->k; c++) {
        status = pl_quantized_init(&s->quantized[c], pl_with_state(t->cx, &t->states[c]),
                                   PL_WHICH_AFTER, &s->hooks[c], err);
        s->n_quantized++;
    }
    s->base_hooks = mixed_hooks(s, &s->of_base);
    s->trial_hooks = mixed_hooks(s, &s->of_trial);
    return status;
}

void pl_search_deinit(pl_search *s)
{
    for (size_t c = 0; c < s->n_quantized; c++) {
        pl_quantized_deinit(&s->quantized[c]);
    }
    if (!pl_id_equal(s->results, (pl_id){0})) {
        pl_pool_drop_bytes(s->t->cx.lab, s->results);
    }
    free(s->quantized);
    free(s->hooks);
    free(s->base);
    free(s->best);
    free(s->trials);
    free(s->loss);
    free(s->keys);
    free(s->wanted);
}

pl_status pl_trials_measure(pl_search *s, pl_error *err)
{
    pl_status status = PL_OK;
    if (s->t->tuning->sequential) {
        status = share_sequences(s, err);
        for (size_t i = 0; status == PL_OK && i < s->n_trials; i++) {
            status = run_sequence(s, i, err);
            pl_piece_step(&s->piece);
        }
    } else {
        status = sort_trials(s, err);
        s->piece.weight = s->n_trials;
        PL_THEN(share_variants(s, err));
        if (status == PL_OK && s->n_wanted > 0) {
            status = s->has_base ? run_variants(s, err) : run_first(s, err);
        }
        pl_piece_step(&s->piece);
        s->piece.weight = 1;
    }
    for (size_t i = 0; status == PL_OK && i < s->n_trials; i++) {
        if (s->loss[i] < s->best_loss) {
            s->best_loss = s->loss[i];
            memcpy(s->best, s->trials + i * s->units, s->units * sizeof *s->best);
        }
    }
    return status;
}
