#include "core/base/temporary.h"

#include "core/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark[] = ".planish-";
enum {
    DEPTH = 3,
    /* of folders in one: a store of its own has its kinds */ DIGITS = 8,
    KEPT_NAME = 200 /* of NAME_MAX, 255 */,
    ATTEMPTS = 100
};

bool pl_temporary_is_named(const char *name)
{
    const size_t length = strlen(name), tail = sizeof mark - 1 + DIGITS;
    return length > tail && strncmp(name + length - tail, mark, sizeof mark - 1) == 0 &&
           strspn(name + length - DIGITS, "0123456789abcdef") == DIGITS;
}

/* Locked: nobody else is making it.  A file system without locks locks nothing, and nothing is
 * swept there. */
static bool take_lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool is_gone(int fd)
{
    struct stat st;
    return fstat(fd, &st) != 0 || st.st_nlink == 0;
}

/* --- sweeping --------------------------------------------------------------------------------- */

static bool empty_folder(DIR *dir, bool remove, int depth);

/* One thing in a folder in the making: a plain file of this user's, or a folder of such. */
static bool empty_entry(int fd, const char *name, bool remove, int depth)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != geteuid()) {
        return false;
    }
    if (S_ISREG(st.st_mode)) {
        return !remove || unlinkat(fd, name, 0) == 0;
    }
    const int inner = S_ISDIR(st.st_mode) && depth > 0
                          ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : -1;
    DIR *dir = inner >= 0 ? fdopendir(inner) : NULL;
    const bool empty = dir != NULL && empty_folder(dir, remove, depth - 1) &&
                       (!remove || unlinkat(fd, name, AT_REMOVEDIR) == 0);
    if (dir != NULL) {
        closedir(dir);
    } else if (inner >= 0) {
        close(inner);
    }
    return empty;
}

/* Is all in the folder plain files, and folders of such to that depth, and this user's?  Removes it
 * if so and remove is set. */
static bool empty_folder(DIR *dir, bool remove, int depth)
{
    bool plain = true;
    const struct dirent *entry;
    rewinddir(dir);
    while (plain && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            plain = empty_entry(dirfd(dir), entry->d_name, remove, depth);
        }
    }
    return plain;
}

static void sweep_one(int folder, const char *name)
{
    struct stat named, opened;
    if (fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) != 0 || named.st_uid != geteuid() ||
        !(S_ISDIR(named.st_mode) || (S_ISREG(named.st_mode) && named.st_nlink == 1))) {
        return;
    }
    const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    DIR *dir = NULL;
    if (take_lock(fd) && fstat(fd, &opened) == 0 && opened.st_ino == named.st_ino &&
        opened.st_dev == named.st_dev && opened.st_nlink > 0) {
        if (!S_ISDIR(opened.st_mode)) {
            (void)unlinkat(folder, name, 0);
        } else if ((dir = fdopendir(fd)) != NULL && empty_folder(dir, false, DEPTH) &&
                   empty_folder(dir, true, DEPTH)) {
            (void)unlinkat(folder, name, AT_REMOVEDIR);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    } else {
        close(fd);
    }
}

void pl_temporary_sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (pl_temporary_is_named(entry->d_name)) {
            sweep_one(dirfd(dir), entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* A folder is swept once a process, as long as it is among the last ones: the store's hold many
 * files. */
static void sweep_once(const char *folder)
{
    enum { REMEMBERED = 32 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *swept[REMEMBERED];
    static size_t count;
    bool known = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REMEMBERED; i++) {
        known = known || (swept[i] != NULL && strcmp(swept[i], folder) == 0);
    }
    if (!known) {
        free(swept[count % REMEMBERED]);
        swept[count++ % REMEMBERED] = strdup(folder);
    }
    pthread_mutex_unlock(&lock);
    if (!known) {
        pl_temporary_sweep(folder);
    }
}

/* --- making ----------------------------------------------------------------------------------- */

/* The length of the target without slashes at its end, and of the folder's part of that. */
static void split_target(const char *target, size_t *length, size_t *folder)
{
    *length = strlen(target);
    while (*length > 1 && target[*length - 1] == '/') {
        --*length;
    }
    *folder = *length;
    while (*folder > 0 && target[*folder - 1] != '/') {
        --*folder;
    }
}

/* Opens a new file or folder, locked, or -1 with errno: EEXIST where another name may do. */
static int make_one(const char *path, bool folder)
{
    if (folder && mkdir(path, 0777) != 0) {
        return -1;
    }
    const int fd = folder ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        if (folder) {
            const int why = errno;
            (void)rmdir(path); /* nobody knows of it */
            errno = why == ENOENT ? EEXIST : why;
        }
        return -1;
    }
    /* Another process may have swept it before it was locked, or be about to. */
    if ((!take_lock(fd) && errno == EWOULDBLOCK) || is_gone(fd)) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    return fd;
}

pl_status pl_temporary_create(const char *target, bool folder, pl_temporary *out, pl_error *err)
{
    size_t length = 0, before = 0;
    *out = (pl_temporary){.fd = -1};
    split_target(target, &length, &before);
    pl_buf path = {0};
    pl_buf_append(&path, target, before);
    pl_buf_puts(&path, before == 0 ? "." : "");
    if (!path.failed) {
        sweep_once(path.data);
    }
    const int kept = (int)(length - before < KEPT_NAME ? length - before : KEPT_NAME);
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < ATTEMPTS && !path.failed; attempt++) {
        uint32_t number = (uint32_t)getpid() * 2654435761u + (uint32_t)attempt;
        (void)!getrandom(&number, sizeof number, GRND_NONBLOCK);
        path.size = 0;
        pl_buf_printf(&path, "%.*s%.*s%s%08x", (int)before, target, kept, target + before, mark,
                      (unsigned)number);
        fd = path.failed ? -1 : make_one(path.data, folder);
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    if (fd < 0) {
        const pl_status status = path.failed
                                     ? pl_error_memory(err, "%s", target)
                                     : pl_error_set(err, PL_ERR_IO, "%s: cannot be %s: %s", target,
                                                    folder ? "made" : "written", strerror(errno));
        pl_buf_deinit(&path);
        return status;
    }
    *out = (pl_temporary){.fd = fd, .path = path.data};
    return PL_OK;
}

static void forget_file(pl_temporary *temporary)
{
    if (temporary->path != NULL) {
        close(temporary->fd);
    }
    free(temporary->path);
    *temporary = (pl_temporary){.fd = -1};
}

pl_status pl_temporary_publish(pl_temporary *temporary, const char *target, pl_error *err)
{
    if (rename(temporary->path, target) != 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: cannot be put in place: %s", target,
                            strerror(errno));
    }
    forget_file(temporary);
    return PL_OK;
}

void pl_temporary_discard(pl_temporary *temporary)
{
    struct stat st;
    DIR *dir = NULL; /* of the descriptor itself: there may be no other to have */
    if (temporary->path != NULL && fstat(temporary->fd, &st) == 0) {
        if (!S_ISDIR(st.st_mode)) {
            (void)unlink(temporary->path);
        } else if ((dir = fdopendir(temporary->fd)) != NULL && empty_folder(dir, true, DEPTH)) {
            (void)rmdir(temporary->path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
        free(temporary->path);
        temporary->path = NULL;
    }
    forget_file(temporary);
}
