/* core/calib/calib.h -- one pass of a model over a text: Gram matrices and statistics per site.
 *
 * Results go to the store as each block finishes, under keys made of the model's identity, the
 * text's, the protocol and (for sequential solving) the methods' hash of the blocks before. */
#ifndef PL_CALIB_CALIB_H
#define PL_CALIB_CALIB_H

#include "core/calib/massive.h"
#include "core/calib/stats.h"
#include "core/calib/text.h"
#include "core/io/store.h"
#include "core/model/forward.h"

#include <stddef.h>

enum { PL_CALIB_SAMPLE_ROWS = PL_PROTOCOL_ROWS };

/* What a calibration is of; its key names every result. */
typedef struct pl_calib_spec {
    pl_model *model;
    const pl_tokens *tokens;
    pl_protocol protocol;
    size_t sample_rows;  /* PL_CALIB_SAMPLE_ROWS; all rows if there are fewer */
    size_t memory_limit; /* bytes for the whole process, 0: none */
} pl_calib_spec;

/* Key of the whole calibration (reads the model once for its identity). */
PL_NODISCARD pl_status pl_calib_key(const pl_calib_spec *spec, pl_id *out, pl_task *task,
                                    pl_error *err);

/* Key of one site's entry under a calibration's key. */
pl_id pl_calib_site_key(pl_id calibration, size_t site);

typedef struct pl_calib_report {
    size_t tokens;
    double seconds;
    size_t sites_computed, sites_found; /* found: already in the store, whole */
    size_t sites_rebuilt;               /* were damaged */
} pl_calib_report;

/* Runs the pass (or finds it in the store) with the original weights.  Every entry of it is read
 * and checked: damaged ones are removed and computed again, missing ones computed, the others kept.
 * Hidden states that do not fit the memory limit go to an unlinked file in the store's folder;
 * accumulators of one block that do not fit together are filled one round after the other.  The
 * bytes do not depend on either.  PL_ERR_MEMORY where a single site does not fit.  When cancelled,
 * finished blocks stay stored.  Progress is reported in tokens (times the share of blocks done). */
PL_NODISCARD pl_status pl_calib_run(const pl_calib_spec *spec, pl_store *store, pl_id *key,
                                    pl_calib_report *report, pl_task *task, pl_error *err);

/* --- shard.c: the windows in shards, which may be run apart, by other processes, too -----------
 */

/* Windows of a shard where there are to be about so many of them: a power of two. */
size_t pl_calib_shard_windows(const pl_protocol *protocol, size_t shards);
/* How many shards of so many windows there are. */
size_t pl_calib_shard_count(const pl_protocol *protocol, size_t windows);

/* Whether a shard's sums are in the store. */
bool pl_calib_shard_there(const pl_calib_spec *spec, pl_store *store, pl_id calibration,
                          size_t windows, size_t shard);
/* Runs one shard's windows through the model and leaves their sums in the store. */
PL_NODISCARD pl_status pl_calib_shard_run(const pl_calib_spec *spec, pl_store *store,
                                          pl_id calibration, size_t windows, size_t shard,
                                          pl_task *task, pl_error *err);
/* Puts the sums of all shards together, site by site, and removes them: the store then has what
 * pl_calib_run makes, byte for byte.  PL_ERR_NOT_FOUND where a shard is missing. */
PL_NODISCARD pl_status pl_calib_shards_join(const pl_calib_spec *spec, pl_store *store,
                                            pl_id calibration, size_t windows, size_t *sites,
                                            pl_task *task, pl_error *err);

/* All sites of a calibration are in the store (headers only). */
bool pl_calib_complete(pl_store *store, pl_id calibration, const pl_model *model);

/* Reads one site, with the Gram matrix as out->gram or out->triangle, and its sample if asked for.
 * Caller deinits out.  PL_ERR_NOT_FOUND / PL_ERR_FORMAT (damaged, or of as many channels as another
 * model's site has) as the store says. */
PL_NODISCARD pl_status pl_calib_load_site(pl_store *store, pl_id calibration, const pl_model *model,
                                          size_t site, pl_gram_form form, bool with_sample,
                                          pl_site_stats *out, pl_error *err);

/* The site's cross (stats.h), the caller's to free.  PL_ERR_NOT_FOUND where it was not made. */
PL_NODISCARD pl_status pl_calib_load_cross(pl_store *store, pl_id calibration,
                                           const pl_model *model, size_t site, float **out,
                                           pl_error *err);

/* --- inputs.c: a bare model with inputs (core/model/bare.h), which needs no pass -------------- */

