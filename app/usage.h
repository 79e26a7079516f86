/* app/usage.h -- checks a call against the table; errors suggest similar names. */
#ifndef PL_APP_USAGE_H
#define PL_APP_USAGE_H

#include "app/command.h"

/* PL_ERR_USAGE: unknown keys, missing or surplus words, repeated keys (except PL_KEY_FILES). */
PL_NODISCARD pl_status pl_usage_check(const pl_call *call, pl_error *err);

PL_NODISCARD pl_status pl_usage_unknown_command(const char *name, pl_error *err);

/* A command's own key of that name, or NULL. */
const pl_key *pl_usage_key(const pl_command *command, const char *name);

/* Typed values.  A missing key gives the table's default; one without a default leaves *out as it
 * was.  PL_ERR_USAGE names the key, the value and what was expected. */
PL_NODISCARD pl_status pl_usage_size(const pl_call *call, const char *key, size_t minimum,
                                     size_t maximum, size_t *out, pl_error *err);

/* Index among the key's choices. */
PL_NODISCARD pl_status pl_usage_choice(const pl_call *call, const char *key, size_t *out,
                                       pl_error *err);

/* A length with its unit, "6.4in" or "89mm", in inches. */
PL_NODISCARD pl_status pl_usage_inches(const pl_call *call, const char *key, double *out,
                                       pl_error *err);

PL_NODISCARD pl_status pl_usage_real(const pl_call *call, const char *key, double minimum,
                                     double maximum, double *out, pl_error *err);

/* Value of a key or its default; NULL if it has neither. */
const char *pl_usage_text(const pl_call *call, const char *key);

#endif
