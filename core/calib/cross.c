#include "core/calib/cross.h"

#include "core/base/checked.h"
#include "core/calib/gram.h"
#include "core/calib/tree.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 144 };

/* The product of some windows. */
typedef struct product {
    pl_tree_node at;
    float *sum; /* [n, n] */
} product;

struct pl_cross {
    size_t n, threads;
    pl_tree tree; /* of the products */
    product *spare;
    float *tiles;          /* [threads, TILE, n] */
    float *noted, *differ; /* [capacity, n]: X0, and X0 - X */
    uint32_t *at;          /* [capacity] */
    size_t rows, capacity; /* noted */
};

static product *product_of(pl_tree_node *at)
{
    return (product *)(void *)at;
}

static void destroy_products(pl_tree_node *list)
{
    while (list != NULL) {
        pl_tree_node *next = list->next;
        free(product_of(list)->sum);
        free(product_of(list));
        list = next;
    }
}

void pl_cross_destroy(pl_cross *cross)
{
    if (cross != NULL) {
        destroy_products(cross->tree.nodes);
        destroy_products((pl_tree_node *)cross->spare);
        free(cross->tiles);
        free(cross->noted);
        free(cross->differ);
        free(cross->at);
        free(cross);
    }
}

static size_t tile_floats(size_t n)
{
    return (size_t)pl_linalg_threads() * (n < TILE ? n : TILE) * n;
}

pl_status pl_cross_create(size_t n, size_t windows, pl_cross **out, pl_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out != NULL) {
        (*out)->n = n;
        (*out)->threads = (size_t)pl_linalg_threads();
        (*out)->tree = (pl_tree){.windows = windows, .root = pl_tree_levels(windows)};
        (*out)->tiles = pl_alloc(tile_floats(n), sizeof *(*out)->tiles);
    }
    if (*out == NULL || (*out)->tiles == NULL) {
        pl_cross_destroy(*out);
        *out = NULL;
        return pl_error_memory(err, "the products of the inputs of %zu channels", n);
    }
    return PL_OK;
}

/* Room for so many rows; what was noted is lost. */
static pl_status reserve_rows(pl_cross *cross, size_t rows, pl_error *err)
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
    pl_status status = reserve_rows(cross, rows, err);
    if (status != PL_OK) {
        return status;
    }
    cross->rows = rows;
    if (rows > 0) { /* an expert may have none, and no memory for them */
        memcpy(cross->noted, x, rows * cross->n * sizeof *x);
    }
    for (size_t r = 0; r < rows; r++) {
        cross->at[r] = at != NULL ? at[r] : (uint32_t)r;
    }
    return PL_OK;
}

/* differ[rows, n] = X0 - X, 0 for tokens that were not noted. */
static void subtract_inputs(const pl_cross *cross, float *differ, const float *x, size_t rows,
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

/* A product to fill: a spare one, or a new one; NULL where there is no memory. */
static product *take_product(pl_cross *cross)
{
    product *made = cross->spare;
    if (made != NULL) {
        cross->spare = product_of(made->at.next);
        return made;
    }
    made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->sum = pl_alloc(cross->n * cross->n, sizeof *made->sum);
    }
    if (made != NULL && made->sum == NULL) {
        free(made);
        made = NULL;
    }
    return made;
}

static pl_status no_products(const pl_cross *cross, pl_error *err)
{
    return pl_error_memory(err, "the products of the inputs of %zu channels", cross->n);
}

static void join_products(void *ctx, pl_tree_node *left, pl_tree_node *right)
{
    pl_cross *cross = ctx;
    pl_gram_join(product_of(left)->sum, product_of(right)->sum, cross->n * cross->n);
    right->next = (pl_tree_node *)cross->spare;
    cross->spare = product_of(right);
}

static void insert_product(pl_cross *cross, product *made, size_t level, size_t index)
{
    made->at.level = (unsigned)level;
    made->at.index = index;
    pl_tree_insert(&cross->tree, &made->at, join_products, cross);
}

/* sum = differ^T x, or added to it.  A tile is made by itself first: to add a window to its left
 * neighbour gives what joining the two gives. */
static void multiply_rows(const pl_cross *cross, const float *differ, const float *x, size_t rows,
                          float *sum, bool add)
{
    const size_t n = cross->n, tile = n < TILE ? n : TILE;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t first = 0; first < n; first += TILE) {
        const size_t count = n - first < tile ? n - first : tile;
        float *made = cross->tiles + pl_linalg_thread() * tile * n, *to = sum + first * n;
        float *into = add ? made : to;
        pl_gemm_tn(count, n, rows, differ + first, n, x, n, 0.0f, into, n);
        for (size_t i = 0; add && i < count * n; i++) {
            to[i] += made[i];
        }
    }
}

pl_status pl_cross_add(pl_cross *cross, size_t window, const float *x, size_t rows,
                       const uint32_t *at, pl_error *err)
{
    const size_t n = cross->n;
    float *differ = cross->differ, *own = NULL;
    if (rows > cross->capacity) { /* more tokens than the original has sent here */
        differ = own = pl_alloc(rows * n, sizeof *own);
        if (own == NULL) {
            return pl_error_memory(err, "%zu rows of %zu channels", rows, n);
        }
    }
    product *left =
        window % 2 == 1 ? product_of(pl_tree_take_sibling(&cross->tree, 0, window)) : NULL;
    product *made = left != NULL ? left : take_product(cross);
    if (made == NULL) {
        free(own);
        return no_products(cross, err);
    }
    if (rows > 0) {
        subtract_inputs(cross, differ, x, rows, at);
        multiply_rows(cross, differ, x, rows, made->sum, left != NULL);
    } else if (left == NULL) {
        memset(made->sum, 0, n * n * sizeof *made->sum);
    }
    insert_product(cross, made, left != NULL ? 1 : 0, left != NULL ? window / 2 : window);
    free(own);
    return PL_OK;
}

const float *pl_cross_part(const pl_cross *cross)
{
    const pl_tree_node *only = cross->tree.nodes;
    return only != NULL && only->next == NULL ? ((const product *)(const void *)only)->sum : NULL;
}

pl_status pl_cross_add_part(pl_cross *cross, size_t level, size_t index, const float *sum,
                            pl_error *err)
{
    if (!pl_tree_has_place(&cross->tree, level, index)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "products of a part of the windows: node %zu of level %zu does not "
                            "belong to the tree of %zu",
                            index, level, cross->tree.windows);
    }
    product *made = take_product(cross);
    if (made == NULL) {
        return no_products(cross, err);
    }
    memcpy(made->sum, sum, cross->n * cross->n * sizeof *sum);
    insert_product(cross, made, level, index);
    return PL_OK;
}

float *pl_cross_take(pl_cross *cross, double tokens)
{
    product *root = product_of(cross->tree.nodes);
    float *sum = root != NULL ? root->sum : NULL;
    if (sum != NULL && tokens > 0.0) {
        pl_gram_divide(sum, tokens, cross->n * cross->n);
    }
    if (root != NULL) {
        root->sum = NULL;
    }
    return sum;
}

size_t pl_cross_bytes(size_t n, size_t windows, size_t rows)
{
    const size_t products = pl_tree_most_nodes(windows) * n * n;
    return sizeof(pl_cross) + sizeof(float) * (products + tile_floats(n) + 2 * n * rows) +
           sizeof(uint32_t) * rows;
}
