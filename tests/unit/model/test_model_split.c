/* Budgets of normalizers and patterns; the quick matches against Oniguruma's. */
#include "core/base/rng.h"
#include "tests/unit/model/tokens.h"

#define ISOLATED(pattern)                                                                          \
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": " \
    "\"" pattern "\"}, \"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\", "                    \
    "\"add_prefix_space\": false, \"use_regex\": false}]}"

static pl_tokenizer *with(pl_temp *temp, const char *key, const char *value)
{
    pl_error err;
    pl_tokenizer *t = NULL;
    json_t *json = tokens_byte_level(NULL, 0);
    tokens_set(json, key, value);
    pl_check_ok(tokens_read(temp, json, &t, &err), err);
    return t;
}

static pl_status encode(const pl_tokenizer *t, const char *text, size_t size, size_t memory,
                        pl_task *task, pl_error *err)
{
    int32_t *ids = NULL;
    size_t count = 0;
    memset(err, 0, sizeof *err);
    pl_status status = pl_tokenizer_encode(t, text, size, memory, &ids, &count, task, err);
    assert_true(status == PL_OK || (ids == NULL && count == 0));
    free(ids);
    return status;
}

static char *repeat(const char *what, size_t times)
{
    const size_t size = strlen(what);
    char *text = malloc(size * times + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * size, what, size);
    }
    text[size * times] = '\0';
    return text;
}

