#include "core/metrics/perplexity.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/metrics/softmax.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Bytes of hidden states in one group of windows without a memory limit; of the original's logits
 * that are kept for a comparison; of a piece of logits inside a pl_forward. */
static const double GROUP_BYTES = 512e6;
static const double LOGITS_BYTES = 32e6;
static const double PIECE_BYTES = 64e6;

enum { MAX_STREAMS = 2 };

/* What one window adds up to. */
typedef struct window_sums {
    double nll, nll2, kl, kl_max;
    double original, original2; /* the same of the original's nll */
    size_t agreed;
} window_sums;

/* One target's scores. */
typedef struct score {
    double nll, kl, original;
    bool agreed;
} score;

typedef struct run {
    pl_model *model;
    const int32_t *text; /* [count], without the special tokens around it */
    size_t count;
    pl_frame frame;
    pl_ppl_protocol protocol;
    size_t length, windows, group; /* group: windows in memory together */
    size_t width, blocks;
    size_t first_target; /* position of the first scored token of a window */
    size_t streams;      /* with two, stream 0 is the original */
    const pl_hooks *hooks[MAX_STREAMS];
    pl_forward *forward[MAX_STREAMS];
    float *x[MAX_STREAMS]; /* [group, length, width] */
    int32_t *ids;          /* [group, length] */
    window_sums *sums;     /* [windows] */
    score *scores;         /* [length - 1] of the running window */
    float *kept;           /* [kept_rows, vocab] logits of the original */
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
    score *scores;          /* [rows] */
} piece;

static pl_status check_finite(const score *scores, size_t count, pl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(scores[i].nll) || !isfinite(scores[i].kl)) {
            return pl_error_set(err, PL_ERR_NUMERIC, "the model's logits are not finite");
        }
    }
    return PL_OK;
}

static pl_status score_rows(void *ctx, size_t first, const float *logits, size_t count,
                            size_t vocab, pl_error *err)
{
    const piece *p = ctx;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const float *row = logits + i * vocab;
        const float max = pl_row_max(row, vocab);
        const double log_sum = pl_row_log_sum_exp(row, vocab, max);
        const double chosen = (double)row[p->targets[first + i]];
        p->scores[first + i] = (score){.nll = log_sum - chosen, .original = log_sum - chosen};
    }
    return check_finite(p->scores + first, count, err);
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
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const float *q = logits + i * vocab;
        const float *o = p->r->kept + (first + i) * vocab;
        const float max_q = pl_row_max(q, vocab);
        const float max_o = pl_row_max(o, vocab);
        const double log_q = pl_row_log_sum_exp(q, vocab, max_q);
        const double log_o = pl_row_log_sum_exp(o, vocab, max_o);
        p->scores[first + i] = (score){
            .nll = log_q - (double)q[p->targets[first + i]],
            .original = log_o - (double)o[p->targets[first + i]],
            .kl = pl_row_kl(o, q, vocab, max_o, log_o, log_q),
            .agreed = pl_row_find(q, vocab, max_q) == pl_row_find(o, vocab, max_o),
        };
    }
    return check_finite(p->scores + first, count, err);
}

/* Scores the targets of one window whose hidden states went through all blocks. */
static pl_status score_window(run *r, size_t in_group, pl_error *err)
{
    const size_t rows = r->length - r->first_target;
    const size_t skip = (in_group * r->length + r->first_target - 1) * r->width;
    const int32_t *targets = r->ids + in_group * r->length + r->first_target;
    if (r->streams == 1) {
        piece p = {.r = r, .targets = targets, .scores = r->scores};
        return pl_forward_logits(r->forward[0], r->x[0] + skip, rows, score_rows, &p, r->task, err);
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < rows; i += r->kept_rows) {
        const size_t count = rows - i < r->kept_rows ? rows - i : r->kept_rows;
        const size_t at = skip + i * r->width;
        piece p = {.r = r, .targets = targets + i, .scores = r->scores + i};
        status = pl_forward_logits(r->forward[0], r->x[0] + at, count, keep_rows, &p, r->task, err);
        PL_THEN(
            pl_forward_logits(r->forward[1], r->x[1] + at, count, compare_rows, &p, r->task, err));
    }
    return status;
}

static void add_scores(run *r, size_t window)
{
    window_sums *sums = &r->sums[window];
    for (size_t i = 0; i < r->length - r->first_target; i++) {
        const score *s = &r->scores[i];
        sums->nll += s->nll;
        sums->nll2 += s->nll * s->nll;
        sums->original += s->original;
        sums->original2 += s->original * s->original;
        sums->kl += s->kl;
        sums->kl_max = s->kl > sums->kl_max ? s->kl : sums->kl_max;
        sums->agreed += s->agreed ? 1 : 0;
    }
}

