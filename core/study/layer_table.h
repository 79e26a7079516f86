/* core/study/layer_table.h -- the layers of a model as a table, whose columns they are listed,
 * ranked and filtered by.
 *
 * A column is a line of PL_COLUMN_LIST; the layer list, its filter and `layers` take it from there.
 * Worker thread only, but for the functions of a row. */
#ifndef PL_STUDY_LAYER_TABLE_H
#define PL_STUDY_LAYER_TABLE_H

#include "core/lab/pipeline.h"

#include <stdbool.h>
#include <stddef.h>

/* COLUMN(id, name, head, source, scale, help), in the order they are listed. */
#define PL_COLUMN_LIST(COLUMN)                                                                     \
    COLUMN(INPUT_RATIO, "input_ratio", "input", PL_OF_INPUTS, PL_DECADES,                          \
           "largest over median channel maximum of the inputs")                                    \
    COLUMN(WEIGHT_RATIO, "weight_ratio", "weight", PL_OF_WEIGHTS, PL_DECADES,                      \
           "largest over median channel maximum of the weights")                                   \
    COLUMN(WEIGHT_MAX, "weight_max", "max |w|", PL_OF_WEIGHTS, PL_LINEAR, "largest weight")        \
    COLUMN(WEIGHT_OUTLIERS, "weight_outliers", "w > 6x", PL_OF_WEIGHTS, PL_COUNTED,                \
           "input channels of the weights above 6 x the median")                                   \
    COLUMN(KURTOSIS, "kurtosis", "kurt", PL_OF_WEIGHTS, PL_DECADES,                                \
           "kurtosis of the weights; a Gaussian has 3")                                            \
    COLUMN(INPUT_MAX, "input_max", "max |x|", PL_OF_INPUTS, PL_DECADES, "largest input")           \
    COLUMN(INPUT_OUTLIERS, "input_outliers", "x > 6x", PL_OF_INPUTS, PL_COUNTED,                   \
           "channels of the inputs above 6 x the median")                                          \
    COLUMN(MASSIVE, "massive", "massive", PL_OF_INPUTS, PL_COUNTED,                                \
           "massive activations of the residual stream behind the layer's block")                  \
    COLUMN(ERROR, "error", "error", PL_OF_SOLUTION, PL_DECADES,                                    \
           "relative error of the preconditioned weights, before they are rounded")                \
    COLUMN(ROUNDED_ERROR, "rounded_error", "rounded", PL_OF_SOLUTION, PL_DECADES,                  \
           "relative error of the rounded weights")                                                \
    COLUMN(OUTPUT_ERROR, "output_error", "output", PL_OF_SOLUTION, PL_DECADES,                     \
           "relative error of the outputs, activations quantized as they are set")                 \
    COLUMN(GAP, "gap", "gap", PL_OF_SOLUTION, PL_DECADES,                                          \
           "how far from the optimum the solution can be at most")                                 \
    COLUMN(TIMES_LEAST, "times_least", "x least", PL_OF_SOLUTION, PL_DECADES,                      \
           "rounded error over what any codes at these scales must lose (`certify=yes`)")          \
    COLUMN(KL, "kl", "KL", PL_OF_SOLUTION, PL_DECADES,                                             \
           "KL divergence to the original with this layer alone quantized (`sensitivity`)")        \
    COLUMN(KL_ESTIMATE, "kl_estimate", "est. KL", PL_OF_SOLUTION, PL_DECADES,                      \
           "estimate of KL, by how far the layer moves its block's output")                        \
    COLUMN(BITS, "bits_per_weight", "bits", PL_OF_SOLUTION, PL_LINEAR,                             \
           "bits that a weight takes, scales counted")                                             \
    COLUMN(SECONDS, "seconds", "seconds", PL_OF_SOLUTION, PL_LINEAR,                               \
           "seconds that the solve took")                                                          \
    COLUMN(BLOCK, "block", "block", PL_OF_WEIGHTS, PL_COUNTED, "number of the layer's block")

typedef enum pl_column {
#define PL_COLUMN_ID(id, name, head, source, scale, help) PL_COLUMN_##id,
    PL_COLUMN_LIST(PL_COLUMN_ID)
#undef PL_COLUMN_ID
        PL_COLUMN_COUNT
} pl_column;

/* "|input_ratio|weight_ratio...": what a command's choices end with. */
#define PL_COLUMN_CHOICE(id, name, head, source, scale, help) "|" name
#define PL_COLUMN_CHOICES PL_COLUMN_LIST(PL_COLUMN_CHOICE)

typedef enum pl_column_source {
    PL_OF_WEIGHTS,  /* of the original weights */
    PL_OF_INPUTS,   /* of the calibration */
    PL_OF_SOLUTION, /* of the layer's present result */
} pl_column_source;

typedef enum pl_column_scale {
    PL_LINEAR,
    PL_DECADES, /* its values span decades: bars show their logarithms */
    PL_COUNTED, /* whole numbers */
} pl_column_scale;

typedef struct pl_column_info {
    const char *name; /* in commands, filters and JSON: "input_ratio" */
    const char *head; /* over a list, at most 7 columns wide: "input" */
    pl_column_source source;
    pl_column_scale scale;
    const char *help; /* what it is, a few words */
} pl_column_info;

extern const pl_column_info pl_columns[PL_COLUMN_COUNT];

/* PL_COLUMN_COUNT where none has that name. */
pl_column pl_column_find(const char *name, size_t length);

/* PL_ERR_USAGE: "what: no column is named ..., expected ..." and the nearest name, or all. */
PL_NODISCARD pl_status pl_column_parse(const char *what, const char *name, size_t length,
                                       pl_column *out, pl_error *err);

/* One layer. */
typedef struct pl_layer_row {
    double number[PL_COLUMN_COUNT]; /* NaN: not known yet, or there is none */
    pl_id result;                   /* the result that the numbers of PL_OF_SOLUTION are from */
    pl_status problem; /* why the weights cannot be read: PL_ERR_UNSUPPORTED (their dtype),
                          PL_ERR_NUMERIC (NaN or infinity in them); else PL_OK */
} pl_layer_row;

typedef struct pl_overview {
    size_t n;
    pl_layer_row *rows; /* [n], model order */
} pl_overview;

pl_layer_row pl_layer_row_empty(void);

/* Sets the numbers of PL_OF_SOLUTION to those of a result. */
void pl_layer_row_solved(pl_layer_row *row, pl_id result, const pl_solve_report *report);

/* A number of a layer whose present result is `now` (NULL: not solved); NaN where the number is not
 * known, or is another result's. */
double pl_layer_number(const pl_layer_row *row, pl_column column, const pl_id *now);

/* Rows of layers [first, first + count) (pieces, so that a list fills while a big model is read);
 * rows[count] is the caller's.  Numbers of inputs only where the calibration is complete.  A weight
 * that cannot be read is noted as the row's `problem`, and is no error. */
PL_NODISCARD pl_status pl_layer_rows(pl_context cx, size_t first, size_t count, pl_layer_row *rows,
                                     pl_error *err);

/* Orders layers[n] by values[layer], falling or rising; unknown ones (NaN) last, equal ones in
 * model order.  values NULL: model order. */
void pl_layers_order(size_t *layers, size_t n, const double *values, bool rising);

#endif
