/* The room that a store takes: what it holds, who uses it, what may go. */
#include "core/io/store_parts.h"

#include "core/base/file.h"
#include "core/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEFAULT_LIMIT UINT64_C(20000000000)

/* Beside a file's bytes: folders grow, and blocks are not cut. */
static const uint64_t room_beside = (uint64_t)1 << 20;

static const char presence_name[] = "user";

static int compare_times(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec) {
        return a.tv_sec < b.tv_sec ? -1 : 1;
    }
    return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

/* ---- who uses the store ---- */

/* A file in the store's folder, locked while this process lives.  Its time is when the present
 * command began: what was used since then is wanted, whoever else may need the room. */
void pl_store_be_present(pl_store *store)
{
    pl_buf target = {0};
    struct stat st;
    pthread_mutex_lock(&store->lock);
    if (store->presence.path != NULL && fstat(store->presence.fd, &st) == 0 && st.st_nlink == 0) {
        pl_temporary_discard(&store->presence); /* somebody has removed the folder */
    }
    if (store->presence.path == NULL && stat(store->folder, &st) == 0) {
        pl_path_join(&target, store->folder, presence_name);
        if (!target.failed &&
            pl_temporary_create(target.data, false, &store->presence, NULL) != PL_OK) {
            store->presence.path = NULL; /* on a disk without any room nobody sees this process */
        } else if (store->presence.path != NULL && store->began.tv_sec != 0) {
            /* The folder was made after the command began. */
            const struct timespec times[2] = {store->began, store->began};
            (void)futimens(store->presence.fd, times);
        }
    }
    pthread_mutex_unlock(&store->lock);
    pl_buf_deinit(&target);
}

/* The folder's own lock, which every process can take that can list it. */
static int lock_folder(const pl_store *store, int operation)
{
    const int fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && flock(fd, operation) != 0 && errno == EINTR) {
    }
    return fd;
}

int pl_store_hold(const pl_store *store)
{
    return lock_folder(store, LOCK_SH);
}

void pl_store_let_go(int held)
{
    if (held >= 0) {
        close(held);
    }
}

/* The time of last use is the access time, set by hand: it works on file systems mounted without
 * access times, and leaves the modification time that open readers check alone.  A store that
 * cannot be written keeps its old order, which is no error. */
bool pl_store_mark(pl_store *store, const char *path)
{
    static const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    pl_store_be_present(store);
    const int held = pl_store_hold(store);
    (void)utimensat(AT_FDCWD, path, times, 0);
    const bool there = access(path, R_OK) == 0;
    pl_store_let_go(held);
    return there;
}

/* Is the file locked by a process?  One that cannot be looked at may be. */
static bool is_alive(int folder, const char *name)
{
    const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool alive = fd < 0 || (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK);
    if (fd >= 0) {
        close(fd);
    }
    return alive;
}

/* When the oldest of the commands began that use the store now; *found is false without any. */
static struct timespec oldest_use(const pl_store *store, bool *found)
{
    struct timespec oldest = {0};
    DIR *dir = opendir(store->folder);
    *found = false;
    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        struct stat st;
        if (strncmp(item->d_name, presence_name, sizeof presence_name - 1) == 0 &&
            pl_temporary_is_named(item->d_name) &&
            fstatat(dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && is_alive(dirfd(dir), item->d_name) &&
            (!*found || compare_times(st.st_mtim, oldest) < 0)) {
            oldest = st.st_mtim;
            *found = true;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return oldest;
}

/* ---- what there is ---- */

typedef struct candidate {
    char *path;
    uint64_t bytes;
    struct timespec used;
    bool keep;
} candidate;

typedef struct candidates {
    candidate *list;
    size_t count, capacity;
    uint64_t bytes;
    bool failed;
} candidates;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    int order = compare_times(x->used, y->used);
    return order != 0 ? order : strcmp(x->path, y->path);
}

static void add_candidate(candidates *all, const char *path, const struct stat *st, bool keep)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity > 0 ? 2 * all->capacity : 64;
        candidate *list = realloc(all->list, capacity * sizeof *list);
        if (list == NULL) {
            all->failed = true;
            return;
        }
        all->list = list;
        all->capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        all->failed = true;
        return;
    }
    bool later = compare_times(st->st_atim, st->st_mtim) > 0;
    all->list[all->count++] = (candidate){
        .path = copy,
        .bytes = (uint64_t)st->st_size,
        .used = later ? st->st_atim : st->st_mtim,
        .keep = keep,
    };
    all->bytes += (uint64_t)st->st_size;
}

/* One file of a kind's folder. */
static void visit_file(pl_store *store, const char *kind, const char *path, const char *name,
                       candidates *all)
{
    struct stat st;
    pl_id key;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    if (pl_id_parse(name, &key)) {
        add_candidate(all, path, &st, pl_store_is_pinned(store, kind, key));
    }
}

