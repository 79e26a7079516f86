#include "core/study/allocate.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 20000, PRICES = 200, MOST_CHOICES = 255 };

static double choice_loss(const pl_knapsack *s, size_t unit, size_t choice)
{
    return s->loss[unit * s->choices + choice];
}

/* Bits of all the unit's weights together. */
static double cost_of(const pl_knapsack *s, size_t unit, size_t choice)
{
    return s->weights[unit] * s->bits[unit * s->choices + choice];
}

static size_t cheapest(const pl_knapsack *s, size_t unit)
{
    size_t best = 0;
    for (size_t k = 1; k < s->choices; k++) {
        best = cost_of(s, unit, k) < cost_of(s, unit, best) ? k : best;
    }
    return best;
}

static pl_status check_sack(const pl_knapsack *s, double average, double *all, double *least,
                            pl_error *err)
{
    *all = 0.0;
    *least = 0.0;
    if (s->choices == 0 || s->choices > MOST_CHOICES) {
        return pl_error_set(err, PL_ERR_USAGE, "allocate: %zu choices, expected 1 to %d",
                            s->choices, MOST_CHOICES);
    }
    for (size_t u = 0; u < s->units; u++) {
        for (size_t k = 0; k < s->choices; k++) {
            if (!isfinite(choice_loss(s, u, k)) || !(cost_of(s, u, k) > 0.0) ||
                !isfinite(cost_of(s, u, k))) {
                return pl_error_set(err, PL_ERR_NUMERIC,
                                    "allocate: unit %zu, choice %zu: loss %g at %g bits, expected "
                                    "finite numbers and bits above 0",
                                    u, k, choice_loss(s, u, k), s->bits[u * s->choices + k]);
            }
        }
        *all += s->weights[u];
        *least += cost_of(s, u, cheapest(s, u));
    }
    if (!(*least <= average * *all * (1.0 + 1e-12))) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "allocate: bits=%g: the fewest that these choices take are %.4g a "
                            "weight, scales counted",
                            average, *least / *all);
    }
    return PL_OK;
}

/* --- the bound -------------------------------------------------------------------------------- */

/* The relaxation's value at a price of a bit: each unit by itself takes what costs it least. */
static double value_at(const pl_knapsack *s, double price, double budget, double *spent)
{
    double sum = -price * budget;
    *spent = 0.0;
    for (size_t u = 0; u < s->units; u++) {
        size_t best = 0;
        double least = (double)INFINITY;
        for (size_t k = 0; k < s->choices; k++) {
            const double priced = choice_loss(s, u, k) + price * cost_of(s, u, k);
            if (priced < least) {
                least = priced;
                best = k;
            }
        }
        sum += least;
        *spent += cost_of(s, u, best);
    }
    return sum;
}

/* The value is concave in the price, and falls where too little is spent. */
static double relaxed_bound(const pl_knapsack *s, double budget)
{
    double spent = 0.0, best = value_at(s, 0.0, budget, &spent), low = 0.0, high = 1e-300;
    if (spent <= budget) {
        return best; /* the least losses fit */
    }
    for (size_t u = 0; u < s->units; u++) {
        for (size_t k = 0; k < s->choices; k++) {
            for (size_t j = 0; j < s->choices; j++) {
                const double saved = cost_of(s, u, j) - cost_of(s, u, k);
                const double lost = choice_loss(s, u, k) - choice_loss(s, u, j);
                high = saved > 0.0 && lost > 0.0 ? fmax(high, 2.0 * lost / saved) : high;
            }
        }
    }
    for (size_t i = 0; i < PRICES && high > 1e-290; i++) {
        /* Prices span decades. */
        const double middle = low > 0.0 ? sqrt(low) * sqrt(high) : 1e-9 * high;
        best = fmax(best, value_at(s, middle, budget, &spent));
        *(spent > budget ? &low : &high) = middle;
    }
    return best;
}

/* --- the choice ------------------------------------------------------------------------------- */

/* The table counts steps above the cheapest choices, each choice rounded to the nearest step, and
 * to at least one where it takes more: none is the cheapest alone.  It goes one step for each unit
 * beyond the budget, since rounding may hide that much. */
typedef struct ladder {
    const pl_knapsack *sack;
    double step; /* bits; 0 where all that there is goes to the cheapest choices */
    size_t top;
    double *best;   /* [top + 1] the least loss of the units so far that spends at most so many */
    double *next;   /* [top + 1] */
    uint8_t *taken; /* [units, top + 1] the last unit's choice there; UINT8_MAX: as a step below */
} ladder;

static size_t ladder_steps(const ladder *l, size_t unit, size_t choice)
{
    const pl_knapsack *s = l->sack;
    const double over = cost_of(s, unit, choice) - cost_of(s, unit, cheapest(s, unit));
    const double most = (double)l->top + 1.0; /* beyond the table */
    if (!(over > 0.0)) {
        return 0;
    }
    return (size_t)(over < most * l->step ? fmax(rint(over / l->step), 1.0) : most);
}

