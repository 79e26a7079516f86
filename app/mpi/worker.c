#include "app/mpi/worker.h"

#include "app/front.h"
#include "app/mpi/kinds.h"
#include "app/mpi/scratch.h"
#include "app/source.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/lab/walk_units.h"
#include "core/tensor/linalg.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An entry that was made and is not sent yet. */
typedef struct held {
    char kind[PL_MSG_KIND];
    pl_id key;
    bool keep;
} held;

typedef struct rank {
    pl_ranks *ranks;
    pl_lab *lab;
    pl_state state;
    pl_source *source; /* the last one, whose identity is known */
    char *model, *inputs;
    bool set;             /* state is */
    pthread_mutex_t lock; /* of the line: entries are written by several threads */
    pl_task task;
    bool orphan;   /* rank 0 is gone */
    double waited; /* in messages, since the unit began */
    bool forgets;  /* what rank 0 has removed */
    bool holds;    /* what the unit makes is sent at its end (pl_unit_kind's whole), */
    held *list;    /* [n_held] unless it removes it before */
    size_t n_held, room_held;
} rank;

/* --- the store behind ours is rank 0's -------------------------------------------------------- */

static pl_status tell_rank_0(rank *r, pl_message message, const char *kind, pl_id key,
                             const void *payload, pl_error *err)
{
    snprintf(message.kind, sizeof message.kind, "%s", kind);
    message.key = key;
    return pl_ranks_send(r->ranks, 0, &message, payload, err);
}

/* Asks, and waits for the answer: nothing else comes while a unit runs but the end. */
static pl_status ask(rank *r, pl_message_type type, const char *kind, pl_id key, pl_message *answer,
                     char **payload, pl_error *err)
{
    bool came = false;
    *payload = NULL;
    pthread_mutex_lock(&r->lock);
    const double begin = pl_clock_now();
    pl_status status = tell_rank_0(r, (pl_message){.type = type}, kind, key, NULL, err);
    while (status == PL_OK && !came) {
        pl_ranks_wait(r->ranks, -1, -1);
        status = pl_ranks_take(r->ranks, 0, SIZE_MAX / 4, &came, answer, payload, err);
        if (came && status == PL_OK && answer->type != PL_MSG_ANSWER) {
            status = pl_error_set(err, PL_ERR_IO, "rank 0 ends the run");
            r->orphan = true;
        }
    }
    r->waited += pl_clock_now() - begin;
    pthread_mutex_unlock(&r->lock);
    if (status != PL_OK) {
        r->orphan = true;
        free(*payload);
        *payload = NULL;
    }
    return status;
}

static bool peer_has(void *ctx, const char *kind, pl_id key)
{
    pl_message answer;
    char *payload = NULL;
    const bool has =
        ask(ctx, PL_MSG_HAS, kind, key, &answer, &payload, NULL) == PL_OK && answer.flag;
    free(payload);
    return has;
}

static bool peer_fetch(void *ctx, const char *kind, pl_id key, const char *path)
{
    pl_message answer;
    char *payload = NULL;
    pl_writer *writer = NULL;
    pl_status status = ask(ctx, PL_MSG_FETCH, kind, key, &answer, &payload, NULL);
    bool got = status == PL_OK && answer.flag && payload != NULL;
    if (got) {
        status = pl_writer_create(path, &writer, NULL);
        PL_THEN(pl_writer_write(writer, payload, (size_t)answer.size, NULL));
        PL_THEN(pl_writer_publish(writer, NULL));
        pl_writer_destroy(writer);
        got = status == PL_OK;
    }
    free(payload);
    return got;
}

static pl_status send_entry(rank *r, const char *kind, pl_id key, bool keep, pl_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    pl_status status = pl_store_read_file(pl_lab_store(r->lab), kind, key, &bytes, &size, err);
    if (status == PL_OK) {
        pthread_mutex_lock(&r->lock);
        const double begin = pl_clock_now();
        status = tell_rank_0(r, (pl_message){.type = PL_MSG_WROTE, .flag = keep, .size = size},
                             kind, key, bytes, err);
        r->waited += pl_clock_now() - begin;
        pthread_mutex_unlock(&r->lock);
    }
    free(bytes);
    return status;
}

/* Under the lock; NULL: none. */
static held *find_held(const rank *r, const char *kind, pl_id key)
{
    for (size_t i = 0; i < r->n_held; i++) {
        if (pl_id_equal(r->list[i].key, key) && strcmp(r->list[i].kind, kind) == 0) {
            return &r->list[i];
        }
    }
    return NULL;
}

static void drop_held(rank *r, held *one)
{
    *one = r->list[--r->n_held];
}

