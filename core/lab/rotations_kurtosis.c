/* KurTail's loss: the mean kurtosis of the stored rows of what R1 and R2 turn. */
#include "core/base/checked.h"
#include "core/lab/rotations_parts.h"
#include "core/learn/kurtosis.h"
#include "core/method/rotations.h"
#include "core/model/stream.h"

#include <stdlib.h>
#include <string.h>

/* Rows of one input: of the stream behind a norm without its gain, or of heads. */
typedef struct part {
    size_t block;
    bool heads;
    size_t rows, n;
    float *x;
} part;

typedef struct data {
    part *parts;
    size_t count;
} data;

static void free_data(void *ctx)
{
    data *d = ctx;
    for (size_t i = 0; i < d->count; i++) {
        free(d->parts[i].x);
    }
    free(d->parts);
    free(d);
}

/* rows x diag(1 / gain). */
static pl_status undo_gain(const pl_rotations_problem *p, size_t site, part *to, pl_error *err)
{
    pl_model *model = p->cx.state->source->model;
    float *gain = pl_alloc(to->n, sizeof *gain);
    pl_status status = gain != NULL ? pl_model_stream_gain(model, site, gain, err)
                                    : pl_error_memory(err, "a norm");
    for (size_t i = 0; status == PL_OK && i < to->rows * to->n; i++) {
        to->x[i] = gain[i % to->n] != 0.0f ? to->x[i] / gain[i % to->n] : 0.0f;
    }
    free(gain);
    return status;
}

/* Rows spread evenly over the stored ones. */
static pl_status take_rows(const pl_rotations_problem *p, size_t site, size_t most, part *to,
                           pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status =
        pl_lab_load_site(p->cx, p->calibration, site, PL_GRAM_NONE, true, &stats, err);
    if (status != PL_OK) {
        return status;
    }
    to->n = stats.n;
    to->rows = stats.sample_rows < most ? stats.sample_rows : most;
    to->x = pl_alloc(to->rows * to->n, sizeof *to->x);
    for (size_t r = 0; to->x != NULL && r < to->rows; r++) {
        const size_t from = r * stats.sample_rows / to->rows;
        memcpy(to->x + r * to->n, stats.sample + from * to->n, to->n * sizeof *to->x);
    }
    status = to->x != NULL || to->rows == 0 ? PL_OK : pl_error_memory(err, "rows to learn on");
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status kurtosis_of(void *ctx, const pl_learned_rotations *rotations, uint64_t step,
                             double *loss, float *g1, float *g2, pl_task *task, pl_error *err)
{
    const data *d = ctx;
    const size_t wide = rotations->hidden * rotations->hidden;
    const size_t small = rotations->head * rotations->head;
    (void)step;
    float *scratch = g1 == NULL ? calloc(wide + small * rotations->blocks, sizeof *scratch) : NULL;
    if (g1 == NULL) {
        if (scratch == NULL) {
            return pl_error_memory(err, "the kurtosis of rows");
        }
        g1 = scratch;
        g2 = scratch + wide;
    }
    memset(g1, 0, wide * sizeof *g1);
    memset(g2, 0, small * rotations->blocks * sizeof *g2);
    pl_status status = PL_OK;
    double sum = 0.0, rows = 0.0;
    for (size_t i = 0; status == PL_OK && i < d->count; i++) {
        const part *p = &d->parts[i];
        const size_t at = p->block * small;
        status = p->heads ? pl_kurtosis_add(p->x, p->rows, p->n, rotations->r2 + at,
                                            rotations->head, &sum, g2 + at, task, err)
                          : pl_kurtosis_add(p->x, p->rows, p->n, rotations->r1, rotations->hidden,
                                            &sum, g1, task, err);
        rows += (double)p->rows;
    }
    *loss = rows > 0.0 ? sum / rows : 0.0;
    free(scratch);
    return status;
}

pl_status pl_rotations_kurtosis(const pl_rotations_problem *p, pl_rotations_loss *out,
                                pl_error *err)
{
    const pl_model *model = p->cx.state->source->model;
    const size_t sites = pl_model_site_count(model);
    const size_t most = (size_t)p->spec->values[PL_ROTATIONS_BATCH];
    data *d = calloc(1, sizeof *d);
    *out = (pl_rotations_loss){0};
    if (d == NULL || (d->parts = calloc(sites, sizeof *d->parts)) == NULL) {
        free(d);
        return pl_error_memory(err, "rows to learn on");
    }
    pl_status status = PL_OK;
    for (size_t s = 0; status == PL_OK && s < sites; s++) {
        const pl_site *site = pl_model_site(model, s);
        if (site->role == PL_SITE_DOWN) {
            continue;
        }
        part *to = &d->parts[d->count++];
        *to = (part){.block = site->block, .heads = site->role == PL_SITE_O};
        status = take_rows(p, s, most, to, err);
        if (status == PL_OK && !to->heads) {
            status = undo_gain(p, s, to, err);
        }
    }
    if (status != PL_OK) {
        free_data(d);
        return status;
    }
    *out = (pl_rotations_loss){.ctx = d, .value = kurtosis_of, .end = free_data, .shares = true};
    return PL_OK;
}
