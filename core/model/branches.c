#include "core/model/branches.h"

#include "core/base/checked.h"
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <string.h>

enum { ROWS_TOGETHER = 1024 }; /* at most, but for a longer branch */

struct pl_branches {
    pl_forward *forward;
    const pl_branch *all;
    size_t count, rows, longest;
    pl_packed packed;
    uint32_t *positions; /* [rows] */
    float *gathered;     /* [threads, longest, kv_rows + value_rows] */
};

size_t pl_branch_row(const pl_branch *branches, size_t branch, size_t position)
{
    while (position < branches[branch].start) {
        branch = branches[branch].parent;
    }
    return branches[branch].row + position - branches[branch].start;
}

static pl_status check_longest(const pl_model *model, size_t longest, pl_error *err)
{
    const pl_config *c = pl_model_config(model);
    size_t most = c->max_positions;
    if (c->rope == PL_ROPE_LONG && c->rope_original_positions < most) {
        most = c->rope_original_positions;
    }
    return most > 0 && longest > most
               ? pl_error_set(err, PL_ERR_USAGE,
                              "a sequence has %zu tokens: expected at most %zu, beyond which the "
                              "model or its RoPE ends",
                              longest, most)
               : PL_OK;
}

/* Cosines and sines by row. */
static pl_status pack_angles(pl_branches *b, pl_error *err)
{
    const pl_forward *f = b->forward;
    const size_t half = f->model->config.rotary_dim / 2;
    bool failed = (b->positions = pl_alloc(b->rows, sizeof *b->positions)) == NULL;
    for (size_t i = 0; !failed && i < b->count; i++) {
        for (size_t t = 0; t < b->all[i].length; t++) {
            b->positions[b->all[i].row + t] = (uint32_t)(b->all[i].start + t);
        }
    }
    b->packed.positions = b->positions;
    for (size_t kind = 0; kind < 2 && f->cosine[kind] != NULL; kind++) {
        float *cosine = pl_forward_floats(b->rows, half, &failed);
        float *sine = pl_forward_floats(b->rows, half, &failed);
        b->packed.cosine[kind] = cosine;
        b->packed.sine[kind] = sine;
        for (size_t i = 0; !failed && i < b->count; i++) {
            const pl_branch *branch = &b->all[i];
            const size_t values = branch->length * half;
            memcpy(cosine + branch->row * half, f->cosine[kind] + branch->start * half,
                   values * sizeof *cosine);
            memcpy(sine + branch->row * half, f->sine[kind] + branch->start * half,
                   values * sizeof *sine);
        }
    }
    return failed ? pl_error_memory(err, "the positions of %zu tokens", b->rows) : PL_OK;
}

static void attend_branches(void *ctx, const pl_step *s, float *attended);

static pl_status allocate_branches(pl_branches *b, pl_model *model, pl_error *err)
{
    bool failed = false;
    size_t most = 0;
    for (size_t i = 0; i < b->count; i++) {
        const pl_branch *branch = &b->all[i];
        const size_t end = branch->start + branch->length;
        most = branch->length > most ? branch->length : most;
        b->longest = end > b->longest ? end : b->longest;
        b->rows += branch->length;
    }
    const size_t at_once = most > (size_t)ROWS_TOGETHER ? most : (size_t)ROWS_TOGETHER;
    pl_status status = check_longest(model, b->longest, err);
    PL_THEN(pl_forward_create_at(model, at_once < b->rows ? at_once : b->rows, b->longest,
                                 &b->forward, err));
    PL_THEN(pack_angles(b, err));
    if (status != PL_OK) {
        return status;
    }
    const pl_forward *f = b->forward;
    b->packed.ctx = b;
    b->packed.attend = attend_branches;
    b->packed.keys = pl_forward_floats(b->rows, f->kv_rows, &failed);
    b->packed.values = pl_forward_floats(b->rows, f->value_rows, &failed);
    b->gathered =
        pl_forward_floats(f->scratch_threads * b->longest, f->kv_rows + f->value_rows, &failed);
    return failed ? pl_error_memory(err, "keys and values of %zu tokens", b->rows) : PL_OK;
}

