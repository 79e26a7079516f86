/* core/base/error.h -- status codes and the one-sentence error text that travels with them.
 *
 * Every fallible function returns a pl_status and takes a `pl_error *err` last, which may be NULL.
 * On failure err holds one sentence that names the file, the field and what was expected.
 * Control characters that reach a message (from a model file, say) are escaped on the way in, so a
 * message is always safe to print on a terminal.  Thread-safe: an error belongs to its caller. */
#ifndef PL_BASE_ERROR_H
#define PL_BASE_ERROR_H

#include <stdarg.h>

#define PL_NODISCARD __attribute__((warn_unused_result))
#define PL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum pl_status {
    PL_OK = 0,
    PL_ERR_USAGE,       /* unknown command, key or option, or a value of the wrong type or range */
    PL_ERR_IO,          /* the operating system refused: open, read, write, rename */
    PL_ERR_FORMAT,      /* a file's content breaks its format */
    PL_ERR_UNSUPPORTED, /* well-formed, but an architecture, dtype or feature Planish lacks */
    PL_ERR_NUMERIC,     /* a non-finite value, or a factorization that failed */
    PL_ERR_MEMORY,      /* out of memory, or over the --memory limit */
    PL_ERR_CANCELLED,   /* the user asked to stop */
    PL_ERR_STATE,       /* something must come first, e.g. `calibrate` */
    PL_ERR_NOT_FOUND,   /* no such file, layer, tensor or store entry */
    PL_ERR_CHANGED,     /* a file changed after it was opened */
} pl_status;

enum { PL_ERROR_TEXT = 768 };

typedef struct pl_error {
    pl_status code;
    char message[PL_ERROR_TEXT]; /* UTF-8, no control characters, no trailing newline */
} pl_error;

/* Writes code and the formatted, escaped message to err (if not NULL); returns code. */
pl_status pl_error_set(pl_error *err, pl_status code, const char *format, ...) PL_PRINTF(3, 4);

/* Says "out of memory for " and what, formatted; returns PL_ERR_MEMORY. */
pl_status pl_error_memory(pl_error *err, const char *what, ...) PL_PRINTF(2, 3);

/* PL_ERR_MEMORY if a reservation has failed since pl_memory_failures() (memory.h) was `before`. */
PL_NODISCARD pl_status pl_memory_check(unsigned before, pl_error *err);

/* Puts the formatted text in front of the present message ("layer 3: " + message). */
void pl_error_prefix(pl_error *err, const char *format, ...) PL_PRINTF(2, 3);

/* A stable lower-case word for a code ("usage", "io", ...), as in --json's error.code. */
const char *pl_status_name(pl_status code);

/* The next step of a function whose steps end at the first failure: evaluated only while the
 * function's `status` is PL_OK, which becomes what the step returns. */
#define PL_THEN(...)                                                                               \
    do {                                                                                           \
        if (status == PL_OK) {                                                                     \
            status = (__VA_ARGS__);                                                                \
        }                                                                                          \
    } while (0)

#endif
