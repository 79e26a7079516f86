/* rebuild: a figure again, from what its own file says. */
#include "app/demo.h"
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/commands/rebuild_compare.h"
#include "app/usage.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/temporary.h"
#include "core/state/record.h"
#include "core/tensor/linalg.h"
#include "plots/provenance.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct rebuild {
    const char *figure; /* the file to rebuild */
    pl_origin origin;
    pl_state state;  /* the commands' own */
    json_t *differs; /* sentences: versions, threads, bytes */
    pl_lab *lab;
    pl_task *task;
} rebuild;

static const char *origin_value(const rebuild *r, const char *key)
{
    const char *value = pl_origin_value(&r->origin, key);
    return value != NULL ? value : "";
}

/* --- the model -------------------------------------------------------------------------------- */

static bool is_model(const rebuild *r, pl_id id)
{
    char text[PL_ID_TEXT];
    pl_id_format(id, text);
    const char *line = origin_value(r, "Planish-Model");
    const char *blank = strrchr(line, ' ');
    return blank != NULL && strcmp(blank + 1, text) == 0;
}

static pl_status use_source(rebuild *r, pl_source *source, bool *found, pl_error *err)
{
    pl_id id = {0};
    pl_status status = pl_model_identity(source->model, &id, r->task, err);
    if (status == PL_OK && is_model(r, id)) {
        *found = true;
        status = pl_state_set_source(&r->state, source, err);
    }
    return status;
}

static pl_status try_demo(rebuild *r, bool *found, pl_error *err)
{
    pl_buf folder = {0};
    pl_model *model = NULL;
    pl_source *source = NULL;
    pl_status status = pl_demo_folder(&folder, err);
    PL_THEN(pl_model_open(folder.data, &model, err));
    PL_THEN(pl_source_create(model, NULL, folder.data, &source, err));
    PL_THEN(use_source(r, source, found, err));
    pl_source_release(source);
    pl_buf_deinit(&folder);
    return status;
}

/* The open model, or the demo, if its identity is the figure's. */
static pl_status find_model(rebuild *r, const pl_state *state, pl_error *err)
{
    bool found = false;
    pl_status status = use_source(r, state->source, &found, err);
    if (status == PL_OK && !found && state->source->demo == NULL) {
        status = try_demo(r, &found, err);
    }
    if (status != PL_OK || found) {
        return status;
    }
    pl_id id = {0};
    char text[PL_ID_TEXT];
    status = pl_model_identity(state->source->model, &id, r->task, err);
    pl_id_format(id, text);
    return status != PL_OK
               ? status
               : pl_error_set(err, PL_ERR_STATE,
                              "%s: shows the model %s; the open one is %s %s%s: open that model "
                              "first",
                              r->figure, origin_value(r, "Planish-Model"),
                              pl_model_name(state->source->model), text,
                              state->source->demo == NULL ? ", and the demo is another, too" : "");
}

/* --- the text --------------------------------------------------------------------------------- */

/* Looks for a text of that name: the session's calibration or sweep, beside the figure, in the
 * present folder. */
static pl_status find_named_text(const rebuild *r, const pl_state *state, const char *name,
                                 pl_buf *out, pl_error *err)
{
    const pl_calibration *calibration = &state->calibration;
    for (size_t i = 0; i < calibration->n_texts; i++) {
        if (strcmp(pl_path_name(calibration->texts[i]), name) == 0) {
            pl_buf_puts(out, calibration->texts[i]);
            return PL_OK;
        }
    }
    if (state->sweep.set && strcmp(pl_path_name(state->sweep.text), name) == 0) {
        pl_buf_puts(out, state->sweep.text);
        return PL_OK;
    }
    pl_buf_append(out, r->figure, (size_t)(pl_path_name(r->figure) - r->figure));
    pl_buf_puts(out, name);
    if (out->data != NULL && access(out->data, R_OK) == 0) {
        return PL_OK;
    }
    out->size = 0;
    pl_buf_puts(out, name);
    if (access(name, R_OK) == 0) {
        return PL_OK;
    }
    return pl_error_set(err, PL_ERR_NOT_FOUND,
                        "%s: the text %s is missing: it is not the session's, not "
                        "beside the figure and not in the present folder",
                        r->figure, name);
}

