#include "app/workbench/measuring.h"

#include "app/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void pl_measuring_reset(pl_measuring *measuring)
{
    measuring->have = false;
    measuring->command[0] = '\0';
}

/* Names all solved weights: results are named by what they came from. */
static pl_id solved_weights(const pl_state *state)
{
    pl_buf text = {0};
    const size_t n = state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
    for (size_t i = 0; i < n; i++) {
        const pl_id *result = pl_state_result(state, i);
        char id[PL_ID_TEXT] = "-";
        if (result != NULL) {
            pl_id_format(*result, id);
        }
        pl_buf_puts(&text, id);
    }
    const pl_id id = text.failed ? (pl_id){0} : pl_id_bytes(text.data, text.size);
    pl_buf_deinit(&text);
    return id;
}

static double number_of(const pl_call *call, const char *name)
{
    const json_t *value = json_object_get(call->result, name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

bool pl_measuring_take(pl_measuring *measuring, const pl_call *call, const pl_state *state,
                       pl_buf *said)
{
    const char *which = pl_call_value(call, "which");
    if (which == NULL || strcmp(which, "after") != 0) {
        return false;
    }
    measuring->measured = (pl_measured){
        .before = number_of(call, "original_perplexity"),
        .before_error = number_of(call, "original_error"),
        .after = number_of(call, "perplexity"),
        .after_error = number_of(call, "perplexity_error"),
        .solved = (size_t)fmax(0, number_of(call, "layers_solved")),
    };
    measuring->have = true;
    measuring->weights = solved_weights(state);
    snprintf(measuring->command, sizeof measuring->command, "%s", call->text);
    char after[48];
    pl_format_digits(measuring->measured.after, pl_perplexity_digits(call), after, sizeof after);
    pl_buf_printf(said, "perplexity %s \u00b1 %.2g, of the original %.5g", after,
                  measuring->measured.after_error, measuring->measured.before);
    return true;
}

const pl_measured *pl_measuring_of(pl_measuring *measuring, const pl_state *state)
{
    if (!measuring->have) {
        return NULL;
    }
    measuring->measured.stale = !pl_id_equal(measuring->weights, solved_weights(state));
    return &measuring->measured;
}
