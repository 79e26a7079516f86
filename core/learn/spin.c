#include "core/learn/spin.h"

#include "core/base/checked.h"
#include "core/learn/site_stream.h"
#include "core/method/rotations.h"
#include "core/model/forward.h"
#include "core/model/stream.h"
#include "core/model/tape.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_ROWS = 128 }; /* of the logits at a time */

struct pl_spin {
    pl_spin_request r;
    const pl_config *c;
    size_t rows; /* of a batch */
    pl_forward *forward;
    pl_tape *tape;
    float *head, *final_gain; /* [vocab, hidden], [hidden] */
    float *states;            /* [blocks + 1, rows, hidden], each block's input and the end */
    float *grad;              /* [rows, hidden] */
    float *logits;            /* [HEAD_ROWS, vocab + 2 hidden] */
    float *turned;            /* [rows, the widest input]: Q(X T) */
    float *plain, *pulled;    /* [rows, hidden]: the stream without gain, and the gradient by it */
    float *sum, *small_sum;   /* [hidden, hidden], [head, head]: what R1, R2 are to multiply */

    /* Of the block that runs. */
    const float *r1, *r2; /* r2: the block's, as g2 */
    float *g1, *g2;
    size_t first_site, n_sites;
    pl_transform **turns;             /* [most_sites] */
    size_t most_sites;                /* of a block */
    float *gains[PL_SITE_ROLE_COUNT]; /* [hidden], where sites of the role read the stream */
};

/* --- making ----------------------------------------------------------------------------------- */

static bool allocate_spin(pl_spin *s)
{
    const pl_config *c = s->c;
    const size_t hidden = c->hidden_size, wide = pl_model_widest_input(s->r.model);
    s->most_sites = pl_model_most_block_sites(s->r.model);
    s->turns = calloc(s->most_sites, sizeof *s->turns);
    s->head = pl_alloc(c->vocab_size * hidden, sizeof *s->head);
    s->final_gain = pl_alloc(hidden, sizeof *s->final_gain);
    s->states = pl_alloc((c->blocks + 1) * s->rows * hidden, sizeof *s->states);
    s->grad = pl_alloc(s->rows * hidden, sizeof *s->grad);
    s->logits = pl_alloc(HEAD_ROWS * (c->vocab_size + 2 * hidden), sizeof *s->logits);
    s->turned = pl_alloc(s->rows * wide, sizeof *s->turned);
    s->plain = pl_alloc(s->rows * hidden, sizeof *s->plain);
    s->pulled = pl_alloc(s->rows * hidden, sizeof *s->pulled);
    s->sum = pl_alloc(hidden * hidden, sizeof *s->sum);
    s->small_sum = pl_alloc(c->head_dim * c->head_dim, sizeof *s->small_sum);
    bool made = s->head != NULL && s->final_gain != NULL && s->states != NULL && s->grad != NULL &&
                s->logits != NULL && s->turned != NULL && s->plain != NULL && s->pulled != NULL &&
                s->sum != NULL && s->small_sum != NULL && s->turns != NULL;
    for (int role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        s->gains[role] = pl_alloc(hidden, sizeof *s->gains[role]);
        made = made && s->gains[role] != NULL;
    }
    return made;
}

pl_status pl_spin_create(const pl_spin_request *request, pl_spin **out, pl_error *err)
{
    *out = NULL;
    pl_model *model = request->model;
    pl_status status = pl_model_need_stream(model, "learning rotations", err);
    if (status != PL_OK) {
        return status;
    }
    pl_spin *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return pl_error_memory(err, "learning rotations");
    }
    s->r = *request;
    s->c = pl_model_config(model);
    s->rows = request->windows * request->length;
    status = allocate_spin(s) ? PL_OK : pl_error_memory(err, "learning on %zu tokens", s->rows);
    PL_THEN(pl_forward_create(model, request->length, &s->forward, err));
    PL_THEN(pl_tape_create(model, request->length, request->windows, &s->tape, err));
    PL_THEN(pl_model_read_head(model, s->head, err));
    PL_THEN(pl_model_stream_gain(model, PL_FINAL_NORM, s->final_gain, err));
    for (size_t c = 0; c < s->c->hidden_size; c++) {
        s->final_gain[c] *= (float)s->c->logits_scale;
    }
    if (status != PL_OK) {
        pl_spin_destroy(s);
        return status;
    }
    *out = s;
    return PL_OK;
}

