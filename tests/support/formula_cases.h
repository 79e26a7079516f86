/* tests/support/formula_cases.h -- the cases of tests/golden/arch_values.json. */
#ifndef PL_TESTS_FORMULA_CASES_H
#define PL_TESTS_FORMULA_CASES_H

#include "tests/support/formula_model.h"
#include "tests/support/golden.h"

/* All of them; the caller decrefs. */
static inline json_t *formula_cases(void)
{
    return golden_values("arch_values.json");
}

static inline const json_t *formula_case(const json_t *values, const char *name)
{
    size_t i;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        if (strcmp(json_string_value(json_object_get(about, "name")), name) == 0) {
            return about;
        }
    }
    fail();
    return NULL;
}

#endif
