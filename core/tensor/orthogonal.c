#include "core/tensor/orthogonal.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>

pl_status pl_orthogonal_random(size_t n, uint64_t seed, float *q, pl_task *task, pl_error *err)
{
    double *a = pl_alloc(n * n, sizeof *a);
    if (a == NULL) {
        return pl_error_memory(err, "a rotation of %zu channels", n);
    }
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < n * n; i++) {
        a[i] = pl_rng_normal(&rng);
    }
    pl_status status = pl_task_tick(task, err);
    PL_THEN(pl_orthogonalize(a, n, err));
    for (size_t i = 0; status == PL_OK && i < n * n; i++) {
        q[i] = (float)a[i];
    }
    free(a);
    return status;
}
