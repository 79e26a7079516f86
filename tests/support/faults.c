/* tests/support/faults.c -- preloaded into planish: the n-th of its calls of the operating system
 * on files under a folder, or of its reservations of memory, fails, or kills the process.
 *
 * PLANISH_FAULT_UNDER: the folder.  PLANISH_FAULT_KIND: which calls count: open, read, write, sync,
 * rename, remove, folder (mkdir), memory; absent: all but memory.
 * PLANISH_FAULT_AT: which of them, from 1 (0: none).  PLANISH_FAULT_ALL: that one and all later.
 * PLANISH_FAULT_ERRNO: the errno that it fails with; -9: the process is killed there.
 * PLANISH_FAULT_SHORT: nothing fails, but every third read and write is interrupted by a signal,
 * and the others do half of what they are asked. PLANISH_FAULT_ROOM: so many bytes are left on
 * every file system under it, says statvfs. PLANISH_FAULT_LOG: a file of nine int64_t: how many
 * there were of each kind, and of all that count but memory's; planish starts itself once more, and
 * both starts count on in it.
 *
 * Memory is what Planish's own code, jansson, SQLite and libpng reserve: other libraries end the
 * process where there is none. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define REAL(name) *(void **)&real = dlsym(RTLD_NEXT, #name)

typedef enum fault_kind {
    KIND_OPEN,
    KIND_READ,
    KIND_WRITE,
    KIND_SYNC,
    KIND_RENAME,
    KIND_REMOVE,
    KIND_FOLDER,
    KIND_MEMORY,
    KINDS
} fault_kind;

static const char *const kind_names[KINDS] = {"open",   "read",   "write",  "sync",
                                              "rename", "remove", "folder", "memory"};

typedef struct range {
    uintptr_t begin, end;
} range;

enum { RANGES = 8 };

static struct {
    const char *folder;
    size_t folder_length;
    long at;
    bool all, half;
    int code;
    atomic_uint transfers; /* reads and writes, where half is done of each */
    long room;
    range callers[RANGES]; /* whose reservations count */
    size_t n_callers;
    fault_kind counted; /* what `at` is a number of; KINDS: of all but memory */
    atomic_long own[KINDS + 1];
    atomic_long *calls;
    bool ready;
} faults = {.calls = faults.own};

/* The code of an object whose reservations count. */
static int take_object(struct dl_phdr_info *info, size_t size, void *data)
{
    static const char *const names[] = {"libjansson.", "libsqlite3.", "libpng16."};
    bool counts = info->dlpi_name[0] == '\0';
    (void)size;
    (void)data;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        counts = counts || strstr(info->dlpi_name, names[i]) != NULL;
    }
    for (size_t i = 0; counts && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && faults.n_callers < RANGES) {
            const uintptr_t begin = info->dlpi_addr + part->p_vaddr;
            faults.callers[faults.n_callers++] = (range){begin, begin + part->p_memsz};
        }
    }
    return 0;
}

