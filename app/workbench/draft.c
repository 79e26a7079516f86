#include "app/workbench/draft.h"

#include "app/workbench/figures.h"
#include "app/workbench/parts.h"
#include "core/state/kept.h"
#include "plots/build.h"
#include "plots/label.h"
#include "views/draft_view.h"
#include "views/mouse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FIELDS = 32 };

/* --- the line --------------------------------------------------------------------------------- */

/* The next word of a line, quotes and all; *end: behind it.  NULL at the line's end. */
static const char *next_word(const char *line, const char **end)
{
    const char *start = line + strspn(line, " \t");
    char quote = '\0';
    const char *s = start;
    for (; *s != '\0' && (quote != '\0' || (*s != ' ' && *s != '\t')); s++) {
        quote = quote == *s ? '\0' : quote == '\0' && (*s == '\'' || *s == '"') ? *s : quote;
    }
    *end = s;
    return *start != '\0' ? start : NULL;
}

static bool is_key(const char *word, const char *key)
{
    const size_t size = strlen(key);
    return strncmp(word, key, size) == 0 && word[size] == '=';
}

/* The word `key=...` of a line, or NULL. */
static const char *find_key(const char *line, const char *key, const char **end)
{
    const char *word = NULL;
    for (const char *s = line; (word = next_word(s, end)) != NULL; s = *end) {
        if (is_key(word, key)) {
            return word;
        }
    }
    return NULL;
}

/* Whether a field holds nothing: `key=`, and with quotes `key=''`, too. */
static bool is_empty(const char *line, const pl_key *key, bool quotes)
{
    const char *end = NULL;
    const char *word = find_key(line, key->name, &end);
    const size_t size = word != NULL ? (size_t)(end - word) - strlen(key->name) - 1 : SIZE_MAX;
    return size == 0 || (size == 2 && quotes && strncmp(end - 2, "''", 2) == 0);
}

static bool has_draft(const pl_command *command)
{
    return command != NULL && command->draft != NULL;
}

static const pl_command *command_of(const char *line)
{
    const char *end = NULL;
    const char *word = next_word(line, &end);
    char name[32] = "";
    if (word != NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(end - word), word);
    }
    return pl_command_find(name);
}

/* A field that the cursor has only come to is not set yet: the line without it.  Caller frees. */
static char *without_fresh(pl_drafting *d, const char *line)
{
    const char *end = NULL;
    char *copy = strdup(line);
    if (d->fresh != NULL && !is_empty(line, d->fresh, true)) {
        d->fresh = NULL;
    }
    const char *word = d->fresh != NULL ? find_key(line, d->fresh->name, &end) : NULL;
    if (copy != NULL && word != NULL) {
        memmove(copy + (word - line), end, strlen(end) + 1);
    }
    return copy;
}

/* Takes the line over as far as it can be read; the dialog opens with the first figure named. */
static void read_line(pl_screen *screen, const char *line)
{
    pl_drafting *d = &screen->drafting;
    pl_call *call = NULL;
    pl_draft draft = {0};
    pl_error err = {0};
    free(d->line);
    d->line = strdup(line);
    d->wrong[0] = '\0';
    char *text = without_fresh(d, line);
    pl_status status =
        text != NULL ? pl_call_parse(text, &call, &err) : pl_error_memory(&err, "a line");
    if (status == PL_OK && has_draft(call->command)) {
        status = call->command->draft(call, screen->state, &draft, &err);
        d->open = d->open || draft.request.kind != NULL;
    }
    if (status == PL_OK && draft.request.kind != NULL) {
        free(d->valid);
        d->valid = text;
        text = NULL;
        d->draft = draft;
        d->dirty = true;
    } else if (status != PL_OK) {
        snprintf(d->wrong, sizeof d->wrong, "%s", err.message);
    }
    if (d->open && d->draft.fields == NULL) { /* opened with an option that cannot be read */
        d->draft.fields = draft.fields;
    }
    free(text);
    pl_call_destroy(call);
}

/* --- the figure ------------------------------------------------------------------------------- */

static void stop_draft(pl_screen *screen)
{
    if (screen->drafting.job != 0) {
        pl_worker_cancel(screen->jobs.worker, screen->drafting.job);
        screen->drafting.job = 0;
    }
}

void pl_draft_drop(pl_screen *screen)
{
    pl_drafting *d = &screen->drafting;
    stop_draft(screen);
    free(d->line);
    free(d->valid);
    for (size_t i = 0; i < PL_KIND_ROW; i++) {
        pl_figure_deinit(&d->bases[i]);
        pl_figure_deinit(&d->figures[i]);
    }
    free(d->title);
    *d = (pl_drafting){0};
}

