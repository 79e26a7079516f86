#include "app/front.h"

#include "app/source.h"
#include "core/base/json.h"
#include "core/lab/pool.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"
#include "sessions/catalog.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pl_status set_threads(void *arg, pl_task *task, pl_error *err)
{
    (void)task;
    const int *wanted = arg;
    return pl_linalg_set_threads(*wanted, err);
}

static void show_progress_line(const pl_job_event *event)
{
    double left = event->share > 0 ? event->seconds * (1 / event->share - 1) : NAN;
    fprintf(stderr, "\r\033[K%s %3.0f %%  %.0f of %.0f %s  %.0f s left", event->name,
            100 * event->share, event->amount, event->total, event->what, left);
}

/* Until the worker has something to say; who interrupts meanwhile has the job cancelled. */
static void wait_for_event(pl_front *front, uint64_t job)
{
    struct pollfd ends[] = {{.fd = pl_worker_fd(front->worker), .events = POLLIN},
                            {.fd = pl_interrupts_fd(front->interrupts), .events = POLLIN}};
    if (front->interrupts == NULL) {
        pl_worker_wait(front->worker);
        return;
    }
    if (poll(ends, 2, -1) > 0 && ends[1].revents != 0 && pl_interrupts_take(front->interrupts)) {
        pl_worker_cancel(front->worker, job);
    }
}

/* Submits a job and drains the queue until it is done. */
static pl_status run_front_job(pl_front *front, const char *name, const char *unit, pl_job_fn fn,
                               void *arg, bool show_progress, pl_error *err)
{
    pl_worker *worker = front->worker;
    uint64_t job = pl_worker_submit(worker, PL_JOB_ORDINARY, name, unit, fn, arg);
    if (job == 0) {
        return pl_error_memory(err, "the state");
    }
    bool shown = false;
    for (;;) {
        pl_job_event event;
        wait_for_event(front, job);
        while (pl_worker_next(worker, &event)) {
            if (event.job != job) {
                continue;
            }
            if (!event.done) {
                if (show_progress) {
                    show_progress_line(&event);
                    shown = true;
                }
                continue;
            }
            if (shown) {
                fputs("\r\033[K", stderr);
            }
            if (event.status != PL_OK && err != NULL) {
                *err = event.error;
            }
            return event.status;
        }
    }
}

pl_status pl_front_revive(const json_t *record, const pl_source *same, pl_state *out, pl_error *err)
{
    pl_source *source = NULL;
    const char *path = json_string_value(json_object_get(record, "model"));
    const char *inputs = json_string_value(json_object_get(record, "inputs"));
    pl_status status = pl_open_source(same != NULL ? same->path : path,
                                      same != NULL ? same->inputs : inputs, &source, err);
    PL_THEN(pl_state_restore(out, record, source, err));
    pl_source_release(source);
    return status;
}

void pl_front_take_state(pl_front *front, pl_state *state)
{
    pl_state_deinit(&front->state);
    front->state = *state;
    pl_status ignored = pl_state_check_origin(&front->state, true, &front->notice);
    (void)ignored;
}

void pl_front_keep(pl_front *front, pl_session *session)
{
    if (front->session != session) {
        pl_session_close(front->session);
        front->session = session;
    }
    if (session != NULL) {
        /* Without it a replay does not know what computed. */
        pl_status ignored =
            pl_session_set_maker(session, PL_VERSION, pl_kernel_name(), front->threads, NULL);
        (void)ignored;
    }
}

pl_status pl_front_need_kept(const pl_front *front, const char *what, pl_error *err)
{
    return front->session == NULL
               ? pl_error_set(err, PL_ERR_STATE,
                              "%s: there is no session here; start with --session FILE", what)
           : pl_session_is_kept(front->session)
               ? PL_OK
               : pl_error_set(err, PL_ERR_STATE,
                              "%s: %s is open in another program and only read here; `branch NAME` "
                              "keeps what is done here under another name",
                              what, pl_session_path(front->session));
}

static pl_status restore(pl_front *front, pl_error *err)
{
    json_t *record = NULL;
    pl_state revived;
    pl_status status = pl_session_state(front->session, &record, err);
    if (status == PL_OK && record != NULL) {
        status = pl_front_revive(record, NULL, &revived, err);
        if (status == PL_OK) {
            pl_front_take_state(front, &revived);
        } else {
            pl_error_prefix(err, "%s: ", pl_session_path(front->session));
        }
    }
    json_decref(record);
    return status;
}

