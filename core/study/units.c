#include "core/study/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void name_unit(const pl_model *model, pl_unit kind, size_t layer, pl_unit_loss *unit)
{
    const pl_layer *info = pl_model_layer(model, layer);
    const size_t room = sizeof unit->name;
    *unit = (pl_unit_loss){.block = info->block, .layer = layer, .estimate = NAN};
    if (kind == PL_UNIT_LAYER) {
        pl_layer_short(info, info->expert != PL_NO_EXPERT, unit->name, room);
    } else if (kind == PL_UNIT_ROLE) {
        snprintf(unit->name, room, "%s", pl_text_last_part(info->name));
        unit->block = SIZE_MAX;
    } else if (kind == PL_UNIT_BLOCK) {
        snprintf(unit->name, room, "%zu", info->block);
    } else {
        snprintf(unit->name, room, "%zu.%.40s", info->block,
                 pl_text_last_part(pl_model_site(model, info->site)->name));
    }
}

static bool are_one_unit(const pl_model *model, pl_unit kind, size_t a, size_t b)
{
    const pl_layer *x = pl_model_layer(model, a), *y = pl_model_layer(model, b);
    switch (kind) {
    case PL_UNIT_LAYER:
        return a == b;
    case PL_UNIT_ROLE:
        return strcmp(pl_text_last_part(x->name), pl_text_last_part(y->name)) == 0;
    case PL_UNIT_BLOCK:
        return x->block == y->block;
    case PL_UNIT_SITE:
        break;
    }
    return x->site == y->site;
}

static bool is_rounded(const pl_state *state, size_t layer)
{
    return pl_state_result(state, layer) != NULL &&
           pl_state_spec(state, layer, PL_SLOT_ROUND)->method != NULL;
}

pl_status pl_find_units(const char *who, const pl_state *state, pl_unit unit, const char *glob,
                        long *unit_of, pl_unit_loss *units, size_t *count, size_t *unsolved,
                        pl_error *err)
{
    const pl_model *model = state->source->model;
    *count = 0;
    *unsolved = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        unit_of[i] = PL_NO_UNIT;
        if (glob != NULL && !pl_model_layer_matches(model, i, glob)) {
            continue;
        }
        if (!is_rounded(state, i)) {
            ++*unsolved;
            continue;
        }
        size_t u = *count;
        while (u > 0 && !are_one_unit(model, unit, units[u - 1].layer, i)) {
            u--;
        }
        if (u == 0) {
            u = ++*count;
            name_unit(model, unit, i, &units[u - 1]);
        }
        unit_of[i] = (long)(u - 1);
        units[u - 1].layers++;
    }
    if (*count > 0) {
        return PL_OK;
    }
    return *unsolved > 0
               ? pl_error_set(err, PL_ERR_STATE,
                              "%s: none of the %zu layers is rounded with the present methods: run "
                              "`solve all` first",
                              who, *unsolved)
               : pl_error_set(err, PL_ERR_NOT_FOUND, "%s: no layer matches %s", who, glob);
}

static bool are_in(const pl_site *site, const long *unit_of, long unit)
{
    bool all = true;
    for (size_t i = 0; i < site->n_layers; i++) {
        all = all && unit_of[site->layers[i]] == unit;
    }
    return all;
}

pl_status pl_check_rounder_units(const char *who, const pl_state *state, const long *unit_of,
                                 pl_error *err)
{
    const pl_model *model = state->source->model;
    for (size_t i = 0; i < pl_model_site_count(model); i++) {
        const size_t leader = pl_model_site(model, i)->layers[0];
        const pl_spec *spec = pl_state_spec(state, leader, PL_SLOT_TRANSFORM);
        const bool of_block = pl_spec_is_of_block(spec);
        const long unit = unit_of[leader];
        size_t first = 0;
        const size_t count = pl_state_transform_sites(state, leader, &first);
        for (size_t k = first; unit != PL_NO_UNIT && k < first + count; k++) {
            if (!are_in(pl_model_site(model, k), unit_of, unit)) {
                return pl_error_set(
                    err, PL_ERR_USAGE,
                    "%s: the transform %s is made for one rounder of all layers of %s: expected "
                    "unit=%sblock with all of them, or `method none slot=transform`",
                    who, spec->method->name, of_block ? "a block" : "an input",
                    of_block ? "" : "site or unit=");
            }
        }
    }
    return PL_OK;
}
