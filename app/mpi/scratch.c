#include "app/mpi/scratch.h"

#include "core/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "planish-rank.";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    enum { OPEN_FOLDERS = 8 };
    (void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The folder's lock, or -1 where another process holds it or it is not this user's. */
static int take_lock(const char *path)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* What no process holds was left by one that died. */
static void sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        pl_buf path = {0};
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0) {
            continue;
        }
        pl_path_join(&path, folder, entry->d_name);
        const int fd = path.failed ? -1 : take_lock(path.data);
        if (fd >= 0) {
            remove_tree(path.data);
            close(fd);
        }
        pl_buf_deinit(&path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

pl_status pl_scratch_create(pl_scratch *out, pl_error *err)
{
    enum { TRIES = 8 };
    const char *folder = getenv("TMPDIR");
    folder = folder != NULL && folder[0] == '/' ? folder : "/tmp";
    *out = (pl_scratch){.fd = -1};
    sweep(folder);
    /* Between making and locking another process's sweep may take it away. */
    for (int i = 0; i < TRIES && out->fd < 0; i++) {
        pl_buf_deinit(&out->path);
        pl_path_join(&out->path, folder, prefix);
        pl_buf_puts(&out->path, "XXXXXX");
        pl_status status = pl_buf_check(&out->path, err);
        if (status != PL_OK) {
            return status;
        }
        if (mkdtemp(out->path.data) == NULL) {
            break;
        }
        out->fd = take_lock(out->path.data);
        struct stat st;
        if (out->fd >= 0 && (fstat(out->fd, &st) != 0 || st.st_nlink == 0)) {
            close(out->fd);
            out->fd = -1;
        }
    }
    if (out->fd < 0) {
        pl_buf_deinit(&out->path);
        return pl_error_set(err, PL_ERR_IO, "%s: a rank finds no room for what it computes: %s",
                            folder, strerror(errno));
    }
    return PL_OK;
}

void pl_scratch_remove(pl_scratch *scratch)
{
    if (scratch->fd >= 0) {
        remove_tree(scratch->path.data);
        close(scratch->fd);
    }
    pl_buf_deinit(&scratch->path);
    scratch->fd = -1;
}
