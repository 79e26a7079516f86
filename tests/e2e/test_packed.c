/* Packed checkpoints: what is exported is opened again and is what was measured; what a layout
 * cannot hold is refused, or rounded anew with the loss. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *source_root(void)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    return root != NULL ? root : ".";
}

static double perplexity_of(const char *folder)
{
    char script[1024];
    snprintf(script, sizeof script,
             "open %s; perplexity length=64 windows=1 text=%s/sessions/demo/evaluation.txt", folder,
             source_root());
    run r = run_demo(script);
    const double found = run_number(run_result(&r, 1), "perplexity");
    run_free(&r);
    return found;
}

/* Solves and exports; the perplexity printed is that of the file, to the last digit. */
static void check_exact(const char *name, const char *methods, const char *format)
{
    char script[2048];
    snprintf(script, sizeof script,
             "%s; solve all sequential=no; perplexity which=after length=64 windows=1; export %s "
             "dir=%s; "
             "import after=%s; open %s; perplexity length=64 windows=1 "
             "text=%s/sessions/demo/evaluation.txt",
             methods, format, run_path(name), run_path(name), run_path(name), source_root());
    run r = run_demo(script);
    const json_t *report = run_result(&r, r.n_lines - 4), *back = run_result(&r, r.n_lines - 3);
    const json_t *measured = run_result(&r, r.n_lines - 5);
    run_check_keys(report, "files bytes max_dtype_error other_dtype_error layers_packed "
                           "layers_requantized requantization_error bits_per_weight");
    pl_check_close(run_number(report, "max_dtype_error"), 0, 0, 0);
    pl_check_close(run_number(report, "other_dtype_error"), 0, 0, 0);
    const bool whole = strstr(methods, "nvfp4") != NULL || strcmp(name, "whole") == 0;
    if (whole && strstr(methods, "fused_scales=shared") == NULL) { /* q, k and v have their own */
        expect_less(0.01, run_number(report, "fused_scales_apart"));
    } else {
        pl_check_close(run_number(report, "fused_scales_apart"), 0, 0, 0);
    }
    pl_check_close(run_number(report, "layers_packed"), 28, 0, 0);
    pl_check_close(run_number(report, "layers_requantized"), 0, 0, 0);
    pl_check_close(run_number(back, "layers"), 28, 0, 0);
    pl_check_close(run_number(back, "others_differ"), 0, 0, 0);
    pl_check_close(run_number(run_last(&r), "perplexity"), run_number(measured, "perplexity"),
                   1e-12, 0);
    run_free(&r);
}

static void test_the_perplexity_is_the_files(void **ctx)
{
    (void)ctx;
    check_exact("ct", "method rtn bits=4", "format=compressed-tensors");
    check_exact("ct3", "method rtn bits=3 symmetric=no group_size=48",
                "format=compressed-tensors packing=padded");
    check_exact("channel", "method rtn bits=5 group_size=0 scale_dtype=f32 symmetric=full",
                "format=compressed-tensors");
    check_exact("gptq", "method gptq bits=4 act_order=yes", "format=gptq");
    check_exact("v2", "method rtn bits=2 symmetric=no", "format=gptq_v2");
    check_exact("nvfp4", "method rtn format=nvfp4", "format=nvfp4");
    check_exact("nvfp4-shared", "method rtn format=nvfp4 fused_scales=shared", "format=nvfp4");
    check_exact("nvfp4-turned",
                "method astro beta=3e-4; method gptq format=nvfp4 scale_mode=four_over_six "
                "fused_scales=shared",
                "format=nvfp4");
    check_exact("fp8", "method rtn format=fp8", "format=fp8");
    check_exact("fp8-f16", "method rtn format=fp8 scale_dtype=f16", "format=fp8");
    check_exact("awq", "method rtn bits=4 symmetric=no group_size=64", "format=awq");
}

