#include "core/io/json.h"

#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static json_t *load(const char *text)
{
    json_error_t why;
    return pl_json_load(text, strlen(text), &why);
}

static void constants_and_keys_as_python_has_them(void **state)
{
    (void)state;
    json_t *json = load("{\"a\": NaN, \"b\": [-Infinity, Infinity, -1], \"c\": 1, \"c\": 2,"
                        "\"d\": \"NaN \\\" Infinity\", \"e\": 1000000000000000019884624838656,"
                        "\"f\": -9007199254740993, \"g\": 1.25e3, \"h\": \"x\\u0000y\"}");
    assert_non_null(json);
    assert_true(json_is_string(json_object_get(json, "a")));
    assert_int_equal(json_integer_value(json_object_get(json, "c")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "d")), "NaN \" Infinity");
    pl_check_close(json_real_value(json_object_get(json, "e")), 1e30, 1e-12, 0);
    assert_int_equal(json_integer_value(json_object_get(json, "f")), -9007199254740993);
    pl_check_close(json_real_value(json_object_get(json, "g")), 1250, 1e-12, 0);
    assert_int_equal(json_string_length(json_object_get(json, "h")), 3);
    char *text = pl_json_dump(json);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"a\": NaN,"));
    assert_non_null(strstr(text, "-Infinity,\n    Infinity,\n    -1"));
    assert_non_null(strstr(text, "\"d\": \"NaN \\\" Infinity\""));
    json_t *again = load(text);
    assert_true(json_equal(json, again));
    free(text);
    json_decref(again);
    json_decref(json);
}

static void what_python_refuses_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"a\": Nan}",
                                      "{\"a\": infinity}",
                                      "{'a'}",
                                      "{\"a\": 01}",
                                      "{\"a\": \"b}",
                                      "[1,]",
                                      "{\"a\": 99999999999999999999x}",
                                      "\"",
                                      "\\"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(load(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_and_keys_as_python_has_them),
        cmocka_unit_test(what_python_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
