#include "app/workbench/figures.h"

#include "app/workbench/imaging.h"
#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "core/base/clock.h"
#include "core/model/bare.h"
#include "core/state/kept.h"
#include "core/state/record.h"
#include "core/study/sweep.h"
#include "plots/kinds.h"
#include "plots/look.h"
#include "views/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A slow figure is made when what it shows has been left alone for so long. */
static const double REST_SECONDS = 0.4;

typedef struct kept {
    pl_figure figure;
    const pl_kind *kind; /* it is of */
    bool made;
    pl_id key; /* of what it shows; without the marked channel: `base` */
    pl_id base;
    pl_id wanted; /* of what it should show */
    double since; /* when that was wanted first */
    uint64_t job; /* 0: none runs */
    bool failed;  /* making `wanted` failed, with this sentence */
    char error[PL_ERROR_TEXT];
} kept;

struct pl_screen_figures {
    kept panes[PL_SHOWN];
    bool split, compares; /* when the focus was settled last */
    struct {
        size_t view;         /* the one whose memo is in the model */
        pl_pane_memo *memos; /* [views]: where the user was in each view of a pane */
    } places[PL_DISPLAY_PANES];
};

static const pl_pane display_panes[PL_DISPLAY_PANES] = {PL_PANE_MAIN, PL_PANE_SECOND,
                                                        PL_PANE_TABLE};

/* --- what a figure depends on ----------------------------------------------------------------- */

static void hash_calibration(pl_hasher *hasher, const pl_calibration *calibration)
{
    pl_hasher_u64(hasher, calibration->n_texts);
    for (size_t i = 0; i < calibration->n_texts; i++) {
        pl_hasher_text(hasher, calibration->texts[i]);
    }
    pl_hasher_u64(hasher, calibration->protocol.length);
    pl_hasher_u64(hasher, calibration->protocol.windows);
    pl_hasher_u64(hasher, calibration->known);
    pl_hasher_id(hasher, calibration->key);
}

static void hash_result(pl_hasher *hasher, const pl_state *state, size_t layer)
{
    const pl_id *result = pl_state_result(state, layer);
    pl_hasher_id(hasher, result != NULL ? *result : (pl_id){0});
    pl_hasher_id(hasher, pl_state_plan(state, layer));
}

/* With the parameter's present value, which the figure marks. */
static void hash_sweep(pl_hasher *hasher, const pl_state *state)
{
    const pl_sweep *sweep = &state->sweep;
    if (sweep->set) {
        pl_hasher_id(hasher, pl_sweep_plan(state, sweep));
        pl_hasher_f64(hasher, pl_sweep_present(state, sweep));
    }
    pl_hasher_u64(hasher, sweep->set);
    pl_hasher_u64(hasher, (uint64_t)sweep->slot);
    pl_hasher_text(hasher, sweep->param);
    pl_hasher_f64(hasher, sweep->from);
    pl_hasher_f64(hasher, sweep->to);
    pl_hasher_u64(hasher, sweep->points);
    pl_hasher_u64(hasher, sweep->logarithmic);
    pl_hasher_u64(hasher, sweep->whole);
    pl_hasher_u64(hasher, sweep->layer);
    pl_hasher_u64(hasher, sweep->perplexity);
    pl_hasher_text(hasher, sweep->text);
    pl_hasher_u64(hasher, sweep->length);
    pl_hasher_u64(hasher, sweep->windows);
}

/* How often what the layer's transform has learned has changed. */
static uint64_t learned_of(const pl_screen *screen, const pl_state *state)
{
    const pl_spec *spec = pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM);
    return pl_spec_is_learned(spec) ? screen->learned.count : 0;
}

