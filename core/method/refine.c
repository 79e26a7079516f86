#include "core/base/checked.h"
#include "core/method/method_parts.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>

/* Rows at a time: what is left of them stays in a core's cache while G goes by. */
enum { ROWS = 16 };

/* A step that lowers the error by less than this share of what it moves is rounding. */
static const double LEAST_GAIN = 1e-12;

typedef struct refinement {
    const pl_layer_input *in;
    pl_qweights *q;
    const float *gram;  /* [n, n] */
    const float *cross; /* [n, n], or NULL */
    double follows;     /* what share of it the rounder makes up for */
    int sweeps;
} refinement;

/* One thread's room. */
typedef struct refine_space {
    float *rounded; /* [ROWS, n] */
    double *left;   /* [ROWS, n]: minus half the error's gradient, (w - q) G + follows w D */
} refine_space;

PL_CLONES
static void add_scaled_row(double *restrict to, const float *restrict from, double factor,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += factor * (double)from[i];
    }
}

static pl_grid_param param_of(const pl_qweights *q, size_t row, size_t column)
{
    const size_t at = row * q->groups + q->group_of[column];
    return (pl_grid_param){q->scales[at], q->zeros[at]};
}

static void begin_rows(const refinement *job, size_t first, size_t count, const refine_space *space)
{
    const size_t n = job->q->cols;
    pl_qweights part = *job->q;
    part.rows = count;
    part.codes += first * n;
    part.scales += first * part.groups;
    part.zeros += first * part.groups;
    pl_qweights_decode(&part, space->rounded);
    for (size_t i = 0; i < count * n; i++) {
        space->left[i] = 0.0;
    }
    for (size_t j = 0; j < n; j++) {
        for (size_t r = 0; r < count; r++) {
            const double w = (double)job->in->w.data[(first + r) * job->in->w.stride + j];
            const double lost = w - (double)space->rounded[r * n + j];
            add_scaled_row(space->left + r * n, job->gram + j * n, lost, n);
            if (job->cross != NULL) {
                add_scaled_row(space->left + r * n, job->cross + j * n, job->follows * w, n);
            }
        }
    }
}

/* Moves one weight to the best level there is for it while the others stay.  The error changes by
 * d^2 G_ii - 2 d left_i, exactly; whether it falls. */
static bool move_weight(const refinement *job, size_t row, size_t i, float *rounded, double *left)
{
    const size_t n = job->q->cols;
    const double energy = (double)job->gram[i * n + i];
    if (!(energy > 0.0)) {
        return false;
    }
    const pl_grid_param param = param_of(job->q, row, i);
    const pl_grid *grid = &job->q->grid;
    const int code = pl_grid_code(grid, param, (float)((double)rounded[i] + left[i] / energy));
    const float value = pl_grid_value(grid, param, code);
    const double d = (double)value - (double)rounded[i];
    if (!(d * d * energy - 2.0 * d * left[i] < -LEAST_GAIN * d * d * energy)) {
        return false;
    }
    job->q->codes[row * n + i] = (int16_t)code;
    rounded[i] = value;
    add_scaled_row(left, job->gram + i * n, -d, n);
    return true;
}

/* How many weights moved. */
static size_t refine_rows(const refinement *job, size_t first, size_t count,
                          const refine_space *space)
{
    const size_t n = job->q->cols;
    size_t all = 0, moved = 1;
    begin_rows(job, first, count, space);
    for (int sweep = 0; sweep < job->sweeps && moved > 0; sweep++) {
        moved = 0;
        for (size_t r = 0; r < count; r++) {
            for (size_t i = 0; i < n; i++) {
                moved +=
                    move_weight(job, first + r, i, space->rounded + r * n, space->left + r * n);
            }
        }
        all += moved;
    }
    return all;
}

static pl_status refine_all(const refinement *job, pl_task *task, pl_error *err)
{
    const size_t rows = job->q->rows, n = job->q->cols;
    const size_t threads = (size_t)pl_linalg_threads();
    refine_space *spaces = calloc(threads, sizeof *spaces);
    bool room = spaces != NULL;
    for (size_t i = 0; room && i < threads; i++) {
        spaces[i] =
            (refine_space){pl_alloc(ROWS * n, sizeof(float)), pl_alloc(ROWS * n, sizeof(double))};
        room = spaces[i].rounded != NULL && spaces[i].left != NULL;
    }
    pl_status status = room ? PL_OK : pl_error_memory(err, "%zu rows of %zu weights", rows, n);
    for (size_t first = 0; status == PL_OK && first < rows; first += threads * ROWS) {
        const size_t end = rows - first < threads * ROWS ? rows : first + threads * ROWS;
#pragma omp parallel for schedule(static, 1)
        for (size_t at = first; at < end; at += ROWS) {
            (void)refine_rows(job, at, end - at < ROWS ? end - at : ROWS,
                              &spaces[(at - first) / ROWS]);
        }
        status = pl_task_tick(task, err);
    }
    for (size_t i = 0; spaces != NULL && i < threads; i++) {
        free(spaces[i].rounded);
        free(spaces[i].left);
    }
    free(spaces);
    return status;
}

static pl_status refine(const pl_spec *spec, const pl_layer_input *in, pl_qweights *q,
                        pl_task *task, pl_error *err)
{
    const pl_sym *gram = pl_factors_gram(in->factors);
    float *square = NULL;
    if (gram->square == NULL) {
        square = pl_alloc(gram->n * gram->n, sizeof *square);
        if (square == NULL) {
            return pl_error_memory(err, "a Gram matrix of %zu channels", gram->n);
        }
        pl_sym_square(gram, square);
    }
    const refinement job = {
        .in = in,
        .q = q,
        .gram = square != NULL ? square : gram->square,
        .cross = spec->method->follows != NULL ? pl_factors_cross(in->factors) : NULL,
        .follows = spec->method->follows != NULL ? spec->method->follows(spec) : 0.0,
        .sweeps = (int)spec->values[PL_GRID_REFINE],
    };
    pl_factors_hold(in->factors);
    pl_status status = refine_all(&job, task, err);
    pl_factors_release(in->factors);
    free(square);
    return status;
}

pl_status pl_round(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                   pl_method_report *report, pl_task *task, pl_error *err)
{
    pl_status status = spec->method->round(spec, in, out, report, task, err);
    if (status != PL_OK || !(spec->values[PL_GRID_REFINE] > 0.0)) {
        return status;
    }
    status = refine(spec, in, out, task, err);
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    } else if (in->watch != NULL) {
        in->watch->done(in->watch->ctx, 0, in->w.rows);
    }
    return status;
}
