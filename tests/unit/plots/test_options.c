/* What a figure's author sets: every option and what each refuses; simple mathematics in labels. */
#include "plots/options.h"

#include "core/base/file.h"
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/label.h"
#include "plots/page.h"
#include "plots/sheet.h"

#include "tests/support/demo_lab.h"
#include "tests/support/figures.h"
#include "tests/support/own_folder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t row_of(const char *name)
{
    size_t i = 0;
    while (pl_figure_option(i) != NULL && strcmp(pl_figure_option(i)->name, name) != 0) {
        i++;
    }
    assert_non_null(pl_figure_option(i));
    return i;
}

static void set(pl_figure_options *options, const char *name, const char *value)
{
    pl_error err = {0};
    pl_check_ok(pl_figure_option_read(options, row_of(name), value, &err), err);
}

static void every_option_says_what_it_expects(void **state)
{
    (void)state;
    char long_text[300];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    const struct {
        const char *name, *value, *says;
    } bad[] = {
        {"title", "\\foo", "title=: \\foo is not known, expected a Greek letter"},
        {"title", long_text, "title= has 299 bytes, expected at most 239"},
        {"xlabel", "x^{2", "xlabel=: \"^{\" has no \"}\""},
        {"ylabel", "a\\", "ylabel=: \\ is not known"},
        {"xlim", "3", "xlim=3: expected LO:HI with LO < HI"},
        {"xlim", "3:1", "xlim=3:1: expected LO:HI"},
        {"ylim", "a:1", "ylim=a:1: expected LO:HI"},
        {"ylim", "nan:1", "ylim=nan:1: expected LO:HI"},
        {"ylim", ":", "ylim=:: expected LO:HI"},
        {"names", "before", "names=before: expected SERIES=NAME"},
        {"legend", "top", "legend=top: expected one of auto|none|below|right|corner"},
        {"colors", "blue,mauve", "colors=: \"mauve\" is no colour, expected #RRGGBB"},
        {"colors", "#12345", "colors=: \"#12345\" is no colour"},
        {"text", "3", "text=3: expected 4 to 40 points"},
        {"text", "8em", "text=8em: expected 4 to 40 points"},
        {"linewidth", "0", "linewidth=0: expected 0.1 to 10 points"},
        {"linewidth", "nan", "linewidth=nan: expected 0.1 to 10 points"},
        {"guides", "maybe", "guides=maybe: expected one of no|yes"},
        {"font", "times", "font=times: expected one of dejavu|stix|termes|liberation"},
        {"svgtext", "path", "svgtext=path: expected one of text|outline"},
    };
    const pl_figure_options none = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_figure_options options = {0};
        pl_error err = {0};
        assert_int_equal(pl_figure_option_read(&options, row_of(bad[i].name), bad[i].value, &err),
                         PL_ERR_USAGE);
        pl_check_says(err, bad[i].says);
        assert_memory_equal(&options, &none, sizeof none);
    }
}

static void options_change_the_figure(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure f = pl_sample_marks(PL_MARK_LINE, 3, 20);
    pl_check_ok(pl_figure_guide(&f, 3, "now", &err), err);
    const size_t rules = f.n_rules;
    pl_figure_options options = {0};
    set(&options, "title", "W_0 of 15.q_proj");
    set(&options, "xlabel", "");
    set(&options, "xlim", "2:");
    set(&options, "ylim", ":1.5");
    set(&options, "names", "1=W_0,2=Astro\\, \\beta = 10^{-3}");
    set(&options, "colors", "#102030,vermilion");
    pl_check_ok(pl_figure_options_apply(&options, &f, &err), err);
    pl_buf plain = {0};
    pl_label_plain(f.title, &plain);
    assert_string_equal(plain.data, "W\u2080 of 15.q_proj");
    plain.size = 0;
    pl_label_plain(f.series[1].label, &plain);
    assert_string_equal(plain.data, "Astro, \u03b2 = 10\u207b\u00b3");
    pl_buf_deinit(&plain);
    assert_string_equal(f.x.label, "");
    pl_check_close(f.x.lo, 2, 0, 1e-12);
    pl_check_close(f.x.hi, 19.5, 0, 1e-12);
    pl_check_close(f.y.hi, 1.5, 0, 1e-12);
    assert_true(f.x.cropped);
    assert_true(f.y.cropped);
    assert_int_equal(f.series[0].rgb, 0x102030);
    assert_int_equal(f.series[1].rgb, 0xd55e00);
    assert_int_equal(f.series[2].rgb, 0x102030);
    assert_int_equal(f.n_rules, rules - 1);
    pl_figure_deinit(&f);
}