static void visit_kind(pl_store *store, const char *kind, candidates *all)
{
    pl_buf folder = {0};
    pl_path_join(&folder, store->folder, kind);
    DIR *dir = folder.failed ? NULL : opendir(folder.data);
    if (dir != NULL) {
        pl_temporary_sweep(folder.data);
        for (struct dirent *item = readdir(dir); item != NULL; item = readdir(dir)) {
            pl_buf path = {0};
            pl_path_join(&path, folder.data, item->d_name);
            if (path.failed) {
                all->failed = true;
            } else {
                visit_file(store, kind, path.data, item->d_name, all);
            }
            pl_buf_deinit(&path);
        }
        closedir(dir);
    }
    pl_buf_deinit(&folder);
}

/* The limit asked for, or the default: 20 GB, and no more than what is left free beside it. */
static uint64_t effective_limit(const pl_store *store, uint64_t used)
{
    struct statvfs fs;
    if (store->limit > 0) {
        return store->limit;
    }
    if (statvfs(store->folder, &fs) != 0) {
        return DEFAULT_LIMIT;
    }
    uint64_t half = ((uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize + used) / 2;
    return half < DEFAULT_LIMIT ? half : DEFAULT_LIMIT;
}

/* This process's own command counts though nobody should see its presence. */
static void add_own_use(pl_store *store, bool *used, struct timespec *since)
{
    pthread_mutex_lock(&store->lock);
    const struct timespec began = store->began;
    pthread_mutex_unlock(&store->lock);
    if (began.tv_sec != 0 && (!*used || compare_times(began, *since) < 0)) {
        *since = began;
        *used = true;
    }
}

static void list_all(pl_store *store, candidates *all)
{
    /* Before the files: a command that begins meanwhile marks what it wants, then tells its time.
     */
    bool used = false;
    struct timespec since = oldest_use(store, &used);
    add_own_use(store, &used, &since);
    DIR *dir = opendir(store->folder);
    pl_temporary_sweep(store->folder);
    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        if (pl_store_is_kind(item->d_name)) {
            visit_kind(store, item->d_name, all);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    for (size_t i = 0; i < all->count; i++) {
        candidate *c = &all->list[i];
        c->keep = c->keep || (used && compare_times(c->used, since) >= 0);
    }
    if (all->count > 0) {
        qsort(all->list, all->count, sizeof *all->list, compare_candidates);
    }
}

void pl_store_sweep(const pl_store *store)
{
    DIR *dir = opendir(store->folder);
    pl_temporary_sweep(store->folder);
    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        pl_buf folder = {0};
        if (pl_store_is_kind(item->d_name)) {
            pl_path_join(&folder, store->folder, item->d_name);
            if (!folder.failed) {
                pl_temporary_sweep(folder.data);
            }
            pl_buf_deinit(&folder);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void free_all(candidates *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].path);
    }
    free(all->list);
}

/* ---- trimming ---- */

/* What cannot be removed stays: a store that only others may write in is no error. */
pl_status pl_store_trim(pl_store *store, pl_error *err)
{
    candidates all = {0};
    const int held = lock_folder(store, LOCK_EX);
    list_all(store, &all);
    const uint64_t limit = effective_limit(store, all.bytes);
    for (size_t i = 0; i < all.count && all.bytes > limit; i++) {
        const candidate *c = &all.list[i];
        if (!c->keep && unlink(c->path) == 0) {
            all.bytes -= c->bytes;
        }
    }
    pl_store_let_go(held);
    const bool failed = all.failed;
    free_all(&all);
    return failed ? pl_error_memory(err, "the list of the store") : PL_OK;
}

/* Whether the disk has room for so many bytes, or would with `more` than it says. */
static bool would_have_room(const pl_store *store, uint64_t more, uint64_t bytes)
{
    struct statvfs fs;
    return statvfs(store->folder, &fs) != 0 ||
           (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize + more >= bytes + room_beside;
}

static bool has_room(const pl_store *store, uint64_t bytes)
{
    return would_have_room(store, 0, bytes);
}

static uint64_t unwanted_bytes(const candidates *all)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < all->count; i++) {
        bytes += all->list[i].keep ? 0 : all->list[i].bytes;
    }
    return bytes;
}

bool pl_store_make_room(pl_store *store, uint64_t bytes)
{
    if (has_room(store, bytes)) {
        return true;
    }
    candidates all = {0};
    const int held = lock_folder(store, LOCK_EX);
    list_all(store, &all);
    bool room = has_room(store, bytes); /* the dead have left something */
    const bool enough = would_have_room(store, unwanted_bytes(&all), bytes);
    for (size_t i = 0; i < all.count && !room && enough; i++) {
        if (!all.list[i].keep && unlink(all.list[i].path) == 0) {
            room = has_room(store, bytes);
        }
    }
    pl_store_let_go(held);
    free_all(&all);
    return room;
}

bool pl_store_give_up(pl_store *store, uint64_t bytes)
{
    candidates all = {0};
    uint64_t gone = 0;
    const int held = lock_folder(store, LOCK_EX);
    list_all(store, &all);
    for (size_t i = 0; i < all.count && gone < bytes; i++) {
        if (!all.list[i].keep && unlink(all.list[i].path) == 0) {
            gone += all.list[i].bytes;
        }
    }
    pl_store_let_go(held);
    free_all(&all);
    return gone > 0;
}