pl_id pl_figures_key(const pl_screen *screen, const pl_state *state, const pl_request *request,
                     bool with_channel)
{
    pl_hasher *hasher = NULL;
    const pl_kind *kind = request->kind;
    if (pl_hasher_create(&hasher, NULL) != PL_OK) {
        return (pl_id){0};
    }
    bool layered = (kind->uses & PL_USES_LAYER) != 0;
    pl_buf keys = {0};
    pl_request of = *request;
    of.channel = with_channel ? request->channel : SIZE_MAX;
    pl_request_keys(&of, &keys);
    if ((kind->uses & PL_USES_ACTIVATIONS) != 0) {
        pl_act_format(&state->activations, &keys);
    }
    const bool learns = (kind->uses & PL_USES_LEARNING) != 0 || pl_request_turns_inputs(request);
    pl_hasher_text(hasher, kind->name);
    pl_hasher_text(hasher, keys.data != NULL ? keys.data : "");
    pl_buf_deinit(&keys);
    pl_hasher_u64(hasher, (uint64_t)(uintptr_t)state->source);
    pl_hasher_u64(hasher, layered ? request->layer : 0);
    hash_calibration(hasher, &state->calibration);
    if ((kind->uses & (PL_USES_WHICH | PL_NEEDS_SOLVED | PL_USES_SOLVED)) != 0) {
        const bool one = layered && kind->layers == NULL;
        size_t n = one ? 1 : pl_model_layer_count(state->source->model);
        for (size_t i = 0; i < n; i++) {
            hash_result(hasher, state, one ? request->layer : i);
        }
    }
    if (pl_request_uses_methods(request)) {
        pl_hasher_id(hasher, pl_state_plan(state, request->layer));
        pl_hasher_u64(hasher, learns ? learned_of(screen, state) : 0);
    }
    for (size_t i = 0; (kind->uses & (PL_USES_PINS | PL_USES_SETTINGS)) != 0 && i < state->n_kept;
         i++) {
        pl_hasher_id(hasher, state->kept[i]->id);
    }
    if ((kind->uses & PL_USES_SWEEP) != 0) {
        hash_sweep(hasher, state);
    }
    if ((kind->uses & PL_USES_COSTS) != 0) {
        pl_hasher_u64(hasher, screen->scores.changes);
    }
    if ((kind->uses & PL_USES_COMPARISON) != 0) {
        pl_id compared = {0};
        size_t changes = 0;
        (void)pl_record_comparison(state->source, &compared, &changes);
        pl_hasher_id(hasher, compared);
        pl_hasher_u64(hasher, changes);
    }
    pl_id key = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return key;
}

static bool shows_inputs(const pl_request *request)
{
    unsigned uses = request->kind->uses;
    return (uses & (PL_NEEDS_INPUTS | PL_NEEDS_SOLVED)) != 0 ||
           ((uses & PL_USES_SIDE) != 0 && request->side == PL_SIDE_INPUT);
}

static bool solves(const pl_screen *screen)
{
    return screen->wants.solve || pl_jobs_find(&screen->jobs, PL_JOB_KIND_LIVE) != NULL;
}

static bool prepares(const pl_screen *screen)
{
    return screen->wants.calibration || pl_jobs_bringing(&screen->jobs, PL_BRINGS_INPUTS) != NULL ||
           pl_jobs_find(&screen->jobs, PL_JOB_KIND_PREPARE) != NULL;
}

