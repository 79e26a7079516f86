/* planish.h -- libplanish: Planish's solvers on arrays of your own.
 *
 * Matrices are float32, row-major, and borrowed: nothing is copied on the way in, results are
 * written where the caller says.  W is a linear layer's weight [rows, n], X what it sees
 * [tokens, n], so that the layer computes X W^T.  Every value must be finite.
 *
 * A method is said as Planish's command line has it, by its name and key=value: "astro beta=3e-4
 * group_size=128", "gptq bits=3", "rtn", "hadamard"; `planish -c help method` lists all, and what
 * is not given has the default shown there.  With the same BLAS kernels and threads the results
 * are those of the program, to the bit.
 *
 * Every int is a planish_status; on failure *err (which may be NULL) has one sentence, and what
 * would have been made is NULL.  A site, a transform or an array that is NULL where it is needed is
 * PLANISH_USAGE.  The library neither prints nor exits.  One thread at a time may
 * compute. */
#ifndef PLANISH_H
#define PLANISH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLANISH_API __attribute__((visibility("default")))

typedef enum planish_status {
    PLANISH_OK = 0,
    PLANISH_USAGE = 1,       /* an unknown method or key, or a value out of its range */
    PLANISH_UNSUPPORTED = 4, /* a method that these arrays do not suffice for */
    PLANISH_NUMERIC = 5,     /* a value that is not finite, or a factorization that failed */
    PLANISH_MEMORY = 6,
    PLANISH_STATE = 8, /* matrices that do not belong together, or a BLAS that cannot be used */
} planish_status;

typedef struct planish_error {
    int status;
    char message[768]; /* UTF-8, one line */
} planish_error;

/* --- the library ------------------------------------------------------------------------------ */

PLANISH_API const char *planish_version(void);

/* The BLAS kernels in use ("Haswell"), and the value of the environment's OPENBLAS_CORETYPE with
 * which this processor would be much faster; NULL: they are good. */
PLANISH_API const char *planish_kernels(void);
PLANISH_API const char *planish_better_kernels(void);

/* Threads to compute with from now on; 0: the usable processors, as at first. */
PLANISH_API int planish_set_threads(int threads, planish_error *err);

/* The methods: NULL past the last.  slot: "transform", "precondition" or "round". */
PLANISH_API const char *planish_method_name(size_t index);
PLANISH_API const char *planish_method_slot(size_t index);
PLANISH_API const char *planish_method_summary(size_t index);

/* --- a site: what the layers that share one input see ------------------------------------------
 */

typedef struct planish_site planish_site;

/* From X[tokens, n], rows `stride` apart, which is read once: its Gram matrix G = X^T X / tokens
 * and the statistics that transforms are made from. */
PLANISH_API int planish_site_from_inputs(const float *x, size_t tokens, size_t n, size_t stride,
                                         planish_site **out, planish_error *err);

/* From G[n, n] = X^T X / tokens, symmetric, contiguous, borrowed as long as the site lives. */
PLANISH_API int planish_site_from_gram(const float *gram, size_t n, double tokens,
                                       planish_site **out, planish_error *err);

PLANISH_API size_t planish_site_channels(const planish_site *site);
PLANISH_API double planish_site_tokens(const planish_site *site);
PLANISH_API const float *planish_site_gram(const planish_site *site); /* [n, n], the site's */
PLANISH_API void planish_site_destroy(planish_site *site);            /* NULL is fine */

/* --- solving -----------------------------------------------------------------------------------
 */

/* How far from optimal a result is, where the method knows (NaN, 0), and what it reports besides,
 * by name: "lambda_max", "beta_found", "damping_used", ... */
typedef struct planish_report {
    double objective;     /* what is minimized, summed over rows */
    double dual;          /* a lower bound on the least value it has */
    double gap;           /* (objective - dual) / objective */
    double worst_row_gap; /* the largest of one row, and which row that is */
    size_t worst_row;
    int iterations;
    size_t n_own;
    const char *own_names[8];
    double own[8];
} planish_report;

