/* Two results of one command, recorded and found. */
#include "app/replay.h"

#include "core/base/file.h"
#include "core/base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What any command says of how it ran, and where. */
static const char of_any_run[] =
    "seconds tokens_per_second peak_bytes stored layers_in_store from_store measured "
    "tokens_computed file files items session figure path drawn";

static bool has_word(const char *list, const char *key)
{
    const size_t length = strlen(key);
    for (const char *at = list; at != NULL && *at != '\0';) {
        const size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, key, length) == 0) {
            return true;
        }
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

static bool is_of_run(const pl_command *command, const char *key)
{
    static const char seconds[] = "_seconds";
    const size_t length = strlen(key), tail = sizeof seconds - 1;
    return has_word(of_any_run, key) || has_word(command->of_run, key) ||
           strncmp(key, "seconds_", 8) == 0 ||
           (length > tail && strcmp(key + length - tail, seconds) == 0);
}

typedef struct comparison {
    const pl_command *command;
    double tolerance;
    size_t *compared;
    double *largest;
    pl_result_difference *out;
} comparison;

static bool differ(const comparison *c, const char *key, const json_t *then, const json_t *now,
                   double relative)
{
    snprintf(c->out->key, sizeof c->out->key, "%s", key);
    c->out->then = (json_t *)(uintptr_t)then;
    c->out->now = (json_t *)(uintptr_t)now;
    c->out->relative = relative;
    return false;
}

static double relative_difference(double then, double now)
{
    const double most = fmax(fabs(then), fabs(now));
    return most > 0 ? fabs(now - then) / most : 0;
}

/* What a number of that name may differ by where something else has computed it. */
static double tolerance_elsewhere(const char *name, bool whole, double then, double now)
{
    if (has_word("iterations solves kl_max", name) ||
        (strcmp(name, "gap") == 0 && fmax(fabs(then), fabs(now)) < PL_REPLAY_GAP)) {
        return INFINITY;
    }
    return whole ? 0
           : pl_text_ends(name, "perplexity") || strcmp(name, "mean_nll") == 0
               ? PL_REPLAY_PERPLEXITY
               : PL_REPLAY_NUMBER;
}

/* False where it is over the tolerance.  name: the last part of the key. */
static bool numbers_agree(const comparison *c, const char *name, bool whole, double then,
                          double now, double *relative)
{
    const double most =
        isnan(c->tolerance) ? tolerance_elsewhere(name, whole, then, now) : c->tolerance;
    *relative = relative_difference(then, now);
    ++*c->compared;
    if (!(*relative <= most)) {
        return false;
    }
    *c->largest = fmax(*c->largest, *relative);
    return true;
}

/* A number in a sentence begins at a digit that follows no letter or digit, so that names stay
 * whole. */
