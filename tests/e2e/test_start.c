/* How the program starts: its kernels, its name. */
#include "core/tensor/kernel.h"
#include "tests/e2e/run_planish.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A clean start, with an OpenBLAS that takes this processor for a Prescott.  wrong: kernels that
 * compute wrongly. */
static run poor_version(const char *coretype, const char *wrong)
{
    unsetenv("PLANISH_OWN_KERNEL");
    unsetenv("OPENBLAS_CORETYPE");
    if (coretype != NULL) {
        setenv("OPENBLAS_CORETYPE", coretype, 1);
    }
    setenv("PLANISH_TEST_WRONG", wrong, 1);
    setenv("LD_PRELOAD", PL_POOR_BLAS, 1);
    run r = RUN("--version");
    unsetenv("LD_PRELOAD");
    unsetenv("PLANISH_TEST_WRONG");
    unsetenv("OPENBLAS_CORETYPE");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    return r;
}

static void check_kernels(run r, const char *want)
{
    if (strstr(r.out, want) == NULL) {
        fprintf(stderr, "expected \"%s\":\n%s", want, r.out);
        fail();
    }
    run_free(&r);
}

static void test_better_kernels_are_taken(void **ctx)
{
    (void)ctx;
    const char *best = pl_kernel_better("Prescott", pl_kernel_vectors());
    char want[128];
    if (best == NULL) {
        skip(); /* a processor without AVX2 */
    }
    snprintf(want, sizeof want, ", %s kernels (Prescott by its own choice), ", best);
    check_kernels(poor_version(NULL, ""), want);
}

static void test_wrong_kernels_are_not(void **ctx)
{
    (void)ctx;
    if (pl_kernel_vectors() == PL_VECTORS_AVX512) {
        check_kernels(poor_version(NULL, "SkylakeX"),
                      ", Haswell kernels (Prescott by its own choice), ");
    }
    check_kernels(poor_version(NULL, "SkylakeX Haswell"), ", Prescott kernels, ");
}

static void test_the_users_choice_stays(void **ctx)
{
    (void)ctx;
    check_kernels(poor_version("Prescott", "Prescott"), ", Prescott kernels, ");
    check_kernels(poor_version("Nehalem", ""), ", Nehalem kernels, ");
}

static void test_what_it_runs_on_is_told(void **ctx)
{
    (void)ctx;
    char processor[160];
    pl_processor_name(processor, sizeof processor);
    run r = RUN("--version", "--threads", "3");
    assert_non_null(strstr(r.out, ", 3 threads\n"));
    assert_non_null(strstr(r.out, processor));
    run_free(&r);
    r = RUN("--json", "--threads", "1", "-c", "info");
    assert_string_equal(json_string_value(json_object_get(run_last(&r), "processor")), processor);
    assert_int_equal(json_integer_value(json_object_get(run_last(&r), "threads")), 1);
    expect_less(0, json_string_length(json_object_get(run_last(&r), "kernel")));
    run_free(&r);
}

/* Reads the process's name while it waits for somebody to read all this help. */
static void check_name(void)
{
    char script[1200] = "", path[64], name[32] = "";
    for (int i = 0; i < 200; i++) {
        strcat(script, "help;");
    }
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    expect_at_most(0, pid);
    if (pid == 0) {
        dup2(ends[1], 1);
        execl(getenv("PLANISH_BIN"), "planish", "-c", script, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], name, 1), 1); /* it has started */
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(name, sizeof name, file));
    fclose(file);
    char rest[4096];
    size_t total = 0;
    for (ssize_t got; (got = read(ends[0], rest, sizeof rest)) > 0;) {
        total += (size_t)got;
    }
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect_less(1 << 17, total); /* more than the pipe holds: it was there when we looked */
    assert_string_equal(name, "planish\n");
}

static void test_it_keeps_its_name(void **ctx)
{
    (void)ctx;
    check_name(); /* OMP_WAIT_POLICY is set: started once */
    unsetenv("OMP_WAIT_POLICY");
    unsetenv("GOMP_SPINCOUNT");
    check_name();
    setenv("OMP_WAIT_POLICY", "passive", 1);
}

/* planish -c 'perplexity' with a limit, through a shell in its place. */
static run with_limit(const char *flag, size_t kib)
{
    char program[1024], script[3000];
    snprintf(program, sizeof program, "%s", getenv("PLANISH_BIN"));
    snprintf(script, sizeof script,
             "ulimit %s %zu && exec timeout 60 '%s' --threads 2 --store '%s' -c perplexity", flag,
             kib, program, run_path("store"));
    setenv("PLANISH_BIN", "/bin/sh", 1);
    run r = RUN("-c", script);
    setenv("PLANISH_BIN", program, 1);
    return r;
}

/* OpenBLAS would ask for its buffers for ever. */
static void test_too_little_memory_is_refused(void **ctx)
{
    (void)ctx;
    static const size_t kibs[] = {150000, 200000, 300000, 400000};
    size_t need = 0;
    setenv("OMP_NUM_THREADS", "2", 1);
    for (size_t i = 0; i < sizeof kibs / sizeof kibs[0]; i++) {
        run r = with_limit("-v", kibs[i]);
        run_check_failed(&r, 1, "planish: the limit on address space (ulimit -v) is ");
        const char *number = strstr(r.err, "needs at least ");
        assert_non_null(number);
        need = strtoull(number + strlen("needs at least "), NULL, 10);
        run_free(&r);
    }
    run r = with_limit("-v", need);
    if (r.status != 0) {
        fprintf(stderr, "%zu KiB were said to do: %s", need, r.err);
        fail();
    }
    run_free(&r);
    r = with_limit("-d", 300000);
    run_check_failed(&r, 1, "the limit on data (ulimit -d) is 300000 KiB");
    run_free(&r);
    unsetenv("OMP_NUM_THREADS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_better_kernels_are_taken),
        cmocka_unit_test(test_wrong_kernels_are_not),
        cmocka_unit_test(test_the_users_choice_stays),
        cmocka_unit_test(test_what_it_runs_on_is_told),
        cmocka_unit_test(test_it_keeps_its_name),
        cmocka_unit_test(test_too_little_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
