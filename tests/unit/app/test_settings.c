/* What the screen remembers between runs, in its file. */
#include "app/settings.h"

#include "core/base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/check.h"
#include "tests/support/temp.h"

static char *text_of(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    pl_error err = {0};
    pl_check_ok(pl_file_read_all(path, 1 << 16, &text, &size, &err), err);
    return text;
}

static void test_round_trip(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    char path[600];
    snprintf(path, sizeof path, "%s/deep/er/config", temp.folder);
    pl_settings settings;
    pl_error err = {0};
    pl_check_ok(pl_settings_read(path, &settings, &err), err);
    assert_false(settings.exists);
    assert_string_equal(settings.theme, "");
    strcpy(settings.theme, "safe");
    strcpy(settings.pixels, "auto");
    settings.tour_done = settings.mouse_off = true;
    pl_check_ok(pl_settings_write(&settings, &err), err);
    pl_settings_deinit(&settings);
    pl_check_ok(pl_settings_read(path, &settings, &err), err);
    assert_true(settings.exists);
    assert_true(settings.tour_done);
    assert_true(settings.mouse_off);
    assert_string_equal(settings.theme, "safe");
    assert_string_equal(settings.pixels, "auto");
    assert_string_equal(settings.marks, "");
    pl_settings_deinit(&settings);
    pl_temp_deinit(&temp);
}

/* What a later or another version wrote stays. */
static void test_other_lines_stay(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    static const char before[] =
        "# mine\ntheme=light\nfuture = 12\n\n marks =  ascii \nTheme = x\n";
    pl_temp_write(&temp, "config", before, sizeof before - 1);
    const char *path = pl_temp_path(&temp, "config");
    pl_settings settings;
    pl_error err = {0};
    pl_check_ok(pl_settings_read(path, &settings, &err), err);
    assert_string_equal(settings.theme, "light");
    assert_string_equal(settings.marks, "ascii");
    settings.marks[0] = '\0';
    pl_check_ok(pl_settings_write(&settings, &err), err);
    char *text = text_of(settings.path);
    assert_string_equal(text, "# mine\nfuture = 12\nTheme = x\ntheme = light\n");
    free(text);
    pl_settings_deinit(&settings);
    pl_temp_deinit(&temp);
}

static void test_unreadable(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_settings settings;
    pl_error err = {0};
    assert_int_equal(mkdir(pl_temp_path(&temp, "folder"), 0700), 0);
    assert_int_not_equal(pl_settings_read(pl_temp_path(&temp, "folder"), &settings, &err), PL_OK);
    assert_non_null(strstr(err.message, "folder"));
    assert_null(settings.path); /* so nothing is written over */
    pl_check_ok(pl_settings_write(&settings, &err), err);
    pl_check_ok(pl_settings_read(NULL, &settings, &err), err);
    pl_check_ok(pl_settings_write(&settings, &err), err);
    pl_settings_deinit(&settings);
    pl_temp_deinit(&temp);
}

static void test_path(void **state)
{
    (void)state;
    pl_buf path = {0};
    setenv("XDG_CONFIG_HOME", "/some/where", 1);
    pl_settings_path("keys", &path);
    assert_string_equal(path.data, "/some/where/planish/keys");
    path.size = 0;
    setenv("XDG_CONFIG_HOME", "not/absolute", 1);
    setenv("HOME", "/home/me", 1);
    pl_settings_path("config", &path);
    assert_string_equal(path.data, "/home/me/.config/planish/config");
    pl_buf_deinit(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_other_lines_stay),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
