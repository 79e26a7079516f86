/* tests/support/demo_lab.h -- the demo model, a state on it, and a lab with a store of its own. */
#ifndef PL_TESTS_DEMO_LAB_H
#define PL_TESTS_DEMO_LAB_H

#include "core/lab/weights.h"
#include "tests/support/check.h"

#include "core/lab/pipeline.h"
#include "tests/support/demo_store.h"
#include "tests/support/temp.h"

#include <stdlib.h>
#include <string.h>

enum { DEMO_LAYERS = 28, DEMO_Q1 = 7 }; /* model.layers.1.self_attn.q_proj: [144, 144] */

static inline void demo_folder(char out[512])
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(out, 512, "%s/sessions/demo", root != NULL ? root : ".");
}

/* A state on a model: as the built-in demo, or as any other folder (as_demo false). */
static inline void demo_state(pl_state *state, bool as_demo)
{
    pl_error err;
    char folder[512];
    pl_model *model = NULL;
    pl_source *source = NULL;
    demo_folder(folder);
    pl_check_ok(pl_model_open(folder, &model, &err), err);
    pl_check_ok(
        pl_source_create(model, as_demo ? NULL : folder, as_demo ? folder : NULL, &source, &err),
        err);
    pl_state_init(state);
    pl_check_ok(pl_state_set_source(state, source, &err), err);
    pl_source_release(source);
}

/* "astro beta=0.001" into its slot; "" empties the slot. */
static inline pl_spec demo_spec(const char *text)
{
    pl_error err;
    char copy[256];
    char *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    char *word = strtok_r(copy, " ", &rest);
    pl_spec spec = {0};
    if (word != NULL) {
        assert_non_null(pl_method_find(word));
        spec = pl_spec_default(pl_method_find(word));
    }
    while (word != NULL && (word = strtok_r(NULL, " ", &rest)) != NULL) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        pl_check_ok(pl_spec_set(&spec, word, equals + 1, &err), err);
    }
    return spec;
}

static inline void demo_method(pl_state *state, const char *text)
{
    pl_spec spec = demo_spec(text);
    state->slots[spec.method->slot] = spec;
}

static inline void demo_override(pl_state *state, pl_slot slot, const char *glob, const char *text)
{
    pl_error err;
    const pl_spec spec = demo_spec(text);
    pl_check_ok(pl_state_set_override(state, slot, glob, &spec, &err), err);
}

typedef struct demo_lab {
    pl_temp temp;
    char store[600];
    pl_lab *lab;
    pl_state state;
} demo_lab;

static inline void demo_lab_open(demo_lab *d)
{
    pl_error err;
    pl_lab_options options = {.store = d->store};
    pl_check_ok(pl_lab_create(&options, &d->lab, &err), err);
}

/* Two windows of the demo's text: enough for its widths, quick under the sanitizers. */
static inline void demo_lab_init(demo_lab *d)
{
    *d = (demo_lab){0};
    pl_temp_init_fast(&d->temp);
    snprintf(d->store, sizeof d->store, "%s/store", d->temp.folder);
    demo_store_fill(d->store, "2");
    demo_lab_open(d);
    demo_state(&d->state, true);
    d->state.calibration.protocol.windows = 2;
}

static inline void demo_lab_deinit(demo_lab *d)
{
    pl_state_deinit(&d->state);
    pl_lab_destroy(d->lab);
    pl_temp_deinit(&d->temp);
}

/* As a program that is started again: nothing but the store is kept. */
static inline void demo_lab_restart(demo_lab *d)
{
    pl_lab_destroy(d->lab);
    d->lab = NULL;
    demo_lab_open(d);
}

static inline pl_context demo_context(const demo_lab *d)
{
    return (pl_context){d->lab, &d->state, NULL};
}

/* Ids that the demo's vocabulary has, the same each time. */
static inline void demo_ids(int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)(5 + i * i % 200);
    }
}

static inline pl_id demo_calibration(demo_lab *d)
{
    pl_error err;
    pl_id key = {0};
    pl_check_ok(pl_lab_calibration(demo_context(d), &key, &err), err);
    return key;
}

static inline pl_solve_report demo_solve(demo_lab *d, size_t layer)
{
    pl_error err;
    pl_solve_report report;
    pl_id result = {0};
    pl_check_ok(pl_solve_layer(demo_context(d), layer, &report, &result, &err), err);
    pl_check_ok(
        pl_state_set_result(&d->state, layer, pl_state_plan(&d->state, layer), result, &err), err);
    return report;
}

/* Caller frees. */
static inline float *demo_weights(demo_lab *d, size_t layer, pl_which which)
{
    pl_error err;
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    float *w = calloc(info->rows * info->cols, sizeof *w);
    assert_non_null(w);
    pl_check_ok(pl_weights_read(demo_context(d), layer, (pl_weights_of){.which = which}, w, &err),
                err);
    return w;
}

/* A task that is cancelled where more than this part of what is counted is done: `what` is as
 * pl_task's progress has it. */
typedef struct demo_stopper {
    pl_task task;
    const char *what;
    double most;
} demo_stopper;

static inline void demo_stop_at(void *ctx, const char *what, double done, double total)
{
    demo_stopper *s = ctx;
    if (strcmp(what, s->what) == 0 && done > s->most * total) {
        atomic_store(&s->task.cancel, true);
    }
}

static inline size_t demo_bytes(const demo_lab *d, size_t layer)
{
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    return info->rows * info->cols * sizeof(float);
}

#endif
