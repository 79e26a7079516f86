#include "core/method/columns.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/groups.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, ROWS = 64 };

/* Multiplications of one step of the worker, over all threads. */
static const double STEP_WORK = 1e9;

typedef struct columns_run {
    const pl_columns *job;
    const pl_grid *grid;
    size_t n, width; /* columns of a group */
} columns_run;

/* One thread's rows: the weights by position, updated as the errors come.  Within a block they are
 * kept by columns, all rows of a column side by side: a column is quantized, and its errors taken
 * to the block's later columns, in vectors of rows. */
typedef struct column_space {
    float *w;       /* [ROWS, n] */
    float *err;     /* [ROWS, BLOCK] */
    float *kept;    /* [ROWS, BLOCK]: the block's weights before rounding, for job->p */
    float *weights; /* [n], as ahead, for job->weights */
    float *ahead;   /* [n]: a group's columns with the running block's errors applied */
    float *columns; /* [BLOCK, ROWS] */
    float *lost;    /* [BLOCK, ROWS]: err by columns */
    int16_t *codes; /* [BLOCK, ROWS] */
} column_space;

static size_t column_at(const columns_run *run, size_t position)
{
    return run->job->perm != NULL ? run->job->perm[position] : position;
}

void pl_columns_load(pl_view rows, const bool *dead, const size_t *perm, size_t first, size_t count,
                     float *w)
{
    const size_t n = rows.cols;
    for (size_t r = 0; r < count; r++) {
        const float *from = rows.data + (first + r) * rows.stride;
        for (size_t i = 0; i < n; i++) {
            const size_t column = perm != NULL ? perm[i] : i;
            w[r * n + i] = dead[column] ? 0.0f : from[column];
        }
    }
}

/* Parameters of count adjacent values; weights: theirs, or NULL. */
static pl_grid_param fit_columns(const pl_grid *grid, const float *w, const float *weights,
                                 size_t count)
{
    return weights != NULL ? pl_grid_fit_weighted(grid, w, weights, count)
                           : pl_grid_fit(grid, w, count, 1);
}

/* static_groups: parameters from the rows before any update, in the original order. */
static void fit_static(const columns_run *run, size_t row, float *original)
{
    pl_qweights *q = run->job->out;
    const float *from = run->job->w.data + row * run->job->w.stride;
    for (size_t i = 0; i < run->n; i++) {
        original[i] = run->job->dead[i] ? 0.0f : from[i];
    }
    for (size_t k = 0; k < q->groups; k++) {
        const size_t start = k * run->width;
        const size_t size = run->n - start < run->width ? run->n - start : run->width;
        const float *weights = run->job->weights;
        const pl_grid grid = pl_grid_of_block(run->grid, run->job->blocks, q->groups, row, k);
        const pl_grid_param param =
            fit_columns(&grid, original + start, weights != NULL ? weights + start : NULL, size);
        q->scales[row * q->groups + k] = param.scale;
        q->zeros[row * q->groups + k] = (int16_t)param.zero;
    }
}

PL_CLONES
static void subtract_scaled(float *restrict to, const float *restrict from, float factor,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] -= factor * from[i];
    }
}

/* What every row of a piece quantizes with now. */
typedef struct row_grids {
    uint32_t group; /* UINT32_MAX before the first */
    float scale[ROWS], zero[ROWS];
} row_grids;

PL_CLONES
static void divide_rows(float *x, float by)
{
    for (size_t r = 0; r < ROWS; r++) {
        x[r] /= by;
    }
}

/* columns[count, ROWS] -= the outer product of u[count] and lost[ROWS]. */
PL_CLONES
static void subtract_outer(float *restrict columns, const float *restrict u,
                           const float *restrict lost, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        for (size_t r = 0; r < ROWS; r++) {
            columns[j * ROWS + r] -= lost[r] * u[j];
        }
    }
}

/* columns[count, ROWS] += share times the outer product of p[count] and kept[ROWS]. */
PL_CLONES
static void add_outer(float *restrict columns, const float *restrict p, const float *restrict kept,
                      float share, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        for (size_t r = 0; r < ROWS; r++) {
            columns[j * ROWS + r] += kept[r] * (share * p[j]);
        }
    }
}

/* Parameters of the group that begins at position i, for row r, whose block began at b0 and ends at
 * b1.  Columns behind the block's end still lack what the running block's [b0, i) do to them.
 * weights: of the group's columns, or NULL. */