/* Why there can be no figure now, as what to do about it; NULL if there can. */
static const char *what_it_needs(const pl_screen *screen, const pl_state *state,
                                 const pl_request *request)
{
    unsigned uses = request->kind->uses;
    if (shows_inputs(request) && prepares(screen)) {
        return "calibrating";
    }
    if (shows_inputs(request) && state->calibration.n_texts == 0 &&
        (state->source == NULL || !pl_source_has_inputs(state->source))) {
        if (state->source != NULL && pl_model_is_bare(state->source->model)) {
            return "no inputs were given:  :open W inputs=X";
        }
        return (uses & PL_NEEDS_INPUTS) == 0 && (uses & PL_USES_SIDE) != 0
                   ? "not calibrated:  {calibrate} calibrates, {side} shows the weights"
                   : "not calibrated:  {calibrate} calibrates";
    }
    pl_id compared = {0};
    size_t changes = 0;
    if ((uses & PL_USES_COMPARISON) != 0 && state->source != NULL &&
        !pl_record_comparison(state->source, &compared, &changes)) {
        return "nothing compared yet:  :compare \"gptq bits={3,4}\" windows=20";
    }
    if ((uses & PL_USES_SWEEP) != 0 && !state->sweep.set) {
        return "no sweep yet:  :sweep beta=1e-5:1e-2:log12";
    }
    /* One layer is swept again in a moment; a model, only when it is asked for. */
    if ((uses & PL_USES_SWEEP) != 0 && state->sweep.whole &&
        !pl_id_equal(state->sweep.plan, pl_sweep_plan(state, &state->sweep))) {
        return "the methods are others than the sweep's:  :sweep again";
    }
    if ((uses & PL_NEEDS_SOLVED) != 0 && pl_state_result(state, request->layer) == NULL) {
        if (state != screen->state) {
            return "this setting has no result of the layer";
        }
        return solves(screen) ? "solving" : "not solved:  {solve} solves this layer";
    }
    return NULL;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void stop_figure(pl_screen *screen, kept *k)
{
    if (k->job != 0) {
        pl_worker_cancel(screen->jobs.worker, k->job);
        k->job = 0;
    }
}

static pl_pane pane_of(size_t index)
{
    return index < PL_DISPLAY_PANES ? display_panes[index] : PL_PANE_MAIN;
}

/* The state that slot `index` of model.shown shows: the screen's or, for a kept setting, *own (the
 * caller deinits it); NULL: none. */
static const pl_state *state_of(const pl_screen *screen, size_t index, pl_state *own)
{
    const pl_state *state = screen->state;
    *own = (pl_state){0};
    if (index < PL_DISPLAY_PANES) {
        return state;
    }
    const size_t at = index - PL_DISPLAY_PANES;
    return at < state->n_kept && state->compared[at] && pl_view_compares(state, PL_PANE_MAIN) &&
                   pl_state_as(state, state->kept[at], own, NULL) == PL_OK
               ? own
               : NULL;
}

static bool wants_figure(const pl_state *state, size_t index, const pl_panes *panes,
                         pl_request *request)
{
    pl_pane pane = pane_of(index);
    const pl_screen_view *view = pl_view_of(state, pane);
    return panes->panes[pane].h > 0 &&
           (pl_view_compares(state, pane) ||
            (view->figure && (view->live == NULL || !view->live(state, pane)))) &&
           pl_view_request(state, pane, request);
}

static void forget_figure(kept *k)
{
    pl_figure_deinit(&k->figure);
    k->figure = (pl_figure){0};
    k->made = k->failed = false;
}

static bool rested(const pl_screen *screen, const kept *k, const pl_request *request)
{
    bool weights = (request->kind->uses & (PL_USES_WHICH | PL_NEEDS_SOLVED)) != 0;
    if (weights && solves(screen)) {
        return false; /* what it would show is being solved */
    }
    return !request->kind->slow || (!solves(screen) && pl_clock_now() - k->since >= REST_SECONDS);
}

static pl_status run_figure(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    return pl_kind_make(pl_job_context(job, task), &job->request, &job->figure, err);
}

static void pump_pane(pl_screen *screen, size_t index, const pl_state *state,
                      const pl_request *request)
{
    kept *k = &screen->figures->panes[index];
    pl_id wanted = pl_figures_key(screen, state, request, true);
    if (!pl_id_equal(wanted, k->wanted)) {
        stop_figure(screen, k);
        k->wanted = wanted;
        k->since = pl_clock_now();
        k->failed = false;
    }
    bool current = k->made && pl_id_equal(k->key, wanted);
    if (current || k->failed || k->job != 0 || what_it_needs(screen, state, request) != NULL ||
        !rested(screen, k, request)) {
        return;
    }
    pl_screen_job *job = NULL;
    if (pl_jobs_create(&screen->jobs, PL_JOB_KIND_FIGURE, request->kind->name, state, &job, NULL) !=
        PL_OK) {
        return; /* tried again in the next round */
    }
    job->request = *request;
    job->figure_key = wanted;
    job->figure_base = pl_figures_key(screen, state, request, false);
    pl_urgency urgency = request->kind->slow ? PL_JOB_ORDINARY : PL_JOB_URGENT;
    if (pl_jobs_submit(&screen->jobs, job, urgency, run_figure, NULL) == PL_OK) {
        k->job = job->id;
    }
}

/* Keeps the focus on a visible pane: the zoomed one, never a closed second one; after a command
 * that splits the screen, the second. */
static void settle_focus(pl_screen *screen)
{
    pl_screen_model *model = &screen->model;
    pl_pane zoom = pl_zoomed_pane(screen->state);
    bool split = pl_display_is_split(screen->state);
    if (zoom < PL_PANE_COUNT) {
        model->focus = zoom;
    } else if (model->focus == PL_PANE_SECOND && !split) {
        model->focus = PL_PANE_MAIN;
    } else if (split && !screen->figures->split && model->focus == PL_PANE_LAYERS) {
        model->focus = PL_PANE_MAIN;
    }
    const bool compares = pl_view_compares(screen->state, PL_PANE_MAIN);
    if (compares && !screen->figures->compares && zoom == PL_PANE_COUNT) {
        model->focus = PL_PANE_MAIN;
    }
    screen->figures->split = split;
    screen->figures->compares = compares;
}

void pl_figures_pump(pl_screen *screen)
{
    if (screen->state->source == NULL || screen->figures == NULL) {
        return;
    }
    settle_focus(screen);
    int rows = 0; /* of the next frame, which may be of another size than the last */
    int cols = 0;
    pl_terminal_size(screen->face.terminal, &rows, &cols);
    pl_panes panes = pl_screen_panes(&screen->model, rows, cols);
    for (size_t i = 0; i < PL_SHOWN; i++) {
        pl_request request;
        pl_state own;
        const pl_state *state = state_of(screen, i, &own);
        if (state != NULL && wants_figure(state, i, &panes, &request)) {
            pump_pane(screen, i, state, &request);
        } else {
            stop_figure(screen, &screen->figures->panes[i]);
        }
        if (state == NULL) {
            forget_figure(&screen->figures->panes[i]);
        }
        pl_state_deinit(&own);
    }
}

bool pl_figures_rest(const pl_screen *screen)
{
    bool waits = false;
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        const kept *k = &screen->figures->panes[i];
        waits = waits || (k->job == 0 && !pl_id_equal(k->wanted, k->key) && !k->failed &&
                          pl_clock_now() - k->since < 2 * REST_SECONDS);
    }
    return waits;
}

