/* A GGUF of two blocks whose layers are K-quants of every kind, with a "llama" tokenizer: opened,
 * measured, calibrated, solved and exported as any other.
 *
 * The blocks are SplitMix64's bytes, seeded by the tensor's place, with fixed float16 scales; `ids`
 * are sentencepiece's, `mean_nll` is transformers 4.53.3's (float32, LlamaForCausalLM) on the
 * weights that PyPI's gguf makes of them. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"
#include "tests/support/make_spm.h"
#include "tests/support/split_mix.h"

enum { HIDDEN = 256, INNER = 512, KV = 128, BLOCKS = 2, VOCAB = 48, PARTS = 7, WIDEST = 210 };
enum { TENSORS = 3 + BLOCKS * (PARTS + 2), LETTERS = 4, MERGED = LETTERS + 26 };

static const double mean_nll = 4.020505438093989;
static const int32_t ids[] = {32, 3,  33, 12, 6,  14, 3,  5,  21, 34, 17, 3,  9,  18, 27, 3,  13,
                              24, 16, 19, 22, 36, 25, 35, 32, 3,  15, 4,  29, 28, 3,  7,  18, 10};
static const char words[] = "the quick brown fox jumps over the lazy dog ";

static const struct {
    uint32_t id, size;
    uint32_t at[2]; /* of the scales; 0 as the second: none */
    uint16_t scales[2];
} kinds[] = {{10, 84, {80, 82}, {0x1819, 0x1a25}},
             {11, 110, {108, 0}, {0x1419, 0}},
             {12, 144, {0, 2}, {0x07dd, 0x135f}},
             {13, 176, {0, 2}, {0x03ef, 0x135f}},
             {14, 210, {208, 0}, {0x00fc, 0}}};

static const struct {
    const char *name;
    uint64_t rows, cols;
} parts[PARTS] = {{"attn_q", HIDDEN, HIDDEN},  {"attn_k", KV, HIDDEN},
                  {"attn_v", KV, HIDDEN},      {"attn_output", HIDDEN, HIDDEN},
                  {"ffn_gate", INNER, HIDDEN}, {"ffn_up", INNER, HIDDEN},
                  {"ffn_down", HIDDEN, INNER}};

typedef struct maker {
    pl_buf infos, data;
    uint64_t seed; /* of the last quantized tensor */
} maker;

static void add_weight(maker *m, const char *name, uint64_t rows, uint64_t cols, size_t kind)
{
    const uint64_t dims[] = {cols, rows};
    const size_t size = kinds[kind].size, blocks = (size_t)(rows * cols / 256);
    uint64_t state = ++m->seed;
    make_info(&m->infos, name, 2, dims, kinds[kind].id, m->data.size);
    const size_t start = m->data.size;
    for (size_t i = 0; i < blocks * size; i += 8) {
        make_u64(&m->data, split_mix(&state));
    }
    m->data.size = start + blocks * size;
    for (size_t b = 0; b < blocks; b++) {
        for (size_t k = 0; k < 2; k++) {
            if (k == 0 || kinds[kind].at[k] > 0) {
                memcpy(m->data.data + start + b * size + kinds[kind].at[k], &kinds[kind].scales[k],
                       2);
            }
        }
    }
    make_padding(&m->data, 32);
}

static void add_gain(maker *m, const char *name)
{
    static const uint64_t dims[] = {HIDDEN};
    const float one = 1;
    make_info(&m->infos, name, 1, dims, 0, m->data.size);
    for (size_t i = 0; i < HIDDEN; i++) {
        pl_buf_append(&m->data, &one, sizeof one);
    }
}

