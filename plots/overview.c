#include "plots/overview.h"

#include "core/model/bare.h"
#include "plots/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pl_overview_layer_name(const pl_layer *layer)
{
    const char *name = strstr(layer->name, "layers.");
    if (name == NULL) {
        return layer->name;
    }
    name += strlen("layers.");
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && name[digits] == '.' ? name + digits + 1 : layer->name;
}

const char *pl_overview_kind(const pl_layer *layer)
{
    const char *name = pl_overview_layer_name(layer);
    return layer->needs_part ? name : pl_text_last_part(name);
}

const char *pl_overview_unit(const pl_model *model)
{
    return pl_model_is_bare(model) ? "layer" : "block";
}

void pl_overview_row_deinit(pl_overview_row *row)
{
    free(row->summaries);
    *row = (pl_overview_row){0};
}

size_t pl_overview_blocks(const pl_model *model)
{
    size_t blocks = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        size_t block = pl_model_layer(model, i)->block;
        blocks = block + 1 > blocks ? block + 1 : blocks;
    }
    return blocks;
}

static pl_status read_row(pl_context cx, pl_role role, pl_side side, size_t part, size_t parts,
                          pl_overview_row *row, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(model); i++) {
        const pl_layer *info = pl_model_layer(model, i);
        if (info->role != role) {
            continue;
        }
        pl_task_progress(cx.task, "layers", (double)(part * row->blocks + info->block),
                         (double)(parts * row->blocks));
        pl_layer_summary *summary = &row->summaries[info->block];
        status = pl_layer_summarize(cx, i, side, summary, err);
        row->known += summary->known ? 1 : 0;
        PL_THEN(pl_task_tick(cx.task, err));
    }
    return status;
}

pl_status pl_overview_read(pl_context cx, size_t layer, pl_side side, size_t part, size_t parts,
                           pl_overview_row *out, pl_error *err)
{
    *out = (pl_overview_row){0};
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    /* Matrices of a bare model have no blocks: they are one row, each in a place of its own. */
    snprintf(out->name, sizeof out->name, "%s",
             info->brief != NULL ? "matrices" : pl_overview_layer_name(info));
    pl_text_trim_utf8(out->name);
    out->blocks = pl_overview_blocks(cx.state->source->model);
    out->summaries = calloc(out->blocks, sizeof *out->summaries);
    pl_status status = out->summaries == NULL
                           ? pl_error_memory(err, "a figure")
                           : read_row(cx, info->role, side, part, parts, out, err);
    if (status == PL_OK && out->known == 0) {
        status =
            pl_error_set(err, PL_ERR_UNSUPPORTED,
                         "%s: no block's weights are in a dtype that Planish reads", out->name);
    }
    if (status != PL_OK) {
        pl_overview_row_deinit(out);
    }
    return status;
}

pl_status pl_overview_texts(const pl_state *state, const pl_overview_row *row, pl_side side,
                            pl_figure *out, pl_error *err)
{
    pl_buf title = {0};
    const char *unit = pl_overview_unit(state->source->model);
    pl_buf_printf(&title, "%s in %zu %s%s", pl_text_last_part(row->name), row->blocks, unit,
                  row->blocks == 1 ? "" : "s");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(
        out, title.data, unit,
        side == PL_SIDE_INPUT ? "max |x| per input channel" : "max |w| per input channel", err));
    pl_buf_deinit(&title);
    return status;
}

void pl_overview_facts(const pl_overview_row *row, pl_figure *out)
{
    size_t worst = SIZE_MAX;
    size_t highest = SIZE_MAX;
    for (size_t b = 0; b < row->blocks; b++) {
        const pl_layer_summary *s = &row->summaries[b];
        if (!s->known) {
            continue;
        }
        if (worst == SIZE_MAX || pl_summary_ratio(s) > pl_summary_ratio(&row->summaries[worst])) {
            worst = b;
        }
        if (highest == SIZE_MAX || s->top[0] > row->summaries[highest].top[0]) {
            highest = b;
        }
    }
    if (worst == SIZE_MAX) {
        return;
    }
    pl_figure_fact(out, "worst_max_over_median", "%.4g in block %zu, channel %zu",
                   pl_summary_ratio(&row->summaries[worst]), worst,
                   row->summaries[worst].channels[0]);
    pl_figure_fact(out, "largest", "%.4g in block %zu, channel %zu", row->summaries[highest].top[0],
                   highest, row->summaries[highest].channels[0]);
    if (row->known < row->blocks) {
        pl_figure_fact(out, "not_read", "%zu of %zu blocks", row->blocks - row->known, row->blocks);
    }
}

pl_status pl_overview_mark(const pl_state *state, size_t layer, pl_figure *out, pl_error *err)
{
    char text[48];
    size_t block = pl_model_layer(state->source->model, layer)->block;
    snprintf(text, sizeof text, "%s %zu", pl_overview_unit(state->source->model), block);
    return pl_figure_guide(out, (double)block, text, err);
}

size_t pl_overview_solved(const pl_state *state, size_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        if (pl_state_result(state, i) != NULL) {
            out[count++] = i;
        }
    }
    return count;
}

void pl_overview_put_model(const pl_model *model, pl_buf *out)
{
    static const char *const endings[] = {".gguf", ".safetensors"};
    const char *name = pl_model_name(model);
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t ending = strlen(endings[i]);
        if (size > ending && strcmp(name + size - ending, endings[i]) == 0) {
            size -= ending;
            break;
        }
    }
    pl_buf_append(out, name, size);
}
