#include "core/metrics/likelihood.h"

#include "core/base/checked.h"
#include "core/metrics/perplexity_parts.h"
#include "core/metrics/softmax.h"

#include <math.h>
#include <string.h>

/* Its own room, beside a piece of logits inside a pl_forward. */
static const double FIXED_BYTES = 96e6;

/* One token of a continuation: predicted by a row, of a request. */
typedef struct target {
    size_t row, request;
    int32_t id;
    double ln;
    bool likeliest;
} target;

typedef struct scoring {
    pl_model *model;
    const pl_request *requests;
    size_t count;
    const pl_hooks *hooks;
    pl_share_fn progress;
    void *ctx;
    size_t *order;       /* [count] requests by their tokens */
    pl_branch *branches; /* [n_branches] */
    size_t n_branches, rows;
    size_t *branch_of; /* [count] of a request */
    target *targets;   /* [n_targets], by row */
    size_t n_targets;
    size_t *first_of; /* [n_wanted + 1] first target of a wanted row */
    size_t n_wanted;  /* rows with targets, gathered at the front of x */
    float *x;         /* [rows, hidden] */
} scoring;

static size_t common(const pl_request *a, const pl_request *b)
{
    const size_t most = (a->count < b->count ? a->count : b->count) - 1;
    size_t n = 0;
    while (n < most && a->ids[n] == b->ids[n]) {
        n++;
    }
    return n;
}

size_t pl_request_adds(const pl_request *request, const pl_request *before)
{
    return request->count - 1 - (before != NULL ? common(request, before) : 0);
}

/* A block's weights, those of the logits, and what a process has anyway. */
static double fixed_bytes(const pl_model *model)
{
    const pl_config *c = pl_model_config(model);
    const double head = (double)c->vocab_size * (double)c->hidden_size;
    const double logits = (double)pl_forward_logits_rows(c) * (double)c->vocab_size;
    return 4.0 * (pl_block_parameters(model) + head + logits) + FIXED_BYTES;
}

double pl_likelihood_need(const pl_model *model, size_t tokens)
{
    return fixed_bytes(model) + (double)tokens * pl_branches_row_bytes(model);
}

size_t pl_likelihood_room(const pl_model *model, size_t limit)
{
    const double fits = ((double)limit - fixed_bytes(model)) / pl_branches_row_bytes(model);
    return limit == 0 || fits > 1e9 ? (size_t)1000000000 : fits > 0.0 ? (size_t)fits : 0;
}

/* By tokens read; of two that begin alike the shorter first. */
static int compare_requests(const void *a, const void *b, void *ctx)
{
    const scoring *s = ctx;
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const pl_request *x = &s->requests[i], *y = &s->requests[j];
    const size_t n = common(x, y);
    const bool x_ends = n == x->count - 1, y_ends = n == y->count - 1;
    if (x_ends || y_ends) {
        return x_ends && y_ends ? (i > j) - (i < j) : x_ends ? -1 : 1;
    }
    return x->ids[n] < y->ids[n] ? -1 : 1;
}

static void add_branch(scoring *s, size_t request, size_t shared, size_t before)
{
    size_t parent = shared > 0 ? s->branch_of[before] : PL_NO_BRANCH;
    while (shared > 0 && s->branches[parent].start >= shared) {
        parent = s->branches[parent].parent;
    }
    s->branch_of[request] = s->n_branches;
    s->branches[s->n_branches++] = (pl_branch){.row = s->rows,
                                               .start = shared,
                                               .length = s->requests[request].count - 1 - shared,
                                               .parent = parent};
    s->rows += s->requests[request].count - 1 - shared;
}

static void make_branches(scoring *s)
{
    for (size_t i = 0; i < s->count; i++) {
        s->order[i] = i;
    }
    qsort_r(s->order, s->count, sizeof *s->order, compare_requests, s);
    for (size_t i = 0; i < s->count; i++) {
        const size_t request = s->order[i], before = i > 0 ? s->order[i - 1] : 0;
        const size_t read = s->requests[request].count - 1;
        const size_t shared = i > 0 ? common(&s->requests[request], &s->requests[before]) : 0;
        if (i > 0 && shared == read && s->requests[before].count - 1 == read) {
            s->branch_of[request] = s->branch_of[before];
            continue;
        }
        add_branch(s, request, shared, before);
    }
}

static int compare_targets(const void *a, const void *b)
{
    const target *x = a, *y = b;
    return x->row != y->row ? (x->row > y->row) - (x->row < y->row)
                            : (x->request > y->request) - (x->request < y->request);
}

static void make_targets(scoring *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const pl_request *r = &s->requests[i];
        for (size_t at = r->context; at < r->count; at++) {
            s->targets[s->n_targets++] =
                (target){.row = pl_branch_row(s->branches, s->branch_of[i], at - 1),
                         .request = i,
                         .id = r->ids[at]};
        }
    }
    qsort(s->targets, s->n_targets, sizeof *s->targets, compare_targets);
    for (size_t i = 0; i < s->n_targets; i++) {
        if (i == 0 || s->targets[i].row != s->targets[i - 1].row) {
            s->first_of[s->n_wanted++] = i;
        }
    }
    s->first_of[s->n_wanted] = s->n_targets;
}

static pl_status allocate_scoring(scoring *s, pl_error *err)
{
    size_t targets = 0;
    for (size_t i = 0; i < s->count; i++) {
        targets += s->requests[i].count - s->requests[i].context;
    }
    s->order = pl_alloc(s->count, sizeof *s->order);
    s->branches = pl_alloc(s->count, sizeof *s->branches);
    s->branch_of = pl_alloc(s->count, sizeof *s->branch_of);
    s->targets = pl_alloc(targets, sizeof *s->targets);
    s->first_of = pl_alloc(targets + 1, sizeof *s->first_of);
    return s->order != NULL && s->branches != NULL && s->branch_of != NULL && s->targets != NULL &&
                   s->first_of != NULL
               ? PL_OK
               : pl_error_memory(err, "%zu requests", s->count);
}

