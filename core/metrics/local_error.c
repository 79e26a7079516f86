#include "core/metrics/local_error.h"

#include "core/base/checked.h"
#include "core/metrics/perplexity_parts.h"

#include <stdlib.h>
#include <string.h>

typedef struct local_walk {
    const pl_variants *variants;
    pl_windows of;
    size_t width, values; /* of a token, of a window's hidden states */
    size_t first_window, windows;
    pl_forward *forward;
    float *x;     /* [group, length, width] in front of the block */
    float *next;  /* [group, length, width] behind it, of the original */
    float *moved; /* [length, width] the same of a variant */
    int32_t *ids; /* [length] */
    double *out;
    pl_task *task;
} local_walk;

/* The sum over a window's tokens of |moved - h|^2 / |h|^2. */
static double relative_move(const local_walk *w, const float *h)
{
    double sum = 0.0;
    for (size_t t = 0; t < w->of.length; t++) {
        double size = 0.0, off = 0.0;
        for (size_t c = 0; c < w->width; c++) {
            const double at = (double)h[t * w->width + c];
            const double d = (double)w->moved[t * w->width + c] - at;
            size += at * at;
            off += d * d;
        }
        sum += size > 0.0 ? off / size : 0.0;
    }
    return sum;
}

static pl_status move_variant(local_walk *w, size_t variant, size_t block, pl_error *err)
{
    const pl_variants *v = w->variants;
    const pl_hooks *hooks = v->hooks(v->ctx, variant);
    pl_status status = pl_forward_load(w->forward, block, hooks, w->task, err);
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        memcpy(w->moved, w->x + i * w->values, w->values * sizeof *w->moved);
        status = pl_forward_run(w->forward, w->moved, w->of.length, w->first_window + i, hooks,
                                w->task, err);
        if (status == PL_OK) {
            w->out[variant] +=
                relative_move(w, w->next + i * w->values) / (double)(w->of.length * w->of.windows);
        }
    }
    return status;
}

/* The original's block on all windows of the group, then each variant that differs in it. */
static pl_status move_block(local_walk *w, size_t block, pl_error *err)
{
    const pl_variants *v = w->variants;
    memcpy(w->next, w->x, w->windows * w->values * sizeof *w->next);
    pl_status status = pl_forward_load(w->forward, block, NULL, w->task, err);
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        status = pl_forward_run(w->forward, w->next + i * w->values, w->of.length,
                                w->first_window + i, NULL, w->task, err);
    }
    for (size_t i = 0; status == PL_OK && i < v->count; i++) {
        if (v->touches(v->ctx, i, block)) {
            status = move_variant(w, i, block, err);
        }
    }
    float *behind = w->next;
    w->next = w->x;
    w->x = behind;
    return status;
}

static pl_status move_group(local_walk *w, size_t blocks, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        pl_windows_ids(&w->of, w->first_window + i, w->ids);
        status = pl_forward_embed(w->forward, w->ids, w->of.length, w->x + i * w->values, err);
    }
    for (size_t b = 0; status == PL_OK && b < blocks; b++) {
        const double done = (double)w->first_window + (double)(w->windows * b) / (double)blocks;
        const double count = (double)w->variants->count;
        pl_task_progress(w->task, "units", count * done / (double)w->of.windows, count);
        status = move_block(w, b, err);
    }
    return status;
}

pl_status pl_local_errors(pl_model *model, const int32_t *ids, size_t count,
                          const pl_ppl_spec *spec, const pl_variants *variants, double *out,
                          pl_task *task, pl_error *err)
{
    const pl_config *config = pl_model_config(model);
    local_walk w = {.variants = variants, .width = config->hidden_size, .out = out, .task = task};
    memset(out, 0, variants->count * sizeof *out);
    pl_status status = pl_windows_init(&w.of, model, ids, count, spec, err);
    if (status != PL_OK) {
        return status;
    }
    w.values = w.of.length * w.width;
    size_t group = w.of.windows;
    const double states = 8.0 * (double)w.values;
    if (spec->memory_limit > 0 && (double)group * states > 0.25 * (double)spec->memory_limit) {
        const double fit = 0.25 * (double)spec->memory_limit / states;
        group = fit > 1.0 ? (size_t)fit : 1;
    }
    w.x = pl_alloc(group * w.values, sizeof *w.x);
    w.next = pl_alloc(group * w.values, sizeof *w.next);
    w.moved = pl_alloc(w.values, sizeof *w.moved);
    w.ids = pl_alloc(w.of.length, sizeof *w.ids);
    status = w.x == NULL || w.next == NULL || w.moved == NULL || w.ids == NULL
                 ? pl_error_memory(err, "windows of %zu tokens", w.of.length)
                 : pl_forward_create(model, w.of.length, &w.forward, err);
    for (size_t i = 0; status == PL_OK && i < w.of.windows; i += group) {
        w.first_window = i;
        w.windows = w.of.windows - i < group ? w.of.windows - i : group;
        status = move_group(&w, config->blocks, err);
    }
    pl_forward_destroy(w.forward);
    free(w.x);
    free(w.next);
    free(w.moved);
    free(w.ids);
    return status;
}
