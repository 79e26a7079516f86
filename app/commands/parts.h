/* app/commands/parts.h -- what several commands' files share. */
#ifndef PL_APP_COMMANDS_PARTS_H
#define PL_APP_COMMANDS_PARTS_H

#include "app/commands/list.h"
#include "core/base/temporary.h"
#include "core/metrics/perplexity.h"

/* For pl_command.slow. */
bool pl_slow_always(const pl_call *call);

/* The layer that a command's word at `position` names, or the selected one. */
PL_NODISCARD pl_status pl_target_layer(const pl_call *call, const pl_state *state, size_t position,
                                       size_t *layer, pl_error *err);

/* The values of a key of PL_KEY_FILES, in order; what: "texts", for errors.  PL_ERR_USAGE where
 * there are too many. */
PL_NODISCARD pl_status pl_files_of_key(const pl_call *call, const char *key, const char *what,
                                       const char *files[PL_MAX_TEXTS], size_t *count,
                                       pl_error *err);

/* The values of text=..., in order; the demo's own file of that name where none is given.
 * *owned (caller frees) holds the demo's path, if that was used. */
PL_NODISCARD pl_status pl_text_files(const pl_call *call, const pl_state *state,
                                     const char *demo_file, const char *files[PL_MAX_TEXTS],
                                     size_t *count, char **owned, pl_error *err);

/* Tokens of the text that text= names, or of the demo's own; the caller's. */
PL_NODISCARD pl_status pl_read_text(const pl_call *call, pl_context cx, pl_tokens *out,
                                    pl_error *err);

/* PL_ERR_USAGE where length= is over the model's limit. */
PL_NODISCARD pl_status pl_check_length(const pl_call *call, const pl_state *state, size_t length,
                                       pl_error *err);

/* The result for a person, without its "units"; then at most PL_UNITS_SHOWN units of `list` (taken
 * over) as a table, and the number of units left out, as `more`. */
enum { PL_UNITS_SHOWN = 20 };
void pl_put_units_text(const pl_call *call, json_t *list, const char *more, pl_buf *out);
/* The same with the result's own units. */
void pl_put_first_units(const pl_call *call, pl_buf *out);

/* Whether a key is one of the command's own; others are parameters. */
bool pl_is_own_key(const pl_command *command, const char *name);

/* FROM:TO:logN or FROM:TO:linN, in decimal notation; false where the text is no range. */
typedef struct pl_range {
    double from, to;
    size_t points;
    bool logarithmic;
} pl_range;
bool pl_read_range(const char *text, pl_range *out);
/* A range's values, rising and distinct, to out[points]: rounded to four digits or whole numbers,
 * the ends exact.  Returns how many.  points is at least 1. */
size_t pl_range_values(const pl_range *range, bool whole, double *out);

/* Adds `drawn` of a written figure or report: the hash of its bytes, and what else than its numbers
 * decides them. */
PL_NODISCARD pl_status pl_put_drawn(json_t *result, const char *file, const pl_model *model,
                                    pl_error *err);

/* A temporary folder of that name in $TMPDIR, or /tmp, that only the user may enter. */
PL_NODISCARD pl_status pl_make_aside(const char *name, pl_temporary *out, pl_error *err);

/* Adds a model's facts; seconds: the time it took. */
void pl_put_info(json_t *result, const pl_model *model, double seconds);

/* Columns of the layer table by name, "a,b" or "all": columns[PL_COLUMN_COUNT], each once. */
PL_NODISCARD pl_status pl_read_columns(const pl_call *call, const char *text,
                                       pl_column columns[PL_COLUMN_COUNT], size_t *count,
                                       pl_error *err);

/* The value of a parameter: a number, a boolean for yes and no, or a word. */
json_t *pl_param_json(const pl_spec *spec, size_t index);

/* Adds all kept settings, numbered as `unpin` counts them. */
void pl_put_kept(pl_call *call, const pl_state *state, const char *key);

/* The result of a command that sets (pl_command.sets) for a person, with layers_in_store as "28
 * layers of this setting are in the store". */
void pl_put_setting_text(const pl_call *call, pl_buf *out);
/* Appends that sentence alone; nothing without such layers. */
void pl_put_setting_sentence(const pl_call *call, pl_buf *out);
void pl_put_setting_line(const pl_call *call, pl_buf *out); /* as a line of its own */

/* "protocol=gptq length=512 windows=20 text=a.txt", appended: what two perplexities must have in
 * common to be compared. */
void pl_put_measured(const pl_call *call, const pl_ppl_spec *spec, const char *const *files,
                     size_t n_files, pl_buf *out);
/* Records a perplexity of the state's setting, with `solved` layers, under that text; not where the
 * text is NULL or too long. */
void pl_note_measured(const pl_state *state, const char *how, const pl_ppl_result *found,
                      size_t solved);
void pl_note_original(const pl_state *state, const char *how, const pl_ppl_result *found);

/* For pl_command.follow of commands that set methods: updates the screen. */
void pl_follow_methods(pl_screen *screen, const pl_call *call, pl_status how);

/* *none: the call's word is `none`, which takes no keys.  PL_ERR_USAGE for another word. */
PL_NODISCARD pl_status pl_asks_for_none(const pl_call *call, bool *none, pl_error *err);
/* bits= and symmetric=. */
PL_NODISCARD pl_status pl_read_act_grid(const pl_call *call, pl_act_grid *out, pl_error *err);
/* The keys that pl_read_act_grid reads; group_size: the default where the format has no block size
 * of its own. */
#define PL_ACT_GRID_KEYS(group_size, of_group_size)                                                \
    {"bits", PL_KEY_INT, "4", NULL, "bits of one value, 2 to 8; of another format its own"},       \
        {"group_size", PL_KEY_INT, group_size, NULL, of_group_size},                               \
        {"symmetric", PL_KEY_CHOICE, "yes", PL_SYMMETRIC_CHOICES,                                  \
         "codes around 0, with a zero point, or GPTQ's own grid"},                                 \
        {"format", PL_KEY_FORMAT, "int", NULL,                                                     \
         "int, or a format with bits, blocks and scales of its own"},                              \
    {                                                                                              \
        "scale_mode", PL_KEY_CHOICE, NULL, PL_SCALE_MODE_CHOICES,                                  \
            "how a scale comes from its block's largest value, where the format has several ways"  \
    }

/* PL_ERR_STATE where the model after is the one before: no layer is solved, and nothing else is
 * quantized. */
PL_NODISCARD pl_status pl_need_after(const pl_state *state, pl_error *err);

/* How activations, or the cache, are quantized; null where they are not. */
json_t *pl_activations_json(const pl_state *state);
json_t *pl_kv_json(const pl_state *state);

#endif
