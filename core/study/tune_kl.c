/* Tuning by what the model loses: coordinate search over trials, each one a candidate for every
 * unit. */
#include "core/base/checked.h"
#include "core/lab/quantized.h"
#include "core/metrics/variants.h"
#include "core/model/bare.h"
#include "core/study/measured.h"
#include "core/study/tune_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights and inputs of a model whose units have different candidates. */
typedef struct mixed {
    const struct search *s;
    const size_t *choice; /* [units] */
} mixed;

typedef struct search {
    pl_tuner *t;
    const pl_model *model;
    size_t units, k;         /* k: candidates + 1 */
    pl_quantized *quantized; /* [k] */
    pl_hooks *hooks;         /* [k]; of the states as a whole */
    size_t n_quantized;
    size_t *base, *best; /* [units] what trials differ from, and the best of all trials */
    double base_loss, best_loss;
    bool has_base;  /* base_loss is known */
    size_t *trials; /* [most, units] */
    double *loss;   /* [most] */
    size_t n_trials, most;
    pl_id *keys;    /* [most] */
    size_t *wanted; /* [most] trials that the store does not have */
    size_t n_wanted;
    pl_id common;
    mixed of_base, of_trial;
    pl_hooks base_hooks, trial_hooks;
    pl_piece piece;
} search;

/* --- a trial's model -------------------------------------------------------------------------- */

static size_t candidate_of(const search *s, const size_t *choice, size_t layer)
{
    const long unit = s->t->out->unit_of[layer];
    return unit >= 0 ? choice[unit] : 0;
}

static pl_status mixed_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const mixed *m = ctx;
    const pl_hooks *hooks = &m->s->hooks[candidate_of(m->s, m->choice, layer)];
    return hooks->weight(hooks->ctx, layer, out, provided, err);
}

static pl_status mixed_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                             size_t cols, pl_error *err)
{
    const mixed *m = ctx;
    const size_t layer = pl_model_site(m->s->model, site)->layers[0];
    const pl_hooks *hooks = &m->s->hooks[candidate_of(m->s, m->choice, layer)];
    return hooks->input(hooks->ctx, site, window, x, rows, cols, err);
}

static pl_status mixed_key(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                           pl_error *err)
{
    const pl_hooks *hooks = &((mixed *)ctx)->s->hooks[0];
    return hooks->key(hooks->ctx, block, x, rows, cols, err);
}

static pl_status mixed_value(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                             pl_error *err)
{
    const pl_hooks *hooks = &((mixed *)ctx)->s->hooks[0];
    return hooks->value(hooks->ctx, block, x, rows, cols, err);
}

static pl_hooks mixed_hooks(const search *s, mixed *m)
{
    const pl_hooks *all = &s->hooks[0];
    return (pl_hooks){.ctx = m,
                      .weight = mixed_weight,
                      .input = all->input != NULL ? mixed_input : NULL,
                      .key = all->key != NULL ? mixed_key : NULL,
                      .value = all->value != NULL ? mixed_value : NULL};
}

static const pl_id *result_of(const search *s, const size_t *choice, size_t layer)
{
    const pl_solved *solved = &s->t->states[candidate_of(s, choice, layer)].solved[layer];
    return solved->set ? &solved->result : NULL;
}

static bool trial_touches(void *ctx, size_t variant, size_t block)
{
    const search *s = ctx;
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
    search *s = ctx;
    s->of_trial = (mixed){s, s->trials + s->wanted[variant] * s->units};
    return &s->trial_hooks;
}

/* --- keys ------------------------------------------------------------------------------------- */

static pl_status hash_common(search *s, pl_error *err)
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

/* By the results that the model is made of, however they came about; in sequence by the plan, since
 * the results are not known before. */
static pl_status trial_key(const search *s, const pl_state *state, const size_t *choice, pl_id *out,
                           pl_error *err)
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

static pl_status keep_trial(const search *s, size_t trial, const pl_ppl_result *result,
                            pl_error *err)
{
    s->loss[trial] = isnan(result->kl_mean) ? INFINITY : result->kl_mean;
    return pl_tune_keep(s->t, s->keys[trial], "what a setting of units costs the model",
                        s->loss[trial], err);
}

/* --- trials on the original model's inputs ---------------------------------------------------- */

static pl_status trial_done(void *ctx, size_t variant, const pl_ppl_result *result, pl_error *err)
{
    const search *s = ctx;
    return keep_trial(s, s->wanted[variant], result, err);
}

/* Those that the store has, and those that are the base itself, need not be run. */
static pl_status sort_trials(search *s, pl_error *err)
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

