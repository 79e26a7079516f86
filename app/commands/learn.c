/* learn: the transform of a site, or those of its block, learned, paused, gone on with or
 * forgotten. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"
#include "core/lab/transformed.h"

#include <math.h>
#include <string.h>

typedef enum learn_word { LEARN_ON, LEARN_PAUSE, LEARN_RESET } learn_word;

/* What the first word asks for; *position is that of the layer's name. */
static learn_word read_learn_word(const pl_call *call, size_t *position)
{
    static const char *const words[] = {"resume", "pause", "reset"};
    *position = 0;
    for (size_t i = 0; call->n_words > 0 && i < sizeof words / sizeof *words; i++) {
        if (strcmp(call->words[0], words[i]) == 0) {
            *position = 1;
            return (learn_word)i;
        }
    }
    return LEARN_ON;
}

static void put_learning(json_t *out, const pl_state *state, size_t layer, const pl_learning *l)
{
    const pl_model *model = state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    double last = (double)NAN;
    for (uint64_t i = 0; i <= l->step; i++) {
        last = isnan(l->losses[i]) ? last : l->losses[i];
    }
    pl_json_set(out, "site", json_string(site->name));
    pl_json_set(out, "step", json_integer((json_int_t)l->step));
    pl_json_set(out, "steps", json_integer((json_int_t)l->steps));
    pl_json_set(out, "done", json_boolean(pl_learning_done(l)));
    pl_json_set(out, "loss_first", pl_json_number(l->losses[0]));
    pl_json_set(out, "loss", pl_json_number(last));
    pl_json_set(out, "peak_bytes", json_integer((json_int_t)pl_memory_peak()));
    pl_json_set(out, "rollbacks", json_integer((json_int_t)l->rollbacks));
    pl_json_set(out, "trouble",
                l->trouble.message[0] != '\0' ? json_string(l->trouble.message) : json_null());
}

static pl_status forget_learning(pl_call *call, pl_context cx, pl_id calibration, size_t layer,
                                 pl_error *err)
{
    pl_status status = pl_site_forget(cx, calibration, layer, err);
    if (status == PL_OK) {
        pl_json_set(call->result, "layer",
                    json_string(pl_model_layer(cx.state->source->model, layer)->name));
        pl_json_set(call->result, "step", json_integer(0));
    }
    return status;
}

static pl_status run_learn(pl_call *call, pl_context cx, pl_error *err)
{
    size_t position = 0, layer = 0, until = SIZE_MAX;
    pl_id calibration = {0};
    pl_learning reached = {0};
    const learn_word word = read_learn_word(call, &position);
    if (word == LEARN_PAUSE) {
        return pl_error_set(err, PL_ERR_STATE,
                            "learn pause: nothing is being learned (a script pauses with "
                            "until=STEP)");
    }
    if (call->n_words > position + 1) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "learn: \"%s\" is one word too many, expected [pause|resume|reset] "
                            "[LAYER]",
                            call->words[position + 1]);
    }
    pl_status status = pl_target_layer(call, cx.state, position, &layer, err);
    if (status == PL_OK && pl_call_value(call, "until") != NULL) {
        status = pl_usage_size(call, "until", 0, SIZE_MAX - 1, &until, err);
    }
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    if (status == PL_OK && word == LEARN_RESET) {
        return forget_learning(call, cx, calibration, layer, err);
    }
    PL_THEN(pl_site_learn(cx, calibration, layer, until == SIZE_MAX ? PL_LEARN_ALL : until,
                          &reached, err));
    if (status == PL_OK) {
        pl_json_set(call->result, "layer",
                    json_string(pl_model_layer(cx.state->source->model, layer)->name));
        put_learning(call->result, cx.state, layer, &reached);
    }
    pl_learning_deinit(&reached);
    return status;
}

static bool learn_is_slow(const pl_call *call)
{
    return call->n_words != 1 || strcmp(call->words[0], "pause") != 0;
}

/* `learn pause` is no work for the worker: it stops what the worker does. */
static pl_status learn_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)err;
    *taken = !learn_is_slow(call);
    if (*taken && !pl_screen_pause(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing is being learned");
    }
    return PL_OK;
}

static void follow_learn(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    pl_screen_follow_learning(screen, how);
}

static const pl_key learn_keys[] = {
    {"until", PL_KEY_INT, NULL, NULL, "pause behind this step, to look or to go on later"},
    {0},
};

const pl_command pl_command_learn = {
    .name = "learn",
    .positional = "[pause|resume|reset] [LAYER]",
    .max_words = 2,
    .keys = learn_keys,
    .needs_model = true,
    .summary =
        "Learn the transform of a layer's site (scope=block: those of its block), go on with "
        "it, or forget it",
    .put_line = pl_line_learn,
    .run = run_learn,
    .slow = learn_is_slow,
    .unit = "steps",
    .keeps = true,
    .rebuild = PL_REBUILD_RUN,
    .brings = PL_BRINGS_TRANSFORM,
    .on_screen = learn_on_screen,
    .follow = follow_learn,
};
