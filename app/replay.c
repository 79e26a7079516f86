#include "app/replay.h"

#include "app/source.h"
#include "app/usage.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/temporary.h"
#include "core/base/text.h"
#include "core/state/origin.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"
#include "sessions/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A recorded command, owned. */
typedef struct entry {
    int64_t number, began;
    char *text, *result;
    bool ok;
} entry;

/* A model that the session names, found here. */
typedef struct place {
    char *path, *inputs; /* as the session has it; NULL: the demo */
    pl_source *source;
} place;

typedef struct replay {
    const pl_replay_spec *spec;
    pl_session *log;
    entry *entries;
    size_t n, capacity;
    bool failed; /* memory was out while they were read */
    place *places;
    size_t n_places;
    pl_state *after; /* [n_states] by the recorded states' identifiers, less one */
    bool *known;
    size_t n_states;
    pl_state state;
    pl_lab *lab;
    pl_temporary folder;
    double tolerance;
    size_t run, left_out, compared, drawn, not_drawn;
    char why_not[PL_DRAWN_WHY]; /* the first figure's that was not compared */
    bool same_maker, renamed;   /* a model has another name here */
    double largest;
    pl_task *task;
} replay;

/* --- what is recorded ------------------------------------------------------------------------- */

static void take_entry(void *ctx, const pl_session_command *one)
{
    replay *r = ctx;
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity > 0 ? 2 * r->capacity : 64;
        entry *grown = realloc(r->entries, capacity * sizeof *grown);
        if (grown == NULL) {
            r->failed = true;
            return;
        }
        r->entries = grown;
        r->capacity = capacity;
    }
    entry *made = &r->entries[r->n];
    *made = (entry){.number = one->number, .began = one->began, .ok = one->ok};
    made->text = strdup(one->text);
    made->result = one->result != NULL ? strdup(one->result) : NULL;
    r->n++;
    r->failed = r->failed || made->text == NULL || (one->result != NULL && made->result == NULL);
}

static pl_status read_log(replay *r, pl_error *err)
{
    pl_status status = pl_session_read(r->spec->path, &r->log, err);
    PL_THEN(pl_session_commands(r->log, SIZE_MAX >> 1, take_entry, r, err));
    if (status == PL_OK && r->failed) {
        status = pl_error_memory(err, "%s", r->spec->path);
    }
    int64_t id = 0;
    if (status == PL_OK && r->n > 0) {
        status = pl_session_state_after(r->log, r->entries[r->n - 1].number, &id, NULL, err);
    }
    if (status == PL_OK) {
        r->n_states = (size_t)id;
        r->after = calloc(r->n_states + 1, sizeof *r->after);
        r->known = calloc(r->n_states + 1, sizeof *r->known);
        status = r->after != NULL && r->known != NULL ? PL_OK
                                                      : pl_error_memory(err, "%s", r->spec->path);
    }
    return status;
}

/* The state behind a command is one to come back to. */
static pl_status keep_state(replay *r, const entry *of, pl_error *err)
{
    int64_t id = 0;
    pl_status status = pl_session_state_after(r->log, of->number, &id, NULL, err);
    const size_t at = (size_t)id;
    if (status != PL_OK || at == 0 || at > r->n_states || r->known[at - 1]) {
        return status;
    }
    status = pl_state_copy(&r->after[at - 1], &r->state, err);
    r->known[at - 1] = status == PL_OK;
    return status;
}

/* --- models ----------------------------------------------------------------------------------- */

/* What the session's newest states say about the model at that path, to check a source against; or
 * NULL.  Caller decrefs. */
