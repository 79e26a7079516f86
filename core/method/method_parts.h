/* core/method/method_parts.h -- what the methods' files share. */
#ifndef PL_METHOD_METHOD_PARTS_H
#define PL_METHOD_METHOD_PARTS_H

#include "core/method/method.h"
#include "core/method/method_list.h"

#define PL_METHOD_DECLARATION(name) extern const pl_method pl_method_##name;
PL_METHODS(PL_METHOD_DECLARATION)
#undef PL_METHOD_DECLARATION

/* Rows of a parameter table.  A number's further members, a knob's step at least, end the row. */
#define PL_REAL(key, low, high, start, of, words, ...)                                             \
    {                                                                                              \
        .name = key, .type = PL_PARAM_REAL, .minimum = low, .maximum = high, .initial = start,     \
        .unit = of, .help = words, __VA_ARGS__                                                     \
    }
#define PL_INT(key, low, high, start, of, words, ...)                                              \
    {                                                                                              \
        .name = key, .type = PL_PARAM_INT, .minimum = low, .maximum = high, .initial = start,      \
        .unit = of, .help = words, __VA_ARGS__                                                     \
    }
#define PL_CHOICE(key, names, start, words)                                                        \
    PL_CHOICE_OF(sizeof(names) / sizeof(names)[0] - 1, key, names, start, words, .optional = false)
#define PL_CHOICE_OF(count, key, names, start, words, ...)                                         \
    {                                                                                              \
        .name = key, .type = PL_PARAM_CHOICE, .maximum = (count)-1, .initial = start,              \
        .choices = names, .step = 1, .unit = "", .help = words, __VA_ARGS__                        \
    }
#define PL_GROUP_SIZE(words)                                                                       \
    PL_INT("group_size", 0, 1048576, 128, "columns", words, PL_BY(2), .counts_columns = true)

/* A knob that steps by factors; factors of so many steps. */
#define PL_BY(factor) .logarithmic = true, .step = factor
#define PL_TWELFTH_OF_10 1.2115276586285884
#define PL_QUARTER_OF_10 1.7782794100389228
#define PL_HALF_OF_2 1.4142135623730951

/* The parameter has a meaning only while the choice with that index has the value. */
#define PL_ONLY_WITH(param, value) .conditional = true, .needs = param, .needs_value = value
#define PL_ONLY_WHERE(param, function) .needs = param, .used = function

/* A solve finds the parameter while the one with that index is above 0. */
#define PL_SOUGHT_BY(param, name) .sought = true, .sought_by = param, .found = name

