/* core/method/method.h -- the three slots, the methods that fill them, and their parameters.
 *
 * A run is transform -> precondition -> round.  A method is one file that defines a pl_method and
 * one line in list.h.  Its parameter table feeds the command line, completion, the tuner's knobs,
 * the session record and a figure's caption; what it tells of a solve goes into the store, JSON
 * and text by itself. */
#ifndef PL_METHOD_METHOD_H
#define PL_METHOD_METHOD_H

#include "core/base/text.h"
#include "core/format/grid.h"
#include "core/method/transform.h"
#include "core/solve/factors.h"
#include "core/solve/rows.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_slot {
    PL_SLOT_TRANSFORM,
    PL_SLOT_PRECONDITION,
    PL_SLOT_ROUND,
    PL_SLOT_COUNT
} pl_slot;

const char *pl_slot_name(pl_slot slot); /* "transform", "precondition", "round" */

typedef struct pl_spec pl_spec;

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
    bool telling;        /* what one asks for first: a label has it beside the method's name */
    const char *symbol;  /* "β": its name in a figure; NULL: `name` */
    bool counts_columns; /* of a layer, of which 0 is all */
    bool conditional;    /* applies only while the choice with the index `needs` has the value */
    size_t needs;        /* needs_value */
    int needs_value;
    bool sought; /* while the parameter `sought_by` is above 0, a solve finds this one, which does
                    not apply then, and reports it under the name `found`; who gives it a value puts
                    `sought_by` to 0 */
    size_t sought_by;
    const char *found;
    bool optional; /* at 0 it has no effect, and a spec's text leaves it out */
    bool no_yes;   /* the first two of several choices are a no and a yes */
    bool leads;    /* it decides what the others may be: it is set and written first */
    bool (*used)(const pl_spec *spec); /* NULL, or whether it has a meaning beside `needs` */
} pl_param;

/* The choices of a parameter that is a yes or no. */
extern const char *const pl_no_yes[3];

/* The parameters that every rounder's table begins with. */
enum {
    PL_GRID_BITS,
    PL_GRID_GROUP_SIZE,
    PL_GRID_SYMMETRIC,
    PL_GRID_MSE,
    PL_GRID_SCALE_DTYPE,
    PL_GRID_SCALES,
    PL_GRID_REFINE,
    PL_GRID_CERTIFY,
    PL_GRID_FORMAT,
    PL_GRID_SCALE_MODE,
    PL_GRID_FUSED_SCALES,
    PL_GRID_COUNT
};

enum { PL_MAX_PARAMS = 16, PL_MAX_REPORTED = 5, PL_MAX_TOLD = 8 };

/* By what a learned rotation of the whole model is judged. */
typedef enum pl_stream_loss {
    PL_LOSS_NONE,     /* it is none */
    PL_LOSS_KURTOSIS, /* of the inputs that it turns */
    PL_LOSS_MODEL,    /* the quantized model's cross-entropy */
    PL_LOSS_COUNT
} pl_stream_loss;

typedef struct pl_method pl_method;

/* A method with values for its parameters; a plain value.  method NULL: the slot is empty. */
struct pl_spec {
    const pl_method *method;
    double values[PL_MAX_PARAMS];
};

/* What a solve hands to a method. */
typedef struct pl_layer_input {
    const char *layer;   /* full name, for error sentences */
    pl_factors *factors; /* of the layer's site; NULL only for a method that is `blind` */
    pl_view w;           /* [out, in], finite: W0 for precondition, its result for round */
    /* What only a turn of a knob sets; zeros are a plain solve. */
    const pl_rows_watch *watch; /* NULL: nobody watches */
    pl_view whole;              /* precondition: the layer whose rows w are; data NULL: w */
    float most;                 /* round: max |w| of that layer, where scales depend on it
                                   (pl_format_of_tensor), at least w's own; 0: w's */
    double rough;               /* precondition: > 0 is a preview of about so many multiplications,
                                   which may be far from the end and has no certificate */
    pl_warm *warm;              /* precondition: where rows may be left, and a preview begins; NULL:
                                   nowhere */
    const size_t *place;        /* [out]: the row of warm, SIZE_MAX for none */
} pl_layer_input;

/* A number of its own that a method reports. */
typedef struct pl_reported {
    const char *name; /* "damping_used": its name in the store, in JSON and in text */
    const char *unit; /* "" where it has none */
    const char *help; /* one sentence */
    bool whole;       /* a whole number */
    bool told;        /* in the report of a solve, over several layers the largest; else only in
                         the store, beside the weights */
} pl_reported;