static void what_a_figure_cannot_have_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *name, *value, *says;
        bool log, table;
    } bad[] = {
        {"ylim", "0:1", "ylim=: the axis is logarithmic, expected limits above 0", true, false},
        {"xlim", "99:100", "xlim=: from 99 to 100 there is nothing: the data's own range is", false,
         false},
        {"xlim", "99:", "xlim=: from 99 to 19.5, expected a rising range", false, false},
        {"names", "after2=x", "names=: no series is \"after2\"; the figure has 1 (", false, false},
        {"names", "1=\\foo", "names=: \\foo is not known", false, false},
        {"xlim", "0:1", "a table has no axes and no legend", false, true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pl_error err = {0};
        pl_figure f = bad[i].table ? pl_sample_table(3, 3) : pl_sample_marks(PL_MARK_LINE, 2, 20);
        pl_figure_options options = {0};
        f.y.log = bad[i].log;
        f.y.lo = bad[i].log ? 0.1 : f.y.lo;
        set(&options, bad[i].name, bad[i].value);
        assert_int_equal(pl_figure_options_apply(&options, &f, &err), PL_ERR_USAGE);
        pl_check_says(err, bad[i].says);
        pl_figure_deinit(&f);
    }
}

static void a_panel_inherits_all_but_the_title(void **state)
{
    (void)state;
    pl_figure_options page = {0}, panel = {0};
    set(&page, "title", "page");
    set(&page, "legend", "right");
    set(&page, "text", "7pt");
    set(&panel, "text", "9");
    pl_figure_options_inherit(&panel, &page);
    assert_false(panel.title.given);
    assert_int_equal(panel.legend.index, PL_LEGEND_RIGHT);
    pl_check_close(panel.text.points, 9, 0, 1e-12);
    /* What a panel lacks, the page's options do not ask of it; its own do. */
    pl_error err = {0};
    pl_figure f = pl_sample_marks(PL_MARK_LINE, 1, 20), table = pl_sample_table(3, 3);
    set(&page, "names", "before=W,2=b");
    set(&page, "xlim", "0:5");
    pl_figure_options_inherit(&panel, &page);
    pl_check_ok(pl_figure_options_apply(&panel, &f, &err), err);
    assert_string_equal(f.series[0].label, "W");
    pl_check_ok(pl_figure_options_apply(&panel, &table, &err), err);
    assert_int_equal(pl_figure_options_apply(&page, &table, &err), PL_ERR_USAGE);
    assert_int_equal(pl_figure_options_apply(&page, &f, &err), PL_ERR_USAGE);
    pl_figure_deinit(&f);
    pl_figure_deinit(&table);
}

static void labels_hold_simple_mathematics(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *plain;
    } labels[] = {
        {"x^2", "x\u00b2"},
        {"W_0", "W\u2080"},
        {"10^-4", "10\u207b\u2074"},
        {"10^{-4}", "10\u207b\u2074"},
        {"\\beta", "\u03b2"},
        {"\\lambda_0", "\u03bb\u2080"},
        {"\\lambda_{max}", "\u03bb\u2098\u2090\u2093"},
        {"e^{ab}", "e^{ab}"},
        {"X^\\top", "X^{\u22a4}"},
        {"15.q_proj", "15.q_proj"},
        {"group_max, q_proj_0", "group_max, q_proj_0"},
        {"a\\_0", "a_0"},
        {"_x ^y", "_x ^y"},
        {"|W|_1 \\times 3", "|W|\u2081 \u00d7 3"},
        {"x\u00b2 W\u2080 \u03b2", "x\u00b2 W\u2080 \u03b2"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        pl_buf text = {0}, plain = {0};
        pl_error err = {0};
        pl_check_ok(pl_label_read(labels[i].typed, &text, &err), err);
        pl_label_plain(text.data, &plain);
        if (strcmp(plain.data, labels[i].plain) != 0) {
            fail_msg("%s: %s", labels[i].typed, plain.data);
        }
        pl_buf_deinit(&text);
        pl_buf_deinit(&plain);
    }
}