/* "W_0" as characters have it. */
static pl_status put_plainly(char **text, pl_error *err)
{
    pl_buf plain = {0};
    pl_label_plain(*text != NULL ? *text : "", &plain);
    pl_buf_append(&plain, "", 0);
    pl_status status = pl_buf_check(&plain, err);
    PL_THEN(pl_figure_text(text, plain.data, err));
    pl_buf_deinit(&plain);
    return status;
}

/* The options on a copy of each panel; a row's title stands over both. */
static pl_status apply_to_panel(const pl_drafting *d, const pl_figure *base, pl_figure *out,
                                pl_error *err)
{
    pl_figure_options options = d->draft.options;
    options.title.given = options.title.given && d->panels == 1;
    pl_status status = pl_figure_copy(base, out, err);
    PL_THEN(pl_figure_options_apply(&options, out, err));
    PL_THEN(put_plainly(&out->title, err));
    PL_THEN(put_plainly(&out->x.label, err));
    PL_THEN(put_plainly(&out->y.label, err));
    for (size_t i = 0; i < out->n_series; i++) {
        PL_THEN(put_plainly(&out->series[i].label, err));
    }
    return status;
}

/* What does not suit the figure is said, and the last that did stays. */
static void apply_options(pl_drafting *d)
{
    pl_figure copies[PL_KIND_ROW] = {{0}};
    char *title = NULL;
    pl_error err = {0};
    pl_status status = PL_OK;
    d->dirty = false;
    if (d->bases[0].table != NULL) {
        pl_figure_deinit(&d->figures[0]);
        return;
    }
    for (size_t i = 0; status == PL_OK && i < d->panels; i++) {
        status = apply_to_panel(d, &d->bases[i], &copies[i], &err);
    }
    if (status == PL_OK && d->panels > 1 && d->draft.options.title.given) {
        status = pl_figure_text(&title, d->draft.options.title.text, &err);
        PL_THEN(put_plainly(&title, &err));
    }
    if (status == PL_OK) {
        free(d->title);
        d->title = title;
        title = NULL;
    } else {
        snprintf(d->wrong, sizeof d->wrong, "%s", err.message);
    }
    for (size_t i = 0; i < PL_KIND_ROW; i++) {
        if (status == PL_OK) {
            pl_figure_deinit(&d->figures[i]);
            d->figures[i] = copies[i];
        } else {
            pl_figure_deinit(&copies[i]);
        }
    }
    free(title);
}

bool pl_draft_is_open(const pl_screen *screen)
{
    return screen->drafting.open;
}

const pl_state *pl_draft_state(const pl_screen *screen, pl_state *own)
{
    const pl_state *state = screen->state;
    const size_t kept = screen->drafting.draft.kept;
    *own = (pl_state){0};
    if (kept == SIZE_MAX || kept >= state->n_kept) {
        return kept == SIZE_MAX ? state : NULL;
    }
    return pl_state_as(state, state->kept[kept], own, NULL) == PL_OK ? own : NULL;
}

/* Hash of both, for a kept setting, which has its own methods and the present looks: so no frame
 * copies a state. */
static pl_id wanted_figure(const pl_screen *screen)
{
    const pl_state *state = screen->state;
    const pl_draft *draft = &screen->drafting.draft;
    const pl_id present = pl_figures_key(screen, state, &draft->request, true);
    if (draft->kept >= state->n_kept) {
        return present;
    }
    const pl_id both[] = {
        present, pl_figures_key(screen, &state->kept[draft->kept]->is, &draft->request, true)};
    return pl_id_bytes(both, sizeof both);
}

void pl_draft_fill(pl_screen *screen)
{
    pl_drafting *d = &screen->drafting;
    const char *line = pl_prompt_line(screen->prompt);
    if (screen->state->source == NULL || !has_draft(command_of(line))) {
        pl_draft_drop(screen);
        return;
    }
    if (d->line == NULL || strcmp(line, d->line) != 0) {
        read_line(screen, line);
    }
    if (d->draft.request.kind == NULL) {
        return;
    }
    d->wanted = wanted_figure(screen);
    if (d->made && pl_id_equal(d->key, d->wanted) && d->dirty) {
        apply_options(d);
    }
}

static pl_status run_draft(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    pl_request row[PL_KIND_ROW] = {job->request};
    const pl_kind *kind = job->request.kind;
    const size_t n = kind->row != NULL ? kind->row(&job->state, &job->request, row) : 1;
    pl_status status = pl_kind_make(pl_job_context(job, task), &row[0], &job->figure, err);
    PL_THEN(n > 1 ? pl_kind_make(pl_job_context(job, task), &row[1], &job->beside, err) : PL_OK);
    return status;
}

