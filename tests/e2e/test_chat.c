/* generate chat=yes and which=both through the program. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The demo with a template of its own beside it: where, in which file, is the caller's. */
static void make_chatty(char *folder, size_t capacity, const char *name)
{
    static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json"};
    snprintf(folder, capacity, "%s", run_path(name));
    assert_int_equal(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[1024], to[1024];
        snprintf(from, sizeof from, "%s/sessions/demo/%s", getenv("PLANISH_SOURCE_ROOT"), files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(from, to), 0);
    }
}

static void write_beside(const char *folder, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    run_write(path, text);
}

static void test_chat(void **ctx)
{
    (void)ctx;
    char folder[512];
    make_chatty(folder, sizeof folder, "chatty");
    run none = RUN("--json", folder, "-c", "generate king chat=yes tokens=2");
    run_check_failed(&none, 1, "has no chat template: expected a chat_template in");
    run_free(&none);

    /* Of several templates the one named default; the special token is one token. */
    write_beside(
        folder, "tokenizer_config.json",
        "{\"eos_token\": {\"content\": \"<|end|>\"}, \"chat_template\": "
        "[{\"name\": \"tool\", \"template\": \"x\"}, {\"name\": \"default\", \"template\": "
        "\"{{ eos_token }}{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\\n"
        "{% endfor %}\"}]}");
    run r = RUN("--json", folder, "-c", "generate king chat=yes system=Be tokens=2");
    const json_t *made = run_last(&r);
    assert_string_equal(json_string_value(json_object_get(made, "chat")),
                        "<|end|>s: Be\nu: king\n");
    expect_at_most(run_number(made, "prompt_tokens"), 16); /* <|end|> alone has 7 letters */
    run_free(&r);

    /* chat_template.jinja rules; what it refuses is said. */
    write_beside(folder, "chat_template.jinja",
                 "\n{{ raise_exception('no ' ~ messages[0].role) }}");
    r = RUN("--json", folder, "-c", "generate king chat=yes tokens=2");
    run_check_failed(&r, 1,
                     "generate: chat=yes: the chat template, line 2: the template refuses this "
                     "chat: no user");
    run_free(&r);

    /* Any of the tokens that generation_config.json names ends a text. */
    write_beside(folder, "chat_template.jinja", "The {{ messages[-1]['content'] }}");
    r = RUN("--json", folder, "-c", "generate king chat=yes tokens=6");
    const json_t *ids = json_object_get(json_object_get(run_last(&r), "before"), "ids");
    expect_at_most(3, json_array_size(ids));
    char ends[128];
    size_t at = 1;
    while (at < 5 && json_integer_value(json_array_get(ids, at)) ==
                         json_integer_value(json_array_get(ids, 0))) {
        at++;
    }
    snprintf(ends, sizeof ends, "{\"eos_token_id\": [0, %lld]}",
             (long long)json_integer_value(json_array_get(ids, at)));
    write_beside(folder, "generation_config.json", ends);
    run_free(&r);
    r = RUN("--json", folder, "-c", "generate king chat=yes tokens=6");
    const json_t *side = json_object_get(run_last(&r), "before");
    assert_true(json_is_true(json_object_get(side, "ended")));
    assert_int_equal(json_array_size(json_object_get(side, "ids")), at);
    run_free(&r);
}

/* The token at which both part is marked in either text, in two columns where there is a width. */
static void test_both(void **ctx)
{
    (void)ctx;
    run none = run_demo("generate king system=x");
    run_check_failed(&none, 1, "generate: system= goes with chat=yes");
    run_free(&none);
    run r = run_demo("method rtn bits=2; solve all; generate 'The king' which=both tokens=24");
    const json_t *made = run_result(&r, 2), *at = json_object_get(made, "first_difference");
    const char *names[] = {"before", "after"};
    assert_true(json_is_object(at));
    for (size_t i = 0; i < 2; i++) {
        const char *text =
            json_string_value(json_object_get(json_object_get(made, names[i]), "text"));
        const char *token = json_string_value(json_object_get(at, names[i]));
        assert_memory_equal(text + (size_t)run_number(at, "at"), token, strlen(token));
    }
    char marked[64];
    snprintf(marked, sizeof marked, ">>%s<<", json_string_value(json_object_get(at, "after")));
    run plain = RUN("-c", "method rtn bits=2; solve all; generate 'The king' which=both tokens=24");
    assert_non_null(strstr(plain.out, marked));
    assert_non_null(strstr(plain.out, "they part at token "));
    run_free(&plain);
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_both),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