static void drop_turns(pl_spin *s)
{
    for (size_t i = 0; s->turns != NULL && i < s->most_sites; i++) {
        pl_transform_destroy(s->turns[i]);
        s->turns[i] = NULL;
    }
}

void pl_spin_destroy(pl_spin *s)
{
    if (s == NULL) {
        return;
    }
    drop_turns(s);
    pl_forward_destroy(s->forward);
    pl_tape_destroy(s->tape);
    float *const owned[] = {s->head,   s->final_gain, s->states, s->grad, s->logits,
                            s->turned, s->plain,      s->pulled, s->sum,  s->small_sum};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        free(owned[i]);
    }
    for (int role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free(s->gains[role]);
    }
    free(s->turns);
    free(s);
}

/* --- a block's rotations ---------------------------------------------------------------------- */

static const pl_site *site_of(const pl_spin *s, size_t number)
{
    return pl_model_site(s->r.model, s->first_site + number);
}

static bool reads_stream(const pl_spin *s, size_t number)
{
    return pl_model_reads_stream(s->r.model, s->first_site + number);
}

/* Experts' sites have one norm before them all. */
static pl_status turn_site(pl_spin *s, size_t number, pl_error *err)
{
    const pl_config *c = s->c;
    const pl_site *site = site_of(s, number);
    const size_t head = c->head_dim, index = s->first_site + number;
    pl_random_rotations random = {0};
    pl_status status = PL_OK;
    if (reads_stream(s, number) && (site->expert == PL_NO_EXPERT || site->expert == 0)) {
        status = pl_model_stream_gain(s->r.model, index, s->gains[site->role], err);
    }
    const pl_site_input in = {.site = site->name,
                              .n = site->cols,
                              .stream = pl_stream_of_site(s->r.model, index, s->gains[site->role])};
    PL_THEN(pl_rotations_random(&in.stream, in.n, s->r.seed, s->r.online, &random, err));
    if (status == PL_OK) {
        pl_rotations is = random.is;
        is.r1 = (pl_rotation_parts){.n = c->hidden_size, .q = s->r1, .order = c->hidden_size};
        is.r2 = (pl_rotation_parts){.n = head, .q = s->r2, .order = head};
        status = pl_rotations_of_site(&in, &is, &s->turns[number], err);
    }
    pl_rotations_random_free(&random);
    return status;
}

static pl_status load_turned_block(pl_spin *s, size_t block, pl_task *task, pl_error *err)
{
    drop_turns(s);
    s->n_sites = pl_model_block_sites(s->r.model, block, &s->first_site);
    pl_status status = pl_tape_load(s->tape, block, task, err);
    for (size_t i = 0; status == PL_OK && i < s->n_sites; i++) {
        status = turn_site(s, i, err);
    }
    return status;
}

/* --- the block's hooks ------------------------------------------------------------------------ */

static pl_status turn_input(void *ctx, size_t site, const float *x, size_t rows, float *out,
                            pl_error *err)
{
    const pl_spin *s = ctx;
    const size_t n = pl_transform_n(s->turns[site]);
    memcpy(out, x, rows * n * sizeof *out);
    pl_status status = pl_transform_inputs(s->turns[site], out, rows, NULL, err);
    if (status == PL_OK) {
        pl_act_quantize(&s->r.activations, NULL, out, rows, n);
        status = pl_transform_inputs_back(s->turns[site], out, rows, NULL, err);
    }
    return status;
}

