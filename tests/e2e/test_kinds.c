/* Every kind of figure in every form, as PNG, PDF, SVG and CSV: its size, its metadata, its fonts,
 * the same bytes twice, and `rebuild` says so. */
#include "tests/e2e/run_planish.h"
#include "tests/support/big_endian.h"

#include "core/base/text.h"
#include "plots/kinds.h"

#include <stdlib.h>

static const char before[] =
    "activations bits=4; method flatquant steps=8 rows=256; method astro beta=1e-3;"
    "method gptq bits=3; select 1.down_proj;"
    "method none slot=precondition; solve; method astro beta=1e-3; solve;" /* depth compares */
    "sweep beta=1e-4:1e-2:log3; compare 'rtn bits={3,4}' windows=2 length=64 tasks=%s;";

static const char items[] = /* of winogrande */
    "{\"sentence\":\"Ann met Eva, and _ sang.\",\"option1\":\"Ann\",\"option2\":\"Eva\","
    "\"answer\":\"1\"}\n"
    "{\"sentence\":\"The cup hit the jar, and the _ broke.\",\"option1\":\"cup\","
    "\"option2\":\"jar\",\"answer\":\"2\"}\n";

enum { MAX_FIGURES = 64 };

/* "channels form=fan": what stands behind `plot`. */
typedef struct figures {
    char texts[MAX_FIGURES][64];
    size_t count;
} figures;

static figures all_figures(void)
{
    figures all = {0};
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        const char *form = (*kind)->forms;
        do {
            expect_less(all.count, MAX_FIGURES);
            char *text = all.texts[all.count++];
            size_t length = form != NULL ? strcspn(form, "|") : 0;
            snprintf(text, sizeof all.texts[0], "%s%s%.*s", (*kind)->name,
                     form != NULL ? " form=" : "", (int)length, form != NULL ? form : "");
            /* Costs are measured with weights alone quantized: test_costs.c draws them. */
            all.count -= strcmp(text, "error_by_block form=kl") == 0 ||
                         strncmp(text, "sensitivity ", strlen("sensitivity ")) == 0 ||
                         strcmp(text, "allocation") == 0 ||
                         /* Times are others each time: test_latency.c draws them. */
                         strncmp(text, "latency ", strlen("latency ")) == 0;
            form = form != NULL && form[length] == '|' ? form + length + 1 : NULL;
        } while (form != NULL);
    }
    return all;
}

static const char *const endings[] = {"png", "pdf", "svg", "csv"};
enum { PNG, PDF, SVG, CSV, ENDINGS };

/* "/tmp/.../one17.png": figure i with an ending. */
static const char *path_of(const char *prefix, size_t i, const char *ending)
{
    char name[64];
    snprintf(name, sizeof name, "%s%zu.%s", prefix, i, ending);
    return run_path(name);
}

/* Whether another process draws a figure with an ending, too: half of them without --all, of each
 * figure and of each ending. */
static bool is_drawn_twice(size_t figure, size_t ending)
{
    return getenv("PLANISH_TEST_ALL") != NULL || (figure + ending) % 2 > 0;
}

/* All figures with every ending in one run, and each is rebuilt from one of them; or those that are
 * drawn twice.  How commands stand in a file is the ending's, what they make is the figure's. */
static void make_all(const figures *all, const char *prefix, bool rebuild)
{
    pl_buf script = {0};
    run_write(run_path("items.jsonl"), items);
    pl_buf_printf(&script, before, run_path("items.jsonl"));
    for (size_t i = 0; i < ENDINGS * all->count; i++) {
        if (!rebuild && !is_drawn_twice(i % all->count, i / all->count)) {
            continue;
        }
        pl_buf_printf(&script, "plot %s preset=icml dpi=100 file=%s;", all->texts[i % all->count],
                      path_of(prefix, i % all->count, endings[i / all->count]));
    }
    for (size_t i = 0; rebuild && i < all->count; i++) {
        pl_buf_printf(&script, "rebuild %s;", path_of(prefix, i, endings[i % ENDINGS]));
    }
    assert_false(script.failed);
    run r = run_demo(script.data);
    assert_int_equal(r.status, 0);
    for (size_t i = 0; rebuild && i < all->count; i++) {
        const json_t *result = run_result(&r, r.n_lines - all->count + i);
        if (!json_is_true(json_object_get(result, "same"))) {
            char *text = json_dumps(result, JSON_INDENT(1));
            fprintf(stderr, "plot %s is another %s when it is rebuilt: %s\n", all->texts[i],
                    endings[i % ENDINGS], text);
            free(text);
            fail();
        }
    }
    run_free(&r);
    pl_buf_deinit(&script);
}

