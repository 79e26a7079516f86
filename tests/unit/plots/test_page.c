#include "plots/build.h"
#include "plots/page.h"
#include "plots/page_parts.h"

#include "core/base/file.h"
#include "tests/support/check.h"
#include "tests/unit/plots/one_figure.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static const pl_provenance provenance[] = {
    {"Planish-Commands", "method astro beta=3e-4; plot histogram text='na\u00efve <&>'"},
    {"Planish-Layer", "15.q_proj \u03b2"},
};

static pl_figure make_figure(void)
{
    static float before[4096];
    static float after[4096];
    for (size_t i = 0; i < 4096; i++) {
        float x = (float)i / 2048 - 1;
        before[i] = x * x * x * (i % 97 == 0 ? 3.0f : 1.0f);
        after[i] = roundf(before[i] * 8) / 8;
    }
    pl_histogram_data data = {.title = "15.self_attn.q_proj: weights <before & after>",
                              .x_label = "weight",
                              .values = {{before, 64, 64, 64}, {after, 64, 64, 64}},
                              .labels = {"before", "after"},
                              .tones = {PL_TONE_BEFORE, PL_TONE_AFTER},
                              .n_series = 2};
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_figure_histogram(&data, &figure, &err), err);
    return figure;
}

static char *read_whole(const char *name, size_t *size)
{
    pl_buf path = {0};
    pl_path_join(&path, folder, name);
    char *bytes = NULL;
    pl_error err = {0};
    pl_check_ok(pl_file_read_all(path.data, 64u << 20, &bytes, size, &err), err);
    pl_buf_deinit(&path);
    return bytes;
}

static pl_status write_page(const pl_figure *figure, pl_page page, const char *name, size_t *width,
                            size_t *height, pl_error *err)
{
    pl_buf path = {0};
    pl_path_join(&path, folder, name);
    pl_status status =
        write_figure_page(figure, &page, provenance, 2, path.data, width, height, err);
    pl_buf_deinit(&path);
    return status;
}

static void write_set(const char *suffix)
{
    static const char *const endings[] = {"png", "pdf", "svg"};
    pl_figure figure = make_figure();
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%s", suffix, endings[i]);
        pl_error err = {0};
        pl_check_ok(write_page(&figure, (pl_page){3.25, 2.5, 150}, name, NULL, NULL, &err), err);
    }
    pl_figure_deinit(&figure);
}

static uint32_t be32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void same_bytes_from_two_processes(void **state)
{
    (void)state;
    static const char *const endings[] = {"png", "pdf", "svg"};
    write_set("one");
    write_set("two");
    for (size_t i = 0; i < 3; i++) {
        size_t sizes[3];
        char *bytes[3];
        const char *const names[] = {"child", "one", "two"};
        for (size_t k = 0; k < 3; k++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%s", names[k], endings[i]);
            bytes[k] = read_whole(name, &sizes[k]);
            assert_int_equal(sizes[k], sizes[0]);
            assert_memory_equal(bytes[k], bytes[0], sizes[0]);
        }
        for (size_t k = 0; k < 3; k++) {
            free(bytes[k]);
        }
    }
}

/* Letters that no font of a figure has are told, once; accents and Greek it has. */
static void lacking_letters_are_told(void **state)
{
    (void)state;
    static const char *const titles[] = {"\u03b2 of a na\u00efve caf\u00e9",
                                         "\u91cd\u307f of 1.q_proj"};
    char text[128];
    for (size_t i = 0; i < 2; i++) {
        pl_figure figure = make_figure();
        pl_error err = {0};
        pl_page_lacking(text, sizeof text);
        pl_check_ok(pl_figure_texts(&figure, titles[i], "x", "y", &err), err);
        pl_check_ok(write_page(&figure, (pl_page){3.25, 2.5, 72}, "letters.png", NULL, NULL, &err),
                    err);
        assert_int_equal(pl_page_lacking(text, sizeof text), i == 1);
        assert_string_equal(text, i == 1 ? titles[1] : "");
        assert_false(pl_page_lacking(text, sizeof text));
        pl_figure_deinit(&figure);
    }
}

