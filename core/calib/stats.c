#include "core/calib/stats.h"

#include "core/base/checked.h"
#include "core/calib/gram.h"
#include "core/calib/moments.h"
#include "core/calib/tree.h"
#include "core/tensor/linalg.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A partial result. */
typedef struct node {
    pl_tree_node at;
    pl_moments moments;
    float *gram; /* upper triangle, rows one after the other: X^T X, not divided by T */
    void *storage;
} node;

typedef struct sampled {
    uint32_t position, window, row;
    size_t slot; /* row of `sample` */
} sampled;

struct pl_stats {
    size_t n, added;
    size_t triangle; /* n (n + 1) / 2 */
    pl_tree tree;    /* of the partials */
    bool *seen;      /* [windows] */
    bool spoiled;
    pl_gram work;
    pl_moments right; /* of a window whose left neighbour is there */
    void *right_storage;
    node *spare;
    uint64_t histogram[PL_HIST_BINS];
    float *sample; /* [capacity, n] */
    sampled *rows; /* [capacity] */
    size_t capacity, n_rows;
    uint32_t *places; /* of a part */
};

pl_sym pl_site_stats_gram(const pl_site_stats *stats)
{
    return (pl_sym){.n = stats->n, .square = stats->gram, .packed = stats->triangle};
}

void pl_site_stats_deinit(pl_site_stats *stats)
{
    free(stats->gram);
    free(stats->triangle);
    free(stats->cross);
    free(stats->max);
    free(stats->max_position);
    free(stats->max_token);
    free(stats->mean_abs);
    free(stats->rms);
    free(stats->mean);
    free(stats->kurtosis);
    free(stats->sample);
    free(stats->sample_position);
    *stats = (pl_site_stats){0};
}

/* A partial that is in the tree, or none. */
static node *node_of(pl_tree_node *at)
{
    return (node *)(void *)at;
}

size_t pl_stats_bytes(size_t n, size_t windows, size_t sample_rows)
{
    const double triangle = 4.0 * (double)n * ((double)n + 1.0) / 2.0;
    const double partial = triangle + (double)pl_moments_bytes(n);
    const double partials = (double)pl_tree_most_nodes(windows);
    /* Partials, one of which becomes the result, the scratch, the sample twice. */
    const double bytes = partials * partial + (double)pl_gram_bytes(n) +
                         8.0 * (double)n * (double)sample_rows + (double)pl_moments_bytes(n) +
                         64.0 * (double)n;
    return bytes < 9e18 ? (size_t)bytes : SIZE_MAX;
}

static void node_destroy(node *nd)
{
    if (nd != NULL) {
        free(nd->gram);
        free(nd->storage);
        free(nd);
    }
}

static void list_destroy(pl_tree_node *list)
{
    while (list != NULL) {
        pl_tree_node *next = list->next;
        node_destroy(node_of(list));
        list = next;
    }
}

void pl_stats_destroy(pl_stats *stats)
{
    if (stats != NULL) {
        list_destroy(stats->tree.nodes);
        list_destroy((pl_tree_node *)stats->spare);
        free(stats->seen);
        pl_gram_deinit(&stats->work);
        free(stats->right_storage);
        free(stats->sample);
        free(stats->rows);
        free(stats->places);
        free(stats);
    }
}

pl_status pl_stats_create(size_t n, size_t windows, size_t sample_rows, pl_stats **out,
                          pl_error *err)
{
    *out = NULL;
    assert(n > 0 && windows > 0);
    pl_stats *stats = calloc(1, sizeof *stats);
    size_t square = 0, sampled_values = 0;
    bool fits = stats != NULL && pl_mul(n, n, &square) && pl_mul(n, sample_rows, &sampled_values);
    if (fits) {
        stats->n = n;
        stats->triangle = pl_packed_size(n);
        stats->tree = (pl_tree){.windows = windows, .root = pl_tree_levels(windows)};
        stats->capacity = sample_rows;
        stats->seen = calloc(windows, sizeof *stats->seen);
        const bool works = pl_gram_init(&stats->work, n);
        stats->right_storage = pl_alloc(1, pl_moments_bytes(n));
        stats->sample = pl_alloc(sampled_values, sizeof(float));
        stats->rows = pl_alloc(sample_rows, sizeof *stats->rows);
        fits = works && stats->seen != NULL && stats->right_storage != NULL &&
               stats->sample != NULL && stats->rows != NULL;
    }
    if (!fits) {
        pl_stats_destroy(stats);
        return pl_error_memory(err, "the statistics of %zu channels", n);
    }
    pl_moments_place(&stats->right, n, stats->right_storage);
    *out = stats;
    return PL_OK;
}

