/* Results as text: numbers by name, tables, and never a control character. */
#include "tests/support/check.h"

#include "app/command.h"

#include <stdbool.h>

static pl_call *call_with(const char *text, const char *result)
{
    pl_error err;
    pl_call *call = NULL;
    pl_check_ok(pl_call_parse(text, &call, &err), err);
    json_decref(call->result);
    call->result = json_loads(result, 0, NULL);
    assert_non_null(call->result);
    return call;
}

/* No C0 but newline, no DEL, no C1 (U+0080..U+009F), valid UTF-8. */
static void check_clean(const pl_buf *text, bool one_line)
{
    const char *end = text->data + text->size;
    for (const char *s = text->data; s < end;) {
        size_t length = pl_text_utf8_length(s, end);
        expect_less(0, length);
        unsigned char c = (unsigned char)s[0];
        if (c != '\n' || one_line) {
            expect_at_most(0x20, c);
        }
        assert_int_not_equal(c, 0x7f);
        assert_false(c == 0xc2 && (unsigned char)s[1] < 0xa0);
        s += length;
    }
}

static void check_both(const char *text, const char *result, const char *says, const char *line)
{
    pl_call *call = call_with(text, result);
    pl_buf whole = {0};
    pl_buf brief = {0};
    pl_result_text(call, &whole);
    pl_result_line(call, &brief);
    check_clean(&whole, false);
    check_clean(&brief, true);
    if (strstr(whole.data, says) == NULL || strstr(brief.data, line) == NULL) {
        fprintf(stderr, "%s----\n%s\n", whole.data, brief.data);
        fail();
    }
    pl_buf_deinit(&whole);
    pl_buf_deinit(&brief);
    pl_call_destroy(call);
}

static void test_numbers_and_tables(void **ctx)
{
    (void)ctx;
    check_both("tokenize", "{\"objective\": 0.125, \"gap\": null, \"iterations\": 20}",
               "objective              0.125\niterations             20\n",
               "tokenize:  objective 0.125  iterations 20");
    check_both(
        "tokenize",
        "{\"count\": 1, \"none\": {\"a\": null}, \"some\": {\"a\": null, \"b\": 2},"
        " \"seconds\": 1}",
        "count                  1\nsome\n  b                    2\nseconds                1\n",
        "tokenize:  count 1  seconds 1");
    /* A sentence where the command has one; what is not known is left out. */
    check_both("solve",
               "{\"layer\": \"model.layers.3.mlp.up_proj\", \"group_max_before\": 0.5,"
               " \"group_max_after\": 0.25, \"rounded_relative_error\": 0.0055, \"gap\": 1e-12}",
               "layer                  model.layers.3.mlp.up_proj\n",
               "solved 3.up_proj: group max \u221250 %, rounded error 5.5e-3, gap \u2264 1.2e-5 %");
    check_both("solve all",
               "{\"relative_error\": 0.25, \"group_max_before\": null, \"layers\": [{\"a\": 1},"
               " {\"a\": 2}]}",
               "", "solved 2 layers: error 0.25");
    check_both("method gptq bits=3 on=0.*", "{\"slot\": \"round\", \"on\": \"0.*\"}", "",
               "round: gptq bits=3, for layers 0.*");
    check_both("method rtn", "{\"slot\": \"round\", \"layers_in_store\": 28}",
               "28 layers of this setting are in the store\n",
               "round: rtn; 28 layers of this setting are in the store");
    check_both("activations none", "{\"activations\": null, \"layers_in_store\": 1}", "",
               "activations are not quantized; 1 layer of this setting is in the store");
    check_both("kv bits=4", "{\"kv\": {\"bits\": 4, \"group_size\": 64}, \"layers_in_store\": 2}",
               "", "64 values of a head; 2 layers of this setting are in the store");
    check_both("set bits=3",
               "{\"set\": [{\"slot\": \"round\", \"method\": \"gptq\", \"parameter\": \"bits\","
               " \"value\": 3, \"on\": null}], \"layers_in_store\": 28}",
               "gptq: bits=3\n28 layers of this setting are in the store\n",
               "gptq: bits=3; 28 layers of this setting are in the store");
    check_both(
        "sensitivity",
        "{\"units\": [{\"unit\": \"0.q_proj\", \"kl\": 0.5}, {\"unit\": \"1\", \"kl\": 0.75}],"
        " \"rank_correlation\": {\"kurtosis\": -0.5, \"error\": 0.25, \"gap\": null}}",
        "1         0.75", "1 costs most, KL 0.75; kurtosis ranks them best, 0.50");
    check_both("allocate bits=3.5",
               "{\"bits_per_weight\": 3.25, \"loss\": 0.5, \"bound\": 0.25, \"units\": [],"
               " \"layers_in_store\": 28}",
               "28 layers of this setting are in the store\n",
               "3.25 bits per weight: loss 0.5, bound 0.25; 28 layers of this setting are in the "
               "store");
    check_both("perplexity",
               "{\"perplexity\": 1.43727, \"perplexity_error\": 0.037, \"tokens\": 1022,"
               " \"kl_mean\": 0.043, \"original_perplexity\": 1.359897}",
               "", "perplexity 1.4373 \u00b1 0.0370, original 1.3599, KL 0.0430  (1,022 tokens)");
    check_both("outliers",
               "{\"channels\": [{\"channel\": 7, \"max\": 1.5, \"token\": \" the\"},"
               "{\"channel\": 123, \"max\": 0.25, \"token\": null}]}",
               "channel   max  token\n      7   1.5   the \n    123  0.25  -",
               "outliers:  2 channels");
    check_both("tokenize text=x", "{\"count\": 2, \"ids\": [4, 5]}", "ids                    4 5\n",
               "tokenize:  count 2  2 ids");
    check_both("method rtn",
               "{\"slot\": \"round\", \"parameters\": {\"bits\": 3, \"mse\": \"no\"}}",
               "  bits                 3\n", "round: rtn");
    check_both(
        "tokenize",
        "{\"tokens_per_second\": 136.5, \"peak_bytes\": 7, \"stored\": false, \"key\": \"4b\","
        "\"windows\": 48}",
        "peak_bytes             7\n", "tokenize:  tokens per second 136.5  windows 48");
    check_both("layers", "{\"layers\": []}", "layers", "0 layers");
}

