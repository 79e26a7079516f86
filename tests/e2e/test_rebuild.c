/* figure, captions, CSV and rebuild: grids, the same bytes again, and why not. */
#include "tests/e2e/run_planish.h"

#include "core/base/text.h"
#include "plots/page.h"

#include <stdlib.h>
#include <unistd.h>

static const char solved[] =
    "method astro beta=1e-3; method gptq bits=3; select 1.down_proj; solve;";

static void solve_and_write(const char *script, const char *file)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "%s%s file=%s", solved, script, run_path(file));
    run r = run_demo(whole);
    run_check_keys(run_last(&r), "file");
    run_free(&r);
}

/* Rebuilds with another store, so that nothing is found ready-made. */
static void check_same(const char *file)
{
    char script[1024];
    snprintf(script, sizeof script, "rebuild %s", run_path(file));
    run r = RUN("--json", "--store", run_path("other-store"), "-c", script);
    const json_t *result = run_last(&r);
    assert_true(json_is_true(json_object_get(result, "same")));
    assert_int_equal(json_array_size(json_object_get(result, "differs")), 0);
    run_check_keys(result, "figure file?");
    run_free(&r);
}

static void test_every_format_is_rebuilt(void **ctx)
{
    (void)ctx;
    static const char *const files[] = {"one.png", "one.pdf", "one.svg", "one.csv"};
    for (size_t i = 0; i < 4; i++) {
        solve_and_write("plot channels which=both preset=icml dpi=100", files[i]);
        check_same(files[i]);
    }
}

static void test_a_grid_is_rebuilt(void **ctx)
{
    (void)ctx;
    solve_and_write(
        "figure 2x2 'channels which=before' 'histogram 0.q_proj' 'channels 2.up_proj which=before'"
        " 'channels side=input scale=log' preset=neurips dpi=80",
        "grid.png");
    check_same("grid.png");
    solve_and_write(
        "figure 1x2 'channels which=before' 'channels which=after' share=both letters=no dpi=80",
        "shared.pdf");
    check_same("shared.pdf");
    char script[1024];
    snprintf(script, sizeof script, "rebuild %s file=%s", run_path("grid.png"),
             run_path("again.png"));
    run r = run_demo(script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
    size_t n = 0;
    size_t m = 0;
    char *a = run_read(run_path("grid.png"), &n);
    char *b = run_read(run_path("again.png"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

static void test_baselines_are_rebuilt(void **ctx)
{
    (void)ctx;
    solve_and_write("pin; method astro beta=1e-4; solve; plot channels pins=yes dpi=80",
                    "pins.png");
    check_same("pins.png");
}

/* A baseline of a solve in sequence holds what the other layers were solved with, and a baseline of
 * another layer starts from what the one before has left in the slots. */
static void test_baselines_of_settings_by_layer_are_rebuilt(void **ctx)
{
    (void)ctx;
    static const char *const scripts[] = {
        "method gptq bits=3; method astro target=0.2; method astro target=0.4 on=*.q_proj; "
        "solve all; pin; method magr target=0.3; solve all; "
        "plot channels 1.q_proj pins=yes dpi=80 file=%s",
        "method gptq bits=3; method rtn bits=4 on=1.*; solve all; keep A; "
        "method astro target=0.4 on=*.q_proj; solve all; keep B; method none slot=precondition; "
        "solve all sequential=no; plot channels 1.q_proj pins=yes dpi=80 file=%s",
        "method rtn bits=3; select 0.q_proj; solve; pin; select 1.q_proj; solve; pin; "
        "method astro target=0.3; solve; pin; select 0.q_proj; solve; pin; figure 1x2 "
        "'channels 0.q_proj pins=yes' 'channels 1.q_proj pins=yes' dpi=80 file=%s"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        char script[1024];
        snprintf(script, sizeof script, scripts[i], run_path("settings.png"));
        run r = run_demo(script);
        run_check_keys(run_last(&r), "file");
        run_free(&r);
        check_same("settings.png");
    }
}

static void test_presets(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name;
        int width;
    } presets[] = {{"icml", 325},    {"icml2", 675}, {"neurips", 550}, {"nature", 350},
                   {"nature2", 720}, {"acl", 303},   {"acl2", 630},    {"slide", 1000}};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        char script[512];
        snprintf(script, sizeof script, "plot channels preset=%s dpi=100 file=%s", presets[i].name,
                 run_path("preset.png"));
        run r = run_demo(script);
        expect_close(run_number(run_last(&r), "width_px"), presets[i].width, 0);
        run_free(&r);
    }
}

static void test_caption_and_csv(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script, "%splot channels which=both caption=yes file=%s", solved,
             run_path("data.csv"));
    run r = run_demo(script);
    const char *caption = json_string_value(json_object_get(run_last(&r), "caption"));
    const char *latex = json_string_value(json_object_get(run_last(&r), "latex"));
    assert_non_null(caption);
    assert_non_null(latex);
    static const char *const parts[] = {"model.layers.1.mlp.down_proj", "beta 0.001", "bits 3",
                                        "8 windows of 512 tokens of calibration.txt", "demo"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(caption, parts[i]));
    }
    assert_non_null(strstr(latex, "\\caption{"));
    assert_non_null(strstr(latex, "\\texttt{model.layers.1.mlp.down\\_proj}"));
    assert_null(strstr(latex, "down_proj"));
    run_free(&r);
    char *csv = run_read(run_path("data.csv"), NULL);
    const char *head = strstr(csv, "\nchannel,before,");
    assert_non_null(head);
    size_t lines = 0;
    for (const char *s = strchr(head + 1, '\n'); s != NULL; s = strchr(s + 1, '\n')) {
        lines++;
    }
    assert_int_equal(lines, 400 + 1); /* a line a channel, and the end of the head */
    free(csv);
}

