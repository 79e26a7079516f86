#include "core/state/record.h"

#include "core/base/json.h"
#include "core/state/state_parts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MEASURED = 32 };

typedef struct found {
    pl_solved solved;
    pl_id activations; /* that a single layer's report speaks of; zeros: none, or in the plan */
} found;

typedef struct found_list {
    found *items; /* newest last */
    size_t count, room;
} found_list;

struct pl_record {
    pthread_mutex_t lock;
    found_list *layers;
    size_t n_layers;
    pl_measurement measured[MOST_MEASURED]; /* newest last */
    size_t n_measured;
    pl_id comparison; /* zeros: none */
    size_t changes;   /* of its rows */
};

pl_status pl_record_create(size_t layers, pl_record **out, pl_error *err)
{
    *out = calloc(1, sizeof **out);
    found_list *lists = calloc(layers + 1, sizeof *lists);
    if (*out == NULL || lists == NULL) {
        free(*out);
        free(lists);
        *out = NULL;
        return pl_error_memory(err, "a model");
    }
    **out = (pl_record){.layers = lists, .n_layers = layers};
    pthread_mutex_init(&(*out)->lock, NULL);
    return PL_OK;
}

void pl_record_destroy(pl_record *record)
{
    if (record == NULL) {
        return;
    }
    for (size_t i = 0; i < record->n_layers; i++) {
        free(record->layers[i].items);
    }
    free(record->layers);
    pthread_mutex_destroy(&record->lock);
    free(record);
}

/* --- results ---------------------------------------------------------------------------------- */

static pl_id activations_of(const pl_state *state, bool sequential)
{
    pl_buf text = {0};
    if (!sequential && state->activations.bits > 0) {
        pl_act_format(&state->activations, &text);
    }
    const pl_id id = text.size > 0 ? pl_id_bytes(text.data, text.size) : (pl_id){0};
    pl_buf_deinit(&text);
    return id;
}

static bool same_result(const found *a, const pl_solved *b)
{
    return pl_id_equal(a->solved.plan, b->plan) && pl_id_equal(a->solved.result, b->result);
}

/* Adds it as the last; an equal one moves to the end.  only_new: one with the same plan and result
 * stays in place, whatever its activations. */
static void add_found(found_list *list, found item, bool only_new)
{
    for (size_t i = list->count; i > 0; i--) {
        if (same_result(&list->items[i - 1], &item.solved)) {
            if (!only_new) {
                memmove(&list->items[i - 1], &list->items[i], (list->count - i) * sizeof(found));
                list->items[list->count - 1] = item;
            }
            return;
        }
    }
    if (list->count == list->room) {
        const size_t room = 2 * list->room + 4;
        found *grown = realloc(list->items, room * sizeof(found));
        if (grown == NULL) {
            return;
        }
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = item;
}

void pl_record_solved(const pl_state *state, size_t layer, bool sequential, pl_id result)
{
    pl_record *record = state->source->record;
    if (pl_state_is_imported(state, layer)) {
        return;
    }
    const found item = {
        .solved = {.plan =
                       sequential ? pl_state_plan_sequential(state) : pl_state_plan(state, layer),
                   .result = result,
                   .set = true,
                   .sequential = sequential},
        .activations = activations_of(state, sequential),
    };
    pthread_mutex_lock(&record->lock);
    add_found(&record->layers[layer], item, false);
    pthread_mutex_unlock(&record->lock);
}

void pl_record_all(const pl_state *state)
{
    pl_record *record = state->source->record;
    for (size_t i = 0; i < record->n_layers; i++) {
        if (pl_state_result(state, i) != NULL && !pl_state_is_imported(state, i)) {
            const found item = {
                .solved = state->solved[i],
                .activations = activations_of(state, state->solved[i].sequential),
            };
            pthread_mutex_lock(&record->lock);
            add_found(&record->layers[i], item, true);
            pthread_mutex_unlock(&record->lock);
        }
    }
}

/* The newest result of a layer under one of the plans, or NULL. */
static const found *find_result(const found_list *list, pl_id plan, pl_id activations,
                                pl_id sequential)
{
    for (size_t i = list->count; i > 0; i--) {
        const found *item = &list->items[i - 1];
        const bool fits = item->solved.sequential ? pl_id_equal(item->solved.plan, sequential)
                                                  : pl_id_equal(item->solved.plan, plan) &&
                                                        pl_id_equal(item->activations, activations);
        if (fits) {
            return item;
        }
    }
    return NULL;
}

size_t pl_state_recall(pl_state *state)
{
    if (state->source == NULL) {
        return 0;
    }
    pl_record *record = state->source->record;
    const pl_id sequential = pl_state_plan_sequential(state);
    const pl_id activations = activations_of(state, false);
    size_t given = 0;
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < record->n_layers; i++) {
        if (record->layers[i].count == 0) {
            continue;
        }
        const pl_id *now = pl_state_result(state, i);
        if (now != NULL && (state->solved[i].imported || state->solved[i].sequential)) {
            continue;
        }
        const found *item =
            find_result(&record->layers[i], pl_state_plan(state, i), activations, sequential);
        /* A result of other activations gives way to one of these, not to one in sequence. */
        if (item != NULL && (now == NULL || (!item->solved.sequential &&
                                             !pl_id_equal(*now, item->solved.result)))) {
            state->solved[i] = item->solved;
            given++;
        }
    }
    pthread_mutex_unlock(&record->lock);
    return given;
}

