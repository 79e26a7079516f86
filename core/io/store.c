#include "core/io/store.h"

#include "core/base/file.h"
#include "core/base/temporary.h"
#include "core/base/text.h"
#include "core/io/store_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEFAULT_LIMIT UINT64_C(20000000000)

typedef struct pin {
    char *kind;
    pl_id key;
} pin;

struct pl_store {
    char *folder;
    uint64_t limit;
    pin *pins;
    size_t pin_count;
};

static char *default_folder(void)
{
    pl_buf path = {0};
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache != NULL && cache[0] == '/') { /* the XDG specification ignores relative ones */
        pl_path_join(&path, cache, "planish");
    } else if (home != NULL && home[0] != '\0') {
        pl_path_join(&path, home, ".cache/planish");
    }
    return path.data;
}

pl_status pl_store_open(const char *folder, uint64_t limit, pl_store **out, pl_error *err)
{
    *out = NULL;
    struct stat st;
    char *own = folder != NULL ? strdup(folder) : default_folder();
    if (own == NULL || *own == '\0') {
        free(own);
        return pl_error_set(
            err, PL_ERR_IO,
            "the store has no folder, expected --store DIR, XDG_CACHE_HOME or HOME");
    }
    if (stat(own, &st) == 0 && !S_ISDIR(st.st_mode)) {
        pl_status status = pl_error_set(err, PL_ERR_IO, "%s: the store expected a folder", own);
        free(own);
        return status;
    }
    pl_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        free(own);
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the store");
    }
    *store = (pl_store){.folder = own, .limit = limit};
    *out = store;
    return PL_OK;
}

void pl_store_close(pl_store *store)
{
    if (store == NULL) {
        return;
    }
    for (size_t i = 0; i < store->pin_count; i++) {
        free(store->pins[i].kind);
    }
    free(store->pins);
    free(store->folder);
    free(store);
}

const char *pl_store_folder(const pl_store *store)
{
    return store->folder;
}

static bool is_kind(const char *kind)
{
    size_t size = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return size > 0 && kind[size] == '\0';
}

/* Caller deinits *path. */
static pl_status entry_path(const pl_store *store, const char *kind, pl_id key, pl_buf *path,
                            pl_error *err)
{
    char hex[PL_ID_TEXT];
    *path = (pl_buf){0};
    if (!is_kind(kind)) {
        return pl_error_set(err, PL_ERR_USAGE, "store: '%s' is no kind of entry", kind);
    }
    pl_id_format(key, hex);
    pl_path_join(path, store->folder, kind);
    pl_buf_puts(path, "/");
    pl_buf_puts(path, hex);
    pl_status status = pl_buf_check(path, err);
    if (status != PL_OK) {
        pl_buf_deinit(path);
    }
    return status;
}

/* The time of last use is the access time, set by hand: it works on file systems mounted without
 * access times, and leaves the modification time that open readers check alone.  A store that
 * cannot be written keeps its old order, which is no error. */
static void mark_used(const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    (void)utimensat(AT_FDCWD, path, times, 0);
}

/* Is there a whole, undamaged entry at path? */
static bool is_sound(const char *path, const char *kind, pl_id key)
{
    pl_entry *entry = NULL;
    bool sound = pl_entry_open(path, kind, key, &entry, NULL) == PL_OK &&
                 pl_entry_verify(entry, NULL) == PL_OK;
    pl_entry_close(entry);
    return sound;
}