static void share_count(const char *log)
{
    int (*real)(const char *, int, ...);
    REAL(open64);
    const int fd = real(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, sizeof faults.own) == 0) {
        void *mapped = mmap(NULL, sizeof faults.own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) {
            faults.calls = mapped;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static long number_of(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? atol(value) : otherwise;
}

__attribute__((constructor)) static void prepare(void)
{
    const char *log = getenv("PLANISH_FAULT_LOG"), *kind = getenv("PLANISH_FAULT_KIND");
    const char *under = getenv("PLANISH_FAULT_UNDER");
    faults.counted = KINDS;
    for (int i = 0; kind != NULL && i < KINDS; i++) {
        faults.counted = strcmp(kind, kind_names[i]) == 0 ? (fault_kind)i : faults.counted;
    }
    faults.folder = under != NULL ? strdup(under) : NULL; /* the program changes its environment */
    faults.folder_length = under != NULL ? strlen(under) : 0;
    faults.at = number_of("PLANISH_FAULT_AT", 0);
    faults.all = number_of("PLANISH_FAULT_ALL", 0) != 0;
    faults.code = (int)number_of("PLANISH_FAULT_ERRNO", EIO);
    faults.half = number_of("PLANISH_FAULT_SHORT", 0) != 0;
    faults.room = number_of("PLANISH_FAULT_ROOM", -1);
    dl_iterate_phdr(take_object, NULL);
    if (log != NULL) {
        share_count(log);
    }
    faults.ready = true;
}

/* Counts a call; true where it is to fail. */
static bool fails(fault_kind kind)
{
    if (!faults.ready) {
        return false;
    }
    const long of_kind = atomic_fetch_add(&faults.calls[kind], 1) + 1;
    const long of_all = kind != KIND_MEMORY ? atomic_fetch_add(&faults.calls[KINDS], 1) + 1 : -1;
    const long number = faults.counted == kind ? of_kind : faults.counted == KINDS ? of_all : -1;
    if (faults.at == 0 || number < faults.at || (number > faults.at && !faults.all)) {
        return false;
    }
    if (faults.code == -9) {
        raise(SIGKILL);
    }
    errno = faults.code;
    return true;
}

static bool path_fails(fault_kind kind, const char *path)
{
    return faults.folder != NULL && path != NULL &&
           strncmp(path, faults.folder, faults.folder_length) == 0 && fails(kind);
}

/* Of an open file; empty where it has none. */
static void find_path(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
}

static bool fd_fails(fault_kind kind, int fd)
{
    char path[PATH_MAX];
    if (!faults.ready || fd <= 2) {
        return false;
    }
    find_path(fd, path);
    return path_fails(kind, path);
}

/* Whether a read or write of *size bytes fails; where transfers are short, it is interrupted or
 * *size is halved. */
static bool transfer_fails(fault_kind kind, int fd, size_t *size)
{
    char path[PATH_MAX];
    if (fd_fails(kind, fd)) {
        return true;
    }
    if (!faults.ready || !faults.half || fd <= 2 || faults.folder == NULL) {
        return false;
    }
    find_path(fd, path);
    if (strncmp(path, faults.folder, faults.folder_length) != 0) {
        return false;
    }
    if (atomic_fetch_add(&faults.transfers, 1) % 3 == 2) {
        errno = EINTR;
        return true;
    }
    *size = *size / 2 + *size % 2;
    return false;
}

/* A name in an open folder. */
static bool at_fails(fault_kind kind, int fd, const char *path)
{
    return path[0] == '/' ? path_fails(kind, path) : fd_fails(kind, fd);
}

/* --- files ------------------------------------------------------------------------------------ */

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...);
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    REAL(open64);
    return path_fails(KIND_OPEN, path) ? -1 : real(path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...);
int openat64(int fd, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...);
    va_list args;
    va_start(args, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    REAL(openat64);
    return at_fails(KIND_OPEN, fd, path) ? -1 : real(fd, path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode);
FILE *fopen64(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *);
    REAL(fopen64);
    return path_fails(KIND_OPEN, path) ? NULL : real(path, mode);
}

DIR *opendir(const char *path)
{
    DIR *(*real)(const char *);
    REAL(opendir);
    return path_fails(KIND_OPEN, path) ? NULL : real(path);
}

ssize_t read(int fd, void *bytes, size_t size)
{
    ssize_t (*real)(int, void *, size_t);
    REAL(read);
    return transfer_fails(KIND_READ, fd, &size) ? -1 : real(fd, bytes, size);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset);
ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset)
{
    ssize_t (*real)(int, void *, size_t, off64_t);
    REAL(pread64);
    return transfer_fails(KIND_READ, fd, &size) ? -1 : real(fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    ssize_t (*real)(int, const void *, size_t);
    REAL(write);
    return transfer_fails(KIND_WRITE, fd, &size) ? -1 : real(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset);
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t);
    REAL(pwrite64);
    return transfer_fails(KIND_WRITE, fd, &size) ? -1 : real(fd, bytes, size, offset);
}

int ftruncate64(int fd, off64_t size);
int ftruncate64(int fd, off64_t size)
{
    int (*real)(int, off64_t);
    REAL(ftruncate64);
    return fd_fails(KIND_WRITE, fd) ? -1 : real(fd, size);
}

int fsync(int fd)
{
    int (*real)(int);
    REAL(fsync);
    return fd_fails(KIND_SYNC, fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int);
    REAL(fdatasync);
    return fd_fails(KIND_SYNC, fd) ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *);
    REAL(rename);
    return path_fails(KIND_RENAME, to) ? -1 : real(from, to);
}

int unlink(const char *path)
{
    int (*real)(const char *);
    REAL(unlink);
    return path_fails(KIND_REMOVE, path) ? -1 : real(path);
}

int unlinkat(int fd, const char *path, int flags)
{
    int (*real)(int, const char *, int);
    REAL(unlinkat);
    return at_fails(KIND_REMOVE, fd, path) ? -1 : real(fd, path, flags);
}

int rmdir(const char *path)
{
    int (*real)(const char *);
    REAL(rmdir);
    return path_fails(KIND_REMOVE, path) ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t);
    REAL(mkdir);
    return path_fails(KIND_FOLDER, path) ? -1 : real(path, mode);
}

int statvfs64(const char *path, struct statvfs64 *out);
int statvfs64(const char *path, struct statvfs64 *out)
{
    int (*real)(const char *, struct statvfs64 *);
    REAL(statvfs64);
    const int status = real(path, out);
    if (faults.room >= 0 && faults.folder != NULL &&
        strncmp(path, faults.folder, faults.folder_length) == 0) {
        out->f_bavail = (fsblkcnt64_t)faults.room;
        out->f_frsize = 1;
    }
    return status;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* The C library's own, which dlsym does not have to be asked for: it reserves itself. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool memory_fails(const void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    if (!faults.ready) {
        return false;
    }
    for (size_t i = 0; i < faults.n_callers; i++) {
        if (at >= faults.callers[i].begin && at < faults.callers[i].end) {
            const int before = errno;
            const bool out = fails(KIND_MEMORY);
            errno = out ? ENOMEM : before;
            return out;
        }
    }
    return false;
}
#define MEMORY_FAILS() memory_fails(__builtin_return_address(0))

void *malloc(size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return MEMORY_FAILS() ? NULL : __libc_memalign(alignment, size);
}

char *strndup(const char *text, size_t size)
{
    const size_t length = strnlen(text, size);
    char *copy = MEMORY_FAILS() ? NULL : __libc_malloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    const size_t length = strlen(text);
    char *copy = MEMORY_FAILS() ? NULL : __libc_malloc(length + 1);
    return copy != NULL ? memcpy(copy, text, length + 1) : NULL;
}
