#include "core/jobs/worker.h"

#include "core/base/clock.h"
#include "core/jobs/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct event {
    struct event *next;
    pl_job_event public;
} event;

typedef struct job {
    struct job *next;
    pl_worker *worker;
    event *done; /* made with the job, so that its end can always be told */
    uint64_t number;
    pl_urgency urgency;
    char name[48];
    pl_job_fn fn;
    void *arg;
    pl_task task;
    double started;
    double reported;
    pl_progress progress;
} job;

struct pl_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a job was queued, or stop was set */
    pthread_cond_t ready; /* an event waits */
    job *queue;           /* urgent ones first, each kind in order of arrival */
    job *running[2];      /* the ordinary one, the urgent one inside it */
    event *events;
    uint64_t last_number;
    int pipe[2];
    bool stop;
};

/* Lock held.  Progress replaces an earlier, untaken progress of the same job. */
static void post(pl_worker *worker, const pl_job_event *what, event *fresh)
{
    event **at = &worker->events;
    while (*at != NULL) {
        if (!what->done && !(*at)->public.done && (*at)->public.job == what->job) {
            (*at)->public = *what;
            free(fresh);
            return;
        }
        at = &(*at)->next;
    }
    fresh->public = *what;
    fresh->next = NULL;
    *at = fresh;
    pthread_cond_signal(&worker->ready);
    char byte = 1;
    /* A full pipe already wakes the reader. */
    ssize_t ignored = write(worker->pipe[1], &byte, 1);
    (void)ignored;
}

static void on_progress(void *ctx, const char *what, double done, double total)
{
    job *running = ctx;
    pl_progress *progress = &running->progress;
    pl_progress_take(progress, what, done, total);
    const double now = pl_clock_now();
    /* What is told behind a cancel is how much was kept. */
    if (now - running->reported < 0.05 && done < total && !atomic_load(&running->task.cancel)) {
        return;
    }
    running->reported = now;
    event *fresh = malloc(sizeof *fresh);
    if (fresh == NULL) {
        return;
    }
    pl_job_event public = {.job = running->number,
                           .amount = progress->done,
                           .total = progress->total,
                           .share = progress->share,
                           .learns = strcmp(what, "steps") == 0};
    memcpy(public.name, running->name, sizeof public.name);
    memcpy(public.what, progress->what, sizeof public.what);
    public.seconds = now - running->started;
    pthread_mutex_lock(&running->worker->lock);
    post(running->worker, &public, fresh);
    pthread_mutex_unlock(&running->worker->lock);
}

static void run_taken_job(pl_worker *worker, job *taken, int depth);

/* Lock held.  The first job, or the first urgent one; it counts as running. */
static job *take_job(pl_worker *worker, bool urgent_only)
{
    job *first = worker->queue;
    if (first == NULL || (urgent_only && first->urgency != PL_JOB_URGENT)) {
        return NULL;
    }
    worker->queue = first->next;
    worker->running[urgent_only] = first; /* at once, so that a cancel finds it */
    return first;
}

/* An ordinary job's tick: urgent ones run here, whole. */
static void give_way_to_urgent(void *ctx)
{
    job *running = ctx;
    pl_worker *worker = running->worker;
    for (;;) {
        pthread_mutex_lock(&worker->lock);
        job *urgent = worker->stop ? NULL : take_job(worker, true);
        pthread_mutex_unlock(&worker->lock);
        if (urgent == NULL) {
            return;
        }
        run_taken_job(worker, urgent, 1);
    }
}

static void run_taken_job(pl_worker *worker, job *taken, int depth)
{
    taken->started = pl_clock_now();
    taken->reported = taken->started;
    taken->task.progress = on_progress;
    taken->task.give_way = taken->urgency == PL_JOB_ORDINARY ? give_way_to_urgent : NULL;
    taken->task.ctx = taken;

    pl_job_event public = {.job = taken->number, .done = true, .arg = taken->arg};
    memcpy(public.name, taken->name, sizeof public.name);
    public.status = atomic_load(&taken->task.cancel)
                        ? pl_error_set(&public.error, PL_ERR_CANCELLED, "cancelled")
                        : taken->fn(taken->arg, &taken->task, &public.error);
    public.seconds = pl_clock_now() - taken->started;

    pthread_mutex_lock(&worker->lock);
    worker->running[depth] = NULL;
    post(worker, &public, taken->done);
    pthread_mutex_unlock(&worker->lock);
    free(taken);
}

