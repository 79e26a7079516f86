/* plot: from the state to a figure with its provenance. */
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/checked.h"
#include "core/metrics/outliers.h"
#include "core/tensor/linalg.h"
#include "plots/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the words and keys of a plot command say. */
typedef struct request {
    bool channels;
    size_t layer;
    pl_side side;
    pl_which which;
    bool sorted, log;
    pl_page page;
    const char *file;
} request;

static const char *const side_names[] = {"weight", "input"};
static const char *const which_names[] = {"before", "preconditioned", "after", "both"};

static pl_status read_request(const pl_call *call, const pl_state *state, request *out,
                              pl_error *err)
{
    *out = (request){0};
    size_t side = 0;
    size_t sorted = 0;
    size_t log = 0;
    const char *kind = call->words[0];
    out->channels = strcmp(kind, "channels") == 0;
    if (!out->channels && strcmp(kind, "histogram") != 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "plot: no figure is named \"%s\", expected histogram or channels",
                            kind);
    }
    out->file = pl_call_value(call, "file");
    if (out->file == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "plot: needs file=PATH (.png, .pdf or .svg)");
    }
    pl_status status = pl_target_layer(call, state, 1, &out->layer, err);
    size_t which = status == PL_OK && pl_state_result(state, out->layer) != NULL
                       ? PL_WHICH_BOTH
                       : PL_WHICH_BEFORE;
    if (status == PL_OK) {
        status = pl_usage_choice(call, "side", &side, err);
    }
    if (status == PL_OK) {
        status = pl_usage_choice(call, "which", &which, err);
    }
    if (status == PL_OK) {
        status = pl_usage_choice(call, "order", &sorted, err);
    }
    if (status == PL_OK) {
        status = pl_usage_choice(call, "scale", &log, err);
    }
    if (status == PL_OK) {
        status = pl_usage_inches(call, "width", &out->page.width_in, err);
    }
    if (status == PL_OK) {
        status = pl_usage_inches(call, "height", &out->page.height_in, err);
    }
    if (status == PL_OK) {
        status = pl_usage_real(call, "dpi", 30, 2400, &out->page.dpi, err);
    }
    out->side = (pl_side)side;
    out->which = (pl_which)which;
    out->sorted = sorted != 0;
    out->log = log != 0;
    return status;
}

/* The kinds of weights a request draws, in drawing order. */
static size_t drawn_kinds(pl_which which, pl_which out[2])
{
    if (which != PL_WHICH_BOTH) {
        out[0] = which;
        return 1;
    }
    out[0] = PL_WHICH_BEFORE;
    out[1] = PL_WHICH_PRECONDITIONED;
    return 2;
}

static pl_tone tone_of(pl_which which)
{
    return which == PL_WHICH_BEFORE           ? PL_TONE_BEFORE
           : which == PL_WHICH_PRECONDITIONED ? PL_TONE_PRECONDITIONED
                                              : PL_TONE_AFTER;
}

/* "before", "astro, β = 0.0003", "astro + gptq, 3 bits": short enough for a legend in a column. */
static void series_label(const pl_state *state, size_t layer, pl_which which, pl_buf *out)
{
    const pl_spec *first = pl_state_spec(state, layer, PL_SLOT_PRECONDITION);
    const pl_spec *last = pl_state_spec(state, layer, PL_SLOT_ROUND);
    bool rounded = which == PL_WHICH_AFTER && last->method != NULL;
    if (which == PL_WHICH_BEFORE) {
        pl_buf_puts(out, "before");
        return;
    }
    if (pl_state_result(state, layer) == NULL) {
        pl_buf_printf(out, "%s (not solved)", which_names[which]);
        return;
    }
    if (first->method != NULL) {
        pl_buf_puts(out, first->method->name);
        if (!rounded && pl_method_param(first->method, "beta") != SIZE_MAX) {
            pl_buf_puts(out, ", β = ");
            pl_spec_format_value(first, pl_method_param(first->method, "beta"), out);
        }
    }
    if (rounded) {
        pl_buf_printf(out, "%s%s, %g bits", first->method != NULL ? " + " : "",
                      last->method->name, pl_spec_value(last, "bits"));
    } else if (first->method == NULL) {
        pl_buf_puts(out, "no preconditioner: original");
    }
}

typedef struct drawing {
    pl_mat weights[2];
    float *maxima[2];
    pl_buf labels[2];
    size_t n;
    pl_buf title;
} drawing;

