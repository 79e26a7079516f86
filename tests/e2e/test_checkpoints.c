/* The shared cases of checkpoint files: each gives the number that transformers gives, or says what
 * the file is.  The right values are those of the cases' READMEs. */
#include "tests/e2e/run_planish.h"

#include "tests/support/shared.h"

/* cases/NAME, which must be there. */
static const char *case_path(const char *name, char path[PL_TEST_PATH])
{
    char file[256];
    snprintf(file, sizeof file, "cases/%s", name);
    return pl_test_shared(file, path);
}

/* Perplexity of the case's probe.txt, or of another's, after the commands in `before`. */
static run measure(const char *model, const char *probe, const char *before)
{
    char text[PL_TEST_PATH];
    char script[2 * PL_TEST_PATH];
    snprintf(script, sizeof script, "%s perplexity text='%s' length=64 windows=1", before,
             case_path(probe, text));
    return RUN("--json", "--store", run_path("store"), model, "-c", script);
}

static void check_case(const char *name, double perplexity)
{
    char model[PL_TEST_PATH];
    char probe[256];
    const char *slash = strchr(name, '/');
    snprintf(probe, sizeof probe, "%.*s/probe.txt",
             (int)(slash != NULL ? (size_t)(slash - name) : strlen(name)), name);
    run r = measure(case_path(name, model), probe, "");
    pl_check_close(run_number(run_last(&r), "perplexity"), perplexity, 2e-6, 0);
    run_free(&r);
}

static void biases_behind_every_projection(void **ctx)
{
    (void)ctx;
    check_case("09-llama-biases", 827.658076);
    check_case("09b-gguf-llama-mlp-o-biases/biases.gguf", 766.277999);
    check_case("09b-gguf-llama-mlp-o-biases/hf", 766.277999);
}

/* Quantized, written and read again, biases and all; and two files of one model are the same. */
static void biases_are_exported_and_imported(void **ctx)
{
    (void)ctx;
    char gguf[PL_TEST_PATH];
    char hf[PL_TEST_PATH];
    char text[PL_TEST_PATH];
    char script[6 * PL_TEST_PATH];
    case_path("09b-gguf-llama-mlp-o-biases/biases.gguf", gguf);
    case_path("09b-gguf-llama-mlp-o-biases/hf", hf);
    case_path("09b-gguf-llama-mlp-o-biases/probe.txt", text);
    snprintf(script, sizeof script,
             "calibrate text='%s' length=64 windows=1; method rtn bits=4;"
             "solve all; perplexity text='%s' length=64 windows=1 which=after;"
             "export dir=%s dtype=f32",
             text, text, run_path("quantized"));
    run r = RUN("--json", "--store", run_path("store"), gguf, "-c", script);
    double after = run_number(run_result(&r, 4), "perplexity");
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = measure(run_path("quantized"), "09b-gguf-llama-mlp-o-biases/probe.txt", "");
    pl_check_close(run_number(run_last(&r), "perplexity"), after, 1e-5, 0);
    run_free(&r);
    const char *const pairs[][2] = {{gguf, hf}, {hf, gguf}};
    for (size_t i = 0; i < 2; i++) {
        snprintf(script, sizeof script, "import after='%s'", pairs[i][1]);
        r = RUN("--json", "--store", run_path("store"), pairs[i][0], "-c", script);
        assert_int_equal((int)run_number(run_last(&r), "same"), 21);
        assert_int_equal((int)run_number(run_last(&r), "others_differ"), 0);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(biases_behind_every_projection),
        cmocka_unit_test(biases_are_exported_and_imported),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
