/* app/replay.h -- runs a session's commands again, and compares their results with the recorded
 * ones.
 *
 * The session is only read.  Everything is computed again, in a temporary store; files that the
 * commands write go there, too. */
#ifndef PL_APP_REPLAY_H
#define PL_APP_REPLAY_H

#include "app/command.h"
#include "sessions/session.h"

typedef struct pl_replay_spec {
    const char *what;      /* the command, for errors */
    const char *path;      /* the session's file */
    const char *model;     /* path of its model on this machine, or NULL */
    const char *files;     /* a folder to look for its texts in, or NULL */
    double tolerance;      /* relative; NaN: 0 where kernels, threads and version are the same, else
                              PL_REPLAY_... */
    bool anew;             /* false: uses `lab`'s own store, with the results it has */
    const pl_source *open; /* a model that may be the one, or NULL */
} pl_replay_spec;

/* Tolerances where other kernels, another number of threads or another version computed.  A solve
 * in sequence rounds each layer on the outputs of the former ones, so that the last bits of a
 * product decide codes further on (measured in app/json.md, `replay`). */
#define PL_REPLAY_PERPLEXITY 0.02 /* of perplexities and mean negative log-likelihoods */
#define PL_REPLAY_NUMBER 0.25     /* of other numbers */
#define PL_REPLAY_GAP 1e-3        /* gaps below it count as equal */

/* Fills the keys of `replay` into result; *same: nothing differs.  On the worker.  A command that
 * fails now is a difference; PL_ERR_* means that a session, model or text cannot be had. */
PL_NODISCARD pl_status pl_replay_run(const pl_replay_spec *spec, pl_lab *lab, json_t *result,
                                     bool *same, pl_task *task, pl_error *err);

/* Finds the model that a session names (path NULL: the demo) as spec says, and checks that it is
 * the same: by its identity if the session has it, else by its headers if the file describes them.
 * Caller releases *out.  PL_ERR_CHANGED where it is another model, PL_ERR_NOT_FOUND. */
PL_NODISCARD pl_status pl_session_find_model(const pl_replay_spec *spec, pl_session *session,
                                             const char *path, const char *inputs, pl_source **out,
                                             pl_error *err);
/* Replaces *path of a text that the session names by its place on this machine, if it is found.
 * PL_ERR_CHANGED where it is another text than when the session was exported. */
PL_NODISCARD pl_status pl_session_place_text(const pl_replay_spec *spec, pl_session *session,
                                             char **path, pl_error *err);

/* app/compared.c: the first difference between two results of a command, recorded and new. */
typedef struct pl_result_difference {
    char key[200];      /* "layers[model.layers.1.self_attn.q_proj].rounded_error" */
    json_t *then, *now; /* borrowed; NULL: there is none */
    double relative;    /* for numbers |now - then| / max(|now|, |then|), else NaN */
} pl_result_difference;

/* Whether results agree to a relative tolerance (NaN: to PL_REPLAY_..., whole numbers exactly, a
 * largest value and iterations not at all); else the first difference, in the recorded order.
 * Ignores keys that say how a command ran (seconds, bytes, paths; pl_command.of_run). *compared
 * counts the numbers, *largest is the largest relative difference among those that agree. */
bool pl_results_agree(const pl_command *command, const json_t *then, const json_t *now,
                      double tolerance, size_t *compared, double *largest,
                      pl_result_difference *out);

/* Compares the bytes of a figure or report, by the results' `drawn`.  They cannot be compared where
 * another version of the drawing or its libraries drew the file, or where kernels, threads or the
 * model's name, which the file contains, differ; why: a sentence. */
typedef enum pl_drawn_bytes {
    PL_DRAWN_NOTHING, /* the command draws none */
    PL_DRAWN_SAME,
    PL_DRAWN_OTHER, /* *out names the file */
    PL_DRAWN_NOT_COMPARED,
} pl_drawn_bytes;
enum { PL_DRAWN_WHY = 300 };
pl_drawn_bytes pl_drawn_agree(const json_t *then, const json_t *now, bool same_maker,
                              pl_result_difference *out, char why[PL_DRAWN_WHY]);

/* A command's `differs`; then, now: borrowed, may be NULL.  Caller decrefs. */
json_t *pl_replay_difference(int64_t step, const char *command, const char *key, json_t *then,
                             json_t *now, double relative);

#endif
