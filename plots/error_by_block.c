/* The error of the solved layers over the depth: one line a role. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_ROUNDED, FORM_ERROR, FORM_OUTPUT, FORM_KL };

static double error_of(const pl_solve_report *report, int form)
{
    return form == FORM_ROUNDED ? report->rounded_relative_error
           : form == FORM_ERROR ? report->relative_error
                                : report->output_error;
}

static const char *error_label(int form)
{
    return form == FORM_ROUNDED
               ? "rounded error \u2016X(\u0174 \u2212 W\u2080)\u1d40\u2016\u00b2 / "
                 "\u2016XW\u2080\u1d40\u2016\u00b2"
           : form == FORM_KL    ? "KL divergence with the layer alone quantized, nats"
           : form == FORM_ERROR ? "error \u2016X(W \u2212 W\u2080)\u1d40\u2016\u00b2 / "
                                  "\u2016XW\u2080\u1d40\u2016\u00b2"
                                : "output error \u2016XW\u2080\u1d40 \u2212 Q(X)\u0174\u1d40\u2016"
                                  "\u00b2 / \u2016XW\u2080\u1d40\u2016\u00b2";
}

/* Sums over the layers of a role in a block: experts are several. */
typedef struct tally {
    double *sum;   /* [roles, blocks] */
    size_t *count; /* [roles, blocks] layers behind it */
    size_t blocks, layers, known;
    const char *names[PL_ROLE_COUNT];
} tally;

static pl_status take_reports(pl_lab *lab, const pl_state *state, int form, tally *t, pl_task *task,
                              pl_error *err)
{
    const pl_model *model = state->source->model;
    pl_status status = PL_OK;
    t->layers = pl_model_layer_count(model);
    t->blocks = pl_overview_blocks(model);
    t->sum = calloc(PL_ROLE_COUNT * t->blocks + 1, sizeof *t->sum);
    t->count = calloc(PL_ROLE_COUNT * t->blocks + 1, sizeof *t->count);
    if (t->sum == NULL || t->count == NULL) {
        return pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; status == PL_OK && i < t->layers; i++) {
        const pl_layer *info = pl_model_layer(model, i);
        const pl_id *result = pl_state_result(state, i);
        pl_solve_report report;
        double error = NAN;
        if (result != NULL && form == FORM_KL) {
            error = pl_sensitivity_of_result(lab, state, *result, NULL);
        } else if (result != NULL) {
            status = pl_result_report(lab, state, i, *result, &report, err);
            error = status == PL_OK ? error_of(&report, form) : NAN;
        }
        if (isfinite(error)) {
            const size_t at = (size_t)info->role * t->blocks + info->block;
            t->names[info->role] =
                info->brief != NULL ? "matrices" : pl_text_last_part(pl_overview_layer_name(info));
            t->sum[at] += error;
            t->count[at]++;
            t->known++;
        }
        PL_THEN(pl_task_tick(task, err));
    }
    if (status == PL_OK && t->known == 0 && form == FORM_KL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "error_by_block: what the layers cost the model is not measured: "
                            "`solve all`, then `sensitivity`");
    }
    if (status == PL_OK && t->known == 0) {
        status =
            pl_error_set(err, PL_ERR_STATE,
                         "error_by_block: no layer has %s with the present methods, `solve all` "
                         "first",
                         form == FORM_ROUNDED ? "a rounded error"
                         : form == FORM_ERROR ? "an error"
                                              : "an output error");
    }
    return status;
}

static pl_status add_role(const tally *t, size_t role, pl_figure *out, pl_error *err)
{
    const double *sum = t->sum + role * t->blocks;
    const size_t *count = t->count + role * t->blocks;
    size_t known = 0, at = 0;
    pl_series *series = NULL;
    for (size_t b = 0; b < t->blocks; b++) {
        known += count[b] > 0;
    }
    if (known == 0) {
        return PL_OK;
    }
    const pl_tone tone = (pl_tone)(PL_TONE_EXTRA + out->n_series % 8);
    pl_status status = pl_figure_add(out, t->names[role], PL_MARK_LINE, tone, known, &series, err);
    for (size_t b = 0; status == PL_OK && b < t->blocks; b++) {
        if (count[b] > 0) {
            series->x[at] = (double)b;
            series->y[at++] = sum[b] / (double)count[b];
        }
    }
    return status;
}

