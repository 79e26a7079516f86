#include "core/method/transform_parts.h"

#include "core/base/checked.h"
#include "core/tensor/kron.h"
#include "core/tensor/linalg.h"
#include "core/tensor/sym.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static pl_status no_memory_transform(size_t n, pl_error *err)
{
    return pl_error_memory(err, "a transform of %zu channels", n);
}

/* --- making ----------------------------------------------------------------------------------- */

pl_status pl_transform_new(size_t n, pl_transform **out, pl_error *err)
{
    pl_transform *t = calloc(1, sizeof *t);
    *out = t;
    if (t == NULL) {
        return no_memory_transform(n, err);
    }
    t->n = n;
    return PL_OK;
}

static float *copy_floats(const float *from, size_t count)
{
    float *copy = pl_alloc(count, sizeof *copy);
    if (copy != NULL) {
        memcpy(copy, from, count * sizeof *copy);
    }
    return copy;
}

pl_status pl_transform_set_scale(pl_transform *t, const float *scale, bool signed_scale,
                                 pl_error *err)
{
    for (size_t c = 0; c < t->n; c++) {
        if (!isfinite(scale[c]) || !(signed_scale ? scale[c] != 0.0f : scale[c] > 0.0f)) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the transform's scale of channel %zu is %g, expected a %s "
                                "number",
                                c, (double)scale[c], signed_scale ? "finite, nonzero" : "positive");
        }
    }
    t->scale = copy_floats(scale, t->n);
    return t->scale != NULL ? PL_OK : no_memory_transform(t->n, err);
}

static pl_status made(pl_transform *t, pl_status status, pl_transform **out)
{
    if (status != PL_OK) {
        pl_transform_destroy(t);
        t = NULL;
    }
    *out = t;
    return status;
}

pl_status pl_transform_scaling(size_t n, const float *scale, pl_transform **out, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = pl_transform_new(n, &t, err);
    PL_THEN(pl_transform_set_scale(t, scale, false, err));
    return made(t, status, out);
}

pl_status pl_transform_hadamard(size_t n, pl_transform **out, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = pl_transform_new(n, &t, err);
    PL_THEN(pl_hadamard_create(n, &t->hadamard, err));
    return made(t, status, out);
}

pl_status pl_transform_orthogonal(size_t n, const float *q, pl_transform **out, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = pl_transform_new(n, &t, err);
    if (status == PL_OK && (t->q = copy_floats(q, n * n)) == NULL) {
        status = no_memory_transform(n, err);
    }
    if (status == PL_OK) {
        t->order = n;
    }
    return made(t, status, out);
}

static void transpose(const float *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            to[j * n + i] = from[i * n + j];
        }
    }
}

