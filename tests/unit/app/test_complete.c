/* Completion comes from the tables that run the commands. */
#include "tests/support/demo_lab.h"

#include "app/command.h"

#include <sys/stat.h>

static pl_state demo;

static int open_demo(void **ctx)
{
    (void)ctx;
    demo_state(&demo, true);
    return 0;
}

static int close_demo(void **ctx)
{
    (void)ctx;
    pl_state_deinit(&demo);
    return 0;
}

static size_t count_of(char **list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL) {
        n++;
    }
    return n;
}

/* The completions of a line are exactly these, in any order. */
static void check(const char *line, const char *const *expected)
{
    char **list = pl_complete(&demo, line);
    size_t n = 0;
    for (; expected[n] != NULL; n++) {
        bool found = false;
        for (size_t i = 0; i < count_of(list); i++) {
            found = found || strcmp(list[i], expected[n]) == 0;
        }
        if (!found) {
            fprintf(stderr, "\"%s\" does not offer \"%s\"\n", line, expected[n]);
            fail();
        }
    }
    if (count_of(list) != n) {
        fprintf(stderr, "\"%s\" offers %zu, not %zu\n", line, count_of(list), n);
        fail();
    }
    pl_completions_free(list);
}

#define OFFERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_commands(void **ctx)
{
    (void)ctx;
    check("pe", OFFERS("perplexity"));
    check("so", OFFERS("solve"));
    check("zz", OFFERS(NULL));
    check("info; so", OFFERS("solve"));
    check("  he", OFFERS("help"));
    char **all = pl_complete(&demo, "");
    size_t commands = 0;
    while (pl_commands()[commands] != NULL) {
        commands++;
    }
    assert_int_equal(count_of(all), commands);
    pl_completions_free(all);
    check("help perp", OFFERS("perplexity", "perplexity_error"));
    check("help flatn", OFFERS("flatness"));
    check("help damp", OFFERS("damping", "damping_used"));
}

static void test_methods_and_their_keys(void **ctx)
{
    (void)ctx;
    check("method ",
          OFFERS("smoothquant", "awq", "hadamard", "orthogonal", "quarot", "kurtail", "spinquant",
                 "flatquant", "astro", "magr", "gptq", "gptaq", "qronos", "rtn", "none"));
    check("activations range=", OFFERS("range=token", "range=tensor"));
    check("method g", OFFERS("gptq", "gptaq"));
    check("method gptq d", OFFERS("damping="));
    check("method gptq s", OFFERS("symmetric=", "scale_dtype=", "scales=", "scale_mode=",
                                  "static_groups=", "slot="));
    check("method gptq symmetric=", OFFERS("symmetric=yes", "symmetric=no", "symmetric=full"));
    check("method gptq bits=3 symmetric=f", OFFERS("symmetric=full"));
    check("method astro solver=", OFFERS("solver=admm", "solver=pgd"));
    check("method none slot=p", OFFERS("slot=precondition"));
}

static void test_keys_and_choices(void **ctx)
{
    (void)ctx;
    check("perplexity w", OFFERS("windows=", "which="));
    check("perplexity which=", OFFERS("which=before", "which=preconditioned", "which=after"));
    check("outliers side=", OFFERS("side=weight", "side=input"));
    check("plot h", OFFERS("histogram"));
    check("plot channels or", OFFERS("order="));
    check("plot channels file=a.png order=s", OFFERS("order=sorted"));
    check("plot channels file=a.png leg", OFFERS("legend="));
    check("plot channels file=a.png legend=c", OFFERS("legend=corner"));
    check("plot channels file=a.png font=st", OFFERS("font=stix"));
    check("figure 1x1 channels svg", OFFERS("svgtext="));
    check("dump ", OFFERS("gram", "weights", "inputs", "stats"));
    check("nonsense side=", OFFERS(NULL));
}

