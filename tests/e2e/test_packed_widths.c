/* Packed checkpoints whose codes have another width or other groups than they were solved with. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>
#include <string.h>

static long bits_said(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/config.json", run_path(name));
    json_t *config = json_load_file(path, 0, NULL);
    assert_non_null(config);
    const json_t *said = json_object_get(config, "quantization_config");
    const long bits = (long)json_integer_value(json_object_get(said, "bits"));
    json_decref(config);
    return bits;
}

/* Codes of a width that a layout has not are held in a wider one, the same weights: as `format=hf
 * dtype=f32` writes them. */
static void test_codes_in_more_bits(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *format, *symmetric;
        int bits, held;
    } cases[] = {
        {"awq", "yes", 3, 4},    {"awq", "no", 3, 4},      {"awq", "full", 2, 4},
        {"gptq", "yes", 5, 8},   {"gptq", "full", 6, 8},   {"gptq", "yes", 7, 8},
        {"gptq_v2", "no", 5, 8}, {"gptq_v2", "yes", 6, 8}, {"gptq_v2", "no", 7, 8},
        {"gptq_v2", "no", 3, 4}, /* 400 inputs of 3 bits fill no whole words */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[2048], packed[40], floats[40];
        snprintf(packed, sizeof packed, "wide-%zu", i);
        snprintf(floats, sizeof floats, "wide-%zu-hf", i);
        snprintf(script, sizeof script,
                 "method rtn bits=%d symmetric=%s group_size=16; solve all sequential=no; export "
                 "format=%s dir=%s; export format=hf dtype=f32 dir=%s; open %s; import after=%s",
                 cases[i].bits, cases[i].symmetric, cases[i].format, run_path(packed),
                 run_path(floats), run_path(packed), run_path(floats));
        run r = run_demo(script);
        const json_t *report = run_result(&r, r.n_lines - 4);
        pl_check_close(run_number(report, "layers_packed"), 28, 0, 0);
        pl_check_close(run_number(report, "layers_widened"), 28, 0, 0);
        pl_check_close(run_number(report, "layers_requantized"), 0, 0, 0);
        pl_check_close(run_number(report, "max_dtype_error"), 0, 0, 0);
        pl_check_close(run_number(run_last(&r), "same"), 28, 0, 0);
        run_free(&r);
        assert_int_equal(bits_said(packed), cases[i].held);
    }
}

/* Bits of the file's codes, scales and zero points a weight. */
static double bits_of_file(const char *name)
{
    static const char *const endings[] = {".qweight", ".scales", ".qzeros"};
    char path[600];
    size_t size = 0;
    uint64_t length = 0;
    double bytes = 0, weights = 0;
    snprintf(path, sizeof path, "%s/model.safetensors", run_path(name));
    char *file = run_read(path, &size);
    memcpy(&length, file, sizeof length);
    json_t *names = json_loadb(file + sizeof length, length, 0, NULL), *tensor;
    const char *tensor_name;
    assert_non_null(names);
    json_object_foreach(names, tensor_name, tensor)
    {
        const json_t *ends = json_object_get(tensor, "data_offsets");
        const double count = (double)(json_integer_value(json_array_get(ends, 1)) -
                                      json_integer_value(json_array_get(ends, 0)));
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            const bool is = strstr(tensor_name, endings[i]) != NULL;
            bytes += is ? count : 0;
            weights += is && i == 0 ? 2 * count : 0; /* of 4 bits */
        }
    }
    json_decref(names);
    free(file);
    return 8 * bytes / weights;
}

/* Where they are not those of the solve: rounded anew, in more bits, in groups cut to one size. */
static void test_bits_are_the_files(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *methods, *lossy, *says;
    } cases[] = {
        {"bits-anew", "method hadamard; method rtn bits=4 symmetric=no group_size=128", "lossy=yes",
         "28 layers have groups of 16 inputs in the files, fewer than they were"},
        {"bits-cut", "method rtn bits=4 symmetric=no group_size=48", "",
         "28 layers have groups of 16 inputs in the files, fewer than they were"},
        {"bits-wide", "method rtn bits=3 symmetric=no group_size=16", "", NULL},
        {"bits-same", "method rtn bits=4 symmetric=no group_size=16", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[1024];
        snprintf(script, sizeof script, "%s; solve all sequential=no; export format=awq %s dir=%s",
                 cases[i].methods, cases[i].lossy, run_path(cases[i].name));
        run r = run_demo(script);
        pl_check_close(run_number(run_last(&r), "bits_per_weight"), bits_of_file(cases[i].name),
                       1e-12, 0);
        assert_int_equal(strstr(r.err, "in the files, fewer than") != NULL, cases[i].says != NULL);
        assert_true(cases[i].says == NULL || strstr(r.err, cases[i].says) != NULL);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_in_more_bits),
        cmocka_unit_test(test_bits_are_the_files),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
