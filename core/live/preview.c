#include "core/live/preview.h"

#include "core/base/checked.h"
#include "core/live/row_sample.h"
#include "core/metrics/outliers.h"
#include "core/tensor/mat.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NARROW = 1024 };

/* Multiplications of one piece of a narrow layer (25 ms on two cores) and of a wide one (65 ms). */
static const double NARROW_WORK = 2e9, WIDE_WORK = 5e9;

/* Products with G that a piece has time for, at least. */
enum { LEAST = 2 };

enum { PRECONDITIONED, ROUNDED, STAGES };

struct pl_preview {
    pl_view w0;
    size_t *rows; /* [count], in the order they are solved */
    size_t count, piece_rows;
    pl_row_sample *sample; /* where the numbers come from */
    float shared;          /* as pl_preview_share has it */
    bool counting;         /* it wants more rows */
    size_t *place;         /* [rows of w0]: index in rows, or SIZE_MAX */
    pl_warm *warm;         /* [count]; NULL until a preconditioner is turned */
    pl_spec exact;         /* the preconditioner whose final rows it holds; method NULL: none */

    char layer[128];
    pl_spec precondition, round;
    size_t first;                 /* of the piece in hand, in rows */
    bool half;                    /* the piece is preconditioned, not yet rounded */
    float *original, *w;          /* [piece_rows, n]: the piece in hand */
    size_t *warm_rows;            /* [piece_rows]: where its rows are in warm */
    unsigned char *known[STAGES]; /* [rows of w0] */
    size_t n_known[STAGES];
    float *max[STAGES]; /* [n] over the known rows */
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- which rows ------------------------------------------------------------------------------- */

static void take_row(pl_preview *p, size_t row)
{
    if (p->place[row] == SIZE_MAX) {
        p->place[row] = p->count;
        p->rows[p->count++] = row;
    }
}

typedef struct holder {
    float max;
    size_t column, row;
} holder;

static int by_falling_max(const void *a, const void *b)
{
    const holder *x = a, *y = b;
    if (x->max < y->max || x->max > y->max) {
        return x->max < y->max ? 1 : -1;
    }
    return x->column < y->column ? -1 : x->column > y->column;
}

/* The first row that holds each column's largest magnitude. */
static void find_holders(pl_view w0, holder *holders)
{
    for (size_t c = 0; c < w0.cols; c++) {
        holders[c] = (holder){.max = -1.0f, .column = c};
    }
    for (size_t r = 0; r < w0.rows; r++) {
        const float *row = w0.data + r * w0.stride;
        for (size_t c = 0; c < w0.cols; c++) {
            const float a = fabsf(row[c]);
            if (a > holders[c].max) {
                holders[c].max = a;
                holders[c].row = r;
            }
        }
    }
}

/* One column for each of `bins` contiguous bins, its largest, to the front. */
static void bins_first(holder *holders, size_t n, size_t bins)
{
    for (size_t b = 0; b < bins; b++) {
        size_t best = b * n / bins, end = (b + 1) * n / bins;
        for (size_t c = best + 1; c < end; c++) {
            best = holders[c].max > holders[best].max ? c : best;
        }
        /* Bin b is not before column b: what is moved away from the front lies in a later bin or
         * is this one's own. */
        const holder moved = holders[b];
        holders[b] = holders[best];
        holders[best] = moved;
    }
}

static pl_status choose_rows(pl_preview *p, pl_error *err)
{
    const pl_view w0 = p->w0;
    holder *holders = pl_alloc(w0.cols, sizeof *holders);
    if (holders == NULL) {
        return pl_error_memory(err, "a preview of %zu columns", w0.cols);
    }
    find_holders(w0, holders);
    const size_t bins = min_size(w0.cols, p->piece_rows);
    if (bins < w0.cols) {
        bins_first(holders, w0.cols, bins);
    }
    qsort(holders, bins, sizeof *holders, by_falling_max);
    qsort(holders + bins, w0.cols - bins, sizeof *holders, by_falling_max);
    for (size_t c = 0; c < w0.cols; c++) {
        take_row(p, holders[c].row);
    }
    free(holders);
    return PL_OK;
}

static double piece_work(size_t n)
{
    return n <= NARROW ? NARROW_WORK : WIDE_WORK;
}

pl_status pl_preview_create(pl_view w0, pl_preview **out, pl_error *err)
{
    *out = NULL;
    const size_t n = w0.cols;
    pl_preview *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "a preview");
    }
    p->w0 = w0;
    const double fit = piece_work(n) / (LEAST * (double)n * (double)n);
    p->piece_rows = fit < (double)w0.rows ? (size_t)fit + 1 : w0.rows;
    p->piece_rows = min_size(w0.rows, p->piece_rows > 32 ? p->piece_rows : 32);
    p->rows = pl_alloc(w0.rows, sizeof *p->rows);
    p->place = pl_alloc(w0.rows, sizeof *p->place);
    p->original = pl_alloc(p->piece_rows * n, sizeof *p->original);
    p->w = pl_alloc(p->piece_rows * n, sizeof *p->w);
    p->warm_rows = pl_alloc(p->piece_rows, sizeof *p->warm_rows);
    bool room = p->rows != NULL && p->place != NULL && p->original != NULL && p->w != NULL &&
                p->warm_rows != NULL;
    for (int s = 0; s < STAGES; s++) {
        p->known[s] = calloc(w0.rows + 1, 1);
        p->max[s] = pl_alloc(n, sizeof *p->max[s]);
        room = room && p->known[s] != NULL && p->max[s] != NULL;
    }
    for (size_t r = 0; room && r < w0.rows; r++) {
        p->place[r] = SIZE_MAX;
    }
    pl_status status = room ? pl_row_sample_create(w0, &p->sample, err)
                            : pl_error_memory(err, "a preview of %zu x %zu", w0.rows, n);
    PL_THEN(choose_rows(p, err));
    if (status != PL_OK) {
        pl_preview_destroy(p);
        return status;
    }
    *out = p;
    return PL_OK;
}

