/* core/lab/online.h -- what of a site's transform is computed while the model runs. */
#ifndef PL_LAB_ONLINE_H
#define PL_LAB_ONLINE_H

#include "core/method/transform.h"
#include "core/state/state.h"

typedef struct pl_online {
    bool online;              /* something is left to compute for every token */
    bool folds;               /* it, or its diagonal alone, can go into what makes the input */
    const char *fold;         /* where that goes: "the norm's gain"; NULL: nowhere */
    double flops;             /* a token */
    double bytes;             /* of T's own matrices */
    double share;             /* flops over those of the site's layers */
    bool inputs;              /* the site's input is transformed for every token */
    const pl_transform *keys; /* turns so many heads of queries and keys; NULL: none.  Borrowed */
    size_t heads, head_dim;
} pl_online;

pl_online pl_site_online(const pl_state *state, const pl_site *site, const pl_transform *t);

#endif