static bool is_file_key(const pl_call *call, const char *name)
{
    const pl_key *key = pl_usage_key(call->command, name);
    return key != NULL && (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES);
}

static pl_status place_texts(const rebuild *r, const pl_state *state, pl_call *call, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < call->n_keys; i++) {
        if (!is_file_key(call, call->names[i])) {
            continue;
        }
        pl_buf path = {0};
        status = find_named_text(r, state, call->values[i], &path, err);
        PL_THEN(pl_buf_check(&path, err));
        if (status == PL_OK) {
            free(call->values[i]);
            call->values[i] = path.data;
            path = (pl_buf){0};
        }
        pl_buf_deinit(&path);
    }
    return status;
}

/* A text that the commands have brought must be the figure's. */
static pl_status check_text(const rebuild *r, const char *key, const char *what,
                            const char *const *paths, size_t count, pl_error *err)
{
    const char *line = origin_value(r, key);
    const char *blank = strrchr(line, ' ');
    if (blank == NULL || count == 0) {
        return PL_OK;
    }
    pl_id text = {0};
    pl_status status = pl_text_identity(paths, count, &text, err);
    if (status == PL_OK) {
        char id[PL_ID_TEXT];
        pl_id_format(text, id);
        if (strcmp(id, blank + 1) != 0) {
            status = pl_error_set(err, PL_ERR_STATE,
                                  "%s: %s %.*s with the identity %s; the text of that name here "
                                  "has %s",
                                  r->figure, what, (int)(blank - line), line, blank + 1, id);
        }
    }
    return status;
}

static pl_status check_texts(const rebuild *r, pl_error *err)
{
    const pl_calibration *calibration = &r->state.calibration;
    const char *const swept = r->state.sweep.text;
    pl_status status =
        check_text(r, "Planish-Text", "was calibrated on", (const char *const *)calibration->texts,
                   calibration->n_texts, err);
    return status != PL_OK ? status
                           : check_text(r, "Planish-Sweep-Text", "shows perplexities of", &swept,
                                        swept[0] != '\0' ? 1 : 0, err);
}

/* --- the import ------------------------------------------------------------------------------- */

/* Where a checkpoint of that name is: as with texts. */
static pl_status place_import(const rebuild *r, const pl_state *state, pl_call *call, pl_error *err)
{
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], "after") != 0) {
            continue;
        }
        const char *name = call->values[i];
        const char *own = state->imported.path;
        pl_buf path = {0};
        if (own != NULL && strcmp(pl_path_name(own), name) == 0) {
            pl_buf_puts(&path, own);
        } else {
            pl_buf_append(&path, r->figure, (size_t)(pl_path_name(r->figure) - r->figure));
            pl_buf_puts(&path, name);
            if (!path.failed && access(path.data, R_OK) != 0) {
                path.size = 0;
                pl_buf_puts(&path, name);
            }
        }
        pl_status status = pl_buf_check(&path, err);
        if (status == PL_OK && access(path.data, R_OK) != 0) {
            status = pl_error_set(err, PL_ERR_NOT_FOUND,
                                  "%s: the imported checkpoint %s is missing: it is not the "
                                  "session's, not beside the figure and not in the present folder",
                                  r->figure, name);
        }
        if (status != PL_OK) {
            pl_buf_deinit(&path);
            return status;
        }
        free(call->values[i]);
        call->values[i] = path.data;
    }
    return PL_OK;
}

/* The checkpoint that the commands have imported must be the figure's. */
static pl_status check_import(const rebuild *r, pl_error *err)
{
    const char *line = origin_value(r, "Planish-Import");
    const char *blank = strrchr(line, ' ');
    char id[PL_ID_TEXT];
    pl_id_format(r->state.imported.id, id);
    return blank == NULL || r->state.imported.path == NULL || strcmp(id, blank + 1) == 0
               ? PL_OK
               : pl_error_set(err, PL_ERR_STATE,
                              "%s: shows the import %.*s with the identity %s; the checkpoint of "
                              "that name here has %s",
                              r->figure, (int)(blank - line), line, blank + 1, id);
}

/* --- the commands ----------------------------------------------------------------------------- */