void pl_figures_take(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        kept *k = &screen->figures->panes[i];
        if (k->job != job->id) {
            continue;
        }
        k->job = 0;
        if (event->status == PL_OK) {
            forget_figure(k);
            k->figure = job->figure;
            job->figure = (pl_figure){0};
            k->made = true;
            k->kind = job->request.kind;
            k->key = job->figure_key;
            k->base = job->figure_base;
        } else {
            k->failed = true;
            snprintf(k->error, sizeof k->error, "%s",
                     event->status == PL_ERR_CANCELLED ? "cancelled:  Ctrl-L tries again"
                                                       : event->error.message);
        }
    }
}

void pl_figures_retry(pl_screen *screen)
{
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        screen->figures->panes[i].failed = false;
    }
}

pl_status pl_figures_create(pl_screen *screen, pl_error *err)
{
    size_t views = 0;
    while (pl_views()[views] != NULL) {
        views++;
    }
    screen->figures = calloc(1, sizeof *screen->figures);
    bool whole = screen->figures != NULL;
    for (size_t i = 0; whole && i < PL_DISPLAY_PANES; i++) {
        pl_pane_memo **memos = &screen->figures->places[i].memos;
        *memos = calloc(views, sizeof **memos);
        whole = *memos != NULL;
    }
    return whole ? PL_OK : pl_error_memory(err, "figures");
}

void pl_figures_drop(pl_screen *screen)
{
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        kept *k = &screen->figures->panes[i];
        stop_figure(screen, k);
        forget_figure(k);
        *k = (kept){0};
        screen->model.shown[i] = (pl_shown){0};
    }
}

void pl_figures_free(pl_screen *screen)
{
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        forget_figure(&screen->figures->panes[i]);
        if (i < PL_DISPLAY_PANES) {
            free(screen->figures->places[i].memos);
        }
    }
    free(screen->figures);
    screen->figures = NULL;
}

/* --- what the panes see ----------------------------------------------------------------------- */

/* Each view keeps its own place in a pane: where it was zoomed to, its crosshair. */
static void switch_place(pl_screen *screen, size_t index)
{
    pl_shown *shown = &screen->model.shown[index];
    const size_t at = pl_view_place(pl_view_of(screen->state, display_panes[index]));
    size_t *view = &screen->figures->places[index].view;
    pl_pane_memo *memos = screen->figures->places[index].memos;
    if (*view != at) {
        memos[*view] = shown->memo;
        shown->memo = memos[at];
        *view = at;
    }
}

static void fill_slot(pl_screen *screen, size_t index, const pl_state *state)
{
    const kept *k = &screen->figures->panes[index];
    pl_shown *shown = &screen->model.shown[index];
    pl_request request;
    if (state->source == NULL || !pl_view_request(state, pane_of(index), &request)) {
        return;
    }
    bool of_kind = k->made && k->kind == request.kind;
    const pl_screen_job *job = (k->job != 0 ? pl_jobs_of_id(&screen->jobs, k->job) : NULL);
    shown->needs = what_it_needs(screen, state, &request);
    bool keep = of_kind && (shown->needs == NULL || solves(screen));
    shown->figure = keep ? &k->figure : NULL;
    shown->stale = !pl_id_equal(k->base, pl_figures_key(screen, state, &request, false));
    shown->working = job != NULL;
    shown->seconds = job != NULL ? pl_clock_now() - job->started : 0;
    shown->share = job != NULL ? job->shown.share : 0;
    shown->error = k->failed ? k->error : NULL;
}

