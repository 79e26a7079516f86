#include "core/base/checked.h"
#include "core/solve/linf_parts.h"
#include "core/solve/prox.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCK_ROWS = 288, MIN_BLOCK_ROWS = 16, GAP_EVERY = 5 };

/* Multiplications of one block in one step of the worker: 10 ms or less of one core where an
 * iteration is short, and the bound on an iteration of a wide layer. */
static const double STEP_WORK = 4e8, MOST_WORK = 1.6e9;

size_t pl_linf_block_rows(size_t rows, size_t n)
{
    const double fit = MOST_WORK / ((double)n * (double)n);
    size_t most = fit < MAX_BLOCK_ROWS ? (size_t)fit : MAX_BLOCK_ROWS;
    most = most > MIN_BLOCK_ROWS ? most : MIN_BLOCK_ROWS;
    const size_t threads = (size_t)pl_linalg_threads();
    const size_t blocks = threads * ((rows + threads * most - 1) / (threads * most));
    return blocks > 0 ? (rows + blocks - 1) / blocks : 1;
}

/* One thread's block of rows in the present wave.  Where a gap is asked for, rows stop one by one:
 * the first `active` places hold the rows that go on, and all of a row's data moves with it. */
typedef struct block {
    size_t first, count, active;
    size_t *row; /* [count], which row of the block a place holds */
    pl_view w0;  /* [count, n], by place: the frame's rows, or own */
    float *own;  /* [block_rows, n] where a gap is asked for, else NULL */
    int iterations;
    size_t row_iterations; /* of all its rows together */
    bool ready; /* C and D hold the next iteration's input; otherwise C = v = w0 (cold) */
    bool done;
    float *d;     /* [count, n] */
    double *work; /* [count, n] */
} block;

typedef struct engine {
    const pl_linf_frame *frame;
    const pl_linf_kernel *kernel;
    const pl_linf_options *options;
    float *w;      /* C, that is v, then the result */
    float *levels; /* [rows, groups] */
    pl_linf_bounds *bounds;
    pl_warm *warm;
    block *blocks; /* [threads], of the present wave */
    size_t block_rows;
    int threads;
} engine;

PL_CLONES
static void combine_row(const pl_linf_kernel *kernel, size_t n, size_t width, const float *levels,
                        const float *restrict w0, float *restrict c, float *restrict d)
{
    const float d_z = kernel->d_z, d_v = kernel->d_v;
    const float c_z = kernel->c_z, c_v = kernel->c_v, c_w = kernel->c_w;
    for (size_t k = 0, first = 0; first < n; k++, first += width) {
        const size_t end = n - first < width ? n : first + width;
        const float level = levels[k];
        for (size_t i = first; i < end; i++) {
            const float v = c[i];
            const float capped = v < level ? v : level;
            const float z = capped > -level ? capped : -level;
            d[i] = d_z * z + d_v * v - w0[i];
            c[i] = c_z * z + c_v * v + c_w * w0[i];
        }
    }
}

/* The row of warm where a row is left, SIZE_MAX for none. */
static size_t warm_row(const engine *e, size_t row)
{
    return e->warm == NULL ? SIZE_MAX : e->options->place != NULL ? e->options->place[row] : row;
}

/* The row of warm that a row begins from, SIZE_MAX for none. */
static size_t start_of(const engine *e, size_t row)
{
    const size_t at = e->options->cold ? SIZE_MAX : warm_row(e, row);
    return at != SIZE_MAX && e->warm->full[at] ? at : SIZE_MAX;
}

static bool holds_warm(const engine *e, const block *b)
{
    bool warm = false;
    for (size_t r = 0; r < b->count; r++) {
        warm = warm || start_of(e, b->first + r) != SIZE_MAX;
    }
    return warm;
}

/* The input of the first GEMM from a warm state, u = y / rho_i.  An empty row among full
 * ones starts from w0 with a product of zero. */