static void add_error_facts(const tally *t, pl_figure *out)
{
    size_t worst = 0;
    for (size_t i = 0; i < PL_ROLE_COUNT * t->blocks; i++) {
        const double mean = t->count[i] > 0 ? t->sum[i] / (double)t->count[i] : -1.0;
        const double most = t->count[worst] > 0 ? t->sum[worst] / (double)t->count[worst] : -1.0;
        worst = mean > most ? i : worst;
    }
    pl_figure_fact(out, "worst", "%.3g: %zu.%s", t->sum[worst] / (double)t->count[worst],
                   worst % t->blocks, t->names[worst / t->blocks]);
    if (t->known < t->layers) {
        pl_figure_fact(out, "not_solved", "%zu of %zu layers: `solve all`", t->layers - t->known,
                       t->layers);
    }
}

static pl_status make_error_by_block(pl_lab *lab, const pl_state *state, const pl_request *request,
                                     pl_figure *out, pl_task *task, pl_error *err)
{
    tally t = {0};
    pl_buf title = {0};
    pl_buf_printf(&title, "%s  %s", pl_model_name(state->source->model),
                  request->form == FORM_KL ? "what each layer costs the model"
                                           : "error of the solved layers");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(take_reports(lab, state, request->form, &t, task, err));
    PL_THEN(pl_figure_texts(out, title.data, pl_overview_unit(state->source->model),
                            error_label(request->form), err));
    for (size_t role = 0; status == PL_OK && role < PL_ROLE_COUNT; role++) {
        status = add_role(&t, role, out, err);
    }
    if (status == PL_OK) {
        add_error_facts(&t, out);
        pl_fit_positions(&out->x, 0, t.blocks);
        pl_fit_y(out, true, 0);
    }
    free(t.sum);
    free(t.count);
    pl_buf_deinit(&title);
    return status;
}

static size_t solved_layers(const pl_state *state, const pl_request *request, size_t *out)
{
    size_t count = 0;
    (void)request;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        if (pl_state_result(state, i) != NULL) {
            out[count++] = i;
        }
    }
    return count;
}

/* What measured the costs, each command once. */
static void put_cost_commands(pl_lab *lab, const pl_state *state, const pl_request *request,
                              pl_buf *out, pl_task *task)
{
    const size_t start = out->size;
    (void)task;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        const pl_id *result = pl_state_result(state, i);
        pl_buf said = {0};
        if (request->form == FORM_KL && result != NULL &&
            isfinite(pl_sensitivity_of_result(lab, state, *result, &said)) && said.size > 0) {
            pl_buf_puts(&said, "\n");
            if (out->size == start || strstr(out->data + start, said.data) == NULL) {
                pl_buf_puts(out, said.data);
            }
        }
        pl_buf_deinit(&said);
    }
}

/* --- on the screen ---------------------------------------------------------------------------- */

static void say_error_block(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    pl_buf_printf(out, "%s %.0f", at->figure->x.label, x);
}

/* The layer of the selected one's role in that block. */
static void enter_error_block(const pl_looked *at, double x, size_t row, pl_buf *command,
                              bool *solves)
{
    const pl_model *model = at->state->source->model;
    (void)row;
    (void)solves;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (fabs((double)layer->block - x) < 0.5 &&
            layer->role == pl_model_layer(model, at->state->layer)->role) {
            pl_buf_printf(command, "select %s", layer->name);
            return;
        }
    }
}

const pl_kind pl_kind_error_by_block = {
    .name = "error_by_block",
    .title = "Error by block",
    .summary = "The errors of the solved layers in every block, a line for each role: rounded, "
               "before rounding, of the outputs with quantized activations, or what each costs "
               "the model (`sensitivity`)",
    .forms = "rounded|error|output|kl",
    .uses = PL_USES_SOLVED | PL_USES_METHODS | PL_USES_ACTIVATIONS,
    .layers = solved_layers,
    .commands = put_cost_commands,
    .make = make_error_by_block,
    .look = {.help = "The errors of the solved layers in every block, a line for each role; Enter "
                     "goes to the selected one's in that block.",
             .whole = true,
             .snaps = true,
             .place = pl_look_block,
             .say = say_error_block,
             .enter = enter_error_block},
};