void pl_preview_destroy(pl_preview *p)
{
    if (p != NULL) {
        for (int s = 0; s < STAGES; s++) {
            free(p->known[s]);
            free(p->max[s]);
        }
        pl_warm_destroy(p->warm);
        pl_row_sample_destroy(p->sample);
        free(p->rows);
        free(p->place);
        free(p->original);
        free(p->w);
        free(p->warm_rows);
        free(p);
    }
}

/* --- what is known ---------------------------------------------------------------------------- */

static void know_row(pl_preview *p, int stage, size_t row, const float *w)
{
    float *max = p->max[stage];
    for (size_t c = 0; c < p->w0.cols; c++) {
        const float a = fabsf(w[c]);
        max[c] = a > max[c] ? a : max[c];
    }
    p->n_known[stage] += p->known[stage][row] == 0;
    p->known[stage][row] = 1;
}

pl_preview_now pl_preview_read(const pl_preview *p)
{
    return (pl_preview_now){
        .preconditioned_rows = p->n_known[PRECONDITIONED],
        .rounded_rows = p->n_known[ROUNDED],
        .preconditioned = p->n_known[PRECONDITIONED] > 0 ? p->max[PRECONDITIONED] : NULL,
        .rounded = p->n_known[ROUNDED] > 0 ? p->max[ROUNDED] : NULL,
        .numbers = pl_row_sample_read(p->sample),
    };
}

void pl_preview_begin(pl_preview *p, const char *layer, const pl_spec *precondition,
                      const pl_spec *round)
{
    snprintf(p->layer, sizeof p->layer, "%s", layer);
    p->precondition = *precondition;
    p->round = *round;
    p->first = 0;
    p->half = p->counting = false;
    p->shared = 0.0f;
    pl_row_sample_begin(p->sample, layer, precondition, round);
    for (int s = 0; s < STAGES; s++) {
        memset(p->known[s], 0, p->w0.rows);
        memset(p->max[s], 0, p->w0.cols * sizeof *p->max[s]);
        p->n_known[s] = 0;
    }
}

void pl_preview_share(pl_preview *p, float most)
{
    p->shared = most;
    pl_row_sample_share(p->sample, most);
}

pl_warm *pl_preview_warm(pl_preview *p, const size_t **place)
{
    *place = p->place;
    return p->warm;
}

