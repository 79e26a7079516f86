/* What tokenizer_config.json makes of a tokenizer: the right values are AutoTokenizer's
 * (transformers 4.53.3). */
#include "tests/unit/model/tokens.h"

#define NAMES "\"bos_token\": \"<b>\", \"eos_token\": \"<e>\""
enum { BOS = 256, EOS = 257 };

typedef struct config_case {
    const char *config, *by_type;
    int template; /* tokenizer.json puts <b> and <e> in front */
    const char *specials;
    int32_t front[2]; /* 0: none */
    int32_t back;
    const char *says; /* NULL: it is read */
} config_case;

static const char template_json[] =
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<b>\","
    "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"<e>\", \"type_id\": 0}}, {\"Sequence\":"
    "{\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<b>\": {\"id\": \"<b>\", \"ids\":"
    "[256], \"tokens\": [\"<b>\"]}, \"<e>\": {\"id\": \"<e>\", \"ids\": [257], \"tokens\":"
    "[\"<e>\"]}}}";
static const char added_json[] = "[{\"id\": 256, \"content\": \"<b>\", \"special\": true},"
                                 "{\"id\": 257, \"content\": \"<e>\", \"special\": true}]";

static void write_text(pl_temp *temp, const char *name, const char *text)
{
    if (text != NULL) {
        pl_temp_write(temp, name, text, strlen(text));
    }
}

static void check_config(const config_case *c)
{
    pl_temp temp;
    pl_error err = {0};
    pl_tokenizer *t = NULL;
    json_t *json = tokens_byte_level(NULL, 0);
    pl_temp_init(&temp);
    tokens_set(json, "added_tokens", added_json);
    if (c->template) {
        tokens_set(json, "post_processor", template_json);
    }
    assert_int_equal(json_dump_file(json, pl_temp_path(&temp, "tokenizer.json"), 0), 0);
    json_decref(json);
    write_text(&temp, "tokenizer_config.json", c->config);
    write_text(&temp, "special_tokens_map.json", c->specials);
    pl_status status = pl_tokenizer_from_folder(temp.folder, c->by_type, &t, &err);
    if (c->says != NULL) {
        assert_int_not_equal(status, PL_OK);
        assert_null(t);
        pl_check_says(err, c->says);
        pl_check_says(err, "tokenizer_config.json");
    } else {
        pl_check_ok(status, err);
        const pl_frame *frame = pl_tokenizer_frame(t);
        int32_t found[2] = {0};
        memcpy(found, frame->front, frame->n_front * sizeof *found);
        if (memcmp(found, c->front, sizeof found) != 0 ||
            (frame->n_back > 0 ? frame->back[0] : 0) != c->back) {
            fprintf(stderr, "%s: %d %d ... %d\n", c->config, (int)found[0], (int)found[1],
                    (int)frame->back[0]);
            fail();
        }
        expect_less(0, strlen(t->rule));
    }
    pl_tokenizer_destroy(t);
    pl_temp_deinit(&temp);
}

#define CLASS(name) "{\"tokenizer_class\": \"" name "\", " NAMES