/* to[rows, n] <- to * gain, or to / gain. */
static void apply_gain(const float *gain, bool divide, float *to, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows * n; i++) {
        to[i] = divide ? to[i] / gain[i % n] : to[i] * gain[i % n];
    }
}

/* Of u^ = Q(u R) R^T, u[rows, n], R[n, n] and dL/du^ = d: adds u^T d to `sum`, which is yet to be
 * multiplied by R, and d^T Q(u R) to g. */
static void add_gradient(const float *u, const float *turned, const float *d, size_t rows, size_t n,
                         float *sum, float *g)
{
    pl_gemm_tn(n, n, rows, u, n, d, n, 1.0f, sum, n);
    pl_gemm_tn(n, n, rows, d, n, turned, n, 1.0f, g, n);
}

/* g <- g + sum R. */
static void finish_gradient(const float *sum, const float *r, size_t n, float *g)
{
    pl_gemm_nn(n, n, n, 1.0f, sum, n, r, n, 1.0f, g, n);
}

/* The stream's, with the norm's gain undone: x = u diag(gain). */
static pl_status add_stream(pl_spin *s, size_t site, const float *x, size_t rows, const float *grad,
                            pl_error *err)
{
    const size_t n = s->c->hidden_size;
    const float *gain = s->gains[site_of(s, site)->role];
    memcpy(s->turned, x, rows * n * sizeof *x);
    pl_status status = pl_transform_inputs(s->turns[site], s->turned, rows, NULL, err);
    if (status == PL_OK) {
        pl_act_quantize(&s->r.activations, NULL, s->turned, rows, n);
        memcpy(s->plain, x, rows * n * sizeof *x);
        memcpy(s->pulled, grad, rows * n * sizeof *grad);
        apply_gain(gain, true, s->plain, rows, n);
        apply_gain(gain, false, s->pulled, rows, n);
        add_gradient(s->plain, s->turned, s->pulled, rows, n, s->sum, s->g1);
    }
    return status;
}

/* Heads of x[rows, n], which t turns by the block's R2. */
static pl_status add_heads(pl_spin *s, const pl_transform *t, const float *x, size_t rows, size_t n,
                           bool cache, const float *grad, pl_error *err)
{
    const size_t head = s->c->head_dim, parts = rows * n / head;
    memcpy(s->turned, x, rows * n * sizeof *x);
    pl_status status = pl_transform_inputs(t, s->turned, rows, NULL, err);
    if (status != PL_OK) {
        return status;
    }
    if (cache) {
        pl_act_quantize_groups(&s->r.kv, NULL, s->r.kv_group_size, s->turned, parts, head);
    } else {
        pl_act_quantize(&s->r.activations, NULL, s->turned, rows, n);
    }
    memset(s->small_sum, 0, head * head * sizeof *s->small_sum);
    add_gradient(x, s->turned, grad, parts, head, s->small_sum, s->g2);
    finish_gradient(s->small_sum, s->r2, head, s->g2);
    return PL_OK;
}

/* What rounds passes gradients straight through, so that grad stays as it is. */
static pl_status pull_input(void *ctx, size_t site, const float *x, size_t rows, float *grad,
                            pl_error *err)
{
    pl_spin *s = ctx;
    if (reads_stream(s, site)) {
        return add_stream(s, site, x, rows, grad, err);
    }
    return site_of(s, site)->role == PL_SITE_O
               ? add_heads(s, s->turns[site], x, rows, s->c->heads * s->c->head_dim, false, grad,
                           err)
               : PL_OK;
}

/* x[rows, n] of heads, in and out of the coordinates of t (NULL: their own). */
static pl_status round_cache(const pl_spin *s, const pl_transform *t, const float *x, size_t rows,
                             size_t n, float *out, pl_error *err)
{
    memcpy(out, x, rows * n * sizeof *out);
    return pl_transform_quantize_heads(t, &s->r.kv, s->r.kv_group_size, s->c->head_dim, out, rows,
                                       n, err);
}

