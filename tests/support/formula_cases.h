/* tests/support/formula_cases.h -- the cases of tests/golden/arch_values.json. */
#ifndef PL_TESTS_FORMULA_CASES_H
#define PL_TESTS_FORMULA_CASES_H

#include "tests/support/formula_model.h"

/* All of them; the caller decrefs. */
static inline json_t *formula_cases(void)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[4096];
    json_error_t why;
    snprintf(path, sizeof path, "%s/tests/golden/arch_values.json", root != NULL ? root : ".");
    json_t *values = json_load_file(path, 0, &why);
    if (values == NULL) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        exit(1);
    }
    return values;
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
