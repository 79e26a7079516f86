/* tests/unit/learn/block_reference.h -- a block whose transforms are learned, in float64, plainly,
 * with rounding offsets that can be held: the reference of core/learn/block. */
#ifndef PL_TESTS_BLOCK_REFERENCE_H
#define PL_TESTS_BLOCK_REFERENCE_H

#include "core/learn/block.h"
#include "tests/support/formula_cases.h"
#include "tests/support/ref_block.h"

enum { LENGTH = 6, GOLDEN_LENGTH = 12, WINDOWS = 2, MOST_HELD = 1 << 17 };

typedef struct setting {
    const char *model;
    int weight_bits, act_bits, kv_bits;
    const pl_format *format;
    size_t weight_group, kv_group;
    size_t length; /* of a window; 0: LENGTH */
    size_t block;
} setting;

/* Of inputs: a format with blocks has the weights'; else 0, a row is one. */
size_t setting_input_group(const setting *set);

typedef struct block {
    setting set;
    pl_model *model;
    pl_tape *tape;
    pl_grid grid;
    pl_block_input in;
    pl_site_input sites[PL_REF_SITES]; /* those of in */
    pl_view views[PL_REF_SITES];
    float *max_abs, *x;
    /* the reference */
    pl_forward *forward;
    pl_ref_block ref;
    pl_block_layout at;
    double *x64, *y64, *target;
    double *w64[PL_REF_SITES], *b64[PL_REF_SITES]; /* the original ones */
    double *offsets, *sides, *zeros;
    size_t held, ranges;
    bool hold;
    const double *params;
    double *made; /* the parameters that weights, factors and scales were last made of, or NULL */
    size_t made_held[PL_REF_SITES], made_ranges[PL_REF_SITES];
    double *p1[PL_REF_SITES], *p2[PL_REF_SITES], *scale[PL_REF_SITES];
    double *p_h, *p_h_back;
    size_t seen[PL_REF_SITES], full[PL_REF_SITES]; /* rows of inputs, and in full precision */
} block;

/* Cleared; the caller's. */
double *block_zeros(size_t count);

/* Of a case of formula_cases(), written into the folder. */
void block_open(block *b, pl_temp *temp, const json_t *values, setting set);
void block_close(block *b);

/* log of L / ||F(X) - X||^2; with b->hold, with the rounding offsets that were found without. */
double block_reference(block *b, const double *params);

/* F(X) in full precision. */
void block_find_target(block *b);

#endif
