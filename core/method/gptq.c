#include "core/base/checked.h"
#include "core/method/method_parts.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

enum { DAMPING = PL_GRID_COUNT, ACT_ORDER, STATIC_GROUPS, PARAMS };
static const pl_param params[PARAMS] = {
    PL_GRID_PARAMS,
    [DAMPING] = PL_REAL("damping", 0, 1, 0.01, "mean diag H",
                        "Added to the Hessian's diagonal; raised tenfold while its Cholesky fails.",
                        PL_BY(PL_QUARTER_OF_10)),
    [ACT_ORDER] =
        PL_CHOICE("act_order", pl_no_yes, 0,
                  "Take columns by falling energy of their input; groups form along that order."),
    [STATIC_GROUPS] =
        PL_CHOICE("static_groups", pl_no_yes, 0,
                  "Keep the original groups, with scales from the weights before any update."),
};

enum { DAMPING_USED, DEAD_COLUMNS, REPORTED };
static const pl_reported reported[REPORTED] = {
    [DAMPING_USED] = {.name = "damping_used",
                      .unit = "mean diag H",
                      .help = "The damping with which the Cholesky factorization succeeded.",
                      .told = true},
    [DEAD_COLUMNS] = {.name = "dead_columns",
                      .unit = "columns",
                      .help = "Input channels that are always 0, whose weights become 0.",
                      .whole = true},
};

enum { BLOCK = 128, ROWS = 64 };

/* Multiplications of one step of the worker, over all threads. */
static const double STEP_WORK = 1e9;

typedef struct gptq_run {
    const pl_grid *grid;
    pl_view w0;
    size_t n, width; /* columns of a group */
    const float *u;  /* [n, n] */
    const bool *dead;
    const size_t *perm; /* position -> column, or NULL */
    bool static_groups;
    pl_qweights *out;
    const pl_rows_watch *watch;
} gptq_run;

/* One thread's rows: the weights by position, updated as the errors come.  Within a block they are
 * kept by columns, all rows of a column side by side: a column is quantized, and its errors taken
 * to the block's later columns, in vectors of rows. */
typedef struct gptq_space {
    float *w;       /* [ROWS, n] */
    float *err;     /* [ROWS, BLOCK] */
    float *ahead;   /* [n]: a group's columns with the running block's errors applied */
    float *columns; /* [BLOCK, ROWS] */
    float *lost;    /* [BLOCK, ROWS]: err by columns */
    int16_t *codes; /* [BLOCK, ROWS] */
} gptq_space;

static size_t column_at(const gptq_run *run, size_t position)
{
    return run->perm != NULL ? run->perm[position] : position;
}

static void load_rows(const gptq_run *run, size_t first, size_t count, float *w)
{
    for (size_t r = 0; r < count; r++) {
        const float *from = run->w0.data + (first + r) * run->w0.stride;
        for (size_t i = 0; i < run->n; i++) {
            const size_t column = column_at(run, i);
            w[r * run->n + i] = run->dead[column] ? 0.0f : from[column];
        }
    }
}

