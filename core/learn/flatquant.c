#include "core/learn/flatquant.h"

#include "core/base/checked.h"
#include "core/method/flatquant.h"
#include "core/solve/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROLLBACKS = 8 };

/* A loss so many times the first one explodes. */
static const double EXPLODES = 10.0;

pl_status pl_learning_init(pl_learning *l, const pl_flat_layout *at, uint64_t steps, pl_error *err)
{
    *l = (pl_learning){.at = *at, .steps = steps, .rate_share = 1.0};
    l->numbers = calloc(pl_learning_count(l), sizeof *l->numbers);
    if (l->numbers == NULL) {
        return pl_error_memory(err, "learning a transform");
    }
    l->params = l->numbers;
    l->m = l->params + at->count;
    l->v = l->m + at->count;
    l->losses = l->v + at->count;
    for (uint64_t i = 0; i <= steps; i++) {
        l->losses[i] = (double)NAN;
    }
    return PL_OK;
}

void pl_learning_deinit(pl_learning *l)
{
    free(l->numbers);
    *l = (pl_learning){0};
}

size_t pl_learning_count(const pl_learning *l)
{
    return 3 * l->at.count + (size_t)l->steps + 1;
}

bool pl_learning_done(const pl_learning *l)
{
    return l->stopped || (l->step == l->steps && !isnan(l->losses[l->steps]));
}

static void keep_good(pl_flatquant *f)
{
    memcpy(f->good, f->now.params, 3 * f->now.at.count * sizeof *f->good);
    f->good_step = f->now.step;
}

static pl_status take_over(pl_flatquant *f, const pl_learning *from, pl_error *err)
{
    pl_learning *now = &f->now;
    if (from->at.count != now->at.count || from->steps != now->steps || from->step > from->steps) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: what was learned is of another layer",
                            f->name);
    }
    memcpy(now->numbers, from->numbers, pl_learning_count(now) * sizeof *now->numbers);
    now->step = from->step;
    now->rate_share = from->rate_share;
    now->rollbacks = from->rollbacks;
    now->stopped = from->stopped;
    now->trouble = from->trouble;
    return PL_OK;
}

/* Of a block the diagonals have a rate of their own: a massive channel's entry is so small that a
 * step of the factors' size, relative to it, is far shorter than the recipe's, which is one of the
 * entry itself (methods.md 3). */
static void set_rates(pl_flatquant *f, const pl_spec *spec)
{
    const pl_flat_layout *at = &f->now.at;
    for (size_t i = 0; i < at->count; i++) {
        f->rates[i] = i < at->clips ? f->rate : spec->values[PL_FLATQUANT_CLIP_RATE];
    }
    for (size_t s = 0; f->of_block && s < f->block.at.n_sites; s++) {
        const pl_flat_layout *site = &f->block.at.sites[s];
        for (size_t c = 0; site->scale != PL_FLAT_NONE && c < site->n; c++) {
            f->rates[site->scale + c] = spec->values[PL_FLATQUANT_DIAGONAL_RATE];
        }
    }
}

/* Room for the steps, and what was learned before. */
static pl_status begin_flatquant(pl_flatquant *f, const pl_spec *spec, const pl_flat_layout *at,
                                 const pl_learning *from, pl_error *err)
{
    pl_status status =
        pl_learning_init(&f->now, at, (uint64_t)spec->values[PL_FLATQUANT_STEPS], err);
    if (status == PL_OK) {
        f->good = pl_alloc(3 * at->count, sizeof *f->good);
        f->gradient = pl_alloc(at->count, sizeof *f->gradient);
        f->rates = pl_alloc(at->count, sizeof *f->rates);
        status = f->good != NULL && f->gradient != NULL && f->rates != NULL
                     ? PL_OK
                     : pl_error_memory(err, "learning a transform of %s", f->name);
    }
    if (status == PL_OK) {
        set_rates(f, spec);
    }
    return status == PL_OK && from != NULL ? take_over(f, from, err) : status;
}

static pl_flatquant flatquant_of(const pl_spec *spec, const char *name)
{
    return (pl_flatquant){.name = name, .rate = spec->values[PL_FLATQUANT_RATE]};
}

