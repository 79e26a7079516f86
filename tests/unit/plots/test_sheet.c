/* Grids: shared axes, CSV; what a file says of itself, read back. */
#include "plots/build.h"
#include "plots/page.h"
#include "plots/provenance.h"
#include "plots/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"
#include "tests/unit/plots/one_figure.h"

enum { PATH = 1024 };

static void path_in(const char *name, char out[PATH])
{
    snprintf(out, PATH, "%s/%s", own_folder.folder, name);
}

/* Two points, x from lo to hi. */
static void make_figure(pl_figure *figure, double lo, double hi, pl_mark mark)
{
    pl_series *series = NULL;
    *figure = (pl_figure){0};
    pl_check_ok(pl_figure_texts(figure, "a title, quoted", "rank", "value", NULL), (pl_error){0});
    pl_check_ok(pl_figure_add(figure, "first", mark, PL_TONE_BEFORE, 2, &series, NULL),
                (pl_error){0});
    size_t edges = mark == PL_MARK_STEPS ? 3 : 2;
    for (size_t i = 0; i < edges; i++) {
        series->x[i] = lo + (hi - lo) * (double)i / (double)(edges - 1);
    }
    for (size_t i = 0; i < 2 * pl_mark_width(mark); i++) {
        series->y[i] = (double)i + 0.5;
    }
    figure->x.lo = lo;
    figure->x.hi = hi;
    figure->y.lo = 0;
    figure->y.hi = 20;
}

static char *csv_of(pl_figure *panels, size_t cols)
{
    pl_buf out = {0};
    const pl_sheet sheet = {.rows = 1, .cols = cols, .panels = panels};
    pl_sheet_csv(&sheet, &out);
    assert_false(out.failed);
    return out.data;
}

static void shared_axes_have_one_range(void **state)
{
    (void)state;
    pl_figure panels[2];
    make_figure(&panels[0], 0, 4, PL_MARK_LINE);
    make_figure(&panels[1], 2, 9, PL_MARK_LINE);
    panels[1].y.hi = 50;
    pl_sheet sheet = {.rows = 1, .cols = 2, .panels = panels, .share_y = true};
    pl_error err = {0};
    pl_check_ok(pl_sheet_share(&sheet, &err), err);
    expect_close(panels[0].y.hi, 50, 0);
    expect_close(panels[0].x.hi, 4, 0);
    sheet = (pl_sheet){.rows = 2, .cols = 1, .panels = panels, .share_x = true};
    pl_check_ok(pl_sheet_share(&sheet, &err), err);
    expect_close(panels[0].x.hi, 9, 0);
    expect_close(panels[1].x.lo, 0, 0);
    /* A panel's own limits are those of all; the other end spans the data. */
    pl_figure_options options[2] = {0};
    options[0].xlim = (pl_option_RANGE){.given = true, .has_lo = true, .lo = 1.5};
    panels[0].x.lo = 1.5;
    panels[0].x.hi = 4;
    panels[1].x.hi = 9;
    panels[1].x.lo = 0;
    sheet.options = options;
    pl_check_ok(pl_sheet_share(&sheet, &err), err);
    for (size_t i = 0; i < 2; i++) {
        expect_close(panels[i].x.lo, 1.5, 0);
        expect_close(panels[i].x.hi, 9, 0);
        assert_true(panels[i].x.cropped);
    }
    options[1].xlim = (pl_option_RANGE){.given = true, .has_hi = true, .hi = 1};
    panels[1].x.lo = 0;
    panels[1].x.hi = 1;
    assert_int_equal(pl_sheet_share(&sheet, &err), PL_ERR_USAGE);
    pl_check_says(err, "the x axes share 1.5 to 1 by the panels' xlim=");
    panels[1].x.log = true;
    assert_int_equal(pl_sheet_share(&sheet, &err), PL_ERR_USAGE);
    pl_check_says(err, "cannot be shared");
    panels[1].x.log = false;
    pl_check_ok(pl_figure_table(&panels[1], 1, 1, &err), err);
    assert_int_equal(pl_sheet_share(&sheet, &err), PL_ERR_USAGE);
    pl_check_says(err, "a table has no x axis");
    pl_figure_deinit(&panels[0]);
    pl_figure_deinit(&panels[1]);
}

/* Boxes side by side share the rows of their names; a column's name has no comma; a line without a
 * name is the points' own. */
