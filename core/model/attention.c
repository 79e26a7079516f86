#include "core/model/forward_parts.h"
#include "core/tensor/linalg.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static size_t thread_index(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

/* One head, one block of queries: P = softmax(scale Q K^T) on the keys they see, O = P V. */
static void attend_block(const pl_attention *a, size_t head, size_t first, float *scores)
{
    size_t count = a->length - first < PL_QUERY_BLOCK ? a->length - first : PL_QUERY_BLOCK;
    size_t low = first + 1 > a->window ? first + 1 - a->window : 0; /* the first query's first */
    size_t keys = first + count - low;
    size_t d = a->head_dim;
    size_t kv_stride = a->kv_heads * d;
    size_t kv = low * kv_stride + head / (a->heads / a->kv_heads) * d;
    pl_gemm_nt(count, keys, d, a->scale, a->q + first * a->q_stride + head * d, a->q_stride,
               a->k + kv, kv_stride, 0.0f, scores, keys);
    if (a->cap > 0) {
        pl_soft_cap(scores, 1, count * keys, a->cap);
    }
    pl_causal_softmax(scores, keys, count, first - low, keys, a->window);
    pl_gemm_nn(count, d, keys, 1.0f, scores, keys, a->v + kv, kv_stride, 0.0f,
               a->out + first * a->heads * d + head * d, a->heads * d);
}

void pl_attend(const pl_attention *a)
{
    size_t blocks = (a->length + PL_QUERY_BLOCK - 1) / PL_QUERY_BLOCK;
    size_t tasks = blocks * a->heads;
    /* Long blocks first, so that the threads finish together; each task's result is its own. */
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)a->threads)
    for (size_t task = 0; task < tasks; task++) {
        size_t block = blocks - 1 - task / a->heads;
        attend_block(a, task % a->heads, block * PL_QUERY_BLOCK,
                     a->scratch + thread_index() * a->scratch_stride);
    }
}