static void classes_and_flags_rule(void **state)
{
    (void)state;
    static const config_case cases[] = {
        {CLASS("LlamaTokenizerFast") "}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("LlamaTokenizer") "}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("LlamaTokenizerFast") ", \"add_bos_token\": false}", NULL, 0, NULL, {0}, 0, NULL},
        {CLASS("LlamaTokenizerFast") ", \"add_bos_token\": null}", NULL, 0, NULL, {0}, 0, NULL},
        {CLASS("LlamaTokenizerFast") ", \"add_eos_token\": true}", NULL, 0, NULL, {BOS}, EOS, NULL},
        {CLASS("GPTNeoXTokenizer") ", \"add_bos_token\": true}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("GPTNeoXTokenizer") "}", NULL, 0, NULL, {0}, 0, NULL},
        {CLASS("GemmaTokenizer") "}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("CohereTokenizer") "}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("CodeLlamaTokenizer") "}", NULL, 0, NULL, {BOS}, 0, NULL},
        {CLASS("PreTrainedTokenizerFast") ", \"add_bos_token\": true}",
         NULL,
         0,
         NULL,
         {0},
         0,
         NULL},
        {CLASS("GPT2Tokenizer") ", \"add_bos_token\": true}", NULL, 0, NULL, {0}, 0, NULL},
        {CLASS("Qwen2Tokenizer") ", \"add_bos_token\": true}", NULL, 0, NULL, {0}, 0, NULL},
        /* Against a template. */
        {CLASS("LlamaTokenizerFast") ", \"add_bos_token\": false}", NULL, 1, NULL, {0}, 0, NULL},
        {CLASS("LlamaTokenizerFast") "}", NULL, 1, NULL, {BOS}, 0, NULL},
        {CLASS("GPTNeoXTokenizerFast") "}", NULL, 1, NULL, {0}, 0, NULL},
        {CLASS("PreTrainedTokenizerFast") ", \"add_bos_token\": false}",
         NULL,
         1,
         NULL,
         {BOS, EOS},
         0,
         NULL},
        {CLASS("GPT2Tokenizer") ", \"add_bos_token\": false}", NULL, 1, NULL, {BOS, EOS}, 0, NULL},
        /* The class by the model's type; its own <s> is not in the vocabulary here. */
        {"{" NAMES "}", "LlamaTokenizer", 0, NULL, {BOS}, 0, NULL},
        {"{" NAMES "}", NULL, 1, NULL, {BOS, EOS}, 0, NULL},
        {"{" NAMES ", \"model_max_length\": 1000000000000000019884624838656}",
         "GPTNeoXTokenizer",
         1,
         NULL,
         {0},
         0,
         NULL},
        {"{}", "LlamaTokenizer", 1, NULL, {BOS, EOS}, 0, NULL},
        {NULL, "GPTNeoXTokenizer", 1, NULL, {BOS, EOS}, 0, NULL},
        {NULL, NULL, 0, NULL, {0}, 0, NULL},
        /* How a token is named. */
        {"{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": {\"content\": \"<b>\"}}",
         NULL,
         0,
         NULL,
         {BOS},
         0,
         NULL},
        {"{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<e>\"}",
         NULL,
         0,
         "{\"bos_token\": \"<b>\"}",
         {BOS},
         0,
         NULL},
        {"{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<e>\","
         "\"added_tokens_decoder\": {}}",
         NULL,
         0,
         "{\"bos_token\": \"<b>\"}",
         {EOS},
         0,
         NULL},
        {"{\"tokenizer_class\": \"LlamaTokenizer\"}",
         NULL,
         0,
         "{\"bos_token\": {\"content\": \"<b>\"}}",
         {BOS},
         0,
         NULL},
        {"{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": null}",
         NULL,
         0,
         NULL,
         {0},
         0,
         "bos_token is no token"},
        {"{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<x>\\n\"}",
         NULL,
         0,
         NULL,
         {0},
         0,
         "bos_token '<x>\\n' is not in the vocabulary"},
        {"[]", NULL, 0, NULL, {0}, 0, "not a JSON object"},
        {"{", NULL, 0, NULL, {0}, 0, "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_config(&cases[i]);
    }
}

/* add_prefix_space of a ByteLevel that is the whole pre-tokenizer is the config's, false where it
 * says nothing; Llama's class leaves tokenizer.json's. */