static void start_warm(const engine *e, block *b)
{
    const pl_linf_kernel *k = e->kernel;
    const size_t n = e->frame->n;
    for (size_t r = 0; r < b->count; r++) {
        const float *w0 = b->w0.data + r * b->w0.stride;
        const size_t at = start_of(e, b->first + r);
        float *c = e->w + (b->first + r) * n, *d = b->d + r * n;
        if (at == SIZE_MAX) {
            memcpy(c, w0, n * sizeof *c);
            memset(d, 0, n * sizeof *d);
            continue;
        }
        const float *z = e->warm->w + at * n, *y = e->warm->own + at * n;
        for (size_t i = 0; i < n; i++) {
            const double rho = k->metric != NULL ? k->rho * (double)k->metric[i] : k->rho;
            const float v = z[i] + (float)((double)y[i] / rho);
            d[i] = k->d_z * z[i] + k->d_v * v - w0[i];
            c[i] = k->c_z * z[i] + k->c_v * v + k->c_w * w0[i];
        }
    }
    b->ready = true;
}

/* From w0 with u = 0 the first GEMM's input is zero: v = w0 needs no product. */
static void start_cold(const engine *e, block *b)
{
    const size_t n = e->frame->n;
    for (size_t r = 0; r < b->count; r++) {
        memcpy(e->w + (b->first + r) * n, b->w0.data + r * b->w0.stride, n * sizeof(float));
    }
    b->ready = false;
}

static void combine(const engine *e, block *b)
{
    const pl_linf_frame *f = e->frame;
    for (size_t r = 0; r < b->active; r++) {
        combine_row(e->kernel, f->n, f->width, e->levels + (b->first + r) * f->groups,
                    b->w0.data + r * b->w0.stride, e->w + (b->first + r) * f->n, b->d + r * f->n);
    }
    b->ready = true;
}

static void find_levels(const engine *e, block *b)
{
    const pl_linf_frame *f = e->frame;
    for (size_t r = b->first; r < b->first + b->active; r++) {
        const float *v = e->w + r * f->n;
        float *levels = e->levels + r * f->groups;
        if (f->metric != NULL) {
            pl_prox_linf_levels_in(v, f->metric, f->n, f->width, f->taus, levels);
        } else {
            pl_prox_linf_levels(v, f->n, f->width, f->taus, levels);
        }
    }
}

