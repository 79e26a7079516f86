#include "core/metrics/variants.h"

#include "core/base/checked.h"
#include "core/metrics/perplexity_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes for kept logits without a memory limit; variants that walk together. */
static const double KEPT_BYTES = 2e9;
enum { TOGETHER = 16 };

typedef struct walk {
    pl_model *model;
    const pl_hooks *base;
    const pl_variants *variants;
    pl_windows of;
    size_t group; /* windows in memory together */
    size_t width, blocks, vocab, targets;
    size_t values;                /* of one window's hidden states */
    size_t first_window, windows; /* of the running group */
    pl_forward *forward;
    float *x;      /* [group, length, width] of the base */
    float *branch; /* [at most TOGETHER, group, length, width] */
    float *kept;   /* [group, targets, vocab] the original's logits */
    int32_t *ids;  /* [group, length] */
    size_t *first; /* [variants] the first block in which each differs */
    size_t together;
    pl_window_sums *sums; /* [variants + 1, windows]; the last row is the base's */
    pl_score *scores;     /* [targets] */
    double done, total;   /* progress: blocks of one window */
    double head;          /* what a window's logits take, in those */
    pl_task *task;
} walk;

static void advance_walk(walk *w, double blocks)
{
    w->done += blocks;
    const double count = (double)w->variants->count;
    pl_task_progress(w->task, "units", count * fmin(w->done / w->total, 1.0), count);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static pl_status load_walk_block(walk *w, size_t block, const pl_hooks *hooks, pl_error *err)
{
    return pl_forward_load(w->forward, block, hooks, w->task, err);
}

/* The loaded block, on every window of the group. */
static pl_status run_walk_block(walk *w, float *x, const pl_hooks *hooks, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        status = pl_forward_run(w->forward, x + i * w->values, w->of.length, w->first_window + i,
                                hooks, w->task, err);
        advance_walk(w, 1.0);
    }
    return status;
}

/* --- logits ----------------------------------------------------------------------------------- */

typedef struct scored_rows {
    walk *w;
    float *kept;            /* [targets, vocab] of the window */
    const int32_t *targets; /* [targets] */
} scored_rows;

static pl_status keep_original(void *ctx, size_t first, const float *logits, size_t count,
                               size_t vocab, pl_error *err)
{
    const scored_rows *rows = ctx;
    memcpy(rows->kept + first * vocab, logits, count * vocab * sizeof *logits);
    return pl_score_alone(logits, rows->targets + first, count, vocab, rows->w->scores + first,
                          err);
}

static pl_status compare_kept(void *ctx, size_t first, const float *logits, size_t count,
                              size_t vocab, pl_error *err)
{
    const scored_rows *rows = ctx;
    return pl_score_against(rows->kept + first * vocab, logits, rows->targets + first, count, vocab,
                            rows->w->scores + first, err);
}

/* Scores x, which went through all blocks, into row `sums` of the sums; NULL: not summed. */
static pl_status score_group(walk *w, const float *x, pl_logits_fn score, pl_window_sums *sums,
                             pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        scored_rows rows = {.w = w,
                            .kept = w->kept + i * w->targets * w->vocab,
                            .targets = w->ids + i * w->of.length + w->of.first_target};
        const float *at = x + i * w->values + (w->of.first_target - 1) * w->width;
        status = pl_forward_logits(w->forward, at, w->targets, score, &rows, w->task, err);
        if (status == PL_ERR_NUMERIC) {
            pl_error_prefix(err, "window %zu: ", w->first_window + i);
        }
        if (status == PL_OK && sums != NULL) {
            pl_window_add(&sums[w->first_window + i], w->scores, w->targets);
        }
        advance_walk(w, w->head);
    }
    return status;
}

/* --- variants --------------------------------------------------------------------------------- */

static bool is_last_group(const walk *w)
{
    return w->first_window + w->windows == w->of.windows;
}

/* Whether the group's sums of a variant are known from a run that was cut off; then they are taken.
 */
static bool recall_sums(walk *w, size_t variant)
{
    const pl_variants *v = w->variants;
    pl_window_sums *sums = w->sums + variant * w->of.windows + w->first_window;
    if (v->recall == NULL || is_last_group(w) ||
        !v->recall(v->ctx, variant, w->first_window, w->windows, sums, w->windows * sizeof *sums)) {
        return false;
    }
    advance_walk(w, (double)w->windows * ((double)(w->blocks - w->first[variant]) + w->head));
    return true;
}