static pl_status run_variants(search *s, pl_error *err)
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
    s->of_base = (mixed){s, s->base};
    return pl_variants_run(t->cx.state->source->model, t->ids, t->n_ids, &spec, &s->base_hooks,
                           &variants, &of_base, &s->piece.task, err);
}

/* The first trial of all is the base, of which nothing is known. */
static pl_status run_first(search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    pl_ppl_spec spec = t->tuning->text;
    pl_ppl_result result = {0};
    spec.memory_limit = pl_lab_memory_limit(t->cx.lab);
    s->of_base = (mixed){s, s->base};
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
static pl_status forget_results(const search *s, const noting *noted, pl_error *err)
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

static pl_status measure_sequence(search *s, const noting *noted, size_t trial, pl_error *err)
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

static pl_status solve_sequence(search *s, pl_state *state, size_t trial, pl_error *err)
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

static pl_status run_sequence(search *s, size_t trial, pl_error *err)
{
    pl_tuner *t = s->t;
    const size_t n = pl_model_layer_count(s->model);
    pl_state state;
    pl_status status = pl_state_copy(&state, t->cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    int *given = calloc(n + 1, sizeof *given);
    for (size_t i = 0; given != NULL && i < n; i++) {
        given[i] = (int)candidate_of(s, s->trials + trial * s->units, i);
    }
    status = given != NULL ? pl_tune_set(&state, t->tuning, given, err)
                           : pl_error_memory(err, "a search's settings");
    PL_THEN(trial_key(s, &state, NULL, &s->keys[trial], err));
    if (status == PL_OK && !pl_tune_recall(t, s->keys[trial], &s->loss[trial])) {
        status = solve_sequence(s, &state, trial, err);
    }
    pl_state_deinit(&state);
    free(given);
    return status;
}

/* --- the search ------------------------------------------------------------------------------- */

/* Measures s->trials[n_trials] around the base; the best of all stays in s->best. */
static pl_status measure_trials(search *s, pl_error *err)
{
    pl_status status = PL_OK;
    if (s->t->tuning->sequential) {
        for (size_t i = 0; status == PL_OK && i < s->n_trials; i++) {
            status = run_sequence(s, i, err);
            pl_piece_step(&s->piece);
        }
    } else {
        status = sort_trials(s, err);
        s->piece.weight = s->n_trials;
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

static size_t *add_trial(search *s, const size_t *from)
{
    size_t *trial = s->trials + s->n_trials++ * s->units;
    memcpy(trial, from, s->units * sizeof *trial);
    return trial;
}

static void move_base(search *s)
{
    memcpy(s->base, s->best, s->units * sizeof *s->base);
    s->base_loss = s->best_loss;
}

/* What there is first, then one candidate for all. */
static pl_status try_uniform(search *s, pl_error *err)
{
    pl_tuned *out = s->t->out;
    s->n_trials = 0;
    s->base_loss = s->best_loss = INFINITY;
    add_trial(s, s->base);
    pl_status status = measure_trials(s, err);
    if (status != PL_OK) {
        return status;
    }
    out->start = out->uniform[0] = s->base_loss = s->loss[0];
    s->has_base = true;
    s->n_trials = 0;
    for (size_t c = 1; c < s->k; c++) {
        size_t *trial = add_trial(s, s->base);
        for (size_t u = 0; u < s->units; u++) {
            trial[u] = c;
        }
    }
    status = measure_trials(s, err);
    for (size_t c = 1; status == PL_OK && c < s->k; c++) {
        out->uniform[c] = s->loss[c - 1];
    }
    move_base(s);
    return status;
}

static bool are_together(const search *s, size_t a, size_t b)
{
    const pl_unit_loss *x = &s->t->out->units[a], *y = &s->t->out->units[b];
    return a == b || (x->block != SIZE_MAX && x->block == y->block);
}

/* The best candidate of every unit of the group, together: all that gain, and those that gain as
 * much as their mean. */
static void combine(search *s, const size_t *group, size_t n)
{
    const pl_tuned *out = s->t->out;
    double mean = 0.0; /* of the gains above 0 */
    size_t gaining = 0;
    s->n_trials = 0;
    for (size_t i = 0; i < n; i++) {
        const double *loss = out->loss + group[i] * s->k;
        const double g = s->base_loss - loss[pl_tune_least(loss, s->k)];
        gaining += g > 0.0;
        mean += fmax(g, 0.0);
    }
    mean /= gaining > 0 ? (double)gaining : 1.0;
    for (size_t part = 0; part < 2 && gaining > 1 + part; part++) {
        size_t *trial = add_trial(s, s->base);
        for (size_t i = 0; i < n; i++) {
            const double *loss = out->loss + group[i] * s->k;
            const size_t c = pl_tune_least(loss, s->k);
            const double g = s->base_loss - loss[c];
            if (g > 0.0 && (part == 0 || g >= mean)) {
                trial[group[i]] = c;
            }
        }
    }
}

/* The units of one block, each by itself around the base, then together. */
static pl_status try_group(search *s, const size_t *group, size_t n, pl_error *err)
{
    pl_tuned *out = s->t->out;
    s->n_trials = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < s->k; c++) {
            if (c != s->base[group[i]]) {
                add_trial(s, s->base)[group[i]] = c;
            }
        }
    }
    pl_status status = measure_trials(s, err);
    for (size_t i = 0, at = 0; status == PL_OK && i < n; i++) {
        for (size_t c = 0; c < s->k; c++) {
            out->loss[group[i] * s->k + c] = c != s->base[group[i]] ? s->loss[at++] : s->base_loss;
        }
    }
    if (status == PL_OK) {
        combine(s, group, n);
        status = measure_trials(s, err);
    }
    move_base(s);
    return status;
}

static pl_status try_groups(search *s, pl_error *err)
{
    size_t *group = pl_alloc(s->units + 1, sizeof *group);
    bool *done = calloc(s->units + 1, sizeof *done);
    pl_status status = group != NULL && done != NULL ? PL_OK : pl_error_memory(err, "a search");
    for (size_t u = 0; status == PL_OK && u < s->units; u++) {
        size_t n = 0;
        for (size_t v = u; !done[u] && v < s->units; v++) {
            if (are_together(s, u, v)) {
                group[n++] = v;
            }
        }
        for (size_t i = 0; i < n; i++) {
            done[group[i]] = true;
        }
        if (n > 0) {
            status = try_group(s, group, n, err);
        }
    }
    free(group);
    free(done);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Every layer that has a method as it is set, and every unit's with every candidate. */
static pl_status solve_candidates(search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    const size_t n = pl_model_layer_count(s->model);
    size_t tuned = 0;
    pl_piece piece;
    pl_status status = PL_OK;
    for (size_t i = 0; i < n; i++) {
        tuned += t->out->unit_of[i] >= 0;
    }
    pl_piece_init(&piece, t->cx.task, "solves", tuned * (s->k - 1) + n);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        for (size_t c = 0; status == PL_OK && c < s->k; c++) {
            pl_state *state = &t->states[c];
            pl_solve_report report;
            pl_id result = {0};
            if (!pl_layer_has_method(state, i) || pl_state_is_imported(state, i)) {
                continue;
            }
            if (c > 0 && t->out->unit_of[i] < 0) {
                result = t->states[0].solved[i].result; /* it is as it was */
            } else {
                status = pl_solve_layer((pl_context){t->cx.lab, state, &piece.task}, i, &report,
                                        &result, err);
                pl_piece_step(&piece);
            }
            PL_THEN(pl_state_take_result(state, i, false, result, err));
        }
    }
    return status;
}

static pl_status begin_hooks(search *s, pl_error *err)
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

static pl_status allocate_search(search *s, pl_error *err)
{
    size_t largest = 1;
    for (size_t u = 0; u < s->units; u++) {
        size_t n = 0;
        for (size_t v = 0; v < s->units; v++) {
            n += are_together(s, u, v);
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

static void release_search(search *s)
{
    for (size_t c = 0; c < s->n_quantized; c++) {
        pl_quantized_deinit(&s->quantized[c]);
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

pl_status pl_tune_kl(pl_tuner *t, pl_error *err)
{
    search s = {
        .t = t, .model = t->cx.state->source->model, .units = t->out->count, .k = t->n_states};
    pl_status status = pl_model_need_forward(s.model, "by=kl", err);
    PL_THEN(allocate_search(&s, err));
    PL_THEN(hash_common(&s, err));
    if (!t->tuning->sequential) {
        PL_THEN(solve_candidates(&s, err));
        PL_THEN(begin_hooks(&s, err));
    }
    pl_piece_init(&s.piece, t->cx.task, "trials", s.k + s.units * (s.k - 1));
    PL_THEN(try_uniform(&s, err));
    PL_THEN(try_groups(&s, err));
    if (status == PL_OK) {
        memcpy(t->out->chosen, s.best, s.units * sizeof *s.best);
        t->out->found = s.best_loss;
    }
    release_search(&s);
    return status;
}