static void check_loaded(const char *scales, double least, double most, bool warns)
{
    char script[2048];
    snprintf(script, sizeof script,
             "open %s; calibrate text=%s/sessions/demo/calibration.txt length=64 windows=1; method "
             "rtn bits=4 scale_dtype=%s; solve all sequential=no; export format=compressed-tensors "
             "dir=%s",
             run_path("bfloat"), source_root(), scales, run_path(scales));
    run r = run_demo(script);
    pl_check_close(run_number(run_last(&r), "max_dtype_error"), 0, 0, 0);
    expect_less(least, run_number(run_last(&r), "loaded_error"));
    expect_less(run_number(run_last(&r), "loaded_error"), most);
    assert_int_equal(strstr(r.err, "config.json says bfloat16") != NULL, warns);
    run_free(&r);
}

/* What loading in the configuration's bfloat16 rounds: products, and scales that are no bfloat16
 * numbers, which is said. */
static void test_a_loader_rounds_to_its_dtype(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "method rtn bits=8; solve 0.q_proj; export dtype=bf16 partial=yes dir=%s; method rtn "
             "bits=4; solve all; export format=awq dtype=f32 dir=%s",
             run_path("bfloat"), run_path("single"));
    run r = run_demo(script);
    pl_check_close(run_number(run_last(&r), "loaded_error"), 0, 0, 0);
    run_free(&r);
    check_loaded("f16", 1.45e-3, 2.5e-3, true);
    check_loaded("bf16", 5e-4, 1.45e-3, false);
}

/* A rotated model has the codes of its own coordinates, embedding and lm_head turned. */
static void test_a_folded_model_is_packed(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "method quarot online=no; method rtn bits=4; solve all sequential=no; perplexity "
             "which=after length=64 windows=1; export format=compressed-tensors fold=yes dir=%s "
             "dtype=f32; open %s; perplexity length=64 windows=1 "
             "text=%s/sessions/demo/evaluation.txt",
             run_path("rotated"), run_path("rotated"), source_root());
    run r = run_demo(script);
    pl_check_close(run_number(run_result(&r, r.n_lines - 3), "layers_packed"), 28, 0, 0);
    pl_check_close(run_number(run_last(&r), "perplexity"),
                   run_number(run_result(&r, r.n_lines - 4), "perplexity"), 1e-5, 0);
    run_free(&r);
    snprintf(script, sizeof script,
             "method quarot online=no; method rtn bits=4 group_size=48; solve all sequential=no; "
             "perplexity which=after length=64 windows=1; export format=gguf fold=yes dir=%s "
             "dtype=f32; open %s; perplexity length=64 windows=1 "
             "text=%s/sessions/demo/evaluation.txt",
             run_path("rotated-gguf"), run_path("rotated-gguf"), source_root());
    r = run_demo(script);
    pl_check_close(run_number(run_last(&r), "perplexity"),
                   run_number(run_result(&r, r.n_lines - 4), "perplexity"), 1e-5, 0);
    run_free(&r);
}

static const char only_where_it_folds[] = "method none slot=transform on=*.o_proj";

/* Scales of inputs that are powers of two go into norms' float16 gains and into the scales of the
 * layer before without rounding, whatever the codes are. */