/* Astro, MagR: out[rows, n], contiguous and not w, is W where the groups' maxima are small though
 * the layer's output stays near.  w: rows `stride` apart.  report may be NULL. */
PLANISH_API int planish_precondition(planish_site *site, const char *method, const float *w,
                                     size_t rows, size_t stride, float *out, planish_report *report,
                                     planish_error *err);

/* The certificate of weights from anywhere: of method's problem (Astro's or MagR's, its beta= or
 * target= and group_size=) on w0, the objective of w, a lower bound on the least objective, which a
 * solve by that method gives, and the gap between both: w is at most that far from optimal. */
PLANISH_API int planish_certificate(planish_site *site, const char *method, const float *w0,
                                    size_t w0_stride, const float *w, size_t stride, size_t rows,
                                    planish_report *report, planish_error *err);

/* tr((W - W0) G (W - W0)^T) / tr(W0 G W0^T): the relative error of the layer's output. */
PLANISH_API int planish_relative_error(planish_site *site, const float *w0, size_t w0_stride,
                                       const float *w, size_t stride, size_t rows, double *out,
                                       planish_error *err);

/* A quantized matrix; the library's, to be read until planish_quantized_destroy. */
typedef struct planish_quantized {
    size_t rows, cols, groups;
    size_t group_size; /* columns; 0: one group a row */
    int bits;
    const char *symmetric;    /* the number format: "yes", "no" (with zeros) or "full" */
    const int16_t *codes;     /* [rows, cols] */
    const float *scales;      /* [rows, groups] */
    const int16_t *zeros;     /* [rows, groups] */
    const uint32_t *group_of; /* [cols]: a column's group, which act_order=yes gives */
} planish_quantized;

/* GPTQ, RTN, ...: w as above.  site: NULL for a method that needs none (rtn, unless its scales=,
 * refine= or certify= look at the inputs).  certify=yes: the report has "least_rounded_error",
 * below which planish_relative_error cannot fall whatever codes are chosen for the scales. */
PLANISH_API int planish_round(planish_site *site, const char *method, const float *w, size_t rows,
                              size_t cols, size_t stride, planish_quantized **out,
                              planish_report *report, planish_error *err);

/* The weights that the codes stand for: out[rows, cols], contiguous. */
PLANISH_API void planish_dequantize(const planish_quantized *q, float *out);
PLANISH_API void planish_quantized_destroy(planish_quantized *q); /* NULL is fine */

/* --- transforms: X' = X T, W' = W T^-T, so that X' W'^T = X W^T ---------------------------------
 */

typedef struct planish_transform planish_transform;

/* SmoothQuant, AWQ, Hadamard, random rotations.  weights[count]: the site's layers, [rows[i], n]
 * each, contiguous; those that look at no weights take count 0.  round: the rounder whose grid AWQ
 * searches for ("gptq bits=4"), or NULL.  A site from a Gram matrix lacks the statistics that
 * SmoothQuant and AWQ need. */
PLANISH_API int planish_transform_create(planish_site *site, const char *method, const char *round,
                                         const float *const *weights, const size_t *rows,
                                         size_t count, planish_transform **out, planish_error *err);

/* In place, contiguous: x[rows, n] <- x T; w[rows, n] <- w T^-T; with back != 0 the way back. */
PLANISH_API int planish_transform_inputs(const planish_transform *t, float *x, size_t rows,
                                         int back, planish_error *err);
PLANISH_API int planish_transform_weights(const planish_transform *t, float *w, size_t rows,
                                          int back, planish_error *err);

/* The site in the new coordinates, G' = T^T G T, for solves of transformed weights. */
PLANISH_API int planish_transform_site(const planish_transform *t, const planish_site *site,
                                       planish_site **out, planish_error *err);

PLANISH_API void planish_transform_destroy(planish_transform *t); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