static pl_status embed_branches(scoring *s, pl_forward *forward, pl_error *err)
{
    const size_t hidden = pl_model_config(s->model)->hidden_size;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < s->count; i++) {
        const pl_branch *b = &s->branches[s->branch_of[i]];
        if (b->start + b->length == s->requests[i].count - 1) {
            status = pl_forward_embed_at(forward, s->requests[i].ids + b->start, b->start,
                                         b->length, s->x + b->row * hidden, err);
        }
    }
    return status;
}

static pl_status score_choice_rows(void *ctx, size_t first, const float *logits, size_t count,
                                   size_t vocab, pl_error *err)
{
    scoring *s = ctx;
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite)
    for (size_t r = 0; r < count; r++) {
        const float *row = logits + r * vocab;
        const float max = pl_row_max(row, vocab);
        const double log_sum = pl_row_log_sum_exp(row, vocab, max);
        const size_t best = pl_row_find(row, vocab, max);
        for (size_t i = s->first_of[first + r]; i < s->first_of[first + r + 1]; i++) {
            target *t = &s->targets[i];
            t->ln = (double)row[t->id] - log_sum;
            t->likeliest = (size_t)t->id == best;
            finite = finite && isfinite(t->ln);
        }
    }
    return finite ? PL_OK : pl_error_set(err, PL_ERR_NUMERIC, "the model's logits are not finite");
}

static pl_status score_targets(scoring *s, pl_forward *forward, pl_likelihood *out, pl_task *task,
                               pl_error *err)
{
    const size_t hidden = pl_model_config(s->model)->hidden_size;
    for (size_t i = 0; i < s->n_wanted; i++) {
        const size_t row = s->targets[s->first_of[i]].row; /* never before the i-th */
        memmove(s->x + i * hidden, s->x + row * hidden, hidden * sizeof *s->x);
    }
    pl_status status =
        pl_forward_logits(forward, s->x, s->n_wanted, score_choice_rows, s, task, err);
    for (size_t i = 0; status == PL_OK && i < s->count; i++) {
        out[i] = (pl_likelihood){.greedy = true};
    }
    for (size_t i = 0; status == PL_OK && i < s->n_targets; i++) {
        const target *t = &s->targets[i];
        out[t->request].sum += t->ln;
        out[t->request].greedy = out[t->request].greedy && t->likeliest;
    }
    return status;
}

static void tell_share(const scoring *s, double share)
{
    if (s->progress != NULL) {
        s->progress(s->ctx, share);
    }
}

static pl_status run_blocks(scoring *s, pl_branches *branches, pl_likelihood *out, pl_task *task,
                            pl_error *err)
{
    pl_forward *forward = pl_branches_forward(branches);
    const size_t blocks = pl_model_config(s->model)->blocks;
    pl_status status = embed_branches(s, forward, err);
    for (size_t b = 0; status == PL_OK && b < blocks; b++) {
        status = pl_forward_load(forward, b, s->hooks, task, err);
        PL_THEN(pl_branches_run(branches, s->x, s->hooks, task, err));
        tell_share(s, (double)(b + 1) / (double)(blocks + 1));
    }
    PL_THEN(score_targets(s, forward, out, task, err));
    return status;
}

/* The last token of a request is never embedded, so nobody else looks at its id. */
static pl_status check_request(const pl_model *model, const pl_request *request, size_t index,
                               pl_error *err)
{
    const size_t vocab = pl_model_config(model)->vocab_size;
    if (request->context == 0 || request->context >= request->count) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "request %zu has %zu tokens of context among %zu: expected at least "
                            "one, and one behind it",
                            index, request->context, request->count);
    }
    for (size_t i = 0; i < request->count; i++) {
        if (request->ids[i] < 0 || (size_t)request->ids[i] >= vocab) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "request %zu: token %zu has the id %d; the model's vocabulary "
                                "has %zu",
                                index, i, (int)request->ids[i], vocab);
        }
    }
    return PL_OK;
}

pl_status pl_likelihoods(pl_model *model, const pl_request *requests, size_t count,
                         const pl_hooks *hooks, pl_share_fn progress, void *ctx, pl_likelihood *out,
                         size_t *distinct, pl_task *task, pl_error *err)
{
    scoring s = {.model = model,
                 .requests = requests,
                 .count = count,
                 .hooks = hooks,
                 .progress = progress,
                 .ctx = ctx};
    pl_branches *branches = NULL;
    size_t values = 0;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = check_request(model, &requests[i], i, err);
    }
    PL_THEN(allocate_scoring(&s, err));
    if (status == PL_OK) {
        make_branches(&s);
        make_targets(&s);
    }
    PL_THEN(pl_branches_create(model, s.branches, s.n_branches, &branches, err));
    if (status == PL_OK) {
        s.x = pl_mul(s.rows, pl_model_config(model)->hidden_size, &values)
                  ? pl_alloc(values, sizeof *s.x)
                  : NULL;
        status = s.x != NULL ? run_blocks(&s, branches, out, task, err)
                             : pl_error_memory(err, "%zu tokens", s.rows);
    }
    if (distinct != NULL) {
        *distinct = s.rows;
    }
    pl_branches_destroy(branches);
    free(s.order);
    free(s.branches);
    free(s.branch_of);
    free(s.targets);
    free(s.first_of);
    free(s.x);
    return status;
}
