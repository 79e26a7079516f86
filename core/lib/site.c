#include "core/lib/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that make one partial sum: as the program takes inputs that are given to it. */
enum { ROWS = 512 };

static pl_status sum_up(pl_view x, pl_site_stats *out, pl_error *err)
{
    pl_stats *stats = NULL;
    int32_t ids[ROWS];
    memset(ids, 0xff, sizeof ids); /* the tokens are not known */
    float *rows = x.stride != x.cols ? malloc(ROWS * x.cols * sizeof *rows) : NULL;
    pl_status status = x.stride != x.cols && rows == NULL
                           ? pl_error_memory(err, "%d rows of X", ROWS)
                           : pl_stats_create(x.cols, (x.rows + ROWS - 1) / ROWS, 0, &stats, err);
    for (size_t first = 0; status == PL_OK && first < x.rows; first += ROWS) {
        const size_t count = x.rows - first < ROWS ? x.rows - first : ROWS;
        const float *piece = x.data + first * x.stride;
        for (size_t r = 0; rows != NULL && r < count; r++) {
            memcpy(rows + r * x.cols, piece + r * x.stride, x.cols * sizeof *rows);
        }
        status = pl_stats_add(stats, first / ROWS, rows != NULL ? rows : piece, count, first, ids,
                              NULL, 0, NULL, err);
    }
    PL_THEN(pl_stats_finish(stats, out, err));
    pl_stats_destroy(stats);
    free(rows);
    return status;
}

void planish_site_destroy(planish_site *site)
{
    if (site != NULL) {
        pl_factors_destroy(site->factors);
        pl_site_stats_deinit(&site->stats);
        free(site->own);
        free(site);
    }
}

static pl_status begin_lib_site(planish_site **out, pl_error *err)
{
    *out = NULL;
    pl_status status = pl_lib_enter(err);
    if (status == PL_OK && (*out = calloc(1, sizeof **out)) == NULL) {
        status = pl_error_memory(err, "a site");
    }
    return status;
}

/* The end of making a site whose Gram matrix is known. */
static int finish_lib_site(pl_status status, double tokens, planish_site **site, pl_error *from,
                           planish_error *err)
{
    if (status == PL_OK) {
        status = pl_factors_create(&(*site)->gram, tokens, "the site", &(*site)->factors, from);
    }
    if (status != PL_OK) {
        planish_site_destroy(*site);
        *site = NULL;
    }
    return pl_lib_leave(status, from, err);
}

int planish_site_from_inputs(const float *x, size_t tokens, size_t n, size_t stride,
                             planish_site **out, planish_error *err)
{
    pl_error error = {0};
    pl_view view;
    pl_status status = begin_lib_site(out, &error);
    PL_THEN(pl_lib_view("X", x, tokens, n, stride, &view, &error));
    PL_THEN(sum_up(view, &(*out)->stats, &error));
    if (status == PL_OK) {
        (*out)->gram = pl_site_stats_gram(&(*out)->stats);
    }
    return finish_lib_site(status, (double)tokens, out, &error, err);
}

int planish_site_from_gram(const float *gram, size_t n, double tokens, planish_site **out,
                           planish_error *err)
{
    pl_error error = {0};
    pl_view view;
    pl_status status = begin_lib_site(out, &error);
    PL_THEN(pl_lib_view("the Gram matrix", gram, n, n, n, &view, &error));
    if (status == PL_OK && !(tokens >= 1.0 && isfinite(tokens))) {
        status = pl_error_set(
            &error, PL_ERR_USAGE,
            "planish: %g tokens: expected how many rows of X the Gram matrix is of", tokens);
    }
    for (size_t i = 0; status == PL_OK && i < n * n; i++) {
        const size_t row = i / n, column = i % n;
        if (gram[i] != gram[column * n + row]) {
            status = pl_error_set(&error, PL_ERR_NUMERIC,
                                  "planish: the Gram matrix is not symmetric at [%zu, %zu]", row,
                                  column);
        }
    }
    if (status == PL_OK) {
        (*out)->gram = (pl_sym){.n = n, .square = gram};
    }
    return finish_lib_site(status, tokens, out, &error, err);
}

size_t planish_site_channels(const planish_site *site)
{
    return site->gram.n;
}

double planish_site_tokens(const planish_site *site)
{
    return pl_factors_tokens(site->factors);
}

const float *planish_site_gram(const planish_site *site)
{
    return site->gram.square;
}

/* --- transforms ------------------------------------------------------------------------------- */

struct planish_transform {
    pl_transform *t;
};

