/* Files in the making, and what is left of them when their maker dies. */
#include "core/base/temporary.h"

#include "core/base/file.h"
#include "tests/support/check.h"
#include "tests/support/own_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static bool there(pl_temp *temp, const char *name)
{
    struct stat st;
    return lstat(pl_temp_path(temp, name), &st) == 0;
}

static void is_beside_its_target_and_then_in_its_place(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    char target[1100];
    struct stat st;
    pl_temporary made;
    const mode_t mask = umask(027);
    for (int folder = 0; folder < 2; folder++) {
        snprintf(target, sizeof target, "%s%s", pl_temp_path(temp, folder != 0 ? "folder" : "file"),
                 folder != 0 ? "//" : "");
        pl_check_ok(pl_temporary_create(target, folder != 0, &made, &err), err);
        assert_int_equal(strncmp(made.path, temp->path, strlen(temp->path)), 0);
        assert_int_equal(strncmp(made.path + strlen(temp->path), ".planish-", 9), 0);
        assert_int_equal(strlen(made.path), strlen(temp->path) + 9 + 8);
        assert_int_equal(stat(made.path, &st), 0);
        assert_int_equal(st.st_mode & 0777, folder != 0 ? 0750 : 0640); /* the umask holds */
        pl_check_ok(pl_temporary_publish(&made, target, &err), err);
        assert_null(made.path);
        assert_true(there(temp, folder != 0 ? "folder" : "file"));
        pl_temporary_discard(&made);
        pl_temporary_discard(&(pl_temporary){0});
        assert_true(there(temp, folder != 0 ? "folder" : "file"));
    }
    umask(mask);
    char name[300];
    memset(name, 'x', 255);
    name[255] = '\0';
    pl_check_ok(pl_temporary_create(pl_temp_path(temp, name), false, &made, &err), err);
    pl_check_ok(pl_temporary_publish(&made, pl_temp_path(temp, name), &err), err);
    assert_int_equal(pl_temporary_create(pl_temp_path(temp, "no/such"), true, &made, &err),
                     PL_ERR_IO);
    pl_check_says(err, "no/such: cannot be made: No such file");
    assert_null(made.path);
}

