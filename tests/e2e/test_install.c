/* What `meson install` puts into a folder: a program that needs nothing of where it was built, its
 * manual page and completion, made from the tables. */
#include "app/command.h"
#include "app/options.h"
#include "tests/e2e/run_planish.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t found_files;

/* No installed file names a folder that it was built in. */
static int look_into(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)where;
    if (type == FTW_F) {
        size_t size = 0;
        char *text = run_read(path, &size);
        const char *const folders[] = {getenv("PLANISH_SOURCE_ROOT"), run_build_folder()};
        for (size_t i = 0; i < 2; i++) {
            if (memmem(text, size, folders[i], strlen(folders[i])) != NULL) {
                fprintf(stderr, "%s names %s\n", path, folders[i]);
                fail();
            }
        }
        free(text);
        found_files++;
    }
    return 0;
}

static void test_an_installation_stands_alone(void **ctx)
{
    (void)ctx;
    const char *root = run_path("installed");
    char *said = run_shell("meson install -C '%s' --no-rebuild --destdir '%s' 2>&1",
                           run_build_folder(), root);
    assert_non_null(strstr(said, "planish: the program is linked with "));
    free(said);
    char *prefix =
        run_shell("meson introspect '%s' --buildoptions | tr '{' '\\n' | "
                  "sed -n 's/.*\"name\": \"prefix\".*\"value\": \"\\([^\"]*\\)\".*/\\1/p'",
                  run_build_folder());
    prefix[strcspn(prefix, "\n")] = '\0';
    char below[2048], path[4096];
    snprintf(below, sizeof below, "%s%s", root, prefix);
    free(prefix);
    found_files = 0;
    assert_int_equal(nftw(below, look_into, 16, FTW_PHYS), 0);
    static const char *const files[] = {
        "bin/planish",
        "share/man/man1/planish.1",
        "share/bash-completion/completions/planish.bash",
        "share/zsh/site-functions/_planish",
        "share/fish/vendor_completions.d/planish.fish",
        "share/doc/planish/LICENSE",
        "share/doc/planish/README.md",
        "share/doc/planish/app/guide.md",
        "share/doc/planish/app/json.md",
        "share/doc/planish/plots/readme/page.png",
        "share/planish/demo/model.safetensors",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", below, files[i]);
        if (access(path, R_OK) != 0) {
            fprintf(stderr, "%s is not installed\n", path);
            fail();
        }
    }
    static const char *const of_mpi[] = {"share/man/man1/planish-mpi.1",
                                         "share/bash-completion/completions/planish-mpi.bash",
                                         "share/zsh/site-functions/_planish-mpi",
                                         "share/fish/vendor_completions.d/planish-mpi.fish"};
    snprintf(path, sizeof path, "%s/bin/planish-mpi", below);
    const bool has_mpi = access(path, R_OK) == 0; /* where the library is */
    for (size_t i = 0; i < sizeof of_mpi / sizeof *of_mpi; i++) {
        snprintf(path, sizeof path, "%s/%s", below, of_mpi[i]);
        assert_int_equal(access(path, R_OK) == 0, has_mpi);
    }
    if (has_mpi) {
        said =
            run_shell("groff -K utf8 -man -ww -Tutf8 -z '%s/%s' 2>&1 || :; bash -c '. \"%s/%s\"; "
                      "compopt() { :; }; COMP_WORDS=(planish-mpi --tra); COMP_CWORD=1; "
                      "_planish_mpi; echo \"${COMPREPLY[@]}\"'",
                      below, of_mpi[0], below, of_mpi[1]);
        assert_string_equal(said, "--trace\n");
        free(said);
    }
    expect_less(sizeof files / sizeof *files, found_files);
    /* It finds the demo beside itself. */
    const char *before = getenv("PLANISH_BIN");
    char kept[4096];
    snprintf(kept, sizeof kept, "%s", before);
    snprintf(path, sizeof path, "%s/bin/planish", below);
    setenv("PLANISH_BIN", path, 1);
    run r = RUN("--json", "-c", "info");
    const json_t *texts = json_object_get(run_last(&r), "calibration_texts");
    const char *text = json_string_value(json_array_get(texts, 0));
    assert_non_null(text);
    assert_int_equal(strncmp(text, below, strlen(below)), 0);
    run_free(&r);
    setenv("PLANISH_BIN", kept, 1);
}

