/* The screen front: worker, lab and session around the event loop. */
#include "app/workbench/workbench.h"

#include "app/front.h"
#include "app/sessions.h"
#include "app/workbench/line.h"
#include "app/workbench/screen.h"
#include "core/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEYS_LIMIT = 256 * 1024 };

typedef struct workbench {
    pl_front front;
    json_t *last; /* the state the session ended with before it was opened, or NULL */
    char *other;  /* the session that has the last state instead, or NULL */
    pl_keymap *keys;
    pl_settings settings;
    json_t *fresh; /* the state that this run began in, until the session has it; or NULL */
    bool lost; /* the present state is not in the session: no memory, or a path that is no UTF-8 */
    char told[PL_ERROR_TEXT]; /* what is to be said of the session that has been opened */
} workbench;

/* What the session that is kept from now on ended with. */
static void take_last(workbench *w)
{
    json_decref(w->last);
    w->last = NULL;
    if (w->front.session != NULL &&
        pl_session_solved_state(w->front.session, &w->last, NULL) != PL_OK) {
        w->last = NULL; /* damaged: new states come behind it */
    }
}

/* "L brings ... back", and whether a command was cut off; "" where there is nothing. */
static void offer_last(workbench *w, const json_t *state)
{
    pl_buf text = {0};
    const char *cut = w->front.session != NULL ? pl_session_cut_off(w->front.session) : NULL;
    if (cut != NULL) {
        char safe[200];
        pl_text_escape(cut, strlen(cut), safe, sizeof safe);
        pl_buf_printf(&text, "`%s` was cut off:  :resume goes on with it%s", safe,
                      state != NULL ? "; L only brings the last session back" : "");
    } else if (state != NULL) {
        pl_buf_puts(&text, "L brings the last session back: ");
        pl_put_session_state(state, &text);
    }
    snprintf(w->told, sizeof w->told, "%s", text.data != NULL && !text.failed ? text.data : "");
    pl_text_trim_utf8(w->told);
    pl_buf_deinit(&text);
}

/* Another model is open than before: its session is kept from now on. */
static void follow_model(workbench *w, const pl_state *state)
{
    pl_error notice = {0};
    const pl_session *before = w->front.session;
    const bool another = state->source != NULL && w->front.session != NULL && !w->front.named &&
                         !pl_id_equal(state->source->print, w->front.print);
    if (another) { /* what comes is another session's */
        json_decref(w->fresh);
        w->fresh = NULL;
    }
    pl_front_follow_model(&w->front, state->source, &notice);
    if (notice.code != PL_OK) {
        snprintf(w->told, sizeof w->told, "%s", notice.message);
    }
    if (w->front.session != before) {
        free(w->other);
        w->other = NULL;
        take_last(w);
        if (notice.code == PL_OK) {
            offer_last(w, w->last);
        }
    }
}

static void record_change(workbench *w, const char *how, const json_t *record)
{
    pl_buf text = {0};
    pl_buf_printf(&text, "# %s", how);
    if (!text.failed) {
        pl_status ignored =
            pl_session_record(w->front.session, text.data, true, NULL, NULL, record, NULL);
        (void)ignored;
    }
    pl_buf_deinit(&text);
}

/* The first record of this run follows the state that the run began in, whatever the session's last
 * state was. */
static void record_begin(workbench *w)
{
    json_t *fresh = w->fresh;
    w->fresh = NULL;
    if (fresh != NULL && w->front.session != NULL) {
        record_change(w, "begin", fresh);
    }
    json_decref(fresh);
}

/* Failures of the record must not disturb the work: `save` reports them. */
static void on_ended(void *ctx, const pl_call *call, const pl_error *failure, const pl_state *state)
{
    workbench *w = ctx;
    follow_model(w, state);
    if (w->front.session == NULL || call->command->ends_run) {
        return;
    }
    record_begin(w);
    bool ok = failure == NULL;
    const bool changes = ok && call->command->apply != NULL;
    json_t *record = changes ? pl_state_to_json(state) : NULL;
    w->lost = changes ? record == NULL : w->lost;
    pl_status ignored = pl_session_record(w->front.session, call->text, ok, call->result,
                                          ok ? NULL : failure->message, record, NULL);
    (void)ignored;
    json_decref(record);
}

static void on_changed(void *ctx, const char *how, const pl_state *state)
{
    workbench *w = ctx;
    follow_model(w, state);
    if (w->front.session == NULL) {
        return;
    }
    record_begin(w);
    json_t *record = pl_state_to_json(state);
    w->lost = record == NULL;
    record_change(w, how, record);
    json_decref(record);
}

/* A long command begins: should it be cut off, the next run offers to go on, in this state. */
static void on_begun(void *ctx, const pl_call *call, const pl_state *state)
{
    workbench *w = ctx;
    json_t *known = NULL;
    if (w->front.session == NULL) {
        return;
    }
    record_begin(w);
    pl_status status = pl_session_state(w->front.session, &known, NULL);
    if (status == PL_OK && known == NULL) {
        on_changed(ctx, "begin", state);
    }
    json_decref(known);
    pl_status ignored = pl_session_begin(w->front.session, call->text, NULL);
    (void)ignored;
}

