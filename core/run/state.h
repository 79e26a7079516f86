/* core/run/state.h -- the small value that says what the user is looking at.
 *
 * A command is a function from state to state.  Undo, redo, sessions and a figure's provenance are
 * lists of states.  Results are never in it: a state names them by key, and they live in the
 * store. */
#ifndef PL_RUN_STATE_H
#define PL_RUN_STATE_H

#include "core/calib/text.h"
#include "core/io/identity.h"
#include "core/model/model.h"
#include "core/quant/method.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* An opened model, shared by states and jobs; counted, thread-safe to retain and release.  Its
 * config, tokenizer and layer names may be read by any thread, its tensors by the worker only. */
typedef struct pl_source {
    pl_model *model;
    char *path;  /* as the user gave it; NULL for the built-in demo */
    char *demo;  /* the demo's folder, or NULL */
} pl_source;

/* Takes ownership of model.  On failure the model is closed. */
PL_NODISCARD pl_status pl_source_create(pl_model *model, const char *path, const char *demo,
                                        pl_source **out, pl_error *err);
pl_source *pl_source_retain(pl_source *source);
void pl_source_release(pl_source *source); /* NULL is fine */

enum { PL_MAX_TEXTS = 16, PL_MAX_OVERRIDES = 32 };

/* What `calibrate` was given, and the key of what it found; n_texts 0: not calibrated. */
typedef struct pl_calibration {
    char *texts[PL_MAX_TEXTS]; /* owned paths */
    size_t n_texts;
    pl_protocol protocol;
    pl_id key;  /* of the calibration in the store */
    bool known; /* key is set: true after `calibrate`, false for a demo not yet calibrated */
} pl_calibration;

/* `on=GLOB`: layers whose name matches use this spec in its slot instead of the general one; the
 * last match wins.  spec.method NULL: the slot is empty for them. */
typedef struct pl_override {
    char *glob;
    pl_slot slot;
    pl_spec spec;
} pl_override;

/* A solved layer: the result's key, valid while the layer's plan is the one it was solved with. */
typedef struct pl_solved {
    pl_id plan;   /* pl_state_plan, or pl_state_plan_sequential, at that time */
    pl_id result; /* key in the store, see pipeline.h */
    bool set;
    bool sequential; /* solved block by block: depends on the plans of all layers */
} pl_solved;

typedef enum pl_side { PL_SIDE_WEIGHT, PL_SIDE_INPUT } pl_side;
typedef enum pl_which {
    PL_WHICH_BEFORE, PL_WHICH_PRECONDITIONED, PL_WHICH_AFTER, PL_WHICH_BOTH,
} pl_which;

typedef struct pl_state {
    pl_source *source; /* counted reference; NULL before `open` */
    pl_calibration calibration;
    pl_spec slots[PL_SLOT_COUNT];
    pl_override overrides[PL_MAX_OVERRIDES];
    size_t n_overrides;
    pl_solved *solved; /* [layers of the model] or NULL */
    size_t layer;      /* the selected one */
    pl_side side;      /* what the screen's channel plot shows */
    pl_which which;
} pl_state;

void pl_state_init(pl_state *state);            /* nothing open, every slot empty */
void pl_state_default_methods(pl_state *state); /* Astro, then GPTQ: where the screen starts */
PL_NODISCARD pl_status pl_state_copy(pl_state *to, const pl_state *from, pl_error *err);
void pl_state_deinit(pl_state *state);

/* Puts a source in: resets calibration (the demo's is its own text), solved layers, selection. */
PL_NODISCARD pl_status pl_state_set_source(pl_state *state, pl_source *source, pl_error *err);

PL_NODISCARD pl_status pl_calibration_set(pl_calibration *calibration, const char *const *texts,
                                          size_t n, const pl_protocol *protocol, pl_error *err);

/* The spec of a slot for a layer, overrides applied. */
const pl_spec *pl_state_spec(const pl_state *state, size_t layer, pl_slot slot);

/* Hash of what would be done to a layer: its specs and the calibration asked for. */
pl_id pl_state_plan(const pl_state *state, size_t layer);

/* The same for `solve all sequential=yes`, where a layer's inputs come from the blocks before. */
pl_id pl_state_plan_sequential(const pl_state *state);

/* The layer's result under the present plan, or NULL. */
const pl_id *pl_state_result(const pl_state *state, size_t layer);
PL_NODISCARD pl_status pl_state_set_result(pl_state *state, size_t layer, pl_id plan, pl_id result,
                                           pl_error *err);
size_t pl_state_solved_count(const pl_state *state);

/* The shortest list of commands that reaches this state: the selected layer and everything it
 * needs (all layers if `whole`).  No output path, time, host or absolute path: files by their last
 * name.  Appended to out, one command a line. */
void pl_state_commands(const pl_state *state, bool whole, pl_buf *out);

/* Everything, for a session: paths included.  from_json opens nothing; *model_path (caller frees;
 * NULL for the demo) tells what to open before pl_state_restore is called with its source. */
json_t *pl_state_to_json(const pl_state *state);
PL_NODISCARD pl_status pl_state_restore(pl_state *state, const json_t *json, pl_source *source,
                                        pl_error *err);

#endif
