/* The includes, circles of them, calls, lengths, pragmas and names of all sources against the rules
 * of the house; and the rules themselves against planted violations, for a check that finds nothing
 * proves nothing. */
#include "tests/support/check.h"

#include "core/base/file.h"
#include "tests/arrows/circles.h"
#include "tests/arrows/rules.h"
#include "tests/arrows/statics.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

/* text: a whole file of that path; finds: part of the complaint, NULL where there must be none. */
static const struct {
    const char *path, *text, *finds;
} planted[] = {
    {"core/base/a.c", "#include \"core/tensor/mat.h\"\n", "a.c:1: goes against the arrows"},
    {"core/tensor/a.c", "#include \"core/base/text.h\"\n", NULL},
    {"core/tensor/a.c", "int x;\n#include \"core/io/npy.h\"\n", "a.c:2: goes against the arrows"},
    {"core/method/a.c", "#include \"core/model/model.h\"\n", "arrows: core/model/model.h"},
    {"core/method/a.c", "#include \"core/format/grid.h\"\n", NULL},
    {"core/metrics/a.c", "#include \"core/calib/stats.h\"\n", "goes against the arrows"},
    {"core/metrics/a.c", "#include \"core/format/grid.h\"\n", NULL},
    {"core/lab/a.c", "#include \"core/calib/stats.h\"\n", NULL},
    {"core/lab/a.c", "#include \"plots/figure.h\"\n", "goes against the arrows"},
    {"core/lab/a.c", "#include \"core/lab/b_parts.h\"\n", NULL},
    {"core/live/a.c", "#include \"core/lab/b_parts.h\"\n", "private to its folder"},
    {"app/a.c", "#include \"views/b_parts.h\"\n", "private to its folder: views/b_parts.h"},
    {"tests/unit/a.c", "#include \"core/lab/b_parts.h\"\n", NULL},
    {"core/lab/a.c", "  #  include \"views/panel.h\"\n", "goes against the arrows"},
    {"core/lab/a.c", "/* #include \"views/panel.h\" */ int x;\n", NULL},
    {"core/lab/a.c", "/*\n#include \"views/panel.h\"\n*/\n", NULL},
    {"core/lab/a.c", "#include \"/* \" */\n", "is not included from the root"},
    {"core/corex/a.c", "#include \"corex/b.h\"\n", "is not included from the root"},
    {"core/lab/a.c", "#include \"state.h\"\n", "is not included from the root"},
    {"core/lab/a.c", "#include \"../state/state.h\"\n", "is not included from the root"},
    {"core/lab/a.c", "#include \"tests/support/check.h\"\n", "is not included from the root"},
    {"core/lab/a.c", "#include HEADER\n", "names no header"},
    {"plots/a.c", "#include \"sessions/session.h\"\n", "goes against the arrows"},
    {"plots/a.c", "#include <cairo-pdf.h>\n#include <pango/pangocairo.h>\n#include <png.h>\n",
     NULL},
    {"plots/a.c", "#include <ncurses.h>\n", "may not use this library: ncurses.h"},
    {"sessions/a.c", "#include \"plots/page.h\"\n", "goes against the arrows"},
    {"sessions/a.c", "#include <sqlite3.h>\n", NULL},
    {"views/a.c", "#include \"plots/figure.h\"\n", NULL},
    {"views/a.c", "#include \"sessions/session.h\"\n", "goes against the arrows"},
    {"views/a.c", "#include \"app/command.h\"\n", "goes against the arrows"},
    {"views/a.c", "#include \"core/solve/linf.h\"\n", "may not call solvers"},
    {"views/a.c", "#include \"core/method/method.h\"\n", NULL},
    {"views/a.c", "#include <sqlite3.h>\n", "may not use this library"},
    {"views/a.c", "#include <png.h>\n", "may not use this library"},
    {"app/a.c", "#include <readline/readline.h>\n#include \"views/panel.h\"\n", NULL},
    {"core/io/a.c", "#include <cblas.h>\n", "may not use this library"},
    {"core/tensor/mat.c", "#include <lapacke.h>\n", "may not use this library"},
    {"core/tensor/linalg.c", "#include <cblas.h>\n#include <lapacke.h>\n", NULL},
    {"tests/unit/a.c", "#include \"views/panel.h\"\n#include <vterm.h>\n", NULL},
    {"views/terminal.c", "void f(void) { initscr(); endwin(); }\n", NULL},
    {"views/screen.c", "void f(void) { endwin(); }\n", "screen.c:1: may not use endwin"},
    {"app/main.c", "int x = 1;\nvoid f(void) { initscr(); }", "main.c:2: may not use initscr"},
    {"core/model/hub.c", "x = getenv(\"HOME\");\n", NULL},
    {"core/model/model.c", "x = getenv(\"HOME\");\n", "may not use getenv"},
    {"app/main.c", "x = getenv(\"HOME\"); printf(\"\"); exit(1);\n", NULL},
    {"core/io/a.c", "snprintf(x, 1, \"printf(stderr)\"); pl_exit(); /* abort() */ // exit\n", NULL},
    {"app/commands/a.c", "#include \"app/usage.h\"\n", NULL},
    {"app/commands/a.c", "#include \"app/workbench/services.h\"\n", NULL},
    {"app/commands/a.c", "#include \"app/workbench/parts.h\"\n", "goes against the arrows"},
    {"app/workbench/a.c", "#include \"app/commands/parts.h\"\n", "goes against the arrows"},
    {"app/workbench/lines.c", "#include \"app/workbench/work.h\"\n", NULL},
    {"app/workbench/work.c", "#include \"app/workbench/lines.h\"\n", "against the layers"},
    {"app/workbench/new.c", "#include \"app/workbench/say.h\"\n", "against the layers"},
    {"app/command.c", "#include \"app/commands/list.h\"\n", NULL},
    {"app/batch.c", "#include \"app/commands/parts.h\"\n", "goes against the arrows"},
    {"core/io/a.c", "char c = '\"'; printf(\"x\");\n", "may not use printf"},
    {"core/io/a.c", "char c = '\\''; abort();\n", "may not use abort"},
    {"core/io/a.c", "s = \"a\\\"\"; exit(1);\n", "may not use exit"},
    {"core/io/a.c", "fprintf(stderr, \"x\");\n", "may not use stderr"},
    {"core/io/a.c", "#pragma omp parallel\n", NULL},
    {"core/io/a.c", "#pragma GCC diagnostic ignored \"-Wconversion\"\n", "a pragma other"},
};

