#include "app/portable.h"

#include "app/replay.h"
#include "app/sessions.h"
#include "app/usage.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/calib/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the paths that a session names ----------------------------------------------------------- */

typedef struct named {
    char *path;        /* as the session has it */
    const char *brief; /* its end, which no other one has; in path */
    bool read;         /* a command reads it as a file */
} named;

typedef struct names {
    named *list;
    size_t count;
    bool failed;
} names;

static void add_name(names *all, const char *path, bool read)
{
    if (path == NULL || path[0] == '\0' || strcmp(path, "-") == 0) {
        return;
    }
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].path, path) == 0) {
            all->list[i].read = all->list[i].read || read;
            return;
        }
    }
    named *grown = realloc(all->list, (all->count + 1) * sizeof *grown);
    char *copy = grown != NULL ? strdup(path) : NULL;
    all->list = grown != NULL ? grown : all->list;
    if (copy == NULL) {
        all->failed = true;
        return;
    }
    all->list[all->count++] = (named){.path = copy, .read = read};
}

static void free_names(names *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].path);
    }
    free(all->list);
}

/* What a recorded command names: files to read and to write, and a model. */
static void add_names_of_command(void *ctx, const pl_session_command *one)
{
    names *all = ctx;
    pl_call *call = NULL;
    if (one->text[0] == '#' || pl_call_parse(one->text, &call, NULL) != PL_OK) {
        return;
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        const pl_key *key = pl_usage_key(call->command, call->names[i]);
        const bool read = key != NULL && (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES);
        if (read || (key != NULL && key->kind == PL_KEY_NEW_FILE)) {
            add_name(all, call->values[i], read);
        }
    }
    for (size_t i = 0; i < call->n_words; i++) {
        if (call->words[i][0] == '/') {
            add_name(all, call->words[i], false);
        }
    }
    pl_call_destroy(call);
}

/* The keys of a state, and of what it keeps, whose values are paths. */
static bool is_path_key(const char *key)
{
    return strcmp(key, "model") == 0 || strcmp(key, "inputs") == 0 || strcmp(key, "import") == 0 ||
           strcmp(key, "text") == 0;
}

/* Visits every path in a state's record; *value may be given another one. */
static void each_path(json_t *json, void (*visit)(void *ctx, const char *key, json_t *value),
                      void *ctx)
{
    const char *key;
    void *next;
    size_t index;
    json_t *value;
    json_object_foreach_safe(json, next, key, value)
    {
        if (strcmp(key, "origin") == 0) {
            continue; /* its "model" is an identity */
        }
        if (json_is_string(value) && is_path_key(key)) {
            visit(ctx, key, value);
        } else if (strcmp(key, "texts") == 0) {
            json_t *text;
            json_array_foreach(value, index, text)
            {
                if (json_is_string(text)) {
                    visit(ctx, key, text);
                }
            }
        } else {
            each_path(value, visit, ctx);
        }
    }
    json_array_foreach(json, index, value)
    {
        if (json_is_object(value)) {
            each_path(value, visit, ctx);
        }
    }
}

static void add_name_of_state(void *ctx, const char *key, json_t *value)
{
    add_name(ctx, json_string_value(value), strcmp(key, "texts") == 0);
}

static pl_status read_names(pl_session *session, names *all, pl_error *err)
{
    int64_t last = 0;
    pl_status status = pl_session_commands(session, SIZE_MAX >> 1, add_names_of_command, all, err);
    PL_THEN(pl_session_state_after(session, INT64_MAX, &last, NULL, err));
    for (int64_t id = 1; status == PL_OK && id <= last; id++) {
        json_t *record = NULL;
        status = pl_session_state_of_id(session, id, &record, err);
        each_path(record, add_name_of_state, all);
        json_decref(record);
    }
    return status == PL_OK && all->failed ? pl_error_memory(err, "the session's paths") : status;
}

static bool ends_in_part(const char *path, const char *end)
{
    const size_t length = strlen(path), tail = strlen(end);
    return length >= tail && strcmp(path + length - tail, end) == 0 &&
           (length == tail || path[length - tail - 1] == '/');
}

