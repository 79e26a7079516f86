#include "core/quant/linf_parts.h"

/* Over-relaxed ADMM (Boyd et al. 2011, 3.4.3) on methods.md 2.2:
 *     x = w0 + (z - u - w0) A,   v = 1.6 x - 0.6 z + u,   z = prox(v),   u = v - z
 * with A = rho (Gn + rho I)^-1.  Written in v and z alone, D = z - u - w0 = 2 z - v - w0 and what
 * v needs beside 1.6 D A is u + 1.6 w0 - 0.6 z = v - 1.6 z + 1.6 w0. */
static const float RELAX = 1.6f;

/* Below this beta the smaller rho is nearer the optimum after 20 iterations (methods.md 2.2). */
static const double BETA_OF_SMALL_RHO = 1e-3, SMALL_RHO = 0.2;

pl_status pl_linf_admm_kernel(pl_factors *factors, double beta, double rho_factor, bool ready,
                              pl_linf_kernel *out, pl_task *task, pl_error *err)
{
    pl_normalized normal;
    pl_status status = pl_factors_scale(factors, &normal, task, err);
    if (status != PL_OK) {
        return status;
    }
    if (!(rho_factor > 0.0)) {
        const bool small = beta < BETA_OF_SMALL_RHO;
        const double other = small ? 1.0 : SMALL_RHO;
        rho_factor = small ? SMALL_RHO : 1.0;
        if (ready && !pl_factors_has_admm(factors, rho_factor * normal.mean_diag) &&
            pl_factors_has_admm(factors, other * normal.mean_diag)) {
            rho_factor = other;
        }
    }
    *out = (pl_linf_kernel){.gain = RELAX,
                            .d_z = 2.0f,
                            .d_v = -1.0f,
                            .c_z = -RELAX,
                            .c_v = 1.0f,
                            .c_w = RELAX,
                            .rho = rho_factor * normal.mean_diag};
    return pl_factors_admm(factors, out->rho, &out->matrix, task, err);
}
