#include "core/metrics/perplexity.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/metrics/perplexity_parts.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Bytes of hidden states in one group of windows without a memory limit. */
static const double GROUP_BYTES = 512e6;

enum { MAX_STREAMS = 2 };

typedef struct run {
    pl_model *model;
    pl_windows of;
    size_t group; /* windows in memory together */
    size_t width, blocks;
    size_t streams; /* with two, stream 0 is the original */
    const pl_hooks *hooks[MAX_STREAMS];
    pl_forward *forward[MAX_STREAMS];
    float *x[MAX_STREAMS];  /* [group, length, width] */
    int32_t *ids;           /* [group, length] */
    pl_window_sums *sums;   /* [windows] */
    pl_score *scores;       /* [length - 1] of the running window */
    pl_token_score *tokens; /* [windows, targets of one] the caller's, or NULL */
    float *kept;            /* [kept_rows, vocab] logits of the original */
    size_t kept_rows;
    uint64_t nudge;     /* seed of what moves the embeddings, 0: nothing does */
    double unit, units; /* progress: done and total, in blocks of one window */
    double head;        /* what the logits of a window take, in those */
    pl_task *task;
} run;

/* A call to pl_forward_logits: where its rows belong. */
typedef struct piece {
    run *r;
    const int32_t *targets; /* [rows] */
    pl_score *scores;       /* [rows] */
} piece;

static pl_status score_piece_rows(void *ctx, size_t first, const float *logits, size_t count,
                                  size_t vocab, pl_error *err)
{
    const piece *p = ctx;
    return pl_score_alone(logits, p->targets + first, count, vocab, p->scores + first, err);
}

static pl_status keep_rows(void *ctx, size_t first, const float *logits, size_t count, size_t vocab,
                           pl_error *err)
{
    (void)err;
    const piece *p = ctx;
    memcpy(p->r->kept + first * vocab, logits, count * vocab * sizeof(float));
    return PL_OK;
}

static pl_status compare_rows(void *ctx, size_t first, const float *logits, size_t count,
                              size_t vocab, pl_error *err)
{
    const piece *p = ctx;
    return pl_score_against(p->r->kept + first * vocab, logits, p->targets + first, count, vocab,
                            p->scores + first, err);
}

/* Scores the targets of one window whose hidden states went through all blocks; both streams have
 * the one lm_head. */
static pl_status score_window(run *r, size_t in_group, pl_error *err)
{
    const size_t rows = r->of.length - r->of.first_target;
    const size_t skip = (in_group * r->of.length + r->of.first_target - 1) * r->width;
    const int32_t *targets = r->ids + in_group * r->of.length + r->of.first_target;
    if (r->streams == 1) {
        piece p = {.r = r, .targets = targets, .scores = r->scores};
        return pl_forward_logits(r->forward[0], r->x[0] + skip, rows, score_piece_rows, &p, r->task,
                                 err);
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < rows; i += r->kept_rows) {
        const size_t count = rows - i < r->kept_rows ? rows - i : r->kept_rows;
        const size_t at = skip + i * r->width;
        piece p = {.r = r, .targets = targets + i, .scores = r->scores + i};
        status = pl_forward_logits(r->forward[0], r->x[0] + at, count, keep_rows, &p, r->task, err);
        PL_THEN(
            pl_forward_logits(r->forward[0], r->x[1] + at, count, compare_rows, &p, r->task, err));
    }
    return status;
}

static void advance_progress(run *r, double units)
{
    r->unit += units;
    const double total = (double)r->of.windows * (double)r->of.length;
    pl_task_progress(r->task, "scored tokens", total * r->unit / r->units, total);
}

/* Whatever windows run together, a window's values are moved alike. */
static void nudge(const run *r, size_t window, float *x, size_t values)
{
    pl_rng rng;
    pl_rng_init(&rng, r->nudge * 0x9e3779b97f4a7c15u + window);
    for (size_t i = 0; i < values; i++) {
        x[i] = (float)((double)x[i] * (1.0 + PL_PPL_NUDGE * (2.0 * pl_rng_uniform(&rng) - 1.0)));
    }
}

