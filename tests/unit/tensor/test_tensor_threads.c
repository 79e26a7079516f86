#include "core/tensor/linalg.h"

#include "core/base/file.h"
#include "core/tensor/threads_parts.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

static void write_text(pl_temp *temp, const char *folder, const char *name, const char *text)
{
    pl_error err;
    char path[300];
    pl_check_ok(pl_file_make_dirs(pl_temp_path(temp, folder), &err), err);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    pl_temp_write(temp, path, text, strlen(text));
}

static void version_2_takes_the_least_above(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    assert_int_equal(pl_cgroup_processors("0::/a/b\n", temp.folder), 0);
    write_text(&temp, "a/b", "cpu.max", "max 100000\n");
    assert_int_equal(pl_cgroup_processors("0::/a/b\n", temp.folder), 0);
    write_text(&temp, "a", "cpu.max", "350000 100000\n");
    assert_int_equal(pl_cgroup_processors("0::/a/b\n", temp.folder), 3);
    write_text(&temp, "a/b", "cpu.max", "800000 100000\n");
    assert_int_equal(pl_cgroup_processors("0::/a/b\n", temp.folder), 3);
    write_text(&temp, "a/b", "cpu.max", "50000 100000\n");
    assert_int_equal(pl_cgroup_processors("0::/a/b\n", temp.folder), 1);
    assert_int_equal(pl_cgroup_processors("0::/a\n", temp.folder), 3);
    write_text(&temp, ".", "cpu.max", "200000 100000\n");
    assert_int_equal(pl_cgroup_processors("0::/not/there\n", temp.folder), 2);
    assert_int_equal(pl_cgroup_processors("0::/\n", temp.folder), 2);
    pl_temp_deinit(&temp);
}

static void version_1_reads_quota_and_period(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    const char *membership = "12:memory:/m\n4:cpu,cpuacct:/job\n3:cpuset:/\n";
    assert_int_equal(pl_cgroup_processors(membership, temp.folder), 0);
    write_text(&temp, "cpu,cpuacct/job", "cpu.cfs_quota_us", "-1\n");
    write_text(&temp, "cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(pl_cgroup_processors(membership, temp.folder), 0);
    write_text(&temp, "cpu,cpuacct/job", "cpu.cfs_quota_us", "400000\n");
    assert_int_equal(pl_cgroup_processors(membership, temp.folder), 4);
    write_text(&temp, "cpu", "cpu.cfs_quota_us", "200000\n");
    write_text(&temp, "cpu", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(pl_cgroup_processors(membership, temp.folder), 2);
    assert_int_equal(pl_cgroup_processors("4:cpuset:/job\n", temp.folder), 0);
    pl_temp_deinit(&temp);
}

static void nonsense_is_no_limit(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "\n", ":", "::", "0:", "0::", "0::x\n", "1:cpu:", "\n\n0"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(pl_cgroup_processors(texts[i], "/nonexistent"), 0);
    }
}

static void threads_are_set_and_kept(void **state)
{
    (void)state;
    pl_error err;
    expect_at_most(1, pl_linalg_default_threads());
    pl_check_ok(pl_linalg_set_threads(1, &err), err);
    assert_int_equal(pl_linalg_threads(), 1);
    assert_int_equal(pl_linalg_set_threads(0, &err), PL_ERR_USAGE);
    pl_check_says(err, "threads: 0, expected 1 or more");
    assert_int_equal(pl_linalg_threads(), 1);
    assert_non_null(strstr(pl_linalg_config(), "OpenBLAS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_takes_the_least_above),
        cmocka_unit_test(version_1_reads_quota_and_period),
        cmocka_unit_test(nonsense_is_no_limit),
        cmocka_unit_test(threads_are_set_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
