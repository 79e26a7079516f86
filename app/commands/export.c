/* export: the model with its solved weights, as a folder others can load. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/export.h"

#include <stdio.h>

/* Whether rounded weights are the default: not if no rounder is set. */
static bool has_rounder(const pl_state *state)
{
    bool found = false;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        found = found || pl_state_spec(state, i, PL_SLOT_ROUND)->method != NULL;
    }
    return found;
}

/* Whether the model is to be written as it is by default: nothing is solved, and no method named.
 */
static bool is_untouched(const pl_state *state)
{
    bool named = pl_state_solved_count(state) > 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model) && !state->suggested; i++) {
        for (int slot = 0; slot < PL_SLOT_COUNT; slot++) {
            named = named || pl_state_spec(state, i, (pl_slot)slot)->method != NULL;
        }
    }
    return !named;
}

/* A checkpoint of which a part is as it was is made only where that is asked for. */
static pl_status check_whole(const pl_call *call, const pl_state *state, pl_which which,
                             size_t *left, pl_error *err)
{
    size_t partial = 0;
    const size_t layers = pl_model_layer_count(state->source->model);
    const bool rounded =
        which == PL_WHICH_AFTER && (pl_call_value(call, "weights") != NULL || has_rounder(state));
    *left = pl_export_left(state, rounded ? PL_WHICH_AFTER : PL_WHICH_PRECONDITIONED);
    pl_status status = pl_usage_choice(call, "partial", &partial, err);
    if (status == PL_OK && *left > 0 && partial == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "export: %zu of %zu layers are not %s and would be as they were: "
                              "`solve all` first, or partial=yes",
                              *left, layers, rounded ? "quantized" : "solved");
    }
    return status;
}

/* A checkpoint holds weights: how activations and cache are quantized at run time is not in it, and
 * is dropped only on request. */
static pl_status check_online(const pl_call *call, const pl_state *state, pl_error *err)
{
    size_t drop = 0;
    pl_status status = pl_usage_choice(call, "online", &drop, err);
    if (status == PL_OK && drop == 0 && pl_state_quantizes(state)) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "export: quantized activations or cache are no part of a checkpoint, "
                              "which would have another perplexity: `activations none; kv none`, "
                              "or online=drop");
    }
    return status;
}

static void warn_of_activations(const pl_state *state, pl_lab *lab)
{
    pl_buf text = {0}, set = {0};
    pl_state_quantized_commands(state, &set);
    for (size_t i = 0; !set.failed && i + 1 < set.size; i++) {
        set.data[i] = set.data[i] == '\n' ? ';' : set.data[i];
    }
    if (set.size > 1 && !set.failed) {
        pl_buf_printf(&text,
                      "what `%.*s` sets is not in the files: who loads them runs with "
                      "unquantized activations and cache",
                      (int)set.size - 1, set.data);
        pl_lab_warn(lab, text.data != NULL ? text.data : "activations are not in the files");
    }
    pl_buf_deinit(&set);
    pl_buf_deinit(&text);
}

/* vLLM makes one layer of q, k and v, and of gate and up, with one scale of the tensor. */
static void warn_of_scales(const pl_export_report *report, bool one_size, pl_lab *lab)
{
    char text[400];
    if (report->fused_scales_apart > 0) {
        snprintf(
            text, sizeof text,
            "the tensor scales of q, k and v, or of gate and up, are up to %.3g %% apart: vLLM "
            "fuses these layers under one of them, which is wrong for the others' weights, "
            "or rounds FP8 anew (fused_scales=shared of the rounder gives them one)",
            100 * report->fused_scales_apart);
        pl_lab_warn(lab, text);
    }
    if (report->cut > 0) {
        snprintf(text, sizeof text,
                 "%zu layers have groups of %zu inputs in the files, fewer than they were solved "
                 "with: the format's groups divide the rows%s",
                 report->cut, report->least_group,
                 one_size ? ", and one size is that of all layers" : "");
        pl_lab_warn(lab, text);
    }
    if (report->scales_round != NULL) {
        snprintf(text, sizeof text,
                 "config.json says %s, to which who loads the files in it rounds the scales, too: "
                 "weights change by %.2g relatively (scale_dtype=%s of the rounder measures such "
                 "scales; loaded in float32 they are as measured)",
                 report->scales_round, report->loaded_error,
                 report->scales_round[0] == 'b' ? "bf16" : "f16");
        pl_lab_warn(lab, text);
    }
}

