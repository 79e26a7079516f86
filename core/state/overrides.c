/* Settings of some layers, on=GLOB.  There may be one for every layer, and every frame compares
 * plans: so each keeps its spec as text. */
#include "core/state/state_parts.h"

#include <stdlib.h>
#include <string.h>

static pl_status spec_text(const pl_spec *spec, char **out, pl_error *err)
{
    pl_buf text = {0};
    if (spec->method != NULL) {
        pl_spec_format(spec, &text);
    } else {
        pl_buf_puts(&text, "");
    }
    pl_status status = pl_buf_check(&text, err);
    *out = status == PL_OK ? text.data : NULL;
    if (status != PL_OK) {
        pl_buf_deinit(&text);
    }
    return status;
}

static void override_deinit(pl_override *over)
{
    free(over->glob);
    free(over->text);
    *over = (pl_override){0};
}

void pl_state_free_overrides(pl_state *state)
{
    for (size_t i = 0; i < state->n_overrides; i++) {
        override_deinit(&state->overrides[i]);
    }
    free(state->overrides);
    state->overrides = NULL;
    state->n_overrides = 0;
}

pl_status pl_state_respec(pl_state *state, size_t index, const pl_spec *spec, pl_error *err)
{
    pl_override *over = &state->overrides[index];
    char *text = NULL;
    pl_status status = spec_text(spec, &text, err);
    if (status == PL_OK) {
        free(over->text);
        over->text = text;
        over->spec = *spec;
    }
    return status;
}

pl_status pl_state_follow_format(pl_state *state, const pl_spec *before, pl_error *err)
{
    const pl_spec *now = &state->slots[PL_SLOT_ROUND];
    pl_status status = PL_OK;
    pl_spec_follow_format(&state->slots[PL_SLOT_PRECONDITION], before, now);
    for (size_t i = 0; status == PL_OK && i < state->n_overrides; i++) {
        pl_spec spec = state->overrides[i].spec;
        if (state->overrides[i].slot == PL_SLOT_PRECONDITION) {
            pl_spec_follow_format(&spec, before, now);
            status = pl_state_respec(state, i, &spec, err);
        }
    }
    return status;
}

/* Takes one away; those behind move up. */
static void remove_override(pl_state *state, size_t index)
{
    override_deinit(&state->overrides[index]);
    state->n_overrides--;
    memmove(state->overrides + index, state->overrides + index + 1,
            (state->n_overrides - index) * sizeof *state->overrides);
}

pl_status pl_state_set_override(pl_state *state, pl_slot slot, const char *glob,
                                const pl_spec *spec, pl_error *err)
{
    pl_override added = {.glob = strdup(glob), .slot = slot, .spec = *spec};
    pl_override *grown = NULL;
    pl_status status =
        added.glob != NULL ? spec_text(spec, &added.text, err) : pl_error_memory(err, "the state");
    if (status == PL_OK) {
        grown = realloc(state->overrides, (state->n_overrides + 1) * sizeof *grown);
        status = grown != NULL ? PL_OK : pl_error_memory(err, "the state");
    }
    if (status != PL_OK) {
        override_deinit(&added);
        return status;
    }
    state->overrides = grown;
    for (size_t i = state->n_overrides; i > 0; i--) {
        if (grown[i - 1].slot == slot && strcmp(grown[i - 1].glob, glob) == 0) {
            remove_override(state, i - 1);
        }
    }
    if (state->n_overrides == PL_MAX_OVERRIDES) {
        override_deinit(&added);
        return pl_error_set(err, PL_ERR_USAGE, "method: more than %d settings with on=GLOB",
                            PL_MAX_OVERRIDES);
    }
    grown[state->n_overrides++] = added;
    return PL_OK;
}

void pl_state_drop_overrides(pl_state *state, pl_slot slot)
{
    for (size_t i = state->n_overrides; i > 0; i--) {
        if (state->overrides[i - 1].slot == slot) {
            remove_override(state, i - 1);
        }
    }
}

pl_status pl_state_copy_overrides(pl_state *to, const pl_state *from, pl_error *err)
{
    const size_t n = from->n_overrides;
    to->n_overrides = 0;
    to->overrides = n > 0 ? calloc(n, sizeof *to->overrides) : NULL;
    if (n > 0 && to->overrides == NULL) {
        return pl_error_memory(err, "the state");
    }
    for (size_t i = 0; i < n; i++) {
        pl_override *over = &to->overrides[to->n_overrides++];
        *over = from->overrides[i];
        over->glob = strdup(from->overrides[i].glob);
        over->text = strdup(from->overrides[i].text);
        if (over->glob == NULL || over->text == NULL) {
            pl_state_free_overrides(to);
            return pl_error_memory(err, "the state");
        }
    }
    return PL_OK;
}