static void *work(void *arg)
{
    pl_worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stop) {
        job *taken = take_job(worker, false);
        if (taken == NULL) {
            pthread_cond_wait(&worker->work, &worker->lock);
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        run_taken_job(worker, taken, 0);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

pl_status pl_worker_create(pl_worker **out, pl_error *err)
{
    *out = NULL;
    pl_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return pl_error_memory(err, "a job");
    }
    if (pipe2(worker->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(worker);
        return pl_error_set(err, PL_ERR_IO, "a pipe for events: %s", strerror(errno));
    }
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->work, NULL);
    pthread_cond_init(&worker->ready, NULL);
    /* Deep calls inside BLAS and a nested urgent job: more than the default stack of some libcs. */
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16u << 20);
    int failed = pthread_create(&worker->thread, &attributes, work, worker);
    pthread_attr_destroy(&attributes);
    if (failed != 0) {
        close(worker->pipe[0]);
        close(worker->pipe[1]);
        free(worker);
        return pl_error_set(err, PL_ERR_IO, "the worker thread: %s", strerror(failed));
    }
    *out = worker;
    return PL_OK;
}

void pl_worker_destroy(pl_worker *worker, void (*drop)(void *arg))
{
    if (worker == NULL) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stop = true;
    for (int i = 0; i < 2; i++) {
        if (worker->running[i] != NULL) {
            atomic_store(&worker->running[i]->task.cancel, true);
        }
    }
    pthread_cond_signal(&worker->work);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    for (job *queued = worker->queue; queued != NULL;) {
        job *next = queued->next;
        if (drop != NULL) {
            drop(queued->arg);
        }
        free(queued->done);
        free(queued);
        queued = next;
    }
    for (event *waiting = worker->events; waiting != NULL;) {
        event *next = waiting->next;
        if (drop != NULL && waiting->public.done) {
            drop(waiting->public.arg);
        }
        free(waiting);
        waiting = next;
    }
    close(worker->pipe[0]);
    close(worker->pipe[1]);
    pthread_cond_destroy(&worker->work);
    pthread_cond_destroy(&worker->ready);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

int pl_worker_fd(const pl_worker *worker)
{
    return worker->pipe[0];
}

uint64_t pl_worker_submit(pl_worker *worker, pl_urgency urgency, const char *name, const char *unit,
                          pl_job_fn fn, void *arg)
{
    job *fresh = calloc(1, sizeof *fresh);
    event *done = malloc(sizeof *done);
    if (fresh == NULL || done == NULL) {
        free(fresh);
        free(done);
        return 0;
    }
    fresh->worker = worker;
    fresh->done = done;
    fresh->urgency = urgency;
    fresh->fn = fn;
    fresh->arg = arg;
    fresh->progress.unit = unit;
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    atomic_init(&fresh->task.cancel, false);
    pthread_mutex_lock(&worker->lock);
    fresh->number = ++worker->last_number;
    uint64_t number = fresh->number;
    job **at = &worker->queue;
    while (*at != NULL && ((*at)->urgency == PL_JOB_URGENT || urgency == PL_JOB_ORDINARY)) {
        at = &(*at)->next;
    }
    fresh->next = *at;
    *at = fresh;
    pthread_cond_signal(&worker->work);
    pthread_mutex_unlock(&worker->lock);
    return number;
}

/* Lock held.  Its end is told at once: what runs before it may take hours. */
static void drop_queued(pl_worker *worker, job *queued)
{
    pl_job_event public = {.job = queued->number, .done = true, .arg = queued->arg};
    memcpy(public.name, queued->name, sizeof public.name);
    public.status = pl_error_set(&public.error, PL_ERR_CANCELLED, "cancelled");
    post(worker, &public, queued->done);
    free(queued);
}

void pl_worker_cancel(pl_worker *worker, uint64_t number)
{
    pthread_mutex_lock(&worker->lock);
    for (int i = 0; i < 2; i++) {
        if (worker->running[i] != NULL && worker->running[i]->number == number) {
            atomic_store(&worker->running[i]->task.cancel, true);
        }
    }
    job **at = &worker->queue;
    while (*at != NULL && (*at)->number != number) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        job *queued = *at;
        *at = queued->next;
        drop_queued(worker, queued);
    }
    pthread_mutex_unlock(&worker->lock);
}

bool pl_worker_next(pl_worker *worker, pl_job_event *out)
{
    pthread_mutex_lock(&worker->lock);
    event *first = worker->events;
    if (first != NULL) {
        worker->events = first->next;
        *out = first->public;
    }
    if (worker->events == NULL) {
        char drain[64];
        while (read(worker->pipe[0], drain, sizeof drain) > 0) {
        }
    }
    pthread_mutex_unlock(&worker->lock);
    free(first);
    return first != NULL;
}

void pl_worker_wake(pl_worker *worker)
{
    const char byte = 1;
    /* A full pipe already wakes the reader. */
    ssize_t ignored = write(worker->pipe[1], &byte, 1);
    (void)ignored;
}

void pl_worker_wait(pl_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->events == NULL) {
        pthread_cond_wait(&worker->ready, &worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
}