/* --- perplexities ----------------------------------------------------------------------------- */

static bool same_measurement(const pl_measurement *a, const pl_id *setting, const char *protocol)
{
    const bool original = pl_id_equal(a->setting, (pl_id){0});
    return (setting == NULL ? !original : pl_id_equal(a->setting, *setting)) &&
           (protocol == NULL || strcmp(a->protocol, protocol) == 0);
}

void pl_record_measured(const pl_source *source, const pl_measurement *measured)
{
    pl_record *record = source->record;
    pthread_mutex_lock(&record->lock);
    size_t at = 0;
    while (at < record->n_measured &&
           !same_measurement(&record->measured[at], &measured->setting, measured->protocol)) {
        at++;
    }
    if (at == MOST_MEASURED) {
        at = 0; /* the oldest goes */
    }
    if (at < record->n_measured) {
        record->n_measured--;
        memmove(&record->measured[at], &record->measured[at + 1],
                (record->n_measured - at) * sizeof(pl_measurement));
    }
    record->measured[record->n_measured++] = *measured;
    pthread_mutex_unlock(&record->lock);
}

bool pl_record_find(const pl_source *source, const pl_id *setting, const char *protocol,
                    pl_measurement *out)
{
    pl_record *record = source->record;
    pthread_mutex_lock(&record->lock);
    size_t at = record->n_measured;
    while (at > 0 && !same_measurement(&record->measured[at - 1], setting, protocol)) {
        at--;
    }
    if (at > 0) {
        *out = record->measured[at - 1];
    }
    pthread_mutex_unlock(&record->lock);
    return at > 0;
}

void pl_record_set_comparison(const pl_source *source, pl_id key)
{
    pthread_mutex_lock(&source->record->lock);
    source->record->comparison = key;
    source->record->changes++;
    pthread_mutex_unlock(&source->record->lock);
}

bool pl_record_comparison(const pl_source *source, pl_id *key, size_t *changes)
{
    pthread_mutex_lock(&source->record->lock);
    *key = source->record->comparison;
    *changes = source->record->changes;
    pthread_mutex_unlock(&source->record->lock);
    return !pl_id_equal(*key, (pl_id){0});
}

json_t *pl_record_to_json(const pl_source *source)
{
    pl_record *record = source->record;
    json_t *list = json_array();
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < record->n_measured; i++) {
        const pl_measurement *m = &record->measured[i];
        char setting[PL_ID_TEXT];
        pl_id_format(m->setting, setting);
        pl_json_append(list,
                       json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:s}", "setting", setting,
                                 "perplexity", pl_json_number(m->perplexity), "error",
                                 pl_json_number(m->error), "original", pl_json_number(m->original),
                                 "original_error", pl_json_number(m->original_error), "kl_mean",
                                 pl_json_number(m->kl_mean), "solved", (json_int_t)m->solved,
                                 "protocol", m->protocol));
    }
    if (!pl_id_equal(record->comparison, (pl_id){0})) {
        char comparison[PL_ID_TEXT];
        pl_id_format(record->comparison, comparison);
        pl_json_append(list, json_pack("{s:s}", "comparison", comparison));
    }
    pthread_mutex_unlock(&record->lock);
    return list;
}

void pl_record_from_json(const pl_source *source, const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *setting = json_string_value(json_object_get(item, "setting"));
        const char *comparison = json_string_value(json_object_get(item, "comparison"));
        pl_id key = {0};
        const char *protocol = json_string_value(json_object_get(item, "protocol"));
        const json_int_t solved = json_integer_value(json_object_get(item, "solved"));
        pl_measurement m = {.perplexity = pl_json_number_of(item, "perplexity"),
                            .error = pl_json_number_of(item, "error"),
                            .original = pl_json_number_of(item, "original"),
                            .original_error = pl_json_number_of(item, "original_error"),
                            .kl_mean = pl_json_number_of(item, "kl_mean"),
                            .solved = solved > 0 ? (size_t)solved : 0};
        if (comparison != NULL && pl_id_parse(comparison, &key)) {
            pl_record_set_comparison(source, key);
        }
        if (setting != NULL && protocol != NULL && strlen(protocol) < sizeof m.protocol &&
            pl_id_parse(setting, &m.setting) && m.perplexity > 0.0) {
            snprintf(m.protocol, sizeof m.protocol, "%s", protocol);
            pl_record_measured(source, &m);
        }
    }
}