static void a_discarded_one_is_gone(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_temporary made;
    char path[1100], inner[1200];
    for (int folder = 0; folder < 2; folder++) {
        pl_check_ok(pl_temporary_create(pl_temp_path(temp, "d"), folder != 0, &made, &err), err);
        snprintf(path, sizeof path, "%s", made.path);
        if (folder != 0) {
            snprintf(inner, sizeof inner, "%s/part", path);
            pl_check_ok(pl_file_write_all(inner, "x", 1, &err), err);
        }
        pl_temporary_discard(&made);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* Started, written to, killed: the kernel lets the lock go. */
static void make_and_die(const char *target, bool folder)
{
    const pid_t pid = fork();
    expect_at_most(0, pid);
    if (pid == 0) {
        pl_temporary made;
        char inner[1200];
        if (pl_temporary_create(target, folder, &made, NULL) == PL_OK) {
            if (folder) {
                snprintf(inner, sizeof inner, "%s/model.safetensors", made.path);
                close(open(inner, O_WRONLY | O_CREAT, 0600));
            } else {
                (void)!write(made.fd, "half", 4);
            }
            raise(SIGKILL);
        }
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static size_t left_in(pl_temp *temp, const char *name)
{
    char command[1200];
    snprintf(command, sizeof command, "ls -d %s/%s.planish-* 2>/dev/null | wc -l", temp->folder,
             name);
    FILE *pipe = popen(command, "r");
    size_t count = 99;
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%zu", &count), 1);
    pclose(pipe);
    return count;
}

static void what_the_dead_left_is_swept(void **state)
{
    pl_temp *temp = *state;
    char target[1100];
    for (int folder = 0; folder < 2; folder++) {
        /* Folders that this process has not swept: it does so once. */
        const char *name = folder != 0 ? "second/killed" : "first/killed";
        const char *another = folder != 0 ? "second/another" : "first/another";
        snprintf(target, sizeof target, "%s", pl_temp_path(temp, name));
        *strrchr(target, '/') = '\0';
        assert_int_equal(mkdir(target, 0700), 0);
        make_and_die(pl_temp_path(temp, name), folder != 0);
        assert_int_equal(left_in(temp, name), 1);
        make_and_die(pl_temp_path(temp, another), false);
        assert_int_equal(left_in(temp, name), 0);
        assert_int_equal(left_in(temp, another), 1);
    }
}

static void nothing_else_is_swept(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_temporary busy, busy_folder;
    static const char *const others[] = {"a.planish-0123456", "a.planish-0123456g",
                                         "a.planish-0123ABCD", ".planish-01234567",
                                         "a.planish-01234567.png"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        pl_temp_write(temp, others[i], "mine", 4);
    }
    pl_temp_write(temp, "target", "mine", 4);
    char target[1024];
    snprintf(target, sizeof target, "%s", temp->path);
    assert_int_equal(symlink(target, pl_temp_path(temp, "l.planish-00000001")), 0);
    assert_int_equal(link(target, pl_temp_path(temp, "h.planish-00000002")), 0);
    assert_int_equal(mkfifo(pl_temp_path(temp, "p.planish-00000003"), 0600), 0);
    assert_int_equal(mkdir(pl_temp_path(temp, "n.planish-00000004"), 0700), 0);
    pl_temp_write(temp, "n.planish-00000004/file", "mine", 4);
    assert_int_equal(mkdir(pl_temp_path(temp, "n.planish-00000004/nested"), 0700), 0);
    assert_int_equal(symlink("../file", pl_temp_path(temp, "n.planish-00000004/nested/link")), 0);
    assert_int_equal(mkdir(pl_temp_path(temp, "s.planish-00000007"), 0700), 0);
    assert_int_equal(mkdir(pl_temp_path(temp, "s.planish-00000007/nested"), 0700), 0);
    pl_temp_write(temp, "s.planish-00000007/nested/file", "left", 4);
    if (geteuid() == 0) {
        pl_temp_write(temp, "o.planish-00000005", "theirs", 6);
        assert_int_equal(chown(temp->path, 12345, (gid_t)-1), 0);
    }
    pl_check_ok(pl_temporary_create(pl_temp_path(temp, "busy"), false, &busy, &err), err);
    pl_check_ok(pl_temporary_create(pl_temp_path(temp, "busy"), true, &busy_folder, &err), err);
    pl_temp_write(temp, "z.planish-00000006", "left", 4);

    pl_temporary_sweep(temp->folder);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_true(there(temp, others[i]));
    }
    assert_true(there(temp, "target"));
    assert_true(there(temp, "l.planish-00000001"));
    assert_true(there(temp, "h.planish-00000002"));
    assert_true(there(temp, "p.planish-00000003"));
    assert_true(there(temp, "n.planish-00000004/file"));
    assert_true(geteuid() != 0 || there(temp, "o.planish-00000005"));
    assert_int_equal(access(busy.path, F_OK), 0);
    assert_int_equal(access(busy_folder.path, F_OK), 0);
    assert_false(there(temp, "z.planish-00000006"));
    assert_false(there(temp, "s.planish-00000007"));
    pl_temporary_discard(&busy);
    pl_temporary_discard(&busy_folder);
    pl_temporary_sweep("/nonexistent");
}

/* A limit on the size of files is as a full disk is: a sentence, and the old file stays. */
static void too_large_a_file_is_a_sentence(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    static char bytes[8192];
    char path[1024], *text = NULL;
    size_t size = 0;
    struct rlimit old;
    snprintf(path, sizeof path, "%s", pl_temp_write(temp, "limited", "old", 3));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit small = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const pl_status status = pl_file_write_all(path, bytes, sizeof bytes, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, PL_ERR_IO);
    pl_check_says(err, "limited: cannot be written: File too large");
    pl_check_ok(pl_file_read_all(path, 100, &text, &size, &err), err);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(left_in(temp, "limited"), 0);
}

/* Where no further file can be opened, what was begun goes away all the same, and what cannot be
 * begun leaves nothing. */
static void needs_no_further_descriptor(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_temporary made, another;
    char target[1100], inner[1200];
    struct rlimit old;
    snprintf(target, sizeof target, "%s", pl_temp_path(temp, "few"));
    pl_check_ok(pl_temporary_create(target, true, &made, &err), err);
    snprintf(inner, sizeof inner, "%s/part", made.path);
    pl_check_ok(pl_file_write_all(inner, "x", 1, &err), err);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)made.fd + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const pl_status status = pl_temporary_create(target, true, &another, &err);
    pl_temporary_discard(&made);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status, PL_ERR_IO);
    pl_check_says(err, "few: cannot be made: Too many open files");
    assert_int_equal(left_in(temp, "few"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_beside_its_target_and_then_in_its_place),
        cmocka_unit_test(a_discarded_one_is_gone),
        cmocka_unit_test(what_the_dead_left_is_swept),
        cmocka_unit_test(nothing_else_is_swept),
        cmocka_unit_test(too_large_a_file_is_a_sentence),
        cmocka_unit_test(needs_no_further_descriptor),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