static void test_diagonals_are_folded_exactly(void **ctx)
{
    (void)ctx;
    static const char *const cases[][3] = {
        {"fold-ct", "method smoothquant powers=yes; %s; method rtn bits=4",
         "format=compressed-tensors fold=yes"},
        {"fold-awq", "method awq powers=yes; %s; method rtn bits=4 symmetric=no",
         "format=awq fold=yes"},
        {"fold-gptq",
         "method smoothquant powers=yes alpha=0.4; %s; method gptq bits=8 act_order=yes",
         "format=gptq fold=yes"},
        {"fold-fp8", "method smoothquant powers=yes; %s; method rtn format=fp8 scale_mode=tensor",
         "format=fp8 fold=yes"},
        {"fold-mx",
         "method smoothquant powers=yes on=*.q_proj,*.k_proj,*.v_proj; method rtn "
         "format=nvfp4",
         "format=nvfp4 fold=yes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char methods[600], script[2048];
        snprintf(methods, sizeof methods, cases[i][1], only_where_it_folds);
        snprintf(script, sizeof script,
                 "%s; solve all sequential=no; perplexity which=after length=64 windows=1; export "
                 "%s dir=%s; open %s; perplexity length=64 windows=1 "
                 "text=%s/sessions/demo/evaluation.txt",
                 methods, cases[i][2], run_path(cases[i][0]), run_path(cases[i][0]), source_root());
        run r = run_demo(script);
        const json_t *report = run_result(&r, r.n_lines - 3);
        pl_check_close(run_number(report, "max_dtype_error"), 0, 0, 0);
        pl_check_close(run_number(report, "other_dtype_error"), 0, 0, 0);
        pl_check_close(run_number(report, "layers_packed"), 28, 0, 0);
        pl_check_close(run_number(report, "layers_requantized"), 0, 0, 0);
        pl_check_close(run_number(report, "requantization_error"), 0, 0, 0);
        pl_check_close(run_number(run_last(&r), "perplexity"),
                       run_number(run_result(&r, r.n_lines - 4), "perplexity"), 1e-6, 0);
        run_free(&r);
    }
}

/* Other scales: into norms in float32; into the scales of the layer before only where something may
 * be lost; nowhere where no layer before can hold them, or where more than a diagonal is there. */
static void test_diagonals_that_round(void **ctx)
{
    (void)ctx;
    char script[4096];
    snprintf(
        script, sizeof script,
        "method smoothquant; %s,*.down_proj; method rtn bits=4; solve all sequential=no; "
        "perplexity which=after length=64 windows=1; export format=compressed-tensors fold=yes "
        "dtype=f32 dir=%s; open %s; perplexity length=64 windows=1 "
        "text=%s/sessions/demo/evaluation.txt",
        only_where_it_folds, run_path("norms"), run_path("norms"), source_root());
    run r = run_demo(script);
    pl_check_close(run_number(run_result(&r, r.n_lines - 3), "max_dtype_error"), 0, 0, 0);
    pl_check_close(run_number(run_last(&r), "perplexity"),
                   run_number(run_result(&r, r.n_lines - 4), "perplexity"), 1e-5, 0);
    run_free(&r);
    snprintf(
        script, sizeof script,
        "method smoothquant; %s; method rtn bits=4; solve all sequential=no; "
        "perplexity which=after length=64 windows=1; export format=compressed-tensors fold=yes "
        "lossy=yes dtype=f32 dir=%s; open %s; perplexity length=64 windows=1 "
        "text=%s/sessions/demo/evaluation.txt",
        only_where_it_folds, run_path("rounds"), run_path("rounds"), source_root());
    r = run_demo(script);
    const json_t *report = run_result(&r, r.n_lines - 3);
    pl_check_close(run_number(report, "layers_requantized"), 0, 0, 0);
    expect_less(1e-6, run_number(report, "requantization_error"));
    expect_less(run_number(report, "requantization_error"), 0x1p-11);
    pl_check_close(run_number(run_last(&r), "perplexity"),
                   run_number(run_result(&r, r.n_lines - 4), "perplexity"), 1e-3, 0);
    run_free(&r);
    static const char *const says[] = {
        "export: model.layers.0.mlp.up_proj.weight: format=compressed-tensors cannot hold it "
        "exactly: the diagonal of the layer behind it does not go into its scales without rounding "
        "(powers=yes",
        "nothing before model.layers.0.self_attn.o_proj can hold the scales of its inputs",
        "the inputs of model.layers.0.self_attn.q_proj are turned while the model runs",
        "and model.layers.0.self_attn.k_proj share one input, and are not solved behind one",
        "no layer is solved behind a transform",
    };
    snprintf(
        script, sizeof script,
        "method smoothquant; %s; method rtn bits=4; solve all sequential=no; export "
        "format=compressed-tensors fold=yes dir=nowhere; method smoothquant; solve all "
        "sequential=no; export fold=yes dir=nowhere; method hadamard; solve all sequential=no; "
        "export fold=yes dir=nowhere; method smoothquant alpha=0.3; solve 0.q_proj; export "
        "fold=yes "
        "dir=nowhere partial=yes; method none slot=transform; solve 1.q_proj; export fold=yes "
        "dir=nowhere partial=yes",
        only_where_it_folds);
    r = RUN("--json", "--keep-going", "-c", script);
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        run_check_refused(&r, script, says[i]);
    }
    run_free(&r);
}

