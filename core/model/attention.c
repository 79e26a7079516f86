#include "core/model/forward_parts.h"
#include "core/tensor/linalg.h"

#include <string.h>

/* Heads that share a key head go together, so that BLAS packs keys and values once for all of them;
 * and with fewer queries at a time, so that less of the upper triangle is computed for nothing. */
typedef struct attend_plan {
    size_t together; /* heads, a divisor of those of one key head */
    size_t queries;
} attend_plan;

static attend_plan plan_of(size_t heads, size_t kv_heads)
{
    const size_t group = heads / kv_heads;
    size_t together = group < PL_HEADS_TOGETHER ? group : PL_HEADS_TOGETHER;
    while (group % together != 0) {
        together--;
    }
    const size_t queries = PL_SCORE_ROWS / together;
    return (attend_plan){together, queries < PL_QUERY_BLOCK ? queries : PL_QUERY_BLOCK};
}

size_t pl_attend_scratch(size_t heads, size_t kv_heads, size_t head_dim, size_t value_dim,
                         size_t max_length)
{
    const attend_plan plan = plan_of(heads, kv_heads);
    return plan.together * plan.queries * (max_length + head_dim + value_dim);
}

size_t pl_attend_low(const pl_attention *a, size_t at)
{
    const size_t slid = at + 1 > a->window ? at + 1 - a->window : 0;
    const size_t chunk = a->chunk > 0 ? at - at % a->chunk : 0;
    return chunk > slid ? chunk : slid;
}

/* Some heads, one block of queries: P = softmax(scale Q K^T) on the keys they see, O = P V.  Row
 * i * together + j of Q, P and O is of query i and head j. */
static void attend_block(const pl_attention *a, attend_plan plan, size_t head, size_t first,
                         float *scratch)
{
    const size_t count = a->length - first < plan.queries ? a->length - first : plan.queries;
    const size_t rows = count * plan.together, d = a->head_dim, v = a->value_dim;
    const size_t at = a->past + first; /* position of the first one */
    const size_t low = pl_attend_low(a, at);
    const size_t keys = at + count - low;
    const size_t k_stride = a->kv_heads * d, v_stride = a->kv_heads * v, out_stride = a->heads * v;
    const size_t kv_head = head / (a->heads / a->kv_heads);
    const float *keys_seen = a->k + low * k_stride + kv_head * d;
    const float *values_seen = a->v + low * v_stride + kv_head * v;
    const size_t wide = plan.together * d; /* the heads lie side by side */
    const size_t wide_out = plan.together * v;
    float *q = scratch, *out = q + rows * d, *scores = out + rows * v;
    for (size_t i = 0; i < count; i++) {
        memcpy(q + i * wide, a->q + (first + i) * a->q_stride + head * d, wide * sizeof *q);
    }
    pl_gemm_nt(rows, keys, d, a->scale, q, d, keys_seen, k_stride, 0.0f, scores, keys);
    if (a->cap > 0) {
        pl_soft_cap(scores, 1, rows * keys, a->cap);
    }
    const pl_mask mask = {.first = at - low,
                          .cols = keys,
                          .window = a->window,
                          .chunk = a->chunk,
                          .low = low,
                          .sinks = a->sinks != NULL ? a->sinks + head : NULL};
    pl_masked_softmax(scores, keys, rows, plan.together, &mask);
    pl_gemm_nn(rows, v, keys, 1.0f, scores, keys, values_seen, v_stride, 0.0f, out, v);
    for (size_t i = 0; i < count; i++) {
        memcpy(a->out + (first + i) * out_stride + head * v, out + i * wide_out,
               wide_out * sizeof *out);
    }
}

void pl_attend(const pl_attention *a)
{
    const attend_plan plan = plan_of(a->heads, a->kv_heads);
    const size_t blocks = (a->length + plan.queries - 1) / plan.queries;
    const size_t parts = a->heads / plan.together;
    /* Long blocks first, so that the threads finish together; each task's result is its own. */
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)a->threads)
    for (size_t task = 0; task < blocks * parts; task++) {
        const size_t block = blocks - 1 - task / parts;
        attend_block(a, plan, task % parts * plan.together, block * plan.queries,
                     a->scratch + pl_linalg_thread() * a->scratch_stride);
    }
}
