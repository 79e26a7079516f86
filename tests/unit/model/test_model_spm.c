/* GGUF's "llama" tokenizer on a few tokens; the golden tests have a real vocabulary. */
#include "tests/support/make_spm.h"
#include "tests/unit/model/tokens.h"
#include "tests/support/own_folder.h"

#include <math.h>

enum { UNK, BOS, EOS, BLANK, A, B, C, AB, BC, ABC, AA, _A, X_C3, X_A9, LINE, LINES, BLANKS, FEW };

static const spm_token few[FEW] = {
    [UNK] = {"<unk>", 0, SPM_UNKNOWN},
    [BOS] = {"<s>", 0, SPM_CONTROL},
    [EOS] = {"</s>", 0, SPM_CONTROL},
    [BLANK] = {"\xe2\x96\x81", -100, SPM_NORMAL},
    [A] = {"a", -101, SPM_NORMAL},
    [B] = {"b", -102, SPM_NORMAL},
    [C] = {"c", -103, SPM_NORMAL},
    [AB] = {"ab", -1, SPM_NORMAL},
    [BC] = {"bc", -0.5f, SPM_NORMAL},
    [ABC] = {"abc", -3, SPM_NORMAL},
    [AA] = {"aa", -2, SPM_NORMAL},
    [_A] = {"\xe2\x96\x81"
            "a",
            -4, SPM_NORMAL},
    [X_C3] = {"<0xC3>", 0, SPM_BYTE},
    [X_A9] = {"<0xA9>", 0, SPM_BYTE},
    [LINE] = {"\n", -104, SPM_NORMAL},
    [LINES] = {"\n\n", -1000, SPM_USER},
    [BLANKS] = {"\xe2\x96\x81\xe2\x96\x81", -5, SPM_NORMAL},
};
static const spm_file plain = {few, FEW, FEW, FEW, 0, 0};

static pl_tokenizer *open_spm(pl_temp *temp, const spm_file *file)
{
    pl_error err;
    pl_tokenizer *t = NULL;
    pl_check_ok(read_spm(temp, file, &t, &err), err);
    return t;
}

static void the_best_score_merges_first_then_the_leftmost(void **state)
{
    pl_tokenizer *t = open_spm(*state, &plain);
    assert_int_equal(pl_tokenizer_vocab_size(t), FEW);
    TOKENS(t, "ab", AB);
    TOKENS(t, "abc", ABC); /* of a and bc */
    TOKENS(t, "cabb", C, AB, B);
    TOKENS(t, "aaa", AA, A);
    TOKENS(t, "aaaaa", AA, AA, A);
    TOKENS(t, "aab", A, AB);
    TOKENS(t, "   a", BLANKS, _A);
    TOKENS(t, "  a", BLANK, _A);
    TOKENS(t, "b a", B, _A);
    TOKENS(t,
           "\xe2\x96\x81"
           "a",
           _A);
    tokens_check(t, "", NULL, 0);
    pl_tokenizer_destroy(t);
    spm_token tie[FEW];
    memcpy(tie, few, sizeof tie);
    tie[AB].score = tie[BC].score;
    tie[ABC].text = "nothing";
    t = open_spm(*state, &(spm_file){tie, FEW, FEW, FEW, 0, 0});
    TOKENS(t, "abc", AB, C);
    pl_tokenizer_destroy(t);
}

static void unknown_characters_become_bytes_or_one_unknown(void **state)
{
    pl_tokenizer *t = open_spm(*state, &plain);
    TOKENS(t, "\xc3\xa9", X_C3, X_A9);
    TOKENS(t, "a\xc3\xa9", A, X_C3, X_A9);
    TOKENS(t, "xyz", UNK);
    TOKENS(t, "x yaz", UNK, BLANK, UNK, A, UNK);
    TOKENS(t, "x\xc3\xa9y", UNK, X_C3, X_A9, UNK);
    TOKENS(t, "<0xC3>", UNK); /* written out it is text: not the byte's token */
    pl_tokenizer_destroy(t);
}