/* Any bytes: an error or a text whose pieces are within it, in order, without marks. */
static void any_label_is_read_or_refused(void **state)
{
    (void)state;
    static const char letters[] = "ab0_^{}\\-. \xce\xb2\xee\x80\x80\xee\x80\x82\xff";
    uint32_t seed = 1;
    size_t read = 0;
    for (size_t i = 0; i < 20000; i++) {
        char typed[24];
        size_t length = 0;
        for (; length + 1 < sizeof typed; length++) {
            seed = seed * 1664525u + 1013904223u;
            typed[length] = letters[(seed >> 16) % (sizeof letters - 1)];
            if ((seed >> 8) % 11 == 0) {
                break;
            }
        }
        typed[length] = '\0';
        pl_buf text = {0}, out = {0}, plain = {0};
        pl_error err = {0};
        if (pl_label_read(typed, &text, &err) == PL_OK) {
            pl_label_piece pieces[PL_LABEL_PIECES];
            size_t count = pl_label_pieces(text.data, i % 2 == 0, &out, pieces);
            size_t at = 0;
            expect_at_most(count, PL_LABEL_PIECES);
            for (size_t k = 0; k < count; k++) {
                assert_int_equal(pieces[k].first, at);
                at += pieces[k].size;
            }
            assert_int_equal(at, strlen(out.data));
            pl_label_plain(text.data, &plain);
            read++;
        } else {
            assert_int_equal(err.code, PL_ERR_USAGE);
        }
        pl_buf_deinit(&text);
        pl_buf_deinit(&out);
        pl_buf_deinit(&plain);
    }
    expect_less(2000, read);
}

static void methods_are_written_as_papers_do(void **state)
{
    (void)state;
    static const char *const chains[][2] = {
        {"hadamard > astro beta=0.0003 > gptq bits=3", "Hadamard + Astro \u03b2 = 3e-4 + GPTQ, W3"},
        {"magr alpha=0.00125", "MagR \u03b1 = 1.25e-3"},
        {"astro beta=0.5", "Astro \u03b2 = 0.5"},
        {"flatquant", "FlatQuant"},
        {"import of quantized", "import of quantized"},
        {"none", "none"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        pl_buf out = {0};
        pl_kind_in_full(chains[i][0], &out);
        assert_string_equal(out.data, chains[i][1]);
        pl_buf_deinit(&out);
    }
}

/* A legend on paper names what rules: a target, not the beta that nobody gave. */
static void the_strength_that_rules_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"astro", "Astro target = 0.2"},
                                           {"astro beta=0.001", "Astro \u03b2 = 1e-3"}};
    for (size_t i = 0; i < 2; i++) {
        pl_state demo;
        pl_buf out = {0};
        pl_error err;
        demo_state(&demo, true);
        demo_method(&demo, cases[i][0]);
        pl_check_ok(pl_state_set_result(&demo, 0, pl_state_plan(&demo, 0), (pl_id){1, 2}, &err),
                    err);
        pl_kind_label(&demo, 0, PL_WHICH_PRECONDITIONED, true, &out);
        assert_string_equal(out.data, cases[i][1]);
        pl_buf_deinit(&out);
        pl_state_deinit(&demo);
    }
}

/* --- SVG -------------------------------------------------------------------------------------- */

static char *svg_of(const pl_figure *f, bool outlines)
{
    char path[1024];
    pl_error err = {0};
    char *svg = NULL;
    size_t size = 0;
    pl_figure panel = *f;
    const pl_page page = {3.25, 2.5, 300};
    const pl_sheet sheet = {.rows = 1, .cols = 1, .panels = &panel, .outlines = outlines};
    snprintf(path, sizeof path, "%s/text.svg", own_folder.folder);
    pl_check_ok(pl_page_write_sheet(&sheet, &page, NULL, 0, path, NULL, NULL, &err), err);
    pl_check_ok(pl_file_read_all(path, 1 << 22, &svg, &size, &err), err);
    return svg;
}

static void a_log_axis_suits_one_large_value(void **state)
{
    (void)state;
    pl_figure f = pl_sample_marks(PL_MARK_LINE, 1, 9);
    for (size_t i = 0; i < 9; i++) {
        f.series[0].y[i] = i == 0 ? 19 : 1;
    }
    assert_false(pl_fit_wants_log(&f));
    f.series[0].y[0] = 21;
    assert_true(pl_fit_wants_log(&f));
    pl_figure_deinit(&f);
}

