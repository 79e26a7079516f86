#include "core/base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static atomic_uint memory_failures;

void pl_memory_failed(void)
{
    atomic_fetch_add(&memory_failures, 1);
}

unsigned pl_memory_failures(void)
{
    return atomic_load(&memory_failures);
}

/* getrusage's number is only second choice: exec hands the peak of whoever started the program on
 * to it. */
uint64_t pl_memory_peak(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    long kilobytes = usage.ru_maxrss;
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kilobytes = strtol(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kilobytes > 0 ? (uint64_t)kilobytes * 1024 : 0;
}

size_t pl_memory_share(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages / 4 * 3 * (size_t)size : 0;
}