static void csv_is_one_plain_table(void **state)
{
    (void)state;
    pl_figure figure;
    pl_series *series = NULL;
    make_figure(&figure, -0.2, 0.8, PL_MARK_BOX);
    pl_check_ok(pl_figure_text(&figure.series[0].label, "astro, b = 1", NULL), (pl_error){0});
    pl_check_ok(pl_figure_add(&figure, "after", PL_MARK_BOX, PL_TONE_AFTER, 2, &series, NULL),
                (pl_error){0});
    series->x[0] = 0.2;
    series->x[1] = 1.2;
    pl_check_ok(pl_figure_names(&figure.x, 2, NULL), (pl_error){0});
    pl_check_ok(pl_figure_text(&figure.x.names[0], "0-127", NULL), (pl_error){0});
    pl_check_ok(pl_figure_text(&figure.x.names[1], "#,", NULL), (pl_error){0});
    char *csv = csv_of(&figure, 1);
    assert_non_null(strstr(csv, "\nrank,astro b = 1 min,astro b = 1 1%,"));
    assert_non_null(strstr(csv, ",after max\n0-127,0.5,1.5,2.5,3.5,4.5,5.5,6.5,0,0,0,0,0,0,0\n"
                                "\"#,\",7.5,"));
    assert_null(strstr(csv, "\n\n"));
    free(csv);
    pl_figure_deinit(&figure);

    make_figure(&figure, 0, 1, PL_MARK_LINE);
    pl_check_ok(pl_figure_text(&figure.series[0].label, "", NULL), (pl_error){0});
    pl_check_ok(pl_figure_add(&figure, "named", PL_MARK_POINTS, PL_TONE_AFTER, 2, &series, NULL),
                (pl_error){0});
    series->x[1] = 1;
    series->y[0] = 0.5;
    series->y[1] = 1.5;
    csv = csv_of(&figure, 1);
    assert_non_null(strstr(csv, "\nrank,named\n0,0.5\n1,1.5\n"));
    free(csv);
    pl_figure_deinit(&figure);
}

static void csv_of_each_mark(void **state)
{
    (void)state;
    pl_figure figure;
    make_figure(&figure, 1, 2, PL_MARK_STEPS);
    pl_figure_fact(&figure, "eps_rank", "%d of %d", 3, 4);
    char *csv = csv_of(&figure, 1);
    assert_string_equal(csv, "# a title, quoted\n# eps_rank: 3 of 4\n"
                             "rank (from),rank (to),first\n1,1.5,0.5\n1.5,2,1.5\n");
    free(csv);
    pl_figure_deinit(&figure);
    make_figure(&figure, 1, 2, PL_MARK_FAN);
    csv = csv_of(&figure, 1);
    assert_non_null(strstr(csv, "rank,first min,first 1%,first 25%,first median,first 75%,"
                                "first 99%,first max\n1,0.5,1.5,2.5,3.5,4.5,5.5,6.5\n"));
    free(csv);
    pl_check_ok(pl_figure_heat(&figure, 1, 2, "max |x|", NULL), (pl_error){0});
    figure.heat->values[0] = 0.25F;
    figure.heat->step = 8;
    figure.n_series = 0;
    csv = csv_of(&figure, 1);
    assert_non_null(strstr(csv, "\nvalue,0,8\n0,0.25,\n")); /* no value: empty */
    free(csv);
    figure.n_series = 1;
    pl_check_ok(pl_figure_table(&figure, 1, 2, NULL), (pl_error){0});
    pl_check_ok(pl_figure_text(&figure.table->heads[0], "token", NULL), (pl_error){0});
    pl_check_ok(pl_figure_text(&figure.table->cells[0], "say \"a, b\"", NULL), (pl_error){0});
    csv = csv_of(&figure, 1);
    assert_non_null(strstr(csv, "token,\n\"say \"\"a, b\"\"\",\n"));
    free(csv);
    pl_figure_deinit(&figure);
}