static pl_buf csv_of(pl_figure *figure)
{
    pl_buf csv = {0};
    const pl_sheet sheet = {.rows = 1, .cols = 1, .panels = figure};
    pl_sheet_csv(&sheet, &csv);
    pl_buf_append(&csv, "", 0);
    assert_non_null(csv.data);
    return csv;
}

static void a_copy_is_a_figure_of_its_own(void **state)
{
    (void)state;
    pl_error err = {0};
    for (pl_mark mark = PL_MARK_LINE; mark <= PL_MARK_BOX; mark++) {
        pl_figure figure = pl_sample_marks(mark, 3, 20), copy = {0};
        pl_check_ok(pl_figure_rule(&figure, 1, false, "one", &err), err);
        pl_figure_fact(&figure, "flatness", "%d", 7);
        pl_check_ok(pl_figure_copy(&figure, &copy, &err), err);
        pl_buf before = csv_of(&figure), changed = {0};
        pl_figure_options options = {0};
        set(&options, "title", "another");
        set(&options, "names", "1=W");
        set(&options, "xlim", "2:5");
        pl_check_ok(pl_figure_options_apply(&options, &copy, &err), err);
        changed = csv_of(&copy);
        assert_string_not_equal(before.data, changed.data);
        pl_figure_deinit(&copy);
        pl_buf_deinit(&changed);
        pl_check_ok(pl_figure_copy(&figure, &copy, &err), err);
        pl_figure_deinit(&figure);
        pl_buf after = csv_of(&copy);
        assert_string_equal(before.data, after.data);
        pl_buf_deinit(&before);
        pl_buf_deinit(&after);
        pl_figure_deinit(&copy);
    }
    pl_figure heat = pl_sample_heat(6, 9, 2, 3), copy = {0};
    pl_buf before = csv_of(&heat);
    pl_check_ok(pl_figure_copy(&heat, &copy, &err), err);
    pl_figure_deinit(&heat);
    pl_buf after = csv_of(&copy);
    assert_string_equal(before.data, after.data);
    pl_buf_deinit(&before);
    pl_buf_deinit(&after);
    pl_figure_deinit(&copy);
    pl_figure table = pl_sample_table(3, 2);
    assert_int_equal(pl_figure_copy(&table, &copy, &err), PL_ERR_USAGE);
    assert_string_equal(err.message, "figure: a table is not copied");
    pl_figure_deinit(&table);
}

static void an_svg_holds_its_letters_as_text(void **state)
{
    (void)state;
    pl_figure f = pl_sample_marks(PL_MARK_LINE, 2, 20);
    pl_figure_options options = {0};
    pl_error err = {0};
    set(&options, "title", "a < b & W_0^2 url(#i0)");
    pl_check_ok(pl_figure_options_apply(&options, &f, &err), err);
    char *text = svg_of(&f, false);
    char *outline = svg_of(&f, true);
    assert_non_null(strstr(text, "a &lt; b &amp; W<tspan dy=\""));
    assert_non_null(strstr(text, "url(#i0)</tspan></text>"));
    assert_non_null(strstr(text, "font-family=\"DejaVu Sans, "));
    assert_null(strstr(text, "id=\"glyph"));
    assert_null(strstr(text, "<symbol"));
    assert_null(strstr(outline, "<text"));
    assert_non_null(strstr(text, "<title>a &lt; b &amp; W\u2080\u00b2 url(#i0)</title>"));
    free(text);
    free(outline);
    pl_figure_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_says_what_it_expects),
        cmocka_unit_test(options_change_the_figure),
        cmocka_unit_test(what_a_figure_cannot_have_is_refused),
        cmocka_unit_test(a_panel_inherits_all_but_the_title),
        cmocka_unit_test(labels_hold_simple_mathematics),
        cmocka_unit_test(any_label_is_read_or_refused),
        cmocka_unit_test(methods_are_written_as_papers_do),
        cmocka_unit_test(the_strength_that_rules_is_named),
        cmocka_unit_test(a_log_axis_suits_one_large_value),
        cmocka_unit_test(a_copy_is_a_figure_of_its_own),
        cmocka_unit_test(an_svg_holds_its_letters_as_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
