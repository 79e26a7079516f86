/* tests/unit/plots/kinds_fixture.h -- a demo with a solved layer and a pin, and figures of it. */
#ifndef PL_TESTS_KINDS_FIXTURE_H
#define PL_TESTS_KINDS_FIXTURE_H

#include "core/lab/weights.h"
#include "core/state/kept.h"
#include "plots/kinds.h"
#include "tests/support/demo_lab.h"

enum { GROUP = 48, ROWS = 144, COLS = 144, GROUPS = 3 };

/* The pin: beta=0.001; now: beta=0.01. */
static inline int kinds_setup(void **state)
{
    static demo_lab d;
    pl_error err;
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    demo_method(&d.state, "astro beta=0.001 group_size=48");
    demo_method(&d.state, "rtn bits=3 group_size=48");
    demo_solve(&d, DEMO_Q1);
    pl_check_ok(pl_state_pin(&d.state, &err), err);
    demo_method(&d.state, "astro beta=0.01 group_size=48");
    demo_solve(&d, DEMO_Q1);
    *state = &d;
    return 0;
}

static inline int kinds_teardown(void **state)
{
    demo_lab_deinit(*state);
    return 0;
}

static inline pl_request request_of(const demo_lab *d, const pl_kind *kind)
{
    pl_request request = pl_request_of(&d->state, kind);
    request.which = PL_WHICH_BOTH;
    request.pins = false;
    request.channel = SIZE_MAX;
    return request;
}

static inline pl_figure make_figure(demo_lab *d, const pl_request *request)
{
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_kind_make(demo_context(d), request, &figure, &err), err);
    return figure;
}

static inline const char *fact_of(const pl_figure *figure, const char *name)
{
    for (size_t i = 0; i < figure->n_facts; i++) {
        if (strcmp(figure->facts[i].name, name) == 0) {
            return figure->facts[i].text;
        }
    }
    fprintf(stderr, "no fact \"%s\"\n", name);
    fail();
    return "";
}

static inline float *pin_weights(demo_lab *d, pl_which which)
{
    pl_error err;
    float *w = calloc(1, demo_bytes(d, DEMO_Q1));
    assert_non_null(w);
    pl_check_ok(pl_weights_read(
                    demo_context(d), DEMO_Q1,
                    (pl_weights_of){.which = which, .pin = pl_kept_pin(d->state.kept[0], DEMO_Q1)},
                    w, &err),
                err);
    return w;
}

#endif