/* One block on the branches of these variants: the base's block serves all that do not differ. */
static pl_status step_branches(walk *w, const size_t *which, size_t count, size_t block,
                               pl_error *err)
{
    const pl_variants *v = w->variants;
    const size_t size = w->group * w->values;
    bool differs[TOGETHER], loaded = false;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        differs[i] = v->touches(v->ctx, which[i], block);
        if (!differs[i] && !loaded) {
            status = load_walk_block(w, block, w->base, err);
            loaded = true;
        }
        if (!differs[i]) {
            PL_THEN(run_walk_block(w, w->branch + i * size, w->base, err));
        }
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        if (differs[i]) {
            const pl_hooks *hooks = v->hooks(v->ctx, which[i]);
            status = load_walk_block(w, block, hooks, err);
            PL_THEN(run_walk_block(w, w->branch + i * size, hooks, err));
        }
    }
    return status;
}

/* Variants that first differ in the block, from the base's states before it to their scores. */
static pl_status branch_off(walk *w, const size_t *which, size_t count, size_t block, pl_error *err)
{
    const pl_variants *v = w->variants;
    const size_t size = w->group * w->values;
    pl_status status = PL_OK;
    for (size_t i = 0; i < count; i++) {
        memcpy(w->branch + i * size, w->x, w->windows * w->values * sizeof *w->x);
    }
    for (size_t b = block; status == PL_OK && b < w->blocks; b++) {
        status = step_branches(w, which, count, b, err);
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_window_sums *sums = w->sums + which[i] * w->of.windows;
        status = score_group(w, w->branch + i * size, compare_kept, sums, err);
        if (status == PL_OK && is_last_group(w)) {
            const pl_ppl_result result = pl_windows_result(&w->of, sums, true, false);
            status = v->done(v->ctx, which[i], &result, err);
        } else if (status == PL_OK && v->keep != NULL) {
            status = v->keep(v->ctx, which[i], w->first_window, w->windows, sums + w->first_window,
                             w->windows * sizeof *sums, err);
        }
    }
    return status;
}

static pl_status branch_all_at(walk *w, size_t block, pl_error *err)
{
    size_t which[TOGETHER], count = 0;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < w->variants->count; i++) {
        if (w->first[i] == block && !recall_sums(w, i)) {
            which[count++] = i;
        }
        if (count == w->together) {
            status = branch_off(w, which, count, block, err);
            count = 0;
        }
    }
    return status == PL_OK && count > 0 ? branch_off(w, which, count, block, err) : status;
}

/* --- a group of windows ----------------------------------------------------------------------- */

static pl_status embed_windows(walk *w, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < w->windows; i++) {
        int32_t *ids = w->ids + i * w->of.length;
        pl_windows_ids(&w->of, w->first_window + i, ids);
        status = pl_forward_embed(w->forward, ids, w->of.length, w->x + i * w->values, err);
    }
    return status;
}

/* The original walks in the place of the first branch; its scores are the base's where it is that.
 */
static pl_status run_original(walk *w, pl_window_sums *of_base, pl_error *err)
{
    pl_status status = PL_OK;
    memcpy(w->branch, w->x, w->windows * w->values * sizeof *w->x);
    for (size_t b = 0; status == PL_OK && b < w->blocks; b++) {
        status = load_walk_block(w, b, NULL, err);
        PL_THEN(run_walk_block(w, w->branch, NULL, err));
    }
    PL_THEN(score_group(w, w->branch, keep_original, w->base == NULL ? of_base : NULL, err));
    return status;
}

