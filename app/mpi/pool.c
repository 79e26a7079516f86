#include "app/mpi/pool.h"

#include "app/mpi/entries.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/lab/walk_units.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 3 }; /* a unit that so many ranks died of is left to the command itself */

typedef enum unit_state { WAITING, RUNNING, ENDED, LEFT } unit_state;

typedef struct unit {
    unit_state is;
    int rank; /* that it runs or ran on */
    int attempts;
    int home;                                 /* rank that it should run on, or PL_NO_HOME */
    uint64_t peak;                            /* of the rank, when it ended */
    double cost, sent, bytes, waited, served; /* sent: when; else as in member and message */
    char *text;                               /* as it is sent */
    json_t *answer;                           /* NULL: none */
} unit;

/* What a rank does for the present command. */
typedef struct member {
    bool busy;            /* a unit runs there, perhaps of a call that was given up */
    uint64_t asked;       /* its number */
    uint64_t setting;     /* that it has */
    size_t told;          /* of what is gone */
    uint64_t rested;      /* commands whose end it was told */
    size_t done;          /* units, since the command began */
    double bytes, served; /* that went to and fro for the unit, and the seconds that took here */
} member;

struct pl_rank_pool {
    pl_pool use;
    pl_ranks *ranks;
    FILE *trace;
    pthread_t thread;
    int wake; /* an eventfd: there are units, or the end has come */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* What follows is guarded by the lock. */
    bool ends;
    pl_store *store;      /* of the lab; NULL before the first call and behind the lab's end */
    const pl_units *call; /* NULL: none runs */
    unit *units;
    size_t *order;            /* [count] the dearest first */
    size_t count, next, open; /* open: not ended */
    uint64_t base;            /* the number of the call's first unit: numbers never come again */
    bool stopped;             /* a unit has failed: no more are handed out */
    char *setting;            /* JSON of the state */
    uint64_t setting_number;
    uint64_t rests;       /* commands with units that have ended */
    member *members;      /* [ranks] */
    size_t failed, again; /* units of the command, that failed, that a dead rank had */
    int died;
    bool hides;        /* a unit runs here that may remove what it makes (pl_unit_kind's whole): */
    pl_entries hidden; /* no other rank is to count on that */
    pl_entries gone;   /* what rank 0 has removed, since all ranks were told of it */
    pl_store_peer peer;
    char failure[PL_ERROR_TEXT + 64];
};

/* --- the queue, under the lock ---------------------------------------------------------------- */

/* Whether a unit is another rank's that lives. */
static bool is_elsewhere(const pl_rank_pool *p, const unit *u, int rank)
{
    return u->home != PL_NO_HOME && u->home != rank &&
           (u->home == 0 || pl_ranks_alive(p->ranks, u->home));
}

static size_t take_unit(pl_rank_pool *p, int rank)
{
    while (p->next < p->count && p->units[p->order[p->next]].is != WAITING) {
        p->next++;
    }
    for (size_t k = p->next; p->call != NULL && !p->stopped && k < p->count; k++) {
        const size_t i = p->order[k];
        if (p->units[i].is == WAITING && !is_elsewhere(p, &p->units[i], rank)) {
            p->units[i].is = RUNNING;
            p->units[i].rank = rank;
            p->units[i].attempts++;
            p->units[i].sent = pl_clock_now();
            return i;
        }
    }
    return SIZE_MAX;
}

static void trace_unit(const pl_rank_pool *p, size_t i, double seconds, bool ended)
{
    if (p->trace != NULL) {
        const unit *u = &p->units[i];
        fprintf(
            p->trace,
            "{\"kind\": \"%s\", \"unit\": %zu, \"units\": %zu, \"rank\": %d, \"seconds\": %.6f, "
            "\"elapsed\": %.6f, \"waited\": %.6f, \"served\": %.6f, \"bytes\": %.0f, "
            "\"peak_bytes\": %llu, \"ended\": %s}\n",
            p->call->kind->name, i, p->count, u->rank, seconds, pl_clock_now() - u->sent, u->waited,
            u->served, u->bytes, (unsigned long long)u->peak, ended ? "true" : "false");
        fflush(p->trace);
    }
}