void pl_draft_pump(pl_screen *screen)
{
    pl_drafting *d = &screen->drafting;
    pl_screen_job *running = d->job != 0 ? pl_jobs_of_id(&screen->jobs, d->job) : NULL;
    const bool current = (d->made || d->failed) && pl_id_equal(d->key, d->wanted);
    if (running != NULL && !pl_id_equal(running->figure_key, d->wanted)) {
        stop_draft(screen);
    }
    if (d->draft.request.kind == NULL || current || d->job != 0) {
        return;
    }
    pl_state own;
    pl_screen_job *job = NULL;
    const pl_state *state = pl_draft_state(screen, &own);
    if (state != NULL && pl_jobs_create(&screen->jobs, PL_JOB_KIND_FIGURE,
                                        d->draft.request.kind->name, state, &job, NULL) == PL_OK) {
        job->request = d->draft.request;
        job->figure_key = d->wanted;
        const pl_urgency urgency = job->request.kind->slow ? PL_JOB_ORDINARY : PL_JOB_URGENT;
        if (pl_jobs_submit(&screen->jobs, job, urgency, run_draft, NULL) == PL_OK) {
            d->job = job->id;
        }
    }
    pl_state_deinit(&own);
}

void pl_draft_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    pl_drafting *d = &screen->drafting;
    if (d->job != job->id) {
        return;
    }
    d->job = 0;
    d->key = job->figure_key;
    d->failed = event->status != PL_OK;
    if (d->failed) {
        snprintf(d->failure, sizeof d->failure, "%s", event->error.message);
        return;
    }
    pl_figure *const made[PL_KIND_ROW] = {&job->figure, &job->beside};
    for (size_t i = 0; i < PL_KIND_ROW; i++) {
        pl_figure_deinit(&d->bases[i]);
        d->bases[i] = *made[i];
        *made[i] = (pl_figure){0};
    }
    d->panels = d->bases[1].title != NULL ? 2 : 1;
    d->made = d->dirty = true;
}

bool pl_draft_key(const pl_screen *screen, pl_id *out)
{
    const pl_drafting *d = &screen->drafting;
    pl_hasher *hasher = NULL;
    if (!d->open || !d->made || d->dirty || d->bases[0].table != NULL || d->panels > 1 ||
        !pl_id_equal(d->key, d->wanted) || d->wrong[0] != '\0' ||
        pl_hasher_create(&hasher, NULL) != PL_OK) {
        return false;
    }
    pl_hasher_id(hasher, d->key);
    pl_hasher_text(hasher, d->valid);
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return true;
}

/* --- the fields ------------------------------------------------------------------------------- */

/* The keys that the draft offers; returns how many. */
static size_t list_fields(const pl_screen *screen, const pl_key *fields[MOST_FIELDS])
{
    const pl_drafting *d = &screen->drafting;
    const pl_command *command = command_of(pl_prompt_line(screen->prompt));
    size_t n = 0;
    const char *end = NULL;
    for (const char *s = d->draft.fields != NULL ? d->draft.fields : "", *word;
         has_draft(command) && (word = next_word(s, &end)) != NULL && n < MOST_FIELDS; s = end) {
        for (const pl_key *key = command->keys; key->name != NULL; key++) {
            if (strlen(key->name) == (size_t)(end - word) &&
                strncmp(key->name, word, strlen(key->name)) == 0) {
                fields[n++] = key;
            }
        }
    }
    return n;
}

/* The field that the cursor is in; n: none. */
static size_t present_field(const pl_screen *screen, const pl_key *const *fields, size_t n)
{
    const char *line = pl_prompt_line(screen->prompt);
    const char *cursor = line + pl_prompt_cursor(screen->prompt);
    const char *end = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *word = find_key(line, fields[i]->name, &end);
        if (word != NULL && word < cursor && cursor <= end) {
            return i;
        }
    }
    return n;
}

static void enter_field(pl_screen *screen, const pl_key *key)
{
    const char *end = NULL;
    const char *line = pl_prompt_line(screen->prompt);
    const char *word = find_key(line, key->name, &end);
    if (word == NULL) {
        const size_t size = strlen(line);
        const bool quotes = key->kind == PL_KEY_TEXT;
        char text[64];
        snprintf(text, sizeof text, "%s%s=%s", size > 0 && line[size - 1] == ' ' ? "" : " ",
                 key->name, quotes ? "''" : "");
        pl_prompt_replace(screen->prompt, size, size, text, size + strlen(text) - quotes);
        screen->drafting.fresh = key;
        return;
    }
    const bool quoted = end[-1] == '\'' || end[-1] == '"';
    pl_prompt_replace(screen->prompt, 0, 0, "", (size_t)(end - line) - quoted);
}

