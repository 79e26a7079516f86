/* Weights or inputs as they are and as the quantizers see them behind the layer's transform. */
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/base/checked.h"
#include "core/lab/turned.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_HISTOGRAM, FORM_CHANNELS };

/* Both versions, each over its own RMS: a transform may change the scale, which does not matter to
 * a quantizer. */
typedef struct versions {
    pl_mat plain, turned; /* turned: of solved weights what the rounder was handed */
    bool has_turned, keeps;
    const pl_spec *spec;
    char label[64]; /* of turned */
    bool paper;     /* labels as papers have them */
    pl_tensor_numbers numbers[2];
} versions;

static void normalize(pl_mat *values)
{
    double square = 0.0;
    const size_t count = values->rows * values->cols;
    for (size_t i = 0; i < count; i++) {
        square += (double)values->data[i] * (double)values->data[i];
    }
    const double rms = sqrt(square / (double)count);
    for (size_t i = 0; i < count && rms > 0.0; i++) {
        values->data[i] = (float)((double)values->data[i] / rms);
    }
}

static pl_status load_handed(pl_lab *lab, const pl_state *state, size_t layer, versions *v,
                             pl_error *err)
{
    pl_mat handed = {0};
    pl_status status = pl_turned_handed(lab, state, layer, &handed, err);
    if (status == PL_OK && handed.data != NULL) {
        pl_mat_deinit(&v->turned);
        v->turned = handed;
        v->has_turned = true;
        v->keeps = v->spec->method == NULL;
        pl_turned_handed_label(state, layer, v->label, sizeof v->label);
    }
    return status;
}

static pl_status load_transform(pl_context cx, const pl_request *request, versions *v,
                                pl_error *err)
{
    pl_id calibration = {0};
    const size_t layer = request->layer;
    v->spec = pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM);
    pl_status status = PL_OK;
    if (request->side == PL_SIDE_INPUT || v->spec->method != NULL) {
        const bool needed = request->side == PL_SIDE_INPUT || !v->spec->method->blind;
        status = pl_lab_find_calibration(cx, needed, &calibration, err);
    }
    PL_THEN(pl_turned_values(cx, calibration, layer, request->side, &v->plain, err));
    PL_THEN(pl_mat_copy(&v->turned, pl_mat_view(&v->plain), err));
    if (status == PL_OK && request->side == PL_SIDE_WEIGHT) {
        status = load_handed(cx.lab, cx.state, layer, v, err);
    }
    if (status == PL_OK && v->spec->method != NULL && !v->has_turned) {
        snprintf(v->label, sizeof v->label, "%s", v->spec->method->name);
        status = pl_turned_turn(cx, calibration, layer, request->side, v->spec, &v->turned,
                                &v->has_turned, &v->keeps, err);
    }
    if (status == PL_OK) {
        normalize(&v->plain);
        normalize(&v->turned);
        v->numbers[0] = pl_describe(pl_mat_view(&v->plain));
        v->numbers[1] = pl_describe(pl_mat_view(&v->turned));
    }
    return status;
}

static pl_status make_histogram(const versions *v, const char *title, bool input, pl_figure *out,
                                pl_error *err)
{
    pl_histogram_data data = {.title = title,
                              .x_label = input ? "input x / RMS" : "weight w / RMS",
                              .n_series = v->has_turned ? 2 : 1};
    data.values[0] = pl_mat_view(&v->plain);
    data.values[1] = pl_mat_view(&v->turned);
    data.labels[0] = v->paper ? "no transform" : "none";
    data.labels[1] = v->has_turned ? v->label : NULL;
    data.tones[0] = PL_TONE_BEFORE;
    data.tones[1] = PL_TONE_AFTER;
    return pl_figure_histogram(&data, out, err);
}

