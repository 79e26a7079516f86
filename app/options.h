/* app/options.h -- the command line. */
#ifndef PL_APP_OPTIONS_H
#define PL_APP_OPTIONS_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Borrowed from argv. */
typedef struct pl_options {
    const char *model;
    const char *commands; /* -c */
    const char *batch;    /* --batch; "-" is standard input */
    const char *session;
    const char *store;
    const char *keys;  /* file of keys */
    const char *theme; /* one of pl_theme_name */
    const char *marks; /* braille, blocks, ascii, auto */
    const char *mouse; /* yes, no */
    size_t memory;     /* bytes, 0: default */
    int threads;       /* 0: default */
    bool json, keep_going, help, version, actions;
} pl_options;

/* PL_ERR_USAGE names the option. */
PL_NODISCARD pl_status pl_options_parse(int argc, char **argv, pl_options *out, pl_error *err);

extern const char pl_options_help[];

#endif