/* What draws; where nothing does, the last command, whose rows are the table of a LaTeX file. */
static bool makes_file(const pl_call *call, bool last)
{
    const pl_key *file = pl_usage_key(call->command, "file");
    return call->command->rebuild == PL_REBUILD_FIGURE ||
           (last && file != NULL && file->kind == PL_KEY_NEW_FILE);
}

static pl_status run_carried_call(rebuild *r, const pl_state *state, pl_call *call, bool makes,
                                  const char *out, pl_error *err)
{
    pl_status status = PL_OK;
    if (call->command->rebuild == PL_REBUILD_MODEL) {
        return PL_OK; /* the model is found already */
    }
    if (call->command->rebuild == PL_REBUILD_TEXTS) {
        status = place_texts(r, state, call, err);
    }
    if (call->command->rebuild == PL_REBUILD_CHECKPOINT) {
        status = place_import(r, state, call, err);
    }
    if (status == PL_OK && makes) {
        status = check_texts(r, err);
    }
    if (status == PL_OK && makes) {
        status = check_import(r, err);
    }
    if (status == PL_OK && makes) {
        char **names = realloc(call->names, (call->n_keys + 1) * sizeof *names);
        call->names = names != NULL ? names : call->names;
        char **values = realloc(call->values, (call->n_keys + 1) * sizeof *values);
        call->values = values != NULL ? values : call->values;
        if (names == NULL || values == NULL || (names[call->n_keys] = strdup("file")) == NULL) {
            return pl_error_memory(err, "a figure");
        }
        values[call->n_keys] = strdup(out);
        call->n_keys++;
        if (values[call->n_keys - 1] == NULL) {
            return pl_error_memory(err, "a figure");
        }
    }
    PL_THEN(pl_call_run(call, (pl_context){r->lab, &r->state, r->task}, err));
    return status == PL_OK ? pl_call_apply(call, &r->state, err) : status;
}

/* A figure names texts and checkpoints without their folders: one that leads elsewhere is not
 * Planish's own. */
static pl_status check_carried_call(const rebuild *r, const pl_call *call, pl_error *err)
{
    if (call->command->rebuild == PL_REBUILD_REFUSED) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: its commands hold `%s`, which no figure needs",
                            r->figure, call->command->name);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        const char *key = call->names[i];
        bool file = call->command->rebuild != PL_REBUILD_MODEL && is_file_key(call, call->names[i]);
        if (strcmp(key, "file") == 0 || (file && strchr(call->values[i], '/') != NULL)) {
            return pl_error_set(
                err, PL_ERR_FORMAT, "%s: its commands hold `%s` with %s=, which no figure needs%s",
                r->figure, call->command->name, key, file ? " but by its name alone" : "");
        }
    }
    return PL_OK;
}

static pl_status run_commands(rebuild *r, const pl_state *state, const char *out, pl_error *err)
{
    const char *rest = origin_value(r, "Planish-Commands");
    bool made = false;
    pl_status status = PL_OK;
    while (status == PL_OK) {
        char *text = NULL;
        pl_call *call = NULL;
        status = pl_script_next(&rest, &text, err);
        if (status == PL_OK && text == NULL) {
            break;
        }
        PL_THEN(pl_call_parse(text, &call, err));
        free(text);
        if (status != PL_OK) {
            pl_error_prefix(err, "%s: its commands: ", r->figure);
            break;
        }
        status = check_carried_call(r, call, err);
        if (status == PL_OK) {
            const bool last = *pl_script_command(rest) == '\0';
            const bool makes = makes_file(call, last && !made);
            made = made || makes;
            status = run_carried_call(r, state, call, makes, out, err);
        }
        pl_call_destroy(call);
    }
    if (status == PL_OK && !made) {
        status =
            pl_error_set(err, PL_ERR_FORMAT, "%s: its commands make no figure or table", r->figure);
    }
    return status;
}

/* --- comparing -------------------------------------------------------------------------------- */

static void note_difference(rebuild *r, const char *what, const char *then, const char *now)
{
    pl_buf text = {0};
    pl_buf_printf(&text, "made with %s %s, this is %s", what, then, now);
    if (!text.failed && strcmp(then, now) != 0) {
        pl_json_append(r->differs, json_string(text.data));
    }
    pl_buf_deinit(&text);
}

