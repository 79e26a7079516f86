#include "core/live/live.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/lab/fused.h"
#include "core/lab/pipeline.h"
#include "core/lab/place.h"
#include "core/lab/weights.h"
#include "core/live/picture_parts.h"
#include "core/live/preview.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/state/kept.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights of a layer whose stored result is read within a frame's time. */
enum { READ_AT_ONCE = 1 << 22 };

/* Between two frames of the rows that stream in. */
static const double FRAME_SECONDS = 0.06;

struct pl_live {
    pl_source *source; /* of what is kept, or NULL */
    size_t layer;
    pl_id calibration;
    pl_mat w0;
    pl_preview *preview;
    float most;              /* of the layers that share its scale; 0: not asked for yet */
    pl_picture *base;        /* or NULL: made afresh */
    pl_id kept[PL_MAX_KEPT]; /* the settings that base was made with */
    size_t n_kept, group_size;
};

pl_status pl_live_create(pl_live **out, pl_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PL_OK : pl_error_memory(err, "a preview");
}

static void forget_live(pl_live *live)
{
    pl_preview_destroy(live->preview);
    pl_picture_destroy(live->base);
    pl_mat_deinit(&live->w0);
    pl_source_release(live->source);
    *live = (pl_live){0};
}

void pl_live_destroy(pl_live *live)
{
    if (live != NULL) {
        forget_live(live);
        free(live);
    }
}

/* Weights and rows of the layer, kept from the last turn where it was the same one. */
static pl_status take_layer(pl_live *live, const pl_state *state, size_t layer, pl_id calibration,
                            pl_error *err)
{
    if (live->source == state->source && live->layer == layer &&
        pl_id_equal(live->calibration, calibration)) {
        return PL_OK;
    }
    forget_live(live);
    pl_status status = pl_weights_make((pl_context){NULL, state, NULL}, layer,
                                       (pl_weights_of){.which = PL_WHICH_BEFORE}, &live->w0, err);
    PL_THEN(pl_preview_create(pl_mat_view(&live->w0), &live->preview, err));
    if (status != PL_OK) {
        forget_live(live);
        return status;
    }
    live->source = pl_source_retain(state->source);
    live->layer = layer;
    live->calibration = calibration;
    return PL_OK;
}

static bool same_kept(const pl_live *live, const pl_state *state)
{
    bool same = live->n_kept == state->n_kept;
    for (size_t i = 0; same && i < state->n_kept; i++) {
        same = pl_id_equal(live->kept[i], state->kept[i]->id);
    }
    return same;
}

/* The picture that every frame begins with. */
static pl_status take_base(pl_live *live, pl_context cx, pl_error *err)
{
    const size_t group_size = pl_picture_group_size(cx.state, live->layer);
    if (live->base != NULL && !same_kept(live, cx.state)) {
        pl_picture_destroy(live->base);
        live->base = NULL;
    }
    if (live->base == NULL) {
        pl_status status = pl_picture_base(cx, live->layer, &live->w0, &live->base, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i < cx.state->n_kept; i++) {
            live->kept[i] = cx.state->kept[i]->id;
        }
        live->n_kept = cx.state->n_kept;
    } else if (group_size != live->group_size) {
        live->base->group_max_before = pl_group_max_mean(pl_mat_view(&live->w0), group_size);
    }
    live->group_size = group_size;
    return PL_OK;
}

/* --- frames ----------------------------------------------------------------------------------- */

typedef struct turn {
    pl_live *live;
    pl_factors *factors;
    const pl_state *state;
    pl_frame_fn frame;
    void *ctx;
    bool rounding; /* the cold solve has all its preconditioned rows */
    bool about;    /* the preview's strength is about the one that the solve finds */
    size_t final[2];
    double shown_at;
} turn;

static float *copy_max(const float *max, size_t n)
{
    float *copy = max != NULL ? pl_alloc(n, sizeof *copy) : NULL;
    if (copy != NULL) {
        memcpy(copy, max, n * sizeof *copy);
    }
    return copy;
}

/* Out of memory costs a frame, no more. */
static void show(turn *t)
{
    pl_picture *picture = NULL;
    const pl_live *live = t->live;
    const pl_preview_now now = pl_preview_read(live->preview);
    const bool prepares =
        pl_state_spec(t->state, live->layer, PL_SLOT_PRECONDITION)->method != NULL;
    if (pl_picture_copy(live->base, &picture, NULL) != PL_OK) {
        return;
    }
    picture->solved = true;
    picture->report = pl_solve_report_empty();
    picture->report.group_max_before = picture->group_max_before;
    picture->report.group_max_after =
        prepares ? now.numbers.group_max_after : picture->group_max_before;
    if (!t->about) { /* an error by a strength nearby may be farther off than what is shown */
        picture->report.relative_error = prepares ? now.numbers.relative_error : 0.0;
        picture->report.rounded_relative_error = now.numbers.rounded_relative_error;
        picture->report.bound = now.numbers.bound;
    }
    picture->preconditioned = copy_max(now.preconditioned, picture->cols);
    picture->after = copy_max(now.rounded, picture->cols);
    picture->preview_rounding = t->rounding || !prepares;
    const size_t rows = picture->preview_rounding ? now.rounded_rows : now.preconditioned_rows;
    picture->preview_rows = rows > 0 ? rows : 1;
    t->frame(t->ctx, picture);
    t->shown_at = pl_clock_now();
}