static void test_version_names_libraries_and_licence(void **ctx)
{
    (void)ctx;
    run r = RUN("--version");
    static const char *const names[] = {"planish " PL_VERSION "\n",
                                        "OpenBLAS ",
                                        "ncurses ",
                                        "SQLite ",
                                        "jansson ",
                                        "oniguruma ",
                                        "utf8proc ",
                                        "xxHash ",
                                        "Cairo ",
                                        "Pango ",
                                        "libpng ",
                                        "The sources are under the Apache License 2.0."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_non_null(strstr(r.out, names[i]));
    }
    /* A line editor under a licence of its own is said to rule. */
    assert_int_equal(strstr(r.out, "Readline ") != NULL,
                     strstr(r.out, "GNU General Public License, version 3 or later") != NULL);
    run_free(&r);
    r = RUN("--print", "info");
    run_check_failed(&r, 2, "--print info: expected man, bash, zsh or fish");
    run_free(&r);
}

/* Every command, key, method and option stands in the page; troff has nothing to complain of. */
static void test_the_manual(void **ctx)
{
    (void)ctx;
    char *page = run_shell("'%s' --print man", getenv("PLANISH_BIN"));
    char want[256];
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        snprintf(want, sizeof want, "\n.SS \"\\fB%s\\fR ", (*c)->name);
        const char *at = strstr(page, want);
        assert_non_null(at);
        for (const pl_key *key = (*c)->keys; key->name != NULL; key++) {
            snprintf(want, sizeof want, "\n.TP\n\\fB%s\\fR=", key->name);
            assert_non_null(at = strstr(at, want));
        }
    }
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        snprintf(want, sizeof want, "\n.SS \\fB%s\\fR\n", (*m)->name);
        assert_non_null(strstr(page, want));
    }
    assert_non_null(strstr(page, "\n.TP\n\\fB\\-\\-keep\\-going\\fR "));
    free(page);
    char *said = run_shell("'%s' --print man | groff -K utf8 -man -ww -Tutf8 -z 2>&1 || :",
                           getenv("PLANISH_BIN"));
    assert_string_equal(said, "");
    free(said);
}

/* What bash offers for the last of the words, one a line. */
static void offers(const char *words, const char *want)
{
    char *said = run_shell("bash -c '. <(\"%s\" --print bash); compopt() { :; }; COMP_WORDS=(%s); "
                           "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _planish; "
                           "printf \"%%s\\n\" \"${COMPREPLY[@]}\"'",
                           getenv("PLANISH_BIN"), words);
    assert_string_equal(said, want);
    free(said);
}

static void test_completion_in_bash(void **ctx)
{
    (void)ctx;
    offers("planish --thr", "--threads\n");
    offers("planish --theme = da", "dark\n");
    offers("planish -c \\\"cal", "calibrate\ncalibrate...\n");
    offers("planish -c \"\\\"open; perplexity which=\"",
           "open; perplexity which=before\nopen; perplexity which=preconditioned\n"
           "open; perplexity which=after\n");
    offers("planish -c \"\\\"method rt\"", "method rtn\nmethod rtn...\n");
    offers("planish -c \"\\\"solve; method astro bet\"",
           "solve; method astro beta=\nsolve; method astro beta=...\n");
}

/* Every shell has every command and every option; one that is here reads its page. */
static void test_completion_in_every_shell(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *before, *behind; /* a command's words */
        size_t cut;                         /* of an option's name */
    } shells[] = {
        {"bash", "\n        ", ") echo '", 0},
        {"zsh", "\n    ", ") echo '", 0},
        {"fish", "\n        case ", "\n            string split", 1},
    };
    for (size_t i = 0; i < 3; i++) {
        char *page = run_shell("'%s' --print %s", getenv("PLANISH_BIN"), shells[i].name);
        char want[256];
        for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
            snprintf(want, sizeof want, "%s%s%s", shells[i].before, (*c)->name, shells[i].behind);
            assert_non_null(strstr(page, want));
        }
        for (const pl_option *o = pl_option_table; o->name != NULL; o++) {
            const bool is_long = o->name[1] == '-';
            assert_true(o->help == NULL ||
                        strstr(page, o->name + shells[i].cut * (is_long ? 2 : 1)) != NULL);
        }
        run_write(run_path("page"), page);
        char *said = run_shell("if command -v %s >/dev/null; then %s -n '%s' 2>&1; fi",
                               shells[i].name, shells[i].name, run_path("page"));
        assert_string_equal(said, "");
        free(said);
        free(page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_installation_stands_alone),
        cmocka_unit_test(test_version_names_libraries_and_licence),
        cmocka_unit_test(test_the_manual),
        cmocka_unit_test(test_completion_in_bash),
        cmocka_unit_test(test_completion_in_every_shell),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
