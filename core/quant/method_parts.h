/* core/quant/method_parts.h -- what the methods' files share; private to core/quant. */
#ifndef PL_QUANT_METHOD_PARTS_H
#define PL_QUANT_METHOD_PARTS_H

#include "core/quant/method.h"

extern const pl_method pl_method_smoothquant, pl_method_awq, pl_method_hadamard,
    pl_method_orthogonal, pl_method_flatquant;
extern const pl_method pl_method_astro, pl_method_magr, pl_method_gptq, pl_method_rtn;

/* Astro and MagR take the same parameters and differ in alpha. */
enum { PL_LINF_PARAMS = 7 };
extern const pl_param pl_linf_params[PL_LINF_PARAMS];
size_t pl_linf_group_size(const pl_spec *spec);

/* Reads the spec and solves with the method's alpha: their `precondition`. */
PL_NODISCARD pl_status pl_linf_method(const pl_spec *spec, const pl_layer_input *in,
                                      pl_linf_warm *warm, float *w, pl_linf_report *report,
                                      pl_task *task, pl_error *err);

/* The five parameters of a grid, which every rounder's table begins with. */
#define PL_GRID_PARAMS                                                                             \
    {.name = "bits",                                                                               \
     .type = PL_PARAM_INT,                                                                         \
     .minimum = 2,                                                                                 \
     .maximum = 8,                                                                                 \
     .initial = 4,                                                                                 \
     .step = 1,                                                                                    \
     .unit = "bits",                                                                               \
     .help = "Bits of one weight's code."},                                                        \
        {.name = "group_size",                                                                     \
         .type = PL_PARAM_INT,                                                                     \
         .minimum = 0,                                                                             \
         .maximum = 1048576,                                                                       \
         .initial = 128,                                                                           \
         .logarithmic = true,                                                                      \
         .step = 2,                                                                                \
         .unit = "columns",                                                                        \
         .help = "Columns that share one scale; 0 is one group a row."},                           \
        {.name = "symmetric",                                                                      \
         .type = PL_PARAM_CHOICE,                                                                  \
         .minimum = 0,                                                                             \
         .maximum = PL_FORMAT_COUNT - 1,                                                           \
         .initial = 1,                                                                             \
         .choices = pl_format_keys,                                                                \
         .step = 1,                                                                                \
         .unit = "",                                                                               \
         .help = "yes: codes around 0; no: a zero point; full: GPTQ's and MagR's own grid."},      \
        {.name = "mse",                                                                            \
         .type = PL_PARAM_CHOICE,                                                                  \
         .minimum = 0,                                                                             \
         .maximum = 1,                                                                             \
         .initial = 0,                                                                             \
         .choices = pl_no_yes,                                                                     \
         .step = 1,                                                                                \
         .unit = "",                                                                               \
         .help = "Search each group's range for the least sum of |error|^2.4."},                   \
    {                                                                                              \
        .name = "scale_dtype", .type = PL_PARAM_CHOICE, .minimum = 0, .maximum = 2, .initial = 0,  \
        .choices = pl_scale_names, .step = 1, .unit = "",                                          \
        .help = "The type a scale is stored in, and rounded to before the codes are found."        \
    }

extern const char *const pl_no_yes[], *const pl_scale_names[];

/* The layer's weights have the factors' width and are finite. */
PL_NODISCARD pl_status pl_check_layer(const pl_layer_input *in, pl_error *err);

#endif