static const char *on_cut_off(void *ctx)
{
    const workbench *w = ctx;
    return w->front.session != NULL ? pl_session_cut_off(w->front.session) : NULL;
}

static bool on_kept(void *ctx)
{
    const workbench *w = ctx;
    return w->front.session != NULL && pl_session_is_kept(w->front.session);
}

static char *on_told(void *ctx)
{
    workbench *w = ctx;
    return w->told;
}

static pl_status on_sessions(void *ctx, json_t *result, pl_error *err)
{
    workbench *w = ctx;
    return pl_front_list_sessions(&w->front, result, err);
}

/* What is to be said of a session that has been taken: nothing, or that it is only read. */
static void tell_taken(workbench *w)
{
    const bool kept = w->front.session == NULL || pl_session_is_kept(w->front.session);
    snprintf(w->told, sizeof w->told, "%s", kept ? "" : pl_session_notice(w->front.session));
    json_decref(w->fresh);
    w->fresh = NULL;
}

static pl_status on_act(void *ctx, pl_call *call, pl_session_act act, pl_state *state, bool *moved,
                        pl_error *err)
{
    workbench *w = ctx;
    record_begin(w);
    const pl_session *before = w->front.session;
    pl_status status = act(&w->front, call, state, moved, err);
    if (status == PL_OK && w->front.session != before) {
        take_last(w);
        tell_taken(w);
    }
    return status;
}

static pl_status on_take(void *ctx, const char *which, pl_state *state, pl_error *err)
{
    workbench *w = ctx;
    pl_status status = pl_front_take_session(&w->front, which, state, err);
    if (status == PL_OK) {
        take_last(w);
        tell_taken(w);
    }
    return status;
}

static pl_status on_commands(void *ctx, size_t most,
                             void (*each)(void *to, const pl_session_command *one), void *to,
                             pl_error *err)
{
    workbench *w = ctx;
    return w->front.session != NULL ? pl_session_commands(w->front.session, most, each, to, err)
                                    : PL_OK;
}

static pl_status on_restore(void *ctx, const pl_state *present, pl_state *state, pl_error *err)
{
    workbench *w = ctx;
    if (w->other != NULL) {
        pl_status status = pl_front_take_session_file(&w->front, w->other, state, err);
        if (status == PL_OK) {
            free(w->other);
            w->other = NULL;
            take_last(w);
            tell_taken(w);
        }
        return status;
    }
    if (w->front.session == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "this session is not kept, so there is none to restore: another "
                            "planish has the usual one open, or its file cannot be written");
    }
    if (w->last == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "there is no earlier session to restore");
    }
    const pl_source *source = present->source;
    const bool same =
        !w->front.named && source != NULL && pl_id_equal(source->print, w->front.print);
    pl_status status = pl_front_revive(w->last, same ? source : NULL, state, err);
    if (status == PL_OK) {
        tell_taken(w); /* the offer is taken */
    }
    return status;
}

static pl_status on_save(void *ctx, const pl_state *state, pl_error *err)
{
    (void)state;
    workbench *w = ctx;
    pl_status kept = pl_front_need_kept(&w->front, "save", err);
    if (kept != PL_OK) {
        return kept;
    }
    if (w->lost) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "what was changed last cannot be recorded: out of memory, or a path is "
                            "not UTF-8");
    }
    return pl_session_flush(w->front.session, err);
}

static pl_status on_script(void *ctx, const char *path, pl_error *err)
{
    workbench *w = ctx;
    return w->front.session != NULL
               ? pl_session_export(w->front.session, path, pl_text_ends_run, err)
               : pl_error_set(err, PL_ERR_STATE, "log: this session is not recorded");
}

/* The session that --session names comes back at once, unless another model is asked for. */
static pl_status open_named(workbench *w, const pl_options *options, pl_error *err)
{
    pl_state revived;
    const char *model = json_string_value(json_object_get(w->last, "model"));
    const pl_source *source = w->front.state.source;
    const bool same = w->last != NULL && source != NULL && source->path != NULL && model != NULL &&
                      strcmp(source->path, model) == 0;
    if (options->model == NULL || !same) {
        return PL_OK;
    }
    pl_status status = pl_front_revive(w->last, source, &revived, err);
    if (status == PL_OK) {
        pl_front_take_state(&w->front, &revived);
    }
    return status;
}

/* The open model's session, and the one that L restores: the same; if no model was asked for, the
 * newest of all; if the model has none yet, one of the same path. */
static void open_own(workbench *w, const pl_options *options, pl_error *notice)
{
    const pl_source *source = w->front.state.source;
    json_t *offered = NULL;
    char *newest =
        pl_front_newest_session(&w->front, options->model != NULL ? source->path : NULL, &offered);
    pl_front_follow_model(&w->front, source, notice);
    take_last(w);
    if (newest != NULL && (options->model == NULL || w->last == NULL) &&
        (w->front.session == NULL || strcmp(newest, pl_session_path(w->front.session)) != 0)) {
        w->other = newest;
        newest = NULL;
    }
    free(newest);
    offer_last(w, w->other != NULL ? offered : w->last);
    json_decref(offered);
}