static void swap(float *a, float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Exchanges what two places hold; d and work hold nothing now. */
static void swap_places(const engine *e, block *b, size_t p, size_t q)
{
    const size_t n = e->frame->n, groups = e->frame->groups, kept = b->row[p];
    b->row[p] = b->row[q];
    b->row[q] = kept;
    swap(b->own + p * n, b->own + q * n, n);
    swap(e->w + (b->first + p) * n, e->w + (b->first + q) * n, n);
    swap(e->levels + (b->first + p) * groups, e->levels + (b->first + q) * groups, groups);
    const pl_linf_bounds bounds = e->bounds[b->first + p];
    e->bounds[b->first + p] = e->bounds[b->first + q];
    e->bounds[b->first + q] = bounds;
}

/* Moves the rows whose gap is small enough behind those that go on.  A row's result depends on no
 * other row, nor on its block.  v stays unchanged: z goes into d, which the next combine
 * overwrites. */
static void stop_rows(const engine *e, block *b)
{
    const pl_linf_frame *f = e->frame;
    pl_linf_bounds *bounds = e->bounds + b->first;
    const float *v = e->w + b->first * f->n;
    const float *levels = e->levels + b->first * f->groups;
    for (size_t r = 0; r < b->active; r++) {
        pl_prox_linf_clip(v + r * f->n, f->n, f->width, levels + r * f->groups, b->d + r * f->n);
    }
    pl_linf_primal(f, b->w0, b->active, b->d, f->n, b->work, bounds);
    pl_linf_dual(f, b->w0, b->active, v, levels, e->kernel->rho, b->work, bounds);
    for (size_t r = b->active; r-- > 0;) {
        if (bounds[r].primal - bounds[r].dual <= e->options->gap * bounds[r].primal) {
            b->active--;
            swap_places(e, b, r, b->active);
        }
    }
}

/* At most `most` iterations of one block. */
static void advance(const engine *e, block *b, int most)
{
    const size_t n = e->frame->n;
    const pl_linf_kernel *kernel = e->kernel;
    for (int i = 0; i < most && !b->done; i++) {
        if (b->iterations > 0) {
            combine(e, b);
        }
        if (b->ready) {
            pl_gemm_nn(b->active, n, n, kernel->gain, b->d, n, kernel->matrix, n, 1.0f,
                       e->w + b->first * n, n);
        }
        find_levels(e, b);
        b->iterations++;
        b->row_iterations += b->active;
        b->done = b->iterations >= e->options->iterations;
        if (!b->done && e->options->gap > 0.0 && b->iterations % GAP_EVERY == 0) {
            stop_rows(e, b);
            b->done = b->active == 0;
        }
    }
}

/* z and y_i = rho_i (v - z)_i of a row into its warm state. */
static void store_warm(const engine *e, const float *v, const float *levels, size_t row)
{
    const pl_linf_frame *f = e->frame;
    const pl_linf_kernel *k = e->kernel;
    float *z = e->warm->w + row * f->n, *y = e->warm->own + row * f->n;
    pl_prox_linf_clip(v, f->n, f->width, levels, z);
    for (size_t i = 0; i < f->n; i++) {
        const double rho = k->metric != NULL ? k->rho * (double)k->metric[i] : k->rho;
        y[i] = (float)(rho * ((double)v[i] - (double)z[i]));
    }
    e->warm->full[row] = true;
}

/* Bounds of the block, then z in place of v; the warm state is what the next solve starts from. */
static void finish_block(const engine *e, block *b)
{
    const pl_linf_frame *f = e->frame;
    const size_t n = f->n;
    float *v = e->w + b->first * n;
    const float *levels = e->levels + b->first * f->groups;
    if (e->options->certify) {
        pl_linf_dual(f, b->w0, b->count, v, levels, e->kernel->rho, b->work, e->bounds + b->first);
    }
    for (size_t r = 0; r < b->count; r++) {
        float *row = v + r * n;
        const size_t at = warm_row(e, b->first + b->row[r]);
        if (at != SIZE_MAX) {
            store_warm(e, row, levels + r * f->groups, at);
        }
        pl_prox_linf_clip(row, n, f->width, levels + r * f->groups, row);
        e->bounds[b->first + r].dual =
            e->options->certify ? e->bounds[b->first + r].dual : (double)NAN;
    }
    if (e->options->rough > 0.0) {
        for (size_t r = 0; r < b->count; r++) {
            e->bounds[b->first + r].primal = (double)NAN;
        }
        return;
    }
    pl_linf_primal(f, b->w0, b->count, v, n, b->work, e->bounds + b->first);
    for (size_t r = 0; r < b->count; r++) { /* back to where they belong */
        while (b->row[r] != r) {
            swap_places(e, b, r, b->row[r]);
        }
    }
}

/* As many blocks as there are threads: how many the rows from `first` on fill. */
static int take_blocks(const engine *e, size_t first)
{
    const size_t rows = e->frame->w0.rows;
    int count = 0;
    for (; count < e->threads && first < rows; count++) {
        block *b = &e->blocks[count];
        b->first = first;
        b->count = rows - first < e->block_rows ? rows - first : e->block_rows;
        b->active = b->count;
        b->iterations = 0;
        b->row_iterations = 0;
        b->done = false;
        b->w0 = (pl_view){e->frame->w0.data + first * e->frame->w0.stride, b->count, e->frame->n,
                          e->frame->w0.stride};
        for (size_t r = 0; r < b->count; r++) {
            b->row[r] = r;
        }
        first += b->count;
    }
    return count;
}

static void own_rows(block *b)
{
    const size_t n = b->w0.cols;
    for (size_t r = 0; r < b->count; r++) {
        memcpy(b->own + r * n, b->w0.data + r * b->w0.stride, n * sizeof *b->own);
    }
    b->w0.data = b->own;
    b->w0.stride = n;
}

/* All iterations of a wave of blocks, cut into steps by ticks. */
static pl_status iterate_wave(const engine *e, int count, int a_step, pl_task *task, pl_error *err)
{
    block *blocks = e->blocks;
    for (int i = 0; i < count; i++) {
        if (blocks[i].own != NULL) {
            own_rows(&blocks[i]);
        }
        if (holds_warm(e, &blocks[i])) {
            start_warm(e, &blocks[i]);
        } else {
            start_cold(e, &blocks[i]);
        }
    }
    for (bool done = false; !done;) {
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
#pragma omp parallel for schedule(static, 1)
        for (int i = 0; i < count; i++) {
            advance(e, &blocks[i], a_step);
        }
        done = true;
        for (int i = 0; i < count; i++) {
            done = done && blocks[i].done;
        }
    }
    return PL_OK;
}

static pl_status finish_wave(const engine *e, int count, pl_task *task, pl_error *err)
{
    pl_status status = pl_task_tick(task, err);
    if (status != PL_OK) {
        return status;
    }
#pragma omp parallel for schedule(static, 1)
    for (int i = 0; i < count; i++) {
        finish_block(e, &e->blocks[i]);
    }
    const pl_rows_watch *watch = e->options->watch;
    if (watch != NULL) {
        const block *last = &e->blocks[count - 1];
        watch->done(watch->ctx, e->blocks[0].first, last->first + last->count - e->blocks[0].first);
    }
    return PL_OK;
}

/* Wave by wave; a late finish comes once all of them are through with M. */
static pl_status run_waves(const engine *e, const pl_linf_certifier *certifier,
                           pl_linf_effort *effort, pl_task *task, pl_error *err)
{
    const size_t rows = e->frame->w0.rows, n = e->frame->n;
    const double work = (double)e->block_rows * (double)n * (double)n;
    const int a_step = work < STEP_WORK ? (int)fmin(STEP_WORK / work, 1000.0) : 1;
    const size_t a_wave = (size_t)e->threads * e->block_rows;
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < rows; first += a_wave) {
        const int count = take_blocks(e, first);
        status = iterate_wave(e, count, a_step, task, err);
        for (int i = 0; i < count; i++) {
            const block *b = &e->blocks[i];
            effort->most = b->iterations > effort->most ? b->iterations : effort->most;
            effort->all += b->row_iterations;
        }
        if (status == PL_OK && certifier == NULL) {
            status = finish_wave(e, count, task, err);
        }
        if (status == PL_OK) {
            const size_t end = rows - first < a_wave ? rows : first + a_wave;
            pl_task_progress(task, "rows", (double)end, (double)rows);
        }
    }
    if (status == PL_OK && certifier != NULL) {
        status = certifier->make(certifier->ctx, task, err);
    }
    for (size_t first = 0; status == PL_OK && certifier != NULL && first < rows; first += a_wave) {
        status = finish_wave(e, take_blocks(e, first), task, err);
    }
    return status;
}