/* The shortest end of an absolute path that no other one has. */
static void shorten(names *all)
{
    for (size_t i = 0; i < all->count; i++) {
        named *one = &all->list[i];
        one->brief = one->path;
        for (const char *s = one->path + strlen(one->path); one->path[0] == '/' && s > one->path;
             s--) {
            bool alone = s[-1] == '/' && s[0] != '\0';
            for (size_t k = 0; k < all->count && alone; k++) {
                alone = k == i || !ends_in_part(all->list[k].path, s);
            }
            if (alone) {
                one->brief = s;
                break;
            }
        }
        /* All of it is another one's end: without the root, at least. */
        one->brief += one->brief == one->path && one->path[0] == '/';
    }
}

static int longest_first(const void *a, const void *b)
{
    const size_t x = strlen(((const named *)a)->path), y = strlen(((const named *)b)->path);
    return (x < y) - (x > y);
}

/* --- out -------------------------------------------------------------------------------------- */

static bool goes_on(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           strchr("._-+", c) != NULL;
}

/* Appends what stands for the text at `at`, and returns how much of it that is. */
static size_t put_without_path(const names *all, const char *home, const char *at, pl_buf *out)
{
    for (size_t i = 0; i < all->count; i++) {
        const size_t length = strlen(all->list[i].path);
        if (all->list[i].path[0] == '/' && strncmp(at, all->list[i].path, length) == 0 &&
            (at[length] == '\0' || !goes_on(at[length]))) {
            pl_buf_puts(out, all->list[i].brief);
            return length;
        }
    }
    /* The folders of what is named, and the user's own. */
    for (size_t i = 0; i < all->count; i++) {
        const char *path = all->list[i].path;
        const size_t folder = (size_t)(pl_path_name(path) - path);
        if (path[0] == '/' && folder > 1 && strncmp(at, path, folder) == 0) {
            return folder;
        }
    }
    const size_t length = home != NULL ? strlen(home) : 0;
    if (length > 1 && strncmp(at, home, length) == 0 && !goes_on(at[length])) {
        pl_buf_puts(out, "~");
        return length;
    }
    return 0;
}

static char *without_paths(void *ctx, pl_session_text kind, const char *text)
{
    (void)kind;
    pl_buf out = {0};
    const char *home = getenv("HOME");
    pl_buf_puts(&out, "");
    for (const char *s = text; *s != '\0';) {
        const bool begins = *s == '/' && (s == text || !goes_on(s[-1]));
        const size_t taken = begins ? put_without_path(ctx, home, s, &out) : 0;
        if (taken == 0) {
            pl_buf_append(&out, s, 1);
        }
        s += taken > 0 ? taken : 1;
    }
    if (out.failed) {
        pl_buf_deinit(&out);
        return NULL;
    }
    return out.data;
}

typedef struct about_list {
    char *(*list)[2]; /* owned */
    size_t count;
    bool failed;
} about_list;

static void add_about(about_list *to, const char *kind, const char *name, const char *value)
{
    pl_buf whole = {0};
    pl_buf_printf(&whole, "%s:%s", kind, name);
    char *(*grown)[2] = realloc(to->list, (to->count + 1) * sizeof *grown);
    char *copy = strdup(value);
    to->list = grown != NULL ? grown : to->list;
    if (grown == NULL || copy == NULL || whole.failed) {
        to->failed = true;
        free(copy);
        pl_buf_deinit(&whole);
        return;
    }
    to->list[to->count][0] = whole.data;
    to->list[to->count++][1] = copy;
}

static void free_about(about_list *about)
{
    for (size_t i = 0; i < about->count; i++) {
        free(about->list[i][0]);
        free(about->list[i][1]);
    }
    free(about->list);
}

static bool is_at_hand(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

/* The identities of the texts that are at hand, and what the open model is by its headers. */
static pl_status identify(const pl_front *front, const names *all, about_list *about, json_t *files,
                          pl_error *err)
{
    char text[PL_ID_TEXT];
    const pl_source *source = front->state.source;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < all->count; i++) {
        const named *one = &all->list[i];
        pl_id id;
        if (one->read && is_at_hand(one->path)) {
            status = pl_text_identity(&(const char *){one->path}, 1, &id, err);
            if (status == PL_OK) {
                pl_id_format(id, text);
                add_about(about, "file", one->brief, text);
                pl_json_append(files,
                               json_pack("{s:s, s:s}", "name", one->brief, "identity", text));
            }
            /* What is no text, or has gone since, has none. */
            status = status == PL_ERR_IO || status == PL_ERR_MEMORY ? status : PL_OK;
        }
        if (source != NULL && source->path != NULL && strcmp(source->path, one->path) == 0) {
            pl_id_format(source->print, text);
            add_about(about, "print", one->brief, text);
        }
    }
    return status;
}

