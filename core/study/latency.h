/* core/study/latency.h -- how long a linear layer and a block's linear layers take on this
 * processor: float32 by SGEMM and int8 by oneDNN, each alone and behind the online part of every
 * shape of transform, fused or in separate passes.  Worker thread only.
 *
 * Attention, norms and gates, the same in all, are left out.  Times depend on widths, never on
 * values, so nothing is calibrated, solved or learned: every transform is the identity of its
 * shape, inputs are Gaussian, codes have 8 bits (fewer take as long, since no instruction here
 * multiplies narrower numbers).
 *
 * The protocol: threads are bound to processors.  A repeat goes through all ways once, and within a
 * way through the block's layers, so that whatever slows the machine slows all ways.  Each use of a
 * layer's weights reads another copy, so that 64 MB (twice the last cache if that is more) pass
 * before a copy is read again, as for a model larger than any cache.  The first repeat is not
 * counted.  Results are medians, with quartiles as their spread. */
#ifndef PL_STUDY_LATENCY_H
#define PL_STUDY_LATENCY_H

#include "core/lab/lab.h"

#include <jansson.h>

typedef struct pl_latency_spec {
    size_t layer;
    size_t tokens;  /* of a prefill; decoding has one */
    size_t repeats; /* at least 1 */
} pl_latency_spec;

/* Measures and keeps, under model, layer and machine, an object: layer, tokens, repeats, processor,
 * kernel, threads, pinned, int8_kernel (null: int8_missing says why there is none), copied_bytes
 * (of all copies' codes; in float32 four times as many), and rows, of each of which part "layer" or
 * "block" (of dense models that are no dumps), phase "prefill" or "decode", tokens, product
 * "float32" or "int8", transform "none", "diagonal", "hadamard", "kronecker" or "orthogonal",
 * online "none" (nothing is quantized), "apart" or "fused"; transform_seconds and quantize_seconds
 * where they are apart, online_seconds, product_seconds, seconds with seconds_q1 and seconds_q3:
 * medians and quartiles over the repeats; speedup: the float32 row's seconds over this one's;
 * slowdown: the share of the speedup of the same product and form that the transform costs
 * (FlatQuant, arXiv 2410.09426, abstract and 4.3); processor, kernel, threads. commands: kept
 * beside it, one a line.  PL_ERR_MEMORY where the layers' copies do not fit the limit.  Caller
 * decrefs *out, NULL on failure. */
PL_NODISCARD pl_status pl_latency_run(pl_context cx, const pl_latency_spec *spec,
                                      const char *commands, json_t **out, pl_error *err);

/* The last measurement of this layer on this machine; PL_ERR_STATE, with a sentence that begins
 * with `who`, where there is none.  commands is appended to, or NULL. */
PL_NODISCARD pl_status pl_latency_load(pl_context cx, size_t layer, const char *who, json_t **out,
                                       pl_buf *commands, pl_error *err);

#endif