/* Keys that some layouts have and others have not. */
static pl_status check_packing(const pl_call *call, const pl_export_spec *spec, pl_error *err)
{
    const bool orders = spec->packing != NULL && spec->packing->orders;
    if (spec->which != PL_WHICH_AFTER && spec->packing != NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "export: format=%s holds codes, which weights=%s has none of: `method "
                            "gptq bits=4; solve all` makes some, format=hf and format=gguf hold "
                            "floats",
                            spec->packing->name,
                            spec->which == PL_WHICH_BEFORE ? "original" : "preconditioned");
    }
    if (pl_call_value(call, "packing") != NULL && !orders) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "export: format=%s has no packing=", pl_call_value(call, "format"));
    }
    return PL_OK;
}

/* Of a model as it is: what goes with it. */
static pl_status check_original(const pl_export_spec *spec, pl_error *err)
{
    if (spec->which == PL_WHICH_BEFORE && spec->fold) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "export: fold=yes writes solved layers, which weights=original has "
                            "none of");
    }
    if (spec->dtype == PL_Q8_0 && (spec->which != PL_WHICH_BEFORE || !spec->gguf)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "export: dtype=q8_0 goes with format=gguf weights=original: solved "
                            "layers have the types of their codes, or floats");
    }
    return PL_OK;
}

static pl_status run_export(pl_call *call, pl_context cx, pl_error *err)
{
    double start = pl_clock_now();
    static const pl_dtype dtypes[] = {PL_F16, PL_BF16, PL_F32, PL_Q8_0, PL_DTYPE_OTHER};
    static const char *const words[] = {"preconditioned", "rounded", "original"};
    static const pl_which whichs[] = {PL_WHICH_PRECONDITIONED, PL_WHICH_AFTER, PL_WHICH_BEFORE};
    /* rounded: where no rounder is set, the preconditioned ones */
    size_t weights = is_untouched(cx.state) ? 2 : 1;
    size_t dtype = 4;
    pl_export_report report = {0};
    pl_export_spec spec = {.folder = pl_call_value(call, "dir")};
    if (spec.folder == NULL || spec.folder[0] == '\0') {
        return pl_error_set(err, PL_ERR_USAGE, "export: needs dir=NEW");
    }
    size_t format = 0, order = 0, lossy = 0, left = 0, fold = 0;
    pl_status status = pl_usage_choice(call, "weights", &weights, err);
    PL_THEN(pl_usage_choice(call, "dtype", &dtype, err));
    PL_THEN(pl_usage_choice(call, "format", &format, err));
    PL_THEN(pl_usage_choice(call, "packing", &order, err));
    PL_THEN(pl_usage_choice(call, "lossy", &lossy, err));
    PL_THEN(pl_usage_choice(call, "fold", &fold, err));
    if (status == PL_OK && format == 0 && lossy > 0) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "export: lossy=yes goes with a format of codes, such as "
                              "format=%s: format=hf holds the weights as they are",
                              pl_packing_at(0)->name);
    }
    spec.which = whichs[weights];
    spec.dtype = dtypes[dtype];
    spec.fold = fold > 0;
    if (status == PL_OK && format > 0) {
        spec.gguf = format > PL_PACKING_COUNT;
        spec.packing = spec.gguf ? NULL : pl_packing_at(format - 1);
        spec.order = (pl_pack_order)order;
        spec.lossy = lossy > 0;
        status = check_packing(call, &spec, err);
    }
    PL_THEN(check_original(&spec, err));
    PL_THEN(check_online(call, cx.state, err));
    PL_THEN(pl_state_check_origin(cx.state, false, err));
    const bool original = spec.which == PL_WHICH_BEFORE;
    if (status == PL_OK && !original && pl_state_solved_count(cx.state) == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "export: no layer is solved with the present methods: run `solve "
                              "all` first, or weights=original writes the model as it is");
    }
    if (status == PL_OK && !original) {
        status = check_whole(call, cx.state, spec.which, &left, err);
    }
    if (status == PL_OK) {
        spec.partial = left > 0;
        status = pl_export(cx, &spec, &report, err);
        left = original ? pl_model_layer_count(cx.state->source->model) : left;
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "files", json_integer((json_int_t)report.files));
        pl_json_set(call->result, "bytes", json_integer((json_int_t)report.bytes));
        pl_json_set(call->result, "max_dtype_error", pl_json_number(report.max_dtype_error));
        pl_json_set(call->result, "other_dtype_error", pl_json_number(report.other_dtype_error));
        pl_json_set(call->result, "layers_packed", json_integer((json_int_t)report.packed));
        pl_json_set(call->result, "weights", json_string(words[weights]));
        if (spec.gguf) {
            pl_json_set(call->result, "types", json_string(report.types));
        }
        pl_json_set(call->result, "fused_scales_apart", pl_json_number(report.fused_scales_apart));
        pl_json_set(call->result, "layers_requantized",
                    json_integer((json_int_t)report.requantized));
        pl_json_set(call->result, "layers_widened", json_integer((json_int_t)report.widened));
        pl_json_set(call->result, "requantization_error",
                    pl_json_number(report.requantization_error));
        pl_json_set(call->result, "loaded_error", pl_json_number(report.loaded_error));
        pl_json_set(call->result, "bits_per_weight", pl_json_number(report.bits_per_weight));
        pl_json_set(call->result, "layers_solved",
                    json_integer(original ? 0 : (json_int_t)pl_state_solved_count(cx.state)));
        pl_json_set(call->result, "layers_left", json_integer((json_int_t)left));
        warn_of_activations(cx.state, cx.lab);
        warn_of_scales(&report, spec.packing != NULL && spec.packing->one_group_size, cx.lab);
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    }
    return status;
}

