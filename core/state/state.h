/* core/state/state.h -- the small value that says what the user is looking at.
 *
 * A command is a function from state to state.  Undo, redo, sessions and a figure's provenance are
 * lists of states.  Results are never in it: a state names them by key, and they live in the
 * store. */
#ifndef PL_STATE_STATE_H
#define PL_STATE_STATE_H

#include "core/base/count.h"
#include "core/calib/text.h"
#include "core/io/identity.h"
#include "core/method/method.h"
#include "core/model/model.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct pl_record pl_record; /* record.h */

/* An opened model, shared by states and jobs; counted, thread-safe to retain and release.  Its
 * config, tokenizer and layer names may be read by any thread, its tensors by the worker only. */
typedef struct pl_source {
    pl_count count;
    pl_model *model;
    char *path;        /* as the user gave it; NULL for the built-in demo */
    char *demo;        /* the demo's folder, or NULL */
    char *inputs;      /* of a bare model: the file of its inputs, as path; or NULL */
    pl_id told;        /* identity that a session says these files have (origin.h); zeros: none */
    pl_id print;       /* pl_origin_print of it; or zeros */
    pl_record *record; /* what has been found out about it */
} pl_source;

/* Takes ownership of model.  On failure the model is closed. */
PL_NODISCARD pl_status pl_source_create(pl_model *model, const char *path, const char *demo,
                                        pl_source **out, pl_error *err);
/* Names the file of inputs, for sessions, before anybody else holds the source. */
PL_NODISCARD pl_status pl_source_set_inputs(pl_source *source, const char *path, pl_error *err);
/* Whether calibration needs no text: the demo's own, or given inputs. */
bool pl_source_has_inputs(const pl_source *source);
pl_source *pl_source_retain(pl_source *source);
void pl_source_release(pl_source *source); /* NULL is fine */

enum { PL_MAX_TEXTS = 16, PL_MAX_OVERRIDES = 1 << 16, PL_MOST_ROWS = 1 << 20 };

/* What `calibrate` was given, and the key of what it found; n_texts 0: not calibrated. */
typedef struct pl_calibration {
    char *texts[PL_MAX_TEXTS]; /* owned paths */
    size_t n_texts;
    pl_protocol protocol;
    pl_id key;    /* of the calibration in the store */
    bool known;   /* key is set: true after `calibrate`, false for what the demo makes by itself */
    bool foreign; /* not known, since the session's calibration is of another model */
} pl_calibration;

/* `on=GLOB`: layers whose name matches use this spec in its slot instead of the general one; the
 * last match wins.  spec.method NULL: the slot is empty for them. */
typedef struct pl_override {
    char *glob;
    pl_slot slot;
    pl_spec spec;
    char *text; /* the spec as pl_spec_format writes it, "" for an empty one; owned */
} pl_override;

/* A solved layer: the result's key, valid while the layer's plan is the one it was solved with. */
typedef struct pl_solved {
    pl_id plan;   /* pl_state_plan, or pl_state_plan_sequential, at that time */
    pl_id result; /* key in the store, see pipeline.h */
    bool set;
    bool sequential; /* solved behind solved layers: depends on all layers' plans */
    bool imported;   /* it has another checkpoint's weights (import.h), whatever the slots hold */
    bool foreign;    /* not set, since the session's result is of another model */
} pl_solved;

/* Where the imported layers come from: the path as in pl_source, NULL where nothing is imported. */
typedef struct pl_imported {
    char *path;
    pl_id id; /* of the checkpoint */
} pl_imported;

enum { PL_IMPORT_GROUP = 128 }; /* columns of an imported layer's groups, for reports */

typedef enum pl_side { PL_SIDE_WEIGHT, PL_SIDE_INPUT } pl_side;
typedef enum pl_which {
    PL_WHICH_BEFORE,
    PL_WHICH_PRECONDITIONED,
    PL_WHICH_AFTER,
    PL_WHICH_BOTH,
} pl_which;

/* What the screen shows, shared by states (screen.c). */
typedef struct pl_shown pl_shown;

/* A setting as `keep` and `pin` make it (kept.h): methods, activations, cache and the results of
 * all layers.  It never changes; states and jobs share it. */