static const char *find(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text));
}

static void expect(const char *bytes, size_t size, const char *text, const char *of)
{
    if (find(bytes, size, text) == NULL) {
        fprintf(stderr, "plot %s: the file lacks \"%s\"\n", of, text);
        fail();
    }
}

/* A PDF's texts are UTF-16 in hexadecimal digits. */
static void expect_key(const char *bytes, size_t size, const char *key, const char *of)
{
    char hex[256] = "";
    for (size_t i = 0; key[i] != '\0'; i++) {
        snprintf(hex + 4 * i, 5, "%04X", (unsigned)(unsigned char)key[i]);
    }
    if (find(bytes, size, hex) == NULL) {
        expect(bytes, size, key, of);
    }
}

/* What a figure says of itself, in whatever format; and nothing of this machine. */
static void check_provenance(const char *bytes, size_t size, const char *of)
{
    static const char *const keys[] = {"Planish-Commands", "Planish-Model", "Planish-Version",
                                       "Planish-Libraries"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        expect_key(bytes, size, keys[i], of);
    }
    assert_null(find(bytes, size, run_folder()));
}

static char *read_figure(const char *prefix, size_t i, const char *ending, size_t *size)
{
    return run_read(path_of(prefix, i, ending), size);
}

/* ICML's column is 3.25 in wide. */
static void check_png(const char *png, size_t size, const char *of)
{
    const unsigned char *p = (const unsigned char *)png;
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(big_endian(p + 16), 325);
    expect_at_most(50, big_endian(p + 20));
    expect_at_most(big_endian(p + 20), 650);
    const char *density = find(png, size, "pHYs");
    assert_non_null(density);
    assert_int_equal(big_endian((const unsigned char *)density + 4), 3937);
    expect(png, size, "tEXtPlanish-Commands", of);
    expect(png, size, "IEND", of);
}

static void check_pdf(const char *pdf, size_t size, const char *of)
{
    assert_memory_equal(pdf, "%PDF-", 5);
    expect(pdf, size, "FontFile2", of); /* TrueType, embedded */
    expect(pdf, size, "DejaVuSans", of);
    expect(pdf, size, "MediaBox [ 0 0 234 ", of); /* points */
    assert_null(find(pdf, size, "/Type3"));
}

static void check_svg(const char *svg, size_t size, const char *of)
{
    expect(svg, size, "<svg", of);
    expect(svg, size, "width=\"234", of);
    expect(svg, size, "</svg>", of);
}

static void check_csv(const char *csv, size_t size, const char *of)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += csv[i] == '\n' && i > 0;
    }
    assert_int_equal(csv[0], '#');
    expect_less(5, lines);
    expect(csv, size, "\n# ", of);
}

static void check_ending(size_t number,
                         void (*check)(const char *bytes, size_t size, const char *of))
{
    const char *ending = endings[number];
    const figures all = all_figures();
    for (size_t i = 0; i < all.count; i++) {
        size_t size = 0;
        size_t again = 0;
        char *bytes = read_figure("one", i, ending, &size);
        if (is_drawn_twice(i, number)) {
            char *same = read_figure("other", i, ending, &again);
            assert_int_equal(size, again);
            assert_memory_equal(bytes, same, size);
            free(same);
        }
        check_provenance(bytes, size, all.texts[i]);
        check(bytes, size, all.texts[i]);
        free(bytes);
    }
}

static void test_png(void **ctx)
{
    (void)ctx;
    check_ending(PNG, check_png);
}

static void test_pdf(void **ctx)
{
    (void)ctx;
    check_ending(PDF, check_pdf);
}

static void test_svg(void **ctx)
{
    (void)ctx;
    check_ending(SVG, check_svg);
}

static void test_csv(void **ctx)
{
    (void)ctx;
    check_ending(CSV, check_csv);
}

/* What is plotted again by another process has the same bytes, and rebuilds as the first. */
static int make_figures(void **ctx)
{
    const int status = run_setup(ctx);
    const figures all = all_figures();
    make_all(&all, "one", true);
    make_all(&all, "other", false);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_pdf),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_csv),
    };
    return cmocka_run_group_tests(tests, make_figures, run_teardown);
}
