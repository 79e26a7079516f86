#include "core/calib/cross.h"

#include "core/base/checked.h"
#include "core/calib/gram.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 144 };

struct pl_cross {
    size_t n;
    float *sum;            /* [n, n] */
    float *noted, *differ; /* [capacity, n]: X0, and X0 - X */
    uint32_t *at;          /* [capacity] */
    size_t rows, capacity; /* noted */
};

void pl_cross_destroy(pl_cross *cross)
{
    if (cross != NULL) {
        free(cross->sum);
        free(cross->noted);
        free(cross->differ);
        free(cross->at);
        free(cross);
    }
}

pl_status pl_cross_create(size_t n, pl_cross **out, pl_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out != NULL) {
        (*out)->n = n;
        (*out)->sum = calloc(n * n, sizeof *(*out)->sum);
    }
    if (*out == NULL || (*out)->sum == NULL) {
        pl_cross_destroy(*out);
        *out = NULL;
        return pl_error_memory(err, "the products of the inputs of %zu channels", n);
    }
    return PL_OK;
}

/* Room for so many rows; what was noted is lost. */
static pl_status reserve(pl_cross *cross, size_t rows, pl_error *err)
{
    if (rows <= cross->capacity) {
        return PL_OK;
    }
    free(cross->noted);
    free(cross->differ);
    free(cross->at);
    cross->noted = pl_alloc(rows * cross->n, sizeof *cross->noted);
    cross->differ = pl_alloc(rows * cross->n, sizeof *cross->differ);
    cross->at = pl_alloc(rows, sizeof *cross->at);
    const bool room = cross->noted != NULL && cross->differ != NULL && cross->at != NULL;
    cross->capacity = room ? rows : 0;
    return room ? PL_OK : pl_error_memory(err, "%zu rows of %zu channels", rows, cross->n);
}

pl_status pl_cross_note(pl_cross *cross, const float *x, size_t rows, const uint32_t *at,
                        pl_error *err)
{
    cross->rows = 0;
    pl_status status = reserve(cross, rows, err);
    if (status != PL_OK) {
        return status;
    }
    cross->rows = rows;
    memcpy(cross->noted, x, rows * cross->n * sizeof *x);
    for (size_t r = 0; r < rows; r++) {
        cross->at[r] = at != NULL ? at[r] : (uint32_t)r;
    }
    return PL_OK;
}

/* differ[rows, n] = X0 - X, 0 for tokens that were not noted. */
static void subtract(pl_cross *cross, float *differ, const float *x, size_t rows,
                     const uint32_t *at)
{
    const size_t n = cross->n;
    for (size_t r = 0, known = 0; r < rows; r++) {
        const uint32_t token = at != NULL ? at[r] : (uint32_t)r;
        while (known < cross->rows && cross->at[known] < token) {
            known++;
        }
        const bool both = known < cross->rows && cross->at[known] == token;
        for (size_t i = 0; i < n; i++) {
            differ[r * n + i] = both ? cross->noted[known * n + i] - x[r * n + i] : 0.0f;
        }
    }
}

pl_status pl_cross_add(pl_cross *cross, const float *x, size_t rows, const uint32_t *at,
                       pl_error *err)
{
    const size_t n = cross->n;
    float *differ = cross->differ, *own = NULL;
    if (rows > cross->capacity) { /* more tokens than the original has sent here */
        differ = own = pl_alloc(rows * n, sizeof *own);
        if (own == NULL) {
            return pl_error_memory(err, "%zu rows of %zu channels", rows, n);
        }
    }
    if (rows > 0) {
        subtract(cross, differ, x, rows, at);
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t first = 0; first < n; first += TILE) {
            pl_gemm_tn(n - first < TILE ? n - first : TILE, n, rows, differ + first, n, x, n, 1.0f,
                       cross->sum + first * n, n);
        }
    }
    free(own);
    return PL_OK;
}

float *pl_cross_take(pl_cross *cross, double tokens)
{
    float *sum = cross->sum;
    if (tokens > 0.0) {
        pl_gram_divide(sum, tokens, cross->n * cross->n);
    }
    cross->sum = NULL;
    return sum;
}

size_t pl_cross_bytes(size_t n, size_t rows)
{
    return sizeof(pl_cross) + sizeof(float) * n * (n + 2 * rows) + sizeof(uint32_t) * rows;
}
