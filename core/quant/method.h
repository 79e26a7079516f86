/* core/quant/method.h -- the three slots, the methods that fill them, and their parameters.
 *
 * A run is transform -> precondition -> round.  A method is one file that defines a pl_method and
 * one line in registry.c.  Its parameter table feeds the command line, completion, the tuner's
 * knobs, the session record and a figure's caption. */
#ifndef PL_QUANT_METHOD_H
#define PL_QUANT_METHOD_H

#include "core/base/text.h"
#include "core/quant/factors.h"
#include "core/quant/grid.h"
#include "core/quant/linf.h"
#include "core/quant/transform.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_slot {
    PL_SLOT_TRANSFORM,
    PL_SLOT_PRECONDITION,
    PL_SLOT_ROUND,
    PL_SLOT_COUNT
} pl_slot;

const char *pl_slot_name(pl_slot slot); /* "transform", "precondition", "round" */

typedef enum pl_param_type {
    PL_PARAM_REAL,
    PL_PARAM_INT,
    PL_PARAM_CHOICE, /* one of `choices`; its value is the index.  yes/no is a choice, too. */
} pl_param_type;

typedef struct pl_param {
    const char *name; /* "beta" */
    pl_param_type type;
    double minimum, maximum;    /* inclusive; for a choice 0 and count - 1 */
    double initial;             /* the default */
    const char *const *choices; /* NULL-terminated, for PL_PARAM_CHOICE */
    bool logarithmic;           /* a knob steps by factors rather than by sums */
    double step;                /* a knob's step: a factor (e.g. 10^(1/12)) or a difference */
    const char *unit;           /* "" where it has none */
    const char *help;           /* one sentence */
    const char *needs;          /* applies only while this choice has the index needs_value; */
    int needs_value;            /* NULL: always */
} pl_param;

enum { PL_MAX_PARAMS = 12 };

typedef struct pl_method pl_method;

/* A method with values for its parameters; a plain value.  method NULL: the slot is empty. */
typedef struct pl_spec {
    const pl_method *method;
    double values[PL_MAX_PARAMS];
} pl_spec;

/* What a solve hands to a method. */
typedef struct pl_layer_input {
    const char *layer;   /* full name, for error sentences */
    pl_factors *factors; /* of the layer's site; NULL only for a method that is `blind` */
    pl_view w;           /* [out, in], finite: W0 for precondition, its result for round */
    /* What only a live solve sets; zeros are a plain solve. */
    const pl_rows_watch *watch; /* NULL: nobody watches */
    const pl_linf_keep *keep;   /* precondition: state of some rows for later warm starts */
    pl_view whole;              /* precondition: the layer whose rows w are; data NULL: w */
    size_t warm_first;          /* precondition: w's rows are those of warm from this one on */
    int rough;                  /* > 0: a preview of so many iterations, without bounds */
} pl_layer_input;

typedef struct pl_round_report {
    double damping_used; /* NaN where the method has none */
    int dead_columns;
} pl_round_report;

struct pl_method {
    const char *name;
    pl_slot slot;
    const char *summary; /* one sentence, with the source */
    const pl_param *params;
    size_t n_params;
    bool live;  /* quick enough to be turned as a knob */
    bool blind; /* needs nothing of the layer's inputs */
    bool suits_rounder;     /* a transform: made for the rounder's grid */
    bool suits_activations; /* a transform: made for the activations' grid */
    bool learned;           /* a transform that core/learn makes in steps: `transform` is NULL */
    /* Exactly one of these, by slot. */
    pl_status (*transform)(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                           pl_task *task, pl_error *err);
    pl_status (*precondition)(const pl_spec *spec, const pl_layer_input *in, pl_linf_warm *warm,
                              float *w, pl_linf_report *report, pl_task *task, pl_error *err);
    pl_status (*round)(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                       pl_round_report *report, pl_task *task, pl_error *err);
    /* Group size and weighting of a preconditioner, for reports.  NULL for rounders.  alpha[groups
     * of group_size] as the method weights its groups; NULL where it has no `beta`. */
    size_t (*group_size)(const pl_spec *spec);
    void (*alpha)(const pl_spec *spec, const pl_factors *factors, float *alpha);
};

/* Whether the spec's method is one that core/learn makes. */
bool pl_spec_is_learned(const pl_spec *spec);

/* The registry: NULL-terminated, in the order they are listed to a user. */
const pl_method *const *pl_methods(void);
const pl_method *pl_method_find(const char *name);

/* `steps` behind `now` (before it: negative) among a slot's methods and none, which is NULL and
 * stands between the last and the first. */
const pl_method *pl_method_next(pl_slot slot, const pl_method *now, int steps);

/* Index of a parameter, SIZE_MAX if the method has none of that name. */
size_t pl_method_param(const pl_method *method, const char *name);

/* All parameters at their defaults. */
pl_spec pl_spec_default(const pl_method *method);

double pl_spec_value(const pl_spec *spec, const char *name); /* the parameter must exist */

/* Whether a parameter has a meaning beside the others' values: steps only for solver=pgd. */
bool pl_spec_applies(const pl_spec *spec, size_t param);

/* Parses text for a parameter: checks type and range.  PL_ERR_USAGE names method, key, the value
 * given and what was expected; an unknown key lists the known ones. */
PL_NODISCARD pl_status pl_spec_set(pl_spec *spec, const char *key, const char *text, pl_error *err);

/* A value as text that pl_spec_set reads back to the same number (shortest form).  Both directions
 * follow LC_NUMERIC, which the program leaves at "C". */
void pl_spec_format_value(const pl_spec *spec, size_t param, pl_buf *out);

/* "astro beta=0.0003 group_size=128 ..." with every parameter that applies. */
void pl_spec_format(const pl_spec *spec, pl_buf *out);

/* Same method and the same value of every parameter, also of those that do not apply now. */
bool pl_spec_equal(const pl_spec *a, const pl_spec *b);

/* The grid of a rounding spec (rtn, gptq). */
pl_grid pl_spec_grid(const pl_spec *spec);

#endif
