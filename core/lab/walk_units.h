/* core/lab/walk_units.h -- the windows of a solve in sequence, walked in shards by the lab's pool.
 *
 * A shard's walk keeps its hidden states between two parts, where it ran: its units go there.  One
 * that is lost with its rank begins anew elsewhere, with what the layers before were solved to.
 * Private to core/lab, but for the kind of unit and pl_lab_drop_walks. */
#ifndef PL_LAB_WALK_UNITS_H
#define PL_LAB_WALK_UNITS_H

#include "core/lab/pool.h"

/* Of one solve in sequence. */
typedef struct pl_walk_share {
    bool beside;    /* the original model walks along, for a rounder that follows it */
    pl_id run;      /* which solve: walks of another one are of no use */
    size_t windows; /* of a shard */
    size_t count;   /* shards; 0: not known yet */
    int *home;      /* [count] who walks each */
    bool off;       /* no pool, or a shard failed: the solve walks by itself */
} pl_walk_share;

/* Has the pool make the statistics of a part that the store does not have; what is not there then
 * is the caller's to make.  cx.state: as it is solved so far, on that spec's calibration. */
PL_NODISCARD pl_status pl_walk_in_units(pl_context cx, pl_walk_share *share,
                                        const pl_calib_spec *spec, pl_id calibration, pl_id key,
                                        size_t block, pl_site_role role, pl_error *err);
void pl_walk_share_deinit(pl_walk_share *share);

/* Frees the walks that units have left in a lab. */
void pl_lab_drop_walks(pl_lab *lab);

extern const pl_unit_kind pl_unit_walk;

#endif
