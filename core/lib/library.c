#include "core/lib/parts.h"

#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <stdatomic.h>
#include <string.h>

static atomic_int threads; /* 0: the usable processors */

pl_status pl_lib_enter(pl_error *err)
{
    const int asked = atomic_load(&threads);
    return pl_linalg_set_threads(asked > 0 ? asked : pl_linalg_default_threads(), err);
}

int pl_lib_leave(pl_status status, const pl_error *from, planish_error *to)
{
    if (to != NULL) {
        to->status = (int)status;
        _Static_assert(sizeof to->message == sizeof from->message, "both hold any sentence");
        memcpy(to->message, status != PL_OK ? from->message : "",
               status != PL_OK ? sizeof to->message : 1);
    }
    return (int)status;
}

pl_status pl_lib_given(const char *what, const void *pointer, pl_error *err)
{
    return pointer != NULL
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE, "planish: %s is NULL, and is needed", what);
}

pl_status pl_lib_spec(const char *text, pl_slot slot, pl_spec *out, pl_error *err)
{
    const pl_status status = pl_spec_parse("planish", text != NULL ? text : "", out, err);
    if (status != PL_OK) {
        return status == PL_ERR_FORMAT ? PL_ERR_USAGE : status; /* it is no file's */
    }
    if (out->method == NULL || out->method->slot != slot) {
        return pl_error_set(err, PL_ERR_USAGE, "planish: \"%s\" does not fill the slot %s",
                            text != NULL ? text : "", pl_slot_name(slot));
    }
    return PL_OK;
}

pl_status pl_lib_view(const char *what, const float *w, size_t rows, size_t n, size_t stride,
                      pl_view *out, pl_error *err)
{
    *out = (pl_view){w, rows, n, stride};
    if (w == NULL || rows == 0 || n == 0 || stride < n) {
        return pl_error_set(
            err, PL_ERR_USAGE,
            "planish: %s has %zu rows and %zu columns, %zu apart: expected a matrix "
            "whose rows do not overlap",
            what, rows, n, stride);
    }
    const size_t at = pl_view_first_nonfinite(*out);
    return at == rows * n
               ? PL_OK
               : pl_error_set(err, PL_ERR_NUMERIC, "planish: %s [%zu, %zu] is not finite", what,
                              at / n, at % n);
}

const char *planish_version(void)
{
    return PL_VERSION;
}

const char *planish_kernels(void)
{
    return pl_kernel_name();
}

const char *planish_better_kernels(void)
{
    return pl_kernel_better(pl_kernel_name(), pl_kernel_vectors());
}

int planish_set_threads(int count, planish_error *err)
{
    pl_error error = {0};
    if (count < 0 || count > 1024) {
        return pl_lib_leave(pl_error_set(&error, PL_ERR_USAGE,
                                         "planish: %d threads: expected a whole number from 0 to "
                                         "1024",
                                         count),
                            &error, err);
    }
    atomic_store(&threads, count);
    return pl_lib_leave(pl_lib_enter(&error), &error, err);
}

static const pl_method *method_at(size_t index)
{
    const pl_method *const *method = pl_methods();
    while (*method != NULL && index-- > 0) {
        method++;
    }
    return *method;
}

const char *planish_method_name(size_t index)
{
    const pl_method *method = method_at(index);
    return method != NULL ? method->name : NULL;
}

const char *planish_method_slot(size_t index)
{
    const pl_method *method = method_at(index);
    return method != NULL ? pl_slot_name(method->slot) : NULL;
}

const char *planish_method_summary(size_t index)
{
    const pl_method *method = method_at(index);
    return method != NULL ? method->summary : NULL;
}