static void on_rows(void *ctx, bool rounded, size_t first, size_t count, const float *w)
{
    turn *t = ctx;
    const bool rounds = pl_state_spec(t->state, t->live->layer, PL_SLOT_ROUND)->method != NULL;
    pl_preview_add(t->live->preview, rounded, first, count, w);
    t->final[rounded] += count;
    t->rounding = rounds && t->final[0] >= t->live->w0.rows;
    if (pl_clock_now() - t->shown_at >= FRAME_SECONDS) {
        show(t);
    }
}

static pl_status preview(turn *t, pl_task *task, pl_error *err)
{
    pl_live *live = t->live;
    const char *name = pl_model_layer(t->state->source->model, live->layer)->name;
    const pl_spec *first = pl_state_spec(t->state, live->layer, PL_SLOT_PRECONDITION);
    pl_spec settled = *first;
    const pl_layer_input in = {.layer = name, .factors = t->factors, .w = pl_mat_view(&live->w0)};
    pl_status status = first->method != NULL && first->method->settle != NULL
                           ? first->method->settle(first, &in, &settled, task, err)
                           : PL_OK;
    t->about = !pl_spec_equal(first, &settled);
    const pl_spec *round = pl_state_spec(t->state, live->layer, PL_SLOT_ROUND);
    pl_preview_begin(live->preview, name, &settled, round);
    if (pl_spec_shares_scale(round)) {
        if (!(live->most > 0.0f)) {
            PL_THEN(pl_fused_most((pl_context){NULL, t->state, task}, live->layer, NULL, NULL,
                                  &live->most, err));
        }
        pl_preview_share(live->preview, live->most);
    }
    for (bool more = true; status == PL_OK && more;) {
        status = pl_preview_step(live->preview, t->factors, &more, task, err);
        if (status == PL_OK) {
            show(t);
        }
    }
    return status;
}

static pl_status solve_with(turn *t, pl_lab *lab, pl_solve_report *report, pl_id *result,
                            pl_task *task, pl_error *err)
{
    pl_live *live = t->live;
    bool found = false;
    pl_status status = PL_OK;
    if (live->w0.rows * live->w0.cols <= READ_AT_ONCE) {
        status = pl_solve_find((pl_context){lab, t->state, task}, live->layer, live->calibration,
                               &found, report, result, err);
        if (status != PL_OK || found) {
            return status;
        }
    }
    status = take_base(live, (pl_context){lab, t->state, task}, err);
    PL_THEN(preview(t, task, err));
    if (status != PL_OK) {
        return status;
    }
    pl_solve_watch watch = {.rows = on_rows, .ctx = t};
    watch.warm = pl_preview_warm(live->preview, &watch.place);
    status = pl_solve_under((pl_context){lab, t->state, task}, live->layer, live->calibration,
                            &watch, report, result, err);
    if (status == PL_OK && t->final[0] >= live->w0.rows) {
        pl_preview_finish(live->preview);
    }
    return status;
}

pl_status pl_live_solve(pl_live *live, pl_context cx, size_t layer, pl_frame_fn frame, void *ctx,
                        pl_solve_report *report, pl_id *result, pl_error *err)
{
    *report = pl_solve_report_empty();
    *result = (pl_id){0};
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    turn t = {.live = live, .state = cx.state, .frame = frame, .ctx = ctx};
    pl_place at = {0};
    if (!pl_layer_has_method(cx.state, layer)) {
        return pl_solve_no_method(info->name, err);
    }
    if (pl_model_is_blind(cx.state->source->model, layer) ||
        pl_state_is_imported(cx.state, layer) ||
        pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM)->method != NULL ||
        (pl_solve_is_blind(cx.state, layer) && !pl_lab_can_calibrate(cx.state))) {
        return pl_solve_layer(cx, layer, report, result, err); /* without frames */
    }
    pl_status status = pl_place_hold(cx, layer, &at, err);
    PL_THEN(take_layer(live, cx.state, layer, at.calibration, err));
    if (status == PL_OK) {
        t.factors = at.bench.factors;
        status = solve_with(&t, cx.lab, report, result, cx.task, err);
    }
    pl_place_leave(cx.lab, &at);
    return status;
}

pl_status pl_live_prepare(pl_live *live, pl_context cx, size_t layer, pl_error *err)
{
    pl_id calibration = {0};
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(take_layer(live, cx.state, layer, calibration, err));
    return status == PL_OK ? take_base(live, cx, err) : status;
}

/* --- what a turn needs beforehand ------------------------------------------------------------- */

/* Factors of the plan's methods. */
static pl_status prepare_factors(const pl_state *state, size_t layer, const pl_place *at,
                                 pl_task *task, pl_error *err)
{
    const pl_spec *first = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    const pl_spec *round = pl_state_spec(state, layer, PL_SLOT_ROUND);
    pl_mat w0 = {0};
    pl_layer_input in;
    pl_status status = PL_OK;
    if (first->method != NULL && first->method->prepare != NULL) {
        status = pl_place_read(at, state, layer, &w0, &in, task, err);
        PL_THEN(first->method->prepare(first, &in, task, err));
    }
    pl_mat_deinit(&w0);
    if (status == PL_OK && round->method != NULL && round->method->prepare != NULL) {
        in = (pl_layer_input){.layer = pl_model_layer(state->source->model, layer)->name,
                              .factors = at->bench.factors};
        status = round->method->prepare(round, &in, task, err);
    }
    return status;
}

pl_status pl_live_factors(pl_context cx, size_t layer, pl_error *err)
{
    pl_place at = {0};
    pl_status status = pl_place_hold(cx, layer, &at, err);
    PL_THEN(prepare_factors(cx.state, layer, &at, cx.task, err));
    pl_place_leave(cx.lab, &at);
    return status;
}