static pl_grid_param fit_group(const columns_run *run, const column_space *space, size_t r,
                               size_t b0, size_t b1, size_t i, const float *weights)
{
    const size_t n = run->n;
    const size_t end = n - i < run->width ? n : i + run->width;
    const size_t inside = end < b1 ? end : b1;
    float *ahead = space->ahead;
    if (i == b0) {
        return fit_columns(run->grid, space->w + r * n + i, weights, end - i);
    }
    for (size_t j = i; j < inside; j++) {
        ahead[j - i] = space->columns[(j - b0) * ROWS + r];
    }
    if (end > b1) {
        memcpy(ahead + (b1 - i), space->w + r * n + b1, (end - b1) * sizeof *ahead);
        for (size_t j = b0; j < i; j++) {
            const size_t at = (j - b0) * ROWS + r;
            subtract_scaled(ahead + (b1 - i), run->job->u + j * n + b1, space->lost[at], end - b1);
            if (run->job->p != NULL) {
                subtract_scaled(ahead + (b1 - i), run->job->p + j * n + b1,
                                -run->job->share * space->columns[at], end - b1);
            }
        }
    }
    return fit_columns(run->grid, ahead, weights, end - i);
}

/* What the columns of the group that begins at position i weigh, in their order. */
static const float *group_weights(const columns_run *run, const column_space *space, size_t i)
{
    const size_t end = run->n - i < run->width ? run->n : i + run->width;
    if (run->job->weights == NULL) {
        return NULL;
    }
    for (size_t j = i; j < end; j++) {
        space->weights[j - i] = run->job->weights[column_at(run, j)];
    }
    return space->weights;
}

/* The grids of position i: found where a group begins, else those of its group. */
static void choose_grids(const columns_run *run, const column_space *space, size_t first,
                         size_t count, size_t b0, size_t b1, size_t i, row_grids *now)
{
    pl_qweights *q = run->job->out;
    const uint32_t group = q->group_of[column_at(run, i)];
    const bool fits = !run->job->static_groups && i % run->width == 0;
    if (!fits && group == now->group) {
        return;
    }
    now->group = group;
    const float *weights = fits ? group_weights(run, space, i) : NULL;
    for (size_t r = 0; r < count; r++) {
        const size_t place = (first + r) * q->groups + group;
        if (fits) {
            const pl_grid_param found = fit_group(run, space, r, b0, b1, i, weights);
            q->scales[place] = found.scale;
            q->zeros[place] = (int16_t)found.zero;
        }
        now->scale[r] = q->scales[place];
        now->zero[r] = (float)q->zeros[place];
    }
}

static void load_columns(const columns_run *run, const column_space *space, size_t count, size_t b0,
                         size_t b1)
{
    for (size_t r = 0; r < count; r++) {
        for (size_t i = b0; i < b1; i++) {
            space->columns[(i - b0) * ROWS + r] = space->w[r * run->n + i];
        }
    }
}

static void store_block(const columns_run *run, const column_space *space, size_t first,
                        size_t count, size_t b0, size_t b1)
{
    for (size_t r = 0; r < count; r++) {
        int16_t *codes = run->job->out->codes + (first + r) * run->n;
        for (size_t i = b0; i < b1; i++) {
            codes[column_at(run, i)] = space->codes[(i - b0) * ROWS + r];
            space->err[r * BLOCK + i - b0] = space->lost[(i - b0) * ROWS + r];
            space->kept[r * BLOCK + i - b0] = space->columns[(i - b0) * ROWS + r];
        }
    }
}

/* lost[ROWS]: what rounding position i takes away; of the first one the values of job->first are
 * rounded where they are given, and what is lost is against the weights all the same. */
static void round_column(const columns_run *run, size_t first, size_t count, size_t i,
                         const row_grids *now, const float *column, int16_t *codes, float *lost)
{
    float instead[ROWS] = {0};
    const bool replaced = i == 0 && run->job->first != NULL;
    if (replaced) {
        memcpy(instead, run->job->first + first, count * sizeof *instead);
    }
    pl_grid_column(run->grid, now->scale, now->zero, replaced ? instead : column, ROWS, codes,
                   lost);
    for (size_t r = 0; replaced && r < count; r++) {
        lost[r] += column[r] - instead[r];
    }
}

/* Columns [b0, b1) of the piece's rows, in order; err receives their errors over U_ii.  Rows that a
 * short piece lacks are zeros on a grid of scale 1. */
static void quantize_block(const columns_run *run, size_t first, size_t count, size_t b0, size_t b1,
                           row_grids *now, const column_space *space)
{
    load_columns(run, space, count, b0, b1);
    for (size_t i = b0; i < b1; i++) {
        const float *u = run->job->u + i * run->n;
        float *lost = space->lost + (i - b0) * ROWS;
        choose_grids(run, space, first, count, b0, b1, i, now);
        float *column = space->columns + (i - b0) * ROWS;
        round_column(run, first, count, i, now, column, space->codes + (i - b0) * ROWS, lost);
        divide_rows(lost, u[i]);
        subtract_outer(column + ROWS, u + i + 1, lost, b1 - i - 1);
        if (run->job->p != NULL) {
            add_outer(column + ROWS, run->job->p + i * run->n + i + 1, column, run->job->share,
                      b1 - i - 1);
        }
    }
    store_block(run, space, first, count, b0, b1);
}