/* A node to fill: a spare one, or a new one. */
static pl_status take_node(pl_stats *stats, node **out, pl_error *err)
{
    *out = stats->spare;
    if (*out != NULL) {
        stats->spare = node_of((*out)->at.next);
        return PL_OK;
    }
    node *nd = calloc(1, sizeof *nd);
    if (nd != NULL) {
        nd->gram = pl_alloc(stats->triangle, sizeof(float));
        nd->storage = pl_alloc(1, pl_moments_bytes(stats->n));
    }
    if (nd == NULL || nd->gram == NULL || nd->storage == NULL) {
        node_destroy(nd);
        return pl_error_memory(err, "the Gram matrix of %zu channels", stats->n);
    }
    pl_moments_place(&nd->moments, stats->n, nd->storage);
    *out = nd;
    return PL_OK;
}

static void give_back(pl_stats *stats, node *nd)
{
    nd->at.next = (pl_tree_node *)stats->spare;
    stats->spare = nd;
}

static void join_nodes(void *ctx, pl_tree_node *left, pl_tree_node *right)
{
    pl_stats *stats = ctx;
    node *into = node_of(left), *from = node_of(right);
    pl_gram_join(into->gram, from->gram, stats->triangle);
    pl_moments_join(&into->moments, &from->moments);
    give_back(stats, from);
}

static void insert_node(pl_stats *stats, node *nd, unsigned level, size_t index)
{
    nd->at.level = level;
    nd->at.index = index;
    pl_tree_insert(&stats->tree, &nd->at, join_nodes, stats);
}

static void keep_rows(pl_stats *stats, size_t window, const float *x, size_t rows,
                      const uint32_t *at, size_t position, const uint32_t *keep, size_t n_keep)
{
    assert(n_keep <= stats->capacity - stats->n_rows);
    for (size_t i = 0, r = 0; i < n_keep; i++) {
        while (at != NULL && r < rows && at[r] < keep[i]) {
            r++;
        }
        if (at != NULL && (r == rows || at[r] != keep[i])) {
            continue;
        }
        const float *row = x + (at != NULL ? r : keep[i]) * stats->n;
        size_t slot = stats->n_rows++;
        stats->rows[slot] = (sampled){.position = (uint32_t)(position + keep[i]),
                                      .window = (uint32_t)window,
                                      .row = keep[i],
                                      .slot = slot};
        memcpy(stats->sample + slot * stats->n, row, stats->n * sizeof(float));
    }
}

/* A window into a node of its own, or (left, taken from the tree) into its left neighbour's. */
static pl_status add_window(pl_stats *stats, node *left, size_t window, const float *x, size_t rows,
                            const uint32_t *at, size_t position, const int32_t *ids,
                            uint64_t *histogram, pl_task *task, pl_error *err)
{
    node *nd = left;
    pl_status status = left != NULL ? PL_OK : take_node(stats, &nd, err);
    if (status != PL_OK) {
        return status;
    }
    pl_moments *moments = left != NULL ? &stats->right : &nd->moments;
    status = pl_moments_pass(moments, x, rows, at, position, ids, histogram, err);
    PL_THEN(pl_gram_window(&stats->work, x, rows, nd->gram, left != NULL, task, err));
    if (status != PL_OK && left != NULL) {
        stats->spoiled = status != PL_ERR_NUMERIC && stats->n > PL_GRAM_WHOLE; /* half added */
        nd->at.next = stats->tree.nodes;
        stats->tree.nodes = &nd->at;
    } else if (status != PL_OK) {
        give_back(stats, nd);
    } else if (left != NULL) {
        pl_moments_join(&left->moments, moments);
        insert_node(stats, nd, 1, window / 2);
    } else {
        insert_node(stats, nd, 0, window);
    }
    return status;
}

pl_status pl_stats_add_routed(pl_stats *stats, size_t window, const float *x, size_t rows,
                              const uint32_t *at, size_t position, const int32_t *ids,
                              const uint32_t *keep, size_t n_keep, pl_task *task, pl_error *err)
{
    assert(window < stats->tree.windows && !stats->seen[window]);
    uint64_t histogram[PL_HIST_BINS] = {0};
    node *left = window % 2 == 1 ? node_of(pl_tree_take_sibling(&stats->tree, 0, window)) : NULL;
    pl_status status =
        add_window(stats, left, window, x, rows, at, position, ids, histogram, task, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t b = 0; b < PL_HIST_BINS; b++) {
        stats->histogram[b] += histogram[b];
    }
    keep_rows(stats, window, x, rows, at, position, keep, n_keep);
    stats->seen[window] = true;
    stats->added++;
    return PL_OK;
}

pl_status pl_stats_add(pl_stats *stats, size_t window, const float *x, size_t rows, size_t position,
                       const int32_t *ids, const uint32_t *keep, size_t n_keep, pl_task *task,
                       pl_error *err)
{
    assert(rows > 0);
    return pl_stats_add_routed(stats, window, x, rows, NULL, position, ids, keep, n_keep, task,
                               err);
}