static void end_unit(pl_rank_pool *p, size_t i, bool done, double seconds, const char *why)
{
    unit *u = &p->units[i];
    u->is = done ? ENDED : LEFT;
    p->open--;
    p->members[u->rank].done += done;
    trace_unit(p, i, seconds, done);
    if (!done) {
        p->failed++;
        p->stopped = true;
        if (p->failure[0] == '\0') {
            snprintf(p->failure, sizeof p->failure, "rank %d: %s", u->rank, why);
        }
    }
    pthread_cond_broadcast(&p->changed);
}

/* To the front of those that wait, unless it still stands among them: order stays one of all. */
static void put_back(pl_rank_pool *p, size_t i)
{
    size_t at = 0;
    while (p->order[at] != i) {
        at++;
    }
    if (at < p->next) {
        p->next--;
        p->order[at] = p->order[p->next];
        p->order[p->next] = i;
    }
}

/* What a dead rank had goes back, and first. */
static void note_death(pl_rank_pool *p, int rank)
{
    member *m = &p->members[rank];
    p->died++;
    fprintf(stderr, "planish-mpi: rank %d on %s died\n", rank, p->ranks->host[rank]);
    const size_t i = m->busy && m->asked >= p->base ? (size_t)(m->asked - p->base) : SIZE_MAX;
    m->busy = false;
    if (p->call != NULL && i < p->count && p->units[i].is == RUNNING && p->units[i].rank == rank) {
        trace_unit(p, i, 0.0, false);
        if (p->units[i].attempts >= ATTEMPTS) {
            end_unit(p, i, false, 0.0, "died again and again");
        } else {
            p->units[i].is = WAITING;
            p->again++;
            put_back(p, i);
        }
    }
    pthread_cond_broadcast(&p->changed);
}

/* --- serving, on the pool's thread ------------------------------------------------------------ */

static bool is_hidden(const pl_rank_pool *p, const char *kind, pl_id key)
{
    return p->hidden.failed || pl_entries_have(&p->hidden, kind, key);
}

static void hide_entry(void *ctx, const char *kind, pl_id key)
{
    pl_rank_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (p->hides && !pl_entries_have(&p->hidden, kind, key)) {
        pl_entries_add(&p->hidden, kind, key);
    }
    pthread_mutex_unlock(&p->lock);
}

/* A rank may have a copy, unless it was hidden. */
static void note_removed(void *ctx, const char *kind, pl_id key)
{
    pl_rank_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (!is_hidden(p, kind, key)) {
        pl_entries_add(&p->gone, kind, key);
    }
    pthread_mutex_unlock(&p->lock);
}

/* Everything of an entry's file. */
static void answer_fetch(pl_rank_pool *p, int rank, const pl_message *message, pl_store *store)
{
    char *bytes = NULL;
    size_t size = 0;
    const bool there =
        store != NULL && !is_hidden(p, message->kind, message->key) &&
        pl_store_read_file(store, message->kind, message->key, &bytes, &size, NULL) == PL_OK;
    const pl_message answer = {.type = PL_MSG_ANSWER, .flag = there, .size = there ? size : 0};
    pl_status sent = pl_ranks_send(p->ranks, rank, &answer, bytes, NULL);
    (void)sent; /* a dead rank is found by the loop */
    p->members[rank].bytes += (double)size;
    free(bytes);
}

static void answer_has(pl_rank_pool *p, int rank, const pl_message *message, pl_store *store)
{
    const pl_message answer = {.type = PL_MSG_ANSWER,
                               .flag = store != NULL &&
                                       !is_hidden(p, message->kind, message->key) &&
                                       pl_store_has(store, message->kind, message->key)};
    pl_status sent = pl_ranks_send(p->ranks, rank, &answer, NULL, NULL);
    (void)sent;
}

