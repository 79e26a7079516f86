/* core/study/latency.h -- what a linear layer and a block's linear layers take on this processor:
 * float32 by SGEMM and int8 by oneDNN, each alone and behind the online part of every shape of
 * transform, computed fused or in passes apart.  Worker thread only.
 *
 * Attention, norms and gates are the same under each and are not in it.  Times depend on widths and
 * never on values, so nothing is calibrated, solved or learned: every transform is the identity in
 * its shape, inputs are Gaussian, codes are of 8 bits (fewer bits take as long here, where
 * nothing multiplies narrower numbers).
 *
 * The protocol: threads are bound to processors; a repeat goes through all ways once, and within
 * one through the block's layers, so that what slows the machine down slows all of them; each use
 * of a layer's weights reads another copy, so many that those of 64 MB (twice the last cache where
 * that is more) pass before one is read again, as for a model that no cache holds; the first
 * repeat is not counted; medians, and quartiles as their spread. */
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
 * slowdown: what of the speedup of the same product and form without a transform is lost by it
 * (FlatQuant, arXiv 2410.09426, abstract and 4.3); processor, kernel, threads. commands: kept
 * beside it, one a line.  PL_ERR_MEMORY where the layers' copies do not fit the limit.  Caller
 * decrefs *out, NULL on failure. */
PL_NODISCARD pl_status pl_latency_run(pl_context cx, const pl_latency_spec *spec,
                                      const char *commands, json_t **out, pl_error *err);

/* The last one of this layer on this machine; PL_ERR_STATE, with a sentence that begins with `who`,
 * where there is none.  commands is appended to, or NULL. */
PL_NODISCARD pl_status pl_latency_load(pl_context cx, size_t layer, const char *who, json_t **out,
                                       pl_buf *commands, pl_error *err);

#endif