pl_status pl_linf_run_rows(const pl_linf_frame *frame, const pl_linf_kernel *kernel,
                           const pl_linf_options *options, const pl_linf_certifier *certifier,
                           pl_warm *warm, float *w, pl_linf_bounds *bounds, pl_linf_effort *effort,
                           pl_task *task, pl_error *err)
{
    const size_t rows = frame->w0.rows, n = frame->n;
    const size_t block_rows = pl_linf_block_rows(rows, n);
    const int threads = pl_linalg_threads();
    engine e = {.threads = threads,
                .block_rows = block_rows,
                .frame = frame,
                .kernel = kernel,
                .options = options,
                .w = w,
                .bounds = bounds,
                .warm = warm};
    const bool stops = options->gap > 0.0;
    pl_status status = PL_OK;
    *effort = (pl_linf_effort){0};
    block *blocks = e.blocks = calloc((size_t)threads, sizeof *blocks);
    e.levels = calloc(rows * frame->groups + 1, sizeof *e.levels);
    bool room = blocks != NULL && e.levels != NULL;
    for (int i = 0; room && i < threads && (size_t)i * block_rows < rows; i++) {
        blocks[i].d = pl_alloc(block_rows * n, sizeof *blocks[i].d);
        blocks[i].work = pl_alloc(block_rows * n, sizeof *blocks[i].work);
        blocks[i].row = pl_alloc(block_rows, sizeof *blocks[i].row);
        blocks[i].own = stops ? pl_alloc(block_rows * n, sizeof *blocks[i].own) : NULL;
        room = blocks[i].d != NULL && blocks[i].work != NULL && blocks[i].row != NULL &&
               (blocks[i].own != NULL || !stops);
    }
    if (room) {
        status = run_waves(&e, certifier, effort, task, err);
    } else {
        status = pl_error_memory(err, "%d blocks of %zu x %zu", threads, block_rows, n);
    }
    for (int i = 0; blocks != NULL && i < threads; i++) {
        free(blocks[i].d);
        free(blocks[i].work);
        free(blocks[i].row);
        free(blocks[i].own);
    }
    free(e.levels);
    free(blocks);
    return status;
}
