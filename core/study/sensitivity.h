/* core/study/sensitivity.h -- what each part of the model costs the model: one unit quantized
 * alone, or everything but it, and the KL divergence to the original.  Worker thread only. */
#ifndef PL_STUDY_SENSITIVITY_H
#define PL_STUDY_SENSITIVITY_H

#include "core/lab/lab.h"
#include "core/metrics/perplexity.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_unit {
    PL_UNIT_LAYER,
    PL_UNIT_ROLE,  /* the layers of one name in all blocks: every q_proj */
    PL_UNIT_BLOCK, /* the layers of one block */
    PL_UNIT_SITE,  /* the layers that share one input */
} pl_unit;

/* For a command's choices, in that order. */
#define PL_UNIT_CHOICES "layer|role|block|site"

typedef struct pl_sensitivity {
    pl_unit unit;
    bool without;     /* everything is quantized but the unit; else the unit alone is */
    const char *glob; /* only layers whose name matches; NULL: all */
    pl_ppl_spec text; /* protocol, length, windows; its memory limit is the lab's */
    size_t probes; /* units are blocks: only so many, spread evenly, and not all together; 0: all */
    const char *said; /* the command that asks for it, kept with what each layer costs; or NULL */
} pl_sensitivity;

/* What a measurement found, against the original on the same targets. */
typedef struct pl_loss {
    double kl, kl_max; /* mean and largest KL divergence, nats a token */
    double perplexity, perplexity_error;
    double agreement; /* share of targets with the same most likely token */
} pl_loss;

typedef struct pl_unit_loss {
    char name[64]; /* "15.q_proj", "q_proj", "15", "15.qkv" */
    size_t block;  /* SIZE_MAX: in all */
    size_t layer;  /* its first one */
    size_t layers; /* how many it has */
    pl_loss loss;
    double estimate; /* of loss.kl, nats (pl_sensitivity_estimate); NaN: there is none */
    bool found;      /* it was in the store */
} pl_unit_loss;

typedef struct pl_sensitivities {
    pl_unit_loss *units; /* [count], in model order */
    size_t count;
    pl_loss together;                 /* of all units quantized; without: of everything */
    double original, original_error;  /* perplexity */
    size_t tokens, windows, unsolved; /* scored; layers left out since nothing rounds them yet */
} pl_sensitivities;

/* The units of the layers that are rounded, in model order: unit_of[layers] is each one's index, -1
 * where it is in none; units[layers] get name, block, layer and layers.  *unsolved: layers that
 * nothing rounds yet.  PL_ERR_STATE, PL_ERR_NOT_FOUND where there is no unit; `who` begins the
 * sentence. */
PL_NODISCARD pl_status pl_find_units(const char *who, const pl_state *state, pl_unit unit,
                                     const char *glob, long *unit_of, pl_unit_loss *units,
                                     size_t *count, size_t *unsolved, pl_error *err);

/* Measures every unit on the text's tokens ids[count], or finds it in the store: what was measured
 * stays there, so that a cut-off run goes on.  PL_ERR_STATE where no layer is solved, and where
 * inputs are quantized and a unit would hold some layers of an input but not the others: expected
 * site or block then.  Keys are quantized with their block's k_proj, values with its v_proj.
 * Progress in "units".  Caller deinits *out. */
PL_NODISCARD pl_status pl_sensitivity_run(pl_lab *lab, const pl_state *state,
                                          const pl_sensitivity *asked, const int32_t *ids,
                                          size_t count, pl_sensitivities *out, pl_task *task,
                                          pl_error *err);
void pl_sensitivities_deinit(pl_sensitivities *s);

/* Estimates each unit's KL divergence in place of measuring it, at the cost of its own blocks:
 * units[].estimate = c r (methods.md 5), r how far the unit moves the residual stream behind its
 * blocks (core/metrics/local_error.h), c the geometric mean of KL over r of asked->probes blocks,
 * each measured with all its layers quantized.  The units' losses are NaN, `together` too; layers
 * have their column kl_estimate from there on.  Refuses as pl_sensitivity_run does; `without` is
 * not used.  PL_ERR_NUMERIC where no probed block moves anything.  Caller deinits *out. */
PL_NODISCARD pl_status pl_sensitivity_estimate(pl_lab *lab, const pl_state *state,
                                               const pl_sensitivity *asked, const int32_t *ids,
                                               size_t count, pl_sensitivities *out, pl_task *task,
                                               pl_error *err);

/* The KL divergence that a layer's result was last measured to cost by itself; NaN where it was not
 * (with weights alone quantized).  said: the command that asked for it is appended; or NULL. */
double pl_sensitivity_of_result(pl_lab *lab, const pl_state *state, pl_id result, pl_buf *said);
/* The same of the estimate. */
double pl_estimate_of_result(pl_lab *lab, const pl_state *state, pl_id result, pl_buf *said);
/* The commands that measured what the state's layers cost, and that estimated it, each once, a line
 * each, appended. */
void pl_sensitivity_commands(pl_lab *lab, const pl_state *state, pl_buf *out);

/* Spearman's rank correlation of x[n] and y[n] over the pairs where both are finite, equal values
 * sharing their mean rank; NaN for fewer than three of them, or where one side is all equal. */
PL_NODISCARD pl_status pl_rank_correlation(const double *x, const double *y, size_t n, double *out,
                                           pl_error *err);

#endif