pl_status pl_front_export_session(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                  pl_error *err)
{
    names all = {0};
    about_list about = {0};
    json_t *files = json_array();
    (void)state;
    *moved = false;
    pl_status status = front->session == NULL ? pl_front_need_kept(front, "sessions export", err)
                                              : read_names(front->session, &all, err);
    if (status == PL_OK) {
        shorten(&all);
        if (all.count > 0) {
            qsort(all.list, all.count, sizeof *all.list, longest_first);
        }
        status = identify(front, &all, &about, files, err);
        if (status == PL_OK && about.failed) {
            status = pl_error_memory(err, "the session's paths");
        }
    }
    if (status == PL_OK) {
        const pl_session_as as = {.rewrite = without_paths,
                                  .ctx = &all,
                                  .about = (const char *const(*)[2])(uintptr_t)about.list,
                                  .n_about = about.count};
        status = pl_session_write_as(front->session, call->words[1], &as, err);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "file", json_string(call->words[1]));
        pl_json_set(call->result, "commands",
                    json_integer((json_int_t)pl_session_count(front->session)));
        pl_json_set(call->result, "texts", json_incref(files));
    }
    json_decref(files);
    free_about(&about);
    free_names(&all);
    return status;
}

/* --- in --------------------------------------------------------------------------------------- */

typedef struct moving {
    const pl_replay_spec *spec;
    pl_session *from;
    const char *model; /* as the session has it; NULL: the demo */
    const pl_source *source;
    json_t *texts; /* name: where it is here, or null */
    pl_error why;  /* the first text that the disk or memory would not let be looked at */
} moving;

/* Where a text is here, if it is and is the session's; appended. */
static void append_text_place(moving *m, const char *name, pl_buf *out)
{
    pl_error why = {0};
    char *value = strdup(name);
    const pl_status status = value != NULL ? pl_session_place_text(m->spec, m->from, &value, &why)
                                           : pl_error_memory(&why, "%s", name);
    if ((status == PL_ERR_IO || status == PL_ERR_MEMORY) && m->why.code == PL_OK) {
        m->why = why;
    }
    if (status == PL_OK && access(value, R_OK) == 0) {
        char *whole = realpath(value, NULL);
        pl_buf_puts(out, whole != NULL ? whole : value);
        free(whole);
    }
    free(value);
}

/* Where a text is here, once looked for; NULL where it is not. */
static const char *text_here(moving *m, const char *name)
{
    if (json_object_get(m->texts, name) == NULL) {
        pl_buf at = {0};
        append_text_place(m, name, &at);
        pl_json_set(m->texts, name,
                    at.data != NULL && !at.failed ? json_string(at.data) : json_null());
        pl_buf_deinit(&at);
    }
    return json_string_value(json_object_get(m->texts, name));
}

static void move_path(void *ctx, const char *key, json_t *value)
{
    moving *m = ctx;
    const char *name = json_string_value(value);
    if (strcmp(key, "model") == 0) {
        if (m->model != NULL && m->source->path != NULL && strcmp(name, m->model) == 0) {
            (void)json_string_set(value, m->source->path);
        }
        return;
    }
    if (strcmp(key, "inputs") == 0 && m->source->inputs != NULL) {
        (void)json_string_set(value, m->source->inputs);
        return;
    }
    const char *at = text_here(m, name);
    if (at != NULL) {
        (void)json_string_set(value, at);
    }
}

