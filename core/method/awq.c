/* AWQ (Lin et al., MLSys 2024): scales by the activations' means, the exponent and the weights'
 * ranges searched.  Errors are measured through the Gram matrix, so all calibration tokens count:
 * ||X D^T||^2 / T = tr(D G D^T). */
#include "core/method/method_parts.h"

#include "core/base/checked.h"
#include "core/tensor/groups.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALPHAS = 20, SHRINKS = 10, SHRINK_STEPS = 20 };
static const float LEAST = 1e-4f; /* llm-awq's clamp of a scale */

enum { CLIP, POWERS, PARAMS };
static const pl_param params[PARAMS] = {
    [CLIP] = PL_CHOICE("clip", pl_no_yes, 1,
                       "Search each group's range, too: the whole one down to 55 % of it."),
    [POWERS] = PL_POWERS,
};

typedef struct search {
    const pl_site_input *in;
    bool powers;
    pl_grid grid; /* of the weights in w */
    size_t most_rows;
    float *scale, *best;     /* [n] */
    float *w, *lost, *moved; /* [most_rows, n]: scaled weights, their error, error times G */
} search;

static void free_search(search *s)
{
    free(s->scale);
    free(s->best);
    free(s->w);
    free(s->lost);
    free(s->moved);
}

static pl_status no_memory_awq(const search *s, pl_error *err)
{
    return pl_error_memory(err, "a search of %s", s->in->site);
}

static pl_status ready(search *s, pl_error *err)
{
    for (size_t i = 0; i < s->in->n_weights; i++) {
        s->most_rows =
            s->in->weights[i].rows > s->most_rows ? s->in->weights[i].rows : s->most_rows;
    }
    const size_t n = s->in->n, count = s->most_rows * n;
    s->scale = pl_alloc(n, sizeof(float));
    s->best = pl_alloc(n, sizeof(float));
    s->w = pl_alloc(count, sizeof(float));
    s->lost = pl_alloc(count, sizeof(float));
    s->moved = pl_alloc(count, sizeof(float));
    return s->scale != NULL && s->best != NULL && s->w != NULL && s->lost != NULL &&
                   s->moved != NULL
               ? PL_OK
               : no_memory_awq(s, err);
}

/* s = (mean|X|)^a over sqrt(max min) of it, maybe the next power of two. */
static void scale_of(const search *s, double a, float *scale)
{
    float low = INFINITY, high = 0.0f;
    for (size_t c = 0; c < s->in->n; c++) {
        scale[c] = fmaxf((float)pow((double)s->in->mean_abs[c], a), LEAST);
        low = fminf(low, scale[c]);
        high = fmaxf(high, scale[c]);
    }
    const float middle = sqrtf(low * high);
    for (size_t c = 0; c < s->in->n; c++) {
        scale[c] /= middle;
    }
    if (s->powers) {
        pl_round_to_powers(scale, s->in->n);
    }
}

/* Q(w) - w of one group, by the range shrunk to `keep` of it. */
static void group_loss(const pl_grid *grid, const float *w, size_t count, float keep, float *lost)
{
    memcpy(lost, w, count * sizeof *lost);
    pl_transform_clip_group(lost, count, (pl_act_range){keep, keep});
    grid->format->round(grid->bits, pl_grid_fit(grid, lost, count, 1), lost, count);
    for (size_t i = 0; i < count; i++) {
        lost[i] -= w[i];
    }
}

/* Errors of all rows' groups at column `at` by a share of their range, to s->lost. */
static void lose_groups(search *s, size_t rows, size_t at, size_t size, float share)
{
    const size_t n = s->in->n;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        group_loss(&s->grid, s->w + r * n + at, size, share, s->lost + r * n + at);
    }
}

/* (Q(s W) / s - W) of one layer, to s->lost. */
static void layer_loss(search *s, pl_view w)
{
    const size_t n = s->in->n, width = pl_group_width(n, s->in->grid->group_size);
    for (size_t r = 0; r < w.rows; r++) {
        for (size_t c = 0; c < n; c++) {
            s->w[r * n + c] = w.data[r * w.stride + c] * s->scale[c];
        }
    }
    pl_grid_begin(&s->grid, (pl_view){s->w, w.rows, n, n});
    for (size_t at = 0; at < n; at += width) {
        lose_groups(s, w.rows, at, n - at < width ? n - at : width, 1.0f);
    }
    for (size_t r = 0; r < w.rows; r++) {
        for (size_t c = 0; c < n; c++) {
            s->lost[r * n + c] /= s->scale[c];
        }
    }
}

/* tr(D G D^T) over the site's layers. */
static pl_status site_loss(search *s, double *out, pl_task *task, pl_error *err)
{
    const size_t n = s->in->n;
    *out = 0.0;
    for (size_t i = 0; i < s->in->n_weights; i++) {
        const size_t rows = s->in->weights[i].rows;
        layer_loss(s, s->in->weights[i]);
        const pl_status status =
            pl_gemm_nt_tick(rows, n, n, s->lost, n, s->in->gram, n, s->moved, n, task, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t r = 0; r < rows; r++) {
            double sum = 0.0;
            for (size_t c = 0; c < n; c++) {
                sum += (double)s->lost[r * n + c] * (double)s->moved[r * n + c];
            }
            *out += sum;
        }
    }
    return PL_OK;
}