size_t pl_stats_part_bytes(size_t n)
{
    return pl_moments_bytes(n);
}

pl_status pl_stats_part_of(pl_stats *stats, pl_stats_part *out, pl_error *err)
{
    const node *nd = node_of(stats->tree.nodes);
    *out = (pl_stats_part){0};
    if (stats->spoiled || nd == NULL || nd->at.next != NULL || nd->gram == NULL ||
        pl_tree_count(&stats->tree, nd->at.level, nd->at.index) != stats->added) {
        return pl_error_set(err, PL_ERR_STATE,
                            "statistics of %zu windows, expected a node of the "
                            "tree of %zu",
                            stats->added, stats->tree.windows);
    }
    free(stats->places);
    stats->places = pl_alloc(3 * stats->n_rows, sizeof *stats->places);
    if (stats->places == NULL) {
        return pl_error_memory(err, "%zu sampled rows", stats->n_rows);
    }
    for (size_t i = 0; i < stats->n_rows; i++) {
        const sampled *row = &stats->rows[i]; /* slot i */
        memcpy(stats->places + 3 * i, (uint32_t[]){row->position, row->window, row->row},
               3 * sizeof(uint32_t));
    }
    *out = (pl_stats_part){.level = nd->at.level,
                           .index = nd->at.index,
                           .tokens = nd->moments.tokens,
                           .moments = nd->storage,
                           .gram = nd->gram,
                           .histogram = stats->histogram,
                           .sample = stats->sample,
                           .places = stats->places,
                           .rows = stats->n_rows};
    return PL_OK;
}

pl_status pl_stats_add_part(pl_stats *stats, const pl_stats_part *part, pl_error *err)
{
    node *nd = NULL;
    bool fits = pl_tree_has_place(&stats->tree, part->level, part->index) &&
                part->rows <= stats->capacity - stats->n_rows;
    const size_t first = fits ? part->index << part->level : 0;
    const size_t count = fits ? pl_tree_count(&stats->tree, part->level, part->index) : 0;
    for (size_t w = first; w < first + count; w++) {
        fits = fits && !stats->seen[w];
    }
    if (!fits) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "statistics of a part of the windows: node %zu of level %zu does not "
                            "belong to the tree of %zu",
                            part->index, part->level, stats->tree.windows);
    }
    pl_status status = take_node(stats, &nd, err);
    if (status != PL_OK) {
        return status;
    }
    memcpy(nd->storage, part->moments, pl_moments_bytes(stats->n));
    memcpy(nd->gram, part->gram, stats->triangle * sizeof(float));
    nd->moments.tokens = part->tokens;
    for (size_t b = 0; b < PL_HIST_BINS; b++) {
        stats->histogram[b] += part->histogram[b];
    }
    for (size_t i = 0; i < part->rows; i++) {
        const uint32_t *place = part->places + 3 * i;
        const size_t slot = stats->n_rows++;
        stats->rows[slot] =
            (sampled){.position = place[0], .window = place[1], .row = place[2], .slot = slot};
        memcpy(stats->sample + slot * stats->n, part->sample + i * stats->n,
               stats->n * sizeof(float));
    }
    memset(stats->seen + first, true, count);
    stats->added += count;
    insert_node(stats, nd, (unsigned)part->level, part->index);
    return PL_OK;
}