static pl_status embed_group(run *r, size_t first, size_t count, pl_error *err)
{
    const size_t values = r->of.length * r->width;
    for (size_t w = 0; w < count; w++) {
        int32_t *ids = r->ids + w * r->of.length;
        pl_windows_ids(&r->of, first + w, ids);
        pl_status status =
            pl_forward_embed(r->forward[0], ids, r->of.length, r->x[0] + w * values, err);
        if (status != PL_OK) {
            return status;
        }
        if (r->nudge > 0) {
            nudge(r, first + w, r->x[0] + w * values, values);
        }
        if (r->streams == 2) {
            memcpy(r->x[1] + w * values, r->x[0] + w * values, values * sizeof(float));
        }
    }
    return PL_OK;
}

/* The window's scores for who has asked for them. */
static void hand_out_scores(const run *r, size_t window)
{
    const size_t targets = r->of.length - r->of.first_target;
    for (size_t i = 0; r->tokens != NULL && i < targets; i++) {
        r->tokens[window * targets + i] = (pl_token_score){r->scores[i].nll, r->scores[i].kl};
    }
}

static pl_status run_group(run *r, size_t first, size_t count, pl_error *err)
{
    const size_t values = r->of.length * r->width;
    pl_status status = embed_group(r, first, count, err);
    for (size_t b = 0; b < r->blocks; b++) {
        for (size_t s = 0; status == PL_OK && s < r->streams; s++) {
            status = pl_forward_load(r->forward[s], b, r->hooks[s], r->task, err);
            for (size_t w = 0; status == PL_OK && w < count; w++) {
                status = pl_forward_run(r->forward[s], r->x[s] + w * values, r->of.length,
                                        first + w, r->hooks[s], r->task, err);
                advance_progress(r, 1.0);
            }
        }
        if (status != PL_OK) {
            return status;
        }
    }
    const double share = r->head * (double)r->streams;
    for (size_t w = 0; status == PL_OK && w < count; w++) {
        status = score_window(r, w, err);
        if (status == PL_ERR_NUMERIC) {
            pl_error_prefix(err, "window %zu: ", first + w);
        }
        if (status == PL_OK) {
            pl_window_add(&r->sums[first + w], r->scores, r->of.length - r->of.first_target);
            hand_out_scores(r, first + w);
            advance_progress(r, share);
        }
    }
    return status;
}

/* How many windows are run together, and what the progress counts. */
static pl_status plan_groups(run *r, const pl_ppl_spec *spec, pl_error *err)
{
    const pl_config *config = pl_model_config(r->model);
    const double streams = (double)r->streams;
    const double block = pl_block_parameters(r->model);
    const double head = (double)config->vocab_size * (double)r->width;
    const double window = 4.0 * (double)r->of.length * (double)r->width * streams;
    const size_t rows = pl_forward_logits_rows(config);
    const double logits = 4.0 * (double)rows * (double)config->vocab_size;
    double room = GROUP_BYTES;
    if (r->streams == 2) {
        r->kept_rows = rows < r->of.length ? rows : r->of.length;
    }
    if (spec->memory_limit > 0) {
        const double kept = 4.0 * (double)r->kept_rows * (double)config->vocab_size;
        const double fixed = 4.0 * (streams * block + head) + logits + kept + (double)(96u << 20);
        room = (double)spec->memory_limit - fixed;
        if (room < window) {
            return pl_error_set(err, PL_ERR_MEMORY,
                                "windows of %zu tokens need at least %.0f MB, the memory limit is "
                                "%.0f MB",
                                r->of.length, (fixed + window) / 1e6,
                                (double)spec->memory_limit / 1e6);
        }
    }
    const double fit = floor(room / window);
    r->group = fit >= (double)r->of.windows ? r->of.windows : fit > 1.0 ? (size_t)fit : 1;
    r->head = block > 0.0 ? head / block : 1.0;
    r->units =
        (double)r->of.windows * (streams + (double)spec->spread) * ((double)r->blocks + r->head);
    return PL_OK;
}

