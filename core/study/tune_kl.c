/* Tuning by the model's KL divergence: coordinate search over trials, each with one candidate for
 * every unit. */
#include "core/base/checked.h"
#include "core/lab/pipeline.h"
#include "core/lab/solve_units.h"
#include "core/study/tune_trials.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the search ------------------------------------------------------------------------------- */

static size_t *add_trial(pl_search *s, const size_t *from)
{
    size_t *trial = s->trials + s->n_trials++ * s->units;
    memcpy(trial, from, s->units * sizeof *trial);
    return trial;
}

static void move_base(pl_search *s)
{
    memcpy(s->base, s->best, s->units * sizeof *s->base);
    s->base_loss = s->best_loss;
}

/* What there is first, then one candidate for all. */
static pl_status try_uniform(pl_search *s, pl_error *err)
{
    pl_tuned *out = s->t->out;
    s->n_trials = 0;
    s->base_loss = s->best_loss = INFINITY;
    add_trial(s, s->base);
    pl_status status = pl_trials_measure(s, err);
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
    status = pl_trials_measure(s, err);
    for (size_t c = 1; status == PL_OK && c < s->k; c++) {
        out->uniform[c] = s->loss[c - 1];
    }
    move_base(s);
    return status;
}

/* Tries the best candidates of the group's units together: those of all units that gain, and those
 * of units that gain at least the mean. */
static void combine(pl_search *s, const size_t *group, size_t n)
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
static pl_status try_group(pl_search *s, const size_t *group, size_t n, pl_error *err)
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
    pl_status status = pl_trials_measure(s, err);
    for (size_t i = 0, at = 0; status == PL_OK && i < n; i++) {
        for (size_t c = 0; c < s->k; c++) {
            out->loss[group[i] * s->k + c] = c != s->base[group[i]] ? s->loss[at++] : s->base_loss;
        }
    }
    if (status == PL_OK) {
        combine(s, group, n);
        status = pl_trials_measure(s, err);
    }
    move_base(s);
    return status;
}

static pl_status try_groups(pl_search *s, pl_error *err)
{
    size_t *group = pl_alloc(s->units + 1, sizeof *group);
    bool *done = calloc(s->units + 1, sizeof *done);
    pl_status status = group != NULL && done != NULL ? PL_OK : pl_error_memory(err, "a search");
    for (size_t u = 0; status == PL_OK && u < s->units; u++) {
        size_t n = 0;
        for (size_t v = u; !done[u] && v < s->units; v++) {
            if (pl_search_together(s, u, v)) {
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

/* Every layer that has a method is solved as it is set, a unit's with every candidate. */
static bool is_solved_with(const pl_tuner *t, size_t layer, size_t candidate)
{
    const pl_state *state = &t->states[candidate];
    return pl_layer_has_method(state, layer) && !pl_state_is_imported(state, layer) &&
           (candidate == 0 || t->out->unit_of[layer] >= 0);
}

static pl_status solve_some_layers(pl_tuner *t, const json_t *what, pl_error *err)
{
    const json_t *layers = json_object_get(what, "layers");
    pl_status status = PL_OK;
    size_t i;
    json_t *layer;
    json_array_foreach(layers, i, layer)
    {
        const size_t which = (size_t)json_integer_value(layer);
        for (size_t c = 0; status == PL_OK && c < t->n_states; c++) {
            pl_solve_report report;
            pl_id result;
            if (is_solved_with(t, which, c)) {
                status = pl_solve_layer(pl_with_state(t->cx, &t->states[c]), which, &report,
                                        &result, err);
            }
        }
    }
    return status;
}

static pl_status run_solves_unit(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    return pl_tune_unit(cx, what, solve_some_layers, err);
}

const pl_unit_kind pl_unit_tune_solves = {
    .name = "tune_solves", .counting = "solves", .run = run_solves_unit};

/* Has the pool solve what solve_candidates would: the layers of an input are one unit. */
static pl_status share_solves(pl_search *s, pl_error *err)
{
    pl_tuner *t = s->t;
    json_t *list = pl_pool_workers(t->cx.lab) > 1 ? json_array() : NULL;
    pl_status status = PL_OK;
    for (size_t i = 0; list != NULL && status == PL_OK && i < pl_model_layer_count(s->model); i++) {
        size_t missing = 0;
        for (size_t c = 0; status == PL_OK && c < s->k; c++) {
            pl_solve_report report;
            bool found = true;
            if (is_solved_with(t, i, c)) {
                status =
                    pl_solve_look(pl_with_state(t->cx, &t->states[c]), i, &found, &report, err);
            }
            missing += !found;
        }
        if (status == PL_OK && missing > 0) {
            (void)pl_solve_unit_add(s->model, list, i, (double)missing, true);
        }
    }
    if (status != PL_OK || list == NULL) {
        json_decref(list);
        return status;
    }
    return pl_tune_run_units(t, &pl_unit_tune_solves, list, t->cx.task, err);
}

static pl_status solve_candidates(pl_search *s, pl_error *err)
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
            if (!is_solved_with(t, i, c)) {
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

/* The demo calibrates itself: with a pool once, and by all. */
static pl_status calibrate_once(const pl_tuner *t, pl_error *err)
{
    pl_id key = {0};
    bool needed = t->tuning->sequential;
    if (pl_pool_workers(t->cx.lab) < 2) {
        return PL_OK;
    }
    for (size_t i = 0; !needed && i < pl_model_layer_count(t->cx.state->source->model); i++) {
        needed = is_solved_with(t, i, 0) && !pl_solve_is_blind(t->cx.state, i);
    }
    pl_error why = {0};
    const pl_status status = needed ? pl_lab_find_calibration(t->cx, true, &key, &why) : PL_OK;
    /* Of anything else the solves tell. */
    return status == PL_ERR_CANCELLED ? pl_error_set(err, status, "%s", why.message) : PL_OK;
}

pl_status pl_tune_kl(pl_tuner *t, pl_error *err)
{
    pl_search s;
    pl_status status = pl_search_init(&s, t, err);
    PL_THEN(calibrate_once(t, err));
    if (!t->tuning->sequential) {
        PL_THEN(share_solves(&s, err));
        PL_THEN(solve_candidates(&s, err));
        PL_THEN(pl_search_tell_results(&s, err));
        PL_THEN(pl_search_hooks(&s, err));
    }
    pl_piece_init(&s.piece, t->cx.task, "trials", s.k + s.units * (s.k - 1));
    PL_THEN(try_uniform(&s, err));
    PL_THEN(try_groups(&s, err));
    if (status == PL_OK) {
        memcpy(t->out->chosen, s.best, s.units * sizeof *s.best);
        t->out->found = s.best_loss;
    }
    pl_search_deinit(&s);
    return status;
}