static int compare_sampled(const void *a, const void *b)
{
    const sampled *x = a;
    const sampled *y = b;
    if (x->position != y->position) {
        return x->position < y->position ? -1 : 1;
    }
    if (x->window != y->window) {
        return x->window < y->window ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

static pl_status finish_sample(pl_stats *stats, pl_site_stats *out, pl_error *err)
{
    const size_t count = stats->n_rows;
    bool sorted = true; /* as windows in order leave them: no copy is needed */
    if (count > 0) {
        qsort(stats->rows, count, sizeof *stats->rows, compare_sampled);
    }
    for (size_t i = 0; i < count; i++) {
        sorted = sorted && stats->rows[i].slot == i;
    }
    out->sample_rows = count;
    out->sample = sorted ? stats->sample : pl_alloc(count * stats->n, sizeof(float));
    out->sample_position = pl_alloc(count, sizeof *out->sample_position);
    if (sorted) {
        stats->sample = NULL;
    }
    if (out->sample == NULL || out->sample_position == NULL) {
        return pl_error_memory(err, "%zu sampled rows", count);
    }
    for (size_t i = 0; i < count; i++) {
        out->sample_position[i] = stats->rows[i].position;
        if (!sorted) {
            memcpy(out->sample + i * stats->n, stats->sample + stats->rows[i].slot * stats->n,
                   stats->n * sizeof(float));
        }
    }
    return PL_OK;
}

static pl_status finish_channels(const pl_moments *m, pl_site_stats *out, pl_error *err)
{
    const size_t n = m->n;
    float **const arrays[] = {&out->max, &out->mean_abs, &out->rms, &out->mean, &out->kurtosis};
    bool fits = true;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        *arrays[i] = pl_alloc(n, sizeof(float));
        fits = fits && *arrays[i] != NULL;
    }
    out->max_position = pl_alloc(n, sizeof *out->max_position);
    out->max_token = pl_alloc(n, sizeof *out->max_token);
    if (!fits || out->max_position == NULL || out->max_token == NULL) {
        return pl_error_memory(err, "the statistics of %zu channels", n);
    }
    const double t = m->tokens > 0.0 ? m->tokens : 1.0;
    for (size_t c = 0; c < n; c++) {
        memcpy(out->max + c, m->max + c, sizeof(float));
        out->mean_abs[c] = (float)(m->sum_abs[c] / t);
        out->mean[c] = (float)m->mean[c];
        out->rms[c] = (float)sqrt(m->m2[c] / t + m->mean[c] * m->mean[c]);
        out->kurtosis[c] = m->m2[c] > 0.0 ? (float)(t * m->m4[c] / m->m2[c] / m->m2[c]) : 0.0f;
    }
    memcpy(out->max_position, m->position, n * sizeof *out->max_position);
    memcpy(out->max_token, m->token, n * sizeof *out->max_token);
    return PL_OK;
}

/* The root's triangle becomes the result's. */
static pl_status finish_gram(node *root, pl_site_stats *out, pl_error *err)
{
    const size_t n = out->n;
    const double tokens = root->moments.tokens > 0.0 ? root->moments.tokens : 1.0;
    pl_gram_divide(root->gram, tokens, pl_packed_size(n));
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(root->gram[pl_packed_row(n, i)])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the sum of squares of input channel %zu is beyond float32's range",
                                i);
        }
    }
    out->triangle = root->gram;
    root->gram = NULL;
    return PL_OK;
}

pl_status pl_stats_finish_packed(pl_stats *stats, pl_site_stats *out, pl_error *err)
{
    *out = (pl_site_stats){0};
    if (stats->spoiled || stats->added != stats->tree.windows) {
        return pl_error_set(err, PL_ERR_STATE, "statistics of %zu windows, expected %zu",
                            stats->added, stats->tree.windows);
    }
    node *root = node_of(stats->tree.nodes);
    assert(root != NULL && root->at.next == NULL && root->gram != NULL);
    out->n = stats->n;
    out->tokens = root->moments.tokens;
    memcpy(out->histogram, stats->histogram, sizeof out->histogram);
    if (stats->n > PL_GRAM_WHOLE) { /* large things need the room */
        pl_gram_deinit(&stats->work);
    }
    pl_status status = finish_gram(root, out, err);
    PL_THEN(finish_channels(&root->moments, out, err));
    PL_THEN(finish_sample(stats, out, err));
    if (status != PL_OK) {
        pl_site_stats_deinit(out);
    }
    return status;
}

pl_status pl_stats_finish(pl_stats *stats, pl_site_stats *out, pl_error *err)
{
    pl_status status = pl_stats_finish_packed(stats, out, err);
    const size_t n = out->n;
    if (status != PL_OK) {
        return status;
    }
    out->gram = pl_alloc(n * n, sizeof(float));
    if (out->gram == NULL) {
        pl_site_stats_deinit(out);
        return pl_error_memory(err, "a Gram matrix of %zu channels", n);
    }
    pl_sym_square(&(pl_sym){.n = n, .packed = out->triangle}, out->gram);
    free(out->triangle);
    out->triangle = NULL;
    return PL_OK;
}

void pl_stats_restart(pl_stats *stats, pl_site_stats *used)
{
    node *root = node_of(stats->tree.nodes);
    if (root != NULL && root->gram == NULL && used->triangle != NULL) {
        root->gram = used->triangle;
        used->triangle = NULL;
        stats->tree.nodes = root->at.next;
        give_back(stats, root);
    }
    list_destroy(stats->tree.nodes);
    stats->tree.nodes = NULL;
    if (stats->sample == NULL) {
        stats->sample = used->sample;
        used->sample = NULL;
    }
    memset(stats->seen, 0, stats->tree.windows * sizeof *stats->seen);
    memset(stats->histogram, 0, sizeof stats->histogram);
    stats->added = 0;
    stats->n_rows = 0;
    stats->spoiled = false;
}

bool pl_stats_fits(const pl_stats *stats, size_t n, size_t windows, size_t sample_rows)
{
    return stats->n == n && stats->tree.windows == windows && stats->capacity == sample_rows &&
           stats->work.scratch != NULL && stats->sample != NULL;
}