static pl_status make_site_transform(const planish_site *site, const pl_spec *spec,
                                     const pl_grid *grid, const float *const *weights,
                                     const size_t *rows, size_t count, planish_transform *out,
                                     pl_error *err)
{
    const size_t n = site->gram.n;
    const bool seen = site->stats.tokens > 0.0;
    if (spec->method->learned || (!spec->method->blind && !seen)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "planish: %s %s", spec->method->name,
                            spec->method->learned
                                ? "is learned in steps, which only the program does"
                                : "needs the inputs of the site, not only their Gram matrix");
    }
    pl_view *views = calloc(count > 0 ? count : 1, sizeof *views);
    pl_status status = views != NULL ? PL_OK : pl_error_memory(err, "%zu weights", count);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = pl_lib_view("a weight", weights[i], rows[i], n, n, &views[i], err);
    }
    const pl_site_input in = {
        .site = "the site",
        .n = n,
        .weights = views,
        .n_weights = count,
        .gram = seen ? site->gram.square : NULL,
        .max_abs = site->stats.max,
        .mean_abs = site->stats.mean_abs,
        .sample = {NULL, 0, n, n},
        .grid = grid,
    };
    PL_THEN(spec->method->transform(spec, &in, &out->t, NULL, err));
    free(views);
    return status;
}

int planish_transform_create(planish_site *site, const char *method, const char *round,
                             const float *const *weights, const size_t *rows, size_t count,
                             planish_transform **out, planish_error *err)
{
    pl_error error = {0};
    pl_spec spec, rounder = {0};
    pl_grid grid = {0};
    *out = NULL;
    pl_status status = pl_lib_enter(&error);
    PL_THEN(pl_lib_given("the site", site, &error));
    PL_THEN(pl_lib_spec(method, PL_SLOT_TRANSFORM, &spec, &error));
    if (count > 0) {
        PL_THEN(pl_lib_given("weights", weights, &error));
        PL_THEN(pl_lib_given("rows", rows, &error));
    }
    if (status == PL_OK && round != NULL &&
        (status = pl_lib_spec(round, PL_SLOT_ROUND, &rounder, &error)) == PL_OK) {
        grid = pl_spec_grid(&rounder);
    }
    if (status == PL_OK && (*out = calloc(1, sizeof **out)) == NULL) {
        status = pl_error_memory(&error, "a transform");
    }
    PL_THEN(make_site_transform(site, &spec, round != NULL ? &grid : NULL, weights, rows, count,
                                *out, &error));
    if (status != PL_OK) {
        free(*out);
        *out = NULL;
    }
    return pl_lib_leave(status, &error, err);
}

/* A transform, and the finite rows that it is to turn; no rows are fine. */
static pl_status check_turned(const planish_transform *t, const char *what, const float *x,
                              size_t rows, pl_error *err)
{
    pl_view view;
    pl_status status = pl_lib_given("the transform", t, err);
    return status == PL_OK && rows > 0
               ? pl_lib_view(what, x, rows, pl_transform_n(t->t), pl_transform_n(t->t), &view, err)
               : status;
}

int planish_transform_inputs(const planish_transform *t, float *x, size_t rows, int back,
                             planish_error *err)
{
    pl_error error = {0};
    pl_status status = pl_lib_enter(&error);
    PL_THEN(check_turned(t, "X", x, rows, &error));
    PL_THEN(back ? pl_transform_inputs_back(t->t, x, rows, NULL, &error)
                 : pl_transform_inputs(t->t, x, rows, NULL, &error));
    return pl_lib_leave(status, &error, err);
}

int planish_transform_weights(const planish_transform *t, float *w, size_t rows, int back,
                              planish_error *err)
{
    pl_error error = {0};
    pl_status status = pl_lib_enter(&error);
    PL_THEN(check_turned(t, "W", w, rows, &error));
    PL_THEN(back ? pl_transform_weights_back(t->t, w, rows, NULL, &error)
                 : pl_transform_weights(t->t, w, rows, NULL, &error));
    return pl_lib_leave(status, &error, err);
}

int planish_transform_site(const planish_transform *t, const planish_site *site, planish_site **out,
                           planish_error *err)
{
    pl_error error = {0};
    pl_status status = begin_lib_site(out, &error);
    PL_THEN(pl_lib_given("the transform", t, &error));
    PL_THEN(pl_lib_given("the site", site, &error));
    const size_t n = status == PL_OK ? site->gram.n : 0;
    if (status == PL_OK && pl_transform_n(t->t) != n) {
        status = pl_error_set(&error, PL_ERR_STATE,
                              "planish: the transform is of %zu channels, the site has %zu",
                              pl_transform_n(t->t), n);
    }
    if (status == PL_OK && ((*out)->own = malloc(n * n * sizeof(float))) == NULL) {
        status = pl_error_memory(&error, "a Gram matrix of %zu channels", n);
    }
    PL_THEN(pl_transform_gram(t->t, site->gram.square, (*out)->own, NULL, &error));
    if (status == PL_OK) {
        (*out)->gram = (pl_sym){.n = n, .square = (*out)->own};
    }
    return finish_lib_site(status, status == PL_OK ? planish_site_tokens(site) : 0.0, out, &error,
                           err);
}

void planish_transform_destroy(planish_transform *t)
{
    if (t != NULL) {
        pl_transform_destroy(t->t);
        free(t);
    }
}