/* How far from optimal a result is, where its method knows (NaN, 0), and the method's own. */
typedef struct pl_method_report {
    double objective; /* what is minimized, summed over rows */
    double dual;      /* a lower bound on the optimum */
    double gap;       /* (objective - dual) / objective */
    double worst_row_gap;
    size_t worst_row;
    int iterations;              /* done by the row that took most; 0 where the method makes none */
    double own[PL_MAX_REPORTED]; /* as the method's `reported` lists them; NaN: none */
} pl_method_report;

/* Every number NaN or 0. */
pl_method_report pl_method_report_empty(void);

/* What the value of a preconditioner's telling parameter means on a layer; NaN where that is not
 * known. */
typedef struct pl_strength {
    double low;  /* below it nothing happens */
    double zero; /* from here on all weights are 0 */
    double tau;  /* for a value of 1: the threshold of one step over the mean |w| */
} pl_strength;

struct pl_method {
    const char *name;
    pl_slot slot;
    const char *summary; /* one sentence, with the source */
    const pl_param *params;
    size_t n_params;
    const pl_reported *reported;
    size_t n_reported;
    const char *title; /* as papers write it: "FlatQuant"; NULL: its name */
    bool blind;        /* needs nothing of the layer's inputs, but for scales=, refine=, certify= */
    bool suits_rounder;     /* a transform: made for the rounder's grid */
    bool suits_activations; /* a transform: made for the activations' grid */
    bool learned;           /* a transform that core/learn makes in steps: `transform` is NULL */
    bool turns_stream;      /* a transform: part of a rotation of the whole model (rotations.h) */
    pl_stream_loss stream_loss; /* of one of those that is learned */
    const char *loss;           /* what a learned one lowers, as an axis is named; NULL: the site's
                                   output error */
    /* A transform: whether the spec makes those of a whole block together, for the cache's grid,
       too.  NULL: it never does. */
    bool (*of_block)(const pl_spec *spec);
    /* Exactly one of these, by slot. */
    pl_status (*transform)(const pl_spec *spec, const pl_site_input *in, pl_transform **out,
                           pl_task *task, pl_error *err);
    pl_status (*precondition)(const pl_spec *spec, const pl_layer_input *in, float *w,
                              pl_method_report *report, pl_task *task, pl_error *err);
    pl_status (*round)(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                       pl_method_report *report, pl_task *task, pl_error *err);
    /* What follows may be NULL.
     * follows: of a rounder that looks at the factors' cross, w X0^T ~ w^ X^T: what share of it it
     * makes up for. */
    double (*follows)(const pl_spec *spec);
    /* prepare: makes in in->factors what a solve will need, and nothing else, so that a turn of a
     * knob finds it.  A rounder does not know its weights yet: in->w has no data then. */
    pl_status (*prepare)(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                         pl_error *err);
    /* Of a preconditioner: the columns of a group, 0 for one group a row (NULL: 0), and how it
     * weights the groups, alpha[groups]. */
    size_t (*group_size)(const pl_spec *spec);
    void (*alpha)(const pl_spec *spec, const pl_factors *factors, float *alpha);
    /* Of a preconditioner: most[out], the most that the result can lose of each row,
     * (w - w0) G (w - w0)^T.  NULL: w0 G w0^T. */
    pl_status (*most_lost)(const pl_spec *spec, const pl_layer_input *in, double *most,
                           pl_task *task, pl_error *err);
    /* Of a preconditioner: what its telling parameter means, whatever the values of the spec other
     * than the group size are. */
    pl_status (*strength)(const pl_spec *spec, const pl_layer_input *in, pl_strength *out,
                          pl_task *task, pl_error *err);
    /* Of a preconditioner with a parameter that is sought: about the spec that a solve of in->w
     * would find, nothing sought, for a preview.  *out begins as a copy of *spec. */
    pl_status (*settle)(const pl_spec *spec, const pl_layer_input *in, pl_spec *out, pl_task *task,
                        pl_error *err);
};

/* A rounder's `round`, and then as many sweeps of coordinate descent as its spec says: weight after
 * weight goes to the level that is best while the others stay, so that the error
 * ||w X0^T - w^ X^T||^2 never rises (X0 = X but for a method that follows). */
PL_NODISCARD pl_status pl_round(const pl_spec *spec, const pl_layer_input *in, pl_qweights *out,
                                pl_method_report *report, pl_task *task, pl_error *err);

/* Whether nothing of the layer's inputs is needed: the method is blind, and no parameter of its
 * spec looks at them. */
bool pl_spec_is_blind(const pl_spec *spec);

/* Whether the spec's method is one that core/learn makes. */
bool pl_spec_is_learned(const pl_spec *spec);
/* Whether the spec's method makes the transforms of a whole block together. */
bool pl_spec_is_of_block(const pl_spec *spec);
/* Whether the spec's transform is learned for the grid of the cache, too. */
bool pl_spec_suits_cache(const pl_spec *spec);

