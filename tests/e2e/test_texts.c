/* The shared cases of tokenizers and texts: the special tokens around a text, the pieces it is cut
 * into, and what a file of texts may be.  The right values are those of the cases' READMEs. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "tests/support/shared.h"
#include "tests/support/temp.h"

#include <sys/stat.h>

/* cases/NAME, which must be there. */
static const char *case_path(const char *name, char path[PL_TEST_PATH])
{
    char file[256];
    snprintf(file, sizeof file, "cases/%s", name);
    return pl_test_shared(file, path);
}

static void check_perplexity(const char *model, const char *probe, const char *protocol,
                             double expected, double tolerance)
{
    char text[PL_TEST_PATH];
    char script[2 * PL_TEST_PATH];
    snprintf(script, sizeof script, "perplexity text='%s' length=64 windows=1 protocol=%s",
             case_path(probe, text), protocol);
    run r = RUN("--json", model, "-c", script);
    pl_check_close(run_number(run_last(&r), "perplexity"), expected, tolerance, 0);
    run_free(&r);
}

/* A copy of a file in which a key has another name. */
static const char *without_key(const char *from, const char *key, const char *name)
{
    pl_error err = {0};
    char *bytes = NULL;
    size_t size = 0;
    pl_check_ok(pl_file_read_all(from, (size_t)1 << 30, &bytes, &size, &err), err);
    char *at = memmem(bytes, size, key, strlen(key));
    assert_non_null(at);
    at[strlen(key) - 1] = 'X';
    pl_check_ok(pl_file_write_all(run_path(name), bytes, size, &err), err);
    free(bytes);
    return run_path(name);
}

/* A GGUF that does not say add_bos_token has a BOS where its kind of tokenizer has one. */
static void a_gguf_without_add_bos_token(void **ctx)
{
    (void)ctx;
    static const char probe[] = "01-gguf-no-add-bos-key/probe.txt";
    char path[PL_TEST_PATH];
    case_path("01-gguf-no-add-bos-key/old-spm.gguf", path);
    check_perplexity(path, probe, "gptq", 755.1754, 2e-6);
    check_perplexity(path, probe, "llama.cpp", 834.0778, 2e-6);
    case_path("01-gguf-no-add-bos-key/with-key.gguf", path);
    check_perplexity(path, probe, "gptq", 755.1754, 2e-6);
    case_path("01-gguf-no-add-bos-key/llama3-with-key.gguf", path);
    check_perplexity(path, probe, "gptq", 666.134, 2e-6);
    check_perplexity(path, probe, "llama.cpp", 666.185, 2e-6);
    const char *bare = without_key(path, "tokenizer.ggml.add_bos_token", "no-key.gguf");
    check_perplexity(bare, probe, "gptq", 666.134, 2e-6);
    check_perplexity(bare, probe, "llama.cpp", 666.185, 2e-6);
}

/* The class and the flags of tokenizer_config.json rule; a template may have several tokens. */
static void special_tokens_in_front(void **ctx)
{
    (void)ctx;
    char path[PL_TEST_PATH];
    check_perplexity(case_path("02-bos-by-tokenizer-config", path),
                     "02-bos-by-tokenizer-config/probe.txt", "gptq", 695.562035, 2e-6);
    check_perplexity(case_path("30-two-special-tokens-in-front", path),
                     "30-two-special-tokens-in-front/probe.txt", "gptq", 684.598600, 2e-6);
}

/* `tokenize` of a text of the case. */
static run tokenize(const char *model, const char *file)
{
    char text[PL_TEST_PATH];
    char script[2 * PL_TEST_PATH];
    snprintf(script, sizeof script, "tokenize text='%s'", case_path(file, text));
    return RUN("--json", model, "-c", script);
}

static void patterns_are_read_as_oniguruma_reads_them(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *folder;
        size_t count;
        int ids; /* the case has them */
    } cases[] = {
        {"17a-interval-plus-cl100k", 26, 1},
        {"17c-dollar-means-line-end", 20, 1},
        {"17d-viking-nested-class", 25, 0},
        {"17e-falcon3-punctuation", 17, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[PL_TEST_PATH];
        char file[128];
        snprintf(file, sizeof file, "%s/text.txt", cases[i].folder);
        run r = tokenize(case_path(cases[i].folder, path), file);
        const json_t *ids = json_object_get(run_last(&r), "ids");
        assert_int_equal(json_array_size(ids), cases[i].count);
        if (cases[i].ids) {
            snprintf(file, sizeof file, "cases/%s/right-ids.json", cases[i].folder);
            json_t *right = pl_test_shared_json(file);
            assert_true(json_equal(ids, right));
            json_decref(right);
        }
        run_free(&r);
    }
}

