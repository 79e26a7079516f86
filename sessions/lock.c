#include "sessions/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Beyond what a file can hold, and so beyond SQLite's own bytes (at 1 GB). */
static const off_t lock_byte = (off_t)1 << 62;

/* The files that this process writes. */
typedef struct held {
    struct held *next;
    dev_t device;
    ino_t inode;
    int fd;
} held;
static held *all_held;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static bool is_own_lock(const struct stat *st)
{
    bool found = false;
    pthread_mutex_lock(&guard);
    for (const held *one = all_held; one != NULL; one = one->next) {
        found = found || (one->device == st->st_dev && one->inode == st->st_ino);
    }
    pthread_mutex_unlock(&guard);
    return found;
}

static pl_status remember(int fd, const char *path, pl_error *err)
{
    struct stat st;
    held *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    if (fstat(fd, &st) != 0) {
        free(one);
        return pl_error_set(err, PL_ERR_IO, "%s: %s", path, strerror(errno));
    }
    *one = (held){.device = st.st_dev, .inode = st.st_ino, .fd = fd};
    pthread_mutex_lock(&guard);
    one->next = all_held;
    all_held = one;
    pthread_mutex_unlock(&guard);
    return PL_OK;
}

static struct flock of_type(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = lock_byte, .l_len = 1};
}

pl_status pl_lock_take(const char *path, int *fd, pl_lock_state *state, pl_error *err)
{
    struct stat st;
    *fd = -1;
    *state = PL_LOCK_ELSEWHERE;
    if (stat(path, &st) == 0 && is_own_lock(&st)) {
        return PL_OK;
    }
    const int made = open(path, O_RDWR | O_CLOEXEC);
    if (made < 0 && errno == EISDIR) {
        return pl_error_set(err, PL_ERR_IO, "%s: expected a regular file", path);
    }
    if (made < 0) {
        return errno == EACCES || errno == EROFS || errno == EPERM
                   ? pl_error_set(err, PL_ERR_IO,
                                  "%s: the session cannot be written (it needs a writable file in "
                                  "a writable folder)",
                                  path)
                   : pl_error_set(err, PL_ERR_IO, "%s: %s", path, strerror(errno));
    }
    struct flock lock = of_type(F_WRLCK);
    if (fcntl(made, F_OFD_SETLK, &lock) == 0) {
        *state = PL_LOCK_MINE;
    } else if (errno == EAGAIN || errno == EACCES) {
        close(made);
        return PL_OK;
    } else {
        *state = PL_LOCK_NONE;
    }
    pl_status status = remember(made, path, err);
    if (status != PL_OK) {
        close(made);
        return status;
    }
    *fd = made;
    return PL_OK;
}

void pl_lock_release(int fd)
{
    pthread_mutex_lock(&guard);
    held **at = &all_held;
    while (*at != NULL && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    held *found = *at;
    if (found != NULL) {
        *at = found->next;
    }
    pthread_mutex_unlock(&guard);
    free(found);
    if (fd >= 0) {
        close(fd);
    }
}

bool pl_lock_is_held(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    if (is_own_lock(&st)) {
        return true;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct flock lock = of_type(F_RDLCK);
    const bool taken = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0) {
        close(fd);
    }
    return taken;
}