static void add_tensors(maker *m)
{
    char name[64];
    add_weight(m, "token_embd.weight", VOCAB, HIDDEN, 4);
    for (size_t b = 0; b < BLOCKS; b++) {
        for (size_t p = 0; p < PARTS; p++) {
            snprintf(name, sizeof name, "blk.%zu.%s.weight", b, parts[p].name);
            add_weight(m, name, parts[p].rows, parts[p].cols, (p + b) % 5);
        }
        snprintf(name, sizeof name, "blk.%zu.attn_norm.weight", b);
        add_gain(m, name);
        snprintf(name, sizeof name, "blk.%zu.ffn_norm.weight", b);
        add_gain(m, name);
    }
    add_gain(m, "output_norm.weight");
    add_weight(m, "output.weight", VOCAB, HIDDEN, 2);
}

static void add_f32_key(pl_buf *out, const char *key, float value)
{
    make_key(out, key, 6);
    pl_buf_append(out, &value, sizeof value);
}

static void add_vocabulary(pl_buf *out)
{
    static const char *const merged[] = {"th", "the", "\xe2\x96\x81the", "qu",
                                         "ow", "er",  "\xe2\x96\x81o"};
    static char names[VOCAB][16];
    spm_token tokens[VOCAB] = {{"<unk>", 0, SPM_UNKNOWN},
                               {"<s>", 0, SPM_CONTROL},
                               {"</s>", 0, SPM_CONTROL},
                               {"\xe2\x96\x81", -100, SPM_NORMAL}};
    for (int i = LETTERS; i < VOCAB; i++) {
        const int k = i - MERGED;
        if (i < MERGED) {
            snprintf(names[i], sizeof names[i], "%c", 'a' + i - LETTERS);
        } else if (k < 7) {
            snprintf(names[i], sizeof names[i], "%s", merged[k]);
        } else {
            snprintf(names[i], sizeof names[i], "<extra_%d>", i);
        }
        tokens[i] = (spm_token){names[i], (float)(i < MERGED ? -97 - i : -1 - k),
                                i < MERGED || k < 7 ? SPM_NORMAL : SPM_CONTROL};
    }
    make_spm_keys(out, &(spm_file){tokens, VOCAB, VOCAB, VOCAB, 1, 1});
}

static const char chat[] = "{{ messages[-1]['content'] }}";

static const char *write_model(void)
{
    maker m = {0};
    pl_buf file = {0};
    pl_error err = {0};
    add_tensors(&m);
    make_gguf(&file, 3, TENSORS, 10 + 8);
    make_key(&file, "general.architecture", 8);
    make_text(&file, "llama");
    make_u32_key(&file, "llama.block_count", BLOCKS);
    make_u32_key(&file, "llama.context_length", 512);
    make_u32_key(&file, "llama.embedding_length", HIDDEN);
    make_u32_key(&file, "llama.feed_forward_length", INNER);
    make_u32_key(&file, "llama.attention.head_count", 4);
    make_u32_key(&file, "llama.attention.head_count_kv", 2);
    add_f32_key(&file, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    add_f32_key(&file, "llama.rope.freq_base", 10000);
    make_key(&file, "tokenizer.chat_template", 8);
    make_text(&file, chat);
    add_vocabulary(&file);
    pl_buf_append(&file, m.infos.data, m.infos.size);
    make_padding(&file, 32);
    pl_buf_append(&file, m.data.data, m.data.size);
    pl_check_ok(pl_file_write_all(run_path("k.gguf"), file.data, file.size, &err), err);
    pl_buf_deinit(&file);
    pl_buf_deinit(&m.infos);
    pl_buf_deinit(&m.data);
    return run_path("k.gguf");
}

/* What of a GGUF's keys Hugging Face has in files. */
static void check_companions(void)
{
    json_t *config = json_load_file(run_path("out/tokenizer_config.json"), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(config, "chat_template")), chat);
    json_decref(config);
    json_t *generation = json_load_file(run_path("out/generation_config.json"), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(generation, "eos_token_id")), 1);
    json_decref(generation);
    size_t size = 0;
    char *card = run_read(run_path("again/README.md"), &size);
    assert_non_null(strstr(card, "The files hold exactly the weights that were measured."));
    assert_non_null(strstr(card, "method gptq"));
    assert_non_null(strstr(card, "| this one |"));
    free(card);
}