/* A figure's commands hold only what it shows: no solve where it draws inputs or originals. */
static void test_commands_are_the_shortest(void **ctx)
{
    (void)ctx;
    static const char *const plain[] = {"channels side=input",
                                        "channels which=before",
                                        "spectrum",
                                        "box form=layers",
                                        "layers",
                                        "tokens"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        char script[256];
        snprintf(script, sizeof script, "plot %s", plain[i]);
        solve_and_write(script, "short.csv");
        char *csv = run_read(run_path("short.csv"), NULL);
        const char head[] = "# Planish-Commands: select model.layers.1.mlp.down_proj; plot ";
        assert_int_equal(strncmp(csv, head, sizeof head - 1), 0);
        assert_non_null(strstr(csv, "\n# Planish-Methods: none\n"));
        assert_null(strstr(csv, "The method is astro"));
        free(csv);
        check_same("short.csv");
    }
    solve_and_write("plot channels which=after", "long.csv");
    char *csv = run_read(run_path("long.csv"), NULL);
    assert_non_null(strstr(csv, "; select model.layers.1.mlp.down_proj; solve; plot channels"));
    assert_non_null(strstr(csv, "\nchannel,Astro \u03b2 = 1e-3 + GPTQ W3\n"));
    free(csv);
    run r = run_demo("plot channels which=after file=x.png");
    run_check_failed(&r, 1, "is not solved");
    run_free(&r);
}

/* A table without height= is as high as it must be; its numbers have a real minus. */
static void test_tables_have_their_own_height(void **ctx)
{
    (void)ctx;
    solve_and_write("plot groups form=table dpi=100", "low.png");
    check_same("low.png");
    solve_and_write("plot outliers dpi=100", "high.png");
    check_same("high.png");
    size_t size = 0;
    char *low = run_read(run_path("low.png"), &size);
    char *high = run_read(run_path("high.png"), &size);
    assert_int_equal(memcmp(low + 16, high + 16, 4), 0);
    expect_less(memcmp(low + 20, high + 20, 4), 0);
    free(low);
    free(high);
}

/* The commands of the README's pictures, as the guide has them, must run. */
static void test_the_guide_runs(void **ctx)
{
    (void)ctx;
    char path[1024];
    snprintf(path, sizeof path, "%s/app/guide.md", getenv("PLANISH_SOURCE_ROOT"));
    char *text = run_read(path, NULL);
    char *block = strstr(text, "app/run -c 'method astro beta=3e-4; method gptq bits=3; select");
    assert_non_null(block);
    block = strchr(block, '\'') + 1;
    *strchr(block, '\'') = '\0';
    pl_buf script = {0};
    for (const char *s = block; *s != '\0'; s++) {
        const char folder[] = "plots/readme/";
        if (strncmp(s, folder, sizeof folder - 1) == 0) {
            pl_buf_printf(&script, "%s/", run_folder());
            s += sizeof folder - 2;
        } else {
            pl_buf_append(&script, s, 1);
        }
    }
    run r = run_demo(script.data);
    run_check_keys(run_last(&r), "file width_px height_px");
    run_free(&r);
    check_same("page.png");
    pl_buf_deinit(&script);
    free(text);
}