static json_t *config_of(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/config.json", run_path(name));
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

static void test_mixed_bits_are_groups(void **ctx)
{
    (void)ctx;
    check_exact("mixed", "method rtn bits=4; method rtn bits=8 group_size=16 on=*.down_proj",
                "format=compressed-tensors");
    json_t *config = config_of("mixed");
    const json_t *groups =
        json_object_get(json_object_get(config, "quantization_config"), "config_groups");
    assert_int_equal(json_object_size(groups), 2);
    const json_t *first = json_object_get(groups, "group_0");
    const json_t *weights = json_object_get(first, "weights");
    assert_int_equal(json_integer_value(json_object_get(weights, "num_bits")), 8);
    assert_int_equal(json_integer_value(json_object_get(weights, "group_size")), 16);
    assert_int_equal(json_array_size(json_object_get(first, "targets")), 4);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "targets"), 0)),
                        "model.layers.0.mlp.down_proj");
    json_decref(config);
    check_exact("rules", "method rtn bits=4; method rtn bits=8 on=*.down_proj", "format=gptq");
    config = config_of("rules");
    const json_t *rules =
        json_object_get(json_object_get(config, "quantization_config"), "dynamic");
    const json_t *rule = json_object_get(rules, "+:^model\\.layers\\.3\\.mlp\\.down_proj$");
    assert_int_equal(json_integer_value(json_object_get(rule, "bits")), 8);
    assert_non_null(json_object_get(rules, "-:^lm_head$"));
    json_decref(config);
}

/* One scale a layer, or one a row, or some of each: what the configuration says of them. */
static void test_fp8_scales(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *methods, *strategies[2], *target;
    } cases[] = {
        {"whole", "method rtn format=fp8 scale_mode=tensor", {"tensor", NULL}, "Linear"},
        {"rows", "method gptq format=fp8", {"channel", NULL}, "Linear"},
        {"one",
         "method rtn format=fp8 scale_mode=tensor fused_scales=shared",
         {"tensor", NULL},
         "Linear"},
        {"blocks", "method gptq format=fp8 scale_mode=block", {"block", NULL}, "Linear"},
        {"both",
         "method rtn format=fp8; method rtn format=fp8 scale_mode=tensor on=*.down_proj",
         {"channel", "tensor"},
         "model.layers.0.mlp.gate_proj"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_exact(cases[i].name, cases[i].methods, "format=fp8");
        json_t *config = config_of(cases[i].name);
        const json_t *quantization = json_object_get(config, "quantization_config");
        const json_t *groups = json_object_get(quantization, "config_groups");
        assert_string_equal(json_string_value(json_object_get(quantization, "format")),
                            "float-quantized");
        assert_int_equal(json_object_size(groups), cases[i].strategies[1] != NULL ? 2 : 1);
        for (size_t g = 0; g < 2 && cases[i].strategies[g] != NULL; g++) {
            const json_t *group = json_object_get(groups, g == 0 ? "group_0" : "group_1");
            assert_string_equal(
                json_string_value(json_object_get(json_object_get(group, "weights"), "strategy")),
                cases[i].strategies[g]);
            if (g == 0) {
                assert_string_equal(
                    json_string_value(json_array_get(json_object_get(group, "targets"), 0)),
                    cases[i].target);
            }
        }
        json_decref(config);
    }
}

