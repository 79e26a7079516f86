#include "core/solve/linf_parts.h"

/* The papers' proximal gradient, step 1 on Gn (methods.md 2 and 2.1):
 *     v = w - (w - w0) Gn,   w = prox(v). */
pl_status pl_linf_pgd_kernel(pl_factors *factors, pl_linf_kernel *out, pl_task *task, pl_error *err)
{
    pl_normalized normal;
    pl_status status = pl_factors_normalized(factors, &normal, task, err);
    *out =
        (pl_linf_kernel){.matrix = normal.gn, .gain = -1.0f, .d_z = 1.0f, .c_z = 1.0f, .rho = 1.0};
    return status;
}