static json_t *origin_of(const replay *r, const char *path)
{
    for (size_t id = r->n_states; id > 0; id--) {
        json_t *record = NULL;
        if (pl_session_state_of_id(r->log, (int64_t)id, &record, NULL) != PL_OK) {
            continue;
        }
        json_t *origin = json_object_get(record, "origin");
        const char *model = json_string_value(json_object_get(origin, "model"));
        json_t *found =
            model != NULL && model[0] != '\0' &&
                    pl_text_same(json_string_value(json_object_get(record, "model")), path)
                ? json_incref(origin)
                : NULL;
        json_decref(record);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* Whether that is the session's model: by its identity if the session has one, else by its print if
 * the file has that; else any model passes. */
static pl_status is_the_model(replay *r, pl_source *source, const char *path, bool *same,
                              pl_error *err)
{
    json_t *origin = origin_of(r, path);
    char own[PL_ID_TEXT];
    pl_buf name = {0};
    pl_status status = PL_OK;
    pl_id_format(source->print, own);
    pl_buf_printf(&name, "print:%s", path != NULL ? path : "");
    char *print = name.failed ? NULL : pl_session_about(r->log, name.data);
    pl_buf_deinit(&name);
    *same = print == NULL || strcmp(print, own) == 0;
    if (*same && origin != NULL) {
        status = pl_origin_check(source, origin, same, err);
    }
    free(print);
    json_decref(origin);
    return status;
}

/* Tries a place; *out is the caller's, NULL where nothing is there or it is another model. */
static pl_status try_place(replay *r, const char *at, const char *inputs, const char *path,
                           bool *another, pl_source **out, pl_error *err)
{
    pl_source *source = NULL;
    bool same = false;
    *out = NULL;
    if (pl_open_source(at, inputs, &source, NULL) != PL_OK) {
        return PL_OK;
    }
    pl_status status = is_the_model(r, source, path, &same, err);
    *another = *another || (status == PL_OK && !same);
    if (status == PL_OK && same) {
        *out = source;
    } else {
        pl_source_release(source);
    }
    return status;
}

/* "FOLDER/name" of a path, in the folder of the session's file or of files=; appended. */
static void put_beside(const replay *r, const char *path, bool in_files, pl_buf *out)
{
    size_t length = 0;
    const char *name = pl_path_last(path, &length);
    if (in_files) {
        pl_path_join(out, r->spec->files, "");
    } else {
        pl_buf_append(out, r->spec->path, (size_t)(pl_path_name(r->spec->path) - r->spec->path));
    }
    pl_buf_append(out, name, length);
}

static pl_status find_source(replay *r, const char *path, const char *inputs, pl_source **out,
                             pl_error *err)
{
    bool another = false;
    pl_status status = PL_OK;
    *out = NULL;
    if (path != NULL && r->spec->model != NULL) {
        status = try_place(r, r->spec->model, inputs, path, &another, out, err);
        if (status == PL_OK && *out == NULL && another) {
            return pl_error_set(err, PL_ERR_CHANGED,
                                "%s: model=%s: that is another model than the session's %s",
                                r->spec->what, r->spec->model, pl_path_name(path));
        }
    } else {
        status = try_place(r, path, inputs, path, &another, out, err);
    }
    for (int i = 0; status == PL_OK && *out == NULL && path != NULL && i < 2; i++) {
        pl_buf beside = {0};
        if (i == 0 || r->spec->files != NULL) {
            put_beside(r, path, i == 1, &beside);
            status = pl_buf_check(&beside, err);
            PL_THEN(try_place(r, beside.data, inputs, path, &another, out, err));
        }
        pl_buf_deinit(&beside);
    }
    if (status == PL_OK && *out == NULL && r->spec->open != NULL && inputs == NULL) {
        status = try_place(r, r->spec->open->path, NULL, path, &another, out, err);
    }
    if (status == PL_OK && *out == NULL) {
        const char *name = path != NULL ? pl_path_name(path) : "the demo";
        status = another ? pl_error_set(err, PL_ERR_CHANGED,
                                        "%s: %s is another model here than the session's; "
                                        "model=PATH says where that is",
                                        r->spec->what, name)
                         : pl_error_set(err, PL_ERR_NOT_FOUND,
                                        "%s: the session's model %s is not here; model=PATH "
                                        "says where it is",
                                        r->spec->what, name);
    }
    return status;
}

/* Borrowed. */
static pl_status source_of(replay *r, const char *path, const char *inputs, pl_source **out,
                           pl_error *err)
{
    for (size_t i = 0; i < r->n_places; i++) {
        if (pl_text_same(r->places[i].path, path) && pl_text_same(r->places[i].inputs, inputs)) {
            *out = r->places[i].source;
            return PL_OK;
        }
    }
    place *grown = realloc(r->places, (r->n_places + 1) * sizeof *grown);
    if (grown == NULL) {
        return pl_error_memory(err, "%s", r->spec->path);
    }
    r->places = grown;
    place made = {.path = path != NULL ? strdup(path) : NULL,
                  .inputs = inputs != NULL ? strdup(inputs) : NULL};
    pl_status status =
        (path == NULL || made.path != NULL) && (inputs == NULL || made.inputs != NULL)
            ? find_source(r, path, inputs, &made.source, err)
            : pl_error_memory(err, "%s", r->spec->path);
    if (status != PL_OK) {
        free(made.path);
        free(made.inputs);
        return status;
    }
    *out = made.source;
    r->places[r->n_places++] = made;
    return PL_OK;
}

/* The model that a recorded state is of. */
static pl_status source_of_record(replay *r, const json_t *record, pl_source **out, pl_error *err)
{
    return source_of(r, json_string_value(json_object_get(record, "model")),
                     json_string_value(json_object_get(record, "inputs")), out, err);
}

/* A state that the session has and no command leads to: undo, redo, another session's. */
static pl_status take_recorded(replay *r, const entry *of, pl_error *err)
{
    int64_t id = 0;
    json_t *record = NULL;
    pl_source *source = NULL;
    pl_state taken;
    pl_status status = pl_session_state_after(r->log, of->number, &id, &record, err);
    if (status == PL_OK && record == NULL) {
        return PL_OK;
    }
    PL_THEN(source_of_record(r, record, &source, err));
    PL_THEN(pl_state_restore(&taken, record, source, err));
    if (status == PL_OK) {
        pl_state_deinit(&r->state);
        r->state = taken;
    }
    json_decref(record);
    return status;
}

/* A run on the screen has its model before any command: the one that the first state is of. */
static pl_status open_first(replay *r, const entry *of, pl_error *err)
{
    json_t *record = NULL;
    pl_source *source = NULL;
    pl_status status = PL_OK;
    for (size_t id = 1; status == PL_OK && record == NULL && id <= r->n_states; id++) {
        status = pl_session_state_of_id(r->log, (int64_t)id, &record, err);
    }
    (void)of;
    if (status == PL_OK && record == NULL) { /* commands that change nothing, on the demo */
        status = source_of(r, NULL, NULL, &source, err);
    } else if (status == PL_OK) {
        status = source_of_record(r, record, &source, err);
    }
    PL_THEN(pl_state_set_source(&r->state, source, err));
    json_decref(record);
    return status;
}

/* --- files ------------------------------------------------------------------------------------ */

static pl_status replace(char **value, pl_buf *path, pl_error *err)
{
    pl_status status = pl_buf_check(path, err);
    if (status == PL_OK) {
        free(*value);
        *value = path->data;
        *path = (pl_buf){0};
    }
    pl_buf_deinit(path);
    return status;
}

/* Where a command's own files go instead: "<folder>/made/<name>". */
static void put_made(const replay *r, const char *path, pl_buf *out)
{
    size_t length = 0;
    const char *name = pl_path_last(path, &length);
    pl_path_join(out, r->folder.path, "made");
    pl_buf_printf(out, "/%.*s", (int)length, name);
}

/* A text elsewhere must be the one that the session was exported with. */
static pl_status check_file(replay *r, const char *recorded, const char *at, pl_error *err)
{
    pl_buf name = {0};
    char own[PL_ID_TEXT];
    pl_id id = {0};
    pl_buf_printf(&name, "file:%s", recorded);
    char *known = name.failed ? NULL : pl_session_about(r->log, name.data);
    pl_status status = PL_OK;
    if (known != NULL) {
        status = pl_text_identity(&at, 1, &id, err);
        pl_id_format(id, own);
        if (status == PL_OK && strcmp(own, known) != 0) {
            status = pl_error_set(err, PL_ERR_CHANGED,
                                  "%s: %s is another file than the session's %s (identity %s, "
                                  "expected %s)",
                                  r->spec->what, at, recorded, own, known);
        }
    }
    free(known);
    pl_buf_deinit(&name);
    return status;
}

/* Finds a file to read: among files made by the replay, at the session's path, beside the session,
 * in files=.  Else the path stays, and the command reports it missing. */
static pl_status place_file(replay *r, char **value, pl_error *err)
{
    pl_buf path = {0};
    pl_status status = PL_OK;
    if (r->folder.path != NULL) {
        put_made(r, *value, &path);
    }
    if (path.data != NULL && access(path.data, F_OK) == 0) {
        return replace(value, &path, err);
    }
    path.size = 0;
    if (access(*value, F_OK) == 0) {
        pl_buf_puts(&path, *value);
    } else {
        put_beside(r, *value, r->spec->files != NULL, &path);
    }
    status = pl_buf_check(&path, err);
    if (status == PL_OK && access(path.data, F_OK) == 0) {
        status = check_file(r, *value, path.data, err);
        return status == PL_OK ? replace(value, &path, err) : (pl_buf_deinit(&path), status);
    }
    pl_buf_deinit(&path);
    return status;
}

static pl_status place_files(replay *r, pl_call *call, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < call->n_keys; i++) {
        const pl_key *key = pl_usage_key(call->command, call->names[i]);
        if (key != NULL && key->kind == PL_KEY_NEW_FILE && strcmp(call->values[i], "-") != 0) {
            pl_buf path = {0};
            put_made(r, call->values[i], &path);
            status = replace(&call->values[i], &path, err);
        } else if (key != NULL && (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES)) {
            status = place_file(r, &call->values[i], err);
        }
    }
    return status;
}

pl_status pl_session_find_model(const pl_replay_spec *spec, pl_session *session, const char *path,
                                const char *inputs, pl_source **out, pl_error *err)
{
    int64_t id = 0;
    replay r = {.spec = spec, .log = session};
    *out = NULL;
    pl_status status = pl_session_state_after(session, INT64_MAX, &id, NULL, err);
    r.n_states = (size_t)id;
    PL_THEN(find_source(&r, path, inputs, out, err));
    return status;
}

pl_status pl_session_place_text(const pl_replay_spec *spec, pl_session *session, char **path,
                                pl_error *err)
{
    replay r = {.spec = spec, .log = session};
    return place_file(&r, path, err);
}

/* --- one command ------------------------------------------------------------------------------ */

/* What only looks, or is of the screen or of the session, and what failed then. */
static bool is_left_out(const pl_call *call)
{
    const pl_command *command = call->command;
    return command->ends_run || (command->run == NULL && command->apply == NULL) ||
           (command->of_run != NULL && strcmp(command->of_run, "*") == 0);
}

/* A model's path in the words of `open`. */
static pl_status open_recorded(replay *r, const entry *of, pl_call *call, pl_error *err)
{
    int64_t id = 0;
    json_t *record = NULL;
    pl_source *source = NULL;
    pl_status status = pl_session_state_after(r->log, of->number, &id, &record, err);
    if (status == PL_OK && record == NULL) {
        status = source_of(r, call->n_words > 0 ? call->words[0] : NULL,
                           pl_call_value(call, "inputs"), &source, err);
    } else if (status == PL_OK) {
        status = source_of_record(r, record, &source, err);
    }
    json_decref(record);
    if (status != PL_OK) {
        return status;
    }
    /* The call itself goes to where the model is. */
    char *path = source->path != NULL ? strdup(source->path) : NULL;
    if (path == NULL && source->path != NULL) {
        return pl_error_memory(err, "%s", r->spec->path);
    }
    if (call->n_words == 0 && path != NULL) {
        free(path); /* `open` alone was the demo, and is */
    } else if (call->n_words > 0 && path != NULL) {
        free(call->words[0]);
        call->words[0] = path;
    }
    return PL_OK;
}

/* Runs and applies; *failed: the command itself did, with its sentence in err. */
static pl_status run_call(replay *r, const entry *of, pl_call *call, bool *failed, pl_error *err)
{
    pl_status status = PL_OK;
    *failed = false;
    if (call->command->rebuild == PL_REBUILD_MODEL) {
        status = open_recorded(r, of, call, err);
    } else if (call->command->needs_model && r->state.source == NULL) {
        status = open_first(r, of, err);
    }
    PL_THEN(place_files(r, call, err));
    if (status != PL_OK) {
        return status;
    }
    /* A long command computes with the state that it began in. */
    const size_t began = (size_t)of->began;
    const pl_state *in = of->began > 0 && began <= r->n_states && r->known[began - 1]
                             ? &r->after[began - 1]
                             : &r->state;
    pl_lab_begin(r->lab);
    status = pl_call_run(call, (pl_context){r->lab, in, r->task}, err);
    PL_THEN(pl_call_apply(call, &r->state, err));
    /* What the machine refuses says nothing about the session. */
    *failed = status != PL_OK && status != PL_ERR_CANCELLED && status != PL_ERR_MEMORY &&
              status != PL_ERR_IO;
    return status;
}

/* --- what differs ----------------------------------------------------------------------------- */

static json_t *failure_of(const entry *of, const char *sentence)
{
    json_t *json = pl_replay_difference(of->number, of->text, NULL, NULL, NULL, NAN);
    pl_json_set(json, "error", json_string(sentence));
    return json;
}

static void compare_results(replay *r, const entry *of, const pl_call *call, json_t **difference)
{
    pl_result_difference found;
    char why[PL_DRAWN_WHY];
    json_t *then = of->result != NULL ? json_loads(of->result, JSON_DECODE_ANY, NULL) : NULL;
    bool agree =
        !json_is_object(then) || pl_results_agree(call->command, then, call->result, r->tolerance,
                                                  &r->compared, &r->largest, &found);
    const pl_drawn_bytes drawn =
        agree ? pl_drawn_agree(then, call->result, r->tolerance == 0 && r->same_maker, &found, why)
              : PL_DRAWN_NOTHING;
    r->drawn += drawn == PL_DRAWN_SAME;
    r->not_drawn += drawn == PL_DRAWN_NOT_COMPARED;
    if (drawn == PL_DRAWN_NOT_COMPARED && r->why_not[0] == '\0') {
        memcpy(r->why_not, why, sizeof why);
    }
    if (!agree || drawn == PL_DRAWN_OTHER) {
        *difference = pl_replay_difference(of->number, of->text, found.key, found.then, found.now,
                                           found.relative);
    }
    json_decref(then);
}

/* *difference: what is another now, or NULL. */
static pl_status replay_entry(replay *r, const entry *of, json_t **difference, pl_error *err)
{
    pl_call *call = NULL;
    bool failed = false;
    if (of->text[0] == '#') {
        return take_recorded(r, of, err);
    }
    if (!of->ok) {
        r->left_out++;
        return PL_OK;
    }
    pl_error why = {0};
    pl_status status = pl_call_parse(of->text, &call, &why);
    if (status == PL_ERR_USAGE) { /* another version's */
        *difference = failure_of(of, why.message);
        return PL_OK;
    }
    if (status == PL_OK && is_left_out(call)) {
        r->left_out++;
        pl_call_destroy(call);
        return PL_OK;
    }
    PL_THEN(run_call(r, of, call, &failed, &why));
    if (failed) {
        *difference = failure_of(of, why.message);
        status = PL_OK;
    } else if (status == PL_OK) {
        r->run++;
        compare_results(r, of, call, difference);
    }
    if (status != PL_OK && err != NULL) {
        *err = why;
        if (status == PL_ERR_IO || status == PL_ERR_MEMORY) {
            pl_error_prefix(err, "%s: step %lld, `%s`: ", r->spec->what, (long long)of->number,
                            of->text);
        }
    }
    pl_call_destroy(call);
    return status;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Who computed the first results, and how that is to be compared with what computes here. */
static void choose_tolerance(replay *r, json_t *result)
{
    char *version = NULL, *kernel = NULL;
    int threads = 0;
    bool same = true, said = false;
    json_t *maker = json_null();
    for (size_t i = 0; i < r->n; i++) {
        if (!pl_session_maker(r->log, r->entries[i].number, &version, &kernel, &threads)) {
            same = false;
        } else {
            same = same && strcmp(version, PL_VERSION) == 0 &&
                   strcmp(kernel, pl_kernel_name()) == 0 && threads == pl_linalg_threads();
            if (!said) {
                maker = json_pack("{s:s, s:s, s:i}", "version", version, "kernel", kernel,
                                  "threads", threads);
                said = true;
            }
        }
        free(version);
        free(kernel);
    }
    r->same_maker = same;
    r->tolerance = isfinite(r->spec->tolerance) ? r->spec->tolerance : same ? 0 : NAN;
    pl_json_set(result, "recorded_by", maker);
    pl_json_set(result, "replayed_by",
                json_pack("{s:s, s:s, s:i}", "version", PL_VERSION, "kernel", pl_kernel_name(),
                          "threads", pl_linalg_threads()));
    pl_json_set(result, "tolerance", pl_json_number(r->tolerance));
}

static pl_status make_lab(replay *r, pl_lab *lab, pl_error *err)
{
    pl_buf target = {0}, path = {0};
    pl_path_join(&target, pl_store_folder(pl_lab_store(lab)), "replay");
    pl_status status = pl_buf_check(&target, err);
    PL_THEN(pl_file_make_private_dirs(pl_store_folder(pl_lab_store(lab)), err));
    PL_THEN(pl_temporary_create(target.data, true, &r->folder, err));
    if (status == PL_OK) {
        pl_path_join(&path, r->folder.path, "made");
        status = pl_buf_check(&path, err);
    }
    PL_THEN(pl_file_make_private_dirs(path.data, err));
    if (status == PL_OK && r->spec->anew) {
        path.size = 0;
        pl_path_join(&path, r->folder.path, "store");
        status = pl_buf_check(&path, err);
        const pl_lab_options options = {.store = path.data,
                                        .memory_limit = pl_lab_memory_limit(lab)};
        PL_THEN(pl_lab_create(&options, &r->lab, err));
    } else if (status == PL_OK) {
        r->lab = lab;
    }
    pl_buf_deinit(&path);
    pl_buf_deinit(&target);
    return status;
}

static void deinit(replay *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->entries[i].text);
        free(r->entries[i].result);
    }
    for (size_t i = 0; i < r->n_states; i++) {
        if (r->known != NULL && r->known[i]) {
            pl_state_deinit(&r->after[i]);
        }
    }
    for (size_t i = 0; i < r->n_places; i++) {
        free(r->places[i].path);
        free(r->places[i].inputs);
        pl_source_release(r->places[i].source);
    }
    free(r->entries);
    free(r->after);
    free(r->known);
    free(r->places);
    pl_state_deinit(&r->state);
    if (r->spec->anew) {
        pl_lab_destroy(r->lab);
    }
    pl_temporary_discard(&r->folder);
    pl_session_close(r->log);
}