static const pl_key export_keys[] = {
    {"dir", PL_KEY_NEW_FILE, NULL, NULL, "folder to make"},
    {"format", PL_KEY_CHOICE, "hf", "hf" PL_PACKING_WORDS "|gguf",
     "a Hugging Face folder of floats, one whose rounded layers are codes and scales, or a GGUF"},
    {"packing", PL_KEY_CHOICE, "dense", "dense|padded",
     "of compressed-tensors, 3, 5, 6 and 7 bits: as version 0.17 and later read them, or earlier"},
    {"lossy", PL_KEY_CHOICE, "no", "no|yes",
     "also layers that the format cannot hold exactly: they are rounded anew"},
    {"weights", PL_KEY_CHOICE, NULL, "preconditioned|rounded|original",
     "which weights (rounded where a rounder is set; the model as it is where no method is named)"},
    {"dtype", PL_KEY_CHOICE, NULL, "f16|bf16|f32|q8_0",
     "element type (the checkpoint's own; f16 from a GGUF); q8_0: of a GGUF with weights=original"},
    {"fold", PL_KEY_CHOICE, "no", "no|yes",
     "in the coordinates of `method quarot online=no` (embedding and lm_head rotated, norms of 1), "
     "`smoothquant` or `awq` (scales in norms and rows): weights on their grid"},
    {"online", PL_KEY_CHOICE, "refuse", "refuse|drop",
     "quantized activations and cache, which no checkpoint holds: an error, or left out"},
    {"partial", PL_KEY_CHOICE, "no", "no|yes",
     "also where some layers are not quantized: they are as they were"},
    {0},
};

const pl_command pl_command_export = {
    .name = "export",
    .positional = "",
    .keys = export_keys,
    .needs_model = true,
    .summary = "Write the model with its solved weights",
    .put_line = pl_line_export,
    .run = run_export,
    .slow = pl_slow_always,
    .unit = "elements",
    .tour = PL_TOUR_FIGURE,
};