static void k_quants_go_all_the_way(void **ctx)
{
    (void)ctx;
    char text[256] = "";
    for (int i = 0; i < 4; i++) {
        strcat(text, words);
    }
    run_write(run_path("text.txt"), text);
    char script[4096];
    const char *path = run_path("text.txt");
    snprintf(script, sizeof script,
             "tokenize text='%s'; perplexity text='%s' length=64 windows=1;"
             "calibrate text='%s' length=64 windows=1; method astro; method gptq bits=4;"
             "solve all; perplexity text='%s' length=64 windows=1 which=after;"
             "export dir=%s weights=rounded; export dir=%s format=gguf; open %s/model.gguf; "
             "perplexity text='%s' length=64 windows=1",
             path, path, path, path, run_path("out"), run_path("again"), run_path("again"), path);
    run r = RUN("--json", write_model(), "-c", script);
    const json_t *found = json_object_get(run_result(&r, 1), "ids");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(json_integer_value(json_array_get(found, i)), ids[i]);
    }
    pl_check_close(run_number(run_result(&r, 2), "mean_nll"), mean_nll, 1e-6, 0);
    expect_close(run_number(run_result(&r, 7), "layers_solved"), BLOCKS * PARTS, 0);
    double printed = run_number(run_result(&r, 7), "perplexity");
    expect_less(run_number(run_result(&r, 8), "max_dtype_error"), 1e-3);
    /* As a GGUF it is the same to the last digit: codes, keys and the other tensors are copied. */
    pl_check_close(run_number(run_result(&r, 9), "max_dtype_error"), 0, 0, 0);
    run_check_keys(run_result(&r, 9), "types layers_packed layers_requantized");
    pl_check_close(run_number(run_last(&r), "perplexity"), printed, 1e-12, 0);
    run_free(&r);
    check_companions();

    snprintf(script, sizeof script, "tokenize text='%s'; perplexity text='%s' length=64 windows=1",
             path, path);
    r = RUN("--json", run_path("out"), "-c", script);
    found = json_object_get(run_result(&r, 1), "ids");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(json_integer_value(json_array_get(found, i)), ids[i]);
    }
    pl_check_close(run_number(run_last(&r), "perplexity"), printed, 1e-3, 0);
    run_free(&r);
}

/* MXFP4's codes have a type of their own, which is read, too; NVFP4's scales have none. */
static void mxfp4_is_a_type(void **ctx)
{
    (void)ctx;
    char text[256] = "", script[4096];
    for (int i = 0; i < 4; i++) {
        strcat(text, words);
    }
    run_write(run_path("text.txt"), text);
    snprintf(script, sizeof script,
             "method rtn format=mxfp4; solve all sequential=no; "
             "perplexity text='%s' length=64 windows=1 which=after; export dir=%s format=gguf; "
             "open %s/model.gguf; perplexity text='%s' length=64 windows=1",
             run_path("text.txt"), run_path("mx"), run_path("mx"), run_path("text.txt"));
    run r = RUN("--json", write_model(), "-c", script);
    assert_int_equal(r.status, 0);
    const json_t *made = run_result(&r, 4);
    char types[32];
    snprintf(types, sizeof types, "MXFP4 %d", BLOCKS * PARTS);
    assert_string_equal(json_string_value(json_object_get(made, "types")), types);
    pl_check_close(run_number(made, "max_dtype_error"), 0, 0, 0);
    pl_check_close(run_number(made, "layers_requantized"), 0, 0, 0);
    pl_check_close(run_number(run_last(&r), "perplexity"),
                   run_number(run_result(&r, 3), "perplexity"), 1e-12, 0);
    run_free(&r);
    snprintf(script, sizeof script,
             "method rtn format=nvfp4; solve all sequential=no; export dir=%s format=gguf",
             run_path("nv"));
    r = RUN("--json", write_model(), "-c", script);
    run_check_refused(&r, "export", "no type has its levels, its scales and its groups");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(k_quants_go_all_the_way),
                                       cmocka_unit_test(mxfp4_is_a_type)};
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