static pl_status make_channels(const versions *v, const pl_request *request, const char *title,
                               bool input, pl_figure *out, pl_error *err)
{
    const size_t n = v->plain.cols;
    float *max = pl_alloc(2 * n, sizeof *max);
    if (max == NULL) {
        return pl_error_memory(err, "%zu channels", n);
    }
    pl_column_stats(pl_mat_view(&v->plain), max, NULL, NULL);
    pl_column_stats(pl_mat_view(&v->turned), max + n, NULL, NULL);
    pl_channels_data data = {.title = title,
                             .y_label = input ? "largest |x| / RMS" : "largest |w| / RMS",
                             .n_series = v->has_turned ? 2 : 1,
                             .n = n,
                             .sorted = request->sorted,
                             .log = request->log,
                             .mark = request->channel < n,
                             .channel = request->channel};
    data.values[0] = max;
    data.values[1] = max + n;
    data.labels[0] = v->paper ? "no transform" : "none";
    data.labels[1] = v->has_turned ? v->label : NULL;
    data.tones[0] = PL_TONE_BEFORE;
    data.tones[1] = PL_TONE_AFTER;
    pl_status status = pl_figure_channels(&data, out, err);
    free(max);
    return status;
}

static void add_transform_facts(const versions *v, pl_figure *out)
{
    static const char *const suffix[] = {"_none", ""};
    for (size_t i = 0; i < (v->has_turned ? 2 : 1); i++) {
        char name[32];
        const pl_tensor_numbers *numbers = &v->numbers[i];
        const char *behind = v->has_turned ? suffix[i] : "";
        snprintf(name, sizeof name, "max_over_rms%s", behind);
        pl_figure_fact(out, name, "%.4g", numbers->max_over_rms);
        snprintf(name, sizeof name, "kurtosis%s", behind);
        pl_figure_fact(out, name, "%.4g", numbers->kurtosis);
        snprintf(name, sizeof name, "flatness%s", behind);
        pl_figure_fact(out, name, "%.4g", numbers->flatness);
    }
    if (v->spec->method != NULL && !v->has_turned) {
        pl_figure_fact(out, "transform", "%s: not learned yet", v->spec->method->name);
    }
}

static pl_status make_transform_figure(pl_context cx, const pl_request *request, pl_figure *out,
                                       pl_error *err)
{
    versions v = {.paper = request->paper};
    pl_buf title = {0};
    const bool input = request->side == PL_SIDE_INPUT;
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_buf_puts(&title, input ? ", inputs" : ", weights");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(load_transform(cx, request, &v, err));
    if (status == PL_OK && request->paper && v.has_turned) {
        pl_buf full = {0};
        pl_kind_in_full(v.label, &full);
        snprintf(v.label, sizeof v.label, "%s", full.data != NULL ? full.data : "");
        pl_text_trim_utf8(v.label);
        pl_buf_deinit(&full);
    }
    PL_THEN(request->form == FORM_HISTOGRAM
                ? make_histogram(&v, title.data, input, out, err)
                : make_channels(&v, request, title.data, input, out, err));
    if (status == PL_OK) {
        add_transform_facts(&v, out);
    }
    pl_mat_deinit(&v.plain);
    pl_mat_deinit(&v.turned);
    pl_buf_deinit(&title);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

static bool by_channel(const pl_figure *figure)
{
    return figure->n_series > 0 && figure->series[0].mark == PL_MARK_STEMS;
}

static double place_in_transform(const pl_looked *at)
{
    const size_t channel = at->state->channel;
    const bool shown = by_channel(at->figure) && (double)channel <= at->figure->x.hi;
    return shown ? (double)channel : (double)NAN;
}

static size_t channel_in_transform(const pl_looked *at, double x)
{
    return by_channel(at->figure) && x >= 0 ? (size_t)(x + 0.5) : SIZE_MAX;
}

static void say_transform(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    pl_buf_printf(out, by_channel(at->figure) ? "channel %.0f" : "%.3g RMS", x);
}

const pl_kind pl_kind_transform = {
    .name = "transform",
    .title = "Transform",
    .summary = "What the quantizers see: weights or inputs as they are and behind the layer's "
               "transform, solved weights behind its preconditioner, too, each over its RMS",
    .forms = "histogram|channels",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_ORDER | PL_USES_SCALE | PL_USES_CHANNEL |
            PL_USES_METHODS | PL_USES_LEARNING | PL_USES_SOLVED,
    .make = make_transform_figure,
    .look = {.help = "What the quantizers see: weights or inputs without the transform and "
                     "behind it, each over its RMS. t switches to the next transform.",
             .place = place_in_transform,
             .channel = channel_in_transform,
             .say = say_transform},
};