static void take_entry(pl_rank_pool *p, int rank, const pl_message *message, const char *payload,
                       pl_store *store)
{
    pl_error why = {0};
    p->members[rank].bytes += (double)message->size;
    if (store == NULL || payload == NULL) {
        return;
    }
    if (pl_store_take_file(store, message->kind, message->key, payload, (size_t)message->size,
                           message->flag, &why) != PL_OK) {
        fprintf(stderr, "planish-mpi: what rank %d computed is not kept: %s\n", rank, why.message);
    }
}

static void take_done(pl_rank_pool *p, int rank, const pl_message *message, const char *payload)
{
    member *m = &p->members[rank];
    m->busy = false;
    if (p->call == NULL || message->number < p->base) {
        return; /* of a call that was given up */
    }
    const size_t i = (size_t)(message->number - p->base);
    if (i < p->count && p->units[i].is == RUNNING && p->units[i].rank == rank) {
        p->units[i].bytes = m->bytes;
        p->units[i].served = m->served;
        p->units[i].waited = message->waited;
        p->units[i].peak = message->peak;
        p->units[i].answer = message->flag && payload != NULL ? json_loads(payload, 0, NULL) : NULL;
        end_unit(p, i, message->flag, message->seconds, payload != NULL ? payload : "");
    }
}

static void serve(pl_rank_pool *p, int rank, const pl_message *message, const char *payload)
{
    pthread_mutex_lock(&p->lock);
    pl_store *store = p->store;
    switch (message->type) {
    case PL_MSG_DONE:
        take_done(p, rank, message, payload);
        break;
    case PL_MSG_HAS:
        answer_has(p, rank, message, store);
        break;
    case PL_MSG_FETCH:
        answer_fetch(p, rank, message, store);
        break;
    case PL_MSG_WROTE:
        take_entry(p, rank, message, payload, store);
        break;
    case PL_MSG_REMOVED:
        if (store != NULL) {
            pl_status ignored = pl_store_remove(store, message->kind, message->key, NULL);
            (void)ignored; /* it is the same to a reader */
        }
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&p->lock);
}

/* All messages of a rank that are there. */
static void listen_to(pl_rank_pool *p, int rank)
{
    bool came = pl_ranks_alive(p->ranks, rank);
    while (came) {
        pl_message message;
        char *payload = NULL;
        const double begin = pl_clock_now();
        pl_status status =
            pl_ranks_take(p->ranks, rank, SIZE_MAX / 4, &came, &message, &payload, NULL);
        if (status == PL_OK && came) {
            serve(p, rank, &message, payload);
            p->members[rank].served += pl_clock_now() - begin;
        }
        free(payload);
        came = came && status == PL_OK && pl_ranks_alive(p->ranks, rank);
    }
}

/* What is gone, to a rank that computes nothing: in a unit it waits for answers alone. */
static pl_status tell_gone(pl_rank_pool *p, int rank)
{
    member *m = &p->members[rank];
    pl_status status = PL_OK;
    for (; status == PL_OK && m->told < p->gone.count; m->told++) {
        pl_message gone = {.type = PL_MSG_GONE, .key = p->gone.list[m->told].key};
        memcpy(gone.kind, p->gone.list[m->told].kind, sizeof gone.kind);
        status = pl_ranks_send(p->ranks, rank, &gone, NULL, NULL);
    }
    return status;
}

static void empty_gone(pl_rank_pool *p)
{
    bool all = true;
    for (int rank = 1; rank < p->ranks->count; rank++) {
        all = all && (!pl_ranks_alive(p->ranks, rank) || p->members[rank].told == p->gone.count);
    }
    for (int rank = 1; all && rank < p->ranks->count; rank++) {
        p->members[rank].told = 0;
    }
    p->gone.count = all ? 0 : p->gone.count;
}

