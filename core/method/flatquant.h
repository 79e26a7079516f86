/* core/method/flatquant.h -- the places of FlatQuant's parameters in its specs, which core/learn
 * reads. */
#ifndef PL_METHOD_FLATQUANT_H
#define PL_METHOD_FLATQUANT_H

enum {
    PL_FLATQUANT_SCOPE,
    PL_FLATQUANT_STEPS,
    PL_FLATQUANT_SEED,
    PL_FLATQUANT_RATE,
    PL_FLATQUANT_DIAGONAL_RATE,
    PL_FLATQUANT_CLIP_RATE,
    PL_FLATQUANT_ALPHA,
    PL_FLATQUANT_ROWS,
    PL_FLATQUANT_BATCH,
    PL_FLATQUANT_PARAMS
};

#endif
