/* tests/support/demo_store.h -- stores that have a calibration of the demo already.
 *
 * tests/run makes them once for all programs, below $PLANISH_TEST_DEMO: "2" of the 2 windows that
 * labs in tests take.  Without them a program
 * calibrates by itself, as ever. */
#ifndef PL_TESTS_DEMO_STORE_H
#define PL_TESTS_DEMO_STORE_H

#include "core/base/file.h"
#include "tests/support/check.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A copy of one kind's entries: tests damage what they have. */
static inline void demo_store_copy(const char *from, const char *store, const char *kind)
{
    char source[1200], target[1200];
    snprintf(source, sizeof source, "%s/%s", from, kind);
    snprintf(target, sizeof target, "%s/%s", store, kind);
    DIR *dir = opendir(source);
    if (dir == NULL || mkdir(target, 0700) != 0) {
        fail_msg("%s cannot be copied to %s", source, target);
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        pl_error err;
        char *bytes = NULL;
        size_t size = 0;
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(source, sizeof source, "%s/%s/%s", from, kind, entry->d_name);
        snprintf(target, sizeof target, "%s/%s/%s", store, kind, entry->d_name);
        pl_check_ok(pl_file_read_all(source, 1 << 28, &bytes, &size, &err), err);
        FILE *file = fopen(target, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        free(bytes);
    }
    closedir(dir);
}

/* windows: "2"; nothing is done where there is no such store. */
static inline void demo_store_fill(const char *store, const char *windows)
{
    const char *root = getenv("PLANISH_TEST_DEMO");
    if (root != NULL && root[0] != '\0') {
        char from[1024];
        snprintf(from, sizeof from, "%s/%s", root, windows);
        assert_int_equal(mkdir(store, 0700), 0);
        demo_store_copy(from, store, "calib");
        demo_store_copy(from, store, "site");
    }
}

#endif