static pl_status take_factors(pl_transform *t, const pl_kron_parts *parts, pl_error *err)
{
    const size_t a = parts->n1 * parts->n1, b = parts->n2 * parts->n2;
    t->n1 = parts->n1;
    t->n2 = parts->n2;
    t->kron = pl_alloc(4 * (a + b), sizeof *t->kron);
    if (t->kron == NULL) {
        return no_memory_transform(t->n, err);
    }
    float *to = t->kron;
    memcpy(to, parts->p1, a * sizeof *to);
    memcpy(to + a, parts->p2, b * sizeof *to);
    memcpy(to + a + b, parts->i1, a * sizeof *to);
    memcpy(to + 2 * a + b, parts->i2, b * sizeof *to);
    for (size_t i = 0; i < 2 * (a + b); i++) {
        if (!isfinite(to[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "a factor of the transform, or its inverse, is not finite");
        }
    }
    to += 2 * (a + b);
    transpose(parts->p1, t->n1, to);
    transpose(parts->p2, t->n2, to + a);
    transpose(parts->i1, t->n1, to + a + b);
    transpose(parts->i2, t->n2, to + 2 * a + b);
    return PL_OK;
}

pl_status pl_transform_kron(const pl_kron_parts *parts, pl_transform **out, pl_error *err)
{
    pl_transform *t = NULL;
    pl_status status = pl_transform_new(parts->n1 * parts->n2, &t, err);
    if (status == PL_OK && parts->scale != NULL) {
        status = pl_transform_set_scale(t, parts->scale, false, err);
    }
    PL_THEN(take_factors(t, parts, err));
    if (status == PL_OK && parts->clip != NULL) {
        t->has_clip = true;
        t->clip = *parts->clip;
    }
    return made(t, status, out);
}

size_t pl_transform_clip_groups(const pl_transform *t)
{
    return pl_grid_groups(&(pl_grid){.group_size = t->clip_group_size}, t->n);
}

pl_status pl_transform_set_clip(pl_transform *t, const pl_act_range *ranges, size_t rows,
                                size_t clip_group_size, pl_error *err)
{
    t->clip_group_size = clip_group_size < t->n ? clip_group_size : 0;
    const size_t count = rows * pl_transform_clip_groups(t);
    pl_act_range *copy = pl_alloc(count, sizeof *copy);
    if (copy == NULL) {
        return no_memory_transform(t->n, err);
    }
    memcpy(copy, ranges, count * sizeof *copy);
    free(t->row_clip);
    t->row_clip = copy;
    t->rows = rows;
    return PL_OK;
}

void pl_transform_destroy(pl_transform *t)
{
    if (t == NULL) {
        return;
    }
    pl_hadamard_destroy(t->hadamard);
    pl_hadamard_destroy(t->across);
    free(t->scale);
    free(t->q);
    free(t->back);
    free(t->kron);
    free(t->row_clip);
    pl_transform_destroy(t->outputs);
    pl_transform_destroy(t->keys);
    free(t);
}

/* --- using ------------------------------------------------------------------------------------ */

size_t pl_transform_n(const pl_transform *t)
{
    return t->n;
}

const pl_act_range *pl_transform_clip(const pl_transform *t)
{
    return t->has_clip ? &t->clip : NULL;
}

bool pl_transform_clips(const pl_transform *t)
{
    return t->row_clip != NULL;
}

static void scale_rows(const pl_transform *t, bool divide, float *x, size_t rows)
{
    if (t->scale == NULL) {
        return;
    }
#pragma omp parallel for schedule(static) if (rows * t->n > 65536)
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * t->n;
        for (size_t c = 0; c < t->n; c++) {
            row[c] = divide ? row[c] / t->scale[c] : row[c] * t->scale[c];
        }
    }
}

/* A Kronecker product applied from the right to rows: X~ -> a^T X~ b. */
typedef struct kron_pair {
    const float *a, *b;
} kron_pair;

/* Which of B, B^-1, B^-T, B^T is applied from the right. */
typedef enum basis_form { BASIS, INVERSE, INVERSE_TRANSPOSED, TRANSPOSED } basis_form;

/* The four pairs of a Kronecker product for pl_kron_rows, which applies a^T X~ b. */
static kron_pair find_pair(const pl_transform *t, basis_form form)
{
    const size_t a = t->n1 * t->n1, b = t->n2 * t->n2;
    const float *p = t->kron, *inverse = p + a + b, *flipped = p + 2 * (a + b);
    switch (form) {
    case INVERSE:
        p = inverse;
        break;
    case INVERSE_TRANSPOSED:
        p = flipped + a + b;
        break;
    case TRANSPOSED:
        p = flipped;
        break;
    case BASIS:
        break;
    }
    return (kron_pair){p, p + a};
}