/* Beside the usual session. */
static void history_path(pl_buf *out)
{
    pl_session_put_folder(out);
    pl_buf_puts(out, "/history");
}

static pl_status start(workbench *w, const pl_options *options, pl_error *notice, pl_error *err)
{
    pl_status status = pl_front_open(options, options->session, &w->front, err);
    if (status == PL_OK && w->front.named) {
        status = pl_session_state(w->front.session, &w->last, err);
    }
    if (status == PL_OK && w->front.state.source == NULL) {
        status = pl_front_open_model(&w->front, options->model, err);
    }
    if (status == PL_OK && w->front.named) {
        status = open_named(w, options, err);
    } else if (status == PL_OK) {
        open_own(w, options, notice);
        w->fresh = pl_state_to_json(&w->front.state);
    }
    return status;
}

/* The file of --keys must exist, the usual one need not.  Wrong lines become a notice; the others
 * count. */
static pl_status read_keys(workbench *w, const char *file, pl_error *notice, pl_error *err)
{
    pl_buf usual = {0};
    pl_buf wrong = {0};
    char *text = NULL;
    size_t size = 0;
    pl_settings_path("keys", &usual);
    const char *path = file != NULL ? file : usual.data;
    pl_status status = pl_keymap_create(&w->keys, err);
    bool there = file != NULL || (path != NULL && path[0] != '\0' && access(path, F_OK) == 0);
    if (status == PL_OK && there) {
        status = pl_file_read_all(path, KEYS_LIMIT, &text, &size, file != NULL ? err : notice);
        if (status != PL_OK && file == NULL) {
            status = PL_OK;
        } else if (status == PL_OK) {
            status = pl_keymap_read(w->keys, file != NULL ? file : "keys", text, &wrong, err);
        }
    }
    if (status == PL_OK && wrong.data != NULL) {
        size_t lines = 0;
        for (const char *s = wrong.data; (s = strchr(s, '\n')) != NULL; s++) {
            lines++;
        }
        char more[48] = "";
        if (lines > 1) {
            snprintf(more, sizeof more, " (and %zu more)", lines - 1);
        }
        pl_status said = pl_error_set(notice, PL_ERR_USAGE, "%.*s%s",
                                      (int)strcspn(wrong.data, "\n"), wrong.data, more);
        (void)said;
    }
    free(text);
    pl_buf_deinit(&wrong);
    pl_buf_deinit(&usual);
    return status;
}

static void read_settings(workbench *w, pl_error *notice)
{
    pl_buf path = {0};
    pl_settings_path("config", &path);
    pl_status status = pl_settings_read(path.data, &w->settings, notice);
    (void)status; /* without it nothing is remembered */
    pl_buf_deinit(&path);
}

int pl_workbench_run(const pl_options *options)
{
    workbench w = {0};
    pl_error err = {0};
    pl_error notice = {0};
    pl_buf history = {0};
    int code = 1;
    if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
        fputs("planish: the workbench needs a terminal; use -c or --batch to run without one\n",
              stderr);
        return 1;
    }
    pl_error files = {0}; /* what is wrong in the files of keys and settings */
    read_settings(&w, &files);
    pl_status status = read_keys(&w, options->keys, &files, &err);
    PL_THEN(start(&w, options, &notice, &err));
    if (status == PL_OK) {
        history_path(&history);
        pl_screen_options screen = {
            .worker = w.front.worker,
            .lab = w.front.lab,
            .state = &w.front.state,
            .history = history.failed ? NULL : history.data,
            .marks = options->marks,
            .theme = options->theme,
            .mouse = options->mouse,
            .keys = w.keys,
            .settings = &w.settings,
            .first_run = w.last == NULL && w.other == NULL && !w.settings.exists,
            .notice = w.told[0] != '\0' ? w.told : NULL,
            .restored = w.front.named && w.front.state.source != NULL,
            .failure = files.code != PL_OK            ? files.message
                       : notice.code != PL_OK         ? notice.message
                       : w.front.notice.code != PL_OK ? w.front.notice.message
                                                      : NULL,
            .ctx = &w,
            .begun = on_begun,
            .ended = on_ended,
            .cut_off = on_cut_off,
            .kept = on_kept,
            .told = on_told,
            .sessions = on_sessions,
            .take = on_take,
            .act = on_act,
            .commands = on_commands,
            .changed = on_changed,
            .restore = on_restore,
            .save = on_save,
            .script = on_script,
        };
        status = pl_screen_run(&screen, &code, &err);
    }
    if (status != PL_OK) {
        fprintf(stderr, "planish: %s\n", err.message);
        code = 1;
    }
    json_decref(w.last);
    json_decref(w.fresh);
    free(w.other);
    pl_front_close(&w.front);
    pl_buf_deinit(&history);
    pl_keymap_destroy(w.keys);
    pl_settings_deinit(&w.settings);
    return code;
}

const char *pl_workbench_line_library(void)
{
    return pl_line_library();
}

const char *pl_workbench_line_licence(void)
{
    return pl_line_licence();
}