/* A name of a pre-tokenizer, or none, in a GGUF. */
static void a_gguf_names_its_pre_tokenizer(void **ctx)
{
    (void)ctx;
    static const char probe[] = "03-gguf-pre-deepseek-r1-qwen/probe.txt";
    static const char *const others[] = {"default", "llama-v3", "tekken"};
    char path[PL_TEST_PATH];
    run r = tokenize(case_path("03-gguf-pre-deepseek-r1-qwen/r1.gguf", path), probe);
    run same = tokenize(case_path("03-gguf-pre-deepseek-r1-qwen/qwen2.gguf", path), probe);
    const json_t *ids = json_object_get(run_last(&r), "ids");
    static const int first[] = {53, 259, 270, 78, 361, 8};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(json_integer_value(json_array_get(ids, i)), first[i]);
    }
    assert_true(json_equal(ids, json_object_get(run_last(&same), "ids")));
    run_free(&r);
    run_free(&same);
    for (size_t i = 0; i < 3; i++) {
        char file[128];
        snprintf(file, sizeof file, "03-gguf-pre-deepseek-r1-qwen/others/%s.gguf", others[i]);
        r = tokenize(case_path(file, path), probe);
        expect_less(100, run_number(run_last(&r), "count"));
        run_free(&r);
    }
    /* Without a name it is "default". */
    case_path("03-gguf-pre-deepseek-r1-qwen/others/default.gguf", path);
    r = tokenize(path, probe);
    same = tokenize(without_key(path, "tokenizer.ggml.pre", "no-pre.gguf"), probe);
    assert_true(
        json_equal(json_object_get(run_last(&r), "ids"), json_object_get(run_last(&same), "ids")));
    run_free(&r);
    run_free(&same);
}

/* The demo with another tokenizer.json. */
static const char *demo_with(const char *tokenizer, const char *name)
{
    char from[PL_TEST_PATH];
    char command[4 * PL_TEST_PATH];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    case_path(tokenizer, from);
    snprintf(command, sizeof command,
             "mkdir '%s' && cp '%s/sessions/demo/config.json' '%s/sessions/demo/model.safetensors' "
             "'%s' && cp '%s/tokenizer.json' '%s'",
             run_path(name), root != NULL ? root : ".", root != NULL ? root : ".", run_path(name),
             from, run_path(name));
    assert_int_equal(system(command), 0);
    return run_path(name);
}

/* A sentence within seconds and within the memory, whatever tokenizer.json asks for. */
static void hostile_tokenizers_end_soon(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *folder, *says;
    } cases[] = {
        {"tokenizer_regex", "split pattern backtracks"},
        {"tokenizer_replace", "normalizer makes more than"},
    };
    static const char *const commands[] = {"tokenize text='%s' limit=3",
                                           "calibrate text='%s' length=64 windows=1",
                                           "perplexity text='%s' length=64 windows=1"};
    char text[PL_TEST_PATH];
    case_path("tokenizer_regex/aaa.txt", text);
    for (size_t i = 0; i < 2; i++) {
        const char *model = demo_with(cases[i].folder, cases[i].folder);
        for (size_t k = 0; k < 3; k++) {
            char script[2 * PL_TEST_PATH];
            snprintf(script, sizeof script, commands[k], text);
            run r = RUN("--json", "--store", run_path("store"), model, "-c", script);
            run_check_failed(&r, 1, cases[i].says);
            expect_less(r.peak_bytes, (size_t)400 << 20);
            run_free(&r);
        }
    }
}

