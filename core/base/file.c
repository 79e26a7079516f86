#include "core/base/file.h"

#include "core/base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct pl_file {
    int fd;
    char *path;
    pl_file_stamp stamp;
};

static pl_file_stamp stamp_of(const struct stat *st)
{
    return (pl_file_stamp){
        .size = (uint64_t)st->st_size,
        .mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
        .ctime_ns = (uint64_t)st->st_ctim.tv_sec * 1000000000u + (uint64_t)st->st_ctim.tv_nsec,
        .inode = (uint64_t)st->st_ino,
        .device = (uint64_t)st->st_dev,
    };
}

pl_status pl_file_open(const char *path, pl_file **out, pl_error *err)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return pl_error_set(err, errno == ENOENT ? PL_ERR_NOT_FOUND : PL_ERR_IO,
                            "%s: cannot be opened: %s", path, strerror(errno));
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return pl_error_set(err, PL_ERR_IO, "%s: expected a regular file", path);
    }
    pl_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        close(fd);
        return pl_error_memory(err, "%s", path);
    }
    *file = (pl_file){.fd = fd, .path = copy, .stamp = stamp_of(&st)};
    *out = file;
    return PL_OK;
}

void pl_file_close(pl_file *file)
{
    if (file != NULL) {
        close(file->fd);
        free(file->path);
        free(file);
    }
}

const char *pl_file_path(const pl_file *file)
{
    return file->path;
}

uint64_t pl_file_size(const pl_file *file)
{
    return file->stamp.size;
}

pl_file_stamp pl_file_get_stamp(const pl_file *file)
{
    return file->stamp;
}

size_t pl_read_at(int fd, uint64_t offset, void *out, size_t size, int *why)
{
    size_t done = 0;
    *why = 0;
    while (done < size) {
        const size_t rest = size - done, piece = rest < (1u << 30) ? rest : (1u << 30);
        const ssize_t got = pread(fd, (char *)out + done, piece, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            *why = got < 0 ? errno : 0;
            break;
        }
        done += (size_t)got;
    }
    return done;
}

pl_status pl_file_read(pl_file *file, uint64_t offset, void *out, size_t size, pl_error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0) {
        return pl_error_set(err, PL_ERR_IO, "%s: %s", file->path, strerror(errno));
    }
    pl_file_stamp now = stamp_of(&st);
    if (now.size != file->stamp.size || now.mtime_ns != file->stamp.mtime_ns) {
        return pl_error_set(err, PL_ERR_CHANGED,
                            "%s: changed since it was opened (size or modification time differs); "
                            "open it again",
                            file->path);
    }
    if (offset > file->stamp.size || size > file->stamp.size - offset) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: ends at byte %llu, expected %zu bytes at offset %llu", file->path,
                            (unsigned long long)file->stamp.size, size, (unsigned long long)offset);
    }
    int why = 0;
    const size_t got = pl_read_at(file->fd, offset, out, size, &why);
    return got == size ? PL_OK
                       : pl_error_set(err, why != 0 ? PL_ERR_IO : PL_ERR_CHANGED,
                                      "%s: reading at offset %llu: %s", file->path,
                                      (unsigned long long)(offset + got),
                                      why != 0 ? strerror(why) : "the file became shorter");
}

pl_status pl_file_read_all(const char *path, size_t limit, char **out, size_t *size, pl_error *err)
{
    *out = NULL;
    *size = 0;
    pl_file *file = NULL;
    pl_status status = pl_file_open(path, &file, err);
    if (status != PL_OK) {
        return status;
    }
    uint64_t bytes = pl_file_size(file);
    char *text = NULL;
    if (bytes > limit) {
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: has %llu bytes, expected at most %zu", path,
                              (unsigned long long)bytes, limit);
    } else if ((text = malloc((size_t)bytes + 1)) == NULL) {
        status = pl_error_memory(err, "%s", path);
    } else {
        status = pl_file_read(file, 0, text, (size_t)bytes, err);
    }
    pl_file_close(file);
    if (status != PL_OK) {
        free(text);
        return status;
    }
    text[bytes] = '\0';
    *out = text;
    *size = (size_t)bytes;
    return PL_OK;
}

struct pl_writer {
    char *path;
    pl_temporary made;
};

static pl_status writer_error(pl_writer *writer, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_IO, "%s: %s: %s", writer->path, what, strerror(errno));
}

