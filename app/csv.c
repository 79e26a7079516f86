/* Rows of a result as comma-separated values (RFC 4180). */
#include "app/report.h"

#include "core/base/file.h"

#include <string.h>

static void put_field(pl_buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
        pl_buf_puts(out, quoted ? "\"" : "");
        for (; *text != '\0'; text++) {
            pl_buf_printf(out, *text == '"' ? "\"\"" : "%c", *text);
        }
        pl_buf_puts(out, quoted ? "\"" : "");
    } else if (json_is_integer(value)) {
        pl_buf_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        pl_buf_printf(out, "%.9g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        pl_buf_puts(out, json_is_true(value) ? "yes" : "no");
    } /* null: nothing is between the commas */
}

pl_status pl_rows_write_csv(json_t *rows, const char *path, pl_error *err)
{
    pl_writer *writer = NULL;
    pl_buf text = {0};
    json_t *first = json_array_get(rows, 0), *row = NULL, *value = NULL;
    const char *name = NULL;
    size_t i = 0, column = 0;
    json_object_foreach(first, name, value)
    {
        pl_buf_printf(&text, "%s%s", column++ > 0 ? "," : "", name);
    }
    pl_buf_puts(&text, "\r\n");
    json_array_foreach(rows, i, row)
    {
        column = 0;
        json_object_foreach(first, name, value)
        {
            pl_buf_puts(&text, column++ > 0 ? "," : "");
            put_field(&text, json_object_get(row, name));
        }
        pl_buf_puts(&text, "\r\n");
    }
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(pl_writer_create(path, &writer, err));
    PL_THEN(pl_writer_write(writer, text.data, text.size, err));
    PL_THEN(pl_writer_commit(writer, err));
    pl_writer_destroy(writer);
    pl_buf_deinit(&text);
    return status;
}
