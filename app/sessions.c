#include "app/sessions.h"

#include "app/usage.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "sessions/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- what there is ---------------------------------------------------------------------------- */

static const char *model_of(const json_t *state)
{
    const char *path = json_string_value(json_object_get(state, "model"));
    return path != NULL ? pl_path_name(path) : "demo";
}

static size_t solved_in(const json_t *state)
{
    size_t count = 0, index;
    json_t *item;
    json_array_foreach(json_object_get(state, "solved"), index, item)
    {
        count += !json_is_true(json_array_get(item, 5)); /* of another model */
    }
    return count;
}

void pl_put_session_state(const json_t *state, pl_buf *out)
{
    char safe[200];
    const char *model = model_of(state);
    const size_t solved = solved_in(state);
    pl_text_escape(model, strlen(model), safe, sizeof safe);
    pl_buf_puts(out, safe);
    if (solved > 0) {
        pl_buf_printf(out, ", %zu layer%s solved", solved, solved == 1 ? "" : "s");
    }
}

static json_t *when_of(int64_t time_ms)
{
    struct tm day = {0};
    char text[32] = "";
    if (time_ms == 0) { /* nothing is in it yet */
        return json_null();
    }
    const time_t at = (time_t)(time_ms / 1000);
    localtime_r(&at, &day);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &day);
    return json_string(text);
}

json_t *pl_session_safe_json(const char *text)
{
    char safe[1024];
    if (text == NULL) {
        return json_null();
    }
    pl_text_escape(text, strlen(text), safe, sizeof safe);
    return json_string(safe);
}

static json_t *entry_json(const pl_session_entry *entry, size_t number, bool open)
{
    json_t *json = json_object();
    const bool known = entry->state != NULL;
    const char *const held = entry->busy ? "elsewhere" : open ? "here" : "no";
    pl_json_set(json, "number", json_integer((json_int_t)number));
    pl_json_set(json, "name", pl_session_safe_json(entry->name));
    pl_json_set(json, "model", known ? pl_session_safe_json(model_of(entry->state)) : json_null());
    pl_json_set(json, "model_path",
                pl_session_safe_json(json_string_value(json_object_get(entry->state, "model"))));
    pl_json_set(json, "when", when_of(entry->time_ms));
    pl_json_set(json, "solved",
                known ? json_integer((json_int_t)solved_in(entry->state)) : json_null());
    pl_json_set(json, "open", json_string(held));
    pl_json_set(json, "branch_of", pl_session_safe_json(entry->branch_of));
    pl_json_set(json, "last", pl_session_safe_json(entry->last));
    pl_json_set(json, "path", pl_session_safe_json(entry->path));
    return json;
}

pl_status pl_front_list_sessions(pl_front *front, json_t *result, pl_error *err)
{
    pl_session_entry *list = NULL;
    size_t count = 0;
    pl_status status = pl_session_list(front->session, &list, &count, err);
    json_t *rows = status == PL_OK ? json_array() : NULL;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const bool open =
            front->session != NULL && strcmp(list[i].path, pl_session_path(front->session)) == 0;
        pl_json_append(rows, entry_json(&list[i], i + 1, open));
    }
    if (status == PL_OK) {
        pl_json_set(result, "sessions", rows);
    }
    pl_session_list_free(list, count);
    return status;
}

char *pl_front_newest_session(pl_front *front, const char *model, json_t **state)
{
    pl_session_entry *list = NULL;
    size_t count = 0;
    char *path = NULL;
    *state = NULL;
    if (pl_session_list(front->session, &list, &count, NULL) != PL_OK) {
        return NULL;
    }
    for (size_t i = 0; i < count && path == NULL; i++) {
        const char *of = json_string_value(json_object_get(list[i].state, "model"));
        const bool wanted = model == NULL || (of != NULL && strcmp(of, model) == 0 &&
                                              strcmp(list[i].name, "last") == 0);
        path = list[i].state != NULL && wanted ? strdup(list[i].path) : NULL;
        *state = path != NULL ? json_incref(list[i].state) : NULL;
    }
    pl_session_list_free(list, count);
    return path;
}

/* --- going over to one ------------------------------------------------------------------------ */

pl_status pl_front_take_session_file(pl_front *front, const char *path, pl_state *state,
                                     pl_error *err)
{
    pl_session *session = NULL;
    json_t *record = NULL;
    const bool same = front->session != NULL && strcmp(path, pl_session_path(front->session)) == 0;
    pl_status status = PL_OK;
    if (!same) {
        status = pl_session_open(path, &session, err);
    }
    PL_THEN(pl_session_solved_state(same ? front->session : session, &record, err));
    if (status == PL_OK && record == NULL) {
        status = pl_error_set(err, PL_ERR_STATE, "%s: nothing is in this session yet", path);
    }
    if (status == PL_OK && pl_front_revive(record, NULL, state, err) != PL_OK) {
        status = err != NULL ? err->code : PL_ERR_IO;
        pl_error_prefix(err, "%s: ", path);
    }
    json_decref(record);
    if (status != PL_OK) {
        pl_session_close(session);
        return status;
    }
    if (!same) {
        pl_front_keep(front, session);
    }
    front->print = state->source->print;
    front->named = false;
    if (!pl_session_is_kept(front->session)) {
        pl_status said =
            pl_error_set(&front->notice, PL_ERR_STATE, "%s", pl_session_notice(front->session));
        (void)said;
    }
    /* The model has been replaced: what is done with it belongs to its own session. */
    if (pl_session_is_of_another(pl_session_path(front->session), front->print)) {
        pl_error notice = {0};
        front->print = (pl_id){0};
        pl_front_follow_model(front, state->source, &notice);
    }
    return PL_OK;
}