/* v is the third of the first site's layers. */
static const pl_transform *turn_of_values(const pl_spin *s)
{
    return pl_transform_outputs(s->turns[0], PL_ROLE_V);
}

static pl_status turn_cache(void *ctx, const float *const qkv[3], size_t rows,
                            float *const qkv_out[3], pl_error *err)
{
    const pl_spin *s = ctx;
    const size_t n = s->c->kv_heads * s->c->head_dim;
    memcpy(qkv_out[0], qkv[0], rows * s->c->heads * s->c->head_dim * sizeof(float));
    pl_status status =
        round_cache(s, pl_transform_keys(s->turns[0]), qkv[1], rows, n, qkv_out[1], err);
    return status == PL_OK ? round_cache(s, turn_of_values(s), qkv[2], rows, n, qkv_out[2], err)
                           : status;
}

static pl_status pull_cache(void *ctx, const float *const qkv[3], size_t rows, float *const grad[3],
                            pl_error *err)
{
    pl_spin *s = ctx;
    return add_heads(s, turn_of_values(s), qkv[2], rows, s->c->kv_heads * s->c->head_dim, true,
                     grad[2], err);
}

static pl_tape_hooks hooks_of(pl_spin *s)
{
    pl_tape_hooks hooks = {.ctx = s};
    if (s->r.activations.bits > 0) {
        hooks.input = turn_input;
        hooks.input_back = pull_input;
    }
    if (s->r.kv.bits > 0) {
        hooks.cache = turn_cache;
        hooks.cache_back = pull_cache;
    }
    return hooks;
}

/* --- behind the blocks ------------------------------------------------------------------------ */

/* x / rms(x), to normed, times the gain; returns 1 / rms(x). */
static double norm_row(const pl_spin *s, const float *x, float *out)
{
    const size_t n = s->c->hidden_size;
    double square = 0.0;
    for (size_t c = 0; c < n; c++) {
        square += (double)x[c] * (double)x[c];
    }
    const double scale = 1.0 / sqrt(square / (double)n + s->c->norm_eps);
    for (size_t c = 0; c < n; c++) {
        out[c] = (float)((double)x[c] * scale) * s->final_gain[c];
    }
    return scale;
}

/* grad[n] of the normed row becomes that of x. */
static void unnorm_row(const pl_spin *s, const float *x, float *grad)
{
    const size_t n = s->c->hidden_size;
    double square = 0.0, along = 0.0;
    for (size_t c = 0; c < n; c++) {
        square += (double)x[c] * (double)x[c];
        along += (double)x[c] * (double)grad[c] * (double)s->final_gain[c];
    }
    const double scale = 1.0 / sqrt(square / (double)n + s->c->norm_eps);
    const double share = scale * scale * scale * along / (double)n;
    for (size_t c = 0; c < n; c++) {
        grad[c] =
            (float)(scale * (double)grad[c] * (double)s->final_gain[c] - share * (double)x[c]);
    }
}

/* logits[vocab] become (softmax - 1 at next) / count; returns the negative log-likelihood. */
static double soften(float *logits, size_t vocab, size_t next, double count)
{
    double most = -INFINITY, sum = 0.0;
    for (size_t v = 0; v < vocab; v++) {
        most = fmax(most, (double)logits[v]);
    }
    const double own = (double)logits[next];
    for (size_t v = 0; v < vocab; v++) {
        logits[v] = expf(logits[v] - (float)most);
        sum += (double)logits[v];
    }
    const double scale = 1.0 / (sum * count);
    for (size_t v = 0; v < vocab; v++) {
        logits[v] = (float)((double)logits[v] * scale);
    }
    logits[next] -= (float)(1.0 / count);
    return most + log(sum) - own;
}

