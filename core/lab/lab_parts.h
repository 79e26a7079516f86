/* core/lab/lab_parts.h -- what a lab holds; private to core/lab. */
#ifndef PL_LAB_LAB_PARTS_H
#define PL_LAB_LAB_PARTS_H

#include "core/lab/lab.h"

/* One site in memory. */
typedef struct pl_lab_bench {
    struct pl_lab_bench *next; /* most recently used first */
    pl_id calibration;
    size_t site;
    pl_id transform; /* key; zeros for the site's own coordinates */
    pl_site_stats stats;
    pl_factors *factors;
    float fused_most; /* pl_fused_most's number; 0: not known */
    int holders;
} pl_lab_bench;

struct pl_lab {
    pl_store *store;
    size_t memory_limit;
    pl_lab_bench *benches;
    pl_buf warning;
    size_t without_tokens; /* experts that no token was routed to, met so far */

    /* The last text read, for whom, and from which files. */
    pl_source *tokens_source;
    pl_buf tokens_paths;
    pl_tokens tokens;

    /* The calibration of a source that needs no text: the demo's own, or that of given inputs. */
    pl_source *own_source;
    pl_protocol own_protocol;
    pl_id own_key;

    pl_block_states states; /* of a calibration's windows before a block */

    const pl_pool *pool;
    pl_kept_walk *walks; /* that units of work have left */
    void (*drop_walks)(pl_lab *lab);

    pl_id known_used; /* the calibration that the present command has marked as used */
};

/* With all that it holds; not taken out of the list. */
void pl_lab_free_bench(pl_lab_bench *bench);

#endif