/* Replaces the first place of a text of the same length in a file; PNG checksums are not read. */
static void tamper(const char *from, const char *to, const char *what, const char *with)
{
    size_t size = 0;
    char *bytes = run_read(run_path(from), &size);
    char *at = memmem(bytes, size, what, strlen(what));
    assert_non_null(at);
    assert_int_equal(strlen(what), strlen(with));
    memcpy(at, with, strlen(with));
    FILE *file = fopen(run_path(to), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void check_refused(const char *file, const char *says)
{
    char script[1024];
    snprintf(script, sizeof script, "rebuild %s", run_path(file));
    run r = run_demo(script);
    run_check_failed(&r, 1, says);
    run_free(&r);
}

static void test_what_cannot_be_rebuilt(void **ctx)
{
    (void)ctx;
    solve_and_write("plot channels which=both dpi=80", "good.svg");
    tamper("good.svg", "model.svg", "Planish-Model: demo ff", "Planish-Model: demo 00");
    check_refused("model.svg", "open that model first");
    tamper("good.svg", "command.svg", "select", "export");
    check_refused("command.svg", "export");
    char script[1024];
    snprintf(script, sizeof script,
             "calibrate text=%s/sessions/demo/evaluation.txt windows=4; "
             "plot channels side=input dpi=80",
             getenv("PLANISH_SOURCE_ROOT"));
    solve_and_write(script, "path.svg");
    tamper("path.svg", "away.svg", "text=evaluation.txt", "text=/etc/../passwd");
    check_refused("away.svg", "with text=, which no figure needs but by its name alone");
    tamper("good.svg", "other.svg", "Planish-Commands", "Planish-Command5");
    check_refused("other.svg", "holds no Planish-Commands");
    tamper("good.svg", "text.svg", "calibration.txt 4", "calibration.txt 5");
    check_refused("text.svg", "was calibrated on");
    run_write(run_path("plain.txt"), "a text\n");
    check_refused("plain.txt", "expected a figure");
    check_refused("absent.png", "absent.png");
    snprintf(script, sizeof script, "rebuild %s file=%s", run_path("good.svg"), run_path("x.png"));
    run r = run_demo(script);
    run_check_failed(&r, 1, ".svg");
    run_free(&r);
}

static void test_a_difference_is_reported(void **ctx)
{
    (void)ctx;
    solve_and_write("plot channels which=both dpi=80", "plain.svg");
    tamper("plain.svg", "odd.svg", "Planish-Threads: ", "Planish-Threads:9");
    char script[1024];
    snprintf(script, sizeof script, "rebuild %s", run_path("odd.svg"));
    strcat(script, "; layers"); /* the batch goes on */
    run r = run_demo(script);
    assert_int_equal(r.status, 1);
    const json_t *rebuilt = json_object_get(r.lines[r.n_lines - 2], "result");
    assert_true(json_is_false(json_object_get(rebuilt, "same")));
    expect_at_most(1, json_array_size(json_object_get(rebuilt, "differs")));
    const json_t *behind = json_object_get(r.lines[r.n_lines - 1], "result");
    assert_non_null(json_object_get(behind, "layers"));
    assert_non_null(strstr(r.err, "a figure differs"));
    run_free(&r);
}

/* A model under another name is the same model, and its figures say so. */
static void test_another_name_of_the_model(void **ctx)
{
    (void)ctx;
    static const char *const files[] = {"n.png", "n.pdf", "n.svg", "n.csv"};
    free(run_shell("cp -r '%s' '%s'", run_demo_folder(), run_path("o;ther")));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char script[1024];
        snprintf(script, sizeof script, "plot histogram 1.k_proj file=%s", run_path(files[i]));
        run r = RUN("--json", run_path("o;ther"), "-c", script);
        run_check_keys(run_last(&r), "file");
        run_free(&r);
    }
    assert_int_equal(rename(run_path("o;ther"), run_path("renamed")), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char script[1024];
        snprintf(script, sizeof script, "rebuild %s", run_path(files[i]));
        run r = RUN("--json", run_path("renamed"), "-c", script);
        const json_t *differs = json_object_get(run_last(&r), "differs");
        assert_true(json_is_true(json_object_get(run_last(&r), "same")));
        assert_int_equal(json_array_size(differs), 1);
        assert_string_equal(json_string_value(json_array_get(differs, 0)),
                            "the model is called o;ther in the file, renamed here");
        run_free(&r);
    }
    /* Another text besides is another figure, and named. */
    tamper("n.svg", "odd-name.svg", "Planish-Seed: 0", "Planish-Seed: 9");
    char script[1024];
    snprintf(script, sizeof script, "rebuild %s", run_path("odd-name.svg"));
    run r = RUN("--json", run_path("renamed"), "-c", script);
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.out, "the file's Planish-Seed is another text"));
    assert_null(strstr(r.out, "bytes of the drawing"));
    run_free(&r);
    /* Who made it is named once. */
    tamper("n.svg", "old-drawing.svg", "Planish-Drawing: " PL_DRAWING, "Planish-Drawing: 0");
    snprintf(script, sizeof script, "rebuild %s", run_path("old-drawing.svg"));
    r = RUN("--json", run_path("renamed"), "-c", script);
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.out, "version of the drawing 0"));
    assert_null(strstr(r.out, "is another text"));
    run_free(&r);
}

