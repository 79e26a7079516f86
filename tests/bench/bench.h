/* tests/bench/bench.h -- what the bench programs share: a clock, a median, results as JSON lines,
 * and one real layer (of SmolLM2) or a made one to measure on.
 *
 * A bench program prints one JSON object a line.  Its numbers are ratios of times taken in turns in
 * the same run, so that they mean the same on a busy or another machine. */
#ifndef PL_TESTS_BENCH_H
#define PL_TESTS_BENCH_H

#include "core/calib/calib.h"
#include "core/solve/factors.h"
#include "core/tensor/mat.h"

#include <jansson.h>
#include <stddef.h>

double bench_now(void); /* seconds, monotonic */

/* Median of count <= 64 values, which are sorted in place. */
double bench_median(double *values, size_t count);

/* Prints object on one line, numbers to 6 digits, with the kernels, threads and processor that it
 * was measured with, and takes the reference. */
void bench_print(json_t *object);

/* Prints the sentence to stderr and ends the program with status 1. */
_Noreturn void bench_fail(const char *what, const pl_error *err);

/* All processors that planish would use. */
void bench_threads(void);

/* SmolLM2 (PLANISH_SMOLLM2) and the first windows of WikiText-2 (in PLANISH_SHARED), calibrated
 * once into the store PLANISH_BENCH_STORE.  Opened on first use; false where either is missing. */
bool bench_have_model(void);
pl_model *bench_model(void);
const pl_tokens *bench_tokens(void);

/* The statistics of a site of SmolLM2, with its Gram matrix, the caller's to deinit. */
void bench_site_load(size_t site, pl_site_stats *out);

/* A linear layer with the factors of its input's Gram matrix. */
typedef struct bench_layer {
    char name[64];
    pl_mat w;
    float *gram;
    pl_factors *factors;
} bench_layer;

/* The named layer of SmolLM2 ("15.q_proj"). */
void bench_layer_load(const char *name, bench_layer *out);

/* Gaussian weights [rows, cols], and a Gram matrix of 4,096 (at least 2 cols) correlated rows whose
 * eigenvalues fall as k^-0.8 with a few strong channels: for a machine without SmolLM2. */
void bench_layer_make(size_t rows, size_t cols, bench_layer *out);
void bench_layer_deinit(bench_layer *layer);

#endif