enum { PL_MAX_KEPT = 8, PL_KEPT_NAME = 32 };
typedef struct pl_kept pl_kept;
/* Counted, thread-safe; NULL is fine. */
pl_kept *pl_kept_retain(pl_kept *kept);
void pl_kept_release(pl_kept *kept);

/* A layer's result in a kept setting. */
typedef struct pl_pin {
    const pl_kept *of; /* NULL: the setting has no result of that layer */
    size_t layer;
    pl_id result;
    bool sequential; /* of a solve of all layers in sequence */
    char label[48];  /* the setting's name; a pin's: "astro beta=0.0003 > gptq bits=3" */
} pl_pin;

/* What `sweep` was asked for last: values of one parameter of the method in a slot. */
typedef struct pl_sweep {
    bool set;
    pl_slot slot;
    char param[24]; /* "beta" */
    double from, to;
    size_t points; /* 2 ... 64 */
    bool logarithmic;
    bool whole; /* of the whole model; else of `layer` */
    size_t layer;
    bool perplexity; /* measured at each point (whole only), with the demo's or this text: */
    char text[512];  /* path, "" for the demo's own */
    size_t length, windows;
    pl_id plan; /* what it was asked under (pl_sweep_plan) */
} pl_sweep;

/* What the user has written on a layer (remarks.h). */
typedef struct pl_remark {
    size_t layer;
    bool tag;   /* a tag's name; else a note */
    char *text; /* owned */
} pl_remark;

typedef struct pl_state {
    pl_source *source; /* counted reference; NULL before `open` */
    pl_calibration calibration;
    pl_spec slots[PL_SLOT_COUNT];
    bool suggested;          /* no method was named yet: the slots hold the default */
    pl_act_grid activations; /* how the inputs of linear layers are quantized; bits 0: not */
    pl_act_grid kv;          /* how keys and values are, in groups of kv_group_size within a */
    size_t kv_group_size;    /* head (0: the whole head) */
    pl_override *overrides;  /* [n_overrides], at most PL_MAX_OVERRIDES; changed by overrides.c */
    size_t n_overrides;
    pl_solved *solved; /* [layers of the model] or NULL */
    pl_imported imported;
    size_t layer; /* the selected one */
    pl_side side; /* what the screen's views show */
    pl_which which;
    size_t channel;  /* the input channel marked in all views, SIZE_MAX: none */
    pl_shown *shown; /* what the screen shows (pl_state_screen), or NULL: as a screen starts;
                        a counted reference */
    pl_kept *kept[PL_MAX_KEPT]; /* counted references */
    bool compared[PL_MAX_KEPT]; /* shown beside the present one */
    size_t n_kept;
    pl_sweep sweep;
    pl_remark *remarks; /* [n_remarks], owned, by layer; changed by remarks.c */
    size_t n_remarks;
} pl_state;

/* See kept.h. */
struct pl_kept {
    pl_count count;
    char name[PL_KEPT_NAME]; /* "": a pin */
    pl_state is;             /* as it was, without kept settings and looks */
    pl_pin *pins;            /* [layers of the model] */
    pl_id setting;           /* pl_state_setting of it */
    pl_id id;                /* of all of it */
};

void pl_state_init(pl_state *state); /* nothing open, every slot empty */
/* Astro, then GPTQ: what screen and batch start with.  It is a suggestion: the first method that a
 * command names replaces all of it, so that a script gets what it names and nothing else.  A key of
 * the screen that changes a shown method keeps the others. */
void pl_state_default_methods(pl_state *state);
/* Empties the slots if they only hold the suggestion. */
void pl_state_drop_suggestion(pl_state *state);
PL_NODISCARD pl_status pl_state_copy(pl_state *to, const pl_state *from, pl_error *err);
void pl_state_deinit(pl_state *state);

/* Sets the source; resets calibration (the demo has its own text), solved layers and selection. */
PL_NODISCARD pl_status pl_state_set_source(pl_state *state, pl_source *source, pl_error *err);

PL_NODISCARD pl_status pl_calibration_set(pl_calibration *calibration, const char *const *texts,
                                          size_t n, const pl_protocol *protocol, pl_error *err);

