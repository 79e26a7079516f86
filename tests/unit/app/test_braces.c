/* Braces: which texts one text stands for, in which order, and what is refused. */
#include "app/braces.h"
#include "tests/support/check.h"

#include <string.h>

static void expect_texts(const char *text, const char *const *expected, size_t count)
{
    pl_error err;
    char **texts = NULL;
    size_t n = 0;
    pl_check_ok(pl_braces_expand(text, &texts, &n, &err), err);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(texts[i], expected[i]);
    }
    pl_braces_free(texts, n);
}
#define EXPECT(text, ...)                                                                          \
    expect_texts(text, (const char *const[]){__VA_ARGS__},                                         \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void test_choices(void **state)
{
    (void)state;
    EXPECT("gptq bits=4", "gptq bits=4");
    EXPECT("", "");
    EXPECT("gptq bits={3,4}", "gptq bits=3", "gptq bits=4");
    EXPECT("a{x}b", "axb");
    EXPECT("astro beta={1e-5,1e-4}; gptq bits={3,4}", "astro beta=1e-5; gptq bits=3",
           "astro beta=1e-5; gptq bits=4", "astro beta=1e-4; gptq bits=3",
           "astro beta=1e-4; gptq bits=4");
    EXPECT("{,hadamard; }gptq", "gptq", "hadamard; gptq");
    EXPECT("{a,b}{c,}", "ac", "a", "bc", "b");
    EXPECT("{}x", "x");
    EXPECT("a, b", "a, b"); /* a comma outside is a comma */
}

static void test_the_most(void **state)
{
    (void)state;
    pl_error err;
    char **texts = NULL;
    size_t n = 0;
    pl_check_ok(pl_braces_expand("{1,2,3,4}{1,2,3,4}{1,2,3,4}{1,2,3,4}", &texts, &n, &err), err);
    assert_int_equal(n, PL_BRACES_MOST);
    assert_string_equal(texts[0], "1111");
    assert_string_equal(texts[1], "1112");
    assert_string_equal(texts[255], "4444");
    pl_braces_free(texts, n);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"gptq bits={3,4", "\"gptq bits={3,4\": a { without its }"},
        {"gptq bits=3,4}", "\"gptq bits=3,4}\": a } without its {"},
        {"{a,{b,c}}", "braces within braces, expected {a,b} side by side"},
        {"{1,2,3,4}{1,2,3,4}{1,2,3,4}{1,2,3,4}{1,2}", "stands for more than 256 settings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_error err;
        char **texts = NULL;
        size_t n = 1;
        assert_int_equal(pl_braces_expand(cases[i].text, &texts, &n, &err), PL_ERR_USAGE);
        assert_null(texts);
        assert_int_equal(n, 0);
        pl_check_says(err, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_the_most),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
