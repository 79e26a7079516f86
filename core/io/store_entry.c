#include "core/base/json.h"
#include "core/io/store_parts.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, PIECE = 1 << 20, TABLE_LIMIT = 1 << 28 };

typedef struct entry_header {
    char magic[8]; /* "PLSTORE1" */
    uint64_t file_bytes, table_bytes;
    uint64_t table_sum[2];
    uint64_t reserved;
    uint64_t sum[2]; /* of the 48 bytes above */
} entry_header;
_Static_assert(sizeof(entry_header) == 64, "no padding in what is written");

static const char MAGIC[8] = "PLSTORE1";

struct pl_entry {
    pl_file *file;
    json_t *table;
    uint64_t data; /* where the table ends */
};

static uint64_t aligned(uint64_t offset)
{
    return (offset + ALIGN - 1) / ALIGN * ALIGN;
}

static pl_status damaged(const char *path, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: damaged store entry: %s", path, what);
}

/* ---- reading ---- */

static pl_status read_entry_header(pl_file *file, entry_header *header, pl_error *err)
{
    const char *path = pl_file_path(file);
    if (pl_file_size(file) < sizeof *header) {
        return damaged(path, "shorter than its header", err);
    }
    pl_status status = pl_file_read(file, 0, header, sizeof *header, err);
    if (status != PL_OK) {
        return status;
    }
    pl_id sum = pl_id_bytes(header, offsetof(entry_header, sum));
    if (memcmp(header->magic, MAGIC, sizeof MAGIC) != 0) {
        return damaged(path, "it does not begin with PLSTORE1", err);
    }
    if (!pl_id_equal(sum, (pl_id){header->sum[0], header->sum[1]})) {
        return damaged(path, "wrong checksum of the header", err);
    }
    if (header->file_bytes != pl_file_size(file)) {
        return damaged(path, "its length is not what its header says", err);
    }
    if (header->table_bytes > TABLE_LIMIT ||
        header->table_bytes > pl_file_size(file) - sizeof *header) {
        return damaged(path, "its table is larger than the file", err);
    }
    return PL_OK;
}

static pl_status read_table(pl_entry *entry, const entry_header *header, pl_error *err)
{
    const char *path = pl_file_path(entry->file);
    const size_t size = (size_t)header->table_bytes;
    const unsigned before = pl_memory_failures();
    char *text = malloc(size + 1);
    if (text == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = pl_file_read(entry->file, sizeof *header, text, size, err);
    if (status == PL_OK) {
        pl_id sum = pl_id_bytes(text, size);
        if (!pl_id_equal(sum, (pl_id){header->table_sum[0], header->table_sum[1]})) {
            status = damaged(path, "wrong checksum of the table", err);
        } else if ((entry->table = json_loadb(text, size, 0, NULL)) == NULL) {
            status = pl_memory_failures() == before ? damaged(path, "its table is no JSON", err)
                                                    : pl_error_memory(err, "%s", path);
        }
    }
    free(text);
    return status;
}

/* The table is what its writer meant (the checksum holds); is it of this entry, and in bounds? */
static pl_status check_table(const pl_entry *entry, const char *kind, pl_id key, pl_error *err)
{
    char hex[PL_ID_TEXT];
    const char *path = pl_file_path(entry->file);
    const char *own_kind = json_string_value(json_object_get(entry->table, "kind"));
    const char *own_key = json_string_value(json_object_get(entry->table, "key"));
    pl_id_format(key, hex);
    if (own_kind == NULL || own_key == NULL || strcmp(own_kind, kind) != 0 ||
        strcmp(own_key, hex) != 0) {
        return damaged(path, "it was written under another name", err);
    }
    const uint64_t size = pl_file_size(entry->file);
    uint64_t at = entry->data;
    size_t index;
    json_t *section;
    json_array_foreach(json_object_get(entry->table, "sections"), index, section)
    {
        json_int_t bytes = json_integer_value(json_object_get(section, "bytes"));
        at = aligned(at);
        if (bytes < 0 || at > size || (uint64_t)bytes > size - at) {
            return damaged(path, "a section ends beyond the file", err);
        }
        at += (uint64_t)bytes;
    }
    return at == size ? PL_OK : damaged(path, "its length is not that of its sections", err);
}

pl_status pl_entry_open(const char *path, const char *kind, pl_id key, pl_entry **out,
                        pl_error *err)
{
    *out = NULL;
    entry_header header;
    pl_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return pl_error_memory(err, "%s", path);
    }
    pl_status status = pl_file_open(path, &entry->file, err);
    PL_THEN(read_entry_header(entry->file, &header, err));
    if (status == PL_OK) {
        entry->data = sizeof header + header.table_bytes;
        status = read_table(entry, &header, err);
    }
    PL_THEN(check_table(entry, kind, key, err));
    if (status != PL_OK) {
        pl_entry_close(entry);
        return status;
    }
    *out = entry;
    return PL_OK;
}