pl_status pl_flatquant_init(pl_flatquant *f, const pl_spec *spec, const pl_site_input *in,
                            const pl_learning *from, pl_task *task, pl_error *err)
{
    const uint64_t seed = (uint64_t)spec->values[PL_FLATQUANT_SEED];
    const size_t rows = (size_t)spec->values[PL_FLATQUANT_ROWS];
    *f = flatquant_of(spec, in->site);
    pl_status status = pl_objective_init(&f->objective, in, rows, seed, task, err);
    PL_THEN(begin_flatquant(f, spec, &f->objective.at, from, err));
    if (status == PL_OK && from == NULL) {
        status = pl_flat_start(&f->objective.at, in, spec->values[PL_FLATQUANT_ALPHA], seed,
                               f->now.params, err);
    }
    if (status == PL_OK) {
        keep_good(f);
    }
    return status;
}

pl_status pl_flatquant_init_block(pl_flatquant *f, const pl_spec *spec, const pl_block_input *in,
                                  const pl_learning *from, pl_task *task, pl_error *err)
{
    const uint64_t seed = (uint64_t)spec->values[PL_FLATQUANT_SEED];
    const size_t windows = (size_t)spec->values[PL_FLATQUANT_BATCH];
    *f = flatquant_of(spec, in->name);
    f->of_block = true;
    pl_status status = pl_block_objective_init(&f->block, in, windows, seed, task, err);
    PL_THEN(begin_flatquant(f, spec, &f->block.at.sites[0], from, err));
    if (status == PL_OK && from == NULL) {
        status = pl_block_start(&f->block.at, in, spec->values[PL_FLATQUANT_ALPHA], seed,
                                f->now.params, err);
    }
    if (status == PL_OK) {
        keep_good(f);
    }
    return status;
}

void pl_flatquant_deinit(pl_flatquant *f)
{
    pl_objective_deinit(&f->objective);
    pl_block_objective_deinit(&f->block);
    pl_learning_deinit(&f->now);
    free(f->good);
    free(f->gradient);
    free(f->rates);
    *f = (pl_flatquant){0};
}

/* Back to the last step whose loss is known, with half the rate. */
static void roll_back(pl_flatquant *f, const char *why)
{
    pl_learning *now = &f->now;
    const uint64_t failed = now->step;
    memcpy(now->params, f->good, 3 * now->at.count * sizeof *f->good);
    now->step = f->good_step;
    now->rollbacks++;
    now->rate_share *= 0.5;
    now->stopped = now->rollbacks >= MOST_ROLLBACKS;
    const pl_status said = pl_error_set(
        &now->trouble, PL_ERR_NUMERIC, "after step %llu %s; rolled back to step %llu, %s %.3g",
        (unsigned long long)failed, why, (unsigned long long)now->step,
        now->stopped ? "where learning stops: rates were tried down to" : "rate halved to",
        f->rate * now->rate_share * (now->stopped ? 2.0 : 1.0));
    (void)said;
}

static void update(pl_flatquant *f)
{
    pl_learning *now = &f->now;
    pl_adamw_step(now->params, f->gradient, now->m, now->v, now->at.count, now->step + 1, f->rates,
                  now->rate_share * pl_cosine_rate(1.0, now->step, now->steps), 0.0);
    now->step++;
}

/* The objective's value, and its gradient where a step follows, on the step's own batch. */
static pl_status evaluate_step(pl_flatquant *f, bool last, double *loss, pl_task *task,
                               pl_error *err)
{
    const pl_learning *now = &f->now;
    double *gradient = last ? NULL : f->gradient;
    if (f->of_block) {
        const size_t batches = pl_block_objective_batches(&f->block);
        return pl_block_objective_value(&f->block, now->params, (size_t)(now->step % batches), loss,
                                        gradient, task, err);
    }
    const size_t batches = pl_objective_batches(&f->objective);
    return pl_objective_value(&f->objective, now->params, (size_t)(now->step % batches), loss,
                              gradient, task, err);
}

pl_status pl_flatquant_step(pl_flatquant *f, pl_task *task, pl_error *err)
{
    pl_learning *now = &f->now;
    pl_error why = {0};
    double loss = 0.0;
    const bool last = now->step == now->steps;
    pl_status status = evaluate_step(f, last, &loss, task, &why);
    if (status == PL_OK && loss > EXPLODES * now->losses[0]) {
        status = pl_error_set(&why, PL_ERR_NUMERIC, "the loss explodes, from %.3g to %.3g",
                              now->losses[0], loss);
    }
    if (status == PL_ERR_NUMERIC && now->step > 0) {
        roll_back(f, why.message);
        return PL_OK;
    }
    if (status != PL_OK) {
        return pl_error_set(err, status, "%s: %s", f->name, why.message);
    }
    now->losses[now->step] = loss;
    keep_good(f);
    if (!last) {
        update(f);
    }
    return PL_OK;
}
