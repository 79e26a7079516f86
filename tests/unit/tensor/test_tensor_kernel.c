/* Which of OpenBLAS's kernels a processor gets, and the proof of those in use. */
#include "core/tensor/kernel.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static void check_better(const char *name, pl_vectors vectors, const char *want)
{
    const char *got = pl_kernel_better(name, vectors);
    assert_string_equal(got != NULL ? got : "kept", want != NULL ? want : "kept");
}

static void poorer_kernels_give_way(void **state)
{
    (void)state;
    check_better("Prescott", PL_VECTORS_AVX512, "SkylakeX"); /* Emerald Rapids under 0.3.21 */
    check_better("Prescott", PL_VECTORS_AVX2, "Haswell");
    check_better("prescott", PL_VECTORS_AVX2, "Haswell");
    check_better("Sandybridge", PL_VECTORS_AVX512, "SkylakeX");
    check_better("Barcelona", PL_VECTORS_AVX2, "Haswell"); /* an AMD that is not known */
    check_better("Haswell", PL_VECTORS_AVX512, "SkylakeX");
    check_better("Zen", PL_VECTORS_AVX512, "SkylakeX");
}

static void kernels_as_good_stay(void **state)
{
    (void)state;
    check_better("Prescott", PL_VECTORS_OTHER, NULL);
    check_better("Sandybridge", PL_VECTORS_OTHER, NULL);
    check_better("Haswell", PL_VECTORS_AVX2, NULL);
    check_better("Zen", PL_VECTORS_AVX2, NULL);
    check_better("SkylakeX", PL_VECTORS_AVX512, NULL);
    check_better("Cooperlake", PL_VECTORS_AVX512, NULL);
    check_better("Haswell", PL_VECTORS_OTHER, NULL);
    check_better("SkylakeX", PL_VECTORS_AVX2, NULL);
    check_better("of a later version", PL_VECTORS_AVX512, NULL); /* it knows more than we do */
    check_better("NEOVERSEN1", PL_VECTORS_OTHER, NULL);
    check_better("", PL_VECTORS_AVX512, NULL);
}

static void kernels_in_use_are_right(void **state)
{
    (void)state;
    expect_less(0, strlen(pl_kernel_name()));
    assert_true(pl_kernel_is_right());
    /* Tests start as planish does. */
    if (getenv("OPENBLAS_CORETYPE") == NULL) {
        assert_null(pl_kernel_better(pl_kernel_name(), pl_kernel_vectors()));
    }
}

static void check_processor(const char *text, const char *want)
{
    char name[160];
    pl_processor_parse(text, name, sizeof name);
    assert_string_equal(name, want);
}

static void processors_are_named(void **state)
{
    (void)state;
    check_processor("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\n"
                    "model name\t: Intel(R) Xeon(R) Processor\nstepping\t: 2\n"
                    "\nprocessor\t: 1\nmodel name\t: another\n",
                    "Intel(R) Xeon(R) Processor (family 6, model 207)");
    check_processor("processor\t: 0\nBogoMIPS\t: 50.00\n", "unknown processor");
    check_processor("", "unknown processor");
    check_processor("model name : a\033[2Jb", "a?[2Jb");
    check_processor("model name\t:", "unknown processor");
    check_processor("model name", "unknown processor");
    char shorter[8];
    pl_processor_parse("model name : much longer\n", shorter, sizeof shorter);
    assert_string_equal(shorter, "much lo");
    char real[160];
    pl_processor_name(real, sizeof real);
    expect_less(0, strlen(real));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poorer_kernels_give_way),
        cmocka_unit_test(kernels_as_good_stay),
        cmocka_unit_test(kernels_in_use_are_right),
        cmocka_unit_test(processors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
