/* tests/support/temp.h -- a folder of a test's own, and small files in it. */
#ifndef PL_TESTS_TEMP_H
#define PL_TESTS_TEMP_H

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct pl_temp {
    char folder[512];
    char path[1024]; /* what pl_temp_path returned last */
} pl_temp;

static inline void pl_temp_init_in(pl_temp *temp, const char *base)
{
    snprintf(temp->folder, sizeof temp->folder, "%s/planish-test-XXXXXX",
             base != NULL && *base != '\0' ? base : "/tmp");
    assert_non_null(mkdtemp(temp->folder));
}

static inline void pl_temp_init(pl_temp *temp)
{
    pl_temp_init_in(temp, getenv("TMPDIR"));
}

/* In memory, where that has room for a GiB of files: for stores, whose many files are synced.
 * tests/run gives a folder there and removes it with all that a failed test left. */
static inline void pl_temp_init_fast(pl_temp *temp)
{
    struct statvfs room;
    const char *memory = getenv("PLANISH_TEST_MEMORY");
    memory = memory != NULL ? memory : "/dev/shm";
    const bool fits = access(memory, W_OK) == 0 && statvfs(memory, &room) == 0 &&
                      room.f_bavail >= (UINT64_C(1) << 30) / room.f_frsize;
    pl_temp_init_in(temp, fits ? memory : getenv("TMPDIR"));
}

static inline int pl_temp_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void pl_temp_deinit(pl_temp *temp)
{
    nftw(temp->folder, pl_temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* How many names there are in a folder, hidden ones too. */
static inline size_t pl_temp_count_names(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(dir);
    return count;
}

/* The path of a name in the folder; good until the next call. */
static inline const char *pl_temp_path(pl_temp *temp, const char *name)
{
    snprintf(temp->path, sizeof temp->path, "%s/%s", temp->folder, name);
    return temp->path;
}

static inline const char *pl_temp_write(pl_temp *temp, const char *name, const void *bytes,
                                        size_t size)
{
    const char *path = pl_temp_path(temp, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(size == 0 || fwrite(bytes, 1, size, file) == size);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Changes the byte of a file that is so far from its end. */
static inline void pl_temp_flip(const char *path, long from_end)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -from_end, SEEK_END), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, -from_end, SEEK_END), 0);
    assert_int_not_equal(fputc(byte ^ 0x15, file), EOF);
    assert_int_equal(fclose(file), 0);
}

#endif
