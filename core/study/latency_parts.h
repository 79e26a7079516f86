/* core/study/latency_parts.h -- the ways that are timed and their times; private to core/study. */
#ifndef PL_STUDY_LATENCY_PARTS_H
#define PL_STUDY_LATENCY_PARTS_H

#include "core/study/latency.h"

#include <stdbool.h>

enum { PL_LATENCY_LAYER, PL_LATENCY_BLOCK, PL_LATENCY_SCOPES };
enum { PL_LATENCY_PREFILL, PL_LATENCY_DECODE, PL_LATENCY_PHASES };
enum { PL_LATENCY_TRANSFORM, PL_LATENCY_QUANTIZE, PL_LATENCY_PRODUCT, PL_LATENCY_TIMES };
enum { PL_LATENCY_SHAPES = 5, PL_LATENCY_WAYS = 1 + 4 * PL_LATENCY_SHAPES };

/* How a layer is computed; the first way is float32 alone. */
typedef struct pl_latency_way {
    size_t shape; /* of the transform; 0: none */
    bool int8, quantized, fused;
} pl_latency_way;
pl_latency_way pl_latency_way_at(size_t index);

/* Seconds of one repeat: [PL_LATENCY_TIMES]. */
typedef struct pl_latency_times {
    size_t repeats;
    double *seconds; /* [repeats, PHASES, WAYS, SCOPES, TIMES] */
    bool block;      /* whether the block was timed */
    bool pinned;
    size_t copied;   /* bytes read before a copy is read again */
    char kernel[96]; /* of int8; "": none */
} pl_latency_times;
double *pl_latency_at(const pl_latency_times *times, size_t repeat, size_t phase, size_t way,
                      size_t scope);

PL_NODISCARD pl_status pl_latency_measure(pl_context cx, const pl_latency_spec *spec,
                                          pl_latency_times *out, pl_error *err);

#endif