void pl_entry_close(pl_entry *entry)
{
    if (entry != NULL) {
        pl_file_close(entry->file);
        json_decref(entry->table);
        free(entry);
    }
}

const json_t *pl_entry_about(const pl_entry *entry)
{
    return json_object_get(entry->table, "about");
}

static size_t section_bytes(const json_t *section)
{
    return (size_t)json_integer_value(json_object_get(section, "bytes"));
}

/* *offset (if not NULL) becomes the place of its data in the file. */
static const json_t *find_section(const pl_entry *entry, const char *name, uint64_t *offset)
{
    uint64_t at = entry->data;
    size_t index;
    json_t *section;
    json_array_foreach(json_object_get(entry->table, "sections"), index, section)
    {
        const char *own = json_string_value(json_object_get(section, "name"));
        at = aligned(at);
        if (own != NULL && strcmp(own, name) == 0) {
            if (offset != NULL) {
                *offset = at;
            }
            return section;
        }
        at += section_bytes(section);
    }
    return NULL;
}

size_t pl_entry_section_bytes(const pl_entry *entry, const char *name)
{
    const json_t *section = find_section(entry, name, NULL);
    return section != NULL ? section_bytes(section) : SIZE_MAX;
}

/* Reads a section into out, or through scratch[PIECE] when out is NULL, and tests its checksum. */
static pl_status read_section(pl_entry *entry, const json_t *section, uint64_t offset, char *out,
                              char *scratch, pl_error *err)
{
    size_t left = section_bytes(section);
    const char *text = json_string_value(json_object_get(section, "sum"));
    pl_id expected;
    pl_hasher *hasher = NULL;
    if (text == NULL || !pl_id_parse(text, &expected)) {
        return damaged(pl_file_path(entry->file), "a section without a checksum", err);
    }
    pl_status status = pl_hasher_create(&hasher, err);
    while (status == PL_OK && left > 0) {
        size_t now = left < PIECE ? left : PIECE;
        char *to = out != NULL ? out : scratch;
        status = pl_file_read(entry->file, offset, to, now, err);
        if (status == PL_OK) {
            pl_hasher_bytes(hasher, to, now);
        }
        out = out != NULL ? out + now : NULL;
        offset += now;
        left -= now;
    }
    if (status == PL_OK && !pl_id_equal(pl_hasher_finish(hasher), expected)) {
        char what[120];
        snprintf(what, sizeof what, "wrong checksum of section '%.60s'",
                 json_string_value(json_object_get(section, "name")));
        status = damaged(pl_file_path(entry->file), what, err);
    }
    pl_hasher_destroy(hasher);
    return status;
}

pl_status pl_entry_read(pl_entry *entry, const char *name, void *out, size_t bytes, pl_error *err)
{
    uint64_t offset = 0;
    const json_t *section = find_section(entry, name, &offset);
    if (section == NULL || section_bytes(section) != bytes) {
        char what[160];
        if (section == NULL) {
            snprintf(what, sizeof what, "it has no section '%.60s'", name);
        } else {
            snprintf(what, sizeof what, "section '%.60s' has %zu bytes, expected %zu", name,
                     section_bytes(section), bytes);
        }
        return damaged(pl_file_path(entry->file), what, err);
    }
    return bytes > 0 ? read_section(entry, section, offset, out, NULL, err) : PL_OK;
}

pl_status pl_entry_verify(pl_entry *entry, pl_error *err)
{
    char *scratch = malloc(PIECE);
    if (scratch == NULL) {
        return pl_error_memory(err, "%s", pl_file_path(entry->file));
    }
    pl_status status = PL_OK;
    uint64_t at = entry->data;
    size_t index;
    json_t *section;
    json_array_foreach(json_object_get(entry->table, "sections"), index, section)
    {
        at = aligned(at);
        PL_THEN(read_section(entry, section, at, NULL, scratch, err));
        at += section_bytes(section);
    }
    free(scratch);
    return status;
}

