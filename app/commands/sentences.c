#include "app/commands/sentences.h"

#include "app/commands/parts.h"
#include "app/report.h"
#include "core/base/json.h"
#include "core/base/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t length_of(const pl_call *call, const char *key)
{
    return json_array_size(json_object_get(call->result, key));
}

/* "15.q_proj" of "model.layers.15.self_attn.q_proj"; of longer names, experts', all but what every
 * one begins with. */
static void put_layer_brief(const char *name, pl_buf *out)
{
    static const char common[] = "model.layers.";
    const bool usual = strncmp(name, common, sizeof common - 1) == 0;
    const char *rest = usual ? name + sizeof common - 1 : name;
    const char *part = usual ? strchr(rest, '.') : NULL;
    const char *last = part != NULL ? strchr(part + 1, '.') : NULL;
    if (last != NULL && strchr(last + 1, '.') == NULL) {
        pl_buf_printf(out, "%.*s%s", (int)(part - rest), rest, last);
    } else {
        pl_buf_puts(out, rest);
    }
}

static void put_number(const char *before, double value, pl_buf *out)
{
    char text[PL_NUMBER_TEXT];
    pl_format_number(value, text);
    pl_buf_printf(out, "%s%s", before, text);
}

static void put_counted(double value, const char *behind, pl_buf *out)
{
    char text[PL_NUMBER_TEXT];
    pl_format_count(value, text);
    pl_buf_printf(out, "%s%s", text, behind);
}

static void put_change(const char *before, double from, double to, pl_buf *out)
{
    char text[PL_NUMBER_TEXT];
    char with_minus[PL_NUMBER_TEXT + 4];
    pl_format_change(from, to, text);
    pl_text_minus(text, with_minus, sizeof with_minus);
    pl_buf_printf(out, "%s%s", before, with_minus);
}

void pl_line_solve(const pl_call *call, pl_buf *out)
{
    const size_t layers = length_of(call, "layers");
    const double before = pl_json_number_of(call->result, "group_max_before");
    const double rounded = pl_json_number_of(call->result, "rounded_relative_error");
    const double gap = pl_json_number_of(call->result, "gap");
    pl_buf_puts(out, "solved ");
    if (layers > 0) {
        pl_buf_printf(out, "%zu layers", layers);
    } else {
        put_layer_brief(pl_json_text_of(call->result, "layer"), out);
    }
    pl_buf_puts(out, ": ");
    if (isfinite(before)) {
        put_change("group max ", before, pl_json_number_of(call->result, "group_max_after"), out);
        pl_buf_puts(out, ", ");
    }
    if (isfinite(rounded)) {
        put_number("rounded error ", rounded, out);
    } else {
        put_number("error ", pl_json_number_of(call->result, "relative_error"), out);
    }
    if (isfinite(gap)) {
        /* Weights are float32: below its resolution a gap is rounding. */
        put_number(", gap \u2264 ", 100 * fmax(gap, (double)FLT_EPSILON), out);
        pl_buf_puts(out, " %");
    }
}

void pl_line_select(const pl_call *call, pl_buf *out)
{
    const double channel = pl_json_number_of(call->result, "channel");
    put_layer_brief(pl_json_text_of(call->result, "name"), out);
    pl_buf_printf(out, "  [%.0f, %.0f]", pl_json_number_of(call->result, "rows"),
                  pl_json_number_of(call->result, "cols"));
    if (isfinite(channel)) {
        pl_buf_printf(out, ", channel %.0f is marked", channel);
    }
}

void pl_put_stored(const pl_call *call, pl_buf *out)
{
    pl_buf stored = {0};
    pl_put_setting_sentence(call, &stored);
    if (stored.size > 0) {
        pl_buf_printf(out, "; %s", stored.data);
    }
    pl_buf_deinit(&stored);
}

/* "round: gptq bits=3", as it was asked for. */
void pl_line_method(const pl_call *call, pl_buf *out)
{
    pl_buf_printf(out, "%s: %s", pl_json_text_of(call->result, "slot"), call->words[0]);
    const pl_method *method = pl_method_find(call->words[0]);
    for (size_t i = 0; i < call->n_keys && method != NULL; i++) {
        if (pl_method_param(method, call->names[i]) != SIZE_MAX) {
            pl_buf_printf(out, " %s=%s", call->names[i], call->values[i]);
        }
    }
    const char *glob = json_string_value(json_object_get(call->result, "on"));
    pl_buf_printf(out, "%s%s", glob != NULL ? ", for layers " : "", glob != NULL ? glob : "");
    pl_put_stored(call, out);
}

