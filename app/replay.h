/* app/replay.h -- a session's commands run again, and what they give compared with what they gave.
 *
 * The session is only read.  Everything is computed anew, in a store of its own that is removed at
 * the end; files that the commands wrote are written there, too. */
#ifndef PL_APP_REPLAY_H
#define PL_APP_REPLAY_H

#include "app/command.h"
#include "sessions/session.h"

typedef struct pl_replay_spec {
    const char *what;      /* the command, for errors */
    const char *path;      /* the session's file */
    const char *model;     /* where its model is here, or NULL */
    const char *files;     /* a folder to look for its texts in, or NULL */
    double tolerance;      /* relative; NaN: 0 where the same computes, else PL_REPLAY_... */
    bool anew;             /* false: what the store of `lab` has is taken as it is, and added to */
    const pl_source *open; /* a model that may be the one, or NULL */
} pl_replay_spec;

/* What is asked of numbers that other kernels, another number of threads or another version have
 * computed.  A solve in sequence rounds each layer on what those before it gave, so that the last
 * bits of a product decide codes further on (measured in app/json.md, `replay`). */
#define PL_REPLAY_PERPLEXITY 0.02 /* of perplexities and mean negative log-likelihoods */
#define PL_REPLAY_NUMBER 0.25     /* of other numbers */
#define PL_REPLAY_GAP 1e-3        /* gaps below it say the same */

/* Fills the keys of `replay` into result; *same: nothing differs.  On the worker.  A command that
 * fails now is a difference; PL_ERR_* is for a session, a model or a text that is not to be had. */
PL_NODISCARD pl_status pl_replay_run(const pl_replay_spec *spec, pl_lab *lab, json_t *result,
                                     bool *same, pl_task *task, pl_error *err);

/* The model that a session names (path NULL: the demo), found here as spec says, and the same one:
 * by its identity where the session has that, else by its headers where the file says what they
 * were.  Caller releases *out.  PL_ERR_CHANGED where there is another one, PL_ERR_NOT_FOUND. */
PL_NODISCARD pl_status pl_session_find_model(const pl_replay_spec *spec, pl_session *session,
                                             const char *path, const char *inputs, pl_source **out,
                                             pl_error *err);
/* Gives the path of a text that the session names the place where it is here; it stays where there
 * is none.  PL_ERR_CHANGED where that is another text than the session was exported with. */
PL_NODISCARD pl_status pl_session_place_text(const pl_replay_spec *spec, pl_session *session,
                                             char **path, pl_error *err);

/* app/compared.c: the first difference of two results of a command, recorded and found. */
typedef struct pl_result_difference {
    char key[200];      /* "layers[model.layers.1.self_attn.q_proj].rounded_error" */
    json_t *then, *now; /* borrowed; NULL: there is none */
    double relative;    /* of numbers: |now - then| / max(|now|, |then|); NaN: they are none */
} pl_result_difference;

/* Whether results agree to a relative tolerance (NaN: to PL_REPLAY_..., whole numbers exactly, a
 * largest value and iterations not at all); else the first difference, in the recorded order.
 * Keys that say how a command ran (seconds, bytes, paths; pl_command.of_run) do not count.
 * *compared counts the numbers, *largest is the largest relative difference among those that
 * agree. */
bool pl_results_agree(const pl_command *command, const json_t *then, const json_t *now,
                      double tolerance, size_t *compared, double *largest,
                      pl_result_difference *out);

/* What the bytes of a figure or report are, of which results have `drawn`.  Not compared where
 * another version of the drawing or its libraries drew it, or where something else computed its
 * numbers or the model has another name, which stand in the file; why: says so. */
typedef enum pl_drawn_bytes {
    PL_DRAWN_NOTHING, /* the command draws none */
    PL_DRAWN_SAME,
    PL_DRAWN_OTHER, /* *out names the file */
    PL_DRAWN_NOT_COMPARED,
} pl_drawn_bytes;
enum { PL_DRAWN_WHY = 300 };
pl_drawn_bytes pl_drawn_agree(const json_t *then, const json_t *now, bool same_maker,
                              pl_result_difference *out, char why[PL_DRAWN_WHY]);

/* `differs` of a command; then, now: borrowed, may be NULL.  Caller decrefs. */
json_t *pl_replay_difference(int64_t step, const char *command, const char *key, json_t *then,
                             json_t *now, double relative);

#endif