static void png_holds_size_dpi_and_provenance(void **state)
{
    (void)state;
    pl_figure figure = make_figure();
    pl_error err = {0};
    size_t width = 0;
    size_t height = 0;
    pl_check_ok(write_page(&figure, (pl_page){6.4, 4.8, 300}, "full.png", &width, &height, &err),
                err);
    pl_figure_deinit(&figure);
    assert_int_equal(width, 1920);
    assert_int_equal(height, 1440);
    size_t size = 0;
    char *bytes = read_whole("full.png", &size);
    assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
    bool data = false;
    bool physical = false;
    size_t texts = 0;
    size_t at = 8;
    while (at + 12 <= size) {
        uint32_t length = be32(bytes + at);
        const char *type = bytes + at + 4;
        const char *body = bytes + at + 8;
        expect_at_most(length, size - at - 12);
        if (memcmp(type, "IHDR", 4) == 0) {
            assert_int_equal(be32(body), 1920);
            assert_int_equal(be32(body + 4), 1440);
            assert_memory_equal(body + 8, "\x08\x02\0\0\0", 5); /* 8 bits, RGB */
        } else if (memcmp(type, "pHYs", 4) == 0) {
            assert_int_equal(be32(body), 11811);
            assert_int_equal(be32(body + 4), 11811);
            assert_int_equal(body[8], 1);
            physical = !data;
        } else if (memcmp(type, "tEXt", 4) == 0) {
            assert_false(data);
            static const char commands[] =
                "Planish-Commands\0method astro beta=3e-4; plot histogram text='na\xefve <&>'";
            static const char layer[] = "Planish-Layer\00015.q_proj \\u{3b2}";
            const char *const expected[] = {commands, layer};
            const size_t sizes[] = {sizeof commands - 1, sizeof layer - 1};
            expect_less(texts, 2);
            assert_int_equal(length, sizes[texts]);
            assert_memory_equal(body, expected[texts], length);
            texts++;
        } else if (memcmp(type, "IDAT", 4) == 0) {
            data = true;
        }
        assert_memory_not_equal(type, "zTXt", 4);
        assert_memory_not_equal(type, "tIME", 4);
        at += 12 + (size_t)length;
    }
    assert_int_equal(at, size);
    assert_true(data);
    assert_true(physical);
    assert_int_equal(texts, 2);
    free(bytes);
}

static void contains(const char *bytes, size_t size, const char *text)
{
    if (memmem(bytes, size, text, strlen(text)) == NULL) {
        fail_msg("the file lacks %s", text);
    }
}

static void svg_and_pdf_carry_metadata(void **state)
{
    (void)state;
    write_set("meta");
    size_t size = 0;
    char *bytes = read_whole("meta.svg", &size);
    contains(bytes, size, "width=\"234pt\" height=\"180pt\"");
    contains(bytes, size, "<title>15.self_attn.q_proj: weights &lt;before &amp; after&gt;</title>");
    contains(bytes, size,
             "\nPlanish-Commands: method astro beta=3e-4; plot histogram "
             "text='na\u00efve &lt;&amp;&gt;'\n");
    assert_null(strstr(bytes, "id=\"glyph"));
    assert_null(strstr(bytes, "id=\"surface"));
    assert_null(strstr(bytes, "id=\"clip"));
    free(bytes);
    bytes = read_whole("meta.pdf", &size);
    assert_memory_equal(bytes, "%PDF-1.", 7);
    contains(bytes, size, "(20000101000000Z)");
    contains(bytes, size, "+DejaVuSans");
    contains(bytes, size, "/FontFile2");
    contains(bytes, size, "/Title (15.self_attn.q_proj: weights <before & after>)");
    contains(bytes, size, "/Subject");
    free(bytes);
}

static void svg_ids_are_renumbered_with_their_references(void **state)
{
    (void)state;
    const char *text = "<g id=\"glyph0-1\"/><use xlink:href=\"#surface77\"/>"
                       "<g clip-path=\"url(#clip9)\"/><use xlink:href=\"#glyph0-1\"/>"
                       "<b id=\"surface77\" href=\"http://x\" id=\"unclosed";
    pl_buf out = {0};
    pl_svg_renumber(text, strlen(text), "i", &out);
    assert_string_equal(out.data, "<g id=\"i0\"/><use xlink:href=\"#i1\"/>"
                                  "<g clip-path=\"url(#i2)\"/><use xlink:href=\"#i0\"/>"
                                  "<b id=\"i1\" href=\"http://x\" id=\"unclosed");
    pl_buf_deinit(&out);
}

static void says(const pl_figure *figure, pl_page page, const char *name, pl_status status,
                 const char *text)
{
    pl_error err = {0};
    assert_int_equal(write_page(figure, page, name, NULL, NULL, &err), status);
    pl_check_says(err, text);
    assert_int_equal(write_page(figure, page, name, NULL, NULL, NULL), status);
}

static void bad_requests_are_sentences(void **state)
{
    (void)state;
    pl_figure figure = make_figure();
    pl_page page = {6.4, 4.8, 300};
    says(&figure, page, "x.jpg", PL_ERR_USAGE,
         "expected a name that ends in .png, .pdf, .svg or .csv, or of a table in .tex");
    says(&figure, page, "png", PL_ERR_USAGE, "unknown figure format");
    says(&figure, page, "none/x.png", PL_ERR_IO, "none/x.png");
    says(&figure, page, "none/x.pdf", PL_ERR_IO, "none/x.pdf");
    says(&figure, (pl_page){0.4, 4, 300}, "x.png", PL_ERR_USAGE, "width of 0.4 in, expected");
    says(&figure, (pl_page){4, 41, 300}, "x.svg", PL_ERR_USAGE, "height of 41 in, expected");
    says(&figure, (pl_page){4, NAN, 300}, "x.svg", PL_ERR_USAGE, "height of");
    says(&figure, (pl_page){4, 4, 20}, "x.png", PL_ERR_USAGE, "20 dpi, expected 30 to 2400");
    says(&figure, (pl_page){20, 15, 1200}, "x.png", PL_ERR_USAGE, "24000 x 18000 pixels");
    says(&figure, (pl_page){40, 0.5, 2400}, "x.png", PL_ERR_USAGE, "32,000 a side");
    figure.series[1].y[3] = NAN;
    says(&figure, page, "x.png", PL_ERR_NUMERIC, "series \"after\": y of point 3 is not finite");
    figure.series[1].y[3] = 0;
    pl_provenance bad = {" Key", "value"};
    pl_error err = {0};
    assert_int_equal(write_figure_page(&figure, &page, &bad, 1, "x.png", NULL, NULL, &err),
                     PL_ERR_USAGE);
    pl_check_says(err, "provenance key \" Key\"");
    struct stat st;
    assert_int_not_equal(stat("x.png", &st), 0);
    pl_figure_deinit(&figure);
}