/* Work and bytes of B, whoever does it. */
static pl_transform_cost basis_cost(const pl_transform *t)
{
    const double n = (double)t->n;
    pl_transform_cost cost = {0};
    if (t->hadamard != NULL) {
        cost.flops = pl_hadamard_flops(t->hadamard);
    } else if (t->q != NULL) {
        const double order = (double)t->order;
        cost.flops = 2.0 * n * order;
        cost.bytes = order * order * (double)sizeof(float);
    } else if (t->kron != NULL) {
        const double a = (double)t->n1, b = (double)t->n2;
        cost.flops = 2.0 * n * (a + b);
        cost.bytes = (a * a + b * b) * (double)sizeof(float);
    }
    return cost;
}

static double across_flops(const pl_transform *t)
{
    return t->across == NULL
               ? 0.0
               : pl_hadamard_flops(t->across) * (double)t->n / (double)t->shape[PL_SHAPE_ACROSS];
}

/* Rows of one step: about 0.1 GFLOP, so that a tick comes every few milliseconds. */
static size_t step_rows(const pl_transform *t)
{
    const double rows = 1e8 / (basis_cost(t).flops + across_flops(t) + (double)t->n);
    return rows < 16.0 ? 16 : rows > 65536.0 ? 65536 : (size_t)rows;
}

static void apply_rows(const pl_transform *t, basis_form form, float *x, size_t rows,
                       float *scratch)
{
    const bool flip = form == INVERSE || form == TRANSPOSED; /* the same where B is orthogonal */
    const size_t n = t->n;
    if (t->across != NULL && flip) { /* T^-1 = (H^T (x) I) B^-1 */
        pl_transform_turn_across(t, true, x, rows, scratch);
    }
    if (t->hadamard != NULL && flip) {
        pl_hadamard_rows_transposed(t->hadamard, x, rows, n);
    } else if (t->hadamard != NULL) {
        pl_hadamard_rows(t->hadamard, x, rows, n);
    } else if (t->q != NULL) {
        const size_t m = t->order, parts = rows * (n / m);
        const bool inverts = form == INVERSE || form == INVERSE_TRANSPOSED;
        const float *q = t->back != NULL && inverts ? t->back : t->q;
        memcpy(scratch, x, rows * n * sizeof *x);
        if (t->back != NULL ? form == INVERSE_TRANSPOSED || form == TRANSPOSED : flip) {
            pl_gemm_nt(parts, m, m, 1.0f, scratch, m, q, m, 0.0f, x, m);
        } else {
            pl_gemm_nn(parts, m, m, 1.0f, scratch, m, q, m, 0.0f, x, m);
        }
    } else if (t->kron != NULL) {
        const kron_pair pair = find_pair(t, form);
        pl_kron_rows(pair.a, t->n1, pair.b, t->n2, x, x, rows, scratch);
    }
    if (t->across != NULL && !flip) {
        pl_transform_turn_across(t, false, x, rows, scratch);
    }
}

void pl_transform_turn(const pl_transform *t, float *x, size_t rows, float *scratch)
{
    apply_rows(t, BASIS, x, rows, scratch);
}

static pl_status apply_basis(const pl_transform *t, basis_form form, float *x, size_t rows,
                             pl_task *task, pl_error *err)
{
    if (pl_transform_keeps_channels(t)) {
        return pl_task_tick(task, err);
    }
    const size_t step = step_rows(t) < rows ? step_rows(t) : rows;
    const bool in_place = t->hadamard != NULL && t->across == NULL;
    float *scratch = in_place ? NULL : pl_alloc(step * t->n + 1, sizeof *scratch);
    if (!in_place && scratch == NULL) {
        return no_memory_transform(t->n, err);
    }
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < rows; first += step) {
        apply_rows(t, form, x + first * t->n, rows - first < step ? rows - first : step, scratch);
        status = pl_task_tick(task, err);
    }
    free(scratch);
    return status;
}

pl_status pl_transform_inputs(const pl_transform *t, float *x, size_t rows, pl_task *task,
                              pl_error *err)
{
    scale_rows(t, false, x, rows);
    return apply_basis(t, BASIS, x, rows, task, err);
}

