/* plots/kinds.h -- the kinds of figures: what can be shown of a state, on the screen and on paper.
 *
 * A kind is one file that turns a state into a pl_figure and says how it is looked at, and one line
 * in the list below.  The screen's views, `plot`, `figure` and `rebuild` all make their figures
 * through this list, so every view exports what it shows. */
#ifndef PL_PLOTS_KINDS_H
#define PL_PLOTS_KINDS_H

#include "core/lab/pipeline.h"
#include "plots/figure.h"
#include "plots/look.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_kind pl_kind;

enum { PL_REQUEST_SETTINGS = 280 };

/* What the lines of a figure over all blocks stand for. */
typedef enum pl_lines { PL_LINES_AUTO, PL_LINES_SETTING, PL_LINES_ROLE } pl_lines;

/* Which figure of a state; a plain value. */
typedef struct pl_request {
    const pl_kind *kind;
    size_t layer; /* not used by kinds of the whole model */
    pl_side side;
    pl_which which;
    bool sorted, log;
    int form;        /* index into the kind's forms, 0 where it has none */
    bool pins;       /* draw the state's pinned baselines, too */
    size_t channel;  /* marked in the figure; SIZE_MAX: none */
    bool paper;      /* for a file: series are named by methods and strengths in full */
    bool free_scale; /* no scale was asked for: the kind chooses one by its values */
    pl_lines lines;
    char settings[PL_REQUEST_SETTINGS]; /* "A,now": settings with a line each; "": none */
    char role[24];                      /* only this role; "": all */
    bool any_side; /* no side was asked for: a kind that can show both side by side does */
} pl_request;

/* Panels that a kind may show in a row. */
enum { PL_KIND_ROW = 2 };

/* What a kind pays attention to; other keys are refused with a sentence. */
enum {
    PL_USES_LAYER = 1,
    PL_USES_SIDE = 2,
    PL_USES_WHICH = 4,
    PL_USES_ORDER = 8,  /* order=index|sorted */
    PL_USES_SCALE = 16, /* scale=linear|log */
    PL_USES_PINS = 32,
    PL_USES_CHANNEL = 64,
    PL_NEEDS_INPUTS = 128,        /* a calibration, whatever the side */
    PL_NEEDS_SOLVED = 256,        /* the layer's solve */
    PL_USES_METHODS = 512,        /* the layer's methods, solved or not (their group size) */
    PL_USES_SWEEP = 1024,         /* the state's sweep */
    PL_USES_SOLVED = 8192,        /* the layer's solved weights, where it is solved */
    PL_USES_ACTIVATIONS = 4096,   /* how activations are quantized */
    PL_USES_TURNED = 1 << 20,     /* its first form shows inputs with which=both: X and X T */
    PL_USES_SETTINGS = 16384,     /* settings=, lines= and role= */
    PL_USES_COMPARISON = 1 << 21, /* the rows of the last measured `compare` */
    PL_USES_COSTS = 1 << 22,      /* costs of layers, to the model or in time (`cost`) */
    PL_USES_LEARNING = 2048, /* a learned transform of the layer as far as it has been learned */
};

struct pl_kind {
    const char *name;    /* "spectrum": the word after `plot`, and the view's name */
    const char *title;   /* of a pane that shows it */
    const char *summary; /* one sentence: what it shows and how to read it */
    const char *forms;   /* "maxima|fan", or NULL: the values of form= */
    unsigned uses;
    const char *depth_form; /* the form that shows the original weights over all blocks, or NULL */
    const char *methods_form; /* the one form to which PL_USES_METHODS applies; NULL: to all */
    const char *unit; /* unit of its progress if it is slow (core/jobs/progress.h), or NULL */
    bool slow; /* takes more than a few 100 ms on a large layer: not made at each turn of a knob */
    /* The layers whose results it shows: out[layers of the model]; returns how many.  NULL: only
     * the request's layer. */
    size_t (*layers)(const pl_state *state, const pl_request *request, size_t *out);
    /* The panels that stand side by side on paper, to out; returns how many.  NULL: the request
     * itself.  The screen, a panel of `figure` and `make` show one. */
    size_t (*row)(const pl_state *state, const pl_request *request, pl_request out[PL_KIND_ROW]);
    /* Appends commands that its figure needs beside those that reach the state, one a line; they
     * leave the state as it is.  NULL: none. */
    void (*commands)(pl_context cx, const pl_request *request, pl_buf *out);
    /* Worker thread.  Caller deinits out; empty on failure. */
    pl_status (*make)(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err);
    pl_figure_look look; /* how it is looked at on the screen */
};

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_KINDS
#define PL_EXTRA_KINDS(KIND)
#endif