static pl_status hold(rank *r, const char *kind, pl_id key, bool keep, pl_error *err)
{
    held *one = find_held(r, kind, key);
    if (one != NULL) {
        one->keep = one->keep && keep;
        return PL_OK;
    }
    if (r->n_held == r->room_held) {
        const size_t room = 2 * r->room_held + 64;
        held *more = realloc(r->list, room * sizeof *more);
        if (more == NULL) {
            return pl_error_memory(err, "a unit's results");
        }
        r->list = more;
        r->room_held = room;
    }
    one = &r->list[r->n_held];
    *one = (held){.key = key, .keep = keep};
    snprintf(one->kind, sizeof one->kind, "%s", kind);
    r->n_held++;
    return PL_OK;
}

/* At a unit's end: what is left of what it made, or nothing of one that failed. */
static pl_status send_held(rank *r, bool good, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; good && status == PL_OK && i < r->n_held; i++) {
        const held *one = &r->list[i];
        status = send_entry(r, one->kind, one->key, one->keep, err);
        if (status == PL_ERR_NOT_FOUND) {
            status = PL_OK; /* the store has let it go: rank 0 makes it itself */
        }
    }
    while (r->n_held > 0) {
        drop_held(r, &r->list[r->n_held - 1]);
    }
    r->holds = false;
    return status;
}

static pl_status peer_wrote(void *ctx, const char *kind, pl_id key, bool keep, pl_error *err)
{
    rank *r = ctx;
    if (!r->holds) {
        return send_entry(r, kind, key, keep, err);
    }
    pthread_mutex_lock(&r->lock);
    const pl_status status = hold(r, kind, key, keep, err);
    pthread_mutex_unlock(&r->lock);
    return status;
}

static void peer_removed(void *ctx, const char *kind, pl_id key)
{
    rank *r = ctx;
    pl_status ignored = PL_OK;
    if (r->forgets) {
        return; /* rank 0 has told it */
    }
    pthread_mutex_lock(&r->lock);
    held *own = find_held(r, kind, key);
    if (own != NULL) {
        drop_held(r, own);
    } else {
        ignored = tell_rank_0(r, (pl_message){.type = PL_MSG_REMOVED}, kind, key, NULL, NULL);
    }
    pthread_mutex_unlock(&r->lock);
    (void)ignored; /* where rank 0 is gone there is nothing to remove it from */
}

/* --- units ------------------------------------------------------------------------------------ */

/* The model is opened once: its identity takes reading it. */
static pl_status open_model(rank *r, const json_t *record, pl_error *err)
{
    const char *model = json_string_value(json_object_get(record, "model"));
    const char *inputs = json_string_value(json_object_get(record, "inputs"));
    if (r->source != NULL && pl_text_same(model, r->model) && pl_text_same(inputs, r->inputs)) {
        return PL_OK;
    }
    pl_lab_drop_walks(r->lab); /* of the model */
    pl_source_release(r->source);
    free(r->model);
    free(r->inputs);
    r->source = NULL;
    r->model = model != NULL ? strdup(model) : NULL;
    r->inputs = inputs != NULL ? strdup(inputs) : NULL;
    return pl_open_source(model, inputs, &r->source, err);
}

static pl_status take_setting(rank *r, const char *text, pl_error *err)
{
    json_t *record = text != NULL ? json_loads(text, 0, NULL) : NULL;
    if (r->set) {
        pl_state_deinit(&r->state);
        r->set = false;
    }
    pl_status status = json_is_object(record)
                           ? open_model(r, record, err)
                           : pl_error_set(err, PL_ERR_FORMAT, "rank 0 sent no state");
    PL_THEN(pl_state_restore(&r->state, record, r->source, err));
    r->set = status == PL_OK;
    json_decref(record);
    return status;
}

static pl_status run_asked_unit(rank *r, const char *text, json_t *answer, pl_error *err)
{
    json_t *unit = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(unit, "kind"));
    const pl_unit_kind *kind = pl_unit_kind_find(name);
    pl_status status = PL_OK;
    if (kind == NULL) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "rank 0 asks for \"%s\", which this rank "
                              "cannot compute",
                              name != NULL ? name : "");
    }
    pl_lab_begin(r->lab);
    r->holds = kind != NULL && kind->whole;
    if (kind != NULL && !kind->walks) {
        pl_lab_drop_walks(r->lab);
    }
    PL_THEN(kind->run((pl_context){r->lab, &r->state, &r->task}, json_object_get(unit, "what"),
                      answer, err));
    const pl_status sent = send_held(r, status == PL_OK, status == PL_OK ? err : NULL);
    status = status == PL_OK ? sent : status;
    char *warning = pl_lab_take_warning(r->lab); /* rank 0 has its own */
    free(warning);
    json_decref(unit);
    return status;
}