/* "4 bits" or "4 bits (mxfp4)" */
static void put_bits(const json_t *grid, pl_buf *out)
{
    pl_buf_printf(out, "%lld bits", (long long)json_integer_value(json_object_get(grid, "bits")));
    if (pl_json_text_of(grid, "symmetric")[0] == '\0') {
        pl_buf_printf(out, " (%s)", pl_json_text_of(grid, "format"));
    }
}

void pl_line_activations(const pl_call *call, pl_buf *out)
{
    const json_t *grid = json_object_get(call->result, "activations");
    if (!json_is_object(grid)) {
        pl_buf_puts(out, "activations are not quantized");
    } else {
        const long long group = (long long)json_integer_value(json_object_get(grid, "group_size"));
        pl_buf_puts(out, "activations: ");
        put_bits(grid, out);
        pl_buf_puts(out, ", a range per ");
        if (group > 0) {
            pl_buf_printf(out, "%lld values of a %s", group, pl_json_text_of(grid, "range"));
        } else {
            pl_buf_puts(out, pl_json_text_of(grid, "range"));
        }
    }
    pl_put_stored(call, out);
}

static void put_kv(const json_t *grid, pl_buf *out)
{
    const long long group = (long long)json_integer_value(json_object_get(grid, "group_size"));
    pl_buf_puts(out, "keys and values: ");
    put_bits(grid, out);
    pl_buf_puts(out, ", a range per ");
    if (group > 0) {
        pl_buf_printf(out, "%lld values of a head", group);
    } else {
        pl_buf_puts(out, "head");
    }
}

void pl_line_kv(const pl_call *call, pl_buf *out)
{
    const json_t *grid = json_object_get(call->result, "kv");
    if (json_is_object(grid)) {
        put_kv(grid, out);
    } else {
        pl_buf_puts(out, "keys and values are not quantized");
    }
    pl_put_stored(call, out);
}

void pl_line_sweep(const pl_call *call, pl_buf *out)
{
    const double knee = pl_json_number_of(call->result, "knee_value");
    const char *layer = pl_json_text_of(call->result, "layer");
    pl_buf_printf(out, "%s", pl_json_text_of(call->result, "parameter"));
    if (layer[0] != '\0') {
        pl_buf_puts(out, " of ");
        put_layer_brief(layer, out);
    }
    pl_buf_printf(out, ": %zu values", length_of(call, "points"));
    if (isfinite(knee)) {
        put_number(", the knee is at ", knee, out);
    } else {
        pl_buf_puts(out, ", no knee");
    }
}

void pl_line_perplexity(const pl_call *call, pl_buf *out)
{
    const double original = pl_json_number_of(call->result, "original_perplexity");
    const double kl = pl_json_number_of(call->result, "kl_mean");
    const int digits = pl_perplexity_digits(call);
    char text[64];
    pl_format_digits(pl_json_number_of(call->result, "perplexity"), digits, text, sizeof text);
    pl_buf_printf(out, "perplexity %s", text);
    put_number(" \u00b1 ", pl_json_number_of(call->result, "perplexity_error"), out);
    if (isfinite(original)) {
        pl_format_digits(original, digits, text, sizeof text);
        pl_buf_printf(out, ", original %s", text);
    }
    if (isfinite(kl)) {
        put_number(", KL ", kl, out);
    }
    pl_buf_puts(out, "  (");
    put_counted(pl_json_number_of(call->result, "tokens"), " tokens)", out);
}

