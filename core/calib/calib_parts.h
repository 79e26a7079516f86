/* core/calib/calib_parts.h -- the windows of one calibration walking through the blocks of a model,
 * with the statistics of the block they are at.  Private to core/calib. */
#ifndef PL_CALIB_CALIB_PARTS_H
#define PL_CALIB_CALIB_PARTS_H

#include "core/calib/calib.h"
#include "core/calib/massive.h"

#include <stdbool.h>

typedef struct pl_pass pl_pass;

/* Checks the protocol against the text, draws the sample.  The spec's pointers are borrowed. */
PL_NODISCARD pl_status pl_pass_create(const pl_calib_spec *spec, pl_pass **out, pl_error *err);
void pl_pass_destroy(pl_pass *pass);

/* The pass is of the windows [first, first + count) alone, a node of the tree that sums are made in
 * (stats.h): count is a power of two that divides first, or ends with the last window.  Before the
 * start. */
void pl_pass_narrow(pl_pass *pass, size_t first, size_t count);

/* Embeds all windows, before block 0.  parts: the walk stops within blocks, and what one part of a
 * block hands to the next is kept for all windows as well.  folder: where hidden states go that do
 * not fit the memory limit. */
PL_NODISCARD pl_status pl_pass_start(pl_pass *pass, bool parts, const char *folder, pl_task *task,
                                     pl_error *err);
/* Another pass over the same windows that is run along, step for step with the original's weights,
 * for the cross of the sites that are observed in parts (stats.h); borrowed.  Before the start,
 * which is of both. */
PL_NODISCARD pl_status pl_pass_compare(pl_pass *pass, pl_pass *original, pl_error *err);

bool pl_pass_started(const pl_pass *pass);

/* Receives the finished statistics of a site, borrowed for the call.  Called by several threads at
 * once, for different sites of a block. */
typedef pl_status (*pl_site_fn)(void *ctx, size_t site, const pl_site_stats *stats, pl_error *err);
/* The same of a pass of some windows: what they add up to. */
typedef pl_status (*pl_part_fn)(void *ctx, size_t site, const pl_stats_part *part, pl_error *err);

/* One block of the walk. */
typedef struct pl_pass_step {
    size_t block;
    const bool *want;      /* [sites of the block] which to observe; NULL: none */
    bool advance;          /* hidden states become the block's output */
    bool massive;          /* note the massive activations of that output */
    bool progress;         /* report progress in tokens */
    const pl_hooks *hooks; /* of the run, without observing; NULL: the original */
    pl_site_fn sink;
    pl_part_fn part_sink; /* of a narrowed pass, in place of sink */
    void *ctx;
    /* Not the whole block, but the layers of one site role, and then the inputs of those of the
     * next one (forward.h); PL_SITE_ROLE_COUNT: none. */
    bool parts;
    pl_site_role run, see;
} pl_pass_step;

/* Several rounds over the windows where the wanted accumulators do not fit the limit together. */
PL_NODISCARD pl_status pl_pass_block(pl_pass *pass, const pl_pass_step *step, pl_task *task,
                                     pl_error *err);

/* Massive activations noted so far, borrowed; at most PL_PASS_MASSIVE. */
enum { PL_PASS_MASSIVE = 65536 };
const pl_massive *pl_pass_massive(const pl_pass *pass, size_t *count);
/* The value that came nearest to being massive, borrowed; NULL where all rows are 0 or have one. */
const pl_massive *pl_pass_nearest(const pl_pass *pass);
/* How near it came, to compare passes of different windows: the largest share came nearest. */
float pl_pass_nearest_share(const pl_pass *pass);

/* Reads, checks, and writes what is in the store (calib_store.c). */
PL_NODISCARD pl_status pl_calib_put_site(pl_store *store, pl_id calibration, const pl_model *model,
                                         size_t site, const pl_site_stats *stats, pl_error *err);
PL_NODISCARD pl_status pl_calib_put_whole(pl_store *store, pl_id calibration,
                                          const pl_calib_spec *spec, const pl_massive *massive,
                                          size_t count, const pl_massive *nearest, pl_error *err);

/* Whether a site's entry has a cross. */
bool pl_calib_has_cross(pl_store *store, pl_id calibration, size_t site);

/* PL_OK and *whole if a site's entry is there, of the right shape, and every byte of it checks.
 * A damaged entry is removed and *damaged set. */
PL_NODISCARD pl_status pl_calib_verify_site(pl_store *store, pl_id calibration,
                                            const pl_calib_spec *spec, size_t site, bool *whole,
                                            bool *damaged, pl_error *err);
PL_NODISCARD pl_status pl_calib_verify_whole(pl_store *store, pl_id calibration, bool *whole,
                                             bool *damaged, pl_error *err);

/* *want: [sites of the block] those of the role that the store does not hold whole, where `beside`
 * with their cross; the caller frees it, also after a failure.  *any: whether there are such. */
PL_NODISCARD pl_status pl_walk_missing(const pl_calib_spec *spec, bool beside, pl_store *store,
                                       pl_id key, size_t block, pl_site_role role, bool **want,
                                       bool *any, pl_error *err);
/* As pl_calib_walk_observe of a narrowed walk: what its windows add up to at the part's sites. */
PL_NODISCARD pl_status pl_walk_part(pl_calib_walk *walk, size_t block, pl_site_role role,
                                    const pl_hooks *hooks, pl_part_fn sink, void *ctx,
                                    const char *folder, pl_task *task, pl_error *err);

#endif