/* static_groups: parameters from the rows before any update, in the original order. */
static void fit_static(const gptq_run *run, size_t row, float *original)
{
    pl_qweights *q = run->out;
    const float *from = run->w0.data + row * run->w0.stride;
    for (size_t i = 0; i < run->n; i++) {
        original[i] = run->dead[i] ? 0.0f : from[i];
    }
    for (size_t k = 0; k < q->groups; k++) {
        const size_t start = k * run->width;
        const size_t size = run->n - start < run->width ? run->n - start : run->width;
        const pl_grid_param param = pl_grid_fit(run->grid, original + start, size, 1);
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
static void divide(float *x, float by)
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

/* Parameters of the group that begins at position i, for row r, whose block began at b0 and ends at
 * b1.  Columns behind the block's end still lack the running block's errors [b0, i). */
static pl_grid_param fit_group(const gptq_run *run, const gptq_space *space, size_t r, size_t b0,
                               size_t b1, size_t i)
{
    const size_t n = run->n;
    const size_t end = n - i < run->width ? n : i + run->width;
    const size_t inside = end < b1 ? end : b1;
    float *ahead = space->ahead;
    if (i == b0) {
        return pl_grid_fit(run->grid, space->w + r * n + i, end - i, 1);
    }
    for (size_t j = i; j < inside; j++) {
        ahead[j - i] = space->columns[(j - b0) * ROWS + r];
    }
    if (end > b1) {
        memcpy(ahead + (b1 - i), space->w + r * n + b1, (end - b1) * sizeof *ahead);
        for (size_t j = b0; j < i; j++) {
            subtract_scaled(ahead + (b1 - i), run->u + j * n + b1, space->lost[(j - b0) * ROWS + r],
                            end - b1);
        }
    }
    return pl_grid_fit(run->grid, ahead, end - i, 1);
}

/* The grids of position i: found where a group begins, else those of its group. */
static void choose_grids(const gptq_run *run, const gptq_space *space, size_t first, size_t count,
                         size_t b0, size_t b1, size_t i, row_grids *now)
{
    pl_qweights *q = run->out;
    const uint32_t group = q->group_of[column_at(run, i)];
    const bool fit = !run->static_groups && i % run->width == 0;
    if (!fit && group == now->group) {
        return;
    }
    now->group = group;
    for (size_t r = 0; r < count; r++) {
        const size_t place = (first + r) * q->groups + group;
        if (fit) {
            const pl_grid_param found = fit_group(run, space, r, b0, b1, i);
            q->scales[place] = found.scale;
            q->zeros[place] = (int16_t)found.zero;
        }
        now->scale[r] = q->scales[place];
        now->zero[r] = (float)q->zeros[place];
    }
}

static void load_block(const gptq_run *run, const gptq_space *space, size_t count, size_t b0,
                       size_t b1)
{
    for (size_t r = 0; r < count; r++) {
        for (size_t i = b0; i < b1; i++) {
            space->columns[(i - b0) * ROWS + r] = space->w[r * run->n + i];
        }
    }
}

static void store_block(const gptq_run *run, const gptq_space *space, size_t first, size_t count,
                        size_t b0, size_t b1)
{
    for (size_t r = 0; r < count; r++) {
        int16_t *codes = run->out->codes + (first + r) * run->n;
        for (size_t i = b0; i < b1; i++) {
            codes[column_at(run, i)] = space->codes[(i - b0) * ROWS + r];
            space->err[r * BLOCK + i - b0] = space->lost[(i - b0) * ROWS + r];
        }
    }
}

/* Columns [b0, b1) of the piece's rows, in order; err receives their errors over U_ii.  Rows that a
 * short piece lacks are zeros on a grid of scale 1. */
static void quantize_block(const gptq_run *run, size_t first, size_t count, size_t b0, size_t b1,
                           row_grids *now, const gptq_space *space)
{
    load_block(run, space, count, b0, b1);
    for (size_t i = b0; i < b1; i++) {
        const float *u = run->u + i * run->n;
        float *lost = space->lost + (i - b0) * ROWS;
        choose_grids(run, space, first, count, b0, b1, i, now);
        pl_grid_column(run->grid, now->scale, now->zero, space->columns + (i - b0) * ROWS, ROWS,
                       space->codes + (i - b0) * ROWS, lost);
        divide(lost, u[i]);
        subtract_outer(space->columns + (i + 1 - b0) * ROWS, u + i + 1, lost, b1 - i - 1);
    }
    store_block(run, space, first, count, b0, b1);
}

static void quantize_rows(const gptq_run *run, size_t first, size_t count, const gptq_space *space)
{
    const size_t n = run->n;
    row_grids now = {.group = UINT32_MAX};
    for (size_t r = 0; r < ROWS; r++) {
        now.scale[r] = 1.0f;
    }
    memset(space->columns, 0, BLOCK * ROWS * sizeof *space->columns);
    load_rows(run, first, count, space->w);
    for (size_t r = 0; run->static_groups && r < count; r++) {
        fit_static(run, first + r, space->ahead);
    }
    for (size_t b0 = 0; b0 < n; b0 += BLOCK) {
        const size_t b1 = n - b0 < BLOCK ? n : b0 + BLOCK;
        quantize_block(run, first, count, b0, b1, &now, space);
        if (b1 < n) {
            pl_gemm_nn(count, n - b1, b1 - b0, -1.0f, space->err, BLOCK, run->u + b0 * n + b1, n,
                       1.0f, space->w + b1, n);
        }
    }
}

static bool make_space(size_t n, gptq_space *out)
{
    *out = (gptq_space){.w = pl_alloc(ROWS * n, sizeof(float)),
                        .err = pl_alloc(ROWS * BLOCK, sizeof(float)),
                        .ahead = pl_alloc(n, sizeof(float)),
                        .columns = pl_alloc(BLOCK * ROWS, sizeof(float)),
                        .lost = pl_alloc(BLOCK * ROWS, sizeof(float)),
                        .codes = pl_alloc(BLOCK * ROWS, sizeof(int16_t))};
    return out->w != NULL && out->err != NULL && out->ahead != NULL && out->columns != NULL &&
           out->lost != NULL && out->codes != NULL;
}

static void drop_space(gptq_space *space)
{
    free(space->w);
    free(space->err);
    free(space->ahead);
    free(space->columns);
    free(space->lost);
    free(space->codes);
}

static pl_status run_all(const gptq_run *run, pl_task *task, pl_error *err)
{
    const size_t rows = run->w0.rows, n = run->n;
    const int threads = pl_linalg_threads();
    pl_status status = PL_OK;
    gptq_space *spaces = calloc((size_t)threads, sizeof *spaces);
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
        if (run->watch != NULL) {
            run->watch->done(run->watch->ctx, first, (end < rows ? end : rows) - first);
        }
        status = pl_task_tick(task, err);
    }
    for (int i = 0; spaces != NULL && i < threads; i++) {
        drop_space(&spaces[i]);
    }
    free(spaces);
    return status;
}

static pl_status take_factor(const pl_spec *spec, const pl_layer_input *in, pl_gptq_factor *out,
                             pl_task *task, pl_error *err)
{
    return pl_factors_gptq(in->factors, spec->values[DAMPING], spec->values[ACT_ORDER] > 0.0, out,
                           task, err);
}

static pl_status prepare(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                         pl_error *err)
{
    pl_gptq_factor factor;
    return take_factor(spec, in, &factor, task, err);
}

static pl_status quantize_held(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                               pl_method_report *report, pl_task *task, pl_error *err)
{
    const pl_grid grid = pl_spec_grid(spec);
    const bool act_order = spec->values[ACT_ORDER] > 0.0;
    pl_gptq_factor factor;
    pl_status status = take_factor(spec, in, &factor, task, err);
    if (status != PL_OK) {
        return status;
    }
    gptq_run run = {.grid = &grid,
                    .w0 = in->w,
                    .n = in->w.cols,
                    .u = factor.u,
                    .dead = factor.dead,
                    .out = out,
                    .watch = in->watch};
    run.static_groups = spec->values[STATIC_GROUPS] > 0.0;
    run.width = grid.group_size == 0 || grid.group_size > run.n ? run.n : grid.group_size;
    if (act_order && (status = pl_factors_order(in->factors, &run.perm, err)) != PL_OK) {
        return status;
    }
    if ((status = pl_qweights_init(out, &grid, in->w.rows, run.n, err)) != PL_OK) {
        return status;
    }
    for (size_t i = 0; act_order && !run.static_groups && i < run.n; i++) {
        out->group_of[run.perm[i]] = (uint32_t)(i / run.width);
    }
    report->own[DAMPING_USED] = factor.used;
    report->own[DEAD_COLUMNS] = 0.0;
    for (size_t i = 0; i < run.n; i++) {
        report->own[DEAD_COLUMNS] += factor.dead[i] ? 1.0 : 0.0;
    }
    return run_all(&run, task, err);
}

static pl_status quantize(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                          pl_method_report *report, pl_task *task, pl_error *err)
{
    *out = (pl_qweights){0};
    *report = pl_method_report_empty();
    pl_status status = pl_check_layer(in, err);
    if (status != PL_OK) {
        return status;
    }
    pl_factors_hold(in->factors);
    status = quantize_held(spec, in, out, report, task, err);
    pl_factors_release(in->factors);
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    }
    return status;
}

const pl_method pl_method_gptq = {
    .name = "gptq",
    .title = "GPTQ",
    .slot = PL_SLOT_ROUND,
    .summary = "Column by column, later columns make up for the error (Frantar et al., ICLR 2023).",
    .params = params,
    .n_params = PARAMS,
    .reported = reported,
    .n_reported = REPORTED,
    .round = quantize,
    .prepare = prepare,
};