static void drawing_deinit(drawing *d)
{
    for (size_t i = 0; i < 2; i++) {
        pl_mat_deinit(&d->weights[i]);
        free(d->maxima[i]);
        pl_buf_deinit(&d->labels[i]);
    }
    pl_buf_deinit(&d->title);
}

static pl_status load_weights(pl_lab *lab, const pl_state *state, const request *r, drawing *d,
                              pl_error *err)
{
    pl_which kinds[2];
    const pl_layer *info = pl_model_layer(state->source->model, r->layer);
    d->n = drawn_kinds(r->which, kinds);
    for (size_t i = 0; i < d->n; i++) {
        pl_status status = pl_mat_init(&d->weights[i], info->rows, info->cols, err);
        if (status == PL_OK) {
            status = pl_layer_weights(lab, state, r->layer, kinds[i], d->weights[i].data, err);
        }
        if (status == PL_OK && (d->maxima[i] = pl_alloc(info->cols, sizeof(float))) == NULL) {
            status = pl_error_set(err, PL_ERR_MEMORY, "out of memory");
        }
        if (status != PL_OK) {
            return status;
        }
        pl_column_stats(pl_mat_view(&d->weights[i]), d->maxima[i], NULL, NULL);
        series_label(state, r->layer, kinds[i], &d->labels[i]);
    }
    return PL_OK;
}

static pl_status weight_figure(pl_lab *lab, const pl_state *state, const request *r,
                               const char *title, pl_figure *out, pl_error *err)
{
    drawing d = {0};
    pl_which kinds[2];
    drawn_kinds(r->which, kinds);
    pl_status status = load_weights(lab, state, r, &d, err);
    if (status == PL_OK && r->channels) {
        pl_channels_data data = {
            .title = title,
            .y_label = "max |w| per input channel",
            .n_series = d.n,
            .n = d.weights[0].cols,
            .sorted = r->sorted,
            .log = r->log,
            .median_rule = true,
        };
        for (size_t i = 0; i < d.n; i++) {
            data.values[i] = d.maxima[i];
            data.labels[i] = d.labels[i].data;
            data.tones[i] = tone_of(kinds[i]);
        }
        status = pl_figure_channels(&data, out, err);
    } else if (status == PL_OK) {
        pl_histogram_data data = {.title = title, .x_label = "weight w", .n_series = d.n};
        for (size_t i = 0; i < d.n; i++) {
            data.values[i] = pl_mat_view(&d.weights[i]);
            data.labels[i] = d.labels[i].data;
            data.tones[i] = tone_of(kinds[i]);
        }
        status = pl_figure_histogram(&data, out, err);
    }
    drawing_deinit(&d);
    return status;
}

static pl_status input_figure(pl_lab *lab, const pl_state *state, const request *r,
                              const char *title, pl_figure *out, pl_task *task, pl_error *err)
{
    pl_id calibration = {0};
    pl_bench bench = {0};
    const pl_layer *info = pl_model_layer(state->source->model, r->layer);
    pl_status status = pl_lab_calibration(lab, state, &calibration, task, err);
    if (status == PL_OK) {
        status = pl_lab_site(lab, state, calibration, info->site, &bench, task, err);
    }
    if (status == PL_OK && r->channels) {
        pl_channels_data data = {
            .title = title,
            .y_label = "max |x| per input channel",
            .values = {bench.stats->max},
            .labels = {"input"},
            .tones = {PL_TONE_INPUT},
            .n_series = 1,
            .n = bench.stats->n,
            .sorted = r->sorted,
            .log = r->log,
            .median_rule = true,
        };
        status = pl_figure_channels(&data, out, err);
    } else if (status == PL_OK) {
        status = pl_figure_input_histogram(title, bench.stats->histogram, out, err);
    }
    pl_lab_release(lab, &bench);
    return status;
}

static void put_length(pl_buf *out, const char *key, const pl_call *call)
{
    const char *value = pl_usage_text(call, key);
    pl_buf_printf(out, " %s=%s", key, value);
}