pl_status pl_replay_run(const pl_replay_spec *spec, pl_lab *lab, json_t *result, bool *same,
                        pl_task *task, pl_error *err)
{
    replay r = {.spec = spec, .task = task};
    json_t *difference = NULL;
    *same = false;
    pl_state_init(&r.state);
    pl_state_default_methods(&r.state);
    pl_status status = read_log(&r, err);
    PL_THEN(make_lab(&r, lab, err));
    if (status == PL_OK) {
        choose_tolerance(&r, result);
    }
    for (size_t i = 0; status == PL_OK && difference == NULL && i < r.n; i++) {
        status = replay_entry(&r, &r.entries[i], &difference, err);
        PL_THEN(keep_state(&r, &r.entries[i], err));
        PL_THEN(pl_task_tick(task, err));
        pl_task_progress(task, "commands", (double)(i + 1), (double)r.n);
    }
    if (status == PL_OK) {
        *same = difference == NULL;
        pl_json_set(result, "commands", json_integer((json_int_t)r.n));
        pl_json_set(result, "replayed", json_integer((json_int_t)r.run));
        pl_json_set(result, "left_out", json_integer((json_int_t)r.left_out));
        pl_json_set(result, "numbers", json_integer((json_int_t)r.compared));
        pl_json_set(result, "largest_difference", json_real(r.largest));
        pl_json_set(result, "figures", json_integer((json_int_t)r.drawn));
        pl_json_set(result, "figures_not_compared", json_integer((json_int_t)r.not_drawn));
        pl_json_set(result, "figures_why", r.not_drawn > 0 ? json_string(r.why_not) : json_null());
        pl_json_set(result, "same", json_boolean(*same));
        pl_json_set(result, "differs", difference != NULL ? json_incref(difference) : json_null());
    }
    json_decref(difference);
    deinit(&r);
    return status;
}