static const pl_provenance entries[] = {
    {"Planish-Commands", "method astro beta=0.0003\nselect 'a; <b> & \xcf\x80'\nplot channels\n"},
    {"Planish-Model", "demo 00112233445566778899aabbccddeeff"},
    {"Software", "planish"},
    {"Description", "(a) \xce\xb2 = 1, with ( and ) and \\."},
};

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const char *const names[] = {"a.png", "a.pdf", "a.svg", "a.csv"};
    pl_figure figure;
    make_figure(&figure, 1, 2, PL_MARK_LINE);
    for (size_t i = 0; i < 4; i++) {
        char path[PATH];
        pl_error err = {0};
        pl_origin origin;
        path_in(names[i], path);
        pl_check_ok(
            write_figure_page(&figure, &(pl_page){3, 2, 72}, entries, 4, path, NULL, NULL, &err),
            err);
        pl_check_ok(pl_origin_read(path, &origin, &err), err);
        const char *commands = pl_origin_value(&origin, "Planish-Commands");
        assert_non_null(commands);
        assert_string_equal(commands, i == 0 ? entries[0].value
                                             : "method astro beta=0.0003; select 'a; <b> & "
                                               "\xcf\x80'; plot channels");
        for (size_t k = 1; k < 4; k++) {
            const char *value = pl_origin_value(&origin, entries[k].key);
            assert_non_null(value);
            assert_string_equal(value, entries[k].value);
        }
        assert_null(pl_origin_value(&origin, "Planish-Nothing"));
        pl_origin_deinit(&origin);
    }
    pl_figure_deinit(&figure);
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"", 0},
        {"\x89PNG\r\n\x1a\n", 8},
        {"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXtPlanish-Commands\0x", 34},
        {"\x89PNG\r\n\x1a\n\0\0\0\0tEXt\0\0\0\0", 20},
        {"%PDF-1.4 /Keywords (unclosed", 28},
        {"%PDF-1.4 /Keywords <FEFFzz", 26},
        {"%PDF-1.4 /Keywords (no colon)", 29},
        {"<?xml <desc>\nPlanish-Commands: x", 32},
        {"# Planish-Commands without colon\n", 33},
        {"GIF89a", 6},
    };
    char path[PATH];
    path_in("bad", path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_error err = {0};
        pl_origin origin;
        write_bytes(path, cases[i].bytes, cases[i].size);
        assert_int_equal(pl_origin_read(path, &origin, &err), PL_ERR_FORMAT);
        pl_check_says(err, path);
        assert_int_equal(origin.n, 0);
    }
}

/* Every prefix of a good file is either read or refused, never more. */
static void cut_files_do_no_harm(void **state)
{
    (void)state;
    static const char *const names[] = {"a.png", "a.pdf", "a.svg", "a.csv"};
    char path[PATH];
    char cut[PATH];
    path_in("cut", cut);
    for (size_t i = 0; i < 4; i++) {
        path_in(names[i], path);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        static char bytes[1 << 20];
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        for (size_t n = 0; n < size; n += size / 97 + 1) {
            pl_origin origin;
            write_bytes(cut, bytes, n);
            if (pl_origin_read(cut, &origin, NULL) == PL_OK) {
                pl_origin_deinit(&origin);
            }
        }
    }
}

static void pictures_are_compared(void **state)
{
    (void)state;
    char a[PATH];
    char b[PATH];
    pl_error err = {0};
    pl_figure figure;
    make_figure(&figure, 1, 2, PL_MARK_LINE);
    path_in("x.png", a);
    path_in("y.png", b);
    const pl_page page = {2, 2, 50};
    pl_check_ok(write_figure_page(&figure, &page, NULL, 0, a, NULL, NULL, &err), err);
    pl_check_ok(write_figure_page(&figure, &page, NULL, 0, b, NULL, NULL, &err), err);
    size_t pixels = 0;
    size_t differ = 1;
    int largest = 1;
    pl_check_ok(pl_png_compare(a, b, &pixels, &differ, &largest, &err), err);
    assert_int_equal(pixels, 10000);
    assert_int_equal(differ, 0);
    assert_int_equal(largest, 0);
    figure.series[0].y[0] = 15;
    pl_check_ok(write_figure_page(&figure, &page, NULL, 0, b, NULL, NULL, &err), err);
    pl_check_ok(pl_png_compare(a, b, &pixels, &differ, &largest, &err), err);
    expect_less(10, differ);
    expect_less(differ, 5000);
    expect_less(50, largest);
    pl_check_ok(write_figure_page(&figure, &(pl_page){1, 1, 50}, NULL, 0, b, NULL, NULL, &err),
                err);
    pl_check_ok(pl_png_compare(a, b, &pixels, &differ, &largest, &err), err);
    assert_int_equal(differ, pixels);
    write_bytes(b, "no picture", 10);
    assert_int_equal(pl_png_compare(a, b, &pixels, &differ, &largest, &err), PL_ERR_FORMAT);
    pl_figure_deinit(&figure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_axes_have_one_range),
        cmocka_unit_test(csv_is_one_plain_table),
        cmocka_unit_test(csv_of_each_mark),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(cut_files_do_no_harm),
        cmocka_unit_test(pictures_are_compared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