pl_status pl_transform_inputs_back(const pl_transform *t, float *x, size_t rows, pl_task *task,
                                   pl_error *err)
{
    pl_status status = apply_basis(t, INVERSE, x, rows, task, err);
    if (status == PL_OK) {
        scale_rows(t, true, x, rows);
    }
    return status;
}

pl_status pl_transform_quantize_heads(const pl_transform *t, const pl_act_grid *grid,
                                      size_t group_size, size_t head, float *x, size_t rows,
                                      size_t n, pl_error *err)
{
    const size_t turned = t != NULL ? rows * n / t->n : 0;
    pl_status status = t != NULL ? pl_transform_inputs(t, x, turned, NULL, err) : PL_OK;
    if (status != PL_OK) {
        return status;
    }
    pl_act_quantize_groups(grid, t != NULL ? pl_transform_clip(t) : NULL, group_size, x,
                           rows * n / head, head);
    return t != NULL ? pl_transform_inputs_back(t, x, turned, NULL, err) : PL_OK;
}

pl_status pl_transform_weights(const pl_transform *t, float *w, size_t rows, pl_task *task,
                               pl_error *err)
{
    scale_rows(t, true, w, rows);
    return apply_basis(t, INVERSE_TRANSPOSED, w, rows, task, err);
}

pl_status pl_transform_weights_back(const pl_transform *t, float *w, size_t rows, pl_task *task,
                                    pl_error *err)
{
    pl_status status = apply_basis(t, TRANSPOSED, w, rows, task, err);
    if (status == PL_OK) {
        scale_rows(t, false, w, rows);
    }
    return status;
}

static void transpose_in_place(float *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            const float keep = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = keep;
        }
    }
}

/* (G T)^T T = T^T G T, since G is symmetric. */
pl_status pl_transform_cross(const pl_transform *t, float *d, pl_task *task, pl_error *err)
{
    pl_status status = pl_transform_inputs(t, d, t->n, task, err);
    if (status == PL_OK) {
        transpose_in_place(d, t->n);
        status = pl_transform_inputs(t, d, t->n, task, err);
    }
    if (status == PL_OK) {
        transpose_in_place(d, t->n);
    }
    return status;
}

pl_status pl_transform_gram(const pl_transform *t, const float *g, float *out, pl_task *task,
                            pl_error *err)
{
    const size_t n = t->n;
    if (out != g) {
        memcpy(out, g, n * n * sizeof *out);
    }
    pl_status status = pl_transform_inputs(t, out, n, task, err);
    if (status == PL_OK) {
        transpose_in_place(out, n);
        status = pl_transform_inputs(t, out, n, task, err);
    }
    if (status == PL_OK) {
        pl_symmetrize(n, out);
        for (size_t i = 0; i < n; i++) {
            /* A mean of squares: rounding must not leave it below zero. */
            out[i * n + i] = out[i * n + i] > 0.0f ? out[i * n + i] : 0.0f;
        }
    }
    return status;
}

void pl_transform_clip_group(float *w, size_t count, pl_act_range share)
{
    const pl_act_range range = pl_act_row_range(w, count);
    const float low = range.lo * share.lo, high = range.hi * share.hi;
    for (size_t i = 0; i < count; i++) {
        w[i] = w[i] < low ? low : w[i] > high ? high : w[i];
    }
}