static pl_status write_entry(pl_store *store, const char *kind, pl_id key, const json_t *about,
                             const pl_section *sections, size_t count, bool keep, pl_error *err)
{
    pl_buf path, folder = {0};
    pl_status status = entry_path(store, kind, key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    if (keep && is_sound(path.data, kind, key)) {
        mark_used(path.data);
        goto done;
    }
    pl_path_join(&folder, store->folder, kind);
    status = pl_buf_check(&folder, err);
    if (status == PL_OK) {
        status = pl_file_make_dirs(folder.data, err);
    }
    if (status == PL_OK) {
        status = pl_entry_write(path.data, kind, key, about, sections, count, err);
    }
    if (status != PL_OK) {
        pl_error_prefix(err, "the store keeps no result: ");
    }
done:
    pl_buf_deinit(&folder);
    pl_buf_deinit(&path);
    return status;
}

pl_status pl_store_put(pl_store *store, const char *kind, pl_id key, const json_t *about,
                       const pl_section *sections, size_t count, pl_error *err)
{
    return write_entry(store, kind, key, about, sections, count, true, err);
}

pl_status pl_store_replace(pl_store *store, const char *kind, pl_id key, const json_t *about,
                           const pl_section *sections, size_t count, pl_error *err)
{
    return write_entry(store, kind, key, about, sections, count, false, err);
}

bool pl_store_has(pl_store *store, const char *kind, pl_id key)
{
    pl_buf path;
    if (entry_path(store, kind, key, &path, NULL) != PL_OK) {
        return false;
    }
    bool found = access(path.data, R_OK) == 0;
    pl_buf_deinit(&path);
    return found;
}

pl_status pl_store_get(pl_store *store, const char *kind, pl_id key, pl_entry **out, pl_error *err)
{
    pl_buf path;
    *out = NULL;
    pl_status status = entry_path(store, kind, key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_entry_open(path.data, kind, key, out, err);
    if (status == PL_OK) {
        mark_used(path.data);
    }
    pl_buf_deinit(&path);
    return status;
}

pl_status pl_store_remove(pl_store *store, const char *kind, pl_id key, pl_error *err)
{
    pl_buf path;
    pl_status status = entry_path(store, kind, key, &path, err);
    if (status != PL_OK) {
        return status;
    }
    if (unlink(path.data) != 0 && errno != ENOENT) {
        status =
            pl_error_set(err, PL_ERR_IO, "%s: cannot be removed: %s", path.data, strerror(errno));
    }
    pl_buf_deinit(&path);
    return status;
}

static bool is_pinned(const pl_store *store, const char *kind, pl_id key)
{
    for (size_t i = 0; i < store->pin_count; i++) {
        if (pl_id_equal(store->pins[i].key, key) && strcmp(store->pins[i].kind, kind) == 0) {
            return true;
        }
    }
    return false;
}

pl_status pl_store_pin(pl_store *store, const char *kind, pl_id key, pl_error *err)
{
    if (is_pinned(store, kind, key)) {
        return PL_OK;
    }
    pin *pins = realloc(store->pins, (store->pin_count + 1) * sizeof *pins);
    if (pins == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the store");
    }
    store->pins = pins;
    char *copy = strdup(kind);
    if (copy == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the store");
    }
    pins[store->pin_count++] = (pin){copy, key};
    return PL_OK;
}

/* ---- trimming ---- */

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

static int compare_times(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec) {
        return a.tv_sec < b.tv_sec ? -1 : 1;
    }
    return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

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
static void visit_file(const pl_store *store, const char *kind, const char *path, const char *name,
                       candidates *all)
{
    struct stat st;
    pl_id key;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    if (pl_id_parse(name, &key)) {
        add_candidate(all, path, &st, is_pinned(store, kind, key));
    }
}

static void visit_kind(const pl_store *store, const char *kind, candidates *all)
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

static pl_status remove_oldest(candidates *all, uint64_t limit, pl_error *err)
{
    qsort(all->list, all->count, sizeof *all->list, compare_candidates);
    for (size_t i = 0; i < all->count && all->bytes > limit; i++) {
        const candidate *c = &all->list[i];
        if (c->keep) {
            continue;
        }
        if (unlink(c->path) != 0 && errno != ENOENT) {
            return pl_error_set(err, PL_ERR_IO, "%s: cannot be removed: %s", c->path,
                                strerror(errno));
        }
        all->bytes -= c->bytes;
    }
    return PL_OK;
}

pl_status pl_store_trim(pl_store *store, pl_error *err)
{
    candidates all = {0};
    DIR *dir = opendir(store->folder);
    if (dir == NULL) {
        return errno == ENOENT ? PL_OK
                               : pl_error_set(err, PL_ERR_IO, "%s: cannot be listed: %s",
                                              store->folder, strerror(errno));
    }
    for (struct dirent *item = readdir(dir); item != NULL; item = readdir(dir)) {
        if (is_kind(item->d_name)) {
            visit_kind(store, item->d_name, &all);
        }
    }
    closedir(dir);
    pl_status status = PL_OK;
    if (all.failed) {
        status = pl_error_set(err, PL_ERR_MEMORY, "out of memory for the list of the store");
    } else if (all.count > 0) {
        status = remove_oldest(&all, effective_limit(store, all.bytes), err);
    }
    for (size_t i = 0; i < all.count; i++) {
        free(all.list[i].path);
    }
    free(all.list);
    return status;
}
