/* The loss of a transform that is learned, step by step; or at its first and last step in every
 * block. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/base/checked.h"
#include "core/lab/transformed.h"

#include <math.h>
#include <stdlib.h>

enum { FORM_STEPS, FORM_BLOCKS };

static pl_status add_losses(const pl_learning *l, bool log, pl_figure *out, pl_error *err)
{
    size_t count = 0;
    pl_series *series = NULL;
    for (uint64_t i = 0; i <= l->steps; i++) {
        count += isfinite(l->losses[i]);
    }
    pl_status status =
        pl_figure_add(out, "loss of a batch", PL_MARK_LINE, PL_TONE_INPUT, count, &series, err);
    size_t at = 0;
    for (uint64_t i = 0; status == PL_OK && i <= l->steps; i++) {
        if (isfinite(l->losses[i])) {
            series->x[at] = (double)i;
            series->y[at++] = l->losses[i];
        }
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 0, (size_t)l->steps + 1);
        pl_fit_y(out, log, 0);
    }
    return status;
}

static void add_learning_facts(const pl_learning *l, pl_figure *out)
{
    const pl_series *series = &out->series[0];
    pl_figure_fact(out, "step", "%llu of %llu", (unsigned long long)l->step,
                   (unsigned long long)l->steps);
    pl_figure_fact(out, "loss_first", "%.4g", series->y[0]);
    pl_figure_fact(out, "loss", "%.4g", series->y[series->count - 1]);
    if (l->rollbacks > 0) {
        pl_figure_fact(out, "rollbacks", "%llu%s", (unsigned long long)l->rollbacks,
                       l->stopped ? ", stopped" : "");
    }
}

static const char *loss_name(const pl_state *state, size_t layer)
{
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    return pl_spec_is_of_block(spec) ? "‖F(X) − F′(X)‖² / ‖F(X) − X‖²"
           : spec->method != NULL && spec->method->loss != NULL
               ? spec->method->loss
               : "‖XWᵀ − Q(XT) Q(WT⁻ᵀ)ᵀ‖² / ‖XWᵀ‖²";
}

/* Its symbols; NULL where a method has a loss of its own, which its help explains. */
static const char *loss_explained(const pl_state *state, size_t layer)
{
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    return pl_spec_is_of_block(spec)
               ? "F is the block in full precision, F′ the same block with its transforms and with "
                 "weights, inputs and cache quantized, X what the full-precision blocks before it "
                 "give; the loss is the share of what the block adds to X that F′ gets wrong."
           : spec->method != NULL && spec->method->loss != NULL
               ? NULL
               : "X is what the site sees, W the weights of its layers, T the transform, Q "
                 "rounding "
                 "to nearest; the loss is the share of the output that is wrong.";
}

/* The last loss that is known. */
static double last_loss(const pl_learning *l)
{
    double last = (double)NAN;
    for (uint64_t i = 0; i <= l->step && i <= l->steps; i++) {
        last = isfinite(l->losses[i]) ? l->losses[i] : last;
    }
    return last;
}

/* The layer of that layer's role in a block. */
static size_t layer_in(const pl_state *state, size_t layer, size_t block)
{
    const pl_model *model = state->source->model;
    const pl_layer *like = pl_model_layer(model, layer);
    size_t first = 0;
    const size_t count = pl_model_block_layers(model, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const pl_layer *other = pl_model_layer(model, i);
        if (other->role == like->role && other->expert == like->expert) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* What the block's site has reached; false where nothing has been learned. */
static bool find_learning(pl_context cx, pl_id calibration, size_t layer, size_t block,
                          pl_learning *out)
{
    const size_t like = layer_in(cx.state, layer, block);
    *out = (pl_learning){0};
    return like != SIZE_MAX &&
           pl_spec_is_learned(pl_state_spec(cx.state, like, PL_SLOT_TRANSFORM)) &&
           pl_site_learning(cx, calibration, like, out, NULL) == PL_OK;
}

static pl_status add_blocks(pl_context cx, const pl_request *request, pl_id calibration,
                            pl_figure *out, pl_error *err)
{
    const size_t blocks = pl_model_config(cx.state->source->model)->blocks;
    static const char *const names[] = {"first step", "last step"};
    size_t found = 0, done = 0;
    double *points = pl_alloc(3 * blocks, sizeof *points); /* block, first, last */
    pl_status status = points != NULL ? PL_OK : pl_error_memory(err, "a figure of learning");
    for (size_t block = 0; status == PL_OK && block < blocks; block++) {
        pl_learning l;
        if (find_learning(cx, calibration, request->layer, block, &l)) {
            double *point = points + 3 * found++;
            point[0] = (double)block;
            point[1] = l.losses[0];
            point[2] = last_loss(&l);
            done += pl_learning_done(&l);
        }
        pl_learning_deinit(&l);
        status = pl_task_tick(cx.task, err);
    }
    if (status == PL_OK && found == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "no block's transform has been learned yet: `learn` or `solve all` "
                              "does it");
    }
    for (size_t i = 0; status == PL_OK && i < 2; i++) {
        pl_series *series = NULL;
        status = pl_figure_add(out, names[i], PL_MARK_LINE, i == 0 ? PL_TONE_BEFORE : PL_TONE_INPUT,
                               found, &series, err);
        for (size_t k = 0; status == PL_OK && k < found; k++) {
            series->x[k] = points[3 * k];
            series->y[k] = points[3 * k + 1 + i];
        }
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 0, blocks);
        pl_fit_y(out, request->log, 0);
        pl_figure_fact(out, "learned", "%zu of %zu blocks", done, blocks);
    }
    free(points);
    return status;
}