static void finds_planted_violations(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof planted / sizeof planted[0]; i++) {
        pl_buf out = {0};
        size_t count = pl_rules_check(planted[i].path, planted[i].text, &out);
        bool right = planted[i].finds == NULL
                         ? count == 0
                         : count == 1 && strstr(out.data, planted[i].finds) != NULL;
        if (!right) {
            fail_msg("%s with %s: %zu complaints, %s", planted[i].path, planted[i].text, count,
                     count > 0 ? out.data : "");
        }
        pl_buf_deinit(&out);
    }
}

static void finds_long_files_and_lines(void **unused)
{
    (void)unused;
    char text[1500];
    pl_buf out = {0};
    memset(text, '\n', sizeof text);
    text[699] = '\0';
    assert_int_equal(pl_rules_check("app/a.c", text, &out), 0);
    text[699] = '\n';
    text[700] = '\0';
    assert_int_equal(pl_rules_check("app/a.c", text, &out), 1);
    assert_non_null(strstr(out.data, "a.c:700: a file of 700 lines or more"));
    pl_buf_deinit(&out);
    memset(text, 'x', 101);
    text[100] = '\0';
    assert_int_equal(pl_rules_check("app/a.c", text, &out), 0);
    memcpy(text + 98, "\xc3\xa9\xc3\xa9", 5); /* two more characters, in four bytes */
    assert_int_equal(pl_rules_check("app/a.c", text, &out), 0);
    memcpy(text + 98, "xxx\n", 5);
    assert_int_equal(pl_rules_check("app/a.c", text, &out), 1);
    assert_non_null(strstr(out.data, "more than 100 columns"));
    pl_buf_deinit(&out);
}