static void hand_out(pl_rank_pool *p, int rank)
{
    member *m = &p->members[rank];
    if (m->busy) {
        return;
    }
    pl_status status = tell_gone(p, rank);
    if (status == PL_OK && m->rested != p->rests) {
        const pl_message rest = {.type = PL_MSG_REST};
        status = pl_ranks_send(p->ranks, rank, &rest, NULL, NULL);
        m->rested = p->rests;
    }
    const size_t i = status == PL_OK ? take_unit(p, rank) : SIZE_MAX;
    if (i == SIZE_MAX) {
        return;
    }
    m->busy = true;
    m->asked = p->base + i;
    m->bytes = m->served = 0.0;
    if (m->setting != p->setting_number) {
        const pl_message setting = {.type = PL_MSG_SETTING, .size = strlen(p->setting)};
        status = pl_ranks_send(p->ranks, rank, &setting, p->setting, NULL);
        m->setting = p->setting_number;
    }
    const pl_message message = {
        .type = PL_MSG_UNIT, .number = m->asked, .size = strlen(p->units[i].text)};
    PL_THEN(pl_ranks_send(p->ranks, rank, &message, p->units[i].text, NULL));
}

/* Messages, deaths, units.  A rank that is found dead in between is noted at the end. */
static void *serve_ranks(void *arg)
{
    pl_rank_pool *p = arg;
    bool ends = false;
    while (!ends) {
        pl_ranks_wait(p->ranks, p->wake, -1);
        uint64_t woken;
        while (read(p->wake, &woken, sizeof woken) > 0) {
        }
        for (int rank = 1; rank < p->ranks->count; rank++) {
            listen_to(p, rank);
        }
        pthread_mutex_lock(&p->lock);
        for (int rank = 1; rank < p->ranks->count; rank++) {
            if (pl_ranks_alive(p->ranks, rank)) {
                hand_out(p, rank);
            }
        }
        for (int rank = 1; rank < p->ranks->count; rank++) {
            if (!pl_ranks_alive(p->ranks, rank) && p->members[rank].setting != UINT64_MAX) {
                p->members[rank].setting = UINT64_MAX; /* noted */
                note_death(p, rank);
            }
        }
        empty_gone(p);
        ends = p->ends;
        pthread_mutex_unlock(&p->lock);
    }
    for (int rank = 1; rank < p->ranks->count; rank++) {
        if (pl_ranks_alive(p->ranks, rank)) {
            const pl_message end = {.type = PL_MSG_END, .flag = p->ranks->lost};
            pl_status ignored = pl_ranks_send(p->ranks, rank, &end, NULL, NULL);
            (void)ignored;
        }
    }
    return NULL;
}

static void wake(const pl_rank_pool *p)
{
    const uint64_t one = 1;
    ssize_t ignored = write(p->wake, &one, sizeof one);
    (void)ignored;
}

/* --- a call, on the computing thread ---------------------------------------------------------- */

static const pl_rank_pool *sorted; /* of compare_costs; one pool a process, under its lock */

static int compare_costs(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const double cx = sorted->units[x].cost, cy = sorted->units[y].cost;
    return cx > cy ? -1 : cx < cy ? 1 : x < y ? -1 : x > y;
}

static pl_status read_units(pl_rank_pool *p, const pl_units *units, pl_error *err)
{
    p->count = json_array_size(units->list);
    p->units = calloc(p->count, sizeof *p->units);
    p->order = calloc(p->count, sizeof *p->order);
    bool fits = p->units != NULL && p->order != NULL;
    for (size_t i = 0; fits && i < p->count; i++) {
        json_t *what = json_array_get(units->list, i);
        const double cost = pl_json_number_of(what, "cost");
        json_t *whole = json_pack("{s:s, s:O}", "kind", units->kind->name, "what", what);
        p->units[i].cost = cost > 0.0 ? cost : 0.0;
        p->units[i].home = units->home != NULL ? units->home[i] : PL_NO_HOME;
        p->units[i].text = pl_json_text(whole, JSON_COMPACT | JSON_REAL_PRECISION(17));
        fits = p->units[i].text != NULL;
        p->order[i] = i;
        json_decref(whole);
    }
    if (!fits) {
        return pl_error_memory(err, "the units of a command");
    }
    sorted = p;
    qsort(p->order, p->count, sizeof *p->order, compare_costs);
    return PL_OK;
}

