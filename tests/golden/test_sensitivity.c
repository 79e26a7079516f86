/* What parts of the demo cost it, against PyTorch: sensitivity_values.json, by
 * tests/golden/make_sensitivity_values.py. */
#include "core/study/sensitivity.h"

#include "tests/e2e/run_planish.h"
#include "tests/support/demo_lab.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { LENGTH = 64, WINDOWS = 2, COUNT = LENGTH * WINDOWS };

static json_t *read_values(void)
{
    char path[600];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/golden/sensitivity_values.json",
             root != NULL ? root : ".");
    json_t *values = json_load_file(path, 0, NULL);
    assert_non_null(values);
    return values;
}

static const json_t *values_of(const json_t *values, const char *unit)
{
    size_t i = 0;
    json_t *line = NULL;
    json_array_foreach(json_object_get(values, "units"), i, line)
    {
        if (strcmp(json_string_value(json_object_get(line, "unit")), unit) == 0) {
            return line;
        }
    }
    fail_msg("no values of %s", unit);
    return NULL;
}

static const struct {
    pl_unit kind;
    const char *name;
} cases[] = {{PL_UNIT_LAYER, "3.v_proj"},
             {PL_UNIT_LAYER, "0.down_proj"},
             {PL_UNIT_ROLE, "q_proj"},
             {PL_UNIT_BLOCK, "2"}};

static const pl_unit_loss *find_unit(const pl_sensitivities *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->units[i].name, name) == 0) {
            return &found->units[i];
        }
    }
    fail_msg("no unit %s", name);
    return NULL;
}

static void test_against_torch(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    json_t *values = read_values();
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=3");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        demo_solve(&d, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = (int32_t)(5 + i * i % 200);
    }
    /* Block 2 is the one that is probed: its KL over its move is every estimate's factor. */
    const json_t *probed = values_of(values, "2");
    const double factor = run_number(probed, "kl") / run_number(probed, "move");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        pl_sensitivity asked = {.unit = cases[c].kind,
                                .text = {.length = LENGTH, .windows = WINDOWS}};
        pl_sensitivities found, estimated;
        pl_check_ok(pl_sensitivity_run(demo_context(&d), &asked, ids, COUNT, &found, &err), err);
        asked.probes = 1;
        pl_check_ok(pl_sensitivity_estimate(demo_context(&d), &asked, ids, COUNT, &estimated, &err),
                    err);
        const json_t *line = values_of(values, cases[c].name);
        const pl_loss *loss = &find_unit(&found, cases[c].name)->loss;
        pl_check_close(loss->kl, run_number(line, "kl"), 1e-3, 0);
        pl_check_close(loss->kl_max, run_number(line, "kl_max"), 1e-2, 0);
        pl_check_close(loss->perplexity, run_number(line, "perplexity"), 1e-3, 0);
        pl_check_close(found.original, run_number(values, "original"), 1e-3, 0);
        pl_check_close(find_unit(&estimated, cases[c].name)->estimate,
                       factor * run_number(line, "move"), 1e-3, 0);
        pl_sensitivities_deinit(&found);
        pl_sensitivities_deinit(&estimated);
    }
    json_decref(values);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_torch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
