/* Chat templates against what transformers writes of them (chat_values.json, by
 * make_chat_values.py), and what is refused. */
#include "core/base/rng.h"
#include "core/model/template.h"
#include "tests/support/check.h"

#include <jansson.h>
#include <stdlib.h>

static pl_status render(const char *text, const json_t *variables, pl_buf *out, pl_task *task,
                        pl_error *err)
{
    pl_template *tpl = NULL;
    pl_status status = pl_template_parse(text, strlen(text), &tpl, err);
    PL_THEN(pl_template_render(tpl, variables, 0, out, task, err));
    pl_template_destroy(tpl);
    return status;
}

static void test_values(void **ctx)
{
    (void)ctx;
    char path[1024];
    json_error_t why;
    size_t i, refused = 0;
    json_t *item;
    snprintf(path, sizeof path, "%s/tests/golden/chat_values.json", getenv("PLANISH_SOURCE_ROOT"));
    json_t *cases = json_load_file(path, 0, &why);
    expect_at_most(40, json_array_size(cases));
    json_array_foreach(cases, i, item)
    {
        pl_error err = {0};
        pl_buf out = {0};
        const char *text = json_string_value(json_object_get(item, "text"));
        const char *tpl = json_string_value(json_object_get(item, "template"));
        const pl_status status = render(tpl, json_object_get(item, "variables"), &out, NULL, &err);
        if (text == NULL) {
            assert_int_not_equal(status, PL_OK);
            pl_check_says(err, "the chat template, line ");
            refused++;
        } else {
            pl_check_ok(status, err);
            assert_string_equal(out.data != NULL ? out.data : "", text);
        }
        pl_buf_deinit(&out);
    }
    assert_int_equal(refused, 5);
    json_decref(cases);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *text, *says;
        pl_status code;
    } cases[] = {
        {"a\n\n{% include 'x' %}", "line 3: the tag {% include %} is not supported; supported: if",
         PL_ERR_UNSUPPORTED},
        {"{% for x in y recursive %}{% endfor %}", "line 1: a recursive loop", PL_ERR_UNSUPPORTED},
        {"\n{{ 'x'|wordwrap }}", "line 2: the filter wordwrap is not known; known: trim, upper",
         PL_ERR_UNSUPPORTED},
        {"{{ 'x' is callable }}", "the test callable is not known; known: defined",
         PL_ERR_UNSUPPORTED},
        {"{{ 'x'.encode() }}", "the method encode of str object is not known; known: strip",
         PL_ERR_UNSUPPORTED},
        {"{{ cycler('a') }}", "the function cycler is not known; known: range", PL_ERR_UNSUPPORTED},
        {"{{ 2 ** 3 }}", "the operator **", PL_ERR_UNSUPPORTED},
        {"{{ '%s' % 'a' }}", "the operator % of a text", PL_ERR_UNSUPPORTED},
        {"{{ 1 // 0 }}", "a division by 0", PL_ERR_FORMAT},
        {"{{ 9223372036854775807 + 1 }}", "of more than 64 bits", PL_ERR_UNSUPPORTED},
        {"{{ 1e300|int }}", "of more than 64 bits", PL_ERR_UNSUPPORTED},
        {"{{ ('b' * 400000).strip('a' * 400000 ~ 'b') }}", "it does not end within 2000000 steps",
         PL_ERR_UNSUPPORTED},
        {"{{ 99999999999999999999 }}", "the number 99999999999999999999", PL_ERR_UNSUPPORTED},
        {"{{ 'a }}", "a text has no end '", PL_ERR_FORMAT},
        {"{{ a", "the template ends within a tag", PL_ERR_FORMAT},
        {"{# a", "the comment {# has no end", PL_ERR_FORMAT},
        {"{{ a ! b }}", "unexpected '!'", PL_ERR_FORMAT},
        {"{{ (1 }}", "expected", PL_ERR_FORMAT},
        {"{% if a %}{% endfor %}", "the tag {% endfor %}, expected one of: elif else endif",
         PL_ERR_FORMAT},
        {"{% break %}", "break or continue outside a loop", PL_ERR_FORMAT},
        {"{% set a.b = 1 %}", "set of an attribute of what is no namespace", PL_ERR_FORMAT},
        {"{% set a, b = [1] %}", "1 values, expected as many as there are names", PL_ERR_FORMAT},
        {"{{ 1 < 'a' }}", "there is no order between int object and str object", PL_ERR_FORMAT},
        {"{{ 5|length }}", "the length of int object", PL_ERR_FORMAT},
        {"{{ 'a'.replace('b') }}", "the method replace takes (old new count), of which it needs 2",
         PL_ERR_UNSUPPORTED},
        {"{{ {}.items }}", "the method items without a call", PL_ERR_UNSUPPORTED},
        {"{{ none|tojson(indent=99) }}", "tojson with such an indent", PL_ERR_UNSUPPORTED},
        /* without end, without bound */
        {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
         "it does not end within 2000000 steps", PL_ERR_UNSUPPORTED},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "it calls itself, or nests",
         PL_ERR_UNSUPPORTED},
        {"{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 99999999 }}",
         "a text of more than", PL_ERR_UNSUPPORTED},
        {"{% set n = namespace(a='xxxxxxxx') %}{% for i in range(40) %}{% set n.a = n.a + n.a %}"
         "{% endfor %}",
         "the chat template, line 1: it takes more than 64 MB", PL_ERR_UNSUPPORTED},
        {"{% set n = namespace() %}{% set n.a = [n] %}{{ n.a }}", "a namespace as text",
         PL_ERR_UNSUPPORTED},
        {"\xff", "is not valid UTF-8 at byte 0", PL_ERR_FORMAT},
    };
    json_t *none = json_object();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_error err = {0};
        pl_buf out = {0};
        const pl_status status = render(cases[i].text, none, &out, NULL, &err);
        if (status != cases[i].code) {
            print_error("%s\n", cases[i].text);
        }
        assert_int_equal(status, cases[i].code);
        pl_check_says(err, cases[i].says);
        pl_buf_deinit(&out);
    }
    json_decref(none);
}

