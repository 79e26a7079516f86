#include "core/live/row_sample.h"

#include "core/base/checked.h"
#include "core/live/estimate.h"
#include "core/metrics/recon.h"
#include "core/tensor/groups.h"
#include "core/tensor/mat.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a step, of which the first takes the largest.  At most the share of a layer, which the
 * cold solve does again, and no more than that many steps; of a small layer some rows anyway. */
enum { STEP_ROWS = 48, TAKEN = 16, SHARE = 4, MOST_STEPS = 5, LEAST_STEPS = 2 };

/* Groups by which the largest rows are found, whatever the methods' own. */
enum { RANK_GROUP = 128 };

/* What is estimated: a sum over rows of y, from an x that W0 gives. */
enum { GROUP_MAX, ERROR, ROUNDED, BOUND, NUMBERS };

struct pl_row_sample {
    pl_view w0;
    size_t *order;    /* [rows]: those that are taken, then the others as they are drawn */
    double *energies; /* [rows], w0 G w0^T; known once order is */
    double energy;    /* their sum */
    float *largest;   /* [rows], max |w0| of each, likewise */
    bool ranked;
    float *original, *w; /* [STEP_ROWS, n] */

    char layer[128];
    pl_spec precondition, round;
    size_t solved;
    unsigned char *known;            /* [rows], pl_row_known */
    double *x[NUMBERS], *y[NUMBERS]; /* [rows] */
    double number[NUMBERS];
    /* Of the rows that are solved: the largest |w| handed to the rounder, and sums of the rows'
     * maxima before and after. */
    double most, largest_before, largest_after;
    float shared; /* as pl_row_sample_share has it */
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

pl_status pl_row_sample_create(pl_view w0, pl_row_sample **out, pl_error *err)
{
    *out = NULL;
    pl_row_sample *s = calloc(1, sizeof *s);
    bool room = s != NULL;
    if (room) {
        s->w0 = w0;
        s->order = pl_alloc(w0.rows, sizeof *s->order);
        s->energies = pl_alloc(w0.rows, sizeof *s->energies);
        s->largest = pl_alloc(w0.rows, sizeof *s->largest);
        s->known = calloc(w0.rows + 1, 1);
        s->original = pl_alloc(STEP_ROWS * w0.cols, sizeof *s->original);
        s->w = pl_alloc(STEP_ROWS * w0.cols, sizeof *s->w);
        room = s->order != NULL && s->energies != NULL && s->largest != NULL && s->known != NULL &&
               s->original != NULL && s->w != NULL;
        for (int i = 0; i < NUMBERS; i++) {
            s->x[i] = pl_alloc(w0.rows, sizeof *s->x[i]);
            s->y[i] = pl_alloc(w0.rows, sizeof *s->y[i]);
            room = room && s->x[i] != NULL && s->y[i] != NULL;
        }
    }
    if (!room) {
        pl_row_sample_destroy(s);
        return pl_error_memory(err, "a sample of %zu x %zu", w0.rows, w0.cols);
    }
    *out = s;
    return PL_OK;
}

void pl_row_sample_destroy(pl_row_sample *s)
{
    if (s != NULL) {
        for (int i = 0; i < NUMBERS; i++) {
            free(s->x[i]);
            free(s->y[i]);
        }
        free(s->order);
        free(s->energies);
        free(s->largest);
        free(s->known);
        free(s->original);
        free(s->w);
        free(s);
    }
}

/* --- which rows ------------------------------------------------------------------------------- */

static pl_view view_row(pl_view w, size_t row)
{
    return (pl_view){w.data + row * w.stride, 1, w.cols, w.stride};
}

/* sum_k weight_k max|w^(k)|^2 of every row. */
static void add_group_maxima(pl_view w, size_t group_size, const double *weight, double *out)
{
    const size_t width = pl_group_width(w.cols, group_size);
    for (size_t r = 0; r < w.rows; r++) {
        const float *row = w.data + r * w.stride;
        out[r] = 0.0;
        for (size_t k = 0, i = 0; i < w.cols; k++) {
            float max = 0.0f;
            for (; i < w.cols && i < (k + 1) * width; i++) {
                const float a = fabsf(row[i]);
                max = a > max ? a : max;
            }
            out[r] += weight[k] * ((double)max * (double)max);
        }
    }
}

/* About what a rounder loses in each row: sum_k tr G_kk max|w^(k)|^2. */
static pl_status rounding_scale(pl_factors *factors, pl_view w, size_t group_size, double *out,
                                pl_error *err)
{
    const pl_grid grid = {.group_size = group_size};
    const size_t groups = pl_grid_groups(&grid, w.cols);
    double *weight = pl_alloc(groups, sizeof *weight);
    if (weight == NULL) {
        return pl_error_memory(err, "%zu groups", groups);
    }
    pl_factors_group_norms(factors, group_size, weight);
    for (size_t k = 0; k < groups; k++) {
        weight[k] *= weight[k];
    }
    add_group_maxima(w, group_size, weight, out);
    free(weight);
    return PL_OK;
}

typedef struct ranked {
    double size;
    size_t row;
} ranked;

static int by_falling_size(const void *a, const void *b)
{
    const ranked *p = a, *q = b;
    if (p->size < q->size || p->size > q->size) {
        return p->size < q->size ? 1 : -1;
    }
    return p->row < q->row ? -1 : p->row > q->row;
}

/* The largest, then the others so that every beginning of the list is spread evenly over their
 * ranks: multiples of the golden section, and the next free one where that is taken. */
static void spread(const ranked *list, size_t rows, size_t *order)
{
    const double golden = 0.61803398874989485;
    const size_t first = min_size(TAKEN, rows), rest = rows - first;
    bool *used = pl_alloc(rest + 1, sizeof *used);
    if (used != NULL) {
        memset(used, 0, rest + 1);
    }
    for (size_t i = 0; i < first; i++) {
        order[i] = list[i].row;
    }
    for (size_t i = 0; i < rest; i++) {
        const double at = ((double)i + 0.5) * golden;
        size_t place = (size_t)((at - floor(at)) * (double)rest);
        place = place < rest ? place : rest - 1;
        for (; used != NULL && used[place]; place = (place + 1) % rest) {
        }
        order[first + i] = list[first + (used != NULL ? place : i)].row;
        if (used != NULL) {
            used[place] = true;
        }
    }
    free(used);
}

/* The row of the largest weight comes first: what a format scales a whole tensor by must be seen.
 */
static void put_largest_first(pl_row_sample *s)
{
    const size_t rows = s->w0.rows;
    size_t best = 0, at = 0;
    for (size_t r = 0; r < rows; r++) {
        s->largest[r] = pl_floats_largest(s->w0.data + r * s->w0.stride, s->w0.cols);
        best = s->largest[r] > s->largest[best] ? r : best;
    }
    for (; at + 1 < rows && s->order[at] != best; at++) {
    }
    for (; at >= TAKEN; at--) { /* among those that are taken it stays where it is */
        s->order[at] = s->order[at - 1];
        s->order[at - 1] = best;
    }
}

static pl_status rank_rows(pl_row_sample *s, pl_factors *factors, pl_task *task, pl_error *err)
{
    const size_t rows = s->w0.rows;
    ranked *list = pl_alloc(rows, sizeof *list);
    double *scale = s->x[ROUNDED]; /* is set anew behind this */
    pl_status status = list != NULL
                           ? pl_row_energies(factors, (pl_view){0}, s->w0, s->energies, task, err)
                           : pl_error_memory(err, "%zu rows", rows);
    PL_THEN(rounding_scale(factors, s->w0, RANK_GROUP, scale, err));
    if (status == PL_OK) {
        double scales = 0.0;
        s->energy = 0.0;
        for (size_t r = 0; r < rows; r++) {
            s->energy += s->energies[r];
            scales += scale[r];
        }
        for (size_t r = 0; r < rows; r++) {
            list[r] = (ranked){s->energies[r] / (s->energy > 0.0 ? s->energy : 1.0) +
                                   scale[r] / (scales > 0.0 ? scales : 1.0),
                               r};
        }
        qsort(list, rows, sizeof *list, by_falling_size);
        spread(list, rows, s->order);
        put_largest_first(s);
        s->ranked = true;
    }
    free(list);
    return status;
}

/* --- what W0 says of every row ---------------------------------------------------------------- */

/* What each row's result may lose: at most what zero weights lose, and what the method knows. */
static pl_status expect_error(pl_row_sample *s, pl_factors *factors, pl_task *task, pl_error *err)
{
    const pl_spec *spec = &s->precondition;
    double *most = s->x[ERROR];
    const pl_layer_input in = {.layer = s->layer, .factors = factors, .w = s->w0};
    pl_status status = spec->method->most_lost != NULL
                           ? spec->method->most_lost(spec, &in, most, task, err)
                           : PL_OK;
    for (size_t r = 0; status == PL_OK && r < s->w0.rows; r++) {
        most[r] = spec->method->most_lost != NULL ? fmin(most[r], s->energies[r]) : s->energies[r];
    }
    return status;
}

static pl_status expect(pl_row_sample *s, pl_factors *factors, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    if (s->precondition.method != NULL) {
        const size_t group_size = pl_spec_group_size(&s->precondition, &s->round, 0);
        for (size_t r = 0; r < s->w0.rows; r++) {
            s->x[GROUP_MAX][r] = pl_group_max_mean(view_row(s->w0, r), group_size);
        }
        status = expect_error(s, factors, task, err);
    }
    if (status == PL_OK && s->round.method != NULL) {
        const pl_grid grid = pl_spec_grid(&s->round);
        for (size_t r = 0; r < s->w0.rows; r++) {
            s->x[BOUND][r] = pl_error_bound(factors, &grid, view_row(s->w0, r));
        }
        status = rounding_scale(factors, s->w0, grid.group_size, s->x[ROUNDED], err);
    }
    return status;
}

/* --- solving ---------------------------------------------------------------------------------- */

void pl_row_sample_begin(pl_row_sample *s, const char *layer, const pl_spec *precondition,
                         const pl_spec *round)
{
    snprintf(s->layer, sizeof s->layer, "%s", layer);
    s->precondition = *precondition;
    s->round = *round;
    s->solved = 0;
    s->most = s->largest_before = s->largest_after = 0.0;
    s->shared = 0.0f;
    memset(s->known, PL_ROW_UNKNOWN, s->w0.rows);
    for (int i = 0; i < NUMBERS; i++) {
        s->number[i] = (double)NAN;
    }
}

void pl_row_sample_share(pl_row_sample *s, float most)
{
    s->shared = most;
}

/* The largest |w| that the rounder of the whole layer is handed: of the rows that are solved, and
 * of the others by what is left of the solved rows' own maxima.  Without a preconditioner it is
 * exact. */
static float expect_most(pl_row_sample *s, size_t count)
{
    const size_t n = s->w0.cols;
    for (size_t i = 0; i < count; i++) {
        const double after = (double)pl_floats_largest(s->w + i * n, n);
        s->most = fmax(s->most, after);
        s->largest_after += after;
        s->largest_before += (double)s->largest[s->order[s->solved + i]];
    }
    const double left = s->largest_before > 0.0 ? s->largest_after / s->largest_before : 1.0;
    double most = s->most;
    for (size_t i = s->solved + count; i < s->w0.rows; i++) {
        most = fmax(most, left * (double)s->largest[s->order[i]]);
    }
    return fmaxf((float)most, s->shared);
}

static pl_status round_rows(pl_row_sample *s, pl_factors *factors, size_t count, pl_task *task,
                            pl_error *err)
{
    pl_qweights q = {0};
    pl_method_report report;
    const pl_layer_input in = {.layer = s->layer,
                               .factors = factors,
                               .w = {s->w, count, s->w0.cols, s->w0.cols},
                               .most = expect_most(s, count)};
    pl_status status = pl_round(&s->round, &in, &q, &report, task, err);
    if (status == PL_OK) {
        pl_qweights_decode(&q, s->w);
    }
    pl_qweights_deinit(&q);
    return status;
}

/* Rows [solved, solved + count) of the order: their y. */
static pl_status solve_rows(pl_row_sample *s, pl_factors *factors, size_t count, pl_task *task,
                            pl_error *err)
{
    const size_t n = s->w0.cols;
    const size_t *rows = s->order + s->solved;
    const pl_view before = {s->original, count, n, n}, after = {s->w, count, n, n};
    const pl_spec *pre = &s->precondition, *round = &s->round;
    double energies[STEP_ROWS];
    pl_status status = PL_OK;
    for (size_t i = 0; i < count; i++) {
        memcpy(s->original + i * n, s->w0.data + rows[i] * s->w0.stride, n * sizeof(float));
    }
    memcpy(s->w, s->original, count * n * sizeof(float));
    if (pre->method != NULL) {
        pl_method_report report;
        const size_t group_size = pl_spec_group_size(pre, round, 0);
        const pl_layer_input in = {
            .layer = s->layer, .factors = factors, .w = before, .whole = s->w0};
        status = pre->method->precondition(pre, &in, s->w, &report, task, err);
        PL_THEN(pl_row_energies(factors, before, after, energies, task, err));
        for (size_t i = 0; status == PL_OK && i < count; i++) {
            s->y[ERROR][rows[i]] = energies[i];
            s->y[GROUP_MAX][rows[i]] = pl_group_max_mean(view_row(after, i), group_size);
        }
    }
    if (status == PL_OK && round->method != NULL) {
        const pl_grid grid = pl_spec_grid(round);
        for (size_t i = 0; i < count; i++) {
            s->y[BOUND][rows[i]] = pl_error_bound(factors, &grid, view_row(after, i));
        }
        status = round_rows(s, factors, count, task, err);
        PL_THEN(pl_row_energies(factors, before, after, energies, task, err));
        for (size_t i = 0; status == PL_OK && i < count; i++) {
            s->y[ROUNDED][rows[i]] = energies[i];
        }
    }
    return status;
}

static double estimate(const pl_row_sample *s, int number)
{
    return pl_estimate_sum(s->x[number], s->y[number], s->known, s->w0.rows);
}

/* What is known now; *all: every number that there will be. */
static void estimate_all(pl_row_sample *s, bool *all)
{
    const double energy = s->energy > 0.0 ? s->energy : 1.0;
    *all = true;
    if (s->precondition.method != NULL) {
        s->number[GROUP_MAX] = estimate(s, GROUP_MAX) / (double)s->w0.rows;
        s->number[ERROR] = estimate(s, ERROR) / energy;
        *all = isfinite(s->number[GROUP_MAX]) && isfinite(s->number[ERROR]);
    }
    if (s->round.method != NULL) {
        s->number[ROUNDED] = estimate(s, ROUNDED) / energy;
        s->number[BOUND] = estimate(s, BOUND);
        *all = *all && isfinite(s->number[ROUNDED]) &&
               (isfinite(s->number[BOUND]) || isnan(s->x[BOUND][0]));
    }
}

pl_status pl_row_sample_step(pl_row_sample *s, pl_factors *factors, bool *more, pl_task *task,
                             pl_error *err)
{
    const size_t rows = s->w0.rows;
    const size_t some = min_size(rows / SHARE, MOST_STEPS * STEP_ROWS);
    const size_t most =
        min_size(rows, some > LEAST_STEPS * STEP_ROWS ? some : LEAST_STEPS * STEP_ROWS);
    const size_t count = min_size(STEP_ROWS, most - s->solved);
    pl_status status = s->ranked ? PL_OK : rank_rows(s, factors, task, err);
    bool all = false;
    *more = false;
    if (status == PL_OK && s->solved == 0) {
        status = expect(s, factors, task, err);
    }
    PL_THEN(solve_rows(s, factors, count, task, err));
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++, s->solved++) {
        s->known[s->order[s->solved]] = s->solved < TAKEN ? PL_ROW_TAKEN : PL_ROW_DRAWN;
    }
    estimate_all(s, &all);
    *more = !all && s->solved < most;
    return PL_OK;
}

pl_row_sample_numbers pl_row_sample_read(const pl_row_sample *s)
{
    return (pl_row_sample_numbers){.group_max_after = s->number[GROUP_MAX],
                                   .relative_error = s->number[ERROR],
                                   .rounded_relative_error = s->number[ROUNDED],
                                   .bound = s->number[BOUND],
                                   .rows = s->solved};
}
