/* tests/support/faults.c -- preloaded into planish: the n-th call of the operating system on a file
 * under a folder fails, or kills the process.
 *
 * PLANISH_FAULT_UNDER: the folder.  PLANISH_FAULT_AT: which call, from 1 (0: none).
 * PLANISH_FAULT_ERRNO: the errno that it fails with; -9: the process is killed there.
 * PLANISH_FAULT_ROOM: so many bytes are left on every file system under it, says statvfs.
 * PLANISH_FAULT_LOG: a file in which every counted call leaves a byte: its size is their number. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static atomic_long calls;

static bool under(const char *path)
{
    const char *folder = getenv("PLANISH_FAULT_UNDER");
    return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static bool fd_under(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return under(path);
}

/* Counts a call; true where it is to fail. */
static bool fails(void)
{
    const char *at = getenv("PLANISH_FAULT_AT"), *code = getenv("PLANISH_FAULT_ERRNO");
    const char *log = getenv("PLANISH_FAULT_LOG");
    const long number = atomic_fetch_add(&calls, 1) + 1;
    if (log != NULL) {
        int (*real_open)(const char *, int, ...);
        *(void **)&real_open = dlsym(RTLD_NEXT, "open64");
        const int fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ssize_t (*real_write)(int, const void *, size_t);
        *(void **)&real_write = dlsym(RTLD_NEXT, "write");
        (void)!real_write(fd, ".", 1);
        close(fd);
    }
    if (at == NULL || number != atol(at)) {
        return false;
    }
    if (atoi(code) == -9) {
        raise(SIGKILL);
    }
    errno = atoi(code);
    return true;
}

#define REAL(name) *(void **)&real = dlsym(RTLD_NEXT, #name)

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...);
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    REAL(open64);
    return under(path) && fails() ? -1 : real(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    ssize_t (*real)(int, const void *, size_t);
    REAL(write);
    return fd > 2 && fd_under(fd) && fails() ? -1 : real(fd, bytes, size);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset);
ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset)
{
    ssize_t (*real)(int, void *, size_t, off64_t);
    REAL(pread64);
    return fd_under(fd) && fails() ? -1 : real(fd, bytes, size, offset);
}

int fsync(int fd)
{
    int (*real)(int);
    REAL(fsync);
    return fd_under(fd) && fails() ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *);
    REAL(rename);
    return under(to) && fails() ? -1 : real(from, to);
}

int unlink(const char *path)
{
    int (*real)(const char *);
    REAL(unlink);
    return under(path) && fails() ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t);
    REAL(mkdir);
    return under(path) && fails() ? -1 : real(path, mode);
}

int statvfs64(const char *path, struct statvfs64 *out);
int statvfs64(const char *path, struct statvfs64 *out)
{
    const char *room = getenv("PLANISH_FAULT_ROOM");
    int (*real)(const char *, struct statvfs64 *);
    REAL(statvfs64);
    const int status = real(path, out);
    if (room != NULL && under(path)) {
        out->f_bavail = (fsblkcnt64_t)atol(room);
        out->f_frsize = 1;
    }
    return status;
}