static bool begins_number(const char *text, size_t at)
{
    return isdigit((unsigned char)text[at]) &&
           (at == 0 || !(isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_'));
}

/* Sentences agree where their words do, and their numbers within the tolerance. */
static bool texts_agree(const comparison *c, const char *then, const char *now, double *relative)
{
    *relative = NAN;
    if (strcmp(then, now) == 0) {
        return true;
    }
    if (c->tolerance <= 0) {
        return false;
    }
    size_t i = 0, j = 0;
    while (then[i] != '\0' && now[j] != '\0') {
        char *end_i = NULL, *end_j = NULL;
        if (begins_number(then, i) && begins_number(now, j)) {
            const double a = strtod(then + i, &end_i), b = strtod(now + j, &end_j);
            /* An identity in hexadecimal is a word, whatever it begins with. */
            if (!isalnum((unsigned char)*end_i) && !isalnum((unsigned char)*end_j)) {
                if (!numbers_agree(c, "", false, a, b, relative)) {
                    return false;
                }
                i = (size_t)(end_i - then);
                j = (size_t)(end_j - now);
                continue;
            }
        }
        if (then[i] != now[j]) {
            return false;
        }
        i++;
        j++;
    }
    return then[i] == now[j];
}

static bool values_agree(const comparison *c, const char *key, const json_t *then,
                         const json_t *now);

static bool objects_agree(const comparison *c, const char *key, const json_t *then,
                          const json_t *now)
{
    const char *name;
    json_t *value;
    char path[200];
    json_object_foreach((json_t *)(uintptr_t)then, name, value)
    {
        const json_t *other = json_object_get(now, name);
        if (is_of_run(c->command, name)) {
            continue;
        }
        snprintf(path, sizeof path, "%s%s%s", key, key[0] != '\0' ? "." : "", name);
        /* A key that this version no longer has is said; one that it adds is not asked for. */
        if (!values_agree(c, path, value, other)) {
            return false;
        }
    }
    return true;
}

/* What a row of a list is called: by its name, or its place. */
static void name_row(const json_t *row, size_t index, char out[96])
{
    static const char *const names[] = {"name", "layer", "unit", "setting", "task"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && found == NULL; i++) {
        found = json_string_value(json_object_get(row, names[i]));
    }
    if (found != NULL) {
        snprintf(out, 96, "%.90s", found);
    } else {
        snprintf(out, 96, "%zu", index);
    }
}

static bool arrays_agree(const comparison *c, const char *key, const json_t *then,
                         const json_t *now)
{
    const size_t n = json_array_size(then);
    char path[200], name[96];
    for (size_t i = 0; i < n && i < json_array_size(now); i++) {
        name_row(json_array_get(then, i), i, name);
        snprintf(path, sizeof path, "%.100s[%s]", key, name);
        if (!values_agree(c, path, json_array_get(then, i), json_array_get(now, i))) {
            return false;
        }
    }
    return n == json_array_size(now) || differ(c, key, then, now, NAN);
}

static bool values_agree(const comparison *c, const char *key, const json_t *then,
                         const json_t *now)
{
    double relative = NAN;
    if (json_is_number(then) && json_is_number(now)) {
        const char *dot = strrchr(key, '.');
        return numbers_agree(c, dot != NULL ? dot + 1 : key,
                             json_is_integer(then) && json_is_integer(now), json_number_value(then),
                             json_number_value(now), &relative) ||
               differ(c, key, then, now, relative);
    }
    if (json_is_null(then)) {
        return true; /* it was not known then: the store lacked it, or nobody had computed it */
    }
    if (now == NULL || json_typeof(then) != json_typeof(now)) {
        return differ(c, key, then, now, NAN);
    }
    switch (json_typeof(then)) {
    case JSON_OBJECT:
        return objects_agree(c, key, then, now);
    case JSON_ARRAY:
        return arrays_agree(c, key, then, now);
    case JSON_STRING:
        return texts_agree(c, json_string_value(then), json_string_value(now), &relative) ||
               differ(c, key, then, now, relative);
    default:
        return true; /* true and false are types of their own */
    }
}

bool pl_results_agree(const pl_command *command, const json_t *then, const json_t *now,
                      double tolerance, size_t *compared, double *largest,
                      pl_result_difference *out)
{
    const comparison c = {command, tolerance, compared, largest, out};
    *out = (pl_result_difference){.relative = NAN};
    return values_agree(&c, "", then, now);
}

json_t *pl_replay_difference(int64_t step, const char *command, const char *key, json_t *then,
                             json_t *now, double relative)
{
    json_t *json = json_object();
    pl_json_set(json, "step", json_integer((json_int_t)step));
    pl_json_set(json, "command", json_string(command));
    pl_json_set(json, "key", key != NULL ? json_string(key) : json_null());
    pl_json_set(json, "recorded", then != NULL ? json_incref(then) : json_null());
    pl_json_set(json, "found", now != NULL ? json_incref(now) : json_null());
    pl_json_set(json, "relative_difference", pl_json_number(relative));
    return json;
}

pl_drawn_bytes pl_drawn_agree(const json_t *then, const json_t *now, bool same_maker,
                              pl_result_difference *out, char why[PL_DRAWN_WHY])
{
    const json_t *was = json_object_get(then, "drawn"), *is = json_object_get(now, "drawn");
    const char *file = json_string_value(json_object_get(then, "file"));
    *out = (pl_result_difference){.relative = NAN};
    if (is == NULL) {
        return PL_DRAWN_NOTHING;
    }
    if (was == NULL) {
        snprintf(why, PL_DRAWN_WHY, "the session does not say which bytes they had");
    } else if (strcmp(pl_json_text_of(was, "by"), pl_json_text_of(is, "by")) != 0) {
        snprintf(why, PL_DRAWN_WHY, "%.120s drew them then, %.120s does now",
                 pl_json_text_of(was, "by"), pl_json_text_of(is, "by"));
    } else if (!same_maker) {
        snprintf(why, PL_DRAWN_WHY,
                 "they say what computed them: another version, kernel or number of threads");
    } else if (strcmp(pl_json_text_of(was, "model"), pl_json_text_of(is, "model")) != 0) {
        snprintf(why, PL_DRAWN_WHY, "they name the model: it was %.100s, is %.100s",
                 pl_json_text_of(was, "model"), pl_json_text_of(is, "model"));
    } else if (strcmp(pl_json_text_of(was, "identity"), pl_json_text_of(is, "identity")) == 0) {
        return PL_DRAWN_SAME;
    } else {
        out->then = json_object_get(was, "identity");
        out->now = json_object_get(is, "identity");
        snprintf(out->key, sizeof out->key, "drawn.identity of %.150s",
                 file != NULL ? pl_path_name(file) : "the figure");
        return PL_DRAWN_OTHER;
    }
    return PL_DRAWN_NOT_COMPARED;
}