pl_status pl_writer_create(const char *path, pl_writer **out, pl_error *err)
{
    *out = NULL;
    pl_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || (writer->path = strdup(path)) == NULL) {
        free(writer);
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = pl_temporary_create(path, false, &writer->made, err);
    if (status != PL_OK) {
        pl_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return PL_OK;
}

pl_status pl_writer_create_in_memory(const char *label, pl_writer **out, pl_error *err)
{
    *out = NULL;
    const int fd = memfd_create(label, MFD_CLOEXEC);
    if (fd < 0 && errno != ENOMEM) { /* no descriptor is left */
        return pl_error_set(err, PL_ERR_IO, "the %s: cannot be kept in memory: %s", label,
                            strerror(errno));
    }
    pl_writer *writer = calloc(1, sizeof *writer);
    if (fd < 0 || writer == NULL || (writer->path = strdup(label)) == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        free(writer);
        return pl_error_memory(err, "the %s", label);
    }
    writer->made = (pl_temporary){.fd = fd};
    *out = writer;
    return PL_OK;
}

int pl_writer_take_memory(pl_writer *writer)
{
    const int fd = writer->made.fd;
    writer->made = (pl_temporary){.fd = -1};
    return fd;
}

pl_status pl_writer_write(pl_writer *writer, const void *bytes, size_t size, pl_error *err)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t put = write(writer->made.fd, from, size < (1u << 30) ? size : (1u << 30));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return writer_error(writer, "cannot be written", err);
        }
        from += put;
        size -= (size_t)put;
    }
    return PL_OK;
}

pl_status pl_writer_commit(pl_writer *writer, pl_error *err)
{
    if (fsync(writer->made.fd) != 0) {
        return writer_error(writer, "cannot be synced", err);
    }
    return pl_writer_publish(writer, err);
}

pl_status pl_writer_publish(pl_writer *writer, pl_error *err)
{
    /* Some file systems say only when a descriptor is closed that there was no room. */
    const int copy = fcntl(writer->made.fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || close(copy) != 0) {
        return writer_error(writer, "cannot be written", err);
    }
    return pl_temporary_publish(&writer->made, writer->path, err);
}

void pl_writer_destroy(pl_writer *writer)
{
    if (writer != NULL) {
        if (writer->made.path == NULL && writer->made.fd >= 0) {
            close(writer->made.fd); /* in memory */
        }
        pl_temporary_discard(&writer->made);
        free(writer->path);
        free(writer);
    }
}

static pl_status write_whole(const char *path, const void *bytes, size_t size, bool private,
                             pl_error *err)
{
    pl_writer *writer = NULL;
    pl_status status = pl_writer_create(path, &writer, err);
    if (status == PL_OK && private && fchmod(writer->made.fd, S_IRUSR | S_IWUSR) != 0) {
        status = writer_error(writer, "cannot be made private", err);
    }
    PL_THEN(pl_writer_write(writer, bytes, size, err));
    PL_THEN(pl_writer_commit(writer, err));
    pl_writer_destroy(writer);
    return status;
}

pl_status pl_file_write_all(const char *path, const void *bytes, size_t size, pl_error *err)
{
    return write_whole(path, bytes, size, false, err);
}

pl_status pl_file_write_private(const char *path, const void *bytes, size_t size, pl_error *err)
{
    return write_whole(path, bytes, size, true, err);
}

static pl_status make_dirs(const char *path, mode_t mode, pl_error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return pl_error_set(err, PL_ERR_IO, "%s: not a usable folder name", path);
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            return pl_error_set(err, PL_ERR_IO, "%s: cannot be created: %s", part, strerror(errno));
        }
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return pl_error_set(err, PL_ERR_IO, "%s: expected a folder", path);
    }
    return PL_OK;
}

pl_status pl_file_make_dirs(const char *path, pl_error *err)
{
    return make_dirs(path, 0777, err);
}

pl_status pl_file_make_private_dirs(const char *path, pl_error *err)
{
    return make_dirs(path, 0700, err);
}

const char *pl_path_name(const char *path)
{
    size_t length = 0;
    const char *last = pl_path_last(path, &length);
    return length > 0 && last[length] == '\0' ? last : path;
}

const char *pl_path_last(const char *path, size_t *length)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    *length = end - start;
    return path + start;
}

void pl_path_join(pl_buf *out, const char *folder, const char *name)
{
    pl_buf_puts(out, folder);
    if (out->size > 0 && out->data != NULL && out->data[out->size - 1] != '/') {
        pl_buf_puts(out, "/");
    }
    pl_buf_puts(out, name);
}