typedef struct pl_inputs_spec {
    pl_model *model;
    size_t sample_rows;  /* PL_CALIB_SAMPLE_ROWS; all rows if there are fewer */
    size_t memory_limit; /* bytes, 0: none */
} pl_inputs_spec;

/* Key of a bare model's calibration: its inputs' identity (reads every byte of them once) and which
 * site has which.  The same rows give the same bytes under another key. */
PL_NODISCARD pl_status pl_calib_inputs_key(pl_model *model, size_t sample_rows, pl_id *out,
                                           pl_task *task, pl_error *err);

/* Statistics of one site, which must have inputs, from all their rows; stored as a pass does, with
 * row numbers as positions and -1 for the ids of tokens.  PL_ERR_NUMERIC names file, tensor, row
 * and column of a NaN or an infinity.  Progress in rows. */
PL_NODISCARD pl_status pl_calib_inputs_site(const pl_inputs_spec *spec, pl_id key, size_t site,
                                            pl_store *store, pl_task *task, pl_error *err);

/* Removes a site's entry, if there is one, so that it can be stored again. */
PL_NODISCARD pl_status pl_calib_drop_site(pl_store *store, pl_id calibration, size_t site,
                                          pl_error *err);

/* Massive activations of the residual stream found by a calibration.  Caller frees *out. */
PL_NODISCARD pl_status pl_calib_load_massive(pl_store *store, pl_id calibration, pl_massive **out,
                                             size_t *count, pl_error *err);

/* The value that came nearest to being massive, among hidden states without a massive one.  *found:
 * false where a calibration of an earlier version did not note it. */
PL_NODISCARD pl_status pl_calib_load_nearest(pl_store *store, pl_id calibration, pl_massive *out,
                                             bool *found, pl_error *err);

/* Identity of the text that a calibration was made of; false where the store does not say. */
bool pl_calib_text(pl_store *store, pl_id calibration, pl_id *out);

/* Sequential solving (GPTQ's "true sequential"): a walk over the parts of the blocks, which are the
 * layers of one site role.  The caller observes a part, solves its layers, and observes the next,
 * whose inputs come from the layers solved before. */
typedef struct pl_calib_walk pl_calib_walk;

/* The spec's pointers are borrowed for the walk's life.  beside: the original model walks along,
 * and the statistics have their cross. */
PL_NODISCARD pl_status pl_calib_walk_create(const pl_calib_spec *spec, bool beside,
                                            pl_calib_walk **out, pl_task *task, pl_error *err);
void pl_calib_walk_destroy(pl_calib_walk *walk);

/* Statistics of the sites of a part, on what the model with these hooks computes before it, stored
 * under pl_calib_site_key(key, site); what is already there, whole, is kept, and where that is all
 * nothing is run.  Parts come in rising order (PL_ERR_STATE otherwise), some may be left out; every
 * part is run once.  Hidden states may be spilled to the store's folder. */
PL_NODISCARD pl_status pl_calib_walk_observe(pl_calib_walk *walk, pl_store *store, pl_id key,
                                             size_t block, pl_site_role role, const pl_hooks *hooks,
                                             pl_task *task, pl_error *err);

/* A walk of a shard of the windows alone; before its first part. */
void pl_calib_walk_narrow(pl_calib_walk *walk, size_t first, size_t count);
/* Whether it has gone by a part: then another one has to begin anew. */
bool pl_calib_walk_is_past(const pl_calib_walk *walk, size_t block, pl_site_role role);

/* The statistics of a part in three steps.  missing: *any says whether the store lacks some of
 * them.  shard: puts the sums of one shard's windows into the store.  join: adds up those of all
 * shards and removes them; the store then has the bytes of pl_calib_walk_observe.  beside: as the
 * walks were created. */
PL_NODISCARD pl_status pl_calib_walk_missing(const pl_calib_spec *spec, bool beside,
                                             pl_store *store, pl_id key, size_t block,
                                             pl_site_role role, bool *any, pl_error *err);
PL_NODISCARD pl_status pl_calib_walk_shard(pl_calib_walk *walk, const pl_model *model,
                                           pl_store *store, pl_id key, size_t windows, size_t shard,
                                           size_t block, pl_site_role role, const pl_hooks *hooks,
                                           pl_task *task, pl_error *err);
bool pl_calib_walk_shard_there(pl_store *store, pl_id key, size_t windows, size_t shard,
                               size_t block, pl_site_role role);
PL_NODISCARD pl_status pl_calib_walk_join(const pl_calib_spec *spec, bool beside, pl_store *store,
                                          pl_id key, size_t windows, size_t block,
                                          pl_site_role role, pl_task *task, pl_error *err);

#endif