/* The tokens of a window, by the protocol. */
static void window_ids(const run *r, size_t window, int32_t *out)
{
    const pl_frame *f = &r->frame;
    for (size_t i = 0; i < r->length; i++) {
        const size_t at = window * r->length + i;
        out[i] = at < f->n_front              ? f->front[at]
                 : at < f->n_front + r->count ? r->text[at - f->n_front]
                                              : f->back[at - f->n_front - r->count];
    }
    if (f->n_front > 0 && r->protocol == PL_PPL_LLAMA_CPP) {
        out[0] = f->front[0];
    }
}

static void advance_progress(run *r, double units)
{
    r->unit += units;
    const double total = (double)r->windows * (double)r->length;
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
    const size_t values = r->length * r->width;
    for (size_t w = 0; w < count; w++) {
        int32_t *ids = r->ids + w * r->length;
        window_ids(r, first + w, ids);
        pl_status status =
            pl_forward_embed(r->forward[0], ids, r->length, r->x[0] + w * values, err);
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

static pl_status run_group(run *r, size_t first, size_t count, pl_error *err)
{
    const size_t values = r->length * r->width;
    pl_status status = embed_group(r, first, count, err);
    for (size_t b = 0; b < r->blocks; b++) {
        for (size_t s = 0; status == PL_OK && s < r->streams; s++) {
            status = pl_forward_load(r->forward[s], b, r->hooks[s], r->task, err);
            for (size_t w = 0; status == PL_OK && w < count; w++) {
                status = pl_forward_run(r->forward[s], r->x[s] + w * values, r->length, first + w,
                                        r->hooks[s], r->task, err);
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
            add_scores(r, first + w);
            advance_progress(r, share);
        }
    }
    return status;
}

/* Parameters of a block and of the largest tensor in it. */
static double block_parameters(const pl_model *model)
{
    double sum = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        sum += layer->block == 0 ? (double)layer->rows * (double)layer->cols : 0.0;
    }
    return sum;
}

/* How many windows are run together, and what the progress counts. */
static pl_status plan_groups(run *r, const pl_ppl_spec *spec, pl_error *err)
{
    const pl_config *config = pl_model_config(r->model);
    const double streams = (double)r->streams;
    const double block = block_parameters(r->model);
    const double head = (double)config->vocab_size * (double)r->width;
    const double window = 4.0 * (double)r->length * (double)r->width * streams;
    const double kept = r->streams == 2 ? LOGITS_BYTES : 0.0;
    double room = GROUP_BYTES;
    if (spec->memory_limit > 0) {
        const double fixed =
            streams * (4.0 * (block + head) + PIECE_BYTES) + kept + (double)(96u << 20);
        room = (double)spec->memory_limit - fixed;
        if (room < window) {
            return pl_error_set(err, PL_ERR_MEMORY,
                                "windows of %zu tokens need at least %.0f MB, the memory limit is "
                                "%.0f MB",
                                r->length, (fixed + window) / 1e6,
                                (double)spec->memory_limit / 1e6);
        }
    }
    const double fit = floor(room / window);
    r->group = fit >= (double)r->windows ? r->windows : fit > 1.0 ? (size_t)fit : 1;
    r->head = block > 0.0 ? head / block : 1.0;
    r->units =
        (double)r->windows * (streams + (double)spec->spread) * ((double)r->blocks + r->head);
    if (r->streams == 2) {
        const double rows = floor(LOGITS_BYTES / (4.0 * (double)config->vocab_size));
        r->kept_rows = rows >= (double)r->length ? r->length : rows > 1.0 ? (size_t)rows : 1;
    }
    return PL_OK;
}

static pl_status check_spec(run *r, const pl_ppl_spec *spec, size_t count, pl_error *err)
{
    const bool llama = spec->protocol == PL_PPL_LLAMA_CPP;
    if (spec->length < (llama ? 3u : 2u)) {
        return pl_error_set(err, PL_ERR_USAGE, "length is %zu, expected at least %d by protocol %s",
                            spec->length, llama ? 3 : 2, llama ? "llama.cpp" : "gptq");
    }
    const pl_tokenizer *tokenizer = pl_model_tokenizer(r->model);
    r->frame = tokenizer != NULL ? *pl_tokenizer_frame(tokenizer) : (pl_frame){0};
    r->count = count;
    const size_t has = (r->frame.n_front + count + r->frame.n_back) / spec->length;
    if (has == 0 || has < spec->windows) {
        return pl_error_set(
            err, PL_ERR_STATE, "the text has %zu window%s of %zu tokens, %zu were asked", has,
            has == 1 ? "" : "s", spec->length, spec->windows > 0 ? spec->windows : 1);
    }
    r->protocol = spec->protocol;
    r->length = spec->length;
    r->windows = spec->windows > 0 ? spec->windows : has;
    r->first_target = llama ? spec->length / 2 + 1 : 1;
    return PL_OK;
}

static pl_status allocate(run *r, pl_error *err)
{
    const size_t vocab = pl_model_config(r->model)->vocab_size;
    const size_t values = r->group * r->length * r->width;
    r->ids = pl_alloc(r->group * r->length, sizeof *r->ids);
    r->scores = pl_alloc(r->length, sizeof *r->scores);
    r->sums = calloc(r->windows, sizeof *r->sums);
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
        return pl_error_memory(err, "windows of %zu tokens", r->length);
    }
    for (size_t s = 0; s < r->streams; s++) {
        pl_status status = pl_forward_create(r->model, r->length, &r->forward[s], err);
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

/* exp(mean), and one standard error of it, from the sums of n scores and of their squares. */
static double perplexity_of(double sum, double squares, double n, double *error)
{
    const double mean = sum / n;
    const double variance = squares / n - mean * mean;
    const double spread = sqrt((variance > 0.0 ? variance : 0.0) / (n - 1.0));
    *error = n > 1.0 ? exp(mean) * spread : (double)NAN;
    return exp(mean);
}

static void sum_up(const run *r, bool compare, pl_ppl_result *out)
{
    window_sums all = {0};
    for (size_t w = 0; w < r->windows; w++) {
        all.nll += r->sums[w].nll;
        all.nll2 += r->sums[w].nll2;
        all.original += r->sums[w].original;
        all.original2 += r->sums[w].original2;
        all.kl += r->sums[w].kl;
        all.kl_max = r->sums[w].kl_max > all.kl_max ? r->sums[w].kl_max : all.kl_max;
        all.agreed += r->sums[w].agreed;
    }
    const size_t tokens = r->windows * (r->length - r->first_target);
    const double n = (double)tokens;
    *out = (pl_ppl_result){
        .mean_nll = all.nll / n,
        .tokens = tokens,
        .windows = r->windows,
        .kl_mean = compare ? all.kl / n : NAN,
        .kl_max = compare ? all.kl_max : NAN,
        .top1_agreement = !compare          ? NAN
                          : r->streams == 1 ? 1.0 /* the original against itself */
                                            : (double)all.agreed / n,
        .original = (double)NAN,
        .original_error = (double)NAN,
        .spread_least = (double)NAN,
        .spread_largest = (double)NAN,
        .spread_deviation = (double)NAN,
    };
    out->perplexity = perplexity_of(all.nll, all.nll2, n, &out->perplexity_error);
    if (compare) {
        out->original = perplexity_of(all.original, all.original2, n, &out->original_error);
    }
}

static pl_status run_windows(run *r, pl_error *err)
{
    pl_status status = PL_OK;
    memset(r->sums, 0, r->windows * sizeof *r->sums);
    for (size_t w = 0; status == PL_OK && w < r->windows; w += r->group) {
        status = run_group(r, w, r->windows - w < r->group ? r->windows - w : r->group, err);
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
        sum_up(r, false, &one);
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

pl_status pl_perplexity(pl_model *model, const int32_t *ids, size_t count, const pl_ppl_spec *spec,
                        const pl_hooks *after, bool compare, pl_ppl_result *out, pl_task *task,
                        pl_error *err)
{
    memset(out, 0, sizeof *out);
    const pl_config *config = pl_model_config(model);
    run r = {.model = model,
             .text = ids,
             .task = task,
             .width = config->hidden_size,
             .blocks = config->blocks};
    r.streams = compare && after != NULL ? 2 : 1;
    r.hooks[r.streams - 1] = after;
    pl_status status = check_spec(&r, spec, count, err);
    PL_THEN(plan_groups(&r, spec, err));
    PL_THEN(allocate(&r, err));
    PL_THEN(run_windows(&r, err));
    if (status == PL_OK) {
        sum_up(&r, compare, out);
    }
    if (status == PL_OK && spec->spread > 0) {
        r.streams = 1; /* the original was compared with once */
        r.hooks[0] = after;
        status = run_spread(&r, spec->spread, out, err);
    }
    release(&r);
    return status;
}