static void drop_units(pl_rank_pool *p)
{
    for (size_t i = 0; p->units != NULL && i < p->count; i++) {
        free(p->units[i].text);
        json_decref(p->units[i].answer);
    }
    free(p->units);
    free(p->order);
    p->units = NULL;
    p->order = NULL;
    p->base += p->count;
    p->count = p->next = p->open = 0;
    p->call = NULL;
}

/* The other ranks have the last one already, where it is the same. */
static pl_status take_setting(pl_rank_pool *p, const pl_state *state, pl_error *err)
{
    json_t *record = pl_state_to_json(state);
    char *text =
        record != NULL ? pl_json_text(record, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(record);
    if (text == NULL) {
        return pl_error_memory(err, "the state");
    }
    if (p->setting != NULL && strcmp(p->setting, text) == 0) {
        free(text);
        return PL_OK;
    }
    free(p->setting);
    p->setting = text;
    p->setting_number++;
    return PL_OK;
}

/* A unit as a task of its own: its progress is not the command's. */
typedef struct own_task {
    pl_task task;
    pl_task *whole;
} own_task;

static void give_way(void *ctx)
{
    own_task *own = ctx;
    if (pl_task_tick(own->whole, NULL) != PL_OK) {
        atomic_store(&own->task.cancel, true);
    }
}

/* A unit here; the lock is open meanwhile. */
static void run_here(pl_rank_pool *p, pl_context cx, size_t i)
{
    own_task own = {.whole = cx.task};
    pl_error why = {0};
    const pl_units *call = p->call;
    json_t *answer = json_object();
    own.task.give_way = give_way;
    own.task.ctx = &own;
    cx.task = &own.task;
    p->hides = call->kind->whole;
    if (!call->kind->walks) {
        pl_lab_drop_walks(cx.lab);
    }
    pthread_mutex_unlock(&p->lock);
    const double begin = pl_clock_now();
    const pl_status status = call->kind->run(cx, json_array_get(call->list, i), answer, &why);
    pthread_mutex_lock(&p->lock);
    p->hidden.count = 0;
    p->hides = p->hidden.failed = false;
    p->units[i].answer = answer;
    p->units[i].peak = pl_memory_peak();
    end_unit(p, i, status == PL_OK, pl_clock_now() - begin, why.message);
}

/* Units that wait or run elsewhere. */
static bool others_run(const pl_rank_pool *p)
{
    bool any = false;
    for (size_t i = 0; i < p->count; i++) {
        any = any || p->units[i].is == RUNNING || (p->units[i].is == WAITING && !p->stopped);
    }
    return any;
}

static void wait_for_change(pl_rank_pool *p)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100 * 1000 * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

static void tell_progress(const pl_rank_pool *p, pl_task *task)
{
    const pl_units *call = p->call;
    const double share = (double)(p->count - p->open) / (double)p->count;
    pl_task_progress(task, call->kind->counting, call->done + share * (call->total - call->done),
                     call->total);
}

static pl_status run_units(void *ctx, pl_context cx, pl_units *units, pl_error *err)
{
    pl_rank_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    p->store = pl_lab_store(cx.lab);
    pl_store_set_peer(p->store, &p->peer);
    p->stopped = false;
    pl_status status = take_setting(p, cx.state, err);
    PL_THEN(read_units(p, units, err));
    p->open = p->count;
    p->call = status == PL_OK ? units : NULL;
    wake(p);
    while (status == PL_OK && others_run(p)) {
        const size_t i = take_unit(p, 0);
        if (i != SIZE_MAX) {
            run_here(p, cx, i);
        } else {
            wait_for_change(p);
        }
        tell_progress(p, cx.task);
        pthread_mutex_unlock(&p->lock);
        status = pl_task_tick(cx.task, err);
        wake(p); /* what a dead rank had may wait */
        pthread_mutex_lock(&p->lock);
    }
    for (size_t i = 0; p->units != NULL && i < p->count; i++) {
        const unit *u = &p->units[i];
        if (units->home != NULL && u->is == ENDED) {
            units->home[i] = u->rank;
        }
        pl_json_append(units->answers,
                       u->is == ENDED && u->answer != NULL ? json_incref(u->answer) : json_null());
    }
    drop_units(p);
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* --- what is said ----------------------------------------------------------------------------- */

static void say_command(void *ctx, const char *command)
{
    pl_rank_pool *p = ctx;
    size_t units = 0;
    int ranks = 0;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->ranks->count; i++) {
        units += p->members[i].done;
        ranks += p->members[i].done > 0;
        p->members[i].done = 0;
    }
    if (units == 0 && p->failed == 0) {
        fprintf(stderr, "planish-mpi: `%.60s`: on rank 0\n", command);
    } else {
        fprintf(stderr, "planish-mpi: `%.60s`: %zu units on %d ranks", command, units, ranks);
        if (p->again > 0) {
            fprintf(stderr, ", %zu of them once more since a rank died", p->again);
        }
        if (p->failed > 0) {
            fprintf(stderr, "; a unit failed and the rest ran on rank 0 (%s)", p->failure);
        }
        fputc('\n', stderr);
    }
    p->failed = p->again = 0;
    p->failure[0] = '\0';
    p->rests += units > 0;
    pthread_mutex_unlock(&p->lock);
    wake(p);
}

static void leave(void *ctx)
{
    pl_rank_pool *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (p->store != NULL) {
        pl_store_set_peer(p->store, NULL);
    }
    p->store = NULL;
    pthread_mutex_unlock(&p->lock);
}

/* --- its life --------------------------------------------------------------------------------- */

pl_status pl_rank_pool_create(pl_ranks *ranks, FILE *trace, pl_rank_pool **out, pl_error *err)
{
    *out = NULL;
    pl_rank_pool *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "the ranks");
    }
    *p = (pl_rank_pool){.ranks = ranks, .trace = trace, .base = 1};
    p->members = calloc((size_t)ranks->count, sizeof *p->members);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->peer = (pl_store_peer){.ctx = p, .writes = hide_entry, .removed = note_removed};
    p->use = (pl_pool){.ctx = p, .run = run_units, .ended = say_command, .leave = leave};
    p->use.workers = 1;
    for (int i = 1; p->members != NULL && i < ranks->count; i++) {
        p->use.workers += pl_ranks_alive(ranks, i);
        p->members[i].setting = pl_ranks_alive(ranks, i) ? 0 : UINT64_MAX;
    }
    /* The store's calls come back here while the serving thread has the lock. */
    pthread_mutexattr_t again;
    pthread_mutexattr_init(&again);
    pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&p->lock, &again);
    pthread_mutexattr_destroy(&again);
    pthread_cond_init(&p->changed, NULL);
    if (p->members == NULL || p->wake < 0 ||
        pthread_create(&p->thread, NULL, serve_ranks, p) != 0) {
        free(p->members);
        free(p);
        return pl_error_memory(err, "the ranks");
    }
    *out = p;
    return PL_OK;
}

void pl_rank_pool_destroy(pl_rank_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->ends = true;
    pthread_mutex_unlock(&pool->lock);
    wake(pool);
    pthread_join(pool->thread, NULL);
    close(pool->wake);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->setting);
    free(pool->members);
    free(pool->hidden.list);
    free(pool->gone.list);
    free(pool);
}

const pl_pool *pl_rank_pool_use(pl_rank_pool *pool)
{
    return &pool->use;
}