pl_status pl_front_open(const pl_options *options, const char *session, pl_front *out,
                        pl_error *err)
{
    *out = (pl_front){0};
    pl_state_init(&out->state);
    pl_state_default_methods(&out->state);
    pl_session_sweep();
    int threads = options->threads > 0 ? options->threads : pl_linalg_default_threads();
    out->threads = threads;
    pl_lab_options lab = {
        .store = options->store, .memory_limit = options->memory, .pool = options->pool};
    out->pool = options->pool;
    pl_status status = pl_worker_create(&out->worker, err);
    PL_THEN(run_front_job(out, "threads", NULL, set_threads, &threads, false, err));
    if (status == PL_OK) {
        status = pl_lab_create(&lab, &out->lab, err);
        if (status == PL_ERR_IO && err != NULL && strstr(err->message, "--store") == NULL) {
            pl_error why = *err;
            status =
                pl_error_set(err, status, "%s; --store DIR keeps results elsewhere", why.message);
        }
    }
    if (status == PL_OK && session != NULL) {
        pl_session *opened = NULL;
        status = pl_session_open(session, &opened, err);
        pl_front_keep(out, opened);
        out->named = true;
    }
    if (status == PL_OK && out->session != NULL && options->model == NULL) {
        status = restore(out, err);
    }
    if (status == PL_OK && out->session != NULL && !pl_session_is_kept(out->session)) {
        pl_status said =
            pl_error_set(&out->notice, PL_ERR_STATE, "%s", pl_session_notice(out->session));
        (void)said;
    }
    const char *cut = out->session != NULL ? pl_session_cut_off(out->session) : NULL;
    if (status == PL_OK && cut != NULL && out->notice.code == PL_OK) {
        pl_status said = pl_error_set(&out->notice, PL_ERR_STATE,
                                      "`%.300s` was cut off; `resume` goes on with it", cut);
        (void)said;
    }
    if (status != PL_OK) {
        pl_front_close(out);
    }
    return status;
}

void pl_front_close(pl_front *front)
{
    pl_worker_destroy(front->worker, NULL);
    pl_state_deinit(&front->state);
    pl_lab_destroy(front->lab);
    pl_session_close(front->session);
    *front = (pl_front){0};
}

typedef struct half {
    pl_call *call;
    const pl_state *state;
    pl_lab *lab;
} half;

static pl_status run_half(void *arg, pl_task *task, pl_error *err)
{
    half *h = arg;
    pl_lab_begin(h->lab);
    pl_status status = pl_call_run(h->call, (pl_context){h->lab, h->state, task}, err);
    h->call->warning = pl_lab_take_warning(h->lab);
    return status;
}

static pl_status execute(pl_front *front, pl_call *call, bool show_progress, pl_error *err)
{
    const pl_command *command = call->command;
    pl_status status = PL_OK;
    if (command->run != NULL) {
        half h = {.call = call, .state = &front->state, .lab = front->lab};
        status = run_front_job(front, command->name, pl_call_unit(call), run_half, &h,
                               show_progress, err);
        if (front->pool != NULL) {
            front->pool->ended(front->pool->ctx, call->text);
        }
    }
    return status == PL_OK ? pl_call_apply(call, &front->state, err) : status;
}

/* `open` with a path (NULL: the demo), as a command that nobody typed. */
pl_status pl_front_open_model(pl_front *front, const char *path, pl_error *err)
{
    pl_call *call = NULL;
    pl_status status = pl_call_parse("open", &call, err);
    if (status == PL_OK && path != NULL) {
        call->words = calloc(1, sizeof *call->words);
        char *copy = strdup(path);
        if (call->words == NULL || copy == NULL) {
            free(copy);
            status = pl_error_memory(err, "the state");
        } else {
            call->words[0] = copy;
            call->n_words = 1;
        }
    }
    PL_THEN(execute(front, call, false, err));
    pl_call_destroy(call);
    return status;
}

pl_status pl_front_execute(pl_front *front, pl_call *call, bool show_progress, pl_error *err)
{
    if (pl_command_is_screen_only(call->command)) {
        return pl_error_set(err, PL_ERR_STATE, "%s: belongs to the screen; a batch has none",
                            call->command->name);
    }
    if (call->command->in_batch != NULL) {
        return call->command->in_batch(front, call, err);
    }
    if (call->command->needs_model && front->state.source == NULL) {
        pl_status status = pl_front_open_model(front, NULL, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (front->session != NULL && pl_call_is_slow(call) && pl_call_unit(call) != NULL) {
        pl_status begun = pl_session_begin(front->session, call->text, err);
        if (begun != PL_OK) {
            return begun;
        }
    }
    return execute(front, call, show_progress, err);
}

pl_status pl_front_record(pl_front *front, const pl_call *call, pl_status status,
                          const pl_error *failure, pl_error *err)
{
    if (front->session == NULL || call->command->ends_run) {
        return PL_OK;
    }
    const bool changes = status == PL_OK && call->command->apply != NULL;
    json_t *state = changes ? pl_state_to_json(&front->state) : NULL;
    if (changes && state == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "%s: what the command changed cannot be recorded: out of memory, or a "
                            "path is not UTF-8",
                            pl_session_path(front->session));
    }
    pl_status recorded =
        pl_session_record(front->session, call->text, status == PL_OK, call->result,
                          status == PL_OK ? NULL : failure->message, state, err);
    json_decref(state);
    return recorded;
}