static void a_normalizer_may_not_grow_a_text_without_end(void **state)
{
    pl_temp temp;
    pl_error err;
    (void)state;
    pl_temp_init(&temp);
    char *many = repeat("a", 1000);
    char step[1200], value[4000];
    snprintf(step, sizeof step,
             "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"%s\"}",
             many);
    snprintf(value, sizeof value, "{\"type\": \"Sequence\", \"normalizers\": [%s, %s, %s]}", step,
             step, step);
    pl_tokenizer *t = with(&temp, "normalizer", value);
    assert_int_equal(encode(t, many, 1000, 0, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "normalizer makes more than");
    assert_int_equal(encode(t, "bcd", 3, 0, NULL, &err), PL_OK);
    pl_tokenizer_destroy(t);
    /* Within the budget, but not within the memory. */
    t = with(&temp, "normalizer", step);
    assert_int_equal(encode(t, many, 1000, 0, NULL, &err), PL_OK);
    assert_int_equal(encode(t, many, 1000, 1 << 20, NULL, &err), PL_ERR_MEMORY);
    pl_check_says(err, "--memory");
    pl_tokenizer_destroy(t);
    free(many);
    pl_temp_deinit(&temp);
}

static void a_pattern_may_not_backtrack_without_end(void **state)
{
    pl_temp temp;
    pl_error err;
    (void)state;
    pl_temp_init(&temp);
    pl_tokenizer *t = with(&temp, "pre_tokenizer", ISOLATED("(a+)+$|(a|aa)+b"));
    char *word = repeat("a", 20000);
    word[19999] = 'c';
    char *words = repeat("aaaaaaaaaaaaaaaaaaaaaaaa ", 200);
    char *shorter = repeat("aaaaaaaaaaaaaaaa ", 5000);
    assert_int_equal(encode(t, "aaaa aab", 8, 0, NULL, &err), PL_OK);
    assert_int_equal(encode(t, word, strlen(word), 0, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "split pattern backtracks");
    assert_int_equal(encode(t, words, strlen(words), 0, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "split pattern backtracks");
    assert_int_equal(encode(t, shorter, strlen(shorter), 0, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "too much on this text");
    pl_task task = {.give_way = NULL};
    atomic_store(&task.cancel, true);
    assert_int_equal(encode(t, shorter, strlen(shorter), 0, &task, &err), PL_ERR_CANCELLED);
    free(word);
    free(words);
    free(shorter);
    pl_tokenizer_destroy(t);
    /* One match that backtracks often, as Hugging Face's tokenizers allows it. */
    t = with(&temp, "pre_tokenizer", ISOLATED("(a|a)+b|a"));
    assert_int_equal(encode(t, "aaaaaaaaaaaaaaaaaa", 18, 0, NULL, &err), PL_OK);
    pl_tokenizer_destroy(t);
    pl_temp_deinit(&temp);
}

/* A pattern that rarely matches is looked for in spans; no match may get lost between them. */
static void no_match_is_lost_in_a_long_text(void **state)
{
    static const char *const patterns[] = {ISOLATED("[0-9]+(?=x)"), ISOLATED("(?<=7)89x"),
                                           ISOLATED("(?:.a|[0-9]){5}(?!y)"),
                                           ISOLATED("[^0-9]?(?:1|7)[0-9]*+x$")};
    enum { SIZE = 300000 };
    pl_temp temp;
    pl_error err = {0};
    (void)state;
    pl_temp_init(&temp);
    char *text = repeat("q", SIZE);
    for (size_t at = 500; at + 10 < SIZE; at += 997 * (1 + at % 13)) {
        memcpy(text + at, "12789x\n", 7);
    }
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        pl_tokenizer *t = with(&temp, "pre_tokenizer", patterns[i]);
        pl_meter meter;
        pl_splitter splitter;
        pl_meter_init(&meter, SIZE, 1, 0, NULL);
        pl_check_ok(pl_splitter_init(&splitter, &meter, &err), err);
        pl_check_ok(pl_splitter_run(&splitter, t->splits, 1, text, SIZE, true, &err), err);
        size_t at = 0, found = 0, wanted = 0;
        for (size_t k = 0; k < splitter.pieces.count; k++) {
            assert_int_equal(splitter.pieces.items[k].start, at);
            at += splitter.pieces.items[k].size;
            found += splitter.pieces.items[k].size < 50;
        }
        for (const char *hit = text; (hit = strstr(hit, "12789x")) != NULL; hit++) {
            wanted++;
        }
        assert_int_equal(at, SIZE);
        expect_less(20, wanted);
        expect_at_most(wanted, found);
        pl_splitter_deinit(&splitter);
        pl_tokenizer_destroy(t);
    }
    free(text);
    pl_temp_deinit(&temp);
}

static void marks_without_end_are_refused(void **state)
{
    pl_temp temp;
    pl_error err;
    (void)state;
    pl_temp_init(&temp);
    pl_tokenizer *t = with(&temp, "normalizer", "{\"type\": \"NFC\"}");
    char *marks = repeat("\xcc\x81\xcc\xa3", 100000);
    assert_int_equal(encode(t, marks, strlen(marks), 0, NULL, &err), PL_ERR_UNSUPPORTED);
    pl_check_says(err, "combining marks");
    assert_int_equal(encode(t, marks, 4000, 0, NULL, &err), PL_OK);
    free(marks);
    pl_tokenizer_destroy(t);
    pl_temp_deinit(&temp);
}

/* The usual patterns on their own against the same ones in a group, which Oniguruma reads. */
static void quick_matches_are_onigurumas(void **state)
{
    static const char *const patterns[] = {
        PL_PATTERN_GPT2,
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
        "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
        "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    };
    static const char *const parts[] = {"a",
                                        "B",
                                        "re",
                                        "LL",
                                        "'",
                                        "'s",
                                        "'T",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\r\n",
                                        "\t",
                                        "\v",
                                        "\x1c",
                                        "7",
                                        "1234",
                                        ".",
                                        "?!",
                                        "{",
                                        "_",
                                        "\x7f",
                                        "\xc3\xa9",
                                        "\xc5\xbf",
                                        "\xc2\xa0",
                                        "\xe2\x80\x83",
                                        "\xd9\xa3",
                                        "\xcc\x81",
                                        "\xe3\x80\x82",
                                        "\xf0\x9f\x98\x80"};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    pl_error err = {0};
    pl_rng rng;
    (void)state;
    pl_rng_init(&rng, 4);
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        pl_quick quick = pl_quick_find(patterns[p]);
        assert_true(quick.known);
        char grouped[512];
        snprintf(grouped, sizeof grouped, "(?:%s)", patterns[p]);
        assert_false(pl_quick_find(grouped).known);
        pl_pattern *plain = NULL;
        pl_matcher *matcher = NULL;
        pl_meter meter;
        pl_meter_init(&meter, 1 << 24, 1, 0, NULL);
        pl_check_ok(pl_pattern_create(grouped, &plain, &err), err);
        pl_check_ok(pl_matcher_create(&matcher, &meter, &err), err);
        size_t answered = 0, asked = 0;
        for (size_t k = 0; k < 20000; k++) {
            char text[128] = "";
            /* Mostly ASCII, so that the quick ones answer. */
            const size_t of = pl_rng_below(&rng, 3) > 0 ? 21 : PARTS;
            for (size_t n = 1 + pl_rng_below(&rng, 12); n > 0; n--) {
                strcat(text, parts[pl_rng_below(&rng, of)]);
            }
            const size_t size = strlen(text);
            for (size_t at = 0; at < size; asked++) {
                pl_span span = {0};
                pl_check_ok(pl_pattern_next(plain, matcher, text, size, at, &span, &meter, &err),
                            err);
                const size_t end = pl_quick_match(&quick, text, size, at);
                if (end > 0 && (span.start != at || span.end != end)) {
                    fprintf(stderr, "'%s' at %zu: %zu, expected %zu to %zu\n", text, at, end,
                            span.start, span.end);
                    fail();
                }
                answered += end > 0;
                at = span.end;
            }
        }
        expect_less(asked / 2, answered);
        pl_pattern_destroy(plain);
        pl_matcher_destroy(matcher);
    }
}

/* More words than the table of pieces has places: each is what it is without it. */
static void kept_pieces_are_the_same_pieces(void **state)
{
    static const char *const merges[] = {"a b", "ab c", NULL};
    pl_temp temp;
    pl_error err;
    pl_buf text = {0};
    pl_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t count = 0, at = 0;
    (void)state;
    pl_temp_init(&temp);
    pl_check_ok(tokens_read(&temp, tokens_byte_level(merges, 0), &t, &err), err);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 40000; i++) {
            pl_buf_printf(&text, " abc%d", i);
        }
    }
    pl_check_ok(pl_tokenizer_encode(t, text.data, text.size, 0, &ids, &count, NULL, &err), err);
    pl_buf back = {0};
    for (size_t i = 0; i < count; i++) {
        pl_tokenizer_decode(t, ids[i], &back);
        at += ids[i] == 257;
    }
    assert_int_equal(at, 80000);
    assert_int_equal(back.size, text.size);
    assert_int_equal(memcmp(back.data, text.data, text.size), 0);
    free(ids);
    pl_buf_deinit(&text);
    pl_buf_deinit(&back);
    pl_tokenizer_destroy(t);
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_normalizer_may_not_grow_a_text_without_end),
        cmocka_unit_test(a_pattern_may_not_backtrack_without_end),
        cmocka_unit_test(no_match_is_lost_in_a_long_text),
        cmocka_unit_test(marks_without_end_are_refused),
        cmocka_unit_test(quick_matches_are_onigurumas),
        cmocka_unit_test(kept_pieces_are_the_same_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
