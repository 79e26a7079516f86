/* The program that links core whole runs without the libraries of the other rooms. */
#include "tests/support/check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

/* What the program prints to stdout and stderr, and its exit status. */
static int run(const char *argument, char *output, size_t size)
{
    const char *program = getenv("PLANISH_CORE_BIN");
    char command[2048];
    assert_non_null(program);
    snprintf(command, sizeof command, "'%s' '%s' 2>&1", program, argument);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void loads_no_library_of_the_other_rooms(void **unused)
{
    (void)unused;
    static const char *const foreign[] = {"curses",   "tinfo", "sqlite",     "cairo", "pango",
                                          "readline", "png",   "fontconfig", "vterm"};
    char libraries[16384];
    assert_int_equal(run("--libraries", libraries, sizeof libraries), 0);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (strstr(libraries, foreign[i]) != NULL) {
            fail_msg("core loads %s:\n%s", foreign[i], libraries);
        }
    }
    /* The list is the real one. */
    assert_non_null(strstr(libraries, "libopenblas"));
    assert_non_null(strstr(libraries, "libjansson"));
}

static void opens_a_model(void **unused)
{
    (void)unused;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[1024], said[2048];
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/sessions/demo", root);
    assert_int_equal(run(path, said, sizeof said), 0);
    assert_non_null(strstr(said, "demo: llama, "));
    assert_non_null(strstr(said, " linear layers\n"));
    assert_int_equal(run("/nowhere/at/all", said, sizeof said), 1);
    assert_non_null(strstr(said, "planish-core: "));
    assert_non_null(strstr(said, "/nowhere/at/all"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_no_library_of_the_other_rooms),
        cmocka_unit_test(opens_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