static void add_unit(ladder *l, size_t unit)
{
    uint8_t *taken = l->taken + unit * (l->top + 1);
    for (size_t at = 0; at <= l->top; at++) {
        l->next[at] = (double)INFINITY;
    }
    for (size_t k = 0; k < l->sack->choices; k++) {
        const size_t steps = ladder_steps(l, unit, k);
        for (size_t at = steps; at <= l->top; at++) {
            const double loss = l->best[at - steps] + choice_loss(l->sack, unit, k);
            if (loss < l->next[at]) {
                l->next[at] = loss;
                taken[at] = (uint8_t)k;
            }
        }
    }
    for (size_t at = 1; at <= l->top; at++) {
        if (l->next[at - 1] < l->next[at]) {
            l->next[at] = l->next[at - 1];
            taken[at] = UINT8_MAX;
        }
    }
    memcpy(l->best, l->next, (l->top + 1) * sizeof *l->best);
}

/* The choices behind best[at]; returns their bits, unrounded. */
static double trace_back(const ladder *l, size_t at, size_t *chosen)
{
    double bits = 0.0;
    for (size_t u = l->sack->units; u-- > 0;) {
        const uint8_t *row = l->taken + u * (l->top + 1);
        while (row[at] == UINT8_MAX) {
            at--;
        }
        chosen[u] = row[at];
        at -= ladder_steps(l, u, row[at]);
        bits += cost_of(l->sack, u, chosen[u]);
    }
    return bits;
}

static void free_ladder(ladder *l)
{
    free(l->best);
    free(l->next);
    free(l->taken);
}

/* The table of all units up to the budget, which is at least `least`. */
static pl_status climb(ladder *l, const pl_knapsack *sack, double budget, double least,
                       pl_error *err)
{
    *l = (ladder){.sack = sack, .step = (budget - least) / STEPS, .top = STEPS + sack->units};
    l->best = calloc(l->top + 1, sizeof *l->best);
    l->next = pl_alloc(l->top + 1, sizeof *l->next);
    l->taken = pl_alloc(sack->units + 1, l->top + 1);
    if (l->best == NULL || l->next == NULL || l->taken == NULL) {
        return pl_error_memory(err, "an allocation of bits");
    }
    for (size_t u = 0; u < sack->units; u++) {
        add_unit(l, u);
    }
    return PL_OK;
}

static pl_allocation sum_of(const pl_knapsack *sack, const size_t *chosen, double all)
{
    pl_allocation sum = {0};
    for (size_t u = 0; u < sack->units; u++) {
        sum.loss += choice_loss(sack, u, chosen[u]);
        sum.bits += cost_of(sack, u, chosen[u]) / all;
    }
    return sum;
}

pl_status pl_allocate(const pl_knapsack *sack, double average, size_t *chosen, pl_allocation *out,
                      pl_error *err)
{
    double all = 0.0, least = 0.0;
    *out = (pl_allocation){0};
    pl_status status = check_sack(sack, average, &all, &least, err);
    if (status != PL_OK) {
        return status;
    }
    const double budget = fmax(average * all, least);
    ladder l;
    status = climb(&l, sack, budget, least, err);
    if (status == PL_OK) {
        /* The first that fits loses least; at 0 all are the cheapest, which fit. */
        size_t at = l.top;
        while (trace_back(&l, at, chosen) > budget * (1.0 + 1e-12) && at > 0) {
            at--;
        }
        *out = sum_of(sack, chosen, all);
        out->bound = fmin(relaxed_bound(sack, budget), out->loss);
    }
    free_ladder(&l);
    return status;
}

pl_status pl_allocate_curve(const pl_knapsack *sack, pl_curve *out, pl_error *err)
{
    double all = 0.0, least = 0.0, most = 0.0;
    *out = (pl_curve){0};
    pl_status status = check_sack(sack, (double)INFINITY, &all, &least, err);
    for (size_t u = 0; status == PL_OK && u < sack->units; u++) {
        double dearest = 0.0;
        for (size_t k = 0; k < sack->choices; k++) {
            dearest = fmax(dearest, cost_of(sack, u, k));
        }
        most += dearest;
    }
    size_t *chosen = calloc(sack->units + 1, sizeof *chosen);
    ladder l = {0};
    if (status == PL_OK) {
        status = chosen != NULL ? climb(&l, sack, most, least, err)
                                : pl_error_memory(err, "an allocation of bits");
    }
    for (size_t p = 0; status == PL_OK && p < PL_CURVE_POINTS; p++) {
        trace_back(&l, l.top * p / (PL_CURVE_POINTS - 1), chosen);
        const pl_allocation sum = sum_of(sack, chosen, all);
        if (out->count == 0 || sum.bits > out->bits[out->count - 1]) {
            out->bits[out->count] = sum.bits;
            out->loss[out->count] = sum.loss;
            out->bound[out->count++] = fmin(relaxed_bound(sack, sum.bits * all), sum.loss);
        }
    }
    free(chosen);
    free_ladder(&l);
    return status;
}
