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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_without_add_bos_token),
        cmocka_unit_test(special_tokens_in_front),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
