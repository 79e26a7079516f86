/* A comma as the decimal point (de_DE), an i without its dot (tr_TR): the same output, the same
 * files, the same results as in the C locale. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const locales[] = {"C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8"};
enum { LOCALES = sizeof locales / sizeof locales[0] };

/* Those that the machine may lack are made below the test's folder; skips where they cannot be. */
static void make_locales(void)
{
    char folder[1024], command[4096];
    snprintf(folder, sizeof folder, "%s", run_path("locales"));
    snprintf(command, sizeof command,
             "mkdir -p '%s' && cd '%s' && localedef -i de_DE -f UTF-8 ./de_DE.UTF-8 2>/dev/null "
             "&& localedef -i tr_TR -f UTF-8 ./tr_TR.UTF-8 2>/dev/null && cp -r "
             "\"$(ls -d /usr/lib/locale/C.utf8 | head -n 1)\" ./C.UTF-8",
             folder, folder);
    if (system(command) != 0) {
        skip();
    }
    setenv("LOCPATH", folder, 1);
    /* The locale is what it is said to be, or the test would pass without it. */
    assert_int_equal(system("test \"$(LC_ALL=de_DE.UTF-8 locale decimal_point)\" = ,"), 0);
}

static const char *const written[] = {"h.csv", "c.SVG",           "p.pdf",
                                      "w.npy", "out/config.json", "out/model.safetensors"};
enum { WRITTEN = sizeof written / sizeof written[0] };

/* In a folder and a store of the locale's own, with names that are the same in all. */
static run in_locale(size_t i)
{
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", run_path(locales[i]));
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chdir(folder), 0);
    run_write("text.txt", "INFORMATION Istanbul 1.5");
    setenv("LC_ALL", locales[i], 1);
    setenv("LANG", locales[i], 1);
    return RUN("--threads", "1", "--store", "store", "--session", "s.planish", "-c",
               "info; layers; method astro beta=3e-4; method gptq bits=3 damping=0.02;"
               "solve 1.q_proj; outliers 1.q_proj; tokenize text=text.txt;"
               "export dir=out weights=rounded partial=yes; activations bits=4; plot histogram "
               "1.q_proj file=h.csv;"
               "plot channels file=c.SVG width=3.5in; plot channels file=p.pdf preset=icml;"
               "perplexity which=after; sweep beta=1e-5:1e-3:log3;"
               "dump weights 1.q_proj which=after file=w.npy; help astro");
}

/* Without the lines that say how long something took. */
static void drop_times(char *text)
{
    char *to = text;
    for (char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const size_t size = end != NULL ? (size_t)(end - line) + 1 : strlen(line);
        const size_t word = strcspn(line, " ");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)word, line);
        if (strstr(name, "seconds") == NULL && strstr(name, "_second") == NULL &&
            strcmp(name, "peak_bytes") != 0) {
            memmove(to, line, size);
            to += size;
        }
        line += size;
    }
    *to = '\0';
}

static void test_the_same_in_every_locale(void **ctx)
{
    (void)ctx;
    make_locales();
    run runs[LOCALES];
    for (size_t i = 0; i < LOCALES; i++) {
        runs[i] = in_locale(i);
        if (runs[i].status != 0) {
            fprintf(stderr, "%s: %s", locales[i], runs[i].err);
            fail();
        }
        assert_string_equal(runs[i].err, "");
        drop_times(runs[i].out);
        assert_string_equal(runs[i].out, runs[0].out);
        for (size_t k = 0; k < WRITTEN; k++) {
            char path[1200];
            size_t size = 0, first_size = 0;
            snprintf(path, sizeof path, "%s/%s", run_path(locales[i]), written[k]);
            char *bytes = run_read(path, &size);
            snprintf(path, sizeof path, "%s/%s", run_path(locales[0]), written[k]);
            char *first = run_read(path, &first_size);
            if (size != first_size || memcmp(bytes, first, size) != 0) {
                fprintf(stderr, "%s: %s differs\n", locales[i], written[k]);
                fail();
            }
            free(bytes);
            free(first);
        }
    }
    assert_non_null(strstr(runs[0].out, "kernel")); /* something was compared */
    for (size_t i = 0; i < LOCALES; i++) {
        run_free(&runs[i]);
    }
}

/* What one locale has written, another reads: a session, its results, and a figure that is made
 * again. */
static void test_from_one_locale_to_another(void **ctx)
{
    (void)ctx;
    if (getenv("LOCPATH") == NULL) {
        skip(); /* they could not be made */
    }
    run runs[LOCALES];
    for (size_t i = 0; i < LOCALES; i++) {
        const char *reader = locales[(i + 1) % LOCALES];
        assert_int_equal(chdir(run_path(locales[i])), 0);
        setenv("LC_ALL", reader, 1);
        runs[i] = RUN("--threads", "1", "--store", "store", "--session", "s.planish", "-c",
                      "layers; solve 1.q_proj; perplexity which=after; rebuild c.SVG");
        if (runs[i].status != 0) {
            fprintf(stderr, "%s read by %s: %s%s", locales[i], reader, runs[i].out, runs[i].err);
            fail();
        }
        drop_times(runs[i].out);
        assert_string_equal(runs[i].out, runs[0].out);
    }
    for (size_t i = 0; i < LOCALES; i++) {
        run_free(&runs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_in_every_locale),
        cmocka_unit_test(test_from_one_locale_to_another),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