static bool is_of_model(const pl_spec *spec)
{
    return spec->method != NULL && spec->method->turns_stream;
}

/* What a loss is of, where that is not the layer's site alone. */
static void put_whose_loss(const pl_state *state, size_t layer, bool by_block, pl_figure *out)
{
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    if (by_block) {
        snprintf(out->of, sizeof out->of, "%s",
                 pl_spec_is_of_block(spec) ? "all blocks" : "this site in all blocks");
    } else if (pl_spec_is_of_block(spec)) {
        snprintf(out->of, sizeof out->of, "block %zu",
                 pl_model_layer(state->source->model, layer)->block);
    } else if (is_of_model(spec)) {
        snprintf(out->of, sizeof out->of, "the whole model");
    }
}

/* "15.q_proj", "block 15" or "SmolLM2-135M", as what is learned together; by block "SmolLM2-135M",
 * or "SmolLM2-135M, self_attn.q_proj" of sites. */
static void put_learning_title(const pl_state *state, size_t layer, bool by_block, pl_buf *out)
{
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_TRANSFORM);
    const pl_layer *of = pl_model_layer(state->source->model, layer);
    const bool of_block = pl_spec_is_of_block(spec);
    if (by_block || is_of_model(spec)) {
        pl_overview_put_model(state->source->model, out);
        if (by_block && !of_block) {
            pl_buf_printf(out, ", %s", pl_overview_layer_name(of));
        }
    } else if (of_block) {
        pl_buf_printf(out, "block %zu", of->block);
    } else {
        pl_kind_layer_title(state, layer, out);
    }
}

static pl_status make_learning(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    const bool by_block = request->form == FORM_BLOCKS;
    pl_id calibration = {0};
    pl_learning reached = {0};
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    if (status == PL_OK && !by_block) {
        status = pl_site_learning(cx, calibration, request->layer, &reached, err);
    }
    if (status == PL_OK) {
        pl_buf title = {0};
        put_learning_title(cx.state, request->layer, by_block, &title);
        status = pl_buf_check(&title, err);
        PL_THEN(pl_figure_texts(out, title.data, by_block ? "block" : "step",
                                loss_name(cx.state, request->layer), err));
        pl_buf_deinit(&title);
    }
    out->explanation = loss_explained(cx.state, request->layer);
    put_whose_loss(cx.state, request->layer, by_block, out);
    if (status == PL_OK && by_block) {
        return add_blocks(cx, request, calibration, out, err);
    }
    PL_THEN(add_losses(&reached, request->log, out, err));
    if (status == PL_OK) {
        add_learning_facts(&reached, out);
    }
    pl_learning_deinit(&reached);
    return status;
}

/* A figure by block shows other blocks' learnings, too. */
static void put_learnings(pl_context cx, const pl_request *request, pl_buf *out)
{
    const size_t blocks = pl_model_config(cx.state->source->model)->blocks;
    pl_id calibration = {0};
    if (request->form != FORM_BLOCKS || pl_lab_calibration(cx, &calibration, NULL) != PL_OK) {
        return;
    }
    for (size_t block = 0; block < blocks; block++) {
        pl_learning l;
        if (find_learning(cx, calibration, request->layer, block, &l)) {
            const size_t layer = layer_in(cx.state, request->layer, block);
            pl_buf_printf(out, "learn %s", pl_model_layer(cx.state->source->model, layer)->name);
            if (!pl_learning_done(&l)) {
                pl_buf_printf(out, " until=%llu", (unsigned long long)l.step);
            }
            pl_buf_puts(out, "\n");
        }
        pl_learning_deinit(&l);
    }
}

/* --- on the screen ---------------------------------------------------------------------------- */

const pl_kind pl_kind_learning = {
    .name = "learning",
    .title = "Learning",
    .summary = "The loss of a learned transform, step by step: what the quantized site or block "
               "gets wrong of its output; form=blocks: the first and last loss of every block",
    .forms = "steps|blocks",
    .uses = PL_USES_LAYER | PL_USES_SCALE | PL_NEEDS_INPUTS | PL_USES_METHODS | PL_USES_LEARNING,
    .make = make_learning,
    .commands = put_learnings,
    .look = {.help = "The loss of a learned transform (flatquant), step by step, while it learns "
                     "and after: r learns and pauses, R forgets. f: of every block.",
             .say = pl_look_say_number},
};