static void a_blank_goes_before_each_stretch_of_text(void **state)
{
    static const int prefixes[] = {1, -1};
    for (size_t i = 0; i < 2; i++) {
        spm_file file = plain;
        file.prefix = prefixes[i];
        pl_tokenizer *t = open_spm(*state, &file);
        TOKENS(t, "a", _A);
        TOKENS(t, " a", BLANK, _A);
        TOKENS(t, "b<s>a</s>", BLANK, B, BOS, _A, EOS);
        TOKENS(t, "\n\n\n", LINES, BLANK, LINE);
        TOKENS(t, "<unk>", UNK);
        tokens_check(t, "", NULL, 0);
        pl_tokenizer_destroy(t);
    }
    pl_tokenizer *t = open_spm(*state, &plain);
    TOKENS(t, "<s>a\n\n\n", BOS, A, LINES, LINE);
    pl_tokenizer_destroy(t);
}

static void a_bos_is_added_unless_the_file_says_not(void **state)
{
    static const int says[] = {-1, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        spm_file file = plain;
        file.bos = says[i];
        pl_tokenizer *t = open_spm(*state, &file);
        tokens_check_bos(t, says[i] != 0 ? BOS : -1);
        TOKENS(t, "b", B);
        pl_tokenizer_destroy(t);
    }
}

/* An unused token takes part in merging and comes out as what it was made of. */
static void unused_tokens_fall_into_their_halves(void **state)
{
    spm_token tokens[FEW];
    memcpy(tokens, few, sizeof tokens);
    tokens[AB].type = SPM_UNUSED;
    tokens[BC].score = -2.5f;
    tokens[ABC].text = "nothing";
    tokens[BLANKS] = (spm_token){"abab", -6, SPM_UNUSED};
    pl_tokenizer *t = open_spm(*state, &(spm_file){tokens, FEW, FEW, FEW, 0, 0});
    TOKENS(t, "abc", A, B, C); /* not a, bc */
    TOKENS(t, "cbc", C, BC);
    TOKENS(t, "ababc ab", A, B, A, B, C, BLANK, A, B);
    pl_tokenizer_destroy(t);
}

static void tokens_decode_to_their_bytes(void **state)
{
    pl_buf out = {0};
    pl_tokenizer *t = open_spm(*state, &plain);
    static const int32_t ids[] = {BOS, _A, BLANKS, X_C3, X_A9, LINES, UNK};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        pl_tokenizer_decode(t, ids[i], &out);
    }
    pl_buf_append(&out, "", 1);
    assert_string_equal(out.data, "<s> a  \xc3\xa9\n\n<unk>");
    pl_buf_deinit(&out);
    pl_tokenizer_destroy(t);
}

static void bad_files_are_named(void **state)
{
    enum { ENTRIES, SCORES, NAN_SCORE, BYTE_NAME, NO_UNKNOWN, CASES };
    static const char *const says[CASES] = {
        "tokenizer.ggml.token_type has 16 entries, expected 17",
        "tokenizer.ggml.scores has 16 entries, expected 17",
        "tokenizer.ggml.scores: entry 9 is not a finite number",
        "token 12 is of type byte, expected it to be written <0x00> to <0xFF>",
        "neither an unknown token nor one for the byte 0x00"};
    for (int i = 0; i < CASES; i++) {
        pl_error err;
        pl_tokenizer *t = NULL;
        spm_token tokens[FEW];
        memcpy(tokens, few, sizeof tokens);
        spm_file file = {tokens, FEW, i == ENTRIES ? FEW - 1 : FEW, i == SCORES ? FEW - 1 : FEW,
                         0,      0};
        tokens[ABC].score = i == NAN_SCORE ? NAN : -3;
        tokens[X_C3].text = i == BYTE_NAME ? "<0xc3>" : "<0xC3>";
        tokens[UNK].type = i == NO_UNKNOWN ? SPM_CONTROL : SPM_UNKNOWN;
        assert_int_equal(read_spm(*state, &file, &t, &err), PL_ERR_FORMAT);
        assert_null(t);
        pl_check_says(err, says[i]);
        pl_check_says(err, "s.gguf");
    }
}