void pl_transform_clip_weights(const pl_transform *t, size_t first, float *w, size_t count)
{
    if (t->row_clip == NULL) {
        return;
    }
    const size_t groups = pl_transform_clip_groups(t);
    const size_t width = t->clip_group_size == 0 ? t->n : t->clip_group_size;
    for (size_t r = 0; r < count && first + r < t->rows; r++) {
        const pl_act_range *shares = t->row_clip + (first + r) * groups;
        for (size_t k = 0; k < groups; k++) {
            const size_t at = k * width, left = t->n - at;
            pl_transform_clip_group(w + r * t->n + at, left < width ? left : width, shares[k]);
        }
    }
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* The largest eigenvalue of A A^T, A = T or T^-1. */
static pl_status largest_square(const pl_transform *t, bool inverse, double *out, pl_error *err)
{
    const size_t n = t->n;
    float *a = calloc(n * n, sizeof *a);
    float *square = pl_alloc(n * n, sizeof *square);
    pl_status status = a != NULL && square != NULL ? PL_OK : no_memory_transform(n, err);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        a[i * n + i] = 1.0f;
    }
    PL_THEN(inverse ? pl_transform_inputs_back(t, a, n, NULL, err)
                    : pl_transform_inputs(t, a, n, NULL, err));
    if (status == PL_OK) {
        pl_gemm_nt(n, n, n, 1.0f, a, n, a, n, 0.0f, square, n);
        pl_symmetrize(n, square);
        status = pl_lambda_max(&(pl_sym){.n = n, .square = square}, out, NULL, err);
    }
    free(a);
    free(square);
    return status;
}

pl_status pl_transform_condition(const pl_transform *t, double *out, pl_error *err)
{
    *out = 1.0;
    if (t->kron == NULL && t->back == NULL) {
        float low = 1.0f, high = 1.0f;
        for (size_t c = 0; t->scale != NULL && c < t->n; c++) {
            const float scale = fabsf(t->scale[c]);
            low = c == 0 || scale < low ? scale : low;
            high = c == 0 || scale > high ? scale : high;
        }
        *out = (double)high / (double)low;
        return PL_OK;
    }
    double forward = 0.0, back = 0.0;
    pl_status status = largest_square(t, false, &forward, err);
    PL_THEN(largest_square(t, true, &back, err));
    *out = sqrt(forward * back);
    return status;
}

pl_transform_cost pl_transform_get_cost(const pl_transform *t)
{
    const bool merged = t->shape[PL_SHAPE_MERGED] > 0.0f;
    pl_transform_cost cost = merged ? (pl_transform_cost){0} : basis_cost(t);
    cost.flops += across_flops(t);
    cost.folds_diagonal = t->scale != NULL;
    cost.merged = merged;
    cost.online = t->across != NULL || (!merged && !pl_transform_keeps_channels(t));
    return cost;
}

bool pl_transform_keeps_channels(const pl_transform *t)
{
    return t->hadamard == NULL && t->q == NULL && t->kron == NULL && t->across == NULL;
}

void pl_transform_describe(const pl_transform *t, pl_buf *out)
{
    if (t->scale != NULL) {
        pl_buf_puts(out, "diagonal");
    }
    const char *then = t->scale != NULL ? ", then " : "";
    if (t->hadamard != NULL) {
        pl_buf_printf(out, "%sHadamard ", then);
        pl_hadamard_describe(t->hadamard, out);
    } else if (t->q != NULL) {
        pl_buf_printf(out, "%s%s %zu x %zu", then, t->back != NULL ? "matrix" : "orthogonal",
                      t->order, t->order);
        if (t->order < t->n) {
            pl_buf_printf(out, " in %zu parts", t->n / t->order);
        }
    } else if (t->kron != NULL) {
        pl_buf_printf(out, "%sKronecker %zu x %zu", then, t->n1, t->n2);
    }
    if (t->across != NULL) {
        pl_buf_printf(out, "%sHadamard across heads ",
                      t->hadamard != NULL || t->q != NULL ? ", then " : then);
        pl_hadamard_describe(t->across, out);
    }
    if (t->outputs != NULL) {
        pl_buf_puts(out, t->scale == NULL && pl_transform_keeps_channels(t) ? "" : "; ");
        pl_buf_puts(out, "outputs by ");
        pl_transform_describe(t->outputs, out);
    }
    if (t->keys != NULL) {
        pl_buf_puts(out, "; keys by ");
        pl_transform_describe(t->keys, out);
    }
}