/* DeepSeek-V3's own layout: scales of 128 rows and columns, the last ones narrower. */
static void test_fp8_blocks(void **ctx)
{
    (void)ctx;
    char path[600];
    check_exact("deepseek", "method rtn format=fp8 scale_mode=block", "format=fp8_block");
    json_t *config = config_of("deepseek");
    const json_t *quantization = json_object_get(config, "quantization_config");
    assert_string_equal(json_string_value(json_object_get(quantization, "quant_method")), "fp8");
    const json_t *block = json_object_get(quantization, "weight_block_size");
    assert_int_equal(json_array_size(block), 2);
    assert_int_equal(json_integer_value(json_array_get(block, 1)), 128);
    json_decref(config);
    snprintf(path, sizeof path, "%s/model.safetensors", run_path("deepseek"));
    FILE *file = fopen(path, "rb");
    char header[1 << 16];
    assert_non_null(file);
    header[fread(header, 1, sizeof header - 1, file)] = '\0';
    fclose(file);
    json_t *names = json_loadb(header + 8, strlen(header + 8), JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *scales =
        json_object_get(names, "model.layers.0.mlp.down_proj.weight_scale_inv"); /* of [144, 400] */
    assert_string_equal(json_string_value(json_object_get(scales, "dtype")), "F32");
    const json_t *shape = json_object_get(scales, "shape");
    assert_int_equal(json_integer_value(json_array_get(shape, 0)), 2);
    assert_int_equal(json_integer_value(json_array_get(shape, 1)), 4);
    json_decref(names);
    run r = RUN("--json", "--keep-going", "-c",
                "activations format=fp8 scale_mode=block; method rtn format=fp8; solve 1.q_proj; "
                "export format=fp8_block partial=yes dir=nowhere");
    run_check_refused(&r, "", "scale_mode=block is of weights");
    run_check_refused(&r, "",
                      "format=fp8_block cannot hold it exactly: it has no scale for each 128 rows "
                      "and columns (scale_mode=block of the rounder)");
    run_free(&r);
}

static void test_layers_left_are_ignored(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "method rtn bits=4; solve 1.q_proj; export dir=%s format=compressed-tensors "
             "partial=yes",
             run_path("partly"));
    run r = run_demo(script);
    pl_check_close(run_number(run_last(&r), "layers_packed"), 1, 0, 0);
    pl_check_close(run_number(run_last(&r), "layers_left"), 27, 0, 0);
    run_free(&r);
    json_t *config = config_of("partly");
    const json_t *ignore =
        json_object_get(json_object_get(config, "quantization_config"), "ignore");
    assert_int_equal(json_array_size(ignore), 28); /* and lm_head */
    json_decref(config);
    assert_true(isfinite(perplexity_of(run_path("partly"))));
}

/* A packed model is a model: it is calibrated, solved and exported as floats. */
static void test_a_packed_model_is_worked_on(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "method rtn bits=4; solve all sequential=no; export dir=%s format=gptq; open %s; "
             "calibrate text=%s/sessions/demo/calibration.txt windows=2; method gptq bits=3; "
             "solve 1.q_proj; export dir=%s partial=yes dtype=f32",
             run_path("first"), run_path("first"), source_root(), run_path("floats"));
    run r = run_demo(script);
    pl_check_close(run_number(run_last(&r), "layers_packed"), 0, 0, 0);
    run_free(&r);
    json_t *config = config_of("floats");
    assert_null(json_object_get(config, "quantization_config"));
    json_decref(config);
    assert_true(isfinite(perplexity_of(run_path("floats"))));
}

