#include "core/tensor/linalg.h"

#include "core/tensor/kernel.h"
#include "core/tensor/threads_parts.h"

#include <cblas.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static atomic_int chosen; /* 0 until set */

/* OpenBLAS keeps a buffer of this size for each of its threads, and takes one more for each thread
 * that calls it; libgomp's threads have stacks, and malloc a heap for each. */
static const size_t buffer_bytes = (size_t)128 << 20;
static const size_t thread_bytes = (size_t)(8 + 64) << 20;
/* For everything else: a model smaller than the demo. */
static const size_t least_bytes = (size_t)64 << 20;

/* Bytes of address space and of private memory of this process; 0 where the kernel does not say. */
static void used_bytes(size_t *space, size_t *data)
{
    unsigned long pages[6] = {0};
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu %lu %lu %lu %lu", &pages[0], &pages[1], &pages[2], &pages[3],
                   &pages[4], &pages[5]) != 6) {
            pages[0] = pages[5] = 0;
        }
        fclose(file);
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *space = page * pages[0];
    *data = page * pages[5];
}

static pl_status check_limit(int resource, const char *name, size_t used, size_t more, int threads,
                             pl_error *err)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= used + more) {
        return PL_OK;
    }
    return pl_error_set(err, PL_ERR_MEMORY,
                        "the limit %s is %llu KiB, and computing with %d thread%s needs at least "
                        "%zu KiB: raise it, or start with OMP_NUM_THREADS=1 and --threads 1",
                        name, (unsigned long long)limit.rlim_cur / 1024, threads,
                        threads == 1 ? "" : "s", (used + more + 1023) / 1024);
}

pl_status pl_linalg_check_room(int threads, int buffered, pl_error *err)
{
    size_t space = 0, data = 0;
    used_bytes(&space, &data);
    const size_t count = (size_t)threads,
                 missing = threads > buffered ? count - (size_t)buffered : 0;
    const size_t stacks =
        buffered > 0 ? count : count + 2; /* while loading: worker and writer too */
    const size_t more = (missing + count) * buffer_bytes + stacks * thread_bytes + least_bytes;
    pl_status status =
        check_limit(RLIMIT_AS, "on address space (ulimit -v)", space, more, threads, err);
    return status == PL_OK
               ? check_limit(RLIMIT_DATA, "on data (ulimit -d)", data, more, threads, err)
               : status;
}

pl_status pl_linalg_set_threads(int n, pl_error *err)
{
    if (n < 1) {
        return pl_error_set(err, PL_ERR_USAGE, "threads: %d, expected 1 or more", n);
    }
    if (openblas_get_parallel() != OPENBLAS_OPENMP) {
        return pl_error_set(err, PL_ERR_STATE,
                            "the linked OpenBLAS is not its OpenMP build (package "
                            "libopenblas0-openmp): %s",
                            openblas_get_config());
    }
    pl_status status = pl_linalg_check_room(n, openblas_get_num_threads(), err);
    if (status != PL_OK) {
        return status;
    }
#ifdef _OPENMP
    omp_set_dynamic(0);
    omp_set_num_threads(n);
#endif
    openblas_set_num_threads(n);
    atomic_store(&chosen, n);
    return PL_OK;
}

int pl_linalg_threads(void)
{
    int n = atomic_load(&chosen);
    return n > 0 ? n : openblas_get_num_threads();
}

size_t pl_linalg_thread(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

const char *pl_linalg_config(void)
{
    return openblas_get_config();
}

const char *pl_kernel_name(void)
{
    return openblas_get_corename();
}

int pl_linalg_processors(void)
{
    /* The kernel refuses a set smaller than its own, so grow until it fits. */
    for (int bits = 1024; bits <= 1 << 20; bits *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)bits);
        if (set == NULL) {
            return 1;
        }
        size_t size = CPU_ALLOC_SIZE((size_t)bits);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
    }
    return 1;
}

static bool read_line(const char *path, char *line, int capacity)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool got = fgets(line, capacity, file) != NULL;
    fclose(file);
    return got;
}

static int whole_processors(double quota, double period)
{
    if (!(quota > 0) || !(period > 0)) {
        return 0;
    }
    double count = quota / period;
    return count < 1 ? 1 : count > 1e6 ? 1000000 : (int)count;
}

/* The quota of one group's folder, 0 if it has none. */
static int folder_processors(const char *folder, bool v2)
{
    char path[4352];
    char line[128];
    double quota = 0, period = 0;
    if (v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        bool limited =
            read_line(path, line, sizeof line) && sscanf(line, "%lf %lf", &quota, &period) == 2;
        return limited ? whole_processors(quota, period) : 0;
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lf", &quota) != 1) {
        return 0;
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lf", &period) != 1) {
        return 0;
    }
    return whole_processors(quota, period);
}

static int smaller(int a, int b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

/* Least quota of root/group and everything above it, down to root itself (inside a container the
 * group's own path often does not exist, and its quota is at the root). */
static int chain_processors(const char *root, const char *group, bool v2)
{
    char folder[4224];
    int least = 0;
    int length = snprintf(folder, sizeof folder, "%s%s", root, group);
    if (length < 0 || (size_t)length >= sizeof folder) {
        return folder_processors(root, v2);
    }
    const size_t stop = strlen(root);
    while (strlen(folder) > stop) {
        least = smaller(least, folder_processors(folder, v2));
        *strrchr(folder, '/') = '\0';
    }
    return smaller(least, folder_processors(root, v2));
}

/* Is "cpu" among the comma-separated controllers of a v1 line? */
static bool names_cpu(const char *list, size_t size)
{
    const char *end = list + size;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma != NULL ? comma : end;
        if (stop - list == 3 && memcmp(list, "cpu", 3) == 0) {
            return true;
        }
        list = stop + 1;
    }
    return false;
}

int pl_cgroup_processors(const char *membership, const char *root)
{
    int least = 0;
    for (const char *line = membership; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        const char *first = memchr(line, ':', size);
        const char *second =
            first != NULL ? memchr(first + 1, ':', size - (size_t)(first + 1 - line)) : NULL;
        if (second != NULL && second[1] == '/') {
            char group[4096];
            char mount[64];
            snprintf(group, sizeof group, "%.*s", (int)(line + size - second - 1), second + 1);
            size_t controllers = (size_t)(second - first - 1);
            if (controllers == 0) {
                least = smaller(least, chain_processors(root, group, true));
            } else if (names_cpu(first + 1, controllers) && controllers < sizeof mount - 1) {
                char folder[4160];
                snprintf(mount, sizeof mount, "%.*s", (int)controllers, first + 1);
                snprintf(folder, sizeof folder, "%s/%s", root, mount);
                least = smaller(least, chain_processors(folder, group, false));
                snprintf(folder, sizeof folder, "%s/cpu", root);
                least = smaller(least, chain_processors(folder, group, false));
            }
        }
        line += size + (line[size] == '\n');
    }
    return least;
}

int pl_linalg_default_threads(void)
{
    int count = pl_linalg_processors();
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file != NULL) {
        char text[16384];
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        int quota = pl_cgroup_processors(text, "/sys/fs/cgroup");
        count = quota > 0 && quota < count ? quota : count;
    }
    return count;
}
