/* tests/bench/sgemm.h -- how fast SGEMM is at a model's products. */
#ifndef PL_TESTS_BENCH_SGEMM_H
#define PL_TESTS_BENCH_SGEMM_H

#include "core/model/model.h"

#include <stdbool.h>

/* FLOP/s over the products of one block's layers on so many tokens; with lm_head (once, where the
 * block counts as often as there are blocks) or without. */
double bench_sgemm_speed(const pl_model *model, size_t length, bool lm_head);

#endif