static pl_status run_group_of(walk *w, pl_error *err)
{
    pl_window_sums *of_base = w->sums + w->variants->count * w->of.windows;
    pl_status status = embed_windows(w, err);
    PL_THEN(run_original(w, of_base, err));
    for (size_t b = 0; status == PL_OK && b < w->blocks; b++) {
        status = branch_all_at(w, b, err);
        PL_THEN(load_walk_block(w, b, w->base, err));
        PL_THEN(run_walk_block(w, w->x, w->base, err));
    }
    if (w->base != NULL) {
        PL_THEN(score_group(w, w->x, compare_kept, of_base, err));
    }
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* How many windows and branches are in memory together, and what the progress counts.
 *
 * Where memory ends, windows are walked in groups, and nothing goes to a disk: a group costs that
 * each block's weights are read once more, which is little beside what they are multiplied with.
 * SmolLM2-135M, 10 layers alone, 4 windows of 512: all windows together 43.8 s of one core at
 * 634 MB, in twos 43.1 s at 532 MB, one by one 45.3 s at 331 MB, the same bytes each.  Hidden
 * states on a disk could save 4 % at most.  What they would cost is more: the original's logits,
 * 100 MB a window, take 0.1 s to read for each variant, which computes for 1 s; made again from
 * kept states they take the work of 8 blocks, a third of a variant's. */
static pl_status plan_walk(walk *w, const pl_ppl_spec *spec, pl_error *err)
{
    const double block = pl_block_parameters(w->model);
    const double head = (double)w->vocab * (double)w->width;
    const double states = 4.0 * (double)w->values;
    size_t most = 0;
    w->total = 0.0;
    w->head = block > 0.0 ? head / block : 1.0;
    for (size_t b = 0; b < w->blocks; b++) {
        size_t here = 0;
        for (size_t i = 0; i < w->variants->count; i++) {
            here += w->first[i] == b;
        }
        most = here > most ? here : most;
        w->total += (double)here * ((double)(w->blocks - b) + w->head);
    }
    w->together = most < TOGETHER ? (most > 0 ? most : 1) : TOGETHER;
    w->total += 2.0 * ((double)w->blocks + w->head);
    w->total *= (double)w->of.windows;
    const double window =
        4.0 * (double)w->targets * (double)w->vocab + states * (double)(1 + w->together);
    double room = KEPT_BYTES;
    if (spec->memory_limit > 0) {
        const double fixed = 4.0 * (block + head) + (double)(160u << 20);
        room = (double)spec->memory_limit - fixed;
        if (room < window) {
            return pl_error_set(err, PL_ERR_MEMORY,
                                "the logits of a window of %zu tokens and the states behind %zu "
                                "variants need at least %.0f MB, the memory limit is %.0f MB",
                                w->of.length, w->together, (fixed + window) / 1e6,
                                (double)spec->memory_limit / 1e6);
        }
        room = fmin(room, fmax(KEPT_BYTES, 0.5 * room));
    }
    const double fit = floor(room / window);
    w->group = fit >= (double)w->of.windows ? w->of.windows : fit > 1.0 ? (size_t)fit : 1;
    return PL_OK;
}

static pl_status find_first_blocks(walk *w, pl_error *err)
{
    w->first = pl_alloc(w->variants->count + 1, sizeof *w->first);
    if (w->first == NULL) {
        return pl_error_memory(err, "variants of a model");
    }
    for (size_t i = 0; i < w->variants->count; i++) {
        size_t b = 0;
        while (b < w->blocks && !w->variants->touches(w->variants->ctx, i, b)) {
            b++;
        }
        w->first[i] = b;
    }
    return PL_OK;
}

static pl_status allocate_walk(walk *w, pl_error *err)
{
    w->x = pl_alloc(w->group * w->values, sizeof *w->x);
    w->branch = pl_alloc(w->together * w->group, w->values * sizeof *w->branch);
    w->kept = pl_alloc(w->group * w->targets, w->vocab * sizeof *w->kept);
    w->ids = pl_alloc(w->group * w->of.length, sizeof *w->ids);
    w->sums = calloc((w->variants->count + 1) * w->of.windows, sizeof *w->sums);
    w->scores = pl_alloc(w->targets, sizeof *w->scores);
    if (w->x == NULL || w->branch == NULL || w->kept == NULL || w->ids == NULL || w->sums == NULL ||
        w->scores == NULL) {
        return pl_error_memory(err, "windows of %zu tokens", w->of.length);
    }
    return pl_forward_create(w->model, w->of.length, &w->forward, err);
}

static void release_walk(walk *w)
{
    pl_forward_destroy(w->forward);
    free(w->x);
    free(w->branch);
    free(w->kept);
    free(w->ids);
    free(w->first);
    free(w->sums);
    free(w->scores);
}

pl_status pl_variants_run(pl_model *model, const int32_t *ids, size_t count,
                          const pl_ppl_spec *spec, const pl_hooks *base,
                          const pl_variants *variants, pl_ppl_result *of_base, pl_task *task,
                          pl_error *err)
{
    memset(of_base, 0, sizeof *of_base);
    const pl_config *config = pl_model_config(model);
    walk w = {.model = model,
              .base = base,
              .variants = variants,
              .width = config->hidden_size,
              .blocks = config->blocks,
              .vocab = config->vocab_size,
              .task = task};
    pl_status status = pl_windows_init(&w.of, model, ids, count, spec, err);
    if (status == PL_OK) {
        w.targets = w.of.length - w.of.first_target;
        w.values = w.of.length * w.width;
    }
    PL_THEN(find_first_blocks(&w, err));
    PL_THEN(plan_walk(&w, spec, err));
    PL_THEN(allocate_walk(&w, err));
    for (size_t i = 0; status == PL_OK && i < w.of.windows; i += w.group) {
        w.first_window = i;
        w.windows = w.of.windows - i < w.group ? w.of.windows - i : w.group;
        status = run_group_of(&w, err);
    }
    if (status == PL_OK) {
        *of_base =
            pl_windows_result(&w.of, w.sums + variants->count * w.of.windows, true, base == NULL);
    }
    release_walk(&w);
    return status;
}