/* Whether both are of the same files, in the same order. */
bool pl_calibration_same_texts(const pl_calibration *a, const pl_calibration *b);

PL_NODISCARD pl_status pl_calibration_copy(pl_calibration *to, const pl_calibration *from,
                                           pl_error *err);

/* commands.c: whether the calibration is the one that the demo makes by itself, of its own text; no
 * command has to ask for it. */
bool pl_state_calibrates_itself(const pl_state *state);

/* --- overrides.c ----------------------------------------------------------------------------- */

/* The slots in the order of their `method` commands: a rounder that is named later changes the
 * preconditioner's group size, so a rounder with blocks of its own comes first. */
const pl_slot *pl_state_slot_order(bool has_blocks);

/* To be called when the rounder for all layers is no longer `before`: the preconditioners' group
 * sizes follow its format (pl_spec_follow_format). */
PL_NODISCARD pl_status pl_state_follow_format(pl_state *state, const pl_spec *before,
                                              pl_error *err);

/* Adds an override as the last one, in place of one with the same glob and slot.  PL_ERR_USAGE
 * where there are too many. */
PL_NODISCARD pl_status pl_state_set_override(pl_state *state, pl_slot slot, const char *glob,
                                             const pl_spec *spec, pl_error *err);
/* Gives override `index` another spec; it keeps its place. */
PL_NODISCARD pl_status pl_state_respec(pl_state *state, size_t index, const pl_spec *spec,
                                       pl_error *err);
void pl_state_drop_overrides(pl_state *state, pl_slot slot);
/* Gives the flagged layers, layers[of the model], the slot's spec specs[layer]; the others keep
 * theirs.  Then the slot's settings are made as few as possible (grouped.c): the general one alone
 * where all layers agree, else one more with on=LIST for each other spec.  layers NULL: flags none,
 * and only regroups. */
PL_NODISCARD pl_status pl_state_give(pl_state *state, pl_slot slot, const bool *layers,
                                     const pl_spec *specs, pl_error *err);

/* --- plan.c ---------------------------------------------------------------------------------- */

/* The spec of a slot for a layer, overrides applied.  An imported layer has only the method
 * "import", which no registry lists, in the slot precondition. */
const pl_spec *pl_state_spec(const pl_state *state, size_t layer, pl_slot slot);

/* Hash of how a layer would be solved: its specs and the calibration. */
pl_id pl_state_plan(const pl_state *state, size_t layer);
/* How many sites, from *first on, have a first layer for whose rounder the layer's transform is
 * made: its own (AWQ, FlatQuant), those of its block, or none. */
size_t pl_state_transform_sites(const pl_state *state, size_t layer, size_t *first);

/* The same for `solve all` in sequence, where a layer's inputs depend on the solved or imported
 * layers before it, and on quantized activations and cache. */
pl_id pl_state_plan_sequential(const pl_state *state);

/* Whether a layer was solved in sequence when others had been imported already; a later import
 * changes only the layers it imports. */
bool pl_state_solved_around_imports(const pl_state *state, size_t layer);

/* The layer's result under the present plan, or NULL. */
const pl_id *pl_state_result(const pl_state *state, size_t layer);
PL_NODISCARD pl_status pl_state_set_result(pl_state *state, size_t layer, pl_id plan, pl_id result,
                                           pl_error *err);
/* The same under the present plan, of a layer alone or of a solve in sequence. */
PL_NODISCARD pl_status pl_state_take_result(pl_state *state, size_t layer, bool sequential,
                                            pl_id result, pl_error *err);
size_t pl_state_solved_count(const pl_state *state);

/* Whether the state's session had a result of the layer, but of another model. */
bool pl_state_is_foreign(const pl_state *state, size_t layer);

/* PL_ERR_CHANGED where there are such layers or, if `calibration` is set, the session's calibration
 * was of another model. */
PL_NODISCARD pl_status pl_state_check_origin(const pl_state *state, bool calibration,
                                             pl_error *err);

/* Imports.  set: the checkpoint they come from; a new one drops the former one's layers.  drop:
 * gives the layers whose name matches the glob (NULL: all) back to their methods. */
PL_NODISCARD pl_status pl_state_set_import(pl_state *state, const char *path, pl_id id,
                                           pl_error *err);