static void the_written_tokenizer_gives_the_same_ids(void **state)
{
    static const char *const texts[] = {"abc aab  b\na\n\n\n\xc3\xa9xy", "<s> a</s>a", "a <unk>"};
    for (int prefix = 0; prefix < 2; prefix++) {
        pl_error err = {0};
        pl_buf text = {0};
        pl_tokenizer *again = NULL;
        spm_file file = plain;
        file.prefix = prefix;
        file.bos = 1;
        pl_tokenizer *t = open_spm(*state, &file);
        pl_check_ok(pl_tokenizer_to_json(t, &text, &err), err);
        pl_check_ok(pl_tokenizer_from_json(pl_temp_write(*state, "w.json", text.data, text.size),
                                           &again, &err),
                    err);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            int32_t *ids = NULL;
            size_t count = 0;
            pl_check_ok(
                pl_tokenizer_encode(t, texts[i], strlen(texts[i]), 0, &ids, &count, NULL, &err),
                err);
            expect_less(0, count);
            tokens_check(again, texts[i], ids, count);
            free(ids);
        }
        tokens_check_bos(again, BOS);
        pl_buf_deinit(&text);
        pl_tokenizer_destroy(again);
        pl_tokenizer_destroy(t);
    }
}

static void what_no_json_can_say_is_refused(void **state)
{
    enum { TIE, UNUSED, NO_CHARACTER, CLASH, LONG, CASES };
    static const char *const says[CASES] = {
        "merges with the same score as another one",
        "token 7, 'ab', is of type unused and can come from merges",
        "token 9, 'az', merges from a character without a token",
        "token 9, '</s>', is written like another one of a special type", "token 9, 'aaaa"};
    static char long_token[1100];
    memset(long_token, 'a', sizeof long_token - 1);
    for (int i = 0; i < CASES; i++) {
        pl_error err = {0};
        pl_buf text = {0};
        spm_token tokens[FEW];
        memcpy(tokens, few, sizeof tokens);
        tokens[AB].type = i == UNUSED ? SPM_UNUSED : SPM_NORMAL;
        tokens[AB].score = i == TIE ? -0.5f : -1;
        tokens[ABC].text = i == NO_CHARACTER ? "az"
                           : i == CLASH      ? "</s>"
                           : i == LONG       ? long_token
                                             : "abc";
        pl_tokenizer *t = open_spm(*state, &(spm_file){tokens, FEW, FEW, FEW, 0, 0});
        assert_int_equal(pl_tokenizer_to_json(t, &text, &err), PL_ERR_UNSUPPORTED);
        pl_check_says(err, says[i]);
        pl_check_says(err, i == LONG ? "longer than the 1024 bytes" : "tokenizer.json cannot say");
        if (i == NO_CHARACTER) {
            TOKENS(t, "baz", B, ABC); /* yet sentencepiece joins them, and so do we */
        }
        pl_buf_deinit(&text);
        pl_tokenizer_destroy(t);
    }
}

/* 1 MB without a place to cut: a heap is needed, squares of it would take minutes. */
static void a_long_text_takes_linear_time(void **state)
{
    enum { SIZE = 1 << 20 };
    pl_error err = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    pl_tokenizer *t = open_spm(*state, &plain);
    char *text = malloc(SIZE);
    assert_non_null(text);
    static const struct {
        char fill;
        int32_t id;
        size_t count;
    } cases[] = {{'a', AA, SIZE / 2}, {' ', BLANKS, SIZE / 2}, {'x', UNK, 1}};
    for (size_t i = 0; i < 3; i++) {
        memset(text, cases[i].fill, SIZE);
        pl_check_ok(pl_tokenizer_encode(t, text, SIZE, 0, &ids, &count, NULL, &err), err);
        assert_int_equal(count, cases[i].count);
        for (size_t k = 0; k < count; k++) {
            assert_int_equal(ids[k], cases[i].id);
        }
        free(ids);
    }
    pl_task task = {.give_way = NULL};
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_tokenizer_encode(t, text, SIZE, 0, &ids, &count, &task, &err),
                     PL_ERR_CANCELLED);
    assert_null(ids);
    assert_int_equal(count, 0);
    free(text);
    pl_tokenizer_destroy(t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_best_score_merges_first_then_the_leftmost),
        TEST(unknown_characters_become_bytes_or_one_unknown),
        TEST(a_blank_goes_before_each_stretch_of_text),
        TEST(a_bos_is_added_unless_the_file_says_not),
        TEST(unused_tokens_fall_into_their_halves),
        TEST(tokens_decode_to_their_bytes),
        TEST(bad_files_are_named),
        TEST(the_written_tokenizer_gives_the_same_ids),
        TEST(what_no_json_can_say_is_refused),
        TEST(a_long_text_takes_linear_time),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
