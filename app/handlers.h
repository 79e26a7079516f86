/* app/handlers.h -- the two halves of every command, for the table in commands.c.
 *
 * Signatures are those of pl_command's members. */
#ifndef PL_APP_HANDLERS_H
#define PL_APP_HANDLERS_H

#include "app/command.h"

#define PL_RUN(name)                                                                               \
    PL_NODISCARD pl_status name(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,  \
                                pl_error *err)
#define PL_APPLY(name) PL_NODISCARD pl_status name(pl_call *call, pl_state *state, pl_error *err)

#define PL_WORD(name)                                                                              \
    PL_NODISCARD pl_status name(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
#define PL_FOLLOW(name) void name(pl_screen *screen, const pl_call *call, pl_status how)

PL_RUN(pl_run_open);
PL_APPLY(pl_apply_open);
PL_RUN(pl_run_info);
PL_RUN(pl_run_layers);
PL_RUN(pl_run_tokenize);
PL_APPLY(pl_apply_select);
PL_APPLY(pl_apply_view);

PL_RUN(pl_run_calibrate);
PL_APPLY(pl_apply_calibrate);
PL_RUN(pl_run_outliers);
PL_RUN(pl_run_massive);
PL_RUN(pl_run_perplexity);
PL_RUN(pl_run_probe);

PL_APPLY(pl_apply_method);
PL_APPLY(pl_apply_activations);
PL_APPLY(pl_apply_kv);
PL_RUN(pl_run_cost);
PL_RUN(pl_run_learn);
PL_RUN(pl_run_solve);
PL_APPLY(pl_apply_solve);
/* What `solve` says and hands on once a layer is solved, for who has solved it by itself. */
PL_NODISCARD pl_status pl_note_solve(pl_call *call, const pl_state *state, size_t layer,
                                     pl_id result, const pl_solve_report *report, pl_error *err);
/* The same without what `solve` says. */
PL_NODISCARD pl_status pl_keep_result(pl_call *call, const pl_state *state, size_t layer,
                                      pl_id result, const pl_solve_report *report, pl_error *err);
PL_RUN(pl_run_import);
PL_APPLY(pl_apply_import);
PL_APPLY(pl_apply_pin);
PL_APPLY(pl_apply_unpin);

PL_RUN(pl_run_sweep);
PL_APPLY(pl_apply_sweep);

PL_RUN(pl_run_plot);
PL_RUN(pl_run_figure);
PL_RUN(pl_run_rebuild);
PL_RUN(pl_run_dump);
PL_RUN(pl_run_export);

bool pl_slow_learn(const pl_call *call);
bool pl_slow_plot(const pl_call *call);
PL_NODISCARD pl_status pl_front_save(pl_front *front, pl_call *call, pl_error *err);

/* What the screen does (screen_words.c), and what it does behind a command (screen_follow.c). */
PL_WORD(pl_screen_word_undo);
PL_WORD(pl_screen_word_redo);
PL_WORD(pl_screen_word_restore);
PL_WORD(pl_screen_word_cancel);
PL_WORD(pl_screen_word_filter);
PL_WORD(pl_screen_word_theme);
PL_WORD(pl_screen_word_marks);
PL_WORD(pl_screen_word_jobs);
PL_WORD(pl_screen_word_log);
PL_WORD(pl_screen_word_tour);
PL_WORD(pl_screen_word_save);
PL_WORD(pl_screen_word_help);
PL_WORD(pl_screen_word_learn);
PL_FOLLOW(pl_screen_follow_inputs);
PL_FOLLOW(pl_screen_follow_method);
PL_FOLLOW(pl_screen_follow_learn);
PL_FOLLOW(pl_screen_follow_view);

/* What `help NAME` adds to a command's own lines. */
void pl_help_dumps(pl_buf *out);
void pl_help_kinds(pl_buf *out);
void pl_help_methods(pl_buf *out);

PL_RUN(pl_run_help);
void pl_put_help(const pl_call *call, pl_buf *out);
PL_APPLY(pl_apply_quit);

/* Opens a model as `open PATH inputs=FILE` does: path NULL is the demo, inputs NULL is none.  For
 * who knows the paths and has no command. */
PL_NODISCARD pl_status pl_open_source(const char *path, const char *inputs, pl_source **out,
                                      pl_error *err);

/* A finite number, or null. */
json_t *pl_number(double value);

/* How activations and the cache are quantized; null where they are not. */
json_t *pl_activations_json(const pl_state *state);
json_t *pl_kv_json(const pl_state *state);

/* The layer a command is about: its word at `position`, or the selected one. */
PL_NODISCARD pl_status pl_target_layer(const pl_call *call, const pl_state *state, size_t position,
                                       size_t *layer, pl_error *err);

/* Appends a path that holds from any working folder, since a session may be opened from another
 * one.  What names no file (an id org/name) stays as it is. */
void pl_put_absolute(const char *path, pl_buf *out);

/* Seconds on the monotonic clock. */
double pl_now(void);

/* The values of text=..., in order; the demo's own file of that name where none is given.
 * *owned (caller frees) holds the demo's path, if that was used. */
PL_NODISCARD pl_status pl_text_files(const pl_call *call, const pl_state *state,
                                     const char *demo_file, const char *files[PL_MAX_TEXTS],
                                     size_t *count, char **owned, pl_error *err);

/* A perplexity with the digits that its spread leaves (cmd_calib.c); 5 where that is not known.  At
 * least one digit is written, zeros stand for the others before the point. */
int pl_perplexity_digits(const pl_call *call);
void pl_format_digits(double value, int digits, char *out, size_t capacity);
void pl_put_perplexity(const pl_call *call, pl_buf *out);

#endif
