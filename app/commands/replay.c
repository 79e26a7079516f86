/* replay: a session's commands run again, and the first result that is another. */
#include "app/replay.h"
#include "app/sessions.h"
#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "sessions/catalog.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file, or a session by the name or number that `sessions` gives it; *out is the caller's. */
static pl_status find_session(const char *word, char **out, pl_error *err)
{
    pl_session_entry *list = NULL;
    size_t count = 0, index = 0;
    if (access(word, F_OK) == 0) {
        *out = strdup(word);
        return *out != NULL ? PL_OK : pl_error_memory(err, "%s", word);
    }
    pl_status status = pl_session_list(NULL, &list, &count, err);
    if (status == PL_OK && pl_session_list_find(list, count, word, &index, err) != PL_OK) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "replay: there is no file and no session named %s (`sessions` lists "
                              "them)",
                              word);
    }
    if (status == PL_OK && (*out = strdup(list[index].path)) == NULL) {
        status = pl_error_memory(err, "%s", word);
    }
    pl_session_list_free(list, count);
    return status;
}

static pl_status run_replay(pl_call *call, pl_context cx, pl_error *err)
{
    const double start = pl_clock_now();
    bool same = false;
    char *path = NULL;
    size_t kept = 0;
    pl_replay_spec spec = {.what = "replay",
                           .model = pl_call_value(call, "model"),
                           .files = pl_call_value(call, "files"),
                           .tolerance = NAN,
                           .open = cx.state->source};
    pl_status status = PL_OK;
    if (pl_call_value(call, "tolerance") != NULL) {
        status = pl_usage_real(call, "tolerance", 0, 1, &spec.tolerance, err);
    }
    PL_THEN(pl_usage_choice(call, "store", &kept, err));
    PL_THEN(find_session(call->words[0], &path, err));
    spec.path = path;
    spec.anew = kept == 0;
    if (status == PL_OK) {
        pl_json_set(call->result, "session", pl_session_safe_json(path));
        status = pl_replay_run(&spec, cx.lab, call->result, &same, cx.task, err);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
        call->differs = same ? NULL : "a result differs from the session's";
    }
    free(path);
    return status;
}

static void put_json_value(const json_t *value, pl_buf *out)
{
    char *text = pl_json_text(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    pl_buf_printf(out, "%.80s", text != NULL ? text : "-");
    free(text);
}

/* ", 3 figures have the same bytes, 1 is not compared: ..." */
static void put_replayed_figures(const json_t *result, pl_buf *out)
{
    const json_int_t same = json_integer_value(json_object_get(result, "figures"));
    const json_int_t rest = json_integer_value(json_object_get(result, "figures_not_compared"));
    if (same > 0) {
        pl_buf_printf(out, ", %lld %s the same bytes", same,
                      same == 1 ? "figure has" : "figures have");
    }
    if (rest > 0) {
        pl_buf_printf(out, ", the bytes of %lld %s not compared: %s", rest,
                      rest == 1 ? "figure are" : "figures are",
                      json_string_value(json_object_get(result, "figures_why")));
    }
}

/* "step 4, `perplexity which=after`: perplexity was 3.51, is 3.49: by 0.6 %". */
static void put_replay_line(const pl_call *call, pl_buf *out)
{
    const json_t *result = call->result;
    const json_t *differs = json_object_get(result, "differs");
    const char *failed = json_string_value(json_object_get(differs, "error"));
    if (json_is_null(differs)) {
        pl_buf_printf(out, "%lld commands and %lld numbers agree (largest difference %.2g)",
                      json_integer_value(json_object_get(result, "replayed")),
                      json_integer_value(json_object_get(result, "numbers")),
                      json_number_value(json_object_get(result, "largest_difference")));
        put_replayed_figures(result, out);
        return;
    }
    char safe[120];
    const char *command = json_string_value(json_object_get(differs, "command"));
    pl_text_escape(command, strlen(command), safe, sizeof safe);
    pl_buf_printf(out, "step %lld, `%s`: ", json_integer_value(json_object_get(differs, "step")),
                  safe);
    if (failed != NULL) {
        pl_buf_printf(out, "it fails now: %s", failed);
        return;
    }
    pl_buf_printf(out, "%s was ", json_string_value(json_object_get(differs, "key")));
    put_json_value(json_object_get(differs, "recorded"), out);
    pl_buf_puts(out, ", is ");
    put_json_value(json_object_get(differs, "found"), out);
    const double by = pl_json_number_of(differs, "relative_difference");
    if (isfinite(by)) {
        pl_buf_printf(out, ": a relative difference of %.3g", by);
    }
}

static void put_replay(const pl_call *call, pl_buf *out)
{
    json_t *shown = json_deep_copy(call->result);
    json_object_del(shown, "differs");
    pl_result_object(shown, out);
    put_replay_line(call, out);
    pl_buf_puts(out, "\n");
    json_decref(shown);
}

static const pl_key replay_keys[] = {
    {"model", PL_KEY_FILE, NULL, NULL, "where the session's model is here"},
    {"files", PL_KEY_FILE, NULL, NULL,
     "a folder that has its texts; else where they were, or "
     "beside FILE"},
    {"tolerance", PL_KEY_REAL, NULL, NULL,
     "relative; by default 0 where the same version, kernels and threads compute; else 0.02 for "
     "perplexities, 0.25 for other numbers"},
    {"store", PL_KEY_CHOICE, "anew", "anew|kept",
     "compute all in a store of its own, or take what the store has and add to it"},
    {0},
};

const pl_command pl_command_replay = {
    .name = "replay",
    .positional = "FILE|SESSION",
    .min_words = 1,
    .max_words = 1,
    .keys = replay_keys,
    .summary = "Run a session's commands again and name the first result that is another",
    .run = run_replay,
    .slow = pl_slow_always,
    .of_run = "*",
    .history = PL_HISTORY_NONE,
    .put_text = put_replay,
    .put_line = put_replay_line,
};
