#include "core/quant/method_parts.h"

#include <string.h>

static const pl_method *const methods[] = {
    &pl_method_smoothquant, &pl_method_awq,   &pl_method_hadamard, &pl_method_orthogonal,
    &pl_method_flatquant,   &pl_method_astro, &pl_method_magr,     &pl_method_gptq,
    &pl_method_rtn,         NULL,
};

const pl_method *const *pl_methods(void)
{
    return methods;
}

const pl_method *pl_method_find(const char *name)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (strcmp(methods[i]->name, name) == 0) {
            return methods[i];
        }
    }
    return NULL;
}

const pl_method *pl_method_next(pl_slot slot, const pl_method *now, int steps)
{
    const pl_method *choices[sizeof methods / sizeof *methods] = {NULL};
    int count = 1, at = 0;
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (methods[i]->slot == slot) {
            at = methods[i] == now ? count : at;
            choices[count++] = methods[i];
        }
    }
    return choices[((at + steps) % count + count) % count];
}

bool pl_spec_is_learned(const pl_spec *spec)
{
    return spec->method != NULL && spec->method->learned;
}

const char *pl_slot_name(pl_slot slot)
{
    static const char *const names[PL_SLOT_COUNT] = {"transform", "precondition", "round"};
    return names[slot];
}

pl_status pl_check_layer(const pl_layer_input *in, pl_error *err)
{
    const size_t n = in->factors != NULL ? pl_factors_n(in->factors) : in->w.cols;
    if (in->w.cols != n) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: the weights have %zu columns, the Gram matrix of its input %zu",
                            in->layer, in->w.cols, n);
    }
    const size_t at = pl_view_first_nonfinite(in->w);
    if (at < in->w.rows * n) {
        return pl_error_set(err, PL_ERR_NUMERIC, "%s: weight [%zu, %zu] is not finite", in->layer,
                            at / n, at % n);
    }
    return PL_OK;
}
