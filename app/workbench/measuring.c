#include "app/workbench/measuring.h"

#include "core/base/json.h"
#include "app/report.h"
#include "core/state/record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void pl_measuring_reset(pl_measuring *measuring)
{
    measuring->command[0] = '\0';
}

bool pl_measuring_take(pl_measuring *measuring, const pl_call *call, pl_buf *said)
{
    const char *which = pl_call_value(call, "which");
    if (which == NULL || strcmp(which, "after") != 0) {
        return false;
    }
    snprintf(measuring->command, sizeof measuring->command, "%s", call->text);
    char after[48];
    pl_format_digits(pl_json_number_of(call->result, "perplexity"), pl_perplexity_digits(call),
                     after, sizeof after);
    pl_buf_printf(said, "perplexity %s \u00b1 %.2g, of the original %.5g", after,
                  pl_json_number_of(call->result, "perplexity_error"),
                  pl_json_number_of(call->result, "original_perplexity"));
    return true;
}

/* The name of the kept setting, "" where none is that. */
static void name_setting(const pl_state *state, pl_id setting, char out[PL_KEPT_NAME])
{
    out[0] = '\0';
    for (size_t i = 0; i < state->n_kept && out[0] == '\0'; i++) {
        if (pl_id_equal(state->kept[i]->setting, setting)) {
            pl_kept_name(state, i, out);
        }
    }
}

const pl_measured *pl_measuring_of(pl_measuring *measuring, const pl_state *state)
{
    pl_measurement found;
    if (state->source == NULL || !pl_record_find(state->source, NULL, NULL, &found)) {
        return NULL;
    }
    const pl_id setting = pl_state_setting(state);
    const bool own = pl_record_find(state->source, &setting, NULL, &found);
    measuring->measured = (pl_measured){.before = found.original,
                                        .before_error = found.original_error,
                                        .after = found.perplexity,
                                        .after_error = found.error,
                                        .solved = found.solved,
                                        .stale = !own};
    if (!own) {
        name_setting(state, found.setting, measuring->measured.of);
    }
    return &measuring->measured;
}