static void finds_planted_circles(void **unused)
{
    (void)unused;
    pl_buf out = {0};
    pl_circles *circles = pl_circles_create();
    assert_non_null(circles);
    pl_circles_add(circles, "core/lab/a.c", "#include \"core/lab/a.h\"\n#include <b.h>\n");
    pl_circles_add(circles, "core/lab/a.h", "#include \"core/lab/b.h\"\n");
    pl_circles_add(circles, "core/lab/a_parts.h", "#include \"core/lab/a.h\"\n");
    pl_circles_add(circles, "core/lab/a_rest.c", "#include \"core/lab/a_parts.h\"\n");
    pl_circles_add(circles, "core/lab/b.h", "/* #include \"core/lab/a.h\" */\n");
    pl_circles_add(circles, "core/lab/b.c", "#include \"core/io/b.h\"\n");
    pl_circles_add(circles, "core/io/b.h", "#include \"core/lab/b.h\"\n");
    assert_int_equal(pl_circles_find(circles, &out), 0);
    pl_circles_add(circles, "core/lab/b.c", "int x;\n#include \"core/lab/c.h\"\n");
    pl_circles_add(circles, "core/lab/c.c", "#include \"core/lab/a_parts.h\"\n");
    assert_int_equal(pl_circles_find(circles, &out), 1);
    assert_string_equal(out.data, "core/lab: a -> b -> c -> a\n");
    pl_circles_destroy(circles);
    pl_buf_deinit(&out);
}

static void finds_names_of_many_statics(void **unused)
{
    (void)unused;
    static const char with[] = "static int put(int a)\n{\n    return a;\n}\n";
    pl_buf out = {0};
    pl_statics *statics = pl_statics_create();
    assert_non_null(statics);
    pl_statics_add(statics, "core/lab/a.c", with);
    pl_statics_add(statics, "core/lab/b.c", with);
    /* A declaration of the same function, a table, a call and a name that goes on. */
    pl_statics_add(statics, "core/lab/b.c", "static int put(int a);\nstatic int x[] = {(1)};\n");
    pl_statics_add(statics, "core/lab/c.c", "    put(1);\nstatic int put_row(int a)\n{\n}\n");
    assert_int_equal(pl_statics_find(statics, &out), 0);
    pl_statics_add(statics, "views/d.c",
                   "static __attribute__((noinline)) char *put(void)\n{\n}\n");
    assert_int_equal(pl_statics_find(statics, &out), 1);
    assert_string_equal(out.data, "put: a static of core/lab/a.c, core/lab/b.c, views/d.c\n");
    pl_statics_destroy(statics);
    pl_buf_deinit(&out);
}

/* nftw has no argument for these. */
static struct {
    size_t root_length, files;
    pl_circles *circles;
    pl_statics *statics;
    pl_buf complaints;
} walk;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    size_t length = strlen(path);
    pl_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (type != FTW_F || length < 3 || path[length - 2] != '.' ||
        (path[length - 1] != 'c' && path[length - 1] != 'h')) {
        return 0;
    }
    pl_check_ok(pl_file_read_all(path, 1 << 22, &text, &size, &err), err);
    pl_rules_check(path + walk.root_length, text, &walk.complaints);
    pl_circles_add(walk.circles, path + walk.root_length, text);
    if (strncmp(path + walk.root_length, "tests/", strlen("tests/")) != 0) {
        pl_statics_add(walk.statics, path + walk.root_length, text);
    }
    walk.files++;
    free(text);
    return 0;
}

static void all_sources_keep_the_rules(void **unused)
{
    (void)unused;
    static const char *const folders[] = {"core", "plots", "sessions", "views", "app", "tests"};
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    assert_non_null(root);
    walk.root_length = strlen(root) + 1;
    walk.circles = pl_circles_create();
    walk.statics = pl_statics_create();
    assert_non_null(walk.circles);
    assert_non_null(walk.statics);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        pl_buf folder = {0};
        size_t before = walk.files;
        pl_path_join(&folder, root, folders[i]);
        assert_int_equal(nftw(folder.data, visit, 16, FTW_PHYS), 0);
        pl_buf_deinit(&folder);
        if (walk.files == before) {
            fail_msg("there are no sources in %s", folders[i]);
        }
    }
    pl_circles_find(walk.circles, &walk.complaints);
    pl_circles_destroy(walk.circles);
    pl_statics_find(walk.statics, &walk.complaints);
    pl_statics_destroy(walk.statics);
    bool clean = walk.complaints.size == 0;
    if (!clean) {
        fprintf(stderr, "%s", walk.complaints.data);
    }
    pl_buf_deinit(&walk.complaints);
    assert_true(clean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_planted_violations),   cmocka_unit_test(finds_long_files_and_lines),
        cmocka_unit_test(finds_planted_circles),      cmocka_unit_test(finds_names_of_many_statics),
        cmocka_unit_test(all_sources_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