/* The registry: NULL-terminated, in the order they are listed to a user. */
const pl_method *const *pl_methods(void);
const pl_method *pl_method_find(const char *name);

/* `steps` behind `now` (before it: negative) among a slot's methods and none, which is NULL and
 * stands between the last and the first. */
const pl_method *pl_method_next(pl_slot slot, const pl_method *now, int steps);

/* Index of a parameter, SIZE_MAX if the method has none of that name: for names that a user
 * typed. */
size_t pl_method_param(const pl_method *method, const char *name);

/* Whether the method has a parameter of that name that leads. */
bool pl_method_leads(const pl_method *method, const char *name);

/* Index of the telling parameter, of which a strength is; SIZE_MAX if the method (or NULL) has
 * none. */
size_t pl_method_telling(const pl_method *method);

/* What a label has beside the spec's method: its telling parameter, or the one by which that is
 * sought.  SIZE_MAX if there is none. */
size_t pl_spec_telling(const pl_spec *spec);

/* The numbers that methods tell of a solve beside the common ones: those of all methods in the
 * order of the registry, every name once.  NULL past the last. */
const pl_reported *pl_told(size_t index);

/* Puts what `method` (not NULL) tells into told[PL_MAX_TOLD], by pl_told's index; the others stay
 * as they are. */
void pl_method_tell(const pl_method *method, const pl_method_report *report, double *told);

/* All parameters at their defaults; and those of the others beside the spec's leading one. */
pl_spec pl_spec_default(const pl_method *method);
pl_spec pl_spec_usual(const pl_spec *spec);

/* Whether a parameter has a meaning beside the others' values: steps only for solver=pgd. */
bool pl_spec_applies(const pl_spec *spec, size_t param);

/* PL_ERR_USAGE where the parameter has no meaning beside the spec's others, with the one that gives
 * it a meaning; `who` begins the sentence. */
PL_NODISCARD pl_status pl_spec_check_used(const char *who, const pl_spec *spec, size_t param,
                                          pl_error *err);

/* Whether the rounder's format has one value for the parameter: nvfp4 has 4 bits and blocks of 16.
 */
bool pl_spec_fixes(const pl_spec *spec, size_t param);

/* Whether a solve finds the parameter. */
bool pl_spec_seeks(const pl_spec *spec, size_t param);

/* Whether it belongs to what is said of the spec: it applies, and is no optional one that says
 * nothing. */
bool pl_spec_is_written(const pl_spec *spec, size_t param);

/* Parses text for a parameter: checks type and range, and of a grid's what its format allows.  One
 * that a solve would find is as given then; another format takes its own bits, group size and
 * scales.  PL_ERR_USAGE names method, key, the value
 * given and what was expected; an unknown key lists the known ones. */
PL_NODISCARD pl_status pl_spec_set(pl_spec *spec, const char *key, const char *text, pl_error *err);
/* The same of a number. */
PL_NODISCARD pl_status pl_spec_set_number(pl_spec *spec, const char *key, double value,
                                          pl_error *err);

/* A value as text that pl_spec_set reads back to the same number (shortest form).  Both directions
 * follow LC_NUMERIC, which the program leaves at "C". */
void pl_spec_format_value(const pl_spec *spec, size_t param, pl_buf *out);

/* "astro beta=0.0003 group_size=128 ..." with every parameter that applies, but for optional ones
 * at 0. */
void pl_spec_format(const pl_spec *spec, pl_buf *out);

/* A spec from "astro beta=3e-4 ..." as pl_spec_format writes it; "" is an empty slot.  `who` begins
 * a sentence (PL_ERR_FORMAT; PL_ERR_USAGE from pl_spec_set). */
PL_NODISCARD pl_status pl_spec_parse(const char *who, const char *text, pl_spec *spec,
                                     pl_error *err);

/* Same method and the same value of every parameter, also of those that do not apply now. */
bool pl_spec_equal(const pl_spec *a, const pl_spec *b);

/* Whether a rounder's format is none of integers; false for an empty slot. */
bool pl_spec_has_blocks(const pl_spec *round);

/* A preconditioner's group size that is the usual one beside the rounder `before` (its format's
 * block; the parameter's default beside integers or none) becomes the usual one beside `now`: the
 * maximum that matters is that of a block. */
void pl_spec_follow_format(pl_spec *precondition, const pl_spec *before, const pl_spec *now);

/* Whether a rounder's scale of the whole matrix is that of all layers of the site; false for an
 * empty slot. */
bool pl_spec_shares_scale(const pl_spec *round);

/* The grid of a rounder's spec. */
pl_grid pl_spec_grid(const pl_spec *spec);

/* The group size that a plan's reports speak of: the preconditioner's, without one the rounder's;
 * `neither` where both slots are empty. */
size_t pl_spec_group_size(const pl_spec *precondition, const pl_spec *round, size_t neither);

#endif