static void test_layers(void **ctx)
{
    (void)ctx;
    check("select 1.q", OFFERS("1.q_proj"));
    check("outliers 3.", OFFERS("3.q_proj", "3.k_proj", "3.v_proj", "3.o_proj", "3.gate_proj",
                                "3.up_proj", "3.down_proj"));
    check("solve a", OFFERS("all"));
    check("import n", OFFERS("none"));
    check("learn re", OFFERS("resume", "reset"));
    check("learn 1.q", OFFERS("1.q_proj"));
    check("learn reset 1.q", OFFERS("1.q_proj"));
    check("filter inp", OFFERS("input_ratio"));
    check("select model.layers.2.mlp.u", OFFERS("model.layers.2.mlp.up_proj"));
    check("plot channels 0.dow", OFFERS("0.down_proj"));
    check("dump gram 0.dow", OFFERS("0.down_proj"));
    char **list = pl_complete(&demo, "select ");
    assert_int_equal(count_of(list), DEMO_LAYERS + 1); /* and channel= */
    /* Every offer names its layer. */
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        size_t layer = 0;
        assert_int_equal(pl_model_find_layer(demo.source->model, list[i], &layer, NULL), PL_OK);
        assert_int_equal(layer, i);
    }
    pl_completions_free(list);

    pl_state empty;
    pl_state_init(&empty);
    list = pl_complete(&empty, "select ");
    assert_int_equal(count_of(list), 1); /* channel= */
    pl_completions_free(list);
    pl_state_deinit(&empty);
}

static void test_files(void **ctx)
{
    (void)ctx;
    pl_temp temp;
    char line[700];
    char whole[700];
    char folder[700];
    pl_temp_init(&temp);
    pl_temp_write(&temp, "some.txt", "x", 1);
    pl_temp_write(&temp, ".hidden", "x", 1);
    assert_int_equal(mkdir(pl_temp_path(&temp, "some-folder"), 0700), 0);
    snprintf(line, sizeof line, "tokenize text=%s/so", temp.folder);
    snprintf(whole, sizeof whole, "text=%s/some.txt", temp.folder);
    snprintf(folder, sizeof folder, "text=%s/some-folder/", temp.folder);
    check(line, OFFERS(whole, folder));
    snprintf(line, sizeof line, "open %s/some.", temp.folder);
    snprintf(whole, sizeof whole, "%s/some.txt", temp.folder);
    check(line, OFFERS(whole));
    snprintf(line, sizeof line, "open %s/absent/", temp.folder);
    check(line, OFFERS(NULL));
    pl_temp_deinit(&temp);
}

/* Names that the grammar would take apart come quoted, and a typed quote is gone on from. */
static void test_quotes(void **ctx)
{
    (void)ctx;
    pl_temp temp;
    char line[700];
    char whole[700];
    char folder[700];
    pl_temp_init(&temp);
    pl_temp_write(&temp, "my text.txt", "x", 1);
    pl_temp_write(&temp, "it's.txt", "x", 1);
    assert_int_equal(mkdir(pl_temp_path(&temp, "my folder"), 0700), 0);
    snprintf(whole, sizeof whole, "text='%s/my text.txt'", temp.folder);
    snprintf(folder, sizeof folder, "text='%s/my folder/", temp.folder);
    snprintf(line, sizeof line, "tokenize text=%s/my", temp.folder);
    check(line, OFFERS(whole, folder));
    snprintf(line, sizeof line, "tokenize text='%s/my ", temp.folder);
    assert_int_equal(pl_complete_word(line), strlen("tokenize "));
    check(line, OFFERS(whole, folder));
    snprintf(line, sizeof line, "info; tokenize text=\"%s/my t", temp.folder);
    check(line, OFFERS(whole));
    snprintf(line, sizeof line, "open %s/it", temp.folder);
    snprintf(whole, sizeof whole, "\"%s/it's.txt\"", temp.folder);
    check(line, OFFERS(whole));
    /* Both kinds of quotes are quoted one behind the other, and go on where they stopped. */
    pl_temp_write(&temp, "a'b\"c.txt", "x", 1);
    snprintf(line, sizeof line, "open %s/a", temp.folder);
    snprintf(whole, sizeof whole, "'%s/a'\"'\"'b\"c.txt'", temp.folder);
    check(line, OFFERS(whole));
    snprintf(line, sizeof line, "open '%s/a'\"'\"'b\"", temp.folder);
    check(line, OFFERS(whole));
    /* The home folder, as a shell writes it. */
    setenv("HOME", temp.folder, 1);
    check("open ~", OFFERS("~/"));
    check("open ~/it", OFFERS("\"~/it's.txt\""));
    check("tokenize text=~/my", OFFERS("text='~/my text.txt'", "text='~/my folder/"));
    /* Behind a quoted word the next one is a word of its own. */
    snprintf(line, sizeof line, "tokenize text='%s/my text.txt' l", temp.folder);
    check(line, OFFERS("limit="));
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_methods_and_their_keys),
        cmocka_unit_test(test_keys_and_choices),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_quotes),
    };
    return cmocka_run_group_tests(tests, open_demo, close_demo);
}
