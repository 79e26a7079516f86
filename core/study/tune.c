#include "core/study/tune.h"

#include "core/study/tune_parts.h"

pl_status pl_tune_run(pl_context cx, const pl_tuning *tuning, const int32_t *ids, size_t count,
                      pl_tuned *out, pl_error *err)
{
    pl_tuning checked = *tuning;
    *out = (pl_tuned){0};
    pl_tuner t = {.cx = cx, .tuning = &checked, .ids = ids, .n_ids = count, .out = out};
    pl_status status = pl_tune_check(cx.state, &checked, err);
    PL_THEN(pl_tuner_begin(&t, err));
    PL_THEN(checked.by_kl ? pl_tune_kl(&t, err) : pl_tune_heldout(&t, err));
    pl_tuner_end(&t);
    if (status != PL_OK) {
        pl_tuned_deinit(out);
    }
    return status;
}