void pl_figures_fill(pl_screen *screen)
{
    if (screen->figures != NULL) {
        settle_focus(screen);
    }
    for (size_t i = 0; screen->figures != NULL && i < PL_SHOWN; i++) {
        pl_state own;
        if (i < PL_DISPLAY_PANES) {
            switch_place(screen, i);
        }
        const pl_state *state = state_of(screen, i, &own);
        screen->model.shown[i] = (pl_shown){.memo = screen->model.shown[i].memo};
        if (state != NULL) {
            fill_slot(screen, i, state);
        }
        pl_state_deinit(&own);
    }
}

bool pl_figures_paper(const pl_screen *screen, pl_request *out, pl_id *key, pl_id *base,
                      bool *ready)
{
    const pl_state *state = screen->state;
    if (screen->figures == NULL || state->source == NULL || solves(screen) ||
        pl_view_compares(state, PL_PANE_MAIN) || !pl_view_request(state, PL_PANE_MAIN, out)) {
        return false;
    }
    const pl_screen_view *view = pl_view_of(state, PL_PANE_MAIN);
    const bool live = !view->figure || (view->live != NULL && view->live(state, PL_PANE_MAIN));
    const kept *k = &screen->figures->panes[pl_view_index(PL_PANE_MAIN)];
    out->paper = true;
    *key = pl_figures_key(screen, state, out, true);
    *base = pl_figures_key(screen, state, out, false);
    *ready = what_it_needs(screen, state, out) == NULL &&
             (live || (k->made && pl_id_equal(k->key, *key)));
    return true;
}

/* --- export ----------------------------------------------------------------------------------- */

/* "-astro-gptq-w3": the methods whose result a figure shows; nothing where it shows none. */
static void put_shown_methods(const pl_state *state, const pl_request *request, pl_buf *out)
{
    const bool result =
        pl_request_wants_result(request) && pl_state_result(state, request->layer) != NULL;
    if (!result && !pl_request_uses_methods(request)) {
        return;
    }
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(state, request->layer, slot);
        if (spec->method != NULL) {
            pl_buf_printf(out, "-%s", spec->method->name);
        }
        if (spec->method != NULL && slot == PL_SLOT_ROUND) {
            pl_buf_puts(out, "-w");
            pl_spec_format_value(spec, PL_GRID_BITS, out);
        }
    }
}

/* The range that the pane is zoomed to, as the figure's limits. */
static void put_zoom(const pl_shown *shown, pl_buf *out)
{
    const pl_figure *figure = shown->figure;
    if (figure == NULL || figure->table != NULL || !(shown->memo.shown > 0)) {
        return;
    }
    pl_buf_puts(out, " xlim=");
    pl_imaging_put_zoom(&figure->x, shown->memo.first, shown->memo.shown, out);
}

void pl_figures_offer(pl_screen *screen)
{
    const pl_state *state = screen->state;
    pl_pane pane = screen->model.focus;
    pane = pl_view_index(pane) < PL_DISPLAY_PANES ? pane : PL_PANE_MAIN;
    pl_request request;
    if (state->source == NULL || !pl_view_request(state, pane, &request)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "this view is no figure");
        return;
    }
    char name[80] = "model";
    unsigned uses = request.kind->uses;
    if ((uses & PL_USES_LAYER) != 0) {
        pl_layer_short(pl_model_layer(state->source->model, state->layer), false, name,
                       sizeof name);
    }
    bool input = (uses & PL_USES_SIDE) != 0 && request.side == PL_SIDE_INPUT;
    pl_buf text = {0};
    pl_buf_printf(&text, "plot %s", request.kind->name);
    pl_request_keys(&request, &text);
    put_zoom(&screen->model.shown[pl_view_index(pane)], &text);
    /* The name last: there the cursor is, and its ending chooses the format. */
    pl_buf_printf(&text, " file=%s", name);
    put_shown_methods(state, &request, &text);
    pl_buf_printf(&text, "-%s%s.png", request.kind->name, input ? "-inputs" : "");
    if (!text.failed) {
        pl_screen_open_prompt(screen, text.data);
    }
    pl_buf_deinit(&text);
}