static void pages_of_every_size_are_written(void **state)
{
    (void)state;
    const pl_page pages[] = {{0.5, 0.5, 30}, {1, 1, 300},    {0.5, 40, 72}, {40, 0.5, 72},
                             {20, 15, 60},   {3.25, 2, 100}, {1, 3, 2400}};
    pl_figure figure = make_figure();
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        size_t width = 0;
        size_t height = 0;
        pl_error err = {0};
        pl_check_ok(write_page(&figure, pages[i], "size.png", &width, &height, &err), err);
        assert_int_equal(width, (size_t)lround(pages[i].width_in * pages[i].dpi));
        assert_int_equal(height, (size_t)lround(pages[i].height_in * pages[i].dpi));
        pl_check_ok(write_page(&figure, pages[i], "size.pdf", &width, &height, &err), err);
        assert_int_equal(width, (size_t)lround(pages[i].width_in * 72));
    }
    pl_figure_deinit(&figure);
}

static void marks_and_scales_of_all_kinds(void **state)
{
    (void)state;
    double x[4] = {0, 1, 2, 3};
    double y[3] = {0, 5, -2};
    char empty[] = "";
    char control[] = "a\tb\xff";
    for (int k = 0; k < 8; k++) {
        pl_figure figure = {
            .title = k & 1 ? control : NULL,
            .x = {.label = empty, .lo = k & 4 ? 0.5 : -1, .hi = 4, .log = (k & 4) != 0},
            .y = {.lo = k & 2 ? 0.1 : -3, .hi = 6, .log = (k & 2) != 0},
            .n_series = 4,
            .n_rules = 1,
            .n_notes = 1};
        for (size_t s = 0; s < 4; s++) {
            figure.series[s] = (pl_series){.label = s == 2 ? NULL : control,
                                           .mark = (pl_mark)s,
                                           .tone = (pl_tone)s,
                                           .count = s == 3 ? 0 : 3,
                                           .x = x,
                                           .y = y};
        }
        figure.rules[0] = (pl_rule){.at = 100};
        figure.notes[0] = (pl_note){99, -99, "n"};
        pl_error err = {0};
        pl_check_ok(write_page(&figure, (pl_page){2, 2, 72}, "kinds.png", NULL, NULL, &err), err);
        pl_check_ok(write_page(&figure, (pl_page){2, 2, 72}, "kinds.svg", NULL, NULL, &err), err);
        pl_check_ok(write_page(&figure, (pl_page){2, 2, 72}, "kinds.pdf", NULL, NULL, &err), err);
    }
}

static void libraries_are_named(void **state)
{
    (void)state;
    pl_buf out = {0};
    pl_page_libraries(&out);
    contains(out.data, out.size, "Cairo 1.");
    contains(out.data, out.size, "Pango 1.");
    contains(out.data, out.size, "libpng 1.");
    pl_buf_deinit(&out);
}

static void remove_folder(void)
{
    static const char *const names[] = {"child", "one", "two", "meta", "full", "size", "kinds"};
    static const char *const endings[] = {"png", "pdf", "svg"};
    for (size_t i = 0; i < 21; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s.%s", folder, names[i / 3], endings[i % 3]);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    strcpy(folder, "/tmp/planish-page-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    /* A process of its own, whose Cairo has counted other things before. */
    pid_t child = fork();
    if (child == 0) {
        write_set("one");
        write_set("child");
        _exit(0);
    }
    int ended = 1;
    if (child < 0 || waitpid(child, &ended, 0) != child || ended != 0) {
        remove_folder();
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_from_two_processes),
        cmocka_unit_test(png_holds_size_dpi_and_provenance),
        cmocka_unit_test(svg_and_pdf_carry_metadata),
        cmocka_unit_test(svg_ids_are_renumbered_with_their_references),
        cmocka_unit_test(bad_requests_are_sentences),
        cmocka_unit_test(pages_of_every_size_are_written),
        cmocka_unit_test(marks_and_scales_of_all_kinds),
        cmocka_unit_test(libraries_are_named),
        cmocka_unit_test(lacking_letters_are_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder();
    return failed;
}