/* The loss of the last states and, where it is wanted, its gradient by them, to s->grad. */
static pl_status end_batch(pl_spin *s, const int32_t *ids, bool wanted, double *loss, pl_task *task,
                           pl_error *err)
{
    const size_t n = s->c->hidden_size, vocab = s->c->vocab_size, length = s->r.length;
    const float *x = s->states + s->c->blocks * s->rows * n;
    const double count = (double)(s->r.windows * (length - 1));
    float *normed = s->logits + HEAD_ROWS * vocab, *back = normed + HEAD_ROWS * n;
    pl_status status = PL_OK;
    *loss = 0.0;
    memset(s->grad, 0, s->rows * n * sizeof *s->grad);
    for (size_t w = 0; w < s->r.windows; w++) {
        for (size_t t = 0; status == PL_OK && t + 1 < length; t += HEAD_ROWS) {
            const size_t left = length - 1 - t, rows = left < HEAD_ROWS ? left : HEAD_ROWS;
            const size_t first = w * length + t;
            for (size_t i = 0; i < rows; i++) {
                norm_row(s, x + (first + i) * n, normed + i * n);
            }
            status =
                pl_gemm_nt_tick(rows, vocab, n, normed, n, s->head, n, s->logits, vocab, task, err);
            for (size_t i = 0; status == PL_OK && i < rows; i++) {
                *loss += soften(s->logits + i * vocab, vocab, (size_t)ids[first + i + 1], count);
            }
            if (status != PL_OK || !wanted) {
                continue;
            }
            pl_gemm_nn(rows, n, vocab, 1.0f, s->logits, vocab, s->head, n, 0.0f, back, n);
            for (size_t i = 0; i < rows; i++) {
                unnorm_row(s, x + (first + i) * n, back + i * n);
            }
            memcpy(s->grad + first * n, back, rows * n * sizeof *back);
            status = pl_task_tick(task, err);
        }
    }
    *loss /= count;
    return status;
}

/* --- a batch ---------------------------------------------------------------------------------- */

static float *state_of(const pl_spin *s, size_t block)
{
    return s->states + block * s->rows * s->c->hidden_size;
}

static pl_status embed(pl_spin *s, const int32_t *ids, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t w = 0; status == PL_OK && w < s->r.windows; w++) {
        status = pl_forward_embed(s->forward, ids + w * s->r.length, s->r.length,
                                  state_of(s, 0) + w * s->r.length * s->c->hidden_size, err);
    }
    return status;
}

static pl_status run_forward(pl_spin *s, size_t block, const float *r2, const pl_tape_hooks *hooks,
                             pl_task *task, pl_error *err)
{
    s->r2 = r2 + block * s->c->head_dim * s->c->head_dim;
    pl_status status = load_turned_block(s, block, task, err);
    return status == PL_OK ? pl_tape_forward(s->tape, state_of(s, block), s->r.windows, hooks,
                                             state_of(s, block + 1), task, err)
                           : status;
}

pl_status pl_spin_value(pl_spin *s, const int32_t *ids, const float *r1, const float *r2,
                        double *loss, float *g1, float *g2, pl_task *task, pl_error *err)
{
    const size_t n = s->c->hidden_size, head = s->c->head_dim, blocks = s->c->blocks;
    const pl_tape_hooks hooks = hooks_of(s);
    s->r1 = r1;
    pl_status status = embed(s, ids, err);
    for (size_t b = 0; status == PL_OK && b < blocks; b++) {
        status = run_forward(s, b, r2, &hooks, task, err);
    }
    PL_THEN(end_batch(s, ids, g1 != NULL, loss, task, err));
    if (status != PL_OK || g1 == NULL) {
        return status;
    }
    memset(g1, 0, n * n * sizeof *g1);
    memset(g2, 0, blocks * head * head * sizeof *g2);
    memset(s->sum, 0, n * n * sizeof *s->sum);
    s->g1 = g1;
    for (size_t b = blocks; status == PL_OK && b-- > 0;) {
        s->g2 = g2 + b * head * head;
        status = run_forward(s, b, r2, &hooks, task, err);
        PL_THEN(pl_tape_backward(s->tape, &hooks, s->grad, NULL, task, err));
    }
    finish_gradient(s->sum, r1, n, g1);
    return status;
}
