/* core/lab/lab.h -- the store and the caches that jobs compute with.  Worker thread only.
 *
 * Gram matrices and factors of the sites worked on last stay in memory (least recently used out
 * first, within the memory limit), which is what makes a knob live. */
#ifndef PL_LAB_LAB_H
#define PL_LAB_LAB_H

#include "core/calib/calib.h"
#include "core/lab/context.h"
#include "core/solve/factors.h"

/* Workers that compute units of the lab's commands beside it (core/lab/pool.h). */
typedef struct pl_units pl_units;
typedef struct pl_pool {
    void *ctx;
    size_t workers; /* that compute, this process among them */
    /* Returns when every unit has ended, or left nothing.  Only a cancel is an error. */
    pl_status (*run)(void *ctx, pl_context cx, pl_units *units, pl_error *err);
    /* A command that computes has ended; any thread. */
    void (*ended)(void *ctx, const char *command);
    /* The lab and its store end: what workers still send is dropped.  Any thread. */
    void (*leave)(void *ctx);
} pl_pool;

typedef struct pl_lab_options {
    const char *store;   /* folder, NULL for the default */
    size_t memory_limit; /* bytes, 0: three quarters of the machine's */
    const pl_pool *pool; /* who computes units of its commands beside it; NULL: nobody; borrowed */
} pl_lab_options;

PL_NODISCARD pl_status pl_lab_create(const pl_lab_options *options, pl_lab **out, pl_error *err);
void pl_lab_destroy(pl_lab *lab);
pl_store *pl_lab_store(pl_lab *lab);

void pl_lab_set_pool(pl_lab *lab, const pl_pool *pool);
const pl_pool *pl_lab_pool(const pl_lab *lab);

/* Says that a command begins (pl_store_begin). */
void pl_lab_begin(pl_lab *lab);
size_t pl_lab_memory_limit(const pl_lab *lab);

/* The warnings gathered since the last call ("a damaged entry was rebuilt"); caller frees, may be
 * NULL. */
char *pl_lab_take_warning(pl_lab *lab);
void pl_lab_warn(pl_lab *lab, const char *text);

/* Runs the calibration that the state's texts and protocol describe, or finds it in the store. */
PL_NODISCARD pl_status pl_lab_calibrate(pl_context cx, pl_id *key, pl_calib_report *report,
                                        pl_error *err);

/* Key of the state's calibration.  The demo calibrates itself, and given inputs are a calibration
 * (their sites are read one by one, when pl_lab_load_site or pl_lab_site is asked for them); any
 * other model without one is PL_ERR_STATE, with a sentence that names `calibrate`. */
PL_NODISCARD pl_status pl_lab_calibration(pl_context cx, pl_id *key, pl_error *err);

/* True when pl_lab_calibration would answer without computing; *key is then set. */
bool pl_lab_is_calibrated(pl_lab *lab, const pl_state *state, pl_id *key);
/* Whether pl_lab_calibration has one to give: `calibrate` was run, or the inputs came with the
 * model. */
bool pl_lab_can_calibrate(const pl_state *state);
/* The calibration, where there is one or it is needed; else a key of zeros. */
PL_NODISCARD pl_status pl_lab_find_calibration(pl_context cx, bool needed, pl_id *key,
                                               pl_error *err);

/* The lab's list of walks that units of work have left (walk_units.h), for them alone; drop frees
 * them where the lab ends first. */
typedef struct pl_kept_walk pl_kept_walk;
pl_kept_walk **pl_lab_kept_walks(pl_lab *lab, void (*drop)(pl_lab *lab));

/* Tokens of the files of a text, kept for the last one.  Borrowed until the next call. */
PL_NODISCARD pl_status pl_lab_tokens(pl_context cx, const char *const *paths, size_t n,
                                     const pl_tokens **out, pl_error *err);

/* The same as a copy, the caller's, for a job with ticks: an urgent one may read another text
 * there.
 */
PL_NODISCARD pl_status pl_lab_own_tokens(pl_context cx, const char *const *paths, size_t n,
                                         pl_tokens *out, pl_error *err);

/* The state's calibration as core/calib takes it, for a walk of the caller's own: *spec points to
 * *tokens, which the caller deinits. */
PL_NODISCARD pl_status pl_lab_calib_spec(pl_context cx, pl_calib_spec *spec, pl_tokens *tokens,
                                         pl_error *err);

/* The hidden states of all windows of a calibration before a block, as the original model has them:
 * x[windows * length, hidden]; empty where x is NULL.  Those that were given back last are kept, so
 * that who goes from block to block computes each once. */
typedef struct pl_block_states {
    pl_id calibration;
    size_t block, windows, length;
    float *x;
} pl_block_states;
/* They are the caller's until it gives them back.  PL_ERR_MEMORY where they do not fit the memory
 * limit. */
PL_NODISCARD pl_status pl_lab_take_states(pl_context cx, pl_id calibration, size_t block,
                                          pl_block_states *out, pl_error *err);
void pl_lab_give_states(pl_lab *lab, pl_block_states *states);
/* Where those are that were given back (block_states.c). */
pl_block_states *pl_lab_kept_states(pl_lab *lab);

/* Removes a site of a calibration that was made for one solve, from memory and store. */
PL_NODISCARD pl_status pl_lab_forget_site(pl_lab *lab, pl_id calibration, size_t site,
                                          pl_error *err);

/* Before a solve that no knob waits for: lets go of other sites, the least recently used first,
 * until they and this one take half a gigabyte, or this one alone what it needs. */
void pl_lab_make_room(pl_lab *lab, const pl_state *state, pl_id calibration, size_t site);

/* A site's factors and statistics (without the sample) under a calibration key; held until
 * released, so that an urgent job in between cannot evict them.  A damaged entry of the state's
 * own calibration is computed again, with a warning. */
typedef struct pl_bench {
    pl_factors *factors;
    const pl_site_stats *stats;
    void *hold;
} pl_bench;
PL_NODISCARD pl_status pl_lab_site(pl_context cx, pl_id calibration, size_t site, pl_bench *out,
                                   pl_error *err);
void pl_lab_release(pl_lab *lab, pl_bench *bench); /* an empty bench is fine */

/* The same in the coordinates of a transform (NULL: as above) whose key is `key`: the factors are
 * those of T^T G T, as is the Gram matrix among the statistics; the others are the site's own.
 * Of more than PL_LOWER_WHOLE channels and without a transform it is packed. */
PL_NODISCARD pl_status pl_lab_site_under(pl_context cx, pl_id calibration, size_t site,
                                         const pl_transform *transform, pl_id key, pl_bench *out,
                                         pl_error *err);

/* How many tokens a site saw in the state's calibration (an expert's: those routed to it); NaN
 * before the calibration. */
double pl_lab_site_tokens(pl_lab *lab, const pl_state *state, size_t site);

/* The same site's statistics alone, for the caller to own: with its Gram matrix, or with its
 * sample of inputs. */
PL_NODISCARD pl_status pl_lab_load_site(pl_context cx, pl_id calibration, size_t site,
                                        pl_gram_form form, bool with_sample, pl_site_stats *out,
                                        pl_error *err);

#endif