/* The figures, in the order they are listed to a user: one line each.  KIND(name) is
 * plots/name.c's pl_kind_name. */
#define PL_KINDS(KIND)                                                                             \
    KIND(channels)                                                                                 \
    KIND(histogram)                                                                                \
    KIND(grid)                                                                                     \
    KIND(layers)                                                                                   \
    KIND(box)                                                                                      \
    KIND(tokens)                                                                                   \
    KIND(groups)                                                                                   \
    KIND(spectrum)                                                                                 \
    KIND(basin)                                                                                    \
    KIND(flatness)                                                                                 \
    KIND(transform)                                                                                \
    KIND(learning)                                                                                 \
    KIND(landscape)                                                                                \
    KIND(surface)                                                                                  \
    KIND(envelope)                                                                                 \
    KIND(depth)                                                                                    \
    KIND(error_by_block)                                                                           \
    KIND(channels_by_block)                                                                        \
    KIND(sensitivity)                                                                              \
    KIND(allocation)                                                                               \
    KIND(sweep)                                                                                    \
    KIND(pareto)                                                                                   \
    KIND(comparison)                                                                               \
    KIND(latency)                                                                                  \
    KIND(outliers)                                                                                 \
    PL_EXTRA_KINDS(KIND)

#define PL_KIND_DECLARATION(name) extern const pl_kind pl_kind_##name;
PL_KINDS(PL_KIND_DECLARATION)
#undef PL_KIND_DECLARATION

/* NULL-terminated. */
const pl_kind *const *pl_kinds(void);
const pl_kind *pl_kind_find(const char *name);

/* The request a state's screen makes of a kind for its selected layer: side, which, pins and
 * channel from the state; `which` is before where the layer is not solved. */
pl_request pl_request_of(const pl_state *state, const pl_kind *kind);

/* To be called when layer and side are set: which=both of inputs becomes before where the layer has
 * no transform. */
void pl_request_settle(const pl_state *state, pl_request *request);
/* Whether it draws inputs both as they are and behind the layer's transform. */
bool pl_request_turns_inputs(const pl_request *request);

/* Whether the figure draws the layer's result: not if it shows inputs or original weights, or is
 * not about one layer's methods. */
bool pl_request_wants_result(const pl_request *request);
/* Whether the layer's methods matter (their group size), though no result is shown. */
bool pl_request_uses_methods(const pl_request *request);
/* Whether it shows what layers cost the model, under all layers' methods; costs in time depend on
 * no method. */
bool pl_request_shows_costs(const pl_request *request);

/* " side=weight which=both order=index ...": the keys that the kind uses, for provenance. */
void pl_request_keys(const pl_request *request, pl_buf *out);

/* PL_ERR_STATE or PL_ERR_USAGE where the request cannot be met (no model, no such form); else the
 * kind's make.  The figure has passed pl_figure_check. */
PL_NODISCARD pl_status pl_kind_make(pl_context cx, const pl_request *request, pl_figure *out,
                                    pl_error *err);

/* "15.q_proj", for titles. */
void pl_kind_layer_title(const pl_state *state, size_t layer, pl_buf *out);

/* A series' name: "before", "astro, β = 0.0003", "astro + gptq, 3 bits"; on paper in full, as
 * papers write it: "FlatQuant + Astro β = 3e-4 + GPTQ, W3".  pl_kind_tone: its tone. */
void pl_kind_label(const pl_state *state, size_t layer, pl_which which, bool paper, pl_buf *out);
pl_tone pl_kind_tone(pl_which which);

/* A chain of methods as commands have it, "hadamard > astro beta=0.0003 > gptq bits=3", as papers
 * write it: "Hadamard + Astro β = 3e-4 + GPTQ, W3".  Unknown words stay. */
void pl_kind_in_full(const char *chain, pl_buf *out);

/* "weight" or "input"; "before", "preconditioned", "after" or "both": as commands name them. */
const char *pl_side_name(pl_side side);
const char *pl_which_name(pl_which which);

/* The weights that `which` draws, in drawing order; returns how many.  both: before and
 * preconditioned where a preconditioner is set, else before and after. */
size_t pl_kind_whichs(const pl_state *state, const pl_request *request, pl_which out[2]);

#endif
