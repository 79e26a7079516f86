#include "core/method/method_parts.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define METHOD_ROW(name) &pl_method_##name,
static const pl_method *const methods[] = {PL_METHODS(METHOD_ROW) NULL};
#undef METHOD_ROW

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

bool pl_spec_is_of_block(const pl_spec *spec)
{
    return spec->method != NULL && spec->method->of_block != NULL && spec->method->of_block(spec);
}

bool pl_spec_suits_cache(const pl_spec *spec)
{
    return pl_spec_is_of_block(spec) ||
           (spec->method != NULL && spec->method->stream_loss == PL_LOSS_MODEL);
}

const char *pl_slot_name(pl_slot slot)
{
    static const char *const names[PL_SLOT_COUNT] = {"transform", "precondition", "round"};
    return names[slot];
}

size_t pl_method_telling(const pl_method *method)
{
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        if (method->params[i].telling) {
            return i;
        }
    }
    return SIZE_MAX;
}

const pl_reported *pl_told(size_t index)
{
    const pl_reported *told[PL_MAX_TOLD] = {NULL};
    size_t count = 0;
    for (size_t m = 0; methods[m] != NULL; m++) {
        for (size_t i = 0; i < methods[m]->n_reported; i++) {
            const pl_reported *one = &methods[m]->reported[i];
            size_t at = 0;
            while (at < count && strcmp(told[at]->name, one->name) != 0) {
                at++;
            }
            if (one->told && at == count) {
                assert(count < PL_MAX_TOLD);
                told[count++] = one;
            }
        }
    }
    return index < count ? told[index] : NULL;
}

void pl_method_tell(const pl_method *method, const pl_method_report *report, double *told)
{
    for (size_t at = 0; pl_told(at) != NULL; at++) {
        for (size_t i = 0; i < method->n_reported; i++) {
            if (strcmp(method->reported[i].name, pl_told(at)->name) == 0) {
                told[at] = report->own[i];
            }
        }
    }
}
