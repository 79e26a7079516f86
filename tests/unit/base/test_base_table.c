/* Tables as text, CSV and LaTeX. */
#include "tests/support/check.h"

#include "core/base/latex.h"
#include "core/base/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {"say \"a, b\"", "50 % & #1", "x_1 ~ {y}^$\\|", "two\nlines",
                                    ""};
static const double numbers[] = {-1.25, 1.5e-7, 12345678901.0, (double)NAN, 0.1 + 0.2};

enum { ROWS = 5 };

static void make_table(pl_table *table)
{
    pl_error err;
    pl_check_ok(pl_table_init(table, ROWS, 3, &err), err);
    pl_check_ok(pl_table_head(table, 0, "token", &err), err);
    pl_check_ok(pl_table_head(table, 1, "max |x|", &err), err);
    pl_check_ok(pl_table_head(table, 2, "empty", &err), err);
    for (size_t r = 0; r < ROWS; r++) {
        pl_check_ok(pl_table_text(table, r, 0, texts[r], &err), err);
        pl_check_ok(pl_table_number(table, r, 1, "%#.4g", numbers[r], "\u2014", &err), err);
    }
}

/* The next field of RFC 4180's grammar; *at moves behind its comma or line end. */
static void read_field(const char **at, pl_buf *out)
{
    const char *c = *at;
    out->size = 0;
    const bool quoted = *c == '"';
    c += quoted;
    while (quoted ? *c != '"' || c[1] == '"' : *c != ',' && *c != '\n') {
        assert_int_not_equal(*c, '\0');
        pl_buf_append(out, c, 1);
        c += quoted && *c == '"' ? 2 : 1;
    }
    c += quoted;
    assert_true(*c == ',' || *c == '\n');
    *at = c + 1;
    pl_buf_append(out, "", 0);
}

static void test_csv_comes_back(void **state)
{
    (void)state;
    pl_table table;
    pl_buf csv = {0}, field = {0};
    make_table(&table);
    pl_table_put_csv(&table, &csv);
    assert_null(strchr(csv.data, '\r'));
    const char *at = csv.data;
    read_field(&at, &field);
    assert_string_equal(field.data, "token");
    read_field(&at, &field);
    read_field(&at, &field);
    for (size_t r = 0; r < ROWS; r++) {
        read_field(&at, &field);
        assert_int_equal(field.size, strlen(texts[r]));
        assert_memory_equal(field.data, texts[r], field.size);
        read_field(&at, &field);
        if (isnan(numbers[r])) {
            assert_int_equal(field.size, 0);
        } else {
            pl_check_close(strtod(field.data, NULL), numbers[r], 1e-9, 0);
        }
        read_field(&at, &field);
        assert_int_equal(field.size, 0);
    }
    assert_int_equal(*at, '\0');
    pl_table_deinit(&table);
    pl_buf_deinit(&csv);
    pl_buf_deinit(&field);
}

/* Every brace closes, and no character of LaTeX's stands unescaped. */
static void test_latex_is_balanced(void **state)
{
    (void)state;
    pl_table table;
    pl_buf tex = {0};
    make_table(&table);
    pl_table_put_latex(&table, &tex);
    int depth = 0, dollars = 0;
    size_t ends = 0;
    for (const char *c = tex.data; *c != '\0'; c++) {
        if (*c == '\\') {
            ends += c[1] == '\\';
            c++; /* what it escapes */
            continue;
        }
        depth += *c == '{' ? 1 : *c == '}' ? -1 : 0;
        dollars += *c == '$';
        expect_at_most(0, depth);
        assert_null(strchr("%#~_|", *c));
        assert_true(*c != '^' || dollars % 2 == 1); /* an exponent */
    }
    assert_int_equal(depth, 0);
    assert_int_equal(dollars % 2, 0);
    assert_int_equal(ends, ROWS + 1);
    assert_non_null(strstr(tex.data, "\\begin{tabular}{lrl}\n\\toprule\ntoken & max "
                                     "\\textbar{}x\\textbar{} & empty \\\\\n\\midrule\n"));
    assert_non_null(strstr(tex.data, " & $-$1.250 & "));
    assert_non_null(strstr(tex.data, " & 1.500 $\\times 10^{-7}$ & "));
    assert_non_null(strstr(tex.data, "\\bottomrule\n\\end{tabular}\n"));
    assert_non_null(strstr(tex.data, "50 \\% \\& \\#1 & "));
    pl_table_deinit(&table);
    pl_buf_deinit(&tex);
}

/* Texts that are numbers stand to the right, beside a dash where there is none; names do not. */
static void test_latex_turns_numbers_right(void **state)
{
    (void)state;
    static const char *const cells[2][4] = {
        {"0.q_proj", "\u22124.21", "-", "-"},
        {"1.396\u00a0±\u00a00.025", "3", "0.989\u00a0±\u00a00.051*", ""}};
    pl_table table;
    pl_buf tex = {0};
    pl_error err = {0};
    pl_check_ok(pl_table_init(&table, 2, 4, &err), err);
    for (size_t i = 0; i < 8; i++) {
        pl_check_ok(pl_table_text(&table, i / 4, i % 4, cells[i / 4][i % 4], &err), err);
    }
    pl_table_put_latex(&table, &tex);
    assert_non_null(strstr(tex.data, "{lrrl}\n"));
    assert_non_null(strstr(tex.data, "\n1.396~$\\pm$~0.025 & 3 & 0.989~$\\pm$~0.051* &  \\\\\n"));
    pl_table_deinit(&table);
    pl_buf_deinit(&tex);
}

static void check_text(const pl_table *table, size_t columns, const char *least, const char *head,
                       const char *last)
{
    pl_buf text = {0};
    pl_table_put_text(table, columns, least, &text);
    if (strncmp(text.data, head, strlen(head)) != 0 || strstr(text.data, last) == NULL) {
        fail_msg("%zu columns: %s", columns, text.data);
    }
    pl_buf_deinit(&text);
}

/* Columns go where they do not fit: those without a value, the least ones, those to the right. */
static void test_text_fits(void **state)
{
    (void)state;
    pl_table table;
    make_table(&table);
    check_text(&table, 0, NULL, "token            max |x|  empty\nsay \"a, b\"        -1.250",
               "  -    \n");
    check_text(&table, 200, NULL, "token            max |x|  empty\n", "two\\nlines");
    check_text(&table, 30, NULL, "token            max |x|\n",
               "(wider than the terminal: without empty)\n");
    check_text(&table, 20, "empty token", "token        \n", "without max |x|, empty)\n");
    check_text(&table, 1, NULL, "token        \n", "without max |x|, empty)\n");
    pl_table_deinit(&table);

    pl_error err;
    pl_check_ok(pl_table_init(&table, 1, 3, &err), err);
    static const char *const heads[] = {"name", "rows", "error"};
    for (size_t c = 0; c < 3; c++) {
        pl_check_ok(pl_table_head(&table, c, heads[c], &err), err);
        pl_check_ok(pl_table_number(&table, 0, c, "%g", 1, "-", &err), err);
    }
    check_text(&table, 12, "cols rows", "name  error\n", "without rows)\n");
    check_text(&table, 12, NULL, "name  rows\n", "without error)\n");
    check_text(&table, 17, "rows+error", "name  rows  error\n", "1");
    check_text(&table, 12, "rows+error", "name\n", "without rows, error)\n");
    check_text(&table, 12, "cols+rows error", "name  error\n", "without rows)\n");
    pl_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_comes_back),
        cmocka_unit_test(test_latex_turns_numbers_right),
        cmocka_unit_test(test_latex_is_balanced),
        cmocka_unit_test(test_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