/* Whatever a text may be: its tokens, or a sentence. */
static void files_of_texts(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *file;
        int count;        /* tokens of the demo, as tokenizers counts them; -1: too few */
        const char *says; /* then */
    } cases[] = {
        {"plain.txt", 241, NULL},
        {"bom.txt", 244, NULL},
        {"crlf.txt", 480, NULL},
        {"nul.txt", 601, NULL},
        {"bos.txt", 600, NULL},
        {"empty.txt", -1, NULL}, /* no tokens, and no window to calibrate on */
        {"short.txt", -1, NULL},
        {"spaces.txt", -1, NULL},
        {"empties.jsonl", 488, NULL},
        {"upper.JSONL", 484, NULL},
        {"arr.json", 241, NULL},
        {"rows.jsonl", 0, "line 3: expected a JSON object with a string `text`"},
        {"chat.jsonl", 0, "line 1: expected a JSON object with a string `text`"},
        {"latin1.txt", 0, "byte 3 (0xe9) is not valid UTF-8"},
        {"utf16.txt", 0, "UTF-16, expected UTF-8"},
        {"long.txt", 3000000, NULL},
        {"longws.txt", 1000001, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char file[128];
        char text[PL_TEST_PATH];
        char script[4 * PL_TEST_PATH];
        snprintf(file, sizeof file, "14-calibration-texts/%s", cases[i].file);
        case_path(file, text);
        snprintf(script, sizeof script,
                 "tokenize text='%s' limit=1; calibrate text='%s' length=64 windows=1", text, text);
        run r = RUN("--json", "--store", run_path("store"), "-c", script);
        if (cases[i].says != NULL) {
            run_check_failed(&r, 1, cases[i].says);
        } else if (cases[i].count < 0) {
            run_check_failed(&r, 1, "the text has 0 windows of 64 tokens, 1 were asked");
        } else {
            const double count = run_number(run_result(&r, 0), "count");
            expect_close(run_number(run_last(&r), "tokens"), 64, 0);
            expect_close(count, cases[i].count, 0);
        }
        run_free(&r);
    }
}

/* `info` says which special tokens stand around a text and why, and how it is cut. */
static void info_names_what_rules(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *model, *pre_tokenizer, *special_tokens, *files;
    } cases[] = {
        {"01-gguf-no-add-bos-key/old-spm.gguf", "Prepend, Replace",
         "<s> (1) in front, by GGUF's default for SentencePiece models: "
         "tokenizer.ggml.add_bos_token is missing",
         "old-spm.gguf"},
        {"02-bos-by-tokenizer-config", "NFC, Split, ByteLevel",
         "<|begin|> (0) in front, by add_bos_token true, add_eos_token false of LlamaTokenizer, "
         "from tokenizer_config.json",
         "tokenizer.json, tokenizer_config.json"},
        {"30-two-special-tokens-in-front", "NFC, Split, ByteLevel",
         "<|begin|> (0) <|end|> (1) in front, by tokenizer.json's post_processor",
         "tokenizer.json, tokenizer_config.json"},
        {"03-gguf-pre-deepseek-r1-qwen/r1.gguf", "deepseek-r1-qwen: NFC, Split, ByteLevel",
         "<|begin|> (0) in front, by tokenizer.ggml.add_bos_token", "r1.gguf"},
        {"17e-falcon3-punctuation", "Punctuation, ByteLevel, Digits, Split",
         "none, by tokenizer.json's post_processor", "tokenizer.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[PL_TEST_PATH];
        run r = RUN("--json", case_path(cases[i].model, path), "-c", "info");
        const json_t *found = run_last(&r);
        const char *const pairs[][2] = {{"pre_tokenizer", cases[i].pre_tokenizer},
                                        {"special_tokens", cases[i].special_tokens},
                                        {"tokenizer_files", cases[i].files}};
        for (size_t k = 0; k < 3; k++) {
            assert_string_equal(json_string_value(json_object_get(found, pairs[k][0])),
                                pairs[k][1]);
        }
        run_check_keys(found, "tokenizer calibration_texts");
        run_free(&r);
    }
}

static void test_a_path_that_was_left_out(void **ctx)
{
    (void)ctx;
    static const char *const cases[][2] = {
        {"calibrate text=", "calibrate: text= is empty, expected a path"},
        {"tokenize text=''", "tokenize: text= is empty, expected a path"},
        {"plot channels file=", "plot: file= is empty, expected a path"},
        {"open ''", "open: expected a path, found an empty word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i][0]);
        run_check_failed(&r, 1, cases[i][1]);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_that_was_left_out),
        cmocka_unit_test(a_gguf_without_add_bos_token),
        cmocka_unit_test(special_tokens_in_front),
        cmocka_unit_test(patterns_are_read_as_oniguruma_reads_them),
        cmocka_unit_test(a_gguf_names_its_pre_tokenizer),
        cmocka_unit_test(hostile_tokenizers_end_soon),
        cmocka_unit_test(files_of_texts),
        cmocka_unit_test(info_names_what_rules),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