void pl_line_file(const pl_call *call, pl_buf *out)
{
    const json_t *shape = json_object_get(call->result, "shape");
    const double wide = pl_json_number_of(call->result, "width_px");
    pl_buf_printf(out, "wrote %s", pl_json_text_of(call->result, "file"));
    if (isfinite(wide)) {
        pl_buf_printf(out, ", %.0f \u00d7 %.0f px", wide,
                      pl_json_number_of(call->result, "height_px"));
    }
    for (size_t i = 0; i < json_array_size(shape); i++) {
        pl_buf_printf(out, "%s%lld", i == 0 ? ", [" : ", ",
                      (long long)json_integer_value(json_array_get(shape, i)));
    }
    pl_buf_puts(out, json_array_size(shape) > 0 ? "]" : "");
}

void pl_line_export(const pl_call *call, pl_buf *out)
{
    const double bits = pl_json_number_of(call->result, "bits_per_weight");
    put_counted(pl_json_number_of(call->result, "files"), " files, ", out);
    put_counted(pl_json_number_of(call->result, "bytes"), " bytes: ", out);
    if (pl_json_text_is(call->result, "weights", "original")) {
        pl_buf_puts(out, "the model as it is");
    } else {
        put_counted(pl_json_number_of(call->result, "layers_solved"), " solved layers", out);
    }
    if (isfinite(bits)) {
        put_number(" of ", bits, out);
        pl_buf_puts(out, " bits a weight");
    }
    const char *types = json_string_value(json_object_get(call->result, "types"));
    if (types != NULL && types[0] != '\0') {
        pl_buf_printf(out, ", as %s", types);
    }
    if (pl_json_number_of(call->result, "layers_widened") > 0) {
        pl_buf_puts(out, ", ");
        put_counted(pl_json_number_of(call->result, "layers_widened"),
                    " of them with more bits than their codes need", out);
    }
    if (pl_json_number_of(call->result, "layers_requantized") > 0) {
        pl_buf_puts(out, ", ");
        put_counted(pl_json_number_of(call->result, "layers_requantized"), " of them rounded anew",
                    out);
        put_number(", which changes them by ",
                   pl_json_number_of(call->result, "requantization_error"), out);
    }
}

void pl_line_calibrate(const pl_call *call, pl_buf *out)
{
    char seconds[PL_NUMBER_TEXT];
    pl_format_seconds(pl_json_number_of(call->result, "seconds"), seconds);
    put_counted(pl_json_number_of(call->result, "tokens"), " tokens in ", out);
    pl_buf_printf(out, "%s: calibrated", seconds);
}

void pl_line_info(const pl_call *call, pl_buf *out)
{
    pl_buf_printf(out, "%s: ", pl_json_text_of(call->result, "architecture"));
    if (isfinite(pl_json_number_of(call->result, "blocks"))) {
        put_counted(pl_json_number_of(call->result, "blocks"), " blocks, ", out);
    }
    put_counted(pl_json_number_of(call->result, "layers"), " layers, ", out);
    put_counted(pl_json_number_of(call->result, "parameters"), " parameters", out);
}

void pl_line_massive(const pl_call *call, pl_buf *out)
{
    const size_t n = length_of(call, "activations");
    pl_buf_printf(out, "%zu massive activation%s", n, n == 1 ? "" : "s");
}

void pl_line_learn(const pl_call *call, pl_buf *out)
{
    if (!isfinite(pl_json_number_of(call->result, "steps"))) {
        put_layer_brief(pl_json_text_of(call->result, "layer"), out);
        pl_buf_puts(out, ": what was learned is forgotten");
        return;
    }
    pl_buf_printf(out, "learned step %.0f of %.0f", pl_json_number_of(call->result, "step"),
                  pl_json_number_of(call->result, "steps"));
    if (isfinite(pl_json_number_of(call->result, "loss"))) {
        put_number(": loss ", pl_json_number_of(call->result, "loss"), out);
        put_number(", at first ", pl_json_number_of(call->result, "loss_first"), out);
    }
    const char *trouble = pl_json_text_of(call->result, "trouble");
    pl_buf_printf(out, "%s%s", trouble[0] != '\0' ? "; " : "", trouble);
}

void pl_line_cost(const pl_call *call, pl_buf *out)
{
    pl_buf_printf(out, "%s: ", pl_json_text_of(call->result, "transform"));
    put_counted(pl_json_number_of(call->result, "flops_per_token"), " operations a token", out);
}

void pl_line_save(const pl_call *call, pl_buf *out)
{
    (void)call;
    pl_buf_puts(out, "the session is on disk");
}