static void test_bad_grids(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *command, *says;
    } cases[] = {
        {"figure 2x2 channels", "takes 4 panels, 1 are given"},
        {"figure 9x1 channels", "expected ROWSxCOLUMNS"},
        {"figure 1x1 pie", "no figure is named \"pie\""},
        {"figure 1x1 'channels file=x.png'", "belongs to the whole figure"},
        {"figure 1x2 channels histogram share=y", "cannot be shared"},
        {"plot histogram scale=log", "means nothing"},
        {"plot channels form=pie", "form=pie"},
        {"plot channels channel=100000", "channel=100000"},
        {"plot channels preset=jmlr", "preset=jmlr"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[512];
        snprintf(script, sizeof script, "%s file=%s", cases[i].command, run_path("bad.png"));
        run r = run_demo(script);
        run_check_failed(&r, 1, cases[i].says);
        assert_int_not_equal(access(run_path("bad.png"), F_OK), 0);
        run_free(&r);
    }
}

/* A figure's commands and its caption hold all that its numbers depend on: made again with another
 * store it is the same file. */
static void test_what_the_numbers_depend_on(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says[6];
    } figures[] = {
        {"activations bits=4 symmetric=no clip=0.9; kv bits=4 group_size=24; method rtn bits=4;"
         "method rtn bits=8 on=*.down_proj; method smoothquant;"
         "sweep all bits=3:4:lin2 slot=round perplexity=yes length=256 windows=3; plot sweep",
         {"Activations have 4 bits, symmetric no, per token, clip 0.9. ",
          "Keys and values have 4 bits, symmetric yes, groups of 24. ", "rtn (bits 3 \u2026 4, ",
          "On *.down_proj: rtn (bits 8, ",
          "Perplexities are of 3 windows of 256 tokens of evaluation.txt, the first"}},
        {"calibrate windows=4 rows=300; activations bits=4 range=tensor;"
         "method hadamard; method none slot=precondition; method rtn bits=4;"
         "method rtn bits=3 on=1.*; solve all;"
         "plot landscape form=all",
         {"The method is hadamard, then rtn (bits 4, ", "On 1.*: rtn (bits 3, ",
          "Activations have 4 bits, symmetric yes, one range for all tokens. ",
          "4 windows of 512 tokens of calibration.txt, 300 rows stored. "}},
        {"activations bits=5; method flatquant steps=6 rows=128; method rtn bits=4 group_size=0;"
         "learn until=4; plot learning",
         {"The method is flatquant (", "then rtn (bits 4, group_size 0, ",
          "Activations have 5 bits, symmetric yes, per token. ", "step 4 of 6"}},
        {"activations bits=4; method flatquant steps=6 rows=128; method rtn bits=4; solve;"
         "plot channels which=after",
         {"The method is flatquant (", "Activations have 4 bits"}},
        {"activations bits=4; method flatquant steps=6 rows=128; method rtn bits=4; solve; pin;"
         "method none slot=transform; solve; plot channels which=after pins=yes",
         {"The calibration is of 8 windows"}},
        {"activations bits=4; kv bits=4; method rtn bits=4; solve all sequential=yes;"
         "plot histogram which=after",
         {"Solved block by block", "Activations have 4 bits", "Keys and values have 4 bits"}},
        {"method hadamard; solve; plot flatness", {"Hadamard + Astro", "then astro (beta 0.001, "}},
        {"method none slot=precondition; method rtn bits=3 group_size=48; plot groups",
         {"group size 48", "bits 3"}},
        {"calibrate windows=2; method none slot=precondition; method gptq bits=3;"
         "method rtn bits=3 on=1.*; allocate bits=3.2 windows=2 length=128 set=no; plot allocation",
         {"The method is gptq (bits 3, ", "On 1.*: rtn (bits 3, ",
          "The calibration is of 2 windows of 512 tokens of calibration.txt. ",
          "Measured on 2 windows of 128 tokens of evaluation.txt, protocol gptq. "}},
        {"calibrate windows=2; method none slot=precondition; method rtn bits=3; solve all; keep a;"
         "method rtn bits=4; solve all; sensitivity windows=1 length=64;"
         "plot error_by_block form=kl settings=a,now",
         {"a not drawn, its costs not measured"}},
        {"method none slot=precondition; method rtn bits=3;"
         "allocate bits=3.2 metric=error windows=3 set=no; plot allocation",
         {"windows of 512 tokens of calibration.txt. Made with"}},
        {"method none slot=precondition; method rtn bits=3; solve all sequential=no;"
         "sensitivity *.q_proj windows=1 length=64; sensitivity *.k_proj windows=1 length=64;"
         "plot sensitivity",
         {"calibration.txt. Measured on 1 window of 64 tokens of evaluation.txt, protocol gptq. "
          "Made"}},
        {"calibrate windows=2; compare \"gptq bits={3,4}\" windows=2 length=128; plot comparison",
         {"The calibration is of 2 windows of 512 tokens of calibration.txt. ",
          "Measured on 2 windows of 128 tokens of evaluation.txt, protocol gptq. "}},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        char script[2048], name[32];
        snprintf(name, sizeof name, "depends-%zu.csv", i);
        snprintf(script, sizeof script, "%s%s file=%s caption=yes", solved, figures[i].script,
                 run_path(name));
        run r = run_demo(script);
        const char *caption = json_string_value(json_object_get(run_last(&r), "caption"));
        for (size_t k = 0; k < 6 && figures[i].says[k] != NULL; k++) {
            if (strstr(caption, figures[i].says[k]) == NULL) {
                fail_msg("\"%s\" is not in: %s", figures[i].says[k], caption);
            }
        }
        run_free(&r);
        snprintf(script, sizeof script, "rebuild %s", run_path(name));
        r = RUN("--json", "--store", run_path("other-store"), "-c", script);
        if (r.status != 0 || !json_is_true(json_object_get(run_last(&r), "same"))) {
            fail_msg("%s: another figure: %s%s", figures[i].script, r.out, r.err);
        }
        run_free(&r);
    }
}

