/* tests/unit/lab/export_arch.h -- small models of any architecture, solved and exported. */
#ifndef PL_TEST_EXPORT_ARCH_H
#define PL_TEST_EXPORT_ARCH_H

#include "core/lab/export.h"
#include "core/lab/pipeline.h"
#include "core/lab/weights.h"
#include "core/metrics/perplexity.h"
#include "core/model/stream.h"
#include "tests/support/formula_cases.h"

enum { ARCH_TEXT = 200 }; /* tokens */

extern json_t *arch_values; /* the program's: formula_values */

typedef struct arch_fixture {
    pl_temp temp, store;
    char out[600];
    pl_lab *lab;
    pl_state state;
} arch_fixture;

/* Calibrated on one window of so many tokens. */
void arch_open(arch_fixture *f, const char *name, bool gguf, size_t length);
void arch_close(arch_fixture *f);

/* The name of a layer that its attention has. */
const char *arch_any_layer(const arch_fixture *f);

/* By GPTQ. */
void arch_solve(arch_fixture *f, const char *name);

/* What was written, which the caller closes. */
pl_model *arch_export(arch_fixture *f, pl_which which);

/* The written weights are the state's; how many layers differ from the model's own. */
size_t arch_check_weights(arch_fixture *f, pl_model *written, pl_which which);

/* Perplexity. */
double arch_measure_with(pl_model *model, const pl_hooks *hooks);
double arch_measure(pl_model *model);

#endif
