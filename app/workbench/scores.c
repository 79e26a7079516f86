#include "app/workbench/scores.h"

#include <math.h>
#include <stdlib.h>

void pl_scores_deinit(pl_scores *scores)
{
    free(scores->overview.rows);
    free(scores->scored);
    *scores = (pl_scores){0};
}

void pl_scores_reset(pl_scores *scores, const pl_source *source)
{
    pl_scores_deinit(scores);
    const size_t n = source != NULL ? pl_model_layer_count(source->model) : 0;
    scores->overview.rows = calloc(n + 1, sizeof *scores->overview.rows);
    scores->scored = calloc(n + 1, sizeof *scores->scored);
    if (scores->overview.rows != NULL && scores->scored != NULL) {
        scores->overview.n = n;
    }
    for (size_t i = 0; i < scores->overview.n; i++) {
        scores->overview.rows[i] = pl_layer_row_empty();
    }
}

void pl_scores_forget(pl_scores *scores)
{
    for (size_t i = 0; i < scores->overview.n; i++) {
        scores->scored[i] = false;
        for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
            if (pl_columns[c].source == PL_OF_INPUTS) {
                scores->overview.rows[i].number[c] = NAN;
            }
        }
    }
    scores->failed = false;
}

void pl_scores_again(pl_scores *scores)
{
    for (size_t i = 0; i < scores->overview.n; i++) {
        scores->scored[i] = false;
    }
    scores->failed = false;
    scores->changes++;
}

void pl_scores_renew(pl_scores *scores, const pl_state *state)
{
    for (size_t i = 0; i < scores->overview.n; i++) {
        const pl_id *result = pl_state_result(state, i);
        if (result != NULL && !pl_id_equal(*result, scores->overview.rows[i].result)) {
            scores->scored[i] = false;
        }
    }
}

size_t pl_scores_next(const pl_scores *scores, size_t from, size_t most, size_t *first)
{
    const size_t n = scores->overview.n;
    size_t tried = 0, count = 0;
    if (scores->failed || n == 0) {
        return 0;
    }
    *first = from < n ? from : 0;
    while (tried < n && scores->scored[*first]) {
        *first = (*first + 1) % n;
        tried++;
    }
    while (tried < n && count < most && *first + count < n && !scores->scored[*first + count]) {
        count++;
    }
    return count;
}

void pl_scores_take(pl_scores *scores, size_t first, size_t count, const pl_layer_row *found)
{
    for (size_t i = 0; i < count; i++) {
        scores->overview.rows[first + i] = found[i];
        scores->scored[first + i] = true;
    }
}

void pl_scores_fail(pl_scores *scores, bool failed)
{
    scores->failed = failed;
}

void pl_scores_keep_solved(pl_scores *scores, const pl_call *call)
{
    for (size_t i = 0; i < call->n_solved; i++) {
        if (call->solved[i].layer < scores->overview.n) {
            pl_layer_row_solved(&scores->overview.rows[call->solved[i].layer],
                                call->solved[i].result, &call->solved[i].report);
        }
    }
}
