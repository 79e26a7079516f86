/* core/base/file.h -- files read by position and files written whole or not at all. */
#ifndef PL_BASE_FILE_H
#define PL_BASE_FILE_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stddef.h>
#include <stdint.h>

/* A file opened for reading.  Size, modification time and inode are taken when it is opened;
 * every read checks that the first two still hold, so a file that another program rewrites is an
 * error sentence (PL_ERR_CHANGED) instead of wrong numbers or a SIGBUS. */
typedef struct pl_file pl_file;

/* Caller owns *out (NULL on failure).  Directories and special files are refused. */
PL_NODISCARD pl_status pl_file_open(const char *path, pl_file **out, pl_error *err);
void pl_file_close(pl_file *file);

const char *pl_file_path(const pl_file *file);
uint64_t pl_file_size(const pl_file *file);

/* What identifies the opened file between runs: size, mtime and ctime in ns, inode and device. */
typedef struct pl_file_stamp {
    uint64_t size, mtime_ns, ctime_ns, inode, device;
} pl_file_stamp;
pl_file_stamp pl_file_get_stamp(const pl_file *file);

/* Reads up to size bytes at offset of an open descriptor, however many pieces they come in; how
 * many there were.  *why: 0 where the file ends before, else the errno of what failed. */
size_t pl_read_at(int fd, uint64_t offset, void *out, size_t size, int *why);

/* Reads exactly size bytes at offset into out.  Thread-safe (pread). */
PL_NODISCARD pl_status pl_file_read(pl_file *file, uint64_t offset, void *out, size_t size,
                                    pl_error *err);

/* Reads a whole file of at most limit bytes into *out, which is NUL-terminated (the NUL is not
 * counted in *size).  Caller frees *out. */
PL_NODISCARD pl_status pl_file_read_all(const char *path, size_t limit, char **out, size_t *size,
                                        pl_error *err);

/* An atomic writer: bytes go to a temporary file in the target's folder; commit syncs it and
 * renames it over the target.  Without commit the target is untouched. */
typedef struct pl_writer pl_writer;

PL_NODISCARD pl_status pl_writer_create(const char *path, pl_writer **out, pl_error *err);
PL_NODISCARD pl_status pl_writer_write(pl_writer *writer, const void *bytes, size_t size,
                                       pl_error *err);
PL_NODISCARD pl_status pl_writer_commit(pl_writer *writer, pl_error *err);
/* As commit, but leaves it to the system when the bytes reach the disk: for files that are checked
 * when read and can be made again, such as cache entries. */
PL_NODISCARD pl_status pl_writer_publish(pl_writer *writer, pl_error *err);

/* A writer to a nameless file in memory, and the end of that: the caller's descriptor of it. */
PL_NODISCARD pl_status pl_writer_create_in_memory(const char *label, pl_writer **out,
                                                  pl_error *err);
int pl_writer_take_memory(pl_writer *writer);

/* Removes the temporary file unless committed; NULL is fine. */
void pl_writer_destroy(pl_writer *writer);

/* create + write + commit in one call. */
PL_NODISCARD pl_status pl_file_write_all(const char *path, const void *bytes, size_t size,
                                         pl_error *err);

/* The same with mode 0600, whatever the umask. */
PL_NODISCARD pl_status pl_file_write_private(const char *path, const void *bytes, size_t size,
                                             pl_error *err);

/* mkdir -p; private: what has to be made may be entered by the user alone (mode 0700). */
PL_NODISCARD pl_status pl_file_make_dirs(const char *path, pl_error *err);
PL_NODISCARD pl_status pl_file_make_private_dirs(const char *path, pl_error *err);

/* Appends folder, '/' and name to out (no doubled slash). */
void pl_path_join(pl_buf *out, const char *folder, const char *name);

/* The last name of a path: what stands behind its last '/'; the whole path where nothing does. */
const char *pl_path_name(const char *path);
/* The same also of "folder/": *length, without what ends it. */
const char *pl_path_last(const char *path, size_t *length);

#endif