static void the_config_rules_the_blank_in_front(void **state)
{
    (void)state;
    static const struct {
        const char *class, *flag;
        int blank; /* with tokenizer.json's add_prefix_space true */
    } cases[] = {
        {"PreTrainedTokenizerFast", "", 0},
        {"PreTrainedTokenizerFast", ", \"add_prefix_space\": true", 1},
        {"GPT2Tokenizer", ", \"add_prefix_space\": false", 0},
        {"Qwen2TokenizerFast", ", \"add_prefix_space\": true", 1},
        {"LlamaTokenizerFast", "", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_temp temp;
        pl_error err = {0};
        pl_tokenizer *t = NULL;
        char config[256];
        json_t *json = tokens_byte_level(NULL, 0);
        pl_temp_init(&temp);
        tokens_set(json, "added_tokens", added_json);
        json_object_set_new(json_object_get(json, "pre_tokenizer"), "add_prefix_space",
                            json_true());
        assert_int_equal(json_dump_file(json, pl_temp_path(&temp, "tokenizer.json"), 0), 0);
        json_decref(json);
        snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\", " NAMES "%s}",
                 cases[i].class, cases[i].flag);
        write_text(&temp, "tokenizer_config.json", config);
        pl_check_ok(pl_tokenizer_from_folder(temp.folder, NULL, &t, &err), err);
        if (cases[i].blank) {
            TOKENS(t, "a", ' ', 'a');
        } else {
            TOKENS(t, "a", 'a');
        }
        pl_tokenizer_destroy(t);
        pl_temp_deinit(&temp);
    }
}

/* A template that puts tokens on both sides, and one that cannot be. */
static void templates_of_several_tokens(void **state)
{
    (void)state;
    static const char both[] =
        "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\":"
        "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"x\", \"type_id\": 0}},"
        "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"<e>\","
        "\"type_id\": 0}}], \"special_tokens\": {\"x\": {\"id\": \"x\", \"ids\": [256, 9],"
        "\"tokens\": [\"a\", \"b\"]}, \"<e>\": {\"id\": \"<e>\", \"ids\": [257], \"tokens\":"
        "[\"<e>\"]}}}]}";
    static const struct {
        const char *single, *says;
    } bad[] = {
        {"[{\"Sequence\": {\"id\": \"B\"}}]", "entry 0 is neither"},
        {"[{\"Sequence\": {\"id\": \"A\"}}, {\"Sequence\": {\"id\": \"A\"}}]", "entry 1"},
        {"[{\"SpecialToken\": {\"id\": \"<e>\"}}]", "holds the text A"},
        {"\"$A\"", "holds the text A"},
        {"[{\"SpecialToken\": {\"id\": \"y\"}}, {\"Sequence\": {\"id\": \"A\"}}]",
         "'y' has no ids"},
    };
    pl_temp temp;
    pl_error err = {0};
    pl_tokenizer *t = NULL, *again = NULL;
    pl_buf text = {0};
    pl_temp_init(&temp);
    json_t *json = tokens_byte_level(NULL, 0);
    tokens_set(json, "added_tokens", added_json);
    tokens_set(json, "post_processor", both);
    pl_check_ok(tokens_read(&temp, json, &t, &err), err);
    const pl_frame expected = {{256, 9}, {257}, 2, 1};
    assert_memory_equal(pl_tokenizer_frame(t), &expected, sizeof expected);
    pl_check_ok(pl_tokenizer_to_json(t, &text, &err), err);
    pl_check_ok(
        pl_tokenizer_from_json(pl_temp_write(&temp, "w.json", text.data, text.size), &again, &err),
        err);
    assert_memory_equal(pl_tokenizer_frame(again), &expected, sizeof expected);
    pl_tokenizer_destroy(t);
    pl_tokenizer_destroy(again);
    pl_buf_deinit(&text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json = tokens_byte_level(NULL, 0);
        tokens_set(json, "added_tokens", added_json);
        tokens_set(json, "post_processor", template_json);
        tokens_set(json_object_get(json, "post_processor"), "single", bad[i].single);
        assert_int_not_equal(tokens_read(&temp, json, &t, &err), PL_OK);
        pl_check_says(err, bad[i].says);
    }
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_and_flags_rule),
        cmocka_unit_test(the_config_rules_the_blank_in_front),
        cmocka_unit_test(templates_of_several_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