static pl_status allocate_run(run *r, pl_error *err)
{
    const size_t vocab = pl_model_config(r->model)->vocab_size;
    const size_t values = r->group * r->of.length * r->width;
    r->ids = pl_alloc(r->group * r->of.length, sizeof *r->ids);
    r->scores = pl_alloc(r->of.length, sizeof *r->scores);
    r->sums = calloc(r->of.windows, sizeof *r->sums);
    bool fits = r->ids != NULL && r->scores != NULL && r->sums != NULL;
    if (r->streams == 2) {
        r->kept = pl_alloc(r->kept_rows, vocab * sizeof(float));
        fits = fits && r->kept != NULL;
    }
    for (size_t s = 0; fits && s < r->streams; s++) {
        r->x[s] = pl_alloc(values, sizeof(float));
        fits = r->x[s] != NULL;
    }
    if (!fits) {
        return pl_error_memory(err, "windows of %zu tokens", r->of.length);
    }
    for (size_t s = 0; s < r->streams; s++) {
        pl_status status = pl_forward_create(r->model, r->of.length, &r->forward[s], err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static void release(run *r)
{
    for (size_t s = 0; s < MAX_STREAMS; s++) {
        pl_forward_destroy(r->forward[s]);
        free(r->x[s]);
    }
    free(r->ids);
    free(r->scores);
    free(r->sums);
    free(r->kept);
}

static pl_status run_windows(run *r, pl_error *err)
{
    pl_status status = PL_OK;
    memset(r->sums, 0, r->of.windows * sizeof *r->sums);
    for (size_t w = 0; status == PL_OK && w < r->of.windows; w += r->group) {
        status = run_group(r, w, r->of.windows - w < r->group ? r->of.windows - w : r->group, err);
    }
    return status;
}

/* The same windows again and again, each time from embeddings that are as good. */
static pl_status run_spread(run *r, size_t runs, pl_ppl_result *out, pl_error *err)
{
    double sum = 0.0, squares = 0.0; /* of the distances to the first */
    double least = out->perplexity, largest = out->perplexity;
    for (size_t i = 0; i < runs; i++) {
        pl_ppl_result one;
        r->nudge = i + 1;
        pl_status status = run_windows(r, err);
        if (status != PL_OK) {
            return status;
        }
        one = pl_windows_result(&r->of, r->sums, false, false);
        const double away = one.perplexity - out->perplexity;
        sum += away;
        squares += away * away;
        least = fmin(least, one.perplexity);
        largest = fmax(largest, one.perplexity);
    }
    const double n = (double)(runs + 1);
    out->spread_least = least;
    out->spread_largest = largest;
    out->spread_deviation = sqrt(fmax(squares - sum * sum / n, 0.0) / (n - 1.0));
    return PL_OK;
}

int pl_digits_of(double value, double deviation)
{
    if (!(deviation > 0.0) || !(fabs(value) > 0.0) || !isfinite(value)) {
        return 17;
    }
    const double digits = floor(log10(fabs(value))) - floor(log10(deviation)) + 1.0;
    return digits < 1.0 ? 1 : digits > 17.0 ? 17 : (int)digits;
}

pl_id pl_perplexity_text(const pl_model *model, const int32_t *ids, size_t count)
{
    struct {
        pl_id ids;
        pl_frame frame;
    } all = {.ids = pl_id_bytes(ids, count * sizeof *ids)};
    const pl_tokenizer *tokenizer = pl_model_tokenizer(model);
    if (tokenizer != NULL) {
        all.frame = *pl_tokenizer_frame(tokenizer);
    }
    return pl_id_bytes(&all, sizeof all);
}

pl_status pl_perplexity_size(const pl_model *model, const int32_t *ids, size_t count,
                             const pl_ppl_spec *spec, size_t *windows, size_t *targets,
                             pl_error *err)
{
    pl_windows of = {0};
    pl_status status = pl_windows_init(&of, model, ids, count, spec, err);
    *windows = status == PL_OK ? of.windows : 0;
    *targets = status == PL_OK ? of.length - of.first_target : 0;
    return status;
}

pl_status pl_perplexity(pl_model *model, const int32_t *ids, size_t count, const pl_ppl_spec *spec,
                        const pl_hooks *after, bool compare, pl_ppl_result *out, pl_task *task,
                        pl_error *err)
{
    memset(out, 0, sizeof *out);
    const pl_config *config = pl_model_config(model);
    run r = {.model = model, .task = task, .width = config->hidden_size, .blocks = config->blocks};
    r.streams = compare && after != NULL ? 2 : 1;
    r.hooks[r.streams - 1] = after;
    r.tokens = spec->tokens;
    pl_status status = pl_windows_init(&r.of, model, ids, count, spec, err);
    PL_THEN(plan_groups(&r, spec, err));
    PL_THEN(allocate_run(&r, err));
    PL_THEN(run_windows(&r, err));
    if (status == PL_OK) {
        *out = pl_windows_result(&r.of, r.sums, compare, r.streams == 1);
    }
    if (status == PL_OK && spec->spread > 0) {
        r.streams = 1; /* the original was compared with once */
        r.hooks[0] = after;
        r.tokens = NULL;
        status = run_spread(&r, spec->spread, out, err);
    }
    release(&r);
    return status;
}