static pl_status search_scale(search *s, pl_task *task, pl_error *err)
{
    const size_t n = s->in->n;
    double least = INFINITY;
    for (int i = 0; i < ALPHAS; i++) {
        double loss = 0.0;
        scale_of(s, (double)i / ALPHAS, s->scale);
        pl_status status = site_loss(s, &loss, task, err);
        if (status != PL_OK) {
            return status;
        }
        if (loss < least) {
            least = loss;
            memcpy(s->best, s->scale, n * sizeof *s->best);
        }
    }
    return isfinite(least) ? PL_OK
                           : pl_error_set(err, PL_ERR_NUMERIC,
                                          "%s: no exponent gives a finite error", s->in->site);
}

/* e[rows] = the error of each row's group at column `at`: d G_kk d^T. */
static void group_errors(const search *s, const float *gram, size_t at, size_t width, size_t rows,
                         double *e)
{
    const size_t n = s->in->n;
    pl_gemm_nt(rows, width, width, 1.0f, s->lost + at, n, gram + at * n + at, n, 0.0f,
               s->moved + at, n);
    for (size_t r = 0; r < rows; r++) {
        e[r] = 0.0;
        for (size_t c = at; c < at + width; c++) {
            e[r] += (double)s->lost[r * n + c] * (double)s->moved[r * n + c];
        }
    }
}

/* The share of the range of each group of a layer's transformed rows (in s->w) that costs least:
 * keep[rows, groups].  llm-awq measures on about 512 tokens; here all count. */
static pl_status search_layer(search *s, const float *gram, size_t rows, int shrinks,
                              pl_act_range *keep, pl_task *task, pl_error *err)
{
    const size_t n = s->in->n, width = pl_group_width(n, s->in->grid->group_size);
    const size_t groups = pl_grid_groups(s->in->grid, n);
    double *least = pl_alloc(rows, sizeof *least), *e = pl_alloc(rows, sizeof *e);
    pl_status status = least != NULL && e != NULL ? PL_OK : no_memory_awq(s, err);
    pl_grid_begin(&s->grid, (pl_view){s->w, rows, n, n});
    for (size_t k = 0; status == PL_OK && k < groups; k++) {
        const size_t at = k * width, size = n - at < width ? n - at : width;
        for (int i = 0; status == PL_OK && i < shrinks; i++) {
            const float share = 1.0f - (float)i / SHRINK_STEPS;
            lose_groups(s, rows, at, size, share);
            group_errors(s, gram, at, size, rows, e);
            for (size_t r = 0; r < rows; r++) {
                if (i == 0 || e[r] < least[r]) {
                    least[r] = e[r];
                    keep[r * groups + k] = (pl_act_range){share, share};
                }
            }
            status = pl_task_tick(task, err);
        }
    }
    free(least);
    free(e);
    return status;
}

static pl_status search_clip(search *s, pl_transform *t, pl_task *task, pl_error *err)
{
    const size_t n = s->in->n, groups = pl_grid_groups(s->in->grid, n);
    size_t all = 0, first = 0;
    for (size_t i = 0; i < s->in->n_weights; i++) {
        all += s->in->weights[i].rows;
    }
    float *gram = pl_alloc(n * n, sizeof *gram);
    pl_act_range *keep = pl_alloc(all * groups, sizeof *keep);
    pl_status status = gram != NULL && keep != NULL
                           ? pl_transform_gram(t, s->in->gram, gram, task, err)
                           : no_memory_awq(s, err);
    for (size_t i = 0; status == PL_OK && i < s->in->n_weights; i++) {
        const pl_view w = s->in->weights[i];
        for (size_t r = 0; r < w.rows; r++) {
            memcpy(s->w + r * n, w.data + r * w.stride, n * sizeof *s->w);
        }
        status = pl_transform_weights(t, s->w, w.rows, task, err);
        if (status == PL_OK) {
            const bool whole = s->in->whole_range != NULL && s->in->whole_range[i];
            status = search_layer(s, gram, w.rows, whole ? 1 : SHRINKS, keep + first * groups, task,
                                  err);
        }
        first += w.rows;
    }
    PL_THEN(pl_transform_set_clip(t, keep, all, s->in->grid->group_size, err));
    free(gram);
    free(keep);
    return status;
}

static pl_status make_awq(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                          pl_task *task, pl_error *err)
{
    *out = NULL;
    if (in->grid == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: awq searches for what suits a rounder: choose one, e.g. "
                            "`method rtn`",
                            in->site);
    }
    search s = {.in = in, .powers = spec->values[POWERS] > 0.0, .grid = *in->grid};
    pl_transform *t = NULL;
    pl_status status = ready(&s, err);
    PL_THEN(search_scale(&s, task, err));
    for (size_t c = 0; status == PL_OK && c < in->n; c++) {
        s.scale[c] = 1.0f / s.best[c];
    }
    PL_THEN(pl_transform_scaling(in->n, s.scale, &t, err));
    if (status == PL_OK && spec->values[CLIP] > 0.0) {
        status = search_clip(&s, t, task, err);
    }
    free_search(&s);
    if (status != PL_OK) {
        pl_transform_destroy(t);
        t = NULL;
    }
    *out = t;
    return status;
}

const pl_method pl_method_awq = {
    .name = "awq",
    .title = "AWQ",
    .slot = PL_SLOT_TRANSFORM,
    .summary = "A scale a channel by mean |X|, searched for the rounder's grid, with its ranges "
               "(Lin et al., MLSys 2024).",
    .params = params,
    .n_params = PARAMS,
    .suits_rounder = true,
    .transform = make_awq,
};