/* What the author sets is in the commands, with its quotes, and gives the same bytes. */
static void test_the_authors_options_are_rebuilt(void **ctx)
{
    (void)ctx;
    solve_and_write(
        "plot channels which=both title=\"it's W_0, x^{2}; 'a'\" xlim=0:80 ylim=:2 "
        "names='before=W_0,after=Astro' legend=right colors=#102030,red text=7 linewidth=0.5",
        "author.png");
    check_same("author.png");
    solve_and_write("plot channels which=both legend=below svgtext=outline xlabel=\"\\beta\"",
                    "author.svg");
    check_same("author.svg");
    solve_and_write("plot histogram which=both title='' legend=none", "author.pdf");
    check_same("author.pdf");
    solve_and_write(
        "figure 1x2 \"channels title='x^2' names='1=A b'\" 'histogram legend=corner' title=\"it's\""
        " colors=black,red guides=yes",
        "authors.png");
    check_same("authors.png");
    solve_and_write("plot flatness side=input",
                    "scale.csv"); /* by the data, linear or log: again the same */
    check_same("scale.csv");
}

/* The numbers of a CSV's first row of data; returns how many. */
static size_t first_row(const char *file, double *out, size_t most)
{
    size_t size = 0, n = 0;
    char *csv = run_read(run_path(file), &size);
    char *s = csv;
    while (*s == '#') {
        s = strchr(s, '\n') + 1;
    }
    s = strchr(s, '\n') + 1; /* the heads */
    for (bool more = true; more && n < most; more = *s++ == ',') {
        out[n++] = strtod(s, &s);
    }
    free(csv);
    return n;
}

