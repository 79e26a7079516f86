#include "core/base/error.h"

#include "core/base/memory.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <string.h>

static void set_message(pl_error *err, const char *format, va_list args)
{
    char raw[PL_ERROR_TEXT];
    if (vsnprintf(raw, sizeof raw, format, args) >= (int)sizeof raw) {
        pl_text_trim_utf8(raw);
    }
    pl_text_escape(raw, strlen(raw), err->message, sizeof err->message);
}

pl_status pl_error_set(pl_error *err, pl_status code, const char *format, ...)
{
    if (code == PL_ERR_MEMORY) {
        pl_memory_failed(); /* also where the caller then goes on without what it wanted */
    }
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        set_message(err, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

pl_status pl_error_memory(pl_error *err, const char *what, ...)
{
    pl_error named = {.code = PL_ERR_MEMORY};
    if (err != NULL) {
        va_list args;
        va_start(args, what);
        set_message(&named, what, args);
        va_end(args);
    }
    return pl_error_set(err, PL_ERR_MEMORY, "out of memory for %s", named.message);
}

pl_status pl_memory_check(unsigned before, pl_error *err)
{
    return pl_memory_failures() == before ? PL_OK : pl_error_memory(err, "a result");
}

void pl_error_prefix(pl_error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    pl_error old = *err;
    va_list args;
    va_start(args, format);
    set_message(err, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s", old.message);
    /* The cut may have fallen inside a UTF-8 sequence. */
    pl_text_trim_utf8(err->message);
}

const char *pl_status_name(pl_status code)
{
    static const char *const names[] = {
        [PL_OK] = "ok",
        [PL_ERR_USAGE] = "usage",
        [PL_ERR_IO] = "io",
        [PL_ERR_FORMAT] = "format",
        [PL_ERR_UNSUPPORTED] = "unsupported",
        [PL_ERR_NUMERIC] = "numeric",
        [PL_ERR_MEMORY] = "memory",
        [PL_ERR_CANCELLED] = "cancelled",
        [PL_ERR_STATE] = "state",
        [PL_ERR_NOT_FOUND] = "not_found",
        [PL_ERR_CHANGED] = "changed",
    };
    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "unknown";
}