static void quantize_rows(const columns_run *run, size_t first, size_t count,
                          const column_space *space)
{
    const size_t n = run->n;
    row_grids now = {.group = UINT32_MAX};
    for (size_t r = 0; r < ROWS; r++) {
        now.scale[r] = 1.0f;
    }
    memset(space->columns, 0, BLOCK * ROWS * sizeof *space->columns);
    const pl_columns *job = run->job;
    pl_columns_load(job->moved.data != NULL ? job->moved : job->w, job->dead, job->perm, first,
                    count, space->w);
    for (size_t r = 0; run->job->static_groups && r < count; r++) {
        fit_static(run, first + r, space->ahead);
    }
    for (size_t b0 = 0; b0 < n; b0 += BLOCK) {
        const size_t b1 = n - b0 < BLOCK ? n : b0 + BLOCK;
        quantize_block(run, first, count, b0, b1, &now, space);
        if (b1 < n) {
            pl_gemm_nn(count, n - b1, b1 - b0, -1.0f, space->err, BLOCK, run->job->u + b0 * n + b1,
                       n, 1.0f, space->w + b1, n);
        }
        if (b1 < n && run->job->p != NULL) {
            pl_gemm_nn(count, n - b1, b1 - b0, run->job->share, space->kept, BLOCK,
                       run->job->p + b0 * n + b1, n, 1.0f, space->w + b1, n);
        }
    }
}

static bool make_space(size_t n, column_space *out)
{
    *out = (column_space){.w = pl_alloc(ROWS * n, sizeof(float)),
                          .err = pl_alloc(ROWS * BLOCK, sizeof(float)),
                          .kept = pl_alloc(ROWS * BLOCK, sizeof(float)),
                          .weights = pl_alloc(n, sizeof(float)),
                          .ahead = pl_alloc(n, sizeof(float)),
                          .columns = pl_alloc(BLOCK * ROWS, sizeof(float)),
                          .lost = pl_alloc(BLOCK * ROWS, sizeof(float)),
                          .codes = pl_alloc(BLOCK * ROWS, sizeof(int16_t))};
    return out->w != NULL && out->err != NULL && out->kept != NULL && out->weights != NULL &&
           out->ahead != NULL && out->columns != NULL && out->lost != NULL && out->codes != NULL;
}

static void drop_space(column_space *space)
{
    free(space->w);
    free(space->err);
    free(space->kept);
    free(space->weights);
    free(space->ahead);
    free(space->columns);
    free(space->lost);
    free(space->codes);
}

pl_status pl_columns_round(const pl_columns *job, pl_task *task, pl_error *err)
{
    const pl_grid *grid = &job->out->grid;
    const size_t rows = job->w.rows, n = job->w.cols;
    const columns_run each = {job, grid, n, pl_group_width(n, grid->group_size)};
    const columns_run *run = &each;
    const int threads = pl_linalg_threads();
    pl_status status = PL_OK;
    column_space *spaces = calloc((size_t)threads, sizeof *spaces);
    bool room = spaces != NULL;
    for (int i = 0; room && i < threads; i++) {
        room = make_space(n, &spaces[i]);
    }
    if (!room) {
        status = pl_error_memory(err, "%d x %d rows of %zu weights", threads, ROWS, n);
    }
    const double wave_work = 0.5 * (double)n * (double)n * ROWS * threads;
    const size_t waves = wave_work < STEP_WORK ? (size_t)(STEP_WORK / (wave_work + 1.0)) + 1 : 1;
    const size_t step = waves * (size_t)threads * ROWS;
    for (size_t first = 0; status == PL_OK && first < rows; first += step) {
        const size_t end = rows - first < step ? rows : first + step;
        /* Thread i takes every threads-th piece: which rows share a piece never changes. */
#pragma omp parallel for schedule(static, 1)
        for (int i = 0; i < threads; i++) {
            for (size_t at = first + (size_t)i * ROWS; at < end; at += (size_t)threads * ROWS) {
                quantize_rows(run, at, end - at < ROWS ? end - at : ROWS, &spaces[i]);
            }
        }
        if (run->job->watch != NULL) {
            run->job->watch->done(run->job->watch->ctx, first, (end < rows ? end : rows) - first);
        }
        status = pl_task_tick(task, err);
    }
    for (int i = 0; spaces != NULL && i < threads; i++) {
        drop_space(&spaces[i]);
    }
    free(spaces);
    return status;
}