pl_status pl_entry_read_file(pl_entry *entry, char **bytes, size_t *size, pl_error *err)
{
    *size = (size_t)pl_file_size(entry->file);
    *bytes = malloc(*size);
    pl_status status = *bytes != NULL ? pl_file_read(entry->file, 0, *bytes, *size, err)
                                      : pl_error_memory(err, "%s", pl_file_path(entry->file));
    if (status != PL_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* ---- writing ---- */

static json_t *section_list(const pl_section *sections, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char sum[PL_ID_TEXT];
        pl_id_format(pl_id_bytes(sections[i].data, sections[i].bytes), sum);
        json_t *section = json_pack("{s:s, s:I, s:s}", "name", sections[i].name, "bytes",
                                    (json_int_t)sections[i].bytes, "sum", sum);
        if (json_array_append_new(list, section) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* NULL when memory is out. */
static char *table_text(const char *kind, pl_id key, const json_t *about,
                        const pl_section *sections, size_t count)
{
    char hex[PL_ID_TEXT];
    pl_id_format(key, hex);
    json_t *table = json_pack("{s:s, s:s, s:o, s:o}", "kind", kind, "key", hex, "about",
                              about != NULL ? json_deep_copy(about) : json_null(), "sections",
                              section_list(sections, count));
    char *text = table != NULL ? pl_json_text(table, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(table);
    return text;
}

static entry_header make_header(const char *table, const pl_section *sections, size_t count)
{
    entry_header header = {.table_bytes = strlen(table)};
    memcpy(header.magic, MAGIC, sizeof MAGIC);
    header.file_bytes = sizeof header + header.table_bytes;
    for (size_t i = 0; i < count; i++) {
        header.file_bytes = aligned(header.file_bytes) + sections[i].bytes;
    }
    pl_id table_sum = pl_id_bytes(table, (size_t)header.table_bytes);
    header.table_sum[0] = table_sum.high;
    header.table_sum[1] = table_sum.low;
    pl_id sum = pl_id_bytes(&header, offsetof(entry_header, sum));
    header.sum[0] = sum.high;
    header.sum[1] = sum.low;
    return header;
}

static pl_status write_section(pl_writer *writer, const pl_section *section, uint64_t *at,
                               pl_error *err)
{
    static const char zeros[ALIGN];
    size_t gap = (size_t)(aligned(*at) - *at);
    pl_status status = pl_writer_write(writer, zeros, gap, err);
    PL_THEN(pl_writer_write(writer, section->data, section->bytes, err));
    *at += gap + section->bytes;
    return status;
}

uint64_t pl_entry_size(const pl_entry_content *content)
{
    uint64_t bytes = (uint64_t)64 << 10;
    if (content->file != NULL) {
        return content->file_bytes;
    }
    for (size_t i = 0; i < content->count; i++) {
        bytes = aligned(bytes) + content->sections[i].bytes;
    }
    return bytes;
}

pl_status pl_entry_put(pl_writer *writer, const pl_entry_content *content, pl_error *err)
{
    if (content->file != NULL) {
        return pl_writer_write(writer, content->file, content->file_bytes, err);
    }
    char *table =
        table_text(content->kind, content->key, content->about, content->sections, content->count);
    if (table == NULL || strlen(table) > TABLE_LIMIT) {
        free(table);
        return pl_error_set(err, PL_ERR_MEMORY, "the table of an entry cannot be made");
    }
    entry_header header = make_header(table, content->sections, content->count);
    pl_status status = pl_writer_write(writer, &header, sizeof header, err);
    PL_THEN(pl_writer_write(writer, table, (size_t)header.table_bytes, err));
    uint64_t at = sizeof header + header.table_bytes;
    for (size_t i = 0; i < content->count && status == PL_OK; i++) {
        status = write_section(writer, &content->sections[i], &at, err);
    }
    free(table);
    return status;
}

pl_status pl_entry_write(const char *path, const pl_entry_content *content, pl_error *err)
{
    pl_writer *writer = NULL;
    pl_status status = pl_writer_create(path, &writer, err);
    PL_THEN(pl_entry_put(writer, content, err));
    PL_THEN(pl_writer_publish(writer, err));
    const int cause = errno;
    pl_writer_destroy(writer);
    errno = cause; /* for the caller who may make room */
    return status;
}