/* The commands that rebuild the figure: no output path, no absolute path, no time, no host. */
static void rebuild_commands(const pl_call *call, const pl_state *state, const request *r,
                             pl_buf *out)
{
    pl_state here = *state; /* borrowed: only the selection differs */
    here.layer = r->layer;
    pl_state_commands(&here, false, out);
    pl_buf_printf(out, "plot %s side=%s", r->channels ? "channels" : "histogram",
                  side_names[r->side]);
    if (r->side == PL_SIDE_WEIGHT) {
        pl_buf_printf(out, " which=%s", which_names[r->which]);
    }
    if (r->channels) {
        pl_buf_printf(out, " order=%s scale=%s", r->sorted ? "sorted" : "index",
                      r->log ? "log" : "linear");
    }
    put_length(out, "width", call);
    put_length(out, "height", call);
    put_length(out, "dpi", call);
    pl_buf_puts(out, "\n");
}

typedef struct provenance {
    pl_buf commands, model, layer, methods, seed, libraries;
} provenance;

static pl_status gather(const pl_call *call, const pl_state *state, const request *r,
                        provenance *p, pl_task *task, pl_error *err)
{
    pl_model *model = state->source->model;
    pl_id id = {0};
    pl_status status = pl_model_identity(model, &id, task, err);
    if (status != PL_OK) {
        return status;
    }
    char text[PL_ID_TEXT];
    pl_id_format(id, text);
    rebuild_commands(call, state, r, &p->commands);
    pl_buf_printf(&p->model, "%s %s", pl_model_name(model), text);
    pl_buf_puts(&p->layer, pl_model_layer(model, r->layer)->name);
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(state, r->layer, slot);
        if (spec->method != NULL) {
            pl_buf_puts(&p->methods, p->methods.size > 0 ? " > " : "");
            pl_spec_format(spec, &p->methods);
        }
    }
    pl_buf_printf(&p->seed, "%llu", (unsigned long long)state->calibration.protocol.seed);
    pl_page_libraries(&p->libraries);
    bool failed = p->commands.failed || p->model.failed || p->methods.failed || p->libraries.failed;
    return failed ? pl_error_set(err, PL_ERR_MEMORY, "out of memory") : PL_OK;
}

static void provenance_deinit(provenance *p)
{
    pl_buf_deinit(&p->commands);
    pl_buf_deinit(&p->model);
    pl_buf_deinit(&p->layer);
    pl_buf_deinit(&p->methods);
    pl_buf_deinit(&p->seed);
    pl_buf_deinit(&p->libraries);
}

static pl_status write_figure(pl_call *call, const pl_state *state, const request *r,
                              const pl_figure *figure, pl_task *task, pl_error *err)
{
    provenance p = {0};
    size_t width = 0;
    size_t height = 0;
    pl_status status = gather(call, state, r, &p, task, err);
    if (status == PL_OK) {
        const pl_provenance list[] = {
            {"Software", "planish " PL_VERSION},
            {"Planish-Commands", p.commands.data},
            {"Planish-Model", p.model.data},
            {"Planish-Layer", p.layer.data},
            {"Planish-Methods", p.methods.data != NULL ? p.methods.data : "none"},
            {"Planish-Seed", p.seed.data},
            {"Planish-Version", PL_VERSION},
            {"Planish-Libraries", p.libraries.data != NULL ? p.libraries.data : ""},
            {"Planish-BLAS", pl_linalg_config()},
        };
        status = pl_page_write(figure, &r->page, list, sizeof list / sizeof list[0], r->file,
                               &width, &height, err);
    }
    provenance_deinit(&p);
    if (status == PL_OK) {
        char safe[1024];
        pl_text_escape(r->file, strlen(r->file), safe, sizeof safe);
        json_object_set_new(call->result, "file", json_string(safe));
        json_object_set_new(call->result, "width_px", json_integer((json_int_t)width));
        json_object_set_new(call->result, "height_px", json_integer((json_int_t)height));
    }
    return status;
}

pl_status pl_run_plot(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                      pl_error *err)
{
    request r;
    pl_status status = read_request(call, state, &r, err);
    if (status != PL_OK) {
        return status;
    }
    pl_figure figure = {0};
    pl_buf title = {0};
    const pl_layer *info = pl_model_layer(state->source->model, r.layer);
    pl_buf_printf(&title, "%s  [%zu, %zu]", info->name, info->rows, info->cols);
    status = pl_buf_check(&title, err);
    if (status == PL_OK) {
        status = r.side == PL_SIDE_WEIGHT
                     ? weight_figure(lab, state, &r, title.data, &figure, err)
                     : input_figure(lab, state, &r, title.data, &figure, task, err);
    }
    if (status == PL_OK) {
        status = write_figure(call, state, &r, &figure, task, err);
        pl_figure_deinit(&figure);
    }
    pl_buf_deinit(&title);
    return status;
}