static void test_what_does_not_fit(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"method rtn bits=5; solve all sequential=no; export format=awq",
         "model.layers.0.mlp.down_proj.weight: format=awq cannot hold it exactly: it has codes of "
         "5 bits (lossy=yes rounds it anew"},
        {"method rtn bits=4 scale_dtype=f32; solve all sequential=no; export format=gptq",
         "its scales are no float16 numbers (scale_dtype=f16)"},
        {"method none slot=precondition; method none slot=round; export format=awq",
         "export: format=awq holds codes, which weights=original has none of: `method gptq"},
        {"export dtype=q8_0", "export: dtype=q8_0 goes with format=gguf weights=original"},
        {"export fold=yes", "export: fold=yes writes solved layers, which weights=original has"},
        {"method rtn bits=4 scale_dtype=f32 group_size=32; export",
         "`solve all` first, or weights=original writes the model as it is"},
        {"method rtn bits=4 group_size=0 scale_dtype=f32; solve all sequential=no; export "
         "format=nvfp4",
         "its codes are of another number format (`method rtn format=nvfp4` or another rounder"},
        {"method rtn format=mxfp4; solve 1.q_proj; export format=mxfp4 partial=yes",
         "holds whole blocks of 32 inputs, and the layer has 144: expected format=hf"},
        {"export format=compressed-tensors partial=yes", "its codes are not evenly spaced"},
        {"export format=fp8 partial=yes", "its codes are of another number format"},
        {"method rtn format=int bits=4 symmetric=yes; export format=gptq packing=padded",
         "export: format=gptq has no packing="},
        {"method rtn bits=4 fused_scales=shared; export lossy=yes",
         "fused_scales of rtn has a meaning only with format=nvfp4"},
        {"export lossy=yes",
         "export: lossy=yes goes with a format of codes, such as format=compressed-tensors: "
         "format=hf holds the weights as they are"},
        {"export format=awq weights=preconditioned",
         "export: format=awq holds codes, which weights=preconditioned has none of"},
        {"method gptq bits=4 act_order=yes; solve 1.down_proj; export format=awq partial=yes",
         "its groups are not contiguous (act_order)"},
        {"method hadamard; method rtn bits=4; solve 1.q_proj; export format=gptq partial=yes",
         "its codes are behind a transform"},
        {"method none slot=transform; method none slot=round; method magr; solve 1.q_proj; export "
         "format=awq partial=yes",
         "it is not rounded"},
    };
    char script[4096];
    size_t at = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        at += (size_t)snprintf(script + at, sizeof script - at, "%s dir=%s; ", cases[i].script,
                               run_path("refused"));
    }
    run r = RUN("--json", "--keep-going", "-c", script);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_check_refused(&r, script, cases[i].says);
    }
    run_free(&r);
}

static void test_lossy_says_what_is_lost(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(
        script, sizeof script,
        "method hadamard; method rtn bits=4; solve all sequential=no; export format=awq "
        "dir=%s lossy=yes; "
        "method rtn bits=3 scale_dtype=f32; solve all sequential=no; export format=gptq dir=%s "
        "lossy=yes",
        run_path("turned"), run_path("three"));
    run r = run_demo(script);
    const json_t *turned = run_result(&r, r.n_lines - 4);
    pl_check_close(run_number(turned, "layers_requantized"), 28, 0, 0);
    expect_less(0.01, run_number(turned, "requantization_error"));
    expect_less(run_number(turned, "requantization_error"), 0.2);
    assert_true(isfinite(perplexity_of(run_path("turned"))));
    /* 400 inputs of 3 bits fill no whole words: 4 bits do. */
    const json_t *three = run_last(&r);
    pl_check_close(run_number(three, "layers_requantized"), 28, 0, 0);
    run_free(&r);
    json_t *config = config_of("three");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(config, "quantization_config"), "bits")),
        4);
    json_decref(config);
}

/* The version that a configuration says is part of what the weights are: what was solved of the one
 * is not the other's. */