/* The command with the files that it reads where they are here. */
static char *command_with_paths(moving *m, const char *text)
{
    pl_call *call = NULL;
    pl_buf out = {0};
    const char *rest = text;
    if (text[0] == '#' || pl_call_parse(text, &call, NULL) != PL_OK) {
        return strdup(text);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        const pl_key *key = pl_usage_key(call->command, call->names[i]);
        const bool read = key != NULL && (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES);
        const char *at = read ? text_here(m, call->values[i]) : NULL;
        pl_buf was = {0};
        pl_buf_printf(&was, "%s=", call->names[i]);
        pl_command_quote(call->values[i], &was);
        const char *found = at != NULL && !was.failed ? strstr(rest, was.data) : NULL;
        if (found != NULL) {
            pl_buf_append(&out, rest, (size_t)(found - rest));
            pl_buf_printf(&out, "%s=", call->names[i]);
            pl_command_quote(at, &out);
            rest = found + was.size;
        }
        pl_buf_deinit(&was);
    }
    pl_buf_puts(&out, rest);
    pl_call_destroy(call);
    if (out.failed) {
        pl_buf_deinit(&out);
        return NULL;
    }
    return out.data;
}

static char *with_paths(void *ctx, pl_session_text kind, const char *text)
{
    if (kind == PL_TEXT_COMMAND) {
        return command_with_paths(ctx, text);
    }
    json_t *record = kind == PL_TEXT_STATE ? json_loads(text, 0, NULL) : NULL;
    if (record == NULL) {
        return strdup(text); /* what is no JSON is refused where it is read */
    }
    each_path(record, move_path, ctx);
    char *made = pl_json_text(record, JSON_COMPACT);
    json_decref(record);
    return made;
}

static char *name_of(const pl_call *call, const char *file)
{
    const char *name = pl_call_value(call, "name");
    const char *last = pl_path_name(name != NULL ? name : file);
    const size_t length = strlen(last), tail = strlen(".planish");
    return strndup(last, name == NULL && pl_text_ends(last, ".planish") ? length - tail : length);
}

static void put_imported(pl_call *call, const moving *m, const char *name)
{
    const char *text;
    json_t *at;
    json_t *rows = json_array();
    pl_json_set(call->result, "session", json_string(name));
    pl_json_set(call->result, "model",
                m->source->path != NULL ? json_string(m->source->path) : json_null());
    json_object_foreach(m->texts, text, at)
    {
        json_t *row = json_object();
        pl_json_set(row, "name", json_string(text));
        pl_json_set(row, "path", json_incref(at));
        pl_json_append(rows, row);
    }
    pl_json_set(call->result, "texts", rows);
}

pl_status pl_front_import_session(pl_front *front, pl_call *call, pl_state *state, bool *moved,
                                  pl_error *err)
{
    const pl_replay_spec spec = {.what = "sessions import",
                                 .path = call->words[1],
                                 .model = pl_call_value(call, "model"),
                                 .files = pl_call_value(call, "files"),
                                 .open = front->state.source};
    moving m = {.spec = &spec, .texts = json_object()};
    pl_buf path = {0};
    pl_source *source = NULL;
    json_t *record = NULL;
    char *name = name_of(call, spec.path);
    *moved = false;
    pl_status status = name != NULL ? PL_OK : pl_error_memory(err, "a session's name");
    PL_THEN(pl_front_new_session_path("sessions import", name, &path, err));
    PL_THEN(pl_session_read(spec.path, &m.from, err));
    PL_THEN(pl_session_solved_state(m.from, &record, err));
    if (status == PL_OK && record == NULL) {
        status = pl_error_set(err, PL_ERR_STATE, "%s: nothing is in this session yet", spec.path);
    }
    if (status == PL_OK) {
        m.model = json_string_value(json_object_get(record, "model"));
        status = pl_session_find_model(&spec, m.from, m.model,
                                       json_string_value(json_object_get(record, "inputs")),
                                       &source, err);
        m.source = source;
    }
    if (status == PL_OK) {
        const pl_session_as as = {.rewrite = with_paths, .ctx = &m};
        status = pl_session_write_as(m.from, path.data, &as, err);
    }
    if (status == PL_OK && m.why.code != PL_OK) {
        (void)unlink(path.data);
        status = pl_error_set(err, m.why.code, "%s", m.why.message);
    }
    if (status == PL_OK) {
        status = pl_front_take_session_file(front, path.data, state, err);
        *moved = status == PL_OK;
        if (status != PL_OK) {
            (void)unlink(path.data);
        } else {
            put_imported(call, &m, name);
        }
    }
    json_decref(record);
    json_decref(m.texts);
    pl_source_release(source);
    pl_session_close(m.from);
    pl_buf_deinit(&path);
    free(name);
    return status;
}