/* What it has to say, or why it failed. */
static pl_status answer_unit(rank *r, uint64_t number, pl_status status, const json_t *answer,
                             const pl_error *why, double seconds, pl_error *err)
{
    char *said =
        status == PL_OK ? pl_json_text(answer, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    const char *text = status != PL_OK ? why->message : said != NULL ? said : "{}";
    const size_t size = strlen(text);
    const pl_message done = {.type = PL_MSG_DONE,
                             .number = number,
                             .flag = status == PL_OK,
                             .seconds = seconds,
                             .waited = r->waited,
                             .peak = pl_memory_peak(),
                             .size = size};
    const pl_status sent = pl_ranks_send(r->ranks, 0, &done, text, err);
    free(said);
    return sent;
}

/* A copy here would be found in place of being computed, and not be sent. */
static void forget_copy(rank *r, const pl_message *message)
{
    r->forgets = true;
    pl_status ignored = pl_store_remove(pl_lab_store(r->lab), message->kind, message->key, NULL);
    (void)ignored; /* then rank 0 computes it itself */
    r->forgets = false;
}

/* Without rank 0 nothing that is computed is of use. */
static void look_at_line(void *ctx)
{
    rank *r = ctx;
    if (r->orphan || !pl_ranks_alive(r->ranks, 0)) {
        atomic_store(&r->task.cancel, true);
    }
}

/* Until the end is told, or rank 0 is gone. */
static void work(rank *r)
{
    pl_error why = {0};
    pl_status setting = pl_error_set(&why, PL_ERR_STATE, "rank 0 sent no state");
    bool ended = false;
    while (!ended && !r->orphan && pl_ranks_alive(r->ranks, 0)) {
        pl_message message;
        char *payload = NULL;
        bool came = false;
        pl_ranks_wait(r->ranks, -1, -1);
        if (pl_ranks_take(r->ranks, 0, SIZE_MAX / 4, &came, &message, &payload, NULL) != PL_OK) {
            break;
        }
        if (came && message.type == PL_MSG_SETTING) {
            setting = take_setting(r, payload, &why);
        } else if (came && message.type == PL_MSG_UNIT) {
            const double begin = pl_clock_now();
            pl_error error = why;
            json_t *answer = json_object();
            r->waited = 0.0;
            pl_status status =
                setting == PL_OK ? run_asked_unit(r, payload, answer, &error) : setting;
            ended = answer_unit(r, message.number, status, answer, &error, pl_clock_now() - begin,
                                NULL) != PL_OK;
            json_decref(answer);
        } else if (came && message.type == PL_MSG_GONE) {
            forget_copy(r, &message);
        } else if (came && message.type == PL_MSG_REST) {
            pl_lab_drop_walks(r->lab);
        } else if (came) {
            r->ranks->lost = r->ranks->lost || message.flag;
            ended = true;
        }
        free(payload);
    }
}

int pl_rank_work(pl_ranks *ranks, const pl_options *options)
{
    rank r = {.ranks = ranks};
    pl_scratch scratch = {.fd = -1};
    pl_error err = {0};
    pl_buf store = {0};
    pthread_mutex_init(&r.lock, NULL);
    r.task.give_way = look_at_line;
    r.task.ctx = &r;
    pl_status status = pl_linalg_set_threads(ranks->threads, &err);
    PL_THEN(pl_scratch_create(&scratch, &err));
    if (status == PL_OK) {
        pl_path_join(&store, scratch.path.data, "store");
        status = pl_buf_check(&store, &err);
    }
    const pl_lab_options lab = {.store = store.data, .memory_limit = options->memory};
    const pl_store_peer peer = {.ctx = &r,
                                .has = peer_has,
                                .fetch = peer_fetch,
                                .wrote = peer_wrote,
                                .removed = peer_removed};
    PL_THEN(pl_lab_create(&lab, &r.lab, &err));
    if (status == PL_OK) {
        pl_store_set_peer(pl_lab_store(r.lab), &peer);
        work(&r);
    } else {
        fprintf(stderr, "planish-mpi: rank %d: %s\n", ranks->rank, err.message);
        pl_ranks_drop(ranks, 0); /* rank 0 counts on this one no more */
    }
    if (r.lab != NULL) {
        pl_lab_drop_walks(r.lab);
    }
    if (r.set) {
        pl_state_deinit(&r.state);
    }
    pl_source_release(r.source);
    free(r.model);
    free(r.inputs);
    free(r.list);
    pl_lab_destroy(r.lab);
    pl_scratch_remove(&scratch);
    pl_buf_deinit(&store);
    pthread_mutex_destroy(&r.lock);
    return 0;
}
