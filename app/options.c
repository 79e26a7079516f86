#include "app/options.h"

#include "core/base/nearest.h"
#include "core/base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char pl_options_help[] =
    "usage: planish [OPTIONS] [MODEL] [-c 'CMD; CMD'] [--batch FILE|-]\n"
    "\n"
    "MODEL is a folder, a .safetensors or .gguf file, or org/name in the Hugging Face cache.\n"
    "Without MODEL the built-in demo is opened.\n"
    "\n"
    "  -c 'CMD; CMD'    run these commands and leave; no screen\n"
    "  --batch FILE     run the commands in FILE and leave; after -c, if both are given\n"
    "  --batch -        run each line of standard input when it has come, until quit or its\n"
    "                   end; a failed command does not end it, Ctrl-C stops only the running one\n"
    "  --keep-going     go on behind a command that failed: the exit status is that of the first\n"
    "  --json           one JSON object a command on stdout (app/json.md lists their keys)\n"
    "  --session FILE   keep the session there (made if missing), and go on with it\n"
    "  --store DIR      where results are kept ($XDG_CACHE_HOME/planish)\n"
    "  --threads N      threads to compute with (the usable processors)\n"
    "  --memory SIZE    memory to stay within, e.g. 8G (three quarters of the machine's)\n"
    "  --keys FILE      keys of the screen ($XDG_CONFIG_HOME/planish/keys); a line is\n"
    "                   map PANE KEY ACTION or unmap PANE KEY, e.g. map all x solve;\n"
    "                   panes: all layers main second table tuner; actions: see --actions\n"
    "  --actions        print the actions that keys can be mapped to, and their keys\n"
    "  --theme NAME     dark, light, safe (colour-blind) or none\n"
    "  --marks NAME     braille, blocks, ascii or auto: what plots are drawn with\n"
    "  --mouse yes|no   whether planish or the terminal's own selection has the mouse\n"
    "  --version        print the version, OpenBLAS's kernels, the threads and the processor\n"
    "  --help           print this; `planish -c help` explains the commands\n"
    "\n"
    "exit status: 0 all succeeded; 1 a command failed or `rebuild` made another figure; 2 an\n"
    "option or a command was not understood; 128 + n signal n ended it.\n";

static pl_status parse_size(const char *text, size_t *out, pl_error *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    static const char units[] = "KMGT";
    const char *unit = *end != '\0' ? strchr(units, *end & ~0x20) : NULL;
    if (unit != NULL) {
        for (long i = 0; i <= unit - units; i++) {
            value *= 1024;
        }
        end++;
        end += *end == 'i';
        end += *end == 'B';
    }
    if (end == text || *end != '\0' || !(value >= 1 << 20) || value > (double)(SIZE_MAX / 4)) {
        return pl_error_set(err, PL_ERR_USAGE, "--memory %s: expected a size such as 512M or 8G",
                            text);
    }
    *out = (size_t)value;
    return PL_OK;
}

static pl_status parse_threads(const char *text, int *out, pl_error *err)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > 1024) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "--threads %s: expected a whole number from 1 to 1024", text);
    }
    *out = (int)value;
    return PL_OK;
}

static pl_status take_choice(const char *option, const char *value, const char *const *choices,
                             const char **out, pl_error *err)
{
    pl_buf list = {0};
    for (const char *const *choice = choices; *choice != NULL; choice++) {
        if (strcmp(*choice, value) == 0) {
            *out = value;
            pl_buf_deinit(&list);
            return PL_OK;
        }
        pl_buf_printf(&list, "%s%s",
                      list.size == 0      ? ""
                      : choice[1] != NULL ? ", "
                                          : " or ",
                      *choice);
    }
    pl_status status = pl_error_set(err, PL_ERR_USAGE, "%s %s: expected %s", option, value,
                                    list.data != NULL ? list.data : "another value");
    pl_buf_deinit(&list);
    return status;
}

/* How a value is read; FLAG has none. */
typedef enum option_kind { FLAG, TEXT, THREADS, SIZE } option_kind;

typedef struct option {
    const char *name;
    option_kind kind;
    size_t field;               /* of pl_options */
    const char *const *choices; /* of a TEXT; NULL: any */
} option;

static const char *const themes[] = {"dark", "light", "safe", "none", NULL};
static const char *const marks[] = {"braille", "blocks", "ascii", "auto", NULL};
static const char *const yes_no[] = {"yes", "no", NULL};

#define FIELD(name) offsetof(pl_options, name)

static const option options[] = {
    {"-c", TEXT, FIELD(commands), NULL},
    {"--batch", TEXT, FIELD(batch), NULL},
    {"--keep-going", FLAG, FIELD(keep_going), NULL},
    {"--json", FLAG, FIELD(json), NULL},
    {"--session", TEXT, FIELD(session), NULL},
    {"--store", TEXT, FIELD(store), NULL},
    {"--threads", THREADS, FIELD(threads), NULL},
    {"--memory", SIZE, FIELD(memory), NULL},
    {"--keys", TEXT, FIELD(keys), NULL},
    {"--actions", FLAG, FIELD(actions), NULL},
    {"--theme", TEXT, FIELD(theme), themes},
    {"--marks", TEXT, FIELD(marks), marks},
    {"--mouse", TEXT, FIELD(mouse), yes_no},
    {"--version", FLAG, FIELD(version), NULL},
    {"--help", FLAG, FIELD(help), NULL},
    {"-h", FLAG, FIELD(help), NULL},
};
enum { N_OPTIONS = sizeof options / sizeof options[0] };

/* The option whose name is the first `length` bytes of text, or NULL. */
static const option *find_option(const char *text, size_t length)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (strlen(options[i].name) == length && strncmp(options[i].name, text, length) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static pl_status take_value(pl_options *o, const option *one, const char *value, pl_error *err)
{
    void *field = (char *)o + one->field;
    switch (one->kind) {
    case FLAG:
        *(bool *)field = true;
        return PL_OK;
    case THREADS:
        return parse_threads(value, field, err);
    case SIZE:
        return parse_size(value, field, err);
    case TEXT:
        break;
    }
    if (one->choices != NULL) {
        return take_choice(one->name, value, one->choices, field, err);
    }
    *(const char **)field = value;
    return PL_OK;
}

static pl_status unknown_option(const char *text, pl_error *err)
{
    char hint[PL_NEAREST_HINT];
    pl_nearest near = pl_nearest_to(text);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        pl_nearest_try(&near, options[i].name);
    }
    return pl_error_set(err, PL_ERR_USAGE, "unknown option %s: %s", text,
                        near.best != NULL ? pl_nearest_hint(&near, "", "", hint)
                                          : "see planish --help");
}

pl_status pl_options_parse(int argc, char **argv, pl_options *out, pl_error *err)
{
    *out = (pl_options){0};
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (only_words || text[0] != '-' || text[1] == '\0') {
            if (out->model != NULL) {
                return pl_error_set(err, PL_ERR_USAGE,
                                    "%s: a second model; expected one MODEL (commands go in -c)",
                                    text);
            }
            out->model = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_words = true;
            continue;
        }
        const char *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
        const size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
        const option *one = find_option(text, length);
        if (one == NULL || (one->kind == FLAG && equals != NULL)) {
            return unknown_option(text, err);
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (one->kind != FLAG && value == NULL) {
            if (i + 1 == argc) {
                return pl_error_set(err, PL_ERR_USAGE, "%s: needs a value", text);
            }
            value = argv[++i];
        }
        pl_status status = take_value(out, one, value, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}
