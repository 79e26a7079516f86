#include "core/method/kin.h"

#include "core/base/checked.h"
#include "core/tensor/eigen.h"
#include "core/tensor/linalg.h"

enum { DAMPING = PL_GRID_COUNT, ACT_ORDER, PARAMS };
static const pl_param params[PARAMS] = {
    PL_GRID_PARAMS,
    [DAMPING] = PL_REAL("damping", 0, 1, 1e-3, "lambda_max H",
                        "Added to the Hessian's diagonal; raised tenfold while its Cholesky fails.",
                        PL_BY(PL_QUARTER_OF_10)),
    [ACT_ORDER] = PL_KIN_ORDER,
};

enum { TILE = 128, WIDE = 256 };

/* In place a[count, m] <- a U^T U for the upper triangular U[m, m], m = n - 1, rows n apart. */
static void multiply_by_inverse(const float *u, size_t n, size_t count, float *a, float *room)
{
    const size_t m = n - 1;
    for (size_t j = 0; j < m; j += WIDE) {
        const size_t wide = m - j < WIDE ? m - j : WIDE;
        pl_gemm_nt(count, wide, m - j, 1.0f, a + j, n, u + j * n + j, n, 0.0f, room + j, n);
    }
    for (size_t j = 0; j < m; j += WIDE) {
        const size_t wide = m - j < WIDE ? m - j : WIDE;
        pl_gemm_nn(count, wide, j + wide, 1.0f, room, n, u + j, n, 0.0f, a + j, n);
    }
}

/* With K the inverse of the damped Hessian without its first column, K = U'^T U' for U' =
 * U[1.., 1..]: v = w + (w 2D)[1..] K on the positions behind the first, from which GPTQ goes on;
 *   the first is rounded at w_0 + (w D)_0 / G_00, but what the others make up for is w_0 - q_0.
 * That is Qronos' least-squares step, with W (H + lambda I) taken out of both sides. */
static pl_status begin_qronos(const pl_kin *kin, const pl_spec *spec, const pl_layer_input *in,
                              size_t order, pl_columns *job, float *owned[2], pl_task *task,
                              pl_error *err)
{
    (void)kin;
    (void)spec;
    (void)order;
    const size_t n = in->w.cols, rows = in->w.rows;
    const float *cross = pl_factors_cross(in->factors);
    if (cross == NULL) {
        return PL_OK;
    }
    float *moved = owned[0] = pl_alloc(rows * n, sizeof(float));
    float *first = owned[1] = pl_alloc(rows, sizeof(float));
    float *product = pl_alloc(TILE * n, sizeof(float)), *turned = pl_alloc(TILE * n, sizeof(float));
    const bool room = moved != NULL && first != NULL && product != NULL && turned != NULL;
    pl_status status = room ? PL_OK : pl_error_memory(err, "%zu rows of %zu weights", rows, n);
    const size_t start = job->perm != NULL ? job->perm[0] : 0;
    const float energy = pl_sym_row(pl_factors_gram(in->factors), start)[0];
    for (size_t at = 0; status == PL_OK && at < rows; at += TILE) {
        const size_t count = rows - at < TILE ? rows - at : TILE;
        float *w = moved + at * n;
        pl_columns_load(job->w, job->dead, NULL, at, count, w);
        pl_gemm_nn(count, n, n, 1.0f, w, n, cross, n, 0.0f, turned, n);
        for (size_t r = 0; r < count; r++) {
            for (size_t i = 0; i < n; i++) {
                const size_t column = job->perm != NULL ? job->perm[i] : i;
                product[r * n + i] = 2.0f * turned[r * n + column];
            }
            const float lost = product[r * n] / 2.0f;
            first[at + r] = w[r * n + start] + (energy > 0.0f ? lost / energy : 0.0f);
        }
        if (n > 1) {
            multiply_by_inverse(job->u + n + 1, n, count, product + 1, turned + 1);
        }
        for (size_t r = 0; r < count; r++) {
            for (size_t i = 1; i < n; i++) {
                w[r * n + (job->perm != NULL ? job->perm[i] : i)] += product[r * n + i];
            }
        }
        status = pl_task_tick(task, err);
    }
    free(product);
    free(turned);
    job->moved = (pl_view){moved, rows, n, n};
    job->first = first;
    return status;
}

/* The damping is a share of H's largest eigenvalue; GPTQ's factor counts in its mean diagonal. */
static pl_status qronos_kin(const pl_spec *spec, const pl_layer_input *in, pl_kin *out,
                            pl_task *task, pl_error *err)
{
    const pl_sym *gram = pl_factors_gram(in->factors);
    double largest = 0.0, mean = 0.0;
    *out = (pl_kin){
        .order = (size_t)spec->values[ACT_ORDER], .static_groups = true, .begin = begin_qronos};
    for (size_t i = 0; i < gram->n; i++) {
        const double g = (double)pl_sym_row(gram, i)[0];
        mean += (g > 0.0 ? g : 0.5) / (double)gram->n; /* H_ii = 1 of a dead column */
    }
    pl_status status = pl_lambda_max(gram, &largest, task, err);
    out->damping = spec->values[DAMPING] * largest / mean;
    return status;
}

static pl_status prepare_qronos(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                                pl_error *err)
{
    pl_kin kin;
    pl_status status = qronos_kin(spec, in, &kin, task, err);
    return status == PL_OK ? pl_kin_prepare(&kin, spec, in, task, err) : status;
}

static pl_status round_qronos(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                              pl_method_report *report, pl_task *task, pl_error *err)
{
    pl_kin kin;
    *out = (pl_qweights){0};
    *report = pl_method_report_empty();
    pl_status status = qronos_kin(spec, in, &kin, task, err);
    return status == PL_OK ? pl_kin_round(&kin, spec, in, out, report, task, err) : status;
}

static double follows(const pl_spec *spec)
{
    (void)spec;
    return 1.0;
}

const pl_method pl_method_qronos = {
    .name = "qronos",
    .title = "Qronos",
    .slot = PL_SLOT_ROUND,
    .summary = "Corrects for the quantized model's inputs by least squares, then GPTQ with scales "
               "set before: in `solve all`; elsewhere the inputs are the same, and it is GPTQ with "
               "static groups (Zhang et al., ICLR 2026).",
    .params = params,
    .n_params = PARAMS,
    .reported = pl_kin_reported,
    .n_reported = PL_KIN_REPORTED,
    .round = round_qronos,
    .prepare = prepare_qronos,
    .follows = follows,
};