void pl_preview_add(pl_preview *p, bool rounded, size_t first, size_t count, const float *w)
{
    for (size_t r = 0; r < count; r++) {
        const size_t place = p->place[first + r];
        know_row(p, rounded ? ROUNDED : PRECONDITIONED, first + r, w + r * p->w0.cols);
        if (!rounded && place != SIZE_MAX && p->warm != NULL) {
            pl_warm_put(p->warm, place, w + r * p->w0.cols);
        }
    }
}

void pl_preview_finish(pl_preview *p)
{
    p->exact = p->warm != NULL ? p->precondition : (pl_spec){0};
}

/* --- solving ---------------------------------------------------------------------------------- */

static pl_status precondition_piece(pl_preview *p, pl_factors *factors, size_t count, pl_task *task,
                                    pl_error *err)
{
    const size_t n = p->w0.cols;
    pl_method_report report;
    if (p->warm == NULL) {
        pl_status status = pl_warm_create(p->count, n, &p->warm, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (p->exact.method != NULL && pl_spec_equal(&p->exact, &p->precondition)) {
        for (size_t i = 0; i < count; i++) {
            memcpy(p->w + i * n, pl_warm_row(p->warm, p->first + i), n * sizeof(float));
        }
        return PL_OK;
    }
    p->exact = (pl_spec){0};
    const pl_layer_input in = {
        .layer = p->layer,
        .factors = factors,
        .w = {p->original, count, n, n},
        .whole = p->w0,
        .rough = piece_work(n),
        .warm = p->warm,
        .place = p->warm_rows,
    };
    return p->precondition.method->precondition(&p->precondition, &in, p->w, &report, task, err);
}

static pl_status round_piece(pl_preview *p, pl_factors *factors, size_t count, pl_task *task,
                             pl_error *err)
{
    const size_t n = p->w0.cols;
    pl_qweights q = {0};
    pl_method_report report;
    const pl_layer_input in = {
        .layer = p->layer, .factors = factors, .w = {p->w, count, n, n}, .most = p->shared};
    pl_status status = pl_round(&p->round, &in, &q, &report, task, err);
    if (status == PL_OK) {
        pl_qweights_decode(&q, p->w);
    }
    pl_qweights_deinit(&q);
    return status;
}

static void end_stage(pl_preview *p, int stage, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        know_row(p, stage, p->rows[p->first + i], p->w + i * p->w0.cols);
    }
}

/* *whole: the piece is through all its stages. */
static pl_status solve_piece(pl_preview *p, pl_factors *factors, bool *whole, pl_task *task,
                             pl_error *err)
{
    const size_t n = p->w0.cols;
    const size_t count = min_size(p->piece_rows, p->count - p->first);
    const bool pre = p->precondition.method != NULL, round = p->round.method != NULL;
    pl_status status = PL_OK;
    *whole = false;
    if (!p->half) {
        for (size_t i = 0; i < count; i++) {
            memcpy(p->original + i * n, p->w0.data + p->rows[p->first + i] * p->w0.stride,
                   n * sizeof(float));
            p->warm_rows[i] = p->first + i;
        }
        if (!pre) {
            memcpy(p->w, p->original, count * n * sizeof(float));
        } else {
            status = precondition_piece(p, factors, count, task, err);
            if (status == PL_OK) {
                end_stage(p, PRECONDITIONED, count);
            }
        }
        p->half = status == PL_OK && pre && round && n > NARROW;
        if (status != PL_OK || p->half) {
            return status;
        }
    }
    p->half = false;
    if (round) {
        status = round_piece(p, factors, count, task, err);
        if (status == PL_OK) {
            end_stage(p, ROUNDED, count);
        }
    }
    p->first += count;
    *whole = status == PL_OK;
    return status;
}

pl_status pl_preview_step(pl_preview *p, pl_factors *factors, bool *more, pl_task *task,
                          pl_error *err)
{
    const bool any = p->precondition.method != NULL || p->round.method != NULL;
    const bool first = p->first == 0;
    bool whole = false;
    *more = false;
    pl_status status = PL_OK;
    if (p->counting) {
        status = pl_row_sample_step(p->sample, factors, &p->counting, task, err);
    } else {
        status = solve_piece(p, factors, &whole, task, err);
        p->counting = whole && first && any;
    }
    *more = status == PL_OK && any && (p->counting || p->half || p->first < p->count);
    return status;
}