static void test_depth(void **ctx)
{
    (void)ctx;
    enum { DEEP = 5000 };
    static const struct {
        const char *word;
    } parts[] = {{"("}, {"["}, {"-"}, {"not "}, {"x["}, {"{% if x %}"}, {"f("}, {"1 if 1 else "}};
    json_t *none = json_object();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        pl_error err = {0};
        pl_buf text = {0}, out = {0};
        pl_template *tpl = NULL;
        pl_buf_puts(&text, parts[i].word[0] == '{' ? "" : "{{ ");
        for (int n = 0; n < DEEP; n++) {
            pl_buf_puts(&text, parts[i].word);
        }
        assert_int_not_equal(pl_template_parse(text.data, text.size, &tpl, &err), PL_OK);
        assert_null(tpl);
        pl_buf_deinit(&text);
        pl_buf_deinit(&out);
    }
    json_decref(none);
}

/* Templates with bytes changed, left out and moved: read and walked, or refused by a sentence. */
static void test_broken(void **ctx)
{
    (void)ctx;
    enum { TRIES = 1500 };
    static const char bits[] = "{}%#-+'\"()[]|.,:=~*/\\ \n09azif";
    char path[1024];
    json_error_t why;
    pl_rng rng;
    pl_rng_init(&rng, 7);
    snprintf(path, sizeof path, "%s/tests/golden/chat_values.json", getenv("PLANISH_SOURCE_ROOT"));
    json_t *cases = json_load_file(path, 0, &why);
    size_t made = 0, refused = 0;
    for (size_t i = 0; i < TRIES; i++) {
        const json_t *item = json_array_get(cases, pl_rng_below(&rng, json_array_size(cases)));
        char *text = strdup(json_string_value(json_object_get(item, "template")));
        const size_t size = strlen(text);
        pl_error err = {0};
        pl_buf out = {0};
        for (size_t n = 1 + pl_rng_below(&rng, 3); n > 0; n--) {
            const size_t at = pl_rng_below(&rng, size), from = pl_rng_below(&rng, size);
            text[at] =
                pl_rng_below(&rng, 2) == 0 ? bits[pl_rng_below(&rng, sizeof bits - 1)] : text[from];
        }
        const pl_status status = render(text, json_object_get(item, "variables"), &out, NULL, &err);
        made += status == PL_OK;
        refused += status != PL_OK;
        assert_true(status == PL_OK || err.message[0] != '\0');
        pl_buf_deinit(&out);
        free(text);
    }
    expect_less(TRIES / 20, made);
    expect_less(TRIES / 20, refused);
    json_decref(cases);
}

static void test_cancel(void **ctx)
{
    (void)ctx;
    pl_error err = {0};
    pl_buf out = {0};
    pl_task task = {0};
    atomic_store(&task.cancel, true);
    json_t *none = json_object();
    assert_int_equal(render("{% for i in range(99999) %}{% endfor %}", none, &out, &task, &err),
                     PL_ERR_CANCELLED);
    json_decref(none);
    pl_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_broken),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