pl_status pl_branches_create(pl_model *model, const pl_branch *branches, size_t count,
                             pl_branches **out, pl_error *err)
{
    *out = NULL;
    pl_branches *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return pl_error_memory(err, "sequences");
    }
    b->all = branches;
    b->count = count;
    pl_status status = allocate_branches(b, model, err);
    if (status != PL_OK) {
        pl_branches_destroy(b);
        return status;
    }
    *out = b;
    return PL_OK;
}

void pl_branches_destroy(pl_branches *b)
{
    if (b == NULL) {
        return;
    }
    for (size_t kind = 0; kind < 2; kind++) {
        free(b->packed.cosine[kind]);
        free(b->packed.sine[kind]);
    }
    free(b->positions);
    free(b->packed.keys);
    free(b->packed.values);
    free(b->gathered);
    pl_forward_destroy(b->forward);
    free(b);
}

pl_forward *pl_branches_forward(pl_branches *branches)
{
    return branches->forward;
}

/* to[start + length, width] = what the branch's tokens see of from[rows, width]. */
static void gather_seen(const pl_branches *b, size_t branch, const float *from, size_t width,
                        float *to)
{
    size_t end = b->all[branch].start + b->all[branch].length;
    while (end > 0) {
        const pl_branch *one = &b->all[branch];
        if (end > one->start) {
            memcpy(to + one->start * width, from + one->row * width,
                   (end - one->start) * width * sizeof *to);
            end = one->start;
        }
        branch = one->parent;
    }
}

static void attend_branch(const pl_branches *b, const pl_step *s, size_t branch, float *attended,
                          size_t thread, size_t threads)
{
    const pl_forward *f = s->f;
    const pl_branch *one = &b->all[branch];
    const size_t at = one->row - s->past; /* in the run */
    float *keys = b->gathered + thread * b->longest * (f->kv_rows + f->value_rows);
    float *values = keys + b->longest * f->kv_rows;
    gather_seen(b, branch, b->packed.keys, f->kv_rows, keys);
    gather_seen(b, branch, b->packed.values, f->value_rows, values);
    pl_attention a = pl_forward_attention(s, attended + at * f->o_cols);
    a.q = f->qkv + at * f->q_stride;
    a.k = keys;
    a.v = values;
    a.length = one->length;
    a.past = one->start;
    a.scratch = f->scratch + thread * f->scratch_stride;
    a.threads = threads;
    pl_attend(&a);
}

/* A branch has few tokens as a rule: each thread takes whole ones. */
static void attend_branches(void *ctx, const pl_step *s, float *attended)
{
    const pl_branches *b = ctx;
    const size_t first = s->packed->first, last = s->packed->last;
    const size_t threads = s->f->scratch_threads;
    if (last - first == 1) {
        attend_branch(b, s, first, attended, 0, threads);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)threads)
    for (size_t i = first; i < last; i++) {
        attend_branch(b, s, i, attended, pl_linalg_thread(), 1);
    }
}

pl_status pl_branches_run(pl_branches *b, float *x, const pl_hooks *hooks, pl_task *task,
                          pl_error *err)
{
    const size_t hidden = b->forward->model->config.hidden_size;
    pl_status status = PL_OK;
    for (size_t first = 0, last = 0; status == PL_OK && first < b->count; first = last) {
        size_t rows = 0;
        while (last < b->count &&
               (rows == 0 || rows + b->all[last].length <= (size_t)ROWS_TOGETHER)) {
            rows += b->all[last++].length;
        }
        b->packed.first = first;
        b->packed.last = last;
        const size_t row = b->all[first].row;
        status = pl_forward_run_packed(b->forward, x + row * hidden, rows, row, &b->packed, hooks,
                                       task, err);
    }
    return status;
}

double pl_branches_row_bytes(const pl_model *model)
{
    const pl_config *c = pl_model_config(model);
    const double kinds = c->rope_local_theta > 0 ? 2.0 : 1.0;
    return sizeof(float) *
           ((double)c->hidden_size + (double)(c->kv_heads * (c->head_dim + c->value_dim)) +
            kinds * (double)c->rotary_dim);
}
