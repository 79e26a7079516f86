/* A spec for each layer of a slot as few settings: layers with the same spec share one on=LIST. */
#include "core/state/state.h"

#include "core/base/text.h"
#include "core/model/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct grouping {
    const pl_model *model;
    size_t n;
    pl_spec *specs; /* [n] */
    bool *put;      /* [n] in a setting already */
    bool *members;  /* [n] of the setting that is made */
} grouping;

/* What the slot has for a layer, whether or not the layer is imported. */
static const pl_spec *methods_own(const pl_state *state, size_t layer, pl_slot slot)
{
    for (size_t i = state->n_overrides; i > 0; i--) {
        const pl_override *over = &state->overrides[i - 1];
        if (over->slot == slot && pl_model_layer_matches(state->source->model, layer, over->glob)) {
            return &over->spec;
        }
    }
    return &state->slots[slot];
}

/* Whether a glob names the layer, and no layer but members. */
static bool names_members_only(const grouping *g, size_t layer, const char *glob)
{
    bool only = pl_model_layer_matches(g->model, layer, glob);
    for (size_t i = 0; only && i < g->n; i++) {
        only = g->members[i] || !pl_model_layer_matches(g->model, i, glob);
    }
    return only;
}

/* The widest glob for a member: all blocks' layers of its name, its block, the layer itself. */
static void choose_glob(const grouping *g, size_t layer, char *out, size_t capacity)
{
    const pl_layer *info = pl_model_layer(g->model, layer);
    snprintf(out, capacity, "*.%s", pl_text_last_part(info->name));
    if (!pl_model_is_bare(g->model) && !names_members_only(g, layer, out)) {
        snprintf(out, capacity, "%zu.*", info->block);
    }
    if (!pl_model_is_bare(g->model) && !names_members_only(g, layer, out)) {
        pl_layer_short(info, info->expert != PL_NO_EXPERT, out, capacity);
    }
    if (!names_members_only(g, layer, out)) {
        snprintf(out, capacity, "%s", info->name);
    }
}

/* A list of globs for all members. */
static void put_list(const grouping *g, pl_buf *out)
{
    char glob[256];
    bool *named = g->put; /* what is named is put */
    for (size_t i = 0; i < g->n; i++) {
        if (!g->members[i] || named[i]) {
            continue;
        }
        choose_glob(g, i, glob, sizeof glob);
        pl_buf_printf(out, "%s%s", out->size > 0 ? "," : "", glob);
        for (size_t j = i; j < g->n; j++) {
            named[j] = named[j] || (g->members[j] && pl_model_layer_matches(g->model, j, glob));
        }
        named[i] = true;
    }
}

static pl_status put_groups(pl_state *state, pl_slot slot, grouping *g, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < g->n; i++) {
        if (g->put[i] || pl_spec_equal(&g->specs[i], &state->slots[slot])) {
            continue;
        }
        pl_buf list = {0};
        for (size_t j = 0; j < g->n; j++) {
            g->members[j] = pl_spec_equal(&g->specs[i], &g->specs[j]);
        }
        put_list(g, &list);
        status = pl_buf_check(&list, err);
        PL_THEN(pl_state_set_override(state, slot, list.data, &g->specs[i], err));
        pl_buf_deinit(&list);
    }
    return status;
}

static pl_status regroup(pl_state *next, pl_slot slot, const bool *layers, const pl_spec *specs,
                         grouping *g, pl_error *err)
{
    bool alike = true;
    for (size_t i = 0; i < g->n; i++) {
        g->specs[i] = layers != NULL && layers[i] ? specs[i] : *methods_own(next, i, slot);
        alike = alike && pl_spec_equal(&g->specs[i], &g->specs[0]);
    }
    pl_state_drop_overrides(next, slot);
    if (alike) {
        next->slots[slot] = g->specs[0];
    }
    return put_groups(next, slot, g, err);
}

pl_status pl_state_give(pl_state *state, pl_slot slot, const bool *layers, const pl_spec *specs,
                        pl_error *err)
{
    const pl_model *model = state->source->model;
    const size_t n = pl_model_layer_count(model);
    grouping g = {.model = model, .n = n};
    pl_state next;
    pl_status status = pl_state_copy(&next, state, err);
    if (status != PL_OK) {
        return status;
    }
    g.specs = calloc(n, sizeof *g.specs);
    g.put = calloc(n, sizeof *g.put);
    g.members = calloc(n, sizeof *g.members);
    status = g.specs == NULL || g.put == NULL || g.members == NULL
                 ? pl_error_memory(err, "the state")
                 : regroup(&next, slot, layers, specs, &g, err);
    if (status == PL_OK) { /* all of it or nothing */
        const pl_state was = *state;
        *state = next;
        next = was;
    }
    pl_state_deinit(&next);
    free(g.specs);
    free(g.put);
    free(g.members);
    return status;
}