/* Takes a field out again that nothing was put into. */
static void leave_field(pl_screen *screen, const pl_key *key)
{
    pl_drafting *d = &screen->drafting;
    const char *line = pl_prompt_line(screen->prompt);
    const char *end = NULL;
    const pl_key *empty = d->fresh != NULL ? d->fresh : key;
    const char *word = empty != NULL && is_empty(line, empty, d->fresh != NULL)
                           ? find_key(line, empty->name, &end)
                           : NULL;
    d->fresh = NULL;
    if (word != NULL) {
        const size_t first = (size_t)(word - line);
        pl_prompt_replace(screen->prompt, first - (first > 0), (size_t)(end - line), "", SIZE_MAX);
    }
}

bool pl_draft_enter(pl_screen *screen)
{
    pl_draft_fill(screen);
    if (screen->drafting.open) {
        leave_field(screen, NULL);
        pl_draft_fill(screen);
    }
    return screen->drafting.open && screen->drafting.wrong[0] != '\0';
}

static void go_to_field(pl_screen *screen, const pl_key *const *fields, size_t n, size_t to)
{
    const size_t from = present_field(screen, fields, n);
    if (to >= n || to == from) {
        return;
    }
    leave_field(screen, from < n ? fields[from] : NULL);
    enter_field(screen, fields[to]);
}

bool pl_draft_step(pl_screen *screen, int by)
{
    const pl_key *fields[MOST_FIELDS] = {NULL};
    pl_draft_fill(screen); /* keys may come faster than frames */
    const size_t n = screen->drafting.open ? list_fields(screen, fields) : 0;
    if (n == 0) {
        return false;
    }
    const size_t from = present_field(screen, fields, n);
    const size_t to = from == n ? (by > 0 ? 0 : n - 1) : (from + n + (size_t)(by + (int)n)) % n;
    go_to_field(screen, fields, n, to);
    return true;
}

void pl_draft_point(pl_screen *screen, pl_mouse mouse)
{
    const pl_key *fields[MOST_FIELDS] = {NULL};
    const size_t n = screen->drafting.open ? list_fields(screen, fields) : 0;
    const int line = n > 0 ? pl_mouse_line(mouse, screen->drafting.list, 0) : -1;
    if (line >= 0) {
        go_to_field(screen, fields, n, screen->drafting.top + (size_t)line);
    }
}

/* What a field holds, as typed; false: nothing, which is its default. */
static bool field_value(const char *line, const char *key, char *out, size_t capacity)
{
    const char *end = NULL;
    const char *word = find_key(line, key, &end);
    out[0] = '\0';
    if (word != NULL) {
        snprintf(out, capacity, "%.*s", (int)(end - word - (long)strlen(key) - 1),
                 word + strlen(key) + 1);
    }
    return word != NULL;
}

bool pl_draft_say(const pl_screen *screen, pl_buf *out)
{
    const pl_key *fields[MOST_FIELDS] = {NULL};
    const size_t n = screen->drafting.open ? list_fields(screen, fields) : 0;
    const size_t at = present_field(screen, fields, n);
    if (at < n) {
        const char *choices = pl_key_choices(fields[at]);
        pl_buf_printf(out, "%s%s%s: %s", fields[at]->name, choices != NULL ? "=" : "",
                      choices != NULL ? choices : "", fields[at]->help);
    }
    return out->size > 0 && !out->failed;
}

void pl_draft_draw(pl_screen *screen, pl_rect rect)
{
    pl_drafting *d = &screen->drafting;
    if (!d->open) {
        return;
    }
    static char values[MOST_FIELDS][200]; /* the UI thread's */
    const pl_key *keys[MOST_FIELDS] = {NULL};
    pl_draft_field fields[MOST_FIELDS];
    const size_t n = list_fields(screen, keys);
    const char *line = pl_prompt_line(screen->prompt);
    for (size_t i = 0; i < n; i++) {
        const bool given = field_value(line, keys[i]->name, values[i], sizeof values[i]);
        fields[i] = (pl_draft_field){
            .name = keys[i]->name, .value = given ? values[i] : NULL, .initial = keys[i]->initial};
    }
    const bool current = d->made && pl_id_equal(d->key, d->wanted);
    const char *note = d->failed && pl_id_equal(d->key, d->wanted) ? d->failure
                       : d->made                                   ? NULL
                                                                   : "computing";
    pl_draft_view view = {.fields = fields,
                          .n = n,
                          .row = present_field(screen, keys, n),
                          .top = d->top,
                          .figures = d->figures,
                          .n_figures = d->figures[0].title != NULL ? d->panels : 0,
                          .title = d->title,
                          .table = d->made ? d->bases[0].table : NULL,
                          .legend = d->draft.options.legend.index != PL_LEGEND_NONE,
                          .below = d->draft.options.legend.index == PL_LEGEND_BELOW,
                          .stale = !current || d->wrong[0] != '\0',
                          .wrong = d->wrong,
                          .note = note};
    pl_draft_view_draw(&screen->model, &screen->face.surface, rect, &view);
    d->list = view.list;
    d->top = view.top;
}
