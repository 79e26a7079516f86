/* The screen front: worker, lab and session around the event loop. */
#include "app/workbench/workbench.h"

#include "app/front.h"
#include "app/workbench/screen.h"
#include "core/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEYS_LIMIT = 256 * 1024 };

typedef struct workbench {
    pl_front front;
    json_t *last; /* the state the session ended with before this run, or NULL */
    pl_keymap *keys;
    pl_settings settings;
    bool lost; /* the present state is not in the session: no memory, or a path that is no UTF-8 */
} workbench;

/* Failures of the record must not disturb the work: `save` reports them. */
static void on_ended(void *ctx, const pl_call *call, const pl_error *failure, const pl_state *state)
{
    workbench *w = ctx;
    if (w->front.session == NULL) {
        return;
    }
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
    if (w->front.session == NULL) {
        return;
    }
    json_t *record = pl_state_to_json(state);
    w->lost = record == NULL;
    pl_buf text = {0};
    pl_buf_printf(&text, "# %s", how);
    if (!text.failed) {
        pl_status ignored =
            pl_session_record(w->front.session, text.data, true, NULL, NULL, record, NULL);
        (void)ignored;
    }
    pl_buf_deinit(&text);
    json_decref(record);
}

static pl_status on_restore(void *ctx, pl_state *state, pl_error *err)
{
    workbench *w = ctx;
    if (w->front.session == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "this session is not kept, so there is none to restore: another "
                            "planish has the usual one open, or its file cannot be written");
    }
    if (w->last == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "there is no earlier session to restore");
    }
    return pl_front_revive(w->last, state, err);
}

static pl_status on_save(void *ctx, const pl_state *state, pl_error *err)
{
    (void)state;
    workbench *w = ctx;
    if (w->front.session == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "this session is not recorded");
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

/* Why the usual session is not kept. */
static void say_not_kept(pl_error *notice)
{
    if (notice->code == PL_ERR_STATE) {
        *notice = (pl_error){0};
        pl_status said =
            pl_error_set(notice, PL_ERR_STATE,
                         "another planish has the usual session open, so this one is not kept "
                         "(--session FILE keeps it)");
        (void)said;
    } else if (notice->code != PL_OK) {
        pl_error_prefix(notice, "this session is not kept: ");
    }
}

/* The session named by --session must work; the usual one only if it can be had. */
static pl_status open_session(workbench *w, const pl_options *options, pl_error *notice,
                              pl_error *err)
{
    if (options->session != NULL) {
        return pl_session_state(w->front.session, &w->last, err);
    }
    pl_buf path = {0};
    pl_session_default_path(&path);
    pl_status status = pl_buf_check(&path, notice);
    PL_THEN(pl_session_open(path.data, &w->front.session, notice));
    PL_THEN(pl_session_state(w->front.session, &w->last, notice));
    pl_buf_deinit(&path);
    say_not_kept(notice);
    return PL_OK;
}

/* Beside the usual session. */
static void history_path(pl_buf *out)
{
    pl_session_default_path(out);
    char *slash = out->data != NULL ? strrchr(out->data, '/') : NULL;
    if (slash != NULL) {
        out->size = (size_t)(slash - out->data);
        pl_buf_puts(out, "/history");
    }
}

static pl_status start(workbench *w, const pl_options *options, pl_error *notice, pl_error *err)
{
    pl_status status = pl_front_open(options, options->session, &w->front, err);
    PL_THEN(open_session(w, options, notice, err));
    if (status == PL_OK && w->front.state.source == NULL) {
        status = pl_front_open_model(&w->front, options->model, err);
    }
    return status;
}

/* The file of --keys must be there; the usual one may be.  What is wrong in it is a notice: the
 * lines that are right count. */
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
            .first_run = w.last == NULL && !w.settings.exists,
            .notice = w.last != NULL && w.front.state.source->demo != NULL
                          ? "L brings the last session back"
                          : NULL,
            .failure = files.code != PL_OK            ? files.message
                       : notice.code != PL_OK         ? notice.message
                       : w.front.notice.code != PL_OK ? w.front.notice.message
                                                      : NULL,
            .ctx = &w,
            .ended = on_ended,
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
    pl_front_close(&w.front);
    pl_buf_deinit(&history);
    pl_keymap_destroy(w.keys);
    pl_settings_deinit(&w.settings);
    return code;
}