/* The parameters of a grid, which every rounder's table begins with. */
#define PL_GRID_PARAMS                                                                             \
    [PL_GRID_BITS] = PL_INT("bits", 2, 8, 4, "bits",                                               \
                            "Bits of one weight's code; a format other than int has its own.",     \
                            .step = 1, .telling = true),                                           \
    [PL_GRID_GROUP_SIZE] = PL_GROUP_SIZE(                                                          \
        "Columns that share one scale; 0 is one group a row; a format with blocks has its own."),  \
    [PL_GRID_SYMMETRIC] =                                                                          \
        PL_CHOICE_OF(PL_SYMMETRIC_COUNT, "symmetric", pl_symmetric_choices, 1,                     \
                     "yes: codes around 0; no: a zero point; full: GPTQ's and MagR's own grid.",   \
                     PL_ONLY_WHERE(PL_GRID_FORMAT, pl_grid_is_int)),                               \
    [PL_GRID_MSE] = PL_CHOICE("mse", pl_no_yes, 0,                                                 \
                              "Search each group's range for the least sum of |error|^2.4."),      \
    [PL_GRID_SCALE_DTYPE] =                                                                        \
        PL_CHOICE_OF(3, "scale_dtype", pl_scale_names, 0,                                          \
                     "The type a scale is stored in, and rounded to before the codes are found.",  \
                     PL_ONLY_WHERE(PL_GRID_FORMAT, pl_grid_has_scale_dtype)),                      \
    [PL_GRID_FORMAT] = PL_CHOICE_OF(                                                               \
        PL_FORMAT_CHOICE_COUNT, "format", pl_format_choices, 0,                                    \
        "int: integers of bits=; mxfp4, mxfp6_e2m3, mxfp6_e3m2, mxfp8, nvfp4: floats in blocks "   \
        "with scales of 8 bits; fp8: E4M3 by rows; nf4: QLoRA's table; each with bits, "           \
        "group_size and scales of its own.",                                                       \
        .optional = true, .leads = true),                                                          \
    [PL_GRID_SCALE_MODE] = PL_CHOICE_OF(                                                           \
        PL_SCALE_MODES, "scale_mode", pl_scale_mode_names, PL_SCALE_AMAX,                          \
        "A scale from its block's largest value; mxfp: floor (OCP's), even, ceil, rceil (none "    \
        "saturates); nvfp4: amax, four_over_six (the better of two); fp8: amax, tensor (one), "    \
        "block (one for 128 rows and columns).",                                                   \
        PL_ONLY_WHERE(PL_GRID_FORMAT, pl_grid_has_modes)),                                         \
    [PL_GRID_FUSED_SCALES] = PL_CHOICE_OF(                                                         \
        2, "fused_scales", pl_fused_scale_names, 0,                                                \
        "own: a scale of a whole tensor is each layer's; shared: q, k and v have one, and gate "   \
        "and up, as runtimes such as vLLM want that fuse them.",                                   \
        .optional = true, PL_ONLY_WHERE(PL_GRID_FORMAT, pl_grid_is_of_tensor)),                    \
    [PL_GRID_SCALES] = {.name = "scales",                                                          \
                        .type = PL_PARAM_CHOICE,                                                   \
                        .maximum = 1,                                                              \
                        .choices = pl_scale_rules,                                                 \
                        .step = 1,                                                                 \
                        .unit = "",                                                                \
                        .help = "range: as mse= has them; search: each group's range for the "     \
                                "least error weighted by the inputs.",                             \
                        .optional = true},                                                         \
    [PL_GRID_REFINE] = PL_INT("refine", 0, 100, 0, "sweeps",                                       \
                              "Sweeps of coordinate descent behind the rounding; the error on "    \
                              "the calibration never rises.",                                      \
                              .step = 1, .optional = true),                                        \
    [PL_GRID_CERTIFY] = {.name = "certify",                                                        \
                         .type = PL_PARAM_CHOICE,                                                  \
                         .maximum = 1,                                                             \
                         .choices = pl_no_yes,                                                     \
                         .step = 1,                                                                \
                         .unit = "",                                                               \
                         .help = "Bound from below what rounding at these scales must lose, up "   \
                                 "to 2,048 channels: times_least says how far from it this is.",   \
                         .optional = true}

/* Of transforms that are diagonals. */
#define PL_POWERS                                                                                  \
    PL_CHOICE_OF(                                                                                  \
        2, "powers", pl_no_yes, 0,                                                                 \
        "Scales are powers of two, which `export fold=yes` takes into norms and into the "         \
        "scales of packed layers without rounding.",                                               \
        .optional = true)
/* In place on scale[n], above 0: the nearest powers of two by the logarithm. */
void pl_round_to_powers(float *scale, size_t n);

/* Of methods that rotate a whole model. */
#define PL_ROTATIONS_ONLINE_PARAM                                                                  \
    PL_CHOICE("online", pl_no_yes, 1,                                                              \
              "yes: also turns down_proj's inputs and the keys while the model runs; no: only "    \
              "what the weights can hold.")

bool pl_grid_is_int(const pl_spec *spec);
bool pl_grid_has_scale_dtype(const pl_spec *spec);
bool pl_grid_has_modes(const pl_spec *spec);
bool pl_grid_is_of_tensor(const pl_spec *spec);

/* The number format that a rounder's parameters choose. */
const pl_format *pl_spec_number_format(const pl_spec *spec);

extern const char *const pl_scale_names[4], *const pl_scale_rules[3],
                                                *const pl_fused_scale_names[3];

/* pl_grid_begin with the layer whose rows the input's w are. */
void pl_grid_begin_of(pl_grid *grid, const pl_layer_input *in);

/* The layer's weights have the factors' width and are finite. */
PL_NODISCARD pl_status pl_check_layer(const pl_layer_input *in, pl_error *err);

#endif