/* Commands escape before they put a text in; a text of a file must be harmless all the same. */
static void test_no_control_characters(void **ctx)
{
    (void)ctx;
    static const char poison[] = "a\\u001b[2J\\u0007\\n\\u007f\\u009b\\u202e\\u0000b";
    static const char *const shapes[] = {
        "{\"name\": \"%s\"}",
        "{\"%s\": 1}",
        "{\"channels\": [{\"%s\": 1, \"token\": \"%s\"}]}",
        "{\"list\": [\"%s\"]}",
        "{\"object\": {\"%s\": \"%s\"}}",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        pl_buf json = {0};
        for (const char *s = shapes[i]; *s != '\0'; s++) {
            bool here = s[0] == '%';
            bool name = here && s[3] == ':'; /* JSON names hold no NUL */
            pl_buf_append(&json, here ? poison : s, here ? strlen(poison) - (name ? 7 : 0) : 1);
            s += here;
        }
        pl_error err;
        pl_call *call = NULL;
        pl_check_ok(pl_call_parse("outliers", &call, &err), err);
        json_decref(call->result);
        call->result = json_loads(json.data, JSON_ALLOW_NUL, NULL);
        assert_non_null(call->result);
        pl_buf whole = {0};
        pl_buf brief = {0};
        pl_result_text(call, &whole);
        pl_result_line(call, &brief);
        check_clean(&whole, false);
        check_clean(&brief, true);
        pl_buf_deinit(&whole);
        pl_buf_deinit(&brief);
        pl_buf_deinit(&json);
        pl_call_destroy(call);
    }
}

static void test_long_text_is_cut_whole(void **ctx)
{
    (void)ctx;
    pl_buf json = {0};
    pl_buf_puts(&json, "{\"channels\": [{\"token\": \"x");
    for (int i = 0; i < 100; i++) {
        pl_buf_puts(&json, "é");
    }
    pl_buf_puts(&json, "\"}]}");
    check_both("outliers", json.data, "xéé", "1 channels");
    pl_buf_deinit(&json);
}

/* A perplexity has the digits that its spread leaves; without one those of any number. */
static void test_digits(void **state)
{
    (void)state;
    static const struct {
        const char *result, *shown;
    } cases[] = {{"{\"perplexity\": 1286.23, \"spread\": {\"digits\": 3}}", " 1290\n"},
                 {"{\"perplexity\": 39.87, \"spread\": {\"digits\": 2}}", " 40\n"},
                 {"{\"perplexity\": 1.8205, \"spread\": {\"digits\": 2}}", " 1.8\n"},
                 {"{\"perplexity\": 7.4, \"spread\": {\"digits\": 1}}", " 7\n"},
                 {"{\"perplexity\": 1.82049, \"spread\": {\"digits\": 17}}", " 1.8205\n"},
                 {"{\"perplexity\": 1286.23}", " 1286.2\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_buf text = {0};
        pl_call *call = call_with("perplexity", cases[i].result);
        pl_result_text(call, &text);
        if (strstr(text.data, cases[i].shown) == NULL) {
            fail_msg("no \"%s\" in %s", cases[i].shown, text.data);
        }
        pl_buf_deinit(&text);
        pl_call_destroy(call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_tables),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_no_control_characters),
        cmocka_unit_test(test_long_text_is_cut_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