/* A line a setting: the mean over a block's layers; a figure in a kept setting is the figure that
 * was drawn there. */
static void test_settings_are_rebuilt(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"plot channels setting=b", "plot: no setting is kept as \"b\", there are a"},
        {"plot error_by_block settings=b", "error_by_block: no setting is kept as \"b\""},
        {"plot error_by_block role=x", "role=x: the model has no such layers, expected one of"},
        {"plot error_by_block lines=role settings=a", "expected one of the two"},
        {"plot error_by_block settings=", "settings= has 0 bytes, expected 1 to 279"},
        {"plot error_by_block settings=now,now,now,now,now,now,now,now,now", "at most 8 lines"},
        {"plot channels role=q_proj", "role= means nothing in this figure"},
    };
    char script[4096];
    snprintf(script, sizeof script,
             "method rtn bits=3; solve all sequential=no; keep a; "
             "plot error_by_block lines=role file='%s'; "
             "plot channels 1.q_proj dpi=60 file='%s'; method rtn bits=4; "
             "solve all sequential=no; plot error_by_block file='%s'; "
             "plot error_by_block settings=a role=o_proj dpi=60 file='%s'; ",
             run_path("roles.csv"), run_path("then.png"), run_path("settings.csv"),
             run_path("role.png"));
    snprintf(script + strlen(script), sizeof script - strlen(script),
             "plot channels 1.q_proj setting=a dpi=60 file='%s'; keep b; "
             "plot error_by_block file='%s'",
             run_path("kept.png"), run_path("both.csv"));
    run r = run_demo(script);
    run_check_keys(run_last(&r), "file");
    run_free(&r);
    double roles[12], settings[12], mean = 0;
    assert_int_equal(first_row("roles.csv", roles, 12), 8);
    assert_int_equal(first_row("settings.csv", settings, 12), 3);
    for (size_t i = 1; i < 8; i++) {
        mean += roles[i] / 7;
    }
    expect_close(settings[1] / mean, 1, 1e-7);
    expect_less(settings[2], settings[1]);                    /* 4 bits */
    assert_int_equal(first_row("both.csv", settings, 12), 3); /* the present one is b */
    check_same("settings.csv");
    check_same("role.png");
    size_t n = 0, m = 0;
    char *a = run_read(run_path("then.png"), &n), *b = run_read(run_path("kept.png"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(script, sizeof script, "method rtn bits=3; solve 1.q_proj; keep a; %s file=%s",
                 wrong[i].line, run_path("wrong.png"));
        r = run_demo(script);
        run_check_failed(&r, 1, wrong[i].says);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_format_is_rebuilt),
        cmocka_unit_test(test_a_grid_is_rebuilt),
        cmocka_unit_test(test_baselines_are_rebuilt),
        cmocka_unit_test(test_baselines_of_settings_by_layer_are_rebuilt),
        cmocka_unit_test(test_settings_are_rebuilt),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_the_authors_options_are_rebuilt),
        cmocka_unit_test(test_caption_and_csv),
        cmocka_unit_test(test_what_the_numbers_depend_on),
        cmocka_unit_test(test_commands_are_the_shortest),
        cmocka_unit_test(test_tables_have_their_own_height),
        cmocka_unit_test(test_the_guide_runs),
        cmocka_unit_test(test_what_cannot_be_rebuilt),
        cmocka_unit_test(test_a_difference_is_reported),
        cmocka_unit_test(test_another_name_of_the_model),
        cmocka_unit_test(test_bad_grids),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
