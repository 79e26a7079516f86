/* app/options.h -- the command line. */
#ifndef PL_APP_OPTIONS_H
#define PL_APP_OPTIONS_H

#include "core/base/text.h"

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
    const char *page;  /* one of pl_page_names: what --print prints */
    size_t memory;     /* bytes, 0: default */
    int threads;       /* 0: default */
    bool json, keep_going, help, version, actions;
    const struct pl_pool *pool; /* set by no option: computes beside this process; or NULL */
} pl_options;

/* PL_ERR_USAGE names the option. */
PL_NODISCARD pl_status pl_options_parse(int argc, char **argv, pl_options *out, pl_error *err);

/* How a value is read; FLAG has none. */
typedef enum pl_option_kind {
    PL_OPTION_FLAG,
    PL_OPTION_TEXT,
    PL_OPTION_THREADS,
    PL_OPTION_SIZE
} pl_option_kind;

typedef struct pl_option {
    const char *name;
    pl_option_kind kind;
    size_t field;               /* of pl_options */
    const char *const *choices; /* of a TEXT, NULL-terminated; NULL: any */
    const char *argument;       /* the value's name in help: FILE, DIR, ...; NULL: no value */
    const char *help;           /* lines; NULL: the option is another word for one with help */
} pl_option;

/* What --print prints (pages.h): "man", "bash", "zsh", "fish"; NULL-terminated. */
extern const char *const pl_page_names[];

/* The options in the order of help; ends with name NULL.  --batch stands twice, for FILE and -. */
extern const pl_option pl_option_table[];

/* What MODEL may be, and what exit statuses mean: sentences in lines. */
extern const char pl_options_model[], pl_options_exit[];

/* What --help prints. */
void pl_options_put_help(pl_buf *out);

#endif