static void test_a_version_is_another_model(void **ctx)
{
    (void)ctx;
    char script[2048], command[1200];
    double found[2];
    snprintf(script, sizeof script,
             "method rtn bits=4; solve all sequential=no; export dir=%s format=gptq",
             run_path("version"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    for (size_t i = 0; i < 2; i++) {
        snprintf(script, sizeof script,
                 "open %s; method rtn bits=8; solve 1.q_proj; dump weights 1.q_proj which=after "
                 "file=%s",
                 run_path("version"), run_path("w.npy"));
        r = run_demo(script);
        float *w = run_read_npy("w.npy", 144 * 144);
        found[i] = (double)w[0];
        free(w);
        run_free(&r);
        snprintf(command, sizeof command,
                 "sed -i 's/\"\\(checkpoint_\\)*format\": \"gptq\"/\"\\1format\": \"gptq_v2\"/' "
                 "'%s/config.json'",
                 run_path("version"));
        assert_int_equal(system(command), 0);
    }
    expect_less(1e-3, fabs(found[0] - found[1]));
}

static void check_card(const char *name, const char *says)
{
    char path[600];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/README.md", run_path(name));
    char *card = run_read(path, &size);
    assert_non_null(strstr(card, says));
    free(card);
}

/* The model card has the command as it makes the same files, and what the perplexity is of that is
 * not in them. */
static void test_the_card_says_how(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "method rtn bits=3 symmetric=no group_size=48; activations bits=8; solve 1.q_proj; "
             "perplexity which=after length=64 windows=1; "
             "export dir=%s format=compressed-tensors packing=padded partial=yes online=drop; "
             "activations none; method quarot online=no; solve all sequential=no; "
             "perplexity which=after length=64 windows=1; export dir=%s fold=yes dtype=f32",
             run_path("said"), run_path("folded"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    check_card("said", "\nexport format=compressed-tensors weights=rounded packing=padded "
                       "partial=yes online=drop dir=FOLDER\n");
    check_card("said", "which are not in the files: these weights without them have another "
                       "perplexity.");
    check_card("folded", "\nexport format=hf weights=rounded dtype=f32 fold=yes dir=FOLDER\n");
}

/* Where nothing is solved it is the model as it is that is written; where something is, that is
 * said by a word. */
static void test_a_model_is_converted(void **ctx)
{
    (void)ctx;
    char script[3000];
    snprintf(script, sizeof script,
             "export dir=%s; export dir=%s format=gguf; method rtn bits=4; solve all "
             "sequential=no; perplexity which=after length=64 windows=1; export dir=%s format=gguf "
             "weights=original dtype=q8_0",
             run_path("as-it-is"), run_path("as-gguf"), run_path("as-blocks"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 0), "weights")),
                        "original");
    pl_check_close(run_number(run_result(&r, 1), "layers_left"), 28, 0, 0);
    assert_string_equal(json_string_value(json_object_get(run_result(&r, 1), "types")), "F16 28");
    run_free(&r);
    r = RUN("--json", "-c", "perplexity length=64 windows=1");
    const double own = run_number(run_last(&r), "perplexity");
    run_free(&r);
    pl_check_close(perplexity_of(run_path("as-it-is")), own, 1e-6, 0);
    pl_check_close(perplexity_of(run_path("as-gguf")), own, 1e-6, 0);
    pl_check_close(perplexity_of(run_path("as-blocks")), own, 1e-2, 0);
    check_card("as-blocks", "converted with Planish");
    check_card("as-blocks", "No perplexity was measured");
    check_card("as-blocks", "\n```\nselect model.layers.0.self_attn.q_proj\n"
                            "export format=gguf weights=original dtype=q8_0 dir=FOLDER\n");
}

/* transformers, compressed-tensors and the owners' unpacking rules, in the Python of
 * PLANISH_BENCH_PYTHON: with --all. */
static void test_owners_load_them(void **ctx)
{
    (void)ctx;
    char command[3000];
    const char *python = getenv("PLANISH_BENCH_PYTHON");
    snprintf(command, sizeof command,
             "'%s' '%s/tests/golden/load_packed.py' '%s' '%s/sessions/demo' '%s'", python,
             source_root(), getenv("PLANISH_BIN"), source_root(), run_path("loaded"));
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_perplexity_is_the_files),
        cmocka_unit_test(test_a_loader_rounds_to_its_dtype),
        cmocka_unit_test(test_a_folded_model_is_packed),
        cmocka_unit_test(test_diagonals_are_folded_exactly),
        cmocka_unit_test(test_diagonals_that_round),
        cmocka_unit_test(test_mixed_bits_are_groups),
        cmocka_unit_test(test_fp8_scales),
        cmocka_unit_test(test_fp8_blocks),
        cmocka_unit_test(test_layers_left_are_ignored),
        cmocka_unit_test(test_a_packed_model_is_worked_on),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_lossy_says_what_is_lost),
        cmocka_unit_test(test_the_card_says_how),
        cmocka_unit_test(test_a_model_is_converted),
        cmocka_unit_test(test_a_version_is_another_model),
    };
    const struct CMUnitTest owners[] = {cmocka_unit_test(test_owners_load_them)};
    int failed = cmocka_run_group_tests(tests, run_setup, run_teardown);
    if (getenv("PLANISH_TEST_ALL") != NULL && getenv("PLANISH_BENCH_PYTHON") != NULL) {
        failed += cmocka_run_group_tests(owners, run_setup, run_teardown);
    }
    return failed;
}
