/* core/study/units.h -- the groups of layers that are measured or set together: one layer, a role,
 * a block, a site. */
#ifndef PL_STUDY_UNITS_H
#define PL_STUDY_UNITS_H

#include "core/state/state.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_unit {
    PL_UNIT_LAYER,
    PL_UNIT_ROLE,  /* the layers of one name in all blocks: every q_proj */
    PL_UNIT_BLOCK, /* the layers of one block */
    PL_UNIT_SITE,  /* the layers that share one input */
} pl_unit;

/* A command's choices, in that order. */
#define PL_UNIT_CHOICES "layer|role|block|site"

enum { PL_NO_UNIT = -1 };

/* Measured against the original on the same targets. */
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
    double estimate; /* estimate of loss.kl, nats (pl_sensitivity_estimate); NaN: none */
    bool found;      /* it was in the store */
} pl_unit_loss;

/* The units of the layers that are rounded, in model order: unit_of[layers]: a layer's unit or
 * PL_NO_UNIT; units[layers] get name, block, layer and layers.  *unsolved: layers that nothing
 * rounds yet.  PL_ERR_STATE, PL_ERR_NOT_FOUND where there is no unit; `who` begins the sentence. */
PL_NODISCARD pl_status pl_find_units(const char *who, const pl_state *state, pl_unit unit,
                                     const char *glob, long *unit_of, pl_unit_loss *units,
                                     size_t *count, size_t *unsolved, pl_error *err);

/* Some transforms are made for the rounder of a site's first layer (AWQ, FlatQuant), or for those
 * of a block's sites: a unit that gets a rounder of its own has to hold all layers behind such a
 * transform, or none of the first ones.  PL_ERR_USAGE. */
PL_NODISCARD pl_status pl_check_rounder_units(const char *who, const pl_state *state,
                                              const long *unit_of, pl_error *err);

#endif