PL_NODISCARD pl_status pl_state_import_layer(pl_state *state, size_t layer, pl_id result,
                                             pl_error *err);
void pl_state_drop_imports(pl_state *state, const char *glob);
bool pl_state_is_imported(const pl_state *state, size_t layer);
size_t pl_state_import_count(const pl_state *state);

/* --- quantized.c ----------------------------------------------------------------------------- */

/* Every setting of the cache's grid, for keys; appended. */
void pl_state_cache_format(const pl_state *state, pl_buf *out);

/* Whether activations or the cache are quantized.  commands: "activations ...\n" and "kv ...\n",
 * appended; nothing where they are off. */
bool pl_state_quantizes(const pl_state *state);
void pl_state_quantized_commands(const pl_state *state, pl_buf *out);

/* --- commands.c ------------------------------------------------------------------------------ */

/* The shortest list of commands that reaches this state: the selected layer and everything it needs
 * (all layers if `whole`).  It names no output path, time, host or folder: files by their name
 * alone.  Appended to out, one command a line. */
void pl_state_commands(const pl_state *state, bool whole, pl_buf *out);

/* The same for a figure: only what its panels' layers need (each once, in model order). */
typedef struct pl_figure_needs {
    const size_t *layers; /* [n_layers], at least one; the first is selected */
    size_t n_layers;
    const bool *results;     /* [n_layers] whether a panel shows the layer's result */
    bool inputs;             /* it needs the calibration, though it shows no result */
    bool methods;            /* it needs the methods, though it shows no result */
    bool activations;        /* it needs how activations are quantized, whatever the methods */
    const uint64_t *learned; /* [n_layers] the step at which a layer's learned transform is shown,
                                UINT64_MAX: the last; 0: it is not shown.  NULL: 0 for all */
    bool pins;               /* it needs the kept settings' results of these layers */
    bool sweep;
    bool
        costs; /* it needs what layers cost the model under all their methods and the calibration */
} pl_figure_needs;
void pl_state_figure_commands(const pl_state *state, const pl_figure_needs *needs, pl_buf *out);

/* "gptq bits=4 on=*.q_proj", or "none slot=round": the arguments of `method`, appended.  glob: the
 * layers, or NULL for all. */
void pl_state_put_method(pl_slot slot, const pl_spec *spec, const char *glob, pl_buf *out);

/* The line `calibrate ...`, appended; nothing where there is no calibration, or the demo's own. */
void pl_state_calibration_command(const pl_state *state, pl_buf *out);

/* The commands that set the methods of all layers (empty slots, too) and solve or import those that
 * have results; appended. */
void pl_state_results_commands(const pl_state *state, pl_buf *out);

/* The line `sweep ...` that asks for the state's sweep, appended; nothing where none is set.  The
 * methods that it varies must have been named before. */
void pl_state_sweep_command(const pl_state *state, pl_buf *out);

/* --- screen.c: what the screen shows, for views and sessions --------------------------------- */

/* What views/display.h wrote with pl_state_set_screen; core does not read it.  The state's; NULL
 * where there is none. */
const json_t *pl_state_screen(const pl_state *state);

/* Takes the value in place of the state's own; NULL: none, which it also becomes when memory is
 * out.  Nobody may change it afterwards. */
void pl_state_set_screen(pl_state *state, json_t *screen);

/* `to` shows what `from` does. */
void pl_state_share_screen(pl_state *to, const pl_state *from);

/* For state_json.c: all that the screen shows of a state, with the marked channel and the last
 * sweep. */
json_t *pl_state_screen_json(const pl_state *state);
/* What is missing or wrong keeps its default: a session never fails because of a view. */
void pl_state_screen_restore(pl_state *state, const json_t *json);

/* Everything, for a session: paths included; NULL when memory is out.  restore: `source` was opened
 * by the JSON's "model" (null: the demo) and "inputs", and nobody else has it yet.  If the results
 * are of another model, the calibration is not known and the layers are foreign
 * (pl_state_is_foreign). */
json_t *pl_state_to_json(const pl_state *state);
PL_NODISCARD pl_status pl_state_restore(pl_state *state, const json_t *json, pl_source *source,
                                        pl_error *err);

#endif