/* What can make the bytes differ though the commands are the same. */
static void compare_makers(rebuild *r)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", pl_linalg_threads());
    pl_buf libraries = {0};
    pl_page_libraries(&libraries);
    note_difference(r, "planish", origin_value(r, "Planish-Version"), PL_VERSION);
    if (pl_origin_value(&r->origin, "Planish-Libraries") == NULL) {
        return; /* a table of a command's rows: nothing was drawn */
    }
    const char *drawing = pl_origin_value(&r->origin, "Planish-Drawing");
    note_difference(r, "version of the drawing", drawing != NULL ? drawing : "1", PL_DRAWING);
    note_difference(r, "libraries", origin_value(r, "Planish-Libraries"),
                    libraries.data != NULL ? libraries.data : "");
    note_difference(r, "BLAS", origin_value(r, "Planish-BLAS"), pl_linalg_config());
    note_difference(r, "threads", origin_value(r, "Planish-Threads"), threads);
    pl_buf_deinit(&libraries);
}

static const char *ending_of(const char *path)
{
    const char *dot = strrchr(pl_path_name(path), '.');
    return dot != NULL ? dot : "";
}

/* Makes the figure at `out`, or at a file that is removed again. */
static pl_status make_again(rebuild *r, const pl_state *state, const char *out, bool *same,
                            pl_error *err)
{
    pl_temporary folder = {0};
    pl_buf path = {0};
    if (out != NULL) {
        pl_buf_puts(&path, out);
    } else {
        pl_status made = pl_make_aside("rebuilt", &folder, err);
        if (made != PL_OK) {
            return made;
        }
        pl_buf_printf(&path, "%s/figure%s", folder.path, ending_of(r->figure));
    }
    pl_status status = pl_buf_check(&path, err);
    PL_THEN(run_commands(r, state, path.data, err));
    if (status == PL_OK) {
        compare_makers(r);
        status = pl_rebuild_compare(r->figure, &r->origin, path.data, r->differs, same, err);
        if (!*same && strstr(origin_value(r, "Planish-Commands"), "measure=yes") != NULL) {
            pl_json_append(r->differs, json_string("(it shows times, which are measured anew)"));
        }
    }
    pl_temporary_discard(&folder);
    pl_buf_deinit(&path);
    return status;
}

static pl_status run_rebuild(pl_call *call, pl_context cx, pl_error *err)
{
    const char *out = pl_call_value(call, "file");
    rebuild r = {.figure = call->words[0], .lab = cx.lab, .task = cx.task, .differs = json_array()};
    bool same = false;
    pl_id compared = {0};
    size_t changes = 0;
    (void)pl_record_comparison(cx.state->source, &compared, &changes);
    pl_state_init(&r.state);
    pl_status status = pl_origin_read(r.figure, &r.origin, err);
    if (status == PL_OK && out != NULL && strcasecmp(ending_of(out), ending_of(r.figure)) != 0) {
        status =
            pl_error_set(err, PL_ERR_USAGE, "rebuild: file=%s: expected a name that ends in %s",
                         out, ending_of(r.figure));
    }
    PL_THEN(find_model(&r, cx.state, err));
    PL_THEN(make_again(&r, cx.state, out, &same, err));
    if (status == PL_OK) {
        pl_json_set(call->result, "figure", json_string(r.figure));
        pl_json_set(call->result, "file", out != NULL ? json_string(out) : json_null());
        pl_json_set(call->result, "same", json_boolean(same));
        pl_json_set(call->result, "differs", json_incref(r.differs));
        call->differs = same ? NULL : "a figure differs from what its commands make now";
    }
    pl_record_set_comparison(cx.state->source, compared); /* the session's, whatever the figure's */
    json_decref(r.differs);
    pl_origin_deinit(&r.origin);
    pl_state_deinit(&r.state);
    return status;
}

static const pl_key rebuild_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "figure to write; without it the bytes are compared"},
    {0},
};

const pl_command pl_command_rebuild = {
    .name = "rebuild",
    .positional = "FILE",
    .min_words = 1,
    .max_words = 1,
    .keys = rebuild_keys,
    .needs_model = true,
    .of_run = "*",
    .summary = "Make a figure again from its own file: the same bytes, or why not",
    .run = run_rebuild,
    .slow = pl_slow_always,
};