pl_status pl_front_take_session(pl_front *front, const char *which, pl_state *state, pl_error *err)
{
    pl_session_entry *list = NULL;
    size_t count = 0, index = 0;
    pl_status status = pl_session_list(front->session, &list, &count, err);
    PL_THEN(pl_session_list_find(list, count, which, &index, err));
    PL_THEN(pl_front_take_session_file(front, list[index].path, state, err));
    pl_session_list_free(list, count);
    return status;
}

/* Why the model's session is not kept. */
static void say_not_kept(const pl_session *session, pl_error *notice)
{
    if (session != NULL && !pl_session_is_kept(session)) {
        pl_status said =
            pl_error_set(notice, PL_ERR_STATE,
                         "another planish has the session of this model open, so it is only read "
                         "and this one is not kept (`branch NAME` keeps it)");
        (void)said;
    } else if (notice->code != PL_OK) {
        pl_error_prefix(notice, "this session is not kept: ");
    }
}

void pl_front_follow_model(pl_front *front, const pl_source *source, pl_error *notice)
{
    if (front->named || source == NULL || pl_id_equal(source->print, front->print)) {
        return;
    }
    pl_buf path = {0};
    pl_session *session = NULL;
    pl_status status =
        pl_id_equal(source->print, (pl_id){0})
            ? pl_error_set(notice, PL_ERR_IO, "the model cannot be told from others")
            : pl_session_model_path(pl_model_name(source->model), source->print, &path, notice);
    PL_THEN(pl_session_open(path.data, &session, notice));
    (void)status;
    say_not_kept(session, notice);
    pl_front_keep(front, session);
    front->print = source->print;
    pl_buf_deinit(&path);
}

/* --- one more under another name -------------------------------------------------------------- */

pl_status pl_front_act(pl_front *front, pl_call *call, pl_session_act act, pl_error *err)
{
    pl_state state;
    bool moved = false;
    pl_status status = act(front, call, &state, &moved, err);
    if (status == PL_OK && moved) {
        pl_front_take_state(front, &state);
    }
    return status;
}

/* A new session's place in the folder of sessions; appended. */
pl_status pl_front_new_session_path(const char *what, const char *name, pl_buf *out, pl_error *err)
{
    if (!pl_session_name_is_valid(name)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: found the name \"%s\", expected one of letters, digits, . _ + - "
                            "(at most %d, no number, not as a model's own session ends)",
                            what, name, PL_SESSION_NAME);
    }
    pl_status status = pl_session_named_path(name, out, err);
    if (status == PL_OK && access(out->data, F_OK) == 0) {
        status =
            pl_error_set(err, PL_ERR_USAGE, "%s: there is a session named %s already", what, name);
    }
    return status;
}

/* The name that lists give a session's file; appended. */
static void put_session_name(const char *path, pl_buf *out)
{
    const char *name = pl_path_name(path);
    const size_t length = strlen(name), tail = strlen(".planish");
    pl_buf_append(out, name, pl_text_ends(name, ".planish") ? length - tail : length);
}

static pl_status read_step(const pl_call *call, const pl_session *session, int64_t *through,
                           pl_error *err)
{
    size_t step = 0;
    const int64_t count = pl_session_count(session);
    *through = 0;
    if (pl_call_value(call, "step") == NULL) {
        return PL_OK;
    }
    pl_status status = pl_usage_size(call, "step", 1, INT32_MAX, &step, err);
    if (status == PL_OK && (int64_t)step > count) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "branch: step=%zu: the session has %lld commands (`log` numbers them)",
                            step, (long long)count);
    }
    *through = (int64_t)step;
    return status;
}

pl_status pl_front_branch(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                          pl_error *err)
{
    pl_buf path = {0}, from = {0};
    int64_t through = 0, id = 0;
    char step[32];
    json_t *record = NULL;
    pl_session *branch = NULL;
    *moved = false;
    if (front->session == NULL) {
        return pl_front_need_kept(front, "branch", err);
    }
    pl_status status = pl_front_new_session_path("branch", call->words[0], &path, err);
    PL_THEN(read_step(call, front->session, &through, err));
    if (status == PL_OK && through > 0) {
        status = pl_session_state_after(front->session, through, &id, &record, err);
        if (status == PL_OK && record == NULL) {
            status = pl_error_set(err, PL_ERR_STATE,
                                  "branch: step=%lld: no state was recorded up to there",
                                  (long long)through);
        }
        PL_THEN(pl_front_revive(record, NULL, state, err));
        *moved = status == PL_OK;
    }
    put_session_name(pl_session_path(front->session), &from);
    PL_THEN(pl_buf_check(&from, err));
    const int64_t last = through > 0 ? through : pl_session_count(front->session);
    snprintf(step, sizeof step, "%lld", (long long)last);
    if (status == PL_OK) {
        const char *const about[][2] = {{"branch_of", from.data}, {"branch_step", step}};
        const pl_session_as as = {.through = through, .about = about, .n_about = 2};
        status = pl_session_write_as(front->session, path.data, &as, err);
    }
    PL_THEN(pl_session_open(path.data, &branch, err));
    if (status == PL_OK) {
        const pl_source *source = *moved ? state->source : front->state.source;
        pl_front_keep(front, branch);
        front->named = false;
        front->print = source != NULL ? source->print : (pl_id){0};
        pl_json_set(call->result, "session", pl_session_safe_json(call->words[0]));
        pl_json_set(call->result, "branch_of", pl_session_safe_json(from.data));
        pl_json_set(call->result, "step", json_integer((json_int_t)last));
        pl_json_set(call->result, "path", pl_session_safe_json(path.data));
    } else if (*moved) {
        pl_state_deinit(state);
        *moved = false;
    }
    json_decref(record);
    pl_buf_deinit(&path);
    pl_buf_deinit(&from);
    return status;
}
